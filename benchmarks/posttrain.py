"""What post-training does to the generator: every figure of docs/posttraining.md.

    python benchmarks/posttrain_runs.py --photos photos --sounds voices --out runs
    enliven prefer make --photos photos --sounds voices --inputs 48 --count 6 --out prefs
    enliven train recipes.dpo --pairs prefs/pairs.jsonl --out runs/dpo-from-pairs
    python benchmarks/posttrain.py watch --runs runs [--data ../shared/data]
    python benchmarks/posttrain.py table curves cost --runs runs

watch       every generator speaks for 16 people it never met; judged, and measured by what no
            reward sees.  Kept in runs/dev, so that it is done once
table       the generators side by side, and each against the one all began with, clip by clip
shown       generators as users would get them, beside what ships
guards      the composite with one guard taken away
rest        how head and face rest on average, which no single clip tells
curves      reward and held-out agreement over a run, runs/curves.svg
cost        seconds of every stage, samples a second
"""

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from judge_clips import Case, case, names, ours, watched
from judge_systems import independent, judged
from numpy.typing import NDArray
from posttrain_curves import write_curves
from posttrain_runs import ANCHORED, MEANS, ROWS, RUNS, UNGUARDED, folder_name

from enliven.media.audio import SPEECH_RATE, read_speech
from enliven.metrics.watch import Stretch
from enliven.motion.generator import Generator
from enliven.reward.checks import NAMES as CHECKS
from enliven.reward.compose import composite, preset
from enliven.reward.rest import STRAY, strays
from enliven.reward.statistics import Estimate, estimate, paired
from enliven.train.performer_policy import PerformerPolicy, export_performer, load_performer
from enliven.train.performer_video import Showing
from enliven.train.performer_video import judged as scored
from enliven.train.posttrain import articulation_of
from enliven.train.workers import Scoring

SECONDS = 3.0  # of each clip
SHIPPED, START, PAIRS = "as shipped", "start", "dpo from pairs"
# generators that began as users get them, or end so
AS_SHOWN = ("anchored", PAIRS, *(mean for mean, (_, own) in MEANS.items() if own < 1))
SEEDS = (0, 1, 2)
# columns: by the judge that rewards use, by what no reward sees, and checks
JUDGED = ("lip_sync", "expressiveness", "motion", "composite")
HELD_OUT = ("meter", "lips", "face_range", "head_speed")
GUARDS = ("jitter", "texture", "silence", "identity", "checks")
TITLES = {
    "lip_sync": "lip-sync", "expressiveness": "expressive", "meter": "held-out meter",
    "lips": "real lips", "face_range": "face range", "head_speed": "head speed",
}  # fmt: skip

Seen = dict[str, dict[str, float]]  # clip -> measure -> value


def models(runs: Path, name: str, seed: int) -> Path | None:
    """Folder of a generator's networks; None for those that ship."""
    if name == SHIPPED:
        return None
    if name == START:
        return _start(runs / START)
    if name == PAIRS:
        return runs / folder_name(name) / "models"
    if name in MEANS:
        return runs / folder_name(name)
    return runs / f"{folder_name(name)}-{seed}" / "last"


def _start(folder: Path) -> Path:
    """The generator that ships with its own lips shown whole: where all runs begin."""
    if not (folder / "performer.onnx").exists():
        policy = PerformerPolicy(load_performer(), [], [], Scoring(Showing(), scored))
        export_performer(policy, folder, articulation_of(None), {"own_lips": "1.0"})
    return folder


@cache
def people(data: Path) -> list[tuple[Case, Stretch]]:
    """Clips of people that neither generator nor judge met, and the real ones watched."""
    found = []
    for path in names(data):
        one = case(path, read_speech(path).samples, SECONDS)
        found.append((one, watched(one.footage)[0]))
    return found


