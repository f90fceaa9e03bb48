"""A divergence between two softmaxes of which one alone has a temperature.

What it finds:
    ``kl_div`` between what a model and a teacher say, one of them divided by a temperature
    above 1 before its softmax and the other not, or by another one. Similarities with and
    without a temperature in one softmax; a softened divergence that goes into the loss, beside
    one on labels, without the square of its temperature.

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
from autograd_lens.doctor.tape import LOSSES, divergence
from autograd_lens.doctor.terms import Term, factor, loss_terms, unscaled
from autograd_lens.trace.graph import TapeIndex, constant, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL433", "softened-one-side", "error", "full")

_SCORES = frozenset({"addmm", "mm", "bmm", "convolution", "matmul"})
_SIMILAR = frozenset({"mm", "bmm", "sum", "matmul", "linalg_vecdot"})
_APART = 1.2
_COSINE = 1.01
_SOFT = 2.0
_CLOSE = 1e-3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such divergence."""
    yield from told(RULE, evidence, lambda tape: (_case(tape, one) for one in tape.kernels))
    yield from told(RULE, evidence, lambda tape: (_joined(tape, one) for one in tape.kernels))
    yield from told(RULE, evidence, _uncorrected)


def _joined(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """Products of unit vectors put side by side for one softmax, some of them divided."""
    if operator_name(kernel) != "cat" or not kernel.requires_grad or not _to_softmax(tape, kernel):
        return None
    scales = list[float]()
    for use in tensors(kernel.inputs):
        made, scale, _ = unscaled(tape, use.tensor, kernel.index)
        if made is None or operator_name(made) not in _SIMILAR or use.value is None:
            return None
        largest = max(abs(use.value.array.min()), abs(use.value.array.max())) / scale
        if not use.value.complete or largest > _COSINE:
            return None
        scales.append(scale)
    if len(scales) <= 1 or max(scales) / min(scales) < _APART:
        return None
    return Case(
        kernel,
        "scores with and without a temperature compete in one softmax",
        f"""similarities are put side by side, some multiplied by {number(max(scales))} and others
        by {number(min(scales))}, and one softmax runs over all of them: those with the smaller
        factor can never win""",
        "logits = torch.cat([positive, negative], 1) / temperature",
    )


def _to_softmax(tape: TapeIndex, kernel: Kernel) -> bool:
    readers = tape.readers(kernel.outputs[0].tensor)
    return any(operator_name(one) in ("_log_softmax", "logsumexp", "_softmax") for one in readers)


def _uncorrected(tape: TapeIndex) -> Iterator[Case | None]:
    """A softened divergence that counts less than once beside a loss on labels."""
    for backward in range(len(tape.step.backwards)):
        terms = loss_terms(tape, backward)
        hard = [one for one in terms if operator_name(one.kernel) in LOSSES]
        for kernel in tape.kernels if hard else ():
            pair = divergence(tape, kernel)
            if pair is None or not pair[2].requires_grad:
                continue
            given, target, product = pair
            one, two = _softened(tape, given, product), _softened_any(tape, target, product)
            weight = _weight(tape, terms, product)
            if one is None or two is None or weight is None or one[0] < _SOFT:
                continue
            if abs(one[0] - two) < _CLOSE * two and 0 < weight <= 1:
                yield Case(
                    one[1],
                    f"a divergence at temperature {number(one[0])} counts {number(weight)} times",
                    f"""both sides are divided by {number(one[0])}, which makes the gradient of the
                    divergence {number(one[0] ** 2)} times smaller, and it goes into the loss with
                    the factor {number(weight)} beside a loss on labels that keeps its size""",
                    "soft = kl * T**2",
                )


def _weight(tape: TapeIndex, terms: list[Term], product: Kernel) -> float | None:
    """What the program multiplies a divergence with, its own mean over the batch left out."""
    for term in terms:
        behind = {one.index for one in tape.ancestors(term.use.tensor, term.kernel.index + 1)}
        if product.index in behind or product.index == term.kernel.index:
            rows = product.outputs[0].spec.shape[:1]
            return abs(term.weight) * (rows[0] if rows and _divided(tape, rows[0]) else 1)
    return None


def _divided(tape: TapeIndex, rows: int) -> bool:
    """Whether a sum is divided by the number of samples, as ``batchmean`` does."""
    return any(
        operator_name(one) == "div" and constant(one, "other") == rows for one in tape.kernels
    )


def _softened_any(tape: TapeIndex, use: TensorUse, before: Kernel) -> float | None:
    """The temperature of a softmax over scores from anywhere."""
    soft = tape.through_views(use.tensor, before.index)
    if soft is None or operator_name(soft) not in ("_softmax", "_log_softmax"):
        return None
    made = tape.through_views(next(tensors(soft.inputs)).tensor, soft.index)
    by = factor(made) if made is not None and operator_name(made) in ("mul", "div") else None
    return 1 / by if by else None


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
    made, scale, products = unscaled(tape, next(tensors(soft.inputs)).tensor, soft.index)
    known = made is not None and operator_name(made) in _SCORES
    positive = all((factor(one) or 0) > 0 for one in products)
    return (1 / scale, soft) if known and positive else None
