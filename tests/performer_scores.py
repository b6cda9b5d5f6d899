"""Cheap scores of performances, without a picture, and of pictures, without a judge."""

from collections.abc import Sequence

import numpy as np

from enliven.train.performer_video import Speaking, motion_of
from enliven.types import Score, Scorecard, Video


def from_motion(sent: Sequence[np.ndarray], given: Speaking, seed: int) -> Video:
    """A "video" whose frames are motion values (C,)."""
    return Video(iter(motion_of(sent, given, seed).values), 25.0)


def opening(video: Video, given: Speaking) -> Scorecard:
    from enliven.types import INDEX

    values = np.stack(list(video.frames))
    return Scorecard({"opening": Score(float(values[:, INDEX["jawOpen"]].mean()), 0.0, 1.0)})


def shown(video: Video, given: Speaking) -> Scorecard:
    return Scorecard({"frames": Score(float(len(list(video.frames))), 0.0, 100.0)})
