"""Eyes: lids that slide over eyeballs, drawn onto a face that is already in place.

Everything happens in the photo's own pixels: the face's sheet says which of them an output
pixel shows, and from there on lids and iris move in flat curves that are cheap to follow.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.eyeball import (
    IRIS_DISTANCE,
    Eyeball,
    build_eyeball,
    draw_eyeball,
    lid_shadow,
)
from enliven.render.face import Face, smooth_step
from enliven.render.lids import (
    CREASE_EDGE,
    LID_CHANNELS,
    LidPose,
    Lids,
    cut_lids,
    lash_layer,
    pose_lids,
)
from enliven.render.light import Painted
from enliven.render.mesh import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS
from enliven.render.warp import Sheet
from enliven.types import EXPRESSION, INDEX

SETTLED_PX = 0.6  # lids and iris closer to their place in the photo than this count as at rest
SKIN_LAG = 0.15  # IOD over which the skin around gives way to the lids
LOWER_EDGE = 0.012  # IOD of eyeball above the lower rim that is the lid's wet edge
LASH_TURN = 1.5  # lashes shrink with the opening and point down when it is closed
LASH_SHUT = 0.75  # what is left of their darkness in a shut eye
SEAM, SEAM_DEPTH, SEAM_FROM = 0.008, 0.6, 0.5  # IOD; darkness; shut by this much
LASH_LEAST = 0.3  # and are never foreshortened to less than this
# Gaze at which an eyeLook channel is 1, rad, and how much of it lids do that are told only where
# the eye looks: about 0.8 of the travel of the iris.
FULL_LOOK = {"Down": 0.6, "Up": 0.5, "In": 0.7, "Out": 0.7}
LIDS_FOLLOW = 0.5


@dataclass(frozen=True)
class Eye:
    """One eye, ready to be drawn.  lashes: (h, w, 3) float32 factor over the window."""

    lids: Lids
    ball: Eyeball
    lashes: NDArray[np.float32]
    iod_px: float


def build_eyes(face: Face, skin: Sheet, gaze: NDArray) -> list[Eye]:
    """Both eyes of a face; skin: the sheet it is drawn with; gaze (2,): the photo's."""
    eyes = []
    for opening, iris in ((LEFT_EYE, LEFT_IRIS), (RIGHT_EYE, RIGHT_IRIS)):
        lids = cut_lids(face, skin, opening)
        ball = build_eyeball(face, lids, iris, gaze)
        eye = Eye(lids, ball, np.ones_like(lids.skin), face.iod_px)
        still = pose_lids(lids, np.zeros(len(EXPRESSION), np.float32))
        y, x = np.mgrid[0 : lids.photo.shape[0], 0 : lids.photo.shape[1]].astype(np.float32)
        bare = _layers(eye, np.dstack([x, y]), still, gaze)
        eyes.append(replace(eye, lashes=lash_layer(lids, bare, face.iod_px)))
    return eyes


def lid_weights(values: NDArray) -> NDArray[np.float64]:
    """Expression (52,) of motion values (C,) with lids that follow the gaze.

    Drivers that know the lids say so in the eyeLook channels; where gaze says more than they
    do, gaze holds.  A closed lid no longer follows.
    """
    expression = np.array(values[: len(EXPRESSION)], np.float64)
    yaw, pitch = values[INDEX["gazeYaw"]], values[INDEX["gazePitch"]]
    amounts = {"DownLeft": pitch, "DownRight": pitch, "UpLeft": -pitch, "UpRight": -pitch,
               "OutLeft": yaw, "InRight": yaw, "InLeft": -yaw, "OutRight": -yaw}  # fmt: skip
    for end, angle in amounts.items():
        side = "Left" if end.endswith("Left") else "Right"
        full = FULL_LOOK[end.removesuffix(side)]
        open_part = 1 - min(max(expression[INDEX["eyeBlink" + side]], 0.0), 1.0)
        follow = LIDS_FOLLOW * open_part * min(max(angle / full, 0.0), 1.0)
        at = INDEX["eyeLook" + end]
        expression[at] = max(expression[at], follow)
    return expression


