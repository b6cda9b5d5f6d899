"""Cameras that go round the person."""

from pathlib import Path

import numpy as np
import pytest

from enliven.errors import BadOption
from enliven.face.portrait import load_portrait
from enliven.geometry import angles_from_rotation, rotation_from_vector
from enliven.plan import Options, view_path
from enliven.render.renderer import Renderer, RenderOptions
from enliven.render.views import check_views, orbit, render_views, turntable
from enliven.types import INDEX, Motion, group_slice

EXAMPLE = Path(__file__).parents[1] / "examples" / "portrait.jpg"
SMALL = RenderOptions(size=160, crop=True)


@pytest.fixture(scope="module")
def portrait():
    return load_portrait(EXAMPLE)


@pytest.fixture(scope="module")
def wild(portrait):
    """A motion that moves everything."""
    random = np.random.default_rng(3)
    values = np.tile(portrait.rest, (12, 1))
    values[:, group_slice("head")] += random.normal(0, 0.2, (12, 3))
    values[:, group_slice("translation")] += random.normal(0, 0.2, (12, 3))
    values[:, group_slice("body")] += random.normal(0, 0.1, (12, 5))
    return Motion(values)


def test_no_turn_changes_nothing(portrait, wild):
    assert orbit(wild, portrait, 0).values == pytest.approx(wild.values, abs=1e-6)


def test_turns_add_up_and_come_back(portrait, wild):
    there = orbit(orbit(wild, portrait, 12), portrait, 18)
    assert there.values == pytest.approx(orbit(wild, portrait, 30).values, abs=1e-5)
    assert orbit(there, portrait, -30).values == pytest.approx(wild.values, abs=1e-5)


@pytest.mark.parametrize("view", [-30.0, 20.0])
def test_head_and_body_turn_by_the_angle_asked_for(portrait, view):
    still = Motion.still(1, at=portrait.rest)
    seen = orbit(still, portrait, view).values[0]
    for first in ("headRotX", "torsoRotX"):
        part = slice(INDEX[first], INDEX[first] + 3)
        turn = rotation_from_vector(seen[part]) @ rotation_from_vector(portrait.rest[part]).T
        yaw, pitch, roll = angles_from_rotation(turn)
        assert np.degrees([yaw, pitch, roll]) == pytest.approx([view, 0, 0], abs=1e-3)
    change = seen - portrait.rest
    change[group_slice("head")] = change[group_slice("body")] = 0
    assert np.abs(change).max() < 1e-6


def test_a_step_towards_the_camera_is_a_step_aside_for_one_beside_it(portrait):
    values = portrait.rest.copy()
    values[INDEX["headPosZ"]] -= 1
    seen = orbit(Motion(values[None]), portrait, 90).values[0] - portrait.rest
    assert seen[group_slice("translation")] == pytest.approx([1, 0, 0], abs=1e-5)


def test_turntable_starts_at_the_photo_and_turns_evenly_to_both_sides():
    angles = turntable(151, 25.0)
    assert angles[[0, 75, 150]] == pytest.approx([0, 0, 0], abs=1e-9)
    assert angles.max() == pytest.approx(30, abs=0.1)
    assert angles == pytest.approx(-angles[::-1], abs=1e-9)
    assert np.abs(np.diff(angles)).max() < 1.5


def test_straight_on_is_the_photo_and_views_stand_side_by_side(portrait):
    still = Motion.still(2, at=portrait.rest)
    tiled = list(render_views([portrait], [still], (-20, 0, 20), SMALL))
    assert len(tiled) == 2
    assert np.array_equal(*tiled)
    left, middle, right = np.hsplit(tiled[0], 3)
    assert np.array_equal(middle, Renderer(portrait, SMALL).portrait.image)
    assert np.array_equal(left, next(render_views([portrait], [still], (-20,), SMALL)))
    assert np.abs(left.astype(int) - right).mean() > 3


def test_shoulders_turn_with_the_camera_and_the_background_does_not(portrait):
    renderer = Renderer(portrait, SMALL)
    seen = renderer.frame(orbit(Motion.still(1, at=portrait.rest), portrait, 20).values[0])
    photo, mask = renderer.portrait.image, renderer.portrait.mask
    change = np.abs(seen.astype(int) - photo).sum(-1)
    chin = int(renderer.portrait.landmarks[152, 1])
    shoulders = np.s_[chin + 15 : -4, 20:-20]
    assert change[shoulders].mean() > 10
    assert change[:12, :12][mask[:12, :12] == 0].max() == 0


def test_a_view_beyond_the_photo_is_noted(portrait, caplog):
    still = Motion.still(1, at=portrait.rest)
    next(render_views([portrait], [still], (70,), SMALL))
    assert "view of 70 degrees is shown at" in caplog.text
    caplog.clear()
    next(render_views([portrait], [still], (15,), SMALL))
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("views", "said"),
    [((1, 1), "twice"), ((120,), "back of the head"), (("a",), "not angles"),
     ((float("nan"),), "not angles"), (tuple(range(10)), "at most 9")],
)  # fmt: skip
def test_bad_views_are_named(views, said):
    with pytest.raises(BadOption, match=said):
        check_views(views)


def test_views_and_turntable_exclude_each_other():
    with pytest.raises(BadOption, match="choose one"):
        Options(views=(10,), turntable=True)


def test_names_of_views():
    assert view_path(Path("a/talk.mp4"), -30) == Path("a/talk--view-30.mp4")
    assert view_path(Path("talk.mov"), 15) == Path("talk--view+15.mov")
    assert view_path(Path("talk.mov"), 0) == Path("talk--view0.mov")
    assert view_path(Path("a/out/%05d.png"), 7.5) == Path("a/out--view+7.5/%05d.png")
