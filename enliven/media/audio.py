"""Sound in: any file, rate and channel count to what the stages hear, in bounded memory.

`decode_sound` is the one way sound is read: speech analysis and the writing of videos both
take its blocks, so that what is heard and what was analysed begin and end together.
"""

import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadMedia
from enliven.media.container import (
    check_complete,
    frames,
    open_media,
    picture_stream,
    sound_stream,
    start_seconds,
    stated_seconds,
)
from enliven.media.files import decoding, digest, input_file

Array = NDArray[np.float32]

SPEECH_RATE = 16_000  # Hz

LEAST_GAP_SECONDS = 0.1  # a hole in the file's clock this long becomes silence; less is jitter
MOST_GAP_SECONDS = 60  # a longer one is a broken clock

PLANES = 8  # PyAV reads past the end of a frame with as many separate channels or more

MOST_PADDING = 4096  # samples; two blocks of the longest AAC

# Weight of each channel in the mono mix.  The two fronts together count as the centre, so that
# a voice has the same level in mono, in stereo and in the centre of a surround mix.
_MONO_WEIGHTS = {"FC": 1.0, "FL": 0.5, "FR": 0.5, "BL": 0.25, "BR": 0.25, "SL": 0.25, "SR": 0.25,
                 "BC": 0.25, "FLC": 0.5, "FRC": 0.5, "LFE": 0.0}  # fmt: skip

# What files that number their channels without naming them are taken to mean.
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


@dataclass(frozen=True)
class Speech:
    """A recording as the stages hear it.

    samples: (N,) float32, mono, SPEECH_RATE, -1 to 1; N = round(seconds * SPEECH_RATE).
    seconds: duration of the original sound, from its decoded samples.
    digest: SHA-256 of the file's bytes.
    rate, channels: Hz and number, of the original.
    notes: what had to be repaired, one sentence each, for the user.
    """

    samples: Array
    seconds: float
    digest: str
    path: Path
    rate: int = SPEECH_RATE
    channels: int = 1
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sound:
    """A sound being decoded.

    blocks: iterator of (channels, n) float32 in -1 to 1, all finite; raises BadMedia.
    layout: libav's name for the channels, e.g. "stereo"; "" where they are unknown.
    notes: filled while the blocks are taken.
    """

    blocks: Iterator[Array]
    rate: int
    channels: int
    layout: str
    notes: list[str]


def decode_sound(path: str | os.PathLike[str]) -> Sound:
    """Opens the sound of a sound or video file.

    Encoder priming is left out, and in a video whose sound begins later than its picture the
    difference is silence, so that time 0 is where a player begins.  Raises BadMedia.
    """
    path = Path(path)
    container = open_media(path)
    with decoding(path, "sound"):
        stream = sound_stream(container)
        if stream is None:
            what = "video" if picture_stream(container) else "file"
            raise BadMedia(f"{path}: this {what} has no sound that can be decoded; give one that "
                           "has, such as a wav file")  # fmt: skip
        notes: list[str] = []
        decoded = frames(container, stream, path, notes)
        first = next(decoded, None)
    if first is None or first.rate <= 0 or not first.layout.nb_channels:
        raise BadMedia(f"{path} holds no sound: it has 0 samples. Record or export it again")
    channels = first.layout.nb_channels
    layout = first.layout.name if channels != 1 else "mono"
    if first.layout.channels[0].name == "NONE":
        layout = _USUAL_LAYOUTS.get(channels, "")
    blocks = _blocks(container, stream, path, itertools.chain([first], decoded), notes)
    return Sound(blocks, first.rate, channels, layout, notes)


def _blocks(
    container: Any, stream: Any, path: Path, decoded: Iterator[Any], notes: list[str]
) -> Iterator[Array]:
    with container, decoding(path, "sound"):
        first = next(decoded)
        rate, channels = first.rate, first.layout.nb_channels
        lead = round(_lead_seconds(container, stream) * rate)
        given = 0
        timed = _timed_blocks(itertools.chain([first], decoded), path, notes)
        heard = _without_holes(timed, rate)
        for block in _without_padding(heard, _stated_samples(container, stream, rate)):
            given += block.shape[1]
            if lead:
                yield np.zeros((channels, lead), np.float32)
                lead = 0
            yield block
        if given == 0:
            raise BadMedia(f"{path} holds no sound: it has 0 samples. Record or export it again")
        check_complete(container, stream, Fraction(given, rate), path, notes)


def _timed_blocks(
    decoded: Iterator[Any], path: Path, notes: list[str]
) -> Iterator[tuple[Fraction | None, Array]]:
    """(time in seconds where known, finite samples) of each decoded frame."""
    wrong = 0
    shape = None
    for frame in decoded:
        shape = shape or (frame.rate, frame.layout.nb_channels)
        if shape != (frame.rate, frame.layout.nb_channels):
            raise BadMedia(f"{path} changes its sample rate or channels midway; export it again "
                           "as one wav file")  # fmt: skip
        block = _as_float(frame)
        finite = np.isfinite(block)
        if not finite.all():
            wrong += int((~finite).any(0).sum())
            block = np.where(finite, block, np.float32(0))
        time = None if frame.pts is None else frame.pts * Fraction(frame.time_base)
        yield time, np.clip(block, -1, 1)
    if wrong:
        notes.append(f"{path.name} has {wrong} samples that are not numbers (NaN or infinite); "
                     "they were made silent")  # fmt: skip


