"""Checks on made-up people with known faults: pytest tests/test_reward_checks.py"""

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest

from enliven.face.head import load_head
from enliven.geometry import RIGID
from enliven.metrics.critic import SHIFTS, SyncRows
from enliven.metrics.image import largest_change
from enliven.metrics.lips import head_shape
from enliven.metrics.voice import hear
from enliven.metrics.watch import CONTEXT, Stretch
from enliven.reward.checker import Checker
from enliven.reward.checks import NAMES, checks
from enliven.reward.grading import grade, worst_part
from enliven.reward.limits import LIMITS, Limit
from enliven.reward.look import beside, likeness, look, shape, skin
from enliven.reward.measure import measure, parts
from enliven.reward.move import changes, fast_part, runs, stutters
from enliven.reward.reference import Reference, in_crop
from enliven.types import EXPRESSION, Motion, Score

SIDE, IOD = 160, 50.0  # px
FRAMES = 100
HUM = 150.0  # Hz
SAID = slice(30, 80)  # frames in which the person speaks


def voiced(frames: int = FRAMES, said: slice = SAID) -> Any:
    """A buzz with a pitch and changing loudness in `said`, faint noise elsewhere."""
    t = np.arange(frames * 640) / 16000
    phase = 2 * np.pi * (HUM * t + 1.5 * np.sin(2 * np.pi * 0.7 * t))
    buzz = sum(np.cos(k * phase) / k for k in range(1, 20))
    loud = np.clip(np.sin(2 * np.pi * 3.1 * t + 1), 0.15, 1)
    noise = np.random.default_rng(0).standard_normal(len(t))
    gate = np.zeros(len(t))
    gate[said.start * 640 : said.stop * 640] = 1
    return np.pad(0.1 * buzz * loud * gate + 1e-4 * noise, CONTEXT).astype(np.float32)


def waves(frames: int, *hertz: float) -> Any:
    """Unlike curves (frames, n) of 0 to 1, slowly wandering in speed."""
    t = np.arange(frames) / 25
    return np.stack([(1 + np.sin(2 * np.pi * hz * t + 2 * np.sin(hz * t + i))) / 2
                     for i, hz in enumerate(hertz)], 1)  # fmt: skip


@cache
def skin_picture() -> Any:
    g = np.random.default_rng(1)
    grain = cv2.GaussianBlur(g.standard_normal((SIDE * 2, SIDE * 2)), (0, 0), 1.8)
    patches = cv2.GaussianBlur(g.standard_normal((SIDE * 2, SIDE * 2, 3)), (0, 0), 12)
    picture = np.array([190.0, 150, 130]) + 30 * grain[..., None] + 1200 * patches
    return picture.clip(0, 255)


def person(
    expression: Any = None, *, shift: Any = None, samples: Any = None, frames: int = FRAMES,
    shape: Any = None,
) -> Stretch:  # fmt: skip
    """A stretch of somebody with expressions (T, 52), moved in the picture by shift (T, 2) IOD."""
    head = load_head()
    expression = np.zeros((frames, 52)) if expression is None else expression
    shift = waves(frames, 1.1, 0.8) * 0.3 if shift is None else shift
    resting = head.mean if shape is None else shape
    points = resting + np.tensordot(expression, head.basis, 1)
    points[:, list(RIGID)] = resting[list(RIGID)]
    middle = np.array([SIDE / 2, SIDE * 0.95, 0])
    landmarks = (points * IOD + middle).astype(np.float32)
    landmarks[..., :2] += (shift * IOD)[:, None]
    faces = np.stack([
        cv2.warpAffine(skin_picture(), np.array([[1, 0, x - SIDE / 2], [0, 1, y - SIDE / 2]]),
                       (SIDE, SIDE))
        for x, y in shift * IOD
    ])  # fmt: skip
    # the mouth darkens as it opens, so that pictures change with it
    for face, places in zip(faces, landmarks, strict=True):
        lips = cv2.convexHull(places[[13, 14, 78, 308, 82, 312, 87, 317], :2].astype(np.int32))
        cv2.fillPoly(face, [lips], (60, 20, 20))
    motion = Motion(np.concatenate([expression, np.zeros((frames, 13))], 1).astype(np.float32))
    scene = np.full((frames, SIDE, SIDE, 3), 90, np.uint8)
    return Stretch(
        start=0.0, landmarks=landmarks, valid=np.ones(frames, bool), motion=motion,
        shapes=head_shape(landmarks).astype(np.float32),
        mouths=np.zeros((frames, 48, 64), np.uint8), faces=faces.clip(0, 255).astype(np.uint8),
        box=np.tile(np.array([0, 0, 1], np.float32), (frames, 1)), scenes=scene,
        size=(SIDE, SIDE), samples=voiced(frames) if samples is None else samples, sounds=True,
        source_fps=25.0,
    )  # fmt: skip


