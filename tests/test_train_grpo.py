"""Post-training end to end on a Gaussian policy, where it is known what must come out."""

import math
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")
pytest.importorskip("tensorboard", reason="training needs tensorboard: pip install enliven[train]")

from toy_policy import REWARD, SCALE, ToyPolicy, tilted  # noqa: E402
from toy_scores import GOAL, away, decode, near_goal, troubled  # noqa: E402

from enliven.errors import BadMedia, BadOption, OutputError, TrainingStopped  # noqa: E402
from enliven.flow import coefficients, replay, transition  # noqa: E402
from enliven.train import learner as learning_module  # noqa: E402
from enliven.train import loop as loop_module  # noqa: E402
from enliven.train.adapter import Adapting  # noqa: E402
from enliven.train.grpo import Batch, Grpo, Winners  # noqa: E402
from enliven.train.learner import Learner, Learning  # noqa: E402
from enliven.train.loop import Config, improve  # noqa: E402
from enliven.train.monitor import Stopping  # noqa: E402
from enliven.train.objectives import kl, log_ratio, policy_loss  # noqa: E402
from enliven.train.rollout import Exploring, Place, draw_group, frozen  # noqa: E402
from enliven.train.workers import Scoring  # noqa: E402
from enliven.types import Scorecard, Video  # noqa: E402

CONFIG = Config(
    REWARD,
    Grpo(beta=0.0, growth=0.0),
    Exploring(members=8, groups=4, steps=5, eta=0.7, window=2),
    Learning(rate=0.08, weight_decay=0.0, average=0.5),
    iterations=25,
    evaluate_every=25,
)


def test_a_policy_is_moved_to_what_is_rewarded(tmp_path: Path) -> None:
    policy = ToyPolicy()
    outcome = improve(policy, CONFIG, tmp_path)
    assert policy.m == pytest.approx(GOAL, abs=0.3)
    assert outcome.iterations == 25
    assert not outcome.why
    page = outcome.report.read_text("utf-8")
    assert "near" in page
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched


def test_a_stronger_pull_to_the_reference_keeps_it_nearer(tmp_path: Path) -> None:
    found = []
    for beta in (0.0, 0.3, 3.0):
        policy = ToyPolicy()
        method = replace(CONFIG.method, beta=beta)
        improve(policy, replace(CONFIG, method=method), tmp_path / str(beta))
        found.append(policy.m)
    assert found[0] > found[1] + 0.05 > found[2] + 0.1
    assert found[2] > 0


