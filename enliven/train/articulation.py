"""Train the articulation network: what a voice does to the lips, from talking clips.

Several small networks are trained and their mean is taken.  Everything follows from the seed; a
run that was stopped goes on as if it never had been.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from enliven.metrics.lips import correlation
from enliven.motion.audio import MEL_BANDS
from enliven.motion.controls import CONTROLS
from enliven.motion.encoders import load_encoder
from enliven.train.articulation_data import (
    MEASURES,
    Clip,
    Example,
    batches,
    example,
    lip_basis,
    measure_matrix,
    seed_of,
    silent_example,
)
from enliven.train.articulation_net import REACH, ArticulationNet, Sizes, articulation_loss
from enliven.train.articulation_onnx import to_onnx

SAVE_EVERY = 50  # steps
SCALES = (0.05, 0.05, 0.02, 0.008, 0.025)  # typical deviation of each of MEASURES, IOD


@dataclass(frozen=True)
class Member:
    """One network of the ensemble and how it is trained."""

    width: int
    steps: int
    hide: float  # share of examples whose log-mel bands it is denied
    drop: float  # share of features dropped inside


# Small networks that hear little but phones carry over best to new voices, a larger one on all
# features tells most where a voice is like those of the training clips; the mean is better than
# any.  All are trained briefly: with more steps they learn their few speakers by heart.
MEMBERS = (
    Member(width=64, steps=300, hide=1.0, drop=0.5),
    Member(width=64, steps=300, hide=1.0, drop=0.5),
    Member(width=64, steps=600, hide=0.5, drop=0.3),
    Member(width=128, steps=700, hide=0.2, drop=0.3),
    Member(width=128, steps=900, hide=0.2, drop=0.3),
)


@dataclass(frozen=True)
class Config:
    members: tuple[Member, ...] = MEMBERS
    batch: int = 24
    frames: int = 56  # motion frames of a training window
    rate: float = 1.5e-3  # peak learning rate
    voices: int = 12  # other voices made of each clip of a speaker with few clips
    big_speaker: int = 300  # clips used of a speaker with many, each in two voices
    encoder: str = ""  # another speech encoder (motion.encoders) instead of bands and phones
    layer: int = -1  # of that encoder
    seed: int = 0


def make_examples(clips: Sequence[Clip], config: Config) -> list[Example]:
    """Every clip in its own and in other voices, and noise to rest in."""
    ears = load_encoder(config.encoder, config.layer).features if config.encoder else None
    examples = []
    for speaker in sorted({clip.speaker for clip in clips}):
        own = [clip for clip in clips if clip.speaker == speaker]
        voices = config.voices if len(own) < 20 else 5 if len(own) < 100 else 1
        kept = np.linspace(0, len(own) - 1, min(len(own), config.big_speaker)).round().astype(int)
        for clip in (own[i] for i in kept):
            examples.append(example(clip, ears=ears))
            examples += [
                example(clip, np.random.default_rng(seed_of(config.seed, clip.name, voice)), ears)
                for voice in range(voices)
            ]
    rng = np.random.default_rng(seed_of(config.seed, "noise"))
    return examples + [silent_example(rng, ears=ears) for _ in range(60)]


def train(
    examples: Sequence[Example],
    config: Config,
    number: int,
    checkpoint: Path,
    stop: int | None = None,
) -> ArticulationNet:
    """One member of the ensemble; continues from `checkpoint` where that exists.

    stop: step to stop at, as if interrupted there.
    """
    member = config.members[number]
    seed = seed_of(config.seed, number)
    torch.manual_seed(seed)
    width = examples[0].features.shape[1]
    net = ArticulationNet(Sizes(member.width, member.drop, width))
    optimizer = torch.optim.AdamW(net.parameters(), config.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.rate, total_steps=member.steps, pct_start=0.1
    )
    done = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=False)
        if state["config"] != asdict(config):
            raise SystemExit(f"{checkpoint} was made with other options; choose another --out")
        done = state["step"]
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
    basis, measure = torch.from_numpy(lip_basis()), torch.from_numpy(measure_matrix())
    scale = torch.tensor(SCALES)
    net.train()
    started, average = time.time(), 0.0
    source = batches(examples, config.batch, config.frames, seed, member.hide)
    for step in range(member.steps):
        heard, controls, shape = (torch.from_numpy(np.ascontiguousarray(x)) for x in next(source))
        if step < done:  # the same batches as in a run that was never stopped
            continue
        loss = articulation_loss(net(heard), controls, shape, basis, measure, scale)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average += (loss.item() - average) * max(0.02, 1 / (step - done + 1))
        if (step + 1) % SAVE_EVERY == 0 or step + 1 in (stop, member.steps):
            seconds = time.time() - started
            print(f"member {number} step {step + 1} loss {average:.3f} {seconds:.0f} s", flush=True)
            hidden = checkpoint.with_suffix(".part")
            torch.save({"config": asdict(config), "step": step + 1, "net": net.state_dict(),
                        "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
                        "random": torch.get_rng_state()}, hidden)  # fmt: skip
            hidden.replace(checkpoint)
        if step + 1 == stop:
            break
    if (
        member.hide == 1 and not config.encoder
    ):  # never heard the bands, so it must not start to now
        with torch.no_grad():
            net.hear[0].weight[:, :MEL_BANDS] = 0
    return net.eval()


def predict(members: Sequence[ArticulationNet], item: Example) -> np.ndarray:
    """Controls (T, K), the mean of the members."""
    heard = torch.from_numpy(item.features.astype(np.float32).T[None])
    with torch.no_grad():
        return torch.stack([net(heard)[0, :-1] for net in members]).mean(0).T.numpy()


def evaluate(
    members: Sequence[ArticulationNet], examples: Sequence[Example]
) -> dict[str, np.ndarray]:
    """Correlation of each of MEASURES with the real clip, for each example by name."""
    basis, measure = lip_basis(), measure_matrix()
    rows = {}
    for item in examples:
        made, real = predict(members, item) @ basis @ measure, item.shape @ measure
        rows[item.name] = np.array([correlation(a, b) for a, b in zip(made.T, real.T, strict=True)])
    return rows


def fit(examples: Sequence[Example], tested: Sequence[Clip], folder: Path, config: Config
        ) -> Path:  # fmt: skip
    """Train all members and write `folder`/articulation.onnx, which is returned.

    tested: clips none of the examples come from; how well they are told is printed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / "articulation.onnx"
    if made.exists():
        return made
    members = [
        train(examples, config, number, folder / f"member{number}.pt")
        for number in range(len(config.members))
    ]
    ears = load_encoder(config.encoder, config.layer).features if config.encoder else None
    rows = evaluate(members, [example(clip, ears=ears) for clip in tested])
    for speaker in sorted({clip.speaker for clip in tested}):
        table = np.array([rows[clip.name] for clip in tested if clip.speaker == speaker])
        middle = zip(MEASURES, np.median(table, 0), strict=True)
        told = "  ".join(f"{name} {value:.2f}" for name, value in middle)
        print(f"{speaker}: {len(table)} clips never heard, median r: {told}", flush=True)
    settings = {
        "controls": " ".join(CONTROLS),
        "reach": str(REACH),
        "aperture": " ".join(f"{x:.5f}" for x in lip_basis() @ measure_matrix()[:, 0]),
        "held_out": " ".join(clip.name for clip in tested),
        "speakers": " ".join(sorted({e.speaker for e in examples if e.speaker != "noise"})),
        "encoder": config.encoder,
        "layer": str(config.layer),
        "config": repr(config),
    }
    hidden = made.with_suffix(".part")
    onnx.save(to_onnx(members, settings), hidden)
    hidden.replace(made)
    return made
