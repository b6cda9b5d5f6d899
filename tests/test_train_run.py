"""What runs of all methods share: pytest tests/test_train_run.py"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")
pytest.importorskip("tensorboard", reason="training needs tensorboard: pip install enliven[train]")

from tensorboard.backend.event_processing.event_accumulator import (  # noqa: E402
    EventAccumulator,
)
from test_train_dpo import WATCHED, pairs  # noqa: E402
from test_train_grpo import CONFIG  # noqa: E402
from toy_policy import ToyPolicy  # noqa: E402

from enliven.errors import TrainingStopped  # noqa: E402
from enliven.train.dpo import prefer  # noqa: E402
from enliven.train.loop import improve  # noqa: E402
from enliven.train.monitor import Record  # noqa: E402
from enliven.train.run import Steps, opened  # noqa: E402

TOLD: list[str] = []


def report(path: Path, config: Any, records: Any, evaluations: Any, why: str) -> None:
    TOLD.append(why)


STEPS = Steps("step", 5, "iterations", (4, "items"), None, 0, report, "your hopes")


def walked(folder: Path, steps: Steps = STEPS, save_every: int = 1, killed_at: int = -1,
           why: str = "") -> list:  # fmt: skip
    """Batches of a run in a folder; where there is a why it ends after two steps."""
    batches = []
    config = replace(CONFIG, save_every=save_every)
    with opened(ToyPolicy(), config, steps, folder, 0, 9.0) as run:

        def step() -> Record:
            if run.done == killed_at:
                raise KeyboardInterrupt
            batches.append(run.batch("abcdefghij"))
            return {}

        run.go(step, lambda: why if run.done == 2 else "", None)
        assert run.why == why
    return batches


def test_every_item_comes_up_once_before_any_comes_again(tmp_path: Path) -> None:
    batches = walked(tmp_path)
    assert [number for batch in batches for number, _ in batch] == list(range(20))
    drawn = [item for batch in batches for _, item in batch]
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list("abcdefghij")
    assert drawn[:10] != drawn[10:]
    walked(tmp_path / "other", replace(STEPS, total=2))
    assert walked(tmp_path / "other") == batches[2:]  # and the same where it was stopped


def test_checkpoints_are_kept_when_due_and_at_the_end(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        walked(tmp_path / "killed", save_every=2, killed_at=3)
    assert len(walked(tmp_path / "killed", save_every=2)) == 3  # the third, too, again
    longer = replace(STEPS, total=7)
    assert len(walked(tmp_path / "killed", longer, save_every=2)) == 2
    walked(tmp_path / "ended", save_every=4, why="enough")
    assert walked(tmp_path / "ended", save_every=4, why="enough") == []


def test_numbers_that_are_not_finite_stop_a_run(tmp_path: Path) -> None:
    TOLD.clear()
    with (
        pytest.raises(TrainingStopped, match=r"at step 0 .* lower the rate or your hopes"),
        opened(ToyPolicy(), CONFIG, STEPS, tmp_path, 0, 9.0) as run,
    ):
        run.update(lambda: (float("nan"), {}))
    assert TOLD == [""]
    assert not (tmp_path / "checkpoint.pt").exists()


def logged(folder: Path, name: str) -> list[int]:
    """Steps of a curve as TensorBoard shows it."""
    events = EventAccumulator(str(folder / "log"))
    events.Reload()
    return [event.step for event in events.Scalars(name)]


def older(folder: Path) -> None:
    """TensorBoard tells by names which file is older; those of one second may sort either way."""
    (file,) = (folder / "log").glob("events*")
    file.rename(file.with_name("events.out.tfevents.0000000001"))


def test_curves_of_a_run_that_was_continued_have_no_gap(tmp_path: Path) -> None:
    config = replace(CONFIG, iterations=2, evaluate_every=2)
    improve(ToyPolicy(), config, tmp_path / "loop")
    older(tmp_path / "loop")
    improve(ToyPolicy(), replace(config, iterations=4), tmp_path / "loop")
    assert logged(tmp_path / "loop", "loss") == [0, 1, 2, 3]
    assert logged(tmp_path / "loop", "evaluation/reward") == [0, 2, 4]
    prefer(ToyPolicy(), pairs(16), replace(WATCHED, reuse=1), tmp_path / "pairs")
    older(tmp_path / "pairs")
    prefer(ToyPolicy(), pairs(16), replace(WATCHED, reuse=2), tmp_path / "pairs")
    assert logged(tmp_path / "pairs", "loss") == list(range(1, 9))
    assert logged(tmp_path / "pairs", "evaluation/reward") == [0, 4, 8]
