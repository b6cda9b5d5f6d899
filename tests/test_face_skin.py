"""Landmarks that slid over the skin are brought back; nothing else is touched."""

import numpy as np
import pytest

from enliven.face.skin import SIDE, SkinReference, layout
from enliven.media.image import read_image


@pytest.fixture(scope="module")
def face(portrait_jpg, face_networks):
    from enliven.face.track import track_image

    image = read_image(portrait_jpg).pixels
    return image, track_image(image)[0]


def test_thin_plate_spline_carries_straight_maps_exactly():
    cut = layout()
    nodes = (np.stack(np.meshgrid(np.arange(32), np.arange(32)), -1).reshape(-1, 2) + 0.5) * (
        SIDE / 32
    ) - 0.5
    matrix, shift = np.array([[1.5, 0.3], [-0.2, 0.8]]), np.array([40.0, 7.0])
    carried = cut.unroll @ (cut.places[:468] @ matrix + shift)
    assert np.allclose(carried, nodes @ matrix + shift, atol=0.02)


def test_the_same_frame_keeps_its_landmarks_exactly(face):
    image, landmarks = face
    assert np.array_equal(SkinReference(image, landmarks).corrected(image, landmarks), landmarks)


def test_slid_landmarks_come_back(face):
    image, landmarks = face
    iod = np.linalg.norm(landmarks[33, :2] - landmarks[263, :2])
    skin = layout().share > 0.9
    slid = landmarks.copy()
    slid[skin, 0] += 0.03 * iod
    found = SkinReference(image, landmarks).corrected(image, slid)
    before = np.linalg.norm((slid - landmarks)[skin, :2], axis=1)
    after = np.linalg.norm((found - landmarks)[skin, :2], axis=1)
    assert np.median(after) < 0.35 * np.median(before)
    assert np.array_equal(found[:, 2], landmarks[:, 2])


def test_lips_lids_and_irises_are_left_alone(face):
    image, landmarks = face
    slid = landmarks.copy()
    slid[:, 0] += 3
    found = SkinReference(image, landmarks).corrected(image, slid)
    edges = [13, 14, 78, 308, 159, 386, 468, 473]
    assert np.allclose(found[edges], slid[edges], atol=1e-3)


def test_another_picture_corrects_nothing(face):
    image, landmarks = face
    noise = np.random.default_rng(0).integers(0, 255, image.shape).astype(np.uint8)
    assert np.array_equal(SkinReference(noise, landmarks).corrected(image, landmarks), landmarks)
