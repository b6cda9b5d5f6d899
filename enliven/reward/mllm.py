"""A multimodal model as the judge of a video.

    judge = mllm_judge(endpoint="http://localhost:8000/v1", model="...", canaries=["real.mp4"])
    card = enliven.judge("video.mp4", judge=judge)

It is asked a digit on each axis in windows of two seconds, in several wordings, and the score is
the expectation over the digits.  It is believed only after it has noticed what must be noticed
(`enliven.reward.selftest`), and whatever goes wrong is a mark without a number.
"""

import hashlib
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, final

from enliven.errors import BadOption
from enliven.media.files import digest, input_file
from enliven.metrics.watch import Stretch, watch
from enliven.reward.asking import PAUSE, Asker, Budget, Costs
from enliven.reward.digits import NO_LOGPROBS, Reading
from enliven.reward.judge import AXES, Mark
from enliven.reward.message import Backend, Question, Text
from enliven.reward.rubric import RUBRIC, Rubric, comparison, wording
from enliven.reward.selftest import Form, Trust, self_test, sound_check
from enliven.reward.windows import Views, Window, cut, shown_for, windows
from enliven.weights import cache_folder

VERSION = "1"
SOUND_AXES = ("lip_sync", "expressiveness")
TEST_FRAMES = 200  # of each canary video, 8 s
MOST_CANARIES = 4  # videos that a self-test looks at
UNTESTED = ("this model has not been tested: name a real recording of a speaker, or two, whose "
            "sound fits, as canaries")  # fmt: skip

Scoring = Literal["auto", "digit", "json"]
Canary = str | Path | Stretch


@dataclass(frozen=True)
class Preference:
    """value: how far the first of two clips is preferred, 0 to 1; 0.5 no preference; NaN where it
    could not be judged.  why: one sentence."""

    value: float
    why: str


