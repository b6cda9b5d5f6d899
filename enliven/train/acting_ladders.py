"""Ladders of corrupted curves: what `enliven.reward.ladders` does to pictures, done to what is
measured of them, which takes milliseconds.  They teach `enliven.train.acting` its order.

A performance is one of many that the people of the training clips could have given: head and
face as lively as published means and more (enliven.data.gesture), filmed evenly or not.

Legend: T frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enliven.face.smooth import smoothing_kernel
from enliven.metrics.steadiness import Steps
from enliven.reward.acting_measures import Curves, banded
from enliven.types import EXPRESSION, MOTION_FPS

Array = NDArray[np.float64]

OVER_TIME = ("expression", "gaze", "turn", "place", "lips", "points", "outline", "rigid")
LEVELS_A_STEP = 60.0  # grey levels by which a shift of one IOD changes the picture
TRACKED = 0.7  # share of a head's trembling that landmarks follow
LIP_LIMIT = 0.55  # IOD: no mouth opens further
LIPS_A_CHANNEL = 0.4  # IOD a unit of expression, about


# Measured on performances of a frozen face and a moving head: noise, and noise a degree.
CHANNEL_LEAK, GAZE_LEAK, LIP_LEAK = (0.008, 0.009), (0.3, 0.3), (0.0015, 0.003)
TURN_LEAK = 0.06  # degrees about each axis, of a head that keeps still while its face acts
# A face acted k times as strongly is seen to act this many times: expressions have an end.
SEEN = {6: 2.6, 12: 3.4}


def smoothed(curve: Array) -> Array:
    """A curve (T, n) as the tracker would smooth it."""
    kernel = smoothing_kernel(MOTION_FPS)
    half = len(kernel) // 2
    padded = np.pad(curve, ((half, half), (0, 0)), mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, len(kernel), 0) @ kernel)


def path(steps: Steps) -> Array:
    """Where the steps lead, (T, 5): place x and y, turn, size, light; 0 at first."""
    table = np.nan_to_num(np.c_[steps.shift, steps.turn, steps.size, steps.light])
    return np.concatenate([np.zeros((1, 5)), np.cumsum(table, 0)])


def with_path(steps: Steps, course: Array, **other: Array) -> Steps:
    """Steps along a path (T, 5)."""
    table = np.diff(course, axis=0)
    return replace(steps, shift=table[:, :2], turn=table[:, 2], size=table[:, 3],
                   light=table[:, 4], **other)  # fmt: skip


def retimed(curves: Curves, times: NDArray) -> Curves:
    """The clip shown at other times (T,), in frames of the original; rising or held."""
    low = np.minimum(np.floor(times).astype(int), len(curves.known) - 1)
    high = np.minimum(low + 1, len(curves.known) - 1)
    part = (times - low)[:, None]

    def at(curve: Array) -> Array:
        return (1 - part) * curve[low] + part * curve[high]

    changed = {name: smoothed(at(getattr(curves, name))) for name in OVER_TIME}
    passed = np.abs(np.diff(times))
    change = np.nan_to_num(curves.steps.change, nan=1.0)
    change = np.interp((times[:-1] + times[1:]) / 2, np.arange(len(change)) + 0.5, change)
    steps = with_path(
        curves.steps, at(path(curves.steps)), colour=at(curves.steps.colour),
        detail=at(curves.steps.detail[:, None])[:, 0], change=change * np.minimum(passed, 4) ** 0.8,
    )  # fmt: skip
    return replace(curves, **changed, known=curves.known[low], steps=steps)


def there_and_back(curves: Curves) -> Curves:
    """The clip and then the clip backwards: long enough to drift, and no more of the same."""
    forth = np.arange(len(curves.known), dtype=np.float64)
    twice = retimed(curves, np.concatenate([forth, forth[::-1]]))
    # smoothing again would make the clip less grainy than it is
    kept: dict[str, Any] = {}
    for name in OVER_TIME:
        curve = getattr(curves, name)
        kept[name] = np.concatenate([curve, curve[::-1]])
    change = np.nan_to_num(curves.steps.change, nan=1.0)
    steps = replace(twice.steps, change=np.r_[change, change[-1:], change[::-1]])
    return replace(twice, **kept, steps=steps)


def scaled(curves: Curves, face: float = 1.0, head: float = 1.0, *, seed: int = 0) -> Curves:
    """Face and head move so many times as far about their medians.

    What the tracker takes for play of the face when the head moves stays, as far as the head's
    movement does: a damped face is never measured as quite still unless all of it is.
    """

    def about(curve: Array, factor: float) -> Array:
        middle = np.median(curve, 0)
        return middle + factor * (curve - middle)

    course = path(curves.steps)
    head_course = about(course, head)
    head_course[:, 4] = course[:, 4]
    change = np.nan_to_num(curves.steps.change, nan=1.0)
    turn = about(curves.turn, head)
    lips = about(curves.lips, face)
    # a mouth that is driven wide reaches an end; one driven shut is shut
    lips[:, 0] = np.clip(lips[:, 0], 0, LIP_LIMIT)
    expression, gaze = about(curves.expression, face), about(curves.gaze, face)
    if face < 1 and head > 0:
        share = np.sqrt(1 - face**2)
        expression += share * leaked(turn, 52, CHANNEL_LEAK, seed)
        gaze += share * leaked(turn, 2, GAZE_LEAK, seed + 1)
        lips += share * leaked(turn, 2, LIP_LEAK, seed + 2)
    if head < 1 and face > 0:
        turn += np.sqrt(1 - head**2) * leaked(turn, 3, (TURN_LEAK, 0.0), seed + 3)
    if face == 0 and head == 0:
        change = 0 * change
    return replace(
        curves, turn=turn, place=about(curves.place, head), rigid=about(curves.rigid, head),
        lips=lips, expression=expression.clip(0, 1), gaze=gaze, points=about(curves.points, face),
        steps=with_path(curves.steps, head_course, change=change * max(head, 0.3 * min(face, 1))),
    )  # fmt: skip


def partly(curves: Curves, mouth: float, upper: float, seed: int) -> Curves:
    """Mouth and the rest of the face move so many times as far."""
    one, other = (scaled(curves, factor, seed=seed) for factor in (mouth, upper))
    at_mouth = [name.startswith(("jaw", "mouth", "tongue")) for name in EXPRESSION]
    expression = np.where(at_mouth, one.expression, other.expression)
    return replace(one, expression=expression, gaze=other.gaze)


def leaked(turn: Array, columns: int, sizes: tuple[float, float], seed: int) -> Array:
    """What tracking adds to curves (T, columns): slow noise of the first size, and of the second
    for every degree of the head's play."""
    rng = np.random.default_rng([seed, columns])
    noise = banded(rng.standard_normal((len(turn), columns)))
    mix = rng.standard_normal((turn.shape[1], columns)) / np.sqrt(turn.shape[1])
    return sizes[0] * noise / noise.std() + sizes[1] * banded(turn) @ mix


