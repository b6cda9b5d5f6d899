"""Training of speech to motion: targets, loss, network, export.  Needs torch and onnx."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")

from enliven.face.head import load_head  # noqa: E402
from enliven.metrics.lips import measure_shape  # noqa: E402
from enliven.motion.audio import FEATURES, MEL_BANDS, SAMPLE_RATE  # noqa: E402
from enliven.motion.controls import CONTROLS, control_matrix  # noqa: E402
from enliven.train.articulation import SCALES, Config, Member, train  # noqa: E402
from enliven.train.articulation_data import (  # noqa: E402
    MEASURES,
    Clip,
    batches,
    example,
    level_speakers,
    lip_basis,
    measure_matrix,
    resting_frames,
    silent_example,
)
from enliven.train.articulation_net import REACH, STRIDE, ArticulationNet, Sizes, articulation_loss  # noqa: E402
from enliven.train.articulation_onnx import to_onnx  # noqa: E402


def clip(name: str = "c", speaker: str = "s", seconds: float = 3.0, seed: int = 0) -> Clip:
    rng = np.random.default_rng(seed)
    frames = int(seconds * 25)
    controls = np.maximum(rng.standard_normal((frames, len(CONTROLS))), 0).astype(np.float32) * 0.1
    sound = rng.standard_normal(int(seconds * SAMPLE_RATE)) * 3000
    return Clip(name, speaker, sound.astype(np.int16), controls @ lip_basis(), controls)


def test_linear_measures_are_those_of_the_metric() -> None:
    controls = np.zeros((2, len(CONTROLS)))
    controls[1, [CONTROLS.index("jawOpen"), CONTROLS.index("mouthPucker")]] = 0.1, 0.3
    model = load_head()
    shapes = model.mean + np.einsum("tk,kpc->tpc", controls @ control_matrix(), model.basis)
    measured = measure_shape(shapes)
    linear = (controls @ lip_basis() @ measure_matrix())[1]
    for column, name in enumerate(MEASURES):
        change = np.diff(getattr(measured, name))[0]
        # width is a length and bends a little, the eyes hold still
        assert linear[column] == pytest.approx(change, abs=4e-3), name


def test_speakers_are_scaled_alike() -> None:
    loud = clip("a", "wide")
    wide = Clip("a", "wide", loud.samples, 1.6 * loud.shape, 1.6 * loud.controls)
    one, other = level_speakers(
        [wide, Clip("b", "narrow", *(loud.samples, loud.shape, loud.controls))]
    )
    np.testing.assert_allclose(one.shape, other.shape, rtol=1e-4)


def test_rest_is_found_where_nothing_is_said_and_lips_are_shut() -> None:
    aperture = np.concatenate([np.full(20, 0.01), np.full(40, 0.1), np.full(15, 0.01)])
    energy = np.repeat(np.where(aperture > 0.05, -5.0, -60.0), STRIDE)
    resting = resting_frames(aperture, energy)
    assert resting.sum() >= 4
    assert aperture[resting].max() < 0.02


def test_loss_is_least_at_the_truth() -> None:
    basis, measure = torch.from_numpy(lip_basis()), torch.from_numpy(measure_matrix())
    item = clip()
    fitted = torch.from_numpy(item.controls.T[None])
    shape = torch.from_numpy(item.shape[None])
    shut = (shape @ measure)[..., 0] < 0.012
    logit = torch.where(shut, 20.0, -20.0)[:, None]

    def loss(controls: torch.Tensor) -> float:
        output = torch.cat([controls, logit], 1)
        return float(articulation_loss(output, fitted, shape, basis, measure, torch.tensor(SCALES)))

    assert loss(fitted) == pytest.approx(0.0, abs=5e-3)
    assert loss(0.5 * fitted) > loss(0.9 * fitted) > loss(fitted)
    assert loss(fitted.roll(1, -1)) > loss(fitted)


def test_network_sees_its_reach_and_no_further() -> None:
    torch.manual_seed(0)
    net = ArticulationNet(Sizes(width=16)).eval()
    frames = 9
    heard = torch.randn(1, FEATURES, 2 * REACH + STRIDE * (frames - 1) + 1)
    plain = net(heard)
    assert plain.shape == (1, len(CONTROLS) + 1, frames)
    changed = heard.clone()
    at = REACH + STRIDE * 4  # the middle of motion frame 4
    changed[..., at + REACH + 1 :] += 1
    changed[..., : at - REACH] += 1
    other = net(changed)
    assert torch.equal(plain[..., 4], other[..., 4])
    assert not torch.equal(plain[..., 5], other[..., 5])


def test_onnx_equals_the_mean_of_the_networks(tmp_path: Path) -> None:
    torch.manual_seed(0)
    members = [ArticulationNet(Sizes(width=24)).eval() for _ in range(2)]
    file = tmp_path / "articulation.onnx"
    file.write_bytes(to_onnx(members, {"a": "b"}).SerializeToString())
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    heard = np.random.default_rng(0).standard_normal((1, FEATURES, 2 * REACH + 41))
    controls, closed = session.run(["controls", "closed"], {"features": heard.astype(np.float32)})
    with torch.no_grad():
        outputs = torch.stack([m(torch.from_numpy(heard.astype(np.float32))) for m in members])
    # weights are stored in half precision
    np.testing.assert_allclose(controls, outputs[:, :, :-1].mean(0), atol=2e-3)
    np.testing.assert_allclose(closed, outputs[:, :, -1:].sigmoid().mean(0), atol=2e-3)


def test_examples_line_up_with_their_clip() -> None:
    item = clip()
    heard = example(item).features
    assert heard.shape == (2 * REACH + STRIDE * (len(item.shape) - 1) + 1, FEATURES)
    other = example(item, np.random.default_rng(1))
    assert len(other.features) == 2 * REACH + STRIDE * (len(other.shape) - 1) + 1
    assert len(other.shape) != len(item.shape)
    quiet = silent_example(np.random.default_rng(0))
    assert not quiet.shape.any()


def test_batches_repeat_and_hide_the_bands() -> None:
    examples = [example(clip("a", "one")), example(clip("b", "two", seed=1))]
    first, again = (next(batches(examples, 4, 20, 3, 1.0)) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not first[0][:, :MEL_BANDS].any()
    assert first[0][:, MEL_BANDS:].any()


def test_a_resumed_run_equals_one_that_never_stopped(tmp_path: Path) -> None:
    examples = [example(clip("a", "one")), example(clip("b", "two", seed=1))]
    member = Member(width=8, steps=50, hide=0.5, drop=0.1)
    config = Config(members=(member,), batch=2, frames=8)
    whole = train(examples, config, 0, tmp_path / "whole.pt")
    half = tmp_path / "half.pt"
    train(examples, config, 0, half, stop=20)
    resumed = train(examples, config, 0, half)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
