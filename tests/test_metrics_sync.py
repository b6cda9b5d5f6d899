"""The sync meter on sounds and lips whose timing is known: pytest tests/test_metrics_sync.py"""

from pathlib import Path

import numpy as np
import pytest

from enliven.media.audio import read_speech
from enliven.metrics import sync
from enliven.metrics.lips import LipMeasures
from enliven.train.sync import SyncClip, learn, ridge

FRAMES = 150
EXAMPLE = Path(__file__).parents[1] / "examples" / "speech.wav"


def lips_of(curves: np.ndarray) -> LipMeasures:
    return LipMeasures(*curves.T)


def made_clip(seed: int) -> SyncClip:
    """A hum whose loudness follows the mouth exactly."""
    rng = np.random.default_rng(seed)
    smooth = np.convolve(rng.standard_normal(FRAMES + 8), np.hanning(9), "valid")
    opening = np.clip(0.5 + smooth / 4, 0.02, 1)
    t = np.arange(FRAMES * 640) / sync.SAMPLE_RATE
    loud = np.interp(t, np.arange(FRAMES) / 25, opening)
    hum = sum(np.sin(2 * np.pi * f * t) for f in (150, 300, 700, 1300, 2500))
    return SyncClip("one", (0.1 * loud * hum).astype(np.float32),
                    lips_of(np.tile(opening[:, None], (1, 5))))  # fmt: skip


def test_bands_cover_the_range_once() -> None:
    filters = sync.mel_matrix()
    assert filters.shape == (sync.WINDOW // 2 + 1, sync.BANDS)
    assert filters.sum(0) == pytest.approx(1, abs=1e-5)
    assert (np.diff(filters.argmax(0)) >= 0).all()
    # a longer throat puts every band higher
    assert (sync.mel_matrix(1.2).argmax(0) >= filters.argmax(0)).all()


def test_a_click_is_heard_in_its_own_frame() -> None:
    samples = np.zeros(64000, np.float32)
    samples[40 * 640] = 1
    loudness = sync.hear(samples, 100)[1]
    assert loudness.argmax() == 40
    assert (loudness[:38] == loudness[0]).all()
    assert (loudness[42:] == loudness[0]).all()


def test_level_and_length_do_not_matter() -> None:
    clip = made_clip(0)
    quiet, loud = (sync.hear(g * clip.samples, FRAMES)[0] for g in (0.01, 1.0))
    assert np.allclose(quiet, loud, atol=1e-3)
    assert len(sync.windows(quiet)) == FRAMES
    assert len(sync.windows(sync.hear(clip.samples[:0], 7)[0])) == 7
    assert len(sync.windows(sync.hear(clip.samples, 7)[0])) == 7


def test_regression_recovers_a_linear_law() -> None:
    rng = np.random.default_rng(0)
    x, law = rng.standard_normal((4000, 20)), rng.standard_normal((20, 2))
    weights = ridge(x, x @ law + [3, -1], np.ones(4000))
    # the ridge takes a known share of every slope
    assert weights[:-1] * 1.05 == pytest.approx(law, abs=0.05)
    assert weights[-1] == pytest.approx([3, -1], abs=0.05)


def test_a_learned_meter_tells_the_offset() -> None:
    meter = learn([made_clip(seed) for seed in range(4)])
    clip = made_clip(9)
    expected = meter.expect(clip.samples, FRAMES)
    opening = clip.lips.aperture
    here = sync.agreement(expected, clip.lips)
    assert here.late == 0
    assert here.here == here.best > 0.8
    assert here.margin > 0.1
    for late in (-5, 4):
        moved = lips_of(np.tile(np.roll(opening, late)[:, None], (1, 5)))
        there = sync.agreement(expected, moved)
        assert there.late == late
        assert there.margin < 0
    other = sync.agreement(expected, made_clip(11).lips)
    assert other.here < 0.5 * here.here


def test_lips_that_do_not_move_agree_with_nothing() -> None:
    found = sync.agreement(np.ones((50, len(sync.MEASURES))), lips_of(np.full((50, 5), 0.3)))
    assert (found.here, found.best, found.late) == (0, 0, 0)


def test_the_shipped_meter_opens_lips_on_syllables_and_shuts_them_in_pauses() -> None:
    samples = read_speech(EXAMPLE).samples
    frames = len(samples) // 640
    expected = sync.load_meter().expect(samples, frames)
    assert expected.shape == (frames, len(sync.MEASURES))
    loudness = sync.hear(samples, frames)[1]
    opening = expected[:, sync.MEASURES.index("aperture")]
    assert opening[loudness > -12].mean() > opening[loudness < -35].mean() + 0.5
    assert sum(sync.TRUST) == pytest.approx(1)
