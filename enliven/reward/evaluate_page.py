"""The page of a comparison of systems: means, tests, plots, and the clips side by side."""

import math
from collections.abc import Iterable
from html import escape

import numpy as np

from enliven.reward.card import LIMIT, said
from enliven.reward.evaluate import Comparison, Evaluation
from enliven.reward.html import document, listed, table
from enliven.reward.judge import AXES, HIGHEST, LOWEST
from enliven.reward.page import LIMITS, strip
from enliven.reward.plots import differences, intervals
from enliven.reward.statistics import LEVEL, Estimate, Paired

SURE = 0.05  # corrected p below which a difference is said to be one
# With six, even if all agree, p is 2 / 2^6, and 3 times that after Holm
LEAST_CLIPS = 7
MOST_SHEETS = 24  # clips shown in pictures, those the systems differ on first
MOST_PAIRS = 6  # comparisons drawn; the table has all


def evaluation_page(found: Evaluation) -> str:
    """One self-contained HTML page."""
    pairs = found.comparisons()
    title = " against ".join(found.systems) if len(found.systems) < 4 else (
        f"{len(found.systems)} systems compared")  # fmt: skip
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{len(found.clips)} clips, judged by {escape(found.judge)}</p>',
        *_verdicts(pairs),
        "<h2>Means</h2>",
        f'<figure class="wide">{_dots(found)}</figure>',
        _means(found, list(AXES)),
        f"<p><small>1 to 5, 5 is as real; mean over clips and {LEVEL:.0%} interval.</small></p>",
    ]  # fmt: skip
    if pairs:
        body += ["<h2>Clip by clip</h2>", *_plots(found, pairs), _tests(pairs)]
        body.append(
            "<p><small>Difference: second less first, on the clips both have. Wins: share of "
            "clips on which the second is better, ties half. p: two-sided paired permutation "
            "test; corrected after Holm over the axes of a pair.</small></p>"
        )
    names = [name for name in found.names() if name not in AXES]
    if names:
        body += ["<h2>Checks</h2>", _means(found, names), "<p><small>0 to 1; 1 is as in videos of "
                 "real people, below 0.5 (marked) a viewer would object.</small></p>"]  # fmt: skip
    body += _nearness(found)
    body += ["<h2>Side by side</h2>", *_sheets(found)]
    body += ["<h2>Every clip</h2>", _every_clip(found)]
    if found.left_out:
        rows = [[escape(part) for part in row] for row in found.left_out]
        body += ["<h2>Left out</h2>", "<p>A comparison of two systems uses only the clips that "
                 "both have.</p>", table(("system", "clip", "why"), rows)]  # fmt: skip
    body += ["<h2>What was measured</h2>", listed(_facts(found))]
    body.append("<ul>" + "".join(f"<li>{escape(text)}</li>" for text in LIMITS) + "</ul>")
    return document(title, body)


def verdict(one: Comparison, axis: str) -> str:
    """One sentence on an axis of a comparison."""
    found, p = one.axes[axis], one.corrected[axis]
    gap = found.difference
    if math.isnan(gap.mean):
        return f"{said(axis)}: {one.first} and {one.second} have no clip in common that was judged"
    better, worse = (one.second, one.first) if gap.mean > 0 else (one.first, one.second)
    if gap.count < LEAST_CLIPS:
        return (f"{said(axis)}: {gap.count} clips of {one.first} and {one.second} are too few to "
                f"tell ({gap.mean:+.2f}; {LEAST_CLIPS} are needed)")  # fmt: skip
    if math.isnan(p) or p >= SURE:
        return (f"{said(axis)}: no sure difference between {one.first} and {one.second} "
                f"({gap.mean:+.2f}, p {p_text(p)}, {gap.count} clips)")  # fmt: skip
    wins = found.wins if gap.mean > 0 else 1 - found.wins
    return (f"{said(axis)}: {better} is better than {worse} by {abs(gap.mean):.2f}, on "
            f"{wins:.0%} of {gap.count} clips (p {p_text(p)})")  # fmt: skip


def p_text(p: float) -> str:
    """A p value as it is written."""
    if math.isnan(p):
        return "\N{EN DASH}"
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def interval_text(found: Estimate, sign: str = "") -> str:
    """A mean with its interval."""
    if math.isnan(found.mean):
        return "\N{EN DASH}"
    text = f"{found.mean:{sign}.2f}"
    if math.isnan(found.low):
        return text
    return f"{text} ({found.low:{sign}.2f} to {found.high:{sign}.2f})"


def _verdicts(pairs: list[Comparison]) -> Iterable[str]:
    if 0 < len(pairs) <= MOST_PAIRS:
        lines = [verdict(one, axis) for one in pairs for axis in AXES]
        items = "".join(f"<li>{escape(line[0].upper() + line[1:])}.</li>" for line in lines)
        yield f"<ul>{items}</ul>"


def _dots(found: Evaluation) -> str:
    panels = [(said(axis), [found.mean(system, axis) for system in found.systems])
              for axis in AXES]  # fmt: skip
    return intervals(found.systems, panels, LOWEST, HIGHEST)


