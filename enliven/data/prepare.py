"""Any folder of talking-face videos -> clips to train on, with a manifest and a report.

    summary = prepare("videos", "clips")

    clips/NAME.npz            clips that can be used, see `data.dataset`
    clips/doubtful/NAME.npz   clips somebody should look at first; readers of clips/ skip them
    clips/manifest.jsonl      a line for each clip and for whatever was left out, with the reason
    clips/report.md           the same to read
    clips/sources/HASH.json   what became of a video, by its content: it is not done again

Videos are worked on in processes of their own: whatever is wrong with one, even if it brings
its process down, the others go on.  A run that was stopped continues where it was.
"""

import json
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from enliven.data.clips import DOUBTFUL, Row, prepare_video
from enliven.data.report import Summary, report, summed
from enliven.errors import BadMedia, BadOption, EnlivenError, OutputError
from enliven.media.files import check_output, digest, input_file, whole_file, writing

VERSION = 1  # of what is made from a video; with another one everything is made again
VIDEO = frozenset((".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts",
                   ".mts", ".flv", ".wmv", ".asf"))  # fmt: skip
SAVE_SECONDS = 20.0  # between two states of the manifest

Progress = Callable[[str, int, int], object]  # stage, videos done, videos in all
Work = Callable[[Path, str, str, str, Path], list[Row]]


@dataclass(frozen=True)
class PrepareOptions:
    """How a folder is prepared.

    jobs: videos worked on at once, 1 or more; each takes a few hundred MB.
    speaker_from: what tells who speaks.  "folder": the folder a video lies in; one that lies in
        no sub-folder is a speaker of its own.  "name": its name up to the first _ or space.
    limit: at most so many videos, drawn at random; None: all.
    seed: of that draw.
    """

    jobs: int = 1
    speaker_from: Literal["folder", "name"] = "folder"
    limit: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise BadOption(f"jobs is {self.jobs}; give how many videos to work on at once, 1 up")
        if self.speaker_from not in ("folder", "name"):
            raise BadOption(f'speaker_from is "{self.speaker_from}"; choose "folder" or "name"')
        if self.limit is not None and self.limit < 1:
            raise BadOption(f"limit is {self.limit}; give how many videos to take, 1 or more")


@dataclass(frozen=True)
class Source:
    """A video to be done.  name: relative to the folder, with / between its parts."""

    path: Path
    name: str
    speaker: str
    sha256: str


@dataclass(frozen=True)
class Done:
    """What became of a video.  final: it would be the same again; a crash might not."""

    rows: list[Row]
    final: bool


def prepare(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: PrepareOptions = PrepareOptions(),
    progress: Progress | None = None,
    work: Work = prepare_video,
) -> Summary:
    """Makes clips of all videos in a folder and its sub-folders; see the head of this file.

    progress: called after each video; it may raise `Cancelled`, which leaves finished ones done.
    work: what makes the clips of one video.
    A program that calls this must do so under ``if __name__ == "__main__":``, for the processes
    begin by reading it.
    Raises BadMedia when the folder holds no videos, BadOption, OutputError.
    """
    folder, out = Path(folder), Path(out)
    paths = find_videos(folder, out)
    total = len(paths)
    if options.limit is not None and options.limit < total:
        paths = sorted(random.Random(options.seed).sample(paths, options.limit))
        total = len(paths)
    for place in (out, out / DOUBTFUL, out / "sources"):
        with writing(place):
            place.mkdir(parents=True, exist_ok=True)
        check_output(place / "manifest.jsonl", overwrite=True)
    rows: dict[str, list[Row]] = {}
    others = _of_others(out / "sources")
    saved = time.monotonic()
    try:
        for name, made in _all_rows(folder, paths, out, options, work):
            rows[name] = made
            if progress:
                progress("prepare", len(rows), total)
            if time.monotonic() - saved > SAVE_SECONDS:
                _save(out, _ordered(rows, others))
                saved = time.monotonic()
    finally:
        _save(out, _ordered(rows, others))
    return summed(_ordered(rows, {}), total)


