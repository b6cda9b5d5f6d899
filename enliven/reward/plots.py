"""Plots as inline SVG, drawn with the colours of the page around them (`enliven.reward.html`).

Every function returns one <svg> element; text in it is real text, so that it can be searched,
copied and read out.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from enliven.reward.statistics import Estimate, Paired

WIDTH = 960.0  # all lengths are in the SVG's own units, px on a wide screen
LEFT = 150.0  # room for names
RIGHT = 14.0
ROW = 76.0
SOUND_ROW = 48.0
LINE = 30.0  # a row of an interval plot
GAP = 34.0  # between panels
DEPTH_DB = 45.0  # below the loudest moment; what is softer is drawn as a line
SOFTEST_DB = -60.0
MOST_POINTS = 300  # of a curve; longer ones are averaged
Place = Callable[[float], float]  # of a number on an axis

TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)


@dataclass(frozen=True)
class Curve:
    """A score of 1 to 5 over time.

    name: for the reader.  hue: number of its colour.  spans: (n, 2) seconds from when to when;
    values: (n,), NaN where it could not be told.  worst: the span to point at.
    """

    name: str
    hue: int
    spans: NDArray[np.float64]
    values: NDArray[np.float64]
    worst: tuple[float, float] | None = None


def timeline(curves: Sequence[Curve], loudness: NDArray[np.floating], seconds: float) -> str:
    """Scores above the sound on one clock.  loudness: dB, evenly over the time; may be empty."""
    seconds = max(seconds, 1e-3)

    def x(second: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(second / seconds, 0.0), 1.0)

    parts, top = [], 8.0
    bottom = top + ROW * len(curves) + SOUND_ROW
    for tick in _ticks(seconds):
        parts.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top:.0f}" '
                     f'y2="{bottom:.1f}"/>')  # fmt: skip
        parts.append(_text(x(tick), bottom + 16, clock(tick, seconds), "tick", "middle"))
    for curve in curves:
        parts.append(_curve(curve, x, top))
        top += ROW
    parts.append(_text(LEFT - 34, top + SOUND_ROW / 2 + 4, "sound", "name", "end"))
    parts.append(_loudness(loudness, x, top, seconds))
    return _svg(parts, bottom + 24, "Scores over time, and the loudness of the sound")


def intervals(
    rows: Sequence[str], panels: Sequence[tuple[str, Sequence[Estimate]]], low: float, high: float
) -> str:
    """A dot for each mean and a line for its interval: a row a system, a panel a score."""
    width = (WIDTH - LEFT - RIGHT - GAP * (len(panels) - 1)) / len(panels)
    height, parts = 34 + LINE * len(rows), []
    for i, name in enumerate(rows):
        parts.append(_text(LEFT - 12, 34 + LINE * (i + 0.5) + 4, _short(name), "name", "end"))
    for p, (title, estimates) in enumerate(panels):
        start = LEFT + p * (width + GAP)

        def x(value: float, start: float = start) -> float:
            return start + width * (value - low) / (high - low)

        parts.append(_text(start, 18, title, "title"))
        for tick in range(math.ceil(low), math.floor(high) + 1):
            parts.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="30" '
                         f'y2="{height}"/>')  # fmt: skip
            parts.append(_text(x(tick), height + 16, str(tick), "tick", "middle"))
        for i, found in enumerate(estimates):
            parts.append(_dot(found, x, 34 + LINE * (i + 0.5), i, (low, high)))
    return _svg(parts, height + 24, "Means and 95% intervals")


def differences(
    panels: Sequence[tuple[str, Paired, NDArray[np.float64]]], first: str, second: str,
    reach: float,
) -> str:  # fmt: skip
    """Per-clip differences of two systems: a dot a clip, the mean and its interval below.

    panels: score, comparison, differences (n,) second less first.  reach: the largest difference
    that has a place.
    """
    step = 0.5 if reach <= 2 else 1.0
    steps = max(1, math.ceil(reach / step))
    reach = steps * step
    height = 30 + 46.0 * len(panels)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value + reach) / (2 * reach)

    parts = [_text(LEFT, 16, f"\N{LEFTWARDS ARROW} {_short(first)} better", "side"),
             _text(WIDTH - RIGHT, 16, f"{_short(second)} better \N{RIGHTWARDS ARROW}", "side",
                   "end")]  # fmt: skip
    for tick in step * np.arange(-steps, steps + 1):
        shape = "grid" if tick else "zero"
        parts.append(f'<line class="{shape}" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="26" '
                     f'y2="{height}"/>')  # fmt: skip
        label = f"{tick:+.1f}" if tick else "0"
        parts.append(_text(x(tick), height + 16, label, "tick", "middle"))
    for i, (title, found, gap) in enumerate(panels):
        y = 30 + 46.0 * i
        parts.append(_text(LEFT - 12, y + 27, title, "name", "end"))
        for k, value in enumerate(gap[np.isfinite(gap)]):
            # neighbours in the order of clips lie at other heights, so that equal ones show
            parts.append(f'<circle class="clip h{i}" cx="{x(value):.1f}" '
                         f'cy="{y + 9 + 5 * (k % 3):.1f}" r="3.5"/>')  # fmt: skip
        parts.append(_dot(found.difference, x, y + 32, i, (-reach, reach)))
    return _svg(parts, height + 24, f"Differences between {first} and {second}, clip by clip")


def clock(second: float, longest: float = 0.0) -> str:
    """A time as people write it: 7.5 s, 1:05 or 1:02:05, the form fit for the longest."""
    if max(second, longest) < 60:
        return f"{second:.1f}".removesuffix(".0") + " s"
    whole = round(second)
    if max(second, longest) < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _curve(curve: Curve, x: Place, top: float) -> str:
    """One row of the timeline."""
    low, high = top + ROW - 12, top + 10

    def y(value: float) -> float:
        return low + (high - low) * (min(max(value, 1.0), 5.0) - 1) / 4

    parts = [_text(LEFT - 34, top + ROW / 2 + 4, curve.name, f"name c{curve.hue}", "end")]
    for level in (1, 3, 5):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level):.1f}" '
                     f'y2="{y(level):.1f}"/>')  # fmt: skip
        parts.append(_text(LEFT - 8, y(level) + 4, str(level), "tick", "end"))
    if curve.worst is not None and np.isfinite(curve.values).any():
        start, stop = (x(second) for second in curve.worst)
        width = max(stop - start, 2)
        parts.append(f'<rect class="worst" x="{start:.1f}" y="{high - 4:.1f}" '
                     f'width="{width:.1f}" height="{low - high + 8:.1f}"/>')  # fmt: skip
    for piece in _pieces(*_thinned(curve)):
        points = [(x(second), y(value)) for second, value in piece]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        area = f"{points[0][0]:.1f},{low:.1f} {line} {points[-1][0]:.1f},{low:.1f}"
        parts.append(f'<polygon class="area h{curve.hue}" points="{area}"/>'
                     f'<polyline class="line c{curve.hue}" points="{line}"/>')  # fmt: skip
    return "".join(parts)


def _thinned(curve: Curve) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spans and values, neighbours averaged where there are too many to draw."""
    every = math.ceil(len(curve.values) / MOST_POINTS)
    if every <= 1:
        return curve.spans, curve.values
    spans, values = [], []
    for start in range(0, len(curve.values), every):
        piece = slice(start, start + every)
        known = curve.values[piece][np.isfinite(curve.values[piece])]
        spans.append((curve.spans[piece, 0].min(), curve.spans[piece, 1].max()))
        values.append(known.mean() if len(known) else np.nan)
    return np.array(spans), np.array(values)


