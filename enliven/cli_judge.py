"""`enliven judge` and `enliven evaluate`: scorecards.  Exit codes as in `enliven.cli`."""

import json
import shutil
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enliven.console import Debug, Json, Log, Quiet, running
from enliven.errors import BadOption

if TYPE_CHECKING:
    from enliven.reward.evaluate import Evaluation
    from enliven.reward.judge import Judge
    from enliven.types import Score, Scorecard

CHEATED = 5
BAR = 20  # characters
NAME = 16
COLOURS = {"fine": "green", "limit": "yellow", "bad": "red", "unknown": "bright_black"}

Html = Annotated[Path | None, typer.Option("--html", metavar="FILE",
    help="Write a page with curves and pictures, too.")]  # fmt: skip
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing page.")]
Who = Annotated[str, typer.Option("--judge", metavar="critic|mllm",
    help="Who marks the three axes: our critic, or a multimodal language model.")]  # fmt: skip
Endpoint = Annotated[str | None, typer.Option(metavar="URL",
    help="Of the model's server, with --judge mllm; it speaks as OpenAI's.")]  # fmt: skip
Model = Annotated[str | None, typer.Option(metavar="NAME", help="Of the model there.")]
Local = Annotated[Path | None, typer.Option(metavar="FOLDER",
    help="An omni model on this machine instead of a server.")]  # fmt: skip
Canaries = Annotated[list[Path] | None, typer.Option("--canary", metavar="FILE",
    help="A real recording of a speaker that the model is tested on before it is believed; "
    "again for more.")]  # fmt: skip


