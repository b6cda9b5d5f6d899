"""One video of somebody talking -> clips to train on.

It is tracked at 25 frames a second, cut where the shot changes, the face is lost or somebody
pauses, measured (`data.quality`), and its sound is shifted to where the lips are (`data.sync`).
"""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from enliven.data.dataset import TalkingClip, packed_samples, packed_shape, write_clip
from enliven.data.pieces import Watched, at_pauses, cuts, shots
from enliven.data.quality import (
    Picture,
    Sound,
    doubts,
    measure_picture,
    measure_sound,
    shortcomings,
)
from enliven.data.sync import LEAST_SECONDS, Offset, expected_lips, find_offset, seen_lips
from enliven.errors import NoFaceFound
from enliven.face.head import fit_motion
from enliven.face.track import Track, track_video
from enliven.media.audio import SPEECH_RATE, read_speech
from enliven.media.video import probe, read_frames
from enliven.metrics.lips import head_shape
from enliven.motion.audio import FRAME_RATE, analyse
from enliven.types import MOTION_FPS

LONGEST_SECONDS = 20.0  # of a clip
SHORTEST_SECONDS = 1.5
CHUNK_SECONDS = 60  # of a video tracked at once; bounds the memory
LEAST_OFFSET = 1.7  # frames; less is within the error of the measurement, and not seen
DOUBTFUL = "doubtful"  # folder

HOP = round(SPEECH_RATE / MOTION_FPS)

Verdict = Literal["kept", "doubtful", "rejected"]


@dataclass(frozen=True)
class Row:
    """What became of a piece of a video, or of a whole one; a line of the manifest.

    clip: name of the archive, None if there is none.  source: the video, relative to the
    folder.  sha256: of its content.  start, seconds: where the piece lies in it.
    offset_frames: by which the lips came after the sound before that was put right; None where
    it could not be told.
    """

    clip: str | None
    source: str
    sha256: str
    speaker: str
    start: float
    seconds: float
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    offset_frames: float | None = None
    offset_peak: float | None = None
    offset_margin: float | None = None
    picture: Picture | None = None
    sound: Sound | None = None

    def as_dict(self) -> dict[str, Any]:
        """Flat, rounded, for JSON."""
        flat = {**asdict(self), **(asdict(self.picture) if self.picture else {}),
                **(asdict(self.sound) if self.sound else {})}  # fmt: skip
        del flat["picture"], flat["sound"]
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in flat.items()}

    @classmethod
    def from_dict(cls, flat: dict[str, Any]) -> Self:
        """The row that `as_dict` made flat.  Raises KeyError and TypeError."""
        names = {field.name for field in fields(cls)} - {"picture", "sound"}
        own = {name: flat[name] for name in names}
        own["reasons"] = tuple(own["reasons"])
        parts: dict[str, Any] = {}
        if "eyes_px" in flat:
            parts["picture"] = Picture(**{f.name: flat[f.name] for f in fields(Picture)})
            parts["sound"] = Sound(**{f.name: flat[f.name] for f in fields(Sound)})
        return cls(**own, **parts)


@dataclass(frozen=True)
class Found:
    """A piece of a video before it is judged."""

    start: int
    track: Track
    shapes: NDArray[np.float64]
    values: NDArray[np.float32]
    picture: Picture


def prepare_video(path: Path, source: str, sha256: str, speaker: str, out: Path) -> list[Row]:
    """Writes the clips of one video into `out` and tells what became of each piece.

    Raises BadMedia and NoFaceFound when nothing of it can be used, OutputError.
    """
    speech = read_speech(path)
    energy_db = analyse(speech.samples).energy_db
    frames = len(speech.samples) // HOP
    found = list(_pieces(path, frames, energy_db))
    if not found:
        raise NoFaceFound(f"no face was seen for {SHORTEST_SECONDS:g} s on end without a cut")
    heard = [_sound_of(speech.samples, piece, 0) for piece in found]
    lips = [(expected_lips(sound, len(piece.track)), seen_lips(piece.shapes))
            for sound, piece in zip(heard, found, strict=True)]  # fmt: skip
    offset = find_offset(lips)
    shift = round(offset.frames) if offset.trusted and abs(offset.frames) >= LEAST_OFFSET else 0
    rows = []
    for number, (piece, pair) in enumerate(zip(found, lips, strict=True)):
        samples = _sound_of(speech.samples, piece, shift)
        sound = measure_sound(samples)
        verdict, reasons = _judged(piece.picture, sound, offset, find_offset([pair]))
        row = Row(None, source, sha256, speaker, piece.start / MOTION_FPS,
                  len(piece.track) / MOTION_FPS, verdict, tuple(reasons),
                  offset.frames if offset.trusted else None, offset.peak, offset.margin,
                  piece.picture, sound)  # fmt: skip
        if verdict != "rejected":
            if shift:
                row = replace(row, reasons=(*row.reasons, f"sound shifted by {shift:+d} frames"))
            name = clip_name(source, sha256, number)
            folder = out / DOUBTFUL if verdict == "doubtful" else out
            write_clip(folder, _clip(name, speaker, samples, piece), overwrite=True)
            row = replace(row, clip=name)
        rows.append(row)
    left = probe(path).seconds - sum(row.seconds for row in rows)
    if left >= SHORTEST_SECONDS:
        reason = f"no face for {SHORTEST_SECONDS:g} s on end without a cut, or no sound"
        rows.append(Row(None, source, sha256, speaker, 0.0, left, "rejected", (reason,)))
    return rows


