"""Listening: the same however the sound comes, never later than the look-ahead, any voice."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enliven.errors import BadOption
from enliven.motion.audio import FEATURES, SAMPLE_RATE, analyse, features
from enliven.motion.level import PRIOR_LEVEL_DB, PRIOR_PITCH_HZ
from enliven.motion.listen import (
    FEATURES_AHEAD,
    FORESEEN,
    KEEP_SECONDS,
    LOOK_AHEAD,
    Level,
    Listener,
    measure,
)
from enliven.motion.prosody import Prosody

STEP = 640  # samples of a motion frame
FIELDS = ("speaking", "pitch", "stress", "energy_db")


def babble(seconds: float, seed: int = 0, pitch_hz: float = 120.0) -> np.ndarray:
    """A buzz through moving resonances, in syllables of varied loudness, -25 dBFS or so."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = pitch_hz * (1 + 0.15 * np.sin(2 * np.pi * 0.7 * time + seed))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    first = 500 + 250 * np.sin(2 * np.pi * 1.9 * time)
    voice = np.zeros(len(time))
    for k in range(1, 25):
        gain = 1 / (1 + ((k * pitch - first) / 120) ** 2)
        gain += 0.5 / (1 + ((k * pitch - 1700) / 200) ** 2)
        voice += gain * np.sin(k * phase)
    loud = np.maximum(0, np.sin(2 * np.pi * 2.9 * time)) ** 1.5
    loud *= 0.6 + 0.4 * np.sin(2 * np.pi * 0.37 * time)
    return 0.1 * voice * loud + 1e-4 * rng.standard_normal(len(time))


