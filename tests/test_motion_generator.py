"""Speech to motion: silence, timing, determinism, pieces."""

import numpy as np
import pytest

from enliven.errors import BadOption
from enliven.motion import generator as module
from enliven.motion.audio import SAMPLE_RATE, analyse
from enliven.motion.chunks import CHUNK
from enliven.motion.closure import close_lips
from enliven.motion.controls import CONTROLS, control_matrix, controls_of
from enliven.motion.emotion import EMOTIONS, display
from enliven.motion.generator import Generator
from enliven.motion.latent import to_latent
from enliven.motion.options import SpeechOptions
from enliven.types import EXPRESSION

MOUTH = [i for i, n in enumerate(EXPRESSION) if n.startswith(("mouth", "jaw", "cheek", "nose"))]


def babble(seconds: float, seed: int = 0) -> np.ndarray:
    """A buzz through moving resonances, in syllables: the mouth has something to do."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    first = 500 + 250 * np.sin(2 * np.pi * 1.9 * time)
    voice = np.zeros(len(time))
    for k in range(1, 25):
        hz = k * pitch
        gain = 1 / (1 + ((hz - first) / 120) ** 2) + 0.5 / (1 + ((hz - 1700) / 200) ** 2)
        voice += gain * np.sin(k * phase)
    loud = np.maximum(0, np.sin(2 * np.pi * 2.9 * time)) ** 1.5
    return 0.1 * voice * loud + 1e-4 * rng.standard_normal(len(time))


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator.load()


@pytest.mark.parametrize("seconds", [0.0, 0.03, 0.5, 1.02, 3.337])
def test_length_is_that_of_the_sound(generator: Generator, seconds: float) -> None:
    motion = generator.generate(babble(seconds), seconds=seconds, seed=0)
    assert len(motion) == max(1, round(seconds * 25))
    assert motion.fps == 25.0


def test_silence_rests_the_mouth_exactly(generator: Generator) -> None:
    motion = generator.generate(np.zeros(5 * SAMPLE_RATE), seconds=5.0, seed=1)
    assert not motion.group("expression")[:, MOUTH].any()


@pytest.mark.parametrize("colour", [0.0, 0.5, 1.0])
def test_noise_does_not_move_the_mouth(generator: Generator, colour: float) -> None:
    rng = np.random.default_rng(3)
    spectrum = np.fft.rfft(rng.standard_normal(6 * SAMPLE_RATE))
    hz = np.fft.rfftfreq(6 * SAMPLE_RATE, 1 / SAMPLE_RATE)
    noise = np.fft.irfft(spectrum * np.maximum(hz, 20) ** -colour)
    motion = generator.generate(0.1 * noise / noise.std(), seconds=6.0, seed=1)
    aperture = controls_of(motion.group("expression")) @ generator._articulation.opening
    assert aperture.std() < 0.01


def test_speech_moves_the_mouth_and_rests_after_it(generator: Generator) -> None:
    sound = np.concatenate([np.zeros(2 * SAMPLE_RATE), babble(2.0), np.zeros(2 * SAMPLE_RATE)])
    jaw = generator.generate(sound, seconds=6.0, seed=0)["jawOpen"]
    assert jaw[50:100].max() > 0.05
    assert not jaw[:40].any()
    assert not jaw[112:].any()


def test_first_frame_is_rest(generator: Generator) -> None:
    sound = np.concatenate([np.zeros(SAMPLE_RATE // 2), babble(2.0)])
    motion = generator.generate(sound, seconds=2.5, seed=3)
    assert not motion.values[0].any()


def test_gain_does_not_matter(generator: Generator) -> None:
    sound = babble(3.0)
    loud = generator.generate(sound, seconds=3.0, seed=0).values
    faint = generator.generate(0.02 * sound, seconds=3.0, seed=0).values
    np.testing.assert_allclose(faint, loud, atol=0.03)


def test_same_seed_same_bytes_and_other_seed_other_head(generator: Generator) -> None:
    sound = babble(4.0)
    first = generator.generate(sound, seconds=4.0, seed=5)
    again = generator.generate(sound, seconds=4.0, seed=5)
    other = generator.generate(sound, seconds=4.0, seed=6)
    assert first.values.tobytes() == again.values.tobytes()
    assert np.abs(first.group("head") - other.group("head")).max() > 0.005
    # the mouth says the same
    assert np.corrcoef(first["jawOpen"], other["jawOpen"])[0, 1] > 0.9


def test_pieces_equal_the_whole(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = babble(6.0)
    whole = generator.generate(sound, seconds=6.0, seed=0).values
    monkeypatch.setattr(module, "PIECE", 370)
    np.testing.assert_array_equal(generator.generate(sound, seconds=6.0, seed=0).values, whole)


def test_lips_move_with_the_sound_wherever_it_lies(generator: Generator) -> None:
    """The same sound a whole number of chunks later gives the same lips so much later."""
    sound, pause = babble(2.0), np.zeros(SAMPLE_RATE)
    twice = np.concatenate([pause, sound, *[pause] * 7, sound, pause])
    jaw = generator.generate(twice, seconds=13.0, seed=0)["jawOpen"]
    early, late = jaw[CHUNK - 10 : 3 * CHUNK + 10], jaw[10 * CHUNK - 10 : 12 * CHUNK + 10]
    assert np.corrcoef(early, late)[0, 1] > 0.95


def frames_of(stream, sound: np.ndarray, piece: int) -> list:
    made = []
    for start in range(0, len(sound), piece):
        made += stream.push(sound[start : start + piece])
    return made + stream.finish()


def test_live_sound_comes_out_in_order_and_on_time(generator: Generator) -> None:
    sound = babble(3.5)
    made = frames_of(generator.stream(seed=1), sound, 1600)
    assert [frame.number for frame in made] == list(range(round(3.5 * 25)))
    assert made[30].seconds == pytest.approx(30 / 25)
    again = frames_of(generator.stream(seed=1), sound, 501)
    for one, same in zip(made, again, strict=True):
        np.testing.assert_array_equal(one.values, same.values)


def test_a_chunk_comes_as_soon_as_what_it_needs_was_heard(generator: Generator) -> None:
    stream, sound = generator.stream(), babble(3.0)
    enough = round(1.4 * SAMPLE_RATE)  # a second and the look-ahead
    assert len(stream.push(sound[: enough - 700])) == 0
    assert len(stream.push(sound[enough - 700 : enough + 700])) == CHUNK


def test_live_and_file_agree_once_the_voice_is_known(generator: Generator) -> None:
    sound = np.tile(babble(4.0), 3)
    live = np.array([f.values for f in frames_of(generator.stream(seed=2), sound, 4000)])
    whole = generator.generate(sound, seconds=12.0, seed=2).values
    jaw = EXPRESSION.index("jawOpen")
    assert np.corrcoef(live[100:, jaw], whole[100:, jaw])[0, 1] > 0.9


def test_chunks_join_as_smoothly_as_they_go_on(generator: Generator) -> None:
    head = generator.generate(babble(40.0), seconds=40.0, seed=3).group("head")
    speed = np.linalg.norm(np.diff(head, axis=0), axis=1)
    jumps = np.linalg.norm(np.diff(head, 2, axis=0), axis=1)
    joints = np.arange(CHUNK, len(head) - 1, CHUNK) - 1
    assert jumps[joints].mean() < 2 * jumps.mean()
    assert speed[joints].mean() < 1.5 * speed.mean()


def test_values_keep_their_bounds(generator: Generator) -> None:
    options = SpeechOptions(mouth=2.0, head_motion=2.0, expression=2.0)
    motion = generator.generate(babble(20.0), seconds=20.0, seed=2, options=options)
    expression = motion.group("expression")
    assert expression.min() >= -1  # below 0 takes back what a photo shows
    assert expression.max() <= 1
    assert np.abs(motion.group("head")).max() < np.radians(35)
    assert np.abs(motion.group("gaze")).max() < np.radians(30)


def test_still_keeps_the_head_in_its_place(generator: Generator) -> None:
    motion = generator.generate(babble(4.0), seconds=4.0, seed=2, options=SpeechOptions(still=True))
    for group in ("head", "translation", "gaze", "body"):
        assert not motion.group(group).any()
    assert motion["jawOpen"].max() > 0


def test_mouth_option_scales_the_mouth(generator: Generator) -> None:
    sound = babble(6.0)
    sizes = [
        generator.generate(sound, seconds=6.0, options=SpeechOptions(mouth=mouth))["jawOpen"].std()
        for mouth in (0.0, 0.5, 1.0, 1.5)
    ]
    assert sizes[0] == 0
    assert sizes[0] < sizes[1] < sizes[2] < sizes[3]


@pytest.mark.parametrize("name", ["happy", "sad", "angry", "surprised", "afraid", "disgusted"])
def test_emotions_show_in_their_own_channels(generator: Generator, name: str) -> None:
    sound = babble(6.0)
    weak, strong = (
        to_latent(generator.generate(sound, seconds=6.0, options=options).values)[25:].mean(0)
        for options in (SpeechOptions(), SpeechOptions(emotion={name: 1.0}))
    )
    shown = display(np.eye(6)[EMOTIONS.index(name)][None])[0]
    face = slice(0, 24)
    alike = np.corrcoef((strong - weak)[face], shown[face])[0, 1]
    assert alike > 0.7


@pytest.mark.parametrize(
    ("name", "value"),
    [("mouth", -0.1), ("mouth", 2.5), ("head_motion", float("nan")), ("expression", float("inf")),
     ("blink_rate", 61.0), ("blink_rate", -1.0)],
)  # fmt: skip
def test_options_outside_their_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(BadOption, match=name):
        SpeechOptions(**{name: value})


@pytest.mark.parametrize("samples", [np.zeros((2, 100)), np.array([0.0, np.nan])])
def test_bad_samples_are_refused(generator: Generator, samples: np.ndarray) -> None:
    with pytest.raises(BadOption):
        generator.generate(samples, seconds=1.0)


def test_certain_closure_closes_the_lips() -> None:
    opening = np.zeros(len(CONTROLS), np.float32)
    opening[CONTROLS.index("jawOpen")], opening[CONTROLS.index("mouthClose")] = 0.34, -0.34
    controls = np.zeros((3, len(CONTROLS)), np.float32)
    controls[:, CONTROLS.index("jawOpen")] = 0.4
    silence = analyse(np.zeros(SAMPLE_RATE))
    from enliven.motion.audio import features

    heard = features(silence, 0, 4 * 2 + 1 + 4)
    made = close_lips(controls, np.array([0.0, 1.0, 0.0]), heard, opening)
    aperture = made @ opening
    assert aperture[1] == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(aperture[[0, 2]], 0.4 * 0.34, atol=1e-4)


def test_controls_and_channels_round_trip() -> None:
    controls = np.random.default_rng(0).random((5, len(CONTROLS)))
    np.testing.assert_allclose(controls_of(controls @ control_matrix()), controls, atol=1e-6)
