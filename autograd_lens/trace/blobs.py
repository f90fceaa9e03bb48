"""Large values by content: the same bytes are written once."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict

import xxhash

from autograd_lens.trace.database import wrapped
from autograd_lens.trace.schema import damaged, squeeze, unsqueeze

__all__ = ["BlobReader", "BlobWriter"]

_REMEMBERED = 1 << 16  # digests, about 10 MB
_WAITING = 1 << 24  # bytes that wait for their insertion
_LARGEST = 900_000_000  # SQLite holds at most 10**9 bytes in a field
_CACHED = 1 << 26  # bytes that a reader keeps
_PREFIX = 8


class BlobWriter:
    """Puts large values into the file, remembering those it put lately.

    Args:
        connection: The trace, in a transaction whenever ``put`` or ``flush`` is called.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: OrderedDict[bytes, int] = OrderedDict()
        self._waiting: list[tuple[int, bytes, bytes]] = []
        self._waiting_bytes = 0
        newest = "SELECT digest, id FROM blobs ORDER BY id DESC LIMIT ?"
        for digest, number in connection.execute(newest, (_REMEMBERED,)):
            self._known[digest] = number
        self._next = max(self._known.values(), default=0) + 1

    def put(self, data: bytes) -> tuple[int, bytes]:
        """The id of these bytes and the start of their digest."""
        digest = xxhash.xxh3_128_digest(data)
        number = self._known.get(digest)
        if number is None:
            number = self._add(digest, data)
        else:
            self._known.move_to_end(digest)
        return number, digest[:_PREFIX]

    def _add(self, digest: bytes, data: bytes) -> int:
        if len(data) > _LARGEST:
            msg = f"A value of {len(data)} bytes is more than a trace can hold ({_LARGEST})."
            raise ValueError(msg)
        number, self._next = self._next, self._next + 1
        self._known[digest] = number
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        self._waiting.append((number, digest, squeeze(data)))
        self._waiting_bytes += len(data)
        if self._waiting_bytes > _WAITING:
            self.flush()
        return number

    def flush(self) -> None:
        """Insert what waits."""
        if self._waiting:
            self._connection.executemany("INSERT INTO blobs VALUES (?, ?, ?)", self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0


class BlobReader:
    """Gets large values out of the file, keeping those it got lately.

    Args:
        connection: The trace.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cache: OrderedDict[int, tuple[bytes, bytes]] = OrderedDict()
        self._cached_bytes = 0
        self._numbers: dict[str, int] = {}
        self._newest = 0

    def fetch(self, number: int, prefix: bytes) -> bytes:
        """The bytes of an id.

        Args:
            number: The id.
            prefix: The first eight bytes of their digest.

        Raises:
            NotATraceError: There are none, or they are not what was written.
        """
        if number not in self._cache:
            self._load(number)
        self._cache.move_to_end(number)
        data, digest = self._cache[number]
        if digest != prefix:
            damaged("a large value is not what was written")
        return data

    def find(self, digest: str) -> bytes | None:
        """The bytes with a digest (hexadecimal XXH3-128), where they were kept."""
        if digest not in self._numbers:
            with wrapped():
                query = "SELECT id, digest FROM blobs WHERE id > ?"
                for number, known in self._connection.execute(query, (self._newest,)):
                    self._newest = max(self._newest, number)
                    self._numbers[bytes(known).hex()] = number
        number = self._numbers.get(digest)
        return None if number is None else self.fetch(number, bytes.fromhex(digest)[:_PREFIX])

    def _load(self, number: int) -> None:
        if number >= 1 << 63:
            damaged("a reference to a large value is impossible")
        query = "SELECT data FROM blobs WHERE id = ?"
        with wrapped():
            row = self._connection.execute(query, (number,)).fetchone()
        if row is None or not isinstance(row[0], bytes):
            damaged("a large value is missing")
        data = unsqueeze(row[0])
        self._cache[number] = data, xxhash.xxh3_128_digest(data)[:_PREFIX]
        self._cached_bytes += len(data)
        while self._cached_bytes > _CACHED and len(self._cache) > 1:
            self._cached_bytes -= len(self._cache.popitem(last=False)[1][0])
