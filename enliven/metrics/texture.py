"""What a picture is made of: sharpness, grain, block artefacts, colour, exposure.

None of these is better for being higher or lower.  Blur, plastic skin, over-sharpening, grain and
saturation are told by how far a value lies from the photo's own: `band_score`.

Plain functions of pictures as in `enliven.metrics.image`: RGB (H, W, 3), sRGB, uint8 or floating
point of 0 to 1, and masks (H, W) bool.  Nothing outside a mask has any effect.  NaN where too
little is left to tell.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.metrics.image import Mask, Picture, chosen, grey, levels

FINE_PX = 2.0  # what a Gaussian of this deviation takes away is high frequency
GRID_LINES = 3  # of each phase of a grid, at least, or one strong edge would pass for it
# Bands for `band_score`, from five seconds of each of 19 real speakers in a fixed box about the
# head.  Against the first frame the Laplacian keeps within 0.41 to 2.2, high frequency within 0.61
# to 1.6, means, saturation and entropy within 0.89 to 1.08.  A blur of 1 px deviation leaves 0.10
# to 0.27 and 0.39 to 0.61; an unsharp mask of strength 1 gives 3.2 to 3.7 and 2.0 to 2.5.
LAPLACIAN_BAND = 4.0
HIGH_FREQUENCY_BAND = 2.5
COLOUR_BAND = 1.5
SHADES = 8  # of each colour in the histogram
CLIPPED = 3.0  # grey levels from black or white within which nothing is told apart


def laplacian_variance(picture: Picture, mask: Mask | None = None) -> float:
    """Sharpness and grain: variance of the 4-neighbour Laplacian of luma, grey levels squared.

    Pech-Pacheco et al. 2000 ("Diatom autofocusing in brightfield microscopy").  0 for a constant,
    a gradient and blur without end; unchanged by an offset, c^2-fold for c-fold contrast.
    """
    where = chosen(picture, mask).astype(np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    whole = cv2.erode(where, cross, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    if not whole.any():
        return float("nan")
    return float(cv2.Laplacian(grey(picture).astype(np.float64), cv2.CV_64F)[whole].var())


def high_frequency_ratio(picture: Picture, mask: Mask | None = None) -> float:
    """Share of the variance of luma that is finer than a Gaussian blur of 2 px; 0 to 1.

    A wave of f cycles a px keeps (1 - exp(-8 pi^2 f^2))^2 of its power: a tenth at a period of
    14 px, a half at 8 px, all of a checkerboard.  Unchanged by offset and contrast.  The blur is
    normalised by the mask (Knutsson and Westin 1993).  NaN when nothing varies.
    """
    where = chosen(picture, mask)
    if not where.any():
        return float("nan")
    luma, share = grey(picture).astype(np.float64), where.astype(np.float64)
    luma = np.where(where, luma - luma[where].mean(), 0)
    total = float(np.square(luma).sum())
    if total < 1e-6 * where.sum():
        return float("nan")
    low, weight = (cv2.GaussianBlur(v, (0, 0), FINE_PX, borderType=cv2.BORDER_REFLECT)
                   for v in (luma, share))  # fmt: skip
    fine = (luma - low / np.maximum(weight, 1e-12))[where]
    return min(float(np.square(fine).sum()) / total, 1.0)


def grid_energy(picture: Picture, period: int, mask: Mask | None = None) -> float:
    """How much a grid of so many px (8, 16) stands out, as block coding and patch decoders leave
    it; 0 or more, lower is better.

    Mean luma step from column to column (row to row) at the strongest phase of the grid, over
    that of the middling phase: a step as strong as the texture itself gives about 1.  The
    blockiness of Wang, Sheikh and Bovik 2002 with the phase searched and every phase's lines
    summed up by their median, so that one strong edge is no grid.  The larger of both directions;
    one whose mask has fewer than three lines of any phase does not count, NaN if neither does.
    """
    where, luma = chosen(picture, mask), grey(picture)
    found = [_grid(luma, where, period), _grid(luma.T, where.T, period)]
    known = [value for value in found if not np.isnan(value)]
    return max(known) if known else float("nan")


def _grid(luma: NDArray[np.float32], where: Mask, period: int) -> float:
    """Grid energy of the steps from column to column."""
    both = where[:, 1:] & where[:, :-1]
    counts = both.sum(0)
    steps = (np.abs(np.diff(luma, axis=1)) * both).sum(0) / np.maximum(counts, 1)
    phases = []
    for phase in range(period):
        lines = steps[phase::period][counts[phase::period] >= period]
        if len(lines) < GRID_LINES:
            return float("nan")
        phases.append(np.median(lines))
    middle = float(np.median(phases))
    # one level more: the steps of rounding between flat blocks are no grid
    return (float(max(phases)) - middle) / (middle + 1)


@dataclass(frozen=True)
class Colours:
    """mean: (3,) red, green, blue, 0 to 1.  saturation: 0 grey to 1 pure, brighter pixels counting
    more.  entropy: bits, 0 for one colour to 9 for all of 8 shades of each of red, green, blue
    alike.  blown: share of pixels, 0 to 1, with a colour at the top of its range.
    crushed: share at the bottom in all three."""

    mean: NDArray[np.float64]
    saturation: float
    entropy: float
    blown: float
    crushed: float


def colours(picture: Picture, mask: Mask | None = None) -> Colours:
    """Colour and exposure of the pixels in the mask; all NaN for an empty one.

    Saturation is (max - min) / max of red, green and blue, as in HSV, of the sums over pixels:
    unchanged by brightness as long as nothing clips, and steady in the dark.
    """
    pixels = levels(picture)[chosen(picture, mask)].astype(np.float64)
    if not len(pixels):
        return Colours(np.full(3, np.nan), *[float("nan")] * 4)
    high, low = pixels.max(1), pixels.min(1)
    shade = np.clip(pixels * (SHADES / 256), 0, SHADES - 1).astype(np.int64)
    share = np.bincount(shade @ (SHADES**2, SHADES, 1)) / len(pixels)
    share = share[share > 0]
    return Colours(
        mean=pixels.mean(0) / 255,
        saturation=float((high - low).sum() / high.sum()) if high.any() else 0.0,
        entropy=float(np.abs((share * np.log2(share)).sum())),
        blown=float((high >= 255 - CLIPPED).mean()),
        crushed=float((high <= CLIPPED).mean()),
    )


def band_score(value: float, reference: float, factor: float) -> float:
    """How near a positive value is to its reference, 0 to 1, higher is better.

    (1 - x^2)^2 with x = ln(value / reference) / ln(factor): 1 at the reference, 0.56 at half the
    band in logarithms, and 0 from `factor` times the reference up and from a `factor`-th of it
    down, the same on both sides.  factor: above 1, else ValueError.  A value of 0 scores 0; NaN
    when either is NaN or the reference is not above 0, which tells nothing.
    """
    if not factor > 1:
        raise ValueError(f"factor is {factor}; the band must reach beyond its reference, above 1")
    if np.isnan(value) or not reference > 0:
        return float("nan")
    if value <= 0:
        return 0.0
    x = np.log(value / reference) / np.log(factor)
    return float(max(1 - x * x, 0.0) ** 2)
