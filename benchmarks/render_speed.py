"""How long a frame takes to draw:

    python benchmarks/render_speed.py [PORTRAIT]

Median milliseconds of a frame in which everything moves, on one and two threads, and the
seconds it takes to build the renderer.  Encoding is not included.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from enliven.face.portrait import load_portrait
from enliven.render.renderer import Renderer, RenderOptions
from enliven.types import group_slice

EXAMPLE = Path(__file__).parents[1] / "examples" / "portrait.jpg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("portrait", nargs="?", type=Path, default=EXAMPLE)
    portrait = load_portrait(parser.parse_args().portrait)
    random = np.random.default_rng(0)
    print(f"{'head crop':>10s} {'threads':>8s} {'build s':>8s} {'ms/frame':>9s}")
    for size in (512, 768, 1024):
        for threads in (1, 2):
            cv2.setNumThreads(threads)
            start = time.perf_counter()
            renderer = Renderer(portrait, RenderOptions(size=size, crop=True))
            built = time.perf_counter() - start
            times = []
            for _ in range(60):
                values = portrait.rest.copy()
                face = group_slice("expression")
                values[face] = random.uniform(0, 0.3, values[face].shape)
                values[group_slice("head")] += random.normal(0, 0.04, 3)
                values[group_slice("gaze")] += random.normal(0, 0.08, 2)
                start = time.perf_counter()
                renderer.frame(values)
                times.append(1000 * (time.perf_counter() - start))
            print(f"{size:>8d}px {threads:>8d} {built:>8.2f} {np.median(times):>9.1f}")


if __name__ == "__main__":
    main()
