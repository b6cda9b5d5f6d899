"""The honest clip that cheats are made from: a video, and what is needed to act it anew."""

import logging
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.drive import from_silence, from_speech
from enliven.errors import BadOption, NoFaceFound
from enliven.face.portrait import load_portrait
from enliven.face.segment import person_mask
from enliven.media.audio import SPEECH_RATE, read_speech
from enliven.media.files import input_file
from enliven.media.video import probe, read_frames
from enliven.metrics.watch import watch_frames
from enliven.reward.corruption import Footage, HeadPlace, head_place
from enliven.reward.corruption_motion import performed
from enliven.types import MOTION_FPS, Motion, Portrait

log = logging.getLogger("enliven")

SECONDS = 4.4  # of a clip
QUIET_SECONDS = 16.0  # so long that somebody who does not blink is conspicuous
SIZE = 256  # px, longer side of the example
LARGEST = 512  # px, longer side to which a video is reduced
EXAMPLES = Path(__file__).parents[2] / "examples"  # where the project was cloned


@dataclass(frozen=True)
class Honest:
    """A clip that does not cheat.

    footage: the clip, at 25 frames a second, with sound.  photo: what it is compared with, if
    anything.  head: where the head is.  person: (H, W) uint8, 255 where the person is, in all
    frames.  landmarks: (T, 478, 3) px of the footage.
    portrait, motion: for cheats that act anew; None where the first frame cannot be animated.
    acted: the same performance as `portrait` and `motion` make it; the footage itself where that
        was made so.  quiet: how the same person listens, QUIET_SECONDS long.
    """

    footage: Footage
    photo: Portrait | None
    head: HeadPlace
    person: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    portrait: Portrait | None = None
    motion: Motion | None = None
    acted: Footage | None = None
    quiet: Motion | None = None
    name: str = "the example"

    def act(self, motion: Motion, samples: NDArray | None = None) -> Footage:
        """Another motion on the same person, with the clip's sound or another."""
        if self.portrait is None:
            raise ValueError("an honest clip without a portrait cannot be acted anew")
        sound = self.footage.samples if samples is None else samples
        height, width = self.footage.frames.shape[1:3]
        return performed(self.portrait, motion, sound, like=self.motion, size=max(height, width))

    def listen(self, samples: NDArray, motion: Motion | None = None) -> Footage:
        """The same person with lips at rest, as long as a sound; `motion` instead of `quiet`."""
        if self.portrait is None or self.quiet is None:
            raise ValueError("an honest clip without a portrait cannot listen")
        whole = motion or self.quiet
        count = round(len(samples) / SPEECH_RATE * whole.fps)
        shown = replace(whole, values=whole.values[:count], valid=whole.valid[:count])
        height, width = self.footage.frames.shape[1:3]
        return performed(self.portrait, shown, samples, like=self.quiet, size=max(height, width))


def example_clip(
    photo: str | Path | None = None, speech: str | Path | None = None, *,
    seconds: float = SECONDS, size: int = SIZE, seed: int = 0,
) -> Honest:  # fmt: skip
    """A photo that speaks, made by this project's own generator.

    photo, speech: by default the examples of the project, where it was cloned; a package that
        was installed brings none.  Raises BadOption.
    """
    photo, speech = photo or EXAMPLES / "portrait.jpg", speech or EXAMPLES / "speech.wav"
    if not (Path(photo).is_file() and Path(speech).is_file()):
        raise BadOption(f"probes need an honest clip, and {photo} or {speech} is missing; give a "
                        "video of somebody who speaks")  # fmt: skip
    portrait, sound = load_portrait(photo), read_speech(speech)
    sound = replace(sound, samples=sound.samples[: round(seconds * SPEECH_RATE)],
                    seconds=min(seconds, sound.seconds))  # fmt: skip
    motion = from_speech(sound)(portrait, seed=seed)
    footage = performed(portrait, motion, sound.samples, size=size)
    quiet = from_silence(QUIET_SECONDS)(portrait, seed=seed)
    return honest_clip(footage, portrait, portrait=portrait, motion=motion, quiet=quiet)


def clip_of(
    video: str | Path, photo: str | Path | None = None, *, seconds: float = SECONDS, seed: int = 0
) -> Honest:
    """The first seconds of a video that is taken for honest.

    photo: what it is compared with, by default its first frame.
    Raises BadMedia, BadOption, NoFaceFound.
    """
    path = input_file(video)
    if not probe(path).has_audio:
        raise BadOption(f"{path} has no sound; probes need a video of somebody who speaks")
    count = round(seconds * MOTION_FPS)
    frames = [_reduced(f) for f in islice(read_frames(path, Fraction(25)).frames, count)]
    samples = read_speech(path).samples[: round(len(frames) / MOTION_FPS * SPEECH_RATE)]
    footage = Footage(np.stack(frames), MOTION_FPS, samples)
    held_against = load_portrait(photo) if photo else None
    try:
        portrait = load_portrait(footage.frames[0])
    except NoFaceFound as error:
        log.warning("%s: its first frame cannot be animated (%s); cheats that act anew are left "
                    "out", path.name, error)  # fmt: skip
        return honest_clip(footage, held_against, name=path.name)
    quiet = from_silence(QUIET_SECONDS)(portrait, seed=seed)
    return honest_clip(footage, held_against or portrait, portrait=portrait, quiet=quiet,
                       name=path.name)  # fmt: skip


def honest_clip(
    footage: Footage, photo: Portrait | None, *, portrait: Portrait | None = None,
    motion: Motion | None = None, quiet: Motion | None = None, name: str = "the example",
) -> Honest:  # fmt: skip
    """What cheats need to know of a clip.  motion: of the portrait that made the footage; without
    it the clip's own is carried to the portrait.  Raises NoFaceFound."""
    watched = list(watch_frames(footage.frames, footage.fps, footage.samples))
    landmarks = np.concatenate([stretch.landmarks for stretch in watched])
    valid = np.concatenate([stretch.valid for stretch in watched])
    if valid.mean() < 0.5 or watched[0].motion is None:
        raise NoFaceFound(f"{name}: a face is found in {100 * valid.mean():.0f} % of the frames; "
                          "probes need a video that shows one throughout")  # fmt: skip
    first = int(np.argmax(valid))
    landmarks = landmarks[np.maximum.accumulate(np.where(valid, np.arange(len(valid)), first))]
    masks = [person_mask(footage.frames[i], landmarks[i])
             for i in np.linspace(0, len(footage) - 1, 4).astype(int)]  # fmt: skip
    reach = max(3, round(0.15 * head_place(landmarks).radius))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    person = cv2.GaussianBlur(cv2.dilate(np.max(masks, 0), kernel), (0, 0), 1.5)
    honest = Honest(footage, photo, head_place(landmarks), person, landmarks, portrait,
                    motion or watched[0].motion, footage, quiet, name)  # fmt: skip
    if portrait is None:
        return replace(honest, motion=None, acted=None, quiet=None)
    if motion is None and honest.motion is not None:
        return replace(honest, acted=honest.act(honest.motion))
    return honest


def _reduced(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    share = LARGEST / max(height, width)
    if share >= 1:
        return frame
    size = (round(width * share), round(height * share))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
