"""Pairs of other people's videos, with what can be learned from them: `enliven prefer import`.

Any pair can be looked at, voted on, judged and exported.  To be learned from, both videos must
speak the same sound, and what the generator would have drawn must be known: it lies beside our
own videos (NAME.npz), and is measured in others (`train.video_latent`).

    OUT/pairs.jsonl   the pairs, as `prefer make` writes them
    OUT/...           media of the folder of the rows, under their names; others stay where they
                      are
    OUT/media/        NAME.npz with what was measured, NAME--photo.png where no photo is
                      given
"""

import logging
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadMedia, EnlivenError, OutputExists
from enliven.media.audio import SPEECH_RATE, read_speech
from enliven.media.files import whole_folder, writing
from enliven.media.video import probe, read_frames
from enliven.motion.chunks import CHUNK
from enliven.motion.latent import LATENT
from enliven.motion.performer import FRAMES
from enliven.reward.bare_pairs import BarePair, read_bare
from enliven.reward.preferences import Candidate, Preference, write_preferences
from enliven.train.video_latent import drawn_for, followed, whole_seconds
from enliven.types import Motion

LONGEST = 60  # seconds that are learned from, of each
SAME_VOICE = 0.8  # least correlation of loudness, dB in 25ths of a second
FLOOR_DB = -60.0
STEADY_DB = 1.0  # deviation of loudness below which nothing can be compared

Progress = Callable[[str, int, int], object]
log = logging.getLogger("enliven")


@dataclass(frozen=True)
class Imported:
    """path: the file of pairs.  pairs: how many it holds.  learnable: how many of them can be
    learned from."""

    path: Path
    pairs: int
    learnable: int


