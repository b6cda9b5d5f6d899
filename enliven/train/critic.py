"""Trains the sync critic (`enliven.metrics.critic`): which lips go with which voice.

    python -m enliven.train.critic --data CLIPS --out enliven/models/critic.onnx

CLIPS holds one folder a speaker with talking-face videos.  Give it none that a generator which
the critic shall judge was trained on.  Everything follows from the seed; a run that was stopped
goes on as if it never had been.
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from enliven.metrics.critic import (  # fmt: skip
    ROWS,
    SHIFTS,
    SyncCritic,
    levelled,
    mel_bands,
    relative,
    see_lips,
    see_mouths,
)
from enliven.train.critic_data import (
    SEGMENT,
    SyncClip,
    load_clips,
    loud_lips,
    loud_order,
    other_lips,
    other_mouths,
    other_voice,
    read_clips,
    save_clips,
    speech_starts,
)
from enliven.train.critic_net import Pair, as_tensor, contrast
from enliven.train.critic_onnx import to_onnx

Array = NDArray[np.float32]

SHARE = 0.5  # power of a speaker's number of clips by which the speaker counts
LENGTHS = (30, 61)  # frames of the windows learned from, the last one not included
SAVE_EVERY = 50  # steps
DECAY = 0.05  # of the weights


@dataclass(frozen=True)
class Config:
    """members: what each pair of networks sees.  faces: faces drawn from every clip's pixels.
    drop: share of numbers dropped inside."""

    members: tuple[str, ...] = ("lips", "lips", "lips", "mouths", "mouths")
    steps: int = 500
    batch: int = 32
    rate: float = 2e-3
    drop: float = 0.25
    faces: int = 16
    seed: int = 0


@dataclass(frozen=True)
class Faces:
    """The pixels of a clip as several people would show them, (T, *PICTURE) half precision."""

    seen: tuple[NDArray[np.float16], ...]


def faces_of(clips: Sequence[SyncClip], config: Config) -> list[Faces]:
    """Drawn once: pixels take longer to change than a network to learn from them."""
    rng = np.random.default_rng([config.seed, 99])
    return [
        Faces(tuple(other_mouths(clip.mouths, rng).astype(np.float16)
                    for _ in range(config.faces)))
        for clip in clips
    ]  # fmt: skip


def example(
    clip: SyncClip, faces: Faces | None, length: int, rng: np.random.Generator
) -> tuple[Array, Array, Array, int]:
    """Bands (B, 4 (SEGMENT + 2 SHIFTS)), what is seen with them, what a mouth would show that
    knows only loudness, and where a window of `length` frames begins."""
    first = int(rng.integers(len(clip.measures) - SEGMENT + 1))
    span = slice(first, first + SEGMENT)
    rows = slice(ROWS * first, ROWS * (first + SEGMENT + 2 * SHIFTS))
    heard = other_voice(clip, rng)[rows].T
    if faces is None:
        seen = other_lips(see_lips(clip.measures), rng)[span].T
        fake = other_lips(loud_lips(clip, rng), rng)[span].T
    else:
        one, other = (faces.seen[i] for i in rng.integers(len(faces.seen), size=2))
        size = np.exp(rng.normal(0, 0.2, 2))
        grain = 0.15 * rng.standard_normal((2, SEGMENT, *one.shape[1:]), np.float32)
        seen = size[0] * one[span] + grain[0]
        fake = size[1] * other[loud_order(clip)][span] + grain[1]
    start = speech_starts(clip, first, length, rng)
    return heard, np.asarray(seen, np.float32), np.asarray(fake, np.float32), start


def train(
    clips: Sequence[SyncClip], faces: Sequence[Faces], config: Config, number: int,
    checkpoint: Path, stop: int | None = None,
) -> Pair:  # fmt: skip
    """One member; continues from `checkpoint` where that exists.

    stop: step to stop at, as if interrupted there.
    """
    torch.manual_seed(1000 * config.seed + number)
    rng = np.random.default_rng([config.seed, number])
    net = Pair(config.members[number], config.drop)
    weights = list(net.parameters())
    optimizer = torch.optim.AdamW(weights, config.rate, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.rate, total_steps=config.steps, pct_start=0.1
    )
    parts = {"net": net, "optimizer": optimizer, "schedule": schedule}
    done = _resume(checkpoint, config, parts, rng)
    own = Counter(clip.speaker for clip in clips)
    odds = np.array([own[clip.speaker] ** (SHARE - 1) for clip in clips])
    odds /= odds.sum()
    # pixels take longer, and gain nothing from more at once
    count = config.batch // 2 if net.sees == "mouths" else config.batch
    started, average = time.time(), 0.0
    net.train()
    for step in range(done, config.steps):
        length = int(rng.integers(*LENGTHS))
        chosen = rng.choice(len(clips), count, p=odds)
        made = [
            example(clips[i], faces[i] if net.sees == "mouths" else None, length, rng)
            for i in chosen
        ]
        heard, seen, fake = (as_tensor(list(side)) for side in list(zip(*made, strict=True))[:3])
        starts = torch.tensor([row[3] for row in made])
        # real and false lips in one go, so that a batch norm cannot tell them apart
        real, false = net.eye(torch.cat([seen, fake])).chunk(2)
        loss = contrast(net.ear(heard), real, false, starts, length)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        average += (loss.item() - average) * max(0.02, 1 / (step - done + 1))
        if (step + 1) % SAVE_EVERY == 0 or step + 1 in (stop, config.steps):
            seconds = time.time() - started
            print(f"member {number} step {step + 1} loss {average:.3f} {seconds:.0f} s", flush=True)
            _save(checkpoint, config, parts, rng, step + 1)
        if step + 1 == stop:
            break
    return net.eval()


def _save(
    checkpoint: Path, config: Config, parts: dict[str, Any], rng: np.random.Generator, step: int
) -> None:
    hidden = checkpoint.with_suffix(".part")
    states = {name: part.state_dict() for name, part in parts.items()}
    torch.save({"config": asdict(config), "step": step, "random": torch.get_rng_state(),
                "dice": rng.bit_generator.state} | states, hidden)  # fmt: skip
    hidden.replace(checkpoint)


def _resume(
    checkpoint: Path, config: Config, parts: dict[str, Any], rng: np.random.Generator
) -> int:
    """Steps done before; everything is as it was then."""
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=False)
    if state["config"] != asdict(config):
        raise SystemExit(f"{checkpoint} was made with other options; choose another --work")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["random"])
    rng.bit_generator.state = state["dice"]
    return int(state["step"])


def spread_of(net: Pair, clips: Sequence[SyncClip]) -> tuple[float, float]:
    """How much a pair's numbers vary over the clips: of voices, and of lips, both > 0."""
    loud, wide = [], []
    with torch.no_grad():
        for clip in clips:
            bands = levelled(relative(clip.power @ mel_bands()))
            sight = see_lips(clip.measures).T
            if net.sees == "mouths":
                sight = see_mouths(clip.mouths, clip.known)
            loud.append(net.ear(as_tensor([bands.T])).var(-1).sum())
            wide.append(net.eye(as_tensor([sight])).var(-1).sum())
    return float(torch.stack(loud).mean().sqrt()), float(torch.stack(wide).mean().sqrt())


