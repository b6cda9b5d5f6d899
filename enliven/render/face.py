"""What the renderer knows of one face: its geometry in the photo, and the sheets cut from it."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.geometry import head_points, unproject
from enliven.render.mesh import (
    CHIN,
    FOREHEAD,
    Interpolation,
    interpolation,
    nearest_first,
    skin_triangles,
)
from enliven.render.warp import Grid, Pose, Sheet, make_sheet
from enliven.types import Portrait

# Lengths in IOD, chosen by eye on the development portraits.
SKIN_BLUR = 0.03  # rounds off the creases between mesh triangles
SKIN_REACH = 0.33  # how far past the face oval expressions pull hair and neck along
DEPTH_KNEE = -0.585  # head z from which the sides of the face are flattened ...
DEPTH_SLOPE = 0.55  # ... to this share, since a photo has no texture for what they hide
# Head z that what surrounds the face recedes to, and over which distance: at the sides, above,
# and below.  As the pixels of 27 clips of turning and nodding heads agree best.
BACK_OF_SIDES, BACK_OF_TOP, BACK_OF_NECK = 0.16, -0.14, -0.45
SIDE_REACH, TOP_REACH, NECK_REACH = 0.34, 0.54, 0.135
NECK_TOP, NECK_LENGTH = -0.9, 0.85  # where, below the chin, the neck starts and ends to bend ...
NECK_RISE, HEAD_HALF = 1.0, 0.8  # ... and how much higher hanging hair does, beside the head
FACE_HOLD = 0.124  # around the face everything goes with it this far
EDGE_FADE = 0.30  # motion dies out this close to the border of the moving region


@dataclass(frozen=True)
class Face:
    """One face in output pixels.

    image: (H, W, 3) uint8.  landmarks: (478, 2) px, mouth seam refined.
    head: (478, 3) head coordinates, IOD.  depth: (478,) camera z, IOD, sides flattened.
    basis: (52, 478, 3) IOD, the person's own.  triangles: (F, 3).
    """

    image: NDArray[np.uint8]
    landmarks: NDArray[np.float64]
    head: NDArray[np.float64]
    depth: NDArray[np.float64]
    basis: NDArray[np.float64]
    triangles: NDArray[np.int64]
    pose: Pose
    iod_px: float


def describe_face(portrait: Portrait, landmarks: NDArray, basis: NDArray,
                  triangles: NDArray) -> Face:  # fmt: skip
    """Face of a portrait; landmarks (478, 3) px may differ from the tracked ones (mouth seam)."""
    pose = Pose(portrait.rotation, portrait.translation, portrait.focal_px, portrait.centre_px)
    camera = (pose.rotation, pose.translation, pose.focal_px, pose.centre_px)
    head = head_points(landmarks, *camera)
    flat = head.copy()
    past = np.maximum(head[:, 2] - DEPTH_KNEE, 0)
    flat[:, 2] = head[:, 2] - (1 - DEPTH_SLOPE) * past
    depth = flat @ pose.rotation[2] + pose.translation[2]
    triangles = nearest_first(np.asarray(triangles, np.int64), landmarks[:, :2], depth)
    return Face(portrait.image, landmarks[:, :2].astype(np.float64), head, depth,
                np.asarray(basis, np.float64), triangles, pose,
                portrait.iod_px)  # fmt: skip


def smooth_step(x: NDArray) -> NDArray:
    """0 below 0, 1 above 1, with flat ends."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def cut_sheet(
    face: Face,
    grid: Grid,
    region: tuple[int, int, int, int],
    clamp: Callable[[NDArray], NDArray] | None = None,
) -> Sheet:
    """The skin over a grid.

    region: x0, y0, x1, y1 px of all that may move; motion fades towards its border.
    clamp: maps points (P, 2) px to where the skin is read off instead, for one side of a slit.
    """
    points = grid.points()
    flat = points.reshape(-1, 2)
    where = flat if clamp is None else clamp(flat)
    # on one side of a slit the mesh must not reach across it
    triangles = face.triangles if clamp is None else skin_triangles(face.triangles)
    weights = interpolation(where, face.landmarks, triangles)
    around = weights if clamp is None else interpolation(flat, face.landmarks, face.triangles)
    shape = points.shape[:2]
    sigma = [SKIN_BLUR * face.iod_px / step for step in grid.step]

    def smoothed(field: NDArray, times: float = 1.0) -> NDArray:
        return cv2.GaussianBlur(field, (0, 0), times * sigma[0], sigmaY=times * sigma[1],
                                borderType=cv2.BORDER_REPLICATE)  # fmt: skip

    pulled = np.exp(-((weights.distance / (SKIN_REACH * face.iod_px)) ** 2))
    fields = (weights(face.basis) * pulled[:, None]).reshape(len(face.basis), *shape, 3)
    # depth twice as smooth: a step in it tears as the head turns
    depth = smoothed(_depth(face, flat, around, weights).reshape(shape), 2.0)
    camera = unproject(points, depth, face.pose.focal_px, face.pose.centre_px)
    head = (camera - face.pose.translation) @ face.pose.rotation
    follow = _follow(face, flat, around.distance / face.iod_px).reshape(shape)
    fade = _edge_fade(flat, region, face).reshape(shape)
    fields = np.stack([smoothed(field) for field in fields.astype(np.float32)])
    return make_sheet(grid, head, fields, follow * fade, (1 - follow) * fade)


