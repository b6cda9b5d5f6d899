"""Keys of blind pages and what people chose on them: pytest tests/test_reward_votes.py"""

import json
from pathlib import Path
from typing import Any

import pytest

from enliven.errors import BadOption
from enliven.reward.votes import ONLY, read_key, read_votes

KEY = {"page": "p", "1": {"name": "a", "left": "two"}, "2": {"name": "b", "left": "one"}}


def written(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_sides_become_whose_they_were(tmp_path: Path) -> None:
    key = read_key(written(tmp_path / "key.json", KEY))
    choices = {"page": "p", "1": {"lips": "left", "overall": "same"}, "2": {"lips": "left"}}
    votes = read_votes(written(tmp_path / "anna.json", choices), key)
    assert votes == {"1": {"lips": -1, "overall": 0}, "2": {"lips": 1}}
    # pages of pictures ask once; older ones state no page
    votes = read_votes(written(tmp_path / "ben.json", {"1": "right", "2": "right"}), key)
    assert votes == {"1": {ONLY: 1}, "2": {ONLY: -1}}


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"page": "q", "1": "left"}, "choices of another page"),
        ({"3": "left"}, "pair 3, which the page does not show"),
        ({"1": "middle"}, "pair 1: 'middle' is not one of left, right, same"),
        ({"1": {"overall": "left", "lips": ["left"]}}, r"pair 1: \['left'\] is not one of"),
        ({"1": None}, "pair 1: None is not one of"),
        (["left"], "no JSON object"),
    ],
)
def test_choices_of_something_else_are_refused(choices: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadOption, match=rf"anna\.json.*{said}"):
        read_votes(written(tmp_path / "anna.json", choices), KEY)


@pytest.mark.parametrize(
    "key", [{}, {"page": "p"}, {"1": "left"}, {"1": {"left": "one"}}, {"1": {"name": "a"}}]
)
def test_what_is_no_key_is_refused(key: Any, tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="no key of a page"):
        read_key(written(tmp_path / "key.json", key))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text('{"1":')
    for name in ("half.json", "gone.json"):
        with pytest.raises(BadOption, match=rf"{name} cannot be used .*benchmarks/blind\.py"):
            read_key(tmp_path / name)
