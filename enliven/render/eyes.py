"""Eyeballs behind the lids: the photo's own iris and sclera, free to look elsewhere."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.face import Face, smooth_step
from enliven.render.layers import push_pull
from enliven.render.opening import Slit, pixel_map
from enliven.render.warp import Grid, Pose, Sheet, invert, make_sheet

EYEBALL_RADIUS = 0.135  # IOD, 12 mm
GAZE_LIMIT = 0.45  # rad; beyond this the iris would leave the opening


@dataclass(frozen=True)
class Eyeball:
    """picture: (h, w, 3) uint8 of the window with lids and lashes painted out.

    sheet: grid whose two fields move the iris for gaze yaw and pitch of 1.
    """

    picture: NDArray[np.uint8]
    sheet: Sheet


def build_eyeball(face: Face, slit: Slit, iris: tuple[int, ...]) -> Eyeball:
    """Paint the eyeball out to the window's border and cut its sheet."""
    x0, y0, x1, y1 = slit.box
    height, width = face.image.shape[:2]
    rows, columns = (
        np.clip(np.arange(y0, y1), 0, height - 1),
        np.clip(np.arange(x0, x1), 0, width - 1),
    )
    photo = face.image[rows][:, columns]
    pad = slit.box[0] - slit.side_box[0]
    inside = np.minimum(slit.side_upper, slit.side_lower)[pad:-pad, pad:-pad]
    known = inside > 0.018 * face.iod_px  # clear of lashes and lid shadow
    if known.sum() < 12:
        known = inside > 0.25 * inside.max() if inside.max() > 1 else np.zeros_like(inside, bool)
    centre = face.landmarks[iris[0]]
    radius = float(np.linalg.norm(face.landmarks[list(iris[1:])] - centre, axis=1).mean())
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    distance = np.hypot(x - centre[0], y - centre[1])
    picture = photo
    if known.any():
        painted = _painted(photo, known, distance, radius, centre - np.array([x0, y0]))
        # inside the opening the photo is kept as it is
        keep = smooth_step(inside / max(1.0, 0.012 * face.iod_px))[..., None]
        picture = np.rint(photo * keep + painted * (1 - keep)).astype(np.uint8)
    return Eyeball(picture, _sheet(face, slit.upper.grid, centre, radius))


def _painted(photo: NDArray[np.uint8], known: NDArray[np.bool_], distance: NDArray, radius: float,
             centre: NDArray) -> NDArray[np.float32]:  # fmt: skip
    """Sclera filled outwards; the iris completed by its own mirror image."""
    image = photo.astype(np.float32)
    white = known & (distance > 1.25 * radius)
    sclera = push_pull(image, (white if white.any() else known).astype(np.float32))
    y, x = np.mgrid[0 : photo.shape[0], 0 : photo.shape[1]].astype(np.float32)
    mirror = [np.asarray(2 * c - v, np.float32) for c, v in zip(centre, (x, y), strict=True)]
    flipped = cv2.remap(
        image, mirror[0], mirror[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    seen = cv2.remap(known.astype(np.float32), mirror[0], mirror[1], cv2.INTER_LINEAR)
    disc = known & (distance < 0.95 * radius)
    iris = push_pull(image, disc.astype(np.float32)) if disc.any() else sclera
    iris = iris + seen[..., None] * (flipped - iris)
    share = smooth_step((1.08 * radius - distance) / (0.16 * radius))[..., None]
    return sclera + share * (iris - sclera)


def _sheet(face: Face, grid: Grid, centre: NDArray, radius: float) -> Sheet:
    points = grid.points()
    depth = float(face.depth[[133, 33]].mean() if centre[0] < face.landmarks[168, 0]
                  else face.depth[[362, 263]].mean())  # fmt: skip
    camera = np.concatenate([(points - face.pose.centre_px) * (depth / face.pose.focal_px),
                             np.full((*points.shape[:2], 1), depth)], -1)  # fmt: skip
    head = (camera - face.pose.translation) @ face.pose.rotation
    # the iris moves as one; the white stretches between it and the corners
    share = np.exp(
        -((np.maximum(np.linalg.norm(points - centre, axis=-1) / radius - 1.05, 0) / 0.75) ** 2)
    )
    fields = np.zeros((2, *points.shape[:2], 3), np.float32)
    fields[0, ..., 0] = fields[1, ..., 1] = EYEBALL_RADIUS * share
    ones = np.ones(points.shape[:2])
    return make_sheet(grid, head, fields, ones, np.zeros_like(ones))


def draw_eyeball(
    eye: Eyeball, slit: Slit, target: Grid, gaze: NDArray, pose: Pose
) -> NDArray[np.float32]:
    """Interior (h, w, 3) of an eye for a change of gaze (yaw, pitch) in radians."""
    weights = np.sin(np.clip(gaze, -GAZE_LIMIT, GAZE_LIMIT)).astype(np.float32)
    forward = eye.sheet.displacement(weights, pose, np.zeros(2, np.float32))
    source = target.to_pixels(invert(forward, eye.sheet.grid, target)) + pixel_map(target)
    source -= np.array(slit.box[:2], np.float32)
    return cv2.remap(eye.picture, source, None, cv2.INTER_CUBIC,
                     borderMode=cv2.BORDER_REPLICATE).astype(np.float32)  # fmt: skip
