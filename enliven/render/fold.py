"""The inverse of a sheet that folds over itself: what a viewer sees of it, without a z-buffer.

As the head turns, points move the further the nearer they are, all along one direction.  Going
through the photo in that direction nearer skin comes first and covers what is behind it, so a
running maximum of the new places leaves what is seen (the order of McMillan and Bishop,
"Head-tracked stereoscopic display using image warping", 1995).  What is hidden is not cut away
but pressed to a thin strip, which keeps the sheet whole and its outline smooth.
"""

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.warp import Grid

LEAST_SLOPE = 0.06  # hidden skin is pressed to this share of its width
FINER, PRESSED = 2, 3.0  # grid of outlines, where so many photo pixels share a drawn one
SURE = 0.10  # radians of turn from which it is certain which side is in front
FAR_PX = 1e5  # the sheet goes on as it ends for this long


def turn_direction(rotation: NDArray, rest: NDArray) -> NDArray[np.float64]:
    """(2,) -1..1: which way across and down the image near points go as rest turns to rotation."""
    turn = rotation @ rest.T
    # Rodrigues' formula read backwards; a head is never turned by half a circle
    axis = np.array([turn[0, 2] - turn[2, 0], turn[2, 1] - turn[1, 2], turn[1, 0] - turn[0, 1]]) / 2
    sine = math.hypot(*axis)
    angle = math.atan2(sine, (turn[0, 0] + turn[1, 1] + turn[2, 2] - 1) / 2)
    across, down = axis[:2] * (angle / max(sine, 1e-12)) / SURE
    return np.array([min(max(-across, -1.0), 1.0), min(max(down, -1.0), 1.0)])


def invert_visible(displacement: NDArray[np.float32], source: Grid, target: Grid,
                   towards: NDArray) -> NDArray[np.float32]:  # fmt: skip
    """Backward displacement (R, C, 2) px on target: the nearest photo pixel shown at p is
    p + result(p).

    displacement: forward displacement on the source grid.  towards: see `turn_direction`.
    Lines of the sheet are inverted exactly, first along x, then along y (the two passes of
    Catmull and Smith 1980), so that steep places converge as well as flat ones.
    """
    return _inverted(displacement, _lines(source), _lines(target), towards, LEAST_SLOPE)


def sharpen_outlines(source: NDArray[np.float32], displacement: NDArray[np.float32], grid: Grid,
                     back: NDArray[np.float32], towards: NDArray) -> None:  # fmt: skip
    """Find `source` again on a finer grid where skin hides skin; else a strip of it would show.

    source: (h, w, 2) photo px shown by the pixels of the grid, counted from its corner.
    back: (R, C, 2) px what `invert_visible` found for the displacement (R, C, 2).
    """
    if np.abs(towards).max() < 1:
        return
    pressed = cv2.absdiff(back[:, 1:, 0], back[:, :-1, 0]) > PRESSED * grid.step[0]
    pressed[:-1] |= cv2.absdiff(back[1:, :-1, 1], back[:-1, :-1, 1]) > PRESSED * grid.step[1]
    if not pressed.any():
        return
    rows, columns = np.flatnonzero(pressed.any(1)), np.flatnonzero(pressed.any(0))
    top, bottom = max(rows[0] - 2, 0), min(rows[-1] + 4, grid.rows)
    left, right = max(columns[0] - 2, 0), min(columns[-1] + 4, grid.columns)
    x0, x1 = (round(grid.x + c * grid.step[0]) for c in (left, right))
    y0, y1 = (round(grid.y + r * grid.step[1]) for r in (top, bottom))
    target = Grid.over((x0, y0, x1, y1), grid.step[0] / FINER)
    # the part of the sheet that is seen there
    part = grid.points()[top:bottom, left:right] + back[top:bottom, left:right]
    column, row = grid.to_cells(part.astype(np.float32))
    above, below = max(int(row.min()) - 3, 0), min(int(row.max()) + 5, grid.rows)
    before, after = max(int(column.min()) - 3, 0), min(int(column.max()) + 5, grid.columns)
    size = FINER * (after - before), FINER * (below - above)
    forward = cv2.resize(displacement[above:below, before:after], size,
                         interpolation=cv2.INTER_CUBIC)  # fmt: skip
    xs, ys = _lines(replace(grid, columns=FINER * grid.columns, rows=FINER * grid.rows))
    lines = xs[FINER * before : FINER * after], ys[FINER * above : FINER * below]
    found = _inverted(forward, lines, _lines(target), towards, LEAST_SLOPE / FINER)
    here = source[y0 - grid.y : y1 - grid.y, x0 - grid.x : x1 - grid.x]
    here[:] = target.to_pixels(found)
    here[..., 0] += np.arange(x0 - grid.x, x1 - grid.x, dtype=np.float32)
    here[..., 1] += np.arange(y0 - grid.y, y1 - grid.y, dtype=np.float32)[:, None]


def _lines(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x (C,) of the columns and y (R,) of the rows, px."""
    points = grid.points()
    return points[0, :, 0], points[:, 0, 1]


def _inverted(displacement: NDArray[np.float32], source: tuple[NDArray, NDArray],
              target: tuple[NDArray, NDArray], towards: NDArray,
              least_slope: float) -> NDArray[np.float32]:  # fmt: skip
    (xs, ys), (goal_x, goal_y) = source, target
    from_x = _inverse(_seen(xs + displacement[..., 0], xs, towards[0], least_slope), xs, goal_x)
    column = ((from_x - xs[0]) / (xs[1] - xs[0])).astype(np.float32)
    row = np.broadcast_to(np.arange(len(ys), dtype=np.float32)[:, None], column.shape)
    down = cv2.remap(displacement[..., 1], column, row, cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    from_y = _inverse(_seen(ys + down.T, ys, towards[1], least_slope), ys, goal_y).T
    row = ((from_y - ys[0]) / (ys[1] - ys[0])).astype(np.float32)
    column = np.broadcast_to(np.arange(row.shape[1], dtype=np.float32), row.shape)
    away = (from_x - goal_x).astype(np.float32)
    across = cv2.remap(away, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.dstack([across, (from_y - goal_y[:, None]).astype(np.float32)])


def _seen(places: NDArray[np.float64], start: NDArray[np.float64], towards: float,
          least_slope: float) -> NDArray:  # fmt: skip
    """Places (L, N) of lines that started at start (N,), rising by least_slope at least.

    towards 1: what comes first along a line hides what follows; -1 the reverse; 0 undecided.
    """
    least = least_slope * start
    places = places - least
    ahead = np.maximum.accumulate(places, axis=1)
    behind = np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1]
    return least + behind + (ahead - behind) * ((1 + towards) / 2)


def _inverse(places: NDArray[np.float64], start: NDArray[np.float64], wanted: NDArray[np.float64]
             ) -> NDArray[np.float64]:  # fmt: skip
    """Where on lines that rise from start (N,) to places (L, N) each of wanted (M,) is: (L, M)."""
    far = np.array([-FAR_PX, FAR_PX])
    knots = np.concatenate([places[:, :1] + far[0], places, places[:, -1:] + far[1]], axis=1)
    values = np.concatenate([start[:1] + far[0], start, start[-1:] + far[1]])
    # all lines laid end to end, so that one search serves them all
    shift = 4 * FAR_PX * np.arange(len(places))[:, None]
    found = np.interp((wanted + shift).ravel(), (knots + shift).ravel(),
                      np.tile(values, len(places)))  # fmt: skip
    return found.reshape(len(places), len(wanted))
