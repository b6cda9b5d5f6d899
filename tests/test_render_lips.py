"""What parting lips show in place of the seam of a photo."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from enliven.face.portrait import load_portrait
from enliven.render.layers import cut_out
from enliven.render.lips import MOST_LONGER, eased_smile
from enliven.render.opening import draw_skin
from enliven.render.renderer import Renderer, RenderOptions
from enliven.types import INDEX, group_slice

EXAMPLE = Path(__file__).parents[1] / "examples" / "portrait.jpg"


@pytest.fixture(scope="module")
def renderer():
    return Renderer(load_portrait(EXAMPLE), RenderOptions(size=256, crop=True))


def painted(renderer, above, parted):
    """The photo over the slit's side_box before and after painting the lips."""
    height, width = renderer.mouth_slit.side_upper.shape
    at = np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)
    before = renderer.mouth_slit.photo.at(at)
    after = before.copy()
    renderer.lips.on(above, after, at, parted)
    return before, after


@pytest.mark.parametrize("above", [True, False])
def test_closed_lips_show_the_photo(renderer, above):
    photo, after = painted(renderer, above, 0.0)
    assert np.array_equal(after, photo)
    assert np.array_equal(photo, cut_out(renderer.face.image, renderer.mouth_slit.side_box))


def test_paint_stays_in_its_box_and_grows_with_the_opening(renderer):
    x0, y0 = renderer.lips.corner
    height, width = renderer.lips.upper.shape[:2]
    changes = []
    for parted in (0.5, 1.0):
        before, after = painted(renderer, True, parted)
        changed = np.abs(after - before)
        changes.append(changed.sum())
        changed[y0 : y0 + height, x0 : x0 + width] = 0
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


def test_a_leaving_smile_hardly_lengthens_the_lip_above_it(renderer):
    """Beyond a limit; nose and chin go where they went, and the lips stay shut."""
    portrait = renderer.portrait
    rest = portrait.rest[group_slice("expression")].astype(float)
    before, after = (np.tensordot(rest, basis[..., 1], 1)
                     for basis in (portrait.basis, eased_smile(portrait)))  # fmt: skip
    nose, upper, lower, chin = 2, 13, 14, 152
    longer = [raised[nose] - raised[upper] for raised in (before, after)]
    assert MOST_LONGER < longer[1] < longer[0]
    moved = after - before
    assert moved[[nose, chin]] == pytest.approx(0, abs=1e-9)
    assert moved[lower] == pytest.approx(moved[upper], rel=0.3, abs=1e-3)
    assert (moved >= 0).all()


def test_a_face_that_does_not_smile_keeps_its_basis(renderer):
    still = replace(renderer.portrait, rest=np.zeros_like(renderer.portrait.rest))
    assert np.array_equal(eased_smile(still), still.basis)
