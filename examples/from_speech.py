"""A photo and a voice become a video: python examples/from_speech.py"""

from pathlib import Path

import enliven

Path("out").mkdir(exist_ok=True)

result = enliven.animate(
    "examples/portrait.jpg",
    audio="examples/speech.wav",
    output="out/from_speech.mp4",
    seed=7,
    head_motion=0.8,
    overwrite=True,
    progress=lambda stage, done, total: print(f"{stage} {done}/{total}", end="\r"),
)
print(f"\n{result.path}: {result.frames} frames in {result.timings['total']:.1f} s")
