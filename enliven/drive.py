"""Drivers: what moves the face.  A driver is a callable ``(portrait, *, seed) -> Motion``.

    from_speech   a recording of a voice
    from_video    a video of a face
    from_motion   a motion, or a motion file
    from_silence  nothing: somebody who listens

All of them end in `retarget`, which carries a motion over to the person in the portrait.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from enliven.errors import BadMotion, BadOption, NoFaceFound
from enliven.face.gaze import gaze_to_camera, look_channels
from enliven.face.head import fit_motion
from enliven.face.track import track_video
from enliven.geometry import angles_from_rotation, rotation_from_vector, vector_from_rotation
from enliven.media.audio import Speech, read_speech
from enliven.motion.direction import Direction, directed
from enliven.motion.generator import Generator
from enliven.motion.options import SpeechOptions
from enliven.motion.stream import MotionFrame
from enliven.motion.transfer import LIDS, Strength, transfer_expression
from enliven.motion_io import load_motion_and_reference
from enliven.types import (
    CHANNELS,
    EXPRESSION,
    GROUPS,
    INDEX,
    Motion,
    Portrait,
    group_slice,
    resample,
)

log = logging.getLogger("enliven")

Progress = Callable[[int, int], object]

LOOKING = [INDEX[name] for name in (*EXPRESSION, *GROUPS["gaze"]) if name.startswith(
    ("eyeLook", "eyeWide", "eyeSquint", "gaze"))]  # fmt: skip

# How far the head may leave its pose in the photo before the picture suffers: the photo shows
# one side of the head only.  Yaw, pitch, roll in radians; x, y, z in IOD.
TURN_LIMIT = np.radians([15.0, 12.0, 20.0])
SHIFT_LIMIT = np.array([0.6, 0.5, 1.2])
KNEE = 0.8  # fraction of a limit that is passed unchanged
TRUSTED_TURN = np.radians([20.0, 35.0])  # of the photo's head: its gaze is known; is not
EYE_REACH = np.radians([30.0, 22.0])  # yaw and pitch of the eyes in the head

PASSAGE_SECONDS = 0.8  # from the end of a driver to quiet life


class Driver(Protocol):
    """Anything that makes a motion for a portrait; the same seed gives the same motion."""

    def __call__(self, portrait: Portrait, *, seed: int = 0) -> Motion: ...


def from_speech(
    speech: Speech | str | Path,
    *,
    options: SpeechOptions = SpeechOptions(),
    generator: Generator | None = None,
) -> Driver:
    """Drive by a recording: lips, jaw and cheeks follow the voice; head, brows and lids live.

    speech: a sound file, or a video whose sound is used.  Motion covers its whole duration.
    generator: one of your own (`Generator.load(folder)`) instead of the one that ships.
    The driver raises BadMedia when the file cannot be read as sound.
    """

    def drive(portrait: Portrait, *, seed: int = 0) -> Motion:
        sound = speech if isinstance(speech, Speech) else read_speech(speech)
        spoken = (generator or Generator.load()).generate(
            sound.samples, seconds=sound.seconds, seed=seed, options=options
        )
        return on_portrait(spoken, portrait, directed(options, len(spoken)))

    return drive


@final
class LiveSpeech:
    """A voice that is still speaking, performed by the person in a portrait.

        live = LiveSpeech(portrait, seed=7)
        for samples in microphone:  # mono, 16 kHz
            for frame in live.push(samples):
                show(frame.seconds, renderer.frame(frame.values))

    A second of motion comes when that second and 0.4 s more were heard (`motion.stream`).
    """

    def __init__(
        self,
        portrait: Portrait,
        *,
        seed: int = 0,
        options: SpeechOptions = SpeechOptions(),
        generator: Generator | None = None,
    ) -> None:
        self._portrait, self._asked = portrait, directed(options)
        self._stream = (generator or Generator.load()).stream(seed=seed, options=options)

    def push(self, samples: NDArray) -> list[MotionFrame]:
        """More sound (N,), 16 kHz in -1..1; the frames that are ready, values as in a Motion.

        Raises BadOption when it is not one channel of finite numbers.
        """
        return self._carried(self._stream.push(samples))

    def finish(self) -> list[MotionFrame]:
        """The frames up to the end of the sound."""
        return self._carried(self._stream.finish())

    def _carried(self, frames: list[MotionFrame]) -> list[MotionFrame]:
        if not frames:
            return []
        spoken = Motion(np.stack([frame.values for frame in frames]))
        asked = self._asked[frames[0].number : frames[-1].number + 1]
        carried = on_portrait(spoken, self._portrait, asked).values
        return [MotionFrame(frame.number, row) for frame, row in zip(frames, carried, strict=True)]


def from_silence(seconds: float, *, options: SpeechOptions = SpeechOptions()) -> Driver:
    """Somebody who says nothing for so many seconds: blinks, looks about a little, breathes."""
    silence = np.zeros(1, np.float32)

    def drive(portrait: Portrait, *, seed: int = 0) -> Motion:
        quiet = Generator.load().generate(silence, seconds=seconds, seed=seed, options=options)
        return on_portrait(quiet, portrait, directed(options, len(quiet)))

    return drive


def on_portrait(motion: Motion, portrait: Portrait, asked: Direction) -> Motion:
    """A generated motion on the person in a portrait, who then feels and looks as was asked."""
    carried = retarget(motion, portrait, np.zeros(len(CHANNELS)), felt=asked.emotion)
    return look_from_viewer(carried, portrait, np.flatnonzero(np.isfinite(asked.gaze[:, 0])))


def look_from_viewer(motion: Motion, portrait: Portrait, asked: NDArray[np.intp]) -> Motion:
    """The motion with its gaze counted from the viewer instead of from where the photo looks.

    asked: the frames in which.  The less so the further the photo's head is turned: where its
    eyes look is then measured too poorly to put right.
    """
    rest = portrait.rest.astype(np.float64)
    if not len(asked) or _eyes_shut(rest):
        return motion
    look = group_slice("gaze")
    to_viewer = gaze_to_camera(portrait.rotation, portrait.translation)
    reach = np.maximum(np.abs(rest[look]), EYE_REACH)
    trust = np.interp(abs(to_viewer[0]), TRUSTED_TURN, (1.0, 0.0))
    gaze = motion.values[asked, look] + trust * (to_viewer - rest[look])
    gaze = gaze.clip(-reach, reach)
    values = motion.values.copy()
    values[asked, look] = gaze
    lids = [INDEX[name] for name in EXPRESSION if name.startswith("eyeLook")]
    values[asked[:, None], lids] = look_channels(gaze)[:, lids]
    return Motion(values, motion.fps, motion.valid)


def lasting(motion: Motion, after: Motion) -> Motion:
    """The motion, and once it has ended, a smooth passage to what `after` does from then on."""
    start = len(motion)
    later = resample(after, motion.fps)
    if len(later) <= start:
        return motion
    passed = np.arange(1, len(later) - start + 1) / (PASSAGE_SECONDS * motion.fps)
    passed = np.clip(passed, 0, 1)[:, None]
    share = passed * passed * (3 - 2 * passed)
    rest = share * later.values[start:] + (1 - share) * motion.values[-1]
    valid = np.concatenate([motion.valid, later.valid[start:]])
    return Motion(np.concatenate([motion.values, rest.astype(np.float32)]), motion.fps, valid)


def from_video(
    path: str | Path,
    *,
    reference: str = "neutral",
    face: int = 1,
    face_box: tuple[float, float, float, float] | None = None,
    strength: Strength = Strength(),
    progress: Progress | None = None,
) -> Driver:
    """Drive by a video of a face (options as in `track` and `retarget`)."""

    def drive(portrait: Portrait, *, seed: int = 0) -> Motion:
        tracked = track(path, face=face, face_box=face_box, progress=progress)
        return retarget(tracked, portrait, reference, strength)

    return drive


def from_motion(
    motion: Motion | str | Path,
    *,
    reference: str | ArrayLike | None = None,
    strength: Strength = Strength(),
) -> Driver:
    """Drive by a motion or an `.npz` motion file.

    reference: see `retarget`; by default the one stored in the file, else "neutral".
    """

    def drive(portrait: Portrait, *, seed: int = 0) -> Motion:
        if isinstance(motion, Motion):
            content, stored = motion, None
        else:
            content, stored = load_motion_and_reference(motion)
        chosen = reference if reference is not None else stored
        return retarget(content, portrait, "neutral" if chosen is None else chosen, strength)

    return drive


def track(
    path: str | Path,
    *,
    face: int = 1,
    face_box: tuple[float, float, float, float] | None = None,
    progress: Progress | None = None,
) -> Motion:
    """Motion of the face in a video, in that video's own frame (nothing retargeted).

    face: which face, 1 is the largest; face_box: x, y, width, height in px instead.
    progress: called with (frames done, frames in all, 0 if not known).
    Raises BadMedia, NoFaceFound.
    """
    with in_file(path):
        return fit_motion(track_video(path, face=face, face_box=face_box, progress=progress))


@contextmanager
def in_file(path: str | Path) -> Iterator[None]:
    """Adds the file's name to what is said about the faces in it."""
    try:
        yield
    except NoFaceFound as error:
        raise NoFaceFound(f"{path}: {error}") from error


