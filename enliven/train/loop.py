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
from pathlib import Path
from typing import Any, final

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from enliven.errors import BadOption, InputError, TrainingStopped
from enliven.reward.compose import Advantages, Reward, Rewards, advantages, gather, measured
from enliven.train.adapter import Adapting
from enliven.train.dpo import Dpo, Progress
from enliven.train.evaluate import Canary, best_of, evaluate
from enliven.train.grpo import Batch, Grpo, Method, Winners, means, merged
from enliven.train.learner import Learner, Learning, load, plain, save, writing
from enliven.train.monitor import Record, Stopping, ends, fault, reward_record, write_scalars
from enliven.train.parallel import gathered, place, share
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
from enliven.train.workers import Scored, Task, Workers
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
    with writing(folder), Workers(policy.scoring, workers, timeout) as crew:
        folder.mkdir(parents=True, exist_ok=True)
        run = _Run(policy, config, folder, crew)
        try:
            run.go(progress or (lambda *_: None))
        finally:
            run.close()
        return run.outcome()


@final
class _Run:
    """The state of a run between iterations."""

    def __init__(self, policy: Policy, config: Config, folder: Path, crew: Workers) -> None:
        if not policy.inputs:
            raise BadOption("the generator has no inputs to learn from; give some")
        self.policy, self.config, self.folder, self.crew = policy, config, folder, crew
        self.learner = Learner(policy.module, config.learning, config.adapting, config.seed)
        if self.learner.sharded and config.exploring.groups % place()[1]:
            raise BadOption(f"{config.exploring.groups} groups cannot be shared evenly by "
                            f"{place()[1]} processes, which sharded weights need; choose a "
                            "multiple")  # fmt: skip
        self.iteration, self.why = 0, ""
        self.records: list[Record] = []
        self.evaluations: list[Record] = []
        self.best: dict[str, Any] = {}
        self.canary: Canary | None = None
        self.checkpoint = folder / "checkpoint.pt"
        state = load(self.checkpoint, config, free=("iterations",))
        if state is not None:
            self.learner.restore(state["learner"], self.checkpoint)
            for name in ("iteration", "why", "records", "evaluations", "best", "canary"):
                setattr(self, name, state[name])
        self.leads = place()[0] == 0
        self.writer = (SummaryWriter(str(folder / "log"), purge_step=self.iteration)
                       if self.leads else None)  # fmt: skip

    def go(self, progress: Progress) -> None:
        config = self.config
        if not self.evaluations:
            self._evaluate()
        while self.iteration < config.iterations and not self.why:
            progress("iterations", self.iteration, config.iterations)
            record = self._iterate()
            self.records.append(record)
            write_scalars(self.writer, "", record, self.iteration)
            wrong = fault(self.records, config.stopping)
            if wrong:
                self._report()
                raise TrainingStopped(
                    f"{wrong}; the run stopped at iteration {self.iteration} and "
                    f"{self.checkpoint} is as it was before; see {self.folder / 'report.html'}"
                )
            self.iteration += 1
            last = self.iteration == config.iterations
            if last or self.iteration % config.evaluate_every == 0:
                self._evaluate()
                self.why = ends(self.evaluations, config.stopping)
            if last or self.why or self.iteration % config.save_every == 0:
                self._save()
        progress("iterations", config.iterations, config.iterations)

    def outcome(self) -> Outcome:
        """Ends with the best weights in the module."""
        self.learner.take(self.best["weights"])
        if self.why:
            log.warning("stopped: %s", self.why)
        return Outcome(self.iteration, self.best["iteration"], self.why, self._report())

    def close(self) -> None:
        if self.writer:
            self.writer.close()

    def _iterate(self) -> Record:
        clock = _Clock()
        config = self.config
        mine = share(list(enumerate(self._inputs())))
        groups: list[Drawn | None] = []
        for number, given in mine:
            where = Place(config.seed, self.iteration, self.iteration * config.exploring.groups
                          + number)  # fmt: skip
            groups.append(self._draw(where, given, len(groups)))
        clock.lap("sample")
        old = [frozen(self.policy, group) if group else None for group in groups]
        clock.lap("freeze")
        scored = self._scored(groups)
        clock.lap("wait for scores")
        found, rewards, every = self._advantages([number for number, _ in mine], scored)
        batch = _batch(groups, old, found, config.exploring.members)
        told, norms, loss = self._update(batch)
        clock.lap("update")
        record = reward_record(config.reward, rewards, found.all, every)
        kept = [z for group, one in zip(groups, old, strict=True) if group and one
                for z in noise_of(group, one)]  # fmt: skip
        noise = [row.cpu() for part in gathered([z[:4096] for z in kept]) for row in part]
        record |= {f"gap/{k}": v for k, v in _gaps(old).items()}
        record |= {"iteration": float(self.iteration), "loss": loss, "gradient": norms[0],
                   "noise likeness": likeness(noise)}  # fmt: skip
        return record | told | {f"time/{name}": value for name, value in clock.laps.items()}

    def _draw(self, where: Place, given: Any, slot: int) -> Drawn | None:
        """A group, handed to the workers; None when its input cannot be used."""
        exploring = self.config.exploring
        try:
            group = draw_group(self.policy, exploring, where, given)
        except InputError as error:
            if self.learner.sharded:  # other processes compute with this one
                raise BadOption(f"{error}; no input can be left out where weights are sharded: "
                                "remove it from the inputs and run again") from error  # fmt: skip
            log.warning("an input is left out: %s", error)
            return None
        for row, part in enumerate(sent(self.policy, group)):
            task = Task(part, given, where.number(For.DECODING))
            self.crew.submit(slot * exploring.members + row, task)
        return group

    def _scored(self, groups: Sequence[Drawn | None]) -> list[list[Scored]]:
        """What came of every member of every group."""
        done, size = self.crew.collect(), self.config.exploring.members
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

    def _update(self, batch: Batch) -> tuple[Record, list[float], float]:
        """Statistics of all updates, norms of gradients and the loss before the first."""
        norms, losses, told = [], [], Record()
        for update in range(self.config.method.updates):
            self.learner.start()
            method: Method = self.config.method
            loss, seen = method.backward(self.policy, self.learner, batch)
            norms.append(self.learner.step())
            losses.append(math.fsum(gathered(loss)))
            if not (math.isfinite(norms[-1]) and math.isfinite(losses[-1])):
                self._report()
                raise TrainingStopped(
                    f"loss {losses[-1]} and gradient {norms[-1]} at iteration {self.iteration} are "
                    f"not finite; {self.checkpoint} is as it was before: lower the rate or the "
                    "largest gradient in the recipe, and begin again in another --out"
                )
            now = means(merged(gathered(seen)))
            if update == 0 and "ratio apart" in now:
                told["first ratio apart"] = now["ratio apart"]
            # gradients are those of the first update, as the norm of all of it is
            told |= {n: v for n, v in now.items() if not (update and n.startswith("gradient/"))}
        return told, norms, losses[0]

    def _inputs(self) -> list[Any]:
        """Those of the groups of this iteration: each comes up once before any comes again."""
        inputs, made = self.policy.inputs, []
        for at in range(self.iteration * self.config.exploring.groups,
                        (self.iteration + 1) * self.config.exploring.groups):  # fmt: skip
            turn, number = divmod(at, len(inputs))
            order = Place(self.config.seed, turn, 0).rng(For.INPUTS).permutation(len(inputs))
            made.append(inputs[int(order[number])])
        return made

    def _evaluate(self) -> None:
        began = time.perf_counter()
        record, self.canary = evaluate(self.policy, self.learner, self.config, self.crew,
                                       self.folder, self.iteration, self.canary)  # fmt: skip
        record["time/evaluate"] = time.perf_counter() - began
        self.evaluations.append(record)
        write_scalars(self.writer, "evaluation/", record, self.iteration)
        decides = "held out" if self.config.held_out else "reward"
        self.best = best_of(self.best, record, decides, self.learner.mean)
        self._report()

    def _save(self) -> None:
        save(self.checkpoint, {
            "config": plain(self.config), "iteration": self.iteration, "why": self.why,
            "learner": self.learner.state(), "records": self.records,
            "evaluations": self.evaluations, "best": self.best, "canary": self.canary,
        })  # fmt: skip

    def _report(self) -> Path:
        path = self.folder / "report.html"
        if self.leads:
            write_report(path, self.config, self.records, self.evaluations, self.why)
        return path


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
