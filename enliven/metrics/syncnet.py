"""LSE-C and LSE-D, lip-sync as papers report it, with the published SyncNet weights.

    net = load_syncnet("syncnet_v2.model")        # of syncnet_net; the user supplies the file
    scores = measure_syncnet("video.mp4", net)

The distance of the embeddings of lips and voice at every offset of up to 15 frames; LSE-D is the
least of the means, LSE-C how far it lies below their median (Prajwal et al. 2020, "A lip sync
expert is all you need", after Chung and Zisserman 2016; as joonson/syncnet_python computes them).

What these figures hide: a constant lag costs nothing, so the offset and the distance at no offset
stand beside them; ends padded with zeros distort short clips, so a second set of figures leaves
the padding out; a codec or a head turn moves them by as much as papers differ; and generators
trained on this network score above real people.  Rewards do not use them.

T frames at 25 fps, W = T - 5 windows (the last possible one is left out, as published).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.face.track import Track, track_video
from enliven.media.audio import SPEECH_RATE, read_speech
from enliven.media.video import read_frames
from enliven.metrics.syncnet_net import FRAMES, SIDE_PX, WIDTH, SyncNet, mfcc
from enliven.types import MOTION_FPS

Array = NDArray[np.floating]
Progress = Callable[[int, int], object]  # frames done, frames in all (0 if not known)

REACH = 15  # frames of offset on either side
EPSILON = 1e-6  # added to every difference, as torch's pairwise distance does
SAMPLES = round(SPEECH_RATE / MOTION_FPS)  # a frame
BLOCK = 512  # windows whose distances are computed at once
SMOOTH_CONFIDENCE = 9  # frames of the median filter of the confidence of each
SMOOTH_BOX = 13  # frames of the median filter of the box
CROP_SCALE = 0.4
BEYOND = 110  # grey level beyond the picture
LEAST_FRAMES = 100  # a shorter track the published pipeline leaves out without a word
LEAST_FACE_PX = 100.0  # and so a smaller face
LEAST_PAIRS = 16  # windows that must meet at every offset for the figures without padding
LEAST_MISSING = 0.1  # seconds of sound that are worth a note
MOST_LOST = 25  # frames without a face that a track survives
SAME_FACE = 0.5  # overlap over union of the boxes of neighbouring frames, or a track ends

PROTOCOL = (
    "lip-sync 1: SyncNet syncnet_v2 (joonson/syncnet_python) in an own implementation; 25 fps, "
    "16 kHz, offsets -15..15; boxes around the landmarks of enliven's tracker in the place of "
    "S3FD's, crop scale 0.4, median over 13 frames, 224 x 224 px; no video coding in between"
)


@dataclass(frozen=True)
class SyncFigures:
    """lse_d: the least mean distance, 0 or more, lower is better; real people about 6 to 8.
    lse_c: how far it lies below the median of all offsets, 0 or more, higher is better.
    offset: frames by which the lips come after the voice where they fit best.
    at_zero: the mean distance at no offset; lower is better.  NaN and None: not known."""

    lse_d: float
    lse_c: float
    offset: int | None
    at_zero: float


UNKNOWN = SyncFigures(float("nan"), float("nan"), None, float("nan"))


@dataclass(frozen=True)
class SyncScores:
    """Lip-sync of one face.

    stock: as published, with zeros beyond the ends; to be set beside papers.
    masked: without the zeros; of clips of different lengths only these compare.
    confidence: (W,), of each window at the best offset, smoothed, as published.
    protocol: what figures these are.  notes: what a reader must know, such as why none is known.
    """

    stock: SyncFigures
    masked: SyncFigures
    confidence: NDArray[np.float64]
    protocol: str = PROTOCOL
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SyncMeans:
    """Means over the videos whose sync is known, as papers give them; NaN without any.

    lag: mean of |offset|, frames.  videos: how many count.  unknown: how many do not.
    """

    lse_d: float
    lse_c: float
    lag: float
    at_zero: float
    videos: int
    unknown: int
    protocol: str = PROTOCOL


def distances(lips: Array, voice: Array) -> NDArray[np.float64]:
    """Distances (W, 31) of each window's lips from the voice 15 frames before to 15 after, zeros
    standing for a voice beyond the ends.  Embeddings (W, D)."""
    lips, padded = np.asarray(lips), np.pad(voice, ((REACH, REACH), (0, 0)))
    result = np.empty((len(lips), 2 * REACH + 1))
    for first in range(0, len(lips), BLOCK):
        part = slice(first, min(first + BLOCK, len(lips)))
        seen = lips[part].astype(np.float64)
        heard = padded[part.start : part.stop + 2 * REACH].astype(np.float64)
        for k in range(2 * REACH + 1):
            result[part, k] = np.linalg.norm(seen - heard[k : k + len(seen)] + EPSILON, axis=1)
    return result


def _figures(means: NDArray[np.float64]) -> SyncFigures:
    """Figures of mean distances (31,)."""
    best = int(means.argmin())
    least = float(means[best])
    return SyncFigures(least, float(np.median(means)) - least, REACH - best, float(means[REACH]))


def sync_scores(lips: Array, voice: Array, notes: Sequence[str] = ()) -> SyncScores:
    """Scores of embeddings (W, D), of the lips and of the voice of every window."""
    count, found = min(len(lips), len(voice)), list(notes)
    if not count:
        found.append("no 6 frames with a face and sound: nothing was measured")
        return SyncScores(UNKNOWN, UNKNOWN, np.zeros(0), notes=tuple(found))
    apart = distances(lips[:count], voice[:count])
    means = apart.mean(0)
    falls = float(np.median(means)) - apart[:, means.argmin()]
    masked = UNKNOWN
    if count - REACH >= LEAST_PAIRS:
        at = np.arange(count)[:, None] + np.arange(-REACH, REACH + 1)
        meets = (at >= 0) & (at < count)
        masked = _figures((apart * meets).sum(0) / meets.sum(0))
    else:
        found.append(f"{count} windows are too few to leave the padding out; "
                     f"{REACH + LEAST_PAIRS} are needed")  # fmt: skip
    if count + FRAMES <= LEAST_FRAMES:
        found.append(f"of {count + FRAMES} frames: the published pipeline leaves out tracks of "
                     f"{LEAST_FRAMES} or fewer, which zeros at their ends distort")  # fmt: skip
    return SyncScores(
        _figures(means), masked, median_filter(falls, SMOOTH_CONFIDENCE), notes=tuple(found)
    )


def mean_sync(scores: Sequence[SyncScores]) -> SyncMeans:
    """Means of the stock figures over videos."""
    known = [score.stock for score in scores if score.stock.offset is not None]
    rows = np.array([(f.lse_d, f.lse_c, abs(f.offset or 0), f.at_zero) for f in known], float)
    least, falls, lag, at_zero = rows.mean(0).tolist() if known else [float("nan")] * 4
    return SyncMeans(least, falls, lag, at_zero, len(known), len(scores) - len(known))


def median_filter(values: Array, width: int) -> NDArray[np.float64]:
    """Running median of (T,) over an odd number of values, zeros beyond the ends."""
    padded = np.pad(np.asarray(values, np.float64), width // 2)
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)


def face_boxes(track: Track) -> NDArray[np.float64]:
    """Boxes (T, 4) left, top, right, bottom px: the extent of all landmarks, which reaches from
    the upper forehead to the chin and from ear to ear as the boxes of WIDER FACE, on which S3FD
    was trained, do."""
    points = track.landmarks[..., :2].astype(np.float64)
    return np.concatenate([points.min(1), points.max(1)], axis=1)


def longest_shot(boxes: Array, valid: NDArray[np.bool_]) -> tuple[tuple[int, int], int]:
    """(start, stop) of the longest run of frames in which a face is followed, and how many runs.

    A run begins and ends with a face, bridges up to 25 frames without one, and breaks where the
    boxes of two finds overlap by half or less of their union.  (0, 0) and 0 without a face.
    """
    runs: list[list[int]] = []
    for i in np.flatnonzero(valid):
        before = runs[-1][1] if runs else i
        if runs and i - before <= MOST_LOST and _overlap(boxes[before], boxes[i]) > SAME_FACE:
            runs[-1][1] = int(i)
        else:
            runs.append([int(i), int(i)])
    if not runs:
        return (0, 0), 0
    start, last = max(runs, key=lambda run: run[1] - run[0])
    return (start, last + 1), len(runs)


def _overlap(one: Array, other: Array) -> float:
    """Overlap over union of two boxes."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared)


