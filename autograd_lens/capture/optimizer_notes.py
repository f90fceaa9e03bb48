"""What the program's optimizers are: their names, their numbers, and which tensors they hold."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping
from itertools import count
from typing import Any

import msgspec
import torch

from autograd_lens.capture.optimizer_numbers import numbers_of
from autograd_lens.capture.parameters import ParameterRegistry, attributes_of, reachable
from autograd_lens.trace.kept import OPTIMIZERS, Numbers, Optimizer, OptimizerGroup, Options
from autograd_lens.trace.stored import to_bytes

__all__ = ["OptimizerNotes"]

_MAX_HELD = 100_000
_MAX_PAST = 128  # optimizers
_EAGER = 64  # looks; behind them a change is noticed a few steps late
_SELDOM = 16


class OptimizerNotes:
    """Keeps what is known of the optimizers, written again whenever it changes.

    An optimizer is an object with a ``step`` method: of ``torch.optim``, whose numbers stand
    in its first parameter group, or of the program, whose numbers are its attributes. One that
    is gone, as that of a model which was trained before another, is kept as it was last; where
    another one updates what it did, with the step at which that was seen.

    Args:
        registry: The parameters.
        keep: Takes what is known under the name that a recording has for it.

    Attributes:
        stepped: Gives the optimizers that have made an update, whoever holds them.
    """

    def __init__(self, registry: ParameterRegistry, keep: Callable[[str, bytes], None]) -> None:
        self._registry = registry
        self._keep = keep
        self.stepped: Callable[[], Iterable[object]] = tuple
        self._known: list[tuple[weakref.ref[object], Optimizer]] = []
        self._past: list[Optimizer] = []  # those that are gone or were replaced
        self._state: Hashable = None
        self._written: list[Optimizer] = []
        self._looks = 0

    def look(
        self, step: int, frames: Callable[[], list[Mapping[str, object]]], *, anew: bool
    ) -> None:
        """Write what changed since the last look.

        Args:
            step: The step that goes on.
            frames: Gives what the program's frames can see, innermost first.
            anew: Whether to search for optimizers that were made since.
        """
        self._looks += 1
        if not anew and self._looks > _EAGER and self._looks % _SELDOM:
            return
        if not anew and self._state == self._now():
            return
        past = [*self._past, *(entry for known, entry in self._known if known() is None)]
        taken = {entry.name for entry in past if entry.until is None}
        found: dict[str, object] = {}
        for name, optimizer in [*_optimizers(frames()), *self._elsewhere()]:
            if all(optimizer is not one for one in found.values()):
                found[_unlike(name, {*taken, *found})] = optimizer
        entries = [self._describe(name, optimizer) for name, optimizer in found.items()]
        held = {index for entry in entries for index in entry.holds} - {None}
        past = [one for one in past if one.until is not None or held.isdisjoint(one.holds)]
        past += self._replaced(step, [*past, *entries])
        self._past = past[-_MAX_PAST:]
        described = [*self._past, *entries]
        if described != self._written:
            self._written = described
            self._keep(OPTIMIZERS, to_bytes(described))
        self._known = list(_references(found.values(), entries))
        self._state = self._now()

    def _replaced(self, step: int, now: list[Optimizer]) -> Iterator[Optimizer]:
        """What was described until now and is not any more, as it is kept from now on."""
        current = [one for one in now if one.until is None]
        for one in self._written if current else ():
            if one.until is None and one.holds and not _goes_on(one, current):
                yield msgspec.structs.replace(one, until=step)

    def _elsewhere(self) -> Iterator[tuple[str, object]]:
        """Those that made updates, as one that is an attribute of a module."""
        for optimizer in self._in_order():
            names = (entry.name for known, entry in self._known if known() is optimizer)
            yield next(names, type(optimizer).__name__), optimizer

    def tensors(self) -> Iterator[torch.Tensor]:
        """All tensors in attributes of the optimizers, as momenta in handwritten ones are."""
        for known, _ in self._known:
            for value in list(attributes_of(known()).values()):
                yield from _tensors(value)

    def _in_order(self) -> list[object]:
        """Those that made updates, in the order of what they update."""

        def place(optimizer: object) -> int:
            indexes = map(self._registry.index_of, _held(optimizer))
            return next(
                (index for index in indexes if index is not None), len(self._registry.records)
            )

        return sorted(self.stepped(), key=place)

    def _now(self) -> Hashable:
        """What changes when an optimizer gets other tensors, or a tensor another index."""
        alive = [one for known, _ in self._known if (one := known()) is not None]
        alive += [one for one in self._in_order() if all(one is not other for other in alive)]
        held = [tensor for optimizer in alive for tensor in _held(optimizer)]
        return tuple([(id(tensor), self._registry.index_of(tensor)) for tensor in held])

    def _describe(self, name: str, optimizer: object) -> Optimizer:
        return Optimizer(
            kind=type(optimizer).__qualname__,
            name=name,
            attributes=_numbers(optimizer),
            options=_options(_first_group(optimizer)),
            holds=tuple([self._registry.index_of(tensor) for tensor in _held(optimizer)]),
            groups=_groups(optimizer),
        )


def _goes_on(one: Optimizer, others: Iterable[Optimizer]) -> bool:
    """Whether one of the others makes the same updates, as far as it was known."""
    return any(
        (one.kind, one.options) == (other.kind, other.options)
        and len(one.holds) <= len(other.holds)
        and all(held in {None, now} for held, now in zip(one.holds, other.holds, strict=False))
        for other in others
    )


def _optimizers(frames: list[Mapping[str, object]]) -> Iterator[tuple[str, object]]:
    for name, value in reachable(frames):
        if _is_optimizer(value):
            yield name, value


def _unlike(name: str, others: Container[str]) -> str:
    """The name, with a number where others have it."""
    return next(n for i in count(1) if (n := f"{name} ({i})" if i > 1 else name) not in others)


def _is_optimizer(value: object) -> bool:
    kind = type(value)
    own = kind.__module__.partition(".")[0] == "autograd_lens"
    steps = callable(getattr(kind, "step", None))
    return steps and not own and not isinstance(value, (type, torch.nn.Module))


def _references(
    optimizers: Iterable[object], entries: Iterable[Optimizer]
) -> Iterator[tuple[weakref.ref[object], Optimizer]]:
    for optimizer, entry in zip(optimizers, entries, strict=True):
        if type(optimizer).__weakrefoffset__:
            yield weakref.ref(optimizer), entry


def _held(optimizer: object) -> list[torch.Tensor]:
    """The tensors it updates; of a handwritten one, those of its attributes that require grad."""
    groups = getattr(optimizer, "param_groups", None)
    if isinstance(groups, list):
        parts = [group.get("params", ()) for group in groups if isinstance(group, dict)]
        return [tensor for part in parts for tensor in part if isinstance(tensor, torch.Tensor)]
    attributes = attributes_of(optimizer).values()
    return [tensor for value in list(attributes) for tensor in _leaves(value)]


def _leaves(value: object) -> Iterator[torch.Tensor]:
    return (item for item in _tensors(value) if item.requires_grad and item.is_leaf)


def _tensors(value: object) -> Iterator[torch.Tensor]:
    if isinstance(value, dict):
        value = list(value.values())
    for item in value[:_MAX_HELD] if isinstance(value, (list, tuple)) else (value,):
        if isinstance(item, torch.Tensor):
            yield item


def _groups(optimizer: object) -> tuple[OptimizerGroup, ...]:
    """How many tensors each parameter group holds, and its numbers."""
    groups = getattr(optimizer, "param_groups", None)
    if not isinstance(groups, list):
        return ()
    found = [(len(group["params"]), numbers_of(group), _options(group)) for group in groups]
    return tuple([OptimizerGroup(*one) for one in found])


def _first_group(optimizer: object) -> Mapping[str, object]:
    groups = getattr(optimizer, "param_groups", None)
    return groups[0] if isinstance(groups, list) and groups else {}


def _options(group: Mapping[str, Any]) -> Options:
    """What decides how an optimizer computes and is no number: ``maximize``, ``eps=(None, 1)``."""
    return {name: value for name, value in group.items() if _is_option(value)}


def _is_option(value: object) -> bool:
    if isinstance(value, tuple):
        plain = all(item is None or type(item) in {int, float} for item in value)
        return plain and None in value
    return type(value) in {bool, str}


def _numbers(optimizer: object) -> Numbers:
    return numbers_of(_first_group(optimizer) or attributes_of(optimizer))