def judge(
    video: Annotated[Path | None, typer.Argument(metavar="VIDEO",
        help="Of any tool, or of a camera.")] = None,
    portrait: Annotated[Path | None, typer.Option(metavar="PHOTO",
        help="The photo it was made from; without it some checks cannot be told.")] = None,
    reference: Annotated[Path | None, typer.Option(metavar="REAL",
        help="The real video of the same words, to compare with frame by frame.")] = None,
    html: Html = None,
    face: Annotated[int, typer.Option(metavar="N", help="Which face; 1 is the largest.")] = 1,
    who: Who = "critic",
    endpoint: Endpoint = None,
    model: Model = None,
    local: Local = None,
    canary: Canaries = None,
    probes: Annotated[bool, typer.Option("--probes",
        help="Try to cheat the judge instead, on VIDEO or on the example.")] = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Score a talking face: enliven judge video.mp4 --portrait photo.jpg --html report.html"""
    with running(as_json, quiet, debug) as log:
        from enliven.reward.card import as_json as card_json
        from enliven.reward.judge import judge as run
        from enliven.reward.page import video_page
        from enliven.reward.record import Recorder

        _check_page(html, overwrite, [video, portrait, reference])
        marker = chosen_judge(who, endpoint, model, local, canary or [])
        if probes:
            if html or reference:
                raise BadOption("--probes tries cheats and prints a table; leave out --html and "
                                "--reference")  # fmt: skip
            _probe(video, portrait, marker, as_json, log)
            return
        if video is None:
            raise BadOption("name a video: enliven judge video.mp4")
        recorder = Recorder()
        card = run(video, portrait=portrait, reference=reference, judge=marker, face=face,
                   progress=log.progress, seen=recorder.add)  # fmt: skip
        _note_model(marker, log)
        if html is not None:
            photo = portrait.name if portrait else ""
            _write(html, video_page(video.name, card, recorder.record(), photo), overwrite)
        if as_json:
            page = {"html": str(html) if html else None}
            print(json.dumps({"video": str(video), **card_json(card), **page}, ensure_ascii=False))
            return
        typer.echo(told(card))
        if html is not None:
            print(html)


def evaluate(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...",
        help="Videos of one system each, named alike for the same clip.")],
    portraits: Annotated[Path | None, typer.Option(metavar="FOLDER",
        help="The photos, named as the clips.")] = None,
    real: Annotated[Path | None, typer.Option(metavar="FOLDER",
        help="The real videos, named as the clips.")] = None,
    html: Html = None,
    who: Who = "critic",
    endpoint: Endpoint = None,
    model: Model = None,
    local: Local = None,
    canary: Canaries = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of intervals and tests.")] = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Compare systems clip by clip: enliven evaluate ours/ theirs/ --html report.html"""
    kept = "videos judged so far are kept, run again to go on"
    with running(as_json, quiet, debug, when_stopped=kept) as log:
        from enliven.reward.evaluate import evaluate as run
        from enliven.reward.evaluate_page import evaluation_page

        _check_page(html, overwrite, [])
        marker = chosen_judge(who, endpoint, model, local, canary or [])
        found = run(folders, portraits=portraits, real=real, judge=marker, seed=seed,
                    progress=lambda _, done, total: log.progress("judge", done, total))  # fmt: skip
        if html is not None:
            _write(html, evaluation_page(found), overwrite)
        _note_left_out(found, log)
        _note_model(marker, log)
        if as_json:
            print(json.dumps({**found.as_json(), "html": str(html) if html else None},
                             ensure_ascii=False))  # fmt: skip
            return
        typer.echo(told_evaluation(found))
        if html is not None:
            print(html)


def _probe(
    video: Path | None, portrait: Path | None, marker: "Judge | None", as_json: bool, log: Log
) -> None:
    """Tries every cheat; not 0 when one pays."""
    from enliven.reward.probes import probe_judge, recorded
    from enliven.reward.probes import told as told_probes

    findings = probe_judge(video, portrait=portrait, judge=marker, progress=log.progress)
    _note_model(marker, log)
    if as_json:
        print(json.dumps(recorded(findings), ensure_ascii=False))
    else:
        print(told_probes(findings))
    if not findings.passed:
        raise typer.Exit(CHEATED)


def chosen_judge(
    who: str, endpoint: str | None, model: str | None, local: Path | None, canaries: list[Path]
) -> "Judge | None":
    """The judge that was asked for; None is the default one.  Raises BadOption."""
    if who not in ("critic", "mllm"):
        raise BadOption(f'--judge is "{who}"; choose critic or mllm')
    if who == "critic":
        if endpoint or model or local or canaries:
            raise BadOption("--endpoint, --model, --local and --canary belong to --judge mllm; "
                            "add it")  # fmt: skip
        return None
    if bool(endpoint) == bool(local):
        raise BadOption("--judge mllm needs a model: either --endpoint URL with --model NAME, or "
                        "--local FOLDER")  # fmt: skip
    if endpoint and not model:
        raise BadOption("--endpoint needs --model NAME, the name the server knows the model by")
    from enliven.reward.mllm import mllm_judge

    return mllm_judge(endpoint=endpoint, model=model, local=local, canaries=canaries)


def _note_model(marker: "Judge | None", log: Log) -> None:
    """What a model took, and what came of its self-test."""
    from enliven.reward.mllm import MLLMJudge

    if isinstance(marker, MLLMJudge):
        for line in marker.trust.report().splitlines() if marker.trust else ():
            log.note(f"self-test: {line}")
        log.note(f"the model took {marker.costs}")


def told(card: "Scorecard") -> str:
    """A scorecard for a terminal."""
    from enliven.reward.card import against_reference, checks, said
    from enliven.reward.judge import AXES

    width = max(60, min(shutil.get_terminal_size((100, 24)).columns, 110))
    lines = []
    for axis in AXES:
        lines += _axis_lines(said(axis), card.scores[axis], width)
    lines += ["", *_check_lines(checks(card), width)]
    if real := against_reference(card):
        lines += ["", "against the real video", *_value_lines(real, width)]
    lines += ["", f"judge: {card.judge}"]
    lines += _wrapped("note: ", card.notes, width)
    return "\n".join(lines)


def told_evaluation(found: "Evaluation") -> str:
    """Means and verdicts for a terminal."""
    from enliven.reward.card import said
    from enliven.reward.evaluate_page import interval_text, verdict
    from enliven.reward.judge import AXES

    column = max(22, *(len(system) + 2 for system in found.systems))
    lines = [" " * NAME + "".join(f"{system:>{column}}" for system in found.systems)]
    for name in found.names():
        cells = [interval_text(found.mean(system, name)) for system in found.systems]
        lines.append(f"{said(name):<{NAME}}" + "".join(f"{cell:>{column}}" for cell in cells))
        if name == AXES[-1]:
            lines.append("")
    verdicts = [verdict(one, axis) for one in found.comparisons() for axis in AXES]
    return "\n".join([*lines, "", *verdicts, "", f"judge: {found.judge}"])


def _axis_lines(name: str, score: "Score", width: int) -> list[str]:
    from enliven.reward.compose import quality
    from enliven.reward.page import has_worst, span

    if not score.valid:
        head = f"{name:<{NAME}}{'?':>4}  {'cannot be told':<{BAR}}  "
        return _hanging(head, score.why, width)
    filled = round(BAR * quality(score))
    drawn = "\N{FULL BLOCK}" * filled + "\N{MIDDLE DOT}" * (BAR - filled)
    worst = f"; worst {span(score)}" if has_worst(score) else ""
    return _hanging(f"{name:<{NAME}}{score.value:4.1f}  {drawn}  ", score.why + worst, width)


def _check_lines(scores: dict[str, "Score"], width: int) -> list[str]:
    from enliven.reward.card import SAID, said, state
    from enliven.reward.page import span

    lines = []
    for name, score in scores.items():
        kind = state(score)
        value = f"{score.value:4.2f}" if kind != "unknown" else "   ?"
        worst = f"; worst {span(score)}" if score.worst_seconds and kind in ("bad", "limit") else ""
        head = f"{said(name):<{NAME}}{value}  {SAID[kind]:<15} "
        first, *rest = _hanging(head, score.why + worst, width)
        coloured = typer.style(SAID[kind], fg=COLOURS[kind])
        lines += [first.replace(SAID[kind], coloured, 1), *rest]
    return lines


def _value_lines(scores: dict[str, "Score"], width: int) -> list[str]:
    from enliven.reward.card import said

    lines = []
    for name, score in scores.items():
        value = f"{score.value:5.2f}" if score.valid else "    ?"
        lines += _hanging(f"{said(name):<{NAME - 1}}{value}  ", score.why, width)
    return lines


def _hanging(head: str, text: str, width: int) -> list[str]:
    """A head and a text that goes on below itself."""
    return textwrap.wrap(text, width, initial_indent=head, subsequent_indent=" " * len(head)) or [
        head.rstrip()
    ]


def _wrapped(head: str, texts: Iterable[str], width: int) -> list[str]:
    return [line for text in texts for line in _hanging(head, text, width)]


def _note_left_out(found: "Evaluation", log: Log) -> None:
    for system, clip, why in found.left_out:
        log.note(f"{system}/{clip} is left out: {why}")


def _check_page(html: Path | None, overwrite: bool, inputs: list[Path | None]) -> None:
    """Before an hour of work: can the page be written?  Raises BadOption, OutputError."""
    from enliven.media.files import check_output

    if html is not None:
        if html.suffix.lower() not in (".html", ".htm"):
            raise BadOption(f"--html is {html}; its name must end in .html")
        check_output(html, overwrite=overwrite, inputs=[p for p in inputs if p])


def _write(path: Path, text: str, overwrite: bool) -> None:
    from enliven.media.files import whole_file

    with whole_file(path, overwrite=overwrite) as hidden:
        hidden.write_text(text, "utf-8")
