"""What happened in a step, as a flat list to walk through, one event after the other.

A line of the forward comes first as a whole, then operation by operation; the engine's nodes
follow in the order it ran them, each write to a ``.grad`` behind the node that made it; then
updates and clearings. Whatever a program does first (some zero before the forward) comes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from autograd_lens.trace.graph import TapeIndex, operator_name
from autograd_lens.trace.records import Backward, Event, Kernel, Phase, Source, Step

__all__ = ["BOOKKEEPING", "EventKind", "StepEvent", "step_events"]

EventKind = Literal["line", "kernel", "engine", "node", "grad", "update", "zero", "run"]

BOOKKEEPING = frozenset(
    {
        *("_local_scalar_dense", "alias", "detach", "empty", "empty_like", "lift_fresh"),
        *("new_empty", "new_empty_strided"),
    }
)
"""Operators that compute nothing a reader wants to hear of."""

_NEVER = 1 << 62  # where no kernel tells when it was: behind all that have one


@dataclass(frozen=True, slots=True)
class StepEvent:
    """One thing that happened in a step.

    Attributes:
        kind: ``"line"`` and ``"kernel"`` in the forward; ``"engine"`` for the call of the
            engine, ``"node"`` and ``"grad"`` for what it ran and wrote; ``"update"``,
            ``"zero"``; ``"run"`` for what befell the run as a whole.
        phase: Part of the step.
        item: Position of its record: of a node run and a grad write within their backward, of
            a kernel on the tape, of an update, clearing or run event in the step's list.
        backward: Which of the step's backwards it belongs to.
        kernels: Indexes of the kernels it ran.
        source: The line that asked for it; of a node the line of the forward that it goes back
            through, where it has one.
    """

    kind: EventKind
    phase: Phase
    item: int
    backward: int = 0
    kernels: tuple[int, ...] = ()
    source: Source | None = None


def step_events(step: Step, happenings: Sequence[Event] = ()) -> tuple[StepEvent, ...]:
    """All events of a step in the order in which they happened.

    Args:
        step: The step, light or full.
        happenings: Events of the run; those of this step come last.
    """
    index = TapeIndex(step)
    parts = [
        *_forward(step.kernels),
        *(_engine(index, backward) for backward in step.backwards),
        *_updates(step),
        *_zeroings(step),
    ]
    # sorted() keeps what has no kernels in the usual order: backward, update, zeroing
    events = [event for _, part in sorted(parts, key=lambda part: part[0]) for event in part]
    ends = (place for place, one in enumerate(happenings) if one.step == step.index)
    last: Phase = events[-1].phase if events else "forward"
    return (*events, *(StepEvent("run", last, place) for place in ends))


_Part = tuple[int, list[StepEvent]]


def _forward(kernels: Sequence[Kernel]) -> Iterator[_Part]:
    forward = [kernel for kernel in kernels if kernel.phase == "forward"]
    for (_, source), group in groupby(forward, key=_place):
        shown = [kernel for kernel in group if operator_name(kernel) not in BOOKKEEPING]
        if shown:
            yield shown[0].index, list(_line(shown, source))


def _place(kernel: Kernel) -> tuple[tuple[str, int], Source | None]:
    source = kernel.source
    if source is None:
        return ("", 0), None
    return (source.file, source.line), _whole_line(source)


def _whole_line(source: Source) -> Source:
    """Several expressions of one line are one place."""
    return Source(source.file, source.line, source.line, -1, -1, source.function)


def _line(kernels: list[Kernel], source: Source | None) -> Iterator[StepEvent]:
    indexes = tuple(kernel.index for kernel in kernels)
    if len(kernels) > 1 and source is not None:
        whole = kernels[0].source or source
        yield StepEvent("line", "forward", indexes[0], kernels=indexes, source=whole)
    for kernel in kernels:
        yield StepEvent(
            "kernel", "forward", kernel.index, kernels=(kernel.index,), source=kernel.source
        )


def _engine(index: TapeIndex, backward: Backward) -> _Part:
    own = [
        kernel.index
        for kernel in index.kernels
        if kernel.phase == "backward" and kernel.backward == backward.index
    ]
    return min(own, default=_NEVER), list(_engine_events(index, backward))


def _engine_events(index: TapeIndex, backward: Backward) -> Iterator[StepEvent]:
    number, source = backward.index, backward.source
    yield StepEvent("engine", "backward", number, number, source=source)
    writes = {write.parameter: place for place, write in enumerate(backward.grad_writes)}
    for place, run in enumerate(backward.node_runs):
        node = backward.graph.nodes[run.node] if backward.graph else None
        kernel = index.kernel_of(node) if node else None
        at = (kernel.source if kernel else None) or source
        yield StepEvent("node", "backward", place, number, run.kernels, at)
        variable = node.variable if node else None
        if variable is not None and (write := writes.pop(variable, None)) is not None:
            yield StepEvent("grad", "backward", write, number, source=source)
    for write in writes.values():
        yield StepEvent("grad", "backward", write, number, source=source)


def _updates(step: Step) -> Iterator[_Part]:
    for place, update in enumerate(step.updates):
        event = StepEvent("update", "update", place, 0, update.kernels, update.source)
        yield min(update.kernels, default=_NEVER), [event]


def _zeroings(step: Step) -> Iterator[_Part]:
    kernels = [kernel for kernel in step.kernels if kernel.phase == "zero_grad"]
    for place, zero in enumerate(step.zero_grads):
        own = [kernel.index for kernel in kernels if zero.source and kernel.source == zero.source]
        event = StepEvent("zero", "zero_grad", place, source=zero.source)
        yield min(own, default=_NEVER), [event]
