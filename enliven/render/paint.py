"""What changes on skin that does not move: folds, and the light on it as it bends and turns.

All of it is one gain for each pixel of the photo, painted before the photo is bent, so that it
travels with the skin and multiplies whatever texture is there: pores, brush strokes, marble.
It adds up, in log gain, from three parts:

    light     first-order light of the photo on the mesh, bent and turned         `light`
    shades    soft shading by expression, learned from recordings                 `shades.npz`
    creases   folds, as deep as this skin folds                                   `creases`

Light and shades live on a coarse grid, creases on a finer one.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.creases import Creases, flattened, lay_creases
from enliven.render.face import Face, smooth_step
from enliven.render.light import DISPLAY_GAMMA, LUMA, Light, Painted, estimate_light, normals_of
from enliven.render.mesh import (
    FACE_OVAL,
    LEFT_EYE,
    LOWER_LIP_OUTER,
    RIGHT_EYE,
    UPPER_LIP_OUTER,
    Interpolation,
    interpolation,
    skin_triangles,
)
from enliven.render.warp import Grid

COARSE, FINE = 0.05, 0.012  # grid steps, IOD
SAME_TURN = 1e-9  # rounding of a rotation that is none
MARGIN = 0.22  # IOD that the painting reaches past the face, fading out
LIGHT_STRENGTH, LIGHT_LIMIT = 1.0, 0.35  # share of the fitted change of light, most log gain of it
SHADE_STRENGTH, SHADE_LIMIT = 0.9, 0.22
SHADE_BOX = (-1.05, -1.55, 1.05, 0.75)  # x0, y0, x1, y1 of the learned maps, flattened IOD
STUDIO = 0.15  # how much brighter skin is that looks up by 30 degrees than down, log, where the
STUDIO_RANGE = (0.3, 1.2)  # shades were learned; elsewhere they count in proportion, within this
BEND = 0.5  # of a full expression, where its effect on the normals is measured
TONE = (0.86, 1.04, 1.14)  # log gain of red, green, blue where a photo does not tell: skin ...
TONE_RANGE = 0.25  # ... in shade is redder; by how much the photo may depart from that
TONE_TRUST = 0.006  # variance of log brightness that says half as much as the rule
WHITE = 245.0  # brightest channel that light on skin may reach
LIPS = UPPER_LIP_OUTER + LOWER_LIP_OUTER
CHEEKS = (205, 425, 50, 280, 101, 330, 195)  # landmarks on clear skin
SKIN_CHROMA, SKIN_BRIGHTNESS = 14.0, 0.75  # departure, in Lab units and log, of what is skin
SMOOTH_AREAS = ((108, 337, 336, 107), (117, 118, 101, 205, 187, 123), (228, 229, 230, 119, 118),
                (346, 347, 330, 425, 411, 352), (448, 449, 450, 348, 347))  # fmt: skip
ADULT = 0.013  # fine contrast (log) of a grown-up's skin in a sharp photo
FLAT, SHADED = 0.009, 0.02  # broad contrast (log) of a flat drawing and of a face in some light


@dataclass(frozen=True)
class Paint:
    """The painting of one photo.

    fine, coarse: grids over the face.  normals: (r, c, 3) of the skin in the photo, camera axes,
    on the coarse grid; bend: (52, r * c * 3) how channels change them.  shades: (52, r * c).
    fade: (r, c) 0 to 1.  room: (r, c) log gain by which light may rise before skin is white.
    tone: (3,) log gain of the colours for one of brightness.
    """

    fine: Grid
    coarse: Grid
    light: Light
    normals: NDArray[np.float32]
    bend: NDArray[np.float32]
    shades: NDArray[np.float32]
    fade: NDArray[np.float32]
    room: NDArray[np.float32]
    creases: Creases
    tone: NDArray[np.float32]
    rest: NDArray[np.float32]

    def gain(self, weights: NDArray, turn: NDArray) -> NDArray[np.float32] | None:
        """(h, w, 4) on the pixels of the grid, 1 for alpha; None where nothing changes.

        weights: (52,) change of expression from the photo; turn: (3, 3) rotation from it.
        """
        if not weights.any() and np.abs(turn - np.eye(3)).max() < SAME_TURN:
            return None
        weights = weights.astype(np.float32)
        shape = self.fade.shape
        normals = self.normals + (weights @ self.bend).reshape(*shape, 3)
        normals /= np.sqrt(np.einsum("rci,rci->rc", normals, normals))[..., None]
        before = self.light.received(self.normals)
        after = self.light.received(normals @ turn.T.astype(np.float32))
        lit = (LIGHT_STRENGTH / DISPLAY_GAMMA) * np.log(after / before)
        shade = SHADE_LIMIT * np.tanh((weights @ self.shades).reshape(shape) / SHADE_LIMIT)
        lit = np.minimum(np.clip(lit, -LIGHT_LIMIT, LIGHT_LIMIT), self.room)
        log_gain = (lit + shade) * self.fade
        log_gain = cv2.resize(log_gain, (self.fine.columns, self.fine.rows),
                              interpolation=cv2.INTER_LINEAR)  # fmt: skip
        change = self.creases.change(self.rest + weights)
        self.creases.deepen(log_gain, change)
        toned = cv2.merge([log_gain * tone for tone in self.tone])
        self.creases.even_out(toned, change)
        return self.fine.to_pixels(cv2.cvtColor(cv2.exp(toned), cv2.COLOR_RGB2RGBA))

    def painted(self, weights: NDArray, turn: NDArray) -> Painted | None:
        """The gain of a frame and where it lies; None where nothing changes."""
        gain = self.gain(weights, turn)
        return None if gain is None else Painted(gain, (self.fine.x, self.fine.y))


def build_paint(face: Face, region: tuple[int, int, int, int], rest: NDArray) -> Paint:
    """Prepare the painting of a photo that shows the expression `rest` (52,).

    region: x0, y0, x1, y1 px of all that moves.
    """
    iod = face.iod_px
    box = _box(face, region)
    fine, coarse = Grid.over(box, FINE * iod), Grid.over(box, COARSE * iod)
    points = coarse.points()
    shape = points.shape[:2]
    triangles = skin_triangles(face.triangles)
    within = interpolation(points.reshape(-1, 2), face.landmarks, triangles)
    places = _spread(flattened(_average_face()), within, shape)
    rotation = face.pose.rotation
    normals, bend = _normals(face, triangles, within, shape)
    fade = 1 - smooth_step(within.distance / (MARGIN * iod))
    fade = fade.reshape(shape).astype(np.float32)

    log_photo, skin = _photo_on(fine, face)
    presence, roughness = _skin_kind(face)
    on_face = cv2.resize(fade, (fine.columns, fine.rows)) ** 4
    sure = cv2.resize(skin, shape[::-1], interpolation=cv2.INTER_AREA) * (fade > 0.999)
    colours = cv2.resize(face.image[box[1] : box[3], box[0] : box[2]].astype(np.float32),
                         shape[::-1], interpolation=cv2.INTER_AREA).reshape(-1, 3)  # fmt: skip
    normals, bend = normals @ rotation.T, bend @ rotation.T
    light = estimate_light(colours @ LUMA, normals.reshape(-1, 3), presence * sure.ravel())
    fine_places = cv2.resize(places, (fine.columns, fine.rows), interpolation=cv2.INTER_LINEAR)
    creases = lay_creases(fine_places, fine, log_photo, presence * skin * on_face, roughness,
                          iod, rest)  # fmt: skip
    return Paint(
        fine, coarse, light, normals.astype(np.float32),
        bend.reshape(len(bend), -1).astype(np.float32),
        SHADE_STRENGTH * presence * from_above(light) * _shades_at(places).reshape(len(bend), -1),
        fade, _room(colours, shape), creases, _tone(colours, sure.ravel()), rest.astype(np.float32),
    )  # fmt: skip


def _box(face: Face, region: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 px around the face, within the region."""
    margin = MARGIN * face.iod_px
    oval = face.landmarks[list(FACE_OVAL)]
    low, high = np.floor(oval.min(0) - margin), np.ceil(oval.max(0) + margin)
    x0, y0 = max(region[0], int(low[0])), max(region[1], int(low[1]))
    return (x0, y0, max(x0 + 2, min(region[2], int(high[0]))),
            max(y0 + 2, min(region[3], int(high[1]))))  # fmt: skip


