"""Tables of the sync meter: how far it can be trusted, and how well ours agrees with voices."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from speech_clips import Clip, Regression, generate, lips_of, rest_aperture
from speech_lips import CLOSED, around

from enliven.data.articulation import articulate
from enliven.errors import EnlivenError
from enliven.media.audio import read_speech
from enliven.metrics.lips import LipMeasures, correlation
from enliven.metrics.sync import SHIFTS, agreement, hear, load_meter
from enliven.motion.audio import SAMPLE_RATE
from enliven.motion.controls import control_matrix
from enliven.types import MOTION_FPS, Motion

Array = NDArray[np.floating]

DOUBTFUL = ("v15", "v16")  # clips whose own sound is not surely in time
LONGEST = 12.0  # seconds of each recording
PAUSE_DB, PAUSE_FRAMES = -42.0, 10  # a pause: so quiet for so long

RECORDINGS = (
    ("English, clean", "a02_en_libri_1320.mp3"), ("English, clean", "a03_en_vctk_p240.mp3"),
    ("English, neutral", "a04_en_female_neutral.wav"), ("English, angry", "a05_en_male_anger.wav"),
    ("English, president", "a08_en_president_5s.wav"),
    ("English, 60 s", "a13_long_en_60s.wav"),
    ("English, old record", "a01_en_male_jfk_archive.flac"),
    ("German", "a09_de_german1.wav"), ("Mandarin", "a06_zh_female_joy.wav"),
    ("Japanese", "a10_ja_japan1.wav"), ("singing", "a12_singing_female.wav"),
    ("out of breath", "a07_en_male_outofbreath.wav"),
    ("cafeteria, 0 dB", "a11_noisy_cafeteria_snr0.wav"),
)  # fmt: skip
# Two sentences in each language, with many lips that meet: name, voice, text.
SYNTHETIC = (
    ("French", "fr", "Le petit bateau blanc passe sous le vieux pont de bois. Ma mère prépare une "
     "bonne soupe pour Paul et ses amis."),
    ("Korean", "ko", "오늘 밤에 비가 많이 온다고 합니다. 아버지는 부엌에서 밥을 먹고 엄마는 방에서 "
     "편지를 씁니다."),
    ("Spanish", "es", "Mañana por la mañana vamos a comprar pan y un poco de fruta. Mi abuelo "
     "bebe vino blanco en el bar del pueblo."),
    ("Arabic", "ar", "ذهب الولد إلى المدرسة في الصباح الباكر. أمي تشرب الماء البارد من كوب كبير "
     "في المطبخ."),
    ("Hindi", "hi", "मेरे पिताजी बाज़ार से फल और सब्ज़ी लाए। "
     "बच्चे बाहर पेड़ के पास बैठकर आम और पपीता खा रहे हैं।"),
    ("German", "de", "Bitte bringen Sie mir morgen früh ein Stück Brot mit. Meine Mutter pflanzt "
     "im April bunte Blumen am Bach."),
    ("English", "en-us", "Please bring me a piece of bread before five. My brother bought a big "
     "map of Paris and hung it above the lamp."),
    ("Mandarin", "cmn", "明天上午我们一起去公园跑步。妈妈买了八个苹果和一把白菜。"),
    ("Japanese", "ja", "ぼくのははは、まいばんパンとバナナをたべます。"
     "あめのひは、へやでほんをよみます。"),
)  # fmt: skip


@dataclass(frozen=True)
class Voice:
    """heard: what the generator is given; clean: what the meter listens to, both (N,).
    meetings: seconds from when to when lips are known to meet.  ruled: lips that say its known
    phones by rule; None for recordings."""

    name: str
    heard: NDArray[np.float32]
    clean: NDArray[np.float32]
    meetings: tuple[tuple[float, float], ...] = ()
    ruled: LipMeasures | None = None

    @property
    def frames(self) -> int:
        return round(len(self.heard) / SAMPLE_RATE * MOTION_FPS)


def shifted(lips: LipMeasures, frames: int) -> LipMeasures:
    """Lips that come so many frames later; what is not known at an end is NaN."""

    def move(curve: Array) -> Array:
        moved = np.full(len(curve), np.nan)
        if frames >= 0:
            moved[frames:] = curve[: len(curve) - frames]
        else:
            moved[:frames] = curve[-frames:]
        return moved

    return LipMeasures(**{name: move(curve) for name, curve in vars(lips).items()})


def part(lips: LipMeasures, start: int, stop: int) -> LipMeasures:
    return LipMeasures(**{name: curve[start:stop] for name, curve in vars(lips).items()})


def meter_table(clips: list[Clip]) -> None:
    """How often lips in time score above shifted ones, and in-time against wrong voices."""
    clips = [c for c in clips if not c.name.startswith(DOUBTFUL)]
    meter = load_meter()
    expected = [meter.expect(c.samples, c.frames) for c in clips]
    print(f"{len(clips)} clips of speakers it never met\nwindow   +-3 frames  +-5    +-8    "
          "in time, 10% .. median   wrong voice, median .. 95%")  # fmt: skip
    for seconds in (3, 5, 10):
        length = round(seconds * MOTION_FPS)
        wins: dict[int, list[bool]] = {3: [], 5: [], 8: []}
        right, wrong = [], []
        for i, clip in enumerate(clips):
            for start in range(0, clip.frames - length + 1, length // 2):
                window = slice(start, start + length)
                lips = part(clip.lips, start, start + length)
                here = agreement(expected[i][window], lips).here
                right.append(here)
                for shift, won in wins.items():
                    for signed in (-shift, shift):
                        moved = part(shifted(clip.lips, signed), start, start + length)
                        won.append(here > agreement(expected[i][window], moved).here)
                other = expected[(i + 1) % len(clips)]
                if len(other) >= length:
                    wrong.append(agreement(other[:length], lips).here)
        rates = "   ".join(f"{np.mean(won):.3f}" for won in wins.values())
        print(f"{seconds:3d} s    {rates}    {np.percentile(right, 10):.2f} .. "
              f"{np.median(right):.2f}              {np.median(wrong):.2f} .. "
              f"{np.percentile(wrong, 95):.2f}   ({len(right)} windows)", flush=True)  # fmt: skip


def pink_noise(count: int) -> Array:
    """Noise of equal power in every octave, unit deviation."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, count)
    return noise / noise.std()


