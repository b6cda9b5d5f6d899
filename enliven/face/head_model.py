"""An average face mesh, 52 named ways in which it moves, and how they suit one person.

    points = neutral + expression @ basis          in head axes, IOD

Axes and units are those of `enliven.geometry`; the rows of the basis are `types.EXPRESSION`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from enliven.types import EXPRESSION

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
INNER_LIPS = (LIP_RINGS_UPPER[-1][1:-1], LIP_RINGS_LOWER[-1][1:-1])
LIP_CORNERS = (61, 291)

# Facing points (upper, lower) of the lid edges; the image-left eye is the person's right one.
LID_PAIRS = {
    "eyeBlinkLeft": ((466, 249), (388, 390), (387, 373), (386, 374), (385, 380), (384, 381),
                     (398, 382)),
    "eyeBlinkRight": ((246, 7), (161, 163), (160, 144), (159, 145), (158, 153), (157, 154),
                      (173, 155)),
}  # fmt: skip
FACE_OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400,
             377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67,
             109)  # fmt: skip
BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55,
         300, 293, 334, 296, 336, 276, 283, 282, 295, 285)  # fmt: skip
IRISES = (473, 468)  # centres; left, right
EYE_CORNERS = ((263, 362), (33, 133))  # outer, inner
IRIS_POINTS = slice(468, 478)

MOUTH = tuple(n for n in EXPRESSION if n.startswith(("mouth", "jaw", "cheekPuff")))
LIDS = tuple(n for n in EXPRESSION if n.startswith("eye"))
LOOKS = tuple(n for n in EXPRESSION if n.startswith("eyeLook"))


@dataclass(frozen=True)
class HeadModel:
    """mean (478, 3) IOD; triangles (F, 3); basis (52, 478, 3) IOD, rows types.EXPRESSION.

    stiffness: (52,) weight of the square of each coefficient in a fit, IOD^2.
    """

    mean: Array
    triangles: NDArray[np.integer]
    basis: Array
    stiffness: Array


@cache
def load_head() -> HeadModel:
    """The head model that ships with the package; read once."""
    with files("enliven.models").joinpath("head.npz").open("rb") as file:
        data = np.load(file)
        kinds = {"mean": float, "triangles": int, "basis": float, "stiffness": float}
        arrays = [data[name].astype(kind) for name, kind in kinds.items()]
    for array in arrays:
        array.flags.writeable = False  # shared by every caller
    return HeadModel(*arrays)


@cache
def mirror_points() -> NDArray[np.int64]:
    """For each of the 478 points the one on the other side of the face, (478,)."""
    mean = load_head().mean
    mirrored = mean * np.array([-1, 1, 1])
    return ((mirrored[:, None] - mean) ** 2).sum(-1).argmin(1)


def rows(names: Sequence[str]) -> list[int]:
    """Rows of the basis that belong to some expression names."""
    return [EXPRESSION.index(name) for name in names]


def personal_basis(
    points: Array, rest: Array | None = None, model: HeadModel | None = None
) -> Array:
    """The expression basis (52, 478, 3) scaled to one face, IOD.

    points: (478, 3) head coordinates of that face; rest: (52,) the expression it shows there,
    neutral by default.  Mouth channels follow the width of the mouth and the length of the lower
    face, lid channels the opening of the eyes.  Raising eyeBlink from its rest value to 1 brings
    the upper lids exactly onto the lower ones.
    """
    model = load_head() if model is None else model
    rest = np.zeros(len(EXPRESSION)) if rest is None else np.asarray(rest, np.float64)
    neutral = points - np.tensordot(rest, model.basis, 1)
    basis = model.basis.copy()
    mouth = rows(MOUTH)
    basis[mouth, :, 0] *= np.clip(mouth_width(neutral) / mouth_width(model.mean), 0.75, 1.35)
    basis[mouth, :, 1:] *= np.clip(_face_length(neutral) / _face_length(model.mean), 0.75, 1.35)
    for name, pairs in LID_PAIRS.items():
        blink = EXPRESSION.index(name)
        lids = points.copy()
        upper, lower = np.array(pairs).T
        shut_by = min(float(rest[blink]), 0.8)  # from a nearly shut eye its size cannot be told
        lids[upper] = lids[lower] + (lids[upper] - lids[lower]) / (1 - shut_by)
        opening = lid_opening(lids)[name] / lid_opening(model.mean)[name]
        others = [n for n in LIDS if n.endswith(name.removeprefix("eyeBlink")) and n != name]
        # cheeks, which squinting moves too, are not a matter of how open the eye is
        near = np.flatnonzero(np.abs(model.basis[blink]).sum(-1) > 1e-6)
        basis[np.array(rows(others))[:, None], near] *= np.clip(opening, 0.5, 1.8)
        basis[blink] *= np.clip(opening, 0.3, 2.5)
        basis = close_lids(basis, lids, name, pairs)
    return basis


def close_lids(basis: Array, neutral: Array, name: str, pairs: Sequence[tuple[int, int]]) -> Array:
    """The basis with one eyeBlink made to bring the upper lid's edge exactly onto the lower one's.

    The correction fades out in the lid above the edge, so that it slides as one piece.
    """
    upper, lower = np.array(pairs).T
    i = EXPRESSION.index(name)
    lid = np.flatnonzero(
        (np.abs(basis[i]).sum(-1) > 1e-6) & (neutral[:, 1] < neutral[lower, 1].mean())
    )
    lid = np.setdiff1d(lid, [*upper, *lower])
    fix = neutral[lower] + basis[i, lower] - neutral[upper] - basis[i, upper]
    distance = np.linalg.norm(neutral[lid, None, :2] - neutral[upper, :2], axis=-1)
    share = np.exp(-((distance / 0.06) ** 2)) + 1e-12
    fade = np.exp(-((distance.min(1) / 0.08) ** 2))
    basis = basis.copy()
    basis[i, lid] += fade[:, None] * (share / share.sum(1, keepdims=True)) @ fix
    basis[i, upper] += fix
    return basis


def mouth_width(points: Array) -> float:
    return float(np.linalg.norm(points[LIP_CORNERS[1], :2] - points[LIP_CORNERS[0], :2]))


def _face_length(points: Array) -> float:
    """Nose base to chin without the opening of the mouth, IOD."""
    return float(points[152, 1] - points[2, 1] - max(lip_gap(points), 0))


def lip_gap(points: Array) -> Array:
    """Opening between the inner lips (...,) at their middle, IOD, of points (..., 478, 3)."""
    upper, lower = (list(side[3:6]) for side in INNER_LIPS)
    return (points[..., lower, 1] - points[..., upper, 1]).mean(-1)


def lid_opening(points: Array) -> dict[str, Array]:
    """Mean opening of each eye, IOD, by the name of its eyeBlink channel; of (..., 478, 3)."""
    openings = {}
    for name, pairs in LID_PAIRS.items():
        upper, lower = np.array(pairs).T
        openings[name] = (points[..., lower, 1] - points[..., upper, 1]).mean(-1)
    return openings


def reach(model: HeadModel, names: Sequence[str]) -> Array:
    """Where in the face some channels act: (478, 1), 0 to 1."""
    travel = np.linalg.norm(model.basis[rows(names)], axis=-1).max(0)
    return np.clip(travel / 0.03, 0, 1)[:, None]
