"""The judge on the pairs that people compare: wins and ties of each axis, and how sure they are.

Legend: n clips that both folders hold.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from blind_count import HEAD, by_question, line
from numpy.typing import NDArray

from enliven.reward.compose import composite, preset, quality
from enliven.reward.evaluate import Evaluation, evaluate
from enliven.reward.judge import AXES
from enliven.reward.statistics import paired
from enliven.reward.votes import read_key

TIE = 0.01  # of the scale: scores that are nearer than this are equal
OVERALL = "overall"  # the composite that training uses
ALIKE = {"lips": "lip_sync", "lively": "expressiveness", "overall": OVERALL}  # questions: scores


def judge(one: Path, two: Path, photos: Path | None, tie: float, key: Path | None = None,
          choices: Sequence[Path] = ()) -> None:  # fmt: skip
    """Prints a line for each axis and the composite; with a page's key and people's choices, how
    often the judge decides as they do, too."""
    found = evaluate([one, two], portraits=photos)
    clips = [clip for clip in found.clips if _both(found, clip)]
    if not clips:
        raise SystemExit("the two folders share no video that can be judged")
    gaps = differences(found, clips)
    print(f"{len(clips)} pairs; {found.judge}\n{table(gaps, tie)}")
    if key:
        told = {name: dict(zip(clips, gap, strict=True)) for name, gap in gaps.items()}
        print("\n".join(agreement(told, tie, read_key(key), choices)))


def agreement(told: Mapping[str, Mapping[str, float]], tie: float, page: Mapping[str, Any],
              choices: Sequence[Path]) -> list[str]:  # fmt: skip
    """How often people decide as the judge does; told: score -> clip -> difference."""
    lines = []
    for axis, votes in by_question(page, choices).items():
        own = told.get(ALIKE.get(axis, ""), {})
        both = [(own.get(Path(page[number]["name"]).stem, np.nan), sum(given))
                for number, given in votes.items()]  # fmt: skip
        same = [np.sign(gap) == np.sign(vote) for gap, vote in both if vote and abs(gap) > tie]
        if own:
            lines.append(f"{axis}: people and {ALIKE[axis]} say the same of {sum(same)} of the "
                         f"{len(same)} pairs that both decide")  # fmt: skip
    return lines


def differences(found: Evaluation, clips: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """score -> (n,) of the first system less the second, as shares of the scale; NaN unknown."""
    one, two = found.systems
    reward = preset("flowportrait")
    cards = [(found.judged[one, clip].card, found.judged[two, clip].card) for clip in clips]
    gaps = {axis: [quality(a.scores[axis]) - quality(b.scores[axis]) for a, b in cards]
            for axis in AXES}  # fmt: skip
    gaps[OVERALL] = [composite(reward, a) - composite(reward, b) for a, b in cards]
    return {name: np.array(own) for name, own in gaps.items()}


def table(gaps: Mapping[str, NDArray[np.float64]], tie: float) -> str:
    """Wins, ties and tests of each score, and the mean difference with its 95% interval."""
    lines = [f"{HEAD}   one less two, of the scale"]
    for name, gap in gaps.items():
        known = gap[np.isfinite(gap)]
        won, lost = int((known > tie).sum()), int((known < -tie).sum())
        mean = paired(np.zeros(len(known)), known).difference
        between = f"{mean.mean:+.3f} ({mean.low:+.3f} to {mean.high:+.3f})"
        unknown = f", {len(gap) - len(known)} unknown" if len(known) < len(gap) else ""
        lines.append(f"{line(name, won, lost, len(known) - won - lost)}   {between}{unknown}")
    return "\n".join(lines)


def _both(found: Evaluation, clip: str) -> bool:
    return all((system, clip) in found.judged for system in found.systems)
