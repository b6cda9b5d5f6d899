"""How long a frame takes to draw, stage by stage:

    python benchmarks/render_speed.py [PORTRAIT]

Median milliseconds of a frame in which everything moves, on one and two threads, and the
seconds it takes to build the renderer.  Stages: light, folds and shades on the skin (paint); the
whole person with hair and shoulders bent, turned and laid over the background (person); the mouth
with teeth and tongue; both eyes with their lids.  The last rows turn the head as well, so that the
side which the photo hides has to be completed.  Encoding is not included.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.face.portrait import load_portrait
from enliven.geometry import rotation_from_angles, vector_from_rotation
from enliven.render.paint import Paint
from enliven.render.renderer import Renderer, RenderOptions
from enliven.types import Portrait, group_slice

EXAMPLE = Path(__file__).parents[1] / "examples" / "portrait.jpg"
MODULE = "enliven.render.renderer."
FRAMES = 60
STAGES = ("paint", "person", "mouth", "eyes")


def motions(portrait: Portrait, yaw: float) -> list[NDArray[np.float32]]:
    """Frames in which every channel moves, about a head turned by `yaw` degrees."""
    random = np.random.default_rng(0)
    face, head = group_slice("expression"), group_slice("head")
    turned = rotation_from_angles(np.radians(yaw)) @ portrait.rotation
    frames = []
    for _ in range(FRAMES):
        values = portrait.rest.copy()
        values[face] = random.uniform(0, 0.3, values[face].shape)
        values[head] = vector_from_rotation(turned) + random.normal(0, 0.04, 3)
        values[group_slice("gaze")] += random.normal(0, 0.08, 2)
        frames.append(values)
    return frames


def measured(renderer: Renderer, frames: list[NDArray[np.float32]]) -> dict[str, float]:
    """Median milliseconds of a frame, whole and by stage."""
    spent: dict[str, float] = defaultdict(float)

    def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            result = function(*args, **options)
            spent[stage] += 1000 * (time.perf_counter() - start)
            return result

        return run

    from enliven.render.eyes import draw_eye
    from enliven.render.person import draw_person

    found = defaultdict(list)
    with (mock.patch.object(Paint, "painted", timed("paint", Paint.painted)),
          mock.patch(MODULE + "draw_person", timed("person", draw_person)),
          mock.patch(MODULE + "draw_eye", timed("eyes", draw_eye)),
          mock.patch.object(renderer, "_draw_mouth", timed("mouth", renderer._draw_mouth)),
          ):  # fmt: skip
        for values in frames:
            spent.clear()
            start = time.perf_counter()
            renderer.frame(values)
            found["whole"].append(1000 * (time.perf_counter() - start))
            for stage in STAGES:
                found[stage].append(spent[stage])
    return {stage: float(np.median(times)) for stage, times in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("portrait", nargs="?", type=Path, default=EXAMPLE)
    portrait = load_portrait(parser.parse_args().portrait)
    print(f"{'head crop':>10s} {'yaw':>4s} {'threads':>8s} {'build s':>8s} {'ms/frame':>9s}"
          + "".join(f"{stage:>8s}" for stage in STAGES))  # fmt: skip
    for size, yaw in ((512, 0), (768, 0), (1024, 0), (512, 15), (512, 30)):
        for threads in (1, 2):
            cv2.setNumThreads(threads)
            start = time.perf_counter()
            renderer = Renderer(portrait, RenderOptions(size=size, crop=True))
            built = time.perf_counter() - start
            times = measured(renderer, motions(portrait, yaw))
            print(f"{size:>8d}px {yaw:>4d} {threads:>8d} {built:>8.2f} {times['whole']:>9.1f}"
                  + "".join(f"{times[stage]:>8.1f}" for stage in STAGES))  # fmt: skip


if __name__ == "__main__":
    main()
