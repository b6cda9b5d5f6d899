"""Framing, matting and filling."""

import numpy as np
import pytest

from enliven.render.fill import fill_hole
from enliven.render.layers import push_pull
from enliven.render.matte import cut_layers
from enliven.render.mesh import FACE_OVAL, MOUTH, interpolation, outline, slit_frame


def test_layers_add_up_to_the_photo_exactly():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, 80, 3), np.uint8)
    mask = np.zeros((60, 80), np.uint8)
    mask[15:50, 20:60] = 255
    mask[14, 20:60] = 128
    layers = cut_layers(image, mask, 40.0)
    seen = layers.person[..., :3] + (1 - layers.person[..., 3:]) * layers.background
    assert np.array_equal(np.rint(seen).astype(np.uint8), image)


def test_background_away_from_the_person_is_untouched():
    image = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 30:50] = 255
    background = cut_layers(image, mask, 40.0).background
    assert np.array_equal(background[:10], image[:10])


def test_no_rim_of_the_person_stays_behind():
    """A soft outline that the mask cuts too close, as lenses and codecs make it."""
    y, x = np.mgrid[0:160, 0:200]
    away = np.hypot(x - 100, y - 80) - 40
    share = np.clip(0.5 - away / 8, 0, 1)[..., None]
    image = np.rint(210 - 180 * share).astype(np.uint8) * np.ones(3, np.uint8)
    mask = np.where(away < -1, 255, 0).astype(np.uint8)
    layers = cut_layers(image, mask, 100.0)
    assert layers.background[np.abs(away) < 5].min() > 195
    assert np.array_equal(layers.background[away > 32], image[away > 32])
    seen = layers.person[..., :3] + (1 - layers.person[..., 3:]) * layers.background
    assert np.array_equal(np.rint(seen).astype(np.uint8), image)


def test_nobody_there_leaves_the_photo():
    image = np.random.default_rng(6).integers(0, 256, (40, 50, 3), np.uint8)
    layers = cut_layers(image, np.zeros((40, 50), np.uint8), 20.0)
    assert not layers.person.any()
    assert np.array_equal(layers.background, image)


def test_fill_continues_a_gradient():
    ramp = np.broadcast_to(np.linspace(40, 200, 96)[None, :, None], (96, 96, 3)).astype(np.uint8)
    hole = np.zeros((96, 96), np.uint8)
    hole[30:66, 30:66] = 1
    filled = fill_hole(ramp, hole, 40.0).astype(float)
    assert np.abs(filled - ramp)[hole > 0].mean() < 12


def test_push_pull_keeps_what_is_known_and_constant_fields():
    known = (np.random.default_rng(2).random((33, 47)) > 0.7).astype(np.float32)
    image = np.full((33, 47, 2), (3.0, -2.0), np.float32)
    assert push_pull(image * known[..., None], known) == pytest.approx(image, abs=1e-4)


def test_interpolation_is_exact_for_linear_fields():
    vertices = np.zeros((478, 2))
    corners = [13, 14, 17, 0]  # none of them on the oval
    vertices[corners] = [[0, 0], [10, 0], [10, 10], [0, 10]]
    angles = np.linspace(0, 2 * np.pi, len(FACE_OVAL), endpoint=False)
    points = np.random.default_rng(3).random((50, 2)) * 10
    vertices[list(FACE_OVAL)] = 5 + 50 * np.column_stack([np.cos(angles), np.sin(angles)])
    weights = interpolation(points, vertices, np.array([[13, 14, 17], [13, 17, 0]]))
    assert weights(vertices @ [[2.0], [3.0]])[:, 0] == pytest.approx(points @ [2.0, 3.0], abs=1e-4)


def test_outline_of_a_square():
    square = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])
    edge = outline(np.array([[3.0, -2.0], [1.0, 2.0], [6.0, 4.0]]), square)
    assert edge.distance == pytest.approx([2.0, 0.0, 2.0])
    assert (edge.segment[0], edge.share[0]) == (0, 0.75)


def test_slit_frame_meets_at_the_corners_and_round_trips():
    landmarks = np.random.default_rng(4).random((478, 2))
    landmarks[list(MOUTH.upper)] = np.column_stack(
        [np.linspace(10, 30, 11), 20 - np.sin(np.linspace(0, np.pi, 11))]
    )
    landmarks[list(MOUTH.lower)] = np.column_stack(
        [np.linspace(10, 30, 11), 20 + np.sin(np.linspace(0, np.pi, 11))]
    )
    frame = slit_frame(MOUTH, landmarks)
    upper, lower = frame.rims(np.array([-10.0, 0.0, 10.0, 25.0]))
    assert lower - upper == pytest.approx([0, 2, 0, 0], abs=0.02)
    points = np.random.default_rng(5).random((7, 2))
    assert frame.to_image(frame.to_local(points)) == pytest.approx(points)
