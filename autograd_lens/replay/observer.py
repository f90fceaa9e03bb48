"""Fills the slots of a template again while its program is executed.

NOTE 1 [Two sorts of kernels]: most kernels of a forward are called by ``Execution``, one after
the other. Some are called by torch itself inside of these (autograd detaches what an in-place
operator saves), and all of a backward by the engine. So the observer counts: each kernel that
passes has to be the next one of the template, whoever called it.

NOTE 2 [Not holding gradients]: ``AccumulateGrad`` takes an incoming gradient for ``.grad`` where
nobody else holds it, and copies it otherwise. While the engine runs, what it makes is therefore
known by weak references alone.

NOTE 3 [Not changing gradients]: some backward formulas compute with other kernels while a
dispatch mode is active, and to another last digit. Capture takes its mode away for these, so
they stand on the tape without kernels; a node without kernels is not watched here either.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    _disable_current_modes,
    _get_current_dispatch_mode,
    _pop_mode,
    _push_mode,
)

from autograd_lens.errors import ReplayError
from autograd_lens.live.graph_walk import signed
from autograd_lens.replay.graph_walk import LiveGraph
from autograd_lens.replay.instructions import Instruction
from autograd_lens.replay.patterns import differs, encode, fill, parse, tensors_in
from autograd_lens.replay.program import Program
from autograd_lens.replay.values import Entry

__all__ = ["Observer", "flat_tensors"]

Json = Mapping[str, Any]
_OWN = frozenset({"aten.detach.default", "aten.alias.default"})


class Observer(TorchDispatchMode):
    """Follows one execution.

    Args:
        program: What is executed.
        live: Tensors by id; what the engine makes is put there.
        dropped: Kernels that are not executed.
        slots: How many slots the template has.

    Attributes:
        slots: The values, by slot.
        position: The next kernel.
        shapes: Tensors that have another shape than in the template, by id.
        constants: Arguments of kernels, (index, position), and of nodes, that are other
            constants than in the template, as the template would write them.
    """

    def __init__(
        self,
        program: Program,
        live: list[torch.Tensor | None],
        dropped: frozenset[int],
        slots: int,
    ) -> None:
        super().__init__()
        self.slots: list[Entry] = [None] * slots
        self.position = 0
        self.shapes: dict[int, tuple[int, ...]] = {}
        self.constants: dict[tuple[int, int], Any] = {}
        self.saved: dict[tuple[int, int, int], Any] = {}
        self._backward = -1
        self._program = program
        self._live = live
        self._dropped = dropped
        self._failure: ReplayError | None = None
        self._handles: list[Any] = []
        self._runs: list[Json] = []
        self._writes: list[Json] = []
        self._nodes: list[Json] = []
        self._engine: dict[int, weakref.ref[torch.Tensor]] | None = None

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # True would import torch._dynamo, a second, and wrap each call.
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one kernel, and write down what it read and what it made."""
        kwargs = kwargs or {}
        instruction = self._next()
        if instruction is None or instruction.operator != func:
            instruction = self._again(func) or instruction
        if instruction is None or instruction.operator != func:
            if str(func) not in _OWN and func.namespace != "profiler":
                self._depart(str(func), instruction)
            return func(*args, **kwargs)
        if not self._fill_arguments(instruction, args, kwargs):
            self._depart(f"{func} with other arguments", instruction)
        result: Any = func(*args, **kwargs)
        made = flat_tensors(result)
        if not made and instruction.changes:
            made = flat_tensors([*args, *kwargs.values()])[: len(instruction.outs)]
        if len(made) != len(instruction.outs):
            self._depart(f"{func} with other results", instruction)
        for place, tensor in zip(instruction.outs, made, strict=False):
            fill(place, tensor, self.slots)
            self._note_shape(place.tensor, tensor)
            self._hold(place.tensor, tensor)
        self.position = instruction.index + 1
        return result

    def _again(self, func: Any) -> Instruction | None:
        """The kernel before, where torch calls it once more.

        An in-place operator clones what autograd saves before it changes it: that clone stands
        on the tape in front of the operator, was called for its own sake, and comes again.
        """
        before = self._program.instructions[self.position - 1] if self.position else None
        repeated = before is not None and before.operator == func == torch.ops.aten.clone.default
        return before if repeated else None

    def _next(self) -> Instruction | None:
        instructions = self._program.instructions
        position = self.position
        while position < len(instructions) and position in self._dropped:
            position += 1
        self.position = position
        return instructions[position] if position < len(instructions) else None

    def _fill_arguments(
        self, one: Instruction, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> bool:
        if len(args) != len(one.positional) or kwargs.keys() != {name for name, _ in one.keywords}:
            return False
        pairs = [*zip(one.positional, args, strict=True)]
        pairs += [(pattern, kwargs[name]) for name, pattern in one.keywords]
        for position, (pattern, given) in enumerate(pairs):
            if not fill(pattern, given, self.slots) and not _is_sizes(given):
                return False
            if differs(pattern, given):
                self.constants[one.index, position] = encode(given)
            for place, tensor in zip(tensors_in(pattern), flat_tensors(given), strict=False):
                self._note_shape(place.tensor, tensor)
                if self._live[place.tensor] is None:
                    self._hold(place.tensor, tensor)
        return True

    def _note_shape(self, number: int, tensor: torch.Tensor) -> None:
        """A batch of another size gives all that follows from it another shape."""
        if tuple(tensor.shape) != self._program.specs[number].shape:
            self.shapes[number] = tuple(tensor.shape)

    def _hold(self, number: int, tensor: torch.Tensor | None) -> None:
        """Know a tensor by its id from now on (NOTE 2)."""
        if self._engine is None:
            self._live[number] = tensor
        elif tensor is not None:
            self._engine[number] = weakref.ref(tensor)

    def _depart(self, found: str, expected: Instruction | None) -> None:
        """Remember the first difference in structure; raising in the engine would lose it."""
        if self._failure is None:
            where = f"{expected.op} (kernel {expected.index})" if expected else "the end"
            msg = f"The replay came to {found} where {where} was recorded."
            self._failure = ReplayError(msg)

    def check(self) -> None:
        """Raise what went wrong.

        Raises:
            ReplayError: The execution departed from what was recorded.
        """
        if self._failure is not None:
            raise self._failure

    # -- backward -----------------------------------------------------------------------

    def begin(self, backward: Json, graph: LiveGraph, roots: list[torch.Tensor]) -> None:
        """Read what the nodes have saved, and hook them."""
        self._runs, self._writes = list(backward["runs"]), list(backward["writes"])
        self._nodes = backward["nodes"]
        self._engine = {}
        with _disable_current_modes():
            for enc, root in zip(backward["roots"], roots, strict=True):
                fill(parse(enc), root, self.slots)
            self._backward += 1
            for place, (plain, node) in enumerate(zip(self._nodes, graph.nodes, strict=True)):
                for field, saved in enumerate(plain["saved"]):
                    self._saved((self._backward, place, field), saved, node)
        silent = {run["node"] for run in backward["runs"] if not run["kernels"]}
        for position, node in enumerate(graph.nodes):
            if hasattr(node, "variable"):
                before, after = self._accumulate_hooks(position, node.variable)
                self._handles += [node.register_prehook(before), node.register_hook(after)]
            else:
                if position in silent:
                    self._handles += self._unwatch(node)
                self._handles.append(node.register_hook(self._node_hook(position)))

    def _unwatch(self, node: Any) -> list[Any]:
        """Let a node without recorded kernels compute without being watched (NOTE 3)."""

        def before(_grad_outputs: Any) -> None:
            if _get_current_dispatch_mode() is self:
                _pop_mode()

        def after(_grad_inputs: Any, _grad_outputs: Any) -> None:
            if _get_current_dispatch_mode() is not self:
                _push_mode(self)

        return [node.register_prehook(before), node.register_hook(after)]

    def end(self) -> None:
        """Take the hooks away."""
        while self._handles:
            self._handles.pop().remove()
        for number, reference in (self._engine or {}).items():
            tensor = reference()
            if tensor is not None:
                self._live[number] = tensor
        self._engine = None

    def _saved(self, where: tuple[int, int, int], saved: Json, node: Any) -> None:
        pattern = parse(saved["value"])
        held = getattr(node, f"_raw_saved_{saved['name']}", None)
        if held is None:
            held = signed(getattr(node, f"_saved_{saved['name']}", None))
        elif isinstance(held, tuple):
            held = [item.data if item is not None else None for item in held]
        else:
            held = held.data
        fill(pattern, held, self.slots)
        if differs(pattern, held):
            self.saved[where] = encode(held)

    def _node_hook(self, position: int) -> Callable[..., None]:
        def ran(grad_inputs: Any, grad_outputs: Any) -> None:
            with _disable_current_modes():
                self._ran(position, grad_outputs, grad_inputs)

        return ran

    def _ran(self, position: int, grad_outputs: Any, grad_inputs: Any) -> None:
        if not self._runs or self._runs[0]["node"] != position:
            self._failure = self._failure or ReplayError("The engine ran its nodes otherwise.")
            return
        run = self._runs.pop(0)
        for encs, given in ((run["grad_outputs"], grad_outputs), (run["grad_inputs"], grad_inputs)):
            for enc, tensor in zip(encs, given, strict=False):
                pattern = parse(enc)
                if not fill(pattern, tensor, self.slots):
                    msg = "A gradient is there where none was recorded, or the other way round."
                    self._failure = self._failure or ReplayError(msg)
                for place in tensors_in(pattern):
                    self._hold(place.tensor, tensor)

    def _accumulate_hooks(
        self, position: int, variable: torch.Tensor
    ) -> tuple[Callable[..., None], Callable[..., None]]:
        pending: list[Json] = []

        def before(grad_outputs: Any) -> None:
            with _disable_current_modes():
                self._ran(position, grad_outputs, ())
                if self._writes and self._writes[0]["parameter"] == self._name_at(position):
                    pending.append(self._writes.pop(0))
                    if not fill(parse(pending[-1]["before"]), variable.grad, self.slots):
                        msg = f"{pending[-1]['parameter']}.grad was recorded in another state."
                        self._failure = self._failure or ReplayError(msg)

        def after(_grad_inputs: Any, _grad_outputs: Any) -> None:
            if pending:
                with _disable_current_modes():
                    pattern = parse(pending.pop()["after"])
                    fill(pattern, variable.grad, self.slots)
                    for place in tensors_in(pattern):
                        self._hold(place.tensor, variable.grad)

        return before, after

    def _name_at(self, position: int) -> str | None:
        name: str | None = self._nodes[position]["variable"]
        return name


def _is_sizes(given: Any) -> bool:
    return isinstance(given, list | tuple) and all(type(item) is int for item in given)


def flat_tensors(result: Any) -> list[torch.Tensor]:
    """All tensors of a result or of arguments, in order."""
    if isinstance(result, torch.Tensor):
        return [result]
    if isinstance(result, tuple | list):
        return [tensor for item in result for tensor in flat_tensors(item)]
    return []
