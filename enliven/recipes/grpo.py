"""Post-train the motion generator with GRPO on rendered, judged videos.

Copy this file, change what you like and give its path: enliven train my_grpo.py ...
"""

from enliven.reward.compose import FLOWPORTRAIT
from enliven.train.adapter import Adapting
from enliven.train.grpo import Grpo
from enliven.train.learner import Learning
from enliven.train.loop import Config
from enliven.train.performer_video import Gathering
from enliven.train.posttrain import PostTraining
from enliven.train.rollout import Exploring


def recipe() -> PostTraining:
    return PostTraining(
        Config(
            reward=FLOWPORTRAIT,
            # a weaker anchor gains no more and lets heads hang; see docs/posttraining.md
            method=Grpo(ratio="dimension-free", beta=20.0, updates=2),
            # of 8 steps the first two decide; see enliven/train/performer_policy.py
            exploring=Exploring(members=8, groups=4, steps=8, eta=1.0, window=1, early=0.25),
            learning=Learning(rate=3e-4, average=0.8),
            adapting=Adapting(0),  # all 2.9 M weights; Adapting(16, 32.0) with ten times the rate
            iterations=12,
            evaluate_every=4,
            held_out=("agreement",),
        ),
        Gathering(seconds=3),
        size=192,
    )
