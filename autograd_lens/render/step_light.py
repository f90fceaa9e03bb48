"""A step that was recorded light: what it holds, as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import isfinite

from rich.text import Text

from autograd_lens.render.layout import NAME, QUIET, line, table
from autograd_lens.render.numbers import brief_value, scalar, shape
from autograd_lens.render.step_view import StepView
from autograd_lens.trace.records import ParameterStep
from autograd_lens.trace.values import Value

__all__ = ["light_lines"]

_HEADS = ("parameter", "", "before", ".grad", "after", ".grad was")
_LONGEST = 24  # of a name; its end tells more than its start


def light_lines(view: StepView) -> Iterator[Text]:
    """The parameters before and after, and what happened to their ``.grad``."""
    parameters = list(view.step.parameters.values())
    columns = [
        [Text(_tail(each.name), style=NAME) for each in parameters],
        [_shape(each.before) for each in parameters],
        _column([each.before for each in parameters]),
        _column([each.grad for each in parameters]),
        _column([each.after for each in parameters]),
        [Text(_fate(each)) for each in parameters],
    ]
    headed = [
        [Text(head, style=QUIET), *column] for head, column in zip(_HEADS, columns, strict=True)
    ]
    used = [column for column in headed if any(column)]
    yield from (line(row) for row in table([list(row) for row in zip(*used, strict=True)]))
    hint = f"Recorded light. For every value and node, record with --full {view.step.index}."
    yield line(hint, style=QUIET)


def _tail(name: str) -> str:
    return name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}"


def _shape(value: Value | None) -> Text:
    return Text("" if value is None or value.numel == 1 else shape(value.shape), style=QUIET)


def _column(values: Sequence[Value | None]) -> list[Text]:
    """Numbers with their decimal points in line; the norm of what is more than a number."""
    brief = [_brief(value) for value in values]
    points = [_before_point(text.plain) for text in brief]
    left = max(points, default=0)
    pairs = zip(brief, points, strict=True)
    return [Text(" " * (left - point if point else 0)) + text for text, point in pairs]


def _brief(value: Value | None) -> Text:
    if value is None or value.numel == 1:
        return brief_value(value)
    return Text(f"norm {scalar(value.norm, 4)}", style="" if isfinite(value.norm) else "bold red")


def _before_point(text: str) -> int:
    """Columns before the decimal point; 0 for what is no number."""
    number = re.fullmatch(r"(-?\d+)([.e].*)?", text)
    return len(number[1]) if number else 0


def _fate(parameter: ParameterStep) -> str:
    words = {"set": "set", "accumulate": "added to", None: "not reached"}[parameter.mode]
    zeroed = {True: ", zeroed", False: ", kept", None: ""}[parameter.zeroed]
    return words + zeroed
