"""How well the head model explains faces it has not seen:

    python benchmarks/head_model.py --data ../shared/data

Mean distance, in thousandths of an IOD across the image plane of the head, between the tracked
points of each development clip and their reconstruction: with no expression at all, with the
52 bounded channels that ship, and with the best 52 unbounded directions (PCA) of the same
training clips.  Neutral face and rigid motion are the same for all three.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enliven.face.head import (
    Observation,
    explain,
    fit_weights,
    load_head,
    rigid_motions,
    rigid_part,
)
from enliven.face.head_model import (
    BROWS,
    IRIS_POINTS,
    LID_PAIRS,
    LIP_RINGS_LOWER,
    LIP_RINGS_UPPER,
    lip_gap,
    personal_basis,
)
from enliven.train.head import observe_clip, training_clips
from enliven.types import EXPRESSION

Array = NDArray[np.floating]


def regions() -> dict[str, list[int]]:
    """Landmarks of each region of the face."""
    mean = load_head().mean
    lips = {i for ring in LIP_RINGS_UPPER + LIP_RINGS_LOWER for i in ring}
    edges = np.array([pair for pairs in LID_PAIRS.values() for pair in pairs]).ravel()
    away = np.linalg.norm(mean[:, None, :2] - mean[edges, :2], axis=-1).min(1)
    brows = set(BROWS)
    eyes = set(np.flatnonzero(away < 0.06)) - brows - set(range(478)[IRIS_POINTS])
    rest = [i for i in range(468) if i not in lips | eyes | brows]
    nose = [i for i in rest if abs(mean[i, 0]) < 0.25 and -0.75 < mean[i, 1] < -0.2]
    cheeks = [i for i in rest if mean[i, 1] > -0.7 and i not in nose]
    return {"mouth": sorted(lips), "eyes": sorted(eyes), "brows": sorted(brows),
            "cheeks, jaw": cheeks, "nose": nose}  # fmt: skip


def principal(examples: list[Observation], count: int) -> Array:
    """The directions (count, 478, 3) of most motion in the examples, weighted as in the fit."""
    weights = fit_weights()
    gaps = []
    for seen in examples:
        gap = seen.points - seen.neutral
        gaps.append(((gap - rigid_part(gap, seen.neutral)) * weights)[::2])
    flat = np.concatenate(gaps).reshape(-1, weights.size)
    directions = np.linalg.eigh(flat.T @ flat)[1][:, ::-1][:, :count].T
    return directions.reshape(count, *weights.shape) / np.maximum(weights, 1e-6)


def project(seen: Observation, directions: Array) -> Array:
    """Best unbounded combination (T, 478, 3) of directions, rigid motion fitted beside it."""
    weights = fit_weights()
    rigid = rigid_motions(seen.neutral)
    columns = (np.concatenate([rigid, directions]) * weights).reshape(-1, weights.size)
    target = ((seen.points - seen.neutral) * weights).reshape(-1, weights.size)
    amounts = np.linalg.lstsq(columns.T, target.T, rcond=None)[0][len(rigid) :]
    return np.tensordot(amounts.T, directions, 1)


def distances(seen: Observation, moved: Array) -> list[float]:
    """Mean distance by region, IOD, between the points seen and neutral + moved."""
    gap = seen.points - seen.neutral - moved
    gap = gap - rigid_part(gap, seen.neutral)
    far = np.linalg.norm(gap[..., :2], axis=-1)
    return [float(far[:, points].mean()) for points in regions().values()]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    model = load_head()
    learned = [observe_clip(path, model) for path, _ in training_clips(options.data)]
    directions = principal(learned, len(EXPRESSION))
    names = list(regions())
    print(f"{'thousandths of an IOD':24s}" + "".join(f"{name:>28s}" for name in names))
    print(f"{'clip':24s}" + f"{'none / 52 channels / PCA':>28s}" * len(names) + "   lip gap r")
    table = []
    for path in sorted((options.data / "dev/video").glob("v*.mp4")):
        seen = observe_clip(path, model)
        start = time.perf_counter()
        expression = explain(seen, model)
        seconds = time.perf_counter() - start
        moved = np.tensordot(expression, personal_basis(seen.neutral), 1)
        gaps = np.corrcoef(lip_gap(seen.points), lip_gap(seen.neutral + moved))[0, 1]
        row = np.array([distances(seen, np.zeros_like(moved)), distances(seen, moved),
                        distances(seen, project(seen, directions))]) * 1000  # fmt: skip
        table.append((row, gaps, seconds / len(moved), (expression > 0.05).sum(1).mean()))
        cells = "".join(f"{a:14.1f} / {b:.1f} / {c:.1f}".rjust(28) for a, b, c in row.T)
        print(f"{path.stem[:24]:24s}{cells}{gaps:12.3f}")
    mean = np.mean([row for row, *_ in table], 0)
    cells = "".join(f"{a:14.1f} / {b:.1f} / {c:.1f}".rjust(28) for a, b, c in mean.T)
    print(f"{'mean':24s}{cells}{np.mean([t[1] for t in table]):12.3f}")
    print(f"fit {np.median([t[2] for t in table]) * 1e3:.2f} ms a frame; "
          f"{np.mean([t[3] for t in table]):.1f} channels above 0.05")  # fmt: skip


if __name__ == "__main__":
    main()