def see(data: Path, folder: Path | None, seed: int) -> Seen:
    """What a generator does for everybody, seen by the judge and by what no reward uses."""
    generator = Generator.load(folder)
    reward, found = preset("flowportrait"), Seen()
    for one, real in people(data):
        stretches = watched(ours(one, generator, seed))
        card = judged(one, stretches)
        known = {name: score.value for name, score in card.scores.items() if score.valid}
        fine = [known[name] >= 0.5 for name in CHECKS if name in known]
        measures = independent(stretches[0], real)
        found[one.name] = known | {
            "meter": measures["meter"], "lips": measures["lips"],
            "face_range": measures["face"], "head_speed": measures["head"],
            "composite": composite(reward, card), "checks": sum(fine) / len(fine),
        }  # fmt: skip
    return found


def watch_all(runs: Path, data: Path, wanted: Sequence[tuple[str, int]]) -> None:
    """Watch every generator there is."""
    for name, seed in wanted:
        folder = models(runs, name, seed)
        if folder is not None and not folder.is_dir():
            continue
        out = _dev(runs, name, seed)
        if not out.exists():
            seen = see(data, folder, seed)
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(seen), "utf-8")
            print(f"{name}, seed {seed}", flush=True)


def _dev(runs: Path, name: str, seed: int) -> Path:
    return runs / "dev" / f"{folder_name(name)}-{seed}.json"


def stored(runs: Path, name: str, seeds: Sequence[int] = SEEDS) -> dict[int, Seen]:
    """Of every seed that was watched."""
    paths = {seed: _dev(runs, name, seed) for seed in seeds}
    return {seed: json.loads(path.read_text("utf-8"))
            for seed, path in paths.items() if path.exists()}  # fmt: skip


def gap(one: dict[int, Seen], other: dict[int, Seen], measure: str) -> Estimate:
    """The second less the first, of each clip with the same seeds.

    One seed of the generator differs from the next by more than a run changes: a performance
    is compared with the one drawn from the same noise.
    """
    both = sorted(set(one) & set(other))
    first, second = (by_clip([each[seed] for seed in both], measure) for each in (one, other))
    return paired(first, second).difference


def by_clip(seeds: Sequence[Seen], measure: str) -> NDArray[np.float64]:
    """(clips,) means over seeds; NaN where it could not be told."""
    rows = [[seen[clip].get(measure, math.nan) for clip in sorted(seen)] for seen in seeds]
    values = np.array(rows, np.float64)
    known = np.isfinite(values)
    return np.where(known.any(0), np.where(known, values, 0).sum(0) / np.maximum(known.sum(0), 1),
                    np.nan)  # fmt: skip


def compare(runs: Path, rows: Sequence[str], base: str = START, seeds: Sequence[int] = SEEDS
            ) -> None:  # fmt: skip
    """Means with 95% intervals over clips, then differences from a row, clip by clip."""
    found = {name: each for name in rows if (each := stored(runs, name, seeds))}
    for columns in (JUDGED, HELD_OUT, GUARDS):
        print("\n" + " " * 16 + "".join(TITLES.get(c, c).rjust(24) for c in columns))
        for name, each in found.items():
            cells = [_cell(estimate(by_clip(list(each.values()), c))) for c in columns]
            print(f"{name:16s}" + "".join(cells) + f"   {len(each)} seeds")
    if base not in found:
        return
    print(f"\nless {base}, clip by clip with the same seeds; * where the interval leaves out 0")
    for columns in (JUDGED, HELD_OUT, GUARDS):
        print(" " * 16 + "".join(TITLES.get(c, c).rjust(24) for c in columns))
        for name, each in found.items():
            if name != base:
                gaps = [gap(found[base], each, column) for column in columns]
                print(f"{name:16s}" + "".join(_cell(one, mark=True) for one in gaps))


def _cell(one: Estimate, mark: bool = False) -> str:
    if not math.isfinite(one.mean):
        return "-".rjust(24)
    star = "*" if mark and (one.low > 0 or one.high < 0) else " "
    return f"{one.mean:.3f} [{one.low:.3f} {one.high:.3f}]{star}".rjust(24)


