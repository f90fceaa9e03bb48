"""Reading what a trace defines once: parameters, graphs, templates, sources, notes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from autograd_lens.trace.database import wrapped
from autograd_lens.trace.schema import as_text, damaged, item_id, seal, unsqueeze

__all__ = ["Items", "parsing"]

T = TypeVar("T")


class Items:
    """The ``items`` table of an open trace.

    Args:
        connection: The trace.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._keys: dict[str, list[str]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Notice items written since."""
        with wrapped():
            found = self._connection.execute("SELECT id, kind, key FROM items").fetchall()
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
        with wrapped():
            row = self._connection.execute(query, (item_id(kind, key),)).fetchone()
        if row is None and key in self._keys.get(kind, ()):
            damaged(f"a {kind} is missing")
        return None if row is None else _checked(row, kind, key)

    def keys(self, kind: str) -> list[str]:
        """The keys of a kind, in no particular order."""
        return list(self._keys.get(kind, ()))

    def numbered(self, kind: str) -> dict[int, bytes]:
        """The data of all items of a kind whose keys are numbers, in their order."""
        with parsing(f"the numbering of its {kind}s"):
            keys = sorted(self.keys(kind), key=int)
        return {int(key): self.get(kind, key) or b"" for key in keys}

    def parse(self, kind: str, key: str, reader: Callable[[Any], T]) -> T | None:
        """An item that is JSON, read by ``reader``; None where there is none."""
        data = self.get(kind, key)
        if data is None:
            return None
        with parsing(f"a {kind}"):
            return reader(json.loads(data))


def _checked(row: tuple[Any, ...], *name: str) -> bytes:
    kind, key, data, mark = row
    if (kind, key) != name or not isinstance(data, bytes) or seal(kind, key, data) != mark:
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
