"""Synthetic talking: pytest tests/test_data_synth.py"""

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from enliven.data.dataset import read_clips
from enliven.data.phonetics import is_known
from enliven.data.synth import MANIFEST, PERFORMANCES, synth_clip, synthesise, write_synthetic
from enliven.data.voices import LANGUAGES, made_up, sentence
from enliven.errors import BadOption, ModelUnavailable, OutputError
from enliven.media import espeak
from enliven.media.audio import SPEECH_RATE
from enliven.motion.controls import CONTROLS
from enliven.motion.latent import LATENT
from enliven.types import MOTION_FPS

installed = pytest.mark.skipif(
    not espeak.installed(), reason="espeakng-loader is missing: pip install 'enliven[speech]'"
)


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_language_has_something_to_say(name: str) -> None:
    language = LANGUAGES[name]
    rng = np.random.default_rng(3)
    assert len(set(language.sentences)) == len(language.sentences) >= 6
    said = [sentence(language, rng) for _ in range(40)]
    assert len(set(said)) > 10
    assert all(text[-1] in language.stops and len(text) > 3 for text in said)
    assert all(made_up(language, rng) for _ in range(20))


def test_unknown_languages_are_refused() -> None:
    with pytest.raises(BadOption, match="klingon"):
        next(synthesise(1.0, 0, ["en", "klingon"]))
    with pytest.raises(BadOption, match="no language"):
        next(synthesise(1.0, 0, []))


def test_nothing_is_written_for_what_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadOption, match="klingon"):
        next(write_synthetic(tmp_path / "a", 1.0, 0, ["klingon"]))
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    espeak.voices.cache_clear()
    with pytest.raises(ModelUnavailable, match=r"enliven\[speech\]"):
        next(write_synthetic(tmp_path / "b", 1.0, 0, ["en"]))
    assert list(tmp_path.iterdir()) == []


@installed
@pytest.mark.parametrize("number", range(0, len(LANGUAGES), 4))
def test_clips_are_whole_and_their_phones_known(number: int) -> None:
    clip = synth_clip(number, 5)
    assert clip.language == list(LANGUAGES)[number]
    assert clip.controls.shape == (len(clip.controls), len(CONTROLS))
    assert len(clip.samples) == round(len(clip.controls) * SPEECH_RATE / MOTION_FPS)
    assert 0 <= clip.controls.min() <= clip.controls.max() <= 1
    assert all(a.end == pytest.approx(b.start, abs=1e-4) for a, b in pairwise(clip.phones))
    assert clip.phones[-1].end == pytest.approx(clip.seconds, abs=0.03)
    assert all(is_known(letter) for phone in clip.phones for letter in phone.ipa)
    spoken = sum(p.end - p.start for p in clip.phones if p.ipa)
    assert 0.3 < spoken / clip.seconds < 0.95


@installed
def test_a_seed_is_a_clip() -> None:
    first, again, other = synth_clip(2, 7), synth_clip(2, 7), synth_clip(2, 8)
    assert np.array_equal(first.samples, again.samples)
    assert np.array_equal(first.controls, again.controls)
    assert first.text == again.text
    assert not np.array_equal(first.samples[:16000], other.samples[:16000])


@installed
def test_a_folder_is_continued_and_read_as_clips(tmp_path: Path) -> None:
    once, twice = tmp_path / "once", tmp_path / "twice"
    list(write_synthetic(once, 20, 1, ["en", "ja"]))
    list(write_synthetic(twice, 5, 1, ["en", "ja"]))
    with open(twice / MANIFEST, "a") as file:
        file.write('{"name": "cut off in the mi')
    list(write_synthetic(twice, 20, 1, ["en", "ja"]))
    assert list(write_synthetic(twice, 20, 1, ["en", "ja"])) == []
    names = sorted(p.relative_to(once) for p in once.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(twice) for p in twice.rglob("*") if p.is_file())
    assert all((once / name).read_bytes() == (twice / name).read_bytes() for name in names)

    rows = [json.loads(line) for line in (once / MANIFEST).read_text("utf-8").splitlines()]
    clips = read_clips(once)
    assert [row["name"] for row in rows] == [clip.name for clip in clips]
    assert [row["language"] for row in rows][:2] == ["en", "ja"]
    for row, clip in zip(rows, clips, strict=True):
        with np.load(once / PERFORMANCES / f"{clip.name}.npz") as file:
            assert file["latent"].shape == (len(clip), len(LATENT))
        assert row["caption"]
        assert row["seconds"] == clip.seconds
    with pytest.raises(OutputError, match="seed 1"):
        list(write_synthetic(once, 20, 2, ["en", "ja"]))


@installed
def test_clips_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text('{"name": "anna", "seconds": 3.0}\n')
    with pytest.raises(OutputError, match="another folder"):
        list(write_synthetic(tmp_path, 20, 0, ["en"]))
    assert not list(tmp_path.glob("*.npz"))
