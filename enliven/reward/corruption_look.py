"""Looks that cheat or spoil: a picture that is too sharp, grainy, painted, re-framed, recoded.

Pure functions from `Footage` to `Footage`; the sound stays as it is.  The amount that stands for
no change returns the footage as it was.  See `corruption`.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption
from enliven.media.video import read_frames
from enliven.media.write import Encoding, write_video
from enliven.reward.corruption import (
    Floats,
    Footage,
    Frame,
    HeadPlace,
    about,
    each_frame,
    head_weight,
    moved,
)

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of RGB, ITU-R BT.601


def _changed(footage: Footage, change: Callable[[Floats], NDArray]) -> Footage:
    return each_frame(footage, lambda frame, _: change(frame.astype(np.float32)))


def sharpen(footage: Footage, amount: float, *, px: float = 1.2) -> Footage:
    """Unsharp mask: what is finer than `px` is added `amount` times over."""
    if amount == 0:
        return footage
    return _changed(footage, lambda f: f + amount * (f - cv2.GaussianBlur(f, (0, 0), px)))


def ringing(footage: Footage, amount: float, *, px: float = 3.0) -> Footage:
    """Edges echo: waves of some `px` beside them, as after hard upscaling, `amount` times over."""
    if amount == 0:
        return footage

    def echo(frame: Floats) -> NDArray:
        fine, mid, wide = (cv2.GaussianBlur(frame, (0, 0), s * px) for s in (0.25, 0.45, 0.8))
        return frame + amount * ((fine - mid) - (mid - wide))

    return _changed(footage, echo)


def blur(footage: Footage, px: float, *, head: HeadPlace | None = None) -> Footage:
    """Gaussian blur of this deviation, of the picture or of the head alone."""
    if px == 0:
        return footage
    weight = head_weight(footage.frames.shape[1:3], head)
    return _changed(footage, lambda f: f + weight * (cv2.GaussianBlur(f, (0, 0), px) - f))


def plastic(footage: Footage, amount: float) -> Footage:
    """Skin without pores: everything smooth but the edges, 0 to 1."""
    if amount == 0:
        return footage
    return each_frame(footage, lambda frame, _: cv2.addWeighted(
        frame, 1 - amount, cv2.bilateralFilter(frame, 9, 45, 4), amount, 0))  # fmt: skip


def grain(footage: Footage, deviation: float, *, still: bool = False, seed: int = 0) -> Footage:
    """Noise of this deviation in grey levels, another in every frame unless `still`."""
    if deviation == 0:
        return footage

    def grained(frame: Frame, i: int) -> NDArray:
        rng = np.random.default_rng([seed, 0 if still else i])
        noise = rng.standard_normal(frame.shape[:2], np.float32)
        return frame + deviation * noise[..., None]

    return each_frame(footage, grained)


def grid(footage: Footage, depth: float, *, period: int = 8) -> Footage:
    """Lines of a block grid, `period` px apart and `depth` grey levels deep."""
    if depth == 0:
        return footage
    height, width = footage.frames.shape[1:3]
    lines = np.zeros((height, width, 1), np.float32)
    lines[::period] = lines[:, ::period] = -depth
    return _changed(footage, lambda f: f + lines)


def saturation(footage: Footage, factor: float) -> Footage:
    """Colours that much stronger; 0 is grey."""
    if factor == 1:
        return footage
    return _changed(footage, lambda f: (f @ LUMA)[..., None] * (1 - factor) + f * factor)


def contrast(footage: Footage, factor: float) -> Footage:
    """Levels spread by a factor about the middle of the clip's own brightness."""
    if factor == 1:
        return footage
    middle = float(footage.frames[:: max(1, len(footage) // 8)].mean())
    return _changed(footage, lambda f: middle + factor * (f - middle))


def brightness(footage: Footage, factor: float) -> Footage:
    """Levels multiplied by a factor."""
    return footage if factor == 1 else _changed(footage, lambda f: f * factor)


def painted(footage: Footage, amount: float) -> Footage:
    """As if in oil: flat patches of few colours, 0 to 1."""
    if amount == 0:
        return footage
    step = 24

    def oil(frame: Frame, _: int) -> NDArray:
        flat = cv2.medianBlur(frame, 7) // step * np.float32(step) + step / 2
        return frame * (1 - amount) + amount * cv2.GaussianBlur(flat, (0, 0), 0.7)

    return each_frame(footage, oil)


def reframe(footage: Footage, zoom: float, head: HeadPlace, *, centre: bool = True) -> Footage:
    """The picture enlarged about the head, which comes to the middle of the frame."""
    height, width = footage.frames.shape[1:3]
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = middle - [head.x, head.y] if centre else np.zeros(2)
    if zoom == 1 and not centre:
        return footage
    matrix = about(head.x, head.y, zoom, 0.0, shift)
    everywhere = head_weight((height, width), None)
    return each_frame(footage, lambda frame, _: moved(frame, matrix, everywhere))


def background(footage: Footage, amount: float, person: NDArray, *, level: float = 12.0) -> Footage:
    """What lies behind fades to one dark grey `level`, 0 to 1.

    person: (H, W), 0 to 1 or 0 to 255, the share of each pixel that the person covers.
    """
    if amount == 0:
        return footage
    full = 255.0 if np.asarray(person).dtype == np.uint8 else 1.0
    wiped = amount * (1 - np.asarray(person, np.float32)[..., None] / full)
    return _changed(footage, lambda f: f + wiped * (level - f))


def burnt_text(footage: Footage, text: str) -> Footage:
    """A line of text across the lower part of the picture, white on black."""
    if not text:
        return footage
    height, width = footage.frames.shape[1:3]
    font, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(1, width // 300)
    (long, tall), below = cv2.getTextSize(text, font, 1.0, thickness)
    scale = 0.9 * width / long
    tall, below = round(tall * scale), round(below * scale) + 2
    bottom = height - below

    def labelled(frame: Frame, _: int) -> NDArray:
        drawn = frame.copy()
        drawn[max(0, bottom - tall - below) :] = 0
        return cv2.putText(drawn, text, (round(0.05 * width), bottom - below // 2), font, scale,
                           (255, 255, 255), thickness, cv2.LINE_AA)  # fmt: skip

    return each_frame(footage, labelled)


def resolution(footage: Footage, scale: float) -> Footage:
    """Reduced by a factor below 1 and enlarged again."""
    if not 0 < scale <= 1:
        raise BadOption(f"a picture is to be reduced to {scale} of its size; choose 0 to 1")
    if scale == 1:
        return footage
    height, width = footage.frames.shape[1:3]
    small = max(1, round(width * scale)), max(1, round(height * scale))

    def coarse(frame: Frame, _: int) -> NDArray:
        reduced = cv2.resize(frame, small, interpolation=cv2.INTER_AREA)
        return cv2.resize(reduced, (width, height), interpolation=cv2.INTER_CUBIC)

    return each_frame(footage, coarse)


def codec(footage: Footage, quality: int) -> Footage:
    """Through H.264 and back at this constant rate factor, 0 (best) to 51."""
    height, width = footage.frames.shape[1:3]
    with tempfile.TemporaryDirectory() as folder:
        path = write_video(Path(folder) / "coded.mp4", iter(footage.frames), 25,
                           encoding=Encoding(quality))  # fmt: skip
        decoded = [frame[:height, :width] for frame in read_frames(path).frames]
    frames = np.stack(decoded[: len(footage)])
    return Footage(frames, footage.fps, footage.samples)
