"""The place of a maximum is taken for the maximum.

What it finds:
    The second result of ``max(dim)``, or that of ``argmax``, of what a network says, which is
    computed with as a number on the way to a regression's target: ``q.max(1)[1]`` where
    ``q.max(1)[0]`` was meant. A mask of integers, one for each row, that is used as an index.

Why it is bad:
    The target holds the number of an action and not its value.

Evidence it needs:
    Two full steps: what the target is made of.

Example:
    target = reward + gamma * q(after).max(1)[1]

Corrected:
    target = reward + gamma * q(after).max(1)[0]

When it is silent:
    Places that pick something (``gather``, an index), or that are compared with labels.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.max.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.tape import compared, made_of
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL432", "index-as-value", "error", "full")

_COUNTS = frozenset({"add", "mul", "sub", "div", "rsub", "_to_copy", "mean", "sum"})
_PAIR = 2
_ROWS = 8


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such target."""
    yield from told(RULE, evidence, lambda tape: [_case(tape)], fewest=_PAIR)
    yield from told(RULE, evidence, lambda tape: map(_bits, tape.kernels), fewest=_PAIR)


def _bits(kernel: Kernel) -> Case | None:
    """``x[mask]`` with a mask of zeros and ones: the first two rows, again and again."""
    given = list(tensors(kernel.inputs)) if operator_name(kernel) == "index" else []
    if len(given) != _PAIR or kernel.phase != "forward":
        return None
    base, places = given
    value, rows = places.value, base.spec.shape[:1]
    if value is None or not value.complete or places.spec.shape != rows or value.numel < _ROWS:
        return None
    if value.array.dtype.kind not in "iu" or set(value.array.tolist()) != {0, 1}:
        return None
    return Case(
        kernel,
        "a mask of integers picks the rows 0 and 1",
        f"""an index of {value.numel} zeros and ones, one for each row, takes row 0 and row 1 over
        and over; a mask picks the rows at its ones where it is boolean""",
        "x[mask.bool()]",
    )


def _case(tape: TapeIndex) -> Case | None:
    for kernel in tape.kernels:
        sides = compared(tape, kernel) if kernel.phase == "forward" else None
        if sides is None or not any(side.tensor in tape.differentiable for side in sides):
            continue
        for side in sides:
            place = _place(tape, side, kernel) if side.tensor not in tape.differentiable else None
            if place is not None and made_of(tape, side.tensor, kernel.index):
                return Case(
                    place,
                    "the place of a maximum is taken for a value",
                    """the target of the loss is computed from the places at which a network's
                    results are largest, as if they were these results""",
                    "next_value = q(after).max(1)[0]  # or .values, .amax(1)",
                )
    return None


def _place(tape: TapeIndex, use: TensorUse, before: Kernel) -> Kernel | None:
    """The kernel whose places a tensor is computed from, through nothing but arithmetic."""
    waiting, seen = [(use.tensor, before.index)], set[int]()
    first = True
    while waiting:
        tensor, end = waiting.pop()
        kernel = tape.through_views(tensor, end)
        if kernel is None or kernel.index in seen:
            continue
        seen.add(kernel.index)
        name = operator_name(kernel)
        outputs = [tape.memory(one.tensor) for one in kernel.outputs]
        second = name == "max" and len(outputs) == _PAIR and _shows(tape, tensor, kernel)
        if (second or name == "argmax") and not first:
            return kernel
        first = False
        if name in _COUNTS:
            waiting += [(one.tensor, kernel.index) for one in tensors(kernel.inputs)]
    return None


def _shows(tape: TapeIndex, tensor: int, kernel: Kernel) -> bool:
    """Whether a tensor is the second result of a kernel, or a view of it."""
    return tape.memory(tensor) == tape.memory(kernel.outputs[1].tensor)
