"""The head model: what each channel must do, and that fits undo what the model does."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from enliven.errors import NoFaceFound
from enliven.face.head import (
    Observation,
    estimate_neutral,
    explain,
    fit_motion,
    fit_rest,
    gaze_angles,
    gaze_to_camera,
    load_head,
    look_channels,
    steady,
)
from enliven.face.head_model import (
    INNER_LIPS,
    IRIS_POINTS,
    IRISES,
    LID_PAIRS,
    lid_opening,
    lip_gap,
    mirror_points,
    personal_basis,
)
from enliven.face.solve import bounded_least_squares
from enliven.geometry import (
    EYE_CENTRE,
    project,
    rotation_from_angles,
    rotation_from_vector,
    vector_from_rotation,
)
from enliven.types import EXPRESSION

FOCAL_PX, CENTRE_PX = 900.0, np.array([256.0, 256.0])


def face():
    """The mean face with its lips shut: somebody at rest."""
    model = load_head()
    points = model.mean.copy()
    upper, lower = (list(side) for side in INNER_LIPS)
    points[lower] = points[upper]
    return points


def shape(**channels):
    """Expression (52,) from named amounts."""
    values = np.zeros(len(EXPRESSION))
    for name, amount in channels.items():
        values[EXPRESSION.index(name)] = amount
    return values


def both(name, amount):
    return {f"{name}Left": amount, f"{name}Right": amount}


@dataclass(frozen=True)
class Clip:
    """A made-up track of known head points in known poses."""

    landmarks: np.ndarray
    valid: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    focal_px: float
    centre_px: np.ndarray
    fps: float


def filmed(points, rotation, translation):
    """Track of head points (T, 478, 3): projected, with depth relative to the eyes in pixels."""
    camera = points @ rotation.transpose(0, 2, 1) + translation[:, None]
    pixels = project(camera, FOCAL_PX, CENTRE_PX)
    eyes = (rotation @ EYE_CENTRE + translation)[:, 2, None]
    depth = (camera[..., 2] / eyes - 1) * FOCAL_PX
    landmarks = np.concatenate([pixels, depth[..., None]], -1)
    found = np.ones(len(points), bool)
    return Clip(landmarks, found, rotation, translation, FOCAL_PX, CENTRE_PX, 25.0)


def poses(count, spread=0.2):
    angles = np.random.default_rng(1).uniform(-spread, spread, (count, 3))
    rotation = np.array([rotation_from_angles(*a) for a in angles])
    shift = np.random.default_rng(2).uniform(-0.3, 0.3, (count, 3))
    return rotation, shift + np.array([0, 0, 8.0])


def talking(frames=60):
    """Expression (T, 52) of somebody who speaks, blinks and raises the brows, mostly at rest."""
    time = np.arange(frames)
    values = np.zeros((frames, len(EXPRESSION)))
    speech = np.clip(np.sin(time * 0.7), 0, None) * (time > 15)
    values += speech[:, None] * shape(jawOpen=0.3, mouthFunnel=0.15)
    values += ((time > 40) & (time < 46))[:, None] * shape(**both("eyeBlink", 1.0))
    values += ((time > 20) & (time < 27))[:, None] * shape(browInnerUp=0.6)
    return values


def test_left_channels_mirror_right_channels():
    basis, swap = load_head().basis, mirror_points()
    for i, name in enumerate(EXPRESSION):
        if name.endswith("Left"):
            other = basis[EXPRESSION.index(name.removesuffix("Left") + "Right")]
            np.testing.assert_allclose(basis[i], other[swap] * [-1, 1, 1], atol=1e-6)


def test_mirror_is_an_involution():
    swap = mirror_points()
    np.testing.assert_array_equal(swap[swap], np.arange(478))


def moved(points, basis, expression):
    return points + np.tensordot(expression, basis, 1)


def test_blink_shuts_the_eyes():
    model = load_head()
    shut = moved(model.mean, model.basis, shape(**both("eyeBlink", 1.0)))
    for pairs in LID_PAIRS.values():
        upper, lower = np.array(pairs).T
        np.testing.assert_allclose(shut[upper], shut[lower], atol=1e-5)


@pytest.mark.parametrize("amount", [0.3, 1.0])
def test_mouth_close_seals_what_the_jaw_opens(amount):
    points, basis = face(), load_head().basis
    assert lip_gap(moved(points, basis, shape(jawOpen=amount))) > 0.25 * amount
    sealed = moved(points, basis, shape(jawOpen=amount, mouthClose=amount))
    upper, lower = (list(side) for side in INNER_LIPS)
    np.testing.assert_allclose(sealed[upper], sealed[lower], atol=1e-5)


def test_channels_move_the_way_their_names_say():
    basis = load_head().basis
    y = {name: basis[i, :, 1] for i, name in enumerate(EXPRESSION)}  # down is positive
    x = {name: basis[i, :, 0] for i, name in enumerate(EXPRESSION)}
    left_corner, right_corner = 291, 61  # the person's left is at image right
    assert y["mouthSmileLeft"][left_corner] < -0.05 < 0.05 < x["mouthSmileLeft"][left_corner]
    assert abs(y["mouthSmileLeft"][right_corner]) < 0.01
    assert y["mouthFrownLeft"][left_corner] > 0.02
    assert x["mouthPucker"][left_corner] < -0.02 < 0.02 < x["mouthPucker"][right_corner]
    assert x["mouthStretchRight"][right_corner] < -0.03
    assert x["jawLeft"][152] > 0.05
    assert x["mouthLeft"][0] > 0.05
    assert y["browInnerUp"][107] < -0.03
    assert y["browDownLeft"][336] > 0.02
    assert abs(y["browDownLeft"][107]) < 0.01
    assert y["mouthFunnel"][13] < 0 < y["mouthFunnel"][14]
    assert y["mouthUpperUpLeft"][310] < -0.02
    assert y["mouthLowerDownRight"][88] > 0.02
    assert y["eyeWideLeft"][386] < -0.01
    assert y["eyeSquintRight"][145] < -0.01


def test_irises_stay_put_in_the_basis():
    assert not load_head().basis[:, IRIS_POINTS].any()


def test_coefficients_are_recovered():
    model = replace(load_head(), stiffness=np.full(len(EXPRESSION), 1e-7))
    neutral = face()
    rng = np.random.default_rng(3)
    free = [i for i, name in enumerate(EXPRESSION) if not name.startswith(("eye", "tongue"))]
    truth = np.zeros((20, len(EXPRESSION)))
    for row in truth:
        row[rng.choice(free, 4, replace=False)] = rng.uniform(0.1, 0.9, 4)
    points = neutral + np.tensordot(truth, personal_basis(neutral), 1)
    found = explain(Observation(points, neutral, np.zeros((20, 2))), model)
    np.testing.assert_allclose(found, truth, atol=0.03)


def test_shipped_fit_explains_the_points_it_made():
    neutral, basis = face(), personal_basis(face())
    truth = talking()
    points = neutral + np.tensordot(truth, basis, 1)
    found = explain(Observation(points, neutral, np.zeros((len(points), 2))))
    assert found.min() >= 0
    assert found.max() <= 1
    again = neutral + np.tensordot(found, basis, 1)
    assert np.linalg.norm(again - points, axis=-1).mean() < 0.003
    assert np.corrcoef(lip_gap(again), lip_gap(points))[0, 1] > 0.995


def test_noise_of_the_tracker_comes_out_smaller():
    neutral = moved(face(), load_head().basis, shape(jawOpen=0.2))
    noise = np.random.default_rng(0).normal(0, 0.005, (50, 478, 3))
    still = Observation(neutral + noise, face(), np.zeros((50, 2)))
    found = face() + np.tensordot(explain(still), personal_basis(face()), 1)
    assert found[..., :2].std(0).mean() < 0.005 / 3


def test_rest_is_zero():
    neutral = face()
    found = explain(Observation(neutral[None], neutral, np.zeros((1, 2))))
    np.testing.assert_allclose(found, 0, atol=1e-9)


def test_a_clip_gives_back_its_motion_whatever_the_pose():
    neutral = face()
    truth = talking()
    points = neutral + np.tensordot(truth, personal_basis(neutral), 1)
    turned = filmed(points, *poses(len(truth)))
    frontal = filmed(points, np.tile(np.eye(3), (len(truth), 1, 1)),
                     np.tile([0, 0, 8.0], (len(truth), 1)))  # fmt: skip
    one, other = fit_motion(turned), fit_motion(frontal)
    for name in ("jawOpen", "browInnerUp"):
        expected = truth[:, EXPRESSION.index(name)]
        assert np.corrcoef(one[name], expected)[0, 1] > 0.95
    assert np.all(one["eyeBlinkLeft"][41:46] > 0.95)
    assert np.all(one["eyeBlinkRight"][:40] < 0.1)
    np.testing.assert_allclose(other.group("head"), 0, atol=0.01)


def test_a_wrong_pose_is_put_right():
    rotation, translation = poses(60)
    points = face() + np.tensordot(talking(), personal_basis(face()), 1)
    clip = filmed(points, rotation, translation)
    off = np.random.default_rng(5).normal(0, 0.02, (60, 3))
    motion = fit_motion(replace(clip, rotation=rotation @ rotation_from_vector(off)))
    truth = vector_from_rotation(rotation)
    before = np.abs(vector_from_rotation(rotation @ rotation_from_vector(off)) - truth).mean(0)
    after = np.abs(motion.group("head") - truth).mean(0)
    assert after[2] < 0.4 * before[2]
    assert np.all(after[:2] < 0.9 * before[:2])


def test_neutral_does_not_depend_on_pose():
    neutral = face()
    points = neutral + np.tensordot(talking(), personal_basis(neutral), 1)
    # what an imperfect pose leaves in head points: a little turn, shift and scale in each frame
    rotation, shift = poses(len(points), 0.03)
    wobbly = points @ rotation.transpose(0, 2, 1) + (shift - [0, 0, 8])[:, None] * [0.1, 0.1, 0]
    found = steady(estimate_neutral(wobbly)[None], neutral)[0]
    assert np.linalg.norm((found - neutral)[:468, :2], axis=-1).mean() < 0.01
    assert abs(lip_gap(found)) < 0.01


def test_talking_without_pause_still_gives_shut_lips():
    neutral = face()
    open_jaw = 0.2 + 0.2 * np.random.default_rng(0).uniform(size=50)
    truth = open_jaw[:, None] * shape(jawOpen=1)
    points = neutral + np.tensordot(truth, personal_basis(neutral), 1)
    assert abs(lip_gap(estimate_neutral(points))) < 0.01


@pytest.mark.parametrize(("shift", "sign"), [((0.03, 0), (1, 0)), ((0, 0.03), (0, 1))])
def test_gaze_follows_the_irises(shift, sign):
    points = load_head().mean.copy()
    before = gaze_angles(points)
    points[list(IRISES), :2] += shift
    np.testing.assert_array_equal(np.sign(np.round(gaze_angles(points) - before, 6)), sign)


def test_meeting_the_camera_undoes_the_turn_of_the_head():
    far = np.array([0, 0, 1e6])
    np.testing.assert_allclose(gaze_to_camera(np.eye(3), far), 0, atol=1e-5)
    np.testing.assert_allclose(
        gaze_to_camera(rotation_from_angles(0.2, 0, 0), far), [-0.2, 0], atol=1e-5
    )
    np.testing.assert_allclose(
        gaze_to_camera(rotation_from_angles(0, 0.2, 0), far), [0, -0.2], atol=1e-5
    )


def test_looking_down_lowers_the_lids_and_left_is_out_for_the_left_eye():
    down = look_channels(np.array([0.3, 0.3]))
    names = {EXPRESSION[i] for i in np.flatnonzero(down)}
    assert names == {"eyeLookDownLeft", "eyeLookDownRight", "eyeLookOutLeft", "eyeLookInRight"}


@pytest.mark.parametrize("rest_blink", [0.0, 0.4])
def test_personal_blink_shuts_these_eyes(rest_blink):
    points = face()
    for pairs in LID_PAIRS.values():
        upper = [pair[0] for pair in pairs]
        points[upper, 1] -= 0.03  # larger eyes than the mean's
    rest = shape(**both("eyeBlink", rest_blink))
    basis = personal_basis(points, rest)
    shut = moved(points, basis, shape(**both("eyeBlink", 1.0)) - rest)
    for opening in lid_opening(shut).values():
        assert abs(opening) < 1e-6


def test_wider_mouths_move_wider():
    points = face()
    wide = points.copy()
    wide[:, 0] *= 1.2
    smile = EXPRESSION.index("mouthSmileLeft")
    ratio = personal_basis(wide)[smile, 291] / personal_basis(points)[smile, 291]
    np.testing.assert_allclose(ratio, [1.2, 1, 1], rtol=1e-6)


def test_one_photo_at_rest_is_left_alone():
    expression, _ = fit_rest(face())
    looks = [name.startswith("eyeLook") for name in EXPRESSION]
    np.testing.assert_allclose(expression[~np.array(looks)], 0, atol=1e-9)


def test_parted_lips_of_a_photo_meet_when_its_expression_is_taken_away():
    points = moved(face(), load_head().basis, shape(jawOpen=0.25))
    rest, _ = fit_rest(points)
    assert rest[EXPRESSION.index("jawOpen")] > 0.1
    gone = points - np.tensordot(rest, personal_basis(points, rest), 1)
    assert abs(lip_gap(gone)) < 0.003


def test_lost_frames_are_filled_and_marked():
    points = face() + np.tensordot(talking(), personal_basis(face()), 1)
    clip = filmed(points, *poses(len(points)))
    valid = clip.valid.copy()
    valid[10:14] = False
    clip.landmarks[10:14] = np.nan
    motion = fit_motion(replace(clip, valid=valid))
    np.testing.assert_array_equal(motion.valid, valid)
    np.testing.assert_allclose(motion.values[11], motion.values[9] * 0.6 + motion.values[14] * 0.4,
                               atol=1e-6)  # fmt: skip


def test_a_clip_without_a_face_is_refused():
    clip = filmed(face()[None], *poses(1))
    with pytest.raises(NoFaceFound, match="any frame"):
        fit_motion(replace(clip, valid=np.zeros(1, bool)))


def test_a_still_photo_makes_a_clip_of_one_frame():
    motion = fit_motion(filmed(face()[None], *poses(1)))
    assert np.isfinite(motion.values).all()


def test_the_same_clip_gives_the_same_bytes():
    points = face() + np.tensordot(talking(), personal_basis(face()), 1)
    clip = filmed(points, *poses(len(points)))
    assert fit_motion(clip).values.tobytes() == fit_motion(clip).values.tobytes()


def test_the_solver_meets_the_conditions_of_a_minimum():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(30, 12))
    gram, target = root.T @ root, rng.normal(size=(7, 12)) * 20
    x = bounded_least_squares(gram, target, tolerance=1e-10)
    slope = x @ gram - target
    inside = (x > 0) & (x < 1)
    assert np.abs(slope[inside]).max() < 1e-6
    assert slope[x == 0].min() > -1e-6
    assert slope[x == 1].max() < 1e-6
