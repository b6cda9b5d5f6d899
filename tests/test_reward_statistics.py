"""Intervals, paired tests and their correction: pytest tests/test_reward_statistics.py"""

import math

import numpy as np
import pytest

from enliven.reward.statistics import ALL_SIGNS, estimate, holm, paired, sign_flip_p


def test_interval_of_a_mean_is_that_of_the_normal_for_many() -> None:
    values = np.random.default_rng(1).normal(3, 2, 4000)
    found = estimate(values)
    half = 1.96 * values.std(ddof=1) / math.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(found.mean - half, abs=0.1 * half)
    assert found.high == pytest.approx(found.mean + half, abs=0.1 * half)
    assert found.count == 4000


def test_interval_holds_the_mean_it_should_hold() -> None:
    rng = np.random.default_rng(2)
    found = [estimate(rng.normal(0, 1, 8), seed) for seed in range(200)]
    covered = np.mean([e.low <= 0 <= e.high for e in found])
    assert 0.88 <= covered <= 0.98  # 95% of a percentile bootstrap is a little less for so few


def test_interval_of_few() -> None:
    assert estimate([2.5]).mean == 2.5
    assert math.isnan(estimate([2.5]).low)
    assert math.isnan(estimate([]).mean)
    same = estimate([1.5, 1.5, np.nan, 1.5])
    assert (same.mean, same.low, same.high, same.count) == (1.5, 1.5, 1.5, 3)


def test_interval_is_the_same_every_time() -> None:
    values = np.random.default_rng(5).normal(size=30)
    assert estimate(values) == estimate(values)
    assert estimate(values, seed=1) != estimate(values, seed=2)


def test_p_of_differences_of_one_sign() -> None:
    for n in (1, 2, 5, ALL_SIGNS):
        gap = np.linspace(1, 2, n)
        assert sign_flip_p(gap) == pytest.approx(2 / 2**n)
        assert sign_flip_p(-gap) == pytest.approx(2 / 2**n)


def test_p_by_hand() -> None:
    # signs of 1, 2, 3 give sums 6, 0, 2, -4, 4, -2, 0, -6: four are at least 4 away, two 6
    assert sign_flip_p(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 / 8)
    assert sign_flip_p(np.array([-1.0, 2.0, 3.0])) == pytest.approx(4 / 8)
    assert sign_flip_p(np.array([1.0, 2.0, -3.0])) == 1


def test_p_without_differences() -> None:
    assert math.isnan(sign_flip_p(np.zeros(0)))
    assert sign_flip_p(np.zeros(5)) == 1
    assert sign_flip_p(np.array([0.0, 1.0, 2.0, 0.0])) == sign_flip_p(np.array([1.0, 2.0]))


def test_drawn_signs_agree_with_all_signs() -> None:
    rng = np.random.default_rng(3)
    gap = rng.normal(0.4, 1, ALL_SIGNS)
    split = np.concatenate([gap, np.full(30, 1e-7)])  # too many to try all, and as good as 0
    assert sign_flip_p(split) == pytest.approx(sign_flip_p(gap), abs=0.02)


def test_p_is_uniform_when_systems_are_alike() -> None:
    rng = np.random.default_rng(4)
    found = np.array([sign_flip_p(rng.normal(0, 1, 10)) for _ in range(300)])
    assert 0.02 <= (found <= 0.05).mean() <= 0.09
    assert found.mean() == pytest.approx(0.5, abs=0.06)


def test_paired() -> None:
    first = [1.0, 2.0, np.nan, 3.0, 4.0]
    second = [2.0, 2.0, 5.0, 5.0, 3.0]
    found = paired(first, second)
    assert found.difference.mean == pytest.approx(0.5)
    assert found.difference.count == 4
    assert found.wins == pytest.approx((2 + 0.5) / 4)
    assert paired(second, first).wins == pytest.approx(1 - found.wins)
    assert paired(second, first).p == pytest.approx(found.p)
    nothing = paired([np.nan], [1.0])
    assert math.isnan(nothing.p)
    assert math.isnan(nothing.wins)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([0.02]) == [0.02]
    with_nan = holm([0.01, math.nan, 0.2])
    assert with_nan[0] == pytest.approx(0.02)
    assert math.isnan(with_nan[1])
    assert holm([]) == []
