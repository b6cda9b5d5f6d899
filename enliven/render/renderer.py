"""Portrait + Motion -> frames: the layered 2.5-D renderer.

The person is one continuous sheet that bends and turns over a still, filled background; mouth
and eyes are slits in it, drawn again on finer grids as an upper and a lower sheet over teeth
or eyeball.  Every pixel of skin is resampled from the photo exactly once.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption
from enliven.geometry import project, rotation_from_vector
from enliven.render.alpha import straight
from enliven.render.body import body_motion
from enliven.render.eyes import build_eyes, draw_eye, lid_weights, skin_weights
from enliven.render.face import describe_face
from enliven.render.glasses import find_glasses, stiffened
from enliven.render.layers import head_box, reframe
from enliven.render.light import Painted
from enliven.render.lips import eased_smile, paint_lips, seal_line
from enliven.render.mesh import FACE_OVAL, MOUTH, outline
from enliven.render.mouth import build_mouth, draw_mouth, parting
from enliven.render.opening import Place, Slit, compose, cut_slit, draw_skin, place
from enliven.render.paint import build_paint
from enliven.render.person import cut_person, draw_person
from enliven.render.turn import find_limits
from enliven.render.warp import Pose
from enliven.types import CHANNELS, Motion, Portrait, group_slice

SIZE_RANGE = (64, 4096)
OWN_SIZE_LIMIT = 2048

log = logging.getLogger("enliven")


@dataclass(frozen=True)
class RenderOptions:
    """size: longer side of the output in px, 64 to 4096; None keeps the photo's own up to 2048,
    beyond which drawing and encoding take longer than anybody likes to wait.

    crop: show a square around head and shoulders instead of the whole photo.
    transparent: frames carry a fourth channel, the person's straight alpha.
    """

    size: int | None = None
    crop: bool = False
    transparent: bool = False

    def __post_init__(self) -> None:
        if self.size is not None and not SIZE_RANGE[0] <= self.size <= SIZE_RANGE[1]:
            raise BadOption(f"size {self.size} px is outside {SIZE_RANGE[0]} to {SIZE_RANGE[1]}; "
                            "use for example 512 or 1024")  # fmt: skip


def framed(portrait: Portrait, options: RenderOptions) -> Portrait:
    """The portrait cropped and scaled as the output will show it."""
    height, width = portrait.image.shape[:2]
    box = head_box(portrait) if options.crop else (0.0, 0.0, float(width), float(height))
    return reframe(portrait, box, output_size(box, options))


def output_size(box: tuple[float, float, float, float], options: RenderOptions) -> tuple[int, int]:
    """Width and height px at which a box (x, y, width, height) px of the photo is drawn."""
    longer = max(box[2:])
    scale = (options.size or min(longer, OWN_SIZE_LIMIT)) / longer
    if scale < 1 and options.size is None:
        log.warning("the longer side of the picture, %d px, is drawn at %d px; ask for size %d "
                    "to keep it", longer, OWN_SIZE_LIMIT, min(longer, SIZE_RANGE[1]))  # fmt: skip
    return max(2, round(box[2] * scale)), max(2, round(box[3] * scale))


class Renderer:
    """Draws motion frames of one portrait.  Frames depend on nothing but their own values."""

    def __init__(self, portrait: Portrait, options: RenderOptions = RenderOptions()) -> None:
        self.options = options
        portrait = framed(portrait, options)
        self.portrait = portrait
        landmarks = seal_line(portrait.image, portrait.landmarks, portrait.iod_px)
        self.face = face = describe_face(
            portrait, landmarks, eased_smile(portrait), portrait.triangles
        )
        person, glasses = cut_person(portrait, face, landmarks), find_glasses(face)
        if glasses is not None:
            stiff = stiffened(person.skin, glasses, face)
            person = replace(person, skin=stiff)
        self.person = person
        self.paint = build_paint(face, self.person.region, portrait.rest[group_slice("expression")])
        skin, region = self.person.skin, self.person.region
        edge = outline(skin.places.reshape(-1, 2), face.landmarks[list(FACE_OVAL)])
        on_face = (edge.distance == 0).reshape(skin.grid.rows, skin.grid.columns)
        self.turn_limits = find_limits(skin, face.pose, on_face)
        self.mouth_slit = cut_slit(face, MOUTH, region, (0.52, 0.34, 0.70), 0.0)
        self.lips = paint_lips(face, self.mouth_slit)
        self.mouth = build_mouth(face, self.mouth_slit, portrait.rest[group_slice("expression")])
        self.eyes = build_eyes(face, skin, portrait.rest[group_slice("gaze")], glasses)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames, px."""
        height, width = self.portrait.image.shape[:2]
        return width, height

    def frame(self, values: NDArray) -> NDArray[np.uint8]:
        """Motion values (C,) -> (H, W, 3) uint8 sRGB, or (H, W, 4) when transparent."""
        output, cover = self.draw(values)
        if not self.options.transparent:
            return output
        x0, y0, x1, y1 = self.person.region
        frame = np.dstack([output, self.person.mask])
        behind = self.person.layers.background
        frame[y0:y1, x0:x1] = straight(output[y0:y1, x0:x1], behind, cover)
        return frame

    def draw(self, values: NDArray) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The frame (H, W, 3) and how far the person covers the moving region, (h, w) 0..1."""
        values = np.asarray(values, np.float64)
        if values.shape != (len(CHANNELS),):
            raise BadOption(f"a motion frame has shape {values.shape}, expected ({len(CHANNELS)},)")
        rest = self.portrait.rest
        weights = (lid_weights(values) - lid_weights(rest)).astype(np.float32)
        pose = self._pose(values)
        body = body_motion(self.portrait, values, pose)
        body_px = body[:, 2]  # openings lie where the body has no say
        output = self.portrait.image.copy()
        turn = pose.rotation @ self.portrait.rotation.T
        skin = skin_weights(weights)
        painted = self.paint.painted(weights, turn)
        cover, shown = draw_person(self.person, output, skin, pose, body, painted)
        self._draw_mouth(output, skin, pose, body_px, painted)
        x0, y0, _, _ = self.person.region
        for eye in self.eyes:
            part = self._part(eye.lids.corners, pose)
            look = values[group_slice("gaze")]
            draw_eye(eye, output, shown, (x0, y0), part, weights, look, painted)
        return output, cover

    def _pose(self, values: NDArray) -> Pose:
        portrait = self.portrait
        rest = portrait.rest.astype(np.float64)
        turn = rotation_from_vector(values[group_slice("head")])
        turn = turn @ rotation_from_vector(rest[group_slice("head")]).T
        shift = (values - rest)[group_slice("translation")]
        turn = self.turn_limits.applied(turn)
        across, down, roll = (values - rest)[group_slice("body")][:3].tolist()
        return Pose(turn @ portrait.rotation, portrait.translation + shift, portrait.focal_px,
                    portrait.centre_px, (across, down, roll))  # fmt: skip

    def _draw_mouth(self, output: NDArray[np.uint8], weights: NDArray, pose: Pose,
                    body_px: NDArray, painted: Painted | None) -> None:  # fmt: skip
        slit, face = self.mouth_slit, self.face
        where = self._place(slit, pose)
        opacity = slit.opacity(weights)
        if where is None or not opacity:
            return
        parted = parting(self.mouth, weights)

        def dress(above: bool, colours: NDArray, at: NDArray) -> None:
            self.lips.on(above, colours, at, parted)

        skin = draw_skin(slit, face, where, weights, pose, body_px, painted,
                         dress if parted else None, self.mouth.rim_px)  # fmt: skip
        cover = skin.upper_cover + (1 - skin.upper_cover) * skin.lower_cover
        corner = np.array([where.x0, where.y0])

        carry = self._carry(slit, pose, corner)
        interior = draw_mouth(self.mouth, pose, corner, weights, cover, face.iod_px, carry)
        compose(output, slit, where, skin, interior, opacity)

    def _place(self, slit: Slit, pose: Pose) -> Place | None:
        still = Pose(
            self.portrait.rotation, self.portrait.translation, pose.focal_px, pose.centre_px
        )
        rest = self._to_pixels(slit.anchor, still)
        return place(slit, lambda p: self._to_pixels(p, pose), rest, self.portrait.image.shape[:2])

    def _part(self, points: NDArray, pose: Pose) -> tuple[int, int, int, int]:
        """Box x0, y0, x1, y1 px around head points (P, 3) at a pose."""
        pixels = np.array([self._to_pixels(point, pose) for point in points])
        low, high = np.floor(pixels.min(0)).astype(int), np.ceil(pixels.max(0)).astype(int)
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])

    def _to_pixels(self, point: NDArray, pose: Pose) -> NDArray:
        return project(pose.rotation @ point + pose.translation, pose.focal_px, pose.centre_px)

    def _carry(self, slit: Slit, pose: Pose, corner: NDArray) -> NDArray[np.float64]:
        """Affine (2, 3) from window pixels of the photo to window pixels of the frame."""
        steps = slit.anchor + 0.2 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
        still = Pose(
            self.portrait.rotation, self.portrait.translation, pose.focal_px, pose.centre_px
        )
        before = [self._to_pixels(p, still) - np.array(slit.box[:2]) for p in steps]
        after = [self._to_pixels(p, pose) - corner for p in steps]
        return cv2.getAffineTransform(np.array(before, np.float32), np.array(after, np.float32))


def render(portrait: Portrait, motion: Motion,
           options: RenderOptions = RenderOptions()) -> Iterator[NDArray[np.uint8]]:  # fmt: skip
    """Frames of a motion, one by one; memory does not depend on its length."""
    renderer = Renderer(portrait, options)
    for values in motion.values:
        yield renderer.frame(values)
