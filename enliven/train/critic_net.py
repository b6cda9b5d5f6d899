"""The networks of the sync critic (`enliven.metrics.critic`) and what they are taught by.

C examples of a batch, N = T + 2 SHIFTS frames of sound, T of lips, K numbers of each, B bands,
G measures.  An ear and an eye are never joined: what they say of a voice and of lips must go
up and down together, by itself.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from enliven.metrics.critic import BANDS, MEASURES, PICTURE, SHIFTS

NUMBERS = 16  # K
EAR, LIPS, EYE = 48, 32, 32  # widths
FILTERS = (12, 24, 40)  # of the eye, each halving the picture
DILATIONS = (1, 2, 2)
WARMTH = 0.1  # of the softmax over correlations
NEXT = 0.08  # of the truth that goes to either neighbouring shift


class Block(nn.Module):
    """Residual dilated convolution over time."""

    def __init__(self, width: int, dilation: int, drop: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.mix = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.out = nn.Conv1d(width, width, 1)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(self.out(functional.silu(self.mix(self.norm(x)))))


class Ear(nn.Module):
    """Bands (C, B, 4 N) -> (C, K, N)."""

    def __init__(self, drop: float) -> None:
        super().__init__()
        self.first = nn.Conv1d(BANDS, EAR, 5, padding=2)
        self.halve = nn.ModuleList([nn.Conv1d(EAR, EAR, 4, 2, padding=1) for _ in range(2)])
        self.blocks = nn.ModuleList([Block(EAR, dilation, drop) for dilation in DILATIONS])
        self.out = nn.Conv1d(EAR, NUMBERS, 1)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(functional.silu(self.first(x)))
        for layer in self.halve:
            x = functional.silu(layer(x))
        for block in self.blocks:
            x = block(x)
        return self.out(x)


class LipReader(nn.Module):
    """Measures (C, G, T) -> (C, K, T)."""

    def __init__(self, drop: float) -> None:
        super().__init__()
        self.straight = nn.Conv1d(MEASURES, NUMBERS, 1)
        self.first = nn.Conv1d(MEASURES, LIPS, 3, padding=1)
        self.block = Block(LIPS, 1, drop)
        self.out = nn.Conv1d(LIPS, NUMBERS, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.straight(x) + self.out(self.block(functional.silu(self.first(x))))


class MouthReader(nn.Module):
    """Pictures (C, T, *PICTURE) -> (C, K, T)."""

    def __init__(self, drop: float) -> None:
        super().__init__()
        first, second, third = FILTERS
        self.see = nn.ModuleList(
            [nn.Conv2d(a, b, 3, 2, padding=1) for a, b in ((1, first), (first, second),
                                                           (second, third))]
        )  # fmt: skip
        self.norms = nn.ModuleList([nn.BatchNorm2d(first), nn.BatchNorm2d(second)])
        self.flat = nn.Conv1d(third * (PICTURE[0] // 8) * (PICTURE[1] // 8), EYE, 1)
        self.norm = nn.BatchNorm1d(EYE)
        self.time = nn.Conv1d(EYE, EYE, 3, padding=1)
        self.out = nn.Conv1d(EYE, NUMBERS, 1)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        count, frames = x.shape[:2]
        x = x.reshape(count * frames, 1, *PICTURE)
        for layer, norm in zip(self.see[:2], self.norms, strict=True):
            x = functional.silu(norm(layer(x)))
        x = functional.silu(self.see[2](x)).reshape(count, frames, -1).transpose(1, 2)
        x = self.drop(functional.silu(self.norm(self.flat(self.drop(x)))))
        return self.out(x + functional.silu(self.time(x)))


class Pair(nn.Module):
    """An ear and the eye that it learned with.  sees: "lips" (measures) or "mouths" (pixels)."""

    def __init__(self, sees: str, drop: float) -> None:
        super().__init__()
        self.sees = sees
        self.ear = Ear(drop)
        self.eye: nn.Module = LipReader(drop / 2) if sees == "lips" else MouthReader(drop)


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Of (..., K, T), all K numbers pooled; without the constants of `metrics.critic`."""
    a, b = a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True)
    norm = ((a * a).sum((-1, -2)) * (b * b).sum((-1, -2)) + 1e-6).sqrt()
    return (a * b).sum((-1, -2)) / norm


def contrast(heard: Tensor, seen: Tensor, fake: Tensor, starts: Tensor, length: int) -> Tensor:
    """InfoNCE (van den Oord et al. 2018, arXiv 1807.03748) of windows of lips: the sound of the
    same time against that of any other shift, that of other clips, and against lips that only
    follow the loudness of that sound.

    heard (C, K, N), seen and fake (C, K, T), starts (C,) frames, length frames.
    """
    count = len(heard)
    rows = torch.arange(count)
    span = torch.arange(length)
    lips = seen.transpose(1, 2)[rows[:, None], starts[:, None] + span].transpose(1, 2)
    loud = fake.transpose(1, 2)[rows[:, None], starts[:, None] + span].transpose(1, 2)
    late = torch.arange(-SHIFTS, SHIFTS + 1)
    at = starts[:, None, None] + SHIFTS - late[:, None] + span
    voices = heard.transpose(1, 2)[rows[:, None, None], at].transpose(2, 3)  # (C, S, K, L)
    own = correlation(voices, lips[:, None])
    voice = voices[:, SHIFTS]
    apart = torch.eye(count, dtype=torch.bool) * -1e4
    others = correlation(voice[None], lips[:, None]) + apart
    only_loud = correlation(voice, loud)[:, None]
    logits = torch.cat([own, others, only_loud], 1) / WARMTH
    target = torch.zeros(logits.shape)
    target[:, SHIFTS - 1 : SHIFTS + 2] = torch.tensor([NEXT, 1 - 2 * NEXT, NEXT])
    lips_find_voice = functional.cross_entropy(logits, target)
    here = own[:, SHIFTS : SHIFTS + 1]
    back = torch.cat([here, others.T, only_loud], 1) / WARMTH
    voice_finds_lips = functional.cross_entropy(back, torch.zeros(count, dtype=torch.long))
    return lips_find_voice + 0.5 * voice_finds_lips


def as_tensor(rows: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.stack(rows), np.float32))
