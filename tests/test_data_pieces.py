"""Cutting videos into clips, what clips are judged by: pytest tests/test_data_pieces.py"""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from enliven.data.augment import music, noise
from enliven.data.pieces import MOST_LOST, Watched, at_pauses, cuts, shots
from enliven.data.quality import OTHERS, Picture, Sound, doubts, measure_sound, shortcomings
from enliven.media.audio import read_speech

RATE = 16_000
GOOD = Picture(1.0, 80.0, 10.0, 8.0, 0.1, 0.0, 0.0, 0.04)
TALK = Sound(-20.0, 0.7, 0.7, 0.0)


def seen(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Thumbnails with camera noise and a still face of 100 px, (T, 24, 32), (T, 478, 3)."""
    rng = np.random.default_rng(0)
    scene = rng.uniform(0, 255, (24, 32))
    thumbs = scene + rng.normal(0, 1, (frames, 24, 32))
    face = rng.uniform(0, 100, (478, 3))
    return thumbs.astype(np.float32), np.tile(face, (frames, 1, 1)).astype(np.float32)


def test_another_picture_is_a_cut_and_noise_is_none() -> None:
    thumbs, landmarks = seen(100)
    valid = np.ones(100, bool)
    assert not cuts(thumbs, landmarks, valid).any()
    thumbs[40:] = thumbs[40:, :, ::-1]
    assert np.flatnonzero(cuts(thumbs, landmarks, valid)).tolist() == [40]


def test_a_shaky_camera_is_no_cut() -> None:
    thumbs, landmarks = seen(100)
    for i in range(20, 60):
        thumbs[i] = np.roll(thumbs[i], i * 3, axis=1)
    assert not cuts(thumbs, landmarks, np.ones(100, bool)).any()


def test_a_face_that_jumps_or_grows_is_a_cut() -> None:
    thumbs, landmarks = seen(90)
    landmarks[30:, :, 0] += 20
    landmarks[60:] *= 1.2
    valid = np.ones(90, bool)
    assert np.flatnonzero(cuts(thumbs, landmarks, valid)).tolist() == [30, 60]
    valid[28:32] = False  # where it was lost, the places are guesses
    assert np.flatnonzero(cuts(thumbs, landmarks, valid)).tolist() == [60]
    assert not cuts(thumbs[:1], landmarks[:1], valid[:1]).any()


def test_shots_end_at_cuts_and_where_the_face_stays_away() -> None:
    valid, cut = np.ones(100, bool), np.zeros(100, bool)
    assert shots(valid, cut) == [(0, 100)]
    cut[50] = True
    valid[20 : 20 + MOST_LOST] = False
    assert shots(valid, cut) == [(0, 50), (50, 100)]
    valid[20 : 20 + MOST_LOST + 1] = False
    assert shots(valid, cut) == [(0, 20), (20 + MOST_LOST + 1, 50), (50, 100)]
    valid[:3], valid[97:] = False, False
    assert shots(valid, cut) == [(3, 20), (20 + MOST_LOST + 1, 50), (50, 97)]
    assert shots(np.zeros(9, bool), np.zeros(9, bool)) == []


@pytest.mark.parametrize("length", [40, 500, 501, 777, 1500, 1501])
@pytest.mark.parametrize("start", [0, 123])
def test_pieces_cover_everything_and_are_short_enough(length: int, start: int) -> None:
    energy_db = np.random.default_rng(length).normal(-20, 10, 4 * (start + length) + 1)
    pieces = at_pauses((start, start + length), energy_db, 20.0)
    assert pieces[0][0] == start
    assert pieces[-1][1] == start + length
    assert all(before[1] == after[0] for before, after in itertools.pairwise(pieces))
    assert all(0 < b - a <= 500 for a, b in pieces)


def test_pieces_part_at_pauses() -> None:
    energy_db = np.full(4 * 800, -10.0)
    energy_db[4 * 410 : 4 * 430] = -60
    ((_, border), _) = at_pauses((0, 800), energy_db, 20.0)
    assert 410 <= border < 430


def test_watched_frames_pass_unchanged() -> None:
    frames = [np.full((48, 64, 3), i, np.uint8) for i in range(120)]
    watched = Watched(frames)
    assert [int(frame[0, 0, 0]) for frame in watched] == list(range(120))
    assert len(watched) == 120
    assert [float(thumb.mean()) for thumb in watched.thumbs] == list(range(120))
    assert all(grey.shape == (48, 64) and grey[0, 0] == i for i, grey in watched.looks.items())
    assert len(watched.looks) == 3


def test_speech_is_told_from_noise_music_and_silence(speech_wav) -> None:
    speech = read_speech(speech_wav).samples
    rng = np.random.default_rng(1)
    talk = measure_sound(speech)
    assert talk.speech_share > 0.5
    assert not shortcomings(GOOD, talk)
    assert not doubts(talk)
    hiss = measure_sound(0.05 * noise(5 * RATE, rng))
    assert "no voice" in shortcomings(GOOD, hiss)[0]
    band = measure_sound(0.05 * music(8 * RATE, rng))
    assert "music" in doubts(band)[0]
    for silence in (np.zeros(RATE), 1e-5 * rng.standard_normal(RATE), np.zeros(10)):
        assert shortcomings(GOOD, measure_sound(silence)) == ["the sound is silent"]
    pauses = measure_sound(np.concatenate([speech[: 2 * RATE], np.zeros(18 * RATE)]))
    assert "of the time only" in shortcomings(GOOD, pauses)[0]


def test_loudness_does_not_matter(speech_wav) -> None:
    speech = read_speech(speech_wav).samples
    loud, quiet = measure_sound(speech), measure_sound(speech / 20)
    assert quiet.level_db == pytest.approx(loud.level_db - 20 * np.log10(20))
    assert replace(quiet, level_db=loud.level_db) == loud


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"face_share": 0.5}, "found in 50%"),
        ({"eyes_px": 20.0}, "too small, 20 px"),
        ({"yaw_deg": 60.0}, "60 degrees to the side"),
        ({"pitch_deg": 50.0}, "50 degrees up or down"),
        ({"sharpness": 0.01}, "blurred"),
        ({"outside": 0.4}, "40% of the face"),
        ({"others": 0.8}, OTHERS),
        ({"lip_motion": 0.001}, "lips do not move"),
    ],
)
def test_each_shortcoming_is_named(wrong: dict[str, float], said: str) -> None:
    assert not shortcomings(GOOD, TALK)
    (reason,) = shortcomings(replace(GOOD, **wrong), TALK)
    assert said in reason
