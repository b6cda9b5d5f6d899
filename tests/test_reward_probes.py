"""Cheats must not pay: pytest tests/test_reward_probes.py"""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from enliven.errors import BadOption
from enliven.reward.compose import FLOWPORTRAIT, Gate, Reward, Term
from enliven.reward.corruption import Footage, head_place
from enliven.reward.judge import AXES, default_judge, judge_frames
from enliven.reward.probe_cheats import averaged, covered, other_rate, resized, spread, twice
from enliven.reward.probe_clip import Honest, example_clip
from enliven.reward.probe_hunt import EDITS, hunt, mixed
from enliven.reward.probe_rows import PROBES, Cheat, Probe
from enliven.reward.probes import (
    LEAST_NOISE,
    grade,
    outcome,
    recorded,
    run_probes,
    told,
)
from enliven.types import Score, Scorecard

LOOK = Term("look", 3.0, 0.0)
REWARD = Reward((LOOK, Term("life", 1.0, 0.0)), (Gate("face"),))
FALLS = Probe("a kind", "something rises", ("look",))
STAYS = Probe("a kind", "something rises", ("look",), wanted="not rise")


def card(**values: float) -> Scorecard:
    return Scorecard({
        name: Score(value, 0.0, 1.0, valid=math.isfinite(value)) for name, value in values.items()
    })  # fmt: skip


FINE = card(look=0.8, life=0.6, face=1.0)


def clip(frames: int = 15, seed: int = 0) -> Honest:
    """A picture with detail whose brightness breathes, and landmarks on a grid."""
    rng = np.random.default_rng(seed)
    picture = cv2.GaussianBlur(rng.uniform(0, 255, (64, 64, 3)).astype(np.float32), (0, 0), 1.5)
    picture = (picture - picture.mean()) * 3 + 110
    light = 1 + 0.1 * np.sin(np.arange(frames))[:, None, None, None]
    pictures = (picture * light).clip(0, 255).astype(np.uint8)
    points = rng.uniform(18, 46, (478, 3)).astype(np.float32)
    landmarks = np.tile(points, (frames, 1, 1))
    person = np.zeros((64, 64), np.uint8)
    person[10:, 14:50] = 255
    samples = rng.uniform(-0.1, 0.1, frames * 640).astype(np.float32)
    return Honest(Footage(pictures, 25.0, samples), None, head_place(landmarks), person, landmarks)