def _spread(values: NDArray, within: Interpolation, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Vertex values (..., 478, D) on the coarse grid (..., r, c, D), mesh edges rounded off."""
    field = within(np.asarray(values, np.float32))
    flat = field.reshape(-1, *shape, values.shape[-1]).astype(np.float32)
    flat = np.stack([cv2.GaussianBlur(one, (0, 0), 0.7) for one in flat])
    return flat.reshape(*values.shape[:-2], *shape, values.shape[-1])


def _normals(face: Face, triangles: NDArray, within: Interpolation,
             shape: tuple[int, int]) -> tuple[NDArray, NDArray]:  # fmt: skip
    """Normals (r, c, 3) of the skin, head axes, and how each channel changes them."""
    still = normals_of(face.head, triangles)
    bent = normals_of(face.head + BEND * face.basis, triangles)
    normals = _spread(still, within, shape)
    size = np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
    return normals / size, _spread((bent - still) / BEND, within, shape) / size


def _photo_on(grid: Grid, face: Face) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Log colours (R, C, 3) and share of skin (R, C) of the photo on a grid."""
    part = face.image[grid.y : grid.y + grid.height, grid.x : grid.x + grid.width]
    small = cv2.resize(part, (grid.columns, grid.rows), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    brightness = np.log(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32) + 4)
    column, row = grid.to_cells(face.landmarks[list(CHEEKS)].astype(np.float32))
    at = (np.clip(np.rint(row), 0, grid.rows - 1).astype(int),
          np.clip(np.rint(column), 0, grid.columns - 1).astype(int))  # fmt: skip
    smooth = cv2.GaussianBlur(np.dstack([lab[..., 1:], brightness]), (0, 0), 1.5)
    away = (smooth - np.median(smooth[at], 0)) / [SKIN_CHROMA, SKIN_CHROMA, SKIN_BRIGHTNESS]
    skin = np.exp(-((away * away).sum(-1) ** 2)).astype(np.float32)
    column, row = grid.to_cells(face.landmarks.astype(np.float32))
    for rim in (LIPS, LEFT_EYE.upper + LEFT_EYE.lower, RIGHT_EYE.upper + RIGHT_EYE.lower):
        hull = cv2.convexHull(np.column_stack([column, row])[list(rim)])
        cv2.fillConvexPoly(skin, hull.astype(np.int32), 0)
        cv2.polylines(skin, [hull.astype(np.int32)], True, 0, 3)
    return np.log(small.astype(np.float32) + 4), cv2.GaussianBlur(skin, (0, 0), 2.0)


def from_above(light: Light) -> float:
    """How far the light comes from above, in parts of the light the shades were learned in."""
    up, down = light.received(np.array([[0, -0.5, -0.866], [0, 0.5, -0.866]], np.float32))
    return float(np.clip(np.log(up / down) / (DISPLAY_GAMMA * STUDIO), *STUDIO_RANGE))


def _room(colours: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """See `Paint`, for colours (P, 3): none where the photo is nearly white already."""
    room = np.maximum(np.log(WHITE / np.maximum(colours.max(1), 1.0)), 0)
    return cv2.GaussianBlur(room.reshape(shape).astype(np.float32), (0, 0), 1.0)


def _tone(colours: NDArray[np.float32], sure: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3,) how much more or less than brightness each colour (P, 3) of the skin varies."""
    logs = np.log(np.column_stack([colours, colours @ LUMA]) + 4)
    logs -= np.average(logs, axis=0, weights=sure + 1e-6)
    usual = np.array(TONE)
    mass = sure.sum() + 1e-6
    shared = (sure[:, None] * logs[:, 3:] * logs).sum(0) / mass
    told = (shared[:3] + TONE_TRUST * usual) / (shared[3] + TONE_TRUST)
    return np.clip(told, usual - TONE_RANGE, usual + TONE_RANGE).astype(np.float32)


def _skin_kind(face: Face) -> tuple[float, float]:
    """How far the picture is shaded at all (0 for flat drawings, to 1), and how rough its skin
    is: 0 smooth, 1 a grown-up's in a sharp photo, up to 1.8."""
    x0, y0 = np.maximum(np.floor(face.landmarks.min(0)).astype(int), 0)
    x1, y1 = np.ceil(face.landmarks.max(0)).astype(int) + 1
    part = face.image[y0:y1, x0:x1]
    log_photo = np.log(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).astype(np.float32) + 8)
    blurred = [cv2.GaussianBlur(log_photo, (0, 0), s * face.iod_px) for s in (0.008, 0.03, 0.05)]
    detail = np.abs(blurred[0] - blurred[1])
    fine, broad = [], []
    for area in SMOOTH_AREAS:
        mask = np.zeros(log_photo.shape, np.uint8)
        hull = cv2.convexHull((face.landmarks[list(area)] - [x0, y0]).astype(np.int32))
        cv2.fillConvexPoly(mask, hull, 1)
        if mask.any():
            fine.append(np.median(detail[mask > 0]))
            broad.append(blurred[2][mask > 0].std())
    if not fine:
        return 0.0, 0.0
    shaded = float(smooth_step((np.median(broad) - FLAT) / (SHADED - FLAT)))
    return shaded, float(np.clip((np.median(fine) / ADULT) ** 0.6, 0.15, 1.8))


@cache
def _average_face() -> NDArray[np.float64]:
    """(478, 3) IOD, of the head model."""
    with files("enliven.models").joinpath("head.npz").open("rb") as file:
        return np.load(file)["mean"].astype(np.float64)


@cache
def _shades() -> NDArray[np.float32]:
    """(52, rows, columns) log gain over SHADE_BOX."""
    with files("enliven.models").joinpath("shades.npz").open("rb") as file:
        data = np.load(file)
        return data["shades"].astype(np.float32) * np.float32(data["unit"])


def _shades_at(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Learned shades (52, r, c) at flattened coordinates (r, c, 2)."""
    maps = _shades()
    x0, y0, x1, y1 = SHADE_BOX
    column = (places[..., 0] - x0) * (maps.shape[2] / (x1 - x0)) - 0.5
    row = (places[..., 1] - y0) * (maps.shape[1] / (y1 - y0)) - 0.5
    return np.stack([cv2.remap(one, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
                     for one in maps])  # fmt: skip
