"""A document as Markdown, and as a Jupyter notebook that opens the recording and can be run.

Formulas stand between dollar signs. Pictures are inside of a notebook; code hosts show none that
stand in Markdown itself, so there they are files beside it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

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
from autograd_lens.render.handout.figures import graph_on_paper, on_paper
from autograd_lens.trace.expr import LATEX, Equation, write

__all__ = ["markdown", "notebook", "pictures"]


def markdown(document: Document, folder: str = "") -> str:
    """The whole document as Markdown.

    Args:
        document: What it says.
        folder: Where its ``pictures`` lie, seen from it; ``""`` to put them inside.
    """
    return "\n\n".join(part for _, part in _pieces(document, folder)) + "\n"


def pictures(document: Document) -> Mapping[str, str]:
    """The pictures of a document as SVG, by the names of their files."""
    return {f"{each.name}.svg": _svg(each) for each in document.figures()}


def _pieces(document: Document, folder: str = "") -> Iterator[tuple[str, str]]:
    """The document piece by piece: ``"markdown"`` or ``"code"``, and its text."""
    yield "markdown", f"# {_escaped(document.title)}\n\n{_escaped(document.lead)}"
    for block in document.blocks:
        yield from _block(block, folder)


def _block(block: Block, folder: str) -> Iterator[tuple[str, str]]:
    match block:
        case Heading():
            yield "markdown", f"## {_escaped(block.text)}"
        case Paragraph() | Note():
            quote = "> " if isinstance(block, Note) else ""
            yield "markdown", quote + _text(block.text)
        case Formulas():
            yield from (("markdown", f"$$\n{write(each, LATEX)}\n$$") for each in block.equations)
        case Space():
            return
        case Code():
            yield "code", _listing(block.lines)
        case Table():
            yield "markdown", _table(block)
        case Figure():
            yield "markdown", _figure(block, folder)
        case Pair():
            for each in (*block.left, *block.right):
                yield from _block(each, folder)


def _listing(lines: Sequence[str]) -> str:
    fence = "`" * max(3, _longest(lines) + 1)
    return "\n".join([f"{fence}python", *lines, fence])


def _text(parts: Cell) -> str:
    return "".join(_part(part) for part in parts)


def _part(part: Run | Equation) -> str:
    if isinstance(part, Equation):
        return f"${write(part, LATEX)}$"
    if part.style == "code":
        return _code(part.text)
    return f"**{_escaped(part.text)}**" if part.style == "bold" else _escaped(part.text)


def _code(text: str) -> str:
    flat = text.replace("\n", " ")
    if "\\|" in flat:  # in a table nobody agrees on what escapes what
        written = re.sub(r"[^ \w.,:;()+=/-]", lambda one: f"&#{ord(one[0])};", flat)
        return f"<code>{written}</code>"
    flat = flat.replace("|", "\\|")
    fence = "`" * (_longest([flat]) + 1)
    return f"{fence} {flat} {fence}" if len(fence) > 1 else f"`{flat}`"


def _longest(lines: Sequence[str]) -> int:
    """The longest run of backticks; a fence has to be longer."""
    return max((len(ticks) for line in lines for ticks in re.findall("`+", line)), default=0)


def _escaped(text: str) -> str:
    flat = " ".join(text.split(" ")).replace("\n", " ")
    return re.sub(r"([\\`*_{}\[\]<>#$|])", r"\\\1", flat)


def _table(table: Table) -> str:
    rule = ("---:" if place in table.numbers else "---" for place in range(len(table.head)))
    lines = [map(_escaped, table.head), rule, *(map(_text, row) for row in table.rows)]
    caption = f"{_escaped(table.caption)}\n\n" if table.caption else ""
    return caption + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(figure: Figure, folder: str) -> str:
    place = f"{quote(folder)}/{figure.name}.svg"
    if not folder:
        data = base64.b64encode(_svg(figure).encode()).decode()
        place = f"data:image/svg+xml;base64,{data}"
    words = _escaped(figure.caption)
    return f"![{words}]({place})\n\n*{words}*"


def _svg(figure: Figure) -> str:
    if figure.name == "graph":
        return graph_on_paper(figure.svg, "monospace")
    return on_paper(figure.svg, "sans-serif")


# --- a notebook ----------------------------------------------------------------------------

_OPEN = """\
import autograd_lens as lens

trace = lens.open({path!r})
print(len(trace.steps), "steps, losses", trace.losses[0], "to", trace.losses[-1])"""
_FOLLOW = """\
for name in list(trace.parameters)[:4]:
    history = trace.parameter(name)
    print(name, history.values[0].ravel()[:3], "to", history.values[-1].ravel()[:3])"""


def notebook(document: Document, path: str) -> str:
    """The document as notebook JSON; its code cells read the recording.

    Args:
        document: What it says.
        path: Path of the recording, as the notebook will find it.
    """
    made = [_cell("code", _OPEN.format(path=path)), _cell("code", _FOLLOW)]
    written = [_cell("markdown", text) for _, text in _pieces(document)]
    found = [written[0], *made, *written[1:]]
    plain = {
        "cells": [{**each, "id": f"cell-{place}"} for place, each in enumerate(found)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "title": document.title,
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(plain, ensure_ascii=False, indent=1) + "\n"


def _cell(kind: str, text: str) -> dict[str, object]:
    cell: dict[str, object] = {"cell_type": kind, "metadata": {}, "source": text}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})
