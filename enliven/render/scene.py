"""Several people of one photo, each with a motion of their own, in one frame.

The nearest person is lifted out of the photo first and whoever is behind is cut from what
remains, so that nobody's background holds anybody who moves.  Frames are put together the
other way round, the farthest person first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.render.alpha import straight
from enliven.render.layers import head_box, push_pull, reframe
from enliven.render.person import moving_region
from enliven.render.renderer import Renderer, RenderOptions, output_size, render
from enliven.types import Motion, Portrait

MARGIN = 0.5  # IOD of photo around the moving region that a person is cut out with
SURE = 4.0  # how quickly a guess of what somebody in front hides turns from no to yes


@dataclass(frozen=True)
class Figure:
    """One person cut out of the photo.

    where: the part of the picture (rows, columns) that may move.  inside: the same part of the
    renderer's own frames.  behind: (h, w, 3) uint8, that part without the person.
    """

    renderer: Renderer
    where: tuple[slice, slice]
    inside: tuple[slice, slice]
    behind: NDArray[np.uint8]


class Scene:
    """Draws frames of several people of one photo."""

    def __init__(
        self, portraits: Sequence[Portrait], options: RenderOptions = RenderOptions()
    ) -> None:
        self.options = options
        height, width = portraits[0].image.shape[:2]
        box = _everybody(portraits) if options.crop else (0.0, 0.0, float(width), float(height))
        size = output_size(box, options)
        people = [reframe(portrait, box, size) for portrait in portraits]
        # under one nominal camera whoever looks larger is nearer
        self.order = sorted(range(len(people)), key=lambda i: -people[i].iod_px)
        image, hidden = people[0].image, np.zeros(people[0].mask.shape, np.uint8)
        self.figures = []
        for i in self.order:
            mask = _completed(people[i].mask, hidden)
            figure = _cut(replace(people[i], image=image, mask=mask))
            self.figures.append(figure)
            image = image.copy()
            image[figure.where] = figure.behind
            hidden = np.maximum(hidden, people[i].mask)
        self.empty = image
        # bodies beyond their moving regions are there, too
        whole = np.maximum.reduce([person.mask for person in people])
        for figure in self.figures:
            whole[figure.where] = 0
        self.outside = whole.astype(np.float32) / 255

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames, px."""
        return self.empty.shape[1], self.empty.shape[0]

    def frame(self, values: Sequence[NDArray]) -> NDArray[np.uint8]:
        """A row (C,) of motion for each portrait -> (H, W, 3) uint8, (H, W, 4) if transparent."""
        output = self.empty.copy()
        alpha = np.zeros(output.shape[:2], np.float32)
        for i, figure in zip(reversed(self.order), reversed(self.figures), strict=True):
            drawn, cover = figure.renderer.draw(values[i])
            drawn, shown = drawn[figure.inside], output[figure.where]
            # what has moved behind this person shows where the person is not
            moved = cv2.subtract(shown, figure.behind, dtype=cv2.CV_16S)
            if moved.any():
                moved = cv2.multiply(cv2.merge([1 - cover] * 3), moved, dtype=cv2.CV_32F)
                drawn = cv2.add(drawn, moved, dtype=cv2.CV_8U)
            output[figure.where] = drawn
            beneath = alpha[figure.where]
            alpha[figure.where] = cover + (1 - cover) * beneath
        if not self.options.transparent:
            return output
        return straight(output, self.empty, np.maximum(alpha, self.outside))


def _cut(portrait: Portrait) -> Figure:
    """Cut a person out of a picture, together with no more of it than is needed."""
    x0, y0, x1, y1 = moving_region(portrait)
    height, width = portrait.mask.shape
    margin = round(MARGIN * portrait.iod_px)
    left, top = max(0, x0 - margin), max(0, y0 - margin)
    size = min(width, x1 + margin) - left, min(height, y1 + margin) - top
    window = reframe(portrait, (left, top, *size), size)
    renderer = Renderer(window, RenderOptions(max(size)))
    behind = np.rint(renderer.person.layers.background).astype(np.uint8)
    where = slice(y0, y1), slice(x0, x1)
    inside = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    return Figure(renderer, where, inside, behind)


def _completed(mask: NDArray[np.uint8], hidden: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The matte (h, w) of a person continued where nearer people hide the photo (h, w)."""
    if not hidden.any():
        return mask
    share = np.float32(1 / 255) * hidden
    guess = push_pull(cv2.merge([mask.astype(np.float32)] * 3), 1 - share)[..., 0]
    guess = np.clip(127.5 + SURE * (guess - 127.5), 0, 255)
    return np.rint(mask + share * np.maximum(guess - mask, 0)).astype(np.uint8)


def _everybody(portraits: Sequence[Portrait]) -> tuple[float, float, float, float]:
    """The box (x, y, width, height) px around everybody's head and shoulders."""
    boxes = np.array([head_box(portrait) for portrait in portraits])
    x0, y0 = boxes[:, :2].min(0).tolist()
    x1, y1 = (boxes[:, :2] + boxes[:, 2:]).max(0).tolist()
    return x0, y0, x1 - x0, y1 - y0


def render_people(
    portraits: Sequence[Portrait],
    motions: Sequence[Motion],
    options: RenderOptions = RenderOptions(),
) -> Iterator[NDArray[np.uint8]]:
    """Frames of several people of one photo, one by one; a motion each, of the same length."""
    if len(portraits) == 1:
        yield from render(portraits[0], motions[0], options)
        return
    scene = Scene(portraits, options)
    for rows in zip(*(motion.values for motion in motions), strict=True):
        yield scene.frame(rows)
