"""The person's matte: the network's part on the example, the filter on pictures made up.

pytest tests/test_face_segment.py
"""

import numpy as np
import pytest
from face_samples import eyes_px, moved, portrait

from enliven.face.segment import (
    _feather,
    _one_person,
    _rows_of_enlarged,
    _windows,
    guided,
    person_mask,
)
from enliven.face.track import track_image


@pytest.fixture(scope="module")
def found():
    landmarks, _ = track_image(portrait())
    return landmarks, person_mask(portrait(), landmarks)


def test_face_is_inside_and_corners_are_outside(found):
    landmarks, mask = found
    x, y = np.round(landmarks[:, :2]).astype(int).T
    assert mask.shape == portrait().shape[:2]
    assert mask.dtype == np.uint8
    assert np.quantile(mask[y, x], 0.02) > 200  # a point of the cheek may lie beyond its edge
    assert mask[:20, :20].max() < 30


def test_matte_is_decided_but_for_a_narrow_edge(found):
    mask = found[1]
    assert ((mask > 10) & (mask < 245)).mean() < 0.06


def test_matte_follows_the_picture(found):
    landmarks, mask = found
    image, matrix = moved(portrait(), 1.0, shift=(-40, 25))
    other, _ = track_image(image)
    shifted = np.roll(person_mask(image, other), (-25, 40), axis=(0, 1))[60:-60, 60:-60]
    difference = np.abs(shifted.astype(int) - mask[60:-60, 60:-60])
    assert (difference > 128).mean() < 0.02
    assert eyes_px(other) == pytest.approx(eyes_px(landmarks), rel=0.02)
    np.testing.assert_allclose(matrix[:, 2], [-40, 25], atol=1e-9)


def test_guided_filter_moves_a_rough_edge_onto_the_photo_edge():
    """A straight colour edge at column 50, a mask that believes in 46: the filter corrects it."""
    photo = np.full((80, 100, 3), 40, np.uint8)
    photo[:, 50:] = (200, 180, 90)
    rough = np.zeros((80, 100), np.float32)
    rough[:, 46:] = 1
    matte = guided(photo, rough, 12, photo)
    # columns 46 to 49 look like the background around them
    assert matte[40, 46:50].max() < 128
    assert matte[40, 50:].min() > 128
    # where the whole window is of one kind nothing changes
    assert matte[40, :25].max() == 0
    assert matte[40, 75:].min() == 255


def test_guided_filter_works_at_the_size_of_the_full_photo():
    photo = np.full((2000, 300, 3), 40, np.uint8)  # several strips
    photo[:, 160:] = 220
    rough = np.zeros((500, 75), np.float32)
    rough[:, 40:] = 1
    matte = guided(np.ascontiguousarray(photo[::4, ::4]), rough, 6, photo)
    assert matte.shape == (2000, 300)
    assert matte[:, :150].max() == 0
    assert matte[:, 170:].min() == 255
    # every strip alike, so no seams
    assert np.ptp(matte.astype(int), axis=0).max() <= 1


def test_enlarging_in_strips_equals_enlarging_at_once():
    planes = np.random.default_rng(0).random((20, 30, 4)).astype(np.float32)
    whole = _rows_of_enlarged(planes, (95, 71), 0, 71)
    strips = [_rows_of_enlarged(planes, (95, 71), top, min(71, top + 16))
              for top in range(0, 71, 16)]  # fmt: skip
    np.testing.assert_allclose(np.concatenate(strips), whole, atol=1e-3)


def test_only_what_hangs_together_with_the_face_is_kept():
    share = np.zeros((200, 200), np.float32)
    share[60:200, 60:140] = 1  # the person
    share[150:160, 90:100] = 0  # a pinhole in the shirt
    share[20:50, 160:190] = 1  # somebody else
    points = np.array([[80, 80], [120, 80], [120, 120], [80, 120]], float)
    kept = _one_person(share, points, 40.0)
    assert kept[100, 100] == 1
    assert kept[155, 95] == 1
    assert kept[35, 175] == 0


def test_windows_stay_in_the_photo_and_are_left_out_when_they_would_be_all_of_it():
    assert _windows((500, 500), np.array([250.0, 250.0]), 200.0) == [(0, 0, 500, 500)]
    windows = _windows((1000, 800), np.array([50.0, 60.0]), 40.0)
    assert windows[0] == (0, 0, 1000, 800)
    assert len(windows) == 3
    for left, top, right, bottom in windows:
        assert 0 <= left < right <= 1000
        assert 0 <= top < bottom <= 800


def test_feather_falls_only_at_inner_borders():
    weight = _feather((0, 10, 40, 100), (100, 100))
    assert weight[-1, 0] == 1  # left and lower edges are the photo's
    assert weight[0].max() == 0
    assert weight[:, -1].max() == 0
