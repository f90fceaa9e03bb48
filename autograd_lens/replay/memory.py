"""Memory of a program that holds no recorded result: never set, or filled behind torch's back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autograd_lens.replay.instructions import Instruction, is_view, places
from autograd_lens.replay.patterns import Place, parse, tensors_in

__all__ = ["filled", "noise", "scratch", "shared_memory", "uninitialised"]

Json = Mapping[str, Any]

# Which result is memory for the backward, that is not filled as a whole.
_SCRATCH = {
    "aten._ctc_loss.Tensor": 1,
    "aten._ctc_loss.default": 1,
    "aten.mkldnn_rnn_layer.default": 3,
}
_OVERWRITES = frozenset({"bernoulli_", "copy_", "fill_", "normal_", "random_", "uniform_", "zero_"})
_UNSET = ("aten.empty", "aten.new_empty", "aten._empty")


def uninitialised(instructions: Sequence[Instruction]) -> set[int]:
    """Slots whose value nobody set: tensors from ``empty`` until something is written."""
    found: set[int] = set()
    unset: set[int] = set()
    for one in instructions:
        found.update(place.slot for place in places(one) if place.tensor in unset)
        if not _OVERWRITES.isdisjoint(one.op.split(".")):  # whatever it was before
            found.update(place.slot for place in itertools.islice(places(one), 1))
        copied = one.op == "aten.copy_.default" and unset.intersection(one.reads[1:])
        unset = unset | one.changes if copied else unset - one.changes
        found.update(place.slot for place in one.outs if copied)
        partly = one.operator is not None and is_view(one.operator) and unset & {*one.reads}
        if partly or one.op.startswith(_UNSET):
            unset.update(one.makes)
            found.update(place.slot for place in one.outs)
    return found


def scratch(instructions: Sequence[Instruction], backwards: Sequence[Json]) -> set[int]:
    """Slots of memory that a kernel gives its backward, used in part alone."""
    found = [place for one in instructions for place in (*places(one), *one.outs)]
    saved = (s for backward in backwards for node in backward["nodes"] for s in node["saved"])
    found += [place for one in saved for place in tensors_in(parse(one["value"]))]
    partly = {
        one.makes[_SCRATCH[one.op]]
        for one in instructions
        if len(one.makes) > _SCRATCH.get(one.op, len(one.makes))
    }
    return {place.slot for place in found if place.tensor in partly}


def filled(
    instructions: Sequence[Instruction], groups: Sequence[int]
) -> dict[int, Sequence[Place]]:
    """Reads of new memory that no kernel wrote: torch or NumPy did, behind the dispatcher.

    Args:
        instructions: The kernels.
        groups: Which tensors share memory.
    """
    found: dict[int, Sequence[Place]] = {}
    new: set[int] = set()
    for one in instructions:
        if one.phase == "backward":
            continue
        reads = [p for p in places(one) if p.tensor in new and p.tensor not in one.changes]
        if reads:
            found[one.index] = reads
        touched = {groups[tensor] for tensor in one.changes}
        new = {tensor for tensor in new if groups[tensor] not in touched}
        if one.op.startswith(_UNSET):
            new.update(one.makes)
    return found


def noise(instructions: Sequence[Instruction], one: Instruction) -> Iterator[Place]:
    """Where arguments that a kernel fills with random numbers are read next."""
    for tensor in one.changes - {*one.makes}:
        later = (place for other in instructions[one.index + 1 :] for place in places(other))
        yield from itertools.islice((place for place in later if place.tensor == tensor), 1)


def shared_memory(instructions: Sequence[Instruction], tensors: int) -> list[int]:
    """A number for each tensor, the same for tensors that may share memory."""
    groups = list(range(tensors))
    for one in instructions:
        if one.operator is None or not is_view(one.operator):
            continue
        for tensor in one.makes:
            source = groups[one.reads[0]] if one.reads else groups[tensor]
            target = groups[tensor]
            groups = [source if group == target else group for group in groups]
    return groups
