"""Hears a voice as it comes: features and prosody of motion frames, with little look-ahead.

`Listener` takes samples in any pieces.  Motion frame i is at i / 25 s, feature frame f at
f / 100 s.  What is told of motion frame i depends on the sound up to i / 25 + LOOK_AHEAD
seconds and on nothing later, all windows, differences and smoothing included, so that live
sound and a file give the same.

How loud the speaker is, the mean spectrum and the pitch of the voice are taken from a Level,
when that of the whole file is known, or else estimated from what was heard (`motion.level`).
"""

from typing import final

import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption
from enliven.motion.audio import (
    CEPSTRA,
    FEATURES,
    FRAME_RATE,
    HOP,
    MEL_BANDS,
    MODEL_BANDS,
    PHONE_CHUNK,
    REACH,
    SAMPLE_RATE,
    WINDOW,
    cepstra,
    joined,
    powers,
    relative_db,
    relative_log,
    score_phones,
)
from enliven.motion.level import ABOVE_FLOOR_DB, BLOCK, Follower, Level, measure
from enliven.motion.prosody import (
    NEAR_AHEAD,
    NEAR_BACK,
    Prosody,
    Track,
    mouth_activity,
    track_prosody,
    voiced_hz,
)
from enliven.types import MOTION_FPS

__all__ = ["FEATURES_AHEAD", "FORESEEN", "LOOK_AHEAD", "Level", "Listener", "measure"]

Array = NDArray[np.float32]

LOOK_AHEAD = 0.4  # seconds
FEATURES_AHEAD = 35  # feature frames after that of a motion frame that LOOK_AHEAD allows
FORESEEN = NEAR_AHEAD  # motion frames ahead whose prosody can be told in part
KEEP_SECONDS = 8.0  # of what was asked for last that is kept
SILENCE_SECONDS = 3.0  # before the sound; of its features the last is kept

# The mouth rests where the sound stays this far below the level of the speech, in dB; between
# the two numbers it moves in part.  Breath and room noise lie below, soft consonants above.
SILENT_DB, HEARD_DB = -52.0, -42.0

STEP = round(SAMPLE_RATE / MOTION_FPS)  # samples of a motion frame
AHEAD_SAMPLES = round(LOOK_AHEAD * SAMPLE_RATE)
# samples after the middle of a block that its last feature frame hears
BLOCK_SAMPLES = 2 * HOP + WINDOW - WINDOW // 2
FORGET_BLOCKS = 25  # are dropped together, at least
CHUNK = 250  # blocks analysed at once


