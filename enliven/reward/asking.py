"""Asking a model many questions: once each, several at a time, within a budget.

What is asked twice is answered from memory on disk, whose keys are the SHA-256 of all that is sent
and of the model it is sent to.  Only answers that could be read are kept: a failure is asked again
next time.
"""

import hashlib
import json
import math
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import final

from enliven.errors import BadOption
from enliven.reward.digits import Reading, invalid, read
from enliven.reward.message import Backend, Question, Reply, Unanswered

ATTEMPTS = 4
PAUSE = 0.5  # seconds before the second attempt, doubled before each further one
LONGEST_WAIT = 60.0  # seconds; a server that wants more is not waited for


@dataclass(frozen=True)
class Budget:
    """What judging may take; None: as much as it needs.  Raises BadOption.

    requests: sent, repeated ones included.  seconds: since the first.
    cost: money, in the currency of the prices; requests under way when it is reached are still
        paid for.
    price_in, price_out: of a million tokens.
    """

    requests: int | None = 5000
    seconds: float | None = None
    cost: float | None = None
    price_in: float = 0.0
    price_out: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise BadOption(f"{name} of the judge's budget is {value}; choose 0 or more")
        if self.cost is not None and not self.price_in + self.price_out:
            raise BadOption("the judge's budget limits the cost but names no price of tokens; "
                            "give price_in and price_out, for a million each")  # fmt: skip


@dataclass(frozen=True)
class Costs:
    """What judging took.

    requests: sent; cached: questions that needed none; retries: requests beyond the first of a
    question; failed: questions without an answer that could be read.
    tokens_in, tokens_out: as the server counts.  seconds: from the first request to the last
    reply.  money: by the prices of the budget.
    """

    requests: int = 0
    cached: int = 0
    retries: int = 0
    failed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    money: float = 0.0

    def __str__(self) -> str:
        cost = f", cost {self.money:.2f}" if self.money else ""
        return (f"{self.requests} requests ({self.retries} repeated), {self.cached} answers from "
                f"the cache, {self.failed} failed, {self.tokens_in} tokens in, "
                f"{self.tokens_out} out, {self.seconds:.1f} s{cost}")  # fmt: skip


@final
class Asker:
    """Asks one backend; may be used from several threads.

    cache: folder of the answers, made when needed; None keeps none.
    pause: seconds before the second attempt.
    """

    def __init__(
        self, backend: Backend, *, cache: Path | None = None, budget: Budget | None = None,
        pause: float = PAUSE,
    ) -> None:  # fmt: skip
        self.backend = backend
        self._cache, self._budget, self._pause = cache, budget or Budget(), pause
        self._lock = threading.Lock()
        self._begun: float | None = None
        self._counts = dict.fromkeys(
            ("requests", "cached", "retries", "failed", "tokens_in", "tokens_out"), 0
        )
        self._seconds = 0.0

    @property
    def costs(self) -> Costs:
        """So far."""
        with self._lock:
            return Costs(**self._counts, seconds=self._seconds, money=self._money())

    def answers(self, questions: Sequence[Question]) -> list[Reading]:
        """The answer to each; the same question is asked once."""
        once = {question.digest: question for question in questions}
        if not once:
            return []
        with ThreadPoolExecutor(max(1, min(self.backend.workers, len(once)))) as pool:
            found = dict(zip(once, pool.map(self.answer, once.values()), strict=True))
        return [found[question.digest] for question in questions]

    def answer(self, question: Question, *, fresh: bool = False) -> Reading:
        """The answer, or a reading without a number and the reason.

        fresh: ask even if the answer is known, and do not keep it.
        """
        key = hashlib.sha256(f"{self.backend.identity}\n{question.digest}".encode()).hexdigest()
        if not fresh and (known := self._recalled(key)) is not None:
            reading = read(question, known)
            if reading.valid:
                self._count(cached=1)
                return reading
        try:
            reply = self._asked(question, key)
        except Unanswered as failure:
            self._count(failed=1)
            return invalid(failure.why)
        reading = read(question, reply)
        if not reading.valid:
            self._count(failed=1)
        elif not fresh:
            self._keep(key, reply)
        return reading

    def _asked(self, question: Question, key: str) -> Reply:
        """Asks until there is a reply.  Raises Unanswered."""
        for attempt in range(ATTEMPTS):
            self._spend(attempt)
            try:
                reply = self.backend.ask(question)
            except Unanswered as failure:
                self._count()
                if not failure.retry or failure.wait > LONGEST_WAIT:
                    raise
                if attempt == ATTEMPTS - 1:
                    raise Unanswered(f"{failure.why}, {ATTEMPTS} times") from failure
                # spread, so that questions refused together do not come back together
                spread = 1 + int(key[:4], 16) / 0xFFFF
                time.sleep(max(failure.wait, self._pause * 2**attempt * spread))
            else:
                self._count(tokens_in=reply.tokens_in, tokens_out=reply.tokens_out)
                return reply
        raise AssertionError("unreachable")

    def _spend(self, attempt: int) -> None:
        """Books a request.  Raises Unanswered when the budget does not allow it."""
        budget, now = self._budget, time.monotonic()
        with self._lock:
            if budget.requests is not None and self._counts["requests"] >= budget.requests:
                raise Unanswered(f"the budget of {budget.requests} requests is used up")
            begun = self._begun if self._begun is not None else now
            if budget.seconds is not None and now - begun >= budget.seconds:
                raise Unanswered(f"the budget of {budget.seconds:g} s is used up")
            if budget.cost is not None and self._money() >= budget.cost:
                raise Unanswered(f"the budget of {budget.cost:g} for tokens is used up")
            self._begun = begun
            self._counts["requests"] += 1
            self._counts["retries"] += attempt > 0

    def _count(self, **more: int) -> None:
        with self._lock:
            for name, number in more.items():
                self._counts[name] += number
            if self._begun is not None:
                self._seconds = time.monotonic() - self._begun

    def _money(self) -> float:
        counts, budget = self._counts, self._budget
        return (counts["tokens_in"] * budget.price_in
                + counts["tokens_out"] * budget.price_out) / 1e6  # fmt: skip

    def _path(self, key: str) -> Path | None:
        return self._cache / key[:2] / f"{key[2:]}.json" if self._cache else None

    def _recalled(self, key: str) -> Reply | None:
        """The reply kept under a key; a damaged file is as good as none."""
        path = self._path(key)
        try:
            return reply_from(json.loads(path.read_text("utf-8"))) if path else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def _keep(self, key: str, reply: Reply) -> None:
        """A cache that cannot be written costs requests, not scores."""
        path = self._path(key)
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(vars(reply), file)
                os.replace(name, path)
            except BaseException:
                os.unlink(name)
                raise
        except OSError:
            self._cache = None  # full or read-only, for the rest of the run


def reply_from(kept: dict) -> Reply:
    """A Reply from its JSON.  Raises ValueError, TypeError, KeyError or AttributeError."""
    logprobs = kept["logprobs"]
    if logprobs is not None:
        logprobs = {str(token): float(value) for token, value in logprobs.items()}
    return Reply(str(kept["text"]), logprobs, int(kept["tokens_in"]), int(kept["tokens_out"]))
