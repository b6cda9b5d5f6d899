"""Pictures that the face tests share: the example portrait, moved, turned and put together."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
DEV_PORTRAITS = ROOT.parent / "shared" / "data" / "dev" / "portraits"

needs_dev_portraits = pytest.mark.skipif(
    not DEV_PORTRAITS.is_dir(), reason="the development portraits are not on this machine"
)


@cache
def portrait() -> np.ndarray:
    """The example portrait (H, W, 3), read-only."""
    path = next(p for p in sorted((ROOT / "examples").glob("portrait.*"))
                if p.suffix in (".png", ".jpg"))  # fmt: skip
    pixels = np.array(Image.open(path).convert("RGB"))
    pixels.flags.writeable = False
    return pixels


def moved(image: np.ndarray, scale: float = 1.0, roll_deg: float = 0.0,
          shift: tuple[float, float] = (0.0, 0.0),
          size: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The image scaled and turned (clockwise as seen) about its middle and shifted, and the map.

    size: (width, height) of the result.  The map is a (2, 3) matrix from old to new pixels.
    """
    height, width = image.shape[:2]
    size = size or (width, height)
    c, s = scale * np.cos(np.radians(roll_deg)), scale * np.sin(np.radians(roll_deg))
    turn = np.array([[c, -s], [s, c]])
    middle = (np.array(size) - 1) / 2 + shift
    matrix = np.column_stack([turn, middle - turn @ ((np.array([width, height]) - 1) / 2)])
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    if scale < 1:  # warpAffine does not average: shrink first
        small = cv2.GaussianBlur(image, (0, 0), 0.4 / scale)
        return cv2.warpAffine(small, matrix, size, borderMode=cv2.BORDER_REPLICATE), matrix
    return cv2.warpAffine(image, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), matrix


def mapped(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """x, y of landmarks through a (2, 3) matrix."""
    return points[:, :2] @ matrix[:, :2].T + matrix[:, 2]


def eyes_px(landmarks: np.ndarray) -> float:
    """Distance of the outer eye corners, pixels."""
    return float(np.linalg.norm(landmarks[33, :2] - landmarks[263, :2]))
