"""Blinks, gaze, brows, head and breath over ten minutes."""

import numpy as np
import pytest

from enliven.motion.behaviour import behave, pulse, wander
from enliven.motion.options import SpeechOptions
from enliven.motion.prosody import Prosody, smooth
from enliven.types import EXPRESSION, Motion

MINUTES = 10
FRAMES = MINUTES * 60 * 25


def talk(frames: int = FRAMES, speaking: float = 1.0) -> Prosody:
    """A voice with three syllables a second, one in four stressed, and pauses."""
    rng = np.random.default_rng(0)
    time = np.arange(frames) / 25
    on = speaking * smooth((np.sin(2 * np.pi * time / 6) > -0.6).astype(float), 0.12)
    stress = np.zeros(frames)
    at = np.arange(0, frames, 32)
    stress[at] = rng.uniform(0.3, 1.0, len(at)) * (on[at] > 0.5)
    pitch = 3 * smooth(rng.standard_normal(frames), 0.1) * on
    return Prosody(on, pitch, stress, -60 + 50 * on * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time)))


def lips(frames: int = FRAMES) -> np.ndarray:
    return np.zeros((frames, len(EXPRESSION)), np.float32)


@pytest.fixture(scope="module")
def motion() -> Motion:
    return behave(lips(), talk(), 7, SpeechOptions())


def shut(motion: Motion) -> np.ndarray:
    """Frames at which the lids are as far down as they come in a blink."""
    lid = motion["eyeBlinkLeft"]
    return np.flatnonzero((lid[1:-1] > 0.5) & (lid[1:-1] >= lid[2:]) & (lid[:-2] < lid[1:-1])) + 1


def test_blink_rate_is_that_of_conversation(motion: Motion) -> None:
    # Bentivoglio et al. 1997: 17 at rest, 26 in conversation
    assert 17 <= len(shut(motion)) / MINUTES <= 30


@pytest.mark.parametrize("rate", [5.0, 30.0])
def test_blink_rate_is_what_was_asked(rate: float) -> None:
    made = behave(lips(), talk(), 1, SpeechOptions(blink_rate=rate))
    assert len(shut(made)) / MINUTES == pytest.approx(rate, rel=0.25)


def test_no_blinks_when_none_are_wanted() -> None:
    assert not behave(lips(), talk(), 1, SpeechOptions(blink_rate=0.0))["eyeBlinkLeft"].any()


def test_lids_close_faster_than_they_open(motion: Motion) -> None:
    lid, frames = motion["eyeBlinkLeft"], shut(motion)
    alone = [f for f in frames if (np.abs(frames - f) < 15).sum() == 1 and 10 < f < len(lid) - 10]
    closing = np.mean([(lid[f - 8 : f] > 0.02).sum() for f in alone])
    opening = np.mean([(lid[f + 1 : f + 9] > 0.02).sum() for f in alone])
    assert 1 <= closing <= 3  # up to 0.1 s
    assert 3 <= opening <= 7
    assert opening > 1.5 * closing


def test_about_half_the_blinks_shut_the_eye(motion: Motion) -> None:
    # Ousler et al. 2014: 47 of 100; more is meant for, as partial ones look like mistakes
    lid = motion["eyeBlinkLeft"]
    peaks = lid[1:-1][(lid[1:-1] > lid[:-2]) & (lid[1:-1] >= lid[2:])]
    assert peaks.min() > 0.5
    assert 0.45 < (peaks > 0.99).mean() < 0.75


def test_first_frame_is_rest(motion: Motion) -> None:
    assert not motion.values[0].any()


def test_head_neither_drifts_nor_leaves_the_published_range(motion: Motion) -> None:
    degrees = np.degrees(motion.group("head"))
    deviation = degrees.std(0)
    assert (deviation > 0.5).all()  # Busso et al. 2007: 1 to 3 degrees
    assert (deviation < 3.5).all()
    for third in np.split(degrees, 3):
        assert (np.abs(third.mean(0)) < 0.5).all()
    assert np.abs(motion.group("translation")).max() < 0.1
    # no jumps: even a stress stays below 60 degrees a second
    assert np.abs(np.diff(degrees, axis=0)).max() < 2.4


def test_calm_in_silence() -> None:
    silent = behave(lips(), talk(speaking=0.0), 7, SpeechOptions())
    loud = behave(lips(), talk(), 7, SpeechOptions())
    assert silent.group("head").std(0).max() < 0.6 * loud.group("head").std(0).max()
    assert not silent["browInnerUp"].any()


def test_gaze_stays_mostly_with_the_viewer() -> None:
    options = SpeechOptions()
    made = behave(lips(), talk(), 3, options)
    # together with the turn of the head (yaw is about -y)
    yaw = np.degrees(made["gazeYaw"] - made["headRotY"])
    pitch = np.degrees(made["gazePitch"] + made["headRotX"])
    near = np.hypot(yaw, pitch) < 2.5
    assert near.mean() > 0.6
    assert np.hypot(yaw, pitch).max() > 3
    assert np.degrees(np.abs(made.group("gaze"))).max() < 10


def test_lids_follow_the_gaze(motion: Motion) -> None:
    down, pitch = motion["eyeLookDownLeft"], motion["gazePitch"]
    assert np.corrcoef(down, np.maximum(pitch, 0))[0, 1] > 0.99
    out, yaw = motion["eyeLookOutLeft"], motion["gazeYaw"]
    assert np.corrcoef(out, np.maximum(yaw, 0))[0, 1] > 0.99  # the left eye is at image right


def test_shoulders_breathe_fifteen_times_a_minute(motion: Motion) -> None:
    rise = motion["shoulderLeftUp"] - motion["shoulderLeftUp"].mean()
    spectrum = np.abs(np.fft.rfft(rise)) ** 2
    hz = np.fft.rfftfreq(len(rise), 1 / 25)
    middle = (spectrum * hz)[1:].sum() / spectrum[1:].sum()
    assert 12 <= 60 * middle <= 20


def test_knobs_leave_each_other_alone() -> None:
    voice = talk(2000)
    whole = behave(lips(2000), voice, 4, SpeechOptions())
    calm = behave(lips(2000), voice, 4, SpeechOptions(expression=0.0))
    np.testing.assert_array_equal(whole.group("head"), calm.group("head"))
    np.testing.assert_array_equal(whole["eyeBlinkLeft"], calm["eyeBlinkLeft"])
    assert whole["browInnerUp"].max() > 0.1
    assert not calm["browInnerUp"].any()
    half = behave(lips(2000), voice, 4, SpeechOptions(head_motion=0.5))
    np.testing.assert_allclose(half.group("head"), 0.5 * whole.group("head"), atol=1e-6)


def test_same_seed_same_motion() -> None:
    voice = talk(500)
    one, two, other = (behave(lips(500), voice, s, SpeechOptions()).values for s in (1, 1, 2))
    assert one.tobytes() == two.tobytes()
    assert np.abs(one - other).max() > 0.01


@pytest.mark.parametrize("frames", [1, 2, 5, 30])
def test_short_speech_is_fine(frames: int) -> None:
    assert len(behave(lips(frames), talk(frames), 0, SpeechOptions())) == frames


def test_wander_has_unit_deviation() -> None:
    noise = wander(20000, 2, 0.5, np.random.default_rng(0))
    np.testing.assert_allclose(noise.std(0), 1.0, atol=0.12)


def test_pulse_peaks_where_it_should() -> None:
    where, shape = pulse(100, 2.0, 0.2, 0.4)
    assert where.start + shape.argmax() == 50
    assert shape.max() == pytest.approx(1.0)
    assert where.start >= 45
    assert where.stop <= 61
