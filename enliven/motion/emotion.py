"""The emotions a face can display while it speaks, and what each looks like.

A display is linear in its intensities: twice as happy is twice the smile, and mixed emotions
add up, as the blends of two that people make and recognise do: Du, Tao & Martinez 2014,
"Compound facial expressions of emotion".  The prototypes are those of Ekman & Friesen 1978,
"Facial Action Coding System", and its emotional reading, EMFACS, with action units in brackets:

happy       cheeks up and corners of the lips up and out (6 + 12)
sad         inner brows up and together, corners of the lips down, chin up (1 + 4 + 15 + 17)
angry       brows down, upper lids up against them, lids tight, lips pressed (4 + 5 + 7 + 23)
surprised   brows up, eyes wide, jaw dropped (1 + 2 + 5 + 26)
afraid      brows up and together, eyes wide, lips stretched (1 + 2 + 4 + 5 + 20)
disgusted   nose wrinkled, upper lip up, chin up (9 + 10 + 17)

The head joins in, which is set by eye: low when sad, up in surprise, forward in anger, back in
fear and disgust.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from enliven.motion.closure import between
from enliven.motion.controls import CONTROL
from enliven.motion.latent import COLUMN, LATENT, UNITS

EMOTIONS = ("happy", "sad", "angry", "surprised", "afraid", "disgusted")

# Motion channels at intensity 1, in their own units and relative to rest: a full display of
# somebody who still speaks, not an actor's grimace.  What is negative takes back a smile that
# the face has at rest.
PROTOTYPES: Mapping[str, Mapping[str, float]] = {
    "happy": {"mouthSmile": 0.72, "cheekSquint": 0.55, "mouthDimple": 0.12, "mouthUpperUp": 0.12,
              "eyeSquint": 0.35, "browInnerUp": 0.06, "browOuterUp": 0.12,
              "headRotX": -0.02},
    "sad": {"browInnerUp": 0.85, "browDown": 0.18, "eyeSquint": 0.22, "mouthFrown": 0.75,
            "mouthSmile": -0.60, "mouthShrugLower": 0.30, "mouthRollLower": 0.05,
            "cheekSquint": 0.10, "headRotX": 0.085, "headPosY": 0.02},
    "angry": {"browDown": 1.0, "eyeWide": 0.20, "eyeSquint": 0.50, "mouthPress": 0.40,
              "mouthSmile": -0.50, "mouthShrugUpper": 0.10, "noseSneer": 0.30, "jawForward": 0.15,
              "mouthFrown": 0.30, "headRotX": 0.065, "headPosZ": -0.08},
    "surprised": {"browInnerUp": 0.72, "browOuterUp": 0.75, "eyeWide": 0.68, "jawOpen": 0.16,
                  "mouthSmile": -0.30, "headRotX": -0.05, "headPosZ": 0.03},
    "afraid": {"browInnerUp": 0.95, "browOuterUp": 0.25, "browDown": 0.28, "eyeWide": 0.75,
               "mouthStretch": 0.60, "mouthSmile": -0.50, "mouthLowerDown": 0.14, "jawOpen": 0.06,
               "mouthFrown": 0.10, "headRotX": -0.015, "headPosZ": 0.07},
    "disgusted": {"noseSneer": 0.85, "mouthUpperUp": 0.40, "browDown": 0.55, "eyeSquint": 0.40,
                  "cheekSquint": 0.40, "mouthSmile": -0.40, "mouthFrown": 0.35,
                  "mouthShrugLower": 0.30, "headRotX": -0.03, "headPosZ": 0.04},
}  # fmt: skip

# What is left of a display where the lips are round: "oo" is not said through a grin.
ROUND_KEEPS = 0.45
ROUND = 0.35  # sum of pucker and funnel that counts as fully round
CLOSED_IOD, OPEN_IOD = 0.008, 0.035  # opening of lips between closed and open

# How fast the head moves under a full emotion, relative to none.
_LIVELINESS = {"happy": 1.35, "sad": 0.5, "angry": 1.3, "surprised": 1.2, "afraid": 0.8,
               "disgusted": 0.85}  # fmt: skip


def prototypes() -> NDArray[np.float32]:
    """(6, D): each emotion in full, in UNITS of the latent numbers."""
    table = np.zeros((len(EMOTIONS), len(LATENT)), np.float32)
    for row, emotion in enumerate(EMOTIONS):
        for name, value in PROTOTYPES[emotion].items():
            table[row, COLUMN[name]] = value
    return table / UNITS


def display(emotion: NDArray) -> NDArray[np.float32]:
    """Emotion intensities (n, 6) -> what they add to a face, latent (n, D) in UNITS."""
    return np.asarray(np.asarray(emotion, np.float32) @ prototypes(), np.float32)


def liveliness(emotion: NDArray) -> NDArray[np.float64]:
    """Emotion intensities (..., 6) -> speed of the head relative to none of them, (...)."""
    rates = np.log([_LIVELINESS[name] for name in EMOTIONS])
    return np.exp(np.clip(np.asarray(emotion, np.float64) @ rates, -0.9, 0.5))


def on_lips(shown: NDArray, lips: NDArray, opening: NDArray) -> NDArray:
    """What a display may add to lips that speak, (T, K), so that what they say is still seen.

    shown: (T, K) of the display, lips: (T, K) that speak, both in control values; opening: (K,)
    by how much each control at 1 parts the inner lips, IOD.  Linear in `shown`: round lips keep
    a part of it, and closed lips are not parted.
    """
    rounded = lips[:, CONTROL["mouthPucker"]] + lips[:, CONTROL["mouthFunnel"]]
    added = shown * (1 - (1 - ROUND_KEEPS) * between(rounded, 0.1, ROUND))[:, None]
    closed = 1 - between(lips @ opening, CLOSED_IOD, OPEN_IOD)
    lower = np.array([CONTROL[n] for n in ("jawOpen", "mouthLowerDown", "mouthUpperUp")])
    added[:, lower] *= 1 - closed[:, None]
    close = CONTROL["mouthClose"]
    added[:, close] += closed * (added @ opening) / -opening[close]
    return added
