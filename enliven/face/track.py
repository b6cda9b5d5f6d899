"""The face of a picture or a clip as landmarks and head poses over time.

    landmarks, confidence = track_image(image)
    track = track_video("clip.mp4")

Faces are numbered by size, the largest is 1.  A `face_box` (x, y, width, height) px picks the
face there instead.  Over a clip the chosen face is followed from frame to frame and found again
near the place where it was lost.
"""

from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption, NoFaceFound
from enliven.face.detect import (
    DETECTION_SCORE,
    DetectedFace,
    best_score,
    detect_faces,
    detect_near,
    detect_small_faces,
    overlap,
)
from enliven.face.landmarks import (
    PRESENT,
    Region,
    find_landmarks,
    find_landmarks_still,
    leashed,
    region_of_detection,
    region_of_landmarks,
)
from enliven.face.pose import head_poses, nominal_camera
from enliven.face.skin import SkinReference
from enliven.face.smooth import smooth
from enliven.geometry import OUTER_EYE_CORNERS
from enliven.media.video import probe, read_frames

FaceBox = tuple[float, float, float, float]  # x, y, width, height, px
Missing = Literal["hold", "skip", "fail"]
Progress = Callable[[int, int], object]  # frames done, frames in all (0 if not known)

# landmarks of the detector's key points: eye at image left and right, nose tip, mouth
KEYPOINTS = ((33, 133), (263, 362), (1,), (13, 14))
MAX_GAP = 0.25  # between those and the detector's own, over the eye distance
THOROUGH_EVERY = 25  # frames between thorough searches for a face that was never seen
NEAR = 2.0  # side of the window in which a lost face is sought first, over its last region
PATIENCE = 25  # frames after which a lost face may reappear where another was
MIN_VALID_SHARE = 0.02  # of a clip's frames; less is a pattern taken for a face
CUT_SHARE = 0.5  # landmarks that move by this part of the face in a frame are another shot


@dataclass(frozen=True)
class Track:
    """A face over the T frames of a clip.

    landmarks: (T, 478, 3) float32 px of the clip's own frames, smoothed; z as in Portrait.
    confidence: (T,) float32, 0 to 1, presence of a face; 0 where none was found.
    valid: (T,) bool, False where the face was not found and the frame is a guess.
    rotation (T, 3, 3), translation (T, 3) IOD: head poses under one nominal camera,
    focal_px and centre_px (2,).
    fps: frames a second.  size: (width, height) px.
    """

    landmarks: NDArray[np.float32]
    confidence: NDArray[np.float32]
    valid: NDArray[np.bool_]
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]
    focal_px: float
    centre_px: NDArray[np.float64]
    fps: float
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.landmarks)


def track_image(
    image: NDArray[np.uint8], face: int = 1, face_box: FaceBox | None = None
) -> tuple[NDArray[np.float32], float]:
    """Landmarks (478, 3) px of a face in an RGB image (H, W, 3) uint8, and confidence, 0 to 1.

    Raises NoFaceFound, with the best that was seen; BadOption on an impossible face or box.
    """
    region = choose_face(image, face, face_box)
    landmarks, confidence = find_landmarks_still(image, region)
    if confidence < PRESENT:
        raise NoFaceFound(
            f"the likeliest face, near x {region.x:.0f}, y {region.y:.0f} px, is too unclear to "
            f"measure (certainty {confidence:.2f}, {PRESENT} needed); use a sharper, more "
            "frontal picture, or point at the face with a face box (--face-box)"
        )
    return landmarks, confidence


def track_people(
    image: NDArray[np.uint8], wanted: Sequence[tuple[int, FaceBox | None]]
) -> tuple[list[tuple[NDArray[np.float32], float]], list[NDArray[np.float32]]]:
    """As `track_image` for several faces; and the landmarks of all other faces in the picture.

    Raises BadOption when two of them are the same face.
    """
    found = [track_image(image, face, face_box) for face, face_box in wanted]
    for i, (landmarks, _) in enumerate(found):
        if any(_same_face(landmarks, other) for other, _ in found[:i]):
            raise BadOption(
                f"two people are meant to have the same face, at x {landmarks[4, 0]:.0f}, "
                f"y {landmarks[4, 1]:.0f} px; give each another --face or --face-box"
            )
    regions = [region_of_detection(face) for face in _faces(image, thorough=False)]
    seen = [find_landmarks_still(image, region)[0] for region in regions]
    return found, [p for p in seen if not any(_same_face(p, other) for other, _ in found)]


