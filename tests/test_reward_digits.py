"""From replies to numbers: pytest tests/test_reward_digits.py

Numbers in test names count the invariants that a judge's score must keep.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_server import JSON_LIES

from enliven.reward.digits import MOST_WORDS, read, read_digits, read_json, shown
from enliven.reward.message import Question, Reply, Text

few = settings(max_examples=100, deadline=None)
logits = st.lists(st.floats(-8, 8), min_size=5, max_size=5)


def log_softmax(values: np.ndarray) -> np.ndarray:
    values = values - values.max()
    return values - np.log(np.exp(values).sum())


def digits(chances: list[float]) -> dict[str, float]:
    return {str(k): math.log(p) if p else -math.inf for k, p in enumerate(chances, 1)}


@pytest.mark.parametrize("k", range(1, 6))
def test_34_certainty_is_the_digit_itself(k: int) -> None:
    reading = read_digits({str(k): 0.0})
    assert reading.value == k
    assert reading.mass == 1
    assert reading.entropy == 0


def test_34_no_opinion_is_the_middle() -> None:
    reading = read_digits(digits([0.2] * 5))
    assert reading.value == pytest.approx(3, abs=1e-12)
    assert reading.entropy == pytest.approx(math.log(5), abs=1e-12)


@few
@given(logits, st.integers(0, 3), st.floats(0, 1))
def test_34_more_weight_on_higher_digits_is_never_a_lower_score(
    values: list[float], low: int, share: float
) -> None:
    """Moving any share of one digit's probability to the next higher dominates stochastically."""
    chances = np.exp(log_softmax(np.array(values)))
    raised = chances.copy()
    raised[low] -= share * chances[low]
    raised[low + 1] += share * chances[low]
    before, after = (read_digits(digits(list(p))) for p in (chances, raised))
    assert after.value >= before.value - 1e-12
    assert after.value - before.value == pytest.approx(share * chances[low], abs=1e-9)


def test_34_the_product_of_digit_and_probability_would_not_be_monotone() -> None:
    sure_of_three, good = digits([0, 0, 1, 0, 0]), digits([0, 0, 0.1, 0.6, 0.3])
    assert read_digits(good).value > read_digits(sure_of_three).value
    assert 4 * 0.6 < 3 * 1.0  # what the product says of the same two


@few
@given(logits, st.floats(-50, 50))
def test_34_a_shift_of_all_logits_changes_nothing(values: list[float], shift: float) -> None:
    plain, moved = (log_softmax(np.array(values) + by) for by in (0.0, shift))
    first, second = ({str(k): float(p) for k, p in enumerate(row, 1)} for row in (plain, moved))
    assert read_digits(first).value == pytest.approx(read_digits(second).value, abs=1e-9)


@few
@given(logits, st.floats(0.51, 1))
def test_34_other_tokens_take_mass_but_change_no_score(values: list[float], mass: float) -> None:
    row = log_softmax(np.array(values))
    alone = {str(k): float(p) for k, p in enumerate(row, 1)}
    among = {token: p + math.log(mass) for token, p in alone.items()}
    among["The"] = math.log(1 - mass) if mass < 1 else -math.inf
    reading = read_digits(among)
    assert reading.value == pytest.approx(read_digits(alone).value, abs=1e-9)
    assert reading.mass == pytest.approx(mass, abs=1e-9)


def test_less_than_half_of_the_mass_is_no_score() -> None:
    assert not read_digits({"4": math.log(0.49), "I": math.log(0.51)}).valid
    assert read_digits({"4": math.log(0.51), "I": math.log(0.49)}).value == 4
    assert "49%" in read_digits({"4": math.log(0.49)}).why
    assert not read_digits({}).valid


def test_a_space_before_a_digit_is_no_other_digit_and_longer_tokens_are_none() -> None:
    half = math.log(0.5)
    assert read_digits({"2": half, " 4": half}).value == 3
    assert read_digits({"2": half, "▁4": half}).value == 3
    assert not read_digits({"45": math.log(0.6), "4.": math.log(0.3)}).valid
    assert not read_digits({"7": math.log(0.9)}).valid
    assert read_digits({"3": half, "1": half}, highest=3).value == 2
    assert not read_digits({"4": 0.0}, highest=3).valid


@pytest.mark.parametrize("logprob", [math.nan, math.inf, 0.5])
def test_what_is_no_probability_is_no_score(logprob: float) -> None:
    reading = read_digits({"4": -0.1, "5": logprob})
    assert not reading.valid
    assert "as a logarithm" in reading.why


def test_probabilities_that_sum_to_more_than_one_are_no_score() -> None:
    assert not read_digits({"4": -0.1, "5": -0.1}).valid


def test_json_is_read_as_it_was_asked_for() -> None:
    reading = read_json('{"score": 4, "why": "lips are late"}')
    assert (reading.value, reading.why) == (4, "lips are late")
    assert reading.shares == (0, 0, 0, 1, 0)
    assert read_json('```json\n{"score": 2, "why": ""}\n```').value == 2
    assert read_json('{"score": 3.0, "why": ""}').value == 3
    assert not read_json('{"score": 3.5, "why": ""}').valid
    assert not read_json('{"score": 4, "why": ""}', highest=3).valid


@pytest.mark.parametrize("text", [*JSON_LIES.values(), "4", '{"score": 4}', "[" * 100_000])
def test_anything_else_is_no_score(text: str) -> None:
    reading = read_json(text)
    assert math.isnan(reading.value)
    assert reading.why


def test_foreign_words_are_one_short_line() -> None:
    assert shown("a\x1b[31m\n\tb\u202e") == "a [31m b"
    assert len(shown("x" * 10_000)) == MOST_WORDS


def test_a_reply_is_read_as_its_question_wants() -> None:
    parts = (Text("?"),)
    assert read(Question(parts), Reply("4", {"4": 0.0})).value == 4
    assert not read(Question(parts), Reply("4")).valid
    assert read(Question(parts, "text"), Reply("hello")).why == "hello"
    assert not read(Question(parts, "text"), Reply(" ")).valid
    assert not read(Question(parts, "json"), Reply("4", {"4": 0.0})).valid
