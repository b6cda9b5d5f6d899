"""What a voice gives away besides its words: when it speaks, its melody and its stresses."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enliven.motion.audio import FRAME_RATE, SAMPLE_RATE
from enliven.types import MOTION_FPS

Array = NDArray[np.float64]

LOWEST_HZ, HIGHEST_HZ = 65.0, 420.0
STRIDE = round(FRAME_RATE / MOTION_FPS)  # feature frames a motion frame
PITCH_WINDOW = 800  # samples, 50 ms: three periods of the lowest voice
PITCH_FFT = 2048
VOICED = 0.55  # normalised autocorrelation from which a frame counts as voiced
VOICED_DB = -30.0  # relative to the level; fainter frames have no pitch worth hearing
SYLLABLE_SECONDS = 0.22  # stresses are at least this far apart
# Frames of 10 ms in which a mouth opens ahead of a sound and rests after it, and half the
# width over which this is smoothed: full movement 0.1 s ahead of a sound, none 0.3 s ahead.
LEAD, HANG, EASE = 20, 24, 10
PHRASE_EASE = 18  # the same for `speaking`, which changes more slowly
NEAR_BACK, NEAR_AHEAD = 52, 8  # motion frames that a syllable's loudness is compared with
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


def pitch_hz(samples: NDArray, frames: int, first_frame: int = 0) -> Array:
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
        first = (first_frame + start) * hop - PITCH_WINDOW // 2
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


def voiced_hz(samples: NDArray, start: int, stop: int) -> Array:
    """Fundamental frequency of motion frames start to stop, 0 where unvoiced.

    The highest that is searched counts as unvoiced: noise with little treble correlates most at
    the shortest lag.
    """
    hz = pitch_hz(samples, stop - start, start)
    return np.where(hz < HIGHEST_HZ * 0.99, hz, 0.0)


@dataclass(frozen=True)
class Track:
    """What is known of n successive motion frames, each with the STRIDE feature frames around it
    (one before, two after).

    power: (n * STRIDE,) of feature frames.  heard: (n * STRIDE,) 0 to 1, sound that may move a
    mouth.  hz: (n,) pitch, 0 where unvoiced.  level: (n,) power of the level.
    middle_hz: (n,) the speaker's own pitch.
    """

    power: NDArray
    heard: NDArray
    hz: NDArray
    level: NDArray
    middle_hz: NDArray


def held(heard: NDArray, ease: int) -> Array:
    """The largest of what is heard from HANG before to LEAD after each frame, smoothed over
    `ease` frames on either side; shorter than `heard` by HANG + ease and LEAD + ease."""
    most = np.lib.stride_tricks.sliding_window_view(heard, HANG + 1 + LEAD).max(1)
    window = np.hanning(2 * ease + 3)[1:-1]
    return np.convolve(most, window / window.sum(), "valid")


def mouth_activity(heard: NDArray, start: int, stop: int, ease: int = EASE) -> Array:
    """How far the mouth may leave its rest in motion frames start to stop of a Track, 0 to 1.

    Opens ahead of a sound and closes after it, smoothly, so that no onset is clipped.  Beyond
    the end of the track the last value holds.
    """
    first = STRIDE * start + 1 - HANG - ease
    last = STRIDE * (stop - 1) + 2 + LEAD + ease
    return held(heard[np.clip(np.arange(first, last), 0, len(heard) - 1)], ease)[::STRIDE]


def _weighted(values: NDArray, start: int, stop: int, kernel: Array, back: int) -> Array:
    """Weighted mean around rows start to stop of (n,); the last value holds beyond the end."""
    at = np.arange(start - back, stop - back + len(kernel) - 1)
    return np.convolve(values[np.clip(at, 0, len(values) - 1)], kernel[::-1], "valid")


def _bell(back: int, ahead: int, seconds: float) -> Array:
    kernel = np.exp(-0.5 * (np.arange(-back, ahead + 1) / (seconds * MOTION_FPS)) ** 2)
    return kernel / kernel.sum()


def track_prosody(track: Track, start: int, stop: int) -> Prosody:
    """Prosody of motion frames start to stop of a track that knows NEAR_BACK + 2 before them.

    Loudness needs the frame after, so it is known up to the last but one.  A row that has
    NEAR_AHEAD of such frames after it is final: a longer track would not change it.  For others
    the last values are taken to hold.
    """
    # power in a syllable's width around each motion frame
    taps = np.hanning(13)[1:-1] / 6
    reach = len(taps) // 2
    centres = np.arange(1, len(track.hz) - 1) * STRIDE + 1
    known = np.convolve(track.power, taps, "valid")[centres - reach]
    start, stop = start - 1, stop - 1  # rows of what is known
    hz, level, middle_hz = (x[1:-1] for x in (track.hz, track.level, track.middle_hz))
    loud = 10 * np.log10(known / level + 1e-6)
    voiced = (hz > 0) & (loud > VOICED_DB)
    semitones = np.where(voiced, 12 * np.log2(np.maximum(hz, 1) / middle_hz), 0).clip(-9, 9)
    syllable = _bell(6, 6, 0.07)
    weight = _weighted(voiced.astype(float), start, stop, syllable, 6)
    pitch = _weighted(semitones, start, stop, syllable, 6) / np.maximum(weight, 0.15)

    rows = np.arange(start, stop)
    at = rows[:, None] + np.arange(-NEAR_BACK, NEAR_AHEAD + 1)
    past = known[np.clip(at, 0, len(known) - 1)] / level[rows, None]
    near = np.maximum(10 * np.log10(past + 1e-6), -45) @ _bell(NEAR_BACK, NEAR_AHEAD, 0.6)
    height = (loud[rows] - near) / 6 + np.maximum(pitch, 0) / 6
    gap = round(SYLLABLE_SECONDS * MOTION_FPS)
    at = rows[:, None] + np.arange(-gap, gap + 1)
    around = known[np.clip(at, 0, len(known) - 1)].max(1)
    activity = mouth_activity(track.heard, start + 1, stop + 1)
    nucleus = (known[rows] >= around) & voiced[rows] & (loud[rows] > -22) & (activity > 0.5)
    stress = np.where(nucleus & (height > 0.35), np.clip(height, 0, 1.6) / 1.6, 0)
    speaking = mouth_activity(track.heard, start + 1, stop + 1, PHRASE_EASE)
    return Prosody(speaking, pitch * activity, stress, loud[rows])
