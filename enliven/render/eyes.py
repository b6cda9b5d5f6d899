"""Eyes: lids that slide over eyeballs, drawn onto a face that is already in place.

Everything happens in the photo's own pixels: the face's sheet says which of them an output
pixel shows, and from there on lids and iris move in flat curves that are cheap to follow.
"""

from collections.abc import Callable
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
from enliven.render.glasses import Glasses
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
from enliven.types import EXPRESSION, FULL_LOOK, INDEX

SETTLED_PX = 0.6  # lids and iris closer to their place in the photo than this count as at rest
SKIN_LAG = 0.15  # IOD over which the skin around gives way to the lids
LOWER_EDGE = 0.012  # IOD of eyeball above the lower rim that is the lid's wet edge
LASH_TURN = 1.5  # lashes shrink with the opening and point down when it is closed
COARSE = 4  # px between the places that are asked whether an eye reaches them
LASH_SHUT = 0.75  # what is left of their darkness in a shut eye
SEAM, SEAM_DEPTH, SEAM_FROM = 0.01, 0.5, 0.5  # IOD; darkness; shut by this much
LASH_LEAST = 0.3  # and are never foreshortened to less than this
# How much of an eyeLook channel lids do that are told only where the eye looks: about 0.8 of the
# travel of the iris.
LIDS_FOLLOW = 0.5

# (picture, shift across the eye, interpolation) -> colours
LookUp = Callable[[NDArray, NDArray, int], NDArray]


@dataclass(frozen=True)
class Eye:
    """One eye, ready to be drawn.  lashes: (h, w, 3) float32 share of light they add."""

    lids: Lids
    ball: Eyeball
    lashes: NDArray[np.float32]
    iod_px: float


