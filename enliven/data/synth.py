"""Synthetic talking: speech with known phones, the lips that would say it, and a performance.

`write_synthetic` makes a folder of clips as `enliven data prepare` does, so that training reads
either; for each clip NAME besides:

    NAME.wav                   the sound, 16 kHz
    performances/NAME.npz      latent (T, D) of `motion.latent`, speed, strengths (4,) in the
                               order of its REGIONS, emotion (6,) or (T, 6)
    a row of manifest.jsonl    text, language, voice, phones with times, caption, seconds

Legend: N sound samples at 16 kHz, T motion frames at 25 Hz, K lip controls.
"""

import json
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enliven.data.articulation import articulate
from enliven.data.dataset import TalkingClip, packed_samples, packed_shape, write_clip
from enliven.data.perform import perform, random_label
from enliven.data.voices import LANGUAGES, sentence
from enliven.errors import BadOption, OutputError
from enliven.face.head import load_head
from enliven.media.audio import SPEECH_RATE
from enliven.media.espeak import Phone, speak, voices
from enliven.media.files import whole_file, writing
from enliven.motion.controls import control_matrix
from enliven.motion.latent import REGIONS
from enliven.motion.listen import Listener, measure
from enliven.types import MOTION_FPS, Motion

TIMBRES = ("", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5")

CLIP_SECONDS = (6.0, 15.0)
LEAD_SECONDS = (0.3, 1.0)  # of silence before the first and after the last phrase
PAUSE_SECONDS = (0.1, 1.4)
LEVEL_DB = (-30.0, -16.0)  # of speech, full scale 0
SPEED, PITCH, LIVELINESS = (0.75, 1.35), (0.15, 0.85), (0.25, 0.9)


@dataclass(frozen=True)
class SynthClip:
    """samples (N,) float32; controls (T, K) float32, 0 at rest; N = T / 25 s.

    phones cover the clip; text is what was said, voice who said it: "de+f2".
    """

    samples: NDArray[np.float32]
    controls: NDArray[np.float32]
    phones: tuple[Phone, ...]
    language: str
    text: str
    voice: str

    @property
    def seconds(self) -> float:
        return len(self.controls) / MOTION_FPS


def synthesise(
    seconds: float, seed: int, languages: Sequence[str] = tuple(LANGUAGES)
) -> Iterator[SynthClip]:
    """Clips until they last `seconds` together; every language gets the same number of them.

    Clip i depends on seed, i and languages alone.  Raises BadOption for a language that is not in
    `LANGUAGES`, ModelUnavailable.
    """
    made, number = 0.0, 0
    while made < seconds:
        clip = synth_clip(number, seed, languages)
        yield clip
        made, number = made + clip.seconds, number + 1


def synth_clip(number: int, seed: int, languages: Sequence[str] = tuple(LANGUAGES)) -> SynthClip:
    """Clip `number` of `synthesise`."""
    check_languages(languages)
    rng = np.random.default_rng([seed, number])
    name = languages[number % len(languages)]
    timbre = str(rng.choice(TIMBRES))
    voice = str(rng.choice(LANGUAGES[name].accents)) + (f"+{timbre}" if timbre else "")
    samples, phones, texts = _said(name, voice, rng)
    frames = round(len(samples) / SPEECH_RATE * MOTION_FPS)
    samples = _fitted(samples, frames)
    loudness = 10 ** (rng.uniform(*LEVEL_DB) / 20)
    samples *= np.float32(loudness / np.sqrt(np.mean(samples[samples != 0] ** 2)))
    return SynthClip(np.clip(samples, -1, 1), articulate(phones, frames), tuple(phones), name,
                     " ".join(texts), voice)  # fmt: skip


def check_languages(languages: Sequence[str]) -> None:
    """Raises BadOption unless all of them, one at least, are in `LANGUAGES`."""
    unknown = [name for name in languages if name not in LANGUAGES]
    if unknown or not languages:
        known = ", ".join(LANGUAGES)
        what = f"no such languages: {', '.join(unknown)}" if unknown else "no language is named"
        raise BadOption(f"{what}; choose from {known}")


def _said(
    language: str, voice: str, rng: np.random.Generator
) -> tuple[NDArray[np.float32], list[Phone], list[str]]:
    """Phrases with pauses around and between: samples, phones, texts."""
    speed, pitch, liveliness = (float(rng.uniform(*span)) for span in (SPEED, PITCH, LIVELINESS))
    wanted = rng.uniform(*CLIP_SECONDS)
    parts: list[NDArray[np.float32]] = []
    phones: list[Phone] = []
    texts: list[str] = []

    def append(sound: NDArray[np.float32], said: Sequence[Phone]) -> None:
        start = now()
        parts.append(sound)
        phones.extend(Phone(p.ipa, start + p.start, start + p.end) for p in said)

    def now() -> float:
        return sum(map(len, parts)) / SPEECH_RATE

    def pause(least: float, most: float) -> None:
        silence = np.zeros(round(rng.uniform(least, most) * SPEECH_RATE), np.float32)
        append(silence, [Phone("", 0.0, len(silence) / SPEECH_RATE)])

    pause(*LEAD_SECONDS)
    while not texts or now() < wanted - PAUSE_SECONDS[1]:
        if texts:
            pause(*PAUSE_SECONDS)
        texts.append(sentence(LANGUAGES[language], rng))
        said = speak(texts[-1], voice, speed=speed * rng.uniform(0.9, 1.1), pitch=pitch,
                     liveliness=liveliness)  # fmt: skip
        append(said.samples, said.phones)
    pause(*LEAD_SECONDS)
    return np.concatenate(parts), phones, texts


def _fitted(samples: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """The sound cut or filled with silence to `frames` motion frames."""
    count = round(frames * SPEECH_RATE / MOTION_FPS)
    return np.pad(samples[:count], (0, max(0, count - len(samples))))


MANIFEST = "manifest.jsonl"
PERFORMANCES = "performances"


def write_synthetic(
    folder: Path, seconds: float, seed: int, languages: Sequence[str] = tuple(LANGUAGES)
) -> Iterator[float]:
    """Writes clips until they last `seconds`, and yields how long they are so far.

    A folder begun with the same seed and languages is continued.
    Raises OutputError when it was begun with others or cannot be written; see `synthesise`.
    """
    check_languages(languages)
    voices()  # before anything is written, whether there is somebody to speak
    with writing(folder):
        (folder / PERFORMANCES).mkdir(parents=True, exist_ok=True)
    rows = _rows(folder / MANIFEST)
    asked = {"seed": seed, "languages": list(languages)}
    if rows and "seed" not in rows[0]:
        raise OutputError(f"{folder} holds clips that were not made by this; choose another folder")
    if rows and any(rows[0].get(key) != value for key, value in asked.items()):
        raise OutputError(f"{folder} holds clips of seed {rows[0].get('seed')} and languages "
                          f"{', '.join(rows[0].get('languages', []))}; continue with these or "
                          "choose another folder")  # fmt: skip
    made = sum(row["seconds"] for row in rows)
    number = len(rows)
    while made < seconds:
        clip = synth_clip(number, seed, languages)
        name = f"synth_{seed}_{number:06d}"
        row = {"name": name} | _write(folder, name, clip, np.random.default_rng([seed, number, 1]))
        row |= asked if number == 0 else {}
        with writing(folder / MANIFEST), open(folder / MANIFEST, "a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        made, number = made + clip.seconds, number + 1
        yield made


def _rows(manifest: Path) -> list[dict[str, Any]]:
    """The whole rows of a manifest; one cut off by a stop is removed."""
    if not manifest.exists():
        return []
    text = manifest.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        with writing(manifest):
            manifest.write_text(whole, "utf-8")
    try:
        return [json.loads(line) for line in whole.splitlines()]
    except ValueError:
        raise OutputError(f"{manifest} is damaged; remove the folder or choose another") from None


def _write(folder: Path, name: str, clip: SynthClip, rng: np.random.Generator) -> dict[str, Any]:
    """Writes the files of a clip, and returns its row of the manifest."""
    frames = len(clip.controls)
    expression = clip.controls @ control_matrix()
    values = Motion.still(frames).with_channels(expression=expression).values
    head = load_head()
    shapes = head.mean + np.einsum("tc,cnd->tnd", expression, head.basis)
    valid = np.ones(frames, bool)
    samples = packed_samples(clip.samples)
    write_clip(folder, TalkingClip(name, clip.voice, samples, packed_shape(shapes, valid), values,
                                   valid), overwrite=True)  # fmt: skip
    with (
        whole_file(folder / f"{name}.wav", overwrite=True) as part,
        wave.open(str(part), "wb") as file,
    ):
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SPEECH_RATE)
        file.writeframes(samples.astype("<i2").tobytes())
    heard = Listener(measure(clip.samples))
    heard.push(clip.samples)
    heard.finish()
    label = random_label(rng, frames)
    latent = perform(clip.controls, heard.voice(0, frames), label, rng)
    with whole_file(folder / PERFORMANCES / f"{name}.npz", overwrite=True) as part:
        np.savez_compressed(part, latent=latent, speed=label.speed, emotion=label.emotion,
                            strengths=[label.strengths[region] for region in REGIONS])  # fmt: skip
    phones = [[p.ipa, round(p.start, 4), round(p.end, 4)] for p in clip.phones]
    return {"language": clip.language, "voice": clip.voice, "seconds": clip.seconds,
            "text": clip.text, "caption": label.text, "phones": phones}  # fmt: skip
