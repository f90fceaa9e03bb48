"""The loss of one step as a function of the parameters: its forward, run by the executor.

Surfaces, curvature and finite differences ask for the loss elsewhere. They have the records of a
step; their kernels are put back into a template, planned like any other, and run on whatever
parameters are given: in the recorded precision or in float64, with or without gradients, one
point or, under ``torch.func.vmap``, many at once.

NOTE 1 [Identity]: the ids in ``TensorUse`` tell which object a kernel was given. An in-place kernel
returns the tensor it changed, and a view shares memory with its base because the view's own
kernel is executed too; so both behave as they did, as long as each execution starts from fresh
tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.execute import run_calls
from autograd_lens.replay.operators import repeat_draw
from autograd_lens.replay.plan import Call, Plan, Registers, flat, keep
from autograd_lens.replay.values import to_double, to_tensor
from autograd_lens.trace.graph import tensors
from autograd_lens.trace.records import Argument, Constant, Kernel, Step, TensorSpec, TensorUse
from autograd_lens.trace.tape import (
    Arg,
    ArgList,
    Const,
    NumberSlot,
    TapeArgument,
    TapeKernel,
    TapeTensor,
    Template,
    TensorSlot,
    ValueSlot,
)
from autograd_lens.trace.values import Value

__all__ = ["LossFunction"]


@dataclass(frozen=True)
class LossFunction:
    """The forward of one step, up to the loss.

    It has no slots, so that what follows from it is computed once.

    Attributes:
        plan: What is executed.
        calls: Its kernels that the loss needs, in order.
        loss: Id of the tensor that backward started from.
        parameters: Ids under which the kernels read each parameter, by name.
        constants: Recorded values of all else that is read from outside, by id.
        values: The recorded values of all tensors, by slot.
        frozen: Results of ``detach`` that stay what they were recorded to be: id -> value.
        differentiated: Whether it reads what an earlier backward of the step has computed, which
            stays what it was, too.
    """

    plan: Plan
    calls: tuple[Call, ...]
    loss: int
    parameters: Mapping[str, tuple[int, ...]]
    constants: Mapping[int, torch.Tensor]
    values: Sequence[Value | complex | None]
    frozen: Mapping[int, torch.Tensor]
    differentiated: bool

    @classmethod
    def from_step(cls, step: Step, backward: int | None = None) -> LossFunction:
        """The loss of a step that was recorded in full.

        Args:
            step: The step.
            backward: Which of its backwards; by default that of ``step.loss``.

        Raises:
            ReplayError: The step is light, has no backward, calls something that cannot be
                replayed, or reads a value that was not kept.
        """
        last, loss = _find_loss(step, step.main_backward if backward is None else backward)
        forward = [k for k in step.kernels if k.phase == "forward" and k.index <= last.index]
        kernels = _needed(forward, loss)
        writer = _Writer()
        template = writer.template(kernels)
        if loss not in writer.ids:
            msg = f"The loss of step {step.index} was computed while a backward ran."
            raise ReplayError(msg, hint="Choose a step whose loss follows from the parameters.")
        plan = Plan.of(template)
        for call in plan.calls:
            if call.obstacle:
                raise ReplayError(call.obstacle)
        outside = _outside(kernels)
        names: dict[str, tuple[int, ...]] = {}
        for number, use in outside.items():
            if use.spec.role == "parameter" and use.spec.name:
                names[use.spec.name] = (*names.get(use.spec.name, ()), writer.ids[number])
        parameters = {number for numbers in names.values() for number in numbers}
        constants = {
            writer.ids[n]: _recorded(use)
            for n, use in outside.items()
            if writer.ids[n] not in parameters
        }
        computed = {u.tensor for k in step.kernels if k.phase == "backward" for u in k.outputs}
        return cls(
            plan=plan,
            calls=plan.calls,
            loss=writer.ids[loss],
            parameters=names,
            constants=constants,
            values=writer.values,
            frozen={},
            differentiated=not computed.isdisjoint(outside),
        )

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
        registers = self._registers(parameters, constants or {})

        def careful(call: Call, registers: Registers) -> None:
            self._careful(call, registers, draw=draw)

        for call, done in zip(self.calls, self._done_with, strict=True):
            run_calls((call,), registers, careful)
            for number in done:  # its memory serves the next kernel, which is faster
                registers[number] = None
        found: torch.Tensor = registers[self.loss]
        return found

    def _registers(
        self, parameters: Mapping[str, torch.Tensor], constants: Mapping[int, torch.Tensor]
    ) -> Registers:
        """What the first kernels read."""
        missing = sorted(self.parameters.keys() - parameters.keys())
        if missing:
            msg = f"The tape needs the parameters {', '.join(missing)}."
            raise ReplayError(msg, hint=f"Given were {', '.join(sorted(parameters)) or 'none'}.")
        registers = self.plan.blank.copy()
        for register, slot in self.plan.numbers:
            registers[register] = self.values[slot]
        for register, _, slot in self.plan.loose:
            registers[register] = self._value(slot)
        for number, tensor in {**self.constants, **constants}.items():
            # Where some kernel changes one of them, or a view of it, all are copied.
            registers[number] = tensor.clone() if self.changed else tensor
        for name, numbers in self.parameters.items():
            own = not self.changed.isdisjoint(numbers)
            given = parameters[name].clone() if own else parameters[name]
            for number in numbers:
                registers[number] = given
        return registers

    def _careful(self, call: Call, registers: Registers, *, draw: bool) -> None:
        """Call a kernel that may draw, or returns several tensors."""
        if call.makes and call.makes[0] in self.frozen:
            registers[call.makes[0]] = self.frozen[call.makes[0]]
            return
        args = call.get(registers)
        keywords = {**call.keywords, **{name: get(registers)[0] for name, get in call.named}}
        if call.draws and not draw:
            names = [one.name for one in call.kernel.args if not one.keyword]
            given = {**dict(zip(names, args, strict=True)), **keywords}
            drawn = [self._value(use.slot) for use in call.kernel.makes]
            keep(call, flat(repeat_draw(_operator(call), given, drawn)), registers)
            return
        keep(call, flat(call.run(*args, **keywords)), registers)

    def _value(self, slot: int) -> torch.Tensor | None:
        """A recorded value; None where only a summary was kept."""
        value = self.values[slot]
        if not isinstance(value, Value) or not value.complete:
            return None
        return to_double(to_tensor(value)) if self.wide else to_tensor(value)

    @cached_property
    def _done_with(self) -> tuple[frozenset[int], ...]:
        """For each call the tensors that no later call reads."""
        seen = {self.loss}
        done = []
        for call in reversed(self.calls):
            numbers = frozenset((*call.reads, *call.makes))
            done.append(numbers - seen)
            seen |= numbers
        return tuple(reversed(done))

    @cached_property
    def changed(self) -> frozenset[int]:
        """Ids of all tensors that some kernel changes in place."""
        return frozenset[int]().union(*(call.changes for call in self.calls))

    @cached_property
    def random(self) -> tuple[str, ...]:
        """The operators that drew random numbers, each once, in order."""
        return tuple(dict.fromkeys(call.op for call in self.calls if call.draws))

    @property
    def wide(self) -> bool:
        """Whether it is executed in float64, whatever was recorded."""
        return self.plan.wide

    @property
    def recorded_loss(self) -> torch.Tensor | None:
        """The loss as it was recorded, None where only a summary was kept."""
        uses = (use for call in self.calls for use in call.kernel.makes if use.tensor == self.loss)
        *_, last = uses
        value = self.values[last.slot]
        return to_tensor(value) if isinstance(value, Value) and value.complete else None

    def recorded_parameters(self) -> dict[str, torch.Tensor]:
        """The parameters as this step's forward read them.

        Raises:
            ReplayError: Only a summary was kept of one of them.
        """
        slots = self.plan.outside
        found = {}
        for name, numbers in self.parameters.items():
            value = self.values[slots[numbers[0]]]
            found[name] = _fresh(value, self.plan.specs[numbers[0]])
        return {name: to_double(tensor) if self.wide else tensor for name, tensor in found.items()}

    @classmethod
    def in_float64(cls, step: Step) -> LossFunction:
        """The loss of a step in float64, as its gradients follow from the parameters alone.

        Raises:
            ReplayError: It cannot be evaluated, or follows from a gradient as well.
        """
        found = cls.from_step(step).double().stopped()
        if found.differentiated:
            msg = "The loss follows from a gradient that an earlier backward of the step computed."
            raise ReplayError(msg)
        return found

    def double(self) -> LossFunction:
        """The same in float64: constants, recorded draws, and dtypes that kernels ask for."""
        plan = Plan.of(self.plan.template, wide=True)
        constants = {number: to_double(tensor) for number, tensor in self.constants.items()}
        return replace(self, plan=plan, calls=plan.calls, constants=constants)

    def stopped(self) -> LossFunction:
        """The same with what the program detached held at its value, as gradients take it."""
        at_rest: dict[int, torch.Tensor] = {}
        registers = self._registers(self.recorded_parameters(), {})
        calls = []
        for call in self.calls:
            run_calls((call,), registers, lambda one, all_: self._careful(one, all_, draw=False))
            held = call.op == "aten.detach.default" and not call.echo
            if held:
                at_rest[call.out] = registers[call.out].clone()
            calls.append(replace(call, plain=False) if held else call)
        return replace(self, calls=tuple(calls), frozen=at_rest)


def _operator(call: Call) -> torch._ops.OpOverload:
    if call.operator is None:
        raise ReplayError(call.obstacle)
    return call.operator


def _recorded(use: TensorUse) -> torch.Tensor:
    return _fresh(use.value, use.spec)


def _fresh(value: Value | complex | None, spec: TensorSpec) -> torch.Tensor:
    """A fresh tensor with the value that was recorded.

    Raises:
        ReplayError: It was not kept.
    """
    if not isinstance(value, Value) or not value.complete:
        name = spec.name or "a tensor that the forward reads"
        msg = f"The value of {name} ({spec.dtype}, shape {spec.shape}) was not kept."
        raise ReplayError(msg, hint="Record with a larger value budget.")
    return to_tensor(value, spec.device)


# -- which kernels -----------------------------------------------------------------------------


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
    raise ReplayError(msg)


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


# -- records as a template -----------------------------------------------------------------------


class _Writer:
    """Puts the kernels of records back into a template.

    Attributes:
        values: The value in each slot.
        ids: Id in the template of each tensor of the records.
    """

    def __init__(self) -> None:
        self.values: list[Value | complex | None] = []
        self.ids: dict[int, int] = {}
        self._tensors: list[TapeTensor] = []
        self._specs: dict[tuple[str, tuple[int, ...], str], int] = {}

    def template(self, kernels: Sequence[Kernel]) -> Template:
        """The template of a forward alone."""
        written = tuple(map(self._kernel, kernels))
        return Template(
            specs=tuple(self._specs),
            sources=(),
            tensors=tuple(self._tensors),
            kernels=written,
            backwards=(),
            updates=(),
            zero_grads=(),
            grad_changes=(),
            handed=(),
            omitted=(),
            slots=len(self.values),
            lean=False,
        )

    def _kernel(self, kernel: Kernel) -> TapeKernel:
        return TapeKernel(
            op=kernel.op,
            args=tuple(map(self._argument, kernel.inputs)),
            outs=tuple(map(self._use, kernel.outputs)),
            phase="forward",
            node=None,
            backward=0,
            source=None,
            module="",
            training=None,
            makes_node=None,
            grad_mode=True,
            generator=None,
        )

    def _argument(self, argument: Argument) -> TapeArgument:
        return TapeArgument(argument.name, self._arg(argument.value), argument.keyword)

    def _arg(self, value: TensorUse | Constant | tuple[TensorUse | Constant, ...]) -> Arg:
        if isinstance(value, tuple):
            return ArgList(tuple(map(self._arg, value)))
        if isinstance(value, TensorUse):
            return self._use(value)
        number = value.value
        if isinstance(number, complex):
            self.values.append(number)
            return NumberSlot(len(self.values) - 1)
        return Const(value.kind, number)

    def _use(self, use: TensorUse) -> TensorSlot | ValueSlot:
        slot = len(self.values)
        self.values.append(use.value)
        spec = (use.spec.dtype, use.spec.shape, use.spec.device)
        place = self._specs.setdefault(spec, len(self._specs))
        if use.tensor < 0:  # no tensor of the step: a value that exists in this call alone
            return ValueSlot(place, slot)
        if use.tensor not in self.ids:
            self.ids[use.tensor] = len(self._tensors)
            self._tensors.append(TapeTensor(place, use.spec.role, use.spec.name))
        return TensorSlot(self.ids[use.tensor], slot)
