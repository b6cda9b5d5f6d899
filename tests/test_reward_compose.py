"""From scorecards to advantages: pytest tests/test_reward_compose.py

Numbers in test names count the invariants that an implementation of GRPO must keep.
"""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from enliven.errors import BadOption
from enliven.reward.compose import (
    FLOWPORTRAIT,
    JUDGE_ONLY,
    LEAST_RMS,
    LIMIT,
    LIP_ONLY,
    PRESETS,
    Gate,
    Reward,
    Rewards,
    Term,
    advantages,
    composite,
    gather,
    group_advantages,
    measured,
    preset,
    quality,
    without,
)
from enliven.types import Score, Scorecard

few = settings(max_examples=50, deadline=None)
GROUPS = np.repeat(np.arange(4), 8)
TWO = Reward((Term("lip", 0.7, 0.0), Term("jitter", 0.3, 0.0)))
batches = arrays(np.float64, (32, 2), elements=st.floats(0, 1, width=32))


def random(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).random(shape)


def rewards(values: Any, groups: Any = GROUPS, valid: Any = None, vetoed: Any = None) -> Rewards:
    valid = np.ones(values.shape, bool) if valid is None else valid
    vetoed = np.zeros(len(values), bool) if vetoed is None else vetoed
    return Rewards(values, valid, vetoed, np.asarray(groups, np.int64))


def card(**scores: Any) -> Scorecard:
    made = {k: v if isinstance(v, Score) else Score(v, 0.0, 1.0) for k, v in scores.items()}
    return Scorecard(made)


# Scores to rewards


def test_a_score_becomes_a_share_of_its_scale_in_the_good_direction() -> None:
    assert quality(Score(4.0, 1.0, 5.0)) == 0.75
    assert quality(Score(4.0, 1.0, 5.0, higher_is_better=False)) == 0.25
    assert quality(Score(7.0, 1.0, 5.0)) == 1
    assert quality(Score(7.0, 1.0, 5.0, higher_is_better=False)) == 0
    for bad in (Score(4.0, 1.0, 5.0, valid=False), Score(math.nan, 0, 1), Score(math.inf, 0, 1)):
        assert math.isnan(quality(bad))
    for low, high in ((1.0, 1.0), (2.0, 1.0), (0.0, math.inf), (math.nan, 1.0)):
        with pytest.raises(ValueError, match="must rise"):
            quality(Score(1.0, low, high))


def test_what_is_missing_is_invalid_and_never_a_number() -> None:
    cards = [card(lip=0.5, jitter=0.1), card(lip=0.4), card(lip=Score(0, 0, 1, valid=False))]
    got = measured(TWO, cards, [1, 1, 1])
    np.testing.assert_array_equal(got.valid, [[True, True], [True, False], [False, False]])
    assert got.groups.dtype == np.int64
    with pytest.raises(BadOption, match="no video was scored on jitter"):
        measured(TWO, [card(lip=0.5)], [1])
    with pytest.raises(ValueError, match="whole numbers"):
        measured(TWO, cards, [1.0, 1.0, 1.0])


def test_a_gate_fires_below_its_least_and_an_unread_gate_lets_nothing_pass() -> None:
    reward = Reward((Term("lip", 1.0, 0.0),), (Gate("face", 0.5), Gate("identity", 0.2)))
    broken = Score(0.9, 0, 1, valid=False)
    cards = [
        card(lip=0.5, face=0.5, identity=0.2),
        card(lip=0.5, face=0.49, identity=0.9),
        card(lip=0.5, face=0.9, identity=broken),
        card(lip=0.5, face=0.1, identity=broken),
        card(lip=0.5, face=0.9),
    ]
    got = measured(reward, cards, np.zeros(5, int))
    np.testing.assert_array_equal(got.vetoed, [False, True, False, True, False])
    np.testing.assert_array_equal(got.valid[:, 0], [True, True, False, False, False])
    made = advantages(reward, got)
    np.testing.assert_array_equal(made.counted, [True, True, False, True, False])


