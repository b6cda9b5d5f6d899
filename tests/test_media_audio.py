"""Sound of any kind is heard whole and in time.  Run: pytest tests/test_media_audio.py"""

import contextlib
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from media_made import encode_sound, grey_clip, tone, write_wav

from enliven.errors import BadMedia
from enliven.media.audio import SPEECH_RATE, read_speech
from enliven.media.write import frames_for, write_video

quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quick
@given(st.integers(4000, 192_000), st.integers(1, 9), st.integers(1, 9000))
@example(44_100, 2, 1)
@example(192_000, 8, 3)
def test_length_is_that_of_the_samples(tmp_path, rate, channels, count):
    path = write_wav(tmp_path / "a.wav", np.full((count, channels), 0.1, np.float32), rate)
    speech = read_speech(path)
    assert speech.seconds == count / rate
    assert len(speech.samples) == max(1, round(count * SPEECH_RATE / rate))
    assert (speech.rate, speech.channels) == (rate, channels)
    assert speech.samples.dtype == np.float32
    assert np.isfinite(speech.samples).all()


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_tone_stays_that_tone(tmp_path, rate, channels):
    path = write_wav(tmp_path / "tone.wav", tone(0.48, rate, channels), rate)
    expected = tone(0.48, SPEECH_RATE)[:, 0]
    inside = slice(800, -800)  # the ends of the tone are clicks, which no filter keeps
    assert np.abs(read_speech(path).samples - expected)[inside].max() < 2e-3


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("a.flac", "flac", 44_100), ("a.m4a", "aac", 44_100), ("a.mp3", "libmp3lame", 44_100),
     ("a.opus", "libopus", 48_000), ("a.ogg", "vorbis", 44_100), ("a.wav", "pcm_s24le", 48_000),
     ("a8.wav", "pcm_u8", 8000), ("a64.wav", "pcm_f64le", 44_100), ("a.webm", "libopus", 48_000),
     ("a.mov", "pcm_s16be", 44_100)],
)  # fmt: skip
def test_compressed_sound_begins_and_ends_where_the_original_did(tmp_path, name, codec, rate):
    """Encoders put priming before the sound and padding behind it; neither may be heard."""
    count = 30_011
    samples = np.repeat(np.random.default_rng(0).normal(0, 0.1, (count, 1)), 2, 1)
    samples = np.apply_along_axis(np.convolve, 0, samples, np.ones(40) / 6, "same")
    path = encode_sound(tmp_path / name, codec, samples.astype(np.float32), rate)
    speech = read_speech(path)
    # libav's own Vorbis encoder, unlike others, does not state where the last block ends
    assert abs(round(speech.seconds * rate) - count) <= (1024 if codec == "vorbis" else 0)
    original = read_speech(write_wav(tmp_path / "original.wav", samples, rate)).samples
    lags = range(-40, 41)
    heard = speech.samples[100:9000]
    match = [np.corrcoef(heard, original[100 + lag : 9000 + lag])[0, 1] for lag in lags]
    assert abs(lags[int(np.argmax(match))]) <= 1
    assert max(match) > 0.95


def test_surround_sound_is_mixed_by_meaning(tmp_path):
    """A voice has the level it had, whether it is in the centre or in both fronts."""
    seven_one = 0x63F  # FL FR FC LFE BL BR SL SR
    voice = tone(0.3, 48_000)[:, 0]
    for speakers in ([2], [0, 1]):
        samples = np.zeros((len(voice), 8), np.float32)
        samples[:, speakers] = voice[:, None]
        samples[:, 3] = 0.9  # rumble, which is no voice
        speech = read_speech(write_wav(tmp_path / "s.wav", samples, 48_000, seven_one))
        assert np.abs(speech.samples - tone(0.3, SPEECH_RATE)[:, 0])[400:-400].max() < 2e-3


def test_compressed_sound_of_eight_channels(tmp_path):
    """PyAV crashes the process on the planes of such frames unless they are packed first."""
    wav = write_wav(tmp_path / "a.wav", tone(0.4, 48_000, 8), 48_000, 0x63F)
    frames = (np.zeros((16, 16, 3), np.uint8) for _ in range(10))
    speech = read_speech(write_video(tmp_path / "a.mp4", frames, 25, sound=wav))
    assert speech.channels == 8
    assert speech.seconds == 0.4


def test_samples_that_are_no_numbers_become_silence(tmp_path):
    samples = tone(0.2, 16_000, 2)
    samples[100:110, 0] = np.nan
    samples[200] = np.inf
    samples[300] = -1e30
    speech = read_speech(write_wav(tmp_path / "nan.wav", samples, 16_000))
    assert np.isfinite(speech.samples).all()
    assert np.abs(speech.samples).max() <= 1
    assert speech.samples[200] == 0
    assert "11 samples" in speech.notes[0]


