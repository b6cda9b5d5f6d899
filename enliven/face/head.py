"""The head model: an average face mesh, 52 named ways in which it moves, and fits of it.

    points = neutral + expression @ basis          in head axes, IOD

Axes and units are those of `enliven.geometry`; the rows of the basis are `types.EXPRESSION`.
`personal_basis` adapts the travel of lips, jaw and lids to one face, `fit_motion` explains a
tracked clip by a neutral face of its own and bounded coefficients, and `fit_rest` tells what
little of a single photo is safely expression rather than identity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from enliven.errors import NoFaceFound
from enliven.face.solve import bounded_least_squares
from enliven.geometry import (
    CAMERA_DISTANCE,
    EYE_CENTRE,
    RIGID,
    head_points,
    vector_from_rotation,
)
from enliven.types import CHANNELS, EXPRESSION, Motion, group_slice

Array = NDArray[np.floating]

# Lip contours from the image-left to the image-right corner, outermost ring first.
LIP_RINGS_UPPER = (
    (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291),
    (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306),
    (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292),
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
)
LIP_RINGS_LOWER = (
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
    (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306),
    (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292),
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
)
INNER_LIPS = (LIP_RINGS_UPPER[-1][1:-1], LIP_RINGS_LOWER[-1][1:-1])
LIP_CORNERS = (61, 291)

# Facing points (upper, lower) of the lid edges; the image-left eye is the person's right one.
LID_PAIRS = {
    "eyeBlinkLeft": ((466, 249), (388, 390), (387, 373), (386, 374), (385, 380), (384, 381),
                     (398, 382)),
    "eyeBlinkRight": ((246, 7), (161, 163), (160, 144), (159, 145), (158, 153), (157, 154),
                      (173, 155)),
}  # fmt: skip
FACE_OVAL = (
    10,
    338,
    297,
    332,
    284,
    251,
    389,
    356,
    454,
    323,
    361,
    288,
    397,
    365,
    379,
    378,
    400,
    377,
    152,
    148,
    176,
    149,
    150,
    136,
    172,
    58,
    132,
    93,
    234,
    127,
    162,
    21,
    54,
    103,
    67,
    109,
)
BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
IRISES = (473, 468)  # centres; left, right
EYE_CORNERS = ((263, 362), (33, 133))  # outer, inner
IRIS_POINTS = slice(468, 478)

EYE_RADIUS = 0.12  # centre of the eyeball to the iris plane, IOD (10.5 mm at 88 mm)
IRIS_AT_REST = -0.022  # iris centre above the line of the corners when looking ahead, IOD
# gaze at which an eyeLook channel is 1, rad
FULL_LOOK = {"Down": 0.6, "Up": 0.5, "In": 0.7, "Out": 0.7}

MOUTH = tuple(n for n in EXPRESSION if n.startswith(("mouth", "jaw", "cheekPuff")))
LIDS = tuple(n for n in EXPRESSION if n.startswith("eye"))
LOOKS = tuple(n for n in EXPRESSION if n.startswith("eyeLook"))


@dataclass(frozen=True)
class HeadModel:
    """mean (478, 3) IOD; triangles (F, 3); basis (52, 478, 3) IOD, rows types.EXPRESSION.

    stiffness: (52,) weight of the square of each coefficient in a fit, IOD^2.
    """

    mean: NDArray[np.float64]
    triangles: NDArray[np.int64]
    basis: NDArray[np.float64]
    stiffness: NDArray[np.float64]


class Tracked(Protocol):
    """What a fit needs of a tracked clip; `face.track.Track` has it.  T frames."""

    @property
    def landmarks(self) -> NDArray[np.float32]: ...  # (T, 478, 3) px
    @property
    def valid(self) -> NDArray[np.bool_]: ...  # (T,)
    @property
    def rotation(self) -> NDArray[np.float64]: ...  # (T, 3, 3)
    @property
    def translation(self) -> NDArray[np.float64]: ...  # (T, 3) IOD
    @property
    def focal_px(self) -> float: ...
    @property
    def centre_px(self) -> NDArray[np.float64]: ...  # (2,)
    @property
    def fps(self) -> float: ...


@cache
def load_head() -> HeadModel:
    """The head model that ships with the package; read once."""
    with files("enliven.models").joinpath("head.npz").open("rb") as file:
        data = np.load(file)
        arrays = [data[name].astype(kind) for name, kind in
                  (("mean", float), ("triangles", int), ("basis", float), ("stiffness", float))]  # fmt: skip
    for array in arrays:
        array.flags.writeable = False  # shared by every caller
    return HeadModel(*arrays)


@cache
def mirror_points() -> NDArray[np.int64]:
    """For each of the 478 points the one on the other side of the face, (478,)."""
    mean = load_head().mean
    mirrored = mean * np.array([-1, 1, 1])
    return ((mirrored[:, None] - mean) ** 2).sum(-1).argmin(1)


def rows(names: Sequence[str]) -> list[int]:
    """Rows of the basis that belong to some expression names."""
    return [EXPRESSION.index(name) for name in names]


def personal_basis(
    points: Array, rest: Array | None = None, model: HeadModel | None = None
) -> Array:
    """The expression basis (52, 478, 3) scaled to one face, IOD.

    points: (478, 3) head coordinates of that face; rest: (52,) the expression it shows there,
    neutral by default.  Mouth channels follow the width of the mouth and the length of the lower
    face, lid channels the opening of the eyes; eyeBlink = 1 brings the upper lids exactly onto
    the lower ones.
    """
    model = load_head() if model is None else model
    rest = np.zeros(len(EXPRESSION)) if rest is None else np.asarray(rest, np.float64)
    neutral = points - np.tensordot(rest, model.basis, 1)
    basis = model.basis.copy()
    mouth = rows(MOUTH)
    basis[mouth, :, 0] *= np.clip(_mouth_width(neutral) / _mouth_width(model.mean), 0.75, 1.35)
    basis[mouth, :, 1:] *= np.clip(_face_length(neutral) / _face_length(model.mean), 0.75, 1.35)
    for name, pairs in LID_PAIRS.items():
        side = name.removeprefix("eyeBlink")
        opening = lid_opening(neutral)[name] / lid_opening(model.mean)[name]
        lids = rows([n for n in LIDS if n.endswith(side) and n != name])
        near = np.flatnonzero(np.abs(model.basis[EXPRESSION.index(name)]).sum(-1) > 1e-6)
        # cheeks, which squinting moves too, are not a matter of how open the eye is
        basis[np.ix_(lids, near)] *= np.clip(opening, 0.5, 1.8)
        basis[EXPRESSION.index(name)] *= np.clip(opening, 0.3, 2.5)
        basis = close_lids(basis, neutral, name, pairs)
    return basis


def close_lids(basis: Array, neutral: Array, name: str, pairs: Sequence[tuple[int, int]]) -> Array:
    """The basis with one eyeBlink made to bring the upper lid's edge exactly onto the lower one's.

    The correction fades out in the lid above the edge, so that it slides as one piece.
    """
    upper, lower = np.array(pairs).T
    i = EXPRESSION.index(name)
    lid = np.flatnonzero(
        (np.abs(basis[i]).sum(-1) > 1e-6) & (neutral[:, 1] < neutral[lower, 1].mean())
    )
    lid = np.setdiff1d(lid, [*upper, *lower])
    fix = neutral[lower] + basis[i, lower] - neutral[upper] - basis[i, upper]
    distance = np.linalg.norm(neutral[lid, None, :2] - neutral[upper, :2], axis=-1)
    share = np.exp(-((distance / 0.06) ** 2)) + 1e-12
    fade = np.exp(-((distance.min(1) / 0.08) ** 2))
    basis = basis.copy()
    basis[i, lid] += fade[:, None] * (share / share.sum(1, keepdims=True)) @ fix
    basis[i, upper] += fix
    return basis


def _mouth_width(points: Array) -> float:
    return float(np.linalg.norm(points[LIP_CORNERS[1], :2] - points[LIP_CORNERS[0], :2]))


def _face_length(points: Array) -> float:
    """Nose base to chin without the opening of the mouth, IOD."""
    return float(points[152, 1] - points[2, 1] - max(lip_gap(points), 0))


def lip_gap(points: Array) -> Array:
    """Opening between the inner lips (...,) at their middle, IOD, of points (..., 478, 3)."""
    upper, lower = (list(side[3:6]) for side in INNER_LIPS)
    return (points[..., lower, 1] - points[..., upper, 1]).mean(-1)


def lid_opening(points: Array) -> dict[str, Array]:
    """Mean opening of each eye, IOD, by the name of its eyeBlink channel; of (..., 478, 3)."""
    openings = {}
    for name, pairs in LID_PAIRS.items():
        upper, lower = np.array(pairs).T
        openings[name] = (points[..., lower, 1] - points[..., upper, 1]).mean(-1)
    return openings


def gaze_angles(points: Array) -> Array:
    """Yaw and pitch (..., 2) of the eyes relative to the head, rad, of points (..., 478, 3).

    Positive yaw looks to image right, positive pitch looks down.
    """
    offsets = []
    for iris, corners in zip(IRISES, EYE_CORNERS, strict=True):
        offsets.append(points[..., iris, :2] - points[..., list(corners), :2].mean(-2))
    offset = np.mean(offsets, 0) - np.array([0, IRIS_AT_REST])
    return np.arcsin(np.clip(offset / EYE_RADIUS, -0.9, 0.9))


def look_channels(gaze: Array) -> Array:
    """What the lids do for a gaze (..., 2): expression (..., 52) with the eyeLook rows set."""
    gaze = np.asarray(gaze)
    yaw, pitch = gaze[..., 0], gaze[..., 1]
    amounts = {"DownLeft": pitch, "DownRight": pitch, "UpLeft": -pitch, "UpRight": -pitch,
               "OutLeft": yaw, "InRight": yaw, "InLeft": -yaw, "OutRight": -yaw}  # fmt: skip
    expression = np.zeros((*gaze.shape[:-1], len(EXPRESSION)))
    for end, angle in amounts.items():
        full = FULL_LOOK[end.removesuffix("Left").removesuffix("Right")]
        expression[..., EXPRESSION.index("eyeLook" + end)] = np.clip(angle / full, 0, 1)
    return expression


def gaze_to_camera(rotation: Array, translation: Array) -> Array:
    """The gaze (..., 2) of somebody in the pose given who looks into the camera, rad."""
    eyes = rotation @ EYE_CENTRE + translation
    x, y, z = np.moveaxis(-np.einsum("...ji,...j->...i", rotation, eyes), -1, 0)
    return np.stack([np.arctan2(x, -z), np.arctan2(y, np.hypot(x, z))], -1)


def steady(points: Array, reference: Array) -> Array:
    """Points (T, 478, 3) without the small rigid motion that a pose estimate left in them.

    Each frame is shifted, turned and scaled (first order) so that its rigid landmarks lie best
    on those of `reference` (478, 3); depth, which trackers know badly, has no say.
    """
    rigid = list(RIGID)
    columns = rigid_motions(reference)
    seen = columns[:, rigid, :2].reshape(len(columns), -1)
    gap = (points[:, rigid, :2] - reference[rigid, :2]).reshape(len(points), -1)
    amounts = np.linalg.lstsq(seen.T, gap.T, rcond=None)[0]
    return points - np.tensordot(amounts.T, columns, 1)


def rigid_motions(points: Array) -> Array:
    """First-order rotations about x, y, z, shifts in x and y, and scaling of points: (6, N, 3)."""
    centred = points - points.mean(0)
    turns = [np.cross(axis, centred) for axis in np.eye(3)]
    shifts = [np.broadcast_to(axis, points.shape) for axis in np.eye(3)[:2]]
    return np.array([*turns, *shifts, centred])


def estimate_neutral(points: Array, model: HeadModel | None = None) -> Array:
    """The neutral face (478, 3) behind a clip's head points (T, 478, 3): lips shut, eyes open.

    Mouth and jaw come from the frames in which the lips touch, lids from those in which the
    eyes are as open as they mostly are, everything else from the median frame.
    """
    model = load_head() if model is None else model
    points = steady(points, np.median(points, 0))
    neutral = np.median(points, 0)
    gap = lip_gap(points)
    shut = gap <= max(np.quantile(gap, 0.05) + 0.004, 0.008)
    neutral += _reach(model, MOUTH) * (np.median(points[shut], 0) - neutral)
    for name, opening in lid_opening(points).items():
        usual = opening >= 0.8 * np.quantile(opening, 0.75)
        neutral += _reach(model, (name,)) * (np.median(points[usual], 0) - neutral)
    return neutral - np.tensordot(_shut_lips(neutral, model), model.basis, 1)


def _reach(model: HeadModel, names: Sequence[str]) -> Array:
    """Where in the face some channels act: (478, 1), 0 to 1."""
    travel = np.linalg.norm(model.basis[rows(names)], axis=-1).max(0)
    return np.clip(travel / 0.03, 0, 1)[:, None]


# How a parted mouth is shared out when nothing but the gap is known: mostly the jaw.
PARTING = {"jawOpen": 1.0, "mouthLowerDownLeft": 0.5, "mouthLowerDownRight": 0.5,
           "mouthUpperUpLeft": 0.35, "mouthUpperUpRight": 0.35}  # fmt: skip


def _shut_lips(points: Array, model: HeadModel) -> Array:
    """Expression (52,) that explains why the lips of one face are apart; zero if they touch."""
    upper, lower = (list(side) for side in INNER_LIPS)
    gap = points[lower, 1] - points[upper, 1]
    expression = np.zeros(len(EXPRESSION))
    if lip_gap(points) < 0.01:
        return expression
    channels = rows(tuple(PARTING))
    basis = personal_basis(points, model=model)[channels]
    opens = basis[:, lower, 1] - basis[:, upper, 1]
    ease = np.array(list(PARTING.values()))
    gram = opens @ opens.T + np.diag(2e-3 / ease**2)
    amounts = bounded_least_squares(gram, (opens @ gap)[None])[0]
    # the middle of the lips must meet exactly
    middle = opens[:, 3:6].mean(1) @ amounts
    expression[channels] = np.clip(amounts * lip_gap(points) / max(middle, 1e-9), 0, 1)
    return expression


def fit_weights() -> Array:
    """Weight (478, 3) of each coordinate in a fit: lips and lids matter most, depth hardly."""
    weights = np.full(478, 0.7)
    weights[list(RIGID)] = 1.0
    weights[list(FACE_OVAL)] = 0.4  # the tracker slides them along the outline
    weights[list(BROWS)] = 1.5
    weights[[i for ring in LIP_RINGS_UPPER + LIP_RINGS_LOWER for i in ring]] = 2.0
    weights[[i for pairs in LID_PAIRS.values() for pair in pairs for i in pair]] = 3.0
    weights[IRIS_POINTS] = 0.0  # gaze explains them
    return weights[:, None] * np.array([1, 1, 0.1])


def fit_expression(points: Array, neutral: Array, basis: Array, stiffness: Array) -> Array:
    """Coefficients (T, 52) in 0..1 with points ~ neutral + rigid motion + coefficients @ basis.

    points: (T, 478, 3) head coordinates.  Left-over rigid motion is projected out, so that an
    error of the pose does not turn into expression.  Frames are independent: a bounded ridge
    fit depends continuously on its points, so it adds no jitter of its own.
    """
    weights = fit_weights()
    flat = (len(basis), -1)
    rigid, _ = np.linalg.qr((rigid_motions(neutral) * weights).reshape(6, -1).T)
    columns = (basis * weights).reshape(flat)
    columns = columns - columns @ rigid @ rigid.T
    gap = ((points - neutral) * weights).reshape(len(points), -1)
    free = [i for i, name in enumerate(EXPRESSION) if name not in (*LOOKS, "tongueOut")]
    gram = columns[free] @ columns[free].T + np.diag(stiffness[free])
    expression = np.zeros((len(points), len(EXPRESSION)))
    expression[:, free] = bounded_least_squares(gram, gap @ columns[free].T)
    return expression


def fit_motion(track: Tracked) -> Motion:
    """Motion of a tracked clip: expression relative to the person's own neutral, pose and gaze.

    Frames that the tracker lost are interpolated and marked in `valid`.
    Raises NoFaceFound if no frame is valid.
    """
    valid = np.asarray(track.valid, bool)
    if not valid.any():
        raise NoFaceFound("no face was found in any frame of the clip; use one that shows a face")
    model = load_head()
    rotation, translation = track.rotation[valid], track.translation[valid]
    points = head_points(
        track.landmarks[valid], rotation, translation, track.focal_px, track.centre_px
    )
    neutral = estimate_neutral(points)
    points = steady(points, neutral)
    basis = personal_basis(neutral)
    gaze = _person_gaze(gaze_angles(points), gaze_to_camera(rotation, translation))
    expression, gaze = _fit_with_gaze(points, neutral, basis, gaze, model.stiffness)

    values = np.zeros((len(valid), len(CHANNELS)))
    values[valid, group_slice("expression")] = expression
    values[valid, group_slice("head")] = vector_from_rotation(rotation)
    values[valid, group_slice("translation")] = translation - [0, 0, CAMERA_DISTANCE]
    values[valid, group_slice("gaze")] = gaze
    _interpolate(values, valid)
    return Motion(values.astype(np.float32), track.fps, valid)


def _person_gaze(gaze: Array, to_camera: Array) -> Array:
    """Gaze (T, 2) without the person's own offset, assuming they mostly look at the camera.

    Eyes differ in how high the iris sits, hardly in how far left: the correction is bounded.
    """
    return gaze - np.clip(np.median(gaze - to_camera, 0), [-0.06, -0.2], [0.06, 0.2])


def _fit_with_gaze(
    points: Array, neutral: Array, basis: Array, gaze: Array, stiffness: Array
) -> tuple[Array, Array]:
    """Expression (T, 52) and gaze (T, 2) where closed eyes keep the gaze of the open ones."""
    opening = np.mean(list(lid_opening(points).values()), 0)
    usual = np.mean(list(lid_opening(neutral).values()))
    seen = opening > 0.5 * usual
    if seen.any():
        gaze = gaze.copy()
        _interpolate(gaze, seen)
    looks = look_channels(gaze)
    # a shut lid hides the look, and its travel is the blink's alone
    looks *= np.clip(opening / usual, 0, 1)[:, None]
    rest = points - np.tensordot(looks, basis, 1)
    expression = fit_expression(rest, neutral, basis, stiffness) + looks
    for name, opened in lid_opening(points).items():
        least = np.quantile(opened, 0.005) / lid_opening(neutral)[name]
        if least < 0.4:  # the clip holds blinks: the deepest is a closed eye
            i = EXPRESSION.index(name)
            expression[:, i] = np.clip(expression[:, i] / max(1 - max(least, 0), 0.6), 0, 1)
    return expression, gaze


def _interpolate(values: Array, known: NDArray[np.bool_]) -> None:
    """Fills the unknown frames of (T, C) linearly between known ones, in place; ends hold."""
    frames = np.arange(len(values))
    for column in values.T:
        column[~known] = np.interp(frames[~known], frames[known], column[known])


def fit_rest(points: Array, to_camera: Array | None = None) -> tuple[Array, Array]:
    """Expression (52,) and gaze (2,) that one photo's head points (478, 3) safely show.

    One photo cannot tell identity from expression, so only this is explained: lips that are
    apart (taking the expression away makes them meet), eyes nearly shut, part of a broad smile.
    to_camera: the gaze that would meet the camera (`gaze_to_camera`); an offset of the
    person's eyes is then removed as in a clip.
    """
    model = load_head()
    points = np.asarray(points, np.float64)
    expression = np.zeros(len(EXPRESSION))
    smile = _smile(points, model)
    expression[rows(("mouthSmileLeft", "mouthSmileRight"))] = smile
    without = points - np.tensordot(expression, personal_basis(points), 1)
    expression += _shut_lips(without, model)
    for name, opening in lid_opening(points).items():
        outer, inner = EYE_CORNERS[list(LID_PAIRS).index(name)]
        slit = opening / np.linalg.norm(points[outer, :2] - points[inner, :2])
        expression[EXPRESSION.index(name)] = np.clip(1 - slit / NARROWEST_EYE, 0, 1)
    gaze = gaze_angles(points)
    if to_camera is not None:
        gaze = _person_gaze(gaze[None], np.asarray(to_camera)[None])[0]
    return expression, gaze


NARROWEST_EYE = 0.09  # height over width of an eye below which it counts as closing


def _smile(points: Array, model: HeadModel) -> float:
    """A cautious amount of smile, 0 to 1: mouth corners higher above the lips than people's are."""

    def lift(p: Array) -> float:
        middle = p[[0, 17], 1].mean()
        return float((middle - p[list(LIP_CORNERS), 1].mean()) / _mouth_width(p))

    channels = rows(("mouthSmileLeft", "mouthSmileRight"))
    full = lift(model.mean + model.basis[channels].sum(0)) - lift(model.mean)
    return float(np.clip(0.6 * (lift(points) - lift(model.mean) - 0.5 * full) / full, 0, 0.6))
