"""Which pixels belong to the person: a soft matte at the photo's own resolution."""

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.weights import open_model

SIDE_PX = 256


def person_mask(image: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Matte (H, W) uint8 of the person with the given landmarks (478, 3) px; 255 is person."""
    height, width = image.shape[:2]
    session = open_model("person_mask")
    small = cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    tensor = small[None].astype(np.float32) / 255
    (share,) = session.run(None, {session.get_inputs()[0].name: tensor})
    full = cv2.resize(share[0, ..., 0], (width, height), interpolation=cv2.INTER_LINEAR)
    return np.round(255 * np.clip(full, 0, 1)).astype(np.uint8)
