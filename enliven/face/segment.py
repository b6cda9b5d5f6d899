"""Which pixels belong to the person: a soft matte at the photo's own resolution.

The network sees 256 x 256 pixels.  It is run on the whole photo, which tells people from things,
and on closer windows around the head, which follow its outline; the mean of both is cleaned up,
and a guided filter then lets it follow edges and strands of hair in the photo itself.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.geometry import OUTER_EYE_CORNERS
from enliven.weights import open_model

FOREHEAD, CHIN = 10, 152  # landmarks
CHEST_LENGTH = 0.55  # face heights below the chin that surely belong to the face

Matte = NDArray[np.float32]
Window = tuple[int, int, int, int]  # left, top, right, bottom px, right and bottom excluded

SIDE_PX = 256
WINDOWS_IOD = (8.0, 5.0)  # sides of the closer windows
CLOSER = 0.7  # a window must have less than this part of the photo's width or height
CERTAIN = 0.98  # probabilities are kept this far from 0 and 1 before they are averaged
GUIDE_PX = 1024  # longer side of the photo at which the filter's coefficients are made
GUIDE_RADIUS_IOD = 0.10
GUIDE_SMOOTHNESS = 1e-4  # variance of colour (0..1) below which the photo counts as flat
BAND_SHARE = 0.5  # the filter acts this far from an edge, over its own radius
EDGE_LOW, EDGE_HIGH = 0.12, 0.88  # filtered values that become 0 and 1
SOFT_REACH_IOD = 0.12  # half-transparent pixels this near belong to the person
HOLE_IOD = 0.3  # a hole narrower than this is filled
DOUBT = 0.2  # share of undecided pixels from which a photo counts as hard
BLUR_SHARE, MARGINS = 0.008, (0.15, 0.35)  # of the second looks, over the sides of the photo
STRIP_ROWS = 512


def person_mask(
    image: NDArray[np.uint8],
    landmarks: NDArray[np.floating],
    others: Sequence[NDArray[np.floating]] = (),
) -> NDArray[np.uint8]:
    """Matte (H, W) uint8 of the person with the given landmarks (478, 3) px; 255 is person.

    others: landmarks of other faces in the photo, whose bodies are not this person's.
    """
    left, right = landmarks[list(OUTER_EYE_CORNERS)]
    iod_px = float(np.linalg.norm(right - left))
    middle = landmarks[:, :2].mean(0)
    height, width = image.shape[:2]
    scale = min(1.0, GUIDE_PX / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    grid = np.array([size[0] / width, size[1] / height])
    windows = _windows(size, middle * grid, iod_px * scale)
    share = _fused(small, windows)
    if ((share > 0.15) & (share < 0.85)).mean() > DOUBT:
        share = np.maximum(share, _second_looks(small))
    share = _one_person(share, landmarks[:, :2] * grid, iod_px * scale)
    beside = [other[:, :2] * grid for other in others]
    share = share * _own_part(small, share, landmarks[:, :2] * grid, beside)
    return guided(small, share, max(2, round(GUIDE_RADIUS_IOD * iod_px * scale)), image)


def _windows(size: tuple[int, int], middle: NDArray[np.floating], iod_px: float) -> list[Window]:
    """The whole photo, then closer squares around the head, cut to the photo."""
    width, height = size
    windows = [(0, 0, width, height)]
    for side in WINDOWS_IOD:
        half = side * iod_px / 2
        x, y = middle[0], middle[1] + 0.1 * half  # shoulders matter more than the ceiling
        left, top = max(0, int(x - half)), max(0, int(y - half))
        right, bottom = min(width, int(x + half) + 1), min(height, int(y + half) + 1)
        if right - left < CLOSER * width or bottom - top < CLOSER * height:
            windows.append((left, top, right, bottom))
    return windows


def _fused(image: NDArray[np.uint8], windows: list[Window]) -> Matte:
    """Probability (H, W) of person: the weighted mean of the windows' logits."""
    height, width = image.shape[:2]
    total = np.zeros((height, width), np.float32)
    weights = np.full((height, width), 1e-6, np.float32)
    for left, top, right, bottom in windows:
        share = _segment(image[top:bottom, left:right])
        share = np.clip(share, 1 - CERTAIN, CERTAIN)
        weight = _feather((left, top, right, bottom), (width, height))
        total[top:bottom, left:right] += weight * np.log(share / (1 - share))
        weights[top:bottom, left:right] += weight
    return 1 / (1 + np.exp(-total / weights))


