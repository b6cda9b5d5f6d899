"""Systems compared: folders of videos of the same clips, each judged, clip by clip.

found = evaluate(["ours", "theirs"], portraits="photos")
found.comparisons()[0].axes["lip_sync"].p
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadMedia, BadOption
from enliven.metrics.closeness import Closeness, closeness
from enliven.reward.card import as_json
from enliven.reward.judge import AXES, Judge, default_judge, judge
from enliven.reward.mllm import MLLMJudge
from enliven.reward.record import Recorder
from enliven.reward.shelf import Judged, key, put, shelf, taken
from enliven.reward.statistics import SEED, Estimate, Paired, estimate, holm, paired

VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".gif")
PHOTOS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif")
Progress = Callable[[str, int, int], object]  # what is judged, videos done, videos in all


@dataclass(frozen=True)
class Comparison:
    """Two systems on the clips that both have.

    axes: of each axis; corrected: p of each axis after Holm, over the axes of this comparison.
    checks: difference of each check, without a test: they are looked at, not decided upon.
    """

    first: str
    second: str
    axes: Mapping[str, Paired]
    corrected: Mapping[str, float]
    checks: Mapping[str, Paired]


@dataclass(frozen=True)
class Evaluation:
    """What came of an evaluation.

    systems: names, in the order given.  clips: names of all clips, sorted.
    judged: by (system, clip); left_out: (system, clip, reason) of those that are not there.
    judge: who judged.  real: name of the real videos among the systems, "" without.
    """

    systems: tuple[str, ...]
    clips: tuple[str, ...]
    judged: Mapping[tuple[str, str], Judged]
    left_out: tuple[tuple[str, str, str], ...]
    judge: str
    seed: int = SEED
    real: str = ""

    def closeness(self, system: str) -> Closeness | None:
        """How near its speakers come to the real ones of the same clips; None without any."""
        judged = set(self.judged)
        both = [clip for clip in self.clips if {(self.real, clip), (system, clip)} <= judged]
        if not both:
            return None
        real, made = ([self.judged[name, clip].record.habits for clip in both]
                      for name in (self.real, system))  # fmt: skip
        return closeness(real, made, paired=True, seed=self.seed)

    def names(self) -> list[str]:
        """Scores that some video has, axes first."""
        seen = dict.fromkeys(name for one in self.judged.values() for name in one.card.scores)
        return [*AXES, *(name for name in seen if name not in AXES)]

    def values(self, system: str, score: str) -> NDArray[np.float64]:
        """A score of every clip, (clips,); NaN where it is missing or not valid."""
        found = []
        for clip in self.clips:
            one = self.judged.get((system, clip))
            held = one.card.scores.get(score) if one else None
            found.append(held.value if held and held.valid else math.nan)
        return np.array(found, np.float64)

    def mean(self, system: str, score: str) -> Estimate:
        """Mean over the clips of a system, and its interval, within the range of the score."""
        found = estimate(self.values(system, score), self.seed)
        held = next(one.card.scores[score] for one in self.judged.values()
                    if score in one.card.scores)  # fmt: skip
        low, high = np.clip((found.low, found.high), held.low, held.high)
        return replace(found, low=float(low), high=float(high))

    def comparisons(self) -> list[Comparison]:
        """Every two systems."""
        checks = [name for name in self.names() if name not in AXES]
        pairs = list(combinations(self.systems, 2))
        found = [{name: paired(self.values(a, name), self.values(b, name), self.seed)
                  for name in (*AXES, *checks)} for a, b in pairs]  # fmt: skip
        return [Comparison(a, b, {axis: one[axis] for axis in AXES},
                           dict(zip(AXES, holm([one[axis].p for axis in AXES]), strict=True)),
                           {name: one[name] for name in checks})
                for (a, b), one in zip(pairs, found, strict=True)]  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """Everything but pictures, as one object; see docs/judge.md."""
        return {
            "judge": self.judge, "systems": list(self.systems), "clips": list(self.clips),
            "means": {system: {name: _estimate(self.mean(system, name)) for name in self.names()}
                      for system in self.systems},
            "closeness": {system: _closeness(self.closeness(system)) for system in self.systems},
            "comparisons": [
                {"first": one.first, "second": one.second,
                 "axes": {axis: {**_paired(found), "p_holm": _number(one.corrected[axis])}
                          for axis, found in one.axes.items()},
                 "checks": {name: _paired(found) for name, found in one.checks.items()}}
                for one in self.comparisons()],
            "left_out": [{"system": system, "clip": clip, "why": why}
                         for system, clip, why in self.left_out],
            "scorecards": {system: {clip: as_json(self.judged[system, clip].card)
                                    for clip in self.clips if (system, clip) in self.judged}
                           for system in self.systems},
        }  # fmt: skip


def evaluate(
    folders: Sequence[str | Path],
    *,
    portraits: str | Path | None = None,
    real: str | Path | None = None,
    judge: Judge | None = None,
    seed: int = SEED,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judges every video of every folder; a folder is a system, a file's name without its
    ending is the clip.

    portraits: folder of the photos, named as the clips.  real: folder of the real videos of the
    same clips; it is judged as one more system, the first, and every video is held against it.
    judge: the critic by default.  seed: of intervals and tests.
    cache: folder of scorecards made before, by default in the user's cache: a second run judges
    only what is new, and a run that was stopped goes on.
    progress: called as (video, videos done, videos in all) before each and at the end.

    A video that cannot be read is left out, with the reason.  Raises BadOption without videos,
    and for two videos of one name in a folder.
    """
    marker = judge or default_judge()
    given = [*([Path(real)] if real else []), *map(Path, folders)]
    systems = dict(zip(system_names(given), (media_by_stem(f, VIDEOS) for f in given), strict=True))
    photos = media_by_stem(Path(portraits), PHOTOS) if portraits else {}
    truths = media_by_stem(Path(real), VIDEOS) if real else {}
    clips = tuple(sorted({stem for own in systems.values() for stem in own}))
    folder = Path(cache) if cache else shelf()
    judged: dict[tuple[str, str], Judged] = {}
    left_out: list[tuple[str, str, str]] = []
    work = [(system, clip) for clip in clips for system in systems]
    for done, (system, clip) in enumerate(work):
        path = systems[system].get(clip)
        if path is None:
            left_out.append((system, clip, "missing"))
            continue
        if progress:
            progress(f"{system}/{clip}", done, len(work))
        truth = truths.get(clip) if truths.get(clip) != path else None
        try:
            judged[system, clip] = judged_once(path, photos.get(clip), truth, marker, folder)
        except BadMedia as error:
            left_out.append((system, clip, str(error)))
    if progress:
        progress("done", len(work), len(work))
    return Evaluation(tuple(systems), clips, judged, tuple(left_out), marker.name, seed,
                      next(iter(systems)) if real else "")  # fmt: skip


