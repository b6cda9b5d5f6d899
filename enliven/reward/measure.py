"""A video as a table: one row of numbers for each second, from which all checks are read.

A row is small, so that an hour is a few thousand of them.  NaN, or no entry, is what could not
be told.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from enliven.metrics.critic import SHIFTS, SyncRows
from enliven.metrics.watch import Stretch
from enliven.reward.look import beside, look
from enliven.reward.move import curves, move
from enliven.reward.reference import Reference
from enliven.reward.speaking import speaking
from enliven.types import MOTION_FPS

Row = Mapping[str, float]


ROW_FRAMES = round(MOTION_FPS)
AGREES = 0.25  # best agreement at any shift from which the shift means something


def parts(frames: int) -> list[slice]:
    """Frames of a stretch parted evenly into seconds; one that is shorter is one part."""
    count = max(1, frames // ROW_FRAMES)
    edges = [round(i * frames / count) for i in range(count + 1)]
    return [slice(low, high) for low, high in pairwise(edges)]


def measure(
    stretch: Stretch, reference: Reference | None, agreement: SyncRows | None = None
) -> list[Row]:
    """One row a second of a stretch.

    reference: of the photo, or of the first stretch in which a face is seen; None when none has
    been seen yet, and only what needs no face is told.
    agreement: of this stretch, by a sync critic; None: neither sync nor lag can be told.
    """
    seen = curves(stretch)
    said = speaking(seen.lips, seen.voice)
    held = beside(stretch, reference) if reference is not None and stretch.valid.any() else None
    rows: list[Row] = []
    for frames in parts(len(stretch.valid)):
        rows.append({
            "start": stretch.start + frames.start / MOTION_FPS,
            "seconds": (frames.stop - frames.start) / MOTION_FPS,
            "face": float(stretch.valid[frames].mean()),
            "sounds": float(stretch.sounds),
            "source_fps": stretch.source_fps,
            **vars(said),
            **move(seen, frames),
            **(_agreeing(agreement, stretch.start + _middle(frames)) if agreement else {}),
            **(look(stretch, frames, held) if held is not None else {}),
        })  # fmt: skip
    return rows


def _middle(frames: slice) -> float:
    return (frames.start + frames.stop) / 2 / MOTION_FPS


def _agreeing(agreement: SyncRows, at: float) -> Row:
    """What the critic says of the second that a moment lies in."""
    i = int(np.searchsorted(agreement.seconds, at, side="right")) - 1
    best = float(agreement.best[i])
    late = float(agreement.late[i]) if best > AGREES else float("nan")
    # a frame either way is how well clips of real people are cut
    here = float(agreement.curves[i, SHIFTS - 1 : SHIFTS + 2].max())
    return {"agreement": here, "late": late, "best": best}
