"""A scorecard in words and as JSON."""

import math
from collections.abc import Mapping
from typing import Any, Literal

from enliven.reward.compose import quality
from enliven.reward.judge import AXES
from enliven.types import Score, Scorecard

State = Literal["fine", "limit", "bad", "unknown"]

LIMIT = 0.5  # of a check: what a viewer would object at
NEAR_LIMIT = 0.65  # below this it is pointed out, too
REFERENCE = "reference_"  # begins the names of scores against a real video
SAID: Mapping[State, str] = {
    "fine": "fine", "limit": "near the limit", "bad": "bad", "unknown": "cannot be told",
}  # fmt: skip


def said(name: str) -> str:
    """A score's name for a reader: lip_sync -> lip-sync, mouth_range -> mouth range."""
    if name == "lip_sync":
        return "lip-sync"
    return name.removeprefix(REFERENCE).replace("_", " ")


def checks(card: Scorecard) -> dict[str, Score]:
    """All scores but those of the axes and those against a real video."""
    return {name: score for name, score in card.scores.items()
            if name not in AXES and not name.startswith(REFERENCE)}  # fmt: skip


def against_reference(card: Scorecard) -> dict[str, Score]:
    """The scores against a real video; empty without one."""
    return {name: score for name, score in card.scores.items() if name.startswith(REFERENCE)}


def state(score: Score) -> State:
    """What a check's value means to a viewer."""
    share = quality(score)
    if math.isnan(share):
        return "unknown"
    return "bad" if share < LIMIT else "limit" if share < NEAR_LIMIT else "fine"


def as_json(card: Scorecard) -> dict[str, Any]:
    """One object: the axes by name, `checks`, `reference` if there is one, `judge`, `notes`.

    A score is {value, valid, why, worst_seconds, low, high, higher_is_better, details}; `value`
    is null and `why` the reason where `valid` is false, `worst_seconds` is [from, to] or null.
    """
    content: dict[str, Any] = {axis: _score(card.scores[axis]) for axis in AXES
                               if axis in card.scores}  # fmt: skip
    content["checks"] = {name: _score(score) for name, score in checks(card).items()}
    if real := against_reference(card):
        content["reference"] = {name.removeprefix(REFERENCE): _score(score)
                                for name, score in real.items()}  # fmt: skip
    return {**content, "judge": card.judge, "notes": list(card.notes)}


def from_json(content: Mapping[str, Any]) -> Scorecard:
    """A scorecard from what `as_json` made.  Raises KeyError or TypeError on anything else."""
    scores = {axis: _read(content[axis]) for axis in AXES if axis in content}
    scores |= {name: _read(score) for name, score in content["checks"].items()}
    scores |= {REFERENCE + name: _read(score)
               for name, score in content.get("reference", {}).items()}  # fmt: skip
    return Scorecard(scores, content["judge"], tuple(content["notes"]))


def _score(score: Score) -> dict[str, Any]:
    valid = score.valid and math.isfinite(score.value)
    return {
        "value": score.value if valid else None, "valid": valid, "why": score.why,
        "worst_seconds": list(score.worst_seconds) if score.worst_seconds else None,
        "low": score.low, "high": score.high, "higher_is_better": score.higher_is_better,
        "details": {name: value if math.isfinite(value) else None
                    for name, value in score.details.items()},
    }  # fmt: skip


def _read(content: Mapping[str, Any]) -> Score:
    worst = content["worst_seconds"]
    return Score(
        math.nan if content["value"] is None else content["value"], content["low"],
        content["high"], content["higher_is_better"], content["valid"], content["why"],
        None if worst is None else (worst[0], worst[1]),
        {name: math.nan if value is None else value for name, value in content["details"].items()},
    )  # fmt: skip
