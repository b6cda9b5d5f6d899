"""Talking clips as training data for speech to motion.

P lip coordinates, K controls, T motion frames at 25 Hz, N sound samples at 16 kHz.

`lip_clips` reads an archive of clips; `batches` draws from them with varied voices, rooms,
microphones and noise.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enliven.data.augment import noise
from enliven.data.dataset import iterate_clips
from enliven.face.head import LIP_RINGS_LOWER, LIP_RINGS_UPPER, load_head, mirror_points
from enliven.metrics.lips import (
    CHIN,
    INNER_GAPS,
    MIDDLE_OF_LIPS,
    MOUTH_CORNERS,
    OUTER_GAPS,
)
from enliven.motion.audio import FEATURES, HOP, MEL_BANDS, SAMPLE_RATE, analyse, features
from enliven.motion.controls import CONTROLS, control_matrix, controls_of
from enliven.train.articulation_net import REACH, STRIDE
from enliven.types import MOTION_FPS, group_slice

Array = NDArray[np.float32]

POINTS = tuple(sorted({p for ring in LIP_RINGS_UPPER + LIP_RINGS_LOWER for p in ring}
                      | {CHIN, 148, 377, 200, 199, 175, 18, 2, 164, 205, 425}))  # fmt: skip
MEASURES = ("aperture", "height", "width", "protrusion", "chin")
SHARE = 0.5  # power of its number of clips by which a speaker is drawn
TYPICAL_SPREAD = 0.05  # deviation of the aperture in speech, IOD; speakers are scaled to it


@dataclass(frozen=True)
class Clip:
    """samples (N,) int16; shape (T, P): lips away from rest, IOD; controls (T, K), too."""

    name: str
    speaker: str
    samples: NDArray[np.int16]
    shape: Array
    controls: Array


def lip_basis() -> Array:
    """What a full control does to the lip coordinates, (K, P)."""
    basis = control_matrix() @ load_head().basis.reshape(52, -1)
    return (
        basis.reshape(len(CONTROLS), 478, 3)[:, list(POINTS)]
        .reshape(len(CONTROLS), -1)
        .astype(np.float32)
    )


def measure_matrix() -> Array:
    """Linear lip measures of lip coordinates, (P, len(MEASURES)), as `metrics.lips` has them."""
    at = {p: i for i, p in enumerate(POINTS)}
    matrix = np.zeros((len(POINTS), 3, len(MEASURES)), np.float32)
    for column, pairs in ((0, INNER_GAPS), (1, OUTER_GAPS)):
        for upper, lower in pairs:
            matrix[at[lower], 1, column] += 1 / len(pairs)
            matrix[at[upper], 1, column] -= 1 / len(pairs)
    left, right = MOUTH_CORNERS
    matrix[at[right], 0, 2], matrix[at[left], 0, 2] = 1, -1
    for corner in MOUTH_CORNERS:
        matrix[at[corner], 2, 3] = 1 / 2
    for middle in MIDDLE_OF_LIPS:
        matrix[at[middle], 2, 3] = -1 / len(MIDDLE_OF_LIPS)
    matrix[at[CHIN], 1, 4] = 1
    return matrix.reshape(-1, len(MEASURES))


def resting_frames(aperture: NDArray, energy_db: NDArray) -> NDArray[np.bool_]:
    """Frames (T,) in which nothing is said and the lips are as closed as they come at rest."""
    frame = np.arange(len(aperture)) * STRIDE
    reach = np.arange(-12, 13)
    near = energy_db[np.clip(frame[:, None] + reach, 0, len(energy_db) - 1)].max(1)
    known = np.isfinite(aperture)
    quiet = known & (near < np.nanquantile(near, 0.25) + 6)
    if quiet.sum() < 4:
        quiet = known
    return quiet & (aperture <= np.nanquantile(aperture[quiet], 0.5))


def relative_targets(
    shapes: NDArray, expression: NDArray, energy_db: NDArray
) -> tuple[Array, Array]:
    """Head shapes (T, 478, 3) and expression (T, 52) -> shape and controls away from rest.

    Both sides of the face are averaged; a voice does not tell them apart.
    """
    aperture = np.mean([shapes[:, low, 1] - shapes[:, up, 1] for up, low in INNER_GAPS], 0)
    resting = resting_frames(aperture, energy_db)
    moved = shapes - np.median(shapes[resting], 0)
    moved = (moved + moved[:, mirror_points()] * [-1, 1, 1]) / 2
    controls = controls_of(expression)
    return (moved[:, list(POINTS)].reshape(len(moved), -1).astype(np.float32),
            np.maximum(controls - np.median(controls[resting], 0), 0))  # fmt: skip


def lip_clips(folder: Path) -> list[Clip]:
    """The lips of every clip of an archive (see `data.dataset`) whose face was never lost."""
    clips = []
    for talking in iterate_clips(folder):
        if not talking.valid.all():
            continue
        energy_db = analyse(talking.sound()).energy_db
        expression = talking.values[:, group_slice("expression")]
        shape, controls = relative_targets(talking.shapes(), expression, energy_db)
        clips.append(Clip(talking.name, talking.speaker, talking.samples, shape, controls))
    return level_speakers(clips)


def level_speakers(clips: Sequence[Clip]) -> list[Clip]:
    """The clips with every speaker's motion scaled to the same spread of the aperture.

    How widely somebody articulates is their style and not in the sound; an option restores it.
    """
    aperture = measure_matrix()[:, 0]
    scales = {}
    for speaker in {clip.speaker for clip in clips}:
        own = np.concatenate([c.shape @ aperture for c in clips if c.speaker == speaker])
        scales[speaker] = np.float32(np.clip(TYPICAL_SPREAD / own.std(), 0.5, 2.0))
    return [Clip(c.name, c.speaker, c.samples, c.shape * scales[c.speaker],
                 c.controls * scales[c.speaker]) for c in clips]  # fmt: skip


def vary_voice(samples: Array, rng: np.random.Generator) -> Array:
    """Another microphone, room, bandwidth and background for the same voice, (N,)."""
    count = len(samples)
    size = 1 << (count + SAMPLE_RATE // 2).bit_length()
    spectrum = np.fft.rfft(samples, size)
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    octave = np.log2(np.maximum(hz, 50) / 50)
    tone_db = np.zeros(len(hz))
    for k in (1, 2, 3):
        tone_db += rng.normal(0, 4) * np.cos(octave * k * 0.45 + rng.uniform(0, 6.3))
    if rng.random() < 0.4:  # telephones, old recordings, strong compression
        tone_db = (
            tone_db - 24 * np.maximum(0, np.log2(np.maximum(hz, 1) / rng.uniform(3000, 7500))) * 3
        )
    if rng.random() < 0.3:
        tone_db = tone_db - 12 * np.maximum(0, np.log2(rng.uniform(100, 350) / np.maximum(hz, 1)))
    spectrum *= 10 ** (np.maximum(tone_db, -80) / 20)
    if rng.random() < 0.4:
        length = SAMPLE_RATE // 2
        decay = np.exp(-6.9 * np.arange(length) / (rng.uniform(0.1, 0.6) * SAMPLE_RATE))
        room = rng.standard_normal(length) * decay
        room *= 10 ** (rng.uniform(-18, -2) / 20) / np.sqrt((room**2).sum())
        room[0] = 1.0
        spectrum *= np.fft.rfft(room, size)
    voice = np.fft.irfft(spectrum, size)[:count].astype(np.float32)
    if rng.random() < 0.7:
        level = np.sqrt(np.mean(voice**2)) * 10 ** (-rng.uniform(5, 45) / 20)
        voice = voice + np.float32(level) * noise(count, rng)
    return voice


# Samples (N,) -> features (F, E) of another encoder, frame f at f / 100 s
Ears = Callable[[NDArray], NDArray]


@dataclass(frozen=True)
class Example:
    """One clip as heard once: features (F, FEATURES) with silence around, and targets.

    Motion frame i is at feature frame `REACH + STRIDE * i` of the features.
    """

    name: str
    speaker: str
    features: NDArray[np.float16]
    shape: Array
    controls: Array


def example(clip: Clip, rng: np.random.Generator | None = None, ears: Ears | None = None
            ) -> Example:  # fmt: skip
    """The clip as it is, or with another voice when `rng` is given; ears: of another encoder."""
    samples = np.asarray(clip.samples / np.float32(32767), np.float32)
    shape, controls = clip.shape, clip.controls
    if rng is not None:
        # speed moves pitch and formants together, as a smaller or larger person would
        speed = float(np.exp(rng.uniform(np.log(0.8), np.log(1.25))))
        at = np.arange(int(len(samples) / speed)) * speed
        faster = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
        samples = vary_voice(faster, rng)
        at = np.arange(int(len(shape) / speed)) * speed
        low = np.minimum(at.astype(int), len(shape) - 2)
        part = np.minimum(at - low, 1.0)[:, None].astype(np.float32)
        shape = shape[low] * (1 - part) + shape[low + 1] * part
        controls = controls[low] * (1 - part) + controls[low + 1] * part
    return Example(clip.name, clip.speaker, framed(samples, len(shape), ears), shape, controls)


def silent_example(rng: np.random.Generator, seconds: float = 3.0, ears: Ears | None = None
                   ) -> Example:  # fmt: skip
    """Noise or silence with lips at rest."""
    count = int(seconds * SAMPLE_RATE)
    sound = noise(count, rng) * np.float32(0.05 if rng.random() < 0.8 else 0.0)
    if rng.random() < 0.4:  # knocks, clicks, steps
        for at in rng.integers(0, count - 800, rng.integers(1, 8)):
            burst = rng.standard_normal(800) * np.exp(-np.arange(800) / rng.uniform(20, 200))
            sound[at : at + 800] += (0.3 * rng.random() * burst).astype(np.float32)
    frames = int(seconds * MOTION_FPS)
    points = len(POINTS) * 3
    return Example("", "noise", framed(sound, frames, ears), np.zeros((frames, points), np.float32),
                   np.zeros((frames, len(CONTROLS)), np.float32))  # fmt: skip


def framed(samples: Array, frames: int, ears: Ears | None = None) -> NDArray[np.float16]:
    """Features that `frames` motion frames need, (2 * REACH + STRIDE * (frames - 1) + 1, ...)."""
    total = 2 * REACH + STRIDE * (frames - 1) + 1
    if ears is None:
        return features(analyse(samples, REACH, total)).astype(np.float16)
    edge = max(0, (total - REACH) * HOP - len(samples))
    return ears(np.pad(samples, (REACH * HOP, edge)))[:total].astype(np.float16)


def seed_of(*parts: object) -> int:
    """A seed that depends on every part and on nothing else."""
    return zlib.crc32("/".join(map(str, parts)).encode())


def batches(
    examples: Sequence[Example], size: int, frames: int, seed: int, hide: float
) -> Iterator[tuple[Array, Array, Array]]:
    """Endless (features (B, E, F), controls (B, K, T), shape (B, T, P)).

    Speakers count by the root of their clips, and none more than half; noise is one in twenty.
    hide: share of rows that hear the phone scores only.  Bands tell voices apart, phones do not:
    what was learned without bands carries over to new voices.
    """
    rng = np.random.default_rng(seed)
    by_speaker: dict[str, list[Example]] = {}
    for item in (e for e in examples if len(e.shape) >= frames):
        by_speaker.setdefault(item.speaker, []).append(item)
    silent = by_speaker.pop("noise", [])
    names = sorted(by_speaker)
    share = np.array([len({e.name for e in by_speaker[n]}) for n in names], float) ** SHARE
    share = np.minimum(share, share.sum() / 2)
    share /= share.sum()
    needed = 2 * REACH + STRIDE * (frames - 1) + 1
    width = by_speaker[names[0]][0].features.shape[1]
    while True:
        heard = np.empty((size, needed, width), np.float32)
        controls = np.empty((size, frames, len(CONTROLS)), np.float32)
        shape = np.empty((size, frames, len(POINTS) * 3), np.float32)
        for row in range(size):
            pool = (
                silent if silent and rng.random() < 0.05 else by_speaker[rng.choice(names, p=share)]
            )
            item = pool[rng.integers(len(pool))]
            at = rng.integers(max(1, len(item.shape) - frames + 1))
            heard[row] = item.features[STRIDE * at : STRIDE * at + needed]
            controls[row], shape[row] = (
                item.controls[at : at + frames],
                item.shape[at : at + frames],
            )
        if width == FEATURES:  # a speaker's level against the background, and the odd lost band
            heard[:, :, :MEL_BANDS] += rng.normal(0, 0.1, (size, 1, MEL_BANDS))
            heard[rng.random(size) < hide, :, :MEL_BANDS] = 0
        yield heard.transpose(0, 2, 1), controls.transpose(0, 2, 1), shape
