"""Pages, plots, and what is kept for them: pytest tests/test_reward_page.py"""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from reward_made import MadeJudge, made_stretch

from enliven.reward.card import as_json, checks, from_json, state
from enliven.reward.evaluate import Evaluation
from enliven.reward.evaluate_page import evaluation_page
from enliven.reward.judge import AXES, axis_scores
from enliven.reward.page import video_page
from enliven.reward.plots import Curve, clock, differences, intervals, timeline
from enliven.reward.record import EVEN, MOUTH_PX, MOUTHS, Record, Recorder, packed, unpacked
from enliven.reward.shelf import Judged, key, put, taken
from enliven.reward.statistics import estimate, paired
from enliven.types import Score, Scorecard

VOID = {"meta", "img", "br"}


def recorded(*stretches, opinion=lambda axis, second: 4.0) -> tuple[Scorecard, Record]:
    judge, marks = MadeJudge(opinion), []
    recorder = Recorder()
    for stretch in stretches:
        made = judge(stretch)
        marks += made
        recorder.add(stretch, made)
    scores = axis_scores(marks)
    scores["jitter"] = Score(0.2, 0, 1, why="points shake", worst_seconds=(1.0, 2.0))
    scores["identity"] = Score(math.nan, 0, 1, valid=False, why="no photo was given")
    return Scorecard(scores, judge.name, ("a <note> & more",)), recorder.record()


class Balanced(HTMLParser):
    """Fails where a tag is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        pass

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.text += data + " "


def read(page: str) -> str:
    """The text of a page that is well formed and loads nothing from elsewhere."""
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert "<script" not in page
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?(?!data:)[a-z]+:""", page)
    return parser.text


def size(content: bytes) -> tuple[int, int]:
    height, width = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).shape[:2]
    return width, height


def test_the_lowest_window_is_kept_of_all_stretches() -> None:
    def opinion(axis: str, second: float) -> float:
        return {13.0: 2.0, 3.0: 2.5}.get(second, 4.0) if axis == "motion" else 4.0

    parts = [made_stretch(0, 250, grey=60), made_stretch(10, 250, grey=200)]
    card, record = recorded(*parts, opinion=opinion)
    worst = record.worst["motion"]
    assert (worst.mark.start, worst.mark.value) == (13, 2)
    assert card.scores["motion"].worst_seconds == (13, 14)
    assert all(13 <= shot.second < 14 for shot in worst.shots)
    picture = cv2.imdecode(np.frombuffer(worst.shots[0].scene, np.uint8), cv2.IMREAD_COLOR)
    assert abs(float(picture.mean()) - 200) < 4  # of the second stretch, though the first was held
    assert size(worst.mouths) == (MOUTHS * MOUTH_PX[0], MOUTH_PX[1])
    assert record.worst["lip_sync"].mark.start == 0  # of equal ones the first, as on the card
    assert card.scores["lip_sync"].worst_seconds == (0, 1)


def test_pictures_are_spread_over_the_video() -> None:
    _, record = recorded(*(made_stretch(10 * i, 250) for i in range(3)))
    places = [2.5, 7.5, 12.5, 17.5, 22.5, 27.5]
    assert [shot.second for shot in record.even] == pytest.approx(places, abs=30 / 32)
    assert len(record.even) == EVEN
    assert record.seconds == 30
    _, one = recorded(made_stretch(0, 1))
    assert len(one.even) >= 1
    _, unknown = recorded(made_stretch(0, 50))
    assert len(unknown.even) == EVEN


def test_loudness_is_that_of_the_tone() -> None:
    _, record = recorded(made_stretch(0, 50, level=0.1))
    assert len(record.loudness) == 20
    assert record.loudness == pytest.approx(np.full(20, -20), abs=0.3)
    _, silent = recorded(made_stretch(0, 50, sounds=False))
    assert len(silent.loudness) == 0


def test_nothing_grows_with_the_length_but_marks_and_loudness() -> None:
    def bytes_of(record: Record) -> int:
        shots = [*record.even, *(shot for held in record.worst.values() for shot in held.shots)]
        return sum(len(shot.scene) + len(shot.mouth) for shot in shots)

    short = recorded(*(made_stretch(10 * i, 250) for i in range(2)))[1]
    long = recorded(*(made_stretch(10 * i, 250) for i in range(8)))[1]
    assert bytes_of(long) == bytes_of(short)


def test_record_and_card_survive_a_file(tmp_path) -> None:
    seen = np.arange(75) % 3 > 0
    card, record = recorded(made_stretch(0, 75, seen=seen))
    again = unpacked(json.loads(json.dumps(packed(record))))
    assert packed(again) == packed(record)
    assert as_json(from_json(json.loads(json.dumps(as_json(card))))) == as_json(card)
    put(tmp_path / "shelf", "one", Judged(card, record))
    held = taken(tmp_path / "shelf", "one")
    assert held is not None
    assert as_json(held.card) == as_json(card)
    assert taken(tmp_path / "shelf", "two") is None
    (tmp_path / "shelf" / "one.json").write_text('{"card": {}}')
    assert taken(tmp_path / "shelf", "one") is None


