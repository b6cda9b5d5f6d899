"""Marks become scores: pytest tests/test_reward_judge.py"""

import numpy as np

from enliven.reward.judge import AXES, Mark, axis_scores


def mark(value: float, start: float = 0.0, stop: float = 2.0, axis: str = "motion") -> Mark:
    return Mark(axis, start, stop, value, f"{value:g}")


def test_marks_count_by_their_time() -> None:
    score = axis_scores([mark(1, 0, 1), mark(5, 1, 4)])["motion"]
    assert score.value == 4
    assert score.valid
    assert score.worst_seconds == (0, 1)
    assert score.why == "1"


def test_what_could_not_be_judged_is_left_out() -> None:
    score = axis_scores([mark(4, 0, 2), mark(np.nan, 2, 4)])["motion"]
    assert score.valid
    assert score.value == 4


def test_mostly_unjudged_is_invalid_with_the_reason() -> None:
    score = axis_scores([mark(4, 0, 1), Mark("motion", 1, 4, np.nan, "no face")])["motion"]
    assert not score.valid
    assert score.why == "no face"


def test_every_axis_has_a_score() -> None:
    scores = axis_scores([])
    assert tuple(scores) == AXES
    assert not any(score.valid for score in scores.values())