def noise(seconds: float, colour: float = 0.5, seed: int = 0) -> np.ndarray:
    """Noise of power 1 / f ** (2 * colour): 0.5 is pink.  Rms 0.1."""
    count = int(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    made = np.fft.irfft(spectrum * np.maximum(hz, 20) ** -colour, count)
    return 0.1 * made / made.std()


def told(listener: Listener, chunk: int = 25) -> tuple[np.ndarray, Prosody, np.ndarray]:
    """Everything of a finished listener: features, prosody and activity."""
    frames = listener.frames
    heard, voices, open_ = [], [], []
    for start in range(0, frames, chunk):
        stop = min(start + chunk, frames)
        heard.append(listener.features(4 * start, 4 * stop))
        voices.append(listener.voice(start, stop))
        open_.append(listener.activity(start, stop))
    voice = Prosody(*(np.concatenate([getattr(v, k) for v in voices]) for k in FIELDS))
    return np.concatenate(heard), voice, np.concatenate(open_)


def hear(samples: np.ndarray, level: Level | None = None) -> tuple[np.ndarray, Prosody, np.ndarray]:
    listener = Listener(level)
    listener.push(samples)
    listener.finish()
    return told(listener)


SOUND = np.concatenate([np.zeros(3000), babble(1.6), np.zeros(4000), babble(1.0, 3)])


@functools.cache
def whole(running: bool) -> tuple[np.ndarray, Prosody, np.ndarray]:
    return hear(SOUND, None if running else measure(SOUND))


@pytest.mark.parametrize("seconds", [0.004, 0.1, 1.0, 2.345])
def test_features_are_those_of_the_whole_file(seconds: float) -> None:
    sound = babble(seconds)
    listener = Listener(measure(sound))
    listener.push(sound)
    listener.finish()
    stop = 4 * listener.frames + 60
    edge = 90
    batch = features(analyse(sound, edge, stop + edge + 5))
    np.testing.assert_allclose(listener.features(-80, stop), batch[10 : edge + stop], atol=2e-4)


@settings(max_examples=25, deadline=None)
@given(
    running=st.booleans(),
    pieces=st.lists(st.sampled_from([1, 7, 160, 640, 4000, 16000]), min_size=1, max_size=40),
    chunk=st.sampled_from([1, 3, 25, 40]),
)
def test_how_the_sound_is_pushed_changes_nothing(
    running: bool, pieces: list[int], chunk: int
) -> None:
    """Frames are asked for as soon as they are ready, in chunks; the rest comes at once."""
    listener = Listener(None if running else measure(SOUND))
    heard, voices, open_ = [], [], []
    at = done = 0
    for size in [*pieces, len(SOUND)]:
        listener.push(SOUND[at : at + size])
        at = min(at + size, len(SOUND))
        if at == len(SOUND) and not listener._finished:
            listener.finish()
        while done < listener.frames and (done + chunk <= listener.frames or at == len(SOUND)):
            stop = min(done + chunk, listener.frames)
            # as far ahead as a motion frame may see
            ahead = listener.features(4 * done, 4 * (stop - 1) + FEATURES_AHEAD + 1)
            heard.append(ahead[: 4 * (stop - done)])
            voices.append(listener.voice(done, stop))
            open_.append(listener.activity(done, stop))
            done = stop
        if at == len(SOUND):
            break
    expected, voice, activity = whole(running)
    np.testing.assert_allclose(np.concatenate(heard), expected, atol=1e-4)
    np.testing.assert_allclose(np.concatenate(open_), activity, atol=1e-5)
    for field in FIELDS:
        made = np.concatenate([getattr(v, field) for v in voices])
        np.testing.assert_allclose(made, getattr(voice, field), atol=1e-6, err_msg=field)


def test_sample_by_sample_is_the_same() -> None:
    sound = SOUND[3000:16000]
    listener = Listener()
    for sample in sound:
        listener.push(np.array([sample]))
    listener.finish()
    np.testing.assert_array_equal(told(listener)[0], hear(sound)[0])


@pytest.mark.parametrize("running", [False, True])
def test_nothing_later_than_the_look_ahead_is_used(running: bool) -> None:
    """What follows the look-ahead may be anything."""
    level = None if running else measure(SOUND)
    frame = 45
    heard = int(STEP * frame + LOOK_AHEAD * SAMPLE_RATE)
    other = SOUND.copy()
    other[heard:] = 0.3 * np.random.default_rng(0).standard_normal(len(SOUND) - heard)
    rows = []
    for sound in (SOUND, other):
        listener = Listener(level)
        listener.push(sound[:heard])
        assert listener.frames == frame + 1
        with pytest.raises(ValueError, match="pushed"):
            listener.voice(0, frame + 2)
        early = listener.features(0, 4 * frame + FEATURES_AHEAD + 1), listener.voice(0, frame + 1)
        listener.push(sound[heard:])
        late = listener.features(0, 4 * frame + FEATURES_AHEAD + 1), listener.voice(0, frame + 1)
        np.testing.assert_array_equal(early[0], late[0])
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(early[1], field), getattr(late[1], field))
        rows.append(early[0])
    np.testing.assert_array_equal(*rows)


def test_frames_are_ready_when_their_look_ahead_was_heard() -> None:
    listener = Listener()
    assert listener.frames == 0
    listener.push(np.zeros(6399))
    assert listener.frames == 0
    listener.push(np.zeros(1))
    assert listener.frames == 1
    listener.push(np.zeros(2 * STEP))
    assert listener.frames == 3
    listener.finish()
    assert listener.frames == round((6400 + 2 * STEP) / STEP)


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.05, 1.02, 3.337])
def test_after_the_end_there_are_as_many_frames_as_the_sound_has(seconds: float) -> None:
    listener = Listener()
    listener.push(np.zeros(round(seconds * SAMPLE_RATE)))
    listener.finish()
    assert listener.frames == max(1, round(round(seconds * SAMPLE_RATE) / STEP))
    heard, voice, activity = told(listener)
    assert heard.shape == (4 * listener.frames, FEATURES)
    assert len(voice) == len(activity) == listener.frames
    assert np.isfinite(heard).all()
    assert not activity.any()
    assert not voice.stress.any()


