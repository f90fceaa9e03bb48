"""Reading the blocks that ``columns`` describes. Every offset, size and kind is checked."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd_lens.trace.columns import (
    DIRECTORY,
    MOST_ROWS,
    REFERENCE,
    Entry,
    EntryKind,
    Layout,
)
from autograd_lens.trace.schema import damaged, unsqueeze
from autograd_lens.trace.summaries import unpack_summary

__all__ = ["Block", "Column", "Fetch"]

Fetch = Callable[[int, bytes], bytes]
"""Gives the blob of an id, checked against the first eight bytes of its digest."""

_HEAD = struct.Struct("<4I")
_COMPLEX = struct.Struct("<2d")
_DOUBLE = struct.Struct("<d")


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
            Layout.CONST: self.width,
            Layout.FIXED: self.width * rows,
            Layout.MIXED: len(payload),
        }
        if expected.get(Layout(self.layout)) != len(payload) or len(payload) < self._least():
            damaged("a column has the wrong size")

    def _least(self) -> int:
        return 5 * self.rows if self.layout == Layout.MIXED else 0

    def entry(self, row: int) -> Entry:
        """The entry of one row."""
        if self.layout == Layout.MIXED:
            kinds, ends = self._table
            start = 5 * self.rows + (int(ends[row - 1]) if row else 0)
            return self._unpack(int(kinds[row]), bytes(self._payload[start : self._end(row)]))
        if self.layout == Layout.CONST:
            return self._unpack(self.kind, bytes(self._payload))
        return self._unpack(self.kind, self._rows[row].tobytes())

    def matrix(self, width: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """All entries that are ``width`` bytes, and which rows have such an entry.

        Returns:
            Bytes of shape (rows, width), zero where there are none; mask of shape (rows,).
        """
        plain = self.kind == EntryKind.BYTES and self.width == width
        if self.layout == Layout.FIXED and plain:
            return self._rows, np.ones(self.rows, np.bool_)
        if self.layout != Layout.MIXED and self.kind != EntryKind.BLOB and not plain:
            return np.zeros((self.rows, width), np.uint8), np.zeros(self.rows, np.bool_)
        return self._collect(width)

    def nothing(self) -> npt.NDArray[np.bool_]:
        """Which rows have no entry at all: (rows,)."""
        if self.layout == Layout.MIXED:
            return np.asarray(self._table[0] == EntryKind.NONE, np.bool_)
        return np.full(self.rows, self.kind == EntryKind.NONE)

    def _collect(self, width: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        table = np.zeros((self.rows, width), np.uint8)
        there = np.zeros(self.rows, np.bool_)
        if self.layout == Layout.CONST:
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
        if kind == EntryKind.BYTES:
            return data
        if kind == EntryKind.BLOB and len(data) == REFERENCE.size:
            return self._fetch(*REFERENCE.unpack(data))
        return _unpack_small(kind, data)


def _unpack_small(kind: int, data: bytes) -> Entry:
    if kind == EntryKind.NONE:
        return None
    return unpack_summary(data) if kind == EntryKind.SUMMARY else _unpack_number(kind, data)


def _unpack_number(kind: int, data: bytes) -> Entry:
    if kind == EntryKind.INT:
        return int.from_bytes(data, "little", signed=True)
    if kind == EntryKind.BOOL:
        return data != b"\x00"
    if kind == EntryKind.FLOAT and len(data) == _DOUBLE.size:
        return float(_DOUBLE.unpack(data)[0])
    if kind == EntryKind.COMPLEX and len(data) == _COMPLEX.size:
        return complex(*_COMPLEX.unpack(data))
    return damaged(f"an entry of {len(data)} bytes has the unknown kind {kind}")


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
        head = unsqueeze(view[4 : 4 + head_size])
        if len(head) < _HEAD.size:
            damaged("the head of a block is cut short")
        self.rows, columns, sections, note_size = _HEAD.unpack_from(head)
        sized = _HEAD.size + note_size + 8 * sections + DIRECTORY.itemsize * columns
        if self.rows != rows or not 0 < rows <= MOST_ROWS or len(head) != sized:
            damaged("the head of a block has the wrong size")
        self._parse(head, note_size, sections)
        self._bodies = view[4 + head_size :]
        self._opened: dict[int, memoryview] = {}
        self._columns: dict[int, Column] = {}

    def _parse(self, head: bytes, note_size: int, sections: int) -> None:
        start = _HEAD.size + note_size
        middle = start + 8 * sections
        try:
            self.note: dict[str, Any] = json.loads(head[_HEAD.size : start])
        except ValueError as error:
            damaged("the note of a block is no JSON", error)
        sizes = np.frombuffer(head[start:middle], "<u8")
        self._ends = np.concatenate([np.zeros(1, np.uint64), np.cumsum(sizes, dtype=np.uint64)])
        self._directory = np.frombuffer(head[middle:], DIRECTORY)

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
        table, there = self.column(position).matrix(8)
        if not there.all():
            damaged("a column of numbers has gaps")
        return np.ascontiguousarray(table).view("<i8").reshape(self.rows)

    def _open(self, position: int) -> Column:
        if not 0 <= position < len(self):
            damaged(f"a block has no column {position}")
        place = self._directory[position].tolist()
        layout, kind, width, section, offset, size = place
        raw = self._section(section)
        if layout > Layout.MIXED or offset + size > len(raw):
            damaged("a column lies outside its block")
        payload = raw[offset : offset + size]
        return Column(self.rows, (layout, kind, width), payload, self._fetch)

    def _section(self, section: int) -> memoryview:
        if section not in self._opened:
            if section + 1 >= len(self._ends):
                damaged(f"a block has no section {section}")
            start, end = int(self._ends[section]), int(self._ends[section + 1])
            self._opened[section] = memoryview(unsqueeze(self._bodies[start:end]))
        return self._opened[section]
