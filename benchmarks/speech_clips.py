"""Real clips, what is measured on them, and the simple ways to lips that ours are set beside."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pocketsphinx
from numpy.typing import NDArray

from enliven.face.head import fit_motion, load_head
from enliven.face.track import track_video
from enliven.media.audio import read_speech
from enliven.metrics.lips import LipMeasures, lip_measures, measure_shape
from enliven.metrics.sync import hear
from enliven.motion.audio import SAMPLE_RATE, analyse, features
from enliven.motion.closure import close_lips
from enliven.motion.controls import CONTROLS, control_matrix
from enliven.motion.generator import Generator
from enliven.motion.options import SpeechOptions
from enliven.motion.prosody import smooth
from enliven.types import EXPRESSION, MOTION_FPS, Motion

Array = NDArray[np.floating]

# Frames at 25 fps by which the real lips come after the sound (measured with other means).
REAL_LATE = {"v09_wda_ocasio_cortez": -3, "v14_infinitetalk_ref": 2}
GRID_VIDEOS = ("v01", "v02", "v03", "v04", "v05", "v06", "v07", "v08")
KNOWN_SPEAKERS = ("v01",)  # other clips of theirs are in the training data

# Typical opening of the lips for each phone, 0 closed to 1.
OPENNESS = {"SIL": 0, "+SPN+": 0.2, "+NSN+": 0, "M": 0, "B": 0, "P": 0, "F": 0.1, "V": 0.1,
            "AA": 1, "AE": 0.95, "AH": 0.7, "AO": 0.8, "AW": 0.9, "AY": 0.95, "EH": 0.7, "ER": 0.45,
            "EY": 0.6, "IH": 0.45, "IY": 0.35, "OW": 0.6, "OY": 0.7, "UH": 0.4, "UW": 0.25,
            "HH": 0.5, "L": 0.5, "R": 0.35, "W": 0.15, "Y": 0.35, "K": 0.4, "G": 0.4, "NG": 0.4,
            "T": 0.3, "D": 0.3, "N": 0.3, "S": 0.2, "Z": 0.2, "SH": 0.25, "ZH": 0.25, "CH": 0.25,
            "JH": 0.25, "TH": 0.3, "DH": 0.3}  # fmt: skip
# Spread of the corners, 0 round to 1, and rounding: the same for width and for protrusion.
SPREAD = {"IY": 1, "EY": 0.8, "IH": 0.7, "EH": 0.7, "AE": 0.8, "S": 0.7, "Z": 0.7, "AY": 0.7,
          "OW": 0.1, "UW": 0, "W": 0, "AO": 0.2, "OY": 0.3, "UH": 0.2, "SH": 0.2, "CH": 0.2,
          "JH": 0.2, "ZH": 0.2, "R": 0.2, "ER": 0.3}  # fmt: skip

# The six words of a GRID sentence by the six letters of its name.
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
GRID_WORDS = ({"b": "bin", "l": "lay", "p": "place", "s": "set"},
              {"b": "blue", "g": "green", "r": "red", "w": "white"},
              {"a": "at", "b": "by", "i": "in", "w": "with"}, None,
              dict(zip("z123456789", DIGITS, strict=True)),
              {"a": "again", "n": "now", "p": "please", "s": "soon"})  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """A recording of a person; lips and values are moved to where the sound is.

    samples (N,) float32 at 16 kHz; lips of T frames, NaN where unknown; values (T, C): fitted
    motion, absolute.
    """

    name: str
    samples: NDArray[np.float32]
    lips: LipMeasures
    values: NDArray[np.float32]

    @property
    def frames(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Tracks:
    """Folders with clips tracked before; what is missing is tracked and kept in the first."""

    folders: tuple[Path, ...]

    def kept(self, path: Path) -> Path | None:
        """The file in which a clip's track is kept."""
        files = (folder / _track_name(path) for folder in self.folders)
        return next((file for file in files if file.is_file()), None)

    def read(self, path: Path) -> Clip:
        kept = self.kept(path)
        if kept is None:
            track = track_video(path, fps=MOTION_FPS)
            arrays = {"landmarks": track.landmarks, "valid": track.valid,
                      "values": fit_motion(track).values,
                      "samples": _int16(read_speech(path).samples)}  # fmt: skip
            if self.folders:
                self.folders[0].mkdir(parents=True, exist_ok=True)
                np.savez(self.folders[0] / _track_name(path), **arrays)
        else:
            with np.load(kept) as stored:
                arrays = dict(stored)
        return _clip(path.stem, arrays)


def _track_name(path: Path) -> str:
    return f"{path.parent.name}--{path.stem}.npz"


def _int16(samples: Array) -> NDArray[np.int16]:
    return np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)


def _clip(name: str, arrays: dict[str, NDArray]) -> Clip:
    measures = lip_measures(arrays["landmarks"])
    samples = arrays["samples"].astype(np.float32) / 32767
    frames = min(len(arrays["valid"]), round(len(samples) / SAMPLE_RATE * MOTION_FPS))
    rows = np.arange(frames) + REAL_LATE.get(name, 0)
    known = (rows >= 0) & (rows < len(arrays["valid"]))
    rows = np.clip(rows, 0, len(arrays["valid"]) - 1)
    known &= arrays["valid"][rows]
    moved = {k: np.where(known, v[rows], np.nan) for k, v in vars(measures).items()}
    values = arrays.get("values", np.zeros((len(arrays["valid"]), 0), np.float32))
    return Clip(name, samples, LipMeasures(**moved), values[rows])


