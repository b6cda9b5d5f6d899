"""A Wan video model as a policy: `train.policy`.

Wraps the transformer and the VAE of diffusers (`WanTransformer3DModel`, `AutoencoderKLWan`;
pip install "enliven[video]"), given as objects: whoever calls loads them, in the precision and
on the device they shall have.  Texts come as embeddings, so no text encoder is needed.

    policy = WanPolicy(transformer, vae, inputs, held_out, scoring, asked, frames=49)
    improve(policy, Config(reward, adapting=Adapting(32, 64.0, only=("attn",))), folder)

The photo is the first latent frame, kept as it is at every step; its tokens have time 0 and no
part in the log-probability (as Wan 2.2 TI2V is conditioned, arXiv 2503.20314 for the family).
Wan learned with the convention that `enliven.flow` has, t = 1 noise and v = noise - data; its
network is told 1000 t.

Legend: B rows; C channels, F frames, h, w height and width of latents; L tokens of a text.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from enliven.errors import BadOption
from enliven.train.policy import Part, Policy
from enliven.train.workers import Scoring

TICKS = 1000.0  # the network's time at t = 1


class Asked(NamedTuple):
    """What a video shall be.

    text: (L, D) embedding.  size: (height, width) of the video, px.
    photo: (height, width, 3) uint8 RGB, its first frame; None: it is made of the text alone.
    without: (L, D) embedding of no text, for guidance.
    """

    text: Tensor
    size: tuple[int, int]
    photo: NDArray[np.uint8] | None = None
    without: Tensor | None = None


class Condition(NamedTuple):
    """The same of all rows.  texts: (1, L, D).  known: whether the first frame is given."""

    text: Tensor
    without: Tensor | None
    known: bool


@final
class WanPolicy(Policy):
    """inputs, held_out: anything; `asked` tells what of an input the network is to know.

    frames: of a video, 1 more than a multiple of the VAE's compression in time (4).
    guidance: classifier-free (Ho and Salimans, arXiv 2207.12598), part of the velocity in
        rollouts, training and evaluations alike; 1 needs no second pass.
    Raises BadOption when sizes do not fit the networks.
    """

    def __init__(self, transformer: nn.Module, vae: nn.Module, inputs: Sequence[Any],
                 held_out: Sequence[Any], scoring: Scoring, asked: Callable[[Any], Asked], *,
                 frames: int = 49, guidance: float = 1.0) -> None:  # fmt: skip
        self.module = transformer.eval()
        self.inputs, self.held_out, self.scoring = inputs, held_out, scoring
        self._vae, self._asked, self._guidance = vae.eval().requires_grad_(False), asked, guidance
        self._patch: tuple[int, int, int] = tuple(transformer.config.patch_size)
        if self._patch[0] != 1:
            raise BadOption(f"the patches of the transformer are {self._patch}; a photo as the "
                            "first frame needs patches of one frame")  # fmt: skip
        compression = vae.config.scale_factor_temporal
        if (frames - 1) % compression:
            raise BadOption(f"frames is {frames}; choose 1 more than a multiple of {compression}")
        self._frames = (frames - 1) // compression + 1
        mean, deviation = (
            torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1, 1)
            for values in (vae.config.latents_mean, vae.config.latents_std)
        )
        self._mean, self._deviation = mean, deviation
        self._parts: dict[Any, Part] = {}

    def part(self, given: Any, drawn: Sequence[Tensor]) -> Part | None:
        if drawn:
            return None
        if given not in self._parts:
            self._parts[given] = self._made(self._asked(given))
        return self._parts[given]

    def velocity(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        times = TICKS * t
        if condition.known:  # a time for each token; those of the photo are data already
            tokens = (x.shape[3] // self._patch[1]) * (x.shape[4] // self._patch[2])
            times = times[:, None].repeat(1, x.shape[2] * tokens)
            times[:, :tokens] = 0.0
        made = self._field(x, times, condition.text)
        if self._guidance == 1 or condition.without is None:
            return made
        plain = self._field(x, times, condition.without)
        return plain + self._guidance * (made - plain)

    def sent(self, given: Any, drawn: Sequence[Tensor], row: int) -> NDArray[np.uint8]:
        """Frames (T, H, W, 3); decoded here, where the accelerator is."""
        like = next(self._vae.parameters())
        latent = drawn[0][row : row + 1].float()
        latent = latent * self._deviation.to(latent) + self._mean.to(latent)
        with torch.no_grad():
            video = self._vae.decode(latent.to(like)).sample[0]
        shown = ((video.float().clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 3, 0)
        return np.asarray(shown.cpu().numpy(), np.uint8)

    def _field(self, x: Tensor, times: Tensor, text: Tensor) -> Tensor:
        # contiguous, as in PerformerPolicy: so that frozen weights give the same bits
        texts = text.expand(len(x), -1, -1).contiguous()
        made: Tensor = self.module(x, times, texts, return_dict=False)[0]
        return made

    def _made(self, asked: Asked) -> Part:
        space = self._vae.config.scale_factor_spatial
        step = [space * patch for patch in self._patch[1:]]
        if any(size % unit for size, unit in zip(asked.size, step, strict=True)):
            raise BadOption(f"the video shall be {asked.size[0]} x {asked.size[1]} px; choose "
                            f"multiples of {step[0]} x {step[1]}")  # fmt: skip
        channels = self.module.config.in_channels
        shape = (channels, self._frames, *(size // space for size in asked.size))
        like = self.like()
        texts = [text if text is None else text[None].to(like)
                 for text in (asked.text, asked.without)]  # fmt: skip
        if asked.photo is None:
            return Part(Condition(texts[0], texts[1], False), shape)
        values = like.new_zeros((1, *shape))
        values[:, :, :1] = self._latent(asked)
        known = np.arange(self._frames)[:, None, None] < 1
        return Part(Condition(texts[0], texts[1], True), shape, known, values)

    def _latent(self, asked: Asked) -> Tensor:
        """The photo as a latent frame (1, C, 1, h, w), in the scale that the network learned."""
        if asked.photo is None or asked.photo.shape != (*asked.size, 3):
            raise BadOption("the photo is not of the size of the video; resize it first")
        like = next(self._vae.parameters())
        photo = torch.from_numpy(asked.photo.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)
        with torch.no_grad():
            latent = self._vae.encode(photo[None, :, None].to(like)).latent_dist.mode().float()
        return ((latent - self._mean.to(latent)) / self._deviation.to(latent)).to(self.like())
