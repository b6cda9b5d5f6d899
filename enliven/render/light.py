"""The light on a face, told from the photo, and what it does as the skin turns in it.

Brightness is taken as second-order in the direction of the skin, which is all that matt skin
shows of distant light (Ramamoorthi and Hanrahan 2001).  What a photo cannot tell, such as cast
shadows, stays as it is in the photo.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

DISPLAY_GAMMA = 2.2
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # brightness of R, G, B (ITU-R BT.601)
USUAL_LIGHT = (0.0, -0.25, -0.35)  # direction times strength, camera axes; ambient light is 1
CERTAINTY = 0.03  # weight of the usual light against the average spot of skin ...
CURB = 0.1  # ... and of no light of second order
ROUNDS = 6  # of the robust fit
SPREAD = 0.2  # relative brightness by which skin departs from the fit before it counts less
LEAST = 0.25  # parts of the mean light below which the fit is not trusted


@dataclass(frozen=True)
class Light:
    """Light that skin facing n, a unit vector in camera axes, receives, relative to the mean:
    ambient + n @ direction + n @ second @ n, with second (3, 3) symmetric and without trace."""

    ambient: float
    direction: NDArray[np.float32]
    second: NDArray[np.float32]

    def received(self, normals: NDArray[np.float32]) -> NDArray[np.float32]:
        """Linear light at normals (..., 3)."""
        slope = normals @ self.second + self.direction
        light = np.einsum("...i,...i->...", slope, normals) + np.float32(self.ambient)
        return np.maximum(light, np.float32(LEAST))


@dataclass(frozen=True)
class Painted:
    """A gain (h, w, 4) for the pixels of the photo from `corner` (x, y) on; that of alpha is 1."""

    gain: NDArray[np.float32]
    corner: tuple[int, int]

    def on(self, colours: NDArray[np.float32], shown: NDArray[np.float32]) -> None:
        """Multiply colours (h, w, C), C 3 or 4, in place; shown: (h, w, 2) their px of the photo.

        A fourth channel is left as it is.  Beyond the gain its border goes on.
        """
        at = cv2.subtract(shown, (*self.corner, 0, 0))
        gain = cv2.remap(self.gain, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if colours.shape[2] == 3:
            gain = cv2.cvtColor(gain, cv2.COLOR_RGBA2RGB)
        cv2.multiply(colours, gain, dst=colours)


def estimate_light(brightness: NDArray, normals: NDArray, skin: NDArray) -> Light:
    """Light from spots of skin: brightness (P,) as displayed, normals (P, 3), how sure (P,).

    Robust: moles, beards, glasses and highlights are spots that depart from the fit.
    """
    linear = (np.maximum(brightness, 1.0) / 255) ** DISPLAY_GAMMA
    skin = skin + 1e-6
    linear = linear / np.average(linear, weights=skin)
    x, y, z = normals.T
    columns = np.column_stack([np.ones(len(x)), normals, x * y, x * z, y * z, x * x - y * y,
                               3 * z * z - 1])  # fmt: skip
    usual = np.array([1.0, *USUAL_LIGHT, 0, 0, 0, 0, 0])
    usual /= np.average(columns @ usual, weights=skin)
    prior = max(float(skin.sum()), 1.0) * np.diag([1e-6, *[CERTAINTY] * 3, *[CURB] * 5])
    weight = skin
    for _ in range(ROUNDS):
        weighted = columns * weight[:, None]
        light = np.linalg.solve(weighted.T @ columns + prior,
                                weighted.T @ linear + prior @ usual)  # fmt: skip
        weight = skin / (1 + ((linear - columns @ light) / SPREAD) ** 2)
    xy, xz, yz, xx, zz = light[4:]
    second = np.array([[xx - zz, xy / 2, xz / 2], [xy / 2, -xx - zz, yz / 2],
                       [xz / 2, yz / 2, 2 * zz]])  # fmt: skip
    return Light(float(light[0]), light[1:4].astype(np.float32), second.astype(np.float32))


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
