"""All checks of a video that is watched stretch by stretch.

checker = Checker(portrait)
for stretch in watch("video.mp4"):
    checker.add(stretch)
scores = checker.scores()
"""

from typing import final

from enliven.metrics.critic import SyncCritic
from enliven.metrics.watch import Stretch
from enliven.reward.checks import checks
from enliven.reward.measure import Row, measure
from enliven.reward.reference import Reference
from enliven.types import Portrait, Score


@final
class Checker:
    """Keeps a row of numbers a second, and of the pictures only what they are held against.

    portrait: the photo the video was made from; without it the first second in which a face is
    seen, and only drift from it can be told.  critic: the one that ships with the package by
    default; raises ModelUnavailable without it.
    """

    def __init__(self, portrait: Portrait | None = None, critic: SyncCritic | None = None) -> None:
        self.rows: list[Row] = []
        self._photo = portrait is not None
        self._reference = Reference.of_portrait(portrait) if portrait is not None else None
        self._critic = critic or SyncCritic.load()

    def add(self, stretch: Stretch) -> None:
        """Measures the next stretch of the video."""
        if self._reference is None:
            self._reference = Reference.of_stretch(stretch)
        agreement = None
        if stretch.sounds and stretch.valid.any():
            agreement = self._critic.compare(stretch)
        self.rows += measure(stretch, self._reference, agreement)

    def scores(self) -> dict[str, Score]:
        """Of all that was added; see `checks.NAMES`."""
        return checks(self.rows, photo=self._photo)
