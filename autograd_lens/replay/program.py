"""A full step's template as a program: every kernel of the step, forward to zeroing.

``tape.Tape`` is the forward alone, as a function of the parameters. A ``Program`` is the whole
step, with its engine runs; what it executes is decided once for each template, so that going
through thousands of steps costs little more than their kernels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from autograd_lens.replay import memory
from autograd_lens.replay.instructions import (
    Instruction,
    Spec,
    instructions_of,
    places,
    specs_of,
)
from autograd_lens.replay.patterns import Place, numbers_in, parse, tensors_in

__all__ = ["Program"]

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Program:
    """All that a template says, ready to be executed.

    It has no slots, so that what follows from it is computed once.

    Attributes:
        template: The template.
        specs: What each tensor is, by id.
        instructions: The kernels in order.
    """

    template: Json
    specs: tuple[Spec, ...]
    instructions: tuple[Instruction, ...] = field(repr=False)

    @classmethod
    def of(cls, template: Json) -> Program:
        """The program of a template."""
        return cls(template, specs_of(template), instructions_of(template))

    @property
    def backwards(self) -> Sequence[Json]:
        """The engine runs as the template describes them."""
        backwards: Sequence[Json] = self.template["backwards"]
        return backwards

    @cached_property
    def starts(self) -> Mapping[int, int]:
        """Position at which each engine run begins -> its number."""
        starts: dict[int, int] = {}
        for number, backward in enumerate(self.backwards):
            ran = [k for run in backward["runs"] for k in run["kernels"]]
            first = min(ran) if ran else self._behind_roots(backward)
            while first in starts:
                first += 1
            starts[first] = number
        return starts

    def _behind_roots(self, backward: Json) -> int:
        roots = {root[1] for root in backward["roots"] if root and root[0] == "t"}
        made = [i.index for i in self.instructions if roots.intersection(i.makes)]
        return max(made, default=-1) + 1

    @cached_property
    def outside(self) -> Mapping[int, int]:
        """Tensors that are there before any kernel makes them: id -> slot of the first value."""
        found: dict[int, int] = {}
        made: set[int] = set()
        for instruction in self.instructions:
            if instruction.phase == "backward" and instruction.node is not None:
                made.update(instruction.makes)
                self._gradients(instruction, made, found)
                continue
            for place in places(instruction):
                if place.tensor not in made:
                    found.setdefault(place.tensor, place.slot)
            made.update(instruction.makes)
        for backward in self.backwards:
            for place in _starting(backward):
                if place.tensor not in made:
                    found.setdefault(place.tensor, place.slot)
        return found

    def _gradients(self, instruction: Instruction, made: set[int], found: dict[int, int]) -> None:
        """The engine makes tensors of its own; of those from outside it reads ``.grad`` alone."""
        for place in places(instruction):
            if self.specs[place.tensor].role == "gradient" and place.tensor not in made:
                found.setdefault(place.tensor, place.slot)

    @cached_property
    def uninitialised(self) -> frozenset[int]:
        """Slots whose value nobody set, or set in part alone."""
        scratch = memory.scratch(self.instructions, self.backwards)
        return frozenset(memory.uninitialised(self.instructions) | scratch)

    @cached_property
    def filled(self) -> Mapping[int, Sequence[Place]]:
        """By kernel, what it reads of new memory that no kernel wrote."""
        return memory.filled(self.instructions, self.memory)

    def noise(self, one: Instruction) -> Iterator[Place]:
        """Where arguments that a kernel fills with random numbers are read next."""
        return memory.noise(self.instructions, one)

    @cached_property
    def update_ops(self) -> tuple[str, ...]:
        """The operators of the update."""
        return tuple(one.op for one in self.instructions if one.phase == "update")

    @cached_property
    def update_numbers(self) -> tuple[int, ...]:
        """Slots of the numbers that the update computes with."""
        return tuple(
            number.slot
            for one in self.instructions
            if one.phase == "update"
            for pattern in (*one.positional, *(pattern for _, pattern in one.keywords))
            for number in numbers_in(pattern)
        )

    @cached_property
    def slot_names(self) -> Mapping[int, str]:
        """What the value in a slot is, in a few words."""
        names: dict[int, str] = {}
        for one in self.instructions:
            for place in (*places(one), *one.outs):
                name = self.specs[place.tensor].name
                what = f"{name} in " if name else ""
                names[place.slot] = f"{what}kernel {one.index}, {one.op}"
        return names

    def describe(self, tensor: int) -> str:
        """A tensor in a few words, for messages."""
        spec = self.specs[tensor]
        return f"{spec.name or 'a tensor'} ({spec.dtype}, shape {spec.shape})"

    @cached_property
    def leaves(self) -> frozenset[str]:
        """Names of the parameters that some engine run reaches."""
        nodes = (node for backward in self.backwards for node in backward["nodes"])
        return frozenset(node["variable"] for node in nodes if node["variable"])

    @cached_property
    def adopted(self) -> Mapping[int, str]:
        """Leaves that the step itself makes (``x.clone().requires_grad_()``): id -> name."""
        outside = {self.specs[number].name for number in self.outside}
        made = self.leaves - outside
        found = {
            number: spec.name
            for number, spec in enumerate(self.specs)
            if spec.role in {"parameter", "input", "intermediate"} and spec.name in made
        }
        return found or self._adopted_by_place(made)

    def _adopted_by_place(self, made: frozenset[str]) -> dict[int, str]:
        """Leaves without a name of their own are known by where the graph ends in them.

        The kernel that made the last node reads the leaf at the position of the node's edge,
        counting what can have a gradient.
        """
        found: dict[int, str] = {}
        for backward in self.backwards:
            nodes = backward["nodes"]
            for start, position, end, _ in backward["edges"]:
                name, kernel = nodes[end]["variable"], nodes[start]["kernel"]
                if name in made and kernel is not None:
                    reads = self.instructions[kernel].reads
                    smooth = [n for n in reads if "float" in self.specs[n].dtype]
                    if position < len(smooth):
                        found[smooth[position]] = name
        return found

    @cached_property
    def state(self) -> tuple[int, ...]:
        """Ids of what a step changes and the next one finds: running statistics, momenta."""
        plain = {"parameter", "gradient"}
        changed = frozenset[int]().union(*(one.changes for one in self.instructions))
        return tuple(n for n in self.outside if n in changed and self.specs[n].role not in plain)

    @cached_property
    def makers(self) -> Mapping[int, Sequence[int]]:
        """The kernels that make or change each tensor, in order."""
        found: dict[int, list[int]] = {}
        for one in self.instructions:
            for tensor in {*one.makes, *one.changes}:
                found.setdefault(tensor, []).append(one.index)
        return found

    @cached_property
    def depends(self) -> Mapping[int, frozenset[int]]:
        """The kernels that each kernel's results depend on, through values or shared memory."""
        latest: dict[int, set[int]] = {}
        found: dict[int, frozenset[int]] = {}
        for one in self.instructions:
            own = set[int]().union(*(latest.get(tensor, set()) for tensor in one.reads))
            found[one.index] = frozenset(own)
            behind = own | {one.index}
            for tensor in one.makes:
                latest[tensor] = latest.get(tensor, set()) | behind
            if one.changes:
                self._share(one, latest, behind)
        return found

    def _share(self, one: Instruction, latest: dict[int, set[int]], behind: set[int]) -> None:
        """A write into a view is a write into all that shares its memory."""
        groups = self.memory
        touched = {groups[tensor] for tensor in one.changes}
        for tensor, before in latest.items():
            if groups[tensor] in touched:
                latest[tensor] = before | behind

    @cached_property
    def memory(self) -> Sequence[int]:
        """A number for each tensor, the same for tensors that may share memory."""
        return memory.shared_memory(self.instructions, len(self.specs))


def _starting(backward: Json) -> Iterator[Place]:
    """The tensors that an engine run begins with: its roots, and their gradients."""
    for enc in (*backward["roots"], *backward.get("gradients", ())):
        yield from tensors_in(parse(enc))
