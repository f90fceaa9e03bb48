"""Scores that cannot say much, whatever the model does.

What it finds:
    Cosines that go into a softmax with a factor so small that even the best ones, 1 for the right
    class and -1 for all others, leave it less than a tenth: a temperature that is multiplied where
    it is to divide, or none.

Why it is bad:
    The loss hardly moves from the logarithm of the number of classes, and its gradient is as small.

Evidence it needs:
    A full step: the scores, and the unit vectors that they are products of.

Example:
    loss = F.cross_entropy(a @ b.T * 0.07, labels)

Corrected:
    loss = F.cross_entropy(a @ b.T / 0.07, labels)

When it is silent:
    Products of vectors of other lengths, and factors that are learned.

References:
    https://arxiv.org/abs/1704.06369
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.numbers import is_unit
from autograd_lens.doctor.terms import unscaled
from autograd_lens.trace.graph import TapeIndex, argument, constant, operator_name, tensors
from autograd_lens.trace.records import Kernel

RULE = Rule("AL431", "scores-too-flat", "warning", "full")

_PRODUCTS = frozenset({"mm", "matmul"})
_SHARE = 0.1
_PAIR = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such scores."""
    yield from told(RULE, evidence, _cases)


def _cases(tape: TapeIndex) -> Iterator[Case | None]:
    for kernel in tape.kernels:
        if operator_name(kernel) == "_log_softmax" and kernel.requires_grad:
            yield _case(tape, kernel)


def _case(tape: TapeIndex, kernel: Kernel) -> Case | None:
    given, dim = argument(kernel, "self"), constant(kernel, "dim")
    if given is None or dim is None or len(given.spec.shape) != _PAIR:
        return None
    made, scale, products = unscaled(tape, given.tensor, kernel.index)
    if made is None or operator_name(made) not in _PRODUCTS or any(map(_learned, products)):
        return None
    if not _of_units(tape, made):
        return None
    classes = given.spec.shape[int(dim)]
    best = math.exp(scale) / (math.exp(scale) + (classes - 1) * math.exp(-scale))
    if not 0 < scale <= 1 or best >= _SHARE:
        return None
    return Case(
        products[0] if products else kernel,
        f"the right class can never get more than {best:.1%}",
        f"""the scores are cosines times {number(scale)}. Even with 1 for the right class and -1
        for the {classes - 1} others, the softmax gives it {best:.1%}: the loss cannot fall below
        {number(-math.log(best))}, and it is {number(math.log(classes))} for a guess""",
        "scores = cosines / temperature  # 0.1, say",
    )


def _learned(kernel: Kernel) -> bool:
    return any(use.spec.role == "parameter" for use in tensors(kernel.inputs))


def _of_units(tape: TapeIndex, product: Kernel) -> bool:
    """Whether both sides of a product are rows of length 1; the second one is turned."""
    one, other = list(tensors(product.inputs))[:_PAIR]
    turned = tape.maker(other.tensor, product.index)
    if turned is None or operator_name(turned) not in ("t", "transpose", "permute"):
        return False
    return is_unit(one.value) and is_unit(next(tensors(turned.inputs)).value)
