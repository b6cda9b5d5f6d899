"""How well a judge puts corrupted copies of real videos in order.

    python benchmarks/judge_ladders.py VIDEO ... [--seconds 2.5] [--cache FOLDER]

    rows = ladder_rows(judge, videos, cache=folder)     # one row a video, ladder and step
    ordering(rows), separation(rows), above_copies(rows), detection(rows, "jitter", "motion")

Each video is cut to some seconds, each ladder of `enliven.reward.ladders` applied, and every copy
watched as any video would be, face tracking and all.  Copies are kept in the cache, so that another
judge need not watch them again.  Give it people the judge was not trained on.
"""

import argparse
import hashlib
import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from enliven.face.portrait import load_portrait
from enliven.media.audio import SPEECH_RATE, read_speech
from enliven.media.video import read_frames
from enliven.metrics.watch import CONTEXT, Stretch, watch_frames
from enliven.reward.acting import acting_marks
from enliven.reward.corruption import Footage, head_place
from enliven.reward.judge import AXES, Mark, axis_scores
from enliven.reward.ladders import ACTED_LADDERS, FRAME_LADDERS, SOUND_LADDERS, Ladder, Scene

Judging = Callable[[Stretch], Sequence[Mark]]

JUDGED = (*SOUND_LADDERS, *FRAME_LADDERS, *ACTED_LADDERS)
FINER = {  # amounts between which the smallest that is noticed lies
    "jitter": (0.15, 0.25, 0.4), "damped": (0.85, 0.7), "damped face": (0.85, 0.7),
    "flicker": (0.005, 0.01, 0.02), "sound late": (1, 2, 4, 5), "sound early": (1, 2, 4, 5),
}  # fmt: skip
LEAST_LOST = 0.2  # marks an axis must lose by a whole ladder before others are held against it


@dataclass(frozen=True)
class Row:
    """scores: mark of each axis, NaN where it could not be judged.  place: of the step on its
    ladder, 0 for none; -1 for a finer amount between steps."""

    video: str
    ladder: str
    step: float
    place: int
    scores: dict[str, float]


def ladder_rows(
    judge: Judging, videos: Iterable[Path], *, ladders: Sequence[Ladder] = JUDGED,
    finer: bool = False, seconds: float = 2.5, start: float = 0.5, cache: Path | None = None,
    other: Path | None = None,
) -> list[Row]:  # fmt: skip
    """What a judge says of every step of every ladder.

    finer: the amounts of FINER too, for `detection`.  start: second at which the cut begins.
    other: a recording of somebody else, for the ladder that swaps the sound; the voice of the
    video before by default.
    """
    rows: list[Row] = []
    videos = list(videos)
    for i, path in enumerate(videos):
        strange = read_speech(other or videos[i - 1]).samples
        copies = _Copies(path, start, seconds, cache, strange)
        for ladder in ladders:
            amounts = [(step, k) for k, step in enumerate(ladder.steps)]
            amounts += [(x, -1) for x in FINER.get(ladder.name, ()) if finer]
            for step, place in amounts:
                marks = [mark for stretch in copies.of(ladder, step) for mark in judge(stretch)]
                known = {axis: s.value if s.valid else float("nan")
                         for axis, s in axis_scores(marks).items()}  # fmt: skip
                rows.append(Row(path.stem, ladder.name, float(step), place, known))
    return rows


class _Copies:
    """Corrupted copies of one video, watched once each."""

    def __init__(
        self, path: Path, start: float, seconds: float, cache: Path | None, strange: np.ndarray
    ) -> None:
        self._path, self._cut, self._cache, self._strange = path, (start, seconds), cache, strange
        self._scene: Scene | None = None

    def of(self, ladder: Ladder, step: float) -> list[Stretch]:
        """The stretches of a copy; sounds are exchanged without watching again."""
        if ladder in SOUND_LADDERS:
            changed = ladder.apply(step, self.scene())
            samples = changed.samples
            return [_with_sound(s, samples) for s in self.clean()]
        untouched = step == ladder.steps[0]
        if untouched and not ladder.acted:
            return self.clean()
        # all ladders that act begin with the same performance
        name = "acted" if untouched else f"{ladder.name}-{step:g}"
        return self._kept(name, lambda: ladder.apply(step, self.scene()))

    def clean(self) -> list[Stretch]:
        return self._kept("clean", self._footage)

    def _footage(self) -> Footage:
        start, seconds = self._cut
        clip = read_frames(self._path, 25)
        first, count = round(start * 25), round(seconds * 25)
        frames = [f for i, f in zip(range(first + count), clip.frames, strict=False) if i >= first]
        samples = read_speech(self._path).samples[first * 640 : (first + len(frames)) * 640]
        return Footage(np.stack(frames), 25.0, samples)

    def scene(self) -> Scene:
        """The clip with all that ladders need to know."""
        if self._scene is None:
            footage, clean = self._footage(), self.clean()[0]
            self._scene = Scene(
                footage, head_place(clean.landmarks, clean.valid), self._strange,
                load_portrait(footage.frames[0]), clean.motion,
            )  # fmt: skip
        return self._scene

    def _kept(self, name: str, make: Callable[[], Footage]) -> list[Stretch]:
        if self._cache is None:
            return _watched(make())
        code = hashlib.sha256(f"{self._path.resolve()} {self._cut} {name}".encode()).hexdigest()
        file = self._cache / f"{self._path.stem}-{name}-{code[:8]}.pkl"
        if file.is_file():
            return pickle.loads(file.read_bytes())
        stretches = _watched(make())
        self._cache.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pickle.dumps(stretches))
        return stretches


