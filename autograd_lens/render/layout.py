"""Lines of text that fit a width: cut, folded, or side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.text import Text

from autograd_lens.trace.records import Source

__all__ = [
    "BAR",
    "CODE",
    "NAME",
    "QUIET",
    "beside",
    "cut",
    "folded",
    "headed",
    "heading",
    "line",
    "short",
    "short_names",
    "table",
]

# Styles of the whole trace. Dim and bold follow the terminal's own colours; the one hue is
# the one that reads well on black and on white alike, and what it marks has a line number too.
QUIET = "dim"
NAME = "bold"
CODE = "magenta"
BAR = "│"

_WORD = re.compile(r"(?:[-+*/@=]+\s+)?\S+\s*")
_HEAD = 4  # letters in front of what is left of a name
_GUTTER = 6  # columns left of the bar


def line(body: Text | str, label: str = "", style: str = "") -> Text:
    """A line of a section: label, bar, body."""
    text = Text.assemble((f"{label:>{_GUTTER - 2}} {BAR} ", QUIET))
    return text.append_text(body if isinstance(body, Text) else Text(body, style=style))


def cut(text: Text, width: int) -> Text:
    """The text on one line; what goes beyond ``width`` is replaced by ``…``."""
    kept = text.copy()
    kept.truncate(width, overflow="ellipsis")
    return kept


def heading(title: str, note: Text | str, width: int, stroke: str = "─") -> Text:
    """A title, a rule, and a note at the right edge."""
    note = note if isinstance(note, Text) else Text(note)
    start = Text.assemble((f"{title} ", NAME))
    free = width - start.cell_len - note.cell_len - (1 if note else 0)
    if free < 1:
        return cut(start.append_text(note), width)
    rule = Text(stroke * free, style=QUIET)
    return start.append_text(rule).append_text(Text.assemble(" ", note) if note else Text())


def beside(left: Text, right: Text, width: int, column: int) -> Iterator[Text]:
    """A section's line with a text at ``column``; the text below it where both do not fit."""
    if not right:
        yield left
        return
    free = width - left.cell_len - right.cell_len
    gap = min(max(column - left.cell_len, 2), free)
    if gap > 1:
        yield left.copy().append(" " * gap).append_text(right)
        return
    yield left
    below = line("")
    indent = max(min(column, width - right.cell_len) - below.cell_len, 0)
    yield below.append(" " * indent).append_text(right)


def folded(text: str, width: int, style: str = "") -> Iterator[Text]:
    """A long expression or sentence: broken between summands if they fit, else at blanks."""
    room = max(width, 16)
    current = ""
    terms = re.split(r"(?<= )(?=[-+/] )", text)
    for word in [word for term in terms for word in _words(term, room)]:
        if current and len((current + word).rstrip()) > room:
            yield Text(current.rstrip(), style=style)
            current = ""
        current += word
        while len(current.rstrip()) > room:  # one word wider than all the room
            yield Text(current[:room], style=style)
            current = current[room:]
    if current.strip():
        yield Text(current.rstrip(), style=style)


def _words(term: str, room: int) -> list[str]:
    return [term] if len(term.rstrip()) <= room else _WORD.findall(term)


def table(rows: list[list[Text]], gap: int = 2) -> list[Text]:
    """Rows with their cells under one another."""
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    return [_row(row, widths, gap) for row in rows]


def _row(row: list[Text], widths: list[int], gap: int) -> Text:
    text = Text()
    for cell, wide in zip(row, widths, strict=True):
        text.append_text(cell).append(" " * (wide - cell.cell_len + gap))
    text.rstrip()
    return text


def headed(head: Text, text: str, source: Source | None, code: str, width: int) -> Iterator[Text]:
    """A sentence behind its head, and below it the line of the program that it is about.

    Args:
        head: The head; what is folded stands below its end.
        text: The sentence.
        source: The line's place, None where it is not known.
        code: The line, ``""`` where it is not known.
        width: Columns there are room for.
    """
    indent, room = " " * len(head), width - len(head)
    for number, part in enumerate(folded(text, room)):
        yield Text(indent if number else head.plain, style=head.style).append_text(part)
    if code and source is not None:
        place = f"{source.file.rsplit('/', 1)[-1]}:{source.line}  "
        for part in folded(place + code, room, CODE):
            yield Text(indent).append_text(part)


def short(name: str, most: int = 14) -> str:
    """A name that is too long to be written beside something: whole parts of its end.

    The numbers of the parts before tell layers apart: ``layers.0.self_attn.in_proj_bias`` becomes
    ``0…in_proj_bias``.
    """
    if len(name) <= most:
        return name
    parts, numbers = name.split("."), ""
    for cut in range(1, len(parts)):
        numbers = ".".join(part for part in parts[:cut] if part.isdigit())
        shown = f"{numbers}…{'.'.join(parts[cut:])}"
        if len(shown) <= most:
            return shown
    numbers = numbers[: most // 2]
    return f"{numbers}…{name[len(numbers) + 1 - most :]}"


def short_names(names: Sequence[str], most: int) -> list[str]:
    """Several names made short; those that would look alike begin where they differ."""
    shown = [short(name, most) for name in names]
    alike = {one for one in shown if shown.count(one) > 1}
    return [
        _told_apart(name, [other for other, two in zip(names, shown, strict=True) if two == one])
        + short(name, most - _HEAD)
        if one in alike
        else one
        for name, one in zip(names, shown, strict=True)
    ]


def _told_apart(name: str, others: Sequence[str]) -> str:
    """The letters of a name behind what it begins with as others do."""
    letters = zip(*others, strict=False)
    common = next((at for at, some in enumerate(letters) if len({*some}) > 1), len(name))
    return name[common : common + _HEAD]