def test_sound_that_begins_after_the_picture_waits_for_it(tmp_path):
    times = [Fraction(i, 25) for i in range(25)]
    clip = grey_clip(tmp_path / "late.mp4", times, [90] * 25, sound_seconds=0.5,
                     sound_start=Fraction(3, 10))  # fmt: skip
    speech = read_speech(clip)
    loud = np.flatnonzero(np.abs(speech.samples) > 0.02)
    assert loud[0] / SPEECH_RATE == pytest.approx(0.3, abs=0.075)  # AAC priming is 64 ms at 16 kHz


def test_files_without_sound(tmp_path):
    silent = grey_clip(tmp_path / "silent.mp4", [Fraction(0), Fraction(1, 25)], [10, 20])
    none = write_wav(tmp_path / "none.wav", np.zeros((0, 2), np.float32), 16_000)
    (tmp_path / "empty.wav").touch()
    empty, absent = tmp_path / "empty.wav", tmp_path / "absent.wav"
    for path, reason in [(silent, "no sound"), (none, "0 samples"), (tmp_path, "folder"),
                         (empty, "empty"), (absent, "not exist")]:  # fmt: skip
        with pytest.raises(BadMedia, match=reason):
            read_speech(path)


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"),
                                             ("a.m4a", "aac")])  # fmt: skip
def test_cut_off_sound_is_refused(tmp_path, name, codec):
    path = encode_sound(tmp_path / name, codec, tone(3, 16_000), 16_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadMedia):
        read_speech(path)


@quick
@given(st.sampled_from(["a.wav", "a.flac", "a.mp3", "a.m4a", "a.opus", "a.mkv"]), st.data())
def test_damage_raises_nothing_but_bad_media(tmp_path, name, data):
    codec = {"wav": "pcm_s16le", "mp3": "libmp3lame", "m4a": "aac", "opus": "libopus",
             "flac": "flac", "mkv": "aac"}[name[2:]]  # fmt: skip
    path = tmp_path / name
    if not path.exists():
        encode_sound(path, codec, tone(0.3, 48_000), 48_000)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = tmp_path / f"damaged.{name}"
    damaged.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(BadMedia):
        assert np.isfinite(read_speech(damaged).samples).all()


@quick
@given(st.sampled_from([b"", b"RIFF\x24\0\0\0WAVEfmt ", b"OggS", b"\xff\xfb\x90\x64", b"fLaC"]),
       st.binary(min_size=1, max_size=400))  # fmt: skip
def test_random_bytes_are_no_sound(tmp_path, magic, content):
    (tmp_path / "noise").write_bytes(magic + content)
    with contextlib.suppress(BadMedia):
        read_speech(tmp_path / "noise")


def test_playlists_are_not_followed(tmp_path):
    """A text file must not make us open other files or servers."""
    write_wav(tmp_path / "secret.wav", tone(0.1, 16_000), 16_000)
    for name, text in [("list.m3u8", "#EXTM3U\n#EXTINF:1,\nsecret.wav\n"),
                       ("list.txt", "ffconcat version 1.0\nfile secret.wav\n")]:  # fmt: skip
        (tmp_path / name).write_text(text)
        with pytest.raises(BadMedia):
            read_speech(tmp_path / name)


def test_names_that_look_like_addresses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "http: a%20b \u00e4\u6f22.wav", tone(0.1, 16_000), 16_000)
    assert read_speech("http: a%20b \u00e4\u6f22.wav").seconds == 0.1


def test_memory_is_the_result_and_little_more(tmp_path):
    path = write_wav(tmp_path / "long.wav", tone(60, 48_000, 2), 48_000)
    tracemalloc.start()
    result = read_speech(path).samples.nbytes
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * result + 2e6  # the sound itself has 23 MB, the result 3.8 MB


def test_frames_for_is_within_half_a_frame(tmp_path):
    speech = read_speech(write_wav(tmp_path / "a.wav", tone(1.2345, 22_050), 22_050))
    assert abs(frames_for(speech.seconds, 25) / 25 - speech.seconds) <= 0.02


def test_a_cut_off_mp3_is_used_as_far_as_it_goes_and_named(tmp_path):
    whole = encode_sound(tmp_path / "whole.mp3", "libmp3lame", tone(6.0, 16000), 16000)
    cut = tmp_path / "cut.mp3"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert read_speech(whole).notes == ()
    speech = read_speech(cut)
    assert 2 < speech.seconds < 4
    assert any("cut off" in note for note in speech.notes)
