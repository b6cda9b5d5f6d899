"""Videos appear whole, in time, and the same each time.  Run: pytest tests/test_media_write.py"""

import os
import resource
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_made import encode_sound, read_raw, tone, write_wav
from PIL import Image as Pillow

from enliven.errors import BadMedia, BadOption, OutputError, OutputExists
from enliven.media.audio import read_speech
from enliven.media.background import AHEAD, write_beside
from enliven.media.rate import frame_rate, frames_for
from enliven.media.video import probe, read_frames
from enliven.media.write import Encoding, check_target, write_video

quick = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

RATES = ["24000/1001", "24", "25", "30000/1001", "30", "50", "60"]

MARK = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def moving(count, height=32, width=48, channels=3):
    """A bright bar that wanders over a ramp; with four channels, a transparent left edge."""
    for i in range(count):
        frame = np.empty((height, width, channels), np.uint8)
        frame[..., :3] = np.linspace(40, 200, width)[:, None]
        frame[:, (3 * i) % width] = 250
        if channels == 4:
            frame[..., 3] = np.linspace(0, 255, width)
        yield frame


def litter(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.name.startswith(".")]


# --- rates ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_rate", "exact"),
    [(23.976, "24000/1001"), (23.98, "24000/1001"), (29.97, "30000/1001"), ("29.97", "30000/1001"),
     (59.94, "60000/1001"), ("30000/1001", "30000/1001"), (30000 / 1001, "30000/1001"), (25, "25"),
     ("25", "25"), (12.5, "25/2"), (Fraction(15), "15"), (24.0, "24"), (np.float64(30), "30")],
)  # fmt: skip
def test_frame_rate(given_rate, exact):
    assert frame_rate(given_rate) == Fraction(exact)


@pytest.mark.parametrize("bad", [0, -5, "fast", "1/0", float("nan"), float("inf"), 1000, None, ""])
def test_no_frame_rate(bad):
    with pytest.raises(BadOption):
        frame_rate(bad)


@given(st.sampled_from(RATES), st.fractions(0, 1000, max_denominator=96_000))
def test_frames_for(fps, seconds):
    count = frames_for(seconds, fps)
    assert count >= 1
    if count > 1:
        assert abs(count / frame_rate(fps) - seconds) <= Fraction(1, 2) / frame_rate(fps)


