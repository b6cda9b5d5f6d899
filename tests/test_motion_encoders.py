"""Other speech encoders: their frames are where ours are.  Tiny models of random weights."""

import sys
from pathlib import Path

import numpy as np
import pytest

from enliven.errors import BadOption, ModelUnavailable
from enliven.motion.audio import SAMPLE_RATE, frame_count
from enliven.motion.encoders import Encoder, load_encoder

FAMILIES = ("wav2vec2", "hubert", "wavlm", "whisper")
SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
         "intermediate_size": 32}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of each family, saved, by its name."""
    torch = pytest.importorskip("torch", reason="encoders need the [encoders] extra")
    transformers = pytest.importorskip("transformers", reason="encoders need the [encoders] extra")
    torch.manual_seed(0)
    made = {}
    for name, config, model in (
        ("wav2vec2", "Wav2Vec2Config", "Wav2Vec2Model"),
        ("hubert", "HubertConfig", "HubertModel"),
        ("wavlm", "WavLMConfig", "WavLMModel"),
    ):
        settings = getattr(transformers, config)(
            **SIZES, conv_dim=(16,) * 7, num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4, feat_extract_norm="layer", do_stable_layer_norm=True,
        )  # fmt: skip
        made[name] = tmp_path_factory.mktemp(name)
        getattr(transformers, model)(settings).save_pretrained(made[name])
        transformers.Wav2Vec2FeatureExtractor().save_pretrained(made[name])
    settings = transformers.WhisperConfig(
        d_model=24, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, vocab_size=100,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=3,
        suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    made["whisper"] = tmp_path_factory.mktemp("whisper")
    transformers.WhisperModel(settings).save_pretrained(made["whisper"])
    transformers.WhisperFeatureExtractor().save_pretrained(made["whisper"])
    return made


def hum(seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return 0.1 * np.sin(2 * np.pi * 150 * time) + 0.05 * np.sin(2 * np.pi * 1900 * time)


@pytest.mark.parametrize("family", FAMILIES)
def test_frames_are_those_of_our_own_features(folders: dict[str, Path], family: str) -> None:
    encoder = load_encoder(folders[family])
    rng = np.random.default_rng(0)
    for count in (0, 1, 159, 160, 1600, 33333):
        heard = encoder.features(rng.standard_normal(count))
        assert heard.shape == (frame_count(count), encoder.width)
        assert heard.dtype == np.float32
        np.testing.assert_allclose(heard.mean(1), 0, atol=1e-4)
        if count > 1:  # all the same in silence, through some random weights
            np.testing.assert_allclose(heard.std(1), 1, atol=1e-2)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_click_is_heard_when_it_is(folders: dict[str, Path], family: str) -> None:
    """The middle of what a click changes is at the click, without lag, wherever it falls
    between the encoder's frames of 20 ms."""
    encoder = load_encoder(folders[family], layer=0)
    plain = 0.003 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)
    before = encoder.features(plain)
    late = []
    for at in range(8000, 8320, 40):
        clicked = plain.copy()
        clicked[at - 16 : at + 16] += 0.5 * (-1.0) ** np.arange(32)
        change = np.linalg.norm(encoder.features(clicked) - before, axis=1) ** 2
        near = np.arange(40, 62)
        late.append((change[near] @ near) / change[near].sum() - at / 160)
        assert 40 < change[:100].argmax() < 61
    assert abs(np.mean(late)) < 0.5
    assert np.abs(late).max() < 2.0


@pytest.mark.parametrize("family", FAMILIES)
def test_long_sounds_are_heard_in_windows_that_join(folders: dict[str, Path], family: str) -> None:
    encoder = load_encoder(folders[family], layer=0)
    sound = hum(40.0) + 0.05 * np.random.default_rng(0).standard_normal(40 * SAMPLE_RATE)
    heard = encoder.features(sound)
    assert heard.shape == (4001, encoder.width)
    steps = np.linalg.norm(np.diff(heard, axis=0), axis=1)
    joint = steps[2590:3010].max()  # from 26 s to 30 s both windows are heard
    assert joint < 1.5 * steps[1000:2500].max()


def test_layers_differ_and_the_last_is_the_default(folders: dict[str, Path]) -> None:
    folder = folders["wav2vec2"]
    sound = hum(1.0)
    last = load_encoder(folder).features(sound)
    np.testing.assert_array_equal(last, load_encoder(folder, layer=2).features(sound))
    assert np.abs(last - load_encoder(folder, layer=0).features(sound)).max() > 0.01
    with pytest.raises(BadOption, match="layers 0 to 2"):
        load_encoder(folder, layer=3)


def test_same_sound_same_features(folders: dict[str, Path]) -> None:
    first, again = (load_encoder(folders["hubert"]).features(hum(0.5)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_models_of_other_families_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    transformers.BertConfig(hidden_size=16, num_attention_heads=2).save_pretrained(tmp_path)
    with pytest.raises(BadOption, match="bert model; choose one of wav2vec2"):
        load_encoder(tmp_path)


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="encoders need the [encoders] extra")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        load_encoder(tmp_path)


def test_bad_samples_are_refused(folders: dict[str, Path]) -> None:
    encoder: Encoder = load_encoder(folders["wav2vec2"])
    with pytest.raises(BadOption, match="one channel"):
        encoder.features(np.zeros((2, 100)))


def test_without_the_extra_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelUnavailable, match=r"pip install \"enliven\[encoders\]\""):
        load_encoder("facebook/wav2vec2-base")