def lips_of(motion: Motion) -> LipMeasures:
    """Lips of the average face under a motion relative to rest."""
    model = load_head()
    shapes = model.mean + np.einsum("tk,kpc->tpc", motion.group("expression"), model.basis)
    return measure_shape(shapes)


@cache
def rest_aperture() -> float:
    """Gap between the lips of the average face at rest; closed lips of ours come down to it."""
    return float(lips_of(Motion.still(1)).aperture[0])


def generate(clip_samples: Array, frames: int, seed: int = 0, generator: Generator | None = None,
             **options: object) -> Motion:  # fmt: skip
    """Motion of so many frames for a voice, by the shipped generator or another."""
    return (generator or Generator.load()).generate(
        clip_samples, seconds=frames / MOTION_FPS, seed=seed, options=SpeechOptions(**options)
    )


class Regression:
    """A network that tells lips outright, without seeds: the first version's, or the articulation
    network that leads the generator."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self.session = session
        stored = self.session.get_modelmeta().custom_metadata_map
        if tuple(stored["controls"].split()) != CONTROLS:
            raise SystemExit("--first drives other controls; give the first version's speech.onnx")
        self.reach = int(stored["reach"])
        self.opening = np.array([float(x) for x in stored["aperture"].split()], np.float32)

    def generate(self, samples: Array, frames: int) -> Motion:
        sound = analyse(samples, self.reach, 2 * self.reach + 4 * (frames - 1) + 1)
        heard = features(sound)
        made, closed = self.session.run(["controls", "closed"], {"features": heard.T[None]})
        beside = self.reach - 2
        controls = close_lips(
            made[0].T, closed[0, 0], heard[beside : len(heard) - beside], self.opening
        )
        expression = controls @ control_matrix()
        # the mouth rested where the sound stayed low, from 0.2 s before to 0.24 s after a sound
        energy = sound.energy_db[self.reach :][: 4 * (frames - 1) + 1]
        loud = np.clip((energy + 52) / 10, 0, 1)
        held = np.lib.stride_tricks.sliding_window_view(np.pad(loud, (24, 20)), 45).max(1)
        window = np.hanning(23)[1:-1]
        active = np.convolve(np.pad(held, 10, mode="edge"), window / window.sum(), "valid")[::4]
        values = Motion.still(frames).values.copy()
        values[:, : len(EXPRESSION)] = (expression * active[:, None]).clip(0, 1)
        return Motion(values)


def loudness(samples: Array, frames: int) -> Array:
    """Logarithm of the power around each motion frame, dB re the loudest."""
    return smooth(np.maximum(hear(samples, frames)[1], -50), 0.04)


@dataclass(frozen=True)
class Phone:
    """A phone by its ARPAbet name and the motion frames it covers, first and past the last."""

    name: str
    start: int
    stop: int


def _decoder(**settings: object) -> pocketsphinx.Decoder:
    folder = Path(pocketsphinx.get_model_path()) / "en-us"
    return pocketsphinx.Decoder(hmm=str(folder / "en-us"), loglevel="FATAL", **settings)


def _run(decoder: pocketsphinx.Decoder, samples: Array) -> None:
    decoder.start_utt()
    decoder.process_raw(_int16(samples).tobytes(), False, True)
    decoder.end_utt()


def recognised_phones(samples: Array) -> list[tuple[str, int, int]]:
    """Phones that pocketsphinx hears without knowing the words, with frames at 100 Hz."""
    folder = Path(pocketsphinx.get_model_path()) / "en-us"
    decoder = _decoder(allphone=str(folder / "en-us-phone.lm.bin"), lw=2.0, beam=1e-20,
                       pbeam=1e-20)  # fmt: skip
    _run(decoder, samples)
    return [(s.word, s.start_frame, s.end_frame + 1) for s in decoder.seg() or ()]


def phone_curve(
    phones: Iterable[tuple[str, int, int]], frames: int, table: dict[str, float], other: float
) -> Array:
    """A value of each phone by frame, smoothed over a frame and a half."""
    curve = np.full(4 * frames, other, float)
    for name, start, stop in phones:
        curve[start:stop] = table.get(name, other)
    return smooth(curve.reshape(frames, 4).mean(1), 0.06)


def spoken_words(name: str) -> str:
    """The sentence of a GRID clip by its name; "" for other clips."""
    code = name.split("_")[-1]
    known = len(code) == 6 and code[3].isalpha() and code[4].isalnum()
    if not known or any(
        table is not None and code[i] not in table for i, table in enumerate(GRID_WORDS)
    ):
        return ""
    return " ".join(t[code[i]] if t else code[i] for i, t in enumerate(GRID_WORDS))


def spoken_phones(name: str, samples: Array) -> list[Phone]:
    """Phones of a GRID clip, aligned to its known words; [] where that fails."""
    words = spoken_words(name)
    if not words:
        return []
    folder = Path(pocketsphinx.get_model_path()) / "en-us"
    decoder = _decoder(dict=str(folder / "cmudict-en-us.dict"))
    try:
        decoder.set_align_text(words)
        _run(decoder, samples)
        decoder.set_alignment()
        _run(decoder, samples)
    except RuntimeError:  # the words do not fit the sound
        return []
    return [
        Phone(phone.name, phone.start // 4, -(-(phone.start + phone.duration) // 4))
        for word in decoder.get_alignment() or ()
        for phone in word
    ]


def processors(count: int) -> None:
    """Keeps this process to so many processors."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
