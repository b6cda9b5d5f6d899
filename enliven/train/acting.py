"""Learns what the judge of expressiveness and motion fines, in a minute besides tracking:

    python -m enliven.train.acting --data CLIPS --out enliven/models/acting.npz

CLIPS holds one folder a speaker with talking-face videos of real people.  From them performances
are drawn, livelier ones too, and from each the ladders of `acting_ladders`.  Weights of the fines
(`enliven.reward.acting`), none of them below 0, are then found that put every ladder in order
(Bradley & Terry 1952, "Rank analysis of incomplete block designs"), real performances near
REAL and worst steps near what they deserve, and keep an axis still while another is corrupted.

Legend: N clips judged, W windows, K fines.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enliven.metrics.watch import watch
from enliven.reward.acting import ACTING_AXES, OCTAVE, Fines
from enliven.reward.acting_measures import EPSILON, NAMES, Curves, curves_of, measure_curves
from enliven.reward.judge import HIGHEST, LOWEST
from enliven.train.acting_ladders import Rungs, ladders, performances, there_and_back

Array = NDArray[np.float64]

VIDEO = {".mp4", ".mpg", ".mov", ".mkv", ".webm", ".avi"}
REAL = 4.5  # mark of a real performance
APART, SOFT = 0.35, 0.12  # marks by which neighbouring steps should differ, and how strictly
STILL = 4.0  # weight of another axis staying where it was
ANCHOR = 2.0
SMALL, SMOOTH = 0.001, 0.02  # of the squared weights, and of their squared change knot by knot
EACH = 4  # performances of a clip
ROUNDS, RATE = 3000, 0.02

# Measures of each axis: fined where there is less, where there is more.
LESS = {"expressiveness": ("brows", "eyes", "cheeks", "gaze", "aperture", "width", "shapes",
                           "reach", "quick"),
        "motion": ("turn", "speed")}  # fmt: skip
MORE = {"expressiveness": ("brows", "cheeks", "aperture", "width", "shapes", "widest", "ends",
                           "reach", "quick"),
        "motion": ("sway", "speed", "pace", "fastest", "shake", "twist", "rigid_noise",
                   "face_noise", "repeated", "still", "held", "leap", "light", "tint",
                   "drift_colour", "drift_detail", "drift_shape")}  # fmt: skip


# More than this people were seen to do: no fine begins below.  The head: mostly slower than 1.8 Hz
# (Hadar et al. 1983, "Kinematics of head movements accompanying speech").  Repeats: films of 24
# frames a second at 25 or 30.  All else: lively people filmed anywhere, of whom half were looked
# at for these limits and none was trained on (models/acting.md).
PEOPLE_DO = {
    "pace": 1.8, "speed": 45.0, "fastest": 110.0, "sway": 0.11,
    "repeated": 0.24, "still": 0.24, "held": 3.0, "leap": 2.4,
    "shake": 0.003, "twist": 0.0016, "rigid_noise": 0.005, "face_noise": 0.006,
    "light": 0.0035, "tint": 0.006,
    "drift_colour": 0.06, "drift_detail": 0.2, "drift_shape": 0.02,
    "brows": 0.33, "cheeks": 0.31, "aperture": 0.052, "width": 0.055, "shapes": 0.29,
    "widest": 0.28, "ends": 0.08, "reach": 1.4, "quick": 0.72,
}  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """Clips of all ladders.  values: (N, W, F) measures.  ladder, rung: (N,) which ladder, and
    how far down it; 0 is the performance itself.  rungs: the ladders."""

    values: Array
    ladder: NDArray[np.int64]
    rung: NDArray[np.int64]
    rungs: tuple[Rungs, ...]


def judged(clips: Sequence[Curves], seed: int = 0) -> Judged:
    """All ladders of performances of the clips, measured."""
    values, which, depth = [], [], []
    all_rungs: list[Rungs] = []
    for base in performances([there_and_back(clip) for clip in clips], EACH, seed):
        measured: dict[int, Array] = {}
        for rungs in ladders(base, seed + len(all_rungs)):
            for k, step in enumerate(rungs.steps):
                if id(step) not in measured:
                    measured[id(step)] = measure_curves(step).values
                values.append(measured[id(step)])
                which.append(len(all_rungs))
                depth.append(k)
            all_rungs.append(rungs)
    windows = min(len(v) for v in values)
    table = np.stack([v[-windows:] for v in values])
    return Judged(table, np.array(which), np.array(depth), tuple(all_rungs))


def blank(axis: str, real: Array) -> Fines:
    """Fines of an axis with knots where real performances (N, F) lie, all weights 0.

    For less: octave by octave down from where the liveliest tenth lies; for more: octave by octave
    up from where the highest hundredth lies, or from what people were seen to do.
    """
    logs = np.log(real + EPSILON)
    rows = []
    for sign, names, octaves in ((-1.0, LESS[axis], 6), (1.0, MORE[axis], 4)):
        for name in names:
            column = NAMES.index(name)
            first = np.quantile(logs[:, column], 0.99 if sign > 0 else 0.9)
            if sign > 0:
                first = max(first, np.log(PEOPLE_DO[name] + EPSILON[column]))
            rows += [(column, sign, first + sign * OCTAVE * k) for k in range(octaves)]
    table = np.array(rows, np.float64)
    return Fines(table[:, 0].astype(np.int64), table[:, 1], table[:, 2], np.zeros(len(rows)))


def learn(axis: str, data: Judged) -> Fines:
    """The fines of an axis that put the ladders in order."""
    real = data.values[data.rung == 0].reshape(-1, data.values.shape[2])
    fines = blank(axis, real)
    count, windows, measures = data.values.shape
    beyond = fines.beyond(data.values.reshape(-1, measures)).reshape(count, windows, -1)
    weight = np.full(beyond.shape[2], 0.02)
    slope_mean, slope_square = np.zeros_like(weight), np.zeros_like(weight)
    wanted = _Wanted.of(axis, data)
    same = (np.diff(fines.measure) == 0) & (np.diff(fines.sign) == 0)  # next knot of one measure
    for i in range(1, ROUNDS + 1):
        each = np.exp(-(beyond @ weight))  # (N, W)
        marks = LOWEST + (HIGHEST - LOWEST) * each.mean(1)
        pull = wanted.slope(marks)
        # d mark / d weight = -(5 - 1) mean over windows of exp(-fines) beyond
        slope = -(HIGHEST - LOWEST) / windows * np.einsum("n,nw,nwk->k", pull, each, beyond)
        slope += 2 * SMALL * weight
        jump = 2 * SMOOTH * same * np.diff(weight)
        slope[1:] += jump
        slope[:-1] -= jump
        slope_mean = 0.9 * slope_mean + 0.1 * slope
        slope_square = 0.999 * slope_square + 0.001 * slope**2
        step = slope_mean / (1 - 0.9**i) / (np.sqrt(slope_square / (1 - 0.999**i)) + 1e-9)
        weight = np.maximum(weight - RATE * (1 - i / (ROUNDS + 1)) * step, 0)
    kept = weight > 1e-3
    return Fines(fines.measure[kept], fines.sign[kept], fines.knot[kept], weight[kept])


@dataclass(frozen=True)
class _Wanted:
    """What marks (N,) should be.  better, worse: (P,) neighbours that should differ.
    real: (R,).  worst: (S,) and deserved, their marks.  same, base: (Q,) that should be equal."""

    better: NDArray[np.int64]
    worse: NDArray[np.int64]
    real: NDArray[np.int64]
    worst: NDArray[np.int64]
    deserved: Array
    same: NDArray[np.int64]
    base: NDArray[np.int64]

    @staticmethod
    def of(axis: str, data: Judged) -> "_Wanted":
        pairs, worst, same, real = [], [], [], []
        for k, rungs in enumerate(data.rungs):
            rows = np.flatnonzero(data.ladder == k)
            real.append(rows[0])
            if axis in rungs.axes:
                pairs += list(pairwise(rows))
                worst.append((rows[-1], rungs.worst))
            else:
                same += [(row, rows[0]) for row in rows[1:]]
        better, worse = np.array(pairs).T
        changed, base = np.array(same).T
        return _Wanted(better, worse, np.array(real), np.array([row for row, _ in worst]),
                       np.array([mark for _, mark in worst]), changed, base)  # fmt: skip

    def slope(self, marks: Array) -> Array:
        """How the loss rises with each mark, (N,)."""
        slope = np.zeros_like(marks)
        late = (marks[self.worse] - marks[self.better] + APART) / SOFT
        pull = 1 / (1 + np.exp(-np.clip(late, -30, 30))) / len(late)
        np.add.at(slope, self.worse, pull)
        np.add.at(slope, self.better, -pull)
        for rows, target, weight in ((self.real, REAL, ANCHOR),
                                     (self.worst, self.deserved, ANCHOR)):  # fmt: skip
            np.add.at(slope, rows, 2 * weight * (marks[rows] - target) / len(rows))
        moved = 2 * STILL * (marks[self.same] - marks[self.base]) / len(self.same)
        np.add.at(slope, self.same, moved)
        np.add.at(slope, self.base, -moved)
        return slope


def ordered(axis: str, fines: Fines, data: Judged) -> float:
    """Share of neighbouring steps of the axis's ladders in the right order."""
    marks = np.stack([fines.marks(v) for v in data.values]).mean(1)
    wanted = _Wanted.of(axis, data)
    return float((marks[wanted.better] > marks[wanted.worse]).mean())


