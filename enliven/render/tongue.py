"""The tongue: a soft body on the floor of the mouth, an ellipsoid met by lines of sight.

`tongueOut` says where its tip is: 0 at rest behind the lower teeth, about 0.3 raised to the
ridge behind the upper teeth as for /l/, 0.6 between the teeth as for /th/, 1 out over them.  It
does not hang over the lower lip: lips are always drawn in front.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from enliven.render.face import smooth_step
from enliven.render.teeth import Rays

# Centre and radii in the axes of the lower teeth (x right, y down from their edge, z back), IOD,
# at the stations of tongueOut.
STATIONS = (0.0, 0.3, 0.6, 1.0)
CENTRES = ((0.0, 0.180, 0.42), (0.0, 0.055, 0.36), (0.0, 0.02, 0.31), (0.0, 0.05, 0.12))
RADII = ((0.235, 0.185, 0.39), (0.20, 0.135, 0.34), (0.18, 0.085, 0.38), (0.17, 0.085, 0.40))
GROOVE = 0.022  # half width of the line along the middle, IOD
SIDEWAYS = 0.25  # share of a sideways view that counts
SOFT_RIM = 0.35  # share of a resting tongue over which it melts into its surroundings
SOFT_ASIDE = 1.5  # and how much more per unit of sideways slope of sight


@dataclass(frozen=True)
class Seen:
    """The tongue along P lines of sight: alpha 0..1, shade (times its colour), gleam, depth z."""

    alpha: NDArray[np.float32]
    shade: NDArray[np.float32]
    gleam: NDArray[np.float32]
    depth: NDArray[np.float32]


def see_tongue(rays: Rays, out: float, pixel: float) -> Seen:
    """Meet the tongue; rays in the axes of the lower teeth, pixel: size of one, IOD.

    Seen from the side it is drawn further to the front than it is, since it fills the arch.
    """
    aside = abs(float(rays.step[0]))
    rays = replace(rays, step=rays.step * np.array([SIDEWAYS, 1, 1], np.float32))
    centre = [np.interp(out, STATIONS, column) for column in np.transpose(CENTRES)]
    radii = np.array([np.interp(out, STATIONS, c) for c in np.transpose(RADII)], np.float32)
    start = (rays.start - np.array(centre, np.float32)) / radii
    step = rays.step / radii
    a, b = step @ step, start @ step
    disc = b * b - a * ((start * start).sum(1) - 1)
    t = -(b + np.sqrt(np.maximum(disc, 0))) / a
    normal = (start + t[:, None] * step) / radii
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + np.float32(1e-6)
    point = rays.start + t[:, None] * rays.step
    # lit from the mouth's opening, somewhat from above
    facing = np.clip(-0.55 * normal[:, 2] - 0.70 * normal[:, 1], 0, 1)
    groove = np.exp(-((point[:, 0] / GROOVE) ** 2)) * smooth_step((point[:, 2] - 0.04) / 0.15)
    shade = 0.62 + 0.38 * facing - 0.07 * groove
    gleam = np.clip(-0.62 * normal[:, 2] - 0.78 * normal[:, 1], 0, 1) ** 24
    # its flanks melt into the floor and the dark behind
    rim = SOFT_RIM + SOFT_ASIDE * aside if out < STATIONS[1] else 0.0
    soft = np.float32(max(3.0 * pixel / radii[1], rim)) * a
    return Seen(smooth_step(disc / soft), shade, gleam * (1 - groove), point[:, 2])
