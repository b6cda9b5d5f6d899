"""What shows between the lips: teeth, tongue, the dark of the mouth, and how light falls in.

Everything stands in head coordinates, the upper teeth on the skull, the lower teeth and the
tongue on the jaw, so that lips open and close over it.  Only pixels between the lips are drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.geometry import project
from enliven.render.face import Face, smooth_step
from enliven.render.flesh import (
    aliveness,
    edge_blur,
    flesh,
    shade_colour,
    skin_light,
    tooth_colour,
)
from enliven.render.layers import push_pull
from enliven.render.lifted import find_edge, lift, tooth_like
from enliven.render.lips import OPEN_GAP, PARTED, lip_colour
from enliven.render.mesh import LOWER_LIP_INNER, MOUTH, UPPER_LIP_INNER
from enliven.render.opening import Slit
from enliven.render.sight import RowFrame, View, grid_pixels, lines_of_sight, look
from enliven.render.teeth import MM, Row, paint_row
from enliven.render.tongue import see_tongue
from enliven.render.warp import Pose
from enliven.types import EXPRESSION

JAW = tuple(EXPRESSION.index(n) for n in ("jawOpen", "jawLeft", "jawRight", "jawForward"))
TONGUE = EXPRESSION.index("tongueOut")
# Edges of the rows below the seam of the closed lips, IOD: the upper teeth stand just in front
# of the lower ones, which the lower lip hides until it is drawn down.
UPPER_EDGE, LOWER_EDGE = 0.030, 0.013
UPPER_BEHIND, LOWER_BEHIND = 0.045, 0.070  # the middle of the rows behind the seam, IOD
BITE_TILT = 0.14  # rad; the rows rise towards the back
JAW_SHARE = 0.97  # of the lower lip's way with the jaw that the lower teeth go
# Rounded lips stay before the lower teeth: the share of the lip's way down that these go along.
ROUND, ROUND_SHARE = EXPRESSION.index("mouthFunnel"), 0.9
LIPS_FIRST = 0.05  # jawOpen of which half reaches the teeth
ROUND_FIRST = 2.0  # how much less that is per unit of rounding
JAW_TURN = 0.32  # rad that a full jawOpen turns the lower row
THROAT = 0.62  # IOD behind the lips
# Light falls in through the lips: at depth z it is 1 / (1 + (z / (REACH (gap + LEAST_GAP)))^2),
# and rounded lips let in as much less as they are narrower.  Less reaches the tongue, which faces
# up: light^TONGUE_FALL, but TONGUE_LEAST from the walls around.
LIGHT_REACH, LEAST_GAP = 2.0, 0.2
TONGUE_FALL, TONGUE_LEAST = 2.0, 0.12
SHADOW = 0.9  # how much of what lies behind the lips' inner side gives way to it at the rims
MOST_LIFTED = 0.6  # of it that is taken off a photo's own teeth
OWN_SHADOW = np.array([0.50, 0.62, 0.60], np.float32)  # of light the lips keep out, R G B
BOUNCE = np.array([0.22, -0.10, -0.12], np.float32)  # shade inside is red from the flesh around
DRAWN_BLUR = 0.6  # px, of what is drawn
OWN_FADE = 0.16  # IOD of lip motion over which the photo's own mouth gives way to the drawn one


@dataclass(frozen=True)
class Mouth:
    """Everything behind the lips of one face.

    seam: (3,) middle of the closed lips; axes: (3, 3) rows right, down, back; head coordinates.
    jaw_fields: (4, 3) IOD: how the JAW channels move the lower teeth.  round_down: how far the
    ROUND channel lowers them, IOD.
    lips: (52, 4, 3) IOD: how all channels move the middles of both inner rims and the corners,
    from lips_at.  width: between the corners at rest, IOD.
    """

    seam: NDArray[np.float64]
    axes: NDArray[np.float64]
    upper: Row
    lower: Row
    upper_edge: float
    lower_edge: float
    dark: NDArray[np.float32]  # (3,)
    tongue: NDArray[np.float32]  # (3,)
    bounce: NDArray[np.float32]  # (3,) how the flesh around colours the shade
    inner_lip: NDArray[np.float32]  # (3,) the lips' wet side in their own shade
    wet: NDArray[np.float32]  # (3,) colour of a full gleam
    jaw_fields: NDArray[np.float64]
    jaw_at_rest: NDArray[np.float64]  # (4,)
    round_down: float
    lips: NDArray[np.float64]
    lips_at: NDArray[np.float64]  # (4, 3)
    width: float
    from_photo: NDArray[np.float32] | None  # see `lifted_interior`
    blur_px: float  # of the photo's own edges

    @property
    def rim_px(self) -> float:
        """Width of an edge as soft as the photo's."""
        return max(1.0, 1.7 * self.blur_px)


