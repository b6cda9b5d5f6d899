"""What killed runs leave behind goes; what living runs write to stays."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from enliven.media import leftovers
from enliven.media.files import check_output
from enliven.media.leftovers import SETTLED_SECONDS, hidden_name, remove_leftovers
from enliven.media.write import write_video

PROGRAM = """
import sys, time
import numpy as np
from enliven.media.write import write_video

def frames():
    for i in range(9):
        yield np.full((64, 64, 3), 9 * i, np.uint8)
    print("made", flush=True)
    time.sleep(60)

write_video(sys.argv[1], frames(), 25)
"""

needs_locks = pytest.mark.skipif(leftovers.fcntl is None, reason="no such locks on this system")


def aged(path):
    before = time.time() - SETTLED_SECONDS - 1
    os.utime(path, (before, before))
    return path


@needs_locks
@pytest.mark.parametrize("name", ["a.mp4", "pictures"])
def test_of_a_killed_run_nothing_stays(tmp_path, name):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / name)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as run:
        try:
            assert run.stdout.readline() == b"made\n"
            (hidden,) = tmp_path.iterdir()
            check_output(aged(hidden).parent / "b.mp4")
            assert hidden.exists()
        finally:
            run.kill()
    check_output(aged(hidden).parent / "b.mp4")
    assert not hidden.exists()


@needs_locks
def test_only_old_files_of_ours_go(tmp_path):
    kept = [tmp_path / name for name in ("a.mp4", ".enliven-notes", ".enliven-0123456789.part",
                                         hidden_name(".old"))]  # fmt: skip
    gone = [tmp_path / hidden_name(suffix) for suffix in ("", ".mp4", ".json")]
    for path in kept + gone:
        aged(path.write_bytes(b"x") and path)
    young = tmp_path / hidden_name(".mp4")
    young.touch()
    link = tmp_path / hidden_name(".mkv")
    link.symlink_to(kept[0])
    remove_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([*kept, young, link])


def test_a_run_survives_another_that_cleans_up(tmp_path):
    def frames():
        for i in range(60):  # many, so that the file has been opened and is being written
            for hidden in tmp_path.iterdir():
                aged(hidden)
            remove_leftovers(tmp_path)
            yield np.full((64, 64, 3), 4 * i, np.uint8)

    assert write_video(tmp_path / "a.mp4", frames(), 25).stat().st_size > 500
