"""Speech to motion: what a face does while a voice speaks.

`Generator.generate` gives a Motion at 25 fps relative to a face at rest.  The lower face comes
from a small temporal convolution (enliven/models/articulation.onnx, trained by
enliven.train.articulation) on the features of `motion.audio`; lids, brows, gaze, head and
breathing from `motion.behaviour`.

Frame i is at i / 25 s of the sound: the network sees as far ahead as back, so lips neither lead
nor lag.  Long sounds are computed in pieces that overlap by what the network sees, which makes
the result independent of the pieces.
"""

from functools import cache
from importlib.resources import files
from typing import Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from enliven.errors import BadOption, ModelUnavailable
from enliven.motion.audio import FRAME_RATE, Sound, analyse, features
from enliven.motion.behaviour import behave
from enliven.motion.closure import SPREAD, close_lips
from enliven.motion.controls import CONTROLS, control_matrix
from enliven.motion.options import SpeechOptions
from enliven.motion.prosody import prosody
from enliven.types import MOTION_FPS, Motion

Array = NDArray[np.float32]

STRIDE = round(FRAME_RATE / MOTION_FPS)  # feature frames per motion frame
PIECE = 500  # motion frames computed at once, 20 s

# The mouth rests where the sound stays this far below the level of the speech, in dB; between
# the two numbers it moves in part.  Breath and room noise lie below, soft consonants above.
SILENT_DB, HEARD_DB = -52.0, -42.0
LEAD = 0.20  # seconds before a sound in which lips may already move: they open ahead of it
HANG = 0.24  # seconds after it in which they come to rest


@cache
def _session() -> onnxruntime.InferenceSession:
    file = files("enliven.models").joinpath("articulation.onnx")
    if not file.is_file():
        raise ModelUnavailable("enliven/models/articulation.onnx is missing; install enliven again")
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 2
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(
        file.read_bytes(), settings, providers=["CPUExecutionProvider"]
    )


class Generator:
    """Makes motion from speech.  Use `Generator.load()`; one may serve many sounds."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        stored = session.get_modelmeta().custom_metadata_map
        names = tuple(stored["controls"].split())
        if names != CONTROLS:
            raise ModelUnavailable(
                "enliven/models/articulation.onnx drives other controls than this version knows; "
                "install enliven again"
            )
        self._reach = int(stored["reach"])  # feature frames seen on either side
        self._opening = np.array([float(x) for x in stored["aperture"].split()], np.float32)

    @classmethod
    def load(cls) -> Self:
        """The generator that ships with the package.  Raises ModelUnavailable."""
        return cls(_session())

    def generate(
        self,
        samples: NDArray,
        *,
        seconds: float,
        seed: int = 0,
        options: SpeechOptions = SpeechOptions(),
    ) -> Motion:
        """Motion for a voice, relative to rest: every channel 0 is the face at rest.

        samples: (N,) mono speech at 16 kHz in -1..1, of any loudness.
        seconds: duration to cover; the motion has round(seconds * 25) frames, at least one.
        seed: of everything that is not in the voice; the same seed gives the same motion.
        Raises BadOption when samples or seconds make no sense, ModelUnavailable.
        """
        samples = np.asarray(samples, np.float32)
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise BadOption(f"speech samples have shape {samples.shape} or are not all finite; "
                            "give one channel of finite numbers at 16 kHz")  # fmt: skip
        if not (np.isfinite(seconds) and seconds >= 0):
            raise BadOption(f"seconds is {seconds}; give the duration of the sound")
        frames = max(1, round(seconds * MOTION_FPS))
        sound = analyse(samples, self._reach, 2 * self._reach + STRIDE * (frames - 1) + 1)
        energy_db = sound.energy_db[self._reach : self._reach + STRIDE * (frames - 1) + 1]
        activity = speech_activity(energy_db)
        expression = self.lips(sound) * activity[:, None] * np.float32(options.mouth)
        voice = prosody(samples, energy_db, activity)
        return behave(np.clip(expression, 0, 1), voice, seed, options)

    def lips(self, sound: Sound) -> Array:
        """Expression (T, 52) of the lower face, for a sound analysed with `reach` of silence."""
        frames = (len(sound) - 1 - 2 * self._reach) // STRIDE + 1
        controls = np.empty((frames, len(CONTROLS)), np.float32)
        for start in range(0, frames, PIECE):
            stop = min(start + PIECE, frames)
            heard = features(sound, STRIDE * start, STRIDE * (stop - 1) + 2 * self._reach + 1)
            made, closed = self._session.run(["controls", "closed"], {"features": heard.T[None]})
            beside = self._reach - SPREAD
            controls[start:stop] = close_lips(
                made[0].T, closed[0, 0], heard[beside : len(heard) - beside], self._opening
            )
        return controls @ control_matrix()


def speech_activity(energy_db: NDArray) -> Array:
    """How far the mouth may leave its rest in each motion frame, 0 to 1, (T,).

    energy_db: (F,) at 100 Hz, relative to the level of the speech.  Opens LEAD ahead of a
    sound and closes HANG after it, smoothly, so that no onset is clipped.
    """
    heard = np.clip((energy_db - SILENT_DB) / (HEARD_DB - SILENT_DB), 0, 1)
    before, after = round(LEAD * FRAME_RATE), round(HANG * FRAME_RATE)
    padded = np.pad(heard, (after, before))
    held = np.lib.stride_tricks.sliding_window_view(padded, before + after + 1).max(1)
    # smoothed inside the margin: full activity 0.1 s ahead of the sound, zero at LEAD + 0.1 s
    window = np.hanning(23)[1:-1]
    smooth = np.convolve(np.pad(held, 10, mode="edge"), window / window.sum(), mode="valid")
    return smooth[::STRIDE].astype(np.float32)
