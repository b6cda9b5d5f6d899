"""`enliven prefer ...`: pairs of better and worse videos to learn from.  Exit codes as in
`enliven.cli`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from enliven.console import PHOTOS, SOUNDS, WORKERS, Debug, Json, Out, Quiet, Workers, running
from enliven.errors import BadOption

app = typer.Typer(help="Which of two videos is better: pairs to learn from.",
                  no_args_is_help=True, pretty_exceptions_enable=False)  # fmt: skip

Pairs = Annotated[Path, typer.Argument(metavar="PAIRS", help="pairs.jsonl of `prefer make`.")]


@app.command()
def make(
    photos: Annotated[Path, PHOTOS],
    sounds: Annotated[Path, SOUNDS],
    out: Out,
    count: Annotated[int, typer.Option(metavar="K", min=2, max=64,
        help="Candidates of each input.")] = 5,
    inputs: Annotated[int, typer.Option(metavar="N", min=1, help="Inputs at most.")] = 16,
    seconds: Annotated[int, typer.Option(metavar="N", min=2, max=10,
        help="Of each; lip-sync of less cannot be told.")] = 3,
    models: Annotated[list[Path] | None, typer.Option(metavar="FOLDER",
        help="A further generator, may be repeated; the one that ships always takes part.")] = None,
    margin: Annotated[float | None, typer.Option(metavar="X", min=0.0,
        help="Least difference of a pair, on the scale 1 to 5; 0.05 by default.")] = None,
    workers: Workers = WORKERS,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of all that is drawn.")] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Make videos of photos and voices, judge them, and pair the best with the worst:
    enliven prefer make --photos photos --sounds voices --out prefs
    """
    with running(as_json, quiet, debug, when_stopped="run again to continue") as log:
        from enliven.reward.preferences import Selection
        from enliven.train.performer_video import Gathering
        from enliven.train.prefer_make import MARGIN, Making, make_preferences

        selection = Selection(MARGIN if margin is None else margin)
        making = Making(count, Gathering(seconds=seconds, inputs=inputs), selection=selection,
                        seed=seed)  # fmt: skip
        log.result(make_preferences(photos, sounds, out, making, models=models or (),
                                    workers=workers, progress=log.progress))  # fmt: skip


@app.command()
def export(
    pairs: Pairs,
    inputs: Annotated[bool, typer.Option("--inputs",
        help="Prompts as objects with text, photo and sound.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Print pairs as other trainers read them, a line each with prompt, chosen and rejected:
    enliven prefer export prefs/pairs.jsonl > prefs/chosen-rejected.jsonl
    """
    with running(as_json, quiet, debug):
        from enliven.reward.preferences import exported, read_preferences

        for row in exported(read_preferences(pairs), inputs=inputs):
            print(json.dumps(row, sort_keys=True))


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE",
        help="Rows with prompt, chosen and rejected: JSON lines, or a JSON array.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="A new folder.")],
    media: Annotated[Path | None, typer.Option(metavar="FOLDER",
        help="What names in the file are relative to; where it lies by default.")] = None,
    measure: Annotated[bool, typer.Option("--measure/--no-measure",
        help="Whether to measure, in videos of other tools, what is learned from.")] = True,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Make pairs of other people's videos: to vote on, to judge, to export, and to learn from
    where both videos show a face that speaks the same sound:
    enliven prefer import chosen-rejected.jsonl --out prefs
    """
    with running(as_json, quiet, debug) as log:
        from enliven.train.prefer_import import import_preferences

        made = import_preferences(file, out, media=media, measure=measure, progress=log.progress)
        log.note(f"{made.pairs} pairs; {made.learnable} of them can be learned from")
        log.result(made.path, pairs=made.pairs, learnable=made.learnable)


@app.command()
def votes(
    pairs: Pairs,
    key: Annotated[Path, typer.Argument(metavar="KEY",
        help="PAGE.key.json of benchmarks/blind.py.")],
    choices: Annotated[list[Path], typer.Argument(metavar="CHOICES ...",
        help="choices.json that people saved on the page.")],
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Add what people chose to the pairs; of several questions, the overall one decides.

    The page, of videos with sound:
    python benchmarks/blind.py videos page.html --pairs prefs/pairs.jsonl
    """
    with running(as_json, quiet, debug) as log:
        from enliven.reward.preferences import read_preferences, shown, voted, write_preferences
        from enliven.reward.votes import read_key, read_votes

        stored = read_preferences(pairs)
        # strips of pictures, in the folder `blind`, are named after their input
        strips = {f"{p.chosen.input}.png": (p.chosen, p.rejected)
                  for p in stored if p.source == "judge"}  # fmt: skip
        candidates = shown(stored) | strips
        page = read_key(key)
        names = {one["name"] for number, one in page.items() if number != "page"}
        if unknown := sorted(names - set(candidates)):
            raise BadOption(f"{key} shows {unknown[0]}, which is no pair of {pairs}; give the key "
                            "of a page made of this file, or of its folder `blind`")  # fmt: skip
        said = {pair.judge for pair in stored}
        made = []
        for path in choices:
            who = f"people: {path.stem}"
            if who in said:
                raise BadOption(f"{pairs} has the votes of {path.name} already; rename the file if "
                                "they are those of somebody else")  # fmt: skip
            said.add(who)
            made += voted(candidates, page, read_votes(path, page), who)
        written = write_preferences(pairs, made, add=True)
        log.note(f"{len(made)} votes added")
        log.result(written)
