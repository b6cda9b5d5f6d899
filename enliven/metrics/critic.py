"""Do lips and voice belong together, second by second, and if not, how late do the lips come?

    rows = SyncCritic.load().compare(stretch)
    rows.here, rows.late      # agreement as it is; frames by which the lips come late

Several pairs of small networks listen to a voice and look at lips, and say of either what it
is like in a few numbers, 25 times a second, so that what belongs together goes up and down
together.  Some see how points of the lips move, the others the pixels of the mouth.
Agreement is the correlation of both over some seconds; it is taken at every shift of the lips.
`enliven.train.critic` trains them on people whom nothing else here was trained on; ear and eyes
are theirs alone.

Legend: T motion frames at 25 Hz, N = T + 2 SHIFTS frames of sound, B bands, G measures,
M members, K numbers of each, W windows, S = 2 SHIFTS + 1 shifts.
"""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from enliven.errors import ModelUnavailable
from enliven.metrics.watch import CONTEXT, HOP, Stretch
from enliven.types import MOTION_FPS

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

SHIFTS = 12  # frames either way at which agreement is taken
WINDOW = 75  # frames that one value is taken from
OFFSET_WINDOW = 125  # frames that an offset is told from
STILL = 0.05  # of the spread that talking lips have in a network's numbers
LEAST = 38  # frames with a face below which a window says nothing
SPEECH_SHARE = 0.35  # of a window with a voice in it, below which it says nothing

# the ear
RATE = 16000
STEP, GRAIN, FFT = 160, 400, 512  # samples: 10 ms apart, 25 ms long
ROWS = HOP // STEP  # a motion frame
BANDS = 40
RANGE_HZ = (80.0, 7000.0)
FLOOR = 10**-5.5  # of the loudest
LOUD_DB = 30.0  # within this of it a row counts for the spectrum of the voice

# where somebody speaks
VOICE_DB = 25.0  # below the loud parts
HEARD_DB = -60.0  # re full scale; below is silence
VOICE_HZ = (100.0, 1500.0)
VOICED = 0.5  # correlation of a sound with itself one period later
PITCH_HZ = (70.0, 400.0)
NEAR = 5  # frames from a voiced one that may be consonants

# the eyes: measures of the lips, IOD, and what each deviates by when people speak
GAPS = ((13, 14), (82, 87), (312, 317), (0, 17), (37, 84), (267, 314))
WIDTHS = ((61, 291), (78, 308))
BELOW_EYES = (152, 17, 0, 200)
CORNERS, MIDDLE, EYES = (61, 291), (0, 17, 13, 14), (33, 263)
SCALES = np.array([.05, .04, .04, .05, .04, .04, .03, .03, .04, .04, .015, .04, .015, .015],
                  np.float32)  # fmt: skip
MEASURES = len(SCALES)
LEADING = (0, 3, 8)  # measures by which the size of somebody's movement is told
PICTURE = (24, 32)  # px that the networks see of a mouth, height and width


def power(samples: NDArray, frames: int) -> Array:
    """Power spectra of a sound, (ROWS N, FFT // 2 + 1), 10 ms apart.

    samples: (CONTEXT + 640 T + CONTEXT,) mono at 16 kHz, as in `Stretch`.
    """
    total = ROWS * (frames + 2 * SHIFTS)
    first = CONTEXT - SHIFTS * HOP - GRAIN // 2
    piece = np.zeros((total - 1) * STEP + GRAIN, np.float32)
    given = np.asarray(samples, np.float32)[first : first + len(piece)]
    piece[: len(given)] = given
    rows = np.lib.stride_tricks.sliding_window_view(piece, GRAIN)[::STEP]
    spectrum = np.fft.rfft(rows * np.hanning(GRAIN).astype(np.float32), FFT)
    return (spectrum.real**2 + spectrum.imag**2).astype(np.float32)


