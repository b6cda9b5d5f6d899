"""Whether a moving region shows its border in the photo: python benchmarks/seam.py PHOTO...

A seam is a jump along a border that the renderer has drawn: of the moving region, which beyond it
is the photo itself, or of the parts that are drawn again on top, mouth and eyes.  Just inside
such a border the picture must hardly differ from what lies beneath.  For each photo and border,
over random motions, in levels of 0 to 255:

    mean, 99%, most   by how much the outermost pixels differ from what is beneath
    photo             for comparison, the mean step from a pixel to the next in the photo
"""

import argparse
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np

from enliven.face.portrait import load_portrait
from enliven.geometry import rotation_from_angles, vector_from_rotation
from enliven.render.person import moving_region
from enliven.render.renderer import Renderer, RenderOptions
from enliven.types import GROUPS, group_slice


def motion(renderer: Renderer, rng: np.random.Generator) -> np.ndarray:
    """A few channels up to full, a turn of head up to 12 degrees, some gaze."""
    rest = renderer.portrait.rest.astype(np.float64)
    values = rest.copy()
    face = group_slice("expression")
    count = len(GROUPS["expression"])
    used = rng.random(count) < 0.15
    values[face] = np.where(used, rng.random(count), values[face])
    turn = rotation_from_angles(*np.radians(rng.uniform(-12, 12, 3))) @ renderer.portrait.rotation
    values[group_slice("head")] = vector_from_rotation(turn)
    values[group_slice("translation")] += rng.uniform(-0.15, 0.15, 3)
    values[group_slice("gaze")] += rng.uniform(-0.2, 0.2, 2)
    return values


def jumps(renderer: Renderer, values: np.ndarray, photo: np.ndarray) -> dict[str, np.ndarray]:
    """For each border the levels (n,) by which what is drawn differs just inside of it."""
    whole = renderer.frame(values).astype(np.float32)
    x0, y0, x1, y1 = moving_region(renderer.portrait)
    height, width = photo.shape[:2]
    border = np.zeros((height, width), bool)
    border[y0:y1, x0:x1] = True
    border[y0 + (y0 > 0) : y1 - (y1 < height), x0 + (x0 > 0) : x1 - (x1 < width)] = False
    found = {"region": np.abs(whole - photo).max(2)[border]}
    for name, without in (("mouth", without_mouth), ("eyes", without_eyes)):
        change = np.abs(whole - without(renderer, values)).max(2)
        found[name] = change[rim(change)]
    return found


def without_mouth(renderer: Renderer, values: np.ndarray) -> np.ndarray:
    with patch.object(Renderer, "_draw_mouth"):
        return renderer.frame(values).astype(np.float32)


def without_eyes(renderer: Renderer, values: np.ndarray) -> np.ndarray:
    with patch.object(renderer, "eyes", []):
        return renderer.frame(values).astype(np.float32)


def rim(change: np.ndarray) -> np.ndarray:
    """(H, W) bool: the outermost pixels of what a layer has changed."""
    inside = cv2.morphologyEx((change > 0).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9)))
    return (inside > 0) & (cv2.erode(inside, np.ones((3, 3))) == 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--size", type=int, default=768)
    parser.add_argument("--motions", type=int, default=40)
    arguments = parser.parse_args()
    print(f"{'photo':24}{'border':8}{'mean':>7}{'99%':>7}{'most':>7}{'photo':>7}")
    for path in arguments.photos:
        renderer = Renderer(load_portrait(path), RenderOptions(size=arguments.size))
        rng = np.random.default_rng(0)
        photo = renderer.portrait.image.astype(np.float32)
        steps = np.abs(np.diff(photo, axis=1)).max(2).mean()
        found: dict[str, list[np.ndarray]] = {"region": [], "mouth": [], "eyes": []}
        for _ in range(arguments.motions):
            for name, levels in jumps(renderer, motion(renderer, rng), photo).items():
                found[name].append(levels)
        for name, parts in found.items():
            levels = np.concatenate(parts)
            if len(levels):
                most = np.quantile(levels, 0.99), levels.max()
                print(f"{path.stem[:23]:24}{name:8}{levels.mean():7.2f}{most[0]:7.2f}"
                      f"{most[1]:7.0f}{steps:7.2f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
