"""What works on this machine, what is missing, and what to do about it.

Every check imports what it needs itself: a broken installation is what it is there to explain.
"""

import importlib
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distributions, requires, version
from pathlib import Path

IMPORT_NAMES = {"opencv-python-headless": "cv2", "pillow": "PIL"}
LEAST_MEMORY_GB = 1.5


@dataclass(frozen=True)
class Check:
    """state: "ok", "warn" (works, but) or "fail"; fix: what to do, empty when ok."""

    name: str
    state: str
    detail: str
    fix: str = ""


def examine() -> list[Check]:
    """Run all checks; takes a few seconds."""
    checks = [check_python()]
    checks += [check_dependency(line) for line in base_requirements()]
    for name, check in (
        ("opencv", check_one_opencv),
        ("processor", check_processor),
        ("memory", check_memory),
        ("cache", check_cache),
        ("face networks", check_face_networks),
        ("encoder", check_encoder),
        ("tracker", check_tracker),
        ("speech", check_speech),
        ("renderer", check_renderer),
        ("typed text", check_typed_text),
    ):
        checks.append(guarded(name, check))
    return checks


def report(checks: list[Check]) -> str:
    """The checks as text, one a line, each trouble followed by what to do."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check.state:4}  {check.name:{width}}  {check.detail}")
        if check.fix:
            lines.append(f"{'':{width + 8}}-> {check.fix}")
    bad = [check.name for check in checks if check.state == "fail"]
    lines.append(f"does not work: {', '.join(bad)}" if bad else "everything needed works")
    return "\n".join(lines)


def guarded(name: str, check: Callable[[], Check]) -> Check:
    """A check whose own failure is a finding."""
    try:
        return check()
    except Exception as error:
        return Check(name, "fail", f"{type(error).__name__}: {error}",
                     "see the lines above; if they are all ok, please report this")  # fmt: skip


def check_python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("python", "ok", found)


def base_requirements() -> list[str]:
    """Requirements of the base installation, e.g. "numpy>=2.0"."""
    return [line for line in requires("enliven") or [] if "extra ==" not in line]


def check_dependency(requirement: str) -> Check:
    name, _, least = requirement.partition(">=")
    try:
        found = version(name)
    except PackageNotFoundError:
        return Check(name, "fail", "not installed", f"python -m pip install '{requirement}'")
    if _numbers(found) < _numbers(least):
        return Check(name, "fail", f"{found}, but {least} is needed",
                     f"python -m pip install --upgrade '{requirement}'")  # fmt: skip
    try:
        importlib.import_module(IMPORT_NAMES.get(name, name))
    except Exception as error:
        return Check(name, "fail", f"{found} cannot be imported: {error}",
                     f"python -m pip install --force-reinstall '{requirement}'")  # fmt: skip
    return Check(name, "ok", found)


def check_one_opencv() -> Check:
    names = {(dist.name or "").lower() for dist in distributions()}
    found = sorted(name for name in names if name.startswith("opencv-"))
    if len(found) > 1:
        return Check("opencv", "warn", f"installed side by side: {', '.join(found)}",
                     "they overwrite each other's files; uninstall all of them, then: "
                     "python -m pip install opencv-python-headless")  # fmt: skip
    return Check("opencv", "ok", "one package only")


def check_processor() -> Check:
    if hasattr(os, "sched_getaffinity"):
        threads = len(os.sched_getaffinity(0))
    else:
        threads = os.cpu_count() or 1
    detail = f"{threads} threads"
    if sys.platform == "linux" and not Path("/proc/cpuinfo").exists():
        return Check("processor", "warn", f"{detail}; /proc is not mounted",
                     "mount it (mount -t proc proc /proc): without it the networks run about "
                     "ten times slower")  # fmt: skip
    if threads < 2:
        return Check("processor", "warn", detail, "works, but slower than with two threads")
    return Check("processor", "ok", detail)


def check_memory() -> Check:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return Check("memory", "ok", "not known here")
    free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) / 2**20
    if free < LEAST_MEMORY_GB:
        return Check("memory", "warn", f"{free:.1f} GB free",
                     "close other programs, or make smaller videos with --size 512")  # fmt: skip
    return Check("memory", "ok", f"{free:.1f} GB free")


def check_cache() -> Check:
    from enliven.weights import cache_folder

    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check("cache", "fail", f"{folder} cannot be written: {error.strerror}",
                     "set the environment variable ENLIVEN_HOME to a folder that can")  # fmt: skip
    return Check("cache", "ok", str(folder))


def check_face_networks() -> Check:
    from enliven.weights import models_folder, models_ready

    if models_ready():
        return Check("face networks", "ok", str(models_folder()))
    return Check("face networks", "warn", "not in the cache yet",
                 "they are obtained on first use; to do it now: enliven setup")  # fmt: skip


def check_encoder() -> Check:
    import av
    import numpy as np

    from enliven.media.video import read_frames
    from enliven.media.write import write_video

    needed = {"H.264": "libx264", "AAC": "aac"}
    optional = {"VP9": "libvpx-vp9", "ProRes": "prores_ks", "WebP": "libwebp_anim"}
    missing = [what for what, codec in needed.items() if codec not in av.codecs_available]
    if missing:
        return Check("encoder", "fail", f"PyAV cannot write {', '.join(missing)}",
                     "install its wheel: python -m pip install --force-reinstall "
                     "--only-binary=av av")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "test.mp4")
        write_video(path, (np.full((64, 64, 3), 40 * i, np.uint8) for i in range(5)), 25)
        count = sum(1 for _ in read_frames(path).frames)
    if count != 5:
        return Check("encoder", "fail", f"wrote 5 frames, read {count}",
                     "python -m pip install --force-reinstall av")  # fmt: skip
    absent = [what for what, codec in optional.items() if codec not in av.codecs_available]
    if absent:
        return Check("encoder", "warn", f"mp4 works; missing: {', '.join(absent)}",
                     "only needed for those formats; PyAV's wheel has them")  # fmt: skip
    return Check("encoder", "ok", "H.264, AAC, VP9, ProRes, WebP")


def check_tracker() -> Check:
    import numpy as np

    from enliven.weights import models_ready

    if not models_ready():
        return Check("tracker", "warn", "not tested: the face networks are missing",
                     "enliven setup, then enliven doctor again")  # fmt: skip
    from enliven.face.detect import detect_faces

    blank = np.full((256, 256, 3), 128, np.uint8)
    detect_faces(blank)  # loads the networks
    start = time.perf_counter()
    found = detect_faces(blank)
    taken_ms = 1000 * (time.perf_counter() - start)
    if found:
        return Check("tracker", "fail", f"sees {len(found)} faces in a grey picture",
                     "delete the folder named at face networks, then: enliven setup")  # fmt: skip
    return Check("tracker", "ok", f"{taken_ms:.0f} ms to look at a picture")


def check_speech() -> Check:
    import numpy as np

    from enliven.motion.generator import Generator

    start = time.perf_counter()
    motion = Generator.load().generate(np.zeros(16000, np.float32), seconds=1.0, seed=0)
    taken = time.perf_counter() - start
    moved = float(np.ptp(motion["jawOpen"]))
    if moved > 0.05:
        return Check("speech", "fail", f"silence opens the mouth by {moved:.2f}",
                     "python -m pip install --force-reinstall enliven")  # fmt: skip
    return Check("speech", "ok", f"{taken:.1f} s for one second of sound, loading included")


def check_renderer() -> Check:
    import numpy as np

    from enliven.face.head import load_head
    from enliven.geometry import CAMERA_DISTANCE, project
    from enliven.render.renderer import Renderer
    from enliven.types import CHANNELS, Portrait

    head, size, iod_px = load_head(), 256, 60.0
    place = np.array([0.0, 0.3, CAMERA_DISTANCE])
    focal_px, centre_px = iod_px * CAMERA_DISTANCE, np.full(2, size / 2)
    flat = project(head.mean + place, focal_px, centre_px)
    picture = np.full((size, size, 3), 128, np.uint8)
    portrait = Portrait(
        image=picture, landmarks=np.column_stack([flat, head.mean[:, 2] * iod_px]).astype("f4"),
        rotation=np.eye(3), translation=place, focal_px=focal_px, centre_px=centre_px,
        mask=np.full((size, size), 255, np.uint8), rest=np.zeros(len(CHANNELS), np.float32),
        basis=head.basis.astype(np.float32), triangles=head.triangles.astype(np.int64),
    )  # fmt: skip
    renderer = Renderer(portrait)
    renderer.frame(portrait.rest)
    start = time.perf_counter()
    frame = renderer.frame(portrait.rest)
    taken_ms = 1000 * (time.perf_counter() - start)
    if frame.shape != picture.shape:
        return Check("renderer", "fail", f"drew {frame.shape} instead of {picture.shape}",
                     "python -m pip install --force-reinstall opencv-python-headless")  # fmt: skip
    return Check("renderer", "ok", f"{taken_ms:.0f} ms a frame at {size} px")


def check_typed_text() -> Check:
    from enliven.errors import ModelUnavailable
    from enliven.media.espeak import INSTALL, installed, voices

    if not installed():
        return Check("typed text", "ok", f"not installed; only --tts needs it: {INSTALL}")
    try:
        return Check("typed text", "ok", f"{len(voices()[0])} languages and accents")
    except ModelUnavailable as error:
        return Check("typed text", "warn", str(error), f"only --tts needs it: {INSTALL}")


def _numbers(text: str) -> list[int]:
    digits = ("".join(c for c in part if c.isdigit()) for part in text.split("."))
    return [int(part) for part in digits if part]
