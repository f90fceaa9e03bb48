"""What is recorded of every backward: loss, parameters, and ``.grad`` before and after.

This code runs twice in each step of the program, so it is written for speed: a linear
regression's step takes about 60 microseconds, and this may add a fifth of that.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import xxhash

from autograd_lens.capture.last_values import LastValue
from autograd_lens.live.frames import Site
from autograd_lens.live.reading import (
    DTYPE_NAMES,
    SMALL,
    RawValue,
    is_opaque,
    is_plain,
    read,
)
from autograd_lens.trace.records import Source
from autograd_lens.trace.rows import LightGraph
from autograd_lens.trace.values import summarize

__all__ = [
    "Flags",
    "GraphBook",
    "GraphKey",
    "Outline",
    "ParameterReader",
    "fingerprint",
    "root_specs",
]

_Tensor = torch.Tensor
Reference = weakref.ref[torch.Tensor]
Flags = tuple[str, bool, bool]
# Site, flags, type of the root and number of new nodes, flat: it is hashed at every backward.
Outline = tuple[int, int, str, bool, bool, type, int]

_FUNCTION = torch.autograd.function.BackwardCFunction
_SHARES = 4  # times the limit, beyond which rows hold digests (NOTE 4)
_WALKS = 16
_WALK_EVERY = 32
_MAX_CHANGES = 4


class ParameterReader:
    """Reads all parameters and their ``.grad`` again and again.

    NOTE 1 [Memory that is read without asking twice]: a parameter keeps its memory for the
    whole run, and ``.grad`` often does. Where the address is the one of last time and the
    tensor is contiguous, the bytes are read through a ctypes view made then, which costs a
    third of asking the tensor for everything; of a large one the view is summed up. It owns nothing
    and is only used while a living tensor says that the address is its own.

    NOTE 3 [Another in its place]: a parameter to which the program gives another dtype or shape
    (``model.half()``) is another one from then on, as a row holds values of one kind alone.

    NOTE 4 [A share of each row]: where the parameters that a row would hold whole, small ones
    apart, take more than a few times the limit together, it holds digests of them, as of larger
    ones: a keyframe and the updates behind it give their values.

    Args:
        limit: See the attribute.
        parted: Takes a parameter of NOTE 3; returns what refers to the one that it was.

    Attributes:
        died: How many of the parameters no longer existed at the last reading.
        limit: Bytes of one value that is kept whole.
    """

    def __init__(self, limit: int, parted: Callable[[torch.Tensor], Reference]) -> None:
        self.died = 0
        self._parted = parted
        self.limit = limit
        self._slots: list[_Slot] = []

    def follow(self, references: Sequence[Reference]) -> None:
        """Read these parameters from now on, in this order.

        Args:
            references: A weak reference to each.
        """
        known = {id(slot.reference): slot for slot in self._slots}
        sizes = [_size(one) for one in references]
        if sum(size for size in sizes if size > SMALL) > _SHARES * self.limit:  # NOTE 4
            self.limit = min(self.limit, SMALL)
        self._slots = [known.get(id(one)) or _Slot(one, self.limit) for one in references]

    def before(self) -> tuple[tuple[RawValue, ...], tuple[RawValue, ...]]:
        """The value and the ``.grad`` of every parameter now."""
        values: list[RawValue] = []
        grads: list[RawValue] = []
        died = 0
        for slot in self._slots:
            parameter = slot.reference()
            if parameter is None:
                values.append(None)
                grads.append(None)
                died += 1
                continue
            if slot.opaque:
                values.append(None)
                grads.append(None)
                continue
            try:
                known = parameter.data_ptr() == slot.address and parameter.is_contiguous()
            except RuntimeError:  # it has no memory of its own
                known = False
            if not known and (parameter.dtype, parameter.shape) != slot.spec:  # NOTE 3
                slot.reference = self._parted(parameter)
                values.append(None)
                grads.append(None)
                died += 1
                continue
            values.append(slot.memory.raw if known else self._value(slot, parameter))
            grads.append(self._grad(slot, parameter.grad))
        self.died = died
        return tuple(values), tuple(grads)

    def after(self) -> tuple[RawValue, ...]:
        """The ``.grad`` of every parameter now."""
        grads: list[RawValue] = []
        for slot in self._slots:
            parameter = slot.reference()
            known = parameter is not None and not slot.opaque
            grads.append(self._grad(slot, parameter.grad) if known else None)  # type: ignore[union-attr]
        return tuple(grads)

    def last(self) -> tuple[tuple[RawValue, ...], tuple[RawValue, ...], list[int]]:
        """Values and ``.grad`` when the recording ends, and which parameters ended before.

        Of those the value is the one they had then.
        """
        values, grads = self.before()
        ends = [slot.end if slot.reference() is None else None for slot in self._slots]
        gone = [index for index, slot in enumerate(self._slots) if slot.reference() is None]
        self._slots = []
        kept = [
            value if end is None else end.value for value, end in zip(values, ends, strict=True)
        ]
        return tuple(kept), grads, gone

    def _value(self, slot: _Slot, parameter: torch.Tensor) -> RawValue:
        if slot.end is not None:
            slot.end.moved(parameter)
        if (memory := self._memory_of(parameter)) is not None:
            slot.address, slot.memory = parameter.data_ptr(), memory
            return memory.raw
        return read(parameter, self.limit, brief=True)

    def _grad(self, slot: _Slot, grad: torch.Tensor | None) -> RawValue:
        if grad is None or (grad.__class__ is not _Tensor and is_opaque(grad)):
            return None
        try:
            if grad.data_ptr() == slot.grad_address and grad.is_contiguous():
                return slot.grad_memory.raw
        except RuntimeError:  # it has no memory of its own, as a sparse one
            return read(grad, self.limit, brief=True)
        if (memory := self._memory_of(grad)) is not None:
            slot.grad_address, slot.grad_memory = grad.data_ptr(), memory
            return memory.raw
        return read(grad, self.limit, brief=True)

    def _memory_of(self, tensor: torch.Tensor) -> _Memory | None:
        """What gives a tensor's value from its address on; None where it is asked each time."""
        if not is_plain(tensor):
            return None
        if tensor.nbytes > self.limit:
            return _Large(tensor)
        return _memory(tensor) if tensor.nbytes <= SMALL else None


