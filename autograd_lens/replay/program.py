"""A full step's template as a program: every kernel of the step, forward to zeroing.

``tape.Tape`` is the forward alone, as a function of the parameters. A ``Program`` is the whole
step, with its engine runs; what it executes is decided once for each template, so that going
through thousands of steps costs little more than their kernels.

NOTE 1 [Under autograd or not]: the template does not say which kernels ran under
``torch.no_grad()``. A kernel that made a node of the graph did not; one that made none though
its input requires grad either did or leads nowhere, and is executed without grad. The
exceptions are views that a later kernel writes into: the node of such a view was replaced by
that of the write (``CopySlices``, which no kernel of the tape made), and all of them have to
be executed under autograd again.

NOTE 2 [Kernels inside of kernels]: what has no code for lazily conjugated or negated tensors
resolves them first: a ``clone`` stands on the tape in front of the kernel, below autograd, and
the node seems to be its. Such a clone is not called: the kernel is called with what was cloned.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.operators import find_operator, to_constant, writes_to
from autograd_lens.replay.patterns import Fixed, Pattern, Place, numbers_in, parse, tensors_in
from autograd_lens.trace.records import Constant

__all__ = ["Instruction", "Program", "Spec"]

Json = Mapping[str, Any]

# Which result is memory for the backward, that is not filled as a whole.
_SCRATCH = {
    "aten._ctc_loss.Tensor": 1,
    "aten._ctc_loss.default": 1,
    "aten.mkldnn_rnn_layer.default": 3,
}
_OVERWRITES = frozenset({"bernoulli_", "copy_", "fill_", "normal_", "random_", "uniform_", "zero_"})
_UNSET = ("aten.empty", "aten.new_empty", "aten._empty")


@dataclass(frozen=True, slots=True)
class Spec:
    """What a tensor of the program is.

    Attributes:
        name: Name in the program, else ``""``.
        role: As in ``TensorSpec``.
        dtype: torch dtype without its prefix.
        shape: Sizes.
        device: For example ``"cpu"``.
        strides: Where it comes from outside and has unusual ones.
    """

    name: str
    role: str
    dtype: str
    shape: tuple[int, ...]
    device: str
    strides: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Instruction:
    """One kernel.

    Attributes:
        index: Position on the tape.
        op: Its recorded name.
        operator: What it calls, None where ``obstacle`` says why not.
        positional: Arguments given by position.
        keywords: Arguments given by name.
        outs: Where its results go.
        phase: As in ``Kernel``.
        node: The node it made (forward), or that ran it (backward).
        backward: The engine run it belongs to.
        grad: Whether it runs under autograd (NOTE 1).
        reads: Ids of the tensors it reads.
        makes: Ids of its results.
        changes: Ids of the tensors it changes in place.
        source: Position in the template's sources, or None.
        obstacle: Why it cannot be executed, else ``""``.
        inner: Whether the next kernel runs it itself (NOTE 2).
        given: What it is called with in place of results of inner kernels: id -> id.
    """

    index: int
    op: str
    operator: torch._ops.OpOverload | None
    positional: tuple[Pattern, ...]
    keywords: tuple[tuple[str, Pattern], ...]
    outs: tuple[Place, ...]
    phase: str
    node: int | None
    backward: int
    grad: bool
    reads: tuple[int, ...]
    makes: tuple[int, ...]
    changes: frozenset[int]
    source: int | None
    obstacle: str = ""
    inner: bool = False
    given: tuple[tuple[int, int], ...] = ()


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
        strides = {number: tuple(found) for number, found in template.get("strides", ())}
        specs = tuple(
            _spec(template, entry, strides.get(number, ()))
            for number, entry in enumerate(template["tensors"])
        )
        written = _written_under_autograd(template)
        copies = any(
            node["name"] == "CopySlices"
            for backward in template["backwards"]
            for node in backward["nodes"]
        )
        instructions = tuple(
            _instruction(index, plain, written, copies=copies)
            for index, plain in enumerate(template["kernels"])
        )
        return cls(template, specs, _with_inner(template, instructions))

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
            for place in _places(instruction):
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
        for place in _places(instruction):
            if self.specs[place.tensor].role == "gradient" and place.tensor not in made:
                found.setdefault(place.tensor, place.slot)

    @cached_property
    def uninitialised(self) -> frozenset[int]:
        """Slots whose value nobody set: tensors from ``empty`` until something is written."""
        found: set[int] = set()
        unset: set[int] = set()
        for one in self.instructions:
            found.update(place.slot for place in _places(one) if place.tensor in unset)
            if one.op.split(".")[1] in _OVERWRITES:  # whatever it was before
                found.update(place.slot for place in tensors_in(one.positional[0]))
            copied = one.op == "aten.copy_.default" and unset.intersection(one.reads[1:])
            unset = unset | one.changes if copied else unset - one.changes
            found.update(place.slot for place in one.outs if copied)
            partly = one.operator is not None and _is_view(one.operator) and unset & {*one.reads}
            if partly or one.op.startswith(_UNSET):
                unset.update(one.makes)
                found.update(place.slot for place in one.outs)
        return frozenset(found | self._scratch())

    @cached_property
    def filled(self) -> Mapping[int, Sequence[Place]]:
        """Reads of new memory that no kernel wrote: torch or NumPy did, behind the dispatcher."""
        found: dict[int, list[Place]] = {}
        new: set[int] = set()
        for one in self.instructions:
            if new and one.phase != "backward":
                reads = [p for p in _places(one) if p.tensor in new and p.tensor not in one.changes]
                if reads:
                    found[one.index] = reads
            touched = {self.memory[tensor] for tensor in one.changes}
            new = {tensor for tensor in new if self.memory[tensor] not in touched}
            if one.op.startswith(_UNSET) and one.phase != "backward":
                new.update(one.makes)
        return found

    def _scratch(self) -> set[int]:
        """Slots of memory that a kernel gives its backward, used in part alone."""
        places = [place for one in self.instructions for place in (*_places(one), *one.outs)]
        saved = (s for b in self.backwards for node in b["nodes"] for s in node["saved"])
        places += [place for one in saved for place in tensors_in(parse(one["value"]))]
        scratch = {
            one.makes[_SCRATCH[one.op]]
            for one in self.instructions
            if len(one.makes) > _SCRATCH.get(one.op, len(one.makes))
        }
        return {place.slot for place in places if place.tensor in scratch}

    def noise(self, one: Instruction) -> Iterator[Place]:
        """Where arguments that a kernel fills with random numbers are read next."""
        for tensor in one.changes - {*one.makes}:
            later = self.instructions[one.index + 1 :]
            places = (place for other in later for place in _places(other))
            yield from itertools.islice((p for p in places if p.tensor == tensor), 1)

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
            for place in (*_places(one), *one.outs):
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
            if spec.role == "parameter" and spec.name in made
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
        groups = list(range(len(self.specs)))
        for one in self.instructions:
            if one.operator is None or not _is_view(one.operator):
                continue
            for tensor in one.makes:
                source = groups[one.reads[0]] if one.reads else groups[tensor]
                target = groups[tensor]
                groups = [source if group == target else group for group in groups]
        return groups


def _spec(template: Json, entry: Sequence[Any], strides: tuple[int, ...]) -> Spec:
    spec, role, name = entry
    dtype, sizes, device = template["specs"][spec]
    return Spec(name, role, dtype, tuple(sizes), device, strides)


def _is_view(operator: torch._ops.OpOverload) -> bool:
    return any(
        one.alias_info is not None and not one.alias_info.is_write
        for one in operator._schema.arguments
    )


def _written_under_autograd(template: Json) -> frozenset[int]:
    """Ids of tensors that a kernel of the forward writes into and that is part of the graph."""
    found = set()
    for plain in template["kernels"]:
        if plain["phase"] == "forward" and plain["node"] is not None:
            outs = {out[1] for out in plain["outs"] if out and out[0] == "t"}
            found |= outs & {use[1] for _, use, _ in plain["args"] if use and use[0] == "t"}
    return frozenset(found)


def _instruction(index: int, plain: Json, written: frozenset[int], *, copies: bool) -> Instruction:
    operator, obstacle = None, ""
    parsed = [(name, parse(enc), keyword) for name, enc, keyword in plain["args"]]
    try:
        operator = find_operator(plain["op"])
        parsed = [(name, _constants(one, plain["op"]), kw) for name, one, kw in parsed]
    except ReplayError as error:
        obstacle = str(error)
    positional = tuple(pattern for _, pattern, keyword in parsed if not keyword)
    keywords = tuple((name, pattern) for name, pattern, keyword in parsed if keyword)
    outs = tuple(place for out in plain["outs"] for place in tensors_in(parse(out)))
    names = writes_to(operator) if operator is not None else frozenset()
    changed = (place for n, pattern, _ in parsed if n in names for place in tensors_in(pattern))
    makes = tuple(place.tensor for place in outs)
    changes = frozenset(place.tensor for place in changed)
    plainly = plain["node"] is not None or (
        plain["phase"] == "forward" and bool(written.intersection(makes))
    )
    sliced = (
        copies
        and plain["phase"] == "forward"
        and operator is not None
        and (bool(changes) or _is_view(operator))
    )
    return Instruction(
        index=index,
        op=plain["op"],
        operator=operator,
        positional=positional,
        keywords=keywords,
        outs=outs,
        phase=plain["phase"],
        node=plain["node"],
        backward=plain["backward"],
        grad=plainly or (sliced and not plain["op"].startswith("aten.detach.")),
        reads=tuple(p.tensor for _, pattern, _ in parsed for p in tensors_in(pattern)),
        makes=makes,
        changes=changes,
        source=plain["source"],
        obstacle=obstacle,
    )


def _constants(pattern: Pattern, op: str) -> Pattern:
    """Constants as torch takes them.

    Raises:
        ReplayError: One of them cannot be given back.
    """
    if isinstance(pattern, tuple):
        return tuple(_constants(item, op) for item in pattern)
    if isinstance(pattern, Fixed) and isinstance(pattern.value, Constant):
        if pattern.value.kind == "generator":
            msg = f"{op} was given a random generator of the program's own."
            raise ReplayError(msg)
        return Fixed(to_constant(pattern.value, operator=op))
    return pattern


def _places(instruction: Instruction) -> list[Place]:
    patterns = [*instruction.positional, *(pattern for _, pattern in instruction.keywords)]
    return [place for pattern in patterns for place in tensors_in(pattern)]


def _starting(backward: Json) -> Iterator[Place]:
    """The tensors that an engine run begins with: its roots, and their gradients."""
    for enc in (*backward["roots"], *backward.get("gradients", ())):
        yield from tensors_in(parse(enc))


def _with_inner(template: Json, instructions: tuple[Instruction, ...]) -> tuple[Instruction, ...]:
    """The kernels, with those known that another one runs (NOTE 2)."""
    found = list(instructions)
    for one in instructions:
        if not _is_foreign_clone(template, one):
            continue
        last = one.index + 1
        while last < len(found) and _is_clone(found[last]) and found[last].node is None:
            last += 1
        if last < len(found) and found[last].node is None and one.makes[0] in found[last].reads:
            clones = [clone for clone in found[one.index : last] if clone.phase == "forward"]
            given = tuple((clone.makes[0], clone.reads[0]) for clone in clones)
            found[last] = replace(found[last], node=one.node, grad=True, given=given)
            for clone in clones:
                found[clone.index] = replace(clone, inner=True)
    return tuple(found)


def _is_clone(one: Instruction) -> bool:
    return one.op == "aten.clone.default"


def _is_foreign_clone(template: Json, one: Instruction) -> bool:
    """Whether a kernel is a clone whose node is that of another operator."""
    if one.phase != "forward" or one.node is None or not _is_clone(one):
        return False
    name: str = template["backwards"][one.backward]["nodes"][one.node]["name"]
    return not name.startswith("Clone")
