"""Traces damaged on purpose, each made from a sound one by the number of its seed.

Five sorts take turns: bytes flipped or cut; pages swapped, doubled or emptied; tables changed
with SQL; records changed and sealed again, so that no hash tells of it; and aimed ones, each of
which once made a reader hang, run out of memory, fail or obey.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
import struct
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from autograd_lens.errors import LensError
from autograd_lens.trace.schema import SEAL, count_rows, item_id, seal, squeeze, unsqueeze

__all__ = ["AIMED", "OBEYED", "SORTS", "count_again", "edited", "mutant", "records", "sort_of"]

ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m"
OBEYED = "<script>alarm"  # never as such in a page
MARKUP = (
    f"[red]</td></script>{OBEYED}&\"'#{{}}$\\input{{x}}%_^~`]]>-->*/ @doc =1+1\n|- [a](b)![c](d)"
)
NASTY: list[Any] = [
    *(None, True, "", [], {}, -1, 0, 1, 2, 7, 1.5, -0.0, 255, 4096, 1 << 31, 10**15, 1 << 63),
    *(1 << 64, 10**40, 1e308, ESCAPES, MARKUP, "x" * 100_000, "\ud800", "\udce9", "\x00"),
    *([[]] * 3, [1, 2, 3], [-1], [10**9, 10**9], {"a": 1}, "backward", "float32", "complex128"),
    *("float8_e5m2", "object", "aten.add_.Tensor", "w1", "w1.grad", [None], ["t", 0, 0]),
]


def sort_of(seed: int) -> str:
    """Which sort of damage a seed makes."""
    return list(SORTS)[seed % len(SORTS)]


def mutant(sound: bytes, seed: int) -> bytes:
    """The sound trace, damaged."""
    if sort_of(seed) == "aimed":
        return edited(sound, AIMED[list(AIMED)[seed // len(SORTS) % len(AIMED)]])
    return SORTS[sort_of(seed)](sound, random.Random(seed))  # noqa: S311  no secret


def _flipped(sound: bytes, dice: random.Random) -> bytes:
    damaged = bytearray(sound)
    for _ in range(dice.choice([1, 1, 2, 5, 40])):
        damaged[dice.randrange(len(damaged))] ^= dice.randrange(1, 256)
    if dice.random() < 0.2:
        del damaged[dice.randrange(len(damaged)) :]
    return bytes(damaged)


def _paged(sound: bytes, dice: random.Random) -> bytes:
    size = int.from_bytes(sound[16:18], "big")
    pages = [sound[start : start + size] for start in range(0, len(sound), size)]
    for _ in range(dice.choice([1, 1, 2, 4])):
        one, other = dice.randrange(1, len(pages)), dice.randrange(1, len(pages))
        action = dice.randrange(4)
        if action == 0:
            pages[one], pages[other] = pages[other], pages[one]
        elif action == 1:
            pages[one] = pages[other]
        elif action == 2:
            pages[one] = bytes(size)
        else:
            pages[one] = dice.randbytes(size)
    return b"".join(pages)


STATEMENTS = (
    "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} ORDER BY random() LIMIT {few})",
    "UPDATE {table} SET {column} = {value}",
    "UPDATE {table} SET {column} = {value} WHERE rowid % {few} = 0",
    "UPDATE {table} SET rowid = rowid + {few}",
    "DROP TABLE {table}",
    "ALTER TABLE {table} RENAME TO gone",
    "ALTER TABLE {table} ADD COLUMN more",
    "CREATE TABLE more (x)",
    "CREATE INDEX more ON {table} ({column})",
    "CREATE VIEW more AS SELECT * FROM {table}",
    "CREATE TRIGGER more AFTER INSERT ON {table} BEGIN DELETE FROM {table}; END",
    "INSERT OR REPLACE INTO {table} SELECT * FROM {table} ORDER BY rowid DESC LIMIT {few}",
    "PRAGMA user_version = {few}",
    "PRAGMA application_id = {few}",
)
COLUMNS = {
    "items": ("kind", "key", "seal", "data"),
    "blocks": ("rows", "first_step", "last_step", "seal", "data"),
    "fulls": ("template", "steps", "seal", "data"),
    "blobs": ("digest", "data"),
}
VALUES = ("-1", "0", "1e300", "'text'", "x''", "zeroblob(8)", "9223372036854775807", "x'00ff'")


def _with_sql(sound: bytes, dice: random.Random) -> bytes:
    def change(connection: sqlite3.Connection) -> None:
        for _ in range(dice.choice([1, 1, 2])):
            table = dice.choice(list(COLUMNS))
            values = {"column": dice.choice(COLUMNS[table]), "value": dice.choice(VALUES)}
            few = dice.choice([1, 2, 3, 7])
            statement = dice.choice(STATEMENTS).format(table=table, few=few, **values)
            try:
                connection.execute(statement)
            except sqlite3.Error:
                continue

    return edited(sound, change)


def edited(sound: bytes, change: Callable[[sqlite3.Connection], None]) -> bytes:
    """The bytes of a trace after a change to its database."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.lens")
        path.write_bytes(sound)
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            change(connection)
        finally:
            connection.close()
        return path.read_bytes()


