"""load_portrait: a complete Portrait, or one sentence that says what is wrong with the photo.

pytest tests/test_face_portrait.py
"""

import cv2
import numpy as np
import pytest
from face_samples import DEV_PORTRAITS, eyes_px, moved, needs_dev_portraits, portrait
from PIL import Image

from enliven.errors import BadMedia, NoFaceFound
from enliven.face.check import check_pose
from enliven.face.portrait import load_portrait
from enliven.geometry import (
    CAMERA_DISTANCE,
    angles_from_rotation,
    head_points,
    project,
    rotation_from_angles,
    vector_from_rotation,
)
from enliven.types import GROUPS, group_slice


@pytest.fixture(scope="module")
def person():
    return load_portrait(portrait())


def test_pose_projects_the_head_back_onto_the_landmarks(person):
    points = head_points(person.landmarks, person.rotation, person.translation, person.focal_px,
                         person.centre_px)  # fmt: skip
    back = project(points @ person.rotation.T + person.translation, person.focal_px,
                   person.centre_px)  # fmt: skip
    np.testing.assert_allclose(back, person.landmarks[:, :2], atol=1e-3)


def test_rest_is_the_pose_of_the_photo(person):
    np.testing.assert_allclose(
        person.rest[group_slice("head")], vector_from_rotation(person.rotation), atol=1e-6
    )
    np.testing.assert_allclose(
        person.rest[group_slice("translation")],
        person.translation - [0, 0, CAMERA_DISTANCE], atol=1e-6,
    )  # fmt: skip
    expression = person.rest[group_slice("expression")]
    assert len(expression) == len(GROUPS["expression"])
    assert (expression >= 0).all()
    assert (expression <= 1).all()


def test_the_camera_stands_at_its_nominal_distance(person):
    assert person.translation[2] == pytest.approx(CAMERA_DISTANCE, abs=1e-3)
    # the eyes are nearer than the pivot and so a little larger than one IOD there
    assert 1.0 < eyes_px(person.landmarks) / person.iod_px < 1.2


def test_the_example_looks_at_the_camera(person):
    yaw, pitch, _ = np.degrees(angles_from_rotation(person.rotation))
    assert abs(yaw) < 10
    assert abs(pitch) < 15


def test_a_file_and_its_pixels_give_the_same_face(tmp_path, person):
    path = tmp_path / "ein Foto ü.png"
    Image.fromarray(portrait()).save(path)
    loaded = load_portrait(path)
    np.testing.assert_array_equal(loaded.landmarks, person.landmarks)
    np.testing.assert_array_equal(loaded.mask, person.mask)
    assert loaded.source == path
    assert loaded.digest


def test_the_same_photo_gives_the_same_bytes(person):
    again = load_portrait(portrait().copy())
    for name in ("landmarks", "mask", "rest", "rotation", "basis"):
        assert getattr(again, name).tobytes() == getattr(person, name).tobytes()


def test_a_cut_out_photo_keeps_its_own_outline(tmp_path):
    alpha = np.zeros(portrait().shape[:2], np.uint8)
    alpha[20:, 60:460] = 255
    path = tmp_path / "cut.png"
    Image.fromarray(np.dstack([portrait(), alpha])).save(path)
    np.testing.assert_array_equal(load_portrait(path).mask, alpha)


def test_too_small_a_face_says_how_small_and_what_would_do():
    image, _ = moved(portrait(), 0.16)
    with pytest.raises(NoFaceFound, match=r"too small: \d\d px .* 32 needed; .* [1-3]\.\d times"):
        load_portrait(image)


def test_a_face_cut_off_by_the_frame_says_how_much():
    landmarks = load_portrait(portrait()).landmarks
    cut = int(landmarks[:, 1].mean())  # below the nose bridge nothing is left
    half = np.ascontiguousarray(portrait()[:, : int(landmarks[1, 0]) - 5])
    low = np.ascontiguousarray(portrait()[: cut + 20])
    for image in (half, low):
        with pytest.raises(NoFaceFound, match=r"outside the photo|no face|too unclear"):
            load_portrait(image)


@pytest.mark.parametrize(("angles", "message"), [
    ({"yaw": 70}, "turned 70 degrees to the side, the limit is 50"),
    ({"yaw": -60}, "turned 60 degrees to the side"),
    ({"pitch": 55}, "55 degrees down"),
    ({"pitch": -55}, "55 degrees up"),
    ({"roll": 90}, "turned clockwise by 90 degrees.* rotate the photo counter-clockwise"),
    ({"roll": -80}, "turned counter-clockwise by 80 degrees.* rotate the photo clockwise"),
])  # fmt: skip
def test_a_face_turned_away_says_how_far(angles, message):
    rotation = rotation_from_angles(**{k: np.radians(v) for k, v in angles.items()})
    with pytest.raises(NoFaceFound, match=message):
        check_pose(rotation)


def test_a_photo_on_its_side_is_recognised():
    with pytest.raises(NoFaceFound, match="on its side"):
        load_portrait(np.ascontiguousarray(np.rot90(portrait())))


@pytest.mark.parametrize("pixels", [
    np.zeros((50, 50), np.uint8), np.zeros((50, 50, 4), np.uint8), np.zeros((50, 50, 3)),
    np.zeros((0, 0, 3), np.uint8),
])  # fmt: skip
def test_pixels_of_another_kind_are_refused(pixels):
    with pytest.raises(BadMedia, match="height, width, 3"):
        load_portrait(pixels)


def test_a_wide_photo_with_the_face_in_a_corner_keeps_its_pose(person):
    wide = np.full((900, 1600, 3), 128, np.uint8)
    wide[-512:, -512:] = cv2.GaussianBlur(portrait(), (0, 0), 0.01)
    found = load_portrait(wide)
    difference = person.rotation.T @ found.rotation
    assert np.degrees(np.linalg.norm(vector_from_rotation(difference))) < 2


@needs_dev_portraits
@pytest.mark.parametrize("name", ["p01", "p05", "p11", "p12", "p15"])
def test_half_bodies_paintings_and_turned_heads_load(name):
    (path,) = DEV_PORTRAITS.glob(f"{name}*")
    found = load_portrait(np.array(Image.open(path).convert("RGB")))
    assert found.confidence > 0.9
    assert 0.05 < (found.mask > 127).mean() < 0.95
