"""The network from speech features to lower-face expression, and its loss.

B batch, F feature frames at 100 Hz, T motion frames at 25 Hz, K controls, C width.

A temporal convolution without padding: a motion frame sees REACH feature frames on either
side and nothing else, so a long file can be computed in pieces that equal the whole.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from enliven.motion.audio import FEATURES
from enliven.motion.controls import CONTROLS

DILATIONS = (1, 2, 2, 1)
CLOSED = 0.012  # aperture up to which lips count as closed, IOD
SHARPNESS = 20.0  # of the bend at 0 of the output
STRIDE = 4  # feature frames per motion frame
REACH = 2 + 2 + 4 + STRIDE * sum(DILATIONS)


@dataclass(frozen=True)
class Sizes:
    width: int = 64  # C
    drop: float = 0.2  # of features between layers, in training only
    features: int = FEATURES  # numbers heard a frame


class Norm(nn.Module):
    """Layer norm over the channels of (B, C, T): each frame by itself, so time stays local."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.transpose(1, 2)).transpose(1, 2)


class Block(nn.Module):
    """Residual dilated convolution; shortens its input by the dilation at both ends."""

    def __init__(self, width: int, dilation: int, drop: float) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = Norm(width)
        self.mix = nn.Conv1d(width, width, 3, dilation=dilation)
        self.out = nn.Conv1d(width, width, 1)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        kept = x[..., self.dilation : -self.dilation]
        return kept + self.drop(self.out(functional.silu(self.mix(self.norm(x)))))


class ArticulationNet(nn.Module):
    """(B, features, 2 * REACH + STRIDE * (T - 1) + 1) -> (B, K + 1, T).

    The last output is the logit of closed lips, the others are the controls.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        narrow, middle, width = sizes.width * 5 // 8, sizes.width * 3 // 4, sizes.width
        self.hear = nn.ModuleList(
            [
                nn.Conv1d(sizes.features, narrow, 5),
                nn.Conv1d(narrow, middle, 5, stride=2),
                nn.Conv1d(middle, width, 5, stride=2),
            ]
        )
        self.norms = nn.ModuleList([Norm(narrow), Norm(middle)])
        self.blocks = nn.ModuleList([Block(width, d, sizes.drop) for d in DILATIONS])
        self.norm = Norm(width)
        self.head = nn.Conv1d(width, len(CONTROLS) + 1, 1)
        self.drop = nn.Dropout(sizes.drop)
        nn.init.constant_(self.head.bias, -0.1)
        nn.init.normal_(self.head.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        for convolution, norm in zip(self.hear[:2], self.norms, strict=True):
            x = norm(functional.silu(convolution(x)))
        x = self.drop(functional.silu(self.hear[2](x)))
        for block in self.blocks:
            x = block(x)
        # controls only add to a face at rest, as the channels they drive begin at 0
        x = self.head(functional.silu(self.norm(x)))
        return torch.cat([functional.softplus(x[:, :-1], SHARPNESS), x[:, -1:]], 1)


def articulation_loss(
    output: Tensor, fitted: Tensor, shape: Tensor, basis: Tensor, measure: Tensor, scale: Tensor
) -> Tensor:
    """How far predicted controls are from a real clip, in what is seen and in the controls.

    output (B, K + 1, T), fitted (B, K, T).  shape (B, T, P): the real lips away from rest.
    basis (K, P): what the controls do to them.  measure (P, M): linear lip measures, of
    typical deviation scale (M,).  Smooth L1 + half of (1 - Pearson r) + velocity.
    """
    controls, closed = output[:, :-1], output[:, -1]
    made = controls.transpose(1, 2) @ basis
    made_m, real_m = made @ measure / scale, shape @ measure / scale
    importance = torch.tensor([2.0] + [1.0] * (scale.numel() - 1))
    importance = importance / importance.sum()
    level = (functional.smooth_l1_loss(made_m, real_m, reduction="none") * importance).sum(-1)
    velocity = functional.smooth_l1_loss(
        2 * made_m.diff(dim=1), 2 * real_m.diff(dim=1), reduction="none"
    )
    a, b = made_m - made_m.mean(1, keepdim=True), real_m - real_m.mean(1, keepdim=True)
    # the constant keeps resting clips, where r means nothing, out of this term
    r = (a * b).sum(1) / ((a * a).sum(1) * (b * b).sum(1)).add(1.0).sqrt()
    moving = ((b * b).sum(1) > 1.0).float()
    unlike = ((1 - r) * moving * importance).sum(-1)
    contour = functional.smooth_l1_loss(40 * made, 40 * shape)
    named = functional.smooth_l1_loss(4 * controls, 4 * fitted)
    shut = (real_m[..., 0] < CLOSED / scale[0]).float()
    meeting = functional.binary_cross_entropy_with_logits(closed, shut)
    return (
        level.mean() + 0.5 * unlike.mean() + 0.5 * (velocity * importance).sum(-1).mean()
        + contour + 0.5 * named + 0.2 * meeting
    )  # fmt: skip
