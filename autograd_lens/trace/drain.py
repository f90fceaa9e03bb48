"""The writer's thread: takes what capture queued and writes it down.

Capture appends to deques and does nothing else; this thread empties them about twice a second
in one transaction. It holds the interpreter's lock while it packs, so the work per row is
spent in C: transposing with zip, joining, NumPy, deflate (which runs without the lock).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from threading import Event
from typing import TypeVar

import numpy as np

from autograd_lens.trace.blobs import BlobWriter
from autograd_lens.trace.columns import MOST_ROWS, Entry
from autograd_lens.trace.fullsteps import pack_fulls, slots_bytes
from autograd_lens.trace.lightrows import Row, pack_rows, row_bytes
from autograd_lens.trace.schema import count_rows, item_row, seal

__all__ = ["Drain", "Full", "Item", "Queue"]

T = TypeVar("T")

Full = tuple[int, int, list[Entry]]
"""(step, template, slots)"""
Item = tuple[str, str, bytes]
"""(kind, key, data)"""

_BLOCK_BYTES = 1 << 20
_CLOSED_ROWS = 1024  # a block with fewer rows is written again with the rows that follow
_BATCH_STEPS = 64
_BATCH_BYTES = 1 << 19
_QUEUE_BYTES = 1 << 28
_HEARTBEAT = 2.0  # seconds


@dataclass
class Queue:
    """What waits to be written.

    Attributes:
        rows: Light rows.
        fulls: Full steps.
        values: Large values that are found by their digest.
        items: Definitions; each was queued before the first row or step that refers to it.
        most_fulls: More full steps than this are more than memory should hold.
        wake: Set to drain at once.
        stop: Set to drain a last time.
    """

    rows: deque[Row] = field(default_factory=deque)
    fulls: deque[Full] = field(default_factory=deque)
    items: deque[Item] = field(default_factory=deque)
    values: deque[bytes] = field(default_factory=deque)
    most_fulls: int = 256
    wake: Event = field(default_factory=Event)
    stop: Event = field(default_factory=Event)

    def clear(self) -> None:
        """Forget everything."""
        self.rows.clear()
        self.fulls.clear()
        self.items.clear()
        self.values.clear()


class Drain:
    """Writes a queue into a trace; belongs to one thread.

    Args:
        path: The trace, with its tables.
        queue: What to write.
        live: Whether the run goes on: then readers may follow, and a heartbeat is kept.
    """

    def __init__(self, path: Path, queue: Queue, *, live: bool) -> None:
        self._connection = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        self._set_journal("WAL" if live else "DELETE")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._queue = queue
        self._live = live
        if not live:
            self._write_counts(None)
        self._blobs = BlobWriter(self._connection)
        self._tail: list[Row] = []
        query = "SELECT coalesce(max(first_row + rows), 0), coalesce(max(last_step), 0) FROM blocks"
        self._tail_start, self._floor = self._connection.execute(query).fetchone()
        query = "SELECT coalesce(max(id), 0) FROM fulls"
        self._batches: int = self._connection.execute(query).fetchone()[0]
        self._beat = 0.0

    def drain(self) -> None:
        """Write what is queued now, in one transaction."""
        queue = self._queue
        late = self._live and time.monotonic() - self._beat > _HEARTBEAT
        if queue.rows or queue.fulls or queue.items or queue.values or late:
            self._connection.execute("BEGIN IMMEDIATE")
            self._write_queue()
            self._connection.execute("COMMIT")

    def finish(self) -> None:
        """Write what is queued, seal the counts and leave one ordinary file."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._write_queue()
        self._write_counts(count_rows(self._connection))
        self._connection.execute("COMMIT")
        self.close()

    def _write_queue(self) -> None:
        rows, fulls = len(self._queue.rows), len(self._queue.fulls)
        self._write_items(_take(self._queue.items, len(self._queue.items)))
        self._write_rows(_take(self._queue.rows, rows))
        self._write_fulls(_take(self._queue.fulls, fulls))
        for value in _take(self._queue.values, len(self._queue.values)):
            self._blobs.put(value)
        if self._live:
            self._beat = time.monotonic()
            self._write_items([("about", "heartbeat", json.dumps(time.time()).encode())])
        self._blobs.flush()

    def _write_counts(self, counts: dict[str, int] | None) -> None:
        self._write_items([("about", "counts", json.dumps(counts).encode())])

    def close(self) -> None:
        """Let go of the file; what was not committed is undone."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._set_journal("DELETE")
        except sqlite3.Error:  # the disk is full or gone: the log stays, and readers find it
            pass
        finally:
            self._connection.close()

    def _set_journal(self, mode: str) -> None:
        """Switch between a log beside the file and a single file.

        A reader that has the file open prevents it. Then the log stays beside the file, which
        is as good to read; the next writer tidies up.
        """
        with suppress(sqlite3.OperationalError):
            self._connection.execute("PRAGMA busy_timeout = 200")
            self._connection.execute(f"PRAGMA journal_mode = {mode}")
        self._connection.execute("PRAGMA busy_timeout = 5000")

    def _write_items(self, items: Iterable[Item]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?)",
            [item_row(*item) for item in items],
        )

    def _write_rows(self, new: list[Row]) -> None:
        if not new:
            return
        rows = self._tail + new
        size = row_bytes(rows[-1])
        limit = max(1, min(MOST_ROWS, _BLOCK_BYTES // size))
        for start in range(0, len(rows), limit):
            block = rows[start : start + limit]
            last_step = self._write_block(self._tail_start + start, block)
            if len(block) >= min(limit, _CLOSED_ROWS):
                self._floor, block = last_step, []
        self._tail_start += len(rows) - len(block)
        self._tail = block

    def _write_block(self, first_row: int, rows: list[Row]) -> int:
        data, first_step, last_step = pack_rows(rows, self._blobs.put, self._floor)
        keys = (first_row, len(rows), first_step, last_step)
        self._connection.execute(
            "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?)",
            (*keys, seal(*keys), seal(*keys, data) + data),
        )
        return last_step

    def _write_fulls(self, fulls: list[Full]) -> None:
        for (template, _), group in groupby(fulls, lambda full: (full[1], len(full[2]))):
            steps = list(group)
            inside, everything = slots_bytes(steps[-1][2])
            self._queue.most_fulls = max(16, min(65536, _QUEUE_BYTES // (everything + 1024)))
            limit = max(1, min(_BATCH_STEPS, _BATCH_BYTES // (inside + 1)))
            for start in range(0, len(steps), limit):
                self._write_batch(template, steps[start : start + limit])

    def _write_batch(self, template: int, fulls: list[Full]) -> None:
        data = pack_fulls([slots for _, _, slots in fulls], self._blobs.put)
        steps = np.array([step for step, _, _ in fulls], "<i8").tobytes()
        self._batches += 1
        keys = (self._batches, template, steps)
        self._connection.execute(
            "INSERT INTO fulls VALUES (?, ?, ?, ?, ?)",
            (*keys, seal(*keys), seal(*keys, data) + data),
        )


def _take(queue: deque[T], number: int) -> list[T]:
    take = queue.popleft
    return [take() for _ in range(number)]
