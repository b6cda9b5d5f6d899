"""The same people with the same words by two generators, to be judged blind.

    python benchmarks/posttrain_pairs.py --photos photos --sounds voices --one DIR --two DIR
        [--first MODELS] [--second MODELS]
    python benchmarks/blind.py videos page.html --one DIR --two DIR

Writes 01.mp4, 02.mp4 ... of 4 seconds into both folders, and beside each a strip of its frames
(01.png), which `blind.py build` makes pages and sheets of.  Without --first or --second the
generator that ships.
"""

import argparse
import itertools
import tempfile
import wave
from pathlib import Path

import cv2
import numpy as np

from enliven.animate import save_video
from enliven.drive import from_speech
from enliven.face.portrait import load_portrait
from enliven.media.audio import SPEECH_RATE, read_speech
from enliven.motion.generator import Generator
from enliven.render.renderer import RenderOptions, render
from enliven.types import MOTION_FPS

SECONDS, SIZE = 4.0, 256
PAIRS = 40
FRAMES = 12  # of a strip, in two rows


def make(photo: Path, sound: Path, folders: dict[Path, Generator], name: str) -> None:
    """One pair: the same photo, voice and seed."""
    portrait = load_portrait(photo)
    voice = read_speech(sound).samples[: round(SECONDS * SPEECH_RATE)]
    with tempfile.TemporaryDirectory() as made:
        spoken = Path(made, "voice.wav")
        with wave.open(str(spoken), "wb") as file:
            file.setparams((1, 2, SPEECH_RATE, 0, "NONE", ""))
            file.writeframes((voice * 32767).astype(np.int16).tobytes())
        for folder, generator in folders.items():
            motion = from_speech(spoken, generator=generator)(portrait, seed=7)
            frames = list(render(portrait, motion, RenderOptions(size=SIZE, crop=True)))
            save_video(folder / f"{name}.mp4", iter(frames), MOTION_FPS, sound=spoken,
                       overwrite=True)  # fmt: skip
            chosen = [frames[i] for i in np.linspace(0, len(frames) - 1, FRAMES + 2).astype(int)]
            rows = [np.hstack(chosen[1 : FRAMES // 2 + 1]), np.hstack(chosen[FRAMES // 2 + 1 : -1])]
            cv2.imwrite(str(folder / f"{name}.png"), np.vstack(rows)[..., ::-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("photos", "sounds", "one", "two"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("first", "second"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    for folder in (given.one, given.two):
        folder.mkdir(parents=True, exist_ok=True)
    folders = {given.one: Generator.load(given.first), given.two: Generator.load(given.second)}
    photos, sounds = sorted(given.photos.iterdir()), sorted(given.sounds.iterdir())
    every = list(itertools.product(photos, sounds))
    order = np.random.default_rng(0).permutation(len(every))[:PAIRS]
    for number, chosen in enumerate(order, 1):
        make(*every[chosen], folders, f"{number:02}")


if __name__ == "__main__":
    main()