def _size(reference: Reference) -> int:
    """Bytes of a parameter's elements, 0 where it is gone or its class answers for it."""
    parameter = reference()
    if parameter is None or is_opaque(parameter) or parameter.layout is not torch.strided:
        return 0
    return parameter.nbytes


class _Large:
    """The memory of a large tensor, of which a summary is kept."""

    __slots__ = ("_array", "_dtype")

    def __init__(self, tensor: torch.Tensor) -> None:
        memory: Any = _memory(tensor)
        self._array = np.ndarray((tensor.nbytes,), np.dtype(np.uint8), memory)
        self._dtype = DTYPE_NAMES[tensor.dtype]

    @property
    def raw(self) -> RawValue:
        """What is there now."""
        return summarize(self._array, self._dtype, brief=True)


_Memory = ctypes.Array[ctypes.c_char] | _Large


class _Slot:
    """Where one parameter and its ``.grad`` were last seen."""

    __slots__ = (
        "address",
        "end",
        "grad_address",
        "grad_memory",
        "memory",
        "opaque",
        "reference",
        "spec",
    )

    def __init__(self, reference: Reference, limit: int) -> None:
        self.reference = reference
        parameter = reference()
        self.end = None if parameter is None else LastValue(parameter, limit)
        self.opaque = parameter is not None and is_opaque(parameter)
        plain = parameter is not None and not self.opaque
        self.spec = (parameter.dtype, parameter.shape) if plain else None  # type: ignore[union-attr]
        self.address = self.grad_address = -1
        self.memory: _Memory = ctypes.create_string_buffer(0)
        self.grad_memory: _Memory = self.memory


def _memory(tensor: torch.Tensor) -> ctypes.Array[ctypes.c_char]:
    return (ctypes.c_char * tensor.nbytes).from_address(tensor.data_ptr())


class GraphKey(NamedTuple):
    """What makes two backwards the same one.

    Attributes:
        site: The line that calls backward.
        types: Types of all nodes in depth-first order.
        reached: Indexes of the parameters the graph ends in, ascending.
        roots: dtype and shape of the tensors it starts from.
        flags: (kind, retain_graph, create_graph).
        error: What the backward raised, else ``""``.
    """

    site: Site
    types: tuple[type, ...]
    reached: tuple[int, ...]
    roots: tuple[tuple[torch.dtype, torch.Size], ...]
    flags: Flags
    error: str = ""


@dataclass(slots=True)
class _Recalled:
    """A graph that was walked before, and how often its outline has been met."""

    graph: int
    met: int = 0
    changes: int = 0


