"""What became of a folder of videos, in words and tables."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from enliven.data.clips import Row

SHOWN = 12  # reasons in the summary


@dataclass(frozen=True)
class Summary:
    """videos: how many there were.  clips and seconds: by verdict; speakers: seconds kept, each.

    reasons: how often each was given, most often first, numbers in them left out.
    shifted: clips whose sound was shifted to the lips.
    """

    videos: int
    clips: dict[str, int]
    seconds: dict[str, float]
    speakers: dict[str, float]
    reasons: dict[str, int]
    shifted: int


def summed(rows: Sequence[Row], videos: int) -> Summary:
    """Counts over the rows of a manifest."""
    clips, seconds = Counter[str](), defaultdict[str, float](float)
    speakers, reasons = defaultdict[str, float](float), Counter[str]()
    shifted = 0
    for row in rows:
        clips[row.verdict] += 1
        seconds[row.verdict] += row.seconds
        if row.verdict == "kept":
            speakers[row.speaker] += row.seconds
        for reason in row.reasons:
            if row.clip and reason.startswith("sound shifted"):
                shifted += 1
            else:
                reasons[kind_of(reason)] += 1
    return Summary(videos, dict(clips), dict(seconds), dict(sorted(speakers.items())),
                   dict(reasons.most_common()), shifted)  # fmt: skip


def kind_of(reason: str) -> str:
    """A reason without what differs from clip to clip."""
    return reason.split(" (")[0].split(";")[0].split(",")[0].split(":")[0][:90].strip()


def told(summary: Summary) -> str:
    """The summary for a terminal."""
    lines = [f"{summary.videos} videos"]
    for verdict in ("kept", "doubtful", "rejected"):
        lines.append(f"{verdict:>10} {summary.clips.get(verdict, 0):6d} pieces "
                     f"{summary.seconds.get(verdict, 0.0) / 60:8.1f} min")  # fmt: skip
    lines.append(f"  speakers {len(summary.speakers):6d}")
    if summary.shifted:
        lines.append(f"   shifted {summary.shifted:6d} clips whose sound was off the lips")
    if summary.reasons:
        lines.append("Reasons:")
    lines += [f"{count:6d} x {reason}" for reason, count in list(summary.reasons.items())[:SHOWN]]
    return "\n".join(lines)


def report(rows: Sequence[Row]) -> str:
    """Markdown: the summary, then a line for each piece."""
    summary = summed(rows, len({row.source for row in rows}))
    head = "| video | from s | s | verdict | lips after sound | speech | remarks |"
    lines = ["# Clips to train on", "", "```", told(summary), "```", "", head,
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for row in rows:
        offset = "" if row.offset_frames is None else f"{row.offset_frames:+.1f} frames"
        speech = "" if row.sound is None else f"{row.sound.speech_share:.0%}"
        lines.append(f"| {_cell(row.source)} | {row.start:.1f} | {row.seconds:.1f} | {row.verdict} "
                     f"| {offset} | {speech} | {_cell('; '.join(row.reasons))} |")  # fmt: skip
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
