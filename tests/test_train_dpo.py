"""Learning from pairs, on a Gaussian policy: pytest tests/test_train_dpo.py"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")
pytest.importorskip("tensorboard", reason="training needs tensorboard: pip install enliven[train]")

from toy_policy import REWARD, ToyPolicy  # noqa: E402
from toy_scores import GOAL, away, decode, near_goal  # noqa: E402

from enliven.errors import BadOption, OutputError, TrainingStopped  # noqa: E402
from enliven.train import learner as learning_module  # noqa: E402
from enliven.train.adapter import Adapting  # noqa: E402
from enliven.train.dpo import Dpo, Pair, Preferring, Watching, best_and_worst, prefer  # noqa: E402
from enliven.train.learner import Learner, Learning  # noqa: E402
from enliven.train.loop import Config, improve  # noqa: E402
from enliven.train.monitor import Stopping  # noqa: E402
from enliven.train.rollout import Exploring, Place  # noqa: E402
from enliven.train.workers import Scoring  # noqa: E402

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


WATCHED = replace(RUN, watching=Watching(REWARD, exploring=Exploring(steps=5), every=4))


def test_held_out_inputs_are_watched_and_the_best_weights_kept(tmp_path: Path) -> None:
    policy, seen = ToyPolicy(), []
    done = prefer(policy, pairs(16), WATCHED, tmp_path, progress=lambda *now: seen.append(now))
    assert [one["iteration"] for one in done.evaluations] == [0, 4, 8, 12, 16, 20]
    rewards = [one["reward"] for one in done.evaluations]
    assert rewards[-1] > rewards[0]  # what is preferred is nearer to what is scored
    assert done.best == done.evaluations[int(np.argmax(rewards))]["iteration"]
    later = [one["implicit accuracy"] for one in done.records[4:8]]
    assert done.evaluations[0]["implicit accuracy"] == 0.5
    assert done.evaluations[2]["implicit accuracy"] == pytest.approx(np.mean(later))
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=False)["best"]["weights"]
    assert policy.m == float(kept["mean.weight"])
    assert seen[0] == ("updates", 0, 20)
    assert seen[-1] == ("updates", 20, 20)
    page = done.report.read_text("utf-8")
    for title in ("Implicit accuracy", "Margin", "Winners&#x27; own error", "Loss", "held-out"):
        assert title in page
    assert list((tmp_path / "log").glob("events*"))


def test_nothing_is_watched_unless_asked_and_the_page_still_told(tmp_path: Path) -> None:
    done = prefer(ToyPolicy(), pairs(8), RUN, tmp_path)
    assert done.evaluations == ()
    assert done.best == done.updates
    assert "Implicit accuracy" in done.report.read_text("utf-8")
    nobody = ToyPolicy()
    nobody.held_out = []
    with pytest.raises(BadOption, match="no held-out inputs"):
        prefer(nobody, pairs(8), WATCHED, tmp_path / "nobody")


@pytest.mark.parametrize("held_out", [(), ("away",)])
def test_it_ends_when_what_is_held_out_falls_while_pairs_are_learned(
    held_out: tuple[str, ...], tmp_path: Path
) -> None:
    """What is preferred is what is scored worst; the weights of before are the best."""
    better = 0.6 if held_out else -0.6
    policy = ToyPolicy(scoring=Scoring(decode, near_goal, away))
    watching = replace(WATCHED.watching, held_out=held_out, every=2, stopping=Stopping(least=0.0))
    config = replace(WATCHED, watching=watching, reuse=50)
    done = prefer(policy, pairs(16, better, -better), config, tmp_path)
    shown = "held-out score" if held_out else "reward"
    assert done.why.startswith(f"the {shown} fell 2 times in a row")
    assert "while the implicit accuracy rose" in done.why
    assert done.updates < 40
    assert done.best == 0
    assert policy.m == 0.0
    assert done.why.replace("'", "&#x27;") in done.report.read_text("utf-8")
    again = prefer(ToyPolicy(scoring=policy.scoring), pairs(16, better, -better), config, tmp_path)
    assert (again.updates, again.why) == (done.updates, done.why)


def test_a_watched_run_that_was_stopped_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """Stopped by a disk that is full at the second checkpoint; the first is gone on from."""
    config = replace(WATCHED, save_every=4)
    whole = prefer(ToyPolicy(), pairs(16), config, tmp_path / "whole")
    real, saved = learning_module.torch.save, []

    def once(content: object, file: object) -> None:
        if saved:
            raise OSError(28, "No space left on device")
        saved.append(content)
        real(content, file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning_module.torch, "save", once)
        with pytest.raises(OutputError, match=r"disk is full.*intact"):
            prefer(ToyPolicy(), pairs(16), config, tmp_path / "broken")
    policy = ToyPolicy()
    again = prefer(policy, pairs(16), config, tmp_path / "broken")
    assert again.records == whole.records
    for a, b in zip(again.evaluations, whole.evaluations, strict=True):
        for name in set(a) - {"time/evaluate", "canary"}:
            assert a[name] == pytest.approx(b[name], rel=0, abs=0, nan_ok=True)
    assert again.best == whole.best


def test_checkpoints_of_before_runs_were_watched_are_read(tmp_path: Path) -> None:
    whole = ToyPolicy()
    prefer(whole, pairs(8), replace(RUN, reuse=4), tmp_path / "whole")
    prefer(ToyPolicy(), pairs(8), replace(RUN, reuse=2), tmp_path / "old")
    state = torch.load(tmp_path / "old" / "checkpoint.pt", weights_only=False)
    del state["config"]["watching"]
    old = {name: state[name] for name in ("config", "learner", "records")}
    torch.save(old, tmp_path / "old" / "checkpoint.pt")
    again = ToyPolicy()
    prefer(again, pairs(8), replace(RUN, reuse=4), tmp_path / "old")
    assert again.m == whole.m


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="no pairs"):
        prefer(ToyPolicy(), [], RUN, tmp_path)
    with pytest.raises(BadOption, match="beta"):
        Dpo(beta=-1)
    broken = [Pair("one", (torch.tensor([[math.nan], [1.0]]),))]
    with pytest.raises(TrainingStopped, match="not finite"):
        prefer(ToyPolicy(), broken, RUN, tmp_path)
    assert not (tmp_path / "checkpoint.pt").exists()
    with pytest.raises(BadOption, match="every"):
        Watching(REWARD, every=0)


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
