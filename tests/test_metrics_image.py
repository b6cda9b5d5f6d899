"""Pictures whose difference is known: pytest tests/test_metrics_image.py"""

import cv2
import numpy as np
import pytest

from enliven.metrics import image as m


def flat(*colour: int, size: tuple[int, int] = (40, 48)) -> np.ndarray:
    return np.full((*size, 3), colour, np.uint8)


def texture(size: int = 96, seed: int = 0, blur: float = 2.0, contrast: float = 40) -> np.ndarray:
    """A soft random picture, grey, uint8."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(size, size)), (0, 0), blur)
    grey = 128 + contrast * noise / noise.std()
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, 2)


def left_half(picture: np.ndarray) -> np.ndarray:
    mask = np.zeros(picture.shape[:2], bool)
    mask[:, : mask.shape[1] // 2] = True
    return mask


@pytest.mark.parametrize("away", [1, 8, 100])
def test_psnr_of_an_offset(away: int) -> None:
    one, other = flat(90, 90, 90), flat(90 + away, 90 + away, 90 + away)
    assert m.psnr(one, other) == pytest.approx(20 * np.log10(255 / away))
    # one colour in three: a third of the error
    other = flat(90, 90 + away, 90)
    assert m.psnr(one, other) == pytest.approx(20 * np.log10(255 / away) + 10 * np.log10(3))


def test_psnr_within_a_mask() -> None:
    one = flat(10, 20, 30)
    other = one.copy()
    other[:, 24:] = 255
    assert m.psnr(one, other, left_half(one)) == np.inf
    assert m.psnr(one, one) == np.inf
    other[:, :24] += 5
    assert m.psnr(one, other, left_half(one)) == pytest.approx(20 * np.log10(255 / 5))
    assert np.isnan(m.psnr(one, other, np.zeros((40, 48), bool)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floating_point_is_the_same_picture(dtype: type) -> None:
    one, other = texture(192), texture(192, seed=1)
    for measure in (m.psnr, m.ssim, m.ms_ssim, m.largest_change):
        expected = measure(one, other)
        assert measure(one / dtype(255), other / dtype(255)) == pytest.approx(expected, rel=1e-5)


def test_ssim_of_constants_is_their_luminance() -> None:
    a, b = 60, 180
    expected = (2 * a * b + 6.5025) / (a * a + b * b + 6.5025)
    assert m.ssim(flat(a, a, a), flat(b, b, b)) == pytest.approx(expected, rel=1e-9)
    size = (176, 176)
    found = m.ms_ssim(flat(a, a, a, size=size), flat(b, b, b, size=size))
    assert found == pytest.approx(expected**0.1333, rel=1e-9)


def test_ssim_is_the_published_formula_window_by_window() -> None:
    one, other = texture(24), texture(24, seed=1)
    reach = np.arange(-5, 6)
    weight = np.exp(-(reach[:, None] ** 2 + reach**2) / (2 * 1.5**2))
    weight /= weight.sum()
    values = np.zeros((24, 24))
    for row in range(5, 19):
        for column in range(5, 19):
            x, y = (p[row - 5 : row + 6, column - 5 : column + 6, 0] * 1.0 for p in (one, other))
            mx, my = (weight * x).sum(), (weight * y).sum()
            vx, vy = (weight * (x - mx) ** 2).sum(), (weight * (y - my) ** 2).sum()
            covariance = (weight * (x - mx) * (y - my)).sum()
            values[row, column] = (
                (2 * mx * my + (0.01 * 255) ** 2) * (2 * covariance + (0.03 * 255) ** 2)
                / (mx * mx + my * my + (0.01 * 255) ** 2) / (vx + vy + (0.03 * 255) ** 2)
            )  # fmt: skip
    assert m.ssim(one, other) == pytest.approx(values[5:19, 5:19].mean(), rel=1e-9)
    # the windows of a mask are those whose middle it holds
    found = m.ssim(one, other, left_half(one))
    assert found == pytest.approx(values[5:19, 5:12].mean(), rel=1e-9)


def test_ssim_bounds() -> None:
    one, other = texture(192), texture(192, seed=1)
    assert m.ssim(one, one) == m.ms_ssim(one, one) == 1
    assert m.ssim(one, other) == pytest.approx(m.ssim(other, one), rel=1e-12)
    assert m.ssim(one, 255 - one) < -0.5
    assert m.ms_ssim(one, 255 - one) == 0


@pytest.mark.parametrize("measure", [m.psnr, m.ssim, m.ms_ssim])
def test_more_blur_is_less_like(measure) -> None:
    one = texture(192, blur=0.8)
    found = [measure(one, cv2.GaussianBlur(one, (0, 0), s)) for s in (0.5, 1, 2, 4)]
    assert (np.diff(found) < 0).all()


def test_the_pyramid_forgives_what_is_fine() -> None:
    # grain spoils the finest scale alone, which weighs 0.0448
    one = texture(192, blur=12)
    other = (one + np.random.default_rng(1).normal(size=one.shape) * 20).clip(0, 255)
    other = other.astype(np.uint8)
    assert m.ssim(one, other) < 0.5
    assert m.ms_ssim(one, other) > 0.8


def test_multi_scale_within_a_mask() -> None:
    one, other = texture(320), texture(320)
    other[:, 240:] = 0
    mask = left_half(one)
    mask[:, 100:] = False
    assert m.ms_ssim(one, other, mask) == 1
    assert m.ms_ssim(one, other) < 0.95
    # windows without a mask are whole: what happens in the last px at the border is half seen
    other = texture(320)
    other[:, 318:] = 0
    assert m.ms_ssim(one, other) > m.ms_ssim(one, other, np.ones((320, 320), bool)) + 0.002


def test_too_small_or_empty_cannot_be_told() -> None:
    nothing = np.zeros((192, 192), bool)
    one = texture(192)
    assert np.isnan(m.ssim(one[:10], one[:10]))
    assert m.ssim(one[:11], one[:11]) == 1
    assert np.isnan(m.ms_ssim(one[:175], one[:175]))
    assert m.ms_ssim(one[:176], one[:176]) == 1
    for measure in (m.psnr, m.ssim, m.ms_ssim, m.largest_change):
        assert np.isnan(measure(one, one, nothing))
    assert np.isnan(m.warped_error(one, one, nothing).error)
    tiny = m.warped_error(one[:15], one[:15])
    assert np.isnan(tiny.error)
    assert tiny.followed == 0


def test_what_is_no_picture() -> None:
    one = texture()
    with pytest.raises(ValueError, match="one size"):
        m.psnr(one, one[:-1])
    with pytest.raises(ValueError, match="mask"):
        m.psnr(one, one, np.ones((3, 3), bool))
    with pytest.raises(ValueError, match="mask"):
        m.psnr(one, one, np.ones(one.shape[:2]))
    with pytest.raises(ValueError, match="RGB"):
        m.psnr(one[..., 0], one[..., 0])
    with pytest.raises(ValueError, match="int64"):
        m.psnr(one.astype(int), one.astype(int))


def test_what_stands_still_has_no_warped_error() -> None:
    found = m.warped_error(texture(), texture())
    assert found.error == pytest.approx(0, abs=1e-4)
    assert found.followed == 1


@pytest.mark.parametrize(("x", "y"), [(3, 0), (-2, 4)])
def test_movement_is_explained(x: int, y: int) -> None:
    wide = texture(160)
    one, other = wide[20:140, 20:140], wide[20 - y : 140 - y, 20 - x : 140 - x]
    unwarped = np.sqrt(((one * 1.0 - other) ** 2).mean())
    found = m.warped_error(one, other)
    assert unwarped > 15
    assert found.error < 0.1 * unwarped
    assert found.followed > 0.9


def test_boiling_is_not_explained_and_grows() -> None:
    one, rng = texture(), np.random.default_rng(1)
    grain = rng.normal(size=one.shape[:2])[..., None]
    found = [
        m.warped_error(one, (one + s * grain).clip(0, 255).astype(np.uint8)).error
        for s in (2, 4, 8)
    ]
    assert (np.diff(found) > 0).all()
    assert found[0] > 1


def test_flash_of_light_is_its_size() -> None:
    one = texture(contrast=25)
    assert m.warped_error(one, one + np.uint8(12)).error == pytest.approx(12, abs=0.5)


def test_warped_error_counts_in_the_mask_only() -> None:
    one = texture(128)
    other = one.copy()
    other[:, 96:] = np.random.default_rng(1).integers(0, 255, (128, 32, 3))
    assert m.warped_error(one, other, left_half(one)).error < 0.5
    assert m.warped_error(one, other, ~left_half(one)).error > 2


def test_a_cut_cannot_be_followed() -> None:
    assert m.warped_error(texture(seed=1), texture(seed=2)).followed < 0.5


def test_flicker_of_known_curves() -> None:
    t = np.arange(200.0)
    assert m.flicker(np.full(9, 3.0)) == 0
    assert m.flicker(0.5 * t - 7) == pytest.approx(0, abs=1e-12)
    assert m.flicker(3.0 * (-1) ** t) == pytest.approx(4 * 3 / np.sqrt(6))
    noise = np.random.default_rng(0).normal(size=(20000, 3)) * 2
    assert m.flicker(noise) == pytest.approx(2, rel=0.02)
    # one colour of three that flickers
    curve = np.zeros((200, 3))
    curve[:, 1] = (-1) ** t
    assert m.flicker(curve) == pytest.approx(4 / np.sqrt(6) / np.sqrt(3))
    assert np.isnan(m.flicker(np.zeros(2)))


def test_change_of_a_block_is_its_height() -> None:
    one, other = flat(90, 90, 90, size=(96, 96)), flat(90, 90, 90, size=(96, 96))
    other[20:60, 20:60] += 10
    assert m.largest_change(one, other) == pytest.approx(10, abs=0.01)
    assert m.largest_change(one, one) == 0
    outside = np.ones((96, 96), bool)
    outside[20:60, 20:60] = False
    assert m.largest_change(one, other, outside) == 0


def test_coding_noise_is_a_duplicate_and_lips_are_not() -> None:
    one = texture(256, blur=4)
    coded = cv2.imdecode(cv2.imencode(".jpg", one, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], 1)
    assert (coded != one).any()
    assert m.is_duplicate(one, one)
    assert m.is_duplicate(one, coded)
    moved = one.copy()
    moved[150:170, 110:146] = one[147:167, 110:146]  # a lip, three px
    assert not m.is_duplicate(one, moved)
    assert m.is_duplicate(one, moved, left_half(one) & (np.arange(256) < 80)[:, None])
