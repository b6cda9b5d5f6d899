"""The same bytes whatever lies in memory that nobody has written to yet."""

import os
import subprocess
import sys

# A pattern that runs across a picture six blocks of x264 wide: no whole step of its vector code.
PROGRAM = """
import hashlib, sys
from pathlib import Path
import cv2, numpy as np
from enliven.media.write import write_video

pattern = np.random.default_rng(0).integers(0, 256, (12, 48, 3), dtype=np.uint8)
pattern = cv2.resize(pattern, (384, 96))
frames = (np.roll(pattern, 20 * i, 1)[:, :96] for i in range(14))
made = write_video(Path(sys.argv[1]), frames, 25)
print(hashlib.sha256(made.read_bytes()).hexdigest())
"""


def test_memory_that_nobody_wrote_to_is_not_read(tmp_path):
    """Linux's C library fills fresh memory with a byte on request; others ignore the request."""
    found = set()
    for byte in (1, 90, 200):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path / f"{byte}.mp4")],
            env={**os.environ, "MALLOC_PERTURB_": str(byte)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.add(done.stdout)
    assert len(found) == 1
