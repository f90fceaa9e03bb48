"""Fields of JSON, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from autograd_lens.trace.records import Source
from autograd_lens.trace.schema import damaged

__all__ = [
    "as_shape",
    "as_source",
    "at",
    "boolean",
    "integer",
    "text",
]

T = TypeVar("T")


def as_shape(sizes: object) -> tuple[int, ...]:
    """Sizes out of JSON.

    Raises:
        NotATraceError: They are none.
    """
    if not isinstance(sizes, list) or not all(type(n) is int and n >= 0 for n in sizes):
        damaged("a shape holds something else than sizes")
    return tuple(sizes)


def as_source(place: Sequence[Any] | None) -> Source | None:
    """A source out of JSON.

    Raises:
        NotATraceError: It is none.
    """
    if place is None:
        return None
    kinds = [str, int, int, int, int, str]
    if not isinstance(place, list) or [type(part) for part in place] != kinds:
        damaged("a source line holds something else than a place in a file")
    return Source(*place)


def text(value: object) -> str:
    """``value``, where it is text.

    Raises:
        NotATraceError: It is not.
    """
    return value if isinstance(value, str) else damaged(f"{value!r} stands where text is expected")


def boolean(value: object) -> bool:
    """``value``, where it is true or false.

    Raises:
        NotATraceError: It is neither.
    """
    if isinstance(value, bool):
        return value
    return damaged(f"{value!r} stands where true or false is expected")


def integer(value: object, limit: int | None = None) -> int:
    """``value``, where it is a number from 0 up to, not including, ``limit``.

    Raises:
        NotATraceError: It is not.
    """
    if type(value) is int and value >= 0 and (limit is None or value < limit):
        return value
    return damaged(f"{value!r} stands where a number below {limit} is expected")


def at(values: Sequence[T], position: object) -> T:
    """The element at a position, counted from 0 and never from the end.

    Raises:
        NotATraceError: There is none.
    """
    return values[integer(position, len(values))]
