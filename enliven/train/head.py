"""Learns the head model from geometry and tracked clips:

    python -m enliven.train.head --data ../shared/data --out enliven/models/head.npz

1. A prior basis from ICT-FaceKit (`head_prior`).
2. Alternately, for every clip, coefficients within 0..1 (the fit that ships), and for every
   point of the mesh a ridge regression of what is left over on those coefficients.  The ridge
   pulls towards the prior, and the harder the less a channel moves the point there, so that
   channels keep to their region; after each round the basis is smoothed along the skin, kept
   from reversing the prior, made left-right symmetric, and lids and lips are made to close.

Only x and y are learned: the tracker's depth is too poor, depth stays that of the prior.
Deterministic; numpy only; minutes, most of them for tracking.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enliven.face.head import Observation, explain, gaze_to_camera, observe, rigid_part
from enliven.face.head_model import (
    INNER_LIPS,
    LID_PAIRS,
    LIP_RINGS_LOWER,
    LIP_RINGS_UPPER,
    LOOKS,
    MOUTH,
    HeadModel,
    load_head,
    personal_basis,
    reach,
    rows,
)
from enliven.face.track import track_video
from enliven.geometry import head_points
from enliven.train.head_prior import finish, prior_basis
from enliven.types import EXPRESSION

Array = NDArray[np.floating]

TRAINING = ("train/grid_s4", "train/grid_s31", "train/grid_other", "train/grid_s1")
MOST_CLIPS = 60  # of one speaker, evenly spread
ROUNDS = 4
FRAME_NOISE = 0.045  # IOD; well above the tracker's, for frames in a row hardly differ
FREEDOM = 0.35  # standard deviation of the basis about the prior, as a part of its travel
# Channels that stay as geometry has them: looks follow from the gaze, the rest hardly occurs in
# speech or is mostly depth.  mouthClose is derived from jawOpen.
FIXED = (*LOOKS, "tongueOut", "cheekPuff", "mouthClose", "jawForward", "mouthLeft", "mouthRight")


@dataclass(frozen=True)
class Example:
    """One observed clip and whose it is."""

    seen: Observation
    speaker: str


# Weight of a squared coefficient in a fit, IOD^2: what speech and faces do all the time comes
# cheap, so that rarer channels do not fight over the rest.
OFTEN, SOMETIMES, SELDOM = 0.015, 0.03, 0.06
COMMON = ("jawOpen", "mouthFunnel", "mouthPucker", "mouthSmile", "mouthStretch", "mouthLowerDown",
          "mouthUpperUp", "brow", "eye")  # fmt: skip
RARE = ("jawForward", "jawLeft", "jawRight", "mouthLeft", "mouthRight", "mouthClose", "mouthShrug",
        "mouthDimple", "cheek", "noseSneer", "tongueOut")  # fmt: skip


def stiffness() -> Array:
    """(52,) by how often a channel is used in speech."""
    return np.array([OFTEN if name.startswith(COMMON) else SELDOM if name.startswith(RARE)
                     else SOMETIMES for name in EXPRESSION])  # fmt: skip


def learn(examples: Sequence[Example], model: HeadModel) -> HeadModel:
    """The model with its basis fitted to the examples, starting from and kept near `model`."""
    prior = model.basis
    freedom = FREEDOM * _spread(np.linalg.norm(prior[..., :2], axis=-1), model.triangles)
    freedom[rows(FIXED)] = 0
    counts = {e.speaker: sum(o.speaker == e.speaker for o in examples) for e in examples}
    for _ in range(ROUNDS):
        gram = np.zeros((len(EXPRESSION), len(EXPRESSION)))
        moment = np.zeros((len(EXPRESSION), prior.shape[1], 2))
        for example in examples:
            share = counts[example.speaker] ** -0.5  # nobody's mouth outvotes the others'
            expression, gap = _left_over(example.seen, model, prior)
            gram += share * expression.T @ expression
            moment += share * np.einsum("tc,tnd->cnd", expression, gap)
        basis = prior.copy()
        basis[..., :2] += _regress(gram, moment, freedom)
        basis = _restrain(basis, prior, model.triangles)
        basis = _close_as_the_jaw_opens(basis, prior, model)
        model = replace(model, basis=finish(basis, model.mean))
    return model


def _left_over(seen: Observation, model: HeadModel, prior: Array) -> tuple[Array, Array]:
    """Coefficients (T, 52), and what the prior leaves unexplained, x and y (T, 478, 2).

    The left-over is in the proportions of the mean head and free of rigid motion.
    """
    expression = explain(seen, model)
    now = np.tensordot(expression, personal_basis(seen.neutral, model=model), 1)
    gap = seen.points - seen.neutral
    gap = gap - rigid_part(gap - now, seen.neutral)
    gap = gap[..., :2] / _proportions(seen.neutral, model)
    return expression, gap - np.tensordot(expression, prior[..., :2], 1)


def _proportions(neutral: Array, model: HeadModel) -> Array:
    """How much further each point travels on one face than on the mean head, (478, 2)."""
    jaw, smile = rows(("jawOpen", "mouthSmileLeft"))
    personal = personal_basis(neutral, model=model)
    across = np.abs(personal[smile, :, 0]).sum() / np.abs(model.basis[smile, :, 0]).sum()
    down = np.abs(personal[jaw, :, 1]).sum() / np.abs(model.basis[jaw, :, 1]).sum()
    return 1 + reach(model, MOUTH) * (np.array([across, down]) - 1)


def _regress(gram: Array, moment: Array, freedom: Array) -> Array:
    """Ridge regression for every point: (52, 478, 2) of deviations from the prior."""
    strength = FRAME_NOISE**2 / np.maximum(freedom, 1e-5) ** 2  # (52, 478)
    systems = gram + np.einsum("cn,cd->ncd", strength, np.eye(len(gram)))
    return np.linalg.solve(systems, moment.transpose(1, 0, 2)).transpose(1, 0, 2)


def _restrain(basis: Array, prior: Array, triangles: NDArray[np.integer]) -> Array:
    """The basis smoothed along the skin, never reversing and never far from the prior."""
    change = basis - prior
    smooth = _smoother(triangles, prior.shape[1])
    for _ in range(2):
        change = np.einsum("nm,cmd->cnd", smooth, change)
    travel = np.linalg.norm(prior, axis=-1, keepdims=True)
    size = np.linalg.norm(change, axis=-1, keepdims=True)
    limit = 0.7 * travel + 0.3 * travel.max(1, keepdims=True) * (travel > 1e-3)
    change = change * np.minimum(1, limit / np.maximum(size, 1e-9))
    along = (change * prior).sum(-1, keepdims=True) / np.maximum(travel**2, 1e-9)
    clear = travel > 0.15 * travel.max(1, keepdims=True)
    return prior + change + np.where(clear, np.maximum(-0.7 - along, 0), 0) * prior


def _close_as_the_jaw_opens(basis: Array, prior: Array, model: HeadModel) -> Array:
    """The basis with mouthClose taking back at the lips what jawOpen has learned to do there."""
    jaw, close = rows(("jawOpen", "mouthClose"))
    lips = np.zeros((len(model.mean), 1))
    lips[[i for ring in LIP_RINGS_UPPER + LIP_RINGS_LOWER for i in ring]] = 1
    smooth = _smoother(model.triangles, len(model.mean))
    around = np.maximum(lips, np.linalg.matrix_power(smooth, 3) @ lips)
    basis = basis.copy()
    basis[close] = prior[close] - around * (basis[jaw] - prior[jaw])
    return basis


def _smoother(triangles: NDArray[np.integer], count: int) -> Array:
    """(N, N) average of each point, half, and its neighbours on the skin, half."""
    skin = triangles[~_in_openings(triangles)]
    near = np.zeros((count, count))
    for a, b in ((0, 1), (1, 2), (2, 0)):
        near[skin[:, a], skin[:, b]] = near[skin[:, b], skin[:, a]] = 1
    total = near.sum(1, keepdims=True)
    return np.where(
        total > 0, 0.5 * np.eye(count) + 0.5 * near / np.maximum(total, 1), np.eye(count)
    )


def _in_openings(triangles: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Triangles that span the mouth or an eye rather than skin."""
    spanned = np.zeros(len(triangles), bool)
    eyes = [tuple(np.array(pairs).T) for pairs in LID_PAIRS.values()]
    for upper, lower in (INNER_LIPS, *eyes):
        above, below = np.isin(triangles, upper), np.isin(triangles, lower)
        spanned |= above.any(1) & below.any(1)
    return spanned


