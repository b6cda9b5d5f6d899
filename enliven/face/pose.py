"""Pose of the head by perspective-n-point on the canonical face, under a nominal camera.

A photo does not tell its focal length, and a face can be large or far away.  The nominal camera
settles it: it stands CAMERA_DISTANCE in front of the neck pivot and looks straight at the face.
Its principal point is the middle of the face, not of the picture: a head in the corner of a wide
photo would else count as turned by the angle at which the camera sees that corner.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.face.head_model import load_head
from enliven.geometry import (
    CAMERA_DISTANCE,
    RIGID,
    rotation_from_vector,
    similarity,
    vector_from_rotation,
)

FOCAL_ROUNDS = 6  # each round shrinks the error of the focal length about tenfold


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: focal length in pixels and principal point (2,) in pixels."""

    focal_px: float
    centre_px: NDArray[np.float64]


def nominal_camera(landmarks: NDArray[np.floating]) -> Camera:
    """The camera under which the (median) face of a clip is CAMERA_DISTANCE away.

    landmarks: (478, 3) or (T, 478, 3) px.
    """
    clip = np.asarray(landmarks).reshape(-1, 478, 3)
    middle = np.median(clip[:, RIGID, :2].mean(1, dtype=np.float64), axis=0)
    # a few frames spread over the clip tell the median distance well enough
    sample = clip[np.linspace(0, len(clip) - 1, min(len(clip), 50)).astype(int)]
    focal_px = CAMERA_DISTANCE * float(np.median([_scale_px(frame) for frame in sample]))
    for _ in range(FOCAL_ROUNDS):
        camera = Camera(focal_px, middle)
        distance = float(np.median([head_pose(frame, camera)[1][2] for frame in sample]))
        focal_px *= CAMERA_DISTANCE / distance
    return Camera(focal_px, middle)


def head_pose(
    landmarks: NDArray[np.floating], camera: Camera
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation (3, 3) and translation (3,) IOD of the head with the given landmarks (478, 3) px.

    Least squares of the reprojection of RIGID, started from the pose that the landmarks' own
    depth suggests, so that the mirrored solution of a flat face is never found.
    """
    model = load_head().mean[list(RIGID)]
    pixels = np.asarray(landmarks, np.float64)[list(RIGID)]
    scale, rotation, shift = similarity(model, pixels)
    depth = camera.focal_px / scale
    start = np.append((shift[:2] - camera.centre_px) / scale, depth)
    lens = np.array([[camera.focal_px, 0, camera.centre_px[0]],
                     [0, camera.focal_px, camera.centre_px[1]], [0, 0, 1]])  # fmt: skip
    turn, place = cv2.solvePnPRefineLM(
        model, np.ascontiguousarray(pixels[:, :2]), lens, None,
        vector_from_rotation(rotation).reshape(3, 1), start.reshape(3, 1),
        (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 100, 1e-10),
    )  # fmt: skip
    return (
        np.asarray(rotation_from_vector(np.ravel(turn)), np.float64),
        np.asarray(np.ravel(place), np.float64),
    )


def head_poses(
    landmarks: NDArray[np.floating], camera: Camera
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`head_pose` of each frame: rotations (T, 3, 3) and translations (T, 3) IOD."""
    poses = [head_pose(frame, camera) for frame in landmarks]
    return np.array([r for r, _ in poses]), np.array([t for _, t in poses])


def _scale_px(landmarks: NDArray[np.floating]) -> float:
    """Rough length of one IOD in pixels, from the landmarks' own depth."""
    return similarity(load_head().mean[list(RIGID)], np.asarray(landmarks)[list(RIGID)])[0]
