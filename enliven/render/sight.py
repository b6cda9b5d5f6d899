"""Lines of sight into the mouth: pixels as rays in the axes of what stands behind the lips."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enliven.geometry import project
from enliven.render.teeth import Rays
from enliven.render.warp import Pose

MOST_ASIDE = 0.6  # sideways slope of sight at which half of it counts: cheeks close the view


@dataclass(frozen=True)
class View:
    """Pixels of a window as lines of sight: weak perspective around one point.

    to_plane: (2, 3) px, px, 1 -> x, y IOD on the plane through that point.  step: (2,) what
    each IOD further back adds to them.
    """

    to_plane: NDArray[np.float64]
    step: NDArray[np.float64]


def look(point: NDArray, axes: NDArray, pose: Pose, corner: NDArray) -> View:
    """View of a point (3,) in head coordinates along axes (3, 3), for a window at corner px."""
    x, y, z = pose.rotation @ point + pose.translation
    slope = pose.focal_px / z * np.array([[1, 0, -x / z], [0, 1, -y / z]])
    slope = slope @ pose.rotation @ axes.T  # px per IOD along each axis
    centre = project(np.array([x, y, z]), pose.focal_px, pose.centre_px) - corner
    inverse = np.linalg.inv(slope[:, :2])
    step = -inverse @ slope[:, 2]
    step[0] /= 1 + (step[0] / MOST_ASIDE) ** 2
    return View(np.column_stack([inverse, -inverse @ centre]), step)


@dataclass(frozen=True)
class RowFrame:
    """Where a row stands in the mouth's axes: origin (3,) IOD; turn (3, 3), rows are its axes."""

    origin: NDArray[np.float64]
    turn: NDArray[np.float64]


def grid_pixels(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Pixel coordinates (h * w, 2) of a window (h, w)."""
    height, width = shape
    pixels = np.empty((height, width, 2), np.float32)
    pixels[..., 0] = np.arange(width)
    pixels[..., 1] = np.arange(height)[:, None]
    return pixels.reshape(-1, 2)


def lines_of_sight(view: View, pixels: NDArray[np.float32], frame: RowFrame) -> Rays:
    """Rays through pixels (P, 2) in the axes of a row."""
    onto = np.vstack([view.to_plane, np.zeros(3)])  # z = 0 on the plane
    onto[:, 2] -= frame.origin
    onto = (frame.turn @ onto).astype(np.float32)
    step = frame.turn @ np.array([*view.step, 1.0])
    return Rays(pixels @ onto[:, :2].T + onto[:, 2], step.astype(np.float32))
