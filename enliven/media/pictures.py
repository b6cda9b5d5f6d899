"""Arrays of pixels to the frames that encoders take."""

from collections.abc import Callable
from functools import partial
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray
from PIL import Image as Pillow

Frame = NDArray[np.uint8]

PREVIEW_SIDE_PX = 480

_RGB = {3: "rgb24", 4: "rgba"}

_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP

_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) - 7.5


def converter(codec: str, pixels: str, first: Frame) -> Callable[[Frame], av.VideoFrame]:
    """What turns frames like the first, RGB or RGBA, into those an encoder takes."""
    if codec == "gif":
        return partial(_to_palette, palette=_palette(_preview(first)))
    if codec == "libwebp_anim":
        return _to_bgra
    return partial(_to_yuv, pixels=pixels, even=codec == "libx264")


def _preview(frame: Frame) -> Frame:
    """The frame at most PREVIEW_SIDE_PX long."""
    height, width = frame.shape[:2]
    scale = PREVIEW_SIDE_PX / max(height, width)
    if scale >= 1:
        return frame
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _to_yuv(frame: Frame, pixels: str, even: bool) -> av.VideoFrame:
    height, width = frame.shape[:2]
    if even and (height % 2 or width % 2):
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
    picture = av.VideoFrame.from_ndarray(frame, _RGB[frame.shape[2]])
    return picture.reformat(format=pixels, dst_colorspace=Colorspace.ITU709,
                            dst_color_range=ColorRange.MPEG, interpolation=_EXACT)  # fmt: skip


def _to_bgra(frame: Frame) -> av.VideoFrame:
    code = cv2.COLOR_RGBA2BGRA if frame.shape[2] == 4 else cv2.COLOR_RGB2BGRA
    return av.VideoFrame.from_ndarray(cv2.cvtColor(_preview(frame), code), "bgra")  # type: ignore[arg-type]


def _palette(frame: Frame) -> Pillow.Image:
    """The 256 colours of the first frame; a portrait keeps them, and none can flicker."""
    return Pillow.fromarray(frame).quantize(256, Pillow.Quantize.MEDIANCUT)


def _to_palette(frame: Frame, palette: Pillow.Image) -> av.VideoFrame:
    # An ordered pattern, unlike error diffusion, stays where it is while the mouth moves.
    frame = _preview(frame)
    height, width = frame.shape[:2]
    pattern = np.tile(_BAYER, (height // 4 + 1, width // 4 + 1))[:height, :width, None]
    dithered = np.clip(frame + pattern, 0, 255).astype(np.uint8)
    indices = Pillow.fromarray(dithered).quantize(palette=palette, dither=Pillow.Dither.NONE)
    colours = np.full((256, 4), 255, np.uint8)  # A, R, G, B
    rgb = np.array(palette.getpalette("RGB"), np.uint8).reshape(-1, 3)
    colours[: len(rgb), 1:] = rgb
    pair: Any = (np.asarray(indices), colours)
    return av.VideoFrame.from_ndarray(pair, "pal8")
