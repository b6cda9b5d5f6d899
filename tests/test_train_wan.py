"""Another generator, the same trainer: a tiny random Wan learns by every method, unchanged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")
pytest.importorskip("tensorboard", reason="training needs tensorboard: pip install enliven[train]")
diffusers = pytest.importorskip(
    "diffusers", reason="Wan needs diffusers, some 50 MB: pip install enliven[video]"
)

from enliven.errors import BadOption  # noqa: E402
from enliven.flow import replay  # noqa: E402
from enliven.reward.compose import Reward, Term  # noqa: E402
from enliven.train.adapter import Adapting  # noqa: E402
from enliven.train.dpo import Dpo, Pair, Preferring, prefer  # noqa: E402
from enliven.train.grpo import Grpo, Winners  # noqa: E402
from enliven.train.learner import Learner, Learning  # noqa: E402
from enliven.train.loop import Config, improve  # noqa: E402
from enliven.train.playing import Playing  # noqa: E402
from enliven.train.rollout import Exploring, Place, draw_group, frozen  # noqa: E402
from enliven.train.wan_policy import Asked, WanPolicy  # noqa: E402
from enliven.train.workers import Scoring  # noqa: E402
from enliven.types import Score, Scorecard, Video  # noqa: E402

CHANNELS, TEXT = 4, 16
EXPLORING = Exploring(members=4, groups=1, steps=3, eta=0.7)
LORA = Adapting(4, 8.0, only=("attn", "ffn"))
LEARNING = Learning(rate=1e-2, weight_decay=0.0, average=0.0)


def brightness(video: Video, given: Any) -> Scorecard:
    return Scorecard({"bright": Score(float(np.mean(list(video.frames))) / 255, 0.0, 1.0)})


def asked(given: str) -> Asked:
    """photo and words are those of the name, so that inputs differ."""
    rng = np.random.default_rng(sum(map(ord, given)))
    photo = rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    text = torch.from_numpy(rng.standard_normal((5, TEXT)).astype(np.float32))
    return Asked(text, (32, 32), None if "text" in given else photo, 0 * text)


def tiny(guidance: float = 1.0) -> WanPolicy:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformer = diffusers.WanTransformer3DModel(
            patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12,
            in_channels=CHANNELS, out_channels=CHANNELS, text_dim=TEXT, freq_dim=32, ffn_dim=32,
            num_layers=2, cross_attn_norm=True, qk_norm="rms_norm_across_heads",
            rope_max_seq_len=32,
        )  # fmt: skip
        vae = diffusers.AutoencoderKLWan(
            base_dim=4, z_dim=CHANNELS, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
            temperal_downsample=[False, True, True], latents_mean=[0.1] * CHANNELS,
            latents_std=[0.8] * CHANNELS,
        )  # fmt: skip
    scoring = Scoring(Playing(16.0), brightness)
    return WanPolicy(transformer, vae, ["a", "b"], ["a"], scoring, asked, frames=5,
                     guidance=guidance)  # fmt: skip


def state_of(policy: WanPolicy, rows: int = 2) -> tuple[Any, Any, Any]:
    part = policy.part("a", [])
    assert part is not None
    x = part.start(torch.randn(rows, *part.shape, generator=torch.Generator().manual_seed(1)))
    return part, x, torch.tensor([0.3, 0.8])[:rows]


@pytest.mark.parametrize("method", [Grpo(), Winners(share=0.25, draws=1), Dpo(draws=1)])
def test_every_method_trains_it(method: Any, tmp_path: Path) -> None:
    policy = tiny()
    config = Config(Reward((Term("bright", 1.0, 0.0),)), method, EXPLORING, LEARNING, LORA,
                    iterations=2, evaluate_every=2)  # fmt: skip
    outcome = improve(policy, config, tmp_path)
    assert outcome.iterations == 2
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=False)
    assert all(record["gradient"] > 0 for record in state["records"])
    assert all(np.isfinite(one["score/bright"]) for one in state["evaluations"])
    if isinstance(method, Grpo):
        assert all(record["first ratio apart"] == 0 for record in state["records"])
        assert all(v == 0 for r in state["records"] for k, v in r.items() if "gap/" in k)


def test_stored_pairs_train_it(tmp_path: Path) -> None:
    policy = tiny()
    _, x, _ = state_of(policy)
    done = prefer(policy, [Pair("a", (x,))], Preferring(
        Dpo(beta=100.0, draws=2), LEARNING, LORA, pairs=1, reuse=3), tmp_path)  # fmt: skip
    assert done.records[0]["loss"] == pytest.approx(np.log(2), abs=1e-6)
    assert done.records[-1]["loss"] < done.records[0]["loss"]


def test_the_photo_has_no_part_in_the_probability() -> None:
    """Its frame stays as it is, at every step; what a step does there changes no ratio."""
    policy = tiny()
    group = draw_group(policy, EXPLORING, Place(0, 0, 0), "a")
    part = policy.part("a", [])
    assert part is not None
    assert part.values is not None
    photo = part.values[:, :, 0]
    trajectory = group.pieces[0].trajectory
    for state in trajectory.states:
        assert torch.equal(state[:, :, 0], photo.expand_as(state[:, :, 0]))
    field = policy.field(part.condition)

    def wrong(x: Any, t: Any) -> Any:
        v = field(x, t).clone()
        v[:, :, 0] += 1000.0
        return v

    def otherwise(x: Any, t: Any) -> Any:
        v = field(x, t).clone()
        v[:, :, 1] += 0.1
        return v

    with torch.no_grad():
        own, same, other = (
            torch.stack([one.log_prob for one in replay(v, trajectory)])
            for v in (field, wrong, otherwise)
        )
    assert torch.equal(own, same)
    assert not torch.equal(own, other)
    assert set(frozen(policy, group).gap.values()) == {0.0}


def test_the_photo_is_seen_and_its_tokens_are_clean() -> None:
    policy = tiny()
    part, x, t = state_of(policy)
    told = []
    hook = policy.module.register_forward_pre_hook(lambda _, given: told.append(given[1]))
    with torch.no_grad():
        before = policy.velocity(x, t, part.condition)
        changed = x.clone()
        changed[:, :, 0] += 1.0
        after = policy.velocity(changed, t, part.condition)
    hook.remove()
    assert not torch.allclose(before[:, :, 1], after[:, :, 1], atol=1e-6)
    tokens = told[0].reshape(2, 2, 4)  # rows, frames, 2 x 2 patches of 4 x 4 latents
    assert not tokens[:, 0].any()
    torch.testing.assert_close(tokens[:, 1], (1000 * t)[:, None].expand(2, 4))


def test_adapters_off_is_the_network_it_began_with() -> None:
    policy = tiny()
    part, x, t = state_of(policy)
    with torch.no_grad():
        before = policy.velocity(x, t, part.condition)
    learner = Learner(policy.module, LEARNING, LORA)
    for weight in learner.weights.values():
        torch.nn.init.normal_(weight, std=0.5)
    with learner.reference():
        assert torch.equal(policy.velocity(x, t, part.condition), before)
    with torch.no_grad():
        assert not torch.allclose(policy.velocity(x, t, part.condition), before, atol=1e-3)


def test_frames_and_latents_are_those_of_the_vae() -> None:
    policy = tiny()
    _, x, _ = state_of(policy)
    frames = policy.sent("a", [x], 1)
    assert frames.shape == (5, 32, 32, 3)
    assert frames.dtype == np.uint8
    with torch.no_grad():
        decoded = policy._vae.decode(x[1:] * 0.8 + 0.1).sample[0]
    expected = (decoded.clamp(-1, 1) + 1) * 127.5
    np.testing.assert_allclose(frames, expected.permute(1, 2, 3, 0).numpy(), atol=0.51)
    clip = torch.from_numpy(asked("a").photo / np.float32(127.5) - 1).permute(2, 0, 1)
    with torch.no_grad():
        latent = policy._vae.encode(clip[None, :, None]).latent_dist.mode()
    torch.testing.assert_close(x[:1, :, 0], (latent[:, :, 0] - 0.1) / 0.8)


def test_guidance_and_text_alone() -> None:
    part, x, t = state_of(tiny())
    with torch.no_grad():
        plain = tiny().velocity(x, t, part.condition._replace(text=part.condition.without))
        made = tiny().velocity(x, t, part.condition)
        guided = tiny(guidance=3.0).velocity(x, t, part.condition)
    torch.testing.assert_close(guided, plain + 3 * (made - plain))
    alone = tiny().part("text", [])
    assert alone is not None
    assert alone.given is None
    with torch.no_grad():
        assert torch.isfinite(tiny().velocity(x, t, alone.condition)).all()


def test_sizes_that_do_not_fit_are_refused() -> None:
    policy = tiny()
    with pytest.raises(BadOption, match="multiple of 4"):
        WanPolicy(policy.module, policy._vae, [], [], policy.scoring, asked, frames=6)
    for size, match in (((32, 40), "multiples of 16"), ((48, 32), "resize it")):
        odd = WanPolicy(
            policy.module,
            policy._vae,
            [],
            [],
            policy.scoring,
            lambda given, size=size: asked(given)._replace(size=size),
            frames=5,
        )
        with pytest.raises(BadOption, match=match):  # fmt: skip
            odd.part("a", [])
