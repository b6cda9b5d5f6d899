"""Curves of runs as one SVG: the reward of each on people it did not learn from, and beside it
what no reward sees."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

WIDTH, HEIGHT, LEFT, TOP, GAP = 230, 150, 46, 44, 34
PANELS = {"reward": "its own reward", "score/agreement": "held-out meter",
          "score/expressiveness": "expressiveness", "score/motion": "motion"}  # fmt: skip
COLOURS = ("#1667b7", "#d1495b", "#2e8b57", "#b8860b", "#6a4c93")

Runs = Mapping[str, Sequence[Sequence[Mapping[str, float]]]]  # name -> seed -> evaluations


def mean_curve(seeds: Sequence[Sequence[Mapping[str, float]]], column: str
               ) -> list[tuple[float, float]]:  # fmt: skip
    """Change since the first evaluation, the mean over seeds, at every evaluation."""
    points = []
    for at in range(min((len(seed) for seed in seeds), default=0)):
        gained = [seed[at].get(column, math.nan) - seed[0].get(column, math.nan) for seed in seeds]
        if np.isfinite(gained).all():
            points.append((seeds[0][at]["iteration"], float(np.mean(gained))))
    return points


def write_curves(path: Path, runs: Runs) -> None:
    """A panel a measure, a line a way of training."""
    width = LEFT + len(PANELS) * (WIDTH + GAP)
    parts = [f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{HEIGHT + 110}' "
             "font-family='sans-serif' font-size='12'>"
             f"<rect width='100%' height='100%' fill='white'/>"]  # fmt: skip
    for number, (column, title) in enumerate(PANELS.items()):
        curves = {name: mean_curve(seeds, column) for name, seeds in runs.items()}
        parts.append(_panel(LEFT + number * (WIDTH + GAP), title, curves))
    for number, name in enumerate(runs):
        x = LEFT + 150 * number
        parts.append(f"<rect x='{x}' y='{HEIGHT + 84}' width='12' height='12' "
                     f"fill='{COLOURS[number]}'/><text x='{x + 18}' y='{HEIGHT + 95}'>"
                     f"{escape(name)}</text>")  # fmt: skip
    path.write_text("".join(parts) + "</svg>", "utf-8")


def _panel(left: int, title: str, curves: Mapping[str, list[tuple[float, float]]]) -> str:
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return ""
    last = max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    room = 0.05 * (high - low) or 0.01
    low, high = low - room, high + room

    def place(x: float, y: float) -> str:
        return (f"{left + x / last * (WIDTH - 30):.1f},"
                f"{TOP + (high - y) / (high - low) * HEIGHT:.1f}")  # fmt: skip

    parts = [f"<text x='{left}' y='24' font-weight='bold'>{escape(title)}, change</text>"]
    for value in (low + room, 0.0, high - room):
        height = float(place(0, value).split(",")[1]) + 4
        parts.append(f"<polyline points='{place(0, value)} {place(last, value)}' stroke='#ddd'/>"
                     f"<text x='{left - 4}' y='{height:.1f}' text-anchor='end' fill='#555' "
                     f"font-size='10'>{value:+.3f}</text>")  # fmt: skip
    parts.append(f"<text x='{left}' y='{TOP + HEIGHT + 18}' fill='#555'>0</text>"
                 f"<text x='{left + WIDTH - 30}' y='{TOP + HEIGHT + 18}' text-anchor='end' "
                 f"fill='#555'>iteration {last:g}</text>")  # fmt: skip
    for colour, curve in zip(COLOURS, curves.values(), strict=False):
        line = " ".join(place(x, y) for x, y in curve)
        parts.append(f"<polyline points='{line}' fill='none' stroke='{colour}' stroke-width='2'/>")
    return "".join(parts)
