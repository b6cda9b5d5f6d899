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
from enliven.render.texture import Texture, make_texture
from enliven.render.warp import Grid, Pose, Sheet, make_sheet

# fmt: off
MIDLINE = (0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 94, 151, 152, 164, 168,
           175, 195, 197, 199, 200)
# fmt: on
STEP = 0.05  # grid step, IOD
BLUR = 0.05  # rounds off the creases between mesh triangles, IOD
RIM = 0.05  # hair and background may begin this close to the border of the face, IOD
BORDER = 0.10  # the mirror image fades out this close inside the face oval, IOD
EYE_MARGIN, EYE_FADE = 0.02, 0.05  # IOD around the eyes that keep their own gaze
HAIRLINE = 0.45  # hair of one side is not put on the other this close inside it, IOD
TONE_BLUR = 0.12  # shading coarser than this is the photo's own, IOD
OUTLINE = 0.04  # where the background may shine through at the outline of the photo, IOD
FAR, FAR_SHARE = 3.0, 0.05  # where the photo tells nothing, shading from so much farther counts
TONE_RANGE = (0.35, 1.8)  # shading is matched by a gain between these
NEEDED = (0.65, 0.40)  # photo pixels to a drawn one at which the mirror image starts, and is all
BETTER = (1.2, 1.8)  # how many times as many pixels it must have to show at all, and fully
SEEN = (0.2, 0.6)  # photo pixels to one of the mirror image that tell nothing of skin, and all
DETAIL = (0.02, 0.10)  # size of what the two sides of a face are compared by, IOD
ALIKE, LEAST_TRUST = (0.50, 0.85), 0.5  # correlation of sides that differ, and of equal ones
JUDGED = (0.2, 0.4)  # share of the face to be seen on both sides before they are compared
GUESSED = 0.15  # weight of skin of which the photo tells nothing when shading is matched
LEAST_SHARE = 0.02  # less of the mirror image does not show
SPARE = 3  # points of the grid around what is looked at
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

    texture: (h, w, 4), colour with its shading matched to the side it replaces, and cover 0..1.
    sheet: over its picture.  inside: (R, C) on the sheet, IOD to the face's border, < 0 outside.
    rest, mirrored: (3, 3) the head's rotation in the photo and in the mirrored photo.
    trust: 0..1, how thin skin has to be before the other side is better: 0 never, 1 soon.
    """

    texture: Texture
    sheet: Sheet
    inside: NDArray[np.float32]
    rest: NDArray[np.float64]
    mirrored: NDArray[np.float64]
    trust: float


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
    shape = picture.shape[:2]
    at = spread(face.landmarks)
    place, seen = (cv2.resize(field, shape[::-1], interpolation=cv2.INTER_LINEAR)
                   for field in (at, _seen(at, grid)))  # fmt: skip
    own = cv2.remap(face.image, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover, inside = _cover(landmarks, shape, face.iod_px), _inside(landmarks, shape, face.iod_px)
    reach = max(1, round(OUTLINE * face.iod_px))
    inner = cv2.erode(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2))
    known = cv2.remap(inner, place, None, cv2.INTER_LINEAR).astype(np.float32) / 255
    own = own.astype(np.float32)
    skin = cover * known * smooth_step(inside / BORDER).astype(np.float32)
    sure = skin * (GUESSED + (1 - GUESSED) * seen)
    hair = _disagreement(own, picture, skin, face.iod_px)
    picture *= _tone(own, picture, sure * (1 - hair), TONE_BLUR * face.iod_px)
    cover *= 1 - hair * known * (1 - smooth_step(inside / HAIRLINE))
    sign = np.diag([-1.0, 1.0, 1.0])
    border = cv2.resize(inside, (grid.columns, grid.rows), interpolation=cv2.INTER_AREA)
    texture = make_texture(np.dstack([np.clip(picture, 0, 255), cover]))
    return Mirror(texture, sheet, border, face.pose.rotation, sign @ face.pose.rotation @ sign,
                  _trust(own, picture, skin * seen, face.iod_px))  # fmt: skip


def _seen(places: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """(R, C) 0..1: how well the photo shows its own side, at places (R, C, 2) px of it."""
    area = density(places - grid.points().astype(np.float32), grid)
    return smooth_step((np.abs(area) - SEEN[0]) / (SEEN[1] - SEEN[0])).astype(np.float32)


def _disagreement(own: NDArray[np.float32], mirrored: NDArray[np.float32],
                  skin: NDArray[np.float32], iod_px: float) -> NDArray[np.float32]:  # fmt: skip
    """(h, w) 0..1: where one picture shows skin and the other does not."""
    gain = _tone(own, mirrored, skin, 2 * TONE_BLUR * iod_px)
    both = [cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 0.03 * iod_px)
            for image in (own, mirrored * gain)]  # fmt: skip
    ratio = np.abs(np.log((both[0] + 12) / (both[1] + 12)))
    hair = np.asarray(smooth_step((ratio - 0.25) / 0.35), np.float32)
    return cv2.GaussianBlur(hair, (0, 0), 0.04 * iod_px)


def _trust(own: NDArray[np.float32], mirrored: NDArray[np.float32], both: NDArray[np.float32],
           iod_px: float) -> float:  # fmt: skip
    """See `Mirror`; both: (h, w) 0..1, where the photo shows both sides.

    From the correlation of their creases, edges and spots.  A photo that hardly shows the one
    side has nothing better than the other.
    """
    detail = []
    for image in (own, mirrored):
        log_image = np.log(cv2.cvtColor(np.clip(image, 0, 255), cv2.COLOR_RGB2GRAY) + 12)
        fine, coarse = (cv2.GaussianBlur(log_image, (0, 0), s * iod_px) for s in DETAIL)
        detail.append(fine - coarse)
    products = [float((both * x * y).sum()) for x, y in (detail, detail[:1] * 2, detail[1:] * 2)]
    alike = products[0] / max(np.sqrt(products[1] * products[2]), 1e-6)
    differ = 1 - smooth_step((alike - ALIKE[0]) / (ALIKE[1] - ALIKE[0]))
    judged = smooth_step((both.mean() - JUDGED[0]) / (JUDGED[1] - JUDGED[0]))
    return 1 - (1 - LEAST_TRUST) * float(differ * judged)


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
        near, far = (
            cv2.GaussianBlur(part, (0, 0), times * sigma / small, borderType=cv2.BORDER_REPLICATE)
            for times in (1, FAR)
        )
        return near + FAR_SHARE * far

    floor = 4 * shading(np.ones_like(own)) + 1e-3
    gain = np.clip((shading(own) + floor) / (shading(mirrored) + floor), *TONE_RANGE)
    return cv2.resize(gain, skin.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _cover(landmarks: NDArray, shape: tuple[int, ...], iod_px: float) -> NDArray[np.float32]:
    """(h, w) 0..1: where the mirrored picture is of use; eyes look their own way."""
    cover = np.ones(shape)
    for eye in (LEFT_EYE, RIGHT_EYE):
        mask = np.ones(shape, np.uint8)
        rim = landmarks[list(eye.upper + eye.lower[::-1])]
        cv2.fillPoly(mask, [np.rint(rim).astype(np.int32)], 0)
        away = cv2.distanceTransform(mask, cv2.DIST_L2, 3) / iod_px
        cover = cover * smooth_step((away - EYE_MARGIN) / EYE_FADE)
    return np.asarray(cover, np.float32)


def _inside(landmarks: NDArray, shape: tuple[int, ...], iod_px: float) -> NDArray[np.float32]:
    """(h, w) IOD to the border of the face, negative outside."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(landmarks[list(FACE_OVAL)]).astype(np.int32)], 1)
    inner, outer = (cv2.distanceTransform(m, cv2.DIST_L2, 3) for m in (mask, 1 - mask))
    return np.asarray((inner - outer) / iod_px, np.float32)


