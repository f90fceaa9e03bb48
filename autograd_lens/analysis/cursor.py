"""What the parameters hold around each event of a step: value and ``.grad``, before and after.

NOTE 1 [What is written when]: a node's gradient is in ``.grad`` behind its ``grad`` event, and
what ran no kernel (``grad = None``) changes with its own event. All else is told by the tape: a
kernel that wrote into the memory of a parameter or of a ``.grad`` has done so behind the event
that ran it. One kernel may write several parameters (``foreach=True``), and then all of them
have changed behind the event of the first, as the program would print them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from autograd_lens.analysis.events import StepEvent
from autograd_lens.trace.graph import TapeIndex
from autograd_lens.trace.records import ParameterStep, Step
from autograd_lens.trace.values import Value, equal

__all__ = ["Held", "States"]


@dataclass(frozen=True, slots=True)
class Held:
    """What one parameter holds around an event.

    Attributes:
        parameter: Its name.
        first: Its value when the step began; None where it is not known.
        before: Its value before the event; None where it is not known.
        after: Its value behind the event.
        grad_before: ``.grad`` before the event; None where it is None.
        grad: ``.grad`` behind the event.
    """

    parameter: str
    first: Value | None
    before: Value | None
    after: Value | None
    grad_before: Value | None
    grad: Value | None

    @property
    def moved(self) -> bool:
        """Whether the event changed the parameter."""
        return _differ(self.before, self.after)

    @property
    def regraded(self) -> bool:
        """Whether the event changed its ``.grad``."""
        return _differ(self.grad_before, self.grad)


def _differ(one: Value | None, other: Value | None) -> bool:
    """Whether they are known to differ."""
    if one is None or other is None:
        return one is not other
    return equal(one, other) is False


class _Change(NamedTuple):
    """Something that a parameter or its ``.grad`` became."""

    parameter: str
    what: Literal["value", "grad"]
    value: Value | None


class States:
    """The parameters of a step around each of its events.

    Args:
        step: The step, light or full.
        events: Its events, in order.
    """

    def __init__(self, step: Step, events: Sequence[StepEvent]) -> None:
        self._events = events
        self._changes = list(_changes(step, events))
        # A long step has few events that change a parameter, and is asked for each of its events.
        self._changing = [place for place, found in enumerate(self._changes) if found]
        self._first = {
            name: _beginning(each, step, events) for name, each in step.parameters.items()
        }

    def at(self, position: int) -> Mapping[str, Held]:
        """What each parameter holds around the event at a position."""
        held = dict(self._first)
        for place in self._changing[: bisect_left(self._changing, position)]:
            _apply(held, self._changes[place])
        held = {
            name: replace(each, before=each.after, grad_before=each.grad)
            for name, each in held.items()
        }
        _apply(held, self._changes[position] if position < len(self._changes) else ())
        return held

    def cleared(self) -> Mapping[int, Value | None]:
        """What clearings that ran no kernel found in ``.grad``, by their position in the step.

        What ran since the backward may have changed it.
        """
        grads = {name: each.grad for name, each in self._first.items()}
        found: dict[int, Value | None] = {}
        for event, changes in zip(self._events, self._changes, strict=True):
            for parameter, what, value in changes:
                if event.kind == "zero" and not event.kernels:
                    found[event.item] = grads.get(parameter)
                if what == "grad":
                    grads[parameter] = value
        return found


def _apply(held: dict[str, Held], changes: Sequence[_Change]) -> None:
    for parameter, what, value in changes:
        if (known := held.get(parameter)) is not None:
            new = replace(known, after=value) if what == "value" else replace(known, grad=value)
            held[parameter] = new


def _beginning(parameter: ParameterStep, step: Step, events: Sequence[StepEvent]) -> Held:
    """What it held when the step began: before what is known from its first backward."""
    value, grad = parameter.before, parameter.grad_before
    early: list[StepEvent] = []
    for event in events:
        if event.kind == "engine":
            break
        early.insert(0, event)
    for event in early:
        if event.kind == "update" and step.updates[event.item].parameter == parameter.name:
            value = step.updates[event.item].before
        if event.kind == "zero" and step.zero_grads[event.item].parameter == parameter.name:
            grad = step.zero_grads[event.item].before
    return Held(parameter.name, value, value, value, grad, grad)


def _changes(step: Step, events: Sequence[StepEvent]) -> Iterator[list[_Change]]:
    """What each event changed, in order."""
    timed = [
        (kernel.index, _Change(name.removesuffix(".grad"), _what(name), value))
        for kernel, name, value in TapeIndex(step).written
        if kernel.phase != "backward" and value is not None
    ]
    done = 0
    for event in events:
        found = []
        last = max(event.kernels, default=-1)
        while done < len(timed) and timed[done][0] <= last:
            found.append(timed[done][1])
            done += 1
        yield [*found, *_own(step, event)]


def _what(name: str) -> Literal["value", "grad"]:
    return "grad" if name.endswith(".grad") else "value"


def _own(step: Step, event: StepEvent) -> Iterator[_Change]:
    """What the record of an event says that it changed."""
    if event.kind == "grad":
        write = step.backwards[event.backward].grad_writes[event.item]
        yield _Change(write.parameter, "grad", write.after)
    elif event.kind == "update" and (update := step.updates[event.item]).after is not None:
        yield _Change(update.parameter, "value", update.after)
    elif event.kind == "zero":
        zero = step.zero_grads[event.item]
        yield _Change(zero.parameter, "grad", zero.after)
