"""From what a motion generator drew to a scored video, the way a user gets one.

Runs in reward workers, without torch: numbers drawn -> motion (lips that close, blinks, glances,
breath: `motion.stream`) -> the person in the photo -> frames -> scores of the tracked frames.
Every step is that of `enliven animate`, so that what a reward pays for is what users see.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from enliven.drive import on_portrait
from enliven.errors import BadMedia
from enliven.face.portrait import load_portrait
from enliven.media.audio import SPEECH_RATE, read_speech
from enliven.metrics.lips import measure_shape
from enliven.metrics.sync import agreement, load_meter
from enliven.metrics.watch import watch_frames
from enliven.motion.articulation import Articulation, encode, hear
from enliven.motion.chunks import CHUNK
from enliven.motion.direction import directed
from enliven.motion.generator import load_session, open_session
from enliven.motion.listen import Listener, measure
from enliven.motion.options import SpeechOptions
from enliven.motion.performer import OWN_LIPS
from enliven.motion.stream import Performance, Told
from enliven.render.renderer import Renderer, RenderOptions, framed
from enliven.reward.rest import rest_scores
from enliven.types import MOTION_FPS, Motion, Portrait, Score, Scorecard, Video

PHOTOS = (".jpg", ".jpeg", ".png", ".webp")
SOUNDS = (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".mp4", ".mov", ".webm")
KEPT_PEOPLE, KEPT_VOICES = 6, 64  # that a worker remembers; a renderer takes some 50 MB
LOUDNESS = 0.003  # root mean square below which nobody speaks


@dataclass(frozen=True)
class Speaking:
    """An input: whose photo, and which seconds of whose voice.

    start, seconds: of the sound; seconds is a whole number, one chunk each.
    models: folder of the generator's networks, None for those that ship.
    """

    photo: Path
    sound: Path
    start: float = 0.0
    seconds: int = 3
    options: SpeechOptions = field(default_factory=SpeechOptions)
    models: Path | None = None


class Voice(NamedTuple):
    """samples (N,) at 16 kHz; chunks as they are heard; opening: see `Performance`."""

    samples: NDArray[np.float32]
    chunks: tuple[Told, ...]
    opening: NDArray[np.float32]


@dataclass(frozen=True)
class Showing:
    """Draws the video: `Scoring.decode`.

    size: longer side, px; a square round the head.  own_lips: see `motion.stream.Performance`.
    """

    size: int = 192
    own_lips: float = OWN_LIPS

    def __call__(self, sent: Sequence[NDArray], given: Speaking, seed: int) -> Video:
        """sent: latents (CHUNK, D) of every chunk.  seed: of blinks, glances and breath."""
        voice = voice_of(given)
        motion = on_portrait(motion_of(sent, given, seed, self.own_lips), _portrait(given.photo),
                             directed(given.options, given.seconds * CHUNK))  # fmt: skip
        renderer = _renderer(given.photo, self.size)
        frames = (renderer.frame(values) for values in motion.values)
        return Video(frames, MOTION_FPS, voice.samples[:, None], SPEECH_RATE)


def motion_of(sent: Sequence[NDArray], given: Speaking, seed: int,
              own_lips: float = OWN_LIPS) -> Motion:  # fmt: skip
    """The motion, relative to rest, that `Generator.generate` makes of the same draws."""
    voice = voice_of(given)
    performance = Performance(voice.opening, seed=seed, options=given.options,
                              own_lips=own_lips)  # fmt: skip
    made = [
        performance.shows(drawn, told, number * CHUNK)
        for number, (drawn, told) in enumerate(zip(sent, voice.chunks, strict=True))
    ]
    return Motion(np.concatenate(made))


@lru_cache(KEPT_VOICES)
def voice_of(given: Speaking) -> Voice:
    """What is heard of an input.  Raises BadMedia when its sound cannot be read."""
    samples = read_speech(given.sound).samples
    first = round(given.start * SPEECH_RATE)
    samples = samples[first : first + given.seconds * SPEECH_RATE]
    samples = np.pad(samples, (0, given.seconds * SPEECH_RATE - len(samples)))
    articulation = _articulation(given.models)
    listener = Listener(measure(samples))
    listener.push(samples)
    listener.finish()
    encoded = encode(articulation, samples)
    chunks = []
    for start in range(0, given.seconds * CHUNK, CHUNK):
        heard = hear(listener, articulation, start, start + CHUNK, encoded)
        chunks.append(Told(heard, listener.activity(start, start + CHUNK)))
    return Voice(samples, tuple(chunks), articulation.opening)


@lru_cache(2)
def _articulation(models: Path | None) -> Articulation:
    name = "articulation.onnx"
    session = open_session((models / name).read_bytes()) if models else load_session(name)
    return Articulation(session)


@lru_cache(KEPT_PEOPLE)
def _portrait(photo: Path) -> Portrait:
    return load_portrait(photo)


@lru_cache(KEPT_PEOPLE)
def _renderer(photo: Path, size: int) -> Renderer:
    return Renderer(_portrait(photo), RenderOptions(size=size, crop=True))


def judged(video: Video, given: Speaking) -> Scorecard:
    """The judge that ships and the checks, against what is shown of the photo: `Scoring.score`.

    Also "match", 0 to 1: the agreement that `sync` is made from, which real people reach by
    .3 to .6.  Unlike `sync` it has no end to it, and what has no end gets pushed.
    """
    from enliven.reward.judge import judge_frames

    frames = list(video.frames)
    shown = framed(_portrait(given.photo), RenderOptions(size=max(frames[0].shape[:2]), crop=True))
    card = judge_frames(frames, video.fps, _mono(video), portrait=shown)
    sync = card.scores["sync"]
    match = replace(sync, value=sync.details.get("agreement", np.nan), why="", worst_seconds=None)
    return replace(card, scores={**card.scores, "match": match})


def held_out(video: Video, given: Speaking) -> Scorecard:
    """What no reward uses: "agreement" of lips and voice by `metrics.sync`, -1 to 1, and how the
    face rests (`reward.rest`)."""
    samples = _mono(video)
    stretches = list(watch_frames(list(video.frames), video.fps, samples))
    rests = rest_scores(stretches, _portrait(given.photo).rest)
    if not any(stretch.valid.any() for stretch in stretches):
        nobody = Score(np.nan, -1, 1, valid=False, why="no face was found")
        return Scorecard({"agreement": nobody, **rests})
    lips = measure_shape(np.concatenate([stretch.shapes for stretch in stretches]))
    expected = load_meter().expect(samples, len(lips.aperture))
    return Scorecard({"agreement": Score(agreement(expected, lips).here, -1, 1), **rests})


def _mono(video: Video) -> NDArray[np.float32]:
    if video.audio is None:
        raise BadMedia("the video has no sound; a speaking person is judged with theirs")
    return video.audio[:, 0]


@dataclass(frozen=True)
class Gathering:
    """Which inputs are made of folders of photos and sounds.

    seconds: of each, a whole number.  inputs: at most.  kept: every so many photos and sounds
    are held out, where there are enough; people seen in training are none of those evaluated.
    """

    seconds: int = 3
    inputs: int = 64
    held_out: int = 8
    kept: int = 4
    seed: int = 0


def gather_inputs(photos: Path, sounds: Path, gathering: Gathering, models: Path | None = None
                  ) -> tuple[list[Speaking], list[Speaking], list[str]]:  # fmt: skip
    """Inputs to learn from, inputs to evaluate on, and notes of files that are left out.

    Raises BadMedia when nothing can be used.
    """
    notes: list[str] = []
    people = _usable(photos, PHOTOS, "photo", lambda path: [_portrait(path)], notes)
    voices = _usable(sounds, SOUNDS, "sound", lambda path: _windows(path, gathering), notes)
    seen, unseen = _parted(sorted(people), gathering.kept)
    heard, unheard = _parted(sorted(voices), gathering.kept)
    rng = np.random.default_rng(gathering.seed)

    def pairs(faces: list[Path], files: list[Path], count: int) -> list[Speaking]:
        windows = [(file, start) for file in files for start in voices[file]]
        order = rng.permutation(len(windows))[:count]
        return [Speaking(faces[i % len(faces)], *windows[int(number)], gathering.seconds,
                         models=models) for i, number in enumerate(order)]  # fmt: skip

    return (pairs(seen, heard, gathering.inputs), pairs(unseen, unheard, gathering.held_out), notes)


def _parted(paths: list[Path], kept: int) -> tuple[list[Path], list[Path]]:
    """Those to learn from, and every so many to hold out; all of both where they are few."""
    if len(paths) < kept:
        return paths, paths
    return [p for i, p in enumerate(paths) if (i + 1) % kept], paths[kept - 1 :: kept]


def _usable(folder: Path, suffixes: Sequence[str], kind: str, read: Callable[[Path], list],
            notes: list[str]) -> dict[Path, list]:  # fmt: skip
    """Files of a folder, or one file, that can be read, and what was read."""
    found = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    usable = {}
    for path in found:
        if path.suffix.lower() not in suffixes or not path.is_file():
            continue
        try:
            made = read(path)
        except Exception as error:
            notes.append(f"{path} is left out: {error}")
            continue
        if made:
            usable[path] = made
    if not usable:
        raise BadMedia(f"{folder} holds no usable {kind} ({', '.join(suffixes)}); give a folder of "
                       "some")  # fmt: skip
    return usable


def _windows(path: Path, gathering: Gathering) -> list[float]:
    """Seconds at which somebody speaks for as long as an input is."""
    samples, length = read_speech(path).samples, gathering.seconds * SPEECH_RATE
    starts = range(0, max(1, len(samples) - length + 1), length)
    return [start / SPEECH_RATE for start in starts
            if np.sqrt(np.mean(samples[start : start + length] ** 2)) > LOUDNESS]  # fmt: skip
