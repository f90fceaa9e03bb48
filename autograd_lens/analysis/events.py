"""What happened in a step, as a flat list to walk through, one event after the other.

A line of the forward comes first as a whole, then operation by operation; the engine's nodes
follow in the order it ran them, each write to a ``.grad`` behind the node that made it; then
updates and clearings, and what else changed a parameter or a ``.grad`` (clipping behind the
update). Whatever a program does first (some zero before the forward) comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Backward, Event, Kernel, Phase, Source, Step, ZeroGrad

__all__ = ["BOOKKEEPING", "EventKind", "StepEvent", "by_line", "loose_kernels", "step_events"]

EventKind = Literal["line", "kernel", "engine", "node", "grad", "update", "zero", "run"]

BOOKKEEPING = frozenset(
    {
        *("_local_scalar_dense", "alias", "detach", "empty", "empty_like", "lift_fresh"),
        *("new_empty", "new_empty_strided"),
    }
)
"""Operators that compute nothing a reader wants to hear of."""

_MAKE_ZEROS = ("zero", "new_zeros", "fill", "full", "_foreach_zero")
_NEVER = 1 << 62  # where no kernel tells when it was: behind all that have one


@dataclass(frozen=True, slots=True)
class StepEvent:
    """One thing that happened in a step.

    Attributes:
        kind: ``"line"`` and ``"kernel"`` for what the program computed; ``"engine"`` for the
            call of the engine, ``"node"`` and ``"grad"`` for what it ran and wrote;
            ``"update"``, ``"zero"``; ``"run"`` for what befell the run as a whole.
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
        *_lines([kernel for kernel in step.kernels if kernel.phase == "forward"]),
        *(_engine(index, backward) for backward in step.backwards),
        *_updates(step),
        *_zeroings(index),
        *_lines(loose_kernels(index)),
    ]
    # sorted() keeps what has no kernels in the usual order: backward, update, zeroing
    events = [event for _, part in sorted(parts, key=lambda part: part[0]) for event in part]
    ends = (place for place, one in enumerate(happenings) if one.step == step.index)
    last: Phase = events[-1].phase if events else "forward"
    return (*events, *(StepEvent("run", last, place) for place in ends))


_Part = tuple[int, list[StepEvent]]


def _lines(kernels: Sequence[Kernel]) -> Iterator[_Part]:
    for group in by_line(kernels):
        shown = [kernel for kernel in group if operator_name(kernel) not in BOOKKEEPING]
        if shown:
            yield shown[0].index, list(_line(shown))


def by_line(kernels: Sequence[Kernel]) -> Iterator[list[Kernel]]:
    """Kernels line by line of code; a line that is run again, behind others, comes again."""
    group: list[Kernel] = []
    for kernel in kernels:
        if group and (_place(kernel), kernel.index - 1) != (_place(group[-1]), group[-1].index):
            yield group
            group = []
        group.append(kernel)
    if group:
        yield group


def loose_kernels(index: TapeIndex) -> list[Kernel]:
    """Kernels that changed a parameter or a ``.grad`` and are part of no update and no clearing.

    With those that computed what they wrote. ``clip_grad_norm_`` behind the update is such.
    """
    told = {each for update in index.step.updates for each in update.kernels}
    waiting = [each for each, _, _ in index.written if each.phase == "update"]
    found: dict[int, Kernel] = {}
    while waiting:
        kernel = waiting.pop()
        if kernel.index not in told and kernel.index not in found:
            found[kernel.index] = kernel
            makers = (index.maker(use.tensor, kernel.index) for use in tensors(kernel.inputs))
            waiting += [each for each in makers if each and each.phase == "update"]
    return [found[number] for number in sorted(found)]


def _place(kernel: Kernel) -> tuple[str, int]:
    """Several expressions of one line are one place."""
    return (kernel.source.file, kernel.source.line) if kernel.source else ("", 0)


def _line(kernels: list[Kernel]) -> Iterator[StepEvent]:
    indexes, source = tuple(kernel.index for kernel in kernels), kernels[0].source
    if len(kernels) > 1 and source is not None:
        yield StepEvent("line", kernels[0].phase, indexes[0], kernels=indexes, source=source)
    for kernel in kernels:
        yield StepEvent(
            "kernel", kernel.phase, kernel.index, kernels=(kernel.index,), source=kernel.source
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


def _zeroings(index: TapeIndex) -> Iterator[_Part]:
    wrote: dict[str, list[int]] = {}
    for kernel, name, _ in index.written:
        if kernel.phase == "zero_grad":
            wrote.setdefault(name, []).append(kernel.index)
    waiting = Counter(zero.parameter for zero in index.step.zero_grads)
    for place, zero in enumerate(index.step.zero_grads):
        own = wrote.get(f"{zero.parameter}.grad", [])
        waiting[zero.parameter] -= 1
        end = 1 if waiting[zero.parameter] else len(own)
        kernels = tuple(own[:end])
        del own[:end]
        if kernels or zero.after is None or not _is_of_the_next_turn(index, zero):
            event = StepEvent("zero", "zero_grad", place, kernels=kernels, source=zero.source)
            yield min(kernels, default=_NEVER), [event]


def _is_of_the_next_turn(index: TapeIndex, zero: ZeroGrad) -> bool:
    """Whether nothing behind the backward can have filled a ``.grad`` with zeros.

    Then the next turn does so, before its forward, and its own tape tells of it.
    """
    last = max((each.index for each in index.kernels if each.phase == "backward"), default=None)
    if last is None:
        return False
    grad = f"{zero.parameter}.grad"
    touched = any(name == grad and kernel.index > last for kernel, name, _ in index.written)
    behind = (operator_name(kernel) for kernel in index.kernels[last + 1 :])
    return not touched and not any(name.startswith(_MAKE_ZEROS) for name in behind)