def test_an_axis_without_weight_is_neither_needed_nor_counted() -> None:
    reward = Reward((Term("lip", 0.0, 0.0), Term("motion", 1.0, 0.0)))
    got = measured(reward, [card(motion=0.1), card(motion=0.2)], [0, 0])
    np.testing.assert_allclose(advantages(reward, got).values, [-1, 1], rtol=1e-15)
    only = measured(reward, [card(lip=0.1), card(lip=0.2, motion=0.2)], [0, 0])
    np.testing.assert_array_equal(advantages(reward, only).counted, [False, True])


# Groups


@few
@given(batches)
def test_16_groups_sum_to_zero_and_have_unit_rms_above_the_noise(values: Any) -> None:
    noise = 1e-3
    made = group_advantages(values[:, 0], GROUPS, noise)
    for group in range(4):
        rows = group == GROUPS
        assert abs(made[rows].sum()) < 1e-9
        if values[rows, 0].std() > noise:
            assert np.sqrt((made[rows] ** 2).mean()) == pytest.approx(1, abs=1e-9)
    composite = advantages(TWO, rewards(values)).composite
    sums = [composite[group == GROUPS].sum() for group in range(4)]
    if all(values[g == GROUPS, m].std() > noise for g in range(4) for m in range(2)):
        np.testing.assert_allclose(sums, 0, atol=1e-9)


@few
@given(st.floats(0.01, 1000), st.floats(-100, 100))
def test_17_scale_and_offset_of_a_reward_do_not_matter(scale: float, offset: float) -> None:
    values = random(32)
    made = group_advantages(scale * values + offset, GROUPS, 1e-4 * scale)
    np.testing.assert_allclose(made, group_advantages(values, GROUPS), atol=1e-8)


def test_18_equal_rewards_are_exactly_zero_and_small_differences_stay_small() -> None:
    constant = np.full(32, 0.1)
    assert not group_advantages(constant, GROUPS).any()
    assert not group_advantages(constant, GROUPS, 0.05).any()
    three = np.full(3, 0.1)
    assert three.mean() != 0.1
    assert not group_advantages(three, GROUPS[:3]).any()
    values = 0.5 + 1e-3 * random(32)
    made = group_advantages(values, GROUPS, 0.05)
    means = np.repeat(values.reshape(4, 8).mean(1), 8)
    np.testing.assert_allclose(made, (values - means) / 0.05, rtol=1e-9)
    assert np.abs(made).max() < 0.05
    half = group_advantages(means + (values - means) / 2, GROUPS, 0.05)
    np.testing.assert_allclose(half, made / 2, rtol=1e-9)


def test_18_a_batch_of_equal_rewards_is_exactly_zero() -> None:
    made = advantages(TWO, rewards(np.full((32, 2), 0.3)))
    assert not made.values.any()
    assert made.rms == 0
    assert made.counted.all()


@few
@given(batches, st.permutations(range(32)))
def test_19_order_does_not_matter_to_the_last_bit(values: Any, order: list[int]) -> None:
    valid, vetoed = random(32, 2, seed=1) > 0.2, random(32, seed=2) > 0.8
    straight = advantages(TWO, rewards(values, GROUPS, valid, vetoed))
    mixed = advantages(TWO, rewards(values[order], GROUPS[order], valid[order], vetoed[order]))
    np.testing.assert_array_equal(mixed.values, straight.values[order])
    np.testing.assert_array_equal(mixed.composite, straight.composite[order])
    assert mixed.rms == straight.rms


def test_19_other_groups_do_not_change_mine() -> None:
    values = random(32, 2)
    other = values.copy()
    other[8:] = random(24, 2, seed=5) ** 3
    a, b = (advantages(TWO, rewards(v)) for v in (values, other))
    np.testing.assert_array_equal(a.composite[:8], b.composite[:8])
    assert np.any(a.composite[8:] != b.composite[8:])
    # the division by the rms of the batch is one factor for all
    np.testing.assert_allclose(a.values[:8] * a.rms, b.values[:8] * b.rms, rtol=1e-12)


def test_20_invalid_samples_get_zero_and_move_nobody() -> None:
    values, valid = random(32, 2), np.ones((32, 2), bool)
    valid[[3, 4, 17]] = False
    wild = values.copy()
    wild[~valid] = 1e9
    absent = valid.all(1)
    made = advantages(TWO, rewards(wild, valid=valid))
    without = advantages(TWO, rewards(values[absent], GROUPS[absent]))
    assert not made.values[~absent].any()
    np.testing.assert_array_equal(made.counted, absent)
    np.testing.assert_array_equal(made.values[absent], without.values)
    assert made.rms == without.rms


