"""Can a reward be talked round?  Cheats are made, scored, and must not pay.

    findings = run_probes(example_clip(), assess, FLOWPORTRAIT)
    print(told(findings))

A cheat is caught when its composite lies below that of the honest clip by more than the noise of
measuring, or cannot be told at all.  What caught it is named.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from enliven.errors import BadOption
from enliven.reward import corruption as spoil
from enliven.reward import corruption_look as look
from enliven.reward.compose import FLOWPORTRAIT, Reward, composite, quality
from enliven.reward.corruption import Footage
from enliven.reward.judge import AXES, Judge, default_judge, judge_frames
from enliven.reward.probe_cheats import long_silence, noise, silence
from enliven.reward.probe_clip import Honest, clip_of, example_clip
from enliven.reward.probe_hunt import HUNT_CLIPS, Assess, hunt
from enliven.reward.probe_rows import PROBES, Against, Probe
from enliven.types import Scorecard

Progress = Callable[[str, int, int], object]

SURE = 2.0  # deviations of the noise by which a composite must fall
LEAST_NOISE = 0.005  # of a composite; five copies cannot show that there is less
LEAST_HONEST = 0.3  # composite from which there is enough to lose


@dataclass(frozen=True)
class Grade:
    """A scorecard under a reward.

    value: the composite, 0 to 1; NaN where too little could be measured.
    parts: what each measured term adds to it before gates.
    closed: gates below their least, with the share of it that is left.
    lost: terms and gates that could not be measured.
    """

    value: float
    parts: Mapping[str, float]
    closed: Mapping[str, float]
    lost: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of one cheat.

    probe, cheat: names.  before, after: composite of what it was compared with, and its own.
    caught_by: the gate that closed or the term that fell most; "" when it was not caught.
    changes: of all scores, each 0 to 1 of its range; NaN where one could no longer be measured.
    """

    probe: str
    cheat: str
    before: float
    after: float
    caught_by: str
    changes: Mapping[str, float]
    passed: bool


@dataclass(frozen=True)
class Findings:
    """All outcomes.  noise: deviation of the composite among clips that differ in nothing that
    matters.  left_out: cheats that this clip does not allow."""

    clip: str
    judge: str
    noise: float
    outcomes: tuple[Outcome, ...]
    left_out: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return all(outcome.passed for outcome in self.outcomes)


def probe_judge(
    video: str | Path | None = None, *, portrait: str | Path | None = None,
    judge: Judge | None = None, reward: Reward = FLOWPORTRAIT, seed: int = 0,
    progress: Progress | None = None,
) -> Findings:  # fmt: skip
    """Try every cheat on a judge and a reward.

    video: a clip that is taken for honest; by default the project's example, made to speak.
    portrait: the photo that the clip is compared with; by default its first frame.
    judge: the default one if None.  progress: called as ("probes", clips judged, clips in all).
    Raises BadOption, BadMedia, NoFaceFound, ModelUnavailable.
    """
    honest = clip_of(video, portrait, seed=seed) if video else example_clip(seed=seed)
    marker = judge or default_judge()

    def assess(footage: Footage) -> Scorecard:
        return judge_frames(footage.frames, footage.fps, footage.samples, portrait=honest.photo,
                            judge=marker)  # fmt: skip

    found = run_probes(honest, assess, reward, seed=seed, progress=progress)
    return replace(found, judge=marker.name)


def run_probes(
    honest: Honest, assess: Assess, reward: Reward, *, probes: Sequence[Probe] = PROBES,
    seed: int = 0, progress: Progress | None = None,
) -> Findings:  # fmt: skip
    """Try every cheat of `probes` on a clip.

    assess: scores footage with the judge and checks at hand, against the clip's photo.
    progress: called as ("probes", clips judged, clips in all).
    Raises BadOption when the honest clip itself gets hardly anything from the reward.
    """
    total = 1 + len(harmless(honest)) + sum(
        HUNT_CLIPS if probe.hunted else len(probe.cheats) for probe in probes)  # fmt: skip
    bench = _Bench(honest, assess, reward, progress, total)
    start = bench.start()
    if not start.value >= LEAST_HONEST:
        raise BadOption(f"{honest.name} gets hardly anything from this reward ({_trouble(start)}): "
                        "no cheat could be told from it; give a clip that is fine")  # fmt: skip
    margin = SURE * bench.deviation(start)
    outcomes: list[Outcome] = []
    left_out: list[str] = []
    for probe in probes:
        for cheat, against, card in bench.cards(probe, seed):
            before = bench.baseline(against)
            if before is None or card is None:
                left_out.append(f"{probe.name}: {cheat}")
            else:
                outcomes.append(outcome(probe, cheat, before, card, reward, margin))
    return Findings(honest.name, "", margin / SURE, tuple(outcomes), tuple(left_out))


def grade(reward: Reward, card: Scorecard) -> Grade:
    """What a reward makes of a scorecard."""
    weights = {term.score: term.weight for term in reward.terms if term.weight > 0}
    names = [*weights, *(gate.score for gate in reward.gates)]
    values = {name: _quality(card, name) for name in names}
    lost = tuple(name for name in dict.fromkeys(names) if math.isnan(values[name]))
    known = [name for name in weights if name not in lost]
    whole = sum(weights[name] for name in known)
    parts = {name: weights[name] * values[name] / whole for name in known}
    closed = {gate.score: values[gate.score] / gate.least for gate in reward.gates
              if values[gate.score] < gate.least}  # fmt: skip
    return Grade(composite(reward, card), parts, closed, lost)


