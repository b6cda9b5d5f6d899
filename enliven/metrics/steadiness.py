"""How a head moves from frame to frame by its own pixels, finer than landmarks can tell.

The upper face is registered with itself a frame later: shift, turn, size and light that explain
the change best in the least squares, by Gauss-Newton steps from where the landmarks say it went
(Lucas & Kanade 1981, "An iterative image registration technique"; light as in Hager & Belhumeur
1998, "Efficient region tracking with parametric models of geometry and illumination").

Legend: T frames.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.geometry import OUTER_EYE_CORNERS, RIGID

Array = NDArray[np.float64]

EYES_PX = 40.0  # eye distance at which heads are compared; finer grain is noise
REACH_IOD = (0.62, 0.5)  # deviation of the weight about the middle of the rigid points: x, y
STEPS = 2  # of Gauss-Newton
MIDDLE_LEVEL = 128.0
RIGID_POINTS = list(RIGID)


@dataclass(frozen=True)
class Steps:
    """From each frame to the next, (T - 1, ...); NaN where the face is missing.

    shift: (.., 2) of the middle of the upper face, IOD.  turn: rad.  size: log of the factor.
    light: log of the factor on brightness.
    change: mean absolute difference of the pixels as they stand, grey levels.
    colour: (T, 3), log of the mean level of R, G and B of the upper face in each frame.
    detail: (T,), log of the energy of its finest detail over that of all its detail.
    """

    shift: Array
    turn: Array
    size: Array
    light: Array
    change: Array
    colour: Array
    detail: Array


def head_steps(faces: NDArray[np.uint8], landmarks: NDArray, box: NDArray) -> Steps:
    """Steps of the head in `faces`, (T, side, side, 3), with landmarks (T, 478, 3) px of the
    video and the boxes (T, 3) the heads were cut from: see `metrics.watch.Stretch`."""
    count = len(faces)
    found = np.isfinite(landmarks).all((1, 2))
    table = np.full((max(0, count - 1), 6), np.nan)
    colour, detail = np.full((count, 3), np.nan), np.full(count, np.nan)
    if found.any():
        points = (landmarks[:, RIGID_POINTS, :2] - box[:, None, :2]) * box[:, None, 2:]
        left, right = (landmarks[:, k, :2] * box[:, 2:] for k in OUTER_EYE_CORNERS)
        eyes = max(1.0, float(np.nanmedian(np.linalg.norm(right - left, axis=1))))
        scale = min(1.0, EYES_PX / eyes)
        points, eyes = points * scale, eyes * scale
        before = None
        for i in range(count):
            if not found[i]:
                before = None
                continue
            middle = points[i].mean(0)
            small = _small(faces[i], scale)
            grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
            colour[i], detail[i] = _look(small, grey, middle, eyes)
            if before is not None:
                guess = points[i].mean(0) - points[i - 1].mean(0)
                # a box that moves moves its contents by as much as the landmarks say
                table[i - 1] = _registered(before, grey, points[i - 1].mean(0), guess, eyes)
            before = grey
        moved = np.zeros(count)
        if count > 1:
            jump = (box[1:, :2] - box[:-1, :2]) * box[1:, 2:] * scale
            table[:, :2] = (table[:, :2] + jump) / eyes
            moved = np.abs(jump).sum(1)
            table[moved > 0, 5] = np.nan
    return Steps(table[:, :2], table[:, 2], table[:, 3], table[:, 4], table[:, 5], colour, detail)


def _small(face: NDArray[np.uint8], scale: float) -> NDArray[np.float32]:
    side = max(8, round(face.shape[0] * scale))
    shown = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA) if scale < 1 else face
    return np.asarray(shown, np.float32)


def _weight(shape: tuple[int, ...], middle: Array, eyes: float) -> NDArray[np.float32]:
    x = (np.arange(shape[1]) - middle[0]) / (REACH_IOD[0] * eyes)
    y = (np.arange(shape[0]) - middle[1]) / (REACH_IOD[1] * eyes)
    weight = np.exp(-0.5 * y * y)[:, None] * np.exp(-0.5 * x * x)[None]
    return (weight * (weight > 0.1)).astype(np.float32)


def _look(
    small: NDArray[np.float32], grey: NDArray[np.float32], middle: Array, eyes: float
) -> tuple[Array, float]:
    """Log of the mean colour and of the share of the finest detail, around the middle."""
    weight = _weight(grey.shape, middle, eyes)
    total = max(float(weight.sum()), 1e-6)
    mean = (small * weight[..., None]).sum((0, 1)) / total
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.0)
    coarse = grey - cv2.GaussianBlur(grey, (0, 0), 4.0)
    power = [float((weight * part * part).sum()) / total for part in (fine, coarse)]
    return np.log(mean + 2.0), float(np.log((power[0] + 0.05) / (power[1] + 0.05)))


def _registered(
    one: NDArray[np.float32], two: NDArray[np.float32], middle: Array, guess: Array, eyes: float
) -> Array:
    """Shift x, y px, turn rad, log size, log light from `one` to `two`, and the mean difference."""
    weight = _weight(one.shape, middle, eyes)
    if not weight.any():
        return np.full(6, np.nan)
    tall, wide = np.flatnonzero(weight.any(1)), np.flatnonzero(weight.any(0))
    rows, columns = slice(tall[0], tall[-1] + 1), slice(wide[0], wide[-1] + 1)
    change = float((weight * np.abs(two - one)).sum() / weight.sum())
    patch, share = one[rows, columns], weight[rows, columns]
    y, x = np.mgrid[rows, columns].astype(np.float32)
    x, y = x - np.float32(middle[0]), y - np.float32(middle[1])
    found = np.array([guess[0], guess[1], 0.0, 0.0, 0.0])
    bias = 0.0
    for _ in range(STEPS):
        c, s = np.exp(found[3]) * np.cos(found[2]), np.exp(found[3]) * np.sin(found[2])
        there_x = (c * x - s * y + middle[0] + found[0]).astype(np.float32)
        there_y = (s * x + c * y + middle[1] + found[1]).astype(np.float32)
        seen = cv2.remap(two, there_x, there_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        slope_x, slope_y = np.gradient(seen, axis=1), np.gradient(seen, axis=0)
        expected = np.exp(found[4]) * (patch - MIDDLE_LEVEL) + bias + MIDDLE_LEVEL
        slopes = np.stack([
            slope_x, slope_y, slope_y * x - slope_x * y, slope_x * x + slope_y * y,
            -(patch - MIDDLE_LEVEL), -np.ones_like(patch),
        ], -1).reshape(-1, 6).astype(np.float64)  # fmt: skip
        w = share.reshape(-1, 1)
        error = (expected - seen).reshape(-1)
        normal = (slopes * w).T @ slopes
        normal[np.diag_indices(6)] += 1e-6 * np.trace(normal) / 6 + 1e-9
        step = np.linalg.solve(normal, (slopes * w).T @ error)
        found += step[:5]
        bias += step[5]
    # what light does to the middle level is told by both factor and offset
    mean = float((share * patch).sum() / share.sum())
    bright = np.exp(found[4]) * (mean - MIDDLE_LEVEL) + bias + MIDDLE_LEVEL
    light = np.log(max(bright, 1.0) / max(mean, 1.0))
    return np.array([found[0], found[1], found[2], found[3], light, change])
