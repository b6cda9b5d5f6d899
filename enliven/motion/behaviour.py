"""What a speaking face does besides what is generated: blinks, glances, breath and the torso.

These are events in time rather than curves, drawn from the seed by published measurements: see
`motion.eyes` and `motion.breath`.  Nothing here is learned.
"""

from typing import final

import numpy as np
from numpy.typing import NDArray

from enliven.motion.breath import Breath, is_soon
from enliven.motion.direction import Direction
from enliven.motion.emotion import EMOTIONS
from enliven.motion.eyes import (
    JUMPED,
    Blinks,
    Glances,
    Moment,
    head_share,
    lid_channels,
    steadied,
)
from enliven.motion.prosody import Prosody
from enliven.types import CHANNELS, EXPRESSION, INDEX, MOTION_FPS, group_slice

__all__ = ["Life", "follow", "smooth_step"]

Array = NDArray[np.float64]

AHEAD_FRAMES = 8  # of the voice that are looked at
SETTLE_SECONDS = 0.8  # from rest in the first frame to full movement
LIPS_SETTLE_SECONDS = 0.12  # which may have to speak at once
LOWER_FACE = ("jaw", "mouth", "cheek", "nose", "tongue")

FIXED_RESTLESS = 0.3  # share of the small jumps that is left to eyes told where to look

BREATH_IOD = 0.016  # rise of the shoulders
BREATH_TILT = 0.35  # of the upper body, radians a unit of rise
HEAD_FOLLOWS_SECONDS = 0.12  # behind eyes that were told where to look
TORSO_FOLLOWS, TORSO_SECONDS = np.array([0.2, 0.25, 0.25]), 0.2

# Faces show more on their left side: Sackeim, Gur & Saucy 1978, "Emotions are expressed more
# intensely on the left side of the face".
LEFT_MORE, SIDE_SPREAD, BROW_SIDE_SPREAD = 0.02, 0.05, 0.12
SWAY, SWAY_SECONDS = 0.03, 1.2  # of that difference


