"""One backward at full level: the graph before it runs, and each node as it runs.

NOTE 1 [Nodes that must not be watched]: some backward formulas of torch ask whether a dispatch
mode is active, and then compute the same gradient with other kernels, as vmap needs them. For
most of these the bits are the same; for the ones in ``UNWATCHED`` the last digit is not, and
who watches must not change a number. They run with the mode taken away for their time: what
arrives and what they return is recorded, their kernels are not. The engine gives each node the
modes anew, so a node that raises leaves nothing switched off.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import (
    _get_current_dispatch_mode,
    _pop_mode,
    _push_mode,
)
from torch.utils.hooks import RemovableHandle

from autograd_lens.live import doors
from autograd_lens.live.frames import Site
from autograd_lens.live.graph_walk import (
    GraphWalk,
    SavedFields,
    read_saved,
    root_nodes,
    walk_graph,
)
from autograd_lens.live.guard import Guard
from autograd_lens.live.mode import TapeMode
from autograd_lens.live.reading import read
from autograd_lens.live.stream import NUMBER, Mark, Stream, TensorEntry

__all__ = [
    "UNWATCHED",
    "BackwardBegins",
    "BackwardCall",
    "BackwardEnds",
    "BackwardTape",
    "Flags",
    "GradWritten",
    "NodeRan",
    "SavedAs",
    "SavedList",
]

UNWATCHED = frozenset(
    {
        "CumprodBackward0",
        "LinalgDetBackward0",
        "MaskedFillBackward1",
        "ProdBackward0",
        "ProdBackward1",
    }
)
"""Nodes whose result depends on whether a dispatch mode is active (NOTE 1)."""

COMPILED = "CompiledFunctionBackward"
"""Nodes of compiled code: their backward is compiled, or run, as it would be without us."""

_HOOK_IDS = 1 << 60

Hook = Callable[..., None]
_Tensor = torch.Tensor


class Flags(NamedTuple):
    """How backward was called.

    Attributes:
        kind: ``"backward"`` or ``"grad"``.
        retain_graph: As given or defaulted.
        create_graph: As given or defaulted.
        fingerprint: Id of the graph's structure.
    """

    kind: str
    retain_graph: bool
    create_graph: bool
    fingerprint: str


@dataclass(frozen=True, slots=True)
class BackwardCall:
    """One call of backward, as the program made it.

    Attributes:
        outputs: The tensors or edges that backward is called on.
        gradients: The gradient of each that it begins with, None where there is none.
        inputs: The tensors or edges that it is restricted to; none where it is not.
        site: The line of the program that calls it.
        flags: How it is called.
        frame: The innermost frame, torch's included.
        functions: Whether its graph has nodes of custom ``autograd.Function`` classes.
        watched: Whether its nodes may be hooked.
    """

    outputs: Sequence[object]
    gradients: Sequence[object]
    inputs: Sequence[object]
    site: Site
    flags: Flags
    frame: FrameType
    functions: bool
    watched: bool


class SavedAs(Enum):
    """How a node's saved tensor is known: as one of the forward, or only by its content."""

    TENSOR = "tensor of the forward"
    COPY = "tensor of unknown origin"


class SavedList(NamedTuple):
    """Several tensors that a node saves under one name."""

    items: tuple[Hashable, ...]


class BackwardBegins(NamedTuple):
    """A backward, before the engine runs.

    Attributes:
        types: Type of each node, roots first.
        edges: (from_node, input_position, to_node, output_nr) of each edge.
        sequence: Sequence number of each node, relative to the mark's; None where it has none.
        variables: (node, index of its parameter, or name of another leaf) of each
            ``AccumulateGrad``.
        outputs: Patterns of what it was called on.
        given: Patterns of the gradients it begins with.
        inputs: Patterns of the tensors it is restricted to.
        saved: (name, pattern) of what each node saves.
        site: The line that calls it.
        flags: How it was called.
    """

    types: tuple[type, ...]
    edges: tuple[tuple[int, int, int, int], ...]
    sequence: tuple[int | None, ...]
    variables: tuple[tuple[int, int | str], ...]
    outputs: tuple[Hashable, ...]
    given: tuple[Hashable, ...]
    inputs: tuple[Hashable, ...]
    saved: tuple[tuple[tuple[str, Hashable], ...], ...]
    site: Site
    flags: Flags


class BackwardEnds(NamedTuple):
    """A backward, behind the engine.

    Attributes:
        error: ``"Type: message"`` of what it raised, else ``""``.
    """

    error: str


class NodeRan(NamedTuple):
    """A node has run: its position, and patterns of the gradients in and out."""

    node: int
    grad_outputs: tuple[Hashable, ...]
    grad_inputs: tuple[Hashable, ...]