def save(path: Path, all_fines: dict[str, Fines]) -> None:
    """Writes what `enliven.reward.acting.load_acting` reads."""
    stored: dict[str, NDArray] = {}
    for axis, fines in all_fines.items():
        stored[f"{axis}_measure"] = np.array([NAMES[column] for column in fines.measure])
        for part in ("sign", "knot", "weight"):
            stored[f"{axis}_{part}"] = getattr(fines, part).astype(np.float32)
    np.savez(path, **stored)  # type: ignore[arg-type]  # its stub takes every name for a flag


def main() -> None:
    parser = argparse.ArgumentParser(description="learn to judge expressiveness and motion")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--most", type=int, default=8, help="clips of a speaker")
    options = parser.parse_args()
    clips = []
    for folder in sorted(p for p in options.data.iterdir() if p.is_dir()):
        videos = sorted(p for p in folder.iterdir() if p.suffix.lower() in VIDEO)
        for path in videos[:: max(1, len(videos) // options.most)][: options.most]:
            clips += [c for c in map(curves_of, watch(path)) if c is not None]
    data = judged(clips)
    learned = {axis: learn(axis, data) for axis in ACTING_AXES}
    save(options.out, learned)
    for axis, fines in learned.items():
        print(f"{axis}: {len(fines.weight)} fines, {ordered(axis, fines, data):.3f} in order")


if __name__ == "__main__":
    main()
