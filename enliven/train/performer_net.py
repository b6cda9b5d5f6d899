"""The flow-matching transformer that performs a chunk of speech, and its loss.

Legend: B batch, N = BEFORE + CHUNK frames of a window at 25 Hz, D latent columns, C width,
H numbers heard a frame, K numbers of direction a frame.

A window holds the end of the chunk before ("motion frames", EMO, arXiv 2402.17485) and the chunk
to be generated.  Each frame is a token: its noisy latent, whether it is given, what is heard and
what is asked for at that moment.  The flow time and what is asked for modulate every layer
(adaLN-Zero; Peebles and Xie, "Scalable diffusion models with transformers", arXiv 2212.09748).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from enliven.motion.chunks import BEFORE, CHUNK, CONDITIONS, HEARD
from enliven.motion.latent import LATENT

FRAMES = BEFORE + CHUNK
TIME_WAVES = 32  # sines and as many cosines of the flow time


@dataclass(frozen=True)
class Shape:
    """Size of the network.  width is a multiple of heads."""

    width: int = 160  # C
    depth: int = 6
    heads: int = 4
    drop: float = 0.1


def time_rates() -> Tensor:
    """Angular rates (TIME_WAVES,) of waves of length 2 down to 1/500."""
    return torch.exp(torch.linspace(0, math.log(1000.0), TIME_WAVES)) * math.pi


def time_waves(t: Tensor) -> Tensor:
    """(B,) in 0..1 -> (B, 2 TIME_WAVES)."""
    angle = t[:, None] * time_rates().to(t)
    return torch.cat([angle.sin(), angle.cos()], 1)


class Block(nn.Module):
    """Self-attention over the window and an MLP, both modulated by the flow time."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False)
        self.mix = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.modulate = nn.Linear(width, 6 * width)
        self.drop = nn.Dropout(shape.drop)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x (B, N, C), time (B, 1, C)."""
        move1, scale1, gate1, move2, scale2, gate2 = self.modulate(time).chunk(6, -1)
        seen = self.norm1(x) * (1 + scale1) + move1
        rows, frames, width = seen.shape
        parts = self.mix(seen).reshape(rows, frames, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = parts
        mixed = functional.scaled_dot_product_attention(query, key, value)
        x = x + gate1 * self.drop(self.out(mixed.transpose(1, 2).reshape(rows, frames, width)))
        seen = self.norm2(x) * (1 + scale2) + move2
        return x + gate2 * self.drop(self.narrow(functional.silu(self.widen(seen))))


class PerformerNet(nn.Module):
    """Velocity v(x, t) of a window under what is heard and asked for."""

    def __init__(self, shape: Shape = Shape()) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.enter = nn.Linear(len(LATENT) + 1, width)
        self.listen = nn.Linear(HEARD, width)
        self.obey = nn.Linear(CONDITIONS, width, bias=False)
        self.manner = nn.Linear(CONDITIONS, width)  # of the whole window
        self.place = nn.Parameter(torch.randn(FRAMES, width) * 0.02)
        self.time = nn.Sequential(
            nn.Linear(2 * TIME_WAVES, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.blocks = nn.ModuleList([Block(shape) for _ in range(shape.depth)])
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate = nn.Linear(width, 2 * width)
        self.leave = nn.Linear(width, len(LATENT))
        for layer in (self.modulate, self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        given = torch.zeros(FRAMES, 1)
        given[:BEFORE] = 1
        self.register_buffer("given", given, persistent=False)

    def forward(self, x: Tensor, t: Tensor, heard: Tensor, asked: Tensor) -> Tensor:
        """x (B, N, D), t (B,), heard (B, N, H), asked (B, N, K) -> velocity (B, N, D).

        The first BEFORE frames of x are given, without noise; their velocity means nothing.
        """
        given = self.given.expand(len(x), FRAMES, 1)
        time = self.time(time_waves(t))[:, None] + self.manner(asked.mean(1, keepdim=True))
        time = functional.silu(time)
        token = self.enter(torch.cat([x, given], -1)) + self.listen(heard) + self.obey(asked)
        token = token + self.place
        for block in self.blocks:
            token = block(token, time)
        move, scale = self.modulate(time).chunk(2, -1)
        return self.leave(self.norm(token) * (1 + scale) + move)


def flow_loss(net: PerformerNet, data: Tensor, heard: Tensor, asked: Tensor, t: Tensor,
              noise: Tensor) -> Tensor:  # fmt: skip
    """Squared error of the velocity, (B, CHUNK, D), at flow times t (B,).

    data, noise: (B, N, D).  x_t = (1 - t) x0 + t e, v = e - x0 on the frames to generate.
    """
    share = t[:, None, None]
    x = torch.cat([data[:, :BEFORE], ((1 - share) * data + share * noise)[:, BEFORE:]], 1)
    v = net(x, t, heard, asked)[:, BEFORE:]
    return (v - (noise - data)[:, BEFORE:]) ** 2
