"""Records as a file holds them: JSON, decoded and validated in one pass.

``from_bytes`` gives a record only where every field has its type and range; else it says at
which place of the record the fault lies.

NOTE 1: what a stranger's file says is printed on terminals and written into SVG, HTML and TeX.
A control character in a name could set a terminal's title or clear its screen, and no XML may
hold one; a mark that turns the direction of writing makes a line read as another. They are
replaced here, where text comes out of a file, by a sign that can be seen (``visible``), so
that no face has to know.

NOTE 2: msgspec writes NaN and the infinities as null, and refuses file names of an unknown
encoding, which Python spells with half characters. So what may hold one of these is written by
Python's own JSON, which has words for both, and read by it.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from autograd_lens.trace.schema import damaged, visible

__all__ = ["from_bytes", "to_bytes"]

T = TypeVar("T")
Plain = Any  # None, a boolean, a number, text, or a list or dict of these

# JSON with one of these, escaped or as it is, or with a number that msgspec does not read.
_SUSPECT = re.compile(
    rb"""\\[ubfr] | \x7f | \xc2[\x80-\x9f] | \xe2\x80[\xa8-\xae] | \xe2\x81[\xa6-\xa9]
    | \xef\xbf[\xbe\xbf] | NaN | Infinity""",
    re.VERBOSE,
)


def to_bytes(record: object, *, finite: bool = False) -> bytes:
    """A record as JSON (NOTE 2).

    Args:
        record: The record.
        finite: Whether all numbers in it are sure to be finite: the other way of writing takes a
            hundred times as long.
    """
    with suppress(UnicodeEncodeError):
        data = msgspec.json.encode(record, enc_hook=_plain)
        if finite or b"null" not in data:
            return data
    plain = msgspec.to_builtins(record, enc_hook=_plain)
    return json.dumps(plain, separators=(",", ":")).encode()


def _plain(thing: object) -> Plain:
    """What msgspec does not know: text and numbers of a class of their own (``torch.__version__``).

    Raises:
        TypeError: It is nothing that JSON can hold.
    """
    kinds: tuple[Any, ...] = (str, int, float, tuple, dict)
    for kind in kinds:
        if isinstance(thing, kind):
            return kind(thing)
    msg = f"A trace holds text, numbers and records of these, not {type(thing).__name__}."
    raise TypeError(msg)


def from_bytes(data: bytes, kind: type[T], what: str) -> T:
    """The record that ``to_bytes`` was given, its text made ``visible``.

    Args:
        data: The bytes.
        kind: What they must be.
        what: What to call it where they are not, for example ``"a parameter"``.

    Raises:
        NotATraceError: They are something else.
    """
    try:
        if _SUSPECT.search(data) is None:
            return msgspec.json.decode(data, type=kind)
        return msgspec.convert(_made_visible(json.loads(data)), kind)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        damaged(f"{what} cannot be understood ({str(error) or type(error).__name__})", error)


def _made_visible(plain: Plain) -> Plain:
    if isinstance(plain, str):
        return visible(plain)
    if isinstance(plain, list):
        return [_made_visible(part) for part in plain]
    if isinstance(plain, dict):
        return {visible(key): _made_visible(part) for key, part in plain.items()}
    return plain
