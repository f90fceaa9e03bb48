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
so that one parameter's column can be read alone. A summary is its fixed fields, then those of
the optional ones that are there.

``pack_column`` and ``pack_block`` write, ``Block`` reads; it checks every offset, size and kind.

NOTE 1: byte planes. Neighbouring rows of float32 values agree in sign, exponent and leading
bits. Each row is XORed with the one before, then all first bytes are written, all second
bytes, and so on: the agreeing bytes become runs of zeros, which deflate likes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from autograd_lens.trace.schema import damaged, squeeze, unsqueeze
from autograd_lens.trace.stored import from_bytes, to_bytes
from autograd_lens.trace.values import Entry, Summary

__all__ = [
    "INLINE",
    "MOST_ROWS",
    "NOTHING",
    "REFERENCE",
    "Block",
    "Column",
    "Fetch",
    "Note",
    "Packed",
    "Put",
    "pack_block",
    "pack_column",
    "pack_integers",
]

Put = Callable[[bytes], tuple[int, bytes]]
"""Stores large bytes; returns the blob's id and the first eight bytes of its digest."""

Fetch = Callable[[int, bytes], bytes]
"""Gives the blob of an id, checked against the first eight bytes of its digest."""

INLINE = 4096  # bytes; what is longer is stored by content, so unchanged values cost nothing
REFERENCE = struct.Struct("<Q8s")
MOST_ROWS = 4096

_SECTION = 1 << 16
_MOST_HEAD = 1 << 27  # bytes
_MOST_SECTION = 1 << 27
_MOST_ALTOGETHER = 1 << 29  # bytes of all columns of one block, shared ones counted each time

_MOST_DIGITS = 64  # bytes of one integer

_HEAD = struct.Struct("<4I")
_DOUBLE = struct.Struct("<d")
_COMPLEX = struct.Struct("<2d")
_SUMMARY = struct.Struct("<16sdBB")  # digest, norm, which optional fields, size of sample
_OPTIONAL = ("minimum", "maximum", "mean", "nan_count", "inf_count")
_FORMATS = ("d", "d", "d", "q", "q")
_optional = attrgetter(*_OPTIONAL)

_DIRECTORY = np.dtype(
    [
        ("layout", "u1"),
        ("kind", "u1"),
        ("width", "<u4"),
        ("section", "<u4"),
        ("offset", "<u8"),
        ("size", "<u8"),
    ]
)


class _Layout(IntEnum):
    """How a column's payload is laid out."""

    CONST = 0
    FIXED = 1
    MIXED = 2


class _Kind(IntEnum):
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


NOTHING = Packed(_Layout.CONST, _Kind.NONE, 0, b"")
"""A column without any entry."""


class Note(msgspec.Struct, frozen=True):
    """What a block says of its columns.

    Attributes:
        parameters: How many parameters its rows know.
        extras: Names of what capture gave beside the rows.
    """

    parameters: int = 0
    extras: tuple[str, ...] = ()


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
            return Packed(_Layout.FIXED, _Kind.BYTES, width, _planes(joined, width))
    elif kinds == {float}:
        joined = struct.pack(f"<{len(entries)}d", *entries)
        return Packed(_Layout.FIXED, _Kind.FLOAT, 8, _planes(joined, 8))
    return _irregular(entries, put, inline)


def pack_integers(numbers: npt.ArrayLike) -> Packed:
    """A column of 64-bit integers; ``Block.integers`` reads it."""
    joined = np.array(numbers, "<i8").tobytes()
    return Packed(_Layout.FIXED, _Kind.BYTES, 8, _planes(joined, 8))


def _constant(entry: Entry, put: Put, inline: int) -> Packed:
    kind, payload = _pack_entry(entry, put, inline)
    return Packed(_Layout.CONST, kind, len(payload), payload)


def _irregular(entries: Sequence[Entry], put: Put, inline: int) -> Packed:
    kinds, payloads = zip(*[_pack_entry(entry, put, inline) for entry in entries], strict=True)
    sizes = list(map(len, payloads))
    joined = b"".join(payloads)
    if kinds.count(kinds[0]) == len(kinds) and sizes.count(sizes[0]) == len(sizes) and sizes[0]:
        return Packed(_Layout.FIXED, kinds[0], sizes[0], _planes(joined, sizes[0]))
    table = bytes(kinds) + np.array(sizes, "<u4").tobytes()
    return Packed(_Layout.MIXED, 0, 0, table + joined)