def hurried(curves: Curves, factor: float) -> Curves:
    """The head along its way so many times as fast, there and back."""
    last = len(curves.known) - 1
    along = np.arange(last + 1) * factor % (2 * last)
    fast = retimed(curves, np.minimum(along, 2 * last - along))
    kept = path(fast.steps)
    kept[:, 4] = path(curves.steps)[:, 4]
    steps = with_path(curves.steps, kept, change=fast.steps.change)
    return replace(curves, turn=fast.turn, place=fast.place, rigid=fast.rigid, steps=steps)


def shaken(curves: Curves, iod: float, turn: float, rng: np.random.Generator) -> Curves:
    """Place (deviation along each axis, IOD) and turn (rad) of the head are off in each frame."""
    count = len(curves.known)
    shift, twist = iod * rng.standard_normal((count, 2)), turn * rng.standard_normal(count)
    seen = smoothed(TRACKED * np.c_[shift, twist])
    course = path(curves.steps)
    course[:, :2] += shift
    course[:, 2] += twist
    grain = 0.1 * iod
    noise = {name: getattr(curves, name) + smoothed(size * rng.standard_normal(
        getattr(curves, name).shape)) for name, size in
        (("points", grain), ("lips", grain), ("expression", 0.5 * iod))}  # fmt: skip
    step = np.linalg.norm(np.diff(shift, axis=0), axis=1)
    change = np.nan_to_num(curves.steps.change, nan=1.0) + LEVELS_A_STEP * step
    turned = np.degrees(seen[:, 2:])
    return replace(
        curves, rigid=curves.rigid + seen[:, :2], place=curves.place + seen[:, :2],
        turn=curves.turn + np.c_[0 * turned, 0 * turned, turned],
        steps=with_path(curves.steps, course, change=change),
        points=noise["points"], lips=noise["lips"], expression=noise["expression"].clip(0, 1),
    )  # fmt: skip


