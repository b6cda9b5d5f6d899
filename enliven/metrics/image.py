"""How like two pictures are, and how steady two frames of a video.

Plain functions of pictures: RGB (H, W, 3), sRGB, uint8 or floating point of 0 to 1.  A mask is
(H, W) bool; without one the whole picture counts.  A result that cannot be told is NaN.

PSNR and SSIM say how near a picture comes to a known true one; where the content may rightly
differ they say nothing.  Every measure of steadiness is best for a still picture: set it beside
`is_duplicate` and the movement of the face.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8] | NDArray[np.floating]
Mask = NDArray[np.bool_]

WINDOW = 11  # px, of a Gaussian of SIGMA: Wang et al. 2004
SIGMA = 1.5
INSIDE = (slice(WINDOW // 2, -(WINDOW // 2)),) * 2  # middles of windows within the picture whole
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003
# the window must fit into the smallest scale
SMALLEST_MS = WINDOW * 2 ** (len(SCALE_WEIGHTS) - 1)
SMALLEST_FLOW = 16  # px on the shorter side, for optical flow
# Forward and backward flow agree: Sundaram, Brox and Keutzer 2010
FLOW_SHARE, FLOW_PX2 = 0.01, 0.5
GRAIN_PX = 2.0  # coding noise finer than this blur does not count as change
BLOCK = 16  # px; lips that move alone must show
# A frame repeated through H.264 (x264, CRF 18 and 28) changes by up to 0.9 and 2.0 in 98% of
# cases; of real neighbouring frames of speakers four in five change by more than 2.5.
DUPLICATE_LEVELS = 1.5


def levels(picture: Picture) -> NDArray[np.float32]:
    """A picture (H, W, 3) in grey levels, 0 to 255.  ValueError for any other array."""
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"picture has shape {picture.shape}; it must be (H, W, 3), RGB")
    if picture.dtype == np.uint8:
        return picture.astype(np.float32)
    if np.issubdtype(picture.dtype, np.floating):
        return picture.astype(np.float32) * 255
    raise ValueError(f"picture is of {picture.dtype}; it must be uint8, or float of 0 to 1")


def grey(picture: Picture) -> NDArray[np.float32]:
    """Luma (H, W) of a picture, 0 to 255 (Rec. 601), not rounded."""
    return cv2.cvtColor(levels(picture), cv2.COLOR_RGB2GRAY)


def _rounded(picture: Picture) -> NDArray[np.uint8]:
    """Luma in whole grey levels, as the authors of SSIM feed it; what the flow takes too."""
    return np.rint(grey(picture)).clip(0, 255).astype(np.uint8)


def chosen(picture: Picture, mask: Mask | None) -> Mask:
    """The mask, or all of the picture.  ValueError when it is of another size."""
    if mask is None:
        return np.ones(picture.shape[:2], bool)
    if mask.shape != picture.shape[:2] or mask.dtype != bool:
        raise ValueError(f"mask is {mask.shape} of {mask.dtype}, the picture {picture.shape}; "
                         "it must be bool of the picture's height and width")  # fmt: skip
    return mask


def _pair(one: Picture, other: Picture, mask: Mask | None) -> Mask:
    """The mask of two pictures that must be of one size."""
    if one.shape != other.shape:
        raise ValueError(f"pictures of {one.shape} and {other.shape}; bring them to one size")
    return chosen(one, mask)


def psnr(one: Picture, other: Picture, mask: Mask | None = None) -> float:
    """Peak signal-to-noise ratio in dB, over all three colours; higher is nearer, infinite for
    equal pictures.  10 log10(255^2 / mean squared error), the error of the mask's pixels only."""
    where = _pair(one, other, mask)
    if not where.any():
        return float("nan")
    error = float(np.square(levels(one) - levels(other), dtype=np.float64)[where].mean())
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def _similarity(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Luminance term, and contrast times structure, around each pixel; mirrored at the border."""
    mx, my, xx, yy, xy = (
        cv2.GaussianBlur(v, (WINDOW, WINDOW), SIGMA) for v in (x, y, x * x, y * y, x * y)
    )
    luminance = (2 * mx * my + C1) / (mx * mx + my * my + C1)
    structure = (2 * (xy - mx * my) + C2) / ((xx - mx * mx) + (yy - my * my) + C2)
    return luminance, structure


def ssim(one: Picture, other: Picture, mask: Mask | None = None) -> float:
    """Structural similarity of the lumas; -1 to 1, higher is nearer, 1 for equal pictures.

    Wang, Bovik, Sheikh and Simoncelli 2004: Gaussian window of 11 px, sigma 1.5, K1 0.01,
    K2 0.03, at full resolution.  The mean over the windows that lie within the picture whole and
    whose middle lies in the mask; NaN without one.
    """
    where = _pair(one, other, mask)
    if not where[INSIDE].any():
        return float("nan")
    luminance, structure = _similarity(*(_rounded(p).astype(np.float64) for p in (one, other)))
    return float((luminance * structure)[INSIDE][where[INSIDE]].mean())


def ms_ssim(one: Picture, other: Picture, mask: Mask | None = None) -> float:
    """Multi-scale structural similarity of the lumas; 0 to 1, higher is nearer.

    Wang, Simoncelli and Bovik 2003, five scales, each half the one before.  Without a mask the
    windows that lie within the picture whole count, as published.  A mask shrinks with the scales,
    its edge counting in part, and windows mirror the picture at its border: at the coarsest scale
    a whole window would leave out 80 px all around, and with them much of a small face.  So a mask
    of everything is not the same as none.  Negative means of a scale count as 0.  NaN for a
    picture under 176 px and for an empty mask.
    """
    where = _pair(one, other, mask)
    if min(where.shape) < SMALLEST_MS or not where.any():
        return float("nan")
    x, y = (_rounded(picture).astype(np.float64) for picture in (one, other))
    share, result = where.astype(np.float64), 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        luminance, structure = _similarity(x, y)
        if scale == len(SCALE_WEIGHTS) - 1:
            structure = structure * luminance
        mean = structure[INSIDE].mean() if mask is None else (structure * share).sum() / share.sum()
        result *= max(float(mean), 0.0) ** weight
        x, y, share = (cv2.resize(v, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
                       for v in (x, y, share))  # fmt: skip
    return result


@dataclass(frozen=True)
class WarpedError:
    """error: root mean square, grey levels; 0 is steady, NaN where nothing could be followed.
    followed: share of the mask, 0 to 1, that was; little of it means a jump or plain noise, and
    that the error tells little."""

    error: float
    followed: float


def warped_error(frame: Picture, following: Picture, mask: Mask | None = None) -> WarpedError:
    """What movement leaves unexplained between a frame and the next: boiling, flicker, tearing.

    The next frame is warped back by optical flow (DIS: Kroeger et al. 2016) and compared in the
    mask of this one, as Lai et al. 2018 ("Learning blind video temporal consistency") do, where
    the flow there and the flow back agree (Sundaram, Brox and Keutzer 2010).  Lower is steadier;
    sub-pixel movement of sharp detail leaves a little: real speakers 1.6 to 2.5, twice that and
    more once their texture boils.  It takes some 20 ms at 256 px and grows with the pixels, so
    hand it the face.  NaN and 0 for pictures under 16 px.
    """
    where = _pair(frame, following, mask)
    if min(where.shape) < SMALLEST_FLOW or not where.any():
        return WarpedError(float("nan"), 0.0)
    one, two = _rounded(frame), _rounded(following)
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    forward, backward = dis.calc(one, two, None), dis.calc(two, one, None)
    grid = np.stack(np.meshgrid(*map(np.arange, where.shape[::-1])), -1).astype(np.float32)
    there = grid + forward
    back = _sampled(backward, there)
    gap = np.square(forward + back).sum(-1)
    size = np.square(forward).sum(-1) + np.square(back).sum(-1)
    within = ((there >= 0) & (there <= np.array(where.shape[::-1]) - 1)).all(-1)
    known = where & within & (gap <= FLOW_SHARE * size + FLOW_PX2)
    error = (levels(frame) - _sampled(levels(following), there))[known]
    return WarpedError(
        error=float(np.sqrt(np.square(error, dtype=np.float64).mean())) if known.any() else np.nan,
        followed=float(known.sum() / where.sum()),
    )


def _sampled(values: NDArray[np.float32], places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values (H, W, n) at places (H, W, 2) px."""
    return cv2.remap(values, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def flicker(brightness: NDArray[np.floating]) -> float:
    """Unsteadiness of light or colour from frame to frame, in the unit of the curve; lower is
    steadier, 0 for a constant and for an even fade.

    brightness: (T,) or (T, n), such as the mean of a mask in each frame.  Root mean square of the
    second differences over sqrt(6): the deviation of what is independent from frame to frame.
    A single jump (a cut) counts.  NaN for fewer than three frames.
    """
    curve = np.asarray(brightness, np.float64)
    if len(curve) < 3:
        return float("nan")
    return float(np.sqrt((np.diff(curve, 2, axis=0) ** 2).mean() / 6))


def largest_change(frame: Picture, following: Picture, mask: Mask | None = None) -> float:
    """How much two frames differ where they differ most: the largest mean absolute difference
    of luma in a block of 16 px, under the grain of a codec, grey levels; 0 for equal frames.
    What lies outside the mask counts as equal; NaN for an empty one."""
    where = _pair(frame, following, mask)
    if not where.any():
        return float("nan")
    gap = np.abs(cv2.GaussianBlur((grey(frame) - grey(following)) * where, (0, 0), GRAIN_PX))
    return float(cv2.blur(gap, (BLOCK, BLOCK), borderType=cv2.BORDER_CONSTANT).max())


def is_duplicate(frame: Picture, following: Picture, mask: Mask | None = None) -> bool:
    """Whether a frame is the one before again, up to coding noise: frozen, or of a lower rate.

    People stand this still for single frames; a run or a regular beat of them is what tells.
    """
    return largest_change(frame, following, mask) < DUPLICATE_LEVELS
