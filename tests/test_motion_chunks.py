"""What the performer hears and is asked for: pytest tests/test_motion_chunks.py"""

import numpy as np
import pytest

from enliven.motion.audio import SCORE_RANGE, acoustic_model
from enliven.motion.chunks import (
    BUCKETS,
    COLUMNS,
    CONDITIONS,
    HEARD,
    PARTS,
    PHONE_GROUPS,
    STRIDE,
    conditions,
    phone_groups,
    silence,
    speed_buckets,
    without,
)
from enliven.motion.emotion import EMOTIONS


def test_a_bucket_is_zero_at_its_centre_and_tanh_3_at_its_rim() -> None:
    for number, (centre, radius) in enumerate(BUCKETS):
        value = speed_buckets(np.array([centre, centre + radius, centre - radius]))[:, number]
        np.testing.assert_allclose(value, [0, np.tanh(3), -np.tanh(3)], atol=1e-6)


def test_buckets_tell_all_speeds_apart() -> None:
    speeds = np.linspace(0, 45, 91)
    steps = np.diff(speed_buckets(speeds), axis=0)
    assert (steps >= 0).all()
    assert (np.abs(steps).max(1) > 5e-3).all()


def test_conditions_say_what_they_are_given() -> None:
    emotion = np.eye(len(EMOTIONS))[:3]
    asked = conditions(np.full(3, 5.0), np.ones((3, 4)), emotion, style=np.arange(16.0))
    assert asked.shape == (3, CONDITIONS)
    np.testing.assert_array_equal(asked[:, COLUMNS["emotion"]], emotion)
    np.testing.assert_array_equal(asked[0, COLUMNS["style"]], np.arange(16))
    assert not asked[:, -len(PARTS) :].any()


def test_no_style_is_said_to_be_left_out() -> None:
    asked = conditions(np.ones(1), np.ones((1, 4)), np.zeros((1, 6)))
    assert asked[0, CONDITIONS - len(PARTS) + PARTS.index("style")] == 1


@pytest.mark.parametrize("part", PARTS)
def test_leaving_out_marks_and_clears_one_part(part: str) -> None:
    asked = conditions(np.full(1, 9.0), np.full((1, 4), 0.5), np.full((1, 6), 0.3), np.ones(16))
    lacking = without(asked, part)
    changed = np.flatnonzero((asked != lacking)[0])
    mark = CONDITIONS - len(PARTS) + PARTS.index(part)
    columns = COLUMNS.get(part, slice(0, 0))
    assert set(changed) == {mark, *range(*columns.indices(CONDITIONS))}
    assert lacking[0, mark] == 1
    assert not lacking[0, columns].any()


def test_every_phone_is_in_one_group() -> None:
    named = [phone for group in PHONE_GROUPS for phone in group]
    assert sorted(named) == sorted(acoustic_model().phones)


def test_groups_are_probabilities_and_follow_the_scores() -> None:
    phones = acoustic_model().phones
    scores = np.full((3 * STRIDE, len(phones)), -SCORE_RANGE)
    scores[:, phones.index("M")] = 0
    groups = phone_groups(scores)
    assert groups.shape == (3, len(PHONE_GROUPS))
    np.testing.assert_allclose(groups.sum(1), 1, atol=1e-6)
    assert (groups[:, 0] > 0.999).all()


def test_silence_is_heard_as_such() -> None:
    assert silence(5).shape == (5, HEARD)
    assert np.isfinite(silence(5)).all()
