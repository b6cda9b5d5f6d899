"""Real people, and what different systems make of their photo and voice, as the judge sees it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from judge_clips import SYSTEMS, Case, cases, watched
from numpy.typing import NDArray

from enliven.metrics.lips import LipMeasures, correlation, measure_shape
from enliven.metrics.motion import turning_speed
from enliven.metrics.sync import agreement, load_meter
from enliven.metrics.watch import Stretch
from enliven.reward.checker import Checker
from enliven.reward.checks import NAMES as CHECKS
from enliven.reward.compose import composite, preset
from enliven.reward.judge import AXES, axis_scores, default_judge
from enliven.types import MOTION_FPS, Scorecard

SEED = 0


@dataclass(frozen=True)
class Seen:
    """A video of a system: its scorecard, and measures that no score was made from."""

    card: Scorecard
    measures: Mapping[str, float]


def judged(case: Case, stretches: Sequence[Stretch]) -> Scorecard:
    """What `enliven.judge` says of a video that was watched, against the photo of its case."""
    judge, checker = default_judge(), Checker(case.scene.portrait)
    marks = [mark for stretch in stretches for mark in judge(stretch)]
    for stretch in stretches:
        checker.add(stretch)
    return Scorecard({**axis_scores(marks), **checker.scores()}, judge.name)


def independent(stretch: Stretch, real: Stretch) -> dict[str, float]:
    """Measures that neither critic nor checks are made from.

    meter: agreement of lips and voice by the meter that is held out.  lips: correlation of the
    opening with the real person's.  face: how near the range of brows, lids and mouth comes to
    the real person's, and head: of its speed; -|ln ratio|, 0 is alike.
    """
    lips, own = measure_shape(stretch.shapes), measure_shape(real.shapes)
    expected = load_meter().expect(stretch.voice, len(stretch))
    count = min(len(stretch), len(real))
    return {
        "meter": agreement(expected, LipMeasures(**vars(lips))).here,
        "lips": correlation(lips.aperture[:count], own.aperture[:count]),
        "face": near(_face_range(stretch), _face_range(real)),
        "head": near(_head_speed(stretch), _head_speed(real)),
    }


def near(value: float, real: float) -> float:
    return -abs(float(np.log(max(value, 1e-4) / max(real, 1e-4))))


def _face_range(stretch: Stretch) -> float:
    """Deviation of all points of the face in head axes, but those of the outline, IOD."""
    return float(np.nanmean(np.nanstd(stretch.shapes[:, :468:3, :2], 0)))


def _head_speed(stretch: Stretch) -> float:
    """Mean speed of the head's rotation, degrees a second."""
    if stretch.motion is None:
        return 0.0
    return float(turning_speed(stretch.motion.group("head"), MOTION_FPS).mean())


def everything(data: Path, cache: Path | None) -> dict[str, dict[str, Seen]]:
    """system -> case -> what was seen of it."""
    found: dict[str, dict[str, Seen]] = {name: {} for name in SYSTEMS}
    for case in cases(data):
        real = watched(case.footage, cache)[0]
        for name, make in SYSTEMS.items():
            stretches = watched(make(case), cache)
            measures = independent(stretches[0], real)
            found[name][case.name] = Seen(judged(case, stretches), measures)
    return found


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95% of the means of 2000 draws with replacement."""
    rng = np.random.default_rng(SEED)
    means = rng.choice(values, (2000, len(values))).mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def scores(seen: Mapping[str, Seen], name: str) -> NDArray[np.float64]:
    """Valid values of a score."""
    every = [one.card.scores[name] for one in seen.values()]
    return np.array([score.value for score in every if score.valid])


def _cell(values: NDArray[np.float64]) -> str:
    if not len(values):
        return "-".center(18)
    low, high = interval(values)
    return f"{values.mean():5.2f} [{low:.2f} {high:.2f}]".ljust(18)


def systems_table(data: Path, cache: Path | None) -> None:
    found = everything(data, cache)
    reward = preset("flowportrait")
    print(f"{len(found['real'])} clips of people never met; mean and 95% interval")
    print(" " * 16 + "".join(axis.ljust(18) for axis in AXES) + "composite         gates and "
          "checks below the limit in more than one clip")  # fmt: skip
    for system, seen in found.items():
        whole = np.array([composite(reward, one.card) for one in seen.values()])
        low = {name: int((scores(seen, name) < 0.5).sum()) for name in CHECKS}
        failing = ", ".join(f"{name} {count}" for name, count in low.items() if count > 1)
        cells = "".join(_cell(scores(seen, axis)) for axis in AXES)
        print(f"{system:14s}  {cells}{_cell(whole[np.isfinite(whole)])}{failing}")
    print("\nclips in which the real video scores above the other")
    for system in list(found)[1:]:
        shares = [_beaten(found["real"], found[system], lambda c, a=axis: c.scores[a].value)
                  for axis in AXES]  # fmt: skip
        whole_share = _beaten(found["real"], found[system], lambda c: composite(reward, c))
        print(f"{system:14s}  " + "  ".join(f"{a} {s}" for a, s in zip(AXES, shares, strict=True))
              + f"  composite {whole_share}")  # fmt: skip


def _beaten(real: Mapping[str, Seen], other: Mapping[str, Seen],
            value: Callable[[Scorecard], float]) -> str:  # fmt: skip
    pairs = [(value(real[name].card), value(other[name].card)) for name in real]
    told = [(a, b) for a, b in pairs if np.isfinite(a) and np.isfinite(b)]
    return f"{sum(a > b for a, b in told)}/{len(told)}"


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0, the mean rank for equal values."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count + 1) / 2)[inverse]


def agreement_table(data: Path, cache: Path | None) -> None:
    found = everything(data, cache)
    every = [one for seen in found.values() for one in seen.values()]
    names = list(every[0].measures)
    print(f"rank correlation (Spearman) of the axes with measures they were not made from, over "
          f"{len(every)} videos of {len(found)} systems")  # fmt: skip
    print(" " * 16 + "  ".join(name.rjust(8) for name in names))
    for axis in AXES:
        row = []
        for name in names:
            told = [one for one in every if one.card.scores[axis].valid]
            pairs = [(one.card.scores[axis].value, one.measures[name]) for one in told
                     if np.isfinite(one.measures[name])]  # fmt: skip
            a, b = np.array(pairs).T
            row.append(correlation(ranks(a), ranks(b)))
        print(f"{axis:14s}  " + "  ".join(f"{r:8.2f}" for r in row))
