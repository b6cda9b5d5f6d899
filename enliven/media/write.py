"""Video out: frames streamed into a file of the kind its name asks for.

| name | holds | transparency |
|---|---|---|
| .mp4 .m4v | H.264 yuv420p + AAC, faststart | no |
| .mov | H.264 + AAC; ProRes 4444 + PCM for frames with alpha | yes |
| .mkv | H.264 + AAC | no |
| .webm | VP9 + Opus | yes |
| .gif | preview without sound, at most PREVIEW_SIDE_PX long | no |
| .webp | preview without sound, at most PREVIEW_SIDE_PX long | yes |
| a name without suffix, or folder/%05d.png | a folder of PNG files 00001.png ... | yes |

Frames are encoded on a thread of their own while the caller makes the next ones; a few frames
are in memory at any time, whatever the length.  The same frames and sound give the same bytes.
H.264 holds even sizes only: an odd width or height is made even by repeating the last column
or row, which shows as nothing.
"""

import itertools
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from enliven.errors import BadOption, OutputError
from enliven.media.background import write_beside
from enliven.media.disclose import SOURCE_TYPE, add_xmp, xmp_packet
from enliven.media.files import (
    check_output,
    check_output_folder,
    whole_file,
    whole_folder,
    writing,
)
from enliven.media.image import png_bytes
from enliven.media.pictures import Frame, converter
from enliven.media.rate import frame_rate, frames_for
from enliven.media.soundtrack import Soundtrack, add_soundtrack, encoded_rate, open_soundtrack

__all__ = ["Encoding", "check_target", "frames_for", "write_video"]

PREVIEW_FPS = 34  # a faster preview keeps every n-th frame; browsers slow faster GIFs down

# Beyond so many pixels the encoder looks at one frame at a time: what it holds back to compare
# would take a gigabyte.  Files get larger for it: up to 2.6 times was measured.
LARGE_PX = 6_000_000
LEAN = "rc-lookahead=0:sync-lookahead=0:bframes=0:mbtree=0:ref=1:sliced-threads=1"

ENCODER_THREADS = 2  # fixed, for the bytes of a file depend on it

# Without it x264's code for AVX-512 reads beyond its rows of blocks, where anything may lie, and
# some widths in some runs give other bytes.
STEADY = "cpu-independent=1"


@dataclass(frozen=True)
class Encoding:
    """How hard the encoders try.

    quality: constant rate factor, lower is better and larger; 17 is hard to tell from the
        original for H.264, and VP9 is given a value that looks alike.
    preset: x264's name for speed against size.
    """

    quality: int = 17
    preset: str = "veryfast"

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 51:
            raise BadOption(f"quality {self.quality} is out of range; choose 0 (best) to 51")


@dataclass(frozen=True)
class _Format:
    """One row of the table above: container, encoders, and pixels in libav's names."""

    container: str
    codec: str
    pixels: str
    sound: str | None


_OPAQUE = {
    ".mp4": _Format("mp4", "libx264", "yuv420p", "aac"),
    ".m4v": _Format("mp4", "libx264", "yuv420p", "aac"),
    ".mov": _Format("mov", "libx264", "yuv420p", "aac"),
    ".mkv": _Format("matroska", "libx264", "yuv420p", "aac"),
    ".webm": _Format("webm", "libvpx-vp9", "yuv420p", "libopus"),
    ".gif": _Format("gif", "gif", "pal8", None),
    ".webp": _Format("webp", "libwebp_anim", "bgra", None),
}
_TRANSPARENT = {
    ".mov": _Format("mov", "prores_ks", "yuva444p10le", "pcm_s16le"),
    ".webm": _Format("webm", "libvpx-vp9", "yuva420p", "libopus"),
    ".webp": _Format("webp", "libwebp_anim", "bgra", None),
}


