"""Is a voice in time with lips?  How often the judge's sync critic is right, on people it never
met, beside the meter that reports hold out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from judge_clips import footage_of, names, watched
from numpy.typing import NDArray

from enliven.metrics.critic import SHIFTS, SPEECH_SHARE, SyncCritic, lip_measures, speaking
from enliven.metrics.lips import correlation, measure_shape
from enliven.metrics.sync import MEASURES, TRUST, load_meter
from enliven.metrics.watch import CONTEXT
from enliven.types import MOTION_FPS

LONGEST = 25.0  # seconds of each clip
WINDOWS = (3, 5, 10)  # seconds
ASKED = (1, 2, 3, 5, 8, 12)  # frames by which the sound is shifted


@dataclass(frozen=True)
class Whole:
    """A clip of T frames: sound with CONTEXT on both sides, lips, mouths."""

    name: str
    samples: NDArray[np.float32]
    shapes: NDArray[np.float32]
    mouths: NDArray[np.uint8]


def whole(path: Path, cache: Path | None) -> Whole:
    parts = watched(footage_of(path, LONGEST, 10_000), cache)
    sound = [parts[0].samples[:CONTEXT], *(p.voice for p in parts), parts[-1].samples[-CONTEXT:]]
    return Whole(path.stem[:3], np.concatenate(sound), np.concatenate([p.shapes for p in parts]),
                 np.concatenate([p.mouths for p in parts]))  # fmt: skip


def starts(clip: Whole, seconds: int) -> NDArray[np.intp]:
    """First frames of windows, half a window apart, in which somebody speaks."""
    length = round(seconds * MOTION_FPS)
    every = np.arange(0, len(clip.shapes) - length + 1, length // 2)
    if not len(every) and len(clip.shapes) > 0.9 * length:  # a clip a few frames short of it
        every = np.zeros(1, np.intp)
    talks = speaking(clip.samples, len(clip.shapes))
    return np.array([s for s in every if talks[s : s + length].mean() >= SPEECH_SHARE], np.intp)


def critic_curves(critic: SyncCritic, clip: Whole, seconds: int) -> NDArray[np.float64]:
    """Agreement (W, 2 SHIFTS + 1) in every window at every shift of the lips."""
    found = critic.embed(clip.samples, lip_measures(clip.shapes), clip.mouths)
    return found.curves(starts(clip, seconds), round(seconds * MOTION_FPS))


def swapped_agreement(
    critic: SyncCritic, clip: Whole, other: Whole, seconds: int
) -> NDArray[np.float64]:
    """Agreement (W,) with another clip's sound, where that is long enough."""
    count = min(len(clip.shapes), len(other.shapes))
    sound = other.samples[: 2 * CONTEXT + round(count / MOTION_FPS * 16000)]
    found = critic.embed(sound, lip_measures(clip.shapes[:count]), clip.mouths[:count])
    own = starts(clip, seconds)
    length = round(seconds * MOTION_FPS)
    own = own[own + length <= count]
    return found.curves(own, length)[:, SHIFTS]


def meter_curves(clip: Whole, seconds: int) -> NDArray[np.float64]:
    """The same by the held-out meter."""
    frames = len(clip.shapes)
    expected = load_meter().expect(clip.samples[CONTEXT:-CONTEXT], frames)
    lips = measure_shape(clip.shapes)
    seen = np.stack([getattr(lips, name) for name in MEASURES], 1)
    length = round(seconds * MOTION_FPS)
    rows = []
    for start in starts(clip, seconds):
        row = []
        for late in range(-SHIFTS, SHIFTS + 1):
            low, high = max(start, late), min(start + length, frames + late)
            row.append(sum(weight * correlation(expected[low - late : high - late, k],
                                                seen[low:high, k])
                           for k, weight in enumerate(TRUST)))  # fmt: skip
        rows.append(row)
    return np.array(rows).reshape(-1, 2 * SHIFTS + 1)


def won(curves: NDArray[np.float64], shift: int) -> NDArray[np.bool_]:
    """Whether a window agrees better as it is than with lips so many frames off, (2 W,)."""
    here = curves[:, SHIFTS]
    return np.concatenate([here > curves[:, SHIFTS - shift], here > curves[:, SHIFTS + shift]])


def sync_table(data: Path, cache: Path | None) -> None:
    """How often true sound beats shifted and other sound, and how near offsets are."""
    clips = [whole(path, cache) for path in names(data)]
    critic = SyncCritic.load()
    print(f"{len(clips)} clips of people neither network met; share of windows in which the "
          "true sound agrees better than one so many frames off")  # fmt: skip
    print("              windows  " + "".join(f"+-{s:<5d}" for s in ASKED)
          + " other sound   offset within 1 frame   10% .. median here")  # fmt: skip
    for seconds in WINDOWS:
        by_clip = {c.name: critic_curves(critic, c, seconds) for c in clips}
        wrong = []
        for i, clip in enumerate(clips):
            here = by_clip[clip.name][:, SHIFTS]
            for step in (3, 5, 7):
                other = clips[(i + step) % len(clips)]
                found = swapped_agreement(critic, clip, other, seconds)
                wrong += list(here[: len(found)] > found)
        _line(f"critic {seconds:2d} s", np.concatenate(list(by_clip.values())), wrong)
        if seconds == WINDOWS[1]:
            _misses(by_clip)
        _line(f"meter  {seconds:2d} s", np.concatenate([meter_curves(c, seconds) for c in clips]))


def _line(title: str, curves: NDArray[np.float64], wrong: list[bool] | None = None) -> None:
    curves = curves[np.isfinite(curves).all(1)]
    shares = "".join(f"{won(curves, shift).mean():.3f}  " for shift in ASKED)
    other = f"{np.mean(wrong):.3f} of {len(wrong)}" if wrong else "-"
    near = np.abs(curves.argmax(1) - SHIFTS) <= 1
    here = curves[:, SHIFTS]
    print(f"{title:12s}  {len(curves):4d}     {shares} {other:14s} {near.mean():.3f}"
          f"                  {np.percentile(here, 10):.2f} .. {np.median(here):.2f}")  # fmt: skip


def _misses(by_clip: dict[str, NDArray[np.float64]]) -> None:
    for name, curves in by_clip.items():
        late = curves.argmax(1) - SHIFTS
        if (np.abs(late) > 1).any():
            print(f"     {name}: offsets found in its 5-s windows {late.tolist()}")
