"""One HTML page that tells a run: curves, the reward against what it does not see, pictures.

It holds everything it shows and opens without a network.
"""

import base64
import html
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from enliven.train.learner import plain
from enliven.train.monitor import Record

WIDTH, HEIGHT, LEFT, BOTTOM = 420, 190, 66, 24
COLOURS = ("#1667b7", "#d1495b", "#2e8b57", "#b8860b", "#6a4c93", "#444444", "#0f8b8d", "#c2185b")
MOST_CURVES = len(COLOURS)
SHEETS = 12  # shown at most: the first, the last, and some between

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1320px; padding: 0 1rem;
  color: #1c1c1c; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.charts { display: flex; flex-wrap: wrap; gap: 1.2rem; }
figure { margin: 0; } figcaption { font-weight: 600; font-size: .9rem; }
.key { font-size: .8rem; } .key span { margin-right: .8em; white-space: nowrap; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .15rem .7rem; text-align: right; border-bottom: 1px solid #e4e4e4; }
td:first-child, th:first-child { text-align: left; }
.why { background: #fff3cd; padding: .6rem 1rem; border-radius: 6px; }
img { max-width: 100%; display: block; margin-bottom: .8rem; }
pre { background: #f6f6f6; padding: 1rem; overflow: auto; font-size: .8rem; }
"""


def write_report(path: Path, config: Any, records: Sequence[Record],
                 evaluations: Sequence[Record], why: str) -> None:  # fmt: skip
    """Write the page of a run; pictures are taken from the folder `sheets` next to it."""
    _write(path, "Post-training", config, why, "Iteration", [
        f"<p>{len(records)} iterations, {len(evaluations)} evaluations.</p>",
        *_evaluated(evaluations),
        "<h2>Training</h2><div class='charts'>",
        chart("Reward", {"all": _curve(records, "reward")} | _named(records, "reward/")),
        chart("Spread within groups", _named(records, "spread/")),
        chart("Share of groups not ranked", _named(records, "equal/")),
        chart("Samples", {n: _curve(records, n) for n in ("invalid", "vetoed")}),
        chart("Samples vetoed by a gate", _named(records, "vetoed/")),
        chart("KL to the reference", {"KL": _curve(records, "KL")}),
        chart("Ratio", {n: _curve(records, n) for n in ("ratio least", "ratio", "ratio most")}),
        chart("Clipped", {n: _curve(records, n) for n in ("clipped above", "clipped below")}),
        chart("Length of velocities", {"of the reference's": _curve(records, "velocity growth")}),
        chart("Loss", {n: _curve(records, n) for n in ("loss", "flow error")}),
        chart("Gradient", {"norm": _curve(records, "gradient")}),
        chart("Gradient by noisy step", _named(records, "gradient/")),
        chart("Rollout against replay", _named(records, "gap/")),
        chart("Seconds of an iteration", _named(records, "time/")),
        chart("Seconds of workers", _named(records, "seconds/")),
        "</div>",
    ])  # fmt: skip


def write_pairs_report(path: Path, config: Any, records: Sequence[Record],
                       evaluations: Sequence[Record], why: str) -> None:  # fmt: skip
    """The same for a run over stored pairs, whose records are those of its updates, in order."""
    updates = [record | {"iteration": float(i + 1)} for i, record in enumerate(records)]
    _write(path, "Learning from pairs", config, why, "Update", [
        f"<p>{len(records)} updates, {len(evaluations)} evaluations.</p>",
        *(_evaluated(evaluations) if evaluations else []),
        "<h2>Training</h2><div class='charts'>",
        chart("Loss", {"loss": _curve(updates, "loss")}),
        chart("Implicit accuracy", {"of an update": _curve(updates, "implicit accuracy"),
                                    "between evaluations": _curve(evaluations,
                                                                  "implicit accuracy")}),
        chart("Margin", {"margin": _curve(updates, "margin")}),
        chart("Winners' own error", {"rise": _curve(updates, "winner's error, rise")}),
        chart("Gradient", {"norm": _curve(updates, "gradient")}),
        "</div>",
    ])  # fmt: skip


def _evaluated(evaluations: Sequence[Record]) -> list[str]:
    return [
        "<h2>Evaluations: held-out inputs, drawn as users draw</h2>", _table(evaluations),
        "<div class='charts'>",
        chart("Reward and what no reward sees",
              {name: _curve(evaluations, name) for name in ("reward", "held out")}),
        chart("Scores that moved most", _moving(_named(evaluations, "score/"))),
        chart("Pictures", _relative(_named(evaluations, "pictures/"))), "</div>",
    ]  # fmt: skip


def _write(path: Path, title: str, config: Any, why: str, step: str, parts: Sequence[str]) -> None:
    stopped = f"<p class='why'>Stopped: {html.escape(why)}</p>" if why else ""
    body = [
        f"<h1>{title}</h1>", stopped, *parts, "<h2>Pictures</h2>",
        *_sheets(path.parent / "sheets", step),
        f"<h2>Options</h2><pre>{html.escape(_lines(plain(config)))}</pre>",
    ]  # fmt: skip
    page = ("<!doctype html><html lang='en'><meta charset='utf-8'>"
            "<meta name='viewport' content='width=device-width, initial-scale=1'>"
            f"<title>{title}</title><style>{STYLE}</style><body>"
            + "\n".join(body) + "</body></html>")  # fmt: skip
    hidden = path.with_suffix(".part")
    hidden.write_text(page, "utf-8")
    hidden.replace(path)


Curve = list[tuple[float, float]]


def chart(title: str, curves: Mapping[str, Curve]) -> str:
    """A line chart as SVG; "" when there is nothing to draw."""
    shown = {name: curve for name, curve in curves.items() if curve}
    shown = dict(list(shown.items())[:MOST_CURVES])
    if not shown:
        return ""
    xs = [x for curve in shown.values() for x, _ in curve]
    ys = [y for curve in shown.values() for _, y in curve]
    (x0, x1), (y0, y1) = _range(xs), _range(ys)

    def at(x: float, y: float) -> str:
        across = LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - 8)
        return f"{across:.1f},{8 + (y1 - y) / (y1 - y0) * (HEIGHT - BOTTOM - 8):.1f}"

    lines = []
    for colour, curve in zip(COLOURS, shown.values(), strict=False):
        points = " ".join(at(x, y) for x, y in curve)
        lines.append(f"<polyline points='{points}' fill='none' stroke='{colour}' "
                     "stroke-width='1.6'/>")  # fmt: skip
        if len(curve) == 1:
            x, y = at(*curve[0]).split(",")
            lines.append(f"<circle cx='{x}' cy='{y}' r='3' fill='{colour}'/>")
    for value in (y0, (y0 + y1) / 2, y1):
        height = at(x0, value).split(",")[1]
        lines.append(f"<line x1='{LEFT}' x2='{WIDTH - 8}' y1='{height}' y2='{height}' "
                     "stroke='#e4e4e4'/>"
                     f"<text x='{LEFT - 5}' y='{float(height) + 4:.1f}' text-anchor='end' "
                     f"font-size='11' fill='#555'>{value:.4g}</text>")  # fmt: skip
    for value, anchor in ((x0, "start"), (x1, "end")):
        lines.append(f"<text x='{at(value, y0).split(',')[0]}' y='{HEIGHT - 6}' font-size='11' "
                     f"fill='#555' text-anchor='{anchor}'>{value:g}</text>")  # fmt: skip
    key = "".join(f"<span style='color:{colour}'>&#9632; {html.escape(name)}</span>"
                  for colour, name in zip(COLOURS, shown, strict=False))  # fmt: skip
    return (f"<figure><figcaption>{html.escape(title)}</figcaption>"
            f"<svg width='{WIDTH}' height='{HEIGHT}' role='img' "
            f"aria-label='{html.escape(title, quote=True)}'>{''.join(lines)}</svg>"
            f"<div class='key'>{key}</div></figure>")  # fmt: skip


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.5 * max(1e-9, abs(low)) if low == high else 0.0
    return low - room, high + room


def _curve(records: Sequence[Record], name: str) -> Curve:
    return [(r["iteration"], r[name]) for r in records if math.isfinite(r.get(name, math.nan))]


def _named(records: Sequence[Record], kind: str) -> dict[str, Curve]:
    names = dict.fromkeys(name for record in records for name in record if name.startswith(kind))
    return {name.removeprefix(kind): _curve(records, name) for name in names}


def _moving(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """Those that changed most first: a chart shows MOST_CURVES."""

    def change(curve: Curve) -> float:
        return max(y for _, y in curve) - min(y for _, y in curve)

    return dict(sorted(((n, c) for n, c in curves.items() if c), key=lambda one: -change(one[1])))


def _relative(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """Each as a multiple of where it began."""
    return {name: [(x, y / curve[0][1]) for x, y in curve]
            for name, curve in curves.items() if curve and curve[0][1]}  # fmt: skip


def _table(evaluations: Sequence[Record]) -> str:
    if not evaluations:
        return ""
    scores = dict.fromkeys(n for e in evaluations for n in e if n.startswith("score/"))
    names = ["reward", "held out", "invalid", "canary", *scores]
    shown = evaluations if len(evaluations) < 13 else [*evaluations[:6], *evaluations[-6:]]
    head = "".join(f"<th>{e['iteration']:g}</th>" for e in shown)
    rows = "".join(
        f"<tr><td>{html.escape(name.removeprefix('score/'))}</td>"
        + "".join(f"<td>{_number(e.get(name, math.nan))}</td>" for e in shown) + "</tr>"
        for name in names
    )  # fmt: skip
    return f"<table><tr><th>iteration</th>{head}</tr>{rows}</table>"


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "&ndash;"


def _sheets(folder: Path, step: str) -> list[str]:
    found = sorted(folder.glob("*.jpg"))
    if len(found) > SHEETS:
        steps = [round(i * (len(found) - 1) / (SHEETS - 1)) for i in range(SHEETS)]
        found = [found[i] for i in steps]
    return [f"<p>{step} {int(path.stem)}</p><img alt='samples of {step.lower()} {int(path.stem)}' "
            f"src='data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}'>"
            for path in found]  # fmt: skip


def _lines(options: Mapping[str, Any], depth: int = 0) -> str:
    made = []
    for name, value in options.items():
        if isinstance(value, Mapping):
            made.append("  " * depth + f"{name}:\n" + _lines(value, depth + 1))
        else:
            made.append("  " * depth + f"{name}: {value}")
    return "\n".join(made)
