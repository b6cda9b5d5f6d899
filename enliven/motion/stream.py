"""Live speech to motion: sound goes in piece by piece, motion frames come out with their times.

    stream = Generator.load().stream(seed=7)
    for samples in microphone:  # mono, 16 kHz
        for frame in stream.push(samples):
            show(frame.seconds, frame.values)
    for frame in stream.finish(): ...

A chunk of one second is performed as soon as it and 0.4 s after it were heard.  Memory stays the
same however long it goes on.  `Generator.generate` is the same loop over a whole file, whose
loudness and spectrum are then known from the start.
"""

from dataclasses import replace
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption
from enliven.motion.articulation import Articulation, Hearing, hear
from enliven.motion.behaviour import Life
from enliven.motion.chunks import (
    BEFORE,
    CHUNK,
    NATURAL_SPEED,
    conditions,
    shown_size,
    silence,
)
from enliven.motion.closure import between, close_lips
from enliven.motion.controls import CONTROLS
from enliven.motion.direction import Direction, directed
from enliven.motion.emotion import display, liveliness, on_lips
from enliven.motion.latent import COLUMN, LATENT, LEAD, REGIONS, UNITS, following, to_motion
from enliven.motion.listen import Level, Listener
from enliven.motion.options import SpeechOptions
from enliven.motion.performer import OWN_LIPS, Performer, Sampling
from enliven.types import GROUPS, MOTION_FPS

Array = NDArray[np.float32]

# Who is right on average moves too little: real lips open 1.4 times as far as they are told to,
# and change their shape three times as much (people filmed anywhere; 1.0 and 2 times for the
# speakers learned from).  These gains make up for a part of it.
OPENING_GAIN, SHAPE_GAIN = 1.2, 1.6
SHIFT_GAIN = 2.0  # people filmed anywhere lean this much further than performances learned from
RISE_SECONDS = 1.0  # of emotions at the begin
SHIFT = [COLUMN[name] for name in GROUPS["translation"]]
SHAPING = ("mouthFunnel", "mouthPucker", "mouthDimple", "mouthSmile", "mouthStretch")
GAINS: Array = np.array([SHAPE_GAIN if name in SHAPING else OPENING_GAIN for name in CONTROLS],
                        np.float32)  # fmt: skip


class MotionFrame(NamedTuple):
    """One frame: its number, and its values (C,) relative to a face at rest."""

    number: int
    values: Array

    @property
    def seconds(self) -> float:
        """When it is shown, counted from the begin of the sound."""
        return self.number / MOTION_FPS


class Told(NamedTuple):
    """A chunk as it is heard: the voice, and whether anybody speaks, (n,) 0..1."""

    heard: Hearing
    activity: Array


@final
class Performance:
    """What becomes of a voice, chunk after chunk: `asks` what to draw, and `shows` what was.

    Neither needs the other, so a trainer may ask for all chunks, draw with a network of its own
    and have many such performances shown.  opening: (K,) of the articulation network.
    own_lips: share that is taken of what the performer's lips do otherwise than expected.
    """

    def __init__(self, opening: NDArray, *, seed: int = 0, options: SpeechOptions = SpeechOptions(),
                 own_lips: float = OWN_LIPS) -> None:  # fmt: skip
        self._opening, self._direction, self._life = opening, directed(options), Life(seed)
        self._own_lips = own_lips
        self._heard_before = silence(BEFORE)
        self.before: Array = np.zeros((BEFORE, len(LATENT)), np.float32)

    def asks(self, told: Told, start: int) -> tuple[Array, Array]:
        """What is heard (N, HEARD) and asked for (N, CONDITIONS) in the chunk from `start` on."""
        numbers = np.concatenate([self._heard_before, told.heard.numbers])
        # at the very end what is beyond it is heard as silence
        numbers = np.concatenate([numbers, silence(BEFORE + CHUNK - len(numbers))])
        self._heard_before = numbers[CHUNK : CHUNK + BEFORE]
        return numbers, asked_numbers(rising(self._direction[start : start + CHUNK], start))

    def shows(self, drawn: NDArray, told: Told, start: int) -> Array:
        """Frames start to start + n, (n, C), of the numbers drawn for this chunk (CHUNK, D)."""
        count = len(told.heard.controls)
        asked = rising(self._direction[start : start + CHUNK], start)
        latent = following(np.concatenate([self.before[-2 * LEAD :], drawn]))[:count]
        strengths, speed_deg = manner_of(asked)
        latent = latent + display(asked.emotion)[:count]
        latent = latent * shown_size(strengths, speed_deg)[:count]
        latent[:, SHIFT] *= SHIFT_GAIN
        self.before = np.concatenate([self.before, drawn])[-BEFORE:]
        asked = asked[:count]
        latent[:, : len(CONTROLS)] = self._lips(latent, told, asked)
        return self._life.frames(to_motion(latent), told.heard.voice, asked)

    def _lips(self, latent: Array, told: Told, asked: Direction) -> Array:
        """Lips (n, K) that close where they should and rest where nothing is said."""
        lips = slice(0, len(CONTROLS))
        heard, activity = told.heard, told.activity[:, None]
        shown = display(asked.emotion)[:, lips] * UNITS[lips] * asked.mouth[:, None]
        spoken = latent[:, lips] * UNITS[lips]
        right = heard.controls * asked.mouth[:, None]
        right = right + on_lips(shown, right, self._opening)
        spoken = right + self._own_lips * (spoken - right)
        spoken = shown + activity * GAINS * (spoken - shown)
        closed = heard.closed * activity[:, 0]
        made = close_lips(spoken, closed, heard.rows, self._opening)
        return np.asarray((spoken + activity * (made - spoken)) / UNITS[lips], np.float32)


