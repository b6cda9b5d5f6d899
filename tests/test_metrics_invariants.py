"""What no measure of steadiness may get wrong: pytest tests/test_metrics_invariants.py"""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from stretch_made import head

from enliven.geometry import rotation_from_vector
from enliven.metrics import image, motion
from enliven.metrics.lips import head_shape

T = 200
TIME = np.arange(T, dtype=float)


def test_constant_velocity_has_no_jitter() -> None:
    line = 3 + np.outer(TIME, (0.7, -2.0))
    assert motion.frame_noise(line) == pytest.approx(0, abs=1e-9)
    assert image.flicker(line) == pytest.approx(0, abs=1e-9)


def test_constant_acceleration_has_no_jerk() -> None:
    fall = 3 + 0.5 * TIME - 0.02 * TIME**2
    assert motion.frame_noise(fall) == pytest.approx(0, abs=1e-9)
    # dimensionless jerk of 0; the floor of its logarithm is ln(1e-12)
    assert motion.log_jerk(fall, 25) < np.log(1e-10)
    # and its second difference is the acceleration
    assert image.flicker(fall) == pytest.approx(0.04 / np.sqrt(6), rel=1e-6)


@pytest.mark.parametrize("cycles", [0.0437, 0.131, 0.317])
def test_a_sinusoid_has_its_closed_form(cycles: float) -> None:
    # each difference multiplies the amplitude by 2 sin(pi f); the median of |sin| is 1 / sqrt(2)
    long = np.arange(20000)
    curve = 5.0 * np.sin(2 * np.pi * cycles * long)
    gain = 2 * np.sin(np.pi * cycles)
    third = 5 * gain**3 / np.sqrt(2)
    assert motion.frame_noise(curve) == pytest.approx(third / 0.6745 / np.sqrt(20), rel=0.01)
    assert image.flicker(curve) == pytest.approx(5 * gain**2 / np.sqrt(2 * 6), rel=0.01)


def test_jitter_takes_the_unit_of_its_curve() -> None:
    noise = np.random.default_rng(0).standard_normal((T, 3))
    for measure in (motion.frame_noise, image.flicker):
        assert measure(7 * noise) == pytest.approx(7 * measure(noise))
        assert measure(noise + 100) == pytest.approx(measure(noise))
        assert measure(noise + np.outer(TIME, (1, 2, 3))) == pytest.approx(measure(noise))


def test_jitter_of_a_face_is_free_of_place_size_and_turn() -> None:
    rng = np.random.default_rng(0)
    faces = head() + 0.004 * rng.standard_normal((40, 478, 3))
    there = head_shape(80 * faces + (200, 150, 0))
    turned = []
    for i, points in enumerate(faces):
        # a head that turns, walks and comes nearer
        turn = rotation_from_vector(np.array([0.1 * np.sin(i / 7), 0.01 * i, 0.02]))
        turned.append((60 + i) * points @ turn.T + (2.0 * i, 90 - i, 5))
    here = head_shape(np.array(turned))
    flat = [motion.frame_noise(shapes.reshape(40, -1)) for shapes in (there, here)]
    assert flat[0] == pytest.approx(flat[1], rel=0.01)
    assert here == pytest.approx(there, abs=0.01)
    # the same jitter on a face twice as large in the picture is the same
    assert motion.frame_noise(head_shape(160 * faces).reshape(40, -1)) == pytest.approx(flat[0])


def test_a_frozen_clip_is_the_steadiest_and_known_for_frozen() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (96, 160, 3)).astype(np.uint8)
    scene = cv2.GaussianBlur(noise, (0, 0), 3)
    scene = cv2.normalize(scene, None, 0, 255, cv2.NORM_MINMAX)
    moving = [scene[:, 3 * i : 3 * i + 96] for i in range(10)]
    frozen = [moving[0]] * 10

    def unsteadiness(frames: list[np.ndarray]) -> list[float]:
        light = [float(frame.mean()) for frame in frames]
        pairs = list(pairwise(frames))
        return [image.flicker(np.array(light)),
                float(np.mean([image.warped_error(*pair).error for pair in pairs]))]  # fmt: skip

    assert unsteadiness(frozen) == [0, 0]
    assert all(value > 0 for value in unsteadiness(moving))
    # so steadiness alone would choose it, and must be read beside this
    assert all(image.is_duplicate(a, b) for a, b in pairwise(frozen))
    assert not any(image.is_duplicate(a, b) for a, b in pairwise(moving))
    assert motion.frame_noise(np.tile(head().ravel(), (10, 1))) == 0
