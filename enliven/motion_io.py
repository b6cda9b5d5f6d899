"""Motion files: `.npz` (ours, lossless) and `.csv` (ARKit, the columns of Live Link Face).

An `.npz` motion file holds

    channels   (C,) names, so that files survive a change of the channel table
    values     (T, C) float32, units as in `enliven.types.GROUPS`
    fps        frames a second
    valid      (T,) bool
    reference  (C,) float32, optional: the frame the motion counts as "the photo itself"
"""

import csv
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadMotion, OutputError
from enliven.geometry import angles_from_rotation, rotation_from_vector
from enliven.media.files import check_output, whole_file
from enliven.types import CHANNELS, EXPRESSION, INDEX, Motion

# Live Link Face writes the ARKit shapes in Apple's own order, then nine angles in radians.
CSV_EXPRESSION = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft",
    "eyeSquintLeft", "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight",
    "eyeLookOutRight", "eyeLookUpRight", "eyeSquintRight", "eyeWideRight", "jawForward",
    "jawRight", "jawLeft", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRight",
    "mouthLeft", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft",
    "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft",
    "mouthUpperUpRight", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft",
    "browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft",
    "noseSneerRight", "tongueOut",
)  # fmt: skip
CSV_ANGLES = ("HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll",
              "RightEyeYaw", "RightEyePitch", "RightEyeRoll")  # fmt: skip


def save_motion(
    path: str | Path,
    motion: Motion,
    *,
    reference: NDArray[np.float32] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a motion as `.npz` or `.csv`, by the suffix of the path.

    reference: (C,), kept in the `.npz`: the frame that shows the photo unchanged, as
    `Portrait.rest` does for a motion made for that portrait.

    The file appears under its name only when complete.
    Raises OutputExists, OutputError (cannot be written, or an unknown suffix).
    """
    path = check_motion_target(path, overwrite=overwrite)
    with whole_file(path, overwrite=overwrite) as part:
        if path.suffix.lower() == ".npz":
            extra: dict[str, Any] = {} if reference is None else {"reference": reference}
            np.savez_compressed(part, channels=np.array(CHANNELS), values=motion.values,
                                fps=motion.fps, valid=motion.valid, **extra)  # fmt: skip
        else:
            with open(part, "w", newline="") as stream:
                _write_csv(stream, motion)
    return path


def check_motion_target(
    path: str | Path, *, overwrite: bool = False, inputs: Iterable[Path | str] = ()
) -> Path:
    """The path once `save_motion` can write there; call it before long work.

    Raises OutputExists, OutputError.
    """
    path = Path(path)
    if path.suffix.lower() not in (".npz", ".csv"):
        raise OutputError(f"{path}: motions are written as .npz or .csv; choose one of these")
    return check_output(path, overwrite=overwrite, inputs=inputs)


def load_motion(path: str | Path) -> Motion:
    """Read a motion file written by `save_motion` or `enliven track`; raises BadMotion."""
    return load_motion_and_reference(path)[0]


def load_motion_and_reference(path: str | Path) -> tuple[Motion, NDArray[np.float32] | None]:
    """Read an `.npz` motion file and the reference frame (C,) in it, if any; raises BadMotion."""
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
        names = [str(name) for name in content["channels"]]
        raw = np.asarray(content["values"], np.float32)
        fps = float(content["fps"])
    except FileNotFoundError:
        raise BadMotion(f"{path}: there is no such file") from None
    except OSError as error:
        raise BadMotion(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, zipfile.BadZipFile, EOFError, TypeError) as error:
        raise BadMotion(f"{path} is not a motion file ({error}); make one with "
                        "`enliven track clip.mp4 -o motion.npz`") from error  # fmt: skip
    unknown = [name for name in names if name not in INDEX]
    if unknown or raw.ndim != 2 or raw.shape[1] != len(names):
        raise BadMotion(f"{path}: values of shape {raw.shape} with channels {unknown or names} "
                        "do not fit the channel table of this version")  # fmt: skip
    if not len(raw):
        raise BadMotion(f"{path} holds no frames")
    columns = [INDEX[name] for name in names]
    values = np.zeros((len(raw), len(CHANNELS)), np.float32)
    values[:, columns] = raw
    reference = content.get("reference")
    if reference is not None:
        row = np.zeros(len(CHANNELS), np.float32)
        row[columns] = reference
        reference = row
    try:
        valid = content.get("valid", np.ones(len(values), bool))
        return Motion(values, fps, valid), reference
    except BadMotion as error:
        raise BadMotion(f"{path}: {error}") from error


def _write_csv(stream: TextIO, motion: Motion) -> None:
    writer = csv.writer(stream)
    header = [name[0].upper() + name[1:] for name in CSV_EXPRESSION]
    writer.writerow(["Timecode", "BlendShapeCount", *header, *CSV_ANGLES])
    yaw, pitch, roll = angles_from_rotation(rotation_from_vector(motion.group("head")))
    gaze = motion.group("gaze")
    eye = np.pad(gaze, ((0, 0), (0, 1)))  # no roll
    shapes = np.stack([motion[name] for name in CSV_EXPRESSION], 1)
    columns = np.hstack([shapes, np.stack([yaw, pitch, roll], 1), eye, eye])
    count = len(EXPRESSION) + len(CSV_ANGLES)
    for i, row in enumerate(columns):
        seconds = int(i / motion.fps)
        frame = i - seconds * motion.fps
        timecode = (f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:"
                    f"{frame:06.3f}")  # fmt: skip
        writer.writerow([timecode, count, *(f"{value:.6f}" for value in row)])
