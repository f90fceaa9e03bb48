"""An open trace file: its database, the items it defines once, its large values.

NOTE 1: SQLite and read-only places. A finished trace is one file and opens anywhere. A trace
whose run was killed, or still goes on, has a log (``-wal``) beside it, and to read that SQLite
wants to make a small index (``-shm``). Where it may not, the two files are copied to a
temporary folder and read there.

NOTE 2: files from strangers. A database can hold more than data: a view in place of a table
computes whatever its author liked, and a page that is listed many times makes one scan endless.
So ``sqlite_master`` must hold the very tables that ``schema`` makes and nothing else, SQLite's
own limits are set to what our queries need, a query gives no more rows than a file of its size
can hold, and each has a deadline. What a query gives is checked where it is used.
"""

from __future__ import annotations

import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import xxhash

from autograd_lens.errors import NewerFormatError, NotATraceError, TraceError
from autograd_lens.trace.cache import Recent
from autograd_lens.trace.schema import (
    APPLICATION_ID,
    FORMAT,
    LARGEST,
    TABLES,
    as_text,
    damaged,
    item_id,
    most_bytes,
    seal,
    squeeze,
    unsqueeze,
    visible,
)
from autograd_lens.trace.stored import from_bytes

__all__ = [
    "BlobReader",
    "BlobWriter",
    "Database",
    "Items",
    "Owner",
    "is_locked",
    "is_recording",
    "parsing",
]

T = TypeVar("T")
Row = tuple[Any, ...]
Owner = tuple[Literal["block", "batch", "step"], int]
"""What refers to large values: its sort, and its first row, number or step."""

_MAGIC = b"SQLite format 3\x00"
_HEADER = 100
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: LARGEST + 1_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 10_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 20,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 20,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 2,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 2_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 8,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_INSTRUCTIONS = 20_000  # of SQLite's machine between two looks at the clock
_SECONDS = 3.0  # for one query, and then ...
_SECONDS_PER_BYTE = 2e-8  # ... 50 MB of the file a second
_LEAST_ROW = 16  # bytes

_REMEMBERED = 1 << 16  # digests, about 10 MB
_CACHED = 1 << 26  # bytes that a reader keeps
_PREFIX = 8


class Database:
    """A trace's database, opened for reading wherever it lies.

    Args:
        path: The file.

    Raises:
        NotATraceError: There is no file, or it is no trace.
        NewerFormatError: A newer version wrote it.
        TraceError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        size = _check_file(path)
        self._path = path
        self._deadline = 0.0
        self._seconds = _SECONDS + _SECONDS_PER_BYTE * size
        self._most_rows = size // _LEAST_ROW + 1_000
        self._connection = self._open(path)

    def _open(self, path: Path) -> sqlite3.Connection:
        for opener in (_open_plain, _open_copy, _open_immutable):
            try:
                return self._guarded(opener(path))
            except sqlite3.OperationalError as error:
                reason = error
            except (sqlite3.Error, UnicodeError) as error:
                damaged(f"SQLite says {str(error)!r}", error)
        if is_locked(reason):
            raise _locked(path) from reason
        msg = f"{path} cannot be opened: {visible(str(reason))}."
        raise TraceError(msg, hint="Check its permissions, or copy it elsewhere.")

    def _guarded(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """A connection made safe for any file (NOTE 2), which holds our tables."""
        try:
            connection.text_factory = partial(str, encoding="utf-8", errors="replace")
            for limit, value in _LIMITS.items():
                connection.setlimit(limit, value)
            self._deadline = time.monotonic() + self._seconds
            connection.set_progress_handler(self._is_late, _INSTRUCTIONS)
            for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "query_only = ON"):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            _check_tables(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def rows(self, query: str, *values: object) -> list[Row]:
        """All rows that a query gives.

        Raises:
            NotATraceError: The file is damaged, or would give more than it can hold.
        """
        with self._wrapped():
            cursor = self._connection.execute(query, values)
            found = cursor.fetchmany(self._most_rows)
            if len(found) == self._most_rows:
                damaged("a table in it is longer than the file")
        return found

    def row(self, query: str, *values: object) -> Row | None:
        """The only row that a query gives, None where it gives none.

        Raises:
            NotATraceError: The file is damaged.
        """
        with self._wrapped():
            found: Row | None = self._connection.execute(query, values).fetchone()
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __del__(self) -> None:
        # A trace need not be closed, and Python 3.13 complains of a connection that was not.
        with suppress(AttributeError, sqlite3.Error):  # never opened; made in another thread
            self._connection.close()

    @contextmanager
    def _wrapped(self) -> Iterator[None]:
        """Give a query its deadline, and turn SQLite's complaints into ours."""
        self._deadline = time.monotonic() + self._seconds
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # the trace was closed
        except sqlite3.OperationalError as error:
            if is_locked(error):
                raise _locked(self._path) from error
            damaged(f"SQLite says {str(error)!r}", error)
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            damaged(f"SQLite says {str(error) or type(error).__name__!r}", error)


