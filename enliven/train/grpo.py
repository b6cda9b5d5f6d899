"""How a scored batch becomes gradients: GRPO with recorded steps, or learning from winners.

`Grpo` is the clipped objective over the noisy steps of rollouts, with its KL to the reference
(Flow-GRPO, arXiv 2505.05470, with a window of few early noisy steps as in MixGRPO, 2507.21802, and
FlowPortrait, 2603.00159).  `Winners` is flow matching on the best of each group (reward-weighted
fine-tuning at its simplest): the plain SFT that GRPO has to beat.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enliven.errors import BadOption
from enliven.flow import gaussian, interpolate, replay, target
from enliven.train.learner import Learner
from enliven.train.objectives import (
    CLIP,
    Ratio,
    Weighting,
    average,
    kl,
    log_ratio,
    norm_excess,
    policy_loss,
    step_weights,
)
from enliven.train.objectives import velocity_distance as distance
from enliven.train.parallel import add_up, gathered
from enliven.train.policy import Policy
from enliven.train.rollout import Drawn, For, Frozen, Piece


class Batch(NamedTuple):
    """The groups of this process.  advantages, counted: (B,) of each group, and the number of
    samples that count in all processes."""

    groups: Sequence[Drawn]
    old: Sequence[Frozen]
    advantages: Sequence[NDArray[np.float64]]
    counted: Sequence[NDArray[np.bool_]]
    total: int


Told = dict[str, list[float]]  # statistics of every micro-batch


class Method(Protocol):
    """An objective: adds gradients of one update and tells what it saw."""

    @property
    def updates(self) -> int:
        """Passes over a batch, each an update."""

    def backward(self, policy: Policy, learner: Learner, batch: Batch) -> tuple[float, Told]:
        """The loss of this process's share, and statistics by name."""


@dataclass(frozen=True)
class Grpo:
    """The clipped objective.  Raises BadOption.

    ratio, weighting: see `objectives.log_ratio` and `step_weights`.
    clip: half-width of the range of ratios; None: the usual one of that ratio (`objectives.CLIP`).
    beta: weight of the KL to the reference, mean over elements.
    velocity: weight of the mean squared distance of velocities from the reference's.
    growth: weight of velocities that grow longer than the reference's.
    updates: passes over every rollout; the first is on-policy, where nothing is clipped.
    """

    ratio: Ratio = "dimension-free"
    weighting: Weighting = "equal"
    clip: float | None = None
    beta: float = 0.02
    velocity: float = 0.0
    growth: float = 0.1
    updates: int = 1

    def __post_init__(self) -> None:
        if self.ratio not in CLIP or (self.clip is not None and not 0 < self.clip < 1):
            raise BadOption(f"ratio is {self.ratio!r} and clip {self.clip}; choose one of "
                            f"{', '.join(CLIP)}, and a clip within 0 and 1")  # fmt: skip
        if min(self.beta, self.velocity, self.growth) < 0 or self.updates < 1:
            raise BadOption("beta, velocity and growth are 0 or more, updates 1 or more")

    @property
    def range(self) -> float:
        return CLIP[self.ratio] if self.clip is None else self.clip

    def backward(self, policy: Policy, learner: Learner, batch: Batch) -> tuple[float, Told]:
        """ "gradient/STEP" is the norm of what each noisy step added to the gradient."""
        loss, told = 0.0, Told()
        with Contributions({} if learner.sharded else learner.weights) as added:
            for group, old, advantages, counted in zip(*batch[:4], strict=True):
                for piece, steps in zip(group.pieces, old.steps, strict=True):
                    weights = step_weights(piece.trajectory, self.weighting, self.ratio)
                    total = batch.total * _parts(group) * len(steps)
                    for before, reference, now in _replays(policy, learner, piece, steps):
                        rows, seen = self._rows(piece, before, reference, now, advantages, weights)
                        kept = torch.as_tensor(counted[piece.rows].copy(), device=rows.device)
                        one = average(rows, kept, max(1, total))
                        added.step = before.step
                        one.backward()
                        loss += float(one.detach())
                        for name, value in seen.items():
                            told.setdefault(name, []).append(value)
        return loss, told | {f"gradient/{k}": [norm] for k, norm in added.norms().items()}

    def _rows(self, piece: Piece, before: Any, reference: "_At", now: "_At",
              advantages: NDArray[np.float64], weights: NDArray[np.float64]
              ) -> tuple[Tensor, dict[str, float]]:  # fmt: skip
        """Loss of each row of one step, (B,), and what monitors want to know."""
        k, given = before.step, piece.trajectory.given
        following = piece.trajectory.states[k + 1]
        change = log_ratio(now.transition, before.transition, following, self.ratio)
        gain = change.new_tensor(advantages[piece.rows])
        rows = policy_loss(change, gain, self.range, self.range, float(weights[k]))
        far = kl(now.transition, reference.transition)
        grown = norm_excess(now.velocity, reference.velocity, given)
        rows = rows + self.beta * far + self.growth * grown
        if self.velocity:
            rows = rows + self.velocity * distance(now.velocity, reference.velocity, given)
        with torch.no_grad():
            ratio = torch.expm1(change)
            still = torch.zeros_like(reference.velocity)
            sizes = [distance(v, still, given).mean() for v in (now.velocity, reference.velocity)]
            seen = {
                "ratio apart": float(ratio.abs().max()), "ratio": 1 + float(ratio.mean()),
                "ratio least": 1 + float(ratio.min()), "ratio most": 1 + float(ratio.max()),
                "clipped above": float(((ratio > self.range) & (gain > 0)).double().mean()),
                "clipped below": float(((ratio < -self.range) & (gain < 0)).double().mean()),
                "KL": float(far.mean()),
                "velocity growth": math.sqrt(float(sizes[0] / sizes[1].clamp(min=1e-30))),
            }  # fmt: skip
        return rows, seen


