"""Speech features for motion: log-mel bands and phone scores, 100 frames a second.

Frame f is centred at f / 100 seconds.  Everything is normalised for the whole file (level and
long-term spectrum are measured over its speech), so that neither gain nor microphone matters,
and then computed for any range of frames: `features` of a range equals the same rows of the
whole, which lets a long file be processed in chunks.

Phone scores come from the Gaussians of the English acoustic model that the pocketsphinx package
carries (BSD licence, see its README): phonetically tied mixtures, 42 codebooks of 128 Gaussians
for each of three streams (cepstra, their first and second differences).  Many speakers went into
that model, which is what a small set of talking clips lacks.
"""

import importlib.util
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enliven.errors import ModelUnavailable

Array = NDArray[np.float32]

SAMPLE_RATE = 16000
FRAME_RATE = 100  # feature frames a second
HOP = SAMPLE_RATE // FRAME_RATE
WINDOW = 410  # samples, 25.6 ms: the acoustic model's analysis window
FFT = 512

MEL_BANDS = 40  # log-mel bands given to the network
MEL_RANGE_HZ = (60.0, 7600.0)
FLOOR_DB = 60.0  # bands this far below the speech level are taken as silent
SPEECH_DB = 30.0  # frames within this range of the level count as speech for normalisation
QUIETEST_LEVEL_DB = -95.0  # re full scale; anything below is silence, not a quiet voice

# Front end of the acoustic model, as its feat.params says.
CEPSTRA = 13
MODEL_BANDS = 25
MODEL_RANGE_HZ = (130.0, 6800.0)
LIFTER = 22
PREEMPHASIS = 0.97
SCORE_RANGE = 30.0  # nats; phones less likely than this against the best are all the same

CHUNK = 2000  # frames whose spectra are computed at once
REACH = 3  # frames on either side that the differences of cepstra look at
PHONE_CHUNK = 256  # frames whose phones are scored at once, 64 KB each


def _mel(hz: NDArray | float) -> NDArray:
    return 2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0)