def _same_face(one: NDArray[np.floating], other: NDArray[np.floating]) -> bool:
    gap = np.linalg.norm(one[:, :2].mean(0) - other[:, :2].mean(0))
    return bool(gap < 0.3 * np.ptp(one[:, 1]))


class FaceTracker:
    """Follows one face through frames given one by one; the base of live use, too."""

    def __init__(self, face: int = 1, face_box: FaceBox | None = None) -> None:
        _check_number(face)
        self.face, self.face_box = face, face_box
        self.region: Region | None = None  # where the face is, or was when it was lost
        self.following = False
        self.misses = 0  # frames since the face was last seen
        self.seen = 0  # faces in the picture when it was first seen
        self._skin: SkinReference | None = None

    def follow(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32] | None, float]:
        """As `step`, with landmarks held to the skin that they lay on at first."""
        landmarks, presence = self.step(image)
        if landmarks is None:
            return None, presence
        if self._skin is None:
            self._skin = SkinReference(image, landmarks)
            return landmarks, presence
        return self._skin.corrected(image, landmarks), presence

    def step(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32] | None, float]:
        """Landmarks (478, 3) px in the next frame, or None, and the presence of the face."""
        if self.following and self.region is not None:
            landmarks, presence = find_landmarks(image, self.region)
            if presence >= PRESENT:
                self.region = leashed(self.region, region_of_landmarks(landmarks))
                return landmarks, presence
        self.following = False
        region = self._find_again(image) if self.region else self._find_first(image)
        self.misses += 1
        if region is None:
            return None, 0.0
        landmarks, presence = find_landmarks_still(image, region)
        if presence < PRESENT:
            return None, presence
        self.misses = 0
        # measured as every following frame will be, so that a still picture does not start
        # with a step
        self.region = region_of_landmarks(landmarks)
        landmarks, presence = find_landmarks(image, self.region)
        self.region = leashed(self.region, region_of_landmarks(landmarks))
        landmarks, presence = find_landmarks(image, self.region)
        self.following = True
        return landmarks, presence

    def _find_first(self, image: NDArray[np.uint8]) -> Region | None:
        if self.face_box is not None:
            return _face_in_box(image, self.face_box)
        # the tiles of a large frame take a second, too long for each of a thousand frames
        faces = _faces(image, self.misses % THOROUGH_EVERY == 0)
        self.seen = len(faces)
        return region_of_detection(faces[self.face - 1]) if len(faces) >= self.face else None

    def _find_again(self, image: NDArray[np.uint8]) -> Region | None:
        """The face nearest to where it was lost; elsewhere only if it can be no other's."""
        last = self.region
        assert last is not None
        faces = detect_near(image, last.x, last.y, NEAR * last.side)
        if not faces and (self.seen == 1 or self.misses >= PATIENCE):
            faces = detect_faces(image)
        regions = [region_of_detection(face) for face in faces]
        return min(regions, default=None, key=lambda r: np.hypot(r.x - last.x, r.y - last.y))


def choose_face(image: NDArray[np.uint8], face: int, face_box: FaceBox | None) -> Region:
    """Region of the face asked for.  Raises NoFaceFound and BadOption."""
    _check_number(face)
    if face_box is not None:
        return _face_in_box(image, face_box)
    faces = _faces(image)
    if len(faces) >= face:
        return region_of_detection(faces[face - 1])
    if faces:
        count = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
        raise NoFaceFound(
            f"face {face} was asked for, but the picture shows {count}; faces are numbered by "
            "size, the largest is 1"
        )
    raise NoFaceFound(_nothing_found(image))


