"""What judging costs: seconds of one core for a second of video, and memory against length."""

import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enliven.animate import animate, save_video
from enliven.media.audio import SPEECH_RATE, read_speech
from enliven.media.video import probe, read_frames

EXAMPLE = Path(__file__).parents[1] / "examples"
SIZE = 320  # px of the example that is judged
LENGTHS = (20, 120)  # seconds
CHILD = """
import resource, sys, time
import cv2
import enliven
cv2.setNumThreads(1)
start = time.process_time(), time.perf_counter()
enliven.judge(sys.argv[1], portrait=sys.argv[2])
print(time.process_time() - start[0], time.perf_counter() - start[1],
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def looped(video: Path, seconds: float, out: Path) -> Path:
    """The video shown again and again with its sound."""
    rate = probe(video).fps
    sound = out.with_suffix(".wav")
    samples = np.resize(read_speech(video).samples, round(seconds * SPEECH_RATE))
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, SPEECH_RATE, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype(np.int16).tobytes())

    def frames() -> Iterator[NDArray[np.uint8]]:
        count = round(seconds * float(rate))
        while count > 0:
            for frame in read_frames(video).frames:
                yield frame
                count -= 1
                if not count:
                    return

    return save_video(out, frames(), rate, sound=sound, overwrite=True)


def cost_table(data: Path, cache: Path | None) -> None:
    """Of our own example; memory is that of a process of its own."""
    photo = EXAMPLE / "portrait.jpg"
    with tempfile.TemporaryDirectory() as folder:
        made = animate(photo, audio=EXAMPLE / "speech.wav", size=SIZE, output=f"{folder}/a.mp4")
        print("seconds of video   CPU-s per s   seconds per s   peak memory, MB")
        for seconds in LENGTHS:
            video = looped(made.path, seconds, Path(folder, f"{seconds}.mp4"))
            done = subprocess.run([sys.executable, "-c", CHILD, str(video), str(photo)],
                                  capture_output=True, text=True, check=True)  # fmt: skip
            cpu, wall, memory = map(float, done.stdout.split())
            print(f"{seconds:16d}   {cpu / seconds:11.2f}   {wall / seconds:13.2f}   {memory:8.0f}",
                  flush=True)  # fmt: skip
