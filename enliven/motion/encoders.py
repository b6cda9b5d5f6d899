"""Other ears: pretrained speech encoders in the place of `motion.audio.features`.

Nothing here is needed or imported by default.  Who has the [encoders] extra may train a motion
network on the hidden states of a wav2vec 2.0, HuBERT, WavLM or Whisper model, by its name or
from a folder.  They hear a window of the sound at once and are for files, not for live sound.
"""

from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption, ModelUnavailable
from enliven.motion.audio import FRAME_RATE, HOP, SAMPLE_RATE, frame_count

Array = NDArray[np.float32]

FAMILIES = ("wav2vec2", "hubert", "wavlm", "whisper")  # `model_type` of their configurations
WINDOW_SECONDS = 30.0  # heard at once; Whisper knows no other
OVERLAP_SECONDS = 4.0  # of windows, which fade into each other


@final
class Encoder:
    """A pretrained encoder.  Use `load_encoder`.

    width: E, number of features.
    """

    def __init__(self, model: Any, extractor: Any, layer: int) -> None:
        config = model.config
        self._model, self._extractor, self._layer = model, extractor, layer
        self._whisper = config.model_type == "whisper"
        self.width = int(config.d_model if self._whisper else config.hidden_size)
        if self._whisper:
            # mel frames are centred at multiples of 10 ms and halved in number
            self._stride, self._centre = 2 * HOP, 0.0
            self._window = config.max_source_positions * self._stride
        else:
            # receptive field of the convolutions: frame j hears stride * j to stride * j + field
            self._stride, field = 1, 1
            for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
                field += (kernel - 1) * self._stride
                self._stride *= stride
            self._centre = (field - 1) / 2
            self._window = round(WINDOW_SECONDS * SAMPLE_RATE)

    def features(self, samples: NDArray) -> Array:
        """Hidden states at 100 Hz, (F, width), each frame of mean 0 and deviation 1.

        samples: (N,) mono at 16 kHz in -1..1; F = N // 160 + 1, frame f is centred at f / 100 s.
        Raises BadOption when samples are not one channel of finite numbers.
        """
        samples = np.asarray(samples, np.float32)
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise BadOption(f"speech samples have shape {samples.shape} or are not all finite; "
                            "give one channel of finite numbers at 16 kHz")  # fmt: skip
        if not self._whisper and self._extractor.do_normalize and len(samples):
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        total = frame_count(len(samples))
        result = np.zeros((total, self.width), np.float32)
        window = self._window // HOP
        overlap = min(round(OVERLAP_SECONDS * FRAME_RATE), window // 2)
        for start in range(0, max(1, total - overlap), window - overlap):
            hidden, first = self._heard(samples, start)
            rows = np.arange(start, min(start + window, total))
            # between frames of the encoder
            at = (rows * HOP - first) / self._stride
            low = np.clip(np.floor(at).astype(int), 0, len(hidden) - 2)
            part = np.clip(at - low, 0, 1)[:, None].astype(np.float32)
            heard = hidden[low] * (1 - part) + hidden[low + 1] * part
            if start > 0:  # fades in while the window before it fades out
                share = np.clip((rows - start) / overlap, 0, 1)[:, None].astype(np.float32)
                heard *= share
                result[rows] *= 1 - share
            result[rows] += heard
        result -= result.mean(1, keepdims=True)
        return result / np.maximum(result.std(1, keepdims=True), np.float32(1e-6))

    def _heard(self, samples: Array, start: int) -> tuple[Array, float]:
        """Hidden states of the window that begins at feature frame `start`, and the sample at
        which the first of them is centred.  Silence lies outside the sound."""
        import torch

        # so much earlier that the first is centred where the window begins
        margin = round(self._centre)
        first, last = start * HOP - margin, start * HOP + self._window
        if not self._whisper:  # which takes nothing but whole windows
            last = min(last, len(samples) + 2 * self._stride) + margin
        piece = np.zeros(last - first, np.float32)
        low, high = max(first, 0), min(last, len(samples))
        if low < high:
            piece[low - first : high - first] = samples[low:high]
        with torch.inference_mode():
            if self._whisper:
                given = self._extractor(
                    piece, sampling_rate=SAMPLE_RATE, return_tensors="pt", padding="max_length",
                    max_length=self._window,
                ).input_features  # fmt: skip
            else:
                given = torch.from_numpy(piece)[None]
            states = self._model(given, output_hidden_states=True).hidden_states
        return states[self._layer][0].float().numpy(), first + self._centre


def load_encoder(name: str | Path, layer: int = -1) -> Encoder:
    """An encoder by its name on the Hugging Face hub, or from a folder as transformers saves it.

    layer: whose hidden states are the features; 0 is what goes into the first layer, -1 is what
    comes out of the last.
    Raises ModelUnavailable without the [encoders] extra or where the model cannot be loaded,
    BadOption for a model of another family and for a layer that it has not.
    """
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        raise ModelUnavailable(
            f"the speech encoder {name} needs torch and transformers, and {error.name} is not "
            'installed; run `pip install "enliven[encoders]"`'
        ) from error
    try:
        config = transformers.AutoConfig.from_pretrained(name)
        if config.model_type not in FAMILIES:
            raise BadOption(
                f"{name} is a {config.model_type} model; choose one of {', '.join(FAMILIES)}"
            )
        extractor = transformers.AutoFeatureExtractor.from_pretrained(name)
        model = transformers.AutoModel.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"the speech encoder {name} cannot be loaded: {first_line(error)}. Give the name of a "
            "model on the Hugging Face hub, with a network connection the first time, or a folder "
            "that transformers saved"
        ) from error
    model = model.get_encoder() if config.model_type == "whisper" else model
    layers = config.num_hidden_layers
    if not -layers - 1 <= layer <= layers:
        raise BadOption(f"layer is {layer}; {name} has layers 0 to {layers}")
    return Encoder(model.eval(), extractor, layer)


def first_line(error: Exception) -> str:
    """What it says, without what libraries add below."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
