"""Groups of samples: drawn with recorded probabilities, and drawn again under other weights.

Every random number depends on (run, iteration, group, member) and what it is for, never on who
draws it or with what: rollouts are the same in any number of processes and batches.  Rollout and
replay go through `enliven.flow`, in the same batches, so that unchanged weights give a ratio of
exactly 1; how far they are apart is measured all the same.

Legend: B rows, the members of a group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from enliven.errors import BadOption
from enliven.flow import Noise, Replayed, gaussian, replay, rollout, sample, schedule
from enliven.train.policy import Part, Policy
from enliven.types import Trajectory

LEAST_TOLD, MOST_TOLD = 16, 4096  # numbers by which noise is compared


class For(IntEnum):
    """What random numbers are for."""

    INPUTS = 0
    WINDOW = 1
    START = 2
    STEPS = 3
    DECODING = 4
    LEARNING = 5


@dataclass(frozen=True)
class Exploring:
    """How groups are drawn.  Raises BadOption.

    members: of a group, 2 at least; 12 to 16 is usual.  groups: inputs an iteration.
    steps, shift: of the schedule (`flow.schedule`), of rollouts and evaluations.
    kind, eta: noise of the steps in the window (`flow.Noise`); 0 draws without.
    window: noisy steps, the same for all members of a group; all others are deterministic.
    early: share of the schedule, from its noisy end, that windows are chosen from.  Motion and
        layout are decided there, and members differ most (TempFlow-GRPO, arXiv 2508.04324).
    start: "shared", members begin at one noise and differ by the window's alone; "own".
    rows: members computed at once, in rollout and training alike; None for all.
    """

    members: int = 16
    groups: int = 4
    steps: int = 10
    shift: float = 1.0
    kind: Literal["flow", "constant", "cps"] = "flow"
    eta: float = 0.5
    window: int = 1
    early: float = 0.5
    start: Literal["shared", "own"] = "shared"
    rows: int | None = None

    def __post_init__(self) -> None:
        if self.members < 2 or self.groups < 1 or (self.rows is not None and self.rows < 1):
            raise BadOption(f"members is {self.members}, groups {self.groups}, rows {self.rows}; "
                            "a group has 2 members at least, an iteration one group")  # fmt: skip
        if self.start not in ("shared", "own") or (self.start == "shared" and not self.eta):
            raise BadOption(f"start is {self.start!r} and eta {self.eta}; choose shared or own, "
                            "and own where eta is 0: members would be equal")  # fmt: skip
        if self.eta and not 1 <= self.window <= self.choices:
            raise BadOption(f"window is {self.window}; choose 1 to {self.choices}: of "
                            f"{self.steps} steps so many are early and not the last")  # fmt: skip
        Noise(self.kind, self.eta)
        schedule(self.steps, self.shift)

    @property
    def choices(self) -> int:
        """Steps that a window may lie in, from step 0 on."""
        return min(max(1, round(self.early * self.steps)), self.steps - 1)


class Place(NamedTuple):
    """A group's place in a run; random numbers follow from it."""

    run: int
    iteration: int
    group: int  # unique in the run

    def rng(self, purpose: For, member: int = 0, part: int = 0) -> np.random.Generator:
        """Random numbers for one purpose; always five whole numbers, so that no two are alike."""
        return np.random.default_rng([*self, member, (part << 8) | purpose])

    def number(self, purpose: For) -> int:
        """A seed for others, 0 to 2^31."""
        return int(self.rng(purpose).integers(2**31))


class Piece(NamedTuple):
    """Rows of one part, drawn at once.  part: its number in the clip."""

    part: int
    rows: slice
    condition: Any
    trajectory: Trajectory


@dataclass(frozen=True)
class Drawn:
    """A group.  given: its input.  parts: what was drawn, x0 (B, *shape) of every part."""

    place: Place
    given: Any
    pieces: tuple[Piece, ...]
    parts: tuple[Tensor, ...]


@dataclass(frozen=True)
class Frozen:
    """What a group was drawn with: for each piece its noisy steps under the weights of then.

    gap: by step, largest difference of log-probabilities between rollout and replay.
    """

    steps: tuple[tuple[Replayed, ...], ...]
    gap: dict[int, float]


def window_of(exploring: Exploring, place: Place) -> tuple[int, ...]:
    """The noisy steps of a group."""
    if not exploring.eta:
        return ()
    first = place.rng(For.WINDOW).integers(exploring.choices - exploring.window + 1)
    return tuple(range(int(first), int(first) + exploring.window))