def speech(frames: int = FRAMES, said: slice = SAID) -> Any:
    """Expressions of a mouth that opens, purses and widens on its own in speech."""
    made = np.zeros((frames, 52))
    gate = np.zeros((frames, 1))
    gate[said] = 1
    noise = np.random.default_rng(7).standard_normal((frames, 4))
    curves = cv2.GaussianBlur(noise, (1, 15), 1, sigmaY=1.7)
    curves = np.clip(0.45 + 0.3 * curves / curves.std(0), 0, 1) * gate
    names = ("jawOpen", "mouthPucker", "mouthStretchLeft", "mouthUpperUpLeft")
    for name, curve, size in zip(names, curves.T, (0.4, 0.7, 0.6, 0.6), strict=True):
        made[:, EXPRESSION.index(name)] = size * curve
    made[:, EXPRESSION.index("mouthStretchRight")] = 0.6 * curves[:, 2]
    made[:, EXPRESSION.index("mouthUpperUpRight")] = 0.6 * curves[:, 3]
    return made


def judged(stretch: Stretch, reference: Reference | None = None, photo: bool = False) -> Any:
    rows = measure(stretch, reference or Reference.of_stretch(stretch))
    return checks(rows, photo=photo)


@cache
def living() -> Stretch:
    return person(speech())


# Scores


def test_a_grade_is_one_up_to_good_a_half_at_the_limit_and_falls_beyond() -> None:
    for limit in (Limit(2.0, 5.0), Limit(-2.0, -5.0)):
        sign = math.copysign(1, limit.limit)
        values = sign * np.array([-9, 0, 2, 5, 8, 1e9])
        np.testing.assert_allclose(grade(values, limit), [1, 1, 1, 0.5, 0.2, 0], atol=1e-9)
    assert math.isnan(grade(math.nan, Limit(0, 1)))


def test_a_value_is_the_mean_of_the_worst_third() -> None:
    assert worst_part(np.array([1.0, 0.2, 1, 0.4, 1, 1])) == pytest.approx(0.3)
    assert worst_part(np.array([0.7, np.nan])) == 0.7


def test_a_living_person_passes_every_check() -> None:
    scores = judged(living())
    assert tuple(scores) == NAMES
    for name, score in scores.items():
        assert isinstance(score, Score)
        assert score.why
        if score.valid:
            assert score.value > 0.9, (name, score)
        else:
            assert math.isnan(score.value)
    told = {name for name, score in scores.items() if score.valid}
    assert told == set(NAMES) - {"sync", "lag", "exposure", "saturation", "blinks"}


def test_the_worst_seconds_are_where_the_fault_is() -> None:
    stretch = living()
    landmarks, shapes = stretch.landmarks.copy(), stretch.shapes.copy()
    noise = np.random.default_rng(0).normal(0, 1.5, (10, 1, 2))
    landmarks[60:70, :, :2] += noise
    score = judged(replace(stretch, landmarks=landmarks, shapes=shapes))["jitter"]
    assert score.value < 0.5
    start, stop = score.worst_seconds
    assert start <= 60 / 25
    assert stop >= 66 / 25
    assert "eye distances" in score.why


