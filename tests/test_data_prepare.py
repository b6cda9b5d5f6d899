"""Folders of videos become clips: pytest tests/test_data_prepare.py"""

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_made import grey_clip
from PIL import Image
from typer.testing import CliRunner

from enliven.cli import app
from enliven.data.clips import Row, clip_name
from enliven.data.dataset import TalkingClip, read_clip, read_clips, write_clip
from enliven.data.prepare import PrepareOptions, find_videos, prepare, speaker_of
from enliven.data.quality import STILL, Picture, Sound
from enliven.data.report import kind_of, report, summed
from enliven.errors import BadMedia, BadOption, Cancelled, NoFaceFound
from enliven.media.audio import read_speech
from enliven.types import CHANNELS

PICTURE = Picture(1.0, 80.0, 10.0, 8.0, 0.1, 0.0, 0.0, 0.04)
SOUND = Sound(-20.0, 0.7, 0.7, 0.0)


def pretend(path: Path, source: str, sha256: str, speaker: str, out: Path) -> list[Row]:
    """Stands for the work on a video: what happens is written in the video."""
    said = path.read_text()
    if said.startswith("crash"):
        os._exit(9)
    if said.startswith("no face"):
        raise NoFaceFound(f"{path}: no face was found; use another video")
    if said.startswith("bug"):
        raise ZeroDivisionError("nought")
    (out.parent / "work.log").open("a").write(f"{source}\n")
    zeros = np.zeros
    rows = []
    for number in range(2):
        clip = TalkingClip(clip_name(source, sha256, number), speaker, zeros(32_000, np.int16),
                           zeros((50, 478, 3), np.int16), zeros((50, len(CHANNELS)), np.float32),
                           np.ones(50, bool))  # fmt: skip
        write_clip(out, clip, overwrite=True)
        rows.append(Row(clip.name, source, sha256, speaker, 2.0 * number, 2.0, "kept", (),
                        1 / 3, 0.5, 0.2, PICTURE, SOUND))  # fmt: skip
    return rows


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Six videos of two speakers, half of them useless."""
    folder = tmp_path / "videos"
    said = {"ann/a_1.mp4": "one", "ann/a_2.MOV": "two", "ben/b 1.webm": "three",
            "ben/face.mkv": "no face", "bug.avi": "bug", "same.mp4": "one",
            "ann/notes.txt": "no video", ".hidden.mp4": "four"}  # fmt: skip
    for name, text in said.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "empty.mp4").touch()
    return folder


def manifest(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def test_good_videos_are_kept_and_bad_ones_named(videos: Path, tmp_path: Path) -> None:
    out, seen = tmp_path / "clips", []
    summary = prepare(videos, out, PrepareOptions(jobs=2), lambda *step: seen.append(step), pretend)
    assert seen == [("prepare", i, 7) for i in range(1, 8)]
    assert (summary.videos, summary.clips) == (7, {"kept": 6, "rejected": 4})
    assert summary.speakers == {"ann": 8.0, "ben": 4.0}
    why = {row["source"]: row["reasons"] for row in manifest(out) if row["clip"] is None}
    assert why["ben/face.mkv"] == ["face.mkv: no face was found"]
    assert why["bug.avi"] == ["ZeroDivisionError: nought"]
    assert why["same.mp4"] == ["the same content as ann/a_1.mp4"]
    assert "0 bytes" in why["empty.mp4"][0]
    clips = read_clips(out)
    assert {clip.speaker for clip in clips} == {"ann", "ben"}
    assert [clip.name for clip in clips] == sorted(r["clip"] for r in manifest(out) if r["clip"])
    text = (out / "report.md").read_text()
    assert all(name in text for name in ("ann/a_1.mp4", "bug.avi", "empty.mp4"))
    assert not list(out.rglob(".*"))


def test_a_run_that_was_stopped_goes_on(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "clips"

    def stop(stage: str, done: int, total: int) -> None:
        if done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        prepare(videos, out, PrepareOptions(), stop, pretend)
    assert len({row["source"] for row in manifest(out)}) == 3
    prepare(videos, out, work=pretend)
    whole = (out / "manifest.jsonl").read_bytes()
    files = {path.name: path.read_bytes() for path in out.glob("*.npz")}
    done = (tmp_path / "work.log").read_text()
    prepare(videos, out, work=pretend)
    assert (tmp_path / "work.log").read_text() == done  # nothing was done again
    assert (out / "manifest.jsonl").read_bytes() == whole

    (tmp_path / "fresh").mkdir()
    prepare(videos, tmp_path / "fresh" / "clips", work=pretend)
    assert (tmp_path / "fresh" / "clips" / "manifest.jsonl").read_bytes() == whole
    fresh = (tmp_path / "fresh" / "clips").glob("*.npz")
    assert {path.name: path.read_bytes() for path in fresh} == files


def test_what_is_missing_or_changed_is_made_again(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "clips"
    prepare(videos, out, work=pretend)
    gone = next(out.glob("ann--a_1*"))
    gone.unlink()
    (videos / "ann" / "a_2.MOV").rename(videos / "a_2.MOV")  # now a speaker of its own
    (videos / "ben" / "b 1.webm").rename(videos / "ben" / "c.webm")  # nothing but a name
    (tmp_path / "work.log").unlink()
    prepare(videos, out, work=pretend)
    assert (tmp_path / "work.log").read_text().split() == ["a_2.MOV", "ann/a_1.mp4"]
    assert gone.is_file()
    assert {clip.speaker for clip in read_clips(out)} == {"ann", "ben", "a_2"}
    assert {row["source"] for row in manifest(out) if row["clip"]} == {
        "a_2.MOV", "ann/a_1.mp4", "ben/c.webm",
    }  # fmt: skip
    assert len(read_clips(out)) == 6


def test_two_folders_share_one_manifest(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "clips"
    prepare(videos / "ann", out, work=pretend)
    prepare(videos / "ben", out, work=pretend)
    assert sorted(r["clip"] for r in manifest(out) if r["clip"]) == [
        clip.name for clip in read_clips(out)
    ]


def test_a_process_that_goes_down_takes_no_other_along(videos: Path, tmp_path: Path) -> None:
    (videos / "ann" / "a_0.mp4").write_text("crash")
    (videos / "ben" / "b_9.mp4").write_text("crash, too")
    summary = prepare(videos, tmp_path / "clips", PrepareOptions(jobs=2), work=pretend)
    assert summary.clips == {"kept": 6, "rejected": 6}
    why = {row["source"]: row["reasons"] for row in manifest(tmp_path / "clips")}
    assert "brought down" in why["ann/a_0.mp4"][0]
    assert "brought down" in why["ben/b_9.mp4"][0]
    # what might go well another time is tried again
    known = {path.stem for path in (tmp_path / "clips" / "sources").iterdir()}
    hashes = {row["source"]: row["sha256"][:32] for row in manifest(tmp_path / "clips")}
    assert hashes["ben/face.mkv"] in known
    assert not known & {hashes["ann/a_0.mp4"], hashes["ben/b_9.mp4"], hashes["bug.avi"]}


def test_a_program_that_processes_cannot_read_is_told(videos: Path, tmp_path: Path) -> None:
    program = f"from enliven.data.prepare import prepare; prepare({str(videos)!r}, 'clips')"
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True,
                          text=True)  # fmt: skip
    assert done.returncode == 1
    assert 'call it under `if __name__ == "__main__":`' in done.stderr


def test_limit_draws_by_seed(videos: Path, tmp_path: Path) -> None:
    def taken(seed: int) -> set[str]:
        out = tmp_path / f"{seed}" / "clips"
        prepare(videos, out, PrepareOptions(limit=3, seed=seed), work=pretend)
        return {row["source"] for row in manifest(out)}

    assert len(taken(1)) == 3
    assert len({frozenset(taken(seed)) for seed in range(4)}) > 1
    assert taken(1) == taken(1)


def test_speakers_come_from_folders_or_names(tmp_path: Path) -> None:
    names = {"ann/x_1.mp4": ("ann", "x"), "x_1.mp4": ("x_1", "x"), "a/b/c d.mp4": ("a/b", "c"),
             "_1.mp4": ("_1", "_1")}  # fmt: skip
    for name, (by_folder, by_name) in names.items():
        assert speaker_of(tmp_path / name, tmp_path, "folder") == by_folder
        assert speaker_of(tmp_path / name, tmp_path, "name") == by_name


def test_folders_without_videos_and_wrong_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadMedia, match="is not a folder"):
        prepare(tmp_path / "none", tmp_path / "clips")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(BadMedia, match="holds no videos"):
        prepare(tmp_path, tmp_path / "clips")
    assert not (tmp_path / "clips").exists()
    for wrong in ({"jobs": 0}, {"limit": 0}, {"speaker_from": "voice"}):
        with pytest.raises(BadOption, match=next(iter(wrong))):
            PrepareOptions(**wrong)


def test_clips_inside_the_folder_are_no_input(videos: Path) -> None:
    out = videos / "clips"
    out.mkdir()
    (out / "x.mp4").write_text("x")
    assert out / "x.mp4" not in find_videos(videos, out)
    assert len(find_videos(videos, videos.parent / "clips")) == 8


def test_names_of_clips_are_file_names() -> None:
    name = clip_name("Ann & Ben/été 1|2.mp4", "0123456789abcdef", 7)
    assert name == "Ann_Ben--été_1_2--01234567-007"
    assert len(clip_name("x" * 300 + ".mp4", "0" * 64, 0)) < 120
    assert clip_name(".mp4", "0" * 64, 0)[0] != "."


def test_rows_survive_json() -> None:
    row = Row("c", "s", "h", "p", 0.0, 2.0, "kept", ("a", "b"), 1.5, 0.5, 0.25, PICTURE, SOUND)
    assert Row.from_dict(json.loads(json.dumps(row.as_dict()))) == row
    bare = Row(None, "s", "h", "p", 0.0, 0.0, "rejected", ("why",))
    assert Row.from_dict(json.loads(json.dumps(bare.as_dict()))) == bare


def test_report_counts_reasons_of_a_kind() -> None:
    rows = [Row(None, f"{i}", "h", "p", 0.0, 60.0, "rejected", (f"too small, {i} px", "a | b"))
            for i in range(3)]  # fmt: skip
    assert summed(rows, 3).reasons == {"too small": 3, "a | b": 3}
    assert "a \\| b" in report(rows)
    assert kind_of("text.mp4 cannot be read (why)") == "text.mp4 cannot be read"


def with_sound(path: Path, pictures: list[np.ndarray], samples: np.ndarray) -> Path:
    """A video at 25 frames a second with sound at 16 kHz."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        voice = output.add_stream("aac", rate=16_000, layout="mono")
        for picture in pictures:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        output.mux(stream.encode(None))
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "flt", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
        output.mux(voice.encode(frame))
        output.mux(voice.encode(None))
    return path