def _depth(face: Face, points: NDArray, around: Interpolation, weights: Interpolation) -> NDArray:
    """Camera z in IOD at points: on the face its mesh, beyond it hair or neck receding.

    Hair above the face is the front of the skull: it goes far with a nod.  At the sides the
    skull is seen edge-on: it stays as the head turns.
    """
    depth = weights(face.depth[:, None])[:, 0].astype(np.float64)
    down = (points - around.foot) @ _head_axes(face)[1] / np.maximum(around.distance, 1e-6)
    neck = smooth_step((down - 0.15) / 0.55)
    top = np.clip(-down, 0, 1) ** 2
    share = np.stack([(1 - neck) * (1 - top), (1 - neck) * top, neck])
    back = face.pose.translation[2] + np.array([BACK_OF_SIDES, BACK_OF_TOP, BACK_OF_NECK]) @ share
    reach = np.array([SIDE_REACH, TOP_REACH, NECK_REACH]) @ share * face.iod_px
    return depth + np.maximum(back - depth, 0) * (1 - np.exp(-around.distance / reach))


def _head_axes(face: Face) -> NDArray:
    """Unit vectors (2, 2) in the image along the head's x and y."""
    down = face.pose.rotation[:2, 1] / np.linalg.norm(face.pose.rotation[:2, 1])
    return np.array([[down[1], -down[0]], down])


def _follow(face: Face, points: NDArray, distance: NDArray) -> NDArray:
    """Share of the head's rigid motion: all of it on head and hair, falling along the neck.

    distance: IOD that the points lie outside the face.
    """
    axes = _head_axes(face)
    across = (points - face.landmarks[[CHIN, FOREHEAD]].mean(0)) @ axes[0] / face.iod_px
    below = (points - face.landmarks[CHIN]) @ axes[1] / face.iod_px
    top = NECK_TOP - NECK_RISE * np.maximum(np.abs(across) - HEAD_HALF, 0)
    upright = 1 - smooth_step((below - top) / NECK_LENGTH)
    return upright + (1 - upright) * np.exp(-((distance / FACE_HOLD) ** 2))


def _edge_fade(points: NDArray, region: tuple[int, int, int, int], face: Face) -> NDArray:
    """0 at the borders of the region, 1 inside; the photo's own borders do not hold anything."""
    height, width = face.image.shape[:2]
    free = np.inf
    x0, y0 = (low if low > 0 else -free for low in region[:2])
    x1, y1 = (h if h < e else free for h, e in zip(region[2:], (width, height), strict=True))
    to_edge = np.minimum.reduce([points[:, 0] - x0, points[:, 1] - y0,
                                 x1 - 1 - points[:, 0], y1 - 1 - points[:, 1]])  # fmt: skip
    return smooth_step(to_edge / (EDGE_FADE * face.iod_px))
