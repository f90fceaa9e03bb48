"""The update and zeroing sections."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rich.text import Text

from autograd_lens.render.layout import NAME, QUIET, folded, heading, line, table
from autograd_lens.render.numbers import brief_value, render_value
from autograd_lens.render.step_forward import kernel_lines
from autograd_lens.render.step_view import StepView
from autograd_lens.render.worked import worked
from autograd_lens.trace.records import Kernel, ParameterUpdate, Phase, ZeroGrad

__all__ = ["update_lines", "zero_lines"]


def update_lines(view: StepView) -> Iterator[Text]:
    """Every update, as arithmetic and with its numbers."""
    yield heading("Update", "", view.width)
    for source, group in groupby(view.step.updates, key=lambda update: update.source):
        yield view.code(source)
        for update in group:
            yield from _update(view, update)


def zero_lines(view: StepView) -> Iterator[Text]:
    """Every clearing of a ``.grad``."""
    yield heading("Zero grad", "", view.width)
    for source, group in groupby(view.step.zero_grads, key=lambda zero: zero.source):
        zeros = list(group)
        gone = all(zero.after is None for zero in zeros)
        yield view.code(source, "set to None" if gone and source is None else "")
        for zero in zeros:
            yield _zero(zero, view.width)
    yield from _kernels(view, "zero_grad")


def _update(view: StepView, update: ParameterUpdate) -> Iterator[Text]:
    numbers = worked(update, view.step.kernels)
    room = view.width - 10
    if update.expression:
        parts = [update.expression]
        if numbers and not numbers[0]:
            parts += [numbers[1], numbers[2]]
        yield from _equation(update.parameter, parts, room)
    if not numbers or numbers[0]:
        yield from _values(update)
    if numbers and numbers[0]:
        yield from _equation(f"{update.parameter}{numbers[0]}", list(numbers[1:]), room)
    if view.options.kernels:
        yield from kernel_lines(view, [view.step.kernels[index] for index in update.kernels])


def _equation(name: str, parts: list[str], room: int) -> Iterator[Text]:
    """``name ← a = b = c`` on one line, or each part on its own."""
    start = Text.assemble((name, NAME), (" ← ", QUIET))
    joined = " = ".join(parts)
    if start.cell_len + len(joined) <= room:
        yield line(start.append(joined))
        return
    hanging = " " * (start.cell_len - 2)
    for number, part in enumerate(parts):
        for row, text in enumerate(folded(part, room - start.cell_len)):
            sign = start if not number and not row else Text(hanging + ("  " if row else "= "))
            yield line(sign + text)


def _values(update: ParameterUpdate) -> Iterator[Text]:
    rows = [("before", update.before), (".grad", update.grad), ("after", update.after)]
    name = "" if update.expression else f"{update.parameter} "
    cells = [[Text(f"  {name}{label}", style=QUIET), render_value(value)] for label, value in rows]
    yield from (line(row) for row in table(cells))


def _zero(zero: ZeroGrad, width: int) -> Text:
    name = Text(f"{zero.parameter}.grad", style=NAME)
    after = Text.assemble((" → ", QUIET), render_value(zero.after))
    full = line(Text.assemble(name, "  ", render_value(zero.before), after))
    if full.cell_len <= width:
        return full
    return line(Text.assemble(name, "  ", brief_value(zero.before), after))


def _kernels(view: StepView, phase: Phase) -> Iterator[Text]:
    if view.options.kernels:
        kernels: list[Kernel] = [each for each in view.step.kernels if each.phase == phase]
        yield from kernel_lines(view, kernels)
