"""Objectives of post-training against closed forms: pytest tests/test_train_objectives.py

Numbers in test names count the invariants that an implementation of GRPO, DPO and NFT must keep.
"""

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")

from enliven.errors import BadOption  # noqa: E402
from enliven.flow import (  # noqa: E402
    Noise,
    Transition,
    gaussian,
    log_prob,
    noise_levels,
    replay,
    rollout,
    schedule,
    transition,
)
from enliven.train.objectives import (  # noqa: E402
    CLIP,
    PairErrors,
    average,
    dpo_loss,
    dpo_margin,
    implicit_accuracy,
    kl,
    log_ratio,
    nft_loss,
    norm_excess,
    optimality,
    pair_errors,
    policy_loss,
    step_weights,
    velocity_distance,
)
from enliven.types import Trajectory  # noqa: E402

FORMS = tuple(CLIP)
NOISES = [Noise("flow", 0.7), Noise("constant", 0.5), Noise("cps", 0.8)]
T, AFTER, LEVEL = 0.8, 0.7, 0.9


def normal(*shape: int, seed: int = 0) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def leaf(x: Any) -> Any:
    return x.clone().requires_grad_()


def same(a: Any, b: Any, rtol: float = 1e-12, atol: float = 0.0) -> None:
    torch.testing.assert_close(a, b, rtol=rtol, atol=atol)


def step(v: Any, x: Any = None, known: Any = None, level: float = LEVEL) -> Transition:
    return transition(normal(*v.shape) if x is None else x, v, T, AFTER, level, given=known)


def after(old: Transition, seed: int = 7) -> Any:
    return old.mean + float(old.deviation) * normal(*old.mean.shape, seed=seed)


class Policy(torch.nn.Module):
    """Two layers, float64: a velocity whose weights can move."""

    def __init__(self, width: int = 5) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = torch.nn.Linear(width + 1, 8, dtype=torch.float64)
        self.outer = torch.nn.Linear(8, width, dtype=torch.float64)

    def forward(self, x: Any, t: Any) -> Any:
        return self.outer(torch.tanh(self.inner(torch.cat([x, t[:, None].to(x)], 1))))


def slopes(model: Any) -> Any:
    return torch.cat([weight.grad.reshape(-1) for weight in model.parameters()])


def rolled(model: Any, noise: Noise, rows: int = 6) -> tuple[Trajectory, list[Transition]]:
    """A trajectory and its Gaussians under the weights that made it."""
    with torch.no_grad():
        path = rollout(model, normal(rows, 5), schedule(5, 3.0), noise, np.random.default_rng(1))
        return path, [again.transition for again in replay(model, path)]


def surrogate(model: Any, path: Any, old: Any, advantages: Any, form: Any, weights: Any) -> Any:
    clip = CLIP[form]
    return sum(
        average(policy_loss(log_ratio(again.transition, old[i], path.states[again.step + 1], form),
                            advantages, clip, clip, weights[again.step]))
        for i, again in enumerate(replay(model, path))
    )  # fmt: skip


# Ratio and loss


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.kind)
def test_9_unchanged_weights_give_ratio_one_and_the_reinforce_gradient(
    noise: Noise, form: Any
) -> None:
    model, advantages = Policy(), normal(6, seed=3)
    path, old = rolled(model, noise)
    weights = step_weights(path, "equal", form)
    for i, again in enumerate(replay(model, path)):
        following = path.states[again.step + 1]
        change = log_ratio(again.transition, old[i], following, form)
        same(change.exp(), torch.ones(6, dtype=torch.float64), 0)
        made = policy_loss(change, advantages, 1e-9, 1e-9, weights[again.step])
        same(made, -weights[again.step] * advantages, 0)
    surrogate(model, path, old, advantages, form, weights).backward()
    got = slopes(model)

    model.zero_grad()
    total = torch.zeros((), dtype=torch.float64)
    for again in replay(model, path):
        s = float(again.transition.deviation)
        # the length of d ln r / d v, in those of the plain ratio
        scale = {"plain": 1.0, "guard": s, "dimension-free": math.sqrt(5)}[form]
        total = total - scale * weights[again.step] * (advantages * again.log_prob).mean()
    total.backward()
    same(got, slopes(model), 1e-9, 1e-12)
    assert got.abs().max() > 1e-3


