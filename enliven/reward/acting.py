"""How alive a face acts, and how naturally it moves: the embedded judge's two axes besides lips.

    marks = acting_marks(stretch)   # expressiveness and motion, a mark for every 2.5 s or so

Both are sums of fines: each measure of `acting_measures` is compared with knots, an octave apart,
and what lies beyond a knot is fined in proportion to its logarithm; a mark is 1 + 4 exp(-fines).
So every fine can be named, more of a fault never helps, and more play than people show is fined
like less.  How much each fine counts was learned from ladders of corruptions whose order is known
(`enliven.train.acting`, models/acting.md).  The sound is not heard.

Legend: W windows, F measures, K fines.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from enliven.errors import ModelUnavailable
from enliven.geometry import OUTER_EYE_CORNERS
from enliven.metrics.watch import Stretch
from enliven.reward.acting_measures import EPSILON, NAMES, measure_acting
from enliven.reward.judge import HIGHEST, LOWEST, Mark

Array = NDArray[np.float64]

ACTING_AXES = ("expressiveness", "motion")
OCTAVE = np.log(2.0)  # a fine grows until the measure is twice, or half, what its knot is
UNREMARKABLE = 0.25  # a sum of fines that no sentence need complain of: marks from 4.1 up


@dataclass(frozen=True)
class Fines:
    """What an axis is fined for, (K,) each.

    measure: columns of `acting_measures.NAMES`.  sign: 1 where more than the knot is fined, -1
    where less is.  knot: log of the measure with its epsilon.  weight: 0 or more.
    """

    measure: NDArray[np.int64]
    sign: Array
    knot: Array
    weight: Array

    def beyond(self, values: Array) -> Array:
        """How far measures (W, F) lie beyond each knot, (W, K), 0 where they do not, at most
        OCTAVE: beyond, the next knot's fine begins."""
        logs = np.log(np.maximum(values, 0) + EPSILON)[:, self.measure]
        return np.asarray(np.clip(self.sign * (logs - self.knot), 0, OCTAVE))

    def of(self, values: Array) -> Array:
        """The fines (W, K) of measures (W, F)."""
        return self.beyond(values) * self.weight

    def marks(self, values: Array) -> Array:
        """Marks (W,), 1 to 5, of measures (W, F); NaN where they are."""
        return LOWEST + (HIGHEST - LOWEST) * np.exp(-self.of(values).sum(1))


@cache
def load_acting() -> Mapping[str, Fines]:
    """The fines of each axis that ship with the package.  Raises ModelUnavailable."""
    file = files("enliven.models").joinpath("acting.npz")
    if not file.is_file():
        raise ModelUnavailable("enliven/models/acting.npz is missing; install enliven again")
    with file.open("rb") as stream, np.load(stream) as stored:
        return {axis: _stored(stored, axis) for axis in ACTING_AXES}


def _stored(stored: Mapping[str, NDArray], axis: str) -> Fines:
    columns = {name: i for i, name in enumerate(NAMES)}
    names = [str(name) for name in stored[f"{axis}_measure"]]
    unknown = sorted(set(names) - set(columns))
    if unknown:
        raise ModelUnavailable(f"enliven/models/acting.npz asks for {', '.join(unknown)}, which "
                               "this version does not measure; install enliven again")  # fmt: skip
    parts = (stored[f"{axis}_{part}"].astype(np.float64) for part in ("sign", "knot", "weight"))
    return Fines(np.array([columns[name] for name in names]), *parts)


def acting_marks(stretch: Stretch) -> list[Mark]:
    """Marks of both axes, window by window, NaN where too little of a face was seen."""
    measures = measure_acting(stretch)
    left, right = (stretch.landmarks[:, k] for k in OUTER_EYE_CORNERS)
    gap = np.linalg.norm(left - right, axis=1)
    eyes_px = float(np.nanmedian(gap)) if np.isfinite(gap).any() else float("nan")
    marks = []
    for axis, fines in load_acting().items():
        each, values = fines.of(measures.values), fines.marks(measures.values)
        windows = zip(measures.starts, measures.stops, measures.values, each, values, strict=True)
        for start, stop, found, due, value in windows:
            if np.isfinite(value):
                worst = _worst(fines, due)
                why = _sentence(axis, worst, dict(zip(NAMES, found, strict=True)), eyes_px)
            else:
                why = "no face was seen long enough to tell how it moves"
            marks.append(Mark(axis, float(start), float(stop), float(value), why))
    return marks


