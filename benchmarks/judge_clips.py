"""Real clips that the judge is tested on, and what different systems make of them."""

import hashlib
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.drive import from_speech
from enliven.face.head import fit_motion
from enliven.face.portrait import load_portrait
from enliven.face.track import track_video
from enliven.media.audio import Speech, read_speech
from enliven.media.video import read_frames
from enliven.metrics.watch import Stretch, watch_frames
from enliven.motion.generator import Generator
from enliven.render.renderer import render
from enliven.reward.corruption import Footage, freeze, head_place
from enliven.reward.corruption_motion import loudness_mouth, performed
from enliven.reward.ladders import Scene
from enliven.types import MOTION_FPS, Motion

# Frames at 25 fps by which the lips of a clip come after its sound (measured with other means).
LATE = {"v09": -3, "v14": 2}
TAUGHT = ("v05",)  # the speaker is one of those the judge learned from
DOUBTFUL = ("v15", "v16")  # the sound is not surely in time
LARGEST = 384  # px of the longer side
SECONDS = 6.0
RATE = 16000


@dataclass(frozen=True)
class Case:
    """A clip of a person the judge never met, its sound in time with the lips.

    scene: with the clip's own motion and a portrait made of its first frame.
    """

    name: str
    scene: Scene

    @property
    def footage(self) -> Footage:
        return self.scene.footage


def names(data: Path) -> list[Path]:
    """Videos of people the judge never met whose sound is in time."""
    paths = sorted((data / "dev" / "video").glob("*.mp4"))
    return [path for path in paths if not path.name.startswith(TAUGHT + DOUBTFUL)]


def footage_of(path: Path, seconds: float = SECONDS, largest: int = LARGEST) -> Footage:
    """The begin of a video at 25 fps, made smaller, its sound moved to where the lips are."""
    late = LATE.get(path.name[:3], 0)
    clip = read_frames(path, round(MOTION_FPS))
    share = min(1.0, largest / max(clip.size))
    size = tuple(2 * round(side * share / 2) for side in clip.size)
    count = round(seconds * MOTION_FPS)
    frames = [
        cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        for frame, _ in zip(clip.frames, range(count), strict=False)
    ]
    samples = read_speech(path).samples
    moved = np.roll(samples, late * round(RATE / MOTION_FPS))
    return Footage(np.stack(frames), MOTION_FPS, moved[: round(len(frames) * RATE / MOTION_FPS)])


def case(path: Path, other: NDArray, seconds: float = SECONDS, largest: int = LARGEST) -> Case:
    """other: sound of somebody else, for ladders that swap it."""
    footage = footage_of(path, seconds, largest)
    track = track_video(list(footage.frames), fps=footage.fps)
    portrait = load_portrait(footage.frames[int(np.argmax(track.valid))])
    scene = Scene(footage, head_place(track.landmarks, track.valid), other, portrait,
                  fit_motion(track))  # fmt: skip
    return Case(path.stem[:3], scene)


def cases(data: Path, seconds: float = SECONDS, only: tuple[str, ...] = ()) -> Iterator[Case]:
    """All of them, or those whose names begin so."""
    paths = names(data)
    for i, path in enumerate(paths):
        if not only or path.name.startswith(only):
            other = read_speech(paths[(i + 5) % len(paths)]).samples
            yield case(path, other, seconds)


# What systems make of a clip's first frame and its sound


def ours(case: Case, generator: Generator | None = None, seed: int = 0) -> Footage:
    """Our generator and renderer."""
    footage = case.footage
    samples = footage.samples
    speech = Speech(samples, len(samples) / RATE, "", Path(case.name))
    motion = from_speech(speech, generator=generator)(case.scene.portrait, seed=seed)
    frames = np.stack(list(render(case.scene.portrait, motion)))
    return Footage(frames[: len(footage)], MOTION_FPS, samples)


def reenacted(case: Case) -> Footage:
    """The person's own motion on the first frame: what our renderer costs."""
    return performed(case.scene.portrait, case.scene.motion, case.footage.samples,
                     like=case.scene.motion)  # fmt: skip


def envelope(case: Case) -> Footage:
    """A mouth that opens as far as the sound is loud; nothing else moves."""
    still = Motion.still(len(case.footage), at=case.scene.portrait.rest)
    made = loudness_mouth(still, case.footage.samples)
    return performed(case.scene.portrait, made, case.footage.samples, like=still)


def frozen(case: Case) -> Footage:
    """The first frame."""
    return freeze(case.footage)


def swapped(case: Case) -> Footage:
    """The real video with somebody else's sound."""
    return replace(case.footage, samples=np.resize(case.scene.other, len(case.footage.samples)))


SYSTEMS: dict[str, Callable[[Case], Footage]] = {
    "real": lambda case: case.footage, "re-enacted": reenacted, "ours": ours,
    "loudness mouth": envelope, "wrong sound": swapped, "frozen photo": frozen,
}  # fmt: skip


def watched(footage: Footage, cache: Path | None = None) -> list[Stretch]:
    """The footage as judges see it; kept in a folder, since tracking takes longest."""
    if cache is None:
        return list(watch_frames(footage.frames, footage.fps, footage.samples))
    digest = hashlib.sha256(footage.frames.tobytes())
    digest.update(b"" if footage.samples is None else footage.samples.tobytes())
    path = cache / f"{digest.hexdigest()[:24]}.pickle"
    if path.exists():
        return pickle.loads(path.read_bytes())
    found = list(watch_frames(footage.frames, footage.fps, footage.samples))
    cache.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(found, protocol=5))
    return found