def test_memory_is_bounded_and_the_forgotten_is_an_error() -> None:
    listener = Listener()
    block = babble(1.0)
    for second in range(40):
        listener.push(block)
        ready = listener.frames
        if ready > 25:
            listener.features(4 * ready - 100, 4 * ready)
            listener.voice(ready - 25, ready)
        assert len(listener._sound) <= 4 * SAMPLE_RATE * 4, second
        assert len(listener._track.hz) <= (KEEP_SECONDS + 3) * 25
        assert len(listener._features) <= (KEEP_SECONDS + 3) * 100
    with pytest.raises(ValueError, match="no longer kept"):
        listener.features(0, 10)
    with pytest.raises(ValueError, match="no longer kept"):
        listener.voice(0, 10)
    # a chunk that was just asked for can be asked for again
    assert len(listener.voice(ready - 75, ready)) == 75


def test_misuse_is_refused() -> None:
    listener = Listener()
    with pytest.raises(BadOption, match="finite"):
        listener.push(np.array([0.0, np.nan]))
    with pytest.raises(BadOption, match="one channel"):
        listener.push(np.zeros((2, 100)))
    listener.finish()
    with pytest.raises(ValueError, match="new Listener"):
        listener.push(np.zeros(10))
    with pytest.raises(ValueError, match="at least"):
        listener.features(5, 5)
    with pytest.raises(ValueError, match="ahead"):
        listener.voice(0, 1, ahead=FORESEEN + 1)


def test_frames_ahead_are_told_by_what_was_heard() -> None:
    """Their loudness is final; none of them depends on sound that came later."""
    level = measure(SOUND)
    late, early = Listener(level), Listener(level)
    late.push(SOUND)
    late.finish()
    early.push(SOUND[: 30 * STEP + 6400])
    known = early.voice(6, 31, ahead=FORESEEN)
    again = late.voice(6, 31, ahead=FORESEEN)
    final = late.voice(6, 31 + FORESEEN)
    assert len(known) == 25 + FORESEEN
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(known, field), getattr(again, field))
        np.testing.assert_allclose(getattr(known, field)[:25], getattr(final, field)[:25])
    np.testing.assert_allclose(known.energy_db, final.energy_db, atol=1e-9)


@pytest.mark.parametrize("running", [False, True])
def test_a_mouth_opens_ahead_of_a_word_and_rests_after_it(running: bool) -> None:
    word = babble(0.6)[600:]
    sound = np.concatenate([np.zeros(32000), word, np.zeros(32000)])
    _, voice, activity = hear(sound, None if running else measure(sound))
    first, last = 50, 50 + len(word) / STEP
    assert activity[first - 2] > 0.95
    assert not activity[: first - 8].any()
    assert not activity[int(last) + 11 :].any()
    assert voice.speaking[first] > 0.95
    assert not voice.speaking[: first - 10].any()
    assert (np.abs(np.diff(voice.speaking)) < 0.25).all()


@pytest.mark.parametrize("gain_db", [-40.0, -20.0, 0.0, 18.0])
def test_running_estimates_come_to_the_level_of_the_file(gain_db: float) -> None:
    sound = np.clip(babble(12.0) * 10 ** (gain_db / 20), -1, 1)
    level = measure(sound)
    listener = Listener()
    listener.push(sound)
    listener.finish()
    heard, voice, _ = told(listener)
    offline, at_once, _ = hear(sound, level)
    loud = np.repeat(at_once.energy_db > -30, 4)
    loud[:300] = False  # it takes a while to know a voice
    assert np.abs(heard - offline)[loud].mean() < 0.2
    assert np.abs(voice.energy_db - at_once.energy_db)[75:].max() < 3
    # and it is near from the first second on
    soon = np.repeat(at_once.energy_db > -30, 4)
    soon[:50] = soon[100:] = False
    assert np.abs(heard - offline)[soon].mean() < 0.9


@pytest.mark.parametrize("before", ["silence", "noise", "click", "hum"])
def test_what_precedes_a_voice_does_not_blow_up(before: str) -> None:
    voice = babble(6.0)
    seconds = 4.0
    lead = np.zeros(int(seconds * SAMPLE_RATE))
    if before == "noise":
        lead = 0.02 * noise(seconds)
    elif before == "click":
        lead[30000] = 1.0
    elif before == "hum":
        lead = 0.002 * np.sin(2 * np.pi * 100 * np.arange(len(lead)) / SAMPLE_RATE)
    heard, _, activity = hear(np.concatenate([lead, voice]))
    alone, _, active_alone = hear(voice)
    assert np.isfinite(heard).all()
    assert activity[:90].mean() < 0.25
    later = slice(100, 4 * len(active_alone))
    gap = heard[400:][later] - alone[later]
    assert np.abs(gap).mean() < 0.25