def _check_tables(connection: sqlite3.Connection) -> None:
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT 9"
    found = connection.execute(query).fetchall()
    ours = [("table", name, name, sql) for name, sql in TABLES.items()]
    if sorted(found, key=repr) != sorted(ours, key=repr):
        damaged("its tables are not those of a trace")


def is_locked(error: sqlite3.Error) -> bool:
    """Whether another program's lock was in the way."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _locked(path: Path) -> TraceError:
    msg = f"{path} is locked by another program."
    return TraceError(msg, hint="Try again when that has finished, or copy the file elsewhere.")


def _check_file(path: Path) -> int:
    """See whether a file looks like a trace of this format.

    Returns:
        How many bytes it has.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
            msg = f"{path} cannot be read: it is a device or a pipe, not a file."
            raise NotATraceError(msg, hint="Give the name of a trace, usually *.lens.")
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except FileNotFoundError:
        msg = f"There is no trace {path}."
        raise NotATraceError(msg, hint="Check the name, or record one first.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        msg = f"{path} cannot be read: {getattr(error, 'strerror', None) or error}."
        raise NotATraceError(msg, hint="Check the name and its permissions.") from error
    if not _begins_a_trace(header):
        msg = f"{path} is not a trace."
        raise NotATraceError(msg, hint="A trace is what recording writes, usually *.lens.")
    _check_format(path, _number(header, 60))
    return about.st_size


def is_recording(path: Path) -> bool:
    """Whether a file is a trace, by how it begins; of any format, and whole or not."""
    try:
        with path.open("rb") as file:
            return _begins_a_trace(file.read(_HEADER))
    except OSError:
        return False


def _begins_a_trace(header: bytes) -> bool:
    whole = header.startswith(_MAGIC) and len(header) >= _HEADER
    return whole and _number(header, 68) == APPLICATION_ID


def _check_format(path: Path, number: int) -> None:
    if number > FORMAT:
        msg = f"{path} has format {number}; this version reads format {FORMAT}."
        raise NewerFormatError(msg, hint="Update autograd_lens: pip install -U autograd-lens.")
    if not number:
        damaged("its format 0 never existed")
    if number != FORMAT:
        msg = f"{path} has format {number} of an older version; this one reads format {FORMAT}."
        raise TraceError(msg, hint="Record the run again, or read it with the version it says.")


def _number(header: bytes, start: int) -> int:
    return int.from_bytes(header[start : start + 4], "big")


def _open_plain(path: Path) -> sqlite3.Connection:
    return _connect(f"file:{quote(str(path))}?mode=ro")


def _open_immutable(path: Path) -> sqlite3.Connection:
    return _connect(f"file:{quote(str(path))}?mode=ro&immutable=1")


def _open_copy(path: Path) -> sqlite3.Connection:
    logs = [path.with_name(path.name + suffix) for suffix in ("-wal", "-journal")]
    logs = [log for log in logs if log.exists() and log.stat().st_size]
    if not logs:
        msg = "there is nothing to recover"
        raise sqlite3.OperationalError(msg)
    # SQLite keeps the files open, so their names can go at once where the system allows that.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for file in (path, *logs):
            shutil.copy2(file, folder)
        copy = Path(folder, path.name)
        copy.chmod(0o600)
        connection = _connect(f"file:{quote(str(copy))}?mode=rw")
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        connection.execute("SELECT count(*) FROM items").fetchall()
        return connection


def _connect(address: str) -> sqlite3.Connection:
    return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)


