"""What hooks of the program did while a backward ran, done again.

A hook is code that no trace holds, but the kernels that it ran are on the tape, each with the
node that the engine was at. So a replayed backward executes them at the same node, and hands on
what they made where the recorded node was handed it.

NOTE 1 [Gradients by their ids]: the engine keeps its gradients to itself. Where a kernel reads
one, it is caught as it comes to the node that received it, or leaves the node that sent it: the
tape names both. A sum of several that no node sent is the one thing that a hook reads and that
nothing made.

NOTE 2 [Only what has a consequence]: a hook that logs a norm changes nothing, and may read what
was not kept. Executed are the kernels that a gradient handed on follows from, those that change
something, and those whose results are read later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from autograd_lens.errors import ReplayError
from autograd_lens.live.graph_walk import root_nodes, walk_graph
from autograd_lens.replay.functions import is_custom
from autograd_lens.trace.tape import Arg, TapeBackward, TapeRun, TensorSlot, tensors_in

if TYPE_CHECKING:
    from autograd_lens.replay.plan import Call, Registers

__all__ = [
    "RETAINS",
    "HookedNode",
    "executed_hooks",
    "foreign_gradients",
    "hooked_nodes",
    "needed_hooks",
]

_COPIES = ("aten.clone.", "aten.new_empty_strided.")
RETAINS = frozenset({"aten.add.Tensor", "aten.clone.default"})
"""What keeps a gradient that ``retain_grad()`` asked for: alone, or added to the one before."""


@dataclass(frozen=True, slots=True)
class HookedNode:
    """A node at which hooks of the program ran kernels, or whose gradients such kernels read.

    Attributes:
        node: Its index in the graph.
        arriving: Ids of the gradients that it was run with, by position; None where they do not
            matter here.
        leaving: Ids of those that it gave, likewise.
        before: Kernels that ran before it.
        behind: Kernels that ran behind it.
        leaf: Id of the leaf whose ``.grad`` it writes, or None.
        grad: Id of that ``.grad``, where it is known.
        cleared: Whether a hook set that ``.grad`` to None.
        foreign: Ids of gradients that the engine did not make: a hook returned what it had.
        copied: Whether ``.grad`` is a copy of what arrived, as somebody else held that.
    """

    node: int
    arriving: tuple[int | None, ...]
    leaving: tuple[int | None, ...]
    before: tuple[Call, ...]
    behind: tuple[Call, ...]
    leaf: int | None
    grad: int | None
    cleared: bool
    foreign: frozenset[int]
    copied: bool


def foreign_gradients(
    calls: Sequence[Call], backward: TapeBackward, number: int
) -> Iterator[tuple[TapeRun, TensorSlot]]:
    """Gradients that a node was given, or gave, and that no kernel of the engine made.

    A node of PyTorch's own may give what it computed below the kernels that are seen.

    Args:
        calls: All kernels of the tape.
        backward: A run of the engine.
        number: Which it is.

    Yields:
        A node's run, and the gradient.
    """
    given = {use.tensor for use in tensors_in(*backward.gradients)}
    made = {n for one in calls if one.engine and one.kernel.backward == number for n in one.makes}
    sent = made.union(given, *(_ids(run.grad_inputs) for run in backward.runs))
    for run in backward.runs:
        yield from ((run, u) for u in tensors_in(*run.grad_outputs) if u.tensor not in sent)
        if is_custom(backward.nodes[run.node].name):
            passed = made.union(given, _ids(run.grad_outputs))
            yield from ((run, u) for u in tensors_in(*run.grad_inputs) if u.tensor not in passed)


def needed_hooks(calls: Sequence[Call], backwards: Sequence[TapeBackward]) -> frozenset[int]:
    """Indexes of the kernels in hooks that something follows from (NOTE 2)."""
    wanted = {
        number
        for backward in backwards
        for run in backward.runs
        for number in (*_ids(run.grad_outputs), *_ids(run.grad_inputs))
        if number is not None
    }
    found: set[int] = set()
    for call in reversed(calls):
        needed = bool(call.changes) or not wanted.isdisjoint(call.makes)
        if not call.engine:
            wanted.update(call.reads)
        elif call.kernel.hooked and needed:
            wanted.update(call.reads)
            found.add(call.index)
    return frozenset(found)


def hooked_nodes(
    calls: Sequence[Call],
    backward: TapeBackward,
    needed: frozenset[int],
    foreign: frozenset[int],
    retaining: frozenset[int],
) -> tuple[HookedNode, ...]:
    """Where a run of the engine has to be followed, so that what hooks did can be done again.

    Args:
        calls: All kernels of the tape.
        backward: A run of the engine.
        needed: The kernels in hooks that something follows from.
        foreign: Ids of the gradients that the engine did not make.
        retaining: The kernels that keep gradients which ``retain_grad()`` asked for.
    """
    wanted = _wanted(calls, backward, needed)
    copied = {run.node for run in backward.runs if _is_copied(calls, backward, run)}
    if not (needed or wanted or foreign or retaining or copied):
        return ()
    cleared = {write.parameter for write in backward.writes if write.after is None}
    found = []
    for run in backward.runs:
        node = backward.nodes[run.node]
        own = [calls[index] for index in run.kernels]
        before, behind = _around(own, run, needed, retaining)
        grad = _written(own, run) if node.leaf is not None else None
        empty = node.variable in cleared and node.leaf is not None
        ran = (*before, *behind)
        followed = wanted.union(
            foreign, *(call.makes for call in ran), *(call.reads for call in ran)
        )
        arriving, leaving = _ids(run.grad_outputs, followed), _ids(run.grad_inputs, followed)
        there = (*arriving, *leaving, grad)
        copy = run.node in copied
        if before or behind or empty or copy or not wanted.union(foreign).isdisjoint(there):
            ends = (node.leaf, grad, empty, foreign, copy)
            found.append(HookedNode(run.node, arriving, leaving, before, behind, *ends))
    return tuple(found)


def _is_copied(calls: Sequence[Call], backward: TapeBackward, run: TapeRun) -> bool:
    """Whether a ``.grad`` is a copy of what arrived, as a hook of the program may hold that."""
    made = (calls[index] for index in run.kernels)
    copies = (not one.kernel.hooked and one.op.startswith(_COPIES) for one in made)
    return backward.nodes[run.node].leaf is not None and any(copies)


def _ids(args: Sequence[Arg], chosen: Collection[int] | None = None) -> tuple[int | None, ...]:
    ids = (arg.tensor if isinstance(arg, TensorSlot) else None for arg in args)
    return tuple(one if chosen is None or one in chosen else None for one in ids)


def _wanted(
    calls: Sequence[Call], backward: TapeBackward, needed: frozenset[int]
) -> frozenset[int]:
    """What the engine made that hooks read, or kernels behind it; ``.grad`` is read otherwise."""
    later = (call for call in calls[backward.position :] if not call.engine)
    reads = {number for call in later for number in call.reads}
    left = {use.tensor for write in backward.writes for use in tensors_in(write.after)}
    left |= {use.tensor for use in tensors_in(*backward.results)}
    reads = (reads - left).union(number for index in needed for number in calls[index].reads)
    passed = {n for run in backward.runs for n in (*_ids(run.grad_outputs), *_ids(run.grad_inputs))}
    made = {number for call in calls if call.engine for number in call.makes}
    hooks = {number for index in needed for number in calls[index].makes}
    return frozenset((reads & (passed | made)) - hooks)


def _around(
    own: Sequence[Call], run: TapeRun, needed: frozenset[int], retaining: frozenset[int]
) -> tuple[tuple[Call, ...], tuple[Call, ...]]:
    """The kernels of hooks before and behind a node's own; ``retain_grad`` is one before."""
    arriving = set(_ids(run.grad_outputs))
    plain = [place for place, call in enumerate(own) if not call.kernel.hooked]
    plain = [place for place in plain if own[place].index not in retaining]
    given = [place for place, call in enumerate(own) if not arriving.isdisjoint(call.makes)]
    start = plain[0] if plain else max(given, default=-1) + 1
    chosen = [one.index in needed or one.index in retaining for one in own]
    before = tuple(one for one, run in zip(own[:start], chosen[:start], strict=True) if run)
    behind = tuple(one for one, run in zip(own[start:], chosen[start:], strict=True) if run)
    return before, behind


