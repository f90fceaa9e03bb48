"""The encoded arguments of a template, parsed once and filled again for each step.

A pattern is a ``Place`` (a tensor and the slot of its value), a ``Number`` (a slot), a
``Fixed`` constant, or a tuple of patterns.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from autograd_lens.replay.values import Entry, read
from autograd_lens.trace.records import Constant

__all__ = [
    "Fixed",
    "Number",
    "Pattern",
    "Place",
    "fill",
    "numbers_in",
    "parse",
    "resolve",
    "tensors_in",
]


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor.

    Attributes:
        tensor: Its id in the step, -1 where it has none.
        slot: Where its value stands.
    """

    tensor: int
    slot: int


@dataclass(frozen=True, slots=True)
class Number:
    """A number that differs from step to step.

    Attributes:
        slot: Where it stands.
    """

    slot: int


@dataclass(frozen=True, slots=True)
class Fixed:
    """A constant.

    Attributes:
        value: As torch takes it, or a ``Constant`` where it was not translated.
    """

    value: Any


Pattern = Place | Number | Fixed | tuple["Pattern", ...]


def parse(enc: Any) -> Pattern:
    """The pattern of an ``ENC``; see ``trace.template``."""
    match enc:
        case ["t", tensor, slot]:
            return Place(tensor, slot)
        case ["v", _, slot]:
            return Place(-1, slot)
        case ["c", slot]:
            return Number(slot)
        case ["l", parts]:
            return tuple(parse(part) for part in parts)
    return Fixed(None) if enc is None else _fixed(*enc[1:])


def _fixed(kind: str, value: Any) -> Fixed:
    if kind == "complex":
        return Fixed(complex(*value))
    return Fixed(value) if kind == "scalar" else Fixed(Constant(kind, value))


def tensors_in(pattern: Pattern) -> Iterator[Place]:
    """All tensors of a pattern, in order."""
    if isinstance(pattern, Place):
        yield pattern
    elif isinstance(pattern, tuple):
        for item in pattern:
            yield from tensors_in(item)


def numbers_in(pattern: Pattern) -> Iterator[Number]:
    """All numbers of a pattern that differ from step to step, in order."""
    if isinstance(pattern, Number):
        yield pattern
    elif isinstance(pattern, tuple):
        for item in pattern:
            yield from numbers_in(item)


def resolve(pattern: Pattern, live: Sequence[torch.Tensor | None], slots: Sequence[Any]) -> Any:
    """What a pattern stands for now.

    Args:
        pattern: The pattern.
        live: Tensors by id.
        slots: Numbers by slot.
    """
    if isinstance(pattern, Place):
        return live[pattern.tensor]
    if isinstance(pattern, Fixed):
        return pattern.value
    if isinstance(pattern, Number):
        return slots[pattern.slot]
    return [resolve(item, live, slots) for item in pattern]


def fill(pattern: Pattern, given: Any, slots: MutableSequence[Entry]) -> bool:
    """Write what is given into the slots of a pattern; tell whether it has the pattern's form."""
    if isinstance(pattern, Place):
        if not isinstance(given, torch.Tensor):
            return False
        slots[pattern.slot] = read(given)
    elif isinstance(pattern, Number):
        if isinstance(given, torch.Tensor):
            return False
        slots[pattern.slot] = given
    elif isinstance(pattern, tuple):
        if not isinstance(given, list | tuple) or len(given) != len(pattern):
            return not pattern and given is None
        return all(fill(item, part, slots) for item, part in zip(pattern, given, strict=True))
    else:
        return not isinstance(given, torch.Tensor)
    return True


def differs(pattern: Pattern, given: Any) -> bool:
    """Whether sizes were given that are not those of the pattern: a batch of another size."""
    if isinstance(pattern, Fixed):
        return type(given) is int and type(pattern.value) is int and given != pattern.value
    if isinstance(pattern, tuple) and isinstance(given, list | tuple):
        if len(pattern) != len(given):
            return all(type(item) is int for item in given)
        return any(differs(item, part) for item, part in zip(pattern, given, strict=True))
    return False


def encode(sizes: Any) -> Any:
    """Sizes as a template writes them."""
    if isinstance(sizes, list | tuple):
        return ["l", [encode(size) for size in sizes]]
    return ["k", "scalar", sizes]
