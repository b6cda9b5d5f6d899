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
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation
from numpy.typing import NDArray
from PIL import Image as Pillow

from enliven.errors import BadOption, OutputError
from enliven.media.audio import Sound, audio_frames, decode_sound, to_mono
from enliven.media.background import write_beside
from enliven.media.disclose import SOURCE_TYPE, add_xmp, xmp_packet
from enliven.media.files import check_output, check_output_folder, whole_file, whole_folder, writing
from enliven.media.image import png_bytes
from enliven.media.rate import frame_rate, frames_for

__all__ = ["Encoding", "check_target", "frames_for", "write_video"]

Frame = NDArray[np.uint8]

PREVIEW_SIDE_PX = 480
PREVIEW_FPS = 34  # faster previews keep every n-th frame; browsers slow faster GIFs down

AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
OPUS_RATE = 48_000

# Layouts every player knows; others are mixed down to mono.
KEPT_LAYOUTS = ("mono", "stereo", "5.1", "7.1")

ENCODER_THREADS = 2  # fixed, for the bytes of a file depend on it

_RGB = {3: "rgb24", 4: "rgba"}

_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP

_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) - 7.5


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
    """One row of the table above."""

    container: str
    codec: str
    pixels: str
    sound: str | None = None
    alpha_codec: str | None = None
    alpha_pixels: str = ""
    alpha_sound: str | None = None


_FORMATS = {
    ".mp4": _Format("mp4", "libx264", "yuv420p", "aac"),
    ".m4v": _Format("mp4", "libx264", "yuv420p", "aac"),
    ".mov": _Format("mov", "libx264", "yuv420p", "aac", "prores_ks", "yuva444p10le", "pcm_s16le"),
    ".mkv": _Format("matroska", "libx264", "yuv420p", "aac"),
    ".webm": _Format("webm", "libvpx-vp9", "yuv420p", "libopus", "libvpx-vp9", "yuva420p",
                     "libopus"),
    ".gif": _Format("gif", "gif", "pal8"),
    ".webp": _Format("webp", "libwebp_anim", "bgra", None, "libwebp_anim", "bgra"),
}  # fmt: skip


def check_target(
    path: str | os.PathLike[str], *, overwrite: bool = False, inputs: Iterable[Path | str] = ()
) -> Path:
    """The path as a Path once `write_video` can write there; call it before long work.

    Raises BadOption for a suffix that is not in the table, OutputExists, OutputError.
    """
    path = Path(path)
    if _is_folder(path):
        check_output_folder(_folder(path), overwrite=overwrite, suffix=".png")
        return path
    if path.suffix.lower() not in _FORMATS:
        raise BadOption(f"{path.name}: no video of the kind {path.suffix!r} can be written; choose "
                        f"{', '.join(_FORMATS)}, or folder/%05d.png for pictures")  # fmt: skip
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
    sound: file whose sound goes along, re-encoded at its own rate; previews and PNG leave it out.
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
        _write_folder(path, frames, tags, overwrite)
        return path
    suffix = path.suffix.lower()
    kind = _FORMATS[suffix]
    heard = decode_sound(sound) if sound is not None and kind.sound else None
    if heard and seconds is not None:
        heard = replace(heard, blocks=_fitted(heard, round(Fraction(seconds) * heard.rate)))
    with whole_file(path, overwrite=overwrite) as hidden:
        encode = partial(_encode, hidden, kind, rate, heard, tags, encoding or Encoding())
        write_beside(_checked(frames), partial(_reporting, path, encode))
        if SOURCE_TYPE in tags:
            with writing(path):
                add_xmp(hidden, suffix, xmp_packet(tags[SOURCE_TYPE], tags.get("comment", "")))
    return path


def _is_folder(path: Path) -> bool:
    return not path.suffix or (path.suffix.lower() == ".png" and "%" in path.stem)


