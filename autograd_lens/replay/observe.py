"""An execution recorded again, by the parts that record a program.

The recorder's dispatch mode and its hooks write a stream of what runs; cut into a step and built
into a template, that *is* the replayed step. What only the program can tell (lines, modules,
names, phases) is taken from the tape that was executed.

NOTE 1 [Who ran it]: an execution calls the kernels of a forward one by one. Some of them run
further ones that stand on the tape too: autograd detaches what an operator saves. So each call
says which kernel it is, and what passes in it is that one and those behind it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from msgspec.structs import replace

from autograd_lens.errors import OtherKernelsError, ReplayError
from autograd_lens.live.backward import BackwardCall, BackwardTape, Flags
from autograd_lens.live.derivatives import DerivativeTable, Formula
from autograd_lens.live.frames import UserFrames
from autograd_lens.live.graph_walk import GraphWalk, SavedFields
from autograd_lens.live.mode import KernelKey, TapeMode, switch_off, switch_on
from autograd_lens.live.stream import Stream
from autograd_lens.live.template import Segment, Surroundings, build_template
from autograd_lens.replay.functions import is_custom
from autograd_lens.replay.plan import Call, Plan
from autograd_lens.trace.records import Source
from autograd_lens.trace.tape import (
    Arg,
    ArgList,
    NumberSlot,
    TapeBackward,
    TapeGradChange,
    TapeKernel,
    TapeNode,
    TapeTensor,
    TapeUpdate,
    TapeZeroGrad,
    Template,
    TensorSlot,
    ValueSlot,
)
from autograd_lens.trace.values import Entry

__all__ = ["Observed", "Observer"]

Change = TypeVar("Change", TapeUpdate, TapeGradChange)

_VALUE_LIMIT = 1 << 27  # bytes; of larger values a replayed step keeps a summary, too
_STEP_LIMIT = 1 << 31
_NOBODY = -1
# What passes without being called: autograd's own views, and what reading a sparse tensor asks.
_ECHOES = frozenset({"aten.detach.default", "aten.alias.default", "aten.is_coalesced.default"})


@dataclass(frozen=True, slots=True)
class Observed:
    """A step as it was executed.

    Attributes:
        template: Its structure.
        slots: Its values.
        places: Where the value of each slot of the executed tape stands, as far as it was made.
    """

    template: Template
    slots: Sequence[Entry]
    places: Mapping[int, int]


class Observer:
    """Records executions of one plan, one after the other.

    Args:
        plan: The plan.

    Attributes:
        position: The first kernel of the plan that has not run.
    """

    def __init__(self, plan: Plan) -> None:
        self.position = 0
        self._plan = plan
        self._stream = Stream(_VALUE_LIMIT, _STEP_LIMIT, shared=True)
        self._mode = TapeMode(self._stream, UserFrames(), self._fail)
        self._saved = SavedFields()
        self._tape: BackwardTape | None = None
        self._origins: list[int] = []  # kernel of the plan of each kernel that ran
        self._seen = 0  # events that are accounted for
        self._names: list[str] = []
        self._built: dict[Hashable, tuple[Template, Mapping[int, int]]] = {}
        self._derivatives = DerivativeTable() if plan.template.lean else _NoFormulas()

    @contextlib.contextmanager
    def observing(self) -> Iterator[None]:
        """Record what runs in this block.

        Raises:
            ReplayError: The program has a dispatch mode of its own.
        """
        self._stream.drop_before(len(self._stream.keys))
        self._origins, self._seen, self.position = [], 0, 0
        if not switch_on(self._mode):
            msg = "A dispatch mode is active, under which no step can be observed."
            raise ReplayError(msg)
        self._mode.rebase()
        self._mode.begin_tail(sys.maxsize)  # all of a replayed step is of it, however long it is
        self._mode.armed = True
        try:
            yield
        finally:
            switch_off(self._mode)

    def _fail(self, error: Exception) -> None:
        raise error

    # -- kernels (NOTE 1) -----------------------------------------------------------------

    def called(self, call: Call, last: int | None = None) -> None:
        """A kernel was called: tell which kernels passed.

        Args:
            call: The kernel.
            last: The last one that may have passed, where that is known.

        Raises:
            ReplayError: Others ran than were recorded.
        """
        calls = self._plan.calls
        position = call.index
        while position and calls[position - 1].inner:
            position -= 1
        for op in self._passed():
            if position < len(calls) and calls[position].op == op:
                self._origins.append(position)
                position += 1
            elif op in _ECHOES:
                self._origins.append(_NOBODY)
            else:
                where = f"{calls[position].op} (kernel {position})"
                where = where if position < len(calls) else "the end"
                msg = f"The replay came to {op} where {where} was recorded."
                raise ReplayError(msg)
        self.position = max(self.position, position, call.index + 1)
        if last is not None and self.position <= last:
            msg = f"The replay ended before {calls[self.position].op} (kernel {self.position})."
            raise ReplayError(msg)

    def applied(self, position: int) -> None:
        """A custom Function was applied: what it saves of its results passed through a detach."""
        calls = self._plan.calls
        for op in self._passed():
            known = position < len(calls) and calls[position].op == op
            self._origins.append(position if known else _NOBODY)
            position += known
        self.position = max(self.position, position)

    def _passed(self) -> Iterator[str]:
        """The operators that ran since the last look."""
        keys = self._stream.keys
        for key in keys[self._seen :]:
            if isinstance(key, KernelKey):
                yield str(key.operator.op)
        self._seen = len(keys)

    def replace(self, position: int, count: int, entry: bytes) -> None:
        """Note that one of the results of the kernel that just ran was replaced."""
        slots = self._stream.slots
        slots[len(slots) - count + position] = entry

    # -- backward -------------------------------------------------------------------------

    def backward_begins(
        self,
        number: int,
        roots: Sequence[torch.Tensor],
        gradients: Sequence[torch.Tensor | None],
        inputs: Sequence[torch.Tensor],
        leaves: Mapping[str, torch.Tensor],
    ) -> None:
        """The engine is about to run.

        Raises:
            ReplayError: The graph is not the one that was recorded.
        """
        recorded = self._plan.backwards[number]
        written = _written(self._plan)
        self._names = [name for name in leaves if name in written]
        places = {id(leaves[name]): index for index, name in enumerate(self._names)}
        self._tape = BackwardTape(
            self._stream, self._mode, self._saved, lambda leaf: places.get(id(leaf), ""), self._fail
        )
        flags = Flags(
            recorded.kind, recorded.retain_graph, recorded.create_graph, recorded.fingerprint
        )
        call = BackwardCall(
            roots, gradients, inputs, None, flags, sys._getframe(), functions=False, watched=True
        )
        walk = self._tape.begin(call)
        if not self._plan.template.lean:
            _check_graph(walk, recorded)

    def backward_ended(self, number: int) -> None:
        """It has run."""
        if self._tape is not None:
            self._tape.end("")
            self._tape = None
        self._stream.turn()
        self._mode.rebase()
        kernels = (call for call in self._plan.calls if call.engine)
        own = [call for call in kernels if call.kernel.backward == number]
        self._align([call for call in own if not call.kernel.hooked])
        self.position = max([self.position, *(call.index + 1 for call in own)])

    def _align(self, own: Sequence[Call]) -> None:
        """Tell which kernels of a backward passed.

        How often a tensor is detached depends on who unpacks it: where the numbers of such
        kernels between two others are not the same, it is not told which of them is which.
        """
        passed = list(self._passed())
        if self._plan.template.lean and not own:
            self._origins += [_NOBODY] * len(passed)
            return
        ours, theirs = _runs(passed), _runs([call.op for call in own])
        for (echoes, op), (its_echoes, its_op) in zip(ours, theirs, strict=False):
            if op != its_op:
                raise OtherKernelsError(_other_kernels(op, its_op))
            same = len(echoes) == len(its_echoes)
            self._origins += [own[i].index if same else _NOBODY for i in its_echoes[: len(echoes)]]
            self._origins += [_NOBODY] * (len(echoes) - len(its_echoes))
            if op:
                self._origins.append(own[its_echoes.stop].index)
        if len(ours) != len(theirs):
            raise OtherKernelsError(_other_kernels("", ""))

    # -- the step -------------------------------------------------------------------------

    def step(self) -> Observed:
        """What was recorded, as a template and its slots."""
        segment = Segment.cut(self._stream, 0, len(self._stream.keys))
        key = segment.key, tuple(self._origins)
        if key not in self._built:
            around = Surroundings(
                parameter=self._names.__getitem__,
                source_of=_nowhere,
                derivatives=self._derivatives,
            )
            merger = _Merger(self._plan.template, build_template(segment, around), self._origins)
            self._built[key] = merger.merged(), merger.slots
        template, places = self._built[key]
        return Observed(template, segment.slots, places)


def _runs(ops: Sequence[str]) -> list[tuple[range, str]]:
    """Each operator with the positions of the detaching ones before it; ``""`` at the end."""
    found: list[tuple[range, str]] = []
    start = 0
    for place, op in enumerate([*ops, ""]):
        if op not in _ECHOES:
            found.append((range(start, place), op))
            start = place + 1
    return found


def _other_kernels(op: str, recorded: str) -> str:
    msg = "The replayed backward runs other kernels than the recorded one"
    return msg + (f": {op or 'none'} in place of {recorded or 'none'}." if op != recorded else ".")


class _NoFormulas(DerivativeTable):
    """The formulas stand in the recorded template, where that is not lean."""

    def formula(self, op: str, node_name: str) -> Formula:  # noqa: ARG002  the table's signature
        """None."""
        return ()


def _nowhere(_site: tuple[int, int]) -> Source:
    return Source("", 1, 1, -1, -1, "")


def _check_graph(walk: GraphWalk, recorded: TapeBackward) -> None:
    live = [type(node).__name__ for node in walk.nodes]
    names = [node.name for node in recorded.nodes]
    for position, name in enumerate([*names, *["nothing"] * (len(live) - len(names))]):
        there = live[position] if position < len(live) else "nothing"
        if there != name:
            raise ReplayError(_other_node(name, there))
    if tuple(walk.edges) != tuple(recorded.edges):
        msg = "The replayed graph connects its nodes otherwise than the recorded one."
        raise ReplayError(msg)


def _other_node(name: str, live: str) -> str:
    if name != "nothing" and is_custom(name):
        return (
            f"{name} is a custom autograd.Function: its backward is the program's own code, "
            "which a trace does not hold."
        )
    return f"The recorded graph has {name} where the replayed one has {live}."


# -- the executed tape and what was recorded of its execution ----------------------------------


class _Merger:
    """Puts what only the program could tell into the template of an execution.

    Args:
        told: The template that was executed.
        made: The template of its execution.
        origins: Kernel of the first of each kernel of the second, ``_NOBODY`` where none is.

    Attributes:
        slots: Slot of the second by slot of the first.
    """

    def __init__(self, told: Template, made: Template, origins: Sequence[int]) -> None:
        self.slots: dict[int, int] = {}
        self._told = told
        self._made = made
        self._origins = origins
        self._kernels = {old: new for new, old in enumerate(origins) if old != _NOBODY}
        self._tensors: dict[int, int] = {}
        for one, other in self._pairs():
            self._match(one, other)
        self._back = {new: old for old, new in self._tensors.items()}

    def _pairs(self) -> Iterator[tuple[Arg, Arg]]:
        """Arguments and values that are the same thing in both."""
        for new, old in enumerate(self._origins):
            if old != _NOBODY:
                one, other = self._told.kernels[old], self._made.kernels[new]
                values = zip(one.args, other.args, strict=False)
                yield from ((a.value, b.value) for a, b in values)
                yield from zip(one.outs, other.outs, strict=False)
        for run, its in zip(self._told.backwards, self._made.backwards, strict=False):
            yield from _pairs_of(run, its)

    def _match(self, one: Arg, other: Arg) -> None:
        if isinstance(one, ArgList) and isinstance(other, ArgList):
            for item, its in zip(one.items, other.items, strict=False):
                self._match(item, its)
        elif isinstance(one, TensorSlot) and isinstance(other, TensorSlot):
            self._tensors.setdefault(one.tensor, other.tensor)
            self.slots.setdefault(one.slot, other.slot)
        elif isinstance(one, NumberSlot | ValueSlot) and isinstance(other, NumberSlot | ValueSlot):
            self.slots.setdefault(one.slot, other.slot)

    def merged(self) -> Template:
        """The template of the step."""
        told, made = self._told, self._made
        return replace(
            made,
            sources=told.sources,
            tensors=tuple(self._tensor(number, one) for number, one in enumerate(made.tensors)),
            kernels=tuple(map(self._kernel, made.kernels, self._origins)),
            backwards=tuple(
                self._backward(one, other)
                for one, other in zip(told.backwards, made.backwards, strict=True)
            ),
            updates=tuple(self._updates()),
            zero_grads=tuple(self._zero_grads()),
            grad_changes=tuple(self._of_kernels(told.grad_changes)),
            handed=tuple(None if n is None else self._tensors.get(n) for n in told.handed),
        )

    def _tensor(self, number: int, one: TapeTensor) -> TapeTensor:
        before = self._back.get(number)
        if before is None:
            return one
        old = self._told.tensors[before]
        alias = self._tensors.get(old.alias) if old.alias is not None else None
        return replace(one, role=old.role, name=old.name, strides=old.strides, alias=alias)

    def _kernel(self, one: TapeKernel, origin: int) -> TapeKernel:
        if origin == _NOBODY:
            return replace(one, source=None)
        old = self._told.kernels[origin]
        known = one if self._told.lean else old  # a lean one names no nodes
        return replace(
            one,
            phase=old.phase,
            node=known.node,
            backward=known.backward,
            source=old.source,
            module=old.module,
            training=old.training,
            makes_node=old.makes_node,
        )

    def _backward(self, told: TapeBackward, made: TapeBackward) -> TapeBackward:
        behind = (new for new, old in enumerate(self._origins) if old >= told.position)
        position = next(behind, len(self._origins))
        if len(told.nodes) != len(made.nodes):  # a lean one names none
            return replace(made, source=told.source, position=position)
        nodes = tuple(map(self._node, told.nodes, made.nodes))
        return replace(made, source=told.source, position=position, nodes=nodes)

    def _node(self, told: TapeNode, made: TapeNode) -> TapeNode:
        saved = [
            replace(
                one,
                tensor=None if old.tensor is None else self._tensors.get(old.tensor),
                made=None if old.made is None else self.slots.get(old.made),
                note=old.note,
            )
            for old, one in zip(told.saved, made.saved, strict=False)
        ]
        kernel = None if told.kernel is None else self._kernels.get(told.kernel)
        return replace(
            made, formula=told.formula, kernel=kernel, saved=tuple(saved), variable=told.variable
        )

    def _updates(self) -> Iterator[TapeUpdate]:
        for one in self._of_kernels(self._told.updates):
            yield replace(one, grad=self._moved(one.grad))

    def _of_kernels(self, changes: Sequence[Change]) -> Iterator[Change]:
        """Changes that some kernels make, as far as all of these ran."""
        for one in changes:
            if all(kernel in self._kernels for kernel in one.kernels):
                yield replace(
                    one,
                    before=self._moved(one.before),
                    after=self._moved(one.after),
                    kernels=tuple(self._kernels[kernel] for kernel in one.kernels),
                )

    def _zero_grads(self) -> Iterator[TapeZeroGrad]:
        for one in self._told.zero_grads:
            yield replace(one, before=self._moved(one.before), after=self._moved(one.after))

    def _moved(self, arg: Arg) -> Arg:
        if isinstance(arg, TensorSlot) and arg.slot in self.slots:
            return TensorSlot(self._tensors[arg.tensor], self.slots[arg.slot])
        return None


def _written(plan: Plan) -> set[str]:
    """The parameters that backwards may write to.

    A leaf that the program made anew is none, though it has a name. A lean tape, which tells of
    no writes, tells of parameters.
    """
    if plan.template.lean:
        return {one.name for one in plan.template.tensors if one.role == "parameter"}
    return {write.parameter for one in plan.backwards for write in one.writes}


def _pairs_of(one: TapeBackward, other: TapeBackward) -> Iterator[tuple[Arg, Arg]]:
    yield from zip(one.roots, other.roots, strict=False)
    yield from zip(one.gradients, other.gradients, strict=False)
    yield from zip(one.inputs, other.inputs, strict=False)
    yield from zip(one.results, other.results, strict=False)
    for node, its in zip(one.nodes, other.nodes, strict=False):
        yield from zip((s.value for s in node.saved), (s.value for s in its.saved), strict=False)
    for run, its_run in zip(one.runs, other.runs, strict=False):
        yield from zip(run.grad_outputs, its_run.grad_outputs, strict=False)
        yield from zip(run.grad_inputs, its_run.grad_inputs, strict=False)
    for write, its_write in zip(one.writes, other.writes, strict=False):
        yield from (
            (write.before, its_write.before),
            (write.incoming, its_write.incoming),
            (write.after, its_write.after),
        )
