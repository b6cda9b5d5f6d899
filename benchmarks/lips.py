"""Lips of our speech-driven motion against the real lips of the same sound.

    python benchmarks/lips.py --data ../shared/data [--folds RUN] [--videos] [CLIP ...]

Pearson correlation of the lip aperture with that tracked in the real clip, without any search
for a lag, for every development video: of our motion, of our *rendered video* tracked like a
real one (--videos, from the clip's first frame), and of two baselines: the loudness of the
sound, and a table of openings for the phones that pocketsphinx recognises.

--folds: folder of networks trained by `enliven.train.articulation --hold-out`; a clip that the
shipped network was trained on is then predicted by the network that never saw its speaker (or,
for speaker s1, never saw the clip).  Clips given by path are measured too, motion only.

Two clips carry sound that is late or early by a measured number of frames; they are aligned.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pocketsphinx
from numpy.typing import NDArray

from enliven.drive import retarget
from enliven.face.head import load_head
from enliven.face.portrait import load_portrait
from enliven.face.track import track_video
from enliven.media.audio import Speech, read_speech
from enliven.media.video import read_frames
from enliven.metrics.lips import best_lag, correlation, lip_measures, measure_shape
from enliven.motion.audio import SAMPLE_RATE, analyse
from enliven.motion.generator import Generator
from enliven.motion.prosody import smooth
from enliven.render.renderer import render
from enliven.types import CHANNELS, MOTION_FPS, Motion

Array = NDArray[np.floating]

# Frames at 25 fps by which the real lips come after the sound (measured with other means).
REAL_LATE = {"v09_wda_ocasio_cortez": -3, "v14_infinitetalk_ref": 2}
KNOWN_SPEAKERS_FIRST = ("v01", "v02", "v03", "v04", "v05", "v06", "v07", "v08")

# Typical opening of the lips for each phone, 0 closed to 1.
OPENNESS = {"SIL": 0, "+SPN+": 0.2, "+NSN+": 0, "M": 0, "B": 0, "P": 0, "F": 0.1, "V": 0.1,
            "AA": 1, "AE": 0.95, "AH": 0.7, "AO": 0.8, "AW": 0.9, "AY": 0.95, "EH": 0.7, "ER": 0.45,
            "EY": 0.6, "IH": 0.45, "IY": 0.35, "OW": 0.6, "OY": 0.7, "UH": 0.4, "UW": 0.25,
            "HH": 0.5, "L": 0.5, "R": 0.35, "W": 0.15, "Y": 0.35, "K": 0.4, "G": 0.4, "NG": 0.4,
            "T": 0.3, "D": 0.3, "N": 0.3, "S": 0.2, "Z": 0.2, "SH": 0.25, "ZH": 0.25, "CH": 0.25,
            "JH": 0.25, "TH": 0.3, "DH": 0.3}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """Correlations of one clip; late: frames our motion comes after the real lips."""

    name: str
    loudness: float
    phones: float
    motion: float
    video: float
    late: int
    unseen: bool


def real_aperture(path: Path) -> Array:
    aperture = lip_measures(track_video(path, fps=MOTION_FPS).landmarks).aperture
    late = REAL_LATE.get(path.stem, 0)
    shifted = np.full(len(aperture), np.nan)
    frames = np.arange(len(aperture)) + late
    inside = (frames >= 0) & (frames < len(aperture))
    shifted[inside] = aperture[frames[inside]]
    return shifted


def motion_aperture(motion: Motion) -> Array:
    """Aperture of the average face under a motion relative to rest, IOD."""
    model = load_head()
    shapes = model.mean + np.einsum("tk,kpc->tpc", motion.group("expression"), model.basis)
    return measure_shape(shapes).aperture


def video_aperture(path: Path, spoken: Motion) -> Array:
    """The clip's first frame made to speak, rendered, and tracked like any video."""
    portrait = load_portrait(next(iter(read_frames(path).frames)))
    motion = retarget(spoken, portrait, np.zeros(len(CHANNELS)))
    return lip_measures(track_video(render(portrait, motion), fps=MOTION_FPS).landmarks).aperture


def loudness(speech: Speech, frames: int) -> Array:
    """Logarithm of the power around each motion frame."""
    sound = analyse(speech.samples, 0, 4 * (frames - 1) + 1)
    return smooth(np.maximum(sound.energy_db[::4], -50), 0.04)


def phone_openness(speech: Speech, frames: int) -> Array:
    """Openings of the recognised phones, smoothed over a frame and a half."""
    folder = Path(pocketsphinx.get_model_path()) / "en-us"
    decoder = pocketsphinx.Decoder(
        hmm=str(folder / "en-us"), allphone=str(folder / "en-us-phone.lm.bin"), lw=2.0,
        beam=1e-20, pbeam=1e-20, loglevel="FATAL",
    )  # fmt: skip
    decoder.start_utt()
    decoder.process_raw(
        (np.clip(speech.samples, -1, 1) * 32767).astype("<i2").tobytes(), False, True
    )
    decoder.end_utt()
    opening = np.zeros(4 * frames)
    for segment in decoder.seg() or ():
        opening[segment.start_frame : segment.end_frame + 1] = OPENNESS.get(segment.word, 0.3)
    return smooth(opening.reshape(frames, 4).mean(1), 0.06)


