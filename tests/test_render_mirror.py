"""What a photo does not show of a face comes from its mirror image."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from enliven.face.head_model import mirror_points
from enliven.face.portrait import load_portrait
from enliven.geometry import (
    angles_from_rotation,
    project,
    rotation_from_angles,
    vector_from_rotation,
)
from enliven.render.mesh import FACE_OVAL, interpolation, nearest_first, rim
from enliven.render.mirror import LEAST_TRUST, _trust, counterparts, density, mirror_face
from enliven.render.renderer import Renderer, RenderOptions
from enliven.render.warp import Grid
from enliven.types import group_slice

EXAMPLE = Path(__file__).parents[1] / "examples" / "portrait.jpg"


@pytest.fixture(scope="module")
def renderer():
    return Renderer(load_portrait(EXAMPLE), RenderOptions(size=320, crop=True))


@pytest.fixture(scope="module")
def symmetric(renderer):
    """A portrait whose right half is the mirror image of the left."""
    portrait = renderer.portrait
    width = portrait.image.shape[1]

    def even(picture):
        left = picture[:, : width // 2]
        return np.ascontiguousarray(np.concatenate([left, left[:, ::-1]], 1))

    shift = (width - 1) / 2 - portrait.landmarks[[10, 152], 0].mean()
    landmarks = portrait.landmarks + np.float32([shift, 0, 0])
    other = landmarks[counterparts()] * [-1, 1, 1] + [width - 1, 0, 0]
    move = np.float32([[1, 0, shift], [0, 1, 0]])
    image, mask = (
        even(cv2.warpAffine(p, move, (width, width), borderMode=cv2.BORDER_REPLICATE))
        for p in (portrait.image, portrait.mask)
    )
    basis = portrait.basis * 0
    _, pitch, _ = angles_from_rotation(portrait.rotation)
    return replace(portrait, image=image, mask=mask, basis=basis,
                   landmarks=np.float32((landmarks + other) / 2),
                   rotation=rotation_from_angles(0, float(pitch)),
                   translation=portrait.translation * [0, 1, 1],
                   centre_px=np.array([(width - 1) / 2, portrait.centre_px[1]]))  # fmt: skip


def turned(renderer, yaw):
    values = renderer.portrait.rest.copy()
    turn = rotation_from_angles(np.radians(yaw)) @ renderer.portrait.rotation
    values[group_slice("head")] = vector_from_rotation(turn)
    return values


class Unpainted:
    """Neither folds nor light of their own."""

    @staticmethod
    def painted(*_):
        return None


def unlit(portrait, options=RenderOptions()):
    renderer = Renderer(portrait, options)
    renderer.paint = Unpainted()
    return renderer


def photographed(renderer, yaw):
    """The portrait that a camera would take of the person after a turn."""
    values = turned(renderer, yaw)
    pose = renderer._pose(values)
    camera = renderer.face.head @ pose.rotation.T + pose.translation
    places = project(camera, pose.focal_px, pose.centre_px)
    eyes = camera[[33, 263], 2].mean()
    depth = pose.focal_px * (camera[:, 2] / eyes - 1)
    clear = unlit(renderer.portrait, RenderOptions(transparent=True)).frame(values)
    return replace(renderer.portrait, image=np.ascontiguousarray(clear[..., :3]),
                   mask=np.ascontiguousarray(clear[..., 3]), rotation=pose.rotation,
                   landmarks=np.column_stack([places, depth]).astype(np.float32),
                   rest=values)  # fmt: skip


def test_counterparts_are_those_of_the_head_model():
    assert np.array_equal(counterparts(), mirror_points())


def test_a_symmetric_photo_is_its_own_mirror_image(symmetric):
    even = Renderer(symmetric).face
    image = even.image
    mirror = mirror_face(even, np.full(image.shape[:2], 255, np.uint8))
    low = even.landmarks[list(FACE_OVAL)].min(0) - 0.1 * even.iod_px
    x0, y0 = np.floor(low).astype(int)
    picture = mirror.texture.picture
    rows, columns = picture.shape[:2]
    photo = image[y0 : y0 + rows, x0 : x0 + columns]
    inside = cv2.resize(mirror.inside, (columns, rows))
    skin = (picture[..., 3] > 0.9) & (inside > 0.1)
    assert skin.sum() > 500
    assert np.abs(picture[..., :3] - photo)[skin].mean() < 2.0


def test_a_side_view_of_a_symmetric_face_turned_back_is_completed(symmetric):
    front = Renderer(symmetric)
    side = unlit(photographed(front, -28))
    values = turned(side, 28)
    completed = side.frame(values)
    plain = unlit(side.portrait)
    plain.person = replace(plain.person, mirror=replace(plain.person.mirror, trust=0.0))
    smeared = plain.frame(values)
    hidden = np.abs(completed.astype(int) - smeared).sum(-1) > 0
    assert 100 < hidden.sum() < 0.15 * hidden.size
    oval = np.int32(front.face.landmarks[list(FACE_OVAL)])
    hidden &= cv2.fillPoly(np.zeros(hidden.shape, np.uint8), [oval], 1) > 0
    wanted = symmetric.image[hidden].astype(int)
    errors = [np.abs(image[hidden] - wanted).mean() for image in (completed, smeared)]
    assert errors[0] < 0.9 * errors[1]


def test_the_mirror_image_stays_away_where_the_photo_is_good(renderer):
    """Close to the photo's own pose it must not touch a pixel."""
    without = Renderer(renderer.portrait)
    without.person = replace(without.person, mirror=replace(without.person.mirror, trust=0.0))
    for yaw in (0, 1, -4, 6):
        values = turned(renderer, yaw)
        assert np.array_equal(renderer.frame(values), without.frame(values))


