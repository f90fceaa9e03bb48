"""Custom ``autograd.Function``s, built again from their kernels on the tape.

A Function of the program is code that a trace does not hold, but all that it computed is on the
tape: the kernels of its forward, which ran under ``no_grad``, and those that its node ran in
backward. So a Function of the same name is built whose forward returns what these forward
kernels made, and whose backward executes the recorded kernels on the gradients that arrive.

NOTE 1 [What goes in and out]: neither is written down, both follow from the graph. An output is
what the kernel of the next node reads at the position of the edge; an input is what the node
that the Function's own edge leads to has made, or the leaf it ends in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import Any

import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.operators import find_operator, is_view, writes_to
from autograd_lens.trace.tape import (
    Arg,
    TapeBackward,
    TapeRun,
    Template,
    TensorSlot,
    tensors_in,
)

__all__ = ["CustomFunction", "applied", "custom_functions", "is_checkpoint", "is_custom"]

_OWN_NODES = frozenset(dir(torch._C._functions))


def is_checkpoint(name: str) -> bool:
    """Whether a node is that of a reentrant checkpoint."""
    return name == "CheckpointFunctionBackward"


def is_custom(name: str) -> bool:
    """Whether a node is none of PyTorch's own."""
    return name not in _OWN_NODES


@dataclass(frozen=True)
class CustomFunction:
    """One application of a custom Function.

    It has no slots, as the class that is built is kept with it.

    Attributes:
        name: Name of its node.
        places: (backward, node) of each graph that it is part of.
        inputs: Ids of its tensor inputs in order, None for those without gradient.
        outputs: Ids of its results in order.
        saved: Ids of what it saved.
        held: Ids under which it has them: of a result it keeps another object.
        before: Position behind the kernels of its forward.
    """

    name: str
    places: Mapping[int, int]
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    saved: tuple[int, ...]
    held: tuple[int, ...]
    before: int


def custom_functions(template: Template) -> list[CustomFunction]:
    """The custom Functions of a template, in the order in which they are applied."""
    found: dict[tuple[str, tuple[int, ...]], CustomFunction] = {}
    for number, backward in enumerate(template.backwards):
        reader = _Graph(template, backward)
        for node, one in enumerate(backward.nodes):
            if not is_custom(one.name):
                continue
            outputs = reader.outputs(node)
            known = found.get((one.name, outputs))
            places = {**(known.places if known else {}), number: node}
            held = reader.saved(node)
            saved = tuple(_itself(template, tensor, outputs) for tensor in held)
            before = min(_behind_forward(template, outputs, saved), backward.position)
            if known is not None:
                before = min(before, known.before)
            found[one.name, outputs] = CustomFunction(
                one.name, places, reader.inputs(node), outputs, saved, held, before
            )
    return sorted(found.values(), key=lambda one: one.before)


def _itself(template: Template, tensor: int, outputs: Sequence[int]) -> int:
    """A saved tensor; of a result, which is saved through a ``detach``, the result."""
    for kernel in template.kernels:
        if kernel.op == "aten.detach.default" and kernel.makes and kernel.makes[0].tensor == tensor:
            origin = kernel.reads[0].tensor
            return origin if origin in outputs else tensor
    return tensor


def _made_at(template: Template, outputs: Sequence[int]) -> int:
    """Position of the last kernel that made a result, or filled it part by part.

    A Function may be given another's. Its forward runs with gradients switched off.
    """
    made = (
        index
        for index, kernel in enumerate(template.kernels)
        if any(use.tensor in outputs for use in kernel.makes)
    )
    last = start = max(made, default=-1)
    parts = set(outputs)
    for index in range(start + 1, len(template.kernels)):
        kernel = template.kernels[index]
        first = next((use.tensor for use in kernel.reads), None)
        if kernel.grad_mode or kernel.phase != "forward":
            break
        if first in parts:
            operator = find_operator(kernel.op)
            parts.update(use.tensor for use in kernel.makes if is_view(operator))
            last = index if writes_to(operator) else last
    return last


