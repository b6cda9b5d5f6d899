"""Flow matching: what must hold of the kernels whatever the network.  pytest tests/test_flow.py

Data with a normal distribution N(m, s0^2) has an affine velocity, so scores, marginals and
probabilities of its sampler are known in closed form.
"""

import math
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from enliven.errors import BadOption
from enliven.flow import (
    Noise,
    Transition,
    coefficients,
    draw,
    endpoints,
    gaussian,
    interpolate,
    log_prob,
    noise_levels,
    replay,
    rollout,
    sample,
    schedule,
    score,
    shifted,
    target,
    transition,
)

M, S0 = 1.0, 0.5  # the data of the closed forms
NOISES = [Noise("flow", 0.7), Noise("constant", 0.7), Noise("cps", 0.8)]
LIBRARIES = ["numpy", *(["torch"] if find_spec("torch") else [])]

few = settings(max_examples=30, deadline=None)
unit = st.floats(0, 1)
rows = arrays(np.float64, (3, 4), elements=st.floats(-5, 5))


def rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


def normal(*shape: int, seed: int = 0) -> Any:
    return rng(seed).standard_normal(shape)


def as_library(values: Any, library: str) -> Any:
    if library == "numpy":
        return values
    return pytest.importorskip("torch").from_numpy(values)


def spread(t: float) -> float:
    """Variance of x_t."""
    return (1 - t) ** 2 * S0**2 + t**2


def slope(t: float) -> float:
    """v = target mean + slope (x - mean of x_t): the regression of e - x0 on x_t."""
    return (t - (1 - t) * S0**2) / spread(t)


def gaussian_velocity(x: Any, t: Any) -> Any:
    """E[e - x0 | x_t] for data N(M, S0^2) and a t common to all rows."""
    t = float(t[0])
    return slope(t) * (x - (1 - t) * M) - M


def marginal(steps: int, kind: str, amount: float) -> tuple[float, float]:
    """Mean and deviation after a sampler all of whose steps are noisy, without sampling."""
    times = schedule(steps)
    t = times[:-1]
    denominator = 1 - np.minimum(t, times[1])
    levels = amount * np.sqrt(t / denominator) if kind == "flow" else np.full(steps, amount)
    mean, variance = 0.0, 1.0
    for k, level in enumerate(levels):
        p, q, s = coefficients(times[k], times[k + 1], level, "cps" if kind == "cps" else "sde")
        a = slope(t[k])
        mean = p * mean + q * (a * (mean - (1 - t[k]) * M) - M)
        variance = (p + q * a) ** 2 * variance + s**2
    return float(mean), math.sqrt(variance)


# The kernel invariants


@pytest.mark.parametrize("library", LIBRARIES)
def test_1_without_noise_a_step_is_euler_and_constant_velocity_a_line(library: str) -> None:
    x, v = (as_library(normal(2, 3, seed=i), library) for i in range(2))
    for kernel in ("sde", "cps"):
        step = transition(x, v, 0.83, 0.31, 0.0, kernel)
        np.testing.assert_allclose(step.mean, x - (0.83 - 0.31) * v, rtol=0, atol=1e-15)
        assert step.deviation == 0
    for times in (schedule(1), schedule(7), schedule(5, 12.0), [1.0, 0.9, 0.05, 0.0]):
        np.testing.assert_allclose(sample(lambda x, t: v, x, times), x - v, rtol=0, atol=1e-14)


def test_2_score_is_that_of_a_gaussian() -> None:
    x = normal(50, 1)
    for t in (1.0, 0.9, 0.5, 0.1, 0.01):
        v = gaussian_velocity(x, np.full(50, t))
        exact = -(x - (1 - t) * M) / spread(t)
        np.testing.assert_allclose(score(x, v, t), exact, rtol=0, atol=1e-13 / t)