def _resealed(sound: bytes, dice: random.Random) -> bytes:
    def change(connection: sqlite3.Connection) -> None:
        for _ in range(dice.choice([1, 1, 1, 3])):
            chosen = dice.choice([change_item, change_item, change_item, change_block, change_full])
            with suppress(struct.error, ValueError, LookupError, LensError):
                chosen(connection, dice)  # what the change before left need not be understood

    return edited(sound, change)


def change_item(connection: sqlite3.Connection, dice: random.Random) -> None:
    """Change one value of a record, or some bytes of what is no record, and seal it again."""
    rows = connection.execute("SELECT kind, key, data FROM items ORDER BY id").fetchall()
    kind, key, data = dice.choice(rows)
    content = unsqueeze(data)
    try:
        plain = json.loads(content)
    except ValueError:
        content = _scrambled(content, dice)
    else:
        content = json.dumps(_altered(plain, dice)).encode()
    put(connection, kind, key, content)


def put(connection: sqlite3.Connection, kind: str, key: str, content: bytes) -> None:
    """Write an item, sealed."""
    stored = squeeze(content)
    row = (item_id(kind, key), kind, key, seal(kind, key, stored), stored)
    connection.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?)", row)


def _altered(plain: Any, dice: random.Random) -> Any:
    """A record with one of its values replaced, taken away or doubled, however deep it lies."""
    if not plain or not isinstance(plain, list | dict) or dice.random() < 0.1:
        return dice.choice(NASTY)
    places = list(plain) if isinstance(plain, dict) else range(len(plain))
    place = dice.choice(places)
    if dice.random() < 0.1:
        del plain[place]
    elif isinstance(plain, list) and dice.random() < 0.1:
        plain.extend(plain[place:] * dice.choice([1, 50]))
    else:
        plain[place] = _altered(plain[place], dice)
    return plain


