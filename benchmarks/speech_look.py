"""Contact sheets of speaking portraits over the waveform they speak to."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from speech_clips import Clip, generate, lips_of, rest_aperture
from speech_natural import brow_raise

from enliven.drive import retarget
from enliven.face.portrait import load_portrait
from enliven.face.track import track_video
from enliven.media.audio import read_speech
from enliven.media.image import write_png
from enliven.media.video import read_frames
from enliven.metrics.lips import correlation, lip_measures
from enliven.metrics.motion import head_degrees
from enliven.metrics.sync import hear
from enliven.motion.audio import SAMPLE_RATE
from enliven.render.renderer import RenderOptions, framed, render
from enliven.types import CHANNELS, MOTION_FPS, Motion, Portrait

Picture = NDArray[np.uint8]

VOICES = ("a02_en_libri_1320.mp3", "a05_en_male_anger.wav", "a06_zh_female_joy.wav",
          "a09_de_german1.wav")  # fmt: skip
COLUMNS, ROWS, TILE = 8, 3, 180  # of pictures, and their width in px
SECONDS = 4.8  # from START on: a picture every fifth frame
START = 0.2
WAVE_HEIGHT = 70
COLOURS = ((150, 175, 225), (200, 60, 0), (0, 120, 60))
CURVE_SECONDS = 15.0
LONGEST, DRAWN = 4.0, 400  # seconds of each clip that are drawn, and px
WIDE_OPEN = 0.25  # aperture at the top of the curve, IOD
SIZE = 768  # px of head and shoulders as drawn


def waveform(samples: NDArray, opening: NDArray, times: NDArray) -> Picture:
    """A row's stretch of sound, a dotted line at each picture's moment, and how far the lips
    are open (T,) as a curve that rises from the bottom."""
    width = COLUMNS * TILE
    step = times[1] - times[0]
    moments = times[0] - step / 2 + np.arange(width) / TILE * step
    strip = np.full((WAVE_HEIGHT, width, 3), 255, np.uint8)
    loudest = max(float(np.abs(samples).max()), 1e-6)
    middle = WAVE_HEIGHT // 2
    for x, moment in enumerate(moments):
        first = max(round(moment * SAMPLE_RATE), 0)
        piece = samples[first : first + max(round(step / TILE * SAMPLE_RATE), 1)]
        high = round(float(np.abs(piece).max()) / loudest * middle) if len(piece) else 0
        strip[middle - high : middle + high + 1, x] = (150, 175, 225)
    height = np.interp(moments * MOTION_FPS, np.arange(len(opening)), opening) / WIDE_OPEN
    points = np.stack([np.arange(width), WAVE_HEIGHT - 2 - height * (WAVE_HEIGHT - 4)], 1)
    cv2.polylines(strip, [points.round().astype(np.int32)], False, (200, 60, 0), 1, cv2.LINE_AA)
    for column, moment in enumerate(times):
        x = round((column + 0.5) * TILE)
        strip[::4, x] = (0, 0, 0)
        cv2.putText(strip, f"{moment:.2f}", (x + 3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (90,) * 3)
    return strip


def faces(portrait: Portrait, motion: Motion) -> list[Picture]:
    """The middle of every frame, so large that lips and lids can be judged."""
    options = RenderOptions(size=SIZE, crop=True)
    points = framed(portrait, options).landmarks[:, :2]
    low, high = points.min(0), points.max(0)
    half = 0.8 * (high - low).max()
    x, y = (low + high) / 2
    found = []
    for frame in render(portrait, motion, options):
        top, left = max(round(y - half), 0), max(round(x - half), 0)
        face = frame[top : round(y + half), left : round(x + half), :3]
        found.append(cv2.resize(face, (TILE, TILE), interpolation=cv2.INTER_AREA))
    return found


def sheet(portrait: Portrait, samples: NDArray, seed: int) -> Picture:
    """ROWS rows of pictures, each over its stretch of the sound."""
    frames = round(len(samples) / SAMPLE_RATE * MOTION_FPS)
    spoken = generate(samples, frames, seed)
    opening = lips_of(spoken).aperture - rest_aperture()
    motion = retarget(spoken, portrait, np.zeros(len(CHANNELS)))
    times = START + np.arange(COLUMNS * ROWS) * SECONDS / (COLUMNS * ROWS)
    chosen = np.minimum((times * MOTION_FPS).round().astype(int), frames - 1)
    pictures = faces(portrait, Motion(motion.values[chosen]))
    rows = []
    for start in range(0, COLUMNS * ROWS, COLUMNS):
        shown = slice(start, start + COLUMNS)
        rows += [np.hstack(pictures[shown]), waveform(samples, opening, times[shown])]
    return np.vstack(rows)


def curves(samples: NDArray, lips: NDArray, motion: Motion, seconds: float) -> Picture:
    """Movement over the sound: loudness and lips, brows and lids, head, gaze, a strip each."""
    frames = min(len(motion), round(seconds * MOTION_FPS))
    head, gaze = head_degrees(motion.group("head")), np.degrees(motion.group("gaze"))
    lids = 0.5 * (motion["eyeBlinkLeft"] + motion["eyeBlinkRight"])
    loud = (np.maximum(hear(samples, len(motion))[1], -50) + 50) / 50
    around = head - np.median(head, 0)
    looks = gaze - np.median(gaze, 0)
    strips = (
        ("loudness, lips", ((loud, 1.0), (lips, 4.0)), 0.0),
        ("brows, lids", ((brow_raise(motion), 1.0), (lids, 1.0)), 0.0),
        ("yaw pitch roll", tuple((around[:, k], 1 / 24) for k in range(3)), 0.5),
        ("gaze yaw pitch", tuple((looks[:, k], 1 / 40) for k in range(2)), 0.5),
    )
    width, height = COLUMNS * TILE, 90
    x = np.linspace(0, width - 1, round(seconds * MOTION_FPS))[:frames]
    picture = np.full((height * len(strips), width, 3), 255, np.uint8)
    for row, (title, lines, middle) in enumerate(strips):
        for (curve, scale), colour in zip(lines, COLOURS, strict=False):
            up = np.clip(np.nan_to_num(curve[:frames]) * scale + middle, 0, 1) * (height - 4)
            points = np.stack([x, (row + 1) * height - 2 - up], 1).round().astype(np.int32)
            cv2.polylines(picture, [points], False, colour, 1, cv2.LINE_AA)
        picture[(row + 1) * height - 1] = 200
        place = (4, row * height + 12)
        cv2.putText(picture, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, (90,) * 3)
    return picture


def look_at_curves(folder: Path, clips: list[Clip], speaker: Callable[[Clip, int], Motion]) -> None:
    """The same voices by the real people and by two seeds of ours; strips of 12 degrees up and
    down for the head, 20 for the gaze."""
    folder.mkdir(parents=True, exist_ok=True)
    for clip in clips:
        real = Motion(clip.values)
        parts = [curves(clip.samples, clip.lips.aperture, real, CURVE_SECONDS)]
        for seed in (0, 1):
            ours = speaker(clip, seed)
            opening = lips_of(ours).aperture - rest_aperture()
            parts.append(curves(clip.samples, opening, ours, CURVE_SECONDS))
        between = np.full((8, COLUMNS * TILE, 3), 60, np.uint8)
        rows = [row for part in parts for row in (part, between)][:-1]
        print(write_png(folder / f"curves--{clip.name}.png", np.vstack(rows), overwrite=True))


def rendered_table(clips: list[tuple[Path, Clip]], speaker: Callable[[Clip, int], Motion]) -> None:
    """The first frame of every clip made to say the same, drawn, and tracked like any video."""
    print(f"first {LONGEST:g} s of each: aperture of the real lips against ours, and against ours "
          f"as drawn\n{'clip':28s} motion  drawn")  # fmt: skip
    found = []
    for path, clip in clips:
        frames = min(clip.frames, round(LONGEST * MOTION_FPS))
        spoken = speaker(clip, 0)
        spoken = Motion(spoken.values[:frames])
        portrait = load_portrait(next(iter(read_frames(path).frames)))
        drawn = render(portrait, retarget(spoken, portrait, np.zeros(len(CHANNELS))),
                       RenderOptions(size=DRAWN, crop=True))  # fmt: skip
        seen = lip_measures(track_video(drawn, fps=MOTION_FPS).landmarks)
        real = clip.lips.aperture[:frames]
        found.append(
            (correlation(real, lips_of(spoken).aperture), correlation(real, seen.aperture))
        )
        print(f"{clip.name:28s} {found[-1][0]:6.2f} {found[-1][1]:6.2f}", flush=True)
    if found:
        motion, drawn_too = np.median(found, 0)
        print(f"{f'median of {len(found)}':28s} {motion:6.2f} {drawn_too:6.2f}")


def look(data: Path, folder: Path, seed: int = 0) -> None:
    """Draws VOICES on the example photo and on a painting."""
    photos = (Path(__file__).parents[1] / "examples" / "portrait.jpg",
              data / "dev" / "portraits" / "p02_painting_mona_lisa.jpg")  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    for photo in photos:
        if not photo.is_file():
            print(f"skipped: no {photo}")
            continue
        portrait = load_portrait(photo)
        for voice in VOICES:
            path = data / "dev" / "audio" / voice
            if not path.is_file():
                print(f"skipped: no {path}")
                continue
            picture = sheet(portrait, read_speech(path).samples, seed)
            name = f"{photo.stem}--{path.stem}.png"
            print(write_png(folder / name, picture, overwrite=True), flush=True)
