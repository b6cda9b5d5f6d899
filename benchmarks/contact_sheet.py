"""Frames of a video side by side, to look at:

    python benchmarks/contact_sheet.py VIDEO SHEET.png [--at S ...] [--frames N] [--columns N]

--at names times in seconds; otherwise N frames are taken at equal distances.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from enliven.media.image import write_png
from enliven.media.video import read_frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--at", type=float, nargs="+")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--width", type=int, default=256)
    arguments = parser.parse_args()

    clip = read_frames(arguments.video)
    height = round(arguments.width * clip.size[1] / clip.size[0])
    small = [cv2.resize(frame, (arguments.width, height), interpolation=cv2.INTER_AREA)
             for frame in clip.frames]  # fmt: skip
    if arguments.at:
        chosen = [min(round(t * clip.fps), len(small) - 1) for t in arguments.at]
    else:
        chosen = list(np.linspace(0, len(small) - 1, arguments.frames).round().astype(int))
    tiles = [small[i] for i in chosen]
    columns = min(arguments.columns, len(tiles))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    print(write_png(arguments.sheet, np.vstack(rows), overwrite=True))


if __name__ == "__main__":
    main()
