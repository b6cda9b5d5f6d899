"""How faces rest, on motion that is known."""

from dataclasses import replace

import numpy as np
import pytest
from reward_made import made_stretch

from enliven.metrics.watch import Stretch
from enliven.reward.rest import STRAY, rest_scores
from enliven.types import CHANNELS, INDEX, Motion

RNG = np.random.default_rng(0)
REST = (RNG.normal(size=len(CHANNELS)) / 10).astype(np.float32)


def moving(frames: int, *, seen: bool = True, **off: float) -> Stretch:
    """A stretch whose motion sways about the photo's by so many radians or weights."""
    sway = np.sin(np.arange(frames) * 2 * np.pi / frames)[:, None]
    values = REST + sway * 0.1
    for channel, amount in off.items():
        values[:, INDEX[channel]] += amount
    made = made_stretch(frames=frames, seen=seen)
    return replace(made, motion=Motion(values.astype(np.float32)) if seen else None)


def test_who_sways_about_the_photo_rests() -> None:
    for score in rest_scores([moving(50)], REST).values():
        assert score.valid
        assert score.value == pytest.approx(0, abs=1e-5)


def test_what_is_held_throughout_is_told_in_deviations_of_real_people() -> None:
    scores = rest_scores([moving(50, headRotX=0.1, mouthSmileLeft=0.3)], REST)
    assert scores["rest/pitch"].value == pytest.approx(2)
    assert scores["rest/smile"].value == pytest.approx(1)  # a half of it: of one side only
    assert scores["rest/tilt"].value == pytest.approx(0, abs=1e-5)


def test_the_mean_is_of_all_frames_in_which_a_face_is_seen() -> None:
    parts = [moving(75, headRotX=0.1), moving(40, seen=False), moving(25, headRotX=-0.1)]
    assert rest_scores(parts, REST)["rest/pitch"].value == pytest.approx(1)


def test_the_scale_has_ends_and_nobody_has_none() -> None:
    assert rest_scores([moving(50, headRotZ=-1.0)], REST)["rest/tilt"].value == -3
    nobody = rest_scores([moving(50, seen=False)], REST)
    assert set(nobody) == set(STRAY)
    assert not any(score.valid for score in nobody.values())
