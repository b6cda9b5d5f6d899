"""The motion generator as a policy: it draws, shows and learns as what ships does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")
pytest.importorskip("safetensors", reason="training needs safetensors: pip install enliven[train]")
pytest.importorskip("tensorboard", reason="training needs tensorboard: pip install enliven[train]")

from performer_scores import from_motion, opening, shown  # noqa: E402

from enliven.errors import BadMedia, ModelUnavailable  # noqa: E402
from enliven.flow import sample, schedule  # noqa: E402
from enliven.media.audio import read_speech  # noqa: E402
from enliven.motion.chunks import BEFORE, CHUNK  # noqa: E402
from enliven.motion.generator import Generator, load_session, open_session  # noqa: E402
from enliven.motion.performer import OWN_LIPS, Performer, Sampling  # noqa: E402
from enliven.reward.compose import Reward, Term  # noqa: E402
from enliven.train.adapter import Adapting  # noqa: E402
from enliven.train.grpo import Grpo, Winners  # noqa: E402
from enliven.train.learner import Learner, Learning  # noqa: E402
from enliven.train.loop import Config, improve  # noqa: E402
from enliven.train.performer_policy import (  # noqa: E402
    PerformerPolicy,
    export_performer,
    load_performer,
)
from enliven.train.performer_video import (  # noqa: E402
    Gathering,
    Showing,
    Speaking,
    gather_inputs,
    motion_of,
)
from enliven.train.posttrain import PostTraining  # noqa: E402
from enliven.train.recipe import load_recipe  # noqa: E402
from enliven.train.rollout import Exploring, Place, draw_group, frozen  # noqa: E402
from enliven.train.workers import Scoring, Task, safely  # noqa: E402

EXPLORING = Exploring(members=6, groups=2, steps=8)


@pytest.fixture
def speaking(portrait_jpg: Path, speech_wav: Path) -> Speaking:
    return Speaking(portrait_jpg, speech_wav, 0.5, 2)


def policy_of(speaking: Speaking, scoring: Scoring | None = None) -> PerformerPolicy:
    scoring = scoring or Scoring(from_motion, opening)
    return PerformerPolicy(load_performer(), [speaking], [speaking], scoring)


def test_it_shows_what_the_generator_makes(speaking: Speaking) -> None:
    """The same first noise through torch and `motion_of`, and through what ships."""
    samples = read_speech(speaking.sound).samples[8000 : 8000 + 2 * 16000]
    expected = Generator.load().generate(samples, seconds=2.0, seed=9)
    policy, drawn = policy_of(speaking), []
    while (part := policy.part(speaking, drawn)) is not None:
        rng = np.random.default_rng([9, len(drawn) * CHUNK])
        start = part.start(torch.from_numpy(rng.standard_normal((1, *part.shape))).float())
        with torch.no_grad():
            field = policy.field(part.condition)
            drawn.append(sample(field, start, schedule(Sampling().steps), given=part.given))
    made = motion_of(policy.sent(speaking, drawn, 0), speaking, seed=9)
    np.testing.assert_allclose(made.values, expected.values, atol=2e-3)
    assert np.abs(made.values).max() > 0.1


def test_a_clip_is_drawn_chunk_after_chunk(speaking: Speaking) -> None:
    policy = policy_of(speaking)
    group = draw_group(policy, EXPLORING, Place(0, 0, 0), speaking)
    assert [piece.part for piece in group.pieces] == [0, 1]
    assert torch.equal(group.parts[1][:, :BEFORE], group.parts[0][:, -BEFORE:])
    assert not group.parts[0][:, :BEFORE].any()
    assert set(frozen(policy, group).gap.values()) == {0.0}
    sent = policy.sent(speaking, group.parts, 1)
    assert [part.shape[0] for part in sent] == [CHUNK, CHUNK]
    np.testing.assert_array_equal(sent[1], group.parts[1][1, BEFORE:].numpy())
    spread = group.parts[0][:, BEFORE:].std(0).mean()
    assert 0.01 < spread < 1  # of deviation 1


def test_blinks_are_those_of_the_seed_and_do_not_tell_members_apart(speaking: Speaking) -> None:
    policy = policy_of(speaking)
    group = draw_group(policy, EXPLORING, Place(0, 0, 0), speaking)
    one, other = (policy.sent(speaking, group.parts, row) for row in (0, 1))
    lids = [motion_of(sent, speaking, 3)["eyeBlinkLeft"] for sent in (one, other)]
    np.testing.assert_allclose(lids[0], lids[1], atol=0.1)
    again = motion_of(one, speaking, 3)
    np.testing.assert_array_equal(again.values, motion_of(one, speaking, 3).values)


def test_more_of_the_lips_own_will_can_be_shown(speaking: Speaking) -> None:
    policy = policy_of(speaking)
    group = draw_group(policy, EXPLORING, Place(0, 0, 0), speaking)
    sent = [policy.sent(speaking, group.parts, row) for row in (0, 1)]
    apart = []
    for share in (0.0, OWN_LIPS, 1.0):
        jaws = [motion_of(one, speaking, 3, share)["jawOpen"] for one in sent]
        apart.append(float(np.abs(jaws[0] - jaws[1]).max()))
    assert apart[0] == 0  # the voice alone decides
    assert apart[0] < apart[1] < apart[2]


def test_recipes_are_those_of_the_generator() -> None:
    grpo, sft = (load_recipe(f"recipes.{name}") for name in ("grpo", "sft"))
    assert isinstance(grpo, PostTraining)
    assert isinstance(grpo.config.method, Grpo)
    assert isinstance(sft.config.method, Winners)
    assert sft.config.exploring == grpo.config.exploring  # as many, drawn alike
    assert sft.config.reward == grpo.config.reward


def test_adapters_leave_the_reference_and_merge_into_the_models(
    speaking: Speaking, tmp_path: Path
) -> None:
    policy = policy_of(speaking)
    part = policy.part(speaking, [])
    assert part is not None
    x, t = torch.randn(2, *part.shape), torch.full((2,), 0.6)
    with torch.no_grad():
        before = policy.velocity(x, t, part.condition)
    learner = Learner(policy.module, Learning(), Adapting(4, 8.0))
    for weight in learner.weights.values():
        torch.nn.init.normal_(weight, std=0.02)
    with learner.reference():
        assert torch.equal(policy.velocity(x, t, part.condition), before)
    with torch.no_grad():
        changed = policy.velocity(x, t, part.condition)
    assert not torch.allclose(changed, before, atol=1e-2)
    shipped = Path(load_performer.__code__.co_filename).parents[1] / "models"
    articulation = (shipped / "articulation.onnx").read_bytes()
    models = export_performer(policy, tmp_path / "models", articulation, {"own_lips": "0.8"})
    again = PerformerPolicy(load_performer(models), [speaking], [], policy.scoring)
    with torch.no_grad():
        stored = again.velocity(x, t, part.condition)
    torch.testing.assert_close(stored, changed, rtol=0, atol=2e-2)  # half precision
    samples = np.zeros(16000, np.float32)
    assert Performer(open_session((models / "performer.onnx").read_bytes())).own_lips == 0.8
    assert Performer(load_session("performer.onnx")).own_lips == OWN_LIPS
    assert len(Generator.load(models).generate(samples, seconds=1.0)) == 25


def test_grpo_opens_the_mouth_when_that_is_rewarded(speaking: Speaking, tmp_path: Path) -> None:
    policy = policy_of(speaking)
    config = Config(
        Reward((Term("opening", 1.0, 0.0),)),
        Grpo(beta=0.0, growth=0.0),
        Exploring(members=8, groups=2, steps=6, eta=0.7),
        Learning(rate=2e-3, weight_decay=0.0, average=0.0),
        Adapting(8, 16.0),
        iterations=4,
        evaluate_every=4,
    )
    improve(policy, config, tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=False)
    first, last = (evaluation["score/opening"] for evaluation in state["evaluations"])
    assert last > first + 0.002
    assert all(record["first ratio apart"] == 0 for record in state["records"])
    assert all(record["gap/0"] == 0 for record in state["records"] if "gap/0" in record)


def test_inputs_are_pairs_and_hold_out_people(
    portrait_jpg: Path, speech_wav: Path, tmp_path: Path, face_networks: Path
) -> None:
    inputs, _, notes = gather_inputs(portrait_jpg, speech_wav, Gathering(seconds=2))
    assert inputs
    assert {one.photo for one in inputs} == {portrait_jpg}
    assert len({one.start for one in inputs}) == len(inputs)
    assert all(one.start % 2 == 0 for one in inputs)
    assert not notes
    assert gather_inputs(portrait_jpg, speech_wav, Gathering(seconds=2))[0] == inputs
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    (tmp_path / "good.wav").write_bytes(speech_wav.read_bytes())
    some, _, notes = gather_inputs(portrait_jpg, tmp_path, Gathering(seconds=2))
    assert {one.sound.name for one in some} == {"good.wav"}
    assert len(notes) == 1
    assert "broken.wav is left out" in notes[0]
    with pytest.raises(BadMedia, match="no usable sound"):
        gather_inputs(portrait_jpg, portrait_jpg, Gathering())


def test_a_sample_whose_photo_has_gone_does_not_count(speaking: Speaking) -> None:
    policy = policy_of(speaking)
    group = draw_group(policy, EXPLORING, Place(0, 0, 0), speaking)
    gone = replace(speaking, photo=speaking.photo.with_name("gone.jpg"))
    task = Task(policy.sent(speaking, group.parts, 0), gone, 0)
    assert "gone.jpg" in safely(Scoring(Showing(64), opening), task).why


@pytest.mark.slow
def test_rendered_videos_are_what_is_scored(speaking: Speaking, face_networks: Path) -> None:
    policy = policy_of(speaking, Scoring(Showing(128), shown))
    group = draw_group(policy, EXPLORING, Place(0, 0, 0), speaking)
    task = Task(policy.sent(speaking, group.parts, 0), speaking, 0, evaluating=True)
    scored = safely(policy.scoring, task)
    assert scored.why == ""
    assert scored.card.scores["frames"].value == 50
    assert scored.pictures["movement"] > 0
    assert scored.strip is not None


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"recipes\.speech"):
        load_performer(tmp_path)
    (tmp_path / "performer.safetensors").write_bytes(b"rubbish")
    with pytest.raises(ModelUnavailable):
        load_performer(tmp_path)
