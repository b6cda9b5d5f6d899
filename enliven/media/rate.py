"""Frame rates as exact fractions, and how many frames a duration takes."""

import math
from fractions import Fraction

from enliven.errors import BadOption

LOWEST_FPS, HIGHEST_FPS = Fraction(1), Fraction(240)

# The rates that are whole numbers slowed by 1000/1001 and written rounded: 23.976, 29.97, ...
_NTSC = tuple(Fraction(whole * 1000, 1001) for whole in (24, 30, 48, 60, 120, 240))

STANDARD = (*_NTSC, *(Fraction(n) for n in (10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 120, 240)))


def frame_rate(value: Fraction | float | str) -> Fraction:
    """An exact frame rate from 25, 29.97, "30000/1001", "23.976" or a Fraction.

    A number within 0.01 of 24, 30, 48, 60, 120 or 240 times 1000/1001, other than a whole
    one, is taken as that rate.  Raises BadOption outside LOWEST_FPS to HIGHEST_FPS.
    """
    try:
        rate = Fraction(value.strip() if isinstance(value, str) else value)
    except (ValueError, ZeroDivisionError, OverflowError, TypeError):
        raise BadOption(f"{value!r} is no frame rate; give a number such as 25 or 29.97, or a "
                        'fraction such as "30000/1001"') from None  # fmt: skip
    if not LOWEST_FPS <= rate <= HIGHEST_FPS:
        raise BadOption(f"a frame rate of {float(rate):g} is out of range; "
                        f"choose {LOWEST_FPS} to {HIGHEST_FPS} frames a second")  # fmt: skip
    if rate.denominator == 1:
        return rate
    nearest = min(_NTSC, key=lambda ntsc: abs(ntsc - rate))
    if abs(nearest - rate) < Fraction(1, 100):
        return nearest
    return rate.limit_denominator(1001)


def frames_for(seconds: Fraction | float, fps: Fraction | float | str) -> int:
    """Frames whose duration is nearest to `seconds`: within half a frame, and at least one."""
    return max(1, math.floor(Fraction(seconds) * frame_rate(fps) + Fraction(1, 2)))


def settled(measured: Fraction) -> Fraction:
    """A measured rate, snapped to a standard one within 0.5 %, kept in the range we write.

    Containers count in milliseconds or from a few frames, so that 25 is often seen as 25.02.
    """
    nearest = min(STANDARD, key=lambda rate: abs(rate - measured))
    if abs(nearest - measured) <= measured / 200:
        return nearest
    return min(max(measured.limit_denominator(1001), LOWEST_FPS), HIGHEST_FPS)
