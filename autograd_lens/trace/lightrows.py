"""Light rows as blocks.

The columns of a block are the step, the graph and the loss, then for each parameter its
value, its grad before and its grad after; then one for each name of the rows' extras, which
the block's note lists with the number of parameters.

NOTE 1: rows are transposed with ``itemgetter``. ``zip(*rows)`` makes an iterator per row, and
thousands of new objects start garbage collections, which cost more than all else here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain, zip_longest
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd_lens.trace.columns import (
    INLINE,
    Entry,
    EntryKind,
    Layout,
    Packed,
    Put,
    pack_block,
    pack_column,
    planes,
)

__all__ = ["Extra", "Row", "pack_rows", "row_bytes"]

Row = tuple[Any, ...]
"""(step, graph, loss, values, grads_before, grads_after[, extras]), as capture appends it.

Extras are a dict; what capture puts there, each only where it has something to say:

- ``random``: the state of the random numbers with which the step began;
- ``inputs``: what modules and data loaders were handed;
- ``numbers``: the numbers of optimizers, where they changed;
- ``calls``: what optimizers did since the row before: 0 nothing, 1 an update, 2 a clearing, 3 an
  update and then a clearing, 4 a clearing and then an update;
- ``gone``: in the last row, the indexes of parameters that had ceased to exist.
"""

Extra = Any
"""None, a number, text, bytes, or a list or dict of these."""

_FIELDS = 6  # of a row without extras
_EXTRA_INLINE = 2 * INLINE  # the random state is 5 KB and hardly changes: differences are small


def row_bytes(row: Row) -> int:
    """How many bytes of values a row holds, roughly."""
    entries = chain(row[3], row[4], row[5])
    return 64 + sum(len(entry) for entry in entries if type(entry) is bytes)


def pack_rows(rows: Sequence[Row], put: Put, floor: int = 0) -> tuple[bytes, int, int]:
    """A block of rows, with its first and last step.

    A row that arrives late from another thread is counted to the step that runs already
    (``floor`` or later): readers rely on the order of steps.
    """
    steps, graphs, losses, *lists = (_field(rows, field) for field in range(_FIELDS))
    ordered = np.maximum.accumulate(np.maximum(np.array(steps, "<i8"), floor))
    columns = [_integers(ordered), _integers(graphs), pack_column(losses, put)]
    packed = [_pack_lists(one, put) for one in lists]
    nothing = Packed(Layout.CONST, EntryKind.NONE, 0, b"")
    per_parameter = list(zip_longest(*packed, fillvalue=nothing))
    columns.extend(chain.from_iterable(per_parameter))
    extras = _extras(rows)
    names = sorted({name for extra in extras if extra for name in extra})
    columns.extend(_pack_extra(name, extras, put) for name in names)
    note = {"parameters": len(per_parameter), "extras": names}
    return pack_block(len(rows), columns, note), int(ordered[0]), int(ordered[-1])


def _field(rows: Sequence[Sequence[Any]], field: int) -> list[Any]:
    """One field of all rows (NOTE 1)."""
    return list(map(itemgetter(field), rows))


def _extras(rows: Sequence[Row]) -> list[dict[str, Extra] | None]:
    """The extras of all rows; none at all in the usual case that no row has any."""
    if set(map(len, rows)) == {_FIELDS}:
        return []
    return [row[_FIELDS] if len(row) > _FIELDS else None for row in rows]


def _integers(numbers: npt.ArrayLike) -> Packed:
    joined = np.array(numbers, "<i8").tobytes()
    return Packed(Layout.FIXED, EntryKind.BYTES, 8, planes(joined, 8))


def _pack_lists(lists: Sequence[Sequence[Entry]], put: Put) -> list[Packed]:
    lengths = set(map(len, lists))
    if len(lengths) > 1:
        return [pack_column(column, put) for column in zip_longest(*lists)]
    return [pack_column(_field(lists, index), put) for index in range(lengths.pop())]


def _pack_extra(name: str, extras: Sequence[dict[str, Extra] | None], put: Put) -> Packed:
    """One extra: bytes as they are; anything else as JSON whose bytes are blobs, marked by NUL."""
    entries: list[Entry] = [
        _extra_entry(extra.get(name) if extra else None, put) for extra in extras
    ]
    return pack_column(entries, put, _EXTRA_INLINE)


def _extra_entry(extra: Extra, put: Put) -> Entry:
    if extra is None:
        return None
    if isinstance(extra, bytes):
        return b"b" + extra
    return b"j" + json.dumps(_plain(extra, put)).encode()


def _plain(extra: Extra, put: Put) -> Extra:
    """``extra`` in JSON: bytes become ``{"blob": [id, digest]}``."""
    if isinstance(extra, bytes):
        number, prefix = put(extra)
        return {"blob": [number, prefix.hex()]}
    if isinstance(extra, dict):
        return {"dict": {str(key): _plain(value, put) for key, value in extra.items()}}
    if isinstance(extra, list | tuple):
        return [_plain(value, put) for value in extra]
    return extra