def _written(own: Sequence[Call], run: TapeRun) -> int | None:
    """Id of the ``.grad`` that a leaf's node wrote: what its last kernel made, or was given."""
    made = [n for call in own if not call.kernel.hooked for n in call.makes]
    return made[-1] if made else next(iter(_ids(run.grad_outputs)), None)


# -- executing ---------------------------------------------------------------------------------


class executed_hooks:  # noqa: N801  a context manager, named as a function is
    """While it is open, the engine executes what hooks did when it was recorded.

    Args:
        nodes: Where.
        backward: The run as it was recorded.
        roots: What backward is called on.
        registers: Tensors by id.
        execute: Executes one kernel on them.

    Raises:
        ReplayError: The graph is another than the recorded one.
    """

    def __init__(
        self,
        nodes: Sequence[HookedNode],
        backward: TapeBackward,
        roots: Sequence[torch.Tensor],
        registers: Registers,
        execute: Callable[[Call], None],
    ) -> None:
        self._registers = registers
        self._execute = execute
        self._handles: list[Any] = []
        self._held: list[object] = []
        with _disable_current_modes():
            live = walk_graph(root_nodes(roots)).nodes if nodes else []
        if nodes and [type(one).__name__ for one in live] != [n.name for n in backward.nodes]:
            msg = "The replayed graph is another than the recorded one, in which hooks ran."
            raise ReplayError(msg)
        self._places = [(live[one.node], one) for one in nodes]

    def __enter__(self) -> None:
        """Hook the nodes."""
        for node, place in self._places:
            self._handles.append(node.register_prehook(self._before(place)))
            self._handles.append(node.register_hook(self._behind(place)))

    def __exit__(self, *_error: object) -> None:
        """Unhook them."""
        for handle in self._handles:
            handle.remove()
        self._held.clear()

    def _before(
        self, place: HookedNode
    ) -> Callable[[tuple[object, ...]], tuple[object, ...] | None]:
        def before(gradients: tuple[object, ...]) -> tuple[object, ...] | None:
            made = _made(place.before) | place.foreign
            self._bind(place.arriving, gradients, made)
            self._bind_sum(place, gradients, made)
            self._run(place.before)
            result = self._handed_on(place.arriving, gradients, made)
            if place.leaf is not None:  # AccumulateGrad takes what nobody else holds
                self._forget(place.arriving)
            if place.copied:
                self._held += (one for one in result or gradients if one is not None)
            return result

        return before

    def _behind(
        self, place: HookedNode
    ) -> Callable[[tuple[object, ...], tuple[object, ...]], tuple[object, ...] | None]:
        def behind(
            gradients: tuple[object, ...], _given: tuple[object, ...]
        ) -> tuple[object, ...] | None:
            if place.copied:
                self._held.clear()  # another node that was sent the same may keep it
            made = _made(place.behind) | place.foreign
            self._bind(place.leaving, gradients, made)
            leaf = None if place.leaf is None else self._registers[place.leaf]
            if leaf is not None and place.grad is not None:
                self._registers[place.grad] = leaf.grad
            self._run(place.behind)
            if leaf is not None and place.cleared:
                leaf.grad = None
            return self._handed_on(place.leaving, gradients, made)

        return behind

    def _bind(
        self, ids: Sequence[int | None], gradients: Sequence[object], made: frozenset[int]
    ) -> None:
        for number, gradient in zip(ids, gradients, strict=False):
            if number is not None and number not in made:
                self._registers[number] = gradient

    def _bind_sum(
        self, place: HookedNode, gradients: Sequence[object], made: frozenset[int]
    ) -> None:
        """Tell a gradient that no node sent by there being no other (NOTE 1)."""
        replaced = [at for at, number in enumerate(place.arriving) if number in made]
        reads = {n for call in place.before for n in call.reads} - made
        unknown = [number for number in reads if self._registers[number] is None]
        if len(replaced) == 1 and len(unknown) == 1:
            self._registers[unknown[0]] = gradients[replaced[0]]

    def _run(self, calls: Sequence[Call]) -> None:
        for call in calls:
            hidden = call.kernel.hooked  # from who looks on: it was no kernel of the engine
            with _disable_current_modes() if hidden else nullcontext():
                self._execute(call)

    def _handed_on(
        self, ids: Sequence[int | None], gradients: tuple[object, ...], made: frozenset[int]
    ) -> tuple[object, ...] | None:
        """What takes the place of the gradients; None where nothing does."""
        if made.isdisjoint(number for number in ids if number is not None):
            return None
        pairs = zip((*ids, *[None] * len(gradients)), gradients, strict=False)
        return tuple(
            self._registers[number] if number in made else gradient for number, gradient in pairs
        )

    def _forget(self, ids: Sequence[int | None]) -> None:
        for number in ids:
            if number is not None:
                self._registers[number] = None


def _made(calls: Sequence[Call]) -> frozenset[int]:
    """Ids that are new; what is changed in place was there."""
    read: set[int] = set()
    made: set[int] = set()
    for call in calls:
        read.update(number for number in call.reads if number not in made)
        made.update(call.makes)
    return frozenset(made - read)
