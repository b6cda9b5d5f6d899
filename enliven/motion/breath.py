"""Breathing, frame by frame: calm in silence, drawn in before phrases, let out through them.

12 to 18 breaths a minute at rest, in for two fifths of the time: Tobin et al. 1983, "Breathing
patterns".  Speech is said on the way out; the way in shortens to half a second and less and
falls in pauses: Winkworth et al. 1995, "Breathing patterns during spontaneous speech".
"""

from typing import final

import numpy as np

from enliven.motion.prosody import Prosody
from enliven.types import MOTION_FPS

BREATHS, BREATH_SPREAD = 15.0, 0.15  # a minute
BREATH_IN = 0.4  # share of the time, at rest
SPEECH_IN_SECONDS = (0.4, 0.65)
SPEECH_OUT_SECONDS = 4.0
PAUSE_SECONDS = 0.3  # shortest in which a breath is drawn in speech
SOFT_SECONDS = 0.12  # turning points are rounded by this much


@final
class Breath:
    """How full the lungs are, about 0 to 1, 0 to begin with."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._from, self._to = 0.0, 0.0
        self._part, self._seconds = 0.0, 1.0  # of the way, and how long all of it takes
        self._quiet = PAUSE_SECONDS  # seconds since speech was heard
        self._soft = [0.0, 0.0]

    def frame(self, speaking: float, soon: bool) -> float:
        """The lungs in the next frame.  soon: speech is about to begin."""
        self._quiet = 0.0 if speaking > 0.5 else self._quiet + 1 / MOTION_FPS
        filling = self._to > self._from
        self._part += 1 / (self._seconds * MOTION_FPS)
        now = self._now()
        if soon and not filling and now < 0.7 and self._quiet >= PAUSE_SECONDS:
            self._go(now, self._rng.uniform(0.9, 1.4), self._rng.uniform(*SPEECH_IN_SECONDS))
        elif self._part >= 1:
            cycle = 60 / BREATHS * np.exp(self._rng.normal(0, BREATH_SPREAD))
            if filling:
                out = SPEECH_OUT_SECONDS if soon or speaking > 0.5 else (1 - BREATH_IN) * cycle
                self._go(now, 0.0, out)
            elif self._quiet >= PAUSE_SECONDS:
                self._go(now, self._rng.uniform(0.7, 1.0), BREATH_IN * cycle)
        value = self._now()
        for k in range(2):
            self._soft[k] += (value - self._soft[k]) / (1 + SOFT_SECONDS * MOTION_FPS)
            value = self._soft[k]
        return value

    def _go(self, start: float, end: float, seconds: float) -> None:
        self._from, self._to, self._part, self._seconds = start, end, 0.0, seconds

    def _now(self) -> float:
        x = min(self._part, 1.0)
        return self._from + (self._to - self._from) * x * x * (3 - 2 * x)


def is_soon(voice: Prosody, frame: int, frames: int) -> bool:
    """Does speech begin within the next so many frames, and is there none yet?"""
    ahead = voice.speaking[frame : frame + frames + 1]
    return bool(ahead[0] <= 0.5 and (ahead > 0.5).any())
