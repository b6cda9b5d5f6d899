"""Two rows of teeth as curved walls, seen through the lips.

A row stands on a dental arch, a parabola in plan, and is painted once on a picture whose columns
run across the mouth and whose rows run from the tongue's side over the biting edge down the
front to the gum.  For each pixel of the opening the ray of sight is met with the wall and, where
it passes over the edge, with the biting surface: both have closed forms.

Proportions follow Wheeler's Dental Anatomy (mean crown widths and heights); 1 IOD is 90 mm.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.face import smooth_step

MM = 1 / 90  # IOD
UPPER_WIDTHS_MM = (8.5, 6.5, 7.5, 7.0, 7.0, 10.0, 10.0)  # from the midline outwards
UPPER_HEIGHTS_MM = (10.5, 9.0, 10.0, 8.5, 8.0, 7.5, 7.0)
LOWER_WIDTHS_MM = (5.0, 5.5, 7.0, 7.0, 7.0, 11.0, 10.5)
LOWER_HEIGHTS_MM = (9.0, 9.5, 10.5, 8.5, 8.0, 7.5, 7.0)
SHORTER_MM = (0.0, 0.7, 0.1, 0.8, 1.2, 1.5, 1.8)  # how far each edge stays behind the first one's
UPPER_CURVE, LOWER_CURVE = 3.0, 3.4  # arch z = curve x^2, 1 / IOD
HALF_WIDTH_MM = 36.0  # of the picture
DEEP_MM, TALL_MM = 9.0, 22.0  # biting surface and front that the picture holds
LEAST_SLOPE = 0.02  # of rays that come down on the biting surface
GUM_MM = 5.0  # attached gum, which turns darker beyond


@dataclass(frozen=True)
class Rays:
    """Lines of sight of P pixels in the axes of a row: start (P, 3) + t * step (3,), IOD."""

    start: NDArray[np.float32]
    step: NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """One row of teeth.

    picture: (h, w, 4) float32, colour 0..255 and alpha 0..1.  The edge of the middle teeth is
    the origin of the row's axes: x to image right, y from the edge to the gum, z back.
    """

    picture: NDArray[np.float32]
    curve: float
    px_per_iod: float

    def hit(self, rays: Rays) -> tuple[NDArray, NDArray, NDArray]:
        """Where rays meet the row: x (P,), v (P,) IOD from the edge to the gum, depth z (P,).

        Negative v lies on the biting surface, that far behind the wall, for rays that come down
        on it; for others they miss the row below its edge.
        """
        (x, y, z), (dx, dy, dz) = rays.start.T, rays.step
        curve = np.float32(self.curve)
        # curve (x + t dx)^2 = z + t dz, the nearer root, in the form that bears dx = 0
        b = dz - 2 * curve * dx * x
        k = curve * x * x - z
        disc = np.sqrt(np.maximum(b * b - 4 * curve * dx * dx * k, 1e-4))
        t = 2 * k / np.maximum(b + disc, 1e-3)
        v = y + t * dy
        if dy > LEAST_SLOPE:
            t = np.where(v < 0, -y / dy, t)
            beside = x + t * dx
            v = np.where(v < 0, np.minimum(curve * beside * beside - z - t * dz, 0), v)
        return x + t * dx, v, z + t * dz

    def see(self, rays: Rays, shape: tuple[int, int]) -> tuple[NDArray, NDArray]:
        """Colour and alpha (h, w, 4), and depth (h * w,), along h * w rays."""
        x, v, z = self.hit(rays)
        column = (x + HALF_WIDTH_MM * MM) * self.px_per_iod - 0.5
        line = (v + DEEP_MM * MM) * self.px_per_iod - 0.5
        seen = cv2.remap(self.picture, column.reshape(shape).astype(np.float32),
                         line.reshape(shape).astype(np.float32), cv2.INTER_LINEAR,
                         borderMode=cv2.BORDER_CONSTANT, borderValue=0)  # fmt: skip
        if rays.step[1] <= LEAST_SLOPE:
            seen[..., 3] *= np.clip(v * self.px_per_iod + 0.5, 0, 1).reshape(shape)
        return seen, z

    def at_rest(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Points (h, w, 3) in the row's axes that the picture's pixels lie at, and v (h,)."""
        height, width = self.picture.shape[:2]
        x = (np.arange(width) + 0.5) / self.px_per_iod - HALF_WIDTH_MM * MM
        v = (np.arange(height) + 0.5) / self.px_per_iod - DEEP_MM * MM
        points = np.empty((height, width, 3))
        points[..., 0], points[..., 1] = x, v[:, None]
        points[..., 2] = self.curve * x * x
        return points, np.asarray(v, np.float64)


