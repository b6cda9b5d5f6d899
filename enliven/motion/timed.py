"""Control tracks: what is asked of a face, changing over time, from a .csv or .json file.

A file sets controls either at moments, between which values go linearly and beyond which the
first and the last hold, or (JSON only) for stretches from one time to another, outside of which
the option of the run holds.  Every curve is then averaged over a short window around each frame
(`mean_around`), so that nothing jumps: a step becomes a ramp as long as the window, a straight
line stays as it is.  The format for users: docs/controls.md.
"""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption
from enliven.media.files import input_file
from enliven.motion.emotion import EMOTIONS
from enliven.motion.options import (
    LIMITS,
    check_number,
    gaze_radians,
    parse_emotion,
    parse_gaze,
    suggestion,
)
from enliven.types import MOTION_FPS

RAMP_SECONDS = 0.2
TOUCH_SECONDS = 1e-3  # by which stretches may overlap that are meant to touch
EMOTION_RAMP_SECONDS = 0.6  # of a stretch: faces take about as long to break into a smile

INSTANT = 1e-6  # seconds in which a curve steps rather than rises
LONGEST_SECONDS = 24 * 3600.0
MOST_BYTES = 32 * 2**20  # three hours of six controls in every frame take 11

NAMES = (*LIMITS, "gaze", "emotion")
# What one control of a file sets, where that is not a curve of the same name.
REGIONS_OF = {"expression": ("brows", "eyes"), "head_motion": ("head",)}


