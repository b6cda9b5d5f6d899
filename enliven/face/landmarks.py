"""478 landmarks of one face: a turned square region of the image through the attention mesh.

Points 0-467 are the face mesh with lips and eyes refined, 468-472 and 473-477 the irises, the
one at image left first.
"""

import json
from dataclasses import astuple, dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.face.detect import DetectedFace, square_crop
from enliven.geometry import OUTER_EYE_CORNERS
from enliven.weights import open_model

CROP_PX = 192
REGION_SCALE = 1.5  # side of the region over the longer side of the face's box
REGION_SLACK = 0.01  # of the region's side
PRESENT = 0.5  # presence from which the mesh says there is a face
STILL_ROUNDS = 30
STILL_SHIFT = 2e-4  # of the region's side: a tenth of a pixel on a face of 300
# shifts over the side, scale and turn of the regions that a still picture is seen through
STILL_LOOKS = ((0, 0, 1.0, 0), (0.02, 0, 1.0, 0.04), (-0.02, 0, 1.0, -0.04), (0, 0.02, 1.04, 0),
               (0, -0.02, 0.96, 0), (0.01, 0.01, 0.97, 0.07),
               (-0.01, -0.01, 1.03, -0.07))  # fmt: skip
OUTPUTS = ("output_mesh_identity", "output_lips", "output_left_eye", "output_right_eye",
           "output_left_iris", "output_right_iris", "conv_faceflag")  # fmt: skip
EYELID_POINTS = 16  # the first points of an eye subset are the contour of its lids
FIRST_IRIS_POINTS = (468, 473)


@dataclass(frozen=True)
class Region:
    """A square of the image, turned by `angle` radians (clockwise as seen), all in pixels."""

    x: float
    y: float
    side: float
    angle: float

    def to_image(self) -> NDArray[np.float64]:
        """(2, 3) map from crop pixels to image pixels."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        turn = self.side / CROP_PX * np.array([[c, -s], [s, c]])
        corner = np.array([self.x, self.y]) - turn @ [CROP_PX / 2, CROP_PX / 2]
        return np.column_stack([turn, corner])


def region_of_detection(face: DetectedFace) -> Region:
    """Where to look for the mesh of a detected face."""
    x, y = (face.box[:2] + face.box[2:]) / 2
    return Region(float(x), float(y), REGION_SCALE * face.size_px, face.roll)


def region_of_landmarks(landmarks: NDArray[np.floating]) -> Region:
    """Where to look for the same face again: the box of all its points, turned with the eyes."""
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    left, right = OUTER_EYE_CORNERS
    dx, dy = landmarks[right, :2] - landmarks[left, :2]
    x, y = (low + high) / 2
    side = REGION_SCALE * (high - low).max()
    return Region(float(x), float(y), float(side), float(np.arctan2(dy, dx)))


def leashed(region: Region, target: Region) -> Region:
    """The region moved towards the target only as far as it lies outside a small slack.

    The network sees the same face a little differently in every other region, so that a region
    that follows each breath makes the landmarks tremble, on a still picture for ever.
    """
    slack = np.array([1, 1, 1.5, 0]) * REGION_SLACK * region.side + [0, 0, 0, 2 * REGION_SLACK]
    now, wanted = np.array(astuple(region)), np.array(astuple(target))
    turn = wanted[3] - now[3]
    wanted[3] = now[3] + (turn + np.pi) % (2 * np.pi) - np.pi
    excess = np.sign(wanted - now) * np.maximum(np.abs(wanted - now) - slack, 0)
    return Region(*(now + excess).tolist())


def find_landmarks(image: NDArray[np.uint8], region: Region) -> tuple[NDArray[np.float32], float]:
    """Landmarks (478, 3) in image pixels and the presence of a face, 0 to 1.

    z points away from the camera, in the same pixels, and is relative.
    """
    matrix = region.to_image()
    points, presence = landmarks_of_crop(square_crop(image, matrix, CROP_PX, cv2.BORDER_REPLICATE))
    points[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    points[:, 2] *= region.side / CROP_PX
    return points.astype(np.float32), presence


def find_landmarks_still(
    image: NDArray[np.uint8], region: Region
) -> tuple[NDArray[np.float32], float]:
    """Like `find_landmarks`, as well as a single picture allows.

    The region and the landmarks found in it depend on each other; on hard pictures (glasses,
    paintings) plain repetition wanders by pixels for ever.  So the region goes half way each
    time until it rests, and the result is the mean over regions a little apart.
    """
    points, presence = find_landmarks(image, region)
    for _ in range(STILL_ROUNDS):
        target = region_of_landmarks(points)
        region = Region(*((np.array(astuple(region)) + np.array(astuple(target))) / 2).tolist())
        moved, presence = find_landmarks(image, region)
        shift = np.abs(moved - points)[:, :2].max()
        points = moved
        if shift < STILL_SHIFT * region.side:
            break
    looks = [find_landmarks(image, Region(
        region.x + dx * region.side, region.y + dy * region.side,
        region.side * scale, region.angle + turn,
    )) for dx, dy, scale, turn in STILL_LOOKS]  # fmt: skip
    weights = [seen for _, seen in looks]
    if min(weights) < PRESENT:  # a fragile find: the central look alone
        return points, presence
    return np.mean([found for found, _ in looks], axis=0), float(np.mean(weights))


def landmarks_of_crop(crop: NDArray[np.uint8]) -> tuple[NDArray[np.float64], float]:
    """Landmarks (478, 3) in pixels of an RGB crop (192, 192, 3), and presence, 0 to 1."""
    session = open_model("face_mesh")
    tensor = crop[None].astype(np.float32) / np.float32(255)
    outputs = session.run(OUTPUTS, {session.get_inputs()[0].name: tensor})
    mesh, *refined, flag = (output.ravel() for output in outputs)
    points = np.empty((478, 3))
    points[:468] = mesh.reshape(468, 3)
    subsets = _refined_subsets()
    for subset, flat in zip(subsets, refined[:3], strict=True):
        points[subset, :2] = flat.reshape(-1, 2)  # z stays that of the mesh
    for first, eye, flat in zip(FIRST_IRIS_POINTS, subsets[1:], refined[3:], strict=True):
        points[first : first + 5, :2] = flat.reshape(-1, 2)
        points[first : first + 5, 2] = points[eye[:EYELID_POINTS], 2].mean()
    return points, float(1 / (1 + np.exp(-np.float64(flag[0]))))


@cache
def _refined_subsets() -> list[list[int]]:
    """Landmark numbers of the refined lips (80) and of both eyes (71 each), from the model."""
    metadata = open_model("face_mesh").get_modelmeta().custom_metadata_map
    return json.loads(metadata["landmark_subsets"])
