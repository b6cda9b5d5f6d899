"""Lips: where they meet, and what of them comes into view as they part.

In a photo of a closed mouth the rims of both lips lie in one dark line.  Once the lips part
that line is gone: each rim rolls round into its own wet side, and the fold that runs on from
the corners is drawn out.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.geometry import head_points
from enliven.render.face import Face, smooth_step
from enliven.render.mesh import (
    CHIN,
    LOWER_LIP_INNER,
    LOWER_LIP_OUTER,
    MOUTH,
    UPPER_LIP_INNER,
    UPPER_LIP_OUTER,
    SlitFrame,
)
from enliven.render.opening import Slit
from enliven.types import EXPRESSION, Portrait, group_slice

OPEN_GAP = 0.032  # IOD; lips further apart than this in the photo count as open
PARTED = 0.035  # IOD between the rims at which the seam has gone from them
RIM, RIM_FADE = 0.006, 0.012  # IOD of each lip that the dark seam covers, and that it fades over
SAMPLES = (0.022, 0.032, 0.042)  # IOD from the rim; where a lip has its own colour
LIP_SHARE = 0.6  # of a lip's thickness that the last of them stays within
ROLL, ROLLED = 0.032, 0.55  # IOD over which a rim turns away from the light, and what is left of it
# Share of the width, from each corner, over which the paint of the rims sets in: where the lips
# are apart in the photo their edges hold what lies between them, up to the corners.
INSET, OPEN_INSET = 0.08, 0.03
SMILE = ("mouthSmileLeft", "mouthSmileRight", "mouthUpperUpLeft", "mouthUpperUpRight")
LEAST_SMILE = 0.3  # of these channels together
# A lip that a smile has raised comes down all of the first MOST_LONGER IOD; of what is more, the
# share MUCH_LONGER is kept off.
MOST_LONGER, MUCH_LONGER = 0.065, 0.9
SMILE_REACH = 2.0  # sideways, half widths of the mouth
NOSE_BASE = 2
FOLD_LENGTH, FOLD_HALF = 0.17, 0.05  # IOD; the dark fold beyond a corner
FOLD_INSIDE = 0.06  # IOD inside of a corner where it starts
FOLD_SHARE = 0.65  # more is too smooth, less leaves a fold on either side of a wide corner


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


def lip_colour(face: Face) -> NDArray[np.float64]:
    """Median colour (3,) of the lower lip."""
    ring = (face.landmarks[list(LOWER_LIP_INNER[2:-2])] * 0.6
            + face.landmarks[list(LOWER_LIP_OUTER[2:-2])] * 0.4)  # fmt: skip
    x, y = np.rint(ring).astype(int).T
    height, width = face.image.shape[:2]
    colours = face.image[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    return np.median(colours.astype(np.float64), axis=0)


@dataclass(frozen=True)
class LipPaint:
    """What parting lips look like in place of the photo's seam.

    corner: x, y px within the slit's side_box.  upper, lower: (h, w, 4) from there on, colour
    times share and share, for the sheet of each lip.
    """

    corner: tuple[int, int]
    upper: NDArray[np.float32]
    lower: NDArray[np.float32]

    def on(self, above: bool, colours: NDArray[np.float32], at: NDArray[np.float32],
           parted: float) -> None:  # fmt: skip
        """Paint on colours (h, w, 3), in place, that show `at` (h, w, 2) px of side_box.

        above: the upper lip; parted: how far the lips are from touching, 0..1.
        """
        layer = self.upper if above else self.lower
        drawn = cv2.remap(layer, cv2.subtract(at, (*self.corner, 0, 0)), None, cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_CONSTANT)  # fmt: skip
        cv2.multiply(drawn, (parted,) * 4, dst=drawn)
        clear = 1 - cv2.extractChannel(drawn, 3)
        cv2.multiply(colours, cv2.merge([clear, clear, clear]), dst=colours)
        cv2.add(colours, cv2.cvtColor(drawn, cv2.COLOR_RGBA2RGB), dst=colours)


def paint_lips(face: Face, slit: Slit) -> LipPaint:
    """Paint the rims and corners of parting lips after the colours of the lips in the photo."""
    frame, iod = slit.frame, face.iod_px
    reach = np.array([FOLD_LENGTH + 0.03, 0.08]) * iod
    ends = np.concatenate([frame.upper, frame.lower])
    low, high = ends.min(0) - reach, ends.max(0) + reach
    corners = frame.to_image(np.array([low, [high[0], low[1]], high, [low[0], high[1]]]))
    origin = np.array(slit.side_box[:2])
    first = np.maximum(np.floor(corners.min(0)).astype(int) - origin, 0)
    last = np.minimum(np.ceil(corners.max(0)).astype(int) - origin, slit.side_upper.shape[::-1])
    box = (int(first[0]), int(first[1]), int(last[0]), int(last[1]))
    x, y = np.meshgrid(np.arange(box[0], box[2]), np.arange(box[1], box[3]))
    local = frame.to_local(np.stack([x, y], -1) + origin.astype(np.float64))
    fold, fold_share = _fold(face, frame, local)
    layers = []
    for above in (True, False):
        colour, share = _rim(face, frame, local, above)
        both = share + (1 - share) * fold_share
        mixed = colour * share + fold * (1 - share) * fold_share
        layers.append(np.dstack([mixed, both]).astype(np.float32))
    return LipPaint(box[:2], layers[0], layers[1])


def _sampled(face: Face, frame: SlitFrame, local: NDArray) -> NDArray[np.float32]:
    places = frame.to_image(local).astype(np.float32)
    return cv2.remap(face.image, places, None, cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REPLICATE).astype(np.float32)  # fmt: skip


def _rim(face: Face, frame: SlitFrame, local: NDArray, above: bool) -> tuple[NDArray, NDArray]:
    """Colour (h, w, 3) of one lip's rim rolling inwards, and its share (h, w, 1)."""
    iod = face.iod_px
    left, right = frame.upper[0, 0], frame.upper[-1, 0]
    a = np.linspace(left, right, 65)
    upper, lower = frame.rims(a)
    rim, outwards = (upper, -1) if above else (lower, 1)
    border = frame.to_local(face.landmarks[list(UPPER_LIP_OUTER if above else LOWER_LIP_OUTER)])
    thick = np.interp(a, *border[np.argsort(border[:, 0])].T) - rim
    near = np.clip(LIP_SHARE * np.abs(thick) / (SAMPLES[-1] * iod), 0.3, 1)
    lines = np.stack([np.stack([a, rim + outwards * near * e * iod], -1) for e in SAMPLES])
    colour = _sampled(face, frame, lines).mean(0)
    colour = cv2.GaussianBlur(colour[None], (0, 0), 2.5, borderType=cv2.BORDER_REPLICATE)[0]
    past = (local[..., 1] - np.interp(local[..., 0], a, rim)) * -outwards / iod
    own = np.stack([np.interp(local[..., 0], a, c) for c in colour.T], -1)
    rolled = smooth_step(past / ROLL + 0.5)[..., None]
    own *= 1 - (1 - ROLLED) * rolled * np.array([0.85, 1.0, 1.0])
    apart = float((lower - upper).max()) > OPEN_GAP * iod
    inset = (OPEN_INSET if apart else INSET) * (right - left)
    along = smooth_step((local[..., 0] - left) / inset) * smooth_step(
        (right - local[..., 0]) / inset
    )
    share = smooth_step((past + RIM + RIM_FADE) / RIM_FADE) * along
    return own, share[..., None]


