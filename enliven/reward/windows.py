"""What a multimodal model is shown of a stretch: windows of at most two seconds.

At the two frames a second that such models take by default nobody can see lips move, and beyond
two seconds they lose count of the time; so the mouth is sent densely, the face less so, and the
sound of exactly that time as a part of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption
from enliven.metrics.watch import CONTEXT, HOP, Stretch
from enliven.reward.message import Part, Pictures, Sound, Text
from enliven.reward.rubric import Rubric
from enliven.types import MOTION_FPS

WINDOW = 50  # frames, 2 s
LEAST_FRAMES = 12  # in less nothing can be judged
LEAST_SEEN = 0.5  # share of the frames that show the face
MOUTH_PX = (224, 168)  # width and height as sent; whole patches of 28 px, of which models make one


@dataclass(frozen=True)
class Views:
    """Pictures a second of each kind.  Raises BadOption.

    mouth: 12.5 to 25, of the mouth, for lip_sync.
    face: 2 to 4, of the whole face, beside the mouth and for expressiveness.
    motion: 8 to 25, of the whole face, for motion: jerks last a frame or two.
    """

    mouth: float = 12.5
    face: float = 4.0
    motion: float = 12.5

    def __post_init__(self) -> None:
        ranges = {"mouth": (12.5, 25.0), "face": (2.0, 4.0), "motion": (8.0, 25.0)}
        for field in fields(self):
            value, (low, high) = getattr(self, field.name), ranges[field.name]
            if not low <= value <= high:
                raise BadOption(f"{field.name} pictures are {value} a second; "
                                f"choose {low:g} to {high:g}")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Window:
    """Frames first to last of a stretch, less than `WINDOW` of them, never none."""

    stretch: Stretch
    first: int
    last: int

    @property
    def start(self) -> float:
        return self.stretch.start + self.first / MOTION_FPS

    @property
    def stop(self) -> float:
        return self.stretch.start + self.last / MOTION_FPS

    @property
    def hidden(self) -> str:
        """Why this cannot be judged at all; empty when it can."""
        count = self.last - self.first
        if count < LEAST_FRAMES:
            return f"{count / MOTION_FPS:.2g} s are too short to judge"
        seen = self.stretch.valid[self.first : self.last].mean()
        return "no face to be seen" if seen < LEAST_SEEN else ""

    @property
    def sound(self) -> NDArray[np.float32]:
        """(640 frames,) float32 at 16 kHz."""
        return self.stretch.samples[CONTEXT + HOP * self.first : CONTEXT + HOP * self.last]


def windows(stretch: Stretch) -> list[Window]:
    """The stretch in windows of equal length, at most WINDOW frames each."""
    count = max(1, ceil(len(stretch) / WINDOW))
    edges = [len(stretch) * i // count for i in range(count + 1)]
    return [Window(stretch, a, b) for a, b in pairwise(edges) if a < b]


def cut(stretch: Stretch, first: int, last: int) -> Stretch:
    """Frames first to last as a stretch of its own, with the sound around them."""
    motion = stretch.motion
    if motion is not None:
        motion = replace(motion, values=motion.values[first:last], valid=motion.valid[first:last])
    return replace(
        stretch, start=stretch.start + first / MOTION_FPS, motion=motion,
        **{name: getattr(stretch, name)[first:last]
           for name in ("landmarks", "valid", "shapes", "mouths", "faces", "box", "scenes")},
        samples=stretch.samples[HOP * first : HOP * last + 2 * CONTEXT],
    )  # fmt: skip


def shown_for(axis: str, window: Window, rubric: Rubric, views: Views) -> tuple[Part, ...]:
    """What is shown for an axis, captions included, without the question.

    lip_sync: mouth, face, sound.  expressiveness: face, sound where there is any.  motion: face.
    """
    labels = rubric.labels
    parts: list[Part] = []
    if axis == "lip_sync":
        parts += _captioned(labels["mouth"], mouth_pictures(window, views.mouth))
    rate = views.motion if axis == "motion" else views.face
    parts += _captioned(labels["face"], face_pictures(window, rate))
    if axis != "motion" and window.stretch.sounds:
        seconds = len(window.sound) / (HOP * MOTION_FPS)
        parts += [Text(labels["sound"].format(seconds=seconds)), Sound(window.sound)]
    return tuple(parts)


def mouth_pictures(window: Window, fps: float) -> Pictures:
    """The mouth as (n, 168, 224, 3), grey; a frame without a face repeats the one before."""
    stretch = window.stretch
    frames: list[NDArray[np.uint8]] = []
    known = np.flatnonzero(stretch.valid[window.first : window.last]) + window.first
    for i in _chosen(window, fps):
        # frames without a face are black, which would look like an edit
        near = known[max(0, np.searchsorted(known, i, "right") - 1)] if len(known) else i
        grey = cv2.resize(stretch.mouths[near], MOUTH_PX, interpolation=cv2.INTER_CUBIC)
        frames.append(np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8))
    return Pictures(np.stack(frames), fps)


def face_pictures(window: Window, fps: float) -> Pictures:
    """The whole face as it is in the stretch, (n, side, side, 3)."""
    return Pictures(window.stretch.faces[_chosen(window, fps)], fps)


def _chosen(window: Window, fps: float) -> NDArray[np.int64]:
    """Indices of frames nearest to `fps` a second, the first of the window among them."""
    count = max(1, round((window.last - window.first) * fps / MOTION_FPS))
    at = window.first + np.floor(np.arange(count) * MOTION_FPS / fps + 0.5).astype(np.int64)
    return at[at < window.last]


def _captioned(label: str, pictures: Pictures) -> Sequence[Part]:
    return [Text(label.format(count=len(pictures.frames), fps=pictures.fps)), pictures]
