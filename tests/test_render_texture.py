"""Textures return their picture exactly, and between its pixels what cubic interpolation would."""

import cv2
import numpy as np
import pytest

from enliven.render import texture
from enliven.render.texture import make_texture


@pytest.fixture
def picture():
    noise = np.random.default_rng(0).uniform(0, 255, (40, 50, 4)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 1.5)


def places(picture, dx, dy):
    y, x = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float32)
    return np.dstack([x + np.float32(dx), y + np.float32(dy)])


def test_whole_pixels_come_back_bit_for_bit(picture):
    assert np.array_equal(make_texture(picture).at(places(picture, 0, 0)), picture)


@pytest.mark.parametrize(("dx", "dy"), [(0.5, 0), (0, 0.5), (0.5, 0.5)])
def test_half_way_it_is_cubic_interpolation(picture, dx, dy):
    source = places(picture, dx, dy)
    expected = cv2.remap(picture, source, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    assert np.allclose(
        make_texture(picture).at(source)[3:-3, 3:-3], expected[3:-3, 3:-3], atol=0.02
    )


def test_anywhere_it_is_near_cubic_and_sharper_than_linear(picture):
    source = places(picture, 0.31, 0.77)
    cubic, linear = (cv2.remap(picture, source, None, kind, borderMode=cv2.BORDER_REPLICATE)
                     for kind in (cv2.INTER_CUBIC, cv2.INTER_LINEAR))  # fmt: skip
    ours = make_texture(picture).at(source)
    inside = (slice(3, -3), slice(3, -3))
    assert np.abs(ours - cubic)[inside].mean() < 0.4 * np.abs(linear - cubic)[inside].mean()


def test_straight_ramps_stay_straight():
    y, x = np.mgrid[0:20, 0:30].astype(np.float32)
    ramp = np.dstack([3 * x + y, x - 2 * y, y])
    source = places(ramp, 0.4, 0.3)[4:-4, 4:-4]
    expected = np.dstack([3 * source[..., 0] + source[..., 1],
                          source[..., 0] - 2 * source[..., 1], source[..., 1]])  # fmt: skip
    assert np.allclose(make_texture(ramp).at(np.ascontiguousarray(source)), expected, atol=1e-3)


def test_large_pictures_are_read_as_they_are(picture, monkeypatch):
    monkeypatch.setattr(texture, "MOST_PIXELS", 100)
    made = make_texture(picture)
    assert made.fine is None
    assert np.array_equal(made.at(places(picture, 0, 0)), picture)
