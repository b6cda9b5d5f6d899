"""Learning from pairs: what was preferred becomes likelier than what was rejected.

`Dpo` compares the best of a freshly drawn group with its worst, as one more method of `loop`
(online DPO).  `prefer` learns from pairs that were chosen before, by a judge or by people
(`enliven.reward.preferences`).  Both are Flow-DPO (VideoAlign, arXiv 2501.13918; Diffusion-DPO,
2311.12908), with the noise and the time of a pair shared.

Legend: a pair has two rows, the preferred first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enliven.errors import BadOption
from enliven.flow import gaussian, interpolate, target
from enliven.reward.compose import Reward
from enliven.train.adapter import Adapting
from enliven.train.evaluate import decides
from enliven.train.grpo import Batch, Told
from enliven.train.learner import Learner, Learning
from enliven.train.monitor import Record, Stopping, ends
from enliven.train.objectives import PairErrors, dpo_loss, dpo_margin, implicit_accuracy
from enliven.train.objectives import velocity_distance as distance
from enliven.train.policy import Policy
from enliven.train.report import write_pairs_report
from enliven.train.rollout import Exploring, For, Place
from enliven.train.run import Progress, Run, Steps, opened


class Pair(NamedTuple):
    """given: the input of both.  parts: what was drawn, (2, *shape) of every part of the clip."""

    given: Any
    parts: tuple[Tensor, ...]


@dataclass(frozen=True)
class Dpo:
    """The objective.  Raises BadOption.

    beta: how sharply pairs are told apart; for errors that are means over elements 100 to 2000.
    anchor: weight of the winner's own flow-matching error, which keeps it from rising.
    draws: noises and times of each pair, in one update.  updates: passes over a drawn batch.
    """

    beta: float = 500.0
    anchor: float = 0.0
    draws: int = 4
    updates: int = 1

    def __post_init__(self) -> None:
        if not (self.beta >= 0 and self.anchor >= 0 and self.draws >= 1 and self.updates >= 1):
            raise BadOption(f"beta is {self.beta}, anchor {self.anchor}, draws {self.draws}, "
                            f"updates {self.updates}; choose 0 or more, and 1 or more")  # fmt: skip

    def backward(self, policy: Policy, learner: Learner, batch: Batch) -> tuple[float, Told]:
        """Best against worst of each group; groups whose members are equal teach nothing."""
        loss, told = 0.0, Told()
        share = 1 / max(1, batch.total)
        for group, advantages, counted in zip(
            batch.groups, batch.advantages, batch.counted, strict=True
        ):
            rows = best_and_worst(advantages, counted)
            if rows is None and not learner.sharded:
                continue
            pair = Pair(group.given, tuple(part[rows or [0, 0]] for part in group.parts))
            # a group counts by its size, as it does in the other methods
            weight = share * len(counted) if rows else 0.0
            one, seen = self.learn(policy, learner, pair, group.place, weight)
            if rows is None:  # computed in step with the processes that share weights
                continue
            loss += one
            for name, value in seen.items():
                told.setdefault(name, []).append(value)
        return loss, told

    def learn(self, policy: Policy, learner: Learner, pair: Pair, place: Place, weight: float
              ) -> tuple[float, Record]:  # fmt: skip
        """Adds the gradient of one pair, times weight; the loss, times weight, and statistics."""
        loss, margins, rises = 0.0, [], []
        count = self.draws * len(pair.parts)
        for draw in range(self.draws):
            for k, rng in enumerate(_numbers(place, draw, len(pair.parts))):
                part = policy.part(pair.given, tuple(p.to(policy.like()) for p in pair.parts[:k]))
                if part is None:
                    raise BadOption(f"a pair has {len(pair.parts)} parts, its input {k}; make the "
                                    "preferences again with this generator")  # fmt: skip
                data = pair.parts[k].to(policy.like())
                t = data.new_tensor(1 / (1 + math.exp(-rng.standard_normal()))).expand(2)
                noise = gaussian(data[:1], rng).expand_as(data)
                with learner.reference():  # first: it changes weights that a graph would hold
                    before = _errors(policy, part, data, noise, t)
                now = _errors(policy, part, data, noise, t)
                margin = dpo_margin(now, before, self.beta)
                one = (dpo_loss(margin) + self.anchor * now.winner).mean() * (weight / count)
                one.backward()
                loss += float(one.detach())
                margins.append(float(margin.detach()))
                rises.append(float((now.winner - before.winner).detach()))
        accuracy = implicit_accuracy(torch.tensor(margins, dtype=torch.float64))
        return loss, {"implicit accuracy": float(accuracy), "margin": float(np.mean(margins)),
                      "winner's error, rise": float(np.mean(rises))}  # fmt: skip


def best_and_worst(advantages: NDArray, counted: NDArray) -> list[int] | None:
    """Rows of the two, among those counted; None where there are no two that differ."""
    rows = np.flatnonzero(counted)
    if not len(rows):
        return None
    best, worst = rows[np.argmax(advantages[rows])], rows[np.argmin(advantages[rows])]
    return [int(best), int(worst)] if advantages[best] > advantages[worst] else None


def _numbers(place: Place, draw: int, parts: int) -> list[np.random.Generator]:
    return [place.rng(For.LEARNING, draw, k) for k in range(parts)]


def _errors(policy: Policy, part: Any, data: Tensor, noise: Tensor, t: Tensor) -> PairErrors:
    """Flow-matching errors, (1,) each, of both rows at the same noise and time."""
    x = interpolate(data, noise, t)
    if part.given is not None:
        known = torch.as_tensor(np.array(part.given), device=data.device)
        x = torch.where(known, data, x)
    v = policy.velocity(x, t, part.condition)
    found = distance(v, target(data, noise), part.given)
    return PairErrors(found[:1], found[1:])


@dataclass(frozen=True)
class Watching:
    """How held-out inputs are evaluated while pairs are learned.

    reward, held_out: see `loop.Config`; the mean of the latter, or the reward without any,
        decides which weights are kept, and ends the run when it falls while implicit accuracy
        rises (`falls` and `least` of stopping).
    exploring: its steps and shift, with which inputs are drawn.  every: updates.
    """

    reward: Reward
    held_out: tuple[str, ...] = ()
    exploring: Exploring = field(default_factory=Exploring)
    stopping: Stopping = field(default_factory=Stopping)
    every: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if self.every < 1 or self.seed < 0:
            raise BadOption("every is 1 or more, seed 0 or more")


@dataclass(frozen=True)
class Preferring:
    """A run over stored pairs.  Raises BadOption.

    pairs: of an update.  reuse: how often a pair may be learned from; with that the run ends.
    accuracy: implicit accuracy, over the last `steady` updates, above which it ends: then the
    pairs are learned by heart.  rise: of the winners' own error, in the unit of the data
    squared, above which it ends: the generator forgets.  watching: None evaluates nothing.
    """

    method: Dpo = field(default_factory=Dpo)
    learning: Learning = field(default_factory=lambda: Learning(rate=5e-5, average=0.8))
    adapting: Adapting = field(default_factory=Adapting)
    pairs: int = 8
    reuse: int = 6
    accuracy: float = 0.9
    rise: float = 0.05
    steady: int = 20
    save_every: int = 10
    seed: int = 0
    watching: Watching | None = None

    def __post_init__(self) -> None:
        if min(self.pairs, self.reuse, self.steady, self.save_every) < 1 or self.seed < 0:
            raise BadOption("pairs, reuse, steady and save_every are 1 or more, seed 0 or more")


@dataclass(frozen=True)
class Preferred:
    """How a run ended.  records: of every update.  why: what ended it before its time, or "".

    evaluations: of held-out inputs, if they were watched; best: the update whose mean weights
    the module now has.  report: an HTML page.
    """

    updates: int
    why: str
    records: tuple[Record, ...]
    evaluations: tuple[Record, ...]
    best: int
    report: Path


def prefer(policy: Policy, pairs: Sequence[Pair], config: Preferring, folder: Path, *,
           workers: int = 0, timeout: float = 300.0, progress: Progress | None = None
           ) -> Preferred:  # fmt: skip
    """Learn from stored pairs; the module ends up with the mean weights, the best if watched.

    folder: of the run; one that was stopped there is continued, bit for bit.  workers, timeout:
    of evaluations, see `loop.improve`.
    Raises BadOption without pairs, TrainingStopped when a loss is not finite or the judge has
    changed (the checkpoint before stays), OutputError.
    """
    if not pairs:
        raise BadOption("there are no pairs to learn from; make some with enliven prefer make")
    if config.watching and not policy.held_out:
        raise BadOption("there are no held-out inputs to watch; give some, or leave watching out")
    steps = Steps(
        "update", math.ceil(len(pairs) * config.reuse / config.pairs), extended="reuse",
        batch=(config.pairs, "pairs"), watching=config.watching,
        every=config.watching.every if config.watching else 0, report=write_pairs_report,
        lower="beta", beside=_accuracy,
    )  # fmt: skip
    crew = workers if config.watching else 0
    with opened(policy, config, steps, folder, crew, timeout) as run:
        run.go(partial(_update, run, pairs, config), partial(_end, run, config), progress)
        best = run.settle()
        return Preferred(run.done, run.why, tuple(run.records), tuple(run.evaluations), best,
                         run.report())  # fmt: skip


def _update(run: Run, pairs: Sequence[Pair], config: Preferring) -> Record:
    loss, norm, told = run.update(partial(_backward, run, pairs, config))
    return {"loss": loss, "gradient": norm} | told


def _backward(run: Run, pairs: Sequence[Pair], config: Preferring) -> tuple[float, Told]:
    loss, told = 0.0, Told()
    for number, pair in run.batch(pairs):
        where, weight = Place(config.seed, run.done, number), 1 / config.pairs
        one, seen = config.method.learn(run.policy, run.learner, pair, where, weight)
        loss += one
        for name, value in seen.items():
            told.setdefault(name, []).append(value)
    return loss, told


def _end(run: Run, config: Preferring) -> str:
    """Why to stop now, or ""."""
    watching = config.watching
    fell = watching and ends(run.evaluations, watching.stopping, decides(watching),
                             "implicit accuracy")  # fmt: skip
    return enough(run.records, config) or fell or ""


def _accuracy(records: Sequence[Record]) -> Record:
    """Mean implicit accuracy; where nothing was learned that of a coin."""
    right = [record["implicit accuracy"] for record in records]
    return {"implicit accuracy": float(np.mean(right or [0.5]))}


def enough(records: Sequence[Record], config: Preferring) -> str:
    """Why learning from pairs has gone far enough, or ""."""
    recent = records[-config.steady :]
    if len(recent) < config.steady:
        return ""
    accuracy = float(np.mean([record["implicit accuracy"] for record in recent]))
    rise = float(np.mean([record["winner's error, rise"] for record in recent]))
    if rise > config.rise:
        return f"the winners' own error rose by {rise:.3g}: the generator forgets"
    if accuracy > config.accuracy:
        return f"the implicit accuracy is {accuracy:.2f}: the pairs are learned by heart"
    return ""
