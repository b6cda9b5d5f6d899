"""Pairs to learn from: pytest tests/test_reward_preferences.py"""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from enliven.errors import BadOption, OutputError, OutputExists
from enliven.reward.preferences import (
    Candidate,
    Preference,
    Selection,
    exported,
    read_preferences,
    select,
    shown,
    voted,
    write_preferences,
)
from enliven.reward.votes import ONLY


def candidate(name: str, reward: float, energy: float = 1.0, given: str = "a") -> Candidate:
    return Candidate(given, name, f"{name}.npz", f"{name}.mp4", reward, reward, energy)


def test_best_is_paired_with_worst() -> None:
    (pair,) = select([candidate(n, r) for n, r in (("x", 3), ("y", 4.5), ("z", 2))], "j 1")
    assert (pair.chosen.name, pair.rejected.name) == ("y", "z")
    assert pair.margin == 2.5
    assert pair.judge == "j 1"


def test_order_does_not_matter() -> None:
    some = [candidate(n, r) for n, r in (("x", 3), ("y", 3), ("z", 2), ("w", 2))]
    assert select(some, "j") == select(some[::-1], "j")


def test_pairs_move_about_as_much() -> None:
    """The livelier one may not win by holding still, nor lose by moving."""
    some = [candidate("still", 5, 0.2), candidate("calm", 4, 1.0), candidate("lively", 3, 1.4)]
    (pair,) = select(some, "j", Selection(energy_ratio=1.5))
    assert (pair.chosen.name, pair.rejected.name) == ("calm", "lively")
    assert select(some[:2], "j", Selection(energy_ratio=1.5)) == []


def test_small_differences_and_equals_make_no_pair() -> None:
    some = [candidate("x", 3), candidate("y", 3.1)]
    assert select(some, "j", Selection(margin=0.2)) == []
    assert len(select(some, "j", Selection(margin=0.05))) == 1
    assert select([candidate("x", 3), candidate("y", 3)], "j", Selection(margin=0)) == []


def test_what_was_not_scored_is_left_out() -> None:
    some = [candidate("x", math.nan), candidate("y", 3), candidate("z", 2)]
    (pair,) = select(some, "j")
    assert {pair.chosen.name, pair.rejected.name} == {"y", "z"}


def test_inputs_are_kept_apart() -> None:
    with pytest.raises(BadOption, match="one input"):
        Preference(candidate("x", 3), candidate("y", 2, given="b"), 1, "judge", "j")
    some = [candidate("x", 5), candidate("y", 1, given="b")]
    assert select(some, "j") == []


def test_round_trip(tmp_path: Path) -> None:
    pairs = select([candidate("x", 3), candidate("y", 4)], "j")
    human = replace(pairs[0], margin=math.nan, source="human")
    for name in "xy":
        (tmp_path / f"{name}.npz").touch()
    path = write_preferences(tmp_path / "pairs.jsonl", pairs)
    with pytest.raises(OutputExists):
        write_preferences(path, pairs)
    write_preferences(path, [human], add=True)
    first, second = read_preferences(path)
    assert first == pairs[0]
    assert math.isnan(second.margin)
    assert second.source == "human"
    assert exported([first]) == [{"prompt": "a", "chosen": "y.mp4", "rejected": "x.mp4"}]


def test_missing_media_and_broken_lines_are_told(tmp_path: Path) -> None:
    pairs = select([candidate("x", 3), candidate("y", 4)], "j")
    path = write_preferences(tmp_path / "pairs.jsonl", pairs)
    with pytest.raises(BadOption, match=r"line 1: y\.npz is missing"):
        read_preferences(path)
    good = path.read_text()
    for broken in ("{}", "[]", "1", good.replace('"x.npz"', "5"), good.replace("{}", "5")):
        path.write_text(broken + "\n")
        with pytest.raises(BadOption, match="line 1"):
            read_preferences(path)
    path.with_suffix(".part").mkdir()
    with pytest.raises(OutputError, match=r"pairs\.jsonl"):
        write_preferences(path, pairs, add=True)
    path.write_bytes(b"\xff\xd8 a picture")
    with pytest.raises(BadOption, match="holds no preferences"):
        read_preferences(path)


def test_votes_of_people() -> None:
    one, two = candidate("x", 3), candidate("y", 4)
    key = {number: {"name": "p", "left": "two"} for number in "12"}
    pairs = voted({"p": (one, two)}, key, {"1": {ONLY: -1}, "2": {ONLY: 0}})
    assert [(p.chosen.name, p.rejected.name, p.source) for p in pairs] == [("y", "x", "human")]


def test_votes_on_videos_are_decided_by_the_whole() -> None:
    one, two = candidate("x", 3), candidate("y", 4)
    judged = Preference(two, one, 1.0, "judge", "j")
    stored = shown([judged, Preference(one, two, math.nan, "human", "people: anna")])
    assert stored == {"y or x": (two, one)}  # a vote is no pair of its own
    key = {number: {"name": "y or x", "left": "two"} for number in "123"}
    votes = {"1": {"lips": 1, "overall": -1}, "2": {"overall": 0}, "3": {"lips": 1}}
    (pair,) = voted(stored, key, votes)
    assert (pair.chosen.name, pair.rejected.name) == ("x", "y")