def _plots(found: Evaluation, pairs: list[Comparison]) -> Iterable[str]:
    gaps = {(one.first, one.second, axis): found.values(one.second, axis)
            - found.values(one.first, axis) for one in pairs for axis in AXES}  # fmt: skip
    known = [np.abs(gap[np.isfinite(gap)]).max(initial=0.0) for gap in gaps.values()]
    for one in pairs[:MOST_PAIRS]:
        panels = [(said(axis), one.axes[axis], gaps[one.first, one.second, axis])
                  for axis in AXES]  # fmt: skip
        yield f"<h3>{escape(one.first)} and {escape(one.second)}</h3>"
        drawn = differences(panels, one.first, one.second, float(max(known)))
        yield f'<figure class="wide">{drawn}</figure>'
    if len(pairs) > MOST_PAIRS:
        yield f"<p><small>The first {MOST_PAIRS} of {len(pairs)} pairs are drawn.</small></p>"


def _means(found: Evaluation, names: list[str]) -> str:
    """A row a score, a column a system."""
    rows = []
    for name in names:
        cells = [f"<b>{escape(said(name))}</b>"]
        for system in found.systems:
            mean = found.mean(system, name)
            text = escape(interval_text(mean))
            low = name not in AXES and not name.startswith("reference_") and mean.mean < LIMIT
            cells.append(f'<span class="bad">{text}</span>' if low else text)
        rows.append(cells)
    head = ["", *(escape(system) for system in found.systems)]
    return table(head, rows, numbers=range(1, len(head)))


def _nearness(found: Evaluation) -> Iterable[str]:
    """Closeness of every system's habits to those of the real videos."""
    rows, ceiling = [], math.nan
    for system in found.systems:
        near = found.closeness(system)
        if near is None or system == found.real:
            continue
        ceiling = near.ceiling
        known = {name: value for name, value in near.scores.items() if math.isfinite(value)}
        least = ", ".join(f"{said(name)} {known[name]:.2f}"
                          for name in sorted(known, key=lambda name: known[name])[:3])  # fmt: skip
        spread = interval_text(Estimate(near.score, near.low, near.high, near.videos[1]))
        rows.append([f"<b>{escape(system)}</b>", escape(spread), escape(least)])
    if rows:
        reach = "" if math.isnan(ceiling) else f" Real ones reach {ceiling:.2f} among themselves."
        yield "<h2>Closeness to the real videos</h2>"
        yield table(("system", "closeness", "least"), rows, numbers=(1,))
        yield ("<p><small>1 - |difference| / real of ten habits of movement, on the clips both "
               f"have; 1 is as the real ones.{reach}</small></p>")  # fmt: skip


def _tests(pairs: list[Comparison]) -> str:
    head = ("first", "second", "axis", "difference", "wins of second", "clips", "p", "p corrected")
    rows = []
    for one in pairs:
        for axis in AXES:
            result: Paired = one.axes[axis]
            p = one.corrected[axis]
            sure = f"<b>{p_text(p)}</b>" if p < SURE else p_text(p)
            wins = "" if math.isnan(result.wins) else f"{result.wins:.0%}"
            rows.append([escape(one.first), escape(one.second), said(axis),
                         escape(interval_text(result.difference, "+")), wins,
                         str(result.difference.count), p_text(result.p), sure])  # fmt: skip
    return table(head, rows, numbers=range(3, 8))


def _sheets(found: Evaluation) -> Iterable[str]:
    """Clips in pictures, those the systems differ on most first."""
    yield ("<p><small>Below each name: lip-sync, expressiveness, motion. The same moments of "
           "all.</small></p>")  # fmt: skip
    apart = {clip: _apart(found, i) for i, clip in enumerate(found.clips)}
    chosen = sorted(found.clips, key=lambda clip: -apart[clip])[:MOST_SHEETS]
    if len(chosen) < len(found.clips):
        yield (f"<p><small>The {len(chosen)} of {len(found.clips)} clips on which the systems "
               "differ most.</small></p>")  # fmt: skip
    for clip in chosen:
        yield f"<h3>{escape(clip)}</h3>"
        for system in found.systems:
            if one := found.judged.get((system, clip)):
                marks = ", ".join(_value(one.card.scores[axis].value) for axis in AXES)
                label = f"{escape(system)}<br><small>{marks}</small>"
                pictures = strip(one.record.even, f"{system}, {clip}")
                yield f'<div class="sheet"><b>{label}</b>{pictures}</div>'


def _apart(found: Evaluation, clip: int) -> float:
    """How far systems lie apart on a clip, summed over the axes."""
    total = 0.0
    for axis in AXES:
        values = np.array([found.values(system, axis)[clip] for system in found.systems])
        known = values[np.isfinite(values)]
        total += float(np.ptp(known)) if len(known) else 0.0
    return total


def _every_clip(found: Evaluation) -> str:
    rows = []
    for clip in found.clips:
        for system in found.systems:
            if one := found.judged.get((system, clip)):
                scores = one.card.scores
                rows.append([escape(clip), escape(system),
                             *(_value(scores[axis].value) for axis in AXES),
                             "; ".join(escape(note) for note in one.card.notes)])  # fmt: skip
    inside = table(("clip", "system", *map(said, AXES), "remarks"), rows, numbers=(2, 3, 4))
    return f"<details><summary>{len(rows)} scorecards</summary>{inside}</details>"


def _value(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "?"


def _facts(found: Evaluation) -> Iterable[tuple[str, str]]:
    yield "judge", found.judge
    for system in found.systems:
        count = sum(1 for owner, _ in found.judged if owner == system)
        yield system, f"{count} of {len(found.clips)} clips"
    yield "intervals", f"bootstrap of the mean over clips, {LEVEL:.0%}, seed {found.seed}"
    yield "clips", ("taken as independent of each other; where several show one person or one "
                    "voice, intervals and p values are too small")  # fmt: skip