def _fold(face: Face, frame: SlitFrame, local: NDArray) -> tuple[NDArray, NDArray]:
    """Skin (h, w, 3) in place of the fold beyond the corners, and its share (h, w, 1)."""
    a = local[..., 0]
    middle = np.mean(frame.rims(a), axis=0)
    b = local[..., 1] - middle
    beyond = np.maximum(frame.upper[0, 0] - a, a - frame.upper[-1, 0]) / face.iod_px
    taper = smooth_step((beyond + FOLD_INSIDE) / FOLD_INSIDE) * smooth_step(
        (FOLD_LENGTH - beyond) / 0.08
    )
    half = FOLD_HALF * face.iod_px
    sides = [_sampled(face, frame, np.stack([a, middle + s * half], -1)) for s in (-1, 1)]
    across = np.clip((b / half + 1) / 2, 0, 1)[..., None]
    skin = sides[0] + across * (sides[1] - sides[0])
    skin = cv2.GaussianBlur(skin, (0, 0), max(0.6, 0.008 * face.iod_px))
    share = FOLD_SHARE * taper * (1 - smooth_step((np.abs(b) / half - 0.35) / 0.65))
    darker = 1 - _sampled(face, frame, local).mean(-1) / np.maximum(skin.mean(-1), 1)
    darker = smooth_step((darker - 0.05) / 0.12).astype(np.float32)
    share = share * cv2.GaussianBlur(darker, (0, 0), max(0.6, 0.012 * face.iod_px))
    return skin, share[..., None]


def eased_smile(portrait: Portrait) -> NDArray[np.float64]:
    """The portrait's basis (52, 478, 3) with a smile that does not lengthen a lip on leaving.

    What a lip gains as a wide smile goes is less than the smile's own fields, drawn for faces at
    rest, take back: teeth that the photo shows would end up above the lip.
    """
    basis = np.array(portrait.basis, np.float64)
    smile = [EXPRESSION.index(name) for name in SMILE]
    rest = portrait.rest[group_slice("expression")].astype(np.float64)
    smiles = rest[smile].sum()
    if smiles < LEAST_SMILE:
        return basis
    head = head_points(np.asarray(portrait.landmarks, np.float64), portrait.rotation,
                       portrait.translation, portrait.focal_px, portrait.centre_px)  # fmt: skip
    nose, upper, lower, chin = NOSE_BASE, UPPER_LIP_INNER[5], LOWER_LIP_INNER[5], CHIN
    raised = np.tensordot(rest, basis[..., 1], 1)
    excess = MUCH_LONGER * max(0.0, float(raised[nose] - raised[upper]) - MOST_LONGER)
    half = float(np.linalg.norm(head[MOUTH.upper[0]] - head[MOUTH.upper[-1]])) / 2
    share = np.exp(-(((head[:, 0] - head[upper, 0]) / (SMILE_REACH * half)) ** 2))
    y = head[:, 1]
    share *= smooth_step((y - y[nose]) / (y[upper] - y[nose]))
    share *= smooth_step((y[chin] - y) / (y[chin] - y[lower]))
    basis[smile, :, 1] += excess / smiles * share
    return basis
