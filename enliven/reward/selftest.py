"""Whether a judge can be trusted: it is shown what must score lower, and has to notice.

    trust = self_test(judge.marks, stretches)     # of real, well-synced speakers
    trust.weights                                 # 0 for an axis whose canaries died unnoticed

Multimodal models are often deaf or blind to lip-sync, and servers drop sound without saying so;
both give confident numbers.  So real speech is muted, shifted, swapped and frozen, and an axis
counts only if each canary that concerns it scores lower than the original: by a margin on
average, and in most of the pairs.  `sound_check` asks a server whether it hears at all.
"""

import math
import wave
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from enliven.errors import ModelUnavailable
from enliven.metrics.watch import Stretch
from enliven.reward import corruption
from enliven.reward.compose import Reward
from enliven.reward.corruption import Footage
from enliven.reward.digits import Reading
from enliven.reward.judge import AXES, Mark
from enliven.reward.message import Question, Sound, Text
from enliven.reward.rubric import RUBRIC
from enliven.types import MOTION_FPS

Marks = Callable[[Stretch, Sequence[str]], Sequence[Mark]]
Form = Literal["digit", "json"]

# The axes that must notice each canary.
CANARIES: Mapping[str, tuple[str, ...]] = {
    "muted": ("lip_sync",), "shifted": ("lip_sync",), "swapped": ("lip_sync",), "frozen": AXES,
}  # fmt: skip
SHIFT = 8  # frames, 0.32 s: who does not see this sees no shift at all
MARGIN = 0.25  # of the scale of 1 to 5, on average
LEAST_RIGHT = 0.75  # share of the pairs; equal scores count half
LEAST_PAIRS = 4  # windows that could be judged both ways

# What `words.wav` says.  A deaf model cannot guess the half of them.
WORDS = ("speak", "any", "words", "care", "record")
SAME = 0.02  # answers this near to each other are the same answer
HEARD = 1.0  # of the scale of 1 to 5, by which a voice must be told from silence


@dataclass(frozen=True)
class Trial:
    """One canary on one axis.

    pairs: windows judged both ways.  margin: by how much the original scored higher, on average;
    right: share of the pairs in which it did.  NaN without pairs.
    """

    canary: str
    axis: str
    pairs: int
    margin: float
    right: float

    @property
    def passed(self) -> bool:
        return self.pairs >= LEAST_PAIRS and self.margin >= MARGIN and self.right >= LEAST_RIGHT

    def __str__(self) -> str:
        what = f"{self.axis}, {self.canary}"
        if self.pairs < LEAST_PAIRS:
            return f"{what}: {self.pairs} windows could be judged, {LEAST_PAIRS} are needed"
        return (f"{what}: lower by {self.margin:.2f} (needs {MARGIN}), in {self.right:.0%} of "
                f"{self.pairs} pairs (needs {LEAST_RIGHT:.0%})")  # fmt: skip


@dataclass(frozen=True)
class Trust:
    """What came of a self-test."""

    trials: tuple[Trial, ...]

    @property
    def weights(self) -> dict[str, float]:
        """1 for each axis of AXES that noticed all its canaries, else 0."""
        return {axis: float(not self.refusal(axis)) for axis in AXES}

    def refusal(self, axis: str) -> str:
        """Why an axis is not trusted; empty when it is."""
        own = [trial for trial in self.trials if trial.axis == axis]
        failed = [str(trial) for trial in own if not trial.passed]
        if not own:
            failed = [f"{axis}: not tested"]
        return f"failed its self-test ({'; '.join(failed)})" if failed else ""

    def report(self) -> str:
        """One line a trial, and one an axis that weighs nothing."""
        lines = [f"{'passed' if trial.passed else 'FAILED'}  {trial}" for trial in self.trials]
        lines += [f"{axis} weighs 0" for axis, weight in self.weights.items() if not weight]
        return "\n".join(lines)


def weighed(reward: Reward, weights: Mapping[str, float]) -> Reward:
    """A reward whose terms weigh so much of what they did; 0 for an axis not to be trusted.

    Raises BadOption when nothing is left.
    """
    terms = tuple(replace(term, weight=term.weight * weights.get(term.score, 1.0))
                  for term in reward.terms)  # fmt: skip
    return replace(reward, terms=terms)


def self_test(marks: Marks, stretches: Iterable[Stretch]) -> Trust:
    """Tries the canaries on stretches of real people whose sound is known to fit.

    marks: gives the marks of a stretch on some axes, in the same windows whatever is done to it.
    """
    originals = list(stretches)
    pairs: dict[tuple[str, str], list[tuple[float, float]]] = {
        (canary, axis): [] for canary, axes in CANARIES.items() for axis in axes
    }
    for i, stretch in enumerate(originals):
        plain = _by_window(marks(stretch, AXES))
        other = originals[(i + 1) % len(originals)] if len(originals) > 1 else None
        for canary, axes in CANARIES.items():
            harmed = _by_window(marks(harm(stretch, canary, other=other, late=i % 2 == 0), axes))
            for (axis, start), value in harmed.items():
                pairs[canary, axis].append((plain.get((axis, start), math.nan), value))
    return Trust(tuple(_trial(*names, values) for names, values in pairs.items()))