def _pack_entry(entry: Entry, put: Put, inline: int) -> tuple[int, bytes]:
    if entry is None:
        return _Kind.NONE, b""
    if type(entry) is bytes:
        if len(entry) <= inline:
            return _Kind.BYTES, entry
        return _Kind.BLOB, REFERENCE.pack(*put(entry))
    if type(entry) is Summary:
        return _Kind.SUMMARY, _pack_summary(entry)
    return _pack_number(entry)


def _pack_number(entry: Entry) -> tuple[int, bytes]:
    if isinstance(entry, bool):
        return _Kind.BOOL, bytes([entry])
    if isinstance(entry, int):
        size = entry.bit_length() // 8 + 1
        return _Kind.INT, entry.to_bytes(size, "little", signed=True)
    if isinstance(entry, float):
        return _Kind.FLOAT, _DOUBLE.pack(entry)
    if isinstance(entry, complex):
        return _Kind.COMPLEX, _COMPLEX.pack(entry.real, entry.imag)
    msg = f"A trace holds bytes, summaries and numbers, not {type(entry).__name__}."
    raise TypeError(msg)


def _pack_summary(summary: Summary) -> bytes:
    digest = bytes.fromhex(summary.digest)
    values = _optional(summary)
    there = [value for value in values if value is not None]
    present = sum(1 << bit for bit, value in enumerate(values) if value is not None)
    fixed = _SUMMARY.pack(digest, summary.norm, present, len(summary.sample))
    layout = _summary_layout(present, len(summary.sample))
    return fixed + struct.pack(layout, *there, *summary.sample)


@lru_cache(1024)
def _summary_layout(present: int, samples: int) -> str:
    fields = "".join(form for bit, form in enumerate(_FORMATS) if present >> bit & 1)
    return f"<{fields}{samples}d"


def _planes(joined: bytes, width: int) -> bytes:
    """Rows of ``width`` bytes as differences, plane by plane (NOTE 1)."""
    table: npt.NDArray[np.uint8] = np.frombuffer(joined, np.uint8).reshape(-1, width)
    changed = table.copy()
    changed[1:] ^= table[:-1]
    return changed.T.tobytes()


def pack_block(rows: int, columns: Sequence[Packed], note: Note) -> bytes:
    """A block of ``rows`` rows; columns that are the same object share their payload."""
    directory = np.zeros(len(columns), _DIRECTORY)
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
            sections.append(squeeze(b"".join(open_section), planes=True))
            open_section, filled = [], 0
        directory[position] = (*column[:3], len(sections), filled, len(column.payload))
        open_section.append(column.payload)
        filled += len(column.payload)
    sections.append(squeeze(b"".join(open_section), planes=True))
    return _assemble(rows, directory, sections, to_bytes(note))


def _assemble(
    rows: int, directory: npt.NDArray[np.void], sections: list[bytes], note: bytes
) -> bytes:
    sizes = np.array([len(section) for section in sections], "<u8").tobytes()
    fixed = _HEAD.pack(rows, len(directory), len(sections), len(note))
    head = squeeze(fixed + note + sizes + directory.tobytes())
    return b"".join((len(head).to_bytes(4, "little"), head, *sections))


