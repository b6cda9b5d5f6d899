"""Flow matching on the straight path: from noise to data, and how probable the way was.

t = 1 is noise, t = 0 is data:  x_t = (1 - t) x0 + t e  and  v = e - x0  (Lipman et al.,
arXiv 2210.02747; Liu et al., 2209.03003).  Sampling lets t fall from 1 to 0.

Every step here, with or without noise, is a Gaussian whose mean is linear in state and velocity:

    x' = p x + q v + s z,    z ~ N(0, I)

p, q, s follow from times and noise levels alone (`coefficients`).  So what does not depend on a
network (times, levels, masks, random numbers) is numpy in float64, and states are arrays of any
library with operators, of any shape (B, ...): numpy when animating, torch when training, where
gradients pass through v.  Nothing here imports torch.

Sampled states keep the precision they come in; all else is computed in float32 at least, and
from the states as stored, that is after rounding.  `rollout` and `replay` share every line
between state and log-probability, so with unchanged weights their ratio is exactly 1.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from enliven.errors import BadOption
from enliven.types import Trajectory

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
State = Any  # (B, ...) numpy array or torch tensor of floating point numbers
Velocity = Callable[[State, State], State]  # x (B, ...), t (B,) -> v (B, ...)
Generators = np.random.Generator | Sequence[np.random.Generator]  # one for all rows, or one each
Kernel = Literal["sde", "cps"]

HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Noise:
    """How much noise the steps of a sampler add, and which of them.  Raises BadOption.

    kind: "flow", g = amount sqrt(t / (1 - t)) (Flow-GRPO, arXiv 2505.05470); "constant",
        g = amount (DanceGRPO, 2505.07818); "cps", s = t' sin(amount pi / 2) (Flow-CPS,
        2509.05952), which at amount 1 is the step of a consistency model: all noise is new.
        The first two keep the distributions of the deterministic sampler, the last does not.
    amount: 0 or more, at most 1 for "cps"; 0 is deterministic.
    steps: which steps are noisy, counted from 0 at t = 1; None: all but the last, which ends in
        data and is never noisy.
    """

    kind: Literal["flow", "constant", "cps"] = "flow"
    amount: float = 0.7
    steps: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("flow", "constant", "cps"):
            raise BadOption(f"noise kind is {self.kind!r}; choose flow, constant or cps")
        if not (math.isfinite(self.amount) and self.amount >= 0):
            raise BadOption(f"noise amount is {self.amount}; choose a number from 0 on")
        if self.kind == "cps" and self.amount > 1:
            raise BadOption(f"noise amount is {self.amount}; for cps choose 0 to 1")

    @property
    def kernel(self) -> Kernel:
        """What the levels made of this noise mean to `coefficients`."""
        return "cps" if self.kind == "cps" else "sde"


class Coefficients(NamedTuple):
    """x' = state x + velocity v + deviation z; () or (B,) float64 each."""

    state: Floats
    velocity: Floats
    deviation: Floats


@dataclass(frozen=True)
class Transition:
    """The Gaussian over the next state, given this one.

    mean: (B, ...) in the library of the state, float32 or float64; where `given`, the state.
    deviation: () or (B,) float64, 0 where the step is deterministic.
    given: bool numpy array (B, ...), True where elements are not generated.
    """

    mean: State
    deviation: Floats
    given: Mask | None = None


class Replayed(NamedTuple):
    """One noisy step of a trajectory under the present weights; log_prob (B,), mean over D."""

    step: int
    transition: Transition
    log_prob: State


# Times and noise levels


def shifted(t: ArrayLike, shift: float) -> Floats:
    """Times in 0..1 moved towards noise: shift t / (1 + (shift - 1) t), any shape.

    shift: > 0, 1 changes nothing (the resolution-dependent shift of Esser et al., arXiv
        2403.03206).  0 and 1 stay exactly.  Raises BadOption.
    """
    if not (math.isfinite(shift) and shift > 0):
        raise BadOption(f"shift is {shift}; choose a positive number, 1 for an even schedule")
    t = np.asarray(t, np.float64)
    return t / (t + (1 - t) / shift)


def schedule(steps: int, shift: float = 1.0) -> Floats:
    """Times of a sampler, (steps + 1,), falling from exactly 1 to exactly 0.  Raises BadOption."""
    if steps < 1 or steps != int(steps):
        raise BadOption(f"steps is {steps}; choose a whole number from 1 on")
    return shifted(np.linspace(1, 0, int(steps) + 1), shift)


