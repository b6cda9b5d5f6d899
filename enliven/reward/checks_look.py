"""Checks of what a video looks like: skin, person, light, colours, background and place.

All are held against the photo, or without one against the begin of the video where drift from it
says something.  Scores as in `enliven.reward.checks`.
"""

import numpy as np

from enliven.reward.grading import Measure, Table, combined, grade, graded, unknown
from enliven.reward.limits import BEHIND_OWN, BEHIND_PHOTO, LIMITS, STRANGE_PHOTO
from enliven.types import Score

BEST_QUARTER = 0.75  # quantile over the seconds at which a video shows its finest texture


def texture(table: Table, photo: bool) -> Score:
    beside = "the photo" if photo else "the video's beginning"
    measures = [
        Measure("sharpness", ("soft", "sharp"),
                f"the skin is {{:.2f}} times as sharp as {beside}", ratio=True),
        Measure("fine", ("coarse", "fine"),
                f"the skin has {{:.2f}} times the high frequencies {beside} has", ratio=True),
        Measure("grid", ("grid",), "a grid of 8 or 16 px stands out by {:.2f}"),
        Measure("entropy", ("few_colours", "many_colours"),
                f"colours of the skin have {{:+.2f}} bits beside {beside}"),
        Measure("boil", ("boil",), "the texture swims: {:.2f} of it changes between frames"),
        Measure("pores", ("smooth",),
                f"the skin has {{:.2f}} times the finest texture {beside} has", ratio=True),
        Measure("weave", ("even", "painted"),
                f"the skin has {{:.2f}} times the fine texture {beside} has", ratio=True),
    ]  # fmt: skip
    whole = {"pores", "weave"}
    grades = []
    for m in measures:
        values = table[m.column]
        if m.column in whole and np.isfinite(values).any():
            values = np.where(np.isfinite(values), np.nanquantile(values, BEST_QUARTER), np.nan)
        grades.append(np.fmin.reduce([grade(values, LIMITS[name]) for name in m.limits]))
    fine = "the skin is as in the photo" if photo else "the skin stays as at the begin"
    return combined(table, measures, np.array(grades), fine, "no face is seen")


def identity(table: Table, photo: bool) -> Score:
    who = "the photo" if photo else "the video's beginning"
    return graded(
        table,
        [
            Measure("likeness", ("likeness",), f"the face looks like that of {who} by {{:.2f}}"),
            Measure("distance", ("distance",),
                    f"the resting face differs by {{:.3f}} eye distances from {who}"),
            Measure("own", ("own",), "{:.2f} is left of what sets the face apart from the average"),
        ],
        "the same person as in the photo" if photo else "the same person throughout",
        "no face is seen",
    )  # fmt: skip


def exposure(table: Table, photo: bool) -> Score:
    if not photo:
        return unknown("exposure is judged against a photo; give --portrait")
    return graded(
        table,
        [
            Measure(
                "light",
                ("dark", "bright"),
                "the face has {:.2f} times the photo's light",
                ratio=True,
            ),
            Measure(
                "contrast", ("flat", "harsh"), "contrast is {:.2f} times the photo's", ratio=True
            ),
            Measure("blown", ("blown",), "{:.1%} more of the skin is blown out than in the photo"),
        ],
        "light and contrast are those of the photo",
        "no face is seen",
    )


def saturation(table: Table, photo: bool) -> Score:
    if not photo:
        return unknown("saturation is judged against a photo; give --portrait")
    return graded(
        table,
        [
            Measure(
                "saturation",
                ("pale", "garish"),
                "saturation is {:.2f} times the photo's",
                ratio=True,
            ),
            Measure("tint", ("tint",), "the skin's colour is {:.3f} off the photo's"),
        ],
        "colours are those of the photo",
        "no face is seen",
    )


def background(table: Table, photo: bool) -> Score:
    nothing = ("the picture is cut differently from the photo, or shows nothing beside the person"
               if photo else "nothing is seen beside the person")  # fmt: skip
    changed = grade(table["changed"], BEHIND_PHOTO if photo else BEHIND_OWN)
    strange = grade(table["strange"], STRANGE_PHOTO) if photo else np.full_like(changed, np.nan)
    what = "the photo" if photo else "the video's beginning"
    return combined(
        table,
        [
            Measure("changed", (), f"{{:.0%}} of what is behind the person differs from {what}"),
            Measure("strange", (), "{:.1%} of what is behind the person is not in the photo"),
        ],
        np.array([changed, strange]),
        "what must not move does not",
        nothing,
    )


def layout(table: Table, photo: bool) -> Score:
    what = "the photo" if photo else "the video's beginning"
    return graded(
        table,
        [
            Measure("aside", ("aside",),
                    f"the face is {{:.2f}} eye distances from where it is in {what}"),
            Measure("size", ("small", "large"),
                    f"the face is {{:.2f}} times as large as in {what}", ratio=True),
        ],
        f"the face is where and as large as in {what}",
        "no face is seen, or the picture is cut differently from the photo",
    )  # fmt: skip