def telephone(samples: Array) -> NDArray[np.float32]:
    """300 to 3400 Hz at 8 kHz, eight bits by the mu law (ITU-T G.711), back at 16 kHz."""
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    narrow = np.fft.irfft(spectrum, len(samples))
    narrow /= max(np.abs(narrow).max(), 1e-6)
    code = np.round(np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256) * 127) / 127
    return (np.sign(code) * np.expm1(np.abs(code) * np.log(256)) / 255).astype(np.float32)


def recordings(folder: Path) -> Iterator[Voice]:
    """Every recording, and one of them as it comes through noise, a telephone, an overload."""
    for name, file in RECORDINGS:
        path = folder / file
        if not path.is_file():
            print(f"{name:24s} skipped, no {path}")
            continue
        samples = read_speech(path).samples[: round(LONGEST * SAMPLE_RATE)]
        yield Voice(name, samples, samples)
        if file.startswith("a04"):
            level = np.sqrt(np.mean(samples[np.abs(samples) > 0.01] ** 2))
            noisy = samples + (0.5 * level * pink_noise(len(samples))).astype(np.float32)
            loud = samples + (level * pink_noise(len(samples))).astype(np.float32)
            yield Voice("  the same, noise 6 dB", noisy, samples)
            yield Voice("  the same, noise 0 dB", loud, samples)
            yield Voice("  the same, telephone", telephone(samples), samples)
            yield Voice("  the same, clipped", (8 * samples).clip(-0.5, 0.5), samples)


