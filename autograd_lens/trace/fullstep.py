"""A full step: its tape merged with what its light rows know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from autograd_lens.trace.records import (
    Backward,
    GradWrite,
    Kernel,
    ParameterUpdate,
    Step,
    ZeroGrad,
)
from autograd_lens.trace.step import LightStep
from autograd_lens.trace.tape import StepTape

__all__ = ["merge"]

Change = TypeVar("Change", ParameterUpdate, ZeroGrad)
Explain = Callable[[Sequence[Kernel], Sequence[int], str], str]
"""Writes the arithmetic of some kernels as an expression for a parameter."""


def merge(index: int, tape: StepTape, light: LightStep, explain: Explain) -> Step:
    """The full step.

    The tape tells how things came about; where it does not hold a value the rows fill it in,
    and a change that ran no kernel (``grad = None``) is known from the rows alone.
    """
    updates = tuple(
        replace(update, expression=explain(tape.kernels, update.kernels, update.parameter))
        for update in _fill(tape.updates, light.updates())
    )
    changes = tuple(
        replace(
            change, expression=explain(tape.kernels, change.kernels, f"{change.parameter}.grad")
        )
        for change in tape.grad_changes
    )
    last = {change.parameter: change.after for change in changes}
    return Step(
        index=index,
        level="full",
        loss=light.loss,
        parameters=light.parameters(),
        backwards=_backwards(tape.backwards, light.backwards()),
        updates=updates,
        zero_grads=tuple(
            # Of a clearing that ran no kernel the rows know what backward had left.
            replace(one, before=last.get(one.parameter, one.before)) if one.after is None else one
            for one in _fill(tape.zero_grads, light.zero_grads())
        ),
        grad_changes=changes,
        kernels=tape.kernels,
        omitted=tape.omitted,
    )


def _backwards(full: tuple[Backward, ...], light: tuple[Backward, ...]) -> tuple[Backward, ...]:
    if len(full) != len(light):  # the rows tell of other runs: the tape stands for itself
        return full or light
    return tuple(
        replace(one, grad_writes=_writes(one.grad_writes, other.grad_writes))
        for one, other in zip(full, light, strict=True)
    )


def _writes(full: tuple[GradWrite, ...], light: tuple[GradWrite, ...]) -> tuple[GradWrite, ...]:
    """Writes of the tape; a parameter written once takes missing values from its row."""
    times = Counter(write.parameter for write in full)
    known = {write.parameter: write for write in light if times[write.parameter] == 1}
    return tuple(_complete(write, known.get(write.parameter, write)) for write in full)


def _complete(write: GradWrite, row: GradWrite) -> GradWrite:
    before = write.before if write.before is not None else row.before
    after = write.after if write.after is not None else row.after
    return replace(write, before=before, after=after)


def _fill(full: Sequence[Change], light: Sequence[Change]) -> tuple[Change, ...]:
    """Changes of the tape with missing values from the rows, then what only the rows saw."""
    times: Counter[str] = Counter(change.parameter for change in full)
    first = {change.parameter: change for change in reversed(light)}
    last = {change.parameter: change for change in light}
    filled: list[Change] = [
        _filled(change, first[change.parameter], last[change.parameter])
        if times[change.parameter] == 1 and change.parameter in first
        else change
        for change in full
    ]
    filled += [change for change in light if change.parameter not in times]
    return tuple(filled)


def _filled(change: Change, first: Change, last: Change) -> Change:
    before = change.before if change.before is not None else first.before
    after = change.after if change.after is not None else last.after
    return replace(change, before=before, after=after)
