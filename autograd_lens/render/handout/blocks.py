"""A document as blocks: said once, set by page, paper, Markdown and notebook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from autograd_lens.trace.expr import Equation

__all__ = [
    "Block",
    "Cell",
    "Code",
    "Document",
    "Figure",
    "Formulas",
    "Heading",
    "Note",
    "Pair",
    "Paragraph",
    "Run",
    "Space",
    "Table",
    "bold",
    "code",
    "runs",
]


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text in one style: ``""``, ``"code"`` or ``"bold"``."""

    text: str
    style: str = ""


Text = tuple[Run | Equation, ...]
Cell = Text


@dataclass(frozen=True, slots=True)
class Heading:
    """A chapter's title."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph."""

    text: Text


@dataclass(frozen=True, slots=True)
class Note:
    """A paragraph set apart: what is missing, or what to keep in mind."""

    text: Text


@dataclass(frozen=True, slots=True)
class Formulas:
    """Displayed equations."""

    equations: tuple[Equation, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Lines of the program, numbered from ``first``."""

    lines: tuple[str, ...]
    first: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        head: Titles of the columns.
        rows: Cells, row by row.
        caption: What it shows.
        wide: The column that takes the room that is left, -1 for none.
        numbers: Columns that are aligned to the right.
        shares: On paper, how the columns share the room, 0 for as much as a column needs;
            empty where ``wide`` says enough.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    wide: int = -1
    numbers: tuple[int, ...] = field(default=())
    shares: tuple[float, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture: SVG with classes for its colours, and what it says in words."""

    svg: str
    caption: str
    name: str


@dataclass(frozen=True, slots=True)
class Space:
    """Room to write by hand."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two groups of blocks beside each other, where there is room."""

    left: tuple[Block, ...]
    right: tuple[Block, ...]
    share: float = 0.5


Block = Heading | Space | Paragraph | Note | Formulas | Code | Table | Figure | Pair


@dataclass(frozen=True, slots=True)
class Document:
    """A whole document.

    Attributes:
        title: Its title.
        language: ``"en"`` or ``"zh"``.
        lead: What stands under the title.
        blocks: The rest.
        roomy: Whether someone will write on it: larger letters, more room.
    """

    title: str
    language: str
    lead: str
    blocks: tuple[Block, ...]
    roomy: bool = False

    def figures(self) -> Iterator[Figure]:
        """Its pictures, in order."""
        return _figures(self.blocks)


def _figures(blocks: tuple[Block, ...]) -> Iterator[Figure]:
    for block in blocks:
        if isinstance(block, Figure):
            yield block
        elif isinstance(block, Pair):
            yield from _figures((*block.left, *block.right))


def code(text: str) -> Run:
    """Text as the program writes it."""
    return Run(text, "code")


def bold(text: str) -> Run:
    """Text that stands out."""
    return Run(text, "bold")


def runs(template: str, **given: object) -> Text:
    """A sentence with its blanks filled in.

    Args:
        template: Text with ``{blank}`` for plain text, a formula or a run as given.
        given: What to put in.
    """
    parts: list[Run | Equation] = []
    for place, piece in enumerate(_pieces(template)):
        if place % 2 == 0:
            parts += [Run(piece)] if piece else []
            continue
        item = given[piece]
        parts.append(item if isinstance(item, Run | Equation) else Run(str(item)))
    return tuple(parts)


def _pieces(template: str) -> list[str]:
    pieces: list[str] = []
    for part in template.split("{"):
        pieces += part.split("}", 1) if pieces else [part]
    return pieces
