"""Speech options, and what they ask for frame by frame."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enliven.errors import BadOption
from enliven.motion.direction import directed
from enliven.motion.emotion import EMOTIONS
from enliven.motion.options import SpeechOptions, parse_emotion, parse_gaze

amounts = st.dictionaries(st.sampled_from(EMOTIONS), st.floats(0.01, 1.0))


@given(amounts)
def test_emotions_read_back_from_every_form(felt):
    text = ", ".join(f"{name}:{value!r}" for name, value in felt.items()) or "neutral"
    pairs = parse_emotion(felt)
    assert dict(pairs) == felt
    assert (
        parse_emotion(text) == parse_emotion(pairs) == parse_emotion([*map(list, pairs)]) == pairs
    )


def test_emotion_in_words():
    assert parse_emotion("happy") == (("happy", 1.0),)
    assert parse_emotion("surprised:0.2,happy:0.6") == (("happy", 0.6), ("surprised", 0.2))
    assert parse_emotion("happy:0") == parse_emotion("neutral") == parse_emotion(()) == ()


@pytest.mark.parametrize(("value", "message"), [
    ("hapy:0.6", r"hapy.*do you mean happy\?.*disgusted"), ("", "not known"),
    ("happy:1.5", "happy is 1.5; choose a number from 0 to 1"), ("happy:-1", "happy is -1"),
    ("happy:nan", "happy is nan"), ("happy:much", "no intensity"), ("happy:", "no intensity"),
    ("happy:0.1,happy:0.2", "twice"), ({"happy": "0.6"}, "happy is 0.6"), (0.6, "emotion is 0.6"),
    ({"happy": True}, "happy is True"), ([1, 2], "names and intensities"),
])  # fmt: skip
def test_emotions_that_are_refused(value, message):
    with pytest.raises(BadOption, match=message):
        SpeechOptions(emotion=value)


def test_gaze_in_words_and_numbers():
    assert parse_gaze("20,-5") == parse_gaze("20 -5") == parse_gaze([20, -5]) == (20.0, -5.0)
    assert parse_gaze("camera") == (0.0, 0.0)
    assert parse_gaze("free") is parse_gaze(None) is None
    yaw, pitch = parse_gaze("left")
    assert (yaw < 0, pitch) == (True, 0.0)  # yaw is positive to image right


@pytest.mark.parametrize("value", ["there", "1", "1,2,3", "31,0", "0,21", "nan,0", "", 5,
                                   (1, "2"), (float("inf"), 0), (True, 0)])  # fmt: skip
def test_gaze_that_is_refused(value):
    with pytest.raises(BadOption, match="gaze is"):
        SpeechOptions(gaze=value)


@pytest.mark.parametrize(("name", "value"), [("speed", 0.1), ("speed", 3.5), ("speed", None),
    ("speed", float("nan")), ("mouth", "1"), ("blink_rate", 61), ("mouth", True)])  # fmt: skip
def test_numbers_outside_their_range(name, value):
    with pytest.raises(BadOption, match=f"{name} is"):
        SpeechOptions(**{name: value})


def test_options_survive_json_and_are_keys():
    options = SpeechOptions(0.8, emotion="sad:0.3", gaze="20,-5", speed=2, control=Path("a.csv"))
    plain = json.loads(json.dumps(asdict(options), default=str))
    assert SpeechOptions(**plain) == options
    assert len({options, SpeechOptions(**plain)}) == 1


def test_constant_direction():
    options = SpeechOptions(1.2, 0.5, 0.7, 10, speed=2.0, emotion="sad:0.3", gaze="left")
    made = directed(options, 40)
    assert len(made) == 40
    for values, wanted in ((made.mouth, 1.2), (made.head, 0.5), (made.brows, 0.7),
                           (made.eyes, 0.7), (made.speed, 2.0), (made.blink_rate, 10)):  # fmt: skip
        assert values.shape == (40,)
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, wanted, rtol=1e-6)
    assert made.emotion.shape == (40, 6)
    np.testing.assert_allclose(made.emotion[7], [0, 0.3, 0, 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(np.degrees(made.gaze), np.tile([-20.0, 0.0], (40, 1)), rtol=1e-6)


def test_what_nobody_asked_for_is_free():
    made = directed(SpeechOptions(), 3)
    assert np.isnan(made.gaze).all()
    assert np.isnan(made.blink_rate).all()
    assert not made.emotion.any()


def test_still_is_stronger_than_the_track(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,mouth,head_motion,brows\n0,2,2,2\n")
    made = directed(SpeechOptions(still=True, control=path), 5)
    assert not any(values.any() for values in (made.head, made.brows, made.eyes))
    assert (made.mouth == 2).all()


def test_slices_hold_their_ends(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,mouth\n0,0\n4,2\n")
    options = SpeechOptions(control=path)
    long, short = directed(options, 300), directed(options)
    for a, b in ((0, 25), (90, 115), (200, 225)):
        for name, values in vars(short[a:b]).items():
            np.testing.assert_array_equal(values, vars(long)[name][a:b])
    assert (short[-5:0].mouth == short.mouth[0]).all()
    assert len(short[3:]) == len(short) - 3
    assert len(directed(SpeechOptions(), 0)) == 1
