"""A recorded descent once more, with another constant or from another place.

NOTE 1 [What it rests on]: the update's kernels stand on the tape with their constants. Only
where these kernels are proved to make every recorded update of the stretch, bit for bit, does
executing them with another constant say what the program would have done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from autograd_lens.errors import ReplayError, SelectionError
from autograd_lens.replay.changes import WAY_OUT, Changes
from autograd_lens.replay.donors import Donor
from autograd_lens.replay.execute import Execution, Leaves, Situation, Watcher
from autograd_lens.replay.replayer import Replayer, recorded_threads
from autograd_lens.replay.verify import verify
from autograd_lens.trace.outcomes import Care, Descent, WhatIf
from autograd_lens.trace.reader import Trace
from autograd_lens.trace.values import Array

__all__ = ["descend", "descents", "prove", "what_if"]


def what_if(
    trace: Trace,
    first: int,
    steps: int,
    changes: Mapping[str, float],
) -> WhatIf:
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
    proof = prove(trace, range(first, min(first + steps, count)))
    runner = _Runner(trace, changes, Care())
    with recorded_threads(trace):
        changed = runner.descend(first, steps)
    last = min(first + steps, count)
    recorded = Descent(
        values={
            name: runner.recorded(name, trace.parameter(name).values[first : last + 1])
            for name in changed.values
        },
        losses=trace.losses[first:last],
    )
    written = {name: f"{value:g}" for name, value in changes.items()}
    proof = " ".join([proof, *runner.notes(first, steps)])
    return WhatIf(first, recorded, changed, written, runner.originals(first), proof)


def descents(
    trace: Trace, first: int, steps: int, changes: Iterable[Mapping[str, float]]
) -> Iterator[Descent]:
    """The same stretch with one set of changed constants and starts after the other.

    Raises:
        ReplayError: The recorded updates cannot be proved, or the steps not be executed.
        SelectionError: A name is neither a constant of an optimizer nor a parameter.
    """
    prove(trace, range(first, min(first + steps, len(trace.steps))))
    replayer = Replayer(trace)
    for each in changes:
        yield descend(trace, range(first, first + steps), each, Care(), replayer)


def descend(
    trace: Trace,
    stretch: range,
    changes: Mapping[str, float],
    care: Care,
    replayer: Replayer,
) -> Descent:
    """A stretch whose updates were proved, with something changed.

    Raises:
        ReplayError: Its steps cannot be executed.
        SelectionError: A name is neither a constant of an optimizer nor a parameter.
    """
    with recorded_threads(trace):
        return _Runner(trace, changes, care, replayer).descend(stretch.start, len(stretch))


def prove(trace: Trace, steps: range) -> str:
    """Refuse a stretch whose updates are not those of the tape.

    Raises:
        ReplayError: They are not, or it cannot be told.
    """
    result = verify(trace, steps)
    (updates,) = [check for check in result.checks if check.name == "updates"]
    if updates.mismatches:
        one = updates.mismatches[0]
        msg = f"The tape does not make the recorded update of {one.name} in step {one.step}."
        raise ReplayError(msg, hint=WAY_OUT)
    ends = [skip for skip in updates.skipped if skip.steps != (steps[-1],)]
    if ends or not updates.steps:
        why = updates.skipped[0].reason if updates.skipped else "Nothing was updated."
        msg = f"The recorded updates of steps {steps[0]} to {steps[-1]} cannot be proved: {why}"
        raise ReplayError(msg, hint=WAY_OUT)
    if updates.steps == 1:
        return "The tape makes the recorded update bit for bit."
    return f"The tape makes all {updates.steps:,} recorded updates bit for bit."


@dataclass
class _Losses(Watcher):
    """Keeps the loss of the last backward, and clips what it left in ``.grad``."""

    clip: float | None = None
    last: float = float("nan")

    def after(self, backward: int, roots: Sequence[torch.Tensor], leaves: Leaves) -> None:  # noqa: ARG002  a Watcher's
        """Keep the loss."""
        if roots[0].numel() == 1 and not roots[0].is_complex():
            self.last = float(roots[0].detach())
        if self.clip is not None:
            grads = [leaf.grad for leaf in leaves.values() if leaf.grad is not None]
            torch.nn.utils.clip_grads_with_norm_(
                leaves.values(), self.clip, torch.nn.utils.get_total_norm(grads)
            )


class _Runner:
    def __init__(
        self,
        trace: Trace,
        changes: Mapping[str, float],
        care: Care,
        replayer: Replayer | None = None,
    ) -> None:
        self._trace = trace
        self._care = care
        self._replayer = replayer or Replayer(trace)
        optimizers = self._replayer.optimizers
        self._by_optimizer = bool(optimizers.all) and all(one.is_known for one in optimizers.all)
        self._found: list[Mapping[str, Array]] = []
        described = optimizers.all or optimizers.written_out()
        self.changes = Changes.parse(changes, trace.parameters, described)

    def originals(self, first: int) -> dict[str, str]:
        """What the changed things were in the recording."""
        found = {
            name: ", ".join(f"{value:g}" for value in self.changes.originals(name))
            for name in self.changes.constants
        }
        for name, start in self.changes.starts.items():
            values = np.unique(self._trace.parameter(start.parameter).values[first][start.place])
            found[name] = f"{float(values[0]):g}" if values.size == 1 else f"{values.size} numbers"
        return found

    def recorded(self, name: str, values: Array) -> Array:
        """A parameter over the recorded steps: replayed values where those were not kept."""
        if values.dtype.kind != "f" or not np.isnan(values).any():
            return values
        whole = values.copy()
        for row, found in zip(whole, self._found, strict=False):
            row[...] = found[name]
        return whole

    def notes(self, first: int, steps: int) -> Iterator[str]:
        """What is to be known of the changed descent."""
        recorded = range(first, min(first + steps, len(self._trace.steps)))
        for name, value in self.changes.constants.items():
            seen = {self._numbers(step, name) for step in recorded} if self._by_optimizer else ()
            if len(seen) > 1:
                yield f"A schedule changed {name}; here it is {value:g} in every step."
        beyond = first + steps - len(self._trace.steps)
        if beyond > 0 and self._replayer.donors.items(recorded[-1]):
            yield f"The last {beyond:,} steps use the batch of the last recorded one."

    def _numbers(self, step: int, name: str) -> tuple[Any, ...]:
        """The values that a constant had in a step."""
        settings = self._replayer.optimizers.at(step)
        return tuple(group.numbers.get(name) for one in settings for group in one.groups)

    def descend(self, first: int, steps: int) -> Descent:
        """Make the steps."""
        last = len(self._trace.steps) - 1
        reached = self._replayer.found(first)
        losses: list[float] = []
        values: dict[str, list[Array]] = {}
        before: _State | None = None
        for step in range(first, first + steps):
            if first < step <= last:
                reached = self._replayer.found(step)
            donor, found = reached
            if step <= last:
                self._found.append(_copied(donor, found))
            situation = self._situation(step, donor, found, before)
            for name, value in _copied(donor, situation).items():
                values.setdefault(name, []).append(value)
            if step in self._care.without and before is not None:
                losses.append(float("nan"))
                continue
            loss, after = self._execute(min(step, last), donor, situation)
            before = after if before is None else before.then(after)
            losses.append(loss)
        # What some steps do not read, as frozen parameters, has no part in the descent.
        read = {name: rows for name, rows in values.items() if len(rows) == steps}
        if before is None or not read:
            msg = f"The tapes of steps {first} to {first + steps - 1} share no parameter."
            raise ReplayError(msg, hint=WAY_OUT)
        ends = {name: before.leaves[name].detach().numpy() for name in read}
        stacked = {name: np.stack([*rows, ends[name]]) for name, rows in read.items()}
        return Descent(stacked, np.array(losses, np.float64))

    def _execute(self, step: int, donor: Donor, situation: Situation) -> tuple[float, _State]:
        """Make one step: by PyTorch's own optimizers where they are its, else by the tape."""
        changed = tuple(map(self.changes.changed, self._replayer.optimizers.at(step)))
        theirs = frozenset().union(*(one.parameters for one in changed))
        updated = {update.parameter for update in donor.plan.template.updates}
        if self._by_optimizer and updated <= theirs:  # else the program's own class made some
            try:
                return self._run(donor, replace(_copy(situation), settings=changed))
            except ReplayError:
                self._by_optimizer = False  # a class of the program that is only called the same
        numbers = self.changes.numbers(donor)
        return self._run(donor, replace(situation, settings=(), numbers=numbers))

    def _run(self, donor: Donor, situation: Situation) -> tuple[float, _State]:
        watcher = _Losses(self._care.clip)
        execution = Execution(donor.plan, situation, watcher)
        execution.run()
        return watcher.last, _State.of(execution)

    def _situation(
        self, step: int, donor: Donor, found: Situation, before: _State | None
    ) -> Situation:
        situation = _copy(found)  # a step may change what it finds
        there, plan = dict(situation.found), donor.plan
        if before is None:
            for start in self.changes.starts.values():
                number = plan.parameters.get(start.parameter)
                if number not in there:
                    msg = f"No kernel of step {step} reads {start.parameter}."
                    raise SelectionError(msg, hint="Set a parameter that the forward uses.")
                there[number][start.place] = start.value
            return situation
        cleared = situation.cleared[0]
        for name, number in plan.parameters.items():
            if name in before.leaves:
                there[number] = before.leaves[name].detach()
        grads = {
            number: before.leaves[name].grad
            for name, number in plan.parameters.items()
            if name in before.leaves and name not in cleared
        }
        for number, key in plan.state_keys.items():
            if key in before.state:
                there[number] = before.state[key]
        kept = {number: grad for number, grad in grads.items() if grad is not None}
        return replace(situation, found=there, grads=kept)


def _copy(situation: Situation) -> Situation:
    found = {number: tensor.detach().clone() for number, tensor in situation.found.items()}
    grads = {number: tensor.clone() for number, tensor in situation.grads.items()}
    return replace(situation, found=found, grads=grads)


def _copied(donor: Donor, situation: Situation) -> dict[str, Array]:
    """The parameters that a step finds."""
    found = situation.found
    return {
        name: found[number].detach().numpy().copy()
        for name, number in donor.plan.parameters.items()
        if number in found
    }


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
    def of(cls, execution: Execution) -> _State:
        state = {
            key: tensor.detach()
            for number, key in execution.plan.state_keys.items()
            if (tensor := execution.registers[number]) is not None
        }
        return cls(execution.ends, state)

    def then(self, after: _State) -> _State:
        """What is handed on behind a further step, which may not have read everything."""
        return _State({**self.leaves, **after.leaves}, {**self.state, **after.state})
