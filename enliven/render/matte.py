"""Cut a photo along its matte: whose colour is whose where hair lets the background through."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.fill import WORK_IOD_PX, fill_hole, smooth_fill
from enliven.render.layers import push_pull

CLEAR = 3  # mask values up to this are background, and stay as they are
# Lengths in IOD.
REACH = 0.12  # how far from the mask wisps of hair are looked for
MARGIN = 0.06  # around the person that lens, codec and sharpening have tinged
STRAY = 0.30  # how far from the person stray hair is painted out
LINE = 0.03  # half-width of a hair or a rim; anything broader is a thing of the background
RAGGED = 0.035  # teeth of the mask's edge up to this size may be of the background's making
SURE = 0.05  # how far inside the mask the person is certain
STRAND = 0.012  # radius over which a background or a head of hair is called uneven
TRANSPARENT = 0.4  # alpha up to which a pixel says something about its background
BUSY = 22.0  # grey levels by which a fill may err before the photo itself is preferred
GRAIN = 5.0  # grey levels by which colours may differ without meaning anything
LEAST_SHARE = 0.15  # of the person's colour in a pixel that is no accident

STRAY_IOD_PX = 96.0  # lines are looked for at this scale
STRAY_CAUTION = 12.0  # how many times the background's own detail a stray hair stands out
ALIKE = 0.3  # squared cosine between the ways from the background to a hair and to the person
STRAND_CAUTION, HOLE_CAUTION = 20.0, 150.0  # how many times the doubt colours must differ


@dataclass(frozen=True)
class Layers:
    """A person over a still background: photo = person + (1 - alpha) * background, exactly.

    person: (h, w, 4) float32, colour 0..255 already times alpha, then alpha 0..1.
    background: (h, w, 3) float32 0..255 with the person painted out.
    """

    person: NDArray[np.float32]
    background: NDArray[np.float32]


@dataclass(frozen=True)
class Sides:
    """The colours (h, w, 3), 0..255, of the person and of what is behind, run on smoothly to
    where the other is; doubt: (h, w) squared grey levels by which the latter may be wrong."""

    person: NDArray[np.float32]
    behind: NDArray[np.float32]
    doubt: NDArray[np.float32]


def cut_layers(image: NDArray[np.uint8], mask: NDArray[np.uint8], iod_px: float) -> Layers:
    """Split an image (h, w, 3) along a person mask (h, w), 255 inside."""
    mask = np.where(mask <= CLEAR, 0, mask)
    photo = image.astype(np.float32)
    if not mask.any():
        return Layers(np.dstack([np.zeros_like(photo), photo[..., 0] * 0]), photo)
    alpha = mask.astype(np.float32) / np.float32(255)
    sides = look_aside(photo, alpha, iod_px)
    alpha = with_wisps(photo, alpha, sides, iod_px)
    stray = stray_hair(image, alpha, sides, iod_px)
    # a rim, too, is the person's: lens, codec and sharpening have tinged it
    rim = np.clip(2 - 2 * _away(alpha > 0) / max(2.0, MARGIN * iod_px), 0, 1)
    hole = (np.maximum(rim, stray) > 0).astype(np.uint8)
    filled = fill_hole(image, hole, iod_px)
    inside = np.nonzero((hole > 0) & (alpha < 1))
    own, opacity, stray = photo[inside], alpha[inside], stray[inside]
    # before something busy what is left over without the person's colour beats any fill
    doubt = sides.doubt[inside]
    keep = doubt**2 / (doubt**2 + (3 * BUSY**2) ** 2) * np.clip(1 - opacity / TRANSPARENT, 0, 1)
    share = np.maximum(rim[inside] * (1 - keep), stray)[:, None]
    least = (opacity / np.maximum(1 - opacity, 1e-3))[:, None]
    behind = np.clip(own + least * (own - sides.person[inside]), 0, 255)
    behind += share * (filled[inside] - behind)
    # hair has at least the opacity without which no colour would explain what is seen
    room = np.where(own > behind, 255 - behind, behind)
    least = (np.abs(own - behind) / np.maximum(room, 1)).max(-1)
    opacity = np.maximum(opacity, np.minimum(least, stray))[:, None]
    background = np.where(alpha[..., None] == 1, filled, photo)
    background[inside] = behind
    # what is taken out of the photo behind the person is carried along by the person
    person = np.dstack([photo, alpha])
    person[alpha == 0] = 0
    person[inside] = np.hstack([own - (1 - opacity) * behind, opacity])
    return Layers(person, background)


def stray_hair(image: NDArray[np.uint8], alpha: NDArray[np.float32], sides: Sides,
               iod_px: float) -> NDArray[np.float32]:  # fmt: skip
    """Share (h, w), 0..1, of thin lines that leave the matte (h, w) and are missing from it."""
    height, width = alpha.shape
    scale = min(1.0, STRAY_IOD_PX / iod_px)
    size = max(2, round(width * scale)), max(2, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    alpha_small = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    away = _away(alpha_small > 0) / (scale * iod_px)
    if away.max() < STRAY:
        return np.zeros_like(alpha)
    outside = (away > MARGIN / 2).astype(np.float32)
    plain = np.where(outside[..., None] > 0, small, smooth_fill(small, outside, scale * iod_px))
    window = 2 * max(1, round(2 * LINE * scale * iod_px)) + 1
    plain = cv2.medianBlur(np.rint(plain).astype(np.uint8), window)
    detail = (cv2.absdiff(small, plain).astype(np.float32) ** 2).sum(-1)
    far = (away > STRAY).astype(np.float32)
    usual = smooth_fill(cv2.merge([detail] * 3), far, scale * iod_px)[..., 0]
    # a hair has the colour of hair
    person, doubt = (cv2.resize(plane, size) for plane in (sides.person, sides.doubt))
    way, seen = person - plain, small.astype(np.float32) - plain
    apart, along = (way * way).sum(-1), (way * seen).sum(-1)
    usual += doubt**2 / (3 * BUSY**2)
    lines = (detail > STRAY_CAUTION * usual + 9 * GRAIN**2) & (away < STRAY)
    lines &= (along**2 > ALIKE * detail * apart) & (along > 0)
    near = (lines | (away < MARGIN)).astype(np.uint8)
    _, labels = cv2.connectedComponents(near, connectivity=8)
    joined = np.zeros(labels.max() + 1, bool)
    joined[labels[away == 0]] = True
    found = (lines & joined[labels] & (away > 0)).astype(np.float32)
    found = cv2.dilate(found, np.ones((3, 3), np.uint8))
    return np.clip(2 * cv2.resize(found, (width, height)), 0, 1)


def with_wisps(photo: NDArray[np.float32], alpha: NDArray[np.float32], sides: Sides,
               iod_px: float) -> NDArray[np.float32]:  # fmt: skip
    """The matte (h, w) with the strands of hair that its colours betray.

    Around the edge a pixel's share of the person is where its colour lies between the person's
    nearby and the background's behind it (as in Bayesian matting, Chuang et al. 2001), believed
    as far as the two differ by more than either varies.
    """
    within, away = _away(alpha <= 0.95) / iod_px, _away(alpha > 0) / iod_px
    sure, hole = within > SURE, away <= REACH
    if not sure.any() or hole.all():
        return alpha
    band = np.nonzero(hole & (within < 3 * SURE))
    person, filled = sides.person[band], sides.behind[band]
    doubt = sides.doubt[band] + 3 * GRAIN**2
    seen, old = photo[band], alpha[band]
    way = person - filled
    apart = (way * way).sum(-1)
    share = ((seen - filled) * way).sum(-1) / np.maximum(apart, 1.0)
    aside = ((seen - filled - share[:, None] * way) ** 2).sum(-1)
    # in front of a busy background the mask follows edges that are not the person's
    clear = apart / (apart + STRAND_CAUTION * doubt)
    window = 2 * max(1, round(RAGGED * iod_px)) + 1
    steady = cv2.medianBlur(np.rint(255 * alpha).astype(np.uint8), window)[band] / np.float32(255)
    old = old + (1 - clear) * (steady - old)
    # the network knows better than colours what is a hole in somebody's head
    caution = np.where(share < old, HOLE_CAUTION, STRAND_CAUTION)
    trust = apart / (apart + caution * doubt) * np.exp(-aside / (6 * doubt + 0.1 * apart))
    least = LEAST_SHARE * (1.1 - trust)
    share = np.clip((share - least) / (0.9 - least), 0, 1)
    trust *= np.clip(1.5 - within[band] / SURE, 0, 1) * np.clip(3 - 3 * away[band] / REACH, 0, 1)
    change = trust * (share - old)
    # what is new and broad is no strand but something behind that the fill did not foresee
    more = np.zeros_like(alpha)
    more[band] = np.maximum(change, 0)
    size = max(1, round(STRAND * iod_px))
    broad = cv2.morphologyEx(more, cv2.MORPH_OPEN, _disc(size))[band]
    alpha = alpha.copy()
    alpha[band] = old
    beside = cv2.dilate(alpha, np.ones((4 * size + 1,) * 2, np.uint8))[band]
    refined = np.clip(old + change - broad * np.clip(1 - 2 * beside, 0, 1), 0, 1)
    alpha[band] = np.where(refined * 255 > CLEAR, refined, 0)
    return alpha * _joined(alpha)


def look_aside(photo: NDArray[np.float32], alpha: NDArray[np.float32], iod_px: float) -> Sides:
    """What a matte (h, w) tells for certain about either side of its edge."""
    height, width = alpha.shape
    scale = min(1.0, WORK_IOD_PX / iod_px)
    size = max(2, round(width * scale)), max(2, round(height * scale))
    within, known = _away(alpha <= 0.95) > SURE * iod_px, _away(alpha > 0) > REACH * iod_px
    small, squares, rough, sure, known = (
        cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
        for plane in (photo, photo * photo, alpha, *(x.astype(np.float32) for x in (within, known)))
    )
    person = push_pull(small, (sure == 1).astype(np.float32))
    iod_px *= scale
    filled = fill_hole(np.rint(small).astype(np.uint8), (known < 1).astype(np.uint8), iod_px)
    filled = filled.astype(np.float32)
    base = cv2.GaussianBlur(small, (0, 0), 3 * max(1.0, STRAND * iod_px))
    uneven = squares - 2 * base * small + base * base
    doubt = push_pull(uneven, (known == 1).astype(np.float32)).sum(-1)
    # beside the mask the fill can be seen to be wrong, strands left out
    beside = ((rough == 0) & (known < 1)).astype(np.float32)
    miss = ((small - filled) ** 2).sum(-1) * beside
    broad = cv2.morphologyEx(miss, cv2.MORPH_OPEN, _disc(max(1, round(2 * STRAND * iod_px))))
    window = (2 * max(1, round(REACH * iod_px)) + 1,) * 2
    doubt += cv2.blur(broad, window) / np.maximum(cv2.blur(beside, window), 0.02)
    return Sides(*(cv2.resize(plane, (width, height)) for plane in (person, filled, doubt)))


def _joined(alpha: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels (h, w) that hang together with the person."""
    near = cv2.dilate((alpha > 0.1).astype(np.uint8), np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(near)
    own = np.zeros(count, bool)
    own[labels[alpha > 0.99]] = True
    own[0] = False
    return own[labels]


def _away(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance (h, w), px, from the nearest pixel inside."""
    return cv2.distanceTransform(1 - inside.astype(np.uint8), cv2.DIST_L2, 5)


def _disc(radius: int) -> NDArray[np.uint8]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
