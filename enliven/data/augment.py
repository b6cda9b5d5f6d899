"""Varied voices: the same speech by another speaker, elsewhere, through another line.

    spoken, factor = vary_speed(samples, rng)  # resample the motion by the factor, too
    heard = augment(spoken, rng)  # same length, same times

N samples (N,) float32 in -1..1 at 16 kHz.  Everything follows from the generator `rng`.
"""

import io
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from enliven.data.pitch import shift_voice, stretch
from enliven.errors import BadOption
from enliven.media.audio import SPEECH_RATE, audio_frames, resampled

Array = NDArray[np.float32]

FRAME = 320  # samples, 20 ms: level is told from frames
ACTIVE_DB = 30.0  # frames within this range of the loudest count as speech
TELEPHONE_HZ = (300.0, 3400.0)
TELEPHONE_RATE = 8000
MU = 255.0  # of the companding of ITU-T G.711
# Codec -> encoder, container, sample rate, and bits a second from the worst to a good one.
CODECS = {
    "mp3": ("libmp3lame", "mp3", 16_000, (16_000, 48_000)),
    "opus": ("libopus", "ogg", 16_000, (6_000, 32_000)),
    "aac": ("aac", "mp4", 16_000, (12_000, 48_000)),
}


@dataclass(frozen=True)
class Augmentation:
    """How often and how far voices are varied.

    pitch, formants, tone, room, noise, clipping, bandwidth, codec: share of sounds, 0 to 1, to
    which each happens.  Then:
    semitones: pitch moves by at most so many either way.
    formant_ratio: formants move by a factor between this and its inverse; 1.18 is about the
    step from a man's vocal tract to a woman's.
    tone_db: typical deviation of a microphone's response.
    snr_db: from the worst to the best ratio of speech to noise.
    clipped: largest share of the speech's samples that are cut off by clipping.
    gain_db: quietest and loudest peak, re full scale.
    speed: speech becomes at most so many times faster, or slower (`vary_speed`).
    """

    pitch: float = 0.4
    formants: float = 0.4
    tone: float = 0.8
    room: float = 0.4
    noise: float = 0.7
    clipping: float = 0.1
    bandwidth: float = 0.3
    codec: float = 0.2
    semitones: float = 4.0
    formant_ratio: float = 1.18
    tone_db: float = 4.0
    snr_db: tuple[float, float] = (0.0, 45.0)
    clipped: float = 0.05
    gain_db: tuple[float, float] = (-40.0, -0.5)
    speed: float = 1.25

    def __post_init__(self) -> None:
        for field in fields(self)[:8]:
            value = getattr(self, field.name)
            if not 0 <= value <= 1:
                raise BadOption(f"{field.name} is {value}; give the share of sounds, 0 to 1")
        limits = {"semitones": (0, 12), "formant_ratio": (1, 2), "tone_db": (0, 12),
                  "clipped": (0, 0.5), "speed": (1, 2)}  # fmt: skip
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise BadOption(f"{name} is {getattr(self, name)}; choose {low} to {high}")
        for name in ("snr_db", "gain_db"):
            low, high = getattr(self, name)
            if not -60 <= low <= high <= 100:
                raise BadOption(f"{name} is {(low, high)}; give (lowest, highest) in dB")


