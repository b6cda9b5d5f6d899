"""Typed text as speech: pytest tests/test_media_espeak.py"""

import sys
import time
from itertools import pairwise

import numpy as np
import pytest

from enliven.errors import BadOption, ModelUnavailable
from enliven.media import espeak
from enliven.media.audio import SPEECH_RATE
from enliven.media.espeak import CLOSURE_SECONDS, phones_of, speak

installed = pytest.mark.skipif(
    not espeak.installed(), reason="espeakng-loader is missing: pip install 'enliven[speech]'"
)
RATE = 22050


def noise(*parts: tuple[float, bool]) -> np.ndarray:
    """Seconds of sound (True) or digital silence one after the other."""
    return np.concatenate([np.full(round(s * RATE), 1000 * on, np.int16) for s, on in parts])


def test_phones_cover_the_sound_without_gaps() -> None:
    samples = noise((0.1, False), (0.4, True), (0.1, False))
    marks = [(2205, "a"), (5000, "n"), (11025, ""), (11500, "")]
    phones = phones_of(samples, marks, RATE)
    assert [p.ipa for p in phones] == ["", "a", "n", ""]
    assert phones[0].start == 0
    assert phones[-1].end == len(samples) / RATE
    assert all(a.end == b.start for a, b in pairwise(phones))


def test_a_plosive_owns_the_silence_before_its_burst() -> None:
    samples = noise((0.2, True), (0.06, False), (0.2, True))
    burst = round(0.26 * RATE)

    def start(samples: np.ndarray, name: str, burst: int) -> float:
        return phones_of(samples, [(0, "a"), (burst, name)], RATE)[1].start

    assert start(samples, "p", burst) == pytest.approx(0.2, abs=1e-3)
    # but a fricative does not, and a pause stays a pause
    assert start(samples, "f", burst) == pytest.approx(0.26, abs=1e-3)
    samples = noise((0.2, True), (0.5, False), (0.2, True))
    after = start(samples, "p", round(0.7 * RATE))
    assert after == pytest.approx(0.7 - CLOSURE_SECONDS, abs=1e-3)


def test_marks_of_tones_and_foreign_words_take_no_time() -> None:
    samples = noise((0.3, True))
    phones = phones_of(samples, [(0, "m"), (3000, "a"), (3000, ""), (3000, "(en)")], RATE)
    assert [p.ipa for p in phones] == ["m", "a"]


@pytest.mark.parametrize("text", ["", "  \n", "...", "?!"])
def test_nothing_to_say_is_refused(text: str) -> None:
    with pytest.raises(BadOption, match="nothing to say"):
        speak(text)


def test_letters_that_cannot_be_written_are_refused() -> None:
    with pytest.raises(BadOption, match="UTF-8"):
        speak("caf\udce9")


def test_numbers_outside_their_range_are_refused() -> None:
    with pytest.raises(BadOption, match="speed"):
        speak("hello", speed=3)
    with pytest.raises(BadOption, match="letters"):
        speak("a" * (espeak.MOST_LETTERS + 1))


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    espeak.voices.cache_clear()
    with pytest.raises(ModelUnavailable, match=r'pip install "enliven\[speech\]"'):
        speak("hello")


@installed
def test_speech_and_its_phones_last_equally_long() -> None:
    said = speak("Hello there, my church is good.", "en-us")
    assert said.samples.dtype == np.float32
    assert np.abs(said.samples).max() > 0.1
    assert said.seconds == pytest.approx(said.phones[-1].end, abs=2 / SPEECH_RATE)
    assert all(p.start < p.end for p in said.phones)
    ipa = [p.ipa.strip("ˈˌ") for p in said.phones if p.ipa]
    assert ipa[:3] == ["h", "ə", "l"]
    # both affricates of "church", and silence in them and after the comma
    assert ipa.count("tʃ") == 2
    assert sum(p.end - p.start for p in said.phones if not p.ipa) > 0.1


@installed
def test_same_words_same_bytes_and_voices_differ() -> None:
    first = speak("Good morning.", "en-gb+f2").samples
    speak("Etwas anderes.", "de")
    assert np.array_equal(first, speak("Good morning.", "EN_GB+f2").samples)
    assert not np.array_equal(first, speak("Good morning.", "en-gb+m3").samples)
    slow = speak("Good morning, everybody.", speed=0.6).seconds
    assert slow > 1.3 * speak("Good morning, everybody.", speed=1.4).seconds


@installed
def test_breath_is_the_same_at_another_time() -> None:
    first = speak("Good morning.", "en-gb+whisper").samples
    time.sleep(1.1)  # the library would seed its noise by the second
    assert np.array_equal(first, speak("Good morning.", "en-gb+whisper").samples)


@installed
def test_unknown_voices_are_told_their_neighbours() -> None:
    with pytest.raises(BadOption, match="en-gb"):
        speak("hello", "en-uk")
    with pytest.raises(BadOption, match="timbre 'f99'"):
        speak("hello", "en-gb+f99")
