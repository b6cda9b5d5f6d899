"""Where a video of a face can be cut into clips: at other shots, lost faces and pauses.

T frames at 25 Hz.  A piece is a pair (start, stop) of frames.
"""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.motion.audio import FRAME_RATE
from enliven.types import MOTION_FPS

Piece = tuple[int, int]

MOST_LOST = 5  # frames in a row without a face that do not end a piece
CHANGE = 5.0  # of 255, from which a picture may have cut
TIMES_AROUND, AROUND = 5.0, 4  # over the most of so many frames on either side; people reach 4
JUMP, GROWTH = 0.15, 0.12  # of the face's height from one frame to the next: another shot
THUMB = (32, 24)  # px, width and height
NEAR = 2.0  # seconds from the due place in which a pause is sought
LOOK_EVERY = 50  # frames between those kept to look at


class Watched:
    """Frames on their way to the tracker, looked at in passing; walk it once.

    thumbs: a small grey picture of each frame.  looks: {frame number: grey picture} of some.
    """

    def __init__(self, frames: Iterable[NDArray[np.uint8]]) -> None:
        self._frames = frames
        self.thumbs: list[NDArray[np.float32]] = []
        self.looks: dict[int, NDArray[np.uint8]] = {}

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        for image in self._frames:
            grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
            if len(self.thumbs) % LOOK_EVERY == LOOK_EVERY // 2 or not self.looks:
                self.looks[len(self.thumbs)] = grey
            thumb = cv2.resize(grey, THUMB, interpolation=cv2.INTER_AREA)
            self.thumbs.append(np.asarray(thumb, np.float32))
            yield image

    def __len__(self) -> int:
        """Frames seen so far."""
        return len(self.thumbs)


def cuts(
    thumbs: NDArray[np.float32], landmarks: NDArray[np.float32], valid: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """True for frames (T,) that begin another shot.

    thumbs (T, h, w), 0 to 255: a cut changes the picture far more than all frames around do.
    landmarks (T, 478, 3) px: it also moves or resizes the face at once.
    """
    found = np.zeros(len(valid), bool)
    if len(valid) < 2:
        return found
    change = np.abs(np.diff(thumbs, axis=0)).mean((1, 2))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(change, AROUND), 2 * AROUND + 1)
    around = np.delete(windows, AROUND, axis=1).max(1)
    found[1:] = (change > CHANGE) & (change > TIMES_AROUND * around)
    middle, extent = landmarks[..., :2].mean(1), np.ptp(landmarks[..., 1], axis=1)
    height = np.maximum(extent[1:], 1e-6)
    moved = np.linalg.norm(np.diff(middle, axis=0), axis=1) > JUMP * height
    resized = np.abs(np.diff(extent)) > GROWTH * height
    found[1:] |= (moved | resized) & valid[1:] & valid[:-1]
    return found


def shots(valid: NDArray[np.bool_], cut: NDArray[np.bool_]) -> list[Piece]:
    """Stretches in which one face is seen, at most MOST_LOST frames in a row excepted."""
    found: list[Piece] = []
    start, last = -1, -1  # of the present stretch: first frame, last frame with the face
    for i in range(len(valid)):
        if start >= 0 and (cut[i] or i - last > MOST_LOST + 1):
            found.append((start, last + 1))
            start = -1
        if valid[i]:
            start = i if start < 0 else start
            last = i
    if start >= 0:
        found.append((start, last + 1))
    return found


def at_pauses(piece: Piece, energy_db: NDArray, most_seconds: float) -> list[Piece]:
    """A piece cut where the sound is quietest, so that none is longer than `most_seconds`.

    energy_db: (F,) at 100 Hz from frame 0 on.
    """
    start, stop = piece
    most = max(1, int(most_seconds * MOTION_FPS))
    count = -(-(stop - start) // most)
    stride = round(FRAME_RATE / MOTION_FPS)
    level = np.convolve(energy_db, np.full(5 * stride, 0.2 / stride), "same")[::stride]
    borders = [start]
    for k in range(1, count):
        due = start + round(k * (stop - start) / count)
        # what is left must fit into the pieces that are left
        low = max(due - int(NEAR * MOTION_FPS), borders[-1] + 1, stop - (count - k) * most)
        high = min(due + int(NEAR * MOTION_FPS), borders[-1] + most, stop - 1)
        near = level[low : high + 1]
        borders.append(low + int(near.argmin()) if len(near) else min(max(due, low), high))
    return list(zip(borders, [*borders[1:], stop], strict=True))
