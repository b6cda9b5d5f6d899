"""Several processes, one run: each draws and scores a share of the groups, gradients are summed.

Plain `torch.distributed`, started by torchrun; every process holds the whole network:

    torchrun --nproc-per-node 2 -m enliven train recipes.grpo ...

With one process nothing here does anything.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

Item = TypeVar("Item")


def join() -> None:
    """Take part in the run that torchrun started, if it did."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def leave() -> None:
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def place() -> tuple[int, int]:
    """Number of this process, from 0, and how many there are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def share(items: Sequence[Item]) -> list[Item]:
    """Those of the items that this process does."""
    rank, count = place()
    return list(items[rank::count])


def gathered(value: Item) -> list[Item]:
    """What every process gave, in their order."""
    count = place()[1]
    if count == 1:
        return [value]
    parts: list[Any] = [None] * count
    dist.all_gather_object(parts, value)
    return parts


def add_up(tensors: Iterable[Tensor]) -> None:
    """Each tensor becomes its sum over the processes, in place."""
    if place()[1] == 1:
        return
    for tensor in tensors:
        dist.all_reduce(tensor)