def test_useless_videos_from_the_command_line(
    tmp_path: Path, portrait_jpg: Path, speech_wav: Path, face_networks: Path
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    speech = read_speech(speech_wav).samples[: 2 * 16_000]
    photo = np.asarray(Image.open(portrait_jpg).convert("RGB").resize((256, 256)))
    with_sound(folder / "photo.mp4", [photo] * 50, speech)
    grey = [Fraction(i, 25) for i in range(50)]
    grey_clip(folder / "grey.mp4", grey, [90] * 50, sound_seconds=2)
    grey_clip(folder / "mute.mp4", grey, [90] * 50)
    (folder / "text.mp4").write_text("hello")
    whole = (folder / "photo.mp4").read_bytes()
    (folder / "half.mp4").write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "clips"
    result = CliRunner().invoke(app, ["data", "prepare", str(folder), "--out", str(out)])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == str(out)
    why = {row["source"]: " ".join(row["reasons"]) for row in manifest(out)}
    assert STILL in why["photo.mp4"]
    assert "no face was found" in why["grey.mp4"]
    assert "no sound" in why["mute.mp4"]
    assert "cannot be read" in why["text.mp4"]
    assert why["half.mp4"]
    assert not list(out.glob("*.npz"))


@pytest.mark.slow
@pytest.mark.parametrize("late", [-4, 0, 5])
def test_a_known_offset_is_put_right(
    tmp_path: Path, portrait_jpg: Path, speech_wav: Path, face_networks: Path, late: int
) -> None:
    from enliven import animate
    from enliven.media.video import read_frames

    made = animate(portrait_jpg, audio=speech_wav, output=tmp_path / "made.mp4", size=320)
    speech = read_speech(speech_wav).samples
    frames = list(read_frames(made.path, 25).frames)
    shown = np.roll(np.array(frames), late, axis=0)
    folder = tmp_path / "videos"
    folder.mkdir()
    with_sound(folder / "talk.mp4", list(shown), speech)
    prepare(folder, tmp_path / "clips")
    (row,) = manifest(tmp_path / "clips")
    assert row["verdict"] == "kept", row
    assert row["offset_frames"] == pytest.approx(late, abs=1.2)
    clip = read_clip(tmp_path / "clips" / f"{row['clip']}.npz")
    heard = clip.sound()
    wanted = np.roll(speech, late * 640)[: len(heard)] if late else speech[: len(heard)]
    middle = slice(16_000, len(heard) - 16_000)
    assert np.corrcoef(heard[middle], wanted[middle])[0, 1] > (0.9 if late else 0.99)
