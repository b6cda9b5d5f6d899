"""What a run tells of itself, when it must stop, and the page that shows it."""

import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")
pytest.importorskip("tensorboard", reason="training needs tensorboard: pip install enliven[train]")

from enliven.errors import BadOption  # noqa: E402
from enliven.reward.compose import Gate, Reward, Term, advantages  # noqa: E402
from enliven.train.loop import Config, rewards_of  # noqa: E402
from enliven.train.monitor import (  # noqa: E402
    Stopping,
    ends,
    evaluation_record,
    fault,
    reward_record,
)
from enliven.train.report import chart, write_report  # noqa: E402
from enliven.train.workers import Scored  # noqa: E402
from enliven.types import Score, Scorecard  # noqa: E402

REWARD = Reward((Term("a", 0.75, 0.01), Term("b", 0.25, 0.01)))


def scored(a: float, b: float = 0.5, **more: object) -> Scored:
    card = Scorecard({"a": Score(a, 0, 1), "b": Score(b, 0, 1), "c": Score(1 - a, 0, 1)})
    return Scored(card, "", {"decode": 1.0, "score": 2.0}, {"edges": a}, **more)


def told(*held: tuple[float, float]) -> list[dict[str, float]]:
    return [{"held out": h, "reward": r} for h, r in held]


def test_a_batch_is_told_term_by_term() -> None:
    batch = [scored(0.2), scored(0.4), scored(0.9, 0.7), scored(0.9, 0.3), Scored(why="it died")]
    groups = np.array([0, 0, 1, 1, 1], np.int64)
    rewards = rewards_of(REWARD, batch, groups)
    found = advantages(REWARD, rewards)
    record = reward_record(REWARD, rewards, found, batch)
    assert record["invalid"] == pytest.approx(0.2)
    assert record["reward/a"] == pytest.approx(0.6)
    assert record["reward"] == pytest.approx(0.75 * 0.6 + 0.25 * 0.5)
    assert record["spread/a"] == pytest.approx((0.1 + 0.0) / 2)
    assert record["equal/a"] == 0.5
    assert record["equal/b"] == 0.5
    assert record["seconds/decode"] == 4.0
    assert record["pictures/edges"] == pytest.approx(0.6)
    assert record["advantages"] == pytest.approx(0, abs=1e-12)


def test_vetoes_are_counted_gate_by_gate() -> None:
    gated = Reward(REWARD.terms, (Gate("a", 0.3), Gate("b", 0.6), Gate("c", 0.05)))
    batch = [scored(0.2), scored(0.4, 0.7), scored(0.9, 0.7), scored(0.9, 0.3)]
    groups = np.array([0, 0, 1, 1], np.int64)
    rewards = rewards_of(gated, batch, groups)
    record = reward_record(gated, rewards, advantages(gated, rewards), batch)
    assert record["vetoed"] == 0.5  # the first by two gates, the last by one
    assert (record["vetoed/a"], record["vetoed/b"]) == (0.25, 0.5)
    assert "vetoed/c" not in record


def test_a_reward_for_which_nobody_scored_is_refused() -> None:
    with pytest.raises(BadOption, match="no video was scored on d"):
        rewards_of(Reward((Term("d", 1.0, 0.0),)), [scored(0.2)], np.zeros(1, np.int64))
    # where nothing at all could be scored nothing is known of the judge
    lost = rewards_of(REWARD, [Scored(why="x")] * 2, np.zeros(2, np.int64))
    assert not lost.valid.any()


def test_evaluations_are_means_of_what_is_valid() -> None:
    record = evaluation_record(REWARD, ("c",), [scored(0.2), scored(0.6), Scored(why="gone")])
    assert record["reward"] == pytest.approx(0.75 * 0.4 + 0.25 * 0.5)
    assert record["held out"] == pytest.approx(0.6)
    assert record["invalid"] == pytest.approx(1 / 3)
    assert math.isnan(evaluation_record(REWARD, (), [scored(0.2)])["held out"])


