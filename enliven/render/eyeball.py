"""Eyeballs: a white that rests in the head, an iris that turns on a sphere, a wet highlight."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.face import Face, smooth_step
from enliven.render.layers import push_pull
from enliven.render.lids import Lids, _local
from enliven.render.light import LUMA

# Distance of the iris from the centre that the eye turns about, IOD: 10.5 mm.  The tracker reads
# gaze with the same number, so that what it reads is what is drawn.
IRIS_DISTANCE = 0.12
GAZE_LIMIT = 0.6  # rad
# The image of a lamp in the cornea moves about half as far as the pupil: the cornea's centre of
# curvature lies 5.3 mm before the eye's (Guestrin & Eizenman 2006, "General theory of remote
# gaze estimation using the pupil center and corneal reflections").
HIGHLIGHT_FOLLOWS = 0.5
LIMBUS_STEP = 8.0  # grey levels from iris to white that can be told
HIGHLIGHT_WITHIN = 0.75  # radii; brighter spots further out are the white
HIGHLIGHT = 45.0  # grey levels above the rest of the iris that make a highlight
LID_SHADOW, LID_SHADOW_REACH = 0.28, 0.035  # depth, and IOD it reaches below the upper lid
WHITE_CHROMA = 0.25  # share of the skin's colour that is left in a white that the photo hides


@dataclass(frozen=True)
class Eyeball:
    """Pictures of the window of an eye, with the shadow of the lid taken off.

    white: (h, w, 3) float32.  iris: (h, w, 4) float32, colour times cover, then cover 0..1.
    highlight: (h, w, 3) float32 to be added, or None.
    centre: (2,) px of the eye's centre in the window.  scale: px per IOD.  gaze: (2,) rad at rest.
    rotation: (3, 3) of the head in the photo.
    """

    white: NDArray[np.float32]
    iris: NDArray[np.float32]
    highlight: NDArray[np.float32] | None
    centre: NDArray[np.float64]
    scale: float
    gaze: NDArray[np.float64]
    rotation: NDArray[np.float64]


def look(gaze: NDArray) -> NDArray[np.float64]:
    """Unit vector in head axes of a gaze (yaw, pitch)."""
    x, y = np.sin(np.clip(gaze, -GAZE_LIMIT, GAZE_LIMIT))
    return np.array([x, y, -np.sqrt(1 - x * x - y * y)])


def turn_between(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """The smallest rotation (3, 3) that takes unit vector a to b, as eyes turn (Listing)."""
    cross = np.cross(a, b)
    skew = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + a @ b)


def lid_shadow(below: NDArray[np.float32], iod: float) -> NDArray[np.float32]:
    """Factor of light on the eyeball this many pixels below the upper lid's edge."""
    shade = np.exp(np.maximum(below, 0) * np.float32(-1 / (LID_SHADOW_REACH * iod)))
    return np.asarray(1 - LID_SHADOW * shade, np.float32)


def build_eyeball(face: Face, lids: Lids, iris: tuple[int, ...], gaze: NDArray) -> Eyeball:
    """Complete the eyeball of a window; gaze (2,) is the rest's."""
    iod = face.iod_px
    local = _local(lids.frame, lids.box)
    below = local[..., 1] - lids.table(local[..., 0], lids.upper)
    over = lids.table(local[..., 0], lids.lower) - local[..., 1]
    photo = lids.photo / lid_shadow(below, iod)[..., None]
    middle = face.landmarks[iris[0]] - np.array(lids.box[:2])
    radius = float(np.linalg.norm(face.landmarks[list(iris[1:])] - face.landmarks[iris[0]],
                                  axis=1).mean())  # fmt: skip
    grey = lids.photo @ LUMA
    middle, radius = _limbus(grey, (below > 0.02 * iod) & (over > 0), middle, radius)
    y, x = np.mgrid[0 : photo.shape[0], 0 : photo.shape[1]].astype(np.float32)
    distance = np.hypot(x - middle[0], y - middle[1])
    # clear of lashes and of the lids' wet rims
    seen = (below > 0.02 * iod) & (over > 0.012 * iod)
    white = _white(lids, photo, seen, distance / radius, iod)
    disc, glint = _iris(photo, seen, distance / radius, middle, radius)
    cover = smooth_step((1.1 - distance / radius) / 0.17)[..., None]
    trust = smooth_step((below / iod - 0.006) / 0.014)[..., None]
    # what the photo shows stays what it shows: the rest is only for what comes into view
    shown = photo - (glint if glint is not None else 0)
    clear = trust * smooth_step((distance / radius - 1.04) / 0.2)[..., None]
    white = white + clear * (shown - white)
    colour = cover * disc
    trust = trust * smooth_step((over / iod - 0.006) / 0.01)[..., None]
    trust = trust * smooth_step((0.94 - distance / radius) / 0.08)[..., None]
    colour = colour + trust * (shown - (1 - cover) * white - colour)
    depth = float(face.depth[list(iris)].mean())
    scale = face.pose.focal_px / depth
    axis = face.pose.rotation @ look(gaze)
    centre = middle - IRIS_DISTANCE * scale * axis[:2]
    return Eyeball(white.astype(np.float32), np.dstack([colour, cover]).astype(np.float32),
                   None if glint is None else (glint * trust).astype(np.float32), centre, scale,
                   np.asarray(gaze, np.float64), face.pose.rotation)  # fmt: skip


