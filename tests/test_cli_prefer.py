"""Preferences on the command line and from Python: made, continued, voted on, exported."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from preference_scores import fidelity_from_picture, troubled
from typer.testing import CliRunner

from enliven.cli import app
from enliven.errors import BadOption, OutputExists
from enliven.motion.chunks import BEFORE, CHUNK
from enliven.motion.generator import Generator
from enliven.motion.latent import LATENT
from enliven.motion.performer import FRAMES
from enliven.reward.preferences import Selection, read_preferences
from enliven.train.performer_video import Gathering, Speaking, motion_of
from enliven.train.prefer_make import Making, Wanted, axes_of, drawn, energy_of, make_preferences
from enliven.types import CHANNELS, INDEX, Score

MAKING = Making(2, Gathering(seconds=1, inputs=2), size=96, selection=Selection(0.0, 100.0))


def test_it_draws_what_the_generator_draws(portrait_jpg: Path, speech_wav: Path) -> None:
    """The stored numbers, shown, are the motion of the generator that ships."""
    from enliven.media.audio import read_speech
    from enliven.train.prefer_make import SETTINGS

    given = Speaking(portrait_jpg, speech_wav, 0.0, 2)
    parts = drawn(Wanted(given, SETTINGS[0], (5,), Path("x")))
    assert parts.shape == (2, FRAMES, len(LATENT))
    assert not parts[0, :BEFORE].any()
    np.testing.assert_array_equal(parts[1, :BEFORE], parts[0, -BEFORE:])
    # the stream seeds its chunks by their first frame, candidates by their number
    first = Generator.load().generate(read_speech(speech_wav).samples[:32000], seconds=2.0, seed=5)
    shown = motion_of(list(parts[:, BEFORE:]), given, seed=5)
    np.testing.assert_allclose(shown.values[: CHUNK - 3], first.values[: CHUNK - 3], atol=2e-3)
    for other in SETTINGS[1:]:
        assert not np.allclose(drawn(Wanted(given, other, (5,), Path("x"))), parts, atol=1e-3)
    again = drawn(Wanted(given, SETTINGS[0], (5,), Path("x")))
    np.testing.assert_array_equal(again, parts)
    shipped = Path(Generator.load.__code__.co_filename).parents[1] / "models"
    by_folder = Wanted(replace(given, models=shipped), SETTINGS[0], (5,), Path("x"))
    np.testing.assert_array_equal(drawn(by_folder), parts)


def test_energy_is_speed_and_blinks_do_not_count() -> None:
    still = np.zeros((50, len(CHANNELS)), np.float32)
    turning, faster, blinking = still.copy(), still.copy(), still.copy()
    turning[:, INDEX["headRotY"]] = np.linspace(0, 0.2, 50)
    faster[:, INDEX["headRotY"]] = np.linspace(0, 0.6, 50)
    blinking[::5, INDEX["eyeBlinkLeft"]] = 1.0
    assert energy_of(still) == energy_of(blinking) == 0
    assert energy_of(faster) == pytest.approx(3 * energy_of(turning), rel=1e-4)


def test_axes() -> None:
    def at(value: float, valid: bool = True) -> Score:
        return Score(value, 0.0, 5.0, valid=valid)

    scores = {"lip_sync": at(4.0), "motion": at(3.0), "texture": at(0.5), "jitter": at(1.0),
              "identity": at(0.0, valid=False)}  # fmt: skip
    assert axes_of(scores) == (3.5, 4.0)
    unknown = axes_of({"lip_sync": at(4.0), "motion": at(np.nan), "texture": at(0.5)})
    assert np.isnan(unknown).all()


def test_made_continued_voted_and_exported(
    portrait_jpg: Path, speech_wav: Path, tmp_path: Path, face_networks: Path
) -> None:
    out = tmp_path / "prefs"

    def run(score: object, making: Making = MAKING) -> Path:
        return make_preferences(portrait_jpg, speech_wav, out, making, workers=0, score=score)

    with pytest.raises(BadOption, match="smaller --margin"):
        run(troubled)  # candidates that fail are left out
    first = (out / "candidates.jsonl").read_text().splitlines()
    assert len(first) == 1
    assert not (out / "pairs.jsonl").exists()
    pairs = run(fidelity_from_picture)
    rows = [json.loads(line) for line in (out / "candidates.jsonl").read_text().splitlines()]
    assert len(rows) == 4
    assert [json.dumps(row, sort_keys=True) for row in rows[:1]] == first[:1]
    assert {row["judge"] for row in rows} <= {"pictures 1", "troubled 1"}
    made = read_preferences(pairs)
    assert 1 <= len(made) <= 2
    for pair in made:
        assert pair.chosen.reward > pair.rejected.reward
        assert (out / pair.chosen.video).stat().st_size > 1000
        with np.load(out / pair.chosen.motion) as kept:
            assert kept["parts"].shape == (1, FRAMES, len(LATENT))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    run(fidelity_from_picture)
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(OutputExists, match="other photos, sounds or settings"):
        run(fidelity_from_picture, Making(3, MAKING.gathering, size=96))
    check_votes(out, pairs, len(made))


def check_votes(out: Path, pairs: Path, judged: int) -> None:
    """Page, votes and export, through the command line."""
    run = CliRunner().invoke
    one = read_preferences(pairs)[0]
    assert (out / "blind" / "one" / f"{one.chosen.input}.png").exists()
    key, choices = out / "page.key.json", out / "anna.json"
    key.write_text(json.dumps({"1": {"name": f"{one.chosen.input}.png", "left": "one"}}))
    choices.write_text(json.dumps({"1": "right"}))
    given = ["prefer", "votes", str(pairs), str(key), str(choices)]
    assert run(app, given).exit_code == 0
    after = read_preferences(pairs)
    assert len(after) == judged + 1
    assert after[-1].source == "human"
    assert after[-1].chosen == one.rejected
    assert run(app, given).exit_code == 2  # twice the same
    assert len(read_preferences(pairs)) == judged + 1
    # a page of videos: each pair once, the overall answer decides
    name = f"{one.chosen.name} or {one.rejected.name}"
    key.write_text(json.dumps({"page": "p", "1": {"name": name, "left": "two"}}))
    ben = out / "ben.json"
    ben.write_text(json.dumps({"page": "p", "1": {"lips": "left", "overall": "right"}}))
    assert run(app, [*given[:-1], str(ben)]).exit_code == 0
    assert read_preferences(pairs)[-1].chosen == one.chosen
    key.write_text(json.dumps({"1": {"name": "stranger.png", "left": "one"}}))
    assert run(app, [*given[:-1], str(key)]).exit_code == 2
    key.write_text(json.dumps({"1": {"name": name}}))
    told = run(app, [*given[:-1], str(ben)])
    assert told.exit_code == 2
    assert "no key of a page" in told.stderr
    told = run(app, ["prefer", "export", str(pairs)])
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert len(rows) == judged + 1  # what two say is one row
    assert set(rows[0]) == {"prompt", "chosen", "rejected"}


def test_a_folder_of_something_else_is_left_alone(
    portrait_jpg: Path, speech_wav: Path, tmp_path: Path, face_networks: Path
) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    told = CliRunner().invoke(app, ["prefer", "make", "--photos", str(portrait_jpg), "--sounds",
                                    str(speech_wav), "--out", str(tmp_path)])  # fmt: skip
    assert told.exit_code == 3
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
