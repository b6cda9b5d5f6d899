"""The judge that ships with the package: pytest tests/test_reward_critic.py"""

from importlib.resources import files

import numpy as np
import pytest

from enliven.metrics.critic import SHIFTS
from enliven.metrics.watch import CONTEXT, HOP, Stretch
from enliven.reward.critic import CriticJudge, closeness, lip_marks
from enliven.reward.judge import AXES, HIGHEST, LOWEST

needs_model = pytest.mark.skipif(
    not files("enliven.models").joinpath("critic.onnx").is_file(), reason="no critic.onnx"
)
UPPER, LOWER = 13, 14  # inner lips
FRAMES = 100


def peak(late: int, height: float = 0.5) -> np.ndarray:
    """Agreement with a peak where lips come `late` frames late."""
    away = np.arange(-SHIFTS, SHIFTS + 1) - late
    return height * np.exp(-((away / 1.5) ** 2))


def stretch(sound: np.ndarray, *, gap: float = 0.05, sounds: bool = True) -> Stretch:
    """A face whose lips part evenly three times a second, by a deviation of `gap` IOD."""
    rng = np.random.default_rng(0)
    shapes = np.tile(rng.normal(0, 0.3, (478, 3)).astype(np.float32), (FRAMES, 1, 1))
    shapes[:, LOWER, 1] += gap * np.sqrt(2) * np.sin(2 * np.pi * 3 * np.arange(FRAMES) / 25)
    pictures = np.zeros((FRAMES, 1, 1, 3), np.uint8)
    return Stretch(
        10.0, shapes, np.ones(FRAMES, bool), None, shapes, np.zeros((FRAMES, 48, 64), np.uint8),
        pictures, np.zeros((FRAMES, 3), np.float32), pictures, (100, 100),
        np.pad(sound, CONTEXT).astype(np.float32), sounds, 25.0,
    )  # fmt: skip


def voice() -> np.ndarray:
    rng = np.random.default_rng(1)
    time = np.arange(FRAMES * HOP) / 16000
    loud = np.interp(time, np.arange(0, 4.2, 0.125), rng.random(34))
    return 0.1 * loud * sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20))


def test_the_later_or_earlier_lips_come_the_less_it_is_worth() -> None:
    for side in (1, -1):
        values = [closeness(peak(side * late)) for late in (0, 1, 2, 3, 5, 8, 12)]
        assert values == sorted(values, reverse=True)
        assert len(set(values)) == len(values)
    assert closeness(peak(0)) == pytest.approx(1)
    assert closeness(peak(3)) == pytest.approx(0.5)
    assert closeness(peak(8)) < 0.15


def test_the_more_lips_and_voice_agree_the_more_it_is_worth() -> None:
    values = [closeness(peak(0, height)) for height in (0.0, 0.1, 0.2, 0.25, 0.3)]
    assert values == sorted(values)
    assert values[0] == 0
    # all the same, a better match elsewhere tells against the one here
    assert closeness(np.maximum(peak(0, 0.3), peak(9))) < closeness(peak(0, 0.3)) / 2
    assert closeness(peak(0, -0.4)) == 0


@needs_model
def test_silence_and_a_video_without_sound_are_not_judged() -> None:
    noise = 0.05 * np.random.default_rng(2).standard_normal(FRAMES * HOP)
    for given, why in (
        (stretch(noise), "nobody speaks"),
        (stretch(np.zeros(FRAMES * HOP), gap=0.0), "nobody speaks"),
        (stretch(voice(), sounds=False), "the video has no sound"),
    ):
        marks = lip_marks(given)
        assert [mark.start for mark in marks] == [10, 11, 12, 13]
        assert marks[-1].stop == 14
        assert np.isnan([mark.value for mark in marks]).all()
        assert {mark.why for mark in marks} == {why}


@needs_model
def test_lips_that_talk_without_a_sound_are_worst() -> None:
    marks = lip_marks(stretch(np.zeros(FRAMES * HOP)))
    assert {mark.value for mark in marks} == {LOWEST}


@needs_model
def test_a_mouth_that_rests_or_flaps_while_somebody_speaks_is_marked_low() -> None:
    for gap in (0.0, 0.05):
        values = [mark.value for mark in lip_marks(stretch(voice(), gap=gap))]
        assert max(values) < (LOWEST + HIGHEST) / 2


@needs_model
def test_the_judge_marks_again_as_before_and_says_who_it_is() -> None:
    judge, given = CriticJudge.load(), stretch(voice())
    marks = judge(given)
    assert repr(marks) == repr(CriticJudge.load()(given))
    assert {mark.axis for mark in marks} == set(AXES)
    assert judge.name == CriticJudge.load().name
    assert "critic" in judge.name
