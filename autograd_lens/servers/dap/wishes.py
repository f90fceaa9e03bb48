"""What a client wishes to stop at, understood as breakpoints, or refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import TypeVar

import numpy as np

from autograd_lens.analysis.conditions import condition_on
from autograd_lens.errors import LensError
from autograd_lens.servers.dap.breakpoints import Breakpoint, Breakpoints, Steps
from autograd_lens.servers.dap.requests import (
    ExceptionFilter,
    FunctionBreakpoint,
    LineBreakpoint,
    SourceOf,
)
from autograd_lens.servers.dap.sources import Sources
from autograd_lens.trace.reader import Trace
from autograd_lens.tui.overview import examined, surveyed
from autograd_lens.tui.session import Session

__all__ = ["FILTERS", "Wishes"]

Told = dict[str, object]
T = TypeVar("T")

FILTERS = {
    "error": "An error ended the run",
    "bad": "A loss or a gradient becomes NaN or infinite",
    "finding": "The doctor found something wrong",
    "condition": "A condition holds, such as loss > 10",
}
"""What clients list under exceptions."""


class Wishes:
    """Sets the breakpoints of a walk as a client wishes them.

    Args:
        session: The walk.
        sources: The program's text.
        breakpoints: Where they are set.
    """

    def __init__(self, session: Session, sources: Sources, breakpoints: Breakpoints) -> None:
        self._session = session
        self._sources = sources
        self._breakpoints = breakpoints
        self._numbers = count(1)

    def lines(self, source: SourceOf, wanted: Iterable[LineBreakpoint]) -> list[Told]:
        """All breakpoints of a file; lines count from 1."""
        file = self._sources.found(source)

        def understood(number: int, one: LineBreakpoint) -> list[Breakpoint]:
            line = self._sources.nearest(file, one.line) if file is not None else None
            if file is None or line is None:
                msg = "This recording ran nothing in this file."
                raise LensError(msg)
            words = f"{self._sources.described(file)['name']}, line {line}"
            steps = self._holding(one.condition)
            return [Breakpoint(number, "breakpoint", words, (file, line), steps=steps)]

        return self._set(f"lines of {file or source.path}", wanted, understood)

    def functions(self, wanted: Iterable[FunctionBreakpoint]) -> list[Told]:
        """All breakpoints on names: of nodes, and conditions."""
        return self._set("functions", wanted, self._function)

    def _function(self, number: int, one: FunctionBreakpoint) -> list[Breakpoint]:
        name = one.name.strip()
        if self._sources.has_node(name):
            steps = self._holding(one.condition)
            return [Breakpoint(number, "function breakpoint", name, node=name, steps=steps)]
        both = f"({name}) and ({one.condition})" if one.condition else name
        steps = self._holding(both)
        return [Breakpoint(number, "function breakpoint", name, steps=steps)]

    def exceptions(self, wanted: Iterable[ExceptionFilter]) -> list[Told]:
        """All filters that are on."""
        return self._set("exceptions", wanted, lambda number, one: [*self._filtered(number, one)])

    def _set(
        self, group: str, wanted: Iterable[T], understood: Callable[[int, T], list[Breakpoint]]
    ) -> list[Told]:
        """Set a group, and tell of each wish what became of it."""
        made: list[Breakpoint] = []
        told: list[Told] = []
        for number, one in zip(self._numbers, wanted, strict=False):
            try:
                found = understood(number, one)
            except LensError as error:
                told.append({"id": number, "verified": False, "message": str(error)})
                continue
            made += found
            line = found[0].line if found else None
            place = {} if line is None else {"line": line[1]}
            told.append({"id": number, "verified": True, **place})
        self._breakpoints.set(group, tuple(made))
        return told

    def _holding(self, condition: str | None) -> Steps | None:
        """In which steps a condition holds; None for all.

        Raises:
            ConditionError: It cannot be understood.
        """
        trace = self._session.trace
        return condition_on(trace, condition).holds(trace) if condition else None

    def _filtered(self, number: int, one: ExceptionFilter) -> Iterator[Breakpoint]:
        """What a filter stops at.

        Raises:
            LensError: There is no such filter, or its condition cannot be understood.
        """
        if one.filter_id not in FILTERS:
            msg = f"There is no filter {one.filter_id!r}."
            raise LensError(msg, hint=f"There are {', '.join(FILTERS)}.")
        if one.filter_id == "condition":
            if not one.condition:
                msg = "Write the condition, for example loss > 10."
                raise LensError(msg)
            holds = self._holding(one.condition)
            yield Breakpoint(number, "exception", one.condition, steps=holds)
        elif one.filter_id == "error":
            yield from self._endings(number)
        else:
            find = self._bad if one.filter_id == "bad" else self._findings
            with Trace(self._session.trace.path) as own:  # its steps as they were recorded
                yield from find(number, own)

    def _at(
        self, number: int, words: str, step: int, kernels: Mapping[int, int] | None = None
    ) -> Breakpoint:
        """A breakpoint in one step."""
        steps = np.zeros(self._session.steps, np.bool_)
        steps[step] = True
        return Breakpoint(number, "exception", words, steps=steps, kernels=kernels or {})

    def _endings(self, number: int) -> Iterator[Breakpoint]:
        """Where an error ended the run; the step may have died before it was one."""
        last = self._session.steps - 1
        for event in self._session.trace.events:
            if event.kind in {"exception", "interrupt"} and last >= 0:
                step = last if event.step is None else min(event.step, last)
                yield replace(self._at(number, event.message, step), at_end=True)

    def _bad(self, number: int, trace: Trace) -> Iterator[Breakpoint]:
        steps = np.zeros(self._session.steps, np.bool_)
        steps[surveyed(trace).bad] = True
        yield Breakpoint(
            number, "exception", "A loss or a gradient is NaN or infinite", steps=steps
        )

    def _findings(self, number: int, trace: Trace) -> Iterator[Breakpoint]:
        for one in examined(trace):
            if one.step is not None and one.step < self._session.steps:
                kernels = {} if one.kernel is None else {one.step: one.kernel}
                words = f"{one.code} {one.name}: {one.title}"
                yield self._at(number, words, one.step, kernels)
