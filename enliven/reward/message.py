"""What is put to a multimodal model, and what comes back, whoever serves it.

A Question is a list of parts in the order the model meets them: text, pictures, sound.  Sound is
always a part of its own, for servers drop the sound track of a video without saying so.
"""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Text:
    """Words."""

    words: str


@dataclass(frozen=True, eq=False)
class Pictures:
    """Successive pictures.  frames: (n, h, w, 3) uint8 sRGB.  fps: how many a second, > 0."""

    frames: NDArray[np.uint8]
    fps: float


@dataclass(frozen=True, eq=False)
class Sound:
    """samples: (N,) float32, mono, 16 kHz, -1 to 1."""

    samples: NDArray[np.float32]


Part = Text | Pictures | Sound
Kind = Literal["digit", "json", "text"]


@dataclass(frozen=True, eq=False)
class Question:
    """One request.

    parts: in the order they are shown.
    kind: what is wanted: one digit and its probabilities; an object with `score` and `why`; or
        free text.
    highest: the digits that answer it are 1 to this.
    """

    parts: tuple[Part, ...]
    kind: Kind = "digit"
    highest: int = 5

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that is sent, pixels and samples included."""
        made = hashlib.sha256(f"{self.kind} {self.highest}".encode())
        for part in self.parts:
            if isinstance(part, Text):
                name, shape, content = "text", "", part.words.encode()
            elif isinstance(part, Pictures):
                name, shape = "pictures", f"{part.frames.shape} {part.fps}"
                content = np.ascontiguousarray(part.frames, np.uint8).tobytes()
            else:
                name, shape = "sound", ""
                content = np.ascontiguousarray(part.samples, "<f4").tobytes()
            head = f"{name} {shape}".encode()
            # lengths first, so that no two lists of parts run together into the same bytes
            made.update(struct.pack("<QQ", len(head), len(content)) + head + content)
        return made.hexdigest()


@dataclass(frozen=True)
class Reply:
    """What a model answered.

    text: all it said.
    logprobs: natural logarithms of the probability of possible first tokens, by their text; a
        token left out is improbable.  None where the server does not tell.
    tokens_in, tokens_out: as the server counts them, 0 where it does not say.
    """

    text: str
    logprobs: Mapping[str, float] | None = None
    tokens_in: int = 0
    tokens_out: int = 0


class Unanswered(Exception):
    """A question that got no reply.  The judge turns it into a mark without a number.

    retry: asking again may help.  wait: seconds after which, if the server said so.
    """

    def __init__(self, why: str, *, retry: bool = False, wait: float = 0.0) -> None:
        super().__init__(why)
        self.why, self.retry, self.wait = why, retry, wait


class Backend(Protocol):
    """Whoever answers.

    name: of the model, for people.
    identity: all that decides an answer beside the question: model, encoding of the pictures.
    workers: how many questions it takes at once.
    """

    name: str
    identity: str
    workers: int

    def ask(self, question: Question) -> Reply:
        """Answers.  Raises Unanswered."""
