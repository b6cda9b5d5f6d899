"""Blinks and glances, frame by frame: what eyes do while a face speaks or listens.

Blinks    17 a minute at rest, 21 to 26 in conversation, intervals skewed to the short side:
          Bentivoglio et al. 1997, "Analysis of blink rate patterns in normal subjects"; Doughty
          2001, "Consideration of three types of spontaneous eyeblink activity".  Closing takes
          some 70 ms and the lids stay together for about 10, by search coil: "Kinematic
          comparison of spontaneously generated blinks and voluntary blinks in normal adult
          subjects"; opening takes about twice as long: VanderWerf et al. 2003, "Eyelid movements:
          behavioral studies of blinking".  About half of them do not shut the eye: Ousler et al.
          2014, "Blink patterns and lid-contact times in dry-eye and normal subjects".  They fall
          in pauses: Nakano & Kitazawa 2010, "Eyeblink entrainment at breakpoints of speech"; and
          with larger gaze shifts: Evinger et al. 1994.
Gaze      stretches of looking at the partner and away while talking, log-normal around 3 s and
          0.9 s, small jumps within, with sizes falling off exponentially: Lee, Badler & Badler
          2002, "Eyes alive".  Speakers look away as they begin and back as they end: Kendon
          1967, "Some functions of gaze-direction in social interaction".  The eyes make up for
          the turning of the head.

Each part is told one frame at a time and remembers all it needs, so that pieces of any length
give the same movement.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from enliven.types import FULL_LOOK, MOTION_FPS

Array = NDArray[np.float64]

BLINKS_SPEAKING, BLINKS_SILENT = 21.0, 15.0  # a minute
BLINK_SPREAD = 0.55  # of the logarithm of the time between blinks
BLINK_CLOSE, BLINK_SHUT, BLINK_OPEN = 0.07, 0.02, 0.16  # seconds
BLINK_PARTIAL, BLINK_DEPTH = 0.4, (0.55, 0.95)  # share that stops short of shutting, and where
BLINK_APART = 0.45  # seconds from one blink to the next, at least
BLINK_FRAMES = 11  # that a blink may take; shut in the frame SHUT_AFTER
SHUT_AFTER = 3
ATTRACTED = 0.5  # seconds around its time within which a pause or a glance can draw a blink
ATTRACTED_BY = {"pause": 0.8, "glance": 0.6}  # how surely they do

LOOK_AT, LOOK_AWAY = 3.1, 0.9  # seconds in the middle, while talking
LOOK_AT_SILENT = 7.9
LOOK_AHEAD = 1.0  # seconds at the very start in which the eyes stay on the viewer
THINKS = 0.45  # share of phrases that begin with a look away
RETURNS = 0.8  # share of phrase ends that bring the eyes back
AWAY_DEG, FARTHEST_DEG = (2.5, 7.0), 14.0  # smallest, typical, largest size of a look away
WANDER_DEG = 0.55  # of the small jumps while looking at the viewer
SAD_LOOKS_DOWN_DEG = 4.0
STEADY = 0.95  # share of the head's turn that the eyes make up for
GAZE_LIMIT_DEG = (18.0, 12.0)
# What a look aside leaves to the head: people differ widely, none of them look far aside with
# their eyes alone.  Fuller 1992, "Head movement propensity".
EYES_ALONE_DEG, HEAD_SHARE = 6.0, 0.6
# A jump takes 25 to 50 ms: Bahill et al. 1975, "The main sequence, a tool for studying human
# eye movements"; most of it falls within one frame.
JUMPED = 0.8


@dataclass(frozen=True)
class Moment:
    """What a frame brings that eyes answer to.

    speaking: 0 to 1.  begins, ends: a phrase does, here or within the next frames.
    jumped: the eyes have just made a large jump.
    """

    speaking: float
    begins: bool = False
    ends: bool = False
    jumped: bool = False


@final
class Blinks:
    """Closing of the lids, 0 open to 1 shut: down fast, up slowly."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._due = rng.uniform(0.3, 1.0)  # in blinks from now, as the rate counts them
        self._since = BLINK_APART  # seconds
        self._curve = np.zeros(BLINK_FRAMES)  # of what has begun, from this frame on

    def frame(self, moment: Moment, rate: float) -> float:
        """The lids in the next frame.  rate: blinks a minute, NaN: as people do."""
        if np.isnan(rate):
            rate = BLINKS_SILENT + (BLINKS_SPEAKING - BLINKS_SILENT) * moment.speaking
        each = rate / 60
        self._due -= each / MOTION_FPS
        self._since += 1 / MOTION_FPS
        if each > 0 and self._since > BLINK_APART and self._drawn(moment, self._due / each):
            # on from the time it was due, so that the rate comes out as asked
            self._due += np.exp(self._rng.normal(0, BLINK_SPREAD) - BLINK_SPREAD**2 / 2)
            self._since = 0.0
            self._curve = np.maximum(self._curve, self._shape())
        closed, self._curve = self._curve[0], np.r_[self._curve[1:], 0.0]
        return float(closed)

    def _drawn(self, moment: Moment, seconds: float) -> bool:
        """Does a blink begin now that is due in so many seconds?"""
        if seconds <= 0 and (moment.speaking < 0.5 or seconds < -ATTRACTED):
            return True
        if abs(seconds) > ATTRACTED:
            return False
        chance = max(ATTRACTED_BY["pause"] * moment.ends, ATTRACTED_BY["glance"] * moment.jumped)
        return chance > 0 and self._rng.random() < chance

    def _shape(self) -> Array:
        tempo = self._rng.uniform(0.9, 1.25)
        shuts = self._rng.random() >= BLINK_PARTIAL
        depth = 1.0 if shuts else self._rng.uniform(*BLINK_DEPTH)
        # shut on a frame: otherwise some would never be seen fully shut at 25 fps
        after = (np.arange(BLINK_FRAMES) - SHUT_AFTER) / MOTION_FPS
        down = (1 + (after + BLINK_SHUT / 2) / (BLINK_CLOSE * tempo)).clip(0, 1)
        up = (1 - (after - BLINK_SHUT / 2) / (BLINK_OPEN * tempo)).clip(0, 1)
        # lids fall evenly and come up in a rush that slackens
        return np.asarray(depth * np.minimum(down * down * (3 - 2 * down), up**1.6))


