"""Files in and out: checked inputs, digests, and outputs that appear whole or not at all.

A result is written under a hidden name beside its target and renamed when it is complete, so
that a failure, Ctrl-C or a full disk never leaves half a file under the final name.
"""

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from enliven.errors import BadMedia, EnlivenError, OutputError, OutputExists
from enliven.media.leftovers import held, hidden_name, remove_leftovers

LEAST_FREE_BYTES = 32 * 2**20  # a minute of 512 px video takes about 10 MB

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another folder",
    errno.EFBIG: "the file would be larger than this file system or your limits allow",
    errno.EACCES: "permission denied; choose a folder you may write to",
    errno.EPERM: "permission denied; choose a folder you may write to",
    errno.EROFS: "the folder is read-only; choose another one",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ENOENT: "the folder has disappeared; make it and run again",
}


def input_file(path: str | os.PathLike[str]) -> Path:
    """The path as a Path once it is known to be a readable, non-empty ordinary file.

    Raises BadMedia.
    """
    path = Path(path)
    try:
        info = os.stat(path)
        if stat.S_ISDIR(info.st_mode):
            raise BadMedia(f"{path} is a folder; name a file in it")
        if not stat.S_ISREG(info.st_mode):
            raise BadMedia(f"{path} is not an ordinary file; save its content to one first")
        with open(path, "rb"):
            pass
    except FileNotFoundError:
        raise BadMedia(f"{path} does not exist; check the name and the folder") from None
    except PermissionError:
        raise BadMedia(f"{path} may not be read by you; check its permissions") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadMedia(f"{str(path)!r} cannot be opened ({reason}); check the name") from error
    if info.st_size == 0:
        raise BadMedia(f"{path} is empty (0 bytes); copy or download it again")
    return path


def digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def decoding(path: Path, kind: str) -> Iterator[None]:
    """Turns whatever a decoder raises on damaged data into BadMedia.

    Decoders answer damaged files with a score of exception types (OSError, ValueError,
    SyntaxError, IndexError, struct.error, ...), hence the broad net, at this border only.
    """
    try:
        yield
    except EnlivenError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BadMedia(f"{path} cannot be read as {kind} ({reason}); it may be damaged, cut off "
                       "or of another type. Open it in another program, save it again, or "
                       "download it anew") from error  # fmt: skip


def check_output(
    path: str | os.PathLike[str], *, overwrite: bool = False, inputs: Iterable[Path | str] = ()
) -> Path:
    """The target as a Path once it is known that a result can be written there.

    Call it before long work.  inputs: files the result must not replace.  Removes what killed
    runs left in the folder.
    Raises OutputExists, or OutputError when the folder is missing, not writable or full, or
    when the target is a folder or one of the inputs.
    """
    path = Path(path)
    try:
        for source in inputs:
            if path.exists() and Path(source).exists() and path.samefile(source):
                raise OutputError(f"{path} is one of the inputs; choose another output name")
        if path.is_dir():
            raise OutputError(f"{path} is a folder; name a file in it")
        if os.path.lexists(path) and not overwrite:
            raise OutputExists(f"{path} exists already; choose another name or ask for it to be "
                               "overwritten (--overwrite)")  # fmt: skip
        if path.exists() and not path.is_file():
            raise OutputError(f"{path} is a device or pipe; name an ordinary file")
    except (OSError, ValueError) as error:
        raise _explained(path, error) from error
    _check_folder(path.parent)
    return path


def check_output_folder(
    path: Path, ours: re.Pattern[str], *, overwrite: bool, inputs: Iterable[Path | str] = ()
) -> None:
    """As `check_output` for a folder of results, whose names match `ours` from end to end.

    An existing folder may be replaced only with overwrite, and only if it holds such files
    alone, none of them an input.
    """
    _check_folder(path.parent)
    if not path.exists():
        return
    if not path.is_dir():
        raise OutputExists(f"{path} exists already and is not a folder; choose another name")
    with writing(path):
        content = list(path.iterdir())
    if content and not overwrite:
        raise OutputExists(f"the folder {path} is not empty; choose another name or ask for it "
                           "to be overwritten (--overwrite)")  # fmt: skip
    for entry in content:
        if not ours.fullmatch(entry.name):
            raise OutputError(f"the folder {path} holds other files too ({entry.name}); it is "
                              "not replaced. Choose another name")  # fmt: skip
        if any(Path(source).exists() and entry.samefile(source) for source in inputs):
            raise OutputError(f"{entry} is one of the inputs; choose another output folder")


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise OutputError(f"the folder {folder} does not exist; make it first")
    remove_leftovers(folder)
    probe = folder / hidden_name("")
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise _explained(folder, error) from error
    if free < LEAST_FREE_BYTES:
        raise OutputError(
            f"only {free / 2**20:.0f} MB are free in {folder}; free at least "
            f"{LEAST_FREE_BYTES / 2**20:.0f} MB or choose another folder"
        )


def _explained(path: Path, error: Exception) -> OutputError:
    code = getattr(error, "errno", None)
    reason = _REASONS.get(code) if code is not None else None
    return OutputError(f"cannot write {path}: {reason or error}")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the system refuses while `path` is being written into OutputError."""
    try:
        yield
    except OSError as error:
        raise _explained(path, error) from error


@contextmanager
def whole_file(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yields a hidden path to write to; renames it to `path` on success, removes it otherwise.

    Raises OutputExists if `path` came to be meanwhile, OutputError if it cannot be renamed.
    """
    hidden = path.parent / hidden_name(path.suffix)
    try:
        with writing(path):
            hidden.touch(exist_ok=False)
        with held(hidden):
            yield hidden
            with writing(path):
                _publish(hidden, path, overwrite)
    finally:
        hidden.unlink(missing_ok=True)


def _publish(hidden: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        os.replace(hidden, path)
        return
    try:
        os.link(hidden, path)  # unlike a rename, refuses to replace a file
    except FileExistsError:
        raise _made_meanwhile(path) from None
    except OSError:  # file systems without hard links
        if path.exists():
            raise _made_meanwhile(path) from None
        os.rename(hidden, path)


def _made_meanwhile(path: Path) -> OutputExists:
    return OutputExists(f"{path} was made by another program meanwhile and is left alone; "
                        "run again with another name")  # fmt: skip


@contextmanager
def whole_folder(path: Path, ours: re.Pattern[str], *, overwrite: bool = False) -> Iterator[Path]:
    """As `whole_file` for a folder; see `check_output_folder` for what may be replaced."""
    hidden, old = path.parent / hidden_name(""), path.parent / hidden_name(".old")
    try:
        with writing(path):
            hidden.mkdir()
        with held(hidden):
            yield hidden
            check_output_folder(path, ours, overwrite=overwrite)
            with writing(path):
                _swap(hidden, path, old)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _swap(hidden: Path, path: Path, old: Path) -> None:
    if path.exists():
        path.rename(old)
    try:
        hidden.rename(path)
    except BaseException:
        if old.exists():
            old.rename(path)
        raise
