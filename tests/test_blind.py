"""Pages for people to compare videos, and what they chose: benchmarks/blind.py."""

import base64
import io
import json
import math
import re
import runpy
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest
from media_made import grey_clip

from enliven.reward.evaluate import Evaluation
from enliven.reward.shelf import Judged
from enliven.types import Score, Scorecard

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
GREY = {"one": 200, "two": 60}


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch):
    """Runs blind.py with arguments."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def run(*words: object) -> None:
        monkeypatch.setattr(sys, "argv", ["blind.py", *map(str, words)])
        runpy.run_path(str(BENCHMARKS / "blind.py"), run_name="__main__")

    return run


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Five pairs: light, larger and of 10 frames by "one", dark, small and of 12 by "two"."""
    made = {}
    for side, size, count in (("one", (96, 64), 10), ("two", (64, 48), 12)):
        made[side] = tmp_path / f"of-{side}"
        made[side].mkdir()
        times = [Fraction(i, 25) for i in range(count)]
        grey_clip(made[side] / "0.mp4", times, [GREY[side]] * count, size=size,
                  sound_seconds=count / 25)  # fmt: skip
        for number in range(1, 5):
            content = (made[side] / "0.mp4").read_bytes()
            (made[side] / f"{number}.mp4").write_bytes(content)
    return made


def shown_by(page: Path) -> dict[str, bytes]:
    found = re.findall(r'id="(\d+[ab])">([^<]+)</script>', page.read_text())
    return {name: base64.b64decode(coded) for name, coded in found}


def test_videos_tell_nothing_of_where_they_come_from(blind, folders, tmp_path: Path) -> None:
    def build(name: str, seed: int) -> Path:
        blind("videos", tmp_path / name, "--one", folders["one"], "--two", folders["two"],
              "--seed", seed)  # fmt: skip
        return tmp_path / name

    page = build("page.html", 3)
    assert "of-one" not in page.read_text()
    assert ".mp4" not in page.read_text()
    media = shown_by(page)
    key = json.loads(page.with_suffix(".key.json").read_text())
    assert sorted(key) == ["1", "2", "3", "4", "5", "page"]
    assert {one["name"] for one in key.values() if isinstance(one, dict)} == {
        f"{n}.mp4" for n in range(5)
    }
    lefts = [key[str(n)]["left"] for n in range(1, 6)]
    assert {"one", "two"} == set(lefts)
    facts = []
    for number, left in enumerate(lefts, 1):
        right = {"one": "two", "two": "one"}[left]
        for side, whose in (("a", left), ("b", right)):
            content = media[f"{number}{side}"]
            with av.open(io.BytesIO(content)) as file:
                frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
                assert abs(int(frames[5][24, 32, 0]) - GREY[whose]) < 4
                sound, picture = file.streams.audio[0], file.streams.video[0]
                kind = ("major_brand", "minor_version", "compatible_brands")
                tags = {k: v for k, v in file.metadata.items() if k not in kind}
                told = (len(content), len(frames), frames[0].shape, sound.rate, tags)
                facts.append((*told, dict(picture.metadata), dict(sound.metadata)))
    assert all(fact == facts[0] for fact in facts)
    assert facts[0][1] == 10
    assert facts[0][4] == {}
    assert build("again.html", 3).read_bytes() == page.read_bytes()
    assert build("other.html", 4).read_bytes() != page.read_bytes()


def test_videos_without_sound_or_pair_are_refused(blind, folders, tmp_path: Path) -> None:
    grey_clip(folders["one"] / "2.mp4", [Fraction(0), Fraction(1, 25)], [9, 9])
    with pytest.raises(SystemExit, match=r"2\.mp4 is no video with sound"):
        blind("videos", tmp_path / "page.html", "--one", folders["one"], "--two", folders["two"])
    with pytest.raises(SystemExit, match="share no mp4"):
        blind("videos", tmp_path / "page.html", "--one", folders["one"], "--two", tmp_path)
    assert not list(tmp_path.glob("page*"))