def test_20_a_sample_without_one_score_keeps_the_others() -> None:
    values, valid = random(8, 2), np.ones((8, 2), bool)
    valid[2, 1] = False
    made = advantages(TWO, rewards(values, GROUPS[:8], valid))
    assert made.counted.all()
    assert made.terms[2, 1] == 0
    assert made.composite[2] == 0.7 * made.terms[2, 0] != 0


@pytest.mark.parametrize(("valid", "used"), [(3, False), (4, True), (8, True)])
def test_a_group_needs_half_of_its_measurements(valid: int, used: bool) -> None:
    made = group_advantages(random(8), GROUPS[:8], 0.0, np.arange(8) < valid)
    assert made.any() == used
    assert not made[valid:].any()


def test_21_a_thousandfold_reward_changes_nothing_where_a_sum_would() -> None:
    values = random(32, 2)
    loud = values * [1, 1000]
    a, b = (advantages(TWO, rewards(v)).values for v in (values, loud))
    np.testing.assert_allclose(a, b, atol=1e-9)
    sums = [group_advantages(v @ [0.7, 0.3], GROUPS) for v in (values, loud)]
    assert np.abs(sums[0] - sums[1]).max() > 0.5


@pytest.mark.parametrize("cuts", [(8, 16, 24), (5, 6, 29), (0, 32)])
def test_22_processes_together_equal_one(cuts: tuple[int, ...]) -> None:
    ids = GROUPS + 2**60 + 1  # floats would merge them
    whole = rewards(random(32, 2), ids, random(32, 2, seed=3) > 0.1, random(32, seed=4) > 0.9)
    edges = [0, *cuts, 32]
    parts = [
        Rewards(whole.values[a:b], whole.valid[a:b], whole.vetoed[a:b], whole.groups[a:b])
        for a, b in pairwise(edges)
    ]
    alone = advantages(TWO, whole)
    for batch in (gather(parts), gather([gather(parts[:2]), *parts[2:]])):
        assert batch.groups.dtype == np.int64
        np.testing.assert_array_equal(advantages(TWO, batch).values, alone.values)
    swapped = advantages(TWO, gather(parts[::-1]))
    assert sorted(swapped.values) == sorted(alone.values)


def test_22_neighbouring_large_ids_are_different_groups() -> None:
    values = np.array([0.0, 0.2, 0.8, 1.0])
    ids = np.array([2**53, 2**53, 2**53 + 1, 2**53 + 1])
    np.testing.assert_allclose(group_advantages(values, ids), [-1, 1, -1, 1], rtol=1e-15)
    kept = measured(TWO, [card(lip=0.5, jitter=0.5)] * 4, ids.tolist())
    np.testing.assert_array_equal(kept.groups, ids)
    with pytest.raises(ValueError, match="must be int64"):
        Rewards(values[:, None], values[:, None] > 0, values > 9, ids.astype(np.float32))  # type: ignore[arg-type]


# Vetoes and the batch


def test_a_vetoed_sample_gets_its_groups_minimum_and_its_scores_move_nobody() -> None:
    values, vetoed = random(32, 2), np.zeros(32, bool)
    vetoed[[2, 11, 12]] = True
    best = values.copy()
    best[vetoed] = 1.0  # a frozen face is perfectly steady
    a, b = (advantages(TWO, rewards(v, vetoed=vetoed)) for v in (values, best))
    np.testing.assert_array_equal(a.values, b.values)
    assert a.counted.all()
    for group in range(2):
        rows = group == GROUPS
        least = a.composite[rows & ~vetoed].min()
        assert least < 0
        np.testing.assert_array_equal(a.composite[rows & vetoed], least)
        assert a.values[rows & vetoed].max() == a.values[rows].min() >= -LIMIT
    kept = advantages(TWO, rewards(values[~vetoed], GROUPS[~vetoed]))
    np.testing.assert_array_equal(a.composite[~vetoed], kept.composite)