def test_a_run_ends_when_only_the_reward_rises() -> None:
    hacked = told((0.5, 0.1), (0.48, 0.2), (0.46, 0.3))
    assert "fell 2 times" in ends(hacked, Stopping())
    assert not ends(hacked, Stopping(falls=3))
    assert not ends(hacked[1:], Stopping())
    assert not ends(told((0.5, 0.3), (0.48, 0.2), (0.46, 0.1)), Stopping())  # both fall
    assert not ends(told((0.5, 0.1), (0.48, 0.2), (0.49, 0.3)), Stopping())  # it came back
    assert not ends(told((0.5, 0.1), (0.499, 0.2), (0.498, 0.3)), Stopping())  # hardly
    assert not ends(told(*[(math.nan, r / 9) for r in range(9)]), Stopping())


def test_a_run_ends_when_faces_come_to_rest_elsewhere() -> None:
    still = [{"held out": 0.5, "reward": 0.5, "score/rest/pitch": 0.5, "score/sync": 0.5}]
    bowed = still[0] | {"score/rest/pitch": 0.7, "reward": 0.9}
    assert not ends(still, Stopping())
    assert not ends([*still, still[0] | {"score/sync": 0.9, "score/rest/pitch": 0.6}], Stopping())
    assert "rest/pitch moved from 0.500 to 0.700" in ends([*still, bowed], Stopping())
    assert "rest/pitch" in ends([bowed, *still], Stopping())  # the other way
    assert not ends([*still, bowed], Stopping(strays=0.25))
    assert not ends([*still, bowed, *still], Stopping())  # it came back
    assert not ends([still[0] | {"score/rest/pitch": math.nan}, bowed], Stopping())
    with pytest.raises(BadOption, match="strays"):
        Stopping(strays=-0.1)


def test_what_is_wrong_with_a_run_is_said() -> None:
    fine = {"first ratio apart": 0.0, "noise likeness": 0.4, "invalid": 0.0}
    assert not fault([fine] * 5, Stopping())
    assert "ratio" in fault([fine | {"first ratio apart": 1e-5}], Stopping())
    assert "same random numbers" in fault([fine | {"noise likeness": 0.999}], Stopping())
    lost = fine | {"invalid": 0.8}
    assert not fault([lost, lost], Stopping())
    assert not fault([lost, fine, lost], Stopping())
    assert "80 %" not in fault([lost] * 3, Stopping())
    assert "more than 50 %" in fault([lost] * 3, Stopping())


def test_the_page_holds_all_it_shows(tmp_path: Path) -> None:
    (tmp_path / "sheets").mkdir()
    for number in range(30):
        (tmp_path / "sheets" / f"{number:06}.jpg").write_bytes(b"\xff\xd8 picture")
    records = [{"iteration": float(i), "reward": i / 9, "reward/<a>": math.nan} for i in range(9)]
    evaluations = [e | {"iteration": 5.0 * i, "invalid": 0.0}
                   for i, e in enumerate(told((0.5, 0.1), (0.6, 0.2)))]  # fmt: skip
    path = tmp_path / "report.html"
    write_report(path, Config(REWARD), records, evaluations, "the judge is <b>gone</b>")
    page = path.read_text("utf-8")
    assert "&lt;b&gt;gone" in page
    assert "<b>gone" not in page
    assert page.count("data:image/jpeg;base64,") == 12
    assert "Iteration 0<" in page
    assert "Iteration 29<" in page
    assert "src='http" not in page
    assert "members: 16" in page


def test_charts_draw_what_is_there() -> None:
    assert chart("nothing", {"a": []}) == ""
    one = chart("one point", {"a": [(0.0, 2.0)]})
    assert "<circle" in one
    line = chart("a line", {"a": [(0.0, 1.0), (10.0, 3.0)]})
    points = line.split("points='")[1].split("'")[0].split()
    (x0, y0), (x1, y1) = (map(float, p.split(",")) for p in points)
    assert x1 > x0
    assert y1 < y0  # up is more


@pytest.mark.parametrize("wrong", [{"falls": 0}, {"patience": 0}, {"invalid": 0}, {"least": -1}])
def test_rules_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(BadOption):
        Stopping(**wrong)


def test_a_reward_may_not_see_what_is_held_out() -> None:
    with pytest.raises(BadOption, match="held_out"):
        Config(REWARD, held_out=("a",))