class Column:
    """The entries of one place in all rows of a block."""

    def __init__(
        self, rows: int, place: tuple[int, int, int], payload: memoryview, fetch: Fetch
    ) -> None:
        self.rows = rows
        self.layout, self.kind, self.width = place
        self._payload = payload
        self._fetch = fetch
        expected = {
            _Layout.CONST: self.width,
            _Layout.FIXED: self.width * rows,
            _Layout.MIXED: len(payload),
        }
        if expected.get(_Layout(self.layout)) != len(payload) or len(payload) < self._least():
            damaged("a column has the wrong size")

    def _least(self) -> int:
        return 5 * self.rows if self.layout == _Layout.MIXED else 0

    def entry(self, row: int) -> Entry:
        """The entry of one row."""
        if self.layout == _Layout.MIXED:
            kinds, ends = self._table
            start = 5 * self.rows + (int(ends[row - 1]) if row else 0)
            return self._unpack(int(kinds[row]), bytes(self._payload[start : self._end(row)]))
        if self.layout == _Layout.CONST:
            if self.kind == _Kind.BLOB:  # kept elsewhere, as many as memory should hold
                return self._unpack(self.kind, bytes(self._payload))
            return self._constant
        return self._unpack(self.kind, self._rows[row].tobytes())

    @cached_property
    def _constant(self) -> Entry:
        return self._unpack(self.kind, bytes(self._payload))

    def matrix(self, width: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """All entries that are ``width`` bytes, and which rows have such an entry.

        Returns:
            Bytes of shape (rows, width), zero where there are none; mask of shape (rows,).
        """
        plain = self.kind == _Kind.BYTES and self.width == width
        if self.layout == _Layout.FIXED and plain:
            return self._rows, np.ones(self.rows, np.bool_)
        if self.layout != _Layout.MIXED and self.kind != _Kind.BLOB and not plain:
            return np.zeros((self.rows, width), np.uint8), np.zeros(self.rows, np.bool_)
        return self._collect(width)

    def nothing(self) -> npt.NDArray[np.bool_]:
        """Which rows have no entry at all: (rows,)."""
        if self.layout == _Layout.MIXED:
            return np.asarray(self._table[0] == _Kind.NONE, np.bool_)
        return np.full(self.rows, self.kind == _Kind.NONE)

    def _collect(self, width: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        table = np.zeros((self.rows, width), np.uint8)
        there = np.zeros(self.rows, np.bool_)
        if self.layout == _Layout.CONST:
            entry = self.entry(0)
            if isinstance(entry, bytes) and len(entry) == width:
                table[:] = np.frombuffer(entry, np.uint8)
                there[:] = True
            return table, there
        for row in range(self.rows):
            entry = self.entry(row)
            if isinstance(entry, bytes) and len(entry) == width:
                table[row] = np.frombuffer(entry, np.uint8)
                there[row] = True
        return table, there

    @cached_property
    def _rows(self) -> npt.NDArray[np.uint8]:
        planes = np.frombuffer(self._payload, np.uint8).reshape(self.width, self.rows)
        rows: npt.NDArray[np.uint8] = np.bitwise_xor.accumulate(planes, axis=1)
        return np.ascontiguousarray(rows.T)

    @cached_property
    def _table(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint64]]:
        kinds = np.frombuffer(self._payload[: self.rows], np.uint8)
        sizes = np.frombuffer(self._payload[self.rows : 5 * self.rows], "<u4")
        ends: npt.NDArray[np.uint64] = np.cumsum(sizes, dtype=np.uint64)
        if len(ends) and int(ends[-1]) != len(self._payload) - 5 * self.rows:
            damaged("entries of a column do not fill it")
        return kinds, ends

    def _end(self, row: int) -> int:
        return 5 * self.rows + int(self._table[1][row])

    def _unpack(self, kind: int, data: bytes) -> Entry:
        if kind == _Kind.BYTES:
            return data
        if kind == _Kind.BLOB and len(data) == REFERENCE.size:
            return self._fetch(*REFERENCE.unpack(data))
        return _unpack_small(kind, data)


class Block:
    """One stored block.

    Args:
        data: The bytes that ``pack_block`` made.
        rows: How many rows its table says it has.
        fetch: Gives large values.
    """

    def __init__(self, data: bytes, rows: int, fetch: Fetch) -> None:
        self._fetch = fetch
        view = memoryview(data)
        head_size = int.from_bytes(view[:4], "little")
        head = unsqueeze(view[4 : 4 + head_size], _MOST_HEAD)
        if len(head) < _HEAD.size:
            damaged("the head of a block is cut short")
        self.rows, columns, sections, note_size = _HEAD.unpack_from(head)
        sized = _HEAD.size + note_size + 8 * sections + _DIRECTORY.itemsize * columns
        if self.rows != rows or not 0 < rows <= MOST_ROWS or len(head) != sized:
            damaged("the head of a block has the wrong size")
        self._parse(head, note_size, sections)
        self._bodies = view[4 + head_size :]
        self._opened: dict[int, memoryview] = {}
        self._columns: dict[int, Column] = {}
        self._integers: dict[int, npt.NDArray[np.int64]] = {}

    def _parse(self, head: bytes, note_size: int, sections: int) -> None:
        start = _HEAD.size + note_size
        middle = start + 8 * sections
        self.note = from_bytes(head[_HEAD.size : start], Note, "the note of a block")
        sizes = np.frombuffer(head[start:middle], "<u8")
        self._ends = np.concatenate([np.zeros(1, np.uint64), np.cumsum(sizes, dtype=np.uint64)])
        self._directory = np.frombuffer(head[middle:], _DIRECTORY)
        # As floats: a sum of 64-bit integers could run over.
        if self._directory["size"].sum(dtype=np.float64) > _MOST_ALTOGETHER:
            damaged("a block of steps claims more than it can hold")

    def __len__(self) -> int:
        return len(self._directory)

    def column(self, position: int) -> Column:
        """The column at a position.

        Raises:
            NotATraceError: There is none, or it is damaged.
        """
        if position not in self._columns:
            self._columns[position] = self._open(position)
        return self._columns[position]

    def integers(self, position: int) -> npt.NDArray[np.int64]:
        """A column of 64-bit integers, of shape (rows,)."""
        if position not in self._integers:
            table, there = self.column(position).matrix(8)
            if not there.all():
                damaged("a column of numbers has gaps")
            numbers = np.ascontiguousarray(table).view("<i8").reshape(self.rows)
            self._integers[position] = numbers
        return self._integers[position]

    def _open(self, position: int) -> Column:
        if not 0 <= position < len(self):
            damaged(f"a block has no column {position}")
        place = self._directory[position].tolist()
        layout, kind, width, section, offset, size = place
        raw = self._section(section)
        if layout > _Layout.MIXED or offset + size > len(raw):
            damaged("a column lies outside its block")
        payload = raw[offset : offset + size]
        return Column(self.rows, (layout, kind, width), payload, self._fetch)

    def _section(self, section: int) -> memoryview:
        if section not in self._opened:
            if section + 1 >= len(self._ends):
                damaged(f"a block has no section {section}")
            start, end = int(self._ends[section]), int(self._ends[section + 1])
            self._opened[section] = memoryview(unsqueeze(self._bodies[start:end], _MOST_SECTION))
        return self._opened[section]


def _unpack_small(kind: int, data: bytes) -> Entry:
    if kind == _Kind.NONE:
        return None
    return _unpack_summary(data) if kind == _Kind.SUMMARY else _unpack_number(kind, data)


def _unpack_number(kind: int, data: bytes) -> Entry:
    if kind == _Kind.INT and len(data) <= _MOST_DIGITS:
        return int.from_bytes(data, "little", signed=True)
    if kind == _Kind.BOOL:
        return data != b"\x00"
    if kind == _Kind.FLOAT and len(data) == _DOUBLE.size:
        return float(_DOUBLE.unpack(data)[0])
    if kind == _Kind.COMPLEX and len(data) == _COMPLEX.size:
        return complex(*_COMPLEX.unpack(data))
    return damaged(f"an entry of {len(data)} bytes has the unknown kind {kind}")


def _unpack_summary(data: bytes) -> Summary:
    if len(data) < _SUMMARY.size:
        damaged("a summary is cut short")
    digest, norm, present, samples = _SUMMARY.unpack_from(data)
    layout = _summary_layout(present, samples)
    if len(data) != _SUMMARY.size + struct.calcsize(layout):
        damaged("a summary has the wrong size")
    rest = struct.unpack_from(layout, data, _SUMMARY.size)
    names = [name for bit, name in enumerate(_OPTIONAL) if present >> bit & 1]
    optional = dict(zip(names, rest, strict=False))
    return Summary(digest.hex(), norm, **optional, sample=tuple(rest[len(names) :]))