def augment(
    samples: NDArray, rng: np.random.Generator, options: Augmentation = Augmentation()
) -> Array:
    """The same words at the same times by another voice, in another place, otherwise recorded."""
    sound = np.asarray(samples, np.float32)
    if not sound.any():
        return sound.copy()

    def happens(share: float) -> bool:
        return bool(rng.random() < share)

    pitch = 2 ** (rng.uniform(-1, 1) * options.semitones / 12) if happens(options.pitch) else 1.0
    tract = options.formant_ratio ** rng.uniform(-1, 1) if happens(options.formants) else 1.0
    if pitch != 1 or tract != 1:
        sound = shift_voice(sound, pitch, tract)
    if happens(options.tone):
        sound = microphone(sound, rng, options.tone_db)
    if happens(options.room):
        sound = room(sound, rng)
    if happens(options.noise):
        sound = add_noise(sound, background(sound, rng), rng.uniform(*options.snr_db))
    if happens(options.clipping):
        sound = clip(sound, rng.uniform(0, options.clipped))
    if happens(options.bandwidth):
        sound = narrow(sound, 0.0, float(np.exp(rng.uniform(np.log(2500), np.log(7500)))))
    if happens(options.codec):
        sound = _some_codec(sound, rng)
    peak = float(np.abs(sound).max())
    return sound * np.float32(10 ** (rng.uniform(*options.gain_db) / 20) / max(peak, 1e-9))


def vary_speed(
    samples: NDArray, rng: np.random.Generator, options: Augmentation = Augmentation()
) -> tuple[Array, float]:
    """The same voice faster or slower, and by what factor: t seconds come at t / factor."""
    factor = float(options.speed ** rng.uniform(-1, 1))
    count = max(1, round(len(samples) / factor))
    return stretch(samples, count), len(samples) / count


def speech_power(samples: NDArray) -> float:
    """Mean power of the frames in which something is said: pauses do not lower it."""
    count = max(1, len(samples) // FRAME)
    power = np.resize(np.asarray(samples, np.float64), count * FRAME).reshape(count, FRAME)
    power = (power**2).mean(1)
    return float(power[power >= power.max() * 10 ** (-ACTIVE_DB / 10)].mean())


def add_noise(samples: NDArray, disturbing: NDArray, snr_db: float) -> Array:
    """Speech (N,) with a noise (N,) so many dB below the level it has while speaking."""
    wanted = speech_power(samples) / 10 ** (snr_db / 10)
    there = float(np.mean(np.asarray(disturbing, np.float64) ** 2))
    return np.asarray(samples + np.sqrt(wanted / max(there, 1e-20)) * disturbing, np.float32)


def background(samples: NDArray, rng: np.random.Generator) -> Array:
    """Something that disturbs: noise mostly, else other voices or music, (N,)."""
    kind = rng.random()
    if kind < 0.7:
        return noise(len(samples), rng)
    return babble(samples, rng) if kind < 0.85 else music(len(samples), rng)


def noise(count: int, rng: np.random.Generator) -> Array:
    """Noise of random colour and slow loudness changes, unit deviation, (count,)."""
    if count < 2:
        return np.zeros(count, np.float32)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / SPEECH_RATE)
    spectrum *= np.maximum(hz, 20.0) ** -rng.uniform(0, 1.3)
    if rng.random() < 0.3:  # hum of the mains and machines
        loudest, root = np.abs(spectrum).max(), rng.choice([50, 60, 100, 120])
        for harmonic in range(1, 8):
            at = min(int(np.searchsorted(hz, harmonic * root)), len(hz) - 1)
            spectrum[at] += loudest * 20 * rng.random()
    sound = np.fft.irfft(spectrum, count)
    knots = np.arange(0, count + SPEECH_RATE, SPEECH_RATE // 2)
    sound *= np.exp(np.interp(np.arange(count), knots, rng.normal(0, 0.4, len(knots))))
    return (sound / (sound.std() + 1e-9)).astype(np.float32)


def babble(samples: NDArray, rng: np.random.Generator, voices: int = 6) -> Array:
    """The murmur of people: the sound itself backwards, several times at once, (N,)."""
    if not len(samples):
        return np.zeros(0, np.float32)
    made = np.zeros(len(samples), np.float32)
    backwards = np.asarray(samples, np.float32)[::-1]
    for _ in range(voices):
        speed = 2 ** rng.uniform(-0.4, 0.4)  # moves pitch and formants together
        at = (np.arange(len(made)) * speed + rng.uniform(0, len(made))) % len(made)
        made += np.interp(at, np.arange(len(made)), backwards).astype(np.float32)
    return made / (made.std() + np.float32(1e-9))


def music(count: int, rng: np.random.Generator) -> Array:
    """Plucked notes of a scale on a beat, some together, unit deviation, (count,)."""
    if not count:
        return np.zeros(0, np.float32)
    made = np.zeros(count + 2 * SPEECH_RATE)
    beat = int(SPEECH_RATE * rng.uniform(0.2, 0.6))
    scale = 110 * 2 ** (
        rng.integers(0, 12) / 12 + np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16]) / 12
    )
    time = np.arange(2 * SPEECH_RATE) / SPEECH_RATE
    decay, bright = np.exp(-time / rng.uniform(0.2, 1.0)), rng.uniform(0.3, 0.8)
    for start in range(0, count, beat):
        for hz in rng.choice(scale, rng.integers(1, 4), replace=False):
            tone = sum(bright**k * np.sin(2 * np.pi * k * hz * time) for k in range(1, 7))
            made[start : start + len(time)] += rng.uniform(0.3, 1) * decay * tone
    made = made[:count]
    return (made / (made.std() + 1e-9)).astype(np.float32)


