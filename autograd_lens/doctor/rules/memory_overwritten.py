"""A memory that goes round is written at the wrong place.

What it finds:
    A tensor that outlives the steps and of which each step overwrites some rows: they lie partly
    over those of the step before, as where the place moves on by one and not by as many rows as
    were written; or they are the same ones in every step, while the rest keeps what it was filled
    with at random, and is read.

Why it is bad:
    What was remembered is lost at once, and the rest of the memory is never renewed.

Evidence it needs:
    Full steps in a row: which rows were written.

Example:
    queue[place : place + n] = keys
    place = (place + 1) % len(queue)

Corrected:
    queue[place : place + n] = keys
    place = (place + n) % len(queue)

When it is silent:
    Places that move on by what was written, or more, and memories that are filled with one number.

References:
    https://arxiv.org/abs/1911.05722
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.trace.graph import TapeIndex, argument, constant, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL616", "memory-overwritten", "error", "full")

_FEWEST = 2  # pairs of steps
_STUCK = 3
_KEY = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Write:
    """Rows that one step wrote.

    Attributes:
        step: The step.
        kernel: The kernel that wrote.
        first: The first row.
        count: How many.
        memory: What they are rows of.
    """

    step: int
    kernel: Kernel
    first: int
    count: int
    memory: TensorUse


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such memory."""
    lines: dict[_KEY, list[_Write]] = {}
    for tape in evidence.tapes:
        for key, write in _writes(tape):
            lines.setdefault(key, []).append(write)
    for writes in lines.values():
        steps = [one.step for one in writes]
        if len(set(steps)) < len(steps):
            continue  # several writes of one step are no queue
        pairs = [(one, other) for one, other in pairwise(writes) if other.step == one.step + 1]
        moved = [(one, other.first - one.first) for one, other in pairs]
        forward = [(one, far) for one, far in moved if far > 0]
        over = [one for one, far in forward if far < one.count]
        stands = len({one.first for one in writes}) == 1 and len(writes) >= _STUCK
        if len(over) >= _FEWEST and len(over) == len(forward):
            yield _overlaps(evidence, over[0], forward[0][1])
            return
        last = evidence.tapes[-1]
        if stands and _old_is_read(last, writes[-1]):
            yield _stays(evidence, writes[-1], len(writes))
            return


def _writes(tape: TapeIndex) -> Iterator[tuple[_KEY, _Write]]:
    """Rows of lasting tensors that are overwritten, with what tells one memory from another."""
    for kernel in tape.kernels:
        if operator_name(kernel) != "copy_" or kernel.phase == "backward" or not kernel.source:
            continue
        target = next(tensors(kernel.inputs), None)
        way = _way(tape, target, kernel) if target is not None else []
        if not way or operator_name(way[0]) != "slice" or target is None:
            continue
        part, memory = way[0], next(tensors(way[-1].inputs))
        base, first, axis = argument(part, "self"), constant(part, "start"), constant(part, "dim")
        made = tape.maker(memory.tensor, kernel.index)
        if base is None or made is not None or memory.spec.role == "parameter":
            continue
        axis = int(axis or 0) % len(base.spec.shape)
        count, size = target.spec.shape[axis], base.spec.shape[axis]
        picked = tuple(constant(one, "index") for one in way[1:])
        if 1 < count < size and first is not None:
            key = (kernel.source.line, memory.spec.shape, axis, picked)
            yield key, _Write(tape.step.index, kernel, int(first) % size, count, memory)


def _way(tape: TapeIndex, use: TensorUse, before: Kernel) -> list[Kernel]:
    """The views between what is written and the tensor that it is a part of, the last first."""
    way, kernel = list[Kernel](), tape.maker(use.tensor, before.index)
    while kernel is not None and operator_name(kernel) in ("slice", "select"):
        way.append(kernel)
        base = next(tensors(kernel.inputs))
        kernel = tape.maker(base.tensor, kernel.index)
    return way


def _old_is_read(tape: TapeIndex, write: _Write) -> bool:
    """Whether a loss reads all of a memory, whose other rows hold different numbers."""
    for kernel in tape.kernels:
        for use in tensors(kernel.inputs):
            whole = use.spec.shape == write.memory.spec.shape and kernel.phase == "forward"
            if not whole or operator_name(kernel) in ("slice", "select", "copy_"):
                continue
            value = use.value
            if use.tensor != write.memory.tensor and not _same(use, write.memory):
                continue
            if value is not None and value.complete and np.unique(value.array).size > write.count:
                return True
    return False


def _same(use: TensorUse, memory: TensorUse) -> bool:
    return bool(use.spec.name) and use.spec.name == memory.spec.name


def _overlaps(evidence: Evidence, write: _Write, far: int) -> Finding:
    return RULE.finding(
        title=f"{plural(write.count, 'row')} are written, and the next ones begin {far} further on",
        message=f"""In step {write.step}, `{evidence.line(write.kernel.source).strip()}` overwrites
            {plural(write.count, "row")} of a memory from row {write.first} on; the next step
            begins at row {write.first + far}. So it goes in every step that was looked at: most of
            what was just remembered is lost again.""",
        fix="place = (place + n) % size  # n: as many as were written",
        step=write.step,
        kernel=write.kernel,
    )


def _stays(evidence: Evidence, write: _Write, steps: int) -> Finding:
    return RULE.finding(
        title="the same rows of a memory are written in every step",
        message=f"""In {plural(steps, "step")} `{evidence.line(write.kernel.source).strip()}` wrote
            the {plural(write.count, "row")} from row {write.first} on, and no others. The rest of
            what the loss reads is what the memory was filled with at first.""",
        fix="place = (place + n) % size  # n: as many as were written",
        step=write.step,
        kernel=write.kernel,
    )
