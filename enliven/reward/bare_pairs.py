"""Pairs as most trainers write them: rows of prompt, chosen and rejected.

    {"prompt": "0003", "chosen": "a.mp4", "rejected": "b.mp4"}
    {"prompt": {"text": "she laughs", "photo": "p.jpg", "sound": "s.wav"},
     "chosen": {"path": "a.mp4"}, "rejected": {"path": "b.mp4"}}

One JSON object a line, or one JSON array of them.  Nothing is written here: every row is known
to be sound before anything is made of it (`enliven.train.prefer_import`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enliven.errors import BadMedia, BadOption
from enliven.media.files import digest, input_file
from enliven.media.video import probe

MEDIA = ("path", "video", "file")  # names that trainers give to the path of a medium
PHOTO, SOUND = ("photo", "image"), ("sound", "audio")
TEXT = ("text", "prompt", "input")


@dataclass(frozen=True)
class BarePair:
    """A row as it was written; names are relative to a folder, or absolute.

    line: where it stands, from 1; of an array, its number.  prompt: its text, or the names of
    photo and sound.  photo, sound: "" where it names none.
    """

    line: int
    prompt: str
    chosen: str
    rejected: str
    photo: str = ""
    sound: str = ""

    @property
    def named(self) -> tuple[str, ...]:
        """Every file it names."""
        named = (self.chosen, self.rejected, self.photo, self.sound)
        return tuple(name for name in named if name)


def read_bare(path: str | Path, folder: Path | None = None) -> list[BarePair]:
    """The rows of a file, with all their media found and looked into.

    folder: what names are relative to; where the file lies by default.
    Raises BadMedia without the file, and BadOption with the line that cannot be read, names a
    file that is missing or no video, compares a video with itself, or repeats another.
    """
    path = input_file(path)
    folder = path.parent if folder is None else folder
    seen: dict[tuple[str, str, str], int] = {}
    content: dict[Path, str] = {}
    pairs = []
    for line, row in _rows(path):
        try:
            pair = _pair(line, row)
            _check_media(pair, folder, content)
        except (BadMedia, ValueError) as error:
            raise BadOption(f"{path}, line {line}: {error}") from None
        same = (pair.prompt, content[folder / pair.chosen], content[folder / pair.rejected])
        if same in seen:
            raise BadOption(f"{path}, line {line}: it repeats line {seen[same]}; leave one out")
        seen[same] = line
        pairs.append(pair)
    if not pairs:
        raise BadOption(f"{path} holds no pairs; each is a JSON object with prompt, chosen and "
                        "rejected")  # fmt: skip
    return pairs


def _rows(path: Path) -> list[tuple[int, Any]]:
    """Number of the line and what it holds.  Raises BadOption."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadOption(f"{path} is not text in UTF-8 ({error}); save it as JSON lines") from None
    if text.lstrip().startswith("["):
        try:
            return list(enumerate(json.loads(text), 1))
        except ValueError as error:
            raise BadOption(f"{path} is no JSON array ({error}); mend it, or write one JSON object "
                            "a line") from None  # fmt: skip
    rows = []
    # not splitlines: it also breaks at signs that JSON texts may hold
    for line, written in enumerate(text.split("\n"), 1):
        if written.strip():
            try:
                rows.append((line, json.loads(written)))
            except ValueError as error:
                raise BadOption(f"{path}, line {line}: this is no JSON ({error}); write one "
                                "object a line") from None  # fmt: skip
    return rows


def _pair(line: int, row: Any) -> BarePair:
    """Raises ValueError, with what to do."""
    if not isinstance(row, dict):
        raise ValueError('it is no JSON object; write {"prompt": ..., "chosen": ..., "rejected": '
                         "...}")  # fmt: skip
    if missing := [name for name in ("prompt", "chosen", "rejected") if name not in row]:
        raise ValueError(f'it has no "{missing[0]}"; a pair needs prompt, chosen and rejected')
    asked = row["prompt"]
    if not isinstance(asked, str | dict):
        raise ValueError("its prompt is neither text nor an object with text, photo or sound")
    told: Mapping[str, Any] = row | asked if isinstance(asked, dict) else row
    photo, sound = (_name_in(told, names) for names in (PHOTO, SOUND))
    text = asked if isinstance(asked, str) else _name_in(asked, TEXT)
    prompt = text or " ".join(Path(name).stem for name in (photo, sound) if name)
    if not prompt.strip():
        raise ValueError("its prompt says nothing; give a text, or an object with photo or sound")
    chosen, rejected = (_medium(row[side], side) for side in ("chosen", "rejected"))
    return BarePair(line, prompt, chosen, rejected, photo, sound)


def _name_in(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """What a row says under one of several names, "" for nothing.  Raises ValueError."""
    for name in names:
        if row.get(name) not in (None, "") and isinstance(row[name], str | dict):
            return _medium(row[name], name)
    return ""


def _medium(said: Any, what: str) -> str:
    """The path of a medium.  Raises ValueError."""
    if isinstance(said, dict):
        said = next((said[name] for name in MEDIA if said.get(name)), None)
    if not isinstance(said, str) or not said.strip() or "\0" in said:
        raise ValueError(f'"{what}" names no file; give a path, or an object with one of '
                         f"{', '.join(MEDIA)}")  # fmt: skip
    return said


def _check_media(pair: BarePair, folder: Path, content: dict[Path, str]) -> None:
    """Raises BadMedia, and ValueError for a video that is compared with itself.

    content: digests of the videos seen so far, is added to.
    """
    for name in pair.named:
        if not (folder / name).is_file():
            raise ValueError(f"{name} is missing in {folder}; bring it back, or say where media "
                             "lie with --media")  # fmt: skip
    for name in (pair.chosen, pair.rejected):
        path = folder / name
        if path not in content:
            if not probe(path).has_video:
                raise ValueError(f"{name} has no picture; chosen and rejected are videos")
            content[path] = digest(path)
    if content[folder / pair.chosen] == content[folder / pair.rejected]:
        raise ValueError("chosen and rejected are the same video; leave the pair out")