def test_choices_are_counted_by_question(blind, tmp_path: Path, capsys) -> None:
    """Ten pairs, "one" always at the left of odd ones: 8 to 1 and a tie; 5 to none."""
    key = {str(n): {"name": str(n), "left": "one" if n % 2 else "two"} for n in range(1, 11)}
    (tmp_path / "key.json").write_text(json.dumps({"page": "p"} | key))

    def chosen(number: int, whose: str) -> str:
        if whose == "same":
            return whose
        return "left" if key[str(number)]["left"] == whose else "right"

    overall = ["one"] * 8 + ["two", "same"]
    lips = ["two"] * 5
    mine: dict = {"page": "p"} | {str(n): {"overall": chosen(n, w)}
                                  for n, w in enumerate(overall, 1)}  # fmt: skip
    for n, w in enumerate(lips, 1):
        mine[str(n)]["lips"] = chosen(n, w)
    (tmp_path / "anna.json").write_text(json.dumps(mine))
    blind("count", tmp_path / "key.json", tmp_path / "anna.json")
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    # of 9 decided at most 1 by chance, either way: 2 (1 + 9) / 512; Wilson: 0.565 to 0.980
    assert rows["overall"] == ["8", "1", "1", "89%", "56", "to", "98%", "0.0391"]
    assert rows["lips"][:3] == ["0", "5", "0"]
    assert rows["lips"][-1] == "0.0625"
    # a second person of the same mind does not make it surer; one of another page is refused
    (tmp_path / "ben.json").write_text(json.dumps(mine))
    blind("count", tmp_path / "key.json", tmp_path / "anna.json", tmp_path / "ben.json")
    out = capsys.readouterr().out
    assert "0.0391" in out
    assert "100%" in out.splitlines()[-1]
    (tmp_path / "ben.json").write_text(json.dumps(mine | {"page": "q"}))
    with pytest.raises(SystemExit, match="another page"):
        blind("count", tmp_path / "key.json", tmp_path / "ben.json")
    (tmp_path / "ben.json").write_text(json.dumps({"1": "middle"}))
    with pytest.raises(SystemExit, match="'middle' is not one of"):
        blind("count", tmp_path / "key.json", tmp_path / "ben.json")


def test_the_judge_is_counted_as_people_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Three clips: lips better by 2 of the scale of 4, worse by 1, equal; the rest unknown."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from blind_judge import agreement, differences, table

    lips = {"x": (5.0, 3.0), "y": (2.0, 3.0), "z": (4.0, 4.02)}
    unknown = Score(math.nan, 1.0, 5.0, valid=False, why="too dark")
    judged = {
        (system, clip): Judged(Scorecard({"lip_sync": Score(values[k], 1.0, 5.0),
                                          "expressiveness": unknown, "motion": unknown}), None)
        for k, system in enumerate(("one", "two")) for clip, values in lips.items()
    }  # fmt: skip
    found = Evaluation(("one", "two"), ("x", "y", "z"), judged, (), "test 1")
    gaps = differences(found, ["x", "y", "z"])
    assert gaps["lip_sync"] == pytest.approx([0.5, -0.25, -0.005])
    rows = {row.split()[0]: row for row in table(gaps, 0.01).splitlines()[1:]}
    assert rows["lip_sync"].split()[1:5] == ["1", "1", "1", "50%"]
    assert "+0.082" in rows["lip_sync"]
    assert "3 unknown" in rows["motion"]
    page = {str(n): {"name": f"{clip}.mp4", "left": "one"} for n, clip in enumerate("xyz", 1)}
    choices = {"1": {"lips": "left", "real": "left"}, "2": {"lips": "left"}, "3": {"lips": "left"}}
    (tmp_path / "anna.json").write_text(json.dumps(choices))
    told = {name: dict(zip("xyz", gap, strict=True)) for name, gap in gaps.items()}
    (said,) = agreement(told, 0.01, page, [tmp_path / "anna.json"])
    assert said == "lips: people and lip_sync say the same of 1 of the 2 pairs that both decide"


def test_pictures_are_counted_as_ever(blind, tmp_path: Path, capsys) -> None:
    import cv2
    import numpy as np

    for side, grey in GREY.items():
        (tmp_path / side).mkdir()
        cv2.imwrite(str(tmp_path / side / "x.png"), np.full((8, 8, 3), grey, np.uint8))
    page = tmp_path / "page.html"
    blind("build", page, "--one", tmp_path / "one", "--two", tmp_path / "two")
    key = json.loads(page.with_suffix(".key.json").read_text())
    assert f'page:"{key["page"]}"' in page.read_text()
    left = {"one": "left", "two": "right"}[key["1"]["left"]]
    (tmp_path / "c.json").write_text(json.dumps({"page": key["page"], "1": left}))
    capsys.readouterr()
    blind("count", page.with_suffix(".key.json"), tmp_path / "c.json")
    row = next(r for r in capsys.readouterr().out.splitlines() if r.startswith("preferred"))
    assert row.split()[1:4] == ["1", "0", "0"]
