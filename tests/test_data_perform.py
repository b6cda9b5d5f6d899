"""Performances that training learns from: their labels say what is in them."""

import numpy as np
import pytest

from enliven.data.gesture import USUAL_SPEED, courses, phrases, step
from enliven.data.perform import (
    Label,
    caption,
    head_speed,
    opening,
    perform,
    random_label,
)
from enliven.motion.controls import CONTROL, CONTROLS
from enliven.motion.emotion import EMOTIONS, display, liveliness, on_lips
from enliven.motion.latent import COLUMN, HEAD, LATENT, REGIONS, UNITS, region_columns
from enliven.motion.prosody import Prosody, smooth

MINUTE = 60 * 25
TURN = [COLUMN[name] for name in HEAD[:3]]
FACE = [column for region in ("brows", "eyes") for column in region_columns(region)]


def talk(frames: int, speaking: float = 1.0) -> Prosody:
    """A voice with phrases of some seconds, pauses, and a stress a second."""
    rng = np.random.default_rng(0)
    time = np.arange(frames) / 25
    on = speaking * smooth((np.sin(2 * np.pi * time / 6) > -0.6).astype(float), 0.12)
    stress = np.zeros(frames)
    at = np.arange(10, frames, 25)
    stress[at] = rng.uniform(0.3, 1.0, len(at)) * (on[at] > 0.5)
    pitch = 3 * smooth(rng.standard_normal(frames), 0.1) * on
    return Prosody(on, pitch, stress, -60 + 50 * on)


def lips(frames: int) -> np.ndarray:
    """Lips that open and close three times a second."""
    made = np.zeros((frames, len(CONTROLS)))
    made[:, CONTROL["jawOpen"]] = 0.15 * (1 - np.cos(2 * np.pi * 3 * np.arange(frames) / 25))
    return made


def feeling(**intensities: float) -> np.ndarray:
    return np.array([intensities.get(name, 0.0) for name in EMOTIONS])


def made(label: Label, seed: int = 0, frames: int = MINUTE) -> np.ndarray:
    return perform(lips(frames), talk(frames), label, np.random.default_rng(seed))


@pytest.mark.parametrize("speed", [1.0, 5.0, USUAL_SPEED, 40.0])
@pytest.mark.parametrize("emotion", [feeling(), feeling(sad=0.5, afraid=0.5)])
def test_the_head_turns_as_fast_as_the_label_says(speed: float, emotion: np.ndarray) -> None:
    label = Label(speed=speed, emotion=emotion)
    assert head_speed(made(label), talk(MINUTE)) == pytest.approx(speed, rel=0.05)


def test_head_speed_of_an_even_turn() -> None:
    latent = np.zeros((51, len(LATENT)))
    latent[:, COLUMN["headRotY"]] = np.radians(np.arange(51)) / UNITS[COLUMN["headRotY"]]
    assert head_speed(latent, talk(51)) == pytest.approx(25.0)


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_without_strength_rests(region: str) -> None:
    strengths = dict.fromkeys(REGIONS, 1.0) | {region: 0.0}
    latent = made(Label(strengths=strengths, emotion=feeling(happy=0.5, afraid=0.4)))
    for name in REGIONS:
        assert latent[:, region_columns(name)].any() == (name != region)


@pytest.mark.parametrize("region", ["mouth", "brows", "eyes"])
def test_strength_scales_its_region_alone(region: str) -> None:
    usual = made(Label())
    double = made(Label(strengths=dict.fromkeys(REGIONS, 1.0) | {region: 2.0}))
    for name in REGIONS:
        factor = 2.0 if name == region else 1.0
        columns = region_columns(name)
        np.testing.assert_allclose(double[:, columns], factor * usual[:, columns], atol=1e-5)


def test_stronger_heads_move_further_at_the_same_speed() -> None:
    small, large = (
        made(Label(strengths=dict.fromkeys(REGIONS, 1.0) | {"head": strength}), frames=4 * MINUTE)
        for strength in (0.5, 2.0)
    )
    assert large[:, TURN].std() > 1.2 * small[:, TURN].std()


@pytest.mark.parametrize("seed", range(3))
def test_a_usual_head_stays_in_the_published_range_and_does_not_drift(seed: int) -> None:
    latent = made(Label(), seed, 10 * MINUTE)
    degrees = np.degrees(latent[:, TURN] * UNITS[TURN])
    deviation = degrees.std(0)
    assert (deviation > 1.0).all()
    assert (deviation < 5.5).all()
    for part in np.split(degrees, 2):
        assert (np.abs(part.mean(0)) < 1.2).all()
    assert np.abs(degrees).max() < 25


def test_calm_in_pauses() -> None:
    voice = talk(10 * MINUTE)
    latent = perform(lips(len(voice)), voice, Label(), np.random.default_rng(1))
    speed = 25 * np.linalg.norm(np.diff(np.degrees(latent[:, TURN] * UNITS[TURN]), axis=0), axis=1)
    deep = smooth(voice.speaking, 0.3)[1:] < 0.1
    assert speed[deep].mean() < 0.6 * speed[voice.speaking[1:] > 0.9].mean()


