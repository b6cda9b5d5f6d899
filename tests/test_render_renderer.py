"""The renderer's contracts, on the example portrait."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from enliven.errors import BadOption
from enliven.face.portrait import load_portrait
from enliven.geometry import rotation_from_angles, vector_from_rotation
from enliven.render.person import moving_region
from enliven.render.renderer import Renderer, RenderOptions, render
from enliven.types import INDEX, Motion, group_slice

EXAMPLE = Path(__file__).parents[1] / "examples" / "portrait.jpg"


@pytest.fixture(scope="module")
def portrait():
    return load_portrait(EXAMPLE)


@pytest.fixture(scope="module")
def renderer(portrait):
    return Renderer(portrait)


def at(renderer, yaw=0.0, pitch=0.0, **channels):
    values = renderer.portrait.rest.copy()
    for name, value in channels.items():
        values[INDEX[name]] = value
    turn = rotation_from_angles(np.radians(yaw), np.radians(pitch)) @ renderer.portrait.rotation
    values[group_slice("head")] = vector_from_rotation(turn)
    return values


def test_rest_returns_the_photo_bit_for_bit(renderer, portrait):
    assert np.array_equal(renderer.frame(portrait.rest), portrait.image)


def test_frames_do_not_depend_on_earlier_frames(renderer):
    first = renderer.frame(at(renderer, yaw=6, jawOpen=0.6))
    renderer.frame(at(renderer, yaw=-10, eyeBlinkLeft=1.0))
    assert np.array_equal(renderer.frame(at(renderer, yaw=6, jawOpen=0.6)), first)


def test_nothing_moves_outside_the_region_or_far_from_the_person(portrait):
    wide = np.pad(portrait.image, ((0, 0), (400, 400), (0, 0)), mode="reflect")
    big = replace(portrait, image=wide, mask=np.pad(portrait.mask, ((0, 0), (400, 400))),
                  landmarks=portrait.landmarks + np.float32([400, 0, 0]),
                  centre_px=portrait.centre_px + np.array([400, 0]))  # fmt: skip
    drawn = Renderer(big)
    frame = drawn.frame(at(drawn, yaw=12, jawOpen=0.5))
    x0, y0, x1, y1 = moving_region(big)
    outside = np.ones(wide.shape[:2], bool)
    outside[y0:y1, x0:x1] = False
    assert outside.any()
    assert np.array_equal(frame[outside], wide[outside])


def test_background_stays_still(renderer, portrait):
    frame = renderer.frame(at(renderer, yaw=10, jawOpen=0.7))
    far = np.zeros(portrait.mask.shape, bool)
    far[:40, :40] = far[:40, -40:] = True
    far &= portrait.mask == 0
    assert far.sum() > 500
    assert np.array_equal(frame[far], portrait.image[far])


def test_moving_the_photo_moves_the_result(portrait):
    moved = replace(portrait, image=np.roll(portrait.image, 8, 1),
                    mask=np.roll(portrait.mask, 8, 1),
                    landmarks=portrait.landmarks + np.float32([8, 0, 0]),
                    centre_px=portrait.centre_px + np.array([8, 0]))  # fmt: skip
    a, b = Renderer(portrait), Renderer(moved)
    one, two = a.frame(at(a, yaw=5, jawOpen=0.4)), b.frame(at(b, yaw=5, jawOpen=0.4))
    x, y = portrait.landmarks[4, :2].astype(int)
    face = (slice(y - 60, y + 60), slice(x - 50, x + 50))
    shifted = (face[0], slice(x - 42, x + 58))
    assert np.abs(one[face].astype(int) - two[shifted]).mean() < 1.0


def test_turn_moves_the_nose_the_way_the_axes_say(renderer, portrait):
    """Yaw right carries the nose to image right, pitch down carries it down."""
    from enliven.face.track import track_image

    before, _ = track_image(portrait.image)
    right, _ = track_image(renderer.frame(at(renderer, yaw=10)))
    down, _ = track_image(renderer.frame(at(renderer, pitch=8)))
    assert right[4, 0] - before[4, 0] > 0.08 * portrait.iod_px
    assert down[4, 1] - before[4, 1] > 0.05 * portrait.iod_px


def test_tracking_the_picture_recovers_the_motion(renderer, portrait):
    from enliven.face.track import track_image

    def gap(frame):
        points, _ = track_image(frame)
        return np.linalg.norm(points[14] - points[13]) / portrait.iod_px

    def opened(jaw):
        values = at(renderer)
        values[group_slice("expression")] = 0
        values[INDEX["jawOpen"]] = jaw
        return renderer.frame(values)

    gaps = [gap(opened(jaw)) for jaw in (0.0, 0.3, 0.6, 0.9)]
    assert all(np.diff(gaps) > 0.02)
    assert gaps[0] < 0.05


def test_blink_covers_the_eye(renderer, portrait):
    frame = renderer.frame(at(renderer, eyeBlinkLeft=1.0, eyeBlinkRight=1.0))
    for iris in (468, 473):
        x, y = np.rint(portrait.landmarks[iris, :2]).astype(int)
        around = (slice(y - 1, y + 2), slice(x - 1, x + 2))
        assert frame[around].mean() > portrait.image[around].mean() + 20  # skin, not iris


def test_a_wild_turn_is_bent_into_what_the_photo_allows(renderer):
    limit = np.abs(renderer.turn_limits.limits).max()
    pose = renderer._pose(at(renderer, yaw=80))
    turn = vector_from_rotation(pose.rotation @ renderer.portrait.rotation.T)
    assert np.linalg.norm(turn) <= limit + 1e-6


def test_sizes_crop_and_alpha(portrait):
    small = Renderer(portrait, RenderOptions(size=256, crop=True, transparent=True))
    frame = small.frame(small.portrait.rest)
    assert frame.shape == (256, 256, 4)
    assert frame[128, 128, 3] == 255
    assert frame[2, 2, 3] < 30


def test_render_streams_one_frame_a_row(portrait):
    motion = Motion.still(3, at=portrait.rest)
    frames = list(render(portrait, motion, RenderOptions(size=128)))
    assert len(frames) == 3


def test_bad_size_is_named():
    with pytest.raises(BadOption, match="64 to 4096"):
        RenderOptions(size=9)
