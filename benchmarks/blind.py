"""Which of two is better?  Pairs of videos or pictures in hidden random order, judged by people.

    python benchmarks/blind.py videos PAGE.html --one DIR --two DIR
    python benchmarks/blind.py videos PAGE.html --pairs prefs/pairs.jsonl
    python benchmarks/blind.py build PAGE.html --one DIR --two DIR [--real DIR] [--sheets DIR]
    python benchmarks/blind.py count PAGE.key.json CHOICES.json [...]
    python benchmarks/blind.py judge --one DIR --two DIR [--photos DIR]

`videos` pairs mp4 files of the same name in two folders, or those of a file of `enliven prefer`;
it asks about lips, liveliness, looks and the whole.  `build` pairs pictures of the same name
(`reenactment.py --crops` makes them) and shows the real picture above each pair if there is one.
Either writes one self-contained page; its button saves the choices.  Which side was which stands
only in PAGE.key.json.  --sheets writes the pairs of pictures as numbered PNG files too, for viewers
without a browser; their choices are a JSON object from pair number to "left", "right" or "same".

`count` prints how often each was preferred, with the 95% interval of Wilson (1927) and the exact
sign test; ties are counted apart.  `judge` prints the same of the scores of `enliven.judge`, and
the mean difference with its paired bootstrap interval; with --key and --choices also how often it
decides as people do.
"""

import argparse
import base64
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
from blind_count import count
from blind_judge import TIE, judge
from blind_videos import Look, write_page
from numpy.typing import NDArray

from enliven.errors import EnlivenError
from enliven.reward.preferences import read_preferences, shown
from enliven.reward.votes import CHOICES

PAGE = """<!doctype html><meta charset="utf-8"><title>Which looks more real?</title>
<style>body{{font:16px sans-serif;background:#222;color:#eee;text-align:center}}
img{{width:min(44vw,512px);margin:4px}}section{{margin:3em 0}}label{{margin:0 2em}}
</style><h1>Which looks more like a real person?</h1>
<p>{question}</p>{pairs}<p><button onclick="save()">Save my choices</button></p>
<script>function save(){{const c={{page:"{page}"}};
document.querySelectorAll("input:checked").forEach(i=>c[i.name]=i.value);
const a=document.createElement("a");a.download="choices.json";
a.href=URL.createObjectURL(new Blob([JSON.stringify(c,null,1)]));a.click()}}</script>
"""


def picture(path: Path) -> str:
    content = cv2.imencode(".jpg", read(path), [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode()


def read(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path))
    if image is None:
        raise SystemExit(f"{path} cannot be read as a picture")
    return np.asarray(image, np.uint8)


def build(arguments: argparse.Namespace) -> None:
    random = np.random.default_rng(arguments.seed)
    names = sorted({p.name for p in arguments.one.glob("*.png")}
                   & {p.name for p in arguments.two.glob("*.png")})  # fmt: skip
    if not names:
        raise SystemExit("the two folders share no picture; make both with the same clips")
    names = [names[i] for i in random.permutation(len(names))]
    key, sections = {}, []
    for number, name in enumerate(names, 1):
        sides = [arguments.one / name, arguments.two / name]
        flipped = bool(random.integers(2))
        shown = sides[::-1] if flipped else sides
        key[str(number)] = {"name": name, "left": "two" if flipped else "one"}
        real = arguments.real / name if arguments.real else None
        above = f'<img src="{picture(real)}"><br>' if real and real.exists() else ""
        radios = "".join(f'<label><input type="radio" name="{number}" value="{c}">{c}</label>'
                         for c in CHOICES)  # fmt: skip
        sections.append(f"<section><h2>{number}</h2>{above}"
                        + "".join(f'<img src="{picture(p)}">' for p in shown)
                        + f"<br>{radios}</section>")  # fmt: skip
        if arguments.sheets:
            arguments.sheets.mkdir(parents=True, exist_ok=True)
            tiles = [read(p) for p in shown]
            if real and real.exists():
                tiles.insert(1, read(real))  # in the middle, as the measure
            cv2.imwrite(str(arguments.sheets / f"{number:03d}.png"), np.hstack(tiles))
    question = "The upper picture is the real frame." if arguments.real else ""
    body = "".join(sections)
    page = hashlib.sha256(body.encode()).hexdigest()[:16]
    arguments.page.write_text(PAGE.format(question=question, pairs=body, page=page))
    arguments.page.with_suffix(".key.json").write_text(json.dumps({"page": page} | key, indent=1))
    print(f"{len(names)} pairs in {arguments.page}")


def videos(arguments: argparse.Namespace) -> None:
    if arguments.pairs:
        folder, stored = arguments.pairs.parent, shown(read_preferences(arguments.pairs))
        pairs = {n: (folder / one.video, folder / two.video) for n, (one, two) in stored.items()}
    else:
        pairs = same_names(arguments.one, arguments.two)
    for note in write_page(arguments.page, pairs, arguments.seed, Look(arguments.side)):
        print(f"note: {note}")
    size = arguments.page.stat().st_size / 2**20
    print(f"{len(pairs)} pairs in {arguments.page}, {size:.0f} MB")


def same_names(one: Path | None, two: Path | None) -> dict[str, tuple[Path, Path]]:
    """name -> the videos of that name in both folders."""
    if one is None or two is None:
        raise SystemExit("give --one and --two, two folders of videos of the same names")
    names = sorted({p.name for p in one.glob("*.mp4")} & {p.name for p in two.glob("*.mp4")})
    if not names:
        raise SystemExit("the two folders share no mp4 file; make both of the same inputs")
    return {name: (one / name, two / name) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    builder = commands.add_parser("build", help="make the page of pictures and its key")
    builder.add_argument("page", type=Path)
    builder.add_argument("--one", type=Path, required=True)
    builder.add_argument("--two", type=Path, required=True)
    builder.add_argument("--real", type=Path)
    builder.add_argument("--sheets", type=Path)
    builder.add_argument("--seed", type=int, default=0)
    builder.set_defaults(run=build)
    filmed = commands.add_parser("videos", help="make the page of videos and its key")
    filmed.add_argument("page", type=Path)
    filmed.add_argument("--one", type=Path)
    filmed.add_argument("--two", type=Path)
    filmed.add_argument("--pairs", type=Path, help="file of enliven prefer, instead of folders")
    filmed.add_argument("--seed", type=int, default=0)
    filmed.add_argument("--side", type=int, default=Look.side, help="longest, of a video, px")
    filmed.set_defaults(run=videos)
    counter = commands.add_parser("count", help="count the choices")
    counter.add_argument("key", type=Path)
    counter.add_argument("choices", type=Path, nargs="+")
    counter.set_defaults(run=lambda given: count(given.key, given.choices))
    judging = commands.add_parser("judge", help="let the judge compare two folders of videos")
    judging.add_argument("--one", type=Path, required=True)
    judging.add_argument("--two", type=Path, required=True)
    judging.add_argument("--photos", type=Path, help="folder of the photos, named as the videos")
    judging.add_argument("--tie", type=float, default=TIE, help="of the scale; default %(default)s")
    judging.add_argument("--key", type=Path, help="of a page of these videos, with --choices")
    judging.add_argument("--choices", type=Path, nargs="+", default=[])
    judging.set_defaults(run=lambda given: judge(given.one, given.two, given.photos, given.tie,
                                                 given.key, given.choices))  # fmt: skip
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except EnlivenError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
