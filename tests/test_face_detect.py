"""Detection: the example portrait small, large, in a corner, twice; and where there is no face.

pytest tests/test_face_detect.py
"""

import cv2
import numpy as np
import pytest
from face_samples import moved, portrait

from enliven.face.detect import (
    DetectedFace,
    detect_faces,
    detect_near,
    detect_small_faces,
    merge_overlapping,
    overlap,
)


def test_box_and_keypoints_are_where_the_face_is():
    (face,) = detect_faces(portrait())
    left, top, right, bottom = face.box
    eye_left, eye_right, nose, mouth = face.keypoints[:4]
    assert face.score > 0.8
    assert (face.keypoints[:4] > [left, top]).all()
    assert (face.keypoints[:4] < [right, bottom]).all()
    assert eye_left[0] < nose[0] < eye_right[0]
    assert eye_left[1] < nose[1] < mouth[1]


@pytest.mark.parametrize("scale", [0.15, 0.3, 1.0, 2.5])
def test_box_scales_and_shifts_with_the_picture(scale):
    (face,) = detect_faces(portrait())
    image, matrix = moved(portrait(), scale, shift=(100, -60), size=(1280, 960))
    found = max(detect_faces(image) or detect_small_faces(image), key=lambda f: f.score)
    expected = np.concatenate([matrix[:, :2] @ face.box[i : i + 2] + matrix[:, 2] for i in (0, 2)])
    assert overlap(found.box, expected[None])[0] > 0.6


def test_a_head_of_a_fortieth_of_a_large_photo_is_found():
    small, _ = moved(portrait(), 0.3, size=(154, 154))
    image = np.full((2000, 3000, 3), 128, np.uint8)
    image[1500:1654, 2600:2754] = small
    assert detect_faces(image) == []
    (face,) = detect_small_faces(image)
    middle = (face.box[:2] + face.box[2:]) / 2
    assert 2600 < middle[0] < 2754
    assert 1500 < middle[1] < 1654
    assert face.size_px < 3000 / 40


def test_several_faces_come_largest_first():
    image = np.full((512, 1100, 3), 90, np.uint8)
    image[:, :512] = portrait()
    image[:400, 600:1000] = cv2.resize(portrait(), (400, 400), interpolation=cv2.INTER_AREA)
    faces = detect_faces(image)
    assert [round(f.box[0] / 600) for f in faces] == [0, 1]
    assert faces[0].size_px > faces[1].size_px


def test_no_face_where_there_is_none():
    y, x = np.mgrid[:300, :400]
    gradient = np.dstack([x / 2, y / 2, x / 4 + y / 4]).astype(np.uint8)
    for image in (np.zeros_like(gradient), gradient):
        assert detect_faces(image) == []
        assert detect_small_faces(image) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 900, 3), (900, 2, 3)])
def test_odd_shapes_do_no_harm(shape):
    assert detect_faces(np.zeros(shape, np.uint8)) == []
    assert detect_small_faces(np.zeros(shape, np.uint8)) == []


def test_near_search_sees_only_its_window():
    (face,) = detect_faces(portrait())
    x, y = (face.box[:2] + face.box[2:]) / 2
    assert len(detect_near(portrait(), x, y, 3 * face.size_px)) == 1
    assert detect_near(portrait(), 40, 400, 60) == []


def test_merging_keeps_the_best_score_and_averages_by_score():
    def face(left, score):
        box = np.array([left, 0, left + 10, 10], float)
        return DetectedFace(box, np.zeros((6, 2)), score)

    merged = merge_overlapping([face(1, 0.6), face(0, 0.9), face(50, 0.7)])
    assert [f.score for f in merged] == [0.9, 0.7]
    assert merged[0].box[0] == pytest.approx(0.6 / 1.5)
    assert overlap(face(0, 1).box, face(5, 1).box[None]) == pytest.approx(1 / 3)


def test_same_picture_same_result():
    first, second = detect_faces(portrait()), detect_faces(portrait())
    assert first[0].box.tobytes() == second[0].box.tobytes()
