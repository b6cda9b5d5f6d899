"""Motion files: pytest tests/test_motion_io.py"""

import csv
from pathlib import Path

import numpy as np
import pytest

from enliven.errors import BadMotion, OutputError, OutputExists
from enliven.geometry import rotation_from_angles, vector_from_rotation
from enliven.motion_io import (
    CSV_ANGLES,
    CSV_EXPRESSION,
    load_motion,
    load_motion_and_reference,
    save_motion,
)
from enliven.types import CHANNELS, EXPRESSION, Motion


@pytest.fixture
def motion() -> Motion:
    rng = np.random.default_rng(0)
    return Motion(rng.random((7, len(CHANNELS))), 29.97, np.arange(7) != 3)


def test_round_trip(tmp_path: Path, motion: Motion) -> None:
    reference = motion.values[2]
    save_motion(tmp_path / "ä b.npz", motion, reference=reference)
    again, stored = load_motion_and_reference(tmp_path / "ä b.npz")
    np.testing.assert_array_equal(again.values, motion.values)
    np.testing.assert_array_equal(again.valid, motion.valid)
    np.testing.assert_array_equal(stored, reference)
    assert again.fps == motion.fps


def test_same_motion_same_bytes(tmp_path: Path, motion: Motion) -> None:
    first, second = (save_motion(tmp_path / name, motion) for name in ("a.npz", "b.npz"))
    assert first.read_bytes() == second.read_bytes()


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    path = tmp_path / "few.npz"
    np.savez(path, channels=["headRotY", "jawOpen"], values=[[0.1, 0.2], [0.3, 0.4]], fps=25)
    motion = load_motion(path)
    np.testing.assert_allclose(motion["jawOpen"], [0.2, 0.4])
    np.testing.assert_allclose(motion["headRotY"], [0.1, 0.3])
    assert np.count_nonzero(motion.values) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"channels": ["noseWiggle"], "values": [[1.0]], "fps": 25}, "noseWiggle"),
        ({"channels": ["jawOpen"], "values": [[1.0, 2.0]], "fps": 25}, "shape"),
        ({"channels": ["jawOpen"], "values": [[np.nan]], "fps": 25}, "not finite"),
        ({"channels": ["jawOpen"], "values": [[1.0]], "fps": 0}, "fps"),
        ({"channels": ["jawOpen"], "values": np.zeros((0, 1)), "fps": 25}, "no frames"),
        ({"values": [[1.0]], "fps": 25}, "not a motion file"),
        ({"channels": np.array([object()]), "values": [[1.0]], "fps": 25}, "not a motion file"),
    ],
)
def test_bad_content(tmp_path: Path, content: dict, message: str) -> None:
    np.savez(tmp_path / "bad.npz", **content)
    with pytest.raises(BadMotion, match=message):
        load_motion(tmp_path / "bad.npz")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut off"])
def test_no_motion_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(BadMotion, match="enliven track"):
        load_motion(tmp_path / "bad.npz")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(BadMotion, match="no such file"):
        load_motion(tmp_path / "none.npz")
    with pytest.raises(BadMotion, match="cannot be read"):
        load_motion(tmp_path)


def test_never_overwrites_unasked(tmp_path: Path, motion: Motion) -> None:
    path = save_motion(tmp_path / "a.npz", motion)
    before = path.read_bytes()
    with pytest.raises(OutputExists):
        save_motion(path, Motion.still(1))
    assert path.read_bytes() == before
    save_motion(path, Motion.still(1), overwrite=True)
    assert len(load_motion(path)) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_impossible_targets(tmp_path: Path, motion: Motion) -> None:
    for path in (tmp_path / "a.mp4", tmp_path / "none" / "a.npz", tmp_path):
        with pytest.raises(OutputError):
            save_motion(path, motion)


def test_csv_has_the_columns_of_live_link_face(tmp_path: Path) -> None:
    assert sorted(CSV_EXPRESSION) == sorted(EXPRESSION)
    turned = vector_from_rotation(rotation_from_angles(0.1, 0.2, -0.3))
    motion = Motion.still(32, 25).with_channels(jawOpen=0.5, head=turned, gazeYaw=0.05)
    with open(save_motion(tmp_path / "a.csv", motion), newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:4] == ["Timecode", "BlendShapeCount", "EyeBlinkLeft", "EyeLookDownLeft"]
    assert list(rows[0])[-9:] == list(CSV_ANGLES)
    assert len(rows[0]) == 2 + 61
    assert rows[0]["BlendShapeCount"] == "61"
    assert float(rows[0]["JawOpen"]) == 0.5
    angles = [float(rows[0][name]) for name in ("HeadYaw", "HeadPitch", "HeadRoll")]
    np.testing.assert_allclose(angles, [0.1, 0.2, -0.3], atol=1e-5)
    assert float(rows[0]["RightEyeYaw"]) == pytest.approx(0.05)
    assert [rows[i]["Timecode"] for i in (0, 24, 31)] == [
        "00:00:00:00.000", "00:00:00:24.000", "00:00:01:06.000"]  # fmt: skip