def test_no_face_makes_scores_invalid_with_reasons() -> None:
    stretch = living()
    nobody = replace(
        stretch, valid=np.zeros(FRAMES, bool), motion=None,
        landmarks=np.full_like(stretch.landmarks, np.nan),
        shapes=np.full_like(stretch.shapes, np.nan),
    )  # fmt: skip
    assert Reference.of_stretch(nobody) is None
    scores = checks(measure(nobody, None), photo=False)
    assert scores["face"].value == 0
    for name in ("texture", "identity", "layout", "jitter", "silence", "mouth_range", "visemes"):
        assert not scores[name].valid, name
        assert scores[name].why


def test_nothing_at_all() -> None:
    assert not any(score.valid for score in checks([], photo=True).values())


def test_a_video_without_sound_does_not_tell_silence_or_visemes() -> None:
    mute = replace(living(), samples=np.zeros_like(living().samples), sounds=False)
    scores = judged(mute)
    assert not scores["silence"].valid
    assert "no sound" in scores["silence"].why
    assert not scores["visemes"].valid


# Sound


def test_a_voice_is_told_from_silence_noise_and_clicks() -> None:
    heard = hear(voiced(), CONTEXT)
    assert heard.speaks[SAID].mean() > 0.95
    assert heard.quiet[: SAID.start - 15].all()
    assert not (heard.speaks & heard.quiet).any()
    g = np.random.default_rng(0)
    white = 0.2 * g.standard_normal(len(voiced()))
    pink = np.cumsum(white) - np.convolve(np.cumsum(white), np.full(4000, 1 / 4000), "same")
    click = np.zeros(len(voiced()))
    click[::8000] = 1
    for noise in (white, pink / np.abs(pink).max(), click, np.zeros(len(voiced()))):
        heard = hear(noise.astype(np.float32), CONTEXT)
        assert heard.quiet.mean() > 0.9
    assert hear(np.zeros(2 * CONTEXT + 640, np.float32), CONTEXT).quiet.shape == (1,)


# Movement


def test_only_what_is_faster_than_the_cutoff_is_fast() -> None:
    t = np.arange(200) / 25
    inside = slice(20, -20)
    for hz, share in ((0.5, 0), (2, 0), (9, 1), (12, 1)):
        made = fast_part(np.sin(2 * np.pi * hz * t))[inside]
        assert np.std(made) / np.sqrt(0.5) == pytest.approx(share, abs=0.12)
    assert np.isnan(fast_part(np.zeros(5))).all()


def test_runs_and_stutters() -> None:
    np.testing.assert_array_equal(runs(np.array([0, 1, 1, 0, 1], bool)), [0, 2, 2, 0, 1])
    beat = np.array([10.0, 0] * 10)
    np.testing.assert_array_equal(stutters(beat), beat == 0)
    assert not stutters(np.full(20, 0.5)).any()  # at rest
    assert not stutters(np.linspace(3, 12, 20)).any()


def test_changes_are_those_of_the_image_metrics() -> None:
    stretch = living()
    made = changes(stretch)
    assert math.isnan(made[0])
    for i in (1, 40, 55):
        assert made[i] == pytest.approx(
            largest_change(stretch.faces[i - 1], stretch.faces[i]), rel=0.15
        )


@pytest.mark.parametrize("still", [slice(0, FRAMES), slice(40, FRAMES)])
def test_a_frozen_person_is_not_alive(still: slice) -> None:
    stretch, order = living(), np.arange(FRAMES)
    order[still] = still.start
    frozen = replace(
        stretch, faces=stretch.faces[order], landmarks=stretch.landmarks[order],
        shapes=stretch.shapes[order],
    )  # fmt: skip
    score = judged(frozen)["stillness"]
    assert score.value < 0.3
    assert judged(stretch)["stillness"].value > 0.9


