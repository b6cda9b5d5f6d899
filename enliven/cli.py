"""The command line.  Results go to stdout, the path of a made file as its last line; progress,
notes and errors go to stderr.

Exit codes
    0    done
    1    an unexpected error (a bug: please report it)
    2    the input or an option cannot be used
    3    the output cannot be written, or exists
    4    a network file is missing and cannot be obtained
    5    replay: the result differs; doctor: something needs attention; judge --probes: a cheat pays
    130  stopped by Ctrl-C, 143 by a termination signal; nothing is left behind

Heavy imports happen inside the commands, so that `--help` is immediate.
"""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from enliven import __version__
from enliven.cli_data import app as data_app
from enliven.cli_judge import evaluate, judge
from enliven.cli_prefer import app as prefer_app
from enliven.cli_train import train
from enliven.console import Debug, Json, Quiet, running
from enliven.errors import BadOption

app = typer.Typer(
    name="enliven",
    help="Make a still portrait talk, driven by a voice, a video or a motion file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data_app, name="data")
app.add_typer(prefer_app, name="prefer")

DIFFERENT = 5
ORDER = "enliven.order"

Photo = Annotated[Path, typer.Argument(metavar="PHOTO", help="JPEG, PNG, WebP, ...")]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE",
    help="Where to write; by default a name made from the inputs, next to the first.")]  # fmt: skip
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
Face = Annotated[int | None, typer.Option(metavar="N", help="Which face; 1 is the largest.")]
Faces = Annotated[list[int] | None, typer.Option("--face", metavar="N",
    help="Which face; 1 is the largest. Again for each further person.")]  # fmt: skip
FaceBoxes = Annotated[list[str] | None, typer.Option("--face-box", metavar="X,Y,W,H",
    help="Where the face is, in px of the photo, instead of --face.")]  # fmt: skip
FaceBox = Annotated[str | None, typer.Option(metavar="X,Y,W,H",
    help="Where the face is, in px of the photo.")]  # fmt: skip
Fps = Annotated[str | None, typer.Option(metavar="RATE",
    help="Frames a second, 30 or 30000/1001; by default the driving video's or 25.")]  # fmt: skip
Size = Annotated[int | None, typer.Option(metavar="PX",
    help="Longer side of the video; by default the photo's own.")]  # fmt: skip
Crop = Annotated[bool, typer.Option("--crop", help="Only a square around head and shoulders.")]
Transparent = Annotated[bool, typer.Option("--transparent",
    help="Person without background; needs -o with .webm, .mov, .webp or a folder.")]  # fmt: skip
Seed = Annotated[int | None, typer.Option(metavar="N", help="Another seed, other blinks and nods.")]
HeadMotion = Annotated[float | None, typer.Option(metavar="0..2", help="Strength of head motion.")]
Mouth = Annotated[float | None, typer.Option(metavar="0..2", help="How widely the mouth moves.")]
Expression = Annotated[float | None, typer.Option(metavar="0..2",
    help="Strength of brows and all expression but speech.")]  # fmt: skip
Still = Annotated[bool, typer.Option("--still", help="Keep the head still; it still blinks.")]
Reference = Annotated[str | None, typer.Option(metavar="neutral|first",
    help="What in the driver matches the photo: a relaxed face, or its first frame.")]  # fmt: skip
Views = Annotated[str | None, typer.Option(metavar="A,B,...",
    help="Cameras round the person, degrees, as -30,0,30: a video each, and one.")]  # fmt: skip
Turntable = Annotated[bool, typer.Option("--turntable",
    help="The person turns to both sides; needs no driver.")]  # fmt: skip
NoMark = Annotated[bool, typer.Option("--no-disclosure",
    help="Do not mark the video as machine-made in its metadata.")]  # fmt: skip
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, write nothing.")]


# What `animate` and `render` share: name -> (type, default).
SHARED: dict[str, tuple[Any, Any]] = {
    "output": (Output, None), "face": (Faces, None), "face_box": (FaceBoxes, None),
    "fps": (Fps, None), "size": (Size, None), "crop": (Crop, False),
    "transparent": (Transparent, False), "head_motion": (HeadMotion, None), "mouth": (Mouth, None),
    "expression": (Expression, None), "still": (Still, False), "reference": (Reference, None),
    "views": (Views, None), "turntable": (Turntable, False),
    "no_disclosure": (NoMark, False), "overwrite": (Overwrite, False), "dry_run": (DryRun, False),
    "as_json": (Json, False), "quiet": (Quiet, False), "debug": (Debug, False),
}  # fmt: skip


