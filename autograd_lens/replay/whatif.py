"""A recorded descent once more, with another constant or from another place.

NOTE 1 [What it rests on]: the update's kernels stand on the tape with their constants. Only
where these kernels are proved to make every recorded update of the stretch, bit for bit, does
executing them with another constant say what the program would have done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from autograd_lens.errors import ReplayError, SelectionError
from autograd_lens.replay.attempts import Attempts
from autograd_lens.replay.described import DescribedOptimizers
from autograd_lens.replay.execution import Execution, Situation
from autograd_lens.replay.program import Program
from autograd_lens.replay.sources import Donor, Sources, state_keys
from autograd_lens.replay.step import recorded_threads
from autograd_lens.replay.verify import verify
from autograd_lens.trace.descent import Descent, WhatIf
from autograd_lens.trace.reader import Trace

__all__ = ["what_if"]

_WAY_OUT = "Edit the script and record it again."


def what_if(trace: Trace, first: int, steps: int, changes: Mapping[str, float]) -> WhatIf:
    """Descend from a recorded step with something changed.

    Args:
        trace: The recording.
        first: The step to begin with.
        steps: How many steps to make.
        changes: New values of constants (``lr``) and of parameters or their elements (``w1``,
            ``layer.weight[0,3]``) by name.

    Raises:
        ReplayError: The recorded updates cannot be proved, or the steps not be executed.
        SelectionError: A name is neither a constant of an optimizer nor a parameter.
    """
    count = len(trace.steps)
    if not 0 <= first < count:
        msg = f"There is no step {first} to begin with."
        raise SelectionError(msg, hint=f"The recording has steps 0 to {count - 1}.")
    proof = _prove(trace, range(first, min(first + steps, count)))
    runner = _Runner(trace, changes)
    with recorded_threads(trace):
        changed = runner.descend(first, steps)
    last = min(first + steps, count)
    recorded = Descent(
        values={name: trace.parameter(name).values[first : last + 1] for name in changed.values},
        losses=trace.losses[first:last],
    )
    written = {name: f"{value:g}" for name, value in changes.items()}
    return WhatIf(first, recorded, changed, written, runner.originals(first), proof)


def _prove(trace: Trace, steps: range) -> str:
    """Refuse a stretch whose updates are not those of the tape.

    Raises:
        ReplayError: They are not, or it cannot be told.
    """
    result = verify(trace, steps)
    (updates,) = [check for check in result.checks if check.name == "updates"]
    if updates.mismatches:
        one = updates.mismatches[0]
        msg = f"The tape does not make the recorded update of {one.name} in step {one.step}."
        raise ReplayError(msg, hint=_WAY_OUT)
    ends = [skip for skip in updates.skipped if skip.steps != (steps[-1],)]
    if ends or not updates.steps:
        why = updates.skipped[0].reason if updates.skipped else "Nothing was updated."
        msg = f"The recorded updates of steps {steps[0]} to {steps[-1]} cannot be proved: {why}"
        raise ReplayError(msg, hint=_WAY_OUT)
    return f"The tape makes all {updates.steps:,} recorded updates bit for bit."


@dataclass
class _Losses:
    """Keeps the loss of the last backward; see ``execution.Watcher``."""

    last: float = float("nan")

    def before(self, backward: int, leaves: Mapping[str, torch.Tensor]) -> None:
        """Nothing is kept of what a backward finds."""

    def after(
        self,
        backward: int,  # noqa: ARG002  a Watcher's
        roots: Sequence[torch.Tensor],
        leaves: Mapping[str, torch.Tensor],  # noqa: ARG002  a Watcher's
    ) -> None:
        """Keep the loss."""
        if roots[0].numel() == 1 and not roots[0].is_complex():
            self.last = float(roots[0].detach())


class _Runner:
    def __init__(self, trace: Trace, changes: Mapping[str, float]) -> None:
        self._trace = trace
        self._sources = Sources(trace)
        self._attempts = Attempts(trace, self._sources)
        self._described = DescribedOptimizers(trace)
        self._optimizers = self._described.all
        self._by_optimizer = self._described.known
        known = {name for one in self._optimizers for name in one["attributes"]}
        self._starts = {name: value for name, value in changes.items() if self._is_place(name)}
        self._constants = {n: value for n, value in changes.items() if n not in self._starts}
        for name in self._constants:
            if name not in known:
                raise _unknown(name, sorted(known), list(trace.parameters))

    def _is_place(self, name: str) -> bool:
        base = re.sub(r"\[[\d,\s]*\]$", "", name)
        return name in self._trace.parameters or base in self._trace.parameters

    def originals(self, first: int) -> dict[str, str]:
        """What the changed things were in the recording."""
        found = {}
        for name in self._constants:
            (value, *_) = [
                one["attributes"][name] for one in self._optimizers if name in one["attributes"]
            ]
            found[name] = f"{value:g}"
        for name in self._starts:
            base, index = _place(name)
            array = self._trace.parameter(base).values[first]
            found[name] = f"{float(array[index].ravel()[0]):g}" if array.size else ""
        return found

    def descend(self, first: int, steps: int) -> Descent:
        """Make the steps."""
        last = len(self._trace.steps) - 1
        losses: list[float] = []
        values: dict[str, list[npt.NDArray[Any]]] = {}
        before: _State | None = None
        for step in range(first, first + steps):
            donor = self._sources.donor(min(step, last))
            situation = self._situation(min(step, last), donor, before)
            for name, tensor in situation.parameters.items():
                values.setdefault(name, []).append(tensor.detach().numpy().copy())
            loss, before = self._execute(min(step, last), donor, situation)
            losses.append(loss)
        for name, rows in values.items():
            if before is not None:
                rows.append(before.leaves[name].detach().numpy().copy())
        stacked = {name: np.stack(rows) for name, rows in values.items()}
        return Descent(stacked, np.array(losses, np.float64))

    def _execute(self, step: int, donor: Donor, situation: Situation) -> tuple[float, _State]:
        """Make one step: by PyTorch's own optimizers where they are its, else by the tape."""
        watcher = _Losses()
        if self._by_optimizer:
            parameters = {n: t.detach().clone() for n, t in situation.parameters.items()}
            grads = {n: None if t is None else t.clone() for n, t in situation.grads.items()}
            outside = {n: t.clone() for n, t in situation.outside.items()}
            copy = replace(situation, parameters=parameters, grads=grads, outside=outside)
            execution = Execution(donor.program, copy, watcher, optimizers=self._changed(step))
            try:
                execution.run()
                return watcher.last, _State.of(donor.program, execution)
            except ReplayError:
                self._by_optimizer = False  # a class of the program that is only called the same
        self._refuse_unused(donor)
        execution = Execution(donor.program, situation, watcher)
        execution.run()
        return watcher.last, _State.of(donor.program, execution)

    def _situation(self, step: int, donor: Donor, before: _State | None) -> Situation:
        carried = self._attempts.carried_to(step, donor) if before is None else None
        situation = self._sources.situation(step, donor, carried)
        numbers = _replaced(donor, self._rules())
        situation = replace(situation, numbers=numbers)
        if before is None:
            for name, value in self._starts.items():
                base, index = _place(name)
                if base not in situation.parameters:
                    raise _unknown(name, [], list(situation.parameters))
                situation.parameters[base][index] = value
            return situation
        cleared = situation.cleared[0]
        grads = {
            name: None if name in cleared else leaf.grad for name, leaf in before.leaves.items()
        }
        outside = dict(situation.outside)
        for number, key in state_keys(donor.program).items():
            if key in before.state:
                outside[number] = before.state[key]
        return replace(
            situation,
            parameters={n: before.leaves[n].detach() for n in situation.parameters},
            grads=grads,
            outside=outside,
        )

    def _rules(self) -> dict[float, float]:
        """Numbers on the tape that stand for a changed constant, and what they become."""
        rules: dict[float, float] = {}
        for name, value in self._constants.items():
            for optimizer in self._optimizers:
                old = optimizer["attributes"].get(name)
                if old is not None:
                    rules |= {float(old): value, -float(old): -value}
        return rules

    def _changed(self, step: int) -> list[Mapping[str, Any]]:
        """The optimizers of a step with the changed constants, in each of their groups."""
        return [
            {**self._own(one), "groups": [self._own(group) for group in one["groups"]]}
            for one in self._described.at(step)
        ]

    def _own(self, described: Mapping[str, Any]) -> dict[str, Any]:
        """A description with those of the changed constants that it has."""
        attributes = described["attributes"]
        changed = {n: v for n, v in self._constants.items() if n in attributes}
        return {**described, "attributes": {**attributes, **changed}}

    def _refuse_unused(self, donor: Donor) -> None:
        """A constant that no kernel of the update computes with cannot be changed."""
        used = {donor.encoded.slots[slot] for slot in donor.program.update_numbers}
        for name in self._constants:
            olds = {o["attributes"][name] for o in self._optimizers if name in o["attributes"]}
            if used.isdisjoint(olds | {-old for old in olds}):
                msg = f"No kernel of the update computes with {name} = {min(olds):g}."
                raise ReplayError(msg, hint=_WAY_OUT)


