"""Rotations, the camera, and the coordinate conventions everything else relies on.

Camera axes: x to the right of the image, y down, z away from the camera (OpenCV).
Positive yaw turns the face towards image right, positive pitch nods down, positive roll
tilts the head clockwise as seen in the image.  Angles are in radians.

Lengths are in IOD (inter-ocular distance): the distance between the outer eye corners,
landmarks 33 and 263, of the head in 3-D.  The origin of head coordinates is the pivot of the
neck, below and behind the eyes, so that a pure rotation is a natural nod or turn.

A head point v (IOD) appears at ``project(R @ v + t)``; the pivot t is in camera axes, and the
nominal camera stands CAMERA_DISTANCE in front of it.  Pixel centres have integer coordinates.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

CAMERA_DISTANCE = 8.0  # IOD; about 0.7 m, where portraits are usually taken from

OUTER_EYE_CORNERS = (33, 263)  # landmark at image left, landmark at image right

# Landmarks that hardly move with expression: forehead, temples, nose bridge, eye corners.
RIGID = (10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 109, 338, 67, 297, 103, 332, 54, 284, 21, 251,
         162, 389, 127, 356, 234, 454, 33, 133, 362, 263, 93, 323)  # fmt: skip


def rotation_from_vector(vector: ArrayLike) -> Array:
    """Rotation vectors (..., 3) in radians -> matrices (..., 3, 3), by Rodrigues' formula."""
    vector = np.asarray(vector, np.float64)
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vector, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    # sinc(a / pi) = sin(a) / a stays exact at zero
    first = np.sinc(angle / np.pi)
    second = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    return np.eye(3) + first * cross + second * (cross @ cross)


def vector_from_rotation(matrix: ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) -> rotation vectors (..., 3), angle in [0, pi]."""
    m = np.asarray(matrix, np.float64)
    # through the unit quaternion, from its largest component, which is stable at any angle
    trace = np.trace(m, axis1=-2, axis2=-1)
    diagonal = np.diagonal(m, axis1=-2, axis2=-1)
    squares = np.concatenate([trace[..., None], 2 * diagonal - trace[..., None]], -1) + 1
    anti = np.stack([m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0],
                     m[..., 1, 0] - m[..., 0, 1]], -1)  # fmt: skip
    sym = m + np.swapaxes(m, -1, -2)
    rows = np.empty((*m.shape[:-2], 4, 4))
    rows[..., 0, 0] = squares[..., 0]
    rows[..., 0, 1:] = rows[..., 1:, 0] = anti
    rows[..., 1:, 1:] = sym
    for i in range(3):
        rows[..., i + 1, i + 1] = squares[..., i + 1]
    best = squares.argmax(-1)
    quaternion = np.take_along_axis(rows, best[..., None, None], -2)[..., 0, :]
    quaternion /= np.linalg.norm(quaternion, axis=-1, keepdims=True)
    quaternion *= np.where(quaternion[..., :1] < 0, -1.0, 1.0)
    w, xyz = quaternion[..., 0], quaternion[..., 1:]
    sine = np.linalg.norm(xyz, axis=-1)
    angle = 2 * np.arctan2(sine, w)
    scale = np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 2.0)
    return xyz * scale[..., None]


def rotation_from_angles(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Array:
    """Head rotation (3, 3) from angles in radians: roll after yaw after pitch."""
    # With y down and z away, a turn of the face (which points to -z) towards +x is a
    # negative turn about y, and a nod down is a positive turn about x.
    return (rotation_from_vector([0, 0, roll]) @ rotation_from_vector([0, -yaw, 0])
            @ rotation_from_vector([pitch, 0, 0]))  # fmt: skip


def angles_from_rotation(rotation: ArrayLike) -> tuple[Array, Array, Array]:
    """Rotations (..., 3, 3) -> (yaw, pitch, roll) in radians; inverse of the function above."""
    m = np.asarray(rotation, np.float64)
    yaw = np.arcsin(np.clip(m[..., 2, 0], -1, 1))
    pitch = np.arctan2(m[..., 2, 1], m[..., 2, 2])
    roll = np.arctan2(m[..., 1, 0], m[..., 0, 0])
    return yaw, pitch, roll


def similarity(source: ArrayLike, target: ArrayLike) -> tuple[float, Array, Array]:
    """Least-squares scale s, rotation R, shift t with target ~ s R source + t (Umeyama 1991).

    source, target: (N, D).  Reflections are excluded.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    mean_source, mean_target = source.mean(0), target.mean(0)
    a, b = source - mean_source, target - mean_target
    u, d, vt = np.linalg.svd(b.T @ a)
    sign = np.ones(len(d))
    sign[-1] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign) @ vt
    scale = float((d * sign).sum() / (a * a).sum())
    return scale, rotation, mean_target - scale * rotation @ mean_source


def project(points: ArrayLike, focal_px: float, centre_px: ArrayLike) -> Array:
    """Camera-space points (..., 3) in IOD -> pixels (..., 2)."""
    points = np.asarray(points)
    return points[..., :2] * (focal_px / points[..., 2:]) + np.asarray(centre_px)


def unproject(pixels: ArrayLike, depth: ArrayLike, focal_px: float, centre_px: ArrayLike) -> Array:
    """Pixels (..., 2) and their depth (...) in IOD -> camera-space points (..., 3)."""
    pixels, depth = np.asarray(pixels), np.asarray(depth)[..., None]
    return np.concatenate([(pixels - np.asarray(centre_px)) * (depth / focal_px), depth], -1)


def head_points(landmarks: ArrayLike, rotation: Array, translation: Array, focal_px: float,
                centre_px: ArrayLike) -> Array:  # fmt: skip
    """Tracked landmarks (..., N, 3) in pixels -> points (..., N, 3) in head coordinates, IOD.

    The tracker's z is relative and in pixels of the face plane; it is anchored so that the
    outer eye corners lie at their mean depth in the pose given by rotation (..., 3, 3) and
    translation (..., 3).
    """
    landmarks = np.asarray(landmarks, np.float64)
    eyes = list(OUTER_EYE_CORNERS)
    pivot_to_eyes = rotation[..., 2, :] @ EYE_CENTRE
    eye_depth = (translation[..., 2] + pivot_to_eyes)[..., None]
    z = landmarks[..., 2] - landmarks[..., eyes, 2].mean(-1, keepdims=True)
    depth = eye_depth * (1 + z / focal_px)
    camera = unproject(landmarks[..., :2], depth, focal_px, centre_px)
    return (camera - translation[..., None, :]) @ rotation


EYE_CENTRE = np.array([0.0, -0.77, -0.80])  # midpoint of the outer eye corners from the pivot