def test_a_louder_voice_is_followed_at_once_and_a_quieter_one_slowly() -> None:
    quiet, loud = 0.1 * babble(6.0), 2.0 * babble(6.0, 1, 200.0)
    _, voice, _ = hear(np.concatenate([quiet, loud, quiet, quiet, quiet, quiet]))
    assert voice.energy_db[165:300].max() < 5.0  # 0.6 s after the louder voice began
    peaks = [voice.energy_db[a : a + 75].max() for a in range(0, len(voice) - 74, 75)]
    assert peaks[-1] > peaks[5] + 5


def test_activity_is_nothing_in_silence_and_in_steady_noise() -> None:
    for sound in (np.zeros(48000), noise(5.0), noise(5.0, 0.0), 0.01 * noise(5.0, 1.0)):
        for level in (None, measure(sound)):
            _, voice, activity = hear(sound, level)
            assert activity.mean() < 0.05
            assert voice.stress.sum() < 0.5


def test_a_voice_in_noise_is_heard_and_its_pauses_are_not() -> None:
    gap = np.zeros(2 * SAMPLE_RATE)
    sound = np.concatenate([gap, babble(2.0), gap])
    sound += 0.1 * np.sqrt((babble(2.0) ** 2).mean()) * noise(6.0) / 0.1
    _, _, activity = hear(sound)
    assert activity[55:95].mean() > 0.9
    assert activity[:40].mean() < 0.1
    assert activity[-30:].mean() < 0.1


def telephone(sound: np.ndarray) -> np.ndarray:
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    return np.fft.irfft(spectrum, len(sound))


def chords(seconds: float) -> np.ndarray:
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    notes = 220 * 2 ** (np.array([0, 4, 7, 12])[:, None] / 12) * 2 ** (np.floor(time) % 5 / 12)
    decay = np.exp(-3 * (time % 0.5))
    return 0.1 * (np.sin(2 * np.pi * np.cumsum(notes, 1) / SAMPLE_RATE) * decay).sum(0)


@pytest.mark.parametrize(
    "sound",
    [np.clip(20 * babble(3.0), -1, 1), telephone(babble(3.0)), babble(3.0) + 0.05, babble(0.1),
     chords(3.0), np.ones(16000), np.full(16000, -1.0), np.zeros(1), 1e-6 * babble(2.0),
     1e4 * babble(2.0)],
    ids=["clipped", "telephone", "offset", "0.1 s", "music", "constant", "negative", "one sample",
         "faint", "beyond full scale"],
)  # fmt: skip
@pytest.mark.parametrize("running", [False, True])
def test_odd_sounds_give_sensible_numbers(sound: np.ndarray, running: bool) -> None:
    heard, voice, activity = hear(sound, None if running else measure(sound))
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() < 20
    assert all(np.isfinite(getattr(voice, field)).all() for field in FIELDS)
    assert (activity >= 0).all()
    assert (activity <= 1).all()
    assert (voice.stress <= 1).all()
    assert np.abs(voice.pitch).max() < 60


@pytest.mark.parametrize("pitch", [90.0, 140.0, 230.0])
def test_pitch_is_told_around_the_speakers_own(pitch: float) -> None:
    sound = babble(8.0, 0, pitch)
    assert measure(sound).pitch_hz == pytest.approx(pitch, rel=0.1)
    _, voice, _ = hear(sound)
    later = voice.pitch[100:]
    assert abs(np.median(later[later != 0])) < 2.0


def test_level_of_silence_is_harmless() -> None:
    level = measure(np.zeros(0))
    assert level.power > 0
    assert level.pitch_hz == PRIOR_PITCH_HZ
    assert not level.spectrum.any()
    assert 10 * np.log10(level.power) < PRIOR_LEVEL_DB - 40
