"""Transparent frames: pytest tests/test_render_alpha.py"""

from dataclasses import replace

import numpy as np
import pytest
from face_samples import portrait

from enliven.face.portrait import load_portrait
from enliven.render.alpha import straight
from enliven.render.renderer import Renderer, RenderOptions
from enliven.types import INDEX


def test_what_was_mixed_is_taken_apart():
    """A flat colour over a flat background with any alpha comes back as it was."""
    alpha = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (16, 1))
    red, green = np.float32([210, 40, 60]), np.float32([10, 220, 30])
    mixed = alpha[..., None] * red + (1 - alpha[..., None]) * green
    frame = straight(np.rint(mixed).astype(np.uint8), np.tile(green, (16, 64, 1)), alpha)
    seen = alpha > 0.02
    assert np.abs(frame[seen][:, :3] - red).max() < 12
    assert np.array_equal(frame[..., 3], np.rint(255 * alpha).astype(np.uint8))


@pytest.fixture(scope="module")
def on_green():
    person = load_portrait(portrait())
    share = (person.mask / 255.0)[..., None]
    picture = share * person.image + (1 - share) * [0, 255, 0]
    return replace(person, image=picture.round().astype(np.uint8))


def test_no_rim_of_the_old_background(on_green):
    """A person cut from green and put before magenta shows hardly any green at the edge."""
    renderer = Renderer(on_green, RenderOptions(transparent=True))
    values = on_green.rest.copy()
    values[INDEX["jawOpen"]] += 0.3
    values[INDEX["headRotY"]] += 0.12
    frame = renderer.frame(values)
    edge = (frame[..., 3] > 30) & (frame[..., 3] < 225)
    assert edge.sum() > 300
    red, green, blue = (frame[edge][:, i].astype(int) for i in range(3))
    greenness = green - np.maximum(red, blue)
    assert np.median(greenness) < 10
    # as it would be without taking the background out of it
    alpha = frame[edge][:, 3] / 255.0
    assert np.median(greenness * alpha + 255 * (1 - alpha)) > 60


def test_before_its_old_background_it_is_the_same_picture(on_green):
    values = on_green.rest.copy()
    values[INDEX["headRotY"]] += 0.1
    plain = Renderer(on_green)
    drawn = plain.frame(values).astype(np.float32)
    frame = Renderer(on_green, RenderOptions(transparent=True)).frame(values).astype(np.float32)
    x0, y0, x1, y1 = plain.person.region
    part = np.s_[y0:y1, x0:x1]
    alpha = frame[part][..., 3:] / 255
    again = alpha * frame[part][..., :3] + (1 - alpha) * plain.person.layers.background
    gap = np.abs(again - drawn[part]).max(2)
    assert gap.mean() < 1
    assert np.quantile(gap, 0.99) < 12