class GraphBook:
    """Gives each distinct backward (its graph, its line, its flags) an id in the trace.

    NOTE 2 [Not walking every graph]: walking a graph from Python costs most of a microsecond
    a node, as each node gets a Python object. The *outline* of a graph costs nothing: the
    line that calls backward, the type of the root, and how many nodes were made since the
    last backward. The graph is walked the first 16 times that an outline is met and every
    32nd time after that; an outline that has stood for two different graphs is walked
    every time from then on. So a rare second structure with exactly as many nodes may go
    unnoticed for a few steps; replay, which compares bit for bit, would tell. A graph that
    ends in new leaves, which would be taken for the old ones, is walked too: where leaves
    changed often under this outline, or where a ``.grad`` that should have changed did not.

    Attributes:
        recalled: Whether the last graph was recalled by its outline.
        fingerprints: Fingerprint of the graph by id.
    """

    def __init__(
        self,
        define: Callable[[LightGraph], int],
        source_of: Callable[[tuple[int, int]], Source],
    ) -> None:
        self.fingerprints: dict[int, str] = {}
        self._define = define
        self._source_of = source_of
        self._keys: dict[int, GraphKey] = {}
        self._ids: dict[GraphKey, int] = {}
        self.recalled = False
        self._recalled: dict[Outline, _Recalled] = {}
        self._ambiguous: set[Outline] = set()

    def recall(self, outline: Outline) -> int | None:
        """The id of the graph, None where it has to be walked."""
        self.recalled = False
        found = self._recalled.get(outline)
        if found is None:
            return None
        found.met += 1
        if found.met > _WALKS and found.met % _WALK_EVERY:
            self.recalled = True
            return found.graph
        return None

    def distrust(self, outline: Outline) -> None:
        """The leaves changed: walk this outline again, and every time where they keep changing."""
        known = self._recalled.get(outline)
        if known is not None:
            known.met = 0
            known.changes += 1
            if known.changes > _MAX_CHANGES:
                del self._recalled[outline]
                self._ambiguous.add(outline)

    def doubtful(self, graph: int, before: Sequence[RawValue], after: Sequence[RawValue]) -> bool:
        """Whether some ``.grad`` that this graph writes is as it was before."""
        for index in self._keys[graph].reached:  # noqa: SIM110  any() would take three times as long
            if before[index] == after[index]:
                return True
        return False

    def learn(self, outline: Outline | None, key: GraphKey) -> int:
        """The id of a graph that was walked."""
        graph = self._id_of(key)
        if outline is not None and outline not in self._ambiguous:
            known = self._recalled.setdefault(outline, _Recalled(graph))
            if known.graph != graph:
                del self._recalled[outline]
                self._ambiguous.add(outline)
        return graph

    def failed(self, graph: int, roots: Sequence[object], error: str) -> int:
        """The id of a backward through ``graph`` that raised ``error``."""
        key = self._keys[graph]
        return self._id_of(key._replace(roots=root_specs(roots), error=error))

    def has_functions(self, graph: int) -> bool:
        """Whether it has nodes of custom ``autograd.Function`` classes."""
        return any(issubclass(kind, _FUNCTION) for kind in self._keys[graph].types)

    def key_of(self, graph: int) -> GraphKey:
        """What makes this graph the one it is."""
        return self._keys[graph]

    def _id_of(self, key: GraphKey) -> int:
        known = self._ids.get(key)
        if known is None:
            source = self._source_of(key.site) if key.site is not None else None
            description = _describe(source, key)
            known = self._ids[key] = self._define(description)
            self._keys[known] = key
            self.fingerprints[known] = description.fingerprint
        return known


def root_specs(roots: Sequence[object]) -> tuple[tuple[torch.dtype, torch.Size], ...]:
    """The dtype and shape of the tensors that a backward starts from."""
    return tuple([(r.dtype, r.shape) for r in roots if isinstance(r, torch.Tensor)])


def _describe(source: Source | None, key: GraphKey) -> LightGraph:
    kind, retain_graph, create_graph = key.flags
    scalar = [i for i, (_, shape) in enumerate(key.roots) if shape.numel() == 1]
    return LightGraph(
        kind="grad" if kind == "grad" else "backward",
        source=source,
        fingerprint=fingerprint(key.types, key.reached),
        nodes=len(key.types),
        roots=tuple((DTYPE_NAMES[dtype], tuple(shape)) for dtype, shape in key.roots),
        retain_graph=retain_graph,
        create_graph=create_graph,
        reached=key.reached,
        loss=scalar[0] if scalar else None,
        error=key.error,
    )


def fingerprint(types: Sequence[type], reached: Sequence[int | None]) -> str:
    """A short id of a graph's structure: its nodes in depth-first order, and its leaves."""
    text = ",".join([kind.__name__ for kind in types]) + f"|{list(reached)}"
    return xxhash.xxh3_64_hexdigest(text.encode())
