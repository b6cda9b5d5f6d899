"""The seam between post-training and generators: all that a trainer knows of one.

A generator is a velocity field (`velocity`), a way from what it draws to a video (`decode`), and
the network in it that is trained.  What is drawn for one input is a clip; a clip is one part or
several, each drawn given those before it (chunks of a long video, for example).  Nothing in
`rollout`, `grpo` or `loop` knows more.

Legend: B rows, the members of a group; all of them belong to one input.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from enliven.flow import Mask
from enliven.train.workers import Scoring


@dataclass(frozen=True)
class Part:
    """What to draw next.

    condition: what the velocity depends on besides x and t; the same for all rows.
    shape: of the state of one row.
    given: bool, broadcasts to `shape`, True for what is not generated (reference, frames of the
        part before): it is masked out of the log-probability.  None: all is generated.
    values: (B, *shape), read where given.
    deviation: of the first noise, broadcasts to `shape`; 1 unless the generator draws cooler.
    """

    condition: Any
    shape: tuple[int, ...]
    given: Mask | None = None
    values: Tensor | None = None
    deviation: NDArray[np.floating] | float = 1.0

    def start(self, noise: Tensor) -> Tensor:
        """The first state (B, *shape) made of standard normal noise of that shape."""
        made = noise * torch.as_tensor(self.deviation, dtype=noise.dtype, device=noise.device)
        if self.given is None or self.values is None:
            return made
        known = torch.as_tensor(np.array(self.given), device=noise.device)
        return torch.where(known, self.values.to(noise), made)


class Policy(ABC):
    """A generator that can be post-trained.

    module: the network that is trained, in evaluation mode throughout: with dropout the ratio
        of a rollout and its replay would not be 1.
    inputs, held_out: conditions (photo, sound, text) to learn from and to evaluate on; whatever
        `part` and `scoring` understand and pickle can carry.
    scoring: how a video is made of what was drawn, and scored; used in other processes.
    """

    module: nn.Module
    inputs: Sequence[Any]
    held_out: Sequence[Any]
    scoring: Scoring

    @abstractmethod
    def part(self, given: Any, drawn: Sequence[Tensor]) -> Part | None:
        """What to draw for an input after the parts `drawn`, (B, ...) each; None: it is done.

        Raises InputError when the input cannot be used (a file has gone): its group is left out.
        """

    @abstractmethod
    def velocity(self, x: Tensor, t: Tensor, condition: Any) -> Tensor:
        """v (B, ...) at states x (B, ...) and times t (B,), t = 1 is noise; with a graph."""

    def sent(self, given: Any, drawn: Sequence[Tensor], row: int) -> Any:
        """What `scoring.decode` gets of a finished clip: here its parts as numpy arrays.

        A generator whose decoder needs the accelerator decodes here, to frames (T, H, W, 3).
        """
        return [part[row].float().cpu().numpy() for part in drawn]

    def like(self) -> Tensor:
        """A tensor of the precision and on the device that states shall have."""
        weight = next(self.module.parameters())
        return torch.empty(0, dtype=weight.dtype, device=weight.device)  # a weight may be sharded

    def field(self, condition: Any) -> Callable[[Tensor, Tensor], Tensor]:
        """The velocity under one condition, as `enliven.flow` asks for it."""
        return lambda x, t: self.velocity(x, t, condition)
