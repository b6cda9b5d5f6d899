"""What the command line says: progress, notes and errors on stderr, the result on stdout.

`running` is around every command and turns whatever goes wrong into a message and an exit code.
"""

import json
import logging
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from enliven.errors import Cancelled, EnlivenError, InputError, ModelUnavailable, OutputError

EXIT_CODES = ((Cancelled, 130), (InputError, 2), (OutputError, 3), (ModelUnavailable, 4))
STEP = 0.1  # without a terminal, a line for every tenth

# Options of every command.
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Json = Annotated[bool, typer.Option("--json", help="Result as JSON, progress as JSON lines.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

# Options of commands that make people speak in order to learn from it.
PHOTOS = typer.Option(metavar="FOLDER", help="Photos of people to animate.")
SOUNDS = typer.Option(metavar="FOLDER", help="Recordings of people to speak.")
Out = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER",
    help="Folder of the run; one that was stopped there is continued.")]  # fmt: skip
Workers = Annotated[int, typer.Option(metavar="N", min=0,
    help="Processes that draw and score videos.")]  # fmt: skip
WORKERS = 2


class Log:
    """Plain lines, for pipes, files and CI."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.last: tuple[str, int] = ("", -1)

    def progress(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` steps of a stage; total is 0 where it is not known."""
        tenth = int(done / total / STEP + 1e-9) if total else done // 100
        if self.quiet or (stage, tenth) == self.last:
            return
        self.last = (stage, tenth)
        self._show(stage, done, total)

    def _show(self, stage: str, done: int, total: int) -> None:
        share = f"{100 * done // total} %" if total else f"{done} frames"
        print(f"{stage}: {share}", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Something worth knowing that is no error."""
        if not self.quiet:
            print(f"note: {text}", file=sys.stderr, flush=True)

    def error(self, text: str, kind: str) -> None:
        """Why the command failed."""
        print(f"enliven: {text}", file=sys.stderr, flush=True)

    def result(self, path: Path, **facts: Any) -> None:
        """The path of what was made, as the last line of stdout."""
        print(path, flush=True)


class JsonLog(Log):
    """One JSON object a line: events on stderr, the result on stdout."""

    def _show(self, stage: str, done: int, total: int) -> None:
        self._event(event="progress", stage=stage, done=done, total=total)

    def note(self, text: str) -> None:
        if not self.quiet:
            self._event(event="note", text=text)

    def error(self, text: str, kind: str) -> None:
        self._event(event="error", type=kind, text=text)

    def result(self, path: Path, **facts: Any) -> None:
        print(json.dumps({"path": str(path), **facts}, ensure_ascii=False), flush=True)

    def _event(self, **content: Any) -> None:
        print(json.dumps(content, ensure_ascii=False), file=sys.stderr, flush=True)


class BarLog(Log):
    """Bars, for a terminal."""

    def __init__(self, bars: Any) -> None:
        super().__init__(quiet=False)
        self.bars = bars
        self.tasks: dict[str, Any] = {}

    def progress(self, stage: str, done: int, total: int) -> None:
        if stage not in self.tasks:
            self.tasks[stage] = self.bars.add_task(stage, total=None)
        self.bars.update(self.tasks[stage], completed=done, total=total or None)

    def note(self, text: str) -> None:
        self.bars.console.print(f"note: {text}", highlight=False, markup=False)


class _Notes(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.INFO)
        self.log = log

    def emit(self, record: logging.LogRecord) -> None:
        self.log.note(record.getMessage())


@contextmanager
def open_log(as_json: bool, quiet: bool) -> Iterator[Log]:
    """The log that suits where stderr goes; what the library logs becomes notes in it."""
    logger = logging.getLogger("enliven")
    if as_json or quiet or not sys.stderr.isatty():
        log = JsonLog(quiet) if as_json else Log(quiet)
        with _heard(logger, log):
            yield log
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bars, _heard(logger, BarLog(bars)) as log:
        yield log


@contextmanager
def _heard(logger: logging.Logger, log: Log) -> Iterator[Log]:
    handler = _Notes(log)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield log
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


@contextmanager
def running(
    as_json: bool, quiet: bool, debug: bool, *, when_stopped: str = "nothing was written"
) -> Iterator[Log]:
    """Turns everything that may go wrong into one message and an exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with open_log(as_json, quiet) as log:
        try:
            yield log
        except (typer.Exit, SystemExit):
            raise
        except (KeyboardInterrupt, Cancelled):
            log.error(f"stopped; {when_stopped}", "Cancelled")
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
