"""Reading a document back: its equations and its words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from autograd_lens.render.handout.blocks import (
    Block,
    Code,
    Figure,
    Formulas,
    Heading,
    Note,
    Pair,
    Paragraph,
    Run,
    Table,
)
from autograd_lens.trace.expr import TEXTBOOK, Equation, write


def pieces(blocks: Iterable[Block]) -> Iterator[Run | Equation]:
    """All text and equations, in order."""
    for block in blocks:
        match block:
            case Pair():
                yield from pieces((*block.left, *block.right))
            case Paragraph() | Note():
                yield from block.text
            case Formulas():
                yield from block.equations
            case Heading():
                yield Run(block.text)
            case Figure():
                yield Run(block.caption)
            case Code():
                yield from (Run(line) for line in block.lines)
            case Table():
                yield from (Run(text) for text in (block.caption, *block.head))
                yield from (part for row in block.rows for cell in row for part in cell)


def equations(blocks: Iterable[Block]) -> list[Equation]:
    return [each for each in pieces(blocks) if isinstance(each, Equation)]


def words(blocks: Iterable[Block]) -> str:
    """All text on one line."""
    found = (
        each.text if isinstance(each, Run) else write(each, TEXTBOOK) for each in pieces(blocks)
    )
    return " ".join(found)
