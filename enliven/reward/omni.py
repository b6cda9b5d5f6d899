"""Qwen2.5-Omni and Qwen3-Omni from a local folder, as the judge's model.

Only the thinker is loaded, the part that reads; the talker is for speaking.  A digit costs one
forward pass, and its probability is exact.

Pictures are cut into patches here rather than by the model's own video processor, which needs a
torchvision built for the very same torch: frames are given at their own rate, none is dropped,
and all but the sides, rounded to whole patches, stays as it was.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.errors import ModelUnavailable
from enliven.media.audio import SPEECH_RATE
from enliven.reward.message import Part, Pictures, Question, Reply, Sound, Text, Unanswered

CLASSES = {
    "qwen2_5_omni": "Qwen2_5OmniThinkerForConditionalGeneration",
    "qwen3_omni_moe": "Qwen3OmniMoeThinkerForConditionalGeneration",
}
# Mean and deviation of the colours that each was trained with, 0 to 1 (their preprocessor files).
COLOURS = {
    "qwen2_5_omni": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "qwen3_omni_moe": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
SYSTEM = "You are a careful viewer of video clips."
MOST_TOKENS = {"json": 200, "text": 60}
MOST_HEARD = 30.0  # seconds; the sound's features are made for no more

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Patches:
    """Numbers around which pictures are cut: px of a patch, patches a side and frames that become
    one token, and the colours' mean and deviation."""

    side: int
    merge: int
    frames: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


@final
class Omni:
    """A loaded thinker.  Use `load_omni`.  One question at a time."""

    workers = 1

    def __init__(
        self, model: Any, tokenizer: Any, extractor: Any, patches: Patches, name: str,
        identity: str,
    ) -> None:  # fmt: skip
        self.name, self.identity = name, identity
        self._model, self._tokenizer, self._extractor = model, tokenizer, extractor
        self._patches = patches
        self._marks = _marks(model.config, tokenizer)
        self._digits = [_one_token(tokenizer, str(digit)) for digit in range(1, 6)]
        # logits of the last position only: a vocabulary for each of thousands is gigabytes
        model.lm_head.register_forward_pre_hook(lambda _, given: (given[0][:, -1:],))

    def ask(self, question: Question) -> Reply:
        """Answers.  Raises Unanswered, as when memory runs out."""
        import torch

        try:
            with torch.inference_mode():
                inputs = self._inputs(question.parts)
                count = int(inputs["input_ids"].shape[1])
                if question.kind == "digit":
                    logits = self._model(**inputs, use_cache=False).logits[0, -1].float()
                    known = torch.log_softmax(logits, -1)[self._digits].tolist()
                    logprobs = {str(k): value for k, value in enumerate(known, 1)}
                    return Reply(max(logprobs, key=logprobs.__getitem__), logprobs, count, 1)
                made = self._model.generate(
                    **inputs, do_sample=False, max_new_tokens=MOST_TOKENS[question.kind]
                )[0, count:]
        except (RuntimeError, ValueError) as error:
            why = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise Unanswered(f"the local model failed: {why}") from error
        text = self._tokenizer.decode(made, skip_special_tokens=True)
        return Reply(text, None, count, len(made))

    def _inputs(self, parts: tuple[Part, ...]) -> dict[str, Any]:
        """A question as the thinker takes it, batch of one."""
        import torch

        marks, tokenizer = self._marks, self._tokenizer

        def coded(words: str) -> list[int]:
            # not parsed for special tokens: no text may open a turn of its own
            return tokenizer.encode(words, add_special_tokens=False, split_special_tokens=True)

        def turn(role: str) -> list[int]:
            return [marks["turn"], *coded(f"{role}\n")]

        end = [marks["end"], *coded("\n")]
        ids = [*turn("system"), *coded(SYSTEM), *end, *turn("user")]
        pixels, grids, seconds, heard = [], [], [], []
        for part in parts:
            if isinstance(part, Text):
                ids += coded(part.words)
            elif isinstance(part, Pictures):
                values, grid = patched(part.frames, self._patches)
                count = grid[0] * grid[1] * grid[2] // self._patches.merge**2
                ids += [marks["see"], *[marks["picture"]] * count, marks["seen"]]
                pixels.append(values)
                grids.append(grid)
                seconds.append(self._patches.frames / part.fps)
            else:
                heard.append(self._features(part))
                count = self._tokens(*heard[-1])
                ids += [marks["hear"], *[marks["sound"]] * count, marks["heard"]]
        ids += [*end, *turn("assistant")]
        given: dict[str, Any] = {"input_ids": torch.tensor([ids])}
        given["attention_mask"] = torch.ones_like(given["input_ids"])
        if pixels:
            given["pixel_values_videos"] = torch.from_numpy(np.concatenate(pixels))
            given["video_grid_thw"] = torch.tensor(grids)
            given["video_second_per_grid"] = torch.tensor(seconds)
        if heard:
            given["input_features"] = torch.cat([features for features, _ in heard])
            given["feature_attention_mask"] = torch.cat([mask for _, mask in heard])
        device, kind = self._model.device, self._model.dtype
        return {name: value.to(device, kind) if name in ("input_features", "pixel_values_videos")
                else value.to(device) for name, value in given.items()}  # fmt: skip

    def _features(self, sound: Sound) -> tuple[Any, Any]:
        """Mel features (1, bands, frames) and which frames are sound (1, frames), both padded."""
        if len(sound.samples) > MOST_HEARD * SPEECH_RATE:
            raise ValueError(f"the sound is longer than {MOST_HEARD:g} s")
        made = self._extractor(
            sound.samples, sampling_rate=SPEECH_RATE, padding="max_length",
            return_attention_mask=True, return_tensors="pt",
        )  # fmt: skip
        return made["input_features"], made["attention_mask"]

    def _tokens(self, features: Any, mask: Any) -> int:
        """How many tokens a sound becomes; each model counts in its own way."""
        model = self._model
        heard = model.get_audio_features(
            features.to(model.device, model.dtype), mask.to(model.device), return_dict=True
        ).last_hidden_state
        return int(heard.reshape(-1, heard.shape[-1]).shape[0])