def mel_filters(bands: int, low_hz: float, high_hz: float) -> Array:
    """Triangular filters on the mel scale (O'Shaughnessy 1987), (FFT // 2 + 1, bands).

    Each has unit area in Hz, so that noise of flat spectrum gives equal bands.
    """
    edges_mel = np.linspace(_mel(low_hz), _mel(high_hz), bands + 2)
    edges = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    hz = np.arange(FFT // 2 + 1)[:, None] * (SAMPLE_RATE / FFT)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rise, fall = (hz - left) / (centre - left), (right - hz) / (right - centre)
    return (np.maximum(0.0, np.minimum(rise, fall)) * 2.0 / (right - left)).astype(np.float32)


@cache
def _cosines() -> Array:
    """Orthonormal DCT-II with the acoustic model's lifter, (MODEL_BANDS, CEPSTRA)."""
    k, n = np.arange(CEPSTRA), np.arange(MODEL_BANDS)[:, None]
    basis = np.cos(np.pi * k * (n + 0.5) / MODEL_BANDS) * np.sqrt(2.0 / MODEL_BANDS)
    basis[:, 0] *= np.sqrt(0.5)
    return (basis * (1.0 + LIFTER / 2.0 * np.sin(np.pi * k / LIFTER))).astype(np.float32)


@dataclass(frozen=True)
class Sound:
    """A whole file analysed: what `features` needs, 240 bytes a frame.

    bands (F, MEL_BANDS): log-mel in nats, relative to the speech level, floored.
    cepstra (F, CEPSTRA): of the acoustic model, their mean over speech removed.
    energy_db (F,): power of the frame in dB relative to the speech level.
    spectrum (MEL_BANDS,): mean of the bands over speech.
    """

    bands: Array
    cepstra: Array
    energy_db: Array
    spectrum: Array

    def __len__(self) -> int:
        return len(self.bands)


def frame_count(samples: int) -> int:
    """Feature frames that cover so many samples."""
    return samples // HOP + 1


def power_spectra(samples: Array, start: int, stop: int) -> Array:
    """Power spectra of frames start to stop, (n, FFT // 2 + 1); zeros lie outside the sound."""
    first = start * HOP - WINDOW // 2 - 1
    last = (stop - 1) * HOP - WINDOW // 2 + WINDOW
    piece = np.zeros(last - first, np.float32)
    low, high = max(first, 0), min(last, len(samples))
    if low < high:
        piece[low - first : high - first] = samples[low:high]
    emphasised = piece[1:] - PREEMPHASIS * piece[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(emphasised, WINDOW)[::HOP]
    spectrum = np.fft.rfft(frames * np.hamming(WINDOW).astype(np.float32), FFT)
    return (spectrum.real**2 + spectrum.imag**2).astype(np.float32)


@dataclass(frozen=True)
class Powers:
    """Powers of frames: in MEL_BANDS (n, MEL_BANDS), in the acoustic model's bands
    (n, MODEL_BANDS) and in all (n,)."""

    bands: Array
    model: Array
    total: Array

    def __len__(self) -> int:
        return len(self.total)


@cache
def _filters() -> tuple[Array, Array]:
    return mel_filters(MEL_BANDS, *MEL_RANGE_HZ), mel_filters(MODEL_BANDS, *MODEL_RANGE_HZ)


def powers(samples: Array, start: int, stop: int) -> Powers:
    """Band powers of frames start to stop; zeros lie outside the sound."""
    filters, model_filters = _filters()
    total = stop - start
    result = Powers(
        np.empty((total, MEL_BANDS), np.float32),
        np.empty((total, MODEL_BANDS), np.float32),
        np.empty(total, np.float32),
    )
    for first in range(0, total, CHUNK):
        last = min(first + CHUNK, total)
        spectra = power_spectra(samples, start + first, start + last)
        result.bands[first:last] = spectra @ filters
        result.model[first:last] = spectra @ model_filters
        result.total[first:last] = spectra.mean(1)
    return result


def relative_log(power: Array, level: float | Array) -> Array:
    """Band powers in nats above a floor FLOOR_DB below the level; 0 in silence."""
    scale = np.asarray(1.0 / level, np.float32)
    floor = np.float32(10.0 ** (-FLOOR_DB / 10.0) / SAMPLE_RATE)
    return np.log(power * scale + floor) - np.log(floor)


def cepstra(model_bands: Array) -> Array:
    """Liftered cepstra (..., CEPSTRA) of log powers in the acoustic model's bands."""
    return model_bands @ _cosines()


def relative_db(power: Array, level: float | Array) -> Array:
    """Power in dB relative to the level, -90 at least."""
    return 10.0 * np.log10(np.maximum(power / level, 1e-9))


def speech_weight(energy_db: Array) -> Array:
    """How far a frame counts as speech for normalisation, 0 to 1."""
    # gradual, so that no single frame decides
    return np.clip((energy_db + SPEECH_DB) / 10.0, 0.0, 1.0)


def quietest_level() -> float:
    """Power of a white noise at QUIETEST_LEVEL_DB, which no level goes below."""
    return 10.0 ** (QUIETEST_LEVEL_DB / 10.0) * WINDOW


def smoothed_peak(power: Array, seconds: float = 0.2) -> float:
    """Largest mean power over so long a stretch: a level that clicks hardly move."""
    width = min(len(power), int(seconds * FRAME_RATE))
    sums = np.concatenate([[0.0], np.cumsum(power, dtype=np.float64)])
    return float(np.max(sums[width:] - sums[:-width])) / width


def analyse(samples: NDArray, edge: int = 0, total: int | None = None) -> Sound:
    """Spectral analysis of mono speech at 16 kHz, (N,) in -1..1.

    edge: frames of silence put before the sound (frame f is then centred at (f - edge) / 100 s)
    and, unless `total` says how many frames to make, after it.
    """
    samples = np.asarray(samples, np.float32)
    total = frame_count(len(samples)) + 2 * edge if total is None else total
    found = powers(samples, -edge, total - edge)
    level = max(smoothed_peak(found.total), quietest_level())
    energy_db = relative_db(found.total, level)
    weight = speech_weight(energy_db)
    weight = weight / max(float(weight.sum()), 1e-9)
    log_bands = relative_log(found.bands, level)
    smooth = cepstra(relative_log(found.model, level))
    smooth -= (weight @ smooth).astype(np.float32)
    return Sound(log_bands, smooth, energy_db, (weight @ log_bands).astype(np.float32))


@dataclass(frozen=True)
class AcousticModel:
    """Gaussians of a phonetically tied acoustic model, arranged for matrix products.

    phones: names of the P phones.
    gaussians: for each stream (P * D, 2 * CEPSTRA + 1), D Gaussians a phone, so that
    ``gaussians @ [x**2, x, 1]`` are the logs of their densities at x.
    weights: for each stream and phone (senones, D), mixture weights of all its states in
    whatever context.
    """

    phones: tuple[str, ...]
    gaussians: tuple[Array, ...]
    weights: tuple[tuple[Array, ...], ...]


def _model_folder() -> Path:
    # found without importing the package: its decoder is not needed
    spec = importlib.util.find_spec("pocketsphinx")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = Path(folder) / "model" / "en-us" / "en-us"
        if (path / "means").is_file():
            return path
    raise ModelUnavailable(
        "the acoustic model of the pocketsphinx package is missing, so speech cannot be "
        "analysed; install it again with `pip install --force-reinstall pocketsphinx`"
    )


def _read_gaussians(path: Path) -> NDArray[np.float32]:
    """A Sphinx-3 parameter file of equal streams -> (codebooks, streams, densities, width)."""
    data = path.read_bytes()
    start = data.index(b"endhdr\n") + 7
    magic, codebooks, streams, densities = struct.unpack_from("<4i", data, start)
    if magic != 0x11223344:
        raise ModelUnavailable(f"{path} is damaged; install the pocketsphinx package again")
    widths = struct.unpack_from(f"<{streams}i", data, start + 16)
    start += 16 + 4 * streams + 4
    count = codebooks * densities * sum(widths)
    values = np.frombuffer(data, "<f4", count, start)
    return values.reshape(codebooks, streams, densities, widths[0])


def _read_weights(path: Path) -> NDArray[np.uint8]:
    """Mixture weights (streams, densities, senones) as -log / 0.1024, from a sendump file."""
    data = path.read_bytes()
    at, streams = 0, 1
    while True:
        (length,) = struct.unpack_from("<i", data, at)
        at += 4
        if length == 0:
            break
        text = data[at : at + length - 1]
        at += length
        if text.startswith(b"feature_count"):
            streams = int(text.split()[1])
    densities, senones = struct.unpack_from("<2i", data, at)
    count = streams * densities * senones
    return np.frombuffer(data, np.uint8, count, at + 8).reshape(streams, densities, senones)


def _read_phones(path: Path) -> tuple[tuple[str, ...], list[NDArray[np.int64]]]:
    """Names of the phones and the senones of each, from a binary model definition."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<i", data, 8)
    at = 12 + length
    counts = struct.unpack_from("<10i", data, at)
    phones, all_phones, states, senones, context_entries = (counts[i] for i in (0, 1, 2, 4, 8))
    at += 40
    start = at
    names = []
    for _ in range(phones):
        end = data.index(b"\0", at)
        names.append(data[at:end].decode())
        at = end + 1
    at = start + (at - start + 3) // 4 * 4 + context_entries * 8
    record = np.dtype([("sequence", "<i4"), ("transitions", "<i4"), ("context", "u1", 4)])
    triphones = np.frombuffer(data, record, all_phones, at)
    sequences = np.frombuffer(data, "<u2", offset=at + all_phones * 12 + 4)
    # the first entries are the phones themselves, without context; then byte 1 names the phone
    phone = np.concatenate([np.arange(phones), triphones["context"][phones:, 1]])
    owner = np.zeros(senones, np.int64)
    for state in range(states):
        owner[sequences[triphones["sequence"] * states + state]] = phone
    return tuple(names), [np.flatnonzero(owner == p) for p in range(phones)]


@cache
def acoustic_model() -> AcousticModel:
    """The English acoustic model inside the pocketsphinx package.

    Raises ModelUnavailable when the package or its files are missing.
    """
    folder = _model_folder()
    means = _read_gaussians(folder / "means")
    variances = np.maximum(_read_gaussians(folder / "variances"), 1e-4)
    precisions: Array = (1.0 / variances).astype(np.float32)
    phones, senones = _read_phones(folder / "mdef")
    log_weights = _read_weights(folder / "sendump")
    gaussians: list[Array] = []
    weights: list[tuple[Array, ...]] = []
    for stream in range(means.shape[1]):
        mean = means[:, stream].reshape(-1, CEPSTRA)
        precision = precisions[:, stream].reshape(-1, CEPSTRA)
        constant = 0.5 * (np.log(precision / (2 * np.pi)) - mean**2 * precision).sum(1)
        parts = (-0.5 * precision, mean * precision, constant[:, None])
        gaussians.append(np.concatenate(parts, 1, dtype=np.float32))
        table = np.exp(-0.1024 * log_weights[stream].astype(np.float32))
        weights.append(tuple(np.ascontiguousarray(table[:, own].T) for own in senones))
    return AcousticModel(phones, tuple(gaussians), tuple(weights))


def phone_scores(sound: Sound, start: int = 0, stop: int | None = None) -> Array:
    """Log likelihood of each phone in frames start to stop, (n, P), nats relative to the best.

    A phone's score is that of its best state in any context; none is below -SCORE_RANGE.
    """
    stop = len(sound) if stop is None else stop
    around = np.clip(np.arange(start - REACH, stop + REACH), 0, len(sound) - 1)
    width = 2 * REACH + 1
    windows = np.lib.stride_tricks.sliding_window_view(sound.cepstra[around], width, axis=0)
    return score_phones(windows.transpose(0, 2, 1))


def score_phones(windows: Array) -> Array:
    """Phone scores (n, P) as `phone_scores`, of the cepstra within REACH frames of each frame,
    (n, 2 * REACH + 1, CEPSTRA)."""
    model = acoustic_model()
    count = len(windows)
    at = [windows[:, k] for k in range(2 * REACH + 1)]  # at[REACH + k] is k frames later
    streams = (at[3], at[5] - at[1], (at[6] - at[2]) - (at[4] - at[0]))
    densities = []
    for x, gaussians in zip(streams, model.gaussians, strict=True):
        log = gaussians @ np.concatenate([x**2, x, np.ones((count, 1), np.float32)], 1).T
        log -= log.max(0)
        densities.append(np.exp(log, out=log).reshape(len(model.phones), -1, count))
    scores = np.empty((len(model.phones), count), np.float32)
    for phone in range(len(model.phones)):
        mixtures = (w[phone] @ d[phone] for d, w in zip(densities, model.weights, strict=True))
        scores[phone] = sum(np.log(m + 1e-38) for m in mixtures).max(0)
    return np.maximum(scores - scores.max(0), -SCORE_RANGE).T


FEATURES = MEL_BANDS + 42


def features(sound: Sound, start: int = 0, stop: int | None = None) -> Array:
    """What the network hears in frames start to stop, (n, FEATURES), each of order one."""
    stop = len(sound) if stop is None else stop
    starts = range(start, stop, PHONE_CHUNK)
    pieces = [phone_scores(sound, at, min(at + PHONE_CHUNK, stop)) for at in starts]
    return joined(sound.bands[start:stop] - sound.spectrum, np.concatenate(pieces))


def joined(bands: Array, scores: Array) -> Array:
    """Features (n, FEATURES) of log-mel bands less their mean over speech, and phone scores."""
    return np.concatenate([bands / 3.0, 1.0 + scores / 10.0], 1)


def scores_of(heard: Array) -> Array:
    """The phone scores (F, P) in nats inside features (F, FEATURES)."""
    return (heard[:, MEL_BANDS:] - 1.0) * 10.0
