"""Opening a trace's database for reading, wherever it lies.

NOTE 1: SQLite and read-only places. A finished trace is one file and opens anywhere. A trace
whose run was killed, or still goes on, has a log (``-wal``) beside it, and to read that SQLite
wants to make a small index (``-shm``). Where it may not, the two files are copied to a
temporary folder and read there.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from autograd_lens.errors import NewerFormatError, NotATraceError, TraceError
from autograd_lens.trace.schema import APPLICATION_ID, FORMAT, damaged

__all__ = ["open_database", "wrapped"]

_MAGIC = b"SQLite format 3\x00"
_HEADER = 100


def open_database(path: Path) -> sqlite3.Connection:
    """A connection for reading.

    Raises:
        NotATraceError: There is no file, or it is no trace.
        NewerFormatError: A newer version wrote it.
    """
    _check_header(path)
    with wrapped():
        for opener in (_open_plain, _open_copy, _open_immutable):
            try:
                return opener(path)
            except sqlite3.OperationalError as error:
                reason = error
    msg = f"{path} cannot be opened: {reason}."
    raise TraceError(msg, hint="Check its permissions, or copy it elsewhere.")


@contextmanager
def wrapped() -> Iterator[None]:
    """Turn SQLite's complaints about a damaged file into ours."""
    try:
        yield
    except (sqlite3.Error, OverflowError, UnicodeError) as error:
        damaged(f"SQLite says {str(error) or type(error).__name__!r}", error)


def _check_header(path: Path) -> None:
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except FileNotFoundError:
        msg = f"There is no trace {path}."
        raise NotATraceError(msg, hint="Check the name, or record one first.") from None
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}."
        raise NotATraceError(msg, hint="Check the name and its permissions.") from error
    if (
        not header.startswith(_MAGIC)
        or len(header) < _HEADER
        or _number(header, 68) != (APPLICATION_ID)
    ):
        msg = f"{path} is not a trace."
        raise NotATraceError(msg, hint="A trace is what recording writes, usually *.lens.")
    if _number(header, 60) > FORMAT:
        msg = f"{path} has format {_number(header, 60)}; this version reads up to {FORMAT}."
        raise NewerFormatError(msg, hint="Update autograd_lens: pip install -U autograd-lens.")
    if _number(header, 60) != FORMAT:
        damaged(f"its format {_number(header, 60)} never existed")


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
    connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("SELECT count(*) FROM items").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
