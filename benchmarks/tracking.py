"""Face tracking measured: jitter, recovery of known poses, faces found, time.

    python benchmarks/tracking.py [folder of portraits]

Prints small tables.  Uses the example portrait; with a folder also says which of its pictures
are taken as portraits.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from enliven.errors import EnlivenError
from enliven.face.detect import detect_faces
from enliven.face.landmarks import find_landmarks, region_of_landmarks
from enliven.face.portrait import load_portrait
from enliven.face.pose import head_pose, nominal_camera
from enliven.face.segment import person_mask
from enliven.face.track import track_image, track_video
from enliven.geometry import angles_from_rotation, vector_from_rotation
from enliven.media.image import read_image

ROOT = Path(__file__).parents[1]
FPS = 25.0
STILL_FRAMES = 100
LIPS = (61, 291, 0, 17, 13, 14, 78, 308)
Pixels = NDArray[np.uint8]


def moved(
    image: Pixels, scale: float, roll_deg: float, shift: NDArray[np.floating]
) -> tuple[Pixels, NDArray]:
    """The image scaled and turned about its middle and shifted, and the (2, 3) map of pixels."""
    c, s = scale * np.cos(np.radians(roll_deg)), scale * np.sin(np.radians(roll_deg))
    turn = np.array([[c, -s], [s, c]])
    middle = (np.array(image.shape[1::-1]) - 1) / 2
    matrix = np.column_stack([turn, middle + shift - turn @ middle])
    source = cv2.GaussianBlur(image, (0, 0), 0.4 / scale) if scale < 1 else image
    warped = cv2.warpAffine(source, matrix, image.shape[1::-1], flags=cv2.INTER_CUBIC,
                            borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    return np.asarray(warped, np.uint8), matrix


def eyes_px(landmarks: NDArray) -> float:
    return float(np.linalg.norm(landmarks[33, :2] - landmarks[263, :2]))


def jitter(image: Pixels) -> Table:
    """Standard deviation of the landmarks about their own mean, over a clip of a still face."""
    random = np.random.default_rng(0)

    def shaken() -> Pixels:
        return moved(image, 1.0, 0.0, random.normal(0, 1, 2))[0]

    def grainy() -> Pixels:
        return np.clip(image + random.normal(0, 5, image.shape), 0, 255).astype(np.uint8)

    table = Table(
        "still photo, 100 frames", "all, 1e-3 eye distances", "lips", "yaw, pitch, roll deg"
    )
    kinds: list[tuple[str, Callable[[], Pixels]]] = [
        ("repeated", lambda: image), ("shaken by 1 px (std), shake removed", shaken),
        ("grain of 5 grey levels (std)", grainy),
    ]  # fmt: skip
    for name, frame in kinds:
        track = track_video((frame() for _ in range(STILL_FRAMES)), fps=FPS)
        points = track.landmarks[..., :2] - track.landmarks[..., :2].mean(1, keepdims=True)
        spread = 1e3 * points.std(0) / eyes_px(track.landmarks[0])
        angles = np.degrees(angles_from_rotation(track.rotation)).std(1)
        row = [f"{spread.mean():.2f}", f"{spread[list(LIPS)].mean():.2f}",
               ", ".join(f"{a:.3f}" for a in angles)]  # fmt: skip
        table.add_row(name, *row)
    return table


def recovery(image: Pixels) -> Table:
    """The photo moved in a known way: how far landmarks and pose are from where they must be."""
    landmarks, _ = track_image(image)
    rotation, _ = head_pose(landmarks, nominal_camera(landmarks))
    table = Table("scale, turn, shift", "error, 1e-3 eye distances", "lips", "size error %",
                  "rotation error deg")  # fmt: skip
    for scale, roll_deg, shift in ((1, 0, (31.3, -17.6)), (0.35, 0, (0, 0)), (0.6, 0, (0, 0)),
                                   (1.5, 0, (0, 0)), (1, 15, (0, 0)), (1, -30, (0, 0)),
                                   (0.7, 40, (10, 10))):  # fmt: skip
        picture, matrix = moved(image, scale, roll_deg, np.array(shift))
        found, _ = track_image(picture)
        wanted = landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        error = 1e3 * np.linalg.norm(found[:, :2] - wanted, axis=1) / eyes_px(found)
        camera = nominal_camera(found)
        size = camera.focal_px / nominal_camera(landmarks).focal_px / scale - 1
        turn = cv2.Rodrigues(np.array([0, 0, np.radians(roll_deg)]))[0]
        left = head_pose(found, camera)[0] @ (turn @ rotation).T
        angle = np.degrees(np.linalg.norm(vector_from_rotation(left)))
        table.add_row(f"x {scale:g}, {roll_deg} deg, {shift} px", f"{error.mean():.1f}",
                      f"{error[list(LIPS)].mean():.1f}", f"{100 * size:+.1f}",
                      f"{angle:.2f}")  # fmt: skip
    return table


def found_faces(folder: Path) -> Table:
    table = Table("picture", "eyes px", "yaw, pitch, roll deg", "confidence", "person", "s")
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        start = time.perf_counter()
        try:
            face = load_portrait(path)
        except EnlivenError as error:
            table.add_row(path.name, "", "", "", str(error), "")
            continue
        angles = np.degrees(angles_from_rotation(face.rotation))
        table.add_row(
            path.name, f"{eyes_px(face.landmarks):.0f}", ", ".join(f"{a:+.0f}" for a in angles),
            f"{face.confidence:.2f}", f"{(face.mask > 127).mean():.0%}",
            f"{time.perf_counter() - start:.2f}",
        )  # fmt: skip
    return table


def timing(image: Pixels) -> Table:
    landmarks, _ = track_image(image)
    region = region_of_landmarks(landmarks)
    table = Table(f"step, {image.shape[1]} x {image.shape[0]} px, 1 thread", "ms, median")
    steps: list[tuple[str, Callable[[], object], int]] = [
        ("detect", lambda: detect_faces(image), 30),
        ("landmarks of a tracked frame", lambda: find_landmarks(image, region), 100),
        ("landmarks of a still photo", lambda: track_image(image), 10),
        ("head pose", lambda: head_pose(landmarks, nominal_camera(landmarks)), 30),
        ("person matte", lambda: person_mask(image, landmarks), 10),
        ("whole portrait", lambda: load_portrait(image), 5),
    ]  # fmt: skip
    for name, step, repeats in steps:
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
        table.add_row(name, f"{1e3 * np.median(seconds):.1f}")
    return table


def main() -> None:
    path = next(p for p in sorted((ROOT / "examples").glob("portrait.*"))
                if p.suffix in (".png", ".jpg"))  # fmt: skip
    image = read_image(path).pixels
    console = Console(width=110)
    for table in (jitter(image), recovery(image), timing(image)):
        console.print(table)
    for folder in sys.argv[1:]:
        console.print(found_faces(Path(folder)))


if __name__ == "__main__":
    main()
