"""Scorecards that were made before, kept in the user's cache, so that no video is judged twice.

A file's name is the hash of all that decides a scorecard: the content of the video, the photo and
the real video, the judge, and the program.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from enliven.media.files import digest as file_digest
from enliven.reward.card import as_json, from_json
from enliven.reward.record import Record, packed, unpacked
from enliven.types import Scorecard
from enliven.weights import cache_folder

DECIDE = ("face", "metrics", "reward", "media")  # packages whose change may change a score


@dataclass(frozen=True)
class Judged:
    """A video's scores and what was seen of it."""

    card: Scorecard
    record: Record


def shelf() -> Path:
    """Where scorecards are kept; the folder may be deleted at any time."""
    return cache_folder() / "scorecards"


def key(parts: Iterable[Path | str | None], judge: str) -> str:
    """Name of a scorecard: SHA-256 over files by their content, words, the judge and the program.

    Raises OSError when a file cannot be read.
    """
    digest = hashlib.sha256(f"{program()} {judge}".encode())
    for part in parts:
        content = "" if part is None else part if isinstance(part, str) else file_digest(part)
        digest.update(f"\n{content}".encode())
    return digest.hexdigest()


def taken(folder: Path, name: str) -> Judged | None:
    """The scorecard of that name, or None; a damaged one counts as none."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads((folder / f"{name}.json").read_text("utf-8"))
        return Judged(from_json(content["card"]), unpacked(content["record"]))
    return None


def put(folder: Path, name: str, judged: Judged) -> None:
    """Keeps a scorecard, whole or not at all.  A folder that cannot be written keeps nothing."""
    content = {"card": as_json(judged.card), "record": packed(judged.record)}
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{name}.{secrets.token_hex(4)}.part"
        part.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
        os.replace(part, folder / f"{name}.json")


@cache
def program() -> str:
    """SHA-256 over the sources and networks that may have a part in a score."""
    home = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for package in (*DECIDE, "models"):
        for path in sorted((home / package).glob("*")):
            if path.suffix in (".py", ".onnx", ".npz"):
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
