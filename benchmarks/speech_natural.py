"""How ours moves beside real people: spectra, ranges, blinks, gaze, stresses; seeds; joints."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from speech_clips import Clip, generate, lips_of

from enliven.metrics.lips import LipMeasures, correlation
from enliven.metrics.motion import (
    alignment,
    coupling,
    difference,
    find_blinks,
    frame_noise,
    gaze_habits,
    head_degrees,
    joint_jump,
    log_jerk,
    power_shares,
    syllable_peaks,
    turning_speed,
)
from enliven.metrics.sync import hear
from enliven.motion.prosody import pitch_hz, smooth
from enliven.types import EXPRESSION, MOTION_FPS, Motion

Array = NDArray[np.floating]

SHORTEST = 5.0  # seconds of a clip that can tell something about habits
TRACKER_SMOOTH = 0.05  # seconds; real curves carry the tracker's noise, so both are smoothed
CHUNK = 25  # frames


def brow_raise(motion: Motion) -> Array:
    """How far the brows are up (T,): raised less drawn down, mean of both sides."""
    names = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")
    up = np.mean([motion[name] for name in names], 0)
    return up - 0.5 * (motion["browDownLeft"] + motion["browDownRight"])


def statistics(motion: Motion, lips: LipMeasures, samples: Array) -> dict[str, float]:
    """Every number of a performance, by name."""
    fps, frames = MOTION_FPS, len(motion)
    turn = smooth(motion.group("head"), TRACKER_SMOOTH)
    degrees = head_degrees(turn)
    speed = turning_speed(turn, fps)
    slow, syllables, quick = power_shares(degrees, fps)
    low, high = np.percentile(degrees, [5, 95], axis=0)
    lids = 0.5 * (motion["eyeBlinkLeft"] + motion["eyeBlinkRight"])
    blinks = find_blinks(lids, fps)
    loud = smooth(np.maximum(hear(samples, frames)[1], -50), 0.05)
    hz = pitch_hz(samples, frames)
    voiced = (hz > 0) & (loud > -30)
    brows = smooth(brow_raise(motion), TRACKER_SMOOTH)
    melody = np.where(voiced, 12 * np.log2(np.maximum(hz, 1)), np.nan)
    gaze = gaze_habits(seen_gaze(motion, lids), fps)
    shift = smooth(motion.group("translation"), TRACKER_SMOOTH)
    return {
        "head speed, deg/s": float(speed.mean()),
        "yaw deviation, deg": float(degrees[:, 0].std()),
        "pitch deviation, deg": float(degrees[:, 1].std()),
        "roll deviation, deg": float(degrees[:, 2].std()),
        "yaw range 5-95%, deg": float(high[0] - low[0]),
        "pitch range 5-95%, deg": float(high[1] - low[1]),
        "roll range 5-95%, deg": float(high[2] - low[2]),
        "head power below 1 Hz": float(slow),
        "head power 1 to 3 Hz": float(syllables),
        "head power above 3 Hz": float(quick),
        "head shift deviation, IOD": float(np.linalg.norm(shift.std(0))),
        "head log jerk (2 s)": log_jerk(degrees, fps),
        "head speed at stresses": alignment(np.append(speed, 0), syllable_peaks(loud, fps), fps),
        "blinks a minute": len(blinks) / (frames / fps / 60),
        "blink half width, s": float(np.median([b.seconds for b in blinks] or [np.nan])),
        "brow deviation": float(brows.std()),
        "brows with pitch, |r|": abs(coupling(brows, melody, fps)[0]),
        "brows with loudness, |r|": abs(coupling(brows, loud, fps)[0]),
        "gaze yaw deviation, deg": float(gaze.deviation_deg[0]),
        "gaze pitch deviation, deg": float(gaze.deviation_deg[1]),
        "lip opening deviation, IOD": float(np.nanstd(lips.aperture)),
        "lip opening speed, IOD/s": float(np.nanmean(np.abs(np.diff(lips.aperture))) * fps),
        "lip width deviation, IOD": float(np.nanstd(lips.width)),
        "gaze within 5 deg": gaze.ahead,
        "gaze shifts a minute": gaze.shifts,
    }


def seen_gaze(motion: Motion, lids: Array) -> Array:
    """Gaze (T, 2) with the moments bridged in which lids (T,) hide the eyes from a tracker."""
    open_lids = np.flatnonzero(np.convolve(lids > 0.4, np.ones(5), "same") < 0.5)
    gaze = motion.group("gaze")
    if not len(open_lids):
        return gaze
    frames = np.arange(len(gaze))
    return np.stack([np.interp(frames, open_lids, g[open_lids]) for g in gaze.T], 1)


def natural_table(clips: list[Clip], speak: Callable[[Clip, int], Motion]) -> None:
    """Real people and ours to the same voices: medians, and what 80% of the real do."""
    clips = [c for c in clips if c.frames >= SHORTEST * MOTION_FPS and c.values.shape[1]]
    if not clips:
        print("skipped: no real clips with fitted motion")
        return
    real = [statistics(Motion(c.values), c.lips, c.samples) for c in clips]
    made = [speak(c, i) for i, c in enumerate(clips)]
    ours = [statistics(m, lips_of(m), c.samples) for m, c in zip(made, clips, strict=True)]
    print(f"{len(clips)} people in the wild, and ours to their voices, a seed each; both smoothed "
          f"by {TRACKER_SMOOTH} s\n"
          f"{'':28s} real: median (10-90%)        ours: median (10-90%)        inside")  # fmt: skip
    inside = 0
    for name in real[0]:
        told = []
        for found in (real, ours):
            values = [s[name] for s in found if np.isfinite(s[name])] or [np.nan]
            told.append(np.percentile(values, [10, 50, 90]))
        (low, middle, high), (a, b, c) = told
        good = low <= b <= high
        inside += good
        print(f"{name:28s} {middle:7.3f} ({low:.3f} - {high:.3f})".ljust(58)
              + f"{b:7.3f} ({a:.3f} - {c:.3f})".ljust(29) + ("yes" if good else "NO"))  # fmt: skip
    print(f"inside the real 10-90%: {inside} of {len(real[0])}")


def diversity_table(clips: list[Clip], seeds: int) -> None:
    """How different seeds are: like other people, or like noise?"""
    clips = [c for c in clips if c.frames >= SHORTEST * MOTION_FPS and c.values.shape[1]]
    if len(clips) < 2:
        print("skipped: fewer than two real clips")
        return
    length = min(c.frames for c in clips)
    heads = [head_degrees(Motion(c.values).group("head"))[:length] for c in clips]
    people = [difference(a, b) for i, a in enumerate(heads) for b in heads[:i]]
    between, quick, noise, lips, opening = [], [], [], [], []
    for clip in clips[:4]:
        made = [generate(clip.samples, clip.frames, seed) for seed in range(seeds)]
        turned = [head_degrees(m.group("head")) for m in made]
        apertures = [lips_of(m).aperture for m in made]
        noise += [frame_noise(t) for t in turned]
        for i in range(seeds):
            for k in range(i):
                between.append(difference(turned[i], turned[k]))
                quick.append(power_shares(turned[i] - turned[k], MOTION_FPS, (3.0,))[1])
                lips.append(correlation(apertures[i], apertures[k]))
                opening.append(difference(apertures[i][:, None], apertures[k][:, None])
                               / max(apertures[i].std(), 1e-9))  # fmt: skip
    print(f"head, degrees (root mean square): between seeds {np.median(between):.2f}, between real "
          f"people {np.median(people):.2f}\n  noise from frame to frame: ours "
          f"{np.median(noise):.3f}, real (with the tracker's) "
          f"{np.median([frame_noise(h) for h in heads]):.3f}\n"
          f"  share of the difference between seeds above 3 Hz: {np.median(quick):.3f} "
          "(white noise: 0.76)\n"
          f"lip aperture between seeds: correlation {np.median(lips):.3f}, difference "
          f"{np.median(opening):.2f} of its deviation")  # fmt: skip


def channels(motion: Motion, *starts: str) -> Array:
    """Expression channels (T, n) whose names begin so."""
    return np.stack([motion[name] for name in EXPRESSION if name.startswith(starts)], 1)


def joints_table(samples: Array, seconds: float) -> None:
    """Change of velocity where chunks meet, and minutes one and last of a long speech."""
    frames = round(seconds * MOTION_FPS)
    speech = np.resize(samples, round(seconds * 16000)).astype(np.float32)
    motion = generate(speech, frames)
    parts = {
        "head": head_degrees(motion.group("head")),
        "head place": motion.group("translation"),
        "lips": channels(motion, "jaw", "mouth"),
        "brows": channels(motion, "brow"),
        "body": motion.group("body"),
    }
    print(f"{seconds / 60:g} minutes; change of velocity at joints (every {CHUNK} frames) over "
          "inside, beside\nthat at the 24 places that are no joints; first and last minute\n"
          f"{'part':12s} joints  elsewhere 5-95%  worst at   first: mean (deviation)    "
          "last: mean (deviation)")  # fmt: skip
    minute = round(60 * MOTION_FPS)
    for name, curve in parts.items():
        places = [joint_jump(curve, CHUNK, offset) for offset in range(CHUNK)]
        low, high = np.nanpercentile(places[1:], [5, 95])
        worst = int(np.nanargmax(places))
        a, b = curve[:minute], curve[-minute:]
        print(f"{name:12s} {places[0]:6.3f}  {low:.3f} - {high:.3f}    {worst:2d}: "
              f"{places[worst]:.3f} {np.round(a.mean(0)[:3], 3)!s:26s} ({a.std(0).mean():.3f})   "
              f"{np.round(b.mean(0)[:3], 3)!s} ({b.std(0).mean():.3f})")  # fmt: skip
    turned = parts["head"]
    means = turned[: len(turned) // minute * minute].reshape(-1, minute, 3).mean(1)
    if len(means) > 1:
        slope = np.polyfit(np.arange(len(means)), means, 1)[0]
        speed = turning_speed(motion.group("head"), MOTION_FPS)
        begun, ended = speed[:minute].mean(), speed[-minute:].mean()
        print(f"trend of the head: {np.round(slope, 3)} deg a minute (yaw, pitch, roll); means of "
              f"the minutes vary by {np.round(means.std(0), 3)}\nmean speed in the first minute "
              f"{begun:.2f}, in the last {ended:.2f} deg/s")  # fmt: skip
