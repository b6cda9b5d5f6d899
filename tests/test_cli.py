"""The command line, bad input included: pytest tests/test_cli.py"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from enliven import __version__
from enliven.cli import app
from enliven.motion_io import load_motion, save_motion
from enliven.types import Motion

MakeWav = Callable[..., Path]


def run(*arguments: object) -> tuple[int, list[str], str]:
    """Exit code, lines of stdout, stderr."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.stderr
    return result.exit_code, result.stdout.splitlines(), result.stderr


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def photo(tmp_path: Path, portrait_jpg: Path) -> Path:
    """The example photo, smaller, under a name with a space and an accent."""
    path = tmp_path / "une été.jpg"
    Image.open(portrait_jpg).resize((256, 256)).save(path, quality=95)
    return path


@pytest.fixture
def still_npz(tmp_path: Path) -> Path:
    return save_motion(tmp_path / "still.npz", Motion.still(5))


def test_help_and_version() -> None:
    for command in ("", "animate", "track", "render", "replay", "setup", "doctor"):
        code, out, _ = run(*command.split(), "--help")
        assert code == 0
        assert "Usage" in "\n".join(out)
    assert run("--version") == (0, [f"enliven {__version__}"], "")


def test_unknown_command_and_option() -> None:
    assert run("dance")[0] == 2
    assert run("animate", "--dance")[0] == 2


def test_still_motion_on_a_photo(
    tmp_path: Path, photo: Path, still_npz: Path, face_networks: Path
) -> None:
    code, out, err = run("render", photo, still_npz)
    assert code == 0, err
    assert out[-1] == str(tmp_path / "une été--still.mp4")
    assert "render: 100 %" in err
    assert names(tmp_path) == ["still.npz", "une été--still.json", "une été--still.mp4", photo.name]

    code, out, err = run("render", photo, still_npz)
    assert code == 3
    assert "exists already" in err
    code, out, err = run("render", photo, still_npz, "--overwrite", "--json", "--quiet")
    assert code == 0
    assert err == ""
    assert json.loads(out[-1])["frames"] == 5


def test_dry_run_writes_nothing(tmp_path: Path, photo: Path, make_wav: MakeWav) -> None:
    make_wav("hello.wav", 1.0)
    before = names(tmp_path)
    code, out, _ = run("animate", photo, "-a", tmp_path / "hello.wav", "--dry-run", "--json")
    assert code == 0
    assert json.loads(out[-1])["path"] == str(tmp_path / "une été--hello.mp4")
    assert json.loads(out[-1])["seconds"] == 1.0
    assert names(tmp_path) == before


