"""What the performer learns from: speech heard by the articulation network, and performances.

Legend: T motion frames at 25 Hz, D latent columns, H numbers heard, K lip controls.

Lips are real (clips of people talking) or the articulation network's own (synthetic speech,
other languages).  Real ones are heard by a network that never heard their speaker: how far it
is off is then what it will be for a new voice, and the performer learns how lips vary around it.
Everything else is `data.perform`'s, drawn anew for every performance.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from enliven.data.augment import Augmentation, augment, noise
from enliven.data.perform import Label, head_speed, perform, random_label
from enliven.motion.articulation import Articulation, encode, hear, voice_of
from enliven.motion.audio import SAMPLE_RATE
from enliven.motion.chunks import BEFORE, CHUNK, conditions, shown_size, silence, without
from enliven.motion.controls import CONTROLS
from enliven.motion.emotion import EMOTIONS, display
from enliven.motion.latent import REGIONS, UNITS, led
from enliven.motion.listen import Listener, measure
from enliven.motion.prosody import Prosody
from enliven.train.articulation_data import Clip
from enliven.types import MOTION_FPS

Array = NDArray[np.float32]

SECONDS = 11.0  # of a piece, about
PAUSE = (0.15, 1.2)  # seconds between sentences of one piece
LEAST_SIZE = 0.1  # regions asked for less are learned as if asked for so much
LEFT_OUT = 0.1  # share of windows without each of speech, speed and emotion, for guidance
SHAKEN = 0.15  # largest deviation of noise on given frames: what came before is never perfect


@dataclass(frozen=True)
class Piece:
    """Some ten seconds of somebody speaking.

    heard: (BEFORE + T, HEARD), with silence before.  lips: (T, K) control values.
    voice: of the T frames.
    """

    heard: NDArray[np.float16]
    lips: Array
    voice: Prosody


@dataclass(frozen=True)
class Performed:
    """A piece and one way to perform it: latent (BEFORE + T, D) as generated, and its label."""

    heard: NDArray[np.float16]
    latent: NDArray[np.float16]
    label: Label


def listened(samples: NDArray, frames: int, articulation: Articulation) -> tuple[Array, Prosody]:
    """What is heard, (T, HEARD), and the voice (T,), of whole samples, chunk by chunk as ever."""
    listener = Listener(measure(samples))
    listener.push(samples)
    listener.finish()
    encoded = encode(articulation, samples)
    parts = []
    for start in range(0, frames, CHUNK):
        stop = min(start + CHUNK, frames)
        found = hear(listener, articulation, start, stop, encoded)
        parts.append((found.numbers, found.controls, voice_of(found.voice, slice(stop - start))))
    numbers, _, voices = zip(*parts, strict=True)
    names = vars(voices[0])
    voice = Prosody(**{name: np.concatenate([getattr(v, name) for v in voices]) for name in names})
    return np.concatenate(numbers), voice


def joined(clips: Sequence[Clip], rng: np.random.Generator) -> tuple[Array, Array]:
    """Samples (N,) and lips (T, K) of clips one after the other, with pauses between."""
    sounds: list[NDArray] = []
    lips: list[NDArray] = []
    for clip in clips:
        rest = int(rng.uniform(*PAUSE) * MOTION_FPS)
        count = min(len(clip.controls), len(clip.samples) * 25 // SAMPLE_RATE)
        length = count * SAMPLE_RATE // 25
        level = 1e-3 * rng.uniform(0.1, 1)
        hush = level * rng.standard_normal(rest * SAMPLE_RATE // 25)
        sounds += [clip.samples[:length] / np.float32(32767), hush]
        # lips go to rest over the pause and come back
        lips += [clip.controls[:count], np.zeros((rest, len(CONTROLS)))]
    made = np.concatenate(lips)
    padded = np.pad(made, ((2, 2), (0, 0)), mode="edge")
    soft = np.stack([np.convolve(c, np.hanning(7)[1:-1] / 3, "valid") for c in padded.T], 1)
    return np.concatenate(sounds).astype(np.float32), soft.astype(np.float32)


def real_piece(
    clips: Sequence[Clip], articulation: Articulation, rng: np.random.Generator
) -> Piece:
    """Clips of one speaker in a row; half of the pieces in another voice."""
    sound, lips = joined(clips, rng)
    if rng.random() < 0.5:
        sound = augment(sound, rng, Augmentation(noise=0.5, snr_db=(8.0, 45.0), codec=0.1))
    heard, voice = listened(sound, len(lips), articulation)
    return Piece(_after_silence(heard), lips, voice)


def heard_piece(samples: NDArray, articulation: Articulation, rng: np.random.Generator) -> Piece:
    """A voice whose lips nobody saw: the articulation network's are taken."""
    sound = augment(samples, rng, Augmentation(noise=0.5, snr_db=(8.0, 45.0), codec=0.1))
    frames = int(len(sound) / SAMPLE_RATE * MOTION_FPS)
    heard, voice = listened(sound, frames, articulation)
    return Piece(_after_silence(heard), heard[:, : len(CONTROLS)] * UNITS[: len(CONTROLS)], voice)


