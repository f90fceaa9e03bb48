"""A term of the loss is added to it twice.

What it finds:
    A single number that reaches the loss along two ways, both of which only add: an auxiliary
    loss that is added to the main one, and then to the sum of all losses once more.

Why it is bad:
    The term weighs twice what was meant, and the number that is printed is not the one that the
    parts add up to.

Evidence it needs:
    A full step: the kernels that computed the loss.

Example:
    flow = flow + auxiliary
    loss = flow + auxiliary

Corrected:
    loss = flow + auxiliary

When it is silent:
    Terms that are scaled on one of the ways, and numbers that carry no gradient.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.add.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.trace.graph import TapeIndex, constant, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL410", "term-counted-twice", "warning", "full")

_ADDS = frozenset({"add", "add_"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first number that is added twice."""
    for tape in evidence.tapes:
        for place in range(len(tape.step.backwards)):
            root = tape.loss_kernel(place)
            twice = _twice(tape, root) if root is not None else None
            if twice is not None:
                yield _finding(tape, *twice)
                return


def _twice(tape: TapeIndex, root: Kernel) -> tuple[TensorUse, Kernel] | None:
    """The number, and the kernel that added it first."""
    waiting, seen = [root], dict[tuple[int, int], Kernel]()  # by what made a tensor what it is
    while waiting:
        kernel = waiting.pop(0)
        plain = operator_name(kernel) in _ADDS and constant(kernel, "alpha") in (None, 1)
        for use in tensors(kernel.inputs) if plain else ():
            maker = tape.maker(use.tensor, kernel.index)
            if use.spec.shape != () or maker is None or not maker.requires_grad:
                continue
            key = use.tensor, maker.index  # one kernel may have made several: unbind
            if key in seen:
                return use, min(kernel, seen[key], key=lambda one: one.index)
            seen[key] = kernel
            waiting.append(maker)
    return None


def _finding(tape: TapeIndex, use: TensorUse, kernel: Kernel) -> Finding:
    step, value = tape.step, use.value
    known = value is not None and value.complete
    amount = f", {number(float(value.item().real))}," if value is not None and known else ""
    name = f"`{use.spec.name}`" if use.spec.name else "a term"
    return RULE.finding(
        title="a term is added to the loss twice",
        message=f"""In step {step.index}, {name}{amount} is part of two summands of the loss
            {number(step.loss or 0.0)}: added here, and once more on the way to the loss.""",
        fix="# add it once",
        step=step.index,
        kernel=kernel,
    )
