"""Videos are made and scored in processes of their own; one that fails costs one sample.

A worker gets what a generator drew, decodes it to a video and scores it.  It may die, hang or
raise: then the sample is invalid with the reason, a new worker takes its place, and the run goes
on.  Nothing here imports torch, and neither should what workers call: they start quickly and
stay small.
"""

import logging
import multiprocessing
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Self, final

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption, EnlivenError
from enliven.train.pictures import picture_statistics
from enliven.types import Scorecard, Video

log = logging.getLogger("enliven")

Decode = Callable[[Any, Any, int], Video]  # what was sent, the input, a seed -> video
Score = Callable[[Video, Any], Scorecard]  # the video and its input -> scores

START_SECONDS = 300.0  # to start in: importing and loading on a busy machine
FAILED_STARTS = 3  # in a row, before the run gives up
SHEET_FRAMES, SHEET_PX = 6, 128  # of the strip of pictures kept of an evaluated sample


@dataclass(frozen=True)
class Scoring:
    """How samples become scores; all of it must be picklable.

    decode: its seed is shared by a group, so that what is not learned (blinks) tells no member
        from another.
    score: the scores that rewards are made of.
    held_out: further scores for evaluations only, that no reward may use; None for none.
    """

    decode: Decode
    score: Score
    held_out: Score | None = None


@dataclass(frozen=True)
class Task:
    """One sample to score.  evaluating: with held-out scores and a strip of pictures."""

    sent: Any
    given: Any
    seed: int
    evaluating: bool = False


@dataclass(frozen=True)
class Scored:
    """What came of a task.

    card: empty when it failed; why: the reason then, else "".
    seconds: by stage.  pictures: statistics of a few frames, see `pictures.picture_statistics`.
    strip: (SHEET_PX, w, 3) uint8, frames side by side, when evaluating.
    """

    card: Scorecard = field(default_factory=Scorecard)
    why: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    pictures: Mapping[str, float] = field(default_factory=dict)
    strip: NDArray[np.uint8] | None = None


def score_one(scoring: Scoring, task: Task) -> Scored:
    """Decode and score in this process.  Raises whatever decoding and scoring raise."""
    started = time.perf_counter()
    video = scoring.decode(task.sent, task.given, task.seed)
    frames = list(video.frames)
    decoded = time.perf_counter()

    def again() -> Video:
        return Video(iter(frames), video.fps, video.audio, video.sample_rate)

    card = scoring.score(again(), task.given)
    scores = dict(card.scores)
    scored = time.perf_counter()
    seconds = {"decode": decoded - started, "score": scored - decoded}
    if task.evaluating and scoring.held_out is not None:
        scores |= scoring.held_out(again(), task.given).scores
        seconds["held out"] = time.perf_counter() - scored
    return Scored(Scorecard(scores, card.judge), "", seconds, picture_statistics(frames),
                  strip_of(frames) if task.evaluating else None)  # fmt: skip


def safely(scoring: Scoring, task: Task) -> Scored:
    """`score_one`; what goes wrong makes the sample invalid, with the reason."""
    try:
        return score_one(scoring, task)
    except EnlivenError as error:
        return Scored(why=str(error))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Scored(why=f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})")


def strip_of(frames: Sequence[NDArray]) -> NDArray[np.uint8] | None:
    """A few frames side by side; None when they are no pictures."""
    if not frames or frames[0].ndim != 3 or frames[0].dtype != np.uint8:
        return None
    height, width = frames[0].shape[:2]
    size = (max(1, round(width * SHEET_PX / height)), SHEET_PX)
    chosen = np.linspace(0, len(frames) - 1, min(SHEET_FRAMES, len(frames))).round().astype(int)
    small = [cv2.resize(frames[i][..., :3], size, interpolation=cv2.INTER_AREA) for i in chosen]
    return np.concatenate(small, 1)


def _serve(pipe: Connection, scoring: Scoring) -> None:
    """What a worker does: one task after the other, until the pipe closes."""
    cv2.setNumThreads(1)
    pipe.send("ready")
    while True:
        try:
            number, task = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        pipe.send((number, safely(scoring, task)))


class _Worker:
    """A process and the task it has."""

    def __init__(self, scoring: Scoring) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, scoring), daemon=True)
        self.process.start()
        theirs.close()
        self.ready = False
        self.number: int | None = None
        self.until = time.monotonic() + START_SECONDS

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


@final
class Workers:
    """Use as a context; `submit` numbered tasks, then `collect` all of them.

    count: processes; 0 scores in this one.  timeout: seconds a task may take.
    Raises BadOption when workers cannot start.
    """

    def __init__(self, scoring: Scoring, count: int, timeout: float = 300.0) -> None:
        if count < 0 or not timeout > 0:
            raise BadOption(f"workers is {count} and their timeout {timeout} s; choose 0 or more "
                            "and a positive time")  # fmt: skip
        self._scoring, self._timeout = scoring, timeout
        self._failed_starts = 0
        self._waiting: list[tuple[int, Task]] = []
        self._done: dict[int, Scored] = {}
        self._workers = [_Worker(scoring) for _ in range(count)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()
        self._workers = []

    def submit(self, number: int, task: Task) -> None:
        """Hand out a task; `number` tells it from others not collected yet."""
        self._waiting.append((number, task))
        if self._workers:
            self._tend(0.0)

    def collect(self) -> dict[int, Scored]:
        """Results by number, once all that was submitted is done."""
        if not self._workers:
            self._done |= {number: safely(self._scoring, task) for number, task in self._waiting}
            self._waiting = []
        while self._waiting or any(worker.number is not None for worker in self._workers):
            self._tend(1.0)
        done, self._done = self._done, {}
        return done

    def _tend(self, seconds: float) -> None:
        """Take what has come within so many seconds, replace who failed, hand out what waits."""
        wait([worker.pipe for worker in self._workers], seconds)
        for place, worker in enumerate(self._workers):
            fault = self._heard(worker)
            if fault:
                self._workers[place] = self._replaced(worker, fault)
        for worker in self._workers:
            if worker.ready and worker.number is None and self._waiting:
                self._hand(worker)

    def _hand(self, worker: _Worker) -> None:
        number, task = self._waiting.pop(0)
        worker.number, worker.until = number, time.monotonic() + self._timeout
        try:
            worker.pipe.send((number, task))
        except OSError:  # it died while idle: another one does the task
            self._waiting.insert(0, (number, task))
            worker.number = None

    def _heard(self, worker: _Worker) -> str:
        """Takes a worker's message; returns what is wrong with it, if anything is."""
        try:
            while worker.pipe.poll():
                message = worker.pipe.recv()
                if message == "ready":
                    worker.ready, self._failed_starts = True, 0
                else:
                    self._done[message[0]] = message[1]
                    worker.number = None
        except (EOFError, OSError):
            worker.process.join(5)
            return f"the reward worker died (exit code {worker.process.exitcode})"
        if not worker.ready and time.monotonic() > worker.until:
            return f"the reward worker did not start within {START_SECONDS:g} s"
        if worker.number is not None and time.monotonic() > worker.until:
            return f"the reward worker took longer than {self._timeout:g} s"
        return ""

    def _replaced(self, worker: _Worker, fault: str) -> _Worker:
        worker.end()
        if worker.number is not None:
            log.warning("%s; its sample does not count, and a new one takes its place", fault)
            self._done[worker.number] = Scored(why=fault)
        elif not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= FAILED_STARTS:
                raise BadOption(f"{fault} before it began, {FAILED_STARTS} times; run with "
                                "--workers 0 to see why")  # fmt: skip
        return _Worker(self._scoring)