def noise_levels(times: ArrayLike, noise: Noise) -> Floats:
    """Level of every step, (S,): g for the kernel "sde", the amount for "cps"; 0: no noise.

    times: (S + 1,), falling within 1..0.  Where 1 - t would vanish, before the first step, "flow"
    takes it at the end of that step.  Raises BadOption for times or steps that make no sense.
    """
    times = _falling(times)
    last = len(times) - 2
    noisy = range(last) if noise.steps is None else noise.steps
    if any(not 0 <= k < last for k in noisy):
        raise BadOption(
            f"noise steps are {tuple(noisy)}; choose from those before the last, {last}, counted "
            "from 0: the last step ends in data and cannot be noisy"
        )
    t = times[:-1]
    if noise.kind == "flow":
        levels = noise.amount * np.sqrt(t / (1 - np.minimum(t, times[1])))
    else:
        levels = np.full(len(t), float(noise.amount))
    levels[[k for k in range(len(t)) if k not in noisy]] = 0
    return levels


# The straight path


def interpolate(data: State, noise: State, t: Any) -> State:
    """x_t (B, ...) between data and noise of that shape; t: scalar or (B,), 0 to 1."""
    data, noise = _wide(data), _wide(noise)  # a t near 1 in 16 bits would be 1
    t = _spread(t, data)
    return (1 - t) * data + t * noise


def target(data: State, noise: State) -> State:
    """The velocity a network is to learn at any t, v = e - x0, (B, ...)."""
    return _wide(noise) - _wide(data)


def endpoints(x: State, v: State, t: Any) -> tuple[State, State]:
    """Data and noise (B, ...) that state and velocity point to: x - t v and x + (1 - t) v."""
    x, v = _wide(x), _wide(v)
    t = _spread(t, x)
    return x - t * v, x + (1 - t) * v


def score(x: State, v: State, t: Any) -> State:
    """Gradient of the log-density of x_t, (B, ...): -(x + (1 - t) v) / t; t: in (0, 1]."""
    return -endpoints(x, v, t)[1] / _spread(t, _wide(x))


# One step


def coefficients(
    t: ArrayLike, following: ArrayLike, level: ArrayLike, kernel: Kernel = "sde"
) -> Coefficients:
    """What a step from t to `following` does; scalars or (B,), 1 >= t > following >= 0.

    level: of the noise, as from `noise_levels`; 0 is the Euler step of the probability flow.
    kernel: "sde", mean x - h [v + g^2 / (2 t) (x + (1 - t) v)] and deviation g sqrt(h), with
        h = t - following (Flow-GRPO, arXiv 2505.05470, its update rule); "cps", mean
        (1 - t') (x - t v) + sqrt(t'^2 - s^2) (x + (1 - t) v) and s = t' sin(level pi / 2)
        (Flow-CPS, 2509.05952).
    Raises ValueError when times or level leave their ranges.
    """
    t, after, level = (np.asarray(value, np.float64) for value in (t, following, level))
    h = t - after
    if not (np.all(h > 0) and np.all(after >= 0) and np.all(t <= 1)):
        raise ValueError(f"a step from t = {t} to {after}; times fall and lie within 1 and 0")
    if not (np.all(np.isfinite(level)) and np.all(level >= 0)):
        raise ValueError(f"noise level is {level}; it must be finite and not negative")
    if kernel == "sde":
        pull = level**2 / (2 * t)  # towards data, to make up for the noise
        return Coefficients(1 - h * pull, -h * (1 + pull * (1 - t)), level * np.sqrt(h))
    if np.any(level > 1):
        raise ValueError(f"noise level is {level}; with the kernel cps it is at most 1")
    # exactly 1 and -h without noise, which the sum of two parts would miss by a rounding
    lost = 2 * after * np.sin(level * np.pi / 4) ** 2  # t' - sqrt(t'^2 - s^2)
    return Coefficients(1 - lost, -h - lost * (1 - t), after * np.sin(level * np.pi / 2))


