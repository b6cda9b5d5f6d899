"""What a second of video looks like beside its reference: one row of numbers a second.

All comparisons are at one eye distance: the larger of photo and video is scaled down, neither
ever up.  NaN is what cannot be told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.face.head import load_head
from enliven.geometry import OUTER_EYE_CORNERS, RIGID, similarity
from enliven.metrics.image import warped_error
from enliven.metrics.texture import colours, grid_energy, high_frequency_ratio, laplacian_variance
from enliven.metrics.watch import Stretch
from enliven.reward.reference import (
    Reference,
    eye_distance,
    in_crop,
    looks,
    neutral_shape,
    skin_mask,
)
from enliven.types import EXPRESSION, group_slice

Array = NDArray[np.floating]
Frame = NDArray[np.uint8]
Row = Mapping[str, float]

SHOTS = (0.17, 0.5, 0.83)  # of a second, at which pictures are looked at
BOIL_FRAMES = 6  # in a row, whose skin is laid over each other
NOSE_BASE = 2  # landmark
FINEST_PX = 0.7
DETAIL_PX = 2.0  # finer than this Gaussian is detail
GRIDS_PX = (8, 16)
GRID_BY_CHANCE = 0.1
GRID_LINES = 6  # of skin, at least, for a grid to be told from chance
BLOCK_PX = 16  # of the scene at 256 px
CHANGED = 14.0  # grey levels by which a block of the background may differ at most
LEAST_APART = 0.02  # IOD from the average face; people are 0.03 to 0.11 apart from it
FACE_POINTS = 468  # the others are irises
HELD_LITTLE = 0.1  # IOD^2; how hard it is for a mouth to be held otherwise
MIDDLE_GREY = 120  # light to which a skin is brought before its colours are counted
STRANGE = 35.0  # grey levels by which a pixel of it may
SHADE = 12.0  # grey levels
ASPECT = 1.02  # pictures whose proportions differ by more are cropped differently


@dataclass(frozen=True)
class Skin:
    """Numbers of one picture of skin.  Units as in `enliven.metrics.texture`.

    pores, weave: median magnitude of detail, grey levels, finer than a Gaussian of FINEST_PX and
        between that and one of twice that; edges do not hide what became of it.
    """

    sharpness: float
    pores: float
    weave: float
    fine: float
    grid: float
    entropy: float
    light: float
    contrast: float
    saturation: float
    red: float
    blue: float
    blown: float


def skin(face: Frame, landmarks: Array) -> Skin:
    """Numbers of the skin of a face.  landmarks: (478, 2+) px of it."""
    mask = skin_mask(face.shape[:2], landmarks)
    if not mask.any():
        return Skin(*[float("nan")] * 12)
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    part = np.ascontiguousarray(face[y : y + height, x : x + width])
    mask = np.ascontiguousarray(mask[y : y + height, x : x + width])
    paint = colours(part, mask)
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).astype(np.float32)
    luma = grey[mask].astype(np.float64)
    soft, softer = (cv2.GaussianBlur(grey, (0, 0), px) for px in (FINEST_PX, 2 * FINEST_PX))
    red, green, blue = paint.mean
    lit = cv2.convertScaleAbs(part, alpha=MIDDLE_GREY / max(float(luma.mean()), 1.0))
    return Skin(
        sharpness=laplacian_variance(part, mask),
        pores=float(np.median(np.abs(grey - soft)[mask])),
        weave=float(np.median(np.abs(soft - softer)[mask])),
        fine=high_frequency_ratio(part, mask),
        grid=_grid(part, mask),
        entropy=colours(lit, mask).entropy,
        light=float(luma.mean()),
        contrast=float(luma.std()),
        saturation=paint.saturation,
        red=float(red - green),
        blue=float(blue - green),
        blown=paint.blown,
    )


def _grid(part: Frame, mask: NDArray[np.bool_]) -> float:
    """How much a grid stands out, of those that have enough lines on the skin; 0 without any."""
    told = [grid_energy(part, period, mask) for period in GRIDS_PX
            if min(part.shape[:2]) >= GRID_LINES * period]  # fmt: skip
    return float(np.nanmax([0.0, *told]))


def at_eye_distance(reference: Reference, eyes_px: float) -> Reference:
    """The reference with its faces scaled down so that the eyes are so far apart, never up."""
    faces, places = [], []
    for face, landmarks in zip(reference.faces, reference.landmarks, strict=True):
        share = min(1.0, eyes_px / float(eye_distance(landmarks)))
        faces.append(scaled(face, share))
        places.append(landmarks * np.float32(share))
    return replace(reference, faces=tuple(faces), landmarks=np.stack(places))


def scaled(face: Frame, share: float) -> Frame:
    """A picture made smaller."""
    if share >= 0.99:
        return face
    size = max(1, round(face.shape[1] * share)), max(1, round(face.shape[0] * share))
    return np.asarray(cv2.resize(face, size, interpolation=cv2.INTER_AREA), np.uint8)


@dataclass(frozen=True)
class Beside:
    """A reference measured at the eye distance of a stretch.

    share: factor on the pictures of the stretch, at most 1.
    """

    reference: Reference
    share: float
    skin: Skin
    looks: NDArray[np.float64]


def beside(stretch: Stretch, reference: Reference) -> Beside:
    """The reference as it compares with a stretch."""
    known = stretch.valid
    eyes = float(np.median(eye_distance(stretch.landmarks[known]) * stretch.box[known, 2]))
    ours = float(np.median(eye_distance(reference.landmarks)))
    small = at_eye_distance(reference, eyes)
    pairs = list(zip(small.faces, small.landmarks, strict=True))
    many = [list(vars(skin(face, points)).values()) for face, points in pairs]
    return Beside(small, min(1.0, ours / eyes), Skin(*np.mean(many, axis=0)),
                  np.mean([looks(face, points) for face, points in pairs], axis=0))  # fmt: skip


def look(stretch: Stretch, rows: slice, held: Beside) -> Row:
    """Numbers of one second: frames `rows` of a stretch.  Ratios are natural logarithms."""
    count = rows.stop - rows.start
    shots = [rows.start + int(part * count) for part in SHOTS]
    seen = [i for i in shots if stretch.valid[i]]
    if not seen:
        return {}
    pictures = [(scaled(stretch.faces[i], held.share), in_crop(stretch, i) * held.share)
                for i in seen]  # fmt: skip
    many = Skin(*np.mean([list(vars(skin(*picture)).values()) for picture in pictures], axis=0))
    ours = held.skin
    form = shape(stretch, rows, held.reference.neutral)
    contrast = _log_ratio(many.contrast, ours.contrast)
    found = np.mean([looks(*picture) for picture in pictures], axis=0)
    return {
        # less what mere contrast does
        "sharpness": _log_ratio(many.sharpness, ours.sharpness) - 2 * contrast,
        "pores": _log_ratio(many.pores, ours.pores) - contrast,
        "weave": _log_ratio(many.weave, ours.weave) - contrast,
        "fine": _log_ratio(many.fine, ours.fine),
        # what one photo shows of a grid by chance must not excuse a video's
        "grid": many.grid - min(ours.grid, GRID_BY_CHANCE),
        "entropy": many.entropy - ours.entropy,
        "light": _log_ratio(many.light, ours.light),
        "contrast": contrast,
        "saturation": _log_ratio(many.saturation, ours.saturation),
        "tint": float(np.hypot(many.red - ours.red, many.blue - ours.blue)),
        "blown": many.blown - ours.blown,
        "likeness": likeness(found, held.looks),
        "boil": boil(stretch, rows),
        "warped": warped(stretch, seen),
        "distance": form.distance,
        "own": form.own,
        **_scene(stretch, rows, held.reference),
    }


def _log_ratio(value: float, reference: float) -> float:
    return float(np.log(max(value, 1e-6) / max(reference, 1e-6)))


def likeness(one: Array, other: Array) -> float:
    """Correlation of two sets of looks (n, 3), each colour without its mean; -1 to 1."""
    a, b = (np.asarray(v - v.mean(0), np.float64).ravel() for v in (one, other))
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 1e-9 else float("nan")


def boil(stretch: Stretch, rows: slice) -> float:
    """How much the detail of skin swims from frame to frame; 0 for detail that sticks.

    Some frames in a row are laid over each other by the rigid points of the face: deviation of
    detail over time against that over the skin.
    """
    start = (rows.start + rows.stop - BOIL_FRAMES) // 2
    frames = range(max(rows.start, start), min(rows.stop, start + BOIL_FRAMES))
    if len(frames) < 3 or not stretch.valid[frames.start : frames.stop].all():
        return float("nan")
    first = in_crop(stretch, frames[0])
    size = stretch.faces.shape[1:3]
    mask = skin_mask((size[0], size[1]), first)
    mask[max(0, int(first[NOSE_BASE, 1])) :] = False  # below, the mouth moves
    if not mask.any():
        return float("nan")
    layers = []
    for i in frames:
        scale, turn, shift = similarity(
            in_crop(stretch, i)[list(RIGID), :2], first[list(RIGID), :2]
        )
        grey = cv2.cvtColor(stretch.faces[i], cv2.COLOR_RGB2GRAY).astype(np.float32)
        laid = cv2.warpAffine(grey, np.column_stack([scale * turn, shift]), size[::-1],
                              flags=cv2.INTER_CUBIC)  # fmt: skip
        layers.append((laid - cv2.GaussianBlur(laid, (0, 0), DETAIL_PX))[mask])
    stack = np.asarray(layers, np.float64)
    still = float(np.sqrt(np.square(stack.mean(0)).mean()))
    moved = float(np.sqrt(stack.var(0, ddof=1).mean()))
    return moved / max(still, 0.5)


def warped(stretch: Stretch, seen: list[int]) -> float:
    """What movement leaves unexplained in the head, grey levels; see `warped_error`."""
    found = []
    for i in seen[::2]:
        if i + 1 < len(stretch.valid) and (stretch.box[i] == stretch.box[i + 1]).all():
            found.append(warped_error(stretch.faces[i], stretch.faces[i + 1]).error)
    return float(np.nanmean(found)) if found and not np.isnan(found).all() else float("nan")


def _scene(stretch: Stretch, rows: slice, reference: Reference) -> Row:
    """Background and place of the face."""
    proportion = stretch.size[0] / stretch.size[1] / (reference.size[0] / reference.size[1])
    if not 1 / ASPECT < proportion < ASPECT:
        return {}
    ratio = stretch.size[0] / reference.size[0]
    known = stretch.landmarks[rows][stretch.valid[rows]].astype(np.float64)
    place = np.median(known, axis=0)
    iod = float(eye_distance(reference.place)) * ratio
    gap = (place[list(RIGID), :2].mean(0) - reference.place[list(RIGID), :2].mean(0) * ratio) / iod
    size = float(np.median(eye_distance(known))) / iod
    middle = (rows.start + rows.stop) // 2
    return {"aside": float(np.hypot(*gap)), "size": float(np.log(size)),
            **vars(background(stretch.scenes[middle], reference))}  # fmt: skip


@dataclass(frozen=True)
class Behind:
    """changed: share of the blocks behind the person that differ from the reference.  strange:
    share of the pixels there that have nothing to do with it, such as letters; NaN where hardly
    anything is to be seen behind."""

    changed: float
    strange: float


def background(scene: Frame, reference: Reference) -> Behind:
    """What is behind the person in a scene beside the reference."""
    height, width = scene.shape[:2]
    behind = reference.behind
    theirs = reference.scene
    if behind.shape != (height, width):
        behind = cv2.resize(behind.astype(np.uint8), (width, height)) > 0
        theirs = np.asarray(cv2.resize(theirs, (width, height), interpolation=cv2.INTER_AREA),
                            np.uint8)  # fmt: skip
    gap = scene.astype(np.float32) - theirs
    # a shade that all of it shares is a matter of exposure
    gap -= np.clip(np.median(gap[behind], axis=0), -SHADE, SHADE) if behind.any() else 0
    gap = cv2.GaussianBlur(np.abs(gap).max(2), (0, 0), 1.0)
    share = behind.astype(np.float32)
    blocks = (max(1, width // BLOCK_PX), max(1, height // BLOCK_PX))
    filled = cv2.resize(share, blocks, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(gap * share, blocks, interpolation=cv2.INTER_AREA) / np.maximum(filled, 0.5)
    counted = filled > 0.5
    if counted.sum() < 6:
        return Behind(float("nan"), float("nan"))
    return Behind(float((mean[counted] > CHANGED).mean()), float((gap[behind] > STRANGE).mean()))


@dataclass(frozen=True)
class Shape:
    """distance: root mean square over the face, IOD.  own: what is left of all that sets the
    reference apart from the average face, 1 for all, 0 for the average; NaN for an average face."""

    distance: float
    own: float


def shape(stretch: Stretch, rows: slice, neutral: Array) -> Shape:
    """The resting face of a second beside that of the reference, (478, 3) IOD, seen from the
    front: a tracker's depth says little.

    What a mouth at rest that is held otherwise could explain is left out: a photo smiles, and
    whoever speaks in the video does not.
    """
    assert stretch.motion is not None
    expression = np.where(
        stretch.valid[rows, None], stretch.motion.values[rows, group_slice("expression")], np.nan
    )
    seen = neutral_shape(stretch.shapes[rows], expression)[:FACE_POINTS, :2]
    left, right = OUTER_EYE_CORNERS
    mean = load_head().mean
    mean = (mean / np.linalg.norm(mean[right] - mean[left]))[:FACE_POINTS, :2]
    theirs = neutral[:FACE_POINTS, :2]
    held, solve = _held_mouths()
    gap = (seen - theirs).ravel()
    gap = gap - held @ (solve @ gap)
    special = (theirs - mean).ravel()
    apart = float(np.sqrt(np.square(theirs - mean).sum(1).mean()))
    own = 1 + float(gap @ special / (special @ special)) if apart else np.nan
    return Shape(
        distance=float(np.sqrt(np.square(gap.reshape(-1, 2)).sum(1).mean())),
        own=own if apart > LEAST_APART else float("nan"),
    )


@cache
def _held_mouths() -> tuple[Array, Array]:
    """How channels of the mouth move the face, (2 FACE_POINTS, k), and what finds how much of
    each is in a difference of faces, (k, 2 FACE_POINTS)."""
    chosen = [i for i, name in enumerate(EXPRESSION) if name.startswith(("jaw", "mouth", "cheek"))]
    held = load_head().basis[chosen][:, :FACE_POINTS, :2].reshape(len(chosen), -1).T
    return held, np.linalg.solve(held.T @ held + HELD_LITTLE * np.eye(len(chosen)), held.T)
