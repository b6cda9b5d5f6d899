"""What is said of hard photos, on spoilt copies of the example.

pytest tests/test_face_check.py
"""

import logging

import cv2
import numpy as np
import pytest
from face_samples import moved, portrait

from enliven.face.portrait import load_portrait
from enliven.render.renderer import Renderer
from enliven.types import INDEX, Motion


@pytest.fixture(scope="module")
def person():
    return load_portrait(portrait())


def said(image, caplog):
    """Warnings about a photo."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, "enliven"):
        load_portrait(np.ascontiguousarray(image))
    return [record.getMessage() for record in caplog.records]


def shown(person, **channels):
    values = person.rest.copy()
    values[[INDEX[name] for name in channels]] = list(channels.values())
    return Renderer(person).frame(values)


def hand(image, person):
    """Four fingers of skin across the mouth."""
    covered = image.astype(np.float32)
    x, y = person.landmarks[[13, 14], :2].mean(0)
    cheek = np.round(person.landmarks[50, :2]).astype(int)
    step = 0.2 * person.iod_px
    for finger in range(-2, 2):
        line = np.zeros(image.shape[:2], np.float32)
        start = round(x - 4 * step), round(y + (finger + 0.8) * step)
        end = round(x + 4 * step), round(y + (finger + 0.3) * step)
        cv2.line(line, start, end, 1.0, round(1.3 * step), cv2.LINE_AA)
        shade = 0.8 + 0.15 * cv2.GaussianBlur(line, (0, 0), 0.25 * step)
        colour = image[cheek[1], cheek[0]] * shade[..., None]
        covered += line[..., None] * (colour - covered)
    return covered.round().astype(np.uint8)


def test_a_good_photo_needs_no_words(caplog):
    assert said(portrait(), caplog) == []


def test_each_fault_is_named_once(person, caplog):
    x0 = person.landmarks[:, 0].min()
    chin = person.landmarks[152, 1]
    left, low = int(x0 + 0.06 * person.iod_px), int(chin - 0.06 * person.iod_px)
    photos = {
        "small": moved(portrait(), 0.4)[0],
        "edge of the photo": portrait()[:, left:],
        "the face: what lies beyond": portrait()[:low],
        "eyes are closed": shown(person, eyeBlinkLeft=1, eyeBlinkRight=1),
        "mouth stands wide open": shown(person, jawOpen=0.9),
        "cover the mouth": hand(portrait(), person),
        "blurred": cv2.GaussianBlur(portrait(), (0, 0), 0.06 * person.iod_px),
        "dark": (0.1 * portrait()).astype(np.uint8),
    }
    for part, image in photos.items():
        notes = said(image, caplog)
        assert len(notes) == 1, (part, notes)
        assert part in notes[0]


def test_eyes_closed_in_the_photo_stay_closed(person):
    """Whatever moves the lids: the picture around the eyes keeps its skin."""
    from enliven.drive import retarget

    closed = load_portrait(shown(person, eyeBlinkLeft=1, eyeBlinkRight=1))
    driver = Motion.still(1).with_channels(eyeWideLeft=0.8, gaze=np.float32([[0.2, 0.1]]))
    frame = Renderer(closed).frame(
        retarget(driver, closed, np.zeros(driver.values.shape[1])).values[0]
    )
    for ring in ((33, 133, 159, 145), (263, 362, 386, 374)):
        x, y = np.round(closed.landmarks[list(ring), :2].mean(0)).astype(int)
        near = np.s_[y - 6 : y + 7, x - 12 : x + 13]
        assert np.abs(frame[near].astype(int) - closed.image[near]).mean() < 3


def test_two_faces_side_by_side_are_named(person, caplog):
    half = moved(portrait(), 0.55)[0]
    x0, x1 = (round(v) for v in 0.55 * (person.landmarks[[234, 454], 0] - 256) + 256)
    strip = half[:, x0 - 4 : x1 + 4]
    assert any("another face" in note for note in said(np.hstack([strip, strip]), caplog))