@pytest.mark.parametrize("beta", [0.1, 1.0, 10.0])
def test_one_gaussian_step_comes_to_rest_at_the_exact_tilt(beta: float) -> None:
    """The mean (m / s^2 + 2 c / beta) / (1 / s^2 + 2 / beta), by quadrature over the noise."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    z = torch.from_numpy(nodes)[:, None]
    share = torch.from_numpy(weights / weights.sum())
    x = torch.zeros(len(nodes), 1, dtype=torch.float64)
    t, after, level = 0.8, 0.4, 0.9

    def step(mean: torch.Tensor) -> object:
        here = transition(x, torch.zeros_like(x), t, after, level)
        return replace(here, mean=here.mean + mean)

    deviation = float(step(torch.zeros(())).deviation)
    for offset, sign in ((0.0, 0.0), (0.3, 1.0), (-0.3, -1.0)):
        at = tilted(beta, 0.2, deviation) + offset
        mean = torch.tensor(at, dtype=torch.float64, requires_grad=True)
        old, reference = step(mean.detach()), step(torch.tensor(0.2, dtype=torch.float64))
        following = old.mean + deviation * z
        gain = -((following - GOAL) ** 2)[:, 0]
        rows = policy_loss(log_ratio(step(mean), old, following, "plain"), gain, 1e-4, 1e-4)
        loss = (share * (rows + beta * kl(step(mean), reference))).sum()
        (slope,) = torch.autograd.grad(loss, mean)
        assert float(slope) == pytest.approx(0.0, abs=1e-9) if not sign else slope * sign > 0.01


def batch_of(policy: ToyPolicy, exploring: Exploring, advantages: np.ndarray) -> Batch:
    groups = [draw_group(policy, exploring, Place(0, 0, i), "one") for i in range(len(advantages))]
    counted = [np.ones(exploring.members, bool) for _ in groups]
    total = len(groups) * exploring.members
    return Batch(groups, [frozen(policy, g) for g in groups], list(advantages), counted, total)


def gradient(policy: ToyPolicy, learner: Learner, method: Grpo | Winners, batch: Batch
             ) -> tuple[float, torch.Tensor, dict]:  # fmt: skip
    learner.start()
    loss, told = method.backward(policy, learner, batch)
    grads = [w.grad.flatten() for w in learner.weights.values()]
    return loss, torch.cat(grads).clone(), told


@pytest.mark.parametrize("ratio", ["plain", "guard", "dimension-free"])
def test_the_first_update_is_on_policy_and_any_split_gives_its_gradient(ratio: str) -> None:
    gains = np.random.default_rng(0).standard_normal((2, 6))
    found = []
    for rows in (None, 1, 4):
        policy = ToyPolicy(7, 2)
        learner = Learner(policy.module, Learning(), Adapting())
        batch = batch_of(
            policy, Exploring(members=6, groups=2, steps=6, window=2, rows=rows), gains
        )
        loss, slope, told = gradient(policy, learner, Grpo(ratio, "none", beta=0.5), batch)
        assert max(told["ratio apart"]) == 0.0
        assert max(told["KL"]) == 0.0
        assert max(told["clipped above"] + told["clipped below"]) == 0.0
        assert loss == pytest.approx(-gains.mean(), abs=1e-12)
        found.append(slope)
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("parts", [1, 2])
def test_what_each_step_adds_to_the_gradient_is_told(parts: int) -> None:
    """By hand for a first update: -mean over samples of A z dmu/dm / sd, for each step."""
    gains = np.random.default_rng(0).standard_normal((3, 6))
    policy = ToyPolicy(2, parts)
    learner = Learner(policy.module, Learning(), Adapting())
    batch = batch_of(policy, Exploring(members=6, groups=3, steps=6, window=2), gains)
    _, slope, told = gradient(policy, learner, Grpo("plain", "none", beta=0.0, growth=0.0), batch)
    expected: dict[int, np.ndarray] = {}
    for group, gain in zip(batch.groups, gains, strict=True):
        for piece in group.pieces:
            made = piece.trajectory
            kept = np.ones(2) if made.given is None else ~np.asarray(made.given)
            for one in replay(policy.field(None), made):
                t, sd = float(made.times[one.step]), float(one.transition.deviation)
                level = made.noise_levels[one.step]
                q = coefficients(t, made.times[one.step + 1], level, made.kernel).velocity
                variance = (1 - t) ** 2 * SCALE**2 + t**2
                by_mean = (-t * (1 - t) + (1 - t) ** 2 * SCALE**2) / variance - 1
                z = (made.states[one.step + 1] - one.transition.mean).detach().numpy() / sd
                each = -(gain[:, None] * z * kept * q * by_mean / sd / kept.sum()).sum(0)
                share = each / (len(gains) * 6 * parts * 2)
                expected[one.step] = expected.get(one.step, 0.0) + share
    found = {int(name[9:]): values for name, values in told.items() if "gradient/" in name}
    assert set(found) == set(expected)
    assert len(found) > 1
    for step, value in expected.items():
        assert found[step] == [pytest.approx(np.linalg.norm(value), rel=1e-9)]
    np.testing.assert_allclose(sum(expected.values()), slope.numpy(), rtol=1e-9)


def test_the_page_shows_gradients_by_step(tmp_path: Path) -> None:
    config = replace(CONFIG, iterations=2, method=replace(CONFIG.method, updates=2),
                     exploring=replace(CONFIG.exploring, window=1, early=0.2))  # fmt: skip
    outcome = improve(ToyPolicy(), config, tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=False)
    for record in state["records"]:  # one noisy step, the first: all of the gradient is its
        assert record["gradient/0"] == pytest.approx(record["gradient"], rel=1e-12)
    assert "Gradient by noisy step" in outcome.report.read_text("utf-8")


def test_a_sample_that_does_not_count_moves_nothing() -> None:
    gains = np.zeros((1, 6))
    gains[0, 2] = 3.0
    policy = ToyPolicy(3)
    learner = Learner(policy.module, Learning(), Adapting())
    batch = batch_of(policy, Exploring(members=6, groups=1, steps=6), gains)
    batch.counted[0][2] = False
    assert not gradient(policy, learner, Grpo(beta=0.0), batch)[1].any()
    batch.counted[0][2] = True
    assert gradient(policy, learner, Grpo(beta=0.0), batch)[1].any()


def test_learning_from_winners_moves_the_mean_too(tmp_path: Path) -> None:
    policy = ToyPolicy()
    exploring = replace(CONFIG.exploring, eta=0.0, start="own")
    improve(policy, replace(CONFIG, method=Winners(), exploring=exploring), tmp_path)
    assert policy.m > 0.5
    assert Winners(share=0.5).chosen(np.array([1.0, -1, 2, 0]), np.ones(4, bool)) == [2, 0]
    assert Winners().chosen(np.array([1.0, 2]), np.array([True, False])) == [0]


def test_adapters_learn_alike_and_leave_the_rest(tmp_path: Path) -> None:
    policy = ToyPolicy()
    config = replace(CONFIG, adapting=Adapting(rank=1, alpha=2.0))
    improve(policy, config, tmp_path)
    assert policy.m > 0.5
    assert float(policy.module.mean.base.weight.abs().max()) == 0.0


def weights_after(folder: Path, config: Config) -> tuple[list[float], torch.Tensor]:
    state = torch.load(folder / "checkpoint.pt", weights_only=False)
    assert state["iteration"] == config.iterations
    return [r["loss"] for r in state["records"]], state["learner"]["weights"]["mean.weight"]


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from test_train_grpo import CONFIG, replace
from toy_policy import ToyPolicy
from enliven.train.loop import improve
improve(ToyPolicy(3, 2), replace(CONFIG, iterations=100000, evaluate_every=7), Path({folder!r}))
"""


