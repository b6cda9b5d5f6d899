"""Mouth and eyes: slits where an upper and a lower sheet of skin meet over an interior."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.face import Face, cut_sheet, smooth_step
from enliven.render.fold import invert_visible, turn_direction
from enliven.render.layers import cut_out
from enliven.render.light import Painted
from enliven.render.mesh import Opening, SlitFrame, slit_frame
from enliven.render.texture import Texture, make_texture
from enliven.render.warp import Grid, Pose, Sheet, shifted

STEP = 0.022  # grid step inside an opening's window, IOD
OVERLAP_PX = 1.0  # the lower sheet reaches this far under the upper one, so that no gap shines
FEATHER = 0.07  # width of the window's soft border, IOD
CORNER_WEB = 0.012  # skin that spans the corners of an opening, IOD
CORNER_SEAL = 0.08  # and that closes the slit beyond them, IOD
SETTLED_PX = 0.6  # rims closer to their place in the photo than this count as at rest

Dress = Callable[[bool, NDArray[np.float32], NDArray[np.float32]], None]


@dataclass(frozen=True)
class Slit:
    """One opening, ready to be drawn.

    upper, lower: the two sheets.  side_upper, side_lower: (h, w) px on `side_grid` pixels,
    negative where a photo pixel belongs to the sheet.  window: (h, w) 0..1.  photo: what of the
    photo lies in side_box.
    """

    frame: SlitFrame
    upper: Sheet
    lower: Sheet
    box: tuple[int, int, int, int]
    side_box: tuple[int, int, int, int]
    side_upper: NDArray[np.float32]
    side_lower: NDArray[np.float32]
    window: NDArray[np.float32]
    photo: Texture
    anchor: NDArray[np.float64]  # (3,) head coordinates of the centre
    rims_px: NDArray[np.float64]  # (52, n, 3) px: how the channels move the rims

    def opacity(self, weights: NDArray, extra_px: float = 0.0) -> float:
        """0 while the rims rest as in the photo, so that it shows untouched; 1 once they move."""
        moved = np.tensordot(weights, self.rims_px, 1)
        return float(smooth_step((np.abs(moved).max() + extra_px) / SETTLED_PX))


def cut_slit(face: Face, opening: Opening, region: tuple[int, int, int, int],
             reach: tuple[float, float, float], margin: float) -> Slit:  # fmt: skip
    """Cut the face along an opening.

    reach: IOD the window extends sideways, up and down from the centre.
    margin: IOD by which the upper sheet reaches past its rim (lashes belong to the lid).
    """
    frame = slit_frame(opening, face.landmarks)
    side, up, down = (r * face.iod_px for r in reach)
    corners = frame.to_image(np.array([[-side, -up], [side, -up], [side, down], [-side, down]]))
    low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int)
    box = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    grid = Grid.over(box, STEP * face.iod_px)
    tiny = 0.004 * face.iod_px

    def clamp(above: bool) -> Callable[[NDArray], NDArray]:
        def moved(points: NDArray) -> NDArray:
            local = frame.to_local(points)
            upper, lower = frame.rims(local[:, 0])
            if above:
                local[:, 1] = np.minimum(local[:, 1], upper - tiny)
            else:
                local[:, 1] = np.maximum(local[:, 1], lower + tiny)
            return frame.to_image(local)

        return moved

    pad = int(np.ceil(0.35 * face.iod_px))
    side_box = (box[0] - pad, box[1] - pad, box[2] + pad, box[3] + pad)
    x, y = np.meshgrid(np.arange(side_box[0], side_box[2]), np.arange(side_box[1], side_box[3]))
    local = frame.to_local(np.stack([x, y], -1).astype(np.float64))
    upper, lower = frame.rims(local[..., 0])
    # Past the rim only where there is an opening: beyond the corners the sheets are one.
    lens = smooth_step(np.interp(local[..., 0], *_lens(frame)))
    return Slit(
        frame,
        cut_sheet(face, grid, region, clamp(True)), cut_sheet(face, grid, region, clamp(False)),
        box, side_box,
        (local[..., 1] - upper - margin * face.iod_px * lens).astype(np.float32),
        (lower - local[..., 1] - _web(frame, local[..., 0], lens, face.iod_px)).astype(np.float32),
        _window(box, FEATHER * face.iod_px), make_texture(cut_out(face.image, side_box)),
        _centre(face, opening),
        face.basis[:, opening.upper + opening.lower] * face.iod_px,
    )  # fmt: skip


def _lens(frame: SlitFrame) -> tuple[NDArray, NDArray]:
    left, right = frame.upper[0, 0], frame.upper[-1, 0]
    web = 0.22 * (right - left)
    return np.array([left, left + web, right - web, right]), np.array([0.0, 1, 1, 0])


def _web(frame: SlitFrame, a: NDArray, lens: NDArray, iod_px: float) -> NDArray:
    """How far the lower sheet reaches past its rim, px: a little skin spans the corners.

    Beyond a corner there is no opening, but the sheets, each smoothed on its own, part there.
    """
    beyond = np.maximum(frame.upper[0, 0] - a, a - frame.upper[-1, 0]) / iod_px
    return (CORNER_WEB * (1 - lens) + CORNER_SEAL * smooth_step(beyond / 0.04 + 0.3)) * iod_px


def _centre(face: Face, opening: Opening) -> NDArray:
    return face.head[[opening.upper[0], opening.upper[-1]]].mean(0)


def _window(box: tuple[int, int, int, int], feather_px: float) -> NDArray[np.float32]:
    width, height = box[2] - box[0], box[3] - box[1]
    x = np.minimum(np.arange(width) + 0.5, width - 0.5 - np.arange(width)) / feather_px
    y = np.minimum(np.arange(height) + 0.5, height - 0.5 - np.arange(height)) / feather_px
    ramp = np.clip(np.minimum(x[None], y[:, None]), 0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)


@dataclass(frozen=True)
class Place:
    """Where a slit's window lies in one output frame."""

    target: Grid
    x0: int
    y0: int
    clip: tuple[slice, slice]  # of the window, in window pixels
    frame: tuple[slice, slice]  # the same part in output pixels


