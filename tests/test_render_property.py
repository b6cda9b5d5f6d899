"""What holds for every motion, however wild, on small portraits: no hole, no jump, no NaN.

pytest tests/test_render_property.py; with -m slow, 2,000 motions of every portrait.
"""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from face_samples import DEV_PORTRAITS, needs_dev_portraits, portrait
from PIL import Image

from enliven.face.portrait import load_portrait
from enliven.geometry import project, rotation_from_angles, vector_from_rotation
from enliven.render.mesh import FACE_OVAL
from enliven.render.person import moving_region
from enliven.render.renderer import Renderer, RenderOptions
from enliven.types import GROUPS, group_slice

QUICK, MANY = 60, 2000
PATHS = 6  # every so many motions a path towards one is followed, too
SIDE = 160  # px, of a crop around the head
GREEN = (0, 255, 0)
SPECK = 2  # px of it that may shine through between strands of hair
GREENER = 60  # how far the green may exceed red and blue in a face that has none
EDGE, HOLLOW = 0.2, 0.2  # IOD within the face oval in the photo, where every pose shows skin
NEAR = 0.05  # IOD around that in which background shut in by skin is a hole, no gap to the collar
STEPS, BLOCK = 12, 8  # 1% steps of a path; px of the squares whose means are compared


def photos():
    yield pytest.param(lambda: portrait(), id="example")
    for name in ("p03", "p05", "p06", "p07"):
        yield pytest.param(
            lambda name=name: np.array(Image.open(next(DEV_PORTRAITS.glob(f"{name}*")))),
            id=name, marks=needs_dev_portraits,
        )  # fmt: skip


def on_green(image):
    """The person of a photo before pure green, as a Portrait of SIDE px, and its renderer."""
    person = Renderer(load_portrait(image), RenderOptions(size=SIDE, crop=True)).portrait
    alpha = (person.mask > 127).astype(np.uint8)
    alpha = cv2.erode(alpha, np.ones((3, 3), np.uint8))[..., None]
    person = replace(person, image=person.image * alpha + np.uint8(GREEN) * (1 - alpha),
                     mask=255 * alpha[..., 0])  # fmt: skip
    return person, Renderer(person, RenderOptions(size=SIDE))


def wild(rng, rest):
    """A motion far beyond what people do: a few channels at any strength, any turn."""
    values = rest.astype(np.float64)
    face = group_slice("expression")
    count = len(GROUPS["expression"])
    used = rng.random(count) < rng.choice([0.05, 0.15, 0.4])
    values[face] = np.where(used, rng.random(count), values[face])
    turn = rotation_from_angles(*np.radians(rng.uniform(-35, 35, 3)))
    values[group_slice("head")] = vector_from_rotation(turn)
    values[group_slice("translation")] += rng.uniform(-0.6, 0.6, 3)
    values[group_slice("gaze")] = rng.uniform(-0.6, 0.6, 2)
    body = group_slice("body")
    values[body] = rng.uniform(-0.2, 0.2, len(values[body]))
    return values


def inside_face(renderer, values):
    """(H, W) bool: surely within the face as this motion places it, both eyes and mouth in it."""
    face, rest = renderer.face, renderer.portrait.rest
    oval = np.float32(face.landmarks[list(FACE_OVAL)])
    inner = [cv2.pointPolygonTest(oval, point, True) > EDGE * face.iod_px
             for point in face.landmarks.tolist()]  # fmt: skip
    weights = (values - rest)[group_slice("expression")]
    pose = renderer._pose(values)
    head = (face.head + np.tensordot(weights, face.basis, 1))[inner]
    camera = head @ pose.rotation.T + pose.translation
    places = np.float32(project(camera, pose.focal_px, pose.centre_px))
    mask = np.zeros(renderer.portrait.mask.shape, np.uint8)
    cv2.fillConvexPoly(mask, np.round(cv2.convexHull(places)).astype(np.int32), 1)
    hollow = round(HOLLOW * face.iod_px)  # the profile dents between brow and cheek
    return cv2.erode(mask, np.ones((2 * hollow + 1,) * 2, np.uint8)) > 0


