"""The page of one video: its scores, where it is worst, and what could not be told."""

import math
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from enliven.reward.card import SAID, against_reference, checks, said, state
from enliven.reward.compose import quality
from enliven.reward.html import bar, document, listed, picture, table
from enliven.reward.judge import AXES
from enliven.reward.plots import Curve, band, clock, timeline
from enliven.reward.record import Record, Shot, Worst
from enliven.types import Score, Scorecard

MARKS = {"fine": "\N{CHECK MARK}", "limit": "!", "bad": "\N{MULTIPLICATION X}", "unknown": "?"}
FAULTLESS = 4.5  # marks from here on need no pictures
LOUD_DB = 30.0  # of the loudest moment; softer is hardly speech

# What no scorecard can tell, whatever the video.
LIMITS = (
    "Scores are a model's estimate of what viewers would say, not a poll of viewers; a difference "
    "of a few tenths between two videos is no difference. Compare systems over many clips.",
    "Whether the words on the lips are the words heard is told from how mouth and sound move "
    "together, not by reading them.",
    "Whether the person shown agreed to it, or ever said it, cannot be told from a video.",
)


def video_page(name: str, card: Scorecard, record: Record, portrait: str = "") -> str:
    """One self-contained HTML page.  name: of the video; portrait: of the photo, if any."""
    body = [
        f"<h1>{escape(name)}</h1>",
        f'<p class="soft">{escape(facts_line(record))}</p>',
        *(f"<p>{escape(_sentence(note))}</p>" for note in card.notes),
        '<div class="axes">',
        *(_axis(i, axis, card.scores[axis]) for i, axis in enumerate(AXES)),
        "</div>",
        "<h2>Over time</h2>",
        f'<figure class="wide">{timeline(curves(card, record), record.loudness, record.seconds)}'
        "</figure>",
        '<p><small>1 is bad, 5 as real. Framed: where it is worst. Gaps: could not be '
        "judged.</small></p>",
        *_worst_windows(record),
        "<h2>Checks</h2>",
        checks_table(checks(card)),
        "<p><small>0 to 1: 1 is as in videos of real people, the line at 0.5 is where a viewer "
        "would object.</small></p>",
    ]  # fmt: skip
    if real := against_reference(card):
        body += ["<h2>Against the real video</h2>", _reference_table(real)]
    body += ["<h2>The video as a whole</h2>", strip(record.even, name)]
    body += ["<h2>What was measured</h2>", listed(_facts(name, card, record, portrait))]
    body += ["<h2>What cannot be told</h2>", _unknown(card)]
    return document(f"{name}: scorecard", body)


def facts_line(record: Record) -> str:
    """Length, size and rate."""
    width, height = record.size
    return (f"{clock(record.seconds)}, {width} \N{MULTIPLICATION SIGN} {height} px, "
            f"{record.fps:.2f}".rstrip("0").rstrip(".") + " frames a second")  # fmt: skip


def curves(card: Scorecard, record: Record) -> list[Curve]:
    """The marks of each axis over time."""
    found = []
    for i, axis in enumerate(AXES):
        own = sorted((m for m in record.marks if m.axis == axis), key=lambda m: m.start)
        spans = np.array([(m.start, m.stop) for m in own], np.float64).reshape(-1, 2)
        values = np.array([m.value for m in own], np.float64)
        score = card.scores[axis]
        worst = score.worst_seconds if has_worst(score) else None
        found.append(Curve(said(axis), i, spans, values, worst))
    return found


def checks_table(scores: dict[str, Score]) -> str:
    """State, name, value as a bar, and the sentence; the worst first, the unknown last."""
    rows = []
    for name, score in sorted(scores.items(), key=lambda item: _order(item[1])):
        kind, share = state(score), quality(score)
        value = "" if math.isnan(share) else f"{score.value:.2f}"
        where = f" <small>(worst {escape(span(score))})</small>" if score.worst_seconds else ""
        rows.append([
            f'<span class="state {kind}">{MARKS[kind]} {SAID[kind]}</span>',
            f"<b>{escape(said(name))}</b>", value,
            bar(share, limit=True, hue=f"s-{kind} in-row") if value else "",
            escape(_sentence(score.why)) + where,
        ])  # fmt: skip
    return table(("", "check", "score", "", ""), rows, numbers=(2,), shape="stacked")


def strip(shots: Sequence[Shot], name: str) -> str:
    """Moments side by side, the mouth below each."""
    cells = []
    for shot in shots:
        when = clock(shot.second)
        scene = picture(shot.scene, f"{name} at {when}")
        mouth = picture(shot.mouth, f"mouth at {when}") if shot.mouth else ""
        cells.append(f'<figure class="shot">{scene}{mouth}<figcaption>{when}</figcaption></figure>')
    return f'<div class="strip">{"".join(cells)}</div>'


