"""Distances of features that are known: pytest tests/test_metrics_features.py"""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from media_made import grey_clip
from onnx import TensorProto, helper

from enliven.errors import BadMedia, BadOption, ModelUnavailable
from enliven.metrics import features as m
from enliven.metrics.frechet import Moments, frechet


def mean_colour(path: Path, video: bool = False, power: int = 1) -> Path:
    """A network file: the mean of each colour over all else, (N, 3) or (N, 3, 1, ...)."""
    axes = 3 if video else 2
    shape = ["n", 3, *"thw"[-axes:]]
    nodes = [helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=power - 1)]
    graph = helper.make_graph(
        nodes, "mean", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [helper.make_tensor("axes", TensorProto.INT64, [axes], list(range(2, 2 + axes)))],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))
    return path


def noise(frames: int, seed: int = 0, size: tuple[int, int] = (24, 32)) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*size, 3)).astype(np.uint8) for _ in range(frames)]


@pytest.fixture
def pictures(tmp_path: Path) -> m.OpenExtractor:
    return m.open_extractor(m.Extractor(mean_colour(tmp_path / "f.onnx"), size=16,
                                        resize="opencv-area"))  # fmt: skip


def rows(extractor: m.OpenExtractor, frames: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(m.extract(extractor, iter(frames))))


def test_every_frame_is_fed_once_and_in_order(pictures: m.OpenExtractor) -> None:
    frames = noise(2 * m.BATCH + 3)
    found = rows(pictures, frames)
    assert found == pytest.approx(np.array([f.mean((0, 1)) for f in frames]), abs=0.01)


def test_clips_follow_each_other_and_the_rest_is_left_out(tmp_path: Path) -> None:
    network = mean_colour(tmp_path / "v.onnx", video=True)
    extractor = m.open_extractor(m.Extractor(network, frames=5, size=0, resize="none"))
    frames = noise(23)
    expected = np.array(frames[:20]).reshape(4, 5, 24, 32, 3).mean((1, 2, 3))
    assert rows(extractor, frames) == pytest.approx(expected, abs=1e-3)
    assert not list(m.extract(extractor, frames[:4]))


def test_time_runs_forward_in_a_clip() -> None:
    options = m.Extractor("unused.onnx", frames=4, size=0, resize="none")
    first_of_each = m.OpenExtractor(options, lambda clips: clips[:, :, 0].mean((2, 3)), "0" * 64)
    frames = noise(12)
    expected = np.array([frames[i].mean((0, 1)) for i in (0, 4, 8)])
    assert rows(first_of_each, frames) == pytest.approx(expected, abs=1e-3)


def test_values_span_the_range_asked_for(tmp_path: Path) -> None:
    network = mean_colour(tmp_path / "f.onnx")
    options = m.Extractor(network, size=8, resize="opencv-area", low=-1, high=1)
    ends = [np.full((8, 8, 3), level, np.uint8) for level in (0, 255)]
    assert rows(m.open_extractor(options), ends) == pytest.approx(
        np.array([[-1] * 3, [1] * 3]), abs=1e-6
    )


def test_axes_of_length_one_are_dropped(tmp_path: Path) -> None:
    options = m.Extractor(mean_colour(tmp_path / "f.onnx", power=2), size=8)
    assert rows(m.open_extractor(options), noise(3)).shape == (3, 3)


def test_pillow_bicubic_is_antialiased_and_clipped() -> None:
    # half-pixel stripes vanish in their mean; a filter without antialiasing would pick some
    stripes = np.zeros((80, 80, 3), np.uint8)
    stripes[:, ::2] = 255
    options = m.Extractor("unused.pt", size=10)
    small = m.resized(stripes, options)
    assert small.shape == (3, 10, 10)
    assert small[:, :, 2:-2] == pytest.approx(127.5, abs=1)
    steps = np.zeros((8, 8, 3), np.uint8)
    steps[:, 4:] = 255
    large = m.resized(steps, m.Extractor("unused.pt", size=64))
    assert (large.min(), large.max()) == (0, 255)
    plain = np.full((7, 9, 3), (10, 20, 30), np.uint8)
    assert m.resized(plain, options)[:, 4, 4] == pytest.approx([10, 20, 30], abs=1e-4)


def test_area_is_the_mean_of_blocks() -> None:
    (frame,) = noise(1, size=(32, 32))
    small = m.resized(frame, m.Extractor("unused.pt", size=8, resize="opencv-area"))
    blocks = frame.reshape(8, 4, 8, 4, 3).mean((1, 3)).transpose(2, 0, 1)
    assert small == pytest.approx(blocks, abs=0.01)


