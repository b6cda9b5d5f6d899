"""Grids, sheets and their inverse."""

import numpy as np
import pytest

from enliven.geometry import project, rotation_from_angles
from enliven.render.warp import Grid, Pose, Sheet, make_sheet

FOCAL, CENTRE = 800.0, np.array([60.0, 50.0])
STILL = Pose(np.eye(3), np.array([0.0, 0.0, 8.0]), FOCAL, CENTRE)


def flat_sheet(grid: Grid, fields: np.ndarray | None = None) -> Sheet:
    """A sheet in the plane z = 8 that is all head."""
    points = grid.points()
    head = np.concatenate([(points - CENTRE) * 8 / FOCAL, np.zeros((*points.shape[:2], 1))], -1)
    ones = np.ones(points.shape[:2])
    fields = np.zeros((1, *head.shape)) if fields is None else fields
    return make_sheet(grid, head, fields, ones, 0 * ones)


def test_grid_fills_pixels_where_its_points_say():
    grid = Grid.over((10, 20, 70, 65), 7.0)
    x = grid.to_pixels(grid.points()[..., 0].astype(np.float32))
    inner = slice(6, -6)
    assert x[0, inner] == pytest.approx(np.arange(10, 70)[inner], abs=1e-3)
    column, row = grid.to_cells(grid.points().astype(np.float32))
    assert column[3] == pytest.approx(np.arange(grid.columns), abs=1e-4)
    assert row[:, 2] == pytest.approx(np.arange(grid.rows), abs=1e-4)


def test_the_photos_own_pose_moves_nothing():
    sheet = flat_sheet(Grid.over((0, 0, 120, 100), 5.0))
    moved = sheet.displacement(np.zeros(1, np.float32), STILL, np.zeros(2, np.float32))
    assert np.abs(moved).max() < 1e-4


def test_displacement_is_the_projection_of_the_moved_head():
    grid = Grid.over((0, 0, 120, 100), 5.0)
    sheet = flat_sheet(grid)
    turn = rotation_from_angles(0.2, -0.1, 0.05)
    pose = Pose(turn, np.array([0.1, -0.2, 9.0]), FOCAL, CENTRE)
    moved = sheet.displacement(np.zeros(1, np.float32), pose, np.zeros(2, np.float32))
    expected = project(sheet.head @ turn.T + pose.translation, FOCAL, CENTRE) - grid.points()
    assert moved == pytest.approx(expected, abs=1e-3)


def test_channels_add_up():
    grid = Grid.over((0, 0, 60, 60), 6.0)
    fields = np.zeros((2, grid.rows, grid.columns, 3), np.float32)
    fields[0, ..., 0], fields[1, ..., 1] = 0.2, -0.1
    sheet = flat_sheet(grid, fields)
    moved = sheet.displacement(np.array([0.5, 2.0], np.float32), STILL, np.zeros(2, np.float32))
    assert moved == pytest.approx(np.broadcast_to([10.0, -20.0], moved.shape), abs=1e-3)