@dataclass(frozen=True)
class ControlTrack:
    """Curves by key: mouth, brows, eyes, head, speed, blink_rate, gaze_yaw, gaze_pitch (rad) and
    the EMOTIONS.  A key is in one of the two at most; NaN is free.

    moments: (seconds, value), times rising.  stretches: (from, to, value), in order, apart.
    """

    moments: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    stretches: Mapping[str, tuple[tuple[float, float, float], ...]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """From when on nothing changes any more."""
        last = [times[-1][0] + RAMP_SECONDS for times in self.moments.values()]
        last += [times[-1][1] + EMOTION_RAMP_SECONDS for times in self.stretches.values()]
        return max(last, default=0.0)

    def curve(self, key: str, base: float, frames: int) -> NDArray[np.float32]:
        """Values of a key (frames,) at 25 Hz; base: the value where the track says nothing."""
        if key in self.moments:
            knots = list(_holding(self.moments[key]))
            window = RAMP_SECONDS
        elif key in self.stretches:
            knots = list(_between(self.stretches[key], base))
            window = EMOTION_RAMP_SECONDS if key in EMOTIONS else RAMP_SECONDS
        else:
            return np.full(frames, base, np.float32)
        times, values = np.array(knots).T
        at = np.arange(frames) / MOTION_FPS
        return mean_around(times, values, window, at).astype(np.float32)


def _holding(moments: tuple[tuple[float, float], ...]) -> Iterator[tuple[float, float]]:
    """Knots of a curve through moments; a value before or after a free one holds until there."""
    before = moments[0][1]
    for seconds, value in moments:
        if math.isnan(value) != math.isnan(before):
            yield seconds, before
        yield seconds, value
        before = value


def _between(
    stretches: tuple[tuple[float, float, float], ...], base: float
) -> Iterator[tuple[float, float]]:
    """Knots of a curve that is `base` outside the stretches."""
    end = 0.0
    for start, stop, value in stretches:
        start, end = max(start, end), max(stop, end)
        yield from ((start, base), (start, value), (end, value), (end, base))


def mean_around(
    times: NDArray[np.float64], values: NDArray[np.float64], window: float, at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean over at - window / 2 to at + window / 2 of a curve, exact; (T,).

    times, values: (K,) knots, times not falling; linear between two, constant beyond the ends,
    and a step where two times are equal.  Where the curve is NaN the result is, and the mean is
    over the rest.
    """
    ends = (min(times[0], at[0] - window), max(times[-1], at[-1] + window))
    times = np.concatenate([ends[:1], times, ends[1:]])
    values = np.concatenate([values[:1], values, values[-1:]])
    step = np.diff(times)
    known = np.isfinite(values[:-1]) & np.isfinite(values[1:])
    left = np.where(known, values[:-1], 0.0)
    slope = np.divide(np.where(known, values[1:], 0.0) - left, step, where=step > INSTANT,
                      out=np.zeros_like(step))  # fmt: skip

    def span(moment: NDArray[np.float64]) -> NDArray[np.intp]:
        return np.clip(np.searchsorted(times, moment, "right") - 1, 0, len(step) - 1)

    def integral(moment: NDArray[np.float64], height: NDArray, rise: NDArray) -> NDArray:
        before = np.concatenate([[0.0], np.cumsum(height * step + rise * step**2 / 2)])
        which = span(moment)
        past = moment - times[which]
        return before[which] + height[which] * past + rise[which] * past**2 / 2

    def around(height: NDArray, rise: NDArray) -> NDArray:
        return integral(at + window / 2, height, rise) - integral(at - window / 2, height, rise)

    share = around(known.astype(np.float64), np.zeros_like(step))
    here = known[span(at)]
    mean = np.divide(around(left, slope), share, where=here, out=np.full(len(at), np.nan))
    if not known.any():
        return mean
    return mean.clip(np.nanmin(values), np.nanmax(values))


@dataclass(frozen=True)
class _Entry:
    """A line or entry of a file.  where: how to name it to its author.  stop: NaN of a moment."""

    where: str
    start: float
    stop: float
    values: Mapping[str, float]

    @property
    def lasts(self) -> bool:
        return not math.isnan(self.stop)


def read_control(path: str | Path) -> ControlTrack:
    """A control track from a .csv or .json file, see docs/controls.md.

    Raises BadMedia when the file cannot be opened or is empty, BadOption, naming line or entry,
    for whatever in it is wrong.
    """
    path = input_file(path)
    readers = {".csv": _csv_entries, ".json": _json_entries}
    if path.suffix.lower() not in readers:
        raise BadOption(f"{path} is no control track; give a .csv or a .json file")
    if path.stat().st_size > MOST_BYTES:
        raise BadOption(f"{path} has {path.stat().st_size / 2**20:.0f} MiB; a control track has at "
                        f"most {MOST_BYTES / 2**20:.0f}, give fewer moments")  # fmt: skip
    try:
        text = path.read_bytes().decode("utf-8-sig")
        entries = list(readers[path.suffix.lower()](text))
        if not entries:
            raise BadOption("sets nothing; give at least one moment")
        return _track(entries)
    except UnicodeDecodeError as error:
        raise BadOption(f"{path} is not text in UTF-8 (byte {error.start}); save it as such "
                        "again") from error  # fmt: skip
    except BadOption as error:
        raise BadOption(f"{path}: {error}") from error


def _track(entries: list[_Entry]) -> ControlTrack:
    """The entries in the order of the file, sorted by key and checked against one another."""
    moments: dict[str, list[_Entry]] = {}
    stretches: dict[str, list[_Entry]] = {}
    last: _Entry | None = None
    for entry in entries:
        if not entry.lasts:
            if last and entry.start <= last.start:
                raise BadOption(f"{entry.where}: time {entry.start:g} s does not come after "
                                f"{last.start:g} s of {last.where}; put the moments in "
                                "order")  # fmt: skip
            last = entry
        kind, other = (stretches, moments) if entry.lasts else (moments, stretches)
        for key in entry.values:
            if key in other:
                raise BadOption(f"{entry.where}: {key} is set at moments and from one time to "
                                f"another (see {other[key][0].where}); choose one")  # fmt: skip
            kind.setdefault(key, []).append(entry)
    for key, some in stretches.items():
        some.sort(key=lambda entry: entry.start)
        for one, two in pairwise(some):
            if two.start < one.stop - TOUCH_SECONDS:
                raise BadOption(f"{two.where}: {key} is set from {two.start:g} s, but until "
                                f"{one.stop:g} s by {one.where}; let one end before the other "
                                "begins")  # fmt: skip
    return ControlTrack(
        {key: tuple((e.start, e.values[key]) for e in some) for key, some in moments.items()},
        {key: tuple((e.start, e.stop, e.values[key]) for e in some)
         for key, some in stretches.items()},
    )  # fmt: skip


def _csv_entries(text: str) -> Iterator[_Entry]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names: list[str] = []
    try:
        for row in reader:
            where = f"line {reader.line_num}"
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if not names:
                names = _checked_header(cells, where)
                continue
            if len(cells) != len(names):
                raise BadOption(f"{where} has {len(cells)} columns, the header {len(names)}; leave "
                                'a cell empty where nothing is set, and write "20,-5" with the '
                                "quotes")  # fmt: skip
            given = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
            start = _seconds(given.pop("time", None), "time", where)
            yield _Entry(where, start, math.nan, _values(given.items(), where))
    except csv.Error as error:
        raise BadOption(f"line {reader.line_num} is no CSV ({error}); check its quotes") from error


def _checked_header(cells: list[str], where: str) -> list[str]:
    if len(cells) == 1 and len(cells[0].split(";")) > 1:
        raise BadOption(f"{where}: columns are separated by semicolons; separate them by commas")
    if "time" not in cells:
        raise BadOption(f"{where} has no column time; begin with a header such as time,mouth,happy")
    for name in cells:
        if name != "time":
            _check_name(name, where)
        if cells.count(name) > 1:
            raise BadOption(f"{where}: two columns are named {name}; leave one out")
    return cells


def _json_entries(text: str) -> Iterator[_Entry]:
    try:
        # objects become tuples of pairs, which shows names given twice
        content = json.loads(text, object_pairs_hook=tuple)
    except json.JSONDecodeError as error:
        raise BadOption(f"line {error.lineno} is no JSON ({error.msg}); write a list such as "
                        '[{"time": 0, "happy": 0.6}]') from error  # fmt: skip
    except (ValueError, RecursionError) as error:
        raise BadOption(f"is no JSON that can be read ({error})") from error
    if not isinstance(content, list):
        raise BadOption('is not a list; write [{"time": 0, "happy": 0.6}, ...]')
    for number, entry in enumerate(content, 1):
        where = f"entry {number}"
        if not isinstance(entry, tuple):
            raise BadOption(
                f'{where} is {json.dumps(entry)[:40]}; write {{"time": 0, "happy": 0.6}}'
            )
        given = {name: value for name, value in entry if value is not None}
        if len(dict(entry)) < len(entry):
            twice, _ = Counter(name for name, _ in entry).most_common(1)[0]
            raise BadOption(f"{where}: {twice} is given twice; leave one out")
        if ("time" in given) == ("from" in given or "to" in given):
            raise BadOption(f"{where} needs either a time, or from and to, in seconds")
        if "time" in given:
            start, stop = _seconds(given.pop("time"), "time", where), math.nan
        else:
            start = _seconds(given.pop("from", None), "from", where)
            stop = _seconds(given.pop("to", None), "to", where)
            if not start < stop:
                raise BadOption(f"{where}: it lasts from {start:g} to {stop:g} s; let it end after "
                                "it begins")  # fmt: skip
        yield _Entry(where, start, stop, _values(given.items(), where))


def _seconds(value: object, name: str, where: str) -> float:
    """A time in seconds, from the text of a cell or a JSON value."""
    if value is None:
        raise BadOption(f"{where}: {name} is missing; give it in seconds")
    number = _number(value)
    if number is None or not 0 <= number <= LONGEST_SECONDS:
        raise BadOption(f"{where}: {name} is {value}; give seconds from 0 to {LONGEST_SECONDS:.0f}")
    return float(number)


def _number(value: object) -> float | int | None:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _check_name(name: str, where: str) -> None:
    if name not in NAMES:
        raise BadOption(f'{where}: control "{name}" is not known{suggestion(name, NAMES)}; choose '
                        f"from {', '.join(NAMES)}")  # fmt: skip


def _values(given: Iterable[tuple[str, object]], where: str) -> dict[str, float]:
    """Curve keys and values of the controls of an entry, given as (name, value)."""
    found: dict[str, float] = {}
    for name, value in given:
        _check_name(name, where)
        try:
            settings = _settings(name, value)
        except BadOption as error:
            raise BadOption(f"{where}: {error}") from error
        for key in settings:
            if key in found:
                raise BadOption(f"{where}: {name} sets {key} a second time; leave one out")
        found |= settings
    return found


def _settings(name: str, value: object) -> dict[str, float]:
    """Curve keys and values of one control."""
    if name == "gaze":
        return dict(zip(("gaze_yaw", "gaze_pitch"), gaze_radians(parse_gaze(value)), strict=True))
    if name == "emotion":
        return dict.fromkeys(EMOTIONS, 0.0) | dict(parse_emotion(value))
    if name == "blink_rate" and value == "free":
        return {name: math.nan}
    number = _number(value)
    checked = check_number(name, value if number is None else number)
    return dict.fromkeys(REGIONS_OF.get(name, (name,)), checked)