def test_lips_that_hardly_move_in_speech_are_not_alive() -> None:
    scores = judged(person(0.05 * speech()))
    assert scores["stillness"].value < 0.5
    assert "in speech" in scores["stillness"].why
    assert scores["mouth_range"].value < 0.5


@pytest.mark.parametrize("times", [2, 3])
def test_repeated_frames_are_a_low_frame_rate(times: int) -> None:
    stretch, order = living(), np.arange(FRAMES) // times * times
    scores = judged(replace(stretch, faces=stretch.faces[order]))
    assert scores["frame_rate"].value < 0.5
    assert scores["stillness"].value > 0.9


def test_chatter_in_silence_is_told_and_noise_is_silence() -> None:
    rest = judged(living())["silence"]
    assert rest.value == 1
    chatter = person(speech(said=slice(0, FRAMES)))
    assert judged(chatter)["silence"].value < 0.5
    noise = 0.2 * np.random.default_rng(0).standard_normal(len(voiced()))
    assert judged(replace(chatter, samples=noise.astype(np.float32)))["silence"].value < 0.5


def test_a_mouth_that_flaps_or_follows_loudness_does_not_speak() -> None:
    jaw = EXPRESSION.index("jawOpen")
    flapping, loud = np.zeros((FRAMES, 52)), np.zeros((FRAMES, 52))
    flapping[:, jaw] = 0.25 - 0.25 * np.cos(2 * np.pi * 4 * np.arange(FRAMES) / 25)
    loudness = hear(voiced(), CONTEXT).loudness
    loud[:, jaw] = np.clip((loudness + 50) / 40, 0, 1) * 0.5
    for made in (flapping, loud):
        assert judged(person(made))["visemes"].value < 0.5


def test_eyes_that_never_close_are_told_only_in_time() -> None:
    def seconds(count: int, blinks: Any = ()) -> Any:
        made = np.zeros((count * 25, 52))
        for name in ("eyeBlinkLeft", "eyeBlinkRight"):
            for at in blinks:
                made[at * 25 : at * 25 + 4, EXPRESSION.index(name)] = (0.5, 1, 1, 0.5)
        rows: list[Any] = []
        for i in range(0, count * 25, 250):
            part = person(made[i : i + 250], frames=len(made[i : i + 250]))
            rows += measure(replace(part, start=i / 25), Reference.of_stretch(part))
        return checks(rows, photo=False)["blinks"]

    assert not seconds(4).valid
    never = seconds(20)
    assert never.value < 0.5
    assert "never close" in never.why
    assert seconds(20, (3, 8, 14)).value == 1
    assert seconds(20, range(1, 20)).value < 1


# Looks


def faulty(stretch: Stretch, change: Any) -> Stretch:
    faces = [change(face.astype(np.float32)) for face in stretch.faces]
    return replace(stretch, faces=np.clip(np.rint(faces), 0, 255).astype(np.uint8))


def soft(face: Any, px: float) -> Any:
    return cv2.GaussianBlur(face, (0, 0), px)


def gridded(face: Any) -> Any:
    face = face.copy()
    face[::8] += 12
    face[:, ::8] += 12
    return face


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("texture", lambda face: soft(face, 1.5)),
        ("texture", lambda face: face + 1.5 * (face - soft(face, 1.2))),
        ("texture", lambda face: face + np.random.default_rng(int(face.sum()) % 1000).normal(
            0, 12, face.shape)),
        ("texture", gridded),
        ("texture", lambda face: cv2.bilateralFilter(face, 9, 45, 4)),
        ("exposure", lambda face: 0.6 * face),
        ("exposure", lambda face: 128 + 0.5 * (face - 128)),
        ("saturation", lambda face: face.mean(2, keepdims=True) + 2 * (
            face - face.mean(2, keepdims=True))),
        ("saturation", lambda face: face * np.array([1.0, 1.0, 1.25], np.float32)),
    ],
)  # fmt: skip
def test_a_changed_look_is_told_against_the_photo(check: str, change: Any) -> None:
    reference = Reference.of_stretch(living())
    assert judged(living(), reference, photo=True)[check].value > 0.9
    assert judged(faulty(living(), change), reference, photo=True)[check].value < 0.5


