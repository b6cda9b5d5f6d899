"""Post-train the motion generator on stored pairs: a file of `enliven prefer make` in, models out.

The same `dpo.prefer` would train any other `Policy`; this puts together the one that ships.
"""

import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from enliven.errors import BadOption
from enliven.motion.latent import LATENT
from enliven.motion.performer import FRAMES, OWN_LIPS
from enliven.reward.preferences import Candidate, Preference, read_preferences
from enliven.train.dpo import Pair, Preferring, Watching, prefer
from enliven.train.learner import Learner, writing
from enliven.train.parallel import join, leave, place
from enliven.train.performer_policy import PerformerPolicy, export_performer, load_performer
from enliven.train.performer_video import (
    Gathering,
    Showing,
    Speaking,
    gather_inputs,
    held_out,
    judged,
)
from enliven.train.posttrain import articulation_of, memory_mb
from enliven.train.prefer_import import LONGEST
from enliven.train.rollout import Place, draw_finished
from enliven.train.run import Progress
from enliven.train.workers import Score, Scoring, Task, score_one

log = logging.getLogger("enliven")


@dataclass(frozen=True)
class FromPairs:
    """Everything that decides what comes out, besides pairs and the first weights.

    config: its watching is of held-out photos and voices, and only where some are given.
    gathering, size, score, own_lips: see `posttrain.PostTraining`; own_lips is stated in the
        models.
    """

    config: Preferring = field(default_factory=Preferring)
    own_lips: float = OWN_LIPS
    gathering: Gathering = field(default_factory=Gathering)
    size: int = 192
    score: Score = field(default=judged, repr=False)  # its address would differ in every run

    def run(self, pairs: Path, out: Path, *, photos: Path | None = None,
            sounds: Path | None = None, models: Path | None = None, workers: int = 2,
            timeout: float = 300.0, device: str = "cpu", threads: int = 1,
            progress: Progress | None = None) -> Path:  # fmt: skip
        """Train; returns the folder of the models.

        They are those of the best evaluation where photos and sounds are given, folders of which
        some are held out, else those of the mean weights.
        pairs: as `prefer make` writes them.  out: of the run, continued if there is one; what
        every update saw is in updates.jsonl, and a report.html.  models: folder of the generator
        to begin with, None for the one that ships.  workers, timeout: see `loop.improve`.
        Raises BadOption with the line of a pair that cannot be used, BadMedia, OutputError,
        TrainingStopped.
        """
        torch.set_num_threads(threads)
        join(device)
        try:
            stored = load_pairs(pairs, models)
            config, policy = self._made(stored, photos, sounds, models, device)
            done = prefer(policy, stored, config, out, workers=workers, timeout=timeout,
                          progress=progress)  # fmt: skip
            if done.why:
                log.warning("stopped after %d updates: %s", done.updates, done.why)
            settings = {"config": repr(self), "own_lips": str(self.own_lips)}
            with writing(out):
                if place()[0] == 0:
                    lines = "".join(json.dumps(record) + "\n" for record in done.records)
                    (out / "updates.jsonl").write_text(lines, "utf-8")
                return export_performer(policy, out / "models", articulation_of(models), settings)
        finally:
            leave()

    def _made(self, pairs: list[Pair], photos: Path | None, sounds: Path | None,
              models: Path | None, device: str) -> tuple[Preferring, PerformerPolicy]:  # fmt: skip
        """What to do with what; nothing is watched without photos and sounds."""
        if (photos is None) != (sounds is None):
            raise BadOption("held-out inputs need photos and sounds; give both, or neither")
        policy = policy_of(pairs, models, device)
        if photos is None or sounds is None:
            return replace(self.config, watching=None), policy
        if self.config.watching is None:
            raise BadOption("the recipe watches no held-out inputs; leave out photos and sounds, "
                            "or give its Preferring a watching")  # fmt: skip
        _, policy.held_out, notes = gather_inputs(photos, sounds, self.gathering, models)
        for note in notes:
            log.warning("%s", note)
        policy.scoring = Scoring(Showing(self.size, self.own_lips), self.score, held_out)
        return self.config, policy

    def plan(self, pairs: Path, out: Path, *, photos: Path | None = None,
             sounds: Path | None = None, models: Path | None = None, workers: int = 2,
             device: str = "cpu", threads: int = 1) -> dict[str, Any]:  # fmt: skip
        """What a run would do, and how long: one pair is learned from, for real, and one
        held-out input is scored.

        Nothing is written.
        """
        torch.set_num_threads(threads)
        stored = load_pairs(pairs, models)
        config, policy = self._made(stored, photos, sounds, models, device)
        learner = Learner(policy.module, config.learning, config.adapting, config.seed)
        learner.start()
        policy.part(stored[0].given, ())  # the voice is heard once
        began = time.perf_counter()
        config.method.learn(policy, learner, stored[0], Place(config.seed, 0, 0), 1.0)
        seconds = time.perf_counter() - began
        updates = math.ceil(len(stored) * config.reuse / config.pairs)
        watched = watching_plan(policy, config.watching, updates, workers)
        hours = updates * config.pairs * seconds / 3600 + watched.get("evaluation_hours", 0.0)
        return {
            "pairs": len(stored), "updates": updates, "pairs_an_update": config.pairs,
            "parameters": sum(value.numel() for value in policy.module.parameters()),
            "adapter_rank": config.adapting.rank, "seconds_a_pair": round(seconds, 2),
            **watched, "hours": round(hours, 3), "memory_mb": round(memory_mb()),
        }  # fmt: skip