def build_mouth(face: Face, slit: Slit, rest: NDArray) -> Mouth:
    """Size, place and light the interior from the photo; rest: (52,) expression it shows."""
    closed = face.head - np.tensordot(rest, face.basis, 1)
    corners = closed[[MOUTH.upper[0], MOUTH.upper[-1]]]
    width = float(np.linalg.norm(corners[1] - corners[0]))
    right = (corners[1] - corners[0]) / width
    down = np.array([0.0, 1, 0]) - right * right[1]
    down /= np.linalg.norm(down)
    axes = np.array([right, down, np.cross(right, down)])
    middle = [UPPER_LIP_INNER[5], LOWER_LIP_INNER[5]]
    marks = [*middle, MOUTH.upper[0], MOUTH.upper[-1]]
    seam = closed[middle].mean(0)
    jaw = list(JAW)
    skin, light = skin_light(face)
    tooth = tooth_colour(skin, light)
    gum = flesh(0.8 * np.array([0.92, 0.58, 0.60]) * skin, skin)
    tongue = flesh(np.array([1.0, 0.80, 0.84]) * skin, skin)
    dark = flesh(np.array([0.30, 0.13, 0.14]) * skin, skin)
    inner = flesh(np.array([0.60, 0.37, 0.37]) * lip_colour(face), skin)
    # nothing inside a carved or cast head has a colour of its own: it lies in that of its shade
    stone = 1 - aliveness(skin)
    dark, tongue, inner = (c + stone * (shade_colour(face) - c)
                           for c in (dark, tongue, inner))  # fmt: skip
    scale = float(np.clip(width / 0.50, 0.85, 1.15))
    px_per_iod = 1.4 * face.iod_px
    mouth = Mouth(
        seam, axes,
        paint_row(True, tooth, gum, scale, px_per_iod),
        paint_row(False, np.array([0.86, 0.83, 0.77]) * tooth, gum, scale, px_per_iod),
        UPPER_EDGE, LOWER_EDGE,
        dark.astype(np.float32), tongue.astype(np.float32),
        BOUNCE * np.float32(aliveness(skin)),
        inner.astype(np.float32),
        (0.35 * light * (skin + 2 * skin.max()) / 3).astype(np.float32),
        JAW_SHARE * face.basis[jaw][:, LOWER_LIP_INNER[5]], rest[jaw].astype(np.float64),
        ROUND_SHARE * float(axes[1] @ face.basis[ROUND, LOWER_LIP_INNER[5]]),
        face.basis[:, marks].copy(), face.head[marks].copy(), width, lifted_interior(face, slit),
        edge_blur(face),
    )  # fmt: skip
    return _with_own_teeth(mouth, face, slit, skin)


