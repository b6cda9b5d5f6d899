"""SyncNet beside its published definition, and offsets of known size:
pytest tests/test_metrics_syncnet.py"""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from enliven.errors import BadMedia, ModelUnavailable
from enliven.face.track import Track
from enliven.media.image import read_image
from enliven.media.write import write_video
from enliven.metrics import syncnet as m
from enliven.metrics import syncnet_net
from enliven.metrics.syncnet_net import SyncNet, load_syncnet, mfcc, published_shapes

try:
    import torch
    from torch import nn
except ImportError:
    torch = None  # type: ignore[assignment]

needs_torch = pytest.mark.skipif(torch is None, reason="SyncNet needs the [train] extra")


def published() -> "torch.nn.ModuleDict":
    """The published layers, in evaluation, with random weights and statistics."""

    def normalised(flat: bool, *sizes: tuple[int, ...], **how: object) -> list["torch.nn.Module"]:
        kinds = (nn.Conv2d, nn.BatchNorm2d) if flat else (nn.Conv3d, nn.BatchNorm3d)
        inputs, outputs, kernel = sizes
        return [kinds[0](inputs, outputs, kernel, **how), kinds[1](outputs), nn.ReLU()]  # type: ignore[arg-type]

    def head() -> "torch.nn.Module":
        return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(),
                             nn.Linear(512, 1024))  # fmt: skip

    torch.manual_seed(1)
    net = nn.ModuleDict({
        "netcnnaud": nn.Sequential(
            *normalised(True, 1, 64, 3, padding=1), nn.MaxPool2d(1, 1),
            *normalised(True, 64, 192, 3, padding=1), nn.MaxPool2d(3, (1, 2)),
            *normalised(True, 192, 384, 3, padding=1),
            *normalised(True, 384, 256, 3, padding=1),
            *normalised(True, 256, 256, 3, padding=1), nn.MaxPool2d(3, 2),
            *normalised(True, 256, 512, (5, 4)),
        ),
        "netfcaud": head(),
        "netfclip": head(),
        "netcnnlip": nn.Sequential(
            *normalised(False, 3, 96, (5, 7, 7), stride=(1, 2, 2)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *normalised(False, 96, 256, (1, 5, 5), stride=(1, 2, 2), padding=(0, 1, 1)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), padding=(0, 1, 1)),
            *normalised(False, 256, 256, (1, 3, 3), padding=(0, 1, 1)),
            *normalised(False, 256, 256, (1, 3, 3), padding=(0, 1, 1)),
            *normalised(False, 256, 256, (1, 3, 3), padding=(0, 1, 1)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *normalised(False, 256, 512, (1, 6, 6)),
        ),
    })  # fmt: skip
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    return net.eval()


@pytest.fixture(scope="module")
def reference() -> "torch.nn.ModuleDict":
    if torch is None:
        pytest.skip("SyncNet needs the [train] extra")
    return published()


@pytest.fixture(scope="module")
def net(reference: "torch.nn.ModuleDict", tmp_path_factory: pytest.TempPathFactory) -> SyncNet:
    path = tmp_path_factory.mktemp("net") / "syncnet_v2.model"
    # the published file is of the old kind
    torch.save(reference.state_dict(), path, _use_new_zipfile_serialization=False)
    return load_syncnet(path)


def test_names_and_shapes_are_the_published(reference: "torch.nn.ModuleDict") -> None:
    stored = {k: tuple(v.shape) for k, v in reference.state_dict().items()
              if not k.endswith("num_batches_tracked")}  # fmt: skip
    assert published_shapes() == stored


@pytest.mark.parametrize("count", [5, 14])
def test_lips_are_embedded_as_published(
    net: SyncNet, reference: "torch.nn.ModuleDict", count: int
) -> None:
    noise = np.random.default_rng(count).integers(0, 256, (count, 224, 224, 3))
    faces = [cv2.GaussianBlur(face.astype(np.uint8), (0, 0), 4) for face in noise]
    found = np.stack(list(net.embed_lips(iter(faces))))
    blue_green_red = np.stack([cv2.cvtColor(face, cv2.COLOR_RGB2BGR) for face in faces])
    whole = torch.from_numpy(blue_green_red.transpose(3, 0, 1, 2)[None].astype(np.float32))
    at = sorted({0, count - 5, (count - 5) // 2})
    with torch.no_grad():
        pieces = torch.cat([whole[:, :, i : i + 5] for i in at])
        wanted = reference["netfclip"](reference["netcnnlip"](pieces).flatten(1)).numpy()
    assert found.shape == (count - 4, 1024)
    assert np.abs(wanted).max() > 0.1
    assert found[at] == pytest.approx(wanted, abs=1e-5)


def test_voices_are_embedded_as_published(net: SyncNet, reference: "torch.nn.ModuleDict") -> None:
    sound = mfcc(0.1 * np.random.default_rng(3).standard_normal(16000))
    found = net.embed_voice(sound, 19)
    given = torch.from_numpy(sound.astype(np.float32))[None, None]
    with torch.no_grad():
        pieces = torch.cat([given[..., 4 * i : 4 * i + 20] for i in range(19)])
        wanted = reference["netfcaud"](reference["netcnnaud"](pieces).flatten(1)).numpy()
    assert found.shape == (19, 1024)
    assert found == pytest.approx(wanted, abs=1e-5)


def test_no_faces_and_no_windows_give_nothing(net: SyncNet) -> None:
    assert not list(net.embed_lips([np.zeros((224, 224, 3), np.uint8)] * 4))
    assert net.embed_voice(np.zeros((13, 5)), 0).shape == (0, 1024)


def test_nothing_but_running_it_needs_torch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = ("import enliven.metrics.syncnet, enliven.metrics.features, sys; "
            "print('torch' in sys.modules)")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "syncnet_v2.model").write_bytes(b"something")
    with pytest.raises(ModelUnavailable, match=r"enliven\[train\]"):
        load_syncnet(tmp_path / "syncnet_v2.model")


def test_long_sounds_are_heard_as_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    voice = 0.1 * np.random.default_rng(0).standard_normal(9001)
    whole = mfcc(voice)
    monkeypatch.setattr(syncnet_net, "BLOCK_ROWS", 7)
    assert mfcc(voice) == pytest.approx(whole, abs=1e-12)


def test_cepstra_of_a_sweep() -> None:
    # values of python_speech_features 0.6 for the same 16-bit samples
    t = np.arange(3000)
    sweep = 8000 * np.sin(2 * np.pi * (100 + 0.05 * t) * t / 16000)
    found = mfcc((sweep + 1000 * np.cos(2 * np.pi * 3100 * t / 16000)).round() / 32768)
    assert found.shape == (13, 18)
    first = [18.801509890155085, 0.5682857188305369, 9.00960869078935, 50.237385248954304,
             -9.691960235773179, 2.628610679957713, 41.34633703660395, -19.083708193392198,
             -0.2163131272623667, 24.604615455945037, -27.36364755805426, -3.3562669149058544,
             8.616546576606854]  # fmt: skip
    last = [19.066520460302446, 9.245088095676854, 4.825391128339427, 22.84685948535724,
            -38.87382083220287, -30.280315604427077, 3.277997589379285, -46.68467571964569,
            -16.238800299164357, 20.41099676113555, -16.47569325025375, 13.319563358056264,
            28.53769605277294]  # fmt: skip
    assert found[:, 0] == pytest.approx(first, abs=1e-8)
    assert found[:, 17] == pytest.approx(last, abs=1e-8)


@pytest.mark.parametrize("frames", [1, 7, 30])
def test_a_frame_has_four_rows_of_sound(frames: int) -> None:
    # 640 samples a frame; the windows of all frames but the last five are covered
    assert mfcc(np.zeros(640 * frames)).shape == (13, max(1, 4 * frames - 1))
    assert mfcc(np.zeros(0)).shape == (13, 0)


def test_silence_is_finite_and_loudness_adds_its_logarithm() -> None:
    silent = mfcc(np.zeros(4000))
    assert np.isfinite(silent).all()
    assert silent[0] == pytest.approx(np.log(np.finfo(float).eps))
    voice = np.random.default_rng(0).integers(-2000, 2000, 4000) / 32768
    quiet, loud = mfcc(voice), mfcc(4 * voice)
    assert loud[0] - quiet[0] == pytest.approx(np.log(16))
    assert loud[1:] == pytest.approx(quiet[1:], abs=1e-9)


def embeddings(count: int, lag: int = 0, near: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Lips and voice (count, 64); the lips follow the voice of `lag` windows before."""
    rng = np.random.default_rng(5)
    voice = rng.standard_normal((count + 40, 64))
    lips = voice[20 - lag : 20 - lag + count] + near * rng.standard_normal((count, 64))
    return lips, voice[20 : 20 + count]


@pytest.mark.parametrize("lag", [-15, -6, -1, 0, 3, 11, 15])
def test_a_lag_of_n_moves_the_offset_by_n(lag: int) -> None:
    scores = m.sync_scores(*embeddings(200, lag))
    assert scores.stock.offset == scores.masked.offset == lag


def test_a_lag_costs_nothing_but_at_zero() -> None:
    still, late = m.sync_scores(*embeddings(400)), m.sync_scores(*embeddings(400, 4))
    assert late.masked.lse_c == pytest.approx(still.masked.lse_c, rel=0.02)
    assert late.masked.lse_d == pytest.approx(still.masked.lse_d, rel=0.02)
    assert still.masked.at_zero == still.masked.lse_d
    assert late.masked.at_zero == pytest.approx(late.masked.lse_d + late.masked.lse_c, rel=0.05)


@needs_torch
def test_figures_are_the_published_formulas() -> None:
    lips, voice = embeddings(120, 2, near=0.7)
    padded = torch.nn.functional.pad(torch.from_numpy(voice), (0, 0, 15, 15))
    apart = torch.stack([
        torch.nn.functional.pairwise_distance(torch.from_numpy(lips[[i]]), padded[i : i + 31])
        for i in range(120)
    ])  # fmt: skip
    means = apart.mean(0)
    scores = m.sync_scores(lips, voice)
    assert scores.stock.lse_d == pytest.approx(float(means.min()), abs=1e-9)
    assert scores.stock.lse_c == pytest.approx(float(means.median() - means.min()), abs=1e-9)
    assert scores.stock.offset == 15 - int(means.argmin())
    assert scores.stock.at_zero == pytest.approx(float(means[15]), abs=1e-9)
    falls = (means.median() - apart[:, means.argmin()]).numpy()
    assert scores.confidence[60] == pytest.approx(np.median(falls[56:65]))


def test_padding_biases_short_clips_and_the_masked_figures_leave_it_out() -> None:
    # embeddings of length 8 about a common middle: a zero is further from them than they are
    rng = np.random.default_rng(0)
    lips, voice = (8 * np.eye(64)[0] + 0.5 * rng.standard_normal((40, 64)) for _ in range(2))
    scores = m.sync_scores(lips, voice)
    assert scores.stock.lse_c > 0.5
    assert scores.stock.offset == 0
    assert scores.masked.lse_c < 0.25
    assert m.distances(lips, voice)[0, :15] == pytest.approx(np.linalg.norm(lips[0]), abs=1e-4)


def test_masked_means_are_of_windows_that_meet() -> None:
    lips, voice = embeddings(33, 3, near=0.9)
    means = []
    for offset in range(-15, 16):
        met = [(i, i + offset) for i in range(33) if 0 <= i + offset < 33]
        means.append(np.mean([np.linalg.norm(lips[i] - voice[j]) for i, j in met]))
    masked = m.sync_scores(lips, voice).masked
    assert masked.lse_d == pytest.approx(min(means), abs=1e-4)
    assert masked.lse_c == pytest.approx(np.median(means) - min(means), abs=1e-4)
    assert masked.at_zero == pytest.approx(means[15], abs=1e-4)


def test_short_clips_say_so_and_are_never_empty() -> None:
    nothing = m.sync_scores(np.zeros((0, 64)), np.zeros((0, 64)))
    assert np.isnan([nothing.stock.lse_d, nothing.stock.lse_c, nothing.masked.at_zero]).all()
    assert nothing.stock.offset is None
    assert "nothing was measured" in nothing.notes[0]
    few = m.sync_scores(*embeddings(30))
    assert few.masked.offset is None
    assert few.stock.offset == 0
    assert any("too few" in note for note in few.notes)
    assert not np.isnan(m.sync_scores(*embeddings(31)).masked.lse_d)
    assert any("published pipeline leaves out" in n for n in m.sync_scores(*embeddings(95)).notes)
    assert not m.sync_scores(*embeddings(96)).notes


def test_means_leave_out_and_count_what_is_unknown() -> None:
    scores = [m.sync_scores(*embeddings(200, lag)) for lag in (-3, 1)]
    empty = m.sync_scores(np.zeros((0, 64)), np.zeros((0, 64)))
    means = m.mean_sync([*scores, empty])
    assert (means.lag, means.videos, means.unknown) == (2.0, 2, 1)
    assert means.lse_d == pytest.approx(np.mean([s.stock.lse_d for s in scores]))
    assert np.isnan(m.mean_sync([empty]).lse_c)


def test_median_filter_takes_zeros_beyond_the_ends() -> None:
    assert m.median_filter(np.array([5.0, 1, 9, 3]), 3).tolist() == [1, 5, 3, 3]
    assert m.median_filter(np.full(20, 4.0), 13).tolist() == [4.0] * 20


def test_the_crop_spans_what_is_published() -> None:
    # the frame tells its own coordinates: red is x, green is y
    y, x = np.mgrid[:240, :250].astype(np.uint8)
    frame = np.dstack([x, y, np.zeros_like(x)])
    boxes = np.tile([90.0, 70.0, 150.0, 150.0], (30, 1))  # middle 120, 110; s = 40
    (crop,) = m.crop_faces([frame], boxes)
    assert crop.shape == (224, 224, 3)
    wide, high = 112, 112  # 2.8 s either way
    left, top = 120 - 56, 110 - 40
    assert crop[112, 2, 0] == pytest.approx(left + 2.5 * wide / 224 - 0.5, abs=1)
    assert crop[112, -3, 0] == pytest.approx(left + wide - 2.5 * wide / 224 - 0.5, abs=1)
    assert crop[2, 112, 1] == pytest.approx(top + 2.5 * high / 224 - 0.5, abs=1)
    assert crop[-3, 112, 1] == pytest.approx(top + high - 2.5 * high / 224 - 0.5, abs=1)


def test_the_crop_is_grey_beyond_the_picture() -> None:
    frame = np.zeros((100, 100, 3), np.uint8)
    (crop,) = m.crop_faces([frame], np.tile([0.0, 0.0, 60.0, 60.0], (30, 1)))
    assert (crop[112, :20] == 110).all()
    assert (crop[100, 100] == 0).all()
    (outside,) = m.crop_faces([frame], np.tile([300.0, 300.0, 360.0, 360.0], (30, 1)))
    assert (outside == 110).all()


def test_a_single_wild_box_does_not_shake_the_crop() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    boxes = np.tile([60.0, 60.0, 140.0, 140.0], (40, 1))
    calm = list(m.crop_faces([frame] * 40, boxes))
    boxes[20] += 25
    wild = list(m.crop_faces([frame] * 40, boxes))
    assert all((one == other).all() for one, other in zip(calm, wild, strict=True))


def test_boxes_hold_all_landmarks() -> None:
    points = np.random.default_rng(0).uniform(20, 90, (3, 478, 3)).astype(np.float32)
    track = Track(points, np.ones(3, np.float32), np.ones(3, bool), np.tile(np.eye(3), (3, 1, 1)),
                  np.zeros((3, 3)), 500.0, np.zeros(2), 25.0, (100, 100))  # fmt: skip
    boxes = m.face_boxes(track)
    assert boxes[:, 0] == pytest.approx(points[:, :, 0].min(1))
    assert boxes[:, 3] == pytest.approx(points[:, :, 1].max(1))


def test_shots_end_at_cuts_and_long_gaps_only() -> None:
    here, there = [10.0, 10, 50, 50], [200.0, 10, 240, 50]
    boxes, valid = np.tile(here, (100, 1)), np.ones(100, bool)
    assert m.longest_shot(boxes, valid) == ((0, 100), 1)
    valid[:5] = valid[40:64] = False
    assert m.longest_shot(boxes, valid) == ((5, 100), 1)
    valid[40:66] = False
    assert m.longest_shot(boxes, valid) == ((5, 40), 2)
    boxes[80:] = there
    valid[:] = True
    assert m.longest_shot(boxes, valid) == ((0, 80), 2)
    assert m.longest_shot(boxes, np.zeros(100, bool)) == ((0, 0), 0)


def test_foreign_files_are_refused_by_name(tmp_path: Path, net: SyncNet) -> None:
    with pytest.raises(BadMedia, match="does not exist"):
        load_syncnet(tmp_path / "none.model")
    foreign = tmp_path / "foreign.model"
    foreign.write_bytes(b"not tensors at all")
    with pytest.raises(ModelUnavailable, match=r"syncnet_v2\.model"):
        load_syncnet(foreign)
    torch.save({"netcnnaud.0.weight": torch.zeros(3)}, foreign)
    with pytest.raises(ModelUnavailable, match="lacks"):
        load_syncnet(foreign)
    torch.save({**net.weights, "netfclip.3.bias": torch.zeros(7)}, foreign)
    with pytest.raises(ModelUnavailable, match=r"netfclip\.3\.bias"):
        load_syncnet(foreign)


@needs_torch
def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (Path(tmp_path / "sprung"),))  # type: ignore[return-value]

    torch.save({"x": Trap()}, tmp_path / "trap.model")
    with pytest.raises(ModelUnavailable):
        load_syncnet(tmp_path / "trap.model")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.slow
def test_a_video_file_is_measured_where_the_face_is(
    net: SyncNet, face_networks: Path, portrait_jpg: Path, speech_wav: Path, tmp_path: Path
) -> None:
    photo = read_image(portrait_jpg).pixels
    photo = cv2.resize(photo, (360, round(360 * photo.shape[0] / photo.shape[1])))
    small = cv2.resize(photo, (90, round(90 * photo.shape[0] / photo.shape[1])))
    for picture, name in ((photo, "large.mp4"), (small, "small.mp4")):
        # 50 frames a second, the first 12 without a face: 6 and 20 frames at 25
        frames = [np.full_like(picture, 127)] * 12 + [picture] * 40
        write_video(tmp_path / name, frames, 50, sound=speech_wav, seconds=26 / 25)
    seen: list[int] = []
    found = m.measure_syncnet(tmp_path / "large.mp4", net, progress=lambda n, _: seen.append(n))
    assert seen[-1] == 26
    assert len(found.confidence) == 20 - 5
    assert np.isfinite([found.stock.lse_d, found.stock.lse_c]).all()
    assert any("too few" in note for note in found.notes)
    assert not any("px large" in note for note in found.notes)
    assert any("px large" in n for n in m.measure_syncnet(tmp_path / "small.mp4", net).notes)
    write_video(tmp_path / "mute.mp4", [photo] * 4, 25)
    with pytest.raises(BadMedia, match="no sound"):
        m.measure_syncnet(tmp_path / "mute.mp4", net)
