"""Inverting sheets that fold: what is in front is what is seen."""

import numpy as np
import pytest

from enliven.geometry import rotation_from_angles
from enliven.render.fold import invert_visible, sharpen_outlines, turn_direction
from enliven.render.warp import Grid, shifted

GRID = Grid.over((0, 0, 200, 160), 2.0)
UPRIGHT = rotation_from_angles(0.3, -0.1, 0.05)


def shelf(grid, height_px, start, end):
    """Forward displacement of a shelf that stands out between two columns and moves right."""
    x = grid.points()[..., 0]
    moved = np.zeros((*x.shape, 2), np.float32)
    moved[..., 0] = height_px * ((x > start) & (x < end))
    return moved


@pytest.mark.parametrize("stretch", [-0.7, -0.3, 0.5, 1.5])
def test_inverse_of_a_stretch_is_known(stretch):
    centre = np.array([99.5, 79.5])
    forward = ((GRID.points() - centre) * stretch).astype(np.float32)
    back = invert_visible(forward, GRID, GRID, np.zeros(2))
    expected = (GRID.points() - centre) * (1 / (1 + stretch) - 1)
    inside = (np.abs(expected + GRID.points() - centre) < [90, 70]).all(-1)
    assert np.abs(back - expected)[inside].max() < 1e-3


def test_what_is_shown_at_a_place_moves_there():
    """x + u(x) = p, with u known in closed form."""
    points = GRID.points()
    wave = np.stack([4 * np.sin(points[..., 1] / 25), 5 * np.cos(points[..., 0] / 30)], -1)
    forward = wave.astype(np.float32)
    inner = slice(8, -8), slice(8, -8)
    origin = points + invert_visible(forward, GRID, GRID, np.ones(2))
    moved = np.stack([4 * np.sin(origin[..., 1] / 25), 5 * np.cos(origin[..., 0] / 30)], -1)
    assert (origin + moved)[inner] == pytest.approx(points[inner], abs=0.05)


def test_nothing_moved_is_nothing_found():
    still = np.zeros((GRID.rows, GRID.columns, 2), np.float32)
    for towards in (-1.0, 0.0, 1.0):
        assert np.abs(invert_visible(still, GRID, GRID, np.full(2, towards))).max() < 1e-6


def test_the_near_side_covers_what_is_behind_it():
    """A shelf moved 30 px right shows over the ground there, which is seen again beyond it."""
    x = GRID.points()[0, :, 0]
    source = x + invert_visible(shelf(GRID, 30, 80, 120), GRID, GRID, np.array([1.0, 0]))[40, :, 0]
    shown = (x > 114) & (x < 146)
    assert source[shown] == pytest.approx(x[shown] - 30, abs=0.1)
    beyond = x > 160
    assert source[beyond] == pytest.approx(x[beyond], abs=0.1)
    assert (np.diff(source) > 0).all()


def test_the_other_way_round_is_the_mirror_image():
    right = invert_visible(shelf(GRID, 30, 79.5, 119.5), GRID, GRID, np.array([1.0, 0]))
    left = invert_visible(shelf(GRID, -30, 79.5, 119.5), GRID, GRID, np.array([-1.0, 0]))
    assert left[..., 0] == pytest.approx(-right[:, ::-1, 0], abs=1e-3)


def test_folds_up_and_down_are_those_of_the_turned_picture():
    tall = Grid.over((0, 0, 160, 200), 2.0)
    across = invert_visible(shelf(GRID, 30, 80, 120), GRID, GRID, np.array([1.0, 0]))
    turned = shelf(GRID, 30, 80, 120).transpose(1, 0, 2)[..., ::-1]
    down = invert_visible(np.ascontiguousarray(turned), tall, tall, np.array([0, 1.0]))
    assert down[..., 1] == pytest.approx(across[..., 0].T, abs=1e-3)


def test_inverse_onto_a_shifted_window():
    forward = np.full((GRID.rows, GRID.columns, 2), (13.0, -6.0), np.float32)
    back = invert_visible(forward, GRID, shifted(GRID, 13, -6), np.ones(2))
    assert back == pytest.approx(np.broadcast_to([-13.0, 6.0], back.shape), abs=1e-3)


@pytest.mark.parametrize(
    ("yaw", "pitch", "expected"),
    [(0.3, 0, (1, 0)), (-0.3, 0, (-1, 0)), (0, 0.3, (0, 1)), (0, -0.3, (0, -1)), (0, 0, (0, 0))],
)
def test_direction_is_where_the_nose_goes(yaw, pitch, expected):
    turned = rotation_from_angles(yaw, pitch) @ UPRIGHT
    assert turn_direction(turned, UPRIGHT) == pytest.approx(expected, abs=0.05)


def test_a_sharpened_outline_hides_more_of_what_is_hidden():
    """The strip of hidden ground beside a shelf gets thinner, and nothing else changes."""
    forward = shelf(GRID, 30, 80, 120)
    towards = np.array([1.0, 0])
    back = invert_visible(forward, GRID, GRID, towards)
    columns, rows = np.meshgrid(np.arange(200.0), np.arange(160.0))
    coarse = (GRID.to_pixels(back) + np.dstack([columns, rows])).astype(np.float32)
    sharp = coarse.copy()
    sharpen_outlines(sharp, forward, GRID, back, towards)
    strip = [((row > 121) & (row < 148)).sum() for row in (coarse[80, :, 0], sharp[80, :, 0])]
    assert strip[1] < 0.7 * strip[0]
    alike = np.r_[0:70, 116:144, 170:200]
    assert sharp[80, alike] == pytest.approx(coarse[80, alike], abs=0.3)
    still = coarse.copy()
    sharpen_outlines(still, forward, GRID, back, towards / 2)
    assert np.array_equal(still, coarse)
