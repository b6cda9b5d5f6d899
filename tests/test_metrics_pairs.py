"""Video pairs of known difference: pytest tests/test_metrics_pairs.py"""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_made import grey_clip

from enliven.errors import BadMedia
from enliven.metrics import image
from enliven.metrics.pairs import compare_frames, compare_videos


def clip(frames: int = 4, size: tuple[int, int] = (180, 192)) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(60, 190, (*size, 3)).astype(np.uint8) for _ in range(frames)]


def test_equal_videos() -> None:
    found = compare_frames(clip(), clip())
    assert (found.psnr, found.ssim, found.ms_ssim) == (np.inf, 1, 1)
    assert np.isnan(found.psnr_frames)
    assert (found.frames, found.equal) == (4, 4)
    assert not found.notes


def test_a_constant_offset_has_a_known_error() -> None:
    one = clip()
    found = compare_frames(one, [frame + 5 for frame in one])
    assert found.psnr == pytest.approx(20 * np.log10(255 / 5))
    assert found.psnr_frames == pytest.approx(found.psnr)
    assert found.equal == 0


def test_errors_are_pooled_and_decibels_averaged_over_what_differs() -> None:
    one = clip()
    other = [one[0], one[1] + 2, one[2] + 8, one[3]]
    found = compare_frames(one, other)
    assert found.psnr == pytest.approx(10 * np.log10(255**2 / ((4 + 64) / 4)))
    assert found.psnr_frames == pytest.approx(
        np.mean([20 * np.log10(255 / 2), 20 * np.log10(255 / 8)])
    )
    assert found.equal == 2


def test_means_are_those_of_the_frames() -> None:
    one = [cv2.GaussianBlur(frame, (0, 0), 2) for frame in clip()]
    noise = np.random.default_rng(1)
    other = [np.clip(f + noise.normal(0, k, f.shape), 0, 255).astype(np.uint8)
             for k, f in zip((2, 5, 9, 14), one, strict=True)]  # fmt: skip
    found = compare_frames(iter(one), iter(other))
    pairs = list(zip(one, other, strict=True))
    assert found.ssim == pytest.approx(np.mean([image.ssim(*pair) for pair in pairs]))
    assert found.ms_ssim == pytest.approx(np.mean([image.ms_ssim(*pair) for pair in pairs]))
    assert found.psnr_frames == pytest.approx(np.mean([image.psnr(*pair) for pair in pairs]))
    assert compare_frames(other, one).ssim == pytest.approx(found.ssim)


def test_only_the_mask_counts() -> None:
    one = clip()
    mask = np.zeros((180, 192), bool)
    mask[:, 96:] = True
    other = [np.where(mask[..., None], frame, 0).astype(np.uint8) for frame in one]
    assert compare_frames(one, other, mask).psnr == np.inf
    assert compare_frames(one, other, ~mask).psnr < 10
    inside, outside = (compare_frames(one, other, where).ssim for where in (mask, ~mask))
    assert inside > 0.9 > 0.2 > outside
    each = [mask, ~mask, np.zeros_like(mask), mask]
    found = compare_frames(one, other, each)
    assert (found.frames, found.equal) == (3, 2)


def test_what_does_not_match_is_said() -> None:
    found = compare_frames(clip(6), clip(4))
    assert found.frames == 4
    assert "first video is 2 frames longer" in found.notes[0]
    assert "second video is 2 frames longer" in compare_frames(clip(4), clip(6)).notes[0]
    with pytest.raises(BadMedia, match="192 x 180"):
        compare_frames(clip(), clip(size=(100, 90)))
    with pytest.raises(ValueError, match="masks end before frame 2"):
        compare_frames(clip(), clip(), [np.ones((180, 192), bool)] * 2)


def test_nothing_to_compare_is_not_a_number() -> None:
    found = compare_frames(clip(), clip(), np.zeros((180, 192), bool))
    assert np.isnan([found.psnr, found.psnr_frames, found.ssim, found.ms_ssim]).all()
    assert "no frames were compared" in found.notes
    assert np.isnan(compare_frames([], []).psnr)


def test_files_are_matched_in_time_and_state_their_rate(tmp_path: Path) -> None:
    at = [Fraction(i, 25) for i in range(5)]
    one = grey_clip(tmp_path / "one.mp4", at, [40, 80, 120, 160, 200])
    other = grey_clip(tmp_path / "other.mp4", at, [50, 90, 130, 170, 210])
    # the same at half the rate: every second frame is the one before
    slow = grey_clip(tmp_path / "slow.mp4", at[::2], [40, 120, 200], rate=Fraction(25, 2))
    found = compare_videos(one, other)
    assert found.frames == 5
    assert found.psnr == pytest.approx(20 * np.log10(255 / 10), abs=1)
    assert "25 fps" in found.protocol
    repeated = compare_videos(one, slow)
    assert repeated.frames >= 5
    assert repeated.psnr == pytest.approx(10 * np.log10(255**2 / (2 * 40**2 / 5)), abs=1)