def _limbus(grey: NDArray[np.float32], seen: NDArray[np.bool_], middle: NDArray,
            radius: float) -> tuple[NDArray[np.float64], float]:  # fmt: skip
    """Middle and radius of the iris, moved from the tracker's to where white begins."""
    angles = np.linspace(-0.9, 0.9, 13)
    angles = np.concatenate([angles, angles + np.pi])  # the sides; lids cover top and bottom
    ray = np.stack([np.cos(angles), np.sin(angles)], -1)
    best, found = LIMBUS_STEP, (np.asarray(middle, np.float64), radius)
    for scale in np.linspace(0.8, 1.15, 15):
        for shift in np.linspace(-0.12, 0.12, 7):
            at = middle + np.array([shift * radius, 0])
            rings = np.stack([at + ray * (radius * scale * k) for k in (0.9, 1.1)])
            rings = rings.astype(np.float32)
            inner, outer = cv2.remap(grey, rings, None, cv2.INTER_LINEAR)
            clear = cv2.remap(seen.astype(np.float32), rings, None, cv2.INTER_LINEAR).min(0) > 0.5
            if clear[:13].sum() < 3 or clear[13:].sum() < 3:
                continue
            step = np.clip(outer - inner, 0, 80)
            sides = np.median(step[:13][clear[:13]]), np.median(step[13:][clear[13:]])
            value = float(np.mean(sides)) - 20 * abs(scale - 1) - 20 * abs(shift)
            if value > best:
                best, found = value, (at, radius * scale)
    return found


def _white(lids: Lids, photo: NDArray, seen: NDArray[np.bool_], away: NDArray,
           iod: float) -> NDArray[np.float32]:  # fmt: skip
    """The white everywhere, from what of it is seen; where little is, as skin suggests."""
    grey = photo @ LUMA
    local = _local(lids.frame, lids.box)
    under = local[..., 1] - lids.table(local[..., 0], lids.lower)
    skin = photo[(under > 0.04 * iod) & (under < 0.1 * iod)
                 & (lids.table(local[..., 0], lids.lens) > 0.5)]  # fmt: skip
    tone = np.median(skin, 0) if len(skin) else np.full(3, 128.0)
    level = float(tone @ LUMA)
    guess = level * 1.1 + WHITE_CHROMA * (tone - level)
    known = seen & (away > 1.2)
    if known.any():
        # veins, lashes and the shadow of corners are darker than the white
        known &= grey >= np.percentile(grey[known], 40)
        known &= grey >= 0.6 * level
    found = known.sum() / (0.012 * iod * iod)  # about a fifth of the white of an eye
    share = float(np.clip(2 * found, 0, 1))
    even = _even(photo, known, local / iod) if known.sum() > 8 else guess
    mixed = np.asarray(share * even + (1 - share) * guess + np.zeros_like(photo), np.float32)
    if known.any():  # no edge where the known ones end
        mixed += push_pull(photo.astype(np.float32) - mixed, known.astype(np.float32))
    # the ball curves away towards the corners
    round_off = 1 - 0.25 * smooth_step(np.abs(local[..., 0]) / (0.2 * iod))[..., None]
    round_off = 0.5 * share + (1 - 0.5 * share) * round_off
    return cv2.GaussianBlur((mixed * round_off).astype(np.float32), (0, 0), 0.012 * iod)


def _even(photo: NDArray, known: NDArray[np.bool_], local: NDArray) -> NDArray[np.float32]:
    """Colours (h, w, 3) that vary evenly over places (h, w, 2), IOD, fitted to the known ones."""
    x, y = local[..., 0], local[..., 1]
    terms = np.stack([np.ones_like(x), x / 0.1, (x / 0.1) ** 2, y / 0.05], -1)
    a, b = terms[known], photo[known]
    ridge = np.diag([0.0, 0.5, 1.0, 0.5]) * len(a)
    fitted = terms @ np.linalg.solve(a.T @ a + ridge, a.T @ b)
    return np.clip(fitted, *np.percentile(b, [20, 70], axis=0)).astype(np.float32)


