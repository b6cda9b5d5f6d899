"""Timed phones to lip controls: co-articulation by dominance functions.

Every gesture has a target for each control and a dominance that rises before it and falls after
it; a control is the mean of all targets weighted by their dominance at that moment (M. M. Cohen,
D. W. Massaro, "Modeling coarticulation in synthetic visual speech", 1993).  So lips round ahead
of a rounded vowel through consonants that do not care, while a closure gives way to nothing.
What must be exact is set after the mean: lips meet for the whole closure of M, B and P, and the
lower lip touches the teeth on F and V.

Legend: T motion frames at 25 Hz, F fine frames, S segments, K controls, G groups of controls.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from enliven.data.perform import opening
from enliven.data.phonetics import Segment, segments
from enliven.media.espeak import Phone
from enliven.motion.closure import shut
from enliven.motion.controls import CONTROL, CONTROLS
from enliven.types import MOTION_FPS

Array = NDArray[np.float64]

FINE = 4  # moments computed for each motion frame

# Control values of a gesture away from rest: the sum of the rows that its features weigh.
# Jaw and lips were fitted by ridge regression on tracked clips of three speakers of the GRID
# corpus whose sentences are known.  Rounding, spreading and "near" are nearly as set by hand:
# fitted, they told speakers apart rather than sounds, and did worse on a speaker left out.
TARGETS: Mapping[str, Mapping[str, float]] = {
    "vowel": {
        "jawOpen": 0.1,
        "mouthRollUpper": 0.03,
        "mouthShrugUpper": 0.03,
        "mouthLowerDown": 0.01,
        "mouthUpperUp": 0.06,
    },
    "open": {
        "jawOpen": 0.23,
        "jawForward": 0.05,
        "mouthClose": 0.02,
        "mouthFunnel": 0.04,
        "mouthRollUpper": 0.02,
        "mouthUpperUp": 0.07,
    },
    "spread": {
        "jawOpen": 0.1,
        "jawForward": 0.04,
        "mouthShrugUpper": 0.03,
        "mouthDimple": 0.02,
        "mouthSmile": 0.11,
        "mouthStretch": 0.13,
        "mouthUpperUp": 0.11,
    },
    "round": {
        "mouthClose": 0.07,
        "mouthFunnel": 0.03,
        "mouthPucker": 0.34,
        "mouthRollLower": 0.04,
        "mouthRollUpper": 0.01,
        "mouthShrugUpper": -0.02,
        "mouthUpperUp": -0.14,
        "cheekPuff": 0.03,
    },
    "round open": {
        "jawOpen": -0.02,
        "mouthClose": -0.05,
        "mouthFunnel": 0.11,
        "mouthPucker": -0.16,
        "mouthRollLower": 0.04,
        "mouthRollUpper": 0.04,
    },
    "stress": {
        "jawOpen": 0.05,
        "mouthRollLower": -0.02,
        "mouthRollUpper": 0.02,
        "mouthUpperUp": 0.08,
    },
    "pause": {},
    "bilabial": {
        "jawOpen": 0.19,
        "mouthClose": 0.07,
        "mouthRollLower": 0.03,
        "mouthRollUpper": 0.05,
        "mouthPress": 0.02,
        "mouthUpperUp": -0.02,
    },
    "near": {"jawOpen": 0.14, "mouthRollLower": 0.06, "mouthUpperUp": 0.02},
    "labiodental": {
        "jawOpen": -0.07,
        "jawForward": -0.03,
        "mouthClose": 0.05,
        "mouthRollLower": 0.09,
        "mouthRollUpper": 0.07,
        "mouthShrugUpper": 0.06,
        "mouthLowerDown": 0.01,
        "mouthUpperUp": 0.12,
    },
    "dental": {
        "jawOpen": 0.13,
        "mouthClose": 0.02,
        "mouthRollUpper": 0.01,
        "mouthShrugUpper": 0.03,
        "mouthLowerDown": 0.05,
        "mouthUpperUp": 0.09,
    },
    "alveolar": {
        "jawOpen": 0.13,
        "mouthFunnel": 0.03,
        "mouthRollLower": 0.02,
        "mouthRollUpper": 0.07,
        "mouthShrugUpper": 0.04,
        "mouthLowerDown": 0.02,
        "mouthStretch": 0.03,
        "mouthUpperUp": 0.11,
    },
    "lateral": {
        "jawOpen": 0.15,
        "mouthClose": -0.01,
        "mouthRollUpper": 0.01,
        "mouthShrugUpper": 0.02,
        "mouthLowerDown": 0.03,
        "mouthUpperUp": 0.14,
    },
    "sibilant": {
        "jawOpen": 0.11,
        "jawForward": 0.02,
        "mouthFunnel": 0.08,
        "mouthRollLower": 0.03,
        "mouthRollUpper": 0.08,
        "mouthShrugUpper": 0.08,
        "mouthLowerDown": 0.04,
        "mouthPress": 0.01,
        "mouthSmile": 0.04,
        "mouthStretch": 0.07,
        "mouthUpperUp": 0.22,
    },
    "hushing": {
        "jawOpen": 0.06,
        "jawForward": 0.04,
        "mouthFunnel": 0.23,
        "mouthPucker": 0.12,
        "mouthRollUpper": 0.03,
        "mouthShrugUpper": 0.11,
        "mouthUpperUp": 0.26,
    },
    "rhotic": {
        "jawOpen": 0.04,
        "jawForward": -0.02,
        "mouthClose": 0.11,
        "mouthFunnel": 0.08,
        "mouthPucker": 0.14,
        "mouthRollLower": 0.07,
        "mouthRollUpper": 0.07,
        "mouthShrugUpper": 0.02,
        "mouthUpperUp": 0.02,
    },
    "palatal": {
        "jawOpen": 0.12,
        "mouthFunnel": 0.01,
        "mouthRollLower": 0.02,
        "mouthRollUpper": 0.03,
        "mouthShrugUpper": 0.02,
        "mouthLowerDown": 0.02,
        "mouthSmile": 0.08,
        "mouthStretch": 0.09,
        "mouthUpperUp": 0.12,
    },
    "velar": {
        "jawOpen": 0.17,
        "mouthRollLower": 0.03,
        "mouthRollUpper": 0.04,
        "mouthShrugUpper": 0.02,
        "mouthLowerDown": 0.03,
        "mouthUpperUp": 0.09,
    },
    "labiovelar": {
        "jawOpen": 0.1,
        "jawForward": -0.03,
        "mouthClose": 0.12,
        "mouthFunnel": 0.04,
        "mouthPucker": 0.42,
        "mouthRollLower": 0.12,
        "mouthRollUpper": 0.06,
        "mouthUpperUp": -0.06,
        "cheekPuff": 0.03,
    },
    "back": {"jawOpen": 0.17, "mouthLowerDown": 0.02, "mouthUpperUp": 0.06},
}

# Controls that move together, and how long before its start and after its end, in seconds, a
# gesture still has 1/e of its dominance over them.  Rounding is prepared well ahead.
GROUPS: Mapping[str, tuple[tuple[str, ...], float, float]] = {
    "jaw": (("jawOpen", "jawForward"), 0.105, 0.054),
    "lips": (("mouthClose", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
              "mouthShrugUpper", "mouthLowerDown", "mouthUpperUp", "mouthPress", "noseSneer",
              "cheekSquint", "mouthFrown"), 0.058, 0.046),
    "rounding": (("mouthPucker", "mouthFunnel", "cheekPuff"), 0.1, 0.06),
    "spreading": (("mouthStretch", "mouthSmile", "mouthDimple"), 0.085, 0.12),
}  # fmt: skip
EXPONENT = 1.2  # of time in the exponent of dominance

# Dominance of a kind over each group, in the order of GROUPS; what counts is its ratio to that
# of the neighbours.
DOMINANCE: Mapping[str, tuple[float, float, float, float]] = {
    "vowel": (2.2, 0.84, 0.6, 0.7),
    "pause": (0.25, 0.84, 0.8, 0.8),
    "bilabial": (2.21, 3.81, 0.12, 0.12),
    "near": (1.5, 1.9, 0.15, 0.15),
    "labiodental": (0.62, 1.99, 0.25, 0.25),
    "dental": (0.84, 0.59, 0.2, 0.2),
    "alveolar": (0.8, 0.11, 0.12, 0.15),
    "lateral": (0.77, 0.51, 0.12, 0.15),
    "sibilant": (2.89, 0.93, 0.35, 0.5),
    "hushing": (2.2, 1.24, 1.6, 0.8),
    "rhotic": (1.82, 1.26, 0.8, 0.5),
    "palatal": (0.8, 0.51, 0.3, 0.6),
    "velar": (0.48, 0.12, 0.08, 0.1),
    "labiovelar": (1.53, 2.65, 2.5, 1.2),
    "back": (0.12, 0.08, 0.04, 0.05),
}
ROUND_VOWEL = 1.2  # dominance over rounding of a rounded vowel; of a rounded consonant
ROUND_CONSONANT = 1.6
SPREAD_CONSONANT = 0.6
WEAK_VOWEL = 0.5  # share of dominance that an unstressed vowel keeps

MIDDLE = 0.36  # share of its time in which a gesture has its full dominance
LEAD_SECONDS = 0.09  # before a sound after a pause in which the mouth already opens
HANG_SECONDS = 0.08  # after the last sound before a pause until the mouth begins to rest
REST_SECONDS = 0.15  # a shorter pause has less than its full dominance
APPROACH_SECONDS = 0.045  # in which lips come together for a closure, and part again
SMOOTH_SECONDS = 0.018  # deviation of the muscles' own smoothing


def features(segment: Segment) -> dict[str, float]:
    """Weights of the rows of TARGETS whose sum is a segment's target."""
    if segment.kind != "vowel":
        weights = {segment.kind: 1.0, "round": 0.7 * segment.rounding}
        return weights | {"spread": 0.5 * segment.spreading}
    rounded, openness = segment.rounding, segment.openness
    return {"vowel": 1.0, "open": openness, "round": rounded, "round open": rounded * openness,
            "spread": (1 - rounded) * (1 - segment.backness) * (1 - 0.5 * openness),
            "stress": segment.stress}  # fmt: skip