def _filtered(samples: NDArray, gain_db: NDArray) -> Array:
    """Sound (N,) with every frequency of its spectrum changed, without delay."""
    spectrum = np.fft.rfft(samples, _size(len(samples)))
    return np.fft.irfft(spectrum * 10 ** (gain_db / 20))[: len(samples)].astype(np.float32)


def _size(count: int) -> int:
    # room for half a second more keeps what rings on from coming round to the start
    return 1 << (count + SPEECH_RATE // 2).bit_length()


def _hz(count: int) -> NDArray[np.float64]:
    return np.maximum(np.fft.rfftfreq(_size(count), 1 / SPEECH_RATE), 1.0)


def microphone(samples: NDArray, rng: np.random.Generator, deviation_db: float) -> Array:
    """Through a smooth random response; some microphones hear no bass."""
    hz = _hz(len(samples))
    octave = np.log2(np.maximum(hz, 50) / 50)
    gain_db = np.zeros(len(hz))
    for k in (1, 2, 3):
        gain_db += rng.normal(0, deviation_db) * np.cos(octave * k * 0.45 + rng.uniform(0, 6.3))
    if rng.random() < 0.4:
        gain_db -= 12 * np.maximum(0, np.log2(rng.uniform(100, 350) / hz))
    return _filtered(samples, np.maximum(gain_db, -80))


def room(samples: NDArray, rng: np.random.Generator) -> Array:
    """In a room: a few early echoes and a dying tail that gets duller, after the direct sound."""
    length = SPEECH_RATE // 2
    time = np.arange(length) / SPEECH_RATE
    seconds = rng.uniform(0.1, 0.8)  # in which the tail falls by 60 dB
    tail = rng.standard_normal(length) * np.exp(-6.9 * time / (0.5 * seconds))
    dull = np.convolve(rng.standard_normal(length), np.full(16, 0.25), "same")
    tail += dull * np.exp(-6.9 * time / seconds)
    tail[: SPEECH_RATE // 400] = 0
    tail *= 10 ** (rng.uniform(-18, 0) / 20) / np.sqrt((tail**2).sum())
    early = (rng.uniform(0.003, 0.04, 5) * SPEECH_RATE).astype(int)
    tail[early] += rng.choice([-1, 1], 5) * rng.uniform(0.05, 0.35, 5)
    tail[0] = 1.0
    size = _size(len(samples))
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(tail, size)
    return np.fft.irfft(spectrum)[: len(samples)].astype(np.float32)


def narrow(samples: NDArray, low_hz: float, high_hz: float) -> Array:
    """Only the band from low to high, falling by 48 dB an octave outside, without delay."""
    hz = _hz(len(samples))
    gain_db = -48 * np.maximum(0, np.log2(hz / high_hz))
    if low_hz > 0:
        gain_db -= 48 * np.maximum(0, np.log2(low_hz / hz))
    return _filtered(samples, np.maximum(gain_db, -100))


def clip(samples: NDArray, share: float) -> Array:
    """Cut off where it is loudest: so great a share of the samples of speech reaches the limit."""
    size = np.abs(np.asarray(samples, np.float32))
    loud = size[size > size.max() * 10 ** (-ACTIVE_DB / 20)]
    limit = np.quantile(loud, 1 - share) if len(loud) else 1.0
    return np.clip(samples, -limit, limit).astype(np.float32)


def telephone(samples: NDArray) -> Array:
    """Over an old telephone: 300 to 3400 Hz, 8 kHz, 8 bits on the curve of ITU-T G.711 mu-law."""
    peak = float(np.abs(samples).max()) or 1.0
    band = narrow(samples, *TELEPHONE_HZ) / np.float32(peak)
    slow = _at_rate(band, SPEECH_RATE, TELEPHONE_RATE)
    coded = np.sign(slow) * np.log1p(MU * np.minimum(np.abs(slow), 1)) / np.log1p(MU)
    coded = np.round(coded * 127) / 127
    heard = np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(MU)) / MU
    back = _at_rate(heard.astype(np.float32), TELEPHONE_RATE, SPEECH_RATE)
    return np.pad(back, (0, max(0, len(samples) - len(back))))[: len(samples)] * np.float32(peak)


def _at_rate(samples: Array, rate: int, wanted_rate: int) -> Array:
    blocks = list(resampled([samples[None]], rate, "mono", wanted_rate))
    return np.concatenate(blocks, 1)[0] if blocks else samples[:0]


@cache
def usable_codecs() -> tuple[str, ...]:
    """Names of CODECS whose encoders this build of PyAV has."""
    return tuple(name for name, (encoder, *_) in CODECS.items() if encoder in av.codecs_available)


def lossy(samples: NDArray, codec: str, bit_rate: int) -> Array:
    """Encoded and decoded again, (N,), at the same times: the codec's own delay is taken off.

    codec: one of `usable_codecs()`.  bit_rate: bits a second.  Raises BadOption.
    """
    if codec not in usable_codecs():
        raise BadOption(f"codec is {codec!r}; this PyAV can use {', '.join(usable_codecs())}")
    encoder, container, rate, _ = CODECS[codec]
    stored = io.BytesIO()
    output: Any = av.open(stored, "w", format=container)
    with output:
        stream = output.add_stream(encoder, rate=rate, layout="mono")
        stream.bit_rate = bit_rate
        for frame in audio_frames([np.asarray(samples, np.float32)[None]], rate, "mono"):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    stored.seek(0)
    source: Any = av.open(stored)
    with source:
        heard = [
            (frame.to_ndarray().reshape(1, -1), frame.rate)
            for frame in source.decode(source.streams.audio[0])
        ]
    back = np.concatenate([block for block, _ in heard], 1).astype(np.float32)[0]
    back = _at_rate(back, heard[0][1], SPEECH_RATE)
    return np.pad(back, (0, max(0, len(samples) - len(back))))[: len(samples)]


def _some_codec(sound: Array, rng: np.random.Generator) -> Array:
    """Through a line that codes speech, well or badly."""
    choices = (*usable_codecs(), "telephone")
    chosen = choices[rng.integers(len(choices))]
    if chosen == "telephone":
        return telephone(sound)
    low, high = CODECS[chosen][3]
    peak = np.float32(max(float(np.abs(sound).max()), 1e-9))  # encoders cut off beyond 1
    bits = round(float(np.exp(rng.uniform(np.log(low), np.log(high)))))
    return lossy(sound / peak, chosen, bits) * peak
