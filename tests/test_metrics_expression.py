"""Expressions and landmarks of known distance: pytest tests/test_metrics_expression.py"""

from dataclasses import replace

import numpy as np
import pytest
from stretch_made import IOD_PX, head, stretch

from enliven.metrics import expression as m
from enliven.types import INDEX, Motion

E = len(m.EXPRESSIVE)


def videos(count: int, seed: int, frames: int = 120, own: float = 0.0) -> list[np.ndarray]:
    """Coefficients (T, E); own: deviation of a video's own middle."""
    rng = np.random.default_rng(seed)
    return [0.3 + own * rng.standard_normal(E) + 0.1 * rng.standard_normal((frames, E))
            for _ in range(count)]  # fmt: skip


def test_coefficients_are_of_frames_with_a_face_and_of_no_gaze() -> None:
    rng = np.random.default_rng(0)
    motion = Motion(rng.uniform(0, 1, (6, len(INDEX))).astype(np.float32))
    valid = np.array([1, 0, 1, 1, 0, 1], bool)
    shapes = np.tile(head(), (6, 1, 1))
    seen = stretch(shapes, motion, valid=valid)
    found = m.expressions([seen, replace(seen, motion=None)])
    assert found.shape == (4, E)
    assert found[1, m.EXPRESSIVE.index("jawOpen")] == motion["jawOpen"][2]
    assert not any(name.startswith("eyeLook") for name in m.EXPRESSIVE)
    assert "eyeBlinkLeft" in m.EXPRESSIVE
    assert m.expressions([]).shape == (0, E)


def test_a_set_is_at_no_distance_from_itself() -> None:
    real = videos(5, 0)
    assert m.expression_distance(real, real).value == pytest.approx(0, abs=1e-9)


def test_a_shift_and_a_damping_have_closed_forms() -> None:
    real = videos(6, 0)
    shifted = [rows + 0.2 * np.eye(E)[7] for rows in real]
    assert m.expression_distance(real, shifted).value == pytest.approx(0.04, rel=1e-6)
    everything = np.concatenate(real)
    damped = [everything.mean(0) + 0.5 * (rows - everything.mean(0)) for rows in real]
    expected = 0.25 * everything.var(0, ddof=1).sum()
    assert m.expression_distance(real, damped).value == pytest.approx(expected, rel=1e-6)


def test_level_is_what_real_people_are_apart() -> None:
    real, other = (videos(12, seed, own=0.1) for seed in (1, 2))
    found = m.expression_distance(real, other)
    # frames of one person are alike: as many independent ones would lie far nearer
    assert found.level > 10 * found.chance
    assert found.value < 1.5 * found.level
    exaggerated = [3 * rows for rows in other]
    assert m.expression_distance(real, exaggerated).value > 3 * found.level
    assert m.expression_distance(real, other) == found
    assert m.expression_distance(real, other, seed=1).level != found.level


def test_level_is_of_halves() -> None:
    # two pairs of alike videos: a half is either a pair, d^2 from the other, or one of each
    (rows,) = videos(1, 0)
    shifted = rows + 0.3 * np.eye(E)[2]
    level = m.expression_distance([rows, rows, shifted, shifted], [rows]).level
    pairs = level / 0.3**2 * m.SPLITS
    assert pairs == pytest.approx(round(pairs), abs=1e-6)
    assert 0 < pairs < m.SPLITS


def test_numbers_are_stated_and_too_few_say_so() -> None:
    found = m.expression_distance(videos(3, 0, frames=10), videos(2, 1, frames=100))
    assert (found.frames, found.videos) == ((30, 200), (3, 2))
    assert not found.enough
    assert np.isnan(found.level)
    assert np.isnan(m.expression_distance([], videos(2, 1)).value)
    assert "not a 3DMM" in found.protocol


def test_a_shift_of_the_picture_moves_keypoints_and_not_lips() -> None:
    shapes = np.tile(head(), (8, 1, 1))
    found = m.landmark_distance([stretch(shapes)], [stretch(shapes, shift_px=(3, 4))])
    assert found.akd == pytest.approx(5 / IOD_PX, rel=1e-4)
    assert found.akd_256 == pytest.approx(5 * 256 / 200, rel=1e-4)
    assert (found.lmd, found.lips, found.expression) == pytest.approx((0, 0, 0), abs=1e-6)
    assert (found.frames, found.lost) == (8, 0)


def test_lips_that_move_are_told_in_eye_distances() -> None:
    shapes = np.tile(head(), (8, 1, 1))
    open_wide = shapes.copy()
    mouth = list(m.LIPS)
    middle = shapes[0, mouth].mean(0)
    open_wide[:, mouth] += 0.3 * (shapes[:, mouth] - middle)
    found = m.landmark_distance([stretch(shapes)], [stretch(open_wide)])
    away = 0.3 * (shapes[0, mouth] - middle)
    assert found.lmd == pytest.approx(np.linalg.norm(away[:, :2], axis=1).mean(), rel=1e-4)
    assert found.lips == pytest.approx(np.linalg.norm(away, axis=1).mean(), rel=1e-4)
    assert found.akd == pytest.approx(found.lmd * len(mouth) / 468, rel=1e-3)


def test_expressions_are_compared_channel_by_channel() -> None:
    shapes = np.tile(head(), (5, 1, 1))
    smiling = Motion.still(5).with_channels(mouthSmileLeft=0.6, gazeYaw=0.5)
    found = m.landmark_distance([stretch(shapes)], [stretch(shapes, smiling)])
    assert found.expression == pytest.approx(0.6 / E)


def test_frames_are_matched_however_the_stretches_are_cut() -> None:
    rng = np.random.default_rng(0)
    one, other = (head() + 0.01 * rng.standard_normal((30, 478, 3)) for _ in range(2))
    whole = m.landmark_distance([stretch(one)], [stretch(other)])
    cut = m.landmark_distance([stretch(one[:7]), stretch(one[7:])],
                              [stretch(other[:20]), stretch(other[20:])])  # fmt: skip
    assert whole == cut
    later = m.landmark_distance([stretch(one)], [stretch(other[1:])])
    assert later.akd != pytest.approx(whole.akd, rel=1e-6)
    assert later.frames == 29
    assert "longer" in later.notes[0]


def test_lost_faces_are_counted_and_nothing_is_no_number() -> None:
    shapes = np.tile(head(), (6, 1, 1))
    valid = np.array([1, 1, 0, 1, 0, 1], bool)
    found = m.landmark_distance([stretch(shapes, valid=valid)], [stretch(shapes)])
    assert (found.frames, found.lost) == (4, 2)
    nothing = m.landmark_distance([stretch(shapes, valid=~np.ones(6, bool))], [stretch(shapes)])
    assert np.isnan([nothing.akd, nothing.lips]).all()
    assert "no frame shows both faces" in nothing.notes