class _Graph:
    """Finds tensors at the edges of one graph (NOTE 1)."""

    def __init__(self, template: Template, backward: TapeBackward) -> None:
        self._template = template
        self._backward = backward

    def outputs(self, node: int) -> tuple[int, ...]:
        """Ids of what a node's operator returned, up to the last one that is used."""
        found: dict[int, int] = {}
        for place, root in enumerate(self._backward.roots):
            if isinstance(root, TensorSlot) and place == node:
                found[0] = root.tensor
        for start, position, end, output in self._backward.edges:
            tensor = self._read_at(start, position) if end == node else None
            if tensor is not None:
                found.setdefault(output, tensor)
        made = self._made(node)
        if 0 not in found and made:
            found[0] = made[-1]
        return tuple(found[place] for place in sorted(found)) if self._follow(found) else ()

    @staticmethod
    def _follow(found: Mapping[int, int]) -> bool:
        return sorted(found) == list(range(len(found)))

    def inputs(self, node: int) -> tuple[int | None, ...]:
        """Ids of a node's tensor inputs by position."""
        edges = {
            p: (end, output) for start, p, end, output in self._backward.edges if start == node
        }
        count = max(edges, default=-1) + 1
        if is_checkpoint(self._backward.nodes[node].name):
            saved = (*self.saved(node), *[None] * count)
            return tuple(saved[p] if p in edges else None for p in range(count))
        return tuple(self._output(*edges[p]) if p in edges else None for p in range(count))

    def _output(self, node: int, output: int) -> int | None:
        one = self._backward.nodes[node]
        if one.name == "AccumulateGrad":
            return one.leaf
        made = self.outputs(node) if is_custom(one.name) else self._made(node)
        return made[output] if output < len(made) else None

    def saved(self, node: int) -> tuple[int, ...]:
        """Ids of what a node has saved."""
        fields = (field.value for field in self._backward.nodes[node].saved)
        return tuple(use.tensor for use in tensors_in(*fields))

    def _made(self, node: int) -> tuple[int, ...]:
        kernel = self._backward.nodes[node].kernel
        makes = self._template.kernels[kernel].makes if kernel is not None else ()
        return tuple(use.tensor for use in makes)

    def _read_at(self, node: int, position: int) -> int | None:
        """The tensor that a node's kernel reads at an input position, counting smooth ones.

        A checkpoint has saved all that it was given.
        """
        if is_checkpoint(self._backward.nodes[node].name):
            saved = self.saved(node)
            return saved[position] if position < len(saved) else None
        kernel = self._backward.nodes[node].kernel
        if kernel is None:
            return None
        reads = [use.tensor for use in self._template.kernels[kernel].reads]
        smooth = [n for n in reads if self._template.spec(n).dtype.startswith(_SMOOTH)]
        return smooth[position] if position < len(smooth) else None


_SMOOTH = ("bfloat", "complex", "float")


def _behind_forward(template: Template, outputs: Sequence[int], saved: Sequence[int]) -> int:
    """Position behind the last kernel of a forward: it made a result, or what is saved.

    What makes a node of a result comes later.
    """
    position = _made_at(template, outputs) + 1
    for index in range(position, len(template.kernels)):
        kernel = template.kernels[index]
        read = {use.tensor for use in kernel.reads}
        if kernel.phase != "forward" or (kernel.node is not None and read.intersection(outputs)):
            break
        if any(use.tensor in saved for use in kernel.makes):
            position = index + 1
    return position


# -- applying --------------------------------------------------------------------------------

Execute = Callable[[int, TapeRun, Mapping[int, torch.Tensor]], Mapping[int, torch.Tensor | None]]
"""Executes the kernels of a node's run: takes the number of the backward, the run, and tensors
by id that are known there alone; returns all tensors that the kernels made, with those, and
None for what hooks of the program made there."""

