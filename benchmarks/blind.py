"""Which of two looks better?  Pairs of pictures in hidden random order, judged by eye.

    python benchmarks/blind.py build PAGE.html --one DIR --two DIR [--real DIR] [--sheets DIR]
    python benchmarks/blind.py tally PAGE.key.json CHOICES.json [...]

`build` pairs pictures of the same name (`reenactment.py --crops` makes them), shows the real
picture above each pair where there is one, and writes one self-contained page; its button saves
the choices.  Which side was which stands only in PAGE.key.json.  --sheets writes the pairs as
numbered PNG pictures too, for viewers without a browser; their choices are a JSON object from
pair number to "left", "right" or "same".

`tally` prints how often each was preferred, with the 95% interval of Wilson (1927); ties are
counted apart.
"""

import argparse
import base64
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

CHOICES = ("left", "right", "same")
PAGE = """<!doctype html><meta charset="utf-8"><title>Which looks more real?</title>
<style>body{{font:16px sans-serif;background:#222;color:#eee;text-align:center}}
img{{width:min(44vw,512px);margin:4px}}section{{margin:3em 0}}label{{margin:0 2em}}
</style><h1>Which looks more like a real person?</h1>
<p>{question}</p>{pairs}<p><button onclick="save()">Save my choices</button></p>
<script>function save(){{const c={{}};document.querySelectorAll("input:checked").forEach(
i=>c[i.name]=i.value);const a=document.createElement("a");a.download="choices.json";
a.href=URL.createObjectURL(new Blob([JSON.stringify(c,null,1)]));a.click()}}</script>
"""


def wilson(won: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927)."""
    if of == 0:
        return 0.0, 1.0
    share, spread = won / of, z * z / of
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * float(np.sqrt(share * (1 - share) / of + spread / (4 * of)))
    return middle - half, middle + half


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
    arguments.page.write_text(PAGE.format(question=question, pairs="".join(sections)))
    arguments.page.with_suffix(".key.json").write_text(json.dumps(key, indent=1))
    print(f"{len(names)} pairs in {arguments.page}")


def tally(arguments: argparse.Namespace) -> None:
    key = json.loads(arguments.key.read_text())
    wins = {"one": 0, "two": 0, "same": 0}
    for path in arguments.choices:
        for number, choice in json.loads(path.read_text()).items():
            if number not in key or choice not in CHOICES:
                raise SystemExit(f'{path}: pair {number}: "{choice}" is not one of {CHOICES}')
            other = {"one": "two", "two": "one"}
            left = key[number]["left"]
            wins["same" if choice == "same" else left if choice == "left" else other[left]] += 1
    decided = wins["one"] + wins["two"]
    low, high = wilson(wins["one"], decided)
    print(f"one preferred {wins['one']}, two preferred {wins['two']}, no difference {wins['same']}")
    print(f"of the {decided} decided, one wins {100 * wins['one'] / max(decided, 1):.0f}% "
          f"(95% interval {100 * low:.0f} to {100 * high:.0f}%)")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    builder = commands.add_parser("build", help="make the page and its key")
    builder.add_argument("page", type=Path)
    builder.add_argument("--one", type=Path, required=True)
    builder.add_argument("--two", type=Path, required=True)
    builder.add_argument("--real", type=Path)
    builder.add_argument("--sheets", type=Path)
    builder.add_argument("--seed", type=int, default=0)
    builder.set_defaults(run=build)
    counter = commands.add_parser("tally", help="count the choices")
    counter.add_argument("key", type=Path)
    counter.add_argument("choices", type=Path, nargs="+")
    counter.set_defaults(run=tally)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
