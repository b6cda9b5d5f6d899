"""The upper body: a barrel that turns about the same axis as the head."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enliven.geometry import project, rotation_from_vector, unproject
from enliven.render.face import Face, smooth_step
from enliven.render.mesh import CHIN
from enliven.render.warp import Pose, Sheet

# IOD, chosen by eye: half the width of a pair of shoulders, and how far breast and shoulders are
# in front of the axis.
HALF_WIDTH, BREAST, SHOULDER = 2.6, -0.6, 0.3
FADE = 1.0  # a turn dies out this close to the border of the moving region
CLEAR = 0.3  # and this far below and above the chin: beside a face it would push the cheeks


@dataclass(frozen=True)
class Torso:
    """places: (R, C, 2) px.  points: (R, C, 3) the same in camera axes from the pivot, IOD.

    share: (R, C, 2) of a turn of the body across and down, 0 on the head.  pose: of the photo.
    """

    places: NDArray[np.float32]
    points: NDArray[np.float32]
    share: NDArray[np.float32]
    pose: Pose

    def displacement(self, turn: tuple[float, float, float]) -> NDArray[np.float32]:
        """(R, C, 2) px for a rotation vector, radians."""
        rotation = rotation_from_vector(turn).astype(np.float32)
        camera = self.points @ rotation.T + self.pose.translation.astype(np.float32)
        centre = self.pose.centre_px.astype(np.float32)
        moved = project(camera, self.pose.focal_px, centre) - self.places
        return np.asarray(moved * self.share, np.float32)


def build_torso(skin: Sheet, face: Face, height: int) -> Torso:
    """The body under a head; skin: the sheet of the whole person, height: of the picture, px."""
    places = skin.places.astype(np.float64)
    pivot = face.pose.translation
    axis = project(pivot, face.pose.focal_px, face.pose.centre_px)
    across = (places[..., 0] - axis[0]) / face.iod_px / HALF_WIDTH
    round_ = np.sqrt(np.maximum(1 - across**2, 0))
    depth = pivot[2] + SHOULDER + (BREAST - SHOULDER) * round_
    points = unproject(places, depth, face.pose.focal_px, face.pose.centre_px) - pivot
    moves = skin.follow + skin.drag
    above = places[..., 1:] < face.landmarks[CHIN, 1]
    head = np.where(moves > 1e-3, skin.follow / np.maximum(moves, 1e-3), above)
    grid = skin.grid
    fade = np.ones((*places.shape[:2], 2))
    to_side = np.minimum(places[..., 0] - grid.x, grid.x + grid.width - 1 - places[..., 0])
    fade *= smooth_step(to_side / (FADE * face.iod_px))[..., None]
    to_end = smooth_step((grid.y + grid.height - 1 - places[..., 1]) / (FADE * face.iod_px))
    # a body that goes on below the picture slides along its edge, so that nothing opens there
    fade[..., 1] *= to_end
    if grid.y + grid.height < height:
        fade[..., 0] *= to_end
    below = (places[..., 1:] - face.landmarks[CHIN, 1]) / face.iod_px
    share = (1 - head) * fade * smooth_step((below / CLEAR + 1) / 2)
    return Torso(skin.places, points.astype(np.float32), share.astype(np.float32), face.pose)
