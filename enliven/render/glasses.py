"""Glasses: found by their bridge, and kept stiff while the face moves behind them.

No network: bare skin runs evenly down the bridge of the nose, a frame crosses it with an edge.
(The edge over the nose as a sign of glasses: Jiang et al. 2000, "Towards detection of glasses in
facial images".)  Frames thinner than a wire at this scale, or as clear as the skin, are missed.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.face import Face, smooth_step
from enliven.render.warp import Sheet

IOD_PX = 96.0  # scale at which frames are looked for
PATCH = (-0.80, -0.52, 0.80, 0.75)  # x0, y0, x1, y1 around the middle of the eyes, IOD
NOSE = (9, 8, 168, 6, 197, 195)  # landmarks down the bridge of the nose
NOSE_WIDTH = 5  # px on either side of them
BRIDGE = 5.0  # Lab units a pixel of an edge across the nose; bare skin has 0.3 to 3.6
ANGLES = 72  # of a rim around its eye
RIM_REACH = (0.15, 0.46)  # IOD from an eye's middle to its rim
BENDING = 0.25  # what a rim's path pays for each pixel squared it changes its radius by
FRAME_COLOUR = 16.0  # Lab units by which frames differ from themselves
FRAME_WIDTH, FRAME_FADE = 0.055, 0.09  # IOD to either side that is stiff, and becomes soft
PLANE_FADE = 0.14  # IOD over which depth returns to what is seen beside the glass
BRIDGE_TOP = 6  # landmark on which glasses sit
PLANE_AHEAD, PLANE_WRAP = 0.02, 0.15  # IOD before it, and how they bend back: IOD for each IOD^2
TINT_LIGHT, TINT_COLOUR = 0.72, 14.0  # share of the cheek's light, Lab units: through dark glass
EYES = ((33, 133), (362, 263))
CHEEKS = (50, 280)
TEMPLES = (127, 356)


@dataclass(frozen=True)
class Glasses:
    """rims: two closed curves (ANGLES, 2) px of the photo, image left first.

    bridge: (3, 2) px, its ends and middle.  temples: (2, 2, 2) px, their ends.
    dark: the eyes behind cannot be seen.
    """

    rims: NDArray[np.float64]
    bridge: NDArray[np.float64]
    temples: NDArray[np.float64]
    dark: bool

    def stiffness(self, points: NDArray, iod_px: float) -> NDArray[np.float32]:
        """0 to 1 at points (..., 2) px: how far skin there must not move below the frame."""
        away = self._distance(points, iod_px, temples=True, filled=self.dark)
        return smooth_step(1 - (away - FRAME_WIDTH) / FRAME_FADE).astype(np.float32)

    def presence(self, points: NDArray, iod_px: float) -> NDArray[np.float32]:
        """0 to 1 at points (..., 2) px: how far they lie in the plane of rims and glass."""
        away = self._distance(points, iod_px, temples=False, filled=True)
        return smooth_step(1 - (away - FRAME_WIDTH) / PLANE_FADE).astype(np.float32)

    def _distance(self, points: NDArray, iod_px: float, *, temples: bool,
                  filled: bool) -> NDArray[np.float32]:  # fmt: skip
        """IOD from points (..., 2) px to the frame, or to the glass as well."""
        lines = [*self.rims.astype(np.float32), self.bridge, *(self.temples if temples else ())]
        low = points.reshape(-1, 2).min(0)
        high = points.reshape(-1, 2).max(0)
        size = np.ceil((high - low) * IOD_PX / iod_px).astype(int) + 3
        mask = np.full((size[1], size[0]), 255, np.uint8)
        for i, line in enumerate(lines):
            at = np.rint((np.asarray(line) - low) * IOD_PX / iod_px).astype(np.int32)
            cv2.polylines(mask, [at], i < 2, 0)
            if filled and i < 2:
                cv2.fillPoly(mask, [at], 0)
        distance = cv2.distanceTransform(mask, cv2.DIST_L2, 5) / IOD_PX
        at = ((points - low) * IOD_PX / iod_px).astype(np.float32)
        return cv2.remap(distance.astype(np.float32), at, None, cv2.INTER_LINEAR)


def stiffened(skin: Sheet, glasses: Glasses, face: Face) -> Sheet:
    """The sheet of a face on which the frame keeps its shape.

    Where it lies, nothing moves but the head; and rims and glass stand in one plane before the
    face, however far behind it the hair is that they are seen against.
    """
    stiff = glasses.stiffness(skin.places, face.iod_px)
    fields = skin.fields * (1 - stiff[skin.part])[..., None]
    eye = -face.pose.rotation.T @ face.pose.translation  # the camera, in head coordinates
    ray = skin.head - eye
    plane = face.head[BRIDGE_TOP, 2] - PLANE_AHEAD + PLANE_WRAP * skin.head[..., 0] ** 2
    reach = (plane - eye[2]) / ray[..., 2]
    share = glasses.presence(skin.places, face.iod_px)
    # along the line of sight, so that the photo stays as it is
    head = eye + ray * (1 + share * (reach - 1))[..., None]
    return replace(skin, fields=fields, head=head.astype(np.float32))


@dataclass(frozen=True)
class _Patch:
    """The region of the eyes upright at IOD_PX: lab (h, w, 3), and the way to photo px."""

    lab: NDArray[np.float32]
    origin: NDArray[np.float64]
    axes: NDArray[np.float64]  # rows: px of the photo for one px along and down

    def to_photo(self, points: NDArray) -> NDArray[np.float64]:
        return self.origin + points @ self.axes

    def of_photo(self, points: NDArray) -> NDArray[np.float64]:
        return (points - self.origin) @ np.linalg.inv(self.axes)

    def sampled(self, points: NDArray) -> NDArray[np.float32]:
        """Lab values at patch points (h, w, 2)."""
        return cv2.remap(self.lab, points.astype(np.float32), None, cv2.INTER_LINEAR,
                         borderMode=cv2.BORDER_REPLICATE)  # fmt: skip


def find_glasses(face: Face) -> Glasses | None:
    """The glasses that a face wears, if any can be told."""
    patch = _cut_patch(face)
    strength, frame, crossing = _bridge(patch, face)
    if strength < BRIDGE:
        return None
    middles = [patch.of_photo(face.landmarks[list(eye)].mean(0)) for eye in EYES]
    rims = [_rim(patch, middle, frame) for middle in middles]
    left, right = (rim[np.argmin(np.linalg.norm(rim - crossing, axis=1))] for rim in rims)
    temples = []
    for rim, other, temple in zip(rims, (middles[1], middles[0]), TEMPLES, strict=True):
        start = rim[np.argmax(np.linalg.norm(rim - other, axis=1))]
        temples.append([patch.to_photo(start), face.landmarks[temple]])
    tints = [_tinted(patch, patch.of_photo(face.landmarks[list(eye)]), rim, cheek)
             for eye, rim, cheek in zip(EYES, rims, patch.of_photo(face.landmarks[list(CHEEKS)]),
                                        strict=True)]  # fmt: skip
    bridge = patch.to_photo(np.array([left, crossing, right]))
    curves = np.stack([patch.to_photo(rim) for rim in rims])
    return Glasses(curves, bridge, np.array(temples), all(tints))


def _cut_patch(face: Face) -> _Patch:
    left, right = (face.landmarks[list(eye)].mean(0) for eye in EYES)
    along = (right - left) / max(float(np.linalg.norm(right - left)), 1e-9)
    scale = face.iod_px / IOD_PX
    axes = scale * np.array([along, [-along[1], along[0]]])
    x0, y0, x1, y1 = (round(v * IOD_PX) for v in PATCH)
    origin = (left + right) / 2 + np.array([x0, y0]) @ axes
    x, y = np.meshgrid(np.arange(x1 - x0), np.arange(y1 - y0))
    where = (origin + np.stack([x, y], -1) @ axes).astype(np.float32)
    image = cv2.GaussianBlur(face.image, (0, 0), 0.6 * scale) if scale > 1 else face.image
    cut = cv2.remap(image, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    lab = cv2.cvtColor(cut.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return _Patch(cv2.GaussianBlur(lab, (0, 0), 1.0), origin, axes)


def _bridge(patch: _Patch, face: Face) -> tuple[float, NDArray[np.float32], NDArray[np.float64]]:
    """Strongest edge across the nose, Lab units a pixel, and the frame's colour (3,) and place
    (2,), patch px, there."""
    nothing = 0.0, np.zeros(3, np.float32), np.zeros(2)
    nose = patch.of_photo(face.landmarks[list(NOSE)])
    nose = nose[np.argsort(nose[:, 1])]
    y = np.arange(np.ceil(nose[0, 1]), nose[-1, 1])
    if len(y) < 8:
        return nothing
    x = np.interp(y, nose[:, 1], nose[:, 0])
    strip = np.stack(
        np.broadcast_arrays(x[:, None] + np.arange(-NOSE_WIDTH, NOSE_WIDTH + 1), y[:, None]), -1
    )
    profile = patch.sampled(strip).mean(1)
    edge = np.linalg.norm(np.gradient(profile, axis=0), axis=1)
    eyes, tip = patch.of_photo(face.landmarks[[168, 197]])[:, 1]
    here = (y > eyes - 10) & (y < tip)
    if not here.any():
        return nothing
    apart = np.linalg.norm(profile - np.median(profile, 0), axis=1) * here
    at = int(apart.argmax())
    return float(edge[here].max()), profile[at], np.array([x[at], y[at]])


def _rim(patch: _Patch, middle: NDArray, frame: NDArray[np.float32]) -> NDArray[np.float64]:
    """Closed curve (ANGLES, 2), patch px, around an eye: the best path of frame and edges."""
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    radius = np.arange(*(round(r * IOD_PX) for r in RIM_REACH))
    ray = np.stack([np.cos(angle), np.sin(angle)], -1)
    colours = patch.sampled(middle + ray[:, None] * radius[:, None])
    edge = np.linalg.norm(np.gradient(colours, axis=1), axis=-1)
    likeness = np.exp(-((np.linalg.norm(colours - frame, axis=-1) / FRAME_COLOUR) ** 2))
    worth = 0.5 * np.minimum(edge, 4) + 3 * likeness
    # twice around, so that the second time starts where it ends
    worth = np.concatenate([worth, worth])
    steps = np.arange(-3, 4)
    total, back = worth[0], np.zeros(worth.shape, int)
    for i in range(1, len(worth)):
        padded = np.pad(total, 3, constant_values=-1e6)
        options = np.stack([padded[3 + s : 3 + s + len(radius)] for s in steps])
        options -= BENDING * (steps**2)[:, None]
        best = options.argmax(0)
        back[i] = steps[best]
        total = worth[i] + options.max(0)
    at = int(total.argmax())
    path = [at]
    for i in range(len(worth) - 1, 0, -1):
        at = int(np.clip(at + back[i][at], 0, len(radius) - 1))
        path.append(at)
    path = path[::-1][ANGLES // 2 : ANGLES // 2 + ANGLES]
    found = np.roll(radius[path], ANGLES // 2)
    return middle + ray * found[:, None]


def _tinted(patch: _Patch, eye: NDArray, rim: NDArray, cheek: NDArray) -> bool:
    """Whether skin seen through the glass is much darker, or of another colour, than beside it."""
    inside = np.zeros(patch.lab.shape[:2], np.uint8)
    shrunk = eye.mean(0) + 0.8 * (rim - eye.mean(0))
    cv2.fillPoly(inside, [np.rint(shrunk).astype(np.int32)], 1)
    size = (round(0.23 * IOD_PX), round(0.12 * IOD_PX))
    cv2.ellipse(inside, np.rint(eye.mean(0)).astype(int).tolist(), size, 0, 0, 360, 0, -1)
    inside[: round(float(eye[:, 1].mean()))] = 0  # brows and shade above
    if not inside.any():
        return False
    through = np.median(patch.lab[inside > 0], 0)
    x, y = np.rint(cheek).astype(int)
    beside = patch.lab[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5].reshape(-1, 3)
    if not len(beside):
        return False
    bare = np.median(beside, 0)
    darker = through[0] < TINT_LIGHT * bare[0]
    return bool(darker or np.linalg.norm(through[1:] - bare[1:]) > TINT_COLOUR)
