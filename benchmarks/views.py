"""Do views of one photo agree: the same person, seen from other sides?

    python benchmarks/views.py [--views -30,-15,15,30] [--sheets FOLDER] PHOTO ...

For each photo and view, all against the photo itself:

    shown     degrees the head was turned by; less than asked for where the photo allows no more
    tracked   degrees of turn that the face tracker sees in the picture drawn
    points    where it sees the landmarks against where the turned head has them, median, % of IOD,
              shape only: shift, size and tilt are taken out
    photo     the same for the photo, which is what the tracker itself is worth
    colour    difference of the skin at landmarks that both show, grey levels, one gain taken out
    smeared   % of the face drawn from too few pixels of the photo (less than 1 / 2.2 to one) and
              not completed by the mirror image
    pressed   % of the face where hidden skin is pressed to a strip instead of gone
"""

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.errors import NoFaceFound
from enliven.face.portrait import load_portrait
from enliven.face.pose import Camera, head_pose
from enliven.face.track import track_image
from enliven.geometry import angles_from_rotation, project, similarity
from enliven.media.image import write_png
from enliven.render.fold import invert_visible, turn_direction
from enliven.render.mesh import FACE_OVAL
from enliven.render.mirror import density
from enliven.render.renderer import Renderer, RenderOptions
from enliven.render.turn import SPREAD
from enliven.render.views import orbit
from enliven.render.warp import Pose
from enliven.types import Motion

PRESSED = 4.0  # photo pixels to a drawn one
PATCH = 0.03  # IOD around a landmark whose colours are averaged
HIDDEN = 0.2  # cosine to the viewer from which skin counts as shown


def measure(renderer: Renderer, view: float, seen: NDArray, away: float) -> list[float]:
    """The figures of one view.  seen: landmarks (478, 3) tracked in the photo, away: their yaw."""
    values = orbit(Motion.still(1, at=renderer.portrait.rest), renderer.portrait, view).values[0]
    pose, frame = renderer._pose(values), renderer.frame(values)
    turn = pose.rotation @ renderer.portrait.rotation.T
    shown = float(np.degrees(angles_from_rotation(turn)[0]))
    places = _places(renderer, pose)
    try:
        found, _ = track_image(frame)
    except NoFaceFound:
        return [shown, *[np.nan] * 4, *_texture(renderer, values, pose, frame, places)]
    still = renderer.face.pose
    errors = [_shape_error(found, places), _shape_error(seen, _places(renderer, still))]
    colour = _colour(renderer, frame, places, pose, still)
    return [shown, _yaw(renderer, found) - away, *errors, colour,
            *_texture(renderer, values, pose, frame, places)]  # fmt: skip


def _places(renderer: Renderer, pose: Pose) -> NDArray:
    camera = renderer.face.head @ pose.rotation.T + pose.translation
    return project(camera, pose.focal_px, pose.centre_px)


def _yaw(renderer: Renderer, landmarks: NDArray) -> float:
    camera = Camera(renderer.portrait.focal_px, renderer.portrait.centre_px)
    rotation = head_pose(landmarks, camera)[0]
    return float(np.degrees(angles_from_rotation(rotation)[0]))


def _shape_error(found: NDArray, expected: NDArray) -> float:
    found, expected = found[:468, :2], expected[:468]
    scale, rotation, shift = similarity(found, expected)
    gap = np.linalg.norm(scale * found @ rotation.T + shift - expected, axis=1)
    return float(100 * np.median(gap) / np.linalg.norm(expected[33] - expected[263]))


def _facing(renderer: Renderer, pose: Pose) -> NDArray[np.float64]:
    """Cosine (478,) between the skin at each landmark and the direction to the viewer."""
    head = renderer.face.head @ pose.rotation.T + pose.translation
    corner = head[renderer.face.triangles]
    across = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal = np.zeros_like(head)
    for i in range(3):
        np.add.at(normal, renderer.face.triangles[:, i], across)
    cosine = -(normal * head).sum(1) / np.maximum(
        np.linalg.norm(normal, axis=1) * np.linalg.norm(head, axis=1), 1e-9)  # fmt: skip
    return cosine * np.sign(np.median(cosine))