def trembling(curves: Curves, amount: float, rng: np.random.Generator) -> Curves:
    """As `corruption_motion.trembling`: expression off by `amount`, turns by a tenth of it."""
    grainy = shaken(curves, 0.12 * amount, 0.1 * amount, rng)
    noise = smoothed(amount * rng.standard_normal(curves.expression.shape))
    points = smoothed(0.12 * amount * rng.standard_normal(curves.points.shape))
    lips = smoothed(0.5 * LIPS_A_CHANNEL * amount * rng.standard_normal(curves.lips.shape))
    return replace(
        grainy, expression=(curves.expression + noise).clip(0, 1), points=curves.points + points,
        lips=curves.lips + lips,
    )  # fmt: skip


def flickering(curves: Curves, light: float, colour: float, rng: np.random.Generator) -> Curves:
    """Brightness, and each channel, are off in every frame by these deviations of a factor."""
    count = len(curves.known)
    gain = light * rng.standard_normal((count, 1)) + colour * rng.standard_normal((count, 3))
    course = path(curves.steps)
    course[:, 4] += gain.mean(1)
    change = np.nan_to_num(curves.steps.change, nan=1.0) + 100 * np.abs(np.diff(gain.mean(1)))
    steps = with_path(curves.steps, course, colour=curves.steps.colour + gain, change=change)
    return replace(curves, steps=steps)


def drifting(curves: Curves, amount: float, rng: np.random.Generator) -> Curves:
    """Shape, colour and sharpness move off evenly, as `corruption.drift` does."""
    part = amount * np.linspace(0, 1, len(curves.known))[:, None]
    tint = rng.permutation([1.0, 0.0, -1.0])
    signs = rng.choice([-1.0, 1.0], 2)
    away = curves.outline.reshape(len(part), -1, 2)
    # the fit of the head takes out what size it can
    stretch = np.stack([0.4 * signs[0] * part, -0.4 * signs[0] * part + 0.2 * signs[1] * part], -1)
    outline = (away - away.mean(1, keepdims=True)) * stretch + away
    steps = replace(
        curves.steps, colour=curves.steps.colour + part * tint,
        detail=curves.steps.detail - 8 * part[:, 0],
    )  # fmt: skip
    return replace(curves, outline=outline.reshape(curves.outline.shape), steps=steps)


def skipping(curves: Curves, times: int, rng: np.random.Generator) -> Curves:
    """As `corruption.skips`."""
    count = len(curves.known)
    length = round(MOTION_FPS / 3)
    order = np.arange(count, dtype=np.float64)
    for start in rng.integers(1, max(2, count - length), times):
        order[start : start + length] = order[min(start + length, count) - 1]
    return retimed(curves, order)


def frozen(curves: Curves, share: float) -> Curves:
    """As `corruption.freeze`."""
    count = len(curves.known)
    return retimed(curves, np.minimum(np.arange(count), float(round((1 - share) * count))))


