"""How a face rests on average: what no check of one video can object to.

A person may hang the head for three seconds, or smile.  A generator that learns from rewards may
come to do so in every video, and each of them is fine.  Only the mean over many videos tells, held
against the mean of the same inputs before training (`enliven.train.monitor.ends`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from enliven.metrics.watch import Stretch
from enliven.types import INDEX, Score

WIDEST = 3.0  # deviations, the end of the scale
# By how much the mean of three seconds of a real person differs from the first of their frames:
# deviation over 30 such windows of 21 clips, radians and weights of expressions.
STRAY: Mapping[str, tuple[tuple[str, ...], float]] = {
    "rest/pitch": (("headRotX",), 0.05),
    "rest/turn": (("headRotY",), 0.065),
    "rest/tilt": (("headRotZ",), 0.04),
    "rest/smile": (("mouthSmileLeft", "mouthSmileRight"), 0.15),
    "rest/stretch": (("mouthStretchLeft", "mouthStretchRight"), 0.12),
    "rest/pucker": (("mouthPucker",), 0.09),
    "rest/brows": (("browInnerUp",), 0.10),
}


def rest_scores(stretches: Sequence[Stretch], rest: NDArray[np.float32]) -> dict[str, Score]:
    """For each of STRAY by how many deviations of real people a video's mean is off the photo's.

    stretches: of the video.  rest: (C,) `Portrait.rest` of the photo.  Values are -3 to 3;
    neither end is good.  Invalid where no face was found.
    """
    seen = [stretch.motion.values[stretch.valid] for stretch in stretches
            if stretch.motion is not None and stretch.valid.any()]  # fmt: skip
    if not seen:
        nobody = Score(float("nan"), -WIDEST, WIDEST, valid=False, why="no face was found")
        return dict.fromkeys(STRAY, nobody)
    off = strays(np.concatenate(seen).mean(0) - rest)
    return {name: Score(float(value), -WIDEST, WIDEST)
            for name, value in zip(STRAY, off.clip(-WIDEST, WIDEST), strict=True)}  # fmt: skip


def strays(off: NDArray[np.floating]) -> NDArray[np.float64]:
    """By how many deviations motion is off, (..., len(STRAY)), from channels (..., C) that are."""
    return np.stack([off[..., [INDEX[channel] for channel in channels]].mean(-1) / deviation
                     for channels, deviation in STRAY.values()], -1)  # fmt: skip
