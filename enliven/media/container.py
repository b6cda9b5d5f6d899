"""Opening sound and video files and taking them apart frame by frame, damage included."""

import os
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition
from PIL import Image

from enliven.errors import BadMedia
from enliven.media.files import decoding, input_file

# Formats that hold the media themselves; lists that point to other files or servers are out.
FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,asf,gif,"
    "ogg,wav,w64,mp3,flac,aac,aiff,caf,amr,au,ac3,wv,ape"
)

# Their headers state the length apart from the content, so that a cut file can be told.
_STATES_LENGTH = {"mov", "matroska", "wav", "w64", "flac", "aiff"}

CUT_OFF_SECONDS = 0.5  # a file shorter than it states by this, and by 2 %, was cut off


def open_media(path: Path) -> InputContainer:
    """Opens a sound or video file for reading; raises BadMedia."""
    input_file(path)
    with decoding(path, "sound or video"):
        try:
            # "file:" keeps a name such as "a:b.mp4" from being taken for an address
            return av.open(f"file:{path}", metadata_errors="replace",
                           options={"format_whitelist": FORMATS})  # fmt: skip
        except av.FFmpegError:
            if _is_picture(path):
                raise BadMedia(f"{path} is a still picture; give a sound or video file") from None
            raise


def _is_picture(path: Path) -> bool:
    with suppress(OSError, ValueError, SyntaxError), Image.open(path) as picture:
        return picture.format != "MPEG"
    return False


def picture_stream(container: InputContainer) -> Any:
    """The first moving picture that can be decoded, or None; cover art is none."""
    for stream in container.streams.video:
        if stream.codec_context and not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def sound_stream(container: InputContainer) -> Any:
    """The sound a player would choose, or None where there is none that can be decoded."""
    stream = container.streams.best("audio")
    return stream if stream and stream.codec_context else None


def start_seconds(stream: Any) -> Fraction | None:
    """When a stream begins on its file's clock, where that is stated."""
    if stream is None or stream.start_time is None or not stream.time_base:
        return None
    return stream.start_time * stream.time_base


def stated_seconds(container: InputContainer, stream: Any) -> Fraction | None:
    """A stream's length by the file's header, where that is stated."""
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base * _stated_share(container)
    if container.duration and len(container.streams) == 1:
        return Fraction(container.duration, av.time_base)
    hours_minutes_seconds = stream.metadata.get("DURATION", "").split(":")  # Matroska
    try:
        hours, minutes, seconds = (Fraction(part) for part in hours_minutes_seconds)
    except (ValueError, ZeroDivisionError):
        return None
    return hours * 3600 + minutes * 60 + seconds


def _stated_share(container: InputContainer) -> Fraction:
    """Length by the header over length found: libav shortens a wav to what is there."""
    if container.format.name != "wav":
        return Fraction(1)
    with open(container.name.removeprefix("file:"), "rb") as file:
        head, there = file.read(8), file.seek(0, os.SEEK_END)
    stated = 8 + int.from_bytes(head[4:], "little")
    # programs that write into a pipe put 0 or the largest number there
    return Fraction(stated, there) if there < stated < 2**31 - 2**16 else Fraction(1)


def frames(container: InputContainer, stream: Any, path: Path, notes: list[str]) -> Iterator[Any]:
    """The decoded frames of one stream.  Damaged packets are left out and noted.

    Raises BadMedia when less than nine tenths of the packets, or none, could be decoded.
    """
    whole, damaged, found = 0, 0, False
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except av.FFmpegError:
            damaged += 1
            break  # where the file's own structure is lost there is no going on
        try:
            decoded = packet.decode()
            whole += 1
        except av.FFmpegError:
            damaged += 1
            continue
        found = found or bool(decoded)
        yield from decoded
    if damaged > (max(1, whole // 9) if found else 0):
        what = "sound" if stream.type == "audio" else "picture"
        raise BadMedia(f"the {what} of {path} cannot be decoded: {damaged} of {whole + damaged} "
                       "packets are damaged. Copy or download the file again")  # fmt: skip
    if damaged:
        notes.append(f"{path.name} has {damaged} damaged places; they were left out")


def check_complete(
    container: InputContainer,
    stream: Any,
    seconds: Fraction | float,
    path: Path,
    notes: list[str] | None = None,
) -> None:
    """Raises BadMedia when `seconds`, all that could be decoded, falls short of the header.

    Of formats whose header may be a guess this becomes one of the notes instead.
    """
    stated = stated_seconds(container, stream)
    if stated is not None and stated - seconds > max(CUT_OFF_SECONDS, float(stated) / 50):
        if not _STATES_LENGTH & set(container.format.name.split(",")):
            if notes is not None:
                notes.append(f"{path.name} seems to be cut off: of {float(stated):.1f} s only "
                             f"{float(seconds):.1f} s are there, which are used")  # fmt: skip
            return
        raise BadMedia(f"{path} is cut off: its header states {float(stated):.2f} s, but only "
                       f"{float(seconds):.2f} s are there. Copy or download it again, or save "
                       "the part you want from a player or editor")  # fmt: skip
