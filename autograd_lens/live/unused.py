"""Leaving out what belongs to no backward: an evaluation between two steps.

A program may run thousands of forward passes between two of its steps. They make no node of a
graph, write nothing that lives on, and all their results are gone by the time the next backward
begins. An event behind the last backward stays where one of these holds:

- it made a node, drew random numbers, or belongs to a known optimizer;
- a tensor that it made or wrote, or one on the memory that it wrote, is still there;
- an event that stays reads what it made, or memory that it wrote.
"""

from __future__ import annotations

from typing import Any

from autograd_lens.live.stream import TENSOR, Mark, Stream, TensorEntry

__all__ = ["LONG", "drop_unused"]

LONG = 512  # events behind a backward, below which nothing is left out


def drop_unused(stream: Stream, first: int) -> int:
    """Leave out the unused kernels from an event on; returns how many there were."""
    keys, marks = stream.keys, stream.marks
    ends = [*marks[first + 1 :], Mark(len(stream.slots), len(stream.uses))]
    written = {write.event for write in stream.writes}
    homes = _homes(stream, first, ends)
    needed: set[TensorEntry] = set()  # tensors
    memory = {homes.get(one, one) for one in homes if one.reference() is not None}
    kept: list[int] = []
    for event in reversed(range(first, len(keys))):
        key: Any = keys[event]
        low, high = marks[event].use, ends[event - first].use
        made = stream.uses[high - _count(key.results) : high]
        last = event == len(keys) - 1
        stays = (
            last
            or event in written
            or key.context is not None
            or ends[event - first].sequence != marks[event].sequence
            or key.operator.draws
            or any(one in needed or one.reference() is not None for one in made)
            or (key.operator.mutated and any(homes.get(one, one) in memory for one in made))
        )
        if stays:
            kept.append(event)
            needed.update(stream.uses[low:high])
            memory.update(homes.get(one, one) for one in stream.uses[low:high])
    dropped = len(keys) - first - len(kept)
    if dropped:
        _keep_only(stream, first, kept[::-1], ends)
    return dropped


def _homes(stream: Stream, first: int, ends: list[Mark]) -> dict[TensorEntry, TensorEntry]:
    """Whose memory each view is on; everything that is viewed is its own."""
    homes: dict[TensorEntry, TensorEntry] = {}
    for event in range(first, len(stream.keys)):
        key: Any = stream.keys[event]
        if key.operator.views:
            low, high = stream.marks[event].use, ends[event - first].use
            base = homes.setdefault(stream.uses[low], stream.uses[low])
            made = stream.uses[high - _count(key.results) : high]
            homes.update((one, base) for one in made if one not in homes)
    return homes


def _count(pattern: object) -> int:
    """How many tensors a pattern stands for."""
    if pattern is TENSOR:
        return 1
    return sum(map(_count, pattern[1:])) if isinstance(pattern, tuple) else 0


def _keep_only(stream: Stream, first: int, kept: list[int], ends: list[Mark]) -> None:
    """Put the events that stay behind those before ``first``."""
    slot, use = stream.marks[first][:2]
    keys, slots, uses = stream.keys[:first], stream.slots[:slot], stream.uses[:use]
    marks = stream.marks[:first]
    places = {}
    for event in kept:
        mark, end = stream.marks[event], ends[event - first]
        places[event] = len(keys)
        keys.append(stream.keys[event])
        marks.append(Mark(len(slots), len(uses), mark.sequence, mark.turn))
        slots += stream.slots[mark.slot : end.slot]
        uses += stream.uses[mark.use : end.use]
    writes = [
        write if write.event < first else write._replace(event=places[write.event])
        for write in stream.writes
    ]
    stream.keys[:], stream.marks[:], stream.writes[:] = keys, marks, writes
    stream.slots[:], stream.uses[:] = slots, uses