def _face_in_box(image: NDArray[np.uint8], face_box: FaceBox) -> Region:
    """The detected face that fits the box best, or else the box itself, taken at its word."""
    height, width = image.shape[:2]
    x, y, box_width, box_height = face_box
    inside = x < width and y < height and x + box_width > 0 and y + box_height > 0
    if not (box_width > 0 and box_height > 0 and inside):
        raise BadOption(
            f"face box {x:g}, {y:g}, {box_width:g}, {box_height:g} (x, y, width, height in px) "
            f"does not lie in the picture of {width} x {height}"
        )
    box = np.array([x, y, x + box_width, y + box_height], np.float64)
    middle = (box[:2] + box[2:]) / 2
    side = max(box_width, box_height)
    near = detect_near(image, middle[0], middle[1], 2 * side)
    faces = [face for face in [*near, *detect_faces(image)] if _touches(face, box)]
    if faces:
        fit = overlap(box, np.array([face.box for face in faces]))
        return region_of_detection(faces[int(fit.argmax())])
    return Region(float(middle[0]), float(middle[1]), 1.5 * side, 0.0)


def _touches(face: DetectedFace, box: NDArray[np.float64]) -> bool:
    middle = (face.box[:2] + face.box[2:]) / 2
    return bool((middle > box[:2]).all() and (middle < box[2:]).all())


def _check_number(face: int) -> None:
    if face < 1:
        raise BadOption(f"face is {face}; faces are numbered from 1, the largest")


def _faces(image: NDArray[np.uint8], thorough: bool = True) -> list[DetectedFace]:
    """Detections that the mesh confirms, largest first; thorough: small faces as well."""
    faces = [face for face in detect_faces(image) if _mesh_agrees(image, face)]
    if not faces and thorough:
        faces = [face for face in detect_small_faces(image) if _mesh_agrees(image, face)]
    return faces


def _mesh_agrees(image: NDArray[np.uint8], face: DetectedFace) -> bool:
    """True if the mesh sees a face there, too, with eyes, nose and mouth in the same places.

    On real faces, paintings and statues they lie 0.02 to 0.13 eye distances apart; on coins,
    craters and coffee cups mostly 0.3 and more.
    """
    landmarks, presence = find_landmarks_still(image, region_of_detection(face))
    if presence < PRESENT:
        return False
    places = np.array([landmarks[list(points), :2].mean(0) for points in KEYPOINTS])
    gap_px = np.linalg.norm(places - face.keypoints[: len(KEYPOINTS)], axis=1).mean()
    left, right = landmarks[list(OUTER_EYE_CORNERS)]
    return bool(gap_px <= MAX_GAP * np.linalg.norm(right - left))


def _nothing_found(image: NDArray[np.uint8]) -> str:
    """Why there is no face, as far as the detectors tell."""
    height, width = image.shape[:2]
    if _faces(np.ascontiguousarray(image[::-1, ::-1]), thorough=False):
        return "the face in the picture is upside down; rotate the picture by half a turn"
    best = best_score(image)
    seen = (
        f"best score {best:.2f}, {DETECTION_SCORE} needed" if best < DETECTION_SCORE
        else f"the likeliest place, score {best:.2f}, has no eyes, nose and mouth in order"
    )  # fmt: skip
    return (
        f"no face was found in the picture of {width} x {height} px ({seen}); use a picture in "
        "which a face looks towards the camera, or point at it with a face box (--face-box)"
    )