def test_3_flow_and_dance_forms_agree() -> None:
    x, v = normal(3, 4), normal(3, 4, seed=1)
    for t, after, g in ((1.0, 0.9, 0.7), (0.6, 0.55, 1.3), (0.2, 0.0, 0.3)):
        h = t - after
        step = transition(x, v, t, after, g)
        # Flow-GRPO states the mean in the velocity
        flow = x * (1 - g**2 * h / (2 * t)) - v * (1 + g**2 * (1 - t) / (2 * t)) * h
        # DanceGRPO in the data that the state points to
        score_of_data = -(x - (1 - t) * (x - t * v)) / t**2
        dance = x - h * v + 0.5 * g**2 * score_of_data * h
        np.testing.assert_allclose(step.mean, flow, rtol=0, atol=1e-14)
        np.testing.assert_allclose(step.mean, dance, rtol=0, atol=1e-13)
        assert step.deviation == pytest.approx(g * math.sqrt(h), rel=1e-15)


@pytest.mark.parametrize(
    ("kind", "amount", "deviations"),
    [
        ("constant", 0.0, (0.4308, 0.4642, 0.4854, 0.4963, 0.4993)),
        ("flow", 0.7, (0.4795, 0.4914, 0.4985, 0.5010, 0.5009)),
        ("constant", 0.7, (0.4747, 0.4865, 0.4944, 0.4986, 0.4997)),
    ],
)
def test_4_noise_keeps_the_marginals(
    kind: str, amount: float, deviations: tuple[float, ...]
) -> None:
    for steps, expected in zip((10, 20, 50, 200, 1000), deviations, strict=True):
        mean, deviation = marginal(steps, kind, amount)
        assert mean == pytest.approx(M, abs=1e-12)
        assert deviation == pytest.approx(expected, abs=6e-5)
    assert abs(deviations[-1] - S0) < 2e-3


def test_4_without_the_pull_towards_data_the_marginals_are_lost() -> None:
    """The recursion can tell: noise added to plain Euler steps widens the distribution."""
    for kind, expected in (("constant", (0.782, 0.793, 0.796)), ("flow", (0.991, 1.082, 1.172))):
        for steps, deviation in zip((50, 200, 1000), expected, strict=True):
            times, variance = schedule(steps), 1.0
            for k, t in enumerate(times[:-1]):
                h = t - times[k + 1]
                g2 = 0.49 * (t / (1 - min(t, times[1])) if kind == "flow" else 1)
                variance = (1 - h * slope(t)) ** 2 * variance + g2 * h
            assert math.sqrt(variance) == pytest.approx(deviation, abs=6e-4)


def test_5_cps_splits_the_noise_and_does_not_keep_the_marginals() -> None:
    x0, e = normal(3, 4), normal(3, 4, seed=1)
    for t, after, amount in ((1.0, 0.8, 0.3), (0.7, 0.2, 0.8), (0.4, 0.1, 1.0)):
        x = interpolate(x0, e, t)
        step = transition(x, target(x0, e), t, after, amount, "cps")
        s = after * math.sin(amount * math.pi / 2)
        assert step.deviation == pytest.approx(s, rel=1e-14)
        # of the noise that x' holds, sqrt(t'^2 - s^2) is old and s is new
        old = (step.mean - (1 - after) * x0) / e
        np.testing.assert_allclose(old**2 + s**2, after**2, rtol=0, atol=1e-12)
        assert np.all(old * after > -1e-12)
    assert marginal(1000, "cps", 0.0)[1] == pytest.approx(S0, abs=1e-3)
    assert marginal(1000, "cps", 0.8)[1] == pytest.approx(0.40, abs=0.01)


def test_6_log_probability_is_that_of_a_normal() -> None:
    torch = pytest.importorskip("torch")
    x, v, after = (torch.from_numpy(normal(2, 3, 4, seed=i)) for i in range(3))
    v.requires_grad_()
    t, t_next, g = 0.8, 0.7, 0.9
    step = transition(x, v, t, t_next, g)
    reference = torch.distributions.Normal(step.mean, float(step.deviation)).log_prob(after)
    for reduction in ("mean", "sum"):
        expected = getattr(reference.reshape(2, -1), reduction)(1)
        torch.testing.assert_close(
            log_prob(step, after, reduction), expected, rtol=1e-13, atol=1e-13
        )
    at_mean = log_prob(step, step.mean)
    assert torch.all(at_mean > log_prob(step, after))
    assert torch.all(at_mean > log_prob(step, step.mean + 1e-3))
    log_prob(step, after).sum().backward()
    h, s = t - t_next, float(step.deviation)
    c = 1 + g**2 * (1 - t) / (2 * t)
    z = (after - step.mean.detach()) / s
    torch.testing.assert_close(v.grad, -z * h * c / (s * 12), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.kind)