def _with_own_teeth(mouth: Mouth, face: Face, slit: Slit, skin: NDArray) -> Mouth:
    """The mouth with the teeth that the photo shows, where it shows any."""
    if mouth.from_photo is None:
        return mouth
    inside = np.ascontiguousarray(mouth.from_photo[..., 3])
    image = np.clip(mouth.from_photo[..., :3], 0, 255).astype(np.uint8)
    score = tooth_like(image, inside, skin)
    image = take_off_shadow(image, mouth.from_photo[..., 4], mouth.inner_lip, score)
    still = np.zeros(len(face.basis))
    light = daylight(*_lips(mouth, still)[1:])
    corner = np.array(slit.box[:2])

    def pixels(row: Row, frame: RowFrame) -> NDArray[np.float32]:
        head = mouth.seam + (row.at_rest()[0] @ frame.turn + frame.origin) @ mouth.axes
        camera = head @ face.pose.rotation.T + face.pose.translation
        places = project(camera, face.pose.focal_px, face.pose.centre_px) - corner
        return places.astype(np.float32)

    for upper in (True, False):
        row = mouth.upper if upper else mouth.lower
        frame = row_frame(mouth, upper, still)
        edge = find_edge(row, pixels(row, frame), score)
        if edge is None:
            continue
        if upper:
            mouth = replace(mouth, upper_edge=mouth.upper_edge - edge)
        else:
            mouth = replace(mouth, lower_edge=mouth.lower_edge + edge)
        frame = row_frame(mouth, upper, still)
        places = pixels(row, frame)
        depth = (row.at_rest()[0][..., 2] + frame.origin[2]).astype(np.float32)
        row = lift(row, image, places, inside, score, light(depth))
        if upper:  # what is left below its edge may be the other row
            mouth = replace(mouth, upper=row)
            view = look(mouth.seam, mouth.axes, face.pose, corner)
            rays = lines_of_sight(view, grid_pixels(inside.shape), frame)
            score = score * (row.hit(rays)[1].reshape(inside.shape) < -0.5 * MM)
        else:
            mouth = replace(mouth, lower=row)
    return mouth


def take_off_shadow(image: NDArray[np.uint8], shadow: NDArray[np.float32],
                    rim: NDArray[np.float32],
                    score: NDArray[np.float32]) -> NDArray[np.uint8]:  # fmt: skip
    """A photo's teeth (h, w, 3) without the shadow of its lips, which each frame casts anew.

    shadow: (h, w) 0..1, in which they give way to the colour rim (3,).  score: (h, w) 0..1, what
    of the photo looks like teeth.
    """
    if (score > 0.5).sum() < 9:
        return image
    share = np.minimum(SHADOW * shadow, MOST_LIFTED)[..., None]
    freed = (image - share * rim) / (1 - share)
    brightest = np.percentile(image[score > 0.5], 90, axis=0)
    return np.clip(freed, 0, np.maximum(image, brightest)).astype(np.uint8)


def lifted_interior(face: Face, slit: Slit) -> NDArray[np.float32] | None:
    """The photo's own teeth and tongue where its lips are apart, or None.

    (h, w, 5) over the slit's window: colour, alpha 0..1, and the shadow of its lips 0..1.
    """
    x0, y0, x1, y1 = slit.box
    pad = slit.box[0] - slit.side_box[0]
    inside = np.minimum(slit.side_upper, slit.side_lower)[pad:-pad, pad:-pad]
    soft = max(1.0, 0.012 * face.iod_px)
    alpha = smooth_step((inside - 0.3 * soft) / soft).astype(np.float32)
    if alpha.max() < 0.9 or (alpha > 0.5).sum() < 30:
        return None
    height, width = face.image.shape[:2]
    rows, columns = (
        np.clip(np.arange(y0, y1), 0, height - 1),
        np.clip(np.arange(x0, x1), 0, width - 1),
    )
    photo = face.image[rows][:, columns].astype(np.float32)
    colour = push_pull(photo, (alpha > 0.5).astype(np.float32))
    shadow = lip_shadow((inside < 0).astype(np.float32), face.iod_px)
    return np.dstack([np.where(alpha[..., None] > 0.5, photo, colour), alpha, shadow])


def row_frame(mouth: Mouth, upper: bool, weights: NDArray) -> RowFrame:
    """The upper row on the skull, or the lower one where the jaw has it; both rise to the back."""
    if upper:
        origin, angle = np.array([0, mouth.upper_edge, UPPER_BEHIND]), BITE_TILT
    else:
        jaw = weights[list(JAW)] + mouth.jaw_at_rest
        # a small opening is more the lips' doing than the jaw's, but not where they are rounded
        opened = max(float(jaw[0]), 0.0)
        lips_first = LIPS_FIRST * max(1 - ROUND_FIRST * max(float(weights[ROUND]), 0.0), 0.1)
        jaw = jaw * opened / (opened + lips_first)
        down = mouth.lower_edge + mouth.round_down * float(weights[ROUND])
        origin = mouth.axes @ (jaw @ mouth.jaw_fields) + [0, down, LOWER_BEHIND]
        angle = BITE_TILT + JAW_TURN * float(jaw[0])
    cos, sin = np.cos(angle), np.sin(angle)
    along = np.array([0, cos, sin])
    return RowFrame(origin, np.array([[1, 0, 0], -along if upper else along, [0, -sin, cos]]))