def accuracy(critic: SyncCritic, clips: Sequence[SyncClip], shift: int) -> float:
    """Share of whole clips in which true sound beats sound shifted by so many frames."""
    won = []
    for clip in clips:
        bands = levelled(relative(clip.power @ mel_bands()))
        seen = critic.look(bands, clip.measures, clip.mouths)
        curve = seen.curves(np.array([0]), len(clip.measures))[0]
        won += [curve[SHIFTS] > curve[SHIFTS - shift], curve[SHIFTS] > curve[SHIFTS + shift]]
    return float(np.mean(won))


def fit(clips: Sequence[SyncClip], work: Path, config: Config) -> onnx.ModelProto:
    """All members, as one graph.  work: folder for what a stopped run goes on from."""
    work.mkdir(parents=True, exist_ok=True)
    faces = faces_of(clips, config) if "mouths" in config.members else []
    members = [
        train(clips, faces, config, number, work / f"member{number}.pt")
        for number in range(len(config.members))
    ]
    settings = {
        "speakers": " ".join(sorted({clip.speaker for clip in clips})),
        "sees": " ".join(config.members),
        "config": repr(config),
    }
    return to_onnx(members, [spread_of(net, clips) for net in members], settings)


def main() -> None:
    parser = argparse.ArgumentParser(description="train the sync critic from talking-face videos")
    parser.add_argument("--data", type=Path, required=True, help="a folder of clips a speaker")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="checkpoints; beside --out by default")
    parser.add_argument("--held", default="", help="speaker to test on instead of learning from")
    parser.add_argument("--members", nargs="+", choices=("lips", "mouths"), default=Config.members)
    parser.add_argument("--steps", type=int, default=Config.steps)
    parser.add_argument("--seed", type=int, default=Config.seed)
    options = parser.parse_args()
    torch.set_num_threads(1)
    work = options.work or options.out.with_suffix(".work")
    work.mkdir(parents=True, exist_ok=True)
    kept = work / "clips.npz"
    if not kept.exists():
        save_clips(kept, list(read_clips(options.data)))
    clips = load_clips(kept)
    held = [clip for clip in clips if clip.speaker == options.held]
    config = Config(members=tuple(options.members), steps=options.steps, seed=options.seed)
    model = fit([clip for clip in clips if clip.speaker != options.held], work, config)
    hidden = options.out.with_suffix(".part")
    onnx.save(model, hidden)
    hidden.replace(options.out)
    print(f"{options.out}: {len(clips) - len(held)} clips")
    if held:
        critic = SyncCritic(options.out.read_bytes())
        told = "  ".join(f"+-{n}: {accuracy(critic, held, n):.3f}" for n in (1, 2, 3, 5, 8))
        print(f"{len(held)} clips of {options.held}, true sound above shifted: {told}")


if __name__ == "__main__":
    main()
