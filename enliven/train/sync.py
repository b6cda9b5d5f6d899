"""Learns the sync meter (`enliven.metrics.sync`), a ridge regression, in seconds:

    python -m enliven.train.sync --data CLIPS --out enliven/models/sync.npz

CLIPS holds one folder a speaker with talking-face videos.  Give it none that the generator was
trained on.  A speaker of many clips is held back, and every clip is heard in throats of other
lengths (Jaitly & Hinton 2013, "Vocal tract length perturbation improves speech
recognition"), which is what carries it over to voices it never met.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enliven.face.track import track_video
from enliven.media.audio import read_speech
from enliven.metrics.lips import LipMeasures, lip_measures
from enliven.metrics.sync import MEASURES, Meter, hear, windows
from enliven.types import MOTION_FPS

VIDEO = {".mp4", ".mpg", ".mov", ".mkv", ".webm", ".avi"}
SHARE = 0.5  # power of a speaker's number of clips by which the speaker counts
THROATS = (0.78, 0.84, 0.9, 0.95, 1.0, 1.06, 1.12, 1.2, 1.28)  # factors on frequency
COMPONENTS = 100  # principal directions of the windows that are used
RIDGE = 0.05  # of the variance of each, whitened


@dataclass(frozen=True)
class SyncClip:
    """A voice, samples (N,) at 16 kHz, and the lips that were seen with it."""

    speaker: str
    samples: NDArray[np.float32]
    lips: LipMeasures


def learn(clips: Sequence[SyncClip]) -> Meter:
    """The meter that fits the clips best."""
    heard, wanted, weight = [], [], []
    count = Counter(clip.speaker for clip in clips)
    for clip in clips:
        seen = np.stack([getattr(clip.lips, name) for name in MEASURES], 1)
        known = np.isfinite(seen).all(1)
        seen = (seen - np.nanmean(seen, 0)) / (np.nanstd(seen, 0) + 1e-6)
        for throat in THROATS:
            heard.append(windows(hear(clip.samples, len(seen), throat)[0])[known])
            wanted.append(seen[known])
            weight.append(np.full(known.sum(), count[clip.speaker] ** -SHARE))
    x, y, w = np.concatenate(heard), np.concatenate(wanted), np.concatenate(weight)
    return Meter(ridge(x, y, w / w.mean()).astype(np.float32))


def ridge(x: NDArray, y: NDArray, weight: NDArray) -> NDArray[np.float64]:
    """Weights (W + 1, M) of a weighted regression on the COMPONENTS largest components of x."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    middle, target = weight @ x / weight.sum(), weight @ y / weight.sum()
    away = x - middle
    variance, axes = np.linalg.eigh((away * weight[:, None]).T @ away / weight.sum())
    keep = slice(-COMPONENTS, None)
    axes = axes[:, keep] / np.sqrt(np.maximum(variance[keep], 1e-3 * variance[-1]))
    lifted = away @ axes
    gram = (lifted * weight[:, None]).T @ lifted / weight.sum() + RIDGE * np.eye(axes.shape[1])
    slopes = axes @ np.linalg.solve(
        gram, (lifted * weight[:, None]).T @ (y - target) / weight.sum()
    )
    return np.concatenate([slopes, (target - middle @ slopes)[None]])


def main() -> None:
    parser = argparse.ArgumentParser(description="learn the sync meter from talking-face videos")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    clips = []
    for path in sorted(p for p in options.data.glob("*/*") if p.suffix.lower() in VIDEO):
        landmarks = track_video(path, fps=MOTION_FPS).landmarks
        samples = read_speech(path).samples
        clips.append(SyncClip(path.parent.name, samples, lip_measures(landmarks)))
    meter = learn(clips)
    np.savez(options.out, weights=meter.weights.astype(np.float16))
    print(f"{options.out}: {len(clips)} clips of {len({c.speaker for c in clips})} speakers")


if __name__ == "__main__":
    main()
