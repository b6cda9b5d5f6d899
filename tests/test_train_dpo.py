"""Learning from pairs, on a Gaussian policy: pytest tests/test_train_dpo.py"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")
pytest.importorskip("tensorboard", reason="training needs tensorboard: pip install enliven[train]")

from toy_policy import REWARD, ToyPolicy  # noqa: E402
from toy_scores import GOAL  # noqa: E402

from enliven.errors import BadOption, TrainingStopped  # noqa: E402
from enliven.train.adapter import Adapting  # noqa: E402
from enliven.train.dpo import Dpo, Pair, Preferring, best_and_worst, prefer  # noqa: E402
from enliven.train.learner import Learner, Learning  # noqa: E402
from enliven.train.loop import Config, improve  # noqa: E402
from enliven.train.rollout import Exploring, Place  # noqa: E402

FULL = Adapting(rank=0)
RUN = Preferring(
    Dpo(beta=4.0, draws=2), Learning(rate=0.02, weight_decay=0.0, average=0.5), FULL,
    pairs=4, reuse=5, accuracy=1.0, rise=10.0,
)  # fmt: skip
PLACE = Place(0, 0, 0)


def pairs(count: int, better: float = 0.6, worse: float = -0.6, parts: int = 1) -> list[Pair]:
    rng = np.random.default_rng(3)
    made = []
    for _ in range(count):
        drawn = [torch.tensor([[better], [worse]]) + 0.1 * torch.tensor(rng.normal(size=(2, 1)))
                 for _ in range(parts)]  # fmt: skip
        made.append(Pair("one", tuple(drawn)))
    return made


def fresh(policy: ToyPolicy) -> Learner:
    learner = Learner(policy.module, RUN.learning, FULL)
    learner.start()
    return learner


def test_before_anything_is_learned_the_loss_is_ln_2() -> None:
    policy = ToyPolicy()
    loss, seen = Dpo(beta=900.0).learn(policy, fresh(policy), pairs(1)[0], PLACE, 1.0)
    assert loss == pytest.approx(math.log(2), abs=1e-12)
    assert seen["implicit accuracy"] == 0  # a tie is not right
    assert seen["winner's error, rise"] == 0


def test_equals_teach_nothing() -> None:
    policy = ToyPolicy()
    learner = fresh(policy)
    same = Pair("one", (torch.full((2, 1), 0.7),))
    Dpo().learn(policy, learner, same, PLACE, 1.0)
    assert all(float(w.grad.abs().max()) == 0 for w in learner.weights.values())


def test_it_becomes_likelier_to_draw_what_was_preferred(tmp_path: Path) -> None:
    policy = ToyPolicy()
    done = prefer(policy, pairs(16), RUN, tmp_path)
    assert policy.m > 0.1
    assert done.records[-1]["implicit accuracy"] > 0.6
    assert done.records[-1]["loss"] < math.log(2) < done.records[0]["loss"] + 1e-6
    other = ToyPolicy()
    prefer(other, pairs(16, -0.6, 0.6), RUN, tmp_path / "other")
    assert other.m < -0.1


def test_without_sharpness_only_the_anchor_pulls(tmp_path: Path) -> None:
    still, pulled = ToyPolicy(), ToyPolicy()
    prefer(still, pairs(8), replace(RUN, method=Dpo(beta=0.0)), tmp_path / "a")
    assert still.m == 0
    prefer(pulled, pairs(8), replace(RUN, method=Dpo(beta=0.0, anchor=1.0)), tmp_path / "b")
    assert pulled.m > 0.05


def test_parts_and_what_is_given_in_them(tmp_path: Path) -> None:
    """Of a part whose every number is given nothing is learned; three of three parts are used."""
    policy = ToyPolicy(size=2, parts=3)
    rng = np.random.default_rng(0)
    drawn = tuple(torch.tensor(rng.normal(size=(2, 2))) for _ in range(3))
    loss, _ = Dpo(beta=1.0).learn(policy, fresh(policy), Pair("one", drawn), PLACE, 1.0)
    assert loss == pytest.approx(math.log(2))
    with pytest.raises(BadOption, match="parts"):
        Dpo().learn(policy, fresh(policy), Pair("one", (*drawn, drawn[0])), PLACE, 1.0)


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, broken = ToyPolicy(), ToyPolicy()
    prefer(whole, pairs(8), replace(RUN, reuse=4), tmp_path / "whole")
    prefer(broken, pairs(8), replace(RUN, reuse=2), tmp_path / "broken")
    again = ToyPolicy()
    prefer(again, pairs(8), replace(RUN, reuse=4), tmp_path / "broken")
    assert again.m == whole.m
    assert again.m != broken.m


def test_it_ends_when_pairs_are_known_by_heart_or_the_generator_forgets(tmp_path: Path) -> None:
    long = replace(RUN, reuse=50, steady=5)
    done = prefer(ToyPolicy(), pairs(8), replace(long, accuracy=0.5), tmp_path / "a")
    assert "by heart" in done.why
    assert done.updates < 100
    done = prefer(ToyPolicy(), pairs(8, 3.0, 2.0), replace(long, rise=-1.0), tmp_path / "b")
    assert "forgets" in done.why


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="no pairs"):
        prefer(ToyPolicy(), [], RUN, tmp_path)
    with pytest.raises(BadOption, match="beta"):
        Dpo(beta=-1)
    broken = [Pair("one", (torch.tensor([[math.nan], [1.0]]),))]
    with pytest.raises(TrainingStopped, match="not finite"):
        prefer(ToyPolicy(), broken, RUN, tmp_path)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_best_and_worst_of_those_that_count() -> None:
    gains = np.array([0.1, 2.0, -3.0, 1.0])
    assert best_and_worst(gains, np.array([True, False, True, True])) == [3, 2]
    assert best_and_worst(np.zeros(3), np.ones(3, bool)) is None
    assert best_and_worst(gains, np.zeros(4, bool)) is None


def test_best_against_worst_of_fresh_groups(tmp_path: Path) -> None:
    policy = ToyPolicy()
    config = Config(
        REWARD, Dpo(beta=4.0), Exploring(members=8, groups=4, steps=5, eta=0.0, start="own"),
        Learning(rate=0.05, weight_decay=0.0, average=0.5), iterations=20, evaluate_every=20,
    )  # fmt: skip
    improve(policy, config, tmp_path)
    assert abs(policy.m - GOAL) < 0.6 * abs(GOAL)
