"""Lids that slide over the eyeball: the upper one unrolls from under its crease.

The photo around an eye is taken apart into skin that stays, the skin of the upper lid (which
travels with the lid's edge, and more of which comes out of the crease as the eye closes), and
lashes: what darkens lid and eyeball along the edge, as a factor.  Together they are the photo.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.geometry import unproject
from enliven.render.face import Face, smooth_step
from enliven.render.glasses import Glasses
from enliven.render.layers import cut_out, push_pull
from enliven.render.light import LUMA
from enliven.render.mesh import LEFT_EYE, RIGHT_EYE, Opening, SlitFrame, slit_frame
from enliven.render.warp import Sheet
from enliven.types import EXPRESSION

BROW_OVER = {LEFT_EYE.upper: (46, 53, 52, 65, 55), RIGHT_EYE.upper: (276, 283, 282, 295, 285)}
# What only lids do; the skin around stays, and the lids are drawn by this module's layers.
LID_CHANNELS = [i for i, name in enumerate(EXPRESSION)
                if name.startswith(("eyeBlink", "eyeLook", "eyeWide"))]  # fmt: skip

REACH = (0.29, 0.32, 0.22)  # IOD the window reaches sideways, up and down from the eye
BROW_LIFT = 0.1  # IOD that raised brows can carry the window's upper border
BORDER = 0.06  # width of the window's soft border, IOD
RIM_BLUR = 0.012  # rounds the polygons of the rims, IOD
CREASES = (0.04, 0.12)  # IOD above the edge that the crease of the lid may lie
CREASE_TO_BROW = 0.55  # share of the way to the brow that a crease is looked for
CREASE_GUESS = 0.065  # where none is seen
CREASE_EDGE = 0.012  # half width of the passage from lid to the skin above, IOD
CREASE_DEPTH = 3.0  # grey levels that a crease must be darker than what is around it
LASH_HEIGHT = 0.05  # IOD above the edge that lashes reach
WINGS = (0.08, 0.03)  # IOD that lashes reach past the outer and the inner corner
WING_FADE = 0.04  # IOD in which the drawn eye gives way to the skin beyond
LASH_ROOT = 0.022  # and below the edge, over the eyeball
GRAIN = 7.0  # grey levels of skin texture, at most
UNROLLED_SHADE = 0.05  # the lid is this much darker where it comes out of the crease
LID_LEAST = 0.5  # least light on it, over that on the skin below the eye
LID_TONE = 0.6  # how far an unrolled lid takes the hue of the skin below the eye
SLIDE = 0.4  # trackers see more of the lids' sliding along the eye than there is
LEAK = 0.16  # share of the opening that a fitted blink may leave open
LOWER_RISE = 0.12  # share of the opening that the lower lid rises by as the eye shuts


@dataclass(frozen=True)
class Lids:
    """The lids of one eye.  Curves are tables along the eye, `start` + i px, of n values.

    box: x0, y0, x1, y1 px of the window in the photo.  upper, lower, crease: (n,) px across.
    lens: (n,) 1 along the eye, 0 well beyond its corners; inner: 0 from the corners on.
    moves: (52, 2, 2, n) px along and across that each channel moves the upper and lower rim.
    photo: (h, w, 3) uint8.  skin: (h, w, 3) float32, the lid without lashes, going on above the
    crease.  window: (h, w) 0..1, where the eye is drawn; reach: px along the eye from its
    middle that it goes; corners: (4, 3) around it, head coordinates.
    """

    box: tuple[int, int, int, int]
    frame: SlitFrame
    start: float
    upper: NDArray[np.float32]
    lower: NDArray[np.float32]
    crease: NDArray[np.float32]
    lens: NDArray[np.float32]
    inner: NDArray[np.float32]
    moves: NDArray[np.float32]
    photo: NDArray[np.uint8]
    skin: NDArray[np.float32]
    window: NDArray[np.float32]
    reach: float
    corners: NDArray[np.float64]

    @property
    def opening(self) -> float:
        """Widest opening in the photo, px; at least a pixel."""
        return max(1.0, float((self.lower - self.upper).max()))

    def table(self, a: NDArray, curve: NDArray) -> NDArray[np.float32]:
        """A curve at places along the eye."""
        at = self.start + np.arange(len(curve))
        return np.interp(a, at, curve).astype(np.float32)


def cut_lids(face: Face, skin: Sheet, opening: Opening, glasses: Glasses | None) -> Lids:
    """Take the lids of an eye out of the photo.

    skin: the sheet that the rest of the face is drawn with; the lids add what it lacks.
    glasses: what is drawn stays clear of their frame.
    """
    frame = slit_frame(opening, face.landmarks)
    iod = face.iod_px
    side, up, down = (r * iod for r in REACH)
    corners = frame.to_image(np.array([[-side, -up], [side, -up], [side, down], [-side, down]]))
    low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int)
    box = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    photo = cut_out(face.image, box)
    start = -np.ceil(side)
    at = start + np.arange(int(2 * -start) + 1)
    left, right = frame.upper[0, 0], frame.upper[-1, 0]
    beyond = np.maximum(left - at, at - right) / iod
    # lashes leave the eye at its outer corner
    wings = WINGS if opening == LEFT_EYE else WINGS[::-1]
    wing = np.where(at < 0, *wings)
    lens = smooth_step(1 - beyond / wing)
    shown = np.asarray(smooth_step((wing + WING_FADE - beyond) / WING_FADE), np.float32)

    def along(rim: NDArray, values: NDArray) -> NDArray:
        """Values (9, ...) at the points of a rim as smooth tables (n, ...)."""
        spread = np.stack([np.interp(at, rim[:, 0], row) for row in np.eye(len(rim))], 1)
        spread = cv2.GaussianBlur(spread, (0, 0), sigmaX=1e-3, sigmaY=max(0.6, RIM_BLUR * iod),
                                  borderType=cv2.BORDER_REPLICATE)  # fmt: skip
        return np.tensordot(spread, values, 1)

    rims = [along(rim, rim[:, 1]) for rim in (frame.upper, frame.lower)]
    upper, lower = rims[0], np.maximum(rims[1], rims[0])
    moves = []
    for rim, indices in ((frame.upper, opening.upper), (frame.lower, opening.lower)):
        moved = _own_moves(face, skin, indices, frame)
        table = np.moveaxis(along(rim, moved.swapaxes(0, 1)), 1, 0)
        moves.append(table * smooth_step(1 - beyond / 0.04)[:, None])
    local = _local(frame, box)
    middle = np.abs(at) < 0.09 * iod
    brow = frame.to_local(face.landmarks[list(BROW_OVER[opening.upper])])
    brow_px = float(np.median(upper[middle]) - np.median(brow[:, 1]))
    found = _crease_height(face, frame, photo, box, upper[middle], at[middle])
    height = max(min(found, CREASE_TO_BROW * brow_px), 0.02 * iod)
    bow = np.clip(1 - (2 * (at - (left + right) / 2) / (right - left)) ** 2, 0, 1)
    crease = upper - height * (0.7 + 0.3 * bow)
    across = np.interp(local[..., 0], at, shown)
    x = np.minimum(np.arange(box[2] - box[0]), np.arange(box[2] - box[0])[::-1])
    y = np.minimum(np.arange(box[3] - box[1]), np.arange(box[3] - box[1])[::-1])
    window = smooth_step(np.minimum(x[None], y[:, None]) / (BORDER * iod)) * across
    tables = (np.asarray(t, np.float32) for t in (upper, lower, crease, lens, -beyond / 0.05))
    upper, lower, crease, lens, inner = tables
    free = np.ones(window.shape, np.float32)
    if glasses is not None:
        free -= glasses.stiffness(_pixels(box), iod)
    lids = Lids(
        box, frame, float(start), upper, lower, crease, lens, smooth_step(inner),
        np.ascontiguousarray(np.moveaxis(np.stack(moves, 1), 3, 2), np.float32), photo,
        photo.astype(np.float32), (window * free).astype(np.float32),
        float(np.abs(at[shown > 0]).max()) + 1,
        _head_corners(face, opening, box),
    )  # fmt: skip
    return replace(lids, skin=_lid_skin(lids, local, free, brow_px, iod))


def _head_corners(face: Face, opening: Opening, box: tuple[int, int, int, int]) -> NDArray:
    x0, y0, x1, y1 = box
    y0 -= round(BROW_LIFT * face.iod_px)
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)
    depth = np.full(4, face.depth[[opening.upper[0], opening.upper[-1]]].mean())
    camera = unproject(corners, depth, face.pose.focal_px, face.pose.centre_px)
    return (camera - face.pose.translation) @ face.pose.rotation


def _local(frame: SlitFrame, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """(h, w, 2) px along and across the eye of a window's pixels."""
    return frame.to_local(_pixels(box)).astype(np.float32)


