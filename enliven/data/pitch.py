"""Another voice from the same words: pitch, formants and speed of speech, each by itself.

Nothing here moves a sound in time: what is heard at one time stays there, or, where the speed
changes, in proportion.  N samples at 16 kHz.
"""

import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption
from enliven.media.audio import SPEECH_RATE, resampled

Array = NDArray[np.float32]

PIECE = 512  # samples of a piece that is moved as a whole, 32 ms
HOP = PIECE // 2
SEARCH = 128  # samples by which it may lie beside its due place: a period of 62 Hz in all
NEARER = 0.3  # correlation that a place SEARCH away must be better by; else speech would run ahead
FFT = 1024
FINEST_QUEFRENCY = 36  # samples; finer structure of the spectrum is the voice's pitch
MOST_GAIN = 2.5  # nats by which a formant shift may raise or lower a frequency
FLOOR = 1e-4  # amplitudes below, relative to a frame's largest, do not count


def stretch(samples: NDArray, count: int) -> Array:
    """The same voice at another speed: `count` samples, pitch and formants kept.

    Waveform similarity overlap-add (Verhelst and Roelands 1993): pieces are taken from near
    where they are due, so that each continues the one before.
    """
    sound = np.asarray(samples, np.float32)
    if count < 1:
        raise BadOption(f"a sound cannot be stretched to {count} samples; give 1 or more")
    if len(sound) == count or not len(sound):
        return np.resize(sound, count) if len(sound) else np.zeros(count, np.float32)
    steps = -(-count // HOP) + 1
    due = np.round(np.arange(steps) * HOP * len(sound) / count).astype(int)
    edge = PIECE + SEARCH
    padded = np.pad(sound, (edge, edge + PIECE))
    power = np.concatenate([[0.0], np.cumsum(padded.astype(np.float64) ** 2)])
    # the middle of a piece is what keeps its place
    due = np.clip(due - HOP + edge, SEARCH, len(padded) - PIECE - SEARCH - HOP)
    far = NEARER * (np.arange(-SEARCH, SEARCH + 1) / SEARCH) ** 2
    window = np.hanning(PIECE + 1)[:-1].astype(np.float32)
    made = np.zeros((steps + 1) * HOP + PIECE, np.float32)
    at = int(due[0])
    for step in range(steps):
        if step:
            follows = padded[at + HOP : at + HOP + PIECE]
            low = int(due[step]) - SEARCH
            fit = np.correlate(padded[low : low + PIECE + 2 * SEARCH], follows, "valid")
            energy = power[low + PIECE : low + PIECE + len(fit)] - power[low : low + len(fit)]
            own = float(follows @ follows)
            fit = fit / np.sqrt(np.maximum(energy * own, 1e-12)) - far
            at = low + int(fit.argmax())
        made[step * HOP : step * HOP + PIECE] += window * padded[at : at + PIECE]
    # pieces begin half a hop before the sound, so that its first sample has its full weight
    return made[HOP : HOP + count].copy()


def _spectra(sound: Array) -> NDArray[np.complex64]:
    """Short spectra (F, FFT // 2 + 1) of frames HOP apart that sum to the sound again."""
    window = np.sqrt(np.hanning(PIECE + 1)[:-1]).astype(np.float32)
    count = -(-len(sound) // HOP) + 1
    padded = np.pad(sound, (HOP, count * HOP + PIECE - len(sound) - HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, PIECE)[::HOP][:count]
    return np.fft.rfft(frames * window, FFT).astype(np.complex64)


def _sound(spectra: NDArray[np.complex64], count: int) -> Array:
    window = np.sqrt(np.hanning(PIECE + 1)[:-1]).astype(np.float32)
    frames = np.fft.irfft(spectra, FFT)[:, :PIECE].astype(np.float32) * window
    made = np.zeros((len(frames) + 1) * HOP, np.float32)
    made[: len(frames) * HOP] += frames[:, :HOP].ravel()
    made[HOP:] += frames[:, HOP:].ravel()
    return made[HOP : HOP + count]


def _envelopes(spectra: NDArray[np.complex64]) -> Array:
    """Log amplitude (F, FFT // 2 + 1) without what pitch does to it, by its cepstrum."""
    amplitude = np.abs(spectra)
    floor = FLOOR * amplitude.max(1, keepdims=True) + 1e-9
    cepstrum = np.fft.irfft(np.log(amplitude + floor), FFT)
    quefrency = np.minimum(np.arange(FFT), FFT - np.arange(FFT))
    lifter = np.clip(FINEST_QUEFRENCY + 4 - quefrency, 0, 8) / 8
    return np.fft.rfft(cepstrum * lifter, FFT).real.astype(np.float32)


def _warped(envelopes: Array, ratio: float) -> Array:
    """Envelopes with everything at `ratio` times its frequency; the last value holds."""
    at = np.minimum(np.arange(envelopes.shape[1]) / ratio, envelopes.shape[1] - 1.001)
    low = at.astype(int)
    part = (at - low).astype(np.float32)
    return envelopes[:, low] * (1 - part) + envelopes[:, low + 1] * part


def shift_voice(samples: NDArray, pitch: float = 1.0, formants: float = 1.0) -> Array:
    """The voice (N,) with its pitch and its formants at so many times their frequencies.

    pitch: played faster or slower by as much, then brought back to its length (`stretch`).
    formants: the smooth part of each short spectrum is moved to where it belongs.
    Raises BadOption outside 0.5 to 2.
    """
    for name, ratio in (("pitch", pitch), ("formants", formants)):
        if not 0.5 <= ratio <= 2:
            raise BadOption(f"{name} is {ratio}; choose a ratio from 0.5 to 2")
    sound = np.asarray(samples, np.float32)
    if not len(sound):
        return sound
    shifted = sound
    rate = round(SPEECH_RATE * pitch)
    if rate != SPEECH_RATE:
        blocks = list(resampled([sound[None]], rate, "mono", SPEECH_RATE))
        shifted = stretch(np.concatenate(blocks, 1)[0], len(sound))
    if abs(formants - rate / SPEECH_RATE) < 1e-6:  # they came along
        return shifted
    own = _envelopes(_spectra(sound))
    gain = _warped(own, formants) - _warped(own, rate / SPEECH_RATE)
    spectra = _spectra(shifted) * np.exp(np.clip(gain, -MOST_GAIN, MOST_GAIN))
    return _sound(spectra.astype(np.complex64), len(sound))