def _sharing(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the SHARED options in place of its **shared, as typer reads signatures."""
    own = [p for p in inspect.signature(command).parameters.values() if p.kind != p.VAR_KEYWORD]
    shared = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default,
                                annotation=kind)
              for name, (kind, default) in SHARED.items()]  # fmt: skip
    command.__signature__ = inspect.Signature(own + shared)  # type: ignore[attr-defined]
    command.__annotations__ |= {name: kind for name, (kind, _) in SHARED.items()}
    return command


class _InOrder(TyperCommand):
    """Remembers in which order the options were given: a --face opens a person's own options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[ORDER] = [parameter.name for parameter in order]
        return super().parse_args(ctx, args)


@app.command(cls=_InOrder)
@_sharing
def animate(
    context: typer.Context,
    photo: Annotated[Path | None, typer.Argument(metavar="[PHOTO]")] = None,
    image: Annotated[Path | None, typer.Option("--image", "-i", help="The photo.")] = None,
    audio: Annotated[list[Path] | None, typer.Option("--audio", "-a", metavar="FILE",
        help="Voice: a sound file, or a video whose sound is used.")] = None,
    video: Annotated[list[Path] | None, typer.Option("--video", "-v", metavar="FILE",
        help="A video of a face whose movement is carried over, with its sound.")] = None,
    motion: Annotated[list[Path] | None, typer.Option("--motion", "-m", metavar="FILE",
        help="An .npz motion file.")] = None,
    tts: Annotated[list[str] | None, typer.Option("--tts", metavar="TEXT",
        help='Text to speak, not a recording; needs pip install "enliven\\[speech]".')] = None,
    voice: Annotated[list[str] | None, typer.Option("--voice", metavar="NAME",
        help="Who speaks the text: en-us, en-gb, de, cmn, ..., or en-us+f2 for a timbre.")] = None,
    driver_face: Annotated[list[int] | None, typer.Option(metavar="N",
        help="Which face of the driving video.")] = None,
    seed: Seed = None,
    blink_rate: Annotated[float | None, typer.Option(metavar="N", help="Blinks a minute.")] = None,
    speed: Annotated[float | None, typer.Option(metavar="0.2..3",
        help="How fast the head turns; 1 is as people do.")] = None,
    emotion: Annotated[str | None, typer.Option(metavar="NAME:0..1,...",
        help="happy, sad, angry, surprised, afraid, disgusted: happy:0.6")] = None,
    gaze: Annotated[str | None, typer.Option(metavar="YAW,PITCH",
        help="Where to look: degrees right and down, 20,-5, or camera, left, up, ...")] = None,
    control: Annotated[Path | None, typer.Option(metavar="FILE",
        help="Any of these over time, a .csv or .json; see docs/controls.md.")] = None,
    **shared: Any,
) -> None:  # fmt: skip
    """Make the person in PHOTO speak: enliven animate photo.jpg --audio speech.wav

    Several people, each with a --face and what moves it (without: blinks and breathes):
    enliven animate group.jpg --face 1 --audio anna.wav --face 2 --audio ben.wav
    """
    named = [path for path in (photo, image) if path is not None]
    people = {"audio": audio, "video": video, "motion": motion, "driver_face": driver_face,
              "tts": tts, "voice": voice}  # fmt: skip
    _animate(named, people, context.meta[ORDER], shared, seed=seed, blink_rate=blink_rate,
             speed=speed, emotion=emotion, gaze=gaze, control=control)  # fmt: skip


@app.command(cls=_InOrder)
@_sharing
def render(
    context: typer.Context,
    photo: Photo,
    motion: Annotated[Path, typer.Argument(metavar="MOTION", help="An .npz motion file.")],
    audio: Annotated[list[Path] | None, typer.Option("--audio", "-a", metavar="FILE",
        help="Sound for the video.")] = None,
    **shared: Any,
) -> None:  # fmt: skip
    """Show a motion on the person in PHOTO: enliven render photo.jpg motion.npz -o out.mp4"""
    _animate([photo], {"audio": audio, "motion": [motion]}, context.meta[ORDER], shared)


@app.command()
def track(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A video of a face.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE",
        help="Motion file, .npz, or .csv with ARKit columns; by default CLIP with .npz.")] = None,
    face: Face = None,
    face_box: FaceBox = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Measure the motion of a face in a video: enliven track clip.mp4 -o motion.npz"""
    with running(as_json, quiet, debug) as log:
        from enliven.drive import track as track_motion
        from enliven.motion_io import check_motion_target, save_motion

        target = output or clip.with_suffix(".npz")
        check_motion_target(target, overwrite=overwrite, inputs=[clip])
        motion = track_motion(clip, progress=lambda done, total: log.progress("track", done, total),
                              **_given(face=face, face_box=_box(face_box)))  # fmt: skip
        save_motion(target, motion, overwrite=overwrite)
        log.result(target, frames=len(motion), fps=motion.fps,
                   frames_without_face=int((~motion.valid).sum()))  # fmt: skip


@app.command()
def replay(
    sidecar: Annotated[Path, typer.Argument(metavar="SIDECAR", help="The .json of a result.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE",
        help="Keep the new copy here.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Make a result again from its sidecar and compare the bytes.

    A video that is missing is restored.  One that is there stays as it is; the new copy is
    kept only if it differs, as NAME.replay.mp4, or with -o.
    """
    with running(as_json, quiet, debug) as log:
        from enliven.replay import replay as run

        done = run(sidecar, output=output, overwrite=overwrite, progress=log.progress)
        for line in done.differences:
            log.note(line)
        log.note("same bytes" if done.same else "different bytes")
        log.result(done.path, same=done.same, differences=list(done.differences))
        if not done.same:
            raise typer.Exit(DIFFERENT)


