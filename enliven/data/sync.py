"""How far the sound of a video is off its picture, told by the lips.

Phones are recognised by the acoustic model of `motion.audio`; each opens and widens the mouth by
what PHONE_LIPS says; what the lips did is shifted against that until both agree best.  On clips
of people in the wild whose sound was shifted at random, 58 windows of 5 s: all of those that
`Offset.trusted` accepts (four in five) were right within a frame; the wrong sound was accepted
in 1 of 20 windows of 5 s, in none of 10 s.

T motion frames at 25 Hz.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enliven.metrics.lips import correlation, measure_shape
from enliven.motion.audio import FRAME_RATE, acoustic_model, analyse, phone_scores
from enliven.types import MOTION_FPS

Array = NDArray[np.float64]

LIMIT = 10  # frames looked at either way
LEAST_SECONDS = 5.0  # shorter ones often seem to agree by chance
LEAST_PEAK, LEAST_MARGIN = 0.35, 0.10  # correlation, and by how much it beats other offsets
BESIDE = 3  # frames on either side of the best that are the same peak
UNRELATED, UNRELATED_SECONDS = 0.15, 10.0  # lips that agree less, over so long, say other words

STRIDE = round(FRAME_RATE / MOTION_FPS)
SHARPNESS = 0.6  # of phone probabilities; 1 trusts the acoustic model's own likelihoods
SPREAD = 4.0  # feature frames, deviation of the smoothing that stands for co-articulation

# Aperture and width of the lips on each phone, in deviations from a clip's mean: least squares on
# 113 clips of the GRID corpus (Cooke et al. 2006).
PHONE_LIPS: dict[str, tuple[float, float]] = {
    "+NSN+": (-0.03, -0.10), "+SPN+": (0.37, 0.33), "AA": (0.56, -0.46), "AE": (1.80, 1.95),
    "AH": (0.15, -0.71), "AO": (0.00, -1.06), "AW": (0.47, 0.77), "AY": (1.75, 0.82),
    "B": (-2.04, -0.54), "CH": (0.26, -0.13), "D": (0.00, 0.34), "DH": (-0.76, 0.16),
    "EH": (1.53, 0.99), "ER": (-0.41, -0.45), "EY": (1.52, 1.69), "F": (-0.56, 0.57),
    "G": (-0.45, -0.34), "HH": (0.28, 0.27), "IH": (0.52, -0.44), "IY": (0.93, 1.14),
    "JH": (0.41, -0.14), "K": (0.13, -0.15), "L": (0.21, -0.85), "M": (-1.06, -0.59),
    "N": (0.21, 0.60), "NG": (-0.11, 0.35), "OW": (-0.49, -0.69), "OY": (0.36, -0.29),
    "P": (-0.94, -0.65), "R": (-1.00, -0.79), "S": (0.43, 0.10), "SH": (0.54, -0.06),
    "SIL": (-1.39, 1.11), "T": (0.26, 0.14), "TH": (-0.25, 0.46), "UH": (-0.21, -0.54),
    "UW": (-1.73, -1.11), "V": (-0.84, 0.18), "W": (-1.06, -2.12), "Y": (0.32, 0.07),
    "Z": (0.15, 0.10), "ZH": (0.14, 0.07),
}  # fmt: skip


@dataclass(frozen=True)
class Offset:
    """Where lips and sound of a video agree best.

    frames: by which the lips come after the sound, to a part of a frame.
    peak: correlation there, mean of aperture and width.
    margin: by which it beats every offset that is not beside it.
    seconds: of speech compared.
    """

    frames: float
    peak: float
    margin: float
    seconds: float

    @property
    def trusted(self) -> bool:
        """Whether to believe `frames`."""
        return bool(
            self.seconds >= LEAST_SECONDS and self.peak > LEAST_PEAK
            and self.margin > LEAST_MARGIN and abs(self.frames) < LIMIT - 0.5
        )  # fmt: skip

    @property
    def unrelated(self) -> bool:
        """Whether these lips surely say something else, or nothing."""
        return self.seconds >= UNRELATED_SECONDS and self.peak < UNRELATED


def expected_lips(samples: NDArray, frames: int) -> Array:
    """Aperture and width (T, 2) that the phones of a sound (N,) suggest, up to scale and mean."""
    phones = acoustic_model().phones
    table = np.array([PHONE_LIPS[name] for name in phones])
    scores = phone_scores(analyse(samples, 0, STRIDE * (frames - 1) + 1))
    likely = np.exp(SHARPNESS * scores.astype(np.float64))
    lips = likely / likely.sum(1, keepdims=True) @ table
    reach = int(4 * SPREAD)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SPREAD) ** 2)
    padded = np.pad(lips, ((reach, reach), (0, 0)), mode="edge")
    smooth = [np.convolve(column, kernel / kernel.sum(), "valid") for column in padded.T]
    return np.stack(smooth, 1)[::STRIDE]


def seen_lips(shapes: NDArray) -> Array:
    """Aperture and width (T, 2) of points in head axes (T, 478, 3); NaN where unknown."""
    measures = measure_shape(shapes)
    return np.stack([measures.aperture, measures.width], 1)


def agreement(expected: Array, seen: Array) -> Array:
    """Mean correlation (2 LIMIT + 1,) when the lips come -LIMIT to LIMIT frames late."""
    count = min(len(expected), len(seen))
    found = np.zeros(2 * LIMIT + 1)
    for i, late in enumerate(range(-LIMIT, LIMIT + 1)):
        low, high = max(0, -late), min(count, count - late)
        if high - low > 2 * LIMIT:
            pairs = zip(expected[low:high].T, seen[low + late : high + late].T, strict=True)
            found[i] = np.mean([correlation(a, b) for a, b in pairs])
    return found


def find_offset(pieces: Sequence[tuple[Array, Array]]) -> Offset:
    """The one offset of several pieces (expected, seen) of a video."""
    lengths = np.array([min(len(a), len(b)) for a, b in pieces], float)
    if not lengths.sum():
        return Offset(0.0, 0.0, 0.0, 0.0)
    curves = np.array([agreement(expected, seen) for expected, seen in pieces])
    curve = lengths @ curves / lengths.sum()
    best = int(curve.argmax())
    others = np.delete(curve, slice(max(0, best - BESIDE), best + BESIDE + 1))
    part = 0.0
    if 0 < best < len(curve) - 1:  # the top of the parabola through the three highest
        before, top, after = curve[best - 1 : best + 2]
        bend = before - 2 * top + after
        part = 0.5 * (before - after) / bend if bend < -1e-9 else 0.0
    return Offset(best - LIMIT + float(part), float(curve[best]),
                  float(curve[best] - others.max()), float(lengths.sum() / MOTION_FPS))  # fmt: skip
