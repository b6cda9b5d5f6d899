"""Video in: any common file to upright RGB frames on a clock of constant rate."""

import itertools
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.video.reformatter import Colorspace, Interpolation
from numpy.typing import NDArray

from enliven.errors import BadMedia
from enliven.media.audio import MOST_GAP_SECONDS
from enliven.media.container import (
    check_complete,
    frames,
    open_media,
    picture_stream,
    sound_stream,
    start_seconds,
    stated_seconds,
)
from enliven.media.files import decoding
from enliven.media.rate import STANDARD, frame_rate, settled

MAX_FRAME_PIXELS = 36_000_000  # 8K; a larger frame is a damaged header

_HD_LINES = 720  # untagged video this high has the colours of HDTV, lower those of old TV

_UNTAGGED = 2  # AVCOL_SPC_UNSPECIFIED

_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


@dataclass(frozen=True)
class MediaInfo:
    """What a sound or video file holds, by its header and its first frame.

    width, height: px as shown, upright and with square pixels; 0 without a picture.
    fps: the constant rate `read_frames` would use; 0 without a picture.
    seconds: stated length, 0 where the file states none.
    rotation: degrees clockwise that players turn the stored picture by: 0, 90, 180 or 270.
    """

    width: int
    height: int
    fps: Fraction
    seconds: float
    has_audio: bool
    rotation: int
    has_video: bool
    sample_rate: int = 0
    channels: int = 0


@dataclass(frozen=True)
class Clip:
    """A video being read.

    fps: exact frames a second; frame i is shown from i / fps.
    size: (width, height), px.
    frames: iterator of (H, W, 3) uint8 RGB; raises BadMedia.  Can be walked once.
    notes: filled while the frames are taken, for the user.
    """

    fps: Fraction
    size: tuple[int, int]
    frames: Iterator[NDArray[np.uint8]]
    path: Path
    notes: list[str]


def probe(path: str | os.PathLike[str]) -> MediaInfo:
    """Looks into a sound or video file without reading it through.  Raises BadMedia."""
    path = Path(path)
    with open_media(path) as container, decoding(path, "sound or video"):
        picture, sound = picture_stream(container), sound_stream(container)
        if picture is None and sound is None:
            raise BadMedia(f"{path} holds neither picture nor sound")
        stated = [stated_seconds(container, stream) for stream in (picture, sound) if stream]
        seconds = float(max((s for s in stated if s), default=Fraction(0)))
        size, rotation, fps = (0, 0), 0, Fraction(0)
        if picture is not None:
            first = _first_frame(frames(container, picture, path, []), path)
            size, rotation = _shown_size(first, picture), _turn(first)
            fps = _native_rate(picture)
    return MediaInfo(*size, fps, seconds, sound is not None, rotation, picture is not None,
                     sound.codec_context.sample_rate if sound else 0,
                     sound.codec_context.layout.nb_channels if sound else 0)  # fmt: skip


def read_frames(path: str | os.PathLike[str], fps: Fraction | float | str | None = None) -> Clip:
    """Reads a video as a stream of frames at a constant rate, `fps` or its own.

    Frame i is the picture shown at i / fps, to half a frame: a variable rate is resampled in
    time.  Where the sound begins before the picture the first frame waits, so that sound
    and picture keep their clock.  Rotation and pixel shape are applied.  Raises BadMedia.
    """
    path = Path(path)
    container = open_media(path)
    with decoding(path, "video"):
        stream = picture_stream(container)
        if stream is None:
            raise BadMedia(f"{path} has no picture, only sound; give a video file")
        rate = _native_rate(stream) if fps is None else frame_rate(fps)
        stream.thread_type, stream.codec_context.thread_count = "AUTO", 2
        notes: list[str] = []
        decoded = frames(container, stream, path, notes)
        first = _first_frame(decoded, path)
    pictures = _at_constant_rate(container, stream, path, itertools.chain([first], decoded), rate)
    return Clip(rate, _shown_size(first, stream), pictures, path, notes)


def _first_frame(decoded: Iterator[Any], path: Path) -> Any:
    frame = next(decoded, None)
    if frame is None:
        raise BadMedia(f"{path} has no frames; record or export it again")
    if not 0 < frame.width * frame.height <= MAX_FRAME_PIXELS:
        raise BadMedia(f"{path} has frames of {frame.width} x {frame.height} px; at most "
                       f"{MAX_FRAME_PIXELS // 10**6} million pixels are read")  # fmt: skip
    return frame