class Items:
    """What a trace defines once: parameters, graphs, templates, sources, notes.

    Args:
        database: The trace.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[str, list[str]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Notice items written since."""
        found = self._database.rows("SELECT id, kind, key FROM items")
        self._keys = {}
        for number, kind, key in found:
            if not isinstance(key, str) or item_id(str(kind), key) != number:
                damaged("a name in it is not what was written")
            self._keys.setdefault(kind, []).append(key)
        if len({number for number, _, _ in found}) != len(found):
            damaged("it defines something twice")

    def __len__(self) -> int:
        """How many there are, apart from the one that counts them."""
        return sum(map(len, self._keys.values())) - ("counts" in self._keys.get("about", ()))

    def get(self, kind: str, key: str) -> bytes | None:
        """The data of one item, or None where there is none."""
        key = as_text(key)
        query = "SELECT kind, key, data, seal FROM items WHERE id = ?"
        row = self._database.row(query, item_id(kind, key))
        if row is None and key in self._keys.get(kind, ()):
            damaged(f"a {kind} is missing")
        return None if row is None else _checked(row, kind, key)

    def keys(self, kind: str) -> list[str]:
        """The keys of a kind, in no particular order."""
        return list(self._keys.get(kind, ()))

    def numbers(self, kind: str) -> list[int]:
        """The keys of a kind whose keys are numbers, in order."""
        with parsing(f"the numbering of its {kind}s"):
            return sorted(map(int, self.keys(kind)))

    def numbered(self, kind: str, sort: type[T]) -> list[T]:
        """All records of a kind whose keys are numbers, in their order."""
        found = (self.record(kind, str(number), sort) for number in self.numbers(kind))
        return [record for record in found if record is not None]

    def record(self, kind: str, key: str, sort: type[T]) -> T | None:
        """An item that is a record; None where there is none.

        Raises:
            NotATraceError: It is something else.
        """
        data = self.get(kind, key)
        return None if data is None else from_bytes(data, sort, f"a {kind}")


def _checked(row: Row, *name: str) -> bytes:
    kind, key, data, mark = row
    if (kind, key) != name or not isinstance(data, bytes) or seal(kind, key, data) != mark:
        damaged(f"a {kind} is not what was written")
    return unsqueeze(data, most_bytes(kind))