# --- the length contract --------------------------------------------------------------------


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100, 48_000])
def test_video_is_as_long_as_its_sound(tmp_path, fps, rate):
    seconds = 0.7771
    wav = write_wav(tmp_path / "a.wav", tone(seconds, rate), rate)
    speech = read_speech(wav)
    video = write_video(tmp_path / "a.mp4", moving(frames_for(speech.seconds, fps), 16, 16), fps,
                        sound=wav)  # fmt: skip
    assert read_speech(video).seconds == speech.seconds
    with av.open(str(video)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        shown = picture.duration * picture.time_base
        assert shown == frames_for(speech.seconds, fps) / frame_rate(fps)
        assert abs(shown - Fraction(speech.seconds)) <= Fraction(1, 2) / frame_rate(fps)
        assert (picture.average_rate, sound.rate) == (frame_rate(fps), rate)
        assert picture.start_time == sound.start_time == 0


@pytest.mark.parametrize(("suffix", "slack"), [("mov", 0), ("webm", 1), ("mkv", 1023)])
def test_sound_keeps_its_place_in_other_containers(tmp_path, suffix, slack):
    rate = 48_000
    wav = write_wav(tmp_path / "a.wav", tone(0.5, rate, 2), rate)
    video = write_video(tmp_path / f"a.{suffix}", moving(13), 25, sound=wav)
    speech = read_speech(video)
    assert abs(round(speech.seconds * rate) - rate // 2) <= slack
    expected = tone(0.5, 16_000)[:, 0]
    assert np.abs(speech.samples[:8000] - expected)[400:-400].max() < 0.02


@pytest.mark.parametrize("seconds", [0.3, 1.1])
def test_sound_is_cut_or_padded_to_the_wanted_length(tmp_path, seconds):
    wav = write_wav(tmp_path / "a.wav", tone(0.7, 16_000), 16_000)
    count = frames_for(seconds, 25)
    for source in (wav, encode_sound(tmp_path / "a.m4a", "aac", tone(0.7, 16_000), 16_000)):
        video = write_video(tmp_path / "a.mp4", moving(count), 25, sound=source, seconds=seconds,
                            overwrite=True)  # fmt: skip
        assert read_speech(video).seconds == pytest.approx(seconds, abs=1e-4)


def test_aac_is_copied_sample_for_sample(tmp_path):
    for rate, count in [(44_100, 30_011), (16_000, 5000), (48_000, 1), (22_050, 1024)]:
        source = encode_sound(tmp_path / "a.m4a", "aac", tone(count / rate, rate), rate)
        speech = read_speech(source)
        video = write_video(tmp_path / "a.mp4", moving(frames_for(speech.seconds, 25)), 25,
                            sound=source, seconds=speech.seconds, overwrite=True)  # fmt: skip
        assert np.array_equal(read_raw(video)[0], read_raw(source)[0])
        assert np.array_equal(read_speech(video).samples, speech.samples)


@quick
@given(st.integers(4000, 192_000), st.integers(1, 9), st.integers(1, 5000))
def test_any_rate_and_channel_count(tmp_path, rate, channels, count):
    samples = np.random.default_rng(0).normal(0, 0.1, (count, channels))
    samples[0] = np.nan
    wav = write_wav(tmp_path / "a.wav", samples.astype(np.float32), rate)
    video = write_video(tmp_path / "a.mp4", moving(frames_for(count / rate, 25), 16, 16), 25,
                        sound=wav, overwrite=True)  # fmt: skip
    speech = read_speech(video)
    assert abs(speech.seconds - count / rate) <= 0.5001 / speech.rate


# --- pictures -------------------------------------------------------------------------------


@quick
@given(st.integers(1, 80), st.integers(1, 80), st.sampled_from(["mp4", "mov", "mkv", "webm"]))
def test_any_size(tmp_path, height, width, suffix):
    video = write_video(tmp_path / f"a.{suffix}", moving(3, height, width), 25, overwrite=True)
    frames = list(read_frames(video).frames)
    even = 0 if suffix == "webm" else 1
    assert [f.shape for f in frames] == 3 * [
        (height + height % 2 * even, width + width % 2 * even, 3)
    ]


def test_an_odd_edge_is_repeated(tmp_path):
    picture = np.zeros((31, 33, 3), np.uint8)
    picture[:, 16:] = 220
    picture[24:] = 120
    video = write_video(tmp_path / "a.mp4", [picture], 25, encoding=Encoding(quality=1))
    (frame,) = read_frames(video).frames
    assert frame.shape == (32, 34, 3)
    assert np.abs(frame[:31, :33].astype(int) - picture).mean() < 3
    assert np.abs(frame[:, 33].astype(int) - frame[:, 32]).max() <= 6


@pytest.mark.parametrize("suffix", ["webm", "mov"])
@pytest.mark.parametrize("width", [48, 47])
def test_transparency(tmp_path, suffix, width):
    video = write_video(tmp_path / f"a.{suffix}", moving(3, 32, width, 4), 25)
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        # libav's own VP9 decoder leaves the transparency out
        decoder = av.CodecContext.create("libvpx-vp9", "r") if suffix == "webm" else stream
        decoded = [f for packet in container.demux(stream) for f in decoder.decode(packet)]
    assert len(decoded) == 3
    for frame in decoded:
        pixels = frame.to_ndarray(format="rgba")
        assert pixels.shape == (32, width, 4)
        assert np.abs(pixels[..., 3] - np.linspace(0, 255, width)).max() <= 2


def test_transparent_webp_and_png(tmp_path):
    write_video(tmp_path / "a.webp", moving(4, channels=4), 25)
    with Pillow.open(tmp_path / "a.webp") as preview:
        assert (preview.n_frames, preview.size, preview.info["loop"]) == (4, (48, 32), 0)
        assert np.abs(np.asarray(preview)[..., 3] - np.linspace(0, 255, 48)).max() <= 1
    write_video(tmp_path / "pictures", moving(4, channels=4), 25)
    files = sorted((tmp_path / "pictures").iterdir())
    assert [f.name for f in files] == [f"{i:05d}.png" for i in (1, 2, 3, 4)]
    for file, frame in zip(files, moving(4, channels=4), strict=True):
        assert np.array_equal(np.asarray(Pillow.open(file)), frame)


def test_numbered_pictures(tmp_path):
    out = tmp_path / "out"
    write_video(out / "frame-%03d.png", moving(2), 25)
    assert sorted(p.name for p in out.iterdir()) == ["frame-001.png", "frame-002.png"]
    with pytest.raises(OutputExists):
        write_video(out / "frame-%03d.png", moving(2), 25)
    write_video(out / "frame-%03d.png", moving(1), 25, overwrite=True)
    assert [p.name for p in out.iterdir()] == ["frame-001.png"]


def test_a_folder_with_anything_else_in_it_is_never_replaced(tmp_path):
    out = write_video(tmp_path / "out", moving(2), 25)
    with pytest.raises(OutputError, match="input"):
        write_video(out, moving(1), 25, inputs=[out / "00001.png"], overwrite=True)
    for name in ("thesis.txt", "photo 1.png"):
        (out / name).write_text("precious")
        with pytest.raises(OutputError, match=name):
            write_video(out, moving(1), 25, overwrite=True)
        assert (out / name).read_text() == "precious"
        (out / name).unlink()
    assert len(list(out.iterdir())) == 2
    assert litter(tmp_path) == []


@pytest.mark.parametrize(("suffix", "fps"), [("gif", 25), ("webp", 25), ("gif", 30), ("gif", 60)])
def test_previews(tmp_path, suffix, fps):
    def portrait(count):
        y, x = np.mgrid[:300, :600]
        for i in range(count):
            frame = np.stack([x // 3, y // 2, 100 + 0 * x], -1).astype(np.uint8)
            frame[100:150, 100 + 5 * i : 200 + 5 * i] = (250, 240, 10)
            yield frame

    path = write_video(tmp_path / f"a.{suffix}", portrait(fps), fps)
    with Pillow.open(path) as preview:
        assert preview.size == (480, 240)
        shown = 0
        for i in range(preview.n_frames):
            preview.seek(i)
            preview.load()
            shown += preview.info["duration"]
        assert shown == pytest.approx(1000, abs=20)
        preview.seek(0)
        first = np.asarray(preview.convert("RGB").resize((600, 300))).astype(int)
    assert np.abs(first - next(portrait(1))).mean() < 8


# --- the same bytes, and the mark -----------------------------------------------------------


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.gif", "a.webp", "b.webm",
                                  "b.mov", "b.webp"])  # fmt: skip
def test_same_input_same_bytes(tmp_path, name):
    wav = write_wav(tmp_path / "a.wav", tone(1, 44_100, 2), 44_100)
    results = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        frames = moving(25, 64, 64, 4 if name[0] == "b" else 3)
        tags = {"comment": "x", "digital_source_type": MARK}
        path = write_video(tmp_path / folder / name, frames, 25, sound=wav, metadata=tags)
        results.append(path.read_bytes())
    assert results[0] == results[1]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "webm", "mkv", "gif", "webp"])
