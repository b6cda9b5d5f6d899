"""From measured rows to one score: how good each second is, and the worst of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enliven.reward.limits import LIMITS, Limit
from enliven.reward.measure import Row
from enliven.types import Score

Floats = NDArray[np.float64]

WORST_SHARE = 1 / 3  # of the seconds, the worst, make a value: a fault may not hide in the mean


def grade(values: Floats | float, limit: Limit) -> Floats:
    """How good values are: 1 up to `limit.good`, 0.5 at `limit.limit`, falling to 0 beyond.

    1 / (1 + t^2) of the distance t beyond `good`, in steps from there to the limit, in whichever
    direction that lies; NaN stays NaN.
    """
    step = (np.asarray(values, np.float64) - limit.good) / (limit.limit - limit.good)
    return np.asarray(1 / (1 + np.square(np.maximum(step, 0))))


@dataclass(frozen=True)
class Table:
    """Rows as columns."""

    rows: Sequence[Row]

    def __getitem__(self, name: str) -> Floats:
        return np.array([row.get(name, np.nan) for row in self.rows], np.float64)

    def span(self, i: int) -> tuple[float, float]:
        """Begin and end of a row, seconds."""
        start = float(self.rows[i]["start"])
        return start, start + float(self.rows[i]["seconds"])


def unknown(why: str) -> Score:
    """A score that could not be told."""
    return Score(float("nan"), 0.0, 1.0, valid=False, why=why)


@dataclass(frozen=True)
class Measure:
    """One measure within a check.  column: of the table; text: of its value, with {}; ratio: the
    column holds the logarithm of what is told."""

    column: str
    limits: tuple[str, ...]
    text: str
    ratio: bool = False

    def told(self, value: float) -> str:
        return self.text.format(float(np.exp(value)) if self.ratio else value)


def graded(table: Table, measures: Sequence[Measure], fine: str, nothing: str) -> Score:
    """The worst of some measures, second by second, over the worst third of the seconds.

    fine: what to say when nothing is wrong.  nothing: why it cannot be told.
    """
    grades = [np.fmin.reduce([grade(table[m.column], LIMITS[name]) for name in m.limits])
              for m in measures]  # fmt: skip
    return combined(table, measures, np.array(grades), fine, nothing)


def combined(
    table: Table, measures: Sequence[Measure], grades: Floats, fine: str, nothing: str
) -> Score:
    """grades: (measures, rows)."""
    known = np.isfinite(grades).any(0)
    if not known.any():
        return unknown(nothing)
    each = np.where(known, np.fmin.reduce(grades, axis=0), np.nan)
    value = worst_part(each)
    at = int(np.nanargmin(each))
    which = int(np.nanargmin(grades[:, at]))
    details = {m.column: float(np.nanmedian(table[m.column])) for m in measures
               if np.isfinite(table[m.column]).any()}  # fmt: skip
    if each[at] > 0.98:
        return Score(value, 0.0, 1.0, why=fine, details=details)
    seen = table[measures[which].column][at]
    return Score(value, 0.0, 1.0, why=measures[which].told(float(seen)),
                 worst_seconds=table.span(at), details=details)  # fmt: skip


def worst_part(grades: Floats) -> float:
    """Mean of the lowest third of what is known, one at least."""
    known = np.sort(grades[np.isfinite(grades)])
    return float(known[: max(1, round(WORST_SHARE * len(known)))].mean())
