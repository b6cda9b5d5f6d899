"""Speech features: what is known of them in closed form."""

import numpy as np
import pytest

from enliven.motion.audio import (
    CEPSTRA,
    FEATURES,
    FRAME_RATE,
    MEL_BANDS,
    MEL_RANGE_HZ,
    SAMPLE_RATE,
    SCORE_RANGE,
    acoustic_model,
    analyse,
    features,
    frame_count,
    mel_filters,
    phone_scores,
    powers,
    relative_log,
    scores_of,
)
from enliven.motion.prosody import mouth_activity, pitch_hz, voiced_hz


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


def babble(seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    """Something with the loudness changes of speech: noise in syllables over a faint floor."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    loud = np.maximum(0, np.sin(2 * np.pi * 3.7 * time)) ** 2
    voice = sum(np.sin(2 * np.pi * 130 * k * time + k) / k for k in range(1, 20))
    return 0.1 * loud * voice + 1e-4 * rng.standard_normal(len(time))


@pytest.mark.parametrize("hz", [200.0, 500.0, 1000.0, 2500.0, 6000.0])
def test_pure_tone_lands_in_its_mel_band(hz: float) -> None:
    def mel(f: float) -> float:
        return 2595 * np.log10(1 + f / 700)

    low, high = mel(MEL_RANGE_HZ[0]), mel(MEL_RANGE_HZ[1])
    expected = (mel(hz) - low) / (high - low) * (MEL_BANDS + 1) - 1
    bands = analyse(tone(hz)).bands
    assert abs(bands[50].argmax() - expected) <= 0.75


def test_filters_of_unit_area_answer_white_noise_evenly() -> None:
    filters = mel_filters(40, 60.0, 7600.0)
    area = filters.sum(0) * SAMPLE_RATE / 512
    np.testing.assert_allclose(area[15:], 1.0, atol=0.1)  # low bands are narrower than a bin


def test_frames_are_centred_on_their_time() -> None:
    samples = np.zeros(SAMPLE_RATE)
    samples[SAMPLE_RATE // 2] = 0.5  # a click at 0.5 s
    energy = analyse(samples).energy_db
    loud = np.flatnonzero(energy > energy.max() - 20)
    assert loud.mean() == pytest.approx(0.5 * FRAME_RATE, abs=0.5)


@pytest.mark.parametrize("gain", [0.01, 0.2, 3.0])
def test_features_do_not_depend_on_gain(gain: float) -> None:
    sound = babble()
    np.testing.assert_allclose(features(analyse(gain * sound)), features(analyse(sound)), atol=2e-3)


def test_pieces_equal_the_whole() -> None:
    sound = analyse(babble(5.0))
    whole = features(sound)
    pieces = [features(sound, a, b) for a, b in ((0, 1), (1, 137), (137, 400), (400, len(sound)))]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-4)
    assert whole.shape == (frame_count(5 * SAMPLE_RATE), FEATURES)


def test_silence_around_a_sound_changes_nothing_in_it() -> None:
    samples = babble()
    plain, edged = analyse(samples), analyse(samples, edge=60)
    assert len(edged) == len(plain) + 120
    # but at its very ends, where a frame hears what lies beside it
    np.testing.assert_allclose(features(edged)[65:-65], features(plain)[5:-5], atol=0.05)


@pytest.mark.parametrize("count", [0, 1, 100, 1000])
def test_very_short_and_silent_sounds_are_fine(count: int) -> None:
    heard = features(analyse(np.zeros(count)))
    assert np.isfinite(heard).all()
    assert len(heard) == frame_count(count)


def test_acoustic_model_is_a_set_of_distributions() -> None:
    model = acoustic_model()
    assert len(model.phones) == 42
    assert {"SIL", "M", "B", "P", "F", "V", "AA", "IY"} <= set(model.phones)
    for weights in model.weights:
        for table in weights:
            # mixture weights were stored in steps of 10%
            np.testing.assert_allclose(table.sum(1), 1.0, atol=0.12)


def test_scores_equal_the_gaussian_mixture_written_out() -> None:
    model = acoustic_model()
    sound = analyse(babble())
    frame, phone = 40, model.phones.index("AA")
    c = sound.cepstra.astype(np.float64)
    streams = (c[frame], c[frame + 2] - c[frame - 2],
               c[frame + 3] - c[frame - 1] - c[frame + 1] + c[frame - 3])  # fmt: skip

    def score(phone: int) -> float:
        total = 0.0
        for s, x in enumerate(streams):
            own = slice(phone * 128, phone * 128 + 128)
            square, linear, constant = np.split(model.gaussians[s][own], [CEPSTRA, 2 * CEPSTRA], 1)
            log = square @ x**2 + linear @ x + constant[:, 0]
            total = total + np.log(model.weights[s][phone] @ np.exp(log))
        return total.max()

    best = max(score(p) for p in range(42))
    scores = phone_scores(sound)
    assert scores[frame].max() == pytest.approx(0.0, abs=1e-4)
    assert scores[frame, phone] == pytest.approx(max(score(phone) - best, -SCORE_RANGE), abs=1e-2)
    np.testing.assert_allclose(scores_of(features(sound)), scores, atol=1e-4)


def test_a_change_of_tone_hardly_matters() -> None:
    samples = babble()
    duller = samples + 0.6 * np.concatenate([[0], samples[:-1]])
    plain, dull = analyse(samples), analyse(duller)
    loud = plain.energy_db > -20
    difference = (features(dull) - features(plain))[loud, :MEL_BANDS]
    assert np.abs(difference).mean() < 0.05
    assert np.abs((dull.bands - plain.bands)[loud]).mean() > 0.2


@pytest.mark.parametrize("hz", [80.0, 120.0, 210.0, 350.0])
def test_pitch_of_a_harmonic_tone(hz: float) -> None:
    voice = sum(tone(hz * k, 1.0) / k for k in range(1, 8))
    found = pitch_hz(voice, 25)[3:-3]
    np.testing.assert_allclose(found, hz, rtol=0.02)


def test_noise_has_no_pitch() -> None:
    found = pitch_hz(np.random.default_rng(0).standard_normal(SAMPLE_RATE), 25)
    assert (found > 0).mean() < 0.2


def test_powers_of_a_range_are_those_of_the_whole() -> None:
    samples = babble(1.0).astype(np.float32)
    whole = powers(samples, -5, 110)
    part = powers(samples, 31, 64)
    for name in ("bands", "model", "total"):
        np.testing.assert_allclose(
            getattr(part, name), getattr(whole, name)[36:69], rtol=1e-4, atol=1e-9
        )
    assert not whole.total[:2].any()  # windows that end before the sound


def test_power_relative_to_the_level_has_a_floor_of_zero() -> None:
    power = np.array([0.0, 1e-3, 1.0, 1e3], np.float32)
    found = relative_log(power, 10.0)
    assert found[0] == 0
    assert (np.diff(found) > 0).all()
    # far above the floor it is the logarithm of the ratio
    assert found[3] - found[2] == pytest.approx(np.log(1e3), rel=1e-4)
    np.testing.assert_allclose(relative_log(10 * power, 100.0), found, rtol=1e-4)


@pytest.mark.parametrize("first", [0, 3, 17])
def test_pitch_from_a_later_frame_is_the_same(first: int) -> None:
    voice = sum(tone(150 * k, 1.0) / k for k in range(1, 8))
    np.testing.assert_array_equal(pitch_hz(voice, 25 - first, first), pitch_hz(voice, 25)[first:])


def test_low_noise_has_no_pitch_either() -> None:
    """Whose correlation is largest at the shortest lag."""
    noise = np.random.default_rng(0).standard_normal(5 * SAMPLE_RATE)
    noise = np.convolve(noise, np.hanning(60), "same")
    assert (voiced_hz(noise, 0, 125) > 0).mean() < 0.3


def test_an_onset_is_never_clipped_and_silence_is_rest() -> None:
    heard = np.zeros(400)
    heard[201:241] = 1.0  # of feature frames that begin 10 ms before motion frame 0
    activity = mouth_activity(heard, 0, 100)
    assert (activity[48:61] > 0.99).all()  # from 0.1 s ahead to the end of the sound
    assert not activity[:42].any()
    assert not activity[70:].any()
    assert (np.diff(activity[:55]) >= 0).all()
    np.testing.assert_allclose(mouth_activity(heard, 37, 61), activity[37:61], atol=1e-12)
