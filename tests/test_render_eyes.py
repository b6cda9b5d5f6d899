"""Lids that meet and slide, irises that turn as geometry says."""

from pathlib import Path

import numpy as np
import pytest

from enliven.face.portrait import load_portrait
from enliven.render.eyeball import IRIS_DISTANCE, look, turn_between
from enliven.render.eyes import lid_weights, skin_weights
from enliven.render.lids import pose_lids
from enliven.render.renderer import Renderer, RenderOptions
from enliven.types import CHANNELS, EXPRESSION, INDEX, group_slice

EXAMPLE = Path(__file__).parents[1] / "examples" / "portrait.jpg"


@pytest.fixture(scope="module")
def renderer():
    return Renderer(load_portrait(EXAMPLE), RenderOptions(size=512, crop=True))


def channels(**values):
    weights = np.zeros(len(EXPRESSION), np.float32)
    for name, value in values.items():
        weights[EXPRESSION.index(name)] = value
    return weights


def test_the_smallest_turn_takes_one_look_to_another():
    random = np.random.default_rng(0)
    for _ in range(20):
        a, b = look(random.uniform(-0.5, 0.5, 2)), look(random.uniform(-0.5, 0.5, 2))
        turn = turn_between(a, b)
        assert np.allclose(turn @ turn.T, np.eye(3))
        assert np.allclose(turn @ a, b)
        assert np.isclose((np.trace(turn) - 1) / 2, a @ b)  # no turn about the line of sight


def test_lids_at_rest_are_the_photos_and_meet_in_a_blink(renderer):
    for eye, side in zip(renderer.eyes, ("Right", "Left"), strict=True):
        lids = eye.lids
        still = pose_lids(lids, channels())
        assert still.moved_px == 0
        assert np.array_equal(still.upper, lids.upper)
        gaps = []
        for amount in np.linspace(0, 1, 6):
            pose = pose_lids(lids, channels(**{"eyeBlink" + side: amount}))
            gap = pose.lower - pose.upper
            assert (gap >= 0).all()
            gaps.append(gap.max())
        assert (np.diff(gaps) < 0).all()
        assert gaps[-1] < 0.03 * gaps[0]


def test_upper_lid_goes_with_the_eye(renderer):
    """Down with a look down and up with a look up, less far than the iris."""
    values = renderer.portrait.rest.astype(np.float64)
    for pitch in (-0.3, 0.3):
        looking = values.copy()
        looking[INDEX["gazePitch"]] += pitch
        weights = (lid_weights(looking) - lid_weights(values)).astype(np.float32)
        iris = IRIS_DISTANCE * np.sin(pitch) * renderer.portrait.iod_px
        for eye in renderer.eyes:
            middle = len(eye.lids.upper) // 2
            travel = (pose_lids(eye.lids, weights).upper - eye.lids.upper)[middle]
            assert 0.3 < travel / iris < 1.1


def test_what_a_driver_says_of_the_lids_is_not_counted_twice():
    values = np.zeros(len(CHANNELS))
    values[INDEX["gazePitch"]] = 0.3
    values[INDEX["eyeLookDownLeft"]] = 0.5
    told = lid_weights(values)
    assert told[INDEX["eyeLookDownLeft"]] == 0.5
    assert 0 < told[INDEX["eyeLookDownRight"]] < 0.5
    values[INDEX["eyeBlinkRight"]] = 1.0
    assert lid_weights(values)[INDEX["eyeLookDownRight"]] == 0


def test_lids_leave_the_faces_sheet_alone():
    kept = skin_weights(np.ones(len(EXPRESSION), np.float32))
    assert kept[EXPRESSION.index("eyeBlinkLeft")] == 0
    assert kept[EXPRESSION.index("eyeSquintLeft")] == 1


def test_layers_put_together_are_the_photo(renderer):
    """Just off rest the eye is drawn from its layers; it must look as it did."""
    values = renderer.portrait.rest.copy()
    values[INDEX["eyeBlinkLeft"]] += 0.03
    values[INDEX["eyeBlinkRight"]] += 0.03
    frame, photo = renderer.frame(values).astype(int), renderer.portrait.image
    x0, y0, x1, y1 = renderer.eyes[0].lids.box
    assert 0 < np.abs(frame - photo)[y0:y1, x0:x1].mean() < 2.0


def test_gaze_leaves_everything_but_the_eyes_alone(renderer):
    values = renderer.portrait.rest.copy()
    values[group_slice("gaze")] += [0.3, 0.1]
    # but for the last bit of the light on skin near the lids, which follow
    changed = np.abs(renderer.frame(values).astype(int) - renderer.portrait.image).max(-1) > 2
    for eye in renderer.eyes:
        x0, y0, x1, y1 = eye.lids.box
        assert changed[y0:y1, x0:x1].any()
        changed[y0 - 1 : y1 + 1, x0 - 1 : x1 + 1] = False
    assert not changed.any()
