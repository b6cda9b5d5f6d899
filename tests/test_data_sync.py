"""The offset of sound and lips: pytest tests/test_data_sync.py"""

from pathlib import Path

import numpy as np
import pytest

from enliven.data.sync import (
    LEAST_SECONDS,
    LIMIT,
    PHONE_LIPS,
    Offset,
    agreement,
    expected_lips,
    find_offset,
    seen_lips,
)
from enliven.face.head import load_head
from enliven.media.audio import read_speech
from enliven.metrics.lips import INNER_GAPS, MOUTH_CORNERS
from enliven.motion.audio import acoustic_model


@pytest.fixture(scope="module")
def expected(speech_wav: Path) -> np.ndarray:
    samples = read_speech(speech_wav).samples
    return expected_lips(samples, len(samples) // 640)


def blurred(lips: np.ndarray, late: int, seed: int, amount: float) -> np.ndarray:
    """Lips that come `late` frames after, with noise of so many deviations and lost frames."""
    rng = np.random.default_rng(seed)
    seen = np.roll(lips, late, axis=0) + amount * lips.std(0) * rng.standard_normal(lips.shape)
    seen[rng.integers(0, len(seen), 5)] = np.nan
    return 3 * seen + 0.2


@pytest.mark.parametrize("late", [-9, -4, 0, 3, 8])
def test_a_known_offset_is_found(expected: np.ndarray, late: int) -> None:
    found = find_offset([(expected, blurred(expected, late, 1, 0.7))])
    assert found.frames == pytest.approx(late, abs=0.7)
    assert found.seconds == pytest.approx(len(expected) / 25)
    assert found.trusted == (found.seconds >= LEAST_SECONDS)


def test_noise_is_not_trusted(expected: np.ndarray) -> None:
    trusted = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        walk = np.cumsum(rng.standard_normal((250, 2)), axis=0)
        walk -= np.stack([np.convolve(c, np.full(25, 0.04), "same") for c in walk.T], 1)
        trusted += find_offset([(np.resize(expected, (250, 2)), walk)]).trusted
    assert trusted <= 2


def test_pieces_together_tell_more(expected: np.ndarray) -> None:
    seen = blurred(expected, 2, 5, 1.5)
    pieces = [(expected[a : a + 30], seen[a : a + 30]) for a in range(0, len(expected) - 30, 30)]
    found = find_offset(pieces)
    assert found.frames == pytest.approx(2, abs=1)
    assert find_offset([]) == Offset(0.0, 0.0, 0.0, 0.0)
    assert not find_offset([(expected[:10], seen[:10])]).trusted


def test_the_edge_of_the_search_is_not_trusted() -> None:
    assert Offset(3.0, 0.6, 0.3, 8.0).trusted
    assert not Offset(LIMIT, 0.6, 0.3, 8.0).trusted
    assert not Offset(3.0, 0.6, 0.3, 3.0).trusted
    assert not Offset(3.0, 0.6, 0.05, 8.0).trusted
    assert Offset(0.0, 0.05, 0.0, 30.0).unrelated
    assert not Offset(0.0, 0.05, 0.0, 3.0).unrelated


def test_agreement_is_one_where_both_are_the_same(expected: np.ndarray) -> None:
    curve = agreement(expected, expected)
    assert curve[LIMIT] == pytest.approx(1.0)
    assert curve.argmax() == LIMIT
    np.testing.assert_allclose(curve, curve[::-1], atol=1e-9)


def test_phones_move_lips_as_phonetics_says() -> None:
    assert set(PHONE_LIPS) == set(acoustic_model().phones)
    opening = {name: lips[0] for name, lips in PHONE_LIPS.items()}
    width = {name: lips[1] for name, lips in PHONE_LIPS.items()}
    assert max(opening[p] for p in ("B", "M", "P")) < min(opening[p] for p in ("AA", "AE", "AY"))
    assert max(width[p] for p in ("W", "UW", "AO")) < min(width[p] for p in ("IY", "EY", "AE"))


def test_seen_lips_measure_gap_and_corners() -> None:
    face = np.array(load_head().mean)
    shapes = np.stack([face, face])
    for upper, lower in INNER_GAPS:
        shapes[1, upper, 1] -= 0.05
        shapes[1, lower, 1] += 0.05
    shapes[1, MOUTH_CORNERS[0], 0] -= 0.1
    shapes[1, MOUTH_CORNERS[1], 0] += 0.1
    moved = np.diff(seen_lips(shapes), axis=0)[0]
    np.testing.assert_allclose(moved, [0.1, 0.2], atol=0.01)