@cache
def mel_bands(warp: float = 1.0) -> Array:
    """Triangular bands over the spectrum, (FFT // 2 + 1, B); warp: factor on all frequencies."""
    low, high = 2595 * np.log10(1 + np.array(RANGE_HZ) / 700)
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1) * warp
    hz = np.arange(FFT // 2 + 1)[:, None] * (RATE / FFT)
    rise = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    bands = np.maximum(0, np.minimum(rise, fall))
    return (bands / np.maximum(bands.sum(0), 1e-6)).astype(np.float32)


def relative(bands: Array) -> Array:
    """Bands (R, B) re the loudest 0.17 s of the sound."""
    loudness = np.convolve(bands.mean(1), np.full(17, 1 / 17), "same")
    return bands / max(float(loudness.max(initial=0)), 1e-9)


def levelled(bands: Array) -> Array:
    """What the networks hear of bands (R, B) re the loudest: logarithms, without the long-term
    spectrum of the voice."""
    logs = np.log(bands + FLOOR)
    loudness = 10 * np.log10(bands.mean(1) + 1e-8)
    weight = np.clip((loudness - loudness.max() + LOUD_DB) / 10, 0, 1)[:, None]
    middle = (weight * logs).sum(0) / max(float(weight.sum()), 1e-6)
    return ((logs - middle) / 3).astype(np.float32)


def hear(samples: NDArray, frames: int) -> Array:
    """What the networks hear, (ROWS N, B); free of level and of the voice's spectrum."""
    return levelled(relative(power(samples, frames) @ mel_bands()))


def _frames_of(samples: NDArray, frames: int) -> Array:
    """60 ms of sound around each motion frame, tapered, (T, 960)."""
    length = 3 * HOP // 2
    first = CONTEXT + HOP // 2 - length // 2
    piece = np.zeros((frames - 1) * HOP + length, np.float32)
    given = np.asarray(samples, np.float32)[first : first + len(piece)]
    piece[: len(given)] = given
    rows = np.lib.stride_tricks.sliding_window_view(piece, length)[::HOP]
    return rows * np.hanning(length).astype(np.float32)


def loudness_db(samples: NDArray, frames: int) -> Floats:
    """Level of each frame, (T,) dB re full scale; samples as in `Stretch`."""
    rows = _frames_of(samples, frames).astype(np.float64)
    return 10 * np.log10(
        np.square(rows).sum(1) / np.square(np.hanning(rows.shape[1])).sum() + 1e-12
    )


def speaking(samples: NDArray, frames: int) -> NDArray[np.bool_]:
    """Frames (T,) in which somebody speaks: loud, and voiced or right beside.

    Noise is never voiced, however loud.  Music with a tune is taken for a voice.
    """
    rows = _frames_of(samples, frames)
    count = 2048
    spectrum = np.abs(np.fft.rfft(rows, count)) ** 2
    hz = np.arange(count // 2 + 1) * (RATE / count)
    spectrum[:, (hz < VOICE_HZ[0]) | (hz > VOICE_HZ[1])] = 0
    fade = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(rows.shape[1]), count)) ** 2)
    alike = np.fft.irfft(spectrum)
    low, high = round(RATE / PITCH_HZ[1]), round(RATE / PITCH_HZ[0])
    whole = alike[:, :1] / fade[0] + 1e-12
    voiced = (alike[:, low:high] / fade[low:high] / whole).max(1) > VOICED
    near = np.convolve(voiced, np.ones(2 * NEAR + 1))[NEAR : NEAR + len(voiced)] > 0.5
    level = loudness_db(samples, frames)
    floor = max(float(np.percentile(level, 95)) - VOICE_DB, HEARD_DB)
    return near & (level > floor)


def lip_measures(shapes: Array) -> Array:
    """Measures (T, G) of lips in head axes (T, 478, 3), IOD: gaps, widths, heights, protrusion."""
    upper, lower = np.array(GAPS).T
    left, right = np.array(WIDTHS).T
    eyes = shapes[:, list(EYES), 1].mean(1)
    corners = shapes[:, list(CORNERS)]
    return np.concatenate(
        [
            shapes[:, lower, 1] - shapes[:, upper, 1],
            np.linalg.norm(shapes[:, right] - shapes[:, left], axis=-1),
            shapes[:, list(BELOW_EYES), 1] - eyes[:, None],
            (corners[..., 1].mean(1) - eyes)[:, None],
            (corners[..., 2].mean(1) - shapes[:, list(MIDDLE), 2].mean(1))[:, None],
        ],
        1,
    ).astype(np.float32)


