"""Tables of a trace file, and how bytes are squeezed and sealed inside them.

A trace is one SQLite database with four tables::

    items   what is defined once: parameters, sources, graphs, templates, drawings, events,
            named extras, and notes about the run itself ("about")
    blocks  light rows, some thousand a block, column by column
    fulls   slots of full steps, some dozens of steps a batch, column by column
    blobs   large values, each content once

``columns.py`` describes the inside of ``blocks.data`` and ``fulls.data``; ``stored.py`` the
records among the items.

NOTE 1: seals. SQLite notices a damaged page only where its structure breaks; a flipped bit
in a number would be read as another number. A trace is evidence, so every row carries a hash
over its fields (``seal``; blocks and fulls have a second one, over these and the data, in the
first eight bytes of ``data``; blobs the digest of their content), and a row whose hash differs
is refused. The counts of rows are sealed at the end as well, so that a lost row is noticed. There
is no index beside the tables, whose damage would hide rows: an item's id is made of its name.

NOTE 2: a seal keeps accidents out, not intent: whoever changes a file can seal it again. So
whatever is read is checked as well (its type, its range), and a size is compared with a bound
before anything of that size is made.
"""

from __future__ import annotations

import sqlite3
import zlib
from typing import NoReturn

import xxhash

from autograd_lens.errors import NotATraceError

__all__ = [
    "APPLICATION_ID",
    "FORMAT",
    "LARGEST",
    "LONGEST_NAME",
    "SCHEMA",
    "SEAL",
    "TABLES",
    "as_text",
    "count_rows",
    "damaged",
    "item_id",
    "item_row",
    "most_bytes",
    "seal",
    "squeeze",
    "unseal",
    "unsqueeze",
    "visible",
]

FORMAT = 2
APPLICATION_ID = 0x4C454E53  # "LENS", at byte 68 of the file

TABLES = {
    "items": """CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    seal BLOB NOT NULL,
    data BLOB NOT NULL
)""",
    "blocks": """CREATE TABLE blocks (
    first_row INTEGER PRIMARY KEY,
    rows INTEGER NOT NULL,
    first_step INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    seal BLOB NOT NULL,
    data BLOB NOT NULL
)""",
    "fulls": """CREATE TABLE fulls (
    id INTEGER PRIMARY KEY,
    template INTEGER NOT NULL,
    steps BLOB NOT NULL,
    seal BLOB NOT NULL,
    data BLOB NOT NULL
)""",
    "blobs": """CREATE TABLE blobs (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    data BLOB NOT NULL
)""",
}
"""What makes each table, by its name, as SQLite keeps it."""

SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
{";".join(TABLES.values())};
"""

LARGEST = 900_000_000  # bytes of one value: SQLite holds at most 10**9 in a field
SEAL = 8  # bytes
LONGEST_NAME = 1000  # characters of a parameter's name; drawing a longer one takes seconds
# A template of 20,000 nodes and their kernels takes 68 MB.
_MOST_BYTES = {"source": 1 << 22, "extra": 200_000_000, "template": 100_000_000}
_MOST_OTHER = 1 << 26
_KEPT = {ord(mark): mark for mark in "\t\n"}
_VISIBLE = (
    {code: chr(0x2400 + code) for code in range(0x20)}  # U+2400: pictures of control characters
    | {0x7F: "\u2421"}
    | dict.fromkeys([*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")
    | dict.fromkeys([0x2028, 0x2029, 0xFFFE, 0xFFFF], "\ufffd")
    | dict.fromkeys([*range(0xD800, 0xDC80), *range(0xDD00, 0xE000)], "\ufffd")
    | _KEPT
)
_WORTH_IT = 0.9  # compressed bytes are slower to read: keep them where they save a tenth
_SMALL = 64  # bytes; below, deflate's own header eats the gain
_SAMPLES = 8
_SAMPLE = 512  # bytes
_LARGEST_RATIO = 1100  # deflate cannot do better than 1032 to 1
_HEADER = 9  # one byte for the method, eight for the size


def seal(*fields: object) -> bytes:
    """A hash over the fields of one row; bytes are hashed as they are."""
    state = xxhash.xxh3_64()
    for part in fields:
        state.update(part if isinstance(part, bytes) else repr(part).encode())
        state.update(b"\x00")
    return state.digest()


def unseal(sealed: object, *keys: object) -> bytes:
    """The data of a block or batch, where its hash fits.

    Raises:
        NotATraceError: It does not.
    """
    if not isinstance(sealed, bytes) or sealed[:SEAL] != seal(*keys, data := sealed[SEAL:]):
        damaged("a block of steps is not what was written")
    return data


def squeeze(data: bytes, *, planes: bool = False) -> bytes:
    """``data`` compressed where that pays, with a small header.

    Args:
        data: The bytes.
        planes: Whether it is planes of bytes: runs of one byte are all that is worth looking for
            there, which takes half of the time.
    """
    strategy = zlib.Z_RLE if planes else zlib.Z_DEFAULT_STRATEGY
    if len(data) > _SMALL and _promising(data, strategy):
        smaller = _deflate(data, strategy)
        if len(smaller) < _WORTH_IT * len(data):
            return b"\x01" + len(data).to_bytes(8, "little") + smaller
    return b"\x00" + len(data).to_bytes(8, "little") + data


def _deflate(data: bytes, strategy: int) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, strategy)
    return packer.compress(data) + packer.flush()


def _promising(data: bytes, strategy: int) -> bool:
    """Whether samples of ``data`` shrink: deflating noise would cost the most and save nothing."""
    if len(data) < 2 * _SAMPLES * _SAMPLE:
        return True
    stride = len(data) // _SAMPLES
    sample = b"".join(data[start : start + _SAMPLE] for start in range(0, len(data), stride))
    return len(_deflate(sample, strategy)) < _WORTH_IT * len(sample)


def unsqueeze(stored: bytes | memoryview, most: int = LARGEST) -> bytes:
    """What ``squeeze`` was given.

    Args:
        stored: The bytes.
        most: How many may come out.

    Raises:
        NotATraceError: The bytes are damaged, or hold more.
    """
    view = memoryview(stored)
    if len(view) < _HEADER:
        damaged("a stored value is cut short")
    size = int.from_bytes(view[1:_HEADER], "little")
    body = view[_HEADER:]
    if size > most:
        damaged(f"a stored value claims {size:,} bytes where {most:,} are the most")
    if view[0] == 0:
        data = bytes(body)
    elif view[0] == 1 and size <= _LARGEST_RATIO * len(body):
        data = _inflate(body, size)
    else:
        damaged("a stored value has an impossible header")
    if len(data) != size:
        damaged(f"a stored value has {len(data)} bytes where {size} were written")
    return data


def _inflate(body: memoryview, size: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(body, size + 1)
    except zlib.error as error:
        damaged(f"a stored value cannot be decompressed ({error})", error)
    if not inflater.eof or inflater.unused_data:
        damaged("a stored value does not end where it should")
    return data


def damaged(what: str, cause: BaseException | None = None) -> NoReturn:
    """Refuse a trace that does not hold what its writer wrote."""
    msg = f"This trace is damaged: {visible(what)}."
    raise NotATraceError(msg, hint="Record the run again, or use another copy.") from cause


def visible(text: str) -> str:
    """``text`` with control characters as signs that can be seen; line ends and tabs stay.

    Half characters stay where Python spells the bytes of a file name with them.
    """
    return text if text.isprintable() else text.translate(_VISIBLE)


def as_text(name: str) -> str:
    """The name of a file as SQLite can hold it: all names that no encoding knows become ``?``."""
    return name.encode("utf-8", "replace").decode()


def most_bytes(kind: str) -> int:
    """How many bytes an item of a kind may have."""
    return _MOST_BYTES.get(kind, _MOST_OTHER)


def item_id(kind: str, key: str) -> int:
    """The id of an item."""
    name = f"{kind}\x00{key}".encode()
    return xxhash.xxh3_64_intdigest(name) >> 1  # SQLite's integers have a sign


def item_row(kind: str, key: str, data: bytes) -> tuple[int, str, str, bytes, bytes]:
    """An item as its table holds it.

    Raises:
        ValueError: It is larger than readers accept.
    """
    if len(data) > most_bytes(kind):
        msg = f"A {kind} of {len(data):,} bytes is more than a trace holds ({most_bytes(kind):,})."
        raise ValueError(msg)
    key, stored = as_text(key), squeeze(data)
    return item_id(kind, key), kind, key, seal(kind, key, stored), stored


def count_rows(connection: sqlite3.Connection) -> dict[str, int]:
    """Number of rows of each table that readers list, apart from the counts themselves."""
    count = "SELECT count(*) FROM"
    queries = {
        "items": (f"{count} items WHERE id != ?", item_id("about", "counts")),
        "blocks": (f"{count} blocks WHERE ?", 1),
        "fulls": (f"{count} fulls WHERE ?", 1),
    }
    return {
        table: int(connection.execute(query, (value,)).fetchone()[0])
        for table, (query, value) in queries.items()
    }
