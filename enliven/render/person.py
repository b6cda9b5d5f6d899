"""The person as one sheet that bends and turns over a still, filled background."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.geometry import CAMERA_DISTANCE
from enliven.render.beyond import Beyond, faded, fold_back, measure_cuts
from enliven.render.face import Face, cut_sheet
from enliven.render.fold import invert_visible, sharpen_outlines, turn_direction
from enliven.render.layers import face_cover
from enliven.render.light import Painted
from enliven.render.matte import Layers, cut_layers
from enliven.render.mesh import CHIN, FOREHEAD
from enliven.render.mirror import Mirror, draw_mirror, mirror_face
from enliven.render.texture import Texture, make_texture
from enliven.render.torso import Torso, build_torso
from enliven.render.warp import Grid, Pose, Sheet
from enliven.types import Portrait

SKIN_STEP = 0.05  # grid step of the whole moving region, IOD
REGION = (2.6, 2.7, 3.6)  # IOD the moving region reaches sideways, up and down from the face


def moving_region(portrait: Portrait) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 px of all that may move: head, neck and shoulders."""
    height, width = portrait.image.shape[:2]
    x, y = portrait.landmarks[[FOREHEAD, CHIN], :2].mean(0)
    iod = portrait.focal_px / CAMERA_DISTANCE
    side, up, down = (reach * iod for reach in REGION)
    x0, y0 = max(0, int(x - side)), max(0, int(y - up))
    return x0, y0, min(width, int(x + side)), min(height, int(y + down))


@dataclass(frozen=True)
class Person:
    """Everything of one portrait that moves, ready to be drawn.

    region: x0, y0, x1, y1 px.  mask: (H, W) uint8, whose pixels of the photo are the person's.
    pixels: (h, w, 2) px coordinates of the region within itself.  rest: (3, 3) the head's rotation
    in the photo.  texture: the person's layer.
    """

    region: tuple[int, int, int, int]
    mask: NDArray[np.uint8]
    layers: Layers
    skin: Sheet
    pixels: NDArray[np.float32]
    rest: NDArray[np.float64]
    mirror: Mirror
    torso: Torso
    beyond: Beyond
    texture: Texture


def cut_person(portrait: Portrait, face: Face, landmarks: NDArray) -> Person:
    """Cut the person out of the photo and lay the sheet over it."""
    region = x0, y0, x1, y1 = moving_region(portrait)
    mask = np.maximum(portrait.mask, face_cover(landmarks, portrait.mask.shape))
    layers = cut_layers(portrait.image[y0:y1, x0:x1], mask[y0:y1, x0:x1], face.iod_px)
    skin = cut_sheet(face, Grid.over(region, SKIN_STEP * face.iod_px), region)
    y, x = np.mgrid[0 : y1 - y0, 0 : x1 - x0].astype(np.float32)
    torso = build_torso(skin, face, portrait.mask.shape[0])
    return Person(region, mask, layers, skin, np.dstack([x, y]), portrait.rotation,
                  mirror_face(face, mask), torso, measure_cuts(layers.person[..., 3]),
                  make_texture(layers.person))  # fmt: skip


def draw_person(person: Person, output: NDArray[np.uint8], weights: NDArray, pose: Pose,
                body: NDArray, painted: Painted | None = None,
                ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # fmt: skip
    """Draw onto the output.

    body: (2, 3) affine displacement of the chest, px.  painted: what is on the person's skin
    already.

    Returns of the region the person's cover (h, w), 0 to 1, and the pixels (h, w, 2) of the photo
    that are shown, counted from the region's corner.
    """
    x0, y0, x1, y1 = person.region
    body_px = person.skin.places @ body[:, :2].T + body[:, 2]
    forward = person.skin.displacement(weights, pose, body_px)
    if any(pose.torso):
        forward = forward + person.torso.displacement(pose.torso)
    towards = turn_direction(pose.rotation, person.rest)
    grid = person.skin.grid
    back = invert_visible(forward, grid, grid, towards)
    source = grid.to_pixels(back)
    source += person.pixels
    sharpen_outlines(source, forward, grid, back, towards)
    whole = fold_back(source, person.beyond)
    drawn = person.texture.at(source)
    if painted is not None:
        part = _showing(painted, person.skin, back)
        painted.on(drawn[part], cv2.add(source[part], (x0, y0, 0, 0)))
    drawn = faded(drawn, whole)
    cover = np.clip(cv2.extractChannel(drawn, 3), 0, 1)
    shown = cv2.multiply(cv2.merge([1 - cover] * 3), person.layers.background)
    colour = cv2.cvtColor(drawn, cv2.COLOR_RGBA2RGB)
    output[y0:y1, x0:x1] = cv2.add(colour, shown, dtype=cv2.CV_8U)
    draw_mirror(person.mirror, output[y0:y1, x0:x1], cover, back, grid, weights, pose, painted)
    return cover, source


def _showing(painted: Painted, skin: Sheet, back: NDArray[np.float32]) -> tuple[slice, slice]:
    """Rows and columns of the region's pixels that show any of what is painted."""
    grid, shown = skin.grid, cv2.subtract(skin.places + back, (*painted.corner, 0, 0))
    height, width = painted.gain.shape[:2]
    x, y = shown[..., 0], shown[..., 1]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    parts = []
    for axis, step, length in ((1, grid.step[1], grid.height), (0, grid.step[0], grid.width)):
        index = np.flatnonzero(np.any(inside, axis=axis))
        low, high = (index[0] - 1, index[-1] + 2) if len(index) else (0, 0)
        parts.append(slice(max(0, int(low * step)), min(length, int(np.ceil(high * step)))))
    return parts[0], parts[1]
