"""One parameter over the whole run, as arrays."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd_lens.errors import TraceError
from autograd_lens.trace.database import wrapped
from autograd_lens.trace.items import parsing
from autograd_lens.trace.records import Parameter
from autograd_lens.trace.rows import END, FIRST_COLUMN, Rows, parameters_in
from autograd_lens.trace.schema import damaged
from autograd_lens.trace.typed import item_size
from autograd_lens.trace.values import Value

__all__ = ["ParameterHistory"]

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
    """

    def __init__(self, rows: Rows, index: int, parameter: Parameter, steps: int) -> None:
        self.parameter = parameter
        self._rows = rows
        self._index = index
        self._steps = steps

    @cached_property
    def values(self) -> npt.NDArray[Any]:
        """The value each step's forward used, then the last one: (steps + 1, *shape)."""
        first = np.searchsorted(self._rows.steps, np.arange(self._steps + 1))
        first[-1] = len(self._rows) if not self._ended else len(self._rows) - 1
        return self._pick(_VALUE, first)

    @cached_property
    def grads(self) -> npt.NDArray[Any]:
        """``.grad`` after each step's last backward: (steps, *shape)."""
        return self._pick(_AFTER, np.where(self._has_rows, self._last, len(self._rows)))

    @cached_property
    def grads_before(self) -> npt.NDArray[Any]:
        """``.grad`` before each step's first backward: (steps, *shape)."""
        first = np.searchsorted(self._rows.steps, np.arange(self._steps))
        return self._pick(_BEFORE, np.where(self._has_rows, first, len(self._rows)))

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

    def _pick(self, field: int, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """One field at some rows, NaN behind the last row."""
        size = item_size(self.parameter.dtype) or damaged("a parameter has an unknown dtype")
        width = size * math.prod(self.parameter.shape)
        if width * (len(self._rows) + 1) > _MOST_BYTES:
            msg = f"The history of {self.parameter.name} would take more than 8 GiB."
            raise TraceError(msg, hint="Look at single steps: trace.steps[t].parameters.")
        with wrapped(), parsing(f"the history of {self.parameter.name}"):
            table, there = self._table(field, width)
        raw = np.ascontiguousarray(table[rows]).tobytes()
        shape = (len(rows), *self.parameter.shape)
        array = Value(self.parameter.dtype, shape, raw).array
        if array.dtype.kind not in "fc":
            array = array.astype(np.float64)
        array = array.copy()
        array[~there[rows]] = np.nan
        return array

    def _table(self, field: int, width: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Bytes of one field in all rows and one empty row more; which rows have it."""
        table = np.zeros((len(self._rows) + 1, width), np.uint8)
        there = np.zeros(len(table), np.bool_)
        for start, number in self._rows.block_rows():
            block = self._rows.block(start)
            if self._index < parameters_in(block):
                column = block.column(FIRST_COLUMN + 3 * self._index + field)
                part, has = column.matrix(width)
                table[start : start + number] = part[:number]
                there[start : start + number] = has[:number]
        return table, there
