"""How long the base installation takes and how large it is:

    python benchmarks/install.py [--demo]

Makes a fresh virtual environment in a temporary folder and installs this checkout with the
versions of constraints.txt.  --demo: also clones the checkout and times `make demo` twice,
the first time with installation and face networks, the second time installed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def timed(*command: str, folder: Path, **environment: str) -> float:
    """Seconds a command takes; its output is shown only if it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=os.environ | environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}")
    return time.perf_counter() - start


def size_mb(folder: Path) -> float:
    """What the files of a folder take on disk, links counted once."""
    files = {(s.st_dev, s.st_ino): s.st_blocks * 512 for p in folder.rglob("*") if (s := p.lstat())}
    return sum(files.values()) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = timed(sys.executable, "-m", "venv", "base", folder=folder)
        empty = size_mb(folder / "base")
        installed = timed("base/bin/python", "-m", "pip", "install", "-qq", "-c",
                          str(ROOT / "constraints.txt"), str(ROOT), folder=folder)  # fmt: skip
        print(f"environment {made:6.1f} s  {empty:6.0f} MB")
        print(f"base        {installed:6.1f} s  {size_mb(folder / 'base'):6.0f} MB")
        if arguments.demo:
            timed("git", "clone", "-q", str(ROOT), "clone", folder=folder)
            home = str(folder / "home")
            first = timed("make", "demo", folder=folder / "clone", ENLIVEN_HOME=home)
            second = timed("make", "demo", folder=folder / "clone", ENLIVEN_HOME=home)
            print(f"make demo   {first:6.1f} s from a clean clone, {second:.1f} s installed")


if __name__ == "__main__":
    main()