def test_vetoes_on_most_of_a_group_still_compare_the_rest() -> None:
    vetoed = np.arange(8) < 6
    made = advantages(TWO, rewards(random(8, 2), GROUPS[:8], vetoed=vetoed))
    assert np.all(made.composite[vetoed] == made.composite[~vetoed].min())
    assert made.composite[~vetoed].max() > 0
    everything = advantages(TWO, rewards(random(8, 2), GROUPS[:8], vetoed=np.ones(8, bool)))
    assert not everything.values.any()
    assert everything.counted.all()


def test_a_batch_is_divided_by_its_rms_not_recentred_and_clipped() -> None:
    vetoed = np.arange(32) % 8 == 0
    made = advantages(TWO, rewards(random(32, 2), vetoed=vetoed))
    assert made.composite.mean() < -0.01  # vetoes pull it down, and nothing takes that off
    np.testing.assert_allclose(made.values, made.composite / made.rms, rtol=1e-15)
    assert np.sqrt((made.values**2).mean()) == pytest.approx(1, abs=1e-12)
    # one winner of a hundred lies 9.9 deviations off
    lone = rewards(np.tile((np.arange(100) == 0)[:, None] * 1.0, 2), np.zeros(100))
    extreme = advantages(TWO, lone)
    assert extreme.composite.max() / extreme.rms == pytest.approx(math.sqrt(99))
    assert extreme.values.max() == LIMIT


@few
@given(batches, arrays(bool, (32, 2)), arrays(bool, 32))
def test_advantages_are_finite_and_bounded_whatever_was_measured(
    values: Any, valid: Any, vetoed: Any
) -> None:
    made = advantages(TWO, rewards(values, valid=valid, vetoed=vetoed))
    assert np.all(np.abs(made.values) <= LIMIT)
    assert np.isfinite(made.values).all()
    assert not made.values[~made.counted].any()
    np.testing.assert_array_equal(made.counted, vetoed | valid.any(1))


def test_no_samples_at_all() -> None:
    made = advantages(TWO, measured(TWO, [], []))
    assert made.values.shape == (0,)
    assert made.rms == 0


def test_a_batch_of_mere_noise_is_not_blown_up() -> None:
    noisy = Reward(tuple(replace(term, noise=0.1) for term in TWO.terms))
    quiet = 0.5 + 1e-3 * random(32, 2)
    made = advantages(noisy, rewards(quiet))
    assert 0 < made.rms < 0.01
    assert np.abs(made.values).max() < 0.05  # it was a whole deviation and more
    least = LEAST_RMS * math.sqrt(0.7**2 + 0.3**2)
    np.testing.assert_allclose(made.values, made.composite / least, rtol=1e-12)
    twice = advantages(noisy, rewards(0.5 + 2 * (quiet - 0.5)))
    np.testing.assert_allclose(twice.values, 2 * made.values, atol=1e-9)


def test_a_gate_that_is_not_required_vetoes_only_where_it_is_told() -> None:
    reward = Reward((Term("lip", 1.0, 0.0),), (Gate("face"), Gate("silence", required=False)))
    cards = [
        card(lip=0.5, face=1.0, silence=0.1),
        card(lip=0.6, face=1.0, silence=Score(math.nan, 0, 1, valid=False)),
        card(lip=0.7, face=1.0),
    ]
    got = measured(reward, cards, [0, 0, 0])
    np.testing.assert_array_equal(got.vetoed, [True, False, False])
    np.testing.assert_array_equal(got.valid[:, 0], [True, True, True])
    # nobody need measure it at all
    assert measured(reward, cards[2:], [0]).valid.all()


# One video on the whole


def test_a_composite_is_the_weighted_mean_of_what_was_measured() -> None:
    assert composite(TWO, card(lip=0.5, jitter=1.0)) == pytest.approx(0.65)
    assert composite(TWO, card(lip=Score(3, 1, 5), jitter=1.0)) == pytest.approx(0.65)
    assert composite(TWO, card(lip=0.5)) == 0.5
    assert math.isnan(composite(TWO, card(jitter=0.5)))  # three tenths of the weight
    assert math.isnan(composite(TWO, card()))


