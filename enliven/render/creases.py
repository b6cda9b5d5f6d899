"""Folds of the skin: where they lie, what deepens them, and how they look on one photo.

A fold is a path over the average face.  Across it lies a valley, dark, and beside it the skin
that bulges, a little brighter.  Expressions deepen it from the depth it has in the photo; where
they go below that, what the photo shows of the fold is evened out instead.

Paths are in flattened coordinates: IOD around the cylinder that the face is close to, x to image
right and y down, origin as in head coordinates.  They are given for the image-left half of the
face, the person's right.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.warp import Grid
from enliven.types import EXPRESSION

RADIUS, AXIS = 0.95, 0.15  # of the cylinder, IOD; its axis lies this far behind the pivot
STEPS = 17  # points a path is resampled to
WIGGLE, WIGGLE_LENGTH = 0.006, 3.5  # IOD by which folds stray, and over how many of the points
UNEVEN = 0.3  # by how much their depth varies along the way
ONSET = 0.12  # activation below which the skin hardly folds yet
EVEN_OUT = (0.22, 0.34, 0.6)  # most log gain of each colour by which a photo's fold is hidden
DEEPEST = 1.4  # of a rough skin's folds, in parts of a grown-up's
HELD = 0.02  # depth from which a fold counts as being in the photo
LEAST_CHANGE = 1e-3  # of the depth of a fold that is drawn
REACH = 4.0  # widths of a fold at which it ends


@dataclass(frozen=True)
class Fold:
    """path: (x, y) IOD.  drive: channels without side -> share.

    width: of the valley, IOD.  depth: log gain of a grown-up's full fold.  ridge: brightness of
    the bulge in parts of the depth; it lies to the right of the path's direction, at `away`
    widths.  fine: 1 for lines that only a rough skin has, 0 for those of every face.
    joint: channels that have to act as well, at least a little.  middle: lies on the mid-line,
    so there is only one of it.
    """

    path: tuple[tuple[float, float], ...]
    drive: dict[str, float]
    width: float
    depth: float
    ridge: float = 0.35
    away: float = 2.2
    fine: float = 0.0
    joint: tuple[str, ...] = ()
    middle: bool = False


def flattened(points: NDArray) -> NDArray[np.float64]:
    """Head coordinates (..., 3) -> flattened coordinates (..., 2), IOD."""
    angle = np.arctan2(points[..., 0], AXIS - points[..., 2])
    return np.stack([RADIUS * angle, points[..., 1]], -1)


SMILE = {"mouthSmile": 0.75, "noseSneer": 0.5, "mouthUpperUp": 0.45, "cheekSquint": 0.3,
         "mouthStretch": 0.2, "mouthDimple": 0.35}  # fmt: skip
SQUINT = {"cheekSquint": 0.7, "eyeSquint": 0.45, "mouthSmile": 0.3, "eyeBlink": 0.15}
CHIN_UP = {"mouthShrugLower": 0.9, "mouthFrown": 0.3, "mouthPress": 0.3, "mouthRollLower": 0.2}
SNEER = {"noseSneer": 1.0, "mouthUpperUp": 0.3}

FOLDS = (
    # beside nose and mouth: soft shadow, crease within it, and the cheek that is pushed up
    Fold(((-0.18, -0.38), (-0.22, -0.29), (-0.28, -0.21), (-0.34, -0.11), (-0.38, 0.04)),
         SMILE, 0.034, 0.20),
    Fold(((-0.19, -0.36), (-0.225, -0.285), (-0.285, -0.205), (-0.34, -0.11), (-0.37, 0.0)),
         SMILE, 0.012, 0.14, 0.3, 2.0, 0.45),
    Fold(((-0.48, -0.46), (-0.38, -0.40)), {"mouthSmile": 0.6, "cheekSquint": 0.5},
         0.085, -0.07, 0.0),
    Fold(((-0.45, -0.2), (-0.49, -0.09), (-0.49, 0.02), (-0.46, 0.11)),
         {"mouthSmile": 0.8, "cheekSquint": 0.2}, 0.03, 0.07, 0.3, 2.2, 0.25),
    # corners of the mouth
    Fold(((-0.275, -0.01), (-0.298, 0.02), (-0.30, 0.05)),
         {"mouthSmile": 0.6, "mouthDimple": 1.0, "mouthPress": 0.6, "mouthFrown": 0.3,
          "mouthStretch": 0.4}, 0.02, 0.16, 0.25),
    Fold(((-0.265, 0.05), (-0.30, 0.12), (-0.325, 0.21)),
         {"mouthFrown": 1.0, "mouthShrugLower": 0.3, "mouthPress": 0.2}, 0.022, 0.15, 0.35, 2.2,
         0.2),
    # below the eye: the roll of the lid, its lower border, fine lines
    Fold(((-0.21, -0.685), (-0.29, -0.652), (-0.38, -0.652), (-0.47, -0.70)), SQUINT, 0.018, 0.12,
         0.5, 2.0),
    Fold(((-0.24, -0.628), (-0.35, -0.605), (-0.46, -0.635), (-0.52, -0.67)), SQUINT, 0.010, 0.08,
         0.5, 2.0, 0.7),
    Fold(((-0.44, -0.54), (-0.33, -0.55), (-0.24, -0.60), (-0.17, -0.68)),
         {"cheekSquint": 0.8, "mouthSmile": 0.3}, 0.03, 0.08),
    # crow's feet
    *(Fold(path, SQUINT, 0.011, depth, 0.5, 2.0, 0.35) for path, depth in (
        (((-0.535, -0.80), (-0.60, -0.855), (-0.645, -0.925)), 0.15),
        (((-0.54, -0.785), (-0.61, -0.805), (-0.69, -0.84)), 0.20),
        (((-0.545, -0.762), (-0.62, -0.752), (-0.70, -0.755)), 0.22),
        (((-0.54, -0.735), (-0.61, -0.705), (-0.685, -0.68)), 0.20),
        (((-0.52, -0.71), (-0.58, -0.665), (-0.64, -0.615)), 0.14))),
    # between the brows and on the nose
    Fold(((-0.075, -1.075), (-0.06, -0.99), (-0.058, -0.905)), {"browDown": 1.0}, 0.015, 0.20,
         0.4, 2.2, 0.2),
    Fold(((0.07, -0.815), (0.0, -0.795), (-0.07, -0.815)), {"browDown": 0.3, "noseSneer": 0.4},
         0.016, 0.15, 0.4, 2.2, 0.35, middle=True),
    Fold(((-0.035, -0.70), (-0.08, -0.665), (-0.125, -0.60)), SNEER, 0.012, 0.12, 0.4, 2.0, 0.4),
    Fold(((-0.04, -0.63), (-0.085, -0.59), (-0.12, -0.53)), SNEER, 0.012, 0.10, 0.4, 2.0, 0.4),
    Fold(((-0.125, -0.54), (-0.155, -0.46), (-0.19, -0.38), (-0.175, -0.31)), SNEER, 0.026, 0.17),
    # across the forehead, in the middle and towards the temples
    *(Fold(((-0.25, y), (-0.1, y + 0.01), (0.1, y + 0.01), (0.25, y)), {"browInnerUp": 1.0},
           0.014, depth, 0.5, 2.0, 0.45, middle=True)
      for y, depth in ((-1.13, 0.10), (-1.205, 0.14), (-1.285, 0.10))),
    *(Fold(((-0.46, y + 0.05), (-0.32, y - 0.01), (-0.2, y - 0.005), (-0.1, y + 0.01)),
           {"browOuterUp": 1.0}, 0.014, depth, 0.5, 2.0, 0.45)
      for y, depth in ((-1.14, 0.12), (-1.22, 0.12))),
    # chin: the fold below the lip, dimples of the raised pad
    Fold(((-0.17, 0.185), (-0.08, 0.215), (0.08, 0.215), (0.17, 0.185)),
         {"mouthShrugLower": 0.4, "mouthPress": 0.15, "mouthRollLower": 0.25, "mouthPucker": 0.2,
          "mouthFrown": 0.15}, 0.032, 0.15, 0.35, middle=True),
    *(Fold(((x - 0.012, y), (x + 0.012, y + 0.006)), CHIN_UP, 0.014, 0.10, 0.4, 2.0, 0.1)
      for x, y in ((-0.02, 0.37), (-0.075, 0.39), (-0.045, 0.43), (-0.11, 0.435), (-0.015, 0.475),
                   (-0.07, 0.485))),
    # above the lips that an old mouth purses
    *(Fold(((x, -0.165), (1.05 * x, -0.10)), {"mouthPucker": 0.9, "mouthFunnel": 0.2}, 0.009, 0.09,
           0.4, 2.0, 0.9) for x in (-0.03, -0.075, -0.12)),
)  # fmt: skip


@dataclass(frozen=True)
class Crease:
    """A fold on one photo: what it adds to log gain on a part of the grid.

    deepen: (r, c) at full depth.  even_out: (r, c, 3) what hides the depth it has in the photo,
    colour by colour, or None where it has none.
    """

    part: tuple[slice, slice]
    deepen: NDArray[np.float32]
    even_out: NDArray[np.float32] | None


@dataclass(frozen=True)
class Creases:
    """All folds of one photo.  drive: (K, 52).  rest: (K,) how deep they are in the photo."""

    creases: tuple[Crease, ...]
    drive: NDArray[np.float32]
    rest: NDArray[np.float32]

    def change(self, expression: NDArray) -> NDArray[np.float32]:
        """(K,) by how much an expression (52,), absolute, deepens the folds."""
        return folded(self.drive @ np.maximum(expression, 0)) - self.rest

    def deepen(self, log_gain: NDArray[np.float32], change: NDArray[np.float32]) -> None:
        """Adds to log gain (R, C) the folds that get deeper."""
        for k in np.flatnonzero(change > LEAST_CHANGE):
            crease = self.creases[k]
            log_gain[crease.part] += change[k] * crease.deepen

    def even_out(self, log_gain: NDArray[np.float32], change: NDArray[np.float32]) -> None:
        """Adds to log gain (R, C, 3) what hides the folds of the photo that get shallower."""
        for k in np.flatnonzero(change < -LEAST_CHANGE):
            crease = self.creases[k]
            if crease.even_out is not None:
                log_gain[crease.part] -= change[k] / self.rest[k] * crease.even_out


def folded(activation: NDArray) -> NDArray:
    """Depth of a fold: nothing at first, then with the activation, at most 1."""
    depth = activation * activation / (activation + ONSET + 1e-9)
    return depth / (1 + depth**4) ** 0.25


def lay_creases(places: NDArray[np.float32], grid: Grid, photo: NDArray[np.float32],
                skin: NDArray[np.float32], roughness: float, iod_px: float,
                rest: NDArray) -> Creases:  # fmt: skip
    """Folds of one photo on a grid of R rows and C columns.

    places: (R, C, 2) flattened coordinates.  photo: (R, C, 3) log colours.  skin: (R, C) 0 to 1.
    roughness: 0 for a child's skin, 1 for a grown-up's, more for an old one.
    rest: (52,) the expression in the photo.
    """
    random = np.random.default_rng(0)
    creases, drives = [], []
    step = float(np.mean(grid.step)) / iod_px
    for fold in FOLDS:
        path = _drawn_path(fold, random)
        uneven = 1 + UNEVEN * _noise(random)
        strength = min(roughness ** (0.4 + 2.2 * fold.fine), DEEPEST)
        for side in (1,) if fold.middle else (1, -1):
            drive = _drive(fold, side)
            held = float(folded(drive @ np.maximum(rest, 0)))
            crease = _crease(
                fold, path, uneven, places * np.array([side, 1], np.float32), photo, step, held
            )
            if crease is None:
                continue
            share = skin[crease.part]
            even_out = None if crease.even_out is None else share[..., None] * crease.even_out
            creases.append(
                Crease(crease.part, strength * fold.depth * share * crease.deepen, even_out)
            )
            drives.append(drive)
    matrix = np.array(drives, np.float32).reshape(-1, len(EXPRESSION))
    return Creases(tuple(creases), matrix, folded(matrix @ np.maximum(rest, 0)).astype(np.float32))


def _drive(fold: Fold, side: int) -> NDArray[np.float32]:
    """(52,) shares of the channels; side 1 is image left, the person's right."""
    drive = np.zeros(len(EXPRESSION), np.float32)
    names = ("Left", "Right") if fold.middle else ("Right",) if side > 0 else ("Left",)
    for name, share in fold.drive.items():
        for full in [name] if name in EXPRESSION else [name + end for end in names]:
            drive[EXPRESSION.index(full)] += share
    return drive


