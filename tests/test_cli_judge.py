"""`enliven judge` and `enliven evaluate`: pytest tests/test_cli_judge.py"""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from media_made import grey_clip
from reward_made import MadeJudge
from typer.testing import CliRunner

from enliven.cli import app


@pytest.fixture(autouse=True)
def made_judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("enliven.reward.judge.default_judge", MadeJudge)
    monkeypatch.setattr("enliven.reward.evaluate.default_judge", MadeJudge)
    monkeypatch.setattr("enliven.reward.evaluate.shelf", lambda: tmp_path / "kept")


@pytest.fixture
def clip(tmp_path: Path, face_networks: Path) -> Path:
    times = [Fraction(i, 25) for i in range(5)]
    return grey_clip(tmp_path / "clip.mp4", times, [90] * 5, sound_seconds=0.2)


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.stderr
    return result.exit_code, result.stdout, result.stderr


def test_a_video_without_a_face_has_a_scorecard(clip: Path) -> None:
    code, out, err = run("judge", clip)
    assert code == 0, err
    assert "lip-sync" in out
    assert "no face was found in the video" in out
    assert "judge: made-1" in out
    code, out, err = run("judge", clip, "--json", "--quiet")
    assert (code, err) == (0, "")
    content = json.loads(out)
    assert content["lip_sync"]["valid"] is False
    assert content["lip_sync"]["value"] is None
    assert "no face" in content["motion"]["why"]
    assert content["judge"] == "made-1"
    assert {"checks", "notes", "html"} <= set(content)


def test_the_page_is_never_overwritten_unasked(tmp_path: Path, clip: Path) -> None:
    page = tmp_path / "page.html"
    code, out, _ = run("judge", clip, "--html", page)
    assert (code, out.splitlines()[-1]) == (0, str(page))
    assert page.read_text().startswith("<!doctype html>")
    page.write_text("mine")
    code, _, err = run("judge", clip, "--html", page)
    assert code == 3
    assert "exists already" in err
    assert page.read_text() == "mine"
    assert run("judge", clip, "--html", page, "--overwrite")[0] == 0
    assert page.read_text() != "mine"
    assert run("judge", clip, "--html", clip)[0] == 2
    assert run("judge", clip, "--html", tmp_path / "missing" / "page.html")[0] == 3


def test_files_and_options_that_do_not_serve(tmp_path: Path, clip: Path, speech_wav: Path) -> None:
    for arguments, said in (
        ((tmp_path / "missing.mp4",), "does not exist"), ((speech_wav,), "only sound"),
        ((tmp_path,), "folder"), ((clip, "--judge", "me"), "critic or mllm"),
        ((clip, "--model", "x"), "--judge mllm"), ((clip, "--face", "0"), "face"),
        ((clip, "--judge", "mllm"), "--endpoint"),
        ((clip, "--judge", "mllm", "--endpoint", "http://localhost:1"), "--model"),
        ((clip, "--canary", clip), "--judge mllm"), ((), "name a video"),
        ((clip, "--probes", "--html", tmp_path / "page.html"), "--probes"),
        ((clip, "--probes"), "face"),
    ):  # fmt: skip
        code, out, err = run("judge", *arguments)
        assert (code, out) == (2, ""), arguments
        assert said in err


def test_evaluate(tmp_path: Path, clip: Path) -> None:
    for name in ("A", "B"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "B" / "two.mp4").write_text("no video")
    page = tmp_path / "page.html"
    folders = tmp_path / "A", tmp_path / "B"
    code, out, err = run("evaluate", *folders, "--html", page)
    assert code == 0, err
    assert out.splitlines()[-1] == str(page)
    assert "A/two is left out: missing" in err
    assert "B/two is left out" in err
    assert len(list((tmp_path / "kept").iterdir())) == 1  # one content, judged once
    code, out, _ = run("evaluate", *folders, "--json", "--quiet")
    assert code == 0
    assert json.loads(out)["systems"] == ["A", "B"]
    assert run("evaluate", *folders, "--html", page)[0] == 3
    assert run("evaluate", tmp_path / "missing")[0] == 2


def test_a_server_that_does_not_answer_is_a_reason_not_a_number(
    clip: Path,
) -> None:
    pytest.importorskip("openai", reason="needs the [judge] extra")
    server = ("--judge", "mllm", "--endpoint", "http://127.0.0.1:9/v1", "--model", "none")
    code, out, err = run("judge", clip, "--json", *server)
    assert code == 0, err
    content = json.loads(out)
    assert content["lip_sync"]["value"] is None
    assert content["lip_sync"]["why"]
    assert "the model took" in err
