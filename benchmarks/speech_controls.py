"""What was asked of a face against what is measured on it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from speech_clips import generate, lips_of
from speech_natural import brow_raise

from enliven.metrics.motion import find_blinks, head_degrees, turning_speed
from enliven.motion.audio import SAMPLE_RATE
from enliven.motion.emotion import EMOTIONS, PROTOTYPES
from enliven.motion.prosody import smooth
from enliven.types import INDEX, MOTION_FPS, Motion

Array = NDArray[np.floating]

SECONDS, SHORT_SECONDS, BLINK_SECONDS = 20.0, 8.0, 60.0  # of speech, for each value and seed
FIRST = 25  # frames left out at the start, where everything comes from rest

SEEN = 0.4  # of a display's channels, those that count: so far they go in full


def head_speed(motion: Motion) -> float:
    return float(turning_speed(smooth(motion.group("head")[FIRST:], 0.05), MOTION_FPS).mean())


def head_size(motion: Motion) -> float:
    return float(np.linalg.norm(head_degrees(motion.group("head")[FIRST:]).std(0)))


def blink_rate(motion: Motion) -> float:
    lids = 0.5 * (motion["eyeBlinkLeft"] + motion["eyeBlinkRight"])
    return len(find_blinks(lids, MOTION_FPS)) / (len(motion) / MOTION_FPS / 60)


def lip_size(motion: Motion) -> float:
    return float(lips_of(motion).aperture[FIRST:].std())


def brow_size(motion: Motion) -> float:
    return float(brow_raise(motion)[FIRST:].std())


def look(axis: int) -> Callable[[Motion], float]:
    """Where the eyes look in degrees, head and eyes together: 0 yaw, 1 pitch."""

    def measured(motion: Motion) -> float:
        away = head_degrees(motion.group("head"))[:, :2] + np.degrees(motion.group("gaze"))
        return float(np.median(away[FIRST:, axis]))

    return measured


def display(name: str) -> Callable[[Motion], float]:
    """Mean over an emotion's strongest channels, 1 where each is as in the full display."""
    strong = {c: v for c, v in PROTOTYPES[name].items() if v >= SEEN}

    def measured(motion: Motion) -> float:
        shown = [motion[c + side][FIRST:].mean() / full for c, full in strong.items()
                 for side in ("", "Left", "Right") if c + side in INDEX]  # fmt: skip
        return float(np.mean(shown))

    return measured


def row(
    name: str, asked: list[float], measured: list[float], scale: float | None, limit: float
) -> None:  # fmt: skip
    """Prints measured values and how they stand to what was asked; scale: measured per asked."""
    steps = np.diff(measured)
    order = "yes" if (steps > 0).all() else "NO"
    told = " ".join(f"{m:8.3f}" for m in measured)
    print(f"{name:22s} asked    {' '.join(f'{a:8.2f}' for a in asked)}\n{'':22s} measured {told}"
          f"   rises: {order}")  # fmt: skip
    if scale:
        ratios = [m / (a * scale) for a, m in zip(asked, measured, strict=True) if a]
        off = max(abs(r - 1) for r in ratios)
        told = " ".join("       -" if not a else f"{m / (a * scale):8.2f}"
                        for a, m in zip(asked, measured, strict=True))  # fmt: skip
        print(f"{'':22s} ratio    {told}   within {limit:.0%}: {'yes' if off <= limit else 'NO'}",
              flush=True)  # fmt: skip


class Bench:
    """Makes motion of the same voice and seeds again and again, asked for different things."""

    def __init__(self, samples: Array, seeds: int) -> None:
        self.samples, self.seeds = samples, seeds

    def measured(
        self, seconds: float, measure: Callable[[Motion], float], **options: object
    ) -> float:
        """Mean over the seeds of a measure of so many seconds of speech."""
        speech = np.resize(self.samples, round(seconds * SAMPLE_RATE)).astype(np.float32)
        frames = round(seconds * MOTION_FPS)
        return float(np.mean([measure(generate(speech, frames, seed, **options))
                              for seed in range(self.seeds)]))  # fmt: skip


def controls_table(samples: Array, seeds: int) -> None:
    """Every control at several values: does more of it give more, and as much as asked?"""
    bench = Bench(samples, seeds)
    print(f"{seeds} seeds; ratio: measured over asked, at 1 by definition but for blinks and gaze, "
          "whose measures are absolute")  # fmt: skip
    for option, asked, measure, title in (
        ("speed", [0.25, 0.5, 1.0, 1.5, 2.0], head_speed, "head speed"),
        ("head_motion", [0.0, 0.5, 1.0, 1.5, 2.0], head_size, "head deviation"),
        ("mouth", [0.0, 0.5, 1.0, 1.5, 2.0], lip_size, "lip opening"),
        ("expression", [0.0, 0.5, 1.0, 1.5, 2.0], brow_size, "brow movement"),
    ):
        found = [bench.measured(SECONDS, measure, **{option: a}) for a in asked]
        row(f"{option}: {title}", asked, found, found[asked.index(1.0)], 0.2)
    asked = [0.0, 5.0, 10.0, 20.0, 40.0]
    found = [bench.measured(BLINK_SECONDS, blink_rate, blink_rate=a) for a in asked]
    row("blink_rate", asked, found, 1.0, 0.2)
    for name in EMOTIONS:
        asked = [0.0, 0.25, 0.5, 0.75, 1.0]
        found = [bench.measured(SHORT_SECONDS, display(name), emotion={name: a}) for a in asked]
        row(f"emotion {name}", asked, [f - found[0] for f in found], found[-1] - found[0], 0.2)
    for axis, title, asked in ((0, "yaw", [-20.0, -10.0, 10.0, 20.0]),
                               (1, "pitch", [-10.0, -5.0, 5.0, 10.0])):  # fmt: skip
        asks = [(a, 0.0) if axis == 0 else (0.0, a) for a in asked]
        found = [bench.measured(SHORT_SECONDS, look(axis), gaze=gaze) for gaze in asks]
        row(f"gaze {title}, degrees", asked, found, 1.0, 0.2)