def harm(
    stretch: Stretch, canary: str, *, other: Stretch | None = None, late: bool = True
) -> Stretch:
    """A stretch with one thing wrong, a key of CANARIES.

    other: whose sound is swapped in; without it the stretch's own, half its length later.
    late: whether shifted sound comes late or early.
    """
    if canary == "frozen":
        return frozen(stretch)
    sound = Footage(stretch.scenes, MOTION_FPS, stretch.samples)
    if canary == "muted":
        sound = corruption.mute(sound)
    elif canary == "shifted":
        sound = corruption.shift_sound(sound, SHIFT if late else -SHIFT)
    else:
        own = np.roll(stretch.samples, len(stretch.samples) // 2)
        sound = corruption.swap_sound(sound, own if other is None else other.samples)
    assert sound.samples is not None
    return replace(stretch, samples=sound.samples)


def frozen(stretch: Stretch) -> Stretch:
    """The first frame with a face, throughout."""
    at = int(np.argmax(stretch.valid)) if stretch.valid.any() else 0
    held = np.full(len(stretch), at)
    motion = stretch.motion
    if motion is not None:
        motion = replace(motion, values=motion.values[held], valid=motion.valid[held])
    pictures = {name: getattr(stretch, name)[held]
                for name in ("landmarks", "valid", "shapes", "mouths", "faces", "box", "scenes")
                }  # fmt: skip
    return replace(stretch, motion=motion, **pictures)


def _by_window(marks: Sequence[Mark]) -> dict[tuple[str, float], float]:
    return {(mark.axis, round(mark.start, 3)): mark.value for mark in marks}


def _trial(canary: str, axis: str, values: Sequence[tuple[float, float]]) -> Trial:
    known = np.array([pair for pair in values if np.isfinite(pair).all()]).reshape(-1, 2)
    if not len(known):
        return Trial(canary, axis, 0, math.nan, math.nan)
    lower = known[:, 0] - known[:, 1]
    right = np.where(np.abs(lower) < SAME, 0.5, lower > 0)
    return Trial(canary, axis, len(known), float(lower.mean()), float(right.mean()))


def sound_check(ask: Callable[[Question], Reading], form: Form) -> str:
    """Why a model is not to be asked about sound; empty when it hears.

    ask: sends a question, past any cache: a server may have been changed since.
    A server that drops sound answers alike to a voice and to silence; a model that only claims to
    hear cannot say what was said.
    """
    voice = known_words()
    heard, silent = (ask(_voice_question(samples, form)) for samples in (voice, voice * 0))
    for reading in (heard, silent):
        if not reading.valid:
            return f"the sound check got no answer: {reading.why}"
    difference = heard.value - silent.value
    if abs(difference) < SAME:
        return (f"the server drops the sound: a voice and silence get the same answer, "
                f"{heard.value:.2f}; send sound in the other form or use another version of the "
                "server")  # fmt: skip
    if difference < HEARD:
        return (f"the model does not tell a voice ({heard.value:.2f}) from silence "
                f"({silent.value:.2f})")  # fmt: skip
    said = ask(
        Question(
            (Sound(voice), Text("Write down the words that are spoken, and nothing else.")), "text"
        )
    )
    if not said.valid:
        return f"the sound check got no answer: {said.why}"
    spoken = {"".join(c for c in word.lower() if c.isalpha()) for word in said.why.split()}
    if 2 * len(spoken & set(WORDS)) < len(WORDS):
        return "the model hears a voice but not its words: the sound does not arrive as it is sent"
    return ""


def _voice_question(samples: NDArray[np.float32], form: Form) -> Question:
    words = ("How sure are you that a human voice can be heard in this sound? 1: certainly none. "
             "5: certainly a voice. ")  # fmt: skip
    how = RUBRIC.answer % 5 if form == "json" else RUBRIC.digit
    return Question((Sound(samples), Text(words + how)), form)


def known_words() -> NDArray[np.float32]:
    """2.9 s of a voice at 16 kHz that says "Now I can speak any words you care to record"."""
    file = files("enliven.reward").joinpath("words.wav")
    if not file.is_file():
        raise ModelUnavailable("enliven/reward/words.wav is missing; install enliven again")
    with file.open("rb") as held, wave.open(held, "rb") as sound:
        content = sound.readframes(sound.getnframes())
    return (np.frombuffer(content, "<i2") / 32768).astype(np.float32)