class GradWritten(NamedTuple):
    """A ``.grad`` was written.

    Attributes:
        node: Position of the ``AccumulateGrad``.
        parameter: Index of its parameter, None for another leaf.
        old: Pattern of the ``.grad`` before.
        incoming: Pattern of the gradient that arrived.
        new: Pattern of the ``.grad`` behind it.
        after_slot: How many slots behind the event's first the new value stands; the kernels
            that accumulate stand in between.
        after_use: The same for uses.
    """

    node: int
    parameter: int | None
    old: Hashable
    incoming: Hashable
    new: Hashable
    after_slot: int
    after_use: int


class BackwardTape:
    """Hooks every node of one graph for the time of one backward.

    A node's post-hook sees both its ``grad_outputs`` and its ``grad_inputs``, so one hook a
    node is enough; only ``AccumulateGrad`` needs a pre-hook too, because its post-hook sees
    ``.grad`` already written.

    Args:
        stream: Where events go.
        mode: The dispatch mode.
        saved: What each type of node saves.
        leaf_of: The index of a parameter, the name of any other leaf.
        on_failure: Called with what goes wrong in here, which must not reach the program.
    """

    def __init__(
        self,
        stream: Stream,
        mode: TapeMode,
        saved: SavedFields,
        leaf_of: Callable[[torch.Tensor], int | str],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._stream = stream
        self._mode = mode
        self._saved = saved
        self._leaf_of = leaf_of
        self._guard = Guard(on_failure)
        self._handles: list[Any] = []
        self._begun: dict[int, Callable[[], None]] = {}  # ends a write that an error left
        self._memory: dict[int, TensorEntry] = {}  # saved tensors of the forward by address

    def begin_lean(self, call: BackwardCall) -> None:
        """Write no more to the stream than what backward was given."""
        stream = self._stream
        mark = Mark(len(stream.slots), len(stream.uses), self._mode.base_sequence)
        outputs = tuple([_tensor_pattern(stream, one) for one in call.outputs])
        given = tuple([stream.pattern(gradient) for gradient in call.gradients])
        inputs = tuple([_tensor_pattern(stream, one) for one in call.inputs])
        stream.keys.append(
            BackwardBegins((), (), (), (), outputs, given, inputs, (), call.site, call.flags)
        )
        stream.marks.append(mark)

    def begin(self, call: BackwardCall) -> GraphWalk:
        """Write the graph and what backward was given to the stream, and hook the nodes."""
        walk = walk_graph(root_nodes(call.outputs))
        stream = self._stream
        first_slot = len(stream.slots)
        first_use = len(stream.uses)
        outputs_pattern = tuple([_tensor_pattern(stream, one) for one in call.outputs])
        given = tuple([stream.pattern(gradient) for gradient in call.gradients])
        named = tuple([_tensor_pattern(stream, one) for one in call.inputs])
        for variable in walk.variables.values():
            stream.meet(variable)
        self._memory = {}
        saved = tuple([self._saved_pattern(node) for node in walk.nodes])
        base = self._mode.base_sequence
        stream.keys.append(
            BackwardBegins(
                types=tuple([type(node) for node in walk.nodes]),
                edges=walk.edges,
                # Relative to this one, so that the key repeats from step to step.
                sequence=tuple([s - base if s >= 0 else None for s in walk.sequence]),
                variables=tuple([(p, self._leaf_of(v)) for p, v in walk.variables.items()]),
                outputs=outputs_pattern,
                given=given,
                inputs=named,
                saved=saved,
                site=call.site,
                flags=call.flags,
            )
        )
        stream.marks.append(Mark(first_slot, first_use, base))
        for entry in stream.entries.values():
            tensor = entry.reference()
            entry.retains = tensor is not None and tensor.retains_grad
        self._hook_nodes(walk)
        self._mode.node_index = walk.index
        self._mode.in_backward = True
        stream.saved = self._memory
        return walk

    def end(self, error: str) -> None:
        """Remove all hooks and close the backward in the stream.

        Args:
            error: What the engine raised, else ``""``.
        """
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        for leave in list(self._begun.values()):
            leave()
        self._mode.end_backward()
        stream = self._stream
        stream.saved = None
        stream.keys.append(BackwardEnds(error))
        stream.marks.append(Mark(len(stream.slots), len(stream.uses)))

    def _saved_pattern(self, node: object) -> tuple[tuple[str, Hashable], ...]:
        stream = self._stream
        found = []
        for field in self._saved.of(node):
            held = read_saved(node, field, self._saved_tensor)
            if field.tensor and isinstance(held, tuple):
                held = SavedList(held)
            elif not field.tensor and held.__class__ is float:
                stream.slots.append(held)
                held = NUMBER
            elif not field.tensor and held.__class__ not in _HASHABLE:
                held = stream.pattern(held)
            found.append((field.name, held))
        return tuple(found)

    def _saved_tensor(self, tensor: torch.Tensor) -> Hashable:
        """Note a saved tensor as a use of the tensor that the forward made, where known.

        A node keeps its inputs as they are, but of its outputs only the memory, so an output
        is recognised by its address, and only while the tensor there is alive.
        """
        stream = self._stream
        entry = stream.entries.get(id(tensor))
        if entry is None or entry.reference() is not tensor:
            entry = None
            if tensor.layout is torch.strided and not tensor.is_meta:
                entry = stream.by_address.get(tensor.data_ptr())
        if entry is None or entry.reference() is None or entry.spec[1] != tensor.shape:
            stream.use(tensor)
            return SavedAs.COPY
        if entry.plain:
            self._memory[tensor.data_ptr()] = entry
        stream.use_alias(entry, tensor)
        return SavedAs.TENSOR

    def _hook_nodes(self, walk: GraphWalk) -> None:
        # Hooks of ours get numbers of their own: the program may look at those of its hooks.
        following, RemovableHandle.next_id = RemovableHandle.next_id, _HOOK_IDS
        try:
            self._hook_each(walk)
        finally:
            RemovableHandle.next_id = following

    def _hook_each(self, walk: GraphWalk) -> None:
        handles = self._handles
        for position, node in enumerate(walk.nodes):
            variable = walk.variables.get(position)
            if variable is None:
                name = type(node).__name__
                if name in UNWATCHED or name == COMPILED:
                    handles += self._unwatch(node)
                handles.append(node.register_hook(self._node_hook(position)))
            else:
                before, after = self._accumulate_hooks(position, variable)
                handles.append(node.register_prehook(before))
                handles.append(node.register_hook(after))

    def _node_hook(self, position: int) -> Hook:
        stream = self._stream
        use, pattern = stream.use, stream.pattern

        def ran(grad_inputs: Any, grad_outputs: Any) -> None:
            with self._guard:
                first_slot = len(stream.slots)
                first_use = len(stream.uses)
                arrived = tuple(
                    [use(g) if g.__class__ is _Tensor else pattern(g) for g in grad_outputs]
                )
                computed = tuple(
                    [use(g) if g.__class__ is _Tensor else pattern(g) for g in grad_inputs]
                )
                stream.keys.append(NodeRan(position, arrived, computed))
                stream.marks.append(Mark(first_slot, first_use))

        return ran

    def _unwatch(self, node: Any) -> list[Any]:
        """Take the mode away while a node computes (NOTE 1)."""
        mode, taken = self._mode, [False]

        def before(_grad_outputs: Any) -> None:
            # Where the program has modes of its own, torch takes the other way without us.
            taken[0] = doors.dispatch_modes() == 1 and _get_current_dispatch_mode() is mode
            if taken[0]:
                _pop_mode()

        def after(_grad_inputs: Any, _grad_outputs: Any) -> None:
            if taken[0]:
                _push_mode(mode)
                taken[0] = False

        return [node.register_prehook(before), node.register_hook(after)]

    def _as_stolen(self, grad: torch.Tensor) -> None:
        """Mark a new sparse ``.grad`` as torch does where nobody looks at the incoming one.

        It then takes that one's parts for a new tensor, which does not know that it is
        coalesced. Hooks hold the incoming one, so that it is cloned instead.
        """
        with self._mode.silence():
            coalesced, version = grad.is_coalesced(), grad._version
            if coalesced:
                grad._coalesced_(False)
        if coalesced:
            doors.set_version((grad,), (version,))

    def _accumulate_hooks(self, position: int, variable: torch.Tensor) -> tuple[Hook, Hook]:
        stream = self._stream
        leaf = self._leaf_of(variable)
        parameter = leaf if isinstance(leaf, int) else None
        pending: list[tuple[int, int, Hashable, Hashable]] = []

        def left() -> None:
            """A hook of the program raised: behind the write, or where nothing changed, before."""
            slot, _, old, _ = pending[-1]
            was = stream.slots[slot] if old is not None else None
            now = None if variable.grad is None else read(variable.grad, variable.grad.nbytes)
            if was == now:
                pending.clear()
            else:
                after((), ())

        def before(grad_outputs: Any) -> None:
            with self._guard:
                first_slot = len(stream.slots)
                first_use = len(stream.uses)
                old = stream.pattern(variable.grad)
                pending.append((first_slot, first_use, old, stream.pattern(grad_outputs[0])))
                self._begun[position] = left

        def after(_grad_inputs: Any, _grad_outputs: Any) -> None:
            with self._guard:
                first_slot, first_use, old, incoming = pending.pop()
                self._begun.pop(position, None)
                if old is None and variable.grad is not None and variable.grad.is_sparse:
                    self._as_stolen(variable.grad)
                after = len(stream.slots) - first_slot, len(stream.uses) - first_use
                new = stream.pattern(variable.grad)
                key = GradWritten(position, parameter, old, incoming, new, *after)
                stream.keys.append(key)
                stream.marks.append(Mark(first_slot, first_use))

        return before, after


def _tensor_pattern(stream: Stream, one: object) -> Hashable:
    """The pattern of a tensor; a ``GradientEdge`` has no value of its own."""
    return stream.pattern(one) if isinstance(one, torch.Tensor) else None


_HASHABLE = frozenset({int, bool, type(None), str})