def test_10_guard_is_the_corrected_ratio_and_zero_in_the_mean() -> None:
    x, former = normal(3, 4), normal(3, 4, seed=1)
    old, new = step(former, x), step(former + 0.1 * normal(3, 4, seed=2), x)
    following, s = after(old), float(old.deviation)
    z, moved = (following - old.mean) / s, new.mean - old.mean
    guard = log_ratio(new, old, following, "guard")
    same(guard, (z * moved).mean(1))
    plain = log_ratio(new, old, following, "plain")
    same(guard, s * (plain + (moved**2).mean(1) / (2 * s**2)), 1e-9)
    same(log_ratio(old, old, following, "guard"), torch.zeros(3, dtype=torch.float64), 0)
    # z and -z cancel, which they do not in the plain ratio
    mirrored = 2 * old.mean - following
    same(guard + log_ratio(new, old, mirrored, "guard"), torch.zeros(3).double(), 0, 1e-15)
    assert torch.all(plain + log_ratio(new, old, mirrored, "plain") < 0)


@pytest.mark.parametrize("width", [1, 4, 64])
def test_10_dimension_free_ratio_has_twice_the_mean_kl_as_variance(width: int) -> None:
    x, former = normal(3, width), normal(3, width, seed=1)
    for level in (0.3, 0.9):
        old = step(former, x, level=level)
        new = step(former + 0.1 * normal(3, width, seed=2), x, level=level)
        following = leaf(after(old))
        log_ratio(new, old, following, "dimension-free").sum().backward()
        # linear in z ~ N(0, 1): its variance is the square of its slope
        same(((following.grad * float(old.deviation)) ** 2).sum(1), 2 * kl(new, old))


def test_11_clipping_stops_the_gradient_only_where_nothing_is_to_correct() -> None:
    eps = 0.1
    cases = [(1.0, 0.3, 0.0), (-1.0, -0.3, 0.0), (1.0, -0.3, -1.0), (-1.0, 0.3, 1.0),
             (1.0, 0.05, -1.0), (-1.0, -0.05, 1.0)]  # fmt: skip
    for advantage, change, sign in cases:
        log_r = leaf(torch.tensor([change], dtype=torch.float64))
        made = policy_loss(log_r, torch.tensor([advantage], dtype=torch.float64), eps, eps)
        made.sum().backward()
        r = math.exp(change)
        clipped = min(max(r, 1 - eps), 1 + eps)
        assert float(made.detach()) == pytest.approx(
            max(-advantage * r, -advantage * clipped), abs=1e-15
        )
        assert float(log_r.grad) == pytest.approx(sign * r, abs=1e-15)


def test_11_ranges_may_differ_and_are_kept_in_single_precision() -> None:
    changes = torch.tensor([-3e-6, -1e-6, 1e-6, 1.98e-6, 5e-6], requires_grad=True)
    policy_loss(changes, torch.ones(5), 3e-6, 2e-6).sum().backward()
    same(changes.grad, torch.tensor([-1.0, -1.0, -1.0, -1.0, 0.0]), 1e-5)


def path_of(noise: Noise, shift: float, steps: int = 16) -> Trajectory:
    times = schedule(steps, shift)
    return Trajectory((), times, noise_levels(times, noise), (), noise.kernel)


def pulls(path: Trajectory, form: Any, weights: Any) -> list[float]:
    """|dL/dv| of every noisy step, from the same z."""
    x, z, found = normal(2, 6), normal(2, 6, seed=1), []
    for k in np.flatnonzero(path.noise_levels):
        v = leaf(normal(2, 6, seed=2))
        times = (path.times[k], path.times[k + 1], path.noise_levels[k], path.kernel)
        new, old = transition(x, v, *times), transition(x, v.detach(), *times)
        following = old.mean + float(old.deviation) * z
        change = log_ratio(new, old, following, form)
        average(policy_loss(change, torch.ones(2).double(), 0.5, 1.0, weights[k])).backward()
        found.append(float(v.grad.norm()))
    return found


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.kind)
def test_12_equal_weights_pull_equally_at_every_step(noise: Noise, form: Any) -> None:
    for shift in (1.0, 3.0, 5.0, 12.0):
        path = path_of(noise, shift)
        weights = step_weights(path, "equal", form)
        assert weights[:-1].mean() == pytest.approx(1)
        assert weights[-1] == 0
        found = pulls(path, form, weights)
        assert max(found) / min(found) == pytest.approx(1, abs=1e-9)


