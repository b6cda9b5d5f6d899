"""A network whose weights are sharded over processes, by FSDP2 (`torch.distributed.fsdp`).

Each weight is a DTensor then, of which this process holds a part.  Layers gather their weights
when they compute, so every process must compute as often as the others.  Gradients arrive
reduced, as means over the processes.  Without shards everything here passes through.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, distribute_tensor

from enliven.train.parallel import place


def is_sharded(module: nn.Module) -> bool:
    return any(isinstance(layer, FSDPModule) for layer in module.modules())


def closed(module: nn.Module) -> None:
    """Drop gathered weights: parameters are the shards again, and are gathered anew when used."""
    for layer in module.modules():
        if isinstance(layer, FSDPModule):
            layer.reshard()


def full(tensor: Tensor) -> Tensor:
    """The full tensor, in all processes; all must call it."""
    made: Tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return made


def whole(content: Any) -> Any:
    """The same with full tensors for sharded ones, on the CPU, in dicts, lists and tuples.

    All processes must call it; only the first gets what was sharded, the others empty tensors.
    """
    if isinstance(content, DTensor):
        made = full(content.detach())
        return made.cpu() if place()[0] == 0 else made.new_empty(0)
    if isinstance(content, dict):
        return {name: whole(value) for name, value in content.items()}
    if type(content) in (list, tuple):
        return type(content)(whole(value) for value in content)
    return content


def part_of(value: Tensor, weight: Tensor) -> Tensor:
    """A full tensor sharded as a weight is; itself where the weight is not, or it is already."""
    if isinstance(weight, DTensor) and not isinstance(value, DTensor):
        value = value.to(weight.device)
        return distribute_tensor(value, weight.device_mesh, weight.placements, src_data_rank=None)
    return value


@contextmanager
def holding_shards(module: nn.Module, own: Mapping[str, Tensor], weights: Mapping[str, Tensor]
                   ) -> Iterator[None]:  # fmt: skip
    """Within it the sharded weights `own` of the module have these values.

    They are copied: FSDP gathers from the memory that weights had when they were sharded.
    """
    before = {name: own[name].detach().clone() for name in weights}

    def put(values: Mapping[str, Tensor]) -> None:
        closed(module)
        with torch.no_grad():
            for name, value in values.items():
                own[name].copy_(value)

    try:
        put(weights)
        yield
    finally:
        put(before)