def test_disclosure(tmp_path, suffix):
    tags = {"comment": "made by a machine", "digital_source_type": MARK}
    plain = write_video(tmp_path / f"plain.{suffix}", moving(5), 25)
    marked = write_video(tmp_path / f"marked.{suffix}", moving(5), 25, metadata=tags)
    assert MARK.encode() in marked.read_bytes()
    assert b"DigitalSource" not in plain.read_bytes()
    if suffix in ("gif", "webp"):
        with Pillow.open(marked) as preview:
            preview.seek(preview.n_frames - 1)
            preview.load()
            assert preview.n_frames == 5
    else:
        with av.open(str(marked)) as container:
            found = {key.lower(): value for key, value in container.metadata.items()}
            assert found["comment"] == "made by a machine"
            assert "creation_time" not in found
        assert len(list(read_frames(marked).frames)) == 5


def test_mp4_can_be_played_while_it_loads(tmp_path):
    content = write_video(tmp_path / "a.mp4", moving(5), 25).read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


# --- nothing lost, nothing left -------------------------------------------------------------


class Trouble(Exception):
    pass


@pytest.mark.parametrize("error", [Trouble, KeyboardInterrupt, OSError])
@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "pictures"])
@pytest.mark.parametrize("before", [0, 1, 30])
def test_a_failing_renderer_leaves_nothing(tmp_path, error, name, before):
    def failing():
        yield from moving(before)
        raise error("stop")

    with pytest.raises(error):
        write_video(tmp_path / name, failing(), 25)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_the_old_file(tmp_path):
    target = write_video(tmp_path / "a.mp4", moving(3), 25)
    old = target.read_bytes()

    def failing():
        yield from moving(3)
        raise Trouble

    with pytest.raises(OutputExists):
        write_video(target, moving(3), 25)
    with pytest.raises(Trouble):
        write_video(target, failing(), 25, overwrite=True)
    assert target.read_bytes() == old
    assert litter(tmp_path) == []
    write_video(target, moving(6), 25, overwrite=True)
    assert len(list(read_frames(target).frames)) == 6


def test_a_file_that_came_to_be_meanwhile_is_left_alone(tmp_path):
    def slow():
        yield from moving(3)
        (tmp_path / "a.mp4").write_text("somebody else's")

    with pytest.raises(OutputExists):
        write_video(tmp_path / "a.mp4", slow(), 25)
    assert (tmp_path / "a.mp4").read_text() == "somebody else's"
    assert litter(tmp_path) == []