def quiet_piece(articulation: Articulation, rng: np.random.Generator) -> Piece:
    """Nobody speaks: silence or noise, and a face that listens."""
    count = int(SECONDS * SAMPLE_RATE)
    sound = noise(count, rng) * np.float32(0.05 * (rng.random() < 0.7))
    frames = int(SECONDS * MOTION_FPS)
    heard, voice = listened(sound, frames, articulation)
    still = np.zeros(frames)
    hushed = Prosody(still, still, still, np.minimum(voice.energy_db, -60))
    return Piece(_after_silence(heard), np.zeros((frames, len(CONTROLS)), np.float32), hushed)


def _after_silence(heard: Array) -> NDArray[np.float16]:
    return np.concatenate([silence(BEFORE), heard]).astype(np.float16)


def performed(piece: Piece, rng: np.random.Generator) -> Performed:
    """One performance of a piece, in the units of `shown_size` and less the plain display of its
    emotion: what is left for a generator to learn."""
    frames = len(piece.lips)
    label = random_label(rng, frames)
    begins = rng.random() < 0.5
    made = perform(piece.lips, piece.voice, label, rng, from_rest=begins)
    label = replace(label, speed=head_speed(made, piece.voice))
    # a face at rest before it begins does not display anything yet
    before = np.tile(-display(np.atleast_2d(label.emotion)[:1]), (BEFORE, 1))
    strengths = np.tile([label.strengths[name] for name in REGIONS], (frames, 1))
    size = np.maximum(shown_size(strengths, np.full(frames, label.speed)), LEAST_SIZE)
    latent = made / size - display(np.broadcast_to(label.emotion, (frames, len(EMOTIONS))))
    # what is generated runs ahead: before the first frame stands rest, or what would have been
    full = np.concatenate([before if begins else np.repeat(latent[:1], BEFORE, 0), latent])
    return Performed(piece.heard, led(full).astype(np.float16), label)


def windows(shown: Sequence[Performed], size: int, seed: int, weights: NDArray
            ) -> Iterator[tuple[Array, Array, Array]]:  # fmt: skip
    """Endless data (B, N, D), heard (B, N, H) and asked (B, N, CONDITIONS).

    weights: (len(shown),) how often each is drawn.
    """
    rng = np.random.default_rng(seed)
    share = weights / weights.sum()
    length = BEFORE + CHUNK
    while True:
        rows = []
        for number in rng.choice(len(shown), size, p=share):
            one = shown[number]
            last = len(one.latent) - length
            # the beginning from rest is rare in data and comes in every video
            at = 0 if rng.random() < 0.06 else int(rng.integers(last + 1))
            rows.append(_window(one, slice(at, at + length), rng))
        data, heard, asked = (np.stack(part).astype(np.float32) for part in zip(*rows, strict=True))
        data[:, :BEFORE] += rng.normal(0, 1, data[:, :BEFORE].shape) * rng.uniform(
            0, SHAKEN, (size, 1, 1)
        )
        yield data, heard, asked


def _window(one: Performed, frames: slice, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    count = frames.stop - frames.start
    label = one.label
    emotion = np.broadcast_to(label.emotion, (len(one.latent) - BEFORE, 6))
    rows = np.clip(np.arange(frames.start, frames.stop) - BEFORE, 0, len(emotion) - 1)
    strengths = np.array([label.strengths[name] for name in REGIONS])
    asked = conditions(np.full(count, label.speed), np.tile(strengths, (count, 1)), emotion[rows])
    heard = one.heard[frames].astype(np.float32)
    for part in ("speech", "speed", "emotion"):
        if rng.random() < LEFT_OUT:
            asked = without(asked, part)
            heard = heard * (part != "speech")
    return one.latent[frames].astype(np.float32), heard, asked
