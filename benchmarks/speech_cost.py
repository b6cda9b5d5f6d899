"""What speech to motion costs on one core, each number from a process of its own."""

import json
import os
import resource
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnx

SECONDS = 60.0
BLOCK = 320  # samples pushed at once, 20 ms
ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def offline(samples: np.ndarray, seconds: float) -> dict[str, float]:
    """Milliseconds per second of speech, and memory, of a whole file."""
    from enliven.motion.generator import Generator

    before = peak_mb()
    generator = Generator.load()
    generator.generate(samples[:32000], seconds=2.0)
    loaded = peak_mb()
    start = time.process_time(), time.perf_counter()
    generator.generate(np.resize(samples, round(seconds * 16000)), seconds=seconds)
    took = time.process_time() - start[0], time.perf_counter() - start[1]
    return {"cpu_ms": 1000 * took[0] / seconds, "wall_ms": 1000 * took[1] / seconds,
            "imported_mb": before, "loaded_mb": loaded, "peak_mb": peak_mb()}  # fmt: skip


def streaming(samples: np.ndarray, seconds: float) -> dict[str, float]:
    """Delay of the first and of every other chunk behind its last sample, as the work alone."""
    from enliven.motion.generator import Generator

    if not hasattr(Generator, "stream"):
        return {}
    speech = np.resize(samples, round(seconds * 16000)).astype(np.float32)
    stream = Generator.load().stream()
    spent, given, first, worst, behind = 0.0, 0, -1.0, 0.0, []
    for start in range(0, len(speech), BLOCK):
        before = time.process_time()
        made = stream.push(speech[start : start + BLOCK])
        took = time.process_time() - before
        spent += took
        if len(made):
            heard = (start + BLOCK) / 16000
            first = took if first < 0 else first
            worst = max(worst, took)
            # the oldest frame handed over waited for the sound after it and for the work
            behind.append(heard - given / 25)
            given += len(made)
    return {"first_ms": 1000 * first, "worst_ms": 1000 * worst, "total_ms": 1000 * spent / seconds,
            "waits_s": float(np.max(behind)), "peak_mb": peak_mb()}  # fmt: skip


def in_its_own_process(what: str, samples: Path, seconds: float) -> dict[str, float]:
    core = sorted(os.sched_getaffinity(0))[:1]
    done = subprocess.run(
        [sys.executable, __file__, what, str(samples), str(seconds)],
        env=os.environ | ONE_CORE, stdout=subprocess.PIPE, text=True, check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, core),
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def parameters() -> dict[str, tuple[int, float]]:
    """Numbers in each network that the package carries for speech, and MB."""
    found = {}
    for file in sorted(Path(str(files("enliven.models"))).glob("*.onnx")):
        graph = onnx.load(file).graph
        count = sum(int(np.prod(t.dims)) for t in graph.initializer if t.data_type in (1, 10))
        found[file.name] = count, file.stat().st_size / 1e6
    return found


def cost_table(samples_file: Path) -> None:
    """samples_file: .npy of a voice, (N,) at 16 kHz."""
    for name, (count, size) in parameters().items():
        print(f"{name}: {count / 1e6:.2f} M parameters, {size:.1f} MB")
    for seconds in (SECONDS, 4 * SECONDS):
        found = in_its_own_process("offline", samples_file, seconds)
        print(f"{seconds:.0f} s of speech at once, one core: {found['cpu_ms']:.0f} ms of "
              f"processor, {found['wall_ms']:.0f} ms by the clock per second of speech; memory "
              f"{found['imported_mb']:.0f} MB imported, {found['loaded_mb']:.0f} loaded, "
              f"{found['peak_mb']:.0f} at most", flush=True)  # fmt: skip
    for seconds in (SECONDS, 4 * SECONDS):
        found = in_its_own_process("streaming", samples_file, seconds)
        if not found:
            print("streaming: skipped, this version has no stream")
            return
        print(f"{seconds:.0f} s pushed in blocks of {BLOCK / 16:.0f} ms: first frames "
              f"{found['first_ms']:.0f} ms after the sound they need, worst chunk "
              f"{found['worst_ms']:.0f} ms, {found['total_ms']:.0f} ms per second of speech; a "
              f"frame comes at most {found['waits_s']:.2f} s after its sound; "
              f"{found['peak_mb']:.0f} MB",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    work = {"offline": offline, "streaming": streaming}[sys.argv[1]]
    print(json.dumps(work(np.load(sys.argv[2]), float(sys.argv[3]))))
