"""Light rows: what capture wrote down at every engine run, as blocks of columns.

The columns of a block are the step, the graph and the loss, then for each parameter its
value, its grad before and its grad after; then one for each name of the rows' extras, which
the block's note lists with the number of parameters. Extras are MessagePack; bytes inside them
are blobs, to which they refer by an extension type.

NOTE 1: rows are transposed with ``itemgetter``. ``zip(*rows)`` makes an iterator per row, and
thousands of new objects start garbage collections, which cost more than all else here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise, zip_longest
from operator import itemgetter
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from autograd_lens.trace.cache import Recent
from autograd_lens.trace.columns import (
    INLINE,
    NOTHING,
    REFERENCE,
    Block,
    Column,
    Fetch,
    Note,
    Packed,
    Put,
    pack_block,
    pack_column,
    pack_integers,
)
from autograd_lens.trace.records import Source
from autograd_lens.trace.schema import damaged, seal, unseal
from autograd_lens.trace.store import Database, parsing
from autograd_lens.trace.values import Entry

__all__ = [
    "END",
    "Extra",
    "LightGraph",
    "LightRow",
    "Row",
    "Rows",
    "pack_rows",
    "row_bytes",
]

END = -1
"""The graph of the row that holds the state after the last step."""

Row = tuple[Any, ...]
"""(step, graph, loss, values, grads_before, grads_after[, extras]), as capture appends it.

Extras are a dict; what capture puts there, each only where it has something to say:

- ``random``: the state of the random numbers with which the step began;
- ``inputs``: what modules and data loaders were handed;
- ``numbers``: the numbers of optimizers, where they changed;
- ``fresh``: the indexes of parameters for which an optimizer began a state;
- ``calls``: what optimizers did since the row before: 0 nothing, 1 an update, 2 a clearing, 3 an
  update and then a clearing, 4 a clearing and then an update;
- ``clock``: where several processes train together, the time at which the engine began and that
  at which it ended, in seconds of the system's clock;
