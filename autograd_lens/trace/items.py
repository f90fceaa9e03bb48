"""Reading what a trace defines once: parameters, graphs, templates, sources, notes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from autograd_lens.trace.database import wrapped
from autograd_lens.trace.schema import damaged, seal, unsqueeze

__all__ = ["Items", "parsing"]

T = TypeVar("T")


class Items:
    """The ``items`` table of an open trace.

    Args:
        connection: The trace.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, kind: str, key: str) -> bytes | None:
        """The data of one item, or None where there is none."""
        query = "SELECT kind, key, data, seal FROM items WHERE kind = ? AND key = ?"
        with wrapped():
            row = self._connection.execute(query, (kind, key)).fetchone()
        return None if row is None else _checked(row)

    def keys(self, kind: str) -> list[str]:
        """The keys of a kind, sorted."""
        query = "SELECT key FROM items WHERE kind = ? ORDER BY key"
        with wrapped():
            return [str(key) for (key,) in self._connection.execute(query, (kind,))]

    def numbered(self, kind: str) -> list[bytes]:
        """The data of all items whose keys are 0, 1, 2 and so on."""
        query = "SELECT kind, key, data, seal FROM items WHERE kind = ?"
        with wrapped():
            rows = self._connection.execute(query, (kind,)).fetchall()
        found = {str(row[1]): _checked(row) for row in rows}
        with parsing(f"the numbering of its {kind}s"):
            return [found[str(number)] for number in range(len(found))]

    def parse(self, kind: str, key: str, reader: Callable[[Any], T]) -> T | None:
        """An item that is JSON, read by ``reader``; None where there is none."""
        data = self.get(kind, key)
        if data is None:
            return None
        with parsing(f"a {kind}"):
            return reader(json.loads(data))


def _checked(row: tuple[Any, ...]) -> bytes:
    kind, key, data, mark = row
    if not isinstance(data, bytes) or seal(kind, key, data) != mark:
        damaged(f"a {kind} is not what was written")
    return unsqueeze(data)


@contextmanager
def parsing(what: str) -> Iterator[None]:
    """Turn the errors of reading hostile JSON into ours."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RecursionError) as error:
        damaged(f"{what} cannot be understood", error)
    except (TypeError, ValueError) as error:
        damaged(f"{what} cannot be understood", error)
