"""`enliven data ...`: talking clips to train on.  Exit codes as in `enliven.cli`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from enliven.console import Debug, Json, Quiet, running

app = typer.Typer(help="Make clips to train on: from videos, or from a synthetic voice.",
                  no_args_is_help=True, pretty_exceptions_enable=False)  # fmt: skip


@app.command()
def prepare(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Videos of people talking.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="CLIPS",
        help="Folder for the clips; a run that was stopped there is continued.")],
    jobs: Annotated[int | None, typer.Option(metavar="N", help="Videos worked on at once.")] = None,
    speaker_from: Annotated[str | None, typer.Option(metavar="folder|name",
        help="What tells who speaks: the sub-folder, or the name up to the first _.")] = None,
    limit: Annotated[int | None, typer.Option(metavar="N",
        help="At most so many videos, drawn at random.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Of that draw.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Turn a folder of videos into clips to train on: enliven data prepare videos --out clips"""
    kept = "finished videos are kept, run again to continue"
    with running(as_json, quiet, debug, when_stopped=kept) as log:
        from enliven.data.prepare import PrepareOptions
        from enliven.data.prepare import prepare as run
        from enliven.data.report import told

        given: dict[str, Any] = {"jobs": jobs, "speaker_from": speaker_from, "limit": limit,
                                 "seed": seed}  # fmt: skip
        options = PrepareOptions(**{k: v for k, v in given.items() if v is not None})
        summary = run(folder, out, options, log.progress)
        if not as_json:
            print(told(summary))
        log.result(out, **asdict(summary))


@app.command()
def check(
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="A folder of clips.")],
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Read every clip of a folder and tell who speaks in it for how long."""
    with running(as_json, quiet, debug) as log:
        from enliven.data.dataset import clip_paths, read_clip

        paths, seconds = clip_paths(clips), dict[str, float]()
        for done, path in enumerate(paths, 1):
            clip = read_clip(path)
            seconds[clip.speaker] = seconds.get(clip.speaker, 0.0) + clip.seconds
            log.progress("check", done, len(paths))
        if not as_json:
            for speaker, time in sorted(seconds.items()):
                print(f"{time:9.1f} s  {speaker}")
        log.result(clips, clips=len(paths), seconds=seconds)


@app.command()
def synth(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Where clips go; a folder begun before is continued.",
        ),
    ],
    minutes: Annotated[float, typer.Option(min=0.1, help="Of speech with its pauses.")] = 30.0,
    seed: Annotated[int, typer.Option(min=0, help="Other numbers give other clips.")] = 0,
    languages: Annotated[
        str, typer.Option(metavar="LIST", help="Such as en,de,cmn; all by default.")
    ] = "",
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make speech in many voices and languages, with lips and behaviour to learn from."""
    stopped = "the clips so far are whole; the same command continues"
    with running(as_json, quiet, debug, when_stopped=stopped) as log:
        from enliven.data.synth import write_synthetic
        from enliven.data.voices import LANGUAGES

        chosen = tuple(filter(None, languages.replace(" ", "").split(","))) or tuple(LANGUAGES)
        made = 0.0
        for made in write_synthetic(out, 60 * minutes, seed, chosen):
            log.progress("synth", min(round(made), round(60 * minutes)), round(60 * minutes))
        log.result(out, seconds=made)
