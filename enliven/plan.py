"""What a run will read, make and write: options, people and their drivers, checked beforehand."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from enliven.errors import BadOption
from enliven.media.espeak import DEFAULT_VOICE, check_text, find_voice
from enliven.media.files import check_output, input_file
from enliven.media.rate import frame_rate
from enliven.media.video import probe
from enliven.media.write import check_target
from enliven.motion.options import Emotion, Gaze, SpeechOptions
from enliven.motion.timed import read_control
from enliven.motion.transfer import Strength
from enliven.provenance import sidecar_path
from enliven.render.renderer import RenderOptions
from enliven.render.views import check_views
from enliven.types import MOTION_FPS

FaceBox = tuple[float, float, float, float]

NAME_WORDS, NAME_LETTERS = 4, 40  # of a text that a result is named after

# What a sidecar's options say of each person.
PERSONAL = ("face", "face_box", "driver_face", "tts", "voice")


@dataclass(frozen=True)
class Options:
    """How to animate.  Everything that changes the result, but for the inputs, is here.

    fps: frames a second, also "30000/1001"; None: the driving video's rate, else 25.
    size: longer side in px, 64 to 4096; None: the photo's own, up to 2048.
    crop: show a square around head and shoulders instead of the whole photo.
    transparent: keep the person only (needs an output format with alpha).
    seed: of everything random: blinks, head movement.
    reference: how a driving video or motion is aligned with the photo, see `retarget`.
    head_motion, mouth, expression: strength of the movement of head, mouth, rest of the face;
        0 to 2.
    blink_rate, speed, emotion, gaze, control: see `SpeechOptions`.  They act on faces that a
        voice or nothing drives.
    still: no head movement at all; the mouth goes on speaking, the eyes blinking.
    disclose: mark the video as made by a machine, in its metadata.
    views: cameras that go round the person, degrees; the person turns to image right in positive
        ones.  Each makes a video of its own, and the result shows all of them side by side.
    turntable: turn the person smoothly to both sides; without a driver, once, and else still.
    """

    fps: str | float | None = None
    size: int | None = None
    crop: bool = False
    transparent: bool = False
    seed: int = 0
    reference: str | None = None
    head_motion: float = 1.0
    mouth: float = 1.0
    expression: float = 1.0
    blink_rate: float | None = None
    still: bool = False
    disclose: bool = True
    views: tuple[float, ...] = ()
    turntable: bool = False
    speed: float = 1.0
    emotion: str | Mapping[str, float] | Emotion = ()
    gaze: str | Gaze | None = None
    control: str | Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "views", check_views(self.views))
        if self.views and self.turntable:
            raise BadOption("views stand still and a turntable turns; choose one")
        # what the stages will be given, made now so that a bad value costs no waiting
        self.drawing()
        self.strength()
        asked = self.behaviour()
        for name in ("emotion", "gaze", "control"):
            object.__setattr__(self, name, getattr(asked, name))
        if self.fps is not None:
            frame_rate(self.fps)

    def drawing(self) -> RenderOptions:
        return RenderOptions(self.size, self.crop, self.transparent)

    def behaviour(self) -> SpeechOptions:
        return SpeechOptions(**{field.name: getattr(self, field.name)
                                for field in fields(SpeechOptions)})  # fmt: skip

    def strength(self) -> Strength:
        head = 0.0 if self.still else self.head_motion
        return Strength(head, self.mouth, self.expression)


@dataclass(frozen=True)
class Part:
    """One person of the photo, and what moves them: a voice, a text, a video or a motion.

    face, face_box: which face of the photo, 1 is the largest, or x, y, width, height px of it.
    audio: with motion it is the sound.  driver_face: which face of the driving video.
    tts: text to speak, in the language or accent `voice`; see `media.espeak`.
    Somebody without a driver blinks and breathes.
    """

    face: int = 1
    face_box: FaceBox | None = None
    audio: str | Path | None = None
    video: str | Path | None = None
    motion: str | Path | None = None
    driver_face: int = 1
    tts: str | None = None
    voice: str | None = None

    def __post_init__(self) -> None:
        if self.tts is None and self.voice is not None:
            raise BadOption(f"voice is {self.voice!r}, but there is no text to speak; give tts")
        if self.tts is not None:
            if self.inputs:
                raise BadOption("give one driver: tts, or audio, or video, or motion")
            check_text(self.tts)
            voice = DEFAULT_VOICE if self.voice is None else self.voice
            object.__setattr__(self, "voice", voice)
        if self.video is not None and (self.audio is not None or self.motion is not None):
            raise BadOption("give one driver: audio, or video, or motion")

    @property
    def spoken(self) -> tuple[str, str] | None:
        """The text and the voice that speaks it."""
        return None if self.tts is None else (self.tts, self.voice or DEFAULT_VOICE)

    @property
    def inputs(self) -> dict[str, Path]:
        """Paths by role, the driver first."""
        paths = {"motion": self.motion, "video": self.video, "audio": self.audio}
        return {role: Path(path) for role, path in paths.items() if path is not None}

    @property
    def driver(self) -> str:
        """ "motion", "video", "audio", "tts" or "idle"."""
        return next(iter(self.inputs), "idle" if self.tts is None else "tts")


@dataclass(frozen=True)
class Plan:
    """What a run will read and write, checked before any work is done.

    sounds: for each part the file whose sound the video carries, if any; of a text there is
        none yet.
    seconds: of the longest driver; 0 where not known beforehand.
    """

    image: Path
    parts: tuple[Part, ...]
    sounds: tuple[Path | None, ...]
    output: Path
    fps: Fraction
    seconds: float
    options: Options

    @property
    def result(self) -> Path:
        """What will be there: the output, or the folder that a `folder/%05d.png` fills."""
        return finished(self.output)

    @property
    def videos(self) -> list[tuple[Path, tuple[float, ...]]]:
        """Every video to make, and its views; the result is the last."""
        views = self.options.views
        each = [(view_path(self.output, v), (v,)) for v in views] if len(views) > 1 else []
        return [*each, (self.output, views)]

    @property
    def inputs(self) -> list[tuple[str, Path]]:
        """Role and path of every file read; with several people the roles are numbered."""
        several = len(self.parts) > 1
        control = self.options.control
        return (
            [("image", self.image)]
            + [
                (f"{role} {number}" if several else role, path)
                for number, part in enumerate(self.parts, 1)
                for role, path in part.inputs.items()
            ]
            + ([] if control is None else [("control", Path(control))])
        )


def plan_animation(
    image: str | Path,
    parts: Sequence[Part],
    *,
    output: str | Path | None = None,
    overwrite: bool = False,
    options: Options = Options(),
) -> Plan:
    """Check inputs, options and output of `animate`; reads no more than headers.

    Raises BadMedia, BadOption, OutputError, OutputExists.
    """
    drivers = [path for part in parts for path in part.inputs.values()]
    texts = [part.tts for part in parts if part.tts is not None]
    if not drivers and not texts and not options.turntable:
        raise BadOption("nothing drives the face; give a sound, a text, a video or a motion")
    image = input_file(image)
    for path in drivers:
        input_file(path)
    if options.control is not None:
        read_control(options.control)
    for part in parts:
        if part.voice is not None:
            find_voice(part.voice)
    sounds: list[Path | None] = []
    rates, lengths = [], [0.0]
    for part in parts:
        infos = {role: probe(path) for role, path in part.inputs.items() if role != "motion"}
        lengths += [info.seconds for info in infos.values()]
        heard = "video" in infos and infos["video"].has_audio
        sounds.append(part.inputs["video"] if heard else part.inputs.get("audio"))
        rates += [infos["video"].fps] if "video" in infos else []
    rate = options.fps or (rates[0] if rates else None) or MOTION_FPS
    target = (
        Path(output)
        if output is not None
        else default_output(image, *[*drivers, *map(text_name, texts)][:1])
    )
    plan = Plan(image, tuple(parts), tuple(sounds), target, frame_rate(rate), max(lengths),
                options)  # fmt: skip
    inputs = [file for _, file in plan.inputs]
    for path, _ in plan.videos:
        check_target(path, overwrite=overwrite, inputs=inputs)
        check_output(sidecar_path(path), overwrite=overwrite, inputs=inputs)
    return plan


def default_output(image: Path, driven_by: Path = Path("turntable")) -> Path:
    """Next to the image: `ada.jpg` and `hello.wav` make `ada--hello.mp4`."""
    return image.with_name(f"{image.stem}--{driven_by.stem}.mp4")


def text_name(text: str) -> Path:
    """A file name of the first words of a text: "Hello there, Ada!" gives hello-there-ada."""
    words = re.findall(r"\w+", text.lower())[:NAME_WORDS]
    return Path("-".join(words)[:NAME_LETTERS].strip("-_") or "text")


def finished(output: Path) -> Path:
    """What there will be of an output: itself, or the folder that a `folder/%05d.png` fills."""
    return output.parent if "%" in output.name else output


def view_path(output: Path, view: float) -> Path:
    """`talk.mp4` seen from -30 degrees is `talk--view-30.mp4`, from 15 `talk--view+15.mp4`."""
    ending = f"--view{view:+g}" if view else "--view0"
    if "%" in output.name:  # folder/%05d.png
        return output.parent.with_name(output.parent.name + ending) / output.name
    return output.with_name(f"{output.stem}{ending}{output.suffix}")


def recorded_parts(parts: Sequence[Part]) -> dict[str, Any]:
    """What a sidecar's options say of the people; their files are among its inputs."""
    who: list[dict[str, Any]] = [
        {"face": p.face, "face_box": p.face_box, "driver_face": p.driver_face}
        | ({} if p.tts is None else {"tts": p.tts, "voice": p.voice})
        for p in parts
    ]
    return who[0] if len(who) == 1 else {"people": who}


def parts_recorded(options: Mapping[str, Any], inputs: Mapping[str, Path]) -> list[Part]:
    """The people of a sidecar, from its options and its inputs by role."""
    several = options.get("people")
    parts = []
    for number, who in enumerate(several or [options], 1):
        known = {name: who[name] for name in PERSONAL if name in who}
        if known.get("face_box") is not None:
            known["face_box"] = tuple(known["face_box"])
        ending = f" {number}" if several else ""
        known |= {role: inputs.get(role + ending) for role in ("audio", "video", "motion")}
        parts.append(Part(**known))
    return parts