def _folder(path: Path) -> Path:
    return path.parent if path.suffix else path


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
) -> None:
    pattern = path.name if path.suffix else "%05d.png"
    try:
        if pattern % 1 == pattern % 2:
            raise ValueError
    except (ValueError, TypeError):
        raise BadOption(f"{pattern!r} does not number its files; use %05d.png") from None
    xmp = xmp_packet(tags[SOURCE_TYPE], tags.get("comment", "")) if SOURCE_TYPE in tags else ""

    with whole_folder(_folder(path), overwrite=overwrite, suffix=".png") as hidden:

        def write(arriving: Iterator[Frame]) -> None:
            for i, frame in enumerate(arriving):
                (hidden / (pattern % (i + 1))).write_bytes(png_bytes(frame, xmp, level=3))

        write_beside(_checked(frames), partial(_reporting, path, write))


def _fitted(sound: Sound, samples: int) -> Iterator[NDArray[np.float32]]:
    """The sound's blocks, cut or followed by silence to be exactly `samples` long."""
    left = samples
    for block in sound.blocks:
        if left <= 0:
            return
        yield block[:, :left]
        left -= min(left, block.shape[1])
    while left > 0:
        silence = np.zeros((sound.channels, min(left, sound.rate)), np.float32)
        left -= silence.shape[1]
        yield silence


def _encode(
    hidden: Path, kind: _Format, fps: Fraction, sound: Sound | None, tags: dict[str, str],
    encoding: Encoding, frames: Iterator[Frame],
) -> None:  # fmt: skip
    """Encodes everything into `hidden`; runs on the writer's thread."""
    first = next(frames)
    alpha = first.shape[2] == 4
    if alpha and kind.alpha_codec is None:
        raise BadOption(f"{kind.container} holds no transparency; write .webm, .mov, .webp or "
                        "folder/%05d.png")  # fmt: skip
    options = {"fflags": "+bitexact"}
    if kind.container in ("mp4", "mov"):
        # the clock of the whole film: in milliseconds, the default, sound would be cut or padded
        ticks = sound.rate if sound else fps.numerator
        options |= {"movflags": "+faststart", "movie_timescale": str(ticks)}
    elif kind.container == "webp":
        options["loop"] = "0"  # for ever
    heard: Fraction | float = 0
    with av.open(f"file:{hidden}", "w", format=kind.container, container_options=options) as output:
        output.metadata.update(tags)
        step, prepare = _preparation(kind, first, fps)
        picture = _add_picture(output, kind, prepare(first), fps / step, alpha, encoding)
        voice = _sound_track(output, kind.alpha_sound if alpha else kind.sound, sound)
        for i, frame in enumerate(itertools.chain([first], frames)):
            if i % step == 0:
                shown = prepare(frame)
                shown.pts, shown.time_base = i // step, step / fps
                output.mux(picture.encode(shown))
            # no further than the picture, so that neither waits for the other in memory
            while heard < (i + 1) / fps:
                heard = next(voice, math.inf)
        output.mux(picture.encode(None))
        for _ in voice:
            pass


def _preparation(
    kind: _Format, first: Frame, fps: Fraction
) -> tuple[int, Callable[[Frame], av.VideoFrame]]:
    """(keep every n-th frame, array -> frame for the encoder)."""
    if kind.container not in ("gif", "webp"):
        pixels = kind.alpha_pixels if first.shape[2] == 4 else kind.pixels
        return 1, partial(
            _to_yuv, pixels=pixels, even=kind.codec == "libx264" and first.shape[2] == 3
        )
    step = math.ceil(fps / PREVIEW_FPS)
    if kind.container == "gif":
        return step, partial(_to_palette, palette=_palette(_preview(first)))
    return step, _to_bgra


