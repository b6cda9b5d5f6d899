"""What is kept of a video while it is judged, to show later why it was judged so.

A few pictures, the marks and the loudness of the sound; none of it grows with the length of the
video but the last two, by some bytes a second.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.geometry import OUTER_EYE_CORNERS
from enliven.metrics.closeness import Habits
from enliven.metrics.watch import Frame, Stretch
from enliven.reward.judge import AXES, Mark
from enliven.reward.real import Traces
from enliven.types import MOTION_FPS

LOUDNESS_HZ = 10  # levels a second
SILENT_DB = -90.0
EVEN = 6  # pictures spread over the whole video
FIRST_STEP = 0.16  # seconds
MOST_MOMENTS = 64  # held while it is not known how long the video is
SCENES = 6  # pictures of a worst window
MOUTHS = 16  # mouths of a worst window, side by side
FINE = 96  # levels of the sound below them
MOUTH_PX = (84, 64)  # width and height of a mouth
MOUTH_IOD = 1.15  # width
WEBP_QUALITY = 78
INNER_LIPS = (13, 14)


@dataclass(frozen=True)
class Shot:
    """A moment: the whole picture and the mouth, WebP each, the mouth empty without a face."""

    second: float
    scene: bytes
    mouth: bytes


@dataclass(frozen=True)
class Worst:
    """The window with the lowest mark of an axis.

    mouths: one picture (WebP), MOUTHS of them side by side, evenly over the window; empty
    without a face.  levels: FINE loudnesses in dB over the same time.
    """

    mark: Mark
    shots: tuple[Shot, ...]
    mouths: bytes
    levels: NDArray[np.float32]


@dataclass(frozen=True)
class Record:
    """What was seen of a video.

    seconds: how long its picture is.  size: (width, height) px.  fps: of the file.
    loudness: (n,) dB, LOUDNESS_HZ a second; empty without sound.
    marks: of the judge, in order.  even: moments spread over the video.
    worst: by axis, those that have a valid mark.
    habits: of the person, by name; see `enliven.metrics.closeness`.
    """

    seconds: float
    size: tuple[int, int]
    fps: float
    loudness: NDArray[np.float32]
    marks: tuple[Mark, ...]
    even: tuple[Shot, ...]
    worst: Mapping[str, Worst]
    habits: Habits


@final
class Recorder:
    """Is shown each stretch of a video with its marks, and keeps what a page needs."""

    def __init__(self) -> None:
        self._step = FIRST_STEP  # seconds between the moments held
        self._moments: list[Shot] = []
        self._marks: list[Mark] = []
        self._loudness: list[NDArray[np.float32]] = []
        self._worst: dict[str, Worst] = {}
        self._seconds, self._fps = 0.0, 0.0
        self._size = (0, 0)
        self._traces = Traces()

    def add(self, stretch: Stretch, marks: Sequence[Mark]) -> None:
        self._marks += marks
        self._traces.add(stretch)
        self._seconds = stretch.start + stretch.seconds
        self._size, self._fps = stretch.size, stretch.source_fps
        if stretch.sounds:
            self._loudness.append(_levels(stretch.voice, round(stretch.seconds * LOUDNESS_HZ)))
        while (due := len(self._moments) * self._step) < self._seconds - 1e-6:
            self._moments.append(_shot(stretch, due))
            if len(self._moments) >= MOST_MOMENTS:  # how long it will be is not known
                self._moments, self._step = self._moments[::2], 2 * self._step
        for axis in AXES:
            known = [m for m in marks if m.axis == axis and math.isfinite(m.value)]
            # as in `axis_scores`: the lowest, of equal ones the first
            lowest = min(known, key=lambda m: (m.value, m.start), default=None)
            held = self._worst.get(axis)
            if lowest and (held is None or lowest.value < held.mark.value):
                self._worst[axis] = _worst(stretch, lowest)

    def record(self) -> Record:
        levels = np.concatenate([*self._loudness, np.zeros(0, np.float32)])
        return Record(self._seconds, self._size, self._fps, levels, tuple(self._marks),
                      self._even(), dict(self._worst), self._traces.habits())  # fmt: skip

    def _even(self) -> tuple[Shot, ...]:
        """Those moments held that lie nearest to an even spread."""
        places = [(i + 0.5) / EVEN * self._seconds for i in range(EVEN)]
        chosen = {min(self._moments, key=lambda shot: abs(shot.second - place)).second
                  for place in places if self._moments}  # fmt: skip
        return tuple(shot for shot in self._moments if shot.second in chosen)


def _levels(voice: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Loudness in dB of so many equal parts of a sound."""
    parts = np.array_split(voice, max(1, count))
    power = [float(np.square(part, dtype=np.float64).mean()) if len(part) else 0 for part in parts]
    return np.array([max(SILENT_DB, 10 * math.log10(p + 1e-12)) for p in power], np.float32)


