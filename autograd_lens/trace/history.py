"""The whole run as arrays: the losses, and one parameter over all steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
import numpy.typing as npt

from autograd_lens.errors import TraceError
from autograd_lens.trace.columns import Column
from autograd_lens.trace.records import Parameter
from autograd_lens.trace.rows import END, LightGraph, Rows
from autograd_lens.trace.schema import damaged
from autograd_lens.trace.store import parsing
from autograd_lens.trace.values import Array, Floats, Value, item_size

__all__ = ["ParameterHistory", "read_losses"]

Graphs = Callable[[int], LightGraph]
"""Gives the description of a graph by the number that rows give."""

_VALUE, _BEFORE, _AFTER = 0, 1, 2
_MOST_BYTES = 1 << 33


class ParameterHistory:
    """Values and grads of one parameter, step by step.

    Elements are NaN where a step holds none: the parameter was not known yet, its ``.grad``
    was None, or only a summary was kept.

    Args:
        rows: The light rows of the trace.
        index: Position of the parameter in them.
        parameter: The parameter.
        steps: Number of steps of the run.
        graph: Gives the description of a graph by the number that rows give.
    """

    def __init__(
        self,
        rows: Rows,
        index: int,
        parameter: Parameter,
        steps: int,
        graph: Graphs,
    ) -> None:
        self.parameter = parameter
        self._graph = graph
        self._rows = rows
        self._index = index
        self._steps = steps

    @cached_property
    def values(self) -> Array:
        """The value each step's forward used, then the last one: (steps + 1, *shape)."""
        return self._pick(_VALUE, self._value_rows)

    @cached_property
    def grads(self) -> Array:
        """``.grad`` after each step's last backward: (steps, *shape)."""
        return self._pick(_AFTER, self._after_rows)

    @cached_property
    def grads_before(self) -> Array:
        """``.grad`` before each step's first backward: (steps, *shape)."""
        return self._pick(_BEFORE, self._before_rows)

    @cached_property
    def held(self) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Where the numbers of a ``value``, ``grad`` and ``grad_before`` were kept.

        A NaN in the arrays above where this is False was no NaN in the program.
        """
        picked = {
            "value": (_VALUE, self._value_rows),
            "grad": (_AFTER, self._after_rows),
            "grad_before": (_BEFORE, self._before_rows),
        }
        return {name: self._table(field)[1][rows] for name, (field, rows) in picked.items()}

    @cached_property
    def modes(self) -> npt.NDArray[np.str_]:
        """``"set"`` or ``"accumulate"``, ``""`` where no backward wrote ``.grad``: (steps,)."""
        modes = np.full(self._steps, "", "<U10")
        written = self._written
        words = np.where(self._none_before[written], "set", "accumulate")
        modes[self._rows.steps[written]] = words  # a later row wins
        return modes

    @property
    def _written(self) -> npt.NDArray[np.int64]:
        """The rows whose engine run wrote ``.grad``."""
        mask = np.zeros(len(self._rows), np.bool_)
        for number in np.unique(self._rows.graphs).tolist():
            if number != END:
                mask[self._rows.graphs == number] = self._writes(self._graph(number))
        return np.flatnonzero(mask)

    def _writes(self, graph: LightGraph) -> bool:
        return graph.kind == "backward" and not graph.error and self._index in graph.reached

    @property
    def _none_before(self) -> npt.NDArray[np.bool_]:
        none = np.ones(len(self._rows), np.bool_)
        for start, number, column in self._rows.columns_of(self._index, _BEFORE):
            none[start : start + number] = column.nothing()[:number]
        return none

    @cached_property
    def _value_rows(self) -> npt.NDArray[np.int64]:
        first = np.searchsorted(self._rows.steps, np.arange(self._steps + 1))
        first[-1] = len(self._rows) if not self._ended else len(self._rows) - 1
        return first

    @cached_property
    def _after_rows(self) -> npt.NDArray[np.int64]:
        return np.where(self._has_rows, self._last, len(self._rows))

    @cached_property
    def _before_rows(self) -> npt.NDArray[np.int64]:
        first = np.searchsorted(self._rows.steps, np.arange(self._steps))
        return np.where(self._has_rows, first, len(self._rows))

    @property
    def _ended(self) -> bool:
        graphs = self._rows.graphs
        return bool(len(graphs)) and int(graphs[-1]) == END

    @cached_property
    def _last(self) -> npt.NDArray[np.int64]:
        """The last row of each step, END rows left out."""
        runs = self._rows.steps[self._rows.graphs != END]
        places = np.flatnonzero(self._rows.graphs != END)
        behind = np.searchsorted(runs, np.arange(self._steps), side="right")
        return np.concatenate([[-1], places])[behind]

    @cached_property
    def _has_rows(self) -> npt.NDArray[np.bool_]:
        steps = np.concatenate([self._rows.steps, [-1]])
        has: npt.NDArray[np.bool_] = steps[self._last] == np.arange(self._steps)
        return has

    def _pick(self, field: int, rows: npt.NDArray[np.int64]) -> Array:
        """One field at some rows, NaN behind the last row."""
        table, there = self._table(field)
        raw = np.ascontiguousarray(table[rows]).tobytes()
        shape = (len(rows), *self.parameter.shape)
        with parsing(f"the dtype of {self.parameter.name}"):
            array = Value(self.parameter.dtype, shape, raw).array
        if array.dtype.kind not in "fc":
            array = array.astype(np.float64)
        array = array.copy()
        array[~there[rows]] = np.nan
        return array

    def _table(self, field: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Bytes of one field in all rows and one empty row more; which rows have it."""
        size = item_size(self.parameter.dtype) or damaged("a parameter has an unknown dtype")
        width = size * math.prod(self.parameter.shape)
        if width * (len(self._rows) + 1) > _MOST_BYTES:
            msg = f"The history of {self.parameter.name} would take more than 8 GiB."
            raise TraceError(msg, hint="Look at single steps: trace.steps[t].parameters.")
        with parsing(f"the history of {self.parameter.name}"):
            return self._read(field, width)

    def _read(self, field: int, width: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        table = np.zeros((len(self._rows) + 1, width), np.uint8)
        there = np.zeros(len(table), np.bool_)
        for start, number, column in self._rows.columns_of(self._index, field):
            part, has = column.matrix(width)
            table[start : start + number] = part[:number]
            there[start : start + number] = has[:number]
        return table, there


def read_losses(rows: Rows, graphs: Graphs, steps: int) -> Floats:
    """The last loss of each step, NaN where a step has none; see ``Step.loss``: (steps,)."""
    losses = np.full(steps, np.nan)
    written = np.zeros(steps, np.bool_)  # by a backward that wrote gradients
    for start, number, column in rows.losses():
        graph_of_row = rows.graphs[start : start + number]
        found, there = np.zeros(number), np.zeros(number, np.bool_)
        writes = np.zeros(number, np.bool_)
        for graph in np.unique(graph_of_row).tolist():
            if graph != END:
                loss, has = _losses(column, graphs(graph))
                mine = has[:number] & (graph_of_row == graph)
                found[mine], there[mine] = loss[:number][mine], True
                writes |= mine & (graphs(graph).kind == "backward")
        at, found, writes = rows.steps[start : start + number][there], found[there], writes[there]
        written[at[writes]] = True
        chosen = writes | ~written[at]
        losses[at[chosen]] = found[chosen]  # a later row wins
    return losses


def _losses(column: Column, graph: LightGraph) -> tuple[Floats, npt.NDArray[np.bool_]]:
    nothing = np.zeros(column.rows), np.zeros(column.rows, np.bool_)
    if graph.loss is None:
        return nothing
    dtype, _ = graph.roots[graph.loss]
    size = item_size(dtype)
    if size is None:
        return nothing
    table, there = column.matrix(size)
    array = Value(dtype, (column.rows,), table.tobytes()).array
    if array.dtype.kind == "c":
        return np.full(column.rows, np.nan), there
    return array.astype(np.float64), there
