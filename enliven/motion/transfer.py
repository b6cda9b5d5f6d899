"""How the expression of one face is carried to another that shows something already."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption
from enliven.motion.emotion import prototypes
from enliven.motion.latent import to_motion
from enliven.types import EXPRESSION, INDEX, group_slice

# What opens the lips.  The driver's value replaces the photo's, so that a person photographed
# with parted lips can close them.
OPENING = ("jawOpen", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft",
           "mouthUpperUpRight", "mouthFunnel", "mouthClose", "mouthRollLower", "mouthRollUpper",
           "mouthPressLeft", "mouthPressRight", "tongueOut")  # fmt: skip

# Rounded lips and lips spread by a smile exclude each other: somebody photographed smiling says
# "oo" with less of the smile.
ROUNDED = ("mouthPucker", "mouthFunnel")
SPREAD = ("mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight",
          "mouthDimpleLeft", "mouthDimpleRight")  # fmt: skip

# Shaped by what is said; smile and frown are by what is felt.
ARTICULATION = tuple(
    name
    for name in EXPRESSION
    if name.startswith(("jaw", "mouth", "tongue")) and "Smile" not in name and "Frown" not in name
)

LIDS = ("eyeBlinkLeft", "eyeBlinkRight")


@dataclass(frozen=True)
class Strength:
    """How much of the driver's movement is carried over; 0 none, 1 all, 2 twice.

    head: turning and moving of head and body.  mouth: opening and shaping of mouth and jaw.
    face: all other expression, but for the eyelids, whose closing must stay complete.
    Raises BadOption outside 0 to 2.
    """

    head: float = 1.0
    mouth: float = 1.0
    face: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 2:
                raise BadOption(f"the strength of {name} movement is {value:g}; choose 0 to 2")


def transfer_expression(
    driver: NDArray[np.floating],
    start: NDArray[np.float64],
    rest: NDArray[np.float64],
    strength: Strength,
    felt: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """Expression (T, 52) of the driver, its reference (52,) and the photo's (52,) -> (T, 52).

    k rest + s (driver - k reference), s being the strength and k, 0 to 1, what is kept of the
    photo: all of it, but nothing of the mouth's opening, of spread lips only as much as the
    driver's rounding leaves, and not what emotions `felt` (T, 6) repeat (see `already_shown`).
    The driver may be negative: what takes back a smile of the photo.
    """
    kept = np.ones_like(driver, np.float64)
    kept[:, [INDEX[name] for name in OPENING]] = 0.0
    rounding = strength.mouth * sum(driver[:, INDEX[name]] for name in ROUNDED)
    kept[:, [INDEX[name] for name in SPREAD]] = np.clip(1.0 - rounding, 0, 1)[:, None]
    if felt is not None and felt.any():
        kept *= 1.0 - already_shown(felt, rest)
    scale = np.full(len(EXPRESSION), strength.face)
    scale[[INDEX[name] for name in ARTICULATION]] = strength.mouth
    scale[[INDEX[name] for name in LIDS]] = 1.0
    return (kept * rest + scale * (driver - kept * start)).clip(0, 1)


def already_shown(felt: NDArray[np.floating], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share (T, 52) of the photo's expression (52,) that displays of emotions (T, 6) repeat.

    Somebody photographed with a broad smile who is to be happy does not smile beyond all
    measure: at intensity 1 the wider of both smiles is seen.
    """
    full = to_motion(prototypes())[:, group_slice("expression")]
    share = np.zeros((len(felt), len(EXPRESSION)))
    for intensity, display in zip(felt.T, full, strict=True):
        part = np.divide(display, rest, out=np.zeros_like(rest), where=rest > 0).clip(0, 1)
        share = np.maximum(share, intensity[:, None] * part)
    return share
