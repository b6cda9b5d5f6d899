"""One HTML page that needs nothing else: no scripts, no fonts, pictures inside.

It follows the reader's light or dark mode, fits a phone, and prints in light colours.
"""

import base64
from collections.abc import Iterable, Sequence
from html import escape

from enliven import __version__

# Six hues that are told apart in grey, too, and with the common colour blindnesses
# (after Okabe and Ito 2008), the second set for dark ground.
LIGHT = ("#0067a5", "#c2410c", "#00795c", "#8b3fa0", "#7a6a00", "#a3294a")
DARK = ("#5cb3f0", "#ff9d66", "#4fd1a5", "#d79be8", "#d8c64a", "#f58aa6")

_STYLE = """
:root { color-scheme: light dark; --ink: #1d1f23; --soft: #5f6570; --ground: #fbfbfa;
  --card: #ffffff; --edge: #e2e3e1; --good: #00704a; --limit: #8a5a00; --bad: #b3261e;
  --shade: #b3261e22; --quiet: #c5c8cc; LIGHT }
@media (prefers-color-scheme: dark) { :root { --ink: #e9eaec; --soft: #a2a8b3; --ground: #16181c;
  --card: #1e2126; --edge: #33373e; --good: #56c596; --limit: #e3b34f; --bad: #ff8a80;
  --shade: #ff8a8033; --quiet: #4a4f58; DARK } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 66rem; background: var(--ground);
  color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans",
  sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.75rem 0 .75rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem; }
p { margin: .4rem 0; max-width: 46rem; } .soft, figcaption, small { color: var(--soft); }
small, figcaption { font-size: .82rem; } figure { margin: 0; }
.axes { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1rem;
  margin-top: 1.5rem; }
.axis { background: var(--card); border: 1px solid var(--edge); border-radius: .6rem;
  padding: 1rem 1.15rem 1.1rem; border-top: 4px solid var(--hue); }
.axis h2 { margin: 0; font-size: .95rem; color: var(--hue); }
.axis .value { font-size: 2.5rem; line-height: 1.15; font-weight: 650; }
.axis .value small { font-size: 1rem; font-weight: 400; } .axis p { font-size: .92rem; }
.bar { height: .5rem; border-radius: .25rem; background: var(--edge); overflow: hidden;
  min-width: 4.5rem; } .bar i { display: block; height: 100%; background: var(--hue, var(--soft)); }
.limit-bar { position: relative; } .limit-bar::after { content: ""; position: absolute; left: 50%;
  top: 0; bottom: 0; border-left: 1px solid var(--ink); opacity: .45; }
.s-fine { --hue: var(--good); } .s-limit { --hue: var(--limit); } .s-bad { --hue: var(--bad); }
.window { margin: 1.5rem 0 2.25rem; } h3[class] { color: var(--hue); margin: 0 0 .2rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .82rem; }
th, td { padding: .4rem .7rem .4rem 0; border-bottom: 1px solid var(--edge);
  vertical-align: top; }
.in-row { margin-top: .45rem; } td.n, th.n { text-align: right; white-space: nowrap; }
td.name { white-space: nowrap; font-weight: 600; } tr.head td { border-bottom: 0; }
.state { white-space: nowrap; font-weight: 600; font-size: .85rem; } .fine { color: var(--good); }
.limit { color: var(--limit); } .bad { color: var(--bad); } .unknown { color: var(--soft); }
svg { display: block; width: 100%; min-width: 38rem; height: auto; font: 13px inherit; }
svg text { fill: var(--ink); font-size: 13px; } svg .tick { fill: var(--soft); font-size: 11.5px; }
svg .side { fill: var(--soft); } svg .title { font-weight: 600; }
.grid { stroke: var(--edge); stroke-width: 1; } .zero { stroke: var(--soft); stroke-width: 1.2; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .area { opacity: .14; }
.worst { fill: var(--shade); stroke: var(--bad); stroke-width: 1; stroke-dasharray: 3 2; }
.sound { fill: var(--quiet); } .span { stroke-width: 3.5; opacity: .55; stroke-linecap: round; }
.clip { opacity: .45; } .mean { stroke: var(--card); stroke-width: 1.5; }
.strip { display: flex; gap: .4rem; flex-wrap: wrap; align-items: flex-start; }
.strip img, .mouths { display: block; border-radius: .3rem; max-width: 100%; }
.shot { width: 9.5rem; } .shot img { width: 100%; } .shot img + img { margin-top: .25rem; }
.mouths { width: 100%; height: auto; margin-top: .4rem; }
.under { min-width: 0; height: 2.2rem; }
.sheet { display: grid; grid-template-columns: 7rem 1fr; gap: .5rem .8rem; align-items: center;
  margin-bottom: .5rem; } .sheet > b { overflow-wrap: anywhere; font-size: .88rem; }
.sheet .strip { flex-wrap: nowrap; overflow-x: auto; } .sheet .shot { width: 7.4rem; flex: none; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: 0;
  font-size: .92rem; } dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
ul { padding-left: 1.2rem; margin: .4rem 0; } li { margin: .2rem 0; max-width: 46rem; }
details summary { cursor: pointer; color: var(--soft); margin: .75rem 0; }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--edge); }
COLOURS
@media (max-width: 40rem) { .sheet { grid-template-columns: 1fr; }
  .stacked thead { display: none; } .stacked tr { display: grid; padding: .4rem 0;
    grid-template-columns: 1fr auto auto 4.5rem; border-bottom: 1px solid var(--edge); }
  .stacked td { border: 0; padding: .1rem .5rem .1rem 0; }
  .stacked td:last-child { grid-column: 1 / -1; }  }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --ground: #fff;
  --card: #fff; --edge: #ccc; --good: #00704a; --limit: #8a5a00; --bad: #b3261e;
  --shade: #b3261e22; --quiet: #bbb; LIGHT }
  body { max-width: none; padding: 0; font-size: 10.5pt; print-color-adjust: exact;
    -webkit-print-color-adjust: exact; }
  .axis, .strip, .sheet, tr, svg, dl { break-inside: avoid; } h2, h3 { break-after: avoid; }
  svg { min-width: 0; } .wide { overflow: visible; } .sheet .strip { flex-wrap: wrap; }
  details::details-content { content-visibility: visible; height: auto; } }
"""


