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
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enliven.errors import BadOption, TrainingStopped
from enliven.flow import gaussian, interpolate, target
from enliven.train.adapter import Adapting
from enliven.train.grpo import Batch, Told, means
from enliven.train.learner import Learner, Learning, load, plain, save
from enliven.train.objectives import PairErrors, dpo_loss, dpo_margin, implicit_accuracy
from enliven.train.objectives import velocity_distance as distance
from enliven.train.policy import Policy
from enliven.train.rollout import For, Place

Record = dict[str, float]


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
class Preferring:
    """A run over stored pairs.  Raises BadOption.

    pairs: of an update.  reuse: how often a pair may be learned from; with that the run ends.
    accuracy: implicit accuracy, over the last `steady` updates, above which it ends: then the
    pairs are learned by heart.  rise: of the winners' own error, in the unit of the data
    squared, above which it ends: the generator forgets.
    """

    method: Dpo = field(default_factory=Dpo)
    learning: Learning = field(default_factory=lambda: Learning(rate=1e-5, average=0.99))
    adapting: Adapting = field(default_factory=Adapting)
    pairs: int = 8
    reuse: int = 4
    accuracy: float = 0.9
    rise: float = 0.05
    steady: int = 20
    save_every: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.pairs, self.reuse, self.steady, self.save_every) < 1 or self.seed < 0:
            raise BadOption("pairs, reuse, steady and save_every are 1 or more, seed 0 or more")


@dataclass(frozen=True)
class Preferred:
    """How a run ended.  records: of every update.  why: what ended it before its time, or ""."""

    updates: int
    why: str
    records: tuple[Record, ...]


def prefer(policy: Policy, pairs: Sequence[Pair], config: Preferring, folder: Path) -> Preferred:
    """Learn from stored pairs; the module ends up with the mean weights.

    folder: of the run; one that was stopped there is continued, bit for bit.
    Raises BadOption without pairs, TrainingStopped when a loss is not finite (the checkpoint
    before stays), OutputError.
    """
    if not pairs:
        raise BadOption("there are no pairs to learn from; make some with enliven prefer make")
    folder.mkdir(parents=True, exist_ok=True)
    learner = Learner(policy.module, config.learning, config.adapting, config.seed)
    checkpoint = folder / "checkpoint.pt"
    records: list[Record] = []
    state = load(checkpoint, config, free=("reuse",))
    if state is not None:
        learner.restore(state["learner"], checkpoint)
        records = state["records"]
    last = math.ceil(len(pairs) * config.reuse / config.pairs)
    why = _enough(records, config)
    while len(records) < last and not why:
        records.append(_update(policy, learner, pairs, config, len(records), checkpoint))
        why = _enough(records, config)
        if why or len(records) == last or len(records) % config.save_every == 0:
            save(checkpoint, {"config": plain(config), "learner": learner.state(),
                              "records": records})  # fmt: skip
    with torch.no_grad():
        for name, value in learner.mean.items():
            learner.weights[name].copy_(value)
    return Preferred(len(records), why, tuple(records))


def _update(policy: Policy, learner: Learner, pairs: Sequence[Pair], config: Preferring,
            number: int, checkpoint: Path) -> Record:  # fmt: skip
    learner.start()
    loss, told = 0.0, Told()
    for at in range(number * config.pairs, (number + 1) * config.pairs):
        turn, place = divmod(at, len(pairs))
        order = Place(config.seed, turn, 0).rng(For.INPUTS).permutation(len(pairs))
        pair = pairs[int(order[place])]
        one, seen = config.method.learn(policy, learner, pair, Place(config.seed, number, at),
                                        1 / config.pairs)  # fmt: skip
        loss += one
        for name, value in seen.items():
            told.setdefault(name, []).append(value)
    norm = learner.step()
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise TrainingStopped(
            f"loss {loss} and gradient {norm} at update {number} are not finite; {checkpoint} is "
            "as it was before: lower the rate or beta, and begin again in another folder"
        )
    return {"loss": loss, "gradient": norm} | means(told)


def _enough(records: Sequence[Record], config: Preferring) -> str:
    """Why to stop now, or ""."""
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
