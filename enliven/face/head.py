"""The head model: an average face mesh and 52 named ways in which it moves.

    points = mean + expression @ basis          in head axes, IOD

Axes and units are those of `enliven.geometry`; the columns are `enliven.types.EXPRESSION`.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

# Lip contours from the image-left to the image-right corner, outermost ring first.
LIP_RINGS_UPPER = (
    (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291),
    (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306),
    (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292),
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
)
LIP_RINGS_LOWER = (
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
    (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306),
    (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292),
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
)
LIPS_MEET = (61, 291, 76, 306, 62, 292, 78, 308)

# Facing points (upper, lower) of the lid edges; the image-left eye is the person's right one.
LID_PAIRS = {
    "eyeBlinkRight": ((246, 7), (161, 163), (160, 144), (159, 145), (158, 153), (157, 154),
                      (173, 155)),
    "eyeBlinkLeft": ((466, 249), (388, 390), (387, 373), (386, 374), (385, 380), (384, 381),
                     (398, 382)),
}  # fmt: skip


@dataclass(frozen=True)
class HeadModel:
    """mean (478, 3) IOD; triangles (F, 3); basis (52, 478, 3) IOD, rows types.EXPRESSION."""

    mean: NDArray[np.float64]
    triangles: NDArray[np.int64]
    basis: NDArray[np.float64]


@cache
def load_head() -> HeadModel:
    """The head model that ships with the package; read once."""
    with files("enliven.models").joinpath("head.npz").open("rb") as file:
        data = np.load(file)
        arrays = (data["mean"].astype(np.float64), data["triangles"].astype(np.int64),
                  data["basis"].astype(np.float64))  # fmt: skip
    for array in arrays:
        array.flags.writeable = False  # shared by every caller
    return HeadModel(*arrays)


@cache
def mirror_points() -> NDArray[np.int64]:
    """For each of the 478 points the one on the other side of the face, (478,)."""
    mean = load_head().mean
    mirrored = mean * np.array([-1, 1, 1])
    return ((mirrored[:, None] - mean) ** 2).sum(-1).argmin(1)