def _spread(travel: Array, triangles: NDArray[np.integer]) -> Array:
    """Travel (52, 478) blurred along the skin, so that a channel may grow a little."""
    smooth = _smoother(triangles, travel.shape[1])
    return travel @ smooth.T @ smooth.T


def training_clips(data: Path) -> list[tuple[Path, str]]:
    """Clips to learn from and their speakers; every clip of a mixed folder is its own."""
    chosen = []
    for folder in TRAINING:
        clips = sorted((data / folder).glob("*.mp4"))
        clips = clips[:: max(1, -(-len(clips) // MOST_CLIPS))]
        speaker = "" if folder.endswith("other") else folder
        chosen += [(clip, speaker or clip.stem) for clip in clips]
    return chosen


def observe_clip(path: Path, model: HeadModel) -> Observation:
    """Tracks one clip and sorts what was seen of the face."""
    track = track_video(path)
    ok = track.valid
    rotation, translation = track.rotation[ok], track.translation[ok]
    points = head_points(
        track.landmarks[ok], rotation, translation, track.focal_px, track.centre_px
    )
    return observe(points, gaze_to_camera(rotation, translation), model)


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description="learn the head model")
    parser.add_argument("--data", type=Path, required=True, help="folder with geometry/ and train/")
    parser.add_argument("--out", type=Path, required=True, help="head.npz to write")
    options = parser.parse_args()
    start = load_head()  # of the shipped model only mesh and mean are used
    basis = prior_basis(options.data / "geometry", start.mean)
    model = replace(start, basis=basis, stiffness=stiffness())
    clips = training_clips(options.data)
    examples = []
    for i, (path, speaker) in enumerate(clips):
        print(f"\rtracking {i + 1} of {len(clips)}", end="", flush=True)
        examples.append(Example(observe_clip(path, model), speaker))
    print()
    model = learn(examples, model)
    np.savez_compressed(
        options.out,
        mean=model.mean.astype(np.float32),
        triangles=model.triangles.astype(np.int16),
        basis=model.basis.astype(np.float32),
        stiffness=model.stiffness.astype(np.float32),
    )


if __name__ == "__main__":
    main()
