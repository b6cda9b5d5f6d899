"""A page on which people compare pairs of videos, with sound, without knowing whose they are.

All videos are encoded again by one encoder with one setting, without names or tags, both of a pair
in one frame size and length, and their data padded to one number of bytes.
"""

import base64
import hashlib
import json
import shutil
import sys
import tempfile
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadMedia
from enliven.media.audio import decode_sound, resampled, to_mono
from enliven.media.video import probe, read_frames
from enliven.media.write import Encoding, frames_for, write_video

AXES = {
    "lips": "Whose lips follow the voice better?",
    "lively": "Who is livelier, in a way that suits the voice?",
    "real": "Who looks more like a real person?",
    "overall": "All in all, which video is better?",
}
RATE = 48_000  # Hz, one channel
UNEQUAL = 0.1  # seconds by which two videos may differ in length without a note
TEMPLATE = Path(__file__).with_name("blind_videos.html")


@dataclass(frozen=True)
class Look:
    """side: longest side of a frame at most, px.  quality: see `enliven.media.write.Encoding`."""

    side: int = 480
    quality: int = 18


def write_page(page: Path, pairs: Mapping[str, tuple[Path, Path]], seed: int,
               look: Look = Look()) -> list[str]:  # fmt: skip
    """Write the page, and beside it its key, PAGE.key.json; returns notes on the videos.

    pairs: name -> the videos called one and two.  Order and sides are drawn from the seed.
    Raises BadMedia for a file that is no video with sound.
    """
    random = np.random.default_rng(seed)
    names = sorted(pairs)
    names = [names[i] for i in random.permutation(len(names))]
    key: dict[str, object] = {}
    notes: list[str] = []
    media = []
    for number, name in enumerate(names, 1):
        flipped = bool(random.integers(2))
        print(f"encodes pair {number} of {len(names)}", file=sys.stderr, flush=True)
        key[str(number)] = {"name": name, "left": "two" if flipped else "one"}
        shown = _alike(pairs[name], look, notes)
        for side, content in zip("ab", shown[::-1] if flipped else shown, strict=True):
            coded = base64.b64encode(content).decode()
            media.append(f'<script type="text/plain" id="{number}{side}">{coded}</script>')
    body = "\n".join(media)
    known = hashlib.sha256(body.encode()).hexdigest()[:16]
    facts = {"page": known, "count": len(names), "axes": list(AXES.items())}
    text = TEMPLATE.read_text("utf-8")
    text = text.replace("@FACTS@", json.dumps(facts)).replace("@VIDEOS@", body)
    page.write_text(text, "utf-8")
    page.with_suffix(".key.json").write_text(json.dumps({"page": known} | key, indent=1), "utf-8")
    return notes


def _alike(pair: tuple[Path, Path], look: Look, notes: list[str]) -> list[bytes]:
    """Two videos in the smaller one's frame and length, and of one number of bytes."""
    found = [probe(path) for path in pair]
    for path, info in zip(pair, found, strict=True):
        if not info.has_video or not info.has_audio or not info.seconds:
            raise BadMedia(f"{path} is no video with sound; give videos that have both")
    lengths = [info.seconds for info in found]
    if abs(lengths[0] - lengths[1]) > UNEQUAL:
        notes.append(f"{pair[0]} and {pair[1]} last {lengths[0]:.1f} and {lengths[1]:.1f} s; "
                     "both are cut to the shorter")  # fmt: skip
    box = (min(info.width for info in found), min(info.height for info in found))
    shrunk = min(1.0, look.side / max(box))
    box = (max(2, round(box[0] * shrunk / 2) * 2), max(2, round(box[1] * shrunk / 2) * 2))
    made = [_again(path, box, Fraction(min(lengths)), look) for path in pair]
    # 8 bytes are the least that a box of nothing takes
    size = max(len(content) for content in made) + 8
    return [content + _nothing(size - len(content)) for content in made]


def _nothing(size: int) -> bytes:
    """A box of an MP4 file that players skip (ISO/IEC 14496-12, 8.1.2), of so many bytes."""
    return size.to_bytes(4, "big") + b"free" + bytes(size - 8)


def _again(path: Path, box: tuple[int, int], seconds: Fraction, look: Look) -> bytes:
    folder = Path(tempfile.mkdtemp())
    try:
        _write_sound(folder / "sound.wav", path)
        clip = read_frames(path)
        frames = _fitted(clip.frames, box, frames_for(seconds, clip.fps))
        made = write_video(folder / "video.mp4", frames, clip.fps, sound=folder / "sound.wav",
                           seconds=seconds, encoding=Encoding(look.quality))  # fmt: skip
        return made.read_bytes()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fitted(frames: Iterator[NDArray[np.uint8]], box: tuple[int, int], count: int
            ) -> Iterator[NDArray[np.uint8]]:  # fmt: skip
    """So many frames, each as large as fits in the box, in the middle of black; the last one is
    held where there are fewer."""
    shown = np.zeros((box[1], box[0], 3), np.uint8)
    for number in range(count):
        frame = next(frames, None)
        if frame is not None:
            height, width = frame.shape[:2]
            scale = min(box[0] / width, box[1] / height)
            size = min(box[0], round(width * scale)), min(box[1], round(height * scale))
            if size != (width, height):
                frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
            left, top = (box[0] - size[0]) // 2, (box[1] - size[1]) // 2
            shown = np.zeros((box[1], box[0], 3), np.uint8)
            shown[top : top + size[1], left : left + size[0]] = frame
        elif number == 0:
            raise BadMedia("a video holds no frame; make it again")
        yield shown


def _write_sound(path: Path, video: Path) -> None:
    sound = decode_sound(video)
    mono = (to_mono(block, sound.layout) for block in sound.blocks)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        for block in resampled(mono, sound.rate, "mono", RATE):
            file.writeframes((block[0].clip(-1, 1) * 32767).round().astype("<i2").tobytes())