def crop_faces(frames: Iterable[NDArray[np.uint8]], boxes: Array) -> Iterator[NDArray[np.uint8]]:
    """Faces (224, 224, 3) as SyncNet is fed them, from frames (H, W, 3) and boxes (T, 4) px.

    Half the longer side s and the middle (x, y) of each box are median-filtered over time; the
    crop spans 1.4 s to either side, s above and 1.8 s below, cut at whole pixels, grey beyond
    the picture, and resized bilinearly.
    """
    half = median_filter((boxes[:, 2:] - boxes[:, :2]).max(1) / 2, SMOOTH_BOX)
    x = median_filter((boxes[:, 0] + boxes[:, 2]) / 2, SMOOTH_BOX)
    y = median_filter((boxes[:, 1] + boxes[:, 3]) / 2, SMOOTH_BOX)
    wide, low = 1 + CROP_SCALE, 1 + 2 * CROP_SCALE
    for frame, s, middle_x, middle_y in zip(frames, half, x, y, strict=False):
        # the published picture is first padded by this much, before positions are cut to integers
        pad = int(s * low)
        left, right = (int(middle_x + pad + k * s * wide) - pad for k in (-1, 1))
        top, bottom = (int(middle_y + pad + k * s) - pad for k in (-1, low))
        yield np.asarray(cv2.resize(_cut(frame, left, top, right, bottom), (SIDE_PX, SIDE_PX)),
                         np.uint8)  # fmt: skip


