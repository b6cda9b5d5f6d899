"""What a speaking face does besides speaking: blinks, gaze, brows, head and breath.

Nothing here is learned; rates, sizes and shapes come from published measurements:

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
          2002, "Eyes alive".  The eyes make up for the turning of the head.
Head      hardly ever still in speech, mostly slower than 1.8 Hz, quicker on stresses: Hadar
          et al. 1983, "Kinematics of head movements accompanying speech"; follows the melody and
          loudness of the voice: Munhall et al. 2004, "Visual prosody and speech intelligibility";
          deviations of 1 to 3 degrees: Busso et al. 2007, "Rigid head motion in expressive speech
          animation".
Brows     rise on some stressed syllables, starting slightly ahead of them: Flecha-Garcia 2010,
          "Eyebrow raises in dialogue and their relation to pitch accents".
Breath    12 to 18 a minute at rest, breathing in shorter than out: Tobin et al. 1983.

Everything follows from the seed.  Slow movements are smoothed noise around rest, so they cannot
drift however long the speech is, and all begin at rest in the first frame.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from enliven.motion.prosody import Prosody, smooth
from enliven.types import CHANNELS, EXPRESSION, FULL_LOOK, MOTION_FPS, Motion, group_slice

Array = NDArray[np.float64]

SETTLE_SECONDS = 0.8  # from rest in the first frame to full movement

BLINKS_SPEAKING, BLINKS_SILENT = 21.0, 15.0  # a minute
BLINK_SPREAD = 0.55  # of the logarithm of the time between blinks
BLINK_CLOSE, BLINK_SHUT, BLINK_OPEN = 0.07, 0.02, 0.16  # seconds
BLINK_PARTIAL, BLINK_DEPTH = 0.4, (0.55, 0.95)  # share that stops short of shutting, and where
BLINK_APART = 0.45  # seconds from one blink to the next, at least

HEAD_DEG = {"yaw": 1.9, "pitch": 1.1, "roll": 1.0}  # deviation of slow movement in speech
HEAD_SLOW_SECONDS = 0.55  # smoothing of it: most power below 0.6 Hz
HEAD_QUICK_SECONDS = 0.16
HEAD_QUICK = 0.16  # share of quicker movement
HEAD_IN_SILENCE = 0.3  # what is left of it when nothing is said
HEAD_SHIFT_IOD = (0.012, 0.006, 0.015)  # deviation of the neck's place
NOD_DEG = 2.2  # of a full stress, down
NOD_LATE = 0.04  # seconds from the middle of the syllable to the lowest point
MELODY_DEG = 0.16  # the face lifts by this much a semitone

BROW_SHARE = 0.4  # of the stresses that lift the brows
BROW_LIFT = 0.32
BROW_EARLY = 0.06  # seconds

LOOK_AT, LOOK_AWAY = 3.1, 0.9  # seconds in the middle, while talking
LOOK_AT_SILENT = 7.9
AWAY_DEG = (2.0, 6.0)  # smallest, typical size of a look away
WANDER_DEG = 0.45  # of the small jumps while looking at the viewer
GAZE_LIMIT_DEG = (9.0, 6.0)

BREATHS = 15.0  # a minute
BREATH_IOD = 0.012  # rise of the shoulders


class Options(Protocol):
    """What `behave` reads of the speech options."""

    @property
    def head_motion(self) -> float: ...
    @property
    def expression(self) -> float: ...
    @property
    def blink_rate(self) -> float | None: ...
    @property
    def still(self) -> bool: ...


def behave(lips: NDArray[np.float32], voice: Prosody, seed: int, options: Options) -> Motion:
    """A whole Motion around the lips.

    lips: (T, 52) expression of the lower face; voice: of the same frames.
    """
    # independent streams: a knob of one part leaves the others as they are
    lids_rng, gaze_rng, head_rng, brow_rng, breath_rng, side_rng = (
        np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(6)
    )
    frames = len(lips)
    values = np.zeros((frames, len(CHANNELS)))
    face = group_slice("expression")
    values[:, face] = lopsided(lips, side_rng)

    strength = 0.0 if options.still else options.head_motion
    turn, shift = head_movement(voice, head_rng)
    values[:, group_slice("head")] = turn * strength
    values[:, group_slice("translation")] = shift * strength
    gaze, shifts = gaze_movement(voice, gaze_rng)
    # the eyes stay on the viewer while the head turns: yaw is about -y, pitch about x
    gaze = (gaze - turn[:, 1::-1] * [-1, 1]) * strength
    limit = np.radians(GAZE_LIMIT_DEG)
    values[:, group_slice("gaze")] = limit * np.tanh(gaze / limit)
    values[:, group_slice("body")] = breath(voice, turn, breath_rng) * strength

    lift = brow_movement(voice, brow_rng) * (0.0 if options.still else options.expression)
    closed = blinks(voice, shifts, lids_rng, options.blink_rate)
    channels = lid_channels(values[:, group_slice("gaze")], closed) | brow_channels(lift, side_rng)
    for name, channel in channels.items():
        values[:, EXPRESSION.index(name)] += channel
    values[:, face] = values[:, face].clip(0, 1)
    return Motion(values.astype(np.float32))


def settling(frames: int) -> Array:
    """0 in the first frame, 1 from SETTLE_SECONDS on, smooth."""
    x = np.clip(np.arange(frames) / (SETTLE_SECONDS * MOTION_FPS), 0, 1)
    return x * x * (3 - 2 * x)


def wander(frames: int, columns: int, seconds: float, rng: np.random.Generator) -> Array:
    """Smoothed noise (T, columns) of unit deviation around 0 that never drifts."""
    reach = int(4 * seconds * MOTION_FPS) + 1
    raw = rng.standard_normal((frames + 2 * reach, columns))
    # deviation left of white noise by a Gaussian of that width
    gain = np.sqrt(2 * np.sqrt(np.pi) * seconds * MOTION_FPS)
    return smooth(raw, seconds)[reach : reach + frames] * gain


def pulse(frames: int, at_seconds: float, rise: float, fall: float) -> tuple[slice, Array]:
    """A smooth bump that peaks at 1: the frames it covers and its values there."""
    first = max(0, int(np.ceil((at_seconds - rise) * MOTION_FPS)))
    last = min(frames, int(np.floor((at_seconds + fall) * MOTION_FPS)) + 1)
    after = np.arange(first, last) / MOTION_FPS - at_seconds
    x = np.where(after < 0, 1 + after / rise, 1 - after / fall).clip(0, 1)
    return slice(first, last), x * x * (3 - 2 * x)


def stresses(voice: Prosody) -> list[tuple[float, float]]:
    """(seconds, strength) of every stressed syllable."""
    return [(i / MOTION_FPS, float(voice.stress[i])) for i in np.flatnonzero(voice.stress)]


def head_movement(voice: Prosody, rng: np.random.Generator) -> tuple[Array, Array]:
    """Rotation vectors (T, 3), rad, and shifts (T, 3), IOD, of the head away from rest."""
    frames = len(voice)
    liveliness = smooth(HEAD_IN_SILENCE + (1 - HEAD_IN_SILENCE) * voice.speaking, 0.4)[:, None]
    slow = wander(frames, 3, HEAD_SLOW_SECONDS, rng)
    quick = wander(frames, 3, HEAD_QUICK_SECONDS, rng) * (HEAD_QUICK * voice.speaking[:, None])
    angles = np.radians(list(HEAD_DEG.values())) * (slow * liveliness + quick)
    pitch = -np.radians(MELODY_DEG) * smooth(voice.pitch, 0.12)
    for seconds, strength in stresses(voice):
        size = np.radians(NOD_DEG) * strength * rng.uniform(0.4, 1.1)
        if rng.random() < 0.2:  # a stress can also lift the head
            size *= -0.6
        where, shape = pulse(frames, seconds + NOD_LATE, 0.2, 0.34)
        pitch[where] += size * shape
        if rng.random() < 0.25:
            angles[where, 2] += rng.normal(0, 0.5) * size * shape
    yaw, nod, roll = angles[:, 0], angles[:, 1] + pitch, angles[:, 2]
    turn = np.stack([nod, -yaw, roll], 1)
    shift = wander(frames, 3, 0.9, rng) * HEAD_SHIFT_IOD * liveliness
    begin = settling(frames)[:, None]
    return turn * begin, shift * begin


def brow_movement(voice: Prosody, rng: np.random.Generator) -> Array:
    """Lift of the brows (T,), 0 at rest."""
    frames = len(voice)
    lift = np.zeros(frames)
    for seconds, strength in stresses(voice):
        if rng.random() < BROW_SHARE * (0.4 + strength):
            size = BROW_LIFT * strength * rng.uniform(0.5, 1.2)
            where, shape = pulse(frames, seconds - BROW_EARLY, 0.16, rng.uniform(0.3, 0.6))
            lift[where] = np.maximum(lift[where], size * shape)
    slow = np.maximum(wander(frames, 1, 1.5, rng)[:, 0], 0) * 0.03 * voice.speaking
    return (smooth(lift, 0.03) + slow) * settling(frames)


def brow_channels(lift: Array, rng: np.random.Generator) -> dict[str, Array]:
    """The brow channels of a lift, one side a little ahead of the other."""
    side = rng.normal(0, 0.12)
    return {
        "browInnerUp": lift,
        "browOuterUpLeft": 0.75 * (1 + side) * lift,
        "browOuterUpRight": 0.75 * (1 - side) * lift,
        "eyeWideLeft": 0.25 * lift,
        "eyeWideRight": 0.25 * lift,
    }


def gaze_movement(voice: Prosody, rng: np.random.Generator) -> tuple[Array, Array]:
    """Directions (T, 2) of the look, yaw and pitch in rad away from rest, and the times in
    seconds (n,) of its large jumps."""
    frames = len(voice)
    gaze = np.zeros((frames, 2))
    jumps = []
    at, away = 1.0, False  # the first second looks ahead
    while at < frames / MOTION_FPS:
        frame = int(at * MOTION_FPS)
        speaking = voice.speaking[frame] > 0.5
        if away:
            stay = LOOK_AWAY * np.exp(rng.normal(0, 0.45))
            size = np.radians(AWAY_DEG[0] + rng.exponential(AWAY_DEG[1] - AWAY_DEG[0]))
            angle = rng.uniform(0, 2 * np.pi)
            # looks to the side are larger than up or down
            target = size * np.array([np.cos(angle), 0.6 * np.sin(angle)])
            jumps += [at, at + stay]
            gaze[frame : frame + int(stay * MOTION_FPS)] = target
        else:
            stay = (LOOK_AT if speaking else LOOK_AT_SILENT) * np.exp(rng.normal(0, 0.5))
            moment = at
            while moment < at + stay:
                first = int(moment * MOTION_FPS)
                moment += 0.35 + rng.exponential(0.6)
                last = int(min(moment, at + stay) * MOTION_FPS)
                gaze[first:last] = np.radians(rng.normal(0, WANDER_DEG, 2) * [1, 0.7])
        at += stay
        away = not away
    # a jump takes 25 to 50 ms (Bahill et al. 1975): one frame in between
    return smooth(gaze, 0.018) * settling(frames)[:, None], np.array(jumps)


def blink_times(
    voice: Prosody, jumps: Array, rng: np.random.Generator, rate: float | None
) -> list[float]:
    """Seconds at which the lids are shut, at least BLINK_APART apart."""
    if rate == 0:
        return []
    duration = len(voice) / MOTION_FPS
    quiet = smooth(voice.energy_db, 0.08)
    times: list[float] = []
    at = rng.uniform(0.3, 1.0) * 60 / (rate or BLINKS_SPEAKING)
    while at < duration - 0.3:
        # a nearby pause or change of gaze attracts the blink
        moment = at
        frame = int(at * MOTION_FPS)
        low, high = max(0, frame - 8), min(len(voice), frame + 9)
        if voice.speaking[frame] > 0.5 and rng.random() < 0.6:
            moment = (low + int(quiet[low:high].argmin())) / MOTION_FPS
        if len(jumps) and rng.random() < 0.5:
            nearest = jumps[np.abs(jumps - at).argmin()]
            moment = nearest if abs(nearest - at) < 0.5 else moment
        if moment > 0.35 and (not times or moment - times[-1] > BLINK_APART):
            times.append(float(moment))
        speaking = voice.speaking[frame]
        a_minute = rate or BLINKS_SILENT + (BLINKS_SPEAKING - BLINKS_SILENT) * speaking
        # the log-normal has the mean 1, so that the rate comes out as asked
        at += 60 / a_minute * np.exp(rng.normal(0, BLINK_SPREAD) - BLINK_SPREAD**2 / 2)
    return times


def blinks(voice: Prosody, jumps: Array, rng: np.random.Generator, rate: float | None) -> Array:
    """Closing of the lids (T,), 0 open to 1 shut: down fast, up slowly."""
    frames = len(voice)
    closed = np.zeros(frames)
    for moment in blink_times(voice, jumps, rng, rate):
        # on a frame: otherwise some blinks would never be seen fully shut at 25 fps
        middle = round(moment * MOTION_FPS) / MOTION_FPS
        tempo = rng.uniform(0.9, 1.25)
        depth = rng.uniform(*BLINK_DEPTH) if rng.random() < BLINK_PARTIAL else 1.0
        first = max(0, round((middle - 0.3) * MOTION_FPS))
        last = min(frames, round((middle + 0.6) * MOTION_FPS))
        after = np.arange(first, last) / MOTION_FPS - middle
        down = 1 + (after + BLINK_SHUT / 2) / (BLINK_CLOSE * tempo)
        up = 1 - (after - BLINK_SHUT / 2) / (BLINK_OPEN * tempo)
        down, up = down.clip(0, 1), up.clip(0, 1)
        # lids fall evenly and come up in a rush that slackens
        shape = depth * np.minimum(down * down * (3 - 2 * down), up**1.6)
        closed[first:last] = np.maximum(closed[first:last], shape)
    return closed


def lid_channels(gaze: Array, closed: Array) -> dict[str, Array]:
    """Lids that follow the gaze (T, 2) and blink; eyes on their way turn down a little."""
    yaw, pitch = gaze.T
    amounts = {"DownLeft": pitch, "DownRight": pitch, "UpLeft": -pitch, "UpRight": -pitch,
               "OutLeft": yaw, "InRight": yaw, "InLeft": -yaw, "OutRight": -yaw}  # fmt: skip
    channels = {}
    for end, angle in amounts.items():
        full = FULL_LOOK[end.removesuffix("Left").removesuffix("Right")]
        channels[f"eyeLook{end}"] = np.clip(angle / full, 0, 1)
    channels["eyeBlinkLeft"] = channels["eyeBlinkRight"] = closed
    return channels


def breath(voice: Prosody, turn: Array, rng: np.random.Generator) -> Array:
    """Body channels (T, 5): shoulders that breathe, and an upper body that follows the head."""
    frames = len(voice)
    pace = BREATHS / 60 * np.exp(0.15 * wander(frames, 1, 4.0, rng)[:, 0])
    phase = (rng.uniform(0, 1) + np.cumsum(pace) / MOTION_FPS) % 1
    # in during the first two fifths, out during the rest
    rise = np.where(phase < 0.4, phase / 0.4, (1 - phase) / 0.6)
    rise = smooth(rise, 0.15) * BREATH_IOD
    body = np.zeros((frames, 5))
    body[:, :3] = smooth(turn, 0.35) * [0.2, 0.25, 0.25]
    body[:, 0] -= rise * 0.35
    body[:, 3] = body[:, 4] = rise
    return (body - body[:1]) * settling(frames)[:, None]


def lopsided(lips: NDArray[np.float32], rng: np.random.Generator) -> Array:
    """Lips (T, 52) a little stronger on one side, as every face is; rest stays rest."""
    made = np.array(lips, np.float64)
    own = rng.normal(0, 0.05)
    sway = wander(len(made), 1, 1.2, rng)[:, 0] * 0.03
    for column, name in enumerate(EXPRESSION):
        if name.startswith("mouth") and name.endswith(("Left", "Right")):
            sign = 1 if name.endswith("Left") else -1
            made[:, column] *= 1 + sign * (own + sway)
    return made
