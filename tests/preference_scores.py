"""Cheap scores of candidates; without torch, as reward workers are."""

import hashlib
from typing import Any

import numpy as np

from enliven.errors import BadMedia
from enliven.types import Score, Scorecard, Video


def fidelity_from_picture(video: Video, given: Any) -> Scorecard:
    """Chance, but the same for the same frames: 256 grades of texture."""
    frames = np.stack(list(video.frames))
    grade = hashlib.sha256(frames.tobytes()).digest()[0] / 255
    axis, check = Score(3.0, 1.0, 5.0), Score(grade, 0.0, 1.0)
    scores = {"lip_sync": axis, "motion": axis, "texture": check, "jitter": check}
    return Scorecard(scores, "pictures 1")


def troubled(video: Video, given: Any) -> Scorecard:
    """Fails from the second candidate on, and cannot tell the first."""
    if troubled.calls:
        raise BadMedia("the judge is out")
    troubled.calls += 1
    unknown = Score(np.nan, 1.0, 5.0, valid=False, why="too dark")
    return Scorecard({"lip_sync": unknown, "motion": unknown}, "troubled 1")


troubled.calls = 0