def transition(
    x: State, v: State, t: ArrayLike, following: ArrayLike, level: ArrayLike = 0.0,
    kernel: Kernel = "sde", given: Mask | None = None,
) -> Transition:  # fmt: skip
    """The Gaussian over the state at time `following`, from state x at t and velocity v.

    x, v: (B, ...).  t, following, level: scalars or (B,), a time for each row; see `coefficients`.
    given: bool numpy array that broadcasts to x, True for what is not generated (reference,
        frames of the chunk before, padding): it keeps its value and has no probability.
    Raises ValueError when shapes do not fit or a time or level leaves its range.
    """
    if tuple(v.shape) != tuple(x.shape):
        raise ValueError(f"velocity has shape {tuple(v.shape)}, its state {tuple(x.shape)}; "
                         "they must be equal")  # fmt: skip
    parts = coefficients(t, following, level, kernel)
    x, v = _wide(x), _wide(v)
    if given is not None:
        given = _fitting(given, tuple(x.shape))
    mean = _spread(parts.state, x) * x + _spread(parts.velocity, x) * v
    return Transition(_choose(given, x, mean), parts.deviation, given)


def draw(step: Transition, like: State, rng: Generators | None = None) -> State:
    """A next state (B, ...) in the library and precision of the state `like`.

    rng: as in `gaussian`; a step without noise needs none and takes nothing from it.
    Raises BadOption when noise is needed and rng is None.
    """
    if not np.any(step.deviation):
        return _as(step.mean, like)
    if rng is None:
        raise BadOption("a noisy step draws random numbers; pass rng=numpy.random.default_rng(0)")
    made = step.mean + _spread(step.deviation, step.mean) * gaussian(step.mean, rng)
    return _as(_choose(step.given, step.mean, made), like)


def log_prob(
    step: Transition, following: State, reduction: Literal["mean", "sum"] = "mean"
) -> State:
    """Log-density of the next state, (B,), natural logarithm, float32 at least.

    following: (B, ...) as stored, already rounded to the precision it is kept in.
    reduction: over the D generated elements of a row; "sum" is the log-density itself, "mean"
        that divided by D, which is what clip ranges in the literature refer to.  A row with
        nothing to generate has 0.
    Raises ValueError for a step without noise, which has no density.
    """
    if not np.all(step.deviation > 0):
        raise ValueError("a step without noise has no density; leave it out of the likelihood")
    rows, shape = step.mean.shape[0], tuple(step.mean.shape)
    z = (_wide(following) - step.mean) / _spread(step.deviation, step.mean)
    density = -0.5 * z * z - _spread(np.log(step.deviation) + HALF_LOG_TAU, step.mean)
    total = _choose(step.given, 0.0, density).reshape(rows, -1).sum(1)
    given = np.broadcast_to(False if step.given is None else step.given, shape)
    count = np.maximum((~given).reshape(rows, -1).sum(1), 1)
    return total if reduction == "sum" else total / _as(count, total)


# Whole samples


def gaussian(like: State, rng: Generators) -> State:
    """Standard normal numbers in shape (B, ...), library and precision of `like`.

    rng: one generator for all, or a sequence of B, one a row.  With one a row, made for example
    by numpy.random.default_rng([run, group, member]), a row is the same in any batch.
    Raises ValueError when there are more or fewer generators than rows.
    """
    shape = tuple(like.shape)
    if isinstance(rng, np.random.Generator):
        return _as(rng.standard_normal(shape), like)
    if len(rng) != shape[0]:
        raise ValueError(f"{len(rng)} generators for {shape[0]} rows; give one for each row")
    return _as(np.stack([each.standard_normal(shape[1:]) for each in rng]), like)


def sample(
    velocity: Velocity, start: State, times: ArrayLike, noise: Noise | None = None,
    rng: Generators | None = None, given: Mask | None = None,
) -> State:  # fmt: skip
    """Data (B, ...) from noise, in the library and precision of `start`.

    velocity: called as velocity(x, t) with x (B, ...) and t (B,), the conditions bound beforehand.
    start: (B, ...) the state at times[0], as from `gaussian`; where `given`, the given values.
    times: (S + 1,) from `schedule`.  noise: None for the deterministic (Euler) sampler.
    given: bool numpy array that broadcasts to start; see `transition`.
    In torch call it under no_grad: states are cut from the graph.
    Raises BadOption for times, noise steps or a missing rng, ValueError for shapes.
    """
    plan, x = _plan(times, noise, given), _detached(start)
    for k in range(len(plan.noise_levels)):
        x = draw(_at(velocity, plan, k, x), x, rng)
    return x


