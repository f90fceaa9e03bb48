"""Attention weights are made along one axis and summed along another.

What it finds:
    A softmax of products of queries and keys whose result is multiplied with values over an axis
    along which its numbers do not add up to 1.

Why it is bad:
    Each result should be a mean of the values, weighted by what attends. With the softmax over the
    queries the weights of one of them add up to anything: some count ten times, others nothing.

Evidence it needs:
    A full step: the weights as the product with the values reads them.

Example:
    weights = (q @ k.transpose(1, 2)).softmax(dim=1)
    out = weights @ v

Corrected:
    weights = (q @ k.transpose(1, 2)).softmax(dim=2)
    out = weights @ v

When it is silent:
    Weights that anything changes before the product, and assignments to clusters, whose scores are
    not products of two results.

References:
    https://arxiv.org/abs/1706.03762
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL420", "attention-axis", "error", "full")

_PRODUCTS = frozenset({"bmm", "mm"})
_SCALES = frozenset({"add", "div", "div_", "masked_fill", "mul", "mul_", "where"})
_PAIR = 2
_OFF = 1e-3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such product."""
    for step in evidence.full:
        tape = TapeIndex(step)
        for kernel in step.kernels:
            for use, axis in _factors(kernel):
                softmax = _maker(tape, use, kernel)
                if softmax is None or operator_name(softmax) != "_softmax":
                    continue
                sums = _sums(use, axis)
                if sums is not None and _attends(tape, softmax):
                    yield _finding(evidence, step.index, kernel, softmax, sums)
                    return


def _maker(tape: TapeIndex, use: TensorUse, reader: Kernel) -> Kernel | None:
    """The kernel that computed what another reads, views and copies passed over."""
    kernel = tape.through_views(use.tensor, reader.index)
    while kernel is not None and operator_name(kernel) == "clone":
        base = next(tensors(kernel.inputs))
        kernel = tape.through_views(base.tensor, kernel.index)
    return kernel


def _factors(kernel: Kernel) -> Iterator[tuple[TensorUse, int]]:
    """The factors of a forward's product, each with the axis that is summed over."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) in _PRODUCTS else []
    if len(pair) == _PAIR and kernel.phase == "forward" and kernel.requires_grad:
        yield pair[0], -1
        yield pair[1], -2


def _sums(use: TensorUse, axis: int) -> tuple[float, float] | None:
    """The least and largest sum along an axis, where they are not 1 and those of another are."""
    if use.value is None or not use.value.complete:
        return None
    numbers = use.value.array.astype(np.float64)
    sums = numbers.sum(axis)
    others = [numbers.sum(other) for other in range(numbers.ndim) if other != axis % numbers.ndim]
    off = np.abs(sums - 1).max() > _OFF
    fits = any(np.abs(other - 1).max() <= _OFF for other in others)
    return (float(sums.min()), float(sums.max())) if off and fits else None


def _attends(tape: TapeIndex, softmax: Kernel) -> bool:
    """Whether scores are products of two results: of queries and keys."""
    kernel = _maker(tape, next(tensors(softmax.inputs)), softmax)
    while kernel is not None and operator_name(kernel) in _SCALES:
        grown = [one for one in tensors(kernel.inputs) if one.tensor in tape.differentiable]
        kernel = _maker(tape, grown[0], kernel) if len(grown) == 1 else None
    if kernel is None or operator_name(kernel) not in _PRODUCTS:
        return False
    makers = [_maker(tape, one, kernel) for one in tensors(kernel.inputs)]
    return all(one is not None and one.requires_grad for one in makers)


def _finding(
    evidence: Evidence, step: int, kernel: Kernel, softmax: Kernel, sums: tuple[float, float]
) -> Finding:
    return RULE.finding(
        title="attention weights are made along one axis and summed along another",
        message=f"""In step {step}, `{evidence.line(kernel.source)}` sums values with the weights of
            `{evidence.line(softmax.source)}`. Along the axis of that sum the weights add up to
            {number(sums[0])} to {number(sums[1])}; along another one they add up to 1.""",
        fix="scores.softmax(dim=-1)  # along the axis of the keys",
        step=step,
        events=(f"kernel {softmax.index} {softmax.op}", f"kernel {kernel.index} {kernel.op}"),
        source=softmax.source,
        line=evidence.line(softmax.source),
    )
