"""The leaves of the run: which tensors gradients are written to, and what tensors are called.

NOTE 1 [Identity is the object]: a parameter is one tensor object. A model that is built anew
under the same name has other parameters, and layers that a program calls alike are each their
own; their names are told apart by a number (``weight``, ``weight (2)``). One object follows
another as the same parameter only where the program makes it of the other one, as an update
that is written ``w = w - rate * w.grad`` does. A leaf that a loop makes anew in every turn, to
ask for the gradient of an input, is none (see ``bindings``).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import FrameType, GetSetDescriptorType
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from autograd_lens.capture.bindings import is_carried, is_made_anew
from autograd_lens.live.frames import UserFrames, frame_names
from autograd_lens.live.reading import DTYPE_NAMES, is_opaque
from autograd_lens.live.stream import TensorEntry
from autograd_lens.trace.records import Parameter
from autograd_lens.trace.schema import LONGEST_NAME

__all__ = ["ParameterRegistry", "attributes_of", "name_entries", "name_tensors", "reachable"]

_PROXIES = frozenset({weakref.ProxyType, weakref.CallableProxyType})
_PLAIN_KEYS = frozenset({str, int, float, bool, bytes, tuple, type(None)})
_MAX_DEPTH = 3
_MAX_ITEMS = 1000
_LONGEST = LONGEST_NAME - 20  # a number may have to be added


class ParameterRegistry:
    """Gives every leaf an index and a name, once.

    Only weak references are kept: a parameter that the program drops dies as it would have.

    Attributes:
        references: Weak reference of each parameter by index.
        records: What each index stands for.
        version: Changes whenever an index gets a new tensor.
        roots: Modules that variables of the program name, loss modules included.
        unsettled: Indexes of parameters that were found since ``seen_in`` was called.
        shared: Name of a parameter -> name of an earlier one on the same memory.
    """

    def __init__(self, frames: UserFrames, define: Callable[[int, Parameter], None]) -> None:
        self.references: list[weakref.ref[torch.Tensor]] = []
        self.records: list[Parameter] = []
        self.version = 0
        self.roots: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self._prefixes: weakref.WeakKeyDictionary[nn.Module, tuple[str, str]] = (
            weakref.WeakKeyDictionary()
        )
        self._index: dict[int, int] = {}
        # The last parameter of a name of the program's, which need not be unique, and spec.
        self._called: dict[tuple[str, tuple[int, ...], torch.dtype], int] = {}
        self._names: set[str] = set()
        self._at_address: dict[int, int] = {}
        self.shared: dict[str, str] = {}
        self.unsettled: list[int] = []
        self._inputs: dict[int, tuple[weakref.ref[torch.Tensor], str]] = {}
        self._base = (0, 0)
        self._chain: list[FrameType] = []  # while leaves are looked for
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
        self._prefixes[module] = (prefix, alias)
        for name, parameter in module.named_parameters():
            if self.index_of(parameter) is not None or is_lazy(parameter):
                continue
            short, long = _names_in(name, prefix, alias)
            self._add(parameter, short, tuple({long, name} - {short}), step)

    def buffers(self) -> Iterator[tuple[torch.Tensor, str]]:
        """The buffers of all modules, each with its name, as their parameters are named."""
        for module, names in list(self._prefixes.items()):
            for name, buffer in module.named_buffers():
                yield buffer, _names_in(name, *names)[0]

    def discover(self, tensors: Iterable[torch.Tensor], frame: FrameType | None, step: int) -> None:
        """Register leaves that the graph reached, named and ordered as the program names them."""
        unknown = [t for t in tensors if self.index_of(t) is None and not self.input_name(t)]
        if not unknown:
            return
        chain = list(self._frames.chain(frame))
        self._chain = self._since_start(chain)
        try:
            if self.records and self._rebind(unknown, step):
                return
            frames = [frame_names(f) for f in chain]
            self._add_modules_of(frames, step)
            found = name_tensors(frames)
            order = {known: place for place, known in enumerate(found)}  # as the program made them
            for tensor in sorted(unknown, key=lambda one: order.get(id(one), len(order))):
                if self.index_of(tensor) is None and not self._note_input(tensor):
                    name = found.get(id(tensor)) or f"leaf{len(self.records)}"
                    self._add(tensor, name, (), step)
        finally:
            self._chain = []

    def _rebind(self, unknown: list[torch.Tensor], step: int) -> bool:
        """Register leaves that are variables of the calling function, where all of them are.

        A program that binds a name to a new leaf in every step gives no cause to look further.
        """
        found: dict[int, str] = {}
        for name, value in frame_names(self._chain[0]).items() if self._chain else ():
            if not name.startswith("__"):
                found.setdefault(id(value), name)
        if not all(type(t) is torch.Tensor and id(t) in found for t in unknown):
            return False  # an nn.Parameter is called by its module
        order = {known: place for place, known in enumerate(found)}
        for tensor in sorted(unknown, key=lambda one: order[id(one)]):
            if not self._note_input(tensor):
                self._add(tensor, found[id(tensor)], (), step)
        return True

    def start(self, frame: FrameType | None) -> None:
        """The recording begins in this frame; loops that run by now are not the program's."""
        self._base = (0, 0) if frame is None else (id(frame), frame.f_lineno)

    def _since_start(self, chain: Iterable[FrameType]) -> list[FrameType]:
        """The frames that the recording has seen to begin, and the one that it began in."""
        found: list[FrameType] = []
        for frame in chain:
            found.append(frame)
            if id(frame) == self._base[0]:
                break
        return found

    def input_name(self, tensor: torch.Tensor) -> str:
        """What the program calls a leaf that it makes anew in each turn; empty for any other."""
        known = self._inputs.get(id(tensor))
        return known[1] if known is not None and known[0]() is tensor else ""

    def leaf(self, tensor: torch.Tensor) -> int | str:
        """The index of a parameter, the name of any other leaf."""
        index = self.index_of(tensor)
        return self.input_name(tensor) if index is None else index

    def _note_input(self, tensor: torch.Tensor) -> bool:
        """Whether a leaf is made anew in each turn of a loop (NOTE 1)."""
        if type(tensor) is not torch.Tensor:
            return False
        for place in reversed(range(len(self._chain))):
            names = _locals_of(self._chain[place])
            name = next((n for n, value in names.items() if value is tensor), None)
            if name is not None:
                if is_made_anew(name, self._chain, place, self._base):
                    alive = {k: one for k, one in self._inputs.items() if one[0]() is not None}
                    self._inputs = alive | {id(tensor): (weakref.ref(tensor), name)}
                    return True
                return False
        return False

    def _add_modules_of(self, frames: list[Mapping[str, object]], step: int) -> None:
        roots = _root_modules(frames)
        self.roots.update(roots.values())
        models = {n: m for n, m in roots.items() if next(m.parameters(), None) is not None}
        for name, module in models.items():
            self.add_module(module, name if len(models) > 1 else "", name, step)

    def _add(self, tensor: torch.Tensor, name: str, aliases: tuple[str, ...], step: int) -> None:
        name, aliases = name[:_LONGEST], tuple([one[:_LONGEST] for one in aliases])
        index = self._slot_for(name, aliases, tensor)
        new = index == len(self.records)
        record = Parameter(
            name=self._unique(name) if new else self.records[index].name,
            shape=tuple(tensor.shape),
            dtype=DTYPE_NAMES[tensor.dtype],
            device=str(tensor.device),
            aliases=tuple(a for a in aliases if a != name),
            first_step=step if new else self.records[index].first_step,
        )
        reference = weakref.ref(tensor)
        if new:
            self.records.append(record)
            self.references.append(reference)
            self._names.add(record.name)
            self._called[name, record.shape, tensor.dtype] = index
        else:
            self.records[index] = record
            self.references[index] = reference
        self._index[id(tensor)] = index
        self.version += 1
        self._define(index, record)
        self.unsettled.append(index)
        self._note_shared_memory(index, tensor)

    def part(self, tensor: torch.Tensor) -> weakref.ref[torch.Tensor]:
        """Take a known parameter for another one from now on: the known one is gone.

        Returns:
            What now refers to the known one.
        """
        index = self._index.pop(id(tensor))
        self.references[index] = weakref.ref(torch.Tensor())
        return self.references[index]

    def seen_in(self, step: int) -> None:
        """What was found since the last call was first seen in this step."""
        for index in self.unsettled:
            record = self.records[index]
            if record.first_step == max(step - 1, 0) != step:
                self.records[index] = replace(record, first_step=step)
                self._define(index, self.records[index])
        self.unsettled.clear()

    def _note_shared_memory(self, index: int, tensor: torch.Tensor) -> None:
        """Note which parameter stands on the memory of another one."""
        address = _address(tensor)
        if not address:
            return
        other = self._at_address.setdefault(address, index)
        known = self.references[other]()
        if other == index or known is None or _address(known) != address:
            self._at_address[address] = index
        elif known.shape == tensor.shape:
            self.shared[self.records[index].name] = self.records[other].name

    def _slot_for(self, name: str, aliases: tuple[str, ...], tensor: torch.Tensor) -> int:
        """A new index, or that of the tensor that this one was made of, under the same name."""
        index = self._called.get((name, tuple(tensor.shape), tensor.dtype))
        if index is None or not any(is_carried(one, self._chain) for one in (name, *aliases)):
            return len(self.records)
        return index

    def _unique(self, name: str) -> str:
        candidate, number = name, 2
        while candidate in self._names:
            candidate, number = f"{name} ({number})", number + 1
        return candidate


