"""Blinks, glances, breath and torso over ten minutes, in pieces of any length."""

import numpy as np
import pytest
from numpy.typing import NDArray

from enliven.motion.behaviour import AHEAD_FRAMES, Life, follow, smooth_step
from enliven.motion.direction import Direction
from enliven.motion.prosody import Prosody, smooth
from enliven.types import CHANNELS, EXPRESSION, INDEX, Motion, group_slice

MINUTES = 10
FRAMES = MINUTES * 60 * 25
HEAD, GAZE, BODY = (group_slice(name) for name in ("head", "gaze", "body"))


def talk(frames: int = FRAMES, speaking: float = 1.0) -> Prosody:
    """A voice with phrases of four seconds and pauses of two."""
    time = np.arange(frames) / 25
    on = speaking * smooth((np.sin(2 * np.pi * time / 6) > -0.6).astype(float), 0.12)
    return Prosody(on, 0 * on, 0 * on, -60 + 50 * on)


def values(frames: int = FRAMES) -> NDArray[np.float32]:
    """Lips that speak, brows that rise, a head that turns by some degrees."""
    made = np.zeros((frames, len(CHANNELS)), np.float32)
    time = np.arange(frames) / 25
    made[:, HEAD] = 0.05 * np.sin(2 * np.pi * time[:, None] / [5.0, 3.7, 7.1])
    made[:, INDEX["jawOpen"]] = 0.15 * (1 - np.cos(2 * np.pi * 3 * time))
    for side in ("Left", "Right"):
        made[:, INDEX[f"mouthSmile{side}"]] = 0.2
        made[:, INDEX[f"browOuterUp{side}"]] = 0.1 * (1 - np.cos(2 * np.pi * time / 3))
    return made


def asked(frames: int = FRAMES, gaze: float = np.nan, rate: float = np.nan, **strengths: float
          ) -> Direction:  # fmt: skip
    full = np.ones(frames, np.float32)
    regions = {name: strengths.get(name, 1.0) * full for name in ("mouth", "brows", "eyes", "head")}
    return Direction(**regions, speed=full, blink_rate=rate * full,
                     emotion=np.zeros((frames, 6), np.float32),
                     gaze=np.full((frames, 2), gaze, np.float32))  # fmt: skip


def live(frames: int = FRAMES, seed: int = 7, speaking: float = 1.0, **wishes: float) -> Motion:
    given = values(frames)
    if wishes.get("head") == 0.0:
        given[:, HEAD] = 0.0
    return Motion(Life(seed).frames(given, talk(frames, speaking), asked(frames, **wishes)))


def ahead(voice: Prosody, start: int, stop: int) -> Prosody:
    return Prosody(*(curve[start : stop + AHEAD_FRAMES] for curve in vars(voice).values()))


@pytest.fixture(scope="module")
def motion() -> Motion:
    return live()


def shut(motion: Motion) -> NDArray[np.intp]:
    """Frames at which the lids are as far down as they come in a blink."""
    lid = motion["eyeBlinkLeft"]
    return np.flatnonzero((lid[1:-1] > 0.5) & (lid[1:-1] >= lid[2:]) & (lid[:-2] < lid[1:-1])) + 1


def test_blink_rate_is_that_of_conversation(motion: Motion) -> None:
    # Bentivoglio et al. 1997: 17 at rest, 26 in conversation
    assert 16 <= len(shut(motion)) / MINUTES <= 26


@pytest.mark.parametrize("rate", [3.0, 12.0, 30.0, 60.0])
def test_blink_rate_is_what_was_asked(rate: float) -> None:
    assert len(shut(live(seed=1, rate=rate))) / MINUTES == pytest.approx(rate, rel=0.2)


def test_no_blinks_when_none_are_wanted() -> None:
    assert not live(rate=0.0)["eyeBlinkLeft"].any()


def test_blinks_prefer_pauses_and_glances(motion: Motion) -> None:
    voice = talk()
    ends = np.flatnonzero((voice.speaking[:-1] > 0.5) & (voice.speaking[1:] <= 0.5))
    closing = shut(motion) - 3
    near = np.abs(closing[:, None] - ends).min(1) <= 5
    # by chance a window of 11 frames out of 150 would hold 7 in 100
    assert near.mean() > 0.14


