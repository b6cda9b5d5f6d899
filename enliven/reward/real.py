"""How near a video comes to the real one of the same words, frame for frame."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import astuple
from fractions import Fraction
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from enliven.media.video import probe, read_frames
from enliven.metrics.closeness import NAMES, Habits, closeness, habits
from enliven.metrics.image import psnr, ssim
from enliven.metrics.lips import best_lag, correlation, measure_shape
from enliven.metrics.watch import Stretch, watch
from enliven.types import MOTION_FPS, Score

LAG_LIMIT = 12  # frames of 1/25 s within which a lag is looked for
LEAST_SECONDS = 2.0  # of lips seen in both, for a correlation that tells something
SAME_SECONDS = 0.06  # within which two lengths are one: a frame and a half
EVERY = 5  # frames, of which one is compared pixel by pixel
HIGHEST_PSNR = 60.0  # dB; above it pictures are equal for any purpose


@final
class Traces:
    """What is kept of a video to compare it with another: shown every stretch of it."""

    def __init__(self) -> None:
        self._openings: list[NDArray[np.float64]] = []
        self._habits: list[NDArray[np.float64]] = []
        self._seen: list[int] = []

    def add(self, stretch: Stretch) -> None:
        self._openings.append(np.asarray(measure_shape(stretch.shapes).aperture, np.float64))
        self._habits.append(np.array(astuple(habits([stretch])), np.float64))
        self._seen.append(int(stretch.valid.sum()))

    def opening(self) -> NDArray[np.float64]:
        """How far the lips are apart in each frame at 25 fps, (T,) IOD; NaN without a face."""
        return np.concatenate([*self._openings, np.zeros(0)])

    def habits(self) -> Habits:
        """Of the whole video, as `enliven.metrics.closeness.habits` tells them."""
        values = np.array(self._habits).reshape(-1, len(NAMES))
        weight = np.isfinite(values) * np.array(self._seen, np.float64)[:, None]
        total = weight.sum(0)
        means = (np.nan_to_num(values) * weight).sum(0) / np.maximum(total, 1)
        return Habits(*np.where(total > 0, means, np.nan).tolist())


def against_real(path: str | Path, made: Traces, real: str | Path) -> dict[str, Score]:
    """Scores named reference_...: lips (correlation of their opening at no lag), lag (seconds),
    closeness, ssim and psnr.

    made: of the video at `path`.  Raises BadMedia when the real video cannot be read.
    """
    other = Traces()
    for stretch in watch(real):
        other.add(stretch)
    near = {"reference_closeness": _closeness(made, other)}
    return {**_lips(made.opening(), other.opening()), **near, **_pixels(path, real)}


def _closeness(made: Traces, real: Traces) -> Score:
    """Mean over the habits, each at least 0: in one clip a habit may be next to nothing, and then
    any difference is many times as large."""
    found = closeness([real.habits()], [made.habits()])
    known = {name: max(found.scores[name], 0.0) for name in NAMES if name not in found.left_out}
    if not known:
        return Score(math.nan, 0, 1, valid=False,
                     why="no face was seen in both videos long enough")  # fmt: skip
    least = min(known, key=lambda name: known[name]).replace("_", " ")
    why = f"how near habits of movement come to the real ones; least: {least}"
    return Score(sum(known.values()) / len(known), 0, 1, why=why, details=known)


def _lips(mine: NDArray[np.float64], theirs: NDArray[np.float64]) -> dict[str, Score]:
    """How far the lips open, against the real ones."""
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
    return scores


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
