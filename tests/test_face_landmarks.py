"""Landmarks: they follow the picture when it moves, and rest when it rests.

pytest tests/test_face_landmarks.py
"""

import numpy as np
import pytest
from face_samples import eyes_px, mapped, moved, portrait

from enliven.face.detect import detect_faces
from enliven.face.landmarks import (
    CROP_PX,
    Region,
    find_landmarks,
    find_landmarks_still,
    leashed,
    region_of_detection,
    region_of_landmarks,
)

LIPS = [61, 291, 0, 17, 13, 14, 78, 308]


@pytest.fixture(scope="module")
def landmarks():
    return find_landmarks_still(portrait(), region_of_detection(detect_faces(portrait())[0]))[0]


def test_features_are_in_order(landmarks):
    def at(number):
        return landmarks[number, :2]

    assert at(33)[0] < at(168)[0] < at(263)[0]  # eye, nose bridge, eye
    assert at(10)[1] < at(168)[1] < at(1)[1] < at(13)[1] <= at(14)[1] < at(152)[1]
    assert landmarks[1, 2] < landmarks[234, 2]  # the nose is nearer than an ear
    for iris, outer, inner in ((468, 33, 133), (473, 263, 362)):
        low, high = sorted((at(outer)[0], at(inner)[0]))
        assert low < at(iris)[0] < high


@pytest.mark.parametrize(("scale", "roll_deg", "shift"), [
    (1.0, 0, (23.4, -11.7)), (0.5, 0, (0, 0)), (1.6, 0, (0, 60)), (1.0, 20, (0, 0)),
    (0.8, -30, (30, 10)),
])  # fmt: skip
def test_landmarks_follow_the_picture(landmarks, scale, roll_deg, shift):
    image, matrix = moved(portrait(), scale, roll_deg, shift)
    face = max(detect_faces(image), key=lambda f: f.score)
    found, presence = find_landmarks_still(image, region_of_detection(face))
    error = np.linalg.norm(found[:, :2] - mapped(landmarks, matrix), axis=1) / eyes_px(found)
    assert presence > 0.9
    assert error.mean() < 0.012
    assert error[LIPS].mean() < 0.015


def test_still_landmarks_do_not_depend_on_where_the_search_began(landmarks):
    start = region_of_landmarks(landmarks)
    other = Region(start.x + 0.1 * start.side, start.y - 0.08 * start.side, 1.15 * start.side, 0.1)
    found, _ = find_landmarks_still(portrait(), other)
    error = np.linalg.norm((found - landmarks)[:, :2], axis=1) / eyes_px(landmarks)
    assert error.max() < 0.01


def test_region_maps_the_crop_centre_to_its_own():
    region = Region(120.0, 80.0, 300.0, 0.3)
    matrix = region.to_image()
    np.testing.assert_allclose(matrix @ [CROP_PX / 2, CROP_PX / 2, 1], [120, 80])
    corner = matrix @ [CROP_PX, CROP_PX / 2, 1]
    np.testing.assert_allclose(corner, [120 + 150 * np.cos(0.3), 80 + 150 * np.sin(0.3)])


def test_leash_lets_small_moves_pass_and_turns_the_short_way():
    region = Region(100.0, 100.0, 200.0, 3.1)
    assert leashed(region, Region(101.0, 99.0, 202.0, 3.11)) == region
    assert leashed(region, Region(112.0, 100.0, 200.0, 3.1)).x == pytest.approx(110)
    assert leashed(region, Region(100.0, 100.0, 200.0, -3.1)).angle > 3.1


def test_averaging_a_large_region_does_not_shift_it(landmarks):
    """The finely sampled crop of a large face is centred like the plain one of a small face."""
    plain, matrix = moved(portrait(), 4.0, size=(2048, 2048))
    region = region_of_landmarks(landmarks)
    x, y = mapped(np.array([[region.x, region.y]]), matrix)[0]
    large, _ = find_landmarks(plain, Region(x, y, 4 * region.side, region.angle))
    small, _ = find_landmarks(portrait(), region)
    shift = (large[:, :2] - mapped(small, matrix)).mean(0) / eyes_px(large)
    assert np.abs(shift).max() < 0.006


def test_no_presence_without_a_face():
    blank = np.full((200, 200, 3), 127, np.uint8)
    assert find_landmarks(blank, Region(100, 100, 150, 0))[1] < 0.5
