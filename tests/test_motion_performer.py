"""Drawing chunks of motion: pytest tests/test_motion_performer.py"""

from types import SimpleNamespace

import numpy as np
import pytest

from enliven.errors import BadOption, ModelUnavailable
from enliven.flow import Noise, replay, rollout, schedule
from enliven.motion.articulation import Articulation
from enliven.motion.chunks import BEFORE, CHUNK, CONDITIONS, HEARD, conditions, silence
from enliven.motion.generator import load_session
from enliven.motion.latent import LATENT, region_columns
from enliven.motion.performer import FRAMES, GIVEN, Performer, Sampling

BEGIN = np.zeros((BEFORE, len(LATENT)), np.float32)
CALM = dict.fromkeys(("mouth", "brows", "eyes", "head"), 0.0)


class Said:
    """A stand-in for an onnxruntime session."""

    def __init__(self, name: str, shape: list[int | str]) -> None:
        self.name, self.shape = name, shape


class Made:
    """A session whose velocity is 3 heard + 5 asked, summed, everywhere."""

    def get_inputs(self) -> list[Said]:
        widths = {"x": len(LATENT), "t": 1, "heard": HEARD, "asked": CONDITIONS}
        return [Said(name, ["B", FRAMES, width]) for name, width in widths.items()]

    def get_modelmeta(self) -> SimpleNamespace:
        return SimpleNamespace(custom_metadata_map={})

    def run(self, _: list[str], fed: dict[str, np.ndarray]) -> list[np.ndarray]:
        level = 3 * fed["heard"].sum(2) + 5 * fed["asked"].sum(2)
        return [np.broadcast_to(level[..., None], fed["x"].shape).astype(np.float32)]


@pytest.fixture(scope="module")
def performer() -> Performer:
    return Performer(load_session("performer.onnx"))


def window(emotion: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    asked = conditions(np.full(FRAMES, 11.0), np.ones((FRAMES, 4)), np.full((FRAMES, 6), emotion))
    return silence(FRAMES)[None], asked[None]


def test_guidance_goes_from_less_told_to_more() -> None:
    heard, asked = np.ones((1, FRAMES, HEARD)), window(0.5)[1]
    net, x, t = Performer(Made()), np.zeros((1, FRAMES, len(LATENT))), np.ones(1)  # type: ignore[arg-type]
    plain = net.velocity(heard, asked)(x, t)
    from enliven.motion.chunks import without

    deaf = net.velocity(0 * heard, without(asked, "speech"))(x, t)
    cold = net.velocity(heard, without(asked, "emotion"))(x, t)
    guided = net.velocity(heard, asked, Sampling(speech_guidance=1.5, emotion_guidance=3.0))(x, t)
    np.testing.assert_allclose(guided, plain + 0.5 * (plain - deaf) + 2 * (plain - cold), rtol=1e-5)


def test_same_seed_same_bytes_and_the_past_matters(performer: Performer) -> None:
    velocity = performer.velocity(*window())
    one, same = (performer.draw(BEGIN, velocity, np.random.default_rng(4)) for _ in range(2))
    assert one.shape == (CHUNK, len(LATENT))
    assert one.tobytes() == same.tobytes()
    turned = BEGIN.copy()
    turned[:, region_columns("head")] = 2.0
    other = performer.draw(turned, velocity, np.random.default_rng(4))
    head = region_columns("head")
    assert np.abs(other[0, head] - 2).mean() < np.abs(one[0, head] - 2).mean()


def test_without_temperature_nothing_is_left_to_chance(performer: Performer) -> None:
    velocity = performer.velocity(*window())
    made = [performer.draw(BEGIN, velocity, np.random.default_rng(seed), Sampling(temperature=CALM))
            for seed in (1, 2)]  # fmt: skip
    np.testing.assert_array_equal(*made)


def test_more_steps_change_less(performer: Performer) -> None:
    velocity = performer.velocity(*window())
    made = {
        steps: performer.draw(BEGIN, velocity, np.random.default_rng(0), Sampling(steps=steps))
        for steps in (4, 8, 32, 64)
    }
    errors = [np.abs(made[steps] - made[64]).mean() for steps in (4, 8, 32)]
    assert errors[0] > errors[1] > errors[2]


def test_probabilities_can_be_told_again(performer: Performer) -> None:
    """As a policy: rollout and replay agree to the bit, and the frames before have no say."""
    velocity = performer.velocity(*window())
    start = np.random.default_rng(0).standard_normal((1, FRAMES, len(LATENT))).astype(np.float32)
    path = rollout(
        velocity, start, schedule(6), Noise("flow", 0.7), np.random.default_rng(1), GIVEN
    )
    again = list(replay(velocity, path))
    assert len(again) == 5
    for step in again:
        np.testing.assert_array_equal(step.log_prob, path.log_probs[step.step])
    np.testing.assert_array_equal(path.states[-1][:, :BEFORE], start[:, :BEFORE])


@pytest.mark.parametrize("options", [{"steps": 0}, {"steps": 65}, {"temperature": {"mouth": 1.0}}])
def test_senseless_sampling_is_refused(options: dict) -> None:
    with pytest.raises(BadOption):
        Sampling(**options)


def test_a_model_of_another_version_is_refused() -> None:
    with pytest.raises(ModelUnavailable, match="install enliven again"):
        Performer(load_session("articulation.onnx"))


def test_articulation_hears_no_further_than_it_may() -> None:
    assert Articulation(load_session("articulation.onnx")).reach <= 35
