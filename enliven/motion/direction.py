"""What is asked of a face in every motion frame: options and control track as curves.

Legend: T motion frames at 25 Hz.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from enliven.motion.emotion import EMOTIONS
from enliven.motion.options import SpeechOptions, gaze_radians, parse_emotion, parse_gaze
from enliven.motion.timed import ControlTrack, read_control
from enliven.types import MOTION_FPS

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Direction:
    """Controls by motion frame, all float32.

    mouth, brows, eyes, head: (T,) strengths of the regions of a face, 0 to 2; 1 is as people do.
    speed: (T,) head rotation speed, 0.2 to 3; 1 is as people do.
    blink_rate: (T,) blinks a minute, 0 to 60; NaN: as people do.
    emotion: (T, 6) intensities of EMOTIONS, 0 to 1.
    gaze: (T, 2) yaw and pitch of the look away from the viewer, rad; NaN: free.
    """

    mouth: Array
    brows: Array
    eyes: Array
    head: Array
    speed: Array
    blink_rate: Array
    emotion: Array
    gaze: Array

    def __len__(self) -> int:
        return len(self.mouth)

    def __getitem__(self, frames: slice) -> Self:
        """Of frames a to b; before the first and after the last frame holds what is there."""
        start = 0 if frames.start is None else frames.start
        stop = len(self) if frames.stop is None else frames.stop
        rows = np.clip(np.arange(start, stop), 0, len(self) - 1)
        return type(self)(**{name: values[rows] for name, values in vars(self).items()})


def directed(options: SpeechOptions, frames: int | None = None) -> Direction:
    """What the options ask for in each of so many frames, by default to the control track's end.

    Raises BadOption or BadMedia when the control track cannot be read.
    """
    track = ControlTrack() if options.control is None else read_control(options.control)
    if frames is None:
        frames = int(np.ceil(track.seconds * MOTION_FPS)) + 1
    yaw, pitch = gaze_radians(parse_gaze(options.gaze))
    asked = {
        "mouth": options.mouth, "brows": options.expression, "eyes": options.expression,
        "head": options.head_motion, "speed": options.speed, "gaze_yaw": yaw, "gaze_pitch": pitch,
        "blink_rate": np.nan if options.blink_rate is None else options.blink_rate,
        **dict.fromkeys(EMOTIONS, 0.0), **dict(parse_emotion(options.emotion)),
    }  # fmt: skip
    curves = {key: track.curve(key, value, max(1, frames)) for key, value in asked.items()}
    if options.still:
        curves |= dict.fromkeys(("brows", "eyes", "head"), np.zeros(max(1, frames), np.float32))
    return Direction(
        emotion=np.stack([curves.pop(name) for name in EMOTIONS], 1),
        gaze=np.stack([curves.pop("gaze_yaw"), curves.pop("gaze_pitch")], 1), **curves,
    )  # fmt: skip
