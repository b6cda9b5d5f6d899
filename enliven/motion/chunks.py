"""What the generator is told of a chunk of speech: numbers heard and numbers asked for.

Legend: T motion frames at 25 Hz, K controls, H numbers heard and CONDITIONS numbers asked for a
frame.

A chunk of CHUNK frames is generated at once, after the BEFORE frames that came before it.
"""

import numpy as np
from numpy.typing import NDArray

from enliven.motion.audio import FRAME_RATE, acoustic_model
from enliven.motion.controls import CONTROLS
from enliven.motion.emotion import EMOTIONS
from enliven.motion.latent import COLUMN, HEAD, LATENT, REGIONS, UNITS, region_columns
from enliven.motion.prosody import Prosody
from enliven.types import MOTION_FPS

Array = NDArray[np.float32]

BEFORE, CHUNK = 8, 25  # motion frames given and generated
STRIDE = round(FRAME_RATE / MOTION_FPS)  # feature frames per motion frame

# Groups of phones (of the acoustic model) that look alike on the lips or in the rhythm.
PHONE_GROUPS = (
    ("B", "M", "P"), ("F", "V"), ("W", "UW", "OW", "OY", "UH", "AO", "R", "ER"),
    ("AA", "AE", "AH", "AW", "AY", "EH"), ("IY", "IH", "EY", "Y"),
    ("S", "Z", "SH", "ZH", "CH", "JH"), ("T", "D", "N", "L", "TH", "DH", "K", "G", "NG", "HH"),
    ("SIL", "+SPN+", "+NSN+"),
)  # fmt: skip
VOICE = 5  # speaking, pitch, voiced stress, loudness, its rise
HEARD = len(CONTROLS) + 1 + len(PHONE_GROUPS) + VOICE

# Head rotation speed, degrees a second, in soft buckets: tanh(3 (w - centre) / radius) each
# (the speed layers of EMO, arXiv 2402.17485).
BUCKETS = ((1.0, 1.5), (2.5, 2.0), (5.0, 3.0), (8.0, 4.0), (12.0, 5.0), (17.0, 6.0), (24.0, 9.0),
           (35.0, 14.0))  # fmt: skip
NATURAL_SPEED = 11.0  # degrees a second, the speed 1
STYLE = 16  # numbers of a style or text embedding
PARTS = ("speech", "speed", "emotion", "style")  # what may be left out, for guidance
CONDITIONS = len(BUCKETS) + len(REGIONS) + len(EMOTIONS) + STYLE + len(PARTS)
_FELT = len(BUCKETS) + len(REGIONS)
COLUMNS = {"speed": slice(0, len(BUCKETS)), "emotion": slice(_FELT, _FELT + len(EMOTIONS)),
           "style": slice(_FELT + len(EMOTIONS), CONDITIONS - len(PARTS))}  # fmt: skip


def speed_buckets(speed_deg: NDArray) -> Array:
    """Head speed (T,), degrees a second -> (T, buckets), each within -1..1."""
    centre, radius = np.array(BUCKETS).T
    return np.tanh(3 * (np.asarray(speed_deg)[:, None] - centre) / radius).astype(np.float32)


def conditions(speed_deg: NDArray, strengths: NDArray, emotion: NDArray,
               style: NDArray | None = None) -> Array:  # fmt: skip
    """Numbers asked for, (T, CONDITIONS).

    speed_deg: (T,), degrees a second.  strengths: (T, regions), 1 is as people do.
    emotion: (T, EMOTIONS) 0..1.  style: (STYLE,) or None.
    """
    frames = len(speed_deg)
    shown = np.zeros(STYLE) if style is None else style
    columns = [speed_buckets(speed_deg), np.asarray(strengths) - 1, np.asarray(emotion),
               np.broadcast_to(shown, (frames, STYLE)), np.zeros((frames, len(PARTS)))]  # fmt: skip
    made = np.concatenate(columns, 1, dtype=np.float32)
    return made if style is not None else without(made, "style")


def without(asked: NDArray, part: str) -> Array:
    """Conditions (..., CONDITIONS) that say nothing of one of PARTS.

    Where "speech" is left out, what is heard must be 0, too.
    """
    made = np.array(asked, np.float32)
    made[..., COLUMNS.get(part, slice(0, 0))] = 0
    made[..., CONDITIONS - len(PARTS) + PARTS.index(part)] = 1
    return made


def shown_size(strengths: NDArray, speed_deg: NDArray) -> Array:
    """By how much a performance of strength 1 at the natural speed is made larger, (T, D).

    strengths: (T, regions); speed_deg: (T,).  What is asked for holds by construction: the
    generator draws in these units, and as much as is asked of it.  A head that is to turn twice
    as fast turns twice as far in the same time; how far it goes at that speed is learned.
    """
    size = np.empty((len(speed_deg), len(LATENT)), np.float32)
    for column, region in enumerate(REGIONS):
        size[:, region_columns(region)] = np.asarray(strengths)[:, column, None]
    turns = [COLUMN[name] for name in HEAD[:3]]
    size[:, turns] = np.asarray(speed_deg)[:, None] / NATURAL_SPEED
    return size


def phone_groups(scores: NDArray) -> Array:
    """Probability of each group in each motion frame, (T, groups).

    scores: (STRIDE T, phones) log-likelihoods from feature frame 0 of the first motion frame on.
    """
    phones = acoustic_model().phones
    weight = np.exp(0.6 * (scores - scores.max(1, keepdims=True)))
    weight /= weight.sum(1, keepdims=True)
    shares = [weight[:, [phones.index(p) for p in group]].sum(1) for group in PHONE_GROUPS]
    table = np.stack(shares, 1)
    return table.reshape(-1, STRIDE, len(PHONE_GROUPS)).mean(1).astype(np.float32)


def heard_numbers(controls: NDArray, closed: NDArray, groups: NDArray, voice: Prosody) -> Array:
    """What the generator hears, (T, HEARD), each of order one.

    controls (T, K) and closed (T,): the articulation network's guess at the lips.
    groups: from `phone_groups`.  voice: of the same frames.
    """
    loud = np.clip(voice.energy_db / 20, -3, 1)
    rise = np.diff(loud, prepend=loud[:1])
    sung = np.stack([voice.speaking, voice.pitch / 4, voice.stress, loud, 3 * rise], 1)
    lips = np.asarray(controls) / UNITS[: len(CONTROLS)]
    return np.concatenate([lips, np.asarray(closed)[:, None], groups, sung], 1, dtype=np.float32)


def silence(frames: int) -> Array:
    """What is heard where nothing is, (frames, HEARD)."""
    nothing = np.zeros(frames)
    groups = np.zeros((frames, len(PHONE_GROUPS)))
    groups[:, -1] = 1
    voice = Prosody(nothing, nothing, nothing, nothing - 60)
    return heard_numbers(np.zeros((frames, len(CONTROLS))), nothing + 1, groups, voice)
