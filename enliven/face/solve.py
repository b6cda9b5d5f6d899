"""Many small least-squares problems with bounds, all at once."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def bounded_least_squares(
    gram: Array, target: Array, high: float = 1.0, tolerance: float = 1e-6, sweeps: int = 500
) -> Array:
    """argmin over 0 <= x <= high of x G x / 2 - b x, for each row b of target.

    gram: (C, C) symmetric, positive definite; target: (T, C); returns (T, C).
    Cyclic coordinate descent (each step is exact, so the cost never rises), all rows abreast;
    stops when no coefficient moves by more than `tolerance` in a sweep.
    """
    x = np.zeros_like(target.T)
    slope = -target.T.astype(np.float64)  # gradient, kept up to date
    for _ in range(sweeps):
        largest = 0.0
        for j in range(len(gram)):
            step = np.clip(x[j] - slope[j] / gram[j, j], 0, high) - x[j]
            if step.any():
                x[j] += step
                slope += gram[j][:, None] * step
                largest = max(largest, float(np.abs(step).max()))
        if largest <= tolerance:
            break
    return x.T
