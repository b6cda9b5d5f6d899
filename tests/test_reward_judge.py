"""Judging files and frames, bad ones above all: pytest tests/test_reward_judge.py"""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from media_made import encode_sound, grey_clip, tone
from reward_made import MadeJudge, made_stretch

import enliven
from enliven.errors import BadMedia, BadOption
from enliven.face.portrait import load_portrait
from enliven.media.video import read_frames
from enliven.metrics.closeness import habits
from enliven.metrics.watch import watch
from enliven.reward import judge as judging
from enliven.reward.card import checks
from enliven.reward.judge import AXES, Mark, axis_scores, default_judge, judge, judge_frames
from enliven.reward.page import video_page
from enliven.reward.real import Traces, against_real
from enliven.reward.record import Recorder


def clip(path: Path, frames: int = 10, rate: int = 25, **options) -> Path:
    times = [Fraction(i, rate) for i in range(frames)]
    return grey_clip(path, times, [100 + i % 3 for i in range(frames)], rate=rate, **options)


def mark(value: float, start: float = 0.0, stop: float = 2.0, axis: str = "motion") -> Mark:
    return Mark(axis, start, stop, value, f"{value:g}")


def test_marks_count_by_their_time() -> None:
    score = axis_scores([mark(1, 0, 1), mark(5, 1, 4)])["motion"]
    assert score.value == 4
    assert score.valid
    assert score.worst_seconds == (0, 1)
    assert score.why == "1"


def test_what_could_not_be_judged_is_left_out() -> None:
    score = axis_scores([mark(4, 0, 2), mark(np.nan, 2, 4)])["motion"]
    assert score.valid
    assert score.value == 4


def test_mostly_unjudged_is_invalid_with_the_reason() -> None:
    score = axis_scores([mark(4, 0, 1), Mark("motion", 1, 4, np.nan, "no face")])["motion"]
    assert not score.valid
    assert score.why == "no face"


def test_every_axis_has_a_score() -> None:
    scores = axis_scores([])
    assert tuple(scores) == AXES
    assert not any(score.valid for score in scores.values())


def test_every_stretch_is_judged_once_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [made_stretch(0, 250), made_stretch(10, 100)]
    monkeypatch.setattr(judging, "watch_frames", lambda *_: iter(parts))
    marker = MadeJudge(lambda axis, second: 5.0 if second < 10 else 2.0)
    card = judge_frames([], 25, None, judge=marker)
    assert marker.calls == 2
    assert card.judge == "made-1"
    assert card.scores["motion"].value == pytest.approx((10 * 5 + 4 * 2) / 14)
    assert card.scores["motion"].worst_seconds == (10, 11)


def test_no_face(tmp_path: Path, face_networks: Path) -> None:
    seen = []
    card = judge(clip(tmp_path / "grey.mp4", sound_seconds=0.4), judge=MadeJudge(),
                 seen=lambda stretch, marks: seen.append(len(marks)))  # fmt: skip
    assert seen == [3]
    for axis in AXES:
        assert not card.scores[axis].valid
        assert "no face" in card.scores[axis].why
    for name, score in checks(card).items():
        if not score.valid:
            assert score.why, name


@pytest.mark.parametrize(
    ("frames", "rate", "remark"),
    [(1, 25, ""), (6, 10, "10 frames a second"), (60, 120, "120 frames a second")],
)
def test_lengths_and_rates(
    tmp_path: Path, face_networks: Path, frames: int, rate: int, remark: str
) -> None:
    card = judge(clip(tmp_path / "clip.mp4", frames, rate), judge=MadeJudge())
    assert not card.scores["lip_sync"].valid
    assert (remark in " ".join(card.notes)) if remark else card.notes == ()


@pytest.mark.parametrize("frames", [1, 4, 30])
def test_our_critic_takes_any_length(frames: int) -> None:
    for seen in (True, False):
        for sounds in (True, False):
            marks = default_judge()(made_stretch(2, frames, seen=seen, sounds=sounds))
            for axis in {mark.axis for mark in marks}:
                own = [mark for mark in marks if mark.axis == axis]
                assert own[0].start == 2
                assert own[-1].stop == pytest.approx(2 + frames / 25)
                assert all(np.isfinite(mark.value) or mark.why for mark in own)


def test_sound_that_outlasts_the_picture_is_said(tmp_path: Path, face_networks: Path) -> None:
    card = judge(clip(tmp_path / "long.mp4", sound_seconds=3.0), judge=MadeJudge())
    assert any("sound goes on" in note for note in card.notes)


