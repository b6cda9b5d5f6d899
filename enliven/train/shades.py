"""Learns how expressions shade a face, from recordings:

    python -m enliven.train.shades --data ../shared/data --out enliven/models/shades.npz

Every clip's first frame is driven by the clip itself, with light and creases but without shades.
The log of real over drawn brightness, blurred within the skin and laid out over the average
face, is regressed on the change of the 52 channels, each spot on its own.  A ridge keeps each
channel near its region and rare channels near nothing; change of pose and overall brightness
are explained away by columns of their own.  Every clip counts a second time as its mirror image.

Deterministic; numpy and OpenCV only; about two minutes.
"""

import argparse
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.face.head import estimate_neutral, fit_motion
from enliven.face.head_model import load_head, personal_basis
from enliven.face.portrait import load_portrait
from enliven.face.track import Track, track_video
from enliven.geometry import head_points, rotation_from_vector, vector_from_rotation
from enliven.media.video import read_frames
from enliven.render.creases import flattened
from enliven.render.mesh import (
    FACE_OVAL,
    LEFT_EYE,
    MOUTH,
    RIGHT_EYE,
    Interpolation,
    interpolation,
    skin_triangles,
)
from enliven.render.paint import SHADE_BOX, from_above
from enliven.render.renderer import Renderer
from enliven.train.head import training_clips
from enliven.train.shade_prior import occlusion_maps
from enliven.types import EXPRESSION, Motion, Portrait, group_slice

Array = NDArray[np.floating]

CELL = 1 / 30  # of the maps, IOD
MOST_CLIPS = 30  # of one speaker
EVERY = 4  # frames
BLUR = 0.05  # of brightness before it is compared, IOD
DARKEST = 2.0  # grey levels added to both, so that black tells nothing
LARGEST = 0.3  # log ratio beyond which it is not shading that differs
RIDGE = 2.5  # weight of a squared coefficient where a channel moves the skin most
REACH = 0.04  # IOD of travel at which a channel counts as at home
DARKENING = 0.6  # log gain for a share of the sky that gets hidden, as the recordings show it
UNIT = 0.002  # log gain of one step of the stored 8 bits


@dataclass(frozen=True)
class Observed:
    """ratio: (T, P) log of real over drawn.  change: (T, 52), times how far the light comes from
    above.  turn: (T, 3) rotation vectors."""

    ratio: Array
    change: Array
    turn: Array
    speaker: str


def map_size() -> tuple[int, int]:
    """Columns and rows of the maps."""
    x0, y0, x1, y1 = SHADE_BOX
    return round((x1 - x0) / CELL), round((y1 - y0) / CELL)


def layout() -> Interpolation:
    """Where on the mesh each cell of the maps lies."""
    columns, rows = map_size()
    x0, y0, x1, y1 = SHADE_BOX
    x, y = np.meshgrid(x0 + (np.arange(columns) + 0.5) * (x1 - x0) / columns,
                       y0 + (np.arange(rows) + 0.5) * (y1 - y0) / rows)  # fmt: skip
    model = load_head()
    cells = np.stack([x, y], -1).reshape(-1, 2)
    return interpolation(cells, flattened(model.mean), skin_triangles(model.triangles))


def first_frame_portrait(image: NDArray[np.uint8], track: Track, motion: Motion) -> Portrait:
    """The first tracked frame with the pose, neutral and rest that the clip tells."""
    seen, first = track.valid, int(np.argmax(track.valid))
    points = head_points(track.landmarks[seen], track.rotation[seen], track.translation[seen],
                         track.focal_px, track.centre_px)  # fmt: skip
    return replace(
        load_portrait(image), landmarks=track.landmarks[first], rotation=track.rotation[first],
        translation=track.translation[first], focal_px=track.focal_px, centre_px=track.centre_px,
        rest=motion.values[first],
        basis=personal_basis(estimate_neutral(points)).astype(np.float32),
    )  # fmt: skip


def observe(
    frames: NDArray[np.uint8], track: Track, speaker: str, where: Interpolation
) -> Observed:
    """What our frames, drawn without shades, lack in shading against real ones (T, H, W, 3)."""
    motion = fit_motion(track)
    start = int(np.argmax(track.valid))
    portrait = first_frame_portrait(frames[start], track, motion)
    renderer = Renderer(portrait)
    renderer.paint = replace(renderer.paint, shades=0 * renderer.paint.shades)
    ratios, turns, picked = [], [], np.flatnonzero(track.valid)[::EVERY]
    for i in picked:
        points = track.landmarks[i, :, :2]
        skin = skin_mask(points, frames.shape[1:3])
        sigma = BLUR * portrait.iod_px
        real, drawn = (_blurred(image, skin, sigma) for image in
                       (frames[i], renderer.frame(motion.values[i])))  # fmt: skip
        ratio = np.log((real + DARKEST) / (drawn + DARKEST))
        at = where(points.astype(np.float32)).astype(np.float32)[None]
        ratios.append(cv2.remap(ratio, at, None, cv2.INTER_LINEAR)[0])
        head = rotation_from_vector(motion.values[i, group_slice("head")])
        still = rotation_from_vector(portrait.rest[group_slice("head")])
        turns.append(vector_from_rotation(head @ still.T))
    change = (motion.values[picked] - portrait.rest)[:, group_slice("expression")]
    change *= from_above(renderer.paint.light)
    return Observed(np.array(ratios), change, np.array(turns), speaker)


