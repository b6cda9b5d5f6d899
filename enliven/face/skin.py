"""Landmarks that stick to the skin: the network's places, corrected by what the pixels show.

The landmark network judges every frame afresh, and on smooth cheeks and foreheads its points
slide over the skin by some hundredths of an IOD.  Here the skin of each frame is unrolled to the
same square texture, and the optical flow (DIS, Kroeger et al. 2016) from a reference frame's
texture to it tells how far each point has slid.  Lips, lids and irises are left to the network:
they are edges, which it sees well, and what they show changes.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.face.head_model import (
    EYE_CORNERS,
    INNER_LIPS,
    IRIS_POINTS,
    LID_PAIRS,
    LIP_RINGS_LOWER,
    LIP_RINGS_UPPER,
    load_head,
)

SIDE = 128  # px of the texture
GRID = 32  # nodes a side on which the way from texture to frame is computed
MARGIN = 0.04  # of the face, around it in the texture
ROUNDS = 2
NEAR_EDGE = 0.05  # IOD from lips and lids within which the network is believed
FLOW_BLUR = 5.0  # px of the texture
LIMIT = 6.0  # px; larger slips are taken for something in front of the face
CONTRAST_BLUR = 8.0  # px over which brightness and contrast are evened out
ALIKE = (0.2, 0.5)  # correlation with the reference from which the flow counts, and fully
EDGE_ON = (0.25, 0.6)  # area of skin in the frame, over its usual, from which it counts


@dataclass(frozen=True)
class Layout:
    """The texture: where landmarks lie in it, and how frames are unrolled.

    places: (478, 2) px.  unroll: (GRID * GRID, 468) landmarks -> places of the nodes.
    skin: (SIDE, SIDE) float32, 1 on skin, 0 on eyes and mouth.  share: (478,) 0..1, how far a
    landmark follows the skin.
    """

    places: NDArray[np.float32]
    unroll: NDArray[np.float32]
    skin: NDArray[np.float32]
    share: NDArray[np.float32]


@cache
def layout() -> Layout:
    """The mean face seen from the front, with a thin-plate spline through its landmarks."""
    face = load_head().mean[:, :2]
    low, high = face[:468].min(0), face[:468].max(0)
    low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
    places = (face - low) / (high - low) * SIDE - 0.5
    nodes = (np.stack(np.meshgrid(np.arange(GRID), np.arange(GRID)), -1).reshape(-1, 2) + 0.5) * (
        SIDE / GRID
    ) - 0.5
    skin = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillConvexPoly(skin, cv2.convexHull(np.rint(places[:468]).astype(np.int32)), 1)
    openings = [[*INNER_LIPS[0], *INNER_LIPS[1]]]
    openings += [[*EYE_CORNERS[i], *(p for pair in pairs for p in pair)]
                 for i, pairs in enumerate(LID_PAIRS.values())]  # fmt: skip
    for opening in openings:
        cv2.fillConvexPoly(skin, cv2.convexHull(np.rint(places[opening]).astype(np.int32)), 0)
    skin = cv2.erode(skin, np.ones((5, 5), np.uint8))
    rims = {i for ring in LIP_RINGS_UPPER + LIP_RINGS_LOWER for i in ring}
    rims |= {i for opening in openings for i in opening}
    gap = np.linalg.norm(face[:, None] - face[None, sorted(rims)], axis=-1).min(1)
    share = 1 - np.exp(-((gap / NEAR_EDGE) ** 2))
    share[IRIS_POINTS] = 0
    return Layout(places.astype(np.float32), _spline(places[:468], nodes).astype(np.float32),
                  skin.astype(np.float32), share.astype(np.float32))  # fmt: skip


def _spline(known: NDArray, wanted: NDArray, stiffness: float = 1e-3) -> NDArray[np.float64]:
    """(W, K): values at known points (K, 2) -> a thin-plate spline's at wanted points (W, 2)."""

    def kernel(a: NDArray, b: NDArray) -> NDArray:
        squared = ((a[:, None] - b[None]) ** 2).sum(-1) / SIDE**2
        return squared * np.log(np.maximum(squared, 1e-12))

    def plane(points: NDArray) -> NDArray:
        return np.column_stack([np.ones(len(points)), points / SIDE])

    count = len(known)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = kernel(known, known) + stiffness * np.eye(count)
    system[:count, count:] = plane(known)
    system[count:, :count] = plane(known).T
    values = np.vstack([np.eye(count), np.zeros((3, count))])
    return np.hstack([kernel(wanted, known), plane(wanted)]) @ np.linalg.solve(system, values)