def _pixels(box: tuple[int, int, int, int]) -> NDArray[np.float64]:
    """(h, w, 2) px of the photo."""
    x0, y0, x1, y1 = box
    return np.dstack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))).astype(np.float64)


def _own_moves(face: Face, skin: Sheet, indices: tuple[int, ...], frame: SlitFrame) -> NDArray:
    """(52, n, 2) px that channels move rim points by, beyond what the face's sheet does."""
    own = face.basis[:, list(indices)].copy()
    if min(skin.fields.shape[1:3]) > 1:
        kept = [i for i in range(len(own)) if i not in LID_CHANNELS]
        own[kept] -= _sampled_fields(skin, kept, face.landmarks[list(indices)])
    depth = float(face.depth[list(indices)].mean())
    return (own @ face.pose.rotation.T)[..., :2] * (face.pose.focal_px / depth) @ frame.axes.T


def _sampled_fields(skin: Sheet, kept: list[int], points: NDArray) -> NDArray[np.float64]:
    """Fields of the kept channels (k, n, 3) at points (n, 2) px."""
    column, row = skin.grid.to_cells(points.astype(np.float32))
    limit = np.array(skin.fields.shape[1:3]) - 1.001
    row = np.clip(row - skin.part[0].start, 0, limit[0])
    column = np.clip(column - skin.part[1].start, 0, limit[1])
    r, c = row.astype(int), column.astype(int)
    dr, dc = (row - r)[:, None], (column - c)[:, None]
    fields = skin.fields[kept]
    high = fields[:, r, c] * (1 - dc) + fields[:, r, c + 1] * dc
    low = fields[:, r + 1, c] * (1 - dc) + fields[:, r + 1, c + 1] * dc
    return np.asarray(high * (1 - dr) + low * dr, np.float64)


