"""Groups are drawn reproducibly, whoever draws them: invariants of rollouts."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")

from toy_policy import SCALE, ToyPolicy  # noqa: E402

from enliven.errors import BadOption  # noqa: E402
from enliven.flow import replay  # noqa: E402
from enliven.train.rollout import (  # noqa: E402
    Exploring,
    For,
    Place,
    draw_finished,
    draw_group,
    frozen,
    likeness,
    noise_of,
    window_of,
)

EXPLORING = Exploring(members=6, groups=2, steps=8)


def test_seeds_are_distinct_over_everything_they_depend_on() -> None:
    drawn = {
        tuple(Place(run, iteration, group).rng(purpose, member, part).integers(2**62, size=2))
        for run in range(2) for iteration in range(3) for group in range(3)
        for purpose in For for member in range(3) for part in range(3)
    }  # fmt: skip
    assert len(drawn) == 2 * 3 * 3 * len(For) * 3 * 3
    # trailing zeros are no part of numpy's own seeds; ours are always of one length
    assert Place(1, 0, 0).number(For.START) != Place(1, 0, 1).number(For.START)


@pytest.mark.parametrize("start", ["shared", "own"])
def test_a_group_is_the_same_in_any_chunks(start: str) -> None:
    whole = draw_group(ToyPolicy(20, 2), replace(EXPLORING, start=start), Place(0, 3, 7), "one")
    for rows in (1, 4):
        exploring = replace(EXPLORING, start=start, rows=rows)
        split = draw_group(ToyPolicy(20, 2), exploring, Place(0, 3, 7), "one")
        for a, b in zip(whole.parts, split.parts, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    other = draw_group(ToyPolicy(20, 2), EXPLORING, Place(0, 4, 7), "one")
    assert not torch.allclose(whole.parts[0], other.parts[0])


def test_a_shared_start_shares_no_step() -> None:
    group = draw_group(ToyPolicy(20), EXPLORING, Place(0, 0, 0), "one")
    first = group.pieces[0].trajectory.states[0]
    assert torch.equal(first, first[:1].expand_as(first))
    noise = torch.stack(noise_of(group, frozen(ToyPolicy(20), group)))
    assert likeness(list(noise)) < 0.95
    assert len({tuple(row.tolist()) for row in group.parts[0]}) == 6
    own = draw_group(ToyPolicy(20), replace(EXPLORING, start="own"), Place(0, 0, 0), "one")
    assert len({tuple(row.tolist()) for row in own.pieces[0].trajectory.states[0]}) == 6


def test_windows_are_early_and_the_same_in_a_group() -> None:
    exploring = replace(EXPLORING, window=2)
    windows = [window_of(exploring, Place(0, i, i)) for i in range(60)]
    assert {w[0] for w in windows} == {0, 1, 2}  # of the first 4 of 8 steps
    assert all(w[1] == w[0] + 1 for w in windows)
    group = draw_group(ToyPolicy(4, 2), exploring, Place(0, 5, 5), "one")
    for piece in group.pieces:
        assert tuple(np.flatnonzero(piece.trajectory.noise_levels)) == windows[5]


def test_rollout_and_replay_agree_to_the_last_bit() -> None:
    policy = ToyPolicy(20, 3, dtype=torch.float32)
    group = draw_group(policy, replace(EXPLORING, window=3, rows=4), Place(0, 1, 2), "one")
    assert len(group.pieces) == 6
    assert set(frozen(policy, group).gap.values()) == {0.0}
    with torch.no_grad():
        policy.module.mean.weight += 0.1
    assert min(frozen(policy, group).gap.values()) > 0


def test_evaluations_are_deterministic_and_without_noise_in_the_steps() -> None:
    policy = ToyPolicy(2000)
    one, same = (draw_finished(policy, EXPLORING, Place(0, 9, 1), "one", 2) for _ in range(2))
    assert torch.equal(one[0], same[0])
    assert not torch.equal(one[0][0], one[0][1])
    assert one[0].std().item() == pytest.approx(SCALE, rel=0.25)  # 8 steps make a little less


def test_what_is_given_stays_and_has_no_probability() -> None:
    policy = ToyPolicy(5, 2)
    group = draw_group(policy, EXPLORING, Place(0, 0, 0), "one")
    piece = group.pieces[1]
    for state in piece.trajectory.states:
        assert torch.equal(state[:, 0], group.parts[0][:, -1])
    step = next(replay(policy.field(None), piece.trajectory))
    changed = replace(step.transition, mean=step.transition.mean.clone())
    changed.mean[:, 0] += 5
    assert noise_of(group, frozen(policy, group))[0].shape == (5,)
    following = piece.trajectory.states[step.step + 1]
    from enliven.flow import log_prob

    assert torch.equal(log_prob(changed, following), step.log_prob)


def test_noise_drawn_twice_is_found() -> None:
    rng = np.random.default_rng(0)
    noise = [torch.from_numpy(rng.standard_normal(300)) for _ in range(5)]
    assert likeness(noise) < 0.3
    assert likeness([*noise, noise[2] + 1e-4]) > 0.99
    assert likeness([torch.zeros(3)] * 2) == 0.0  # of so few nothing can be told


@pytest.mark.parametrize(
    "wrong",
    [{"members": 1}, {"groups": 0}, {"rows": 0}, {"window": 5}, {"window": 0}, {"eta": 0.0},
     {"steps": 0}, {"shift": -1.0}, {"start": "any"}],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(BadOption):
        replace(EXPLORING, **wrong)
