"""The same performance seen from other sides: cameras that go round the person.

A camera that goes round somebody sees head and shoulders turn the other way.  So a view is the
motion with a turn added to head and body; background and light stay as in the photo.  Angles
are in degrees; positive ones show the person turned towards image right.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from enliven.errors import BadOption
from enliven.geometry import rotation_from_vector, vector_from_rotation
from enliven.render.layers import head_box
from enliven.render.renderer import OWN_SIZE_LIMIT, Renderer, RenderOptions
from enliven.render.scene import Scene
from enliven.types import INDEX, Motion, Portrait, group_slice

WIDEST = 90.0  # a camera farther round would see the back of the head
MOST = 9  # views side by side
TILED_WIDTH = 3840  # px that views side by side share
TURNTABLE = 30.0  # degrees to each side, and ...
TURN_SECONDS = 6.0  # ... how long it takes to turn there, to the other side and back

log = logging.getLogger("enliven")


def check_views(angles: Sequence[float]) -> tuple[float, ...]:
    """The angles of views as floats; raises BadOption if they cannot be."""
    try:
        views = tuple(float(angle) for angle in angles)
    except (TypeError, ValueError):
        views = (np.nan,)
    if not np.isfinite(views).all():
        raise BadOption(f"views {angles} are not angles; give degrees such as -30,-15,0,15,30")
    if len(set(views)) < len(views):
        raise BadOption("a view is named twice; give each angle once")
    if len(views) > MOST:
        raise BadOption(f"{len(views)} views are too many for one picture; give at most {MOST}")
    if any(abs(angle) > WIDEST for angle in views):
        raise BadOption(f"a view of {max(views, key=abs):g} degrees would see the back of the "
                        f"head; stay within {WIDEST:g}")  # fmt: skip
    return views


def orbit(motion: Motion, portrait: Portrait, degrees: ArrayLike) -> Motion:
    """The motion as a camera sees it from the side; degrees: one angle, or one a frame (T,)."""
    turn = np.zeros((len(motion), 3))
    turn[:, 1] = -np.radians(degrees)  # see `rotation_from_angles`
    rotation = rotation_from_vector(turn)
    values = motion.values.astype(np.float64)
    body = slice(INDEX["torsoRotX"], INDEX["torsoRotZ"] + 1)
    for part in (group_slice("head"), body):
        values[:, part] = vector_from_rotation(rotation @ rotation_from_vector(values[:, part]))
    place, rest = group_slice("translation"), portrait.rest[group_slice("translation")]
    away = values[:, place] - rest
    values[:, place] = rest + (rotation @ away[..., None])[..., 0]
    return Motion(values.astype(np.float32), motion.fps, motion.valid)


def turntable(frames: int, fps: float) -> NDArray[np.float64]:
    """Angles (T,) in degrees of a smooth turn to both sides, over and over."""
    return TURNTABLE * np.sin(2 * np.pi / TURN_SECONDS * np.arange(frames) / fps)


def render_views(
    portraits: Sequence[Portrait],
    motions: Sequence[Motion],
    views: Sequence[float],
    options: RenderOptions = RenderOptions(),
) -> Iterator[NDArray[np.uint8]]:
    """Frames of the views, several side by side; people and motions as for `render_people`.

    An angle that a photo cannot be turned by is shown as far as it can, with a note in the log.
    """
    if len(views) > 1:
        options = replace(options, size=_share(portraits[0], len(views), options))
    seen = [[orbit(motion, portrait, view).values
             for portrait, motion in zip(portraits, motions, strict=True)]
            for view in views]  # fmt: skip
    if len(portraits) == 1:
        alone = Renderer(portraits[0], options)
        _note_limits([alone], views)
        for i in range(len(motions[0])):
            yield cv2.hconcat([alone.frame(rows[0][i]) for rows in seen])
        return
    scene = Scene(portraits, options)
    _note_limits([figure.renderer for figure in scene.figures], views)
    for i in range(len(motions[0])):
        yield cv2.hconcat([scene.frame([row[i] for row in rows]) for rows in seen])


def _share(portrait: Portrait, count: int, options: RenderOptions) -> int:
    """Longer side in px of each of count views side by side; never more than they have alone."""
    own = head_box(portrait)[2] if options.crop else max(portrait.mask.shape)
    return max(64, min(options.size or min(round(own), OWN_SIZE_LIMIT), TILED_WIDTH // count))


def _note_limits(renderers: Sequence[Renderer], views: Sequence[float]) -> None:
    for view in views:
        angle = np.radians(view)
        shown = min((r.turn_limits.shown(float(angle)) for r in renderers), key=abs)
        if abs(angle - shown) > np.radians(1.5):
            log.warning("the view of %g degrees is shown at %.0f: this photo does not tell more of "
                        "that side of the head", view, np.degrees(shown))  # fmt: skip
