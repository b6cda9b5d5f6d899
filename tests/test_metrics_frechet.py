"""Gaussians whose distance is known: pytest tests/test_metrics_frechet.py"""

import numpy as np
import pytest

from enliven.metrics.frechet import Moments, frechet, frechet_of_moments


def samples(covariance: np.ndarray, mean: float = 0.0, n: int = 64, seed: int = 0) -> np.ndarray:
    """Rows (n, D) whose mean and unbiased covariance are exactly these."""
    rows = np.random.default_rng(seed).normal(size=(n, len(covariance)))
    rows -= rows.mean(0)
    rows = rows @ np.linalg.inv(np.linalg.cholesky(np.cov(rows.T))).T
    return rows @ np.linalg.cholesky(covariance).T + mean


def rotation(size: int, seed: int = 5) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def spread(variances: list[float]) -> np.ndarray:
    turn = rotation(len(variances))
    return turn @ np.diag(variances) @ turn.T


def test_a_set_is_at_no_distance_from_itself() -> None:
    rows = samples(spread([4.0, 1.0, 0.01, 1e-8]))
    assert frechet(rows, rows).value == pytest.approx(0, abs=1e-12)
    assert frechet(rows, rows[::-1]).value == pytest.approx(0, abs=1e-12)


def test_a_shift_of_the_mean_is_its_square() -> None:
    rows, shift = samples(spread([4.0, 1.0, 0.25])), np.array([3.0, -4.0, 12.0])
    assert frechet(rows, rows + shift).value == pytest.approx(169, rel=1e-12)
    # nothing is lost to a mean a million times the deviation
    assert frechet(rows + 1e6, rows + 1e6 + shift).value == pytest.approx(169, rel=1e-8)


def test_covariances_with_common_axes() -> None:
    a, b = [9.0, 4.0, 1.0, 0.0625], [1.0, 4.0, 16.0, 0.25]
    expected = ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    found = frechet(samples(spread(a)), samples(spread(b), mean=0.5, seed=1)).value
    assert found == pytest.approx(expected + 4 * 0.25, rel=1e-10)


def test_covariances_without_common_axes() -> None:
    # two by two: tr (A B)^(1/2) = sqrt(tr(A B) + 2 sqrt(det(A B)))
    a, b = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([[1.0, -0.7], [-0.7, 3.0]])
    cross = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a @ b)))
    found = frechet(samples(a), samples(b, seed=1)).value
    assert found == pytest.approx(3 + 4 - 2 * cross, rel=1e-10)


def test_symmetric_and_blind_to_rotation() -> None:
    a, b = samples(spread([3.0, 2.0, 1.0])), samples(np.diag([1.0, 5.0, 0.1]), 0.3, seed=2)
    there, turn = frechet(a, b), rotation(3, seed=9)
    assert frechet(b, a).value == pytest.approx(there.value, rel=1e-12)
    assert frechet(b, a).chance == pytest.approx(there.chance, rel=1e-12)
    assert frechet(a @ turn, b @ turn).value == pytest.approx(there.value, rel=1e-10)
    assert frechet(3 * a, 3 * b).value == pytest.approx(9 * there.value, rel=1e-10)


def test_without_full_rank_the_distance_is_still_right() -> None:
    # the two sets vary along different axes only: nothing cancels
    a, b = np.zeros((64, 3)), np.zeros((64, 3))
    a[:, 0], b[:, 1] = (samples(np.eye(2) * v)[:, 0] for v in (4.0, 9.0))
    assert frechet(a, b).value == pytest.approx(13, rel=1e-12)


@pytest.mark.parametrize("sizes", [(1000,), (1, 999), (250, 0, 1, 749), (1,) * 1000])
def test_piece_by_piece_is_all_at_once(sizes: tuple[int, ...]) -> None:
    rows = np.random.default_rng(0).normal(size=(1000, 5)) * [1, 10, 1e-3, 1, 1] + 1e5
    moments = Moments()
    for piece in np.split(rows, np.cumsum(sizes)[:-1]):
        moments.add(piece)
    assert moments.count == 1000
    assert moments.mean == pytest.approx(rows.mean(0), rel=1e-14)
    scale = np.sqrt(np.outer(rows.var(0), rows.var(0)))
    assert moments.covariance / scale == pytest.approx(np.cov(rows.T) / scale, abs=1e-7)


def test_single_precision_is_added_up_in_double() -> None:
    rows = np.random.default_rng(3).normal(size=(500, 4)).astype(np.float32)
    moments = Moments()
    for piece in np.array_split(rows, 7):
        moments.add(piece)
    assert moments.covariance == pytest.approx(np.cov(rows.astype(float).T), rel=1e-12)


@pytest.mark.parametrize("variances", [[1.0] * 8, [100.0, 9.0, 1.0, 1.0, 0.1, 0.01]])
def test_chance_is_what_one_gaussian_gives(variances: list[float]) -> None:
    rng, deviations = np.random.default_rng(1), np.sqrt(variances)
    found = [
        frechet(*(rng.normal(size=(n, len(variances))) * deviations for n in (400, 250)))
        for _ in range(150)
    ]
    assert all(f.enough for f in found)
    ratio = np.mean([f.value for f in found]) / np.mean([f.chance for f in found])
    assert ratio == pytest.approx(1, abs=0.1)


def test_says_when_there_are_too_few() -> None:
    rows = np.random.default_rng(2).normal(size=(9, 8))
    assert frechet(rows, rows).enough
    assert not frechet(rows[:8], rows).enough
    assert not frechet(rows, rows[:8]).enough
    one = frechet(rows[:1], rows)
    assert np.isnan(one.value)
    assert not one.enough
    assert np.isnan(frechet_of_moments(Moments(), Moments()).value)


def test_what_cannot_be_compared() -> None:
    rows = np.zeros((5, 3))
    with pytest.raises(ValueError, match="3 and 2"):
        frechet(rows, rows[:, :2])
    with pytest.raises(ValueError, match="finite"):
        frechet(rows, rows * np.nan)
    with pytest.raises(ValueError, match="shape"):
        frechet(rows, rows[0])
    moments = Moments()
    moments.add(rows)
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        moments.add(rows[:, :2])
