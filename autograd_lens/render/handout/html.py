"""A document as blocks of HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from autograd_lens.render.handout.blocks import (
    Block,
    Cell,
    Code,
    Figure,
    Formulas,
    Heading,
    Note,
    Pair,
    Paragraph,
    Run,
    Space,
    Table,
)
from autograd_lens.trace.expr import MATHML, Equation, write

__all__ = ["blocks_html", "listing", "text_html"]

_DRAWN = re.compile(r'data-width="(\d+)"')
_LETTERS = 1.45  # a drawing's letters are made about as large as those of the page


def blocks_html(blocks: Iterable[Block]) -> str:
    """Blocks one after the other."""
    return "\n".join(_block(block) for block in blocks)


def text_html(parts: Cell) -> str:
    """A line of text."""
    return "".join(_part(part) for part in parts)


def _part(part: Run | Equation) -> str:
    if isinstance(part, Equation):
        return _math(part)
    tag = {"code": "code", "bold": "b"}.get(part.style)
    return f"<{tag}>{escape(part.text)}</{tag}>" if tag else escape(part.text)


def _math(equation: Equation, *, block: bool = False) -> str:
    display = ' display="block"' if block else ""
    return f"<math{display}><mrow>{write(equation, MATHML)}</mrow></math>"


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"<h2>{escape(block.text)}</h2>"
        case Paragraph():
            return f"<p>{text_html(block.text)}</p>"
        case Note():
            return f'<p class="aside">{text_html(block.text)}</p>'
        case Formulas():
            made = (
                f'<div class="formula" tabindex="0">{_math(each, block=True)}</div>'
                for each in block.equations
            )
            return "".join(made)
        case Space():
            return '<div class="space"></div>'
        case Code():
            return listing(block, "")
        case Table():
            return _table(block)
        case Figure():
            room = ' class="wide" tabindex="0"' if block.name == "graph" else ""
            caption = f"<figcaption>{escape(block.caption)}</figcaption>"
            svg = _DRAWN.sub(_sized, block.svg, count=1) if block.name == "graph" else block.svg
            return f"<figure{room}>{svg}{caption}</figure>"
        case Pair():
            sides = "".join(f"<div>{blocks_html(side)}</div>" for side in (block.left, block.right))
            return f'<div class="pair">{sides}</div>'


def _sized(drawn: re.Match[str]) -> str:
    """A drawing's own width as that of the page, where it has the room."""
    return f'width="{_LETTERS * int(drawn[1]):.0f}" {drawn[0]}'


def listing(block: Code, prefix: str) -> str:
    """Numbered lines of code; with a prefix, each line gets an id.

    Args:
        block: The lines.
        prefix: Put before the line number; ``""`` for no ids.
    """
    lines = []
    for place, line in enumerate(block.lines):
        number = block.first + place
        name = f' id="{prefix}{number}"' if prefix else ""
        lines.append(f'<span class="line"{name} data-n="{number}">{escape(line) or " "}</span>')
    return f'<pre class="code" tabindex="0"><code>{"".join(lines)}</code></pre>'


def _table(table: Table) -> str:
    head = "".join(
        f'<th scope="col"{_aligned(table, place)}>{escape(each)}</th>' if each else "<td></td>"
        for place, each in enumerate(table.head)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{_aligned(table, place)}>{text_html(cell)}</td>" for place, cell in enumerate(row)
        )
        + "</tr>"
        for row in table.rows
    )
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    return (
        f'<div class="scroll" tabindex="0"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _aligned(table: Table, place: int) -> str:
    return ' class="number"' if place in table.numbers else ""