def import_preferences(file: Path, out: Path, *, media: Path | None = None, measure: bool = True,
                       progress: Progress | None = None) -> Imported:  # fmt: skip
    """Make a folder of pairs of rows of prompt, chosen and rejected; it appears when complete.

    media: what names in the file are relative to; where the file lies by default.
    measure: what the generator would have drawn, in videos without such numbers.
    Why a pair cannot be learned from is logged.
    Raises BadMedia and BadOption as `read_bare`, OutputExists, OutputError.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputExists(f"{out} exists; choose another --out")
    folder = file.parent if media is None else media
    rows = read_bare(file, folder)
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(out, re.compile("(?!)")) as hidden, writing(out):
        (hidden / "media").mkdir()
        kept = _Kept(folder, hidden, rows, measure)
        pairs = []
        for number, row in enumerate(rows):
            if progress:
                progress("pairs", number, len(rows))
            pairs.append(kept.preference(row, f"imported: {file.name}"))
        write_preferences(hidden / "pairs.jsonl", pairs)
    if progress:
        progress("pairs", len(rows), len(rows))
    known = sum(bool(pair.chosen.motion and pair.rejected.motion) for pair in pairs)
    return Imported(out / "pairs.jsonl", len(pairs), known)


@final
class _Kept:
    """Rows becoming pairs, each medium copied and measured once."""

    def __init__(self, folder: Path, out: Path, rows: Sequence[BarePair], measure: bool) -> None:
        self.folder, self.out, self.measure = folder, out, measure
        self.stored = {name: _stored(name, folder) for row in rows for name in row.named}
        for name, place in self.stored.items():
            if not Path(place).is_absolute():
                (out / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, out / place)
        self.names = _short_names(side for row in rows for side in (row.chosen, row.rejected))
        self.tracked: dict[str, Motion] = {}
        self.drawn: dict[tuple[str, int, bool], str] = {}

    def preference(self, row: BarePair, judge: str) -> Preference:
        made: dict[str, Any] = {"generator": "imported"}
        motions = ["", ""]
        try:
            sound = row.sound or row.chosen
            seconds, known = self._seconds(row, sound)
            motions = [self._motion(side, seconds, known) for side in (row.chosen, row.rejected)]
            photo = self.stored[row.photo] if row.photo else self._photo(row.chosen)
            made |= {"photo": photo, "sound": self.stored[sound], "seconds": seconds}
        except EnlivenError as error:
            motions = ["", ""]
            log.warning("line %d can be voted on, judged and exported, but not learned from: %s",
                        row.line, error)  # fmt: skip
        one, two = (
            Candidate(row.prompt, self.names[side], motion, self.stored[side], np.nan, np.nan,
                      np.nan, made)
            for side, motion in zip((row.chosen, row.rejected), motions, strict=True)
        )  # fmt: skip
        return Preference(one, two, np.nan, "imported", judge)

    def _seconds(self, row: BarePair, sound: str) -> tuple[int, bool]:
        """Whole seconds that both videos and the sound last, and whether it is known what was
        drawn for both: of a pair both are measured or neither, or the tracker's grain would tell
        better from worse.  Raises BadMedia."""
        own = [self._beside(side) for side in (row.chosen, row.rejected)]
        heard = {sound, *(n for n in (row.chosen, row.rejected)
                          if probe(self.folder / n).has_audio)}  # fmt: skip
        voices = {name: read_speech(self.folder / name).samples for name in sorted(heard)}
        for name in sorted(heard - {sound}):
            if not same_voice(voices[sound], voices[name]):
                raise BadMedia(f"{name} does not speak the sound of {sound}")
        if own[0] is not None and own[1] is not None and len(own[0]) == len(own[1]):
            return len(own[0]), True
        if not self.measure:
            raise BadMedia("what was drawn is not beside the videos, and was not to be measured")
        frames = [len(samples) * CHUNK // SPEECH_RATE for samples in voices.values()]
        frames += [len(self._followed(name)) for name in (row.chosen, row.rejected)]
        seconds = min(LONGEST, whole_seconds(min(frames)))
        if not seconds:
            raise BadMedia(f"they share {min(frames) / CHUNK:.1f} s; a second is the least")
        return seconds, False

    def _motion(self, name: str, seconds: int, known: bool) -> str:
        """File of what was drawn, or would have been, in the folder that is made."""
        if (name, seconds, known) not in self.drawn:
            parts = self._beside(name) if known else None
            if parts is None:
                parts = drawn_for(self._followed(name), seconds)
            place = Path(self.stored[name]).with_suffix(".npz")
            if place.is_absolute() or (self.out / place).exists():
                place = Path("media") / f"{self.names[name]}--{seconds}-{int(known)}.npz"
            np.savez(self.out / place, parts=parts)
            self.drawn[name, seconds, known] = place.as_posix()
        return self.drawn[name, seconds, known]

    def _followed(self, name: str) -> Motion:
        if name not in self.tracked:
            self.tracked[name] = followed(self.folder / name)
        return self.tracked[name]

    def _beside(self, name: str) -> NDArray[np.float32] | None:
        """What lies beside a video of ours: (seconds, FRAMES, D), or None."""
        try:
            with np.load((self.folder / name).with_suffix(".npz")) as kept:
                parts = np.asarray(kept["parts"], np.float32)
        except Exception:  # whatever else of that name lies there is not ours
            return None
        fits = parts.ndim == 3 and parts.shape[1:] == (FRAMES, len(LATENT)) and len(parts) > 0
        return parts if fits and bool(np.isfinite(parts).all()) else None

    def _photo(self, name: str) -> str:
        """The first frame of a video, where no photo is given."""
        place = Path("media") / f"{self.names[name]}--photo.png"
        if not (self.out / place).exists():
            frame = next(iter(read_frames(self.folder / name).frames))
            cv2.imwrite(str(self.out / place), frame[..., ::-1])
        return place.as_posix()


def same_voice(one: NDArray, other: NDArray) -> bool:
    """Whether two sounds (N,) at 16 kHz are one, encoded otherwise or of another length: whether
    they are loud at the same times.  Silence is like silence."""
    size = SPEECH_RATE // CHUNK
    count = min(len(one), len(other)) // size
    if not count:
        return False
    powers = [np.mean(np.square(x[: count * size].reshape(count, size)), 1) for x in (one, other)]
    loud = [np.maximum(10 * np.log10(power + 1e-12), FLOOR_DB) for power in powers]
    still = [level.std() < STEADY_DB for level in loud]
    if any(still):
        return all(still)
    return bool(np.corrcoef(loud[0], loud[1])[0, 1] >= SAME_VOICE)


def _stored(name: str, folder: Path) -> str:
    """What a file is called in the new folder: its own name, absolute where it lies elsewhere."""
    inside = not Path(name).is_absolute() and ".." not in Path(name).parts
    return name if inside else str((folder / name).resolve())


def _short_names(names: Iterable[str]) -> dict[str, str]:
    """A name for each video, none twice: its stem, with a number where others have it, too."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        if name not in found:
            stem, number = Path(name).stem, 1
            while (short := stem if number == 1 else f"{stem}-{number}") in taken:
                number += 1
            taken.add(short)
            found[name] = short
    return found
