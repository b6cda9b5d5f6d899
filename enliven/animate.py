"""animate(): portrait + driver -> motion -> frames -> video.  The one place where stages meet."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven import __version__
from enliven.drive import Driver, Strength, from_motion, from_speech, from_video, in_file
from enliven.errors import BadOption, Cancelled
from enliven.face.portrait import load_portrait
from enliven.media.audio import Speech, read_speech
from enliven.media.files import check_output, input_file
from enliven.media.rate import frame_rate, frames_for
from enliven.media.video import probe
from enliven.media.write import check_target, write_video
from enliven.motion.generator import SpeechOptions
from enliven.provenance import Sidecar, disclosure, file_record, sidecar_path, write_sidecar
from enliven.render.renderer import RenderOptions, render
from enliven.types import MOTION_FPS, resample

log = logging.getLogger("enliven")

Frame = NDArray[np.uint8]
Progress = Callable[[str, int, int], object]

# Other versions of these may give other bytes; the sidecar names the ones used.
LIBRARIES = ("av", "numpy", "onnxruntime", "opencv-python-headless", "pillow")


@dataclass(frozen=True)
class Options:
    """How to animate.  Everything that changes the result, but for the inputs, is here.

    fps: frames a second, also "30000/1001"; None: the driving video's rate, else 25.
    size: longer side in px, 64 to 4096; None: the photo's own, up to 2048.
    crop: show a square around head and shoulders instead of the whole photo.
    transparent: keep the person only (needs an output format with alpha).
    seed: of everything random: blinks, head movement.
    face, face_box: which face of the photo, 1 is the largest, or x, y, width, height in px.
    driver_face: which face of a driving video.
    reference: how a driving video or motion is aligned with the photo, see `retarget`.
    head_motion, mouth, expression: strength of the movement of head, mouth, rest of the face;
        0 to 2.
    blink_rate: blinks a minute; None: as people do.  Speech only.
    still: no head movement at all; the mouth goes on speaking, the eyes blinking.
    disclose: mark the video as made by a machine, in its metadata.
    """

    fps: str | float | None = None
    size: int | None = None
    crop: bool = False
    transparent: bool = False
    seed: int = 0
    face: int = 1
    face_box: tuple[float, float, float, float] | None = None
    driver_face: int = 1
    reference: str | None = None
    head_motion: float = 1.0
    mouth: float = 1.0
    expression: float = 1.0
    blink_rate: float | None = None
    still: bool = False
    disclose: bool = True

    def __post_init__(self) -> None:
        # what the stages will be given, made now so that a bad value costs no waiting
        self.drawing()
        self.strength()
        self.behaviour()
        if self.fps is not None:
            frame_rate(self.fps)

    def drawing(self) -> RenderOptions:
        return RenderOptions(self.size, self.crop, self.transparent)

    def behaviour(self) -> SpeechOptions:
        return SpeechOptions(self.mouth, self.head_motion, self.expression, self.blink_rate,
                             self.still)  # fmt: skip

    def strength(self) -> Strength:
        head = 0.0 if self.still else self.head_motion
        return Strength(head, self.mouth, self.expression)


@dataclass(frozen=True)
class Result:
    """What a run made: the video, the sidecar that can replay it, and how it went.

    size: (width, height) px.  timings: seconds by stage.  scores: measurements by name.
    """

    path: Path
    sidecar: Path
    frames: int
    fps: Fraction
    size: tuple[int, int]
    timings: dict[str, float]
    scores: dict[str, float | None]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What a run will read and write, checked before any work is done.

    driver: "audio", "video" or "motion"; driven_by: its file.
    sound: file whose sound the video carries, if any.  seconds: 0 where not known beforehand.
    """

    image: Path
    driver: str
    driven_by: Path
    sound: Path | None
    output: Path
    fps: Fraction
    seconds: float
    options: Options

    @property
    def result(self) -> Path:
        """What will be there: the output, or the folder that a `folder/%05d.png` fills."""
        return self.output.parent if "%" in self.output.name else self.output

    @property
    def inputs(self) -> list[tuple[str, Path]]:
        """Role and path of every file read."""
        files = [("image", self.image), (self.driver, self.driven_by)]
        if self.sound is not None and self.sound != self.driven_by:
            files.append(("audio", self.sound))
        return files


def plan_animation(
    image: str | Path,
    *,
    audio: str | Path | None = None,
    video: str | Path | None = None,
    motion: str | Path | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    options: Options = Options(),
) -> Plan:
    """Check inputs, options and output of `animate`; reads no more than headers.

    Raises BadMedia, BadOption, OutputError, OutputExists.
    """
    if video is not None and (audio is not None or motion is not None):
        raise BadOption("give one driver: audio, or video, or motion")
    if audio is None and video is None and motion is None:
        raise BadOption("nothing drives the face; give a sound, a video or a motion")
    image = input_file(image)
    kind, driven_by = next(
        (name, input_file(path))
        for name, path in (("motion", motion), ("video", video), ("audio", audio))
        if path is not None
    )
    info = probe(driven_by) if kind != "motion" else None
    sound = input_file(audio) if audio is not None else None
    if kind == "video" and info is not None and info.has_audio:
        sound = driven_by
    rate = options.fps or (info.fps if kind == "video" and info is not None else MOTION_FPS)
    target = Path(output) if output is not None else default_output(image, driven_by)
    plan = Plan(image, kind, driven_by, sound, target, frame_rate(rate),
                info.seconds if info else 0.0, options)  # fmt: skip
    inputs = [file for _, file in plan.inputs]
    check_target(target, overwrite=overwrite, inputs=inputs)
    check_output(sidecar_path(target), overwrite=overwrite, inputs=inputs)
    return plan


