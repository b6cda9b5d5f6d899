"""What lips do, measured on tracked landmarks, and how well two lip motions agree.

All lengths are in IOD and free of head pose: each frame is first fitted by a similarity onto
the average head at points that hardly move with expression.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enliven.face.head import load_head
from enliven.geometry import OUTER_EYE_CORNERS, RIGID, similarity

Array = NDArray[np.floating]

# Facing points (upper, lower) of the inner contour, at the middle and halfway to each side.
INNER_GAPS = ((13, 14), (82, 87), (312, 317))
OUTER_GAPS = ((0, 17), (37, 84), (267, 314))
MOUTH_CORNERS = (61, 291)
MIDDLE_OF_LIPS = (0, 17, 13, 14)
CHIN = 152


@dataclass(frozen=True)
class LipMeasures:
    """Each (T,), IOD; NaN where the face was not found.

    aperture: mean of three gaps between the inner lips, 0 when closed.
    height: the same between the outer edges of the lips.
    width: distance of the corners.
    protrusion: how far the middle of the lips stands before the corners.
    chin: how far the chin is below the eyes.
    """

    aperture: Array
    height: Array
    width: Array
    protrusion: Array
    chin: Array


def head_shape(landmarks: Array) -> NDArray[np.float64]:
    """Landmarks (T, 478, 3) px -> the same points in head axes, IOD, freed of pose and scale."""
    mean = load_head().mean
    target = mean[list(RIGID)]
    shapes = np.full(landmarks.shape, np.nan)
    for shape, points in zip(shapes, np.asarray(landmarks, np.float64), strict=True):
        if np.isfinite(points).all():
            scale, rotation, shift = similarity(points[list(RIGID)], target)
            shape[:] = scale * points @ rotation.T + shift
    left, right = OUTER_EYE_CORNERS
    # the fit fixes the size of the whole rigid part; lengths are told in eye distances
    eyes = np.linalg.norm(shapes[:, left] - shapes[:, right], axis=-1)
    return shapes / np.nanmedian(eyes) if np.isfinite(eyes).any() else shapes


def measure_shape(shapes: Array) -> LipMeasures:
    """Lip measures of points in head axes, (T, 478, 3) IOD."""

    def gap(pairs: tuple[tuple[int, int], ...]) -> Array:
        upper, lower = np.array(pairs).T
        return (shapes[:, lower, 1] - shapes[:, upper, 1]).mean(1)

    left, right = MOUTH_CORNERS
    corners = shapes[:, list(MOUTH_CORNERS)]
    return LipMeasures(
        aperture=gap(INNER_GAPS),
        height=gap(OUTER_GAPS),
        width=np.linalg.norm(shapes[:, right] - shapes[:, left], axis=-1),
        protrusion=corners[:, :, 2].mean(1) - shapes[:, list(MIDDLE_OF_LIPS), 2].mean(1),
        chin=shapes[:, CHIN, 1] - shapes[:, list(OUTER_EYE_CORNERS), 1].mean(1),
    )


def lip_measures(landmarks: Array) -> LipMeasures:
    """Lip measures of tracked landmarks, (T, 478, 3) px; NaN rows where the face was lost."""
    return measure_shape(head_shape(landmarks))


def correlation(a: Array, b: Array) -> float:
    """Pearson correlation of two signals (T,) where both are finite; 0 if either is constant."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both] - a[both].mean(), b[both] - b[both].mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 1e-12 else 0.0


def best_lag(reference: Array, signal: Array, limit: int) -> tuple[int, float]:
    """Frames by which `signal` comes after `reference`, at most `limit`, and the correlation."""
    count = min(len(reference), len(signal))
    scores = {}
    for lag in range(-limit, limit + 1):
        low, high = max(0, -lag), min(count, count - lag)
        scores[lag] = correlation(reference[low:high], signal[low + lag : high + lag])
    lag = max(scores, key=lambda k: (scores[k], -abs(k)))
    return lag, scores[lag]
