"""Several processes, one run: each draws and scores a share of the groups, gradients are summed.

On `accelerate`, started by its launcher or by torchrun:

    accelerate launch --cpu --num-processes 2 -m enliven train recipes.grpo ...
    torchrun --nproc-per-node 2 -m enliven train recipes.grpo ...

Every process holds the whole network, or a shard of its weights (`enliven.train.sharded`).  With
one process nothing here does anything.
"""

import os
from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import gather_object, reduce
from torch import Tensor, nn
from torch import distributed as dist

from enliven.errors import BadOption

Item = TypeVar("Item")


def join(device: str = "cpu") -> None:
    """Take part in the run that a launcher started, if one did.

    device: that networks are on; "cpu", or "cuda": each process then has a GPU of its own.
    """
    if "WORLD_SIZE" in os.environ and not dist.is_initialized():
        threads = torch.get_num_threads()
        PartialState(cpu=device == "cpu")
        torch.set_num_threads(threads)  # accelerate may have chosen others


def leave() -> None:
    if _several():
        PartialState().destroy_process_group()


def place() -> tuple[int, int]:
    """Number of this process, from 0, and how many there are."""
    if not _several():
        return 0, 1
    state = PartialState()
    return state.process_index, state.num_processes


def share(items: Sequence[Item], even: bool = False) -> list[Item]:
    """Those of the items that this process does.

    even: as many in every process; some are then done twice, first ones first.
    """
    rank, count = place()
    missing = -len(items) % count if even and items else 0
    padded = [*items, *(items[i % len(items)] for i in range(missing))]
    return padded[rank::count]


def gathered(value: Item) -> list[Item]:
    """What every process gave, in their order."""
    if place()[1] == 1:
        return [value]
    made: list[Item] = gather_object([value])
    return made


def add_up(tensors: Iterable[Tensor]) -> None:
    """Each tensor becomes its sum over the processes, in place."""
    if place()[1] == 1:
        return
    for tensor in tensors:
        tensor.copy_(reduce(tensor, "sum"))


def spread(module: nn.Module) -> None:
    """Shard the weights of a module over the processes, in place, where the launcher asks for it.

    That is `accelerate launch --use_fsdp --fsdp_version 2`.  Raises BadOption where accelerate
    does not shard: in version 1, or on the CPU.
    """
    if not _several() or os.environ.get("ACCELERATE_USE_FSDP", "false").lower() != "true":
        return
    accelerator = Accelerator()
    if not accelerator.is_fsdp2:
        raise BadOption("weights are sharded by FSDP version 2 on GPUs only; launch with "
                        "--fsdp_version 2, or without --use_fsdp")  # fmt: skip
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    accelerator.prepare(module, torch.optim.SGD(weights))  # it takes no module without optimizer


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()