@final
class Life:
    """What a face does besides what was generated, piece after piece of one performance.

    Adds blinks, glances, breath, an upper body that follows the head, and the small difference
    of the sides of a face.  However the frames are cut into pieces, the result is the same as
    long as each is given AHEAD_FRAMES of the voice after it (fewer only at the very end).
    """

    def __init__(self, seed: int) -> None:
        # independent streams: a knob of one part leaves the others as they are
        lids, gaze, breath, side, self._sway_rng = (
            np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(5)
        )
        self._blinks, self._glances, self._breath = Blinks(lids), Glances(gaze), Breath(breath)
        self._side = LEFT_MORE + side.normal(0, SIDE_SPREAD)
        self._brow_side = side.normal(0, BROW_SIDE_SPREAD)
        self._count = 0
        self._spoke = self._soon = False
        self._look = np.zeros(2)
        self._sway, self._torso, self._helping = (np.zeros((2, n)) for n in (1, 3, 3))

    def frames(self, values: NDArray, voice: Prosody, direction: Direction) -> NDArray[np.float32]:
        """The next n frames, (n, C), relative to rest; the very first is rest.

        values: (n, C) from `latent.to_motion`.  voice: of these frames and up to AHEAD_FRAMES
        after them.  direction: of these frames.
        """
        count = len(values)
        made = np.array(values, np.float64)
        seconds = (self._count + np.arange(count)) / MOTION_FPS
        lips = [INDEX[name] for name in EXPRESSION if name.startswith(LOWER_FACE)]
        others = np.setdiff1d(np.arange(len(CHANNELS)), lips)
        made[:, lips] *= smooth_step(seconds / LIPS_SETTLE_SECONDS)[:, None]
        made[:, others] *= smooth_step(seconds / SETTLE_SECONDS)[:, None]

        looks, closed, lungs = self._events(count, voice, direction)
        helps = smooth_step(seconds / SETTLE_SECONDS) * np.minimum(direction.head, 1.0)
        helping = head_share(np.asarray(direction.gaze, np.float64)) * helps[:, None]
        turn = made[:, group_slice("head")]
        turn += follow(helping, self._helping, HEAD_FOLLOWS_SECONDS)
        made[:, group_slice("body")] += self._body(turn, lungs * np.asarray(direction.head))
        free = np.isnan(direction.gaze)
        share = np.where(free, np.minimum(direction.eyes, 1.0)[:, None], 1.0)
        gaze = steadied(looks, turn, share)
        made[:, group_slice("gaze")] = gaze
        self._take_sides(made)
        for name, channel in lid_channels(gaze, closed).items():
            made[:, INDEX[name]] += channel
        # below 0 a channel takes back what the face at rest shows, a smile for example
        face = group_slice("expression")
        made[:, face] = made[:, face].clip(-1, 1)
        self._count += count
        return made.astype(np.float32)

    def _events(
        self, count: int, voice: Prosody, direction: Direction
    ) -> tuple[Array, Array, Array]:
        """Looks (n, 2), closing of the lids (n,) and fullness of the lungs (n,)."""
        looks, closed, lungs = np.zeros((count, 2)), np.zeros(count), np.zeros(count)
        sad = direction.emotion[:, EMOTIONS.index("sad")]
        for i in range(count):
            speaking = float(voice.speaking[i])
            soon = is_soon(voice, i, AHEAD_FRAMES)
            begins, ends = soon and not self._soon, speaking <= 0.5 and self._spoke
            self._soon, self._spoke = soon, speaking > 0.5
            moment = Moment(speaking, begins, ends)
            target, jumped = self._glances.frame(moment, float(sad[i]))
            asked = direction.gaze[i]
            free = np.isnan(asked)
            looks[i] = self._look
            small = FIXED_RESTLESS * self._glances.restless
            wanted = np.where(free, target, asked + small) * np.where(free, direction.eyes[i], 1.0)
            self._look = self._look + JUMPED * (wanted - self._look)
            seen = jumped and bool(free.any()) and direction.eyes[i] > 0
            moment = Moment(speaking, begins, ends, seen)
            closed[i] = self._blinks.frame(moment, float(direction.blink_rate[i]))
            lungs[i] = self._breath.frame(speaking, soon)
        return looks, closed, lungs

    def _body(self, turn: Array, lungs: Array) -> Array:
        """Body channels (n, 5): shoulders that breathe, an upper body that follows the head."""
        body = np.zeros((len(turn), 5))
        body[:, :3] = follow(turn * TORSO_FOLLOWS, self._torso, TORSO_SECONDS)
        rise = lungs * BREATH_IOD
        body[:, 0] -= rise * BREATH_TILT
        body[:, 3] = body[:, 4] = rise
        return body

    def _take_sides(self, made: Array) -> None:
        """Make a face (n, C) a little stronger on one side, as every face is; rest stays."""
        noise = self._sway_rng.standard_normal((len(made), 1))
        kept = 1 - 1 / (1 + SWAY_SECONDS * MOTION_FPS)
        # deviation that the filter leaves of white noise
        left = (1 - kept) ** 2 * np.sqrt((1 + kept**2) / (1 - kept**2) ** 3)
        sway = follow(noise, self._sway, SWAY_SECONDS)[:, 0] * SWAY / left
        sides = {"mouth": self._side + sway, "brow": self._brow_side, "cheek": self._side + sway}
        for start, side in sides.items():
            for name in EXPRESSION:
                if name.startswith(start) and name.endswith(("Left", "Right")):
                    sign = 1 if name.endswith("Left") else -1
                    made[:, INDEX[name]] *= 1 + sign * side


def smooth_step(x: Array) -> Array:
    """From 0 at 0 to 1 at 1, level at both ends."""
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x))


def follow(target: Array, state: Array, seconds: float) -> Array:
    """Where something soft is that is pulled after `target` (n, k); two equal lags in a row.

    state: (2, k), of both lags, carried on from piece to piece.
    """
    share = 1 / (1 + seconds * MOTION_FPS)
    out = np.empty_like(target)
    for i, row in enumerate(target):
        state[0] += share * (row - state[0])
        state[1] += share * (state[0] - state[1])
        out[i] = state[1]
    return out
