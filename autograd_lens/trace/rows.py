"""Reading light rows: any row at once, and columns over all rows."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd_lens.trace.block import Block, Fetch
from autograd_lens.trace.columns import Entry
from autograd_lens.trace.database import wrapped
from autograd_lens.trace.items import parsing
from autograd_lens.trace.lightrows import Extra
from autograd_lens.trace.schema import damaged, seal, unseal

__all__ = ["END", "FIRST_COLUMN", "LightRow", "Rows"]

END = -1
"""The graph of the row that holds the state after the last step."""

FIRST_COLUMN = 3
"""Column of the first parameter's value; its grads before and after follow."""

_KEPT_BLOCKS = 8


@dataclass(frozen=True, slots=True)
class LightRow:
    """One engine run, as capture wrote it.

    Attributes:
        step: The step it belongs to.
        graph: Id of the description of its graph, or ``END``.
        loss: Bytes of the scalar root, or None.
        values: Values of the parameters, by index.
        grads_before: Their ``.grad`` before.
        grads_after: Their ``.grad`` after.
    """

    step: int
    graph: int
    loss: Entry
    values: tuple[Entry, ...]
    grads_before: tuple[Entry, ...]
    grads_after: tuple[Entry, ...]


class Rows:
    """The light rows of an open trace.

    Args:
        connection: The trace.
        fetch: Gives large values.
    """

    def __init__(self, connection: sqlite3.Connection, fetch: Fetch) -> None:
        self._connection = connection
        self._fetch = fetch
        self._kept: OrderedDict[int, Block] = OrderedDict()
        self._load_index()

    def refresh(self) -> None:
        """Notice rows written since."""
        if self._starts:
            self._kept.pop(self._starts[-1], None)  # the last block may have grown
        for name in ("steps", "graphs"):
            self.__dict__.pop(name, None)
        self._load_index()

    def _load_index(self) -> None:
        query = "SELECT first_row, rows, first_step, last_step, seal FROM blocks ORDER BY 1"
        with wrapped():
            index = self._connection.execute(query).fetchall()
        self._starts = [row[0] for row in index]
        self._last_steps = [row[3] for row in index]
        self._total = sum(row[1] for row in index) if _fits(index) else 0

    def __len__(self) -> int:
        return self._total

    def block_rows(self) -> list[tuple[int, int]]:
        """First row and number of rows of each block, as they were when last noticed."""
        return [(start, end - start) for start, end in pairwise([*self._starts, self._total])]

    def block(self, start: int) -> Block:
        """The block that begins at a row."""
        if start in self._kept:
            self._kept.move_to_end(start)
        else:
            self._kept[start] = self._load(start)
            if len(self._kept) > _KEPT_BLOCKS:
                self._kept.popitem(last=False)
        return self._kept[start]

    def _load(self, start: int) -> Block:
        query = "SELECT rows, first_step, last_step, data FROM blocks WHERE first_row = ?"
        with wrapped():
            found = self._connection.execute(query, (start,)).fetchone()
        if found is None:
            damaged("a block of steps is missing")
        *keys, data = found
        return Block(unseal(data, start, *keys), keys[0], self._fetch)

    def _find(self, row: int) -> tuple[Block, int]:
        if not 0 <= row < self._total:
            msg = f"There is no row {row}; the trace has {self._total}."
            raise IndexError(msg)
        start = self._starts[bisect_right(self._starts, row) - 1]
        return self.block(start), row - start

    def row(self, row: int) -> LightRow:
        """One row, counted from 0 over the whole run."""
        block, inside = self._find(row)
        entries = [
            block.column(column).entry(inside)
            for column in range(2, FIRST_COLUMN + 3 * parameters_in(block))
        ]
        return LightRow(
            step=int(block.integers(0)[inside]),
            graph=int(block.integers(1)[inside]),
            loss=entries[0],
            values=tuple(entries[1::3]),
            grads_before=tuple(entries[2::3]),
            grads_after=tuple(entries[3::3]),
        )

    def extras(self, row: int) -> dict[str, Extra]:
        """What capture gave beside the row, by name."""
        block, inside = self._find(row)
        first = FIRST_COLUMN + 3 * parameters_in(block)
        found = {}
        with parsing("what was kept beside a step"):
            for column, name in enumerate(block.note["extras"], first):
                entry = block.column(column).entry(inside)
                if isinstance(entry, bytes):
                    found[str(name)] = self._extra(entry)
        return found

    def extra_column(self, name: str) -> Iterator[tuple[int, Extra]]:
        """One extra of all rows that have it: (row, what capture gave)."""
        for start, count in self.block_rows():
            block = self.block(start)
            with parsing("what was kept beside a step"):
                names = list(block.note["extras"])
            if name not in names:
                continue
            column = block.column(FIRST_COLUMN + 3 * parameters_in(block) + names.index(name))
            for inside in range(count):
                entry = column.entry(inside)
                if isinstance(entry, bytes):
                    yield start + inside, self._extra(entry)

    def _extra(self, entry: bytes) -> Extra:
        return entry[1:] if entry[:1] == b"b" else self._revive(json.loads(entry[1:]))

    def _revive(self, plain: Extra) -> Extra:
        if isinstance(plain, list):
            return [self._revive(value) for value in plain]
        if not isinstance(plain, dict):
            return plain
        if "blob" in plain:
            number, prefix = plain["blob"]
            return self._fetch(int(number), bytes.fromhex(prefix))
        return {key: self._revive(value) for key, value in plain["dict"].items()}

    def of_step(self, step: int) -> range:
        """The rows of a step; empty, at the place where they would be, where it has none."""
        first, last = self._first_row(step), self._first_row(step + 1)
        while last > first and self.row(last - 1).graph == END:
            last -= 1
        return range(first, last)

    def _first_row(self, step: int) -> int:
        """The first row whose step is ``step`` or later."""
        position = bisect_left(self._last_steps, step)
        if position == len(self._starts):
            return self._total
        steps = self.block(self._starts[position]).integers(0)
        row: int = self._starts[position] + int(np.searchsorted(steps, step))
        return min(self._total, row)

    @cached_property
    def steps(self) -> npt.NDArray[np.int64]:
        """The step of every row, of shape (rows,)."""
        return self._whole(0)

    @cached_property
    def graphs(self) -> npt.NDArray[np.int64]:
        """The graph of every row, of shape (rows,)."""
        return self._whole(1)

    def _whole(self, column: int) -> npt.NDArray[np.int64]:
        parts = [self.block(start).integers(column)[:n] for start, n in self.block_rows()]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    @property
    def step_count(self) -> int:
        """How many steps the rows tell of."""
        if not self._total:
            return 0
        last = self.row(self._total - 1)
        before = self.row(self._total - 2).step + 1 if self._total > 1 else 0
        return max(last.step, before) if last.graph == END else last.step + 1


def parameters_in(block: Block) -> int:
    """How many parameters the rows of a block know."""
    number: object = block.note.get("parameters")
    if type(number) is not int or not 0 <= number <= len(block):
        damaged("the note of a block is wrong")
    return number


def _fits(index: list[tuple[Any, ...]]) -> bool:
    """Whether blocks follow each other without gap and with their steps in order.

    Raises:
        NotATraceError: They do not.
    """
    row, step = 0, 0
    for *keys, mark in index:
        if seal(*keys) != mark or keys[0] != row or keys[2] < step:
            damaged("blocks of steps do not follow each other")
        row, step = keys[0] + keys[1], keys[3]
    return True