def test_a_grid_is_told_only_from_enough_skin() -> None:
    stretch = living()
    points, face = in_crop(stretch, 5), stretch.faces[5].astype(np.float32)

    def grid(share: float) -> float:
        drawn = gridded(cv2.resize(face, None, fx=share, fy=share))
        return skin(np.clip(drawn, 0, 255).astype(np.uint8), points * share).grid

    assert grid(1.6) > LIMITS["grid"].limit
    # where few lines cross the skin any strong edge may lie on most of them
    assert grid(0.6) == 0


def test_brightness_alone_is_no_matter_of_texture() -> None:
    reference = Reference.of_stretch(living())
    darker = judged(faulty(living(), lambda face: 0.8 * face), reference, photo=True)
    assert darker["texture"].value > 0.9
    assert darker["exposure"].value < 0.9


def test_a_larger_reference_is_scaled_down_and_never_up() -> None:
    stretch = living()
    reference = Reference.of_stretch(stretch)
    assert reference is not None
    large = replace(
        reference,
        faces=tuple(cv2.resize(face, None, fx=2, fy=2) for face in reference.faces),
        landmarks=2 * reference.landmarks,
    )
    held = beside(stretch, large)
    assert held.share == 1
    assert held.reference.faces[0].shape == reference.faces[0].shape
    small = replace(
        reference,
        faces=tuple(cv2.resize(face, None, fx=0.5, fy=0.5) for face in reference.faces),
        landmarks=reference.landmarks / 2,
    )
    held = beside(stretch, small)
    assert held.share == pytest.approx(0.5)
    assert held.reference.faces[0].shape == small.faces[0].shape
    assert look(stretch, slice(0, 25), held)["likeness"] > 0.95


def test_another_face_is_not_the_same_person() -> None:
    g = np.random.default_rng(3)
    mean = load_head().mean
    lump = 0.04 * np.sin(3 * mean + g.normal(0, 2, 3))
    mine = person(speech(), shape=mean + lump)
    reference = Reference.of_stretch(mine)
    assert judged(mine, reference)["identity"].value > 0.9
    drifted = judged(person(speech(), shape=mean + 0.2 * lump), reference)["identity"]
    assert drifted.value < 0.5
    assert judged(person(speech(), shape=mean - lump), reference)["identity"].value < 0.5


def test_likeness_ignores_light_and_tells_patterns() -> None:
    looks = np.random.default_rng(0).random((50, 3))
    assert likeness(looks, 0.5 * looks + 0.1) == pytest.approx(1)
    assert abs(likeness(looks, np.random.default_rng(1).random((50, 3)))) < 0.4
    assert math.isnan(likeness(looks, np.ones((50, 3))))


def test_place_size_and_background_are_held_against_the_photo() -> None:
    stretch = living()
    reference = Reference.of_stretch(stretch)
    assert reference is not None
    reference = replace(reference, behind=np.arange(SIDE)[:, None] < 40 + np.zeros(SIDE))
    same = judged(stretch, reference, photo=True)
    assert same["layout"].value == same["background"].value == 1
    text = stretch.scenes.copy()
    text[:, 10:26, 20:140] = 250
    assert judged(replace(stretch, scenes=text), reference, photo=True)["background"].value < 0.5
    letters = stretch.scenes.copy()
    letters[:, 10:12, 20:60] = 250
    score = judged(replace(stretch, scenes=letters), reference, photo=True)["background"]
    assert score.value < 0.5
    assert "not in the photo" in score.why
    shifted = person(speech(), shift=waves(FRAMES, 1.1, 0.8) * 0.3 + 1.2)
    assert judged(shifted, reference, photo=True)["layout"].value < 0.5
    wide = replace(reference, size=(2 * SIDE, SIDE))
    cut = judged(stretch, wide, photo=True)
    assert not cut["layout"].valid
    assert "cut differently" in cut["background"].why