def span(score: Score) -> str:
    """From when to when a score is worst."""
    if score.worst_seconds is None:
        return ""
    start, stop = score.worst_seconds
    return f"{clock(start, stop).removesuffix(' s')} to {clock(stop)}"


def has_worst(score: Score) -> bool:
    """Whether the worst seconds of an axis are worth a look."""
    return score.worst_seconds is not None and score.value < FAULTLESS


def _order(score: Score) -> float:
    share = quality(score)
    return 2.0 if math.isnan(share) else share


def _axis(i: int, axis: str, score: Score) -> str:
    """One of the three large numbers."""
    known = score.valid and math.isfinite(score.value)
    value = (f'<div class="value">{score.value:.1f} <small class="soft">of 5</small></div>'
             if known else '<div class="value unknown">?</div>')  # fmt: skip
    worst = f"Worst {span(score)}. " if known and has_worst(score) else ""
    why = score.why if known else f"Cannot be told: {score.why}"
    share = quality(score) if known else math.nan
    return (f'<section class="axis k{i}"><h2>{escape(said(axis).capitalize())}</h2>{value}'
            f'{bar(share)}<p>{escape(_sentence(why))} '
            f'<span class="soft">{escape(worst)}</span></p></section>')  # fmt: skip


def _worst_windows(record: Record) -> Iterable[str]:
    """Pictures, mouths and sound of where each axis is worst."""
    faulty = [(i, axis, held) for i, axis in enumerate(AXES)
              if (held := record.worst.get(axis)) and held.mark.value < FAULTLESS]  # fmt: skip
    if record.worst:
        yield "<h2>Where it is worst</h2>"
        if not faulty:
            yield f"<p>No window has a mark below {FAULTLESS:g}.</p>"
    for i, axis, held in faulty:
        yield _window(i, axis, held)


def _window(i: int, axis: str, held: Worst) -> str:
    mark = held.mark
    when = f"{clock(mark.start, mark.stop).removesuffix(' s')} to {clock(mark.stop)}"
    parts = [f'<h3 class="k{i}">{escape(said(axis).capitalize())}, {when}: {mark.value:.1f}</h3>',
             f"<p>{escape(_sentence(mark.why))}</p>", _scenes(held.shots, axis)]  # fmt: skip
    if held.mouths:
        parts.append(picture(held.mouths, f"the mouth from {when}", "mouths"))
        if len(held.levels):
            parts.append(band(held.levels))
    return f'<figure class="window">{"".join(parts)}</figure>'


def _scenes(shots: Sequence[Shot], axis: str) -> str:
    cells = "".join(f'<figure class="shot">{picture(shot.scene, said(axis))}<figcaption>'
                    f"{clock(shot.second)}</figcaption></figure>" for shot in shots)  # fmt: skip
    return f'<div class="strip">{cells}</div>'


def _reference_table(scores: dict[str, Score]) -> str:
    rows = [[f"<b>{escape(said(name))}</b>",
             f"{score.value:.2f}" if score.valid else SAID["unknown"],
             escape(_sentence(score.why))] for name, score in scores.items()]  # fmt: skip
    return table(("", "value", ""), rows, numbers=(1,))


def _facts(name: str, card: Scorecard, record: Record, portrait: str) -> Iterable[tuple[str, str]]:
    yield "video", name
    yield "photo", portrait or "none was given; what needs one cannot be told"
    yield "picture", facts_line(record)
    loud = speaking(record.loudness)
    heard = f"within {LOUD_DB:.0f} dB of its loudest moment for {loud:.0%} of the time"
    yield "sound", heard if len(record.loudness) else "none"
    yield "judge", card.judge
    yield "judged at", "25 frames a second, sound at 16 kHz, in windows as drawn above"


def speaking(loudness: NDArray[np.floating], within_db: float = LOUD_DB) -> float:
    """Share of the time within so many dB of the loudest moment."""
    levels = np.asarray(loudness, np.float64)
    return float((levels > levels.max() - within_db).mean()) if len(levels) else 0.0


def _unknown(card: Scorecard) -> str:
    items = [f"<li><b>{escape(said(name))}</b>: {escape(score.why)}</li>"
             for name, score in card.scores.items()
             if not (score.valid and math.isfinite(score.value))]  # fmt: skip
    return f"<ul>{''.join(items)}{''.join(f'<li>{escape(text)}</li>' for text in LIMITS)}</ul>"


def _sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = text.strip()
    return text and text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")
