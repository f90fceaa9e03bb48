"""The last steps of a run of any length: how the older ones are let go of while it is written.

NOTE 1 [What is left of a step]: its row, with its graph and its loss, so that curves reach back to
the start. Parameters, ``.grad``, batches, tapes and keyframes go; so do large values that nothing
else refers to. When losses themselves take an eighth of the budget, the oldest are left out, too.

NOTE 2 [Never less]: steps go in the transaction that holds those because of which they may go. So
whenever a run is killed, what was committed last opens.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from autograd_lens.trace.columns import MOST_ROWS, Block
from autograd_lens.trace.rows import Row, pack_rows
from autograd_lens.trace.schema import damaged, item_id, seal, unseal
from autograd_lens.trace.store import BlobWriter

__all__ = ["Fading", "Forgotten", "Window"]

_LOSSES = 8  # this part of the budget the losses of old steps may have
_LOSS = 2  # column of a block


@dataclass(frozen=True, slots=True)
class Window:
    """What a recording keeps that holds the last steps alone.

    Attributes:
        steps: How many steps were asked for.
        first: The first one that opens.
    """

    steps: Annotated[int, msgspec.Meta(ge=1)]
    first: Annotated[int, msgspec.Meta(ge=0)] = 0


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What nobody needs any more.

    Attributes:
        window: What there still is.
        fulls: Older full steps that stay, as newer steps are executed by their tape.
        templates: Structures that no step has.
    """

    window: Window
    fulls: frozenset[int]
    templates: tuple[int, ...]


class Fading:
    """Lets go of old steps in a file that is being written.

    Args:
        connection: The trace, in a transaction whenever a method is called.
        blobs: Its large values.
        room: Bytes of the whole recording.
        saving: Called before so many bytes are written.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        blobs: BlobWriter,
        room: int,
        saving: Callable[[int], None],
    ) -> None:
        self._connection = connection
        self._blobs = blobs
        self._room = room
        self._saving = saving
        self._blocks: deque[tuple[int, int]] = deque()  # first row and last step, still whole
        self._batches: list[tuple[int, bool, Sequence[int]]] = []  # id, whether full, steps
        self._rows: list[Row] = []  # of the newest block that was let go of
        self._at = 0  # and its first row
        self._losses: deque[tuple[int, int]] = deque()  # first row and bytes
        self._loss_bytes = 0

    def block(self, first_row: int, last_step: int) -> None:
        """A block of rows is complete."""
        self._blocks.append((first_row, last_step))

    def batch(self, number: int, steps: Sequence[int], *, lean: bool) -> None:
        """A batch of full or lean steps was written."""
        self._batches.append((number, not lean, steps))

    def fade(self, gone: Forgotten) -> None:
        """Let go of all that is older."""
        first = gone.window.first
        while self._blocks and self._blocks[0][1] < first:
            self._fade_block(self._blocks.popleft()[0])
        kept = []
        for number, full, steps in self._batches:
            if max(steps) >= first or (full and not gone.fulls.isdisjoint(steps)):
                kept.append((number, full, steps))
            else:
                self._connection.execute("DELETE FROM fulls WHERE id = ?", (number,))
                self._blobs.let_go(("batch", number))
        self._batches = kept
        for step in self._blobs.steps_before(first):
            self._blobs.let_go(("step", step))
        for template in gone.templates:
            self._drop_template(template)

    def _drop_template(self, number: int) -> None:
        names = [("template", str(number))]
        listed = "SELECT key FROM items WHERE kind = 'dot' AND key GLOB ?"
        names += [
            ("dot", key) for (key,) in self._connection.execute(listed, (f"{number}.*",)).fetchall()
        ]
        self._connection.executemany(
            "DELETE FROM items WHERE id = ?", [(item_id(*name),) for name in names]
        )

    def _fade_block(self, first_row: int) -> None:
        """Leave of a block its graphs and losses, together with the block before it."""
        rows = self._read(first_row)
        if self._rows and len(self._rows) + len(rows) <= MOST_ROWS:
            self._connection.execute("DELETE FROM blocks WHERE first_row = ?", (first_row,))
            _, size = self._losses.pop()
            self._loss_bytes -= size
        else:
            self._at, self._rows = first_row, []
        self._rows += rows
        size = self._write(self._at, self._rows)
        self._losses.append((self._at, size))
        self._loss_bytes += size
        self._blobs.let_go(("block", first_row))
        while self._loss_bytes * _LOSSES > self._room and len(self._losses) > 1:
            at, size = self._losses.popleft()
            self._loss_bytes -= size
            self._write(at, [(step, graph, None, (), (), ()) for step, graph, *_ in self._read(at)])

    def _read(self, first_row: int) -> list[Row]:
        query = "SELECT rows, first_step, last_step, data FROM blocks WHERE first_row = ?"
        *keys, data = self._connection.execute(query, (first_row,)).fetchone()
        block = Block(unseal(data, first_row, *keys), keys[0], _nothing_large)
        steps, graphs = (block.integers(column).tolist() for column in (0, 1))
        losses = block.column(_LOSS)
        return [
            (step, graph, losses.entry(row), (), (), ())
            for row, (step, graph) in enumerate(zip(steps, graphs, strict=True))
        ]

    def _write(self, first_row: int, rows: Sequence[Row]) -> int:
        """Write a block; tells how many bytes it takes."""
        data, first_step, last_step = pack_rows(rows, self._blobs.put)
        keys = (first_row, len(rows), first_step, last_step)
        self._saving(len(data))
        self._connection.execute(
            "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?)",
            (*keys, seal(*keys), seal(*keys, data) + data),
        )
        return len(data)


def _nothing_large(_number: int, _prefix: bytes) -> bytes:
    damaged("a loss is no single number")
