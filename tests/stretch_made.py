"""Stretches of video that never were: what a face does in them is known exactly."""

import numpy as np

from enliven.face.head import load_head
from enliven.metrics.watch import CONTEXT, HOP, Stretch
from enliven.types import MOTION_FPS, Motion

IOD_PX = 50.0
MIDDLE = np.array([100.0, 90.0, 0.0])


def head() -> np.ndarray:
    """The average head (478, 3), facing the camera, eye distance 1."""
    mean = np.asarray(load_head().mean, np.float64)
    return mean / np.linalg.norm(mean[33] - mean[263])


def stretch(
    shapes: np.ndarray,
    motion: Motion | None = None,
    *,
    valid: np.ndarray | None = None,
    voice: np.ndarray | None = None,
    face: np.ndarray | None = None,
    shift_px: tuple[float, float] = (0, 0),
) -> Stretch:
    """A stretch of heads (T, 478, 3) in head axes, IOD; on pictures of 200 x 200 px."""
    count = len(shapes)
    valid = np.ones(count, bool) if valid is None else valid
    landmarks = shapes * IOD_PX + MIDDLE + (*shift_px, 0)
    picture = np.full((200, 200, 3), 120, np.uint8) if face is None else face
    samples = np.zeros(2 * CONTEXT + HOP * count, np.float32)
    if voice is not None:
        samples[CONTEXT:-CONTEXT] = voice
    return Stretch(
        start=0.0,
        landmarks=np.where(valid[:, None, None], landmarks, np.nan).astype(np.float32),
        valid=valid,
        motion=Motion.still(count) if motion is None else motion,
        shapes=np.where(valid[:, None, None], shapes, np.nan).astype(np.float32),
        mouths=np.zeros((count, 48, 64), np.uint8),
        faces=np.broadcast_to(picture, (count, *picture.shape)),
        box=np.tile(np.float32([0, 0, 1]), (count, 1)),
        scenes=np.zeros((count, 8, 8, 3), np.uint8),
        size=(200, 200),
        samples=samples,
        sounds=voice is not None,
        source_fps=MOTION_FPS,
    )
