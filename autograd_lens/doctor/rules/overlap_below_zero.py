"""Boxes that do not meet are given an overlap.

What it finds:
    The width and the height of an intersection (the smaller of two ends less the larger of two
    beginnings) that are multiplied where both are below 0. Boxes given as centre and size where
    their corners are meant.

Why it is bad:
    The product of two negative numbers is a positive area. Boxes that lie apart in both directions
    count as overlapping, the more the further they are apart, and the loss rewards it.

Evidence it needs:
    A full step: the sizes that were multiplied.

Example:
    size = torch.min(end, other_end) - torch.max(start, other_start)
    area = size[:, 0] * size[:, 1]

Corrected:
    size = (torch.min(end, other_end) - torch.max(start, other_start)).clamp(min=0)
    area = size[:, 0] * size[:, 1]

When it is silent:
    Batches in which no two boxes lie apart in both directions.

References:
    https://arxiv.org/abs/1902.09630
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse
from autograd_lens.trace.values import Value

RULE = Rule("AL422", "overlap-below-zero", "error", "full")

_PAIR = 2
_FEW = 0.1


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find such products."""
    yield from told(RULE, evidence, lambda tape: (_case(tape, one) for one in tape.kernels))
    yield from told(RULE, evidence, lambda tape: (_corners(tape, one) for one in tape.kernels))


def _case(tape: TapeIndex, kernel: Kernel) -> Case | None:
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) == "mul" else []
    makers = [_meeting(tape, use, kernel) for use in pair]
    if len(pair) != _PAIR or makers[0] is None or makers[1] is None:
        return None
    one, other = (use.value for use in pair)
    if one is None or other is None or not (one.complete and other.complete):
        return None
    apart = int(((one.array < 0) & (other.array < 0)).sum()) if one.shape == other.shape else 0
    if not apart or pair[0].tensor == pair[1].tensor:
        return None
    return Case(
        kernel,
        "boxes that lie apart are given an overlap",
        f"""both sizes of an intersection are below 0 for {apart:,} of {one.numel:,} pairs: they do
        not meet in either direction, and the product says that they share an area""",
        "size = (end - start).clamp(min=0)",
        makers[0].source,
    )


def _corners(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """An intersection with boxes whose second corner lies in front of the first one."""
    if operator_name(kernel) != "sub" or kernel.phase != "forward" or not kernel.requires_grad:
        return None
    sides = [tape.maker(one.tensor, kernel.index) for one in tensors(kernel.inputs)]
    if [operator_name(one) for one in sides if one is not None] != ["minimum", "maximum"]:
        return None
    ends, beginnings = ([*tensors(one.inputs)] for one in sides if one is not None)
    for end in ends:
        for start in beginnings:
            boxes = _cut_from(tape, end), _cut_from(tape, start)
            plain = end.tensor not in tape.differentiable
            if boxes[0] is None or boxes[0] != boxes[1] or not plain:
                continue
            turned = _share_below(end.value, start.value)
            if turned > _FEW:
                return Case(
                    kernel,
                    "boxes are taken for corners and are none",
                    f"""an intersection is computed from the first two and the last two numbers of
                    boxes as from their corners, and in {turned:.0%} of the boxes that are to be met
                    the second corner lies in front of the first: they are centres and sizes""",
                    "boxes = torch.cat([centre - size / 2, centre + size / 2], 1)",
                )
    return None


def _cut_from(tape: TapeIndex, use: TensorUse) -> int | None:
    """The tensor that a slice was cut from."""
    made = tape.maker(use.tensor)
    cut = made is not None and operator_name(made) in ("slice", "select", "split", "unbind")
    return tape.memory(use.tensor) if cut else None


def _share_below(end: Value | None, start: Value | None) -> float:
    if end is None or start is None or not (end.complete and start.complete):
        return 0.0
    if end.shape != start.shape or not end.numel:
        return 0.0
    return float((end.array < start.array).mean())


def _meeting(tape: TapeIndex, use: TensorUse, before: Kernel) -> Kernel | None:
    """The kernel that took a larger beginning from a smaller end."""
    made = tape.through_views(use.tensor, before.index)
    if made is None or operator_name(made) != "sub":
        return None
    sides = [tape.through_views(one.tensor, made.index) for one in tensors(made.inputs)]
    names = [operator_name(one) for one in sides if one is not None]
    return made if names == ["minimum", "maximum"] else None
