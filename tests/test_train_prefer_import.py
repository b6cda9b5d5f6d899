"""Pairs of other people's videos: read, measured, refused with the line that is wrong."""

import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from media_made import grey_clip
from typer.testing import CliRunner

from enliven.cli import app
from enliven.motion.chunks import BEFORE
from enliven.motion.latent import COLUMN, LATENT
from enliven.motion.performer import FRAMES
from enliven.reward.bare_pairs import read_bare
from enliven.reward.preferences import Candidate, Preference, read_preferences, write_preferences
from enliven.train.performer_video import Speaking
from enliven.train.prefer_import import import_preferences, same_voice
from enliven.train.prefer_make import SETTINGS, Performing, Wanted
from enliven.train.video_latent import drawn_for, followed

run = CliRunner().invoke


@pytest.fixture(scope="module")
def prefs(
    portrait_jpg: Path,
    speech_wav: Path,
    face_networks: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Two candidates of two seconds, as `prefer make` keeps them, and a pair of them."""
    out = tmp_path_factory.mktemp("prefs")
    (out / "media").mkdir()
    shutil.copyfile(speech_wav, out / "media" / "0.wav")
    given = Speaking(portrait_jpg, out / "media" / "0.wav", 0.0, 2)
    made = {"photo": str(portrait_jpg), "sound": "media/0.wav", "seconds": 2}
    two = []
    for k in (0, 1):
        file = out / "media" / f"0-{k}"
        Performing(192)(None, Wanted(given, SETTINGS[2], (k,), file), 0)
        two.append(Candidate("0", file.name, f"media/0-{k}.npz", f"media/0-{k}.mp4", 3.0 + k,
                             3.0, 1.0, made))  # fmt: skip
    write_preferences(out / "pairs.jsonl", [Preference(two[1], two[0], 0.5, "judge", "test")])
    return out


def test_what_was_drawn_is_measured_in_the_video(prefs: Path) -> None:
    measured = drawn_for(followed(prefs / "media" / "0-0.mp4"), 2)
    drawn = np.load(prefs / "media" / "0-0.npz")["parts"]
    assert measured.shape == drawn.shape == (2, FRAMES, len(LATENT))
    assert not measured[0, :BEFORE].any()
    np.testing.assert_array_equal(measured[1, :BEFORE], measured[0, -BEFORE:])

    def alike(name: str) -> float:
        one, other = (parts[:, BEFORE:, COLUMN[name]].ravel() for parts in (measured, drawn))
        return float(np.corrcoef(one, other)[0, 1])

    assert alike("jawOpen") > 0.8
    assert np.mean([alike(f"headRot{axis}") for axis in "XYZ"]) > 0.8
    other = np.load(prefs / "media" / "0-1.npz")["parts"]
    head = [COLUMN["headRotX"], COLUMN["headRotY"]]
    errors = [np.abs((measured - parts)[:, BEFORE:, head]).mean() for parts in (drawn, other)]
    assert errors[0] < errors[1]


def test_own_export_comes_back_as_it_was(prefs: Path, tmp_path: Path) -> None:
    for number, words in enumerate(((), ("--inputs",))):
        told = run(app, ["prefer", "export", str(prefs / "pairs.jsonl"), *words]).stdout
        (prefs / "rows.jsonl").write_text(told)
        out = tmp_path / str(number)
        done = run(app, ["prefer", "import", str(prefs / "rows.jsonl"), "--out", str(out)])
        assert done.exit_code == 0, done.output
        again = run(app, ["prefer", "export", str(out / "pairs.jsonl"), *words]).stdout
        assert again == told
    (pair,) = read_preferences(out / "pairs.jsonl")
    (first,) = read_preferences(prefs / "pairs.jsonl")
    assert pair.source == "imported"
    assert pair.chosen.name == first.chosen.name
    assert {key: pair.chosen.made[key] for key in first.chosen.made} == first.chosen.made
    for one in (first.chosen, first.rejected):
        stored, copied = (np.load(folder / one.motion)["parts"] for folder in (prefs, out))
        np.testing.assert_array_equal(stored, copied)
        assert (out / one.video).read_bytes() == (prefs / one.video).read_bytes()


def test_videos_of_others_are_measured_or_told_why_not(prefs: Path, tmp_path: Path, caplog) -> None:
    pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")
    from enliven.train.performer_pairs import load_pairs

    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for k in (0, 1):
        shutil.copyfile(prefs / "media" / f"0-{k}.mp4", foreign / f"{k}.mp4")
    grey_clip(foreign / "grey.mp4", [Fraction(i, 25) for i in range(50)], [90] * 50,
              sound_seconds=2)  # fmt: skip
    rows = [{"prompt": "a wise word", "chosen": {"path": "1.mp4"}, "rejected": {"path": "0.mp4"}},
            {"prompt": "a wise word", "chosen": "1.mp4", "rejected": "grey.mp4"}]  # fmt: skip
    (foreign / "rows.json").write_text(json.dumps(rows))
    made = import_preferences(foreign / "rows.json", tmp_path / "out")
    assert (made.pairs, made.learnable) == (2, 1)
    assert "line 2 can be voted on, judged and exported, but not learned from" in caplog.text
    assert "grey.mp4 does not speak the sound of 1.mp4" in caplog.text
    (pair,) = load_pairs(made.path)  # the other is left out
    assert pair.given.seconds == 2
    assert pair.given.photo.is_file()
    assert [tuple(part.shape) for part in pair.parts] == [(2, FRAMES, len(LATENT))] * 2
    first, second = read_preferences(made.path)
    assert first.chosen.name == second.chosen.name == "1"
    assert np.isnan(first.chosen.reward)
    told = run(app, ["prefer", "import", str(foreign / "rows.json"), "--out", str(tmp_path / "un"),
                     "--no-measure", "--json"])  # fmt: skip
    assert json.loads(told.stdout)["learnable"] == 0
    told = run(app, ["train", "recipes.dpo", "--pairs", str(tmp_path / "un" / "pairs.jsonl"),
                     "--out", str(tmp_path / "run")])  # fmt: skip
    assert told.exit_code == 2
    assert "nothing can be learned" in told.stderr


BROKEN = [
    ('{"prompt": "a", "chosen": "a.mp4", "rejected": "b.mp4"}\n?', "line 2: this is no JSON"),
    ('\n{"prompt": "a", "chosen": "a.mp4"}', 'line 2: it has no "rejected"'),
    ('{"prompt": "a", "chosen": "a.mp4", "rejected": "gone.mp4"}', "line 1: gone.mp4 is missing"),
    ('{"prompt": {"sound": "no.wav"}, "chosen": "a.mp4", "rejected": "b.mp4"}',
     "line 1: no.wav is missing"),
    ('{"prompt": "a", "chosen": "a.mp4", "rejected": "a.mp4"}', "are the same video"),
    ('{"prompt": "a", "chosen": "a.mp4", "rejected": "same.mp4"}', "are the same video"),
    ('{"prompt": "a", "chosen": "a.mp4", "rejected": "b.mp4"}\n' * 2, "line 2: it repeats line 1"),
    ('{"prompt": "a", "chosen": "a.mp4", "rejected": {"url": "b.mp4"}}', "names no file"),
    ('{"prompt": 3, "chosen": "a.mp4", "rejected": "b.mp4"}', "prompt is neither text"),
    ('{"prompt": " ", "chosen": "a.mp4", "rejected": "b.mp4"}', "prompt says nothing"),
    ('{"prompt": "a", "chosen": "a.mp4", "rejected": "rows"}', "line 1"),
    ('[{"prompt": "a"', "no JSON array"),
    ("[1]", "line 1: it is no JSON object"),
    ("[]", "holds no pairs"),
    ("", "is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_rows_that_cannot_be_used_leave_nothing(tmp_path: Path, text: str, message: str) -> None:
    for name, grey in (("a", 90), ("b", 60)):
        grey_clip(tmp_path / f"{name}.mp4", [Fraction(0), Fraction(1, 25)], [grey, grey])
    shutil.copyfile(tmp_path / "a.mp4", tmp_path / "same.mp4")
    (tmp_path / "rows").write_text(text)
    before = sorted(tmp_path.iterdir())
    told = run(app, ["prefer", "import", str(tmp_path / "rows"), "--out", str(tmp_path / "out")])
    assert told.exit_code == 2
    assert message in " ".join(told.stderr.split())
    assert "Traceback" not in told.output
    assert sorted(tmp_path.iterdir()) == before


def test_rows_of_all_forms_are_read(tmp_path: Path) -> None:
    """Text or object prompts, media elsewhere, a byte order mark; a full folder is left alone."""
    media = tmp_path / "media"
    media.mkdir()
    for name, grey in (("a", 90), ("b", 60)):
        grey_clip(media / f"{name}.mp4", [Fraction(0), Fraction(1, 25)], [grey, grey])
    (media / "p.png").write_bytes(b"x")
    rows = [{"prompt": {"image": "p.png"}, "chosen": {"video": "a.mp4"}, "rejected": "b.mp4"},
            {"prompt": "b better", "image": {"path": "p.png"}, "chosen": str(media / "b.mp4"),
             "rejected": {"file": "a.mp4"}}]  # fmt: skip
    file = tmp_path / "rows.jsonl"
    file.write_text("\ufeff" + "\n".join(map(json.dumps, rows)))
    first, second = read_bare(file, media)
    assert (first.prompt, first.chosen, first.rejected) == ("p", "a.mp4", "b.mp4")
    assert first.photo == second.photo == "p.png"
    made = import_preferences(file, tmp_path / "out", media=media)
    one, two = read_preferences(made.path)
    assert made.learnable == 0  # they have no sound
    assert (tmp_path / "out" / one.chosen.video).is_file()
    assert two.chosen.video == str((media / "b.mp4").resolve())
    assert not one.chosen.motion
    told = run(app, ["prefer", "import", str(file), "--out", str(tmp_path / "out")])
    assert told.exit_code == 3


def test_the_same_voice_is_known_again() -> None:
    rng = np.random.default_rng(0)
    loud = np.repeat(10 ** rng.uniform(-3, -1, 50), 640)
    voice, other = rng.standard_normal((2, 32000)) * loud
    assert same_voice(voice, 0.5 * voice[:30000])
    assert not same_voice(voice, rng.permutation(loud.reshape(50, 640)).ravel() * other)
    assert not same_voice(voice, np.zeros(32000))
    assert same_voice(np.zeros(32000), np.zeros(16000))
