"""Candidates of the same input, rendered and judged, and the pairs they make.

`enliven prefer make`: for each photo and seconds of a voice several performances are drawn, by
the generator that ships and others, with different random numbers and settings; each becomes a
video as users get it, is judged on two axes, and the best is paired with the worst
(`reward.preferences`).  Without torch, in reward workers.

    OUT/plan.json          what was asked for; another plan needs another folder
    OUT/candidates.jsonl   every candidate with all that was scored
    OUT/pairs.jsonl        the pairs; people's votes are added to it
    OUT/media/             NAME.mp4 to look at, NAME.npz to learn from, INPUT.wav the voice
    OUT/blind/one, two     the candidates of each pair as strips of pictures, for people to judge

Legend: N frames of a chunk with those before it, D latent columns.
"""

import json
import logging
import wave
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.animate import save_video
from enliven.errors import BadOption, OutputExists
from enliven.media.audio import SPEECH_RATE
from enliven.media.files import writing
from enliven.motion.chunks import BEFORE, CHUNK
from enliven.motion.generator import Generator, load_session, open_session
from enliven.motion.latent import LATENT, UNITS, latent_matrix
from enliven.motion.performer import Performer, Sampling
from enliven.motion.stream import Performance
from enliven.reward.preferences import (
    Candidate,
    Selection,
    read_preferences,
    select,
    write_preferences,
)
from enliven.train.performer_video import (
    Gathering,
    Showing,
    Speaking,
    gather_inputs,
    judged,
    motion_of,
    voice_of,
)
from enliven.train.workers import Score as Scorer
from enliven.train.workers import Scored, Scoring, Task, Workers, strip_of
from enliven.types import MOTION_FPS, Score, Scorecard, Video

ALIGNMENT = ("lip_sync", "motion")
FIDELITY = ("texture", "identity", "jitter", "background")
LEAST_CHECKS = 2  # of FIDELITY that must hold for a number
# Five candidates of the generator that ships, of one photo and two voices, differ by 0.07 and 0.13
# between best and worst: its settings are all sound, and few pairs would be further apart.
MARGIN = 0.05

# What candidates are drawn with, in turn.
WARM = {"mouth": 1.0, "brows": 1.0, "eyes": 1.0, "head": 1.0}
CALM = {"mouth": 0.2, "brows": 0.6, "eyes": 0.6, "head": 0.6}
SETTINGS = (
    Sampling(), Sampling(speech_guidance=1.5), Sampling(temperature=WARM), Sampling(steps=4),
    Sampling(temperature=CALM),
)  # fmt: skip

Array = NDArray[np.float32]
Progress = Callable[[str, int, int], object]
log = logging.getLogger("enliven")


@dataclass(frozen=True)
class Making:
    """count: candidates of an input.  gathering: which inputs are made of photos and sounds.
    size: of the videos, px.  selection: which candidates make a pair; it alone may change in a
    folder that is continued.  seed: of all that is drawn.
    """

    count: int = 5
    gathering: Gathering = field(default_factory=lambda: Gathering(inputs=16))
    size: int = 192
    selection: Selection = field(default_factory=lambda: Selection(MARGIN))
    seed: int = 0


@dataclass(frozen=True)
class Wanted:
    """A candidate to make.  seed: of its draws; events such as blinks are those of the input.
    file: of its media, without suffix."""

    speaking: Speaking
    sampling: Sampling
    seed: tuple[int, ...]
    file: Path


@dataclass(frozen=True)
class Performing:
    """Draws, renders and keeps a candidate: `Scoring.decode`."""

    size: int

    def __call__(self, sent: Any, given: Wanted, seed: int) -> Video:
        performer, speaking = _performer(given.speaking.models), given.speaking
        parts = drawn(given)
        shown = list(parts[:, BEFORE:])
        video = Showing(self.size, performer.own_lips)(shown, speaking, seed)
        frames = list(video.frames)
        energy = energy_of(motion_of(shown, speaking, seed, performer.own_lips).values)
        with writing(given.file):
            np.savez(given.file.with_suffix(".npz"), parts=parts, energy=energy)
            cv2.imwrite(str(given.file.with_suffix(".png")), strip_of(frames)[..., ::-1])  # type: ignore[index]
        save_video(given.file.with_suffix(".mp4"), frames, video.fps, sound=speaking.sound,
                   overwrite=True)  # fmt: skip
        return replace(video, frames=iter(frames))