def targets(parts: Iterable[Segment]) -> Array:
    """(S, K) control values each gesture aims at."""
    table = np.zeros((len(TARGETS), len(CONTROLS)))
    for row, values in enumerate(TARGETS.values()):
        for name, value in values.items():
            table[row, CONTROL[name]] = value
    weights = np.array([[features(s).get(name, 0.0) for name in TARGETS] for s in parts])
    return np.maximum(weights.reshape(-1, len(TARGETS)) @ table, 0)


def strength(segment: Segment) -> Array:
    """(G,) dominance of a gesture at its own time."""
    made = np.array(DOMINANCE[segment.kind])
    if segment.kind == "vowel":
        made[2] += (ROUND_VOWEL - made[2]) * segment.rounding
        made *= WEAK_VOWEL + (1 - WEAK_VOWEL) * max(segment.stress, segment.openness)
    elif segment.kind == "pause":
        # a short pause does not bring the mouth to rest
        made *= min(1.0, (segment.end - segment.start) / REST_SECONDS) ** 2
    else:
        made[2] = max(made[2], ROUND_CONSONANT * segment.rounding)
        made[3] = max(made[3], SPREAD_CONSONANT * segment.spreading)
    return made


def held(segment: Segment) -> tuple[float, float]:
    """When a gesture has its full dominance, seconds: its middle; of a pause, its inside."""
    if segment.kind == "pause":
        start, end = segment.start + HANG_SECONDS, segment.end - LEAD_SECONDS
        middle = np.clip((start + end) / 2, segment.start, segment.end)
        return min(start, middle), max(end, middle)
    margin = (segment.end - segment.start) * (1 - MIDDLE) / 2
    return segment.start + margin, segment.end - margin


