"""What the inside of a mouth looks like, and where its lower teeth go."""

from pathlib import Path

import numpy as np
import pytest

from enliven.face.portrait import load_portrait
from enliven.render import mouth as mouths
from enliven.render.flesh import aliveness, flesh, shade_colour
from enliven.render.mouth import SHADOW, take_off_shadow
from enliven.render.renderer import Renderer, RenderOptions
from enliven.types import EXPRESSION

EXAMPLE = Path(__file__).parents[1] / "examples" / "portrait.jpg"


@pytest.fixture(scope="module")
def renderer():
    return Renderer(load_portrait(EXAMPLE), RenderOptions(size=256, crop=True))


def test_grey_stone_has_a_grey_mouth():
    stone = np.array([150.0, 148, 145])
    inside = flesh(np.array([90.0, 30, 30]), stone)
    assert aliveness(stone) == 0
    assert inside / inside.mean() == pytest.approx(stone / stone.mean())
    assert inside.mean() == pytest.approx(50)


def test_skin_of_any_complexion_is_alive():
    red = np.array([90.0, 30, 30])
    for skin in ([236, 200, 178], [160, 105, 80], [70, 45, 34]):
        assert aliveness(np.array(skin)) == 1
        assert flesh(red, np.array(skin, float)) == pytest.approx(red)


def test_shade_is_darker_than_the_face(renderer):
    face = renderer.face
    assert shade_colour(face).mean() < 0.6 * np.median(face.image[face.image.shape[0] // 2])


def test_shadow_comes_off_as_it_was_cast():
    teeth = np.full((20, 30, 3), [200.0, 190, 170])
    rim = np.array([80.0, 40, 40], np.float32)
    dark = np.tile(np.maximum(np.linspace(-0.3, 0.6, 30, dtype=np.float32), 0), (20, 1))
    seen = teeth + SHADOW * dark[..., None] * (rim - teeth)
    freed = take_off_shadow(
        np.rint(seen).astype(np.uint8), dark, rim, np.ones((20, 30), np.float32)
    )
    assert np.abs(freed.astype(float) - teeth).max() < 4


def test_rounded_lips_stay_before_the_lower_teeth(renderer):
    """The lower teeth stay on the jaw, but hide as the lower lip goes down to round itself."""
    mouth = renderer.mouth
    still, rounded, bared = np.zeros((3, len(EXPRESSION)))
    rounded[EXPRESSION.index("mouthFunnel")] = 1
    bared[EXPRESSION.index("mouthLowerDownLeft")] = 1
    height = [mouths.row_frame(mouth, False, w).origin[1] for w in (still, rounded, bared)]
    lip = mouth.axes[1] @ renderer.face.basis[EXPRESSION.index("mouthFunnel"), 14]
    assert 0.7 * lip < height[1] - height[0] < 1.2 * lip
    assert height[2] == height[0]
    upper = [mouths.row_frame(mouth, True, w).origin for w in (still, rounded)]
    assert np.array_equal(*upper)


def test_narrow_lips_let_in_less_light():
    wide, narrow = (mouths.daylight(0.1, share, 0.0)(np.array(0.3)) for share in (1.0, 0.5))
    assert narrow < wide < 1