def patched(
    frames: NDArray[np.uint8], patches: Patches
) -> tuple[NDArray[np.float32], tuple[int, int, int]]:
    """Frames (n, h, w, 3) as rows of patches, and how many of them in time, height and width.

    Rows are (times height width, 3 frames side side), those that become one token together, as
    the Qwen vision encoders read them.  An odd last frame is shown twice.
    """
    count, height, width, _ = frames.shape
    whole = patches.side * patches.merge
    rows, columns = (max(1, round(length / whole)) for length in (height, width))
    size = (columns * whole, rows * whole)
    shown = [frame if (width, height) == size
             else np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
             for frame in frames]  # fmt: skip
    shown += shown[-1:] * (-count % patches.frames)
    values = np.stack(shown).astype(np.float32) / 255
    mean, deviation = (np.array(row, np.float32) for row in (patches.mean, patches.deviation))
    values = (values - mean) / deviation
    times, side, merge = len(shown) // patches.frames, patches.side, patches.merge
    blocks = values.reshape(times, patches.frames, rows, merge, side, columns, merge, side, 3)
    # time, row, column, row within, column within; then colour, frame, y, x
    made = blocks.transpose(0, 2, 5, 3, 6, 8, 1, 4, 7)
    grid = (times, rows * merge, columns * merge)
    return np.ascontiguousarray(made.reshape(grid[0] * grid[1] * grid[2], -1)), grid


