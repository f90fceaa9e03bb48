"""The leaves of the run: which tensors gradients are written to, and what they are called."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from autograd_lens.live.frames import UserFrames, frame_names
from autograd_lens.live.reading import DTYPE_NAMES
from autograd_lens.trace.records import Parameter

__all__ = ["ParameterRegistry", "name_tensors", "reachable"]

_MAX_DEPTH = 3
_MAX_ITEMS = 1000


class ParameterRegistry:
    """Gives every leaf an index and a name, once.

    Only weak references are kept: a parameter that the program drops dies as it would have.

    Attributes:
        references: Weak reference of each parameter by index.
        records: What each index stands for.
        version: Changes whenever an index gets a new tensor.
        roots: Modules that variables of the program name, loss modules included.
    """

    def __init__(self, frames: UserFrames, define: Callable[[int, Parameter], None]) -> None:
        self.references: list[weakref.ref[torch.Tensor]] = []
        self.records: list[Parameter] = []
        self.version = 0
        self.roots: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self._index: dict[int, int] = {}
        self._frames = frames
        self._define = define

    def index_of(self, tensor: torch.Tensor) -> int | None:
        """The index of a known parameter, None for any other tensor."""
        index = self._index.get(id(tensor))
        if index is not None and self.references[index]() is tensor:
            return index
        return None

    def alive(self) -> Iterator[tuple[int, torch.Tensor]]:
        """All parameters that still exist, with their indexes."""
        for index, reference in enumerate(self.references):
            tensor = reference()
            if tensor is not None:
                yield index, tensor

    def add_module(self, module: nn.Module, prefix: str, alias: str, step: int) -> None:
        """Register a module's parameters under the module's own names."""
        self.roots.add(module)
        for name, parameter in module.named_parameters():
            if self.index_of(parameter) is not None or is_lazy(parameter):
                continue
            long = f"{alias}.{name}" if alias else name
            # "0.weight", a name in a Sequential, would read like a number in a formula.
            short = long if name[0].isdigit() else f"{prefix}.{name}" if prefix else name
            self._add(parameter, short, tuple({long, name} - {short}), step)

    def discover(self, tensors: Iterable[torch.Tensor], frame: FrameType | None, step: int) -> None:
        """Register leaves that the graph reached, named and ordered as the program names them."""
        unknown = [t for t in tensors if self.index_of(t) is None]
        if not unknown:
            return
        if self.records and self._rebind(unknown, self._frames.innermost(frame), step):
            return
        frames = [frame_names(f) for f in self._frames.chain(frame)]
        self._add_modules_of(frames, step)
        found = name_tensors(frames)
        order = {known: place for place, known in enumerate(found)}  # as the program made them
        for tensor in sorted(unknown, key=lambda one: order.get(id(one), len(order))):
            if self.index_of(tensor) is None:
                name = found.get(id(tensor)) or f"leaf{len(self.records)}"
                self._add(tensor, name, (), step)

    def _rebind(self, unknown: list[torch.Tensor], frame: FrameType | None, step: int) -> bool:
        """Register leaves that are variables of the calling function, where all of them are.

        A program that binds a name to a new leaf in every step gives no cause to look further.
        """
        found: dict[int, str] = {}
        for name, value in frame_names(frame).items() if frame is not None else ():
            if not name.startswith("__"):
                found.setdefault(id(value), name)
        if not all(type(t) is torch.Tensor and id(t) in found for t in unknown):
            return False  # an nn.Parameter is called by its module
        order = {known: place for place, known in enumerate(found)}
        for tensor in sorted(unknown, key=lambda one: order[id(one)]):
            self._add(tensor, found[id(tensor)], (), step)
        return True

    def _add_modules_of(self, frames: list[Mapping[str, Any]], step: int) -> None:
        roots = _root_modules(frames)
        self.roots.update(roots.values())
        models = {n: m for n, m in roots.items() if next(m.parameters(), None) is not None}
        for name, module in models.items():
            self.add_module(module, name if len(models) > 1 else "", name, step)

    def _add(self, tensor: torch.Tensor, name: str, aliases: tuple[str, ...], step: int) -> None:
        index = self._slot_for(name, tensor)
        record = Parameter(
            name=self._unique(name, index),
            shape=tuple(tensor.shape),
            dtype=DTYPE_NAMES[tensor.dtype],
            device=str(tensor.device),
            aliases=tuple(a for a in aliases if a != name),
            first_step=step if index == len(self.records) else self.records[index].first_step,
        )
        reference = weakref.ref(tensor)
        if index == len(self.records):
            self.records.append(record)
            self.references.append(reference)
        else:
            self.records[index] = record
            self.references[index] = reference
        self._index[id(tensor)] = index
        self.version += 1
        self._define(index, record)

    def _slot_for(self, name: str, tensor: torch.Tensor) -> int:
        """A new index, or the old one where the program bound the name to a new tensor."""
        for index, record in enumerate(self.records):
            same = record.name == name and record.shape == tuple(tensor.shape)
            if same and record.dtype == DTYPE_NAMES[tensor.dtype]:
                return index
        return len(self.records)

    def _unique(self, name: str, index: int) -> str:
        taken = {record.name for i, record in enumerate(self.records) if i != index}
        candidate, number = name, 2
        while candidate in taken:
            candidate, number = f"{name}_{number}", number + 1
        return candidate


def _root_modules(frames: list[Mapping[str, Any]]) -> dict[str, nn.Module]:
    """Modules that variables name and that are no part of another such module."""
    named: dict[str, nn.Module] = {}
    for name, value in reachable(frames):
        if isinstance(value, nn.Module) and all(value is not m for m in named.values()):
            named[name] = value
    inner = {id(sub) for m in named.values() for sub in m.modules() if sub is not m}
    return {name: module for name, module in named.items() if id(module) not in inner}


def name_tensors(frames: list[Mapping[str, Any]]) -> dict[int, str]:
    """What the program calls the tensors it can see, by ``id``; the shortest path wins."""
    names: dict[int, str] = {}
    for name, value in reachable(frames):
        if isinstance(value, torch.Tensor):
            names.setdefault(id(value), name)
    return names


def reachable(frames: list[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Everything reachable from variables, nearest first, with the path that leads to it."""
    level = [item for names in frames for item in names.items() if not item[0].startswith("__")]
    seen: set[int] = set()
    for _ in range(_MAX_DEPTH):
        deeper: list[tuple[str, Any]] = []
        for path, value in level:
            if id(value) in seen:
                continue
            seen.add(id(value))
            yield path, value
            deeper.extend(_children(path, value))
        level = deeper


def _children(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (list, tuple)):
        for position, item in enumerate(value[:_MAX_ITEMS]):
            yield f"{path}[{position}]", item
    elif isinstance(value, dict):
        for key, item in list(value.items())[:_MAX_ITEMS]:
            yield f"{path}[{key!r}]", item
    elif not isinstance(value, (torch.Tensor, nn.Module, type)) and _is_plain_object(value):
        for key, item in list(vars(value).items()):
            yield f"{path}.{key}", item


def _is_plain_object(value: Any) -> bool:
    """An instance of a class of the program, whose attributes can be read without side effects."""
    module = type(value).__module__
    return (
        isinstance(getattr(value, "__dict__", None), dict)
        and not callable(value)
        and module.partition(".")[0] not in {"torch", "numpy", "builtins", "types", "autograd_lens"}
    )