def retarget(
    motion: Motion,
    portrait: Portrait,
    reference: str | ArrayLike = "neutral",
    strength: Strength = Strength(),
    felt: NDArray[np.floating] | None = None,
) -> Motion:
    """Carry a motion over to the person in a portrait.

    reference: the frame of the driver that corresponds to the photo,
        "neutral"  a relaxed face in the driver's usual pose,
        "first"    the first frame in which the driver's face was found, or
        a row (C,) of channel values.
    Head: R = R_t R_reference^-1 R_rest.  All else: rest + (driver - reference), but for the
    opening of the mouth, which the driver replaces (see `transfer_expression`).  A turn or shift
    too large for a photo is limited softly, with a note in the log.
    felt: intensities (T, 6) of EMOTIONS that the motion displays, see `already_shown`.

    Raises BadMotion when no frame shows a face, BadOption on an unknown reference.
    """
    start = reference_row(motion, reference)
    rest = portrait.rest.astype(np.float64)
    moved = motion.values - start
    values = rest + moved

    face = group_slice("expression")
    values[:, face] = transfer_expression(
        motion.group("expression"), start[face], rest[face], strength, felt
    )

    body = group_slice("body")
    values[:, body] = rest[body] + strength.head * moved[:, body]

    head = group_slice("head")
    first = rotation_from_vector(start[head])
    turn = rotation_from_vector(motion.values[:, head]) @ first.T
    if strength.head != 1.0:
        turn = rotation_from_vector(strength.head * vector_from_rotation(turn))
    values[:, head] = vector_from_rotation(limit_turn(turn) @ rotation_from_vector(rest[head]))

    place = group_slice("translation")
    shift = strength.head * moved[:, place]
    if (np.abs(shift) > SHIFT_LIMIT).any():
        log.warning("the driver moves up to %.1f eye distances away; limited to what the photo "
                    "can follow", np.abs(shift).max())  # fmt: skip
    values[:, place] = rest[place] + soft_limit(shift, SHIFT_LIMIT)
    if _eyes_shut(rest):
        values[:, LOOKING] = rest[LOOKING]
    return Motion(values.astype(np.float32), motion.fps, motion.valid)


