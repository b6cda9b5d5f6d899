"""How far a head cut from one photo can turn before its skin smears."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enliven.geometry import angles_from_rotation, rotation_from_angles
from enliven.render.warp import Pose, Sheet

SPREAD = 2.2  # skin spread over more than this many times its area in the photo is a smear
SMEARED = 0.03  # share of the face that may be
WIDEST = np.radians([36.0, 24.0])  # yaw and pitch that are never exceeded
PROFILE = np.radians(60.0)  # a head seen from farther round than this is ear and hair
KNEE = 5 / 6  # fraction of a limit that passes unchanged


@dataclass(frozen=True)
class TurnLimits:
    """Largest turn away from the photo, radians, >= 0: (2, 2), rows yaw and pitch, columns -, +."""

    limits: NDArray[np.float64]

    def applied(self, turn: NDArray[np.float64]) -> NDArray[np.float64]:
        """A rotation (3, 3) relative to the photo, bent softly into the limits; roll is free."""
        yaw, pitch, roll = angles_from_rotation(turn)
        bent = [
            _bend(float(angle), *row) for angle, row in zip((yaw, pitch), self.limits, strict=True)
        ]
        if bent == [float(yaw), float(pitch)]:
            return turn
        return rotation_from_angles(bent[0], bent[1], float(roll))

    def shown(self, yaw: float) -> float:
        """What becomes of a yaw away from the photo, radians."""
        return _bend(yaw, *self.limits[0])


def _bend(angle: float, below: float, above: float) -> float:
    limit = above if angle >= 0 else below
    knee = KNEE * limit
    if abs(angle) <= knee:
        return angle
    room = max(limit - knee, 1e-9)
    return float(np.sign(angle) * (knee + room * np.tanh((abs(angle) - knee) / room)))


def find_limits(sheet: Sheet, pose: Pose, on_face: NDArray[np.bool_]) -> TurnLimits:
    """Bisect for the turn at which SMEARED of the face (R, C) is spread too thin.

    A face that is turned away may turn back as far as its mirror image, which completes it.
    """
    limits = np.zeros((2, 2))
    now = angles_from_rotation(pose.rotation)
    for row, widest in enumerate(WIDEST):
        for column, sign in enumerate((-1, 1)):
            away = sign * float(now[row])
            bad = max(0.0, min(float(widest), PROFILE - away))
            safe = min(bad, max(0.0, -2 * away)) if row == 0 else 0.0
            if not _smears(sheet, pose, on_face, row, sign * bad):
                safe = bad
            while bad - safe > np.radians(0.5):
                middle = (safe + bad) / 2
                if _smears(sheet, pose, on_face, row, sign * middle):
                    bad = middle
                else:
                    safe = middle
            limits[row, column] = safe
    return TurnLimits(limits)


def _smears(sheet: Sheet, pose: Pose, on_face: NDArray[np.bool_], row: int, angle: float) -> bool:
    turn = rotation_from_angles(*((angle, 0.0) if row == 0 else (0.0, angle)))
    turned = Pose(turn @ pose.rotation, pose.translation, pose.focal_px, pose.centre_px)
    weights = np.zeros(len(sheet.fields), np.float32)
    places = sheet.grid.points() + sheet.displacement(weights, turned, np.zeros(2, np.float32))
    step_x, step_y = sheet.grid.step
    down = np.gradient(places, step_y, axis=0)
    right = np.gradient(places, step_x, axis=1)
    area = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    return bool((area[on_face] > SPREAD).mean() > SMEARED)
