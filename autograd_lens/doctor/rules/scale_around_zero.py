"""The scale of a normalisation begins around 0.

What it finds:
    The weight of a batch, layer or group normalisation that holds small numbers of both signs in
    the first step, as ``normal_(weight, 0, 0.02)`` makes them where ``normal_(weight, 1, 0.02)``
    was meant.

Why it is bad:
    A normalisation multiplies by that scale. Next to nothing is left of what comes in, some of it
    with the other sign, and as little of the gradient.

Evidence it needs:
    The first full step: the scales.

Example:
    nn.init.normal_(norm.weight, 0.0, 0.02)

Corrected:
    nn.init.normal_(norm.weight, 1.0, 0.02)

When it is silent:
    Scales of exactly 0, which are a way to begin without a branch, and those of later steps.

References:
    https://arxiv.org/abs/1511.06434
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.source import called
from autograd_lens.trace.graph import argument, operator_name
from autograd_lens.trace.records import Kernel, Source
from autograd_lens.trace.values import Value

RULE = Rule("AL307", "scale-around-zero", "warning", "full")

_FEWEST = 4  # numbers
_LARGEST = 0.3  # of their mean, in standard deviations; and of these
_DRAWS = frozenset({"normal_", "uniform_", "trunc_normal_"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such scale."""
    first = evidence.full[0] if evidence.full and evidence.full[0].index == 0 else None
    for kernel in first.kernels if first is not None else ():
        if kernel.phase != "forward" or "_norm" not in operator_name(kernel):
            continue
        weight = argument(kernel, "weight")
        spread = _around_zero(weight.value) if weight is not None and weight.spec.name else None
        if weight is not None and spread is not None:
            yield _finding(evidence, kernel, weight.spec.name, *spread)
            return


def _around_zero(value: Value | None) -> tuple[float, float] | None:
    """The mean and the standard deviation of small numbers of both signs."""
    if value is None or not value.complete or value.numel < _FEWEST or len(value.shape) != 1:
        return None
    numbers = value.array.astype(np.float64)
    mean, spread = float(numbers.mean()), float(numbers.std())
    both = bool((numbers > 0).any() and (numbers < 0).any())
    return (mean, spread) if both and abs(mean) < spread < _LARGEST else None


def _finding(evidence: Evidence, kernel: Kernel, name: str, mean: float, spread: float) -> Finding:
    return RULE.finding(
        title=f"{name} begins around 0",
        message=f"""In step 0, {operator_name(kernel)} multiplies what it has normalised with
            {name}, whose numbers lie around {number(mean)} with a standard deviation of
            {number(spread)}. A normalisation that is to leave things as they are begins with
            1.""",
        fix="nn.init.normal_(norm.weight, 1.0, 0.02)  # or nn.init.ones_",
        step=0,
        kernel=kernel,
        source=_drawn(evidence, kernel.source) or kernel.source,
    )


def _drawn(evidence: Evidence, source: Source | None) -> Source | None:
    """The line that draws the weights of a normalisation, where one alone does."""
    found = [
        one.lineno
        for block in ast.walk(evidence.code(source).tree)
        if isinstance(block, ast.If) and "Norm" in ast.unparse(block.test)
        for statement in block.body
        for one in ast.walk(statement)
        if isinstance(one, ast.Call) and called(one) in _DRAWS
    ]
    return Source.at(source.file, found[0]) if source is not None and len(found) == 1 else None
