"""A document as Markdown, with formulas between dollar signs and pictures inside."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence

from autograd_lens.render.handout.blocks import (
    Block,
    Cell,
    Code,
    Document,
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
from autograd_lens.render.handout.colours import graph_on_paper, on_paper
from autograd_lens.render.handout.mathematics import Equation
from autograd_lens.render.handout.writers import latex

__all__ = ["cells", "markdown"]


def markdown(document: Document) -> str:
    """The whole document as Markdown."""
    return "\n\n".join(part for _, part in cells(document)) + "\n"


def cells(document: Document) -> Iterator[tuple[str, str]]:
    """The document piece by piece: ``"markdown"`` or ``"code"``, and its text."""
    yield "markdown", f"# {_escaped(document.title)}\n\n{_escaped(document.lead)}"
    for block in document.blocks:
        yield from _block(block)


def _block(block: Block) -> Iterator[tuple[str, str]]:
    match block:
        case Heading():
            yield "markdown", f"## {_escaped(block.text)}"
        case Paragraph() | Note():
            quote = "> " if isinstance(block, Note) else ""
            yield "markdown", quote + _text(block.text)
        case Formulas():
            yield from (("markdown", f"$$\n{latex(each)}\n$$") for each in block.equations)
        case Space():
            return
        case Code():
            yield "code", _listing(block.lines)
        case Table():
            yield "markdown", _table(block)
        case Figure():
            yield "markdown", _figure(block)
        case Pair():
            for each in (*block.left, *block.right):
                yield from _block(each)


def _listing(lines: Sequence[str]) -> str:
    longest = max((len(ticks) for line in lines for ticks in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}python", *lines, fence])


def _text(parts: Cell) -> str:
    return "".join(_part(part) for part in parts)


def _part(part: Run | Equation) -> str:
    if isinstance(part, Equation):
        return f"${latex(part)}$"
    if part.style == "code":
        fence = "``" if "`" in part.text else "`"
        return f"{fence}{part.text}{fence}".replace("|", "\\|")
    return f"**{_escaped(part.text)}**" if part.style == "bold" else _escaped(part.text)


def _escaped(text: str) -> str:
    flat = " ".join(text.split(" ")).replace("\n", " ")
    return re.sub(r"([\\`*_{}\[\]<>#$|])", r"\\\1", flat)


def _table(table: Table) -> str:
    rule = ("---:" if place in table.numbers else "---" for place in range(len(table.head)))
    lines = [map(_escaped, table.head), rule, *(map(_text, row) for row in table.rows)]
    caption = f"{_escaped(table.caption)}\n\n" if table.caption else ""
    return caption + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(figure: Figure) -> str:
    if figure.name == "graph":
        svg = graph_on_paper(figure.svg, "monospace")
    else:
        svg = on_paper(figure.svg, "sans-serif")
    data = base64.b64encode(svg.encode()).decode()
    words = _escaped(figure.caption)
    return f"![{words}](data:image/svg+xml;base64,{data})\n\n*{words}*"
