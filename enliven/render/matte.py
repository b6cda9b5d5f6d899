"""Cut a photo along its matte: whose colour is whose where hair lets the background through."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.fill import fill_hole

CLEAR = 3  # mask values up to this are background, and stay as they are
MARGIN = 0.05  # IOD around the person that the fill does not trust: wisps, halos of sharpening
NEAR, FAR = 0.02, 0.12  # IOD; radii at which colours of either side are looked for


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
    alpha = (mask.astype(np.float32) / np.float32(255))[..., None]
    hole = cv2.dilate((mask > 0).astype(np.uint8), _disc(max(2, round(MARGIN * iod_px))))
    filled = fill_hole(image, hole, iod_px).astype(np.float32)
    photo = image.astype(np.float32)
    # Within the person the fill; where nobody is the photo, so that nothing of it is repainted.
    background = np.where(alpha > 0, filled, photo)
    colour = foreground(photo, alpha, background, iod_px)
    # What the person's colour leaves over is the background's; where that is no colour at all,
    # the person takes the rest.
    rest = (photo - alpha * colour) / np.maximum(1 - alpha, 1e-3)
    known = np.clip((0.5 - alpha) / 0.4, 0, 1)
    background += known * (np.clip(rest, 0, 255) - background) * (alpha > 0)
    return Layers(np.dstack([photo - (1 - alpha) * background, alpha]), background)


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
