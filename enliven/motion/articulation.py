"""What a voice does to the lips, as a small network tells it, and all else that is heard.

The network (enliven/models/articulation.onnx) carries over to voices it never heard.  It says
what lips do on average; `motion.performer` is led by it.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from enliven.errors import ModelUnavailable
from enliven.motion.audio import scores_of
from enliven.motion.chunks import STRIDE, heard_numbers, phone_groups
from enliven.motion.closure import SPREAD
from enliven.motion.controls import CONTROLS
from enliven.motion.encoders import load_encoder
from enliven.motion.listen import FEATURES_AHEAD, FORESEEN, Listener
from enliven.motion.prosody import Prosody

Array = NDArray[np.float32]


@final
class Articulation:
    """The network.

    reach: feature frames seen on either side.  opening: (K,) aperture that each control makes,
    IOD.  encoder, layer: of another speech encoder it was trained on (`motion.encoders`), or "".
    Raises ModelUnavailable for a model of another version.
    """

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        stored = session.get_modelmeta().custom_metadata_map
        if tuple(stored["controls"].split()) != CONTROLS or int(stored["reach"]) > FEATURES_AHEAD:
            raise ModelUnavailable(
                "enliven/models/articulation.onnx does not fit this version of the program; "
                "install enliven again"
            )
        self.reach = int(stored["reach"])
        self.encoder, self.layer = stored.get("encoder", ""), int(stored.get("layer", -1))
        self.opening: Array = np.array([float(x) for x in stored["aperture"].split()], np.float32)

    def __call__(self, rows: NDArray) -> tuple[Array, Array]:
        """Features (2 reach + STRIDE (n - 1) + 1, E) -> controls (n, K), closed (n,)."""
        heard = {"features": np.asarray(rows, np.float32).T[None]}
        controls, closed = self._session.run(["controls", "closed"], heard)
        return controls[0].T, closed[0, 0]


@dataclass(frozen=True)
class Hearing:
    """Of n motion frames: numbers (n, HEARD) for the performer; controls (n, K) and closed (n,)
    of the articulation network; scores: feature rows around, for `motion.closure`; voice: of n
    frames and FORESEEN more.
    """

    numbers: Array
    controls: Array
    closed: Array
    rows: Array
    voice: Prosody


def encode(articulation: Articulation, samples: NDArray) -> Array | None:
    """What the network's own speech encoder hears of a whole sound, (F, E) at 100 Hz; None when
    it hears what `Listener` does.  Raises ModelUnavailable without that encoder.
    """
    if not articulation.encoder:
        return None
    return load_encoder(articulation.encoder, articulation.layer).features(samples)


def hear(listener: Listener, articulation: Articulation, start: int, stop: int,
         encoded: NDArray | None = None) -> Hearing:  # fmt: skip
    """What can be heard of motion frames start to stop, which must be ready in the listener.

    encoded: from `encode`.
    """
    reach, count = articulation.reach, stop - start
    first, last = STRIDE * start - reach, STRIDE * (stop - 1) + reach + 1
    rows = listener.features(first, last)
    told = rows
    if encoded is not None:  # the first and last frames hold beyond the ends
        told = encoded[np.clip(np.arange(first, last), 0, len(encoded) - 1)]
    controls, closed = articulation(told)
    groups = phone_groups(scores_of(rows[reach : reach + STRIDE * count]))
    voice = listener.voice(start, stop, FORESEEN)
    numbers = heard_numbers(controls, closed, groups, voice_of(voice, slice(0, count)))
    beside = reach - SPREAD
    return Hearing(numbers, controls, closed, rows[beside : len(rows) - beside], voice)


def voice_of(voice: Prosody, frames: slice) -> Prosody:
    """Some frames of a voice."""
    return Prosody(**{name: values[frames] for name, values in vars(voice).items()})
