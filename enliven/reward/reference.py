"""What a video is held against: the photo it was made from, or its own first second."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.face.head import load_head
from enliven.face.head_model import FACE_OVAL, LIP_RINGS_LOWER, LIP_RINGS_UPPER
from enliven.geometry import OUTER_EYE_CORNERS
from enliven.metrics.image import Mask
from enliven.metrics.lips import head_shape
from enliven.metrics.watch import Stretch
from enliven.types import Portrait, group_slice

Array = NDArray[np.floating]
Frame = NDArray[np.uint8]

SIDE_IOD = 3.0  # of the square about the head that is cut out of a photo, as in `Stretch.faces`
OWN_FRAMES = 25  # of a video without a photo that it is held against
BLUR_IOD = 0.05  # deviation of the Gaussian under which looks are compared
LIPS = {point for ring in (*LIP_RINGS_UPPER, *LIP_RINGS_LOWER) for point in ring}
MESH = [point for point in range(468) if point not in LIPS]  # open lips show teeth
LIP_AREA = (*LIP_RINGS_UPPER[0], *LIP_RINGS_LOWER[0][::-1])
SCENE_PX = 256  # longer side, as in `Stretch.scenes`
EYES = ((33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
        (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390,
         249))  # fmt: skip
BODY_IOD = (2.2, 0.9)  # half width of shoulders, and of the head with hair, from the nose
CROWN_IOD = 1.9  # how far a head of hair reaches above the eyes


def eye_distance(landmarks: Array) -> NDArray[np.float64]:
    """Distance of the outer eye corners, px, (...,) of (..., 478, 3); in space, so that a turned
    head does not seem smaller."""
    left, right = OUTER_EYE_CORNERS
    gap = np.asarray(landmarks[..., right, :] - landmarks[..., left, :], np.float64)
    return np.linalg.norm(gap, axis=-1)


def skin_mask(size: tuple[int, int], landmarks: Array) -> Mask:
    """Skin of a face, (H, W) = size: its oval without eyes and mouth.  landmarks (478, 2+) px."""
    drawn = np.zeros(size, np.uint8)
    points = np.rint(landmarks[:, :2]).astype(np.int32)
    middle = points[list(FACE_OVAL)].mean(0)
    oval = middle + 0.9 * (points[list(FACE_OVAL)] - middle)
    cv2.fillPoly(drawn, [np.rint(oval).astype(np.int32)], 1)
    for part in (*EYES, LIP_AREA):
        around = points[list(part)]
        wider = around.mean(0) + 1.5 * (around - around.mean(0))
        cv2.fillPoly(drawn, [cv2.convexHull(np.rint(wider).astype(np.int32))], 0)
    return drawn > 0


def behind_mask(size: tuple[int, int], landmarks: Array) -> Mask:
    """Where surely no part of the person is, (H, W): beside the head and above the shoulders.

    landmarks: (478, 2+) px of a picture of that size.
    """
    height, width = size
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    eyes = landmarks[list(OUTER_EYE_CORNERS), :2].mean(0)
    iod = float(eye_distance(landmarks))
    nose, chin = float(landmarks[4, 0]), float(landmarks[152, 1])
    shoulders = (y > chin - 0.2 * iod) & (np.abs(x - nose) < BODY_IOD[0] * iod)
    head = (np.abs(x - nose) < (BODY_IOD[1] + 0.35) * iod) & (y > eyes[1] - CROWN_IOD * iod)
    below = y > chin + 0.5 * iod
    return np.asarray(~(shoulders | head | below))


def looks(face: Frame, landmarks: Array) -> NDArray[np.float64]:
    """Low colours of a face at the points of MESH, (n, 3), 0 to 1.

    Pose and expression hardly matter, as each point keeps its place on the face.
    face: (h, w, 3).  landmarks: (478, 2+) px of it.
    """
    places = landmarks[None, MESH, :2].astype(np.float32)
    blur = max(0.5, BLUR_IOD * float(eye_distance(landmarks)))
    soft = cv2.GaussianBlur(face, (0, 0), blur)
    sampled = cv2.remap(soft, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled[0], np.float64) / 255


def neutral_shape(shapes: Array, expression: Array) -> NDArray[np.float64]:
    """The resting face (478, 3) behind shapes (T, 478, 3) in head axes, IOD, of the expressions
    (T, 52) that were seen; NaN without a frame."""
    known = np.isfinite(shapes).all((1, 2)) & np.isfinite(expression).all(1)
    if not known.any():
        return np.full(shapes.shape[1:], np.nan)
    moved = np.tensordot(expression[known], load_head().basis, 1)
    return np.asarray(np.median(shapes[known] - moved, axis=0), np.float64)


@dataclass(frozen=True)
class Reference:
    """What a video is held against.

    faces: pictures (h, w, 3) of the head; landmarks: (n, 478, 3) px in them.
    scene: (h, w, 3), the whole picture, longer side at most 256 px; behind: (h, w) bool, what
        is not the person in it.
    place: (478, 3) landmarks in px of a picture of `size` (width, height).
    neutral: (478, 3) IOD, the resting face.
    photo: whether it is a photo; otherwise the video itself, and only drift can be told.
    """

    faces: tuple[Frame, ...]
    landmarks: NDArray[np.float32]
    scene: Frame
    behind: Mask
    place: NDArray[np.float32]
    size: tuple[int, int]
    neutral: NDArray[np.float64]
    photo: bool

    @classmethod
    def of_portrait(cls, portrait: Portrait) -> Self:
        """The photo of a person."""
        height, width = portrait.image.shape[:2]
        iod = float(eye_distance(portrait.landmarks))
        side = int(np.ceil(SIDE_IOD * iod))
        middle = (portrait.landmarks[:, :2].min(0) + portrait.landmarks[:, :2].max(0)) / 2
        left, top = (np.rint(middle - side / 2)).astype(int)
        matrix = np.array([[1.0, 0, -left], [0, 1, -top]])
        face = cv2.warpAffine(portrait.image, matrix, (side, side))
        scale = min(1.0, SCENE_PX / max(width, height))
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        mask = cv2.resize(portrait.mask, small, interpolation=cv2.INTER_AREA)
        reach = max(1, round(0.35 * iod * scale))
        person = cv2.dilate(mask, np.ones((2 * reach + 1,) * 2, np.uint8)) > 8
        behind = ~person
        expression = portrait.rest[group_slice("expression")][None]
        return cls(
            faces=(np.asarray(face, np.uint8),),
            landmarks=(portrait.landmarks - np.array([left, top, 0], np.float32))[None],
            scene=np.asarray(
                cv2.resize(portrait.image, small, interpolation=cv2.INTER_AREA), np.uint8
            ),
            behind=behind,
            place=portrait.landmarks,
            size=(width, height),
            neutral=neutral_shape(head_shape(portrait.landmarks[None]), expression),
            photo=True,
        )

    @classmethod
    def of_stretch(cls, stretch: Stretch) -> Self | None:
        """The first second of a video in which a face is seen; None without one."""
        if stretch.motion is None or not stretch.valid.any():
            return None
        rows = np.flatnonzero(stretch.valid)[:OWN_FRAMES]
        places = np.median(stretch.landmarks[rows], axis=0).astype(np.float32)
        scale = stretch.scenes.shape[2] / stretch.size[0]
        expression = stretch.motion.group("expression")[rows]
        pictures = rows[:: max(1, len(rows) // 3)][:3]
        return cls(
            faces=tuple(stretch.faces[i] for i in pictures),
            landmarks=np.stack([in_crop(stretch, int(i)) for i in pictures]),
            scene=np.median(stretch.scenes[rows[:9]], axis=0).astype(np.uint8),
            behind=behind_mask(stretch.scenes.shape[1:3], places * scale),
            place=places,
            size=stretch.size,
            neutral=neutral_shape(stretch.shapes[rows], expression),
            photo=False,
        )


def in_crop(stretch: Stretch, frame: int) -> NDArray[np.float32]:
    """Landmarks (478, 3) of a frame in px of its picture in `faces`."""
    x, y, scale = stretch.box[frame]
    return (stretch.landmarks[frame] - np.array([x, y, 0], np.float32)) * scale
