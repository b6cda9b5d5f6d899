"""Several people in one picture, on groups put together from the example portrait.

pytest tests/test_render_scene.py
"""

import cv2
import numpy as np
import pytest
from face_samples import portrait

from enliven.errors import BadOption
from enliven.face.portrait import load_people, load_portrait
from enliven.geometry import rotation_from_angles, vector_from_rotation
from enliven.render.renderer import Renderer, RenderOptions
from enliven.render.scene import Scene
from enliven.types import INDEX, group_slice


def group(places, scales, size=(420, 300)):
    """The example person pasted at centres `places` (share of size), back to front, on green."""
    person = load_portrait(portrait())
    picture = np.full((size[1], size[0], 3), (20, 200, 40), np.float32)
    for (x, y), scale in zip(places, scales, strict=True):
        middle = person.landmarks[:, :2].mean(0)
        matrix = np.array([[scale, 0, x * size[0] - scale * middle[0]],
                           [0, scale, y * size[1] - scale * middle[1]]])  # fmt: skip
        drawn, matte = (
            cv2.warpAffine(layer, matrix, size, flags=cv2.INTER_AREA)
            for layer in (person.image, person.mask)
        )
        matte = (matte / 255.0)[..., None]
        picture = picture * (1 - matte) + drawn * matte
    return picture.round().astype(np.uint8)


@pytest.fixture(scope="module")
def overlapping():
    """Two people whose shoulders overlap, the right one nearer."""
    picture = group([(0.32, 0.42), (0.7, 0.5)], [0.5, 0.62])
    return picture, load_people(picture, [(1, None), (2, None)])


def moved(person, yaw=0.0, shift=0.0, **channels):
    values = person.rest.copy()
    for name, value in channels.items():
        values[INDEX[name]] = value
    turn = rotation_from_angles(np.radians(yaw), 0.0) @ person.rotation
    values[group_slice("head")] = vector_from_rotation(turn)
    values[group_slice("translation")] += np.float32([shift, 0, 0])
    return values


def test_everybody_at_rest_is_the_photo_bit_for_bit(overlapping):
    picture, people = overlapping
    frame = Scene(people).frame([person.rest for person in people])
    assert np.array_equal(frame, picture)


def test_people_who_touch_have_mattes_of_their_own(overlapping):
    _, people = overlapping
    for person, other in (people, people[::-1]):
        x, y = np.round(other.landmarks[:, :2]).astype(int).T
        assert np.median(person.mask[y, x]) == 0
        x, y = np.round(person.landmarks[:, :2]).astype(int).T
        assert np.median(person.mask[y, x]) == 255
    both = people[0].mask.astype(int) + people[1].mask
    assert (both > 300).mean() < 0.01


def test_the_order_of_portraits_does_not_matter(overlapping):
    _, people = overlapping
    rows = [moved(people[0], 8, jawOpen=0.5), moved(people[1], -8, 0.2)]
    frame = Scene(people).frame(rows)
    assert np.array_equal(Scene(people[::-1]).frame(rows[::-1]), frame)


def test_a_nearer_person_hides_the_one_behind(overlapping):
    """Nothing of the near face changes when the far person moves up against it."""
    _, people = overlapping
    near, far = people
    assert near.iod_px > far.iod_px
    scene = Scene(people)
    before = scene.frame([near.rest, far.rest])
    after = scene.frame([near.rest, moved(far, 10, 0.4)])
    figure = scene.figures[0]
    inside = np.zeros(near.mask.shape, bool)
    inside[figure.where] = figure.renderer.person.layers.person[..., 3] == 1
    assert inside[near.mask > 0].mean() > 0.8
    assert np.array_equal(after[inside], before[inside])
    assert not np.array_equal(after, before)


def test_whoever_moves_in_front_erases_nobody(overlapping):
    """The far face stays where it was, and whole, while the near person turns away from it."""
    _, people = overlapping
    near, far = people
    scene = Scene(people)
    after = scene.frame([moved(near, 10, 0.3, jawOpen=0.4), far.rest])
    x, y = np.round(far.landmarks[:, :2]).astype(int).T
    assert np.array_equal(after[y, x], far.image[y, x])


def test_one_person_is_drawn_as_by_the_renderer(overlapping):
    _, people = overlapping
    near = people[0]
    values = moved(near, 8, 0.1, jawOpen=0.5)
    alone = Scene([near]).frame([values])
    assert np.abs(alone.astype(int) - Renderer(near).frame(values)).max() <= 1


def test_size_crop_and_transparency(overlapping):
    _, people = overlapping
    scene = Scene(people, RenderOptions(size=200, transparent=True))
    frame = scene.frame([person.rest for person in people])
    assert frame.shape == (143, 200, 4)
    assert frame[3, 3, 3] == 0
    scale = 200 / 420
    for person in people:
        x, y = np.round(person.landmarks[4, :2] * scale).astype(int)
        assert frame[y, x, 3] == 255
    cropped = Scene(people, RenderOptions(size=128, crop=True))
    assert max(cropped.size) == 128


def test_the_same_face_twice_is_refused(overlapping):
    picture, people = overlapping
    low, high = people[0].landmarks[:, :2].min(0), people[0].landmarks[:, :2].max(0)
    with pytest.raises(BadOption, match="the same face"):
        load_people(picture, [(1, None), (1, (*low.tolist(), *(high - low).tolist()))])
