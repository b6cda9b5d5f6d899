"""`enliven train`: recipes to weights.  Exit codes as in `enliven.cli`."""

import inspect
import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from enliven.console import PHOTOS, SOUNDS, WORKERS, Debug, Json, Out, Quiet, Workers, running
from enliven.errors import BadOption


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE",
        help="recipes.speech, recipes.grpo, recipes.sft, recipes.dpo, or a Python file "
        "with a function `recipe`.")],
    out: Out,
    clips: Annotated[Path | None, typer.Option("--clips", metavar="CLIPS",
        help="Clips to learn from, made by enliven data prepare.")] = None,
    voices: Annotated[Path | None, typer.Option(metavar="FOLDER",
        help="Synthetic speech, made by enliven data synth.")] = None,
    photos: Annotated[Path | None, PHOTOS] = None,
    sounds: Annotated[Path | None, SOUNDS] = None,
    pairs: Annotated[Path | None, typer.Option(metavar="FILE",
        help="pairs.jsonl, made by enliven prefer make.")] = None,
    models: Annotated[Path | None, typer.Option(metavar="FOLDER",
        help="The generator to begin with; by default the one that ships.")] = None,
    workers: Workers = WORKERS,
    device: Annotated[str, typer.Option(help="Of torch: cpu, cuda ...")] = "cpu",
    threads: Annotated[int, typer.Option(metavar="N", min=1, help="Of the CPU.")] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run",
        help="Try one sample, say how long a run takes, write nothing.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Train the networks: enliven train recipes.speech --clips clips --out run

    or make them better at what is judged:
    enliven train recipes.grpo --photos photos --sounds voices --out run

    recipes.speech takes --clips and --voices.
    recipes.grpo and recipes.sft take --photos and --sounds.
    recipes.dpo takes --pairs and, to be evaluated on, --photos and --sounds.
    All but recipes.speech take --models, --workers and --dry-run, too.
    """
    given = {
        "clips": clips, "voices": voices, "photos": photos, "sounds": sounds, "pairs": pairs,
        "models": models, "workers": workers, "device": device, "threads": threads,
    }  # fmt: skip
    first = int(os.environ.get("RANK", "0")) == 0  # of several processes, it speaks for all
    with running(as_json, quiet or not first, debug, when_stopped="run again to continue") as log:
        from enliven.train.recipe import load_recipe

        made = load_recipe(recipe)
        _check_device(device)
        if dry_run:
            if not hasattr(made, "plan"):
                raise BadOption(f"{recipe} has no plan to show; leave out --dry-run")
            plan = made.plan(**taken(made.plan, given, recipe), out=out)
            if first:
                print(json.dumps(plan, indent=2))
            return
        options = taken(made.run, given, recipe)
        if "progress" in inspect.signature(made.run).parameters:
            options["progress"] = log.progress
        result = made.run(**options, out=out)
        if first:
            log.result(result)


def taken(function: Any, given: dict[str, Any], recipe: str) -> dict[str, Any]:
    """Those of the options that a recipe takes.

    Raises BadOption when it needs one that was not given, or one was that it does not know.
    """
    parameters = inspect.signature(function).parameters
    needed = [name for name, one in parameters.items() if one.default is one.empty]
    missing = [name for name in needed if name in given and given[name] is None]
    if missing:
        raise BadOption(f"{recipe} needs --{' and --'.join(missing)}; give each of them")
    unknown = [name for name in ("clips", "voices", "photos", "sounds", "pairs", "models")
               if given[name] is not None and name not in parameters]  # fmt: skip
    if unknown:
        raise BadOption(f"{recipe} does not use --{' and --'.join(unknown)}; leave it out")
    return {name: value for name, value in given.items() if name in parameters}


def _check_device(name: str) -> None:
    """Raises BadOption where torch cannot use it; a GPU is not touched."""
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        raise BadOption(f"--device {name} is none of torch; choose cpu or cuda") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BadOption(f"--device {name} cannot be used: torch sees {torch.cuda.device_count()} "
                        "GPUs; choose cpu, or install a torch for your GPU")  # fmt: skip