def _pieces(
    spans: NDArray[np.float64], values: NDArray[np.float64]
) -> list[list[tuple[float, float]]]:
    """Runs of (second, value) without a NaN: flat from a span's start to its first middle and
    from its last middle to the end, straight between middles."""
    pieces: list[list[tuple[float, float]]] = []
    known = np.isfinite(values)
    for i in range(len(values)):
        if not known[i]:
            continue
        start, stop = spans[i]
        if i == 0 or not known[i - 1]:
            pieces.append([(start, values[i])])
        pieces[-1].append(((start + stop) / 2, values[i]))
        if i == len(values) - 1 or not known[i + 1]:
            pieces[-1].append((stop, values[i]))
    return pieces


def _loudness(loudness: NDArray[np.floating], x: Place, top: float, seconds: float) -> str:
    """The sound as a band about its middle."""
    middle = top + SOUND_ROW / 2
    if not len(loudness):
        return _text((LEFT + WIDTH - RIGHT) / 2, middle + 4, "no sound", "tick", "middle")
    return _envelope(loudness, x(0), x(seconds), middle, SOUND_ROW / 2 - 4)


def _envelope(
    loudness: NDArray[np.floating], start: float, stop: float, middle: float, reach: float
) -> str:
    """Levels in dB as a band between two places."""
    levels = np.asarray(loudness, np.float64)
    every = math.ceil(len(levels) / (2 * MOST_POINTS))
    padded = np.pad(levels, (0, -len(levels) % every), constant_values=SOFTEST_DB)
    peaks = padded.reshape(-1, every).max(1)
    top = max(float(peaks.max()), SOFTEST_DB + DEPTH_DB)
    share = np.clip((peaks - top) / DEPTH_DB + 1, 0.15, 1) ** 2 * reach
    places = start + (np.arange(len(peaks)) + 0.5) * every / len(levels) * (stop - start)
    places = np.minimum(places, stop)
    upper = [f"{p:.1f},{middle - s:.1f}" for p, s in zip(places, share, strict=True)]
    lower = [f"{p:.1f},{middle + s:.1f}" for p, s in zip(places, share, strict=True)][::-1]
    return f'<polygon class="sound" points="{" ".join(upper + lower)}"/>'