def test_7_the_last_step_is_never_noisy(noise: Noise) -> None:
    levels = noise_levels(schedule(6), noise)
    assert levels[-1] == 0
    assert np.all(levels[:-1] > 0)
    for steps in ((5,), (0, 5), (-1,), (6,)):
        with pytest.raises(BadOption, match="last step"):
            noise_levels(schedule(6), Noise(noise.kind, noise.amount, steps))
    certain = Transition(np.zeros((1, 2)), np.float64(0))
    with pytest.raises(ValueError, match="no density"):
        log_prob(certain, np.zeros((1, 2)))


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.kind)
@pytest.mark.parametrize("shift", [1.0, 12.0])
def test_7_nothing_divides_by_zero_at_pure_noise(noise: Noise, shift: float) -> None:
    with np.errstate(all="raise"):
        path = rollout(
            gaussian_velocity, normal(2, 3), schedule(8, shift), noise, rng(0)
        )  # fmt: skip
    assert all(np.isfinite(values).all() for values in (*path.states, *path.log_probs))
    assert path.noise_levels[0] > 0


@pytest.mark.parametrize("library", LIBRARIES)
def test_7_every_row_may_have_its_own_time_in_any_shape(library: str) -> None:
    shape = (3, 2, 4, 2, 3)
    x, v, after = (as_library(normal(*shape, seed=i), library) for i in range(3))
    t, t_next, g = np.array([1.0, 0.6, 0.2]), np.array([0.8, 0.5, 0.1]), np.array([0.7, 0.2, 1.0])
    for kernel in ("sde", "cps"):
        together = transition(x, v, t, t_next, g, kernel)
        likely = log_prob(together, after)
        assert tuple(likely.shape) == (3,)
        for i in range(3):
            one = slice(i, i + 1)
            alone = transition(x[one], v[one], t[i], t_next[i], g[i], kernel)
            np.testing.assert_array_equal(together.mean[one], alone.mean)
            np.testing.assert_allclose(likely[one], log_prob(alone, after[one]), rtol=1e-14)


@pytest.mark.parametrize("library", LIBRARIES)
def test_7_given_elements_stay_and_count_for_nothing(library: str) -> None:
    start = as_library(normal(2, 5, 3), library)
    known = np.zeros((2, 5, 1), bool)
    known[:, :2] = True
    known[1, 2] = True

    def velocity(x: Any, t: Any) -> Any:
        v = gaussian_velocity(x, t)
        v[:, :2] = np.nan  # what a network says of given frames is nobody's business
        return v

    path = rollout(velocity, start, schedule(4), Noise(), rng(3), known)
    full = np.broadcast_to(known, (2, 5, 3))
    for x in path.states:
        np.testing.assert_array_equal(np.asarray(x)[full], np.asarray(start)[full])
    step = next(replay(velocity, path, [1]))
    mean, after = (np.asarray(a) for a in (step.transition.mean, path.states[2]))
    s = float(step.transition.deviation)
    each = -((after - mean) ** 2) / (2 * s**2) - math.log(s) - 0.5 * math.log(2 * math.pi)
    expected = [each[i][~full[i]].mean() for i in range(2)]
    np.testing.assert_allclose(step.log_prob, expected, rtol=1e-13)
    nothing = Transition(start, np.float64(1), np.ones((2, 1, 1), bool))
    np.testing.assert_array_equal(log_prob(nothing, start + 1), 0)


def test_7_given_elements_have_no_gradient() -> None:
    torch = pytest.importorskip("torch")
    x, v, after = (torch.from_numpy(normal(2, 4, seed=i)) for i in range(3))
    v[:, 0] = torch.nan
    v.requires_grad_()
    known = np.array([[True, False, False, True]])
    log_prob(transition(x, v, 0.8, 0.7, 0.9, given=known), after).sum().backward()
    assert torch.all(v.grad[:, [0, 3]] == 0)
    assert torch.all(v.grad[:, [1, 2]] != 0)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.kind)
