"""Smoothing: closed forms of the kernel, no lag, live filter.

pytest tests/test_face_smooth.py
"""

import numpy as np
import pytest

from enliven.face.smooth import OneEuro, smooth, smoothing_kernel


def test_kernel_at_25_fps_is_the_textbook_one():
    np.testing.assert_allclose(smoothing_kernel(25) * 35, [-3, 12, 17, 12, -3])


@pytest.mark.parametrize("fps", [12.5, 23.976, 25, 29.97, 50, 60, 120])
def test_parabolas_pass_unchanged(fps):
    kernel = smoothing_kernel(fps)
    i = np.arange(len(kernel)) - len(kernel) // 2
    moments = [(kernel * i**power).sum() for power in range(3)]
    np.testing.assert_allclose(moments, [1, 0, 0], atol=1e-9)
    np.testing.assert_allclose(kernel, kernel[::-1])  # symmetric: no lag


def test_kernel_covers_the_same_time_at_every_rate():
    assert len(smoothing_kernel(50)) // 2 == 2 * (len(smoothing_kernel(25)) // 2)


def test_straight_motion_is_kept_to_its_ends():
    line = np.linspace(3, 50, 20, dtype=np.float32)[:, None] * [[1.0, -2.0]]
    np.testing.assert_allclose(smooth(line.astype(np.float32), 25), line, atol=1e-4)


def test_constant_frames_come_out_identical():
    values = np.repeat(np.random.default_rng(0).normal(size=(1, 478, 3)), 12, 0).astype(np.float32)
    assert np.ptp(smooth(values, 25), axis=0).max() == 0


def test_white_noise_falls_by_the_norm_of_the_kernel():
    noise = np.random.default_rng(0).normal(size=(20000, 1)).astype(np.float32)
    expected = np.sqrt((smoothing_kernel(25) ** 2).sum())
    assert smooth(noise, 25).std() == pytest.approx(expected, rel=0.02)


def test_a_closure_of_three_frames_stays_closed():
    lips = np.ones((15, 1), np.float32)
    lips[6:9] = 0
    assert smooth(lips, 25)[7, 0] < 0.05


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_clips_shorter_than_the_kernel_pass(frames):
    values = np.ones((frames, 2), np.float32)
    assert smooth(values, 25).shape == (frames, 2)


def test_one_euro_rests_follows_and_settles():
    live = OneEuro()
    for i in range(5):
        np.testing.assert_array_equal(live(np.array([3.0, 4.0]), i / 25), [3, 4])
    after = [float(live(np.array([13.0, 4.0]), (5 + i) / 25)[0]) for i in range(60)]
    assert (np.diff(after) >= 0).all()
    assert after[-1] == pytest.approx(13, abs=0.01)


def test_one_euro_trembles_less_than_its_input_and_opens_with_speed():
    random = np.random.default_rng(0)
    live = OneEuro()
    noisy = random.normal(0, 1, 400)
    rested = np.array([live(np.array([v]), i / 25)[0] for i, v in enumerate(noisy)])
    assert rested[50:].std() < 0.6
    slow, fast = OneEuro(opening=0.0), OneEuro(opening=1.0)
    ramp = np.arange(50) * 2.0
    lag = [ramp[-1] - [f(np.array([v]), i / 25)[0] for i, v in enumerate(ramp)][-1]
           for f in (slow, fast)]  # fmt: skip
    assert lag[1] < 0.2 * lag[0]


def test_one_euro_refuses_time_that_stands_still():
    live = OneEuro()
    live(np.zeros(1), 1.0)
    with pytest.raises(ValueError, match="after"):
        live(np.zeros(1), 1.0)
