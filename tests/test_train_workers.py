"""Reward workers: what goes wrong with one costs one sample, with the reason."""

import numpy as np
import pytest
from toy_scores import decode, near_goal, troubled

from enliven.errors import BadOption
from enliven.train.pictures import picture_statistics
from enliven.train.workers import SHEET_PX, Scoring, Task, Workers, strip_of


def task(x: float, given: str = "one") -> Task:
    return Task([np.array([x])], given, 0)


def test_results_are_those_of_this_process_in_any_order() -> None:
    scoring = Scoring(decode, near_goal)
    found = []
    for count in (0, 2):
        with Workers(scoring, count, 60) as crew:
            for number in range(9):
                crew.submit(number, task(number / 4))
            found.append(crew.collect())
            crew.submit(3, task(0.5))
            assert set(crew.collect()) == {3}
            assert crew.collect() == {}
    assert set(found[0]) == set(found[1]) == set(range(9))
    for number in range(9):
        one, other = (scores[number] for scores in found)
        assert one.card.scores["near"].value == other.card.scores["near"].value
        assert one.card.scores["near"].value == pytest.approx(-((number / 4 - 1) ** 2))
        assert one.why == ""


def test_a_worker_that_dies_or_hangs_costs_its_sample_only() -> None:
    with Workers(Scoring(decode, troubled), 2, timeout=2.0) as crew:
        crew.submit(0, task(1.0, "dies"))
        crew.submit(1, task(1.0, "hangs"))
        crew.submit(2, task(1.0, "fails"))
        crew.submit(3, task(1.0, "breaks"))
        for number in range(4, 8):
            crew.submit(number, task(-1.0, "dies"))
        done = crew.collect()
    assert "died (exit code 9)" in done[0].why
    assert "longer than 2 s" in done[1].why
    assert done[2].why == "the clip cannot be read"
    assert done[3].why.startswith("ZeroDivisionError: a bug (troubled, line")
    assert all(not done[number].card.scores for number in range(4))
    assert [done[n].why for n in range(4, 8)] == [""] * 4
    assert all(done[n].card.scores["near"].value == pytest.approx(-4) for n in range(4, 8))


class Unwelcome:
    """Cannot be unpickled where it arrives."""

    def __reduce__(self) -> tuple:
        return (_refuse, ())


def _refuse() -> None:
    raise SystemExit(3)


def test_workers_that_cannot_start_end_the_run() -> None:
    with Workers(Scoring(decode, Unwelcome()), 1) as crew:
        crew.submit(0, task(0.0))
        with pytest.raises(BadOption, match="before it began, 3 times"):
            crew.collect()


def test_strips_and_statistics_of_pictures() -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (64, 48, 3), np.uint8) for _ in range(9)]
    assert strip_of(frames).shape == (SHEET_PX, 6 * 96, 3)
    assert strip_of([np.zeros(3)]) is None
    assert picture_statistics([np.zeros(3)]) == {}
    still = picture_statistics([frames[0]] * 3)
    assert still["movement"] == 0 < picture_statistics(frames)["movement"]
    dark = picture_statistics([frame // 4 for frame in frames])
    bright = picture_statistics(frames)
    assert dark["brightness"] == pytest.approx(bright["brightness"] / 4, abs=0.01)
    assert dark["edges"] < bright["edges"]