def _watched(footage: Footage) -> list[Stretch]:
    return list(watch_frames(footage.frames, footage.fps, footage.samples))


def _with_sound(stretch: Stretch, samples: np.ndarray | None) -> Stretch:
    if samples is None:
        return stretch
    padded = np.zeros_like(stretch.samples)
    first = round(stretch.start * SPEECH_RATE)
    low, high = max(0, first - CONTEXT), min(len(samples), first - CONTEXT + len(padded))
    padded[low - first + CONTEXT : high - first + CONTEXT] = samples[low:high]
    return replace(stretch, samples=padded)


def courses(rows: Sequence[Row], axis: str) -> dict[tuple[str, str], np.ndarray]:
    """Scores of an axis down each ladder, by video and ladder."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for row in rows:
        if row.place >= 0:
            found.setdefault((row.video, row.ladder), {})[row.place] = row.scores[axis]
    return {key: np.array([steps[k] for k in sorted(steps)]) for key, steps in found.items()}


def _named(name: str) -> Ladder:
    return next(ladder for ladder in JUDGED if ladder.name == name)


def ordering(rows: Sequence[Row]) -> dict[tuple[str, str], tuple[int, int]]:
    """(neighbours in the right order, neighbours) by ladder and the axis it should move most.

    A step that cannot be judged counts as out of order.
    """
    counted: dict[tuple[str, str], tuple[int, int]] = {}
    for axis in AXES:
        for (_, name), scores in courses(rows, axis).items():
            if _named(name).axes[0] != axis:
                continue
            right, of = counted.get((name, axis), (0, 0))
            with np.errstate(invalid="ignore"):
                right += int((scores[:-1] > scores[1:]).sum())
            counted[name, axis] = right, of + len(scores) - 1
    return counted


def separation(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Mean change of each axis from no corruption to the worst step, by ladder."""
    changes: dict[str, dict[str, float]] = {}
    for axis in AXES:
        by_ladder: dict[str, list[float]] = {}
        for (_, name), scores in courses(rows, axis).items():
            by_ladder.setdefault(name, []).append(float(scores[-1] - scores[0]))
        for name, values in by_ladder.items():
            known = [value for value in values if np.isfinite(value)]
            changes.setdefault(name, {})[axis] = float(np.mean(known)) if known else float("nan")
    return changes


def leakage(changes: dict[str, dict[str, float]]) -> dict[str, float]:
    """Largest change of an axis that should rest, over that of the axis that should move; by
    ladder, only where one alone should."""
    shares = {}
    for name, moved in changes.items():
        axes = _named(name).axes
        own = moved[axes[0]]
        if len(axes) == 1 and abs(own) > LEAST_LOST:
            others = [abs(moved[axis]) for axis in AXES
                      if axis != axes[0] and np.isfinite(moved[axis])]  # fmt: skip
            shares[name] = max(others, default=0.0) / abs(own)
    return shares


def above_copies(rows: Sequence[Row]) -> dict[str, tuple[int, int]]:
    """(copies marked below the original, copies) by axis, over the axes that should fall."""
    counted = {}
    for axis in AXES:
        right = of = 0
        for (_, name), scores in courses(rows, axis).items():
            if _named(name).axes[0] == axis:
                right += int((scores[1:] < scores[0]).sum())
                of += len(scores) - 1
        counted[axis] = right, of
    return counted


def detection(rows: Sequence[Row], name: str, axis: str) -> dict[float, float]:
    """Share of videos whose mark falls at an amount, by amount, the finer ones too."""
    found: dict[float, list[bool]] = {}
    none = {row.video: row.scores[axis] for row in rows if row.ladder == name and row.place == 0}
    for row in rows:
        if row.ladder == name and row.place != 0:
            found.setdefault(row.step, []).append(row.scores[axis] < none[row.video])
    return {step: float(np.mean(lower)) for step, lower in sorted(found.items())}


def report(rows: Sequence[Row]) -> str:
    """All of it as lines of text."""
    lines = ["ladder                axis            in order   change: lips, face, motion"]
    changes, orders = separation(rows), ordering(rows)
    for (name, axis), (right, of) in orders.items():
        moved = "  ".join(f"{changes[name][each]:+.2f}" for each in AXES)
        lines.append(f"{name:20s}  {axis:14s} {right:4d} / {of:<4d}   {moved}")
    for axis in AXES:
        right, of = np.sum([v for (_, a), v in orders.items() if a == axis] or [(0, 0)], axis=0)
        above = above_copies(rows)[axis]
        lines.append(f"{axis}: {right} of {of} neighbours in order, "
                     f"{above[0]} of {above[1]} copies below their original")  # fmt: skip
    lines += [f"{name}: others move by {share:.2f} of it"
              for name, share in leakage(changes).items()]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="expressiveness and motion on ladders")
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=2.5)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    ladders = [ladder for ladder in JUDGED if ladder.axes[0] != "lip_sync"]
    rows = ladder_rows(acting_marks, options.videos, ladders=ladders, seconds=options.seconds,
                       cache=options.cache, finer=True)  # fmt: skip
    print(report(rows))
    for name, axis in (("jitter", "motion"), ("damped face", "expressiveness")):
        print(name, {step: round(share, 2) for step, share in detection(rows, name, axis).items()})


if __name__ == "__main__":
    main()
