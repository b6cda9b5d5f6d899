"""Hair, matte, neck, shoulders and what lies beyond the photo's border."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from enliven.face.portrait import load_portrait
from enliven.geometry import project, rotation_from_vector
from enliven.render.beyond import DOME, PACE, faded, fold_back, measure_cuts
from enliven.render.body import LAG, body_motion
from enliven.render.matte import cut_layers
from enliven.render.renderer import Renderer
from enliven.render.warp import Pose
from enliven.types import INDEX

EXAMPLE = Path(__file__).parents[1] / "examples" / "portrait.jpg"


@pytest.fixture(scope="module")
def portrait():
    return load_portrait(EXAMPLE)


@pytest.fixture(scope="module")
def renderer(portrait):
    return Renderer(portrait)


def moved(portrait, **channels):
    """Body motion (2, 3) for changes of channels away from the photo."""
    values = portrait.rest.astype(np.float64)
    for name, change in channels.items():
        values[INDEX[name]] += change
    shift = [channels.get(f"headPos{axis}", 0.0) for axis in "XYZ"]
    pose = Pose(portrait.rotation, portrait.translation + shift, portrait.focal_px,
                portrait.centre_px)  # fmt: skip
    return body_motion(portrait, values, pose)


def at(body, points):
    return np.asarray(points) @ body[:, :2].T + body[:, 2]


def test_a_body_at_rest_does_not_move(portrait):
    assert np.array_equal(moved(portrait), np.zeros((2, 3)))
    assert np.array_equal(moved(portrait, headRotY=0.4), np.zeros((2, 3)))


def test_the_body_follows_the_head_and_lags_by_a_bounded_way(portrait):
    chest = portrait.landmarks[152, :2] + [0, 1.5 * portrait.iod_px]
    iod_px = portrait.focal_px / portrait.translation[2]
    steps = np.array([at(moved(portrait, headPosX=x), chest)[0] for x in (0.0, 0.2, 0.5, 1.0, 2.0)])
    behind = np.array([0.0, 0.2, 0.5, 1.0, 2.0]) * iod_px - steps
    assert np.all(np.diff(steps) > 0)
    assert np.all(behind <= 1.1 * LAG[0] * iod_px)


def test_shoulders_lift_one_by_one(portrait):
    middle = portrait.landmarks[152, :2] + [0, portrait.iod_px]
    aside = np.array([1.5 * portrait.iod_px, 0])
    left, right = middle + aside, middle - aside
    lifted = moved(portrait, shoulderLeftUp=0.2)  # the person's left is at image right
    assert at(lifted, left)[1] < -0.1 * portrait.iod_px
    assert abs(at(lifted, right)[1]) < 0.05 * portrait.iod_px
    both = moved(portrait, shoulderLeftUp=0.2, shoulderRightUp=0.2)
    assert at(both, left)[1] == pytest.approx(at(both, right)[1], abs=0.02 * portrait.iod_px)


def test_a_dome_closes_over_a_head_cut_off_at_the_top():
    alpha = np.zeros((40, 60), np.float32)
    alpha[:, 20:40] = 1
    cuts = measure_cuts(alpha)
    assert cuts.top.max() == pytest.approx(DOME * 10, rel=0.01)
    assert not cuts.top[:20].any()
    assert not cuts.left.any()
    assert np.array_equal(cuts.bottom > 0, alpha[-1] > 0)
    y, x = np.mgrid[0:40, 0:60].astype(np.float32)
    source = np.dstack([x, y - 10])
    ones = np.ones((40, 60, 4), np.float32)
    shown = faded(ones, fold_back(source, cuts))[..., 0]
    assert shown[:9, :20].max() == 0  # beside the head nothing appears
    assert shown[0].max() == 0
    assert shown[9, 30] == 1
    assert source[..., 1].min() >= 0
    assert source[0, 30, 1] == pytest.approx(10 * PACE)
    inside = np.dstack([x, y])
    assert np.all(faded(np.ones_like(ones), fold_back(inside, cuts)) == 1)
    assert np.array_equal(inside, np.dstack([x, y]))


def test_strands_of_hair_beside_the_mask_become_the_persons():
    rng = np.random.default_rng(0)
    image = np.full((120, 120, 3), 200, np.uint8)
    mask = np.zeros((120, 120), np.uint8)
    image[40:110, 40:80], mask[40:110, 40:80] = 30, 255
    image[36:41, 60] = 30  # a strand that the mask has missed
    image = np.clip(image + rng.integers(-2, 3, image.shape), 0, 255).astype(np.uint8)
    layers = cut_layers(image, mask, 60.0)
    alpha = layers.person[..., 3]
    assert alpha[38, 60] > 0.6
    assert alpha[38, 50] < 0.1
    assert layers.background[38, 60].min() > 150  # no ghost of it stays behind
    seen = layers.person[..., :3] + (1 - alpha[..., None]) * layers.background
    assert np.array_equal(np.rint(seen).astype(np.uint8), image)


def test_a_background_unlike_its_surroundings_is_not_taken_for_hair():
    """A dark window right beside a dark head stays where it is."""
    image = np.full((120, 160, 3), 200, np.uint8)
    mask = np.zeros((120, 160), np.uint8)
    image[40:110, 60:100], mask[40:110, 60:100] = 30, 255
    image[20:100, 104:140] = 40
    alpha = cut_layers(image, mask, 60.0).person[..., 3]
    assert alpha[30:90, 112:].max() == 0


def test_hair_above_nods_with_the_skull_and_hair_beside_stays_in_a_turn(renderer, portrait):
    skin = renderer.person.skin
    pose = renderer.face.pose
    weights, body = np.zeros(len(skin.fields), np.float32), np.zeros(2, np.float32)

    def shift(vector, point):
        turn = rotation_from_vector(vector)
        turned = replace(pose, rotation=turn @ pose.rotation)
        field = skin.displacement(weights, turned, body)
        nearest = np.linalg.norm(skin.places - point, axis=-1).argmin()
        return field.reshape(-1, 2)[nearest] / portrait.iod_px

    points = portrait.landmarks[:, :2]
    above = points[10] - [0, 0.3 * portrait.iod_px]
    beside = points[234] - [0.25 * portrait.iod_px, 0]
    nose = points[4]
    nod, yaw = [0.1, 0, 0], [0, 0.1, 0]
    assert 0.3 * shift(nod, nose)[1] < shift(nod, above)[1] < shift(nod, nose)[1]
    assert abs(shift(yaw, beside)[0]) < 0.3 * abs(shift(yaw, nose)[0])


@pytest.mark.parametrize("channel", ["headPosX", "headPosY"])
@pytest.mark.parametrize("way", [-1.0, 1.0])
def test_a_head_moved_far_arrives_whole(renderer, portrait, channel, way):
    values = portrait.rest.copy()
    values[INDEX[channel]] += way
    frame = renderer.frame(values).astype(float)
    pose = renderer.face.pose
    shift = np.array([way, 0, 0]) if channel == "headPosX" else np.array([0, way, 0])
    for point in (9, 50, 280):  # brow and cheeks
        place = pose.rotation @ renderer.face.head[point] + pose.translation + shift
        x, y = np.round(project(place, pose.focal_px, pose.centre_px)).astype(int)
        if 8 <= x < frame.shape[1] - 8 and 8 <= y < frame.shape[0] - 8:
            u, v = np.round(portrait.landmarks[point, :2]).astype(int)
            here = frame[y - 8 : y + 8, x - 8 : x + 8]
            there = portrait.image[v - 8 : v + 8, u - 8 : u + 8]
            assert np.abs(here.mean((0, 1)) - there.mean((0, 1))).max() < 15
