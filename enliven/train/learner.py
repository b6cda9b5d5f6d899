"""What a run of post-training changes: trained weights, their moving mean, the optimizer.

The reference is what the policy was before: adapters off, or a copy of all weights.  A
checkpoint holds everything that what follows depends on, and replaces the one before only when
it is complete.  Weights may be sharded over processes (`enliven.train.sharded`); a checkpoint holds
them whole, so that any number of processes can go on from it.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from enliven.errors import BadOption, EnlivenError, OutputError
from enliven.train.adapter import (
    Adapting,
    LowRank,
    Weights,
    adapt,
    copied,
    holding,
    trained,
    unadapted,
)
from enliven.train.parallel import add_up, place, spread
from enliven.train.sharded import closed, full, holding_shards, is_sharded, part_of, whole

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EEXIST, errno.ENOTDIR)


@dataclass(frozen=True)
class Learning:
    """How weights change.  Raises BadOption.

    rate: of AdamW, constant.  largest: norm that gradients are cut to; 0.1 to 0.5 where a run
    collapses.  average: decay of the moving mean of weights, which is what is evaluated.
    """

    rate: float = 1e-4
    weight_decay: float = 1e-4
    largest: float = 1.0
    average: float = 0.9

    def __post_init__(self) -> None:
        if not (self.rate > 0 and self.weight_decay >= 0 and self.largest > 0):
            raise BadOption(f"rate is {self.rate}, weight_decay {self.weight_decay}, largest "
                            f"{self.largest}; choose positive numbers")  # fmt: skip
        if not 0 <= self.average < 1:
            raise BadOption(f"average is {self.average}; choose 0 (no mean) to below 1")


class Learner:
    """Trains one module.  seed: of the first weights of adapters.

    Weights are sharded here if the launcher asks for it (`parallel.spread`).  A module that is
    sharded already must have its adapters; raises BadOption when it has not.
    """

    def __init__(self, module: nn.Module, learning: Learning, adapting: Adapting, seed: int = 0
                 ) -> None:  # fmt: skip
        if not is_sharded(module):
            adapt(module, adapting, seed)
            spread(module)
        elif bool(adapting.rank) != any(isinstance(m, LowRank) for m in module.modules()):
            raise BadOption("the network was sharded before its adapters were put in; call adapt "
                            "first, or let the learner shard it")  # fmt: skip
        self.sharded = is_sharded(module)
        module.eval()
        self.module, self.learning, self.adapted = module, learning, bool(adapting.rank)
        self.weights = trained(module)
        self.mean = copied(self.weights)
        self.first = {} if self.adapted else copied(self.weights)
        self.optimizer = torch.optim.AdamW(
            self.weights.values(), learning.rate, weight_decay=learning.weight_decay,
            betas=(0.9, 0.99),
        )  # fmt: skip

    @contextmanager
    def reference(self) -> Iterator[None]:
        """Within it the module is what it was before training, without gradients."""
        before = unadapted(self.module) if self.adapted else self._holding(self.first)
        with torch.no_grad(), before:
            yield

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within it the module has the moving mean of its weights, without gradients."""
        with torch.no_grad(), self._holding(self.mean):
            yield

    def _holding(self, weights: Weights) -> AbstractContextManager[None]:
        if self.sharded:
            return holding_shards(self.module, self.weights, weights)
        return holding(self.module, weights)

    def start(self) -> None:
        """Before the gradients of an update are added up."""
        self.optimizer.zero_grad(set_to_none=False)
        for weight in self.weights.values():
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)

    def step(self) -> float:
        """Update by the gradients of all processes; returns their norm, before it is cut.

        When it is not finite nothing is changed.
        """
        gradients = [w.grad for w in self.weights.values() if w.grad is not None]
        if self.sharded:  # means over processes, of what is to be summed
            for gradient in gradients:
                gradient.mul_(place()[1])
        else:
            add_up(gradients)
        cut = nn.utils.clip_grad_norm_(self.weights.values(), self.learning.largest)
        norm = float(full(cut))
        if norm == norm and norm != float("inf"):
            self.optimizer.step()
            with torch.no_grad():
                for name, mean in self.mean.items():
                    mean.lerp_(self.weights[name], 1 - self.learning.average)
        return norm

    def take(self, weights: Weights) -> None:
        """Give the module these weights, whole or sharded."""
        with torch.no_grad():
            for name, value in weights.items():
                self.weights[name].copy_(part_of(value, self.weights[name]))
        closed(self.module)

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold; sharded where weights are (`sharded.whole`)."""
        return {"weights": copied(self.weights), "mean": self.mean, "first": self.first,
                "optimizer": self.optimizer.state_dict(),
                "random": torch.get_rng_state()}  # fmt: skip

    def restore(self, state: dict[str, Any], path: Path) -> None:
        """Raises BadOption when the state is of another network or other adapters."""
        sizes = {name: tuple(value.shape) for name, value in self.weights.items()}
        stored = {name: tuple(value.shape) for name, value in state["weights"].items()}
        if sizes != stored:
            other = next(n for n in {**sizes, **stored} if sizes.get(n) != stored.get(n))
            raise BadOption(f"{path} was made for weights of another size ({other} is "
                            f"{stored.get(other)} there, {sizes.get(other)} here); choose another "
                            "--out, or the generator it began with")  # fmt: skip
        self.take(state["weights"])
        for kept, name in ((self.mean, "mean"), (self.first, "first")):
            for each, value in state[name].items():
                kept[each].copy_(part_of(value, self.weights[each]))
        self.optimizer.load_state_dict(self._sharded_moments(state["optimizer"]))
        torch.set_rng_state(state["random"])

    def _sharded_moments(self, stored: dict[str, Any]) -> dict[str, Any]:
        """The state of the optimizer, with its moments sharded as the weights are."""
        if not self.sharded:
            return stored
        weights = list(self.weights.values())
        moments = {
            number: {name: part_of(value, weights[number]) if value.ndim else value
                     for name, value in each.items()}
            for number, each in stored["state"].items()
        }  # fmt: skip
        return stored | {"state": moments}


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint; the one before stays until this one is whole, on disk.

    All processes call it, the first writes.  Raises OutputError when it cannot be written, with
    the old one in place.
    """
    content = whole(content)
    if place()[0]:
        return
    hidden = path.with_name(path.name + ".part")
    try:
        with hidden.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        hidden.replace(path)
    except (OSError, RuntimeError) as error:  # torch tells of a full disk by RuntimeError
        hidden.unlink(missing_ok=True)
        code = error.errno if isinstance(error, OSError) else None
        why = "the disk is full" if code == errno.ENOSPC else str(error).splitlines()[0]
        then = "make room and run again"
        if path.exists():
            then = "the one before is intact: make room and run again to go on from it"
        raise OutputError(f"the checkpoint {path} could not be written: {why}; {then}") from error


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raises OutputError when, within it, the disk is full or the folder of a run is closed."""
    try:
        yield
    except EnlivenError:
        raise
    except Exception as error:
        code = error.errno if isinstance(error, OSError) else None
        # other libraries tell of a full disk in words
        if code not in UNWRITABLE and "No space left on device" not in str(error):
            raise
        raise OutputError(
            f"{folder} could not be written ({error}); make room or set that right "
            "and run again: it goes on from the last checkpoint"
        ) from error


def load(path: Path, config: Any, free: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """A checkpoint, or None where there is none.

    config: frozen dataclass it must have been made with, but for the fields named in `free`
    and those that an older version did not know.
    Raises BadOption when it was made otherwise or cannot be read.
    """
    if not path.exists():
        return None
    try:
        content: dict[str, Any] = torch.load(path, weights_only=False, map_location="cpu")
        stored = content["config"]
    except Exception as error:
        raise BadOption(f"{path} cannot be read as a checkpoint ({error}); choose another --out, "
                        "or remove it to begin again") from error  # fmt: skip
    changed = [name for name, value in plain(config).items()
               if name not in free and stored.get(name, value) != value]  # fmt: skip
    if changed:
        raise BadOption(f"{path} was made with other options ({', '.join(changed)}); choose "
                        "another --out, or the options it was made with")  # fmt: skip
    return content


def plain(config: Any) -> dict[str, Any]:
    """A frozen dataclass as a dict that a checkpoint can hold."""
    return asdict(config)
