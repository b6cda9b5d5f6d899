"""The runs that `posttrain.py` tells of: one generator, made better in different ways.

    python benchmarks/posttrain_runs.py --photos photos --sounds voices --out runs

Every way gets as many judged videos, 32 in each of 6 iterations.  A run that was stopped goes on,
a finished one is left as it is unless --iterations asks for more.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from enliven.motion.performer import OWN_LIPS
from enliven.reward.compose import FLOWPORTRAIT, JUDGE_ONLY, Reward, Term, without
from enliven.train.adapter import Adapting
from enliven.train.dpo import Dpo
from enliven.train.grpo import Grpo, Winners
from enliven.train.learner import Learning
from enliven.train.loop import Config
from enliven.train.performer_policy import PerformerPolicy, export_performer, load_performer
from enliven.train.performer_video import Gathering, Showing, judged
from enliven.train.posttrain import PostTraining, articulation_of
from enliven.train.rollout import Exploring
from enliven.train.workers import Scoring

# lips and voice as one network sees them, without an end: what sync confidences are used for
LIPS = Reward((Term("lip_sync", 0.5, 0.03), Term("match", 0.5, 0.006)))
UNGATED = replace(FLOWPORTRAIT, gates=())
GRPO, WINNERS, DPO = Grpo(updates=2), Winners(updates=2, share=0.25), Dpo(updates=2)
# each method's own best of 1e-4, 3e-4 and 1e-3, with the reward of posttrain_ablation.py
RATES = {Grpo: 3e-4, Winners: 1e-3, Dpo: 3e-4}

Row = tuple[Reward, Grpo | Winners | Dpo]

# rows of the table
ROWS: dict[str, Row] = {
    "composite": (FLOWPORTRAIT, GRPO),
    "lip-only": (LIPS, GRPO),
    "judge-only": (JUDGE_ONLY, GRPO),
    "winners": (FLOWPORTRAIT, WINNERS),
    "dpo": (FLOWPORTRAIT, DPO),
}
# the composite with one guard taken away
UNGUARDED: dict[str, Row] = {
    "no gates": (UNGATED, GRPO),
    "no texture": (without(FLOWPORTRAIT, "texture"), GRPO),
    "no sync": (without(FLOWPORTRAIT, "sync", "lip_sync"), GRPO),
    "no anchor": (FLOWPORTRAIT, replace(GRPO, beta=0.0, growth=0.0)),
}
# where users begin, its lips shown as they see them, and held twenty times as near to it
ANCHORED: dict[str, Row] = {"anchored": (FLOWPORTRAIT, replace(GRPO, beta=20.0))}
RUNS = ROWS | UNGUARDED | ANCHORED
# the mean of the seeds of a row, and the share of its own lips that is shown
MEANS = {
    "mean": ("composite", 1.0),
    "mean, lips 0.3": ("composite", OWN_LIPS),
    "winners mean, lips 0.3": ("winners", OWN_LIPS),
    "anchored mean": ("anchored", OWN_LIPS),
}
ITERATIONS = 6


def recipe(name: str, seed: int, iterations: int = ITERATIONS) -> PostTraining:
    """A run by name."""
    reward, method = RUNS[name]
    config = Config(
        reward=reward,
        method=method,
        # of 8 steps the first two decide; see enliven/train/performer_policy.py
        exploring=Exploring(members=8, groups=4, steps=8, eta=1.0, window=1, early=0.25),
        learning=Learning(rate=RATES[type(method)], average=0.8),
        adapting=Adapting(0),
        iterations=iterations,
        evaluate_every=4,
        held_out=("agreement",),
        seed=seed,
    )
    # at the usual own_lips a reward hardly sees what the lips do
    own_lips = OWN_LIPS if name in ANCHORED else 1.0
    return PostTraining(config, Gathering(seconds=3), size=192, own_lips=own_lips)


def iterations_done(out: Path) -> int:
    """Of the run in a folder, when it was finished; 0 otherwise."""
    if not (out / "last" / "performer.onnx").exists():
        return 0
    return int(torch.load(out / "checkpoint.pt", weights_only=False)["iteration"])


def last(made: PostTraining, out: Path) -> Path:
    """The generator at the end of a run, whatever evaluations said: `out`/last."""
    state = torch.load(out / "checkpoint.pt", weights_only=False)
    net = load_performer()
    net.load_state_dict(dict(net.state_dict()) | state["learner"]["mean"])
    policy = PerformerPolicy(net, [], [], Scoring(Showing(), judged))
    settings = {"config": repr(made), "own_lips": str(made.own_lips)}
    return export_performer(policy, out / "last", articulation_of(None), settings)


def mean_of(name: str, out: Path) -> None:
    """Generators whose weights are the mean of those at the end of a row's runs.

    Weights that began alike and were trained a little may be averaged (model soups, Wortsman et
    al., arXiv 2203.05482); what a seed learned by chance mostly cancels.
    """
    found = sorted(out.glob(f"{folder_name(name)}-[0-9]*/last"))
    if not found:
        return
    states = [load_performer(folder).state_dict() for folder in found]
    net = load_performer()
    net.load_state_dict({key: torch.stack([state[key].float() for state in states]).mean(0)
                         for key in states[0]})  # fmt: skip
    policy = PerformerPolicy(net, [], [], Scoring(Showing(), judged))
    told = f"mean of {len(found)} runs: {recipe(name, 0)!r}"
    for mean, (row, own_lips) in MEANS.items():
        if row == name:
            settings = {"config": told, "own_lips": str(own_lips)}
            print(export_performer(policy, out / folder_name(mean), articulation_of(None),
                                   settings))  # fmt: skip


def folder_name(name: str) -> str:
    return name.replace(",", "").replace(" ", "-")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(ROWS), help=f"of {', '.join(RUNS)}")
    parser.add_argument("--photos", type=Path, default=Path("photos"))
    parser.add_argument("--sounds", type=Path, default=Path("sounds"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="take every so many of the runs")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--mean", action="store_true", help="only average what there is")
    given = parser.parse_args()
    if given.mean:
        for name in sorted({row for row, _ in MEANS.values()}):
            mean_of(name, given.out)
        return
    wanted = [(name, seed) for seed in given.seeds for name in given.names]
    for name, seed in wanted[given.first :: given.every]:
        out = given.out / f"{folder_name(name)}-{seed}"
        if iterations_done(out) < given.iterations:
            print(f"{name}, seed {seed}", flush=True)
            made = recipe(name, seed, given.iterations)
            made.run(given.photos, given.sounds, out, workers=given.workers)
            last(made, out)


if __name__ == "__main__":
    main()