def find_videos(folder: Path, out: Path) -> list[Path]:
    """All videos below a folder by their suffixes, in order; what lies in `out` is left out."""
    if not folder.is_dir():
        raise BadMedia(f"{folder} is not a folder; name one that holds videos")
    own = out.resolve()
    paths = sorted(
        path for path in folder.rglob("*")
        if path.suffix.lower() in VIDEO and path.is_file()
        and not path.name.startswith(".") and own not in path.resolve().parents
    )  # fmt: skip
    if not paths:
        known = " ".join(sorted(VIDEO))
        raise BadMedia(f"{folder} holds no videos; their names must end in one of {known}")
    return paths


def speaker_of(path: Path, folder: Path, speaker_from: str) -> str:
    """Who speaks in a video, as far as its name or place tells."""
    inside = path.relative_to(folder)
    if speaker_from == "name":
        return inside.stem.replace(" ", "_").split("_")[0] or inside.stem
    return inside.parent.as_posix() if inside.parent.parts else inside.stem


def _all_rows(
    folder: Path, paths: list[Path], out: Path, options: PrepareOptions, work: Work
) -> Iterator[tuple[str, list[Row]]]:
    """(name, rows) of every video: known ones, useless ones, then new ones as they get done."""
    seen: dict[str, str] = {}  # content -> name
    settled: list[tuple[str, list[Row]]] = []

    def new() -> Iterator[Source]:
        for path in paths:
            name = path.relative_to(folder).as_posix()
            speaker = speaker_of(path, folder, options.speaker_from)
            try:
                source = Source(path, name, speaker, digest(input_file(path)))
            except (EnlivenError, OSError) as error:
                settled.append((name, [_rejected(name, "", speaker, error, path)]))
                continue
            if source.sha256 in seen:
                reason = f"the same content as {seen[source.sha256]}"
                settled.append((name, [replace(_nothing(source), reasons=(reason,))]))
                continue
            seen[source.sha256] = name
            known = _known(source, out)
            if known is None:
                yield source
            else:
                settled.append((name, known))

    for source, done in _worked(new(), out, options.jobs, work):
        if done.final:
            _record(source, done.rows, out)
        yield from settled
        settled.clear()
        yield source.name, done.rows
    yield from settled


def _nothing(source: Source) -> Row:
    return Row(None, source.name, source.sha256, source.speaker, 0.0, 0.0, "rejected")


def _rejected(name: str, sha256: str, speaker: str, error: BaseException, path: Path) -> Row:
    said = str(error) if isinstance(error, EnlivenError) else f"{type(error).__name__}: {error}"
    reason = said.replace(str(path), path.name).split(";")[0]  # without advice for one file alone
    return Row(None, name, sha256, speaker, 0.0, 0.0, "rejected", (reason,))


def _record_path(sha256: str, out: Path) -> Path:
    return out / "sources" / f"{sha256[:32]}.json"


def _known(source: Source, out: Path) -> list[Row] | None:
    """Rows of a video that an earlier run has finished, or None if it must be done.

    What was made of it otherwise, for another speaker or by another version, is removed.
    """
    record = _record_path(source.sha256, out)
    version, speaker, rows = _stored(record)
    archives = [_archive(row, out) for row in rows if row.clip]
    same = (version, speaker) == (VERSION, source.speaker)
    if same and all(archive.is_file() for archive in archives):
        return [replace(row, source=source.name) for row in rows]
    with writing(out):
        record.unlink(missing_ok=True)
        for archive in archives:
            archive.unlink(missing_ok=True)
    return None


def _stored(record: Path) -> tuple[int, str, list[Row]]:
    """(version, speaker, rows) of a record; version 0 if there is none that can be read."""
    try:
        stored = json.loads(record.read_text("utf-8"))
        rows = [Row.from_dict(row) for row in stored["rows"]]
        return int(stored["version"]), str(stored["speaker"]), rows
    except (OSError, ValueError, KeyError, TypeError):
        return 0, "", []


