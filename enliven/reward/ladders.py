"""Ladders: corruptions in steps whose order everybody agrees on, from none to the worst.

    for ladder in LADDERS:
        worse = [ladder.apply(step, scene) for step in ladder.steps]   # step 0 changes nothing

A judge must score each step of its own axis below the one before, and hardly move on the others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from enliven.reward import corruption as spoil
from enliven.reward import corruption_look as look
from enliven.reward import corruption_motion as act
from enliven.reward.corruption import Footage, HeadPlace
from enliven.types import Motion, Portrait

Axis = Literal["lip_sync", "expressiveness", "motion", "look"]
AXES: tuple[Axis, ...] = ("lip_sync", "expressiveness", "motion")


@dataclass(frozen=True)
class Scene:
    """What corruptions may need to know.

    footage: the clip.  head: where the head is in it.
    other: sound (N,) at 16 kHz of somebody else.
    portrait and motion: for ladders that act anew: the clip's first frame, and its own track.
    """

    footage: Footage
    head: HeadPlace
    other: NDArray | None = None
    portrait: Portrait | None = None
    motion: Motion | None = None
    seed: int = 0


@dataclass(frozen=True)
class Ladder:
    """axes: those that should fall, the first of them most; "look" is for checks, no judge's.
    steps: amounts from none to the worst, so far apart that no viewer mistakes their order.
    acted: made by acting the clip's motion anew on its first frame, so that the step which
    changes nothing is that performance and not the clip.
    """

    name: str
    axes: tuple[Axis, ...]
    steps: tuple[float, ...]
    unit: str
    corrupt: Callable[[Scene, float], Footage]
    acted: bool = False

    def apply(self, step: float, scene: Scene) -> Footage:
        """The clip at this step."""
        return self.corrupt(scene, step)


def _acted(change: Callable[[Motion, float, Scene], Motion]) -> Callable[[Scene, float], Footage]:
    def corrupt(scene: Scene, step: float) -> Footage:
        if scene.portrait is None or scene.motion is None:
            raise ValueError("a ladder that acts needs the scene's portrait and motion")
        changed = change(scene.motion, step, scene)
        return act.performed(scene.portrait, changed, scene.footage.samples, like=scene.motion)

    return corrupt


def _sound(scene: Scene) -> NDArray:
    samples = scene.footage.samples
    return np.zeros(1, np.float32) if samples is None else samples


def _swapped(scene: Scene, step: float) -> Footage:
    if not step:
        return scene.footage
    if scene.other is None:
        raise ValueError("a ladder that swaps the sound needs the scene's other sound")
    return spoil.swap_sound(scene.footage, scene.other)


LIP: tuple[Axis, ...] = ("lip_sync",)
FACE: tuple[Axis, ...] = ("expressiveness",)
MOVES: tuple[Axis, ...] = ("motion",)
ALL: tuple[Axis, ...] = ("motion", "expressiveness", "lip_sync")
LOOK: tuple[Axis, ...] = ("look",)

SOUND_LADDERS = (
    Ladder("sound late", LIP, (0, 3, 6, 10), "frames",
           lambda s, x: spoil.shift_sound(s.footage, x)),
    Ladder("sound early", LIP, (0, 3, 6, 10), "frames",
           lambda s, x: spoil.shift_sound(s.footage, -x)),
    Ladder("sound of another", LIP, (0, 1), "", _swapped),
    Ladder("mute", LIP, (0, 1), "", lambda s, x: spoil.mute(s.footage) if x else s.footage),
)  # fmt: skip

FRAME_LADDERS = (
    Ladder("freeze", ALL, (0, 0.35, 0.7, 1), "of the time",
           lambda s, x: spoil.freeze(s.footage, x)),
    Ladder("frames held", MOVES, (1, 2, 4, 7), "times",
           lambda s, x: spoil.hold_frames(s.footage, int(x))),
    Ladder("jitter", MOVES, (0, 0.7, 1.5, 3), "px",
           lambda s, x: spoil.jitter(s.footage, x, seed=s.seed)),
    Ladder("head jitter", MOVES, (0, 0.7, 1.5, 3), "px",
           lambda s, x: spoil.jitter(s.footage, x, degrees=x / 3, head=s.head, seed=s.seed)),
    Ladder("flicker", MOVES, (0, 0.03, 0.08, 0.2), "of the brightness",
           lambda s, x: spoil.flicker(s.footage, x, seed=s.seed)),
    Ladder("colour flicker", MOVES, (0, 0.03, 0.08, 0.2), "of each channel",
           lambda s, x: spoil.flicker(s.footage, 0, colour=x, seed=s.seed)),
    Ladder("drift", MOVES, (0, 0.08, 0.2, 0.4), "of the width",
           lambda s, x: spoil.drift(s.footage, x, head=s.head, seed=s.seed)),
    Ladder("skips", MOVES, (0, 1, 3, 8), "jumps",
           lambda s, x: spoil.skips(s.footage, int(x), seed=s.seed)),
)  # fmt: skip

ACTED_LADDERS = (
    Ladder("damped", ("expressiveness", "motion", "lip_sync"), (1, 0.5, 0.2, 0), "of the movement",
           _acted(lambda m, x, s: act.scaled(m, x)), True),
    Ladder("damped face", FACE, (1, 0.5, 0.2, 0), "of the movement",
           _acted(lambda m, x, s: act.scaled(m, x, "face")), True),
    Ladder("damped head", MOVES, (1, 0.4, 0), "of the movement",
           _acted(lambda m, x, s: act.scaled(m, x, "head")), True),
    Ladder("exaggerated face", FACE, (1, 6, 12), "of the movement",
           _acted(lambda m, x, s: act.scaled(m, x, "face")), True),
    Ladder("hurried head", MOVES, (1, 2.5, 5), "times as fast",
           _acted(lambda m, x, s: act.hurried_head(m, x)), True),
    Ladder("flapping mouth", LIP, (0, 0.5, 1), "of the mouth",
           _acted(lambda m, x, s: act.flapping(m, x)), True),
    Ladder("loudness-only mouth", LIP, (0, 1), "of the mouth",
           _acted(lambda m, x, s: act.loudness_mouth(m, _sound(s), x)), True),
    Ladder("trembling", MOVES, (0, 0.05, 0.12, 0.3), "of full expression",
           _acted(lambda m, x, s: act.trembling(m, x, seed=s.seed)), True),
)  # fmt: skip

LOOK_LADDERS = (
    Ladder("sharpened", LOOK, (0, 0.8, 2, 5), "times", lambda s, x: look.sharpen(s.footage, x)),
    Ladder("ringing", LOOK, (0, 1, 3, 6), "times", lambda s, x: look.ringing(s.footage, x)),
    Ladder("blurred", LOOK, (0, 1, 2, 4), "px", lambda s, x: look.blur(s.footage, x)),
    Ladder("plastic", LOOK, (0, 0.5, 1), "", lambda s, x: look.plastic(s.footage, x)),
    Ladder("grain", LOOK, (0, 4, 10, 25), "levels",
           lambda s, x: look.grain(s.footage, x, seed=s.seed)),
    Ladder("grid of 8", LOOK, (0, 3, 8, 20), "levels", lambda s, x: look.grid(s.footage, x)),
    Ladder("grid of 16", LOOK, (0, 3, 8, 20), "levels",
           lambda s, x: look.grid(s.footage, x, period=16)),
    Ladder("saturated", LOOK, (1, 1.4, 2, 3), "times", lambda s, x: look.saturation(s.footage, x)),
    Ladder("contrast", LOOK, (1, 1.3, 1.8, 2.6), "times", lambda s, x: look.contrast(s.footage, x)),
    Ladder("brightened", LOOK, (1, 1.25, 1.6, 2.2), "times",
           lambda s, x: look.brightness(s.footage, x)),
    Ladder("darkened", LOOK, (1, 0.75, 0.5, 0.3), "times",
           lambda s, x: look.brightness(s.footage, x)),
    Ladder("painted", LOOK, (0, 0.5, 1), "", lambda s, x: look.painted(s.footage, x)),
    Ladder("resolution", LOOK, (1, 0.5, 0.25, 0.12), "of the size",
           lambda s, x: look.resolution(s.footage, x)),
    Ladder("codec", LOOK, (0, 32, 42, 50), "rate factor",
           lambda s, x: look.codec(s.footage, int(x)) if x else s.footage),
)  # fmt: skip

LADDERS = (*SOUND_LADDERS, *FRAME_LADDERS, *ACTED_LADDERS, *LOOK_LADDERS)


def ladder(name: str) -> Ladder:
    """A ladder of LADDERS by its name.  Raises KeyError."""
    return {each.name: each for each in LADDERS}[name]