def _worst(fines: Fines, due: Array) -> str:
    """The measure that costs most, with the side it lies on: "turn-"; "" when little is due."""
    if due.sum() <= UNREMARKABLE:
        return ""
    cost: dict[str, float] = {}
    for column, sign, fine in zip(fines.measure, fines.sign, due, strict=True):
        side = NAMES[column] + ("+" if sign > 0 else "-")
        cost[side] = cost.get(side, 0.0) + fine
    return max(cost, key=lambda side: cost[side])


def _sentence(axis: str, worst: str, found: Mapping[str, float], eyes_px: float) -> str:
    """What to say of the costliest fine, with its number."""
    if not worst:
        return {"expressiveness": "the face acts as people's faces do",
                "motion": "head and face move as people do"}[axis]  # fmt: skip
    px = found["shake"] / np.sqrt(2) * eyes_px
    times = 1 / max(1 - found["repeated"] - found["still"], 0.05)
    said = {
        "brows-": "the brows hardly move", "eyes-": "the eyes hardly narrow or widen",
        "cheeks-": "the cheeks hardly move", "lids-": "the lids hardly move",
        "gaze-": "the eyes hardly ever look elsewhere",
        "aperture-": "the mouth hardly opens and closes", "width-": "the corners of the mouth "
        "hardly move", "shapes-": "the lips hardly change their shape",
        "reach-": "the face hardly leaves one expression", "quick-": "the face hardly moves",
        "brows+": "the brows move more than people's do",
        "cheeks+": "the cheeks move more than people's do",
        "aperture+": "the mouth opens and closes more than people's mouths do",
        "width+": "the corners of the mouth move more than people's do",
        "shapes+": "the lips are shaped more strongly than people's are",
        "widest+": f"the mouth opens too wide, up to {found['widest']:.2f} eye distances",
        "ends+": "the face is driven to its extremes: a grimace",
        "reach+": "the face goes further than people's faces do",
        "quick+": "the face changes faster than people's faces do",
        "turn-": f"the head hardly turns (by {found['turn']:.1f} degrees)",
        "sway-": "the head keeps its place as if it were fixed",
        "speed-": f"the head is almost still ({found['speed']:.1f} degrees a second)",
        "turn+": f"the head swings by {found['turn']:.0f} degrees and more",
        "sway+": "the head sways more than people's do",
        "speed+": f"the head hurries ({found['speed']:.0f} degrees a second)",
        "pace+": f"the head goes back and forth too fast ({found['pace']:.1f} times a second)",
        "fastest+": f"the head jerks (up to {found['fastest']:.0f} degrees a second)",
        "shake+": f"the picture trembles by {px:.1f} px from frame to frame",
        "twist+": f"the head twitches by {np.degrees(found['twist']):.1f} degrees from frame to "
        "frame", "rigid_noise+": "the head trembles",
        "face_noise+": f"the face trembles by {found['face_noise'] * eyes_px:.1f} px",
        "repeated+": f"every frame is shown {times:.1f} times",
        "still+": f"nothing changes in {100 * found['still']:.0f} % of the frames",
        "held+": f"the picture stands still for {found['held'] / 25:.1f} s",
        "leap+": "the head jumps",
        "light+": f"the light flickers by {100 * found['light']:.1f} %",
        "tint+": f"the colours flicker by {100 * found['tint']:.1f} %",
        "drift_colour+": f"the colours have drifted by {100 * found['drift_colour']:.0f} %",
        "drift_detail+": "the sharpness of the face drifts",
        "drift_shape+": "the shape of the face drifts",
    }  # fmt: skip
    return said[worst]
