"""Stored pairs and the motion generator that ships: read, learned from, written as models."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")
pytest.importorskip("safetensors", reason="training needs safetensors: pip install enliven[train]")
pytest.importorskip("tensorboard", reason="training needs tensorboard: pip install enliven[train]")

from performer_scores import shown  # noqa: E402

from enliven.cli import app  # noqa: E402
from enliven.errors import BadOption  # noqa: E402
from enliven.motion.generator import Generator  # noqa: E402
from enliven.recipes.dpo import recipe  # noqa: E402
from enliven.reward.compose import Reward, Term  # noqa: E402
from enliven.reward.preferences import Candidate, Preference, write_preferences  # noqa: E402
from enliven.train.dpo import Dpo  # noqa: E402
from enliven.train.learner import Learning  # noqa: E402
from enliven.train.performer_pairs import FromPairs, load_pairs, policy_of  # noqa: E402
from enliven.train.performer_video import Gathering, Speaking  # noqa: E402
from enliven.train.prefer_make import SETTINGS, Wanted, drawn  # noqa: E402
from enliven.train.rollout import Exploring, Place, draw_group  # noqa: E402


@pytest.fixture
def stored(portrait_jpg: Path, speech_wav: Path, tmp_path: Path) -> Path:
    """Two pairs of one input, two seconds each."""
    (tmp_path / "voice.wav").write_bytes(speech_wav.read_bytes())
    made = {"photo": str(portrait_jpg), "sound": "voice.wav", "seconds": 2}
    given = Speaking(portrait_jpg, tmp_path / "voice.wav", 0.0, 2)
    candidates = []
    for number in range(4):
        wanted = Wanted(given, SETTINGS[0], (number,), tmp_path)
        np.savez(tmp_path / f"{number}.npz", parts=drawn(wanted))
        candidates.append(
            Candidate("one", str(number), f"{number}.npz", "", 3.0, 3.0, 1.0, made)
        )  # fmt: skip
    pairs = [Preference(candidates[i], candidates[i + 1], 1.0, "judge", "test") for i in (0, 2)]
    return write_preferences(tmp_path / "pairs.jsonl", pairs)


def broken(path: Path, line: int, **changes: object) -> Path:
    """The same file with something else in one line, of the chosen and the rejected."""
    rows = [json.loads(row) for row in path.read_text().splitlines()]
    for side in ("chosen", "rejected"):
        rows[line - 1][side]["made"] |= changes
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_pairs_are_what_the_policy_draws(stored: Path) -> None:
    pairs = load_pairs(stored)
    policy = policy_of(pairs, None)
    assert policy.inputs == [pairs[0].given]
    group = draw_group(policy, Exploring(members=2, groups=1, steps=4), Place(0, 0, 0),
                       pairs[0].given)  # fmt: skip
    assert [p.shape for p in pairs[1].parts] == [p.shape for p in group.parts]
    assert torch.equal(pairs[0].parts[1][:, :8], pairs[0].parts[0][:, -8:])
    first = np.load(stored.parent / "2.npz")["parts"]
    np.testing.assert_array_equal(pairs[1].parts[0][0].numpy(), first[0])


def test_the_recipe_learns_and_writes_models(stored: Path, tmp_path: Path) -> None:
    """With a rate that shows within two updates; interrupted runs are those of `prefer`."""
    base = recipe()
    config = replace(base.config, method=Dpo(draws=2), pairs=2, reuse=3, steady=50,
                     learning=Learning(rate=2e-3, weight_decay=0.0, average=0.0))  # fmt: skip
    models = FromPairs(config).run(stored, tmp_path / "run")
    records = [json.loads(row) for row in (tmp_path / "run" / "updates.jsonl").open()]
    assert len(records) == 3
    assert records[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert records[-1]["loss"] < records[0]["loss"]
    assert all(record["gradient"] > 0 for record in records)
    samples = np.zeros(16000, np.float32)
    made, before = (Generator.load(m).generate(samples, seconds=1.0) for m in (models, None))
    assert len(made) == 25
    assert not np.allclose(made.values, before.values, atol=1e-3)


@pytest.mark.slow
def test_held_out_photos_and_voices_are_watched(
    stored: Path, portrait_jpg: Path, speech_wav: Path, tmp_path: Path, face_networks: Path
) -> None:
    config = replace(recipe().config, pairs=2, reuse=1)
    watching = replace(config.watching, reward=Reward((Term("frames", 1.0, 0.0),)))
    made = FromPairs(replace(config, watching=watching), size=128, score=shown,
                     gathering=Gathering(seconds=1, held_out=1))  # fmt: skip
    seen = []
    models = made.run(stored, tmp_path / "run", photos=portrait_jpg, sounds=speech_wav, workers=0,
                      progress=lambda *now: seen.append(now))  # fmt: skip
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=False)
    assert [one["iteration"] for one in state["evaluations"]] == [0, 1]
    assert all(one["score/frames"] == 0.25 for one in state["evaluations"])  # 25 of 100
    assert all(-1 <= one["held out"] <= 1 for one in state["evaluations"])
    assert seen[-1] == ("updates", 1, 1)
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") == 2
    assert (models / "performer.onnx").exists()


def test_held_out_inputs_need_both_and_a_recipe_that_watches(stored: Path, tmp_path: Path) -> None:
    arguments = ["train", "recipes.dpo", "--pairs", str(stored), "--out", str(tmp_path / "run")]
    told = CliRunner().invoke(app, [*arguments, "--photos", str(tmp_path)])
    assert told.exit_code == 2
    assert "need photos and sounds" in told.stderr
    blind = FromPairs(replace(recipe().config, watching=None))
    with pytest.raises(BadOption, match="watches no held-out inputs"):
        blind.run(stored, tmp_path / "run", photos=tmp_path, sounds=tmp_path)
    assert not (tmp_path / "run").exists()


def test_the_plan_counts_and_writes_nothing(stored: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    told = CliRunner().invoke(app, ["train", "recipes.dpo", "--pairs", str(stored), "--out",
                                    str(run), "--dry-run", "--threads", "1"])  # fmt: skip
    assert told.exit_code == 0, told.output
    plan = json.loads(told.stdout)
    assert plan["pairs"] == 2
    assert plan["updates"] == 2  # 2 pairs, learned from 6 times, 8 an update
    assert not run.exists()


def test_what_cannot_be_used_is_named_with_its_line(stored: Path, tmp_path: Path) -> None:
    whole = stored.read_text()
    (tmp_path / "3.npz").write_bytes(b"rubbish")
    with pytest.raises(BadOption, match=r"line 2: 3\.npz cannot be read"):
        load_pairs(stored)
    np.savez(tmp_path / "3.npz", parts=np.zeros((2, 5, 5)))
    with pytest.raises(BadOption, match=r"line 2: 3\.npz holds no motion of this generator"):
        load_pairs(stored)
    (tmp_path / "3.npz").unlink()
    with pytest.raises(BadOption, match=r"line 2: 3\.npz is missing"):
        load_pairs(stored)
    np.savez(tmp_path / "3.npz", parts=np.load(tmp_path / "2.npz")["parts"])
    with pytest.raises(BadOption, match=r"line 1: gone\.wav is missing"):
        load_pairs(broken(stored, 1, sound="gone.wav"))
    stored.write_text(whole)
    with pytest.raises(BadOption, match=r"line 2: 2\.npz holds no motion"):
        load_pairs(broken(stored, 2, seconds=3))
    stored.write_text("\n" + whole.replace('"seconds"', '"minutes"'))
    with pytest.raises(BadOption, match=r"line 2: .* does not state 'seconds'"):
        load_pairs(stored)


def test_the_command_needs_pairs(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["train", "recipes.dpo", "--out", str(tmp_path / "run")])
    assert told.exit_code == 2
    assert "needs --pairs" in told.stderr
    (tmp_path / "none.jsonl").write_text("\n")
    told = CliRunner().invoke(app, ["train", "recipes.dpo", "--pairs", str(tmp_path / "none.jsonl"),
                                    "--out", str(tmp_path / "run")])  # fmt: skip
    assert told.exit_code == 2
    assert "prefer make" in told.stderr


def test_the_mean_weights_that_are_kept_arrive_within_the_updates_of_few_pairs() -> None:
    """Of 16 pairs, what `prefer make` makes at most by itself."""
    config = recipe().config
    updates = math.ceil(16 * config.reuse / config.pairs)
    assert config.learning.average**updates < 0.1
