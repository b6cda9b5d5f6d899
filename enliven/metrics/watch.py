"""A video as those who judge it see and hear it.

    for stretch in watch("video.mp4"):
        ...

It is walked once, in stretches of at most ten seconds at 25 frames a second, so that memory does
not grow with its length.  In each the face is tracked, and what judges look at is cut out:
the mouth, the head, the whole scene in small, and the sound.

Legend: T frames of a stretch.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from math import ceil
from pathlib import Path
from typing import final

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption
from enliven.face.head import fit_motion, load_head
from enliven.face.track import FaceTracker, assemble
from enliven.geometry import OUTER_EYE_CORNERS, RIGID, similarity
from enliven.media.audio import SPEECH_RATE, decode_sound, resampled, to_mono
from enliven.media.files import input_file
from enliven.media.video import MediaInfo, probe, read_frames
from enliven.metrics.lips import head_shape
from enliven.types import MOTION_FPS, Motion

Frame = NDArray[np.uint8]
Array = NDArray[np.float32]
Progress = Callable[[str, int, int], object]  # stage, frames done, frames in all (0: unknown)

LONGEST = 250  # frames of a stretch
SPARE = 3  # frames; files hold that many more than they state
HOP = round(SPEECH_RATE / MOTION_FPS)  # samples a frame
CONTEXT = SPEECH_RATE // 2  # samples of sound beyond either end of a stretch
MOUTH_SIZE = (48, 64)  # px, height and width of the cut-out mouth
MOUTH_IOD = 1.0  # its width
EYES_PX = 80.0  # eye distance from which heads are made smaller
HEAD_IOD = 3.0  # side of the box around the head
EDGE_IOD = 0.15  # a face that comes this near to the side of its box moves it
SCENE_PX = 256  # longer side of the whole picture
LIPS = (61, 291, 0, 17, 13, 14)


@dataclass(frozen=True)
class Stretch:
    """Some seconds of a video.

    start: seconds.
    landmarks: (T, 478, 3) float32 px of the video's own frames; NaN where no face was found.
    valid: (T,) bool, whether it was.
    motion: fitted to the face, absolute; None when no frame shows one.
    shapes: (T, 478, 3) float32, landmarks in head axes, IOD, freed of pose and scale.
    mouths: (T, 48, 64) uint8 grey, 1 IOD wide, upright and fixed to the skull: the jaw moves
        within.
    faces: (T, side, side, 3) uint8 RGB, a box about the head with an eye distance of at most
        80 px, never enlarged; black beyond the picture and before the face is first seen.
    box: (T, 3) float32: pixel p of a frame is (p - box[:2]) * box[2] in `faces`.  The scale is
        the same throughout, the place unless the face comes near its edge.
    scenes: (T, h, w, 3) uint8, the whole picture, longer side at most 256 px.
    size: (width, height) of the video, px.
    samples: (CONTEXT + 640 T + CONTEXT,) float32 mono at 16 kHz, silent beyond the sound.
    sounds: whether the video has sound at all.
    source_fps: frames a second of the video itself.
    """

    start: float
    landmarks: Array
    valid: NDArray[np.bool_]
    motion: Motion | None
    shapes: Array
    mouths: Frame
    faces: Frame
    box: Array
    scenes: Frame
    size: tuple[int, int]
    samples: Array
    sounds: bool
    source_fps: float

    def __len__(self) -> int:
        return len(self.valid)

    @property
    def seconds(self) -> float:
        return len(self) / MOTION_FPS

    @property
    def voice(self) -> Array:
        """The sound of these frames, (640 T,)."""
        return self.samples[CONTEXT:-CONTEXT]


@final
class Watching:
    """A video that is being watched; walk it once.  Use `watch`.

    notes: what a reader of the result should know, complete after the walk.
    faces: how many were in the picture when one was first found.
    """

    def __init__(self, path: Path, face: int, progress: Progress | None) -> None:
        self.info: MediaInfo = probe(path)
        self.notes: list[str] = []
        self._tracker = FaceTracker(face)
        self._path, self._progress = path, progress

    @property
    def faces(self) -> int:
        return self._tracker.seen

    def __iter__(self) -> Iterator[Stretch]:
        info, path = self.info, self._path
        clip = read_frames(path, Fraction(round(MOTION_FPS)))
        voice = _Voice(_blocks(path) if info.has_audio else None)
        total = round(info.seconds * MOTION_FPS)
        done = 0
        for stretch in _stretches(clip.frames, total, voice, float(info.fps), self._tracker):
            done += len(stretch)
            if self._progress:
                self._progress("watch", done, max(total, done))
            yield stretch
        self.notes += clip.notes
        if (left := voice.rest()) > 0.2:
            self.notes.append(f"the sound goes on for {left:.1f} s after the picture; that part "
                              "was not judged")  # fmt: skip


def watch(path: str | Path, *, face: int = 1, progress: Progress | None = None) -> Watching:
    """A video file, to be walked stretch by stretch.

    face: which one, by size when first seen; 1 is the largest.
    progress: called as ("watch", frames done, frames in all).
    Raises BadMedia, when walked as well, and BadOption for a face number below 1.
    """
    return Watching(input_file(path), face, progress)


def watch_frames(
    frames: Iterable[Frame], fps: float, samples: NDArray | None = None, *, face: int = 1
) -> Iterator[Stretch]:
    """Frames in memory, (H, W, 3) uint8 RGB each, stretch by stretch.

    fps: of the frames; each is shown in the slot of 1/25 s nearest to its own time.
    samples: (N,) mono at 16 kHz in -1..1, or None without sound.  Raises BadOption.
    """
    if not (np.isfinite(fps) and fps > 0):
        raise BadOption(f"fps is {fps}; give the frames a second, above 0")
    total = round(len(frames) * MOTION_FPS / fps) if isinstance(frames, Sized) else 0
    sound = None if samples is None else iter([np.asarray(samples, np.float32)])
    return _stretches(_at_motion_rate(frames, fps), total, _Voice(sound), fps, FaceTracker(face))


def _at_motion_rate(frames: Iterable[Frame], fps: float) -> Iterator[Frame]:
    """Frames repeated or left out for 25 a second."""
    given = 0
    for i, frame in enumerate(frames):
        until = round((i + 1) * MOTION_FPS / fps)
        for _ in range(given, until):
            yield frame
        given = max(given, until)


def _blocks(path: Path) -> Iterator[Array]:
    """The sound of a file as pieces (n,) at 16 kHz."""
    sound = decode_sound(path)
    mono = (to_mono(block, sound.layout) for block in sound.blocks)
    for block in resampled(mono, sound.rate, "mono", SPEECH_RATE):
        yield block.reshape(-1)


class _Voice:
    """A sound that is read in order, a stretch at a time; None: there is none."""

    def __init__(self, blocks: Iterator[Array] | None) -> None:
        self.sounds = blocks is not None
        self._blocks = blocks or iter(())
        self._held: deque[Array] = deque()
        self._first = self._end = 0  # samples of the sound held
        self._due = 0  # samples that frames were shown with

    def take(self, start: int, stop: int) -> Array:
        """Samples start to stop, silent beyond the sound; what lies before start is let go."""
        self._due = stop - CONTEXT
        while self._end < stop and (block := next(self._blocks, None)) is not None:
            self._held.append(block)
            self._end += len(block)
        while self._held and self._first + len(self._held[0]) <= start:
            self._first += len(self._held.popleft())
        taken = np.zeros(stop - start, np.float32)
        at = self._first
        for block in self._held:
            low, high = max(at, start), min(at + len(block), stop)
            if low < high:
                taken[low - start : high - start] = block[low - at : high - at]
            at += len(block)
        return taken

    def rest(self) -> float:
        """Seconds of sound after the last frame."""
        end = self._end + sum(len(block) for block in self._blocks)
        return max(0, end - self._due) / SPEECH_RATE


def _stretches(
    frames: Iterable[Frame], total: int, voice: _Voice, source_fps: float, tracker: FaceTracker
) -> Iterator[Stretch]:
    """total: how many frames there will be, 0 if unknown; they are parted evenly."""
    parts = ceil((total + SPARE) / LONGEST)
    length = ceil((total + SPARE) / parts) if total else LONGEST
    source, done = iter(frames), 0
    while (first := next(source, None)) is not None:
        gaze = _Gaze(tracker)
        for image in chain([first], islice(source, length - 1)):
            gaze.step(image)
        at = done * HOP
        samples = voice.take(at - CONTEXT, at + len(gaze) * HOP + CONTEXT)
        yield gaze.stretch(done / MOTION_FPS, samples, voice.sounds, source_fps)
        done += len(gaze)


class _Gaze:
    """What is kept of the frames of a stretch while they pass."""

    def __init__(self, tracker: FaceTracker) -> None:
        self._tracker = tracker
        self._found: list[Array | None] = []
        self._sure: list[float] = []
        self._scenes: list[Frame] = []
        self._faces: list[Frame] = []
        self._boxes: list[tuple[float, float, float]] = []
        self._box: tuple[int, int, int] | None = None  # left, top, side, px
        self._side = 1  # px of a cut-out head
        self._size = (0, 0)

    def __len__(self) -> int:
        return len(self._found)

    def step(self, image: Frame) -> None:
        height, width = image.shape[:2]
        self._size = (width, height)
        share = min(1.0, SCENE_PX / max(width, height))
        small = (max(1, round(width * share)), max(1, round(height * share)))
        self._scenes.append(_resized(image, small))
        landmarks, presence = self._tracker.follow(image)
        self._found.append(landmarks)
        self._sure.append(presence if landmarks is not None else 0.0)
        if landmarks is not None:
            self._place(landmarks)
        if self._box is None:
            self._faces.append(np.zeros((1, 1, 3), np.uint8))
            self._boxes.append((0.0, 0.0, 1.0))
            return
        left, top, side = self._box
        self._faces.append(_resized(_cut(image, left, top, side), (self._side, self._side)))
        self._boxes.append((left, top, self._side / side))

    def _place(self, landmarks: Array) -> None:
        """The box about the head, where it was as long as the face is well within."""
        low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
        if self._box is None:
            left, right = landmarks[list(OUTER_EYE_CORNERS), :2]
            eyes = max(1.0, float(np.linalg.norm(right - left)))
            # a turned head shows its eyes close together; the face is as high as ever
            side = ceil(max(HEAD_IOD * eyes, 1.3 * float((high - low).max())))
            self._side = max(1, round(side * min(1.0, EYES_PX / eyes)))
        else:
            x, y, side = self._box
            edge = EDGE_IOD / HEAD_IOD * side
            if (low > (x + edge, y + edge)).all() and (
                high < (x + side - edge, y + side - edge)
            ).all():
                return
        middle = (low + high) / 2
        self._box = (round(middle[0] - side / 2), round(middle[1] - side / 2), side)

    def stretch(self, start: float, samples: Array, sounds: bool, source_fps: float) -> Stretch:
        """All that was seen, with the landmarks of all frames smoothed together."""
        count = len(self)
        blank = np.zeros((self._side, self._side, 3), np.uint8)
        faces = np.stack([f if f.shape == blank.shape else blank for f in self._faces])
        box = np.array(self._boxes, np.float32)
        landmarks = np.full((count, 478, 3), np.nan, np.float32)
        shapes, motion = landmarks.copy(), None
        valid = np.array([points is not None for points in self._found], bool)
        if valid.any():
            track = assemble(self._found, self._sure, MOTION_FPS, self._size)
            landmarks[valid] = track.landmarks[valid]
            shapes = head_shape(landmarks).astype(np.float32)
            motion = fit_motion(track)
        mouths = _mouths(faces, landmarks, box)
        return Stretch(start, landmarks, valid, motion, shapes, mouths, faces, box,
                       np.stack(self._scenes), self._size, samples, sounds,
                       source_fps)  # fmt: skip


def _mouths(faces: Frame, landmarks: Array, box: Array) -> Frame:
    """The mouths of the heads cut out, (T, 48, 64), upright and fixed to the skull."""
    height, width = MOUTH_SIZE
    mean = load_head().mean
    rigid = mean[list(RIGID), :2]
    left, right = mean[list(OUTER_EYE_CORNERS), :2]
    eyes = float(np.linalg.norm(right - left))
    # pixel of the mouth picture -> plane of the average head
    scale = MOUTH_IOD * eyes / width
    corner = mean[list(LIPS), :2].mean(0) - scale * (np.array([width, height]) - 1) / 2
    mouths = np.zeros((len(faces), height, width), np.uint8)
    for i, points in enumerate(landmarks):
        if not np.isfinite(points).all():
            continue
        seen = (points[list(RIGID), :2] - box[i, :2]) * box[i, 2]
        size, turn, shift = similarity(rigid, seen)
        matrix = size * scale * turn
        offset = size * turn @ corner + shift
        grey = cv2.cvtColor(faces[i], cv2.COLOR_RGB2GRAY)
        mouths[i] = cv2.warpAffine(
            grey, np.column_stack([matrix, offset]), (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
    return mouths


def _cut(image: Frame, left: int, top: int, side: int) -> Frame:
    """A square of the picture, black beyond its border."""
    height, width = image.shape[:2]
    cut = np.zeros((side, side, 3), np.uint8)
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + side), min(height, top + side)
    if x0 < x1 and y0 < y1:
        cut[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return cut


def _resized(image: Frame, size: tuple[int, int]) -> Frame:
    """(width, height); a picture of that size already is copied."""
    if (image.shape[1], image.shape[0]) == size:
        return image.copy()
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
