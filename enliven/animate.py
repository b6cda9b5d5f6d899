"""animate(): portrait + driver -> motion -> frames -> video.  The one place where stages meet."""

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven import __version__
from enliven.drive import (
    Driver,
    from_motion,
    from_silence,
    from_speech,
    from_video,
    in_file,
    lasting,
)
from enliven.errors import BadOption, Cancelled
from enliven.face.portrait import load_people
from enliven.media.audio import Speech, read_speech
from enliven.media.espeak import spoken_files
from enliven.media.mix import one_sound
from enliven.media.rate import frames_for
from enliven.media.write import write_video
from enliven.plan import (
    FaceBox,
    Options,
    Part,
    Plan,
    finished,
    plan_animation,
    recorded_parts,
)
from enliven.provenance import Sidecar, disclosure, file_record, write_sidecar
from enliven.render.scene import render_people
from enliven.render.views import TURN_SECONDS, orbit, render_views, turntable
from enliven.types import MOTION_FPS, Motion, Portrait, resample

log = logging.getLogger("enliven")

Frame = NDArray[np.uint8]
Progress = Callable[[str, int, int], object]

# Other versions of these may give other bytes; the sidecar names the ones used.
LIBRARIES = ("av", "numpy", "onnxruntime", "opencv-python-headless", "pillow")
SPEAKING = ("espeakng-loader",)  # where a text is spoken

# What a video or a motion file brings itself.
STEERS_SPEECH = ("blink_rate", "speed", "emotion", "gaze", "control")

# A driver that ends this much before the others holds its last frame; after more it lives on.
QUIET_SECONDS = 0.2


@dataclass(frozen=True)
class Result:
    """What a run made: the video, the sidecar that can replay it, and how it went.

    size: (width, height) px.  timings: seconds by stage.  scores: measurements by name.
    views: with several views, the video of each; `path` shows them side by side.
    """

    path: Path
    sidecar: Path
    frames: int
    fps: Fraction
    size: tuple[int, int]
    timings: dict[str, float]
    scores: dict[str, float | None]
    notes: tuple[str, ...]
    views: tuple[Path, ...] = ()


