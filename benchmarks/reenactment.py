"""Re-enactment: a clip's first frame driven by the clip itself, scored against its real pixels.

    python benchmarks/reenactment.py --data ../shared/data [--frames 150] [--sheets DIR] [CLIP ...]

Mean absolute error in grey levels (0 to 255) of our frames and, after the slash, of the first
frame held still; in the face, around the mouth, around the eyes, outside the face, and in all.
A star marks where holding still is no worse.  Pixels are compared, never landmarks: the tracker
that drives the picture has no say in its score.
"""

import argparse
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.face.head import estimate_neutral, fit_motion
from enliven.face.head_model import personal_basis
from enliven.face.portrait import load_portrait
from enliven.face.track import Track, track_video
from enliven.geometry import head_points
from enliven.media.video import read_frames
from enliven.render.mesh import FACE_OVAL, LEFT_EYE, LOWER_LIP_OUTER, RIGHT_EYE, UPPER_LIP_OUTER
from enliven.render.renderer import Renderer
from enliven.types import Motion, Portrait

REGIONS = ("face", "mouth", "eyes", "outside", "whole")
DRAWN = ("hallo4_skeleton", "wan_pose")  # clips of drawn skeletons, without a face


def clips(data: Path) -> list[Path]:
    """Every driving and development clip that shows a face."""
    found = sorted((data / "driving").glob("*.mp4")) + sorted(
        (data / "dev" / "video").glob("*.mp4")
    )
    return [path for path in found if path.stem not in DRAWN]


def first_frame_portrait(image: NDArray[np.uint8], track: Track, motion: Motion) -> Portrait:
    """The first frame as a portrait, with the pose, neutral and rest that the clip tells."""
    first = int(np.argmax(track.valid))
    seen = track.valid
    points = head_points(track.landmarks[seen], track.rotation[seen], track.translation[seen],
                         track.focal_px, track.centre_px)  # fmt: skip
    return replace(
        load_portrait(image),
        landmarks=track.landmarks[first],
        rotation=track.rotation[first],
        translation=track.translation[first],
        focal_px=track.focal_px,
        centre_px=track.centre_px,
        rest=motion.values[first],
        basis=personal_basis(estimate_neutral(points)).astype(np.float32),
    )


def region_masks(landmarks: NDArray, shape: tuple[int, int]) -> dict[str, NDArray[np.bool_]]:
    """Pixels of each region around the landmarks (478, 3) of a real frame."""

    def hull(indices: tuple[int, ...], margin_px: float) -> NDArray[np.bool_]:
        mask = np.zeros(shape, np.uint8)
        cv2.fillConvexPoly(mask, cv2.convexHull(np.int32(np.rint(landmarks[list(indices), :2]))), 1)
        size = 2 * round(margin_px) + 1
        return cv2.dilate(mask, np.ones((size, size), np.uint8)) > 0

    iod = float(np.linalg.norm(landmarks[33, :2] - landmarks[263, :2]))
    face = hull(FACE_OVAL, 0)
    eyes = (hull(eye.upper + eye.lower, 0.06 * iod) for eye in (LEFT_EYE, RIGHT_EYE))
    return {
        "face": face,
        "mouth": hull(UPPER_LIP_OUTER + LOWER_LIP_OUTER, 0.12 * iod),
        "eyes": np.logical_or(*eyes),
        "outside": ~face,
        "whole": np.ones(shape, bool),
    }


def score(path: Path, limit: int, sheet: Path | None) -> NDArray[np.float64]:
    """Errors (2, 5): ours and of the still first frame, by region."""
    frames = np.array(list(islice(read_frames(path).frames, limit)))
    track = track_video(iter(frames), fps=float(read_frames(path).fps))
    motion = fit_motion(track)
    start = int(np.argmax(track.valid))
    renderer = Renderer(first_frame_portrait(frames[start], track, motion))
    errors, kept = [], []
    for i in np.flatnonzero(track.valid):
        drawn = renderer.frame(motion.values[i])
        kept.append(drawn)
        masks = region_masks(track.landmarks[i], frames.shape[1:3])
        gaps = [
            np.abs(frames[i].astype(np.int16) - other).mean(-1) for other in (drawn, frames[start])
        ]
        errors.append([[gap[masks[name]].mean() for name in REGIONS] for gap in gaps])
    if sheet is not None:
        write_sheet(sheet / f"{path.stem}.png", frames[track.valid], np.array(kept))
    return np.mean(errors, axis=0)


def write_sheet(path: Path, real: NDArray[np.uint8], ours: NDArray[np.uint8]) -> None:
    """Real frames above ours, eight moments."""
    picks = np.linspace(0, len(real) - 1, 8).astype(int)
    rows = [np.hstack([cv2.resize(video[i], (240, 240 * video.shape[1] // video.shape[2]))
                       for i in picks]) for video in (real, ours)]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=150, help="of each clip, at most")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets, for your eyes only")
    parser.add_argument("clips", nargs="*", help="stems of the clips to run; all by default")
    arguments = parser.parse_args()
    print(f"{'clip':26s}" + "".join(f"{name:>15s}" for name in REGIONS))
    results = []
    for path in clips(arguments.data):
        if arguments.clips and path.stem not in arguments.clips:
            continue
        errors = score(path, arguments.frames, arguments.sheets)
        results.append(errors)
        cells = [
            f"{ours:.1f} / {still:.1f}{' ' if ours < still else '*'}" for ours, still in errors.T
        ]
        print(f"{path.stem:26s}" + "".join(f"{cell:>15s}" for cell in cells), flush=True)
    ratio = np.median([errors[0] / errors[1] for errors in results], axis=0)
    wins = np.sum([errors[0] < errors[1] for errors in results], axis=0)
    print(f"{'median ours / still':26s}" + "".join(f"{value:>14.2f} " for value in ratio))
    print(
        f"{'clips won of ' + str(len(results)):26s}" + "".join(f"{value:>14d} " for value in wins)
    )


if __name__ == "__main__":
    main()