def bad_inputs(folder: Path, portrait_jpg: Path, speech_wav: Path) -> dict[str, tuple]:
    """Name -> (arguments, exit code, a part of the message)."""
    Image.new("RGB", (200, 200), "grey").save(folder / "empty.png")
    (folder / "text.jpg").write_text("not a photo")
    (folder / "zero.jpg").touch()
    (folder / "text.wav").write_text("not a sound")
    (folder / "cut.jpg").write_bytes(portrait_jpg.read_bytes()[:9000])
    Image.new("RGB", (64, 64)).save(folder / "there--speech.png")
    voice = ("--audio", speech_wav)
    return {
        "no photo": (("animate", *voice), 2, "name one photo"),
        "two photos": (("animate", portrait_jpg, "-i", portrait_jpg, *voice), 2, "name one photo"),
        "no driver": (("animate", portrait_jpg), 2, "drives the face"),
        "two drivers": (("animate", portrait_jpg, *voice, "--video", speech_wav), 2, "one driver"),
        "missing photo": (("animate", folder / "none.jpg", *voice), 2, "does not exist"),
        "folder as photo": (("animate", folder, *voice), 2, "is a folder"),
        "text as photo": (("animate", folder / "text.jpg", *voice), 2, "text.jpg"),
        "empty photo": (("animate", folder / "zero.jpg", *voice), 2, "empty"),
        "cut photo": (("animate", folder / "cut.jpg", *voice), 2, "cut.jpg"),
        "missing sound": (("animate", portrait_jpg, "-a", folder / "none.wav"), 2, "not exist"),
        "text as sound": (("animate", portrait_jpg, "-a", folder / "text.wav"), 2, "text.wav"),
        "photo as sound": (("animate", portrait_jpg, "-a", portrait_jpg), 2, "portrait.jpg"),
        "no face": (("animate", folder / "empty.png", *voice), 2, "empty.png: no face"),
        "no such face": (("animate", portrait_jpg, *voice, "--face", 3), 2, "face 3"),
        "box beside": (("animate", portrait_jpg, *voice, "--face-box", "900,9,9,9"), 2, "face box"),
        "no box": (("animate", portrait_jpg, *voice, "--face-box", "1,2"), 2, "x,y,width,height"),
        "no rate": (("animate", portrait_jpg, *voice, "--fps", "fast"), 2, "frame rate"),
        "wild rate": (("animate", portrait_jpg, *voice, "--fps", "9999"), 2, "frame rate"),
        "tiny": (("animate", portrait_jpg, *voice, "--size", "3"), 2, "size"),
        "too strong": (("animate", portrait_jpg, *voice, "--head-motion", "9"), 2, "0 to 2"),
        "unknown kind": (("animate", portrait_jpg, *voice, "-o", folder / "a.doc"), 2, ".doc"),
        "alpha in mp4": (("animate", portrait_jpg, *voice, "--transparent", "-o", folder / "a.mp4"),
                         2, "transparency"),
        "no folder": (("animate", portrait_jpg, *voice, "-o", folder / "no" / "a.mp4"), 3, "make"),
        "over the photo": (("animate", folder / "empty.png", *voice, "--overwrite", "-o",
                            folder / "empty.png"), 2, "empty.png"),
        "sound as motion": (("render", portrait_jpg, speech_wav), 2, "not a motion file"),
        "sound as clip": (("track", speech_wav, "-o", folder / "a.npz"), 2, "no picture"),
        "no motion kind": (("track", speech_wav, "-o", folder / "a.xyz"), 3, ".npz or .csv"),
        "no sidecar": (("replay", folder / "none.json"), 2, "none.json"),
        "photo as sidecar": (("replay", portrait_jpg), 2, "JSON"),
    }  # fmt: skip


CASES = ("no photo", "two photos", "no driver", "two drivers", "missing photo", "folder as photo",
         "text as photo", "empty photo", "cut photo", "missing sound", "text as sound",
         "photo as sound", "no face", "no such face", "box beside", "no box", "no rate",
         "wild rate", "tiny", "too strong", "unknown kind", "alpha in mp4", "no folder",
         "over the photo", "sound as motion", "sound as clip", "no motion kind", "no sidecar",
         "photo as sidecar")  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input(
    case: str, tmp_path: Path, portrait_jpg: Path, speech_wav: Path, face_networks: Path
) -> None:
    """One clear message, the documented exit code, nothing written."""
    cases = bad_inputs(tmp_path, portrait_jpg, speech_wav)
    assert tuple(cases) == CASES
    arguments, expected, part = cases[case]
    if arguments[0] in ("animate", "render") and "-o" not in arguments:
        arguments = (*arguments, "-o", tmp_path / "out.mp4")
    before = names(tmp_path)
    code, out, err = run(*arguments)
    assert code == expected, err
    message = [line for line in err.splitlines() if line.startswith("enliven: ")]
    assert len(message) == 1
    assert part in message[0]
    assert out == []
    assert names(tmp_path) == before


