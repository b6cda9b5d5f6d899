"""Post-train the motion generator on pairs of better and worse performances, with Flow-DPO.

Copy this file, change what you like and give its path: enliven train my_dpo.py ...
"""

from enliven.reward.compose import FLOWPORTRAIT
from enliven.train.adapter import Adapting
from enliven.train.dpo import Dpo, Preferring, Watching
from enliven.train.learner import Learning
from enliven.train.performer_pairs import FromPairs
from enliven.train.rollout import Exploring


def recipe() -> FromPairs:
    return FromPairs(
        Preferring(
            method=Dpo(beta=500.0, anchor=0.0, draws=4),
            # a few dozen updates: a slower mean would stay where it began
            learning=Learning(rate=5e-5, average=0.8),
            adapting=Adapting(rank=16, alpha=32.0),
            pairs=8,
            reuse=6,
            # with --photos and --sounds: what is kept out of the pairs decides which weights stay
            watching=Watching(
                FLOWPORTRAIT, held_out=("agreement",), exploring=Exploring(steps=8), every=10
            ),
        )
    )