def _as_float(frame: Any) -> Array:
    """(channels, n) float32 from any sample format, packed or planar."""
    channels = frame.layout.nb_channels
    if frame.format.is_planar and channels >= PLANES:
        (frame,) = av.AudioResampler(frame.format.name.removesuffix("p")).resample(frame)
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, channels).T
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - 128) / 128
    if np.issubdtype(values.dtype, np.integer):
        return values.astype(np.float32) / np.float32(2.0 ** (8 * values.dtype.itemsize - 1))
    with np.errstate(over="ignore"):  # doubles beyond float32 become infinite, then silent
        return values.astype(np.float32)


def _without_holes(timed: Iterable[tuple[Fraction | None, Array]], rate: int) -> Iterator[Array]:
    """Puts silence where the file's clock jumps ahead, as it does after lost packets."""
    expected: Fraction | None = None
    for time, block in timed:
        if time is not None:
            hole = 0 if expected is None else time - expected
            if LEAST_GAP_SECONDS < hole < MOST_GAP_SECONDS:
                yield np.zeros((len(block), round(hole * rate)), np.float32)
            elif expected is not None and hole < MOST_GAP_SECONDS:
                time = expected  # rounding of the clock must not add up
            expected = time + Fraction(block.shape[1], rate)
        yield block


def _stated_samples(container: Any, stream: Any, rate: int) -> int | None:
    """Samples by the edit list of an mp4; its AAC decodes to whole blocks of 1024 or 2048."""
    if "mov" not in container.format.name or stream.codec_context.name != "aac":
        return None
    stated = stated_seconds(container, stream)
    return None if stated is None else round(stated * rate)


def _without_padding(blocks: Iterable[Array], stated: int | None) -> Iterator[Array]:
    """Drops what an encoder appended to fill its last block.

    A longer excess means that the header is wrong, and the sound is kept.
    """
    given = 0
    excess: list[Array] = []
    for block in blocks:
        if stated is None:
            yield block
            continue
        keep = min(max(stated - given, 0), block.shape[1])
        given += block.shape[1]
        if keep:
            yield block[:, :keep]
        if keep < block.shape[1]:
            excess.append(block[:, keep:])
        if given - stated > MOST_PADDING:
            yield from excess
            excess, stated = [], None


def _lead_seconds(container: Any, stream: Any) -> Fraction:
    """How much later than the picture the sound begins."""
    picture = start_seconds(picture_stream(container))
    start = start_seconds(stream)
    if picture is None or start is None or not 0 < start - picture < MOST_GAP_SECONDS:
        return Fraction(0)
    return start - picture


def to_mono(block: Array, layout: str) -> Array:
    """(channels, n) -> (1, n); the mean where the channels are unknown."""
    if len(block) == 1:
        return block
    names = [channel.name for channel in av.AudioLayout(layout).channels] if layout else []
    weights = np.array([_MONO_WEIGHTS.get(name, 0.0) for name in names], np.float32)
    if len(weights) != len(block) or not weights.any():
        weights = np.full(len(block), 1 / len(block), np.float32)
    return np.clip(weights @ block, -1, 1)[None]


def audio_frames(blocks: Iterable[Array], rate: int, layout: str) -> Iterator[av.AudioFrame]:
    """Blocks (channels, n) float32 -> libav frames on a gapless clock that starts at 0."""
    position = 0
    for block in blocks:
        packed = np.ascontiguousarray(block.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, "flt", layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), position
        position += block.shape[1]
        yield frame


def resampled(blocks: Iterable[Array], rate: int, layout: str, wanted_rate: int) -> Iterator[Array]:
    """Blocks (channels, n) float32 at another rate; their total is exact to the rounding."""
    if rate == wanted_rate:
        yield from blocks
        return
    resampler = av.AudioResampler("flt", layout, wanted_rate)  # packed because of PLANES
    channels = av.AudioLayout(layout).nb_channels
    due = given = taken = 0
    for frame in itertools.chain(audio_frames(blocks, rate, layout), [None]):
        taken += frame.samples if frame is not None else 0
        due = max(1, round(Fraction(taken * wanted_rate, rate)))
        for part in resampler.resample(frame):
            block = (
                np.asarray(part.to_ndarray(), np.float32).reshape(-1, channels).T[:, : due - given]
            )
            given += block.shape[1]
            yield block
    if given < due:
        yield np.zeros((channels, due - given), np.float32)


def read_speech(path: str | os.PathLike[str]) -> Speech:
    """Reads a recording, or the sound of a video, as mono SPEECH_RATE float32.

    Memory: the result and a block of the original.  Raises BadMedia.
    """
    path = input_file(path)
    sound = decode_sound(path)
    count = 0

    def mono() -> Iterator[Array]:
        nonlocal count
        for block in sound.blocks:
            count += block.shape[1]
            yield to_mono(block, sound.layout)

    # numpy reads a bytearray in place, so that the sound is never held twice
    result = bytearray()
    with decoding(path, "sound"):
        for block in resampled(mono(), sound.rate, "mono", SPEECH_RATE):
            result += block.tobytes()
    samples = np.frombuffer(result, np.float32)
    return Speech(samples, count / sound.rate, digest(path), path, sound.rate, sound.channels,
                  tuple(sound.notes))  # fmt: skip
