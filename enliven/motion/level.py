"""What normalises a voice: its level, spectrum and pitch, of a whole file or while it is heard.

B blocks of BLOCK feature frames, 40 ms.  Block k holds the feature frames 4k - 1 to 4k + 2,
those around motion frame k.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from enliven.motion.audio import (
    CEPSTRA,
    CHUNK,
    FRAME_RATE,
    MEL_BANDS,
    Powers,
    cepstra,
    frame_count,
    powers,
    quietest_level,
    relative_db,
    relative_log,
    smoothed_peak,
    speech_weight,
)
from enliven.motion.prosody import LOWEST_HZ, VOICED_DB, voiced_hz
from enliven.types import MOTION_FPS

Array = NDArray[np.float32]

BLOCK = round(FRAME_RATE / MOTION_FPS)  # feature frames
BLOCK_SECONDS = 1.0 / MOTION_FPS

# Before anything is known a voice is taken to be at -25 dBFS (its rms while it speaks), which
# makes a level of -8 dB in the powers of `motion.audio`, and to have the mean log powers of some
# twenty recordings of the corpora named in the model card, in nats above the floor.
PRIOR_LEVEL_DB = -8.0
PRIOR_PITCH_HZ = 150.0
PRIOR_BANDS = np.array([
    14.8, 16.3, 16.9, 16.6, 16.5, 17.2, 17.5, 17.3, 16.9, 16.6, 16.0, 15.7, 15.6, 15.6, 15.7, 15.6,
    15.6, 15.9, 16.2, 16.3, 16.4, 16.5, 16.5, 16.6, 16.7, 16.8, 16.6, 16.4, 16.2, 16.0, 15.7, 15.4,
    15.0, 14.8, 14.4, 13.9, 13.4, 13.3, 13.3, 13.1,
], np.float32)  # fmt: skip
PRIOR_MODEL = np.array([
    16.9, 16.8, 17.3, 17.6, 17.2, 16.6, 15.9, 15.7, 15.7, 15.7, 15.9, 16.3, 16.5, 16.5, 16.6, 16.8,
    16.8, 16.6, 16.3, 16.0, 15.5, 15.1, 14.6, 13.9, 13.5,
], np.float32)  # fmt: skip

LEVEL_SECONDS = 0.12  # of voice after which the prior level has lost most of its say
HEADROOM_DB, HEADROOM_SECONDS = 3.0, 3.0  # how far the loudest is above the loudest so far
RELEASE_DB = 1.0  # a second of voice; the level follows a quieter voice so slowly
NOISE_RELEASE_DB = 20.0  # a second; a loud noise is forgotten so fast
SPECTRUM_PRIOR = 50.0  # frames of speech that the prior counts as
SPECTRUM_MEMORY = 3000.0  # frames of speech after which older ones fade
NOISE_WEIGHT = 0.2  # of what does not stand out from the background, against speech
PITCH_STEP = 0.5  # semitones
PITCH_PRIOR = 10.0  # voiced frames that the prior counts as
PITCH_MEMORY = 500.0  # voiced frames after which older ones fade

LEVEL_BLOCKS = 5  # 0.2 s, over which power is smoothed
FLOOR_SECONDS = 2.5  # the quietest moment of so long is the background
ABOVE_FLOOR_DB = 6.0  # a stationary noise stays below this
SILENT_FLOOR_DB = -200.0  # relative to the level, where nothing has been heard
VOICE_SECONDS = 0.3  # speech goes on for so long after a voiced sound
STEADY_PITCH = 0.25  # largest relative change of pitch from one voiced block to the next
HUM_DB = -25.0  # a steady tone this far below the level is not a voice


@dataclass(frozen=True)
class Level:
    """What normalises a file as a whole.

    power: the level, largest power over 0.2 s, in the units of `motion.audio.powers`.
    spectrum: (MEL_BANDS,) mean over speech of the log-mel bands, nats above the floor.
    cepstra: (CEPSTRA,) mean over speech.
    pitch_hz: median over voiced frames.
    """

    power: float
    spectrum: Array
    cepstra: Array
    pitch_hz: float


def measure(samples: NDArray) -> Level:
    """The level of a whole file: mono at 16 kHz, (N,) in -1..1.  Memory: 4 bytes a frame."""
    samples = np.asarray(samples, np.float32)
    edge = 20  # frames of silence around the sound, as many as power is smoothed over
    stop = frame_count(len(samples)) + edge
    pieces = [(at, min(at + CHUNK, stop)) for at in range(-edge, stop, CHUNK)]
    total = np.concatenate([powers(samples, a, b).total for a, b in pieces])
    level = max(smoothed_peak(total), quietest_level())
    weight = speech_weight(relative_db(total, level)).astype(np.float64)
    weight /= max(float(weight.sum()), 1e-9)
    spectrum, mean = np.zeros(MEL_BANDS), np.zeros(CEPSTRA)
    for a, b in pieces:
        found, share = powers(samples, a, b), weight[a + edge : b + edge]
        spectrum += share @ relative_log(found.bands, level)
        mean += share @ cepstra(relative_log(found.model, level))
    loud = relative_db(total[edge::BLOCK], level) > VOICED_DB
    hz = voiced_hz(samples, 0, len(loud))[loud]
    hz = hz[hz > 0]
    pitch = float(np.median(hz)) if len(hz) > 5 else PRIOR_PITCH_HZ
    return Level(level, spectrum.astype(np.float32), mean.astype(np.float32), pitch)


@dataclass(frozen=True)
class Normals:
    """What normalises each of B blocks, and what was found out on the way.

    power (B,), spectrum (B, MEL_BANDS), cepstra (B, CEPSTRA), pitch_hz (B,): as in Level.
    floor_db: (B,) background in dB relative to the level.
    voiced: (B,) bool, a voice, not a steady hum far below it.
    """

    power: NDArray
    spectrum: Array
    cepstra: Array
    pitch_hz: NDArray
    floor_db: NDArray
    voiced: NDArray[np.bool_]


@final
class Running:
    """Estimates of level, spectrum and pitch, from the priors on.

    The level is the largest smoothed power of a voice so far, released slowly; a noise louder
    than that raises it while the noise lasts.  The mean spectrum and the median pitch are those
    of what was heard and of a prior that counts as a short stretch of speech.
    """

    def __init__(self) -> None:
        self.level_db = PRIOR_LEVEL_DB
        self._recent = np.zeros(LEVEL_BLOCKS)  # powers of the last blocks
        self._voice_seconds = 0.0  # heard so far
        self._speech_until = 0.0  # seconds for which speech still goes on
        self._loudest_db = self._noise_db = -200.0
        self._prior = np.concatenate([PRIOR_BANDS, PRIOR_MODEL]).astype(np.float64)
        self._sum = np.zeros(len(self._prior))  # of log powers relative to the present level
        self._weight = 0.0
        self._notes = 12 * np.log2(LOWEST_HZ) + np.arange(0, 33, PITCH_STEP)  # semitones
        spread = np.exp(-0.5 * ((self._notes - 12 * np.log2(PRIOR_PITCH_HZ)) / 5.0) ** 2)
        self._pitches = PITCH_PRIOR * spread / spread.sum()

    def hear(self, total: NDArray, bands: Array, hz: float, voiced: bool, above: bool) -> None:
        """The next block: powers (BLOCK,) and in all bands (BLOCK, MEL_BANDS + MODEL_BANDS).

        voiced: by a voice that stands out; above: louder than the background.
        """
        before = self.level_db
        self._recent = np.append(self._recent[1:], total.mean())
        self._follow_level(10 * np.log10(max(self._recent.mean(), 1e-12)), voiced)
        self._sum -= self._weight * (self.level_db - before) * np.log(10) / 10

        self._speech_until = VOICE_SECONDS if voiced else self._speech_until - BLOCK_SECONDS
        level = self.power
        weight = speech_weight(relative_db(total, level)).astype(np.float64)
        if not (above or self._speech_until > 0):
            weight *= NOISE_WEIGHT
        self._sum += weight @ relative_log(bands, level)
        self._weight += float(weight.sum())
        fade = min(1.0, SPECTRUM_MEMORY / max(self._weight, 1e-9))
        self._sum *= fade
        self._weight *= fade
        if voiced:
            self._pitches[np.abs(self._notes - 12 * np.log2(hz)).argmin()] += 1
            self._pitches *= min(1.0, PITCH_MEMORY / float(self._pitches.sum()))

    def _follow_level(self, smoothed_db: float, voiced: bool) -> None:
        self._noise_db = max(smoothed_db, self._noise_db - NOISE_RELEASE_DB * BLOCK_SECONDS)
        if voiced:
            self._voice_seconds += BLOCK_SECONDS
            released = self._loudest_db - RELEASE_DB * BLOCK_SECONDS
            self._loudest_db = max(smoothed_db, released)
        unknown = np.exp(-self._voice_seconds / LEVEL_SECONDS)
        headroom = HEADROOM_DB * np.exp(-self._voice_seconds / HEADROOM_SECONDS)
        voice_db = unknown * PRIOR_LEVEL_DB + (1 - unknown) * (self._loudest_db + headroom)
        self.level_db = max(float(voice_db), self._noise_db)

    @property
    def power(self) -> float:
        return float(10 ** (self.level_db / 10))

    @property
    def mean(self) -> NDArray:
        """Mean log powers of speech, (MEL_BANDS + MODEL_BANDS,)."""
        return (SPECTRUM_PRIOR * self._prior + self._sum) / (SPECTRUM_PRIOR + self._weight)

    @property
    def pitch_hz(self) -> float:
        share = np.cumsum(self._pitches) / self._pitches.sum()
        return float(2 ** (np.interp(0.5, share, self._notes) / 12))


@final
class Follower:
    """Normals of a sound, block after block, by a given Level or by running estimates.

    A block is normalised by what was heard up to its end, however the sound was cut.
    """

    def __init__(self, level: Level | None) -> None:
        self._level = level
        self._running = Running()
        # of the blocks before: their powers, and the pitch of the last
        self._powers_db = np.full(round(FLOOR_SECONDS * MOTION_FPS) - 1, np.inf)
        self._last_hz = 0.0

    def follow(self, heard: Powers, hz: NDArray) -> Normals:
        """The next B blocks.  heard: B * BLOCK frames; hz: (B,) pitch, 0 where unvoiced."""
        count = len(hz)
        total = heard.total.astype(np.float64).reshape(count, BLOCK)
        block_db = 10 * np.log10(np.maximum(total.mean(1), 1e-12))
        # digital silence is no background
        audible = np.where(total.mean(1) > quietest_level(), block_db, np.inf)
        recent = np.concatenate([self._powers_db, audible])
        self._powers_db = recent[count:]
        floor_db = np.lib.stride_tricks.sliding_window_view(recent, len(recent) - count + 1).min(1)
        above = block_db > floor_db + ABOVE_FLOOR_DB
        pitches = np.concatenate([[self._last_hz], hz])
        self._last_hz = float(pitches[-1])
        steady = (hz > 0) & (np.abs(pitches[:-1] - hz) < STEADY_PITCH * hz)

        power, pitch, spectrum, smooth = self._normals(heard, total, hz, steady & above, above)
        level_db = 10 * np.log10(power)
        floor_db = np.where(np.isfinite(floor_db), floor_db - level_db, SILENT_FLOOR_DB)
        voiced = steady & (above | (block_db > level_db + HUM_DB))
        return Normals(power, spectrum, smooth, pitch, floor_db, voiced)

    def _normals(
        self, heard: Powers, total: NDArray, hz: NDArray, voiced: NDArray, above: NDArray
    ) -> tuple[NDArray, NDArray, Array, Array]:
        count = len(hz)
        if self._level is not None:
            level = self._level
            return (np.full(count, level.power), np.full(count, level.pitch_hz),
                    np.repeat(level.spectrum[None], count, 0),
                    np.repeat(level.cepstra[None], count, 0))  # fmt: skip
        running = self._running
        bands = np.concatenate([heard.bands, heard.model], 1).reshape(count, BLOCK, -1)
        power, pitch = np.empty(count), np.empty(count)
        mean = np.empty((count, bands.shape[2]), np.float32)
        for k in range(count):
            running.hear(total[k], bands[k], float(hz[k]), bool(voiced[k]), bool(above[k]))
            power[k], mean[k], pitch[k] = running.power, running.mean, running.pitch_hz
        return power, pitch, mean[:, :MEL_BANDS], cepstra(mean[:, MEL_BANDS:])