def _lips(mouth: Mouth, weights: NDArray) -> tuple[NDArray, float, float, float]:
    """Middles of the rims and corners (4, 3), the opening, its narrowness, and its depth, IOD.

    The opening is the gap between the middles, taken for less where the mouth is drawn together:
    narrowness is the square of its width over that at rest, at most 1.
    """
    lips = mouth.lips_at + np.tensordot(weights, mouth.lips, 1)
    gap = max(float((lips[1] - lips[0]) @ mouth.axes[1]), 0.0)
    narrow = min(float(np.linalg.norm(lips[3] - lips[2])) / mouth.width, 1.0) ** 2
    return lips, gap * narrow, narrow, float((lips[:2].mean(0) - mouth.seam) @ mouth.axes[2])


def parting(mouth: Mouth, weights: NDArray) -> float:
    """How far the lips have left the way they lie in the photo, 0 to 1, for weights (52,).

    Closed lips leave their seam when they part, open ones whenever they move.
    """
    lips, gap, _, _ = _lips(mouth, weights)
    at_rest = _lips(mouth, np.zeros_like(weights))[1]
    if at_rest < OPEN_GAP:
        return float(smooth_step(np.array((gap - at_rest) / PARTED)))
    return float(smooth_step(np.array(np.abs(lips - mouth.lips_at).max() / PARTED)))


def daylight(gap: float, narrow: float, front: float) -> Callable[[NDArray], NDArray]:
    """Share of light at depths (...) IOD behind the seam of the closed lips."""
    reach = np.float32(LIGHT_REACH * (gap + LEAST_GAP * narrow**2))

    def light(depth: NDArray) -> NDArray:
        fall = np.maximum(depth - np.float32(front), 0) / reach
        return 1 / (1 + fall * fall)

    return light


def draw_mouth(mouth: Mouth, pose: Pose, corner: NDArray, weights: NDArray,
               cover: NDArray[np.float32], iod_px: float,
               carry: NDArray) -> NDArray[np.float32]:  # fmt: skip
    """Interior (h, w, 3) of a window whose first pixel is at corner (2,) px.

    weights: (52,) change of expression.  cover: (h, w) skin cover, 0 where the interior shows.
    carry: (2, 3) affine that carries the photo's own interior along with the skull.
    """
    canvas = np.zeros((*cover.shape, 3), np.float32)
    x0, y0, width, height = cv2.boundingRect((cover < 0.995).astype(np.uint8))
    if not width:
        return canvas
    part = slice(y0, y0 + height), slice(x0, x0 + width)
    pad = round(0.2 * iod_px)  # past the reach of the shadow's blur
    top, left = max(y0 - pad, 0), max(x0 - pad, 0)
    near = cover[top : y0 + height + pad, left : x0 + width + pad]
    dark = lip_shadow(near, iod_px)[y0 - top :, x0 - left :][:height, :width]
    lips, gap, narrow, front = _lips(mouth, weights)
    drawn = _draw_inside(mouth, look(mouth.seam, mouth.axes, pose, corner + np.array([x0, y0])),
                         (height, width), weights, daylight(gap, narrow, front))  # fmt: skip
    if mouth.blur_px > DRAWN_BLUR:
        more = (mouth.blur_px**2 - DRAWN_BLUR**2) ** 0.5
        drawn = cv2.GaussianBlur(drawn, (0, 0), more, borderType=cv2.BORDER_REPLICATE)
    drawn += np.float32(SHADOW) * dark[..., None] * (mouth.inner_lip - drawn)
    moved = float(np.abs(lips - mouth.lips_at).max())
    if mouth.from_photo is not None and moved < OWN_FADE:
        own = cv2.warpAffine(mouth.from_photo, carry - [[0, 0, x0], [0, 0, y0]], (width, height),
                             flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
                             borderValue=0)  # fmt: skip
        # the photo holds the shadow of its own opening; only a narrower one adds to it
        more = np.clip(dark - own[..., 4], 0, 1)[..., None]
        share = own[..., 3:4] * np.float32(1 - smooth_step(np.array(moved / OWN_FADE)))
        drawn += share * (own[..., :3] * (1 - more * OWN_SHADOW) - drawn)
    canvas[part] = drawn
    return canvas