def held(curves: Curves, times: int) -> Curves:
    """As `corruption.hold_frames`."""
    return retimed(curves, np.arange(len(curves.known)) // times * float(times))


def uneven(curves: Curves, fps: float) -> Curves:
    """Filmed at another rate, each frame shown in the slot nearest to its time."""
    count = len(curves.known)
    ratio = fps / MOTION_FPS
    return retimed(curves, np.minimum(np.floor(np.arange(count) * ratio + 0.5) / ratio, count - 1))


@dataclass(frozen=True)
class Rungs:
    """A ladder of curves: name, axes that fall, the mark its worst step deserves on its first
    axis, and the steps from none to the worst."""

    name: str
    axes: tuple[str, ...]
    worst: float
    steps: tuple[Curves, ...]


FACE, MOVES = ("expressiveness",), ("motion",)
BOTH = ("expressiveness", "motion")


def ladders(base: Curves, seed: int, iod_px: float = 75.0) -> list[Rungs]:
    """All ladders from one performance; steps as in `enliven.reward.ladders`, and finer ones.

    iod_px: eye distance at which pixels are counted.
    """

    def rungs(
        name: str, axes: tuple[str, ...], worst: float, amounts: Sequence[float],
        change: Callable[[float, np.random.Generator], Curves],
    ) -> Rungs:  # fmt: skip
        made = (change(x, np.random.default_rng([seed, len(name)])) for x in amounts)
        return Rungs(name, axes, worst, (base, *made))

    px = 1 / iod_px
    return [
        rungs("freeze", BOTH, 1.1, (0.35, 0.7, 1), lambda x, r: frozen(base, x)),
        rungs("held", MOVES, 1.3, (2, 4, 7), lambda x, r: held(base, int(x))),
        rungs("jitter", MOVES, 1.2, (0.4, 0.7, 1.5, 3), lambda x, r: shaken(base, x * px, 0, r)),
        rungs("head jitter", MOVES, 1.2, (0.4, 0.7, 1.5, 3),
              lambda x, r: shaken(base, x * px, np.radians(x / 3), r)),
        rungs("flicker", MOVES, 1.3, (0.015, 0.03, 0.08, 0.2),
              lambda x, r: flickering(base, x, 0, r)),
        rungs("colour flicker", MOVES, 1.3, (0.015, 0.03, 0.08, 0.2),
              lambda x, r: flickering(base, 0, x, r)),
        rungs("drift", MOVES, 2.0, (0.08, 0.2, 0.4), lambda x, r: drifting(base, x, r)),
        rungs("skips", MOVES, 2.2, (1, 3, 8), lambda x, r: skipping(base, int(x), r)),
        rungs("trembling", MOVES, 1.3, (0.05, 0.12, 0.3), lambda x, r: trembling(base, x, r)),
        rungs("damped head", MOVES, 2.0, (0.4, 0), lambda x, r: scaled(base, 1, x)),
        rungs("hurried head", MOVES, 1.6, (2.5, 5), lambda x, r: hurried(base, x)),
        rungs("damped", BOTH, 1.1, (0.7, 0.5, 0.2, 0), lambda x, r: scaled(base, x, x, seed=seed)),
        rungs("damped face", FACE, 1.2, (0.7, 0.5, 0.2, 0),
              lambda x, r: scaled(base, x, seed=seed)),
        rungs("damped mouth", FACE, 2.0, (0.4, 0), lambda x, r: partly(base, x, 1, seed)),
        rungs("damped upper face", FACE, 2.8, (0.4, 0), lambda x, r: partly(base, 1, x, seed)),
        rungs("exaggerated face", FACE, 1.6, (6, 12),
              lambda x, r: scaled(base, SEEN[int(x)])),
    ]  # fmt: skip


def performances(clips: Sequence[Curves], each: int, seed: int) -> list[Curves]:
    """`each` performances of every clip: as filmed, and livelier ones of both head and face.

    Talking heads turn at about 11 degrees a second and more in lively speech (enliven.data.gesture
    says by whom that was measured); the people of read sentences at 3.
    """
    rng = np.random.default_rng(seed)
    made = []
    for clip in clips:
        for k in range(each):
            if k == 0:
                made.append(clip)
                continue
            head, face = np.exp(rng.uniform(0.0, 2.2)), np.exp(rng.uniform(-0.1, 0.35))
            lively = scaled(clip, face, head)
            rate = rng.choice([25.0, 30.0, 20.0])
            made.append(lively if rate == 25 else uneven(lively, float(rate)))
    return made
