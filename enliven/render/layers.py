"""Framing of a photo, and what its layers are made with."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.mesh import CHIN, FACE_OVAL, FOREHEAD
from enliven.types import Portrait

HEAD_CROP = 2.35  # side of a head crop, in face heights


def reframe(portrait: Portrait, box: tuple[float, float, float, float],
            size: tuple[int, int]) -> Portrait:  # fmt: skip
    """The portrait as seen through box (x, y, width, height) px, scaled to size (W, H)."""
    x, y, width, height = box
    scale = np.array([size[0] / width, size[1] / height])
    # pixel centres are integers: output j shows input (j + 0.5) / scale - 0.5 + x
    matrix = np.array([[1 / scale[0], 0, x + 0.5 / scale[0] - 0.5],
                       [0, 1 / scale[1], y + 0.5 / scale[1] - 0.5]])  # fmt: skip

    def resampled(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if np.array_equal(matrix, [[1, 0, x], [0, 1, y]]) and x == int(x) and y == int(y):
            return np.ascontiguousarray(image[int(y) : int(y) + size[1], int(x) : int(x) + size[0]])
        if scale.max() < 1:  # average, so that fine texture does not alias
            x0, y0 = int(np.floor(x)), int(np.floor(y))
            x1, y1 = int(np.ceil(x + width)), int(np.ceil(y + height))
            part = image[max(y0, 0) : y1, max(x0, 0) : x1]
            return cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                              borderMode=cv2.BORDER_REPLICATE)  # fmt: skip

    landmarks = portrait.landmarks.copy()
    landmarks[:, :2] = (landmarks[:, :2] - matrix[:, 2]) * scale
    landmarks[:, 2] *= scale.mean()
    return replace(
        portrait,
        image=resampled(portrait.image),
        mask=resampled(portrait.mask),
        alpha=None if portrait.alpha is None else resampled(portrait.alpha),
        landmarks=landmarks,
        focal_px=portrait.focal_px * float(scale.mean()),
        centre_px=(portrait.centre_px - matrix[:, 2]) * scale,
    )


def head_box(portrait: Portrait) -> tuple[float, float, float, float]:
    """A square (x, y, width, height) px around head and shoulders, inside the photo."""
    height, width = portrait.image.shape[:2]
    top, chin = portrait.landmarks[FOREHEAD, :2], portrait.landmarks[CHIN, :2]
    side = min(float(np.linalg.norm(chin - top)) * HEAD_CROP, width, height)
    side = float(round(side))
    x, y = (top + chin) / 2 - side / 2
    y += 0.06 * side
    return (float(round(np.clip(x, 0, width - side))), float(round(np.clip(y, 0, height - side))),
            side, side)  # fmt: skip


def push_pull(image: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smooth fill of image (h, w, c) where known (h, w) is 0 (Gortler et al. 1996)."""
    height, width = known.shape
    if min(height, width) <= 2:
        total = max(float(known.sum()), 1e-6)
        mean = (image * known[..., None]).sum((0, 1)) / total
        return image * known[..., None] + mean * (1 - known[..., None])
    half = ((width + 1) // 2, (height + 1) // 2)
    mass = cv2.resize(known, half, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(image * known[..., None], half, interpolation=cv2.INTER_AREA)
    colour = colour / np.maximum(mass, 1e-6)[..., None]
    # a coarse cell counts as known soon, so that the fill follows the nearest colours
    coarse = push_pull(colour, np.where(mass > 1e-4, mass**0.25, 0).astype(np.float32))
    fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return image * known[..., None] + fine * (1 - known[..., None])


def face_cover(landmarks: NDArray, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Mask (h, w), 255 inside the face oval: always person, whatever a segmenter thinks."""
    cover = np.zeros(shape, np.uint8)
    outline = np.round(landmarks[list(FACE_OVAL), :2] * 16).astype(np.int32)
    cv2.fillPoly(cover, [outline], 255, cv2.LINE_AA, 4)
    return cover


def cut_out(image: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Part of an image under box x0, y0, x1, y1; beyond its border the border goes on."""
    x0, y0, x1, y1 = box
    height, width = image.shape[:2]
    rows = np.clip(np.arange(y0, y1), 0, height - 1)
    columns = np.clip(np.arange(x0, x1), 0, width - 1)
    return np.ascontiguousarray(image[rows][:, columns])
