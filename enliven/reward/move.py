"""How a second of video moves: one row of numbers a second.

Curves are taken over a whole stretch, so that filters reach across seconds, and then read off
second by second.  NaN is what cannot be told.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.geometry import RIGID
from enliven.metrics.image import BLOCK, GRAIN_PX
from enliven.metrics.lips import LipMeasures, measure_shape
from enliven.metrics.motion import find_blinks
from enliven.metrics.voice import Voice, hear
from enliven.metrics.watch import CONTEXT, Stretch
from enliven.reward.reference import eye_distance
from enliven.types import MOTION_FPS

Array = NDArray[np.floating]

CUTOFF_HZ = 6.0  # people move their heads slower than this, save for tremor
TAPS = 13
SAME_LEVELS = 1.0  # a frame that changes by less, where it changes most, is the one before
STUTTER = 0.1  # of the largest change around it, below which a frame repeats the one before
STUTTER_LEVELS = 4.0  # largest change from which a repeat is a stutter and not rest
MOUTH_POINTS = (0, 13, 14, 17, 37, 267, 61, 291, 84, 314, 82, 312, 87, 317)


@dataclass(frozen=True)
class Curves:
    """Per frame of a stretch, (T,) each; NaN where no face was found.

    shake, wobble, tremble: distance of head, rigid points and lips from their own course under
        6 Hz, IOD.  jump: change of velocity of the head, IOD a frame.
    change: largest change of the picture from the frame before, grey levels.
    repeat, stutter: bool, the frame is the one before; while all around it moves.
    run: frames in the run of repeats that the frame is in.
    head_speed, lip_speed: IOD a second.  closing: of both lids, 0 to 1.
    """

    shake: Array
    wobble: Array
    tremble: Array
    jump: Array
    change: Array
    repeat: NDArray[np.bool_]
    stutter: NDArray[np.bool_]
    run: Array
    head_speed: Array
    lip_speed: Array
    closing: Array
    blinks: list[tuple[int, float]]
    lips: LipMeasures
    voice: Voice


def fast_part(curve: Array) -> NDArray[np.float64]:
    """What of a curve (T, ...) lies above 6 Hz at 25 frames a second; NaN within half a filter
    of either end and of anything unknown."""
    curve = np.asarray(curve, np.float64)
    half = TAPS // 2
    made = np.full(curve.shape, np.nan)
    if len(curve) < TAPS:
        return made
    at = np.arange(TAPS) - half
    kernel = np.sinc(2 * CUTOFF_HZ / MOTION_FPS * at) * np.hanning(TAPS + 2)[1:-1]
    kernel /= kernel.sum()
    slow = np.zeros((len(curve) - TAPS + 1, *curve.shape[1:]))
    for tap, weight in enumerate(kernel):
        slow += weight * curve[tap : tap + len(slow)]
    made[half:-half] = curve[half:-half] - slow
    return made


def curves(stretch: Stretch) -> Curves:
    """All that is read off frame by frame."""
    count = len(stretch.valid)
    voice = hear(stretch.samples, CONTEXT)
    with np.errstate(invalid="ignore"):
        eyes = eye_distance(stretch.landmarks)
        iod = float(np.nanmedian(eyes)) if stretch.valid.any() else float("nan")
        head = stretch.landmarks[:, list(RIGID), :2].astype(np.float64) / iod
        middle = head.mean(1)
        rigid = stretch.shapes[:, list(RIGID), :2].astype(np.float64)
        mouth = stretch.shapes[:, list(MOUTH_POINTS), :2].astype(np.float64)
        lips = measure_shape(stretch.shapes.astype(np.float64))
        moves = np.stack([lips.aperture, lips.height, lips.width], 1)
        change = changes(stretch)
        repeat = change < SAME_LEVELS
        closing, blinks = _lids(stretch)
        return Curves(
            shake=np.linalg.norm(fast_part(middle), axis=1),
            wobble=np.sqrt(np.square(fast_part(rigid)).sum(2).mean(1)),
            tremble=np.sqrt(np.square(fast_part(mouth)).sum(2).mean(1)),
            jump=_padded(np.linalg.norm(np.diff(head, 2, axis=0), axis=2).mean(1), count),
            change=change,
            repeat=repeat,
            stutter=stutters(change),
            run=runs(repeat),
            head_speed=_padded(np.linalg.norm(np.diff(middle, axis=0), axis=1), count) * MOTION_FPS,
            lip_speed=_padded(np.linalg.norm(np.diff(moves, axis=0), axis=1), count) * MOTION_FPS,
            closing=closing,
            blinks=blinks,
            lips=lips,
            voice=voice,
        )


def _padded(curve: Array, count: int) -> NDArray[np.float64]:
    """A differenced curve with NaN for the frames before it begins, (count,)."""
    return np.concatenate([np.full(count - len(curve), np.nan), curve])


def changes(stretch: Stretch) -> NDArray[np.float64]:
    """`metrics.image.largest_change` of each head from the one before, (T,); NaN at first and
    where the box moved."""
    made = np.full(len(stretch.valid), np.nan)
    before = None
    for i, face in enumerate(stretch.faces):
        grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)
        if before is not None and (stretch.box[i] == stretch.box[i - 1]).all():
            gap = np.abs(cv2.GaussianBlur(grey - before, (0, 0), GRAIN_PX))
            made[i] = cv2.blur(gap, (BLOCK, BLOCK), borderType=cv2.BORDER_CONSTANT).max()
        before = grey
    return made


def stutters(change: Array) -> NDArray[np.bool_]:
    """Frames that hardly change while others within 3 of them change much, (T,) bool."""
    wide = np.pad(np.nan_to_num(change), 3)
    around = np.lib.stride_tricks.sliding_window_view(wide, 7).max(1)
    return np.asarray(
        (change < np.maximum(SAME_LEVELS, STUTTER * around)) & (around > STUTTER_LEVELS)
    )


def runs(flags: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Length of the run of True that each entry is in, 0 for False."""
    made = np.zeros(len(flags))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        made[start:stop] = stop - start
    return made


