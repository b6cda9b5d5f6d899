"""Head pose: synthetic heads with a known pose, and the portrait turned and moved.

pytest tests/test_face_pose.py
"""

import numpy as np
import pytest
from face_samples import moved, portrait

from enliven.face.head_model import load_head
from enliven.face.pose import Camera, head_pose, head_poses, nominal_camera
from enliven.face.track import track_image
from enliven.geometry import (
    CAMERA_DISTANCE,
    EYE_CENTRE,
    angles_from_rotation,
    head_points,
    project,
    rotation_from_angles,
)


def seen(rotation, translation, camera, model=None):
    """Landmarks (478, 3) that a perfect tracker would give for a head in this pose."""
    camera_points = (load_head().mean if model is None else model) @ rotation.T + translation
    pixels = project(camera_points, camera.focal_px, camera.centre_px)
    eye_depth = translation[2] + rotation[2] @ EYE_CENTRE
    return np.column_stack([pixels, camera.focal_px * (camera_points[:, 2] / eye_depth - 1)])


def angle_deg(a, b):
    return np.degrees(np.arccos(np.clip((np.trace(a.T @ b) - 1) / 2, -1, 1)))


@pytest.mark.parametrize(("yaw", "pitch", "roll"), [
    (0, 0, 0), (25, 0, 0), (-40, 10, 0), (0, 25, 0), (0, -25, 30), (15, -10, -60), (5, 5, 170),
])  # fmt: skip
def test_known_pose_is_recovered(yaw, pitch, roll):
    camera = Camera(700.0, np.array([320.0, 200.0]))
    rotation = rotation_from_angles(*np.radians([yaw, pitch, roll]))
    translation = np.array([0.4, -0.3, 7.5])
    landmarks = seen(rotation, translation, camera)
    found, where = head_pose(landmarks, camera)
    assert angle_deg(found, rotation) < 1e-3
    np.testing.assert_allclose(where, translation, atol=1e-5)
    points = head_points(landmarks, found, where, camera.focal_px, camera.centre_px)
    np.testing.assert_allclose(points, load_head().mean, atol=1e-4)


def test_signs_are_those_of_the_conventions():
    camera = Camera(700.0, np.array([0.0, 0.0]))
    turned = seen(rotation_from_angles(yaw=0.3), np.array([0, 0, 8.0]), camera)
    nose, eyes = turned[1], turned[[33, 263]].mean(0)
    assert nose[0] > eyes[0]  # positive yaw: the face looks towards image right
    yaw, _, _ = angles_from_rotation(head_pose(turned, camera)[0])
    assert yaw == pytest.approx(0.3, abs=1e-4)


def test_nominal_camera_puts_the_head_at_its_distance():
    camera = Camera(900.0, np.array([100.0, 50.0]))
    landmarks = seen(rotation_from_angles(yaw=0.2), np.array([1.0, 0.5, 11.0]), camera)
    nominal = nominal_camera(landmarks)
    _, translation = head_pose(landmarks, nominal)
    assert translation[2] == pytest.approx(CAMERA_DISTANCE, abs=1e-3)
    # one IOD at the pivot keeps its length in pixels
    assert nominal.focal_px / CAMERA_DISTANCE == pytest.approx(900 / 11, rel=0.05)


def test_a_clip_has_one_camera_of_its_median_distance():
    camera = Camera(800.0, np.array([300.0, 300.0]))
    depths = np.linspace(7, 9, 21)
    clip = np.array([seen(np.eye(3), np.array([0, 0, z]), camera) for z in depths])
    nominal = nominal_camera(clip)
    _, translation = head_poses(clip, nominal)
    assert np.median(translation[:, 2]) == pytest.approx(CAMERA_DISTANCE, abs=1e-3)
    assert (np.diff(translation[:, 2]) > 0).all()


def test_place_and_size_in_the_picture_do_not_turn_the_head():
    landmarks, _ = track_image(portrait())
    rotation, _ = head_pose(landmarks, nominal_camera(landmarks))
    far = landmarks * [0.5, 0.5, 0.5] + [1500, 900, 0]
    same, _ = head_pose(far, nominal_camera(far))
    assert angle_deg(rotation, same) < 1e-3


@pytest.mark.parametrize("roll_deg", [-25, -10, 10, 25])
def test_roll_of_a_turned_photo_is_recovered(roll_deg):
    angles = []
    for turn in (0, roll_deg):
        image, _ = moved(portrait(), 0.9, turn)
        landmarks, _ = track_image(image)
        angles.append(angles_from_rotation(head_pose(landmarks, nominal_camera(landmarks))[0]))
    (yaw, pitch, roll), (new_yaw, new_pitch, new_roll) = np.degrees(angles)
    assert new_roll - roll == pytest.approx(roll_deg, abs=1.0)
    assert new_yaw == pytest.approx(yaw, abs=2.5)
    assert new_pitch == pytest.approx(pitch, abs=2.5)


@pytest.mark.parametrize("scale", [0.3, 0.6, 1.7])
def test_size_of_a_scaled_photo_is_recovered(scale):
    focal, pose = [], []
    for s in (1.0, scale):
        image, _ = moved(portrait(), s, shift=(15, 10), size=(900, 900))
        landmarks, _ = track_image(image)
        camera = nominal_camera(landmarks)
        focal.append(camera.focal_px)
        pose.append(head_pose(landmarks, camera)[0])
    assert focal[1] / focal[0] == pytest.approx(scale, rel=0.02)
    assert angle_deg(*pose) < 2.5