def _pieces(path: Path, sound_frames: int, energy_db: NDArray) -> Iterator[Found]:
    """What of a video shows a face long enough, and has sound."""
    chunk = round(CHUNK_SECONDS * MOTION_FPS)
    frames = read_frames(path, Fraction(round(MOTION_FPS))).frames
    before, problem = 0, None
    tracked = False
    while (first := next(frames, None)) is not None:
        watched = Watched(chain([first], islice(frames, chunk - 1)))
        try:
            track = track_video(watched, fps=MOTION_FPS)
        except NoFaceFound as error:
            problem = problem or error
            for _ in watched:  # what the tracker left of this chunk
                pass
        else:
            tracked = True
            yield from _pieces_of(track, watched, before, sound_frames, energy_db)
        before += len(watched)
        if before >= sound_frames:
            break
    if problem and not tracked:
        raise problem


def _pieces_of(
    track: Track, watched: Watched, before: int, sound_frames: int, energy_db: NDArray
) -> Iterator[Found]:
    shortest = round(SHORTEST_SECONDS * MOTION_FPS)
    cut = cuts(np.array(watched.thumbs), track.landmarks, track.valid)
    here = energy_db[before * round(FRAME_RATE / MOTION_FPS) :]
    for start, end in shots(track.valid, cut):
        stop = min(end, sound_frames - before)
        if stop - start < shortest:
            continue
        whole = _part(track, start, stop)
        values = fit_motion(whole).values
        seen = np.where(whole.valid[:, None, None], whole.landmarks, np.nan)
        shapes = head_shape(seen)
        for a, b in at_pauses((start, stop), here, LONGEST_SECONDS):
            if b - a < shortest:
                continue
            own = slice(a - start, b - start)
            part = _part(track, a, b)
            looks = {i - a: grey for i, grey in watched.looks.items() if a <= i < b}
            picture = measure_picture(part, looks, seen_lips(shapes[own])[:, 0])
            yield Found(before + a, part, shapes[own], values[own], picture)


def _part(track: Track, start: int, stop: int) -> Track:
    part = slice(start, stop)
    return replace(track, landmarks=track.landmarks[part], confidence=track.confidence[part],
                   valid=track.valid[part], rotation=track.rotation[part],
                   translation=track.translation[part])  # fmt: skip


def _sound_of(samples: NDArray[np.float32], piece: Found, shift: int) -> NDArray[np.float32]:
    """The sound (T * HOP,) under a piece when all sound comes `shift` frames later."""
    start = (piece.start - shift) * HOP
    stop = start + len(piece.track) * HOP
    inside = samples[max(start, 0) : max(stop, 0)]
    before = min(max(-start, 0), stop - start)
    return np.pad(inside, (before, stop - start - before - len(inside)))


def _judged(
    picture: Picture, sound: Sound, offset: Offset, own: Offset
) -> tuple[Verdict, list[str]]:
    """offset: of the whole video; own: of the piece by itself."""
    reasons = shortcomings(picture, sound)
    if not reasons and (offset.unrelated or own.unrelated):
        agree = min(offset.peak, own.peak)
        reasons.append(f"the lips do not say what is heard (agreement {agree:.2f})")
    if reasons:
        return "rejected", reasons
    reasons = doubts(sound)
    if offset.seconds >= LEAST_SECONDS and not offset.trusted:
        reasons.append("it is unclear how far the sound is off the lips (agreement "
                       f"{offset.peak:.2f} at {offset.frames:+.1f} frames)")  # fmt: skip
    return ("doubtful" if reasons else "kept"), reasons


def _clip(name: str, speaker: str, samples: NDArray[np.float32], piece: Found) -> TalkingClip:
    valid = piece.track.valid
    return TalkingClip(name, speaker, packed_samples(samples), packed_shape(piece.shapes, valid),
                       piece.values.astype(np.float32), valid)  # fmt: skip


def clip_name(source: str, sha256: str, number: int) -> str:
    """A file name that tells where a clip is from and is no other's."""
    readable = re.sub(r"[^\w.-]+", "_", Path(source).with_suffix("").as_posix().replace("/", "--"))
    return f"{readable.lstrip('.')[-100:] or 'clip'}--{sha256[:8]}-{number:03d}"
