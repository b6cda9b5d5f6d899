"""Face networks: obtained once, converted to ONNX, kept in the user's cache.

The networks are the Apache-2.0 TFLite files inside the wheel mediapipe 0.10.21.  That package is
not a dependency; its wheel is downloaded once through the user's own package index
(`enliven.weights.wheel`), four files of it are checked and converted, and the rest is deleted.

The cache is ``$ENLIVEN_HOME`` or the platform's cache folder.  Each set of models is one folder
that appears there by a single rename, so that any number of processes may start at once.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enliven.errors import ModelUnavailable
from enliven.weights.wheel import WHEEL, read_wheel

if TYPE_CHECKING:
    import onnxruntime

Progress = Callable[[str, float], None]  # what is being done, and 0 to 1 of all of it

EDITION = 1  # raise it when the converter writes something else for the same file


@dataclass(frozen=True)
class Source:
    """One TFLite file of the wheel and the SHA-256 it must have."""

    member: str
    sha256: str


SOURCES = {
    "face_detection": Source(
        "mediapipe/modules/face_detection/face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    ),
    "face_detection_far": Source(
        "mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite",
        "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
    ),
    "face_mesh": Source(
        "mediapipe/modules/face_landmark/face_landmark_with_attention.tflite",
        "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4",
    ),
    "person_mask": Source(
        "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
        "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
    ),
}
WORK_PREFIX, STALE_SECONDS = ".obtaining-", 86400.0
LICENCE = "mediapipe-0.10.21.dist-info/LICENSE"


def cache_folder() -> Path:
    """Where enliven keeps files it can always make again."""
    if home := os.environ.get("ENLIVEN_HOME"):
        return Path(home).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "enliven"


def models_folder() -> Path:
    """Folder of the converted networks; its name changes with their sources and the converter."""
    key = json.dumps([EDITION, *((s.member, s.sha256) for s in SOURCES.values())])
    return cache_folder() / f"face-models-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def model_path(name: str, progress: Progress | None = None) -> Path:
    """Path of a converted network, one of SOURCES; obtained on first use, checked on each load.

    Raises ModelUnavailable when it is not in the cache and cannot be obtained.
    """
    if name not in SOURCES:
        raise ModelUnavailable(f"no network is called {name!r}; there are {', '.join(SOURCES)}")
    folder = models_folder()
    if not _intact(folder, name):
        folder = ensure_models(progress)
        _intact.cache_clear()
    return folder / f"{name}.onnx"


@lru_cache
def _intact(folder: Path, name: str) -> bool:
    """True if the file exists and is byte for byte what the conversion wrote."""
    try:
        recorded = json.loads((folder / "models.json").read_text())[name]
        return hashlib.sha256((folder / f"{name}.onnx").read_bytes()).hexdigest() == recorded
    except (OSError, ValueError, KeyError):
        return False


def models_ready() -> bool:
    """True if every network is in the cache and intact; touches no network."""
    _intact.cache_clear()
    return all(_intact(models_folder(), name) for name in SOURCES)


def ensure_models(progress: Progress | None = None, wheel: Path | str | None = None) -> Path:
    """Obtain what is missing and return the folder of the converted networks.

    wheel: a mediapipe 0.10.21 wheel at hand (also ``$ENLIVEN_WHEEL``); by default it is
    downloaded.  progress may raise `Cancelled`; nothing is left behind then.
    Raises ModelUnavailable, saying what to do.
    """
    folder = models_folder()
    if models_ready():
        return folder
    report = progress or (lambda _what, _part: None)
    wheel = wheel or os.environ.get("ENLIVEN_WHEEL") or None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        work = Path(tempfile.mkdtemp(prefix=WORK_PREFIX, dir=folder.parent))
    except OSError as error:
        raise ModelUnavailable(
            f"the model cache {folder.parent} cannot be written ({error.strerror}); "
            "set ENLIVEN_HOME to a folder that can"
        ) from error
    try:
        members = [source.member for source in SOURCES.values()] + [LICENCE]
        files = read_wheel(members, work, report, Path(wheel).expanduser() if wheel else None)
        made = work / "models"
        made.mkdir()
        _convert_all(files, made, report)
        _publish(made, folder)
    except OSError as error:
        raise ModelUnavailable(
            f"the face networks could not be stored in {folder.parent} ({error}); free about "
            "100 MB there or set ENLIVEN_HOME to another folder"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    report("face networks ready", 1.0)
    return folder


def _sweep(parent: Path) -> None:
    """Remove what a killed run left behind, long enough ago to be no run of today."""
    for left in parent.glob(WORK_PREFIX + "*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _convert_all(files: dict[str, bytes], folder: Path, report: Progress) -> None:
    from enliven.weights.convert import convert  # onnx is slow to import and needed once

    recorded: dict[str, Any] = {}
    for i, (name, source) in enumerate(SOURCES.items()):
        report(f"converting {name}", 0.9 + 0.1 * i / len(SOURCES))
        data = files[source.member]
        found = hashlib.sha256(data).hexdigest()
        if found != source.sha256:
            raise ModelUnavailable(
                f"{source.member} has SHA-256 {found}, expected {source.sha256}; the wheel is "
                f"damaged or not {WHEEL}. Delete it, clear pip's cache (python -m pip cache "
                "purge) and run again"
            )
        model = convert(data)
        (folder / f"{name}.onnx").write_bytes(model)
        recorded[name] = hashlib.sha256(model).hexdigest()
    (folder / "LICENSE").write_bytes(files[LICENCE])
    recorded["source"] = WHEEL
    (folder / "models.json").write_text(json.dumps(recorded, indent=1))


def _publish(made: Path, folder: Path) -> None:
    """Move a finished set into place; another process may be doing the same right now."""
    for attempt in range(3):
        with suppress(OSError):
            made.rename(folder)
            return
        if models_ready():  # the other process was first, and its files are as good
            return
        with suppress(OSError):  # what lies there is damaged: out of the way with it
            folder.rename(made.with_name(f"damaged-{attempt}"))
    raise ModelUnavailable(f"{folder} is damaged and cannot be replaced; delete it and run again")


@cache
def open_model(name: str, threads: int = 1) -> "onnxruntime.InferenceSession":
    """A network ready to run, loaded once for the whole process."""
    import onnxruntime  # not at import of the package: it is used by few commands and is slow

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    path = str(model_path(name))
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
