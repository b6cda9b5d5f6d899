"""The performer: noise to motion, chunk after chunk, led by what is heard.

A flow-matching transformer (enliven/models/performer.onnx, trained by `enliven train
recipes.speech`) draws CHUNK frames at once, given the BEFORE frames before them.  It is a policy
with exact probabilities: `velocity` is all that `enliven.flow` needs of it.

Legend: B batch, N = BEFORE + CHUNK frames, D latent columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from enliven.errors import BadOption, ModelUnavailable
from enliven.flow import Velocity, sample, schedule
from enliven.motion.chunks import BEFORE, CHUNK, CONDITIONS, HEARD, without
from enliven.motion.latent import LATENT, REGIONS, region_columns

Array = NDArray[np.float32]

FRAMES = BEFORE + CHUNK
GIVEN = (np.arange(FRAMES) < BEFORE)[:, None]

# How much of what the performer's lips do otherwise than the articulation network's is taken: it
# saw the lips of a dozen people, and habits of theirs are not those of a stranger.
OWN_LIPS = 0.3


@dataclass(frozen=True)
class Sampling:
    """How motion is drawn.  Raises BadOption.

    steps: of the solver, 1 to 64.  shift: of the schedule (`flow.schedule`).
    temperature: deviation of the first noise by region, 0 to 1.  Lips follow the sound, so little
        is left to chance; at 1 they would be as uncertain as the sound leaves them.
    guidance: by how much what is asked for in "speech" and "emotion" is amplified
        (classifier-free guidance, Ho and Salimans, arXiv 2207.12598); 1 as learned.
    """

    steps: int = 8
    shift: float = 1.0
    temperature: Mapping[str, float] = field(
        default_factory=lambda: {"mouth": 0.2, "brows": 1.0, "eyes": 1.0, "head": 1.0}
    )
    speech_guidance: float = 1.0
    emotion_guidance: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 64:
            raise BadOption(f"steps is {self.steps}; choose 1 to 64, 4 to 8 are enough")
        if set(self.temperature) != set(REGIONS):
            raise BadOption(f"temperature names {sorted(self.temperature)}; give one for each of "
                            f"{', '.join(REGIONS)}")  # fmt: skip

    @property
    def deviations(self) -> Array:
        """Of the first noise, (D,)."""
        scale = np.ones(len(LATENT), np.float32)
        for region, value in self.temperature.items():
            scale[region_columns(region)] = value
        return scale


@final
class Performer:
    """The network.  Raises ModelUnavailable for a model of another version.

    own_lips: share of its lips that is shown; a model that was post-trained may state its own.
    """

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        stored = session.get_modelmeta().custom_metadata_map
        self.own_lips = float(stored.get("own_lips", OWN_LIPS))
        widths = {value.name: value.shape[2] for value in session.get_inputs()}
        if widths != {"x": len(LATENT), "t": 1, "heard": HEARD, "asked": CONDITIONS}:
            raise ModelUnavailable(
                "enliven/models/performer.onnx does not fit this version of the program; "
                "install enliven again"
            )

    def velocity(self, heard: NDArray, asked: NDArray, sampling: Sampling = Sampling()
                 ) -> Velocity:  # fmt: skip
        """Velocity of windows under heard (B, N, HEARD) and asked (B, N, CONDITIONS)."""
        heard, asked = np.asarray(heard, np.float32), np.asarray(asked, np.float32)
        terms, share = [], 1.0  # (share, heard, asked): their velocities add up
        for weight, part in ((sampling.speech_guidance, "speech"),
                             (sampling.emotion_guidance, "emotion")):  # fmt: skip
            if weight != 1:
                share += weight - 1
                terms.append((1 - weight, heard * (part != "speech"), without(asked, part)))
        terms.append((share, heard, asked))

        def at(x: NDArray, t: NDArray) -> Array:
            fed = {"x": np.asarray(x, np.float32), "t": np.asarray(t, np.float32)[:, None, None]}
            parts = [
                weight * self._session.run(["velocity"], fed | {"heard": h, "asked": a})[0]
                for weight, h, a in terms
            ]
            return np.asarray(sum(parts), np.float32)

        return at

    def draw(self, before: NDArray, velocity: Velocity, rng: np.random.Generator,
             sampling: Sampling = Sampling()) -> Array:  # fmt: skip
        """The next chunk (CHUNK, D) after the numbers before (BEFORE, D)."""
        noise = rng.standard_normal((FRAMES, len(LATENT))) * sampling.deviations
        start = np.where(GIVEN, np.concatenate([before, noise[BEFORE:]]), noise)
        times = schedule(sampling.steps, sampling.shift)
        made = sample(velocity, start[None].astype(np.float32), times, given=GIVEN)
        return np.asarray(made[0, BEFORE:], np.float32)
