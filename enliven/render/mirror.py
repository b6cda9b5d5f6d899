"""The side of a face that a photo hardly shows, completed by the mirror image of the other.

The mirrored photo shows the same face from the other side.  It is laid over the same head,
each landmark at the place of its counterpart, as a second sheet of skin; where a turn brings
skin into view for which the photo has too few pixels the second sheet shows instead.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.geometry import unproject
from enliven.render.face import Face, smooth_step
from enliven.render.fold import invert_visible, turn_direction
from enliven.render.light import Painted
from enliven.render.mesh import FACE_OVAL, LEFT_EYE, RIGHT_EYE, interpolation, nearest_first
from enliven.render.opening import pixel_map
from enliven.render.warp import Grid, Pose, Sheet, make_sheet

# fmt: off
MIDLINE = (0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 94, 151, 152, 164, 168,
           175, 195, 197, 199, 200)
# fmt: on
STEP = 0.05  # grid step, IOD
BLUR = 0.05  # rounds off the creases between mesh triangles, IOD
BORDER = 0.10  # the mirror image fades out this close inside the face oval, IOD
EYE_MARGIN, EYE_FADE = 0.02, 0.05  # IOD around the eyes that keep their own gaze
HAIRLINE = 0.45  # hair of one side is not put on the other this close inside it, IOD
TONE_BLUR = 0.12  # shading coarser than this is the photo's own, IOD
OUTLINE = 0.04  # where the background may shine through at the outline of the photo, IOD
TONE_RANGE = (0.35, 2.8)  # shading is matched by a gain between these
NEEDED = (0.65, 0.40)  # photo pixels to a drawn one at which the mirror image starts, and is all
BETTER = (1.2, 1.8)  # how many times as many pixels it must have to show at all, and fully
LEAST_SHARE = 0.02  # less of the mirror image does not show
ENOUGH = np.radians([4.0, 8.0])  # a photo is good for the first, and from the second it is not


def counterparts() -> NDArray[np.int64]:
    """(478,) index of the landmark on the other side of the face; of the midline itself."""
    other = np.arange(478)
    # the mesh numbers one side in the order of the other; the irises follow at the end
    side = np.setdiff1d(np.arange(468), MIDLINE).reshape(2, -1)
    other[side] = side[::-1]
    other[468:] = (473, 476, 475, 474, 477, 468, 471, 470, 469, 472)
    return other


@dataclass(frozen=True)
class Mirror:
    """The mirrored photo as a second sheet of skin.

    picture: (h, w, 4) uint8, colour with its shading matched to the side it replaces, and cover.
    sheet: over `picture`.
    rest, mirrored: (3, 3) the head's rotation in the photo and in the mirrored photo.
    """

    picture: NDArray[np.uint8]
    sheet: Sheet
    rest: NDArray[np.float64]
    mirrored: NDArray[np.float64]


def mirror_face(face: Face, mask: NDArray[np.uint8]) -> Mirror:
    """Prepare the mirror image of a face; mask: (H, W) 255 where the photo shows the person."""
    width = face.image.shape[1]
    landmarks = np.array([width - 1.0, 0]) + face.landmarks[counterparts()] * [-1, 1]
    # as `picture` has it: cut out around the face
    oval = landmarks[list(FACE_OVAL)]
    x0, y0 = np.floor(oval.min(0) - 0.1 * face.iod_px).astype(int)
    x1, y1 = np.ceil(oval.max(0) + 0.1 * face.iod_px).astype(int)
    rows = np.clip(np.arange(y0, y1), 0, face.image.shape[0] - 1)
    columns = np.clip(width - 1 - np.arange(x0, x1), 0, width - 1)
    picture = face.image[rows][:, columns].astype(np.float32)
    landmarks = landmarks - [x0, y0]

    grid = Grid.over((0, 0, x1 - x0, y1 - y0), STEP * face.iod_px)
    triangles = nearest_first(face.triangles, landmarks, face.depth[counterparts()])
    weights = interpolation(grid.points().reshape(-1, 2), landmarks, triangles)
    sigma = BLUR * face.iod_px / grid.step[0]

    def spread(values: NDArray) -> NDArray[np.float32]:
        """Vertex values (478, D) over the grid, smoothed."""
        field = weights(values).reshape(grid.rows, grid.columns, -1).astype(np.float32)
        return cv2.GaussianBlur(field, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)

    camera = unproject(face.landmarks, face.depth, face.pose.focal_px, face.pose.centre_px)
    head = (camera - face.pose.translation) @ face.pose.rotation
    ones = np.ones((grid.rows, grid.columns))
    fields = np.stack([spread(channel) for channel in face.basis])
    sheet = make_sheet(grid, spread(head), fields, ones, 0 * ones)
    place = cv2.resize(spread(face.landmarks), picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    own = cv2.remap(face.image, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = _cover(landmarks, picture.shape[:2], face.iod_px)
    reach = max(1, round(OUTLINE * face.iod_px))
    inner = cv2.erode(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2))
    known = cv2.remap(inner, place, None, cv2.INTER_LINEAR).astype(np.float32) / 255
    own = own.astype(np.float32)
    hair = _disagreement(own, picture, cover * known, face.iod_px)
    picture *= _tone(own, picture, cover * known * (1 - hair), TONE_BLUR * face.iod_px)
    inside = _inside(landmarks, picture.shape[:2], face.iod_px)
    cover *= 1 - hair * known * (1 - smooth_step(inside / HAIRLINE))
    sign = np.diag([-1.0, 1.0, 1.0])
    picture = np.dstack([np.clip(picture, 0, 255), 255 * cover])
    return Mirror(np.rint(picture).astype(np.uint8), sheet, face.pose.rotation,
                  sign @ face.pose.rotation @ sign)  # fmt: skip


def _disagreement(own: NDArray[np.float32], mirrored: NDArray[np.float32],
                  skin: NDArray[np.float32], iod_px: float) -> NDArray[np.float32]:  # fmt: skip
    """(h, w) 0..1: where one picture shows skin and the other does not."""
    gain = _tone(own, mirrored, skin, 2 * TONE_BLUR * iod_px)
    both = [cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 0.03 * iod_px)
            for image in (own, mirrored * gain)]  # fmt: skip
    ratio = np.abs(np.log((both[0] + 12) / (both[1] + 12)))
    hair = np.asarray(smooth_step((ratio - 0.25) / 0.35), np.float32)
    return cv2.GaussianBlur(hair, (0, 0), 0.04 * iod_px)


def _tone(own: NDArray[np.float32], mirrored: NDArray[np.float32], skin: NDArray[np.float32],
          sigma: float) -> NDArray[np.float32]:  # fmt: skip
    """Gain (h, w, 3) that gives the mirrored picture the shading of the side it replaces.

    own: (h, w, 3) the photo, brought to the same places.  skin: (h, w) what counts, 0 to 1.
    """
    # shading is smooth, so a small picture tells it
    small = max(1, round(sigma / 6))
    size = (max(2, skin.shape[1] // small), max(2, skin.shape[0] // small))

    def shading(image: NDArray) -> NDArray:
        part = cv2.resize(image * skin[..., None], size, interpolation=cv2.INTER_AREA)
        return cv2.GaussianBlur(part, (0, 0), sigma / small, borderType=cv2.BORDER_REPLICATE)

    floor = 4 * shading(np.ones_like(own)) + 1e-3
    gain = np.clip((shading(own) + floor) / (shading(mirrored) + floor), *TONE_RANGE)
    return cv2.resize(gain, skin.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _cover(landmarks: NDArray, shape: tuple[int, ...], iod_px: float) -> NDArray[np.float32]:
    """(h, w) 0..1: where in the mirrored picture there is skin to use; eyes look their own way."""
    cover = smooth_step(_inside(landmarks, shape, iod_px) / BORDER)
    for eye in (LEFT_EYE, RIGHT_EYE):
        mask = np.ones(shape, np.uint8)
        rim = landmarks[list(eye.upper + eye.lower[::-1])]
        cv2.fillPoly(mask, [np.rint(rim).astype(np.int32)], 0)
        away = cv2.distanceTransform(mask, cv2.DIST_L2, 3) / iod_px
        cover = cover * smooth_step((away - EYE_MARGIN) / EYE_FADE)
    return np.asarray(cover, np.float32)


def _inside(landmarks: NDArray, shape: tuple[int, ...], iod_px: float) -> NDArray[np.float32]:
    """(h, w) IOD to the border of the face, 0 outside."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(landmarks[list(FACE_OVAL)]).astype(np.int32)], 1)
    return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 3) / iod_px, np.float32)


