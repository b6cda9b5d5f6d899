"""Whether a face can be animated, and what to expect of it where it can but not well."""

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.errors import NoFaceFound
from enliven.face.landmarks import Region, find_landmarks, region_of_landmarks
from enliven.geometry import OUTER_EYE_CORNERS, angles_from_rotation

MIN_EYES_PX = 32.0  # outer eye corners; below, a mouth is under a dozen pixels wide
MAX_YAW_DEG = 50.0  # beyond, the far eye and lip corner are guesses
MAX_ROLL_DEG = 60.0
MAX_PITCH_DEG = 40.0
MAX_OUTSIDE = 0.08  # share of landmarks that may lie beyond the frame

# Beyond these a face is animated, but the user is told what suffers.
SMALL_EYES_PX = 60.0
WIDE_YAW_DEG = 30.0
CLOSED_LIDS = 0.14  # height of the eye over its width; open ones measure 0.17 to 0.57
OPEN_LIPS = 0.25  # gap between the lips over the width of the mouth
BLURRED = 0.03  # fine detail over all contrast of the face; sharp photos have 0.05 to 0.27
DARK = 60.0  # of 255, the brightest parts of the face
COVERED = 0.0172  # unrest of the lips over the eye distance; where they show, 0.004 to 0.0165
BESIDE = 1.0  # distance of another face, over half the sum of the widths

EYES = ((159, 145, 33, 133), (386, 374, 362, 263))  # landmarks above, below, at the corners
LIPS = (13, 14, 61, 291)
MOUTH = (0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181, 185,
         191, 267, 269, 270, 291, 308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405, 409,
         415)  # fmt: skip
# Shift x, y and growth as shares of the crop, turn in radians: from where the mesh looks again.
NUDGES = ((0.06, 0, 0, 0), (-0.06, 0, 0, 0), (0, 0.06, 0, 0), (0, -0.06, 0, 0),
          (0, 0, 0.12, 0), (0, 0, -0.1, 0), (0, 0, 0, 0.12), (0, 0, 0, -0.12))  # fmt: skip
SHARP_AT_PX = 96.0  # eye distance at which sharpness is measured
FINE_PX = 1.5  # detail smaller than this counts as fine


