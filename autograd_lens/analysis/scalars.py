"""Single numbers among the parameters, by the names a reader writes: ``layer.weight[0,3]``."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autograd_lens.errors import SelectionError

__all__ = ["Scalar", "all_scalars", "parse_axes"]

_SHOWN = 8
_INDEX = re.compile(r"(?P<name>.*)\[(?P<index>[-+\d\s,]*)\]", re.DOTALL)
_EXAMPLE = 'Write two of them, for example "{}" or "layer.weight[0,3],layer.bias[0]".'


@dataclass(frozen=True, slots=True)
class Scalar:
    """One element of one parameter.

    Attributes:
        parameter: Name of the parameter.
        index: Position along each axis; ``()`` where the parameter is a scalar itself.
        shape: Sizes of the parameter's axes.
    """

    parameter: str
    index: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def flat(self) -> int:
        """Position among the parameter's elements in row-major order."""
        return int(np.ravel_multi_index(self.index, self.shape)) if self.shape else 0

    @property
    def label(self) -> str:
        """The name a reader would write: without index where there is one element only."""
        if math.prod(self.shape) == 1:
            return self.parameter
        return f"{self.parameter}[{','.join(map(str, self.index))}]"


def all_scalars(shapes: Mapping[str, tuple[int, ...]], most: int) -> list[Scalar]:
    """The first ``most`` elements of all parameters, in order."""
    found: list[Scalar] = []
    for name, shape in shapes.items():
        for index in np.ndindex(shape):
            if len(found) == most:
                return found
            found.append(Scalar(name, index, shape))
    return found


def parse_axes(text: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Scalar, Scalar]:
    """The two numbers that ``--axes`` names.

    Args:
        text: For example ``"w1,b1"`` or ``"layer.weight[0,3],layer.bias[0]"``.
        shapes: The shape of each parameter by name.

    Raises:
        SelectionError: There are not two, one is not there, or they are the same.
    """
    parts = [part.strip() for part in _split(text)]
    example = ",".join(scalar.label for scalar in all_scalars(shapes, 2))
    if len(parts) != 2 or not all(parts):  # noqa: PLR2004  a plane has two axes
        found = len([part for part in parts if part])
        msg = f"Two numbers span a plane; {text!r} names {found}."
        raise SelectionError(msg, hint=_EXAMPLE.format(example))
    one, other = (_parse(part, shapes) for part in parts)
    if one == other:
        msg = f"Both axes of {text!r} are {one.label}."
        raise SelectionError(msg, hint=_EXAMPLE.format(example))
    return one, other


def _split(text: str) -> list[str]:
    """Cut at commas outside of brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _parse(text: str, shapes: Mapping[str, tuple[int, ...]]) -> Scalar:
    if text in shapes:  # names may hold brackets themselves: a name as it stands comes first
        return _only_element(text, shapes[text])
    match = _INDEX.fullmatch(text)
    name = match["name"].strip() if match else text
    if name not in shapes:
        raise _unknown(name, shapes)
    return _element(name, shapes[name], match["index"] if match else "", text)


def _only_element(name: str, shape: tuple[int, ...]) -> Scalar:
    if math.prod(shape) != 1:
        last = ",".join(str(size - 1) for size in shape)
        msg = f"{name} has {math.prod(shape):,} elements, in shape {shape}; an axis is one of them."
        raise SelectionError(msg, hint=f'Name one: "{name}[{last}]" is the last.')
    return Scalar(name, (0,) * len(shape), shape)


def _element(name: str, shape: tuple[int, ...], index: str, text: str) -> Scalar:
    try:
        given = tuple(int(part) for part in index.split(",") if part.strip())
    except ValueError:
        given = ()
    inside = [-size <= i < size for i, size in zip(given, shape, strict=False)]
    if len(given) != len(shape) or not all(inside):
        msg = f"{text!r} is no element of {name}, which has shape {shape}."
        last = ",".join(str(size - 1) for size in shape)
        raise SelectionError(msg, hint=f'The last one is "{name}[{last}]".')
    return Scalar(name, tuple(i % size for i, size in zip(given, shape, strict=True)), shape)


def _unknown(name: str, shapes: Mapping[str, tuple[int, ...]]) -> SelectionError:
    close: Sequence[str] = difflib.get_close_matches(name, shapes, 1)
    listed = [f"{known} {list(shape)}" for known, shape in shapes.items()]
    more = f", and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    hint = f"There are {', '.join(listed[:_SHOWN])}{more}."
    if close:
        hint = f"Did you mean {close[0]}? {hint}"
    return SelectionError(f"There is no parameter {name!r}.", hint=hint)
