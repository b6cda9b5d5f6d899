"""What a run tells of itself, and when it must not go on.

A record is one flat dict of numbers, of an iteration or of an evaluation; names hold a "/" where
there are several of a kind.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption
from enliven.reward.compose import Advantages, Reward, Rewards, quality
from enliven.train.workers import Scored

Record = dict[str, float]
RESTS = "score/rest/"  # names in the records of evaluations


@dataclass(frozen=True)
class Stopping:
    """When a run ends by itself.  Raises BadOption.

    falls, least: evaluations in a row at which the held-out score (0 to 1) fell, by how much in
        all at least, while the reward rose: the policy learns the reward, not the task.
    strays: by how much of its scale the mean of a score named "rest/..." may move from the first
        evaluation on: the policy learns a bias that no single video betrays.
    invalid: share of samples that could not be scored, over `patience` iterations.
    apart: |ratio - 1| from which rollout and replay disagree.  alike: correlation of the random
        numbers of two samples from which one seed was used twice.
    """

    falls: int = 2
    least: float = 0.01
    strays: float = 0.15
    invalid: float = 0.5
    patience: int = 3
    apart: float = 1e-6
    alike: float = 0.99

    def __post_init__(self) -> None:
        if (min(self.falls, self.patience) < 1 or min(self.least, self.strays) < 0
                or not 0 < self.invalid <= 1):  # fmt: skip
            raise BadOption(f"falls is {self.falls}, patience {self.patience}, least "
                            f"{self.least}, strays {self.strays}, invalid {self.invalid}; choose "
                            "1 or more, 0 or more, and a share up to 1")  # fmt: skip


def reward_record(
    reward: Reward, rewards: Rewards, advantages: Advantages, scored: Sequence[Scored]
) -> Record:
    """Rewards of a batch of N samples, scored in that order.

    "vetoed" share of samples that a gate fired for, "vetoed/NAME" by that gate;
    "reward/NAME" mean quality; "spread/NAME" mean deviation within groups, to be compared with
    the noise of the term; "equal/NAME" share of groups it cannot rank; "invalid/NAME" share of
    samples; "likeness/A, B" correlation of two terms; "pictures/..." and "seconds/...".
    """
    made: Record = {
        "reward": weighted(reward, rewards.values, rewards.valid),
        "invalid": float(1 - advantages.counted.mean()),
        "vetoed": float(rewards.vetoed.mean()),
        "advantages": float(advantages.values.sum()),
    }
    for gate in reward.gates:
        fired = [quality(one.card.scores[gate.score]) < gate.least for one in scored
                 if gate.score in one.card.scores]  # fmt: skip
        if any(fired):
            made[f"vetoed/{gate.score}"] = sum(fired) / len(scored)
    for m, term in enumerate(reward.terms):
        values, valid = rewards.values[:, m], rewards.valid[:, m]
        spreads = _spreads(values, valid, rewards.groups)
        made[f"reward/{term.score}"] = float(values[valid].mean()) if valid.any() else math.nan
        made[f"invalid/{term.score}"] = float(1 - valid.mean())
        made[f"spread/{term.score}"] = float(np.mean(spreads)) if spreads else math.nan
        made[f"equal/{term.score}"] = float(np.mean([s <= term.noise for s in spreads] or [True]))
    for a, b in combinations(range(len(reward.terms)), 2):
        columns = advantages.terms[advantages.counted][:, [a, b]]
        if len(columns) > 2 and columns.std(0).all():
            name = f"likeness/{reward.terms[a].score}, {reward.terms[b].score}"
            made[name] = float(np.asarray(np.corrcoef(columns.T))[0, 1])
    return made | _means("pictures", [one.pictures for one in scored]) | _sums(scored)


def weighted(reward: Reward, values: NDArray, valid: NDArray) -> float:
    """Mean quality over samples and terms, weighted, of what is valid; NaN if nothing is."""
    weights = np.array([term.weight for term in reward.terms]) * valid
    return float((values * weights).sum() / weights.sum()) if weights.sum() else math.nan


def evaluation_record(reward: Reward, held_out: Sequence[str], scored: Sequence[Scored]) -> Record:
    """Means over evaluated samples: "reward", "held out", and every score by name."""
    names = sorted({name for one in scored for name in one.card.scores})
    table = {name: [quality(one.card.scores[name]) for one in scored if name in one.card.scores]
             for name in names}  # fmt: skip
    means = {name: _mean_of(values) for name, values in table.items()}
    weights = {term.score: term.weight for term in reward.terms if term.weight}
    made: Record = {
        "reward": _mean_of([means.get(n, math.nan) for n in weights], list(weights.values())),
        "held out": _mean_of([means.get(name, math.nan) for name in held_out]),
        "invalid": float(np.mean([bool(one.why) for one in scored])) if scored else 1.0,
    }
    made |= {f"score/{name}": value for name, value in means.items()}
    return made | _means("pictures", [one.pictures for one in scored])


def ends(evaluations: Sequence[Record], stopping: Stopping, falling: str = "held out",
         rising: str = "reward") -> str:  # fmt: skip
    """Why a run should end after these evaluations; "" to go on.

    falling: what must not fall while what is learned, `rising`, rises; names in the records.
    """
    if why := strayed(evaluations, stopping):
        return why
    kept = [e for e in evaluations if math.isfinite(e[falling])]
    if len(kept) <= stopping.falls:
        return ""
    last = kept[-stopping.falls - 1 :]
    fell = all(b[falling] < a[falling] for a, b in pairwise(last))
    far = last[0][falling] - last[-1][falling] >= stopping.least
    if fell and far and last[-1][rising] > last[0][rising]:
        shown = "held-out score" if falling == "held out" else falling
        return (f"the {shown} fell {stopping.falls} times in a row, from "
                f"{last[0][falling]:.4f} to {last[-1][falling]:.4f}, while the {rising} rose "
                f"from {last[0][rising]:.4f} to {last[-1][rising]:.4f}")  # fmt: skip
    return ""


def strayed(evaluations: Sequence[Record], stopping: Stopping) -> str:
    """Which score of how a face rests moved too far from where it was before training, or ""."""
    for name in evaluations[-1] if evaluations else ():
        if name.startswith(RESTS):
            before, now = evaluations[0].get(name, math.nan), evaluations[-1][name]
            if abs(now - before) > stopping.strays:
                return (f"the mean of {name.removeprefix('score/')} moved from {before:.3f} to "
                        f"{now:.3f} of its scale: the generator learned a bias that no single "
                        "video betrays")  # fmt: skip
    return ""


def write_scalars(writer: Any, kind: str, record: Record, step: int) -> None:
    """A record to TensorBoard, names behind `kind`.  writer: a SummaryWriter, None for none."""
    if writer is None:
        return
    for name, value in record.items():
        if math.isfinite(value):
            writer.add_scalar(kind + name, value, step)


def fault(records: Sequence[Record], stopping: Stopping) -> str:
    """What is wrong with a run at its last record, if anything: it must not go on then."""
    now = records[-1]
    if now.get("first ratio apart", 0.0) >= stopping.apart:
        return (f"before the first update the ratio is {now['first ratio apart']:.2e} away from 1: "
                "the network computes differently in rollout and training (dropout, other batch "
                "shapes, precision)")  # fmt: skip
    if now.get("noise likeness", 0.0) > stopping.alike:
        return "two samples were drawn with the same random numbers"
    recent = records[-stopping.patience :]
    if len(recent) == stopping.patience and all(r["invalid"] > stopping.invalid for r in recent):
        return (f"more than {100 * stopping.invalid:.0f} % of samples could not be scored in "
                f"{stopping.patience} iterations in a row")  # fmt: skip
    return ""


def _spreads(values: NDArray, valid: NDArray, groups: NDArray) -> list[float]:
    kept = [values[valid & (groups == group)] for group in np.unique(groups)]
    return [float(one.std()) for one in kept if len(one) > 1]


def _means(kind: str, rows: Sequence[Mapping[str, float]]) -> Record:
    names = sorted({name for row in rows for name in row})
    return {f"{kind}/{name}": _mean_of([row[name] for row in rows if name in row])
            for name in names}  # fmt: skip


def _sums(scored: Sequence[Scored]) -> Record:
    names = sorted({name for one in scored for name in one.seconds})
    return {f"seconds/{name}": math.fsum(one.seconds.get(name, 0.0) for one in scored)
            for name in names}  # fmt: skip


def _mean_of(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    shares = weights or [1.0] * len(values)
    kept = [(v, w) for v, w in zip(values, shares, strict=True) if math.isfinite(v)]
    total = math.fsum(w for _, w in kept)
    return math.fsum(v * w for v, w in kept) / total if total else math.nan