def skin_mask(points: NDArray, shape: tuple[int, int]) -> NDArray[np.float32]:
    """1 on the face, 0 outside and in mouth and eyes."""
    mask = np.zeros(shape, np.float32)
    cv2.fillPoly(mask, [np.int32(points[list(FACE_OVAL)])], 1)
    for opening in (MOUTH, LEFT_EYE, RIGHT_EYE):
        rim = [*opening.upper, *opening.lower[::-1]]
        cv2.fillPoly(mask, [np.int32(points[rim])], 0)
    return mask


def _blurred(image: NDArray[np.uint8], mask: NDArray[np.float32], sigma: float) -> Array:
    grey = image.astype(np.float32).mean(-1)
    mass = cv2.GaussianBlur(mask, (0, 0), sigma) + 1e-3
    return cv2.GaussianBlur(grey * mask, (0, 0), sigma) / mass


def learn(clips: list[Observed], where: Interpolation, prior: Array) -> Array:
    """Maps (52, rows, columns) of log gain, pulled towards those of `prior`."""
    columns, rows = map_size()
    counts = Counter(clip.speaker for clip in clips)
    mirrored = [EXPRESSION.index(_other_side(name)) for name in EXPRESSION]
    size = len(EXPRESSION) + 3
    gram, moment = np.zeros((size, size)), np.zeros((size, rows * columns))
    for clip in clips:
        ratio = np.clip(clip.ratio, -LARGEST, LARGEST)
        flipped = ratio.reshape(-1, rows, columns)[:, :, ::-1].reshape(ratio.shape)
        share = counts[clip.speaker] ** -0.5  # nobody outvotes the others
        for target, change, turn in ((ratio, clip.change, clip.turn),
                                     (flipped, clip.change[:, mirrored],
                                      clip.turn * [1, -1, -1])):  # fmt: skip
            inputs = np.c_[change, turn]
            inputs = inputs - inputs.mean(0)
            gram += share * inputs.T @ inputs
            moment += share * inputs.T @ (target - target.mean(0))
    travel = where(np.linalg.norm(load_head().basis, axis=-1)[..., None])[..., 0]
    travel = np.stack([cv2.GaussianBlur(one.reshape(rows, columns).astype(np.float32), (0, 0), 3.0)
                       for one in travel]).reshape(len(travel), -1)  # fmt: skip
    ridge = np.ones((size, rows * columns))
    ridge[: len(EXPRESSION)] = RIDGE / np.clip(travel / REACH, 0.1, 1) ** 2
    moment[: len(EXPRESSION)] += ridge[: len(EXPRESSION)] * prior.reshape(len(prior), -1)
    systems = gram + np.einsum("cp,cd->pcd", ridge, np.eye(size))
    maps = np.linalg.solve(systems, moment.T[..., None])[..., 0].T[: len(EXPRESSION)]
    maps = maps.reshape(-1, rows, columns)
    return np.stack([cv2.GaussianBlur(one, (0, 0), 0.9) for one in maps])


def chosen_clips(data: Path) -> list[tuple[Path, str]]:
    """Clips to learn from and their speakers, of no speaker many more than MOST_CLIPS."""
    clips = training_clips(data)
    of_speaker = Counter(speaker for _, speaker in clips)
    seen: Counter[str] = Counter()
    chosen = []
    for path, speaker in clips:
        if seen[speaker] % max(1, round(of_speaker[speaker] / MOST_CLIPS)) == 0:
            chosen.append((path, speaker))
        seen[speaker] += 1
    return chosen


def _other_side(name: str) -> str:
    for side, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(side):
            return name.removesuffix(side) + other
    return name


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description="learn how expressions shade a face")
    parser.add_argument("--data", type=Path, required=True, help="folder with train/")
    parser.add_argument("--out", type=Path, required=True, help="shades.npz to write")
    options = parser.parse_args()
    where, clips = layout(), []
    for path, speaker in chosen_clips(options.data):
        video = read_frames(path)
        frames = np.array(list(video.frames))
        track = track_video(iter(frames), fps=float(video.fps))
        clips.append(observe(frames, track, speaker, where))
        print(f"\r{len(clips)} clips", end="", flush=True)
    print()
    hidden = occlusion_maps(options.data / "geometry", load_head().mean, SHADE_BOX, map_size())
    maps = learn(clips, where, -DARKENING * hidden)
    np.savez_compressed(
        options.out, unit=np.float32(UNIT),
        shades=np.clip(np.rint(maps / UNIT), -127, 127).astype(np.int8),
    )  # fmt: skip


if __name__ == "__main__":
    main()
