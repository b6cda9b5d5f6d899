"""The command line.  Results go to stdout, the path of a made file as its last line; progress,
notes and errors go to stderr.

Exit codes
    0    done
    1    an unexpected error (a bug: please report it)
    2    the input or an option cannot be used
    3    the output cannot be written, or exists
    4    a network file is missing and cannot be obtained
    5    replay: the result differs; doctor: something needs attention
    130  stopped by Ctrl-C, 143 by a termination signal; nothing is left behind

Heavy imports happen inside the commands, so that `--help` is immediate.
"""

import json
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from enliven import __version__
from enliven.console import Log, open_log
from enliven.errors import (
    BadOption,
    Cancelled,
    EnlivenError,
    InputError,
    ModelUnavailable,
    OutputError,
)

app = typer.Typer(
    name="enliven",
    help="Make a still portrait talk, driven by a voice, a video or a motion file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

EXIT_CODES = ((Cancelled, 130), (InputError, 2), (OutputError, 3), (ModelUnavailable, 4))
DIFFERENT = 5

Photo = Annotated[Path, typer.Argument(metavar="PHOTO", help="JPEG, PNG, WebP, ...")]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE",
    help="Where to write; by default a name made from the inputs, next to the first.")]  # fmt: skip
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Json = Annotated[bool, typer.Option("--json", help="Result as JSON, progress as JSON lines.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Face = Annotated[int | None, typer.Option(metavar="N", help="Which face; 1 is the largest.")]
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
NoMark = Annotated[bool, typer.Option("--no-disclosure",
    help="Do not mark the video as machine-made in its metadata.")]  # fmt: skip
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, write nothing.")]


@app.command()
def animate(
    photo: Annotated[Path | None, typer.Argument(metavar="[PHOTO]")] = None,
    image: Annotated[Path | None, typer.Option("--image", "-i", help="The photo.")] = None,
    audio: Annotated[Path | None, typer.Option("--audio", "-a", metavar="FILE",
        help="Voice: a sound file, or a video whose sound is used.")] = None,
    video: Annotated[Path | None, typer.Option("--video", "-v", metavar="FILE",
        help="A video of a face whose movement is carried over, with its sound.")] = None,
    output: Output = None,
    fps: Fps = None,
    size: Size = None,
    crop: Crop = False,
    transparent: Transparent = False,
    seed: Seed = None,
    face: Face = None,
    face_box: FaceBox = None,
    driver_face: Annotated[int | None, typer.Option(metavar="N",
        help="Which face of the driving video.")] = None,
    head_motion: HeadMotion = None,
    mouth: Mouth = None,
    expression: Expression = None,
    blink_rate: Annotated[float | None, typer.Option(metavar="N", help="Blinks a minute.")] = None,
    still: Still = False,
    reference: Reference = None,
    no_disclosure: NoMark = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Make the person in PHOTO speak: enliven animate photo.jpg --audio speech.wav"""
    with _running(as_json, quiet, debug) as log:
        named = [path for path in (photo, image) if path is not None]
        if len(named) != 1:
            raise BadOption("name one photo: enliven animate photo.jpg --audio speech.wav")
        _animate(
            named[0],
            log,
            overwrite,
            dry_run,
            audio=audio,
            video=video,
            output=output,
            options=_given(
                fps=fps,
                size=size,
                crop=crop,
                transparent=transparent,
                seed=seed,
                face=face,
                face_box=_box(face_box),
                driver_face=driver_face,
                head_motion=head_motion,
                mouth=mouth,
                expression=expression,
                blink_rate=blink_rate,
                still=still,
                reference=reference,
                disclose=not no_disclosure,
            ),
        )


@app.command()
def render(
    photo: Photo,
    motion: Annotated[Path, typer.Argument(metavar="MOTION", help="An .npz motion file.")],
    output: Output = None,
    audio: Annotated[Path | None, typer.Option("--audio", "-a", metavar="FILE",
        help="Sound for the video.")] = None,
    fps: Fps = None,
    size: Size = None,
    crop: Crop = False,
    transparent: Transparent = False,
    face: Face = None,
    face_box: FaceBox = None,
    head_motion: HeadMotion = None,
    mouth: Mouth = None,
    expression: Expression = None,
    still: Still = False,
    reference: Reference = None,
    no_disclosure: NoMark = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Show a motion on the person in PHOTO: enliven render photo.jpg motion.npz -o out.mp4"""
    with _running(as_json, quiet, debug) as log:
        _animate(
            photo,
            log,
            overwrite,
            dry_run,
            motion=motion,
            audio=audio,
            output=output,
            options=_given(
                fps=fps,
                size=size,
                crop=crop,
                transparent=transparent,
                face=face,
                face_box=_box(face_box),
                head_motion=head_motion,
                mouth=mouth,
                expression=expression,
                still=still,
                reference=reference,
                disclose=not no_disclosure,
            ),
        )


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
    with _running(as_json, quiet, debug) as log:
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
    with _running(as_json, quiet, debug) as log:
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
    with _running(as_json, quiet, debug) as log:
        from enliven.weights import ensure_models

        folder = ensure_models(lambda what, part: log.progress(what, round(100 * part), 100))
        log.result(folder)


@app.command()
def doctor(as_json: Json = False, debug: Debug = False) -> None:
    """Check what works here, what is missing and what to do about it."""
    with _running(as_json, True, debug):
        from enliven.doctor import examine, report

        checks = examine()
        print(json.dumps([vars(check) for check in checks]) if as_json else report(checks))
        if any(check.state == "fail" for check in checks):
            raise typer.Exit(DIFFERENT)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        print(f"enliven {__version__}")
        raise typer.Exit


def _animate(
    image: Path, log: Log, overwrite: bool, dry_run: bool, *, options: dict[str, Any],
    **inputs: Path | None,
) -> None:  # fmt: skip
    from enliven.animate import Options, perform, plan_animation

    plan = plan_animation(image, overwrite=overwrite, options=Options(**options), **inputs)
    if dry_run:
        log.result(plan.output, driver=plan.driver, seconds=plan.seconds, fps=float(plan.fps))
        return
    done = perform(plan, overwrite=overwrite, progress=log.progress)
    log.result(done.path, sidecar=str(done.sidecar), frames=done.frames, fps=float(done.fps),
               size=done.size, timings=done.timings, notes=list(done.notes))  # fmt: skip


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


@contextmanager
def _running(as_json: bool, quiet: bool, debug: bool) -> Iterator[Log]:
    """Turns everything that may go wrong into one message and an exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with open_log(as_json, quiet) as log:
        try:
            yield log
        except (typer.Exit, SystemExit):
            raise
        except (KeyboardInterrupt, Cancelled):
            log.error("stopped; nothing was written", "Cancelled")
            raise typer.Exit(130) from None
        except EnlivenError as error:
            if debug:
                traceback.print_exc()
            log.error(str(error), type(error).__name__)
            code = next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)
            raise typer.Exit(code) from None
        except Exception as error:
            if debug:
                traceback.print_exc()
            log.error(f"unexpected {type(error).__name__}: {error}\nThis is a bug. Run again with "
                      "--debug and report what it prints.", type(error).__name__)  # fmt: skip
            raise typer.Exit(1) from None


def main() -> None:
    """Entry point of the `enliven` command."""
    app()
