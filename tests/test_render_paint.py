"""Folds, shades and light: what is known of them without looking at the code."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from enliven.face.portrait import load_portrait
from enliven.geometry import rotation_from_angles
from enliven.render.creases import FOLDS, flattened, folded, lay_creases
from enliven.render.light import Light, Painted, estimate_light, normals_of
from enliven.render.paint import WHITE, _room, build_paint
from enliven.render.renderer import Renderer, RenderOptions
from enliven.render.warp import Grid
from enliven.types import EXPRESSION, group_slice

EXAMPLE = Path(__file__).parents[1] / "examples" / "portrait.jpg"
STILL = np.zeros(len(EXPRESSION), np.float32)


def channels(**values):
    weights = STILL.copy()
    for i, name in enumerate(EXPRESSION):
        weights[i] = values.get(name.removesuffix("Left").removesuffix("Right"), 0)
        weights[i] = values.get(name, weights[i])
    return weights


@pytest.fixture(scope="module")
def renderer():
    return Renderer(load_portrait(EXAMPLE), RenderOptions(size=256, crop=True))


def test_nothing_changes_at_rest(renderer):
    assert renderer.paint.gain(STILL, np.eye(3)) is None
    assert renderer.paint.painted(STILL, np.eye(3)) is None


def test_gain_grows_from_one_without_a_jump(renderer):
    tiny = renderer.paint.gain(channels(mouthSmile=1e-4), np.eye(3))
    assert np.abs(tiny - 1).max() < 1e-3
    small, large = (renderer.paint.gain(channels(browDown=w), np.eye(3)) for w in (0.4, 0.8))
    assert 0 < np.abs(small - 1).max() < np.abs(large - 1).max() < 0.6


def test_painting_multiplies_colours_where_the_photo_shows_and_leaves_alpha():
    gain = np.ones((4, 5, 4), np.float32)
    gain[..., :3] = np.linspace(0.5, 1.5, 5)[None, :, None]
    painted = Painted(gain, (10, 20))
    shown = np.float32([[[11.5, 21.0], [14.0, 23.0]]])
    colours = np.full((1, 2, 4), 100, np.float32)
    painted.on(colours, shown)
    assert np.allclose(colours[0, 0], [87.5, 87.5, 87.5, 100])
    assert np.allclose(colours[0, 1], [150, 150, 150, 100])
    three = np.full((1, 2, 3), 100, np.float32)
    painted.on(three, shown)
    assert np.allclose(three, colours[..., :3])


def test_a_grey_picture_gets_no_folds(renderer):
    """Where there is no shading and no skin to tell from, none is drawn."""
    flat = np.full_like(renderer.face.image, 150)
    rest = renderer.portrait.rest[group_slice("expression")]
    paint = build_paint(replace(renderer.face, image=flat), renderer.person.region, rest)
    gain = paint.gain(channels(browDown=1, noseSneer=1), np.eye(3))
    log_gain = np.zeros((paint.fine.rows, paint.fine.columns), np.float32)
    paint.creases.deepen(log_gain, paint.creases.change(channels(browDown=1, noseSneer=1)))
    assert np.abs(log_gain).max() == 0
    assert np.isfinite(gain).all()


def grid_of_the_face():
    """A grid over the flattened average face itself, 1 IOD being 100 px."""
    grid = Grid.over((0, 0, 200, 220), 1.2)
    places = (grid.points() / 100 + [-1.0, -1.5]).astype(np.float32)
    return grid, places, np.ones(places.shape[:2], np.float32)


def laid(roughness=1.0, rest=STILL, photo=None):
    grid, places, ones = grid_of_the_face()
    photo = np.dstack([ones if photo is None else photo] * 3)
    return lay_creases(places, grid, photo, ones, roughness, 100, rest)


def drawn(creases, expression):
    log_gain = np.zeros(grid_of_the_face()[1].shape[:2], np.float32)
    creases.deepen(log_gain, creases.change(expression))
    return log_gain


def test_both_sides_fold_alike():
    gain = drawn(laid(), channels(mouthSmile=0.8, cheekSquint=0.6))
    assert gain.min() < -0.05
    # middle columns mirror each other up to half a cell of the grid
    assert np.corrcoef(gain.ravel(), gain[:, ::-1].ravel())[0, 1] > 0.9


def test_one_sided_channels_fold_one_side():
    places = grid_of_the_face()[1]
    gain = drawn(laid(), channels(mouthSmileLeft=0.9, cheekSquintLeft=0.9))
    person_left = places[..., 0] > 0.1  # the person's left is at image right
    assert np.abs(gain[person_left]).max() > 0.05
    assert np.abs(gain[places[..., 0] < -0.1]).max() == 0


def test_rough_skin_folds_deeper():
    frown = channels(browDown=0.9, noseSneer=0.6)
    depths = [-drawn(laid(roughness), frown).min() for roughness in (0.2, 1.0, 1.6)]
    assert depths[0] < depths[1] < depths[2]


def test_a_fold_of_the_photo_is_evened_out_and_never_inverted():
    _, places, ones = grid_of_the_face()
    path = np.array(FOLDS[0].path)
    gap = np.linalg.norm(places[:, :, None] - path, axis=-1).min(-1)
    photo = ones * 5 - 0.15 * np.exp(-((gap / 0.03) ** 2))
    smile = channels(mouthSmile=0.8)
    creases = laid(rest=smile, photo=photo.astype(np.float32))
    colours = np.zeros((*gap.shape, 3), np.float32)
    creases.even_out(colours, creases.change(STILL))
    gain = colours[..., 1]
    assert drawn(creases, STILL).max() == 0
    valley = gap < 0.02
    assert gain[valley].mean() > 0.01
    assert (photo + gain)[valley].max() < 5.1
    assert gain.min() > -0.06


def test_depth_of_a_fold_rises_and_saturates():
    depth = folded(np.linspace(0, 3, 50))
    assert depth[0] == 0
    assert (np.diff(depth) > 0).all()
    assert depth[-1] <= 1
    assert folded(np.array(0.02)) < 0.02 / 4  # soft onset


def test_light_is_found_again():
    random = np.random.default_rng(3)
    normals = random.normal(size=(2000, 3)) * [1, 1, 0.4] - [0, 0, 1]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    truth = Light(1.0, np.float32([0.3, -0.35, -0.2]), np.zeros((3, 3), np.float32))
    brightness = 180 * truth.received(normals) ** (1 / 2.2)
    brightness[:100] = 20  # a beard
    light = estimate_light(brightness, normals, np.ones(len(normals)))
    ratio = light.received(normals) / truth.received(normals)
    assert np.ptp(ratio) < 0.15
    cosine = light.direction @ truth.direction / np.linalg.norm(light.direction)
    assert cosine / np.linalg.norm(truth.direction) > 0.97


def test_skin_turned_to_the_light_gets_brighter(renderer):
    paint = replace(
        renderer.paint, light=Light(1.0, np.float32([0.5, 0, 0]), np.zeros((3, 3), np.float32))
    )
    to_light = paint.gain(STILL, rotation_from_angles(np.radians(15)))
    away = paint.gain(STILL, rotation_from_angles(np.radians(-15)))
    height, width = to_light.shape[:2]
    nose = (slice(height // 2 - 5, height // 2 + 5), slice(width // 2 - 5, width // 2 + 5))
    assert to_light[nose].mean() > 1.02
    assert away[nose].mean() < 0.98


def test_normals_of_an_octahedron_point_to_its_corners():
    points = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1]], float)
    triangles = np.array([[a, b, c] if (a == 0) ^ (b == 1) ^ (c == 2) else [a, c, b]
                          for a in (0, 3) for b in (1, 4) for c in (2, 5)])  # fmt: skip
    assert np.allclose(normals_of(points, triangles), points)
    assert np.allclose(normals_of(np.stack([points, 2 * points]), triangles)[1], points)


def test_flattening_keeps_heights_and_sides():
    points = np.array([[0.0, -0.4, -0.9], [0.4, 0.1, -0.6], [-0.4, 0.1, -0.6]])
    flat = flattened(points)
    assert flat[0, 0] == 0
    assert flat[1, 0] == -flat[2, 0] > 0.3
    assert np.array_equal(flat[:, 1], points[:, 1])


def test_skin_that_is_nearly_white_gets_no_lighter():
    colours = np.full((400, 3), 120.0, np.float32)
    assert np.exp(_room(colours, (20, 20))) == pytest.approx(np.full((20, 20), WHITE / 120))
    assert not _room(colours * 2.1, (20, 20)).any()
