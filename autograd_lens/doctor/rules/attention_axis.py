"""Attention weights are made along one axis and summed along another, or of inflated scores.

What it finds:
    A softmax of products of queries and keys whose result is multiplied with values over an axis
    along which its numbers do not add up to 1; scores that are multiplied with the root of the
    number of features, by which they are to be divided.

Why it is bad:
    Each result should be a mean of the values, weighted by what attends. With the softmax over the
    queries the weights of one of them add up to anything: some count ten times, others nothing.
    A sum of d products is about as large as the root of d; inflated by that once more, the softmax
    chooses one key for each query, and nearly no gradient comes back.

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
    not products of two results; factors on scores of vectors of one length, which are cosines.

References:
    https://arxiv.org/abs/1706.03762
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.terms import factor
from autograd_lens.trace.graph import TapeIndex, argument, integers, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL420", "attention-axis", "error", "full")

_PRODUCTS = frozenset({"bmm", "mm"})
_SCALES = frozenset({"add", "div", "div_", "masked_fill", "mul", "mul_", "where"})
_FACTORS = frozenset({"div", "div_", "mul", "mul_"})
_FEATURES = 4  # the fewest of which the root is no common number
_PAIR = 2
_FOLLOWED = 40  # kernels
_OFF = 1e-3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first of either."""
    yield from told(RULE, evidence, lambda tape: _cases(evidence, tape))


def _cases(evidence: Evidence, tape: TapeIndex) -> Iterator[Case | None]:
    for kernel in tape.kernels:
        if kernel.phase == "forward":
            yield _normed(tape, kernel)
        if operator_name(kernel) == "_softmax" and kernel.phase == "forward":
            yield _inflated(tape, kernel)
        for use, axis in _factors(kernel):
            softmax = _maker(tape, use, kernel)
            if softmax is not None and operator_name(softmax) == "_softmax":
                sums = _sums(use, axis)
                if sums is not None and _scores(tape, softmax) is not None:
                    yield _across(evidence, kernel, softmax, sums)


def _normed(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """A layer norm over places and features, whose result attends along the places."""
    given = next(tensors(kernel.inputs), None)
    sizes = integers(kernel, "normalized_shape")
    layer = operator_name(kernel) == "native_layer_norm" and kernel.requires_grad
    if not layer or given is None or len(given.spec.shape) != _PAIR + 1 or len(sizes) != _PAIR:
        return None
    places, read, waiting = sizes[0], set[int](), [kernel.outputs[0].tensor]
    while waiting and len(read) < _FOLLOWED:
        for one in tape.readers(waiting.pop()):
            if one.index in read:
                continue
            read.add(one.index)
            out = one.outputs[0].spec.shape if one.outputs else ()
            attends = operator_name(one).startswith("_scaled_dot_product")
            square = operator_name(one) == "_softmax" and out[-_PAIR:] == (places, places)
            if (attends and argument(one, "key") is not None) or square:
                return Case(
                    kernel,
                    "a layer norm runs over places and features together",
                    f"""it takes the mean and the deviation of all {places} places of a sequence at
                    once, and what attends along these places reads the result: a loud place
                    silences all others""",
                    "nn.LayerNorm(features)  # the last axis alone",
                )
            waiting += [output.tensor for output in one.outputs]
    return None


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


def _scores(tape: TapeIndex, softmax: Kernel) -> tuple[Kernel, float, Kernel] | None:
    """The product of two results, queries and keys, the factor on it, and what put it on.

    None for other scores.
    """
    kernel, scale = _maker(tape, next(tensors(softmax.inputs)), softmax), 1.0
    by = softmax
    while kernel is not None and operator_name(kernel) in _SCALES:
        grown = [one for one in tensors(kernel.inputs) if one.tensor in tape.differentiable]
        if operator_name(kernel) in _FACTORS:
            scale, by = scale * (factor(kernel) or 1.0), kernel
        kernel = _maker(tape, grown[0], kernel) if len(grown) == 1 else None
    if kernel is None or operator_name(kernel) not in _PRODUCTS:
        return None
    makers = [_maker(tape, one, kernel) for one in tensors(kernel.inputs)]
    both = all(one is not None and one.requires_grad for one in makers)
    return (kernel, scale, by) if both else None


def _inflated(tape: TapeIndex, softmax: Kernel) -> Case | None:
    """Scores times the root of the features that were summed up."""
    product, scale, by = _scores(tape, softmax) or (softmax, 1.0, softmax)
    features = next(tensors(product.inputs)).spec.shape[-1]
    root = math.sqrt(features)
    if features < _FEATURES or abs(scale - root) > _OFF * root or _of_one_length(product):
        return None
    return Case(
        by,
        "attention scores are multiplied with the root of their features",
        f"""each score is a sum of {features} products, and is multiplied with {scale:.4g}, the root
        of that number; divided by it, scores would be as large as the vectors' own numbers. A
        softmax of scores that large chooses one key""",
        "scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])",
    )


def _of_one_length(product: Kernel) -> bool:
    """Whether queries or keys are vectors of one length, or are not known."""
    for use, axis in zip(tensors(product.inputs), (-1, -2), strict=False):
        if use.value is None or not use.value.complete:
            return True
        lengths = np.linalg.norm(use.value.array.astype(np.float64), axis=axis)
        if lengths.max() - lengths.min() < _OFF * lengths.max():
            return True
    return False


def _across(evidence: Evidence, kernel: Kernel, softmax: Kernel, sums: tuple[float, float]) -> Case:
    return Case(
        softmax,
        "attention weights are made along one axis and summed along another",
        f"""weights are made with which `{evidence.line(kernel.source)}` sums values. Along the
        axis of that sum they add up to {number(sums[0])} to {number(sums[1])}; along another one
        they add up to 1""",
        "scores.softmax(dim=-1)  # along the axis of the keys",
    )
