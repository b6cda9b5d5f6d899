"""The sidecar holds what a replay needs and nothing more.  Run: pytest tests/test_provenance.py"""

import getpass
import hashlib
import json
import os
import socket
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enliven.errors import InputError, OutputError, OutputExists
from enliven.provenance import (
    TRAINED_ALGORITHMIC_MEDIA,
    FileRecord,
    Sidecar,
    check_inputs,
    disclosure,
    file_record,
    read_sidecar,
    sidecar_path,
    write_sidecar,
)


@pytest.fixture
def made(tmp_path):
    """A finished run: two inputs, an output, and its sidecar, not yet written."""
    for name in ("photos/ada \u00e4.jpg", "speech.wav", "out/ada--speech.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return Sidecar(
        version="0.1.0", command="animate", seed=7,
        inputs={"image": file_record(tmp_path / "photos/ada \u00e4.jpg"),
                "audio": file_record(tmp_path / "speech.wav")},
        output=file_record(tmp_path / "out/ada--speech.mp4"),
        options={"fps": 25, "face_box": [1.5, 2, 3, 4], "turn": None, "style": "calm"},
        timings={"track": 0.25}, scores={"lips": 0.91, "eyes": None}, notes=("NaN silenced",),
    )  # fmt: skip


def test_round_trip(made):
    path = write_sidecar(made)
    assert path == made.output.path.with_suffix(".json")
    assert read_sidecar(path) == made


def test_paths_are_relative_so_that_a_folder_can_move(made, tmp_path):
    text = write_sidecar(made).read_text(encoding="utf-8")
    content = json.loads(text)
    assert content["inputs"]["image"]["path"] == "../photos/ada \u00e4.jpg"
    assert content["output"]["path"] == "ada--speech.mp4"
    for secret in (str(tmp_path), socket.gethostname(), str(Path.home()), os.uname().release):
        assert secret not in text
    assert f"/{getpass.getuser()}/" not in text
    moved = tmp_path.with_name(tmp_path.name + "-moved")
    tmp_path.rename(moved)
    try:
        again = read_sidecar(moved / "out/ada--speech.json")
        assert again.inputs["audio"].path == moved / "speech.wav"
        check_inputs(again)
    finally:
        moved.rename(tmp_path)


def test_a_changed_or_missing_input_is_noticed(made, tmp_path):
    check_inputs(made)
    (tmp_path / "speech.wav").write_text("another")
    with pytest.raises(InputError, match=r"audio .* changed"):
        check_inputs(made)
    (tmp_path / "speech.wav").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        check_inputs(made)


def test_digests(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_record(tmp_path / "a").sha256 == hashlib.sha256(b"abc").hexdigest()
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("1.png", "2.png"):
        (folder / name).write_text(name)
    before = file_record(folder)
    assert file_record(folder) == before
    (folder / "2.png").rename(folder / "3.png")
    assert file_record(folder).sha256 != before.sha256


def test_where_the_sidecar_lies():
    assert sidecar_path("x/a.b.mp4") == Path("x/a.b.json")
    assert sidecar_path("x/pictures") == Path("x/pictures.json")
    assert sidecar_path("x/pictures/%05d.png") == Path("x/pictures.json")


def test_values_of_other_kinds(made):
    odd = {
        "fps": Fraction(30000, 1001), "scale": np.float32(0.5), "n": np.int64(3), "bad": np.nan,
        "where": Path("a/b"), "pair": (1, 2), "on": np.bool_(True),
    }  # fmt: skip
    sidecar = Sidecar(**{**vars(made), "options": odd, "scores": {"sync": float("nan")}})
    back = read_sidecar(write_sidecar(sidecar))
    assert back.options == {"fps": "30000/1001", "scale": 0.5, "n": 3, "where": "a/b", "bad": None,
                            "pair": [1, 2], "on": True}  # fmt: skip
    assert back.scores == {"sync": None}


def test_never_replaced_unasked(made):
    path = write_sidecar(made)
    with pytest.raises(OutputExists):
        write_sidecar(made)
    write_sidecar(made, overwrite=True)
    assert [p.name for p in path.parent.iterdir() if p.name.startswith(".")] == []
    lost = FileRecord(path.parent / "absent" / "a.mp4", made.output.sha256)
    with pytest.raises(OutputError):
        write_sidecar(Sidecar(**{**vars(made), "output": lost}))


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"schema": 99}, "schema 99"), ({"seed": "x"}, "seed"), ({"seed": True}, "seed"),
     ({"inputs": []}, "inputs"), ({"inputs": {"image": "a.jpg"}}, "image"),
     ({"output": {"path": "a", "sha256": "12"}}, "64"), ({"timings": {"a": "b"}}, "number"),
     ({"options": None}, "options"), ({"notes": "x"}, "notes")],
)  # fmt: skip
def test_wrong_content_is_named(made, change, reason):
    path = write_sidecar(made)
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}))
    with pytest.raises(InputError, match=reason):
        read_sidecar(path)


@settings(deadline=None, max_examples=50,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.one_of(st.binary(max_size=80), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["schema", "seed", "inputs", "output", "options", "path", "sha256"]),
        inner, max_size=4), max_leaves=10)))  # fmt: skip
def test_no_file_raises_anything_but_input_error(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(InputError):
        read_sidecar(path)


def test_missing_sidecar(tmp_path):
    with pytest.raises(InputError, match="beside an output"):
        read_sidecar(tmp_path / "absent.json")


def test_disclosure_names_the_iptc_source_type():
    tags = disclosure("1.2.3")
    assert tags["digital_source_type"] == TRAINED_ALGORITHMIC_MEDIA
    assert "enliven 1.2.3" in tags["comment"]