def paint_row(upper: bool, tooth: NDArray, gum: NDArray, scale: float, px_per_iod: float) -> Row:
    """A generic row in tooth and gum colours (3,); scale: size of the teeth relative to mean."""
    curve = UPPER_CURVE if upper else LOWER_CURVE
    over = 2
    shape = (int((DEEP_MM + TALL_MM) * MM * px_per_iod), int(2 * HALF_WIDTH_MM * MM * px_per_iod))
    px = over * px_per_iod * MM / scale  # texture px per mm of a mean tooth
    v, x = np.mgrid[0 : over * shape[0], 0 : over * shape[1]].astype(np.float32)
    x = (x + 0.5) / (over * px_per_iod) - HALF_WIDTH_MM * MM
    v = ((v + 0.5) / (over * px_per_iod) - DEEP_MM * MM) / (scale * MM)
    bend = 2 * curve * x
    along = (x * np.sqrt(1 + bend * bend) + np.arcsinh(bend) / (2 * curve)) / (2 * scale * MM)
    colour, alpha = _painted(upper, along, v, tooth, gum, 1 / px)
    size = shape[::-1]
    solid = cv2.resize(colour * alpha[..., None], size, interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    picture = np.dstack([solid / np.maximum(alpha, 1e-3)[..., None], alpha])
    return Row(picture.astype(np.float32), curve, px_per_iod)


def _painted(upper: bool, along: NDArray, v: NDArray, tooth: NDArray, gum: NDArray,
             px_mm: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # fmt: skip
    """Colour (h, w, 3) and alpha (h, w) at mm along the arch and from the edge to the gum."""
    widths = UPPER_WIDTHS_MM if upper else LOWER_WIDTHS_MM
    heights = UPPER_HEIGHTS_MM if upper else LOWER_HEIGHTS_MM
    ends = np.cumsum(widths)
    side = np.abs(along)
    which = np.minimum(np.searchsorted(ends, side), len(widths) - 1)
    half = np.array(widths, np.float32)[which] / 2
    u = (side - (ends[which] - half)) / half  # -1 to 1 across one tooth
    middles = np.array([0, *(ends - np.array(widths) / 2)])
    edge = np.interp(side, middles, [0, *SHORTER_MM]).astype(np.float32) * (1.0 if upper else 0.4)
    neck = np.array(heights, np.float32)[which] - 0.9 * u * u
    share = np.clip((v - edge) / (neck - edge), 0, 1)  # 0 at the edge, 1 at the gum
    rounded = edge + np.where(which < 3, 0.9, 0.5) * np.abs(u) ** 5

    # crowns bulge: their flanks and necks turn away from the light; between them a soft line
    line = 0.16 if upper else 0.26
    flank = 1 - 0.13 * np.abs(u) ** 3 - line * np.clip((np.abs(u) - 0.85) / 0.15, 0, 1)
    body = 1 - 0.16 * np.clip((share - 0.6) / 0.4, 0, 1) - 0.10 * np.clip(1 - share / 0.15, 0, 1)
    warm = np.array([1.0, 0.975, 0.92], np.float32) ** share[..., None]
    crown = tooth * warm * (flank * body)[..., None]
    crown *= np.where(which == 2, 0.95, 1.0)[..., None]  # canines are a little darker

    past = v - neck
    flesh = gum * (1 - 0.45 * smooth_step((past - GUM_MM) / 6) + 0.10 * np.abs(u) ** 4)[..., None]
    is_gum = smooth_step(past / 0.5 + 0.5)[..., None]
    front = crown + is_gum * (flesh - crown)

    thick = np.interp(side, [0, 12, 20, 24], [2.2, 3.5, 7.0, 9.0])
    fissure = 1 - 0.25 * np.exp(-(((-v / thick - 0.5) / 0.18) ** 2)) * (side > 20)
    biting = tooth * np.array([1.0, 0.97, 0.90]) * (0.86 * fissure * flank)[..., None]
    colour = np.where((v < edge)[..., None], biting, front)

    # the cheeks keep the light from the back teeth
    start, reach, kept_off = (14, 26, 0.55) if upper else (7, 18, 0.75)
    shade = kept_off * smooth_step((side - start) / reach)[..., None]
    colour = colour * (1 - shade * np.array([0.9, 1.0, 1.0], np.float32))
    soft = max(px_mm, 0.15)
    alpha = np.clip((v - rounded) / soft + 0.5, 0, 1)
    behind = np.clip((thick + v) / max(soft, 1.5), 0, 1) * smooth_step((side - 11) / 6)
    behind *= v < rounded
    alpha = np.maximum(alpha, behind) * smooth_step((ends[-1] - side) / 9)
    return colour.astype(np.float32), alpha.astype(np.float32)
