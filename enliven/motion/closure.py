"""Lips that really meet on M, B and P, and lower lip to teeth on F and V.

A network trained to be right on average does not close lips fully: it answers doubt with a
little less opening.  A seen opening on M, B or P looks wrong at once, so here closure is made
explicit, where the network's own closure estimate or the phone scores say so.
"""

import numpy as np
from numpy.typing import NDArray

from enliven.motion.audio import FRAME_RATE, acoustic_model, scores_of
from enliven.motion.controls import CONTROL
from enliven.types import MOTION_FPS

Array = NDArray[np.float32]

BILABIAL = ("B", "M", "P")
LABIODENTAL = ("F", "V")
SHARPNESS = 0.6  # of phone probabilities; 1 trusts the acoustic model's own likelihoods
SPREAD = 2  # feature frames on either side that a motion frame listens to

# Kept share of each opening control when lips close; the jaw keeps most of its height.
KEPT = {"jawOpen": 0.6, "mouthLowerDown": 0.1, "mouthUpperUp": 0.1, "mouthFunnel": 0.4,
        "mouthShrugUpper": 0.5, "noseSneer": 0.5}  # fmt: skip
# Added when the lower lip goes to the teeth.
TO_TEETH = {"mouthRollLower": 0.35, "mouthUpperUp": 0.08}
JAW_FOR_TEETH = 0.5  # kept share of the jaw's opening on F and V


def phone_probability(heard: NDArray, names: tuple[str, ...]) -> Array:
    """Probability of a group of phones in each motion frame, (T,).

    heard: (F, FEATURES) at 100 Hz, with SPREAD rows before the first motion frame and as many
    after the last.
    """
    phones = acoustic_model().phones
    scores = scores_of(heard) * SHARPNESS
    weight = np.exp(scores - scores.max(1, keepdims=True))
    share = weight[:, [phones.index(n) for n in names]].sum(1) / weight.sum(1)
    mean = np.convolve(share, np.full(2 * SPREAD + 1, 1 / (2 * SPREAD + 1)), "valid")
    return mean[:: round(FRAME_RATE / MOTION_FPS)].astype(np.float32)


def between(x: NDArray, low: float, high: float) -> NDArray:
    """0 below `low`, 1 above `high`, smooth between."""
    x = np.clip((x - low) / (high - low), 0, 1)
    return x * x * (3 - 2 * x)


def close_lips(controls: NDArray, closed: NDArray, heard: NDArray, opening: NDArray) -> Array:
    """Controls (T, K) with lips closed where they should be.

    closed: (T,) probability of closed lips by the network.
    heard: features (F, FEATURES) as in `phone_probability`.
    opening: (K,) aperture that each control makes, IOD.
    """
    meet = np.maximum(
        between(closed, 0.25, 0.5), between(phone_probability(heard, BILABIAL), 0.35, 0.6)
    )
    return shut(controls, meet, between(phone_probability(heard, LABIODENTAL), 0.2, 0.5), opening)


def shut(controls: NDArray, meet: NDArray, teeth: NDArray, opening: NDArray) -> Array:
    """Controls (T, K) with lips together, or lower lip at the teeth, to a degree (T,), 0 to 1.

    opening: (K,) aperture that each control makes, IOD.  Together goes before teeth.
    """
    made = np.array(controls, np.float32)
    teeth = teeth * (1 - meet)
    for name, kept in KEPT.items():
        made[:, CONTROL[name]] *= 1 - meet * (1 - kept)
    made[:, CONTROL["jawOpen"]] *= 1 - teeth * (1 - JAW_FOR_TEETH)
    for name, amount in TO_TEETH.items():
        made[:, CONTROL[name]] += teeth * amount
    # what is still open is closed by the lips themselves
    rest = np.maximum(made @ opening, 0) * meet
    made[:, CONTROL["mouthClose"]] += rest / -opening[CONTROL["mouthClose"]]
    made[:, CONTROL["mouthPress"]] += 0.1 * meet
    return made
