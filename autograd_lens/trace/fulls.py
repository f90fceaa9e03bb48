"""Reading the slots of full steps.

NOTE 1 [Lean steps]: a lean step holds the values of what it read from outside alone. In the table
the number of its template is inverted (``~number``), so that which steps are lean is known
without reading any template.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict

import numpy as np

from autograd_lens.trace.block import Block, Fetch
from autograd_lens.trace.columns import Entry
from autograd_lens.trace.database import wrapped
from autograd_lens.trace.schema import damaged, seal, unseal

__all__ = ["Fulls"]

_KEPT_BATCHES = 4


class Fulls:
    """The full steps of an open trace.

    Args:
        connection: The trace.
        fetch: Gives large values.
    """

    def __init__(self, connection: sqlite3.Connection, fetch: Fetch) -> None:
        self._connection = connection
        self._fetch = fetch
        self._places: dict[int, tuple[int, int, int]] = {}
        self._newest = 0
        self._kept: OrderedDict[int, Block] = OrderedDict()
        self.refresh()

    def refresh(self) -> None:
        """Notice steps written since; a step written twice is as it was written last."""
        query = "SELECT id, template, steps, seal FROM fulls WHERE id > ? ORDER BY id"
        with wrapped():
            found = self._connection.execute(query, (self._newest,)).fetchall()
        for batch, template, steps, mark in found:
            if seal(batch, template, steps) != mark or batch != self._newest + 1:
                damaged("the list of full steps is not what was written")
            for row, step in enumerate(np.frombuffer(steps, "<i8").tolist()):
                self._places[step] = (batch, row, template)
            self._newest = batch

    def __len__(self) -> int:
        """How many batches there are."""
        return self._newest

    def steps(self) -> tuple[int, ...]:
        """The steps that hold all their values, in order."""
        return tuple(sorted(step for step, place in self._places.items() if place[2] >= 0))

    def lean(self) -> tuple[int, ...]:
        """The lean steps, in order (NOTE 1)."""
        return tuple(sorted(step for step, place in self._places.items() if place[2] < 0))

    def __contains__(self, step: int) -> bool:
        return step in self._places

    def is_lean(self, step: int) -> bool:
        """Whether a step that is there is a lean one."""
        return self._places[step][2] < 0

    def slots(self, step: int) -> tuple[int, list[Entry]]:
        """The template and the slots of a full or lean step."""
        batch, row, template = self._places[step]
        block = self._block(batch)
        if row >= block.rows:
            damaged("a full step is missing from its batch")
        number = template if template >= 0 else ~template
        return number, [block.column(column).entry(row) for column in range(len(block))]

    def _block(self, batch: int) -> Block:
        if batch in self._kept:
            self._kept.move_to_end(batch)
        else:
            self._kept[batch] = self._load(batch)
            if len(self._kept) > _KEPT_BATCHES:
                self._kept.popitem(last=False)
        return self._kept[batch]

    def _load(self, batch: int) -> Block:
        query = "SELECT template, steps, data FROM fulls WHERE id = ?"
        with wrapped():
            found = self._connection.execute(query, (batch,)).fetchone()
        if found is None:
            damaged("a batch of full steps is missing")
        template, steps, data = found
        return Block(unseal(data, batch, template, steps), len(steps) // 8, self._fetch)
