"""Post-train the motion generator: photos and voices in, a folder of better models out.

The same `loop` would train any other `Policy`; this puts together the one that ships.
"""

import logging
import resource
import time
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from enliven.motion.performer import OWN_LIPS
from enliven.train.learner import writing
from enliven.train.loop import Config, improve
from enliven.train.parallel import join, leave
from enliven.train.performer_policy import PerformerPolicy, export_performer, load_performer
from enliven.train.performer_video import Gathering, Showing, gather_inputs, held_out, judged
from enliven.train.rollout import For, Place, draw_group, frozen, sent
from enliven.train.run import Progress
from enliven.train.workers import Score, Scoring, Task, score_one

MEGABYTE = 2**20

log = logging.getLogger("enliven")


@dataclass(frozen=True)
class PostTraining:
    """Everything that decides what comes out, besides photos, voices and the first weights.

    config: of the run.  gathering: which inputs are made of photos and voices.
    size: of the videos that are scored, px.  score: what is scored of them.
    own_lips: share that is shown of what the performer's lips do otherwise than expected, in
        training and, stated in the models, ever after; at the usual one a reward hardly sees lips.
    """

    config: Config
    gathering: Gathering = field(default_factory=Gathering)
    size: int = 192
    score: Score = field(default=judged, repr=False)  # its address would differ in every run
    own_lips: float = OWN_LIPS

    def run(self, photos: Path, sounds: Path, out: Path, *, models: Path | None = None,
            workers: int = 2, timeout: float = 300.0, device: str = "cpu", threads: int = 1,
            progress: Progress | None = None) -> Path:  # fmt: skip
        """Train; returns the folder of the models, those of the best evaluation.

        photos, sounds: folders, or one file each.  out: of the run, continued if there is one.
        models: folder of the generator to begin with, None for the one that ships.
        Raises BadMedia, BadOption, OutputError, TrainingStopped.
        """
        torch.set_num_threads(threads)
        join(device)
        try:
            policy = self.policy(photos, sounds, models, device)
            improve(policy, self.config, out, workers=workers, timeout=timeout, progress=progress)
            settings = {"config": repr(self), "own_lips": str(self.own_lips)}
            with writing(out):
                export_performer(policy, out / "models", articulation_of(models), settings)
        finally:
            leave()
        return out / "models"

    def policy(self, photos: Path, sounds: Path, models: Path | None, device: str = "cpu"
               ) -> PerformerPolicy:  # fmt: skip
        inputs, kept, notes = gather_inputs(photos, sounds, self.gathering, models)
        for note in notes:
            log.warning("%s", note)
        scoring = Scoring(Showing(self.size, self.own_lips), self.score, held_out)
        return PerformerPolicy(load_performer(models), inputs, kept, scoring, device)

    def plan(self, photos: Path, sounds: Path, out: Path, *, models: Path | None = None,
             workers: int = 2, timeout: float = 300.0, device: str = "cpu", threads: int = 1
             ) -> dict[str, Any]:  # fmt: skip
        """What a run would do, and how long: one group is drawn, one sample scored, for real.

        Nothing is written.
        """
        torch.set_num_threads(threads)
        policy = self.policy(photos, sounds, models, device)
        exploring = self.config.exploring
        where = Place(self.config.seed, 0, 0)
        began = time.perf_counter()
        group = draw_group(policy, exploring, where, policy.inputs[0])
        frozen(policy, group)
        drawn = time.perf_counter() - began
        task = Task(sent(policy, group)[0], policy.inputs[0], where.number(For.DECODING))
        score_one(policy.scoring, task)  # portrait and networks are loaded once
        scored = score_one(policy.scoring, replace(task, evaluating=True)).seconds
        seconds = scored["decode"] + scored["score"]
        samples = exploring.members * exploring.groups
        # an update computes each noisy step three times, with gradients twice as dear
        an_iteration = exploring.groups * 2 * drawn + samples * seconds / max(1, workers)
        evaluations = self.config.iterations // self.config.evaluate_every + 1
        hours = (self.config.iterations * an_iteration + evaluations * len(policy.held_out)
                 * sum(scored.values()) / max(1, workers)) / 3600  # fmt: skip
        weights = sum(value.numel() for value in policy.module.parameters())
        return {
            "inputs": len(policy.inputs), "held_out": len(policy.held_out),
            "iterations": self.config.iterations, "samples_an_iteration": samples,
            "seconds_of_video": self.gathering.seconds, "size_px": self.size,
            "parameters": weights, "adapter_rank": self.config.adapting.rank,
            "seconds_to_draw_a_group": round(drawn, 2),
            "seconds_to_decode_a_sample": round(scored["decode"], 2),
            "seconds_to_score_a_sample": round(scored["score"], 2),
            "workers": workers, "hours": round(hours, 2),
            "memory_mb": round((1 + workers) * memory_mb()),
        }  # fmt: skip


def memory_mb() -> float:
    """Most memory this process had; a worker, without torch, needs less."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE


def articulation_of(models: Path | None) -> bytes:
    """The network that comes with the performer; it is not post-trained."""
    folder = models or files("enliven.models")
    return folder.joinpath("articulation.onnx").read_bytes()
