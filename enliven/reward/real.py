"""How near a video comes to the real one of the same words, frame for frame."""

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enliven.media.video import probe, read_frames
from enliven.metrics.image import psnr, ssim
from enliven.metrics.lips import best_lag, correlation, measure_shape
from enliven.metrics.watch import Stretch, watch
from enliven.types import MOTION_FPS, Score

LAG_LIMIT = 12  # frames of 1/25 s within which a lag is looked for
LEAST_SECONDS = 2.0  # of lips seen in both, for a correlation that tells something
SAME_SECONDS = 0.06  # within which two lengths are one: a frame and a half
EVERY = 5  # frames, of which one is compared pixel by pixel
HIGHEST_PSNR = 60.0  # dB; above it pictures are equal for any purpose


def against_real(
    path: str | Path, opening: NDArray[np.float64], real: str | Path
) -> dict[str, Score]:
    """Scores named reference_...: lips (correlation of their opening at no lag), lag (seconds),
    ssim and psnr.

    opening: (T,) IOD, of the lips in the video at `path`, frame by frame at 25 fps; NaN without
    a face.  Raises BadMedia when the real video cannot be read.
    """
    parts = [lip_opening(stretch) for stretch in watch(real)]
    mine, theirs = opening, np.concatenate([*parts, np.zeros(0)])
    count = min(len(mine), len(theirs))
    both = np.isfinite(mine[:count]) & np.isfinite(theirs[:count])
    scores = {}
    if both.sum() < LEAST_SECONDS * MOTION_FPS:
        why = (f"lips were seen in both videos for {both.sum() / MOTION_FPS:.1f} s; "
               f"{LEAST_SECONDS:g} s are needed")  # fmt: skip
        scores["reference_lips"] = Score(math.nan, -1, 1, valid=False, why=why)
        scores["reference_lag"] = Score(math.nan, 0, 0.5, False, valid=False, why=why)
    else:
        agree = correlation(theirs[:count], mine[:count])
        lag, best = best_lag(theirs, mine, LAG_LIMIT)
        scores["reference_lips"] = Score(
            agree, -1, 1, why="correlation of how far the lips open with the real ones, unshifted"
        )
        seconds = lag / MOTION_FPS
        order = "after" if lag > 0 else "before"
        scores["reference_lag"] = Score(
            abs(seconds), 0, LAG_LIMIT / MOTION_FPS, False,
            why=(f"lips come {abs(seconds):.2f} s {order} the real ones, where they agree best "
                 f"({best:.2f})" if lag else "lips agree best with the real ones unshifted"),
        )  # fmt: skip
    return {**scores, **_pixels(path, real)}


def lip_opening(stretch: Stretch) -> NDArray[np.float64]:
    """How far the lips are apart in each frame (T,), IOD; NaN without a face."""
    return np.asarray(measure_shape(stretch.shapes).aperture, np.float64)


def _pixels(path: str | Path, real: str | Path) -> dict[str, Score]:
    """Likeness of the pictures, which means something only where they should be the same."""
    mine, theirs = probe(path), probe(real)
    sizes = [f"{info.width} x {info.height} px" for info in (mine, theirs)]
    why = ""
    if sizes[0] != sizes[1]:
        why = f"the pictures differ in size: {sizes[0]} and {sizes[1]}"
    elif abs(mine.seconds - theirs.seconds) > SAME_SECONDS:
        why = f"the videos differ in length: {mine.seconds:.2f} and {theirs.seconds:.2f} s"
    if why:
        ranges = {"reference_ssim": 1.0, "reference_psnr": HIGHEST_PSNR}
        return {name: Score(math.nan, 0, high, valid=False, why=why)
                for name, high in ranges.items()}  # fmt: skip
    found = [(ssim(a, b), min(psnr(a, b), HIGHEST_PSNR)) for a, b in _pairs(path, real)]
    alike, near = np.mean(found, axis=0)
    said = f"mean of {len(found)} frames against the real ones"
    return {"reference_ssim": Score(float(alike), 0, 1, why=said),
            "reference_psnr": Score(float(near), 0, HIGHEST_PSNR, why=said + ", dB")}  # fmt: skip


def _pairs(path: str | Path, real: str | Path) -> Iterator[tuple[NDArray[np.uint8], ...]]:
    """One of EVERY frames of both videos."""
    rate = Fraction(round(MOTION_FPS))
    clips = [read_frames(p, rate).frames for p in (path, real)]
    return itertools.islice(zip(*clips, strict=False), 0, None, EVERY)