def build_eyes(face: Face, skin: Sheet, gaze: NDArray, glasses: Glasses | None) -> list[Eye]:
    """Both eyes of a face; skin: the sheet it is drawn with; gaze (2,): the photo's.

    None behind dark glasses: nobody sees whether they move.
    """
    eyes: list[Eye] = []
    if glasses is not None and glasses.dark:
        return eyes
    for opening, iris in ((LEFT_EYE, LEFT_IRIS), (RIGHT_EYE, RIGHT_IRIS)):
        lids = cut_lids(face, skin, opening, glasses)
        ball = build_eyeball(face, lids, iris, gaze)
        eye = Eye(lids, ball, np.zeros_like(lids.skin), face.iod_px)
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
    rows, columns = _affected(eye, where, pose)
    where = np.ascontiguousarray(where[rows, columns])
    if not where.size:
        return
    window = cv2.remap(lids.window, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    drawn = _layers(eye, where, pose, gaze)
    if painted is not None:
        painted.on(drawn, where + np.array(lids.box[:2], np.float32))
    patch = output[y0:y1, x0:x1][rows, columns]
    change = cv2.subtract(drawn, patch, dtype=cv2.CV_32F)
    change = cv2.multiply(change, _thrice(opacity * window))
    cv2.add(patch, change, dst=patch, dtype=cv2.CV_8U)


def _thrice(share: NDArray[np.float32]) -> NDArray[np.float32]:
    """A share (h, w) for each colour (h, w, 3)."""
    return cv2.merge([share, share, share])


def _rows(share: NDArray[np.float32]) -> slice:
    """The rows in which a share (h, w) is not 0; at least one."""
    index = np.flatnonzero(share.max(1) > 0)
    return slice(index[0], index[-1] + 1) if len(index) else slice(0, 1)


def _affected(eye: Eye, where: NDArray[np.float32], pose: LidPose) -> tuple[slice, slice]:
    """Rows and columns of the pixels `where` that eye and lids can change."""
    lids, iod = eye.lids, eye.iod_px
    high = float(min(pose.crease.min(), lids.crease.min())) - CREASE_EDGE * iod
    if pose.crease_px > 0.2:
        high -= SKIN_LAG * iod
    low = float(max(pose.lower.max(), lids.lower.max())) + 0.04 * iod
    if pose.lower_px > 0.2:
        low += SKIN_LAG * iod
    a, b = _along_across(lids, where[::COARSE, ::COARSE])
    reached = (b > high) & (b < low) & (np.abs(a) < lids.reach)
    found = []
    for axis in (1, 0):
        index = np.flatnonzero(reached.any(axis))
        # what lies between the coarse ones is reached too
        found.append(slice(max(0, COARSE * (index[0] - 1)), COARSE * (index[-1] + 2))
                     if len(index) else slice(0, 0))  # fmt: skip
    return found[0], found[1]


def _along_across(lids: Lids, where: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
    """Places along and across the eye, px, of window pixels (h, w, 2)."""
    axes, centre = lids.frame.axes, lids.frame.centre - np.array(lids.box[:2])
    origin = axes @ centre
    x, y = where[..., 0], where[..., 1]
    a, b = (x * np.float32(u) + y * np.float32(v) - np.float32(o)
            for (u, v), o in zip(axes, origin, strict=True))  # fmt: skip
    return a, b


def _layers(eye: Eye, where: NDArray[np.float32], pose: LidPose,
            gaze: NDArray) -> NDArray[np.float32]:  # fmt: skip
    """Colours (h, w, 3) at window pixels (h, w, 2) of the photo, lids as posed."""
    lids, iod = eye.lids, eye.iod_px
    a, b = _along_across(lids, where)
    at, zero = a - np.float32(lids.start), np.zeros_like(a)
    tables = (cv2.merge([lids.upper[None], pose.upper[None], pose.lower[None], pose.crease[None]]),
              cv2.merge([lids.lower[None], lids.crease[None], lids.inner[None]]))  # fmt: skip
    upper0, upper, lower, crease, lower0, crease0, inner = (
        curve for table in tables for curve in cv2.split(
            cv2.remap(table, at, zero, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    )  # fmt: skip
    x, y = cv2.split(where)
    right, down = (np.float32(v) for v in lids.frame.axes[1])

    def looked_up(picture: NDArray, across: NDArray[np.float32], flags: int,
                  rows: slice = slice(None)) -> NDArray:  # fmt: skip
        shift = across[rows]
        return cv2.remap(picture, x[rows] + right * shift, y[rows] + down * shift, flags,
                         borderMode=cv2.BORDER_REPLICATE)  # fmt: skip

    # skin beyond the crease and below the lower lid gives way near them
    above, below, over = crease - b, b - lower, upper - b
    near = np.clip(1 - np.where(over > 0, above, below) * np.float32(1 / (SKIN_LAG * iod)), 0, 1)
    give = near * near * np.where(over > 0, crease0 - crease, lower0 - lower)
    # the upper lid over the lower over the eyeball, and the skin at the crease over the lid
    cover = np.clip(over + 0.5, 0, 1)
    folded = smooth_step(above * np.float32(0.5 / (CREASE_EDGE * iod)) + 0.5)
    open_part = 1 - cover
    under = smooth_step(below * np.float32(1 / (LOWER_EDGE * iod)) + np.float32(1.3))
    photo = looked_up(lids.photo, give, cv2.INTER_CUBIC)
    result = cv2.multiply(photo, _thrice(cover * folded + open_part * under), dtype=cv2.CV_32F)
    unrolled = cover * (1 - folded)
    rows = _rows(unrolled)
    lid = looked_up(lids.skin, upper0 - upper, cv2.INTER_LINEAR, rows)
    result[rows] = cv2.add(result[rows], cv2.multiply(lid, _thrice(unrolled[rows])))
    seen = open_part * (1 - under)
    rows = _rows(seen)
    ball = draw_eyeball(eye.ball, where[rows], gaze)
    shade = _thrice(seen[rows] * lid_shadow(-over[rows], iod))
    result[rows] = cv2.add(result[rows], cv2.multiply(ball, shade))
    # a shut eye's lashes end with it, and are seen against skin that shines through
    strength = (1 - folded) * (1 - np.float32(pose.shut) * (1 - np.float32(LASH_SHUT) * inner))
    dark = np.zeros_like(strength)
    if pose.shut > SEAM_FROM:  # the shade between lids that meet
        depth = np.float32(SEAM_DEPTH * (pose.shut - SEAM_FROM) / (1 - SEAM_FROM))
        away = over * np.float32(1 / (SEAM * iod))
        dark = depth * inner * np.exp(-away * away)
    lashes = _lashes(eye, looked_up, over, upper0 - b, pose.shut)
    factor = cv2.min(cv2.multiply(lashes, _thrice(strength)), _thrice(-dark))
    return cv2.add(result, cv2.multiply(result, factor))


def _lashes(eye: Eye, looked_up: LookUp, above: NDArray, above0: NDArray,
            shut: float) -> NDArray[np.float32]:  # fmt: skip
    """Light (h, w, 3) that the lashes add, as a share: seen from ever lower as the lid turns."""
    stretch = 1 - LASH_TURN * shut
    up = float(smooth_step(np.array((stretch / LASH_LEAST + 1) / 2)))
    total: NDArray[np.float32] | None = None
    for sign, share in ((1.0, up), (-1.0, 1 - up)):
        if share:
            rate = sign * max(sign * stretch, LASH_LEAST)
            # the photo's point as far above its edge as this one is above the edge now
            drawn = looked_up(eye.lashes, above0 - above * np.float32(1 / rate), cv2.INTER_LINEAR)
            drawn = drawn if share == 1 else drawn * np.float32(share)
            total = drawn if total is None else cv2.add(total, drawn)
    assert total is not None
    if not shut:
        return total
    # glints between lashes are not turned, nor is their colour
    mix = min(1.0, 3 * shut)
    total = cv2.transform(total, np.eye(3) * (1 - mix) + mix / 3)
    return np.minimum(total, np.float32(max(0.0, 0.25 - shut)))
