"""A photo's own teeth, lifted onto the arches that the drawn ones stand on.

Where a photo shows teeth they replace the painted ones, which continue them under the lips in
the same colours: painted ones are tinted by what the photo's teeth next to them look like.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.face import smooth_step
from enliven.render.layers import push_pull
from enliven.render.teeth import MM, Row

MIDDLE_MM = 9.0  # the incisors, by which a row is found
LEAST_TOOTH_MM = 2.0  # less than this of the incisors shown is no row of teeth
TALLEST_MM = 11.0
FARTHEST_EDGE = 0.08  # IOD from where people's teeth end
MOST_SHORTER_MM = 2.0  # teeth further behind the edge than this are merely in the dark
LEAST_LIGHT = 0.4  # teeth in deeper shade than this are not brightened any further
TINT_RANGE = (0.5, 1.9)


def tooth_like(image: NDArray[np.uint8], inside: NDArray[np.float32],
               skin: NDArray) -> NDArray[np.float32]:  # fmt: skip
    """How much each pixel (h, w) looks like a tooth, 0..1: bright, and not as red as a lip."""
    colour = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 0.7)
    red = np.maximum(colour[..., 0], 1)
    pale = (colour[..., 1] + colour[..., 2]) / (2 * red)
    limit = float((skin[1] + skin[2]) / (2 * max(skin[0], 1)))
    bright = colour.mean(-1) / max(float(skin.mean()), 1)
    # in shade teeth are as pale as ever; flesh that is as bright is redder than the skin
    score = smooth_step((pale - limit + 0.06) / 0.12) * smooth_step((bright - 0.38) / 0.2)
    return (score * (inside > 0.5)).astype(np.float32)


def find_edge(row: Row, pixels: NDArray[np.float32], score: NDArray[np.float32]) -> float | None:
    """How far towards the gum, IOD, the biting edge of the photo's teeth lies from the row's.

    pixels: (h, w, 2) places of the row's picture in the score's window.  None if no teeth show.
    """
    points, v = row.at_rest()
    middle = np.abs(points[0, :, 0]) < MIDDLE_MM * MM
    like = cv2.remap(score, pixels[:, middle], None, cv2.INTER_LINEAR)
    rows = np.flatnonzero((like > 0.5).mean(1) > 0.4)
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    edges = [max(v[run[0]], v[run[-1]] - TALLEST_MM * MM) for run in runs
             if len(run) > 1 and v[run[-1]] - v[run[0]] > LEAST_TOOTH_MM * MM]  # fmt: skip
    edges = [edge for edge in edges if abs(edge) < FARTHEST_EDGE]
    return float(min(edges, key=abs)) if edges else None


def lift(row: Row, image: NDArray[np.uint8], pixels: NDArray[np.float32],
         inside: NDArray[np.float32], score: NDArray[np.float32],
         light: NDArray[np.float32]) -> Row:  # fmt: skip
    """The row with the teeth of image (h, w, 3) on its picture (H, W, 4).

    pixels: (H, W, 2) places of the picture in the image.  inside, score: (h, w) what lies
    between the lips there, and what of it looks like teeth.  light: (H, W) share of light in
    which the photo shows them.
    """
    v = row.at_rest()[1]
    photo = cv2.remap(image, pixels, None, cv2.INTER_LINEAR,
                      borderMode=cv2.BORDER_REPLICATE).astype(np.float32)  # fmt: skip
    between, like = (cv2.remap(a, pixels, None, cv2.INTER_LINEAR) for a in (inside, score))
    like[v < 0] = between[v < 0] = 0
    # from a column's first tooth-like pixel up, all that shows is tooth or gum
    front = v[:, None] >= 0
    seen = like > 0.5
    first = _steady(np.where(seen.any(0), seen.argmax(0), len(v)), row.px_per_iod)
    known = smooth_step((np.arange(len(v))[:, None] - first) / 2.0 + 0.5) * between * front
    known = cv2.GaussianBlur(known.astype(np.float32), (0, 0), 0.8)
    colour = np.clip(photo / np.maximum(light, LEAST_LIGHT)[..., None], 0, 255)
    if known.max() < 0.5:
        return row
    picture = row.picture.copy()
    solid = (known > 0.6).astype(np.float32)
    blur = max(1.0, 1.5 * MM * row.px_per_iod)
    mass = cv2.GaussianBlur(solid, (0, 0), blur)[..., None] + 1e-4
    there = cv2.GaussianBlur(colour * solid[..., None], (0, 0), blur) / mass
    drawn = cv2.GaussianBlur(picture[..., :3] * solid[..., None], (0, 0), blur) / mass
    tint = np.clip(there / np.maximum(drawn, 1), *TINT_RANGE)
    tint = push_pull(tint.astype(np.float32), solid)
    picture[..., :3] = np.clip(picture[..., :3] * tint, 0, 255)
    picture[..., :3] += known[..., None] * (colour - picture[..., :3])
    # the photo also knows where its teeth end
    columns = seen.any(0) & (first < np.searchsorted(v, MOST_SHORTER_MM * MM))
    below = (np.arange(len(v))[:, None] < first) & front & columns
    open_below = cv2.GaussianBlur((below & (between > 0.5)).astype(np.float32), (0, 0), 0.8)
    picture[..., 3] = np.maximum(picture[..., 3] * (1 - open_below), known)
    return replace(row, picture=picture)


def _steady(first: NDArray[np.int64], px_per_iod: float) -> NDArray[np.int64]:
    """Rows (w,) without what dark gaps and gleams do to single columns."""
    reach = max(1, round(1.5 * MM * px_per_iod))
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(first, reach, mode="edge"), 2 * reach + 1
    )
    return np.median(around, axis=1).astype(np.int64)