def _draw_inside(mouth: Mouth, view: View, shape: tuple[int, int], weights: NDArray,
                 light: Callable[[NDArray], NDArray]) -> NDArray[np.float32]:  # fmt: skip
    pixels = grid_pixels(shape)
    skull, jaw = (row_frame(mouth, upper, weights) for upper in (True, False))
    on_skull, on_jaw = (lines_of_sight(view, pixels, frame) for frame in (skull, jaw))
    # the throat, a little lighter towards the palate and the floor, which are nearer
    canvas = np.empty((*shape, 3), np.float32)
    canvas[:] = mouth.dark * light(np.array(THROAT, np.float32))
    colour, cover, tongue_depth = _draw_tongue(
        mouth, view, shape, jaw, float(weights[TONGUE]), light
    )
    _over(canvas, colour, cover)
    for row, rays, frame in ((mouth.lower, on_jaw, jaw), (mouth.upper, on_skull, skull)):
        seen, depth = row.see(rays, shape)
        alpha = seen[..., 3]
        if row is mouth.lower:
            alpha = alpha * (1 - cover * (tongue_depth < depth.reshape(shape)))
        lit = light(depth + np.float32(frame.origin[2])).reshape(*shape, 1)
        _over(canvas, seen[..., :3] * lit * (1 + (1 - lit) * mouth.bounce), alpha)
    return canvas


def _draw_tongue(
    mouth: Mouth, view: View, shape: tuple[int, int], jaw: RowFrame, out: float,
    light: Callable[[NDArray], NDArray],
) -> tuple[NDArray, NDArray, NDArray]:  # fmt: skip
    """Colour (h, w, 3), alpha and depth (h, w) of the tongue: so smooth that half size will do."""
    half = shape[0] // 2 + 1, shape[1] // 2 + 1
    scale = np.array([shape[1] / half[1], shape[0] / half[0]], np.float32)
    rays = lines_of_sight(view, (grid_pixels(half) + 0.5) * scale - 0.5, jaw)
    tongue = see_tongue(rays, out, float(abs(view.to_plane[0, 0])))
    lit = light(tongue.depth + np.float32(jaw.origin[2]))
    lit = tongue.shade * (TONGUE_LEAST + (1 - TONGUE_LEAST) * lit**TONGUE_FALL)
    lit = lit[:, None] * (1 + (1 - lit[:, None]) * mouth.bounce)
    colour = lit * (mouth.tongue + tongue.gleam[:, None] * mouth.wet)
    seen = np.column_stack([colour, tongue.alpha, tongue.depth]).astype(np.float32)
    seen = cv2.resize(seen.reshape(*half, 5), shape[::-1], interpolation=cv2.INTER_LINEAR)
    return seen[..., :3], seen[..., 3], seen[..., 4]


def _over(canvas: NDArray, colour: NDArray, alpha: NDArray) -> None:
    canvas += alpha[..., None] * (colour - canvas)


def lip_shadow(cover: NDArray, iod_px: float) -> NDArray[np.float32]:
    """Shadow (h, w), 0 to 1, that skin with this cover casts into the mouth behind it."""
    near = cv2.GaussianBlur(cover, (0, 0), max(0.8, 0.035 * iod_px))
    above = np.zeros_like(near)
    drop = max(1, round(0.03 * iod_px))
    above[drop:] = near[:-drop]
    # light comes from above: the upper lip keeps out more of it than the lower one
    return np.clip(np.maximum(0.8 * near, 0.9 * above), 0, 1) ** 1.2
