"""Performances to learn from: real or made lips under a head, brows and emotions that are drawn
at random from what is known of people who speak.

`perform` puts `data.gesture` and `motion.emotion` around given lips, with the strengths and the
speed that its label asks for, so that a generator trained on it obeys those numbers.

Legend: T motion frames at 25 Hz, D latent columns, K lip controls.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from enliven.data.gesture import (
    INHALE_JAW,
    USUAL_SPEED,
    brows,
    bump,
    head,
    inhaling,
    wander,
)
from enliven.face.head import load_head
from enliven.metrics.lips import INNER_GAPS
from enliven.motion.closure import between
from enliven.motion.controls import CONTROL, CONTROLS, control_matrix
from enliven.motion.emotion import EMOTIONS, display, liveliness, on_lips
from enliven.motion.latent import COLUMN, HEAD, LATENT, REGIONS, UNITS, region_columns
from enliven.motion.prosody import Prosody
from enliven.types import MOTION_FPS

Array = NDArray[np.float64]

SLOWEST, FASTEST = 1.0, 40.0  # degrees a second
SPEED_SPREAD = 0.7  # of the logarithm of speeds
STRONGEST = 2.0
SETTLE_SECONDS = 0.8  # from rest in the first frame to full movement
SPEECH_SECONDS = 0.6  # least speech in which a speed can be measured
MOST_SCALED = 4.0  # to reach a speed that a short clip happens to lack
# A head turned aside, to either side by person, under a full emotion: rad.
ASIDE = {"happy": ("headRotZ", 0.06), "sad": ("headRotZ", 0.04), "disgusted": ("headRotY", 0.07)}

RAISED_LEAVES = 0.6  # by how much less brows rise that a display already holds up
ARTICULATION = {"happy": 0.08, "sad": -0.15, "angry": 0.12}  # more or less lip movement


@dataclass(frozen=True)
class Label:
    """What a performance is like; the conditions that a generator learns.

    speed: mean rotation of the head while speaking, degrees a second.
    strengths: mouth, brows, eyes, head: 0 to 2, 1 is as people do, 0 is at rest.
    emotion: intensities 0 to 1 of `EMOTIONS`, (6,), or (T, 6) where they change.
    """

    speed: float = USUAL_SPEED
    strengths: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(REGIONS, 1.0))
    emotion: Array = field(default_factory=lambda: np.zeros(len(EMOTIONS)))

    @property
    def text(self) -> str:
        """The label in plain words."""
        return caption(self)


def random_label(rng: np.random.Generator, frames: int | None = None) -> Label:
    """A label as varied as people are.

    frames: of the performance; when given, some emotions change within it.
    """
    emotion = np.zeros(len(EMOTIONS))
    kind = rng.random()
    if kind > 0.4:
        emotion[rng.integers(6)] = rng.uniform(0.2, 1.0)
    if kind > 0.85:
        emotion[rng.integers(6)] = rng.uniform(0.2, 0.6)
    if kind > 0.92 and frames:
        emotion = _changing(emotion, frames, rng)
    strengths = dict.fromkeys(REGIONS, 1.0)
    if rng.random() < 0.6:
        for name in strengths:
            drawn = rng.random()
            strengths[name] = 0.0 if drawn < 0.1 else float(rng.uniform(0.1, STRONGEST))
    # people vary widely; what a strength takes from the size it takes from the speed
    speed = USUAL_SPEED * np.exp(rng.normal(0, SPEED_SPREAD)) * strengths["head"]
    speed *= float(np.mean(liveliness(emotion)))
    if strengths["head"] > 0:
        speed = float(np.clip(speed, SLOWEST, FASTEST))
    return Label(float(speed), strengths, emotion)


def _changing(emotion: Array, frames: int, rng: np.random.Generator) -> Array:
    """Emotions (T, 6) that come, go or turn into others somewhere in between."""
    other = np.zeros(len(EMOTIONS))
    if rng.random() < 0.6:
        other[rng.integers(6)] = rng.uniform(0.2, 1.0)
    seconds = np.arange(frames) / MOTION_FPS
    at = rng.uniform(0.2, 0.8) * frames / MOTION_FPS
    # onsets of displays take half a second and more: Ekman & Friesen 1982, "Felt, false, and
    # miserable smiles"
    x = np.clip((seconds - at) / rng.uniform(0.5, 1.5), 0, 1)[:, None]
    return emotion + (other - emotion) * (x * x * (3 - 2 * x))


def caption(label: Label) -> str:
    """A label in plain words: "speaks calmly, a little sad, small slow head movement"."""
    strengths = {name: label.strengths.get(name, 1.0) for name in REGIONS}
    emotion = np.atleast_2d(label.emotion)
    first, last = (_feeling(row) for row in (emotion[0], emotion[-1]))
    feeling = first if first == last else f"first {first or 'neutral'}, then {last or 'neutral'}"
    moves = "still head"
    if strengths["head"] > 0 and label.speed > 0:
        pace = "slow " if label.speed < 6 else "quick " if label.speed > 18 else ""
        size = "small " if strengths["head"] < 0.6 else "large " if strengths["head"] > 1.4 else ""
        moves = f"{size}{pace}head movement"
    manner = "calmly" if label.speed < 7 else "vividly" if label.speed > 16 else "naturally"
    parts = [f"speaks {manner}", feeling, moves]
    for name, words in {"mouth": "lip movement", "brows": "brows"}.items():
        if strengths[name] < 0.5:
            parts.append(f"little {words}" if name == "mouth" else f"still {words}")
        elif strengths[name] > 1.5:
            parts.append(f"wide {words}" if name == "mouth" else f"lively {words}")
    return ", ".join(part for part in parts if part)


def _feeling(intensities: Array) -> str:
    words = []
    for name, value in zip(EMOTIONS, intensities, strict=True):
        if value > 0.08:
            much = "a little " if value < 0.4 else "very " if value > 0.8 else ""
            words.append(f"{much}{name}")
    return " and ".join(words)


@cache
def opening() -> NDArray[np.float64]:
    """(K,): by how much each lip control at 1 parts the inner lips, IOD."""
    upper, lower = np.array(INNER_GAPS).T
    basis = load_head().basis
    gaps = (basis[:, lower, 1] - basis[:, upper, 1]).mean(1)
    return np.asarray(control_matrix() @ gaps, np.float64)


def presence(voice: Prosody, rng: np.random.Generator) -> Array:
    """How far a display is out in each frame, around 1, (T,): it swells with phrases and
    stresses and ebbs between."""
    swell = np.zeros(len(voice))
    for frame in np.flatnonzero(voice.stress):
        bump(swell, frame / MOTION_FPS, 0.3, rng.uniform(0.5, 0.9), 0.25 * voice.stress[frame])
    swell = np.minimum(swell, 0.3) + 0.1 * wander(len(voice), 1, 1.2, rng)[:, 0]
    return np.asarray((0.9 + swell).clip(0.6, 1.25))


def head_speed(latent: NDArray, voice: Prosody) -> float:
    """Mean rotation of the head while speaking, degrees a second; over all when nobody speaks.

    latent: (T, D) in UNITS.
    """
    columns = [COLUMN[name] for name in HEAD[:3]]
    turn = np.degrees(latent[:, columns] * UNITS[columns])
    weight = voice.speaking[1:] if _speaks(voice) else np.ones(max(len(voice) - 1, 0))
    speed = np.linalg.norm(np.diff(turn, axis=0), axis=1) * MOTION_FPS
    return float(speed @ weight / weight.sum()) if len(speed) else 0.0


def _speaks(voice: Prosody) -> bool:
    return bool(voice.speaking[1:].sum() >= SPEECH_SECONDS * MOTION_FPS)


def perform(
    lips: NDArray,
    voice: Prosody,
    label: Label,
    rng: np.random.Generator,
    *,
    from_rest: bool = False,
) -> NDArray[np.float32]:
    """A performance around lips: latent (T, D) in UNITS.

    lips: (T, K) control values relative to rest; voice: of the same frames.
    from_rest: the first frame is rest, and everything but the lips sets in from there.
    """
    frames = len(voice)
    strengths = {name: label.strengths.get(name, 1.0) for name in REGIONS}
    emotion = np.broadcast_to(label.emotion, (frames, len(EMOTIONS)))
    shown = display(emotion) * UNITS * presence(voice, rng)[:, None]

    values = np.zeros((frames, len(LATENT)))
    gain = emotion @ np.array([ARTICULATION.get(name, 0.0) for name in EMOTIONS])
    spoken = np.asarray(lips, np.float64) * (1 + gain)[:, None]
    spoken[:, CONTROL["jawOpen"]] += INHALE_JAW * inhaling(voice, rng)
    values[:, : len(CONTROLS)] = spoken + on_lips(shown[:, : len(CONTROLS)], spoken, opening())

    pace = label.speed / (USUAL_SPEED * max(strengths["head"], 0.05))
    turn, shift, lifts = head(voice, float(np.clip(pace**0.65, 0.4, 2.2)), rng)
    lift, knit = brows(voice, lifts, rng)
    lift *= 1 - RAISED_LEAVES * shown[:, COLUMN["browInnerUp"]].clip(0, 1)
    squint = 0.09 * np.abs(wander(frames, 1, 0.8, rng)[:, 0]) + 0.35 * knit
    moves = {"browInnerUp": lift, "browOuterUp": 0.8 * lift, "browDown": knit,
             "eyeWide": 0.3 * lift, "eyeSquint": squint}  # fmt: skip
    for name, curve in moves.items():
        values[:, COLUMN[name]] = curve
    values[:, len(CONTROLS) :] += shown[:, len(CONTROLS) :]
    for name, (column, angle) in ASIDE.items():
        felt = emotion[:, EMOTIONS.index(name)]
        values[:, COLUMN[column]] += rng.choice([-1.0, 1.0]) * angle * felt
    begin = between(np.arange(frames) / MOTION_FPS, 0, SETTLE_SECONDS) if from_rest else 1.0
    values[:, len(CONTROLS) :] *= np.reshape(begin, (-1, 1))
    for region, strength in strengths.items():
        values[:, region_columns(region)] *= strength
    if strengths["head"] > 0:
        moved = np.c_[
            np.radians(turn[:, 1]), -np.radians(turn[:, 0]), np.radians(turn[:, 2]), shift
        ]
        moved *= np.reshape(begin, (-1, 1))
        values = _at_speed(values, moved, voice, label.speed, strengths["head"])
    return np.asarray(values / UNITS, np.float32)


def _at_speed(values: Array, moved: Array, voice: Prosody, speed: float, strength: float) -> Array:
    """Values with the head `moved` (T, 6) so much that it turns at the wanted speed."""
    columns = [COLUMN[name] for name in HEAD]
    size = strength * np.sqrt(speed / (USUAL_SPEED * strength))
    shift = moved[:, 3:] * size

    def made(gain: float) -> Array:
        out = values.copy()
        out[:, columns] += np.c_[moved[:, :3] * gain, shift]
        return out

    wanted = size
    for _ in range(6 * _speaks(voice)):  # who only listens moves less, as it comes
        reached = head_speed(made(wanted) / UNITS, voice)
        if reached <= 0:
            break
        wanted = np.clip(wanted * speed / reached, size / MOST_SCALED, size * MOST_SCALED)
    return made(wanted)
