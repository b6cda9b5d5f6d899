"""A generator that everything is known of: its samples are Gaussian, in one number or several."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from toy_scores import GOAL, decode, near_goal

from enliven.errors import BadMedia
from enliven.reward.compose import Reward, Term
from enliven.train.policy import Part, Policy
from enliven.train.workers import Scoring

SCALE = 0.5  # deviation of what is drawn


class GaussianField(nn.Module):
    """Velocity of data N(m, SCALE^2); m is learned, through a layer that adapters may take."""

    def __init__(self, size: int, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.mean = nn.Linear(1, size, bias=False, dtype=dtype)
        nn.init.zeros_(self.mean.weight)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        mean = self.mean(x.new_ones(1))
        t = t.reshape(-1, *[1] * (x.ndim - 1))
        variance = (1 - t) ** 2 * SCALE**2 + t**2
        away = x - (1 - t) * mean
        return t / variance * away - mean - (1 - t) * SCALE**2 / variance * away


REWARD = Reward((Term("near", 1.0, 0.0),))


class ToyPolicy(Policy):
    """parts: drawn one after the other; each is given the last number of the one before."""

    def __init__(
        self,
        size: int = 1,
        parts: int = 1,
        inputs: Sequence[Any] = ("one", "two"),
        scoring: Scoring | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self.module = GaussianField(size, dtype)
        self.inputs, self.held_out = inputs, inputs[:1]
        self.scoring = scoring or Scoring(decode, near_goal)
        self.size, self.parts = size, parts

    def part(self, given: Any, drawn: Sequence[Tensor]) -> Part | None:
        if given == "gone":
            raise BadMedia("the photo is missing")
        if len(drawn) == self.parts:
            return None
        if not drawn:
            return Part(None, (self.size,))
        known = np.arange(self.size) < 1
        values = torch.cat([drawn[-1][:, -1:], torch.zeros_like(drawn[-1])[:, 1:]], 1)
        return Part(None, (self.size,), known, values)

    def velocity(self, x: Tensor, t: Tensor, condition: Any) -> Tensor:
        return self.module(x, t)

    @property
    def m(self) -> float:
        layer = self.module.mean
        weight = layer.merged() if hasattr(layer, "merged") else layer.weight
        return float(weight.detach().mean())


def tilted(beta: float, reference: float = 0.0, deviation: float = SCALE) -> float:
    """Where the mean of a one-step Gaussian policy ends under the KL of weight beta."""
    if math.isinf(beta):
        return reference
    return (2 * GOAL + beta * reference / deviation**2) / (2 + beta / deviation**2)
