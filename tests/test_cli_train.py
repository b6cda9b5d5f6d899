"""`enliven train`: which recipe takes which options."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")
pytest.importorskip("tensorboard", reason="training needs tensorboard: pip install enliven[train]")

from enliven.cli import app

RECIPE = """
from pathlib import Path

class Recipe:
    def run(self, photos: Path, out: Path, *, threads: int = 1, progress=None) -> Path:
        progress("iterations", 1, 1)
        (out / "made").write_text(f"{photos.name} {threads}")
        return out / "made"

    def plan(self, photos: Path, out: Path) -> dict:
        return {"hours": 3}

def recipe():
    return Recipe()
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    path = tmp_path / "own.py"
    path.write_text(RECIPE)
    return str(path)


def train(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["train", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_a_recipe_gets_what_it_takes(own: str, tmp_path: Path) -> None:
    code, out, _ = train(own, "--photos", "people", "--out", str(tmp_path), "--threads", "3")
    assert code == 0
    assert out.strip() == str(tmp_path / "made")
    assert (tmp_path / "made").read_text() == "people 3"


def test_what_it_needs_and_what_it_does_not_know_is_said(own: str, tmp_path: Path) -> None:
    code, _, err = train(own, "--out", str(tmp_path))
    assert code == 2
    assert "needs --photos" in err
    code, _, err = train(own, "--photos", "p", "--clips", "c", "--out", str(tmp_path))
    assert code == 2
    assert "does not use --clips" in err
    code, _, err = train("recipes.speech", "--out", str(tmp_path))
    assert code == 2
    assert "needs --clips" in err
    code, _, err = train("recipes.grpo", "--sounds", "s", "--out", str(tmp_path))
    assert code == 2
    assert "needs --photos" in err


def test_a_dry_run_tells_the_plan_and_writes_nothing(own: str, tmp_path: Path) -> None:
    code, out, _ = train(own, "--photos", "p", "--out", str(tmp_path / "run"), "--dry-run")
    assert code == 0
    assert json.loads(out) == {"hours": 3}
    assert not (tmp_path / "run").exists()
    code, _, err = train("recipes.speech", "--clips", "c", "--out", "run", "--dry-run")
    assert code == 2
    assert "no plan" in err


@pytest.mark.parametrize("name", ["recipes.", "recipes.nothing", "recipes.grpo.recipe", "grpo"])
def test_recipes_that_ship_are_named(name: str) -> None:
    code, _, err = train(name, "--out", "run")
    assert code == 2
    assert f"no recipe {name}" in err
    assert "recipes.dpo, recipes.grpo, recipes.sft, recipes.speech" in err


def test_what_the_machine_has_not_is_refused(own: str, tmp_path: Path) -> None:
    given = [own, "--photos", "p", "--out", str(tmp_path)]
    code, _, err = train(*given, "--device", "abacus")
    assert code == 2
    assert "--device abacus is none of torch" in err
    code, _, err = train(*given, "--device", "cuda:99")
    assert code == 2
    assert "--device cuda:99 cannot be used: torch sees" in err
    code, _, _ = train(*given, "--threads", "0")
    assert code == 2
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def recipe(:", "cannot be read: line 1"),
        ("import nothing_like_it", "fails with ModuleNotFoundError"),
        ("def recipe():\n    return 1 / 0", "division by zero (line 2 of mine.py)"),
        ("from enliven.train.grpo import Grpo\ndef recipe():\n    return Grpo(beta=-1.0)",
         "beta, velocity and growth"),
        ("recipe = 3", "no function `recipe`"),
    ],
)  # fmt: skip
def test_a_recipe_that_fails_is_told_as_such(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    code, _, err = train(str(tmp_path / "mine.py"), "--out", str(tmp_path / "run"))
    assert code == 2
    assert told in err
    assert "bug" not in err
    assert not (tmp_path / "run").exists()