def unseen_generator(path: Path, folds: list[tuple[Generator, set[str]]]) -> Generator | None:
    """The network that was not trained on this clip's speaker, if there is one."""
    return next((network for network, held in folds if path.stem in held), None)


def load_folds(folder: Path | None) -> list[tuple[Generator, set[str]]]:
    folds = []
    for file in sorted(folder.glob("*.onnx")) if folder else []:
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        held = session.get_modelmeta().custom_metadata_map.get("held_out", "").split()
        folds.append((Generator(session), set(held)))
    return folds


def measure(path: Path, folds: list[tuple[Generator, set[str]]], videos: bool) -> Row:
    speech, real = read_speech(path), real_aperture(path)
    frames = min(len(real), round(speech.seconds * MOTION_FPS))
    real = real[:frames]
    other = unseen_generator(path, folds)
    generator = other or Generator.load()
    spoken = generator.generate(speech.samples, seconds=frames / MOTION_FPS)
    motion = motion_aperture(spoken)
    video = video_aperture(path, spoken) if videos else np.zeros(frames)
    wild = not path.stem.startswith(KNOWN_SPEAKERS_FIRST)
    return Row(
        name=path.stem,
        loudness=correlation(real, loudness(speech, frames)),
        phones=correlation(real, phone_openness(speech, frames)),
        motion=correlation(real, motion),
        video=correlation(real, video),
        late=best_lag(real, motion, 8)[0],
        unseen=other is not None or wild,
    )


def silence_and_noise(data: Path) -> None:
    """Deviation of the aperture where nothing is said, IOD; it must stay under 0.01."""
    for name in ("a14_silence_5s.wav", "a15_pink_noise_5s.wav", "a02_en_libri_1320.mp3"):
        path = data / "dev" / "audio" / name
        if path.exists():
            speech = read_speech(path)
            motion = Generator.load().generate(speech.samples, seconds=speech.seconds)
            print(f"{name:28s} {motion_aperture(motion).std():.4f}")


def clock_error(data: Path) -> None:
    """Frames by which the lips of the long recording lag at its start and at its end."""
    path = data / "dev" / "audio" / "a13_long_en_60s.wav"
    if not path.exists():
        return
    samples = read_speech(path).samples
    whole = motion_aperture(Generator.load().generate(samples, seconds=len(samples) / SAMPLE_RATE))
    for name, start in (("start", 0), ("end", 50)):
        piece = samples[start * SAMPLE_RATE : (start + 10) * SAMPLE_RATE]
        alone = motion_aperture(Generator.load().generate(piece, seconds=10.0))
        lag, r = best_lag(alone, whole[25 * start : 25 * (start + 10)], 12)
        print(f"{name} of 60 s against the same 10 s alone: {lag} frames late, r {r:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folds", type=Path)
    parser.add_argument("--videos", action="store_true")
    parser.add_argument("clips", nargs="*", help="names of development videos, or paths")
    options = parser.parse_args()
    folds = load_folds(options.folds)
    paths = sorted((options.data / "dev" / "video").glob("*.mp4"))
    if options.clips:
        named = [p for p in paths if p.stem.startswith(tuple(options.clips))]
        paths = named or [Path(c) for c in options.clips]

    print(f"{'clip':28s} loudness  phones  motion   video  late  unseen")
    rows = []
    for path in paths:
        row = measure(path, folds, options.videos)
        rows.append(row)
        video = f"{row.video:7.2f}" if options.videos else "      -"
        print(f"{row.name:28s} {row.loudness:8.2f} {row.phones:7.2f} {row.motion:7.2f} {video}"
              f" {row.late:5d}  {'yes' if row.unseen else 'no'}", flush=True)  # fmt: skip
    for title, chosen in (
        ("GRID, unseen", [r for r in rows if r.unseen and r.name.startswith(KNOWN_SPEAKERS_FIRST)]),
        ("in the wild", [r for r in rows if not r.name.startswith(KNOWN_SPEAKERS_FIRST)]),
    ):
        if chosen:
            table = np.array([[r.loudness, r.phones, r.motion, r.video] for r in chosen])
            told = " ".join(f"{v:7.2f}" for v in np.median(table, 0))
            print(f"{'median, ' + title + f' ({len(chosen)})':28s}  {told}")
    if not options.clips:
        print("\naperture deviation, IOD")
        silence_and_noise(options.data)
        print()
        clock_error(options.data)


if __name__ == "__main__":
    main()