def check_usable(
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
    check_pose(rotation)
    x, y = landmarks[:, 0], landmarks[:, 1]
    outside = float(((x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)).mean())
    if outside > MAX_OUTSIDE:
        raise NoFaceFound(
            f"{outside:.0%} of the face lies outside the photo, at most {MAX_OUTSIDE:.0%} may; "
            "use a photo with the whole face in it"
        )


def check_pose(rotation: NDArray[np.float64]) -> None:
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


def expectations(
    image: NDArray[np.uint8],
    landmarks: NDArray[np.floating],
    rotation: NDArray[np.float64],
    others: list[NDArray[np.float32]],
) -> list[str]:
    """What will suffer and what helps, a sentence for each thing that is wrong with a photo.

    others: landmarks of the other faces in it.
    """
    left, right = landmarks[list(OUTER_EYE_CORNERS)]
    eyes_px = float(np.linalg.norm(right - left))
    x, y = landmarks[:, 0], landmarks[:, 1]
    height, width = image.shape[:2]
    yaw = abs(float(np.degrees(angles_from_rotation(rotation)[0])))
    cut = x.min() < 0 or y.min() < 0 or x.max() > width - 1 or y.max() > height - 1
    notes = {
        f"the face is small, {eyes_px:.0f} px between the outer eye corners: lips and lids will "
        "look soft; 100 px and more are sharp": eyes_px < SMALL_EYES_PX,
        f"the face is turned {yaw:.0f} degrees to the side: what it hides is guessed, so mouth and "
        "eye on the far side suffer; a more frontal photo looks better": yaw > WIDE_YAW_DEG,
        "the edge of the photo cuts the face: what lies beyond is smeared into it when the head "
        "moves; use a photo with some room around the face, or --still": cut,
        "the eyes are closed in the photo and stay closed, for nobody knows what they look like; "
        "use a photo with open eyes": eyes_closed(landmarks),
        "the mouth stands wide open in the photo: it will close, but the lips keep the shape of "
        "an open mouth; one with the lips near each other looks better":
            _aspect(landmarks, LIPS) > OPEN_LIPS,
        "another face is close to this one: where they touch, their outlines are a guess":
            any(_beside(landmarks, other) for other in others),
        "something seems to cover the mouth, such as a hand, a microphone or a veil: it will bend "
        "with the lips; use a photo that shows the mouth":
            _unrest(image, landmarks) > COVERED * eyes_px,
        **_poor_light(_face_pixels(image, landmarks), eyes_px),
    }  # fmt: skip
    return [note for note, is_so in notes.items() if is_so]


def eyes_closed(landmarks: NDArray[np.floating]) -> bool:
    """True if both eyes of (478, 3) px are shut."""
    return max(_aspect(landmarks, eye) for eye in EYES) < CLOSED_LIDS


def _aspect(landmarks: NDArray[np.floating], points: tuple[int, int, int, int]) -> float:
    above, below, start, end = landmarks[list(points), :2]
    return float(np.linalg.norm(above - below)) / max(float(np.linalg.norm(start - end)), 1e-6)


def _beside(one: NDArray[np.floating], other: NDArray[np.floating]) -> bool:
    gap = np.linalg.norm(one[:, :2].mean(0) - other[:, :2].mean(0))
    return bool(gap < BESIDE * (np.ptp(one[:, 1]) + np.ptp(other[:, 1])) / 2)


def _unrest(image: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> float:
    """How far the lips move, px, when the mesh looks from slightly elsewhere.

    Where it sees lips it finds them from anywhere; where it guesses, each guess is another.
    """
    region = region_of_landmarks(landmarks)
    looks = []
    for right, down, growth, turn in NUDGES:
        place = Region(region.x + right * region.side, region.y + down * region.side,
                       region.side * (1 + growth), region.angle + turn)  # fmt: skip
        looks.append(find_landmarks(image, place)[0][list(MOUTH), :2])
    return float(np.linalg.norm(looks - np.mean(looks, axis=0), axis=-1).mean())


def _face_pixels(image: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
    """Brightness (h, w) of the rectangle around the face, 0 to 255."""
    height, width = image.shape[:2]
    low, high = landmarks[:, :2].min(0).astype(int), landmarks[:, :2].max(0).astype(int) + 1
    left, top = np.clip(low, 0, [width - 2, height - 2])
    right, bottom = np.clip(high, [left + 2, top + 2], [width, height])
    part = np.ascontiguousarray(image[top:bottom, left:right])
    return np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), np.float32)


def sharpness(image: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> float:
    """Fine detail over all contrast of the face, free of its size; blurred is below BLURRED."""
    left, right = landmarks[list(OUTER_EYE_CORNERS)]
    eyes_px = float(np.linalg.norm(right - left))
    return _fine_part(_face_pixels(image, landmarks), eyes_px)


def _fine_part(face: NDArray[np.float32], eyes_px: float) -> float:
    scale = SHARP_AT_PX / eyes_px
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    seen = cv2.resize(face, None, fx=scale, fy=scale, interpolation=way)
    fine = seen - cv2.GaussianBlur(seen, (0, 0), FINE_PX)
    return float(fine.std()) / max(float(seen.std()), 1.0)


def _poor_light(face: NDArray[np.float32], eyes_px: float) -> dict[str, bool]:
    return {
        "the photo is blurred: so will be the result, and teeth and lids, which are drawn, may "
        "look sharper than the rest; use a sharper photo":
            _fine_part(face, eyes_px) < BLURRED,
        "the face is very dark: its features are found less exactly, and what is drawn may not "
        "match; use a brighter photo": bool(np.percentile(face, 95) < DARK),
    }  # fmt: skip
