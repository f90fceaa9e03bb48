"""A writer that compares a run with its recording while the run goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import Event, Parameter
from autograd_lens.trace.rows import END, LightGraph
from autograd_lens.trace.tape import Template
from autograd_lens.trace.values import Entry, alike, numpy_dtype
from autograd_lens.trace.window import Forgotten
from autograd_lens.trace.writer import TraceWriter

__all__ = ["CheckingWriter", "Departure", "Difference", "Enough"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a run first departed from its recording.

    Attributes:
        step: The step.
        what: What differs, for example ``"w1.grad after backward"``.
        size: Largest absolute difference of an element; NaN where it cannot be given.
        detail: More, in words; may be empty.
    """

    step: int
    what: str
    size: float
    detail: str = ""

    def __str__(self) -> str:
        by = "" if math.isnan(self.size) else f" by {self.size:.6g}"
        return f"step {self.step}: {self.what} differs{by}{self.detail and f' ({self.detail})'}"


class Departure(BaseException):
    """Stops the program at the first difference; no ``except Exception`` of its holds it up."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(str(difference))
        self.difference = difference


class Enough(BaseException):
    """Stops the program once all asked steps are written: the rest is recorded already."""


class _Rows:
    """Stands for ``TraceWriter.rows``: what is appended is compared."""

    def __init__(self, check: Callable[[object], None]) -> None:
        self.append = check


class CheckingWriter:
    """Takes what a recorder writes: compares light rows, passes the asked full steps on.

    It has the methods of ``TraceWriter`` that a recorder calls.

    Args:
        trace: The recording to compare with.
        target: Where the full steps go.
        wanted: The steps to write.

    Attributes:
        rows: Where the recorder appends light rows.
        budget: How much there is room for.
        checked: How many rows were compared, and equal.
        written: Steps that were written in full.
        difference: The first difference, once there is one.
    """

    def __init__(self, trace: Trace, target: TraceWriter, wanted: Collection[int]) -> None:
        self.rows = _Rows(self._check)
        self.budget = target.budget
        self.checked = 0
        self.written: list[int] = []
        self.difference: Difference | None = None
        self._over = False
        self._trace = trace
        self._target = target
        self._wanted = frozenset(wanted)
        self._parameters: list[Parameter] = []
        self._graphs: list[str] = []

    # -- what a recorder calls ----------------------------------------------------------

    def parameter(self, index: int, parameter: Parameter) -> None:
        """Remember what rows hold at ``index``."""
        self._parameters[index : index + 1] = [parameter]

    def graph(self, graph: LightGraph) -> int:
        """A graph of this run; rows are compared by its fingerprint."""
        self._graphs.append(graph.fingerprint)
        return len(self._graphs) - 1

    def template(self, template: Template, number: int | None = None) -> int:
        """Define a structure in the file."""
        return self._target.template(template, number)

    def full(self, step: int, template: int, slots: list[Any], *, lean: bool = False) -> None:
        """Pass an asked step on."""
        if step in self._wanted and not self._over and not lean:
            self._target.full(step, template, slots)
            self.written.append(step)

    def dot(self, template: int, backward: int, text: str) -> None:
        """Define a picture in the file."""
        self._target.dot(template, backward, text)

    def source(self, file: str, text: str) -> None:
        """Sources are in the recording already; steps refer to them by name."""
        if self._trace.source(file) is None:
            self._target.source(file, text)

    def event(self, event: Event) -> None:
        """Events of this run are no events of the recorded one."""

    def extra(self, key: str, data: bytes) -> None:
        """Extras are in the recording already."""

    def keep(self, step: int, values: Sequence[bytes]) -> None:
        """The recording has keyframes of its own."""

    def forget(self, gone: Forgotten) -> None:
        """What it let go of stays gone."""

    # -- comparing ------------------------------------------------------------------------

    def _check(self, row: Any) -> None:
        """Compare a row; the recorder's last one comes after the program and stops nothing."""
        if self._over:
            return
        try:
            self._compare_row(*row[:6])
        except Departure as departure:
            self._over = True
            self.difference = departure.difference
            if row[1] != END:
                raise
        except Enough:
            self._over = True
            if row[1] != END:
                raise

    def _compare_row(  # noqa: PLR0913, PLR0917  a row's fields
        self, step: int, graph: int, loss: Entry, values: Any, before: Any, after: Any
    ) -> None:
        if len(self.written) == len(self._wanted):
            raise Enough
        number = self.checked
        if number >= len(self._trace.rows):
            if graph == END:
                return
            raise Departure(Difference(step, "the number of steps", math.nan, "it goes on"))
        recorded = self._trace.rows.row(number)
        if recorded.step != step or (recorded.graph == END) != (graph == END):
            detail = f"it is step {recorded.step} in the recording"
            raise Departure(Difference(step, "the order of backwards", math.nan, detail))
        if graph == END:
            self._compare(step, values, recorded.values, "{name} at the end")
            return
        if self._trace.graph(recorded.graph).fingerprint != self._graphs[graph]:
            raise Departure(Difference(step, "the structure of the graph", math.nan))
        if step < self._trace.first_kept:  # of the values there is the loss alone
            loss, recorded = recorded.loss or loss, replace(recorded, loss=recorded.loss or loss)
            values = before = after = ()
        self._compare(step, values, recorded.values, "{name}")
        self._compare(step, before, recorded.grads_before, "{name}.grad before backward")
        if loss != recorded.loss:
            raise Departure(Difference(step, "the loss", _distance(loss, recorded.loss, "float32")))
        self._compare(step, after, recorded.grads_after, "{name}.grad after backward")
        self.checked += 1

    def _compare(
        self, step: int, run: tuple[Entry, ...], recorded: tuple[Entry, ...], what: str
    ) -> None:
        known = recorded + (None,) * (len(run) - len(recorded))
        if run == known[: len(run)]:
            return
        for parameter, mine, theirs in zip(self._parameters, run, known, strict=False):
            if not alike(mine, theirs):
                distance = _distance(mine, theirs, parameter.dtype)
                raise Departure(Difference(step, what.format(name=parameter.name), distance))


def _distance(left: Entry, right: Entry, dtype: str) -> float:
    """The largest absolute difference; NaN where one side is missing or only summarized."""
    if not isinstance(left, bytes) or not isinstance(right, bytes) or len(left) != len(right):
        return math.nan
    try:
        kind = numpy_dtype(dtype)
    except TypeError:
        return math.nan
    first, second = (np.frombuffer(side, kind).astype(np.complex128) for side in (left, right))
    return float(np.abs(first - second).max(initial=0.0))
