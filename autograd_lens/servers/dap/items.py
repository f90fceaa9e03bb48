"""What a debugger lists under a name: a value in few words, and what is inside of it.

NOTE 1 [Parts of long lists]: what is inside is made when the client opens it, and of a tensor no
more than it asks for. A client that asks for all elements at once gets the first hundred.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from autograd_lens.render.numbers import render_value, scalar, shape
from autograd_lens.trace.values import Array, Summary, Value

__all__ = ["Item", "array_item", "group", "later", "text_item", "value_item"]

Inside = Callable[[int, int], Sequence["Item"]]

_ELEMENTS = 100  # of a tensor that are given at once
_NAMES = 5_000


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a list.

    Attributes:
        name: Its name.
        value: Its value in few words.
        sort: Its type.
        inside: Gives its parts from a place on, so many of them; None where it has none.
        count: How many parts it has.
        indexed: Whether these are numbered.
        expression: What evaluates to it; ``""`` where nothing does.
    """

    name: str
    value: str
    sort: str = ""
    inside: Inside | None = None
    count: int = 0
    indexed: bool = False
    expression: str = ""

    def parts(self, start: int, count: int) -> Sequence[Item]:
        """Its parts from a place on, so many of them; 0 for as many as are given at once."""
        most = _ELEMENTS if self.indexed else _NAMES
        many = min(count, most) if count > 0 else most
        found = self.inside(max(start, 0), many) if self.inside is not None else ()
        rest = self.count - most
        if count > 0 or rest <= 0:
            return found
        return [*found, text_item("...", f"{rest:,} more, to be asked for by parts")]


def text_item(name: str, value: str) -> Item:
    """A line of text."""
    return Item(name, value)


def group(name: str, value: str, parts: Sequence[Item], expression: str = "") -> Item:
    """A line with named parts inside."""
    inside = partial(_part, parts)
    return Item(
        name, value, inside=inside if parts else None, count=len(parts), expression=expression
    )


def later(name: str, make: Callable[[], Sequence[Item]]) -> Item:
    """A line whose named parts are made when they are asked for."""
    made = cache(make)
    return Item(name, "", inside=lambda start, count: made()[start : start + count])


def _part(parts: Sequence[Item], start: int, count: int) -> Sequence[Item]:
    return parts[start : start + count]


def value_item(name: str, value: Value | None, expression: str = "") -> Item:
    """The value of a tensor: shape, histogram, range; its elements inside, or what is kept.

    Args:
        name: Its name.
        value: The value; None reads ``None``.
        expression: What evaluates to it.
    """
    shown = render_value(value).plain
    if value is None:
        return Item(name, shown, "NoneType", expression=expression)
    sort = f"{value.dtype} {shape(value.shape)}"
    if value.complete and value.numel > 1:
        item = array_item(name, value.array)
        return replace(item, value=shown, sort=sort, expression=expression)
    if value.summary is not None:
        item = group(name, shown, _kept(value.summary), expression)
        return replace(item, sort=sort)
    return Item(name, shown, sort, expression=expression)


def _kept(summary: Summary) -> list[Item]:
    """What is kept of a tensor that was too large."""
    numbers = {
        "norm": summary.norm,
        "minimum": summary.minimum,
        "maximum": summary.maximum,
        "mean": summary.mean,
        "NaN": summary.nan_count,
        "infinite": summary.inf_count,
    }
    found = [Item(name, scalar(one)) for name, one in numbers.items() if one is not None]
    sample = ", ".join(scalar(one) for one in summary.sample)
    return [*found, Item("sample", sample), Item("digest", summary.digest)]


def array_item(name: str, array: Array) -> Item:
    """Numbers, those of each place along the first axis inside."""
    if array.ndim == 0:
        return Item(name, scalar(array.item()), str(array.dtype))
    shown = render_value(_as_value(array)).plain
    inside = partial(_rows, array)
    return Item(
        name, shown, f"{array.dtype} {shape(array.shape)}", inside, len(array), indexed=True
    )


def _rows(array: Array, start: int, count: int) -> Sequence[Item]:
    stop = min(start + count, len(array))
    return [array_item(f"[{place}]", np.asarray(array[place])) for place in range(start, stop)]


def _as_value(array: Array) -> Value:
    """An array as the value that it is a part of."""
    dtype = str(array.dtype)
    return Value(dtype, array.shape, np.ascontiguousarray(array).tobytes())