@final
class Listener:
    """Features and prosody of a sound that is still going on.

    level: of the whole file (`measure`), or None to estimate it from what was heard.

    Work is done when results are asked for, so `push` costs nothing.  Sound that was not yet
    asked about is kept, 64 KB a second, and of the rest the last KEEP_SECONDS.
    """

    def __init__(self, level: Level | None = None) -> None:
        self._follower = Follower(level)
        self._sound = bytearray()  # float32, from the middle of block `_sound_block` on
        self._sound_block = 0
        self._samples = 0  # pushed so far
        self._finished = False
        # blocks `_first` to `_done` of sound, analysed; feature frames 4 k - 1 to 4 k + 2 each
        self._first = self._done = -round(SILENCE_SECONDS * MOTION_FPS)
        self._model = np.empty((0, MODEL_BANDS), np.float32)  # powers of frames
        self._bands = np.empty((0, MEL_BANDS), np.float32)  # normalised log powers of frames
        self._cepstra = np.empty((0, CEPSTRA), np.float32)  # their mean, by block
        self._track = Track(*(np.empty(0) for _ in range(5)))
        # feature frames `_features_first` on
        self._features_first = -FRAME_RATE
        self._features = np.empty((0, FEATURES), np.float32)

    def push(self, samples: NDArray) -> None:
        """More sound: mono at 16 kHz, (N,) in -1..1.

        Raises BadOption when it is not one channel of finite numbers, ValueError after `finish`.
        """
        samples = np.asarray(samples, np.float32)
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise BadOption(f"speech samples have shape {samples.shape} or are not all finite; "
                            "give one channel of finite numbers at 16 kHz")  # fmt: skip
        if self._finished:
            raise ValueError("the sound was finished; make a new Listener for another one")
        self._sound += samples.tobytes()
        self._samples += len(samples)

    def finish(self) -> None:
        """The sound is over and silence follows."""
        self._finished = True

    @property
    def frames(self) -> int:
        """Motion frames that can be told now; after `finish` all of the sound, at least one."""
        if self._finished:
            return max(1, round(self._samples / STEP))
        return max(0, (self._samples - AHEAD_SAMPLES) // STEP + 1)

    def features(self, start: int, stop: int) -> Array:
        """Features of feature frames start to stop, (n, FEATURES), as `motion.audio.features`.

        Motion frame i may know those before 4 i + FEATURES_AHEAD + 1.  The sound begins at
        frame 0, and a second of silence before it can be had.
        Raises ValueError for frames not yet heard, or no longer or never kept.
        """
        self._check(start, stop, self._features_first)
        # the block that the last frame's differences reach
        self._analyse((stop - 1 + REACH + 1) // BLOCK + 1)
        done = self._features_first + len(self._features)
        if stop > done:
            pieces = range(done, stop, PHONE_CHUNK)
            made = [self._made(at, min(at + PHONE_CHUNK, stop)) for at in pieces]
            self._features = np.concatenate([self._features, *made])
        result = self._features[start - self._features_first : stop - self._features_first]
        self._forget(stop // BLOCK)
        return result.copy()

    def voice(self, start: int, stop: int, ahead: int = 0) -> Prosody:
        """Prosody of motion frames start to stop and of `ahead` frames, FORESEEN at most, more.

        Those ahead are told with no more sound than frame stop - 1 may use, as if the last
        values held: loudness is what it will be, stress and speaking are preliminary.
        Raises ValueError for frames not yet heard, or no longer or never kept.
        """
        if not 0 <= ahead <= FORESEEN:
            raise ValueError(f"ahead is {ahead}; at most {FORESEEN} frames are known in part")
        track, first = self._tracked(start, stop)
        return track_prosody(track, start - first, stop + ahead - first)

    def activity(self, start: int, stop: int) -> Array:
        """How far the mouth may leave its rest in motion frames start to stop, (n,) 0 to 1.

        Opens ahead of a sound and closes after it, smoothly, so that no onset is clipped.
        Raises ValueError for frames not yet heard, or no longer or never kept.
        """
        track, first = self._tracked(start, stop)
        return mouth_activity(track.heard, start - first, stop - first).astype(np.float32)

    def _check(self, start: int, stop: int, first: int) -> None:
        if start >= stop:
            raise ValueError(f"frames {start} to {stop} are none; ask for one at least")
        if start < first:
            raise ValueError(
                f"frame {start} is no longer kept, the first is {first}; ask in the order of time, "
                f"no more than {KEEP_SECONDS / 2:g} s back"
            )

    def _tracked(self, start: int, stop: int) -> tuple[Track, int]:
        """What is known when motion frame stop - 1 is told, and the frame it begins with."""
        back = NEAR_BACK + 2
        self._check(start, stop, self._first + back)
        last = stop + FORESEEN + 1
        self._analyse(last)
        frames = slice(start - back - self._first, last - self._first)
        rows = slice(BLOCK * frames.start, BLOCK * frames.stop)
        t = self._track
        known = Track(t.power[rows], t.heard[rows], t.hz[frames], t.level[frames],
                      t.middle_hz[frames])  # fmt: skip
        self._forget(stop)
        return known, start - back

    def _made(self, start: int, stop: int) -> Array:
        """Features of frames whose blocks are analysed."""
        row = start - (BLOCK * self._first - 1)
        rows = np.arange(row, row + stop - start)
        around = rows[:, None] + np.arange(-REACH, REACH + 1)
        block = rows // BLOCK
        # by the level of the frame itself, which differences across a change of level need
        level = self._track.level[block, None, None]
        windows = cepstra(relative_log(self._model[around], level))
        return joined(self._bands[rows], score_phones(windows - self._cepstra[block][:, None]))

    def _analyse(self, stop: int) -> None:
        """Analyse the blocks before `stop`."""
        if stop > self._done and not self._finished:
            ready = max(0, (self._samples - BLOCK_SAMPLES) // STEP + 1)
            if stop > ready:
                raise ValueError(
                    f"what is asked for needs {(stop - 1) * STEP + BLOCK_SAMPLES} samples, and "
                    f"{self._samples} were pushed; ask for motion frames before `frames`"
                )
        while self._done < stop:
            self._analyse_blocks(min(stop, self._done + CHUNK))

    def _analyse_blocks(self, stop: int) -> None:
        start, count = self._done, stop - self._done
        origin = start - 1  # block at whose middle the piece of sound begins
        piece = self._piece(origin * STEP, (stop - 1) * STEP + BLOCK_SAMPLES)
        found = powers(piece, BLOCK - 1, BLOCK - 1 + BLOCK * count)
        hz = voiced_hz(piece, 1, 1 + count)
        normals = self._follower.follow(found, hz)

        level = np.repeat(normals.power, BLOCK)
        bands = relative_log(found.bands, level[:, None]) - np.repeat(normals.spectrum, BLOCK, 0)
        energy_db = relative_db(found.total, level)
        span = HEARD_DB - SILENT_DB
        silent_db = np.maximum(SILENT_DB, np.repeat(normals.floor_db + ABOVE_FLOOR_DB, BLOCK))
        heard = np.clip((energy_db - silent_db) / span, 0, 1)
        # a voice is heard in any noise
        voice = np.clip((energy_db - SILENT_DB) / span, 0, 1) * np.repeat(normals.voiced, BLOCK)
        t = self._track
        self._track = Track(
            np.concatenate([t.power, found.total]),
            np.concatenate([t.heard, np.maximum(heard, voice)]),
            np.concatenate([t.hz, hz]),
            np.concatenate([t.level, normals.power]),
            np.concatenate([t.middle_hz, normals.pitch_hz]),
        )
        self._model = np.concatenate([self._model, found.model])
        self._bands = np.concatenate([self._bands, bands])
        self._cepstra = np.concatenate([self._cepstra, normals.cepstra])
        self._done = stop
        # the next block hears a little of the sound before it
        done = stop - 1 - self._sound_block
        if stop > 1 and done >= FORGET_BLOCKS:
            del self._sound[: 4 * STEP * done]
            self._sound_block = stop - 1

    def _piece(self, first: int, last: int) -> Array:
        """Samples first to last, with silence on either side of the sound."""
        origin = self._sound_block * STEP
        piece = np.zeros(last - first, np.float32)
        low, high = max(first, 0), min(last, self._samples)
        if low < high:
            piece[low - first : high - first] = np.frombuffer(
                self._sound, np.float32, high - low, 4 * (low - origin)
            )
        return piece

    def _forget(self, stop: int) -> None:
        """Drop what is older than KEEP_SECONDS before motion frame `stop`."""
        cut = stop - round(KEEP_SECONDS * MOTION_FPS) - self._first
        if cut < FORGET_BLOCKS:
            return
        rows = BLOCK * cut
        t = self._track
        self._track = Track(t.power[rows:], t.heard[rows:], t.hz[cut:], t.level[cut:],
                            t.middle_hz[cut:])  # fmt: skip
        self._model, self._bands = self._model[rows:], self._bands[rows:]
        self._cepstra = self._cepstra[cut:]
        self._first += cut
        first = max(self._features_first, BLOCK * self._first + BLOCK)
        self._features = self._features[first - self._features_first :]
        self._features_first = first
