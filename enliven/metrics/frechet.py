"""Frechet distance of two sets of features, each seen as a Gaussian.

Dowson and Landau 1982: |m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2)) for means m and covariances A, B;
of Inception features it is the FID (Heusel et al. 2017), of video features the FVD (Unterthiner
et al. 2018).  Where the features come from is the caller's business.  In float64.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]


class Moments:
    """Count, mean and covariance of rows that come piece by piece; none is kept.

    Pieces are joined as Chan, Golub and LeVeque 1983 do, which loses nothing to a large mean.
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean = np.zeros(0)
        self._scatter = np.zeros((0, 0))

    def add(self, features: Features) -> None:
        """Rows (n, D), any n.  ValueError for another shape or D, and for values not finite."""
        rows = np.asarray(features, np.float64)
        if rows.ndim != 2 or (self.count and rows.shape[1] != len(self._mean)):
            expected = f"(n, {len(self._mean)})" if self.count else "(n, D)"
            raise ValueError(f"features have shape {rows.shape}; it must be {expected}")
        if not np.isfinite(rows).all():
            raise ValueError("features hold values that are not finite; leave those rows out")
        if not len(rows):
            return
        if not self.count:
            self._mean = np.zeros(rows.shape[1])
            self._scatter = np.zeros((rows.shape[1],) * 2)
        total = self.count + len(rows)
        mean = rows.mean(0)
        apart, rows = mean - self._mean, rows - mean
        self._scatter += rows.T @ rows + np.outer(apart, apart) * (self.count * len(rows) / total)
        self._mean = self._mean + apart * (len(rows) / total)
        self.count = total

    @property
    def mean(self) -> NDArray[np.float64]:
        """(D,); empty before the first row."""
        return self._mean

    @property
    def covariance(self) -> NDArray[np.float64]:
        """(D, D), unbiased: over count - 1; NaN for fewer than two rows."""
        if self.count < 2:
            return np.full_like(self._scatter, np.nan)
        return self._scatter / (self.count - 1)


@dataclass(frozen=True)
class FrechetDistance:
    """value: squared distance in the squared unit of the features; 0 or more, lower is nearer,
    NaN when a set has fewer than two rows.
    chance: what two sets of these sizes from one and the same Gaussian give on average, to first
    order in 1 / count; a value of this size tells no difference, and values of sets of other
    sizes do not compare until it is small beside them.
    enough: both sets have more rows than features.  Below that the covariances lack directions
    and neither number can be trusted."""

    value: float
    chance: float
    enough: bool


def frechet(features_a: Features, features_b: Features) -> FrechetDistance:
    """Distance of two sets of rows (n, D) and (m, D).  ValueError as of `Moments.add`."""
    a, b = Moments(), Moments()
    a.add(features_a)
    b.add(features_b)
    return frechet_of_moments(a, b)


def frechet_of_moments(a: Moments, b: Moments) -> FrechetDistance:
    """Distance of two sets that were added up.  ValueError when D differs."""
    if min(a.count, b.count) < 2:
        return FrechetDistance(float("nan"), float("nan"), False)
    if len(a.mean) != len(b.mean):
        raise ValueError(f"features of {len(a.mean)} and {len(b.mean)} numbers do not compare")
    # tr (A B)^(1/2) is the sum of the singular values of A^(1/2) B^(1/2): nothing is squared, and
    # a covariance without full rank does no harm
    cross = np.linalg.svd(_root(a.covariance) @ _root(b.covariance), compute_uv=False).sum()
    shift = np.square(a.mean - b.mean).sum()
    value = shift + np.trace(a.covariance) + np.trace(b.covariance) - 2 * cross
    return FrechetDistance(
        value=float(max(value, 0.0)),
        chance=_chance(a, b),
        enough=min(a.count, b.count) > len(a.mean),
    )


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Symmetric square root; eigenvalues that rounding made negative count as 0."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _chance(a: Moments, b: Moments) -> float:
    """Mean distance of two sets from the Gaussian of both covariances' mean.

    Near equal covariances of eigenvalues l the distance is sum_ij d_ij^2 / (2 (l_i + l_j)) of
    their difference d, and Wishart's variance of an entry is l_i l_j (1 + [i = j]) / (count - 1).
    """
    weights = np.array([a.count - 1, b.count - 1], float)
    pooled = (weights[0] * a.covariance + weights[1] * b.covariance) / weights.sum()
    values = np.maximum(np.linalg.eigvalsh(pooled), 0)
    sums = values[:, None] + values
    pairs = np.divide(values[:, None] * values, sums, out=np.zeros_like(sums), where=sums > 0)
    means = (1 / a.count + 1 / b.count) * values.sum()
    return float(means + (1 / weights).sum() * (pairs.sum() + np.trace(pairs)) / 2)
