"""Cheats that corruptions alone do not make: photos that sway, prettier faces, faces that hide.

Functions of `Honest` that give `Footage` of the same sound.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.face.head import load_head
from enliven.geometry import OUTER_EYE_CORNERS, RIGID, similarity
from enliven.media.audio import SPEECH_RATE
from enliven.reward import corruption as spoil
from enliven.reward import corruption_look as look
from enliven.reward import corruption_motion as acting
from enliven.reward.corruption import Footage
from enliven.reward.probe_clip import QUIET_SECONDS, Honest
from enliven.types import Motion

Field = NDArray[np.float32]

SWAY_HZ = 0.3
NOISE_LEVEL = 0.05  # of full scale, white


def still_photo(honest: Honest) -> Footage:
    """Nothing but the first frame."""
    return spoil.freeze(honest.footage)


def swaying_photo(honest: Honest, px: float = 5.0) -> Footage:
    """The first frame, moved and enlarged slowly as a whole: movement without life."""
    still = still_photo(honest)
    height, width = still.frames.shape[1:3]
    everywhere = spoil.head_weight((height, width), None)

    def sway(frame: NDArray[np.uint8], i: int) -> NDArray:
        phase = 2 * np.pi * SWAY_HZ * i / still.fps
        shift = px * np.array([np.sin(phase), 0.6 * np.sin(1.7 * phase)])
        matrix = spoil.about(width / 2, height / 2, 1.06 + 0.02 * np.sin(0.8 * phase),
                             0.02 * np.sin(1.3 * phase), shift)  # fmt: skip
        return spoil.moved(frame, matrix, everywhere)

    return spoil.each_frame(still, sway)


def backward_mouth(motion: Motion) -> Motion:
    """The mouth speaks the sentence from its end to its beginning, all else as it was."""
    values = motion.values.copy()
    at = acting.columns("mouth")
    values[:, at] = values[::-1, at]
    return replace(motion, values=values)


def averaged(honest: Honest, amount: float, *, slowly: bool) -> Footage:
    """The face becomes the average of all: its shape, and skin without pores.

    amount: share of the way to the average head, 0 to 1 and beyond.  slowly: from nothing on, or
    all the time.
    """
    smooth = look.plastic(honest.footage, min(1.0, amount))
    mean = load_head().mean[:, :2]
    left, right = OUTER_EYE_CORNERS
    eyes = float(np.linalg.norm(mean[left] - mean[right]))
    maps = [similarity(mean[list(RIGID)], points[list(RIGID), :2]) for points in honest.landmarks]
    own = np.median([(points[:, :2] - shift) @ turn / size
                     for points, (size, turn, shift) in zip(honest.landmarks, maps, strict=True)],
                    axis=0)  # fmt: skip
    change = mean - own
    frames = honest.footage.frames.copy()
    for i, (size, turn, _) in enumerate(maps):
        part = i / max(1, len(maps) - 1) if slowly else 1.0
        by = amount * part * size * change @ turn.T
        points = honest.landmarks[i, :, :2] + by
        field = spread(points, by, frames.shape[1:3], 0.12 * size * eyes)
        bent = _pulled(smooth.frames[i], field).astype(np.float32)
        plain = _pulled(honest.footage.frames[i], field).astype(np.float32)
        frames[i] = spoil.to_bytes(plain + part * (bent - plain))
    return replace(honest.footage, frames=frames)


def spread(points: NDArray, by: NDArray, shape: tuple[int, ...], px: float) -> Field:
    """A smooth field (H, W, 2) that is `by` (N, 2) at points (N, 2) px and fades within `px`."""
    height, width = shape
    sums = np.zeros((height, width, 3), np.float32)
    at = np.rint(points).astype(int)
    within = ((at >= 0) & (at < [width, height])).all(1)
    values = np.column_stack([by, np.ones(len(by))]).astype(np.float32)
    np.add.at(sums, (at[within, 1], at[within, 0]), values[within])
    sums = cv2.GaussianBlur(sums, (0, 0), max(1.0, px), borderType=cv2.BORDER_CONSTANT)
    few = 0.05 * sums[..., 2].max()
    return np.asarray(sums[..., :2] / (sums[..., 2:] + few), np.float32)


def _pulled(frame: NDArray[np.uint8], field: Field) -> NDArray[np.uint8]:
    """Each pixel comes from where it lay before it was moved by the field."""
    height, width = frame.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.asarray(cv2.remap(frame, x - field[..., 0], y - field[..., 1], cv2.INTER_CUBIC,
                                borderMode=cv2.BORDER_REPLICATE), np.uint8)  # fmt: skip


def drawn(footage: Footage) -> Footage:
    """As in an animation: smooth areas, strong colours and outlines."""

    def draw(frame: NDArray[np.uint8], _: int) -> NDArray:
        flat = cv2.bilateralFilter(cv2.bilateralFilter(frame, 7, 40, 5), 7, 40, 5)
        grey = cv2.cvtColor(flat, cv2.COLOR_RGB2GRAY).astype(np.float32)
        lines = grey - cv2.GaussianBlur(grey, (0, 0), 1.5)
        return flat * np.clip(1 + 0.06 * np.minimum(lines + 1.0, 0.0), 0.2, 1)[..., None]

    return look.saturation(spoil.each_frame(footage, draw), 1.3)


def blank(honest: Honest) -> Footage:
    """One colour, that of the clip on average."""
    frames = np.empty_like(honest.footage.frames)
    frames[:] = honest.footage.frames[0].mean((0, 1)).astype(np.uint8)
    return replace(honest.footage, frames=frames)


def covered(honest: Honest, share: float = 1.0) -> Footage:
    """A disc of the clip's average colour lies over the face, for the last `share` of the time."""
    footage = honest.footage
    colour = footage.frames[0].mean((0, 1))
    weight = spoil.head_weight(footage.frames.shape[1:3], honest.head)
    first = round((1 - share) * len(footage))

    def hide(frame: NDArray[np.uint8], i: int) -> NDArray:
        return frame + weight * (colour - frame) if i >= first else frame

    return spoil.each_frame(footage, hide)


