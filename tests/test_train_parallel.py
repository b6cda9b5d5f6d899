"""Two processes are one, whole weights and sharded ones alike: pytest tests/test_train_parallel.py

Weights are sharded on the CPU by the function that accelerate shards with; accelerate itself
does so on GPUs only.
"""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")
pytest.importorskip("tensorboard", reason="training needs tensorboard: pip install enliven[train]")
pytest.importorskip("accelerate", reason="training needs accelerate: pip install enliven[train]")

from test_train_grpo import CONFIG  # noqa: E402
from torch import nn  # noqa: E402
from toy_policy import REWARD, ToyPolicy  # noqa: E402
from toy_scores import decode, troubled  # noqa: E402

from enliven.errors import BadOption  # noqa: E402
from enliven.train.adapter import Adapting, adapt, merged_state  # noqa: E402
from enliven.train.dpo import Dpo, Pair, Preferring, Watching, prefer  # noqa: E402
from enliven.train.grpo import Grpo, Winners  # noqa: E402
from enliven.train.learner import Learner, Learning, load, save  # noqa: E402
from enliven.train.loop import Config, improve  # noqa: E402
from enliven.train.parallel import add_up, gathered, place, share, spread  # noqa: E402
from enliven.train.rollout import Exploring  # noqa: E402
from enliven.train.sharded import full, is_sharded, whole  # noqa: E402
from enliven.train.workers import Scoring  # noqa: E402

LEARNING = Learning(rate=0.05, weight_decay=0.01, largest=0.5, average=0.6)
LORA = Adapting(2, 4.0)


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        net = nn.Sequential(nn.Linear(5, 7), nn.SiLU(), nn.Linear(7, 3)).double()
        net.requires_grad_(True)
        return net


def shard(module: nn.Module) -> None:
    from types import SimpleNamespace

    from accelerate.utils import FullyShardedDataParallelPlugin
    from accelerate.utils.fsdp_utils import fsdp2_prepare_model

    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, cpu_ram_efficient_loading=False, auto_wrap_policy="size_based_wrap",
        min_num_params=20, reshard_after_forward=True,
    )  # fmt: skip
    told = SimpleNamespace(state=SimpleNamespace(fsdp_plugin=plugin), mixed_precision="no",
                           is_main_process=place()[0] == 0)  # fmt: skip
    fsdp2_prepare_model(told, module)


def learned(adapting: Adapting, path: Path, updates: int, sharded: bool) -> dict[str, list]:
    """Updates on six samples, shared by the processes, from a checkpoint on if there is one."""
    net = network()
    if sharded:
        adapt(net, adapting, 1)
        shard(net)
    learner = Learner(net, LEARNING, adapting, 1)
    assert learner.sharded is sharded
    rng = torch.Generator().manual_seed(2)
    x = torch.randn(6, 5, generator=rng, dtype=torch.float64)
    y = torch.randn(6, 3, generator=rng, dtype=torch.float64)
    state = load(path, LEARNING)
    if state is not None:
        learner.restore(state["learner"], path)
    norms = []
    for _ in range(updates):
        learner.start()
        for i in share(range(6)):
            with learner.averaged():  # gathered weights of before must not stay
                learner.module(x[i : i + 1])
            with learner.reference():
                before = learner.module(x[i : i + 1])
            now = learner.module(x[i : i + 1])
            ((now - y[i]).square().sum() / 6 + (now - before).square().sum()).backward()
        norms.append(learner.step())
    with torch.no_grad():
        seen = [learner.module(x)]
        with learner.averaged():
            seen.append(learner.module(x))
        with learner.reference():
            seen.append(learner.module(x))
        seen.append(learner.module(x))
    assert torch.equal(seen[0], seen[3])
    save(path, {"config": {**vars(LEARNING)}, "learner": learner.state()})
    merged = whole({name: full(value) for name, value in merged_state(net).items()})
    return {"norms": norms, "seen": seen, "merged": list(merged.values())}