def _iris(photo: NDArray, seen: NDArray[np.bool_], away: NDArray, middle: NDArray,
          radius: float) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:  # fmt: skip
    """The whole disc (h, w, 3) and the highlight taken off it, to be added, if there is one.

    away: distance from the middle in radii.  Hidden parts come from the opposite side, and
    where that is hidden too from the same distance elsewhere.
    """
    image = photo.astype(np.float32)
    known = seen & (away < 0.92)
    if known.sum() < 6:
        dark = np.full_like(image, 45.0)
        return dark, None
    grey = image @ LUMA
    ring = np.clip((away * 8).astype(int), 0, 8)
    profile = _ring_medians(image, known, ring)
    usual = profile[ring]
    glint = known & (grey > usual @ LUMA + HIGHLIGHT)
    glint &= away < HIGHLIGHT_WITHIN
    spot = None
    if glint.any() and glint.sum() < 0.3 * np.pi * radius**2:
        wide = cv2.dilate(glint.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=max(
            1, round(0.08 * radius)))  # fmt: skip
        soft = cv2.GaussianBlur(wide.astype(np.float32), (0, 0), max(0.5, 0.04 * radius))
        known = known & (wide == 0)
        if known.sum() < 6:
            known = seen & (away < 0.92)
        profile = _ring_medians(image, known, ring)
        usual = profile[ring]
        spot = np.maximum(image - usual, 0) * np.minimum(soft, wide)[..., None]
    y, x = np.mgrid[0 : image.shape[0], 0 : image.shape[1]].astype(np.float32)
    mirror = np.float32(2) * middle.astype(np.float32) - np.dstack([x, y])
    flipped = cv2.remap(image, mirror, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # the edge itself is not mirrored: the white would come with it
    within = smooth_step((0.95 - away) / 0.08)
    mirrored = cv2.remap(known.astype(np.float32), mirror, None, cv2.INTER_LINEAR) * within
    smooth = cv2.GaussianBlur(usual, (0, 0), max(0.6, 0.08 * radius))
    filled = smooth + mirrored[..., None] * (flipped - smooth)
    sure = cv2.GaussianBlur(known.astype(np.float32), (0, 0), max(0.5, 0.04 * radius))
    sure = (np.minimum(sure, known) * within)[..., None]
    return filled + sure * (image - filled), spot


def _ring_medians(image: NDArray, known: NDArray[np.bool_], ring: NDArray) -> NDArray[np.float32]:
    """Median colour (9, 3) of the known pixels of each ring, from the nearest that has some."""
    medians = np.full((9, 3), np.nan, np.float32)
    for i in range(9):
        here = known & (ring == i)
        if here.sum() >= 3:
            medians[i] = np.median(image[here], 0)
    rows = np.flatnonzero(~np.isnan(medians[:, 0]))
    if not len(rows):
        return np.tile(np.median(image[known], 0), (9, 1)).astype(np.float32)
    return np.stack([np.interp(np.arange(9), rows, medians[rows, c]) for c in range(3)],
                    1).astype(np.float32)  # fmt: skip


def draw_eyeball(eye: Eyeball, where: NDArray[np.float32], gaze: NDArray) -> NDArray[np.float32]:
    """The eyeball (h, w, 3) at window pixels `where` (h, w, 2) of the photo, looking at `gaze`."""
    radius = IRIS_DISTANCE * eye.scale
    turn = eye.rotation @ turn_between(look(gaze), look(eye.gaze)) @ eye.rotation.T
    x, y = cv2.split(where)
    left, top = (np.float32(v / radius) for v in eye.centre)
    u, v = x * np.float32(1 / radius) - left, y * np.float32(1 / radius) - top
    depth = np.sqrt(np.maximum(1 - u * u - v * v, 0))
    t = (turn[:2] * radius).astype(np.float32)
    column, row = (np.asarray(u * r[0] + v * r[1] - depth * r[2] + np.float32(c), np.float32)
                   for r, c in zip(t, eye.centre, strict=True))  # fmt: skip
    drawn = cv2.remap(eye.white, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    iris = cv2.remap(eye.iris, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    bare = 1 - cv2.extractChannel(iris, 3)
    drawn = cv2.add(cv2.multiply(drawn, cv2.merge([bare, bare, bare])),
                    cv2.cvtColor(iris, cv2.COLOR_RGBA2RGB))  # fmt: skip
    if eye.highlight is not None:
        ahead = eye.rotation @ (look(gaze) - look(eye.gaze))
        shift = (HIGHLIGHT_FOLLOWS * radius * ahead[:2]).astype(np.float32)
        spot = cv2.remap(eye.highlight, x - shift[0], y - shift[1], cv2.INTER_LINEAR,
                         borderMode=cv2.BORDER_CONSTANT)  # fmt: skip
        drawn = cv2.add(drawn, spot)
    return drawn
