"""What each choice of GRPO does, with a reward that costs nothing: the ablations of
docs/posttraining.md.

    python benchmarks/posttrain_ablation.py --photos photos --sounds voices --out runs

A judged video takes two seconds, so hundreds of runs of them are out of reach here.  These
runs are the same but for the video, which is a lamp: its brightness is how far the jaw is open.
The reward is how well that follows what `metrics.sync` expects of the voice.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from posttrain_runs import recipe

from enliven.metrics.sync import load_meter
from enliven.reward.compose import Reward, Term
from enliven.reward.statistics import estimate
from enliven.train.dpo import Dpo
from enliven.train.grpo import Grpo, Winners
from enliven.train.learner import Learning
from enliven.train.loop import Config, improve
from enliven.train.performer_policy import PerformerPolicy, load_performer
from enliven.train.performer_video import Gathering, Speaking, gather_inputs, motion_of, voice_of
from enliven.train.workers import Scoring
from enliven.types import INDEX, MOTION_FPS, Score, Scorecard, Video

WIDEST = 0.6  # opening of the jaw that is white
LAMP_PX = 16
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "as run": {},
    "eta 0.3": {"eta": 0.3},
    "eta 0.5": {"eta": 0.5},
    "eta 0.7": {"eta": 0.7},
    "window 2": {"window": 2},
    "window all": {"window": 7, "early": 1.0},
    "4 in a group": {"members": 4, "groups": 8},
    "16 in a group": {"members": 16, "groups": 2},
    "no KL": {"method": Grpo(updates=2, beta=0.0)},
    "KL 0.2": {"method": Grpo(updates=2, beta=0.2)},
    "KL 2": {"method": Grpo(updates=2, beta=2.0)},
    "KL 20": {"method": Grpo(updates=2, beta=20.0)},
    "KL 100": {"method": Grpo(updates=2, beta=100.0)},
    "winners": {"method": Winners(updates=2, share=0.25), "rate": 1e-3},
    "DPO": {"method": Dpo(updates=2)},
}


def lamp(sent: Sequence[NDArray], given: Speaking, seed: int) -> Video:
    """A video whose brightness is the opening of the jaw: `Scoring.decode`."""
    jaw = motion_of(sent, given, seed, 1.0).values[:, INDEX["jawOpen"]]
    light = np.clip(jaw / WIDEST * 255, 0, 255).astype(np.uint8)
    frames = (np.full((LAMP_PX, LAMP_PX, 3), value, np.uint8) for value in light)
    return Video(frames, MOTION_FPS)


def follows(video: Video, given: Speaking) -> Scorecard:
    """Correlation of the light with the opening that the voice lets expect: `Scoring.score`."""
    light = np.array([frame[0, 0, 0] for frame in video.frames], float)
    expected = _expected(given)[: len(light)]
    r = np.corrcoef(light, expected)[0, 1] if light.std() else 0.0
    return Scorecard({"follows": Score(float(r), -1.0, 1.0)})


@lru_cache(256)
def _expected(given: Speaking) -> NDArray[np.float64]:
    samples = voice_of(given).samples
    expected = load_meter().expect(samples, round(given.seconds * MOTION_FPS))
    return np.asarray(expected[:, 0], np.float64)  # of the lips' aperture


def config_of(changes: Mapping[str, Any], seed: int) -> Config:
    """The options of the runs, but for the reward and what is changed."""
    base = recipe("composite", seed).config
    own = {name: value for name, value in changes.items() if name not in ("method", "rate")}
    return replace(
        base,
        reward=Reward((Term("follows", 1.0, 0.01),)),
        method=changes.get("method", base.method),
        exploring=replace(base.exploring, **own),
        learning=Learning(rate=changes.get("rate", base.learning.rate), average=0.8),
        evaluate_every=3,
        save_every=base.iterations,
        held_out=(),
    )


def outcome(policy: PerformerPolicy, config: Config, folder: Path) -> list[float]:
    """Reward of held-out people before and after, spread within the first groups, last KL."""
    improve(policy, config, folder)
    state = torch.load(folder / "checkpoint.pt", weights_only=False)
    rewards = [2 * one["reward"] - 1 for one in state["evaluations"]]
    first, last = state["records"][0], state["records"][-1]
    return [rewards[0], rewards[-1], 2 * first["spread/follows"], last.get("KL", np.nan),
            last["time/sample"] + last["time/update"]]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=list(VARIANTS))
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--sounds", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    torch.set_num_threads(1)
    inputs, kept, _ = gather_inputs(given.photos, given.sounds, Gathering(seconds=3))
    print(f"{'':20s}gained by held-out people     spread  KL      seconds an iteration")
    for name in given.names:
        rows = []
        for seed in given.seeds:
            policy = PerformerPolicy(load_performer(), inputs, kept, Scoring(lamp, follows))
            with tempfile.TemporaryDirectory() as folder:
                rows.append(outcome(policy, config_of(VARIANTS[name], seed), Path(folder)))
        table = np.array(rows)
        gain = estimate(table[:, 1] - table[:, 0])
        spread, kl, seconds = table[:, 2:].mean(0)
        print(f"{name:20s}{gain.mean:+.4f} [{gain.low:+.4f} {gain.high:+.4f}]   {spread:.3f}   "
              f"{kl:.4f}  {seconds:.1f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
