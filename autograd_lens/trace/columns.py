"""Blocks: many rows of recorded entries, stored column by column.

A step of a loop resembles the one before, so entries of the same place in many steps are
put side by side. A **column** is one of::

    CONST  the same entry in every row                payload: the entry
    FIXED  entries of one kind and one size           payload: byte planes, see NOTE 1
    MIXED  anything                                   payload: kinds u8[rows], sizes u32[rows],
                                                      then the entries one behind the other

and an **entry** is bytes, a ``Summary``, None or a number. Bytes longer than ``INLINE`` go
into the trace's blobs, each content once; the column keeps a reference.

A block is ``u32 size of head | head | sections``. The head (squeezed) is ``u32 rows,
u32 columns, u32 sections, u32 size of note``, a JSON note, the stored size of every section
(u64 each) and the directory of columns. Sections (squeezed) hold payloads, about 64 KiB each,
so that one parameter's column can be read alone.

NOTE 1: byte planes. Neighbouring rows of float32 values agree in sign, exponent and leading
bits. Each row is XORed with the one before, then all first bytes are written, all second
bytes, and so on: the agreeing bytes become runs of zeros, which deflate likes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from autograd_lens.trace.schema import squeeze
from autograd_lens.trace.summaries import pack_summary
from autograd_lens.trace.values import Summary

__all__ = [
    "DIRECTORY",
    "INLINE",
    "MOST_ROWS",
    "REFERENCE",
    "Entry",
    "EntryKind",
    "Layout",
    "Packed",
    "Put",
    "pack_block",
    "pack_column",
]

Entry = bytes | Summary | float | int | bool | complex | None
Put = Callable[[bytes], tuple[int, bytes]]
"""Stores large bytes; returns the blob's id and the first eight bytes of its digest."""

INLINE = 4096  # bytes; what is longer is stored by content, so unchanged values cost nothing
REFERENCE = struct.Struct("<Q8s")
MOST_ROWS = 4096

_SECTION = 1 << 16
_HEAD = struct.Struct("<4I")

DIRECTORY = np.dtype(
    [
        ("layout", "u1"),
        ("kind", "u1"),
        ("width", "<u4"),
        ("section", "<u4"),
        ("offset", "<u8"),
        ("size", "<u8"),
    ]
)


class Layout(IntEnum):
    """How a column's payload is laid out."""

    CONST = 0
    FIXED = 1
    MIXED = 2


class EntryKind(IntEnum):
    """What one entry is."""

    NONE = 0
    BYTES = 1
    BLOB = 2
    SUMMARY = 3
    FLOAT = 4
    INT = 5
    BOOL = 6
    COMPLEX = 7


class Packed(NamedTuple):
    """One column, ready to be written.

    Attributes:
        layout: How the payload is laid out.
        kind: Kind of the entries; without meaning for MIXED.
        width: Bytes per entry; 0 for MIXED.
        payload: The bytes.
    """

    layout: int
    kind: int
    width: int
    payload: bytes


def pack_column(entries: Sequence[Entry], put: Put, inline: int = INLINE) -> Packed:
    """One column from the entries of all its rows."""
    first = entries[0]
    if (first is None or type(first) is bytes) and entries.count(first) == len(entries):
        return _constant(first, put, inline)
    kinds = set(map(type, entries))
    if kinds == {bytes}:
        widths = set(map(len, entries))  # type: ignore[arg-type]
        if len(widths) == 1 and (width := widths.pop()) <= inline:
            joined = b"".join(entries)  # type: ignore[arg-type]
            return Packed(Layout.FIXED, EntryKind.BYTES, width, planes(joined, width))
    elif kinds == {float}:
        joined = struct.pack(f"<{len(entries)}d", *entries)
        return Packed(Layout.FIXED, EntryKind.FLOAT, 8, planes(joined, 8))
    return _irregular(entries, put, inline)


def _constant(entry: Entry, put: Put, inline: int) -> Packed:
    kind, payload = _pack_entry(entry, put, inline)
    return Packed(Layout.CONST, kind, len(payload), payload)


def _irregular(entries: Sequence[Entry], put: Put, inline: int) -> Packed:
    kinds, payloads = zip(*[_pack_entry(entry, put, inline) for entry in entries], strict=True)
    sizes = list(map(len, payloads))
    joined = b"".join(payloads)
    if kinds.count(kinds[0]) == len(kinds) and sizes.count(sizes[0]) == len(sizes) and sizes[0]:
        return Packed(Layout.FIXED, kinds[0], sizes[0], planes(joined, sizes[0]))
    table = bytes(kinds) + np.array(sizes, "<u4").tobytes()
    return Packed(Layout.MIXED, 0, 0, table + joined)


def _pack_entry(entry: Entry, put: Put, inline: int) -> tuple[int, bytes]:
    if entry is None:
        return EntryKind.NONE, b""
    if type(entry) is bytes:
        if len(entry) <= inline:
            return EntryKind.BYTES, entry
        return EntryKind.BLOB, REFERENCE.pack(*put(entry))
    if type(entry) is Summary:
        return EntryKind.SUMMARY, pack_summary(entry)
    return _pack_number(entry)


def _pack_number(entry: Entry) -> tuple[int, bytes]:
    if isinstance(entry, bool):
        return EntryKind.BOOL, bytes([entry])
    if isinstance(entry, int):
        size = entry.bit_length() // 8 + 1
        return EntryKind.INT, entry.to_bytes(size, "little", signed=True)
    if isinstance(entry, float):
        return EntryKind.FLOAT, struct.pack("<d", entry)
    if isinstance(entry, complex):
        return EntryKind.COMPLEX, struct.pack("<2d", entry.real, entry.imag)
    msg = f"A trace holds bytes, summaries and numbers, not {type(entry).__name__}."
    raise TypeError(msg)


def planes(joined: bytes, width: int) -> bytes:
    """Rows of ``width`` bytes as differences, plane by plane (NOTE 1)."""
    table: npt.NDArray[np.uint8] = np.frombuffer(joined, np.uint8).reshape(-1, width)
    changed = table.copy()
    changed[1:] ^= table[:-1]
    return changed.T.tobytes()


def pack_block(rows: int, columns: Sequence[Packed], note: dict[str, Any]) -> bytes:
    """A block of ``rows`` rows; columns that are the same object share their payload."""
    directory = np.zeros(len(columns), DIRECTORY)
    sections: list[bytes] = []
    open_section: list[bytes] = []
    filled = 0
    places: dict[int, int] = {}
    for position, column in enumerate(columns):
        twin = places.setdefault(id(column), position)
        if twin != position:
            directory[position] = directory[twin]
            continue
        if filled >= _SECTION:
            sections.append(squeeze(b"".join(open_section)))
            open_section, filled = [], 0
        directory[position] = (*column[:3], len(sections), filled, len(column.payload))
        open_section.append(column.payload)
        filled += len(column.payload)
    sections.append(squeeze(b"".join(open_section)))
    return _assemble(rows, directory, sections, json.dumps(note).encode())


def _assemble(
    rows: int, directory: npt.NDArray[np.void], sections: list[bytes], note: bytes
) -> bytes:
    sizes = np.array([len(section) for section in sections], "<u8").tobytes()
    fixed = _HEAD.pack(rows, len(directory), len(sections), len(note))
    head = squeeze(fixed + note + sizes + directory.tobytes())
    return b"".join((len(head).to_bytes(4, "little"), head, *sections))
