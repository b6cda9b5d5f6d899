"""Habits of known size, and how near they come: pytest tests/test_metrics_closeness.py"""

from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest
from stretch_made import IOD_PX, MIDDLE, head, stretch

from enliven.metrics import closeness as m
from enliven.metrics.lips import INNER_GAPS
from enliven.metrics.watch import HOP
from enliven.types import Motion

T = 250
TIME = np.arange(T) / 25
BASE = np.tile(head(), (T, 1, 1))


def opened(by: np.ndarray) -> np.ndarray:
    """Heads whose inner lips stand apart by so much more, IOD."""
    shapes = BASE.copy()
    for upper, lower in INNER_GAPS:
        shapes[:, upper, 1] -= by / 2
        shapes[:, lower, 1] += by / 2
    return shapes


def one(shapes: np.ndarray = BASE, motion: Motion | None = None, **more: object) -> m.Habits:
    return m.habits([stretch(shapes, motion, **more)])  # type: ignore[arg-type]


def test_a_still_face_has_no_habits() -> None:
    found = one()
    for name in ("lip_dynamics", "head_motion", "head_sway", "brow_dynamics", "blinks", "gaze"):
        assert getattr(found, name) == pytest.approx(0, abs=1e-6)
    assert np.isnan([found.silent_lips, found.loudness_gap]).all()


def test_lips_that_breathe_with_a_sinusoid() -> None:
    lips = list(m.LIPS)
    middle = BASE[0, lips].mean(0)
    swell = 0.2 * np.sin(2 * np.pi * TIME)
    shapes = BASE.copy()
    shapes[:, lips] += swell[:, None, None] * (BASE[:, lips] - middle)
    flat = BASE[0, lips, :2]
    apart = np.linalg.norm(flat[:, None] - flat, axis=-1)[np.triu_indices(len(lips), 1)].mean()
    assert one(shapes).lip_dynamics == pytest.approx(apart * 0.2 / np.sqrt(2), rel=1e-3)


@pytest.mark.parametrize("hz", [0.5, 1.0])
def test_a_nodding_head(hz: float) -> None:
    size = np.radians(6.0)
    turn = np.zeros((T, 3))
    turn[:, 0] = size * np.sin(2 * np.pi * hz * TIME)
    found = one(motion=Motion.still(T).with_channels(head=turn)).head_motion
    deviation = 6 / np.sqrt(2) / 3
    change = (12 * np.sin(np.pi * hz / 25)) ** 2 / 2 / 3
    assert found == pytest.approx(np.sqrt(deviation * change), rel=0.01)


def test_frames_without_the_face_do_not_count() -> None:
    turn, seen = np.zeros((T, 3)), np.ones(T, bool)
    turn[:, 1] = np.radians(5) * np.sin(2 * np.pi * 0.7 * TIME)
    clean = one(motion=Motion.still(T).with_channels(head=turn)).head_motion
    turn[100:104, 1], seen[100:104] = 2.0, False
    lost = one(motion=Motion.still(T).with_channels(head=turn), valid=seen).head_motion
    assert lost == pytest.approx(clean, rel=0.02)


def test_sway_is_in_eye_distances() -> None:
    place = np.zeros((T, 3))
    place[:, 0] = 0.1 * np.sign(np.sin(2 * np.pi * (TIME + 0.01)))
    found = one(motion=Motion.still(T).with_channels(translation=place)).head_sway
    assert found == pytest.approx(0.1 / np.sqrt(3), rel=0.01)


def test_brows_that_jump_every_frame() -> None:
    shapes = BASE.copy()
    for side in m.BROWS:
        shapes[::2, list(side), 1] -= 0.03
    found = one(shapes).brow_dynamics
    middles = [BASE[0, list(part), :2].mean(0) for part in (m.BROWS[0], m.EYES[0])]
    rest = np.linalg.norm(middles[0] - middles[1])
    raised = np.linalg.norm(middles[0] - (0, 0.03) - middles[1])
    assert found == pytest.approx(raised - rest, rel=0.02)


def tone(loud: np.ndarray) -> np.ndarray:
    """A hum of so much (T,) in each frame."""
    wave = np.sin(2 * np.pi * 200 * np.arange(T * HOP) / 16000)
    return (np.repeat(loud, HOP) * wave).astype(np.float32)


def test_lips_in_silence_are_those_of_long_silence_only() -> None:
    loud = np.where(TIME < 6, 0.3, 0.0)
    loud[100:105] = 0  # too short to be a pause
    restless = np.where(np.arange(T) % 3, 0.0, 0.06)  # 0.02 from its mean, most of the time
    moves = np.where(TIME < 6, 5 * restless, restless)
    moves[100:105] = 0.3
    found = one(opened(0.1 + moves), voice=tone(loud))
    assert found.silent_lips == pytest.approx(0.02, rel=0.05)
    assert np.isnan(one(opened(moves), voice=tone(np.full(T, 0.3))).silent_lips)


def test_an_opening_that_is_the_loudness_has_no_gap_to_it() -> None:
    loud = 0.15 + 0.1 * np.sin(2 * np.pi * 1.3 * TIME)
    assert one(opened(loud), voice=tone(loud)).loudness_gap == pytest.approx(0, abs=0.02)
    against = one(opened(0.3 - loud), voice=tone(loud)).loudness_gap
    # |2 s - 1| of a sinusoid between 0 and 1 is 2 / pi
    assert against == pytest.approx(2 / np.pi, abs=0.02)
    assert np.isnan(one(opened(loud), voice=tone(0 * loud)).loudness_gap)


