"""Control tracks: curves in closed form, and every refusal names its line."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from enliven.errors import BadMedia, BadOption, InputError
from enliven.motion.direction import directed
from enliven.motion.options import SpeechOptions
from enliven.motion.timed import (
    EMOTION_RAMP_SECONDS,
    NAMES,
    RAMP_SECONDS,
    ControlTrack,
    mean_around,
    read_control,
)

CSV = """time,mouth,happy,gaze,blink_rate
0,1.0,0,camera,free
2,,0.8,"20,-5",
4,0.5,,free,30
"""


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def test_moments_are_joined_by_straight_lines(tmp_path):
    track = read_control(written(tmp_path, "a.csv", CSV))
    happy = track.curve("happy", 0.0, 26 * 5)
    time = np.arange(130) / 25
    expected = np.interp(time, [0, 2], [0, 0.8])
    # the mean over a window differs from a straight line at its ends alone
    far = (np.abs(time - 2) > RAMP_SECONDS / 2) & (time > RAMP_SECONDS / 2)
    np.testing.assert_allclose(happy[far], expected[far], atol=1e-6)
    # at a knee it is the triangle cut off by the window: slope x window / 8
    assert happy[50] == pytest.approx(0.8 - 0.4 * RAMP_SECONDS / 8, abs=1e-6)
    # an empty cell sets nothing: from 0 to 4 s it is one line
    assert track.curve("mouth", 1.0, 200)[50] == pytest.approx(0.75, abs=1e-6)
    assert track.curve("mouth", 1.0, 200)[-1] == pytest.approx(0.5, abs=1e-6)


def test_what_is_not_in_the_track_keeps_its_option(tmp_path):
    track = read_control(written(tmp_path, "a.csv", CSV))
    assert (track.curve("sad", 0.3, 10) == np.float32(0.3)).all()
    assert (ControlTrack().curve("mouth", 1.5, 3) == 1.5).all()


def test_free_is_not_a_number_until_the_next_moment(tmp_path):
    track = read_control(written(tmp_path, "a.csv", CSV))
    blink = track.curve("blink_rate", 12.0, 150)
    assert np.isnan(blink[:100]).all()
    np.testing.assert_allclose(blink[100:], 30.0)
    yaw, pitch = track.curve("gaze_yaw", np.nan, 150), track.curve("gaze_pitch", np.nan, 150)
    assert np.isnan(yaw[100:]).all()
    assert np.isfinite(yaw[:100]).all()
    assert np.degrees(yaw[25]) == pytest.approx(10.0, abs=1e-4)
    assert np.degrees(pitch[25]) == pytest.approx(-2.5, abs=1e-4)
    # between 2 and 4 s the gaze holds: free is nothing one could move towards
    np.testing.assert_allclose(np.degrees(yaw[60:100]), 20.0, atol=1e-4)


def test_stretches_rise_and_fall_within_their_ramps(tmp_path):
    content = [{"from": 1, "to": 2, "emotion": "happy:0.6", "mouth": 2},
               {"from": 2, "to": 3, "emotion": {"sad": 0.4}}]  # fmt: skip
    track = read_control(written(tmp_path, "a.JSON", content))
    happy, sad = track.curve("happy", 0.1, 100), track.curve("sad", 0.0, 100)
    half = EMOTION_RAMP_SECONDS / 2
    time = np.arange(100) / 25
    expected = np.interp(time, [1 - half, 1 + half, 2 - half, 2 + half, 3 - half, 3 + half],
                         [0.1, 0.6, 0.6, 0.0, 0.0, 0.1])  # fmt: skip
    np.testing.assert_allclose(happy, expected, atol=1e-6)
    assert happy[50] == pytest.approx(0.3, abs=1e-6)
    assert sad[50] == pytest.approx(0.2, abs=1e-6)
    mouth = track.curve("mouth", 1.0, 100)
    assert mouth[25] == pytest.approx(1.5, abs=1e-6)
    assert (mouth[[0, 99]] == 1.0).all()
    assert track.seconds >= 3 + half


def test_stretches_that_touch_may_be_off_by_rounding(tmp_path):
    content = [{"from": i * 0.1, "to": i * 0.1 + 0.1, "happy": 0.5} for i in range(40)]
    happy = read_control(written(tmp_path, "a.json", content)).curve("happy", 0.0, 90)
    np.testing.assert_allclose(happy[10:90], 0.5, atol=1e-6)


@given(
    st.lists(st.tuples(st.floats(0.01, 3.0), st.floats(0.0, 2.0)), min_size=1, max_size=8),
    st.floats(0.0, 2.0),
)
def test_nothing_jumps_and_nothing_leaves_its_range(steps, first):
    """A mean over a window changes by no more than range / window a second, steps included."""
    times = np.repeat(np.cumsum([step for step, _ in steps]), 2)
    values = np.array([first, *np.repeat([value for _, value in steps], 2)[:-1]])
    made = mean_around(times, values, RAMP_SECONDS, np.arange(200) / 25)
    assert made.min() >= values.min()
    assert made.max() <= values.max()
    largest = np.ptp(values) / (25 * RAMP_SECONDS)
    assert np.abs(np.diff(made)).max() <= largest + 1e-9


def test_mean_of_a_dense_curve_is_that_of_its_samples():
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.3, 60))
    values = rng.uniform(0, 1, 60)
    at = np.arange(10, 100) / 25
    fine = np.linspace(-0.1, 0.1, 4001)
    expected = [np.interp(moment + fine, times, values).mean() for moment in at]
    np.testing.assert_allclose(mean_around(times, values, 0.2, at), expected, atol=1e-4)


def test_expression_sets_brows_and_eyes(tmp_path):
    track = read_control(written(tmp_path, "a.csv", "time,expression,head_motion\n1,0.5,0.2\n"))
    assert set(track.moments) == {"brows", "eyes", "head"}
    assert (track.curve("eyes", 1.0, 60) == 0.5).all()


def test_bom_blank_lines_and_line_ends_are_no_matter(tmp_path):
    text = "\ufefftime , mouth\r\n\r\n0, 1\r\n,,\r\n1 ,2\r\n"
    assert read_control(written(tmp_path, "a.csv", text)).moments["mouth"] == ((0, 1), (1, 2))


REFUSED_CSV = {
    "no time": ("mouth,happy\n1,0\n", "line 1 has no column time"),
    "unknown": ("time,mouht\n0,1\n", r'line 1: control "mouht" .*mouth\?'),
    "twice": ("time,mouth,mouth\n0,1,1\n", "line 1: two columns are named mouth"),
    "semicolons": ("time;mouth\n0;1\n", "line 1: .*semicolons"),
    "too few": ("time,mouth,happy\n0,1,0\n1,1\n", "line 3 has 2 columns, the header 3"),
    "too many": ("time,gaze\n0,20,-5\n", "line 2 has 3 columns"),
    "no moment": ("time,mouth\n,1\n", "line 2: time is missing"),
    "not a time": ("time,mouth\n0,1\nsoon,1\n", "line 3: time is soon"),
    "before": ("time,mouth\n-1,1\n", "line 2: time is -1"),
    "never": ("time,mouth\nnan,1\n", "line 2: time is nan"),
    "not rising": ("time,mouth\n0,1\n2,1\n2,1\n", "line 4: time 2 s does not come after .*line 3"),
    "nan": ("time,mouth\n0,1\n1,nan\n", "line 3: mouth is nan"),
    "infinite": ("time,speed\n0,inf\n", "line 2: speed is inf.*0.2 to 3"),
    "large": ("time,happy\n0,1.5\n", "line 2: happy is 1.5; .*0 to 1"),
    "word": ("time,mouth\n0,free\n", "line 2: mouth is free"),
    "no gaze": ("time,gaze\n0,up there\n", "line 2: gaze is up there"),
    "wide gaze": ('time,gaze\n0,"90,0"\n', "line 2: gaze is 90"),
    "no emotion": ("time,emotion\n0,hapy:0.2\n", r'line 2: emotion "hapy".*happy\?'),
    "same twice": ("time,expression,brows\n0,1,1\n", "line 2: brows sets brows a second time"),
    "header only": ("time,mouth\n", "sets nothing"),
    "blank": ("\n\n", "sets nothing"),
    "quotes": ('time,mouth\n0,"1\n', "line .* is no CSV"),
    "zeros": (b"time,mouth\n0,\0\n", "line 2"),
    "rubbish": (bytes(range(256)), "not text"),
}


@pytest.mark.parametrize("case", REFUSED_CSV)
def test_wrong_lines_are_named(tmp_path, case):
    content, message = REFUSED_CSV[case]
    path = written(tmp_path, "wrong.csv", content)
    with pytest.raises(BadOption, match=message) as caught:
        read_control(path)
    assert str(caught.value).startswith(str(path))


REFUSED_JSON = {
    "not JSON": ('[{"time": 0,\n "mouth" 1}]', "line 2 is no JSON"),
    "no list": ({"time": 0}, "is not a list"),
    "empty list": ([], "sets nothing"),
    "no object": ([{"time": 0, "mouth": 1}, 3], "entry 2 is 3"),
    "no time": ([{"mouth": 1}], "entry 1 needs either a time, or from and to"),
    "both": ([{"time": 0, "from": 0, "to": 1}], "entry 1 needs either"),
    "no end": ([{"from": 0, "mouth": 1}], "entry 1: to is missing"),
    "backwards": ([{"from": 2, "to": 1, "mouth": 1}], "entry 1: it lasts from 2 to 1"),
    "overlap": ([{"from": 0, "to": 2, "happy": 1}, {"from": 2, "to": 3, "sad": 1},
                 {"from": 1, "to": 3, "happy": 1}], "entry 3: happy .*entry 1"),
    "hidden overlap": ([{"from": 0, "to": 2, "happy": 1},
                        {"from": 1, "to": 3, "emotion": "sad"}], "entry 2: happy .*entry 1"),
    "mixed": ([{"time": 0, "mouth": 1}, {"from": 1, "to": 2, "mouth": 1}], "entry 2: mouth"),
    "mixed late": ([{"from": 1, "to": 2, "mouth": 1}, {"time": 3, "mouth": 1}], "entry 2: mouth"),
    "not rising": ([{"time": 1, "mouth": 1}, {"time": 0, "happy": 1}], "entry 2: time 0 s"),
    "nan": ('[{"time": 0, "mouth": NaN}]', "entry 1: mouth is nan"),
    "never": ('[{"time": Infinity, "mouth": 1}]', "entry 1: time is inf"),
    "truth": ([{"time": 0, "mouth": True}], "entry 1: mouth is True"),
    "unknown": ([{"time": 0, "hapyness": 1}], r'entry 1: control "hapyness".*happy\?'),
    "twice": ('[{"time": 0, "mouth": 1, "mouth": 2}]', "entry 1: mouth is given twice"),
    "huge": ('[{"time": 0, "gaze": [1' + "0" * 400 + ", 0]}]", "entry 1: gaze"),
    "very huge": ('[{"time": 0, "mouth": 1' + "0" * 9000 + "}]", "no JSON"),
    "deep": ("[" * 100_000, "no JSON"),
    "feelings": ([{"time": 0, "emotion": 0.6}], "entry 1: emotion is 0.6"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED_JSON)
def test_wrong_entries_are_named(tmp_path, case):
    content, message = REFUSED_JSON[case]
    path = written(tmp_path, "wrong.json", content)
    with pytest.raises(BadOption, match=message) as caught:
        read_control(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("name", ["control.csv", "control.json"])
def test_the_examples_can_be_read(name):
    track = read_control(Path(__file__).parent.parent / "examples" / name)
    assert track.curve("happy", 0.0, 245).max() > 0.5


def test_files_that_are_no_tracks(tmp_path):
    with pytest.raises(BadOption, match=r"\.csv or a \.json"):
        read_control(written(tmp_path, "a.txt", CSV))
    with pytest.raises(BadMedia, match="empty"):
        read_control(written(tmp_path, "a.csv", ""))
    with pytest.raises(BadMedia, match="does not exist"):
        read_control(tmp_path / "none.csv")


@given(st.sampled_from(["a.csv", "a.json"]), st.binary(max_size=200) | st.text(max_size=200))
def test_any_content_is_read_or_refused(tmp_path_factory, name, content):
    path = written(tmp_path_factory.getbasetemp(), name, content)
    with contextlib.suppress(InputError):
        read_control(path)


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
cells = plain | st.sampled_from(["free", "camera", "happy:0.5", "20,-5", 1, 0.3, [10, 2]])
entries = st.dictionaries(
    st.sampled_from([*NAMES, "time", "from", "to", "other"]),
    cells | st.lists(plain, max_size=3) | st.dictionaries(st.text(max_size=3), plain, max_size=2),
    max_size=5,
)


@given(st.lists(entries | plain, max_size=4))
def test_any_entries_are_read_or_refused(tmp_path_factory, content):
    path = written(tmp_path_factory.getbasetemp(), "b.json", json.dumps(content))
    with contextlib.suppress(InputError):
        made = directed(SpeechOptions(control=path), 50)
        assert ((made.emotion >= 0) & (made.emotion <= 1)).all()
        assert (made.speed > 0.19).all()


moments = st.lists(
    st.tuples(st.floats(0, 5), st.sampled_from(["free", "camera", "10,5", "left"])),
    unique_by=lambda moment: moment[0], min_size=1, max_size=6,
)  # fmt: skip


@given(moments)
@example([(0.0, "camera"), (5e-324, "10,5")])
def test_gaze_is_free_exactly_where_it_was_handed_back(tmp_path_factory, steps):
    rows = [{"time": time, "gaze": gaze} for time, gaze in sorted(steps)]
    path = written(tmp_path_factory.getbasetemp(), "c.json", rows)
    yaw = directed(SpeechOptions(gaze="right", control=path), 150).gaze[:, 0]
    for frame, value in enumerate(yaw):
        before = [row["gaze"] for row in rows if row["time"] <= frame / 25]
        assert np.isnan(value) == ((before or [rows[0]["gaze"]])[-1] == "free")