def test_key_follows_content_not_names(tmp_path) -> None:
    for name, content in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name).write_text(content)
    a, b, c = (tmp_path / name for name in "abc")
    assert key((a, None), "judge") == key((b, None), "judge")
    others = [(a, None), (c, None), (a, c), (c, a), (a, "2")]
    assert len({key((a, None), "another"), *(key(parts, "judge") for parts in others)}) == 6


def test_state_of_a_check() -> None:
    assert [state(Score(v, 0, 1)) for v in (1.0, 0.66, 0.6, 0.5, 0.49, 0.0)] == [
        "fine", "fine", "limit", "limit", "bad", "bad"]  # fmt: skip
    assert state(Score(0.1, 0, 1, higher_is_better=False)) == "fine"
    assert state(Score(1.0, 0, 1, valid=False)) == "unknown"
    assert state(Score(math.nan, 0, 1)) == "unknown"


def test_json_has_no_number_for_what_cannot_be_told() -> None:
    card, _ = recorded(made_stretch(0, 25, seen=False))
    content = json.loads(json.dumps(as_json(card), allow_nan=False))
    assert list(content)[:3] == list(AXES)
    assert content["lip_sync"]["value"] is None
    assert content["lip_sync"]["valid"] is False
    assert content["checks"]["identity"]["why"] == "no photo was given"
    assert content["checks"]["jitter"]["worst_seconds"] == [1, 2]
    assert set(content["checks"]) == set(checks(card))


def test_page_of_a_video() -> None:
    card, record = recorded(made_stretch(0, 100))
    text = read(video_page('<b>"x".mp4', card, record, "photo & co.jpg"))
    for part in ('<b>"x".mp4', "4.0", "A <note> & more.", "Points shake.", "bad", "cannot be told",
                 "no photo was given", "made-1", "photo & co.jpg", "0 to 1 s"):  # fmt: skip
        assert part in text


@pytest.mark.parametrize(
    ("seen", "sounds", "frames"),
    [(False, True, 50), (True, False, 50), (True, True, 1), (False, False, 1)],
)
def test_page_of_a_video_that_cannot_be_judged(seen, sounds, frames) -> None:
    card, record = recorded(made_stretch(0, frames, seen=seen, sounds=sounds))
    page = video_page("x.mp4", card, record)
    text = read(page)
    assert ("no sound" in text) == (not sounds)
    assert ("Cannot be told: no face" in text) == (not seen)
    assert "nan" not in page.lower().replace("determinant", "")


def test_timeline_breaks_where_nothing_could_be_told() -> None:
    spans = np.array([[i, i + 1] for i in range(6)], float)
    values = np.array([1, 2, math.nan, 4, math.nan, 5])
    drawn = timeline([Curve("motion", 0, spans, values, (0.0, 1.0))], np.full(60, -20.0), 6.0)
    assert drawn.count("<polyline") == 3
    assert "nan" not in drawn
    lines = re.findall(r'<polyline[^>]* points="([^"]*)"', drawn)
    heights = [float(place.split(",")[1]) for line in lines for place in line.split()]
    assert max(heights) == heights[0]  # 1 is lowest on the screen, 5 highest
    assert min(heights) == heights[-1]


def test_timeline_of_an_hour_stays_small() -> None:
    spans = np.array([[2 * i, 2 * i + 2] for i in range(1800)], float)
    curves = [Curve(axis, i, spans, np.full(1800, 3.0)) for i, axis in enumerate(AXES)]
    drawn = timeline(curves, np.full(36_000, -20.0), 3600.0)
    assert len(drawn) < 60_000
    assert ">0:45:00<" in drawn


def test_plots_place_means_in_order() -> None:
    rows = [estimate([2.0, 2.2]), estimate([4.0, 4.2]), estimate([])]
    drawn = intervals(["a", "b", "c"], [("motion", rows)], 1, 5)
    places = [float(x) for x in re.findall(r'class="mean[^"]*" cx="([\d.]+)"', drawn)]
    assert len(places) == 2
    assert places[0] < places[1]
    assert "cannot be told" in drawn
    gap = np.array([0.5, -0.2, math.nan])
    drawn = differences([("motion", paired(np.zeros(3), gap), gap)], "a", "b", 0.5)
    assert drawn.count('class="clip') == 2
    assert "nan" not in drawn


def test_clock() -> None:
    assert [clock(2), clock(2.25), clock(59.96, 60), clock(3.0, 100), clock(3725)] == [
        "2 s", "2.2 s", "1:00", "0:03", "1:02:05"]  # fmt: skip


def test_page_of_an_evaluation() -> None:
    card, record = recorded(made_stretch(0, 50))
    judged = {}
    for i, clip in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    ):
        for system, bonus in (("A&B", 0.0), ("C", 1.0 + 0.05 * i)):
            scores = {name: replace(score, value=score.value - 2 + bonus) if name in AXES else score
                      for name, score in card.scores.items()}  # fmt: skip
            judged[system, clip] = Judged(replace(card, scores=scores), record)
    del judged["C", "seven"]
    clips = tuple(sorted({clip for _, clip in judged}))
    found = Evaluation(("A&B", "C"), clips, judged, (("C", "seven", "missing"),), "made-1")
    text = read(evaluation_page(found))
    assert "A&B against C" in text
    assert "C is better than A&B" in text
    assert "missing" in text
    assert text.count("made-1") >= 1
    alone = Evaluation(("A&B",), clips, judged, (), "made-1")
    assert "better" not in read(evaluation_page(alone))
