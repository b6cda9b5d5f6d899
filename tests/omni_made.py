"""Tiny omni models of random weights, with all files of a real folder."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="local judges need the [judge-local] extra")
transformers = pytest.importorskip(
    "transformers", reason="local judges need the [judge-local] extra"
)

SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>",
    "<|vision_bos|>", "<|vision_eos|>", "<|IMAGE|>", "<|VIDEO|>",
)  # fmt: skip
FIRST = 256  # id of the first special token; below are the bytes
IDS = {name: FIRST + i for i, name in enumerate(SPECIAL)}
VOCABULARY = 300


def tokenizer() -> Any:
    """One token a byte, and the special ones."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(list(SPECIAL))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|im_end|>")


def tiny_qwen25() -> Any:
    """Configuration of a thinker like Qwen2.5-Omni's."""
    return transformers.Qwen2_5OmniThinkerConfig(
        audio_config={"num_mel_bins": 128, "encoder_layers": 2, "encoder_attention_heads": 2,
                      "encoder_ffn_dim": 32, "d_model": 32, "n_window": 100, "output_dim": 32},
        vision_config={"depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 32,
                       "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
                       "window_size": 112, "out_hidden_size": 32, "fullatt_block_indexes": [1]},
        text_config={"vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64,
                     "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                     "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
                                         "mrope_section": [1, 1, 2]}},
        audio_token_index=IDS["<|AUDIO|>"], image_token_index=IDS["<|IMAGE|>"],
        video_token_index=IDS["<|VIDEO|>"], audio_start_token_id=IDS["<|audio_bos|>"],
        audio_end_token_id=IDS["<|audio_eos|>"], vision_start_token_id=IDS["<|vision_bos|>"],
        vision_end_token_id=IDS["<|vision_eos|>"], position_id_per_seconds=25, seconds_per_chunk=2,
        user_token_id=1,
    )  # fmt: skip


def tiny_qwen3() -> Any:
    """Configuration of a thinker like Qwen3-Omni's."""
    made = transformers.Qwen3OmniMoeThinkerConfig(
        audio_config={"num_mel_bins": 128, "encoder_layers": 2, "encoder_attention_heads": 2,
                      "encoder_ffn_dim": 32, "d_model": 32, "n_window": 50, "output_dim": 32,
                      "downsample_hidden_size": 8},
        vision_config={"depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 32,
                       "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2,
                       "out_hidden_size": 32, "num_position_embeddings": 64,
                       "deepstack_visual_indexes": [0]},
        text_config={"vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64,
                     "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                     "head_dim": 8, "moe_intermediate_size": 16, "num_experts": 4,
                     "num_experts_per_tok": 2,
                     "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
                                         "mrope_section": [1, 1, 2], "mrope_interleaved": True}},
        audio_token_id=IDS["<|AUDIO|>"], image_token_id=IDS["<|IMAGE|>"],
        video_token_id=IDS["<|VIDEO|>"], audio_start_token_id=IDS["<|audio_bos|>"],
        position_id_per_seconds=25, user_token_id=1,
    )  # fmt: skip
    made.vision_start_token_id = IDS["<|vision_bos|>"]
    made.vision_end_token_id = IDS["<|vision_eos|>"]
    made.audio_end_token_id = IDS["<|audio_eos|>"]
    return made


def save_thinker(folder: Path, family: str) -> Any:
    """A folder with a random thinker; the model in it."""
    torch.manual_seed(0)
    if family == "qwen2_5_omni":
        model = transformers.Qwen2_5OmniThinkerForConditionalGeneration(tiny_qwen25())
    else:
        model = transformers.Qwen3OmniMoeThinkerForConditionalGeneration(tiny_qwen3())
    for parameter in model.parameters():  # as initialised, answers differ by less than rounding
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    transformers.WhisperFeatureExtractor(feature_size=128).save_pretrained(folder)
    return model
