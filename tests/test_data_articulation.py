"""Timed phones to lip controls: pytest tests/test_data_articulation.py"""

import numpy as np
import pytest

from enliven.data.articulation import (
    DOMINANCE,
    GROUPS,
    TARGETS,
    articulate,
    meeting,
    targets,
    weights,
)
from enliven.data.perform import opening
from enliven.data.phonetics import CONSONANTS, KIND, VOWELS, segments
from enliven.face.head import load_head
from enliven.media.espeak import Phone
from enliven.metrics.lips import measure_shape
from enliven.motion.controls import CONTROL, CONTROLS, control_matrix

FPS = 25


def spell(*ipa: str, each: float = 0.12, rest: float = 0.6) -> list[Phone]:
    """Phones of equal length between two pauses."""
    edges = [0.0, *(rest + each * np.arange(len(ipa) + 1)), 2 * rest + each * len(ipa)]
    return [Phone(p, a, b) for p, a, b in zip(["", *ipa, ""], edges, edges[1:], strict=False)]


def lips(*ipa: str, each: float = 0.12):
    """Lip measures away from rest of phones between pauses, and the time of their middle."""
    phones = spell(*ipa, each=each)
    controls = articulate(phones, round(phones[-1].end * FPS))
    head = load_head()
    moved = np.einsum("tc,cnd->tnd", controls @ control_matrix(), head.basis)
    return controls, measure_shape(head.mean + moved), measure_shape(head.mean[None])


def middle(count: int, place: int, each: float = 0.12) -> int:
    return round((0.6 + each * (place + 0.5)) * FPS)


def test_tables_are_complete() -> None:
    assert set(CONSONANTS) | {"vowel", "pause"} == set(DOMINANCE) <= set(TARGETS)
    names = [name for group, _, _ in GROUPS.values() for name in group]
    assert sorted(names) == sorted(CONTROLS)
    assert {name for row in TARGETS.values() for name in row} <= set(CONTROLS)


@pytest.mark.parametrize("letter", [*VOWELS, *KIND])
def test_every_letter_has_a_target_within_reach(letter: str) -> None:
    aim = targets(segments([Phone(letter, 0, 0.1)]))
    assert aim.shape == (1, len(CONTROLS))
    assert np.isfinite(aim).all()
    assert aim.min() >= 0
    assert 0.02 < aim.max() < 0.7


def test_dominance_is_shared_out_whole() -> None:
    parts = segments(spell("h", "ə", "l", "ˈoʊ"))
    shares = weights(parts, np.linspace(-3, 8, 200))
    assert shares.min() >= 0
    assert np.allclose(shares.sum(-1), 1)
    alone = weights(parts[1:2], np.array([-9.0, 0.0, 9.0]))
    assert np.allclose(alone, 1)


@pytest.mark.parametrize("letter", ["m", "b", "p"])
@pytest.mark.parametrize("vowel", ["ˈa", "ˈi", "ˈu"])
@pytest.mark.parametrize("each", [0.06, 0.12, 0.2])
def test_bilabials_close_for_as_long_as_they_last(letter: str, vowel: str, each: float) -> None:
    phones = spell(vowel, letter, vowel, each=each)
    count = round(phones[-1].end * FPS)
    controls = articulate(phones, count)
    closed = segments(phones)[2]
    times = np.arange(count) / FPS
    held = (times >= closed.start) & (times <= closed.released)
    assert held.any()
    assert (controls[held] @ opening()).max() <= 1e-3
    # and the vowels beside are open
    assert (controls @ opening()).max() > 0.02


def test_closure_is_whole_inside_and_gone_outside() -> None:
    parts = segments(spell("a", "m", "a", each=0.2))
    near = meeting(parts, "bilabial", np.array([0.8, 0.9, 1.0, 0.7, 1.1]))
    assert near == pytest.approx([1, 1, 1, 0, 0])


def test_labiodentals_bring_the_lower_lip_in_and_leave_a_slit() -> None:
    controls, _, _ = lips("a", "f", "a")
    at = middle(3, 1)
    assert controls[at, CONTROL["mouthRollLower"]] > 0.25
    opened = controls @ opening()
    assert opened[at] < 0.5 * opened[middle(3, 0)]


def test_open_vowels_open_more_and_stress_opens_more() -> None:
    def most(vowel: str) -> float:
        return float((lips("t", vowel, "t")[0] @ opening()).max())

    assert most("ˈa") > most("ˈe") > 0.03
    assert most("ˈa") > most("ˈi")
    assert most("ˈa") > most("a")


@pytest.mark.parametrize("vowel", ["ˈu", "ˈo", "ˈy", "ˈø"])
def test_rounded_vowels_narrow_the_mouth(vowel: str) -> None:
    at = middle(3, 1)
    controls, made, rest = lips("t", vowel, "t")
    _, spread, _ = lips("t", "ˈi", "t")
    assert made.width[at] < rest.width[0] - 0.02
    assert made.width[at] < spread.width[at] - 0.04
    assert controls[at, CONTROL["mouthPucker"]] > 0.12


def test_rounding_comes_ahead_through_consonants_that_do_not_care() -> None:
    before = middle(3, 0)
    rounded = articulate(spell("s", "t", "ˈu"), 60)[before]
    spread = articulate(spell("s", "t", "ˈi"), 60)[before]
    assert rounded[CONTROL["mouthPucker"]] > 2 * spread[CONTROL["mouthPucker"]]


def test_the_mouth_rests_in_silence_and_opens_ahead_of_sound() -> None:
    controls = articulate(spell("n", "ˈa", "n"), 39)
    opened = controls @ opening()
    assert np.abs(controls[:6]).max() < 0.02
    assert np.abs(controls[-6:]).max() < 0.03
    onset = round(0.6 * FPS)
    assert opened[onset - 2] > 0.02
    assert np.abs(articulate([Phone("", 0, 2.0)], 50)).max() < 1e-6
    assert np.abs(articulate([], 10)).max() < 1e-6


def test_frames_do_not_depend_on_how_many_are_asked_for() -> None:
    phones = spell("h", "ə", "l", "ˈoʊ")
    assert np.array_equal(articulate(phones, 20), articulate(phones, 40)[:20])
