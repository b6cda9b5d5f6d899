"""Training of the performer: loss, resuming, export.  Needs torch and onnx."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")
pytest.importorskip("tensorboard", reason="training needs tensorboard: pip install enliven[train]")

from enliven.data.perform import random_label  # noqa: E402
from enliven.motion.chunks import BEFORE, CHUNK, CONDITIONS, HEARD, silence  # noqa: E402
from enliven.motion.latent import LATENT  # noqa: E402
from enliven.motion.prosody import Prosody  # noqa: E402
from enliven.train.performer import (  # noqa: E402
    Learner,
    PerformerConfig,
    flow_times,
    rate_at,
    train,
)
from enliven.train.performer_data import Performed, Piece, performed, windows  # noqa: E402
from enliven.train.performer_net import FRAMES, PerformerNet, Shape, flow_loss  # noqa: E402
from enliven.train.performer_onnx import to_onnx  # noqa: E402

SMALL = Shape(width=32, depth=2, heads=2, drop=0.0)
CONFIG = PerformerConfig(shape=SMALL, steps=12, batch=4, warm_up=2, save_every=4)


def batch(rows: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    widths = (len(LATENT), HEARD, CONDITIONS)
    return tuple(rng.standard_normal((rows, FRAMES, w)).astype(np.float32) for w in widths)


def pieces(count: int = 3, frames: int = 90) -> list[Performed]:
    made = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        speaking = (np.sin(np.arange(frames) / 9) > -0.3).astype(float)
        stress = speaking * (np.arange(frames) % 11 == 5)
        voice = Prosody(speaking, 2 * np.sin(np.arange(frames) / 7), stress, 20 * speaking - 30)
        heard = silence(BEFORE + frames).astype(np.float16)
        lips = 0.1 * rng.random((frames, 19)).astype(np.float32)
        made.append(performed(Piece(heard, lips, voice), rng))
    return made


def test_a_net_that_knows_nothing_errs_by_the_power_of_noise_and_data() -> None:
    data, heard, asked = (torch.from_numpy(part) for part in batch(64))
    noise = torch.randn(data.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():  # its output begins at zero
        error = flow_loss(PerformerNet(SMALL), data, heard, asked, torch.full((64,), 0.5), noise)
    assert error.shape == (64, CHUNK, len(LATENT))
    assert error.mean().item() == pytest.approx(2.0, rel=0.03)


def test_given_frames_carry_no_noise_and_no_loss() -> None:
    torch.manual_seed(0)
    net = PerformerNet(SMALL)
    for layer in (net.leave, net.modulate):
        torch.nn.init.normal_(layer.weight, std=0.1)
    data, heard, asked = (torch.from_numpy(part) for part in batch())
    t, noise = torch.full((4,), 0.7), torch.randn(data.shape)
    other = noise.clone()
    other[:, :BEFORE] += 5
    with torch.no_grad():
        one, same = (flow_loss(net, data, heard, asked, t, e) for e in (noise, other))
    assert torch.equal(one, same)


def test_times_are_logit_normal_and_the_rate_rises_and_falls() -> None:
    t = flow_times(20000, 1.2, torch.Generator().manual_seed(0))
    assert 0 < t.min() < t.max() < 1
    assert torch.logit(t).std().item() == pytest.approx(1.2, rel=0.03)
    rates = [rate_at(step, PerformerConfig(steps=100, warm_up=10)) for step in range(100)]
    assert np.argmax(rates) in (9, 10)
    assert rates[0] == pytest.approx(PerformerConfig.rate / 10)
    assert rates[-1] == pytest.approx(PerformerConfig.rate / 20, rel=0.02)


def test_one_batch_is_learned_by_heart() -> None:
    learner = Learner(replace(CONFIG, steps=300, rate=4e-3, warm_up=10))
    data, heard, asked = batch(2)
    errors = [float(learner.learn(data, heard, asked).mean()) for _ in range(300)]
    assert np.mean(errors[-20:]) < 0.35 * np.mean(errors[:10])


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    shown = pieces()
    weights = np.ones(len(shown))
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    whole = train(shown, weights, shown[:1], tmp_path / "whole", CONFIG)
    train(shown, weights, shown[:1], tmp_path / "stopped", CONFIG, stop=7)
    resumed = train(shown, weights, shown[:1], tmp_path / "stopped", CONFIG)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_other_options_do_not_continue_a_run(tmp_path: Path) -> None:
    shown = pieces(1)
    train(shown, np.ones(1), shown, tmp_path, CONFIG, stop=4)
    with pytest.raises(SystemExit, match="other options"):
        train(shown, np.ones(1), shown, tmp_path, replace(CONFIG, rate=1e-4))


def test_windows_are_whole_and_seeded() -> None:
    shown = pieces()
    first, same = (next(windows(shown, 6, 3, np.ones(len(shown)))) for _ in range(2))
    assert [part.shape for part in first] == [
        (6, FRAMES, len(LATENT)), (6, FRAMES, HEARD), (6, FRAMES, CONDITIONS)
    ]  # fmt: skip
    for a, b in zip(first, same, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(a).all()


def test_labels_vary() -> None:
    labels = [random_label(np.random.default_rng(seed)) for seed in range(50)]
    speeds = np.array([label.speed for label in labels])
    assert speeds.max() > 3 * max(speeds.min(), 1)
    assert any(label.emotion.any() for label in labels)
    assert any(not label.emotion.any() for label in labels)


def test_the_exported_graph_computes_the_same() -> None:
    torch.manual_seed(1)
    net = PerformerNet(SMALL).eval()
    with torch.no_grad():
        for parameter in net.parameters():  # stored in half precision
            parameter.copy_((parameter + 0.05 * torch.randn_like(parameter)).half().float())
    model = to_onnx(net, {"made": "here"})
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x, heard, asked = (torch.from_numpy(part) for part in batch(3))
    t = torch.tensor([0.1, 0.5, 1.0])
    with torch.no_grad():
        expected = net(x, t, heard, asked).numpy()
    fed = {"x": x.numpy(), "t": t.numpy()[:, None, None], "heard": heard.numpy(),
           "asked": asked.numpy()}  # fmt: skip
    np.testing.assert_allclose(session.run(["velocity"], fed)[0], expected, atol=1e-4)
