"""One recorded kernel, executed again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from autograd_lens.errors import LensError, ReplayError
from autograd_lens.replay.operators import to_constant, writes_to
from autograd_lens.replay.random_kernels import draws, repeat_draw
from autograd_lens.replay.values import to_double, to_tensor, wider
from autograd_lens.trace.graph import tensors
from autograd_lens.trace.records import Argument, Constant, Kernel, TensorUse

__all__ = ["Call", "Live", "recorded"]

Live = dict[int, torch.Tensor]


@dataclass(frozen=True)
class Call:
    """One kernel, ready to be called.

    It has no slots, so that what follows from it is computed once.

    Attributes:
        kernel: The record.
        operator: What it calls.
        wide: Whether it is executed in float64, whatever was recorded.
    """

    kernel: Kernel
    operator: torch._ops.OpOverload
    wide: bool = False

    def double(self) -> Call:
        """The same call in float64."""
        inputs = tuple(map(_widened, self.kernel.inputs))
        return Call(replace(self.kernel, inputs=inputs), self.operator, wide=True)

    @cached_property
    def changed(self) -> frozenset[int]:
        """Ids of the tensors it changes in place."""
        written = writes_to(self.operator)
        arguments = (argument for argument in self.kernel.inputs if argument.name in written)
        return frozenset(use.tensor for use in tensors(arguments))

    @cached_property
    def is_random(self) -> bool:
        """Whether it draws random numbers."""
        inputs = self.kernel.inputs
        given = {one.name: one.value.value for one in inputs if isinstance(one.value, Constant)}
        return draws(self.operator, given)

    @cached_property
    def drawn(self) -> tuple[torch.Tensor | None, ...]:
        """Its results as they were recorded; None where only a summary was kept."""
        found = (
            recorded(use) if use.value and use.value.complete else None
            for use in self.kernel.outputs
        )
        return tuple(to_double(one) if self.wide and one is not None else one for one in found)

    def execute(self, live: Live, *, draw: bool) -> None:
        """Call the operator on live tensors, and put its results among them.

        Args:
            live: Tensors by id.
            draw: Whether a random kernel draws anew; else its recorded draw is used.

        Raises:
            ReplayError: The operator refuses.
        """
        inputs = self.kernel.inputs
        given = {argument.name: self._live(argument.value, live) for argument in inputs}
        try:
            if self.is_random and not draw:
                results = repeat_draw(self.operator, given, self.drawn)
            else:
                positional = [given[one.name] for one in inputs if not one.keyword]
                keywords = {one.name: given[one.name] for one in inputs if one.keyword}
                results = self.operator(*positional, **keywords)
        except LensError:
            raise
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            msg = f"Kernel {self.kernel.index} ({self.kernel.op}) cannot be executed: {error}"
            raise ReplayError(msg) from error
        self._keep(list(_flat(results)), live)

    def _live(self, value: TensorUse | Constant | tuple[Any, ...], live: Live) -> Any:
        if isinstance(value, tuple):
            return [self._live(item, live) for item in value]
        if isinstance(value, Constant):
            return to_constant(value, operator=self.kernel.op)
        # An id below 0 is no tensor of the step: a value that exists in this call alone.
        return live[value.tensor] if value.tensor >= 0 else recorded(value)

    def _keep(self, made: list[torch.Tensor | None], live: Live) -> None:
        uses = self.kernel.outputs
        if len(made) != len(uses):  # an undefined result is None, and was not recorded
            made = [tensor for tensor in made if tensor is not None]
        if not made and {use.tensor for use in uses} <= self.changed:
            return  # it returns nothing, and what it changed is live already
        if len(made) != len(uses):
            msg = f"{self.kernel.op} returned {len(made)} tensors; {len(uses)} were recorded."
            raise ReplayError(msg, hint="Open the trace with the torch that recorded it.")
        for use, tensor in zip(uses, made, strict=True):
            if tensor is not None:
                live[use.tensor] = tensor


def recorded(use: TensorUse) -> torch.Tensor:
    """A fresh tensor with the value that was recorded.

    Raises:
        ReplayError: It was not kept.
    """
    if use.value is None or not use.value.complete:
        name = use.spec.name or "a tensor that the forward reads"
        msg = f"The value of {name} ({use.spec.dtype}, shape {use.spec.shape}) was not kept."
        raise ReplayError(msg, hint="Record with a larger value budget.")
    return to_tensor(use.value, use.spec.device)


def _widened(argument: Argument) -> Argument:
    """An argument that asks for a narrow dtype asks for a wide one."""
    value = argument.value
    if not isinstance(value, Constant) or value.kind != "dtype":
        return argument
    return replace(argument, value=Constant("dtype", wider(str(value.value))))


def _flat(results: Any) -> Iterator[torch.Tensor | None]:
    """An operator's results in order: tensors, and None for undefined ones."""
    if results is None or isinstance(results, torch.Tensor):
        yield results
    elif isinstance(results, tuple | list):
        for item in results:
            yield from _flat(item)