def _colour(renderer: Renderer, frame: NDArray, places: NDArray, pose: Pose, still: Pose) -> float:
    size = 2 * max(1, round(PATCH * renderer.face.iod_px)) + 1

    def sampled(image: NDArray, points: NDArray) -> NDArray:
        smooth = cv2.blur(image, (size, size)).astype(np.float32)
        points = points.astype(np.float32)[:, None]
        return cv2.remap(smooth, points, None, cv2.INTER_LINEAR,
                         borderMode=cv2.BORDER_REPLICATE)[:, 0]  # fmt: skip

    both = (_facing(renderer, pose) > HIDDEN) & (_facing(renderer, still) > HIDDEN)
    both[468:] = False
    here = sampled(frame, places)[both]
    there = sampled(renderer.portrait.image, _places(renderer, still))[both]
    gain = (here * there).sum() / max(float((here * here).sum()), 1.0)
    return float(np.abs(gain * here - there).mean())


def _texture(renderer: Renderer, values: NDArray, pose: Pose, frame: NDArray,
             places: NDArray) -> list[float]:  # fmt: skip
    person = renderer.person
    x0, y0, x1, y1 = person.region
    weights = np.zeros(len(person.skin.fields), np.float32)
    forward = person.skin.displacement(weights, pose, np.zeros(2, np.float32))
    grid = person.skin.grid
    back = invert_visible(forward, grid, grid, turn_direction(pose.rotation, person.rest))
    amount = grid.to_pixels(density(back, grid))
    oval = cv2.convexHull(np.int32(np.rint(places[list(FACE_OVAL)] - [x0, y0])))
    face = cv2.fillConvexPoly(np.zeros(amount.shape, np.uint8), oval, 1) > 0
    mirror = person.mirror
    renderer.person = replace(person, mirror=replace(mirror, trust=0.0))
    alone = renderer.frame(values)
    renderer.person = person
    completed = np.abs(frame.astype(int) - alone)[y0:y1, x0:x1].sum(-1) > 6
    return [
        100 * float(((amount < 1 / SPREAD) & ~completed)[face].mean()),
        100 * float((amount > PRESSED)[face].mean()),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--views", default="-30,-15,15,30", help="degrees")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--sheets", type=Path, help="folder for pictures of the views")
    arguments = parser.parse_args()
    views = [float(part) for part in arguments.views.split(",")]
    names = ("shown", "tracked", "points", "photo", "colour", "smeared", "pressed")
    print(f"{'photo':34s}{'view':>6s}" + "".join(f"{name:>9s}" for name in names))
    everything = []
    for photo in arguments.photos:
        renderer = Renderer(load_portrait(photo), RenderOptions(arguments.size, crop=True))
        seen, _ = track_image(renderer.portrait.image)
        for view in views:
            figures = measure(renderer, view, seen, _yaw(renderer, seen))
            everything.append([view, *figures])
            cells = "".join(f"{figure:9.1f}" for figure in figures)
            print(f"{photo.stem[:33]:34s}{view:+6.0f}{cells}", flush=True)
        if arguments.sheets is not None:
            still = Motion.still(1, at=renderer.portrait.rest)
            tiles = [renderer.frame(orbit(still, renderer.portrait, view).values[0])
                     for view in sorted([0.0, *views])]  # fmt: skip
            arguments.sheets.mkdir(parents=True, exist_ok=True)
            sheet = cv2.resize(np.hstack(tiles), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            write_png(arguments.sheets / f"{photo.stem}--views.png", sheet, overwrite=True)
    table = np.array(everything)
    for view in views:
        figures = np.nanmedian(table[table[:, 0] == view, 1:], axis=0)
        print(f"{'median':34s}{view:+6.0f}" + "".join(f"{figure:9.1f}" for figure in figures))


if __name__ == "__main__":
    main()
