"""How the shoulders move: they give way to the head and lift with the breath."""

import numpy as np
from numpy.typing import NDArray

from enliven.geometry import project
from enliven.render.warp import Pose
from enliven.types import INDEX, Portrait

# Share of the head's small shifts that the shoulders take over, as the pixels of 27 clips of
# talking people agree best; and how far they stay behind at most, IOD.
SHARE = np.array([0.45, 0.4, 0.3])
LAG = np.array([0.35, 0.3, 0.6])
SHOULDER = 1.5  # IOD from the middle to where a shoulder is lifted


def body_motion(portrait: Portrait, values: NDArray, pose: Pose) -> NDArray[np.float32]:
    """Affine displacement (2, 3), px, of the photo's points on the chest: d = m @ (x, y, 1).

    Of a turn of the head alone the shoulders know nothing; of its shift they take a share, and
    all of it beyond a bounded lag, as somebody does who leans over.
    """
    change = values.astype(np.float64) - portrait.rest
    shift = pose.translation - portrait.translation
    shift = shift - LAG * np.tanh((1 - SHARE) * shift / LAG)
    # three points: the shoulders, the person's left at image right, and a point between below
    points = SHOULDER * np.array([[-1.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    right, left = change[INDEX["shoulderRightUp"]], change[INDEX["shoulderLeftUp"]]
    lift = np.array([[0, right, 0], [0, left, 0], [0, (left + right) / 2, 0]])
    before, after = (
        project(portrait.translation + points + moved, pose.focal_px, pose.centre_px)
        for moved in (np.zeros(3), shift - lift)
    )
    corners = np.column_stack([before, np.ones(3)])
    return np.linalg.solve(corners, after - before).T.astype(np.float32)