def test_a_killed_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """kill -9 in the middle; the next losses are those of a run that was never stopped."""
    checkpoint = tmp_path / "killed" / "checkpoint.pt"
    code = KILLED.format(path=[str(Path(__file__).parent)], folder=str(tmp_path / "killed"))
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ})
    deadline = time.monotonic() + 170
    while not checkpoint.exists() or torch.load(checkpoint, weights_only=False)["iteration"] < 5:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = torch.load(checkpoint, weights_only=False)["iteration"]
    config = replace(CONFIG, iterations=reached + 5, evaluate_every=7)
    improve(ToyPolicy(3, 2), config, tmp_path / "killed")
    improve(ToyPolicy(3, 2), config, tmp_path / "whole")
    resumed, whole = (weights_after(tmp_path / name, config) for name in ("killed", "whole"))
    assert resumed[0] == whole[0]
    assert torch.equal(resumed[1], whole[1])


def test_a_full_disk_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    improve(ToyPolicy(), replace(CONFIG, iterations=2), tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(content: object, file: object) -> None:
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(learning_module.torch, "save", full)
    with pytest.raises(OutputError, match=r"disk is full.*intact"):
        improve(ToyPolicy(), replace(CONFIG, iterations=3), tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert not list(tmp_path.glob("*.part"))
    monkeypatch.undo()  # somebody made room
    improve(ToyPolicy(), replace(CONFIG, iterations=3), tmp_path)
    improve(ToyPolicy(), replace(CONFIG, iterations=3), tmp_path / "whole")
    resumed, whole = (weights_after(folder, replace(CONFIG, iterations=3))
                      for folder in (tmp_path, tmp_path / "whole"))  # fmt: skip
    assert resumed[0] == whole[0]
    assert torch.equal(resumed[1], whole[1])


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file could not be written"):
        improve(ToyPolicy(), CONFIG, tmp_path / "file")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "report.part")

    monkeypatch.setattr(loop_module, "write_report", full)
    with pytest.raises(OutputError, match=r"No space left.*goes on from the last checkpoint"):
        improve(ToyPolicy(), CONFIG, tmp_path / "run")


def test_workers_that_die_and_hang_do_not_stop_a_run(tmp_path: Path) -> None:
    """What cannot be scored counts for nothing; the same run goes on afterwards."""
    policy = ToyPolicy(inputs=["dies", "hangs"], scoring=Scoring(decode, troubled))
    policy.held_out = ["one"]
    config = replace(CONFIG, exploring=replace(CONFIG.exploring, members=4, groups=2), iterations=1)
    improve(policy, config, tmp_path, workers=2, timeout=3.0)
    improve(ToyPolicy(), replace(config, iterations=2), tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=False)
    record = state["records"][0]
    assert 0 < record["invalid"] < 1
    assert math.isfinite(record["loss"])
    assert state["iteration"] == 2


def test_a_held_out_input_that_is_gone_stops_the_run_until_it_is_back(tmp_path: Path) -> None:
    policy = ToyPolicy()
    improve(policy, replace(CONFIG, iterations=1), tmp_path)
    policy = ToyPolicy()
    policy.held_out = ["gone"]
    with pytest.raises(BadMedia, match="photo is missing"):
        improve(policy, replace(CONFIG, iterations=2), tmp_path)
    assert improve(ToyPolicy(), replace(CONFIG, iterations=2), tmp_path).iterations == 2


def test_other_options_and_sizes_do_not_continue_a_run(tmp_path: Path) -> None:
    improve(ToyPolicy(), replace(CONFIG, iterations=1), tmp_path)
    with pytest.raises(BadOption, match=r"other options.*seed"):
        improve(ToyPolicy(), replace(CONFIG, seed=1), tmp_path)
    with pytest.raises(BadOption, match=r"another size.*mean\.weight"):
        improve(ToyPolicy(3), replace(CONFIG, iterations=2), tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"rubbish")
    with pytest.raises(BadOption, match="cannot be read"):
        improve(ToyPolicy(), CONFIG, tmp_path)


class Breaking(ToyPolicy):
    """Computes NaN once it has learned anything."""

    def velocity(self, x: torch.Tensor, t: torch.Tensor, condition: object) -> torch.Tensor:
        made = super().velocity(x, t, condition)
        return made * float("nan") if self.broken and made.requires_grad else made

    @property
    def broken(self) -> bool:
        return bool(self.m != 0.0)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    config = replace(CONFIG, iterations=5)
    with pytest.raises(TrainingStopped, match="not finite"):
        improve(Breaking(), config, tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=False)
    assert state["iteration"] == 1
    assert torch.isfinite(state["learner"]["weights"]["mean.weight"]).all()
    assert (tmp_path / "report.html").exists()


def test_a_group_nobody_could_score_teaches_nothing(tmp_path: Path) -> None:
    policy = ToyPolicy(inputs=["fails"], scoring=Scoring(decode, troubled))
    config = replace(CONFIG, iterations=5)
    with pytest.raises(TrainingStopped, match="could not be scored in 3 iterations"):
        improve(policy, config, tmp_path)
    assert policy.m == 0.0


def test_inputs_that_are_gone_are_left_out(tmp_path: Path) -> None:
    policy = ToyPolicy(inputs=["one", "gone"])
    improve(policy, replace(CONFIG, iterations=4), tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=False)
    assert all(r["invalid"] == pytest.approx(0.5) for r in state["records"])
    assert policy.m > 0


def test_a_reward_that_pays_for_the_wrong_thing_is_stopped(tmp_path: Path) -> None:
    policy = ToyPolicy(scoring=Scoring(decode, near_goal, away))
    config = replace(CONFIG, held_out=("away",), evaluate_every=5, iterations=100)
    outcome = improve(policy, config, tmp_path)
    assert "held-out score fell 2 times" in outcome.why
    assert outcome.iterations < 30
    assert outcome.best == 0
    assert policy.m == 0.0  # the best weights are those it began with
    again = improve(ToyPolicy(scoring=policy.scoring), config, tmp_path)
    assert again.iterations == outcome.iterations  # it does not go on by being run again


def test_weights_with_which_faces_rest_elsewhere_are_not_kept(tmp_path: Path) -> None:
    """Though all else is better with them."""

    def seen(video: Video, given: object) -> Scorecard:
        near = near_goal(video, given).scores["near"]
        return Scorecard({"good": near, "rest/tilt": near})

    policy = ToyPolicy(scoring=Scoring(decode, near_goal, seen))
    config = replace(CONFIG, held_out=("good",), evaluate_every=5, iterations=100)
    config = replace(config, stopping=Stopping(strays=0.001))
    outcome = improve(policy, config, tmp_path)
    assert "the mean of rest/tilt moved" in outcome.why
    assert outcome.best < outcome.iterations
    evaluations = torch.load(tmp_path / "checkpoint.pt", weights_only=False)["evaluations"]
    assert evaluations[-1]["held out"] > evaluations[0]["held out"]


def test_dropout_is_found_by_the_first_ratio(tmp_path: Path) -> None:
    class Dropping(ToyPolicy):
        def velocity(self, x: torch.Tensor, t: torch.Tensor, condition: object) -> torch.Tensor:
            return torch.nn.functional.dropout(super().velocity(x, t, condition), 0.1, True)

    with pytest.raises(TrainingStopped, match="away from 1"):
        improve(Dropping(4), CONFIG, tmp_path)


def test_a_judge_that_changes_is_found(tmp_path: Path) -> None:
    policy = ToyPolicy()
    improve(policy, replace(CONFIG, iterations=2), tmp_path)

    def harsher(video: object, given: object) -> object:
        card = near_goal(video, given)
        score = card.scores["near"]
        return replace(card, scores={"near": replace(score, value=2 * score.value - 1)})

    with pytest.raises(TrainingStopped, match="the judge has changed"):
        improve(ToyPolicy(scoring=Scoring(decode, harsher)), CONFIG, tmp_path)


TWO = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
import torch
torch.set_num_threads(1)
from test_train_grpo import CONFIG, replace
from toy_policy import ToyPolicy
from enliven.train.loop import improve
from enliven.train.parallel import join, leave
join()
improve(ToyPolicy(3, 2), replace(CONFIG, iterations=4, evaluate_every=2), Path({folder!r}))
leave()
"""


@pytest.mark.slow
def test_two_processes_are_one(tmp_path: Path) -> None:
    code = TWO.format(path=[str(Path(__file__).parent)], folder=str(tmp_path / "two"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [
        subprocess.Popen([sys.executable, "-c", code], env={
            **os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2",
            "RANK": str(rank)})
        for rank in range(2)
    ]  # fmt: skip
    config = replace(CONFIG, iterations=4, evaluate_every=2)
    improve(ToyPolicy(3, 2), config, tmp_path / "one")
    try:
        assert [process.wait(170) for process in both] == [0, 0]
    finally:
        for process in both:
            process.kill()
    two, one = (weights_after(tmp_path / name, config) for name in ("two", "one"))
    assert two[0] == pytest.approx(one[0], rel=1e-9)
    torch.testing.assert_close(two[1], one[1], rtol=1e-9, atol=1e-12)