def _cut(
    frame: NDArray[np.uint8], left: int, top: int, right: int, bottom: int
) -> NDArray[np.uint8]:
    """A box of a picture, grey beyond it."""
    height, width = frame.shape[:2]
    cut = np.full((max(bottom - top, 1), max(right - left, 1), 3), BEYOND, np.uint8)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if x0 < x1 and y0 < y1:
        cut[y0 - top : y1 - top, x0 - left : x1 - left] = frame[y0:y1, x0:x1]
    return cut


def measure_syncnet(
    path: str | Path, net: SyncNet, *, face: int = 1, progress: Progress | None = None
) -> SyncScores:
    """Lip-sync of a face in a video file, read at 25 fps whatever its own rate.

    face: which one, by size; 1 is the largest.  Where it is lost or the picture cuts, the longest
    stretch counts.  progress: called after each frame tracked.
    The video is read twice and few frames are held, but 15 kB of landmarks and embeddings for
    each; about 4 frames a second on one core.  Raises BadMedia, also for a video without sound,
    NoFaceFound, BadOption, and ModelUnavailable without torch.
    """
    voice = read_speech(path).samples
    track = track_video(path, fps=MOTION_FPS, face=face, progress=progress)
    boxes = face_boxes(track)
    (start, stop), shots = longest_shot(boxes, track.valid)
    notes = []
    if shots > 1:
        notes.append(f"of {shots} stretches with the face the longest was measured, "
                     f"{start / MOTION_FPS:.1f} to {stop / MOTION_FPS:.1f} s")  # fmt: skip
    size = float((boxes[start:stop, 2:] - boxes[start:stop, :2]).mean(0).max())
    if size <= LEAST_FACE_PX:
        notes.append(f"the face is {size:.0f} px large; the published pipeline leaves out those "
                     f"of {LEAST_FACE_PX:.0f} px or less")  # fmt: skip
    voice = voice[start * SAMPLES : stop * SAMPLES]
    count = max(0, min(stop - start, len(voice) // SAMPLES) - FRAMES)
    missing = (stop - start) / MOTION_FPS - len(voice) / SPEECH_RATE
    if missing >= LEAST_MISSING:
        notes.append(f"the sound ends {missing:.1f} s before the face")
    frames = (f for i, f in enumerate(read_frames(path, MOTION_FPS).frames) if i >= start)
    faces = crop_faces(frames, boxes[start:stop])
    wanted = (face for _, face in zip(range(count + FRAMES - 1), faces, strict=False))
    lips = np.array(list(net.embed_lips(wanted))[:count]) if count else np.zeros((0, WIDTH))
    return sync_scores(lips, net.embed_voice(mfcc(voice), count), notes)