def test_blinks_are_counted_by_the_minute() -> None:
    lids = np.zeros(T)
    for peak in (40, 120, 200):
        lids[peak - 3 : peak + 4] = (0.2, 0.6, 0.9, 1, 0.9, 0.6, 0.2)
    shut = Motion.still(T).with_channels(eyeBlinkLeft=lids, eyeBlinkRight=lids)
    assert one(motion=shut).blinks == pytest.approx(3 / (10 / 60))


def test_gaze_deviates_by_degrees() -> None:
    yaw = np.radians(4) * np.sign(np.sin(2 * np.pi * 0.5 * (TIME + 0.01)))
    found = one(motion=Motion.still(T).with_channels(gazeYaw=yaw)).gaze
    assert found == pytest.approx(4, rel=0.01)


def test_detail_falls_with_blur_and_is_of_the_face_alone() -> None:
    noise = np.random.default_rng(0).integers(60, 200, (200, 200, 3)).astype(np.uint8)
    skin = cv2.GaussianBlur(noise, (0, 0), 1.0)
    found = [one(BASE[:60], face=cv2.GaussianBlur(skin, (0, 0), k)) for k in (0.5, 1.5, 3.0)]
    for name in ("mouth_detail", "face_detail"):
        sharp, soft, plastic = (getattr(f, name) for f in found)
        assert sharp > soft > plastic
    points = BASE[0, :468, :2] * IOD_PX + MIDDLE[:2]
    (x0, y0), (x1, y1) = points.min(0).astype(int) - 3, points.max(0).astype(int) + 4
    outside = noise.copy()
    outside[y0:y1, x0:x1] = skin[y0:y1, x0:x1]
    within, alone = (one(BASE[:60], face=face) for face in (outside, skin))
    assert within.face_detail == pytest.approx(alone.face_detail, rel=1e-6)
    assert within.mouth_detail == pytest.approx(alone.mouth_detail, rel=1e-6)


def test_stretches_count_by_their_length_and_short_ones_not() -> None:
    def turning(frames: int, size: float) -> Motion:
        place = np.zeros((frames, 3))
        place[::2, 0] = size
        return Motion.still(frames).with_channels(translation=place)

    long = stretch(BASE[:200], turning(200, 0.1))
    other = stretch(BASE[:100], turning(100, 0.4))
    short = stretch(BASE[:40], turning(40, 9.0))
    found = m.habits([long, other, short]).head_sway
    each = [m.habits([s]).head_sway for s in (long, other)]
    assert found == pytest.approx((2 * each[0] + each[1]) / 3)
    assert np.isnan(m.habits([short]).head_sway)
    assert np.isnan(list(asdict(m.habits([])).values())).all()


def people(count: int, seed: int, factor: float = 1.0) -> list[m.Habits]:
    rng = np.random.default_rng(seed)
    return [m.Habits(*(factor * np.exp(0.3 * rng.standard_normal(len(m.NAMES)))))
            for _ in range(count)]  # fmt: skip


def test_the_same_set_is_as_near_as_can_be() -> None:
    found = m.closeness(people(8, 0), people(8, 0))
    assert found.score == pytest.approx(1)
    assert set(found.scores) == set(m.NAMES)
    assert found.low <= found.score


@pytest.mark.parametrize(("factor", "score"), [(1.1, 0.9), (0.9, 0.9), (2.0, 0.0), (3.5, -1.5)])
def test_too_much_counts_as_too_little_does(factor: float, score: float) -> None:
    found = m.closeness(people(8, 0), people(8, 0, factor))
    assert found.score == pytest.approx(score)
    one_off = [replace(p, gaze=p.gaze * factor) for p in people(8, 0)]
    found = m.closeness(people(8, 0), one_off)
    assert found.scores["gaze"] == pytest.approx(score)
    assert found.score == pytest.approx(1 - (1 - score) / len(m.NAMES))


def test_what_one_side_lacks_is_left_out_and_named() -> None:
    mute = [replace(p, loudness_gap=np.nan, gaze=p.gaze * 1.2) for p in people(6, 0)]
    found = m.closeness(people(6, 0), mute)
    assert found.left_out == ("loudness_gap",)
    assert found.score == pytest.approx(1 - 0.2 / (len(m.NAMES) - 1))
    # a measure at rest in the real set has no share to be off by
    still = [replace(p, blinks=0.0) for p in people(6, 0)]
    assert "blinks" in m.closeness(still, people(6, 1)).left_out
    # one video without it does not spoil the mean
    partly = [*mute[:1], *people(6, 0)[1:]]
    assert "loudness_gap" not in m.closeness(people(6, 0), partly).left_out


def test_interval_and_ceiling() -> None:
    real, made = people(30, 0), people(30, 1)
    found = m.closeness(real, made)
    assert found.low < found.score < 1
    assert found.low < found.high <= 1
    assert 0.8 < found.ceiling < 1
    assert found.videos == (30, 30)
    assert m.closeness(real, made) == found
    assert m.closeness(real[:1], made).ceiling != m.closeness(real[:1], made).ceiling  # NaN
    poor = m.closeness(real, people(30, 1, 1.6))
    assert poor.high < found.low
    with pytest.raises(ValueError, match="0 real"):
        m.closeness([], made)


def test_pairs_are_resampled_together() -> None:
    real = people(12, 0)
    found = m.closeness(real, people(12, 0, 1.2), paired=True)
    assert (found.score, found.low, found.high) == pytest.approx((0.8, 0.8, 0.8))
    assert m.closeness(real, people(12, 0, 1.2)).low < 0.75
    with pytest.raises(ValueError, match="no pairs"):
        m.closeness(real, real[1:], paired=True)