def rollout(
    velocity: Velocity, start: State, times: ArrayLike, noise: Noise, rng: Generators,
    given: Mask | None = None,
) -> Trajectory:  # fmt: skip
    """Like `sample`, and keeps every state and log-probability; the last state is that sample."""
    plan, states, log_probs = _plan(times, noise, given), [_detached(start)], []
    certain = _as(np.zeros(start.shape[0]), _wide(start))
    for k, level in enumerate(plan.noise_levels):
        step = _at(velocity, plan, k, states[k])
        states.append(draw(step, states[k], rng))
        log_probs.append(log_prob(step, states[k + 1]) if level else certain)
    return replace(plan, states=tuple(states), log_probs=tuple(log_probs))


def replay(
    velocity: Velocity, trajectory: Trajectory, steps: Sequence[int] | None = None
) -> Iterator[Replayed]:
    """The noisy steps of a trajectory under the present weights, one by one.

    velocity: as in `sample`; in torch gradients reach its weights through mean and log_prob.
    steps: which steps, None for every noisy one.  A step is computed when it is asked for, so
        that a trainer holds the graph of one at a time.
    Raises ValueError for a step that was deterministic.
    """
    noisy = [int(k) for k in np.flatnonzero(trajectory.noise_levels)]
    for k in noisy if steps is None else steps:
        if k not in noisy:
            raise ValueError(f"step {k} of the trajectory was deterministic; noisy are {noisy}")
        step = _at(velocity, trajectory, k, trajectory.states[k], graph=True)
        yield Replayed(k, step, log_prob(step, trajectory.states[k + 1]))


def _at(velocity: Velocity, plan: Trajectory, k: int, x: State, graph: bool = False) -> Transition:
    """Step k from x: the one way from a state to the Gaussian over the next."""
    t, following, level = plan.times[k], plan.times[k + 1], plan.noise_levels[k]
    v = velocity(x, _as(np.full(x.shape[0], t), _wide(x)))
    v = v if graph else _detached(v)
    return transition(x, v, t, following, level, plan.kernel, plan.given)


def _plan(times: ArrayLike, noise: Noise | None, given: Mask | None) -> Trajectory:
    """A trajectory before its first state."""
    times, noise = _falling(times), noise or Noise(amount=0.0)
    return Trajectory((), times, noise_levels(times, noise), (), noise.kernel, given)


def _falling(times: ArrayLike) -> Floats:
    times = np.asarray(times, np.float64)
    good = times.ndim == 1 and len(times) > 1 and times[0] <= 1 and times[-1] >= 0
    if not (good and np.all(np.diff(times) < 0)):
        raise BadOption(f"times are {times}; give two or more that fall and lie within 1 and 0")
    return times


def _fitting(given: Mask, shape: tuple[int, ...]) -> Mask:
    try:
        return np.broadcast_to(np.asarray(given, bool), shape)
    except ValueError as error:
        message = f"given has shape {np.shape(given)}; it must broadcast to {shape}"
        raise ValueError(message) from error


# What differs between array libraries; a torch tensor is known by what numpy arrays lack


def _as(values: Any, like: State) -> State:
    """Numbers as an array of the library, precision and device of `like`."""
    if isinstance(like, np.ndarray):
        return np.asarray(values, like.dtype)
    return values.to(like) if hasattr(values, "new_tensor") else like.new_tensor(values)


def _wide(x: State) -> State:
    """In float32 if it comes in less."""
    if x.dtype.itemsize >= 4:
        return x
    return x.astype(np.float32) if isinstance(x, np.ndarray) else x.float()


def _choose(mask: Mask | None, yes: Any, no: State) -> State:
    """`yes` where the mask is True, `no` elsewhere; what is not taken may be NaN."""
    if mask is None:
        return no
    if isinstance(no, np.ndarray):
        return np.where(mask, yes, no)
    return no.where(_as(~mask, no) != 0, yes)


def _detached(x: State) -> State:
    return x if isinstance(x, np.ndarray) else x.detach()


def _spread(value: Any, like: State) -> State:
    """A scalar or one number a row, shaped to multiply `like` (B, ...)."""
    value = _as(value, like)
    shape = tuple(value.shape)
    if shape not in ((), (1,), (like.shape[0],)):
        raise ValueError(f"{shape} numbers for {like.shape[0]} rows; give one, or one for each row")
    return value.reshape(shape + (1,) * (like.ndim - len(shape)))
