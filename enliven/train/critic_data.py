"""Talking clips for the sync critic: in other voices and other rooms, on other faces.

R = 4 (T + 2 SHIFTS) rows of sound, B bands, T frames, G measures.  Two people are all there is
to learn from, so what is theirs alone is changed at random in every example, and what lips and
voice have in common stays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.metrics.critic import (
    BANDS,
    LEADING,
    MEASURES,
    ROWS,
    SCALES,
    SHIFTS,
    levelled,
    lip_measures,
    mel_bands,
    power,
    relative,
    see_lips,
    see_mouths,
)
from enliven.metrics.watch import watch

Array = NDArray[np.float32]

VIDEO = {".mp4", ".mpg", ".mov", ".mkv", ".webm", ".avi"}
SEGMENT = 70  # frames of an example
THROATS = (0.76, 1.32)  # range of the factor on frequency
LOUD_DB = -25.0  # re the loudest: frames where speech is
SHUT_DB, OPEN_DB = -35.0, -8.0  # re the loudest: where a mouth that follows it is shut and open
# what a jaw that opens does to each measure, in its own deviations
OPENING = np.array([1, 1, 1, 1, 1, 1, -0.3, -0.2, 1, 1, -0.2, 1, 0.3, 0.3], np.float32)


@dataclass(frozen=True)
class SyncClip:
    """power: (R, F) spectra of the voice.  measures: (T, G).  mouths: (T, 48, 64) uint8.
    loudness: (T,) dB re the loudest."""

    speaker: str
    power: Array
    measures: Array
    mouths: NDArray[np.uint8]
    loudness: Array

    @property
    def known(self) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(self.measures).all(1))

    @property
    def opening(self) -> Array:
        """How far a mouth is open that knows nothing but loudness, (T,) 0 to 1."""
        return np.clip((self.loudness - SHUT_DB) / (OPEN_DB - SHUT_DB), 0, 1)


def make_clip(speaker: str, samples: NDArray, shapes: Array, mouths: NDArray) -> SyncClip:
    """Of the fields of a `Stretch`."""
    spectra = power(samples, len(shapes))
    energy = spectra.mean(1).reshape(-1, ROWS).mean(1)[SHIFTS:-SHIFTS]
    energy = np.convolve(np.pad(energy, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    loudness = 10 * np.log10(energy / max(float(energy.max()), 1e-9) + 1e-9)
    return SyncClip(speaker, spectra, lip_measures(shapes), mouths, loudness.astype(np.float32))


def read_clips(folder: Path) -> Iterable[SyncClip]:
    """Clips of a folder that holds one folder a speaker; short ones are left out."""
    for path in sorted(p for p in folder.glob("*/*") if p.suffix.lower() in VIDEO):
        for stretch in watch(path):
            if len(stretch) >= SEGMENT and stretch.valid.all():
                yield make_clip(path.parent.name, stretch.samples, stretch.shapes, stretch.mouths)


def save_clips(path: Path, clips: Sequence[SyncClip]) -> None:
    """Keeps clips; `load_clips` gives them back."""
    fields = {
        f"{name}{i}": getattr(clip, name)
        for i, clip in enumerate(clips)
        for name in ("power", "measures", "mouths", "loudness")
    }
    hidden = path.with_suffix(".part.npz")
    np.savez(hidden, speakers=[clip.speaker for clip in clips], **fields)
    hidden.replace(path)


def load_clips(path: Path) -> list[SyncClip]:
    with np.load(path) as kept:
        return [
            SyncClip(str(speaker), *(kept[f"{name}{i}"] for name in ("power", "measures", "mouths",
                                                                     "loudness")))
            for i, speaker in enumerate(kept["speakers"])
        ]  # fmt: skip


def other_voice(clip: SyncClip, rng: np.random.Generator) -> Array:
    """What the ear hears of a clip, (R, B), from a throat of another length (Jaitly & Hinton
    2013), through another microphone, in another room, with noise."""
    warp = float(np.round(rng.uniform(*THROATS), 2))
    bands = relative(clip.power @ mel_bands(warp))
    bands = bands * np.exp(_curve(rng, 6, 1.2))
    if rng.random() < 0.5:
        bands = _in_room(bands, decay=rng.uniform(0.15, 0.7), share=rng.uniform(0.05, 0.5))
    if rng.random() < 0.7:
        colour = np.exp(_curve(rng, 5, 1.5))
        level = 0.3 * 10 ** (-rng.uniform(5, 35) / 10)
        bands = bands + colour / colour.mean() * level * rng.gamma(2, 0.5, bands.shape)
    return levelled(bands)


def _curve(rng: np.random.Generator, knots: int, spread: float) -> NDArray[np.float64]:
    """A smooth random line over the bands, (B,)."""
    at = np.linspace(0, BANDS - 1, knots)
    return np.interp(np.arange(BANDS), at, rng.normal(0, spread, knots))


def _in_room(bands: Array, decay: float, share: float) -> Array:
    """Bands with an echo that has faded by 60 dB after `decay` s, of that share of the sound."""
    keep = 10 ** (-6 * 0.01 / decay)
    echo = np.zeros_like(bands)
    for i in range(1, len(bands)):
        echo[i] = keep * echo[i - 1] + (1 - keep) * bands[i - 1]
    return (1 - share) * bands + share * echo


def _drift(rng: np.random.Generator, frames: int, knots: int, spread: float, width: int) -> Array:
    """Smooth random lines over time, (T, width)."""
    at = np.linspace(0, frames - 1, knots)
    lines = [np.interp(np.arange(frames), at, rng.normal(0, spread, knots)) for _ in range(width)]
    return np.stack(lines, 1).astype(np.float32)


def other_lips(seen: Array, rng: np.random.Generator) -> Array:
    """What the eye sees of lips, (T, G), as if somebody moved them more or less, each measure
    in another way, and a tracker were less steady."""
    mixed = np.eye(MEASURES) * np.exp(rng.normal(0, 0.15, MEASURES))
    mixed = mixed @ (np.eye(MEASURES) + rng.normal(0, 0.08, (MEASURES, MEASURES)))
    frames = len(seen)
    shake = rng.normal(0, 0.12, seen.shape)
    shake += np.repeat(rng.normal(0, 0.15, (frames // 5 + 1, MEASURES)), 5, 0)[:frames]
    made = np.exp(rng.normal(0, 0.3)) * seen @ mixed + shake + _drift(rng, frames, 4, 0.3, MEASURES)
    return made.astype(np.float32)


def loud_lips(clip: SyncClip, rng: np.random.Generator) -> Array:
    """What the eye would see of lips (T, G) that open with the loudness and do nothing else."""
    way = OPENING * np.exp(rng.normal(0, 0.3, MEASURES)) + rng.normal(0, 0.15, MEASURES)
    return see_lips(clip.opening[:, None] * way.astype(np.float32) * SCALES)


def other_mouths(mouths: NDArray[np.uint8], rng: np.random.Generator) -> Array:
    """What the eye sees of pictures of a mouth, (T, *PICTURE), on another face, in other light,
    by another camera, cut out less steadily."""
    frames, height, width = mouths.shape
    turn = cv2.getRotationMatrix2D(
        ((width - 1) / 2, (height - 1) / 2), rng.normal(0, 6), np.exp(rng.normal(0, 0.1))
    )
    turn[0, :2] *= np.exp(rng.normal(0, 0.06))
    turn[:, 2] += rng.normal(0, 2.5, 2)
    places = _drift(rng, frames, 5, 0.7 * rng.integers(2), 2)
    blur = rng.uniform(0.4, 1.6) * (rng.random() < 0.4)
    bent, across, down = np.exp(rng.normal(0, 0.35)), rng.normal(0, 0.15), rng.normal(0, 0.15)
    light = 1 + across * np.linspace(-1, 1, width) + down * np.linspace(-1, 1, height)[:, None]
    grain, mirrored = rng.uniform(0, 6), rng.random() < 0.5
    made = np.empty(mouths.shape, np.float32)
    for i, picture in enumerate(mouths):
        place = turn + np.column_stack([np.zeros((2, 2)), places[i]])
        moved = cv2.warpAffine(picture, place, (width, height), borderMode=cv2.BORDER_REPLICATE)
        made[i] = cv2.GaussianBlur(moved, (0, 0), blur) if blur else moved
    made = 255 * (made / 255) ** bent * light + rng.normal(0, grain, made.shape)
    if mirrored:
        made = made[:, :, ::-1]
    return see_mouths(made.astype(np.float32), np.ones(frames, bool))


def loud_order(clip: SyncClip) -> NDArray[np.intp]:
    """Frames (T,) of a clip in such an order that its mouth opens with the loudness."""
    aperture = clip.measures[:, LEADING[0]]
    order = np.empty(len(aperture), np.intp)
    order[np.argsort(clip.opening, kind="stable")] = np.argsort(aperture, kind="stable")
    return order


def speech_starts(clip: SyncClip, first: int, length: int, rng: np.random.Generator) -> int:
    """A start of a window of `length` frames in the SEGMENT from `first` on, where speech is."""
    heard = np.flatnonzero(clip.loudness[first : first + SEGMENT] > LOUD_DB)
    low, high = (heard[0] - 10, heard[-1] + 10) if len(heard) else (0, SEGMENT)
    low, high = max(0, low), min(SEGMENT, high)
    last = SEGMENT - length
    if high - length <= low:
        return int(np.clip((low + high - length) // 2, 0, last))
    return int(rng.integers(min(low, last), min(high - length, last) + 1))