def judged_once(
    path: Path, portrait: Path | None, real: Path | None, marker: Judge, folder: Path
) -> Judged:
    """The scorecard of a video, from the shelf if it is there.  Raises BadMedia."""
    try:
        name = key((path, portrait, real), marker.name)
    except OSError as error:
        raise BadMedia(f"{error.filename} cannot be read: {error.strerror}") from error
    if held := taken(folder, name):
        return held
    recorder = Recorder()
    unsettled = marker.unsettled if isinstance(marker, MLLMJudge) else 0
    card = judge(path, portrait=portrait, reference=real, judge=marker, seen=recorder.add)
    made = Judged(card, recorder.record())
    # where a server failed to answer it may do better the next time
    if not isinstance(marker, MLLMJudge) or marker.unsettled == unsettled:
        put(folder, name, made)
    return made


def media_by_stem(folder: Path, endings: Sequence[str]) -> dict[str, Path]:
    """Files of a folder by their name without ending.  Raises BadOption."""
    if not folder.is_dir():
        raise BadOption(f"{folder} is not a folder; give a folder of files named after the clips")
    files = sorted(p for p in folder.iterdir()
                   if p.suffix.lower() in endings and not p.name.startswith("."))  # fmt: skip
    twice = [stem for stem, count in Counter(p.stem for p in files).items() if count > 1]
    if twice:
        raise BadOption(f"{folder} has several files named {twice[0]}; keep one for each clip")
    if not files:
        raise BadOption(f"{folder} holds no file that ends in {', '.join(endings)}")
    return {p.stem: p for p in files}


def system_names(folders: Sequence[Path]) -> list[str]:
    """The last parts of the paths, as many as tell them apart.  Raises BadOption."""
    if not folders:
        raise BadOption("name at least one folder of videos: enliven evaluate A/ B/")
    whole = [folder.resolve().parts for folder in folders]
    if len(set(whole)) < len(whole):
        raise BadOption("a folder is named twice; name each system's folder once")
    deepest = max(len(parts) for parts in whole)
    for count in range(1, deepest + 1):
        names = ["/".join(parts[-count:]) for parts in whole]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def _estimate(found: Estimate) -> dict[str, Any]:
    return {"mean": _number(found.mean), "low": _number(found.low), "high": _number(found.high),
            "count": found.count}  # fmt: skip


def _closeness(found: Closeness | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {**{name: _number(getattr(found, name)) for name in ("score", "low", "high", "ceiling")},
            "scores": {name: _number(value) for name, value in found.scores.items()},
            "protocol": found.protocol}  # fmt: skip


def _paired(found: Paired) -> dict[str, Any]:
    return {"difference": _estimate(found.difference), "p": _number(found.p),
            "wins": _number(found.wins)}  # fmt: skip


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
