"""What parting lips show in place of the seam of a photo."""

from pathlib import Path

import numpy as np
import pytest

from enliven.face.portrait import load_portrait
from enliven.render.lips import cut_out
from enliven.render.opening import draw_skin
from enliven.render.renderer import Renderer, RenderOptions
from enliven.types import INDEX, group_slice

EXAMPLE = Path(__file__).parents[1] / "examples" / "portrait.jpg"


@pytest.fixture(scope="module")
def renderer():
    return Renderer(load_portrait(EXAMPLE), RenderOptions(size=256, crop=True))


def test_closed_lips_show_the_photo(renderer):
    image, slit = renderer.face.image, renderer.mouth_slit
    for picture in renderer.lips.pictures(slit, image, 0.0):
        assert np.array_equal(picture, cut_out(image, slit.side_box))


def test_paint_stays_in_its_box_and_grows_with_the_opening(renderer):
    image, slit, lips = renderer.face.image, renderer.mouth_slit, renderer.lips
    photo = cut_out(image, slit.side_box).astype(int)
    x0, y0, x1, y1 = lips.box
    changes = []
    for parted in (0.5, 1.0):
        changed = np.abs(lips.pictures(slit, image, parted)[0] - photo)
        changes.append(changed.sum())
        changed[y0:y1, x0:x1] = 0
        assert not changed.any()
    assert 0 < changes[0] < changes[1]


def test_cut_out_goes_on_beyond_the_border():
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    assert np.array_equal(cut_out(image, (1, 1, 4, 3)), image[1:3, 1:4])
    wide = cut_out(image, (-2, -1, 7, 6))
    assert wide.shape == (7, 9, 3)
    assert np.array_equal(wide[0, 0], image[0, 0])
    assert np.array_equal(wide[-1, -1], image[-1, -1])


def test_a_mouth_opened_wide_shows_its_inside_everywhere(renderer):
    """Whatever the far lip's skin would show there."""
    values = renderer.portrait.rest.copy()
    values[INDEX["jawOpen"]] = 1.0
    weights = (values - renderer.portrait.rest)[group_slice("expression")].astype(np.float32)
    pose, slit = renderer._pose(values), renderer.mouth_slit
    where = renderer._place(slit, pose)
    skin = draw_skin(slit, renderer.face, where, weights, pose, np.zeros(2, np.float32))
    inside = (skin.upper_cover < 0.01) & (skin.lower_cover < 0.01)
    assert inside.sum() > 50
    assert skin.near[inside].min() > 0.98
