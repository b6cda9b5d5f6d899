"""No judge is believed that does not see what it must: pytest tests/test_reward_selftest.py"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from judge_server import JudgeServer, clip, serving

from enliven.errors import BadOption
from enliven.metrics.watch import CONTEXT, HOP, Stretch
from enliven.reward.compose import FLOWPORTRAIT
from enliven.reward.digits import Reading, invalid
from enliven.reward.judge import AXES, Mark, axis_scores
from enliven.reward.message import Question, Sound
from enliven.reward.selftest import (
    CANARIES,
    LEAST_PAIRS,
    MARGIN,
    SHIFT,
    WORDS,
    Trial,
    harm,
    known_words,
    self_test,
    sound_check,
    weighed,
)
from enliven.reward.windows import windows


def measured(stretch: Stretch, axes: Sequence[str]) -> list[Mark]:
    """A judge that measures: mouth against loudness, and whether the picture changes."""
    marks = []
    for axis in axes:
        for window in windows(stretch):
            mouth = stretch.mouths[window.first : window.last].mean((1, 2))
            loud = np.abs(window.sound).reshape(-1, HOP).mean(1)
            value = 1.0 if mouth.std() < 1 else 5.0
            if axis == "lip_sync" and value == 5:
                value = 1.0
                if loud.std() > 1e-3:
                    value += 4 * max(0.0, float(np.corrcoef(mouth, loud)[0, 1]))
            marks.append(Mark(axis, window.start, window.stop, value, ""))
    return marks


def fixed(stretch: Stretch, axes: Sequence[str]) -> list[Mark]:
    return [Mark(axis, w.start, w.stop, 3.7, "") for axis in axes for w in windows(stretch)]


CLIPS = [clip(seed) for seed in range(3)]


def test_a_judge_that_sees_is_trusted() -> None:
    trust = self_test(measured, CLIPS)
    assert trust.weights == dict.fromkeys(AXES, 1.0)
    assert not any(trust.refusal(axis) for axis in AXES)
    assert {(t.canary, t.axis) for t in trust.trials} == {
        (canary, axis) for canary, axes in CANARIES.items() for axis in axes
    }
    assert "FAILED" not in trust.report()


def test_a_judge_that_sees_nothing_weighs_nothing() -> None:
    trust = self_test(fixed, CLIPS)
    assert trust.weights == dict.fromkeys(AXES, 0.0)
    assert all(trial.margin == 0 and trial.right == 0.5 for trial in trust.trials)
    assert "lip_sync weighs 0" in trust.report()


def test_a_deaf_judge_loses_the_lips_alone() -> None:
    """It takes any sound for a fitting one, as multimodal models do."""

    def deaf(stretch: Stretch, axes: Sequence[str]) -> list[Mark]:
        return [replace(mark, value=4.0) if mark.axis == "lip_sync" else mark
                for mark in measured(stretch, axes)]  # fmt: skip

    assert self_test(deaf, CLIPS).weights == {"lip_sync": 0, "expressiveness": 1, "motion": 1}


def test_a_judge_blind_to_shifts_fails_though_it_hears() -> None:
    def loud(stretch: Stretch, axes: Sequence[str]) -> list[Mark]:
        alive = stretch.mouths.std(0).max() > 1 and np.abs(stretch.voice).max() > 1e-3
        return [replace(mark, value=4.0 if alive else 1.0) for mark in fixed(stretch, axes)]

    trust = self_test(loud, CLIPS)
    assert trust.weights["lip_sync"] == 0
    assert "shifted" in trust.refusal("lip_sync")
    assert "muted" not in trust.refusal("lip_sync")


def test_noise_is_not_sight() -> None:
    rng = np.random.default_rng(0)

    def guess(stretch: Stretch, axes: Sequence[str]) -> list[Mark]:
        return [replace(m, value=float(rng.uniform(1, 5))) for m in fixed(stretch, axes)]

    passed = sum(self_test(guess, CLIPS).weights["lip_sync"] for _ in range(100))
    assert passed <= 2


def test_a_judge_that_gives_no_marks_is_not_trusted() -> None:
    def silent(stretch: Stretch, axes: Sequence[str]) -> list[Mark]:
        return [replace(mark, value=math.nan) for mark in fixed(stretch, axes)]

    trust = self_test(silent, CLIPS)
    assert trust.weights == dict.fromkeys(AXES, 0.0)
    assert "0 windows could be judged" in trust.refusal("motion")


def test_too_few_windows_are_no_test() -> None:
    assert self_test(measured, [clip(0, frames=50)]).weights == dict.fromkeys(AXES, 0.0)
    assert self_test(measured, []).weights == dict.fromkeys(AXES, 0.0)


def test_a_trial_needs_margin_pairs_and_most_of_them() -> None:
    good = Trial("muted", "lip_sync", LEAST_PAIRS, MARGIN, 0.75)
    assert good.passed
    assert not replace(good, margin=MARGIN - 0.01).passed
    assert not replace(good, right=0.7).passed
    assert not replace(good, pairs=LEAST_PAIRS - 1).passed
    assert not Trial("muted", "lip_sync", 0, math.nan, math.nan).passed


def test_each_canary_has_one_thing_wrong() -> None:
    stretch, other = CLIPS[:2]
    for canary in CANARIES:
        made = harm(stretch, canary, other=other)
        assert made.samples.shape == stretch.samples.shape
        same_sound = np.array_equal(made.samples, stretch.samples)
        same_picture = all(np.array_equal(getattr(made, name), getattr(stretch, name))
                           for name in ("mouths", "faces", "scenes"))  # fmt: skip
        assert same_sound == (canary == "frozen")
        assert same_picture == (canary != "frozen")
    assert not harm(stretch, "muted").samples.any()
    late, early = (harm(stretch, "shifted", late=late).voice for late in (True, False))
    by = SHIFT * HOP
    np.testing.assert_array_equal(late[by:], stretch.voice[:-by])
    np.testing.assert_array_equal(early[:-by], stretch.voice[by:])
    # what slides in is the sound around the stretch, not silence
    np.testing.assert_array_equal(late[:by], stretch.samples[CONTEXT - by : CONTEXT])
    np.testing.assert_array_equal(harm(stretch, "swapped", other=other).voice, other.voice)
    frozen = harm(stretch, "frozen")
    assert (frozen.faces == frozen.faces[0]).all()
    assert (frozen.mouths == frozen.mouths[0]).all()


def test_a_frozen_face_is_one_that_was_seen() -> None:
    valid = CLIPS[0].valid.copy()
    valid[:7] = False
    made = harm(replace(CLIPS[0], valid=valid), "frozen")
    assert made.valid.all()
    np.testing.assert_array_equal(made.mouths[0], CLIPS[0].mouths[7])


def test_an_axis_that_is_not_trusted_is_neither_needed_nor_counted() -> None:
    made = weighed(FLOWPORTRAIT, {"lip_sync": 0.0, "motion": 1.0})
    plain = {term.score: term.weight for term in FLOWPORTRAIT.terms}
    assert {t.score: t.weight for t in made.terms} == {**plain, "lip_sync": 0.0}
    assert made.gates == FLOWPORTRAIT.gates
    with pytest.raises(BadOption):
        weighed(FLOWPORTRAIT, dict.fromkeys(plain, 0.0))


def hearing(question: Question) -> Reading:
    """Answers the sound check as a model that hears."""
    sound = next(part for part in question.parts if isinstance(part, Sound))
    loud = np.abs(sound.samples).max() > 0.01
    if question.kind == "text":
        return Reading(1.0, "Now I can speak any words you care to record." if loud else "Nothing.")
    return Reading(4.9 if loud else 1.1)


def test_a_model_that_hears_passes_the_sound_check() -> None:
    assert sound_check(hearing, "digit") == ""
    assert sound_check(hearing, "json") == ""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda q, r: replace(r, value=4.9), "drops the sound"),
        (lambda q, r: replace(r, value=6 - r.value), "does not tell a voice"),
        (lambda q, r: replace(r, value=3 + 0.1 * r.value), "does not tell a voice"),
        (lambda q, r: replace(r, why="I hear a woman greeting her audience."), "not its words"),
        (lambda q, r: invalid("out of order"), "got no answer: out of order"),
        (lambda q, r: invalid("too long") if q.kind == "text" else r, "got no answer: too long"),
    ],
)
def test_36_a_model_that_does_not_hear_fails_it(change, why: str) -> None:  # type: ignore[no-untyped-def]
    assert why in sound_check(lambda question: change(question, hearing(question)), "digit")


def test_the_known_words_are_in_the_sound() -> None:
    """By the recogniser that hears phones for this project, which knows nothing of the sentence."""
    pocketsphinx = pytest.importorskip("pocketsphinx")
    samples = known_words()
    assert 2 < len(samples) / 16000 < 4
    decoder = pocketsphinx.Decoder(loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw((samples * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    said = set(decoder.hyp().hypstr.lower().split())
    assert 2 * len(said & set(WORDS)) >= len(WORDS)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JudgeServer]:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving() as running:
        yield running


def test_a_judge_tests_its_model_once_and_then_believes_it(
    server: JudgeServer, tmp_path: Path
) -> None:
    pytest.importorskip("openai", reason="judges behind an endpoint need the [judge] extra")
    from enliven.reward.endpoint import Endpoint
    from enliven.reward.mllm import MLLMJudge

    def judge() -> MLLMJudge:
        return MLLMJudge(Endpoint(server.url, "tiny"), wordings=1, cache=tmp_path,
                         canaries=CLIPS[:2], pause=0.001)  # fmt: skip

    first = judge()
    scores = axis_scores(first(clip(9)))
    assert all(score.valid for score in scores.values())
    assert first.trust is not None
    assert first.trust.weights == dict.fromkeys(AXES, 1.0)
    before = first.costs.requests
    first(clip(10))
    assert first.costs.requests - before == 6
    again = judge()
    assert axis_scores(again(clip(9))) == scores
    assert again.costs.requests == 4  # whether the server is there, and hears
    assert (again.unsettled, again.weights()) == (0, dict.fromkeys(AXES, 1.0))
    assert again.notes == (f"judging took {again.costs}",)


def test_a_model_that_hears_but_does_not_see_lips_weighs_nothing_on_them(
    server: JudgeServer,
) -> None:
    pytest.importorskip("openai", reason="judges behind an endpoint need the [judge] extra")
    from enliven.reward.endpoint import Endpoint
    from enliven.reward.mllm import MLLMJudge

    server.mode = "blind"
    judge = MLLMJudge(Endpoint(server.url, "tiny"), wordings=1, canaries=CLIPS[:2], pause=0.001)
    scores = axis_scores(judge(clip(9)))
    assert not any(score.valid for score in scores.values())
    assert "failed its self-test" in scores["lip_sync"].why
    assert judge.trust is not None
    assert judge.trust.weights == judge.weights() == dict.fromkeys(AXES, 0.0)
    assert [note.split(":")[0] for note in judge.notes[:3]] == [f"{a} weighs 0" for a in AXES]
    assert judge.unsettled == 0  # another time it would fail as well
