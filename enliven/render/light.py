"""The light on a face, told from the photo, and what it does as the skin turns in it.

Brightness is taken as first-order in the direction of the skin (Ramamoorthi and Hanrahan 2001:
ambient light plus one broad source); what a photo cannot tell, such as cast shadows, stays as
it is in the photo.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DISPLAY_GAMMA = 2.2
USUAL_LIGHT = (0.0, -0.25, -0.35)  # direction times strength, camera axes; ambient light is 1
CERTAINTY = 0.02  # weight of the usual light against the average spot of skin
ROUNDS = 6  # of the robust fit
SPREAD = 0.15  # relative brightness by which skin departs from the fit before it counts less
LEAST = 0.35  # parts of the mean light below which the fit is not trusted


@dataclass(frozen=True)
class Light:
    """Light that skin facing n, a unit vector in camera axes, receives: 1 + n @ direction."""

    direction: NDArray[np.float32]

    def received(self, normals: NDArray[np.float32]) -> NDArray[np.float32]:
        """Linear light at normals (..., 3)."""
        return np.maximum(1 + normals @ self.direction, np.float32(LEAST))


@dataclass(frozen=True)
class Painted:
    """A gain (h, w, 3) for the pixels of the photo from `corner` (x, y) on."""

    gain: NDArray[np.float32]
    corner: tuple[int, int]


def estimate_light(brightness: NDArray, normals: NDArray, skin: NDArray) -> Light:
    """Light from spots of skin: brightness (P,) as displayed, normals (P, 3), how sure (P,).

    Robust: moles, beards, glasses and highlights are spots that depart from the fit.
    """
    linear = (np.maximum(brightness, 1.0) / 255) ** DISPLAY_GAMMA
    columns = np.column_stack([np.ones(len(linear)), normals])
    scale = max(float(np.average(linear, weights=skin + 1e-6)), 1e-6)
    usual = np.array([1.0, *USUAL_LIGHT])
    usual *= scale / max(float(np.average(columns @ usual, weights=skin + 1e-6)), 0.1)
    prior = CERTAINTY * max(float(skin.sum()), 1.0) * np.diag([0.0, 1, 1, 1])
    weight = skin
    light = usual
    for _ in range(ROUNDS):
        weighted = columns * weight[:, None]
        light = np.linalg.solve(weighted.T @ columns + prior + 1e-6 * np.eye(4),
                                weighted.T @ linear + prior @ usual)  # fmt: skip
        miss = (linear - columns @ light) / scale
        weight = skin / (1 + (miss / SPREAD) ** 2)
    direction = light[1:] / max(float(light[0]), 0.3 * scale)
    size = float(np.linalg.norm(direction))
    return Light((direction * min(1.0, 0.8 / max(size, 1e-6))).astype(np.float32))


def normals_of(points: NDArray, triangles: NDArray) -> NDArray[np.float64]:
    """Unit normals (..., N, 3) towards the outside of a face mesh of points (..., N, 3)."""
    a, b, c = (points[..., triangles[:, k], :] for k in range(3))
    face = np.cross(b - a, c - a)
    total = np.zeros_like(points)
    for k in range(3):
        for axis in range(3):
            flat = total[..., axis].reshape(-1, points.shape[-2])
            for row, value in zip(flat, face[..., axis].reshape(len(flat), -1), strict=True):
                row += np.bincount(triangles[:, k], value, minlength=points.shape[-2])
    size = np.linalg.norm(total, axis=-1, keepdims=True)
    return total / np.maximum(size, 1e-12)