def place(slit: Slit, rigid: Callable[[NDArray], NDArray], rest: NDArray,
          shape: tuple[int, int]) -> Place | None:  # fmt: skip
    """Move the window with the head; None when it has left the picture.

    rigid: head coordinates (3,) -> output px; rest: where the anchor is in the photo, px.
    """
    dx, dy = np.rint(rigid(slit.anchor) - rest).astype(int)
    target = shifted(slit.upper.grid, int(dx), int(dy))
    x0, y0, x1, y1 = slit.box[0] + dx, slit.box[1] + dy, slit.box[2] + dx, slit.box[3] + dy
    cx0, cy0, cx1, cy1 = max(x0, 0), max(y0, 0), min(x1, shape[1]), min(y1, shape[0])
    if cx1 - cx0 < 2 or cy1 - cy0 < 2:
        return None
    return Place(target, int(x0), int(y0), (slice(cy0 - y0, cy1 - y0), slice(cx0 - x0, cx1 - x0)),
                 (slice(cy0, cy1), slice(cx0, cx1)))  # fmt: skip


@dataclass(frozen=True)
class Skin:
    """The skin of a slit in one frame: colour (h, w, 3) and cover (h, w) of each sheet.

    near: (h, w) 0..1, where what shows comes from the slit's own window of the photo, or from
    between the sheets.
    """

    upper: NDArray[np.float32]
    lower: NDArray[np.float32]
    upper_cover: NDArray[np.float32]
    lower_cover: NDArray[np.float32]
    near: NDArray[np.float32]


def draw_skin(slit: Slit, face: Face, where: Place, weights: NDArray, pose: Pose,
              body_px: NDArray, painted: Painted | None = None,
              dress: Dress | None = None, soft_px: float = 1.0) -> Skin:  # fmt: skip
    """Resample both sheets for channel weights (52,) at a pose.

    painted: what is on the skin already.  dress: changes colours of the upper (True) or lower
    sheet in place, given the px of side_box that they show.  soft_px: width of the rims' edges.
    """
    drawn = []
    towards = turn_direction(pose.rotation, face.pose.rotation)
    sheets = ((slit.upper, slit.side_upper, 0.0), (slit.lower, slit.side_lower, OVERLAP_PX))
    for i, (sheet, side, overlap) in enumerate(sheets):
        forward = sheet.displacement(weights, pose, body_px)
        source = where.target.to_pixels(invert_visible(forward, sheet.grid, where.target, towards))
        source += pixel_map(where.target)
        # on a head that turns or tilts, the window's edge shows what lies beyond it in the photo
        inside = cv2.remap(slit.window, cv2.subtract(source, (*slit.box[:2], 0, 0)), None,
                           cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)  # fmt: skip
        local = cv2.subtract(source, (*slit.side_box[:2], 0, 0))
        colour = slit.photo.at(local)
        if dress is not None:
            dress(i == 0, colour, local)
        if painted is not None:
            painted.on(colour, source)
        distance = cv2.remap(side, local, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cover = np.clip(0.5 + (overlap - distance) / soft_px, 0, 1)
        drawn.append((colour, cover, inside))
    (upper, over, upper_near), (lower, under, lower_near) = drawn
    # each sheet answers for what shows of it alone, and the interior is near everywhere
    near = over * upper_near + (1 - over) * (1 - under * (1 - lower_near))
    return Skin(upper, lower, over, under, near)


def pixel_map(grid: Grid) -> NDArray[np.float32]:
    """(height, width, 2) px coordinates of the pixels a grid covers."""
    x = np.arange(grid.x, grid.x + grid.width, dtype=np.float32)
    y = np.arange(grid.y, grid.y + grid.height, dtype=np.float32)
    return np.dstack(np.meshgrid(x, y))


def compose(output: NDArray[np.uint8], slit: Slit, where: Place, skin: Skin,
            interior: NDArray[np.float32], opacity: float) -> None:  # fmt: skip
    """Upper skin over lower skin over the interior (h, w, 3), blended into the output."""
    cover = skin.upper_cover[..., None]
    below = skin.lower_cover[..., None]
    result = skin.upper * cover + (1 - cover) * (skin.lower * below + (1 - below) * interior)
    window = opacity * np.minimum(slit.window, skin.near)[where.clip][..., None]
    patch = output[where.frame]
    mixed = patch + window * (result[where.clip] - patch)
    output[where.frame] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)