def default_output(image: Path, driven_by: Path) -> Path:
    """Next to the image: `ada.jpg` and `hello.wav` make `ada--hello.mp4`."""
    return image.with_name(f"{image.stem}--{driven_by.stem}.mp4")


def animate(
    image: str | Path,
    *,
    audio: str | Path | None = None,
    video: str | Path | None = None,
    motion: str | Path | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Result:
    """Make a video of the person in a photo, driven by a voice, a video or a motion file.

    One of audio, video, motion; with motion, audio may be given too and becomes the sound.
    output: by default `<image>--<driver>.mp4` next to the image; a `.json` of the same name
        says how it was made and can replay it.
    progress: called as (stage, done, total) in the stages "portrait", "motion", "render";
        when it returns False the run stops, leaves nothing behind and raises Cancelled.
    options: the fields of `Options`.

    The video is as long as the sound, within half a frame.  The same inputs, options and
    version give the same bytes.
    Raises InputError, OutputError, ModelUnavailable, Cancelled.
    """
    plan = plan_animation(image, audio=audio, video=video, motion=motion, output=output,
                          overwrite=overwrite, options=Options(**options))  # fmt: skip
    return perform(plan, overwrite=overwrite, progress=progress)


def perform(plan: Plan, *, overwrite: bool = False, progress: Progress | None = None) -> Result:
    """Carry out a plan made by `plan_animation`."""
    options, clock, report = plan.options, _Clock(), _asking(progress)
    with _notes() as heard, _one_thread():
        report("portrait", 0, 1)
        with in_file(plan.image):
            portrait = load_portrait(plan.image, face=options.face, face_box=options.face_box)
        clock.lap("portrait")
        report("portrait", 1, 1)

        speech = read_speech(plan.sound) if plan.sound is not None else None
        for note in speech.notes if speech else ():
            log.warning("%s", note)
        motion = _driver(plan, speech, report)(portrait, seed=options.seed)
        seconds = speech.seconds if speech else 0.0
        if plan.driver != "audio":
            seconds = max(seconds, motion.seconds)
        count = frames_for(seconds, plan.fps)
        motion = resample(motion, float(plan.fps), count)
        clock.lap("motion")
        report("motion", 1, 1)

        frames = render(portrait, motion, options.drawing())
        size: list[tuple[int, int]] = []
        write_video(
            plan.output, _watched(frames, count, report, clock, size),
            plan.fps, sound=plan.sound, seconds=seconds if speech else None, overwrite=overwrite,
            metadata=disclosure(__version__) if options.disclose else None,
            inputs=[file for _, file in plan.inputs],
        )  # fmt: skip
        clock.lap("render")
    clock.laps["total"] = clock.last - clock.start
    scores: dict[str, float | None] = {"face_confidence": portrait.confidence}
    if speech:
        scores["length_error_frames"] = float(count - speech.seconds * plan.fps)
    notes = tuple(heard)
    sidecar = write_sidecar(_record(plan, clock.laps, scores, notes), overwrite=overwrite)
    return Result(plan.result, sidecar, count, plan.fps, size[0], clock.laps, scores, notes)


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


def _driver(plan: Plan, speech: Speech | None, report: Progress) -> Driver:
    options = plan.options
    report("motion", 0, 1)
    if plan.driver == "audio":
        assert speech is not None
        return from_speech(speech, options=options.behaviour())
    strength = options.strength()
    if plan.driver == "motion":
        return from_motion(plan.driven_by, reference=options.reference, strength=strength)
    return from_video(plan.driven_by, reference=options.reference or "neutral",
                      face=options.driver_face, strength=strength,
                      progress=lambda done, total: report("motion", done, total))  # fmt: skip


def _watched(
    frames: Iterator[Frame], count: int, report: Progress, clock: "_Clock",
    size: list[tuple[int, int]],
) -> Iterator[Frame]:  # fmt: skip
    """The frames on their way to the encoder; notes their size and when the first is ready."""
    for i, frame in enumerate(frames):
        if i == 0:
            size.append((frame.shape[1], frame.shape[0]))
            clock.laps["first_frame"] = time.perf_counter() - clock.start
        yield frame
        report("render", i + 1, count)


def _record(
    plan: Plan, timings: dict[str, float], scores: dict[str, float | None], notes: tuple[str, ...]
) -> Sidecar:
    options = asdict(plan.options)
    seed = options.pop("seed")
    options["fps"] = str(plan.fps)
    options["libraries"] = {name: version(name) for name in LIBRARIES}
    inputs = {role: file_record(path) for role, path in plan.inputs}
    return Sidecar(__version__, "animate", seed, inputs, file_record(plan.result), options, timings,
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