def _worst(stretch: Stretch, mark: Mark) -> Worst:
    start = max(mark.start, stretch.start)
    stop = min(mark.stop, stretch.start + stretch.seconds)
    times = [start + (i + 0.5) / SCENES * (stop - start) for i in range(SCENES)]
    rows = np.linspace(_row(stretch, start), _row(stretch, stop - 1e-6), MOUTHS).round().astype(int)
    mouths = [_mouth(stretch, int(row)) for row in rows]
    strip = b""
    if any(mouth is not None for mouth in mouths):
        blank = np.full((MOUTH_PX[1], MOUTH_PX[0], 3), 128, np.uint8)
        strip = _encoded(np.hstack([blank if mouth is None else mouth for mouth in mouths]))
    low, high = (round((second - stretch.start) * 16_000) for second in (start, stop))
    levels = _levels(stretch.voice[low:high], FINE) if stretch.sounds else np.zeros(0, np.float32)
    return Worst(mark, tuple(_shot(stretch, t) for t in times), strip, levels)


def _shot(stretch: Stretch, second: float) -> Shot:
    row = _row(stretch, second)
    mouth = _mouth(stretch, row)
    return Shot(stretch.start + row / MOTION_FPS, _encoded(stretch.scenes[row]),
                b"" if mouth is None else _encoded(mouth))  # fmt: skip


def _row(stretch: Stretch, second: float) -> int:
    """The frame that is shown at a second of the video."""
    row = math.floor((second - stretch.start) * MOTION_FPS + 1e-6)
    return min(max(row, 0), len(stretch) - 1)


def _mouth(stretch: Stretch, row: int) -> Frame | None:
    """The mouth in a frame, (64, 84, 3), as it lies in the picture."""
    if not stretch.valid[row]:
        return None
    left, right = (stretch.landmarks[stretch.valid, point, :2] for point in OUTER_EYE_CORNERS)
    eyes = float(np.median(np.linalg.norm(right - left, axis=1))) * float(stretch.box[row, 2])
    lips = stretch.landmarks[row, list(INNER_LIPS), :2].mean(0)
    x, y = (lips - stretch.box[row, :2]) * stretch.box[row, 2]
    width, height = MOUTH_PX
    scale = MOUTH_IOD * eyes / width
    matrix = np.array([[scale, 0, x - scale * width / 2], [0, scale, y - scale * height / 2]])
    return np.asarray(cv2.warpAffine(
        stretch.faces[row], matrix, MOUTH_PX, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE), np.uint8)  # fmt: skip


def _encoded(image: Frame) -> bytes:
    options = [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY]
    return bytes(cv2.imencode(".webp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1])


def packed(record: Record) -> dict[str, Any]:
    """The record as plain JSON; `unpacked` makes it again."""
    return {
        "seconds": record.seconds, "size": list(record.size), "fps": record.fps,
        "loudness": _rounded(record.loudness), "marks": [_mark(m) for m in record.marks],
        "even": [_packed_shot(shot) for shot in record.even],
        "worst": {axis: {"mark": _mark(worst.mark), "levels": _rounded(worst.levels),
                         "shots": [_packed_shot(shot) for shot in worst.shots],
                         "mouths": _text(worst.mouths)} for axis, worst in record.worst.items()},
        "habits": {name: value if math.isfinite(value) else None
                   for name, value in vars(record.habits).items()},
    }  # fmt: skip


def unpacked(content: Mapping[str, Any]) -> Record:
    """A record from what `packed` made.  Raises KeyError, TypeError or ValueError on others."""
    worst = {axis: Worst(_read_mark(held["mark"]), tuple(map(_read_shot, held["shots"])),
                         base64.b64decode(held["mouths"]), np.array(held["levels"], np.float32))
             for axis, held in content["worst"].items()}  # fmt: skip
    width, height = content["size"]
    return Record(float(content["seconds"]), (int(width), int(height)), float(content["fps"]),
                  np.array(content["loudness"], np.float32),
                  tuple(map(_read_mark, content["marks"])),
                  tuple(map(_read_shot, content["even"])), worst,
                  Habits(**{name: math.nan if value is None else value
                            for name, value in content["habits"].items()}))  # fmt: skip


def _mark(mark: Mark) -> list[Any]:
    value = mark.value if math.isfinite(mark.value) else None
    return [mark.axis, mark.start, mark.stop, value, mark.why]


def _read_mark(content: Sequence[Any]) -> Mark:
    axis, start, stop, value, why = content
    return Mark(axis, start, stop, math.nan if value is None else value, why)


def _packed_shot(shot: Shot) -> list[Any]:
    return [shot.second, _text(shot.scene), _text(shot.mouth)]


def _read_shot(content: Sequence[Any]) -> Shot:
    return Shot(content[0], base64.b64decode(content[1]), base64.b64decode(content[2]))


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _rounded(values: NDArray[np.float32]) -> list[float]:
    return [round(float(value), 1) for value in values]
