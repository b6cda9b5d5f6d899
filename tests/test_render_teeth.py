"""Teeth and tongue against closed forms: rays, arches, ellipsoids."""

import numpy as np
import pytest

from enliven.render.sight import look
from enliven.render.teeth import MM, Rays, paint_row
from enliven.render.tongue import see_tongue
from enliven.render.warp import Pose

TOOTH, GUM = np.array([220.0, 210, 190]), np.array([160.0, 90, 90])


def row(upper=True):
    return paint_row(upper, TOOTH, GUM, 1.0, 400.0)


def rays(start, step):
    return Rays(np.atleast_2d(np.float32(start)), np.float32(step))


def test_a_ray_ends_on_the_arch():
    wall = row()
    start = np.random.default_rng(0).uniform([-0.2, 0, -0.1], [0.2, 0.1, 0], (50, 3))
    step = np.array([0.2, 0.05, 1.0])
    x, v, z = wall.hit(rays(start, step))
    assert z == pytest.approx(wall.curve * x * x, abs=1e-4)
    t = (z - start[:, 2]) / step[2]
    assert x == pytest.approx(start[:, 0] + t * step[0], abs=1e-4)
    assert v == pytest.approx(start[:, 1] + t * step[1], abs=1e-4)


def test_a_ray_over_the_edge_comes_down_on_the_biting_surface():
    wall = row(upper=False)
    x, v, z = wall.hit(rays([0.0, -0.03, 0.0], [0.0, 0.5, 1.0]))
    assert (x[0], v[0], z[0]) == pytest.approx((0, -0.06, 0.06), abs=1e-5)


def test_rays_below_the_edge_see_no_tooth():
    level = np.array([0.0, 0.0, 1.0])
    seen, _ = row().see(rays([[0.02, -0.02, 0], [0.02, 0.05, 0]], level), (1, 2))
    assert seen[0, 0, 3] == 0
    assert seen[0, 1, 3] == pytest.approx(1)


def test_teeth_stand_below_gum_in_their_colours():
    level = np.array([0.0, 0.0, 1.0])
    middle = 4 * MM  # of a central incisor
    seen, _ = row().see(rays([[middle, 5 * MM, 0], [middle, 13 * MM, 0]], level), (1, 2))
    tooth, gum = seen[0, :, :3]
    assert np.abs(tooth / TOOTH - 1).max() < 0.2
    assert np.abs(gum / GUM - 1).max() < 0.2


def test_teeth_turn_with_the_head():
    """Turned sideways, the near half of the arch fills the view."""
    turn = np.array([0.5, 0.0, 1.0])
    x = [row().hit(rays([s, 0.02, 0], turn))[0][0] for s in (-0.1, 0.1)]
    assert abs(x[1]) > abs(x[0])


def test_tongue_out_comes_forward_and_up():
    """/l/ lifts the tip, /th/ brings it between the teeth, out is out."""
    down = np.array([0.0, 0.2, 1.0])
    start = np.stack([np.zeros(80), np.linspace(-0.2, 0.3, 80), np.zeros(80)], 1)
    seen = {out: see_tongue(rays(start, down), out, 0.005) for out in (0.0, 0.3, 0.6, 1.0)}
    front = [np.where(s.alpha > 0.5, s.depth, 9).min() for s in seen.values()]
    assert front[0] > front[2] > front[3]
    assert front[3] < -0.1
    top = [start[s.alpha > 0.5, 1].min() for s in seen.values()]
    assert top[1] < top[0]


def test_a_view_meets_the_point_it_looks_at():
    pose = Pose(np.eye(3), np.array([0.1, 0.2, 8.0]), 900.0, np.array([300.0, 200.0]))
    point = np.array([0.0, 0.0, -1.0])
    view = look(point, np.eye(3), pose, np.zeros(2))
    for z in (0.0, 0.2):
        camera = point + np.array([0.05, -0.02, z]) + pose.translation
        pixel = camera[:2] * pose.focal_px / camera[2] + pose.centre_px
        plane = view.to_plane @ [*pixel, 1.0] + view.step * z
        assert plane == pytest.approx([0.05, -0.02], abs=2e-3)