def draw_group(policy: Policy, exploring: Exploring, place: Place, given: Any) -> Drawn:
    """Draw the members of a group, part after part.  Raises InputError from `Policy.part`."""
    noise = Noise(exploring.kind, exploring.eta, window_of(exploring, place))
    times = schedule(exploring.steps, exploring.shift)
    drawn: list[Tensor] = []
    pieces: list[Piece] = []
    with torch.no_grad():
        while (part := policy.part(given, tuple(drawn))) is not None:
            number = len(drawn)
            start = _starts(policy, exploring, place, part, number)
            rngs = [place.rng(For.STEPS, m, number) for m in range(exploring.members)]
            rows = []
            for piece in _slices(exploring):
                made = rollout(policy.field(part.condition), start[piece], times, noise,
                               rngs[piece], part.given)  # fmt: skip
                pieces.append(Piece(number, piece, part.condition, made))
                rows.append(made.states[-1])
            drawn.append(torch.cat(rows))
    return Drawn(place, given, tuple(pieces), tuple(drawn))


def draw_finished(policy: Policy, exploring: Exploring, place: Place, given: Any, members: int = 1
                  ) -> tuple[Tensor, ...]:  # fmt: skip
    """Samples as a user gets them, without noise in any step: parts (members, *shape)."""
    times = schedule(exploring.steps, exploring.shift)
    drawn: list[Tensor] = []
    with torch.no_grad():
        while (part := policy.part(given, tuple(drawn))) is not None:
            like = policy.like().new_empty((members, *part.shape))
            rngs = [place.rng(For.START, m, len(drawn)) for m in range(members)]
            start = part.start(gaussian(like, rngs))
            drawn.append(sample(policy.field(part.condition), start, times, given=part.given))
    return tuple(drawn)


def frozen(policy: Policy, group: Drawn) -> Frozen:
    """The steps of a group under the present weights, computed as training computes them."""
    gap: dict[int, float] = {}
    steps = []
    with torch.no_grad():
        for piece in group.pieces:
            own = tuple(replay(policy.field(piece.condition), piece.trajectory))
            for one in own:
                apart = (one.log_prob - piece.trajectory.log_probs[one.step]).abs().max()
                gap[one.step] = max(gap.get(one.step, 0.0), float(apart))
            steps.append(own)
    return Frozen(tuple(steps), gap)


def sent(policy: Policy, group: Drawn) -> list[Any]:
    """What scoring gets of each member."""
    return [policy.sent(group.given, group.parts, row) for row in range(len(group.parts[0]))]


def _starts(policy: Policy, exploring: Exploring, place: Place, part: Part, number: int) -> Tensor:
    members = range(exploring.members)
    like = policy.like().new_empty((exploring.members, *part.shape))
    own = exploring.start == "own"
    return part.start(gaussian(like, [place.rng(For.START, m * own, number) for m in members]))


def _slices(exploring: Exploring) -> Sequence[slice]:
    size = exploring.rows or exploring.members
    return [slice(at, min(at + size, exploring.members))
            for at in range(0, exploring.members, size)]  # fmt: skip


def noise_of(group: Drawn, old: Frozen) -> list[Tensor]:
    """The first random numbers each member was drawn with, (D,) of generated elements.

    Those of its first noisy step, or of its start where no step was noisy.
    """
    made = []
    for piece, steps in zip(group.pieces, old.steps, strict=True):
        if piece.part:
            continue
        states = piece.trajectory.states
        z = states[0]
        if steps:
            step = steps[0]
            mean = step.transition.mean
            z = (states[step.step + 1].to(mean.dtype) - mean) / float(step.transition.deviation)
        given = piece.trajectory.given
        kept = torch.ones(z.shape, dtype=torch.bool, device=z.device)
        if given is not None:
            kept &= ~torch.as_tensor(np.array(given), device=z.device)
        made += [row[mask] for row, mask in zip(z, kept, strict=True)]
    return made


def likeness(noise: Sequence[Tensor]) -> float:
    """Largest correlation between the random numbers of two members of a batch, 0 to 1.

    Near 1 two seeds were the same, and what they taught counted twice.  0 with fewer than
    LEAST_TOLD numbers each, of which nothing can be told.
    """
    size = min((len(row) for row in noise), default=0)
    if len(noise) < 2 or size < LEAST_TOLD:
        return 0.0
    rows = torch.stack([row[:MOST_TOLD].double().cpu()[:size] for row in noise])
    likeness = torch.corrcoef(rows).abs()
    likeness.fill_diagonal_(0.0)
    return float(likeness.max())
