"""Where eyes look, and what their lids do for it."""

import numpy as np
from numpy.typing import NDArray

from enliven.face.head_model import EYE_CORNERS, IRISES
from enliven.geometry import EYE_CENTRE
from enliven.types import EXPRESSION, FULL_LOOK

Array = NDArray[np.floating]

EYE_RADIUS = 0.12  # centre of the eyeball to the iris plane, IOD (10.5 mm at 88 mm)
IRIS_AT_REST = -0.022  # iris centre above the line of the corners when looking ahead, IOD


def gaze_angles(points: Array) -> Array:
    """Yaw and pitch (..., 2) of the eyes relative to the head, rad, of points (..., 478, 3).

    Positive yaw looks to image right, positive pitch looks down.
    """
    offsets = []
    for iris, corners in zip(IRISES, EYE_CORNERS, strict=True):
        offsets.append(points[..., iris, :2] - points[..., list(corners), :2].mean(-2))
    offset = np.mean(offsets, 0) - np.array([0, IRIS_AT_REST])
    return np.arcsin(np.clip(offset / EYE_RADIUS, -0.9, 0.9))


def look_channels(gaze: Array) -> Array:
    """What the lids do for a gaze (..., 2): expression (..., 52) with the eyeLook rows set."""
    gaze = np.asarray(gaze)
    yaw, pitch = gaze[..., 0], gaze[..., 1]
    amounts = {"DownLeft": pitch, "DownRight": pitch, "UpLeft": -pitch, "UpRight": -pitch,
               "OutLeft": yaw, "InRight": yaw, "InLeft": -yaw, "OutRight": -yaw}  # fmt: skip
    expression = np.zeros((*gaze.shape[:-1], len(EXPRESSION)))
    for end, angle in amounts.items():
        full = FULL_LOOK[end.removesuffix("Left").removesuffix("Right")]
        expression[..., EXPRESSION.index("eyeLook" + end)] = np.clip(angle / full, 0, 1)
    return expression


def gaze_to_camera(rotation: Array, translation: Array) -> Array:
    """The gaze (..., 2) of somebody in the pose given who looks into the camera, rad."""
    eyes = rotation @ EYE_CENTRE + translation
    x, y, z = np.moveaxis(-np.einsum("...ji,...j->...i", rotation, eyes), -1, 0)
    return np.stack([np.arctan2(x, -z), np.arctan2(y, np.hypot(x, z))], -1)