def animate(
    image: str | Path,
    *,
    audio: str | Path | None = None,
    video: str | Path | None = None,
    motion: str | Path | None = None,
    tts: str | None = None,
    voice: str | None = None,
    face: int = 1,
    face_box: FaceBox | None = None,
    driver_face: int = 1,
    people: Sequence[Part] = (),
    output: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Result:
    """Make a video of the person in a photo, driven by a voice, a video or a motion file.

    One of audio, video, motion, tts; with motion, audio may be given too and becomes the sound.
    tts, voice: a text to speak, and its language or accent, such as "en-gb", "de" or "cmn+f2";
        needs the extra: pip install "enliven[speech]".
    face, face_box: which face of the photo, 1 is the largest, or x, y, width, height in px.
    driver_face: which face of a driving video.
    people: instead of all these, several people of the photo and what moves each, see `Part`;
        their voices are mixed, and the video is as long as the longest driver.
    output: by default `<image>--<driver>.mp4` next to the image; a `.json` of the same name
        says how it was made and can replay it.
    progress: called as (stage, done, total) in the stages "portrait", "motion", "render";
        when it returns False the run stops, leaves nothing behind and raises Cancelled.
    options: the fields of `Options`.

    The video is as long as the sound, within half a frame.  The same inputs, options and
    version give the same bytes.
    Raises InputError, OutputError, ModelUnavailable, Cancelled.
    """
    alone = Part(face, face_box, audio, video, motion, driver_face, tts, voice)
    if people and alone != Part():
        raise BadOption("give people, or the face and driver of one; not both")
    plan = plan_animation(image, people or [alone], output=output, overwrite=overwrite,
                          options=Options(**options))  # fmt: skip
    return perform(plan, overwrite=overwrite, progress=progress)


def perform(plan: Plan, *, overwrite: bool = False, progress: Progress | None = None) -> Result:
    """Carry out a plan made by `plan_animation`."""
    options, clock, report = plan.options, _Clock(), _asking(progress)
    with _notes() as heard, _one_thread(), ExitStack() as open_until_done:
        report("portrait", 0, 1)
        with in_file(plan.image):
            portraits = load_people(plan.image, [(p.face, p.face_box) for p in plan.parts])
        clock.lap("portrait")
        report("portrait", 1, 1)

        spoken = open_until_done.enter_context(spoken_files([p.spoken for p in plan.parts]))
        sounds = [said or path for said, path in zip(spoken, plan.sounds, strict=True)]
        voices = [read_speech(path) if path else None for path in sounds]
        for note in dict.fromkeys(note for voice in voices if voice for note in voice.notes):
            log.warning("%s", note)
        motions, seconds = _motions(plan, portraits, voices, report)
        count = frames_for(seconds, plan.fps)
        motions = [resample(motion, float(plan.fps), count) for motion in motions]
        if options.turntable:
            angles = turntable(count, float(plan.fps))
            motions = [orbit(m, p, angles) for p, m in zip(portraits, motions, strict=True)]
        clock.lap("motion")
        report("motion", 1, 1)

        sound = open_until_done.enter_context(one_sound([p for p in sounds if p]))
        scores: dict[str, float | None] = {"face_confidence": min(p.confidence for p in portraits)}
        if sound:
            scores["length_error_frames"] = float(count - seconds * plan.fps)
        made = open_until_done.enter_context(_all_or_none())
        size: list[tuple[int, int]] = []
        total = count * len(plan.videos)
        for path, views in plan.videos:
            if views:
                frames = render_views(portraits, motions, views, options.drawing())
            else:
                frames = render_people(portraits, motions, options.drawing())
            part = range(count * len(made), total)
            write_video(
                path, _watched(frames, part, report, clock, size),
                plan.fps, sound=sound, seconds=seconds if sound else None, overwrite=overwrite,
                metadata=disclosure(__version__) if options.disclose else None,
                inputs=[file for _, file in plan.inputs],
            )  # fmt: skip
            made.append(finished(path))
        clock.lap("render")
        clock.laps["total"] = clock.last - clock.start
        notes = tuple(dict.fromkeys(heard))
        for path, (_, views) in zip(tuple(made), plan.videos, strict=True):
            record = _record(plan, path, views, clock.laps, scores, notes)
            made.append(write_sidecar(record, overwrite=overwrite))
    videos, sidecar = made[: len(plan.videos)], made[-1]
    return Result(videos[-1], sidecar, count, plan.fps, size[-1], clock.laps, scores, notes,
                  tuple(videos[:-1]))  # fmt: skip


def save_video(
    path: str | Path,
    frames: Iterable[Frame],
    fps: Fraction | float | str,
    *,
    sound: str | Path | None = None,
    disclose: bool = True,
    overwrite: bool = False,
) -> Path:
    """Write frames of `enliven.render` and a sound file as a video; the suffix says which kind.

    disclose: mark the video as made by a machine, in its metadata.
    Raises OutputError, OutputExists, BadOption, BadMedia, and whatever `frames` raises.
    """
    metadata = disclosure(__version__) if disclose else None
    return write_video(path, frames, fps, sound=sound, metadata=metadata, overwrite=overwrite)


def _motions(
    plan: Plan, portraits: Sequence[Portrait], voices: Sequence[Speech | None], report: Progress
) -> tuple[list[Motion], float]:
    """A motion for each part, and the length of the video in seconds.

    Whoever has come to the end of a shorter driver lives on quietly.
    """
    report("motion", 0, 1)
    options = plan.options
    if all(part.driver == "idle" for part in plan.parts):
        frames = round(TURN_SECONDS * MOTION_FPS)
        return [Motion.still(frames, at=portrait.rest) for portrait in portraits], TURN_SECONDS
    people = list(zip(plan.parts, portraits, range(options.seed, options.seed + len(portraits)),
                      strict=True))  # fmt: skip
    unheard = [name for name in STEERS_SPEECH if getattr(options, name) != getattr(Options, name)]
    if unheard and all(part.driver in ("video", "motion") for part in plan.parts):
        log.warning("%s: without effect, a video or motion moves the face by itself; they steer "
                    "a face that follows a voice", ", ".join(unheard))  # fmt: skip
    carried = {
        seed: _carried(part, options, report)(portrait, seed=seed)
        for part, portrait, seed in people if part.driver in ("video", "motion")
    }  # fmt: skip
    lengths = [v.seconds for v in voices if v] + [motion.seconds for motion in carried.values()]
    seconds = max(lengths)
    motions = []
    for (part, portrait, seed), voice in zip(people, voices, strict=True):
        if part.driver in ("audio", "tts") and voice:
            speaks = from_speech(replace(voice, seconds=seconds), options=options.behaviour())
            motions.append(speaks(portrait, seed=seed))
            continue
        motion = carried.get(seed)
        if motion is None or seconds - motion.seconds > QUIET_SECONDS:
            quiet = from_silence(seconds, options=options.behaviour())(portrait, seed=seed)
            motion = quiet if motion is None else lasting(motion, quiet)
        motions.append(motion)
    return motions, seconds


def _carried(part: Part, options: Options, report: Progress) -> Driver:
    """The driver that carries over the movement of a video or of a motion file."""
    strength = options.strength()
    if part.driver == "motion":
        return from_motion(part.inputs["motion"], reference=options.reference, strength=strength)
    return from_video(part.inputs["video"], reference=options.reference or "neutral",
                      face=part.driver_face, strength=strength,
                      progress=lambda done, total: report("motion", done, total))  # fmt: skip


def _watched(
    frames: Iterator[Frame], part: range, report: Progress, clock: "_Clock",
    size: list[tuple[int, int]],
) -> Iterator[Frame]:  # fmt: skip
    """The frames on their way to the encoder; notes their size and when the first is ready.

    part: where in all the frames of the run these begin, and where the run ends.
    """
    for i, frame in enumerate(frames, part.start):
        if i == part.start:
            size.append((frame.shape[1], frame.shape[0]))
            clock.laps.setdefault("first_frame", time.perf_counter() - clock.start)
        yield frame
        report("render", i + 1, part.stop)


@contextmanager
def _all_or_none() -> Iterator[list[Path]]:
    """A list of what a run has made, all of which goes when the run fails."""
    made: list[Path] = []
    try:
        yield made
    except BaseException:
        for path in made:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise


def _record(
    plan: Plan,
    result: Path,
    views: Sequence[float],
    timings: dict[str, float],
    scores: dict[str, float | None],
    notes: tuple[str, ...],
) -> Sidecar:  # fmt: skip
    options = asdict(plan.options) | {"views": list(views)}
    seed, _ = options.pop("seed"), options.pop("control")  # an input
    options["fps"] = str(plan.fps)
    options |= recorded_parts(plan.parts)
    libraries = LIBRARIES + SPEAKING * any(part.tts for part in plan.parts)
    options["libraries"] = {name: version(name) for name in libraries}
    inputs = {role: file_record(path) for role, path in plan.inputs}
    return Sidecar(__version__, "animate", seed, inputs, file_record(result), options, timings,
                   scores, notes)  # fmt: skip


def _asking(progress: Progress | None) -> Progress:
    """The progress callback as the stages see it: an answer of False becomes Cancelled."""

    def report(stage: str, done: int, total: int) -> None:
        if progress is not None and progress(stage, done, total) is False:
            raise Cancelled(f"stopped on request in stage {stage}, {done} of {total}")

    return report


class _Clock:
    """Seconds from one lap to the next; "first_frame" and "total" count from the start."""

    def __init__(self) -> None:
        self.start = self.last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self.last = now - self.last, now


@contextmanager
def _one_thread() -> Iterator[None]:
    """OpenCV on this thread alone: on frames this small its workers cost more than they give,
    and they would fight the encoder for the processors."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@contextmanager
def _notes() -> Iterator[list[str]]:
    """What the stages log for the user during a run."""
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    listener = Listener(logging.WARNING)
    log.addHandler(listener)
    try:
        yield heard
    finally:
        log.removeHandler(listener)