def test_density_of_a_stretch_is_known():
    grid = Grid.over((0, 0, 100, 80), 4.0)
    back = (grid.points() * [0.5 - 1, 0.8 - 1]).astype(np.float32)
    assert density(back, grid) == pytest.approx(np.full((20, 25), 0.4), abs=1e-4)


def test_the_rim_of_a_flat_mesh_is_its_outline_and_of_overlapping_ones_the_front_holds():
    vertices = np.zeros((478, 2))
    vertices[:6] = [[0, 0], [10, 0], [10, 10], [0, 10], [20, 0], [20, 10]]
    square = np.array([[0, 1, 2], [0, 2, 3], [1, 4, 5], [1, 5, 2]])
    assert {tuple(edge) for edge in rim(square, vertices)} == {
        (0, 1), (0, 3), (2, 3), (1, 4), (4, 5), (2, 5)}  # fmt: skip
    # the right half swung over the left one, behind it
    vertices[4:6, 0] = 2
    depth = np.zeros(478)
    depth[4:6] = 5
    ordered = nearest_first(square, vertices, depth)
    values = np.zeros((478, 1))
    values[4:6] = 1
    found = interpolation(np.array([[5.0, 5.0], [12.0, 5.0]]), vertices, ordered)
    assert found(values)[:, 0] == pytest.approx([0, 0])
    assert found.distance == pytest.approx([0, 2])
    assert found.foot[1] == pytest.approx([10, 5])


def test_sides_that_differ_are_trusted_less_unless_only_one_is_seen():
    random = np.random.default_rng(0)
    one, other = random.uniform(40, 200, (2, 60, 60, 1)).astype(np.float32).repeat(3, -1)
    seen, hidden = np.ones((60, 60), np.float32), np.full((60, 60), 0.1, np.float32)
    assert _trust(one, one, seen, 40.0) == pytest.approx(1)
    assert _trust(one, other, seen, 40.0) == pytest.approx(LEAST_TRUST)
    assert _trust(one, other, hidden, 40.0) == pytest.approx(1)