def test_errors_as_json(tmp_path: Path, speech_wav: Path) -> None:
    code, out, err = run("animate", tmp_path / "none.jpg", "-a", speech_wav, "--json")
    assert (code, out) == (2, [])
    assert json.loads(err)["type"] == "BadMedia"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written(
    tmp_path: Path, portrait_jpg: Path, speech_wav: Path
) -> None:
    shutil.copy(portrait_jpg, tmp_path)
    tmp_path.chmod(0o500)
    try:
        code, _, err = run("animate", tmp_path / "portrait.jpg", "-a", speech_wav)
    finally:
        tmp_path.chmod(0o700)
    assert code == 3
    assert "permission denied" in err


def test_file_that_cannot_be_renamed_over(tmp_path: Path, photo: Path, still_npz: Path) -> None:
    (tmp_path / "une été--still.mp4").mkdir()
    code, _, err = run("render", photo, still_npz, "--overwrite")
    assert code == 3
    assert "is a folder" in err


def test_unexpected_errors_are_one_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photo: Path, still_npz: Path
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the cable is loose")

    monkeypatch.setattr(sys.modules["enliven.plan"], "plan_animation", broken)
    code, _, err = run("render", photo, still_npz)
    assert code == 1
    assert "the cable is loose" in err
    assert "--debug" in err


