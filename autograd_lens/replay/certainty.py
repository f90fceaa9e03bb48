"""Whether a replay that differs says anything about the recording.

NOTE 1 [Seen twice]: a light step does not hold all that its forward reads. What several steps
recorded in full read alike is taken to be the same in the steps between them. What they read
differently was another in this step, too, and was kept only where capture saw it handed to a
module or out of a data loader: where such a thing was not kept, a replay that differs shows
nothing but that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import PurePath
from typing import Protocol

from autograd_lens.replay.instructions import Instruction
from autograd_lens.replay.patterns import Fixed, Number, Pattern
from autograd_lens.replay.program import Program
from autograd_lens.replay.random_kernels import draws
from autograd_lens.replay.values import Entry

__all__ = ["Recorded", "draws_of", "unknowns"]


class Recorded(Protocol):
    """A step that was recorded in full; see ``sources.Donor``."""

    @property
    def program(self) -> Program:
        """Its tape."""
        ...

    @property
    def slots(self) -> Sequence[Entry]:
        """What the tape's slots hold."""
        ...


def unknowns(donor: Recorded, others: Sequence[Recorded], known: Collection[int]) -> list[str]:
    """What a forward reads that differs from step to step and was not kept (NOTE 1).

    Args:
        donor: The step whose tape is executed.
        others: The other steps of its structure.
        known: Tensors of the donor whose value in the replayed step was kept.

    Returns:
        A few words on each, for a message.
    """
    needed = _needed(donor.program, known)
    inputs = list(dict.fromkeys(_inputs(donor, others, known, needed)))
    return inputs or list(_constants(donor, others, needed))


def draws_of(program: Program) -> list[str]:
    """The operators of a step's forward that draw random numbers, in order."""
    return [
        one.op
        for one in program.instructions
        if one.phase == "forward" and one.operator is not None and draws(one.operator, {})
    ]


def _inputs(
    donor: Recorded,
    others: Sequence[Recorded],
    known: Collection[int],
    needed: Sequence[Instruction],
) -> Iterator[str]:
    program = donor.program
    read = {tensor for one in needed for tensor in one.reads}
    contents = [{str(o.slots[slot]) for _, slot in _from_outside(o.program)} for o in others]
    for number, slot in _from_outside(program):
        if number in known or number in program.state:
            continue
        if number in read and not all(str(donor.slots[slot]) in there for there in contents):
            yield program.describe(number)


def _from_outside(program: Program) -> Iterator[tuple[int, int]]:
    """Tensors and slots of values that no kernel made: inputs, and memory that others filled."""
    for number, slot in program.outside.items():
        if program.specs[number].role == "input":
            yield number, slot
    for places in program.filled.values():
        for place in places:
            yield place.tensor, place.slot


def _constants(
    donor: Recorded, others: Sequence[Recorded], needed: Sequence[Instruction]
) -> Iterator[str]:
    """Numbers in the calls of the forward, where the steps differ in them."""
    own = [(one.op, _numbers(one, donor.slots)) for one in needed]
    for other in others:
        instructions = _needed(other.program, ())
        theirs = {(one.op, _numbers(one, other.slots)) for one in instructions}
        for one, call in zip(needed, own, strict=True):
            if call not in theirs:
                yield f"a number that {one.op} is called with{_line(donor.program, one)}"
                return


def _needed(program: Program, known: Collection[int]) -> list[Instruction]:
    """The kernels of the forward that a loss depends on, up to what is known."""
    roots = {r[1] for backward in program.backwards for r in backward["roots"] if r and r[0] == "t"}
    wanted = set(roots)
    found = []
    for one in reversed(program.instructions):
        if one.phase != "forward" or wanted.isdisjoint({*one.makes, *one.changes}):
            continue
        if known and set(one.makes) <= set(known):
            continue
        found.append(one)
        wanted.update(one.reads)
    return found[::-1]


def _numbers(one: Instruction, slots: Sequence[Entry]) -> str:
    patterns = (*one.positional, *(pattern for _, pattern in one.keywords))
    return repr([*_values(patterns, slots)])


def _values(pattern: Pattern, slots: Sequence[Entry]) -> Iterator[object]:
    if isinstance(pattern, tuple):
        for part in pattern:
            yield from _values(part, slots)
    elif isinstance(pattern, Number):
        yield slots[pattern.slot]
    elif isinstance(pattern, Fixed):
        yield pattern.value


def _line(program: Program, one: Instruction) -> str:
    if one.source is None:
        return ""
    file, line = program.template["sources"][one.source][:2]
    return f" in {PurePath(file).name}, line {line}"
