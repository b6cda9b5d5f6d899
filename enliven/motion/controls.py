"""The lower-face controls that speech moves, and how they map to motion channels.

A control drives one channel, or a left and right pair equally: what one voice says does not
tell the sides of a face apart.
"""

import numpy as np
from numpy.typing import NDArray

from enliven.types import EXPRESSION

CONTROLS = (
    "jawOpen", "jawForward", "mouthClose", "mouthFunnel", "mouthPucker",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthDimple", "mouthFrown", "mouthLowerDown", "mouthPress", "mouthSmile",
    "mouthStretch", "mouthUpperUp", "cheekPuff", "cheekSquint", "noseSneer",
)  # fmt: skip
CONTROL = {name: i for i, name in enumerate(CONTROLS)}


def control_matrix() -> NDArray[np.float32]:
    """(K, 52): controls @ matrix are the expression channels they stand for."""
    matrix = np.zeros((len(CONTROLS), len(EXPRESSION)), np.float32)
    for row, name in enumerate(CONTROLS):
        for channel in (name, f"{name}Left", f"{name}Right"):
            if channel in EXPRESSION:
                matrix[row, EXPRESSION.index(channel)] = 1.0
    return matrix


def controls_of(expression: NDArray) -> NDArray[np.float32]:
    """Expression (..., 52) -> controls (..., K), the mean of both sides."""
    matrix = control_matrix()
    return np.asarray(expression, np.float32) @ (matrix / matrix.sum(1, keepdims=True)).T
