"""The background behind a person, painted over the place where the person stood."""

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.layers import push_pull

WORK_IOD_PX = 48.0  # the shape of the hole is studied at this scale
ROUNDING = 0.05  # IOD; strands and notches narrower than this do not bend the mirror line
SHORTENED = 0.6  # the mirror image is drawn out, so that what is farther off stays away longer
MIRROR_REACH = (0.25, 0.9)  # IOD inside the hole where the mirrored texture starts and ends to fade
GRAIN_PX = 256  # side of the square of noise that is repeated
GRAIN_SAMPLES = 100_000


def fill_hole(
    image: NDArray[np.uint8], hole: NDArray[np.uint8], iod_px: float
) -> NDArray[np.uint8]:
    """Paint over the hole (h, w, non-zero inside) with what surrounds it.

    Near its edge, where it can come into view, the surroundings run on as in a mirror, with
    their texture; deeper inside they become smooth.
    """
    known = (hole == 0).astype(np.float32)
    if known.all() or not known.any():
        return image.copy()
    where, share = _mirror(hole, iod_px)
    mirrored = cv2.remap(image, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    smooth = smooth_fill(image, known, iod_px)
    smooth = cv2.add(smooth, cv2.merge([grain(image, hole)] * 3))
    filled = cv2.blendLinear(mirrored.astype(np.float32), smooth, share, 1 - share)
    filled = cv2.add(filled, 0.0, dtype=cv2.CV_8U)
    cv2.copyTo(image, (hole == 0).astype(np.uint8), filled)
    return filled


def smooth_fill(image: NDArray, known: NDArray[np.float32], iod_px: float) -> NDArray[np.float32]:
    """What is known (h, w) of an image (h, w, 3) run on everywhere, without fine detail."""
    height, width = known.shape
    scale = min(1.0, WORK_IOD_PX / iod_px)
    size = max(2, round(width * scale)), max(2, round(height * scale))
    held = cv2.multiply(image, cv2.merge([known] * 3), dtype=cv2.CV_32F)
    mass = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(held, size, interpolation=cv2.INTER_AREA)
    colour /= np.maximum(mass, 1e-6)[..., None]
    # a coarse cell counts as known soon, so that the fill follows the nearest colours
    mass = np.where(mass > 1e-4, mass**0.25, 0).astype(np.float32)
    return cv2.resize(push_pull(colour, mass), (width, height))


def _mirror(
    hole: NDArray[np.uint8], iod_px: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """For each pixel, its mirror image (h, w, 2) px across the rounded edge of the hole, and how
    far (h, w), 0..1, that is to be believed."""
    height, width = hole.shape
    scale = min(1.0, WORK_IOD_PX / iod_px)
    size = max(2, round(width * scale)), max(2, round(height * scale))
    inside = cv2.resize((hole > 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    # along the photo's border the hole runs on
    pad = 2 + round(WORK_IOD_PX / 2)
    inside = cv2.copyMakeBorder(inside, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    inner, outer = (
        cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for part in (inside > 0, inside == 0)
    )
    depth = cv2.GaussianBlur(inner - outer, (0, 0), max(1.0, ROUNDING * iod_px * scale))
    slope = np.dstack([cv2.Scharr(depth, -1, *axis) for axis in ((1, 0), (0, 1))])
    slope /= np.maximum(np.linalg.norm(slope, axis=-1, keepdims=True), 1e-3)
    slope, depth = slope[pad:-pad, pad:-pad], depth[pad:-pad, pad:-pad]
    shift = (1 + SHORTENED) * depth[..., None] * slope
    start, end = MIRROR_REACH
    share = np.clip((end * iod_px * scale - depth) / ((end - start) * iod_px * scale), 0, 1)
    # where the mirror shows the hole again its neighbourhood fades too, lest there be an edge
    soft = max(1, round(ROUNDING * iod_px * scale))
    known = 1 - inside[pad:-pad, pad:-pad]
    seen = cv2.remap(known, _places(size) - shift, None, cv2.INTER_LINEAR, borderValue=0)
    seen = cv2.erode((seen > 0.999).astype(np.float32), np.ones((2 * soft + 1,) * 2, np.uint8))
    share = share.astype(np.float32) * cv2.GaussianBlur(seen, (0, 0), soft)
    where = _places((width, height)) - cv2.resize(shift / np.float32(scale), (width, height))
    return where, cv2.resize(share, (width, height))


def _places(size: tuple[int, int]) -> NDArray[np.float32]:
    """Coordinates (h, w, 2) of the pixels of a picture of a size (w, h)."""
    x, y = (np.arange(length, dtype=np.float32) for length in size)
    return cv2.merge([np.tile(x, (size[1], 1)), np.repeat(y[:, None], size[0], 1)])


def grain(image: NDArray[np.uint8], hole: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Noise (h, w) as strong as the fine grain around the hole, so that the fill is not waxy."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = cv2.absdiff(grey, cv2.GaussianBlur(grey, (0, 0), 1.5))
    outside = detail[hole == 0]
    outside = outside[:: 1 + outside.size // GRAIN_SAMPLES]
    sigma = min(4.0, 1.4826 * float(np.median(outside))) if outside.size else 0.0
    tile = np.random.default_rng(0).standard_normal((GRAIN_PX, GRAIN_PX), np.float32)
    height, width = hole.shape
    repeats = -(-height // GRAIN_PX), -(-width // GRAIN_PX)
    return np.float32(sigma) * np.tile(tile, repeats)[:height, :width]
