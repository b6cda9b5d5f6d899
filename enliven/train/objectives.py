"""Objectives of post-training: GRPO, its KL to a reference, Flow-DPO and DiffusionNFT.

Pure functions over tensors.  Times, noise and the Gaussians of a step come from `enliven.flow`,
whose conventions hold: t = 1 is noise, v = e - x0, and a step is x' = p x + q v + s z.

Legend: B rows (samples), D generated elements of a row: those not `given`.  Everything is
reduced over D by its mean and returned a number a row, (B,), unless a function says otherwise;
`average` makes one loss of rows.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from enliven.errors import BadOption
from enliven.flow import Mask, Transition, Velocity, coefficients, interpolate, log_prob, target
from enliven.types import Trajectory

Ratio = Literal["plain", "guard", "dimension-free"]
Weighting = Literal["equal", "temp", "none"]

# Usual clip ranges.  The first two forms are means over D, hence the small numbers; the last is
# ours and has been tried by nobody else.
CLIP: Mapping[Ratio, float] = {"plain": 1e-4, "guard": 2e-6, "dimension-free": 0.1}


# GRPO


def log_ratio(new: Transition, old: Transition, following: Tensor, form: Ratio = "guard") -> Tensor:
    """ln r (B,), how much likelier a next state has become; exactly 0 for unchanged weights.

    new, old: the Gaussians of one step from one state under present and former weights; gradients
        pass through both, so make `old` without a graph.  following: (B, ...) as stored.
    form, with z = (x' - mu_old) / s and d = mu_new - mu_old:
        "plain": difference of mean log-densities (Flow-GRPO, arXiv 2505.05470);
        "guard": mean(z d), that is s (plain + mean(d^2) / (2 s^2)), which is 0 in the mean over z
            (GRPO-Guard, 2510.22319);
        "dimension-free": sqrt(D) mean(z d) / s, whose variance over z is twice the mean KL
            whatever D and s, so that one clip range serves all resolutions.
    Raises BadOption for another form, ValueError when the steps differ or have no noise.
    """
    if form not in CLIP:
        raise BadOption(f"ratio is {form!r}; choose {', '.join(CLIP)}")
    _same_step(new, old)
    if form == "plain":
        return log_prob(new, following) - log_prob(old, following)
    s = _rows(old.deviation, old.mean)
    noise = following.to(old.mean.dtype) - old.mean  # s z
    total, count = _sums(noise / s * (new.mean - old.mean), old.given)
    if form == "guard":
        return total / count
    return total / count.sqrt() / s.reshape(-1)


def policy_loss(
    log_ratio: Tensor, advantages: Tensor, low: float, high: float, weight: float = 1.0
) -> Tensor:
    """Clipped policy loss of one step, (B,): w max(-A r, -A clip(r, 1 - low, 1 + high)).

    log_ratio, advantages: (B,).  low, high: clip range, see CLIP.  weight: of the step, as from
    `step_weights`.  (PPO, arXiv 1707.06347; without a value network GRPO, 2402.03300.)
    Raises BadOption.
    """
    if not (0 <= low < 1 and high >= 0):
        raise BadOption(f"clip range is {low}, {high}; choose 0 to 1, and a number from 0 on")
    change = torch.expm1(log_ratio)  # r - 1: the ranges are close to the rounding of r
    worse = torch.maximum(-advantages * change, -advantages * change.clamp(-low, high))
    return weight * (worse - advantages)


def step_weights(
    trajectory: Trajectory, weighting: Weighting, form: Ratio = "guard"
) -> NDArray[np.float64]:
    """Weight of every step in the policy loss, (S,): mean 1 over noisy steps, 0 at the others.

    trajectory: its times, noise levels and kernel are used.
    weighting: "equal", so that no step moves the velocity more than another: 1 over the length
        of d ln r / d v for a given z, which is |q| / s for the plain and dimension-free ratio and
        |q| for "guard" (with h c = |q|: proportional to 1 / h where c is constant);
        "temp", proportional to s (TempFlow-GRPO, arXiv 2508.04324); "none", 1.
    With "none" and the plain ratio, late steps of a shifted schedule outweigh the first, which
    govern motion, many times.  Raises BadOption for another weighting or form.
    """
    if weighting not in ("equal", "temp", "none") or form not in CLIP:
        raise BadOption(f"weighting is {weighting!r} and ratio {form!r}; choose equal, temp or "
                        f"none, and {', '.join(CLIP)}")  # fmt: skip
    noisy = trajectory.noise_levels > 0
    weights = np.zeros(len(noisy))
    if not noisy.any():
        return weights
    times = trajectory.times
    _, q, s = coefficients(
        times[:-1][noisy], times[1:][noisy], trajectory.noise_levels[noisy], trajectory.kernel
    )
    if weighting == "equal":
        weights[noisy] = 1 / np.abs(q) if form == "guard" else s / np.abs(q)
    else:
        weights[noisy] = s if weighting == "temp" else 1.0
    return weights / weights[noisy].mean()


def average(rows: Tensor, counted: Tensor | None = None, total: float | None = None) -> Tensor:
    """One loss (), the mean over the rows (B,) that count; 0 where none does.

    counted: (B,) bool, None for all.
    total: how many to divide by, None for those that count here.  For an update made of several
        batches and steps give the number in all of them: their gradients then add up to those of
        one large batch, however it is split.
    """
    kept = torch.ones_like(rows, dtype=torch.bool) if counted is None else counted
    number = kept.sum().clamp(min=1) if total is None else total
    return rows.masked_fill(~kept, 0.0).sum() / number


# How far from the reference


def kl(
    new: Transition, reference: Transition, reduction: Literal["mean", "sum"] = "mean"
) -> Tensor:
    """KL divergence of one step from the reference, (B,), nats: sum (mu_new - mu_ref)^2 / (2 s^2).

    reduction: over D; "sum" is the divergence, "mean" that divided by D, which for the kernel
    "sde" is h c^2 mean((v_new - v_ref)^2) / (2 g^2), c = 1 + g^2 (1 - t) / (2 t).  It is exact:
    both are Gaussians with the same deviation.  Raises ValueError when the steps differ or have
    no noise.
    """
    _same_step(new, reference)
    gap = (new.mean - reference.mean) / _rows(new.deviation, new.mean)
    total, count = _sums(0.5 * gap * gap, new.given)
    return total if reduction == "sum" else total / count


def velocity_distance(v: Tensor, reference: Tensor, given: Mask | None = None) -> Tensor:
    """mean((v - v_ref)^2), (B,): the KL without its factor, which fades with t and noise.

    v, reference: (B, ...) at the same states.  given: bool, broadcasts to v.
    """
    return _mean_square(_wide(v) - _wide(reference), given)


def norm_excess(v: Tensor, reference: Tensor, given: Mask | None = None) -> Tensor:
    """relu(rms(v) / rms(v_ref) - 1), (B,): by how much velocities have grown (NormGuard, arXiv
    2606.27771).  v, reference: (B, ...), not all 0 in a row.  given: bool, broadcasts to v."""
    grown = _mean_square(_wide(v), given) / _mean_square(_wide(reference), given)
    # cut before the root, which has no slope at 0; relu, whose slope is 0 where nothing has grown
    return (torch.relu(grown - 1) + 1).sqrt() - 1


# Preference pairs


class PairErrors(NamedTuple):
    """Flow-matching errors (B,) of preferred and rejected samples."""

    winner: Tensor
    loser: Tensor


def pair_errors(
    velocity: Velocity, winner: Tensor, loser: Tensor, noise: Tensor, t: Tensor,
    given: Mask | None = None,
) -> PairErrors:  # fmt: skip
    """E = mean((v(x_t, t) - (e - x0))^2) of both, with the same noise e and time t.

    velocity: as in `enliven.flow.sample`, asked twice; bind the condition that both share.
    winner, loser, noise: (B, ...).  t: (B,), 0 to 1.  given: bool, broadcasts to winner; the
        network sees its values without noise.
    Ask the present and the reference network with the same noise and t.
    """
    return PairErrors(*(_flow_error(velocity, x0, noise, t, given) for x0 in (winner, loser)))


def dpo_margin(errors: PairErrors, reference: PairErrors, beta: float) -> Tensor:
    """-(beta / 2) [(E_w - E_w_ref) - (E_l - E_l_ref)], (B,): positive where the winner gained.

    Flow-DPO (VideoAlign, arXiv 2501.13918; Diffusion-DPO, 2311.12908).  beta belongs to a mean
    over D; 100 to 2000 is usual.  Raises BadOption when it is negative.
    """
    if not beta >= 0:
        raise BadOption(f"beta is {beta}; choose a number from 0 on")
    gain = (errors.winner - reference.winner) - (errors.loser - reference.loser)
    return -(beta / 2) * gain


def dpo_loss(margin: Tensor) -> Tensor:
    """-ln sigmoid(margin), (B,); ln 2 where nothing was learnt.

    The anchor that keeps the winner's own error from rising is added to it: weight E_w.
    """
    return -functional.logsigmoid(margin)


def implicit_accuracy(margin: Tensor) -> Tensor:
    """Share of pairs (), of margins (B,), that the network orders rightly; a tie is not right."""
    return (margin > 0).to(margin.dtype).mean()


# DiffusionNFT


def optimality(advantages: Tensor, largest: float = 5.0) -> Tensor:
    """clip(A / (2 largest) + 1/2, 0, 1), (B,): the weight of the positive part in `nft_loss`."""
    return (advantages / (2 * largest) + 0.5).clamp(0, 1)


def nft_loss(
    v: Tensor, old: Tensor, goal: Tensor, optimality: Tensor, beta: float = 1.0,
    given: Mask | None = None,
) -> Tensor:  # fmt: skip
    """r mean((v+ - v*)^2) / beta + (1 - r) mean((v- - v*)^2) / beta, (B,).

    v+ = beta v + (1 - beta) v_old and v- = (1 + beta) v_old - beta v (DiffusionNFT, arXiv
    2509.16117, in velocities).  The minimum of one sample: v_old + (2 r - 1) (v* - v_old) / beta.
    v, old: (B, ...) at states x_t of generated data; old without a graph.  goal: v* (B, ...), as
    from `enliven.flow.target`.  optimality: r (B,), 0 to 1.  beta: > 0.  Raises BadOption.
    """
    if not beta > 0:
        raise BadOption(f"beta is {beta}; choose a number above 0")
    v, old = _wide(v), _wide(old)
    positive = _mean_square(beta * v + (1 - beta) * old - goal, given)
    negative = _mean_square((1 + beta) * old - beta * v - goal, given)
    return (optimality * positive + (1 - optimality) * negative) / beta


# Reductions over what is generated


def _flow_error(
    velocity: Velocity, x0: Tensor, noise: Tensor, t: Tensor, given: Mask | None
) -> Tensor:
    x = interpolate(x0, noise, t)
    if given is not None:
        x = torch.where(_flags(given, x), x0.to(x.dtype), x)
    return _mean_square(velocity(x, t) - target(x0, noise), given)


def _same_step(one: Transition, other: Transition) -> None:
    if not np.array_equal(one.deviation, other.deviation):
        raise ValueError(f"steps with deviations {one.deviation} and {other.deviation}: a rollout "
                         "and its replay must use one schedule")  # fmt: skip
    if not np.all(one.deviation > 0):
        raise ValueError("a step without noise has no density; leave it out of the objective")


def _mean_square(values: Tensor, given: Mask | None) -> Tensor:
    """(B,) over generated elements; the others may be NaN and have no gradient."""
    if given is not None:
        values = values.masked_fill(_flags(given, values), 0.0)
    total, count = _sums(values * values, given)
    return total / count


def _sums(values: Tensor, given: Mask | None) -> tuple[Tensor, Tensor]:
    """Sum and number of the generated elements of each row, (B,); the number is 1 at least."""
    rows = values.reshape(len(values), -1)
    if given is None:
        return rows.sum(1), rows.new_full((len(rows),), max(1, rows.shape[1]))
    known = _flags(given, values).reshape(len(values), -1)
    return rows.masked_fill(known, 0.0).sum(1), (~known).sum(1).clamp(min=1).to(rows.dtype)


def _flags(given: Mask, like: Tensor) -> Tensor:
    # a copy: torch warns of views that cannot be written
    return torch.as_tensor(np.array(given), device=like.device).expand(like.shape)


def _wide(x: Tensor) -> Tensor:
    """In float32 if it comes in less."""
    return x if x.dtype.itemsize >= 4 else x.float()


def _rows(value: NDArray[np.float64], like: Tensor) -> Tensor:
    """A scalar or one number a row, shaped to multiply `like` (B, ...)."""
    return like.new_tensor(value).reshape((-1,) + (1,) * (like.ndim - 1))