def faults(renderer, values):
    """What is wrong with one frame, by name."""
    person = renderer.portrait
    frame = renderer.frame(values)
    found = {}
    if frame.shape != person.image.shape or frame.dtype != np.uint8:
        found["shape"] = frame.shape
    outside = np.ones(person.mask.shape, bool)
    x0, y0, x1, y1 = moving_region(person)
    outside[y0:y1, x0:x1] = False
    if (frame[outside] != person.image[outside]).any():
        found["background moved"] = int((frame[outside] != person.image[outside]).sum())
    red, green, blue = (frame[..., i].astype(int) for i in range(3))
    greenish = green - np.maximum(red, blue) > GREENER
    _, parts = cv2.connectedComponents(greenish.astype(np.uint8), connectivity=8)
    rim = np.concatenate([parts[0], parts[:, 0], parts[:, -1]])
    core = inside_face(renderer, values)
    reach = 2 * round(NEAR * renderer.face.iod_px) + 1
    around = cv2.dilate(core.astype(np.uint8), np.ones((reach, reach)))
    enclosed = greenish & (around > 0) & ~np.isin(parts, rim)
    through = (core & greenish) | enclosed
    if through.sum() > SPECK:
        found["background in the face"] = int(through.sum())
    return found


def jump(renderer, start, end, rng):
    """Largest change of the picture in a path's 1% steps, over what all its steps make likely."""
    first = rng.uniform(0, 1 - STEPS / 100)
    blocks = []
    for share in first + np.arange(STEPS + 1) / 100:
        frame = renderer.frame(start + share * (end - start)).astype(np.float32)
        blocks.append(cv2.resize(frame, (SIDE // BLOCK,) * 2, interpolation=cv2.INTER_AREA))
    steps = np.abs(np.diff(blocks, axis=0)).max((1, 2, 3))
    return float(steps.max() / (4 + 3 * np.median(steps)))


def check(person, renderer, motions, seed):
    rng = np.random.default_rng(seed)
    found = {}
    for i in range(motions):
        values = wild(rng, person.rest)
        for fault, size in faults(renderer, values).items():
            found.setdefault(fault, []).append((i, size))
        if i % PATHS == 0 and jump(renderer, person.rest.astype(np.float64), values, rng) > 1:
            found.setdefault("a jump", []).append(i)
    assert not found


@pytest.fixture(scope="module", params=photos())
def drawn(request):
    return on_green(request.param())


def test_rest_is_the_picture(drawn):
    person, renderer = drawn
    assert np.array_equal(renderer.frame(person.rest), person.image)


def test_no_hole_no_jump_and_a_still_background(drawn):
    check(*drawn, QUICK, seed=0)


@pytest.mark.slow
def test_thousands_of_motions(drawn):
    check(*drawn, MANY, seed=1)


def test_the_check_sees_a_hole_and_a_jump(drawn, monkeypatch):
    """The measures above find what is put in on purpose."""
    person, renderer = drawn
    x, y = np.round(person.landmarks[4, :2]).astype(int)  # the tip of the nose
    whole = renderer.frame

    def holed(values):
        frame = whole(values).copy()
        frame[y - 1 : y + 2, x - 1 : x + 2] = GREEN
        return frame

    def jumping(values):
        frame = whole(values)
        return frame if values[-1] < 0.5 else 255 - frame

    rest = person.rest.astype(np.float64)
    monkeypatch.setattr(Renderer, "frame", lambda _, values: holed(values))
    assert "background in the face" in faults(renderer, rest)
    monkeypatch.setattr(Renderer, "frame", lambda _, values: jumping(values))
    away = rest.copy()
    away[-1] = 1.0
    draws = (jump(renderer, rest, away, np.random.default_rng(seed)) for seed in range(40))
    assert max(draws) > 1
