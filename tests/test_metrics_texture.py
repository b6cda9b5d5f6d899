"""Textures of known make: pytest tests/test_metrics_texture.py"""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from enliven.metrics import texture as m

MEASURES = (
    m.laplacian_variance,
    m.high_frequency_ratio,
    lambda p, mask=None: m.grid_energy(p, 8, mask),
)


def picture(grey: np.ndarray) -> np.ndarray:
    """Grey levels (H, W) as an RGB picture of 0 to 1, not rounded."""
    return np.repeat(grey[..., None] / 255, 3, 2)


def noise(size: int = 96, seed: int = 0, contrast: float = 20) -> np.ndarray:
    return 128 + contrast * np.random.default_rng(seed).uniform(-1, 1, size=(size, size))


CHECKERBOARD = (-1.0) ** np.add.outer(np.arange(96), np.arange(96))
PLAIN = np.full((96, 96), 100.0)
SLOPE = PLAIN + np.arange(96)


def test_laplacian_of_the_smooth_is_nothing() -> None:
    assert m.laplacian_variance(picture(PLAIN)) == pytest.approx(0, abs=1e-6)
    assert m.laplacian_variance(picture(SLOPE)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("size", [0.5, 3, 40])
def test_laplacian_of_a_checkerboard(size: float) -> None:
    # four neighbours, each 2 a away: the filter gives 8 a, up and down
    found = m.laplacian_variance(picture(PLAIN + size * CHECKERBOARD))
    assert found == pytest.approx(64 * size**2, rel=1e-4)


def test_laplacian_takes_contrast_squared_and_no_offset() -> None:
    base = m.laplacian_variance(picture(noise()))
    assert m.laplacian_variance(picture(noise() + 30)) == pytest.approx(base, rel=1e-4)
    assert m.laplacian_variance(picture(noise(contrast=60))) == pytest.approx(9 * base, rel=1e-4)


@pytest.mark.parametrize("period", [4, 8, 12, 24])
def test_high_frequency_of_a_wave(period: int) -> None:
    wave = PLAIN + 30 * np.cos(2 * np.pi * (np.arange(96) + 0.5) / period)
    expected = (1 - np.exp(-8 * np.pi**2 / period**2)) ** 2
    assert m.high_frequency_ratio(picture(wave)) == pytest.approx(expected, abs=0.003)


def test_high_frequency_takes_shape_only() -> None:
    assert m.high_frequency_ratio(picture(PLAIN + 5 * CHECKERBOARD)) == pytest.approx(1, abs=1e-3)
    soft = cv2.GaussianBlur(noise(), (0, 0), 3)
    base = m.high_frequency_ratio(picture(soft))
    assert m.high_frequency_ratio(picture(2 * soft - 60)) == pytest.approx(base, rel=1e-3)
    found = [m.high_frequency_ratio(picture(soft + a * CHECKERBOARD)) for a in (0, 1, 2, 4)]
    assert (np.diff(found) > 0).all()
    assert np.isnan(m.high_frequency_ratio(picture(PLAIN)))


def test_the_edge_of_a_mask_is_not_fine() -> None:
    mask = np.zeros((96, 96), bool)
    mask[10:80, 30:90] = True
    assert m.high_frequency_ratio(picture(SLOPE), mask) < 0.005


@pytest.mark.parametrize("period", [8, 16])
@pytest.mark.parametrize("phase", [0, 5])
def test_grid_of_steps_on_a_slope(period: int, phase: int) -> None:
    # every step of the slope is 1, those of the grid 1 + 3
    stairs = np.tile(1.0 * np.arange(96), (96, 1)) + 3 * ((np.arange(96) + phase) // period)
    found = m.grid_energy(picture(stairs), period)
    assert found == pytest.approx(3 / (1 + 1), rel=1e-3)
    assert m.grid_energy(picture(stairs.T), period) == pytest.approx(found, rel=1e-6)


def test_what_is_no_grid() -> None:
    assert m.grid_energy(picture(PLAIN), 8) == 0
    assert m.grid_energy(picture(SLOPE), 8) == pytest.approx(0, abs=1e-3)
    assert m.grid_energy(picture(noise(192)), 8) < 0.1
    edge = noise(192)
    base = m.grid_energy(picture(edge), 8)
    edge[:, 100:] -= 100
    assert m.grid_energy(picture(edge), 8) == pytest.approx(base, abs=0.05)


def test_coarser_coding_leaves_more_grid() -> None:
    whole = picture(cv2.GaussianBlur(noise(192, contrast=255), (0, 0), 1.5))
    coded = [
        cv2.imdecode(cv2.imencode(".jpg", whole * 255, [cv2.IMWRITE_JPEG_QUALITY, q])[1], 1)
        for q in (95, 40, 10)
    ]
    found = [m.grid_energy(p, 8) for p in coded]
    assert (np.diff(found) > 0).all()
    assert found[-1] > 3 * m.grid_energy(whole, 8)


@pytest.mark.parametrize("measure", MEASURES)
def test_outside_the_mask_nothing_matters(measure: Callable[..., float]) -> None:
    rows, columns = np.ogrid[:96, :96]
    mask = ((rows - 45) / 40) ** 2 + ((columns - 50) / 42) ** 2 < 1
    mask[20:30, 40:50] = False
    blocks = np.kron(noise(12, seed=1), np.ones((8, 8)))
    other = np.where(mask, noise(), blocks)
    inside = measure(picture(noise()), mask)
    assert measure(picture(other), mask) == pytest.approx(inside, rel=1e-9)
    assert measure(picture(other)) != pytest.approx(measure(picture(noise())), rel=0.02)


@pytest.mark.parametrize("measure", MEASURES)
def test_an_empty_mask_tells_nothing(measure: Callable[..., float]) -> None:
    assert np.isnan(measure(picture(noise()), np.zeros((96, 96), bool)))


def test_a_grid_needs_three_lines_of_each_phase() -> None:
    assert np.isnan(m.grid_energy(picture(noise(24)), 8))
    assert not np.isnan(m.grid_energy(picture(noise(25)), 8))
    assert np.isnan(m.grid_energy(picture(noise(48)), 16))


def test_colours_of_known_pixels() -> None:
    pure = np.zeros((4, 8, 3), np.uint8)
    pure[:, :4] = (255, 0, 0)
    pure[:, 4:] = (0, 0, 255)
    found = m.colours(pure)
    assert found.mean == pytest.approx([0.5, 0, 0.5])
    assert (found.saturation, found.entropy, found.blown, found.crushed) == (1, 1, 1, 0)
    half = np.zeros((4, 8), bool)
    half[:, :4] = True
    assert m.colours(pure, half).mean == pytest.approx([1, 0, 0])
    assert m.colours(pure, half).entropy == 0


def test_saturation_is_blind_to_brightness() -> None:
    coloured = np.random.default_rng(0).uniform(0, 1, (20, 20, 3))
    coloured[..., 2] = coloured[..., 1]
    base = m.colours(coloured)
    dark = m.colours(0.3 * coloured)
    assert dark.saturation == pytest.approx(base.saturation, rel=1e-5)
    assert dark.mean == pytest.approx(0.3 * base.mean, rel=1e-5)
    # (max - min) / max of a mixture with its own grey
    one = np.full((5, 5, 3), (0.8, 0.4, 0.2))
    assert m.colours(one).saturation == pytest.approx(0.75)
    assert m.colours(np.full((5, 5, 3), 0.4)).saturation == pytest.approx(0, abs=1e-9)


def test_entropy_is_that_of_the_shades() -> None:
    shades = np.arange(0, 256, 32) + 16
    each = np.stack(np.meshgrid(shades, shades, shades), -1).reshape(8, 64, 3).astype(np.uint8)
    assert m.colours(each).entropy == pytest.approx(9)
    assert m.colours(each[:, :32]).entropy == pytest.approx(8)


def test_clipping_is_counted() -> None:
    grey = np.full((10, 10, 3), 128, np.uint8)
    grey[:2], grey[2:5] = (253, 140, 120), 1
    grey[5] = (1, 1, 40)
    found = m.colours(grey)
    assert (found.blown, found.crushed) == (pytest.approx(0.2), pytest.approx(0.3))
    assert (m.colours(np.zeros((4, 4, 3))).crushed, m.colours(np.ones((4, 4, 3))).blown) == (1, 1)
    nothing = m.colours(grey, np.zeros((10, 10), bool))
    assert np.isnan([*nothing.mean, nothing.saturation, nothing.entropy]).all()
    assert np.isnan([nothing.blown, nothing.crushed]).all()


def test_band_score_peaks_at_the_reference() -> None:
    assert m.band_score(7.0, 7.0, 2) == 1
    ratios = np.geomspace(1, 4, 20)
    up = [m.band_score(3 * r, 3.0, 4) for r in ratios]
    assert (np.diff(up) < 0).all()
    assert up == pytest.approx([m.band_score(3 / r, 3.0, 4) for r in ratios], abs=1e-12)
    assert m.band_score(2 * 3.0, 3.0, 4) == pytest.approx(0.75**2)


def test_band_score_ends() -> None:
    assert m.band_score(6.1, 3.0, 2) == m.band_score(1.49, 3.0, 2) == 0
    assert m.band_score(5.9, 3.0, 2) > 0
    assert m.band_score(1.51, 3.0, 2) > 0
    assert m.band_score(0.0, 3.0, 2) == 0
    assert m.band_score(np.inf, 3.0, 2) == 0
    assert np.isnan(m.band_score(np.nan, 3.0, 2))
    assert np.isnan(m.band_score(1.0, 0.0, 2))
    assert np.isnan(m.band_score(1.0, np.nan, 2))
    with pytest.raises(ValueError, match="factor"):
        m.band_score(1.0, 1.0, 1.0)


def test_blur_and_sharpening_fall_out_of_their_bands() -> None:
    skin = cv2.GaussianBlur(noise(contrast=255), (0, 0), 0.8)
    blurred = cv2.GaussianBlur(skin, (0, 0), 1.5)
    sharpened = 3 * skin - 2 * cv2.GaussianBlur(skin, (0, 0), 1.5)
    for measure, band in (
        (m.laplacian_variance, m.LAPLACIAN_BAND),
        (m.high_frequency_ratio, m.HIGH_FREQUENCY_BAND),
    ):
        own, soft, hard = (measure(picture(p)) for p in (skin, blurred, sharpened))
        assert soft < own < hard
        assert m.band_score(soft, own, band) < 0.3
    assert m.band_score(m.laplacian_variance(picture(sharpened)),
                        m.laplacian_variance(picture(skin)), m.LAPLACIAN_BAND) == 0  # fmt: skip
