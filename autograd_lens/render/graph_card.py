"""How a card looks: a header, and two columns of lines, as an HTML-like label.

The columns are the same in every card: what the forward did on the left, what the backward
did on the right.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from autograd_lens.render.dot_source import Markup, markup

__all__ = [
    "AMBER",
    "BACKWARD",
    "BLUE",
    "FORWARD",
    "GREEN",
    "GREY",
    "INK",
    "LEGEND",
    "QUIET",
    "SAVED",
    "Line",
    "card",
    "first",
]

FORWARD, BACKWARD, SAVED, QUIET, INK = "#1D4ED8", "#BE123C", "#92600A", "#64748B", "#0F172A"
# torchviz's colours of functions, leaves, outputs and saved tensors, a little softer
GREY, BLUE, GREEN, AMBER = "#E2E8F0", "#BFDDF5", "#D3F59B", "#FBDFA6"
_BORDER = "#94A3B8"
_FORWARD_TINT, _BACKWARD_TINT = "#F3F7FF", "#FFF5F6"
_MONO = "Courier New"
_SIZE, _SMALL, _TITLE = 10, 9, 13  # points


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a card.

    Attributes:
        text: What it says.
        color: Colour of the text.
        label: A word in front of it, in a quiet colour.
        mono: Whether it is code.
    """

    text: str
    color: str = INK
    label: str = ""
    mono: bool = False


LEGEND = Markup(
    f'<FONT POINT-SIZE="10" COLOR="{FORWARD}">forward runs down</FONT>   '
    f'<FONT POINT-SIZE="10" COLOR="{BACKWARD}">gradients flow up</FONT>   '
    f'<FONT POINT-SIZE="10" COLOR="{SAVED}">kept from forward for backward</FONT>   '
    f'<FONT POINT-SIZE="10" COLOR="{QUIET}">long tensors: smallest to largest, mean</FONT>'
)


def card(
    title: str, subtitle: str, left: Iterable[Line], right: Iterable[Line], *, header: str
) -> Markup:
    """A table: a header, then the lines of both columns side by side."""
    left, right = list(left), list(right)
    span = "" if left and right else ' COLSPAN="2"'
    rows = [_header(title, subtitle, header)]
    for one, other in zip_longest(left, right):
        cells = _cell(one, _FORWARD_TINT, span) if left else ""
        cells += _cell(other, _BACKWARD_TINT, span) if right else ""
        rows.append(f"<TR>{cells}</TR>")
    return Markup(
        f'<TABLE BORDER="1" COLOR="{_BORDER}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3">'
        f"{''.join(rows)}</TABLE>"
    )


def _header(title: str, subtitle: str, color: str) -> str:
    """The operation, and what PyTorch calls its node."""
    width = _width((title, _TITLE), (f"   {subtitle}", _SIZE))
    return (
        f'<TR><TD COLSPAN="2" ALIGN="LEFT" BGCOLOR="{color}"{width}>'
        f'<FONT POINT-SIZE="{_TITLE}" COLOR="{INK}"><B>{markup(title)}</B></FONT>'
        f'<FONT POINT-SIZE="{_SIZE}" COLOR="{QUIET}">   {markup(subtitle)}</FONT></TD></TR>'
    )


def _cell(line: Line | None, tint: str, span: str) -> str:
    if line is None:
        return f'<TD BGCOLOR="{tint}"></TD>'
    size = _SMALL if line.mono else _SIZE
    face = f' FACE="{_MONO}"' if line.mono else ""
    label = f'<FONT POINT-SIZE="{_SMALL}" COLOR="{QUIET}">{markup(line.label)}  </FONT>'
    width = _width((f"{line.label}  ", _SMALL), (line.text, size))
    return (
        f'<TD{span} BGCOLOR="{tint}" ALIGN="LEFT"{width}>'
        f"{label if line.label else ''}"
        f'<FONT POINT-SIZE="{size}" COLOR="{line.color}"{face}>{markup(line.text)}  </FONT></TD>'
    )


def _width(*parts: tuple[str, int]) -> str:
    """A least width in points, where an engine may not know how wide the letters are."""
    if all(words.isascii() for words, _ in parts):
        return ""
    points = sum(_em(letter) * size for words, size in parts for letter in words)
    return f' WIDTH="{round(points) + 8}"'


def _em(letter: str) -> float:
    """About how wide a letter is, in units of the font's size; Chinese fills its square."""
    if letter.isascii():
        return 0.55
    return 1.0 if unicodedata.east_asian_width(letter) in "WFA" else 0.65


def first(lines: Sequence[Line], noun: str, most: int = 8) -> Iterable[Line]:
    """The first lines, and how many more there are."""
    yield from lines[:most]
    if (more := len(lines) - most) > 0:
        yield Line(f"and {more:,} more {noun}", QUIET)
