"""How head and brows move around speech: the curves of a performance, drawn at random.

Nothing here is learned; kinds, sizes and times come from published measurements:

Head      hardly ever still while speaking, mostly slower than 1.8 Hz with quicker movements on
          stresses: Hadar et al. 1983, "Kinematics of head movements accompanying speech";
          postures held over a phrase and changed at its borders: Hadar et al. 1984, "The
          relationship between head movements and speech dysfluencies"; nods, shakes, tilts and
          their jobs in talk: McClave 2000, "Linguistic functions of head movements in the
          context of speech"; pitch of the head follows that of the voice: Munhall et al. 2004,
          "Visual prosody and speech intelligibility"; deviations: Busso et al. 2007, "Rigid head
          motion in expressive speech animation".
Shape     a movement from one pose to the next has the smoothest course there is, minimum jerk:
          Flash & Hogan 1985, "The coordination of arm movements".
Brows     rise on some accents, slightly ahead of them: Flecha-Garcia 2010, "Eyebrow raises in
          dialogue and their relation to pitch accents"; with the voice at its high points:
          Cave et al. 1996, "About the relationship between eyebrow movements and F0 variations";
          raised or knit over a stretch of speech, to underline it: Ekman 1979, "About brows".

Legend: T frames at 25 Hz; columns of a turn are yaw, pitch and roll in degrees.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enliven.motion.prosody import Prosody, smooth
from enliven.types import MOTION_FPS

Array = NDArray[np.float64]

# Sizes below are of a speaker whose head turns by this much a second while speaking.
USUAL_SPEED = 11.0

POSE_DEG = np.array([3.0, 1.7, 1.8])  # deviation of held poses
POSE_LIMIT = 2.8  # deviations
POSE_KEPT = 0.25  # share of the last pose that is left in the next
POSE_EVERY = 1.4  # seconds, in the middle, from one pose to the next within a phrase
POSE_IN_PAUSE = 0.55
LEAN = 0.3  # of the roll that comes with a turn, either way by person
SWAY_DEG = np.array([1.5, 0.95, 0.9])  # of the continuous movement between
SWAY_SECONDS = 0.22
SWAY_IN_PAUSE = 0.15
DRIFT_DEG, DRIFT_SECONDS = np.array([0.9, 0.6, 0.55]), 1.4
TREMBLE_DEG, TREMBLE_SECONDS = 0.05, 0.06
SHIFT_IOD = np.array([0.032, 0.012, 0.05])
# How the neck's place follows the turn, IOD a degree: rows yaw, pitch, roll.
FOLLOW = np.array([[0.002, 0, 0], [0, 0.005, -0.004], [0.003, 0, 0]])

NOD_DEG = 3.1  # of a full stress
SHAKE_DEG = 2.4
MELODY_DEG = 0.22  # the face lifts by this much a semitone
INHALE_DEG, INHALE_SECONDS, INHALE_JAW = 1.3, 0.4, 0.03
LISTEN_DEG, LISTEN_EVERY = 2.2, 6.0  # nods in long pauses

BROW_SHARE, BROW_LIFT = 0.42, 0.34
BROW_EARLY = 0.06  # seconds before the accent
RISE_SEMITONES = 2.0  # by which a voice ends higher than before to sound like a question


@dataclass(frozen=True)
class Phrases:
    """Stretches of speech, (n,) seconds each."""

    starts: Array
    stops: Array


def phrases(voice: Prosody) -> Phrases:
    """Where somebody speaks without a break of a quarter of a second."""
    on = np.r_[False, voice.speaking > 0.5, False]
    edges = np.flatnonzero(on[1:] != on[:-1]) / MOTION_FPS
    starts, stops = edges[::2], edges[1::2]
    joined = np.flatnonzero(starts[1:] - stops[:-1] < 0.25)
    return Phrases(np.delete(starts, joined + 1), np.delete(stops, joined))


def step(x: Array) -> Array:
    """From 0 at 0 to 1 at 1 with the least jerk."""
    x = np.clip(x, 0, 1)
    return x * x * x * (10 + x * (6 * x - 15))


def bump(out: Array, at: float, rise: float, fall: float, size: Array | float) -> None:
    """Add a movement there and back to `out` (T, ...): `size` at the time `at`, in seconds."""
    first = max(0, int(np.ceil((at - rise) * MOTION_FPS)))
    last = min(len(out), int((at + fall) * MOTION_FPS) + 1)
    after = np.arange(first, last) / MOTION_FPS - at
    shape = step(np.where(after < 0, 1 + after / rise, 1 - after / fall))
    out[first:last] += shape.reshape(-1, *[1] * (out.ndim - 1)) * size


def courses(frames: int, times: Array, seconds: Array, poses: Array) -> Array:
    """Poses (n, k) taken up one after the other, each from `times` within `seconds`: (T, k)."""
    out = np.zeros((frames, poses.shape[1]))
    last = np.zeros(poses.shape[1])
    for at, duration, pose in zip(times, seconds, poses, strict=True):
        first = max(0, int(np.ceil(at * MOTION_FPS)))
        if first < frames:
            end = min(frames, max(first, int((at + duration) * MOTION_FPS) + 1))
            x = (np.arange(first, end) / MOTION_FPS - at) / duration
            out[first:end] += step(x)[:, None] * (pose - last)
            out[end:] += pose - last
        last = pose
    return out


def wander(frames: int, columns: int, seconds: float, rng: np.random.Generator) -> Array:
    """Smoothed noise (T, columns) of unit deviation around 0 that never drifts."""
    reach = int(4 * seconds * MOTION_FPS) + 1
    raw = rng.standard_normal((frames + 2 * reach, columns))
    # deviation left of white noise by a Gaussian of that width
    gain = np.sqrt(2 * np.sqrt(np.pi) * seconds * MOTION_FPS)
    return smooth(raw, seconds)[reach : reach + frames] * gain


def pose_times(voice: Prosody, said: Phrases, pace: float, rng: np.random.Generator) -> Array:
    """When a new pose is taken up, (n,) seconds: around phrase borders and now and then between,
    there mostly with a stress."""
    stressed = np.flatnonzero(voice.stress) / MOTION_FPS
    times = [-2.0]  # whoever is seen already holds a pose
    borders = np.sort(np.r_[said.starts - 0.2, said.stops + 0.15, len(voice) / MOTION_FPS])
    for border, end in zip(np.r_[0.0, borders[:-1]], borders, strict=True):
        at = border + rng.normal(0, 0.1)
        while at < end - 0.3:
            near = stressed[np.abs(stressed - at) < 0.4]
            chosen = near[0] - 0.15 if len(near) and rng.random() < 0.7 else at
            if chosen > times[-1] + 0.3:
                times.append(float(chosen))
            at += POSE_EVERY / pace * np.exp(rng.normal(0, 0.45))
    return np.array(times)


def posture(voice: Prosody, said: Phrases, pace: float, rng: np.random.Generator) -> Array:
    """Poses of the head that are taken up and held, (T, 3)."""
    times = pose_times(voice, said, pace, rng)
    speaking = voice.speaking[np.clip((times * MOTION_FPS + 8).astype(int), 0, len(voice) - 1)]
    size = POSE_IN_PAUSE + (1 - POSE_IN_PAUSE) * speaking
    # mostly small changes and now and then a large one
    drawn = rng.standard_normal((len(times), 3)) * rng.gamma(3.0, 1 / 3.0, (len(times), 1))
    drawn = POSE_LIMIT * np.tanh(drawn / POSE_LIMIT)
    drawn[:, 2] += rng.choice([-LEAN, LEAN]) * drawn[:, 0]
    poses = np.zeros((len(times), 3))
    kept = POSE_KEPT
    for i in range(1, len(times)):
        poses[i] = kept * poses[i - 1] + np.sqrt(1 - kept**2) * drawn[i] * size[i]
    poses *= POSE_DEG
    poses[0] = drawn[0] * POSE_DEG * 0.5
    change = np.linalg.norm(np.diff(poses, axis=0, prepend=poses[:1]), axis=1)
    seconds = (0.4 + 0.05 * change) / pace * rng.uniform(0.8, 1.5, len(times))
    return courses(len(voice), times, seconds, poses)


def beats(voice: Prosody, pace: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Movements on stressed syllables, (T, 3), and how far each stress lifts the head, (n,)."""
    out = np.zeros((len(voice), 3))
    lifts = []
    habit = rng.dirichlet([6, 2.5, 2.5, 1.2, 1.2])
    for frame in np.flatnonzero(voice.stress):
        at, strength = frame / MOTION_FPS + rng.normal(0.03, 0.05), float(voice.stress[frame])
        size = NOD_DEG * strength * rng.gamma(4.0, 0.25)
        rise, fall = np.array([rng.uniform(0.16, 0.26), rng.uniform(0.22, 0.5)]) / pace**0.3
        kind = rng.choice(5, p=habit)
        side = rng.choice([-1.0, 1.0])
        if kind == 0 or kind == 2:  # a nod, straight or askew, mostly out of a small lift
            across = [0.0, 0.0] if kind == 0 else [side * rng.uniform(0.4, 1.1), side * 0.4]
            bump(out, at - rise - 0.04, 0.14, rise, size * np.array([0, -0.25, 0]))
            bump(out, at, rise, fall, size * np.array([across[0], 1.0, across[1]]))
        elif kind == 1:  # the face goes up
            bump(out, at, rise, fall, size * np.array([0, -0.75, side * 0.15]))
        elif kind == 3:  # a shake of one and a half swings or more
            swing = rng.uniform(0.15, 0.24)
            for k in range(rng.integers(2, 5)):
                yaw = SHAKE_DEG * strength * side * (-1) ** k * (1 - 0.18 * k)
                bump(out, at + k * swing, swing, swing, np.array([yaw, 0.2 * size, 0]))
        else:  # a tilt
            bump(out, at, rise + 0.05, fall + 0.1, size * np.array([0.3, 0.2, 0.8]) * side)
        lifts.append(0.75 * size if kind == 1 else 0.0)
    return out, np.array(lifts)