def test_12_without_weights_late_steps_outweigh_early_ones() -> None:
    spreads = []
    for shift in (1.0, 5.0, 12.0):
        path = path_of(NOISES[0], shift)
        found = np.array(pulls(path, "plain", step_weights(path, "none", "plain"))[1:])
        assert np.all(np.diff(found) > 0)
        # closed form: (1 + a^2 / 2) / a sqrt(h (1 - t) / t)
        t, h = path.times[1:-2], -np.diff(path.times)[1:-1]
        expected = np.sqrt(h * (1 - t) / t)
        np.testing.assert_allclose(found / found[0], expected / expected[0], rtol=1e-9)
        spreads.append(found[-1] / found[0])
    assert 5 < spreads[0] < spreads[1] < spreads[2]


def test_12_guard_weights_are_one_over_h_where_c_is_constant() -> None:
    path = path_of(NOISES[0], 5.0)
    weights = step_weights(path, "equal", "guard")[1:-1]
    h = -np.diff(path.times)[1:-1]
    np.testing.assert_allclose(weights * h, weights[0] * h[0], rtol=1e-12)


def test_step_weights_of_a_window_and_by_deviation() -> None:
    times = schedule(8, 3.0)
    path = Trajectory((), times, noise_levels(times, Noise(steps=(1, 2))), ())
    for weighting in ("equal", "temp", "none"):
        weights = step_weights(path, weighting)
        np.testing.assert_array_equal(weights > 0, np.isin(range(8), (1, 2)))
        assert weights[1:3].mean() == pytest.approx(1)
    s = path.noise_levels * np.sqrt(-np.diff(times))
    np.testing.assert_allclose(step_weights(path, "temp"), s / s[1:3].mean(), rtol=1e-15)
    still = Trajectory((), times, np.zeros(8), ())
    assert not step_weights(still, "equal").any()