@dataclass(frozen=True, slots=True)
class _State:
    """What one step hands on to the next.

    Attributes:
        leaves: The parameters, with their ``.grad``.
        state: What else the step changed, by name, dtype and shape.
    """

    leaves: Mapping[str, torch.Tensor]
    state: Mapping[Any, torch.Tensor]

    @classmethod
    def of(cls, program: Program, execution: Execution) -> _State:
        state = {
            key: tensor.detach()
            for number, key in state_keys(program).items()
            if (tensor := execution.live[number]) is not None
        }
        return cls(dict(execution.leaves), state)


def _replaced(donor: Donor, rules: Mapping[float, float]) -> list[Any]:
    """The slots with other numbers in the update."""
    slots: list[Any] = list(donor.encoded.slots)
    for slot in donor.program.update_numbers:
        if isinstance(slots[slot], float) and slots[slot] in rules:
            slots[slot] = rules[slots[slot]]
    return slots


def _place(name: str) -> tuple[str, Any]:
    """A parameter and which of its elements is meant."""
    match = re.fullmatch(r"(.*)\[([\d,\s]*)\]", name)
    if match is None:
        return name, ...
    return match[1], tuple(int(part) for part in match[2].split(",") if part.strip())


def _unknown(name: str, constants: list[str], parameters: list[str]) -> SelectionError:
    msg = f"{name!r} is neither a constant of an optimizer nor a parameter."
    few = ", ".join([*constants, *parameters][:8]) or "none that the recording names"
    return SelectionError(msg, hint=f"It has {few}.")
