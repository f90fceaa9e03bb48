"""What people write to mean a part of a run: steps, a place in a step, single numbers.

::

    0:3,every:100,last          steps, in order
    12:backward    12:k7        a place: a step, and a phase or a kernel of it
    layer.weight[0,3]           one element of a parameter
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from autograd_lens.errors import NoSuchStepError, SelectionError
from autograd_lens.trace.records import Phase

__all__ = [
    "Place",
    "Scalar",
    "all_scalars",
    "find_scalar",
    "parse_axes",
    "select_step",
    "select_steps",
]

_HINT = 'Write steps and ranges such as "0,5,-1" or "0:3", or "every:100", "all", "last".'
_SHOWN = 8
_INDEX = re.compile(r"(?P<name>.*)\[(?P<index>[-+\d\s,]*)\]", re.DOTALL)
_EXAMPLE = 'Write two of them, for example "{}" or "layer.weight[0,3],layer.bias[0]".'


def select_steps(text: str, count: int) -> tuple[int, ...]:
    """The steps that a text names, in its order, each once.

    Args:
        text: Comma-separated parts, each of them ``all``, ``last``, ``every:N``, a step
            (negative ones count from the end) or a range ``first:last``, the last one excluded
            and both optional.
        count: How many steps the trace has.

    Returns:
        Step numbers from 0 to ``count - 1``; at least one.

    Raises:
        SelectionError: A part is none of these; the message quotes it.
        NoSuchStepError: A part names a step or range that the trace does not have.
    """
    if count == 0:
        msg = "The trace has no steps yet."
        raise NoSuchStepError(msg, hint="Record a program that calls backward() at least once.")
    parts = (_select_part(part.strip(), text, count) for part in text.split(","))
    return tuple(dict.fromkeys(step for part in parts for step in part))


def select_step(text: str, count: int) -> int:
    """The one step that a text names.

    Raises:
        SelectionError: The text names several steps, or cannot be understood.
        NoSuchStepError: The trace does not have the step.
    """
    steps = select_steps(text, count)
    if len(steps) > 1:
        msg = f"One step is needed here; {text!r} names {len(steps):,}."
        raise SelectionError(msg, hint='Write one number, for example "0", or "last".')
    return steps[0]


def _select_part(part: str, text: str, count: int) -> Iterable[int]:
    if part == "all":
        return range(count)
    if part == "last":
        return (count - 1,)
    if match := re.fullmatch(r"every:([1-9]\d{0,17})", part):
        return range(0, count, int(match[1]))
    if re.fullmatch(r"-?\d{1,18}", part):
        return (_existing(int(part), count),)
    if match := re.fullmatch(r"(-?\d{1,18})?:(-?\d{1,18})?", part):
        return _existing_range(part, match[1], match[2], count)
    where = f" in {text!r}" if part != text else ""
    msg = f"{part!r}{where} is not a choice of steps."
    raise SelectionError(msg, hint=_HINT)


def _existing(step: int, count: int) -> int:
    if not -count <= step < count:
        msg = f"Step {step} is not in the trace, which has {_extent(count)}."
        raise NoSuchStepError(msg)
    return step % count


def _existing_range(part: str, first: str | None, last: str | None, count: int) -> range:
    bounds = slice(int(first) if first else None, int(last) if last else None)
    steps = range(count)[bounds]
    if not steps:
        msg = f"No step lies in {part!r}: the trace has {_extent(count)}."
        raise NoSuchStepError(msg)
    return steps


def _extent(count: int) -> str:
    return "only step 0" if count == 1 else f"steps 0 to {count - 1}"


@dataclass(frozen=True, slots=True)
class Place:
    """A step, and something in it.

    Attributes:
        step: The step.
        phase: Its phase to start at, or None.
        kernel: The kernel to start at, or None.
    """

    step: int
    phase: Phase | None = None
    kernel: int | None = None

    @classmethod
    def parse(cls, text: str, steps: int) -> Place:
        """The place that a text names: ``12``, ``last``, ``12:backward``, ``12:k7``.

        Args:
            text: What the user wrote.
            steps: How many steps the run has.

        Raises:
            SelectionError: It names no place.
        """
        step, _, inside = text.partition(":")
        number = select_step(step, steps) if steps else 0
        if not inside:
            return cls(number)
        if kernel := re.fullmatch(r"k(\d+)", inside):
            return cls(number, kernel=int(kernel[1]))
        for phase in get_args(Phase):
            if inside == phase:
                return cls(number, phase=phase)
        msg = f"{inside!r} is no place in a step."
        names = ", ".join(get_args(Phase))
        raise SelectionError(msg, hint=f"Write one of {names}, or k7 for kernel 7.")


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
    if len(parts) != 2 or not all(parts):  # a plane has two axes
        found = len([part for part in parts if part])
        msg = f"Two numbers span a plane; {text!r} names {found}."
        raise SelectionError(msg, hint=_EXAMPLE.format(example))
    one, other = (find_scalar(part, shapes) for part in parts)
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


def find_scalar(text: str, shapes: Mapping[str, tuple[int, ...]]) -> Scalar:
    """The number that a text such as ``layer.weight[0,3]`` names.

    Args:
        text: A parameter of one element, or a parameter and an index.
        shapes: The shape of each parameter by name.

    Raises:
        SelectionError: There is none.
    """
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