def _colours(hues: Sequence[str]) -> str:
    return " ".join(f"--h{i}: {hue};" for i, hue in enumerate(hues))


STYLE = (
    _STYLE.replace("LIGHT", _colours(LIGHT)).replace("DARK", _colours(DARK))
    .replace("COLOURS", "\n".join(
        f".h{i} {{ fill: var(--h{i}); }} .c{i} {{ stroke: var(--h{i}); }} "
        f"svg text.c{i} {{ fill: var(--h{i}); stroke: none; font-weight: 600; }} "
        f".k{i} {{ --hue: var(--h{i}); }}" for i in range(len(LIGHT))))
)  # fmt: skip


def document(title: str, body: Iterable[str]) -> str:
    """The whole page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + f"\n<footer><small>Made by enliven {__version__}.</small></footer>\n</body>\n</html>\n"
    )


def picture(content: bytes, description: str, shape: str = "") -> str:
    """A WebP picture within the page."""
    data = base64.b64encode(content).decode("ascii")
    kind = f' class="{shape}"' if shape else ""
    return f'<img{kind} src="data:image/webp;base64,{data}" alt="{escape(description)}">'


def bar(share: float, *, limit: bool = False, hue: str = "") -> str:
    """A share of 0 to 1 as a bar, with a line at the middle for a limit; empty for NaN."""
    width = 100 * min(max(share, 0.0), 1.0) if share == share else 0.0
    shape = "bar limit-bar" if limit else "bar"
    return f'<div class="{shape} {hue}"><i style="width: {width:.0f}%"></i></div>'


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = (), shape: str = ""
) -> str:
    """Cells hold HTML.  numbers: columns that are set to the right.  shape: a CSS class; "stacked"
    puts the last column below the others on a phone."""
    right = frozenset(numbers)

    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(f'<{tag} class="n">{cell}</{tag}>' if i in right else
                       f"<{tag}>{cell}</{tag}>" for i, cell in enumerate(row))  # fmt: skip

    body = "\n".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return (f'<div class="wide"><table class="{shape}">\n<thead><tr>{cells(head, "th")}</tr>'
            f"</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>")  # fmt: skip


def listed(facts: Iterable[tuple[str, str]]) -> str:
    """Names and what they are, both plain text."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts)
    return f"<dl>{rows}</dl>"