def _names_in(name: str, prefix: str, alias: str) -> tuple[str, str]:
    """What a module's tensor is called, and its name with that of the module's variable."""
    long = f"{alias}.{name}" if alias else name
    # "0.weight", a name in a Sequential, would read like a number in a formula.
    return long if name[0].isdigit() else f"{prefix}.{name}" if prefix else name, long


def _address(tensor: torch.Tensor) -> int:
    """Where a parameter's memory is; 0 where it has none that could be shared."""
    if is_opaque(tensor) or tensor.layout is not torch.strided or not tensor.nbytes:
        return 0
    return tensor.data_ptr()


def _root_modules(frames: list[Mapping[str, object]]) -> dict[str, nn.Module]:
    """Modules that variables name and that are no part of another such module."""
    named: dict[str, nn.Module] = {}
    for name, value in reachable(frames):
        if isinstance(value, nn.Module) and all(value is not m for m in named.values()):
            named[name] = value
    inner = {id(sub) for m in named.values() for sub in m.modules() if sub is not m}
    return {name: module for name, module in named.items() if id(module) not in inner}


def name_entries(
    entries: Iterable[TensorEntry],
    registry: ParameterRegistry,
    frames: list[Mapping[str, object]],
    states: Iterable[tuple[torch.Tensor, torch.Tensor, str]],
) -> None:
    """Give names and roles to all entries whose tensor can be found somewhere.

    Args:
        entries: The entries.
        registry: The parameters.
        frames: What the program's frames can see, innermost first.
        states: (parameter, state tensor, name of the state) of known optimizers.
    """
    parameters = {id(t): registry.records[i].name for i, t in registry.alive()}
    state_names = {
        id(state): f"{parameters.get(id(parameter), 'parameter')}.{name}"
        for parameter, state, name in states
    }
    buffers = {id(buffer): name for buffer, name in registry.buffers()}
    variables = name_tensors(frames) | buffers
    for entry in entries:
        tensor = entry.reference()
        if tensor is None or entry.name:
            continue
        key = id(tensor)
        if key in parameters:
            entry.role, entry.name = "parameter", parameters[key]
        elif key in state_names:
            entry.role, entry.name = "state", state_names[key]
        elif key in variables:
            entry.name = variables[key]