def test_8_rounded_states_have_the_same_probability_twice(library: str, noise: Noise) -> None:
    start = as_library(normal(2, 64), library)
    start = start.astype(np.float16) if library == "numpy" else start.bfloat16()
    path = rollout(gaussian_velocity, start, schedule(6, 3.0), noise, rng(1))
    assert all(x.dtype == start.dtype for x in path.states)
    for _ in range(2):
        for step, law, likely in replay(gaussian_velocity, path):
            assert likely.dtype.itemsize == 4
            np.testing.assert_array_equal(likely, path.log_probs[step])
            # the same computed before rounding is another number
            z = gaussian(law.mean, rng(9))
            exact = law.mean + float(law.deviation) * z
            rounded = exact.astype(np.float16) if library == "numpy" else exact.bfloat16()
            assert np.all(np.asarray(log_prob(law, exact) != log_prob(law, rounded)))


# Sampling and replaying


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.kind)
def test_unchanged_weights_have_ratio_one(library: str, noise: Noise) -> None:
    for kind in (np.float32, np.float64):
        start = as_library(normal(3, 7).astype(kind), library)
        path = rollout(gaussian_velocity, start, schedule(5, 2.0), noise, rng(2))
        again = list(replay(gaussian_velocity, path))
        assert [step.step for step in again] == [0, 1, 2, 3]
        for step in again:
            ratio = np.exp(np.asarray(step.log_prob - path.log_probs[step.step]))
            np.testing.assert_array_equal(ratio, 1)
        changed = next(replay(lambda x, t: 1.01 * gaussian_velocity(x, t), path))
        assert np.all(np.asarray(changed.log_prob != path.log_probs[0]))


def test_replay_hands_gradients_to_the_weights_and_rollout_keeps_no_graph() -> None:
    torch = pytest.importorskip("torch")
    weight = torch.ones(1, dtype=torch.float64, requires_grad=True)

    def velocity(x: Any, t: Any) -> Any:
        return weight * x * t[:, None]

    path = rollout(velocity, torch.from_numpy(normal(2, 3)), schedule(4), Noise(), rng(0))
    assert not any(x.requires_grad for x in (*path.states, *path.log_probs))
    (step,) = replay(velocity, path, [1])
    torch.testing.assert_close(step.log_prob, path.log_probs[1], rtol=0, atol=0)
    step.log_prob.sum().backward()

    def likely(w: float) -> float:
        (moved,) = replay(lambda x, t: w * x * t[:, None], path, [1])
        return float(moved.log_prob.sum())

    assert weight.grad.item() == pytest.approx((likely(1 + 1e-6) - likely(1 - 1e-6)) / 2e-6, 1e-6)


def test_everything_stays_on_the_device_of_the_state() -> None:
    """Torch refuses to mix the devices "cpu" and "meta", which is on every machine."""
    torch = pytest.importorskip("torch")
    start = torch.zeros(2, 3, device="meta", dtype=torch.bfloat16)
    known = np.array([True, False, False])
    path = rollout(lambda x, t: x * t.to(x)[:, None], start, schedule(4), Noise(), rng(0), known)
    (step,) = replay(lambda x, t: x.float(), path, [1])
    everything = (*path.states, *path.log_probs, step.transition.mean, step.log_prob)
    assert {x.device.type for x in everything} == {"meta"}


def test_numpy_and_torch_walk_the_same_way() -> None:
    torch = pytest.importorskip("torch")
    start = normal(2, 3)
    for noise in NOISES:
        paths = [
            rollout(gaussian_velocity, x, schedule(5), noise, rng(4))
            for x in (start, torch.from_numpy(start))
        ]
        np.testing.assert_allclose(paths[0].states[-1], paths[1].states[-1], rtol=1e-13)
        np.testing.assert_allclose(paths[0].log_probs[0], paths[1].log_probs[0], rtol=1e-13)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_network_is_asked_once_a_step_with_a_time_for_each_row(library: str) -> None:
    asked = []

    def velocity(x: Any, t: Any) -> Any:
        asked.append((x, t))
        return -x

    start = as_library(normal(3, 2).astype(np.float16), library)
    sample(velocity, start, schedule(4, 3.0))
    assert len(asked) == 4
    for (x, t), time in zip(asked, schedule(4, 3.0), strict=False):
        assert (type(x), x.dtype) == (type(start), start.dtype)
        assert (type(t), tuple(t.shape), t.dtype.itemsize) == (type(start), (3,), 4)
        np.testing.assert_array_equal(t, np.float32(time))


