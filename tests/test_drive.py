"""Retargeting, checked against its closed form: pytest tests/test_drive.py"""

from functools import partial

import numpy as np
import pytest

from enliven.drive import (
    EYE_REACH,
    KNEE,
    TURN_LIMIT,
    LiveSpeech,
    from_motion,
    look_from_viewer,
    retarget,
    soft_limit,
)
from enliven.errors import BadMotion, BadOption
from enliven.face.gaze import gaze_to_camera
from enliven.geometry import (
    angles_from_rotation,
    rotation_from_angles,
    rotation_from_vector,
    vector_from_rotation,
)
from enliven.motion.generator import Generator
from enliven.motion.options import SpeechOptions
from enliven.motion.transfer import Strength
from enliven.types import CHANNELS, INDEX, Motion, Portrait, group_slice

close = partial(np.testing.assert_allclose, atol=1e-6)

HEAD, PLACE = group_slice("head"), group_slice("translation")


def frame(**channels: float) -> np.ndarray:
    """One row of channel values, zero but for those named."""
    row = np.zeros(len(CHANNELS), np.float32)
    for name, value in channels.items():
        row[INDEX[name]] = value
    return row


def toy_portrait(rest: np.ndarray) -> Portrait:
    """A portrait of which only the resting frame matters."""
    return Portrait(
        image=np.zeros((8, 8, 3), np.uint8), landmarks=np.zeros((478, 3), np.float32),
        rotation=rotation_from_vector(rest[HEAD]), translation=rest[PLACE] + np.array([0, 0, 8.0]),
        focal_px=100.0, centre_px=np.zeros(2), mask=np.zeros((8, 8), np.uint8), rest=rest,
        basis=np.zeros((52, 478, 3), np.float32), triangles=np.zeros((1, 3), np.int64),
    )  # fmt: skip


