"""The nouns every stage speaks: Portrait, Motion, Video, Trajectory, Scorecard.

Legend: T motion frames, C motion channels, H W pixels, N landmarks.
Units and axes: see `enliven.geometry` and docs/conventions.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadMotion

MOTION_FPS = 25.0  # the rate every driver works at; output rates come by resampling

EXPRESSION = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft",
    "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft",
    "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper",
    "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight",
    "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip

GROUPS: Mapping[str, tuple[str, ...]] = {
    # the 52 ARKit names, 0 (neutral) to 1 (full); Left and Right are the person's own
    "expression": EXPRESSION,
    # rotation vector of the head in camera axes, radians; 0 faces the camera
    "head": ("headRotX", "headRotY", "headRotZ"),
    # neck pivot in camera axes, IOD; 0 is CAMERA_DISTANCE in front of the camera
    "translation": ("headPosX", "headPosY", "headPosZ"),
    # direction of both eyes relative to the head, radians; 0 looks straight ahead
    "gaze": ("gazeYaw", "gazePitch"),
    # rotation vector of the upper body, radians, and lift of each shoulder, IOD (up positive)
    "body": ("torsoRotX", "torsoRotY", "torsoRotZ", "shoulderLeftUp", "shoulderRightUp"),
}

# gaze at which an eyeLook channel is 1, radians
FULL_LOOK: Mapping[str, float] = {"Down": 0.6, "Up": 0.5, "In": 0.7, "Out": 0.7}

CHANNELS: tuple[str, ...] = tuple(name for group in GROUPS.values() for name in group)
INDEX: Mapping[str, int] = {name: i for i, name in enumerate(CHANNELS)}


def group_slice(group: str) -> slice:
    """Columns of a named channel group."""
    names = GROUPS[group]
    return slice(INDEX[names[0]], INDEX[names[-1]] + 1)


@dataclass(frozen=True)
class Motion:
    """What a face does over time, independent of whose face it is and of what drove it.

    values: (T, C) float32, columns CHANNELS, units as in GROUPS.
    fps: frames a second, > 0.  Frame i is at time i / fps.
    valid: (T,) bool, False where the values are a guess (the tracker lost the face).

    Raises BadMotion on wrong shapes, non-finite values or fps.
    """

    values: NDArray[np.float32]
    fps: float = MOTION_FPS
    valid: NDArray[np.bool_] = None  # type: ignore[assignment]  # all True when omitted

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(self.values, np.float32)
        if values.ndim != 2 or values.shape[1] != len(CHANNELS):
            raise BadMotion(f"motion values have shape {values.shape}; expected "
                            f"(frames, {len(CHANNELS)}), one column for each channel")  # fmt: skip
        if not np.isfinite(values).all():
            bad = int(np.argmin(np.isfinite(values).all(1)))
            raise BadMotion(f"motion frame {bad} holds a value that is not finite; "
                            "mark lost frames in `valid` and fill their values")  # fmt: skip
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise BadMotion(f"motion fps is {self.fps}; it must be a positive number")
        valid = np.ones(len(values), bool) if self.valid is None else np.asarray(self.valid, bool)
        if valid.shape != (len(values),):
            raise BadMotion(f"motion valid has shape {valid.shape}; expected ({len(values)},)")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "fps", float(self.fps))
        object.__setattr__(self, "valid", valid)

    @classmethod
    def still(cls, frames: int, fps: float = MOTION_FPS, at: NDArray[Any] | None = None) -> Self:
        """A motion that holds one pose, `at` (C,), zero by default."""
        row = np.zeros(len(CHANNELS), np.float32) if at is None else np.asarray(at, np.float32)
        return cls(np.tile(row, (frames, 1)), fps)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        """One channel by name, (T,)."""
        return self.values[:, INDEX[name]]

    def group(self, name: str) -> NDArray[np.float32]:
        """One channel group by name, (T, channels of the group)."""
        return self.values[:, group_slice(name)]

    def with_channels(self, **channels: NDArray[Any] | float) -> Self:
        """A copy with whole channels or groups replaced; (T,), (T, n) or a scalar each."""
        values = self.values.copy()
        for name, value in channels.items():
            values[:, group_slice(name) if name in GROUPS else INDEX[name]] = value
        return replace(self, values=values)

    @property
    def seconds(self) -> float:
        return len(self) / self.fps


def resample(motion: Motion, fps: float, frames: int | None = None) -> Motion:
    """Motion at another frame rate by linear interpolation in time; the last frame holds.

    frames: how many to make; by default as many as cover the same duration.
    """
    if frames is None:
        frames = max(1, round(len(motion) * fps / motion.fps))
    if fps == motion.fps and frames == len(motion):
        return motion
    position = np.minimum(np.arange(frames) * (motion.fps / fps), len(motion) - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, len(motion) - 1)
    part = (position - low)[:, None].astype(np.float32)
    values = motion.values[low] * (1 - part) + motion.values[high] * part
    return Motion(values, fps, motion.valid[low] & motion.valid[high])


@dataclass(frozen=True)
class Portrait:
    """A photo and the face found in it: all a renderer needs to know of a person.

    image: (H, W, 3) uint8, sRGB.
    landmarks: (478, 3) float32 px; x right, y down, z away from the camera, z = 0 anywhere.
    rotation (3, 3), translation (3,) IOD: pose of the head, `project(R @ v + t)`.
    focal_px: focal length of the nominal camera; centre_px (2,): its principal point.
    mask: (H, W) uint8, 255 where a pixel belongs to the person.
    rest: (C,) float32, the Motion frame that reproduces the photo.
    basis: (52, 478, 3) float32 IOD, head axes: how each expression channel at 1 moves the
        landmarks of this very face.  triangles: (F, 3), the face mesh.
    confidence: 0 to 1, of the tracker.
    alpha: (H, W) uint8 or None, the photo's own transparency.
    source: path the photo was read from, if any; digest: SHA-256 of its content.
    """

    image: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]
    focal_px: float
    centre_px: NDArray[np.float64]
    mask: NDArray[np.uint8]
    rest: NDArray[np.float32]
    basis: NDArray[np.float32]
    triangles: NDArray[np.int64]
    confidence: float = 1.0
    alpha: NDArray[np.uint8] | None = None
    source: Path | None = None
    digest: str = ""

    def __post_init__(self) -> None:
        height, width = self.image.shape[:2]
        expected: dict[str, tuple[int, ...]] = {
            "image": (height, width, 3), "landmarks": (478, 3), "rotation": (3, 3),
            "translation": (3,), "centre_px": (2,), "mask": (height, width),
            "rest": (len(CHANNELS),), "basis": (len(EXPRESSION), 478, 3),
        }  # fmt: skip
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"portrait {name} has shape {getattr(self, name).shape}, "
                                 f"expected {shape}")  # fmt: skip

    @property
    def iod_px(self) -> float:
        """Length of one IOD at the neck pivot, in pixels."""
        return float(self.focal_px / self.translation[2])


@dataclass(frozen=True)
class Video:
    """Frames with their clock and sound; frames are an iterator, so length costs no memory.

    frames: iterator of (H, W, 3) uint8 sRGB, or (H, W, 4) with straight alpha.
    audio: (samples, channels) float32 in -1..1, or None.
    """

    frames: Iterator[NDArray[np.uint8]]
    fps: float
    audio: NDArray[np.float32] | None = None
    sample_rate: int = 0


@dataclass(frozen=True)
class Trajectory:
    """A sampled batch: enough to compute its log-probabilities again, exactly.

    states: S + 1 arrays (B, ...), numpy or torch, from noise (t = 1) to data (t = 0), as rounded.
    times: (S + 1,), falling.  noise_levels: (S,), 0 where the step was deterministic, and
        kernel, what they mean: see `enliven.flow.coefficients`.
    log_probs: S arrays (B,), mean over the generated elements, 0 where deterministic.
    given: bool, broadcasts to a state: True where it was not generated; None: nowhere.
    """

    states: tuple[Any, ...]
    times: NDArray[np.float64]
    noise_levels: NDArray[np.float64]
    log_probs: tuple[Any, ...]
    kernel: Literal["sde", "cps"] = "sde"
    given: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Score:
    """One measurement: its value, the range and direction of its scale, and whether it holds.

    why: one sentence for a reader; the reason when it is not valid.
    worst_seconds: from when to when in the video it is worst, if that can be told.
    details: the numbers behind it, by name.
    """

    value: float
    low: float
    high: float
    higher_is_better: bool = True
    valid: bool = True
    why: str = ""
    worst_seconds: tuple[float, float] | None = None
    details: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Scorecard:
    """Named scores of one video; a composite is derived from them, never stored alone.

    judge: name of who judged, with the version and hash of all that decides a mark.
    notes: what a reader should know of the video, such as sound that outlasts the picture.
    """

    scores: Mapping[str, Score] = field(default_factory=dict)
    judge: str = ""
    notes: tuple[str, ...] = ()
