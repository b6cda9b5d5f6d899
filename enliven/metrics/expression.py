"""Expressions of a set of videos against real ones, and of a video against its own original.

`expression_distance` is E-FID in kind: the Frechet distance of expression coefficients, frame by
frame (Tian et al. 2024, "EMO", on the coefficients of a 3D morphable model of the face).  Ours are
the coefficients of enliven's own tracker, so its numbers do not compare with published ones, only
with each other.  `landmark_distance` needs the true video of the same speech and person.
Rewards use neither.

T frames at 25 fps, E coefficients.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enliven.geometry import OUTER_EYE_CORNERS
from enliven.metrics.frechet import Moments, frechet_of_moments
from enliven.metrics.watch import Stretch
from enliven.types import EXPRESSION, INDEX

Array = NDArray[np.floating]

# where the eyes look is no expression, and the tracker does not see the tongue
EXPRESSIVE = tuple(n for n in EXPRESSION if not n.startswith("eyeLook") and n != "tongueOut")
COLUMNS = [INDEX[name] for name in EXPRESSIVE]
FACE = slice(0, 468)  # without the irises
LIPS = (
    0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181,
    185, 191, 267, 269, 270, 291, 308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405,
    409, 415,
)  # fmt: skip
SPLITS = 8  # of the real videos into halves
FEWEST = 4  # real videos from which halves tell anything

PROTOCOL = (
    f"expression 1: {len(EXPRESSIVE)} ARKit coefficients of enliven's tracker (not a 3DMM), every "
    "frame with a face at 25 fps, unscaled"
)
PAIRED_PROTOCOL = (
    "landmarks 1: 478-point mesh of enliven's tracker, 25 fps, frames matched by number, no "
    "warping in time; lengths over the eye distance of the reference frame"
)


def expressions(stretches: Iterable[Stretch]) -> NDArray[np.float32]:
    """Coefficients (T, E), 0 to 1, of the frames of a video that show the face."""
    rows = [s.motion.values[s.valid][:, COLUMNS] for s in stretches if s.motion is not None]
    return np.concatenate(rows) if rows else np.zeros((0, len(EXPRESSIVE)), np.float32)


@dataclass(frozen=True)
class ExpressionDistance:
    """value: 0 or more, lower is nearer; NaN with fewer than two frames on a side.
    level: the mean distance of random halves of the real videos from each other, which no
        generator can be asked to beat; NaN with fewer than four.
    chance: what as many independent frames give; neighbouring frames are not independent, so
        `level` is the one to go by.
    frames, videos: numbers, (real, made).  enough: more frames than coefficients on both sides.
    """

    value: float
    level: float
    chance: float
    frames: tuple[int, int]
    videos: tuple[int, int]
    enough: bool
    protocol: str = PROTOCOL


def expression_distance(
    real: Sequence[Array], made: Sequence[Array], *, seed: int = 0
) -> ExpressionDistance:
    """Distance of two sets of videos, each video (T, E) as `expressions` gives it.

    seed: of the halves.  ValueError when E differs or values are not finite.
    """
    both = [_moments(videos) for videos in (real, made)]
    found = frechet_of_moments(*both)
    return ExpressionDistance(
        value=found.value,
        level=_level(real, np.random.default_rng(seed)),
        chance=found.chance,
        frames=(both[0].count, both[1].count),
        videos=(len(real), len(made)),
        enough=found.enough,
    )


def _moments(videos: Iterable[Array]) -> Moments:
    moments = Moments()
    for rows in videos:
        moments.add(rows)
    return moments


def _level(videos: Sequence[Array], rng: np.random.Generator) -> float:
    if len(videos) < FEWEST:
        return float("nan")
    found = []
    for _ in range(SPLITS):
        order = rng.permutation(len(videos))
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        moments = [_moments(videos[i] for i in half) for half in halves]
        found.append(frechet_of_moments(*moments).value)
    return float(np.mean(found))


@dataclass(frozen=True)
class LandmarkDistance:
    """How far a face is from that of the reference; all 0 or more, lower is nearer, NaN when no
    frame shows both.

    akd: average keypoint distance over the 468 points of the face, image plane, IOD.
    akd_256: the same in px of a picture whose longer side is 256 px.
    lmd: landmark distance over the 40 points of the lips, each mouth about its own middle,
        image plane, IOD.
    lips: of the lips in head axes, freed of pose and size, IOD.
    expression: mean absolute difference of the coefficients, 0 to 1.
    frames: how many show both faces.  lost: how many do not.
    """

    akd: float
    akd_256: float
    lmd: float
    lips: float
    expression: float
    frames: int
    lost: int
    protocol: str = PAIRED_PROTOCOL
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Look:
    """A frame: landmarks and shape (478, 3), coefficients (E,), longer side px."""

    landmarks: Array
    shape: Array
    expression: Array
    longer: int


def _looks(stretches: Iterable[Stretch]) -> Iterator[_Look | None]:
    """Each frame; None where it shows no face."""
    for stretch in stretches:
        for i, seen in enumerate(stretch.valid):
            if not seen or stretch.motion is None:
                yield None
                continue
            yield _Look(stretch.landmarks[i].astype(np.float64), stretch.shapes[i],
                        stretch.motion.values[i, COLUMNS], max(stretch.size))  # fmt: skip


def landmark_distance(reference: Iterable[Stretch], made: Iterable[Stretch]) -> LandmarkDistance:
    """Distance of a video from the true one, frame by frame; of unequal lengths the shorter
    counts.  Both are walked once and nothing but sums is kept."""
    rows, lost, notes = [], 0, []
    left, right = _looks(reference), _looks(made)
    end = object()
    while (a := next(left, end)) is not end and (b := next(right, end)) is not end:
        if isinstance(a, _Look) and isinstance(b, _Look):
            rows.append(_apart(a, b))
        else:
            lost += 1
    if (a is end) != (next(right, end) is end):
        notes.append("one video is longer; its end was left out")
    if not rows:
        notes.append("no frame shows both faces")
    akd, akd_256, lmd, lips, expression = (
        np.mean(rows, axis=0).tolist() if rows else [float("nan")] * 5
    )
    return LandmarkDistance(
        akd, akd_256, lmd, lips, expression, len(rows), lost, notes=tuple(notes)
    )


def _apart(reference: _Look, made: _Look) -> tuple[float, float, float, float, float]:
    left, right = (reference.landmarks[k] for k in OUTER_EYE_CORNERS)
    # in 3-D: a turned head has its eyes as far apart as ever
    iod = max(float(np.linalg.norm(right - left)), 1e-6)
    face = float(_gap(reference.landmarks[FACE, :2], made.landmarks[FACE, :2]))
    mouths = [look.landmarks[list(LIPS), :2] for look in (reference, made)]
    centred = [mouth - mouth.mean(0) for mouth in mouths]
    shapes = [look.shape[list(LIPS)] for look in (reference, made)]
    return (
        face / iod,
        face * 256 / reference.longer,
        _gap(*centred) / iod,
        _gap(*shapes),
        float(np.abs(reference.expression - made.expression).mean()),
    )


def _gap(one: Array, other: Array) -> float:
    """Mean distance of points (n, d)."""
    return float(np.linalg.norm(one - other, axis=1).mean())
