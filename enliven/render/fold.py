"""The inverse of a sheet that folds over itself: what a viewer sees of it, without a z-buffer.

As the head turns, points move the further the nearer they are, all along one direction.  Going
through the photo in that direction nearer skin comes first and covers what is behind it, so a
running maximum of the new places leaves what is seen (the order of McMillan and Bishop,
"Head-tracked stereoscopic display using image warping", 1995).  What is hidden is not cut away
but pressed to a thin strip, which keeps the sheet whole and its outline smooth.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.geometry import vector_from_rotation
from enliven.render.warp import Grid

LEAST_SLOPE = 0.06  # hidden skin is pressed to this share of its width
SURE = 0.10  # radians of turn from which it is certain which side is in front
FAR_PX = 1e5  # the sheet goes on as it ends for this long


def turn_direction(rotation: NDArray, rest: NDArray) -> NDArray[np.float64]:
    """(2,) -1..1: which way across and down the image near points go as rest turns to rotation."""
    across, down, _ = vector_from_rotation(rotation @ rest.T)
    return np.clip(np.array([-down, across]) / SURE, -1, 1)


def invert_visible(displacement: NDArray[np.float32], source: Grid, target: Grid,
                   towards: NDArray) -> NDArray[np.float32]:  # fmt: skip
    """Backward displacement (R, C, 2) px on target: the nearest photo pixel shown at p is
    p + result(p).

    displacement: forward displacement on the source grid.  towards: see `turn_direction`.
    Lines of the sheet are inverted exactly, first along x, then along y (the two passes of
    Catmull and Smith 1980), so that steep places converge as well as flat ones.
    """
    xs, ys = source.points()[0, :, 0], source.points()[:, 0, 1]
    goal = target.points()
    from_x = _inverse(_seen(xs + displacement[..., 0], xs, towards[0]), xs, goal[0, :, 0])
    column = ((from_x - xs[0]) / source.step[0]).astype(np.float32)
    row = np.broadcast_to(np.arange(len(ys), dtype=np.float32)[:, None], column.shape)
    down = cv2.remap(displacement[..., 1], column, row, cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    seen = _seen(ys + down.T, ys, towards[1])
    from_y = _inverse(seen, ys, goal[:, 0, 1]).T
    row = ((from_y - ys[0]) / source.step[1]).astype(np.float32)
    column = np.broadcast_to(np.arange(row.shape[1], dtype=np.float32), row.shape)
    away = (from_x - goal[0, :, 0]).astype(np.float32)
    across = cv2.remap(away, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.dstack([across, (from_y - goal[..., 1]).astype(np.float32)])


def _seen(places: NDArray[np.float64], start: NDArray[np.float64], towards: float) -> NDArray:
    """Places (L, N) of lines that started at start (N,), rising by LEAST_SLOPE at least.

    towards 1: what comes first along a line hides what follows; -1 the reverse; 0 undecided.
    """
    least = LEAST_SLOPE * start
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
