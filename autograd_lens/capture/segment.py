"""One step cut from the stream, with its patterns turned back into arguments."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import torch

from autograd_lens.live.reading import DTYPE_NAMES
from autograd_lens.live.stream import NUMBER, TENSOR, Opaque, Stream, TensorEntry

__all__ = ["Cursor", "Segment"]

Encoded = list[Any] | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of events of the stream.

    Attributes:
        keys: What is the same each time, per event.
        marks: (first slot, first use, sequence, loop position) per event, as in the stream.
        slots: Values of these events.
        entries: Tensor of each use.
        ids: Id within the step of each use.
        tensors: Tensor by id.
        offset: Positions in the stream of the first event, slot and use.
    """

    keys: list[Any]
    marks: list[tuple[int, int, int, int]]
    slots: list[Any]
    entries: list[TensorEntry]
    ids: list[int]
    tensors: list[TensorEntry]
    offset: tuple[int, int, int]

    @classmethod
    def cut(cls, stream: Stream, first: int, last: int) -> Segment:
        """The events from ``first`` to before ``last``."""
        slot_low, use_low = _start(stream, first)
        slot_high, use_high = _start(stream, last)
        entries = stream.uses[use_low:use_high]
        numbers: dict[TensorEntry, int] = {}
        ids = [numbers.setdefault(entry, len(numbers)) for entry in entries]
        return cls(
            keys=stream.keys[first:last],
            marks=stream.marks[first:last],
            slots=stream.slots[slot_low:slot_high],
            entries=entries,
            ids=ids,
            tensors=list(numbers),
            offset=(first, slot_low, use_low),
        )

    @property
    def key(self) -> Hashable:
        """Equal for two steps that differ in nothing but their slots."""
        specs = tuple([entry.spec for entry in self.tensors])
        return (tuple(self.keys), tuple(self.ids), specs)

    def cursor(self, event: int) -> Cursor:
        """Reads the slots and uses of one event of this segment."""
        mark = self.marks[event]
        return Cursor(self, mark[0] - self.offset[1], mark[1] - self.offset[2])

    def cursor_at(self, slot: int, use: int) -> Cursor:
        """Reads from a position in the stream."""
        return Cursor(self, slot - self.offset[1], use - self.offset[2])


def _start(stream: Stream, event: int) -> tuple[int, int]:
    if event < len(stream.marks):
        return stream.marks[event][:2]
    return len(stream.slots), len(stream.uses)


class Cursor:
    """Walks through the slots and uses of an event as its patterns ask for them."""

    __slots__ = ("_segment", "slot", "use")

    def __init__(self, segment: Segment, slot: int, use: int) -> None:
        self._segment = segment
        self.slot = slot
        self.use = use

    def tensor(self) -> Encoded:
        """The next tensor, as ``["t", tensor, slot]``."""
        encoded = ["t", self._segment.ids[self.use], self.slot]
        self.use += 1
        self.slot += 1
        return encoded

    def encode(self, pattern: Any) -> Encoded:
        """A pattern as the template writes it."""
        if pattern is TENSOR:
            return self.tensor()
        if pattern is NUMBER:
            self.slot += 1
            return ["c", self.slot - 1]
        if isinstance(pattern, tuple):
            return ["l", [self.encode(item) for item in pattern[1:]]]
        return encode_constant(pattern)


def encode_constant(constant: Any) -> Encoded:
    """A constant as the template writes it, ``["k", kind, value]``."""
    if isinstance(constant, Opaque):
        kind, _, name = constant.partition(":")
        return ["k", kind, name]
    if isinstance(constant, torch.dtype):
        return ["k", "dtype", DTYPE_NAMES[constant]]
    if isinstance(constant, torch.device):
        return ["k", "device", str(constant)]
    return ["k", "scalar", constant]
