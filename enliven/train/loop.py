"""The loop of post-training: draw groups, score them, update, evaluate; stop when it goes wrong.

One iteration: every process draws its share of the groups and hands them to its reward workers;
what they were drawn with is frozen meanwhile; scores of all processes become advantages
together; gradients are summed.  Everything random follows from the seed and the iteration, so a
run that was killed goes on from its last checkpoint bit for bit, on the same number of
processes and threads.
"""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np

from enliven.errors import BadOption, InputError, TrainingStopped
from enliven.reward.compose import Advantages, Reward, Rewards, advantages, gather, measured
from enliven.train.adapter import Adapting
from enliven.train.dpo import Dpo
from enliven.train.grpo import Batch, Grpo, Method, Winners
from enliven.train.learner import Learning
from enliven.train.monitor import Record, Stopping, ends, fault, reward_record
from enliven.train.parallel import gathered
from enliven.train.policy import Policy
from enliven.train.report import write_report
from enliven.train.rollout import (
    Drawn,
    Exploring,
    For,
    Frozen,
    Place,
    draw_group,
    frozen,
    likeness,
    noise_of,
    sent,
)
from enliven.train.run import Progress, Run, Steps, opened
from enliven.train.workers import Scored, Task
from enliven.types import Score, Scorecard

log = logging.getLogger("enliven")


