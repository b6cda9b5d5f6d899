"""Table of the hacking probes: which cheats a judge and a reward do not fall for.

python benchmarks/judge_probes.py                 # the example, made to speak
python benchmarks/judge_probes.py VIDEO [PHOTO]   # a video that is taken for honest
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from enliven.reward.compose import FLOWPORTRAIT, Reward
from enliven.reward.judge import Judge
from enliven.reward.probe_rows import PROBES
from enliven.reward.probes import Findings, Outcome, probe_judge, told

LARGEST_CHANGES = 3  # of the scores that fell most


def probes_table(
    video: Path | None = None, photo: Path | None = None, *, judge: Judge | None = None,
    reward: Reward = FLOWPORTRAIT, seed: int = 0,
) -> Findings:  # fmt: skip
    """Try all cheats on a clip (the example by default) and print what became of them."""
    found = probe_judge(video, portrait=photo, judge=judge, reward=reward, seed=seed,
                        progress=_progress)  # fmt: skip
    print(told(found))
    return found


def markdown(found: Findings) -> str:
    """The table of docs/probes.md."""
    lines = ["| row | cheat | before | after | caught by | what fell most |",
             "| --- | --- | ---: | ---: | --- | --- |"]  # fmt: skip
    for number, probe in enumerate(PROBES, 1):
        for one in found.outcomes:
            if one.probe == probe.name:
                lines.append(_row(number, one))
    return "\n".join(lines)


def _row(number: int, one: Outcome) -> str:
    mark = one.caught_by or ("does not rise" if one.passed else "**not caught**")
    cells = (f"{number} {one.probe}", one.cheat, f"{one.before:.3f}", f"{one.after:.3f}", mark,
             ", ".join(_fallen(one)))  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _fallen(one: Outcome) -> Iterable[str]:
    falls = sorted(one.changes.items(), key=lambda pair: pair[1])
    return [f"{name} {change:+.2f}" for name, change in falls[:LARGEST_CHANGES] if change < -0.05]


def _progress(_: str, done: int, total: int) -> None:
    print(f"\r{done} of {total} clips", end="" if done < total else "\n", file=sys.stderr)


if __name__ == "__main__":
    paths = [Path(argument) for argument in sys.argv[1:3]]
    print(markdown(probes_table(*paths)))