def see_lips(measures: Array) -> Array:
    """What the networks see of measures (T, G): away from the median, by somebody's own size of
    movement; 0 where no face was found."""
    known = np.asarray(np.isfinite(measures).all(1))
    if not known.any():
        return np.zeros_like(measures)
    seen = (measures - np.median(measures[known], 0)) / SCALES
    seen /= np.hypot(seen[known][:, LEADING].std(), 0.1)
    return np.where(known[:, None], np.clip(seen, -6, 6), 0).astype(np.float32)


def see_mouths(mouths: NDArray, known: NDArray[np.bool_]) -> Array:
    """What the networks see of pictures (T, 48, 64): (T, *PICTURE) away from their mean, by how
    much they vary; 0 where not `known` (T,)."""
    small = np.asarray(mouths, np.float32).reshape(len(mouths), PICTURE[0], 2, PICTURE[1], 2)
    small = small.mean((2, 4))
    if not known.any():
        return np.zeros_like(small)
    middle = small[known].mean(0)
    seen = (small - middle) / (middle.std() + 3)
    seen /= seen[known].std() + 0.15
    return np.where(known[:, None, None], seen, 0).astype(np.float32)


@dataclass(frozen=True)
class Embedding:
    """heard (N, M, K): the sound from SHIFTS frames before the first to as many after the last.
    seen (T, M, K): the lips.  known (T,): where there was a face.  trust (M,): how much each
    member counts."""

    heard: Array
    seen: Array
    known: NDArray[np.bool_]
    trust: Floats

    def curves(self, starts: NDArray[np.intp], length: int) -> Floats:
        """Agreement (W, S) in windows of `length` frames of the lips, at every shift from lips
        SHIFTS frames early to as many late; NaN where too few frames show a face."""
        frames = len(self.seen)
        stops = np.minimum(starts + length, frames)
        weight, seen = self.known.astype(np.float64), self.seen.astype(np.float64)
        columns = []
        for late in range(-SHIFTS, SHIFTS + 1):
            heard = self.heard[SHIFTS - late : SHIFTS - late + frames].astype(np.float64)
            found = _correlations(heard, seen, weight, starts, stops)
            columns.append(found @ self.trust / self.trust.sum())
        return np.stack(columns, 1)


def _correlations(
    a: Floats, b: Floats, weight: Floats, starts: NDArray[np.intp], stops: NDArray[np.intp]
) -> Floats:
    """Correlation (W, M) of a and b (T, M, K) in each window, all K numbers pooled."""

    def total(x: Floats) -> Floats:
        summed = np.concatenate([np.zeros((1, *x.shape[1:])), np.cumsum(x, 0)])
        return summed[stops] - summed[starts]

    w = weight[:, None, None]
    count = total(weight)
    safe = np.maximum(count, 1)[:, None, None]
    mean_a, mean_b = total(w * a) / safe, total(w * b) / safe
    product = total((w * a * b).sum(-1)) / safe[..., 0] - (mean_a * mean_b).sum(-1)
    spread_a = total((w * a * a).sum(-1)) / safe[..., 0] - (mean_a**2).sum(-1)
    spread_b = total((w * b * b).sum(-1)) / safe[..., 0] - (mean_b**2).sum(-1)
    # lips that hardly move agree with nothing
    found = product / np.sqrt(np.maximum(spread_a, 1e-9) * (np.maximum(spread_b, 0) + STILL))
    return np.where(count[:, None] >= LEAST, found, np.nan)


