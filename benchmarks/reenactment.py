"""Re-enactment: a clip's first frame driven by the clip itself, scored against its real pixels.

    python benchmarks/reenactment.py --data ../shared/data [--frames 150] [CLIP ...]
        [--against FILE] [--save FILE] [--sheets DIR] [--crops DIR]

Mean absolute error in grey levels (0 to 255) of our frames, of the version in --against, and of
the first frame held still; in the face, around the mouth, around the eyes, outside the face, and
in all.  A star marks where holding still is no worse.  Then, inside the face, the multi-scale
structural similarity (Wang, Simoncelli and Bovik 2003) and the sharpness: the energy of detail
finer than 2 px over that of the real frame, 1 being neither blurred nor over-sharpened.  Pixels
are compared, never landmarks: the tracker that drives the picture has no say in its score.

Another version is measured by this script with that version's checkout in PYTHONPATH;
first_version.json beside it holds what the first one scored.
"""

import argparse
import json
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
from enliven.metrics.image import ms_ssim
from enliven.render.mesh import FACE_OVAL, LEFT_EYE, LOWER_LIP_OUTER, RIGHT_EYE, UPPER_LIP_OUTER
from enliven.render.renderer import Renderer
from enliven.types import Motion, Portrait

REGIONS = ("face", "mouth", "eyes", "outside", "whole")
FINE_PX = 2.0  # detail finer than this blur counts for sharpness
SHARP_BAND = (0.85, 1.15)  # within which a picture looks as sharp as the real one
FIRST_VERSION = Path(__file__).parent / "first_version.json"
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


