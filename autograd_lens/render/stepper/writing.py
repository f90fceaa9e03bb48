"""Small pieces of text that several panes write."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from autograd_lens.render.layout import QUIET, folded
from autograd_lens.render.numbers import render_value
from autograd_lens.trace.values import Value

__all__ = ["named_value", "sentence"]

_COLUMN = 10


def named_value(name: str, value: Value | None, width: int) -> Iterator[Text]:
    """A name and its value: on one line where they fit, else one below the other."""
    yield from _beside(Text(f"{name:<{_COLUMN}} " if name else ""), render_value(value), width)


def _beside(label: Text, shown: Text, width: int) -> Iterator[Text]:
    if label.cell_len + shown.cell_len <= width:
        yield label + shown
        return
    label.rstrip()
    if label:
        yield label
    if shown.cell_len + 2 <= width:
        yield Text("  ") + shown
        return
    yield from (Text("  ") + part for part in _parts(shown, width - 2))


def _parts(shown: Text, width: int) -> Iterator[Text]:
    """A long value, broken at the double blanks between its parts."""
    row = Text()
    for part in shown.split("  "):
        if row and row.cell_len + 2 + part.cell_len > width:
            yield row
            row = Text()
        row = Text("  ").join([row, part]) if row else part
    yield row


def sentence(text: str, width: int) -> Iterator[Text]:
    """Plain words, quiet, broken between words."""
    words, row = text.split(), ""
    for word in words:
        if row and len(row) + 1 + len(word) > width:
            yield Text(row, style=QUIET)
            row = ""
        row = f"{row} {word}".strip()
    if row:
        yield from folded(row, width, QUIET)
