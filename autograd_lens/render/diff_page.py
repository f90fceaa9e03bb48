"""Two runs on one page: where they part, both graphs of that step with what differs coloured."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from autograd_lens.analysis.comparison import Comparison, Parting, Side
from autograd_lens.render.diff import growth_rows, headline, place, why
from autograd_lens.render.numbers import brief_value

__all__ = ["Drawn", "diff_page"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --back: #fff; --quiet: #57606a; --rule: #d0d7de;
  --one: #0072b2; --other: #d55e00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --back: #14171b; --quiet: #9aa4ae;
  --rule: #3a424b; --one: #56b4e9; --other: #f0975c; } }
body { margin: 1.5rem auto; max-width: 110rem; padding: 0 1.5rem; color: var(--ink);
  background: var(--back); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.35rem; text-wrap: balance; }
h2 { font-size: 1.05rem; margin: 0 0 .4rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 1.2rem; }
.side { border-top: 4px solid var(--one); padding-top: .6rem; min-width: 0; }
.side + .side { border-color: var(--other); }
code, td { font-family: ui-monospace, monospace; font-size: .9em; }
.graph { overflow: auto; max-height: 75vh; border: 1px solid var(--rule); background: #fff; }
.graph svg { display: block; width: 100%; min-width: 34rem; height: auto; }
.graph .otherwise polygon[fill="none"] { stroke: #c4320a; stroke-width: 3px; }
.graph .gradient polygon[fill="none"] { stroke: #b58900; stroke-width: 2.5px;
  stroke-dasharray: 7 3; }
.key span { border: 3px solid #c4320a; padding: 0 .5rem; margin-right: 1rem; }
.key span + span { border: 2.5px dashed #b58900; }
table { border-collapse: collapse; } td, th { padding: .15rem .9rem .15rem 0; text-align: right; }
th { color: var(--quiet); font-weight: 400; }
.quiet { color: var(--quiet); } figure { margin: 1rem 0; background: #fff; }
figure svg { max-width: 100%; height: auto; }
ins { text-decoration: none; color: var(--other); }
del { text-decoration: none; color: var(--one); }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_EDITS = 6
_PLAINLY = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is drawn of two runs.

    Attributes:
        graphs: The graph of the step where they part, of each, as SVG; ``""`` where there is none.
        losses: Both losses over the steps, as SVG.
    """

    graphs: tuple[str, str]
    losses: str


def diff_page(found: Comparison, names: tuple[str, str], drawn: Drawn) -> str:
    """One page, which asks the network for nothing.

    Args:
        found: The comparison.
        names: What to call the two runs.
        drawn: What is drawn of them.
    """
    parts = [f"<h1>{html.escape(headline(found))}</h1>"]
    parting = found.parting
    if parting is not None:
        told = " ".join(filter(None, [place(parting), why(parting)]))
        parts += [f"<p>{html.escape(told)}</p>" if told else "", _key()]
        parts.append(_pair(parting, names, drawn.graphs))
    parts.append(_edits(found))
    if parting is not None:
        parts.append(_growth(found))
    parts.append(f'<figure aria-label="Both losses">{_bare(drawn.losses, "l-")}</figure>')
    title = html.escape(f"{names[0]} and {names[1]}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _key() -> str:
    return (
        '<p class="key"><span>its forward gave something else</span>'
        "<span>only its gradient is another</span></p>"
    )


def _pair(parting: Parting, names: tuple[str, str], graphs: tuple[str, str]) -> str:
    sides = zip(names, (parting.one, parting.other), graphs, "ab", strict=True)
    parts = [_side(parting, name, side, graph, letter) for name, side, graph, letter in sides]
    return f'<div class="pair">{"".join(parts)}</div>'


def _side(parting: Parting, name: str, side: Side, graph: str, letter: str) -> str:
    source = side.source
    place = f"{source.file.rsplit('/', 1)[-1]}:{source.line}" if source is not None else ""
    value = brief_value(side.value).plain if side.value is not None else ""
    rows = (
        f"<h2>{html.escape(name)}, step {parting.step}</h2>",
        f"<p><code>{html.escape(side.what)}</code> {html.escape(value)}</p>",
        f'<p class="quiet">{html.escape(place)}</p><p><code>{html.escape(side.line)}</code></p>',
    )
    label = html.escape(f"Graph of {name}")
    drawing = f'<div class="graph" tabindex="0" role="img" aria-label="{label}">' if graph else ""
    closed = f"{drawing}{_bare(graph, letter + '-')}</div>" if graph else ""
    return f'<section class="side">{"".join(rows)}{closed}</section>'


def _bare(svg: str, prefix: str) -> str:
    """A drawing to stand in a page: its ids are its own."""
    text = _PLAINLY.sub("", svg)
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    return re.sub(r"(url\(#|href=\"#)", rf"\g<1>{prefix}", text)


def _edits(found: Comparison) -> str:
    if not found.edits:
        return ""
    rows = []
    for one in found.edits[:_EDITS]:
        sides = zip(("del", "ins"), "-+", one.files, one.lines, one.texts, strict=True)
        for tag, sign, file, line, texts in sides:
            name = file.rsplit("/", 1)[-1]
            rows += [
                f"<{tag}>{sign} {html.escape(name)}:{line + at}  {html.escape(text)}</{tag}>"
                for at, text in enumerate(texts)
            ]
    more = len(found.edits) - _EDITS
    rest = f'<p class="quiet">and in {more} more places</p>' if more > 0 else ""
    told = "\n".join(rows)
    return f"<h2>Where their texts differ</h2><pre>{told}</pre>{rest}"


def _growth(found: Comparison) -> str:
    head, *rows = growth_rows(found.growth)
    body = "".join(_row(row, "td") for row in rows)
    return f"<h2>How it goes on</h2><table>{_row(head, 'th')}{body}</table>"


def _row(cells: Sequence[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"
