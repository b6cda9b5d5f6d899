"""A photo becomes a Portrait: face, pose, matte and the expression it was taken with."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadMedia, NoFaceFound
from enliven.face.head import fit_rest, gaze_to_camera
from enliven.face.head_model import load_head, personal_basis
from enliven.face.pose import head_pose, nominal_camera
from enliven.face.segment import person_mask
from enliven.face.track import FaceBox, track_people
from enliven.geometry import (
    CAMERA_DISTANCE,
    OUTER_EYE_CORNERS,
    angles_from_rotation,
    head_points,
    vector_from_rotation,
)
from enliven.media.image import read_image
from enliven.types import CHANNELS, Portrait, group_slice

log = logging.getLogger("enliven")

MIN_EYES_PX = 32.0  # outer eye corners; below, a mouth is under a dozen pixels wide
MAX_YAW_DEG = 50.0  # beyond, the far eye and lip corner are guesses
MAX_ROLL_DEG = 60.0
MAX_PITCH_DEG = 40.0
CUT_OUT_SHARE = 0.02  # transparent part of a photo that has been cut out by hand
MAX_OUTSIDE = 0.08  # share of landmarks that may lie beyond the frame


def load_portrait(
    source: Path | str | NDArray[np.uint8], face: int = 1, face_box: FaceBox | None = None
) -> Portrait:
    """The person in a photo.

    source: a photo's path, or RGB pixels (H, W, 3) uint8.
    face: which face, 1 is the largest; face_box: (x, y, width, height) px of it instead.

    Raises NoFaceFound when there is none, or one too small, too far turned or cut off;
    BadMedia when the photo cannot be read; BadOption.
    """
    return load_people(source, [(face, face_box)])[0]


def load_people(
    source: Path | str | NDArray[np.uint8], faces: Sequence[tuple[int, FaceBox | None]]
) -> list[Portrait]:
    """Several people of one photo; face and face_box as in `load_portrait`, and what is raised.

    Raises BadOption when two of them are the same face.
    """
    if isinstance(source, np.ndarray):
        pixels, alpha, path = _checked(source), None, None
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    else:
        photo = read_image(source)
        for note in photo.notes:
            log.warning(note)
        pixels, alpha, path, digest = photo.pixels, photo.alpha, photo.path, photo.digest
    found, bystanders = track_people(pixels, faces)
    people = []
    for landmarks, confidence in found:
        others = bystanders + [other for other, _ in found if other is not landmarks]
        known = {"confidence": confidence, "alpha": alpha, "source": path, "digest": digest}
        people.append(_portrait(pixels, landmarks, others, **known))
    return people


def _portrait(
    pixels: NDArray[np.uint8], landmarks: NDArray[np.float32], others: list[NDArray[np.float32]],
    **known: Any,
) -> Portrait:  # fmt: skip
    """The person with these landmarks; others: landmarks of the other faces of the photo."""
    camera = nominal_camera(landmarks)
    rotation, translation = head_pose(landmarks, camera)
    _check_usable(landmarks, rotation, pixels.shape[1], pixels.shape[0])
    points = head_points(landmarks, rotation, translation, camera.focal_px, camera.centre_px)
    rest = rest_frame(points, rotation, translation)
    basis = personal_basis(points, rest[group_slice("expression")])
    alpha = known["alpha"]
    cut_out = _is_cut_out(alpha) and not others
    return Portrait(
        image=pixels,
        landmarks=landmarks,
        rotation=rotation,
        translation=translation,
        focal_px=camera.focal_px,
        centre_px=camera.centre_px,
        mask=alpha if cut_out else person_mask(pixels, landmarks, others),
        rest=rest,
        basis=basis.astype(np.float32),
        triangles=load_head().triangles.astype(np.int64),
        **known,
    )


def rest_frame(
    points: NDArray[np.floating],
    rotation: NDArray[np.float64],
    translation: NDArray[np.float64],
) -> NDArray[np.float32]:
    """The Motion frame (C,) that reproduces a photo of the head points (478, 3) IOD."""
    expression, gaze = fit_rest(points, gaze_to_camera(rotation, translation))
    rest = np.zeros(len(CHANNELS), np.float32)
    rest[group_slice("expression")] = expression
    rest[group_slice("head")] = vector_from_rotation(rotation)
    rest[group_slice("translation")] = translation - [0, 0, CAMERA_DISTANCE]
    rest[group_slice("gaze")] = gaze
    return rest


def _checked(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise BadMedia(
            f"the photo is an array of shape {pixels.shape} and type {pixels.dtype}; expected "
            "RGB pixels of shape (height, width, 3) and type uint8"
        )
    return np.ascontiguousarray(pixels)


def _is_cut_out(alpha: NDArray[np.uint8] | None) -> bool:
    """True if the photo's own transparency already separates somebody from the background."""
    return alpha is not None and float((alpha < 128).mean()) > CUT_OUT_SHARE


def _check_usable(
    landmarks: NDArray[np.floating], rotation: NDArray[np.float64], width: int, height: int
) -> None:
    """Raises NoFaceFound for a face that could not be animated well."""
    left, right = landmarks[list(OUTER_EYE_CORNERS)]
    eyes_px = float(np.linalg.norm(right - left))  # in 3-D: a turned head is not a small one
    if eyes_px < MIN_EYES_PX:
        raise NoFaceFound(
            f"the face is too small: {eyes_px:.0f} px between the outer eye corners, "
            f"{MIN_EYES_PX:.0f} needed; use the photo at {MIN_EYES_PX / eyes_px:.1f} times its "
            f"size ({width} x {height} now) as the camera took it, or one taken closer. "
            "Enlarging a small file does not help"
        )
    _check_pose(rotation)
    x, y = landmarks[:, 0], landmarks[:, 1]
    outside = float(((x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)).mean())
    if outside > MAX_OUTSIDE:
        raise NoFaceFound(
            f"{outside:.0%} of the face lies outside the photo, at most {MAX_OUTSIDE:.0%} may; "
            "use a photo with the whole face in it"
        )


def _check_pose(rotation: NDArray[np.float64]) -> None:
    """Raises NoFaceFound for a face turned too far from the camera or from upright."""
    yaw, pitch, roll = (float(np.degrees(a)) for a in angles_from_rotation(rotation))
    if abs(roll) > MAX_ROLL_DEG:
        way, back = ("clockwise", "counter-clockwise")[:: 1 if roll > 0 else -1]
        raise NoFaceFound(
            f"the face lies on its side, turned {way} by {abs(roll):.0f} degrees, the limit is "
            f"{MAX_ROLL_DEG:.0f}; rotate the photo {back} first"
        )
    vertical = "down" if pitch > 0 else "up"
    for angle, limit, way in ((yaw, MAX_YAW_DEG, "to the side"), (pitch, MAX_PITCH_DEG, vertical)):
        if abs(angle) > limit:
            raise NoFaceFound(
                f"the face is turned {abs(angle):.0f} degrees {way}, the limit is {limit:.0f}; "
                "use a photo in which it looks more towards the camera"
            )
