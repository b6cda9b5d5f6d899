"""Faces that move wrongly, done on purpose: damped, overdone, flapping, unblinking, hurried.

    performed(portrait, scaled(motion, 0.5, "face"), samples)   # half the play of the face

Functions from `Motion` to `Motion` of the same length, and `performed`, which shows one on a
person as `Footage`.  The factor that stands for no corruption returns the motion as it was.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from enliven.drive import reference_row, retarget
from enliven.errors import BadOption
from enliven.media.audio import SPEECH_RATE
from enliven.metrics.motion import find_blinks
from enliven.render.renderer import RenderOptions, render
from enliven.reward.corruption import Footage
from enliven.types import EXPRESSION, INDEX, Motion, Portrait, group_slice

Part = Literal["all", "face", "head", "mouth", "upper"]

LIDS = ("eyeBlinkLeft", "eyeBlinkRight")
MOUTH = tuple(name for name in EXPRESSION if name.startswith(("jaw", "mouth", "tongue")))
UPPER = tuple(name for name in EXPRESSION if name not in MOUTH)
SHUT_DB, OPEN_DB = -35.0, -8.0  # below the loudest stretch: where a loudness-only mouth is shut
OPENING = 0.45  # jawOpen of a mouth that flaps or follows the loudness, at its widest
LIPS_SHARE = 0.5  # of that, by which the lips part besides


def columns(part: Part) -> NDArray[np.intp]:
    """Channels of a part: "face" is all expression and gaze, "mouth" jaw and lips, "upper" the
    rest of the face, "head" its pose and the body's, "all" everything."""
    names = {"mouth": MOUTH, "upper": UPPER, "face": EXPRESSION, "all": EXPRESSION, "head": ()}
    if part not in names:
        raise BadOption(f"part is {part!r}; it can be {', '.join(names)}")
    chosen = [INDEX[name] for name in names[part]]
    groups = {"all": ("gaze", "head", "translation", "body"), "face": ("gaze",), "upper": ("gaze",),
              "head": ("head", "translation", "body")}  # fmt: skip
    for group in groups.get(part, ()):
        where = group_slice(group)
        chosen += range(where.start, where.stop)
    return np.array(sorted(chosen))


def scaled(motion: Motion, factor: float, part: Part = "all") -> Motion:
    """A part moves `factor` times as far from its own median: below 1 damped, above overdone.

    Expression stays within 0 to 1.
    """
    if not (np.isfinite(factor) and factor >= 0):
        raise BadOption(f"the factor of movement is {factor}; choose a number from 0 on")
    if factor == 1:
        return motion
    at = columns(part)
    values = motion.values.copy()
    middle = np.median(values[motion.valid] if motion.valid.any() else values, 0)[at]
    values[:, at] = middle + factor * (values[:, at] - middle)
    face = group_slice("expression")
    values[:, face] = values[:, face].clip(0, 1)
    return replace(motion, values=values)


def tiny(motion: Motion) -> Motion:
    """Hardly any movement: a tenth of it, enough not to be quite frozen."""
    return scaled(motion, 0.1)


def _with_mouth(motion: Motion, opening: NDArray, share: float) -> Motion:
    """The mouth replaced, as far as `share` says, by one that does nothing but open (T,)."""
    at = columns("mouth")
    simple = np.zeros_like(motion.values)
    simple[:, at] = np.median(motion.values, 0)[at] * 0.5
    simple[:, INDEX["jawOpen"]] = OPENING * opening
    for name in ("mouthLowerDownLeft", "mouthLowerDownRight"):
        simple[:, INDEX[name]] = OPENING * LIPS_SHARE * opening
    values = motion.values.copy()
    values[:, at] += share * (simple[:, at] - values[:, at])
    return replace(motion, values=values)


def flapping(motion: Motion, share: float = 1.0, *, hz: float = 4.0) -> Motion:
    """The mouth opens and shuts evenly, whatever is said; `share` 0 to 1 of it."""
    if share == 0:
        return motion
    phase = 2 * np.pi * hz * np.arange(len(motion)) / motion.fps
    return _with_mouth(motion, (1 - np.cos(phase)) / 2, share)


