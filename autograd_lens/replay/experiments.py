"""Experiments: a recorded step executed again with one thing changed, or asked something else.

NOTE 1 [Slopes]: the forward of a custom Function ran kernels that stand on the tape. Where all of
them are smooth, autograd can go through them, and its gradients are those of what the Function
computed. A Function whose forward rounds, compares or only hands on has its own backward for a
reason, and nothing is said of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.donors import Donor
from autograd_lens.replay.execute import Execution, Situation
from autograd_lens.replay.functions import CustomFunction
from autograd_lens.replay.plan import Call, Plan, Registers
from autograd_lens.replay.replayer import Replayer, recorded_threads
from autograd_lens.replay.values import to_tensor
from autograd_lens.replay.whatif import what_if
from autograd_lens.trace.outcomes import Disturbance, Laboratory, Slope, WhatIf
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.records import NodeRun, Step
from autograd_lens.trace.values import Value

__all__ = ["laboratory"]

_NOISE = 1e-5  # relative: rows that differ by less are the same
_PAIR = 2
_HANDING = frozenset(
    {"view", "clone", "detach", "t", "transpose", "permute", "unsqueeze", "expand"}
)
_SUMS = frozenset({"add", "addmm", "bmm", "div", "mean", "mm", "mul", "neg", "rsub", "sub", "sum"})
_CURVES = frozenset({"exp", "expm1", "log", "log1p", "pow", "reciprocal", "rsqrt", "sqrt"})
_BENDS = frozenset({"cos", "cosh", "erf", "sigmoid", "silu", "sin", "sinh", "softplus", "tanh"})
_SMOOTH = _HANDING | _SUMS | _CURVES | _BENDS | {"_softmax", "_log_softmax"}


def laboratory(trace: Trace) -> Laboratory:
    """What can be tried with a trace."""

    def descend(first: int, steps: int, changes: Mapping[str, float]) -> WhatIf:
        return what_if(trace, first, steps, changes)

    def spread(disturbance: Disturbance, seconds: float) -> tuple[int, ...]:
        return _spread(_within(trace, seconds), trace, disturbance)

    def slopes(step: int, seconds: float) -> tuple[Slope, ...]:
        with recorded_threads(trace):
            donor, situation = _own(_within(trace, seconds), step)
            execution = _Forwards(donor.plan, situation)
            execution.run()
            return tuple(_slopes(execution, trace.steps[step]))

    return Laboratory(descend, spread, slopes)


def _within(trace: Trace, seconds: float) -> Replayer:
    """Replays steps until the time is over."""
    end = time.perf_counter() + seconds

    def on_way(_step: int | None, _target: int) -> None:
        if time.perf_counter() > end:
            msg = "The time for experiments is over."
            raise ReplayError(msg)

    return Replayer(trace, on_way)


def _own(replayer: Replayer, step: int) -> tuple[Donor, Situation]:
    """A step's own tape, and what it found.

    Raises:
        ReplayError: The step has none, or is not proved.
    """
    donor, situation = replayer.found(step)
    if donor.step != step:
        msg = f"Step {step} was not recorded in full."
        raise ReplayError(msg)
    return donor, situation


# -- rows that influence each other ---------------------------------------------------------------


class _Seen(Exception):  # noqa: N818  no error: the execution has come as far as it is needed
    """The kernel is reached at which the execution ends."""


class _Disturbed(Execution):
    """Executes a forward up to one kernel, with one row of one tensor overwritten."""

    def __init__(
        self, donor: Donor, situation: Situation, what: Disturbance, *, overwrite: bool
    ) -> None:
        super().__init__(donor.plan, situation)
        self._careful = True  # every kernel passes ``_one``
        self._what = what
        self._overwrite_row = overwrite
        self.seen: torch.Tensor | None = None

    def _one(self, call: Call, registers: Registers) -> None:
        what = self._what
        if call.index == what.kernel and self._overwrite_row:
            tensor = self._live(what.tensor, registers)
            if tensor is not None:
                other = tensor.detach().clone()
                row = tensor.detach().select(what.axis, what.other)
                other.select(what.axis, what.row).copy_(row)
                registers[what.tensor] = other
        if call.index == what.reader:
            seen = self._live(what.result, registers)
            self.seen = None if seen is None else seen.detach().clone()
            raise _Seen
        super()._one(call, registers)


def _spread(replayer: Replayer, trace: Trace, what: Disturbance) -> tuple[int, ...]:
    with recorded_threads(trace):
        found = []
        for overwrite in (False, True):
            donor, situation = _own(replayer, what.step)
            execution = _Disturbed(donor, situation, what, overwrite=overwrite)
            try:
                execution.run()
            except _Seen:
                found.append(execution.seen)
    if len(found) < _PAIR or found[0] is None or found[1] is None:
        msg = "The kernels do not lead there."
        raise ReplayError(msg)
    rows = (one.double().movedim(what.along, 0) for one in found if one is not None)
    before, after = (one.reshape(len(one), -1) for one in rows)
    apart = (before - after).abs().amax(1)
    return tuple(torch.nonzero(apart > _NOISE * before.abs().max()).flatten().tolist())


# -- slopes of custom Functions -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Forward:
    """A Function's forward under autograd.

    Attributes:
        function: The Function.
        leaves: Its inputs by position.
        results: What it returned, with their graph.
        kernel: Position of its last kernel.
    """

    function: CustomFunction
    leaves: Mapping[int, torch.Tensor]
    results: Sequence[torch.Tensor]
    kernel: int


class _Forwards(Execution):
    """Executes a step, and the forward of each custom Function once more under autograd."""

    def __init__(self, plan: Plan, situation: Situation) -> None:
        super().__init__(plan, situation)
        self.forwards: list[_Forward] = []

    def _apply(self, function: CustomFunction) -> None:
        again = self._again(function)
        if again is not None:
            self.forwards.append(again)
        super()._apply(function)

    def _again(self, function: CustomFunction) -> _Forward | None:
        calls = self._between(function)
        if calls is None:
            return None
        registers = self.registers.copy()
        leaves = {}
        for position, number in enumerate(function.inputs):
            tensor = registers[number] if number is not None else None
            if number is not None and tensor is not None and tensor.is_floating_point():
                leaves[position] = registers[number] = tensor.detach().clone().requires_grad_()
        with torch.enable_grad():
            for call in calls:
                self._one(call, registers)
        results = [registers[number] for number in function.outputs]
        recorded = [self.registers[number] for number in function.outputs]
        same = all(map(torch.equal, results, recorded))
        return _Forward(function, leaves, results, calls[-1].index) if leaves and same else None

    def _between(self, function: CustomFunction) -> list[Call] | None:
        """The kernels from a Function's inputs to its results, where all are smooth (NOTE 1)."""
        inputs = {number for number in function.inputs if number is not None}
        wanted, found = set(function.outputs) - inputs, list[Call]()
        for call in reversed(self.plan.calls[: function.before]):
            if call.engine or wanted.isdisjoint(call.makes):
                continue
            if call.changes or _name(call) not in _SMOOTH:
                return None
            found.append(call)
            wanted = (wanted - set(call.makes)) | (set(call.reads) - inputs)
        computes = any(_name(call) not in _HANDING for call in found)
        return found[::-1] if computes else None