def test_lids_close_faster_than_they_open(motion: Motion) -> None:
    lid, frames = motion["eyeBlinkLeft"], shut(motion)
    alone = [f for f in frames if (np.abs(frames - f) < 15).sum() == 1 and 10 < f < len(lid) - 10]
    closing = np.mean([(lid[f - 8 : f] > 0.02).sum() for f in alone])
    opening = np.mean([(lid[f + 1 : f + 9] > 0.02).sum() for f in alone])
    assert 1 <= closing <= 3  # up to 0.1 s
    assert 3 <= opening <= 7
    assert opening > 1.5 * closing


def test_about_half_the_blinks_shut_the_eye(motion: Motion) -> None:
    # Ousler et al. 2014: 47 of 100; more is meant for, as partial ones look like mistakes
    lid = motion["eyeBlinkLeft"][shut(motion)]
    assert 0.45 < (lid > 0.99).mean() < 0.75


def test_first_frame_is_rest(motion: Motion) -> None:
    assert not motion.values[0].any()
    assert not live(3, gaze=0.2).values[0].any()


@pytest.mark.parametrize("piece", [1, 7, 25])
def test_pieces_do_not_show(piece: int) -> None:
    frames = 500
    whole = live(frames, seed=5)
    life, voice, given = Life(5), talk(frames), values(frames)
    direction = asked(frames)
    parts = [
        life.frames(given[a : a + piece], ahead(voice, a, min(a + piece, frames)),
                    direction[a : min(a + piece, frames)])
        for a in range(0, frames, piece)
    ]  # fmt: skip
    np.testing.assert_array_equal(np.concatenate(parts), whole.values)


def test_nothing_later_than_the_look_ahead_matters() -> None:
    voice = talk(400)
    changed = Prosody(voice.speaking.copy(), voice.pitch, voice.stress, voice.energy_db)
    changed.speaking[200 + AHEAD_FRAMES :] = 1.0 - voice.speaking[200 + AHEAD_FRAMES :]
    one, two = (Life(2).frames(values(400), v, asked(400))[:200] for v in (voice, changed))
    np.testing.assert_array_equal(one, two)


def test_gaze_stays_mostly_with_the_viewer(motion: Motion) -> None:
    # together with the turn of the head (yaw is about -y)
    yaw = np.degrees(motion["gazeYaw"] - 0.95 * motion["headRotY"])
    pitch = np.degrees(motion["gazePitch"] + 0.95 * motion["headRotX"])
    size = np.hypot(yaw, pitch)
    assert 0.6 < (size < 2.5).mean() < 0.92
    assert np.percentile(size, 98) > 4
    assert (np.degrees(np.abs(motion.group("gaze"))) < [18, 12]).all()


def test_eyes_look_where_they_are_told() -> None:
    made = live(500, gaze=0.1)
    room = made["gazeYaw"] - 0.95 * made["headRotY"]
    assert np.abs(room[25:] - 0.1).max() < 0.02
    assert np.abs(made["gazeYaw"][25:] - 0.1).max() > 0.03  # the head turns beneath


@pytest.mark.parametrize("degrees", [-20.0, -10.0, 5.0, 15.0])
def test_head_and_eyes_together_reach_where_they_are_told(degrees: float) -> None:
    made = live(1250, gaze=np.radians(degrees))
    yaw = np.degrees(made["gazeYaw"] - made["headRotY"])[50:].mean()
    pitch = np.degrees(made["gazePitch"] + made["headRotX"])[50:].mean()
    assert yaw == pytest.approx(degrees, rel=0.15)
    assert pitch == pytest.approx(degrees, rel=0.2)
    # the eyes go first and furthest
    turned = np.degrees(-made["headRotY"])[50:].mean()
    assert turned * np.sign(degrees) < 0.5 * abs(degrees)
    assert np.abs(np.diff(made["headRotY"])).max() < np.radians(2)
    assert not live(500, gaze=np.radians(degrees), head=0.0).group("head").any()