def test_doctor() -> None:
    code, out, _ = run("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out[-1])}
    assert {"python", "numpy", "encoder", "renderer", "speech", "cache"} <= set(checks)
    failed = {name: check for name, check in checks.items() if check["state"] == "fail"}
    assert not failed
    assert code == 0
    code, out, _ = run("doctor")
    assert out[-1] == "everything needed works"


def interruptible() -> None:
    """In a child process: heed Ctrl-C, also where the test run itself was started to ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopping_leaves_nothing_behind(
    sent: signal.Signals, code: int, tmp_path: Path, photo: Path, make_wav: MakeWav,
    face_networks: Path,
) -> None:  # fmt: skip
    voice = make_wav("long.wav", 60.0)
    before = names(tmp_path)
    command = [sys.executable, "-m", "enliven", "animate", str(photo), "-a", str(voice)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True,
                          preexec_fn=interruptible) as process:  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("render: 10 %"):
                break
        assert any(name.endswith(".part.mp4") for name in names(tmp_path))
        process.send_signal(sent)
        rest = process.stderr.read()
        assert process.wait(20) == code
    assert "Traceback" not in rest
    assert names(tmp_path) == before


@pytest.mark.slow
def test_track_then_render(
    tmp_path: Path, photo: Path, make_wav: MakeWav, face_networks: Path
) -> None:
    """A generated video, tracked, drives the photo again, and carries its sound."""
    voice = make_wav("voice.wav", 1.2)
    clip, npz, again = tmp_path / "clip.mp4", tmp_path / "m.npz", tmp_path / "again.mp4"
    assert run("animate", photo, "-a", voice, "-o", clip)[0] == 0
    code, out, err = run("track", clip, "-o", npz)
    assert code == 0, err
    assert out == [str(npz)]
    motion = load_motion(npz)
    assert len(motion) == 30
    assert motion.valid.all()
    code, out, err = run("animate", "-i", photo, "-v", clip, "-o", again, "--fps", "30")
    assert code == 0, err
    assert json.loads(again.with_suffix(".json").read_text())["options"]["fps"] == "30"
    code, out, err = run("track", clip, "-o", tmp_path / "m.csv")
    assert code == 0, err
    assert len((tmp_path / "m.csv").read_text().splitlines()) == 31


@pytest.mark.parametrize(("option", "value", "part"), [
    ("--emotion", "hapy:0.6", "do you mean happy?"), ("--emotion", "happy:2", "0 to 1"),
    ("--gaze", "-90,0", "stay within 30"), ("--gaze", "there", "camera"),
    ("--speed", "0", "0.2 to 3"), ("--blink-rate", "99", "0 to 60"),
    ("--control", "none.csv", "does not exist"), ("--control", "wrong.csv", "line 3: mouth is 9"),
    ("--control", "wrong.json", "entry 2"), ("--control", "noise.json", "UTF-8"),
])  # fmt: skip
def test_controls_that_are_refused(
    option: str, value: str, part: str, tmp_path: Path, portrait_jpg: Path, speech_wav: Path
) -> None:
    (tmp_path / "wrong.csv").write_text("time,mouth\n0,1\n1,9\n")
    (tmp_path / "wrong.json").write_text('[{"time": 0, "happy": 1}, {"happy": 1}]')
    (tmp_path / "noise.json").write_bytes(bytes(range(256)))
    given = tmp_path / value if option == "--control" else value
    code, out, err = run("animate", portrait_jpg, "-a", speech_wav, option, given, "--dry-run")
    assert (code, out) == (2, [])
    assert part in " ".join(err.split())


def test_controls_that_are_taken(tmp_path: Path, photo: Path, speech_wav: Path) -> None:
    (tmp_path / "c.csv").write_text("time,happy,gaze\n0,0,camera\n1,1,\n")
    code, _, err = run("animate", photo, "-a", speech_wav, "--emotion", "happy:0.6,sad:0.1",
                       "--gaze", "-20,5", "--speed", 2, "--blink-rate", 9, "--seed", 4,
                       "--control", tmp_path / "c.csv", "--dry-run")  # fmt: skip
    assert code == 0, err


@pytest.mark.slow
def test_replay_with_controls(
    tmp_path: Path, photo: Path, make_wav: MakeWav, face_networks: Path
) -> None:
    voice, video, track = make_wav("v.wav", 0.6), tmp_path / "o.mp4", tmp_path / "c.json"
    track.write_text('[{"from": 0, "to": 1, "emotion": "happy", "head_motion": 0.2}]')
    code, _, err = run("animate", photo, "-a", voice, "-o", video, "--control", track,
                       "--emotion", "sad:0.3", "--gaze", "left", "--size", 128)  # fmt: skip
    assert code == 0, err
    sidecar = json.loads((tmp_path / "o.json").read_text())
    assert sidecar["inputs"]["control"]["path"] == "c.json"
    assert sidecar["options"]["emotion"] == [["sad", 0.3]]
    assert sidecar["options"]["gaze"] == [-20.0, 0.0]
    assert run("replay", tmp_path / "o.json")[:2] == (0, [str(video)])
    track.write_text("[]")
    code, _, err = run("replay", tmp_path / "o.json")
    assert (code, "changed" in err) == (2, True)


@pytest.mark.slow
def test_replay(tmp_path: Path, photo: Path, make_wav: MakeWav, face_networks: Path) -> None:
    voice, video = make_wav("v.wav", 0.6), tmp_path / "o.mp4"
    assert run("animate", photo, "-a", voice, "-o", video, "--seed", 3, "--fps", "29.97")[0] == 0
    made, before = video.read_bytes(), names(tmp_path)

    code, out, err = run("replay", tmp_path / "o.json")
    assert (code, out) == (0, [str(video)])
    assert "same bytes" in err
    assert names(tmp_path) == before

    video.unlink()
    assert run("replay", tmp_path / "o.json")[:2] == (0, [str(video)])
    assert video.read_bytes() == made

    code, out, _ = run("replay", tmp_path / "o.json", "-o", tmp_path / "copy.mp4")
    assert (code, (tmp_path / "copy.mp4").read_bytes()) == (0, made)
    (tmp_path / "copy.mp4").unlink()

    # a folder of results can be moved as a whole
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in before:
        shutil.copy(tmp_path / name, moved)
    assert run("replay", moved / "o.json")[0] == 0

    sidecar = json.loads((tmp_path / "o.json").read_text())
    sidecar["seed"] = 4
    (tmp_path / "o.json").write_text(json.dumps(sidecar))
    code, out, err = run("replay", tmp_path / "o.json")
    assert (code, out) == (5, [str(tmp_path / "o.replay.mp4")])
    assert "different bytes" in err
    assert video.read_bytes() == made

    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(photo)
    code, _, err = run("replay", tmp_path / "o.json")
    assert code == 2
    assert "changed" in err
