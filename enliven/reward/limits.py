"""Where the checks begin to object: measured on real people.

Each limit: what real people keep within, and where a viewer would object.  Set by hand beside
42 clips of 30 people, a row a second, so that of each clip the worst third of the seconds lies
within `good` or just beyond, and faults done on purpose in a size that is plain to see lie beyond
`limit`.  All clips were looked at: how often unknown people fail is not known from them.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Limit(NamedTuple):
    """Up to `good` a measure costs nothing; at `limit` the score is 0.5."""

    good: float
    limit: float


LIMITS: Mapping[str, Limit] = {
    # natural logarithms of ratios to the reference
    "soft": Limit(-0.8, -1.25), "sharp": Limit(0.35, 0.75),
    # of the 75th percentile over a video: people have sharp moments, a filter has none
    "smooth": Limit(-0.15, -0.33), "even": Limit(-0.17, -0.3), "painted": Limit(0.13, 0.3),
    "coarse": Limit(-0.42, -0.62), "fine": Limit(0.22, 0.42),
    "grid": Limit(0.25, 0.6),
    # bits
    "few_colours": Limit(-0.3, -0.8), "many_colours": Limit(0.35, 0.8),
    "boil": Limit(1.3, 2.2),
    # IOD
    "shake": Limit(0.0045, 0.008), "wobble": Limit(0.0025, 0.0045),
    "tremble": Limit(0.006, 0.010), "jump": Limit(0.08, 0.16),
    # grey levels
    "warped": Limit(4.5, 8.0),
    "likeness": Limit(0.85, 0.65), "distance": Limit(0.021, 0.032), "own": Limit(0.78, 0.6),
    # grey levels a frame, frames, IOD a second
    "change": Limit(1.6, 0.9), "run": Limit(9.0, 18.0), "lip_speed": Limit(0.3, 0.15),
    "idle_speed": Limit(0.4, 0.55),
    "dark": Limit(-0.15, -0.3), "bright": Limit(0.12, 0.25),
    "flat": Limit(-0.15, -0.3), "harsh": Limit(0.17, 0.32), "blown": Limit(0.04, 0.10),
    "pale": Limit(-0.12, -0.35), "garish": Limit(0.10, 0.25), "tint": Limit(0.03, 0.07),
    # IOD, natural logarithm
    "aside": Limit(0.6, 1.0), "small": Limit(-0.06, -0.18), "large": Limit(0.06, 0.18),
    "blinks_few": Limit(4.0, 2.0),
    # IOD
    "mouth_small": Limit(0.07, 0.042), "mouth_large": Limit(0.30, 0.42),
    "alone": Limit(0.92, 0.965), "loud": Limit(0.78, 0.9), "beat": Limit(0.76, 0.88),
    "stutters": Limit(0.22, 0.36),
    # correlation over 3 s by the sync critic, frames; 3 frames are what viewers begin to reject
    # (ITU-R BT.1359: 90 ms early sound, 185 ms late)
    "agreement": Limit(0.36, 0.22), "late": Limit(1.0, 3.0),
}  # fmt: skip
BEHIND_PHOTO = Limit(0.02, 0.06)  # share of the blocks behind that may differ from a photo
STRANGE_PHOTO = Limit(0.001, 0.004)  # and of the pixels: a line of small text has 0.01
BEHIND_OWN = Limit(0.2, 0.4)  # from the begin, where the person is not known to be left out
BLINK_MANY = Limit(50.0, 80.0)  # a minute
BLINK_LONG = Limit(0.4, 0.6)  # seconds