def test_13_mean_and_sum_differ_by_the_number_of_elements() -> None:
    known = np.array([True, False, False, True])  # two generated columns of four
    x, former = normal(3, 2, 4), normal(3, 2, 4, seed=1)
    old, new = step(former, x, known), step(former + normal(3, 2, 4, seed=2), x, known)
    following = torch.where(torch.from_numpy(known), x, after(old))
    whole = log_prob(new, following, "sum") - log_prob(old, following, "sum")
    same(4 * log_ratio(new, old, following, "plain"), whole)
    same(4 * kl(new, old), kl(new, old, "sum"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", FORMS)
def test_given_elements_take_no_part_and_have_no_gradient(form: Any) -> None:
    known = np.array([[True, False, False, True]])
    x, former, drift = (normal(2, 4, seed=i) for i in range(3))
    v = leaf(former + 0.1 * drift)
    wild = v + torch.tensor([math.inf, 0, 0, math.nan])
    old, new = step(former, x, known), step(wild, x, known)
    following = torch.where(torch.from_numpy(known), x, after(old))
    parts = [log_ratio(new, old, following, form), kl(new, old),
             velocity_distance(wild, former, known), norm_excess(3 * wild, former, known),
             nft_loss(wild, former, drift, torch.ones(2).double(), 1.0, known)]  # fmt: skip
    torch.stack(parts).sum().backward()
    assert torch.all(v.grad[:, [0, 3]] == 0)
    assert torch.all(v.grad[:, [1, 2]] != 0)
    cut = [step(w[:, 1:3], x[:, 1:3]) for w in (former, v)]
    same(parts[0], log_ratio(cut[1], cut[0], following[:, 1:3], form))
    same(parts[1], kl(cut[1], cut[0]))
    same(parts[2], velocity_distance(v[:, 1:3], former[:, 1:3]))


def test_14_order_and_split_do_not_change_the_loss_or_its_gradient() -> None:
    counted = torch.tensor([1, 1, 0, 1, 0, 1, 1, 1], dtype=torch.bool)
    changes, advantages = 0.2 * normal(8), normal(8, seed=1)

    def loss(rows: Any, total: float | None = None) -> tuple[Any, Any]:
        log_r = leaf(changes)
        made = [average(policy_loss(log_r[part], advantages[part], 0.1, 0.1), counted[part], total)
                for part in rows]  # fmt: skip
        torch.stack(made).sum().backward()
        return torch.stack(made).sum().detach(), log_r.grad

    whole, slope = loss([torch.arange(8)])
    assert torch.all((slope == 0) >= ~counted)
    for rows in ([torch.arange(8).flip(0)], torch.arange(8).split(3), torch.arange(8).split(1)):
        value, gradient = loss(rows, 6)
        same(value, whole, 1e-14)
        same(gradient, slope, 1e-14)
    # the mean of means of unequal parts is another loss
    uneven = loss(torch.arange(8).split(2))[0] / 4
    assert abs(float(uneven - whole)) > 1e-3
    nothing = average(changes, torch.zeros(8, dtype=torch.bool))
    assert float(nothing) == 0


# The reference


def test_15_kl_is_the_divergence_of_the_gaussians() -> None:
    x, base, drift = (normal(3, 2, 4, seed=i) for i in range(3))
    new, reference = step(base + drift, x), step(base, x)
    s = torch.tensor(float(new.deviation), dtype=torch.float64)
    laws = [torch.distributions.Normal(law.mean, s) for law in (new, reference)]
    known = torch.distributions.kl_divergence(*laws).reshape(3, -1)
    same(kl(new, reference, "sum"), known.sum(1))
    same(kl(new, reference), known.mean(1))
    h = T - AFTER
    c = 1 + LEVEL**2 * (1 - T) / (2 * T)
    same(kl(new, reference), h * c**2 * velocity_distance(base + drift, base) / (2 * LEVEL**2))


def test_15_nothing_moved_is_no_distance_and_moving_is_never_negative() -> None:
    x, v = normal(3, 4), leaf(normal(3, 4, seed=1))
    zero = torch.zeros(3, dtype=torch.float64)
    for made in (kl(step(v, x), step(v.detach(), x)), velocity_distance(v, v.detach()),
                 norm_excess(v, v.detach())):  # fmt: skip
        same(made.detach(), zero, 0)
        made.sum().backward()
    for seed in range(5):
        moved = v.detach() + 1e-6 * normal(3, 4, seed=seed)
        assert torch.all(kl(step(moved, x), step(v.detach(), x)) > 0)


def test_norm_excess_is_the_growth_of_velocities() -> None:
    v = normal(4, 3, 5)
    scale = torch.tensor([0.5, 1.0, 1.1, 2.0], dtype=torch.float64)[:, None, None]
    same(
        norm_excess(scale * v, v), torch.tensor([0, 0, 0.1, 1.0], dtype=torch.float64), 1e-12, 1e-15
    )
    still = leaf(torch.zeros(1, 3, dtype=torch.float64))
    norm_excess(still, torch.ones(1, 3)).sum().backward()
    assert torch.all(still.grad == 0)


def test_a_replay_on_another_schedule_is_refused() -> None:
    x, v = normal(2, 3), normal(2, 3, seed=1)
    old, late = transition(x, v, T, AFTER, LEVEL), transition(x, v, T, 0.65, LEVEL)
    certain = transition(x, v, T, AFTER)
    for make in (lambda a, b: log_ratio(a, b, x), kl):
        with pytest.raises(ValueError, match="one schedule"):
            make(late, old)
        with pytest.raises(ValueError, match="no density"):
            make(certain, certain)


def test_half_precision_is_widened_before_it_is_squared() -> None:
    v = normal(2, 50).bfloat16()
    other = (v.float() + 0.01).bfloat16()
    exact = ((other.double() - v.double()) ** 2).mean(1)
    made = velocity_distance(other, v)
    assert made.dtype == torch.float32
    same(made.double(), exact, 1e-5)


def test_everything_stays_on_the_device_of_the_state() -> None:
    """Torch refuses to mix the devices "cpu" and "meta", which is on every machine."""
    x = torch.zeros(2, 3, device="meta", dtype=torch.bfloat16)
    known, ones = np.array([True, False, False]), torch.ones(2, device="meta")
    law = step(x, x, known)
    rows = [log_ratio(law, law, x, form) for form in FORMS]
    rows += [policy_loss(rows[0], ones, 0.1, 0.1), kl(law, law), norm_excess(x, x, known)]
    rows += pair_errors(lambda x, t: x, x, x, x, ones, known)
    rows += [nft_loss(x, x, x, ones, 1.0, known)]
    assert {row.device.type for row in rows} == {"meta"}
    assert {row.dtype for row in rows} == {torch.float32}


# Preference pairs


def a_pair(model: Any) -> PairErrors:
    winner, loser, noise = (normal(6, 5, seed=i) for i in (1, 2, 3))
    return pair_errors(model, winner, loser, noise, torch.linspace(0.1, 0.9, 6).double())


def test_23_at_the_reference_the_loss_is_ln_2_and_the_gradient_a_quarter_of_beta() -> None:
    model, beta = Policy(), 500.0
    with torch.no_grad():
        reference = a_pair(model)
    margin = dpo_margin(a_pair(model), reference, beta)
    same(dpo_loss(margin).detach(), math.log(2) * torch.ones(6, dtype=torch.float64), 1e-15)
    assert float(implicit_accuracy(margin)) == 0
    dpo_loss(margin).sum().backward()
    got = slopes(model)
    model.zero_grad()
    errors = a_pair(model)
    (beta / 4 * (errors.winner - errors.loser)).sum().backward()
    same(got, slopes(model), 1e-10, 1e-12)


def test_24_to_26_the_loss_as_a_function_of_the_margin() -> None:
    margins = torch.linspace(-30, 30, 61, dtype=torch.float64)
    same(dpo_loss(margins) - dpo_loss(-margins), -margins, 1e-12, 1e-14)
    assert torch.all(dpo_loss(margins).diff() < 0)
    assert torch.all(dpo_loss(torch.tensor([-1e4, 1e4])).isfinite())
    assert float(implicit_accuracy(margins)) == pytest.approx(30 / 61)
    errors, reference = PairErrors(normal(4), normal(4, seed=1)), PairErrors(normal(4), normal(4))
    same(
        dpo_loss(dpo_margin(errors, reference, 0.0)),
        math.log(2) * torch.ones(4, dtype=torch.float64),
        0,
    )


def test_26_a_better_winner_or_a_worse_loser_raises_the_margin() -> None:
    base = PairErrors(torch.ones(1).double(), torch.ones(1).double())
    better = PairErrors(base.winner - 0.01, base.loser)
    worse = PairErrors(base.winner, base.loser + 0.01)
    for made in (better, worse):
        assert float(dpo_margin(made, base, 500.0)) == pytest.approx(2.5)


def test_27_a_pair_shares_noise_and_time() -> None:
    asked = []
    winner, loser, noise = (normal(3, 4, seed=i) for i in range(3))
    t = torch.tensor([0.2, 0.5, 0.9]).double()

    def velocity(x: Any, at: Any) -> Any:
        asked.append((x, at))
        return 0 * x

    errors = pair_errors(velocity, winner, loser, noise, t)
    (first, early), (second, late) = asked
    same(early, late, 0)
    same(first - second, (1 - t)[:, None] * (winner - loser), 1e-12, 1e-15)
    same(errors.winner, ((noise - winner) ** 2).mean(1))
    twins = pair_errors(Policy(4), winner, winner, noise, t)
    same(twins.winner, twins.loser, 0)


def test_a_pair_shows_what_is_given_without_noise_and_leaves_it_out() -> None:
    known = np.array([True, False, False, False])
    winner, loser, noise = (normal(3, 4, seed=i) for i in range(3))

    def velocity(x: Any, t: Any) -> Any:
        assert any(torch.equal(x[:, 0], each[:, 0]) for each in (winner, loser))
        return 0 * x

    errors = pair_errors(velocity, winner, loser, noise, torch.full((3,), 0.5).double(), known)
    same(errors.loser, ((noise - loser)[:, 1:] ** 2).mean(1))


# DiffusionNFT


def test_28_the_minimum_for_one_sample_is_in_closed_form() -> None:
    old, goal = normal(4, 6), normal(4, 6, seed=1)
    r = torch.tensor([0.0, 0.3, 0.5, 1.0], dtype=torch.float64)
    for beta in (0.1, 1.0):
        v = leaf(old + (2 * r - 1)[:, None] * (goal - old) / beta)
        made = nft_loss(v, old, goal, r, beta)
        made.sum().backward()
        same(v.grad, torch.zeros_like(v), 0, 1e-12)
        for seed in range(3):
            other = v.detach() + 0.1 * normal(4, 6, seed=seed)
            assert torch.all(nft_loss(other, old, goal, r, beta) > made)
    for beta in (0.1, 1.0):  # the first step is as long whatever beta
        start = leaf(old)
        nft_loss(start, old, goal, r, beta).sum().backward()
        same(start.grad, -(2 * r - 1)[:, None] * 2 * (goal - old) / 6, 1e-12, 1e-14)
    start = leaf(old)
    nft_loss(start, old, goal, torch.full((4,), 0.5).double(), 0.1).sum().backward()
    same(start.grad, torch.zeros_like(old), 0, 1e-14)


def test_29_sure_samples_are_plain_flow_matching() -> None:
    v, old, goal = (normal(4, 6, seed=i) for i in range(3))
    same(nft_loss(v, old, goal, torch.ones(4).double()), ((v - goal) ** 2).mean(1))


def test_optimality_is_half_for_the_average_and_bounded() -> None:
    got = optimality(torch.tensor([-9.0, -5.0, 0.0, 2.5, 5.0, 9.0]), 5.0)
    same(got, torch.tensor([0, 0, 0.5, 0.75, 1, 1]), 0)


# Together


def test_policy_gradient_moves_a_gaussian_towards_its_reward() -> None:
    """One state, reward -(x - 1)^2: the mean of samples walks towards 1."""
    shift = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    noise, times, draws = Noise("constant", 0.5, (0, 1)), schedule(4), np.random.default_rng(0)

    def velocity(x: Any, t: Any) -> Any:
        return x - shift  # to x0 = shift from anywhere, as t goes from 1

    optimizer = torch.optim.Adam([shift], 0.05)
    for _ in range(60):
        start = gaussian(torch.zeros(64, 1, dtype=torch.float64), draws)
        with torch.no_grad():
            path = rollout(velocity, start, times, noise, draws)
            old = [again.transition for again in replay(velocity, path)]
        gains = -((path.states[-1][:, 0] - 1) ** 2)
        gains = (gains - gains.mean()) / gains.std()
        optimizer.zero_grad()
        weights = step_weights(path, "equal", "dimension-free")
        surrogate(velocity, path, old, gains, "dimension-free", weights).backward()
        optimizer.step()
    final = rollout(velocity, start, times, Noise(amount=0.0), draws).states[-1]
    assert abs(float(final.mean()) - 1) < 0.3


@pytest.mark.parametrize(
    "make",
    [
        lambda v: log_ratio(step(v), step(v), v, "best"),  # type: ignore[arg-type]
        lambda v: policy_loss(v, v, 1.5, 0.1),
        lambda v: policy_loss(v, v, 0.1, math.nan),
        lambda v: step_weights(path_of(NOISES[0], 1.0), "late"),  # type: ignore[arg-type]
        lambda v: dpo_margin(PairErrors(v, v), PairErrors(v, v), -1.0),
        lambda v: nft_loss(v, v, v, v, 0.0),
    ],
)
def test_options_that_make_no_sense(make: Any) -> None:
    with pytest.raises(BadOption, match="choose"):
        make(normal(2, 3))
