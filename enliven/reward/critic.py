"""The judge that ships with the package: small networks of our own, on the CPU.

    marks = CriticJudge.load()(stretch)

Lip-sync is told second by second from how lips and voice agree at every shift
(`enliven.metrics.critic`), expressiveness and motion by `enliven.reward.acting`.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Self, final

import numpy as np

from enliven.metrics.critic import (
    LEADING,
    SHIFTS,
    SPEECH_SHARE,
    SyncCritic,
    SyncRows,
    lip_measures,
    loudness_db,
)
from enliven.metrics.watch import Stretch
from enliven.reward.acting import acting_marks, load_acting
from enliven.reward.judge import HIGHEST, LOWEST, Mark
from enliven.types import MOTION_FPS

VERSION = 1

# Agreement over 3 s: what lips of another time or person hardly reach, and what nearly all real
# people's reach.  LATENESS: what is left of a match by so many frames that it comes late or early.
# Chosen so that real people are marked near 5, lips 3 frames off near 3, wrong sound below 1.5.
APART, TOGETHER = 0.14, 0.36
LATENESS = ((0, 1.0), (1, 0.96), (2, 0.75), (3, 0.5), (4, 0.33), (5, 0.22), (8, 0.05),
            (SHIFTS, 0.0))  # fmt: skip
NEARLY = 0.7  # of the best agreement, from which on another shift begins to count
WORTH_NAMING = 2  # frames
SILENT_DB = -60.0  # re full scale
TALKING = 0.02  # deviation of the gap between the lips, IOD: people who talk have 0.022 to 0.08

Part = Callable[[Stretch], Sequence[Mark]]


def closeness(curve: np.ndarray) -> float:
    """How well lips go with a voice, 0 to 1, given their agreement at every shift, (S,).

    The best match counts, less the later or earlier it comes; one at another shift that is
    nearly as good may count instead.
    """
    curve = np.asarray(curve)
    share = np.clip((curve - APART) / (TOGETHER - APART), 0, 1)
    match = share * share * (3 - 2 * share)
    rival = np.clip((curve / max(curve.max(), 1e-6) - NEARLY) / (1 - NEARLY), 0, 1)
    frames, left = np.array(LATENESS).T
    worth = np.interp(np.abs(np.arange(len(curve)) - SHIFTS), frames, left)
    return float((match * rival * worth).max())


def lip_marks(stretch: Stretch, critic: SyncCritic | None = None) -> list[Mark]:
    """A mark of lip-sync for every second of a stretch.  Raises ModelUnavailable."""
    rows = (critic or SyncCritic.load()).compare(stretch)
    stops = np.minimum(rows.seconds + 1, stretch.start + stretch.seconds)
    marks = []
    for row, (start, stop) in enumerate(zip(rows.seconds, stops, strict=True)):
        value, why = _value(stretch, rows, row)
        marks.append(Mark("lip_sync", float(start), float(stop), value, why))
    return marks


def _value(stretch: Stretch, rows: SyncRows, row: int) -> tuple[float, str]:
    frames = rows.window(row, len(stretch))
    moves = _moves(stretch, frames)
    if not stretch.sounds:
        return np.nan, "the video has no sound"
    if rows.speech[row] < SPEECH_SHARE:
        silent = bool((loudness_db(stretch.samples, len(stretch))[frames] < SILENT_DB).all())
        if silent and moves > TALKING:
            return LOWEST, "lips talk, but nothing is heard"
        return np.nan, "nobody speaks"
    curve = rows.curves[row]
    if not np.isfinite(curve).all():
        return np.nan, "there is too little of a face to see"
    share = closeness(curve) * min(1.0, moves / TALKING)
    value = LOWEST + (HIGHEST - LOWEST) * share
    return value, _why(value, curve, moves)


def _why(value: float, curve: np.ndarray, moves: float) -> str:
    late = int(curve.argmax()) - SHIFTS
    if abs(late) >= WORTH_NAMING and curve.max() > (APART + TOGETHER) / 2:
        side, frames = "after" if late > 0 else "before", abs(late)
        return f"lips come {frames} frames ({frames / MOTION_FPS:.2f} s) {side} the sound"
    if value > 4:
        return "lips go with the voice"
    if value > 2:
        return "lips go with the voice only roughly"
    if moves < TALKING / 2:
        return "the mouth hardly moves while somebody speaks"
    return "lips move without regard to the sound"


def _moves(stretch: Stretch, frames: slice) -> float:
    """Deviation of the gap between the lips, IOD; 0 without a face."""
    gap = lip_measures(stretch.shapes[frames])[:, LEADING[0]]
    gap = gap[np.isfinite(gap)]
    return float(gap.std()) if len(gap) else 0.0


@final
class CriticJudge:
    """Marks a stretch on every axis.  Use `CriticJudge.load()`."""

    def __init__(self, name: str, parts: Sequence[Part]) -> None:
        self.name = name
        self._parts = tuple(parts)

    @classmethod
    def load(cls) -> Self:
        """With the models that ship with the package.  Raises ModelUnavailable."""
        critic = SyncCritic.load()
        load_acting()
        acting = sha256(files("enliven.models").joinpath("acting.npz").read_bytes()).hexdigest()
        name = f"critic {VERSION} ({critic.digest[:8]} {acting[:8]})"
        return cls(name, [lambda stretch: lip_marks(stretch, critic), acting_marks])

    def __call__(self, stretch: Stretch) -> list[Mark]:
        return [mark for part in self._parts for mark in part(stretch)]