def _eyes_shut(rest: NDArray[np.float64]) -> bool:
    """Eyes that are shut in the photo stay as they are."""
    return bool(rest[[INDEX[name] for name in LIDS]].min() >= 1)


def reference_row(motion: Motion, reference: str | ArrayLike) -> NDArray[np.float64]:
    """The row (C,) that `retarget` takes as the driver's counterpart of the photo."""
    if not isinstance(reference, str):
        row = np.asarray(reference, np.float64)
        if row.shape != (len(CHANNELS),):
            raise BadOption(f"reference has shape {row.shape}, expected ({len(CHANNELS)},)")
        return row
    if reference not in ("neutral", "first"):
        raise BadOption(f'reference is "{reference}"; choose "neutral" or "first"')
    if not motion.valid.any():
        raise BadMotion("the motion has no valid frame: the tracker found no face at all")
    seen = motion.values[motion.valid].astype(np.float64)
    if reference == "first":
        return seen[0]
    row = np.median(seen, axis=0)
    row[group_slice("expression")] = 0.0
    return row


def limit_turn(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotations (T, 3, 3) away from the photo's pose, each angle within TURN_LIMIT."""
    angles = np.stack(angles_from_rotation(turn), -1)
    if (np.abs(angles) <= KNEE * TURN_LIMIT).all():
        return turn
    largest = np.degrees(np.abs(angles).max(0))
    if (np.abs(angles) > TURN_LIMIT).any():
        log.warning("the driver turns up to %.0f degrees (%.0f up or down) from the photo; "
                    "limited to %.0f (%.0f)", largest[0], largest[1],
                    *np.degrees(TURN_LIMIT[:2]))  # fmt: skip
    yaw, pitch, roll = soft_limit(angles, TURN_LIMIT).T
    # as rotation_from_angles, for whole arrays
    zero = np.zeros_like(yaw)
    return (rotation_from_vector(np.stack([zero, zero, roll], -1))
            @ rotation_from_vector(np.stack([zero, -yaw, zero], -1))
            @ rotation_from_vector(np.stack([pitch, zero, zero], -1)))  # fmt: skip


def soft_limit(values: NDArray[np.float64], limit: ArrayLike) -> NDArray[np.float64]:
    """Values unchanged up to KNEE * limit, then bent smoothly so that |values| stays < limit."""
    limit = np.asarray(limit, np.float64)
    knee, room = KNEE * limit, (1 - KNEE) * limit
    size = np.abs(values)
    bent = knee + room * np.tanh((size - knee) / room)
    return np.where(size <= knee, values, np.sign(values) * bent)
