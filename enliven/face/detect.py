"""Where the faces of an image are: two detectors, several scales, one list without doubles.

The short-range network (128 px) knows faces that fill much of its input, the full-range network
(192 px) smaller ones.  Both see the whole image, and for a small head in a large photo
overlapping tiles of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.weights import open_model

DETECTION_SCORE = 0.5  # the score from which a detection counts
TILE_SCORE = 0.7
OVERLAP = 0.3  # intersection over union from which two detections are the same face
TILE_SHARES = (0.6, 0.35, 0.2)  # tile side over the shorter image side, tried in turn
TILE_STEP = 0.5  # tiles advance by this part of their side
MIN_TILE_PX = 128


@dataclass(frozen=True)
class Network:
    """How a detector lays its candidates over its square input."""

    name: str
    side_px: int
    grids: tuple[tuple[int, int], ...]  # (cells a side, candidates a cell)


SHORT_RANGE = Network("face_detection", 128, ((16, 2), (8, 6)))
FULL_RANGE = Network("face_detection_far", 192, ((48, 1),))
NETWORKS = (SHORT_RANGE, FULL_RANGE)


@dataclass(frozen=True)
class DetectedFace:
    """A face in image pixels.

    box: (4,) left, top, right, bottom of the face from brows to chin.
    keypoints: (6, 2) eye at image left, eye at image right, nose tip, mouth, both ears.
    score: 0 to 1.
    """

    box: NDArray[np.float64]
    keypoints: NDArray[np.float64]
    score: float

    @property
    def size_px(self) -> float:
        return float((self.box[2:] - self.box[:2]).max())

    @property
    def roll(self) -> float:
        """Angle of the eye line, radians, positive clockwise as seen."""
        dx, dy = self.keypoints[1] - self.keypoints[0]
        return float(np.arctan2(dy, dx))


def detect_faces(image: NDArray[np.uint8]) -> list[DetectedFace]:
    """Faces in an RGB image (H, W, 3) uint8, largest first; an empty list when there are none.

    Faces under about a twentieth of the image are missed, see `detect_small_faces`.  Patterns
    that look a little like a face can be among them; the mesh tells (`landmarks`).
    """
    height, width = image.shape[:2]
    whole = (0.0, 0.0, float(width), float(height))
    found = [f for n in NETWORKS for f in _candidates(image, whole, n, DETECTION_SCORE)]
    return sorted(merge_overlapping(found), key=lambda face: -face.size_px)


def detect_small_faces(image: NDArray[np.uint8]) -> list[DetectedFace]:
    """Faces of a large image seen tile by tile, largest first; some hundred times the work.

    Tiles get smaller until one shows a face.  They see many more patterns, so the score must be
    higher than in `detect_faces`.
    """
    height, width = image.shape[:2]
    for share in TILE_SHARES:
        found = [face for tile in _tiles(width, height, share) for network in NETWORKS
                 for face in _candidates(image, tile, network, TILE_SCORE)]  # fmt: skip
        if found:
            return sorted(merge_overlapping(found), key=lambda face: -face.size_px)
    return []


def best_score(image: NDArray[np.uint8]) -> float:
    """Score of the likeliest face in the whole image, however unlikely, for messages."""
    whole = (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
    return max(f.score for n in NETWORKS for f in _candidates(image, whole, n, 0.0))


def detect_near(image: NDArray[np.uint8], x: float, y: float, side: float) -> list[DetectedFace]:
    """Faces in a square of the image around (x, y), largest first; for a face just lost."""
    window = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    found = merge_overlapping(_candidates(image, window, SHORT_RANGE, DETECTION_SCORE))
    return sorted(found, key=lambda face: -face.size_px)


def merge_overlapping(faces: list[DetectedFace]) -> list[DetectedFace]:
    """Each group of overlapping detections as their mean weighted by score, best first.

    The mean moves less from frame to frame than the best of a group does.
    """
    left = sorted(faces, key=lambda face: -face.score)
    merged = []
    while left:
        same = overlap(left[0].box, np.array([face.box for face in left])) > OVERLAP
        same[0] = True
        group = [face for face, taken in zip(left, same, strict=True) if taken]
        weights = np.array([face.score for face in group])
        weights /= weights.sum()
        box = np.tensordot(weights, [face.box for face in group], 1)
        keypoints = np.tensordot(weights, [face.keypoints for face in group], 1)
        merged.append(DetectedFace(box, keypoints, left[0].score))
        left = [face for face, taken in zip(left, same, strict=True) if not taken]
    return merged


def overlap(box: NDArray[np.floating], boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of a box (4,) left, top, right, bottom with each of (N, 4)."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    inside = np.clip(sides, 0, None).prod(1)
    union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - inside
    return np.asarray(inside / np.maximum(union, 1e-9), np.float64)


def _tiles(width: int, height: int, share: float) -> Iterator[tuple[float, float, float, float]]:
    """Square tiles (left, top, right, bottom) that cover the image with overlap."""
    side = max(share * min(width, height), float(MIN_TILE_PX))
    if side >= max(width, height):
        return
    counts = [1 + int(np.ceil(max(0.0, n - side) / (TILE_STEP * side))) for n in (width, height)]
    for top in np.linspace(0, max(0.0, height - side), counts[1]):
        for left in np.linspace(0, max(0.0, width - side), counts[0]):
            yield left, top, left + side, top + side


def _candidates(
    image: NDArray[np.uint8],
    window: tuple[float, float, float, float],
    network: Network,
    min_score: float,
) -> list[DetectedFace]:
    """What one network sees in one window of the image, which is letterboxed to its input."""
    left, top, right, bottom = window
    step = max(right - left, bottom - top) / network.side_px  # image pixels in a pixel of input
    # pixel centres have integer coordinates in both
    origin = np.array([left + right, top + bottom]) / 2 - 0.5 - step * (network.side_px - 1) / 2
    to_image = np.column_stack([step * np.eye(2), origin])
    crop = square_crop(image, to_image, network.side_px, cv2.BORDER_CONSTANT)
    session = open_model(network.name)
    tensor = crop[None].astype(np.float32) / 127.5 - 1
    boxes, logits = session.run(None, {session.get_inputs()[0].name: tensor})
    scores = 1 / (1 + np.exp(-np.clip(logits.ravel().astype(np.float64), -100, 100)))
    rows = np.flatnonzero(scores >= min_score)
    points = boxes.reshape(-1, 8, 2)[rows].astype(np.float64)  # centre, size, six key points
    points[:, [0, 2, 3, 4, 5, 6, 7]] += _anchors(network)[rows, None]
    # the network counts from the corner of its input
    centres = (points[:, 0] - 0.5) * step + origin
    halves = points[:, 1] * step / 2
    keypoints = (points[:, 2:] - 0.5) * step + origin
    return [
        DetectedFace(np.concatenate([c - h, c + h]), k, float(s))
        for c, h, k, s in zip(centres, halves, keypoints, scores[rows], strict=True)
    ]


@cache
def _anchors(network: Network) -> NDArray[np.float64]:
    """Where each candidate's coordinates start from, (N, 2) pixels of the input."""
    rows = []
    for cells, each in network.grids:
        y, x = np.mgrid[:cells, :cells]
        centres = (np.stack([x, y], -1).reshape(-1, 2) + 0.5) * (network.side_px / cells)
        rows.append(np.repeat(centres, each, axis=0))
    return np.concatenate(rows)


def square_crop(
    image: NDArray[np.uint8], to_image: NDArray[np.float64], side_px: int, border: int
) -> NDArray[np.uint8]:
    """The square that the (2, 3) map from crop to image pixels describes, as RGB.

    Where the picture gets smaller it is sampled finely and averaged: plain sampling would skip
    pixels and tremble with every shift.  border: OpenCV's rule for pixels beyond the image.
    """
    fine = max(1, round(float(np.hypot(*to_image[:, 0]))))
    # the first fine pixel lies (fine - 1) / 2 of its steps before the crop pixel it belongs to
    turn = to_image[:, :2] / fine
    shift = to_image[:, 2] - turn @ np.full(2, (fine - 1) / 2)
    crop = cv2.warpAffine(
        image, np.column_stack([turn, shift]), (fine * side_px, fine * side_px),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=border,
    )  # fmt: skip
    if fine > 1:
        crop = cv2.resize(crop, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)
