"""Typed text as speech, with the exact time of every phone, by espeak-ng.

espeak-ng is under the GPL and stays outside the base: `pip install "enliven[speech]"` brings it
in the wheel `espeakng-loader`.  It runs in a process of its own, `media.espeak_worker`.

A mark of espeak's is where a phone begins to sound.  The closure of a plosive is silence that
comes before its mark; here it belongs to the plosive, because lips and tongue are there already.
"""

import difflib
import importlib.util
import json
import subprocess
import sys
import tempfile
import unicodedata
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption, ModelUnavailable
from enliven.media.audio import SPEECH_RATE, resampled

Array = NDArray[np.float32]

INSTALL = 'pip install "enliven[speech]"'
DEFAULT_VOICE = "en-us"

PLAIN_RATE = 175  # words a minute at speed 1
MOST_LETTERS = 50_000  # of one text, about an hour
AROUND_SECONDS = (0.25, 0.5)  # of silence before and after a text: lips set off from rest
CLOSURE_SECONDS = 0.09  # the longest closure before a plosive; more silence is a pause

# Letters that begin with a closure of the mouth through which no sound comes.
PLOSIVE = frozenset("pbtdʈɖcɟkɡgqɢʔʡɓɗʄɠʛʘǀǃǂǁʙ")


class Phone(NamedTuple):
    """One phone: IPA as espeak writes it, "" in a pause; its time in seconds."""

    ipa: str
    start: float
    end: float


@dataclass(frozen=True)
class Spoken:
    """Text that was spoken.

    samples: (N,) float32, mono, SPEECH_RATE, -1 to 1.
    phones: in order; the first starts at 0, each ends where the next starts, the last at the end.
    """

    samples: Array
    phones: tuple[Phone, ...]

    @property
    def seconds(self) -> float:
        return len(self.samples) / SPEECH_RATE


def _loader() -> Any:
    try:
        return importlib.import_module("espeakng_loader")
    except ImportError:
        raise ModelUnavailable(
            f"speaking text needs espeak-ng, which is not installed; get it with {INSTALL}"
        ) from None


def installed() -> bool:
    """Whether text can be spoken here."""
    return importlib.util.find_spec("espeakng_loader") is not None


def _ask(**request: Any) -> tuple[dict[str, Any], bytes]:
    """What the worker answers: its line of JSON and what follows.  Raises ModelUnavailable."""
    loader = _loader()
    request |= {"library": str(loader.get_library_path()), "data": str(loader.get_data_path())}
    worker = Path(__file__).with_name("espeak_worker.py")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(worker)],
        input=json.dumps(request).encode(), capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        why = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise ModelUnavailable(f"espeak-ng failed: {why[0] if why else 'it stopped'}; "
                               f"install it again: {INSTALL}")  # fmt: skip
    head, _, rest = done.stdout.partition(b"\n")
    return json.loads(head), rest


@cache
def voices() -> tuple[dict[str, str], tuple[str, ...]]:
    """Languages and accents with espeak's name of their voice, and timbres to speak them in.

    Raises ModelUnavailable.
    """
    listed, _ = _ask()
    return listed["languages"], tuple(listed["timbres"])


def find_voice(voice: str) -> str:
    """espeak's name of a voice.  Raises BadOption for an unknown one, ModelUnavailable."""
    languages, timbres = voices()
    language, plus, timbre = voice.strip().partition("+")
    wanted = language.lower().replace("_", "-")
    by_lower = {name.lower(): identifier for name, identifier in languages.items()}
    if wanted not in by_lower:
        close = [name for name in languages if name.split("-")[0] == wanted.split("-")[0]]
        close += difflib.get_close_matches(wanted, by_lower, 4, 0.5)
        near = ", ".join(list(dict.fromkeys(close))[:6] or ["en-us", "en-gb", "de", "cmn"])
        raise BadOption(f"voice {voice!r} is not known; close names are {near}. A voice is one "
                        f"of {len(languages)} languages and accents, and may end in a timbre: "
                        "de+f2, en-us+m3")  # fmt: skip
    if plus and timbre not in timbres:
        near = ", ".join(difflib.get_close_matches(timbre, timbres, 4, 0.4) or ["m1", "f1"])
        raise BadOption(f"voice {voice!r} has no timbre {timbre!r}; close names are {near}. "
                        "Usual ones are m1 to m8 and f1 to f5")  # fmt: skip
    return by_lower[wanted] + plus + timbre


