"""How sure a comparison is: intervals of means, paired tests, and their correction.

Scores of one clip by two systems are compared with each other, never with another clip's, so
that a hard clip is hard for both.  Legend: n clips.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
DRAWS = 10_000  # of the bootstrap, and of the test where not all signs can be tried
SEED = 0
ALL_SIGNS = 14  # up to so many differing pairs every one of the 2^n signs is tried
ROUNDING = 1e-9  # sums this near the observed one count as equal to it


@dataclass(frozen=True)
class Estimate:
    """A mean and its interval; NaN where it cannot be told: the mean of none, the interval of
    fewer than two.  count: how many values it is from."""

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Paired:
    """Two systems on the same clips.

    difference: of the second less the first, mean and interval.  p: of the two-sided test that
    clips prefer neither, NaN without a pair.  wins: share of clips on which the second has the
    higher value, ties half; NaN without a pair.
    """

    difference: Estimate
    p: float
    wins: float


def estimate(values: ArrayLike, seed: int = SEED) -> Estimate:
    """Mean of values (n,) with its bootstrap interval (Efron 1979, percentile); NaN left out.

    Resampled deviations are widened by sqrt(n / (n - 1)): a sample spreads less than what it
    was drawn from, which matters for the few clips such comparisons have.
    """
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    n = len(known)
    if n < 2:
        return Estimate(float(known[0]) if n else np.nan, np.nan, np.nan, n)
    mean = float(known.mean())
    rng = np.random.default_rng(seed)
    means = known[rng.integers(0, n, (DRAWS, n))].mean(1)
    spread = (np.quantile(means, ((1 - LEVEL) / 2, (1 + LEVEL) / 2)) - mean) * np.sqrt(n / (n - 1))
    return Estimate(mean, mean + float(spread[0]), mean + float(spread[1]), n)


def paired(first: ArrayLike, second: ArrayLike, seed: int = SEED) -> Paired:
    """Compare values (n,) of two systems on the same n clips; pairs with a NaN are left out."""
    gap = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    gap = gap[np.isfinite(gap)]
    wins = float((np.sign(gap) + 1).mean() / 2) if len(gap) else np.nan
    return Paired(estimate(gap, seed), sign_flip_p(gap, seed), wins)


def sign_flip_p(gap: NDArray[np.float64], seed: int = SEED) -> float:
    """Two-sided p of Fisher's paired permutation test (1935) on differences (n,), without NaN.

    If neither system is better each difference could as well have the other sign: p is the share
    of all signs for which the sum is at least as far from 0 as it is.  Exact up to ALL_SIGNS
    differences that are not 0; beyond, by so many random signs, (1 + found) / (1 + drawn), which
    cannot be 0 (Phipson and Smyth 2010).  NaN for no differences, 1 when all are 0.
    """
    if not len(gap):
        return float("nan")
    moved = np.abs(gap[gap != 0])
    if not len(moved):
        return 1.0
    least = abs(float(gap.sum())) - ROUNDING * float(moved.sum())
    if len(moved) <= ALL_SIGNS:
        # the other half are these with all signs turned
        others = len(moved) - 1
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=others)))
        sums = moved[0] + signs.reshape(2**others, others) @ moved[1:]
        return float((np.abs(sums) >= least).mean())
    rng = np.random.default_rng(seed)
    signs = rng.choice((-1.0, 1.0), (DRAWS, len(moved)))
    return float((1 + np.count_nonzero(np.abs(signs @ moved) >= least)) / (1 + DRAWS))


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected for being several (Holm 1979), in their order; NaN stays and does not
    count.  The smallest of m is multiplied by m, the next by m - 1, never below one before it."""
    order = sorted((i for i, value in enumerate(p) if not np.isnan(value)), key=lambda i: p[i])
    corrected, floor = [float("nan")] * len(p), 0.0
    for rank, i in enumerate(order):
        floor = max(floor, min(1.0, (len(order) - rank) * p[i]))
        corrected[i] = floor
    return corrected
