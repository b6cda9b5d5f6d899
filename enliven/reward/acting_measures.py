"""What a face does and how it moves, in numbers, window by window of a stretch.

Play is how far something moves about its own slow course, at 0.3 to 4 Hz, where people act; what
is independent from frame to frame (a tracker's grain, trembling) is measured at the highest
frequencies and taken out of it, so that trembling does not pass for acting.  Unsteadiness is
what no person does: trembling, repeated frames, flicker, drift.  Nothing here hears the sound.

Legend: T frames at 25 a second, W windows, F measures.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from enliven.face.smooth import smoothing_kernel
from enliven.geometry import OUTER_EYE_CORNERS, RIGID, rotation_from_vector, vector_from_rotation
from enliven.metrics.lips import measure_shape
from enliven.metrics.motion import turning_speed
from enliven.metrics.steadiness import Steps, head_steps
from enliven.metrics.watch import Stretch
from enliven.types import EXPRESSION, INDEX, MOTION_FPS

Array = NDArray[np.float64]

WINDOW_SECONDS = 2.5
SHORTEST_SECONDS = 0.6  # of face in a window that can be told anything of
LEAST_SHARE = 0.6  # of a window's frames that must show the face

FINE_FRAMES, COARSE_FRAMES = 1.0, 12.0  # deviations of the Gaussians that bound the band of play
BROWS = ("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight")
EYES = ("eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight")
CHEEKS = ("cheekSquintLeft", "cheekSquintRight", "mouthSmileLeft", "mouthSmileRight",
          "mouthDimpleLeft", "mouthDimpleRight", "noseSneerLeft", "noseSneerRight")  # fmt: skip
LIDS = ("eyeBlinkLeft", "eyeBlinkRight")
MOUTH_SHAPES = ("mouthFunnel", "mouthPucker", "mouthStretchLeft", "mouthStretchRight",
                "mouthUpperUpLeft", "mouthUpperUpRight", "mouthLowerDownLeft",
                "mouthLowerDownRight", "mouthRollLower", "mouthRollUpper", "jawOpen")  # fmt: skip
FULL = 0.97  # expression from which a channel is at its end
LEAST_PLAY = 0.04  # share of the variance in the band that is play even in the grainiest curve
RAW_GAIN = 20.0  # of third differences of white noise that nothing has smoothed
NORMAL_MEDIAN = 0.6745  # median magnitude of a normal deviate
SLOW_SHARE = 0.4  # of the frames, those around which a curve is slowest
BANDED = ("expression", "gaze", "turn", "place", "lips")
# A repeated frame changes less than this share of the changes within so many frames on both of
# its sides, which are at least so many grey levels; films of 24 frames a second shown at 25 or
# 30 have one such frame in four to six.
REPEATED_SHARE, REPEAT_REACH, REPEATED_LEVELS = 0.12, 8, 0.6
STILL_LEVELS = 0.06  # a change below: the same picture; codecs leave more of a living person
MIDDLE_CHANGE = 1.0  # grey levels, where a step is unknown
LEAST_STEP = 0.004  # IOD
LOOK_FRAMES = 20  # at the begin of the stretch and the end of a window that drift is told from
RIGID_POINTS = list(RIGID)
# corners and edges of lips, brows, lids and the chin: what moves
MOVING = [61, 291, 0, 17, 13, 14, 105, 334, 66, 296, 159, 386, 145, 374, 205, 425, 152]
# proportions that stay with a person: brows' ends, nose, cheekbones, temples
OUTLINE = [127, 356, 234, 454, 93, 323, 33, 263, 133, 362, 1, 168, 98, 327, 152]

# Measures, each with what is added before its logarithm is taken: the size below which nobody
# would see a difference.
FACE: dict[str, float] = {
    "brows": 0.01, "eyes": 0.01, "cheeks": 0.01, "lids": 0.02, "gaze": 0.3,
    "aperture": 0.004, "width": 0.003, "shapes": 0.02,
    "widest": 0.02, "ends": 0.02, "reach": 0.1, "quick": 0.02,
}  # fmt: skip
MOVES: dict[str, float] = {
    "turn": 0.15, "sway": 0.004, "speed": 0.8, "pace": 0.15, "fastest": 2.0,
    "shake": 0.0004, "twist": 0.0004, "rigid_noise": 0.0008, "face_noise": 0.001,
    "repeated": 0.03, "still": 0.03, "held": 1.0, "leap": 0.3, "light": 0.002, "tint": 0.001,
    "drift_colour": 0.01, "drift_detail": 0.05, "drift_shape": 0.004,
}  # fmt: skip
NAMES = (*FACE, *MOVES)
SMALLEST = FACE | MOVES
EPSILON = np.array([SMALLEST[name] for name in NAMES])

CHANNELS_OF = {
    group: [INDEX[name] for name in names]
    for group, names in {"brows": BROWS, "eyes": EYES, "cheeks": CHEEKS, "lids": LIDS,
                         "shapes": MOUTH_SHAPES}.items()
}  # fmt: skip
ACTED = [INDEX[name] for name in EXPRESSION if not name.startswith("eye")]


@dataclass(frozen=True)
class Measures:
    """starts, stops: (W,) seconds.  values: (W, F) in the units below, columns NAMES, NaN rows
    where too little face was seen.

    brows eyes cheeks lids shapes: play of expression channels (root of the sum of squares).
    gaze: degrees.  aperture width: play of the lips, IOD.  widest: aperture, IOD, at its 98th
    percentile.  ends: share of time that channels but lids spend at their ends, summed.
    reach: largest excursion of the expression.  quick: mean speed of the expression a frame.
    turn: play of the head, degrees; sway: of its place, IOD; speed: degrees a second.
    pace: speed over turn, Hz.  fastest: speed at its 98th percentile, degrees a second.
    shake twist: what is independent from frame to frame in place (IOD) and turn (rad) of the
    head's own pixels.  rigid_noise: of its rigid landmarks, face_noise: of the moving ones, IOD.
    repeated: share of frames equal to the one before while the face moves; still: share that
    change nothing; held: longest run of both, frames.
    leap: largest step of the head over its usual one, log.
    light tint: flicker of brightness and of colour, log.
    drift_colour drift_detail drift_shape: distance of a window's end from the begin of the
        stretch.
    """

    starts: Array
    stops: Array
    values: Array


@dataclass(frozen=True)
class Curves:
    """A stretch as curves over time, (T, n) each.

    expression: (T, 52).  gaze, turn: degrees, the turn from the head's usual pose.  place: x and
    y, IOD.  lips: aperture and width, IOD.  points, outline: x and y in head axes of what moves
    and of what stays with a person, IOD.  rigid: middle of the rigid points in the picture, IOD.
    known: (T,) bool, whether the face was seen.  steps: the head by its own pixels.
    """

    expression: Array
    gaze: Array
    turn: Array
    place: Array
    lips: Array
    points: Array
    outline: Array
    rigid: Array
    known: NDArray[np.bool_]
    steps: Steps


def measure_acting(stretch: Stretch) -> Measures:
    """All measures of a stretch, window by window; windows are of one length, 2.5 s or so."""
    curves = curves_of(stretch)
    if curves is not None:
        return measure_curves(curves, stretch.start)
    starts, stops = np.array([stretch.start]), np.array([stretch.start + stretch.seconds])
    return Measures(starts, stops, np.full((1, len(NAMES)), np.nan))


def curves_of(stretch: Stretch) -> Curves | None:
    """The curves of a stretch, None where hardly any face is seen."""
    motion = stretch.motion
    known = stretch.valid & np.isfinite(stretch.shapes).all((1, 2))
    if motion is None or known.sum() < SHORTEST_SECONDS * MOTION_FPS:
        return None
    shapes, landmarks = _filled(stretch.shapes), _filled(stretch.landmarks)
    lips = measure_shape(shapes)
    left, right = (landmarks[:, k] for k in OUTER_EYE_CORNERS)
    iod = float(np.median(np.linalg.norm(left - right, axis=1)))
    head = motion.group("head").astype(np.float64)
    usual = rotation_from_vector(np.median(head, 0))
    return Curves(
        expression=motion.group("expression").astype(np.float64),
        gaze=np.degrees(motion.group("gaze").astype(np.float64)),
        turn=np.degrees(vector_from_rotation(rotation_from_vector(head) @ usual.T)),
        place=motion.group("translation").astype(np.float64)[:, :2],
        lips=np.stack([lips.aperture, lips.width], 1),
        points=shapes[:, MOVING, :2].reshape(len(shapes), -1),
        outline=shapes[:, OUTLINE, :2].reshape(len(shapes), -1),
        rigid=landmarks[:, RIGID_POINTS, :2].mean(1) / max(iod, 1.0),
        known=known,
        steps=head_steps(stretch.faces, stretch.landmarks, stretch.box),
    )


def measure_curves(curves: Curves, start: float = 0.0) -> Measures:
    """As `measure_acting`; start: seconds of the first frame."""
    count = len(curves.known)
    parts = max(1, round(count / (WINDOW_SECONDS * MOTION_FPS)))
    edges = np.rint(np.linspace(0, count, parts + 1)).astype(int)
    values = np.full((parts, len(NAMES)), np.nan)
    bands = {name: banded(getattr(curves, name)) for name in BANDED}
    first: dict[str, Array] | None = None
    for k, (a, b) in enumerate(pairwise(edges)):
        if curves.known[a:b].sum() < max(SHORTEST_SECONDS * MOTION_FPS, LEAST_SHARE * (b - a)):
            continue
        at = slice(a, b)
        look = _look(curves, slice(max(a, b - LOOK_FRAMES), b))
        first = first or _look(curves, slice(a, min(b, a + LOOK_FRAMES)))
        found = _face(curves, bands, at) | _head(curves, bands, at) | _grain(curves, at)
        for name, value in look.items():
            found[f"drift_{name}"] = float(np.sqrt(np.square(value - first[name]).mean()))
        values[k] = [found[name] for name in NAMES]
    return Measures(start + edges[:-1] / MOTION_FPS, start + edges[1:] / MOTION_FPS, values)


def _filled(points: NDArray) -> Array:
    """Points (T, N, 3) with missing frames as in the nearest known one."""
    known = np.flatnonzero(np.isfinite(points).all((1, 2)))
    nearest = np.abs(np.arange(len(points))[:, None] - known[None]).argmin(1)
    return np.asarray(points[known[nearest]], np.float64)


# Band of play and grain of a curve


def _gaussian(frames: float) -> Array:
    reach = int(np.ceil(3 * frames))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / frames) ** 2)
    return np.asarray(kernel / kernel.sum())


def _smoothed(curve: Array, frames: float) -> Array:
    """A curve (T, n) under a Gaussian, mirrored at both its ends."""
    kernel = _gaussian(frames)
    reach = len(kernel) // 2
    last = max(1, len(curve) - 1)
    index = np.abs(np.arange(-reach, len(curve) + reach)) % (2 * last)
    index = np.minimum(np.minimum(index, 2 * last - index), len(curve) - 1)
    view = np.lib.stride_tricks.sliding_window_view(curve[index], len(kernel), axis=0)
    return np.asarray(view @ kernel)


def banded(curve: Array) -> Array:
    """A curve (T, n) without its slow course and without what is faster than people act."""
    return _smoothed(curve, FINE_FRAMES) - _smoothed(curve, COARSE_FRAMES)


def _gains() -> tuple[float, float]:
    """Variance of white noise that the tracker's smoothing and then (a) the band of play, (b)
    third differences leave."""
    smoothed = smoothing_kernel(MOTION_FPS)
    fine, band = _gaussian(FINE_FRAMES), -_gaussian(COARSE_FRAMES)
    first = (len(band) - len(fine)) // 2
    band[first : first + len(fine)] += fine
    play, third = np.convolve(smoothed, band), np.convolve(smoothed, [1, -3, 3, -1])
    return float(play @ play), float(third @ third)


PLAY_GAIN, THIRD_GAIN = _gains()


def white_noise(curve: Array, gain: float = THIRD_GAIN) -> Array:
    """Deviation (n,) of what is independent from frame to frame in a curve (T, n).

    gain: variance that third differences make of one of 1: 20 for a curve as it is; by default
    that of one which the tracker has smoothed.  Told where the curve is slowest: uneven frame
    times shake what moves, and only that.  A curve that is nothing but noise reads a quarter low.
    """
    third = np.abs(np.diff(curve, 3, axis=0))
    if len(third) < 2:
        return np.zeros(curve.shape[1])
    # the way from two frames before to two after those that a third difference is made of
    way = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    around = np.convolve(np.pad(way, 2, mode="reflect"), np.ones(7), "valid")
    slow = third[np.argsort(around, kind="stable")[: max(2, round(SLOW_SHARE * len(third)))]]
    return np.asarray(np.median(slow, axis=0) / NORMAL_MEDIAN / np.sqrt(gain))


def _play(curve: Array, band: Array, grainy: bool = True) -> float:
    """Root of the summed variance of the band of a curve (T, n), without that of its grain."""
    power = np.square(band - band.mean(0)).mean(0)
    if grainy:
        grain = PLAY_GAIN * white_noise(curve) ** 2
        power = np.maximum(power - grain, LEAST_PLAY * power)
    return float(np.sqrt(power.sum()))


# What the face does, how the head moves, what no person does


def _face(curves: Curves, bands: dict[str, Array], at: slice) -> dict[str, float]:
    expression, band = curves.expression[at], bands["expression"][at]
    found = {name: _play(expression[:, own], band[:, own]) for name, own in CHANNELS_OF.items()}
    acted = expression[:, ACTED]
    smooth = _smoothed(acted, FINE_FRAMES)
    away = np.linalg.norm(smooth - np.median(smooth, 0), axis=1)
    lips, lip_band = curves.lips[at], bands["lips"][at]
    return found | {
        "gaze": _play(curves.gaze[at], bands["gaze"][at]),
        # lips are too quick for their grain to be told from what they do
        "aperture": _play(lips[:, :1], lip_band[:, :1], grainy=False),
        "width": _play(lips[:, 1:], lip_band[:, 1:], grainy=False),
        "widest": float(np.percentile(lips[:, 0], 98)),
        "ends": float((acted > FULL).mean(0).sum()),
        "reach": float(np.percentile(away, 95)),
        "quick": float(np.abs(np.diff(smooth, axis=0)).sum(1).mean()),
    }


def _head(curves: Curves, bands: dict[str, Array], at: slice) -> dict[str, float]:
    turn = _play(curves.turn[at], bands["turn"][at])
    speeds = turning_speed(np.radians(_smoothed(curves.turn[at], FINE_FRAMES)), MOTION_FPS)
    speed = float(np.sqrt(np.square(speeds).mean()))
    return {
        "turn": turn,
        "sway": _play(curves.place[at], bands["place"][at]),
        "speed": speed,
        "pace": speed / (2 * np.pi * (turn + SMALLEST["turn"])),
        "fastest": float(np.percentile(speeds, 98)),
    }


def _grain(curves: Curves, at: slice) -> dict[str, float]:
    steps, inner = curves.steps, slice(at.start, at.stop - 1)
    # a path of steps with gaps closed
    path = np.cumsum(np.nan_to_num(np.c_[steps.shift, steps.turn, steps.light][inner]), axis=0)
    shaken = white_noise(path, RAW_GAIN)
    length = np.linalg.norm(np.nan_to_num(steps.shift[inner]), axis=1)
    colour = steps.colour[at]
    same, still = repeats(np.nan_to_num(steps.change[inner], nan=MIDDLE_CHANGE))
    tint = white_noise(colour - colour.mean(1, keepdims=True), RAW_GAIN)
    usual = float(np.median(length)) + LEAST_STEP
    return {
        "shake": float(np.linalg.norm(shaken[:2])),
        "twist": float(shaken[2]),
        "rigid_noise": float(np.linalg.norm(white_noise(curves.rigid[at]))),
        "face_noise": float(np.sqrt(np.square(white_noise(curves.points[at])).mean())),
        "repeated": float(same.mean()),
        "still": float(still.mean()),
        "held": float(_longest(same | still)),
        "leap": float(np.log((length.max() + LEAST_STEP) / usual)),
        "light": float(shaken[3]),
        "tint": float(np.linalg.norm(tint)),
    }


def repeats(change: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which steps between frames (T - 1,) repeat a frame of something that moves, and which
    change nothing at all, by their change in grey levels.

    A repeated frame lies between changes many times as large on both its sides.
    """
    padded = np.pad(change, REPEAT_REACH, constant_values=0.0)
    view = np.lib.stride_tricks.sliding_window_view(padded, REPEAT_REACH).max(1)
    around = np.minimum(view[: len(change)], view[REPEAT_REACH + 1 :])
    same = (change < REPEATED_SHARE * around) & (around > REPEATED_LEVELS)
    return same, change < STILL_LEVELS


def _longest(flags: NDArray[np.bool_]) -> int:
    """Length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False].astype(int)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _look(curves: Curves, at: slice) -> dict[str, Array]:
    """Colour, detail and shape of the face in a window, which stay with the person."""
    return {
        "colour": np.nanmedian(curves.steps.colour[at], 0),
        "detail": np.atleast_1d(np.nanmedian(curves.steps.detail[at])),
        "shape": np.median(curves.outline[at], 0),
    }
