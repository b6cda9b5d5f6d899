"""Do lips follow what is said, or only how loud it is?  Numbers of a stretch of speech.

What lips do in speech has several dimensions (they open, widen, purse and press), follows
loudness loosely, and keeps no beat.  A mouth driven by loudness, or flapping on its own, does
not: its lips move as one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enliven.metrics.lips import LipMeasures, correlation
from enliven.metrics.voice import Voice
from enliven.types import MOTION_FPS

Array = NDArray[np.floating]

LEAST_FRAMES = 25  # of speech
# Deviation of aperture, width, protrusion and thickness of the lips of people in speech, IOD
SPREAD = np.array([0.06, 0.035, 0.02, 0.03])
WIDTHS = (1, 3, 5, 7, 9, 13)  # frames over which a loudness may be smoothed
SHIFTS = range(-3, 4)  # frames by which lips may be earlier or later
POWERS = (0.5, 1.0)  # of the amplitude, and decibels
DEEPEST_DB = 35.0  # below the loudest
BEAT_HZ = (0.8, 12.0)
BEAT_WIDTH_HZ = 0.6


@dataclass(frozen=True)
class Speaking:
    """NaN with less than a second of speech.

    alone: share of the variance of the lips that lies in one direction, 0 to 1.
    loud: highest correlation of the aperture with any simple curve of the loudness.
    beat: share of the power of the aperture that lies in one narrow band, 0 to 1.
    """

    alone: float
    loud: float
    beat: float


def speaking(lips: LipMeasures, voice: Voice) -> Speaking:
    """What lips do in speech, over a stretch."""
    moves = np.stack([lips.aperture, lips.width, lips.protrusion, lips.height - lips.aperture], 1)
    known = np.asarray(np.isfinite(moves).all(1))
    said = known & voice.speaks
    if said.sum() < LEAST_FRAMES:
        return Speaking(float("nan"), float("nan"), float("nan"))
    spread = (moves[said] - moves[said].mean(0)) / SPREAD
    power = np.linalg.svd(spread, compute_uv=False) ** 2
    aperture = np.where(known, lips.aperture, np.nan)
    return Speaking(
        alone=float(power[0] / power.sum()) if power.sum() > 1e-9 else float("nan"),
        loud=_loudness_match(aperture, voice),
        beat=_beat(np.interp(np.arange(len(known)), np.flatnonzero(known), aperture[known])),
    )


def _loudness_match(aperture: Array, voice: Voice) -> float:
    kinds = [np.maximum(voice.loudness, voice.loudness.max() - DEEPEST_DB)]
    kinds += [10 ** (voice.loudness * power / 20) for power in POWERS]
    best, count = 0.0, len(aperture)
    for kind in kinds:
        for width in WIDTHS:
            curve = smoothed(kind, width)
            for shift in SHIFTS:
                low, high = max(0, -shift), min(count, count - shift)
                best = max(best, correlation(aperture[low + shift : high + shift], curve[low:high]))
    return best


def smoothed(curve: Array, width: int) -> NDArray[np.float64]:
    """A curve (T,) under a Hann window of so many frames, an odd number."""
    kernel = np.hanning(width + 2)[1:-1]
    wide = np.pad(np.asarray(curve, np.float64), width // 2, mode="edge")
    return np.convolve(wide, kernel / kernel.sum(), "valid")


def _beat(aperture: Array) -> float:
    """How much of the movement keeps one beat."""
    own = aperture - smoothed(aperture, 25)
    power = np.abs(np.fft.rfft(own * np.hanning(len(own)), max(1024, len(own)))) ** 2
    hz = np.fft.rfftfreq(max(1024, len(own)), 1 / MOTION_FPS)
    power[(hz < BEAT_HZ[0]) | (hz > BEAT_HZ[1])] = 0
    if power.sum() < 1e-9:
        return float("nan")
    near = np.abs(hz - hz[power.argmax()]) < BEAT_WIDTH_HZ
    return float(power[near].sum() / power.sum())