def track_video(
    source: Path | str | Iterable[NDArray[np.uint8]],
    *,
    fps: float | None = None,
    face: int = 1,
    face_box: FaceBox | None = None,
    missing: Missing = "hold",
    progress: Progress | None = None,
) -> Track:
    """Track of a face through a clip.

    source: a video file, or RGB frames (H, W, 3) uint8 of one size.
    fps: rate of the frames; for a file the rate to read it at, its own by default.
    missing: what becomes of frames without the face: "hold" keeps them, filled between their
    neighbours and marked invalid; "skip" leaves them out, so that the track gets shorter;
    "fail" raises NoFaceFound with the time.
    progress: called after each frame; it may raise `Cancelled`.

    Raises NoFaceFound when no frame shows the face, BadMedia, BadOption.
    """
    if missing not in ("hold", "skip", "fail"):
        raise BadOption(f"missing is {missing!r}; it can be hold, skip or fail")
    frames, rate, total = _open(source, fps)
    tracker = FaceTracker(face, face_box)
    found: list[NDArray[np.float32] | None] = []
    confidence: list[float] = []
    size, first = (0, 0), None
    for image in frames:
        if first is None:
            first, size = image, (image.shape[1], image.shape[0])
        landmarks, presence = tracker.follow(image)
        if landmarks is None and missing == "fail":
            raise NoFaceFound(
                f"frame {len(found)} of the clip, at {len(found) / rate:.2f} s, shows no face; "
                "cut it out, or let such frames be held or skipped"
            )
        found.append(landmarks)
        confidence.append(presence if landmarks is not None else 0.0)
        if progress:
            progress(len(found), total)
    valid = np.array([landmarks is not None for landmarks in found], bool)
    if first is None:
        raise NoFaceFound("the clip has no frames")
    if not valid.any():
        choose_face(first, face, face_box)  # says best what is wrong with the picture
    if valid.sum() < MIN_VALID_SHARE * len(valid):
        raise NoFaceFound(
            f"only {valid.sum()} of {len(valid)} frames show a face clearly enough to follow; use "
            "a clip in which a face looks towards the camera most of the time"
        )
    return assemble(found, confidence, rate, size, missing)


def _open(
    source: Path | str | Iterable[NDArray[np.uint8]], fps: float | None
) -> tuple[Iterable[NDArray[np.uint8]], float, int]:
    """Frames, their rate and how many there are, 0 if not known."""
    if not isinstance(source, str | Path):
        if not fps or not np.isfinite(fps) or fps <= 0:
            raise BadOption(f"fps is {fps}; the rate of the frames must be given, above 0")
        total = len(source) if isinstance(source, Sized) else 0
        return source, float(fps), total
    clip = read_frames(source, fps)
    return clip.frames, float(clip.fps), round(probe(source).seconds * float(clip.fps))


def assemble(
    found: Sequence[NDArray[np.float32] | None],
    confidence: Sequence[float],
    fps: float,
    size: tuple[int, int],
    missing: Missing = "hold",
) -> Track:
    """The track of what `FaceTracker.follow` found in frame after frame, one of them at least.

    Smoothed; frames without a face are filled or dropped (`track_video`), the head is posed.
    size: (width, height) of the frames, px.
    """
    valid = np.array([landmarks is not None for landmarks in found], bool)
    points = np.array([p if p is not None else np.zeros((478, 3)) for p in found], np.float32)
    sure = np.array(confidence, np.float32)
    for start, stop in _shots(points, valid):
        for axis in range(3):  # one at a time: a long clip's landmarks fill a hundred megabytes
            points[start:stop, :, axis] = smooth(points[start:stop, :, axis], fps)
    if missing == "skip":
        points, sure, valid = points[valid], sure[valid], valid[valid]
    else:
        _fill(points, valid)
    camera = nominal_camera(points[valid])
    rotation, translation = head_poses(points, camera)
    return Track(points, sure, valid, rotation, translation, camera.focal_px, camera.centre_px,
                 fps, size)  # fmt: skip


def _shots(points: NDArray[np.float32], valid: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Stretches (start, stop) of frames that one face runs through without gap or cut."""
    middle, extent = points[..., :2].mean(1), np.ptp(points[..., 1], axis=1)
    jump = np.linalg.norm(np.diff(middle, axis=0), axis=1) > CUT_SHARE * extent[1:]
    joined = valid[1:] & valid[:-1] & ~jump
    starts = [i for i in range(len(valid)) if valid[i] and (i == 0 or not joined[i - 1])]
    stops = [i + 1 for i in range(len(valid)) if valid[i] and (i == len(joined) or not joined[i])]
    return list(zip(starts, stops, strict=True))


def _fill(points: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
    """Frames without a face, in place: straight between their neighbours, held at the ends."""
    known = np.flatnonzero(valid)
    for i in np.flatnonzero(~valid):
        after = int(np.searchsorted(known, i))
        low, high = known[max(after - 1, 0)], known[min(after, len(known) - 1)]
        part = 0.0 if high == low else (i - low) / (high - low)
        points[i] = (1 - part) * points[low] + part * points[high]