def small_motion(seed: int = 0, frames: int = 20) -> Motion:
    """A random motion well inside every limit."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.2, 0.5, (frames, len(CHANNELS)))
    for group, reach in (("head", 0.05), ("translation", 0.1), ("gaze", 0.2), ("body", 0.1)):
        part = group_slice(group)
        values[:, part] = rng.uniform(-reach, reach, values[:, part].shape)
    return Motion(values)


def test_holding_the_reference_returns_the_photo() -> None:
    rest = small_motion().values[3].copy()
    still = Motion.still(5, at=rest)
    for reference in (rest, "first"):
        close(retarget(still, toy_portrait(rest), reference).values, still.values, atol=1e-6)


def test_own_first_frame_gives_the_motion_itself() -> None:
    motion = small_motion()
    moved = retarget(motion, toy_portrait(motion.values[0].copy()), "first")
    close(moved.values, motion.values)
    assert moved.fps == motion.fps


def test_head_turns_about_the_pose_of_the_photo() -> None:
    rest = frame()
    rest[HEAD] = vector_from_rotation(rotation_from_angles(0.2, -0.1, 0.15))
    driver = np.stack([frame(), frame()])
    driver[0, HEAD] = vector_from_rotation(rotation_from_angles(0.3, 0.1, 0.0))
    driver[1, HEAD] = vector_from_rotation(rotation_from_angles(0.4, 0.05, 0.1))
    moved = retarget(Motion(driver), toy_portrait(rest), "first")
    expected = (
        rotation_from_angles(0.4, 0.05, 0.1)
        @ rotation_from_angles(0.3, 0.1, 0.0).T
        @ rotation_from_angles(0.2, -0.1, 0.15)
    )
    close(rotation_from_vector(moved.values[0, HEAD]), rotation_from_vector(rest[HEAD]), atol=1e-6)
    close(rotation_from_vector(moved.values[1, HEAD]), expected)


def test_neutral_takes_a_relaxed_face_in_the_usual_pose() -> None:
    driver = np.stack([frame(headPosX=x, gazeYaw=x, mouthSmileLeft=0.3) for x in (0.1, 0.2, 0.5)])
    moved = retarget(Motion(driver), toy_portrait(frame(headPosX=-1.0, mouthSmileLeft=0.2)))
    close(moved["headPosX"], [-1.1, -1.0, -0.7])
    close(moved["gazeYaw"], [-0.1, 0.0, 0.3])
    close(moved["mouthSmileLeft"], 0.5)


def test_lost_frames_do_not_count_for_the_reference() -> None:
    driver = np.stack([frame(headPosX=9.0), frame(headPosX=0.1), frame(headPosX=0.2)])
    motion = Motion(driver, valid=np.array([False, True, True]))
    moved = retarget(motion, toy_portrait(frame()), "first")
    close(moved["headPosX"][1:], [0.0, 0.1])
    np.testing.assert_array_equal(moved.valid, motion.valid)


def test_open_lips_close_and_a_smile_stays() -> None:
    rest = frame(jawOpen=0.4, mouthUpperUpLeft=0.5, mouthSmileLeft=0.6)
    moved = retarget(Motion.still(1), toy_portrait(rest))
    assert moved["jawOpen"][0] == 0
    assert moved["mouthUpperUpLeft"][0] == 0
    assert moved["mouthSmileLeft"][0] == pytest.approx(0.6)


def test_rounded_lips_take_the_smile_back() -> None:
    rest = frame(mouthSmileLeft=0.6, mouthDimpleRight=0.2, browInnerUp=0.3)
    driver = np.stack([frame(mouthPucker=p, mouthFunnel=f) for p, f in ((0.3, 0.2), (0.9, 0.5))])
    moved = retarget(Motion(driver), toy_portrait(rest), frame())
    close(moved["mouthSmileLeft"], [0.3, 0.0])
    close(moved["mouthDimpleRight"], [0.1, 0.0])
    close(moved["browInnerUp"], 0.3)


def test_expression_stays_within_its_range() -> None:
    driver = np.stack([frame(mouthSmileLeft=0.8), frame(mouthSmileLeft=0.0)])
    reference = frame(mouthSmileLeft=0.5)
    moved = retarget(Motion(driver), toy_portrait(frame(mouthSmileLeft=0.9)), reference)
    close(moved["mouthSmileLeft"], [1.0, 0.4])


@pytest.mark.parametrize("yaw_deg", [-40.0, 25.0, 60.0])
def test_a_large_turn_is_limited_and_noted(
    yaw_deg: float, caplog: pytest.LogCaptureFixture
) -> None:
    driver = frame()
    driver[HEAD] = vector_from_rotation(rotation_from_angles(np.radians(yaw_deg)))
    rest = frame()
    rest[HEAD] = vector_from_rotation(rotation_from_angles(0.1))
    moved = retarget(Motion(driver[None]), toy_portrait(rest), frame())
    turn = rotation_from_vector(moved.values[0, HEAD]) @ rotation_from_angles(0.1).T
    yaw, pitch, roll = angles_from_rotation(turn)
    assert KNEE * TURN_LIMIT[0] < abs(yaw) <= TURN_LIMIT[0] + 1e-6
    assert np.sign(yaw) == np.sign(yaw_deg)
    assert pitch == pytest.approx(0, abs=1e-6)
    assert roll == pytest.approx(0, abs=1e-6)
    assert f"{abs(yaw_deg):.0f} degrees" in caplog.text


def test_small_movement_is_not_noted(caplog: pytest.LogCaptureFixture) -> None:
    retarget(small_motion(), toy_portrait(frame()), "first")
    assert not caplog.text


def test_soft_limit_is_smooth_odd_and_bounded() -> None:
    x = np.linspace(-30, 30, 6001)
    y = soft_limit(x, 10.0)
    inside = np.abs(x) <= 10.0 * KNEE
    np.testing.assert_array_equal(y[inside], x[inside])
    close(y, -y[::-1], atol=1e-12)
    slope = np.diff(y) / np.diff(x)
    assert np.abs(y).max() <= 10.0
    assert slope.min() >= 0
    assert slope.max() <= 1 + 1e-9
    assert np.abs(np.diff(slope)).max() < 0.01  # no kink at the knee


def test_a_gaze_that_was_asked_for_counts_from_the_viewer() -> None:
    """A head turned away that looks ahead: the eyes meet the camera where that is asked."""
    rest = frame(gazeYaw=0.05, eyeLookOutLeft=0.07)
    rest[HEAD] = vector_from_rotation(rotation_from_angles(0.2, -0.1))
    portrait = toy_portrait(rest)
    to_viewer = gaze_to_camera(portrait.rotation, portrait.translation)
    motion = retarget(Motion.still(4).with_channels(gazeYaw=0.01), portrait, frame())
    moved = look_from_viewer(motion, portrait, np.array([1, 3]))
    np.testing.assert_array_equal(moved.values[[0, 2]], motion.values[[0, 2]])
    close(moved.group("gaze")[[1, 3]], np.tile(np.add(to_viewer, [0.01, 0]), (2, 1)))
    assert to_viewer[0] < -0.1
    assert (moved["eyeLookOutLeft"][1], moved["eyeLookOutRight"][1] > 0.2) == (0, True)
    assert look_from_viewer(motion, portrait, np.array([], int)) is motion


def test_eyes_go_no_further_than_they_can() -> None:
    rest = frame(gazeYaw=0.1)
    rest[HEAD] = vector_from_rotation(rotation_from_angles(-0.3))
    portrait = toy_portrait(rest)
    looking = Motion.still(1, at=rest).with_channels(gazeYaw=0.45)
    moved = look_from_viewer(looking, portrait, np.array([0]))
    assert moved["gazeYaw"][0] == pytest.approx(EYE_REACH[0])


def test_a_gaze_measured_in_a_profile_is_left_alone() -> None:
    rest = frame(gazeYaw=0.3)
    rest[HEAD] = vector_from_rotation(rotation_from_angles(-0.7))
    moved = look_from_viewer(Motion.still(1, at=rest), toy_portrait(rest), np.array([0]))
    assert moved["gazeYaw"][0] == pytest.approx(0.3)


def test_strength() -> None:
    motion, portrait = small_motion(), toy_portrait(small_motion(1).values[0].copy())
    calm = retarget(motion, portrait, "first", Strength(head=0.0, mouth=0.0, face=0.0))
    close(calm.group("head"), np.tile(portrait.rest[HEAD], (len(motion), 1)), atol=1e-6)
    close(calm["mouthSmileLeft"], portrait.rest[INDEX["mouthSmileLeft"]], atol=1e-6)
    assert np.all(calm["jawOpen"] == 0)
    full = retarget(motion, portrait, "first")
    np.testing.assert_array_equal(calm["eyeBlinkLeft"], full["eyeBlinkLeft"])
    half = retarget(motion, portrait, "first", Strength(head=0.5))
    close(
        half["headPosX"] - portrait.rest[INDEX["headPosX"]],
        (full["headPosX"] - portrait.rest[INDEX["headPosX"]]) / 2, atol=1e-6,
    )  # fmt: skip


@pytest.mark.parametrize("values", [{"head": -0.1}, {"face": 2.5}, {"head": float("nan")}])
def test_impossible_strength(values: dict[str, float]) -> None:
    with pytest.raises(BadOption, match="choose 0 to 2"):
        Strength(**values)


def test_what_cannot_be_a_reference() -> None:
    portrait, motion = toy_portrait(frame()), small_motion()
    with pytest.raises(BadOption, match='"neutral" or "first"'):
        retarget(motion, portrait, "last")
    with pytest.raises(BadOption, match="shape"):
        retarget(motion, portrait, np.zeros(3))
    lost = Motion(motion.values, valid=np.zeros(len(motion), bool))
    with pytest.raises(BadMotion, match="no valid frame"):
        retarget(lost, portrait)


def test_from_motion_is_a_driver() -> None:
    motion = small_motion()
    portrait = toy_portrait(motion.values[0].copy())
    driven = from_motion(motion, reference="first")(portrait, seed=5)
    close(driven.values, motion.values)


def test_a_live_voice_is_carried_to_the_person_as_a_whole_motion_is() -> None:
    """Piece by piece the same as all at once, asked-for feelings and looks included."""
    rest = frame(mouthSmileLeft=0.4, mouthSmileRight=0.4, headRotY=0.1)
    portrait = toy_portrait(rest)
    options = SpeechOptions(emotion="happy:0.8", gaze="camera")
    rng = np.random.default_rng(0)
    loud = np.abs(np.sin(np.arange(48000) / 3000))
    sound = (0.1 * loud * rng.standard_normal(48000)).astype(np.float32)
    stream = Generator.load().stream(seed=3, options=options)
    spoken = Motion(np.array([f.values for f in [*stream.push(sound), *stream.finish()]]))
    felt = np.array([[0.8, 0, 0, 0, 0, 0]] * len(spoken))
    whole = retarget(spoken, portrait, np.zeros(len(CHANNELS)), felt=felt)
    whole = look_from_viewer(whole, portrait, np.arange(len(whole)))

    live, made = LiveSpeech(portrait, seed=3, options=options), []
    for start in range(0, len(sound), 5000):
        made += live.push(sound[start : start + 5000])
    made += live.finish()
    assert [f.number for f in made] == list(range(75))
    np.testing.assert_allclose([f.values for f in made], whole.values, atol=1e-5)