def _lids(stretch: Stretch) -> tuple[Array, list[tuple[int, float]]]:
    """Closing of the lids (T,), and of each blink the frame and the seconds."""
    if stretch.motion is None:
        return np.full(len(stretch.valid), np.nan), []
    closing = (stretch.motion["eyeBlinkLeft"] + stretch.motion["eyeBlinkRight"]) / 2
    found = [(b.peak, b.seconds) for b in find_blinks(closing, MOTION_FPS)
             if stretch.valid[b.peak]]  # fmt: skip
    return np.where(stretch.valid, closing, np.nan), found


def move(seen: Curves, rows: slice) -> dict[str, float]:
    """Numbers of one second.  Speeds in IOD a second, lengths in IOD."""
    voice, lips = seen.voice, seen.lips
    speaks, quiet = voice.speaks[rows], voice.quiet[rows]
    blinks = [seconds for peak, seconds in seen.blinks if rows.start <= peak < rows.stop]
    aperture, width = lips.aperture[rows], lips.width[rows]
    return {
        "speaks": float(speaks.sum()),
        "quiet": float(quiet.sum()),
        "loudness": float(voice.loudness[rows].max(initial=-100)),
        "shake": _rms(seen.shake[rows]),
        "wobble": _rms(seen.wobble[rows]),
        "tremble": _rms(seen.tremble[rows]),
        "jump": _most(seen.jump[rows]),
        "change": _mean(seen.change[rows]),
        "repeats": _mean(np.where(np.isnan(seen.change[rows]), np.nan, seen.repeat[rows])),
        "stutters": _mean(np.where(np.isnan(seen.change[rows]), np.nan, seen.stutter[rows])),
        "run": _most(seen.run[rows]),
        "head_speed": _mean(seen.head_speed[rows]),
        "lip_speed": _mean(seen.lip_speed[rows][speaks]),
        "idle_speed": _mean(seen.lip_speed[rows][quiet]),
        "lids": _mean(np.abs(np.diff(seen.closing[rows]))) * MOTION_FPS,
        "blinks": float(len(blinks)),
        "blink_seconds": _mean(np.array(blinks)),
        "closed": _most(seen.closing[rows]),
        **_spread("aperture", aperture[speaks]),
        **_spread("width", width[speaks]),
        **_spread("idle", aperture[quiet]),
    }


def _spread(name: str, values: Array) -> dict[str, float]:
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, [0.05, 0.95]) if len(known) > 3 else (np.nan, np.nan)
    return {f"{name}_low": float(low), f"{name}_high": float(high)}


def _mean(values: Array) -> float:
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else float("nan")


def _rms(values: Array) -> float:
    return float(np.sqrt(_mean(np.square(values))))


def _most(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if len(known) else float("nan")
