"""What a voice gives away besides its words: when it speaks, its melody and its stresses."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enliven.motion.audio import FRAME_RATE, SAMPLE_RATE
from enliven.types import MOTION_FPS

Array = NDArray[np.float64]

LOWEST_HZ, HIGHEST_HZ = 65.0, 420.0
PITCH_WINDOW = 800  # samples, 50 ms: three periods of the lowest voice
PITCH_FFT = 2048
VOICED = 0.55  # normalised autocorrelation from which a frame counts as voiced
SYLLABLE_SECONDS = 0.22  # stresses are at least this far apart
PIECE = 64  # motion frames whose pitch is measured at once


@dataclass(frozen=True)
class Prosody:
    """One value a motion frame, (T,).

    speaking: 0 to 1, smooth over a phrase.
    pitch: height of the voice in semitones around the speaker's own middle, 0 when unvoiced,
    smooth over a syllable.
    stress: 0 but at the middle of a stressed syllable, where it is the strength, about 0.3 to 1.
    energy_db: loudness, dB relative to the level of the speech.
    """

    speaking: Array
    pitch: Array
    stress: Array
    energy_db: Array

    def __len__(self) -> int:
        return len(self.speaking)


def smooth(values: NDArray, seconds: float) -> Array:
    """Gaussian smoothing over time (T, ...) of deviation `seconds`, without lag."""
    deviation = seconds * MOTION_FPS
    reach = max(1, int(3.5 * deviation))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel /= kernel.sum()
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    padded = np.pad(flat, ((reach, reach), (0, 0)), mode="edge")
    columns = [np.convolve(padded[:, k], kernel, "valid") for k in range(flat.shape[1])]
    return np.stack(columns, 1).reshape(np.shape(values))


def pitch_hz(samples: NDArray, frames: int) -> Array:
    """Fundamental frequency around each motion frame, (T,), 0 where unvoiced.

    The highest peak of the autocorrelation divided by that of the window (Boersma 1993).
    """
    window = np.hanning(PITCH_WINDOW)
    own = np.fft.irfft(np.abs(np.fft.rfft(window, PITCH_FFT)) ** 2)
    low, high = int(SAMPLE_RATE / HIGHEST_HZ), int(SAMPLE_RATE / LOWEST_HZ)
    hop = round(SAMPLE_RATE / MOTION_FPS)
    found = np.zeros(frames)
    for start in range(0, frames, PIECE):
        count = min(PIECE, frames - start)
        first = start * hop - PITCH_WINDOW // 2
        piece = np.zeros((count - 1) * hop + PITCH_WINDOW)
        a, b = max(first, 0), min(first + len(piece), len(samples))
        if a < b:
            piece[a - first : b - first] = samples[a:b]
        rows = np.lib.stride_tricks.sliding_window_view(piece, PITCH_WINDOW)[::hop]
        rows = (rows - rows.mean(1, keepdims=True)) * window
        correlation = np.fft.irfft(np.abs(np.fft.rfft(rows, PITCH_FFT)) ** 2)[:, : high + 2]
        correlation /= np.maximum(correlation[:, :1], 1e-9)
        correlation = correlation * (own[0] / own[: high + 2])
        # a small price for long periods keeps the peak from falling an octave
        lag = np.arange(low, high + 1)
        worth = correlation[:, low : high + 1] - 0.03 * np.log2(lag / low)
        best = worth.argmax(1)
        strength = correlation[np.arange(count), lag[best]]
        found[start : start + count] = np.where(strength > VOICED, SAMPLE_RATE / lag[best], 0)
    return found


def prosody(samples: NDArray, energy_db: NDArray, activity: NDArray) -> Prosody:
    """Measure a voice.

    samples: (N,) at 16 kHz.  energy_db: (F,) at 100 Hz, the first at time 0, relative to the
    level of the speech.  activity: (T,), 0 to 1, where the mouth may move.
    """
    frames = len(activity)
    stride = round(FRAME_RATE / MOTION_FPS)
    # power in a syllable's width around each motion frame
    power = np.convolve(10 ** (np.asarray(energy_db) / 10), np.hanning(13)[1:-1] / 6, "same")
    loud = 10 * np.log10(power[::stride][:frames] + 1e-6)

    hz = pitch_hz(samples, frames)
    voiced = (hz > 0) & (loud > -30)
    middle = np.median(hz[voiced]) if voiced.sum() > 5 else 1.0
    semitones = np.where(voiced, 12 * np.log2(np.maximum(hz, 1) / middle), 0).clip(-9, 9)
    weight = smooth(voiced.astype(float), 0.07)
    pitch = smooth(semitones, 0.07) / np.maximum(weight, 0.15)

    near = smooth(np.maximum(loud, -45), 0.6)
    height = (loud - near) / 6 + np.maximum(pitch, 0) / 6
    gap = round(SYLLABLE_SECONDS * MOTION_FPS)
    padded = np.pad(loud, gap, constant_values=-60)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * gap + 1).max(1)
    nucleus = (loud >= around) & voiced & (loud > -22) & (activity > 0.5)
    stress = np.where(nucleus & (height > 0.35), np.clip(height, 0, 1.6) / 1.6, 0)
    return Prosody(smooth(activity, 0.12), pitch * activity, stress, loud)
