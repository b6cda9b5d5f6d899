"""Frames with transparency: the person's own colour and how much of it there is."""

import cv2
import numpy as np
from numpy.typing import NDArray

UNSURE, SURE = 0.05, 0.3  # alpha below which a pixel's own colour is noise, and above which not
NEAR_PX = 9  # side of the square whose mean colour stands in for it


def straight(
    output: NDArray[np.uint8], background: NDArray, alpha: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """(h, w, 4) with straight alpha of a person drawn over a background (h, w, 3), 0 to 255.

    alpha: (h, w) 0..1.  The background is taken out of the colours, so that hair put before
    another one does not keep a rim of this; beyond the outline they run on, for video codecs
    store colour more coarsely than transparency.
    """
    share = alpha[..., None]
    own = output.astype(np.float32) - (1 - share) * background
    size = (NEAR_PX, NEAR_PX)
    mass = cv2.blur(alpha, size)[..., None]
    around = cv2.blur(own, size) / np.maximum(mass, 1e-3)
    around = np.where(mass > 1e-3, around, output)
    sure = np.clip((share - UNSURE) / (SURE - UNSURE), 0, 1)
    colour = around + sure * (own / np.maximum(share, UNSURE) - around)
    levels = np.dstack([np.clip(colour, 0, 255), 255 * alpha])
    return np.asarray(np.rint(levels), np.uint8)
