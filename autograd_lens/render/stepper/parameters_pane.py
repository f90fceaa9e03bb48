"""Parameters of a step: value, gradient, change, and how they went over the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.text import Text

from autograd_lens.render.layout import NAME, QUIET, table
from autograd_lens.render.numbers import scalar, shape
from autograd_lens.render.stepper.timeline import sparkline
from autograd_lens.trace.records import ParameterStep
from autograd_lens.trace.values import Value

__all__ = ["Course", "parameter_lines"]

Floats = npt.NDArray[np.float64]

_HEADS = ("", "value", ".grad", "change")
_DIGITS = 5
_SHORTEST = 5  # columns of a sparkline that says anything
_LONGEST_NAME = 18


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A parameter over the run: its number, or its norm where it has many.

    Attributes:
        values: One for each step that was looked at, in order.
    """

    values: Floats


def parameter_lines(
    parameters: Mapping[str, ParameterStep],
    width: int,
    course: Callable[[str], Course | None],
    here: float,
) -> list[Text]:
    """A row for each parameter; numbers where it has one element, norms where it has many.

    Args:
        parameters: The step's parameters.
        width: Columns.
        course: How a parameter went, or None where that is not known yet.
        here: The current step as a share of the run, from 0 to 1.
    """
    head = [Text(word, style=QUIET) for word in _HEADS]
    rows = table([head, *(_row(each) for each in parameters.values())])
    used = max((row.cell_len for row in rows), default=0)
    room = min(width - used - 2, 40)
    if room < _SHORTEST:
        return rows
    lines = [_with(rows[0], used, Text("over all steps"[:room], style=QUIET))]
    for row, name in zip(rows[1:], parameters, strict=True):
        found = course(name)
        spark = sparkline(found.values, room, here) if found else Text()
        lines.append(_with(row, used, spark))
    return lines


def _with(row: Text, used: int, tail: Text) -> Text:
    return row.copy().append(" " * (used - row.cell_len + 2)).append_text(tail)


def _row(parameter: ParameterStep) -> list[Text]:
    name = parameter.name
    short = name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}"
    label = Text(short, style=NAME)
    if parameter.before is not None and parameter.before.numel != 1:
        label.append(f" {shape(parameter.before.shape)}", style=QUIET)
    return [
        label,
        _size(parameter.before),
        _size(parameter.grad),
        _change(parameter.before, parameter.after),
    ]


def _size(value: Value | None) -> Text:
    if value is None:
        return Text("None", style=QUIET)
    try:
        number = value.item() if value.numel == 1 else value.norm
    except (TypeError, ValueError):  # a type that NumPy lacks
        return Text("?", style=QUIET)
    return _number(number, "" if value.numel == 1 else "‖ ")


def _change(before: Value | None, after: Value | None) -> Text:
    if before is None or after is None:
        return Text("not yet", style=QUIET)
    try:
        moved = after.array.astype(np.complex128) - before.array.astype(np.complex128)
    except (TypeError, ValueError):
        return Text("?", style=QUIET)
    if moved.size != 1:
        return _number(float(np.linalg.norm(moved)), "‖ ")
    number = complex(moved.item())
    text = _number(number if number.imag else number.real, "")
    return Text("+").append_text(text) if number.real > 0 and not number.imag else text


def _number(number: complex, prefix: str) -> Text:
    style = "" if np.isfinite(number) else "bold red"
    return Text.assemble((prefix, QUIET), (scalar(number, _DIGITS), style))
