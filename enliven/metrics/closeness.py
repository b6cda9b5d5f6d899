"""How near the habits of generated speakers come to those of real ones.

THEval (arXiv 2511.04520) found that no single quality score, but closeness to
real people, measure by measure, goes with what viewers prefer: 1 - |made - real| / |real| of
each measure's mean over a set, and the mean of that over the measures.  Too much counts as too
little does, which makes it hard to overshoot.  The measures here follow theirs where our tracker
can, with eye distances in the place of pixels, and add blinks, gaze and sway; quality networks
are replaced by the share of fine detail.  So scores compare with each other, not with the
published table.  Rewards do not use them.

T frames at 25 fps.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.geometry import OUTER_EYE_CORNERS
from enliven.metrics.expression import LIPS
from enliven.metrics.lips import measure_shape
from enliven.metrics.motion import find_blinks, gaze_habits, head_degrees
from enliven.metrics.texture import high_frequency_ratio
from enliven.metrics.watch import Stretch
from enliven.types import MOTION_FPS

Array = NDArray[np.floating]

LEAST_SECONDS = 2.0  # of frames with a face in a stretch
PAIRS = np.array(list(combinations(LIPS, 2))).T
BROWS = (
    (70, 63, 105, 66, 107, 46, 53, 52, 65, 55),
    (300, 293, 334, 296, 336, 276, 283, 282, 295, 285),
)
EYES = ((33, 133, 159, 145), (263, 362, 386, 374))
SILENT_DB = 30.0  # below the loud frames of a stretch nobody speaks
SILENT_LEVEL = 10 ** (-55 / 20)  # re full scale; and below this anyhow
LOUD_SHARE = 0.95  # quantile of the levels that is taken for loud
SILENT_FRAMES = 8  # in a row, as THEval's 300 ms
LEAST_SPEECH = 0.1  # share of a stretch
DETAIL_EVERY = 5  # frames
DETAIL_IOD_PX = 64.0  # eye distance at which detail is measured
MOUTH_PAD = 0.1  # IOD around the lips
RESAMPLES = 1000
SPLITS = 50
TINY = 1e-9

PROTOCOL = (
    "closeness 1: THEval-style, on enliven's tracker: 10 measures, means over stretches of at most "
    "10 s at 25 fps, then over videos; unweighted, not clipped at 0"
)


@dataclass(frozen=True)
class Habits:
    """What somebody does, each 0 or more; NaN where it could not be measured.

    lip_dynamics: mean deviation over time of the distances of all pairs of lip points, IOD.
    head_motion: sqrt(deviation of the angles x variance of their change a frame), degrees, each
        a mean over yaw, pitch and roll.
    head_sway: root mean variance of the head's place, IOD.
    brow_dynamics: mean change a frame of the distance from brow to eye, IOD.
    silent_lips: median deviation of the lips' opening where nobody speaks, IOD.
    loudness_gap: mean |opening - loudness| in speech, each scaled to 0..1 over the stretch.
    mouth_detail, face_detail: share of the luma's variance that is fine.
    blinks: a minute.  gaze: deviation of the direction of the eyes, degrees.
    """

    lip_dynamics: float
    head_motion: float
    head_sway: float
    brow_dynamics: float
    silent_lips: float
    loudness_gap: float
    mouth_detail: float
    face_detail: float
    blinks: float
    gaze: float


NAMES = tuple(field.name for field in fields(Habits))


def habits(stretches: Iterable[Stretch]) -> Habits:
    """Habits of the person in a video; means over its stretches, each by its frames with a face.
    Stretches with less than two seconds of the face are left out."""
    rows, weights = [], []
    for stretch in stretches:
        seen = int(stretch.valid.sum())
        if stretch.motion is not None and seen >= LEAST_SECONDS * MOTION_FPS:
            rows.append(_stretch_habits(stretch))
            weights.append(seen)
    if not rows:
        return Habits(*[float("nan")] * len(NAMES))
    values, weight = np.array(rows), np.array(weights, float)[:, None]
    known = np.isfinite(values)
    total = (known * weight).sum(0)
    sums = (np.where(known, values, 0) * weight).sum(0)
    means = np.where(total > 0, sums / np.maximum(total, 1e-9), np.nan)
    return Habits(*means.tolist())


def _stretch_habits(stretch: Stretch) -> tuple[float, ...]:
    """In the order of `Habits`."""
    assert stretch.motion is not None
    valid, motion = stretch.valid, stretch.motion
    opening = measure_shape(stretch.shapes).aperture
    voice = np.sqrt(np.square(stretch.voice.reshape(len(stretch), -1), dtype=np.float64).mean(1))
    speaks = _speaks(voice)
    degrees = head_degrees(motion.group("head"))
    lids = (motion["eyeBlinkLeft"] + motion["eyeBlinkRight"]) / 2
    mouth, face = _detail(stretch)
    return (
        _lip_dynamics(stretch.shapes[valid]),
        float(np.sqrt(degrees[valid].std(0).mean() * _steps(degrees, valid).var(0).mean())),
        float(np.sqrt(motion.group("translation")[valid].var(0).mean())),
        float(np.abs(_steps(_brows(stretch.shapes), valid)).mean()),
        _silent_lips(opening, speaks, valid) if stretch.sounds else float("nan"),
        _loudness_gap(opening, voice, speaks & valid),
        mouth,
        face,
        len(find_blinks(lids, MOTION_FPS)) / (len(stretch) / MOTION_FPS / 60),
        float(np.linalg.norm(gaze_habits(motion.group("gaze")[valid], MOTION_FPS).deviation_deg)),
    )


def _steps(curve: Array, valid: NDArray[np.bool_]) -> Array:
    """Changes from frame to frame where both show the face."""
    return np.diff(curve, axis=0)[valid[1:] & valid[:-1]]


def _lip_dynamics(shapes: Array) -> float:
    points = np.asarray(shapes[..., :2], np.float64)
    return float(np.linalg.norm(points[:, PAIRS[0]] - points[:, PAIRS[1]], axis=-1).std(0).mean())


def _brows(shapes: Array) -> NDArray[np.float64]:
    """Distance from the middle of each brow to that of its eye, (T, 2)."""
    middles = [[shapes[:, list(part), :2].mean(1) for part in side]
               for side in zip(BROWS, EYES, strict=True)]  # fmt: skip
    return np.stack([np.linalg.norm(b - e, axis=1) for b, e in middles], 1).astype(np.float64)


def _speaks(voice: Array) -> NDArray[np.bool_]:
    """Whether anybody speaks, from the level (T,) of each frame."""
    loud = float(np.quantile(voice, LOUD_SHARE))
    return voice > max(loud * 10 ** (-SILENT_DB / 20), SILENT_LEVEL)


def _silent_lips(opening: Array, speaks: NDArray[np.bool_], valid: NDArray[np.bool_]) -> float:
    """Median deviation from their mean opening in stretches of silence."""
    quiet = ~speaks
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(np.int8), [0]])))
    long = np.zeros(len(quiet), bool)
    for start, stop in edges.reshape(-1, 2):
        long[start:stop] = stop - start >= SILENT_FRAMES
    found = opening[long & valid]
    return float(np.median(np.abs(found - found.mean()))) if len(found) >= 2 else float("nan")


def _loudness_gap(opening: Array, voice: Array, where: NDArray[np.bool_]) -> float:
    if where.mean() < LEAST_SPEECH:
        return float("nan")
    scaled = []
    for curve in (opening[where], voice[where]):
        extent = float(np.ptp(curve))
        scaled.append((curve - curve.min()) / max(extent, 1e-8))
    return float(np.abs(scaled[0] - scaled[1]).mean())


def _detail(stretch: Stretch) -> tuple[float, float]:
    """Fine detail of mouth and face, at one size for all faces."""
    found = []
    for i in np.flatnonzero(stretch.valid)[::DETAIL_EVERY]:
        points = (stretch.landmarks[i, :468, :2] - stretch.box[i, :2]) * stretch.box[i, 2]
        left, right = stretch.landmarks[i, list(OUTER_EYE_CORNERS)] * stretch.box[i, 2]
        share = DETAIL_IOD_PX / max(float(np.linalg.norm(right - left)), 1.0)
        picture = np.asarray(
            cv2.resize(stretch.faces[i], None, fx=share, fy=share, interpolation=cv2.INTER_AREA),
            np.uint8,
        )
        points = points * share
        pad = round(MOUTH_PAD * DETAIL_IOD_PX)
        mouth = cv2.dilate(_hull(points[list(LIPS)], picture), np.ones((2 * pad + 1,) * 2))
        found.append([high_frequency_ratio(picture, mask.astype(bool))
                      for mask in (mouth, _hull(points, picture))])  # fmt: skip
    rows = np.array(found).reshape(-1, 2)
    known = np.isfinite(rows).all(1)
    return tuple(rows[known].mean(0).tolist()) if known.any() else (float("nan"),) * 2


def _hull(points: Array, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    return mask


@dataclass(frozen=True)
class Closeness:
    """score: mean of `scores`; 1 is the habits of the real set, at most 1, may be negative.
    low, high: 95% interval of the score over resampled videos, pairs kept together.
    ceiling: the mean score of random halves of the real videos against each other; NaN with
        fewer than four.
    scores: of each measure.  real, made: its means.  videos: numbers, (real, made).
    left_out: measures that one of the sets does not have.
    """

    score: float
    low: float
    high: float
    ceiling: float
    scores: Mapping[str, float]
    real: Mapping[str, float]
    made: Mapping[str, float]
    videos: tuple[int, int]
    left_out: tuple[str, ...]
    protocol: str = PROTOCOL


def closeness(
    real: Sequence[Habits], made: Sequence[Habits], *, paired: bool = False, seed: int = 0
) -> Closeness:
    """Closeness of a set of videos to a set of real ones.

    paired: the i-th made video has the speech and person of the i-th real one, which tells far
    more: people differ from each other more than most generators do from people.
    seed: of the resampling.  ValueError for an empty set, and for pairs that do not match.
    """
    if not real or not made:
        raise ValueError(f"{len(real)} real and {len(made)} made videos; give one of each at least")
    if paired and len(real) != len(made):
        raise ValueError(f"{len(real)} real and {len(made)} made videos are no pairs")
    rng = np.random.default_rng(seed)
    ours, theirs = _table(made), _table(real)
    found = _scores(_means(ours), _means(theirs))
    picks = rng.integers(len(ours), size=(RESAMPLES, len(ours)))
    others = picks if paired else rng.integers(len(theirs), size=(RESAMPLES, len(theirs)))
    drawn = np.array([
        _mean(_scores(_means(ours[pick]), _means(theirs[other])))
        for pick, other in zip(picks, others, strict=True)
    ])  # fmt: skip
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, (0.025, 0.975)).tolist() if len(drawn) else [float("nan")] * 2
    return Closeness(
        score=_mean(found),
        low=low,
        high=high,
        ceiling=_ceiling(theirs, rng),
        scores=_named(found),
        real=_named(_means(theirs)),
        made=_named(_means(ours)),
        videos=(len(real), len(made)),
        left_out=tuple(n for n, s in zip(NAMES, found, strict=True) if not np.isfinite(s)),
    )


def _table(videos: Sequence[Habits]) -> NDArray[np.float64]:
    return np.array([[getattr(video, name) for name in NAMES] for video in videos])


def _means(table: Array) -> NDArray[np.float64]:
    """Mean of each measure over the videos that have it; NaN without any."""
    known = np.isfinite(table)
    count = known.sum(0)
    return np.where(count > 0, np.where(known, table, 0).sum(0) / np.maximum(count, 1), np.nan)


def _scores(made: Array, real: Array) -> NDArray[np.float64]:
    """1 - |made - real| / |real|; NaN for what is not known or rests at 0."""
    there = np.abs(np.where(np.abs(real) > TINY, real, np.nan))
    return np.asarray(1 - np.abs(made - real) / there)


def _mean(scores: Array) -> float:
    known = scores[np.isfinite(scores)]
    return float(known.mean()) if len(known) else float("nan")


def _ceiling(table: Array, rng: np.random.Generator) -> float:
    """What real videos score against others of their set."""
    if len(table) < 4:
        return float("nan")
    found = []
    for _ in range(SPLITS):
        order = rng.permutation(len(table))
        halves = [_means(table[half]) for half in np.array_split(order, 2)]
        found.append(_mean(_scores(*halves)))
    return _mean(np.array(found))


def _named(values: Array) -> dict[str, float]:
    return dict(zip(NAMES, np.asarray(values).tolist(), strict=True))