@dataclass(frozen=True)
class SyncRows:
    """How lips and voice agree, second by second; N seconds, the last may be short.

    seconds: (N,) when each begins, in the video.  curves: (N, S) agreement at every shift.
    here: (N,) agreement as it is.  best: (N,) the highest at any shift.  late: (N,) frames by
    which the lips come after the voice there.  speech: (N,) share of the window with a voice.
    All but `speech` are NaN where there is too little voice or face.
    starts: (N,) first frame of each window in its stretch; length: of the windows, frames.
    """

    seconds: Floats
    curves: Floats
    speech: Floats
    starts: NDArray[np.intp]
    length: int

    def window(self, row: int, frames: int) -> slice:
        """Frames of the stretch, of `frames` in all, that a row was taken from."""
        start = int(self.starts[row])
        return slice(start, min(start + self.length, frames))

    @property
    def here(self) -> Floats:
        return self.curves[:, SHIFTS]

    @property
    def best(self) -> Floats:
        return self.curves.max(1)

    @property
    def late(self) -> Floats:
        known = np.isfinite(self.curves).all(1)
        return np.where(known, np.nan_to_num(self.curves).argmax(1) - float(SHIFTS), np.nan)


@final
class SyncCritic:
    """Tells how lips and voice agree.  Use `SyncCritic.load()`."""

    def __init__(self, model: bytes) -> None:
        settings = onnxruntime.SessionOptions()
        # so small a network is done before threads have met
        settings.intra_op_num_threads = 1
        settings.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            model, settings, providers=["CPUExecutionProvider"]
        )
        told = self._session.get_modelmeta().custom_metadata_map
        self._trust = np.array([float(part) for part in told["trust"].split()])
        self.digest = sha256(model).hexdigest()[:12]

    @staticmethod
    @cache  # every sample of post-training is judged, and checked, by the same one
    def load() -> "SyncCritic":
        """The critic that ships with the package.  Raises ModelUnavailable."""
        file = files("enliven.models").joinpath("critic.onnx")
        if not file.is_file():
            raise ModelUnavailable("enliven/models/critic.onnx is missing; install enliven again")
        return SyncCritic(file.read_bytes())

    def embed(self, samples: NDArray, measures: Array, mouths: NDArray) -> Embedding:
        """What the networks make of a sound (CONTEXT + 640 T + CONTEXT,) at 16 kHz, measures of
        lips (T, G), NaN without a face, and mouths (T, 48, 64)."""
        return self.look(hear(samples, len(measures)), measures, mouths)

    def look(self, bands: Array, measures: Array, mouths: NDArray) -> Embedding:
        """The same of a sound as it is heard, (ROWS N, B)."""
        known = np.asarray(np.isfinite(measures).all(1))
        given = {
            "bands": bands.T[None],
            "lips": see_lips(measures).T[None],
            "mouths": see_mouths(mouths, known)[None],
        }
        heard, seen = (
            np.ascontiguousarray(side[0].T).reshape(side.shape[-1], len(self._trust), -1)
            for side in self._session.run(["heard", "seen"], given)
        )
        return Embedding(heard, seen, known, self._trust)

    def compare(self, stretch: Stretch, *, window: int = WINDOW) -> SyncRows:
        """Agreement in every second of a stretch, from `window` frames around it."""
        return self.compare_arrays(stretch.samples, stretch.shapes, stretch.mouths,
                                   start=stretch.start, window=window)  # fmt: skip

    def compare_arrays(
        self, samples: NDArray, shapes: Array, mouths: NDArray, *, start: float = 0.0,
        window: int = WINDOW,
    ) -> SyncRows:  # fmt: skip
        """The same of the fields of a stretch alone: samples (CONTEXT + 640 T + CONTEXT,), shapes
        (T, 478, 3), mouths (T, 48, 64).  start: seconds in the video."""
        frames, rate = len(shapes), round(MOTION_FPS)
        begins = np.arange(0, frames, rate)
        middles = (begins + np.minimum(begins + rate, frames)) // 2
        starts = np.clip(middles - window // 2, 0, max(0, frames - window))
        curves = self.embed(samples, lip_measures(shapes), mouths).curves(starts, window)
        speech = _windowed_mean(speaking(samples, frames), starts, window)
        curves[speech < SPEECH_SHARE] = np.nan
        return SyncRows(start + begins / rate, curves, speech, starts, window)


def _windowed_mean(flags: NDArray[np.bool_], starts: NDArray[np.intp], length: int) -> Floats:
    summed = np.concatenate([[0], np.cumsum(flags)])
    stops = np.minimum(starts + length, len(flags))
    return (summed[stops] - summed[starts]) / np.maximum(stops - starts, 1)
