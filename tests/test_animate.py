"""Whole runs: pytest tests/test_animate.py"""

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import enliven
from enliven.errors import BadOption, Cancelled, OutputExists
from enliven.motion_io import save_motion
from enliven.plan import Options, Part, default_output, plan_animation
from enliven.types import Motion

# Where the example is silent and where somebody speaks, seconds.
SILENT, SPOKEN = ((9.3, 9.7),), ((1.6, 5.4), (6.3, 8.7))


@pytest.fixture
def nod_npz(tmp_path: Path) -> Path:
    """One second of nodding with an opening mouth."""
    phase = np.linspace(0, 2 * np.pi, 25)
    motion = Motion.still(25).with_channels(
        headRotX=0.08 * np.sin(phase), jawOpen=0.25 - 0.25 * np.cos(phase)
    )
    return save_motion(tmp_path / "nod.npz", motion)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_output_is_named_after_both_inputs() -> None:
    expected = Path("a/ada b.c--hello.mp4")
    assert default_output(Path("a/ada b.c.jpg"), Path("elsewhere/hello.ogg")) == expected


def test_plan_of_a_voice(portrait_jpg: Path, speech_wav: Path, tmp_path: Path) -> None:
    plan = plan_animation(portrait_jpg, [Part(audio=speech_wav)], output=tmp_path / "o.mp4")
    assert (plan.parts[0].driver, plan.sounds, plan.fps) == ("audio", (speech_wav,), 25)
    assert plan.seconds == pytest.approx(9.77, abs=0.01)
    assert [role for role, _ in plan.inputs] == ["image", "audio"]
    ntsc = plan_animation(portrait_jpg, [Part(audio=speech_wav)], output=tmp_path / "o.mp4",
                          options=Options(fps=29.97))  # fmt: skip
    assert ntsc.fps == Fraction(30000, 1001)


def test_plan_refuses_before_any_work(portrait_jpg: Path, speech_wav: Path, tmp_path: Path) -> None:
    (tmp_path / "o.json").write_text("mine")
    with pytest.raises(OutputExists, match=r"o\.json"):
        plan_animation(portrait_jpg, [Part(audio=speech_wav)], output=tmp_path / "o.mp4")
    for options in ({"size": 1}, {"mouth": 3}, {"head_motion": -1}, {"fps": "0"}):
        with pytest.raises(BadOption):
            enliven.animate(portrait_jpg, audio=speech_wav, output=tmp_path / "p.mp4", **options)
    assert names(tmp_path) == ["o.json"]


@pytest.mark.parametrize("stage", ["portrait", "motion", "render"])
def test_cancelling_leaves_nothing_behind(
    stage: str, portrait_jpg: Path, nod_npz: Path, face_networks: Path
) -> None:
    before = names(nod_npz.parent)
    with pytest.raises(Cancelled, match=stage):
        enliven.animate(portrait_jpg, motion=nod_npz, output=nod_npz.parent / "o.mp4", size=128,
                        progress=lambda at, done, total: at != stage)  # fmt: skip
    assert names(nod_npz.parent) == before


def test_progress_counts_every_frame(
    portrait_jpg: Path, nod_npz: Path, tmp_path: Path, face_networks: Path
) -> None:
    seen: list[tuple[str, int, int]] = []
    made = enliven.animate(portrait_jpg, motion=nod_npz, output=tmp_path / "o.mp4", size=128,
                           fps=50, progress=lambda *step: seen.append(step))  # fmt: skip
    assert [step for step in seen if step[0] == "render"] == [
        ("render", i + 1, 50) for i in range(50)
    ]
    assert list(dict.fromkeys(stage for stage, _, _ in seen)) == ["portrait", "motion", "render"]
    assert (made.frames, made.size, made.fps) == (50, (128, 128), 50)
    record = json.loads(made.sidecar.read_text())
    assert record["inputs"]["motion"]["path"] == "nod.npz"
    assert record["options"]["size"] == 128
    assert set(record["timings"]) == {"portrait", "motion", "first_frame", "render", "total"}
    assert 0.5 < record["scores"]["face_confidence"] <= 1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.gif", {}),
        ("a.webp", {}),
        ("a.mkv", {}),
        ("pictures", {}),
        ("a.webm", {"transparent": True}),
        ("cut", {"transparent": True, "crop": True}),
    ],
)
def test_other_formats(
    name: str, options: dict, portrait_jpg: Path, nod_npz: Path, tmp_path: Path, face_networks: Path
) -> None:
    made = enliven.animate(portrait_jpg, motion=nod_npz, output=tmp_path / name, size=96, fps=5,
                           **options)  # fmt: skip
    assert made.path == tmp_path / name
    assert made.frames == 5
    if made.path.is_dir():
        assert len(names(made.path)) == 5
    else:
        assert made.path.stat().st_size > 1000
    assert enliven.replay(made.sidecar).same