@dataclass(frozen=True)
class Config:
    """A run of post-training, but for the generator.

    held_out: names of scores that no reward uses; their mean decides which weights are kept and
        when to stop.  Without any the reward decides.
    evaluate_every, save_every: iterations.  Evaluations draw as a user does: no noise in the
        steps, mean weights, the same starts every time.
    """

    reward: Reward
    method: Grpo | Winners | Dpo = field(default_factory=Grpo)
    exploring: Exploring = field(default_factory=Exploring)
    learning: Learning = field(default_factory=Learning)
    adapting: Adapting = field(default_factory=Adapting)
    stopping: Stopping = field(default_factory=Stopping)
    iterations: int = 200
    evaluate_every: int = 10
    save_every: int = 1
    held_out: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.iterations, self.evaluate_every, self.save_every) < 1 or self.seed < 0:
            raise BadOption("iterations, evaluate_every and save_every are 1 or more, seed is 0 "
                            "or more")  # fmt: skip
        if set(self.held_out) & {term.score for term in self.reward.terms if term.weight}:
            raise BadOption(f"held_out names {', '.join(self.held_out)}, of which the reward uses "
                            "some; hold out scores that no reward sees")  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How a run ended.  why: what ended it before its time, or "".  best: iteration whose mean
    weights the module now holds.  report: an HTML page."""

    iterations: int
    best: int
    why: str
    report: Path


def improve(policy: Policy, config: Config, folder: Path, *, workers: int = 0,
            timeout: float = 300.0, progress: Progress | None = None) -> Outcome:  # fmt: skip
    """Post-train a policy; its module ends up with the best mean weights.

    folder: of the run; one that was stopped there is continued.  workers: processes that decode
    and score, for each process of the run; 0 does it here.  timeout: seconds for one sample.
    Raises TrainingStopped when something is wrong with the run (the checkpoint before stays),
    OutputError, BadOption, InputError.
    """
    if not policy.inputs:
        raise BadOption("the generator has no inputs to learn from; give some")
    steps = Steps(
        "iteration", config.iterations, extended="iterations",
        batch=(config.exploring.groups, "groups"), watching=config, every=config.evaluate_every,
        report=write_report, lower="the largest gradient", stated=("iteration", "why"),
    )  # fmt: skip
    with opened(policy, config, steps, folder, workers, timeout) as run:
        iterations = _Iterations(run, config)
        run.go(iterations.iterate, iterations.end, progress)
        best = run.settle()
        if run.why:
            log.warning("stopped: %s", run.why)
        return Outcome(run.done, best, run.why, run.report())


@final
class _Iterations:
    """The steps of a run."""

    def __init__(self, run: Run, config: Config) -> None:
        self.run, self.config = run, config

    def end(self) -> str:
        """Why to stop now, or ""."""
        run, stopping = self.run, self.config.stopping
        wrong = fault(run.records, stopping) if run.records else ""
        if wrong:
            page = run.report()
            raise TrainingStopped(f"{wrong}; the run stopped at iteration {run.done - 1} and "
                                  f"{run.checkpoint} is as it was before; see {page}")  # fmt: skip
        return ends(run.evaluations, stopping)

    def iterate(self) -> Record:
        clock = _Clock()
        run, config = self.run, self.config
        groups: list[Drawn | None] = []
        mine = run.batch(run.policy.inputs)
        for number, given in mine:
            where = Place(config.seed, run.done, number)
            groups.append(self._draw(where, given, len(groups)))
        clock.lap("sample")
        old = [frozen(run.policy, group) if group else None for group in groups]
        clock.lap("freeze")
        scored = self._scored(groups)
        clock.lap("wait for scores")
        found, rewards, every = self._advantages([number for number, _ in mine], scored)
        batch = _batch(groups, old, found, config.exploring.members)
        loss, norm, told = self._update(batch)
        clock.lap("update")
        record = reward_record(config.reward, rewards, found.all, every)
        kept = [z for group, one in zip(groups, old, strict=True) if group and one
                for z in noise_of(group, one)]  # fmt: skip
        noise = [row.cpu() for part in gathered([z[:4096] for z in kept]) for row in part]
        record |= {f"gap/{k}": v for k, v in _gaps(old).items()}
        record |= {"iteration": float(run.done), "loss": loss, "gradient": norm,
                   "noise likeness": likeness(noise)}  # fmt: skip
        return record | told | {f"time/{name}": value for name, value in clock.laps.items()}

    def _draw(self, where: Place, given: Any, slot: int) -> Drawn | None:
        """A group, handed to the workers; None when its input cannot be used."""
        exploring = self.config.exploring
        try:
            group = draw_group(self.run.policy, exploring, where, given)
        except InputError as error:
            if self.run.learner.sharded:  # other processes compute with this one
                raise BadOption(f"{error}; no input can be left out where weights are sharded: "
                                "remove it from the inputs and run again") from error  # fmt: skip
            log.warning("an input is left out: %s", error)
            return None
        for row, part in enumerate(sent(self.run.policy, group)):
            task = Task(part, given, where.number(For.DECODING))
            self.run.crew.submit(slot * exploring.members + row, task)
        return group

    def _scored(self, groups: Sequence[Drawn | None]) -> list[list[Scored]]:
        """What came of every member of every group."""
        done, size = self.run.crew.collect(), self.config.exploring.members
        lost = Scored(why="its input cannot be used")
        made = [[done.get(slot * size + row, lost) for row in range(size)]
                for slot in range(len(groups))]  # fmt: skip
        reasons = sorted({one.why for rows in made for one in rows if one.why})
        for why in reasons[:3]:
            log.warning("a sample was not scored: %s", why)
        return made

    def _advantages(self, numbers: Sequence[int], scored: Sequence[Sequence[Scored]]
                    ) -> tuple["_Found", Rewards, list[Scored]]:  # fmt: skip
        """Advantages of the whole batch, in the order of its groups whoever drew them."""
        light = [[Scored(one.card, one.why, one.seconds, one.pictures) for one in rows]
                 for rows in scored]  # fmt: skip
        parts = gathered(list(zip(numbers, light, strict=True)))
        ordered = sorted((pair for part in parts for pair in part), key=lambda pair: pair[0])
        every = [one for _, rows in ordered for one in rows]
        ids = np.repeat(np.array([number for number, _ in ordered], np.int64),
                        self.config.exploring.members)  # fmt: skip
        rewards = rewards_of(self.config.reward, every, ids)
        made = advantages(self.config.reward, rewards)
        return _Found(made, [ids == number for number in numbers]), rewards, every

    def _update(self, batch: Batch) -> tuple[float, float, Record]:
        """Loss and norm of the gradient before the first update; statistics of all updates."""
        run = self.run
        method: Method = self.config.method
        backward = partial(method.backward, run.policy, run.learner, batch)
        (loss, norm, told), *later = [run.update(backward) for _ in range(method.updates)]
        if "ratio apart" in told:
            told = {"first ratio apart": told["ratio apart"]} | told
        for _, _, seen in later:
            # gradients are those of the first update, as the norm of all of it is
            told |= {n: v for n, v in seen.items() if not n.startswith("gradient/")}
        return loss, norm, told


@dataclass(frozen=True)
class _Found:
    """Advantages of the batch, and for each group of this process its rows in it."""

    all: Advantages
    rows: Sequence[Any]


class _Clock:
    def __init__(self) -> None:
        self.last, self.laps = time.perf_counter(), dict[str, float]()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self.last = now - self.last, now


def rewards_of(reward: Reward, scored: Sequence[Scored], groups: Any) -> Rewards:
    """What samples were scored; those that were not are invalid in all of the reward's terms.

    Raises BadOption when samples were scored, but never on what the reward needs.
    """
    good = [one.card for one in scored if not one.why]
    measured(reward, good, np.zeros(len(good), np.int64))  # for what it raises
    names = [t.score for t in reward.terms] + [g.score for g in reward.gates]
    empty = Scorecard({name: Score(math.nan, 0.0, 1.0, valid=False) for name in names})
    return gather([measured(reward, [one.card if not one.why else empty for one in scored],
                            groups)])  # fmt: skip


def _batch(groups: Sequence[Drawn | None], old: Sequence[Frozen | None], found: _Found,
           members: int) -> Batch:  # fmt: skip
    kept = [(g, o, found.all.values[r], found.all.counted[r])
            for g, o, r in zip(groups, old, found.rows, strict=True) if g and o]  # fmt: skip
    columns = [list(column) for column in zip(*kept, strict=True)] or [[], [], [], []]
    return Batch(columns[0], columns[1], columns[2], columns[3], int(found.all.counted.sum()))


def _gaps(old: Sequence[Frozen | None]) -> dict[int, float]:
    gaps: dict[int, float] = {}
    for part in gathered([one.gap for one in old if one]):
        for one in part:
            for k, value in one.items():
                gaps[k] = max(gaps.get(k, 0.0), value)
    return gaps
