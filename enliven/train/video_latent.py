"""What the generator would have had to draw for the performance in a video.

A video that somebody else made, or a person filmed, holds no numbers drawn; here its face is
tracked, and what `motion.stream` makes of drawn numbers is undone as far as a picture can tell:
gains, and what runs ahead.  Lips are taken as they are seen, as they are where the generator is
trained on real clips: of a generator's own lips a third is shown (`performer.OWN_LIPS`), and to
undo that would make the tracker's grain three times as large.  Blinks and glances are no part of
it, nor is how the head was held in the mean: that belongs to the photo.

Five videos of two seconds, 192 px, that the generator had drawn itself, correlation with the
numbers drawn: jaw 0.92, head's rotation 0.96; root mean square error of all lips 0.37, where
lips that never move have 0.47.  Brows that move by a pixel cannot be measured: 0.1.

Legend: T motion frames at 25 Hz, D latent columns.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enliven.drive import reference_row, track
from enliven.errors import BadMedia
from enliven.geometry import rotation_from_vector, vector_from_rotation
from enliven.motion.chunks import BEFORE, CHUNK
from enliven.motion.controls import CONTROLS
from enliven.motion.latent import LATENT, SLOW, led, to_latent
from enliven.motion.stream import GAINS, SHIFT, SHIFT_GAIN
from enliven.types import MOTION_FPS, Motion, group_slice, resample

Array = NDArray[np.float32]

LEAST_SEEN = 0.8  # of the frames that must show the face
SHORT = 3  # frames that may be missing at the end: videos end a little before their sound
_GRAIN = 2  # deviation of the mean that takes the tracker's grain off slow columns, frames
_WEIGHTS = np.exp(-0.5 * (np.arange(-3 * _GRAIN, 3 * _GRAIN + 1) / _GRAIN) ** 2)


def followed(video: Path) -> Motion:
    """The face in a video, at 25 Hz.  Raises BadMedia for a video that seldom shows the face,
    NoFaceFound for one that never does."""
    motion = resample(track(video), MOTION_FPS)
    seen = float(motion.valid.mean())
    if seen < LEAST_SEEN:
        raise BadMedia(f"{video} shows a face in {100 * seen:.0f} % of its frames, "
                       f"{100 * LEAST_SEEN:.0f} % are needed")  # fmt: skip
    return motion


def whole_seconds(frames: int) -> int:
    """How many seconds so many frames are taken for."""
    return (frames + SHORT) // CHUNK


def drawn_for(motion: Motion, seconds: int) -> Array:
    """Numbers as `performer_pairs` learns from, (seconds, BEFORE + CHUNK, D), of a tracked motion
    of as many `whole_seconds`.  Rest stands before the first frame."""
    count = seconds * CHUNK
    latent = performed_latent(resample(motion, MOTION_FPS, max(count, len(motion))))
    made = led(np.concatenate([np.zeros((BEFORE, len(LATENT)), np.float32), latent]))
    made[:BEFORE] = 0
    starts = range(0, count, CHUNK)
    return np.stack([made[start : start + BEFORE + CHUNK] for start in starts])


def performed_latent(motion: Motion) -> Array:
    """The latent (T, D) of a tracked motion, away from how the head is held in the mean."""
    start = reference_row(motion, "neutral")
    values = motion.values - start
    head = group_slice("head")
    turned = rotation_from_vector(motion.values[:, head])
    values[:, head] = vector_from_rotation(turned @ rotation_from_vector(start[head]).T)
    latent = to_latent(values)
    latent[:, : len(CONTROLS)] /= GAINS
    latent[:, SHIFT] /= SHIFT_GAIN
    edge = len(_WEIGHTS) // 2
    padded = np.pad(latent[:, SLOW], ((edge, edge), (0, 0)), mode="edge")
    soft = [np.convolve(column, _WEIGHTS / _WEIGHTS.sum(), "valid") for column in padded.T]
    latent[:, SLOW] = np.stack(soft, 1)
    return latent