@final
class MLLMJudge:
    """Marks stretches by asking a model.  Implements `enliven.reward.judge.Judge`.

    wordings: of each question, averaged; 1 to as many as the rubric has.
    scoring: "digit" by probabilities, "json" by the number the model writes; "auto" takes the
        former where the server tells probabilities.
    cache: folder for answers; None keeps none.
    canaries: real recordings, at best of several people, that the model is tested on before it is
        believed: files, or stretches that were watched already.
    untested: believe it without a test.
    explain: ask for a sentence about the worst window of each axis; it changes no score.
    pause: seconds before a failed request is repeated.
    Raises BadOption, and BadMedia for a canary that is no file.

    trust: what came of the self-test; None before it.
    unsettled: calls so far whose marks may be others another time, for want of an answer.
    """

    def __init__(
        self, backend: Backend, *, rubric: Rubric = RUBRIC, wordings: int = 2,
        views: Views | None = None, scoring: Scoring = "auto", cache: Path | None = None,
        budget: Budget | None = None, canaries: Sequence[Canary] = (), untested: bool = False,
        explain: bool = False, pause: float = PAUSE,
    ) -> None:  # fmt: skip
        most = min(len(rubric.questions.get(axis, ())) for axis in AXES)
        if not 1 <= wordings <= most:
            raise BadOption(f"wordings is {wordings}; the rubric has 1 to {most} for each axis")
        self._asker = Asker(backend, cache=cache, budget=budget, pause=pause)
        self._rubric, self._wordings, self._views = rubric, wordings, views or Views()
        self._scoring, self._canaries, self._untested = scoring, tuple(canaries), untested
        self._explain = explain
        self._lock = threading.RLock()  # a self-test asks for marks
        self._form: Form | None = None if scoring == "auto" else scoring
        self._deaf: str | None = None
        self.trust: Trust | None = None
        self.unsettled, self._shaky = 0, False
        tests = ["untested"] if untested else [canary_digest(canary) for canary in canaries]
        decides = f"{VERSION} {backend.identity} {rubric.digest} {wordings} {self._views} {scoring}"
        short = hashlib.sha256(" ".join([decides, *tests]).encode()).hexdigest()[:12]
        self.name = f"mllm {backend.name}, rubric {rubric.version}, {short}"

    @property
    def costs(self) -> Costs:
        """What judging has taken so far."""
        return self._asker.costs

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the scores should know: axes that weigh nothing and why, and costs."""
        trust = self.trust
        failed = [] if trust is None else [axis for axis in AXES if trust.refusal(axis)]
        lines = [f"{axis} weighs 0: the judge {trust.refusal(axis)}" for axis in failed if trust]
        return (*lines, f"judging took {self.costs}")

    def weights(self) -> dict[str, float]:
        """1 for each axis that the model is trusted with, else 0; tests it if need be."""
        refused = self._refused()
        return {axis: float(axis not in refused) for axis in AXES}

    def __call__(self, stretch: Stretch) -> list[Mark]:
        """Marks of all axes; without a number on those that the model cannot be trusted with."""
        failed = self.costs.failed
        refused = self._refused()
        marks = self.marks(stretch, [axis for axis in AXES if axis not in refused])
        for axis, why in refused.items():
            marks += [Mark(axis, w.start, w.stop, math.nan, why) for w in windows(stretch)]
        self.unsettled += bool(self._deaf) or self.costs.failed > failed or self._shaky
        return marks

    def marks(self, stretch: Stretch, axes: Sequence[str] = AXES) -> list[Mark]:
        """Marks of some axes, whether or not the model was tested.

        A window's mark is the mean over all wordings; it has no number when one of them has none.
        """
        asked = [(axis, window) for axis in axes for window in windows(stretch)]
        form, why = self._answering() if asked else (None, "")
        if form is None:
            return [Mark(axis, w.start, w.stop, math.nan, why) for axis, w in asked]
        questions: list[Question] = []
        for axis, window in asked:
            if not _unseen(axis, window):
                questions += [self._question(axis, window, i, form) for i in range(self._wordings)]
        answers = iter(self._asker.answers(questions))
        marks = [self._mark(axis, window, answers) for axis, window in asked]
        return self._explained(marks, asked) if self._explain and form == "digit" else marks

    def compare(self, first: Stretch, second: Stretch, axis: str) -> Preference:
        """Which of two takes of the same is better on an axis, window by window.

        Every pair is asked in both orders and the two answers averaged: whoever always prefers
        what comes first prefers nothing.  Raises BadOption for an unknown axis.
        """
        if axis not in AXES:
            raise BadOption(f"there is no axis {axis!r}; choose one of {', '.join(AXES)}")
        if why := self._refused().get(axis, ""):
            return Preference(math.nan, why)
        form, why = self._answering()
        pairs = [(a, b) for a, b in zip(windows(first), windows(second), strict=False)
                 if not (_unseen(axis, a) or _unseen(axis, b))]  # fmt: skip
        if form is None or not pairs:
            return Preference(math.nan, why or "no window of both shows what is to be compared")
        questions = [
            self._choice(axis, *order, form) for a, b in pairs for order in ((a, b), (b, a))
        ]
        wins = [_share(reading) for reading in self._asker.answers(questions)]
        both = [(a.value + 1 - b.value) / 2 for a, b in zip(wins[::2], wins[1::2], strict=True)]
        known = [value for value in both if math.isfinite(value)]
        if 2 * len(known) < len(both):
            return Preference(math.nan, next(w.why for w in wins if not w.valid))
        return Preference(sum(known) / len(known), f"{len(known)} windows compared in both orders")

    def _question(self, axis: str, window: Window, index: int, form: Form) -> Question:
        shown = shown_for(axis, window, self._rubric, self._views)
        words = wording(self._rubric, axis, index, as_json=form == "json")
        return Question((Text(self._rubric.role), *shown, Text(words)), form)

    def _choice(self, axis: str, first: Window, second: Window, form: Form) -> Question:
        rubric = self._rubric
        words = comparison(rubric, axis, as_json=form == "json")
        parts = (
            Text(rubric.role), Text(rubric.labels["first"]),
            *shown_for(axis, first, rubric, self._views), Text(rubric.labels["second"]),
            *shown_for(axis, second, rubric, self._views), Text(words),
        )  # fmt: skip
        return Question(parts, form, highest=3)

    def _mark(self, axis: str, window: Window, answers: Iterator[Reading]) -> Mark:
        value, why = math.nan, _unseen(axis, window)
        if not why:
            readings = [next(answers) for _ in range(self._wordings)]
            why = next((r.why for r in readings if not r.valid), "")
            if not why:
                value = sum(reading.value for reading in readings) / len(readings)
                why = "; ".join(dict.fromkeys(reading.why for reading in readings))
        return Mark(axis, window.start, window.stop, value, why)

    def _explained(
        self, marks: list[Mark], asked: Sequence[tuple[str, Window]]
    ) -> list[Mark]:  # fmt: skip
        """The worst mark of each axis with the model's own sentence, where it gives one."""
        worst: dict[str, int] = {}
        for i, mark in enumerate(marks):
            if math.isfinite(mark.value) and (
                mark.axis not in worst or mark.value < marks[worst[mark.axis]].value
            ):
                worst[mark.axis] = i
        places = list(worst.values())
        readings = self._asker.answers([self._question(*asked[i], 0, "json") for i in places])
        for i, reading in zip(places, readings, strict=True):
            if reading.valid and reading.why:
                marks[i] = replace(marks[i], why=reading.why)
        return marks

    def _answering(self) -> tuple[Form | None, str]:
        """How the server answers, and why not at all where it does not."""
        with self._lock:
            if self._form is None:
                question = Question((Text("Answer with the digit 3 and nothing else."),))
                reading = self._asker.answer(question, fresh=True)
                if not reading.valid and reading.why != NO_LOGPROBS:
                    return None, reading.why
                self._form = "digit" if reading.valid else "json"
            return self._form, ""

    def _refused(self) -> dict[str, str]:
        """Axes that the model is not trusted with, and why."""
        form, why = self._answering()
        if form is None:
            return dict.fromkeys(AXES, why)
        with self._lock:
            if self._deaf is None:
                why = sound_check(lambda asked: self._asker.answer(asked, fresh=True), form)
                if why.startswith("the sound check got no answer"):
                    return dict.fromkeys(SOUND_AXES, why)  # and ask again next time
                self._deaf = why
        refused = dict.fromkeys(SOUND_AXES, self._deaf) if self._deaf else {}
        if self._untested:
            return refused
        if not self._canaries:
            return dict.fromkeys(AXES, UNTESTED) | refused
        with self._lock:
            if self.trust is None:
                failed = self.costs.failed
                self.trust = self_test_of(self, self._canaries)
                self._shaky = self.costs.failed > failed
        for axis in AXES:
            if why := self.trust.refusal(axis):
                refused.setdefault(axis, why)
        return refused


