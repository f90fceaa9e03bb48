"""A divergence between two softmaxes of which one alone has a temperature.

What it finds:
    ``kl_div`` between what a model and a teacher say, one of them divided by a temperature above 1
    before its softmax and the other not, or by another one.

Why it is bad:
    What is compared are a soft and a sharp distribution. The model learns scores that are as flat
    as the softened ones, not those of the teacher.

Evidence it needs:
    A full step: both softmaxes, and what each was given.

Example:
    F.kl_div(F.log_softmax(s, 1), F.softmax(t / 4, 1), reduction="batchmean")

Corrected:
    F.kl_div(F.log_softmax(s / 4, 1), F.softmax(t / 4, 1), reduction="batchmean") * 4**2

When it is silent:
    Temperatures below 1, which sharpen a target on purpose, and scores from elsewhere.

References:
    https://arxiv.org/abs/1503.02531
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.tape import divergence
from autograd_lens.doctor.terms import factor
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL433", "softened-one-side", "error", "full")

_SCORES = frozenset({"addmm", "mm", "bmm", "convolution", "matmul"})
_APART = 1.2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such divergence."""
    yield from told(RULE, evidence, lambda tape: (_case(tape, one) for one in tape.kernels))


def _case(tape: TapeIndex, kernel: Kernel) -> Case | None:
    pair = divergence(tape, kernel)
    if pair is None or not pair[2].requires_grad:
        return None
    given, target, product = pair
    one, two = _softened(tape, given, product), _softened(tape, target, product)
    if one is None or two is None:
        return None
    (own, mine), (other, theirs) = one, two
    softer = max(own, other)
    if softer <= _APART or softer / min(own, other) < _APART or min(own, other) < 1:
        return None
    return Case(
        mine if own < other else theirs,
        f"one side of the divergence has a temperature of {number(own)}, the other {number(other)}",
        f"""the scores of the prediction are divided by {number(own)} before their softmax, and
        those of the target by {number(other)}""",
        "F.kl_div(log_softmax(scores / T, 1), softmax(teacher_scores / T, 1))  # times T**2",
    )


def _softened(tape: TapeIndex, use: TensorUse, before: Kernel) -> tuple[float, Kernel] | None:
    """The temperature of a softmax over scores of a model, and its kernel."""
    soft = tape.through_views(use.tensor, before.index)
    if soft is None or operator_name(soft) not in ("_softmax", "_log_softmax"):
        return None
    scale, kernel = 1.0, tape.through_views(next(tensors(soft.inputs)).tensor, soft.index)
    while kernel is not None and operator_name(kernel) in ("mul", "div"):
        by = factor(kernel)
        if not by or by < 0:
            return None
        scale *= by
        kernel = tape.through_views(next(tensors(kernel.inputs)).tensor, kernel.index)
    known = kernel is not None and operator_name(kernel) in _SCORES
    return (1 / scale, soft) if known else None
