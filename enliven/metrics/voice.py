"""Does somebody speak?  A voice is told from noise by its pitch, not by its loudness alone.

Legend: T motion frames at 25 Hz, two sound frames each.  Sound is mono at 16 kHz.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16000
HOP = 320  # samples, 20 ms
FRAME = 640  # samples a motion frame
WINDOW = 768  # 48 ms: three periods of the lowest voice
PITCH_HZ = (70.0, 400.0)
BAND_HZ = (80.0, 3500.0)  # where harmonics are looked for
# Autocorrelation of the square root of the spectrum at the pitch: of noise, white or pink, at most
# 0.08; of 16 GRID speakers a tenth of all frames, pauses included, lies above 0.2 to 0.45.
VOICED = 0.125
FAINTEST_DB = -62.0  # full scale is 0; softer than this is silence
RANGE_DB = 32.0  # below the loudest half second: softer is the room, not the person
SHORTEST = 2  # sound frames in a row; a single one is a click
REACH = 6  # motion frames, 0.24 s, that consonants reach beyond a vowel
REST = 13  # motion frames, 0.52 s, beyond any vowel from which nobody speaks


@dataclass(frozen=True)
class Voice:
    """What is heard in T motion frames.

    loudness: (T,) dB, full scale is 0, at least -100.  periodicity: (T,) -1 to 1, of the pitch.
    speaks: (T,) bool, in speech.  quiet: (T,) bool, far from any.  Between the two lie the frames
    just before and after speech, of which nothing is claimed.
    """

    loudness: NDArray[np.float64]
    periodicity: NDArray[np.float64]
    speaks: NDArray[np.bool_]
    quiet: NDArray[np.bool_]


def hear(samples: NDArray[np.floating], context: int = 0) -> Voice:
    """The voice in samples (context + 640 T + context,)."""
    frames = (len(samples) - 2 * context) // FRAME
    before = context // FRAME  # motion frames of context that are heard as well
    lead = before * FRAME + (WINDOW - HOP) // 2
    count = 2 * (frames + 2 * before)
    padded = np.zeros((count - 1) * HOP + WINDOW, np.float32)
    first = context - lead  # sample at which the first window begins
    start, stop = max(first, 0), min(len(samples), first + len(padded))
    padded[start - first : stop - first] = samples[start:stop]
    rows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    middle = rows[:, (WINDOW - HOP) // 2 : (WINDOW + HOP) // 2]
    loudness = 10 * np.log10(np.maximum(np.square(middle, dtype=np.float64).mean(1), 1e-10))
    periodicity: NDArray[np.float64] = _periodicity(rows)
    around = np.convolve(10 ** (loudness / 10), np.full(25, 1 / 25), "same")
    floor = max(FAINTEST_DB, 10 * np.log10(around.max(initial=1e-10)) - RANGE_DB)
    voiced = _long_enough((periodicity > VOICED) & (loudness > floor), SHORTEST)
    pairs = voiced[::2] | voiced[1::2]
    inside = slice(before, before + frames)
    loud = loudness.reshape(-1, 2)[inside]
    return Voice(
        loudness=10 * np.log10((10 ** (loud / 10)).mean(1)),
        periodicity=periodicity.reshape(-1, 2)[inside].max(1, initial=-1),
        speaks=_wider(pairs, REACH)[inside],
        quiet=~_wider(pairs, REST)[inside],
    )


def _periodicity(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Highest normalised autocorrelation at a lag of a pitch, (n,) of windows (n, WINDOW).

    Of the square root of the spectrum (Tolonen and Karjalainen 2000), so that neither a loud
    formant nor the slope of pink noise passes for a pitch.
    """
    spectrum = np.abs(np.fft.rfft(rows * np.hanning(WINDOW), 2 * WINDOW, axis=1))
    hz = np.fft.rfftfreq(2 * WINDOW, 1 / SAMPLE_RATE)
    spectrum[:, (hz < BAND_HZ[0]) | (hz > BAND_HZ[1])] = 0
    curve = np.fft.irfft(np.sqrt(spectrum), axis=1)
    low, high = int(SAMPLE_RATE / PITCH_HZ[1]), int(SAMPLE_RATE / PITCH_HZ[0])
    best = curve[:, low : high + 1].max(1)
    return best / np.maximum(curve[:, 0], 1e-9)


def _long_enough(flags: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """Runs of at least so many."""
    if len(flags) < least:
        return np.zeros_like(flags)
    whole = np.asarray(np.lib.stride_tricks.sliding_window_view(flags, least).min(1))
    kept = np.zeros_like(flags)
    for shift in range(least):
        kept[shift : shift + len(whole)] |= whole
    return kept


def _wider(flags: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Flags spread by so many frames to either side."""
    wide = np.pad(flags, reach)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(wide, 2 * reach + 1).max(1))
