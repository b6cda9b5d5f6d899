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
    # draws as users get them: without noise in the steps, each from a start of its own
    exploring = replace(base.config.exploring, eta=0.0, start="own")
    config = replace(base.config, method=Winners(), exploring=exploring,
                     learning=Learning(rate=1e-4))  # fmt: skip
    return replace(base, config=config)
