"""The background behind a person, painted over the place where the person stood."""

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.layers import push_pull

WORK_IOD_PX = 48.0  # the shape of the hole is studied at this scale
ROUNDING = 0.05  # IOD; strands and notches narrower than this do not bend the mirror line
SHORTENED = 0.6  # the mirror image is drawn out, so that what is farther off stays away longer
MIRROR_REACH = (0.25, 0.9)  # IOD inside the hole where the mirrored texture starts and ends to fade


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
    smooth = push_pull(image.astype(np.float32), known)
    smooth += grain(image, hole)[..., None]
    where, depth = _mirror(hole, iod_px)
    mirrored = cv2.remap(image, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.remap(known, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    start, end = MIRROR_REACH
    share = np.clip((end * iod_px - depth) / ((end - start) * iod_px), 0, 1)
    # where the mirror shows the hole again its neighbourhood fades too, lest there be an edge
    soft = max(1, round(ROUNDING * iod_px))
    seen = cv2.erode((seen > 0.999).astype(np.float32), np.ones((2 * soft + 1,) * 2, np.uint8))
    share = share * cv2.GaussianBlur(seen, (0, 0), soft)
    filled = smooth + (mirrored - smooth) * share[..., None]
    filled = np.clip(filled + 0.5, 0, 255).astype(np.uint8)
    return np.where(hole[..., None] > 0, filled, image)


def _mirror(
    hole: NDArray[np.uint8], iod_px: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """For each pixel, its mirror image (h, w, 2) px across the rounded edge of the hole, and its
    depth (h, w) px inside it."""
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
    across = cv2.resize(slope * depth[..., None] / scale, (width, height))
    depth = cv2.resize(depth / scale, (width, height))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.dstack([x, y]) - (1 + SHORTENED) * across, depth


def grain(image: NDArray[np.uint8], hole: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Noise (h, w) as strong as the fine grain around the hole, so that the fill is not waxy."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 1.5))
    outside = detail[hole == 0]
    sigma = min(4.0, 1.4826 * float(np.median(outside))) if outside.size else 0.0
    noise = np.random.default_rng(0).standard_normal(grey.shape).astype(np.float32)
    return sigma * noise
