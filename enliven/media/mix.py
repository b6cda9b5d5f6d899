"""Several sounds into one: what the people of one picture say."""

import tempfile
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

import numpy as np

from enliven.media.audio import Array, decode_sound, resampled, to_mono

BLOCK = 16384  # samples mixed at once
KNEE = 0.8  # level above which a sum is bent, so that two loud voices do not clip


@contextmanager
def one_sound(paths: Sequence[Path]) -> Iterator[Path | None]:
    """A file that sounds like all of them at once, each heard once; None where there are none.

    A single file is given back as it is.  Raises BadMedia.
    """
    different = list(dict.fromkeys(paths))
    if len(different) < 2:
        yield different[0] if different else None
        return
    with tempfile.TemporaryDirectory(prefix="enliven-") as folder:
        mixed = Path(folder) / "mixed.wav"
        write_mix(mixed, different)
        yield mixed


def write_mix(path: Path, sources: Sequence[Path]) -> None:
    """Mix to a 16-bit wav file at the highest of the rates, in memory that does not grow.

    Stereo if one of the sources is; a voice in one channel is then heard in both.
    """
    sounds = [decode_sound(source) for source in sources]
    rate = max(sound.rate for sound in sounds)
    channels = 2 if any(sound.layout == "stereo" for sound in sounds) else 1
    tracks = []
    for sound in sounds:
        layout = "stereo" if sound.layout == "stereo" else "mono"
        blocks = sound.blocks if layout == "stereo" else map(to_mono, sound.blocks,
                                                             repeat(sound.layout))  # fmt: skip
        tracks.append(_even_blocks(resampled(blocks, sound.rate, layout, rate)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        while parts := [block for block in (next(track, None) for track in tracks)
                        if block is not None]:  # fmt: skip
            total = np.zeros((channels, max(part.shape[1] for part in parts)), np.float32)
            for part in parts:
                total[:, : part.shape[1]] += part
            samples = np.rint(32767 * _bent(total)).astype("<i2")
            file.writeframes(np.ascontiguousarray(samples.T).tobytes())


def _even_blocks(blocks: Iterator[Array]) -> Iterator[Array]:
    """The same samples in blocks of BLOCK, the last one shorter."""
    held: list[Array] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += block.shape[1]
        while count >= BLOCK:
            joined = np.concatenate(held, 1)
            yield joined[:, :BLOCK]
            held, count = [joined[:, BLOCK:]], count - BLOCK
    if count:
        yield np.concatenate(held, 1)


def _bent(sound: Array) -> Array:
    """Unchanged up to KNEE, then bent smoothly to stay within -1 to 1."""
    size = np.abs(sound)
    loud = KNEE + (1 - KNEE) * np.tanh((size - KNEE) / (1 - KNEE))
    return np.where(size <= KNEE, sound, np.copysign(loud, sound)).astype(np.float32)
