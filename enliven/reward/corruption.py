"""What can be wrong with the sound, the clock and the steadiness of a video, done on purpose.

    footage = shift_sound(footage, 3)        # the voice comes three frames late
    footage = jitter(footage, 0.8, seed=1)   # the picture trembles by 0.8 px

Pure functions from `Footage` to `Footage` of the same length: a judge is trained and tested on
what they make.  Nothing is changed in place, the same seed gives the same bytes, and the amount
that stands for no corruption returns the footage as it was.  See `corruption_look` for looks,
`corruption_motion` for the face itself and `ladders` for ordered steps of each.

Legend: T frames of H x W px.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption
from enliven.geometry import OUTER_EYE_CORNERS
from enliven.media.audio import SPEECH_RATE

Frame = NDArray[np.uint8]
Floats = NDArray[np.float32]

HEAD_REACH = 1.45  # IOD from the middle of the mesh to the outermost hair and chin
SOFT_EDGE = 1.5  # radii of a head at which what is done to it alone has faded away


class HeadPlace(NamedTuple):
    """A disc over a head in all frames: centre and radius, px."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Footage:
    """A clip in memory.

    frames: (T, H, W, 3) uint8 sRGB, T at least 1.  fps: frames a second, above 0.
    samples: (N,) float32 mono at 16 kHz, or None.
    Raises BadOption.
    """

    frames: Frame
    fps: float = 25.0
    samples: Floats | None = None

    def __post_init__(self) -> None:
        frames = np.asarray(self.frames)
        if frames.ndim != 4 or frames.shape[3] != 3 or not frames.size or frames.dtype != np.uint8:
            raise BadOption(f"frames have shape {frames.shape} and type {frames.dtype}; expected "
                            "(frames, height, width, 3) of uint8")  # fmt: skip
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise BadOption(f"fps is {self.fps}; it must be a positive number")
        object.__setattr__(self, "frames", frames)
        if self.samples is not None:
            samples = np.asarray(self.samples, np.float32)
            if samples.ndim != 1:
                raise BadOption(f"samples have shape {samples.shape}; expected one channel")
            object.__setattr__(self, "samples", samples)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def seconds(self) -> float:
        return len(self) / self.fps


def head_place(landmarks: NDArray, valid: NDArray[np.bool_] | None = None) -> HeadPlace:
    """The disc that holds the head in every frame, from landmarks (T, 478, 3) px."""
    known = np.isfinite(landmarks).all((1, 2))
    points = np.asarray(landmarks, np.float64)[known if valid is None else known & valid]
    if not len(points):
        raise BadOption("no frame has a face; there is no head to work on")
    left, right = OUTER_EYE_CORNERS
    iod = float(np.median(np.linalg.norm(points[:, left] - points[:, right], axis=1)))
    middles = points[..., :2].mean(1)
    x, y = np.median(middles, 0)
    moved = float(np.linalg.norm(middles - [x, y], axis=1).max())
    return HeadPlace(float(x), float(y), HEAD_REACH * iod + moved)


