"""Evaluations of a run: samples as users get them, scores that no reward sees, sheets to look at.

A canary, one clip of the generator before training, is scored anew every time: when its scores
move, the judge has changed and not the policy.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from enliven.errors import TrainingStopped
from enliven.reward.compose import Reward, quality
from enliven.train.adapter import Weights
from enliven.train.learner import Learner
from enliven.train.monitor import Record, Stopping, evaluation_record
from enliven.train.parallel import gathered, place, share
from enliven.train.policy import Policy
from enliven.train.rollout import Exploring, For, Place, draw_finished
from enliven.train.workers import Scored, Task, Workers

EVALUATION = 2**31  # in the place of an iteration: the same random numbers every time
CANARY = -1  # its number among tasks
SHEET_ROWS = 6
MOVED = 5.0  # repeated measurements of one video differ by so many deviations at most


class Evaluating(Protocol):
    """What must be known of a run, see `loop.Config`."""

    @property
    def reward(self) -> Reward: ...
    @property
    def held_out(self) -> tuple[str, ...]: ...
    @property
    def exploring(self) -> Exploring: ...
    @property
    def stopping(self) -> Stopping: ...
    @property
    def seed(self) -> int: ...


@dataclass(frozen=True)
class Canary:
    """A clip of the first evaluation: what was drawn, and its scores, 0 to 1."""

    task: Task
    scores: dict[str, float]


def evaluate(policy: Policy, learner: Learner, config: Evaluating, crew: Workers, folder: Path,
             iteration: int, canary: Canary | None) -> tuple[Record, Canary | None]:  # fmt: skip
    """The record of an evaluation, and the canary, made if there is none.

    Writes a sheet of pictures to `folder`/sheets.  Raises TrainingStopped when the canary's
    scores moved, InputError when an input cannot be used.
    """
    inputs = list(enumerate(policy.held_out or policy.inputs))
    mine = share(inputs, even=learner.sharded)
    first: Task | None = None
    with learner.averaged():
        for number, given in mine:
            where = Place(config.seed, EVALUATION, number)
            parts = draw_finished(policy, config.exploring, where, given)
            task = Task(policy.sent(given, parts, 0), given, where.number(For.DECODING), True)
            first = first or task
            crew.submit(number, task)
    if canary is not None and mine:
        crew.submit(CANARY, canary.task)
    done = crew.collect()
    again = done.pop(CANARY, None)
    every = {number: one for part in gathered(done) for number, one in part.items()}
    ordered = [every[number] for number in sorted(every)]
    record = evaluation_record(config.reward, config.held_out, ordered)
    record["iteration"] = float(iteration)
    if canary is None and first is not None and mine:
        canary = Canary(first, _qualities(done[mine[0][0]]))
    elif canary is not None and again is not None:
        record["canary"] = _moved(config, canary, again)
    if place()[0] == 0:
        _sheet(folder / "sheets" / f"{iteration:06}.jpg", ordered)
    return record, canary


def decides(config: Evaluating) -> str:
    """The number of an evaluation's record by which weights are kept."""
    return "held out" if config.held_out else "reward"


def best_of(best: dict[str, Any], record: Record, config: Evaluating, mean: Weights
            ) -> dict[str, Any]:  # fmt: skip
    """The better of the best evaluation so far, {} for none, and this one of the mean weights.

    "iteration", "value", which is the number that decides, and "weights".
    """
    value = record[decides(config)]
    if best and not (value > best["value"] or math.isnan(best["value"])):
        return best
    weights = {name: one.clone() for name, one in mean.items()}
    return {"iteration": int(record["iteration"]), "value": value, "weights": weights}


def _qualities(one: Scored) -> dict[str, float]:
    return {name: quality(score) for name, score in one.card.scores.items()}


def _moved(config: Evaluating, canary: Canary, again: Scored) -> float:
    """How far the canary's scores moved at most, 0 to 1; NaN when it could not be scored."""
    now, most = _qualities(again), math.nan
    for term in config.reward.terms:
        before, after = (scores.get(term.score, math.nan) for scores in (canary.scores, now))
        if not (math.isfinite(before) and math.isfinite(after)):
            continue
        apart = abs(after - before)
        most = apart if math.isnan(most) else max(most, apart)
        if apart > MOVED * term.noise + 1e-6:
            raise TrainingStopped(
                f"the same video scored {before:.4f} on {term.score} when the run began and "
                f"{after:.4f} now: the judge has changed; restore it and run again"
            )
    return most


def _sheet(path: Path, scored: list[Scored]) -> None:
    """A picture of some samples, a row each."""
    strips = [one.strip for one in scored if one.strip is not None][:SHEET_ROWS]
    if not strips:
        return
    width = max(strip.shape[1] for strip in strips)
    rows: list[Any] = [np.pad(s, ((0, 0), (0, width - s.shape[1]), (0, 0))) for s in strips]
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = np.ascontiguousarray(np.concatenate(rows)[..., ::-1])
    cv2.imwrite(str(path), sheet, [cv2.IMWRITE_JPEG_QUALITY, 80])
