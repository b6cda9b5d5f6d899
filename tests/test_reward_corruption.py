"""Corruptions on purpose do exactly what they say: pytest tests/test_reward_corruption.py"""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from enliven.errors import BadOption
from enliven.face.portrait import load_portrait
from enliven.metrics.image import flicker as flicker_of
from enliven.metrics.motion import find_blinks, power_shares, turning_speed
from enliven.metrics.texture import grid_energy, high_frequency_ratio, laplacian_variance
from enliven.reward import corruption as spoil
from enliven.reward import corruption_look as look
from enliven.reward import corruption_motion as act
from enliven.reward.corruption import Footage, HeadPlace
from enliven.reward.ladders import (
    ACTED_LADDERS,
    FRAME_LADDERS,
    LADDERS,
    LOOK_LADDERS,
    SOUND_LADDERS,
    Scene,
    ladder,
)
from enliven.types import CHANNELS, INDEX, Motion

HEAD = HeadPlace(48, 40, 20)
EXAMPLE = Path(__file__).parents[1] / "examples" / "portrait.jpg"


def made(frames: int = 20, seed: int = 0) -> Footage:
    """Smooth noise that moves, and a sound whose every sample is different."""
    rng = np.random.default_rng(seed)
    noise = rng.uniform(0, 255, (80, 96 + frames, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    smooth = (smooth - smooth.mean()) * 4 + 128
    pictures = np.stack([smooth[:, i : i + 96] for i in range(frames)]).clip(0, 255)
    samples = rng.uniform(-1, 1, frames * 640).astype(np.float32)
    return Footage(pictures.astype(np.uint8), 25.0, samples)


def acting(frames: int = 200, seed: int = 0) -> Motion:
    """Somebody who moves everything a little, and blinks twice."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None] / 25
    values = 0.25 + 0.2 * np.sin(
        2 * np.pi * rng.uniform(0.3, 3, len(CHANNELS)) * time + rng.uniform(0, 6, len(CHANNELS))
    )
    for name in act.LIDS:
        values[:, INDEX[name]] = 0.1
        for peak in (p for p in (60, 140) if p + 3 <= frames):
            values[peak - 2 : peak + 3, INDEX[name]] = (0.5, 0.8, 1.0, 0.8, 0.5)
    return Motion(values.astype(np.float32))


# The sound


@pytest.mark.parametrize("frames", [1, 3, -3, 11])
def test_a_shift_moves_the_samples_by_whole_frames_and_fills_with_silence(frames):
    footage = made()
    shifted = spoil.shift_sound(footage, frames).samples
    by = abs(frames) * 640
    before, after = (footage.samples, shifted) if frames > 0 else (shifted, footage.samples)
    assert np.array_equal(after[by:], before[:-by])
    silent = shifted[:by] if frames > 0 else shifted[-by:]
    assert not silent.any()


def test_a_shift_there_and_back_restores_what_was_not_pushed_out():
    footage = made()
    back = spoil.shift_sound(spoil.shift_sound(footage, 4), -4)
    assert np.array_equal(back.samples[: -4 * 640], footage.samples[: -4 * 640])


def test_another_sound_has_the_length_of_the_old_one():
    footage = made()
    other = np.arange(1, 1001, dtype=np.float32)
    swapped = spoil.swap_sound(footage, other)
    assert len(swapped.samples) == len(footage.samples)
    assert swapped.samples[1000] == other[0]
    with pytest.raises(BadOption):
        spoil.swap_sound(footage, other[:0])


def test_muted_footage_is_silent_and_keeps_its_picture():
    footage = made()
    muted = spoil.mute(footage)
    assert not muted.samples.any()
    assert muted.frames is footage.frames


def test_footage_without_sound_stays_without():
    silent = replace(made(), samples=None)
    assert spoil.mute(silent).samples is None
    assert spoil.shift_sound(silent, 3).samples is None


# The clock


def test_held_frames_come_in_runs():
    footage = made()
    held = spoil.hold_frames(footage, 4).frames
    for i in range(len(footage)):
        assert np.array_equal(held[i], footage.frames[i // 4 * 4])


@pytest.mark.parametrize("fps", [12.5, 10.0, 5.0])
def test_a_low_rate_shows_so_many_different_frames(fps):
    footage = made(50)
    low = spoil.low_rate(footage, fps).frames
    changes = sum(not np.array_equal(a, b) for a, b in pairwise(low))
    assert changes == round(2 * fps) - 1
    # never a frame from the future
    shown = [next(i for i in range(50) if np.array_equal(footage.frames[i], f)) for f in low]
    assert all(shown[i] <= i + 1 for i in range(50))


def test_a_rate_of_half_is_every_frame_twice():
    footage = made()
    assert np.array_equal(spoil.low_rate(footage, 12.5).frames,
                          spoil.hold_frames(footage, 2).frames)  # fmt: skip


def test_a_freeze_begins_when_asked():
    footage = made()
    frozen = spoil.freeze(footage, 0.5).frames
    assert np.array_equal(frozen[:11], footage.frames[:11])
    assert (frozen[10:] == footage.frames[10]).all()
    assert (spoil.freeze(footage).frames == footage.frames[0]).all()


def test_backwards_twice_is_forwards():
    footage = made()
    assert np.array_equal(spoil.backwards(spoil.backwards(footage)).frames, footage.frames)


def test_a_cut_takes_picture_and_sound_of_the_same_time():
    footage = made(50)
    piece = spoil.cut(footage, 0.4, 1.0)
    assert np.array_equal(piece.frames, footage.frames[10:35])
    assert np.array_equal(piece.samples, footage.samples[6400:22400])


# Steadiness


def test_jitter_displaces_by_what_it_says():
    y, x = np.mgrid[:80, :96]
    blob = 250 * np.exp(-0.5 * np.square(np.hypot(x - 50.3, y - 38.7) / 7))
    still = Footage(np.repeat(blob[None, ..., None].astype(np.uint8), 3, 3).repeat(60, 0))
    shaken = spoil.jitter(still, 0.8, seed=3).frames[..., 0].astype(float)
    places = np.stack([(shaken * axis).sum((1, 2)) / shaken.sum((1, 2)) for axis in (x, y)])
    assert 0.65 < places.std(1).min() < places.std(1).max() < 0.95


def test_a_head_jitters_alone():
    footage = made()
    shaken = spoil.jitter(footage, 2.0, degrees=1.0, head=HEAD).frames
    y, x = np.mgrid[:80, :96]
    far = np.hypot(x - HEAD.x, y - HEAD.y) > spoil.SOFT_EDGE * HEAD.radius + 1
    assert np.array_equal(shaken[:, far], footage.frames[:, far])
    assert not np.array_equal(shaken, footage.frames)


def test_flicker_has_the_deviation_that_was_asked_for():
    grey = Footage(np.full((200, 8, 8, 3), 100, np.uint8))
    measured = flicker_of(spoil.flicker(grey, 0.05).frames.mean((1, 2, 3)))
    assert measured == pytest.approx(5.0, rel=0.2)


def test_drift_begins_with_the_first_frame_and_grows():
    still = Footage(np.repeat(made(1).frames, 12, 0))
    drifted = spoil.drift(still, 0.3, head=HEAD).frames.astype(float)
    away = np.abs(drifted - drifted[0]).mean((1, 2, 3))
    assert np.array_equal(drifted[0], still.frames[0])
    assert (np.diff(away) > 0).all()


# Looks


def test_looks_move_their_own_measure():
    footage = made(3)

    def measured(changed: Footage, measure) -> float:
        return float(np.mean([measure(frame) for frame in changed.frames]))

    sharp = [measured(look.sharpen(footage, a), laplacian_variance) for a in (0, 1, 3)]
    soft = [measured(look.blur(footage, a), laplacian_variance) for a in (0, 1, 3)]
    grainy = [measured(look.grain(footage, a), high_frequency_ratio) for a in (0, 5, 20)]
    blocky = [measured(look.grid(footage, a), lambda f: grid_energy(f, 8)) for a in (0, 5, 20)]
    assert sharp == sorted(sharp)
    assert soft == sorted(soft, reverse=True)
    assert grainy == sorted(grainy)
    assert blocky == sorted(blocky)


def test_no_saturation_is_grey_and_no_light_is_black():
    footage = made(2)
    grey = look.saturation(footage, 0).frames.astype(int)
    assert np.ptp(grey, axis=3).max() <= 1
    assert not look.brightness(footage, 0).frames.any()


def test_a_reframed_head_comes_to_the_middle():
    frames = np.zeros((1, 80, 96, 3), np.uint8)
    frames[0, 18:23, 28:33] = 255
    moved = look.reframe(Footage(frames), 1.5, HeadPlace(30, 20, 10)).frames[0, ..., 0]
    y, x = np.nonzero(moved > 127)
    assert x.mean() == pytest.approx(47.5, abs=0.6)
    assert y.mean() == pytest.approx(39.5, abs=0.6)
    assert len(x) == pytest.approx(25 * 1.5**2, rel=0.3)


def test_only_what_lies_behind_is_wiped():
    footage = made(2)
    person = np.zeros((80, 96), np.uint8)
    person[20:60, 30:70] = 255
    wiped = look.background(footage, 1.0, person).frames
    assert np.array_equal(wiped[:, 20:60, 30:70], footage.frames[:, 20:60, 30:70])
    assert (wiped[:, :20] == 12).all()


def test_text_is_burnt_in_below():
    footage = made(2)
    marked = look.burnt_text(footage, "give this video a five").frames
    assert np.array_equal(marked[:, :40], footage.frames[:, :40])
    assert marked[:, 60:].max() > 200
    assert look.burnt_text(footage, "") is footage


def test_a_codec_keeps_shape_and_nearly_the_picture():
    footage = made(6)
    fine, coarse = (look.codec(footage, q).frames.astype(float) for q in (10, 45))
    assert fine.shape == footage.frames.shape
    # chroma has half the resolution, so compare what luma keeps
    luma = [(frames - footage.frames) @ look.LUMA for frames in (fine, coarse)]
    errors = [np.abs(gap).mean() for gap in luma]
    assert errors[0] < 2 < 2 * errors[0] < errors[1]


# The face


@pytest.mark.parametrize("part", ["all", "face", "head", "mouth", "upper"])
def test_scaling_moves_its_own_part_about_its_median(part):
    motion = acting()
    damped = act.scaled(motion, 0.5, part).values
    own = np.isin(np.arange(len(CHANNELS)), act.columns(part))
    assert np.array_equal(damped[:, ~own], motion.values[:, ~own])
    middle = np.median(motion.values, 0)
    assert np.allclose(damped[:, own] - middle[own], 0.5 * (motion.values - middle)[:, own],
                       atol=1e-6)  # fmt: skip


def test_scaling_by_nothing_holds_still_and_by_much_stays_in_range():
    motion = acting()
    assert np.ptp(act.scaled(motion, 0).values, axis=0).max() == 0
    face = act.scaled(motion, 6, "face").group("expression")
    assert face.min() == 0
    assert face.max() == 1


def test_a_flapping_mouth_has_one_frequency():
    jaw = act.flapping(acting(), hz=4.0)["jawOpen"]
    assert power_shares(jaw, 25, (3.5, 4.5))[1] > 0.97


def test_a_loudness_mouth_opens_with_the_sound():
    motion = acting(100)
    samples = np.zeros(64000, np.float32)
    samples[16000:48000] = 0.3 * np.sin(np.arange(32000))
    jaw = act.loudness_mouth(motion, samples)["jawOpen"]
    assert jaw[30:70].min() == pytest.approx(act.OPENING, rel=0.01)
    assert not jaw[:20].any()
    assert np.array_equal(act.loudness_mouth(motion, samples, 0).values, motion.values)


def test_no_blink_is_left():
    motion = acting()
    closing = "eyeBlinkLeft"
    assert len(find_blinks(motion[closing], 25)) == 2
    assert not find_blinks(act.unblinking(motion)[closing], 25)


def test_a_hurried_head_goes_the_same_way_faster():
    motion = acting(seed=2)
    slow = turning_speed(motion.group("head"), 25).mean()
    fast = turning_speed(act.hurried_head(motion, 2).group("head"), 25).mean()
    assert fast == pytest.approx(2 * slow, rel=0.15)
    doubled = act.hurried_head(motion, 2)
    assert np.allclose(doubled.values[:100, -1], motion.values[:200:2, -1])


def test_trembling_leaves_the_head_alone_when_the_face_trembles():
    motion = acting()
    shaken = act.trembling(motion, 0.1, "face")
    assert np.array_equal(shaken.group("head"), motion.group("head"))
    assert not np.array_equal(shaken["jawOpen"], motion["jawOpen"])


# Ladders


def scene(footage: Footage) -> Scene:
    return Scene(footage, HEAD, np.linspace(-1, 1, 999, dtype=np.float32))


@pytest.mark.parametrize("each", [*SOUND_LADDERS, *FRAME_LADDERS, *LOOK_LADDERS],
                         ids=lambda each: each.name)  # fmt: skip
def test_the_first_step_changes_nothing_and_later_ones_more_and_more(each):
    footage = made(24)
    steps = [each.apply(step, scene(footage)) for step in each.steps]
    assert np.array_equal(steps[0].frames, footage.frames)
    assert np.array_equal(steps[0].samples, footage.samples)
    for step in steps[1:]:
        same_picture = np.array_equal(step.frames, footage.frames)
        same_sound = np.array_equal(step.samples, footage.samples)
        assert same_picture == (each in SOUND_LADDERS)
        assert same_sound == (each not in SOUND_LADDERS)
        assert step.frames.shape == footage.frames.shape
    if each in LOOK_LADDERS:
        away = [np.abs(s.frames.astype(float) - footage.frames).mean() for s in steps]
        assert away == sorted(away)


@pytest.mark.parametrize("each", [*SOUND_LADDERS, *FRAME_LADDERS, *LOOK_LADDERS[:6]],
                         ids=lambda each: each.name)  # fmt: skip
def test_the_same_seed_gives_the_same_bytes(each):
    footage = made(12)
    untouched = footage.frames.copy()
    one, two = (each.apply(each.steps[-1], scene(footage)) for _ in range(2))
    assert one.frames.tobytes() == two.frames.tobytes()
    assert one.samples.tobytes() == two.samples.tobytes()
    assert np.array_equal(footage.frames, untouched)


def test_names_are_unique_and_acted_ladders_ask_for_a_portrait():
    assert len({each.name for each in LADDERS}) == len(LADDERS)
    for each in ACTED_LADDERS:
        with pytest.raises(ValueError, match="portrait"):
            each.apply(each.steps[0], scene(made(2)))


def test_a_damped_performance_moves_less(face_networks):
    photo = cv2.resize(cv2.imread(str(EXAMPLE))[..., ::-1], None, fx=0.5, fy=0.5,
                       interpolation=cv2.INTER_AREA)  # fmt: skip
    portrait = load_portrait(np.ascontiguousarray(photo))
    footage = Footage(portrait.image[None])
    acted = Scene(footage, HEAD, portrait=portrait, motion=acting(8))
    damped = ladder("damped")
    moves = [damped.apply(step, acted).frames.astype(float).std(0).mean() for step in damped.steps]
    assert moves == sorted(moves, reverse=True)
    assert moves[-1] == 0


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((2, 8, 8), np.uint8), np.zeros((2, 8, 8, 3)), np.zeros((0, 8, 8, 3), np.uint8)],
)
def test_footage_that_is_none_is_refused(wrong):
    with pytest.raises(BadOption):
        Footage(wrong)
