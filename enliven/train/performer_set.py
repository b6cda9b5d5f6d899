"""The pieces and performances a run of the performer learns from.

Speakers count by the root of their clips, as for the articulation network.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enliven.motion.articulation import Articulation
from enliven.train.articulation_data import SHARE, Clip, seed_of
from enliven.train.performer_data import (
    Performed,
    Piece,
    heard_piece,
    performed,
    quiet_piece,
    real_piece,
)


@dataclass(frozen=True)
class SetConfig:
    """How much to learn from.

    real, heard, quiet: pieces of real clips, of voices whose lips nobody saw, of nobody speaking.
    takes: performances of each piece.  tested: share of pieces kept for the report.
    """

    real: int = 420
    heard: int = 160
    quiet: int = 30
    takes: int = 4
    tested: float = 0.05
    seed: int = 0


def real_pieces(clips: Sequence[Clip], articulation_of: Mapping[str, Articulation], count: int,
                seed: int) -> list[Piece]:  # fmt: skip
    """Three or four clips in a row of each piece's speaker.

    articulation_of: for each speaker a network that never heard them.
    """
    by_speaker: dict[str, list[Clip]] = {}
    for clip in clips:
        by_speaker.setdefault(clip.speaker, []).append(clip)
    names = sorted(by_speaker)
    share = np.array([len(by_speaker[name]) for name in names], float) ** SHARE
    share = np.minimum(share, share.sum() / 2)
    pieces = []
    for number in range(count):
        rng = np.random.default_rng(seed_of(seed, "real", number))
        speaker = names[rng.choice(len(names), p=share / share.sum())]
        own = by_speaker[speaker]
        chosen = [own[i] for i in rng.integers(0, len(own), 3 + number % 2)]
        pieces.append(real_piece(chosen, articulation_of[speaker], rng))
    return pieces


def make_set(clips: Sequence[Clip], voices: Sequence[NDArray], articulation: Articulation,
             articulation_of: Mapping[str, Articulation], config: SetConfig, stored: Path
             ) -> tuple[list[Performed], list[Performed]]:  # fmt: skip
    """Performances to learn from and some to test on; made once, then read from `stored`.

    voices: samples (N,) of voices without lips.  articulation: the network for these.
    """
    if not stored.exists():
        pieces = real_pieces(clips, articulation_of, config.real, config.seed)
        for number in range(config.heard if voices else 0):
            rng = np.random.default_rng(seed_of(config.seed, "heard", number))
            pieces.append(heard_piece(voices[number % len(voices)], articulation, rng))
        for number in range(config.quiet):
            rng = np.random.default_rng(seed_of(config.seed, "quiet", number))
            pieces.append(quiet_piece(articulation, rng))
        hidden = stored.with_suffix(".part")
        hidden.write_bytes(pickle.dumps(pieces, protocol=5))
        hidden.replace(stored)
    pieces = pickle.loads(stored.read_bytes())
    order = np.random.default_rng(seed_of(config.seed, "tested")).permutation(len(pieces))
    cut = round(config.tested * len(pieces))
    takes = [
        [performed(pieces[i], np.random.default_rng(seed_of(config.seed, "take", int(i), take)))
         for i in part for take in range(config.takes)]
        for part in (order[cut:], order[:cut])
    ]  # fmt: skip
    return takes[0], takes[1]
