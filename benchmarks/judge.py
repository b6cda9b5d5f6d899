"""The judge is tested harder than the generator: every figure that README and its card state.

    python benchmarks/judge.py [--data ../shared/data] [--cache FOLDER] TABLE [TABLE ...]

sync        true sound against shifted and other sound, and offsets, on people never met
ladders     corruptions in steps: is every step scored below the one before; the smallest shift,
            jitter and damping that is noticed; does one axis move the others
systems     real people, the same re-enacted, our generator, a loudness-driven mouth, wrong sound,
            a frozen photo: axes, checks, composite, and who beats whom
agreement   axes beside measures they were not made from
probes      cheats, and what catches each
cost        seconds per second of video, memory against length

--cache keeps what was tracked, so that the next run is quick.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
from judge_clips import LATE, names
from judge_cost import cost_table
from judge_ladders import detection, ladder_rows, report
from judge_probes import probes_table
from judge_sync import sync_table
from judge_systems import agreement_table, systems_table

from enliven.reward.judge import default_judge

Table = Callable[[Path, Path | None], object]

LADDER_SECONDS = 3.0  # of each clip
NOTICED = (("sound late", "lip_sync"), ("sound early", "lip_sync"), ("jitter", "motion"),
           ("flicker", "motion"), ("damped face", "expressiveness"))  # fmt: skip


def ladders_table(data: Path, cache: Path | None) -> None:
    """Of clips whose sound is in time as they are."""
    videos = [path for path in names(data) if not path.name.startswith(tuple(LATE))]
    rows = ladder_rows(default_judge(), videos, finer=True, seconds=LADDER_SECONDS,
                       cache=cache / "ladders" if cache else None)  # fmt: skip
    print(f"{len(videos)} people never met, {LADDER_SECONDS:g} s each")
    print(report(rows))
    print("share of people whose copy is marked below the original, by amount")
    for name, axis in NOTICED:
        found = detection(rows, name, axis)
        print(f"{name:12s} " + "  ".join(f"{step:g}: {share:.2f}" for step, share in found.items()))


TABLES: dict[str, Table] = {
    "sync": sync_table, "ladders": ladders_table, "systems": systems_table,
    "agreement": agreement_table, "probes": lambda data, cache: probes_table(),
    "cost": cost_table,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="+", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    if unknown := set(options.tables) - set(TABLES):
        parser.error(f"there is no table {', '.join(unknown)}; choose from {', '.join(TABLES)}")
    cv2.setNumThreads(1)
    for name in options.tables:
        print(f"\n== {name} ==", flush=True)
        TABLES[name](options.data, options.cache)


if __name__ == "__main__":
    main()
