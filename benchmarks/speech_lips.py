"""Lips of ours beside the real ones of the same sound: correlation, lag and closure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from speech_clips import (
    OPENNESS,
    SPREAD,
    Clip,
    Phone,
    lips_of,
    loudness,
    phone_curve,
    recognised_phones,
    rest_aperture,
    spoken_phones,
)

from enliven.metrics.lips import LipMeasures, best_lag, correlation
from enliven.types import Motion

Array = NDArray[np.floating]
Speaker = Callable[[Clip, int], Motion]  # what a generator makes of a clip with a seed

MEASURES = ("aperture", "width", "protrusion")
NETWORKS = ("first version", "articulation")
LAG_LIMIT = 8  # frames
CLOSED = 0.012  # aperture up to which lips count as closed, IOD
OPEN = 0.04  # from which they count as open
NEAR = 6  # frames within which lips are open on both sides of a closure in speech
AUDIBLE_DB = -30.0
DIP = 0.4  # of the clip's wide openings: at most so open is the mouth of F and V


@dataclass
class Tally:
    """hit of events so far; false: closures of ours where real lips are open, of `closures`."""

    hit: int = 0
    events: int = 0
    false: int = 0
    closures: int = 0

    def add(self, other: "Tally") -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Score:
    """Of one method on one clip."""

    r: tuple[float, ...] = ()
    late: int = 0
    bilabial: Tally = field(default_factory=Tally)
    labiodental: Tally = field(default_factory=Tally)
    met: Tally = field(default_factory=Tally)


def real_closures(real: Array, loud: Array) -> list[int]:
    """Middles of the stretches in which real lips are shut in the midst of speech."""
    shut = np.concatenate([[False], real <= CLOSED, [False]])
    starts, stops = np.flatnonzero(~shut[:-1] & shut[1:]), np.flatnonzero(shut[:-1] & ~shut[1:])
    found = []
    for start, stop in zip(starts, stops, strict=True):
        before, after = real[max(0, start - NEAR) : start], real[stop : stop + NEAR]
        voice = loud[max(0, start - 3) : start + 1], loud[stop - 1 : stop + 3]
        if (len(before) and len(after) and stop - start <= 2 * NEAR
                and np.nanmax(before) > OPEN and np.nanmax(after) > OPEN
                and min(voice[0].max(), voice[1].max()) > AUDIBLE_DB):  # fmt: skip
            found.append((start + stop - 1) // 2)
    return found


def around(curve: Array, start: int, stop: int) -> float:
    """Smallest value from a frame before to a frame after."""
    return float(np.nanmin(curve[max(0, start - 1) : stop + 1]))


def closures(ours: Array, real: Array, loud: Array, phones: Iterable[Phone]) -> Score:
    """Closure of ours (T,), 0 at rest, on bilabials and labiodentals and where real lips shut."""
    score = Score()
    wide = np.nanpercentile(ours, 90)
    for phone in phones:
        if phone.stop <= phone.start or phone.stop > len(ours):
            continue
        if phone.name in ("B", "M", "P") and around(real, phone.start, phone.stop) <= CLOSED:
            hit = around(ours, phone.start, phone.stop) <= CLOSED
            score.bilabial.add(Tally(int(hit), 1))
        if phone.name in ("F", "V"):
            known = around(real, phone.start, phone.stop) <= DIP * np.nanpercentile(real, 90)
            hit = around(ours, phone.start, phone.stop) <= DIP * wide
            score.labiodental.add(Tally(int(hit and known), int(known)))
    for frame in real_closures(real, loud):
        score.met.add(Tally(int(around(ours, frame, frame + 1) <= CLOSED), 1))
    for frame in real_closures(ours, loud):
        wrong = not around(real, frame - 1, frame + 2) <= OPEN
        score.met.add(Tally(false=int(wrong), closures=1))
    return score


def score_lips(lips: LipMeasures, closed_at: float, clip: Clip, phones: list[Phone]) -> Score:
    """All numbers of a method; closed_at: aperture of its lips at rest."""
    loud = loudness(clip.samples, clip.frames)
    score = closures(lips.aperture - closed_at, clip.lips.aperture, loud, phones)
    score.r = tuple(correlation(getattr(clip.lips, m), getattr(lips, m)) for m in MEASURES)
    score.late = best_lag(clip.lips.aperture, lips.aperture, LAG_LIMIT)[0]
    return score


def simple_lips(clip: Clip, heard: list[tuple[str, int, int]]) -> dict[str, LipMeasures]:
    """Lips by the loudness, and by the phones that are recognised."""
    loud = loudness(clip.samples, clip.frames)
    # scaled to openings of a face, or closures could not be counted
    open_by_loudness = 0.15 * np.clip((loud + 40) / 40, 0, 1)
    opened = 0.15 * phone_curve(heard, clip.frames, OPENNESS, 0.3)
    spread = phone_curve(heard, clip.frames, SPREAD, 0.5)
    return {
        "loudness": LipMeasures(open_by_loudness, loud, loud, loud, loud),
        "phones": LipMeasures(opened, opened, spread, -spread, opened),
    }


def told(values: Iterable[float]) -> str:
    """Median over seeds, and the lowest and highest behind it when there are several."""
    values = list(values)
    middle = f"{np.median(values):5.2f}"
    return f"{middle} ({min(values):.2f}-{max(values):.2f})" if len(values) > 1 else middle


def total(tallies: Iterable[Tally]) -> Tally:
    sums = Tally()
    for tally in tallies:
        sums.add(tally)
    return sums


def share(tally: Tally, seeds: int) -> str:
    if not tally.events:
        return "   -       "
    return f"{tally.hit / tally.events:4.2f} of {tally.events // seeds:3d}"


def false_share(tally: Tally) -> str:
    return f"{tally.false / tally.closures:4.2f}" if tally.closures else "   -"


def lips_table(
    title: str, clips: list[Clip], speaker: Speaker, others: dict[str, Callable[[Clip], Motion]],
    seeds: int,
    each: bool,
) -> None:  # fmt: skip
    """Prints one set of clips: a row a method, medians over clips, median (range) over seeds."""
    scores: dict[str, list[list[Score]]] = {}
    if each:
        print(f"\n{title}: aperture by clip\n{'clip':28s} loudness phones first artic. "
              f"{'ours':18s} late  width protr.")  # fmt: skip
    for clip in clips:
        heard = recognised_phones(clip.samples)
        phones = spoken_phones(clip.name, clip.samples) or [
            Phone(name, start // 4, -(-stop // 4)) for name, start, stop in heard
        ]
        ways = simple_lips(clip, heard)
        for name, way in others.items():
            ways[name] = lips_of(way(clip))
        row = {
            name: [score_lips(lips, rest_aperture() if name in others else 0.0, clip,
                              phones)]
            for name, lips in ways.items()
        }  # fmt: skip
        row["ours"] = [
            score_lips(lips_of(speaker(clip, seed)), rest_aperture(), clip, phones)
            for seed in range(seeds)
        ]
        row["real"] = [score_lips(clip.lips, 0.0, clip, phones)]
        for name, found in row.items():
            scores.setdefault(name, []).append(found)
        if each:
            ours = row["ours"]
            print(f"{clip.name:28s} {row['loudness'][0].r[0]:8.2f} {row['phones'][0].r[0]:6.2f} "
                  f"{''.join(f'{row[n][0].r[0] if n in row else np.nan:6.2f}' for n in NETWORKS)} "
                  f"{told(s.r[0] for s in ours):17s} {np.median([s.late for s in ours]):4.0f} "
                  f"{np.median([s.r[1] for s in ours]):6.2f} "
                  f"{np.median([s.r[2] for s in ours]):6.2f}", flush=True)  # fmt: skip
    print(f"\n{title}: {len(clips)} clips\n{'method':14s} {'aperture':18s} {'width':18s} "
          f"{'protrusion':18s} late  bilabials    lab.dent.    real closures  false")  # fmt: skip
    trained = "first version" in others and title.startswith("GRID")
    for name, found in scores.items():
        count = len(found[0])
        columns = [told(np.median([clip[s].r[k] for clip in found]) for s in range(count))
                   for k in range(len(MEASURES))]  # fmt: skip
        every = [s for clip in found for s in clip]
        parts = [total(getattr(s, part) for s in every)
                 for part in ("bilabial", "labiodental", "met")]  # fmt: skip
        print(f"{name:14s} {columns[0]:18s} {columns[1]:18s} {columns[2]:18s} "
              f"{np.mean([s.late for s in every]):4.1f}  "
              f"{'  '.join(share(part, count) for part in parts)}     "
              f"{false_share(parts[2])}", flush=True)  # fmt: skip
    if trained:
        print("(the first version's network was trained on most of these clips; without their "
              "speakers: 0.78 of aperture)")  # fmt: skip
