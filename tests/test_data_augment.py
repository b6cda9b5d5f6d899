"""Voices varied in known ways, and never in time: pytest tests/test_data_augment.py"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from enliven.data.augment import (
    CODECS,
    Augmentation,
    add_noise,
    augment,
    babble,
    background,
    clip,
    lossy,
    microphone,
    music,
    narrow,
    noise,
    room,
    speech_power,
    telephone,
    usable_codecs,
    vary_speed,
)
from enliven.data.pitch import shift_voice, stretch
from enliven.errors import BadOption
from enliven.media.audio import read_speech
from enliven.motion.prosody import pitch_hz

RATE = 16_000
SURE = dict.fromkeys(
    ("pitch", "formants", "tone", "room", "noise", "clipping", "bandwidth", "codec"), 1.0
)


@pytest.fixture(scope="module")
def voice(speech_wav: Path) -> np.ndarray:
    return read_speech(speech_wav).samples[: 3 * RATE]


def vowel(f0: float, formant_hz: float, seconds: float = 1.0, width_hz: float = 90) -> np.ndarray:
    """A train of pulses of the pitch `f0` through one resonance."""
    pulses = np.zeros(int(seconds * RATE))
    pulses[(np.arange(int(seconds * f0)) * RATE / f0).astype(int)] = 1
    n = np.arange(1500)
    ring = np.exp(-np.pi * width_hz * n / RATE) * np.sin(2 * np.pi * formant_hz * n / RATE)
    sound = np.convolve(pulses, ring)[: len(pulses)]
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def centre_hz(sound: np.ndarray, low: float, high: float) -> float:
    """Mean frequency of the power between two frequencies."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / RATE)
    part = (hz > low) & (hz < high)
    return float((power * hz)[part].sum() / power[part].sum())


def loudness(sound: np.ndarray) -> np.ndarray:
    """A value every millisecond, over 10 ms."""
    power = np.convolve(sound.astype(np.float64) ** 2, np.hanning(160) / 80, "same")
    return np.sqrt(np.maximum(power, 0))[::16]


def lag(before: np.ndarray, after: np.ndarray) -> int:
    """Steps by which `after` comes later, where both correlate best."""
    a, b = before - before.mean(), after - after.mean()
    size = 2 * len(a)
    product = np.fft.irfft(np.conj(np.fft.rfft(a, size)) * np.fft.rfft(b, size), size)
    at = int(np.argmax(product))
    return at - size if at > len(a) else at


CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "microphone": lambda x, rng: microphone(x, rng, 4.0),
    "room": room,
    "noise": lambda x, rng: add_noise(x, noise(len(x), rng), 5.0),
    "babble": lambda x, rng: add_noise(x, babble(x, rng), 5.0),
    "music": lambda x, rng: add_noise(x, music(len(x), rng), 5.0),
    "narrow": lambda x, rng: narrow(x, 200.0, 3000.0),
    "clip": lambda x, rng: clip(x, 0.05),
    "telephone": lambda x, rng: telephone(x),
} | {
    f"{name} {bits}": lambda x, rng, name=name, bits=bits: lossy(x, name, bits)
    for name in CODECS for bits in CODECS[name][3]
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_waveforms_stay_where_they_are(name: str, voice: np.ndarray) -> None:
    if name.split()[0] in CODECS and name.split()[0] not in usable_codecs():
        pytest.skip("this PyAV lacks the encoder")
    changed = CHANGES[name](voice, np.random.default_rng(3))
    assert changed.shape == voice.shape
    assert changed.dtype == np.float32
    assert np.abs(changed - voice).max() > 1e-3
    assert abs(lag(voice, changed)) <= 2  # samples
    again = CHANGES[name](voice, np.random.default_rng(3))
    np.testing.assert_array_equal(changed, again)


@pytest.mark.parametrize("pitch", [0.8, 1.0, 1.3])
@pytest.mark.parametrize("formants", [0.85, 1.0, 1.15])
def test_another_voice_speaks_at_the_same_times(
    voice: np.ndarray, pitch: float, formants: float
) -> None:
    changed = shift_voice(voice, pitch, formants)
    assert changed.shape == voice.shape
    assert abs(lag(loudness(voice), loudness(changed))) <= 5  # milliseconds


@pytest.mark.parametrize("f0", [100.0, 150.0, 220.0])
@pytest.mark.parametrize("ratio", [0.75, 1.25, 1.5])
def test_pitch_moves_as_asked_and_formants_stay(f0: float, ratio: float) -> None:
    sound = vowel(f0, 900.0)
    changed = shift_voice(sound, pitch=ratio)
    assert np.median(pitch_hz(changed, 25)[3:-3]) == pytest.approx(f0 * ratio, rel=0.02)
    # a resonance is known no better than harmonics are apart
    moved = centre_hz(changed, 400, 1600) - centre_hz(sound, 400, 1600)
    assert abs(moved) < 0.25 * f0 * ratio


@pytest.mark.parametrize("ratio", [0.8, 1.25])
def test_formants_move_as_asked_and_pitch_stays(ratio: float) -> None:
    sound = vowel(110.0, 900.0, width_hz=150)
    changed = shift_voice(sound, formants=ratio)
    assert np.median(pitch_hz(changed, 25)[3:-3]) == pytest.approx(110.0, rel=0.01)
    moved = centre_hz(changed, 300, 1800) / centre_hz(sound, 300, 1800)
    assert moved == pytest.approx(ratio, rel=0.07)


def test_both_together_are_playing_it_faster_in_the_same_time() -> None:
    changed = shift_voice(vowel(120.0, 800.0), 1.25, 1.25)
    assert np.median(pitch_hz(changed, 25)[3:-3]) == pytest.approx(150.0, rel=0.02)
    assert centre_hz(changed, 400, 1800) == pytest.approx(1000.0, rel=0.05)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_speed_keeps_the_pitch_and_moves_times_in_proportion(factor: float) -> None:
    sound = vowel(140.0, 900.0, seconds=2.0)
    slow = stretch(sound, round(len(sound) / factor))
    assert len(slow) == round(len(sound) / factor)
    assert np.median(pitch_hz(slow, int(len(slow) / 640))[3:-3]) == pytest.approx(140.0, rel=0.02)
    # bursts at known times
    sound[:] = 0
    times = np.array([0.3, 0.45, 0.9, 1.4, 1.7])
    rng = np.random.default_rng(0)
    for at in (times * RATE).astype(int):
        sound[at - 400 : at + 400] += rng.standard_normal(800).astype(np.float32) * np.hanning(800)
    slow = stretch(sound, round(len(sound) / factor))
    level = loudness(slow)
    for time in times / factor:
        near = np.arange(len(level))[int((time - 0.03) * 1000) : int((time + 0.03) * 1000)]
        weights = level[near] ** 2
        assert (weights @ near / weights.sum()) / 1000 == pytest.approx(time, abs=0.012)


def test_varied_speed_tells_its_factor(voice: np.ndarray) -> None:
    factors = []
    for seed in range(8):
        changed, factor = vary_speed(voice, np.random.default_rng(seed), Augmentation(speed=1.2))
        assert len(changed) * factor == pytest.approx(len(voice))
        factors.append(factor)
    assert 1 / 1.21 < min(factors) < 1 < max(factors) < 1.21


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_noise_is_as_loud_as_asked(snr_db: float) -> None:
    rng = np.random.default_rng(0)
    talk = vowel(120.0, 700.0, seconds=2.0)
    paused = np.concatenate([talk, np.zeros_like(talk)])  # pauses do not count
    for disturbing in (noise(len(paused), rng), music(len(paused), rng), babble(paused, rng)):
        added = add_noise(paused, disturbing, snr_db) - paused
        measured = 10 * np.log10(np.mean(talk**2) / np.mean(added**2))
        assert measured == pytest.approx(snr_db, abs=0.3)
    assert speech_power(paused) == pytest.approx(np.mean(talk**2), rel=0.02)


@pytest.mark.parametrize("high_hz", [2500.0, 4000.0])
def test_bandwidth_is_as_asked(high_hz: float) -> None:
    white = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    power = np.abs(np.fft.rfft(narrow(white, 0, high_hz))) ** 2 / np.abs(np.fft.rfft(white)) ** 2
    hz = np.fft.rfftfreq(len(white), 1 / RATE)
    assert np.median(power[hz < 0.95 * high_hz]) == pytest.approx(1.0, abs=0.05)
    assert 10 * np.log10(np.median(power[hz > 1.9 * high_hz])) < -40


def test_telephone_has_the_band_of_a_telephone() -> None:
    white = 0.2 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    power = np.abs(np.fft.rfft(telephone(white))) ** 2
    hz = np.fft.rfftfreq(len(white), 1 / RATE)
    inside = np.mean(power[(hz > 400) & (hz < 3200)])
    assert 10 * np.log10(np.mean(power[hz < 120]) / inside) < -25
    assert 10 * np.log10(np.mean(power[hz > 4500]) / inside) < -25


def test_clipping_cuts_the_share_asked_for() -> None:
    sound = np.sin(2 * np.pi * 203.7 * np.arange(RATE) / RATE).astype(np.float32)
    cut = clip(sound, 0.2)
    loud = np.abs(sound) > 10 ** (-30 / 20)
    assert (np.abs(cut) >= np.abs(cut).max() * 0.9999)[loud].mean() == pytest.approx(0.2, abs=0.02)
    np.testing.assert_array_equal(clip(sound, 0.0), sound)


@pytest.mark.parametrize("seed", range(6))
def test_everything_at_once_keeps_length_and_time(voice: np.ndarray, seed: int) -> None:
    options = Augmentation(**SURE, snr_db=(15.0, 30.0))
    changed = augment(voice, np.random.default_rng(seed), options)
    assert changed.shape == voice.shape
    assert changed.dtype == np.float32
    assert np.abs(changed).max() <= 1
    np.testing.assert_array_equal(changed, augment(voice, np.random.default_rng(seed), options))
    assert np.abs(changed - augment(voice, np.random.default_rng(seed + 100), options)).max() > 0.01


@pytest.mark.parametrize("seed", range(6))
def test_lines_and_voices_together_keep_time(voice: np.ndarray, seed: int) -> None:
    # echoes come later and other responses weigh hisses and vowels differently, in no wrong way
    heard = {"tone": 0.0, "room": 0.0, "bandwidth": 0.0, "noise": 0.0}
    changed = augment(voice, np.random.default_rng(seed), Augmentation(**{**SURE, **heard}))
    before, after = (loudness(narrow(x, 500.0, 3000.0)) for x in (voice, changed))
    assert abs(lag(before, after)) <= 5  # milliseconds


def test_nothing_happens_when_nothing_is_asked_for(voice: np.ndarray) -> None:
    options = Augmentation(**dict.fromkeys(SURE, 0.0), gain_db=(-6.0, -6.0))
    changed = augment(voice, np.random.default_rng(0), options)
    wanted = voice * (10 ** (-6 / 20) / np.abs(voice).max())
    np.testing.assert_allclose(changed, wanted, atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2, 100, 511, 5000])
def test_short_and_silent_sounds(voice: np.ndarray, count: int) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        short = augment(voice[8000 : 8000 + count], rng, Augmentation(**SURE))
        assert short.shape == (count,)
        assert np.isfinite(short).all()
        assert not augment(np.zeros(count, np.float32), rng).any()
        assert np.isfinite(background(voice[:count], rng)).all()


def test_options_out_of_range_are_refused(voice: np.ndarray) -> None:
    for wrong in ({"pitch": 1.5}, {"speed": 0.5}, {"semitones": 40.0}, {"snr_db": (10.0, 0.0)},
                  {"room": float("nan")}):  # fmt: skip
        with pytest.raises(BadOption, match=next(iter(wrong))):
            Augmentation(**wrong)
    with pytest.raises(BadOption, match="formants is 3"):
        shift_voice(voice, 1.0, 3.0)
    with pytest.raises(BadOption, match="codec is 'wax'"):
        lossy(voice, "wax", 8000)
    with pytest.raises(BadOption, match="stretched to 0"):
        stretch(voice, 0)
