"""Which of two videos of the same input is better: pairs to learn from.

    pairs = select(candidates)
    write_preferences("prefs/pairs.jsonl", pairs)

Several candidates are made for each input (photo and sound) by different generators and settings
and scored on two axes, how well the motion fits the video's sound and how faithful the portrait
stays; the best is paired with the worst (Hallo4, arXiv 2505.23525), when they differ enough and
move about as much: pairs of unequal motion teach a model to hold still (DenseDPO, 2506.03517).

The file holds one JSON object a line; media lie beside it and are named relative to it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from enliven.errors import BadOption, OutputExists
from enliven.media.files import input_file, writing
from enliven.reward.votes import ONLY, OVERALL

Source = Literal["judge", "human", "imported"]
AXES = ("alignment", "fidelity", "energy")  # may be unknown


@dataclass(frozen=True)
class Candidate:
    """One performance of an input.

    input: name of the photo and sound it was made from.  name: of the candidate.
    motion: file with what the generator made, from which to learn; "" for a video to look at
    only.  video: file to look at.
    alignment, fidelity: 1 to 5.  energy: how much the face moves, at least 0, in any unit.
    NaN where nobody measured.  made: generator and settings.
    """

    input: str
    name: str
    motion: str
    video: str
    alignment: float
    fidelity: float
    energy: float
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reward(self) -> float:
        """Mean of the two axes; NaN when one could not be told."""
        return (self.alignment + self.fidelity) / 2


@dataclass(frozen=True)
class Preference:
    """chosen is better than rejected by `margin`, on the scale 1 to 5; NaN when a person chose,
    or when it was not told.  judge: who said so, with version."""

    chosen: Candidate
    rejected: Candidate
    margin: float
    source: Source
    judge: str

    def __post_init__(self) -> None:
        if self.chosen.input != self.rejected.input:
            raise BadOption(f"candidates of {self.chosen.input} and {self.rejected.input} cannot "
                            "be compared; pair those of one input")  # fmt: skip


@dataclass(frozen=True)
class Selection:
    """margin: least difference of rewards for a pair.  energy_ratio: of the more moving one to
    the other, at most; 1 or more.  Raises BadOption."""

    margin: float = 0.15
    energy_ratio: float = 1.6

    def __post_init__(self) -> None:
        if not self.margin >= 0 or not self.energy_ratio >= 1:
            raise BadOption(f"margin is {self.margin} and energy_ratio {self.energy_ratio}; they "
                            "must be at least 0 and 1")  # fmt: skip


def select(
    candidates: Iterable[Candidate], judge: str, selection: Selection = Selection()
) -> list[Preference]:
    """One pair for each input that allows one: the largest difference of rewards among
    candidates that move about as much.  What could not be scored is left out.

    The order of the candidates does not matter.
    """
    by_input: dict[str, list[Candidate]] = {}
    for each in sorted(candidates, key=lambda c: (c.input, c.name)):
        if np.isfinite(each.reward):
            by_input.setdefault(each.input, []).append(each)
    pairs = []
    for own in by_input.values():
        found = [
            (one.reward - other.reward, one, other)
            for one in own for other in own if _alike(one, other, selection.energy_ratio)
        ]  # fmt: skip
        margin, best, worst = max(found, key=lambda pair: pair[0])
        if margin > 0 and margin >= selection.margin:
            pairs.append(Preference(best, worst, margin, "judge", judge))
    return pairs


def _alike(one: Candidate, other: Candidate, ratio: float) -> bool:
    low, high = sorted((one.energy, other.energy))
    return high <= ratio * low or high == low


def write_preferences(path: str | Path, pairs: Sequence[Preference], *, add: bool = False) -> Path:
    """Writes pairs, one a line.  add: after those that are there.

    Raises OutputExists when there are some and they are not to be added to, OutputError.
    """
    path = Path(path)
    if path.exists() and not add:
        raise OutputExists(f"{path} exists; add to it, or choose another name")
    lines = [json.dumps(_row(pair), sort_keys=True) + "\n" for pair in pairs]
    hidden = path.with_suffix(".part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text("utf-8") if path.exists() else ""
        hidden.write_text(before + "".join(lines), "utf-8")
        hidden.replace(path)
    return path


def _row(pair: Preference) -> dict[str, Any]:
    row = asdict(pair) | {"margin": _told(pair.margin), "input": pair.chosen.input}
    for side in ("chosen", "rejected"):
        row[side] |= {axis: _told(row[side][axis]) for axis in AXES}
    return row


def _told(value: float) -> float | None:
    """JSON has no NaN."""
    return value if np.isfinite(value) else None


def _candidate(row: Mapping[str, Any]) -> Candidate:
    """Raises KeyError for a field that is missing, TypeError for one of another kind."""
    texts = all(isinstance(row[field], str) for field in ("input", "name", "motion", "video"))
    if not texts or not isinstance(row.get("made", {}), dict):
        raise TypeError("names are text, and what a video was made of is an object")
    unknown = {axis: np.nan for axis in AXES if row[axis] is None}
    return Candidate(**{**row, **unknown})


def read_preferences(path: str | Path) -> list[Preference]:
    """The pairs of a file; media become paths relative to where it lies.

    Raises BadMedia without the file, BadOption with the line that cannot be read, or that names a
    file that is missing.
    """
    path = input_file(path)
    try:
        lines = path.read_text("utf-8").splitlines()
    except ValueError as error:
        raise BadOption(f"{path} holds no preferences ({error}); make the file with enliven prefer "
                        "make") from None  # fmt: skip
    pairs = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            chosen, rejected = _candidate(row["chosen"]), _candidate(row["rejected"])
            margin = np.nan if row["margin"] is None else float(row["margin"])
            pair = Preference(chosen, rejected, margin, row["source"], row["judge"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadOption(f"line {number} of {path} is no preference ({error}); make the file "
                            "with enliven prefer make") from None  # fmt: skip
        for each in (chosen, rejected):
            if not (path.parent / (each.motion or each.video)).is_file():
                raise BadOption(
                    f"{path}, line {number}: {each.motion or each.video} is missing; "
                    "bring the media folder back, or make the preferences again"
                )
        pairs.append(pair)
    return pairs


def exported(pairs: Iterable[Preference], *, inputs: bool = False) -> list[dict[str, Any]]:
    """Pairs in the form that other trainers read: prompt, chosen, rejected; each pair once.

    prompt: the name of the input; with `inputs` an object with this "text" and, where they are
    known, "photo" and "sound".  chosen, rejected: names of the videos.
    """
    rows: list[dict[str, Any]] = []
    for pair in pairs:
        one, two = pair.chosen, pair.rejected
        given = {key: one.made[key] for key in ("photo", "sound") if one.made.get(key)}
        row = {"prompt": {"text": one.input, **given} if inputs else one.input,
               "chosen": one.video, "rejected": two.video}  # fmt: skip
        if row not in rows:
            rows.append(row)
    return rows


def shown(pairs: Iterable[Preference]) -> dict[str, tuple[Candidate, Candidate]]:
    """What there is to vote on: name of a pair -> its two candidates, each two once.

    A pair is named after its candidates, "A or B".
    """
    found: dict[str, tuple[Candidate, Candidate]] = {}
    for pair in pairs:
        two = (pair.chosen, pair.rejected)
        first, second = (each.name for each in two)
        if f"{second} or {first}" not in found:
            found.setdefault(f"{first} or {second}", two)
    return found


def voted(
    candidates: Mapping[str, tuple[Candidate, Candidate]], key: Mapping[str, Any],
    votes: Mapping[str, Mapping[str, int]], judge: str = "people",
) -> list[Preference]:  # fmt: skip
    """What a person chose on a page of `benchmarks/blind.py`.

    candidates: name of a pair -> what "one" and "two" of the page showed.
    key, votes: see `enliven.reward.votes`.  Of several questions "overall" decides; neither, and no
    answer to that, make no pair.
    """
    pairs = []
    for number, answers in sorted(votes.items()):
        vote = answers.get(OVERALL, answers.get(ONLY, 0))
        if vote:
            two = candidates[key[number]["name"]]
            better, worse = two if vote > 0 else two[::-1]
            pairs.append(Preference(better, worse, np.nan, "human", judge))
    return pairs
