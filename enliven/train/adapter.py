"""Which weights are trained: all of them, or a low-rank change that can be switched off.

LoRA (Hu et al., arXiv 2106.09685) on linear layers: y = W x + b + (alpha / rank) U D x, with U 0
at first.  Switched off, the layer computes what it was made of, bit for bit, which makes the
reference of a policy free.  Without adapters the reference is a copy of the weights.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from enliven.errors import BadOption
from enliven.train.sharded import closed, full

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Adapting:
    """What is trained.  Raises BadOption.

    rank: of the adapters; 0 trains all weights.  alpha: their scale times the rank, usually
        twice the rank.  only: parts of names; layers with one of them are adapted, all if empty.
    """

    rank: int = 0
    alpha: float = 0.0
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rank < 0 or (self.rank and not self.alpha > 0):
            raise BadOption(f"rank is {self.rank} and alpha {self.alpha}; choose a rank from 1 on "
                            "and alpha above 0, or rank 0 to train all weights")  # fmt: skip


class LowRank(nn.Module):
    """A linear layer and a low-rank change to it; `on` says whether the change counts."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base, self.scale, self.on = base, alpha / rank, True
        like = {"dtype": base.weight.dtype, "device": base.weight.device}
        self.down = nn.Parameter(torch.empty(rank, base.in_features, **like))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, **like))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        made = self.base(x)
        if not self.on:
            return made
        return made + self.scale * nn.functional.linear(nn.functional.linear(x, self.down), self.up)

    def merged(self) -> Tensor:
        """The weight that does both at once."""
        return self.base.weight + self.scale * (self.up @ self.down)


def adapt(module: nn.Module, adapting: Adapting, seed: int = 0) -> None:
    """Put adapters into a module, in place; only they are trained from then on.

    seed: of their first weights, whatever else draws random numbers.
    Raises BadOption when no linear layer has a name that is asked for.
    """
    if not adapting.rank:
        return
    module.requires_grad_(False)
    found = [(name, layer) for name, layer in module.named_modules()
             if isinstance(layer, nn.Linear)
             and (not adapting.only or any(part in name for part in adapting.only))]  # fmt: skip
    if not found:
        raise BadOption(f"no linear layer is named {' or '.join(adapting.only) or 'anything'}; "
                        "choose from the names of the network's layers")  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, layer in found:
            parent, _, own = name.rpartition(".")
            setattr(module.get_submodule(parent), own,
                    LowRank(layer, adapting.rank, adapting.alpha))  # fmt: skip


def trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that are trained, by name."""
    return {name: value for name, value in module.named_parameters() if value.requires_grad}


def copied(weights: Weights) -> dict[str, Tensor]:
    """A copy without a graph."""
    return {name: value.detach().clone() for name, value in weights.items()}


@contextmanager
def holding(module: nn.Module, weights: Weights) -> Iterator[None]:
    """Within it the trained weights of the module are these; no copy is made."""
    own = trained(module)
    before = {name: own[name].data for name in weights}
    try:
        for name, value in weights.items():
            own[name].data = value
        yield
    finally:
        for name, value in before.items():
            own[name].data = value


@contextmanager
def unadapted(module: nn.Module) -> Iterator[None]:
    """Within it the adapters of the module are off."""
    layers = [layer for layer in module.modules() if isinstance(layer, LowRank)]
    try:
        for layer in layers:
            layer.on = False
        yield
    finally:
        for layer in layers:
            layer.on = True


def merged_state(module: nn.Module) -> dict[str, Tensor]:
    """The weights of the module as it was before `adapt`, with the adapters' change in them.

    All processes must call it where weights are sharded.
    """
    closed(module)
    layers = {name: layer for name, layer in module.named_modules() if isinstance(layer, LowRank)}
    made = {}
    for name, value in module.state_dict().items():
        parent, _, own = name.rpartition(".")
        owner, _, inner = parent.rpartition(".")
        if parent in layers:  # its own down and up
            continue
        if inner == "base" and owner in layers:
            changed = layers[owner].merged() if own == "weight" else value
            made[f"{owner}.{own}"] = full(changed.detach()).clone()
        else:
            made[name] = full(value.detach()).clone()
    return made