def detail(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """Standard deviation within the mask of what is finer than FINE_PX, grey levels."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float((grey - cv2.GaussianBlur(grey, (0, 0), FINE_PX))[mask].std())


def score(path: Path, limit: int, sheet: Path | None, crops: Path | None) -> dict[str, list[float]]:
    """Errors by region, ours and of the still first frame, then `ssim` and `sharpness`."""
    frames = np.array(list(islice(read_frames(path).frames, limit)))
    track = track_video(iter(frames), fps=float(read_frames(path).fps))
    motion = fit_motion(track)
    start = int(np.argmax(track.valid))
    renderer = Renderer(first_frame_portrait(frames[start], track, motion))
    errors, likeness, kept = [], [], []
    for i in np.flatnonzero(track.valid):
        drawn = renderer.frame(motion.values[i])
        kept.append(drawn)
        masks = region_masks(track.landmarks[i], frames.shape[1:3])
        gaps = [
            np.abs(frames[i].astype(np.int16) - other).mean(-1) for other in (drawn, frames[start])
        ]
        errors.append([[gap[masks[name]].mean() for name in REGIONS] for gap in gaps])
        if i % 5 == 0:
            similar = [ms_ssim(frames[i], other, masks["face"]) for other in (drawn, frames[start])]
            sharp = detail(drawn, masks["face"]) / max(detail(frames[i], masks["face"]), 1e-6)
            likeness.append([*similar, sharp])
    if sheet is not None:
        write_sheet(sheet / f"{path.stem}.png", frames[track.valid], np.array(kept))
    if crops is not None:
        write_crops(crops, path.stem, track, frames, kept)
    ours, still = np.mean(errors, axis=0).tolist()
    ssim, ssim_still, sharpness = np.mean(likeness, axis=0).tolist()
    return {"ours": ours, "still": still, "ssim": [ssim, ssim_still], "sharpness": [sharpness]}


def write_sheet(path: Path, real: NDArray[np.uint8], ours: NDArray[np.uint8]) -> None:
    """Real frames above ours, eight moments."""
    picks = np.linspace(0, len(real) - 1, 8).astype(int)
    rows = [np.hstack([cv2.resize(video[i], (240, 240 * video.shape[1] // video.shape[2]))
                       for i in picks]) for video in (real, ours)]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def write_crops(folder: Path, stem: str, track: Track, frames: NDArray[np.uint8],
                ours: list[NDArray[np.uint8]]) -> None:  # fmt: skip
    """Face crops of three moments far from the first frame, for `blind.py`: real and ours."""
    seen = np.flatnonzero(track.valid)
    for moment in np.linspace(0, len(seen) - 1, 5).astype(int)[1:4]:
        i = seen[moment]
        points = track.landmarks[i, list(FACE_OVAL), :2]
        centre, half = points.mean(0), 0.68 * float(np.ptp(points, axis=0).max())
        low = np.maximum(np.rint(centre - half).astype(int), 0)
        high = np.minimum(np.rint(centre + half).astype(int), frames.shape[2:0:-1])
        for name, frame in (("real", frames[i]), ("ours", ours[moment])):
            crop = frame[low[1] : high[1], low[0] : high[0]]
            target = folder / name / f"{stem}-{i:03d}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(target), cv2.resize(crop, (512, 512), interpolation=cv2.INTER_CUBIC)
                        [..., ::-1])  # fmt: skip


def table(results: dict[str, dict[str, list[float]]],
          earlier: dict[str, dict[str, list[float]]]) -> None:  # fmt: skip
    """Medians over clips, and how many of them are won."""
    ours, still = (np.array([r[key] for r in results.values()]) for key in ("ours", "still"))
    rows = [("ours / still, median", np.median(ours / still, axis=0)),
            (f"below still, of {len(ours)}", (ours < still).sum(0))]  # fmt: skip
    both = [name for name in results if name in earlier]
    if both:
        now, before = (np.array([r[n]["ours"] for n in both]) for r in (results, earlier))
        rows += [("ours / earlier, median", np.median(now / before, axis=0)),
                 (f"below earlier, of {len(both)}", (now < before).sum(0))]  # fmt: skip
    for name, values in rows:
        print(f"{name:26s}" + "".join(f"{value:>21.3g} " for value in values))
    ssim = np.array([r["ssim"] for r in results.values()])
    sharp = np.array([r["sharpness"][0] for r in results.values()])
    within = int(((sharp >= SHARP_BAND[0]) & (sharp <= SHARP_BAND[1])).sum())
    print(f"MS-SSIM of the face, median: ours {np.median(ssim[:, 0]):.3f}, "
          f"still {np.median(ssim[:, 1]):.3f}, won {(ssim[:, 0] > ssim[:, 1]).sum()}")  # fmt: skip
    if both:
        old = np.array([earlier[n]["ssim"][0] for n in both])
        print(f"    earlier {np.median(old):.3f}, sharpness "
              f"{np.median([earlier[n]['sharpness'][0] for n in both]):.2f}")  # fmt: skip
    print(f"sharpness, median {np.median(sharp):.2f}, {sharp.min():.2f} to {sharp.max():.2f}; "
          f"{within} of {len(sharp)} within {SHARP_BAND[0]} to {SHARP_BAND[1]}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=150, help="of each clip, at most")
    parser.add_argument("--against", type=Path, default=FIRST_VERSION,
                        help="figures of another version, made with --save")  # fmt: skip
    parser.add_argument("--save", type=Path, help="write the figures to this file")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets, for your eyes only")
    parser.add_argument("--crops", type=Path, help="folder for face crops, for blind.py")
    parser.add_argument("clips", nargs="*", help="stems of the clips to run; all by default")
    arguments = parser.parse_args()
    earlier = json.loads(arguments.against.read_text()) if arguments.against.exists() else {}
    print(f"{'ours / earlier / still':26s}" + "".join(f"{name:>22s}" for name in REGIONS)
          + f"{'MS-SSIM':>20s}{'sharp':>6s}")  # fmt: skip
    results: dict[str, dict[str, list[float]]] = {}
    for path in clips(arguments.data):
        if arguments.clips and path.stem not in arguments.clips:
            continue
        found = results[path.stem] = score(path, arguments.frames, arguments.sheets,
                                           arguments.crops)  # fmt: skip
        before = earlier.get(path.stem, {"ours": [np.nan] * 5, "ssim": [np.nan]})
        cells = [f"{ours:.1f} / {old:.1f} / {still:.1f}{' ' if ours < still else '*'}"
                 for ours, old, still in zip(found["ours"], before["ours"], found["still"],
                                             strict=True)]  # fmt: skip
        similar = f"{found['ssim'][0]:.3f} / {before['ssim'][0]:.3f} / {found['ssim'][1]:.3f}"
        print(f"{path.stem:26s}" + "".join(f"{cell:>22s}" for cell in cells)
              + f"{similar:>20s}{found['sharpness'][0]:>6.2f}", flush=True)  # fmt: skip
    table(results, earlier)
    if arguments.save:
        arguments.save.write_text(json.dumps(
            {n: {k: np.round(v, 4).tolist() for k, v in r.items()} for n, r in results.items()},
            indent=0) + "\n")  # fmt: skip


if __name__ == "__main__":
    main()