@dataclass(frozen=True)
class Winners:
    """Flow matching on the best members of each group.  Raises BadOption.

    share: of the members of a group that are learned from, one at least; only those better than
    the mean of their group.  draws: noises and times drawn for each, in one update.
    """

    share: float = 0.125
    draws: int = 4
    updates: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.share <= 0.5 or self.draws < 1 or self.updates < 1:
            raise BadOption(f"share is {self.share}, draws {self.draws}, updates {self.updates}; "
                            "choose a share up to 0.5, and 1 or more")  # fmt: skip

    def backward(self, policy: Policy, learner: Learner, batch: Batch) -> tuple[float, Told]:
        loss, told = 0.0, Told()
        for group, advantages, counted in zip(
            batch.groups, batch.advantages, batch.counted, strict=True
        ):
            best = self.chosen(advantages, counted)
            share = 1 / max(1, len(best)) / self.draws / _parts(group) * len(counted)
            for piece in group.pieces:
                rows = [i - piece.rows.start for i in best
                        if piece.rows.start <= i < piece.rows.stop]  # fmt: skip
                for draw in range(self.draws if rows or learner.sharded else 0):
                    # processes that share weights compute equally often, if for nothing
                    errors = self._errors(policy, group, piece, rows or [0], draw)
                    one = errors.sum() * (share if rows else 0.0) / max(1, batch.total)
                    one.backward()
                    if not rows:
                        continue
                    loss += float(one.detach())
                    told.setdefault("flow error", []).append(float(errors.detach().mean()))
        return loss, told

    def chosen(self, advantages: NDArray, counted: NDArray) -> list[int]:
        """Rows learned from."""
        size = max(1, round(self.share * len(advantages)))
        order = [int(i) for i in np.argsort(-advantages, kind="stable") if counted[i]]
        return [i for i in order[:size] if advantages[i] > 0]

    def _errors(self, policy: Policy, group: Drawn, piece: Piece, rows: list[int], draw: int
                ) -> Tensor:  # fmt: skip
        """Mean squared error of the velocity at one noise and time, (rows,)."""
        trajectory = piece.trajectory
        data = trajectory.states[-1][rows]
        members = [piece.rows.start + row for row in rows]
        rngs = [group.place.rng(For.LEARNING, m, piece.part * self.draws + draw) for m in members]
        t = data.new_tensor([1 / (1 + math.exp(-rng.standard_normal())) for rng in rngs])
        noise = gaussian(data, rngs)
        x = interpolate(data, noise, t)
        if trajectory.given is not None:
            known = torch.as_tensor(np.array(trajectory.given), device=x.device)
            x = torch.where(known, data, x)
        v = policy.velocity(x, t, piece.condition)
        return distance(v, target(data, noise), trajectory.given)


class Contributions:
    """What each step adds to the gradients of weights, seen on its way; nothing is changed.

    Use as a context; set `step` before each backward.  Sums are kept apart because gradients of
    several samples may cancel.  Without weights nothing is told: those that are sharded get
    gradients of different steps from different processes at once.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.step = 0
        self._weights = weights
        self._sums: dict[int, dict[str, Tensor]] = {}
        self._hooks: list[Any] = []

    def __enter__(self) -> Self:
        self._hooks = [weight.register_hook(partial(self._see, name))
                       for name, weight in self._weights.items()]  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _see(self, name: str, gradient: Tensor) -> None:
        sums = self._sums.setdefault(self.step, {})
        if name in sums:
            sums[name] += gradient
        else:
            sums[name] = gradient.clone()

    def norms(self) -> dict[int, float]:
        """By step, of the sums over all processes, which all must ask for."""
        made = {}
        for step in sorted({step for part in gathered(list(self._sums)) for step in part}):
            sums = self._sums.get(step, {})
            parts = [sums.get(n, torch.zeros_like(w)) for n, w in self._weights.items()]
            add_up(parts)
            made[step] = math.hypot(*(float(torch.linalg.vector_norm(part)) for part in parts))
        return made


class _At(NamedTuple):
    """One step under some weights."""

    step: int
    transition: Any
    velocity: Tensor


def _replays(policy: Policy, learner: Learner, piece: Piece, steps: Sequence[Any]
             ) -> Iterator[tuple[Any, _At, _At]]:  # fmt: skip
    """Every noisy step as it was, under the reference and under the present weights."""
    with learner.reference():
        field, seen = _watched(policy, piece)
        references = [_At(one.step, one.transition, seen.pop())
                      for one in replay(field, piece.trajectory)]  # fmt: skip
    field, seen = _watched(policy, piece)
    present = replay(field, piece.trajectory)
    for before, reference, now in zip(steps, references, present, strict=True):
        yield before, reference, _At(now.step, now.transition, seen.pop())


def _watched(policy: Policy, piece: Piece) -> tuple[Callable[[Tensor, Tensor], Tensor], list[Any]]:
    """The velocity of a piece, and a list that its values are put in."""
    seen: list[Any] = []

    def field(x: Tensor, t: Tensor) -> Tensor:
        seen.append(policy.velocity(x, t, piece.condition))
        return seen[-1]

    return field, seen


def _parts(group: Drawn) -> int:
    return len(group.parts)


def merged(parts: Iterable[Told]) -> Told:
    """Statistics of several processes as one."""
    made = Told()
    for part in parts:
        for name, values in part.items():
            made.setdefault(name, []).extend(values)
    return made


def means(told: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """One number of every statistic: extremes where the name says so, else means."""
    ends = {"ratio apart": max, "ratio most": max, "ratio least": min}
    return {name: float(ends.get(name, _mean)(values)) for name, values in told.items()}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
