"""What the photo's border cuts off of a person and a motion brings into view."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

PACE = 0.4  # beyond the border the person goes on as in a mirror, drawn out by 1 / PACE
DOME = 0.5  # height over half-width of the part of a head that the upper border cuts off
SOFT_PX = 2.0
SPARSE_PX = 8  # motion is smooth enough to look at every so many pixels first

Piece = tuple[tuple[slice, slice], NDArray[np.float32]]


@dataclass(frozen=True)
class Beyond:
    """How far the person goes on beyond each border of the region, px: 0 where none is cut.

    left, right: (h,).  top, bottom: (w,).
    """

    left: NDArray[np.float32]
    top: NDArray[np.float32]
    right: NDArray[np.float32]
    bottom: NDArray[np.float32]


def measure_cuts(alpha: NDArray[np.float32]) -> Beyond:
    """From the person's matte (h, w), 0 to 1, in the region.

    Shoulders go on for ever; over a head whose top is cut off closes a dome.
    """
    endless = np.float32(1e6)
    edges = (alpha[:, 0], alpha[:, -1], alpha[-1])
    left, right, bottom = (np.where(edge > 0.5, endless, 0).astype(np.float32) for edge in edges)
    top = np.zeros(alpha.shape[1], np.float32)
    inside = np.concatenate([[0], alpha[0] > 0.5, [0]]).astype(np.int8)
    starts, ends = np.flatnonzero(np.diff(inside) > 0), np.flatnonzero(np.diff(inside) < 0)
    for start, end in zip(starts, ends, strict=True):
        half = (end - start) / 2
        x = (np.arange(start, end) + 0.5 - start - half) / half
        top[start:end] = DOME * half * np.sqrt(1 - x * x)
    return Beyond(left, top, right, bottom)


def fold_back(source: NDArray[np.float32], beyond: Beyond) -> list[Piece]:
    """Move what lies beyond the borders of source (h, w, 2), px, back into the picture.

    Returns the pieces of the region that this concerns, each with the share (rows, columns) of
    the person that is left there, 1 inside.
    """
    height, width = source.shape[:2]
    pieces: list[Piece] = []
    sides = ((0, 0, beyond.left, height), (0, width - 1, beyond.right, height),
             (1, 0, beyond.top, width), (1, height - 1, beyond.bottom, width))  # fmt: skip
    for axis, border, limits, length in sides:
        if not limits.any():  # nobody goes on there
            continue
        sign = 1 if border else -1
        where = _box(sign * (source[::SPARSE_PX, ::SPARSE_PX, axis] - border) > -SPARSE_PX)
        if where is None:
            continue
        part = source[where]
        past = sign * (part[..., axis] - border)
        out = np.nonzero(past > 0)
        if not len(out[0]):
            continue
        distance = past[out]
        along, index = part[..., 1 - axis][out], np.arange(length)
        part[..., axis][out] = abs(border - PACE * distance)
        # between two pixels of the border: all of a level shoulder passes there at once
        reach = np.interp(along, index, limits)
        goes_on = np.interp(along, index, limits > 0)
        left = np.clip((reach - distance) / SOFT_PX + 0.5, 0, 1)
        ends = np.clip(1 - distance, 0, 1)
        shown = np.ones(past.shape, np.float32)
        shown[out] = ends + goes_on * (left - ends)
        pieces.append((where, shown))
    return pieces


def _box(near: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """Rows and columns of the pixels around those of every SPARSE_PX-th that are near."""
    index = [np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))]
    if not len(index[0]):
        return None
    rows, columns = (
        slice(max(0, int(i[0]) - 1) * SPARSE_PX, (int(i[-1]) + 2) * SPARSE_PX) for i in index
    )
    return rows, columns


def faded(drawn: NDArray[np.float32], pieces: list[Piece]) -> NDArray[np.float32]:
    """Premultiplied colours and alpha (h, w, 4), multiplied in place by what pieces show."""
    for where, shown in pieces:
        drawn[where] = cv2.multiply(drawn[where], cv2.merge([shown] * 4))
    return drawn
