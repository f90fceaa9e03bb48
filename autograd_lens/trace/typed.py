"""Stored entries as values: bytes meet their dtype and shape, both checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

from autograd_lens.trace.columns import Entry
from autograd_lens.trace.records import Event, Parameter, Source
from autograd_lens.trace.schema import damaged
from autograd_lens.trace.values import Summary, Value

__all__ = [
    "as_shape",
    "as_source",
    "as_value",
    "at",
    "boolean",
    "differ",
    "integer",
    "item_size",
    "parse_event",
    "parse_parameter",
    "text",
]

T = TypeVar("T")

_ITEM_SIZES = {
    "bool": 1,
    "uint8": 1,
    "int8": 1,
    "quint8": 1,
    "qint8": 1,
    "uint16": 2,
    "int16": 2,
    "float16": 2,
    "bfloat16": 2,
    "uint32": 4,
    "int32": 4,
    "qint32": 4,
    "float32": 4,
    "complex32": 4,
    "uint64": 8,
    "int64": 8,
    "float64": 8,
    "complex64": 8,
    "complex128": 16,
}


def item_size(dtype: str) -> int | None:
    """Bytes of one element of a torch dtype; None where this version does not know it."""
    return 1 if dtype.startswith("float8_") else _ITEM_SIZES.get(dtype)


def as_value(entry: Entry, dtype: str, shape: tuple[int, ...]) -> Value | None:
    """The value of a tensor; of one axis where the program changed the tensor's size.

    Raises:
        NotATraceError: The entry cannot be the value of such a tensor.
    """
    if entry is None:
        return None
    if isinstance(entry, Summary):
        return Value(dtype, shape, None, entry)
    if not isinstance(entry, bytes):
        damaged(f"a number stands where a {dtype} tensor is expected")
    size = item_size(dtype)
    if size is None or len(entry) == size * math.prod(shape):
        return Value(dtype, shape, entry)
    if len(entry) % size:
        damaged(f"{len(entry)} bytes stand where a {dtype} tensor of shape {shape} is expected")
    return Value(dtype, (len(entry) // size,), entry)


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


def parse_parameter(plain: dict[str, Any]) -> Parameter:
    """A parameter out of JSON.

    Raises:
        KeyError: A field is missing.
        NotATraceError: A field is wrong.
    """
    return Parameter(
        name=str(plain["name"]),
        shape=as_shape(plain["shape"]),
        dtype=str(plain["dtype"]),
        device=str(plain["device"]),
        aliases=tuple(str(alias) for alias in plain["aliases"]),
        first_step=int(plain["first_step"]),
    )


def parse_event(plain: dict[str, Any]) -> Event:
    """An event out of JSON.

    Raises:
        KeyError: A field is missing.
        NotATraceError: A field is wrong.
    """
    step = plain["step"]
    return Event(
        kind=text(plain["kind"]),
        step=None if step is None else integer(step),
        message=text(plain["message"]),
        detail=text(plain["detail"]),
    )


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


def differ(before: Entry, after: Entry) -> bool:
    """Whether two stored values are there and differ in their bytes."""
    if before is None or after is None:
        return False
    if isinstance(before, Summary) and isinstance(after, Summary):
        return before.digest != after.digest
    return before != after
