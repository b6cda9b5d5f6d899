"""How people move: numbers that describe a performance, to set beside those of real speakers.

Plain functions of plain curves; none knows where a curve came from.  T frames, `fps` a second.

Smoothness: Hogan & Sternad 2009, "Sensitivity of smoothness measures to movement duration,
amplitude, and arrests"; in logarithms: Balasubramanian et al. 2012, "A robust and sensitive
metric for quantifying movement smoothness".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enliven.geometry import rotation_from_vector

Array = NDArray[np.floating]

SPECTRUM_EDGES_HZ = (1.0, 3.0)  # slow sway, nods with the syllables, and what is left
BLINK_RISE = 0.3  # how far lids must come down from where they were just before
BLINK_LONGEST = 0.8  # seconds; lids that stay down longer are shut eyes, not a blink
LID_LEVEL_SECONDS = 1.5  # on either side, in which the open lids are looked for
PEAK_APART = 0.22  # seconds between the middles of two stressed syllables, at least
PEAK_RISE_DB = 3.0  # of a stressed syllable above the loudness around it
SHIFT_DEG_PER_SECOND = 60.0  # speed from which the eyes jump rather than follow


def head_degrees(head: Array) -> NDArray[np.float64]:
    """Rotation vectors (T, 3) of the head, rad -> (T, 3) yaw, pitch, roll in degrees.

    Signs as in docs/conventions.md.  Exact for turns about one axis; a vector of several mixes
    them by less than a degree below 15 degrees.
    """
    x, y, z = np.asarray(head, np.float64).T
    return np.degrees(np.stack([-y, x, z], 1))


def turning_speed(head: Array, fps: float) -> NDArray[np.float64]:
    """Speed of rotation between frames, (T - 1,), degrees a second: the angle of the rotation
    that leads from one frame to the next, whatever its axis."""
    matrices = rotation_from_vector(head)
    steps = np.einsum("tij,tik->tjk", matrices[:-1], matrices[1:])
    # the distance of a rotation from none is 2 sqrt(2) sin(angle / 2), which is exact near 0
    distance = np.linalg.norm(steps - np.eye(3), axis=(1, 2))
    angle = 2 * np.arcsin(np.clip(distance / (2 * np.sqrt(2)), 0, 1))
    return np.degrees(angle) * fps


def power_shares(
    curve: Array, fps: float, edges_hz: Sequence[float] = SPECTRUM_EDGES_HZ
) -> NDArray[np.float64]:
    """Shares of a curve's variance (T,) or (T, n) below, between and above the edges; sum is 1.

    From the periodogram of the curve without its mean, under a Hann window; 0 for a still one.
    """
    curve = np.asarray(curve, np.float64).reshape(len(curve), -1)
    window = np.hanning(len(curve) + 2)[1:-1, None]
    curve = (curve - (window * curve).sum(0) / window.sum()) * window
    power = (np.abs(np.fft.rfft(curve, axis=0)) ** 2).sum(1)
    hz = np.fft.rfftfreq(len(curve), 1 / fps)
    band = np.searchsorted(edges_hz, hz, side="right")
    shares = np.bincount(band, power, minlength=len(edges_hz) + 1)
    return shares / shares.sum() if shares.sum() > 1e-12 else np.zeros(len(edges_hz) + 1)


def log_jerk(curve: Array, fps: float, seconds: float = 2.0) -> float:
    """Log of the dimensionless jerk, median over stretches of so many seconds; small is smooth.

    curve: (T,) or (T, n) position.  ln(D^3 / peak speed^2 * integral of jerk^2), D the duration
    of a stretch; NaN when nothing moves or there is less than one stretch.
    """
    curve = np.asarray(curve, np.float64).reshape(len(curve), -1)
    length = round(seconds * fps)
    found = []
    for start in range(0, len(curve) - length, length):
        piece = curve[start : start + length + 1]
        peak = np.linalg.norm(np.diff(piece, axis=0) * fps, axis=1).max()
        jerk = np.diff(piece, 3, axis=0) * fps**3
        if peak > 1e-9:
            found.append(np.log(seconds**3 / peak**2 * (jerk**2).sum(1).mean() * seconds + 1e-12))
    return float(np.median(found)) if found else float("nan")


@dataclass(frozen=True)
class Blink:
    """peak: frame in which the lids are lowest.  depth: 0 to 1, from where the lids were.
    seconds: how long they are at least half-way down."""

    peak: int
    depth: float
    seconds: float


def find_blinks(closing: Array, fps: float) -> list[Blink]:
    """Blinks in the closing of the lids (T,), 0 open to 1 shut.

    A blink rises by BLINK_RISE above the lower quartile of the lids around it (which follow the
    gaze) and is over within BLINK_LONGEST.
    """
    closing = np.asarray(closing, np.float64)
    reach = round(LID_LEVEL_SECONDS * fps)
    padded = np.pad(closing, reach, mode="reflect" if len(closing) > reach else "edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    lower = np.percentile(around, 25, axis=1)
    blinks, at = [], 0
    while at < len(closing):
        above = closing - lower[at]
        if above[at] < BLINK_RISE:
            at += 1
            continue
        end = at
        while end < len(above) and above[end] >= BLINK_RISE / 2:
            end += 1
        peak = at + int(above[at:end].argmax())
        seconds = _width(above, peak, above[peak] / 2) / fps
        if seconds <= BLINK_LONGEST and 0 < peak < len(above) - 1:
            blinks.append(Blink(peak, float(above[peak]), float(seconds)))
        at = end
    return blinks


def _width(curve: Array, peak: int, level: float) -> float:
    """Frames between the crossings of a level on both sides of a peak, by interpolation."""
    left = right = float(peak)
    for i in range(peak, 0, -1):
        if curve[i - 1] < level:
            left = i - (curve[i] - level) / (curve[i] - curve[i - 1])
            break
        left = i - 1
    for i in range(peak, len(curve) - 1):
        if curve[i + 1] < level:
            right = i + (curve[i] - level) / (curve[i] - curve[i + 1])
            break
        right = i + 1
    return right - left


def syllable_peaks(loudness_db: Array, fps: float) -> NDArray[np.int64]:
    """Frames in the middle of the syllables that stand out, from the loudness (T,) in dB."""
    loudness_db = np.asarray(loudness_db, np.float64)
    gap = max(1, round(PEAK_APART * fps))
    if len(loudness_db) < 2 * gap:
        return np.zeros(0, np.int64)
    padded = np.pad(loudness_db, gap, constant_values=-np.inf)
    highest = np.lib.stride_tricks.sliding_window_view(padded, 2 * gap + 1).max(1)
    wide = round(0.6 * fps)
    around = np.convolve(np.pad(loudness_db, wide, mode="edge"),
                         np.full(2 * wide + 1, 1 / (2 * wide + 1)), "valid")  # fmt: skip
    loud = loudness_db > loudness_db.max() - 25
    return np.flatnonzero((loudness_db >= highest) & (loudness_db > around + PEAK_RISE_DB) & loud)


def alignment(speed: Array, peaks: NDArray[np.int64], fps: float, reach: float = 0.16) -> float:
    """How much faster something moves around moments than elsewhere between them.

    speed: (T,) at least 0.  Mean within `reach` seconds of a peak over the mean of the other
    frames from the first peak to the last; 1 when moments do not matter, NaN without peaks.
    """
    near = np.zeros(len(speed), bool)
    width = round(reach * fps)
    for peak in peaks:
        near[max(0, peak - width) : peak + width + 1] = True
    between = np.zeros(len(speed), bool)
    if len(peaks) >= 2:
        between[max(0, peaks[0] - width) : peaks[-1] + width + 1] = True
    far = between & ~near
    if not far.any() or speed[far].mean() <= 1e-12:
        return float("nan")
    return float(speed[near].mean() / speed[far].mean())


def coupling(curve: Array, other: Array, fps: float, reach: float = 0.28) -> tuple[float, float]:
    """Strongest correlation of two curves (T,) within so many seconds of shift, by magnitude,
    and the seconds by which `curve` comes after `other`.  NaN values are left out."""
    limit = round(reach * fps)
    best, late = 0.0, 0
    for lag in range(-limit, limit + 1):
        low, high = max(0, -lag), min(len(curve), len(curve) - lag)
        if high - low < 3:
            continue
        a, b = curve[low + lag : high + lag], other[low:high]
        known = np.isfinite(a) & np.isfinite(b)
        if known.sum() < 3 or a[known].std() < 1e-9 or b[known].std() < 1e-9:
            continue
        r = float(np.corrcoef(a[known], b[known])[0, 1])
        if abs(r) > abs(best):
            best, late = r, lag
    return best, late / fps


@dataclass(frozen=True)
class GazeHabits:
    """deviation_deg: (2,) of yaw and pitch.  ahead: share of the time within 5 degrees of the
    middle.  shifts: jumps a minute.  jump_deg: their median size, NaN without any."""

    deviation_deg: NDArray[np.float64]
    ahead: float
    shifts: float
    jump_deg: float


def gaze_habits(gaze: Array, fps: float) -> GazeHabits:
    """Where eyes look, from directions (T, 2) in rad; the median is taken as straight ahead."""
    away = np.degrees(np.asarray(gaze, np.float64) - np.median(gaze, 0))
    speed = np.linalg.norm(np.diff(away, axis=0), axis=1) * fps
    fast = np.concatenate([[False], speed > SHIFT_DEG_PER_SECOND, [False]])
    starts = np.flatnonzero(~fast[:-1] & fast[1:])
    stops = np.flatnonzero(fast[:-1] & ~fast[1:])
    sizes = np.linalg.norm(away[stops] - away[starts], axis=1)
    return GazeHabits(
        deviation_deg=away.std(0),
        ahead=float((np.linalg.norm(away, axis=1) < 5).mean()),
        shifts=len(starts) / (len(away) / fps / 60),
        jump_deg=float(np.median(sizes)) if len(sizes) else float("nan"),
    )


def difference(one: Array, other: Array) -> float:
    """Root mean square distance of two performances (T, n), each about its own mean, over
    sqrt(2): what one of two independent ones deviates by."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    gap = (one - one.mean(0)) - (other - other.mean(0))
    return float(np.sqrt((gap**2).sum(-1).mean() / 2))


