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
from typing import Any

import torch
from torch._C import _len_torch_dispatch_stack
from torch.utils._python_dispatch import (
    _get_current_dispatch_mode,
    _pop_mode,
    _push_mode,
)
from torch.utils.hooks import RemovableHandle

from autograd_lens.live.frames import Site
from autograd_lens.live.graph_walk import (
    GraphWalk,
    SavedFields,
    read_saved,
    walk_graph,
)
from autograd_lens.live.mode import TapeMode
from autograd_lens.live.reading import read
from autograd_lens.live.stream import NUMBER, Stream

__all__ = [
    "BACKWARD_BEGIN",
    "BACKWARD_END",
    "GRAD_WRITE",
    "NODE_RUN",
    "SAVED_COPY",
    "SAVED_LIST",
    "SAVED_TENSOR",
    "UNWATCHED",
    "BackwardTape",
]

BACKWARD_BEGIN = "backward begins"
BACKWARD_END = "backward ends"
NODE_RUN = "node ran"
GRAD_WRITE = "grad written"
SAVED_LIST = "saved list"
SAVED_TENSOR = "saved tensor of the forward"
SAVED_COPY = "saved tensor of unknown origin"

UNWATCHED = frozenset({"MaskedFillBackward1", "ProdBackward0", "ProdBackward1"})
"""Nodes whose result depends on whether a dispatch mode is active (NOTE 1)."""

COMPILED = "CompiledFunctionBackward"
"""Nodes of compiled code: their backward is compiled, or run, as it would be without us."""

_HOOK_IDS = 1 << 60

Hook = Callable[..., None]
_Tensor = torch.Tensor


class BackwardTape:
    """Hooks every node of one graph for the time of one backward.

    A node's post-hook sees both its ``grad_outputs`` and its ``grad_inputs``, so one hook a
    node is enough; only ``AccumulateGrad`` needs a pre-hook too, because its post-hook sees
    ``.grad`` already written.
    """

    def __init__(  # noqa: PLR0913, PLR0917  made in one place
        self,
        stream: Stream,
        mode: TapeMode,
        saved: SavedFields,
        index_of: Callable[[torch.Tensor], int | None],
        input_name: Callable[[torch.Tensor], str],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._stream = stream
        self._mode = mode
        self._saved = saved
        self._index_of = index_of
        self._input_name = input_name
        self._on_failure = on_failure
        self._handles: list[Any] = []
        self._begun: dict[int, Callable[[], None]] = {}  # ends a write that an error left

    def begin(
        self,
        roots: Sequence[Any],
        outputs: Sequence[Any],
        gradients: Sequence[Any],
        site: Site,
        flags: Hashable,
    ) -> GraphWalk:
        """Write the graph and what backward was given to the stream, and hook the nodes."""
        walk = walk_graph(roots)
        stream = self._stream
        first_slot = len(stream.slots)
        first_use = len(stream.uses)
        # A GradientEdge has no value of its own.
        tensors = [o if isinstance(o, torch.Tensor) else None for o in outputs]
        outputs_pattern = tuple([stream.pattern(tensor) for tensor in tensors])
        given = tuple([stream.pattern(gradient) for gradient in gradients])
        variables = tuple([(p, self._leaf(v)) for p, v in walk.variables.items()])
        saved = tuple([self._saved_pattern(node) for node in walk.nodes])
        base = self._mode.base_sequence
        stream.keys.append(
            (
                BACKWARD_BEGIN,
                tuple([type(node) for node in walk.nodes]),
                walk.edges,
                tuple([s - base if s >= 0 else None for s in walk.sequence]),
                variables,
                saved,
                outputs_pattern,
                given,
                site,
                flags,
            )
        )
        # The key has sequence numbers relative to this one, so that it repeats from step to step.
        stream.marks.append((first_slot, first_use, base, -1))
        self._hook_nodes(walk)
        self._mode.node_index = walk.index
        self._mode.in_backward = True
        stream.addresses = False
        return walk

    def _leaf(self, variable: torch.Tensor) -> int | str:
        """The index of a parameter, the name of any other leaf."""
        index = self._index_of(variable)
        return self._input_name(variable) if index is None else index

    def end(self, error: str) -> None:
        """Remove all hooks and close the backward in the stream."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        for leave in list(self._begun.values()):
            leave()
        self._mode.end_backward()
        self._stream.addresses = True
        self._append((BACKWARD_END, error))

    def _append(self, key: Hashable) -> None:
        stream = self._stream
        stream.keys.append(key)
        position = (len(stream.slots), len(stream.uses))
        stream.marks.append((*position, 0, -1))

    def _saved_pattern(self, node: Any) -> Hashable:
        stream = self._stream
        found = []
        for field in self._saved.of(node):
            held = read_saved(node, field, self._saved_tensor)
            if field.tensor and isinstance(held, tuple):
                held = (SAVED_LIST, *held)
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
            return SAVED_COPY
        stream.use_alias(entry, tensor)
        return SAVED_TENSOR

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
            try:
                first_slot = len(stream.slots)
                first_use = len(stream.uses)
                arrived = tuple(
                    [use(g) if g.__class__ is _Tensor else pattern(g) for g in grad_outputs]
                )
                computed = tuple(
                    [use(g) if g.__class__ is _Tensor else pattern(g) for g in grad_inputs]
                )
                stream.keys.append((NODE_RUN, position, arrived, computed))
                stream.marks.append((first_slot, first_use, 0, -1))
            except Exception as error:  # noqa: BLE001  must not fail the program
                self._on_failure(error)

        return ran

    def _unwatch(self, node: Any) -> list[Any]:
        """Take the mode away while a node computes (NOTE 1)."""
        mode, taken = self._mode, [False]

        def before(_grad_outputs: Any) -> None:
            # Where the program has modes of its own, torch takes the other way without us.
            taken[0] = _len_torch_dispatch_stack() == 1 and _get_current_dispatch_mode() is mode
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
        if grad.is_coalesced():
            version = grad._version
            with self._mode.silence():
                grad._coalesced_(False)  # noqa: FBT003  torch takes it by position
            torch._C._autograd._unsafe_set_version_counter((grad,), (version,))

    def _accumulate_hooks(self, position: int, variable: torch.Tensor) -> tuple[Hook, Hook]:
        stream = self._stream
        parameter = self._index_of(variable)
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
            try:
                first_slot = len(stream.slots)
                first_use = len(stream.uses)
                old = stream.pattern(variable.grad)
                pending.append((first_slot, first_use, old, stream.pattern(grad_outputs[0])))
                self._begun[position] = left
            except Exception as error:  # noqa: BLE001  must not fail the program
                self._on_failure(error)

        def after(_grad_inputs: Any, _grad_outputs: Any) -> None:
            try:
                first_slot, first_use, old, incoming = pending.pop()
                self._begun.pop(position, None)
                # The kernels that accumulate stand in between, so the value after the write
                # has a position of its own.
                after_slot = len(stream.slots)
                after_use = len(stream.uses)
                if old is None and variable.grad is not None and variable.grad.is_sparse:
                    self._as_stolen(variable.grad)
                new = stream.pattern(variable.grad)
                stream.keys.append((GRAD_WRITE, position, parameter, old, incoming, new))
                stream.marks.append((first_slot, first_use, after_slot, after_use))
            except Exception as error:  # noqa: BLE001  must not fail the program
                self._on_failure(error)

        return before, after


_HASHABLE = frozenset({int, bool, type(None), str})
