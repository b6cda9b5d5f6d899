"""The checks that cannot be talked round: what was measured becomes scores of 0 to 1.

    rows = measure(stretch, reference)      # of every stretch
    scores = checks(rows, photo=True)

1 is as good as real people, 0.5 the limit a viewer would object at, and beyond real people there
is nothing to be won.  What cannot be told is invalid and says why; it is never 0 and never a
guess.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from enliven.reward.checks_look import (
    background,
    exposure,
    identity,
    layout,
    saturation,
    texture,
)
from enliven.reward.grading import Measure, Table, combined, grade, graded, unknown, worst_part
from enliven.reward.limits import BLINK_LONG, BLINK_MANY, LIMITS
from enliven.reward.measure import Row
from enliven.types import Score

LEAST_SPEECH = 10  # frames of a second in which lips must be seen speaking
LEAST_QUIET = 12  # frames of a second far from any voice, in which the mouth should rest
LEAST_BLINK_SECONDS = 10.0
NO_BLINK_SECONDS = 15.0  # a mean of four blinks a minute; real people mostly blink 8 to 25 times

NAMES = ("face", "sync", "lag", "texture", "jitter", "identity", "stillness", "silence",
         "exposure", "saturation", "background", "layout", "blinks", "mouth_range", "visemes",
         "frame_rate")  # fmt: skip


def checks(rows: Sequence[Row], *, photo: bool) -> dict[str, Score]:
    """A score of 0 to 1 for each of NAMES.  rows: from `measure`.

    photo: whether they were measured against a photo; without one only drift from the begin of
    the video can be told.
    """
    if not rows:
        return {name: unknown("the video has no frames") for name in NAMES}
    table = Table(rows)
    by_name: Mapping[str, Callable[[Table], Score]] = {
        "face": _face, "sync": _sync, "lag": _lag, "jitter": _jitter,
        "stillness": _stillness, "silence": _silence, "blinks": _blinks,
        "mouth_range": _mouth_range, "visemes": _visemes, "frame_rate": _frame_rate,
        "texture": lambda t: texture(t, photo), "identity": lambda t: identity(t, photo),
        "exposure": lambda t: exposure(t, photo), "saturation": lambda t: saturation(t, photo),
        "background": lambda t: background(t, photo), "layout": lambda t: layout(t, photo),
    }  # fmt: skip
    return {name: by_name[name](table) for name in NAMES}


def _face(table: Table) -> Score:
    share, weight = table["face"], table["seconds"]
    value = float((share * weight).sum() / weight.sum())
    at = int(share.argmin())
    if value == 1:
        return Score(1.0, 0.0, 1.0, why="a face is seen in every frame", details={"share": value})
    return Score(value, 0.0, 1.0, why=f"a face is seen in {value:.0%} of the frames",
                 worst_seconds=table.span(at), details={"share": value})  # fmt: skip


def _sync(table: Table) -> Score:
    if not np.isfinite(table["agreement"]).any():
        return unknown(_no_speech(table, "whether lips and voice agree"))
    return graded(table, [Measure("agreement", ("agreement",), "lips and voice agree by {:.2f}")],
                   "lips and voice agree as in real people", "")  # fmt: skip


def _lag(table: Table) -> Score:
    late = table["late"]
    if not np.isfinite(late).any():
        if np.isfinite(table["agreement"]).any():
            return unknown("lips and voice agree at no shift, so none is the right one")
        return unknown(_no_speech(table, "whether the lips are late"))
    frames = float(np.nanmedian(late))
    when = "late" if frames > 0 else "early"
    at = int(np.nanargmax(np.abs(late)))
    why = "lips and voice are in time"
    if abs(frames) >= 1:
        why = f"the lips come {abs(frames):.0f} frames ({abs(frames) * 40:.0f} ms) too {when}"
    return Score(float(grade(abs(frames), LIMITS["late"])), 0.0, 1.0, why=why,
                 worst_seconds=table.span(at) if abs(frames) >= 1 else None,
                 details={"frames": frames})  # fmt: skip


def _no_speech(table: Table, what: str) -> str:
    if not (table["sounds"] > 0).any():
        return f"the video has no sound, so {what} cannot be told"
    if not (table["face"] > 0).any():
        return f"no face is seen, so {what} cannot be told"
    if np.nansum(table["speaks"]) < LEAST_SPEECH:
        return f"nobody is heard speaking, so {what} cannot be told"
    return f"face and voice are not seen and heard together long enough to tell {what}"


def _jitter(table: Table) -> Score:
    return graded(
        table,
        [
            Measure("shake", ("shake",), "the head trembles by {:.4f} eye distances above 6 Hz"),
            Measure("wobble", ("wobble",), "the face wobbles by {:.4f} eye distances above 6 Hz"),
            Measure("tremble", ("tremble",), "lips tremble by {:.4f} eye distances above 6 Hz"),
            Measure("jump", ("jump",), "the face jumps by {:.2f} eye distances between frames"),
            Measure("warped", ("warped",), "movement leaves {:.1f} grey levels unexplained"),
        ],
        "as steady as real people",
        "no face is seen long enough",
    )


def _stillness(table: Table) -> Score:
    speaks = table["speaks"] >= LEAST_SPEECH
    if not np.isfinite(table["change"]).any():
        return unknown("no face is seen in two frames in a row")
    lips = np.where(speaks, grade(table["lip_speed"], LIMITS["lip_speed"]), np.nan)
    return combined(
        table,
        [
            Measure("change", (), "hardly anything moves: {:.1f} grey levels a frame"),
            Measure("run", (), "the face stands still for {:.0f} frames"),
            Measure("lip_speed", (), "lips move by {:.2f} eye distances a second in speech"),
        ],
        np.array([grade(table["change"], LIMITS["change"]), grade(table["run"], LIMITS["run"]),
                  lips]),
        "the person is alive",
        "no face is seen",
    )  # fmt: skip


def _silence(table: Table) -> Score:
    if not (table["sounds"] > 0).any():
        return unknown("the video has no sound, so nobody can tell when the mouth should rest")
    idle = np.where(table["quiet"] >= LEAST_QUIET, table["idle_speed"], np.nan)
    if not np.isfinite(idle).any():
        return unknown(f"in no second a face is seen for {LEAST_QUIET} frames far from any voice")
    grades = grade(idle, LIMITS["idle_speed"])
    value, at = worst_part(grades), int(np.nanargmax(idle))
    why = ("the mouth rests where nobody speaks" if value > 0.98 else
           f"lips move by {idle[at]:.2f} eye distances a second where nobody speaks")  # fmt: skip
    return Score(value, 0.0, 1.0, why=why, details={"idle_speed": float(np.nanmedian(idle))},
                 worst_seconds=table.span(at) if value <= 0.98 else None)  # fmt: skip


def _blinks(table: Table) -> Score:
    seen = float((table["face"] * table["seconds"]).sum())
    if seen < LEAST_BLINK_SECONDS:
        return unknown(f"a face is seen for {seen:.1f} s, {LEAST_BLINK_SECONDS:.0f} are needed to "
                       "tell how often it blinks")  # fmt: skip
    count = float(np.nansum(table["blinks"]))
    rate = 60 * count / seen
    long = float(np.nanmedian(table["blink_seconds"])) if count else float("nan")
    details = {"per_minute": rate, "seconds": long}
    if not count:
        value = float(np.exp(-np.log(2) * (seen / NO_BLINK_SECONDS) ** 2))
        return Score(value, 0.0, 1.0, why=f"the eyes never close in {seen:.0f} s",
                     details=details)  # fmt: skip
    value = float(np.nanmin([grade(rate, BLINK_MANY), grade(long, BLINK_LONG),
                             grade(rate, LIMITS["blinks_few"])]))  # fmt: skip
    return Score(value, 0.0, 1.0, details=details,
                 why=f"{rate:.0f} blinks a minute of {long:.2f} s")  # fmt: skip


def _mouth_range(table: Table) -> Score:
    speaks = table["speaks"] >= LEAST_SPEECH
    opened = np.where(speaks, table["aperture_high"] - table["aperture_low"], np.nan)
    if not np.isfinite(opened).any():
        return unknown(_no_speech(table, "how far the mouth opens"))
    spread = float(np.nanmedian(opened))
    value = float(min(grade(spread, LIMITS["mouth_small"]), grade(spread, LIMITS["mouth_large"])))
    far = np.abs(np.log(np.maximum(opened, 1e-4) / 0.12))
    at = int(np.nanargmax(far))
    why = f"in speech the mouth opens and closes by {spread:.3f} eye distances"
    return Score(value, 0.0, 1.0, why=why, details={"aperture": spread},
                 worst_seconds=table.span(at) if value <= 0.98 else None)  # fmt: skip


def _visemes(table: Table) -> Score:
    return graded(
        table,
        [
            Measure("alone", ("alone",), "{:.0%} of what lips do is one movement"),
            Measure("loud", ("loud",), "lips follow the loudness alone, by {:.2f}"),
            Measure("beat", ("beat",), "{:.0%} of the movement of the mouth keeps one beat"),
        ],
        "lips move as lips of people who speak",
        _no_speech(table, "whether lips follow what is said"),
    )


def _frame_rate(table: Table) -> Score:
    if not np.isfinite(table["stutters"]).any():
        return unknown("no face is seen in two frames in a row")
    fps = 25 * (1 - table["stutters"])
    each = grade(table["stutters"], LIMITS["stutters"])
    value = worst_part(each)
    at = int(np.nanargmin(each))
    middle = float(np.nanmedian(fps))
    why = ("every frame is a new one" if value > 0.98 else
           f"movement has {fps[at]:.0f} new frames a second")  # fmt: skip
    details = {"new_frames": middle, "source_fps": float(table["source_fps"][0])}
    return Score(value, 0.0, 1.0, why=why, details=details,
                 worst_seconds=table.span(at) if value <= 0.98 else None)  # fmt: skip
