"""Sheets of skin: where each point of the photo goes, and the way back for resampling.

A sheet is a regular grid over a rectangle of pixels.  Each grid point knows its place in head
coordinates and how every expression channel moves it; posing it gives a forward displacement
field, and inverting that field (`fold`) says for every output pixel which photo pixel lands there.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.geometry import project

LEAST_FIELD = 2e-4  # IOD; a channel that moves a point by less does not move it


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
        points = np.empty((self.rows, self.columns, 2))
        points[..., 0] = self.x + (np.arange(self.columns) + 0.5) * step_x - 0.5
        points[..., 1] = (self.y + (np.arange(self.rows) + 0.5) * step_y - 0.5)[:, None]
        return points

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
    torso: tuple[float, float, float] = (0.0, 0.0, 0.0)  # turn of the body, rotation vector


@dataclass(frozen=True)
class Sheet:
    """One continuous piece of skin on a grid of R rows and C columns.

    places: (R, C, 2) px of the grid points.  head: (R, C, 3) the same in head coordinates, IOD.
    fields: (K, r, c, 3) IOD for each channel, on the `part` of the grid that they move.
    follow: (R, C, 1) share of the head's rigid motion, 1 on the head, 0 where nothing moves.
    drag: (R, C, 1) share of the body's shift, for what does not follow the head.
    """

    grid: Grid
    places: NDArray[np.float32]
    head: NDArray[np.float32]
    fields: NDArray[np.float32]
    part: tuple[slice, slice]
    follow: NDArray[np.float32]
    drag: NDArray[np.float32]

    def displacement(
        self, weights: NDArray[np.float32], pose: Pose, body_px: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Forward displacement (R, C, 2) px for channel weights (K,).

        body_px: shift of the body, (2,) or at each point (R, C, 2).
        """
        points = self.head.copy()
        flat = self.fields.reshape(len(self.fields), -1)
        points[self.part] += (weights @ flat).reshape(self.fields.shape[1:])
        camera = points @ pose.rotation.T.astype(np.float32) + pose.translation.astype(np.float32)
        moved = project(camera, pose.focal_px, pose.centre_px.astype(np.float32)) - self.places
        return moved * self.follow + body_px * self.drag


def make_sheet(grid: Grid, head: NDArray, fields: NDArray, follow: NDArray, drag: NDArray) -> Sheet:
    """A sheet from head (R, C, 3), fields (K, R, C, 3) and shares (R, C) of any float type."""
    moved = np.abs(fields).max((0, 3)) > LEAST_FIELD
    rows, columns = (np.flatnonzero(moved.any(axis)) for axis in (1, 0))
    if len(rows):
        part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    else:
        part = slice(0, 0), slice(0, 0)

    def packed(values: NDArray) -> NDArray[np.float32]:
        return np.ascontiguousarray(values, np.float32)

    return Sheet(grid, packed(grid.points()), packed(head), packed(fields[:, *part]), part,
                 packed(follow)[..., None], packed(drag)[..., None])  # fmt: skip


def shifted(grid: Grid, x: int, y: int) -> Grid:
    """The same grid, moved by whole pixels."""
    return replace(grid, x=grid.x + x, y=grid.y + y)