@contextmanager
def parsing(what: str) -> Iterator[None]:
    """Turn the errors of reading what a stranger wrote into ours."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RecursionError) as error:
        damaged(f"{what} cannot be understood", error)
    except (TypeError, ValueError) as error:
        damaged(f"{what} cannot be understood", error)


class BlobWriter:
    """Puts large values into the file, each content once, remembering those it put lately.

    NOTE 3 [Owners]: a value that was *put* is referred to by a row or a step. It stays, unless an
    owner was named, which may be let go of later. One that is *kept* for a step is referred to by
    nothing and found by its digest. A value goes when all of its owners have gone.

    Args:
        connection: The trace, in a transaction whenever a method is called.
        room: Asked whether so many bytes may be kept.
        inserting: Called before so many bytes are inserted; it may commit what went before.
        piece: Bytes that are inserted at once.

    Attributes:
        owner: To whom the values belong that are put; None where they stay.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        room: Callable[[int], bool],
        inserting: Callable[[int], None],
        piece: int,
    ) -> None:
        self._connection = connection
        self._room = room
        self._inserting = inserting
        self._piece = piece
        self._known: Recent[bytes, int] = Recent(_REMEMBERED)
        self.owner: Owner | None = None
        self._owned: dict[Owner, list[int]] = {}
        self._owners: dict[int, int] = {}  # how many an id has that does not stay
        self._waiting: list[tuple[int, bytes, bytes]] = []
        self._waiting_bytes = 0
        newest = "SELECT digest, id FROM blobs ORDER BY id DESC LIMIT ?"
        self._next = 1
        for digest, number in connection.execute(newest, (_REMEMBERED,)):
            self._known.put(digest, number)
            self._next = max(self._next, number + 1)

    def put(self, data: bytes) -> tuple[int, bytes]:
        """The id of these bytes and the start of their digest."""
        digest = xxhash.xxh3_128_digest(data)
        number = self._known.get(digest)
        if number is None:
            number = self._add(digest, data)
            if self.owner is not None:
                self._owners[number] = 0
        if self.owner is None:
            self._owners.pop(number, None)
        else:
            self._own(self.owner, number)
        return number, digest[:_PREFIX]

    def holds(self, data: bytes) -> bool:
        """Whether these bytes are there, as far as it remembers."""
        return self._known.get(xxhash.xxh3_128_digest(data)) is not None

    def keep(self, step: int, values: Sequence[bytes]) -> None:
        """Keep values for a step (NOTE 3); where there are none, let go of those that were."""
        if not values:
            self.let_go(("step", step))
        for data in values:
            digest = xxhash.xxh3_128_digest(data)
            number = self._known.get(digest)
            if number is None:
                if not self._room(len(data)):
                    return
                number = self._add(digest, data)
                self._owners[number] = 0
            self._own(("step", step), number)

    def steps_before(self, step: int) -> list[int]:
        """The steps before one that values are kept for."""
        return [number for kind, number in self._owned if kind == "step" and number < step]

    def let_go(self, owner: Owner) -> None:
        """An owner needs nothing any more."""
        self.flush()
        for number in self._owned.pop(owner, ()):
            if number in self._owners:
                self._owners[number] -= 1
                if not self._owners[number]:
                    del self._owners[number]
                    query = "DELETE FROM blobs WHERE id = ? RETURNING digest"
                    for (digest,) in self._connection.execute(query, (number,)).fetchall():
                        self._known.forget(digest)

    def _own(self, owner: Owner, number: int) -> None:
        if number in self._owners:
            self._owners[number] += 1
            self._owned.setdefault(owner, []).append(number)

    def _add(self, digest: bytes, data: bytes) -> int:
        if len(data) > LARGEST:
            msg = f"A value of {len(data)} bytes is more than a trace can hold ({LARGEST})."
            raise ValueError(msg)
        number, self._next = self._next, self._next + 1
        self._known.put(digest, number)
        self._waiting.append((number, digest, squeeze(data)))
        self._waiting_bytes += len(data)
        if self._waiting_bytes > self._piece:
            self.flush()
        return number

    def flush(self) -> None:
        """Insert what waits."""
        if self._waiting:
            self._inserting(self._waiting_bytes)
            self._connection.executemany("INSERT INTO blobs VALUES (?, ?, ?)", self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0


class BlobReader:
    """Gets large values out of the file, keeping those it got lately.

    Args:
        database: The trace.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: Recent[int, tuple[bytes, bytes]] = Recent(_CACHED, _blob_size)
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
        data, digest = self._kept.made(number, self._load)
        if digest != prefix:
            damaged("a large value is not what was written")
        return data

    def find(self, digest: str) -> bytes | None:
        """The bytes with a digest (hexadecimal XXH3-128), where they were kept."""
        if digest not in self._numbers:
            query = "SELECT id, digest FROM blobs WHERE id > ?"
            for number, known in self._database.rows(query, self._newest):
                if not isinstance(known, bytes):
                    damaged("the digest of a large value is none")
                self._newest = max(self._newest, number)
                self._numbers[known.hex()] = number
        number = self._numbers.get(digest)
        if number is None or not self._is_there(number):
            return None
        return self.fetch(number, bytes.fromhex(digest)[:_PREFIX])

    def _is_there(self, number: int) -> bool:
        """Whether a value was not let go while the run went on."""
        if self._kept.get(number) is not None:
            return True
        return self._database.row("SELECT 1 FROM blobs WHERE id = ?", number) is not None

    def _load(self, number: int) -> tuple[bytes, bytes]:
        if number >= 1 << 63:
            damaged("a reference to a large value is impossible")
        row = self._database.row("SELECT data FROM blobs WHERE id = ?", number)
        if row is None or not isinstance(row[0], bytes):
            damaged("a large value is missing")
        data = unsqueeze(row[0])
        return data, xxhash.xxh3_128_digest(data)[:_PREFIX]


def _blob_size(blob: tuple[bytes, bytes]) -> int:
    return len(blob[0])