def eye(footage: Footage) -> Scorecard:
    """A judge that likes brightness and believes in anything with contrast."""
    levels = footage.frames.astype(np.float64)
    lively = float(np.abs(np.diff(levels, axis=0)).mean() / 20) if len(levels) > 1 else 0.0
    face = 1.0 if levels[len(levels) // 2].std() > 5 else 0.0
    return Scorecard({
        "look": Score(float(levels.mean()), 0, 255), "life": Score(lively, 0, 1),
        "face": Score(face, 0, 1), "motion": Score(1 + 4 * float(levels.mean()) / 255, 1, 5),
    })  # fmt: skip


# Every kind of cheat has its row


def test_every_row_is_there() -> None:
    names = [probe.name for probe in PROBES]
    assert len(names) == len(set(names)) == 15
    for word in ("frozen", "without speech", "lag", "sharpness", "plastic", "colours", "animation",
                 "average", "framing", "blinks", "writing", "resolution", "judge", "crash",
                 "without a voice"):  # fmt: skip
        assert sum(word in name for name in names) == 1, word
    for probe in PROBES:
        assert probe.hope
        assert probe.defence
        assert bool(probe.cheats) != probe.hunted
        cheats = [cheat.name for cheat in probe.cheats]
        assert len(cheats) == len(set(cheats))


def test_only_what_is_fed_and_what_is_hunted_may_leave_the_score_as_it_is() -> None:
    may_stay = {probe.name for probe in PROBES if probe.wanted == "not rise"}
    assert may_stay == {
        "resolution, frame rate, codec, length",
        "whatever this judge likes",
    }


# When a cheat is caught, and by what


def test_a_fall_beyond_the_noise_is_caught_by_what_fell_most() -> None:
    # look weighs three times as much: 0.1 of it is more than 0.2 of life
    one = outcome(FALLS, "it", FINE, card(look=0.7, life=0.4, face=1.0), REWARD, 0.05)
    assert one.passed
    assert one.caught_by == "look"
    assert one.before == pytest.approx((3 * 0.8 + 0.6) / 4)
    assert one.after == pytest.approx((3 * 0.7 + 0.4) / 4)
    assert one.changes == pytest.approx({"look": -0.1, "life": -0.2, "face": 0.0})


@pytest.mark.parametrize("look", [0.81, 0.8, 0.79])
def test_within_the_noise_is_not_caught(look: float) -> None:
    one = outcome(FALLS, "it", FINE, card(look=look, life=0.6, face=1.0), REWARD, 0.05)
    assert not one.passed
    assert one.caught_by == ""


@pytest.mark.parametrize(("look", "passed"), [(0.86, True), (0.8, True), (0.5, True), (0.9, False)])
def test_what_may_stay_must_not_rise(look: float, passed: bool) -> None:
    one = outcome(STAYS, "it", FINE, card(look=look, life=0.6, face=1.0), REWARD, 0.05)
    assert one.passed == passed


def test_a_gate_that_closes_is_named_whatever_else_rises() -> None:
    one = outcome(FALLS, "it", FINE, card(look=1.0, life=1.0, face=0.4), REWARD, 0.05)
    assert one.passed
    assert one.caught_by == "gate face"
    assert one.after < one.before


def test_to_rise_by_losing_a_gate_is_no_gain() -> None:
    one = outcome(FALLS, "it", FINE, card(look=1.0, life=1.0, face=math.nan), REWARD, 0.05)
    assert "face" in one.caught_by
    assert not one.after > one.before
    assert math.isnan(one.changes["face"])


def test_composite_is_the_weighted_mean() -> None:
    assert grade(REWARD, FINE).value == pytest.approx(0.75)
    assert grade(REWARD, card(look=1.0, life=1.0, face=1.0)).value == pytest.approx(1)
    assert sum(grade(REWARD, FINE).parts.values()) == pytest.approx(0.75)


# The whole run


def test_a_run_tries_all_that_the_clip_allows_and_says_what_it_does_not() -> None:
    steps: list[tuple[str, int, int]] = []
    found = run_probes(clip(), eye, REWARD, progress=lambda *step: steps.append(step))
    tried = {(one.probe, one.cheat) for one in found.outcomes}
    for probe in PROBES:
        for cheat in probe.cheats:
            name = f"{probe.name}: {cheat.name}"
            assert ((probe.name, cheat.name) in tried) != (name in found.left_out), name
            assert (name in found.left_out) == (cheat.against != "clip")
    hunted = [one for one in found.outcomes if one.probe == "whatever this judge likes"]
    assert [one.cheat.split(":")[0] for one in hunted] == list(AXES)
    done = [step[1] for step in steps]
    assert done == list(range(1, len(done) + 1))
    assert all(step[1] <= step[2] for step in steps)


def test_a_judge_that_likes_brightness_is_found_out() -> None:
    found = run_probes(clip(), eye, REWARD)
    by_name = {one.cheat: one for one in found.outcomes}
    assert not by_name["brightened"].passed
    assert by_name["darkened"].passed
    assert by_name["darkened"].caught_by == "look"
    assert by_name["blank picture"].caught_by == "gate face"
    assert by_name["still photo"].caught_by == "life"
    hunted = next(one for one in found.outcomes if one.cheat.startswith("motion: "))
    assert "brightness" in hunted.cheat
    assert not hunted.passed
    assert not found.passed
    assert "NOT CAUGHT" in told(found)


def test_the_same_seed_finds_the_same() -> None:
    rows = [probe for probe in PROBES if probe.hunted]
    one, two = (run_probes(clip(), eye, REWARD, probes=rows, seed=3) for _ in range(2))
    assert recorded(one) == recorded(two)
    other = run_probes(clip(), eye, REWARD, probes=rows, seed=4)
    assert [o.cheat for o in other.outcomes] != [o.cheat for o in one.outcomes]


def test_noise_is_what_harmless_copies_differ_by() -> None:
    rows = [Probe("one", "-", ("look",), (Cheat("it", lambda honest: honest.footage),))]
    constant = run_probes(clip(), lambda _: FINE, REWARD, probes=rows)
    assert constant.noise == LEAST_NOISE
    assert not constant.passed  # what changes nothing was not caught
    values = iter([0.8, 0.9, 0.7, 0.9, 0.7, 0.8])  # the clip, and five copies
    noisy = run_probes(
        clip(), lambda _: card(look=next(values, 0.75)), Reward((LOOK,)), probes=rows
    )
    assert noisy.noise == pytest.approx(math.sqrt(4 * 0.01 / 5))
    assert not noisy.passed


@pytest.mark.parametrize("start", [card(look=0.5, life=0.5, face=0.1), card(life=0.5, face=1.0)])
def test_a_clip_without_a_reward_cannot_be_probed(start: Scorecard) -> None:
    with pytest.raises(BadOption, match="clip that is fine"):
        run_probes(clip(), lambda _: start, REWARD)


def test_a_record_is_plain() -> None:
    import json

    lost = card(look=1.0, life=1.0, face=math.nan)
    cards = iter([FINE] * 6)
    rows = [Probe("one", "-", ("look",), (Cheat("it", lambda honest: honest.footage),))]
    found = run_probes(clip(), lambda _: next(cards, lost), REWARD, probes=rows)
    record = json.loads(json.dumps(recorded(found), allow_nan=False))
    assert record["passed"] is True
    assert record["outcomes"][0]["after"] is None
    assert record["outcomes"][0]["changes"]["face"] is None


# The hunt


def test_a_hunt_climbs() -> None:
    honest = clip()

    def likes_grey(footage: Footage) -> Scorecard:
        frames = footage.frames.astype(np.float64)
        colour = float((frames.max(3) - frames.min(3)).mean())
        return Scorecard({"motion": Score(-colour, -255, 0)})

    (found,) = hunt(honest.footage, honest.head, likes_grey, ("motion",), mixtures=30, steps=6)
    assert "saturation" in found.recipe or "contrast" in found.recipe
    assert found.gain > 0


def test_a_hunt_that_finds_nothing_keeps_the_clip() -> None:
    honest = clip()
    flat = Scorecard({"motion": Score(3.0, 1, 5)})
    (found,) = hunt(honest.footage, honest.head, lambda _: flat, ("motion",), mixtures=2, steps=1)
    assert found.gain == 0
    assert found.recipe == "nothing found"
    np.testing.assert_array_equal(found.footage.frames, honest.footage.frames)


def test_edits_keep_the_clip_in_shape() -> None:
    honest = clip()
    for number in range(len(EDITS)):
        for reach in (-1.0, 1.0):
            made = mixed(honest.footage, honest.head, {number: reach})
            assert made.frames.shape == honest.footage.frames.shape
            assert made.samples is not None


# Cheats


def test_cheats_leave_the_clip_alone() -> None:
    honest = clip()
    before = honest.footage.frames.copy()
    for probe in PROBES:
        for cheat in probe.cheats:
            if cheat.against == "clip":
                made = cheat.make(honest)
                assert made.samples is not None
                assert made.frames.dtype == np.uint8
    np.testing.assert_array_equal(honest.footage.frames, before)


def test_every_cheat_of_the_picture_or_sound_changes_it() -> None:
    honest = clip()
    for probe in PROBES:
        for cheat in probe.cheats:
            if cheat.against != "clip":
                continue
            made = cheat.make(honest)
            same = (
                made.fps == honest.footage.fps
                and np.array_equal(made.frames, honest.footage.frames)
                and np.array_equal(made.samples, honest.footage.samples)
            )
            assert not same, cheat.name


def test_a_covered_face_is_covered_for_its_share_of_the_time() -> None:
    honest = clip(frames=12)
    made = covered(honest, 1 / 3)
    np.testing.assert_array_equal(made.frames[:8], honest.footage.frames[:8])
    x, y = round(honest.head.x), round(honest.head.y)
    flat = made.frames[8:, y - 4 : y + 4, x - 4 : x + 4].astype(float)
    assert flat.std((0, 1, 2)).max() < 1


def test_sizes_rates_and_lengths() -> None:
    footage = clip(frames=20).footage
    assert resized(footage, 0.5).frames.shape == (20, 32, 32, 3)
    assert len(other_rate(footage, 12.5)) == 10
    double = other_rate(footage, 50.0)
    assert len(double) == 40
    np.testing.assert_array_equal(double.frames[::2], footage.frames)
    between = (footage.frames[0].astype(int) + footage.frames[1]) / 2
    assert np.abs(double.frames[1] - between).max() <= 0.5
    longer = twice(clip(frames=20))
    np.testing.assert_array_equal(longer.frames[20:], longer.frames[:20])
    assert longer.samples is not None
    np.testing.assert_array_equal(longer.samples[12800:], longer.samples[:12800])


def test_a_spread_field_carries_constants_and_fades() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(20, 44, (400, 2))
    by = np.tile([3.0, -2.0], (400, 1))
    field = spread(points, by, (100, 100), 3.0)
    np.testing.assert_allclose(field[32, 32], [3, -2], rtol=0.15)
    assert np.abs(field[90, 90]).max() < 1e-3


def test_the_average_face_comes_slowly() -> None:
    honest = clip(frames=10)
    made = averaged(honest, 0.3, slowly=True)
    np.testing.assert_array_equal(made.frames[0], honest.footage.frames[0])
    assert np.abs(made.frames[-1].astype(int) - honest.footage.frames[-1]).mean() > 1
    assert len(made) == 10


# Everything together


@pytest.mark.slow
def test_no_cheat_pays(face_networks: Path) -> None:
    """All but the hunt, which is tried above; `enliven judge --probes` does that as well."""
    honest = example_clip()
    judge = default_judge()
    fixed = [probe for probe in PROBES if not probe.hunted]
    found = run_probes(
        honest,
        lambda f: judge_frames(f.frames, f.fps, f.samples, portrait=honest.photo, judge=judge),
        FLOWPORTRAIT,
        probes=fixed,
    )
    missed = [f"{one.probe}: {one.cheat}" for one in found.outcomes if not one.passed]
    assert not missed, told(found)
    assert not found.left_out
    assert {one.probe for one in found.outcomes} == {probe.name for probe in fixed}
