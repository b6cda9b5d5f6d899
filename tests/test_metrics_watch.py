"""Watching a video stretch by stretch: pytest tests/test_metrics_watch.py"""

from pathlib import Path

import numpy as np
import pytest

from enliven.errors import BadOption
from enliven.media.image import read_image
from enliven.metrics.watch import CONTEXT, HOP, LONGEST, watch, watch_frames

PHOTO = Path(__file__).parent.parent / "examples" / "portrait.jpg"


def ramp(seconds: float) -> np.ndarray:
    """A sound whose every sample says where it is."""
    return np.arange(round(seconds * 16000), dtype=np.float32) + 1


def grey(count: int) -> list[np.ndarray]:
    return [np.full((40, 60, 3), 90, np.uint8)] * count


def test_stretches_cover_every_frame_once_and_are_alike_in_length() -> None:
    found = list(watch_frames(grey(LONGEST + 40), 25))
    assert sum(map(len, found)) == LONGEST + 40
    assert len(found) == 2
    assert abs(len(found[0]) - len(found[1])) <= 6
    assert found[1].start == len(found[0]) / 25


def test_each_stretch_has_its_own_sound_and_some_on_either_side() -> None:
    sound = ramp(12)
    first, second = watch_frames(grey(LONGEST + 40), 25, sound)
    assert first.sounds
    assert np.array_equal(first.voice, sound[: HOP * len(first)])
    assert not first.samples[:CONTEXT].any()
    whole = np.concatenate([np.zeros(CONTEXT, np.float32), sound, np.zeros(CONTEXT, np.float32)])
    begin = HOP * len(first)
    assert np.array_equal(second.samples, whole[begin : begin + len(second.samples)])


def test_sound_that_ends_early_goes_on_silent() -> None:
    (only,) = watch_frames(grey(50), 25, ramp(0.5))
    assert np.array_equal(only.voice[:8000], ramp(0.5))
    assert not only.voice[8000:].any()


@pytest.mark.parametrize(("fps", "count"), [(10, 20), (25, 50), (120, 240), (23.976, 48)])
def test_any_rate_becomes_25_frames_a_second(fps: float, count: int) -> None:
    (only,) = watch_frames(grey(count), fps)
    assert len(only) == pytest.approx(25 * count / fps, abs=0.51)
    assert only.source_fps == fps


def test_without_a_face_nothing_is_made_up() -> None:
    (only,) = watch_frames(grey(5), 25)
    assert not only.valid.any()
    assert only.motion is None
    assert np.isnan(only.landmarks).all()
    assert np.isnan(only.shapes).all()
    assert not only.sounds


def test_no_frames_give_no_stretch() -> None:
    assert list(watch_frames([], 25)) == []


def test_bad_rate_is_refused() -> None:
    with pytest.raises(BadOption, match="fps"):
        list(watch_frames(grey(2), 0))


def test_what_is_cut_out_follows_the_face() -> None:
    """A photo that shifts by whole pixels: its face, and the mouth in it, stay the same."""
    photo = read_image(PHOTO).pixels
    frames = [np.roll(photo, 2 * i, axis=1) for i in range(4)]
    (only,) = watch_frames(frames, 25)
    assert only.valid.all()
    middle = only.landmarks[:, :, 0].mean(1)
    assert np.diff(middle) == pytest.approx(2, abs=0.6)
    shift = np.abs(only.mouths[1:].astype(int) - only.mouths[:1]).mean()
    assert shift < 6
    assert only.mouths[0].std() > 5
    # where a landmark lies in the head cut out, by the box that goes with it
    seen = (only.landmarks[:, 1, :2] - only.box[:, :2]) * only.box[:, 2:]
    side = only.faces.shape[1]
    assert ((seen > 0) & (seen < side)).all()
    left, right = only.landmarks[0, 33, :2], only.landmarks[0, 263, :2]
    assert np.linalg.norm(right - left) * only.box[0, 2] < 81


def test_a_file_is_watched_with_its_clock(tmp_path: Path) -> None:
    from enliven.animate import save_video

    path = save_video(tmp_path / "a.mp4", grey(30), 30)
    watching = watch(path)
    (only,) = watching
    assert len(only) == 25
    assert only.source_fps == 30
    assert not only.sounds
    assert watching.faces == 0