def _preview(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    scale = PREVIEW_SIDE_PX / max(height, width)
    if scale >= 1:
        return frame
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _to_yuv(frame: Frame, pixels: str, even: bool) -> av.VideoFrame:
    height, width = frame.shape[:2]
    if even and (height % 2 or width % 2):
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
    picture = av.VideoFrame.from_ndarray(frame, _RGB[frame.shape[2]])
    return picture.reformat(format=pixels, dst_colorspace=Colorspace.ITU709,
                            dst_color_range=ColorRange.MPEG, interpolation=_EXACT)  # fmt: skip


def _to_bgra(frame: Frame) -> av.VideoFrame:
    code = cv2.COLOR_RGBA2BGRA if frame.shape[2] == 4 else cv2.COLOR_RGB2BGRA
    return av.VideoFrame.from_ndarray(cv2.cvtColor(_preview(frame), code), "bgra")  # type: ignore[arg-type]


def _palette(frame: Frame) -> Pillow.Image:
    """The 256 colours of the first frame; a portrait keeps them, and none can flicker."""
    return Pillow.fromarray(frame).quantize(256, Pillow.Quantize.MEDIANCUT)


def _to_palette(frame: Frame, palette: Pillow.Image) -> av.VideoFrame:
    # An ordered pattern, unlike error diffusion, stays where it is while the mouth moves.
    frame = _preview(frame)
    height, width = frame.shape[:2]
    pattern = np.tile(_BAYER, (height // 4 + 1, width // 4 + 1))[:height, :width, None]
    dithered = np.clip(frame + pattern, 0, 255).astype(np.uint8)
    indices = Pillow.fromarray(dithered).quantize(palette=palette, dither=Pillow.Dither.NONE)
    colours = np.full((256, 4), 255, np.uint8)  # A, R, G, B
    rgb = np.array(palette.getpalette("RGB"), np.uint8).reshape(-1, 3)
    colours[: len(rgb), 1:] = rgb
    pair: Any = (np.asarray(indices), colours)
    return av.VideoFrame.from_ndarray(pair, "pal8")


def _add_picture(
    output: OutputContainer, kind: _Format, sample: av.VideoFrame, fps: Fraction, alpha: bool,
    encoding: Encoding,
) -> Any:  # fmt: skip
    codec = kind.alpha_codec if alpha and kind.alpha_codec else kind.codec
    options = {
        "libx264": {"preset": encoding.preset, "crf": str(encoding.quality)},
        # two quality scales: VP9's 0 to 63 looks alike about 10 above H.264's 0 to 51
        "libvpx-vp9": {"crf": str(min(63, encoding.quality + 10)), "b": "0", "deadline": "good",
                       "cpu-used": "5", "row-mt": "1"},
        "prores_ks": {"profile": "4444", "alpha_bits": "16"},
        "libwebp_anim": {"quality": str(100 - encoding.quality)},
    }.get(codec, {})  # fmt: skip
    stream: Any = output.add_stream(codec, rate=fps, options=options)
    context = stream.codec_context
    stream.width, stream.height, stream.pix_fmt = sample.width, sample.height, sample.format.name
    context.thread_count = ENCODER_THREADS
    context.flags |= Flags.bitexact
    if "yuv" in sample.format.name:
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    return stream


def _sound_track(
    output: OutputContainer, codec: str | None, sound: Sound | None
) -> Iterator[Fraction]:
    """Writes a block of sound at each step and yields the time reached, in seconds."""
    if codec is None or sound is None:
        return iter(())
    rate = {"aac": _aac_rate(sound.rate), "libopus": OPUS_RATE}.get(codec, sound.rate)
    layout = sound.layout if sound.layout in KEPT_LAYOUTS else "mono"
    stream: Any = output.add_stream(codec, rate=rate, layout=layout)
    channels = stream.codec_context.layout.nb_channels
    if codec != "pcm_s16le":
        stream.bit_rate = min(3 * rate, 128_000) * channels
    stream.codec_context.flags |= Flags.bitexact
    blocks = (
        sound.blocks if layout == sound.layout else (to_mono(b, sound.layout) for b in sound.blocks)
    )

    def written() -> Iterator[Fraction]:
        given = 0
        for frame in audio_frames(blocks, sound.rate, layout):
            given += frame.samples
            output.mux(stream.encode(frame))
            yield Fraction(given, sound.rate)
        output.mux(stream.encode(None))

    return written()


def _aac_rate(rate: int) -> int:
    """The original's rate, or the next one up that AAC knows."""
    return next((known for known in AAC_RATES if known >= rate), OPUS_RATE)