@pytest.mark.parametrize("disclose", [True, False])
def test_saved_video_is_marked_unless_asked_not_to(disclose: bool, tmp_path: Path) -> None:
    frames = (np.full((32, 32, 3), 9 * i, np.uint8) for i in range(4))
    path = enliven.save_video(tmp_path / "o.mp4", frames, 25, disclose=disclose)
    assert (b"trainedAlgorithmicMedia" in path.read_bytes()) == disclose


def test_library_says_what_was_repaired(
    portrait_jpg: Path, tmp_path: Path, face_networks: Path
) -> None:
    """A turn beyond the limit becomes a note in the result and in the sidecar."""
    turned = Motion.still(5).with_channels(headRotY=np.linspace(0, 0.8, 5))
    save_motion(tmp_path / "m.npz", turned)
    made = enliven.animate(portrait_jpg, motion=tmp_path / "m.npz", output=tmp_path / "o.mp4",
                           size=96, reference="first")  # fmt: skip
    assert len(made.notes) == 1
    assert "degrees" in made.notes[0]
    assert json.loads(made.sidecar.read_text())["notes"] == list(made.notes)


@pytest.mark.slow
def test_example_end_to_end(
    portrait_jpg: Path, speech_wav: Path, tmp_path: Path, face_networks: Path
) -> None:
    """As long as the sound; the mouth moves in speech and rests in silence; the same again."""
    from enliven.face.track import track_video
    from enliven.metrics.lips import lip_measures

    made = enliven.animate(portrait_jpg, audio=speech_wav, output=tmp_path / "a.mp4")
    with av.open(str(made.path)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        rate = file.streams.video[0].average_rate
    with av.open(str(made.path)) as file:
        sound = file.streams.audio[0]
        sound_seconds = float(sound.duration * sound.time_base)
    assert rate == 25
    assert abs(len(frames) / 25 - 9.7664375) <= 0.5 / 25
    assert sound_seconds == pytest.approx(9.7664375, abs=0.001)
    assert frames[0].shape == (512, 512, 3)

    # nothing but head and shoulders moves: the top corners are far from both
    for corner in (np.s_[:60, :60], np.s_[:60, -60:]):
        moved = [np.abs(frame[corner].astype(int) - frames[0][corner]).max() for frame in frames]
        assert max(moved) <= 8  # what the encoder does to a still surface

    aperture = lip_measures(track_video(made.path).landmarks).aperture

    def within(spans: tuple[tuple[float, float], ...]) -> np.ndarray:
        return np.concatenate([aperture[round(25 * t0) : round(25 * t1)] for t0, t1 in spans])

    assert within(SPOKEN).std() > 0.02
    assert within(SILENT).std() < 0.01
    assert within(SILENT).mean() < np.median(within(SPOKEN))

    again = enliven.animate(portrait_jpg, audio=speech_wav, output=tmp_path / "b.mp4")
    assert again.path.read_bytes() == made.path.read_bytes()
    other = enliven.animate(portrait_jpg, audio=speech_wav, output=tmp_path / "c.mp4", seed=1)
    assert other.path.read_bytes() != made.path.read_bytes()
