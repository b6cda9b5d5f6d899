"""The original's sound into a video: copied where it is AAC already, else encoded anew."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from numpy.typing import NDArray

from enliven.media.audio import MOST_PADDING, Sound, audio_frames, decode_sound, resampled, to_mono
from enliven.media.container import (
    open_media,
    picture_stream,
    sound_stream,
    start_seconds,
    stated_seconds,
)
from enliven.media.files import decoding

AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
OPUS_RATE = 48_000

# Layouts every player knows, by the names of the encoders; others are mixed down to mono.
KEPT_LAYOUTS = {"mono": "mono", "stereo": "stereo", "5.1": "5.1", "5.1(side)": "5.1", "7.1": "7.1"}


@dataclass(frozen=True)
class Soundtrack:
    """A sound that is going to be part of a video.

    samples: how long it will be, at sound.rate; None for as long as it is.
    """

    path: Path
    sound: Sound
    samples: int | None


def open_soundtrack(
    path: str | os.PathLike[str], seconds: Fraction | float | None = None
) -> Soundtrack:
    """Opens a sound that will be cut or padded to `seconds`.  Raises BadMedia."""
    sound = decode_sound(path)
    samples = None if seconds is None else round(Fraction(seconds) * sound.rate)
    return Soundtrack(Path(path), sound, samples)


def add_soundtrack(
    output: OutputContainer, codec: str | None, track: Soundtrack | None
) -> Iterator[Fraction]:
    """Adds a stream; at each step writes some of the sound and yields the seconds reached."""
    if codec is None or track is None:
        return iter(())
    if codec == "aac" and output.format.name in ("mp4", "mov") and _is_copyable(track):
        return _copied(output, track)
    return _encoded(output, codec, track)


def _is_copyable(track: Soundtrack) -> bool:
    """Whether the file's packets are AAC that begins at 0, has no holes, and ends as wanted.

    Only mp4 and mov state priming and end to the sample, so that copied packets keep them.
    """
    with open_media(track.path) as container, decoding(track.path, "sound"):
        stream: Any = sound_stream(container)
        stated = stated_seconds(container, stream)
        if "mov" not in container.format.name or stream.codec_context.name != "aac" or not stated:
            return False
        if track.samples not in (None, stated * track.sound.rate):
            return False
        if start_seconds(stream) != 0 or start_seconds(picture_stream(container)) not in (None, 0):
            return False
        expected: int | None = None
        for packet in container.demux(stream):
            if packet.pts is None:
                continue
            if expected is None and -MOST_PADDING <= packet.pts <= 0:
                expected = packet.pts
            if packet.pts != expected or packet.is_corrupt:
                return False
            expected = packet.pts + packet.duration
        return expected is not None and expected * stream.time_base == stated


def _copied(output: OutputContainer, track: Soundtrack) -> Iterator[Fraction]:
    container = open_media(track.path)
    source: Any = sound_stream(container)
    stream = output.add_stream_from_template(source)

    def written() -> Iterator[Fraction]:
        with container:
            for packet in container.demux(source):
                if packet.pts is None:
                    continue
                reached = (packet.pts + packet.duration) * packet.time_base
                packet.stream = stream
                output.mux(packet)
                yield reached

    return written()


def _encoded(output: OutputContainer, codec: str, track: Soundtrack) -> Iterator[Fraction]:
    sound = track.sound
    rate = encoded_rate(codec, sound.rate)
    layout = KEPT_LAYOUTS.get(sound.layout, "mono")
    stream: Any = output.add_stream(codec, rate=rate, layout=layout)
    stream.codec_context.flags |= Flags.bitexact
    if codec != "pcm_s16le":
        stream.bit_rate = min(3 * rate, 128_000) * stream.codec_context.layout.nb_channels
    blocks: Iterable[NDArray[np.float32]] = _fitted(sound, track.samples)
    if sound.layout not in KEPT_LAYOUTS:
        blocks = (to_mono(block, sound.layout) for block in blocks)

    def written() -> Iterator[Fraction]:
        given = 0
        encodable = resampled(blocks, sound.rate, layout, rate)
        for frame in audio_frames(encodable, rate, layout):
            given += frame.samples
            output.mux(stream.encode(frame))
            yield Fraction(given, rate)
        output.mux(stream.encode(None))

    return written()


def encoded_rate(codec: str, rate: int) -> int:
    """The original's rate, or the next one up that the codec knows; Hz."""
    if codec == "aac":
        return next((known for known in AAC_RATES if known >= rate), AAC_RATES[-1])
    return OPUS_RATE if codec == "libopus" else rate


def _fitted(sound: Sound, samples: int | None) -> Iterator[NDArray[np.float32]]:
    """The sound's blocks, cut or followed by silence to be exactly `samples` long."""
    if samples is None:
        yield from sound.blocks
        return
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