def draw_mirror(
    mirror: Mirror,
    output: NDArray[np.uint8],
    cover: NDArray[np.float32],
    back: NDArray[np.float32],
    source: NDArray[np.float32],
    grid: Grid,
    weights: NDArray,
    pose: Pose,
    painted: Painted | None,
) -> None:
    """Blend the mirror image into the drawn region where it knows the skin better.

    output: (h, w, 3) the region that grid covers.  cover: (h, w) of the person, which grows where
    the mirror image is drawn.  back: (R, C, 2) px on grid, how the photo was sampled for the
    output; source: (h, w, 2) px the same, counted from the region's corner.
    painted: what the photo was painted with.
    """
    turn = np.arccos(np.clip((np.trace(pose.rotation @ mirror.rest.T) - 1) / 2, -1, 1))
    if turn < ENOUGH[0]:
        return
    forward = mirror.sheet.displacement(weights, pose, np.zeros(2, np.float32))
    places = (mirror.sheet.places + forward).reshape(-1, 2)
    pad = 3 * mirror.sheet.grid.step[0]
    x0, y0 = np.maximum(np.floor(places.min(0) - pad).astype(int), (grid.x, grid.y))
    x1, y1 = np.minimum(np.ceil(places.max(0) + pad).astype(int),
                        (grid.x + grid.width, grid.y + grid.height))  # fmt: skip
    if min(x1 - x0, y1 - y0) < 4:
        return
    target = Grid.over((x0, y0, x1, y1), mirror.sheet.grid.step[0])
    towards = turn_direction(pose.rotation, mirror.mirrored)
    found = invert_visible(forward, mirror.sheet.grid, target, towards)
    cells = grid.to_cells(target.points().astype(np.float32))
    own = cv2.remap(density(back, grid), *cells, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    share = _share(own, density(found, target))
    share = cv2.GaussianBlur(share, (0, 0), 1.0)
    share *= float(smooth_step((turn - ENOUGH[0]) / (ENOUGH[1] - ENOUGH[0])))
    if share.max() < LEAST_SHARE:
        return
    share = target.to_pixels(share)
    across, down = (np.flatnonzero((share >= LEAST_SHARE).any(axis)) for axis in (0, 1))
    if not len(across):  # between the nodes it may fall short
        return
    part = np.s_[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
    mirrored = (target.to_pixels(found) + pixel_map(target))[part]
    drawn = cv2.remap(mirror.picture, mirrored, None, cv2.INTER_CUBIC).astype(np.float32)
    here = np.s_[y0 - grid.y : y1 - grid.y, x0 - grid.x : x1 - grid.x]
    if painted is not None:
        painted.on(drawn, source[here][part] + np.array([grid.x, grid.y], np.float32))
    mix = share[part] * drawn[..., 3] * np.float32(1 / 255)
    covered = cover[here][part]
    covered += mix * (1 - covered)
    patch = output[here][part]
    patch[:] = np.clip(patch + mix[..., None] * (drawn[..., :3] - patch) + 0.5, 0, 255)


def density(back: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """(R, C) photo pixels to one drawn, for a backward displacement (R, C, 2) px on grid."""
    right = np.gradient(back, np.float32(grid.step[0]), axis=1)
    down = np.gradient(back, np.float32(grid.step[1]), axis=0)
    area = (right[..., 0] + 1) * (down[..., 1] + 1) - right[..., 1] * down[..., 0]
    return np.asarray(area, np.float32)


def _share(own: NDArray[np.float32], mirrored: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of the mirror image to show for the densities of both."""
    needed = (NEEDED[0] - own) / (NEEDED[0] - NEEDED[1])
    better = (mirrored / np.maximum(own, 1e-3) - BETTER[0]) / (BETTER[1] - BETTER[0])
    return np.asarray(smooth_step(needed) * smooth_step(better), np.float32)