def name_tensors(frames: list[Mapping[str, object]]) -> dict[int, str]:
    """What the program calls the tensors it can see, by ``id``; the shortest path wins."""
    names: dict[int, str] = {}
    for name, value in reachable(frames):
        if isinstance(value, torch.Tensor):
            names.setdefault(id(value), name)
    return names


def reachable(frames: list[Mapping[str, object]]) -> Iterator[tuple[str, object]]:
    """Everything reachable from variables, nearest first, with the path that leads to it.

    NOTE 2 [Looking without touching]: an object of the program may answer to anything with code
    of its own. So it is asked nothing: what it holds is read past its class, and a weak proxy
    is followed to what it stands for, which can be referred to weakly while it cannot.
    """
    level = [item for names in frames for item in names.items() if not item[0].startswith("__")]
    seen: set[int] = set()
    for _ in range(_MAX_DEPTH):
        deeper: list[tuple[str, object]] = []
        for path, found in level:
            value = _behind_proxy(found)
            if id(value) in seen:
                continue
            seen.add(id(value))
            yield path, value
            deeper.extend(_children(path, value))
        level = deeper


def _behind_proxy(value: Any) -> Any:
    if type(value) not in _PROXIES:
        return value
    try:
        return value.__init__.__self__  # the only way there
    except (ReferenceError, AttributeError):
        return None


def _children(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    kind = type(value)
    if issubclass(kind, (list, tuple)):
        base: Any = list if issubclass(kind, list) else tuple
        for position, item in enumerate(base.__getitem__(value, slice(_MAX_ITEMS))):
            yield f"{path}[{position}]", item
    elif issubclass(kind, dict):
        for key, item in list(dict.items(value))[:_MAX_ITEMS]:
            if type(key) in _PLAIN_KEYS:
                yield f"{path}[{key!r}]", item
    elif not issubclass(kind, (torch.Tensor, nn.Module, type)) and _is_plain_object(kind):
        for key, item in list(attributes_of(value).items()):
            yield f"{path}.{key}", item


def attributes_of(value: object) -> dict[str, object]:
    """The instance's own attributes, without running code of its class."""
    for kind in type(value).__mro__:
        found = kind.__dict__.get("__dict__")
        if type(found) is GetSetDescriptorType:
            held: dict[str, object] = found.__get__(value)
            return held
        if found is not None:
            break  # the class answers itself
    return {}


def _is_plain_object(kind: type) -> bool:
    """Whether instances of a class of the program may be looked into."""
    module: object = kind.__module__  # whatever the class says it is
    foreign = {"torch", "numpy", "builtins", "types", "autograd_lens"}
    calls = any("__call__" in one.__dict__ for one in kind.__mro__)
    return not calls and isinstance(module, str) and module.partition(".")[0] not in foreign


def _locals_of(frame: FrameType) -> dict[str, object]:
    """The variables of a frame itself; nothing is kept alive by asking (see ``frame_names``)."""
    here = frame_names(frame)
    own = {*frame.f_code.co_varnames, *frame.f_code.co_cellvars}
    module = frame.f_code.co_name == "<module>"
    return {n: v for n, v in here.items() if module or n in own}
