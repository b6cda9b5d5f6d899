"""How expressions shade a face, from geometry alone: skin that comes to lie in a hollow darkens.

Of ICT-FaceKit's dense head (Li et al. 2020, MIT), before and after each expression: how much of
the sky over a spot its neighbourhood hides, a local ambient occlusion.  Where the skin itself
turns in the light is not in here; the renderer works that out from the light of the photo.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.geometry import Array
from enliven.render.creases import flattened
from enliven.render.light import normals_of
from enliven.train.head_prior import dense_head
from enliven.types import EXPRESSION

RADIUS = 0.16  # IOD over which neighbours hide the sky
NEIGHBOURS = 48  # at most, evenly spread over those within the radius
CELLS_BLUR = 1.0  # of the maps, cells


def occlusion_maps(geometry: Path, mean: Array, box: tuple[float, float, float, float],
                   size: tuple[int, int]) -> NDArray[np.float64]:  # fmt: skip
    """Change of hidden sky, -1 to 1, by each full channel: (52, rows, columns) over a box
    x0, y0, x1, y1 of flattened coordinates; size: columns and rows."""
    skin, triangles, moved = dense_head(geometry, mean)
    normals = normals_of(skin, triangles)
    if (normals * (skin - skin.mean(0))).sum(1).mean() < 0:
        triangles = triangles[:, ::-1]
        normals = -normals
    front = np.flatnonzero(normals[:, 2] < 0.35)
    near = _neighbours(skin, front)
    still = _hidden(skin, triangles, front, near)
    maps = np.zeros((len(EXPRESSION), size[1], size[0]))
    for i, name in enumerate(EXPRESSION):
        if name in moved:
            change = _hidden(skin + moved[name], triangles, front, near) - still
            maps[i] = _splat(flattened(skin[front]), change, box, size)
    return maps


def _neighbours(points: Array, front: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each spot of the front (P,) some vertices around it, (P, NEIGHBOURS), itself where
    there are fewer."""
    near = np.repeat(front[:, None], NEIGHBOURS, 1)
    for row, spot in enumerate(front):
        away = ((points - points[spot]) ** 2).sum(1)
        found = np.flatnonzero((away < RADIUS**2) & (away > 0))
        found = found[:: max(1, -(-len(found) // NEIGHBOURS))]
        near[row, : len(found)] = found
    return near


def _hidden(points: Array, triangles: NDArray, front: NDArray, near: NDArray) -> Array:
    """Share (P,) of the sky over each spot that its neighbours stand in."""
    normals = normals_of(points, triangles)[front]
    away = points[near] - points[front][:, None]
    distance = np.linalg.norm(away, axis=-1)
    height = (away * normals[:, None]).sum(-1) / np.maximum(distance, 1e-6)
    weight = np.where(distance > 1e-6, np.maximum(1 - distance / (1.3 * RADIUS), 0), 0)
    hidden = (weight * np.clip(height, 0, 1)).sum(1) / np.maximum(weight.sum(1), 1e-6)
    return np.asarray(hidden)


def _splat(places: Array, values: Array, box: tuple[float, float, float, float],
           size: tuple[int, int]) -> Array:  # fmt: skip
    """Values (P,) at flattened coordinates (P, 2), averaged into the cells of a map."""
    x0, y0, x1, y1 = box
    column = np.floor((places[:, 0] - x0) / (x1 - x0) * size[0]).astype(int)
    row = np.floor((places[:, 1] - y0) / (y1 - y0) * size[1]).astype(int)
    ok = (column >= 0) & (column < size[0]) & (row >= 0) & (row < size[1])
    cells = row[ok] * size[0] + column[ok]
    count = size[0] * size[1]
    total = np.bincount(cells, values[ok], count).reshape(size[1], size[0])
    mass = np.bincount(cells, minlength=count).reshape(size[1], size[0]).astype(float)
    total, mass = (cv2.GaussianBlur(one, (0, 0), CELLS_BLUR) for one in (total, mass))
    return total / (mass + 0.02)