def test_who_only_listens_is_calm() -> None:
    silent = talk(3 * MINUTE, 0.0)
    latent = perform(lips(len(silent)), silent, Label(), np.random.default_rng(0))
    assert 1.0 < head_speed(latent, silent) < 0.5 * USUAL_SPEED
    assert not latent[:, COLUMN["browDown"]].any()


def test_emotion_is_linear_in_its_intensity() -> None:
    rests = {"strengths": dict.fromkeys(REGIONS, 1.0) | {"head": 0.0}}
    none, half, full = (made(Label(emotion=feeling(surprised=i), **rests)) for i in (0, 0.5, 1))
    np.testing.assert_allclose(full - none, 2 * (half - none), atol=1e-4)
    assert np.abs(full - none)[:, FACE].max() > 1


def test_displays_add_up_and_none_is_rest() -> None:
    one, two = feeling(happy=0.4), feeling(surprised=0.3)
    np.testing.assert_allclose(
        display((one + two)[None]), display(one[None]) + display(two[None]), atol=1e-6
    )
    assert not display(feeling()[None]).any()
    assert liveliness(feeling()) == 1.0
    assert liveliness(feeling(sad=1.0)) < 1.0 < liveliness(feeling(happy=1.0))


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_closed_lips_stay_closed_under_an_emotion(emotion: str) -> None:
    plain = made(Label(strengths=dict.fromkeys(REGIONS, 1.0)))[:, : len(CONTROLS)]
    label = Label(emotion=feeling(**{emotion: 1.0}))
    shown = made(label)[:, : len(CONTROLS)]
    units = UNITS[: len(CONTROLS)]
    closed = plain * units @ opening() < 0.004
    assert closed.any()
    assert (shown * units @ opening())[closed].max() < 0.012


def test_round_lips_keep_their_shape_under_a_smile() -> None:
    speaking = np.zeros((2, len(CONTROLS)))
    speaking[1, CONTROL["mouthPucker"]] = 0.6
    smile = display(np.tile(feeling(happy=1.0), (2, 1)))[:, : len(CONTROLS)]
    added = on_lips(smile, speaking, opening())[:, CONTROL["mouthSmile"]]
    assert 0 < added[1] < 0.5 * added[0]


def test_from_rest_begins_at_rest() -> None:
    label = Label(emotion=feeling(angry=0.7))
    latent = perform(lips(90), talk(90), label, np.random.default_rng(0), from_rest=True)
    assert not latent[0, len(CONTROLS) :].any()


def test_same_seed_same_performance() -> None:
    one, two, other = (made(Label(), seed, 200) for seed in (1, 1, 2))
    assert one.tobytes() == two.tobytes()
    assert np.abs(one - other).max() > 0.1


@pytest.mark.parametrize("frames", [1, 2, 5, 30])
def test_short_clips_and_silence(frames: int) -> None:
    for speaking in (0.0, 1.0):
        voice = talk(frames, speaking)
        latent = perform(lips(frames), voice, Label(), np.random.default_rng(0))
        assert latent.shape == (frames, len(LATENT))
        assert np.isfinite(latent).all()


def test_random_labels_cover_their_ranges() -> None:
    rng = np.random.default_rng(0)
    labels = [random_label(rng, 200) for _ in range(400)]
    moving = [label.speed for label in labels if label.strengths["head"] > 0]
    assert min(moving) >= 1
    assert max(moving) <= 40
    assert max(moving) > 30
    assert min(moving) < 3
    assert all(label.speed == 0 for label in labels if label.strengths["head"] == 0)
    assert {label.emotion.shape for label in labels} == {(6,), (200, 6)}
    assert all((label.emotion >= 0).all() and (label.emotion <= 1.6).all() for label in labels)


def test_captions_are_plain_words() -> None:
    strengths = dict.fromkeys(REGIONS, 1.0) | {"head": 0.5}
    assert caption(Label(3.0, strengths, feeling(sad=0.3))) == (
        "speaks calmly, a little sad, small slow head movement"
    )
    turning = np.stack([feeling(), feeling(happy=0.6)])
    assert "first neutral, then happy" in caption(Label(emotion=turning))


def test_courses_reach_and_hold_their_poses() -> None:
    poses = np.array([[1.0, -2.0], [3.0, 0.5]])
    path = courses(100, np.array([0.5, 2.0]), np.array([0.4, 0.8]), poses)
    assert not path[:12].any()
    np.testing.assert_allclose(path[24:50], np.tile(poses[0], (26, 1)))
    np.testing.assert_allclose(path[-1], poses[1])
    assert step(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 0.5, 1])


def test_phrases_bridge_short_gaps() -> None:
    on = np.zeros(100)
    on[10:30] = on[33:50] = on[70:90] = 1
    said = phrases(Prosody(on, on, on, on))
    np.testing.assert_allclose(said.starts, [0.4, 2.8])
    np.testing.assert_allclose(said.stops, [2.0, 3.6])
