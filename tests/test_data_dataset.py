"""Clip archives, and `enliven data check`: pytest tests/test_data_dataset.py"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from enliven.cli import app
from enliven.data.dataset import (
    SHAPE_STEP,
    TalkingClip,
    clip_paths,
    packed_samples,
    packed_shape,
    read_clip,
    read_clips,
    write_clip,
)
from enliven.errors import BadMedia, OutputError, OutputExists
from enliven.types import CHANNELS


def made(name: str = "a", frames: int = 50, speaker: str = "ann", seed: int = 0) -> TalkingClip:
    rng = np.random.default_rng(seed)
    return TalkingClip(
        name, speaker, packed_samples(rng.uniform(-1.2, 1.2, frames * 640)),
        packed_shape(rng.normal(0, 0.5, (frames, 478, 3)), np.arange(frames) != 3),
        rng.normal(0, 1, (frames, len(CHANNELS))).astype(np.float32), np.arange(frames) != 3,
    )  # fmt: skip


def test_what_is_written_is_read(tmp_path: Path) -> None:
    clip = made()
    path = write_clip(tmp_path, clip)
    assert path == tmp_path / "a.npz"
    again = read_clip(path)
    for name in ("samples", "shape", "values", "valid"):
        np.testing.assert_array_equal(getattr(again, name), getattr(clip, name))
        assert getattr(again, name).dtype == getattr(clip, name).dtype
    assert (again.name, again.speaker, again.seconds, len(again)) == ("a", "ann", 2.0, 50)


def test_units() -> None:
    points = np.random.default_rng(1).uniform(-3, 3, (4, 478, 3))
    valid = np.array([True, True, False, True])
    clip = TalkingClip("a", "", packed_samples(np.array([1.0, -1.0, 0.5, 0.0, 2.0])),
                       packed_shape(points, valid), np.zeros((4, len(CHANNELS)), np.float32),
                       valid)  # fmt: skip
    assert np.abs(clip.shapes()[valid] - points[valid]).max() <= SHAPE_STEP / 2 + 1e-6
    assert np.isnan(clip.shapes()[2]).all()
    np.testing.assert_allclose(clip.sound(), [1, -1, 0.5, 0, 1], atol=2e-5)


def test_shapes_of_lost_frames_need_not_be_numbers() -> None:
    points = np.full((2, 478, 3), np.nan)
    points[0] = 1.0
    packed = packed_shape(points, np.array([True, False]))
    assert packed[0, 0, 0] == round(1 / SHAPE_STEP)
    assert not packed[1].any()


def test_order_is_by_name_and_unfinished_files_are_left_out(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write_clip(tmp_path, made(name))
    (tmp_path / ".enliven-00000000.part.npz").write_bytes(b"half")
    assert [clip.name for clip in read_clips(tmp_path)] == ["a", "b", "c"]


def test_same_clip_same_bytes_and_nothing_else_in_the_folder(tmp_path: Path) -> None:
    first = write_clip(tmp_path, made()).read_bytes()
    with pytest.raises(OutputExists):
        write_clip(tmp_path, made())
    assert write_clip(tmp_path, made(), overwrite=True).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("name", ["", "../a", ".a", "x/y"])
def test_names_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="plain file name"):
        write_clip(tmp_path, replace(made(), name=name))


def test_arrays_that_do_not_fit_are_refused() -> None:
    clip = made()
    with pytest.raises(BadMedia, match="shape is"):
        replace(clip, shape=clip.shape[:-1])
    with pytest.raises(BadMedia, match="samples is float64"):
        replace(clip, samples=clip.samples / 2)
    with pytest.raises(BadMedia, match="longer than the motion"):
        replace(clip, samples=np.zeros(160_000, np.int16))
    with pytest.raises(BadMedia, match="not all finite"):
        replace(clip, values=np.full_like(clip.values, np.nan))


def test_channels_are_found_by_name(tmp_path: Path) -> None:
    clip = made()
    path = write_clip(tmp_path, clip)
    with np.load(path) as file:
        content = dict(file)
    order = np.random.default_rng(0).permutation(len(CHANNELS))
    content |= {"values": clip.values[:, order], "channels": np.array(CHANNELS)[order]}
    np.savez(path, **content)
    np.testing.assert_array_equal(read_clip(path).values, clip.values)
    np.savez(path, **(content | {"channels": np.array(["smirk", *CHANNELS[1:]])}))
    with pytest.raises(BadMedia, match="smirk"):
        read_clip(path)


def test_bad_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadMedia, match="not a folder"):
        clip_paths(tmp_path / "none")
    with pytest.raises(BadMedia, match=r"no clips \(\.npz\)"):
        clip_paths(tmp_path)
    path = write_clip(tmp_path, made())
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"text", whole[:900] + b"x" * 50 + whole[950:]):
        path.write_bytes(broken)
        with pytest.raises(BadMedia, match=r"a\.npz"):
            read_clips(tmp_path)
    np.savez(path, samples=np.zeros(3))
    with pytest.raises(BadMedia, match="not a whole clip archive"):
        read_clip(path)


def test_check_tells_who_speaks_how_long(tmp_path: Path) -> None:
    for name, speaker, frames in (("a", "ann", 50), ("b", "ben", 25), ("c", "ann", 75)):
        write_clip(tmp_path, made(name, frames, speaker))
    result = CliRunner().invoke(app, ["data", "check", str(tmp_path), "--json", "--quiet"])
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["clips"] == 3
    assert told["seconds"] == {"ann": 5.0, "ben": 1.0}
    shutil.copy(tmp_path / "a.npz", tmp_path / "d.npz")
    (tmp_path / "d.npz").write_bytes(b"x")
    result = CliRunner().invoke(app, ["data", "check", str(tmp_path)])
    assert result.exit_code == 2
    assert "d.npz" in result.stderr
