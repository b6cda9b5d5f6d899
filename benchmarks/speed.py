"""Speed and memory of the whole command, decoding and encoding included:

    python benchmarks/speed.py [--photo PHOTO] [--size 512] [--threads 2] [SECONDS ...]

For each length (60 and 600 by default) the example voice is repeated to it and `enliven animate`
run in a process of its own on that many processors.  "x" is how many times faster than real
time; "first frame" counts from the start of the command; memory is the largest resident set.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).parents[1] / "examples"


def write_voice(path: Path, seconds: float) -> None:
    """The example voice, repeated to a length."""
    with wave.open(str(EXAMPLES / "speech.wav")) as file:
        voice = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        rate = file.getframerate()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.resize(voice, round(seconds * rate)).tobytes())


def run(command: list[str], threads: int) -> tuple[float, float]:
    """Seconds and peak MB of a command on that many processors."""
    processors = sorted(os.sched_getaffinity(0))[:threads]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                               preexec_fn=lambda: os.sched_setaffinity(0, processors))  # fmt: skip
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", type=Path, default=EXAMPLES / "portrait.jpg")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("seconds", nargs="*", type=float, default=[60.0, 600.0])
    arguments = parser.parse_args()
    print(f"{'voice':>8s} {'wall s':>8s} {'x':>6s} {'first frame s':>14s} {'peak MB':>8s}"
          f" {'portrait':>9s} {'motion':>7s} {'render':>7s}")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        for seconds in arguments.seconds:
            voice, video = Path(name, "voice.wav"), Path(name, "out.mp4")
            write_voice(voice, seconds)
            wall, peak_mb = run(
                [sys.executable, "-m", "enliven", "animate", str(arguments.photo), "-a", str(voice),
                 "-o", str(video), "--size", str(arguments.size), "--overwrite", "--quiet"],
                arguments.threads,
            )  # fmt: skip
            took = json.loads(video.with_suffix(".json").read_text())["timings"]
            stages = [took[stage] for stage in ("portrait", "motion", "render")]
            first = wall - sum(stages) + took["first_frame"]
            print(f"{seconds:6.0f} s {wall:8.1f} {seconds / wall:6.1f} {first:14.2f} {peak_mb:8.0f}"
                  f" {stages[0]:9.2f} {stages[1]:7.2f} {stages[2]:7.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