# Rows


def test_rows_are_seconds_and_no_frame_is_lost() -> None:
    for frames in (1, 12, 25, 60, 250):
        made = parts(frames)
        assert made[0].start == 0
        assert made[-1].stop == frames
        assert all(a.stop == b.start for a, b in pairwise(made))
        assert len(made) == max(1, frames // 25)
    rows = measure(replace(living(), start=20.0), Reference.of_stretch(living()))
    assert [row["start"] for row in rows] == [20, 21, 22, 23]
    assert all(isinstance(value, float) for row in rows for value in row.values())


@pytest.mark.parametrize("frames", [1, 2, 5, 13])
def test_short_stretches_do_not_break_anything(frames: int) -> None:
    stretch = person(frames=frames)
    scores = checks(measure(stretch, Reference.of_stretch(stretch)), photo=False)
    assert scores["face"].value == 1
    assert all(0 <= score.value <= 1 for score in scores.values() if score.valid)


def test_landmarks_lie_in_the_cut_out_head() -> None:
    stretch = replace(living(), box=np.tile(np.array([10, 20, 0.5], np.float32), (FRAMES, 1)))
    np.testing.assert_allclose(
        in_crop(stretch, 3)[:, :2], (stretch.landmarks[3, :, :2] - [10, 20]) / 2, rtol=1e-5
    )


def test_a_critic_is_read_second_by_second() -> None:
    curves = np.zeros((4, 2 * SHIFTS + 1))
    curves[[0, 1, 3], SHIFTS] = 0.6
    curves[2, SHIFTS + 5] = 0.5

    def rows(curves: Any) -> SyncRows:
        return SyncRows(np.arange(4.0), curves, np.ones(4), np.arange(4) * 25, 25)

    found = rows(curves)
    reference = Reference.of_stretch(living())
    scores = checks(measure(living(), reference, found), photo=False)
    assert scores["sync"].worst_seconds == (2, 3)
    assert scores["lag"].details["frames"] == 0
    assert scores["lag"].value == 1
    scores = checks(measure(living(), reference, rows(np.roll(curves, 3, 1))), photo=False)
    assert scores["lag"].details["frames"] == 3
    assert scores["lag"].value == 0.5
    never = checks(measure(living(), reference, rows(curves / 9)), photo=False)
    assert never["sync"].value < 0.5
    assert not never["lag"].valid


def test_a_checker_holds_a_video_against_its_begin() -> None:
    checker = Checker()
    checker.add(living())
    other = replace(person(speech(), shape=load_head().mean * [1.12, 0.95, 1]), start=4.0)
    checker.add(other)
    scores = checker.scores()
    assert len(checker.rows) == 8
    assert scores["identity"].value < 0.5
    assert scores["identity"].worst_seconds[0] >= 4
    assert not scores["exposure"].valid


def test_limits_lie_beyond_what_is_good() -> None:
    assert all(limit.good != limit.limit for limit in LIMITS.values())


def test_a_photo_that_smiles_is_of_the_same_person_as_a_video_that_does_not() -> None:
    """What a mouth held otherwise explains is no other person; a wider skull is."""
    model = load_head()
    mean = model.mean / np.linalg.norm(model.mean[263] - model.mean[33])
    smile = sum(model.basis[EXPRESSION.index(f"mouthSmile{side}")] for side in ("Left", "Right"))
    talks = person(speech())
    found = shape(talks, slice(0, 25), (mean + 0.8 * smile).astype(np.float64))
    wider = shape(talks, slice(0, 25), mean * np.array([1.1, 1.0, 1.0]))
    plain = shape(talks, slice(0, 25), mean)
    assert found.distance - plain.distance < 0.3 * np.linalg.norm(0.8 * smile, axis=1).mean()
    assert wider.distance > plain.distance + 0.02