def _native_rate(stream: Any) -> Fraction:
    """The rate the file was made at; where frames were left out, the one before that."""
    measured = next((Fraction(r) for r in (stream.average_rate, stream.base_rate) if r), None)
    if measured is None or measured <= 0:
        return Fraction(25)
    rate, base = settled(measured), stream.base_rate
    if rate not in STANDARD and base in STANDARD and base / 2 < measured:
        return base
    return rate


def _turn(frame: Any) -> int:
    """Degrees clockwise; angles between the quarters are of no player's making."""
    return round(-frame.rotation / 90) % 4 * 90  # libav counts counter-clockwise


def _square_size(frame: Any, stream: Any) -> tuple[int, int]:
    """(width, height) before rotation, widened or narrowed to square pixels."""
    shape = stream.codec_context.sample_aspect_ratio
    if not shape or not Fraction(1, 8) < shape < 8:
        return frame.width, frame.height
    return max(1, round(frame.width * shape)), frame.height


def _shown_size(frame: Any, stream: Any) -> tuple[int, int]:
    width, height = _square_size(frame, stream)
    return (height, width) if _turn(frame) in (90, 270) else (width, height)


def _to_rgb(frame: Any, size: tuple[int, int], turn: int) -> NDArray[np.uint8]:
    hd = frame.colorspace == _UNTAGGED and min(frame.width, frame.height) >= _HD_LINES
    picture = frame.reformat(*size, "rgb24", src_colorspace=Colorspace.ITU709 if hd else None,
                             interpolation=_EXACT)  # fmt: skip
    return np.ascontiguousarray(np.rot90(picture.to_ndarray(), -turn // 90))


def _at_constant_rate(
    container: Any, stream: Any, path: Path, decoded: Iterator[Any], fps: Fraction
) -> Iterator[NDArray[np.uint8]]:
    """Repeats and drops frames so that each lands in the slot nearest to its own time."""
    with container, decoding(path, "video"):
        first = next(decoded)
        size, turn = _square_size(first, stream), _turn(first)
        shown, given = first, 0
        for slot, frame in _slots(container, stream, path, itertools.chain([first], decoded), fps):
            if slot > given:
                pixels = _to_rgb(shown, size, turn)
                yield pixels
                for _ in range(slot - given - 1):
                    yield pixels.copy()
                given = slot
            shown = frame


def _slots(
    container: Any, stream: Any, path: Path, decoded: Iterator[Any], fps: Fraction
) -> Iterator[tuple[int, Any]]:
    """(slot from which it is shown, frame) of each frame; at the end (number of slots, None)."""
    lead = _nearest(_lead_seconds(container, stream) * fps)
    end = Fraction(0)
    for frame, begin, end in _timed(decoded, 1 / _native_rate(stream), path):  # noqa: B007
        # the first frame is shown from the start, however late it comes
        slot = lead + _nearest(begin * fps) if begin else 0
        yield slot, frame
    check_complete(container, stream, end, path)
    yield max(1, lead + _nearest(end * fps)), None


def _timed(
    decoded: Iterator[Any], usual: Fraction, path: Path
) -> Iterator[tuple[Any, Fraction, Fraction]]:
    """(frame, begin, end) in seconds after the first frame; begin always rises."""
    origin: Fraction | None = None
    last, end = Fraction(-1), Fraction(0)
    for frame in decoded:
        time = None if frame.pts is None else frame.pts * Fraction(frame.time_base)
        if origin is None and time is not None:
            origin = time - end
        begin = end if time is None or origin is None else time - origin
        if begin <= last:
            begin = end
        if begin - end > MOST_GAP_SECONDS:
            raise BadMedia(f"the clock of {path} jumps by {float(begin - end):.0f} s after "
                           f"{float(end):.1f} s; export it again")  # fmt: skip
        length = frame.duration * Fraction(frame.time_base) if frame.duration else usual
        last, end = begin, begin + min(length, Fraction(MOST_GAP_SECONDS))
        yield frame, begin, end


def _lead_seconds(container: Any, stream: Any) -> Fraction:
    """How much later than the sound the picture begins."""
    sound, start = start_seconds(sound_stream(container)), start_seconds(stream)
    if sound is None or start is None or not 0 < start - sound < MOST_GAP_SECONDS:
        return Fraction(0)
    return start - sound


def _nearest(slots: Fraction) -> int:
    return math.floor(slots + Fraction(1, 2))