def _scrambled(content: bytes, dice: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(dice.choice([1, 2, 8])):
        if changed:
            changed[dice.randrange(len(changed))] = dice.choice([0, 1, 27, 127, 128, 255])
    return bytes(changed[: dice.choice([len(changed), len(changed), len(changed) // 2])])


def change_block(connection: sqlite3.Connection, dice: random.Random) -> None:
    """Change the inside of a block of light rows, or its place, and seal it again."""
    query = "SELECT first_row, rows, first_step, last_step, data FROM blocks ORDER BY 1"
    rows = connection.execute(query).fetchall()
    *keys, data = dice.choice(rows)
    first_row = keys[0]
    if dice.random() < 0.3:
        keys[dice.randrange(1, 4)] = dice.choice([-1, 0, 1, 4097, 10**15, (1 << 63) - 1])
    changed = _inside(data[SEAL:], dice)
    connection.execute("DELETE FROM blocks WHERE first_row = ?", (first_row,))
    values = (*keys, seal(*keys), seal(*keys, changed) + changed)
    connection.execute("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?)", values)


def change_full(connection: sqlite3.Connection, dice: random.Random) -> None:
    """Change the inside of a batch of full steps, or what it says it is, and seal it again."""
    rows = connection.execute("SELECT id, template, steps, data FROM fulls ORDER BY 1").fetchall()
    if not rows:
        return
    number, template, steps, data = dice.choice(rows)
    if dice.random() < 0.3:
        template = dice.choice([-1, 0, 1, 99])
    if dice.random() < 0.3:
        step = dice.choice([-1, 0, 3, 10**15, (1 << 63) - 1])
        steps = struct.pack("<q", step) + steps[8:]
    changed = _inside(data[SEAL:], dice)
    keys = (number, template, steps)
    values = (*keys, seal(*keys), seal(*keys, changed) + changed)
    connection.execute("INSERT OR REPLACE INTO fulls VALUES (?, ?, ?, ?, ?)", values)


def _inside(block: bytes, dice: random.Random) -> bytes:
    """A block with some bytes of its head or of one section changed, squeezed again."""
    size = int.from_bytes(block[:4], "little")
    head, bodies = bytearray(unsqueeze(block[4 : 4 + size])), block[4 + size :]
    _, columns, sections, note = struct.unpack_from("<4I", head)
    start = 16 + note
    sizes = struct.unpack_from(f"<{sections}Q", head, start)
    parts, at = [], 0
    for length in sizes:
        parts.append(bodies[at : at + length])
        at += length
    where = dice.randrange(3)
    if where == 0:
        chosen = dice.randrange(sections)
        parts[chosen] = squeeze(_scrambled(unsqueeze(parts[chosen]), dice))
    elif where == 1 and columns:
        at = start + 8 * sections + 26 * dice.randrange(columns)
        at += dice.choice([0, 1, 2, 6, 10, 18])
        head[at] = dice.choice([0, 1, 2, 3, 5, 7, 8, 255])
    else:
        head[dice.randrange(len(head))] ^= dice.randrange(1, 256)
    if struct.unpack_from("<4I", head)[2:] == (sections, note):
        struct.pack_into(f"<{sections}Q", head, start, *map(len, parts))
    stored = squeeze(bytes(head))
    return b"".join((len(stored).to_bytes(4, "little"), stored, *parts))


def _every_text(
    change: Callable[[str], str], code: str = ESCAPES
) -> Callable[[sqlite3.Connection], None]:
    """Change all names in all records in one way, so that they still fit each other.

    Args:
        change: What a name becomes.
        code: What stands in the source text for each ``=``.
    """

    def renamed(plain: Any) -> Any:
        if isinstance(plain, list):
            return [renamed(part) for part in plain]
        if isinstance(plain, dict):
            return {key: renamed(part) for key, part in plain.items()}
        return change(plain) if isinstance(plain, str) else plain

    def edit(connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT kind, key, data FROM items ORDER BY id").fetchall()
        for kind, key, data in rows:
            if kind in {"parameter", "template", "graph", "event"}:
                put(
                    connection, kind, key, json.dumps(renamed(json.loads(unsqueeze(data)))).encode()
                )
            elif kind == "source":
                text = unsqueeze(data).replace(b"=", code.encode())
                connection.execute("DELETE FROM items WHERE id = ?", (item_id(kind, key),))
                put(connection, kind, change(key), text)

    return edit


def _bomb(kind: str, key: str, byte: bytes, size: int) -> Callable[[sqlite3.Connection], None]:
    """An item whose bytes are all the same and far more than the file has."""

    def edit(connection: sqlite3.Connection) -> None:
        row = connection.execute("SELECT key FROM items WHERE kind = ? LIMIT 1", (kind,)).fetchone()
        name = key or (row[0] if row else "0")
        stored = b"\x01" + (size >> 20 << 20).to_bytes(8, "little") + _packed(byte, size >> 20)
        row = (item_id(kind, name), kind, name, seal(kind, name, stored), stored)
        connection.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?)", row)

    return edit


@cache
def _packed(byte: bytes, megabytes: int) -> bytes:
    packer = zlib.compressobj(1)
    pieces = [packer.compress(byte * (1 << 20)) for _ in range(megabytes)]
    return b"".join([*pieces, packer.flush()])


def records(kind: str, **fields: Any) -> Callable[[sqlite3.Connection], None]:
    """Some fields of all records of a kind, replaced; ``{}`` leaves a field as it is."""

    def edit(connection: sqlite3.Connection) -> None:
        query = "SELECT key, data FROM items WHERE kind = ?"
        for key, data in connection.execute(query, (kind,)).fetchall():
            plain = json.loads(unsqueeze(data))
            if not isinstance(plain, dict):
                continue
            put(connection, kind, key, json.dumps(plain | fields).encode())

    return edit


def _told(words: str) -> Callable[[sqlite3.Connection], None]:
    """Events and the run's own facts that say something."""

    def edit(connection: sqlite3.Connection) -> None:
        for number, kind in enumerate(("warning", "exception", "incomplete", "interrupt")):
            told = {"kind": kind, "step": 1, "message": f"a {words}", "detail": f"Trace {words}"}
            put(connection, "event", str(1000 + number), json.dumps(told).encode())
        facts = {"argv": [words], "cwd": f"/{words}", "torch": words, "python": words}
        records("about", **facts)(connection)
        count_again(connection)

    return edit


def count_again(connection: sqlite3.Connection) -> None:
    """Write how many rows there are now."""
    put(connection, "about", "counts", json.dumps(count_rows(connection)).encode())


def _last_step(step: int) -> Callable[[sqlite3.Connection], None]:
    def edit(connection: sqlite3.Connection) -> None:
        found = connection.execute("SELECT * FROM fulls ORDER BY id DESC LIMIT 1").fetchone()
        number, template, steps, _, data = found
        keys = (number, template, steps[:-8] + struct.pack("<q", step))
        values = (*keys, seal(*keys), seal(*keys, data[SEAL:]) + data[SEAL:])
        connection.execute("INSERT OR REPLACE INTO fulls VALUES (?, ?, ?, ?, ?)", values)

    return edit


def _statements(*statements: str) -> Callable[[sqlite3.Connection], None]:
    def edit(connection: sqlite3.Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    return edit


NAMED = re.compile(r"^(w1|b1|x|y|\w+\.(weight|bias))$")
NAME = re.compile(NAMED.pattern + r"|^(self|other)$|\.py$|\.grad$|>$|\s|[Bb]ackward0$")
ENDLESS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT"
AIMED: dict[str, Callable[[sqlite3.Connection], None]] = {
    "a view that never ends in place of a table": _statements(
        "DROP TABLE blobs",
        f"CREATE VIEW blobs AS {ENDLESS} n AS id, x'00' AS digest, x'00' AS data FROM r",
    ),
    "a view that never ends as the list of items": _statements(
        "ALTER TABLE items RENAME TO more",
        f"CREATE VIEW items AS {ENDLESS} n AS id, 'a' AS kind, 'b' AS key, x'' AS seal, "
        "x'' AS data FROM r",
    ),
    "a generated column": _statements(
        "DROP TABLE blobs",
        "CREATE TABLE blobs (id INTEGER PRIMARY KEY, digest BLOB NOT NULL, "
        "data BLOB AS (zeroblob(900000000)))",
    ),
    "a source text of 1.5 GB": _bomb("source", "", b"x", 3 << 29),
    "a source text of one line": _bomb("source", "", b"x", 15 << 20),
    "a source text of empty lines": _bomb("source", "", b"\n", 15 << 20),
    "a template of open brackets": _bomb("template", "0", b"[", 60 << 20),
    "an info of open brackets": _bomb("about", "info", b"[", 60 << 20),
    "a graph of open brackets": _bomb("graph", "0", b"[", 60 << 20),
    "a surface of 500 MB": _bomb("extra", "surface", b"\x00", 500 << 20),
    "a curvature of open brackets": _bomb("extra", "curvature", b"[", 60 << 20),
    "optimizers of open brackets": _bomb("extra", "optimizers", b"[", 60 << 20),
    "10^15 steps": _last_step(10**15),
    "100 million steps": _last_step(10**8),
    "a step before the first": _last_step(-5),
    "a parameter of 10^15 elements": records("parameter", shape=[10**6, 10**9]),
    "a parameter of 10^9 elements": records("parameter", shape=[10**9]),
    "a parameter of 10^30 elements": records("parameter", shape=[10**10] * 3),
    "a parameter of no elements": records("parameter", shape=[0]),
    "a parameter of 1000 axes": records("parameter", shape=[1] * 1000),
    "a parameter of an unknown type": records("parameter", dtype="object"),
    "a parameter without a name": records("parameter", name=""),
    "a graph that reaches what is not there": records("graph", reached=[10**6]),
    "a graph of 10^9 roots' elements": records("graph", roots=[["float32", [10**9]]], loss=0),
    "a graph whose line is far away": records(
        "graph", source=["train.py", 10**12, 10**15, 10**9, 10**9, "f"]
    ),
    "a run with 10^30 threads": records("about", threads=10**30),
    "a run of 10^300 seconds": records("about", started=-1e300, ended=1e300),
    "escapes in all names": _every_text(lambda text: text + ESCAPES if NAME.search(text) else text),
    "markup in all names": _every_text(
        lambda text: text + MARKUP if NAMED.search(text) else text, MARKUP
    ),
    "markup in all files, nodes and modules": _every_text(
        lambda text: text + MARKUP if NAME.search(text) else text, MARKUP
    ),
    "markup in messages": _told(MARKUP),
    "escapes in messages": _told(ESCAPES),
    "names of 100,000 characters": _every_text(
        lambda text: text * 20_000 if NAMED.search(text) else text
    ),
}


def _aimed(sound: bytes, dice: random.Random) -> bytes:
    return edited(sound, AIMED[dice.choice(list(AIMED))])


SORTS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bytes": _flipped,
    "pages": _paged,
    "sql": _with_sql,
    "resealed": _resealed,
    "aimed": _aimed,
}