def test_a_rollout_ends_in_the_sample_and_a_seed_repeats_it() -> None:
    start, times, noise = normal(2, 3), schedule(5), Noise(steps=(1, 2))
    first = sample(gaussian_velocity, start, times, noise, rng(5))
    path = rollout(gaussian_velocity, start, times, noise, rng(5))
    np.testing.assert_array_equal(path.states[-1], first)
    np.testing.assert_array_equal(path.noise_levels > 0, [False, True, True, False, False])
    assert [step.step for step in replay(gaussian_velocity, path)] == [1, 2]
    for k in (0, 3, 4):
        np.testing.assert_array_equal(path.log_probs[k], 0)
        with pytest.raises(ValueError, match="deterministic"):
            next(replay(gaussian_velocity, path, [k]))
    assert np.all(sample(gaussian_velocity, start, times, noise, rng(6)) != first)
    with pytest.raises(BadOption, match="random numbers"):
        sample(gaussian_velocity, start, times, noise)


def test_a_row_does_not_depend_on_its_batch() -> None:
    start = normal(5, 4)

    def rows_of(which: slice) -> Any:
        generators = [rng(7, member) for member in range(5)][which]
        return sample(gaussian_velocity, start[which], schedule(6), Noise(), generators)

    whole = rows_of(slice(None))
    parts = [rows_of(slice(0, 2)), rows_of(slice(2, 5))]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert len(np.unique(whole)) == whole.size
    with pytest.raises(ValueError, match="3 generators for 5 rows"):
        gaussian(start, [rng(i) for i in range(3)])


def test_samples_of_the_sampler_have_the_distribution_of_the_recursion() -> None:
    """20 000 numbers: the mean is known to 0.4 %, the deviation to 0.3 %."""
    made = sample(gaussian_velocity, normal(1, 20_000), schedule(50), Noise(), rng(8))
    assert made.mean() == pytest.approx(M, abs=0.016)
    assert made.std() == pytest.approx(S0, abs=0.016)


def test_the_consistency_step_is_cps_at_its_loudest() -> None:
    x, v = normal(2, 3), normal(2, 3, seed=1)
    step = transition(x, v, 0.7, 0.4, 1.0, "cps")
    np.testing.assert_allclose(step.mean, 0.6 * (x - 0.7 * v), rtol=0, atol=1e-15)
    assert step.deviation == pytest.approx(0.4, rel=1e-15)


# Properties


@few
@given(st.integers(1, 200), st.floats(0.05, 20))
def test_a_schedule_falls_from_noise_to_data(steps: int, shift: float) -> None:
    times = schedule(steps, shift)
    assert (len(times), times[0], times[-1]) == (steps + 1, 1, 0)
    assert np.all(np.diff(times) < 0)
    inverse = shifted(shifted(times, shift), 1 / shift)
    np.testing.assert_allclose(inverse, times, atol=1e-12)
    assert np.all((shifted(times, shift) - times) * (shift - 1) >= -1e-15)