def watching_plan(policy: PerformerPolicy, watching: Watching | None, updates: int, workers: int
                  ) -> dict[str, float]:  # fmt: skip
    """What evaluations come to; {} without any.  One input is drawn and scored, for real."""
    if watching is None:
        return {}
    given = policy.held_out[0]
    parts = draw_finished(policy, watching.exploring, Place(watching.seed, 0, 0), given)
    task = Task(policy.sent(given, parts, 0), given, 0, evaluating=True)
    score_one(policy.scoring, task)  # portrait and networks are loaded once
    seconds = sum(score_one(policy.scoring, task).seconds.values())
    evaluations = 1 + math.ceil(updates / watching.every)
    hours = evaluations * len(policy.held_out) * seconds / max(1, workers) / 3600
    return {"held_out": len(policy.held_out), "evaluations": evaluations,
            "seconds_to_evaluate_a_sample": round(seconds, 2),
            "evaluation_hours": round(hours, 3)}  # fmt: skip


def policy_of(pairs: list[Pair], models: Path | None, device: str = "cpu") -> PerformerPolicy:
    """The generator, with the inputs of the pairs."""
    inputs = list(dict.fromkeys(pair.given for pair in pairs))
    return PerformerPolicy(load_performer(models), inputs, inputs[:1],
                           Scoring(Showing(), judged), device)  # fmt: skip


def load_pairs(path: Path, models: Path | None = None) -> list[Pair]:
    """What was drawn for the pairs of a file, to be learned by the generator of `models`.

    Raises BadMedia without the file, BadOption with the line that cannot be used.
    """
    stored = read_preferences(path)
    lines = [number for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
             if line.strip()]  # fmt: skip
    if not stored:
        raise BadOption(f"{path} holds no pairs; make some with enliven prefer make")
    known = [(number, each) for number, each in zip(lines, stored, strict=True)
             if each.chosen.motion and each.rejected.motion]  # fmt: skip
    if not known:
        raise BadOption(f"no pair of {path} states what was drawn for its videos, so nothing can "
                        "be learned; import them again without --no-measure, or make some with "
                        "enliven prefer make")  # fmt: skip
    if len(known) < len(stored):
        log.warning("%d of %d pairs are only to look at and are left out",
                    len(stored) - len(known), len(stored))  # fmt: skip
    return [_pair(path, number, each, models) for number, each in known]


def _pair(path: Path, line: int, stored: Preference, models: Path | None) -> Pair:
    again = "bring the media folder back, or make the preferences again"
    try:
        given = _given(path.parent, stored.chosen.made, models)
        if given != _given(path.parent, stored.rejected.made, models):
            raise ValueError("the two are of different inputs")
        rows = [
            _parts(path.parent, each, given.seconds) for each in (stored.chosen, stored.rejected)
        ]
    except KeyError as error:
        raise BadOption(f"{path}, line {line}: what it was made of does not state {error}; "
                        "make the file with enliven prefer make") from None  # fmt: skip
    except (OSError, ValueError, TypeError) as error:
        raise BadOption(f"{path}, line {line}: {error}; {again}") from None
    return Pair(given, tuple(torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True)))


def _given(folder: Path, made: Mapping[str, Any], models: Path | None) -> Speaking:
    seconds, sound = int(made["seconds"]), folder / made["sound"]
    if not 1 <= seconds <= LONGEST:
        raise ValueError(f"a clip of {seconds} s is not from 1 to {LONGEST} s long")
    if not sound.is_file():
        raise ValueError(f"{made['sound']} is missing")
    return Speaking(folder / made["photo"], sound.resolve(), 0.0, seconds, models=models)


def _parts(folder: Path, one: Candidate, seconds: int) -> np.ndarray:
    """(seconds, FRAMES, D) float32."""
    try:
        with np.load(folder / one.motion) as kept:
            parts = np.asarray(kept["parts"], np.float32)
    except Exception as error:
        raise ValueError(f"{one.motion} cannot be read ({error})") from error
    shape = (seconds, FRAMES, len(LATENT))
    if parts.shape != shape or not np.isfinite(parts).all():
        raise ValueError(f"{one.motion} holds no motion of this generator: shape {parts.shape} "
                         f"for {shape}, or numbers that are not finite")  # fmt: skip
    return parts