def self_test_of(judge: MLLMJudge, canaries: Sequence[Canary]) -> Trust:
    """The self-test on recordings, of each its first stretch and at most 8 s.

    Raises BadMedia for a file that cannot be watched.
    """
    stretches = []
    for canary in canaries[:MOST_CANARIES]:
        stretch = canary if isinstance(canary, Stretch) else next(iter(watch(canary)))
        stretches.append(cut(stretch, 0, min(TEST_FRAMES, len(stretch))))
    return self_test(judge.marks, stretches)


def canary_digest(canary: Canary) -> str:
    """SHA-256 of a recording by which a model is tested.  Raises BadMedia."""
    if not isinstance(canary, Stretch):
        return digest(input_file(canary))
    content = canary.faces.tobytes() + canary.mouths.tobytes() + canary.samples.tobytes()
    return hashlib.sha256(content).hexdigest()


def _unseen(axis: str, window: Window) -> str:
    """Why an axis cannot be judged in a window; empty when it can."""
    if axis == "lip_sync" and not window.stretch.sounds:
        return "the video has no sound"
    return window.hidden


def _share(reading: Reading) -> Reading:
    """A choice of 1 first, 2 second, 3 equal as the share of the first."""
    if not reading.valid:
        return reading
    first, _, equal = reading.shares
    return replace(reading, value=first + equal / 2)


def mllm_judge(
    *, endpoint: str | None = None, model: str | None = None, local: str | Path | None = None,
    cache: str | Path | None = None, budget: Budget | None = None,
    canaries: Sequence[Canary] = (), untested: bool = False, explain: bool = True,
) -> MLLMJudge:  # fmt: skip
    """A judge behind an endpoint, or of a folder with an omni model.

    endpoint: URL of a server that speaks the OpenAI protocol, and model: its name there; pictures
        and sound of the video are sent to it, and nowhere else.
    local: folder of a Qwen2.5-Omni or Qwen3-Omni model; nothing leaves the machine.
    cache: folder of the answers; the user's cache by default.
    canaries: real recordings, without which no axis is trusted; see `MLLMJudge`.
    Raises BadOption unless it is one of the two, ModelUnavailable without the extra [judge] or
    [judge-local] and for a folder that holds no such model.
    """
    if (endpoint is None) == (local is None):
        raise BadOption("a multimodal judge needs either the URL of an endpoint and the name of a "
                        "model there, or a local folder with a model")  # fmt: skip
    backend: Backend
    if endpoint is not None:
        from enliven.reward.endpoint import Endpoint

        backend = Endpoint(endpoint, model or "")
    else:
        from enliven.reward.omni import load_omni

        assert local is not None
        backend = load_omni(local)
    folder = cache_folder() / "judge" if cache is None else Path(cache)
    return MLLMJudge(backend, cache=folder, budget=budget, canaries=canaries, untested=untested,
                     explain=explain)  # fmt: skip
