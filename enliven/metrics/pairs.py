"""PSNR, SSIM and MS-SSIM of two videos, frame by frame: how near a copy comes to its original.

    quality = compare_videos("original.mp4", "copy.mp4")

Only where the frames should be the same do these say anything: reenactment of a person by the
person's own video, compression, an unchanged background.  Of talk generated from speech, which
may rightly move otherwise, they say nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np

from enliven.errors import BadMedia
from enliven.media.video import read_frames
from enliven.metrics.image import Mask, Picture, chosen, levels, ms_ssim, ssim
from enliven.types import MOTION_FPS

PROTOCOL = (
    "pairs 1: full-resolution RGB frames, matched by number; PSNR over all three colours, SSIM "
    "(window 11, sigma 1.5) and five-scale MS-SSIM on luma (Rec. 601) in whole grey levels"
)


@dataclass(frozen=True)
class PairedQuality:
    """How near one video comes to another; higher is nearer, NaN where it cannot be told.

    psnr: dB, of the mean squared error of all frames together; infinite for equal videos.
    psnr_frames: dB, mean over the frames that differ, as most papers average; NaN if none does.
    ssim: mean, -1 to 1.  ms_ssim: mean, 0 to 1; NaN for frames under 176 px.
    frames: how many were compared.  equal: how many of them are the same, bit for bit.
    """

    psnr: float
    psnr_frames: float
    ssim: float
    ms_ssim: float
    frames: int
    equal: int
    protocol: str = PROTOCOL
    notes: tuple[str, ...] = ()


def compare_frames(
    one: Iterable[Picture],
    other: Iterable[Picture],
    masks: Mask | Iterable[Mask] | None = None,
    *,
    protocol: str = PROTOCOL,
) -> PairedQuality:
    """Quality of frames (H, W, 3), the i-th of one against the i-th of the other.

    masks: (H, W) bool, one for all or one for each frame; None compares everything.  Frames whose
    mask is empty are left out.  Of unequal lengths the shorter counts, and `notes` say so.
    No more than a frame of each is held.  Raises BadMedia when sizes differ, ValueError for masks
    of another size or too few.
    """
    errors, likeness, like_by_scale = [], [], []
    left, right, where = iter(one), iter(other), _masks(masks)
    notes = []
    for i, a in enumerate(left):
        if (b := next(right, None)) is None:
            notes.append(f"the first video is {1 + _rest(left)} frames longer; they were left out")
            break
        if a.shape != b.shape:
            raise BadMedia(f"frame {i} is of {a.shape[1]} x {a.shape[0]} px in one video and of "
                           f"{b.shape[1]} x {b.shape[0]} in the other; bring both to one size "
                           "first")  # fmt: skip
        mask = _mask_of(where, i)
        if not (inside := chosen(a, mask)).any():
            continue
        gap = levels(a) - levels(b)
        errors.append(float(np.square(gap, dtype=np.float64)[inside].mean()))
        likeness.append(ssim(a, b, mask))
        like_by_scale.append(ms_ssim(a, b, mask))
    else:
        if more := _rest(right):
            notes.append(f"the second video is {more} frames longer; they were left out")
    if not errors:
        notes.append("no frames were compared")
    differing = [error for error in errors if error]
    return PairedQuality(
        psnr=_decibels(_mean(errors)),
        psnr_frames=_mean([_decibels(error) for error in differing]),
        ssim=_mean(likeness),
        ms_ssim=_mean(like_by_scale),
        frames=len(errors),
        equal=len(errors) - len(differing),
        protocol=protocol,
        notes=tuple(notes),
    )


def _masks(masks: Mask | Iterable[Mask] | None) -> Iterator[Mask | None]:
    if masks is None or (isinstance(masks, np.ndarray) and masks.ndim == 2):
        return repeat(masks)
    return iter(masks)


def _mask_of(masks: Iterator[Mask | None], frame: int) -> Mask | None:
    for mask in masks:
        return mask
    raise ValueError(f"masks end before frame {frame}; give one for all frames or one for each")


def _rest(frames: Iterator[Picture]) -> int:
    return sum(1 for _ in frames)


def _decibels(error: float) -> float:
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def _mean(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def compare_videos(
    one: str | Path, other: str | Path, *, mask: Mask | None = None
) -> PairedQuality:
    """Quality of one video file against another, both read at 25 fps.

    mask: (H, W) bool, for all frames.  Raises BadMedia, also when sizes differ.
    """
    left, right = read_frames(one, MOTION_FPS), read_frames(other, MOTION_FPS)
    return compare_frames(
        left.frames, right.frames, mask, protocol=f"{PROTOCOL}; {MOTION_FPS:g} fps"
    )
