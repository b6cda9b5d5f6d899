"""What a photo tells of the inside of its mouth: light, skin, teeth, flesh or stone, sharpness."""

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.face import Face, smooth_step
from enliven.render.mesh import MOUTH

TYPICAL_SKIN = np.array([1.0, 0.76, 0.64])  # under white light
EDGE_BLUR = (0.5, 3.0)  # px, of photos
DARKEST = 4  # per cent of the pixels around a mouth that tell the colour of shade


def skin_light(face: Face) -> tuple[NDArray, float]:
    """Median skin colour (3,) around the mouth, and how brightly the face is lit, 0.35 to 1.1."""
    cheeks = [205, 425, 50, 280, 36, 266, 152, 199]
    points = np.rint(face.landmarks[cheeks]).astype(int)
    height, width = face.image.shape[:2]
    colours = face.image[np.clip(points[:, 1], 0, height - 1), np.clip(points[:, 0], 0, width - 1)]
    skin = np.median(colours.astype(np.float64), axis=0)
    # the brightest skin tells the light better than the median, which tells the complexion
    peak = np.percentile(colours.max(1), 80) / 255
    return skin, float(np.clip(0.35 + 0.75 * peak, 0.35, 1.1))


def shade_colour(face: Face) -> NDArray[np.float64]:
    """Mean colour (3,) of the darkest part of the face below its eyes."""
    points = face.landmarks[list(MOUTH.upper + MOUTH.lower)]
    reach = 0.4 * face.iod_px
    low = np.maximum(points.min(0) - reach, 0).astype(int)
    high = np.maximum(points.max(0) + reach, low + 2).astype(int)
    part = face.image[low[1] : high[1], low[0] : high[0]].reshape(-1, 3)
    grey = part.mean(1)
    return part[grey <= np.percentile(grey, DARKEST)].mean(0)


def tooth_colour(skin: NDArray, light: float) -> NDArray[np.float64]:
    """Colour (3,) of teeth in full light: an ivory in the tint of the light on the skin."""
    tint = skin / np.maximum(skin.max(), 1) / TYPICAL_SKIN
    ivory = np.array([214, 200, 178]) * light * (tint / tint.max()) ** 0.5
    bounced = skin * np.array([0.98, 1.12, 1.18])
    return flesh(np.clip(0.55 * ivory + 0.46 * bounced, 0, 235), skin)


def edge_blur(face: Face) -> float:
    """Standard deviation of the blur of the sharper edges of a face, px.

    Blurring an edge of deviation s by another of 1 makes its slope less by sqrt(1 + 1 / s^2).
    """
    low, high = face.landmarks.min(0).astype(int), face.landmarks.max(0).astype(int)
    part = face.image[max(low[1], 0) : high[1], max(low[0], 0) : high[0]]
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).astype(np.float32)
    before, after = (cv2.magnitude(cv2.Sobel(g, -1, 1, 0), cv2.Sobel(g, -1, 0, 1))
                     for g in (grey, cv2.GaussianBlur(grey, (0, 0), 1.0)))  # fmt: skip
    edges = before >= np.percentile(before, 98)
    ratio = float(np.percentile(before[edges] / np.maximum(after[edges], 1), 75))
    return float(np.clip(1 / max(ratio**2 - 1, 1e-2) ** 0.5, *EDGE_BLUR))


def flesh(colour: NDArray, skin: NDArray) -> NDArray[np.float64]:
    """A colour (3,) of the mouth, in the face's own material: a marble head has a marble tongue."""
    stone = skin * (colour.mean() / max(float(skin.mean()), 1.0))
    return stone + aliveness(skin) * (colour - stone)


def aliveness(skin: NDArray) -> float:
    """0 for the grey of stone, 1 for skin of any complexion, of its colour (3,)."""
    chroma = (skin.max() - skin.min()) / max(float(skin.max()), 1.0)
    return float(smooth_step(np.array((chroma - 0.08) / 0.12)))
