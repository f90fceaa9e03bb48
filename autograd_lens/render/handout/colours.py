"""Colours of the small pictures: names for the page, fixed ones for paper."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["DARK", "LIGHT", "PICTURE_RULES", "graph_on_paper", "on_paper"]

LIGHT: Mapping[str, str] = {
    "ink": "#1c1e21",
    "quiet": "#5a6068",
    "paper": "#ffffff",
    "panel": "#f5f6f8",
    "rule": "#d9dce1",
    "blue": "#1f5fae",
    "red": "#b4301f",
    "green": "#1c7a3d",
    "amber": "#8a5a00",
    "band": "#2f6db5",
    "glow": "#ffe9a8",
}
DARK: Mapping[str, str] = {
    "ink": "#e7e9ec",
    "quiet": "#a7aeb8",
    "paper": "#15171a",
    "panel": "#1f2226",
    "rule": "#3a3f46",
    "blue": "#86b7f5",
    "red": "#ff9182",
    "green": "#7fd39a",
    "amber": "#e5b55c",
    "band": "#5a9be6",
    "glow": "#5c4a12",
}
PICTURE_RULES = """
.figure text{font:11px var(--face);fill:var(--ink)}
.figure .tick{font-size:10px;fill:var(--quiet)}
.figure .label{font-style:italic}
.figure .grid{stroke:var(--rule);stroke-width:.6;fill:none}
.figure .data{fill:var(--blue);fill-opacity:.55}
.figure .line,.figure .loss,.figure .path{fill:none;stroke-width:1.8;stroke-linejoin:round}
.figure .line.first{stroke:var(--red);stroke-dasharray:5 4}
.figure .line.last{stroke:var(--green)}
.figure .loss{stroke:var(--blue)}
.figure .path{stroke:var(--red)}
.figure .band{fill:var(--band);fill-opacity:.09}
.figure .band{stroke:var(--band);stroke-opacity:.5;stroke-width:.6}
.figure .level{fill:none;stroke:var(--band);stroke-opacity:.6;stroke-width:.7}
.figure .mark{fill:var(--paper);stroke:var(--red);stroke-width:1.2}
.figure .start{fill:var(--red)}
.figure .end{fill:var(--green)}
.figure path.best{stroke:var(--ink);stroke-width:2;fill:none}
.figure text.note{font-weight:bold;paint-order:stroke;stroke:var(--paper);stroke-width:3px}
.figure text.first{fill:var(--red)}
.figure text.last{fill:var(--green)}
.figure .cursor{visibility:hidden}
"""


def on_paper(svg: str, face: str) -> str:
    """A picture with the colours of paper, for setting outside a page.

    Args:
        svg: The picture.
        face: The names of its fonts.
    """
    rules = PICTURE_RULES.replace("var(--face)", face)
    for name, colour in LIGHT.items():
        rules = rules.replace(f"var(--{name})", colour)
    cut = svg.index(">", svg.index("<svg")) + 1
    return f"{svg[:cut]}<style>{rules}</style>{svg[cut:]}"


def graph_on_paper(svg: str, face: str) -> str:
    """A small graph with values in blue, gradients in red, as a page's styles have them.

    Args:
        svg: The graph.
        face: A font of one width.
    """
    svg = re.sub(r'font-family="[^"]*Courier[^"]*"', f'font-family="{face}"', svg)
    return re.sub(r'<g [^>]*class="node.*?</g>', _coloured, svg, flags=re.DOTALL)


def _coloured(node: re.Match[str]) -> str:
    colours = iter((LIGHT["ink"], LIGHT["blue"], LIGHT["red"]))
    plain = r"<text(?![^>]*\bfill=)"  # letters of a folded graph have colours of their own
    return re.sub(plain, lambda _: f'<text fill="{next(colours, LIGHT["ink"])}"', node[0])
