"""What a judge is asked: pytest tests/test_reward_rubric.py"""

from dataclasses import replace

import pytest

from enliven.errors import BadOption
from enliven.reward.judge import AXES
from enliven.reward.rubric import RUBRIC, comparison, wording


def test_every_axis_has_several_wordings_with_both_ends_of_the_scale() -> None:
    for axis in AXES:
        assert len(set(RUBRIC.questions[axis])) >= 2
        for index in range(len(RUBRIC.questions[axis])):
            asked = wording(RUBRIC, axis, index)
            assert all(f"{k}:" in asked for k in (1, 3, 5))
            assert asked.endswith(RUBRIC.digit)
            assert '"score"' in wording(RUBRIC, axis, index, as_json=True)
            assert RUBRIC.digit not in wording(RUBRIC, axis, index, as_json=True)


def test_comparisons_name_three_answers_once() -> None:
    for axis in AXES:
        for as_json in (False, True):
            asked = comparison(RUBRIC, axis, as_json=as_json)
            assert all(f"{k}: " in asked for k in (1, 2, 3))
            assert asked.count("Answer") == 1


def test_any_other_word_is_another_rubric() -> None:
    digests = {RUBRIC.digest}
    for change in (
        {"version": "2"},
        {"role": RUBRIC.role + " "},
        {"digit": RUBRIC.digit + "!"},
        {"answer": RUBRIC.answer + "!"},
        {"choice": RUBRIC.choice + "!"},
        {"labels": {**RUBRIC.labels, "sound": "Sound:"}},
        {"better": {**RUBRIC.better, "motion": "Which moves better?"}},
        {"questions": {**RUBRIC.questions, "motion": RUBRIC.questions["motion"][::-1]}},
    ):
        digests.add(replace(RUBRIC, **change).digest)
    assert len(digests) == 9
    assert replace(RUBRIC).digest == RUBRIC.digest


def test_an_axis_without_a_question_is_refused() -> None:
    with pytest.raises(BadOption, match="motion"):
        replace(RUBRIC, questions={**RUBRIC.questions, "motion": ()})
    with pytest.raises(BadOption, match="any axis"):
        replace(RUBRIC, questions={})