def _archive(row: Row, out: Path) -> Path:
    return (out / DOUBTFUL if row.verdict == "doubtful" else out) / f"{row.clip}.npz"


def _record(source: Source, rows: list[Row], out: Path) -> None:
    content = {"version": VERSION, "speaker": source.speaker,
               "rows": [row.as_dict() for row in rows]}  # fmt: skip
    with whole_file(_record_path(source.sha256, out), overwrite=True) as part:
        part.write_text(json.dumps(content, ensure_ascii=False), "utf-8")


def _of_others(paths: Path) -> dict[str, list[Row]]:
    """Rows of all that was ever prepared into a folder, by content."""
    stored = (_stored(path)[2] for path in sorted(paths.glob("*.json")))
    return {rows[0].sha256: rows for rows in stored if rows}


def _ordered(rows: dict[str, list[Row]], others: dict[str, list[Row]]) -> list[Row]:
    """Rows of this run and of others, whose clips are in the same folder, by video."""
    own = {row.sha256 for made in rows.values() for row in made}
    every = [*rows.values(), *(made for sha256, made in others.items() if sha256 not in own)]
    return [row for made in sorted(every, key=lambda made: made[0].source) for row in made]


def _save(out: Path, ordered: list[Row]) -> None:
    with whole_file(out / "manifest.jsonl", overwrite=True) as part:
        lines = (json.dumps(row.as_dict(), ensure_ascii=False) + "\n" for row in ordered)
        part.write_text("".join(lines), "utf-8")
    with whole_file(out / "report.md", overwrite=True) as part:
        part.write_text(report(ordered), "utf-8")


def _worked(
    sources: Iterable[Source], out: Path, jobs: int, work: Work
) -> Iterator[tuple[Source, Done]]:
    """Videos as they get done, in processes; one that crashes takes no other along."""
    waiting = iter(sources)
    while True:
        suspects: list[Source] = []  # were being done when a process went down
        with _pool(jobs) as pool:
            running: dict[Future[Done], Source] = {}
            while not suspects:
                for source in islice(waiting, jobs + 1 - len(running)):
                    try:
                        running[pool.submit(_safely, work, source, out)] = source
                    except BrokenProcessPool:
                        suspects.append(source)
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    source = running.pop(future)
                    try:
                        yield source, future.result()
                    except BrokenProcessPool:
                        suspects.append(source)
            suspects += running.values()
        if not suspects:
            return
        yield from _one_by_one(suspects, out, work)


def _one_by_one(suspects: list[Source], out: Path, work: Work) -> Iterator[tuple[Source, Done]]:
    for source in suspects:
        with _pool(1) as pool:
            _check_started(pool)
            try:
                yield source, pool.submit(_safely, work, source, out).result()
            except BrokenProcessPool:
                reason = "the process that read it was brought down, by its content or for memory"
                yield source, Done([replace(_nothing(source), reasons=(reason,))], final=False)


def _check_started(pool: ProcessPoolExecutor) -> None:
    try:
        pool.submit(os.getpid).result()
    except BrokenProcessPool:
        raise EnlivenError(
            "no process can be started to work on the videos; if this is called from a program "
            'of your own, save it to a file and call it under `if __name__ == "__main__":`, or '
            "use `enliven data prepare`"
        ) from None


def _safely(work: Work, source: Source, out: Path) -> Done:
    """What runs in the process: only a target that cannot be written is an error of the run."""
    try:
        return Done(work(source.path, source.name, source.sha256, source.speaker, out), True)
    except OutputError:
        raise
    except Exception as error:
        row = _rejected(source.name, source.sha256, source.speaker, error, source.path)
        return Done([row], isinstance(error, EnlivenError))


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with this one, at once if it is stopped."""
    context = multiprocessing.get_context("spawn")  # threads of this process survive no fork
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, context, initializer=_end_with_parent)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        raise
    pool.shutdown()


def _end_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this
    parent: Any = multiprocessing.parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
