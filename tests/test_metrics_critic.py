"""The critic of lip-sync: what it hears and sees, and what it says: pytest
tests/test_metrics_critic.py"""

from importlib.resources import files

import numpy as np
import pytest

from enliven.metrics.critic import (
    BANDS,
    MEASURES,
    ROWS,
    SHIFTS,
    Embedding,
    SyncCritic,
    hear,
    see_lips,
    see_mouths,
    speaking,
)
from enliven.metrics.watch import CONTEXT, HOP

RATE = 16000


def syllables(seconds: float, seed: int = 0) -> np.ndarray:
    """A buzz of 120 Hz that comes and goes four times a second, with a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20))
    loud = np.interp(time, np.arange(0, seconds + 0.2, 0.125), rng.random(int(seconds * 8) + 2))
    return (0.1 * loud * buzz + 1e-3 * rng.standard_normal(len(time))).astype(np.float32)


def between(sound: np.ndarray) -> np.ndarray:
    """As a stretch holds it: with its context, here silent."""
    return np.pad(sound, CONTEXT)


def test_hearing_has_rows_for_every_shift_and_does_not_care_how_loud_it_is() -> None:
    sound = between(syllables(2))
    heard = hear(sound, 50)
    assert heard.shape == (ROWS * (50 + 2 * SHIFTS), BANDS)
    assert np.allclose(hear(0.1 * sound, 50), heard, atol=1e-3)


def test_hearing_comes_later_by_as_much_as_the_sound() -> None:
    sound = between(syllables(3))
    late = np.concatenate([np.zeros(5 * HOP, np.float32), sound[: -5 * HOP]])
    rows = slice(ROWS * 25, ROWS * 60)
    moved = slice(ROWS * 30, ROWS * 65)
    first, second = hear(sound, 75)[rows], hear(late, 75)[moved]
    # the long-term spectrum is taken out of each whole, so a constant may differ
    first, second = first - first.mean(0), second - second.mean(0)
    assert np.abs(first - second).max() < 0.05 * np.abs(first).max()


@pytest.mark.parametrize("kind", ["nothing", "noise", "hum"])
def test_nobody_speaks_in(kind: str) -> None:
    rng = np.random.default_rng(1)
    sounds = {
        "nothing": np.zeros(3 * RATE, np.float32),
        "noise": 0.3 * rng.standard_normal(3 * RATE).astype(np.float32),
        "hum": 1e-4 * syllables(3),
    }
    assert speaking(between(sounds[kind]), 75).mean() < 0.1


def test_somebody_speaks_where_the_buzz_is() -> None:
    sound = syllables(4)
    sound[: 2 * RATE] = 0
    heard = speaking(between(sound), 100)
    assert heard[:40].mean() < 0.1
    assert heard[60:].mean() > 0.7


def test_lips_are_seen_without_their_place_and_nearly_without_their_size() -> None:
    measures = np.random.default_rng(2).normal(0, 0.05, (80, MEASURES)).astype(np.float32)
    seen = see_lips(measures)
    assert np.allclose(see_lips(measures + 0.3), seen, atol=1e-3)
    assert np.abs(see_lips(1.5 * measures) - seen).max() < 0.1
    assert see_lips(0.01 * measures).std() < 0.2 * seen.std()
    measures[10:20] = np.nan
    assert not see_lips(measures)[10:20].any()
    assert np.isfinite(see_lips(measures)).all()


def test_mouths_are_seen_without_their_mean_and_brightness() -> None:
    rng = np.random.default_rng(3)
    mouths = rng.integers(40, 180, (30, 48, 64)).astype(np.float32)
    known = np.ones(30, bool)
    seen = see_mouths(mouths, known)
    assert np.abs(seen.mean(0)).max() < 1e-4
    assert np.allclose(see_mouths(mouths + 30, known), seen, atol=1e-3)
    known[4] = False
    assert not see_mouths(mouths, known)[4].any()


def embedded(late: int, frames: int = 120) -> Embedding:
    """Lips that do just what the voice does, `late` frames after it."""
    said = np.random.default_rng(4).normal(0, 1, (frames + 2 * SHIFTS, 2, 4)).astype(np.float32)
    seen = said[SHIFTS - late : SHIFTS - late + frames]
    return Embedding(said, seen, np.ones(frames, bool), np.ones(2))


@pytest.mark.parametrize("late", [-SHIFTS, -3, 0, 1, 5, SHIFTS])
def test_agreement_is_highest_where_lips_and_voice_meet(late: int) -> None:
    curves = embedded(late).curves(np.array([0, 30]), 75)
    assert (curves.argmax(1) - SHIFTS == late).all()
    assert (curves.max(1) > 0.9).all()
    assert np.abs(np.delete(curves, SHIFTS + late, 1)).max() < 0.5


def test_lips_that_are_still_agree_with_nothing() -> None:
    known = embedded(0)
    still = Embedding(known.heard, 0.01 * known.seen, known.known, known.trust)
    assert np.abs(still.curves(np.array([0]), 75)).max() < 0.1


def test_too_few_frames_with_a_face_say_nothing() -> None:
    known = np.zeros(120, bool)
    known[:30] = True
    whole = embedded(0)
    hidden = Embedding(whole.heard, whole.seen, known, whole.trust)
    assert np.isnan(hidden.curves(np.array([0]), 75)).all()


def test_frames_without_a_face_do_not_count() -> None:
    whole = embedded(0)
    known = np.arange(120) % 3 > 0
    spoiled = np.where(known[:, None, None], whole.seen, 50).astype(np.float32)
    first = Embedding(whole.heard, spoiled, known, whole.trust).curves(np.array([0]), 75)
    assert first[0, SHIFTS] > 0.9


def test_members_count_by_how_far_they_are_trusted() -> None:
    whole = embedded(0)
    wrong = whole.seen.copy()
    wrong[:, 1] = np.random.default_rng(6).normal(0, 1, wrong[:, 1].shape)
    scores = [
        Embedding(whole.heard, wrong, whole.known, np.array([1.0, trust])).curves(
            np.array([0]), 75
        )[0, SHIFTS]
        for trust in (0.0, 0.5, 1.0)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.9
    assert scores[2] < 0.7


needs_model = pytest.mark.skipif(
    not files("enliven.models").joinpath("critic.onnx").is_file(), reason="no critic.onnx"
)


@needs_model
def test_rows_are_seconds_and_silence_has_no_value() -> None:
    rng = np.random.default_rng(5)
    shapes = rng.normal(0, 0.03, (110, 478, 3)).astype(np.float32)
    mouths = rng.integers(0, 255, (110, 48, 64), np.uint8)
    critic = SyncCritic.load()
    silent = critic.compare_arrays(between(np.zeros(110 * HOP)), shapes, mouths, start=20.0)
    assert silent.seconds.tolist() == [20, 21, 22, 23, 24]
    assert silent.curves.shape == (5, 2 * SHIFTS + 1)
    assert np.isnan(silent.here).all()
    assert np.isnan(silent.late).all()
    assert not silent.speech.any()
    sound = between(syllables(4.4))
    heard = critic.compare_arrays(sound, shapes, mouths)
    assert np.isfinite(heard.here).all()
    assert np.abs(heard.here).max() < 0.4  # lips that tremble at random go with no voice
    again = SyncCritic.load().compare_arrays(sound, shapes, mouths)
    assert np.array_equal(again.curves, heard.curves)
