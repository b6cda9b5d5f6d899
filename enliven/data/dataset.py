"""Talking clips on disk: what training reads, one .npz archive a clip at 25 frames a second.

Legend: N sound samples at 16 kHz, T motion frames, C motion channels.  An archive holds

    samples   (N,) int16
    shape     (T, 478, 3) int16: `metrics.lips.head_shape` in steps of 1e-4 IOD
    values    (T, C) float32: fitted motion, absolute, units as in `types.GROUPS`
    valid     (T,) bool, False where the face was not found; shape is 0 and values a guess there
    channels  (C,) names of the columns of values
    speaker   who speaks, a name of the data's own

Frame i is at i / 25 s of the sound.
"""

import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadMedia, OutputError
from enliven.media.audio import SPEECH_RATE
from enliven.media.files import whole_file
from enliven.types import CHANNELS, INDEX, MOTION_FPS

SHAPE_STEP = 1e-4  # IOD; trackers are a hundred times less exact
FULL_SCALE = 32767.0
MOST_SHORT_SECONDS = 0.5  # by which sound and motion of a clip may differ in length

ARRAYS = ("samples", "shape", "values", "valid", "channels", "speaker")


@dataclass(frozen=True)
class TalkingClip:
    """A piece of somebody talking, see the legend above for the arrays.

    name: unique in its folder, the file name without .npz.
    Raises BadMedia when the arrays do not fit together.
    """

    name: str
    speaker: str
    samples: NDArray[np.int16]
    shape: NDArray[np.int16]
    values: NDArray[np.float32]
    valid: NDArray[np.bool_]

    def __post_init__(self) -> None:
        wanted = {
            "samples": (np.int16, (len(self.samples),)),
            "shape": (np.int16, (len(self.valid), 478, 3)),
            "values": (np.float32, (len(self.valid), len(CHANNELS))),
            "valid": (np.bool_, (len(self.valid),)),
        }
        for name, (kind, shape) in wanted.items():
            array = getattr(self, name)
            if array.dtype != kind or array.shape != shape:
                raise BadMedia(
                    f"clip {self.name}: {name} is {array.dtype} of shape {array.shape}, expected "
                    f"{np.dtype(kind)} of {shape}; prepare it again (enliven data prepare)"
                )
        if not len(self.valid):
            raise BadMedia(f"clip {self.name} has no frames; remove it")
        if not np.isfinite(self.values).all():
            raise BadMedia(f"clip {self.name}: values are not all finite; prepare it again")
        apart = len(self.samples) / SPEECH_RATE - len(self.valid) / MOTION_FPS
        if abs(apart) > MOST_SHORT_SECONDS:
            raise BadMedia(f"clip {self.name}: the sound is {apart:+.2f} s longer than the motion; "
                           "prepare it again (enliven data prepare)")  # fmt: skip

    def __len__(self) -> int:
        """Motion frames."""
        return len(self.valid)

    @property
    def seconds(self) -> float:
        return len(self) / MOTION_FPS

    def sound(self) -> NDArray[np.float32]:
        """The samples (N,) in -1..1."""
        return self.samples.astype(np.float32) / np.float32(FULL_SCALE)

    def shapes(self) -> NDArray[np.float32]:
        """Points in head axes, IOD, (T, 478, 3); NaN where the face was not found."""
        points = self.shape.astype(np.float32) * np.float32(SHAPE_STEP)
        points[~self.valid] = np.nan
        return points


def packed_samples(samples: NDArray) -> NDArray[np.int16]:
    """Sound (N,) in -1..1 as an archive holds it."""
    return np.round(np.clip(samples, -1, 1) * FULL_SCALE).astype(np.int16)


def packed_shape(shapes: NDArray, valid: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Points (T, 478, 3) IOD as an archive holds them; whatever is not valid becomes 0."""
    known = np.where(np.asarray(valid)[:, None, None], shapes, 0.0)
    limits = np.iinfo(np.int16)
    return np.clip(np.round(known / SHAPE_STEP), limits.min, limits.max).astype(np.int16)


def write_clip(
    folder: str | os.PathLike[str], clip: TalkingClip, *, overwrite: bool = False
) -> Path:
    """Writes `folder`/<name>.npz, whole or not at all; the same clip gives the same bytes.

    Raises OutputExists, OutputError.
    """
    if not clip.name or clip.name != Path(clip.name).name or clip.name.startswith("."):
        raise OutputError(f"a clip cannot be named {clip.name!r}; use a plain file name")
    path = Path(folder) / f"{clip.name}.npz"
    with whole_file(path, overwrite=overwrite) as part:
        np.savez_compressed(part, samples=clip.samples, shape=clip.shape, values=clip.values,
                            valid=clip.valid, channels=np.array(CHANNELS),
                            speaker=np.array(clip.speaker))  # fmt: skip
    return path


def read_clip(path: str | os.PathLike[str]) -> TalkingClip:
    """Reads one archive.  Raises BadMedia."""
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {name: file[name] for name in ARRAYS}
    except FileNotFoundError:
        raise BadMedia(f"{path} does not exist; check the name and the folder") from None
    except OSError as error:
        raise BadMedia(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BadMedia(f"{path} is not a whole clip archive ({error}); remove it and make it "
                       "again with `enliven data prepare`") from error  # fmt: skip
    names = [str(name) for name in content["channels"]]
    raw = content["values"]
    unknown = [name for name in names if name not in INDEX]
    if unknown or raw.ndim != 2 or raw.shape[1] != len(names):
        raise BadMedia(f"{path}: values of shape {raw.shape} with channels {unknown or names} do "
                       "not fit the channel table of this version; prepare it again")  # fmt: skip
    values = np.zeros((len(raw), len(CHANNELS)), np.float32)
    values[:, [INDEX[name] for name in names]] = raw
    return TalkingClip(path.stem, str(content["speaker"]), content["samples"], content["shape"],
                       values, content["valid"])  # fmt: skip


def clip_paths(folder: str | os.PathLike[str]) -> list[Path]:
    """The archives of a folder in order of their names.  Raises BadMedia if there are none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise BadMedia(f"{folder} is not a folder; name the one `enliven data prepare` or "
                       "`enliven data synth` wrote")  # fmt: skip
    # hidden ones belong to a run that is writing them
    paths = sorted(p for p in folder.glob("*.npz") if not p.name.startswith("."))
    if not paths:
        raise BadMedia(f"{folder} holds no clips (.npz); make some with `enliven data prepare`")
    return paths


def iterate_clips(folder: str | os.PathLike[str]) -> Iterator[TalkingClip]:
    """The clips of a folder one by one, in order of their names.  Raises BadMedia."""
    return (read_clip(path) for path in clip_paths(folder))


def read_clips(folder: str | os.PathLike[str]) -> list[TalkingClip]:
    """All clips of a folder in order of their names, 100 KB a second.  Raises BadMedia."""
    return list(iterate_clips(folder))
