"""What people chose on blind pages, counted: wins and ties of each question, and how sure they are.

Legend: "one" and "two" are the folders that the page was made of.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import comb
from pathlib import Path
from typing import Any

import numpy as np

from enliven.reward.votes import read_key, read_votes

HEAD = f"{'':14s}  one  two  neither   one of the decided   95% interval   sign test p"


def wilson(won: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927)."""
    if of == 0:
        return 0.0, 1.0
    share, spread = won / of, z * z / of
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * float(np.sqrt(share * (1 - share) / of + spread / (4 * of)))
    return max(0.0, middle - half), min(1.0, middle + half)


def sign_test(won: int, lost: int) -> float:
    """Two-sided p of the exact sign test, ties left out: 1 where nothing is decided."""
    of = won + lost
    tail = sum(comb(of, k) for k in range(min(won, lost) + 1)) / 2**of
    return min(1.0, 2 * tail)


def by_question(key: Mapping[str, Any], files: Sequence[Path]) -> dict[str, dict[str, list[int]]]:
    """question -> pair -> each person's vote: 1 for "one", -1 for "two", 0 for neither."""
    found: dict[str, dict[str, list[int]]] = {}
    for path in files:
        for number, votes in read_votes(path, key).items():
            for question, vote in votes.items():
                found.setdefault(question, {}).setdefault(number, []).append(vote)
    return found


def count(key: Path, choices: Sequence[Path]) -> None:
    """Prints a line for each question."""
    page = read_key(key)
    found = by_question(page, choices)
    if not found:
        raise SystemExit("nobody has chosen anything in these files")
    pairs = sum(number != "page" for number in page)
    print(f"{len(choices)} files of choices, {pairs} pairs; each counts once, for whom most chose")
    print(HEAD)
    for axis, votes in found.items():
        most = Counter(int(np.sign(sum(own))) for own in votes.values())
        print(line(axis, most[1], most[-1], most[0]))
    if len(choices) > 1:
        print(_agreement(found))


def line(name: str, won: int, lost: int, neither: int) -> str:
    """A row under HEAD."""
    decided = won + lost
    low, high = wilson(won, decided)
    share = f"{100 * won / decided:.0f}%" if decided else "-"
    between = f"{100 * low:.0f} to {100 * high:.0f}%"
    return (f"{name:14s} {won:4d} {lost:4d} {neither:8d}   {share:>18s}   {between:>12s}"
            f"   {sign_test(won, lost):11.3g}")  # fmt: skip


def _agreement(found: Mapping[str, Mapping[str, Sequence[int]]]) -> str:
    """How often two people who both decided chose the same, of chance's half."""
    alike = several = 0
    for votes in found.values():
        for own in votes.values():
            decided = [vote for vote in own if vote]
            for i, vote in enumerate(decided):
                several += len(decided) - i - 1
                alike += decided[i + 1 :].count(vote)
    share = f"{100 * alike / several:.0f}%" if several else "none to compare"
    return f"two people who both decided chose the same: {share} ({several} times two people)"