def synthetic() -> Iterator[Voice]:
    """Languages for which there is no recording, where the speech extra is installed."""
    try:
        from enliven.media.espeak import speak
    except ImportError:
        print("French, Korean, Spanish, Arabic, Hindi: skipped, the speech extra is not installed")
        return
    for name, voice, text in SYNTHETIC:
        try:
            spoken = speak(text, voice)
        except EnlivenError as error:
            print(f"{name:24s} skipped, {error}")
            continue
        meetings = tuple((p.start, p.end) for p in spoken.phones if p.ipa[:1] in tuple("pbm"))
        frames = round(len(spoken.samples) / SAMPLE_RATE * MOTION_FPS)
        ruled = articulate(spoken.phones, frames) @ control_matrix()
        lips = lips_of(Motion.still(frames).with_channels(expression=ruled.clip(0, 1)))
        yield Voice(f"{name}, synthetic", spoken.samples, spoken.samples, meetings, lips)


def pauses(samples: Array, frames: int) -> NDArray[np.bool_]:
    """Frames (T,) in the middle of stretches in which nothing is heard."""
    quiet = hear(samples, frames)[1] < PAUSE_DB
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(int), [0]])))
    inside = np.zeros(frames, bool)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start >= PAUSE_FRAMES:
            inside[start + PAUSE_FRAMES // 2 : stop - PAUSE_FRAMES // 4] = True
    return inside


def lips_met(voice: Voice, made: list[LipMeasures]) -> str:
    """Share of the meetings of a voice in which lips are closed, and how many there are."""
    met = [around(lips.aperture - rest_aperture(), int(a * MOTION_FPS),
                  int(np.ceil(b * MOTION_FPS))) <= CLOSED
           for lips in made for a, b in voice.meetings]  # fmt: skip
    return f"{np.mean(met):.2f} of {len(voice.meetings):2d}" if met else "   -      "


def by_language(scores: list[tuple[str, float]]) -> None:
    """How the languages stand to English: recordings to recordings, synthetic to synthetic."""
    other = ("singing", "out of breath", "cafeteria", "  the same")
    spoken = [(name, score) for name, score in scores if not name.startswith(other)]
    for kind in ("recorded", "synthetic"):
        some = [s for s in spoken if s[0].endswith("synthetic") == (kind == "synthetic")]
        english = [score for name, score in some if name.startswith("English")]
        foreign = [(score, name) for name, score in some if not name.startswith("English")]
        if english and foreign:
            (lowest, name), middle = min(foreign), np.median([score for score, _ in foreign])
            print(f"{kind}: English {np.median(english):.2f}, other languages {middle:.2f}, "
                  f"lowest {lowest:.2f} ({name})")  # fmt: skip


def languages_table(
    folder: Path, real: list[Clip], first: Regression | None, seeds: int
) -> None:  # fmt: skip
    """Agreement of ours with each voice; scale: real people, and ours with another voice."""
    meter = load_meter()
    own = [agreement(meter.expect(c.samples, c.frames), c.lips) for c in real]
    if own:
        here = [a.here for a in own]
        print(f"real people in time: {np.median(here):.2f} ({min(here):.2f}-{max(here):.2f}), "
              f"{len(own)} clips")  # fmt: skip
    print(f"{'voice':24s} {'ours':18s} late  margin  wrong  first  rule (first) opening p b m met  "
          " in pauses")  # fmt: skip
    voices = [*recordings(folder), *synthetic()]
    scores: list[tuple[str, float]] = []
    for i, voice in enumerate(voices):
        other = voices[(i + len(voices) // 2) % len(voices)]
        expected = meter.expect(voice.clean, voice.frames)
        made = [lips_of(generate(voice.heard, voice.frames, seed)) for seed in range(seeds)]
        found = [agreement(expected, lips) for lips in made]
        strange = meter.expect(other.clean, voice.frames)
        wrong = np.median([agreement(strange, lips).here for lips in made])
        here = [a.here for a in found]
        before, ruled = np.nan, "      -      "
        if first:
            old = lips_of(first.generate(voice.heard, voice.frames))
            before = agreement(expected, old).here
        if voice.ruled:
            r = np.median([correlation(voice.ruled.aperture, lips.aperture) for lips in made])
            was = correlation(voice.ruled.aperture, old.aperture) if first else np.nan
            ruled = f"{r:5.2f} ({was:5.2f})"
        quiet = pauses(voice.clean, voice.frames)
        opening = np.mean([lips.aperture for lips in made], 0) - rest_aperture()
        told = f"{np.median(here):.2f} ({min(here):.2f}-{max(here):.2f})"
        scores.append((voice.name, float(np.median(here))))
        silent = "-"
        if quiet.any():
            silent = f"{np.abs(opening[quiet]).mean():.4f} of {quiet.sum() / MOTION_FPS:.1f} s"
        closed = lips_met(voice, made)
        print(f"{voice.name:24s} {told:18s} {np.median([a.late for a in found]):4.0f} "
              f"{np.median([a.margin for a in found]):7.2f} {wrong:6.2f} {before:6.2f} "
              f"{ruled} {opening.std():9.3f}  {closed}  {silent}", flush=True)  # fmt: skip
    print(f"(late is looked for within {SHIFTS} frames; rule: correlation of the aperture with "
          "lips that say\nthe known phones of a synthetic voice by rule; opening: its deviation, "
          "IOD; p b m met: bilabials of\na synthetic voice on which lips close)")  # fmt: skip
    by_language(scores)


def silence_table(folder: Path, seeds: int, first: Regression | None) -> None:
    """Deviation of the lips where nothing is said, beside that in speech."""
    files = ("a02_en_libri_1320.mp3", "a14_silence_5s.wav", "a15_pink_noise_5s.wav")
    sounds: dict[str, Array] = {}
    for file in files:
        if (folder / file).is_file():
            sounds[file] = read_speech(folder / file).samples
        else:
            print(f"{file}: skipped, it is not in {folder}")
    rng = np.random.default_rng(1)
    sounds["pink noise, 5 s"] = 0.1 * pink_noise(5 * SAMPLE_RATE)
    sounds["white noise, 5 s"] = 0.1 * rng.standard_normal(5 * SAMPLE_RATE)
    t = np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE
    sounds["hum, 50 Hz and 100 Hz"] = 0.1 * np.sin(100 * np.pi * t) + 0.05 * np.sin(200 * np.pi * t)
    sounds["piano tones"] = sum(
        0.2 * np.exp(-6 * ((t - k / 2) % 5)) * np.sin(2 * np.pi * 220 * 2 ** (k % 7 / 12) * t)
        for k in range(10)
    )
    sounds["no sound at all, 60 s"] = np.zeros(60 * SAMPLE_RATE)
    print(f"{'sound':24s} aperture deviation, IOD   widest opening   jaw+lips speed   first")
    makers: list[Callable[[Array, int, int], LipMeasures]] = [
        lambda x, frames, seed: lips_of(generate(x, frames, seed))
    ]
    if first:
        makers.append(lambda x, frames, seed: lips_of(first.generate(x, frames)))
    for name, samples in sounds.items():
        frames = round(len(samples) / SAMPLE_RATE * MOTION_FPS)
        made = [makers[0](samples.astype(np.float32), frames, seed) for seed in range(seeds)]
        spread = np.median([lips.aperture.std() for lips in made])
        widest = max(float(lips.aperture.max()) for lips in made) - rest_aperture()
        speed = np.median([np.abs(np.diff(lips.aperture)).mean() * MOTION_FPS for lips in made])
        before = makers[1](samples.astype(np.float32), frames, 0).aperture.std() if first else 0
        print(f"{name:24s} {spread:25.4f} {widest:16.4f} {speed:16.4f} {before:7.4f}", flush=True)
