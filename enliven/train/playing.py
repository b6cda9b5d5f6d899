"""Frames that a generator decoded itself, as a video: `train.workers.Scoring.decode`.

For generators whose decoder needs the accelerator and so cannot run in reward workers; without
torch, as all that workers import.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enliven.types import Video

Sound = Callable[[Any], tuple[NDArray[np.float32], int]]


@dataclass(frozen=True)
class Playing:
    """fps: of the frames.  sound: gives samples (N, channels) in -1..1 and their rate for an
    input; None: the video is silent, and what is told of lips and voice is invalid."""

    fps: float
    sound: Sound | None = None

    def __call__(self, sent: NDArray[np.uint8], given: Any, seed: int) -> Video:
        """sent: frames (T, H, W, 3) RGB.  seed: nothing here is left to chance."""
        if self.sound is None:
            return Video(iter(sent), self.fps)
        samples, rate = self.sound(given)
        return Video(iter(sent), self.fps, samples, rate)