def speak(
    text: str,
    voice: str = DEFAULT_VOICE,
    *,
    speed: float = 1.0,
    pitch: float = 0.5,
    liveliness: float = 0.5,
) -> Spoken:
    """Speaks `text`; the same arguments give the same samples.

    voice: a language, "en-gb", or a language in another timbre, "en-gb+f2".
    speed: 0.5 to 2.  pitch: of the voice, 0 to 1.  liveliness: range of its melody, 0 to 1.
    Raises BadOption for an unknown voice, numbers outside the ranges, and text without anything
    to say; ModelUnavailable where espeak-ng is not installed.
    """
    for name, value, low, high in (("speed", speed, 0.5, 2.0), ("pitch", pitch, 0.0, 1.0),
                                   ("liveliness", liveliness, 0.0, 1.0)):  # fmt: skip
        if not low <= value <= high:
            raise BadOption(f"{name} is {value}; choose a number from {low:g} to {high:g}")
    samples, rate, marks = _say(text, voice, speed, pitch, liveliness)
    block = samples[None].astype(np.float32) / np.float32(32768)
    heard = np.concatenate([*resampled([block], rate, "mono", SPEECH_RATE)], axis=1)[0]
    return Spoken(np.clip(heard, -1, 1), phones_of(samples, marks, rate))


def _say(
    text: str, voice: str, speed: float, pitch: float, liveliness: float
) -> tuple[NDArray[np.int16], int, list[tuple[int, str]]]:
    """Samples (N,) as espeak makes them, their rate in Hz, and its marks (sample, IPA)."""
    check_text(text)
    head, sound = _ask(
        voice=find_voice(voice), text=text.replace("\0", " "), rate=round(PLAIN_RATE * speed),
        pitch=round(100 * pitch), range=round(100 * liveliness),
    )  # fmt: skip
    if not sound or not any(name for _, name in head["marks"]):
        raise BadOption(f"there is nothing to say in {text[:40]!r}; type words of the language "
                        f"of voice {voice!r}")  # fmt: skip
    return np.frombuffer(sound, np.int16), head["rate"], head["marks"]


@contextmanager
def spoken_files(texts: Sequence[tuple[str, str] | None]) -> Iterator[list[Path | None]]:
    """A wav file of each (text, voice), with a moment of silence around it; None of None.

    They last until the context ends.  Raises as `speak`.
    """
    with tempfile.TemporaryDirectory(prefix="enliven-") as folder:
        yield [said and _write_spoken(Path(folder) / f"{i}.wav", *said)
               for i, said in enumerate(texts)]  # fmt: skip


def _write_spoken(path: Path, text: str, voice: str) -> Path:
    samples, rate, _ = _say(text, voice, 1.0, 0.5, 0.5)
    before, after = (round(seconds * rate) for seconds in AROUND_SECONDS)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.pad(samples, (before, after)).astype("<i2").tobytes())
    return path


def check_text(text: str) -> None:
    """Raises BadOption for text in which there is nothing to say, or far too much."""
    if not any(unicodedata.category(letter)[0] in "LN" for letter in text):
        raise BadOption(f"there is nothing to say in {text[:40]!r}; type at least one word")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadOption(f"the text {text[:40]!r} holds what is no letter of any script; "
                        "type it again as UTF-8") from None  # fmt: skip
    if len(text) > MOST_LETTERS:
        raise BadOption(f"the text has {len(text)} letters; speak at most {MOST_LETTERS} at once "
                        "and divide longer ones")  # fmt: skip


def phones_of(
    samples: NDArray[np.int16], marks: list[tuple[int, str]], rate: int
) -> tuple[Phone, ...]:
    """Phones from espeak's marks (sample, name), covering all samples (N,) without a gap."""
    heard = np.flatnonzero(np.concatenate([[True], samples != 0]))  # ends of what is not silence
    longest = round(CLOSURE_SECONDS * rate)
    begun: list[tuple[int, str]] = [(0, "")]
    for at, name in sorted(marks, key=lambda mark: mark[0]):
        if name.startswith("("):  # "(en)": here begins a foreign word
            continue
        at = min(max(at, 0), len(samples))
        if any(letter in PLOSIVE for letter in name):
            at = max(int(heard[np.searchsorted(heard, at, "right") - 1]), at - longest)
        at = max(at, begun[-1][0])
        if at == begun[-1][0]:
            # a nameless mark of no length is a tone, which has no place in time
            begun[-1] = (at, name or begun[-1][1])
        elif name or begun[-1][1]:
            begun.append((at, name))
    ends = [at for at, _ in begun[1:]] + [len(samples)]
    return tuple(
        Phone(name, at / rate, end / rate)
        for (at, name), end in zip(begun, ends, strict=True)
        if end > at
    )
