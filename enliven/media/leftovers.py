"""Hidden files of runs that were killed: told from those of living runs, and removed.

A run locks the hidden file or folder it writes to; the system drops the lock when the process
ends, however it ends.  Where the system or the file system knows no such locks nothing is removed.
"""

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SETTLED_SECONDS = 600.0  # younger ones may belong to a run that is about to lock them

# ".part.old" is not among them: that is the user's own folder while it is being replaced.
_OURS = re.compile(r"\.enliven-[0-9a-f]{8}\.part(?!\.old$)(\.\w+)?")


def hidden_name(suffix: str) -> str:
    # short, because the target's own name may be as long as the file system allows
    return f".enliven-{secrets.token_hex(4)}.part{suffix}"


@contextmanager
def held(hidden: Path) -> Iterator[None]:
    """Keeps other runs from taking a file or folder that exists for a leftover."""
    lock = None
    with suppress(OSError):
        lock = _lock(hidden)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def remove_leftovers(folder: Path) -> None:
    """Removes what killed runs have left in a folder; whatever cannot be removed stays."""
    with suppress(OSError):
        for entry in list(folder.iterdir()):
            if _OURS.fullmatch(entry.name):
                with suppress(OSError):
                    _remove_if_left(entry)


def _remove_if_left(entry: Path) -> None:
    if entry.is_symlink() or time.time() - entry.stat().st_mtime < SETTLED_SECONDS:
        return
    lock = _lock(entry)
    if lock is None:
        return
    try:
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    finally:
        os.close(lock)


def _lock(path: Path) -> int | None:
    """An open descriptor that holds the lock, or None; OSError if somebody else does."""
    if fcntl is None:
        return None
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