def draw_mirror(
    mirror: Mirror,
    output: NDArray[np.uint8],
    cover: NDArray[np.float32],
    back: NDArray[np.float32],
    grid: Grid,
    weights: NDArray,
    pose: Pose,
    painted: Painted | None,
) -> None:
    """Blend the mirror image into the drawn region where it knows the skin better.

    output: (h, w, 3) the region that grid covers.  cover: (h, w) of the person, which grows where
    the mirror image is drawn.  back: (R, C, 2) px on grid, how the photo was sampled for the
    output.  painted: what the photo was painted with.
    """
    turn = np.arccos(np.clip((np.vdot(pose.rotation, mirror.rest) - 1) / 2, -1, 1))
    begun = float(smooth_step((turn - ENOUGH[0]) / (ENOUGH[1] - ENOUGH[0])))
    if begun < LEAST_SHARE or not mirror.trust:
        return
    sheet = mirror.sheet
    forward = sheet.displacement(weights, pose, np.zeros(2, np.float32))
    thin = _thin_skin(sheet.places + forward, back, grid, mirror.trust * NEEDED[0])
    if thin is None:
        return
    target, own, shown = thin
    towards = turn_direction(pose.rotation, mirror.mirrored)
    found = invert_visible(forward, sheet.grid, target, towards)
    mirrored = found + target.points().astype(np.float32)
    inside = cv2.remap(mirror.inside, *sheet.grid.to_cells(mirrored), cv2.INTER_LINEAR,
                       borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    shares = cv2.merge([*_shares(own / mirror.trust, density(found, target)), inside])
    shares = cv2.GaussianBlur(shares, (0, 0), 1.0)
    visible = (shares[..., 0] * shares[..., 1] >= LEAST_SHARE) & (shares[..., 2] > 0)
    if not visible.any():
        return
    part, target = _cut(target, visible)
    needed, better, inside = cv2.split(target.to_pixels(shares[part]))
    x, y = target.x - grid.x, target.y - grid.y
    here, covered = (
        picture[y : y + target.height, x : x + target.width] for picture in (output, cover)
    )
    drawn = mirror.texture.at(target.to_pixels(mirrored[part]))
    mix = np.maximum(needed, 1 - covered) * better * smooth_step((inside - RIM) / BORDER)
    mix = np.clip(begun * mix * drawn[..., 3], 0, 1)
    if painted is not None:
        # as smooth as the thin skin it is for
        at = shown[part] - np.array(painted.corner, np.float32)
        gain = cv2.remap(painted.gain, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        drawn = cv2.multiply(drawn, target.to_pixels(gain))
    covered += mix * (1 - covered)
    colour = cv2.convertScaleAbs(cv2.cvtColor(drawn, cv2.COLOR_RGBA2RGB))
    here[:] = cv2.blendLinear(here, colour, 1 - mix, mix)


def _thin_skin(
    places: NDArray[np.float32], back: NDArray[np.float32], grid: Grid, needed: float
) -> tuple[Grid, NDArray[np.float32], NDArray[np.float32]] | None:
    """Where a pixel drawn of the face, at places (r, c, 2) px, has fewer than needed in the photo.

    Returns a grid over it and, on its points, the density of the photo (R, C) and the px of the
    photo that are shown (R, C, 2).  None if there is no such place.
    """
    column, row = grid.to_cells(np.stack([places.min((0, 1)), places.max((0, 1))]))
    x0, y0 = (max(0, int(low) - SPARE) for low in (column[0], row[0]))
    x1, y1 = (max(2, int(high) + SPARE) for high in (column[1], row[1]))
    if x0 > grid.columns - 2 or y0 > grid.rows - 2:
        return None
    own = density(back[y0:y1, x0:x1], grid)
    rows, columns = np.nonzero(own < needed)
    if not len(rows):
        return None
    rows, columns = rows + y0, columns + x0
    # cells of whole pixels, so that parts can be cut out
    size = max(1, round(grid.step[0]))
    first = np.array([columns.min(), rows.min()]) - SPARE
    last = np.array([columns.max(), rows.max()]) + SPARE + 1
    left, top = np.maximum(first * grid.step, 0).astype(int).tolist()
    right, bottom = np.minimum(last * grid.step, [grid.width, grid.height])
    c, r = int(right - left) // size, int(bottom - top) // size
    if min(c, r) < 2:
        return None
    target = Grid(grid.x + left, grid.y + top, c * size, r * size, c, r)
    points = target.points().astype(np.float32)
    column, row = grid.to_cells(points)
    column, row = column - np.float32(x0), row - np.float32(y0)
    own, moved = (cv2.remap(field, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
                  for field in (own, back[y0:y1, x0:x1]))  # fmt: skip
    return target, own, points + moved


def _cut(grid: Grid, visible: NDArray[np.bool_]) -> tuple[tuple[slice, slice], Grid]:
    """The rows and columns of a grid of whole pixels around what is visible (R, C), as a grid."""
    rows, columns = (np.flatnonzero(visible.any(axis)) for axis in (1, 0))
    top, bottom = max(0, rows[0] - 1), min(grid.rows, rows[-1] + 2)
    left, right = max(0, columns[0] - 1), min(grid.columns, columns[-1] + 2)
    width, height = (round(step) for step in grid.step)
    part = Grid(grid.x + left * width, grid.y + top * height, (right - left) * width,
                (bottom - top) * height, right - left, bottom - top)  # fmt: skip
    return np.s_[top:bottom, left:right], part


def density(back: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """(R, C) photo pixels to one drawn, for a backward displacement (R, C, 2) px on grid."""
    right = np.gradient(back, np.float32(grid.step[0]), axis=1)
    down = np.gradient(back, np.float32(grid.step[1]), axis=0)
    area = (right[..., 0] + 1) * (down[..., 1] + 1) - right[..., 1] * down[..., 0]
    return np.asarray(area, np.float32)


def _shares(
    own: NDArray[np.float32], mirrored: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much the photo needs the mirror image, and how much it gains, for densities of both."""
    needed = (NEEDED[0] - own) / (NEEDED[0] - NEEDED[1])
    better = (mirrored / np.maximum(own, 1e-3) - BETTER[0]) / (BETTER[1] - BETTER[0])
    return smooth_step(needed).astype(np.float32), smooth_step(better).astype(np.float32)
