"""One photo, many faces: a sheet of expressions, gazes and turns, to look at:

    python benchmarks/expression_sheets.py FOLDER PHOTO ... [--zoom whole|face|mouth|eyes]
        [--only ah oo ...] [--size PX] [--tile PX]

Writes FOLDER/<photo>--<zoom>.png for each photo.  The first tile is the photo; all others show
absolute expressions, so that a photo that smiles has to stop smiling to say "oo".
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.face.portrait import load_portrait
from enliven.geometry import rotation_from_angles, vector_from_rotation
from enliven.media.image import write_png
from enliven.render.mesh import CHIN, FACE_OVAL, FOREHEAD
from enliven.render.renderer import Renderer, RenderOptions
from enliven.types import INDEX, group_slice


def both(**channels: float) -> dict[str, float]:
    """Channels given without a side, on both sides."""
    return {
        name if name in INDEX else name + side: value
        for name, value in channels.items()
        for side in ("Left", "Right")
    }


# name -> channels; "yaw" and "pitch" in degrees are added to the photo's own pose
POSES: dict[str, dict[str, float]] = {
    "photo": {},
    "neutral": {"jawOpen": 0.0},
    "ah": both(jawOpen=0.62, mouthLowerDown=0.25, mouthUpperUp=0.15),
    "wide": both(jawOpen=1.0, mouthLowerDown=0.3, mouthUpperUp=0.25),
    "oo": both(jawOpen=0.12, mouthPucker=0.75, mouthFunnel=0.35),
    "oh": both(jawOpen=0.42, mouthFunnel=0.6, mouthPucker=0.3),
    "ee": both(jawOpen=0.12, mouthSmile=0.3, mouthStretch=0.45, mouthLowerDown=0.35,
               mouthUpperUp=0.2),
    "mm": both(mouthClose=0.05, mouthPress=0.5, mouthRollLower=0.3, mouthRollUpper=0.25),
    "f": both(jawOpen=0.08, mouthRollLower=0.55, mouthUpperUp=0.3),
    "smile": both(mouthSmile=0.8, cheekSquint=0.6, eyeSquint=0.35),
    "laugh": both(mouthSmile=0.9, cheekSquint=0.8, eyeSquint=0.5, jawOpen=0.35,
                  mouthUpperUp=0.4, mouthLowerDown=0.3),
    "sad": both(mouthFrown=0.7, browInnerUp=0.8, browDown=0.2, mouthShrugLower=0.4),
    "surprise": both(browInnerUp=0.9, browOuterUp=0.9, eyeWide=0.8, jawOpen=0.5),
    "angry": both(browDown=0.9, noseSneer=0.5, eyeSquint=0.4, mouthPress=0.5),
    "disgust": both(noseSneer=0.9, mouthUpperUp=0.5, browDown=0.5, cheekSquint=0.4),
    "half blink": both(eyeBlink=0.5),
    "blink": both(eyeBlink=1.0),
    "look left": {"gazeYaw": -0.5},
    "look right": {"gazeYaw": 0.5},
    "look up": {"gazePitch": -0.4},
    "look down": {"gazePitch": 0.4},
    "yaw -15": {"yaw": -15.0},
    "yaw 15": {"yaw": 15.0},
    "yaw -30": {"yaw": -30.0},
    "yaw 30": {"yaw": 30.0},
    "pitch -20": {"pitch": -20.0},
    "pitch 20": {"pitch": 20.0},
    "turn and talk": both(jawOpen=0.4, mouthLowerDown=0.2, yaw=14.0, pitch=-6.0, roll=6.0),
}  # fmt: skip


def posed(renderer: Renderer, pose: dict[str, float]) -> NDArray[np.float32]:
    """Motion values (C,) of one tile."""
    values = renderer.portrait.rest.copy()
    if not pose:
        return values
    turn = {name: np.radians(pose.get(name, 0.0)) for name in ("yaw", "pitch", "roll")}
    rotation = rotation_from_angles(*turn.values())
    values[group_slice("head")] = vector_from_rotation(rotation @ renderer.portrait.rotation)
    channels = {name: value for name, value in pose.items() if name in INDEX}
    if any(name in INDEX and INDEX[name] < group_slice("expression").stop for name in channels):
        values[group_slice("expression")] = 0
    for name, value in channels.items():
        values[INDEX[name]] = value
    return values


def zoomed(renderer: Renderer, zoom: str) -> tuple[slice, slice]:
    """The part of a frame that a tile shows."""
    portrait = renderer.portrait
    (width, height), iod = renderer.size, portrait.iod_px
    points = portrait.landmarks[:, :2]
    if zoom == "whole":
        return slice(0, height), slice(0, width)
    if zoom == "face":
        centre = (points[list(FACE_OVAL)].min(0) + points[list(FACE_OVAL)].max(0)) / 2
        half = 0.72 * float(np.linalg.norm(points[CHIN] - points[FOREHEAD]))
        reach = np.array([half, half])
    elif zoom == "mouth":
        centre, reach = points[[61, 291, 17]].mean(0), np.array([0.55, 0.5]) * iod
    else:
        centre, reach = points[[33, 263]].mean(0), np.array([0.75, 0.38]) * iod
    low = np.maximum(np.rint(centre - reach).astype(int), 0)
    high = np.minimum(np.rint(centre + reach).astype(int), [width, height])
    return slice(low[1], high[1]), slice(low[0], high[0])


def labelled(tile: NDArray[np.uint8], name: str, width: int) -> NDArray[np.uint8]:
    height = round(tile.shape[0] * width / tile.shape[1])
    tile = cv2.resize(tile, (width, height), interpolation=cv2.INTER_AREA
                      if width < tile.shape[1] else cv2.INTER_CUBIC)  # fmt: skip
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(tile, name, (5, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.48, colour, thickness,
                    cv2.LINE_AA)  # fmt: skip
    return tile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--zoom", choices=("whole", "face", "mouth", "eyes"), default="face")
    parser.add_argument("--only", nargs="+", choices=POSES, metavar="POSE", help=", ".join(POSES))
    parser.add_argument("--size", type=int, default=768, help="head crop drawn at, px")
    parser.add_argument("--tile", type=int, default=256, help="width of a tile, px")
    parser.add_argument("--columns", type=int, default=7)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for photo in arguments.photos:
        options = RenderOptions(size=arguments.size, crop=True)
        renderer = Renderer(load_portrait(photo), options)
        shown = zoomed(renderer, arguments.zoom)
        tiles = [labelled(np.ascontiguousarray(renderer.frame(posed(renderer, POSES[name]))[shown]),
                          name, arguments.tile) for name in arguments.only or POSES]  # fmt: skip
        columns = min(arguments.columns, len(tiles))
        tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
        rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
        path = arguments.folder / f"{photo.stem}--{arguments.zoom}.png"
        print(write_png(path, np.vstack(rows), overwrite=True))


if __name__ == "__main__":
    main()
