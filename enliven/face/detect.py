"""Where the faces of an image are: two detectors, several scales, one list without doubles.

The short-range network (128 px) knows faces that fill much of its input, the full-range network
(192 px) smaller ones.  Both see the whole image; overlapping tiles follow when that finds
nothing, so that a small head in a large photo is found as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.weights import open_model

DETECTION_SCORE = 0.5  # the score from which a detection counts
OVERLAP = 0.3  # intersection over union from which two detections are the same face
TILE_SHARES = (0.6, 0.35)  # tile side over the shorter image side, tried in turn
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


def detect_faces(
    image: NDArray[np.uint8], min_score: float = DETECTION_SCORE, tiles: bool = True
) -> list[DetectedFace]:
    """Faces in an RGB image (H, W, 3) uint8, largest first; an empty list when there are none.

    With a lower min_score the list holds doubtful faces too, for messages and second looks.
    Without tiles a face under about a twentieth of the image is missed, in a tenth of the time.
    """
    height, width = image.shape[:2]
    whole = (0.0, 0.0, float(width), float(height))
    found = [*_candidates(image, whole, SHORT_RANGE, min_score),
             *_candidates(image, whole, FULL_RANGE, min_score)]  # fmt: skip
    for share in TILE_SHARES if tiles else ():
        if any(face.score >= DETECTION_SCORE for face in found):
            break
        for tile in _tiles(width, height, share):
            found += _candidates(image, tile, SHORT_RANGE, min_score)
    return sorted(merge_overlapping(found), key=lambda face: -face.size_px)


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
        same = [overlap(left[0].box, face.box) > OVERLAP for face in left]
        group = [face for face, taken in zip(left, same, strict=True) if taken]
        weights = np.array([face.score for face in group])
        weights /= weights.sum()
        merged.append(DetectedFace(
            np.tensordot(weights, [face.box for face in group], 1),
            np.tensordot(weights, [face.keypoints for face in group], 1),
            left[0].score,
        ))  # fmt: skip
        left = [face for face, taken in zip(left, same, strict=True) if not taken]
    return merged


def overlap(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Intersection over union of two boxes (left, top, right, bottom)."""
    inside = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inside
    return float(inside / union) if union > 0 else 0.0


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
    scale = network.side_px / max(right - left, bottom - top)
    centre = np.array([left + right, top + bottom]) / 2
    # from image to input; pixel centres have integer coordinates on both sides
    shift = (network.side_px - 1) / 2 - scale * (centre - 0.5)
    matrix = np.column_stack([scale * np.eye(2), shift])
    crop = _shrink(image, matrix, network.side_px)
    session = open_model(network.name)
    tensor = crop[None].astype(np.float32) / 127.5 - 1
    boxes, logits = session.run(None, {session.get_inputs()[0].name: tensor})
    scores = 1 / (1 + np.exp(-np.clip(logits.ravel().astype(np.float64), -100, 100)))
    rows = np.flatnonzero(scores >= min_score)
    points = boxes.reshape(-1, 8, 2)[rows].astype(np.float64)  # centre, size, six key points
    points[:, [0, 2, 3, 4, 5, 6, 7]] += _anchors(network)[rows, None]
    centres = (points[:, 0] - shift - 0.5) / scale
    halves = points[:, 1] / scale / 2
    keypoints = (points[:, 2:] - shift - 0.5) / scale
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


def _shrink(image: NDArray[np.uint8], matrix: NDArray[np.float64], side: int) -> NDArray[np.uint8]:
    """The image through a scaling matrix into a square; averaged first where it gets smaller.

    Bilinear sampling alone would skip pixels of a large photo and miss faces drawn in thin lines.
    """
    factor = int(1 / matrix[0, 0])
    if factor >= 2:
        height, width = image.shape[0] // factor, image.shape[1] // factor
        cut = np.ascontiguousarray(image[: height * factor, : width * factor])
        image = np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        # a pixel of the small image covers `factor` pixels of the large one
        matrix = matrix @ np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2],
                                    [0, 0, 1]])  # fmt: skip
    crop = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR)
    return np.asarray(crop, np.uint8)
