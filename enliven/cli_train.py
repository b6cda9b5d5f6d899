"""`enliven train`: recipes to weights.  Exit codes as in `enliven.cli`."""

from pathlib import Path
from typing import Annotated

import typer

from enliven.console import Debug, Json, Quiet, running


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE",
        help="recipes.speech, or a Python file with a function `recipe`.")],
    clips: Annotated[Path, typer.Option("--clips", metavar="CLIPS",
        help="Clips to learn from, made by enliven data prepare.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN",
        help="Folder of the run; one that was stopped there is continued.")],
    voices: Annotated[Path | None, typer.Option(metavar="FOLDER",
        help="Synthetic speech, made by enliven data synth.")] = None,
    device: Annotated[str, typer.Option(help="Of torch: cpu, cuda ...")] = "cpu",
    threads: Annotated[int, typer.Option(metavar="N", help="Of the CPU.")] = 2,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Train the networks: enliven train recipes.speech --clips clips --out run"""
    with running(as_json, quiet, debug, when_stopped="run again to continue") as log:
        from enliven.train.recipe import load_recipe

        made = load_recipe(recipe).run(clips, voices, out, device=device, threads=threads)
        log.result(made)
