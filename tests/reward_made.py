"""Stretches of videos that were never filmed, and a judge that thinks what it is told."""

from collections.abc import Callable, Sequence

import numpy as np

from enliven.face.head import load_head
from enliven.metrics.watch import CONTEXT, HOP, Stretch
from enliven.reward.judge import AXES, Mark
from enliven.types import MOTION_FPS

SIDE = 96  # px of the head that is cut out
EYES_PX = 30.0


def made_stretch(
    start: float = 0.0, frames: int = 50, *, seen: Sequence[bool] | bool = True,
    sounds: bool = True, grey: int = 128, level: float = 0.1,
) -> Stretch:  # fmt: skip
    """A resting head in the middle of a grey picture of 160 x 120, with a steady tone."""
    valid = np.broadcast_to(np.asarray(seen, bool), frames).copy()
    head = load_head().mean
    head = head * (EYES_PX / np.linalg.norm(head[33] - head[263]))
    points = (head - head[4] + np.array([80, 60, 0])).astype(np.float32)
    landmarks = np.where(valid[:, None, None], points, np.nan).astype(np.float32)
    samples = np.zeros(2 * CONTEXT + HOP * frames, np.float32)
    if sounds:
        samples[CONTEXT:-CONTEXT] = level * np.sqrt(2) * np.sin(np.arange(HOP * frames) * 0.1)
    corner = 80 - SIDE / 2, 60 - SIDE / 2
    return Stretch(
        start=start, landmarks=landmarks, valid=valid, motion=None,
        shapes=landmarks / EYES_PX, mouths=np.full((frames, 48, 64), grey, np.uint8),
        faces=np.full((frames, SIDE, SIDE, 3), grey, np.uint8),
        box=np.tile(np.array([*corner, 1.0], np.float32), (frames, 1)),
        scenes=np.full((frames, 120, 160, 3), grey, np.uint8), size=(160, 120),
        samples=samples, sounds=sounds, source_fps=25.0,
    )  # fmt: skip


class MadeJudge:
    """Marks every second of a stretch by a function of axis and second; NaN without a face."""

    name = "made-1"

    def __init__(self, opinion: Callable[[str, float], float] = lambda axis, second: 4.0) -> None:
        self.opinion = opinion
        self.calls = 0

    def __call__(self, stretch: Stretch) -> list[Mark]:
        self.calls += 1
        marks = []
        for axis in AXES:
            for first in range(0, len(stretch), round(MOTION_FPS)):
                last = min(first + round(MOTION_FPS), len(stretch))
                start, stop = stretch.start + first / MOTION_FPS, stretch.start + last / MOTION_FPS
                known = stretch.valid[first:last].any()
                value = self.opinion(axis, start) if known else np.nan
                why = f"{axis} at {start:g} s" if known else "no face is seen"
                marks.append(Mark(axis, start, stop, value, why))
        return marks