@dataclass(frozen=True)
class Unrolled:
    """One frame's skin: evened texture (SIDE, SIDE) uint8, its px in the frame, and how well
    each texel is seen, 0..1."""

    texture: NDArray[np.uint8]
    pixels: NDArray[np.float32]
    seen: NDArray[np.float32]


class SkinReference:
    """The skin of one frame, against which the landmarks of others are corrected."""

    def __init__(self, image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> None:
        self._reference = _unrolled(image, landmarks)
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._flow.setFinestScale(1)

    def corrected(
        self, image: NDArray[np.uint8], landmarks: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Landmarks (478, 3) px in an RGB image (H, W, 3), moved to where the reference's skin
        now is; depth is kept.  Unchanged where the skin is hidden or looks like another's."""
        cut, landmarks = layout(), landmarks.copy()
        for _ in range(ROUNDS):
            now = _unrolled(image, landmarks)
            weight = cut.skin * now.seen * self._reference.seen
            trust = _alike(self._reference.texture, now.texture, weight)
            if trust == 0:
                break
            flow = self._flow.calc(self._reference.texture, now.texture, None)
            flow = np.clip(flow, -LIMIT, LIMIT) * weight[..., None]
            # where little skin is seen, the correction fades rather than being guessed
            solid = cv2.GaussianBlur(weight, (0, 0), FLOW_BLUR) + 0.05
            flow = cv2.GaussianBlur(flow, (0, 0), FLOW_BLUR) / solid[..., None]
            slip = trust * cut.share[:, None] * _sampled(flow, cut.places)
            moved = _sampled(now.pixels, cut.places + slip)
            landmarks[:, :2] += moved - _sampled(now.pixels, cut.places)
        return landmarks


def _unrolled(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> Unrolled:
    cut = layout()
    nodes = (cut.unroll @ landmarks[:468, :2]).reshape(GRID, GRID, 2)
    right, down = np.gradient(nodes, axis=1), np.gradient(nodes, axis=0)
    area = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    usual = max(float(np.median(area)), 1e-6)
    seen = np.clip((area / usual - EDGE_ON[0]) / (EDGE_ON[1] - EDGE_ON[0]), 0, 1)
    size = (SIDE, SIDE)
    pixels = cv2.resize(nodes, size)
    drawn = cv2.remap(image, pixels, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    grey = cv2.cvtColor(drawn, cv2.COLOR_RGB2GRAY).astype(np.float32)
    width = (2 * round(CONTRAST_BLUR) + 1,) * 2
    detail = grey - cv2.blur(cv2.blur(grey, width), width)
    spread = np.sqrt(cv2.blur(cv2.blur(detail * detail, width), width)) + 3
    texture = np.clip(128 + 45 * detail / spread, 0, 255).astype(np.uint8)
    return Unrolled(texture, pixels, cv2.resize(seen.astype(np.float32), size))


def _alike(one: NDArray[np.uint8], two: NDArray[np.uint8], weight: NDArray[np.float32]) -> float:
    """0 to 1: how far two evened textures show the same skin, where the weight says."""
    total = float(weight.sum())
    if total < 0.1 * SIDE * SIDE:
        return 0.0
    a, b = (texture.astype(np.float32) - 128 for texture in (one, two))
    product, squares = (weight * a * b).sum(), (weight * a * a).sum() * (weight * b * b).sum()
    alike = float(product / max(float(squares) ** 0.5, 1e-6))
    return float(np.clip((alike - ALIKE[0]) / (ALIKE[1] - ALIKE[0]), 0, 1))


def _sampled(field: NDArray[np.float32], places: NDArray[np.float32]) -> NDArray[np.float32]:
    """A field (SIDE, SIDE, 2) read at places (N, 2) px: (N, 2)."""
    x, y = (np.ascontiguousarray(places[:, i], np.float32)[:, None] for i in (0, 1))
    return cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
