"""Learning the critic of lip-sync: pytest tests/test_train_critic.py"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from enliven.metrics.critic import (  # noqa: E402, fmt: skip
    MEASURES,
    SHIFTS,
    SyncCritic,
    levelled,
    mel_bands,
    relative,
    see_lips,
    see_mouths,
)
from enliven.metrics.watch import CONTEXT, HOP  # noqa: E402
from enliven.train.critic import Config, Faces, faces_of, fit, train  # noqa: E402
from enliven.train.critic_data import (  # noqa: E402
    SEGMENT,
    SyncClip,
    load_clips,
    loud_order,
    make_clip,
    other_mouths,
    other_voice,
    save_clips,
    speech_starts,
)
from enliven.train.critic_net import Pair, contrast, correlation  # noqa: E402
from enliven.train.critic_onnx import to_onnx  # noqa: E402

FRAMES = 90


def spoken(seed: int, frames: int = FRAMES) -> tuple[np.ndarray, np.ndarray]:
    """A sound with its context in which a low and a high tone come and go, and lips whose
    measures follow one or the other."""
    rng = np.random.default_rng(seed)
    at = np.arange(0, frames + 8, 4)
    tones = np.stack(
        [np.interp(np.arange(frames + 1), at, rng.random(len(at))) for _ in range(2)], 1
    )
    time = np.arange(frames * HOP) / 16000
    loud = [np.interp(time * 25, np.arange(frames + 1), tone) for tone in tones.T]
    sound = loud[0] * np.sin(2 * np.pi * 300 * time) + loud[1] * np.sin(2 * np.pi * 2500 * time)
    ways = rng.normal(0, 0.004, (frames, MEASURES))
    ways[:, :7] += 0.2 * tones[:frames, :1]
    ways[:, 7:] += 0.2 * tones[:frames, 1:]
    return np.pad(0.2 * sound, CONTEXT).astype(np.float32), ways.astype(np.float32)


def clip(seed: int) -> SyncClip:
    sound, measures = spoken(seed)
    shapes = np.zeros((FRAMES, 478, 3), np.float32)
    mouths = np.random.default_rng(seed).integers(0, 255, (FRAMES, 48, 64), np.uint8)
    return replace(make_clip(f"s{seed % 2}", sound, shapes, mouths), measures=measures)


TINY = Config(members=("lips",), steps=40, batch=6, rate=4e-3, drop=0.0, faces=2)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> SyncCritic:
    work = tmp_path_factory.mktemp("critic")
    return SyncCritic(fit([clip(seed) for seed in range(6)], work, TINY).SerializeToString())


@pytest.mark.parametrize("late", [-7, -2, 0, 4, 9])
def test_lips_that_come_late_are_found_to_be_so(learned: SyncCritic, late: int) -> None:
    sound, measures = spoken(50)
    moved = np.roll(sound, -late * HOP)
    mouths = np.zeros((FRAMES, 48, 64), np.uint8)
    curve = learned.embed(moved, measures, mouths).curves(np.array([10]), 70)[0]
    assert curve.argmax() - SHIFTS == late
    assert curve.max() > 0.5


def test_training_goes_on_as_if_it_never_stopped(tmp_path: Path) -> None:
    clips, config = [clip(0), clip(1)], replace(TINY, steps=6)
    straight = train(clips, [], config, 0, tmp_path / "straight.pt")
    train(clips, [], config, 0, tmp_path / "parted.pt", stop=3)
    parted = train(clips, [], config, 0, tmp_path / "parted.pt")
    for one, other in zip(straight.state_dict().values(), parted.state_dict().values(),
                          strict=True):  # fmt: skip
        assert torch.equal(one, other)


def test_other_options_do_not_go_on_from_a_checkpoint(tmp_path: Path) -> None:
    clips, config = [clip(0)], replace(TINY, steps=2)
    train(clips, [], config, 0, tmp_path / "member.pt", stop=1)
    with pytest.raises(SystemExit, match="other options"):
        train(clips, [], replace(config, rate=1e-3), 0, tmp_path / "member.pt")


@pytest.mark.parametrize("sees", ["lips", "mouths"])
def test_the_graph_says_what_the_networks_say(sees: str) -> None:
    torch.manual_seed(1)
    net, one = Pair(sees, 0.2), clip(3)
    for module in net.modules():  # so that forgetting a norm would show
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight, 1, 0.3)
            torch.nn.init.normal_(module.running_mean, 0, 0.3)
    net.eval()
    critic = SyncCritic(to_onnx([net, net], [(2, 4), (1, 1)], {}).SerializeToString())
    bands = levelled(relative(one.power @ mel_bands()))
    made = critic.look(bands, one.measures, one.mouths)
    sight = see_lips(one.measures).T if sees == "lips" else see_mouths(one.mouths, one.known)
    with torch.no_grad():
        heard = net.ear(torch.from_numpy(bands.T[None].copy()))[0].T.numpy()
        seen = net.eye(torch.from_numpy(sight[None].copy()))[0].T.numpy()
    for side, wanted, factor in ((made.heard, heard, 2), (made.seen, seen, 4)):
        assert side.shape[1] == 2
        assert np.allclose(factor * side[:, 0], wanted, atol=0.01 * np.abs(wanted).max())
        assert np.allclose(side[:, 1], wanted, atol=0.01 * np.abs(wanted).max())


def test_the_loss_is_lowest_for_the_sound_of_the_same_time() -> None:
    torch.manual_seed(2)
    heard = torch.randn(4, 3, SEGMENT + 2 * SHIFTS)
    fake = torch.randn(4, 3, SEGMENT)
    starts = torch.tensor([0, 5, 9, 20])
    losses = [
        float(
            contrast(heard, heard[..., SHIFTS - late : SHIFTS - late + SEGMENT], fake, starts, 40)
        )
        for late in (0, 3, -3)
    ]
    assert losses[0] < min(losses[1:]) - 1


def test_correlation_is_one_of_what_is_alike() -> None:
    some = torch.randn(2, 3, 20)
    assert torch.allclose(correlation(some, 2 * some + 1), torch.ones(2), atol=1e-4)


def test_another_voice_says_the_same_at_the_same_time() -> None:
    one = clip(4)
    plain = levelled(relative(one.power @ mel_bands()))
    other = other_voice(one, np.random.default_rng(0))
    assert other.shape == plain.shape
    assert not np.allclose(other, plain, atol=0.1)
    line, changed = plain.mean(1), other.mean(1)
    scores = [np.corrcoef(line[20:-20], np.roll(changed, k)[20:-20])[0, 1] for k in range(-8, 9)]
    assert abs(int(np.argmax(scores)) - 8) <= 2  # rows of 10 ms


def test_other_faces_show_the_same_frames_and_follow_the_dice() -> None:
    one = clip(5)
    first = other_mouths(one.mouths, np.random.default_rng(1))
    assert np.array_equal(first, other_mouths(one.mouths, np.random.default_rng(1)))
    assert not np.array_equal(first, other_mouths(one.mouths, np.random.default_rng(2)))
    (faces,) = faces_of([one], replace(TINY, faces=3))
    assert isinstance(faces, Faces)
    assert len(faces.seen) == 3


def test_a_false_mouth_opens_with_the_loudness() -> None:
    one = clip(6)
    order = loud_order(one)
    assert sorted(order) == list(range(FRAMES))
    assert (np.diff(one.measures[order, 0][np.argsort(one.opening, kind="stable")]) >= 0).all()


def test_windows_stay_in_the_segment_where_speech_is() -> None:
    one = clip(7)
    quiet = replace(one, loudness=np.where(np.arange(FRAMES) < 40, -60, one.loudness))
    rng = np.random.default_rng(3)
    starts = [speech_starts(quiet, 10, 30, rng) for _ in range(50)]
    assert min(starts) >= 20  # speech begins at frame 30 of the segment, less a margin
    assert max(starts) <= SEGMENT - 30


def test_clips_come_back_from_their_file(tmp_path: Path) -> None:
    kept = [clip(8), clip(9)]
    save_clips(tmp_path / "clips.npz", kept)
    for one, other in zip(kept, load_clips(tmp_path / "clips.npz"), strict=True):
        assert one.speaker == other.speaker
        assert np.array_equal(one.power, other.power)
        assert np.array_equal(one.measures, other.measures)