def test_distance_is_the_frechet_distance_and_states_all(pictures: m.OpenExtractor) -> None:
    sets = [noise(40, 1), [cv2.add(f, (30, 0, 0, 0)) for f in noise(50, 2)]]
    moments = []
    for frames in sets:
        moments.append(Moments())
        for piece in m.extract(pictures, frames):
            moments[-1].add(piece)
    found = m.distance(pictures, *moments)
    expected = frechet(rows(pictures, sets[0]), rows(pictures, sets[1]))
    assert (found.value, found.chance) == pytest.approx((expected.value, expected.chance))
    assert found.value > 100 > 10 * found.chance
    assert (found.real, found.made, found.features, found.enough) == (40, 50, 3, True)
    assert pictures.digest[:16] in found.protocol
    for part in ("every frame", "25 fps", "16 px", "opencv-area", "0 to 255"):
        assert part in found.protocol


def test_a_set_is_at_no_distance_from_itself(pictures: m.OpenExtractor) -> None:
    moments = Moments()
    for piece in m.extract(pictures, noise(30)):
        moments.add(piece)
    found = m.distance(pictures, moments, moments)
    assert found.value == pytest.approx(0, abs=1e-8)
    assert found.chance > 0.1


def test_too_few_is_said_and_nothing_is_no_number(pictures: m.OpenExtractor) -> None:
    moments = Moments()
    moments.add(rows(pictures, noise(3)))
    few = m.distance(pictures, moments, moments)
    assert not few.enough
    assert "3 samples for 3 features" in few.notes[0]
    assert np.isnan(m.distance(pictures, moments, Moments()).value)


def test_video_files_are_read_at_25_fps(pictures: m.OpenExtractor, tmp_path: Path) -> None:
    at = [Fraction(i, 25) for i in range(8)]
    real = grey_clip(tmp_path / "real.mp4", at, list(range(60, 140, 10)))
    made = grey_clip(tmp_path / "made.mp4", at, list(range(80, 160, 10)))
    seen: list[tuple[int, int]] = []
    moments = m.video_moments(pictures, [real, real], lambda *done: seen.append(done))
    assert moments.count == 16
    assert seen == [(1, 2), (2, 2)]
    found = m.video_distance(pictures, [real], [made])
    assert found.value == pytest.approx(3 * 20**2, rel=0.05)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_with_arguments(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="TorchScript needs the [train] extra")

    class Mean(torch.nn.Module):
        def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
            features = x.mean((2, 3))
            if not return_features:
                features = features[:, :1]
            return features

    path = tmp_path / "mean.pt"
    torch.jit.script(Mean()).save(str(path))
    options = m.inception_2015(path)
    assert options.size == 299
    frames = noise(2)
    extractor = m.open_extractor(options)
    expected = np.array([m.resized(f, options).mean((1, 2)) for f in frames])
    assert rows(extractor, frames) == pytest.approx(expected, rel=1e-4)
    assert "return_features=True" in extractor.protocol
    wrong = m.open_extractor(m.Extractor(path, arguments={"no_such": 1}))
    with pytest.raises(ModelUnavailable, match="does not take"):
        rows(wrong, frames)


def test_foreign_files_and_impossible_options(tmp_path: Path) -> None:
    with pytest.raises(BadMedia, match="does not exist"):
        m.open_extractor(m.Extractor(tmp_path / "none.onnx"))
    for name, error in (("x.onnx", ModelUnavailable), ("x.pt", ModelUnavailable),
                        ("x.bin", BadOption)):  # fmt: skip
        (tmp_path / name).write_bytes(b"no network")
        with pytest.raises(error, match=name.replace(".", r"\.")):
            m.open_extractor(m.Extractor(tmp_path / name))
    network = mean_colour(tmp_path / "f.onnx")
    with pytest.raises(BadOption, match="no arguments"):
        m.open_extractor(m.Extractor(network, arguments={"a": 1}))
    with pytest.raises(BadOption, match="size 0"):
        m.Extractor("f.pt", size=0)
    with pytest.raises(BadOption, match="high above low"):
        m.Extractor("f.pt", low=1, high=1)


def test_a_network_that_does_not_fit_is_named(tmp_path: Path) -> None:
    video = mean_colour(tmp_path / "v.onnx", video=True)
    with pytest.raises(ModelUnavailable, match=r"v\.onnx does not take"):
        rows(m.open_extractor(m.Extractor(video, size=8)), noise(1))
    options = m.Extractor(mean_colour(tmp_path / "f.onnx"), size=8, low=0, high=1e39)
    with pytest.raises(ModelUnavailable, match="not finite"), np.errstate(all="ignore"):
        rows(m.open_extractor(options), noise(1))