def test_lids_follow_the_gaze(motion: Motion) -> None:
    down, pitch = motion["eyeLookDownLeft"], motion["gazePitch"]
    assert np.corrcoef(down, np.maximum(pitch, 0))[0, 1] > 0.99
    out, yaw = motion["eyeLookOutLeft"], motion["gazeYaw"]
    assert np.corrcoef(out, np.maximum(yaw, 0))[0, 1] > 0.99  # the left eye is at image right


def test_shoulders_breathe_twelve_to_eighteen_times_a_minute_in_silence() -> None:
    rise = live(speaking=0.0)["shoulderLeftUp"]
    crossings = np.diff((rise > rise.mean()).astype(int)) == 1
    assert 12 <= crossings.sum() / MINUTES <= 18
    assert rise.min() >= 0


def test_breath_is_drawn_before_phrases(motion: Motion) -> None:
    voice, rise = talk(), motion["shoulderLeftUp"]
    starts = np.flatnonzero((voice.speaking[:-1] <= 0.5) & (voice.speaking[1:] > 0.5))[2:-2]
    gained = rise[starts + 8] - rise[starts - 10]
    assert (gained > 0).mean() > 0.7
    lost = rise[starts + 75] - rise[starts + 12]
    assert (lost < 0).mean() > 0.7


def test_strengths_of_nothing_leave_rest() -> None:
    still = live(1000, eyes=0.0, head=0.0)
    assert not still.values[:, GAZE].any()
    assert not still.values[:, BODY].any()
    assert still["eyeBlinkLeft"].any()
    assert not live(1000, head=0.0).values[:, BODY].any()


def test_knobs_leave_each_other_alone() -> None:
    usual, quiet = live(2000), live(2000, rate=0.0)
    others = [i for i, name in enumerate(CHANNELS) if not name.startswith("eyeBlink")]
    np.testing.assert_array_equal(usual.values[:, others], quiet.values[:, others])
    bored = live(2000, eyes=0.3)
    np.testing.assert_array_equal(usual.values[:, HEAD], bored.values[:, HEAD])
    np.testing.assert_array_equal(usual.values[:, BODY], bored.values[:, BODY])
    room = [np.abs(m["gazeYaw"] - 0.95 * s * m["headRotY"]).max() for m, s in
            ((usual, 1.0), (bored, 0.3))]  # fmt: skip
    assert room[1] < 0.5 * room[0]


def test_torso_follows_softly_and_does_not_drift(motion: Motion) -> None:
    head, torso = motion["headRotY"], motion["torsoRotY"]
    lagged = [np.corrcoef(head[50 : -k or None], torso[50 + k :])[0, 1] for k in range(15)]
    assert np.argmax(lagged) > 2
    assert torso.std() < 0.3 * head.std()
    for part in np.split(motion.values[:, BODY.start : BODY.start + 3], 2):
        assert (np.abs(part.mean(0)) < 0.01).all()


def test_faces_are_a_little_lopsided(motion: Motion) -> None:
    left, right = motion["mouthSmileLeft"], motion["mouthSmileRight"]
    assert 0 < np.abs(left - right).max() < 0.08
    np.testing.assert_allclose((left + right)[25:], 0.4, atol=1e-6)
    assert np.abs(np.diff(left - right)[25:]).max() < 0.005


def test_values_stay_in_their_ranges(motion: Motion) -> None:
    face = motion.values[:, : len(EXPRESSION)]
    assert face.min() >= -1
    assert face.max() <= 1


def test_same_seed_same_motion() -> None:
    one, two, other = (live(500, seed).values for seed in (1, 1, 2))
    assert one.tobytes() == two.tobytes()
    assert np.abs(one - other).max() > 0.01


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_short_speech_is_fine(frames: int) -> None:
    assert len(live(frames)) == frames


def test_follow_comes_to_rest_where_it_is_pulled() -> None:
    state = np.zeros((2, 1))
    path = follow(np.ones((200, 1)), state, 0.3)[:, 0]
    assert (np.diff(path) > 0).all()
    assert path[-1] == pytest.approx(1.0, abs=1e-3)
    assert path[0] < 0.05  # soft
    np.testing.assert_allclose(smooth_step(np.array([-1.0, 0.5, 3.0])), [0, 0.5, 1])
