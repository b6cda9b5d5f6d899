"""Video of any kind keeps its clock and stands upright.  Run: pytest tests/test_media_video.py"""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_made import encode_sound, grey_clip, rotate_mp4, tone

from enliven.errors import BadMedia
from enliven.media.video import probe, read_frames
from enliven.media.write import Encoding, write_video

quick = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def levels_of(path, fps=None):
    """The grey level of every frame."""
    return [int(np.median(frame)) for frame in read_frames(path, fps).frames]


def near(found, expected):
    assert len(found) == len(expected)
    assert np.abs(np.array(found) - expected).max() <= 4


@quick
@given(st.lists(st.integers(10, 160), min_size=2, max_size=15),
       st.sampled_from([Fraction(24000, 1001), 25, Fraction(30000, 1001), 60]))  # fmt: skip
def test_variable_frame_rate_keeps_time(tmp_path, gaps_ms, fps):
    times = [Fraction(sum(gaps_ms[:i]), 1000) for i in range(len(gaps_ms))]
    levels = [20 + 15 * i for i in range(len(times))]
    clip = grey_clip(tmp_path / "vfr.mp4", times, levels)
    found = levels_of(clip, fps)
    for i, level in enumerate(found):
        shown = times[int(np.argmin(np.abs(np.array(levels) - level)))]
        due = max(t for t in times if t < (i + Fraction(1, 2)) / fps)
        assert shown == due, (i, found)


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), 25, Fraction(30000, 1001), 30, 50, 60])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "webm", "mkv"])
def test_constant_rate_gives_each_frame_once(tmp_path, fps, suffix):
    """Also where the file counts in milliseconds, as Matroska does."""
    levels = list(range(20, 240, 12))
    frames = (np.full((32, 32, 3), level, np.uint8) for level in levels)
    clip = write_video(tmp_path / f"a.{suffix}", frames, fps, encoding=Encoding(quality=5))
    assert read_frames(clip).fps == fps
    near(levels_of(clip), levels)


def test_another_rate(tmp_path):
    times = [Fraction(i, 50) for i in range(40)]
    clip = grey_clip(tmp_path / "a.mp4", times, list(range(20, 180, 4)), rate=50)
    assert len(levels_of(clip, 25)) == 20
    assert len(levels_of(clip, 100)) == 80
    assert len(levels_of(clip, "30000/1001")) == 24


def test_picture_that_begins_after_the_sound_waits_for_it(tmp_path):
    times = [Fraction(2, 10) + Fraction(i, 25) for i in range(10)]
    clip = grey_clip(tmp_path / "late.mkv", times, [100] * 5 + [200] * 5, sound_seconds=0.6)
    near(levels_of(clip, 25), [100] * 10 + [200] * 5)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation(tmp_path, degrees):
    upright = np.zeros((48, 64, 3), np.uint8)
    upright[:24, :32] = 255  # the bright quarter is at the top left
    stored = np.rot90(upright, degrees // 90)  # counter-clockwise, so that players turn it back
    clip = write_video(tmp_path / "turned.mp4", (stored for _ in range(3)), 25)
    rotate_mp4(clip, degrees)
    info = probe(clip)
    assert (info.width, info.height, info.rotation) == (64, 48, degrees)
    opened = read_frames(clip)
    assert opened.size == (64, 48)
    for frame in opened.frames:
        assert np.abs(frame.astype(int) - upright).mean() < 4


def test_pixels_are_made_square(tmp_path):
    clip = grey_clip(tmp_path / "wide.mp4", [Fraction(0)], [90], shape=Fraction(3, 2))
    assert read_frames(clip).size == (96, 48)
    assert next(read_frames(clip).frames).shape == (48, 96, 3)


@pytest.mark.parametrize("height", [64, 720])
def test_colours_survive(tmp_path, height):
    colours = [(200, 30, 40), (40, 180, 60), (30, 60, 200), (128, 128, 128), (235, 190, 160)]
    for colour in colours:
        picture = np.full((height, 64, 3), colour, np.uint8)
        clip = write_video(tmp_path / "c.mp4", [picture], 25, overwrite=True)
        (frame,) = read_frames(clip).frames
        assert np.abs(frame[8:-8, 8:-8].astype(int) - colour).max() <= 3


def test_probe(tmp_path):
    clip = grey_clip(tmp_path / "a.mp4", [Fraction(i, 25) for i in range(25)], [50] * 25,
                     sound_seconds=1)  # fmt: skip
    info = probe(clip)
    assert (info.width, info.height, info.fps) == (64, 48, 25)
    assert info.seconds == pytest.approx(1, abs=0.07)
    assert (info.has_video, info.has_audio, info.sample_rate, info.channels) == (1, 1, 16_000, 1)
    sound = probe(encode_sound(tmp_path / "a.flac", "flac", tone(0.5, 16_000), 16_000))
    assert (sound.has_video, sound.has_audio, sound.seconds) == (False, True, 0.5)


def test_files_without_picture(tmp_path):
    sound = encode_sound(tmp_path / "a.flac", "flac", tone(0.5, 16_000), 16_000)
    with pytest.raises(BadMedia, match="only sound"):
        read_frames(sound)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(BadMedia, match="empty"):
        read_frames(tmp_path / "empty.mp4")


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm"])
def test_cut_off_video_is_refused(tmp_path, suffix):
    noise = np.random.default_rng(0)
    frames = (noise.integers(0, 256, (32, 32, 3), np.uint8) for _ in range(50))
    clip = write_video(tmp_path / f"a.{suffix}", frames, 25)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    with pytest.raises(BadMedia, match=r"cut off|damaged"):
        list(read_frames(clip).frames)


@quick
@given(st.sampled_from(["mp4", "mkv", "webm", "gif"]), st.data())
def test_damage_raises_nothing_but_bad_media(tmp_path, suffix, data):
    path = tmp_path / f"whole.{suffix}"
    if not path.exists():
        frames = (np.full((16, 16, 3), 20 * i, np.uint8) for i in range(6))
        write_video(path, frames, 25)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = tmp_path / f"damaged.{suffix}"
    damaged.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        probe(damaged)
        for _ in zip(range(200), read_frames(damaged).frames, strict=False):
            pass
    except BadMedia:
        pass


def test_dropped_frames_do_not_lower_the_rate(tmp_path):
    """A recorder at 30 frames a second that lost every third one."""
    times = [Fraction(i, 30) for i in range(30) if i % 3 != 2]
    clip = grey_clip(tmp_path / "a.mp4", times, [90] * 20, rate=30)
    assert read_frames(clip).fps == 30
    assert len(levels_of(clip)) in (29, 30)
