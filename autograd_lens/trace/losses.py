"""The loss of every step as one array."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from autograd_lens.trace.block import Column
from autograd_lens.trace.lightgraph import LightGraph
from autograd_lens.trace.rows import END, Rows
from autograd_lens.trace.typed import at, item_size
from autograd_lens.trace.values import Value

__all__ = ["read_losses"]

_LOSS = 2
Graphs = Callable[[int], LightGraph]


def read_losses(rows: Rows, graphs: Graphs, steps: int) -> npt.NDArray[np.float64]:
    """The last loss of each step, NaN where a step has none: (steps,)."""
    losses = np.full(steps, np.nan)
    for start, number in rows.block_rows():
        block = rows.block(start)
        graph_of_row = block.integers(1)[:number]
        found, there = np.zeros(number), np.zeros(number, np.bool_)
        for graph in np.unique(graph_of_row).tolist():
            if graph != END:
                loss, has = _column(block.column(_LOSS), graphs(graph))
                mine = has[:number] & (graph_of_row == graph)
                found[mine], there[mine] = loss[:number][mine], True
        losses[block.integers(0)[:number][there]] = found[there]  # a later row wins
    return losses


def _column(
    column: Column, graph: LightGraph
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    nothing = np.zeros(column.rows), np.zeros(column.rows, np.bool_)
    if graph.loss is None:
        return nothing
    dtype, _ = at(graph.roots, graph.loss)
    size = item_size(dtype)
    if size is None:
        return nothing
    table, there = column.matrix(size)
    array = Value(dtype, (column.rows,), table.tobytes()).array
    if array.dtype.kind == "c":
        return np.full(column.rows, np.nan), there
    return array.astype(np.float64), there
