"""Sheets of skin: where each point of the photo goes, and the way back for resampling.

A sheet is a regular grid over a rectangle of pixels.  Each grid point knows its place in head
coordinates and how every expression channel moves it; posing it gives a forward displacement
field, and inverting that field says for every output pixel which photo pixel lands there.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.geometry import project

RELAXATION, ROUNDS = 0.7, 12


@dataclass(frozen=True)
class Grid:
    """Points spread evenly over the pixel rectangle x, y, width, height."""

    x: int
    y: int
    width: int
    height: int
    columns: int
    rows: int

    @classmethod
    def over(cls, box: tuple[int, int, int, int], step_px: float) -> "Grid":
        """box: x0, y0, x1, y1 px, ends excluded."""
        x0, y0, x1, y1 = box
        columns = max(2, int(np.ceil((x1 - x0) / step_px)))
        rows = max(2, int(np.ceil((y1 - y0) / step_px)))
        return cls(x0, y0, x1 - x0, y1 - y0, columns, rows)

    @property
    def step(self) -> tuple[float, float]:
        return self.width / self.columns, self.height / self.rows

    def points(self) -> NDArray[np.float64]:
        """(rows, columns, 2) px of the whole image; aligned so that cv2.resize fills pixels."""
        step_x, step_y = self.step
        x = self.x + (np.arange(self.columns) + 0.5) * step_x - 0.5
        y = self.y + (np.arange(self.rows) + 0.5) * step_y - 0.5
        return np.stack(np.meshgrid(x, y), -1)

    def to_cells(self, pixels: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
        """Image pixels (..., 2) -> fractional column and row."""
        step_x, step_y = self.step
        column = (pixels[..., 0] - (self.x - 0.5)) * np.float32(1 / step_x) - np.float32(0.5)
        row = (pixels[..., 1] - (self.y - 0.5)) * np.float32(1 / step_y) - np.float32(0.5)
        return column, row

    def to_pixels(self, field: NDArray[np.float32]) -> NDArray[np.float32]:
        """A field (rows, columns, ...) on the grid -> (height, width, ...) on its pixels."""
        return cv2.resize(field, (self.width, self.height), interpolation=cv2.INTER_LINEAR)


@dataclass(frozen=True)
class Pose:
    """Head pose of one frame and the nominal camera."""

    rotation: NDArray[np.float64]  # (3, 3)
    translation: NDArray[np.float64]  # (3,) IOD, absolute
    focal_px: float
    centre_px: NDArray[np.float64]


@dataclass(frozen=True)
class Sheet:
    """One continuous piece of skin on a grid of R rows and C columns.

    head: (R, C, 3) head coordinates in IOD.  fields: (K, R, C, 3) IOD for each channel.
    follow: (R, C) share of the head's rigid motion, 1 on the head, 0 where nothing moves.
    drag: (R, C) share of `body` px displacement, for what does not follow the head.
    """

    grid: Grid
    head: NDArray[np.float32]
    fields: NDArray[np.float32]
    follow: NDArray[np.float32]
    drag: NDArray[np.float32]

    def displacement(self, weights: NDArray[np.float32], pose: Pose,
                     body_px: NDArray[np.float32]) -> NDArray[np.float32]:  # fmt: skip
        """Forward displacement (R, C, 2) px for channel weights (K,) and body shift (2,) px."""
        active = np.flatnonzero(np.abs(weights) > 1e-5)
        points = self.head
        if len(active):
            flat = self.fields[active].reshape(len(active), -1)
            points = points + (weights[active] @ flat).reshape(self.head.shape)
        camera = points @ pose.rotation.T.astype(np.float32) + pose.translation.astype(np.float32)
        moved = project(camera, np.float32(pose.focal_px), pose.centre_px.astype(np.float32))
        moved -= self.grid.points().astype(np.float32)
        return moved * self.follow[..., None] + body_px * self.drag[..., None]


def invert(displacement: NDArray[np.float32], source: Grid, target: Grid) -> NDArray[np.float32]:
    """Backward displacement (R, C, 2) px on target: the photo pixel shown at p is p + result(p).

    displacement: forward displacement on the source grid.  Solves x + u(x) = p by damped
    fixed-point iteration, which converges while the sheet is not folded and stretched less
    than 2.8 times (Chen et al. 2008 give the undamped form).
    """
    goal = target.points().astype(np.float32)
    mean = displacement.reshape(-1, 2).mean(0)
    origin = goal - mean
    for _ in range(ROUNDS):
        column, row = source.to_cells(origin)
        here = cv2.remap(displacement, column, row, cv2.INTER_LINEAR,
                         borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
        origin += np.float32(RELAXATION) * (goal - origin - here)
    return origin - goal


def shifted(grid: Grid, x: int, y: int) -> Grid:
    """The same grid, moved by whole pixels."""
    return replace(grid, x=grid.x + x, y=grid.y + y)