def outcome(
    probe: Probe, cheat: str, before: Scorecard, after: Scorecard, reward: Reward, margin: float
) -> Outcome:
    """Whether a cheat was caught, and by what."""
    honest, cheated = grade(reward, before), grade(reward, after)
    changes = {name: _quality(after, name) - _quality(before, name)
               for name in before.scores if not math.isnan(_quality(before, name))}  # fmt: skip
    caught = catcher(honest, cheated, margin)
    fallen = caught != ""
    if probe.wanted == "not rise":
        fallen = fallen or cheated.value <= honest.value + margin
    return Outcome(probe.name, cheat, honest.value, cheated.value, caught, changes, fallen)


def catcher(honest: Grade, cheated: Grade, margin: float) -> str:
    """What a fall of the composite by more than `margin` is owed to: the gate that closed most,
    what could no longer be measured, or the term that fell most; "" when it did not fall."""
    lost = [name for name in cheated.lost if name not in honest.lost]
    if math.isnan(cheated.value):
        return f"not measurable: {', '.join(lost)}"
    if not cheated.value < honest.value - margin:
        return ""
    closed = {name: left - honest.closed.get(name, 1.0) for name, left in cheated.closed.items()}
    if closed and min(closed.values()) < 0:
        return f"gate {min(closed, key=lambda name: closed[name])}"
    falls = {name: cheated.parts.get(name, 0.0) - part for name, part in honest.parts.items()}
    return min(falls, key=lambda name: falls[name])


def harmless(honest: Honest) -> tuple[Callable[[], Footage], ...]:
    """Copies of the clip that are worth exactly as much."""
    clip = honest.footage
    everywhere = spoil.head_weight(clip.frames.shape[1:3], None)
    aside = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    return (
        lambda: look.codec(clip, 18),
        lambda: look.grain(clip, 0.7),
        lambda: look.brightness(clip, 1.01),
        lambda: spoil.cut(clip, 1 / clip.fps, clip.seconds),
        lambda: spoil.each_frame(clip, lambda frame, _: spoil.moved(frame, aside, everywhere)),
    )


class _Bench:
    """Scores clips, each baseline once."""

    def __init__(
        self, honest: Honest, assess: Assess, reward: Reward, progress: Progress | None, total: int
    ) -> None:
        self._honest, self._assess, self._reward = honest, assess, reward
        self._progress, self._total, self._done = progress, total, 0
        self._known: dict[str, Scorecard | None] = {}

    def assess(self, footage: Footage) -> Scorecard:
        card = self._assess(footage)
        self._done += 1
        if self._progress:
            self._progress("probes", self._done, max(self._total, self._done))
        return card

    def start(self) -> Grade:
        card = self.baseline("clip")
        assert card is not None
        return grade(self._reward, card)

    def deviation(self, start: Grade) -> float:
        """Of the composite among harmless copies, about the clip's own."""
        values = [grade(self._reward, self.assess(make())).value for make in harmless(self._honest)]
        known = [value - start.value for value in values if math.isfinite(value)]
        return max(LEAST_NOISE, float(np.sqrt(np.mean(np.square(known)))) if known else 0.0)

    def baseline(self, against: Against) -> Scorecard | None:
        if against not in self._known:
            footage = self._honest_footage(against)
            self._known[against] = None if footage is None else self.assess(footage)
        return self._known[against]

    def _honest_footage(self, against: Against) -> Footage | None:
        honest = self._honest
        if against == "clip":
            return honest.footage
        if honest.portrait is None:
            return None
        if against == "acted":
            return honest.acted
        sounds = {"silence": silence, "noise": noise, "long silence": long_silence}
        return honest.listen(sounds[against](honest))

    def cards(self, probe: Probe, seed: int) -> list[tuple[str, Against, Scorecard | None]]:
        """The cheats of a row: name, what each is compared with, and its scores, None where the
        clip does not allow it."""
        honest = self._honest
        if probe.hunted:
            found = hunt(honest.footage, honest.head, self.assess, AXES, seed=seed)
            return [(f"{find.axis}: {find.recipe}", "clip", find.card) for find in found]
        made: list[tuple[str, Against, Scorecard | None]] = []
        for cheat in probe.cheats:
            able = honest.portrait is not None or cheat.against == "clip"
            card = self.assess(cheat.make(honest)) if able else None
            made.append((cheat.name, cheat.against, card))
        return made


def _quality(card: Scorecard, name: str) -> float:
    return quality(card.scores[name]) if name in card.scores else math.nan


def _trouble(found: Grade) -> str:
    if found.closed:
        return f"gates closed: {', '.join(found.closed)}"
    if math.isnan(found.value):
        return f"{', '.join(found.lost)} could not be measured"
    return f"a composite of {found.value:.2f}"


def told(findings: Findings) -> str:
    """The table, for a terminal."""
    lines = [f"{'probe':38} {'cheat':36} {'before':>6} {'after':>6}  caught by"]
    last = ""
    for one in findings.outcomes:
        name, last = ("" if one.probe == last else one.probe), one.probe
        mark = one.caught_by or ("did not rise" if one.passed else "NOT CAUGHT")
        lines.append(f"{name:38} {one.cheat[:36]:36} {one.before:6.3f} {one.after:6.3f}  {mark}")
    caught = sum(one.passed for one in findings.outcomes)
    lines += [f"left out: {name}" for name in findings.left_out]
    lines.append(f"{caught} of {len(findings.outcomes)} held; the composite of {findings.clip} "
                 f"is known to {findings.noise:.3f}")  # fmt: skip
    return "\n".join(lines)


def recorded(findings: Findings) -> dict[str, Any]:
    """The findings as plain values for JSON; None for what could not be measured."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [plain(part) for part in value]
        return None if isinstance(value, float) and math.isnan(value) else value

    return plain(asdict(findings)) | {"passed": findings.passed}
