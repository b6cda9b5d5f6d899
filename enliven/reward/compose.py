"""Scores of a batch of samples become one advantage each: how much better than its own group.

A group is the samples of one input (photo, sound, text).  Every reward is normalised within the
group before rewards are added, so that no reward outweighs another by its scale (GDPO, arXiv
2601.05242), and what could not be measured is left out, never taken for zero.

Legend: N samples, M terms.  All numbers are float64, and no result depends on the order of the
samples, not even in its last bit.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from enliven.errors import BadOption
from enliven.types import Score, Scorecard

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LIMIT = 5.0  # the largest advantage, in deviations of the batch
# The composite of independent terms that each differ by their noise has a root mean square of
# sqrt(sum of w^2).  A batch is not divided by less than this share of it: otherwise one in which
# nothing but noise differs would be blown up to the size of any other.
LEAST_RMS = 0.5
LEAST_WEIGHT = 0.5  # of the terms must be measured for a composite

# Deviation of a score when the same video is measured again, as a share of its scale.  Measured on
# 3 s each of a generated video and of a real speaker: coded anew (H.264, CRF 18 and 23), cut by
# 1 px, begun 0.12 s later.  Expressiveness and motion moved by 0.002 to 0.003.  The others stood
# at their best and did not move at all; theirs is what the deviation of the raw measure (0.006 of
# agreement, 0.06 of sharpness, 0.0002 IOD of trembling) makes where the score falls steepest.
NOISE: Mapping[str, float] = {
    "lip_sync": 0.03, "expressiveness": 0.005, "motion": 0.005,
    "sync": 0.03, "texture": 0.05, "jitter": 0.04, "identity": 0.04, "silence": 0.03,
}  # fmt: skip


@dataclass(frozen=True)
class Term:
    """One reward of a sum.  Raises BadOption.

    score: its name on the scorecard.
    weight: 0 or more; 0 for an axis whose judge failed its self-test: it is neither needed nor
        counted.
    noise: 0 or more, deviation of a repeated measurement on the scale 0 to 1; differences within
        a group that are smaller are not blown up.
    """

    score: str
    weight: float
    noise: float

    def __post_init__(self) -> None:
        for name, value in (("weight", self.weight), ("noise", self.noise)):
            if not (math.isfinite(value) and value >= 0):
                raise BadOption(f"{name} of {self.score} is {value}; choose a number from 0 on")


@dataclass(frozen=True)
class Gate:
    """A check that no other score can make up for: below `least`, from 0 to 1, it vetoes.

    score: its name on the scorecard.
    required: a sample where it could not be measured counts as unmeasured.  Otherwise it then
        vetoes nothing: for checks that some inputs never allow, such as whether a mouth rests in
        silence where there is none.
    Raises BadOption.
    """

    score: str
    least: float = 0.5
    required: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.least <= 1:
            raise BadOption(f"gate {self.score} has least = {self.least}; choose 0 to 1")


@dataclass(frozen=True)
class Reward:
    """What makes a sample good: terms that are weighed, and gates.  Raises BadOption."""

    terms: tuple[Term, ...]
    gates: tuple[Gate, ...] = ()

    def __post_init__(self) -> None:
        names = [term.score for term in self.terms]
        if len(set(names)) < len(names) or not any(term.weight for term in self.terms):
            raise BadOption(f"reward terms are {names}; name each once, one at least with a weight")


# After FlowPortrait (arXiv 2603.00159): the judge, and regularisers it cannot be talked out of.
# The weights are ours: the judge half of it all, then lips, texture and steadiness.  Gates are
# the checks that some cheat passes all terms without.
FLOWPORTRAIT = Reward(
    terms=(
        Term("lip_sync", 0.5 / 3, NOISE["lip_sync"]),
        Term("expressiveness", 0.5 / 3, NOISE["expressiveness"]),
        Term("motion", 0.5 / 3, NOISE["motion"]),
        Term("sync", 0.15, NOISE["sync"]),
        Term("texture", 0.1, NOISE["texture"]),
        Term("jitter", 0.1, NOISE["jitter"]),
        # gates as well; as terms, so that what is lost above a gate costs something, too
        Term("identity", 0.1, NOISE["identity"]),
        Term("silence", 0.05, NOISE["silence"]),
    ),
    gates=(
        *(Gate(name) for name in ("face", "stillness", "identity")),
        *(Gate(name, required=False)
          for name in ("lag", "silence", "visemes", "mouth_range", "blinks", "exposure",
                       "saturation", "background", "layout", "frame_rate")),
        # these are terms as well, and veto only what is plainly broken
        *(Gate(name, 0.2, required=False) for name in ("texture", "jitter")),
    ),
)  # fmt: skip
# What happens without: no gates on purpose.
LIP_ONLY = Reward((Term("lip_sync", 0.5, NOISE["lip_sync"]), Term("sync", 0.5, NOISE["sync"])))
JUDGE_ONLY = Reward(
    (
        Term("lip_sync", 1 / 3, NOISE["lip_sync"]),
        Term("expressiveness", 1 / 3, NOISE["expressiveness"]),
        Term("motion", 1 / 3, NOISE["motion"]),
    )
)
PRESETS: Mapping[str, Reward] = {
    "flowportrait": FLOWPORTRAIT,
    "lip-only": LIP_ONLY,
    "judge-only": JUDGE_ONLY,
}


def preset(name: str) -> Reward:
    """A reward by name.  Raises BadOption."""
    if name not in PRESETS:
        raise BadOption(f"there is no reward {name!r}; choose {', '.join(PRESETS)}")
    return PRESETS[name]


def without(reward: Reward, *scores: str) -> Reward:
    """The reward with these terms weighing 0 and the others as much more in all.

    For axes whose judge failed its self-test.  Names that are no term change nothing.  Raises
    BadOption when no weight is left.
    """
    left = math.fsum(term.weight for term in reward.terms if term.score not in scores)
    if not left:
        raise BadOption(f"without {', '.join(scores)} nothing is left of the reward; choose a "
                        "judge that passes its self-test, or another reward")  # fmt: skip
    before = math.fsum(term.weight for term in reward.terms)
    terms = tuple(
        replace(term, weight=0.0 if term.score in scores else term.weight * before / left)
        for term in reward.terms
    )
    return replace(reward, terms=terms)


@dataclass(frozen=True)
class Rewards:
    """What was measured of a batch.  Raises ValueError.

    values: (N, M) float64, 0 worst to 1 best.  valid: (N, M) bool.
    vetoed: (N,) bool, a gate fired.  groups: (N,) int64, equal for samples of one input.
    """

    values: Floats
    valid: Flags
    vetoed: Flags
    groups: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.groups.dtype != np.int64:  # float32 merges ids above 2^24
            raise ValueError(f"group ids are {self.groups.dtype}; they must be int64")
        rows = len(self.groups)
        shapes = self.values.shape, self.valid.shape, self.vetoed.shape, self.groups.shape
        if shapes != (self.values.shape, self.values.shape, (rows,), (rows,)) or (
            self.values.ndim != 2 or len(self.values) != rows
        ):
            raise ValueError(f"values, valid, vetoed, groups have shapes {shapes}; "
                             "they must be (N, M), (N, M), (N,), (N,)")  # fmt: skip


@dataclass(frozen=True)
class Advantages:
    """The outcome of a batch.

    values: (N,) float64 within -LIMIT..LIMIT, exactly 0 where not counted.
    counted: (N,) bool, False for samples that could not be measured: leave them out of the loss.
    terms: (N, M) float64, every reward normalised within its group, before weights.
    composite: (N,) float64, their weighted sum, vetoes included, before the division by `rms`.
    rms: root mean square of the composite over the samples counted; 0 when all were equal.
        What is divided by is not less than LEAST_RMS sqrt(sum of w^2).
    """

    values: Floats
    counted: Flags
    terms: Floats
    composite: Floats
    rms: float


def quality(score: Score) -> float:
    """A score on the scale 0 (worst) to 1 (best), beyond its range the ends; NaN if invalid.

    Raises ValueError for a range that is empty or not finite.
    """
    if not (math.isfinite(score.low) and math.isfinite(score.high) and score.low < score.high):
        raise ValueError(f"a score has the range {score.low} to {score.high}; it must rise")
    if not (score.valid and math.isfinite(score.value)):
        return math.nan
    share = (score.value - score.low) / (score.high - score.low)
    share = min(1.0, max(0.0, share))
    return share if score.higher_is_better else 1 - share


def measured(reward: Reward, cards: Sequence[Scorecard], groups: ArrayLike) -> Rewards:
    """The scores a reward asks for, from N scorecards.  groups: (N,) whole numbers.

    A score that a card lacks is invalid.  Where a required gate is invalid nothing of the sample
    counts, unless another gate vetoes it: whoever breaks a check must not pass it.
    Raises BadOption for a score that no card has, ValueError for group ids that are not whole.
    """
    known = sorted({name for card in cards for name in card.scores})
    needed = [*(term.score for term in reward.terms if term.weight),
              *(gate.score for gate in reward.gates if gate.required)]  # fmt: skip
    missing = [name for name in needed if name not in known]
    if missing and cards:
        raise BadOption(f"no video was scored on {', '.join(missing)}, which the reward needs; "
                        f"there are {', '.join(known) or 'no scores'}: "
                        "choose another judge or reward")  # fmt: skip
    ids = np.asarray(groups)
    if ids.dtype.kind not in "iu" and ids.size:
        raise ValueError(f"group ids are {ids.dtype}; they must be whole numbers")
    values = _column(cards, [term.score for term in reward.terms])
    checks = _column(cards, [gate.score for gate in reward.gates])
    required = np.array([gate.required for gate in reward.gates], bool)
    readable = ~np.isnan(checks[:, required]).any(1, keepdims=True)
    vetoed = np.any(checks < [gate.least for gate in reward.gates], axis=1)
    valid = ~np.isnan(values) & readable
    return Rewards(np.where(valid, values, 0.0), valid, vetoed, ids.astype(np.int64))


def gather(parts: Sequence[Rewards]) -> Rewards:
    """The batch of all processes from the part of each, in their order.

    Groups and the batch are normalised together, so every process needs all parts; its own rows
    of the result are where its part lies.
    """
    return Rewards(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.valid for part in parts]),
        np.concatenate([part.vetoed for part in parts]),
        np.concatenate([part.groups for part in parts]),
    )


def group_advantages(
    values: Floats, groups: NDArray[np.int64], noise: float = 0.0,
    valid: Flags | None = None, measurable: Flags | None = None,
) -> Floats:  # fmt: skip
    """One reward, normalised within groups, (N,): (r - mean) / max(std, noise), population std.

    values: (N,) on any scale.  noise: the least deviation that is divided by, on that scale.
    valid: (N,) bool, None for all; others get 0 and enter no mean.
    measurable: (N,) bool, the members of which at least half must be valid, None for all.
    Groups with fewer, or with equal values, get exactly 0.  (GRPO, arXiv 2402.03300; per reward,
    GDPO, 2601.05242.)
    """
    valid = np.ones(len(values), bool) if valid is None else valid
    made = np.zeros(len(values))
    for group in np.unique(groups):
        own = groups == group
        rows = own & valid
        size = np.count_nonzero(own if measurable is None else own & measurable)
        kept = np.sort(values[rows])  # sorted, sums do not depend on the order
        if 2 * len(kept) < size or len(kept) < 2 or kept[0] == kept[-1]:
            continue
        mean = kept.sum() / len(kept)
        deviation = math.sqrt(np.sort((kept - mean) ** 2).sum() / len(kept))
        if max(deviation, noise) > 0:
            made[rows] = (values[rows] - mean) / max(deviation, noise)
    return made


def advantages(reward: Reward, rewards: Rewards) -> Advantages:
    """The advantage of each sample over its group.

    A^m = group_advantages of reward m;  A = sum over m of w_m A^m;  a vetoed sample gets the
    lowest A of its group;  all divided by the root mean square of the batch (see LEAST_RMS),
    without taking off its mean, and clipped to +-LIMIT  (GDPO, arXiv 2601.05242).

    Scores of vetoed samples are no measure of anything: they enter no mean and no deviation.
    Without vetoes a group sums to 0, with them to less; a group whose others are all equal, or
    all vetoed, stays at 0.  Raises ValueError when `rewards` has not one column a term.
    """
    if rewards.values.shape[1] != len(reward.terms):
        raise ValueError(f"{rewards.values.shape[1]} rewards for {len(reward.terms)} terms")
    weights = np.array([term.weight for term in reward.terms])
    valid = rewards.valid & ~rewards.vetoed[:, None]
    terms = np.zeros(rewards.values.shape)
    for m, term in enumerate(reward.terms):
        terms[:, m] = group_advantages(
            rewards.values[:, m], rewards.groups, term.noise, valid[:, m], ~rewards.vetoed
        )
    total = (terms * weights).sum(1)
    scored = (valid & (weights > 0)).any(1)
    for group in np.unique(rewards.groups[rewards.vetoed]):
        own = rewards.groups == group
        total[own & rewards.vetoed] = total[own & scored].min(initial=0.0)
    counted = scored | rewards.vetoed
    squares = np.sort(total[counted] ** 2)
    rms = math.sqrt(squares.sum() / max(1, len(squares)))
    least = LEAST_RMS * math.sqrt(math.fsum(weights**2))
    scaled = np.clip(total / max(rms, least), -LIMIT, LIMIT)
    return Advantages(scaled, counted, terms, total, rms)


def composite(reward: Reward, card: Scorecard) -> float:
    """How good one video is on the whole, 0 to 1: to rank videos, never stored alone.

    Weighted mean of the qualities of what was measured, times (q / least)^2 for every gate with
    a quality q below its least.  Where a required gate, or terms of more than half of the
    weight, could not be measured: 0 if any gate vetoes, else NaN.
    """
    values = _column([card], [term.score for term in reward.terms])[0]
    gates = _column([card], [gate.score for gate in reward.gates])[0]
    least = np.array([gate.least for gate in reward.gates])
    failed = gates < least
    factor = float(np.prod((gates[failed] / least[failed]) ** 2))
    weights = np.array([term.weight for term in reward.terms])
    known = ~np.isnan(values)
    share = weights[known].sum() / weights.sum()
    unread = any(gate.required and math.isnan(q)
                 for gate, q in zip(reward.gates, gates, strict=True))  # fmt: skip
    if unread or share < LEAST_WEIGHT:
        return 0.0 if failed.any() else math.nan
    return factor * float(weights[known] @ values[known] / weights[known].sum())


def _column(cards: Sequence[Scorecard], names: Sequence[str]) -> Floats:
    """Quality (N, len(names)) of named scores; NaN where a card lacks one."""
    rows = [[quality(card.scores[name]) if name in card.scores else math.nan for name in names]
            for card in cards]  # fmt: skip
    return np.array(rows, np.float64).reshape(len(cards), len(names))