def weights(parts: tuple[Segment, ...], times: NDArray) -> Array:
    """(G, F, S) share of each gesture in each group of controls; sums to 1 over S."""
    cores = np.array([held(s) for s in parts])
    before = np.maximum(cores[:, 0] - times[:, None], 0)
    after = np.maximum(times[:, None] - cores[:, 1], 0)
    height = np.array([strength(s) for s in parts])
    made = []
    for column, (_, rise, fall) in enumerate(GROUPS.values()):
        # in logarithms, so that far from every gesture the nearest one holds
        log = np.log(height[:, column] + 1e-9)
        log = log - (before / rise) ** EXPONENT - (after / fall) ** EXPONENT
        share = np.exp(log - log.max(1, keepdims=True))
        made.append(share / share.sum(1, keepdims=True))
    return np.stack(made)


def meeting(parts: tuple[Segment, ...], kind: str, times: NDArray) -> Array:
    """(F,) 1 while segments of `kind` hold their closure, 0 more than APPROACH_SECONDS away."""
    made = np.zeros(len(times))
    for segment in (s for s in parts if s.kind == kind):
        away = np.maximum(np.maximum(segment.start - times, times - segment.released), 0)
        near = np.clip(1 - away / APPROACH_SECONDS, 0, 1)
        made = np.maximum(made, near * near * (3 - 2 * near))
    return made


def articulate(phones: Iterable[Phone], frames: int) -> NDArray[np.float32]:
    """Lip controls (frames, K) of timed phones, 0 at rest; frame i is at i / 25 s."""
    parts = segments(phones) or (Segment("pause", 0.0, 1.0, 1.0),)
    margin = 2 * FINE
    step = 1 / (MOTION_FPS * FINE)
    times = (np.arange(frames * FINE + 2 * margin) - margin) * step
    aims, shares = targets(parts), weights(parts, times)
    controls = np.zeros((len(times), len(CONTROLS)))
    for (names, _, _), share in zip(GROUPS.values(), shares, strict=True):
        columns = [CONTROL[name] for name in names]
        controls[:, columns] = share @ aims[:, columns]
    reach = np.arange(-margin, margin + 1) * step
    kernel = np.exp(-0.5 * (reach / SMOOTH_SECONDS) ** 2)
    kernel /= kernel.sum()
    smooth = np.stack([np.convolve(row, kernel, "valid") for row in controls.T], 1)
    # after smoothing, which would open short closures again
    smooth, times = smooth[::FINE][:frames], times[margin:-margin:FINE][:frames]
    closed = shut(smooth, meeting(parts, "bilabial", times),
                  meeting(parts, "labiodental", times), opening())  # fmt: skip
    return np.clip(closed, 0, 1).astype(np.float32)
