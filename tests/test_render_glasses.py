"""Glasses drawn onto a bare face are found; what they lie on does not move."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from enliven.face.portrait import load_portrait
from enliven.geometry import project, rotation_from_angles
from enliven.render.eyes import build_eyes
from enliven.render.face import describe_face
from enliven.render.glasses import ANGLES, find_glasses, stiffened
from enliven.render.person import cut_person
from enliven.render.renderer import Renderer
from enliven.types import INDEX

EXAMPLE = Path(__file__).parents[1] / "examples" / "portrait.jpg"
RADIUS = 0.27  # IOD


@pytest.fixture(scope="module")
def bare():
    return load_portrait(EXAMPLE)


def wearing(portrait, colour=(40, 20, 20), glass=None):
    """The portrait with round glasses, and the middles of its eyes."""
    image, iod = portrait.image.copy(), portrait.iod_px
    eyes = [portrait.landmarks[list(pair), :2].mean(0) for pair in ((33, 133), (362, 263))]
    middle = np.mean(eyes, 0)
    for eye in eyes:
        at, radius = np.rint(eye).astype(int).tolist(), round(RADIUS * iod)
        if glass is not None:
            cv2.circle(image, at, radius, glass, -1)
        cv2.circle(image, at, radius, colour, max(2, round(0.04 * iod)), cv2.LINE_AA)
    ends = [eye + RADIUS * iod * (middle - eye) / np.linalg.norm(middle - eye) for eye in eyes]
    a, b = (np.rint(end).astype(int).tolist() for end in ends)
    cv2.line(image, a, b, colour, max(2, round(0.05 * iod)), cv2.LINE_AA)
    return replace(portrait, image=image), np.array(eyes)


def face_of(portrait):
    return describe_face(portrait, portrait.landmarks, portrait.basis, portrait.triangles)


def test_a_bare_face_wears_none(bare):
    assert find_glasses(face_of(bare)) is None


@pytest.mark.parametrize("colour", [(40, 20, 20), (90, 90, 190), (250, 250, 255)])
def test_glasses_are_found_where_they_are(bare, colour):
    worn, eyes = wearing(bare, colour)
    glasses = find_glasses(face_of(worn))
    assert glasses is not None
    assert not glasses.dark
    for rim, eye in zip(glasses.rims, eyes, strict=True):
        assert rim.shape == (ANGLES, 2)
        away = np.linalg.norm(rim - eye, axis=1) / worn.iod_px
        assert np.median(np.abs(away - RADIUS)) < 0.03


def test_dark_glasses_hide_the_eyes(bare):
    worn, _ = wearing(bare, glass=(25, 30, 35))
    face = face_of(worn)
    glasses = find_glasses(face)
    assert glasses is not None
    assert glasses.dark
    assert build_eyes(face, cut_person(worn, face, worn.landmarks).skin, np.zeros(2), glasses) == []


def test_the_frame_stays_as_brows_and_cheeks_move(bare):
    worn, eyes = wearing(bare)
    face = face_of(worn)
    glasses = find_glasses(face)
    skin = stiffened(cut_person(worn, face, worn.landmarks).skin, glasses, face)
    stiff = glasses.stiffness(skin.places, face.iod_px)[skin.part]
    assert (stiff > 0.99).any()
    assert (stiff == 0).any()
    assert np.abs(skin.fields[:, stiff > 0.999]).max() < 1e-3
    renderer = Renderer(worn)
    values = worn.rest.copy()
    assert np.array_equal(renderer.frame(values), worn.image)
    for name in ("browInnerUp", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft"):
        values[INDEX[name]] = 0.8
    frame = renderer.frame(values).astype(int)
    angle = np.linspace(0, 2 * np.pi, 90)
    ring = eyes[:, None] + RADIUS * worn.iod_px * np.stack([np.cos(angle), np.sin(angle)], -1)
    x, y = np.rint(ring.reshape(-1, 2)).astype(int).T
    assert np.abs(frame - worn.image)[y, x].mean() < 6
    assert np.abs(frame - worn.image).max() > 60  # the eye behind did shut


def test_round_glasses_stay_ellipses_as_the_head_turns(bare):
    """A circle in a plane is seen as an ellipse: its moments explain it, as no bent rim's do."""
    worn, eyes = wearing(bare)
    face = face_of(worn)
    skin = stiffened(cut_person(worn, face, worn.landmarks).skin, find_glasses(face), face)
    camera = skin.head @ face.pose.rotation.T + face.pose.translation
    places = project(camera, face.pose.focal_px, face.pose.centre_px)
    assert np.abs(places - skin.places).max() < 0.02  # at rest nothing moves
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    ring = eyes[0] + RADIUS * worn.iod_px * np.stack([np.cos(angle), np.sin(angle)], -1)
    column, row = skin.grid.to_cells(ring.astype(np.float32))
    points = cv2.remap(skin.head, column[None], row[None], cv2.INTER_LINEAR)[0]
    turn = rotation_from_angles(np.radians(25)) @ face.pose.rotation
    seen = project(points @ turn.T + face.pose.translation, face.pose.focal_px,
                   face.pose.centre_px)  # fmt: skip
    centred = seen - seen.mean(0)
    radius = np.sqrt(np.einsum("pi,ij,pj->p", centred, np.linalg.inv(np.cov(centred.T)), centred))
    assert radius.std() / radius.mean() < 0.02