Again = Callable[
    [CustomFunction, TapeRun, Sequence[torch.Tensor | None]], tuple[torch.Tensor | None, ...]
]
"""Gives the gradients of a Function's inputs for those of its results."""


def applied(
    function: CustomFunction,
    registers: Sequence[Any],
    execute: Execute,
    runs: Callable[[CustomFunction], tuple[int, TapeRun]],
    again: Again | None = None,
) -> Iterator[tuple[int, torch.Tensor]]:
    """Apply a Function to what its forward has made.

    Args:
        function: The Function.
        registers: Tensors by id.
        execute: Executes kernels of its backward.
        runs: Gives the number of the engine run that goes on, and the node's run in it.
        again: Makes the whole backward where it does more than execute kernels on gradients.

    Yields:
        Id and tensor of each result, which is now part of the graph.

    Raises:
        ReplayError: It cannot be told what goes in or out.
    """
    unknown = any(registers[place] is None for place in function.inputs if place is not None)
    if not function.outputs or unknown or not function.inputs:
        msg = (
            f"{function.name} is a custom autograd.Function; what it was given is not on the tape."
        )
        raise ReplayError(msg)
    work = _Work(function, registers, execute, runs, again)
    inputs = [torch.empty(0) if n is None else registers[n] for n in function.inputs]
    results: Any = _kind(function.name).apply(work, *inputs)
    several = isinstance(results, tuple)
    yield from zip(function.outputs, results if several else (results,), strict=True)


@dataclass(frozen=True, slots=True)
class _Work:
    """What one application of a Function does in place of the program's code."""

    function: CustomFunction
    registers: Sequence[object]
    execute: Execute
    runs: Callable[[CustomFunction], tuple[int, TapeRun]]
    again: Again | None

    def forward(self, ctx: Any) -> Any:
        """Return what the forward's kernels have made."""
        made = tuple(self.registers[number] for number in self.function.outputs)
        ctx.save_for_backward(*(self.registers[number] for number in self.function.saved))
        ctx.set_materialize_grads(False)  # where the program's were, the tape has the kernel
        return made if len(made) > 1 else made[0]

    def backward(self, ctx: Any, gradients: Sequence[torch.Tensor | None]) -> tuple[Any, ...]:
        """Execute the recorded kernels on the gradients that arrive."""
        number, run = self.runs(self.function)
        if self.again is not None:
            return self.again(self.function, run, gradients)
        unpacked = ctx.saved_tensors
        known = dict(zip(self.function.saved, unpacked, strict=True))
        known |= dict(zip(self.function.held, unpacked, strict=True))
        for arg, gradient in zip(run.grad_outputs, gradients, strict=False):
            if isinstance(arg, TensorSlot) and gradient is not None:
                known[arg.tensor] = gradient
        found = self.execute(number, run, known)
        results = [
            self._result(arg, found, gradient)
            for arg, gradient in zip_longest(run.grad_inputs, gradients[: len(run.grad_inputs)])
        ]
        count = len(self.function.inputs)
        return (*results, *[None] * count)[:count]

    def _result(
        self,
        arg: Arg,
        found: Mapping[int, torch.Tensor | None],
        gradient: torch.Tensor | None,
    ) -> torch.Tensor | None:
        if not isinstance(arg, TensorSlot):
            return None
        if arg.tensor in found and found[arg.tensor] is None:
            return gradient  # a hook puts another in its place
        if arg.tensor not in found:
            msg = (
                f"What {self.function.name} returned was computed by code that is not on the tape."
            )
            raise ReplayError(msg)
        return found[arg.tensor]


@lru_cache(maxsize=256)
def _kind(name: str) -> Any:
    """A Function class whose nodes have this name; one for all, as a recorder compares types."""

    def forward(ctx: Any, work: _Work, *_inputs: Any) -> Any:
        ctx.work = work
        return work.forward(ctx)

    def backward(ctx: Any, *gradients: Any) -> Any:
        return None, *ctx.work.backward(ctx, gradients)

    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type(name.removesuffix("Backward"), (torch.autograd.Function,), methods)