def same(one: dict[str, list], other: dict[str, list]) -> None:
    assert one["norms"] == pytest.approx(other["norms"], rel=1e-9)
    for name in ("seen", "merged"):
        for a, b in zip(one[name], other[name], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


START = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
import test_train_parallel as here
from enliven.train.parallel import join, leave
join()
here.{function}(Path({folder!r}))
leave()
"""


def in_two(function: str, folder: Path) -> None:
    """Run a function of this file in two processes, with a folder."""
    code = START.format(path=[str(Path(__file__).parent)], function=function, folder=str(folder))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env={
            **os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2",
            "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"})
        for rank in range(2)
    ]  # fmt: skip
    try:
        told = [process.communicate(timeout=400)[1] for process in both]
        assert [process.returncode for process in both] == [0, 0], "\n".join(told)
    finally:
        for process in both:
            process.kill()


def both_kinds(folder: Path) -> None:
    """What two processes do in the test below."""
    for name, adapting in (("full", Adapting()), ("lora", LORA)):
        for sharded in (False, True):
            path = folder / f"{name}-{sharded}.pt"
            torch.save(learned(adapting, path, 3, sharded), folder / f"{path.stem}-{place()[0]}")
            other = folder / f"{name}-alone.pt"  # go on from a checkpoint of one process
            copy = folder / f"{path.stem}-on.pt"
            if place()[0] == 0:
                copy.write_bytes(other.read_bytes())
            gathered(0)
            torch.save(learned(adapting, copy, 2, sharded), folder / f"{copy.stem}-{place()[0]}")
    total = torch.tensor([1.0 + place()[0]])
    add_up([total])
    assert float(total) == 3.0
    assert gathered({"rank": place()[0]}) == [{"rank": 0}, {"rank": 1}]
    assert len(share(range(5), even=True)) == 3
    net = network()
    shard(net)
    with pytest.raises(BadOption, match="sharded before its adapters"):
        Learner(net, LEARNING, LORA)
    os.environ["ACCELERATE_USE_FSDP"] = "true"
    with pytest.raises(BadOption, match="on GPUs only"):
        spread(network())


@pytest.mark.slow
def test_two_processes_learn_as_one_and_share_checkpoints(tmp_path: Path) -> None:
    alone, on = {}, {}
    for name, adapting in (("full", Adapting()), ("lora", LORA)):
        path = tmp_path / f"{name}-alone.pt"
        alone[name] = learned(adapting, path, 3, False)
        again = tmp_path / f"{name}-again.pt"
        again.write_bytes(path.read_bytes())
        on[name] = learned(adapting, again, 2, False)
    in_two("both_kinds", tmp_path)
    for name, adapting in (("full", Adapting()), ("lora", LORA)):
        for sharded in (False, True):
            stem = f"{name}-{sharded}"
            one, other = (torch.load(tmp_path / f"{stem}-{k}") for k in range(2))
            assert one["norms"] == other["norms"]
            same(one, alone[name])
            same(torch.load(tmp_path / f"{stem}-on-0"), on[name])
            # a checkpoint of two processes, sharded or not, is continued by one
            same(learned(adapting, tmp_path / f"{stem}.pt", 2, False), on[name])


def runs(folder: Path, sharded: bool = True) -> None:
    """Every method, on inputs that teach nothing among others; one input held out."""
    config = Config(
        REWARD, Grpo(beta=0.1), Exploring(members=8, groups=4, steps=5, eta=0.7, window=2),
        Learning(rate=0.08, weight_decay=0.0, average=0.5), iterations=3, evaluate_every=2,
    )  # fmt: skip
    drawn = replace(config.exploring, eta=0.0, start="own")
    for name, one in (
        ("grpo", config),
        ("lora", replace(config, adapting=LORA)),
        ("winners", replace(config, method=Winners(), exploring=drawn)),
        ("dpo", replace(config, method=Dpo(beta=4.0), exploring=drawn)),
    ):
        policy = ToyPolicy(3, 2, ["one", "fails"], Scoring(decode, troubled))
        policy.held_out = ["one"]
        if sharded:
            adapt(policy.module, one.adapting, one.seed)
            shard(policy.module)
        improve(policy, one, folder / name)
    rng = np.random.default_rng(3)
    pairs = [Pair("one", (torch.tensor(rng.normal([[0.6] * 3, [-0.6] * 3], 0.1)),))
             for _ in range(8)]  # fmt: skip
    policy = ToyPolicy(3)
    if sharded:
        shard(policy.module)
    prefer(policy, pairs, Preferring(
        Dpo(beta=4.0, draws=2), Learning(rate=0.02, average=0.5), pairs=4, reuse=2,
        watching=Watching(REWARD, exploring=Exploring(steps=5), every=2),
    ), folder / "pairs")  # fmt: skip
    if sharded:
        policy = ToyPolicy()
        shard(policy.module)
        with pytest.raises(BadOption, match="cannot be shared evenly by 2"):
            improve(policy, replace(config, exploring=replace(drawn, groups=3)), folder / "odd")


@pytest.mark.slow
def test_a_run_on_sharded_weights_is_that_of_one_process(tmp_path: Path) -> None:
    in_two("runs", tmp_path / "two")
    runs(tmp_path / "one", sharded=False)
    for name in ("grpo", "lora", "winners", "dpo", "pairs"):
        two, one = (torch.load(tmp_path / side / name / "checkpoint.pt", weights_only=False)
                    for side in ("two", "one"))  # fmt: skip
        for a, b in zip(two["records"], one["records"], strict=True):
            assert a["loss"] == pytest.approx(b["loss"], rel=1e-9, abs=1e-12)
            assert a["gradient"] == pytest.approx(b["gradient"], rel=1e-9, abs=1e-12)
        assert one["records"][0]["gradient"] > 0
        assert two["best"]["iteration"] == one["best"]["iteration"]
        for kind in ("weights", "mean"):
            for key, value in one["learner"][kind].items():
                torch.testing.assert_close(two["learner"][kind][key], value)
        for key, value in one["best"]["weights"].items():
            torch.testing.assert_close(two["best"]["weights"][key], value)


RECIPE = """
import sys
from pathlib import Path
sys.path[:0] = [{path!r}]
from test_train_grpo import CONFIG, replace
from toy_policy import ToyPolicy
from enliven.train.loop import improve
from enliven.train.parallel import join, leave

class Toy:
    def run(self, out: Path, *, progress=None) -> Path:
        join()
        improve(ToyPolicy(3, 2), replace(CONFIG, iterations=4), out, progress=progress)
        leave()
        return out

def recipe():
    return Toy()
"""


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [
    ["accelerate.commands.launch", "--cpu", "--num-processes", "2", "-m"],
    ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"],
])  # fmt: skip
def test_launchers_start_the_command_line(launcher: list[str], tmp_path: Path) -> None:
    recipe = tmp_path / "toy.py"
    recipe.write_text(RECIPE.format(path=str(Path(__file__).parent)))
    done = subprocess.run(
        [sys.executable, "-m", *launcher, "enliven", "train", str(recipe), "--out",
         str(tmp_path / "two")], capture_output=True, text=True, timeout=400,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "two")]  # said once
    improve(ToyPolicy(3, 2), replace(CONFIG, iterations=4), tmp_path / "one")
    two, one = (torch.load(tmp_path / side / "checkpoint.pt", weights_only=False)
                for side in ("two", "one"))  # fmt: skip
    assert [r["loss"] for r in two["records"]] == pytest.approx(
        [r["loss"] for r in one["records"]], rel=1e-9
    )


def test_one_process_is_left_alone() -> None:
    net = network()
    spread(net)
    assert not is_sharded(net)
    assert place() == (0, 1)
    assert share("abc") == ["a", "b", "c"]
    assert gathered("x") == ["x"]
    value = torch.ones(2)
    add_up([value])
    assert torch.equal(value, torch.ones(2))
    content = {"a": [value, (1, "b")]}
    assert whole(content)["a"][0] is value
