"""How often, and how bright, teeth show: real clips beside their own re-enactment.

    python benchmarks/teeth.py --data ../shared/data [--frames 150] [CLIP ...]

Of the frames whose lips are apart: how much of the opening looks like teeth (bright and no redder
than the skin), in how many frames that is more than a tenth, and how bright those pixels are
relative to the skin; real / ours.  Pixels of both are judged inside the real frame's lips.
"""

import argparse
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from reenactment import clips, first_frame_portrait

from enliven.face.head import fit_motion
from enliven.face.track import track_video
from enliven.media.video import read_frames
from enliven.render.mesh import LOWER_LIP_INNER, UPPER_LIP_INNER
from enliven.render.renderer import Renderer

APART = 0.04  # IOD between the middles of the lips
CHEEKS = (205, 425, 50, 280, 36, 266)
BRIGHT = 0.55  # of the skin's brightness
SHOWS = 0.1  # of the opening


def opening(landmarks: NDArray) -> float:
    """Gap between the middles of the inner rims, IOD, of landmarks (478, 3) px."""
    iod = float(np.linalg.norm(landmarks[33, :2] - landmarks[263, :2]))
    return float(np.linalg.norm(landmarks[13, :2] - landmarks[14, :2])) / iod


def teeth_shown(image: NDArray[np.uint8], landmarks: NDArray) -> tuple[float, float]:
    """Share of the opening that looks like teeth, and its brightness relative to the skin."""
    ring = list(UPPER_LIP_INNER) + list(LOWER_LIP_INNER[-2:0:-1])
    inside = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.rint(landmarks[ring, :2]).astype(np.int32)], 1)
    pixels = image[inside > 0].astype(np.float64)
    if not len(pixels):
        return 0.0, np.nan
    x, y = np.rint(landmarks[list(CHEEKS), :2]).astype(int).T
    height, width = inside.shape
    skin = np.median(image[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)], axis=0)
    pale = (pixels[:, 1] + pixels[:, 2]) / np.maximum(pixels[:, 0], 1)
    bright = pixels.mean(1) / max(float(skin.mean()), 1)
    teeth = (pale > (skin[1] + skin[2]) / max(float(skin[0]), 1)) & (bright > BRIGHT)
    return float(teeth.mean()), float(bright[teeth].mean()) if teeth.any() else np.nan


def summary(seen: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Mean share, how often more than SHOWS, mean brightness of what is seen."""
    share, bright = np.array(seen).T
    known = bright[np.isfinite(bright)]
    return share.mean(), (share > SHOWS).mean(), known.mean() if len(known) else np.nan


def compare(frames: NDArray[np.uint8], landmarks: NDArray, values: NDArray,
            renderer: Renderer) -> NDArray[np.float64] | None:  # fmt: skip
    """Real and ours (2, 3), as `summary` has it; None if the lips hardly part."""
    apart = [i for i in range(len(frames)) if opening(landmarks[i]) > APART]
    if len(apart) < 3:
        return None
    real = [teeth_shown(frames[i], landmarks[i]) for i in apart]
    ours = [teeth_shown(renderer.frame(values[i]), landmarks[i]) for i in apart]
    return np.array([summary(real), summary(ours)])


def print_row(name: str, both: NDArray) -> None:
    cells = [f"{real:.2f} / {ours:.2f}" for real, ours in both.T]
    print(f"{name:26s}" + "".join(f"{cell:>18s}" for cell in cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=150, help="of each clip, at most")
    parser.add_argument("clips", nargs="*", help="stems of the clips to run; all by default")
    arguments = parser.parse_args()
    heads = ("share of opening", "frames with teeth", "brightness")
    print(f"{'clip, real / ours':26s}" + "".join(f"{head:>18s}" for head in heads))
    rows = []
    for path in clips(arguments.data):
        if arguments.clips and path.stem not in arguments.clips:
            continue
        frames = np.array(list(islice(read_frames(path).frames, arguments.frames)))
        track = track_video(iter(frames), fps=float(read_frames(path).fps))
        motion = fit_motion(track)
        start = int(np.argmax(track.valid))
        renderer = Renderer(first_frame_portrait(frames[start], track, motion))
        seen = track.valid
        both = compare(frames[seen], track.landmarks[seen], motion.values[seen], renderer)
        if both is not None:
            rows.append(both)
            print_row(path.stem, both)
    print_row("mean", np.nanmean(rows, axis=0))


if __name__ == "__main__":
    main()
