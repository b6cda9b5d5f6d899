"""Systems compared clip by clip: pytest tests/test_reward_evaluate.py"""

import json
import math
from pathlib import Path

import pytest
from reward_made import MadeJudge, made_stretch

from enliven.errors import BadMedia, BadOption
from enliven.reward import evaluate as evaluating
from enliven.reward.evaluate import evaluate, media_by_stem, system_names
from enliven.reward.judge import axis_scores
from enliven.types import Scorecard


@pytest.fixture
def judging(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files whose content is a mark; judging them takes no video.  Lists what was judged."""
    done: list[str] = []

    def judge(path, *, portrait, reference, judge, seen):
        text = path.read_text()
        if text == "broken":
            raise BadMedia(f"{path.name} is damaged")
        stretch = made_stretch(0, 25)
        marks = MadeJudge(lambda axis, _: float(text) if axis == "motion" else 3.0)(stretch)
        seen(stretch, marks)
        done.append("/".join(path.parts[-2:]))
        note = tuple(part.name for part in (portrait, reference) if part)
        return Scorecard(axis_scores(marks), judge.name, note)

    monkeypatch.setattr(evaluating, "judge", judge)
    return done


def folder(path: Path, ending: str = ".mp4", **files: object) -> Path:
    path.mkdir(parents=True)
    for name, content in files.items():
        (path / (name + ending)).write_text(str(content))
    return path


def run(tmp_path: Path, *folders: Path, judge: MadeJudge | None = None, **options):
    return evaluate(folders, judge=judge or MadeJudge(), cache=tmp_path / "kept", **options)


def test_clips_are_matched_by_name(tmp_path: Path, judging: list[str]) -> None:
    a = folder(tmp_path / "A", x=2, y=3, z=1)
    b = folder(tmp_path / "B", ".webm", x=2.5, y=4, w=5)
    found = run(tmp_path, a, b)
    assert found.systems == ("A", "B")
    assert found.clips == ("w", "x", "y", "z")
    assert found.left_out == (("A", "w", "missing"), ("B", "z", "missing"))
    compared = found.comparisons()[0]
    assert compared.axes["motion"].difference.count == 2
    assert compared.axes["motion"].difference.mean == pytest.approx(0.75)
    assert compared.axes["motion"].wins == 1
    assert compared.axes["lip_sync"].wins == 0.5
    assert compared.corrected["motion"] == 1  # 3 times 2 / 4, at most 1
    assert found.mean("A", "motion").mean == pytest.approx(2)  # of all clips that it has
    assert math.isnan(found.values("A", "motion")[0])


def test_a_second_run_judges_only_what_is_new(tmp_path: Path, judging: list[str]) -> None:
    a, b = folder(tmp_path / "A", x=2, y=3), folder(tmp_path / "B", x=4)
    first = run(tmp_path, a, b)
    assert sorted(judging) == ["A/x.mp4", "A/y.mp4", "B/x.mp4"]
    assert run(tmp_path, a, b).as_json() == first.as_json()
    assert len(judging) == 3
    (a / "x.mp4").rename(a / "new.mp4")  # the content decides, not the name
    (b / "x.mp4").write_text("4.5")
    run(tmp_path, a, b)
    assert judging[3:] == ["B/x.mp4"]
    other = MadeJudge()
    other.name = "made-2"
    run(tmp_path, a, b, judge=other)
    assert len(judging) == 7


def test_a_run_that_stopped_goes_on(tmp_path: Path, judging: list[str]) -> None:
    a = folder(tmp_path / "A", u=1, v=2, w=3)

    def stop(what: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, a, progress=stop)
    assert judging == ["A/u.mp4", "A/v.mp4"]
    run(tmp_path, a)
    assert judging[2:] == ["A/w.mp4"]


def test_damaged_videos_are_left_out(tmp_path: Path, judging: list[str]) -> None:
    found = run(tmp_path, folder(tmp_path / "A", x="broken", y=2), folder(tmp_path / "B", x=3, y=3))
    assert found.left_out == (("A", "x", "x.mp4 is damaged"),)
    assert found.comparisons()[0].axes["motion"].difference.count == 1


def test_photos_and_real_videos_go_with_their_clips(tmp_path: Path, judging: list[str]) -> None:
    a, real = folder(tmp_path / "A", x=2, y=3), folder(tmp_path / "filmed", ".mov", x=5)
    photos = folder(tmp_path / "photos", ".jpg", x="photo", other="photo")
    found = run(tmp_path, a, portraits=photos, real=real)
    assert found.systems == ("filmed", "A")
    assert found.judged["A", "x"].card.notes == ("x.jpg", "x.mov")
    assert found.judged["A", "y"].card.notes == ()
    assert found.judged["filmed", "x"].card.notes == ("x.jpg",)  # not held against itself
    assert "other" not in found.clips


def test_closeness_is_told_on_common_clips(
    tmp_path: Path, judging: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = []
    monkeypatch.setattr(
        evaluating, "closeness", lambda *sets, paired, seed: sides.append((*sets, paired))
    )
    found = run(tmp_path, folder(tmp_path / "A", x=2, y=3, z=1), real=folder(tmp_path / "R", y=5))
    found.closeness("A")
    real, made, paired = sides[0]
    assert paired
    assert real == [found.judged["R", "y"].record.habits]
    assert made == [found.judged["A", "y"].record.habits]
    assert run(tmp_path, tmp_path / "A").closeness("A") is None


def test_intervals_stay_on_the_scale(tmp_path: Path, judging: list[str]) -> None:
    found = run(tmp_path, folder(tmp_path / "A", x=5, y=4.9, z=2))
    mean = found.mean("A", "motion")
    assert 1 <= mean.low < mean.mean < mean.high <= 5


def test_json_is_plain(tmp_path: Path, judging: list[str]) -> None:
    found = run(tmp_path, folder(tmp_path / "A", x=2), folder(tmp_path / "B", x=3))
    content = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert content["means"]["B"]["motion"] == {"mean": 3.0, "low": None, "high": None, "count": 1}
    assert content["comparisons"][0]["axes"]["motion"]["wins"] == 1
    assert content["scorecards"]["A"]["x"]["motion"]["value"] == 2


def test_names_of_systems(tmp_path: Path) -> None:
    assert system_names([Path("a"), Path("b")]) == ["a", "b"]
    assert system_names([Path("one/out"), Path("two/out")]) == ["one/out", "two/out"]
    with pytest.raises(BadOption, match="twice"):
        system_names([Path("a"), Path("./a/")])
    with pytest.raises(BadOption, match="at least one"):
        system_names([])


def test_folders_that_do_not_serve(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="not a folder"):
        run(tmp_path, tmp_path / "missing")
    with pytest.raises(BadOption, match="holds no file"):
        run(tmp_path, folder(tmp_path / "empty"))
    both = folder(tmp_path / "both", x=1)
    (both / "x.MOV").write_text("2")
    with pytest.raises(BadOption, match="several files named x"):
        media_by_stem(both, (".mp4", ".mov"))
