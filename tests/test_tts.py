"""A typed text instead of a recording: pytest tests/test_tts.py"""

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from enliven.cli import app
from enliven.doctor import check_typed_text
from enliven.errors import BadOption, ModelUnavailable
from enliven.media import espeak
from enliven.media.audio import read_speech
from enliven.media.espeak import AROUND_SECONDS, speak, spoken_files
from enliven.plan import Part, parts_recorded, plan_animation, recorded_parts, text_name

installed = pytest.mark.skipif(
    not espeak.installed(), reason="espeakng-loader is missing: pip install 'enliven[speech]'"
)


def run(*arguments: object) -> tuple[int, list[str], str]:
    """Exit code, lines of stdout, stderr."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout.splitlines(), result.stderr


@pytest.fixture
def photo(tmp_path: Path, portrait_jpg: Path) -> Path:
    path = tmp_path / "ada.jpg"
    Image.open(portrait_jpg).resize((256, 256)).save(path, quality=95)
    return path


@pytest.mark.parametrize(("text", "name"), [
    ("Hello there, Ada!", "hello-there-ada"), ("One two three four five", "one-two-three-four"),
    ("../../etc", "etc"), ("你好。", "你好"), ("Donaudampfschifffahrtsgesellschaft " * 3,
    "donaudampfschifffahrtsgesellschaft-donau"), ("—", "text"),
])  # fmt: skip
def test_results_are_named_after_the_first_words(text: str, name: str) -> None:
    assert str(text_name(text)) == name


def test_a_text_is_a_driver_of_its_own() -> None:
    assert Part(tts="Hello").driver == "tts"
    assert Part(tts="Hello").voice == espeak.DEFAULT_VOICE
    for wrong in ({"audio": "a.wav"}, {"video": "a.mp4"}, {"motion": "a.npz"}):
        with pytest.raises(BadOption, match="one driver"):
            Part(tts="Hello", **wrong)
    with pytest.raises(BadOption, match="no text"):
        Part(audio="a.wav", voice="de")
    with pytest.raises(BadOption, match="nothing to say"):
        Part(tts=" ?! ")


def test_sidecars_keep_text_and_voice() -> None:
    people = [Part(1, tts="Hello", voice="en-gb"), Part(2)]
    assert parts_recorded(recorded_parts(people), {}) == people
    assert parts_recorded(recorded_parts(people[:1]), {}) == people[:1]
    assert "tts" not in recorded_parts([Part(audio="a.wav")])


def test_doctor_says_whether_text_can_be_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    here = check_typed_text()
    assert (here.name, here.state) == ("typed text", "ok")
    monkeypatch.setattr(espeak, "installed", lambda: False)
    without = check_typed_text()
    assert without.state == "ok"
    assert espeak.INSTALL in without.detail

    def broken(**_: object) -> None:
        raise ModelUnavailable("espeak-ng failed")

    monkeypatch.setattr(espeak, "installed", lambda: True)
    monkeypatch.setattr(espeak, "voices", broken)
    assert check_typed_text().state == "warn"


@installed
def test_the_sound_begins_and_ends_quietly() -> None:
    with spoken_files([("Hello there.", "en-us"), None]) as (path, nothing):
        assert path is not None
        assert nothing is None
        with wave.open(str(path)) as file:
            assert file.getnchannels() == 1
        heard = read_speech(path)
        quiet = round((AROUND_SECONDS[0] - 0.01) * 16000)
        assert np.abs(heard.samples[:quiet]).max() < 1e-3
        spoken = speak("Hello there.", "en-us")
        assert heard.seconds == pytest.approx(spoken.seconds + sum(AROUND_SECONDS), abs=1e-3)
    assert not path.exists()


@installed
def test_plan(photo: Path) -> None:
    plan = plan_animation(photo, [Part(tts="Hello there, Ada!")])
    assert plan.output.name == "ada--hello-there-ada.mp4"
    assert [role for role, _ in plan.inputs] == ["image"]
    with pytest.raises(BadOption, match="en-gb"):
        plan_animation(photo, [Part(tts="Hello", voice="en-uk")])


@installed
def test_command_line_answers_bad_input(photo: Path) -> None:
    for arguments, words in (
        (("--tts", ""), "nothing to say"),
        (("--tts", "hi", "--voice", "xyz"), "close names"),
        (("--voice", "de"), "no text"),
        (("--tts", "hi", "-a", "a.wav"), "one driver"),
        (("--tts", "hi", "--tts", "ho"), "twice"),
    ):
        code, out, err = run("animate", photo, *arguments)
        assert (code, out) == (2, [])
        assert words in err
    assert run("animate", photo, "--tts", "hi", "--dry-run")[0] == 0


@installed
@pytest.mark.slow
def test_a_text_becomes_a_video_that_can_be_replayed(photo: Path, face_networks: Path) -> None:
    code, out, err = run("animate", photo, "--tts", "Good evening.", "--voice", "en-gb+f2",
                         "--size", 128)  # fmt: skip
    assert code == 0, err
    video = photo.with_name("ada--good-evening.mp4")
    assert out == [str(video)]
    sidecar = json.loads(video.with_suffix(".json").read_text())
    assert sidecar["options"]["tts"] == "Good evening."
    assert sidecar["options"]["voice"] == "en-gb+f2"
    assert "espeakng-loader" in sidecar["options"]["libraries"]
    assert np.abs(read_speech(video).samples).max() > 0.1
    made = video.read_bytes()
    video.unlink()
    assert run("replay", video.with_suffix(".json"))[:2] == (0, [str(video)])
    assert video.read_bytes() == made
