"""The space in which motion is generated: what is continuous in a performance, D numbers a frame.

Lower-face controls (`motion.controls`), the upper face as pairs of both sides, and the head.
Blinks, glances and breaths are events, not curves; `motion.behaviour` adds them afterwards, and
what tells the sides of a face apart.

Head and upper face are generated LEAD frames ahead of the motion and follow softly: the motion
is a moving mean of them.  The grain that a sampler leaves from frame to frame would shake a head;
lips are quick and are taken as they come.

Legend: T motion frames at 25 Hz, D latent columns.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from enliven.motion.controls import CONTROLS
from enliven.types import CHANNELS, GROUPS, INDEX

Array = NDArray[np.float32]

UPPER = ("browDown", "browInnerUp", "browOuterUp", "eyeSquint", "eyeWide")
HEAD = GROUPS["head"] + GROUPS["translation"]
LATENT: tuple[str, ...] = CONTROLS + UPPER + HEAD
COLUMN = {name: i for i, name in enumerate(LATENT)}

# One unit of a latent number: about the deviation it has while people talk.  The generator's
# noise has deviation 1, so that every column weighs alike.
_CONTROL_UNIT, _BROW_UNIT, _TURN_UNIT, _SHIFT_UNIT = 0.12, 0.15, 0.06, 0.03
UNITS: Array = np.array(
    [_CONTROL_UNIT] * len(CONTROLS) + [_BROW_UNIT] * len(UPPER) + [_TURN_UNIT] * 3
    + [_SHIFT_UNIT] * 3, np.float32)  # fmt: skip

SLOW = [COLUMN[name] for name in UPPER + HEAD]
LEAD = 3  # frames that slow columns are ahead
_SOFT = 1.3  # deviation of the mean, frames
_WEIGHTS = np.exp(-0.5 * (np.arange(-LEAD, LEAD + 1) / _SOFT) ** 2)
MEAN: Array = (_WEIGHTS / _WEIGHTS.sum()).astype(np.float32)
_SHARPER = 2  # Van Cittert's iterations, which keep nods up to 3 Hz as large as they are

# The regions of a face whose strength is set by itself.
REGIONS: Mapping[str, tuple[str, ...]] = {"mouth": CONTROLS, "brows": UPPER[:3],
                                          "eyes": UPPER[3:], "head": HEAD}  # fmt: skip


def region_columns(region: str) -> list[int]:
    """Latent columns of a region by name."""
    return [COLUMN[name] for name in REGIONS[region]]


def latent_matrix() -> Array:
    """(D, C): latent values in their own units of `types.GROUPS` @ matrix are motion channels."""
    matrix = np.zeros((len(LATENT), len(CHANNELS)), np.float32)
    for row, name in enumerate(LATENT):
        for channel in (name, f"{name}Left", f"{name}Right"):
            if channel in INDEX:
                matrix[row, INDEX[channel]] = 1.0
    return matrix


def to_motion(latent: NDArray) -> Array:
    """Latent (T, D), in UNITS, -> motion values (T, C) away from rest, not yet clipped."""
    return np.asarray((latent * UNITS) @ latent_matrix(), np.float32)


def to_latent(values: NDArray) -> Array:
    """Motion values (T, C) away from rest -> latent (T, D) in UNITS, the mean of both sides."""
    matrix = latent_matrix()
    return np.asarray(values @ (matrix / matrix.sum(1, keepdims=True)).T / UNITS, np.float32)


def led(latent: NDArray) -> Array:
    """What to generate for a performance (T, D): slow columns ahead, and crisper (T, D).

    `following` undoes it for all that is slower than about 3 Hz.
    """
    slow = np.asarray(latent, np.float64)[:, SLOW]
    crisp = slow.copy()
    for _ in range(_SHARPER):
        padded = np.pad(crisp, ((LEAD, LEAD), (0, 0)), mode="edge")
        soft = np.stack([np.convolve(column, MEAN, "valid") for column in padded.T], 1)
        crisp += slow - soft
    made = np.array(latent, np.float32)
    made[:, SLOW] = np.concatenate([crisp[LEAD:], np.repeat(crisp[-1:], LEAD, 0)])[: len(made)]
    return made


def following(generated: NDArray) -> Array:
    """The performance (T, D) of generated numbers (2 LEAD + T, D), the first of which came before.

    Frame i is the mean of slow columns from 2 LEAD frames before it to itself: nothing later is
    needed.
    """
    count = len(generated) - 2 * LEAD
    made = np.array(generated[2 * LEAD :], np.float32)
    parts = [MEAN[2 * LEAD - k] * generated[k : k + count, SLOW] for k in range(2 * LEAD + 1)]
    made[:, SLOW] = np.sum(parts, 0)
    return made
