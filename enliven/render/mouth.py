"""What shows between the lips: teeth, tongue, the dark of the mouth.

Teeth are flat pictures hung in head coordinates, the upper row on the skull and the lower row
on the jaw, so that lips open and close over them.  Proportions follow Wheeler's Dental
Anatomy (mean crown widths and heights); 1 IOD is taken as 90 mm.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.face import Face, smooth_step
from enliven.render.layers import push_pull
from enliven.render.mesh import LOWER_LIP_INNER, MOUTH, UPPER_LIP_INNER
from enliven.render.opening import Slit
from enliven.types import EXPRESSION

MM = 1 / 90  # IOD
UPPER_WIDTHS_MM = (8.5, 6.5, 7.5, 7.0, 7.0)  # from the midline outwards
UPPER_HEIGHTS_MM = (10.5, 9.0, 10.0, 8.5, 8.0)
LOWER_WIDTHS_MM = (5.0, 5.5, 7.0, 7.0, 7.0)
LOWER_HEIGHTS_MM = (9.0, 9.5, 10.5, 8.5, 8.0)
TEXTURE_PX_PER_MM = 6

JAW = tuple(EXPRESSION.index(n) for n in ("jawOpen", "jawLeft", "jawRight", "jawForward"))
# Edges of the rows below the seam of the closed lips, IOD: the upper teeth stand just in front
# of the lower ones, which the lower lip hides until it is drawn down.
UPPER_EDGE, LOWER_EDGE = 0.016, 0.022
OPEN_GAP = 0.032  # IOD; lips further apart than this in the photo count as open


def seal_line(image: NDArray[np.uint8], landmarks: NDArray, iod_px: float) -> NDArray[np.float64]:
    """Landmarks (478, 3) px with closed lips moved onto the dark line where they meet.

    The tracker places both rims near, not on, that line; cutting beside it would leave a rim
    of the wrong lip.  An open mouth is left as it is.
    """
    landmarks = np.asarray(landmarks, np.float64).copy()
    upper, lower = list(UPPER_LIP_INNER), list(LOWER_LIP_INNER)
    if rim_gap(landmarks, iod_px) > OPEN_GAP:
        return landmarks
    middle = (landmarks[upper] + landmarks[lower]) / 2
    along = middle[-1, :2] - middle[0, :2]
    across = np.array([-along[1], along[0]]) / max(float(np.linalg.norm(along)), 1e-9)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey = cv2.GaussianBlur(grey, (0, 0), max(0.6, 0.0045 * iod_px))
    reach = 0.024 * iod_px
    offsets = np.linspace(-reach, reach, 41)
    places = (middle[:, None, :2] + offsets[:, None] * across).astype(np.float32)
    profile = cv2.remap(grey, places[..., 0], places[..., 1], cv2.INTER_LINEAR,
                        borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    profile = profile + 12 * (offsets / reach) ** 2  # near the tracked line, unless clearly darker
    shift = offsets[profile.argmin(1)]
    shift[[0, -1]] = 0
    shift = np.convolve(np.pad(shift, 2, mode="edge"), [0.1, 0.2, 0.4, 0.2, 0.1], "valid")
    middle[:, :2] += shift[:, None] * across
    landmarks[upper] = landmarks[lower] = middle
    return landmarks


def rim_gap(landmarks: NDArray, iod_px: float) -> float:
    """Largest gap between the inner rims of the lips, IOD."""
    gaps = landmarks[list(LOWER_LIP_INNER), :2] - landmarks[list(UPPER_LIP_INNER), :2]
    return float(np.linalg.norm(gaps, axis=1)[2:-2].max()) / iod_px


@dataclass(frozen=True)
class Plate:
    """A picture hung in head coordinates: pixel (u, v) of it is at origin + u*right + v*down."""

    picture: NDArray[np.float32]  # (h, w, 4), colour 0..255 straight, alpha 0..1
    origin: NDArray[np.float64]  # (3,) IOD
    right: NDArray[np.float64]
    down: NDArray[np.float64]

    def drawn_on(self, canvas: NDArray[np.float32], to_canvas: Callable[[NDArray], NDArray],
                 shift: NDArray, opacity: float = 1.0) -> None:  # fmt: skip
        """Blend onto canvas (h, w, 3); shift (3,) IOD moves the plate in head coordinates."""
        height, width = self.picture.shape[:2]
        corners = np.array([[0, 0], [width, 0], [0, height]], np.float32)
        places = np.array([to_canvas(self.origin + shift + u * self.right + v * self.down)
                           for u, v in corners], np.float32)  # fmt: skip
        matrix = cv2.getAffineTransform(corners, places)
        # plates have finer pixels than the frame: average, or teeth sparkle as they move
        scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
        picture = self.picture
        if scale < 0.8:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.5 * (1 / scale**2 - 1) ** 0.5)
        size = (canvas.shape[1], canvas.shape[0])
        warped = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR,
                                borderMode=cv2.BORDER_CONSTANT, borderValue=0)  # fmt: skip
        alpha = opacity * warped[..., 3:]
        canvas += alpha * (warped[..., :3] - canvas)


@dataclass(frozen=True)
class Mouth:
    """Everything behind the lips of one face."""

    plates: tuple[tuple[Plate, float], ...]  # back to front, with its share of the jaw's motion
    depth_colour: NDArray[np.float32]  # (3,)
    jaw_fields: NDArray[np.float64]  # (4, 3) IOD: how the JAW channels move the lower teeth
    from_photo: NDArray[np.float32] | None  # see `lifted_interior`


def build_mouth(face: Face, slit: Slit, rest: NDArray) -> Mouth:
    """Size, place and light the interior from the photo; rest: (52,) expression it shows."""
    closed = face.head - np.tensordot(rest, face.basis, 1)
    corners = closed[[MOUTH.upper[0], MOUTH.upper[-1]]]
    width = float(np.linalg.norm(corners[1] - corners[0]))
    right = (corners[1] - corners[0]) / width
    down = np.array([0.0, 1, 0]) - right * right[1]
    down /= np.linalg.norm(down)
    seam = (closed[UPPER_LIP_INNER[5]] + closed[LOWER_LIP_INNER[5]]) / 2
    jaw_fields = face.basis[list(JAW)][:, LOWER_LIP_INNER[5]].copy()
    jaw_at_rest = rest[list(JAW)] @ jaw_fields
    skin, light = skin_light(face)

    def hung(picture: NDArray, size: NDArray, top: float, behind: float, on_jaw: bool) -> Plate:
        # `top` and `behind` in IOD from the seam of the closed lips
        if on_jaw:  # lies in the shadow of the upper row and lip
            picture[..., :3] *= np.linspace(0.75, 1, picture.shape[0])[:, None, None]
        at = seam + down * top - right * size[0] / 2 + np.array([0, 0, behind])
        return Plate(picture, at + on_jaw * jaw_at_rest, right * size[0] / picture.shape[1],
                     down * size[1] / picture.shape[0])  # fmt: skip

    tooth = flesh(np.clip((np.array([226, 216, 196]) * 0.75 + skin * 0.25) * light, 0, 245), skin)
    gum = flesh(np.array([150, 78, 78]) * light, skin)
    tongue = tongue_picture(flesh(np.array([176, 98, 96]) * light, skin))
    rows = teeth_picture(True, tooth, gum), teeth_picture(False, 0.82 * tooth, gum)
    scale = float(np.clip(width / 0.54, 0.8, 1.2)) / TEXTURE_PX_PER_MM * MM
    sizes = [np.array(picture.shape[1::-1]) * scale for picture in rows]
    plates = (
        (hung(tongue, width * np.array([0.66, 0.5]), -0.24 * width, 0.2 * width, True), 1.0),
        (hung(rows[1], sizes[1], LOWER_EDGE, 0.08 * width, True), 1.0),
        (hung(rows[0], sizes[0], UPPER_EDGE - sizes[0][1], 0.05 * width, False), 0.0),
    )
    dark = flesh(np.array([46, 14, 14]) * light, skin)
    return Mouth(plates, dark.astype(np.float32), jaw_fields, lifted_interior(face, slit))


def skin_light(face: Face) -> tuple[NDArray, float]:
    """Median skin colour (3,) around the mouth, and how brightly the face is lit, 0.35 to 1.1."""
    cheeks = [205, 425, 50, 280, 36, 266, 152, 199]
    points = np.rint(face.landmarks[cheeks]).astype(int)
    height, width = face.image.shape[:2]
    colours = face.image[np.clip(points[:, 1], 0, height - 1), np.clip(points[:, 0], 0, width - 1)]
    skin = np.median(colours.astype(np.float64), axis=0)
    # the brightest skin tells the light better than the median, which tells the complexion
    peak = np.percentile(colours.max(1), 80) / 255
    return skin, float(np.clip(0.35 + 0.75 * peak, 0.35, 1.1))


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


def teeth_picture(upper: bool, tooth: NDArray, gum: NDArray) -> NDArray[np.float32]:
    """A row of teeth with its gum, (h, w, 4), edge of the row at the bottom if upper, else top."""
    widths = UPPER_WIDTHS_MM if upper else LOWER_WIDTHS_MM
    heights = UPPER_HEIGHTS_MM if upper else LOWER_HEIGHTS_MM
    over, gum_mm = 2, 4.0
    px = TEXTURE_PX_PER_MM * over
    half, tall = sum(widths) * px, (max(heights) + gum_mm) * px
    shape = (int(tall), int(2 * half))
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    x = (x + 0.5 - half) / px  # mm from the midline
    y = (y + 0.5) / px if upper else max(heights) + gum_mm - (y + 0.5) / px  # mm from the gum's end
    picture = np.empty((*shape, 3), np.float32)
    picture[:] = gum * (0.72 + 0.28 * np.clip(y / gum_mm, 0, 1))[..., None]
    alpha = (y < gum_mm + 1.5).astype(np.float32)
    shade_out = 1 - 0.45 * smooth_step((np.abs(x) - 9) / 20)  # the arch recedes into shadow
    start = 0.0
    edge = max(heights) + gum_mm
    for i, (width, height) in enumerate(zip(widths, heights, strict=True)):
        end = edge - (0.0, 0.7, 0.1, 0.8, 1.2)[i] * (1.0 if upper else 0.6)
        for side in (-1, 1):
            u = (x - side * (start + width / 2)) / (width / 2 * 0.985)
            neck = end - height + 0.9 * u * u
            v = (y - neck) / (end - neck)
            # crowns taper towards the gum and have rounded edges
            taper = 0.90 + 0.10 * np.sin(np.clip(v, 0, 1) * np.pi * 0.6)
            shape_power = np.abs(u / taper) ** 5 + np.clip((v - 0.86) / 0.14, 0, None) ** 3
            inside = (shape_power < 1) & (v > 0) & (v < 1)
            curve = 1 - 0.16 * np.abs(u / taper) ** 4
            root = 0.86 + 0.14 * np.clip(2.2 * v, 0, 1)
            tip = 1 - 0.10 * np.clip((v - 0.85) / 0.15, 0, 1)
            warm = np.array([1.0, 0.985, 0.95]) ** np.clip(1 - v, 0, 1)[..., None]
            gleam = 9 * np.exp(-(((u + 0.15) / 0.35) ** 2) - ((v - 0.45) / 0.28) ** 2)
            colour = tooth * warm * (curve * root * tip)[..., None] + gleam[..., None]
            picture[inside] = colour[inside]
            alpha[inside] = 1
        start += width
    picture *= shade_out[..., None]
    gaps = (alpha == 0) & (y > gum_mm) & (y < edge - 2.2)
    picture[gaps] = 0.62 * tooth
    alpha[gaps] = 1
    size = (shape[1] // over, shape[0] // over)
    solid = cv2.resize(picture * alpha[..., None], size, interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    return np.dstack([solid / np.maximum(alpha, 1e-3)[..., None], alpha])


def flesh(colour: NDArray, skin: NDArray) -> NDArray[np.float64]:
    """A colour (3,) of the mouth, in the face's own material: a marble head has a marble tongue."""
    chroma = (skin.max() - skin.min()) / max(float(skin.max()), 1.0)
    alive = float(smooth_step(np.array((chroma - 0.08) / 0.12)))
    stone = skin * (colour.mean() / max(float(skin.mean()), 1.0))
    return stone + alive * (colour - stone)


