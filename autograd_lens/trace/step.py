"""Records of a step out of its light rows and, where it is full, its tape.

The rows say what was there at every engine run: loss, parameters, ``.grad`` before and after.
Updates and clearings are what changed between one run and the next, so the row behind a step
(the next step's first, or the one that holds the state at the end) belongs to it as well.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from autograd_lens.trace.records import (
    Backward,
    GradMode,
    GradWrite,
    Kernel,
    Parameter,
    ParameterStep,
    ParameterUpdate,
    Step,
    ZeroGrad,
)
from autograd_lens.trace.rows import LightGraph, LightRow
from autograd_lens.trace.schema import damaged
from autograd_lens.trace.tape import StepTape
from autograd_lens.trace.values import Entry, Value, as_value, differ

__all__ = ["LightStep", "merge", "read_loss"]

T = TypeVar("T")
Change = TypeVar("Change", GradWrite, ParameterUpdate, ZeroGrad)
Explain = Callable[[Sequence[Kernel], Sequence[int], str], str]
"""Writes the arithmetic of some kernels as an expression for a parameter."""


@dataclass(frozen=True)
class LightStep:
    """The rows of one step, with what they refer to.

    Attributes:
        rows: Its engine runs, in order.
        behind: The next row of the run, or None where there is none yet.
        graphs: Description of each row's graph, in the same order.
        known: All parameters of the run, by index.
        gone: Those that had ceased to exist when the run ended, where ``behind`` tells of its
            end: nobody knows whether their ``.grad`` was cleared.
    """

    rows: Sequence[LightRow]
    behind: LightRow | None
    graphs: Sequence[LightGraph]
    known: Sequence[Parameter]
    gone: frozenset[int] = frozenset()

    def step(self, index: int) -> Step:
        """The step at light level."""
        return Step(
            index=index,
            level="light",
            loss=self.loss,
            parameters=self.parameters(),
            backwards=self.backwards(),
            updates=self.updates(),
            zero_grads=self.zero_grads(),
        )

    @property
    def loss(self) -> float | None:
        """The scalar root of the last run that has one; see ``Step.loss``."""
        runs = list(zip(reversed(self.rows), reversed(self.graphs), strict=True))
        for row, graph in sorted(runs, key=lambda run: run[1].kind != "backward"):
            if row.loss is not None and graph.loss is not None:
                return read_loss(row.loss, graph)
        return math.nan if self.rows else None

    def parameters(self) -> Mapping[str, ParameterStep]:
        """Each parameter over the step, by name."""
        return {
            parameter.name: self._parameter_step(index, parameter)
            for index, parameter in enumerate(self.known)
        }

    def backwards(self) -> tuple[Backward, ...]:
        """The engine runs."""
        return tuple(
            self._backward(index, row, graph)
            for index, (row, graph) in enumerate(zip(self.rows, self.graphs, strict=True))
        )

    def updates(self) -> tuple[ParameterUpdate, ...]:
        """Parameters that changed between one run and the next."""
        return tuple(
            ParameterUpdate(
                parameter=parameter.name,
                before=_value(row.values, index, parameter),
                after=_value(following.values, index, parameter),
                grad=_value(row.grads_after, index, parameter),
            )
            for row, following, index, parameter in self._between_runs()
            if differ(_entry(row.values, index), _entry(following.values, index))
        )

    def zero_grads(self) -> tuple[ZeroGrad, ...]:
        """Grads that were cleared between one run and the next."""
        return tuple(
            ZeroGrad(
                parameter=parameter.name,
                before=_value(row.grads_after, index, parameter),
                after=_value(following.grads_before, index, parameter),
            )
            for row, following, index, parameter in self._between_runs()
            if not (following is self.behind and index in self.gone)
            and _cleared(
                _value(row.grads_after, index, parameter),
                _value(following.grads_before, index, parameter),
            )
        )

    def _between_runs(self) -> Iterator[tuple[LightRow, LightRow, int, Parameter]]:
        rows = [*self.rows, self.behind] if self.behind else self.rows
        for row, following in pairwise(rows):
            for index, parameter in enumerate(self.known):
                yield row, following, index, parameter

    def _parameter_step(self, index: int, parameter: Parameter) -> ParameterStep:
        behind = self.behind
        first = self.rows[0] if self.rows else behind
        grads = (first.grads_before, self.rows[-1].grads_after) if self.rows and first else None
        if grads is None and behind is not None:  # no engine ran: what the next one found
            grads = (behind.grads_before, behind.grads_before)
        before, after = grads or ((), ())
        grad = _value(after, index, parameter)
        next_grad = _value(behind.grads_before, index, parameter) if behind else None
        told = behind and self.rows and index not in self.gone
        return ParameterStep(
            name=parameter.name,
            before=_value(first.values, index, parameter) if first else None,
            grad_before=_value(before, index, parameter),
            grad=grad,
            mode=self._mode(index),
            after=_value(behind.values, index, parameter) if behind else None,
            zeroed=_cleared(grad, next_grad) if told else None,
        )

    def _mode(self, index: int) -> GradMode | None:
        for row, graph in zip(reversed(self.rows), reversed(self.graphs), strict=True):
            if mode := _write_mode(row, graph, index):
                return mode
        return None

    def _backward(self, index: int, row: LightRow, graph: LightGraph) -> Backward:
        roots = tuple(
            as_value(row.loss if position == graph.loss else None, dtype, shape)
            for position, (dtype, shape) in enumerate(graph.roots)
        )
        return Backward(
            index=index,
            kind=graph.kind,
            roots=roots,
            retain_graph=graph.retain_graph,
            create_graph=graph.create_graph,
            source=graph.source,
            fingerprint=graph.fingerprint,
            grad_writes=tuple(self._grad_writes(row, graph)),
            error=graph.error,
        )

    def _grad_writes(self, row: LightRow, graph: LightGraph) -> Iterator[GradWrite]:
        for index in graph.reached:
            if mode := _write_mode(row, graph, index):
                parameter = _at(self.known, index)
                yield GradWrite(
                    parameter=parameter.name,
                    before=_value(row.grads_before, index, parameter),
                    incoming=None,
                    after=_value(row.grads_after, index, parameter),
                    mode=mode,
                )


def read_loss(entry: Entry, graph: LightGraph) -> float:
    """A loss as a float; NaN where it is no single real number."""
    dtype, shape = _at(graph.roots, graph.loss)
    value = as_value(entry, dtype, shape)
    if value is None or not value.complete or value.numel != 1:
        return math.nan
    number = value.item()
    return math.nan if isinstance(number, complex) else float(number)


def _write_mode(row: LightRow, graph: LightGraph, index: int) -> GradMode | None:
    """How a run wrote a grad; None where it did not, or failed before it came to it."""
    if graph.kind != "backward" or index not in graph.reached:
        return None
    before, after = _entry(row.grads_before, index), _entry(row.grads_after, index)
    if graph.error and before == after:
        return None
    return "set" if before is None else "accumulate"


def _entry(entries: Sequence[Entry], index: int) -> Entry:
    return entries[index] if index < len(entries) else None


def _value(entries: Sequence[Entry], index: int, parameter: Parameter) -> Value | None:
    return as_value(_entry(entries, index), parameter.dtype, parameter.shape)


def _cleared(grad: Value | None, following: Value | None) -> bool | None:
    """Whether a grad was cleared; None where it was zero already, and nobody can tell."""
    if grad is None:
        return False
    if following is None:
        return True
    if not _all_zero(following):
        return False
    return None if _all_zero(grad) else True


def _all_zero(value: Value) -> bool:
    """Whether all elements are zero; the norm also knows -0.0 and summaries."""
    if value.data is not None and not value.data.strip(b"\x00"):
        return True
    return value.norm == 0.0


def _at(values: Sequence[T], position: int | None) -> T:
    """The element at a position, which is never counted from the end."""
    if position is None or not 0 <= position < len(values):
        damaged(f"{position} stands where a number below {len(values)} is expected")
    return values[position]


# -- a full step --------------------------------------------------------------------------------


def merge(index: int, tape: StepTape, light: LightStep, explain: Explain) -> Step:
    """The full step.

    The tape tells how things came about; where it does not hold a value the rows fill it in,
    and a change that ran no kernel (``grad = None``) is known from the rows alone.
    """
    updates = tuple(
        replace(update, expression=explain(tape.kernels, update.kernels, update.parameter))
        for update in _fill(tape.updates, light.updates())
    )
    changes = tuple(
        replace(
            change, expression=explain(tape.kernels, change.kernels, f"{change.parameter}.grad")
        )
        for change in tape.grad_changes
    )
    last = {change.parameter: change.after for change in changes}
    return Step(
        index=index,
        level="full",
        loss=light.loss,
        parameters=light.parameters(),
        backwards=_backwards(tape.backwards, light.backwards()),
        updates=updates,
        zero_grads=tuple(
            # Of a clearing that ran no kernel the rows know what backward had left.
            replace(one, before=last.get(one.parameter, one.before)) if one.after is None else one
            for one in _fill(tape.zero_grads, light.zero_grads())
        ),
        grad_changes=changes,
        kernels=tape.kernels,
        omitted=tape.omitted,
    )


def _backwards(full: tuple[Backward, ...], light: tuple[Backward, ...]) -> tuple[Backward, ...]:
    if len(full) != len(light):  # the rows tell of other runs: the tape stands for itself
        return full or light
    return tuple(
        replace(one, grad_writes=_writes(one.grad_writes, other.grad_writes))
        for one, other in zip(full, light, strict=True)
    )


def _writes(full: tuple[GradWrite, ...], light: tuple[GradWrite, ...]) -> tuple[GradWrite, ...]:
    """Writes of the tape; a parameter written once takes missing values from its row."""
    times = Counter(write.parameter for write in full)
    known = {write.parameter: write for write in light if times[write.parameter] == 1}
    rows = ((write, known.get(write.parameter, write)) for write in full)
    return tuple(_filled(write, row, row) for write, row in rows)


def _fill(full: Sequence[Change], light: Sequence[Change]) -> tuple[Change, ...]:
    """Changes of the tape with missing values from the rows, then what only the rows saw."""
    times: Counter[str] = Counter(change.parameter for change in full)
    first = {change.parameter: change for change in reversed(light)}
    last = {change.parameter: change for change in light}
    filled: list[Change] = [
        _filled(change, first[change.parameter], last[change.parameter])
        if times[change.parameter] == 1 and change.parameter in first
        else change
        for change in full
    ]
    filled += [change for change in light if change.parameter not in times]
    return tuple(filled)


def _filled(change: Change, first: Change, last: Change) -> Change:
    before = change.before if change.before is not None else first.before
    after = change.after if change.after is not None else last.after
    return replace(change, before=before, after=after)
