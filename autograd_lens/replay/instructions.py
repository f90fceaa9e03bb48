"""The kernels of a template, parsed once: what each calls, with what, and how.

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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from autograd_lens.errors import ReplayError
from autograd_lens.replay.operators import find_operator, to_constant, writes_to
from autograd_lens.replay.patterns import Fixed, Pattern, Place, parse, tensors_in
from autograd_lens.trace.records import Constant

__all__ = ["Instruction", "Spec", "instructions_of", "is_view", "places", "specs_of"]

Json = Mapping[str, Any]


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


def specs_of(template: Json) -> tuple[Spec, ...]:
    """What the tensors of a template are, by id."""
    strides = {number: tuple(found) for number, found in template.get("strides", ())}
    return tuple(
        _spec(template, entry, strides.get(number, ()))
        for number, entry in enumerate(template["tensors"])
    )


def instructions_of(template: Json) -> tuple[Instruction, ...]:
    """The kernels of a template, in order."""
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
    return _with_inner(template, instructions)


def _spec(template: Json, entry: Sequence[Any], strides: tuple[int, ...]) -> Spec:
    spec, role, name = entry
    dtype, sizes, device = template["specs"][spec]
    return Spec(name, role, dtype, tuple(sizes), device, strides)


def is_view(operator: torch._ops.OpOverload) -> bool:
    """Whether an operator's results share the memory of an argument."""
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
        and (bool(changes) or is_view(operator))
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


def places(instruction: Instruction) -> list[Place]:
    """All tensors that an instruction reads, in order."""
    patterns = [*instruction.positional, *(pattern for _, pattern in instruction.keywords)]
    return [place for pattern in patterns for place in tensors_in(pattern)]


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
