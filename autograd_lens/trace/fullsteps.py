"""Slots of full steps as blocks: one column per slot, one row per step.

NOTE 1: in one step many slots hold the same bytes object (a kernel's output is the next
one's input), and they do so in every step of the template. Slots whose objects are the same
in all steps of a batch share one column: found by comparing ids, which is much cheaper than
comparing bytes, and right because the batch keeps all objects alive. What is equal in content
only is found by the digest of the packed column.
"""

from __future__ import annotations

from collections.abc import Sequence

import xxhash

from autograd_lens.trace.columns import INLINE, Entry, Packed, Put, pack_block, pack_column

__all__ = ["pack_fulls", "slots_bytes"]


def slots_bytes(slots: Sequence[Entry]) -> tuple[int, int]:
    """Bytes in a step's slots, each object counted once.

    Returns:
        Bytes stored inside the batch, and all bytes.
    """
    sizes = [
        len(entry)
        for entry in {id(entry): entry for entry in slots}.values()
        if type(entry) is bytes
    ]
    return sum(size for size in sizes if size <= INLINE), sum(sizes)


def pack_fulls(steps: Sequence[Sequence[Entry]], put: Put) -> bytes:
    """A batch of steps of one template and one number of slots."""
    same_objects: dict[tuple[int, ...], Packed] = {}
    same_content: dict[tuple[int, int, bytes], Packed] = {}
    columns = []
    for entries in zip(*steps, strict=True):
        ids = tuple(map(id, entries))
        column = same_objects.get(ids)
        if column is None:
            packed = pack_column(entries, put)
            content = (packed.layout, packed.kind, xxhash.xxh3_128_digest(packed.payload))
            column = same_objects[ids] = same_content.setdefault(content, packed)
        columns.append(column)
    return pack_block(len(steps), columns, {})
