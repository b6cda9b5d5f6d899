"""Post-train the motion generator on the best of its own draws: what GRPO has to beat.

Supervised training on clips of people is recipes.speech.
"""

from dataclasses import replace

from enliven.recipes.grpo import recipe as grpo
from enliven.train.grpo import Winners
from enliven.train.learner import Learning
from enliven.train.posttrain import PostTraining


def recipe() -> PostTraining:
    base = grpo()
    method = Winners(share=0.25, updates=2)
    learning = Learning(rate=1e-3, average=0.8)
    return replace(base, config=replace(base.config, method=method, learning=learning))
