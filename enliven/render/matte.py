"""Cut a photo along its matte: whose colour is whose where hair lets the background through."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.fill import fill_hole
from enliven.render.layers import push_pull

CLEAR = 3  # mask values up to this are background, and stay as they are
# Lengths in IOD.
REACH = 0.12  # how far from the mask wisps of hair are looked for
MARGIN = 0.03  # around the person that the fill does not trust
RAGGED = 0.035  # teeth of the mask's edge up to this size may be of the background's making
SURE = 0.05  # how far inside the mask the person is certain
NEAR, FAR = 0.02, 0.12  # radii at which colours of either side are looked for
STRAND = 0.012  # radius over which a background or a head of hair is called uneven
GRAIN = 5.0  # grey levels by which colours may differ without meaning anything
LEAST_SHARE = 0.15  # of the person's colour in a pixel that is no accident

STRAND_CAUTION, HOLE_CAUTION = 20.0, 150.0  # how many times the doubt colours must differ


@dataclass(frozen=True)
class Layers:
    """A person over a still background: photo = person + (1 - alpha) * background, exactly.

    person: (h, w, 4) float32, colour 0..255 already times alpha, then alpha 0..1.
    background: (h, w, 3) float32 0..255 with the person painted out.
    """

    person: NDArray[np.float32]
    background: NDArray[np.float32]


def cut_layers(image: NDArray[np.uint8], mask: NDArray[np.uint8], iod_px: float) -> Layers:
    """Split an image (h, w, 3) along a person mask (h, w), 255 inside."""
    mask = np.where(mask <= CLEAR, 0, mask)
    hole = cv2.dilate((mask > 0).astype(np.uint8), _disc(max(2, round(REACH * iod_px))))
    filled = fill_hole(image, hole, iod_px).astype(np.float32)
    photo = image.astype(np.float32)
    alpha = with_wisps(photo, mask.astype(np.float32) / np.float32(255), filled, hole, iod_px)
    # now that the wisps are known the fill may start closer
    hole = cv2.dilate((alpha > 0).astype(np.uint8), _disc(max(1, round(MARGIN * iod_px))))
    filled = fill_hole(image, hole, iod_px).astype(np.float32)
    alpha = alpha[..., None]
    # Within the person the fill; where nobody is the photo, so that nothing of it is repainted.
    background = np.where(alpha > 0, filled, photo)
    colour = foreground(photo, alpha, background, iod_px)
    # what the person's colour leaves over is the background's
    rest = (photo - alpha * colour) / np.maximum(1 - alpha, 1e-3)
    known = np.clip(1 - alpha / 0.4, 0, 1) * (alpha > 0)
    background += known * (np.clip(rest, 0, 255) - background)
    return Layers(np.dstack([photo - (1 - alpha) * background, alpha]), background)


def with_wisps(photo: NDArray[np.float32], alpha: NDArray[np.float32], filled: NDArray[np.float32],
               hole: NDArray[np.uint8], iod_px: float) -> NDArray[np.float32]:  # fmt: skip
    """The matte (h, w) with the strands of hair that its colours betray.

    Around the edge a pixel's share of the person is where its colour lies between the person's
    nearby and the background's behind it (as in Bayesian matting, Chuang et al. 2001), believed
    as far as the two differ by more than either varies.
    """
    sure = cv2.erode((alpha > 0.95).astype(np.uint8), _disc(max(1, round(SURE * iod_px))))
    if not sure.any() or hole.all():
        return alpha
    person = push_pull(photo, sure.astype(np.float32))
    way = person - filled
    apart = (way * way).sum(-1)
    share = ((photo - filled) * way).sum(-1) / np.maximum(apart, 1.0)
    aside = ((photo - filled - share[..., None] * way) ** 2).sum(-1)
    size = max(1.0, STRAND * iod_px)
    uneven = photo - cv2.GaussianBlur(photo, (0, 0), 3 * size)
    behind = push_pull(uneven * uneven, (hole == 0).astype(np.float32)).sum(-1)
    doubt = behind + _surprise(photo, alpha, filled, hole, iod_px) + 3 * GRAIN**2
    # in front of a busy background the mask follows edges that are not the person's
    clear = (apart / (apart + STRAND_CAUTION * doubt)).astype(np.float32)
    window = 2 * max(1, round(RAGGED * iod_px)) + 1
    steady = cv2.medianBlur(np.rint(255 * alpha).astype(np.uint8), window) / np.float32(255)
    alpha = alpha + (1 - clear) * (steady - alpha)
    # the network knows better than colours what is a hole in somebody's head
    caution = np.where(share < alpha, HOLE_CAUTION, STRAND_CAUTION)
    trust = apart / (apart + caution * doubt) * np.exp(-aside / (6 * doubt + 0.1 * apart))
    least = LEAST_SHARE * (1.1 - trust)
    share = np.clip((share - least) / (0.9 - least), 0, 1)
    inner = cv2.GaussianBlur((1 - sure).astype(np.float32), (0, 0), max(1.0, SURE * iod_px / 2))
    outer = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), max(1.0, REACH * iod_px / 3))
    trust *= np.clip(2 * inner - 0.5, 0, 1) * np.clip(2 * outer - 1, 0, 1) * (sure == 0)
    change = trust * (share - alpha)
    # what is new and broad is no strand but something behind that the fill did not foresee
    broad = cv2.morphologyEx(np.maximum(change, 0), cv2.MORPH_OPEN, _disc(max(1, round(size))))
    beside = cv2.dilate(alpha, _disc(max(1, round(2 * size))))
    refined = np.clip(alpha + change - broad * np.clip(1 - 2 * beside, 0, 1), 0, 1)
    return np.where(refined * 255 > CLEAR, refined, 0).astype(np.float32) * _joined(refined)


def _surprise(photo: NDArray[np.float32], alpha: NDArray[np.float32], filled: NDArray[np.float32],
              hole: NDArray[np.uint8], iod_px: float) -> NDArray[np.float32]:  # fmt: skip
    """Squared grey levels (h, w) by which the fill is wrong beside the mask, strands left out."""
    beside = ((alpha == 0) & (hole > 0)).astype(np.float32)
    miss = ((photo - filled) ** 2).sum(-1) * beside
    broad = cv2.morphologyEx(miss, cv2.MORPH_OPEN, _disc(max(1, round(2 * STRAND * iod_px))))
    window = (2 * max(1, round(REACH * iod_px)) + 1,) * 2
    return cv2.blur(broad, window) / np.maximum(cv2.blur(beside, window), 0.02)


def _joined(alpha: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels (h, w) that hang together with the person."""
    near = cv2.dilate((alpha > 0.1).astype(np.uint8), np.ones((3, 3), np.uint8))
    _, labels = cv2.connectedComponents(near)
    own = np.unique(labels[alpha > 0.99])
    return np.isin(labels, own[own > 0])


def foreground(photo: NDArray[np.float32], alpha: NDArray[np.float32],
               background: NDArray[np.float32], iod_px: float) -> NDArray[np.float32]:  # fmt: skip
    """The person's own colour (h, w, 3), 0..255, also where alpha (h, w, 1) is small.

    Blur fusion (Forte, "Approximate fast foreground colour estimation", ICIP 2021), in two
    passes from far to near, with the background known.
    """
    colour = photo
    for radius in (FAR, NEAR):
        window = (2 * max(1, round(radius * iod_px)) + 1,) * 2
        mass = cv2.blur(alpha, window)[..., None]
        mean = cv2.blur(colour * alpha, window) / np.maximum(mass, 1e-4)
        mean = np.where(mass > 1e-4, mean, colour)
        miss = photo - alpha * mean - (1 - alpha) * background
        colour = np.clip(mean + alpha * miss, 0, 255)
    return colour


def _disc(radius: int) -> NDArray[np.uint8]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
