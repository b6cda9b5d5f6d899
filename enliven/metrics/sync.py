"""Do lips and voice belong together?  A small meter that shares nothing with the generator.

It has its own ear (24 mel bands in 32 ms Hann windows, no phone model) and its own knowledge:
a linear regression from half a second of sound to four lip measures, learned by
`enliven.train.sync` from clips that the generator was not trained on.  The lips it expects are
correlated with those it is shown, at every shift of a few frames.

Legend: T motion frames at 25 Hz, B bands, M measures.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from enliven.errors import ModelUnavailable
from enliven.metrics.lips import LipMeasures, correlation

Array = NDArray[np.float32]

SAMPLE_RATE = 16000
HOP = 320  # samples, 20 ms: two sound frames a motion frame
WINDOW = 512
BANDS = 24
RANGE_HZ = (80.0, 7000.0)
FLOOR_DB = 55.0  # below the loudest stretch
LOUD_DB = 30.0  # within this of it a frame counts for the spectrum of the voice
REACH = 12  # sound frames heard on either side, 0.24 s
MEASURES = ("aperture", "height", "width", "chin")
# How much each counts: the corners of the lips are told worst by a sound.
TRUST = (0.30, 0.25, 0.15, 0.30)
SHIFTS = 12  # motion frames on either side among which the best is looked for
APART = 3  # a shift at least so far from the best is another one


def mel_matrix(warp: float = 1.0) -> Array:
    """Triangular bands over the spectrum, (WINDOW // 2 + 1, B).

    warp: factor on all frequencies: above 1 it hears a voice as one of a longer throat.
    """
    low, high = 2595 * np.log10(1 + np.array(RANGE_HZ) / 700)
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1) * warp
    hz = np.arange(WINDOW // 2 + 1)[:, None] * (SAMPLE_RATE / WINDOW)
    rise = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    filters = np.maximum(0, np.minimum(rise, fall))
    return (filters / np.maximum(filters.sum(0), 1e-6)).astype(np.float32)


def hear(samples: NDArray, frames: int, warp: float = 1.0) -> tuple[Array, NDArray[np.float64]]:
    """What the meter hears: bands (2 T + 2 REACH, B) and the loudness (T,) in dB re the loudest.

    samples: (N,) mono at 16 kHz.  Level and long-term spectrum of the voice are taken out.
    """
    total = 2 * frames + 2 * REACH
    first = -REACH * HOP - WINDOW // 2
    padded = np.zeros((total - 1) * HOP + WINDOW, np.float32)
    stop = min(len(samples), first + len(padded))
    if stop > 0:
        padded[-first : stop - first] = samples[:stop]
    rows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(rows * np.hanning(WINDOW).astype(np.float32))) ** 2
    energy = power.mean(1)
    loudest = max(float(np.convolve(energy, np.full(9, 1 / 9), "same").max()), 1e-9)
    loudness = 10 * np.log10(np.maximum(energy / loudest, 1e-8))
    bands = np.log(power @ mel_matrix(warp) / loudest + 10 ** (-FLOOR_DB / 10))
    weight = np.clip((loudness + LOUD_DB) / 10, 0, 1)
    spectrum = weight @ bands / max(float(weight.sum()), 1e-6)
    middle = loudness[REACH : REACH + 2 * frames].reshape(frames, 2)
    return ((bands - spectrum) / 3).astype(np.float32), middle.max(1).astype(np.float64)


def windows(bands: Array) -> Array:
    """Each motion frame with the sound around it, (T, (2 REACH + 1) * B)."""
    view = np.lib.stride_tricks.sliding_window_view(bands, 2 * REACH + 1, axis=0)[:-1:2]
    return np.ascontiguousarray(view.transpose(0, 2, 1)).reshape(len(view), -1)


@dataclass(frozen=True)
class Meter:
    """weights (W + 1, M): from a window and a constant to each measure, in its deviations."""

    weights: Array

    def expect(self, samples: NDArray, frames: int) -> Array:
        """Lips (T, M) that go with a voice (N,) at 16 kHz, each measure in its own deviations."""
        return windows(hear(samples, frames)[0]) @ self.weights[:-1] + self.weights[-1]


@cache
def load_meter() -> Meter:
    """The meter that ships with the package.  Raises ModelUnavailable."""
    file = files("enliven.models").joinpath("sync.npz")
    if not file.is_file():
        raise ModelUnavailable("enliven/models/sync.npz is missing; install enliven again")
    with file.open("rb") as stream, np.load(stream) as stored:
        return Meter(stored["weights"].astype(np.float32))


@dataclass(frozen=True)
class Agreement:
    """How lips and voice agree.  All correlations are averages over the measures, by TRUST.

    here: at no shift.  best: the highest within SHIFTS.  late: frames by which the lips come
    after the voice there.  margin: `here` above the best at another shift (APART or more away
    from none); below 0, another timing fits better.
    """

    here: float
    best: float
    late: int
    margin: float


def agreement(expected: Array, lips: LipMeasures) -> Agreement:
    """Agreement of what `Meter.expect` gives for a voice with the lips (T,) seen with it."""
    seen = np.stack([getattr(lips, name) for name in MEASURES], 1)
    count = min(len(expected), len(seen))
    scores = {}
    for shift in range(-SHIFTS, SHIFTS + 1):
        low, high = max(0, -shift), min(count, count - shift)
        scores[shift] = sum(
            weight * correlation(expected[low:high, k], seen[low + shift : high + shift, k])
            for k, weight in enumerate(TRUST)
        )
    late = max(scores, key=lambda k: (scores[k], -abs(k)))
    rival = max(score for shift, score in scores.items() if abs(shift) >= APART)
    return Agreement(scores[0], scores[late], late, scores[0] - rival)
