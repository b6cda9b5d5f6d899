"""Marks of expressiveness and motion: pytest tests/test_reward_acting.py"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from enliven.face.head_model import load_head
from enliven.metrics.steadiness import Steps
from enliven.metrics.watch import CONTEXT, Stretch
from enliven.reward.acting import ACTING_AXES, Fines, acting_marks, load_acting
from enliven.reward.acting_measures import (
    NAMES,
    PLAY_GAIN,
    RAW_GAIN,
    THIRD_GAIN,
    Curves,
    banded,
    curves_of,
    measure_curves,
    repeats,
    white_noise,
)
from enliven.train.acting_ladders import (
    flickering,
    frozen,
    held,
    hurried,
    ladders,
    scaled,
    shaken,
    smoothed,
    there_and_back,
)
from enliven.types import CHANNELS, Motion

FRAMES = 125
COLUMN = {name: i for i, name in enumerate(NAMES)}


def wave(columns: int, size: float, rng: np.random.Generator, frames: int = FRAMES) -> np.ndarray:
    """Lively curves (T, columns): a few sines between 0.4 and 2.5 Hz."""
    time = np.arange(frames)[:, None, None] / 25
    hz, phase = rng.uniform(0.4, 2.5, (1, 3, columns)), rng.uniform(0, 7, (1, 3, columns))
    return size * np.sin(2 * np.pi * hz * time + phase).sum(1) / np.sqrt(1.5)


def alive(seed: int = 0, frames: int = FRAMES) -> Curves:
    """Somebody who acts, filmed perfectly."""
    rng = np.random.default_rng(seed)
    turn, place = wave(3, 1.2, rng, frames), wave(2, 0.015, rng, frames)
    shift = np.diff(place, axis=0)
    steps = Steps(shift, np.zeros(frames - 1), np.zeros(frames - 1), np.zeros(frames - 1),
                  1 + 60 * np.linalg.norm(shift, axis=1), np.full((frames, 3), 4.0),
                  np.full(frames, -1.0))  # fmt: skip
    lips = np.c_[0.07 + wave(1, 0.03, rng, frames), 0.5 + wave(1, 0.02, rng, frames)]
    return Curves(
        expression=(0.25 + wave(52, 0.06, rng, frames)).clip(0, 1), gaze=wave(2, 1.5, rng, frames),
        turn=turn, place=place, lips=lips.clip(0), points=wave(34, 0.01, rng, frames),
        outline=np.tile(rng.uniform(-1, 1, 30), (frames, 1)), rigid=place.copy(),
        known=np.ones(frames, bool), steps=steps,
    )  # fmt: skip


def marks(curves: Curves) -> dict[str, float]:
    values = measure_curves(curves).values
    return {axis: float(fines.marks(values).mean()) for axis, fines in load_acting().items()}


def measured(curves: Curves, name: str) -> float:
    return float(measure_curves(curves).values[:, COLUMN[name]].mean())


def mirrored(curves: Curves) -> Curves:
    """The same performance seen in a mirror, as far as measures go: x changes sign."""
    flip = np.array([-1.0, 1.0])
    return replace(
        curves, turn=curves.turn * [1, -1, -1], place=curves.place * flip,
        gaze=curves.gaze * flip, rigid=curves.rigid * flip,
        steps=replace(curves.steps, shift=curves.steps.shift * flip, turn=-curves.steps.turn),
    )  # fmt: skip


# Measures


def test_white_noise_is_told_through_smoothing_and_through_movement():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((4000, 2))
    assert white_noise(0.3 * noise, RAW_GAIN) == pytest.approx([0.3, 0.3], rel=0.3)
    assert white_noise(smoothed(0.3 * noise)) == pytest.approx([0.3, 0.3], rel=0.3)
    moving = 5 * np.sin(2 * np.pi * 0.5 * np.arange(4000) / 25)[:, None] + 0.3 * noise
    assert white_noise(moving, RAW_GAIN) == pytest.approx([0.3, 0.3], rel=0.3)
    assert 0 < PLAY_GAIN < 1 < THIRD_GAIN < RAW_GAIN


def test_the_band_of_play_keeps_talk_and_leaves_out_drift_and_trembling():
    time = np.arange(500)[:, None] / 25

    def left(hz: float) -> float:
        return float(banded(np.sin(2 * np.pi * hz * time))[100:400].std() * np.sqrt(2))

    assert left(1.5) > 0.85
    assert left(0.03) < 0.1
    assert left(9.0) < 0.1


def test_repeated_frames_are_told_from_rest():
    change = np.full(60, 2.0)
    assert not repeats(change)[0].any()
    change[::3] = 0
    assert repeats(change)[0][6:54].mean() == pytest.approx(1 / 3, abs=0.02)
    resting = np.concatenate([np.linspace(3, 0.3, 12), np.full(20, 0.3), np.linspace(0.3, 3, 12)])
    assert not repeats(resting)[0].any()
    assert repeats(np.zeros(40))[1].all()


def test_trembling_does_not_pass_for_acting():
    quiet = scaled(alive(), 0.3)
    rng = np.random.default_rng(0)
    noise = smoothed(0.02 * rng.standard_normal(quiet.expression.shape))
    shaky = replace(quiet, expression=(quiet.expression + noise).clip(0, 1))
    for name in ("brows", "cheeks", "eyes"):
        assert measured(shaky, name) < 1.35 * measured(quiet, name)


def test_a_shake_is_measured_in_eye_distances():
    still = scaled(alive(), 1, 0)
    assert measured(still, "shake") == 0
    shaky = shaken(still, 0.01, 0.0, np.random.default_rng(0))
    assert measured(shaky, "shake") == pytest.approx(0.01 * np.sqrt(2), rel=0.35)


# Marks


def test_an_alive_face_is_marked_high_and_a_frozen_one_lowest():
    good, bad = marks(alive()), marks(frozen(alive(), 1.0))
    for axis in ACTING_AXES:
        assert good[axis] > 4
        assert bad[axis] < 1.5


@pytest.mark.parametrize("seed", [0, 1])
def test_more_trembling_is_worse_and_the_face_acts_on(seed):
    base = alive(seed)
    steps = [marks(shaken(base, x, 0, np.random.default_rng(5))) for x in (0, 0.008, 0.02, 0.05)]
    motion = [step["motion"] for step in steps]
    assert motion == sorted(motion, reverse=True)
    assert motion[0] - motion[-1] > 2
    spread = np.ptp([step["expressiveness"] for step in steps])
    assert spread < (motion[0] - motion[-1]) / 4


@pytest.mark.parametrize(
    ("axis", "other", "worse"),
    [
        ("motion", "expressiveness", lambda c: held(c, 4)),
        ("motion", "expressiveness", lambda c: hurried(c, 5)),
        ("motion", "expressiveness", lambda c: flickering(c, 0.1, 0, np.random.default_rng(0))),
        ("motion", "expressiveness", lambda c: scaled(c, 1, 0)),
        ("expressiveness", "motion", lambda c: scaled(c, 0.1)),
    ],
)
def test_a_fault_costs_its_own_axis(axis, other, worse):
    before, after = marks(alive()), marks(worse(alive()))
    lost = before[axis] - after[axis]
    assert lost > 0.8
    assert abs(before[other] - after[other]) < lost / 4


def test_damping_is_worse_the_more_of_it():
    damped = [marks(scaled(alive(), x, x)) for x in (1, 0.5, 0.2, 0)]
    for axis in ACTING_AXES:
        values = [mark[axis] for mark in damped]
        assert values == sorted(values, reverse=True)
        assert values[0] > values[-1] + 2


def test_a_mirror_changes_nothing():
    assert marks(mirrored(alive())) == pytest.approx(marks(alive()), abs=1e-6)


def test_time_backwards_changes_nothing():
    base = alive(3, 62)
    turned = there_and_back(base)
    half = slice(62, 124)
    assert np.array_equal(turned.turn[half], base.turn[::-1])
    backwards = replace(
        base, **{name: getattr(base, name)[::-1] for name in
                 ("expression", "gaze", "turn", "place", "lips", "points", "rigid")},
        steps=replace(base.steps, shift=-base.steps.shift[::-1], change=base.steps.change[::-1]),
    )  # fmt: skip
    assert marks(backwards) == pytest.approx(marks(base), abs=0.05)


def test_ladders_are_made_of_the_seed():
    one, two = (ladders(alive(), 7) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert a.name == b.name
        assert np.array_equal(a.steps[-1].steps.light, b.steps[-1].steps.light)
        assert np.array_equal(a.steps[-1].expression, b.steps[-1].expression)


def test_more_of_a_fault_never_helps():
    for fines in load_acting().values():
        assert isinstance(fines, Fines)
        assert (fines.weight >= 0).all()
        values = np.zeros((1, len(NAMES)))
        for column in set(fines.measure[fines.sign > 0]) - set(fines.measure[fines.sign < 0]):
            more = np.tile(values, (20, 1))
            more[:, column] = np.geomspace(1e-4, 100, 20)
            assert (np.diff(fines.marks(more)) <= 1e-12).all()


# Stretches


def stretch(motion: Motion | None, faces: int = 60) -> Stretch:
    """A face in the middle of grey that does what a motion says, but whose pixels rest."""
    mean = load_head().mean
    count = len(motion) if motion is not None else 50
    points = np.tile((mean * 25 + [faces, faces, 0]).astype(np.float32), (count, 1, 1))
    valid = np.ones(count, bool)
    if motion is None:
        points[:], valid[:] = np.nan, False
    return Stretch(
        start=4.0, landmarks=points, valid=valid, motion=motion,
        shapes=np.tile(mean.astype(np.float32), (count, 1, 1)) + 0 * points,
        mouths=np.zeros((count, 48, 64), np.uint8),
        faces=np.full((count, 2 * faces, 2 * faces, 3), 128, np.uint8),
        box=np.tile(np.float32([0, 0, 1]), (count, 1)),
        scenes=np.zeros((count, 8, 8, 3), np.uint8), size=(2 * faces, 2 * faces),
        samples=np.zeros(2 * CONTEXT + 640 * count, np.float32), sounds=False, source_fps=25.0,
    )  # fmt: skip


def test_without_a_face_nothing_is_marked_and_it_says_why():
    found = acting_marks(stretch(None))
    assert {mark.axis for mark in found} == set(ACTING_AXES)
    assert all(np.isnan(mark.value) and "face" in mark.why for mark in found)
    assert curves_of(stretch(None)) is None


def test_marks_cover_the_stretch_and_say_what_is_wrong():
    still = Motion.still(125)
    found = acting_marks(stretch(still))
    for axis in ACTING_AXES:
        own = [mark for mark in found if mark.axis == axis]
        assert own[0].start == 4.0
        assert own[-1].stop == 9.0
        assert all(a.stop == b.start for a, b in pairwise(own))
        assert all(mark.value < 1.6 and mark.why for mark in own)


def test_the_sound_does_not_matter():
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 0.4, (75, len(CHANNELS))).astype(np.float32)
    base = stretch(Motion(values))
    loud = replace(base, sounds=True, samples=rng.uniform(-1, 1, len(base.samples)))
    assert acting_marks(base) == acting_marks(loud)