def test_sound_that_breaks_off_leaves_nothing(tmp_path):
    wav = write_wav(tmp_path / "a.wav", tone(3, 16_000), 16_000)
    wav.write_bytes(wav.read_bytes()[:90_000])
    with pytest.raises(BadMedia, match="cut off"):
        write_video(tmp_path / "a.mp4", moving(75), 25, sound=wav)
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs file size limits")
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.gif", "pictures"])
def test_no_room_left(tmp_path, name):
    """A limit on the size of files fails as a full disk does: in the middle of a write."""
    noise = np.random.default_rng(0)
    frames = (noise.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(100))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="larger than"):
            write_video(tmp_path / name, frames, 25)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_inputs_are_never_replaced(tmp_path):
    source = write_video(tmp_path / "a.mp4", moving(5), 25)
    (tmp_path / "link.mp4").symlink_to(source)
    for target in (source, tmp_path / "link.mp4"):
        with pytest.raises(OutputError, match="input"):
            write_video(target, moving(5), 25, inputs=[source], overwrite=True)
        with pytest.raises(OutputError, match="input"):
            check_target(target, inputs=[source], overwrite=True)


def test_targets_that_cannot_be(tmp_path):
    for name, error in [
        ("a.xyz", BadOption), ("absent/a.mp4", OutputError), ("a.png", BadOption),
        ("n" * 300 + ".mp4", OutputError), ("%s%s.png", BadOption), ("%d%d.png", BadOption),
    ]:  # fmt: skip
        with pytest.raises(error):
            write_video(tmp_path / name, moving(1), 25)
    with pytest.raises(OutputError, match="no frames"):
        write_video(tmp_path / "a.mp4", moving(0), 25)
    with pytest.raises(BadOption, match="transparency"):
        write_video(tmp_path / "a.mp4", moving(1, channels=4), 25)
    with pytest.raises(ValueError, match="shape"):
        write_video(tmp_path / "a.mp4", [*moving(1), *moving(1, height=30)], 25)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_folder_that_may_not_be_written(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="permission"):
        write_video(tmp_path / "locked" / "a.mp4", moving(1), 25)


@pytest.mark.parametrize(
    "name",
    ["mit Leer zeichen \u00e4.mp4", "\u6f22 \U0001f600.webm", "a:b%20c.mp4", "n" * 250 + ".mp4"],
)
def test_names(tmp_path, name):
    wav = write_wav(tmp_path / ("w" + name[1:240] + ".wav"), tone(0.1, 16_000), 16_000)
    path = write_video(tmp_path / name, moving(3), 25, sound=wav)
    assert path.name == name
    assert probe(path).has_audio
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, wav.name])


def interruptible():
    """In a child process: heed Ctrl-C, also where the test run itself was started to ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c(tmp_path):
    """A real signal to a real process in the middle of its work."""
    script = """
import itertools, sys
import numpy as np
from enliven.media.write import write_video
frames = (np.full((64, 64, 3), i % 256, np.uint8) for i in itertools.count())
def watched():
    for i, frame in enumerate(frames):
        if i == 50:
            print("running", flush=True)
        yield frame
write_video(sys.argv[1], watched(), 25)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "a.mp4")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=interruptible
    ) as process:
        assert process.stdout.readline() == b"running\n"
        process.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in process.communicate(timeout=20)[1]
    assert process.returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_a_broken_link_is_not_written_through(tmp_path):
    (tmp_path / "a.mp4").symlink_to(tmp_path / "elsewhere.mp4")
    with pytest.raises(OutputExists):
        check_target(tmp_path / "a.mp4")
    write_video(tmp_path / "a.mp4", moving(1), 25, overwrite=True)
    assert not (tmp_path / "elsewhere.mp4").exists()


# --- two threads ----------------------------------------------------------------------------


def test_frames_are_not_made_far_ahead():
    """Memory: however slow the writer, only a few frames wait for it."""
    made, taken, ahead = 0, 0, 0

    def items():
        nonlocal made
        for i in range(30):
            made += 1
            yield i

    def write(arriving):
        nonlocal taken, ahead
        for _ in arriving:
            time.sleep(0.002)
            taken += 1
            ahead = max(ahead, made - taken)

    write_beside(items(), write)
    assert taken == 30
    assert ahead <= AHEAD + 2


def test_a_failing_writer_stops_the_maker():
    made = 0

    def items():
        nonlocal made
        for i in range(10_000):
            made += 1
            yield i

    def write(arriving):
        next(arriving)
        raise Trouble("disk on fire")

    with pytest.raises(Trouble, match="disk on fire"):
        write_beside(items(), write)
    assert made < 100
