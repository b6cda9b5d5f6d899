"""A head followed by its pixels: pytest tests/test_metrics_steadiness.py"""

import cv2
import numpy as np
import pytest

from enliven.face.head_model import load_head
from enliven.metrics.steadiness import Steps, head_steps

SIDE, EYES = 160, 50.0


def mesh() -> np.ndarray:
    """Landmarks (478, 3) px of the average head in the middle of a picture."""
    mean = load_head().mean
    eyes = np.linalg.norm(mean[33] - mean[263])
    points = (mean - mean[[33, 263]].mean(0)) * (EYES / eyes)
    points[:, :2] += SIDE / 2
    return points.astype(np.float32)


def filmed(shifts: np.ndarray, light: np.ndarray | None = None, box: np.ndarray | None = None):
    """Steps of a picture (smooth noise) that is moved by shifts (T, 2) px, landmarks with it."""
    noise = np.random.default_rng(0).uniform(0, 255, (SIDE, SIDE, 3)).astype(np.float32)
    picture = cv2.GaussianBlur(noise, (0, 0), 4)
    picture = (picture - picture.mean()) * 6 + 120
    hz, frames = np.fft.fftfreq(SIDE), []
    for i, (x, y) in enumerate(shifts):
        turn = np.exp(-2j * np.pi * (hz[:, None] * y + hz[None] * x))  # an exact shift
        moved = np.fft.ifft2(np.fft.fft2(picture, axes=(0, 1)) * turn[..., None], axes=(0, 1)).real
        frames.append(moved * (1 if light is None else light[i]))
    faces = np.stack(frames).clip(0, 255).astype(np.uint8)
    landmarks = np.stack([mesh() + np.float32([x, y, 0]) for x, y in shifts])
    if box is None:
        box = np.tile(np.float32([0, 0, 1]), (len(faces), 1))
    return faces, landmarks, box


def steps(*arguments) -> Steps:
    return head_steps(*filmed(*arguments))


def test_shifts_are_told_to_a_fraction_of_a_pixel():
    shifts = np.cumsum(np.random.default_rng(1).uniform(-0.6, 0.6, (8, 2)), 0)
    found = steps(shifts)
    assert np.abs(found.shift * EYES - np.diff(shifts, axis=0)).max() < 0.07
    assert np.abs(found.turn).max() < 0.002
    assert np.abs(found.light).max() < 0.01


def test_light_is_told_from_movement():
    light = np.array([1, 1.05, 0.97, 1, 1.1])
    found = steps(np.zeros((5, 2)), light)
    assert np.allclose(found.light, np.diff(np.log(light)), atol=0.01)
    assert np.abs(found.shift).max() * EYES < 0.05


def test_landmarks_that_err_do_not_matter():
    faces, landmarks, box = filmed(np.zeros((6, 2)))
    landmarks = landmarks + np.random.default_rng(2).normal(0, 0.5, (6, 1, 3)).astype(np.float32)
    assert np.abs(head_steps(faces, landmarks, box).shift).max() * EYES < 0.05


def test_a_box_that_moves_is_no_movement():
    faces, landmarks, box = filmed(np.zeros((4, 2)))
    # the video stays, the box moves on by 3 px, and its contents the other way
    faces[2:] = np.roll(faces[2:], (-3, -3), (1, 2))
    box[2:, :2] = 3
    found = head_steps(faces, landmarks, box)
    assert np.abs(found.shift).max() * EYES < 0.05
    assert np.isnan(found.change[1])
    assert found.change[0] == 0


def test_missing_faces_are_unknown():
    faces, landmarks, box = filmed(np.zeros((5, 2)))
    landmarks[2] = np.nan
    found = head_steps(faces, landmarks, box)
    assert np.isnan(found.shift[1:3]).all()
    assert np.isfinite(found.shift[[0, 3]]).all()
    assert np.isnan(head_steps(faces, np.full_like(landmarks, np.nan), box).shift).all()


@pytest.mark.parametrize("count", [1, 2])
def test_short_stretches_have_their_shapes(count):
    found = steps(np.zeros((count, 2)))
    assert found.shift.shape == (count - 1, 2)
    assert found.colour.shape == (count, 3)
