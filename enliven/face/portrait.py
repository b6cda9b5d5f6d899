"""A photo becomes a Portrait: face, pose, matte and the expression it was taken with."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadMedia
from enliven.face.check import check_usable, expectations, eyes_closed
from enliven.face.head import fit_rest, gaze_to_camera
from enliven.face.head_model import load_head, personal_basis
from enliven.face.pose import head_pose, nominal_camera
from enliven.face.segment import person_mask
from enliven.face.track import FaceBox, track_people
from enliven.geometry import (
    CAMERA_DISTANCE,
    head_points,
    vector_from_rotation,
)
from enliven.media.image import read_image
from enliven.types import CHANNELS, INDEX, Portrait, group_slice

log = logging.getLogger("enliven")

CUT_OUT_SHARE = 0.02  # transparent part of a photo that has been cut out by hand


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
    check_usable(landmarks, rotation, pixels.shape[1], pixels.shape[0])
    for note in expectations(pixels, landmarks, rotation, others):
        log.warning("%s", note)
    points = head_points(landmarks, rotation, translation, camera.focal_px, camera.centre_px)
    rest = rest_frame(points, rotation, translation)
    if eyes_closed(landmarks):
        # nobody knows these eyes: whatever drives the lids, they stay as they are
        rest[[INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]] = 1.0
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
