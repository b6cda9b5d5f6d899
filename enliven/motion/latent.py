"""The space in which motion is generated: what is continuous in a performance, D numbers a frame.

Lower-face controls (`motion.controls`), the upper face as pairs of both sides, and the head.
Blinks, glances and breaths are events, not curves; `motion.behaviour` adds them afterwards, and
what tells the sides of a face apart.

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