@final
class Glances:
    """Where the eyes look, yaw and pitch in rad away from the viewer."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._away = False
        self._stay = LOOK_AHEAD  # seconds until the next change
        self._held = 0.0  # seconds since the last
        self._small = 0.5  # seconds until the next small jump
        self._centre = np.zeros(2)
        self._target = np.zeros(2)

    def frame(self, moment: Moment, sad: float) -> tuple[Array, bool]:
        """The look in the next frame, (2,), and whether a large jump begins in it.

        sad: 0 to 1; who is looks down and looks away more.
        """
        self._stay -= 1 / MOTION_FPS
        self._held += 1 / MOTION_FPS
        self._small -= 1 / MOTION_FPS
        jumps = self._stay <= 0
        if self._away:
            jumps |= moment.ends and self._rng.random() < RETURNS
        elif moment.begins and self._held > LOOK_AHEAD:
            jumps |= self._rng.random() < THINKS
        if jumps:
            self._away = not self._away
            self._change(moment, sad)
        if self._small <= 0:
            self._small = 0.35 + self._rng.exponential(0.6)
            wide = np.radians(WANDER_DEG) * (1.5 if self._away else 1.0)
            self._target = self._centre + self._rng.normal(0, wide, 2) * [1, 0.7]
        return self._target, jumps

    @property
    def restless(self) -> Array:
        """The small jumps alone, (2,): no eye is ever quite still."""
        return self._target - self._centre

    def _change(self, moment: Moment, sad: float) -> None:
        rng = self._rng
        self._held = 0.0
        if self._away:
            self._stay = LOOK_AWAY * np.exp(rng.normal(0, 0.45))
            size = min(FARTHEST_DEG, AWAY_DEG[0] + rng.exponential(AWAY_DEG[1] - AWAY_DEG[0]))
            angle = rng.uniform(0, 2 * np.pi)
            # looks to the side are larger than up or down
            away = size * np.array([np.cos(angle), 0.6 * np.sin(angle)])
            self._centre = np.radians(away + np.array([0.0, SAD_LOOKS_DOWN_DEG * sad]))
        else:
            middle = LOOK_AT if moment.speaking > 0.5 else LOOK_AT_SILENT
            self._stay = middle * np.exp(rng.normal(0, 0.5)) * (1 - 0.4 * sad)
            self._centre = np.zeros(2)
        self._target = self._centre
        self._small = 0.35 + rng.exponential(0.6)


def head_share(asked: Array) -> Array:
    """Rotation vectors (T, 3) of a head that helps eyes look where they are told, (T, 2); rad.

    Free eyes, NaN, need no help.
    """
    asked = np.nan_to_num(asked)
    beyond = np.sign(asked) * np.maximum(np.abs(asked) - np.radians(EYES_ALONE_DEG), 0)
    yaw, pitch = (HEAD_SHARE * beyond).T
    return np.stack([pitch, -yaw, np.zeros_like(yaw)], 1)


def steadied(look: Array, turn: Array, share: NDArray) -> Array:
    """Eye directions (T, 2) in a turned head, for looks (T, 2) that are meant in the room.

    turn: (T, 3) rotation vectors of the head, rad; share: (T,) or (T, 2) of them to make up for.
    """
    # yaw is about -y, pitch about x
    gaze = look - STEADY * share * turn[:, 1::-1] * [-1, 1]
    limit = np.radians(GAZE_LIMIT_DEG)
    return np.asarray(limit * np.tanh(gaze / limit))


def lid_channels(gaze: Array, closed: Array) -> dict[str, Array]:
    """Lids that follow the gaze (T, 2) and blink."""
    yaw, pitch = gaze.T
    amounts = {"DownLeft": pitch, "DownRight": pitch, "UpLeft": -pitch, "UpRight": -pitch,
               "OutLeft": yaw, "InRight": yaw, "InLeft": -yaw, "OutRight": -yaw}  # fmt: skip
    channels = {}
    for end, angle in amounts.items():
        full = FULL_LOOK[end.removesuffix("Left").removesuffix("Right")]
        channels[f"eyeLook{end}"] = np.clip(angle / full, 0, 1)
    channels["eyeBlinkLeft"] = channels["eyeBlinkRight"] = closed
    return channels