def around_speech(voice: Prosody, said: Phrases, rng: np.random.Generator) -> Array:
    """A lift with the breath before a phrase, and small nods in long pauses, (T, 3)."""
    out = np.zeros((len(voice), 3))
    before = np.r_[-1.0, said.stops]
    for start, stop in zip(said.starts, before[:-1], strict=True):
        if start - stop > 0.35:
            size = INHALE_DEG * rng.uniform(0.4, 1.4)
            bump(out, start - 0.08, INHALE_SECONDS, 0.5, np.array([0, -size, 0]))
    after = np.r_[said.starts, len(voice) / MOTION_FPS + 0.5]
    for stop, start in zip(before, after, strict=True):
        at = stop + 0.8 + rng.exponential(LISTEN_EVERY / 2)
        while at < start - 0.9:
            size, swing = LISTEN_DEG * rng.uniform(0.4, 1.3), rng.uniform(0.2, 0.3)
            for k in range(rng.integers(1, 4)):
                bump(out, at + 2 * k * swing, swing, swing, np.array([0, size * 0.7**k, 0]))
            at += 1.5 + rng.exponential(LISTEN_EVERY)
    return out


def head(voice: Prosody, pace: float, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Turns (T, 3) deg, shifts (T, 3) IOD, and how far each stress lifts the head (n,).

    pace: tempo of the slow movement, 1 as people do.
    """
    frames, said = len(voice), phrases(voice)
    talk = smooth(voice.speaking, 0.25)[:, None]
    turn = posture(voice, said, pace, rng)
    turn += wander(frames, 3, DRIFT_SECONDS / pace, rng) * DRIFT_DEG
    sway = wander(frames, 3, SWAY_SECONDS / pace, rng) * SWAY_DEG
    turn += sway * (SWAY_IN_PAUSE + (1 - SWAY_IN_PAUSE) * talk)
    nods, lifts = beats(voice, pace, rng)
    turn += nods + around_speech(voice, said, rng)
    turn[:, 1] -= MELODY_DEG * rng.uniform(0.3, 1.7) * smooth(voice.pitch, 0.12)
    turn = smooth(turn, 0.035) + wander(frames, 3, TREMBLE_SECONDS, rng) * TREMBLE_DEG
    shift = wander(frames, 3, 1.1 / pace, rng) * SHIFT_IOD * (0.4 + 0.6 * talk)
    shift += smooth(turn, 0.1) @ FOLLOW
    return turn, shift, lifts


def inhaling(voice: Prosody, rng: np.random.Generator) -> Array:
    """How far lips part to breathe in before phrases, 0 to about 1, (T,)."""
    said, out = phrases(voice), np.zeros(len(voice))
    for start, stop in zip(said.starts, np.r_[-1.0, said.stops[:-1]], strict=False):
        if start - stop > 0.5:
            bump(out, start - 0.26, 0.24, 0.2, rng.uniform(0.0, 1.0))
    return out


def question_like(voice: Prosody, stop: float) -> bool:
    """Does the voice end a phrase higher than it was before?"""
    end = round(stop * MOTION_FPS)
    last, earlier = voice.pitch[max(0, end - 9) : end], voice.pitch[max(0, end - 40) : end - 9]
    if not len(last) or not len(earlier):
        return False
    return bool(last.max() - np.median(earlier) > RISE_SEMITONES)


def brows(voice: Prosody, lifts: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Lift and lowering of the brows, (T,) each, 0 at rest.

    lifts: degrees by which the head goes up with each stress, as `head` tells them.
    """
    frames, said = len(voice), phrases(voice)
    lift, knit = np.zeros(frames), np.zeros(frames)
    habit = rng.uniform(0.5, 1.5)
    for frame, up in zip(np.flatnonzero(voice.stress), lifts, strict=True):
        strength, at = float(voice.stress[frame]), frame / MOTION_FPS - BROW_EARLY
        if rng.random() < BROW_SHARE * habit * (0.35 + strength) + 0.3 * (up > 0):
            size = BROW_LIFT * strength * rng.gamma(4.0, 0.25)
            bump(lift, at, rng.uniform(0.12, 0.2), rng.uniform(0.2, 0.6), size)
        elif rng.random() < 0.15:
            bump(knit, at, 0.2, rng.uniform(0.3, 0.6), 0.3 * strength)
    for start, stop in zip(said.starts, said.stops, strict=True):
        long, drawn = max(stop - start, 0.6), rng.random()
        if drawn < 0.16 * habit:  # underlined
            bump(lift, start + 0.35 * long, 0.35 * long, 0.6 * long, rng.uniform(0.12, 0.32))
        elif drawn > 0.86:
            bump(knit, start + 0.5 * long, 0.4 * long, 0.55 * long, rng.uniform(0.12, 0.3))
        bump(lift, start - 0.05, 0.25, 0.45, 0.1 * rng.exponential(1.0) * (rng.random() < 0.6))
        if question_like(voice, stop):
            bump(lift, stop, 0.35, rng.uniform(0.5, 0.9), rng.uniform(0.15, 0.4))
    lift += 0.012 * np.maximum(smooth(voice.pitch, 0.12), 0) * habit
    lift += 0.03 * np.abs(wander(frames, 1, 1.5, rng)[:, 0]) * (0.4 + 0.6 * voice.speaking)
    return smooth(0.8 * np.tanh(lift / 0.8), 0.03), smooth(0.8 * np.tanh(knit / 0.8), 0.03)
