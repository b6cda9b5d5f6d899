"""Statistics of pictures that show a reward being cheated long before a score does.

A policy that is paid for the wrong thing darkens, sharpens, saturates or grids its pictures;
none of that need show in the rewards themselves.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.metrics.texture import colours, grid_energy

LOOKED_AT = 4  # frames of a video
EDGE = 0.2  # gradient, of the range of grey, from which a pixel is on an edge


def picture_statistics(frames: Sequence[NDArray]) -> dict[str, float]:
    """Means over a few frames (H, W, 3) uint8; {} when they are no such pictures.

    brightness: 0 to 1.  saturation, entropy, blown, crushed: see `metrics.texture.Colours`.
    edges: share of pixels on an edge.  grid 8, grid 16: `metrics.texture.grid_energy`.
    movement: mean difference of neighbouring frames, 0 to 1.
    """
    if not frames or frames[0].ndim != 3 or frames[0].dtype != np.uint8:
        return {}
    if min(frames[0].shape[:2]) < 32:
        return {}
    chosen = np.linspace(0, len(frames) - 1, min(LOOKED_AT, len(frames))).round().astype(int)
    rows = [_of(frames[i][..., :3]) for i in chosen]
    made = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    pairs = [(frames[i], frames[i + 1]) for i in chosen if i + 1 < len(frames)]
    if pairs:
        made["movement"] = float(np.mean([cv2.absdiff(a, b).mean() / 255 for a, b in pairs]))
    return made


def _of(frame: NDArray[np.uint8]) -> dict[str, float]:
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    slope = np.hypot(*np.gradient(grey))
    tone = colours(frame)
    grids = {f"grid {period}": grid_energy(frame, period) for period in (8, 16)}
    return {"brightness": float(tone.mean.mean()), "saturation": tone.saturation,
            "entropy": tone.entropy, "blown": tone.blown, "crushed": tone.crushed,
            "edges": float((2 * slope > EDGE).mean()), **grids}  # fmt: skip
