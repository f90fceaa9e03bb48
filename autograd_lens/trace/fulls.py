"""Full steps: their slots as blocks, one column per slot and one row per step.

NOTE 1: in one step many slots hold the same bytes object (a kernel's output is the next
one's input), and they do so in every step of the template. Slots whose objects are the same
in all steps of a batch share one column: found by comparing ids, which is much cheaper than
comparing bytes, and right because the batch keeps all objects alive. What is equal in content
only is found by the digest of the packed column.

NOTE 2 [Lean steps]: a lean step holds the values of what it read from outside alone. In the table
the number of its template is inverted (``~number``), so that which steps are lean is known
without reading any template.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xxhash

from autograd_lens.trace.cache import Recent
from autograd_lens.trace.columns import (
    INLINE,
    Block,
    Fetch,
    Note,
    Packed,
    Put,
    pack_block,
    pack_column,
)
from autograd_lens.trace.schema import damaged, seal, unseal
from autograd_lens.trace.store import Database
from autograd_lens.trace.values import Entry

__all__ = ["Fulls", "pack_fulls", "slots_bytes"]

_KEPT_BATCHES = 4


def slots_bytes(slots: Sequence[Entry]) -> tuple[int, int]:
    """Bytes in a step's slots, each object counted once.

    Returns:
        Bytes stored inside the batch, and all bytes.
    """
    sizes = {id(entry): len(entry) for entry in slots if type(entry) is bytes}.values()
    return sum(size for size in sizes if size <= INLINE), sum(sizes)


def pack_fulls(steps: Sequence[Sequence[Entry]], put: Put) -> bytes:
    """A batch of steps of one template and one number of slots."""
    same_objects: dict[tuple[int, ...], Packed] = {}
    same_content: dict[tuple[int, int, bytes], Packed] = {}
    columns = []
    for entries in zip(*steps, strict=True):
        ids = tuple(map(id, entries))
        column = same_objects.get(ids)
        if column is None:
            packed = pack_column(entries, put)
            content = (packed.layout, packed.kind, xxhash.xxh3_128_digest(packed.payload))
            column = same_objects[ids] = same_content.setdefault(content, packed)
        columns.append(column)
    return pack_block(len(steps), columns, Note())


class Fulls:
    """The full steps of an open trace.

    Args:
        database: The trace.
        fetch: Gives large values.
        window: Whether old steps were let go of, so that numbers are missing.
    """

    def __init__(self, database: Database, fetch: Fetch, *, window: bool = False) -> None:
        self._window = window
        self._count = 0
        self._database = database
        self._fetch = fetch
        self._places: dict[int, tuple[int, int, int]] = {}
        self._newest = 0
        self._kept: Recent[int, Block] = Recent(_KEPT_BATCHES)
        self.refresh()

    def refresh(self) -> None:
        """Notice steps written since; a step written twice is as it was written last."""
        if self._window:
            self._places, self._newest, self._count = {}, 0, 0
        query = "SELECT id, template, steps, seal FROM fulls WHERE id > ? ORDER BY id"
        for batch, template, steps, mark in self._database.rows(query, self._newest):
            missing = batch != self._newest + 1 and not self._window
            if seal(batch, template, steps) != mark or missing:
                damaged("the list of full steps is not what was written")
            if type(template) is not int or not isinstance(steps, bytes) or len(steps) % 8:
                damaged("the list of full steps holds something else")
            for row, step in enumerate(np.frombuffer(steps, "<i8").tolist()):
                self._places[step] = (batch, row, template)
            self._newest = batch
            self._count += 1

    def __len__(self) -> int:
        """How many batches there are."""
        return self._count

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
        block = self._kept.made(batch, self._load)
        if row >= block.rows:
            damaged("a full step is missing from its batch")
        number = template if template >= 0 else ~template
        return number, [block.column(column).entry(row) for column in range(len(block))]

    def _load(self, batch: int) -> Block:
        query = "SELECT template, steps, data FROM fulls WHERE id = ?"
        found = self._database.row(query, batch)
        if found is None:
            damaged("a batch of full steps is missing")
        template, steps, data = found
        return Block(unseal(data, batch, template, steps), len(steps) // 8, self._fetch)
