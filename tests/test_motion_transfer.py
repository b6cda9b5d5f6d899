"""Emotions on faces that show something already."""

import numpy as np
import pytest

from enliven.motion.emotion import EMOTIONS, display
from enliven.motion.latent import to_motion
from enliven.motion.transfer import Strength, already_shown, transfer_expression
from enliven.types import EXPRESSION, INDEX, group_slice

SMILE, FROWN = INDEX["mouthSmileLeft"], INDEX["mouthFrownLeft"]
INTENSITIES = np.linspace(0, 1, 11)


def felt(name: str) -> np.ndarray:
    made = np.zeros((len(INTENSITIES), len(EMOTIONS)))
    made[:, EMOTIONS.index(name)] = INTENSITIES
    return made


def shown(name: str, smile: float) -> np.ndarray:
    """Expression of somebody photographed with a smile who feels something more and more."""
    rest = np.zeros(len(EXPRESSION))
    rest[[SMILE, INDEX["mouthSmileRight"]]] = smile
    driver = to_motion(display(felt(name)))[:, group_slice("expression")]
    return transfer_expression(driver, 0 * rest, rest, Strength(), felt(name))


@pytest.mark.parametrize("name", EMOTIONS)
def test_a_neutral_face_shows_the_display_itself(name):
    driver = to_motion(display(felt(name)))[:, group_slice("expression")]
    np.testing.assert_allclose(shown(name, 0.0), driver.clip(0, 1), atol=1e-6)


@pytest.mark.parametrize("smile", [0.2, 0.5, 0.9, 1.0])
def test_a_happy_face_shows_the_wider_of_both_smiles(smile):
    made = shown("happy", smile)[:, SMILE]
    full = float(to_motion(display(felt("happy")))[-1, SMILE])
    assert made[0] == pytest.approx(smile)
    assert made[-1] == pytest.approx(max(smile, full), abs=1e-6)
    assert np.diff(made).min() >= -1e-6


@pytest.mark.parametrize("name", [name for name in EMOTIONS if name != "happy"])
def test_other_emotions_do_not_grow_a_smile(name):
    """The more of the emotion, the less of the photo's smile; its own signs appear in full."""
    made = shown(name, 0.8)
    assert np.diff(made[:, SMILE]).max() <= 1e-6
    neutral = shown(name, 0.0)
    np.testing.assert_allclose(made[:, FROWN], neutral[:, FROWN], atol=1e-6)
    brows = [INDEX["browInnerUp"], INDEX["browDownLeft"]]
    np.testing.assert_allclose(made[:, brows], neutral[:, brows], atol=1e-6)


def test_what_the_photo_does_not_show_is_not_shared():
    rest = np.zeros(len(EXPRESSION))
    assert not already_shown(felt("happy"), rest).any()
    rest[SMILE] = 1e-6
    share = already_shown(felt("happy"), rest)
    np.testing.assert_allclose(share[:, SMILE], INTENSITIES)
    assert not np.delete(share, SMILE, 1).any()