def band(levels: NDArray[np.floating]) -> str:
    """Loudness in dB as a band over the whole width, to lie below pictures of the same time."""
    drawn = _envelope(levels, 0.0, WIDTH, 18.0, 16.0)
    return (f'<svg class="under" viewBox="0 0 {WIDTH:.0f} 36" preserveAspectRatio="none" '
            f'role="img" aria-label="loudness">{drawn}</svg>')  # fmt: skip


def _dot(found: Estimate, x: Place, y: float, hue: int, limits: tuple[float, float]) -> str:
    """A mean with its interval."""
    if not math.isfinite(found.mean):
        middle = x(sum(limits) / 2)
        return _text(middle, y + 4, "cannot be told", "tick", "middle")
    parts = []
    if math.isfinite(found.low):
        ends = [x(min(max(end, limits[0]), limits[1])) for end in (found.low, found.high)]
        parts.append(f'<line class="span c{hue % 6}" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" '
                     f'y1="{y:.1f}" y2="{y:.1f}"/>')  # fmt: skip
    at = x(min(max(found.mean, limits[0]), limits[1]))
    parts.append(f'<circle class="mean h{hue % 6}" cx="{at:.1f}" cy="{y:.1f}" r="5.5">'
                 f"<title>{found.mean:.2f}</title></circle>")  # fmt: skip
    return "".join(parts)


def _ticks(seconds: float) -> NDArray[np.float64]:
    step = next((t for t in TICKS if seconds / t <= 12), TICKS[-1])
    return np.arange(0, seconds + 1e-6, step)


def _short(name: str, longest: int = 18) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _text(x: float, y: float, text: str, shape: str, anchor: str = "start") -> str:
    return (f'<text class="{shape}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
            f"{escape(text)}</text>")  # fmt: skip


def _svg(parts: Sequence[str], height: float, label: str) -> str:
    return (f'<svg viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" '
            f'aria-label="{escape(label)}">{"".join(parts)}</svg>')  # fmt: skip