def tongue_picture(colour: NDArray) -> NDArray[np.float32]:
    """A resting tongue of that colour (3,) seen from the front, (h, w, 4)."""
    shape = (100, 180)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    u, v = (x + 0.5) / shape[1] * 2 - 1, (y + 0.5) / shape[0] * 2 - 1
    radius = np.sqrt(np.abs(u) ** 2.6 + np.abs(np.minimum(v, 0)) ** 2.2)
    shade = (0.80 - 0.26 * np.clip(-v, 0, 1) ** 1.5 - 0.10 * np.exp(-((u / 0.12) ** 2))
             - 0.20 * np.abs(u) ** 2.5 - 0.20 * np.clip(v, 0, 1))  # fmt: skip
    noise = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    shade = shade + 0.25 * cv2.GaussianBlur(noise, (0, 0), 2.5)
    alpha = smooth_step((1 - radius) / 0.3)
    return np.dstack([colour * shade[..., None], alpha]).astype(np.float32)


def draw_mouth(mouth: Mouth, shape: tuple[int, int], to_canvas: Callable[[NDArray], NDArray],
               weights: NDArray, cover: NDArray, iod_px: float,
               skull_shift: NDArray) -> NDArray[np.float32]:  # fmt: skip
    """Interior (h, w, 3) for window pixels.

    to_canvas: head coordinates (3,) -> window px.  weights: (52,) change of expression.
    cover: (h, w) skin cover, 0 where the interior shows.  skull_shift: (2, 3) affine that
    carries the photo's own interior along with the skull.
    """
    canvas = np.empty((*shape, 3), np.float32)
    canvas[:] = mouth.depth_colour
    jaw = weights[list(JAW)] @ mouth.jaw_fields
    for plate, share in mouth.plates:
        plate.drawn_on(canvas, to_canvas, share * jaw)
    dark = lip_shadow(cover, iod_px)
    canvas = canvas * (1 - dark[..., None] * SHADOW)
    if mouth.from_photo is not None:
        own = cv2.warpAffine(mouth.from_photo, skull_shift, shape[::-1], flags=cv2.INTER_LINEAR,
                             borderMode=cv2.BORDER_CONSTANT, borderValue=0)  # fmt: skip
        # the photo holds the shadow of its own opening; only a narrower one adds to it
        more = np.clip(dark - own[..., 4], 0, 1)[..., None]
        canvas += own[..., 3:4] * (own[..., :3] * (1 - more * SHADOW) - canvas)
    return canvas


SHADOW = np.array([0.62, 0.72, 0.72], np.float32)  # how much light the lips keep out, R G B


def lip_shadow(cover: NDArray, iod_px: float) -> NDArray[np.float32]:
    """Shadow (h, w), 0 to 1, that skin with this cover casts into the mouth behind it."""
    near = cv2.GaussianBlur(cover, (0, 0), max(0.8, 0.035 * iod_px))
    above = np.zeros_like(near)
    drop = max(1, round(0.03 * iod_px))
    above[drop:] = near[:-drop]
    return np.clip(np.maximum(near, 0.9 * above), 0, 1) ** 1.5
