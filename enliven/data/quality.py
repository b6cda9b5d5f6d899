"""Whether a piece of video is fit to learn from: how well the face shows, what the sound holds.

T frames at 25 Hz, N samples at 16 kHz.  Measures are kept in the manifest; `shortcomings` and
`doubts` judge them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.face.check import MAX_OUTSIDE, MIN_EYES_PX, sharpness
from enliven.face.detect import detect_faces
from enliven.face.track import Track
from enliven.geometry import OUTER_EYE_CORNERS, angles_from_rotation
from enliven.motion.audio import FRAME_RATE, analyse
from enliven.motion.prosody import pitch_hz
from enliven.types import MOTION_FPS

MIN_FACE_SHARE = 0.9  # of the frames
MAX_YAW_DEG, MAX_PITCH_DEG = 40.0, 35.0  # nine tenths of the frames stay within
MIN_SHARPNESS = 0.04  # as `face.check.sharpness` has it; usual videos have 0.08 to 0.2
MIN_LIP_MOTION = 0.006  # IOD, deviation of the aperture; people talking have 0.02 to 0.09
MAX_OTHERS = 0.34  # share of the pictures looked at that show another face so large
OTHER_SIZE = 0.6  # height of another face over this one's from which it counts

SILENT_DB = -60.0  # re full scale; a louder one may be a quiet recording
LOUD_DB = -25.0  # re the level of the speech
MIN_SPEECH = 0.15  # share of the frames
MIN_VOICED = 0.2  # share of the loud frames; people talking have 0.45 to 0.95, noise none
HELD_SEMITONES, HELD_FRAMES = 0.35, 5  # a pitch that stays so close for so long is sung or played
MAX_HELD = 0.3  # of the voiced stretches; speech has up to 0.05, singing 0.2, music 0.35 to 0.8
LEAST_STRETCHES = 25  # fewer tell nothing

OTHERS = "another face is in the picture"
STILL = "the lips do not move"


@dataclass(frozen=True)
class Picture:
    """How well a face shows in a piece.

    face_share: of the frames in which it was found.  eyes_px: median distance of the outer eye
    corners.  yaw_deg, pitch_deg: nine tenths of the frames are turned less.  sharpness: as in
    `face.check`.  outside: median share of the landmarks beyond the picture.  others: share of
    the pictures looked at that show another large face.  lip_motion: deviation of the
    aperture, IOD.
    """

    face_share: float
    eyes_px: float
    yaw_deg: float
    pitch_deg: float
    sharpness: float
    outside: float
    others: float
    lip_motion: float


@dataclass(frozen=True)
class Sound:
    """What a piece sounds like.

    level_db: re full scale.  speech_share: of the frames, in which somebody speaks or sings.
    voiced_share: of the loud frames.  held_share: of the voiced stretches of 0.2 s, in which the
    pitch stays as it is; 0 where there are too few to tell.
    """

    level_db: float
    speech_share: float
    voiced_share: float
    held_share: float


def measure_picture(
    track: Track, looks: Mapping[int, NDArray[np.uint8]], aperture: NDArray
) -> Picture:
    """Measures of a tracked piece.

    looks: grey pictures of some of its frames, by number.  aperture (T,) IOD, NaN where unknown.
    """
    valid = track.valid
    points = track.landmarks[valid]
    left, right = points[:, OUTER_EYE_CORNERS[0]], points[:, OUTER_EYE_CORNERS[1]]
    yaw, pitch, _ = (np.degrees(np.abs(a)) for a in angles_from_rotation(track.rotation[valid]))
    beyond = (points[..., :2] < 0) | (points[..., :2] > np.array(track.size) - 1)
    seen = [(grey, track.landmarks[i]) for i, grey in looks.items() if valid[i]]
    return Picture(
        face_share=float(valid.mean()),
        eyes_px=float(np.median(np.linalg.norm(left - right, axis=1))),
        yaw_deg=float(np.quantile(yaw, 0.9)),
        pitch_deg=float(np.quantile(pitch, 0.9)),
        sharpness=float(np.median([sharpness(np.dstack([grey] * 3), p) for grey, p in seen]))
        if seen else MIN_SHARPNESS,
        outside=float(np.median(beyond.any(-1).mean(1))),
        others=float(np.mean([_another(grey, p) for grey, p in seen])) if seen else 0.0,
        lip_motion=float(np.nanstd(aperture)),
    )  # fmt: skip


def _another(grey: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> bool:
    """Whether a second face, about as large, is in the picture."""
    height = float(np.ptp(landmarks[:, 1]))
    middle = landmarks[:, :2].mean(0)
    for face in detect_faces(np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)):
        box = np.asarray(face.box, np.float64)
        apart = np.linalg.norm((box[:2] + box[2:]) / 2 - middle)
        if apart > 0.6 * height and box[3] - box[1] > OTHER_SIZE * height:
            return True
    return False


def measure_sound(samples: NDArray) -> Sound:
    """Measures of a sound (N,) in -1..1."""
    sound = np.asarray(samples, np.float32)
    frames = len(sound) * MOTION_FPS / 16_000
    count = int(frames)
    level = 20 * np.log10(float(np.sqrt(np.mean(sound.astype(np.float64) ** 2))) + 1e-9)
    if count < HELD_FRAMES + 1 or level < SILENT_DB - 30:
        return Sound(level, 0.0, 0.0, 0.0)
    stride = round(FRAME_RATE / MOTION_FPS)
    energy_db = analyse(sound).energy_db
    loud = energy_db[: count * stride].reshape(count, stride).max(1) > LOUD_DB
    hz = pitch_hz(sound, count)
    voiced = (hz > 0) & loud
    near = np.convolve(voiced, np.ones(11), "same") > 0
    semitones = 12 * np.log2(np.maximum(hz, 1.0))
    windows = np.lib.stride_tricks.sliding_window_view
    sung = windows(voiced, HELD_FRAMES).all(1)
    held = np.ptp(windows(semitones, HELD_FRAMES), axis=1) < HELD_SEMITONES
    return Sound(
        level_db=level,
        speech_share=float((loud & near).mean()),
        voiced_share=float(voiced.sum() / max(int(loud.sum()), 1)),
        held_share=float((held & sung).sum() / sung.sum()) if sung.sum() >= LEAST_STRETCHES else 0,
    )


def shortcomings(picture: Picture, sound: Sound) -> list[str]:
    """Why a piece cannot be used; empty if it can."""
    reasons = {
        f"the face was found in {picture.face_share:.0%} of the frames only, "
        f"{MIN_FACE_SHARE:.0%} needed": picture.face_share < MIN_FACE_SHARE,
        f"the face is too small, {picture.eyes_px:.0f} px between the outer eye corners, "
        f"{MIN_EYES_PX:.0f} needed": picture.eyes_px < MIN_EYES_PX,
        f"the face is turned {picture.yaw_deg:.0f} degrees to the side, at most "
        f"{MAX_YAW_DEG:.0f} can be used": picture.yaw_deg > MAX_YAW_DEG,
        f"the face is turned {picture.pitch_deg:.0f} degrees up or down, at most "
        f"{MAX_PITCH_DEG:.0f} can be used": picture.pitch_deg > MAX_PITCH_DEG,
        f"the face is blurred (sharpness {picture.sharpness:.3f}, {MIN_SHARPNESS} needed)":
            picture.sharpness < MIN_SHARPNESS,
        f"{picture.outside:.0%} of the face lies outside the picture":
            picture.outside > MAX_OUTSIDE,
        OTHERS: picture.others > MAX_OTHERS,
        STILL: picture.lip_motion < MIN_LIP_MOTION,
        "the sound is silent": sound.level_db < SILENT_DB,
        "there is sound, but no voice in it":
            sound.level_db >= SILENT_DB and sound.voiced_share < MIN_VOICED,
        f"somebody speaks in {sound.speech_share:.0%} of the time only, {MIN_SPEECH:.0%} needed":
            sound.voiced_share >= MIN_VOICED and sound.speech_share < MIN_SPEECH,
    }  # fmt: skip
    return [reason for reason, is_so in reasons.items() if is_so]


def doubts(sound: Sound) -> list[str]:
    """What speaks against a piece without ruling it out."""
    if sound.held_share > MAX_HELD:
        return ["the sound seems to be music or singing"]
    return []