def _segment(image: NDArray[np.uint8]) -> Matte:
    """What the network says of an image, at that image's size; the mean with its mirror image."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    session = open_model("person_mask")
    name = session.get_inputs()[0].name
    seen = np.asarray(small, np.float32)[None] / 255
    (direct,) = session.run(None, {name: seen})
    (mirrored,) = session.run(None, {name: np.ascontiguousarray(seen[:, :, ::-1])})
    share = (direct[0, ..., 0] + mirrored[0, :, ::-1, 0]) / 2
    return np.asarray(cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR))


def _second_looks(image: NDArray[np.uint8]) -> Matte:
    """The most that other looks at a hard photo show: with a margin around it, and blurred.

    Where hair fills the photo or flowers crowd around it, the plain look loses half the head.
    """
    height, width = image.shape[:2]
    blurred = cv2.GaussianBlur(image, (0, 0), BLUR_SHARE * max(width, height))
    most = _segment(np.asarray(blurred, np.uint8))
    for margin in MARGINS:
        x, y = round(margin * width), round(margin * height)
        wider = cv2.copyMakeBorder(image, y, y, x, x, cv2.BORDER_REPLICATE)
        look = _segment(np.asarray(wider, np.uint8))[y : y + height, x : x + width]
        most = np.maximum(most, look)
    return most


def _feather(window: Window, size: tuple[int, int]) -> Matte:
    """Weight of a window: 1 inside, falling to 0 at those sides that are not the photo's own."""
    left, top, right, bottom = window
    ramps = []
    for low, high, end in ((left, right, size[0]), (top, bottom, size[1])):
        i, n = np.arange(high - low, dtype=np.float32), high - low
        before = i / (0.15 * n) if low > 0 else np.ones(n, np.float32)
        after = (n - 1 - i) / (0.15 * n) if high < end else np.ones(n, np.float32)
        ramps.append(np.clip(np.minimum(before, after), 0, 1))
    return np.outer(ramps[1], ramps[0]).astype(np.float32)


def _one_person(share: Matte, points: NDArray[np.floating], iod_px: float) -> Matte:
    """Only what hangs together with the face, without pinholes, the face itself in any case."""
    face = np.zeros(share.shape, np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(np.round(points).astype(np.int32)), 1)
    share = np.maximum(share, face)
    inside = (share > 0.5).astype(np.uint8)
    _, labels = cv2.connectedComponents(inside, connectivity=4)
    own = np.isin(labels, np.unique(labels[(face > 0) & (inside > 0)]))
    # soft edges belong to the part that they border on
    near = cv2.dilate(own.astype(np.uint8), _disc(max(1, round(SOFT_REACH_IOD * iod_px))))
    share = np.where(near > 0, share, 0).astype(np.float32)
    others = (~own).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(others, connectivity=4)
    for label in range(1, count):
        x, y, w, h = stats[label, :4]
        inner = x > 0 and y > 0 and x + w < share.shape[1] and y + h < share.shape[0]
        if inner and min(w, h) < HOLE_IOD * iod_px:
            share[labels == label] = 1
    return share


def _own_part(
    image: NDArray[np.uint8],
    share: Matte,
    points: NDArray[np.floating],
    others: Sequence[NDArray[np.floating]],
) -> Matte:
    """1 (h, w) where a matte that reaches across several people is this person's, else 0.

    A watershed (Meyer 1992) along the edges of the photo, from heads and chests outwards.
    """
    shape = share.shape
    touching = [other for other in others if share[_hull(other, shape) > 0].mean() > 0.5]
    if not touching:
        return np.ones(shape, np.float32)
    markers = np.zeros(shape, np.int32)
    # larger faces are nearer and hide what is behind them
    everybody = [(points, 1), *((other, 2) for other in touching)]
    everybody.sort(key=lambda person: float(np.ptp(person[0][:, 1])))
    for area in (_chest, _hull):
        for face, label in everybody:
            markers[(area(face, shape) > 0) & (share > 0.5)] = label
    # water climbs the background last, so that it does not take the long way round
    rough = np.indices(shape).sum(0) % 2 * 255
    terrain = np.where(share[..., None] > 0.1, image, rough[..., None]).astype(np.uint8)
    cv2.watershed(np.ascontiguousarray(terrain), markers)
    own = (markers == 1).astype(np.uint8)
    between = (markers == -1).astype(np.uint8)  # lines one pixel wide
    return np.asarray(own | (cv2.dilate(own, _disc(1)) & between), np.float32)