@final
class SpeechStream:
    """One performance of one voice.  Use `Generator.stream`.

    level, encoded: of the whole sound, when it is known beforehand (`listen.measure`,
    `articulation.encode`).  Raises BadOption for networks that need to know it.
    """

    def __init__(self, articulation: Articulation, performer: Performer, *, seed: int = 0,
                 options: SpeechOptions = SpeechOptions(), sampling: Sampling = Sampling(),
                 level: Level | None = None, encoded: NDArray | None = None
                 ) -> None:  # fmt: skip
        if articulation.encoder and encoded is None:
            raise BadOption(f"networks trained on {articulation.encoder} hear whole files; use "
                            "Generator.generate, or others for live sound")  # fmt: skip
        self._encoded = encoded
        self._articulation, self._performer, self._sampling = articulation, performer, sampling
        self._listener = Listener(level)
        self._performance = Performance(
            articulation.opening, seed=seed, options=options, own_lips=performer.own_lips
        )
        self._seed = seed
        self._done = 0  # motion frames

    def push(self, samples: NDArray) -> list[MotionFrame]:
        """More sound, (N,) at 16 kHz in -1..1; returns the frames that are ready by it.

        Raises BadOption when it is not one channel of finite numbers.
        """
        self._listener.push(samples)
        return self._ready(CHUNK)

    def finish(self) -> list[MotionFrame]:
        """The sound is over: the frames up to its end."""
        self._listener.finish()
        return self._ready(1)

    def _ready(self, least: int) -> list[MotionFrame]:
        made: list[MotionFrame] = []
        while (count := min(CHUNK, self._listener.frames - self._done)) >= least:
            for i, values in enumerate(self._chunk(self._done, count)):
                made.append(MotionFrame(self._done + i, values))
            self._done += count
        return made

    def _chunk(self, start: int, count: int) -> Array:
        """Frames start to start + count, (count, C)."""
        told = Told(hear(self._listener, self._articulation, start, start + count, self._encoded),
                    self._listener.activity(start, start + count))  # fmt: skip
        numbers, asked = self._performance.asks(told, start)
        velocity = self._performer.velocity(numbers[None], asked[None], self._sampling)
        rng = np.random.default_rng([self._seed, start])
        drawn = self._performer.draw(self._performance.before, velocity, rng, self._sampling)
        return self._performance.shows(drawn, told, start)


def rising(asked: Direction, start: int) -> Direction:
    """What is asked for from motion frame `start` on, with emotions that rise from none."""
    seconds = (start + np.arange(len(asked))) / MOTION_FPS
    shown = asked.emotion * between(seconds, 0, RISE_SECONDS)[:, None].astype(np.float32)
    return replace(asked, emotion=shown)


def manner_of(asked: Direction) -> tuple[Array, Array]:
    """Strengths (n, regions) and speed of the head (n,), degrees a second, that are asked for."""
    strengths = np.stack([getattr(asked, region) for region in REGIONS], 1)
    # a faster head within the same strength, and feelings that slow it or speed it up
    speed_deg = NATURAL_SPEED * asked.speed * asked.head * liveliness(asked.emotion)
    return strengths, np.asarray(speed_deg, np.float32)


def asked_numbers(asked: Direction) -> Array:
    """What is asked of a window of BEFORE + CHUNK frames, (N, CONDITIONS).

    asked: of the CHUNK frames; the frames before are taken to have been asked for the same.
    """
    rows = np.concatenate([np.zeros(BEFORE, int), np.arange(CHUNK)])
    strengths, speed_deg = manner_of(asked)
    return conditions(speed_deg[rows], strengths[rows], asked.emotion[rows])