def loudness_mouth(motion: Motion, samples: NDArray, share: float = 1.0) -> Motion:
    """The mouth opens as far as the sound (N,) of 16 kHz is loud, and does nothing else."""
    return motion if share == 0 else _with_mouth(motion, openness(samples, motion), share)


def openness(samples: NDArray, motion: Motion) -> NDArray[np.float64]:
    """How far the loudness of each frame lies between SHUT_DB and OPEN_DB, (T,) 0 to 1."""
    hop = SPEECH_RATE / motion.fps
    edges = np.rint(np.arange(len(motion) + 1) * hop).astype(int)
    padded = np.zeros(edges[-1], np.float64)
    padded[: min(len(samples), len(padded))] = samples[: len(padded)]
    power = np.array([np.square(padded[a:b]).mean() for a, b in pairwise(edges)])
    power = np.convolve(np.pad(power, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    loudness = 10 * np.log10(np.maximum(power, 1e-10) / max(power.max(), 1e-8))
    return np.clip((loudness - SHUT_DB) / (OPEN_DB - SHUT_DB), 0, 1)


def unblinking(motion: Motion) -> Motion:
    """All blinks removed; the lids pass straight from before to after."""
    values = motion.values.copy()
    lids = [INDEX[name] for name in LIDS]
    closing = values[:, lids].mean(1)
    wide = max(1, round(0.2 * motion.fps))
    for blink in find_blinks(closing, motion.fps):
        low = max(0, blink.peak - wide)
        high = min(len(values) - 1, blink.peak + wide)
        part = np.linspace(0, 1, high - low + 1)[:, None]
        straight = (1 - part) * values[low, lids] + part * values[high, lids]
        piece = values[low : high + 1]
        piece[:, lids] = np.minimum(piece[:, lids], straight)
    return replace(motion, values=values)


def hurried_head(motion: Motion, factor: float) -> Motion:
    """The head moves `factor` times as fast along the same way, there and back again."""
    if not factor > 0:
        raise BadOption(f"the head is to move {factor} times as fast; choose more than 0")
    if factor == 1 or len(motion) < 2:
        return motion
    at = columns("head")
    last = len(motion) - 1
    along = np.arange(len(motion)) * factor % (2 * last)
    along = np.minimum(along, 2 * last - along)
    low = np.minimum(along.astype(int), last - 1)
    part = (along - low)[:, None].astype(np.float32)
    values = motion.values.copy()
    way = motion.values[:, at]
    values[:, at] = (1 - part) * way[low] + part * way[low + 1]
    return replace(motion, values=values)


def trembling(motion: Motion, amount: float, part: Part = "all", *, seed: int = 0) -> Motion:
    """Each frame is off by itself: deviation `amount` in expression and gaze (rad), a tenth of
    that in turns (rad) and a fifth in shifts (IOD)."""
    if amount == 0:
        return motion
    size = np.full(motion.values.shape[1], amount)
    size[group_slice("head")], size[group_slice("translation")] = 0.1 * amount, 0.2 * amount
    size[group_slice("body")] = 0.0
    at = columns(part)
    rng = np.random.default_rng(seed)
    values = motion.values.copy()
    values[:, at] += size[at] * rng.standard_normal((len(values), len(at)))
    face = group_slice("expression")
    values[:, face] = values[:, face].clip(0, 1)
    return replace(motion, values=values)


def performed(
    portrait: Portrait, motion: Motion, samples: NDArray | None = None, *,
    like: Motion | None = None, size: int | None = None,
) -> Footage:  # fmt: skip
    """A motion on the person in a portrait, as footage at the motion's rate.

    like: the motion whose first frame shows the face of the portrait, `motion` by default; give
        the uncorrupted one, so that every corruption of it starts from the same face.
    size: longer side of the frames, px; the portrait's own by default.
    """
    carried = retarget(motion, portrait, reference_row(like or motion, "first"))
    frames = np.stack(list(render(portrait, carried, RenderOptions(size=size))))
    return Footage(frames, motion.fps, samples)
