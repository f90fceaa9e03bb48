"""Which tensors of a tape a step was handed from outside, and what to leave out then.

NOTE 1 [Found by content]: capture keeps the bytes of what module calls and data loaders hand to
a step, without knowing which tensor on the tape they are. In a step recorded in full both are
known, so the tensor whose value is that of the second item is the second item, there and in
every step of the same structure.

NOTE 2 [What made them]: a batch may itself be made on the tape: rows of a data set, stacked.
Which rows they were stands in constants that hold for the recorded step alone. Such kernels
are left out of a step that is replayed with another batch.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from autograd_lens.replay.instructions import Instruction
from autograd_lens.replay.program import Program
from autograd_lens.replay.random_kernels import draws
from autograd_lens.replay.values import Entry
from autograd_lens.trace.values import item_size

__all__ = [
    "Given",
    "ends_alike",
    "find_given",
    "guess_given",
    "seed_kernels",
    "unavailable",
    "without_makers",
]


@dataclass(frozen=True, slots=True)
class Given:
    """A tensor that a step was handed.

    Attributes:
        item: Its position among what capture kept.
        tensor: Its id on the tape.
        since: The kernel behind which it has this value, -1 where it came from outside.
    """

    item: int
    tensor: int
    since: int


def find_given(program: Program, slots: Sequence[Entry], items: Sequence[Entry]) -> list[Given]:
    """The tensors of a full step that are items which capture kept of it (NOTE 1)."""
    wanted: dict[bytes, int] = {}
    for position, item in enumerate(items):
        if isinstance(item, bytes):
            wanted.setdefault(item, position)
    found: dict[int, Given] = {}
    for number, slot in program.outside.items():
        item = _wanted(wanted, slots[slot])
        if item is not None and program.specs[number].role == "input":
            found[number] = Given(item, number, -1)
    for one in program.instructions:
        if one.phase != "forward":
            continue
        for place in one.outs:
            item = _wanted(wanted, slots[place.slot])
            if item is None or place.tensor in found or one.node is not None:
                continue
            if _needs_more(program, one, found.keys()):
                found[place.tensor] = Given(item, place.tensor, one.index)
    return list(found.values())


def guess_given(program: Program, slots: Sequence[Entry], items: Sequence[Entry]) -> list[Given]:
    """Which tensors the items of another step may stand for, where a full step has none.

    An item that is on the tape as it is needs no substitute; others are given, in order, to
    what the graph begins with and that is made of as large rows. Whether that is right is for
    the proof to tell.
    """
    there = {entry for entry in slots if isinstance(entry, bytes)}
    free = _begins_with(program)
    found = []
    for position, item in enumerate(items):
        if not isinstance(item, bytes) or item in there:
            continue
        exact = [one for one in free if _size(program, one) == len(item)]
        fitting = [one for one in free if len(item) % _row(program, one) == 0]
        for tensor in (exact or fitting)[:1]:
            made = program.makers.get(tensor, [-1]) if tensor not in program.outside else [-1]
            found.append(Given(position, tensor, made[-1]))
            free.remove(tensor)
    return found


def ends_alike(items: Sequence[Entry], others: Sequence[Entry]) -> bool:
    """Whether some items end with what others are: batches of one size, all of them.

    What stands before them was handed to modules since the last step: by a validation pass.
    """
    if not others or len(items) <= len(others):
        return False
    ends = items[len(items) - len(others) :]
    sizes = [
        (len(one), len(other))
        for one, other in zip(ends, others, strict=True)
        if isinstance(one, bytes) and isinstance(other, bytes)
    ]
    return len(sizes) == len(others) and len({Fraction(*size) for size in sizes if all(size)}) == 1


def _begins_with(program: Program) -> list[int]:
    """Tensors that the first nodes of the graph read and that follow from no parameter."""
    plain = {"parameter", "gradient", "state"}
    follows = {n for n, spec in enumerate(program.specs) if spec.role in plain}
    follows |= set(program.state) | set(program.adopted)
    found: dict[int, None] = {}
    for one in program.instructions:
        if one.phase != "forward":
            continue
        if one.node is not None:
            found.update(dict.fromkeys(n for n in one.reads if n not in follows))
            follows.update(one.makes)
        elif not follows.isdisjoint(one.reads):
            follows.update(one.makes)
    return [number for number in found if program.specs[number].shape]


def _size(program: Program, number: int) -> int:
    spec = program.specs[number]
    return (item_size(spec.dtype) or 1) * math.prod(spec.shape)


def _row(program: Program, number: int) -> int:
    spec = program.specs[number]
    return max(1, (item_size(spec.dtype) or 1) * math.prod(spec.shape[1:]))


def _wanted(wanted: Mapping[bytes, int], entry: Entry) -> int | None:
    return wanted.get(entry) if isinstance(entry, bytes) else None


def _needs_more(program: Program, one: Instruction, known: Collection[int]) -> bool:
    """Whether a result depends on something from outside that is not known already."""
    outside = program.outside
    waiting, seen = [one], set()
    while waiting:
        current = waiting.pop()
        for tensor in current.reads:
            if tensor in known:
                continue
            if tensor in outside:
                return True
            for index in program.makers.get(tensor, ()):
                if index not in seen and index <= one.index:
                    seen.add(index)
                    waiting.append(program.instructions[index])
    return False


def without_makers(program: Program, given: Sequence[Given]) -> frozenset[int]:
    """The kernels that serve for nothing but making what is given (NOTE 2)."""
    since = {one.tensor: one.since for one in given if one.since >= 0}
    last = max(since.values(), default=-1)
    used: set[int] = set()
    dropped: set[int] = set()
    for one in reversed(program.instructions):
        if one.index <= last and one.phase == "forward" and _serves(one, since, used, dropped):
            dropped.add(one.index)
        else:
            used.update(one.reads)
    return frozenset(dropped)


def _serves(one: Instruction, since: Mapping[int, int], used: set[int], dropped: set[int]) -> bool:
    if one.operator is not None and draws(one.operator, {}) and not one.obstacle:
        return False  # it moves the random generator on
    live = [n for n in one.makes if n in used and since.get(n, -1) < one.index]
    return bool(dropped or any(n in since for n in one.makes)) and not live


def unavailable(
    program: Program, dropped: frozenset[int], given: Sequence[Given]
) -> frozenset[int]:
    """Kernels that cannot be executed: those dropped, those with an obstacle, and what follows."""
    there = {one.tensor for one in given}
    lost: set[int] = set()
    found = set(dropped)
    for one in program.instructions:
        if one.phase == "backward":
            continue
        if one.index in dropped or one.obstacle or lost.intersection(one.reads):
            found.add(one.index)
            lost.update(set(one.makes) - there)
    return frozenset(found)


def seed_kernels(program: Program) -> frozenset[int]:
    """Kernels with which a data loader draws seeds: numbers that no loss depends on."""
    roots = (root for backward in program.backwards for root in backward["roots"] if root)
    makers = [index for root in roots for index in program.makers.get(root[1], ())]
    needed = frozenset(makers).union(*(program.depends[index] for index in makers))
    return frozenset(
        one.index
        for one in program.instructions
        if one.op == "aten.random_.default" and one.phase == "forward" and one.index not in needed
    )