@dataclass(frozen=True)
class Judging:
    """Scores a candidate: `Scoring.score`."""

    score: Scorer

    def __call__(self, video: Video, given: Wanted) -> Scorecard:
        card = self.score(video, given.speaking)
        with np.load(given.file.with_suffix(".npz")) as kept:
            energy = Score(float(kept["energy"]), 0.0, float("inf"))
        return replace(card, scores={**card.scores, "energy": energy})


def make_preferences(photos: Path, sounds: Path, out: Path, making: Making = Making(), *,
                     models: Sequence[Path] = (), workers: int = 2, timeout: float = 300.0,
                     score: Scorer = judged, progress: Progress | None = None) -> Path:  # fmt: skip
    """Make candidates and pairs; returns the file of pairs.

    photos, sounds: folders, or one file each.  out: a new folder, or one of the same plan, which
    is continued; what is in it stays.  models: folders of further generators.
    Raises BadMedia, OutputExists, OutputError, ModelUnavailable, and BadOption where no two
    candidates make a pair.
    """
    generators = [None, *(folder.resolve() for folder in models)]
    for generator in generators:
        _performer(generator)  # for what it raises
    inputs, _, notes = gather_inputs(photos, sounds, making.gathering)
    for note in notes:
        log.warning("%s", note)
    settings = {key: value for key, value in asdict(making).items() if key != "selection"}
    plan = {"making": settings, "generators": [str(g) for g in generators],
            "inputs": [[str(i.photo), str(i.sound), i.start] for i in inputs]}  # fmt: skip
    media = _opened(out, json.loads(json.dumps(plan))) / "media"
    rows = _read(out / "candidates.jsonl")
    known = {row["name"] for row in rows}
    with Workers(Scoring(Performing(making.size), Judging(score)), workers, timeout) as crew:
        for number, given in enumerate(inputs):
            if progress:
                progress("inputs", number, len(inputs))
            name = f"{number:04d}"
            kept = replace(_voice(given, media / f"{name}.wav"), photo=given.photo.resolve())
            wanted = {}
            for k in range(making.count):
                folder = generators[k % len(generators)]
                sampling = SETTINGS[k // len(generators) % len(SETTINGS)]
                one = Wanted(replace(kept, models=folder), sampling, (making.seed, number, k),
                             media / f"{name}-{k}")  # fmt: skip
                if one.file.name not in known:
                    wanted[k] = one
                    crew.submit(k, Task(None, one, number))
            done = crew.collect()
            rows += [_row(wanted[k], name, scored) for k, scored in sorted(done.items())
                     if not _failed(wanted[k], scored)]  # fmt: skip
            if wanted:
                _write(out / "candidates.jsonl", rows)
    if progress:
        progress("inputs", len(inputs), len(inputs))
    return _paired(out, rows, making.selection)


def drawn(wanted: Wanted) -> Array:
    """What the generator draws for a candidate: (chunks, N, D), each with the frames before."""
    voice, performer = voice_of(wanted.speaking), _performer(wanted.speaking.models)
    performance = Performance(voice.opening, options=wanted.speaking.options)
    before, parts = np.zeros((BEFORE, len(LATENT)), np.float32), []
    for number, told in enumerate(voice.chunks):
        heard, asked = performance.asks(told, number * CHUNK)
        velocity = performer.velocity(heard[None], asked[None], wanted.sampling)
        rng = np.random.default_rng([*wanted.seed, number])
        made = performer.draw(before, velocity, rng, wanted.sampling)
        parts.append(np.concatenate([before, made]))
        before = parts[-1][-BEFORE:]
    return np.stack(parts).astype(np.float32)


def energy_of(values: NDArray) -> float:
    """How fast a face moves: root mean square of its channels' speeds, (T, C) frames at 25 Hz.

    In the deviations that each has while people talk, a second; blinks and glances, which come
    by chance, do not count.
    """
    units = latent_matrix().T @ UNITS
    moving = units > 0
    speeds = np.diff(values[:, moving], axis=0) * MOTION_FPS / units[moving]
    return float(np.sqrt(np.mean(speeds**2)))


def axes_of(scores: Mapping[str, Score]) -> tuple[float, float]:
    """Alignment and fidelity, 1 to 5; NaN for what cannot be told."""
    told = {name: s.value for name, s in scores.items() if s.valid and np.isfinite(s.value)}
    alignment = [told[name] for name in ALIGNMENT if name in told]
    checks = [told[name] for name in FIDELITY if name in told]
    return (float(np.mean(alignment)) if len(alignment) == len(ALIGNMENT) else np.nan,
            1 + 4 * float(np.mean(checks)) if len(checks) >= LEAST_CHECKS else np.nan)  # fmt: skip


@lru_cache(4)
def _performer(models: Path | None) -> Performer:
    if models:
        Generator.load(models)  # for what it raises
    name = "performer.onnx"
    return Performer(open_session((models / name).read_bytes()) if models else load_session(name))


def _voice(given: Speaking, path: Path) -> Speaking:
    """The input with its seconds of sound in a file of their own."""
    if not path.exists():
        samples = voice_of(given).samples
        hidden = path.with_suffix(".part")
        with writing(path), wave.open(str(hidden), "wb") as file:
            file.setparams((1, 2, SPEECH_RATE, 0, "NONE", ""))
            file.writeframes((samples.clip(-1, 1) * 32767).round().astype("<i2").tobytes())
        hidden.replace(path)
    return replace(given, sound=path.resolve(), start=0.0)


def _failed(wanted: Wanted, scored: Scored) -> bool:
    if scored.why:
        log.warning("candidate %s is left out: %s", wanted.file.name, scored.why)
    return bool(scored.why)


def _row(wanted: Wanted, name: str, scored: Scored) -> dict[str, Any]:
    scores = scored.card.scores
    alignment, fidelity = axes_of(scores)
    speaking, file = wanted.speaking, f"media/{wanted.file.name}"
    made = {
        "generator": str(speaking.models or "shipped"), "sampling": asdict(wanted.sampling),
        "seed": list(wanted.seed), "photo": str(speaking.photo), "sound": f"media/{name}.wav",
        "seconds": speaking.seconds,
    }  # fmt: skip
    one = Candidate(name, wanted.file.name, f"{file}.npz", f"{file}.mp4", alignment, fidelity,
                    scores["energy"].value, made)  # fmt: skip
    told = {key: s.value for key, s in scores.items() if s.valid and np.isfinite(s.value)}
    return {key: None if value != value else value for key, value in asdict(one).items()} | {
        "scores": told, "judge": scored.card.judge}  # fmt: skip


def _candidate(row: Mapping[str, Any]) -> Candidate:
    axes = {key: np.nan if row[key] is None else row[key] for key in ("alignment", "fidelity")}
    kept = {key: value for key, value in row.items() if key not in ("scores", "judge")}
    return Candidate(**(kept | axes))


def _paired(out: Path, rows: Sequence[Mapping[str, Any]], selection: Selection) -> Path:
    """Adds pairs of inputs that have none; those that are there, and votes, stay."""
    path = out / "pairs.jsonl"
    before = read_preferences(path) if path.exists() else []
    paired = {pair.chosen.input for pair in before if pair.source == "judge"}
    names = sorted({row["judge"] for row in rows})
    made = select([_candidate(row) for row in rows if row["input"] not in paired],
                  ", ".join(names), selection)  # fmt: skip
    if not before and not made:
        known = sum(np.isfinite(_candidate(row).reward) for row in rows)
        raise BadOption(
            f"{known} of {len(rows)} candidates could be judged on both axes, and no two of one "
            f"input differ by more than {selection.margin:g} and move about as much; all are kept "
            f"in {out}: run again with a smaller --margin, or elsewhere with more --seconds"
        )
    for side in ("one", "two"):
        (out / "blind" / side).mkdir(parents=True, exist_ok=True)
    for pair in made:
        for side, shown in (("one", pair.chosen), ("two", pair.rejected)):
            strip = (out / "media" / f"{shown.name}.png").read_bytes()
            (out / "blind" / side / f"{shown.input}.png").write_bytes(strip)
    if made:
        write_preferences(path, made, add=True)
    log.info("%d candidates of %d inputs made %d pairs", len(rows),
             len({row["input"] for row in rows}), len(before) + len(made))  # fmt: skip
    return path


def _opened(out: Path, plan: Mapping[str, Any]) -> Path:
    """The folder, if it is new, empty, or of this plan."""
    path = out / "plan.json"
    with writing(out):
        if path.exists():
            if json.loads(path.read_text("utf-8")) != plan:
                raise OutputExists(f"{out} was made of other photos, sounds or settings; choose "
                                   "another --out, or those it was made with")  # fmt: skip
        elif out.exists() and any(out.iterdir()):
            raise OutputExists(f"the folder {out} is not empty; choose another --out")
        (out / "media").mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(plan, indent=1), "utf-8")
    return out


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    hidden = path.with_suffix(".part")
    with writing(path):
        hidden.write_text("".join(json.dumps(row, sort_keys=True) + "\n" for row in rows), "utf-8")
        hidden.replace(path)