def skin_weights(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Channel weights (52,) for the face's sheet: what lids do is left to them."""
    kept = weights.copy()
    kept[LID_CHANNELS] = 0
    return kept


def draw_eye(eye: Eye, output: NDArray[np.uint8], source: NDArray[np.float32],
             corner: tuple[int, int], part: tuple[int, int, int, int],
             weights: NDArray[np.float32], gaze: NDArray,
             painted: Painted | None = None) -> None:  # fmt: skip
    """Draw one eye onto the output.

    source: (h, w, 2) photo px shown by the output pixels from `corner` (x, y) on, counted from
    there.
    part: x0, y0, x1, y1 px of the output in which the eye lies.
    weights: (52,) changes from rest; gaze: (2,) rad, absolute.  painted: what the skin around
    is painted with.
    """
    lids = eye.lids
    pose = pose_lids(lids, weights)
    looked = np.abs(np.sin(gaze) - np.sin(eye.ball.gaze)).max() * IRIS_DISTANCE * eye.iod_px
    opacity = float(smooth_step(np.array((pose.moved_px + looked) / SETTLED_PX)))
    x0, y0 = max(part[0], corner[0]), max(part[1], corner[1])
    x1, y1 = (min(part[2], corner[0] + source.shape[1]), min(part[3], corner[1] + source.shape[0]))
    if not opacity or x1 - x0 < 2 or y1 - y0 < 2:
        return
    where = source[y0 - corner[1] : y1 - corner[1], x0 - corner[0] : x1 - corner[0]]
    where = where + np.array([corner[0] - lids.box[0], corner[1] - lids.box[1]], np.float32)
    window = cv2.remap(lids.window, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    drawn = _layers(eye, where, pose, gaze)
    if painted is not None:
        at = where + (np.array(lids.box[:2]) - painted.corner).astype(np.float32)
        drawn *= cv2.remap(painted.gain, at, None, cv2.INTER_LINEAR,
                           borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    patch = output[y0:y1, x0:x1]
    mixed = patch + (opacity * window)[..., None] * (drawn - patch)
    patch[:] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def _layers(eye: Eye, where: NDArray[np.float32], pose: LidPose,
            gaze: NDArray) -> NDArray[np.float32]:  # fmt: skip
    """Colours (h, w, 3) at window pixels (h, w, 2) of the photo, lids as posed."""
    lids, iod = eye.lids, eye.iod_px
    axes = lids.frame.axes.astype(np.float32)
    origin = (lids.frame.centre - np.array(lids.box[:2])).astype(np.float32)
    local = (where - origin) @ axes.T
    a, b = local[..., 0], local[..., 1]
    curves = np.dstack([lids.upper, pose.upper, pose.lower, pose.crease])
    bounds = np.dstack([lids.lower, lids.crease, lids.inner])
    at, zero = a - np.float32(lids.start), np.zeros_like(a)
    curves = cv2.remap(curves, at, zero, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    bounds = cv2.remap(bounds, at, zero, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    upper0, upper, lower, crease = (curves[..., i] for i in range(4))
    lower0, crease0 = bounds[..., 0], bounds[..., 1]
    down = axes[1]

    def shifted(across: NDArray[np.float32]) -> NDArray[np.float32]:
        return where + across[..., None] * down

    # skin beyond the crease and below the lower lid gives way near them
    above, below = crease - b, b - lower
    near = np.where(b < upper, above, below) * np.float32(1 / (SKIN_LAG * iod))
    near = np.clip(1 - near, 0, 1)
    give = near * near * np.where(b < upper, crease0 - crease, lower0 - lower)
    photo = cv2.remap(lids.photo, shifted(give), None, cv2.INTER_CUBIC,
                      borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    lid = cv2.remap(lids.skin, shifted(upper0 - upper), None, cv2.INTER_LINEAR,
                    borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    ball = draw_eyeball(eye.ball, where, gaze) * lid_shadow(b - upper, iod)[..., None]
    under = smooth_step(below / (LOWER_EDGE * iod) + 1.3)[..., None]
    result = ball + under * (photo - ball)
    cover = np.clip(upper - b + 0.5, 0, 1)
    folded = smooth_step((above / (CREASE_EDGE * iod) + 1) / 2)[..., None]
    lid = lid + folded * (photo - lid)
    result = result + cover[..., None] * (lid - result)
    # a shut eye's lashes end with it, and are seen against skin that shines through
    strength = 1 - pose.shut * (1 - LASH_SHUT * bounds[..., 2:])
    lashes = _lashes(eye, where, upper - b, upper0 - b, pose.shut, down)
    factor = 1 + (lashes - 1) * (1 - folded) * strength
    if pose.shut > SEAM_FROM:  # the shade between lids that meet
        away = (b - upper) * np.float32(1 / (SEAM * iod))
        depth = np.float32(SEAM_DEPTH * (pose.shut - SEAM_FROM) / (1 - SEAM_FROM))
        seam = 1 - depth * bounds[..., 2] * np.exp(-away * away)
        factor = np.minimum(factor, seam[..., None])
    return result * factor


def _lashes(eye: Eye, where: NDArray[np.float32], above: NDArray, above0: NDArray, shut: float,
            down: NDArray[np.float32]) -> NDArray[np.float32]:  # fmt: skip
    """Factor (h, w, 3) of the lashes: seen from ever lower as they turn with the lid."""
    stretch = 1 - LASH_TURN * shut
    up = float(smooth_step(np.array((stretch / LASH_LEAST + 1) / 2)))
    factor = np.float32(1)
    for sign, share in ((1.0, up), (-1.0, 1 - up)):
        if share:
            rate = sign * max(sign * stretch, LASH_LEAST)
            # the photo's point as far above its edge as this one is above the edge now
            across = above0 - above * np.float32(1 / rate)
            drawn = cv2.remap(eye.lashes, where + across[..., None] * down, None, cv2.INTER_LINEAR,
                              borderMode=cv2.BORDER_CONSTANT, borderValue=(1, 1, 1))  # fmt: skip
            factor = factor + np.float32(share) * (drawn - 1)
    # glints between lashes are not turned
    factor = np.minimum(factor, 1 + np.float32(max(0.0, 0.25 - shut)))
    grey = factor.mean(-1, keepdims=True)
    factor = factor + np.float32(min(1.0, 3 * shut)) * (grey - factor)
    return factor