def frame_noise(curve: Array) -> float:
    """Deviation of what is independent from frame to frame in a smooth curve (T,) or (T, n).

    Third differences cancel any parabola and add noise 20-fold in variance; their median
    magnitude does not see single jumps.
    """
    curve = np.asarray(curve, np.float64).reshape(len(curve), -1)
    third = np.abs(np.diff(curve, 3, axis=0))
    # median magnitude of a normal deviate
    deviation = np.median(third, 0) / 0.6745 / np.sqrt(20)
    return float(np.sqrt((deviation**2).sum()))


def joint_jump(curve: Array, every: int, offset: int = 0) -> float:
    """Mean change of velocity at the joints of chunks over that everywhere else.

    curve: (T, n).  The joint lies between frames `every * k + offset - 1` and the next; 1 when
    joints are like any other place.
    """
    curve = np.asarray(curve, np.float64).reshape(len(curve), -1)
    # entry i: change of velocity around frame i + 1
    change = np.linalg.norm(np.diff(curve, 2, axis=0), axis=1)
    phase = (np.arange(len(change)) + 1 - offset) % every
    joint = (phase == 0) | (phase == every - 1)
    joint &= np.arange(len(change)) + 1 >= every + offset - 1
    inside = change[~joint].mean() if (~joint).any() else 0.0
    return float(change[joint].mean() / inside) if inside > 1e-12 else float("nan")