def test_files_that_are_no_videos(tmp_path: Path, portrait_jpg: Path, speech_wav: Path) -> None:
    mp3 = encode_sound(tmp_path / "voice.mp3", "libmp3lame", tone(0.5, 16_000), 16_000)
    (tmp_path / "text.mp4").write_text("no video at all")
    (tmp_path / "empty.mp4").write_bytes(b"")
    for path in (speech_wav, mp3):
        with pytest.raises(BadMedia, match="only sound"):
            judge(path, judge=MadeJudge())
    with pytest.raises(BadMedia, match="is a still picture"):
        judge(portrait_jpg, judge=MadeJudge())
    for name in ("text.mp4", "empty.mp4", "missing.mp4"):
        with pytest.raises(BadMedia, match=name):
            judge(tmp_path / name, judge=MadeJudge())
    with pytest.raises(BadOption, match="face"):
        judge(clip(tmp_path / "clip.mp4", 2), judge=MadeJudge(), face=0)


def test_remarks_on_faces() -> None:
    assert judging._remarks(1, 25, 1) == []
    assert "the largest is judged" in judging._remarks(3, 25, 1)[0]
    assert "number 2" in judging._remarks(3, 30, 2)[0]
    assert "shows one" in judging._remarks(1, 25, 2)[0]
    assert judging._remarks(0, 59.94, 2) == []


class MadeTraces(Traces):  # type: ignore[misc]
    """Lips that open as told."""

    def __init__(self, opening: np.ndarray) -> None:
        super().__init__()
        self._openings.append(opening)


def test_against_itself_and_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = clip(tmp_path / "one.mp4"), clip(tmp_path / "other.mp4", size=(80, 48))
    opening = np.abs(np.sin(np.arange(100) * 0.37)) + 0.1 * np.sin(np.arange(100) * 1.7)
    monkeypatch.setattr("enliven.reward.real.watch", lambda path: [])
    monkeypatch.setattr("enliven.reward.real.Traces", lambda: MadeTraces(opening))
    same = against_real(one, MadeTraces(opening), one)
    assert same["reference_lips"].value == pytest.approx(1)
    assert same["reference_lag"].value == 0
    assert same["reference_ssim"].value == pytest.approx(1)
    assert same["reference_psnr"].value == 60
    late = against_real(one, MadeTraces(np.roll(opening, 3)), other)
    assert late["reference_lips"].value < 0.9
    assert late["reference_lag"].value == pytest.approx(3 / 25)
    assert "after" in late["reference_lag"].why
    assert not late["reference_ssim"].valid
    assert "differ in size" in late["reference_psnr"].why
    unseen = against_real(one, MadeTraces(np.full(100, math.nan)), one)
    assert not unseen["reference_lips"].valid
    assert "2 s are needed" in unseen["reference_lag"].why
    assert not unseen["reference_closeness"].valid


def test_habits_of_a_video_are_those_of_its_stretches() -> None:
    traces, stretches = Traces(), [made_stretch(0, 250), made_stretch(10, 100, seen=False)]
    for stretch in stretches:
        traces.add(stretch)
    expected = vars(habits(stretches))
    assert vars(traces.habits()) == pytest.approx(expected, nan_ok=True)


@pytest.mark.slow
def test_our_own_video_and_a_copy_out_of_time(
    tmp_path: Path, portrait_jpg: Path, speech_wav: Path, face_networks: Path
) -> None:
    made = tmp_path / "made.mp4"
    enliven.animate(portrait_jpg, audio=speech_wav, output=made, size=320)
    recorder = Recorder()
    card = judge(made, portrait=portrait_jpg, seen=recorder.add)
    assert card.scores["lip_sync"].value > 4
    for name in ("face", "sync", "stillness", "exposure", "background", "layout"):
        assert card.scores[name].value > 0.5, name
    assert "Lip-sync" in video_page("made.mp4", card, recorder.record())

    frames = list(read_frames(made).frames)
    samples = np.concatenate([s.voice for s in watch(made)])
    late = judge_frames(frames, 25, np.roll(samples, -6400), portrait=load_portrait(portrait_jpg))
    assert late.scores["lip_sync"].value < card.scores["lip_sync"].value - 1
    assert "after" in late.scores["lip_sync"].why
    assert late.scores["sync"].value < 0.5
    assert late.scores["exposure"].value == pytest.approx(card.scores["exposure"].value, abs=0.05)
