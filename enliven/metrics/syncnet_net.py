"""SyncNet, the network behind LSE-C and LSE-D: what it hears, its layers, its published weights.

Chung and Zisserman 2016, "Out of time: automated lip sync in the wild", in the form released as
joonson/syncnet_python, whose checkpoint `syncnet_v2.model` the user supplies.  This is our own
implementation of that definition; nothing of it is shipped.  torch (the [train] extra) is needed
to run it and is imported only then.

Legend: W windows, of 5 frames at 25 fps and of 20 rows of sound at 100 Hz.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enliven.errors import ModelUnavailable
from enliven.media.files import digest, input_file

Array = NDArray[np.float32]

SIDE_PX = 224  # of a face
FRAMES = 5  # pictures of a window
ROWS = 20  # rows of sound of a window
STRIDE_ROWS = 4  # rows of sound a frame
WIDTH = 1024  # numbers of an embedding

SAMPLE_RATE = 16000
WINDOW, HOP = 400, 160  # samples: 25 ms, 10 ms; a rectangular window
FFT = 512
FILTERS, COEFFICIENTS = 26, 13
PREEMPHASIS, LIFTER = 0.97, 22
TINY = float(np.finfo(float).eps)  # in the place of a power of 0
BLOCK_ROWS = 4096  # of sound at once, so that memory does not grow with its length
BATCH = 8  # windows at once


@dataclass(frozen=True)
class Layer:
    """A convolution, batch normalisation and rectifier, and then a maximum over `pool`.

    at: number of the convolution within its stack; the normalisation has the next one.
    pool: (kernel, stride, padding), or None.
    """

    at: int
    inputs: int
    outputs: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    pool: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]] | None = None


# Sound (W, 1, 13, 20): coefficients by time.
VOICE = (
    Layer(0, 1, 64, (3, 3), (1, 1), (1, 1)),
    Layer(4, 64, 192, (3, 3), (1, 1), (1, 1), ((3, 3), (1, 2), (0, 0))),
    Layer(8, 192, 384, (3, 3), (1, 1), (1, 1)),
    Layer(11, 384, 256, (3, 3), (1, 1), (1, 1)),
    Layer(14, 256, 256, (3, 3), (1, 1), (1, 1), ((3, 3), (2, 2), (0, 0))),
    Layer(18, 256, 512, (5, 4), (1, 1), (0, 0)),
)
# Pictures (1, 3, W + 4, 224, 224): blue, green, red of 0 to 255, time, height, width.
LIPS = (
    Layer(0, 3, 96, (5, 7, 7), (1, 2, 2), (0, 0, 0), ((1, 3, 3), (1, 2, 2), (0, 0, 0))),
    Layer(4, 96, 256, (1, 5, 5), (1, 2, 2), (0, 1, 1), ((1, 3, 3), (1, 2, 2), (0, 1, 1))),
    Layer(8, 256, 256, (1, 3, 3), (1, 1, 1), (0, 1, 1)),
    Layer(11, 256, 256, (1, 3, 3), (1, 1, 1), (0, 1, 1)),
    Layer(14, 256, 256, (1, 3, 3), (1, 1, 1), (0, 1, 1), ((1, 3, 3), (1, 2, 2), (0, 0, 0))),
    Layer(18, 256, 512, (1, 6, 6), (1, 1, 1), (0, 0, 0)),
)
STACKS = {"netcnnaud": VOICE, "netcnnlip": LIPS}
HEADS = ("netfcaud", "netfclip")  # linear, normalisation, rectifier, linear
HIDDEN = 512


def mfcc(samples: NDArray) -> NDArray[np.float64]:
    """Mel cepstra (13, F) of a voice (N,) in -1..1 at 16 kHz, F = 1 + ceil((N - 400) / 160).

    As python_speech_features computes them by default from 16-bit samples, which is what the
    network was trained on: pre-emphasis 0.97, 26 mel bands from 0 to 8 kHz on whole bins of a
    512-point spectrum, orthonormal cosine transform, lifter 22, log energy in the first place.
    (13, 0) without sound.
    """
    if not len(samples):
        return np.zeros((COEFFICIENTS, 0))
    count = 1 + max(0, -(-(len(samples) - WINDOW) // HOP))
    filters, cosine = _mel_filters(), _cosine_matrix()
    found = []
    for first in range(0, count, BLOCK_ROWS):
        signal = _emphasised(
            samples, first * HOP, (min(first + BLOCK_ROWS, count) - 1) * HOP + WINDOW
        )
        rows = np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[::HOP]
        power = np.abs(np.fft.rfft(rows, FFT)) ** 2 / FFT
        bands, energy = power @ filters.T, power.sum(1)
        cepstra = np.log(np.where(bands == 0, TINY, bands)) @ cosine.T
        cepstra[:, 0] = np.log(np.where(energy == 0, TINY, energy))
        found.append(cepstra)
    return np.concatenate(found).T


def _emphasised(samples: NDArray, start: int, stop: int) -> NDArray[np.float64]:
    """Samples start to stop, in levels of 16 bits, each less most of the one before it; zeros
    beyond the end."""
    piece = np.asarray(samples[max(start - 1, 0) : stop], np.float64)
    levels = np.clip(np.rint(piece * 32768), -32768, 32767)
    if start == 0:
        levels = np.concatenate([[0.0], levels])
    return np.pad(levels[1:] - PREEMPHASIS * levels[:-1], (0, stop - start - len(levels) + 1))


def _mel_filters() -> NDArray[np.float64]:
    """Triangles (26, 257) with corners on whole bins."""
    highest = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    hz = 700 * (10 ** (np.linspace(0, highest, FILTERS + 2) / 2595) - 1)
    corner = np.floor((FFT + 1) * hz / SAMPLE_RATE)[:, None]
    bins = np.arange(FFT // 2 + 1)
    low, middle, high = corner[:-2], corner[1:-1], corner[2:]
    # a side on one bin has no width and holds nothing
    rise = (bins - low) / np.maximum(middle - low, 1) * ((bins >= low) & (bins < middle))
    fall = (high - bins) / np.maximum(high - middle, 1) * ((bins >= middle) & (bins < high))
    return rise + fall


def _cosine_matrix() -> NDArray[np.float64]:
    """Orthonormal cosine transform (13, 26) with the lifter."""
    k, n = np.arange(COEFFICIENTS)[:, None], np.arange(FILTERS)
    matrix = np.sqrt(2 / FILTERS) * np.cos(np.pi * k * (2 * n + 1) / (2 * FILTERS))
    matrix[0] /= np.sqrt(2)
    return matrix * (1 + LIFTER / 2 * np.sin(np.pi * k / LIFTER))


@dataclass(frozen=True)
class SyncNet:
    """The network with its weights.  Use `load_syncnet`.

    weights: tensors by their published names.  digest: SHA-256 of the file.
    """

    weights: Mapping[str, Any]
    digest: str

    def embed_voice(self, sound: NDArray, count: int) -> Array:
        """Embeddings (W, 1024) of the first `count` windows of a sound (13, F), `mfcc`'s."""
        import torch

        if count <= 0:
            return np.zeros((0, WIDTH), np.float32)
        rows = np.lib.stride_tricks.sliding_window_view(np.asarray(sound, np.float32), ROWS, axis=1)
        rows = rows[:, ::STRIDE_ROWS][:, :count]
        found = []
        with torch.inference_mode():
            for first in range(0, count, BATCH):
                piece = np.ascontiguousarray(rows[:, first : first + BATCH].transpose(1, 0, 2))
                stack = self._stack("netcnnaud", torch.from_numpy(piece)[:, None])
                found.append(self._head("netfcaud", stack.flatten(1)).numpy())
        return np.concatenate(found)

    def embed_lips(self, faces: Iterable[NDArray[np.uint8]]) -> Iterator[Array]:
        """Embeddings (1024,), one after the other, of faces (224, 224, 3) uint8 RGB at 25 fps;
        four fewer than faces."""
        held: list[NDArray[np.uint8]] = []
        for face in faces:
            held.append(face)
            if len(held) == BATCH + FRAMES - 1:
                yield from self._seen(held)
                held = held[BATCH:]
        if len(held) >= FRAMES:
            yield from self._seen(held)

    def _seen(self, faces: list[NDArray[np.uint8]]) -> Array:
        """All windows of a few faces at once: past its first layer the network sees windows
        apart, and the first slides over time."""
        import torch

        blue_first = np.stack(faces)[..., ::-1].astype(np.float32).transpose(3, 0, 1, 2)
        with torch.inference_mode():
            volume = torch.from_numpy(np.ascontiguousarray(blue_first))[None]
            stack = self._stack("netcnnlip", volume)[0, :, :, 0, 0].T
            return self._head("netfclip", stack).numpy()

    def _stack(self, name: str, x: Any) -> Any:
        from torch.nn import functional

        flat = x.dim() == 4
        convolve = functional.conv2d if flat else functional.conv3d
        pool = functional.max_pool2d if flat else functional.max_pool3d
        for layer in STACKS[name]:
            weight, bias = (self.weights[f"{name}.{layer.at}.{k}"] for k in ("weight", "bias"))
            x = convolve(x, weight, bias, layer.stride, layer.padding)
            x = self._normalised(f"{name}.{layer.at + 1}", x)
            if layer.pool:
                x = pool(x, *layer.pool)
        return x

    def _head(self, name: str, x: Any) -> Any:
        from torch.nn import functional

        first, last = (
            [self.weights[f"{name}.{at}.{k}"] for k in ("weight", "bias")] for at in (0, 3)
        )
        return functional.linear(self._normalised(f"{name}.1", functional.linear(x, *first)), *last)

    def _normalised(self, name: str, x: Any) -> Any:
        """Batch normalisation with the statistics of training, and rectifier."""
        from torch.nn import functional

        mean, variance, weight, bias = (
            self.weights[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.relu(functional.batch_norm(x, mean, variance, weight, bias))


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Every tensor of the published file that is used, and its shape."""

    def normalisation(name: str, size: int) -> dict[str, tuple[int, ...]]:
        names = ("weight", "bias", "running_mean", "running_var")
        return {f"{name}.{k}": (size,) for k in names}

    shapes: dict[str, tuple[int, ...]] = {}
    for name, stack in STACKS.items():
        for layer in stack:
            shapes[f"{name}.{layer.at}.weight"] = (layer.outputs, layer.inputs, *layer.kernel)
            shapes[f"{name}.{layer.at}.bias"] = (layer.outputs,)
            shapes |= normalisation(f"{name}.{layer.at + 1}", layer.outputs)
    for name in HEADS:
        for at, outputs in ((0, HIDDEN), (3, WIDTH)):
            shapes |= {f"{name}.{at}.weight": (outputs, HIDDEN), f"{name}.{at}.bias": (outputs,)}
        shapes |= normalisation(f"{name}.1", HIDDEN)
    return shapes


def load_syncnet(path: str | Path) -> SyncNet:
    """The network with the weights of the published file, `syncnet_v2.model`.

    Only tensors are read, no code runs.  Raises BadMedia when there is no such file,
    ModelUnavailable without torch and for a file that holds something else.
    """
    path = input_file(path)
    try:
        import torch
    except ImportError as error:
        raise ModelUnavailable(
            'SyncNet needs torch, which is not installed; run `pip install "enliven[train]"`'
        ) from error
    what_to_do = "give the file syncnet_v2.model of joonson/syncnet_python"
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpicklers answer foreign files with all sorts
        raise ModelUnavailable(f"{path} is no file of tensors ({type(error).__name__}); "
                               f"{what_to_do}") from error  # fmt: skip
    shapes = published_shapes()
    if not isinstance(stored, Mapping) or not set(shapes) <= set(stored):
        given = set(stored) if isinstance(stored, Mapping) else set()
        lacking = sorted(set(shapes) - given)
        raise ModelUnavailable(f"{path} lacks {len(lacking)} of SyncNet's {len(shapes)} tensors, "
                               f"{lacking[0]} first; {what_to_do}")  # fmt: skip
    for name, shape in shapes.items():
        if tuple(stored[name].shape) != shape:
            raise ModelUnavailable(f"{path}: {name} has shape {tuple(stored[name].shape)}, SyncNet "
                                   f"{shape}; {what_to_do}")  # fmt: skip
    return SyncNet({name: stored[name].float() for name in shapes}, digest(path))
