"""What one judge likes: simple edits of a clip, searched for the highest mark on each axis.

No gradients and no taste: a few random mixtures of edits, then small steps from the best.  It is
what post-training would find first.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from enliven.reward import corruption as spoil
from enliven.reward import corruption_look as look
from enliven.reward.compose import quality
from enliven.reward.corruption import Footage, HeadPlace
from enliven.reward.judge import AXES
from enliven.types import Scorecard

Assess = Callable[[Footage], Scorecard]

MIXTURES = 16  # random ones, judged on all axes at once
STEPS = 4  # from the best, for each axis
MIXED = 3  # edits in a mixture, at most
HUNT_CLIPS = 1 + MIXTURES + len(AXES) * STEPS
STEP = 0.3  # of the reach of an edit


@dataclass(frozen=True)
class Edit:
    """One simple change of a clip: how it is called, its strongest amounts, and what it does.

    low, high: the amounts between which it is searched, at -1 and 1 of its reach.
    """

    name: str
    low: float
    high: float
    change: Callable[[Footage, HeadPlace, float], Footage]

    def amount(self, reach: float) -> float:
        """Of -1 to 1 of its reach."""
        middle = (self.low + self.high) / 2
        return middle + reach * (self.high - middle)


@dataclass(frozen=True)
class Find:
    """The clip that a judge liked best on an axis, and how it was made.

    gain: what the axis rose by, 0 to 1 of its range; 0 when nothing was found.
    card: its scores.
    """

    axis: str
    recipe: str
    gain: float
    footage: Footage
    card: Scorecard


def _brisk(footage: Footage, _: HeadPlace, amount: float) -> Footage:
    """Movement from frame to frame stronger (above 0) or smoother than it is."""
    frames = footage.frames.astype(np.float32)
    padded = np.concatenate([frames[:1], frames, frames[-1:]])
    mean = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    return Footage(spoil.to_bytes(frames + amount * (frames - mean)), footage.fps, footage.samples)


def _nodding(footage: Footage, _: HeadPlace, amount: float) -> Footage:
    height, width = footage.frames.shape[1:3]
    everywhere = spoil.head_weight((height, width), None)

    def nod(frame: np.ndarray, i: int) -> np.ndarray:
        shift = amount * width * np.array([np.sin(1.9 * i / footage.fps),
                                           np.sin(3.1 * i / footage.fps)])  # fmt: skip
        return spoil.moved(frame, spoil.about(0, 0, 1.0, 0.0, shift), everywhere)

    return spoil.each_frame(footage, nod)


EDITS = (
    Edit("brightness", 0.6, 1.4, lambda f, _, x: look.brightness(f, x)),
    Edit("contrast", 0.6, 1.4, lambda f, _, x: look.contrast(f, x)),
    Edit("saturation", 0.3, 1.7, lambda f, _, x: look.saturation(f, x)),
    Edit("sharpness", -2.0, 2.0, lambda f, _, x: look.sharpen(f, x) if x > 0 else look.blur(f, -x)),
    Edit("grain", 0.0, 8.0, lambda f, _, x: look.grain(f, x)),
    Edit("zoom", 0.7, 1.3, lambda f, h, x: look.reframe(f, x, h, centre=False)),
    Edit("sound later", -3.0, 3.0, lambda f, _, x: spoil.shift_sound(f, x)),
    Edit("frame differences", -1.0, 1.0, _brisk),
    Edit("sway", -0.03, 0.03, _nodding),
    Edit("head trembling", 0.0, 1.0, lambda f, h, x: spoil.jitter(f, x, head=h)),
)

Recipe = dict[int, float]  # number of an edit -> reach


def hunt(
    footage: Footage, head: HeadPlace, assess: Assess, axes: tuple[str, ...], *,
    seed: int = 0, mixtures: int = MIXTURES, steps: int = STEPS,
) -> list[Find]:  # fmt: skip
    """For each axis the best clip found, in 1 + mixtures + steps * axes evaluations.

    The same seed and judge find the same.
    """
    rng = np.random.default_rng(seed)
    tried: list[tuple[Recipe, Scorecard]] = [({}, assess(footage))]
    for _ in range(mixtures):
        recipe = _drawn(rng)
        tried.append((recipe, assess(mixed(footage, head, recipe))))
    found = []
    for axis in axes:
        best, card = max(tried, key=lambda one: _level(one[1], axis))
        for _ in range(steps):
            recipe = _nudged(best or _drawn(rng), rng)
            nearby = assess(mixed(footage, head, recipe))
            if _level(nearby, axis) > _level(card, axis):
                best, card = recipe, nearby
        gain = _level(card, axis) - _level(tried[0][1], axis)
        found.append(Find(axis, told(best), gain, mixed(footage, head, best), card))
    return found


def mixed(footage: Footage, head: HeadPlace, recipe: Recipe) -> Footage:
    """The clip after some edits, in the order of EDITS."""
    for number in sorted(recipe):
        edit = EDITS[number]
        footage = edit.change(footage, head, edit.amount(recipe[number]))
    return footage


def told(recipe: Recipe) -> str:
    """A recipe in words."""
    parts = [f"{EDITS[n].name} {EDITS[n].amount(recipe[n]):.2g}" for n in sorted(recipe)]
    return ", ".join(parts) or "nothing found"


def _level(card: Scorecard, axis: str) -> float:
    level = quality(card.scores[axis]) if axis in card.scores else np.nan
    return level if np.isfinite(level) else -1.0


def _drawn(rng: np.random.Generator) -> Recipe:
    chosen = rng.choice(len(EDITS), rng.integers(1, MIXED + 1), replace=False)
    return {int(n): float(rng.uniform(-1, 1)) for n in chosen}


def _nudged(recipe: Recipe, rng: np.random.Generator) -> Recipe:
    return {n: float(np.clip(x + STEP * rng.standard_normal(), -1, 1)) for n, x in recipe.items()}
