"""A run of post-training, whatever its steps are: begun or continued, watched, kept, told.

`loop` takes iterations, `dpo` updates.  Each says what a step is and when to end; what a run is
besides is here.  In its folder are

    checkpoint.pt   what it goes on from; replaced every so many steps and at the end
    report.html     the page, written at every evaluation and at the end; its pictures in sheets/
    log/            for TensorBoard
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, final

from torch.utils.tensorboard import SummaryWriter

from enliven.errors import BadOption, TrainingStopped
from enliven.train.adapter import Adapting
from enliven.train.evaluate import Canary, Evaluating, best_of, evaluate
from enliven.train.grpo import Told, means, merged
from enliven.train.learner import Learner, Learning, load, plain, save, writing
from enliven.train.monitor import Record, strayed, write_scalars
from enliven.train.parallel import gathered, place, share
from enliven.train.policy import Policy
from enliven.train.rollout import For, Place
from enliven.train.workers import Workers

Item = TypeVar("Item")
Progress = Callable[[str, int, int], object]
Report = Callable[[Path, Any, Sequence[Record], Sequence[Record], str], object]  # see `report`


class Options(Protocol):
    """What the options of every run state, a frozen dataclass.  save_every: steps."""

    @property
    def learning(self) -> Learning: ...
    @property
    def adapting(self) -> Adapting: ...
    @property
    def save_every(self) -> int: ...
    @property
    def seed(self) -> int: ...


@dataclass(frozen=True)
class Steps:
    """What a method says of its steps.

    name: of one.  total: how many there are.  extended: the option that says so; it alone may be
        another when a run is continued.
    batch: what a step learns from: how many, called what.
    watching: how held-out inputs are evaluated, None for not at all.  every: so many steps.
    report: writes the page.  lower: what to lower, besides the rate, when numbers are not finite.
    beside: what is told with an evaluation, of the records since the one before.
    stated: what a checkpoint states for those who look into it, of "iteration" and "why".
    """

    name: str
    total: int
    extended: str
    batch: tuple[int, str]
    watching: Evaluating | None
    every: int
    report: Report
    lower: str
    beside: Callable[[Sequence[Record]], Record] = lambda since: {}
    stated: tuple[str, ...] = ()


@contextmanager
def opened(policy: Policy, config: Options, steps: Steps, folder: Path, workers: int,
           timeout: float) -> Iterator["Run"]:  # fmt: skip
    """A run in a folder; one that was stopped there is continued.  workers, timeout: see `Workers`.

    Raises BadOption where there is a run of other options or of another network, and where
    sharded weights cannot be trained on such batches; OutputError when, within it, the folder
    cannot be written.
    """
    with writing(folder), Workers(policy.scoring, workers, timeout) as crew:
        folder.mkdir(parents=True, exist_ok=True)
        run = Run(policy, config, steps, folder, crew)
        try:
            yield run
        finally:
            run.close()


@final
class Run:
    """The state of a run between steps; `opened` makes it.

    records: of every step.  evaluations: of every evaluation.  why: what ended the run before its
    time, or "".
    """

    def __init__(self, policy: Policy, config: Options, steps: Steps, folder: Path, crew: Workers
                 ) -> None:  # fmt: skip
        self.policy, self.config, self.steps = policy, config, steps
        self.folder, self.crew = folder, crew
        self.learner = Learner(policy.module, config.learning, config.adapting, config.seed)
        size, called = steps.batch
        if self.learner.sharded and size % place()[1]:
            raise BadOption(f"{size} {called} cannot be shared evenly by {place()[1]} processes, "
                            "which sharded weights need; choose a multiple")  # fmt: skip
        self.why = ""
        self.records: list[Record] = []
        self.evaluations: list[Record] = []
        self.best: dict[str, Any] = {}
        self.canary: Canary | None = None
        self.checkpoint = folder / "checkpoint.pt"
        state = load(self.checkpoint, config, free=(steps.extended,))
        if state is not None:
            self.learner.restore(state["learner"], self.checkpoint)
            for name in ("records", "evaluations", "best", "canary"):  # older ones lack some
                setattr(self, name, state.get(name, getattr(self, name)))
        self.leads = place()[0] == 0
        self.writer = (SummaryWriter(str(folder / "log"), purge_step=self.done)
                       if self.leads else None)  # fmt: skip
        # the purge takes what a killed run told after its checkpoint, and these if they came last
        for kind, known in (("", self.records[-1:]), ("evaluation/", self.evaluations[-1:])):
            for record in known:
                self._log(kind, record, since=self.done)

    @property
    def done(self) -> int:
        """Steps so far."""
        return len(self.records)

    def go(self, step: Callable[[], Record], end: Callable[[], str], progress: Progress | None
           ) -> None:  # fmt: skip
        """Take the steps that are left.

        step: takes the next one; its record.  end: why the run ends now, or ""; raises
        TrainingStopped when something is wrong with it, and the checkpoint before stays.
        """
        steps, tell = self.steps, progress or (lambda *_: None)
        if steps.watching and not self.evaluations:
            self._evaluate(steps.watching)
        self.why = end()
        while self.done < steps.total and not self.why:
            tell(f"{steps.name}s", self.done, steps.total)
            self.records.append(step())
            self._log("", self.records[-1])
            self.why = end()
            ending = bool(self.why) or self.done == steps.total
            if steps.watching and (ending or self.done % steps.every == 0):
                self._evaluate(steps.watching)
                self.why = self.why or end()
            if ending or self.why or self.done % self.config.save_every == 0:
                self._save()
        tell(f"{steps.name}s", steps.total, steps.total)

    def batch(self, items: Sequence[Item]) -> list[tuple[int, Item]]:
        """What this process does of the next batch, numbered through the run.

        Each item comes up once before any comes again.
        """
        made, size = [], self.steps.batch[0]
        for number in share(range(self.done * size, (self.done + 1) * size)):
            turn, row = divmod(number, len(items))
            order = Place(self.config.seed, turn, 0).rng(For.INPUTS).permutation(len(items))
            made.append((number, items[int(order[row])]))
        return made

    def update(self, backward: Callable[[], tuple[float, Told]]) -> tuple[float, float, Record]:
        """Change the weights once: loss, norm of the gradient, and means of what was told, of all
        processes.

        backward: adds up gradients; the loss of this process's share, and what it tells.
        Raises TrainingStopped when loss or gradient are not finite.
        """
        self.learner.start()
        share_of_loss, told = backward()
        norm = self.learner.step()
        loss = math.fsum(gathered(share_of_loss))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self.report()
            raise TrainingStopped(
                f"loss {loss} and gradient {norm} at {self.steps.name} {self.done} are not finite; "
                f"{self.checkpoint} is as it was before: lower the rate or {self.steps.lower} in "
                "the recipe, and begin again in another --out"
            )
        return loss, norm, means(merged(gathered(told)))

    def settle(self) -> int:
        """Give the module the weights that are kept: mean ones, of the best evaluation if there
        were any.  Returns after how many steps they were so."""
        self.learner.take(self.best["weights"] if self.best else self.learner.mean)
        return int(self.best["iteration"]) if self.best else self.done

    def report(self) -> Path:
        path = self.folder / "report.html"
        if self.leads:
            self.steps.report(path, self.config, self.records, self.evaluations, self.why)
        return path

    def close(self) -> None:
        if self.writer:
            self.writer.close()

    def _evaluate(self, watching: Evaluating) -> None:
        began = time.perf_counter()
        record, self.canary = evaluate(self.policy, self.learner, watching, self.crew,
                                       self.folder, self.done, self.canary)  # fmt: skip
        before = int(self.evaluations[-1]["iteration"]) if self.evaluations else self.done
        record |= self.steps.beside(self.records[before:])
        record["time/evaluate"] = time.perf_counter() - began
        self.evaluations.append(record)
        self._log("evaluation/", record)
        if not strayed(self.evaluations, watching.stopping):  # else the run ends: not with these
            self.best = best_of(self.best, record, watching, self.learner.mean)
        self.report()

    def _log(self, kind: str, record: Record, since: int = 0) -> None:
        """To TensorBoard, at the number the record states, else that of steps so far."""
        at = int(record.get("iteration", self.done))
        if at >= since:
            write_scalars(self.writer, kind, record, at)

    def _save(self) -> None:
        known = {"iteration": self.done, "why": self.why}
        save(self.checkpoint, {
            "config": plain(self.config), **{name: known[name] for name in self.steps.stated},
            "learner": self.learner.state(), "records": self.records,
            "evaluations": self.evaluations, "best": self.best, "canary": self.canary,
        })  # fmt: skip