def load_omni(folder: str | Path, device: Device = "auto") -> Omni:
    """The thinker of a Qwen2.5-Omni or Qwen3-Omni model, from a folder as transformers saves it.

    No network is used.  device: "auto" takes a CUDA device where there is one.
    Raises ModelUnavailable without the [judge-local] extra, for a folder without such a model,
    and where the folder lacks weights: transformers would fill them in at random.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise ModelUnavailable(
            f"a local judge needs torch and transformers, and {error.name} is not installed; run "
            '`pip install "enliven[judge-local]"`'
        ) from error
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelUnavailable(f"{folder} is not a folder; download a Qwen2.5-Omni or Qwen3-Omni "
                               "model first and give its folder")  # fmt: skip
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        family = config.model_type.removesuffix("_thinker")
        if family not in CLASSES:
            raise ModelUnavailable(f"{folder} holds a {config.model_type} model; a local judge "
                                   f"needs one of {', '.join(CLASSES)}")  # fmt: skip
        thinker = getattr(config, "thinker_config", config)
        model, loaded = getattr(transformers, CLASSES[family]).from_pretrained(
            folder, config=thinker, local_files_only=True, dtype="auto", output_loading_info=True
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        extractor = transformers.WhisperFeatureExtractor.from_pretrained(
            folder, local_files_only=True
        )
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ModelUnavailable(f"{folder} cannot be loaded: {why}. Give a folder with all files of "
                               "a Qwen2.5-Omni or Qwen3-Omni model") from error  # fmt: skip
    if loaded["missing_keys"]:
        missing = sorted(loaded["missing_keys"])
        raise ModelUnavailable(f"{folder} lacks {len(missing)} weights of the model, such as "
                               f"{missing[0]}; download it again")  # fmt: skip
    where = "cuda" if device == "auto" and torch.cuda.is_available() else device
    model = model.to("cpu" if where == "auto" else where).eval()
    vision, (mean, deviation) = thinker.vision_config, COLOURS[family]
    patches = Patches(int(vision.patch_size), int(vision.spatial_merge_size),
                      int(vision.temporal_patch_size), mean, deviation)  # fmt: skip
    return Omni(model, tokenizer, extractor, patches, folder.resolve().name, _identity(folder))


def _identity(folder: Path) -> str:
    """What decides the answers of a folder: its settings to the letter, and names and sizes of
    its weights, whose content is too large to read each time."""
    made = hashlib.sha256(b"omni 1")
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".txt", ".jinja"):
            made.update(path.name.encode() + path.read_bytes())
        elif path.suffix in (".safetensors", ".bin"):
            made.update(json.dumps([path.name, path.stat().st_size]).encode())
    return f"omni {made.hexdigest()}"


def _one_token(tokenizer: Any, word: str) -> int:
    """The id of a word that is one token.  Raises ModelUnavailable."""
    ids = tokenizer.encode(word, add_special_tokens=False)
    if len(ids) != 1:
        raise ModelUnavailable(f"the tokenizer of the judge's model makes {len(ids)} tokens of "
                               f"{word!r}, where one is needed; use another model")  # fmt: skip
    return int(ids[0])


def _marks(config: Any, tokenizer: Any) -> dict[str, int]:
    """Ids of the tokens around and in the place of turns, pictures and sound.

    The two families name them differently; what no configuration tells is told by the tokenizer.
    """
    names = {
        "turn": ("<|im_start|>",), "end": ("<|im_end|>",),
        "see": ("<|vision_bos|>", "<|vision_start|>"), "seen": ("<|vision_eos|>", "<|vision_end|>"),
        "hear": ("<|audio_bos|>", "<|audio_start|>"), "heard": ("<|audio_eos|>", "<|audio_end|>"),
    }  # fmt: skip
    known = tokenizer.get_vocab()
    made = {"picture": int(config.video_token_id), "sound": int(config.audio_token_id)}
    for mark, spellings in names.items():
        found = [known[name] for name in spellings if name in known]
        if not found:
            raise ModelUnavailable(f"the tokenizer of the judge's model has no {spellings[0]}; "
                                   "the folder's tokenizer files are of another model")  # fmt: skip
        made[mark] = int(found[0])
    return made
