"""Movement of known numbers, measured: pytest tests/test_metrics_motion.py"""

import numpy as np
import pytest

from enliven.metrics import motion as m

FPS = 25.0


def seconds(duration: float) -> np.ndarray:
    return np.arange(round(duration * FPS)) / FPS


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_speed_of_a_constant_turn(axis: int) -> None:
    head = np.zeros((50, 3))
    head[:, axis] = np.radians(12.0) * np.arange(50) / FPS
    assert m.turning_speed(head, FPS) == pytest.approx(12.0)


def test_speed_of_a_tiny_turn_is_exact() -> None:
    head = np.zeros((3, 3))
    head[:, 1] = [0, 1e-7, 2e-7]
    assert m.turning_speed(head, FPS) == pytest.approx(np.degrees(1e-7) * FPS, rel=1e-6)


def test_degrees_have_the_signs_of_the_conventions() -> None:
    # rotation about +y (down) takes the face from -z (to the viewer) towards -x: image left
    assert m.head_degrees([[0, -0.1, 0]])[0] == pytest.approx([np.degrees(0.1), 0, 0])
    assert m.head_degrees([[0.1, 0, 0.2]])[0] == pytest.approx([0, *np.degrees([0.1, 0.2])])


@pytest.mark.parametrize(("hz", "band"), [(0.5, 0), (2.0, 1), (5.0, 2)])
def test_a_sinusoid_lies_in_its_band(hz: float, band: int) -> None:
    shares = m.power_shares(7 + np.sin(2 * np.pi * hz * seconds(20)), FPS)
    assert shares[band] > 0.999
    assert shares.sum() == pytest.approx(1)


def test_shares_of_two_sinusoids_are_their_powers() -> None:
    t = seconds(40)
    curve = 2 * np.sin(2 * np.pi * 0.5 * t) + np.sin(2 * np.pi * 2.0 * t)
    assert m.power_shares(curve, FPS) == pytest.approx([0.8, 0.2, 0], abs=1e-3)


def test_still_curves_have_no_spectrum_and_no_jerk() -> None:
    assert not m.power_shares(np.full(100, 3.0), FPS).any()
    assert np.isnan(m.log_jerk(np.full(100, 3.0), FPS))


def test_jerk_of_a_sinusoid() -> None:
    # D^3 / (a w)^2 * a^2 w^6 / 2 * D = (w D)^4 / 2, whatever the amplitude
    rate, hz = 500.0, 1.0
    t = np.arange(5000) / rate
    expected = np.log((2 * np.pi * hz * 2.0) ** 4 / 2)
    for size in (0.1, 30.0):
        curve = size * np.sin(2 * np.pi * hz * t)
        assert m.log_jerk(curve, rate) == pytest.approx(expected, abs=0.05)


def test_noise_is_rougher() -> None:
    t = seconds(20)
    curve = np.sin(2 * np.pi * 0.5 * t)
    noisy = curve + 0.02 * np.random.default_rng(0).standard_normal(len(t))
    assert m.log_jerk(noisy, FPS) > m.log_jerk(curve, FPS) + 1


def blink_train(every: float, duration: float, half: float, level: float = 0.1) -> np.ndarray:
    """Triangles to 1 that are at least half-way down for `half` seconds."""
    t = seconds(duration)
    nearest = (t + every / 2) % every - every / 2
    return level + (1 - level) * np.clip(1 - np.abs(nearest) / half, 0, 1)


@pytest.mark.parametrize("level", [0.0, 0.2])
def test_a_known_blink_train(level: float) -> None:
    blinks = m.find_blinks(blink_train(3.0, 61.0, 0.2, level), FPS)
    assert [b.peak for b in blinks] == [75 * k for k in range(1, 21)]
    assert np.mean([b.seconds for b in blinks]) == pytest.approx(0.2, abs=0.005)
    assert np.mean([b.depth for b in blinks]) == pytest.approx(1 - level, abs=0.01)


def test_squinting_and_long_closing_are_no_blinks() -> None:
    lids = np.zeros(250)
    lids[100:180] = 1.0
    assert m.find_blinks(lids, FPS) == []
    assert m.find_blinks(np.full(250, 0.6), FPS) == []
    assert m.find_blinks(0.1 * blink_train(3.0, 20.0, 0.2), FPS) == []


def test_syllables_are_found_where_they_are() -> None:
    t = seconds(10)
    loudness = -30 + 20 * np.cos(2 * np.pi * 2.0 * (t - 0.24))  # two a second
    peaks = m.syllable_peaks(loudness, FPS)
    inner = peaks[(peaks > 5) & (peaks < 240)]
    assert (np.abs((inner / FPS - 0.24) * 2 % 1 - 0.5) > 0.4).all()
    assert len(inner) == pytest.approx(19, abs=1)
    assert len(m.syllable_peaks(np.full(100, -20.0), FPS)) == 0


def test_alignment_is_the_ratio_near_and_far() -> None:
    speed = np.ones(200)
    peaks = np.array([20, 60, 100, 140])
    assert m.alignment(speed, peaks, FPS) == pytest.approx(1)
    for peak in peaks:
        speed[peak - 4 : peak + 5] = 3
    assert m.alignment(speed, peaks, FPS) == pytest.approx(3)
    assert np.isnan(m.alignment(speed, peaks[:0], FPS))


def test_coupling_finds_the_delay() -> None:
    other = np.random.default_rng(1).standard_normal(300)
    r, late = m.coupling(-np.roll(other, 3), other, FPS)
    assert r == pytest.approx(-1, abs=0.02)
    assert late == pytest.approx(3 / FPS)
    with_gaps = other.copy()
    with_gaps[::7] = np.nan
    assert m.coupling(other, with_gaps, FPS) == (pytest.approx(1), 0)


def test_gaze_jumps_are_counted_and_measured() -> None:
    gaze = np.zeros((1500, 2))
    for k in range(1, 10):
        gaze[150 * k : 150 * k + 40, 0] = np.radians(8)
    habits = m.gaze_habits(gaze, FPS)
    assert habits.shifts == pytest.approx(18)
    assert habits.jump_deg == pytest.approx(8)
    assert habits.ahead == pytest.approx(1 - 360 / 1500)


def test_difference_of_independent_performances_is_their_deviation() -> None:
    rng = np.random.default_rng(0)
    one, other = 5 + 2 * rng.standard_normal((2, 20000, 1))
    assert m.difference(one, one + 3) == pytest.approx(0)
    assert m.difference(one, other) == pytest.approx(2, rel=0.03)


def test_frame_noise_does_not_see_smooth_movement() -> None:
    t = seconds(60)
    smooth = 5 * np.sin(2 * np.pi * 0.4 * t)
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(t))
    assert m.frame_noise(smooth) < 0.01
    assert m.frame_noise(smooth + noise) == pytest.approx(0.1, rel=0.15)


def test_a_jump_at_joints_is_seen_only_there() -> None:
    rng = np.random.default_rng(0)
    curve = np.cumsum(rng.standard_normal((2000, 2)), 0)
    assert m.joint_jump(curve, 25) == pytest.approx(1, abs=0.12)
    jumping = curve.copy()
    for k in range(25, 2000, 25):
        jumping[k:] += 4
    assert m.joint_jump(jumping, 25) > 2
    assert m.joint_jump(jumping, 25, offset=10) < 1