def _name(call: Call) -> str:
    return call.op.split(".")[1] if "." in call.op else call.op


def _slopes(execution: _Forwards, step: Step) -> Iterator[Slope]:
    for forward in execution.forwards:
        for number, node in forward.function.places.items():
            runs = step.backwards[number].node_runs if number < len(step.backwards) else ()
            run = next((one for one in runs if one.node == node), None)
            if run is not None:
                yield from _compared(forward, run)


def _compared(forward: _Forward, run: NodeRun) -> Iterator[Slope]:
    """The gradients that a Function gave, against those of its forward."""
    arriving = [_tensor(value) for value in run.grad_outputs]
    if len(arriving) != len(forward.results) or any(one is None for one in arriving):
        return
    positions = list(forward.leaves)
    made: tuple[torch.Tensor | None, ...] = torch.autograd.grad(
        list(forward.results),
        [forward.leaves[position] for position in positions],
        [one for one in arriving if one is not None],
        retain_graph=True,
        allow_unused=True,
    )
    for position, right in zip(positions, made, strict=True):
        value = run.grad_inputs[position] if position < len(run.grad_inputs) else None
        given = _tensor(value)
        if right is None or given is None or given.shape != right.shape:
            continue
        place = (given.double() - right.double()).abs().argmax()
        yield Slope(
            function=forward.function.name.removesuffix("Backward"),
            kernel=forward.kernel,
            position=position,
            given=float(given.flatten()[place]),
            right=float(right.flatten()[place]),
            scale=float(right.double().abs().max()),
        )


def _tensor(value: Value | None) -> torch.Tensor | None:
    return to_tensor(value, "cpu") if value is not None and value.complete else None