def tiny_face(honest: Honest, share: float = 0.12) -> Footage:
    """The whole clip in a corner, so small that nobody can judge it; around it, a blur of it."""
    height, width = honest.footage.frames.shape[1:3]
    small = max(4, round(share * width)), max(4, round(share * height))

    def shrink(frame: NDArray[np.uint8], _: int) -> NDArray:
        blurred = cv2.resize(frame, (4, 4), interpolation=cv2.INTER_AREA)
        made = cv2.resize(blurred, (width, height), interpolation=cv2.INTER_CUBIC)
        inset = cv2.resize(frame, small, interpolation=cv2.INTER_AREA)
        made[8 : 8 + small[1], 8 : 8 + small[0]] = inset
        return made

    return spoil.each_frame(honest.footage, shrink)


def hidden_mouth(honest: Honest) -> Footage:
    """A dark bar over the mouth, as a microphone or a caption would lie there."""
    left, right = OUTER_EYE_CORNERS
    made = honest.footage.frames.copy()
    for i, points in enumerate(honest.landmarks):
        iod = float(np.linalg.norm(points[left, :2] - points[right, :2]))
        x, y = points[[13, 14], :2].mean(0)
        low = np.rint([x - 0.5 * iod, y - 0.25 * iod]).astype(int).clip(0)
        high = np.rint([x + 0.5 * iod, y + 0.3 * iod]).astype(int).clip(0)
        made[i, low[1] : high[1], low[0] : high[0]] = 24
    return replace(honest.footage, frames=made)


def logo(honest: Honest) -> Footage:
    """A coloured mark in a corner."""
    width = honest.footage.frames.shape[2]
    radius = max(6, width // 14)
    middle = (width - 2 * radius, 2 * radius)

    def marked(frame: NDArray[np.uint8], _: int) -> NDArray:
        made = cv2.circle(frame.copy(), middle, radius, (250, 210, 40), -1, cv2.LINE_AA)
        return cv2.putText(made, "5/5", (middle[0] - round(0.8 * radius), middle[1] + radius // 4),
                           cv2.FONT_HERSHEY_SIMPLEX, radius / 24, (20, 20, 120),
                           max(1, radius // 9), cv2.LINE_AA)  # fmt: skip

    return spoil.each_frame(honest.footage, marked)


def resized(footage: Footage, share: float) -> Footage:
    """Frames of another size."""
    height, width = footage.frames.shape[1:3]
    size = (2 * round(share * width / 2), 2 * round(share * height / 2))
    how = cv2.INTER_AREA if share < 1 else cv2.INTER_CUBIC
    frames = np.stack([cv2.resize(frame, size, interpolation=how) for frame in footage.frames])
    return replace(footage, frames=frames)


def other_rate(footage: Footage, fps: float) -> Footage:
    """The same clip at another frame rate, frames left out or mixed from their neighbours."""
    count = max(1, round(footage.seconds * fps))
    at = np.minimum(np.arange(count) * (footage.fps / fps), len(footage) - 1)
    low = at.astype(int)
    high = np.minimum(low + 1, len(footage) - 1)
    frames = np.empty((count, *footage.frames.shape[1:]), np.uint8)
    for i, (a, b) in enumerate(zip(low, high, strict=True)):
        part = at[i] - a
        frames[i] = spoil.to_bytes((1 - part) * footage.frames[a] + part * footage.frames[b])
    return Footage(frames, fps, footage.samples)


def half(honest: Honest) -> Footage:
    """The first half alone."""
    return spoil.cut(honest.footage, 0.0, honest.footage.seconds / 2)


def twice(honest: Honest) -> Footage:
    """The clip, and once more."""
    footage = honest.footage
    whole = round(len(footage) / footage.fps * SPEECH_RATE)
    samples = np.zeros(whole, np.float32)
    if footage.samples is not None:
        heard = footage.samples[:whole]
        samples[: len(heard)] = heard
    return Footage(np.concatenate([footage.frames] * 2), footage.fps, np.tile(samples, 2))


def silence(honest: Honest) -> NDArray[np.float32]:
    """No sound, as long as the clip."""
    return np.zeros(round(honest.footage.seconds * SPEECH_RATE), np.float32)


def long_silence(_: Honest) -> NDArray[np.float32]:
    """No sound, for so long that people blink."""
    return np.zeros(round(QUIET_SECONDS * SPEECH_RATE), np.float32)


def unblinking(honest: Honest) -> Footage:
    """Somebody who listens for long and never blinks."""
    assert honest.quiet is not None
    return honest.listen(long_silence(honest), acting.unblinking(honest.quiet))


def noise(honest: Honest) -> NDArray[np.float32]:
    """White noise, as long as the clip."""
    rng = np.random.default_rng(0)
    return (NOISE_LEVEL * rng.standard_normal(len(silence(honest)))).astype(np.float32)