@app.command()
def setup(quiet: Quiet = False, as_json: Json = False, debug: Debug = False) -> None:
    """Obtain the face networks now (35 MB, once); everything after works offline."""
    with running(as_json, quiet, debug) as log:
        from enliven.weights import ensure_models

        folder = ensure_models(lambda what, part: log.progress(what, round(100 * part), 100))
        log.result(folder)


@app.command()
def doctor(as_json: Json = False, debug: Debug = False) -> None:
    """Check what works here, what is missing and what to do about it."""
    with running(as_json, True, debug):
        from enliven.doctor import examine, report

        checks = examine()
        print(json.dumps([vars(check) for check in checks]) if as_json else report(checks))
        if any(check.state == "fail" for check in checks):
            raise typer.Exit(DIFFERENT)


app.command()(judge)
app.command()(evaluate)
app.command()(train)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        print(f"enliven {__version__}")
        raise typer.Exit


def _animate(
    named: list[Path], people: dict[str, list[Any] | None], order: list[str],
    shared: dict[str, Any], **options: Any,
) -> None:  # fmt: skip
    """What `animate` and `render` do, given what was on their command lines."""
    overwrite, dry_run = shared.pop("overwrite"), shared.pop("dry_run")
    with running(*(shared.pop(name) for name in ("as_json", "quiet", "debug"))) as log:
        if len(named) != 1:
            raise BadOption("name one photo: enliven animate photo.jpg --audio speech.wav")
        from enliven.plan import Options, Part, plan_animation

        output, marked = shared.pop("output"), not shared.pop("no_disclosure")
        boxes = [_box(text) for text in shared.pop("face_box") or ()]
        given = people | {"face": shared.pop("face"), "face_box": boxes}
        parts = [Part(**part) for part in _by_person(order, given)]
        shared["views"] = _views(shared["views"])
        chosen = Options(disclose=marked, **_given(**shared, **options))
        plan = plan_animation(named[0], parts, output=output, overwrite=overwrite, options=chosen)
        if dry_run:
            log.result(plan.output, drivers=[part.driver for part in plan.parts],
                       seconds=plan.seconds, fps=float(plan.fps))  # fmt: skip
            return
        from enliven.animate import perform

        done = perform(plan, overwrite=overwrite, progress=log.progress)
        log.result(done.path, sidecar=str(done.sidecar), frames=done.frames, fps=float(done.fps),
                   size=done.size, timings=done.timings, notes=list(done.notes),
                   views=[str(path) for path in done.views])  # fmt: skip


def _by_person(order: list[str], given: dict[str, list[Any] | None]) -> list[dict[str, Any]]:
    """The options of each person.  With several faces every --face begins another person.

    order: names as on the command line.  given: name -> values in order.
    """
    left = {name: iter(values or ()) for name, values in given.items()}
    several = sum(name in ("face", "face_box") for name in order) > 1
    parts: list[dict[str, Any]] = [] if several else [{}]
    for name in order:
        if name not in left:
            continue
        if several and name in ("face", "face_box"):
            parts.append({})
        option = "--" + name.replace("_", "-")
        if not parts:
            raise BadOption(f"{option} comes before the first --face; with several people name "
                            "each face first, then what moves it")  # fmt: skip
        if name in parts[-1]:
            raise BadOption(f"{option} is given twice for one face; put a --face N before each")
        parts[-1][name] = next(left[name])
    return parts


def _given(**options: Any) -> dict[str, Any]:
    """The options that were given; all others keep the default of the library."""
    return {name: value for name, value in options.items() if value is not None}


def _box(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 4:
        raise BadOption(f'--face-box is "{text}"; give x,y,width,height in px, e.g. 120,80,200,240')
    return numbers


def _views(text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise BadOption(f'--views is "{text}"; give degrees with commas between them, such as '
                        "-30,-15,0,15,30") from None  # fmt: skip


def main() -> None:
    """Entry point of the `enliven` command."""
    app()