def head_weight(shape: tuple[int, ...], head: HeadPlace | None) -> Floats:
    """How much each pixel (H, W, 1) belongs to the head, 0 to 1; 1 everywhere without one."""
    height, width = shape[:2]
    if head is None:
        return np.ones((height, width, 1), np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    radii = np.hypot(x - head.x, y - head.y) / head.radius
    share = np.clip((SOFT_EDGE - radii) / (SOFT_EDGE - 1), 0, 1)
    return (share * share * (3 - 2 * share))[..., None].astype(np.float32)


def cut(footage: Footage, start: float, seconds: float) -> Footage:
    """So many seconds from `start` on, picture and sound; less at the end of the footage."""
    first = round(start * footage.fps)
    frames = footage.frames[first : first + max(1, round(seconds * footage.fps))]
    samples = footage.samples
    if samples is not None:
        low = round(first / footage.fps * SPEECH_RATE)
        samples = samples[low : low + round(len(frames) / footage.fps * SPEECH_RATE)]
    return Footage(frames, footage.fps, samples)


# The sound.  Footage without any stays as it is.


def shift_sound(footage: Footage, frames: float) -> Footage:
    """The sound comes so many frames late; below 0 early.  Silence fills what is missing."""
    samples = footage.samples
    by = round(frames / footage.fps * SPEECH_RATE)
    if samples is None or by == 0:
        return footage
    moved = np.zeros_like(samples)
    if abs(by) < len(samples):
        if by > 0:
            moved[by:] = samples[:-by]
        else:
            moved[:by] = samples[-by:]
    return replace(footage, samples=moved)


def swap_sound(footage: Footage, samples: NDArray) -> Footage:
    """Another sound (N,) of 16 kHz, repeated or cut to the length of the old one."""
    length = round(footage.seconds * SPEECH_RATE)
    if footage.samples is not None:
        length = len(footage.samples)
    if not len(samples):
        raise BadOption("the other sound has 0 samples; give one that can be heard")
    return replace(footage, samples=np.resize(np.asarray(samples, np.float32), length))


def mute(footage: Footage) -> Footage:
    """Silence instead of the sound."""
    if footage.samples is None:
        return footage
    return replace(footage, samples=np.zeros_like(footage.samples))


# The clock


def freeze(footage: Footage, share: float = 1.0) -> Footage:
    """The picture stands still for the last `share` (0 to 1) of the time."""
    stop = round((1 - share) * len(footage))
    if stop >= len(footage) - 1:
        return footage
    order = np.minimum(np.arange(len(footage)), stop)
    return replace(footage, frames=footage.frames[order])


def hold_frames(footage: Footage, times: int) -> Footage:
    """Every frame is shown so many times: a low frame rate."""
    if times < 1:
        raise BadOption(f"frames are to be shown {times} times; choose 1 or more")
    if times == 1:
        return footage
    return replace(footage, frames=footage.frames[np.arange(len(footage)) // times * times])


def low_rate(footage: Footage, fps: float) -> Footage:
    """Only so many different frames a second, each held until the next; the clock is kept."""
    if not fps > 0:
        raise BadOption(f"fps is {fps}; it must be a positive number")
    if fps >= footage.fps:
        return footage
    shown = np.floor(np.arange(len(footage)) * (fps / footage.fps) + 1e-9)
    order = np.ceil(shown * (footage.fps / fps) - 1e-9).astype(int)
    return replace(footage, frames=footage.frames[np.minimum(order, len(footage) - 1)])


def backwards(footage: Footage) -> Footage:
    """The picture runs backwards; the sound does not."""
    return replace(footage, frames=footage.frames[::-1])


def skips(footage: Footage, times: int, *, seed: int = 0) -> Footage:
    """So many jumps: at random moments the picture leaps ahead and is held until its clock has
    come there, a third of a second each."""
    length = max(2, round(footage.fps / 3))
    order = np.arange(len(footage))
    rng = np.random.default_rng(seed)
    for start in rng.integers(1, max(2, len(order) - length), times):
        order[start : start + length] = order[min(start + length, len(order)) - 1]
    return replace(footage, frames=footage.frames[order]) if times else footage


# Steadiness


def each_frame(footage: Footage, change: Callable[[Frame, int], NDArray]) -> Footage:
    """Footage of `change(frame, i)`, values 0 to 255 of any type."""
    made = np.empty_like(footage.frames)
    for i, frame in enumerate(footage.frames):
        made[i] = to_bytes(change(frame, i))
    return replace(footage, frames=made)


def to_bytes(values: NDArray) -> Frame:
    """Levels 0 to 255 rounded to whole ones; what lies beyond is cut off."""
    values = np.asarray(values)
    return values if values.dtype == np.uint8 else np.rint(values).clip(0, 255).astype(np.uint8)


def moved(frame: Frame, matrix: NDArray, weight: Floats) -> NDArray:
    """A frame under the map (2, 3) of its pixels, where and as far as `weight` (H, W, 1) says.

    Displacements fade with the weight, so that nothing is seen twice.
    """
    height, width = frame.shape[:2]
    inverse = cv2.invertAffineTransform(np.asarray(matrix, np.float64))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    there_x = x + weight[..., 0] * (inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2] - x)
    there_y = y + weight[..., 0] * (inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2] - y)
    return cv2.remap(frame, there_x.astype(np.float32), there_y.astype(np.float32),
                     cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)  # fmt: skip


def about(x: float, y: float, scale: float, turn: float, shift: NDArray) -> NDArray[np.float64]:
    """Map (2, 3) that scales and turns (rad, clockwise as seen) about a place and shifts, px."""
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    part = np.array([[c, -s], [s, c]])
    return np.column_stack([part, np.array([x, y]) + shift - part @ [x, y]])


def jitter(
    footage: Footage, px: float, *, degrees: float = 0.0, head: HeadPlace | None = None,
    seed: int = 0,
) -> Footage:  # fmt: skip
    """The picture, or the head alone, trembles: another small movement in every frame.

    px: deviation of the displacement along each axis.  degrees: that of the turn.
    """
    if px == 0 and degrees == 0:
        return footage
    rng = np.random.default_rng(seed)
    shifts = px * rng.standard_normal((len(footage), 2))
    turns = np.radians(degrees) * rng.standard_normal(len(footage))
    height, width = footage.frames.shape[1:3]
    x, y = (head.x, head.y) if head else ((width - 1) / 2, (height - 1) / 2)
    weight = head_weight((height, width), head)

    def shake(frame: Frame, i: int) -> NDArray:
        return moved(frame, about(x, y, 1.0, turns[i], shifts[i]), weight)

    return each_frame(footage, shake)


def flicker(
    footage: Footage, amount: float, *, colour: float = 0.0, head: HeadPlace | None = None,
    seed: int = 0,
) -> Footage:  # fmt: skip
    """Brightness changes from frame to frame: deviation of its factor; colour: that of each
    channel's own."""
    if amount == 0 and colour == 0:
        return footage
    rng = np.random.default_rng(seed)
    gains = 1 + amount * rng.standard_normal((len(footage), 1))
    gains = gains + colour * rng.standard_normal((len(footage), 3))
    weight = head_weight(footage.frames.shape[1:3], head)
    return each_frame(footage, lambda frame, i: frame * (1 + weight * (gains[i] - 1)))


def drift(
    footage: Footage, amount: float, *, head: HeadPlace | None = None, seed: int = 0
) -> Footage:
    """The person slowly becomes another: shape, colour and sharpness move off, evenly in time.

    amount: share of its width by which the face is narrower or wider, or its lower half longer
    or shorter, at the end; colours move by as much, the blur by 10 px for 1.
    """
    if amount == 0:
        return footage
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], 2)
    tint = amount * rng.permutation([1.0, 0.0, -1.0])
    height, width = footage.frames.shape[1:3]
    place = head or HeadPlace((width - 1) / 2, (height - 1) / 2, min(height, width) / 3)
    weight = head_weight((height, width), place)

    def aged(frame: Frame, i: int) -> NDArray:
        part = amount * i / max(1, len(footage) - 1)
        stretch = np.diag([1 + signs[0] * part, 1 - signs[0] * part + 0.5 * signs[1] * part])
        centre = np.array([place.x, place.y])
        bent = moved(frame, np.column_stack([stretch, centre - stretch @ centre]), weight)
        if part > 0:
            bent = cv2.GaussianBlur(bent, (0, 0), 0.2 + 10 * part)
        return bent * (1 + tint * (part / amount))

    return each_frame(footage, aged)