def check_target(
    path: str | os.PathLike[str], *, overwrite: bool = False, inputs: Iterable[Path | str] = ()
) -> Path:
    """The path as a Path once `write_video` can write there; call it before long work.

    Raises BadOption for a suffix that is not in the table, OutputExists, OutputError.
    """
    path = Path(path)
    if _is_folder(path):
        folder, pattern = _folder_and_pattern(path)
        check_output_folder(folder, _names(pattern), overwrite=overwrite, inputs=inputs)
        return path
    if path.suffix.lower() not in _OPAQUE:
        raise BadOption(f"{path.name}: no video of the kind {path.suffix!r} can be written; choose "
                        f"{', '.join(_OPAQUE)}, or folder/%05d.png for pictures")  # fmt: skip
    return check_output(path, overwrite=overwrite, inputs=inputs)


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[Frame],
    fps: Fraction | float | str,
    *,
    sound: str | os.PathLike[str] | None = None,
    seconds: Fraction | float | None = None,
    metadata: Mapping[str, str] | None = None,
    inputs: Iterable[Path | str] = (),
    overwrite: bool = False,
    encoding: Encoding | None = None,
) -> Path:
    """Writes frames and the original's sound; the file appears when it is complete.

    frames: (H, W, 3) uint8 sRGB, or (H, W, 4) with straight alpha, all of one shape.  Give
        `frames_for(seconds, fps)` of them for a video as long as its sound.
    sound: file whose sound goes along, as it is where it is AAC in an mp4 or mov, else encoded
        again at its own rate; previews and PNG leave it out.
    seconds: length of the sound written: cut there, or silence is added; by default its own.
    metadata: tags such as "title" and "comment".  "digital_source_type" is written as IPTC's
        XMP property too: `enliven.provenance.disclosure()` makes both.  None writes no mark.
    inputs: files that must not be replaced by the result.

    Raises OutputExists, OutputError, BadOption, BadMedia, and whatever `frames` raises; after
    any of them no file is left behind.
    """
    kept = [Path(name) for name in (*inputs, sound) if name is not None]
    path = check_target(path, overwrite=overwrite, inputs=kept)
    rate = frame_rate(fps)
    tags = dict(metadata or {})
    if _is_folder(path):
        return _write_folder(path, frames, tags, overwrite)
    suffix = path.suffix.lower()
    heard = None
    if sound is not None and _OPAQUE[suffix].sound:
        heard = open_soundtrack(sound, seconds)
    with whole_file(path, overwrite=overwrite) as hidden:
        encode = partial(_encode, hidden, suffix, rate, heard, tags, encoding or Encoding())
        write_beside(_checked(frames), partial(_reporting, path, encode))
        if SOURCE_TYPE in tags:
            with writing(path):
                add_xmp(hidden, suffix, _xmp(tags))
    return path


def _xmp(tags: Mapping[str, str]) -> str:
    return xmp_packet(tags[SOURCE_TYPE], tags.get("comment", "")) if SOURCE_TYPE in tags else ""


def _is_folder(path: Path) -> bool:
    return not path.suffix or (path.suffix.lower() == ".png" and "%" in path.stem)


def _folder_and_pattern(path: Path) -> tuple[Path, str]:
    """out -> (out, "%05d.png"); out/a%03d.png -> (out, "a%03d.png").  Raises BadOption."""
    if not path.suffix:
        return path, "%05d.png"
    if not re.fullmatch(r"[^%]*%(0\d)?d[^%]*", path.name) or path.parent == Path("."):
        raise BadOption(f"{str(path)!r} does not number its files in a folder of their own; "
                        "use folder/%05d.png")  # fmt: skip
    return path.parent, path.name


def _names(pattern: str) -> re.Pattern[str]:
    before, after = re.split(r"%(?:0\d)?d", pattern)
    return re.compile(re.escape(before) + r"\d+" + re.escape(after))


def _reporting(
    path: Path, write: Callable[[Iterator[Frame]], None], frames: Iterator[Frame]
) -> None:
    with writing(path):
        try:
            write(frames)
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror) from error


