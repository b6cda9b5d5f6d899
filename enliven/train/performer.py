"""Train the performer: a flow-matching transformer from speech to everything a face does.

Checkpoints hold all that training depends on: a run that was stopped goes on bit for bit, with
the same device and number of threads.
"""

import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from enliven.motion.latent import LATENT, REGIONS, region_columns
from enliven.train.performer_data import Performed, windows
from enliven.train.performer_net import PerformerNet, Shape, flow_loss

FIXED_TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)  # flow times at which the loss is reported
TESTED = 256  # windows of that report


@dataclass(frozen=True)
class PerformerConfig:
    """How the performer is trained.

    rate: peak learning rate, reached after `warm_up` steps and falling as a cosine to a twentieth.
    average: decay of the exponential moving mean of weights, which is what is exported.
    spread: deviation of the logit of flow times (logit-normal: Esser et al., arXiv 2403.03206).
    """

    shape: Shape = field(default_factory=Shape)
    steps: int = 3600
    batch: int = 64
    rate: float = 1.5e-3
    warm_up: int = 200
    weight_decay: float = 0.02
    average: float = 0.998
    spread: float = 1.2
    save_every: int = 100
    seed: int = 0


def flow_times(count: int, spread: float, generator: torch.Generator) -> Tensor:
    """Logit-normal times (count,), within 0..1."""
    return torch.sigmoid(spread * torch.randn(count, generator=generator))


def rate_at(step: int, config: PerformerConfig) -> float:
    """Learning rate of a step, counted from 0."""
    if step < config.warm_up:
        return config.rate * (step + 1) / config.warm_up
    share = (step - config.warm_up) / max(1, config.steps - config.warm_up)
    return config.rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))


class Learner:
    """The state of a run: network, its moving mean, optimizer and random numbers."""

    def __init__(self, config: PerformerConfig, device: str = "cpu") -> None:
        torch.manual_seed(config.seed)
        self.config, self.device, self.step = config, device, 0
        self.net = PerformerNet(config.shape).to(device)
        self.mean = copy.deepcopy(self.net).eval()
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), config.rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
        )
        self.generator = torch.Generator().manual_seed(config.seed)

    def learn(self, data: NDArray, heard: NDArray, asked: NDArray) -> NDArray[np.float32]:
        """One step; returns the mean squared error of each latent column, (D,)."""
        config = self.config
        parts = tuple(torch.from_numpy(part).to(self.device) for part in (data, heard, asked))
        t = flow_times(len(data), config.spread, self.generator).to(self.device)
        noise = torch.randn(parts[0].shape, generator=self.generator).to(self.device)
        self.net.train()
        error = flow_loss(self.net, parts[0], parts[1], parts[2], t, noise)
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.step, config)
        self.optimizer.zero_grad()
        error.mean().backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(config.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(self.mean.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
        return error.detach().mean((0, 1)).cpu().numpy()

    def save(self, path: Path) -> None:
        state = {
            "config": asdict(self.config), "step": self.step, "net": self.net.state_dict(),
            "mean": self.mean.state_dict(), "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(), "draws": self.generator.get_state(),
        }  # fmt: skip
        hidden = path.with_suffix(".part")
        torch.save(state, hidden)
        hidden.replace(path)

    def load(self, path: Path) -> None:
        """Go on where `save` left off.  Raises SystemExit when the options differ."""
        state: dict[str, Any] = torch.load(path, weights_only=False, map_location=self.device)
        if state["config"] != asdict(self.config):
            raise SystemExit(f"{path} was made with other options; choose another --out")
        self.step = state["step"]
        self.net.load_state_dict(state["net"])
        self.mean.load_state_dict(state["mean"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"].cpu())
        self.generator.set_state(state["draws"].cpu())


def loss_by_time(net: PerformerNet, tested: tuple[NDArray, NDArray, NDArray], device: str
                 ) -> dict[float, float]:  # fmt: skip
    """Loss at each of FIXED_TIMES on the same windows and noise every time."""
    data, heard, asked = (torch.from_numpy(part).to(device) for part in tested)
    noise = torch.randn(data.shape, generator=torch.Generator().manual_seed(0)).to(device)
    losses = {}
    with torch.no_grad():
        for t in FIXED_TIMES:
            times = torch.full((len(data),), t, device=device)
            losses[t] = float(flow_loss(net, data, heard, asked, times, noise).mean())
    return losses


def train(shown: Sequence[Performed], weights: NDArray, tested: Sequence[Performed], folder: Path,
          config: PerformerConfig, stop: int | None = None, device: str = "cpu"
          ) -> PerformerNet:  # fmt: skip
    """The moving mean of the network; continues from `folder`/performer.pt where that exists.

    weights: (len(shown),) how often each is drawn.  tested: performances kept for the report.
    stop: step to stop at, as if interrupted there.
    """
    learner, checkpoint = Learner(config, device), folder / "performer.pt"
    if checkpoint.exists():
        learner.load(checkpoint)
    source = windows(shown, config.batch, config.seed, weights)
    kept = next(windows(tested, TESTED, config.seed + 1, np.ones(len(tested))))
    skip(source, learner.step)
    writer = SummaryWriter(str(folder / "log"))
    started, first = time.time(), learner.step
    average = np.full(len(LATENT), np.nan)
    end = min(config.steps, stop or config.steps)
    while learner.step < end:
        error = learner.learn(*next(source))
        average = np.where(np.isnan(average), error, average + 0.02 * (error - average))
        if learner.step % config.save_every and learner.step != end:
            continue
        learner.save(checkpoint)
        losses = loss_by_time(learner.mean, kept, device)
        for region in REGIONS:
            value = float(average[region_columns(region)].mean())
            writer.add_scalar(f"loss/{region}", value, learner.step)
        for t, value in losses.items():
            writer.add_scalar(f"held out, t = {t}", value, learner.step)
        told = " ".join(f"{t}:{value:.3f}" for t, value in losses.items())
        pace = (time.time() - started) / (learner.step - first)
        print(f"step {learner.step} loss {average.mean():.4f} held out {told} {pace:.2f} s/step",
              flush=True)  # fmt: skip
    writer.close()
    return learner.mean


def skip(source: Iterator[Any], steps: int) -> None:
    """Draw what earlier steps drew, so that the next is what it would have been."""
    for _ in range(steps):
        next(source)
