"""The space in which motion is generated: pytest tests/test_motion_latent.py"""

import numpy as np
import pytest

from enliven.motion.latent import (
    COLUMN,
    LATENT,
    LEAD,
    MEAN,
    REGIONS,
    SLOW,
    following,
    led,
    region_columns,
    to_latent,
    to_motion,
)
from enliven.types import CHANNELS, INDEX


def performance(frames: int, hz: float) -> np.ndarray:
    seconds = np.arange(frames) / 25
    return np.repeat(np.sin(2 * np.pi * hz * seconds)[:, None], len(LATENT), 1)


def generated(latent: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((2 * LEAD, len(LATENT)), np.float32), led(latent)])


def test_motion_and_back() -> None:
    latent = np.random.default_rng(0).standard_normal((7, len(LATENT))).astype(np.float32)
    motion = to_motion(latent)
    assert motion.shape == (7, len(CHANNELS))
    np.testing.assert_allclose(to_latent(motion), latent, atol=1e-5)


def test_both_sides_move_alike_and_gaze_and_lids_not_at_all() -> None:
    motion = to_motion(np.ones((1, len(LATENT))))[0]
    assert motion[INDEX["mouthSmileLeft"]] == motion[INDEX["mouthSmileRight"]] > 0
    for name in ("gazeYaw", "eyeBlinkLeft", "torsoRotX", "tongueOut"):
        assert motion[INDEX[name]] == 0


def test_regions_share_out_all_columns() -> None:
    columns = sorted(c for region in REGIONS for c in region_columns(region))
    assert columns == list(range(len(LATENT)))


@pytest.mark.parametrize(("hz", "kept"), [(0.5, 0.01), (1.0, 0.01), (2.0, 0.02), (3.0, 0.08)])
def test_slow_movement_comes_out_as_it_went_in(hz: float, kept: float) -> None:
    asked = performance(200, hz)
    made = following(generated(asked))
    inside = slice(20, 180)
    assert made.shape == asked.shape
    np.testing.assert_allclose(made[inside], asked[inside], atol=kept)


def test_quick_columns_are_untouched() -> None:
    asked = np.random.default_rng(1).standard_normal((30, len(LATENT))).astype(np.float32)
    quick = np.setdiff1d(np.arange(len(LATENT)), SLOW)
    np.testing.assert_array_equal(following(generated(asked))[:, quick], asked[:, quick])


def test_grain_of_the_sampler_does_not_shake_the_head() -> None:
    """White noise leaves with the deviation of its moving mean, its steps with far less."""
    grain = np.random.default_rng(2).standard_normal((20000, len(LATENT)))
    made = following(grain)[:, COLUMN["headRotY"]]
    assert made.std() == pytest.approx(np.sqrt((MEAN**2).sum()), rel=0.03)
    steps = np.diff(np.pad(MEAN, 1))
    assert np.diff(made).std() == pytest.approx(np.sqrt((steps**2).sum()), rel=0.03)


def test_no_frame_waits_for_a_later_one() -> None:
    numbers = np.random.default_rng(3).standard_normal((40, len(LATENT)))
    changed = numbers.copy()
    changed[30:] += 1
    same = 30 - 2 * LEAD
    np.testing.assert_array_equal(following(numbers)[:same], following(changed)[:same])
    pieces = [following(numbers[a : a + 2 * LEAD + 17]) for a in (0, 17)]
    np.testing.assert_allclose(np.concatenate(pieces), following(numbers), atol=1e-6)
