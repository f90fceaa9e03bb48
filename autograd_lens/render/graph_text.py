"""The words in the graph picture: values, formulas and code, cut to the width of a card."""

from __future__ import annotations

from collections.abc import Callable

from autograd_lens.render.numbers import brief_value, render_value, scalar
from autograd_lens.trace.records import Constant, Source
from autograd_lens.trace.values import Value

__all__ = [
    "SourceOf",
    "brief",
    "code",
    "constant",
    "line",
    "saved",
    "shorten",
    "shorten_call",
    "value",
]

SourceOf = Callable[[str], str | None]
"""Gives the text of a source file, for example ``trace.source``; None where it is not known."""

_FEW = 4  # elements that are all written out
_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH = 40


def value(tensor: Value | None) -> str:
    """A tensor on one line: a few elements are written out, more are summed up."""
    parts = render_value(tensor, few=_FEW).plain.split("  ")
    # few of the fonts that draw a picture have the blocks of a histogram
    return "  ".join(part for part in parts if part.strip(_BLOCKS))


def brief(tensor: Value | None) -> str:
    """A tensor in very few words: one number, or its shape and norm."""
    return brief_value(tensor).plain


def constant(item: Constant) -> str:
    """An argument that is no tensor, as Python writes it."""
    if item.kind != "scalar":
        return str(item.value)
    return scalar(item.value) if isinstance(item.value, float) else shorten(repr(item.value))


def saved(item: Value | Constant | tuple[Value | Constant | None, ...] | None) -> str:
    """What a node keeps, in a few words."""
    if isinstance(item, Constant):
        return constant(item)
    if isinstance(item, tuple):
        return f"({', '.join(map(saved, item))})"
    return value(item)


def shorten(text: str, width: int = _WIDTH) -> str:
    """The text on one line; where it is longer than ``width``, its end is cut off."""
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 1].rstrip() + "…"


def shorten_call(text: str, width: int) -> str:
    """An expression on one line; where it is too long, arguments are left out."""
    flat = " ".join(text.split())
    comma = flat.rfind(", ", 0, width - 3)
    if len(flat) <= width or comma < 0 or "(" not in flat[:comma]:
        return shorten(flat, width)
    return f"{flat[:comma]}, …)"


def line(at: Source | None, source: SourceOf) -> str:
    """The line, or lines, of code."""
    return " ".join(line.strip() for line in _lines(at, source))


def code(at: Source | None, source: SourceOf) -> str:
    """The expression that asked for a kernel; the whole line where its columns are unknown."""
    lines = _lines(at, source)
    if at is None or not lines or at.column < 0 or at.end_column < 0:
        return " ".join(line.strip() for line in lines)
    encoded = [line.encode() for line in lines]  # columns count bytes
    encoded[-1] = encoded[-1][: at.end_column]
    encoded[0] = encoded[0][at.column :]
    return " ".join(part.decode(errors="replace").strip() for part in encoded)


def _lines(at: Source | None, source: SourceOf) -> list[str]:
    text = None if at is None else source(at.file)
    return [] if at is None or text is None else text.splitlines()[at.line - 1 : at.end_line]
