"""Whole runs with several cameras, and without a driver."""

import json

import pytest

from enliven.animate import animate
from enliven.errors import Cancelled, OutputExists
from enliven.media.video import probe
from enliven.replay import replay


@pytest.fixture
def voice(make_wav):
    return make_wav("voice.wav", 0.4)


def run(portrait_jpg, tmp_path, **options):
    return animate(portrait_jpg, output=tmp_path / "talk.mp4", size=96, crop=True, **options)


def test_each_view_and_all_of_them(face_networks, portrait_jpg, voice, tmp_path):
    done = run(portrait_jpg, tmp_path, audio=voice, views=(-20, 0, 20))
    assert [path.name for path in done.views] == [
        "talk--view-20.mp4", "talk--view0.mp4", "talk--view+20.mp4"]  # fmt: skip
    assert done.size == (3 * 96, 96)
    for path in (*done.views, done.path):
        info = probe(path)
        assert info.has_audio
        assert info.seconds == pytest.approx(0.4, abs=0.05)
        assert json.loads(path.with_suffix(".json").read_text())["command"] == "animate"
    again = replay(done.views[0].with_suffix(".json"))
    assert again.same
    with pytest.raises(OutputExists, match="view-20"):
        animate(portrait_jpg, audio=voice, output=tmp_path / "talk.mp4", views=(-20, 5))


def test_a_run_that_is_stopped_leaves_no_view_behind(face_networks, portrait_jpg, voice, tmp_path):
    with pytest.raises(Cancelled):
        run(portrait_jpg, tmp_path, audio=voice, views=(-20, 20),
            progress=lambda stage, done, total: done < 15)  # fmt: skip
    assert list(tmp_path.glob("talk*")) == []


def test_a_turntable_needs_no_driver(face_networks, portrait_jpg, tmp_path):
    done = run(portrait_jpg, tmp_path, turntable=True, fps=5)
    assert done.frames == 30
    assert done.notes == ()
    assert replay(done.sidecar).same
