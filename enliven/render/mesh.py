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
class Interpolation:
    """Values at points as weighted sums of three vertex values each."""

    index: NDArray[np.int64]  # (P, 3)
    weight: NDArray[np.float32]  # (P, 3), need not sum to one

    def __call__(self, values: NDArray) -> NDArray:
        """Vertex values (..., 478, D) -> point values (..., P, D)."""
        return np.einsum("pj,...pjd->...pd", self.weight, values[..., self.index, :])


def interpolation(points: NDArray, vertices: NDArray, triangles: NDArray,
                  reach: float) -> Interpolation:  # fmt: skip
    """Barycentric interpolation at points (P, 2) in a mesh of vertices (N, 2).

    Outside the mesh a point takes the value of the nearest point of the face oval, faded
    as exp(-(distance / reach)^2).  Where triangles overlap the last one holds.
    """
    index = np.zeros((len(points), 3), np.int64)
    weight = np.zeros((len(points), 3))
    found = np.zeros(len(points), bool)
    slack = 1e-6
    for triangle in triangles:
        a, b, c = vertices[triangle]
        low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
        near = np.flatnonzero(((points >= low - slack) & (points <= high + slack)).all(1))
        edges = np.stack([b - a, c - a], 1)
        determinant = edges[0, 0] * edges[1, 1] - edges[0, 1] * edges[1, 0]
        if not len(near) or abs(determinant) < 1e-12:
            continue
        inverse = np.array([[edges[1, 1], -edges[0, 1]], [-edges[1, 0], edges[0, 0]]]) / determinant
        vw = (points[near] - a) @ inverse.T
        inside = (vw >= -slack).all(1) & (vw.sum(1) <= 1 + slack)
        at = near[inside]
        found[at] = True
        index[at] = triangle
        weight[at] = np.column_stack([1 - vw[inside].sum(1), vw[inside]])
    out = np.flatnonzero(~found)
    nearest, share, distance = nearest_on_loop(points[out], vertices[list(FACE_OVAL)])
    fade = np.exp(-((distance / reach) ** 2))
    oval = np.array(FACE_OVAL)
    index[out] = np.column_stack([oval[nearest], np.roll(oval, -1)[nearest], oval[nearest]])
    weight[out] = np.column_stack([(1 - share) * fade, share * fade, np.zeros(len(out))])
    return Interpolation(index, weight.astype(np.float32))


def nearest_on_loop(points: NDArray, loop: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Nearest point on a closed polygon (L, 2) for points (P, 2).

    Returns the segment index (P,), the share 0..1 along it (P,) and the distance (P,).
    """
    start, step = loop, np.roll(loop, -1, 0) - loop
    share = ((points[:, None] - start) * step).sum(-1) / np.maximum((step * step).sum(-1), 1e-12)
    share = np.clip(share, 0, 1)
    distance = np.linalg.norm(points[:, None] - start - share[..., None] * step, axis=-1)
    best = distance.argmin(1)
    rows = np.arange(len(points))
    return best, share[rows, best], distance[rows, best]


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
