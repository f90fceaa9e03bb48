"""A full step's forward kernels as a program that can be executed again.

NOTE 1 [Identity]: the ids in ``TensorUse`` tell which object a kernel was given, and executing
a tape keeps one live tensor for each. An in-place kernel returns the tensor it changed, and a
view shares memory with its base because the view's own kernel is executed too; so both behave
as they did, as long as each execution starts from fresh tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.call import Call, Live, recorded
from autograd_lens.replay.operators import find_operator
from autograd_lens.replay.values import to_double
from autograd_lens.trace.graph import tensors
from autograd_lens.trace.records import Kernel, Step, TensorUse

__all__ = ["Tape"]


@dataclass(frozen=True)
class Tape:
    """The forward of one step, up to the loss.

    It has no slots, so that what follows from it is computed once.

    Attributes:
        calls: What is executed, in order.
        loss: Id of the tensor that backward started from.
        parameters: Ids under which the calls read each parameter, by name.
        constants: Recorded values of all else that is read from outside, by id.
    """

    calls: tuple[Call, ...]
    loss: int
    parameters: Mapping[str, tuple[int, ...]]
    constants: Mapping[int, torch.Tensor]

    @classmethod
    def from_step(cls, step: Step, backward: int = -1) -> Self:
        """The tape of a step that was recorded in full.

        Args:
            step: The step.
            backward: Which of its backwards; by default the last.

        Raises:
            ReplayError: The step is light, has no backward, calls something that cannot be
                replayed, or reads a value that was not kept.
        """
        last, loss = _find_loss(step, backward)
        forward = [k for k in step.kernels if k.phase == "forward" and k.index <= last.index]
        kernels = _needed(forward, loss)
        outside = _outside(kernels)
        names: dict[str, tuple[int, ...]] = {}
        for number, use in outside.items():
            if use.spec.role == "parameter" and use.spec.name:
                names[use.spec.name] = (*names.get(use.spec.name, ()), number)
        parameters = {number for numbers in names.values() for number in numbers}
        constants = {n: recorded(use) for n, use in outside.items() if n not in parameters}
        calls = tuple(Call(kernel, find_operator(kernel.op)) for kernel in kernels)
        return cls(calls, loss, names, constants)

    def forward(
        self,
        parameters: Mapping[str, torch.Tensor],
        *,
        constants: Mapping[int, torch.Tensor] | None = None,
        draw: bool = False,
    ) -> torch.Tensor:
        """The loss at the given parameters.

        Under autograd this builds the graph that the program built.

        Args:
            parameters: A tensor for every name in ``self.parameters``, each in its shape.
            constants: Other tensors in place of ``self.constants``, by id.
            draw: Whether random kernels draw anew; else what was recorded is used again.

        Returns:
            The tensor that backward started from.

        Raises:
            ReplayError: A parameter is missing, or a kernel cannot be executed.
        """
        live = self._live(parameters, constants or {})
        for call, done in zip(self.calls, self._done_with, strict=True):
            call.execute(live, draw=draw)
            for number in done:  # its memory serves the next kernel, which is faster
                live.pop(number, None)
        return live[self.loss]

    def _live(
        self, parameters: Mapping[str, torch.Tensor], constants: Mapping[int, torch.Tensor]
    ) -> Live:
        """What the first kernels read, by id."""
        missing = sorted(self.parameters.keys() - parameters.keys())
        if missing:
            msg = f"The tape needs the parameters {', '.join(missing)}."
            raise ReplayError(msg, hint=f"Given were {', '.join(sorted(parameters)) or 'none'}.")
        live = {**self.constants, **constants}
        if self.changed:  # any of them, or a view of it: all are copied
            live = {number: tensor.clone() for number, tensor in live.items()}
        for name, numbers in self.parameters.items():
            own = not self.changed.isdisjoint(numbers)
            given = parameters[name].clone() if own else parameters[name]
            live.update(dict.fromkeys(numbers, given))
        return live

    @cached_property
    def _done_with(self) -> tuple[frozenset[int], ...]:
        """For each call the tensors that no later call reads."""
        seen = {self.loss}
        done = []
        for call in reversed(self.calls):
            uses = (*tensors(call.kernel.inputs), *call.kernel.outputs)
            numbers = frozenset(use.tensor for use in uses)
            done.append(numbers - seen)
            seen |= numbers
        return tuple(reversed(done))

    @cached_property
    def changed(self) -> frozenset[int]:
        """Ids of all tensors that some kernel changes in place."""
        return frozenset[int]().union(*(call.changed for call in self.calls))

    @cached_property
    def random(self) -> tuple[str, ...]:
        """The operators that drew random numbers, each once, in order."""
        return tuple(dict.fromkeys(call.kernel.op for call in self.calls if call.is_random))

    @property
    def wide(self) -> bool:
        """Whether it is executed in float64, whatever was recorded."""
        return any(call.wide for call in self.calls)

    @property
    def recorded_loss(self) -> torch.Tensor | None:
        """The loss as it was recorded, None where only a summary was kept."""
        uses = (
            use for call in self.calls for use in call.kernel.outputs if use.tensor == self.loss
        )
        *_, last = uses
        return recorded(last) if last.value and last.value.complete else None

    def recorded_parameters(self) -> dict[str, torch.Tensor]:
        """The parameters as this step's forward read them.

        Raises:
            ReplayError: Only a summary was kept of one of them.
        """
        outside = _outside([call.kernel for call in self.calls])
        found = {name: recorded(outside[ids[0]]) for name, ids in self.parameters.items()}
        return {name: to_double(tensor) if self.wide else tensor for name, tensor in found.items()}

    def double(self) -> Self:
        """The same tape in float64: constants, recorded draws, and dtypes kernels ask for."""
        calls = tuple(call.double() for call in self.calls)
        constants = {number: to_double(tensor) for number, tensor in self.constants.items()}
        return replace(self, calls=calls, constants=constants)


def _find_loss(step: Step, backward: int) -> tuple[Kernel, int]:
    """The kernel that made the loss, and the id of the loss."""
    if step.level != "full":
        msg = f"Step {step.index} was recorded without its tape."
        raise ReplayError(msg, hint="Choose a step that was recorded in full.")
    if not -len(step.backwards) <= backward < len(step.backwards):
        msg = f"Step {step.index} has {len(step.backwards)} backwards, so none numbered {backward}."
        raise ReplayError(msg, hint="Choose a step whose loss was differentiated.")
    graph = step.backwards[backward].graph
    maker = graph.nodes[0].forward_kernel if graph and graph.nodes else None
    if maker is not None:
        for use in step.kernels[maker].outputs:
            if use.spec.role == "loss":
                return step.kernels[maker], use.tensor
    msg = f"The kernel that made the loss of step {step.index} is not on its tape."
    raise ReplayError(msg, hint="A custom autograd function cannot be replayed.")


def _needed(kernels: Sequence[Kernel], loss: int) -> list[Kernel]:
    """The kernels that the loss may depend on, in order."""
    needed, kept = {loss}, []
    for kernel in reversed(kernels):
        made = {use.tensor for use in kernel.outputs}
        read = {use.tensor for use in tensors(kernel.inputs)}
        # What is changed in place may be a view of something needed: keep every such kernel.
        if made & (read | needed):
            kept.append(kernel)
            needed |= read
    return kept[::-1]


def _outside(kernels: Sequence[Kernel]) -> dict[int, TensorUse]:
    """Every tensor that is read before a kernel makes it, as it was when first read."""
    found: dict[int, TensorUse] = {}
    made: set[int] = {-1}
    for kernel in kernels:
        for use in tensors(kernel.inputs):
            if use.tensor not in made:
                found.setdefault(use.tensor, use)
        made.update(use.tensor for use in kernel.outputs)
    return found
