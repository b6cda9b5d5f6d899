"""Speech to motion: what a face does while a voice speaks.

`Generator.generate` gives a Motion at 25 fps relative to a face at rest.  What is continuous
comes from the performer, a flow-matching transformer led by the articulation network; blinks,
glances, breath and torso from `motion.behaviour`.  All of it is done second by second, with
0.4 s of look-ahead, by `motion.stream`: a file and live sound go the same way.

Frame i is at i / 25 s of the sound.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Self, final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from enliven.errors import BadOption, ModelUnavailable
from enliven.motion.articulation import Articulation, encode
from enliven.motion.audio import SAMPLE_RATE
from enliven.motion.listen import measure
from enliven.motion.options import SpeechOptions
from enliven.motion.performer import Performer, Sampling
from enliven.motion.stream import SpeechStream
from enliven.types import CHANNELS, MOTION_FPS, Motion

PIECE = 10 * SAMPLE_RATE  # samples given to the stream at once


@cache
def load_session(name: str) -> onnxruntime.InferenceSession:
    """A network that ships with the package.  Raises ModelUnavailable."""
    file = files("enliven.models").joinpath(name)
    if not file.is_file():
        raise ModelUnavailable(f"enliven/models/{name} is missing; install enliven again")
    return open_session(file.read_bytes())


def open_session(model: bytes) -> onnxruntime.InferenceSession:
    """A network given as the content of an .onnx file, on one thread of the CPU."""
    settings = onnxruntime.SessionOptions()
    # a window is so small that threads would wait for each other more than they compute
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])


@final
class Generator:
    """Makes motion from speech.  Use `Generator.load()`; one may serve many sounds."""

    def __init__(self, articulation: Articulation, performer: Performer) -> None:
        self._articulation, self._performer = articulation, performer

    @classmethod
    def load(cls, folder: str | Path | None = None) -> Self:
        """The generator that ships with the package, or one of your own.

        folder: with the models of a run of `enliven train`.  Raises ModelUnavailable.
        """
        names = ("articulation.onnx", "performer.onnx")
        if folder is None:
            articulation, performer = (load_session(name) for name in names)
        else:
            missing = [name for name in names if not (Path(folder) / name).is_file()]
            if missing:
                raise ModelUnavailable(f"{folder} has no {missing[0]}; give the folder `models` of "
                                       "a finished run of enliven train")  # fmt: skip
            articulation, performer = (
                open_session((Path(folder) / name).read_bytes()) for name in names
            )
        return cls(Articulation(articulation), Performer(performer))

    def generate(
        self,
        samples: NDArray,
        *,
        seconds: float,
        seed: int = 0,
        options: SpeechOptions = SpeechOptions(),
        sampling: Sampling = Sampling(),
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
        wanted = frames * SAMPLE_RATE // round(MOTION_FPS)
        stream = SpeechStream(self._articulation, self._performer, seed=seed, options=options,
                              sampling=sampling, level=measure(samples),
                              encoded=encode(self._articulation, samples))  # fmt: skip
        made = np.empty((frames, len(CHANNELS)), np.float32)
        for start in range(0, wanted, PIECE):
            piece = samples[start : min(start + PIECE, wanted)]
            rest = min(PIECE, wanted - start) - len(piece)  # sound that ends early goes on silent
            for frame in stream.push(np.pad(piece, (0, rest))):
                made[frame.number] = frame.values
        for frame in stream.finish():
            made[frame.number] = frame.values
        return Motion(made)

    def stream(
        self,
        *,
        seed: int = 0,
        options: SpeechOptions = SpeechOptions(),
        sampling: Sampling = Sampling(),
    ) -> SpeechStream:
        """For live sound; see `motion.stream`."""
        return SpeechStream(
            self._articulation, self._performer, seed=seed, options=options, sampling=sampling
        )
