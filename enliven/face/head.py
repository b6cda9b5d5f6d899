"""Fits of the head model: what of a tracked face is expression, gaze and pose.

`fit_motion` explains a clip by a neutral face of its own and bounded coefficients; `fit_rest`
tells what little of a single photo is safely expression rather than identity.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from enliven.errors import NoFaceFound
from enliven.face.gaze import gaze_angles, gaze_to_camera, look_channels
from enliven.face.head_model import (
    BROWS,
    EYE_CORNERS,
    FACE_OVAL,
    INNER_LIPS,
    IRIS_POINTS,
    LID_PAIRS,
    LIP_CORNERS,
    LIP_RINGS_LOWER,
    LIP_RINGS_UPPER,
    LOOKS,
    MOUTH,
    HeadModel,
    lid_opening,
    lip_gap,
    load_head,
    mirror_points,
    mouth_width,
    personal_basis,
    reach,
    rows,
)
from enliven.face.solve import bounded_least_squares
from enliven.geometry import (
    CAMERA_DISTANCE,
    RIGID,
    head_points,
    rotation_from_vector,
    vector_from_rotation,
)
from enliven.types import CHANNELS, EXPRESSION, Motion, group_slice

__all__ = [
    "LIP_RINGS_LOWER", "LIP_RINGS_UPPER", "HeadModel", "fit_motion", "fit_rest",
    "gaze_to_camera", "load_head", "look_channels", "mirror_points", "personal_basis",
]  # fmt: skip

Array = NDArray[np.floating]

MANY_FRAMES = 2000  # enough to know a face by
PART_FRAMES = 500  # of a clip worked on at a time
TURN_TRUST = 0.25  # share of the yaw and pitch that landmarks still show which is put right
NARROWEST_EYE = 0.09  # height over width of an eye below which it counts as closing
# Parted lips are the jaw's doing, but in a smile more and more the lips' own.
PARTING = ("jawOpen", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft",
           "mouthUpperUpRight")  # fmt: skip
# Width of mouths at rest, IOD, and how high their corners lie above their middle, in widths:
# mean and deviation over the neutral faces of 27 development clips.
MOUTH_AT_REST, MOUTH_SPREAD = np.array([0.553, 0.012]), np.array([0.038, 0.031])
SURE = 2.0  # deviations
LIPS_OWN_IN_SMILE = 3.0  # how much easier the lips part by themselves in a full smile


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


@dataclass(frozen=True)
class Observation:
    """One person's clip: points (T, 478, 3) without rigid motion, neutral (478, 3), gaze (T, 2)."""

    points: Array
    neutral: Array
    gaze: Array


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
    points = points[:: -(-len(points) // MANY_FRAMES)]
    points = steady(points, np.median(points, 0))
    neutral = np.median(points, 0)
    gap = lip_gap(points)
    shut = gap <= max(float(np.quantile(gap, 0.05)) + 0.004, 0.008)
    neutral += reach(model, MOUTH) * (np.median(points[shut], 0) - neutral)
    for name, opening in lid_opening(points).items():
        usual = opening >= 0.8 * float(np.quantile(opening, 0.75))
        neutral += reach(model, (name,)) * (np.median(points[usual], 0) - neutral)
    parted = _shut_lips(neutral, personal_basis(neutral, model=model))
    return neutral - np.tensordot(parted, model.basis, 1)


def _shut_lips(points: Array, basis: Array, smile: float = 0.0) -> Array:
    """Expression (52,) that explains why the lips of one face are apart; zero if they touch.

    smile: how broadly the face smiles, 0 to 1.
    """
    upper, lower = (list(side) for side in INNER_LIPS)
    gap = points[lower, 1] - points[upper, 1]
    expression = np.zeros(len(EXPRESSION))
    if lip_gap(points) < 0.01:
        return expression
    channels = rows(PARTING)
    opens = basis[channels][:, lower, 1] - basis[channels][:, upper, 1]
    ease = np.array([1.0] + [1 + LIPS_OWN_IN_SMILE * smile] * 4)
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


def rigid_amounts(gap: Array, neutral: Array) -> Array:
    """How much of each rigid motion (T, 6) explains displacements (T, 478, 3) of the neutral."""
    weights = fit_weights()
    seen = (rigid_motions(neutral) * weights).reshape(6, -1)
    return np.linalg.lstsq(seen.T, (gap * weights).reshape(len(gap), -1).T, rcond=None)[0].T


def rigid_part(gap: Array, neutral: Array) -> Array:
    """The part of displacements (T, 478, 3) that is rigid motion of the neutral (478, 3)."""
    return np.tensordot(rigid_amounts(gap, neutral), rigid_motions(neutral), 1)


def observe(points: Array, to_camera: Array, model: HeadModel | None = None) -> Observation:
    """Sorts a clip's head points (T, 478, 3); to_camera (T, 2): gaze that meets the camera."""
    model = load_head() if model is None else model
    neutral = estimate_neutral(points, model)
    points = steady(points, neutral)
    gaze = _own_gaze(gaze_angles(points), to_camera)
    opening, usual = _eye_opening(points), _eye_opening(neutral)
    seen = opening > 0.5 * usual
    if seen.any():  # the iris of a shut eye is a guess
        _interpolate(gaze, seen)
    # the neutral looks straight ahead
    neutral = neutral - np.tensordot(look_channels(np.median(gaze, 0)), model.basis, 1)
    return Observation(points, neutral, gaze)


def explain(seen: Observation, model: HeadModel | None = None) -> Array:
    """Coefficients (T, 52) in 0..1 with points ~ neutral + coefficients @ personal basis.

    Left-over rigid motion is projected out, so that an error of the pose does not turn into
    expression.  Frames are independent: a bounded ridge fit depends continuously on its
    points, so it adds no jitter of its own.  The eyeLook channels follow from the gaze.
    """
    model = load_head() if model is None else model
    basis = personal_basis(seen.neutral, model=model)
    # a shut lid hides the look, and its travel is the blink's alone
    open_part = np.clip(_eye_opening(seen.points) / _eye_opening(seen.neutral), 0, 1)
    looks = look_channels(seen.gaze) * open_part[:, None]

    weights = fit_weights()
    rigid, _ = np.linalg.qr((rigid_motions(seen.neutral) * weights).reshape(6, -1).T)
    free = [i for i, name in enumerate(EXPRESSION) if name not in (*LOOKS, "tongueOut")]
    columns = (basis[free] * weights).reshape(len(free), -1)
    columns = columns - columns @ rigid @ rigid.T
    gram = columns @ columns.T + np.diag(model.stiffness[free])
    expression = looks.copy()
    for part in _parts(len(looks)):
        gap = seen.points[part] - seen.neutral - np.tensordot(looks[part], basis, 1)
        target = (gap * weights).reshape(len(gap), -1) @ columns.T
        expression[part, free] = bounded_least_squares(gram, target)
    return _blinks(expression, seen, basis)


def _blinks(expression: Array, seen: Observation, basis: Array) -> Array:
    """The expression with blinks read off the openings of the lids instead of fitted.

    An eyeBlink of 1 closes the eye from its usual opening; what squints, looks and raised lids
    add to the opening is taken into account.  Trackers leave a slit in closed eyes: where a
    clip holds blinks at all, its deepest counts as closed.
    """
    expression = expression.copy()
    usual, opening = lid_opening(seen.neutral), lid_opening(seen.points)
    opened_by = lid_opening(basis)
    for name in LID_PAIRS:
        i = EXPRESSION.index(name)
        closed = max(float(np.quantile(opening[name], 0.005)), 0.0)
        if closed > 0.4 * usual[name]:
            closed = 0.0
        shown = (opening[name] - closed) * usual[name] / (usual[name] - closed)
        expression[:, i] = 0
        expected = usual[name] + expression @ opened_by[name]
        expression[:, i] = np.clip((expected - shown) / usual[name], 0, 1)
    return expression


def _eye_opening(points: Array) -> Array:
    """Mean opening of both eyes, IOD, of points (..., 478, 3)."""
    left, right = lid_opening(points).values()
    return (left + right) / 2


def fit_motion(track: Tracked) -> Motion:
    """Motion of a tracked clip: expression relative to the person's own neutral, pose and gaze.

    The track's poses are corrected by what its landmarks show beyond the expression.  Frames
    that the tracker lost are interpolated and marked in `valid`.
    Raises NoFaceFound if no frame is valid.
    """
    valid = np.asarray(track.valid, bool)
    if not valid.any():
        raise NoFaceFound("no face was found in any frame of the clip; use one that shows a face")
    rotation, translation = track.rotation[valid], track.translation[valid]
    points = head_points(
        track.landmarks[valid], rotation, translation, track.focal_px, track.centre_px
    )
    seen = observe(points, gaze_to_camera(rotation, translation))
    expression = explain(seen)
    basis = personal_basis(seen.neutral)
    for part in _parts(len(points)):
        left = points[part] - seen.neutral - np.tensordot(expression[part], basis, 1)
        rotation[part], translation[part] = _corrected(
            rotation[part], translation[part], left, seen.neutral
        )

    values = np.zeros((len(valid), len(CHANNELS)))
    values[valid, group_slice("expression")] = expression
    values[valid, group_slice("head")] = vector_from_rotation(rotation)
    values[valid, group_slice("translation")] = translation - [0, 0, CAMERA_DISTANCE]
    values[valid, group_slice("gaze")] = seen.gaze
    _interpolate(values, valid)
    return Motion(values.astype(np.float32), track.fps, valid)


def _parts(count: int) -> list[slice]:
    """Slices of a clip of `count` frames, short enough that length hardly costs memory."""
    return [slice(start, start + PART_FRAMES) for start in range(0, count, PART_FRAMES)]


def _corrected(
    rotation: Array, translation: Array, left: Array, neutral: Array
) -> tuple[Array, Array]:
    """Poses (T, 3, 3), (T, 3) with the turns and shifts that the head points still show added.

    left: (T, 478, 3) what of the head points the expression does not explain.  Poses come from
    the mean face and a few landmarks; with the person's own face and all of them, the
    re-projection error of the mouth halves.  Distance is left alone, it would only get noisier.
    """
    amounts = rigid_amounts(left, neutral)
    # seen from the front, yaw and pitch show only as slight squeezes, which an expression that
    # the basis lacks makes as well: pixels around the face agree with a quarter of them at most
    turned = rotation @ rotation_from_vector(amounts[:, :3] * [TURN_TRUST, TURN_TRUST, 1])
    centre = neutral.mean(0)
    shift = np.pad(amounts[:, 3:5], ((0, 0), (0, 1)))
    moved = np.einsum("tij,tj->ti", rotation, centre + shift)
    return turned, translation + moved - turned @ centre


def _own_gaze(gaze: Array, to_camera: Array) -> Array:
    """Gaze (T, 2) without the person's own offset, assuming they mostly look at the camera.

    Eyes differ in how high the iris sits, hardly in how far left: the correction is bounded.
    """
    return gaze - np.clip(np.median(gaze - to_camera, 0), [-0.06, -0.2], [0.06, 0.2])


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
    smile = _smile(points, model)
    smiling = np.zeros(len(EXPRESSION))
    smiling[rows(("mouthSmileLeft", "mouthSmileRight"))] = smile
    expression = smiling
    for _ in range(2):  # the proportions of the mouth are clearer without its expression
        basis = personal_basis(points, expression)
        still = points - np.tensordot(smiling, basis, 1)
        expression = smiling + _shut_lips(still, basis, smile)
    for name, opening in lid_opening(points).items():
        outer, inner = EYE_CORNERS[list(LID_PAIRS).index(name)]
        slit = opening / np.linalg.norm(points[outer, :2] - points[inner, :2])
        expression[EXPRESSION.index(name)] = np.clip(1 - slit / NARROWEST_EYE, 0, 1)
    gaze = gaze_angles(points)
    if to_camera is not None:
        gaze = _own_gaze(gaze[None], np.asarray(to_camera)[None])[0]
    return expression + look_channels(gaze), gaze


def _smile(points: Array, model: HeadModel) -> float:
    """How broadly a face (478, 3) surely smiles, 0 to 1.

    The mouth is wider, and its corners are higher, than those of people at rest are.  Both are
    taken for normally distributed; the smile is what they most likely show together, less
    SURE times its own deviation, since a mouth may also be like that by nature.
    """

    def shape(p: Array) -> Array:
        middle = p[[0, 17], 1].mean()
        width = mouth_width(p)
        return np.array([width, (middle - p[list(LIP_CORNERS), 1].mean()) / width])

    channels = rows(("mouthSmileLeft", "mouthSmileRight"))
    full = (shape(model.mean + model.basis[channels].sum(0)) - shape(model.mean)) / MOUTH_SPREAD
    seen = (shape(points) - MOUTH_AT_REST) / MOUTH_SPREAD
    likely, deviation = seen @ full / (full @ full), 1 / np.sqrt(full @ full)
    return float(np.clip(likely - SURE * deviation, 0, 1))