def records(runs: Path, name: str, seed: int) -> Mapping[str, list[dict[str, float]]] | None:
    """Iterations and evaluations of a run."""
    path = runs / f"{folder_name(name)}-{seed}" / "checkpoint.pt"
    if not path.exists():
        return None
    state = torch.load(path, weights_only=False)
    return {"records": state["records"], "evaluations": state["evaluations"]}


def rests(runs: Path, data: Path) -> None:
    """How much otherwise than before training head and face rest, on average over 3 s of 16
    voices."""
    voices = [read_speech(path).samples[: round(SECONDS * SPEECH_RATE)] for path in names(data)]
    print("mean +- deviation over clips, in deviations of one clip of real people")
    print(" " * 16 + "".join(name.removeprefix("rest/").rjust(16) for name in STRAY))
    for seed in SEEDS:
        whole, shown = (_resting(models(runs, name, seed), voices, seed)
                        for name in (START, SHIPPED))  # fmt: skip
        for name in RUNS:
            folder = models(runs, name, seed)
            if folder is not None and folder.is_dir():
                before = shown if name in ANCHORED else whole
                off = _resting(folder, voices, seed) - before
                cells = [f"{m:+.2f} +- {d:.2f}".rjust(16)
                         for m, d in zip(off.mean(0), off.std(0), strict=True)]  # fmt: skip
                print(f"{name:14s}{seed} " + "".join(cells), flush=True)


def _resting(folder: Path | None, voices: Sequence[NDArray], seed: int) -> NDArray[np.float64]:
    """(voices, measures) of STRAY."""
    generator = Generator.load(folder)
    return strays(np.array([generator.generate(voice, seconds=SECONDS, seed=seed).values.mean(0)
                            for voice in voices]))  # fmt: skip


def cost(runs: Path) -> None:
    """Where the seconds of a run go."""
    print("seconds of an iteration: draw, replay, wait for workers, update; of a sample in its "
          "worker: render, then track and judge; samples a second")  # fmt: skip
    for name in RUNS:
        for seed in SEEDS:
            run = records(runs, name, seed)
            if run is None:
                continue
            made = run["records"]
            samples = 32 * len(made)
            stages = ("sample", "freeze", "wait for scores", "update")
            times = [sum(r[f"time/{stage}"] for r in made) for stage in stages]
            work = [sum(r[f"seconds/{stage}"] for r in made) / samples
                    for stage in ("decode", "score")]  # fmt: skip
            print(f"{name:16s} {seed}  " + "  ".join(f"{t / len(made):6.2f}" for t in times)
                  + "   " + "  ".join(f"{w:.2f}" for w in work)
                  + f"   {samples / sum(times):.2f} a second")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "tables", nargs="+", choices=["watch", "table", "shown", "guards", "rest", "curves", "cost"]
    )
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS,
                        help="that generators draw with, for watch and shown")  # fmt: skip
    parser.add_argument("--every", type=int, default=1, help="watch every so many generators")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    wanted = [
        (name, seed) for seed in given.seeds for name in (SHIPPED, START, PAIRS, *MEANS, *RUNS)
    ]
    tables: dict[str, Callable[[], None]] = {
        "watch": lambda: watch_all(given.runs, given.data, wanted[given.first :: given.every]),
        "table": lambda: compare(given.runs, (SHIPPED, START, *ROWS, *MEANS)),
        "shown": lambda: compare(given.runs, (SHIPPED, *AS_SHOWN), SHIPPED, given.seeds),
        "guards": lambda: compare(given.runs, (START, "composite", *UNGUARDED)),
        "rest": lambda: rests(given.runs, given.data),
        "curves": lambda: write_curves(given.runs / "curves.svg", {
            name: [run["evaluations"] for seed in SEEDS if (run := records(given.runs, name, seed))]
            for name in ROWS}),
        "cost": lambda: cost(given.runs),
    }  # fmt: skip
    for name in given.tables:
        print(f"\n== {name} ==", flush=True)
        tables[name]()


if __name__ == "__main__":
    main()
