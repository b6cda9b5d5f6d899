"""Small media files with known content, made with PyAV and Pillow alone."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def tone(seconds, rate, channels=1, frequency=220.0, level=0.25):
    """(samples, channels) float32 sine."""
    time = np.arange(round(seconds * rate)) / rate
    wave = level * np.sin(2 * np.pi * frequency * time)
    return np.repeat(wave[:, None], channels, 1).astype(np.float32)


def write_wav(path: Path, samples: np.ndarray, rate: int, mask: int = 0) -> Path:
    """A float32 wav of (n, channels); mask: which loudspeakers, as in WAVEFORMATEXTENSIBLE."""
    data = np.ascontiguousarray(samples, "<f4").tobytes()
    channels = samples.shape[1]
    is_float = bytes.fromhex("0300000000001000800000aa00389b71")
    form = struct.pack("<HHIIHHHHI", 0xFFFE, channels, rate, rate * channels * 4, channels * 4,
                       32, 22, 32, mask) + is_float  # fmt: skip
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data"
    chunks += struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    return path


def encode_sound(path: Path, codec: str, samples: np.ndarray, rate: int) -> Path:
    """A compressed sound file of (n, 1 or 2) samples; the container follows the name."""
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "flt", layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    options = {"movie_timescale": str(rate)} if path.suffix in (".m4a", ".mp4", ".mov") else {}
    with av.open(str(path), "w", container_options=options) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout,
                                   options={"strict": "experimental"})  # fmt: skip
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def grey_clip(
    path: Path, times: list[Fraction], levels: list[int], *, size=(64, 48), codec="libx264",
    rate=25, sound_seconds: float = 0, sound_start: Fraction = Fraction(0), shape=None,
) -> Path:  # fmt: skip
    """A clip whose frame i is plain grey `levels[i]` from `times[i]` on, in seconds."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if codec == "libx264":
            stream.options = {"crf": "10", "bf": "0", "preset": "ultrafast"}
        stream.codec_context.time_base = Fraction(1, 90_000)
        if shape:
            stream.codec_context.sample_aspect_ratio = shape
        voice = output.add_stream("aac", rate=16_000, layout="mono") if sound_seconds else None
        for time, level in zip(times, levels, strict=True):
            picture = np.full((size[1], size[0], 3), level, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = round(time * 90_000), Fraction(1, 90_000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if voice:
            samples = tone(sound_seconds, 16_000)
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "flt", "mono")
            frame.sample_rate, frame.time_base = 16_000, Fraction(1, 16_000)
            frame.pts = round(sound_start * 16_000)
            output.mux(voice.encode(frame))
            output.mux(voice.encode(None))
    return path


def rotate_mp4(path: Path, degrees: int) -> Path:
    """Writes a display matrix into an mp4's picture track: players turn it clockwise."""
    content = bytearray(path.read_bytes())
    matrix = {
        0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)
    }[degrees]  # fmt: skip
    a, b, c, d = (value * 65536 for value in matrix)
    # tkhd version 0: 4 name, 4 flags, 36 up to the matrix, which is 9 fixed-point numbers
    start = content.index(b"tkhd") + 4 + 4 + 36
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def read_raw(path: Path) -> tuple[np.ndarray, int]:
    """((channels, n) float32, rate) of a sound as libav decodes it, nothing added or cut."""
    with av.open(str(path)) as container:
        frames = list(container.decode(container.streams.audio[0]))
    return np.concatenate([frame.to_ndarray() for frame in frames], 1), frames[0].sample_rate