- ``gone``: in the last row, the indexes of parameters that had ceased to exist.
"""

Extra = Any
"""None, a number, text, bytes, or a list or dict of these."""

_FIELDS = 6  # of a row without extras
_EXTRA_INLINE = 2 * INLINE  # the random state is 5 KB and hardly changes: differences are small
_BLOB = 1  # number of the extension type that refers to a blob
_LOSS = 2
_FIRST_COLUMN = 3  # the first parameter's value; its grads before and after follow
_KEPT_BLOCKS = 8

Size = Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class LightGraph:
    """One engine run's circumstances, as its rows share them.

    Attributes:
        kind: ``"backward"`` or ``"grad"``.
        source: The line that called it, or None.
        fingerprint: Id of the graph's structure.
        nodes: How many nodes it has.
        roots: dtype and shape of the tensors it started from.
        retain_graph: As given or defaulted.
        create_graph: As given or defaulted.
        reached: Indexes of the parameters whose ``.grad`` it wrote.
        loss: Which root the rows hold, or None.
        error: The exception it raised, else ``""``.
    """

    kind: Literal["backward", "grad"] = "backward"
    source: Source | None = None
    fingerprint: str = ""
    nodes: Size = 0
    roots: tuple[tuple[str, tuple[Size, ...]], ...] = ()
    retain_graph: bool = False
    create_graph: bool = False
    reached: tuple[Size, ...] = ()
    loss: Size | None = None
    error: str = ""

    def __post_init__(self) -> None:
        """Refuse a loss that is no root.

        Raises:
            ValueError: It is none.
        """
        if self.loss is not None and self.loss >= len(self.roots):
            msg = f"root {self.loss} of {len(self.roots)} cannot be the loss"
            raise ValueError(msg)


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


def row_bytes(row: Row) -> int:
    """How many bytes of values a row holds, roughly."""
    extras = row[6] if len(row) > _FIELDS else {}
    entries = chain(row[3], row[4], row[5], extras.values(), extras.get("inputs") or ())
    return 64 + sum(len(entry) for entry in entries if type(entry) is bytes)


def pack_rows(rows: Sequence[Row], put: Put, floor: int = 0) -> tuple[bytes, int, int]:
    """A block of rows, with its first and last step.

    A row that arrives late from another thread is counted to the step that runs already
    (``floor`` or later): readers rely on the order of steps.
    """
    steps, graphs, losses, *lists = (_field(rows, field) for field in range(_FIELDS))
    ordered = np.maximum.accumulate(np.maximum(np.array(steps, "<i8"), floor))
    columns = [pack_integers(ordered), pack_integers(graphs), pack_column(losses, put)]
    packed = [_pack_lists(one, put) for one in lists]
    per_parameter = list(zip_longest(*packed, fillvalue=NOTHING))
    columns.extend(chain.from_iterable(per_parameter))
    extras = _extras(rows)
    names = sorted({name for extra in extras if extra for name in extra})
    columns.extend(_pack_extra(name, extras, put) for name in names)
    note = Note(len(per_parameter), tuple(names))
    return pack_block(len(rows), columns, note), int(ordered[0]), int(ordered[-1])


def _field(rows: Sequence[Sequence[Any]], field: int) -> list[Any]:
    """One field of all rows (NOTE 1)."""
    return list(map(itemgetter(field), rows))


def _extras(rows: Sequence[Row]) -> list[dict[str, Extra] | None]:
    """The extras of all rows; none at all in the usual case that no row has any."""
    if set(map(len, rows)) == {_FIELDS}:
        return []
    return [row[_FIELDS] if len(row) > _FIELDS else None for row in rows]


def _pack_lists(lists: Sequence[Sequence[Entry]], put: Put) -> list[Packed]:
    lengths = set(map(len, lists))
    if len(lengths) > 1:
        return [pack_column(column, put) for column in zip_longest(*lists)]
    return [pack_column(_field(lists, index), put) for index in range(lengths.pop())]


def _pack_extra(name: str, extras: Sequence[dict[str, Extra] | None], put: Put) -> Packed:
    entries: list[Entry] = [
        _extra_entry(extra.get(name) if extra else None, put) for extra in extras
    ]
    return pack_column(entries, put, _EXTRA_INLINE)


def _extra_entry(extra: Extra, put: Put) -> Entry:
    """One extra as bytes: what is bytes itself stays inside, so that neighbours can be compared."""
    if extra is None:
        return None
    return msgspec.msgpack.encode(extra if isinstance(extra, bytes) else _with_blobs(extra, put))


def _with_blobs(extra: Extra, put: Put) -> Extra:
    """``extra`` with a reference in place of all bytes in it."""
    if isinstance(extra, bytes):
        return msgspec.msgpack.Ext(_BLOB, REFERENCE.pack(*put(extra)))
    if isinstance(extra, dict):
        return {str(key): _with_blobs(value, put) for key, value in extra.items()}
    if isinstance(extra, list | tuple):
        return [_with_blobs(value, put) for value in extra]
    return extra


class Rows:
    """The light rows of an open trace.

    Args:
        database: The trace.
        fetch: Gives large values.
    """

    def __init__(self, database: Database, fetch: Fetch) -> None:
        self._database = database
        self._fetch = fetch
        self._kept: Recent[int, Block] = Recent(_KEPT_BLOCKS)
        self._load_index()

    def refresh(self) -> None:
        """Notice rows written since."""
        if self._starts:
            self._kept.forget(self._starts[-1])  # the last block may have grown
        for name in ("steps", "graphs"):
            self.__dict__.pop(name, None)
        self._load_index()

    def _load_index(self) -> None:
        query = "SELECT first_row, rows, first_step, last_step, seal FROM blocks ORDER BY 1"
        index = self._database.rows(query)
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
        return self._kept.made(start, self._load)

    def _load(self, start: int) -> Block:
        query = "SELECT rows, first_step, last_step, data FROM blocks WHERE first_row = ?"
        found = self._database.row(query, start)
        if found is None:
            damaged("a block of steps is missing")
        *keys, data = found
        block = Block(unseal(data, start, *keys), keys[0], self._fetch)
        steps = block.integers(0)
        if [int(steps[0]), int(steps[-1])] != keys[1:] or (np.diff(steps) < 0).any():
            damaged("the steps of a block are not in order")
        return block

    def columns_of(self, index: int, field: int) -> Iterator[tuple[int, int, Column]]:
        """One field of one parameter over all rows.

        Args:
            index: The parameter.
            field: 0 for its value, 1 for its grad before, 2 for its grad after.

        Yields:
            First row, number of rows and column of each block that knows the parameter.
        """
        for start, number in self.block_rows():
            block = self.block(start)
            if index < parameters_in(block):
                yield start, number, block.column(_FIRST_COLUMN + 3 * index + field)

    def losses(self) -> Iterator[tuple[int, int, Column]]:
        """The losses of all rows: first row, number of rows and column of each block."""
        for start, number in self.block_rows():
            yield start, number, self.block(start).column(_LOSS)

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
            for column in range(_LOSS, _FIRST_COLUMN + 3 * parameters_in(block))
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
        first = _FIRST_COLUMN + 3 * parameters_in(block)
        entries = {
            name: block.column(column).entry(inside)
            for column, name in enumerate(block.note.extras, first)
        }
        return {
            name: self._extra(entry) for name, entry in entries.items() if isinstance(entry, bytes)
        }

    def extra_column(self, name: str) -> Iterator[tuple[int, Extra]]:
        """One extra of all rows that have it: (row, what capture gave)."""
        for start, count in self.block_rows():
            block = self.block(start)
            if name not in block.note.extras:
                continue
            position = block.note.extras.index(name)
            column = block.column(_FIRST_COLUMN + 3 * parameters_in(block) + position)
            for inside in range(count):
                entry = column.entry(inside)
                if isinstance(entry, bytes):
                    yield start + inside, self._extra(entry)

    def _extra(self, entry: bytes) -> Extra:
        with parsing("what was kept beside a step"):
            return msgspec.msgpack.decode(entry, ext_hook=self._blob)

    def _blob(self, code: int, data: memoryview) -> bytes:
        if code != _BLOB or len(data) != REFERENCE.size:
            damaged("what was kept beside a step refers to something unknown")
        return self._fetch(*REFERENCE.unpack(data))

    def of_step(self, step: int) -> range:
        """The rows of a step; empty, at the place where they would be, where it has none."""
        first, last = self._first_row(step), self._first_row(step + 1)
        while last > first and self._graph(last - 1) == END:
            last -= 1
        return range(first, last)

    def _graph(self, row: int) -> int:
        block, inside = self._find(row)
        return int(block.integers(1)[inside])

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
    number = block.note.parameters
    if not 0 <= _FIRST_COLUMN + 3 * number <= len(block):
        damaged("the note of a block is wrong")
    return number


def _fits(index: list[tuple[Any, ...]]) -> bool:
    """Whether blocks follow each other without gap and with their steps in order.

    Raises:
        NotATraceError: They do not.
    """
    row, step = 0, 0
    for *keys, mark in index:
        if seal(*keys) != mark or not all(type(key) is int for key in keys):
            damaged("the list of blocks is not what was written")
        first, rows, first_step, last_step = keys
        if first != row or rows < 1 or not step <= first_step <= last_step:
            damaged("blocks of steps do not follow each other")
        row, step = first + rows, last_step
    return True
