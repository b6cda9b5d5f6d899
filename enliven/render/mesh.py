"""The face mesh as a renderer needs it: contours, seams, and interpolation from its vertices.

Indices are those of the 478-point face mesh.  "Upper" and "lower" contours run from image
left to image right for a face that looks at the camera.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# fmt: off
UPPER_LIP_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_LIP_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
UPPER_LIP_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LOWER_LIP_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
# the eye at image left is the person's right eye
LEFT_EYE_UPPER = (33, 246, 161, 160, 159, 158, 157, 173, 133)
LEFT_EYE_LOWER = (33, 7, 163, 144, 145, 153, 154, 155, 133)
RIGHT_EYE_UPPER = (362, 398, 384, 385, 386, 387, 388, 466, 263)
RIGHT_EYE_LOWER = (362, 382, 381, 380, 374, 373, 390, 249, 263)
LEFT_IRIS = (468, 469, 470, 471, 472)
RIGHT_IRIS = (473, 474, 475, 476, 477)
FACE_OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400,
             377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67,
             109)
# fmt: on
CHIN, FOREHEAD = 152, 10


@dataclass(frozen=True)
class Opening:
    """A slit in the skin, the mouth or an eye, that two sheets of skin meet at.

    upper, lower: landmark indices of the two rims, image left to right, sharing both corners.
    """

    upper: tuple[int, ...]
    lower: tuple[int, ...]


MOUTH = Opening(UPPER_LIP_INNER, LOWER_LIP_INNER)
LEFT_EYE = Opening(LEFT_EYE_UPPER, LEFT_EYE_LOWER)
RIGHT_EYE = Opening(RIGHT_EYE_UPPER, RIGHT_EYE_LOWER)


def skin_triangles(triangles: NDArray) -> NDArray[np.int64]:
    """Triangles (F, 3) of the face without those that span an opening or an iris."""
    triangles = np.asarray(triangles, np.int64)
    keep = (triangles < 468).all(1)
    for opening in (MOUTH, LEFT_EYE, RIGHT_EYE):
        keep &= ~np.isin(triangles, opening.upper + opening.lower).all(1)
    return triangles[keep]


@dataclass(frozen=True)
class Outline:
    """Where points (P,) lie relative to a closed polygon of L corners.

    segment: the nearest one.  share: 0..1 along it.  distance: to it, 0 inside the polygon.
    """

    segment: NDArray[np.int64]
    share: NDArray[np.float64]
    distance: NDArray[np.float64]


def outline(points: NDArray, loop: NDArray) -> Outline:
    """Points (P, 2) against a closed polygon (L, 2)."""
    start, step = loop, np.roll(loop, -1, 0) - loop
    away = points[:, None] - start
    share = np.clip((away * step).sum(-1) / np.maximum((step * step).sum(-1), 1e-12), 0, 1)
    distance = np.linalg.norm(away - share[..., None] * step, axis=-1)
    best = distance.argmin(1)
    rows = np.arange(len(points))
    # inside if a ray to the right crosses the polygon an odd number of times
    straddles = (away[..., 1] >= 0) != (away[..., 1] - step[:, 1] >= 0)
    slope = np.divide(step[:, 0], step[:, 1], out=np.zeros(len(step)), where=step[:, 1] != 0)
    inside = (straddles & (away[..., 0] < away[..., 1] * slope)).sum(1) % 2 == 1
    return Outline(best, share[rows, best], np.where(inside, 0.0, distance[rows, best]))


def nearest_first(triangles: NDArray, vertices: NDArray, depth: NDArray) -> NDArray[np.int64]:
    """Triangles (F, 3) so ordered that of two that overlap in the picture the visible is first.

    vertices: (478, 2) px.  depth: (478,), larger is farther.
    """
    return triangles[np.lexsort([depth[triangles].mean(1), ~_facing(triangles, vertices)])]


def _facing(triangles: NDArray, vertices: NDArray) -> NDArray[np.bool_]:
    """(F,): which triangles show their outside; most of a face does."""
    corner = vertices[triangles]
    area = np.linalg.det(np.stack([corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]], -1))
    return np.asarray(area * (1 if np.sign(area).sum() >= 0 else -1) > 0)


def rim(triangles: NDArray, vertices: NDArray) -> NDArray[np.int64]:
    """(E, 2) edges where the face ends or turns away from the viewer."""
    shown = triangles[_facing(triangles, vertices)]
    edges = np.sort(np.concatenate([shown[:, [0, 1]], shown[:, [1, 2]], shown[:, [2, 0]]]), axis=1)
    edges, count = np.unique(edges, axis=0, return_counts=True)
    return np.asarray(edges[count == 1])


@dataclass(frozen=True)
class Interpolation:
    """Values at P points as weighted sums of three vertex values each.

    index: (P, 3).  weight: (P, 3), sums to one.  distance: (P,) how far a point lies outside the
    face, 0 inside.  foot: (P, 2) the nearest point of the rim.
    """

    index: NDArray[np.int64]
    weight: NDArray[np.float32]
    distance: NDArray[np.float64]
    foot: NDArray[np.float64]

    def __call__(self, values: NDArray) -> NDArray:
        """Vertex values (..., 478, D) -> point values (..., P, D)."""
        return np.einsum("pj,...pjd->...pd", self.weight, values[..., self.index, :])


def interpolation(points: NDArray, vertices: NDArray, triangles: NDArray) -> Interpolation:
    """Barycentric interpolation at points (P, 2) in a face mesh of vertices (478, 2).

    Where triangles overlap the first one holds.  Points in no triangle take the value of the
    nearest point of the rim.
    """
    edges = rim(triangles, vertices)
    start, step = vertices[edges[:, 0]], vertices[edges[:, 1]] - vertices[edges[:, 0]]
    away = points[:, None] - start
    share = np.clip((away * step).sum(-1) / np.maximum((step * step).sum(-1), 1e-12), 0, 1)
    gap = ((away - share[..., None] * step) ** 2).sum(-1)
    rows, best = np.arange(len(points)), gap.argmin(1)
    share, distance = share[rows, best], np.sqrt(gap[rows, best])
    foot = start[best] + share[:, None] * step[best]
    index = edges[best][:, [0, 1, 0]]
    weight = np.column_stack([1 - share, share, np.zeros(len(points))])
    corner = vertices[triangles]
    sides = np.stack([corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]], -1)
    solid = np.abs(np.linalg.det(sides)) > 1e-9
    triangles, corner, inverse = triangles[solid], corner[solid], np.linalg.inv(sides[solid])
    low, high = corner.min(1), corner.max(1)
    within = np.flatnonzero(((points >= low.min(0)) & (points <= high.max(0))).all(1))
    for at in np.array_split(within, max(1, len(within) // 64)):
        # grid points come in rows: few triangles are near a short stretch of one
        here = points[at]
        near = np.flatnonzero(((low <= here.max(0)) & (high >= here.min(0))).all(1))
        away = here - corner[near, :1]
        local = away @ inverse[near].swapaxes(1, 2)
        inside = (local >= -1e-6).all(-1) & (local.sum(-1) <= 1 + 1e-6)
        found = inside.any(0)
        first = inside.argmax(0)[found]
        picked = local[first, np.flatnonzero(found)]
        index[at[found]] = triangles[near[first]]
        weight[at[found]] = np.column_stack([1 - picked.sum(1), picked])
        distance[at[found]] = 0
    return Interpolation(index, weight.astype(np.float32), distance, foot)


@dataclass(frozen=True)
class SlitFrame:
    """Coordinates along (a) and across (b, downwards) an opening, in pixels from its centre."""

    centre: NDArray[np.float64]  # (2,)
    axes: NDArray[np.float64]  # (2, 2), rows: direction of a and of b in the image
    upper: NDArray[np.float64]  # (n, 2) rim points in (a, b), a rising
    lower: NDArray[np.float64]

    def to_local(self, points: NDArray) -> NDArray:
        return (points - self.centre) @ self.axes.T

    def to_image(self, local: NDArray) -> NDArray:
        return local @ self.axes + self.centre

    def rims(self, a: NDArray) -> tuple[NDArray, NDArray]:
        """b of the upper and of the lower rim at a; beyond the corners both follow one line."""
        return (_extended(a, self.upper), _extended(a, self.lower))


def slit_frame(opening: Opening, landmarks: NDArray) -> SlitFrame:
    """Frame of an opening for landmarks (478, 2 or more) in pixels."""
    left, right = landmarks[opening.upper[0], :2], landmarks[opening.upper[-1], :2]
    along = (right - left) / max(float(np.linalg.norm(right - left)), 1e-9)
    axes = np.array([along, [-along[1], along[0]]])
    centre = (left + right) / 2
    upper, lower = ((landmarks[list(rim), :2] - centre) @ axes.T
                    for rim in (opening.upper, opening.lower))  # fmt: skip
    return SlitFrame(centre, axes, _rising(upper), _rising(lower))


def _rising(rim: NDArray) -> NDArray:
    rim = rim.copy()
    rim[:, 0] = np.maximum.accumulate(rim[:, 0]) + 1e-6 * np.arange(len(rim))
    return rim


def _extended(a: NDArray, rim: NDArray) -> NDArray:
    # flat beyond the corners, which have b = 0 by construction of the frame
    return np.interp(a, rim[:, 0], rim[:, 1], left=0.0, right=0.0)