def _checked(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Copies of the frames, all of one shape; a renderer may use its buffer again."""
    shape = None
    for i, frame in enumerate(frames):
        shape = shape or frame.shape
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] not in (3, 4):
            raise ValueError(f"frame {i} is {frame.dtype} {frame.shape}; expected (H, W, 3) or "
                             "(H, W, 4) uint8")  # fmt: skip
        if frame.shape != shape:
            raise ValueError(f"frame {i} has shape {frame.shape}, the ones before {shape}")
        yield np.array(frame, order="C")
    if shape is None:
        raise OutputError("there are no frames to write; the motion or clip is empty")


def _write_folder(
    path: Path, frames: Iterable[Frame], tags: dict[str, str], overwrite: bool
) -> Path:
    folder, pattern = _folder_and_pattern(path)
    with whole_folder(folder, _names(pattern), overwrite=overwrite) as hidden:

        def write(arriving: Iterator[Frame]) -> None:
            for i, frame in enumerate(arriving):
                (hidden / (pattern % (i + 1))).write_bytes(png_bytes(frame, _xmp(tags), level=3))

        write_beside(_checked(frames), partial(_reporting, path, write))
    return path


def _encode(
    hidden: Path, suffix: str, fps: Fraction, track: Soundtrack | None, tags: dict[str, str],
    encoding: Encoding, frames: Iterator[Frame],
) -> None:  # fmt: skip
    """Encodes everything into `hidden`; runs on the writer's thread."""
    first = next(frames)
    kind = (_OPAQUE if first.shape[2] == 3 else _TRANSPARENT).get(suffix)
    if kind is None:
        raise BadOption(f"{suffix} holds no transparency; write {', '.join(_TRANSPARENT)}, or "
                        "folder/%05d.png")  # fmt: skip
    step = 1 if kind.sound else math.ceil(fps / PREVIEW_FPS)
    convert = converter(kind.codec, kind.pixels, first)
    ticks = encoded_rate(kind.sound, track.sound.rate) if track and kind.sound else fps.numerator
    options = _container_options(kind, ticks)
    heard: Fraction | float = 0
    with av.open(f"file:{hidden}", "w", format=kind.container, container_options=options) as output:
        output.metadata.update(tags)
        picture = _add_picture(output, kind, convert(first), fps / step, encoding)
        voice = add_soundtrack(output, kind.sound, track)
        for i, frame in enumerate(itertools.chain([first], frames)):
            if i % step == 0:
                shown = convert(frame)
                shown.pts, shown.time_base = i // step, step / fps
                output.mux(picture.encode(shown))
            # no further than the picture, so that neither waits for the other in memory
            while heard < (i + 1) / fps:
                heard = next(voice, math.inf)
        output.mux(picture.encode(None))
        for _ in voice:
            pass


def _container_options(kind: _Format, ticks: int) -> dict[str, str]:
    options = {"fflags": "+bitexact"}
    if kind.container in ("mp4", "mov"):
        # ticks a second of the film's own clock: at the usual 1000 the sound's end is rounded
        options |= {"movflags": "+faststart", "movie_timescale": str(ticks)}
    if kind.container == "webp":
        options["loop"] = "0"  # for ever
    return options


def _add_picture(
    output: OutputContainer, kind: _Format, sample: av.VideoFrame, fps: Fraction,
    encoding: Encoding,
) -> Any:  # fmt: skip
    options = {
        "libx264": {"preset": encoding.preset, "crf": str(encoding.quality),
                    "x264-params": STEADY},
        # two quality scales: VP9's 0 to 63 looks alike about 10 above H.264's 0 to 51
        "libvpx-vp9": {"crf": str(min(63, encoding.quality + 10)), "b": "0", "deadline": "good",
                       "cpu-used": "5", "row-mt": "1"},
        "prores_ks": {"profile": "4444", "alpha_bits": "16"},
        "libwebp_anim": {"quality": str(100 - encoding.quality)},
    }.get(kind.codec, {})  # fmt: skip
    if kind.codec == "libx264" and sample.width * sample.height > LARGE_PX:
        options["x264-params"] += ":" + LEAN
    stream: Any = output.add_stream(kind.codec, rate=fps, options=options)
    context = stream.codec_context
    stream.width, stream.height, stream.pix_fmt = sample.width, sample.height, sample.format.name
    context.thread_count = ENCODER_THREADS
    context.flags |= Flags.bitexact
    if "yuv" in sample.format.name:
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    return stream
