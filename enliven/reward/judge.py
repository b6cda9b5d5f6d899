"""Who judges, and how their marks become scores.

    card = judge("video.mp4", portrait="photo.jpg")
    card.scores["lip_sync"].value  # 1 to 5

A judge marks axes in windows of a video; marks become one score an axis.  Beside the judge stand
the checks of `enliven.reward.checks`, which cannot be talked round.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from enliven.metrics.watch import Stretch
from enliven.types import Score

AXES = ("lip_sync", "expressiveness", "motion")
LOWEST, HIGHEST = 1.0, 5.0
LEAST_SHARE = 0.5  # of the time that a judge must have been able to judge


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
