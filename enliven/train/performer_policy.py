"""The motion generator that ships, as a policy: `train.policy`.

A clip is several chunks of a second, each drawn given the end of the one before, exactly as
`motion.stream` draws them; advantages are those of the whole clip.

How it explores.  Users get draws whose first noise is cooler at the mouth (`Sampling`), and of
what lips do on their own account a third is shown (`motion.performer.OWN_LIPS`).  Rollouts begin
cool as well; members share the first noise and differ by the noise of the step in the window
alone, which is the same in all columns.  This network listens closely and forgets noise quickly:
of 8 steps only the first two move what is drawn.  Deviation within a group, in latent units:

    two users (own first noise)         mouth 0.02  brows 0.20  head 0.40
    eta 0.5, step 0 / step 2            mouth 0.06 / 0.02       head 0.22 / 0.13
    eta 1.0, step 0 / step 2            mouth 0.15 / 0.07       head 0.45 / 0.27

so that eta 1 in one of the first two steps explores head and brows as far as users' draws
differ, and the mouth further.  Evaluations draw as users do, and videos are shown as users see
them throughout.
"""

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, final

import onnx
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from enliven.errors import ModelUnavailable
from enliven.motion.chunks import BEFORE, CHUNK
from enliven.motion.latent import LATENT
from enliven.motion.performer import FRAMES, GIVEN, Sampling
from enliven.motion.stream import Performance
from enliven.train.adapter import merged_state
from enliven.train.parallel import place
from enliven.train.performer_net import PerformerNet, Shape
from enliven.train.performer_onnx import to_onnx
from enliven.train.performer_video import Speaking, voice_of
from enliven.train.policy import Part, Policy
from enliven.train.workers import Scoring


class Asked(NamedTuple):
    """The condition of a chunk: heard (1, N, HEARD) and asked (1, N, CONDITIONS)."""

    heard: Tensor
    asked: Tensor


@final
class PerformerPolicy(Policy):
    """inputs, held_out: of one generator, whose weights `net` has (`load_performer`)."""

    def __init__(self, net: PerformerNet, inputs: Sequence[Speaking], held_out: Sequence[Speaking],
                 scoring: Scoring, device: str = "cpu") -> None:  # fmt: skip
        self.module = net.to(device).eval()
        self.inputs, self.held_out, self.scoring = inputs, held_out, scoring
        self._asked: dict[Speaking, tuple[Asked, ...]] = {}

    def part(self, given: Any, drawn: Sequence[Tensor]) -> Part | None:
        if len(drawn) == given.seconds:
            return None
        asked = self._told(given)[len(drawn)]
        like = self.like()
        values = like.new_zeros((len(drawn[-1]) if drawn else 1, FRAMES, len(LATENT)))
        if drawn:
            values[:, :BEFORE] = drawn[-1][:, -BEFORE:]
        return Part(asked, (FRAMES, len(LATENT)), GIVEN, values, Sampling().deviations)

    def velocity(self, x: Tensor, t: Tensor, condition: Asked) -> Tensor:
        # contiguous: torch multiplies what is only expanded in another order where the weights are
        # frozen, and the reference of adapters would differ in its last bits
        heard, asked = (
            value.expand(len(x), -1, -1).contiguous()
            for value in (condition.heard, condition.asked)
        )
        made: Tensor = self.module(x, t, heard, asked)
        return made

    def sent(self, given: Any, drawn: Sequence[Tensor], row: int) -> Any:
        return [part[row, BEFORE:].float().cpu().numpy() for part in drawn]

    def _told(self, given: Speaking) -> tuple[Asked, ...]:
        if given not in self._asked:
            voice, like = voice_of(given), self.like()
            performance = Performance(voice.opening, options=given.options)
            numbers = [performance.asks(told, k * CHUNK) for k, told in enumerate(voice.chunks)]
            self._asked[given] = tuple(
                Asked(*(torch.from_numpy(part)[None].to(like) for part in pair)) for pair in numbers
            )
        return self._asked[given]


def load_performer(models: Path | None = None) -> PerformerNet:
    """The network of the generator that ships, or of a folder of models.

    Raises ModelUnavailable when there is none, or it is of another version.
    """
    name = "performer.safetensors"
    path = models / name if models else Path(str(files("enliven.models").joinpath(name)))
    try:
        with safe_open(path, "pt") as stored:
            sizes = re.fullmatch(r"Shape\(width=(\d+), depth=(\d+), heads=(\d+), drop=(.+)\)",
                                 stored.metadata()["shape"])  # fmt: skip
            weights = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
        if sizes is None:
            raise ValueError("the shape of its network is not told")
        width, depth, heads = (int(size) for size in sizes.groups()[:3])
        net = PerformerNet(Shape(width, depth, heads, float(sizes[4])))
        net.load_state_dict(weights)
    except Exception as error:
        raise ModelUnavailable(
            f"{path} cannot be used as weights of the performer ({str(error).splitlines()[0]}); "
            "give the folder `models` of a finished run of enliven train recipes.speech"
        ) from error
    return net


def export_performer(policy: PerformerPolicy, folder: Path, articulation: bytes,
                     settings: dict[str, str]) -> Path:  # fmt: skip
    """Write what the generator needs, adapters merged, weights in half precision; the folder.

    All processes call it, the first writes.
    """
    trained = policy.module
    state = {name: value.cpu().half() for name, value in merged_state(trained).items()}
    if place()[0]:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    net = PerformerNet(trained.shape)  # type: ignore[arg-type]
    net.load_state_dict({name: value.float() for name, value in state.items()})
    (folder / "articulation.onnx").write_bytes(articulation)
    onnx.save(to_onnx(net.eval(), settings), folder / "performer.onnx")
    weights = {name: value.contiguous() for name, value in state.items()}
    save_file(weights, folder / "performer.safetensors", settings | {"shape": repr(net.shape)})
    return folder
