"""Who judges, and how their marks become scores.

    card = judge("video.mp4", portrait="photo.jpg")
    card.scores["lip_sync"].value  # 1 to 5

A judge marks axes in windows of a video; marks become one score an axis.  Beside the judge stand
the checks of `enliven.reward.checks`, which cannot be talked round.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from enliven.errors import NoFaceFound
from enliven.face.portrait import load_portrait
from enliven.metrics.watch import Frame, Progress, Stretch, watch, watch_frames
from enliven.reward.checker import Checker
from enliven.reward.checks import unknown
from enliven.reward.real import Traces, against_real
from enliven.types import MOTION_FPS, Portrait, Score, Scorecard

AXES = ("lip_sync", "expressiveness", "motion")
LOWEST, HIGHEST = 1.0, 5.0
LEAST_SHARE = 0.5  # of the time that a judge must have been able to judge
SLOWEST, FASTEST = 20.0, 65.0  # frames a second of a file between which its rate needs no remark


@dataclass(frozen=True)
class Mark:
    """What a judge thinks of one axis in a window of a video.

    start, stop: seconds.  value: 1 (bad) to 5 (as real), NaN where it could not be judged.
    why: one sentence; the reason where there is no value.
    """

    axis: str
    start: float
    stop: float
    value: float
    why: str


class Judge(Protocol):
    """Marks a stretch of a video.  name: with version and hash of all that decides a mark."""

    name: str

    def __call__(self, stretch: Stretch) -> Sequence[Mark]: ...


OF_PHOTO = ("exposure", "saturation")  # checks that only a photo can tell
NO_FACE = "no face was found in the video"

Seen = Callable[[Stretch, Sequence[Mark]], object]  # is shown each stretch with its marks


def judge(
    path: str | Path,
    *,
    portrait: Portrait | str | Path | None = None,
    reference: str | Path | None = None,
    judge: Judge | None = None,
    face: int = 1,
    progress: Progress | None = None,
    seen: Seen | None = None,
) -> Scorecard:
    """Scores a video of any tool: three axes of 1 to 5, and checks of 0 to 1.

    portrait: the photo it was made from; without it, what needs one cannot be told.
    reference: the real video of the same words, frame for frame; adds how near it comes.
    judge: who marks the axes, the critic by default.
    face: which one, by size when first seen; 1 is the largest.
    progress: called as ("watch", frames done, frames in all).
    seen: is shown each stretch with its marks, for pages and the like.

    What cannot be told, for want of a face, of sound or of a photo, is invalid and says why;
    only a file that is no video raises (BadMedia), a damaged photo (BadMedia) and a face number
    below 1 (BadOption).
    """
    marker = judge or default_judge()
    watching = watch(path, face=face, progress=progress)
    traces = Traces()

    def look(stretch: Stretch, marks: Sequence[Mark]) -> None:
        if reference is not None:
            traces.add(stretch)
        if seen:
            seen(stretch, marks)

    card = _judged(watching, marker, portrait, look)
    notes = [*_remarks(watching.faces, float(watching.info.fps), face), *watching.notes]
    if reference is not None:
        real = against_real(path, traces, reference)
        card = replace(card, scores={**card.scores, **real})
    return replace(card, notes=(*notes, *card.notes))


def judge_frames(
    frames: Iterable[Frame],
    fps: float,
    samples: NDArray[np.floating] | None,
    *,
    portrait: Portrait | None = None,
    judge: Judge | None = None,
) -> Scorecard:
    """Scores frames (H, W, 3) uint8 in memory, with samples (N,) mono at 16 kHz or None.

    Nothing is written or encoded.  Raises BadOption for an impossible fps.
    """
    stretches = watch_frames(frames, fps, samples)
    return _judged(stretches, judge or default_judge(), portrait, None)


def axis_scores(marks: Iterable[Mark]) -> dict[str, Score]:
    """One score of 1 to 5 for each of AXES.

    value: mean of the valid marks, weighted by their time.  Valid when they cover at least half
    of the time that was marked.  worst_seconds and why: of the lowest mark.
    """
    by_axis: dict[str, list[Mark]] = {axis: [] for axis in AXES}
    for mark in marks:
        by_axis[mark.axis].append(mark)
    return {axis: _score(own) for axis, own in by_axis.items()}


def _score(marks: Sequence[Mark]) -> Score:
    if not marks:
        return Score(np.nan, LOWEST, HIGHEST, valid=False, why="not judged")
    known = [mark for mark in marks if np.isfinite(mark.value)]
    seconds = {id(mark): mark.stop - mark.start for mark in marks}
    time = sum(seconds[id(mark)] for mark in known)
    if not known or time < LEAST_SHARE * sum(seconds.values()):
        unknown = next(mark for mark in marks if not np.isfinite(mark.value))
        return Score(np.nan, LOWEST, HIGHEST, valid=False, why=unknown.why)
    value = sum(mark.value * seconds[id(mark)] for mark in known) / time
    worst = min(known, key=lambda mark: (mark.value, mark.start))
    return Score(float(value), LOWEST, HIGHEST, why=worst.why,
                 worst_seconds=(worst.start, worst.stop))  # fmt: skip


def default_judge() -> Judge:
    """The judge that works anywhere: our critic.  Raises ModelUnavailable."""
    from enliven.reward.critic import CriticJudge

    return CriticJudge.load()


def _judged(
    stretches: Iterable[Stretch],
    marker: Judge,
    portrait: Portrait | str | Path | None,
    seen: Seen | None,
) -> Scorecard:
    """Everything that is told in one walk through a video."""
    photo, unfit = _photo(portrait)
    checker = Checker(photo)
    marks: list[Mark] = []
    faces = 0
    for stretch in stretches:
        made = marker(stretch)
        marks += made
        checker.add(stretch)
        faces += int(stretch.valid.sum())
        if seen:
            seen(stretch, made)
    scores = axis_scores(marks)
    held = checker.scores()
    if not faces:
        scores = {axis: replace(score, why=NO_FACE) for axis, score in scores.items()}
        held = {name: score if name == "face" else unknown(NO_FACE)
                for name, score in held.items()}  # fmt: skip
    elif unfit:
        held = {name: replace(score, why=unfit) if name in OF_PHOTO else score
                for name, score in held.items()}  # fmt: skip
    return Scorecard({**scores, **held}, marker.name, (unfit,) if unfit else ())


def _photo(portrait: Portrait | str | Path | None) -> tuple[Portrait | None, str]:
    """The photo to hold a video against, or why it does not serve.  Raises BadMedia."""
    if portrait is None or isinstance(portrait, Portrait):
        return portrait, ""
    try:
        return load_portrait(portrait), ""
    except NoFaceFound as error:
        return None, f"the video cannot be held against the photo: {error}"


def _remarks(faces: int, fps: float, face: int) -> list[str]:
    """What a reader should know of a video before its scores."""
    notes = []
    if 0 < faces < face:
        notes.append(f"face {face} was asked for, but the video shows "
                     f"{'one' if faces == 1 else faces}; faces are numbered by size, 1 is the "
                     "largest")  # fmt: skip
    elif faces > 1:
        which = "the largest" if face == 1 else f"number {face} by size"
        notes.append(f"the video shows {faces} faces; {which} is judged, --face N takes another")
    if not SLOWEST <= fps <= FASTEST:
        notes.append(f"the video has {fps:g} frames a second; it is judged at {MOTION_FPS:g}")
    return notes
