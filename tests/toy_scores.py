"""What reward workers call in tests; without torch, as they are."""

import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from enliven.errors import BadMedia
from enliven.types import Score, Scorecard, Video

GOAL = 1.0


def decode(sent: Sequence[np.ndarray], given: Any, seed: int) -> Video:
    return Video(iter([np.concatenate(sent)]), 25.0)


def near_goal(video: Video, given: Any) -> Scorecard:
    x = next(iter(video.frames))
    return Scorecard({"near": Score(-float(np.mean((x - GOAL) ** 2)), -100.0, 0.0)})


def away(video: Video, given: Any) -> Scorecard:
    """A held-out score that is worst where the reward is best."""
    x = next(iter(video.frames))
    return Scorecard({"away": Score(float(np.mean((x - GOAL) ** 2)), 0.0, 5.0)})


def troubled(video: Video, given: Any) -> Scorecard:
    """Dies, hangs or fails on samples by their sign and size; scores the others."""
    frame = next(iter(video.frames))
    x = float(frame[0])
    if given == "dies" and x > 0:
        os._exit(9)
    if given == "hangs" and x > 0:
        time.sleep(60)
    if given == "fails":
        raise BadMedia("the clip cannot be read")
    if given == "breaks":
        raise ZeroDivisionError("a bug")
    return near_goal(Video(iter([frame]), 25.0), given)
