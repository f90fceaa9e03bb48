"""The forward section: lines of code, and under each what it computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import PurePath

from rich.text import Text

from autograd_lens.render.layout import NAME, QUIET, beside, cut, heading, line
from autograd_lens.render.numbers import render_value
from autograd_lens.render.step_view import StepView
from autograd_lens.trace.graph import operator_name
from autograd_lens.trace.records import Kernel

__all__ = ["forward_lines", "kernel_lines"]

_AROUND = 16  # columns of bar, arrow and kernel number
_SHORTEST = 12
_VALUES = 30  # column of the values where the operation is not longer
_BOOKKEEPING = frozenset(
    {
        *("_local_scalar_dense", "alias", "detach", "empty", "empty_like", "lift_fresh"),
        *("new_empty", "new_empty_strided"),
    }
)


def forward_lines(view: StepView) -> Iterator[Text]:
    """The forward, line of code by line of code."""
    kernels = [kernel for kernel in view.step.kernels if kernel.phase == "forward"]
    yield heading("Forward", _files(kernels), view.width)
    several = len({kernel.source.file for kernel in kernels if kernel.source}) > 1
    for _, group in groupby(kernels, key=_place):
        yield from _group(view, list(group), several=several)


def kernel_lines(view: StepView, kernels: Sequence[Kernel]) -> Iterator[Text]:
    """Every ATen kernel: its number on the tape, what it computed, its operator."""
    for kernel in kernels:
        operation = Text.assemble((f"#{kernel.index:<3} ", QUIET), *_operation(view, kernel))
        yield from beside(line(operation), Text(kernel.op, style=QUIET), view.width, 50)


def _files(kernels: Sequence[Kernel]) -> str:
    files = {kernel.source.file for kernel in kernels if kernel.source}
    return PurePath(files.pop()).name if len(files) == 1 else ""


def _place(kernel: Kernel) -> tuple[str, int]:
    return (kernel.source.file, kernel.source.line) if kernel.source else ("", 0)


def _group(view: StepView, kernels: list[Kernel], *, several: bool) -> Iterator[Text]:
    """One line of code with what it computed, module by module."""
    shown = [kernel for kernel in kernels if operator_name(kernel) not in _BOOKKEEPING]
    if not shown and not view.options.kernels:
        return
    at = kernels[0].source
    modules = list(dict.fromkeys(kernel.module for kernel in kernels))
    places = [PurePath(at.file).name] if at and several else []
    places += modules if len(modules) == 1 and modules[0] else []
    yield view.code(at, f"in {', '.join(places)}" if places else "")
    for module, group in groupby(kernels if view.options.kernels else shown, key=_module):
        if len(modules) > 1:
            yield line(f"in {module}" if module else "outside modules", style=QUIET)
        for kernel in group:
            yield from _computed(view, kernel)


def _module(kernel: Kernel) -> str:
    return kernel.module


def _computed(view: StepView, kernel: Kernel) -> Iterator[Text]:
    values = [render_value(use.value) for use in kernel.outputs if use.value is not None]
    first, rest = (values[0], values[1:]) if values else (Text(), [])
    yield from beside(line(Text.assemble(*_operation(view, kernel))), first, view.width, _VALUES)
    for value in rest:
        yield from beside(line(""), value, view.width, _VALUES)
    if view.options.kernels:
        yield line(f"  #{kernel.index} {kernel.op}", style=QUIET)


def _operation(view: StepView, kernel: Kernel) -> tuple[Text, ...]:
    made = view.results(kernel)
    if not made:
        return (Text(view.notation(kernel)),)
    room = max(view.width - len(made) - _AROUND, _SHORTEST)
    computed = cut(Text(view.notation(kernel)), room)
    return computed, Text(" → ", style=QUIET), Text(made, style=NAME)
