"""Several people on the command line and in one sound: pytest tests/test_people.py"""

import numpy as np
import pytest
from media_made import tone, write_wav

from enliven.cli import _by_person
from enliven.drive import lasting
from enliven.errors import BadOption
from enliven.media.audio import read_speech
from enliven.media.mix import one_sound
from enliven.plan import Part, parts_recorded, recorded_parts
from enliven.types import Motion


def test_each_face_takes_what_follows_it():
    order = ["photo", "face", "audio", "size", "face", "video", "driver_face", "face"]
    given = {"face": [2, 1, 3], "audio": ["a"], "video": ["v"], "driver_face": [2]}
    assert _by_person(order, given) == [
        {"face": 2, "audio": "a"}, {"face": 1, "video": "v", "driver_face": 2}, {"face": 3},
    ]  # fmt: skip
    # one face may be named anywhere
    one = {"face": [2], "audio": ["a"], "video": None}
    assert _by_person(["audio", "face"], one) == [{"audio": "a", "face": 2}]


@pytest.mark.parametrize(("order", "message"), [
    (["audio", "face", "face"], "before the first --face"),
    (["face", "audio", "audio", "face"], "given twice"),
])  # fmt: skip
def test_what_belongs_to_nobody_is_refused(order, message):
    with pytest.raises(BadOption, match=message):
        _by_person(order, {"face": [1, 2], "audio": ["a", "b"]})


@pytest.mark.parametrize("parts", [
    [Part(2, (1.0, 2.0, 3.0, 4.0), audio="a.wav")],
    [Part(1, audio="a.wav"), Part(2, video="v.mp4", driver_face=3), Part(3)],
])  # fmt: skip
def test_people_survive_the_sidecar(parts):
    several = len(parts) > 1
    inputs = {f"{role} {i}" if several else role: path
              for i, part in enumerate(parts, 1) for role, path in part.inputs.items()}  # fmt: skip
    again = parts_recorded(recorded_parts(parts), inputs)
    assert [(p.face, p.face_box, p.driver_face, p.inputs) for p in again] == [
        (p.face, p.face_box, p.driver_face, p.inputs) for p in parts
    ]


def test_voices_are_added_and_the_longest_decides(tmp_path):
    short = write_wav(tmp_path / "short.wav", tone(1.0, 16000, frequency=300.0), 16000)
    long = write_wav(tmp_path / "long.wav", tone(2.0, 16000, frequency=500.0), 16000)
    with one_sound([short, long, short]) as path:
        mixed = read_speech(path)
    assert mixed.seconds == pytest.approx(2.0)
    expected = read_speech(long).samples.copy()
    expected[:16000] += read_speech(short).samples
    assert np.abs(mixed.samples - expected).max() < 1e-3
    with one_sound([short]) as path:
        assert path == short
    with one_sound([]) as path:
        assert path is None


def test_a_finished_driver_passes_over_into_quiet_life():
    ended, quiet = Motion.still(25), Motion.still(100).with_channels(jawOpen=0.5)
    whole = lasting(ended, quiet)["jawOpen"]
    assert len(whole) == 100
    assert (whole[:25] == 0).all()
    assert (np.diff(whole) >= 0).all()
    assert np.diff(whole).max() < 0.06
    assert whole[-1] == 0.5
