"""replay(): make a result again from its sidecar, and see whether the bytes are the same."""

import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from enliven import __version__
from enliven.animate import Progress, animate
from enliven.errors import BadOption, InputError, OutputError, OutputExists
from enliven.media.files import check_output, whole_file
from enliven.media.leftovers import held, hidden_name
from enliven.plan import PERSONAL, parts_recorded
from enliven.provenance import Sidecar, check_inputs, file_record, read_sidecar


@dataclass(frozen=True)
class Replay:
    """path: the result, or the new copy where one was kept.  same: bytes as recorded.

    differences: what is not as it was when the result was made, one sentence each.
    """

    path: Path
    same: bool
    differences: tuple[str, ...]


def replay(
    sidecar: str | Path,
    *,
    output: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Replay:
    """Make the result of a sidecar again and compare it with the recorded digest.

    A result that is missing is put back.  One that is there is never touched: the new copy is
    then kept only under `output`, or, if it differs, as `<name>.replay<suffix>`.

    Raises InputError when an input is missing or has changed, OutputError, OutputExists, and
    what `animate` raises.
    """
    recorded = read_sidecar(sidecar)
    if recorded.command != "animate":
        raise InputError(f"{sidecar} belongs to a result of {recorded.command!r}, which cannot be "
                         "replayed; give the sidecar of a video")  # fmt: skip
    check_inputs(recorded)
    made = recorded.output.path
    target = Path(output) if output is not None else made
    if output is not None:
        check_output(target, overwrite=overwrite, inputs=[f.path for f in recorded.inputs.values()])
    try:
        work = target.parent / hidden_name("")
        work.mkdir()
    except OSError as error:
        raise OutputError(f"{target.parent} cannot be written ({error.strerror}); choose another "
                          "place with --output") from error  # fmt: skip
    try:
        copy = work / target.name
        with held(work):
            _make(recorded, copy, progress)
        same = file_record(copy).sha256 == recorded.output.sha256
        if output is None and made.exists():
            if same:
                return Replay(made, same, _differences(recorded))
            target = made.with_name(f"{made.stem}.replay{made.suffix}")
        _keep(copy, target, overwrite or output is None)
        return Replay(target, same, _differences(recorded))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _make(recorded: Sidecar, copy: Path, progress: Progress | None) -> None:
    inputs = {role: file.path for role, file in recorded.inputs.items()}
    options = dict(recorded.options)
    try:
        parts = parts_recorded(options, inputs)
        for known in ("libraries", "people", *PERSONAL):
            options.pop(known, None)
        animate(inputs["image"], people=parts, output=copy, seed=recorded.seed,
                progress=progress, control=inputs.get("control"), **options)  # fmt: skip
    except (TypeError, KeyError) as error:
        raise BadOption(f"the sidecar was written by enliven {recorded.version}; {__version__} "
                        "does not know all its options. Use that version") from error  # fmt: skip


def _keep(copy: Path, target: Path, overwrite: bool) -> None:
    if copy.is_dir():
        if target.exists():
            raise OutputExists(f"{target} exists already; move it away first")
        copy.rename(target)
        return
    with whole_file(target, overwrite=overwrite) as hidden:
        copy.rename(hidden)


def _differences(recorded: Sidecar) -> tuple[str, ...]:
    found = []
    if recorded.version != __version__:
        found.append(f"enliven was {recorded.version}, is {__version__}")
    libraries = recorded.options.get("libraries", {})
    for name, before in libraries.items() if isinstance(libraries, dict) else ():
        try:
            now = version(name)
        except PackageNotFoundError:
            now = "not installed"
        if now != before:
            found.append(f"{name} was {before}, is {now}")
    recorded_bytes = recorded.output.path
    if recorded_bytes.exists() and file_record(recorded_bytes).sha256 != recorded.output.sha256:
        found.append(f"{recorded_bytes} itself was changed after it was made")
    return tuple(found)