def _hull(points: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """1 (h, w) inside the face."""
    inside = np.zeros(shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(np.round(points).astype(np.int32)), 1)
    return inside


def _chest(points: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """1 (h, w) on neck and the middle of the chest below a face."""
    top, chin = points[FOREHEAD], points[CHIN]
    down = chin - top
    side = np.array([-down[1], down[0]])
    low = chin + CHEST_LENGTH * down
    corners = [chin - 0.12 * side, chin + 0.12 * side, low + 0.2 * side, low - 0.2 * side]
    inside = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.round(corners).astype(np.int32)], 1)
    return inside


def guided(
    guide: NDArray[np.uint8], matte: Matte, radius: int, image: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The matte (h, w) 0..1 made to follow the photo's edges, at the size of `image`, 0..255.

    Guided filter of He et al. (2013) with a colour guide; its coefficients come from the small
    `guide` and are applied to the full `image` (fast guided filter, 2015).
    """
    colour = np.asarray(guide, np.float32) / np.float32(255)
    slope, offset = _guided_coefficients(colour, matte, radius)
    width, height = image.shape[1], image.shape[0]
    result = np.empty((height, width), np.uint8)
    # far from its edges the matte is known, whatever the colours say
    band = _edge_band(matte, max(1, round(BAND_SHARE * radius)))
    full = np.dstack([slope * band[..., None], offset * band + matte * (1 - band)])
    for top in range(0, height, STRIP_ROWS):  # a large photo's planes would fill the memory
        bottom = min(height, top + STRIP_ROWS)
        part = _rows_of_enlarged(full, (width, height), top, bottom)
        pixels = np.asarray(image[top:bottom], np.float32) / np.float32(255)
        filtered = (part[..., :3] * pixels).sum(-1) + part[..., 3]
        level = (filtered - EDGE_LOW) / (EDGE_HIGH - EDGE_LOW)
        result[top:bottom] = np.round(255 * np.clip(level, 0, 1))
    return result


def _edge_band(matte: Matte, radius: int) -> Matte:
    """1 (h, w) near undecided pixels and outlines, 0 elsewhere, with soft borders."""
    inside = (matte > 0.5).astype(np.uint8)
    outline = cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, _disc(1)) > 0
    undecided = (matte > 0.1) & (matte < 0.9)
    near = cv2.dilate((outline | undecided).astype(np.uint8), _disc(radius))
    return np.asarray(cv2.blur(near.astype(np.float32), (radius | 1, radius | 1)), np.float32)


def _disc(radius: int) -> NDArray[np.uint8]:
    side = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _rows_of_enlarged(planes: Matte, size: tuple[int, int], top: int, bottom: int) -> Matte:
    """Rows top to bottom of the planes (h, w, n) enlarged to size (width, height)."""
    sx, sy = planes.shape[1] / size[0], planes.shape[0] / size[1]
    # pixel centres have integer coordinates: x' = (x + 0.5) s - 0.5
    to_small = np.array([[sx, 0, sx / 2 - 0.5], [0, sy, sy * (top + 0.5) - 0.5]])
    shape = (size[0], bottom - top)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(planes, to_small, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )


def _guided_coefficients(colour: Matte, matte: Matte, radius: int) -> tuple[Matte, Matte]:
    """Slope (h, w, 3) and offset (h, w): matte ~ slope . colour + offset in each window."""
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(values: Matte) -> Matte:
        return np.asarray(cv2.boxFilter(values, -1, window, borderType=cv2.BORDER_REFLECT))

    mean_colour, mean_matte = mean(colour), mean(matte)
    shared = mean(colour * matte[..., None]) - mean_colour * mean_matte[..., None]
    pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    rr, rg, rb, gg, gb, bb = (
        mean(colour[..., i] * colour[..., j]) - mean_colour[..., i] * mean_colour[..., j]
        + (GUIDE_SMOOTHNESS if i == j else 0)
        for i, j in pairs
    )  # fmt: skip
    # inverse of the symmetric 3 x 3 covariance of each window by cofactors
    cofactors = [gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb,
                 rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg]  # fmt: skip
    a, b, c, d, e, f = cofactors
    determinant = rr * a + rg * b + rb * c
    x, y, z = np.moveaxis(shared, -1, 0)
    slope = np.dstack([a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z])
    slope /= determinant[..., None]
    offset = mean_matte - (slope * mean_colour).sum(-1)
    return mean(slope.astype(np.float32)), mean(offset.astype(np.float32))