def test_a_gate_takes_off_the_more_the_worse_and_nothing_above_its_least() -> None:
    reward = Reward(TWO.terms, (Gate("face"), Gate("layout", 0.4, required=False)))
    good = {"lip": 0.8, "jitter": 0.8}
    assert composite(reward, card(**good, face=0.5)) == pytest.approx(0.8)
    assert composite(reward, card(**good, face=0.25)) == pytest.approx(0.2)
    assert composite(reward, card(**good, face=0.25, layout=0.2)) == pytest.approx(0.05)
    assert composite(reward, card(**good, face=0.0)) == 0
    assert math.isnan(composite(reward, card(**good)))
    assert composite(reward, card(layout=0.1)) == 0  # no face to be measured is no excuse


@few
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_composite_rises_with_each_score(lip: float, jitter: float, face: float) -> None:
    reward = Reward(TWO.terms, (Gate("face"),))
    value = composite(reward, card(lip=lip, jitter=jitter, face=face))
    assert 0 <= value <= 1
    for better in ({"lip": 1.0}, {"jitter": 1.0}, {"face": 1.0}):
        scores = {"lip": lip, "jitter": jitter, "face": face, **better}
        assert composite(reward, card(**scores)) >= value - 1e-12


# Presets and options


def test_presets_have_names() -> None:
    assert preset("flowportrait") is FLOWPORTRAIT
    assert preset("lip-only") is LIP_ONLY
    assert preset("judge-only") is JUDGE_ONLY
    assert list(PRESETS) == ["flowportrait", "lip-only", "judge-only"]
    with pytest.raises(BadOption, match="choose flowportrait, lip-only, judge-only"):
        preset("best")


def test_an_axis_left_out_leaves_its_weight_to_the_others() -> None:
    left = without(FLOWPORTRAIT, "lip_sync", "no such term")
    weights = {term.score: term.weight for term in left.terms}
    assert weights["lip_sync"] == 0
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["sync"] / weights["texture"] == pytest.approx(0.15 / 0.1)
    assert left.gates == FLOWPORTRAIT.gates
    assert without(FLOWPORTRAIT) == FLOWPORTRAIT
    with pytest.raises(BadOption, match="nothing is left"):
        without(JUDGE_ONLY, "lip_sync", "expressiveness", "motion")


@pytest.mark.parametrize("reward", [FLOWPORTRAIT, LIP_ONLY, JUDGE_ONLY])
def test_presets_weigh_one_in_all(reward: Reward) -> None:
    weights = [term.weight for term in reward.terms]
    assert sum(weights) == pytest.approx(1)
    gates = {gate.score: 1.0 for gate in reward.gates}
    better = card(**(gates | {term.score: 0.6 for term in reward.terms}))
    worse = replace(better, scores={**better.scores, "lip_sync": Score(0.1, 0.0, 1.0)})
    made = advantages(reward, measured(reward, [better, worse], [7, 7]))
    assert made.values[0] > 0.5
    assert made.values[1] == pytest.approx(-made.values[0])


def test_only_the_whole_reward_catches_a_frozen_face() -> None:
    names = {term.score for term in FLOWPORTRAIT.terms}
    checks = {"face": 1.0, "stillness": 1.0, "identity": 1.0}
    living = card(**(dict.fromkeys(names, 0.6) | checks))
    better = {"lip_sync": 0.9, "jitter": 1.0, "stillness": 0.0}
    frozen = card(**(dict.fromkeys(names, 0.6) | checks | better))
    poor = card(**(dict.fromkeys(names, 0.3) | checks | {"silence": 0.6}))
    for reward, best in ((FLOWPORTRAIT, 0), (LIP_ONLY, 2), (JUDGE_ONLY, 2)):
        made = advantages(reward, measured(reward, [living, poor, frozen], [1, 1, 1])).values
        assert made.argmax() == best


@pytest.mark.parametrize(
    "make",
    [
        lambda: Term("lip", -1.0, 0.0),
        lambda: Term("lip", 1.0, math.nan),
        lambda: Gate("face", 2.0),
        lambda: Reward(()),
        lambda: Reward((Term("lip", 0.0, 0.0),)),
        lambda: Reward((Term("lip", 1.0, 0.0), Term("lip", 1.0, 0.0))),
    ],
)
def test_options_that_make_no_sense(make: Any) -> None:
    with pytest.raises(BadOption, match=r"choose|name each once"):
        make()


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="shapes"):
        rewards(random(32, 2), GROUPS[:5])
    with pytest.raises(ValueError, match="3 rewards for 2 terms"):
        advantages(TWO, rewards(random(32, 3)))
