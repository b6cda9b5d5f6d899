"""A whole training run, in small.  Needs the [train] extra."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")
pytest.importorskip("safetensors", reason="training needs safetensors: pip install enliven[train]")
pytest.importorskip("tensorboard", reason="training needs tensorboard: pip install enliven[train]")

from safetensors.torch import load_file  # noqa: E402

from enliven.data.dataset import TalkingClip, packed_shape, write_clip  # noqa: E402
from enliven.errors import BadMedia, BadOption, ModelUnavailable  # noqa: E402
from enliven.face.head import load_head  # noqa: E402
from enliven.motion.generator import Generator  # noqa: E402
from enliven.recipes.speech import recipe  # noqa: E402
from enliven.train import articulation as lips  # noqa: E402
from enliven.train.articulation_data import Clip  # noqa: E402
from enliven.train.performer_net import PerformerNet, Shape  # noqa: E402
from enliven.train.performer_set import SetConfig  # noqa: E402
from enliven.train.recipe import load_recipe  # noqa: E402
from enliven.train.speech import SpeechRecipe, kept_out, speaker_folds  # noqa: E402
from enliven.types import CHANNELS, EXPRESSION  # noqa: E402

SECONDS = 3


def tiny() -> SpeechRecipe:
    full = recipe()
    return replace(
        full,
        articulation=lips.Config(members=(lips.Member(8, 2, 0.5, 0.0),), batch=2, voices=1),
        performer=replace(full.performer, shape=Shape(16, 1, 2), steps=3, batch=2, save_every=2),
        learned_from=SetConfig(real=6, heard=0, quiet=2, takes=1, tested=0.2),
        folds=2,
    )


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two speakers whose jaw opens with the loudness of a hum."""
    folder = tmp_path_factory.mktemp("clips")
    head, frames = load_head(), 25 * SECONDS
    for number in range(4):
        rng = np.random.default_rng(number)
        open_ = np.maximum(0, np.sin(np.arange(frames) / 4 + number)) * 0.3
        loud = np.repeat(open_, 640)
        hum = np.sin(2 * np.pi * 140 * np.arange(len(loud)) / 16000) * loud
        values = np.zeros((frames, len(CHANNELS)), np.float32)
        values[:, EXPRESSION.index("jawOpen")] = open_
        shapes = head.mean + open_[:, None, None] * head.basis[EXPRESSION.index("jawOpen")]
        valid = np.ones(frames, bool)
        samples = (8000 * hum + 20 * rng.standard_normal(len(hum))).astype(np.int16)
        clip = TalkingClip(f"c{number}", "ab"[number % 2], samples, packed_shape(shapes, valid),
                           values, valid)  # fmt: skip
        write_clip(folder, clip)
    return folder


def test_a_run_from_clips_to_a_generator(clips: Path, tmp_path: Path) -> None:
    models = tiny().run(clips, None, tmp_path, threads=1)
    motion = Generator.load(models).generate(np.zeros(16000), seconds=1.0)
    assert len(motion) == 25
    stored = load_file(models / "performer.safetensors")
    assert set(stored) == set(PerformerNet(Shape(16, 1, 2)).state_dict())
    log = list((tmp_path / "log").iterdir())
    assert log
    again = tiny().run(clips, None, tmp_path, threads=1)  # all is there already
    assert (again / "performer.onnx").read_bytes() == (models / "performer.onnx").read_bytes()


class Loudness:
    """An encoder of three numbers a frame, as `motion.encoders` makes them."""

    def features(self, samples: np.ndarray) -> np.ndarray:
        frames = np.resize(np.abs(samples), (len(samples) // 160 + 1, 160)).mean(1)
        return np.stack([frames, frames**2, 1 - frames], 1).astype(np.float32)


def test_networks_can_hear_with_another_encoder(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def load(name: str, layer: int) -> Loudness:
        asked.append((name, layer))
        return Loudness()

    monkeypatch.setattr("enliven.train.articulation.load_encoder", load)
    monkeypatch.setattr("enliven.motion.articulation.load_encoder", load)
    own = tiny()
    own = replace(own, articulation=replace(own.articulation, encoder="loudness", layer=2))
    generator = Generator.load(own.run(clips, None, tmp_path, threads=1))
    sound = np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    assert len(generator.generate(sound, seconds=2.0)) == 50
    assert set(asked) == {("loudness", 2)}
    with pytest.raises(BadOption, match="whole files"):
        generator.stream()


def clip(name: str, speaker: str) -> Clip:
    return Clip(name, speaker, np.zeros(1, np.int16), np.zeros((1, 1)), np.zeros((1, 1)))


def test_a_folder_without_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="enliven train"):
        Generator.load(tmp_path)


def test_folds_share_out_speakers() -> None:
    made = [clip(f"{s}{i}", s) for s, n in {"a": 9, "b": 5, "c": 4, "d": 1}.items()
            for i in range(n)]  # fmt: skip
    groups = speaker_folds(made, 2)
    assert groups[0] | groups[1] == set("abcd")
    assert not groups[0] & groups[1]
    sizes = [sum(c.speaker in group for c in made) for group in groups]
    assert abs(sizes[0] - sizes[1]) <= 1


def test_too_few_speakers_are_refused() -> None:
    with pytest.raises(BadMedia, match="2 are needed"):
        speaker_folds([clip("a", "one")], 2)


def test_only_clips_of_speakers_with_many_are_kept_out() -> None:
    made = [clip(f"m{i:02}", "many") for i in range(25)] + [clip("f", "few")]
    assert kept_out(made, 5) == {"m00", "m05", "m10", "m15", "m20"}


def test_recipes_are_found_by_name_and_by_path(tmp_path: Path) -> None:
    assert isinstance(load_recipe("recipes.speech"), SpeechRecipe)
    own = tmp_path / "own.py"
    own.write_text("def recipe():\n    return 7\n")
    assert load_recipe(str(own)) == 7


@pytest.mark.parametrize("name", ["recipes.songs", "speech", "nowhere.py"])
def test_unknown_recipes_are_refused(name: str) -> None:
    with pytest.raises(BadOption, match="recipe"):
        load_recipe(name)