def _drawn_path(fold: Fold, random: np.random.Generator) -> NDArray[np.float64]:
    """(STEPS, 2): the path rounded off, straying a little as skin does."""
    corners = np.array(fold.path)
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))]
    at = np.linspace(0, length[-1], STEPS)
    path = np.column_stack([np.interp(at, length, corners[:, k]) for k in (0, 1)])
    ends = path[[0, -1]]
    path = cv2.GaussianBlur(path, (1, 7), 0, sigmaY=1.4, borderType=cv2.BORDER_REFLECT_101)
    path[[0, -1]] = ends
    stray = min(WIGGLE, fold.width / 3)
    return path + stray * np.column_stack([_noise(random), _noise(random)])


def _noise(random: np.random.Generator) -> NDArray[np.float64]:
    """(STEPS,) smooth, between -1 and 1."""
    noise = random.standard_normal((STEPS, 1))
    noise = cv2.GaussianBlur(noise, (1, 15), 0, sigmaY=WIGGLE_LENGTH / 2)[:, 0]
    return noise / np.abs(noise).max()


def _crease(fold: Fold, path: NDArray, uneven: NDArray, places: NDArray,
            photo: NDArray[np.float32], step: float, held: float) -> Crease | None:  # fmt: skip
    """The fold at depth 1, or None where the photo does not show its place.

    step: of the grid, IOD.  held: how deep the fold already is in the photo.
    """
    reach = fold.width * (REACH + fold.away * (fold.ridge > 0))
    x, y = places[..., 0], places[..., 1]
    (left, top), (right, bottom) = path.min(0) - reach, path.max(0) + reach
    near = (x > left) & (x < right) & (y > top) & (y < bottom)
    rows, columns = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
    if len(rows) < 2 or len(columns) < 2:
        return None
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    inside = near[part]
    across, along = _along(places[part][inside], path)
    taper = np.sin(np.pi * along) ** 0.7
    profile = np.interp(along, np.linspace(0, 1, STEPS), uneven) * taper
    width = max(fold.width, 1.1 * step)  # what the grid can show
    valley = np.exp(-((across / width) ** 2))
    ridge = fold.ridge * np.exp(-((across / width - fold.away) ** 2) / 1.6)
    deepen, even_out = np.zeros(inside.shape, np.float32), None
    deepen[inside] = profile * (ridge - valley) * (fold.width / width)
    if held > HELD and fold.depth > 0:
        dark = cv2.GaussianBlur(photo, (0, 0), 2.5 * width / step)
        dark -= cv2.GaussianBlur(photo, (0, 0), 0.4 * width / step)
        band = np.exp(-((across / (1.8 * width)) ** 2)) * taper
        even_out = np.zeros((*inside.shape, 3), np.float32)
        even_out[inside] = band[:, None] * np.clip(dark[part][inside], -0.05, EVEN_OUT)
    return Crease(part, deepen, even_out)


def _along(places: NDArray, path: NDArray) -> tuple[NDArray, NDArray]:
    """Of places (P, 2): distance (P,) from the path, positive to its right, and the share of
    its length, 0 to 1, where they are nearest to it."""
    start, pace = path[:-1].T.astype(np.float32), np.diff(path, axis=0).T.astype(np.float32)
    x, y = places[:, :1] - start[0], places[:, 1:] - start[1]
    share = np.clip((x * pace[0] + y * pace[1]) / (pace * pace).sum(0), 0, 1)
    distance = (x - share * pace[0]) ** 2 + (y - share * pace[1]) ** 2
    rows, best = np.arange(len(places)), distance.argmin(1)
    x, y, share = x[rows, best], y[rows, best], share[rows, best]
    sign = np.sign(pace[0, best] * y - pace[1, best] * x)
    return sign * np.sqrt(distance[rows, best]), (best + share) / len(pace[0])