@few
@given(rows, rows, unit)
def test_a_point_of_the_path_points_to_its_ends(data: Any, noise: Any, t: float) -> None:
    ends = endpoints(interpolate(data, noise, t), target(data, noise), t)
    np.testing.assert_allclose(ends[0], data, rtol=0, atol=1e-13)
    np.testing.assert_allclose(ends[1], noise, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(interpolate(data, noise, 0), data)
    np.testing.assert_array_equal(interpolate(data, noise, 1), noise)


@pytest.mark.parametrize("library", LIBRARIES)
def test_times_near_noise_survive_half_precision(library: str) -> None:
    data, noise = (as_library(normal(4, 3, seed=i), library) for i in range(2))
    half = [x.astype(np.float16) if library == "numpy" else x.half() for x in (data, noise)]
    t = np.full(4, 0.9999)
    made = interpolate(*half, t)
    assert made.dtype.itemsize == 4
    ends = endpoints(made, target(*half), t)
    for end, x in zip(ends, half, strict=True):
        np.testing.assert_allclose(end, x, rtol=0, atol=1e-6)
    np.testing.assert_allclose((made - half[1]) * 1e4, -target(*half), rtol=0, atol=0.01)
    expected = np.asarray(half[1], np.float32) / -0.9999
    np.testing.assert_allclose(score(made, target(*half), t), expected, rtol=0, atol=1e-6)


@few
@given(st.floats(0.01, 1), st.floats(0, 0.99), st.floats(0, 3))
def test_noise_moves_the_mean_along_the_score_only(t: float, part: float, level: float) -> None:
    """mean - Euler = g^2 h / 2 score, and the deviation grows with the root of the step."""
    x, v, after = normal(1, 3), normal(1, 3, seed=1), part * t
    quiet, loud = (transition(x, v, t, after, g) for g in (0.0, level))
    h = t - after
    moved = level**2 * h / 2 * score(x, v, t)
    np.testing.assert_allclose(loud.mean - quiet.mean, moved, rtol=1e-9, atol=1e-12)
    assert loud.deviation == pytest.approx(level * math.sqrt(h), rel=1e-14)


@few
@given(rows, st.floats(0.1, 3), st.integers(0, 99))
def test_drawn_states_have_the_density_of_their_draws(mean: Any, s: float, seed: int) -> None:
    step = Transition(mean, np.float64(s))
    z = gaussian(mean, rng(seed))
    expected = (-0.5 * z**2 - 0.5 * math.log(2 * math.pi)).sum(1) - 4 * math.log(s)
    after = draw(step, mean, rng(seed))
    np.testing.assert_allclose(log_prob(step, after, "sum"), expected, rtol=0, atol=1e-11)
    np.testing.assert_allclose(log_prob(step, after) * 4, expected, rtol=0, atol=1e-11)


# What is refused


@pytest.mark.parametrize("values", [{"kind": "loud"}, {"amount": -0.1}, {"amount": math.nan},
                                    {"kind": "cps", "amount": 1.1}])  # fmt: skip
def test_impossible_noise_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(BadOption, match="choose"):
        Noise(**values)


def test_impossible_times_and_shapes_are_refused() -> None:
    x = normal(2, 3)
    for times in ([1.0], [0.0, 1.0], [1.0, 0.5, 0.5, 0.0], [1.2, 0.0], [1.0, math.nan, 0.0]):
        with pytest.raises(BadOption, match="times"):
            sample(gaussian_velocity, x, times)
    for steps, shift in ((0, 1.0), (2.5, 1.0), (4, 0.0), (4, math.inf)):
        with pytest.raises(BadOption, match="choose"):
            schedule(steps, shift)  # type: ignore[arg-type]
    for t, after in ((0.4, 0.5), (1.1, 0.5), (0.5, -0.1), (math.nan, 0.1)):
        with pytest.raises(ValueError, match="times fall"):
            coefficients(t, after, 0.7)
    for level, kernel in ((-1.0, "sde"), (math.nan, "sde"), (1.1, "cps")):
        with pytest.raises(ValueError, match="noise level"):
            coefficients(0.5, 0.4, level, kernel)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"velocity has shape \(2, 1\)"):
        sample(lambda x, t: x[:, :1], x, schedule(2))
    with pytest.raises(ValueError, match=r"given has shape \(4, 2, 3\)"):
        sample(gaussian_velocity, x, schedule(2), given=np.zeros((4, 2, 3), bool))
    with pytest.raises(ValueError, match="2 rows"):
        interpolate(x, x, np.zeros(3))


def test_sampling_never_imports_torch() -> None:
    code = (
        "import sys, numpy as np, enliven.flow as f; "
        "f.rollout(lambda x, t: x, np.ones((1, 2)), f.schedule(3), f.Noise(), "
        "np.random.default_rng(0)); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
