"""FID and FVD with a feature extractor that the user supplies.

    extractor = open_extractor(inception_2015("inception-2015-12-05.pt"))
    result = video_distance(extractor, real_paths, made_paths)

FID (Heusel et al. 2017) is the Frechet distance of the features of single frames, FVD (Unterthiner
et al. 2018) that of short clips.  The number depends on the network, the resizing, the clip length,
the frame rate and the number of samples at least as much as on the videos: results compare only
when their protocols are equal.  Both are biased upwards in small sets, so `chance`, what
two sets of that size give without any difference, stands beside them.  Rewards do not use them.

N pictures or clips, D features.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enliven.errors import BadOption, ModelUnavailable
from enliven.media.files import digest, input_file
from enliven.media.video import read_frames
from enliven.metrics.frechet import Moments, frechet_of_moments
from enliven.types import MOTION_FPS

Frame = NDArray[np.uint8]
Array = NDArray[np.float32]
Resize = Literal["pillow-bicubic", "opencv-area", "none"]
Progress = Callable[[int, int], object]  # videos done, videos in all

BATCH = 8  # pictures or clips at once


@dataclass(frozen=True)
class Extractor:
    """A network file and how it is fed.  Raises BadOption.

    path: TorchScript (.pt, .pth, .ts; needs torch) or ONNX (.onnx), from (N, 3, H, W) or, for
        clips, (N, 3, T, H, W) float32 RGB to features (N, D); further axes of length 1 are
        dropped.  Load only files you trust.
    frames: T of a clip; 0 feeds single pictures.
    size: px, both sides; the whole frame is squeezed into it.  0 leaves frames as they are.
    resize: "pillow-bicubic" is antialiased, in float, clipped to 0..255, each colour apart (what
        clean-fid does: Parmar, Zhang and Zhu 2022); "opencv-area" averages; "none" with size 0.
    low, high: what black and white become.
    arguments: further keyword arguments of a TorchScript network.
    """

    path: str | Path
    frames: int = 0
    size: int = 299
    resize: Resize = "pillow-bicubic"
    low: float = 0.0
    high: float = 255.0
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.frames < 0 or self.size < 0 or not self.high > self.low:
            raise BadOption(f"extractor has frames {self.frames}, size {self.size}, range "
                            f"{self.low} to {self.high}; counts are 0 or more, and high above low"
                            )  # fmt: skip
        if (self.resize == "none") != (self.size == 0):
            raise BadOption(f"extractor resizes by {self.resize} to {self.size} px; size 0 goes "
                            'with "none" and no other')  # fmt: skip


def inception_2015(path: str | Path) -> Extractor:
    """The TorchScript file inception-2015-12-05.pt, as StyleGAN and clean-fid use it for FID."""
    return Extractor(path, arguments={"return_features": True})


def i3d_kinetics(path: str | Path, frames: int = 16) -> Extractor:
    """The TorchScript file i3d_torchscript.pt, as StyleGAN-V uses it for FVD; it resizes itself."""
    arguments = {"rescale": True, "resize": True, "return_features": True}
    return Extractor(path, frames, 0, "none", arguments=arguments)


@dataclass(frozen=True)
class OpenExtractor:
    """A loaded extractor.  Use `open_extractor`.

    run: float32 (N, 3, ...) -> (N, D).  digest: SHA-256 of the file.
    """

    options: Extractor
    run: Callable[[Array], NDArray[np.floating]]
    digest: str

    @property
    def protocol(self) -> str:
        """What a number from this extractor must be read with."""
        o = self.options
        fed = f"clips of {o.frames} frames, one after the other" if o.frames else "every frame"
        how = f"whole frames resized to {o.size} px ({o.resize})" if o.size else "frames unresized"
        given = "".join(f", {k}={v}" for k, v in o.arguments.items())
        return (f"features 1: {Path(o.path).name} (SHA-256 {self.digest[:16]}{given}); {fed} at "
                f"{MOTION_FPS:g} fps; {how}, values {o.low:g} to {o.high:g}")  # fmt: skip


def open_extractor(options: Extractor) -> OpenExtractor:
    """Loads the network.  Raises BadMedia without the file, ModelUnavailable when it cannot be
    loaded or torch is missing, BadOption for another kind of file."""
    path = input_file(options.path)
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        if options.arguments:
            raise BadOption(f"{path}: an ONNX network takes no arguments; leave them out")
        return OpenExtractor(options, _onnx(path), digest(path))
    if suffix in (".pt", ".pth", ".ts", ".torchscript"):
        return OpenExtractor(options, _torchscript(path, options.arguments), digest(path))
    raise BadOption(f"{path} is of no kind that is known; give a TorchScript file (.pt) or .onnx")


def _onnx(path: Path) -> Callable[[Array], NDArray[np.floating]]:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(path), settings, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its exceptions have no common base but this
        raise ModelUnavailable(f"{path} is no network that onnxruntime can run: {error}") from error
    name = session.get_inputs()[0].name
    return lambda batch: np.asarray(session.run(None, {name: batch})[0])


def _torchscript(
    path: Path, arguments: Mapping[str, Any]
) -> Callable[[Array], NDArray[np.floating]]:
    try:
        import torch
    except ImportError as error:
        raise ModelUnavailable(
            f"{path} is a TorchScript network and torch is not installed; run "
            '`pip install "enliven[train]"`, or export the network to ONNX'
        ) from error
    try:
        with warnings.catch_warnings():  # the published files are of this kind, outdated or not
            warnings.simplefilter("ignore", DeprecationWarning)
            network = torch.jit.load(str(path), map_location="cpu").eval()
    except Exception as error:  # torch answers foreign files with several kinds
        raise ModelUnavailable(f"{path} is no TorchScript network: {error}; a file of weights "
                               "alone does not do") from error  # fmt: skip

    def run(batch: Array) -> NDArray[np.floating]:
        with torch.inference_mode():
            return network(torch.from_numpy(batch), **arguments).float().numpy()

    return run


def resized(frame: Frame, options: Extractor) -> Array:
    """A frame (H, W, 3) as the network gets it, (3, size, size) float32."""
    levels = np.asarray(frame, np.float32)
    side = options.size
    if options.resize == "pillow-bicubic":
        colours = [Image.fromarray(np.ascontiguousarray(levels[..., c])) for c in range(3)]
        levels = np.stack([
            np.asarray(colour.resize((side, side), Image.Resampling.BICUBIC)).clip(0, 255)
            for colour in colours
        ], -1)  # fmt: skip
    elif options.resize == "opencv-area":
        levels = np.asarray(cv2.resize(levels, (side, side), interpolation=cv2.INTER_AREA))
    scaled = options.low + levels * np.float32((options.high - options.low) / 255)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1), np.float32)


def extract(extractor: OpenExtractor, frames: Iterable[Frame]) -> Iterator[NDArray[np.float64]]:
    """Features (n, D) of the frames of a video, or of its clips, a few at a time.

    Clips follow each other without overlap; frames that do not fill one are left out.  Raises
    ModelUnavailable when the network does not take what it is fed, or returns anything but finite
    features.
    """
    made = (resized(frame, extractor.options) for frame in frames)
    length = extractor.options.frames
    items = _clips(made, length) if length else made
    while batch := list(islice(items, BATCH)):
        yield _features(extractor, np.stack(batch))


def _clips(frames: Iterator[Array], length: int) -> Iterator[Array]:
    """(3, T, H, W) each."""
    while len(clip := list(islice(frames, length))) == length:
        yield np.stack(clip, 1)


def _features(extractor: OpenExtractor, batch: Array) -> NDArray[np.float64]:
    path = extractor.options.path
    try:
        found = np.asarray(extractor.run(batch), np.float64)
    except Exception as error:  # whatever a foreign network raises
        raise ModelUnavailable(f"{path} does not take an input of {batch.shape}: {error}; check "
                               "frames, size and arguments") from error  # fmt: skip
    if found.ndim < 2 or len(found) != len(batch) or found[0].size != max(found.shape[1:]):
        raise ModelUnavailable(f"{path} gives {found.shape} for an input of {batch.shape}; it must "
                               "be (N, D)")  # fmt: skip
    if not np.isfinite(found).all():
        raise ModelUnavailable(f"{path} gives features that are not finite; check the range of "
                               "values it expects")  # fmt: skip
    return found.reshape(len(found), -1)


@dataclass(frozen=True)
class FeatureDistance:
    """FID or FVD.

    value: 0 or more, lower is nearer; NaN with fewer than two samples on a side.
    chance: what two sets of these sizes from one source give on average, if their samples are
        independent, which frames of one video are not: the true level lies above it.
    enough: both sets have more samples than the network features; else neither number holds.
    real, made: numbers of samples.  features: D.
    """

    value: float
    chance: float
    enough: bool
    real: int
    made: int
    features: int
    protocol: str
    notes: tuple[str, ...] = ()


def video_moments(
    extractor: OpenExtractor, videos: Iterable[str | Path], progress: Progress | None = None
) -> Moments:
    """Moments of the features of video files, read at 25 fps; to be kept for the real ones.

    Raises BadMedia, ModelUnavailable.
    """
    paths, moments = list(videos), Moments()
    for done, path in enumerate(paths, 1):
        for features in extract(extractor, read_frames(path, MOTION_FPS).frames):
            moments.add(features)
        if progress:
            progress(done, len(paths))
    return moments


def distance(extractor: OpenExtractor, real: Moments, made: Moments) -> FeatureDistance:
    """FID of pictures or FVD of clips, of moments from the same extractor."""
    found, notes = frechet_of_moments(real, made), []
    if not found.enough:
        least = min(real.count, made.count)
        notes.append(f"{least} samples for {len(real.mean)} features are too few to be trusted")
    return FeatureDistance(found.value, found.chance, found.enough, real.count, made.count,
                           len(real.mean), extractor.protocol, tuple(notes))  # fmt: skip


def video_distance(
    extractor: OpenExtractor, real: Iterable[str | Path], made: Iterable[str | Path]
) -> FeatureDistance:
    """FID or FVD of generated video files against real ones.  Raises as `video_moments`."""
    return distance(extractor, video_moments(extractor, real), video_moments(extractor, made))
