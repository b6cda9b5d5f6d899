"""What can be asked of a speaking face: strengths, tempo, emotion, gaze, a timed control track."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from enliven.errors import BadOption
from enliven.motion.emotion import EMOTIONS

Emotion = tuple[tuple[str, float], ...]
Gaze = tuple[float, float]

# Smallest and largest value of every control that is one number.
LIMITS: Mapping[str, tuple[float, float]] = {
    "mouth": (0.0, 2.0), "head_motion": (0.0, 2.0), "expression": (0.0, 2.0),
    "brows": (0.0, 2.0), "eyes": (0.0, 2.0), "speed": (0.2, 3.0), "blink_rate": (0.0, 60.0),
    **dict.fromkeys(EMOTIONS, (0.0, 1.0)),
}  # fmt: skip

# How far the look may be sent aside, degrees of yaw and pitch: head and eyes together.
GAZE_LIMIT = (30.0, 20.0)
GAZE_WORDS: Mapping[str, Gaze | None] = {
    "free": None, "camera": (0.0, 0.0), "left": (-20.0, 0.0), "right": (20.0, 0.0),
    "up": (0.0, -12.0), "down": (0.0, 12.0),
}  # fmt: skip


@dataclass(frozen=True)
class SpeechOptions:
    """How a face behaves while it speaks.  Raises BadOption outside the ranges.

    mouth: how widely lips and jaw move, 0 to 2; 1 is an average speaker.
    head_motion: how much head and shoulders move, 0 to 2; 1 is as people do.
    expression: how much brows and eyes join in, free glances included, 0 to 2.
    blink_rate: blinks a minute, 0 to 60; None: as people do, more while speaking.
    still: only mouth and lids move; head, shoulders, gaze and brows keep their rest.
    speed: how fast the head turns, 0.2 to 3; 1 is as people do.
    emotion: intensities 0 to 1 by the names in EMOTIONS, also as text, "happy:0.6,surprised:0.2".
    gaze: where to look, degrees (yaw, pitch) away from the viewer, to image right and down, also
        as text, "20,-5" or a word of GAZE_WORDS; None: freely, mostly at the viewer.
    control: a file of controls over time, see `motion.timed`; it rules over what it sets.
    """

    mouth: float = 1.0
    head_motion: float = 1.0
    expression: float = 1.0
    blink_rate: float | None = None
    still: bool = False
    speed: float = 1.0
    emotion: str | Mapping[str, float] | Emotion = ()
    gaze: str | Gaze | None = None
    control: str | Path | None = None

    def __post_init__(self) -> None:
        for name in ("mouth", "head_motion", "expression", "speed", "blink_rate"):
            value = getattr(self, name)
            if not (value is None and name == "blink_rate"):
                check_number(name, value)
        object.__setattr__(self, "emotion", parse_emotion(self.emotion))
        object.__setattr__(self, "gaze", parse_gaze(self.gaze))
        if self.control is not None:
            object.__setattr__(self, "control", Path(self.control))


def check_number(name: str, value: object) -> float:
    """The value of a control in LIMITS as a float.  Raises BadOption."""
    low, high = LIMITS[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and low <= value <= high):  # type: ignore[operator]
        raise BadOption(f"{name} is {value}; choose a number from {low:g} to {high:g}")
    return float(value)  # type: ignore[arg-type]


def parse_emotion(value: object) -> Emotion:
    """(name, intensity) of what is felt, in the order of EMOTIONS; nothing for a neutral face.

    value: "happy:0.6,surprised:0.2"; "happy" alone is "happy:1"; "neutral"; a mapping; pairs.
    Raises BadOption on unknown names, on a name twice and outside 0 to 1.
    """
    if isinstance(value, str):
        items: Iterable[object] = [] if value.strip() == "neutral" else map(_pair, value.split(","))
    elif isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, Iterable):
        items = value
    else:
        items = [value]
    found: dict[str, float] = {}
    for item in items:
        if not (isinstance(item, tuple | list) and len(item) == 2):
            raise BadOption(f"emotion is {value}; give names and intensities, such as happy:0.6")
        name, intensity = item
        if name not in EMOTIONS:
            raise BadOption(f'emotion "{name}" is not known{suggestion(name, EMOTIONS)}; choose '
                            f"from {', '.join(EMOTIONS)}, or neutral alone")  # fmt: skip
        if name in found:
            raise BadOption(f'emotion "{name}" is named twice; give it one intensity')
        found[name] = check_number(name, intensity)
    return tuple((name, found[name]) for name in EMOTIONS if found.get(name))


def _pair(text: str) -> tuple[str, float]:
    name, colon, intensity = text.partition(":")
    try:
        return name.strip(), float(intensity) if colon else 1.0
    except ValueError:
        raise BadOption(f'emotion "{text.strip()}" has no intensity that is a number; write '
                        "happy:0.6") from None  # fmt: skip


def parse_gaze(value: object) -> Gaze | None:
    """Degrees (yaw, pitch) away from the viewer, to image right and down; None where free.

    value: two numbers, "20,-5", "20 -5", or a word of GAZE_WORDS.  Raises BadOption.
    """
    if value is None:
        return None
    parts: object = value
    if isinstance(value, str):
        if value.strip() in GAZE_WORDS:
            return GAZE_WORDS[value.strip()]
        try:
            parts = [float(part) for part in value.replace(",", " ").split()]
        except ValueError:
            parts = None
    if (
        not isinstance(parts, tuple | list)
        or len(parts) != 2
        or not all(isinstance(x, int | float) and not isinstance(x, bool) for x in parts)
    ):
        raise BadOption(f"gaze is {value}; give degrees to the right and down, such as 20,-5, or "
                        f"one of {', '.join(GAZE_WORDS)}")  # fmt: skip
    # written so that NaN is refused as well
    if not all(abs(x) <= limit for x, limit in zip(parts, GAZE_LIMIT, strict=True)):
        raise BadOption(f"gaze is {parts[0]},{parts[1]} degrees; stay within {GAZE_LIMIT[0]:g} to "
                        f"the sides and {GAZE_LIMIT[1]:g} up and down")  # fmt: skip
    return float(parts[0]), float(parts[1])


def suggestion(name: object, known: Iterable[str]) -> str:
    """ ", did you mean NAME?" as a part of a sentence, where a known name is near."""
    near = get_close_matches(str(name), list(known), n=1)
    return f" (do you mean {near[0]}?)" if near else ""


def gaze_radians(gaze: Gaze | None) -> Gaze:
    """Yaw and pitch in radians; NaN where the gaze is free."""
    return (math.nan, math.nan) if gaze is None else (math.radians(gaze[0]), math.radians(gaze[1]))
