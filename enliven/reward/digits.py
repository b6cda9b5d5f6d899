"""From the reply of a language model to a number, or to the reason why there is none.

A score is the expectation over the digits that could have been said,

    score = sum_k k p_k / sum_k p_k,   k = 1 .. highest,

with p_k the probability of the digit as the first token of the answer.  It is finer than the digit
said, has no noise of sampling, and does not change when all logits move together.  Where the
digits have less than half of the probability the model was about to say something else, and there
is no score.  (The probability of the best digit times that digit, as some do, falls when a model
grows surer of less; an expectation cannot.)
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from enliven.reward.message import Question, Reply

LEAST_MASS = 0.5  # probability of all digits together, below which an answer is no digit
MASS_TOLERANCE = 1e-3  # rounding of logarithms by servers
MOST_WORDS = 240  # characters of a sentence that is shown

SPACES = " \t\r\n▁Ġ"  # as tokenizers write a space before a word
NO_LOGPROBS = "the server tells no probabilities of tokens"

_FENCE = re.compile(r"\s*```(?:json)?\s*(\{.*\})\s*```\s*", re.DOTALL)


@dataclass(frozen=True)
class Reading:
    """A reply, read.

    value: 1 to `highest` of the question; NaN where the reply is none.  Free text has 1.
    why: the model's own sentence, or what was wrong.
    mass: probability of all digits together; entropy: of the digits, nats.  NaN without logprobs.
    shares: of the digits from 1 on, sum 1; empty for free text and where there is no value.
    """

    value: float
    why: str = ""
    mass: float = math.nan
    entropy: float = math.nan
    shares: tuple[float, ...] = ()

    @property
    def valid(self) -> bool:
        return math.isfinite(self.value)


def invalid(why: str, mass: float = math.nan) -> Reading:
    """No number, and the reason."""
    return Reading(math.nan, why, mass)


def read(question: Question, reply: Reply) -> Reading:
    """The reply as the question wanted it."""
    if question.kind == "text":
        return Reading(1.0, reply.text) if reply.text.strip() else invalid("the answer is empty")
    if question.kind == "json":
        return read_json(reply.text, question.highest)
    if reply.logprobs is None:
        return invalid(NO_LOGPROBS)
    return read_digits(reply.logprobs, question.highest)


def read_digits(logprobs: Mapping[str, float], highest: int = 5) -> Reading:
    """Expectation over the digits "1" to `highest` from logarithms of probabilities of tokens.

    A token is a digit with or without a space before it.  Invalid where a number is no logarithm
    of a probability, where together they exceed 1, and where the digits have less than LEAST_MASS.
    """
    total, digits = 0.0, [0.0] * highest
    for token, logprob in logprobs.items():
        # minus infinity is an honest zero; some servers write -9999
        if math.isnan(logprob) or logprob > MASS_TOLERANCE:
            return invalid(f"the server gives {logprob} as a logarithm of a probability")
        chance = math.exp(logprob)
        total += chance
        word = token.strip(SPACES)
        if len(word) == 1 and word in "123456789"[:highest]:
            digits[int(word) - 1] += chance
    if total > 1 + MASS_TOLERANCE:
        return invalid(f"the server gives probabilities that sum to {total:.3g}")
    mass = sum(digits)
    if mass < LEAST_MASS:
        return invalid(
            f"the model did not answer with a digit: 1 to {highest} have together a probability "
            f"of {mass:.0%}, and at least {LEAST_MASS:.0%} are needed", mass,
        )  # fmt: skip
    shares = tuple(chance / mass for chance in digits)
    value = sum(k * share for k, share in enumerate(shares, 1))
    entropy = -sum(share * math.log(share) for share in shares if share > 0)
    best = max(range(highest), key=shares.__getitem__)
    why = f"{best + 1} with a probability of {shares[best]:.0%}"
    return Reading(value, why, mass, entropy, shares)


def read_json(text: str, highest: int = 5) -> Reading:
    """The answer of a server that tells no probabilities: one object {"score": 4, "why": "..."}.

    Nothing else is taken: no other keys, no words around it (a Markdown fence may be), no number
    in quotes, none but a whole one of 1 to `highest`, no NaN.
    """
    fenced = _FENCE.fullmatch(text)
    try:
        found = json.loads(fenced[1] if fenced else text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return invalid(f"the answer is not the JSON object asked for: {shown(text, 60)!r}")
    if not isinstance(found, dict) or set(found) != {"score", "why"}:
        return invalid(f"the answer has not the keys score and why: {shown(text, 60)!r}")
    score, why = found["score"], found["why"]
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not isinstance(why, str):
        return invalid(f"the answer's score is no number or why no text: {shown(text, 60)!r}")
    if score not in range(1, highest + 1):  # NaN and halves too
        return invalid(f"the answer's score is {shown(str(score), 20)}, not one of 1 to {highest}")
    shares = tuple(float(k == score) for k in range(1, highest + 1))
    return Reading(float(score), shown(why), shares=shares)


def shown(text: str, most: int = MOST_WORDS) -> str:
    """One line of a foreign text, without control characters, cut to `most` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 20 * most]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object, each key once: who gives two scores has given none."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key is given twice")
    return made
