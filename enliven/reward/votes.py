"""What people chose on a page of `benchmarks/blind.py`: its key, and the choices they saved.

    key      {"page": "5e0c", "1": {"name": "anna", "left": "two"}, "2": ...}
    choices  {"page": "5e0c", "1": {"lips": "left", "overall": "same"}, "2": ...}

By the number of a pair the key says what was shown, and which of its "one" and "two" was at the
left.  On pages that ask one question only, a choice stands alone: "1": "left".  Either may lack its
page.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from enliven.errors import BadOption

CHOICES = ("left", "right", "same")
ONLY = "preferred"  # name of a question that is the only one
OVERALL = "overall"  # of several, the one that decides
SAME_PAGE = "give the key and the choices of the same page"


def read_key(path: Path) -> dict[str, Any]:
    """The key of a page.  Raises BadOption."""
    key = _read(path)
    shown = [one for number, one in key.items() if number != "page"]
    if not shown or not all(isinstance(one, dict) and isinstance(one.get("name"), str)
                            and one.get("left") in ("one", "two") for one in shown):  # fmt: skip
        raise BadOption(f"{path} is no key of a page; give PAGE.key.json")
    return key


def read_votes(path: Path, key: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """The choices of one person: number of a pair -> question -> 1 for its "one", -1 for "two", 0
    for neither.

    Raises BadOption where they are not of this page.
    """
    choices = _read(path)
    if choices.pop("page", key.get("page")) != key.get("page"):
        raise BadOption(f"{path} holds the choices of another page; {SAME_PAGE}")
    votes: dict[str, dict[str, int]] = {}
    for number, answer in choices.items():
        if number not in key:
            raise BadOption(f"{path} chooses in pair {number}, which the page does not show; "
                            f"{SAME_PAGE}")  # fmt: skip
        left = 1 if key[number]["left"] == "one" else -1
        signs = {"left": left, "right": -left, "same": 0}
        answers = answer if isinstance(answer, dict) else {ONLY: answer}
        for question, choice in answers.items():
            if choice not in CHOICES:
                raise BadOption(f"{path}: pair {number}: {choice!r} is not one of "
                                f"{', '.join(CHOICES)}; {SAME_PAGE}")  # fmt: skip
            votes.setdefault(number, {})[question] = signs[choice]
    return votes


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
        if isinstance(content, dict):
            return content
        why = "it is no JSON object"
    except (OSError, ValueError) as error:
        why = str(error)
    raise BadOption(f"{path} cannot be used ({why}); give the files of one page of "
                    "benchmarks/blind.py")  # fmt: skip