def _crease_height(
    face: Face,
    frame: SlitFrame,
    photo: NDArray[np.uint8],
    box: tuple[int, int, int, int],
    upper: NDArray,
    at: NDArray,
) -> float:
    """Height of the crease above the edge at the middle of the lid, px: the dark line there."""
    iod = face.iod_px
    heights = np.linspace(0.02, 0.18, 41)
    b = upper - heights[:, None] * iod
    local = np.stack(np.broadcast_arrays(at, b), -1)
    where = (frame.to_image(local) - box[:2]).astype(np.float32)
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    profile = cv2.remap(grey, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    profile = cv2.GaussianBlur(profile.mean(1)[:, None], (0, 0), 1e-3, sigmaY=1.2)[:, 0]
    best, found = CREASE_DEPTH, CREASE_GUESS
    for i in range(1, len(heights) - 1):
        if not CREASES[0] <= heights[i] <= CREASES[1]:
            continue
        depth = min(profile[:i].max(), profile[i : i + 16].max()) - profile[i]
        if depth > best:
            best, found = depth, heights[i]
    return float(found * iod)


def _lid_skin(lids: Lids, local: NDArray[np.float32], free: NDArray[np.float32],
              brow_px: float, iod: float) -> NDArray[np.float32]:  # fmt: skip
    """The skin of the upper lid, lashes painted out, going on evenly above the crease."""
    photo = lids.photo.astype(np.float32)
    grey = cv2.cvtColor(lids.photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    a, b = local[..., 0], local[..., 1]
    upper, crease = lids.table(a, lids.upper), lids.table(a, lids.crease)
    above, height = upper - b, np.maximum(upper - crease, 1)
    inner = (lids.table(a, lids.lens) > 0.3) & (above > 0.02 * iod) & (free > 0.5)
    band = inner & (above < 0.92 * height)
    # between lashes the brightest pixels around are skin
    size = (max(3, round(0.08 * iod)) | 1, max(3, round(0.03 * iod)) | 1)
    bright = cv2.dilate(np.where(band, grey, 0), np.ones(size[::-1], np.uint8))
    reach = np.maximum(0.8 * brow_px - height, 0.02 * iod)
    around = inner & (above > height + 0.25 * reach) & (above < height + reach)
    if not around.any():
        return photo
    around &= grey >= 0.85 * np.median(grey[around])  # not the brow
    # a lid is about as bright as the skin around it: what is darker is make-up and shadow
    level = cv2.GaussianBlur(push_pull(photo, around.astype(np.float32)), (0, 0), 0.03 * iod)
    level = cv2.cvtColor(level, cv2.COLOR_RGB2GRAY)
    known = band & (grey >= 0.96 * bright) & (grey >= 0.8 * level)
    weight = known + 0.3 * around
    smooth = cv2.GaussianBlur(push_pull(photo, weight.astype(np.float32)), (0, 0), 0.025 * iod)
    # what unrolls is as the skin at the crease is
    high = np.minimum(above, height + 0.5 * reach)
    where = lids.frame.to_image(np.stack([a, upper - high], -1).astype(np.float64))
    where = (where - lids.box[:2]).astype(np.float32)
    smooth = cv2.remap(smooth, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # in the shade of the brow the photo's lid has lost colour, which it regains as it unrolls
    beneath = b - lids.table(a, lids.lower)
    cheek = (beneath > 0.1 * iod) & (beneath < 0.22 * iod) & (free > 0.5)
    if cheek.any():
        tone = np.median(photo[cheek], axis=0)
        light = cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY) / max(float(tone @ LUMA), 1.0)
        lit = np.maximum(light, LID_LEAST)  # deep-set lids come out of their shadow
        smooth *= (lit / np.maximum(light, 1e-3))[..., None]
        smooth += LID_TONE * (lit[..., None] * tone - smooth)
    shade = 1 - UNROLLED_SHADE * smooth_step((above / height - 0.6) / 1.2)
    # grain and pores as on the skin below the eye
    below = lids.table(a, lids.lower) + 0.07 * iod + np.abs(above)
    where = lids.frame.to_image(np.stack([a, below], -1).astype(np.float64)) - lids.box[:2]
    fine = photo - cv2.GaussianBlur(photo, (0, 0), 0.012 * iod)
    fine = cv2.remap(fine, where.astype(np.float32), None, cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REFLECT)  # fmt: skip
    painted = smooth * shade[..., None] + np.clip(fine, -GRAIN, GRAIN)
    # the lid's own skin, but not its lines and lashes
    light = smooth_step(
        (grey / np.maximum(cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY), 1) - 0.9) / 0.06
    )
    own = light * smooth_step((above - LASH_HEIGHT * iod) / (0.015 * iod))
    own = own * (1 - smooth_step((above - height) / (2 * CREASE_EDGE * iod)))
    own = np.maximum(own, 1 - lids.table(a, lids.lens))[..., None]
    return np.clip(photo * own + painted * (1 - own), 0, 255).astype(np.float32)


def lash_layer(lids: Lids, bare: NDArray[np.float32], iod: float) -> NDArray[np.float32]:
    """Lashes (h, w, 3) as the share of light that makes the photo of bare lid and eyeball."""
    local = _local(lids.frame, lids.box)
    upper = lids.table(local[..., 0], lids.upper)
    above = upper - local[..., 1]
    ratio = np.clip((lids.photo + 2.0) / (bare + 2.0), 0.05, 1.25)
    # over the eyeball only their evenness can be told from what they cover
    even = cv2.GaussianBlur(ratio, (0, 0), 0.012 * iod)
    ratio += smooth_step(-above / (0.006 * iod))[..., None] * (np.minimum(even, 1) - ratio)
    share = smooth_step((above + LASH_ROOT * iod) / (0.006 * iod))
    share = share * (1 - smooth_step((above - LASH_HEIGHT * iod) / (0.02 * iod)))
    return ((ratio - 1) * share[..., None]).astype(np.float32)


@dataclass(frozen=True)
class LidPose:
    """Where the lids are in one frame: tables (n,) px, and how far the eye is shut, 0 to 1.

    crease_px, lower_px, moved_px: farthest that the crease, the lower rim, any rim has moved.
    """

    upper: NDArray[np.float32]
    lower: NDArray[np.float32]
    crease: NDArray[np.float32]
    shut: float
    crease_px: float
    lower_px: float
    moved_px: float


def pose_lids(lids: Lids, weights: NDArray[np.float32]) -> LidPose:
    """Lids for changes of the channels (52,) from rest; they meet, and never cross."""
    moved = (weights @ lids.moves.reshape(len(weights), -1)).reshape(lids.moves.shape[1:])
    at = np.arange(len(lids.upper), dtype=np.float32)
    rims = [np.interp(at - SLIDE * move[0] * lids.inner, at, rim) + move[1]
            for rim, move in zip((lids.upper, lids.lower), moved, strict=True)]  # fmt: skip
    rest = lids.lower - lids.upper
    gap = rims[1] - rims[0]
    shut = float(np.clip(1 - gap.max() / lids.opening, 0, 1))
    gap = np.maximum(gap - LEAK * shut * shut * lids.opening, 0)
    shut = float(np.clip(1 - gap.max() / lids.opening, 0, 1))
    lower = rims[1] - LOWER_RISE * shut * rest
    upper = lower - gap
    travel = upper - lids.upper
    # the crease deepens a little as the lid comes down and gives way as it goes up
    crease = lids.crease + np.where(travel > 0, 0.10, 1.0) * travel
    moved_px = [float(np.abs(m).max()) for m in (crease - lids.crease, lower - lids.lower, travel)]
    return LidPose(upper.astype(np.float32), lower.astype(np.float32), crease.astype(np.float32),
                   shut, moved_px[0], moved_px[1], max(moved_px))  # fmt: skip
