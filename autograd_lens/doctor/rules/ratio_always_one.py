"""The ratio of new to old probabilities is 1 in every step.

What it finds:
    A policy's "old" log-probabilities that the same step computes with the policy as it is now.

Why it is bad:
    The ratio is 1 whatever was learned, so that clipping it never acts, and the policy may move as
    far as it likes within one batch.

Evidence it needs:
    Full steps: an exponential that is 1 in all elements, and that its input is the difference of
    two results of the same parameters, one of them without a gradient.

Example:
    for _ in range(epochs):
        with torch.no_grad():
            old = policy(obs).log_prob(act)
        ratio = (policy(obs).log_prob(act) - old).exp()

Corrected:
    with torch.no_grad():
        old = policy(obs).log_prob(act)
    for _ in range(epochs):
        ratio = (policy(obs).log_prob(act) - old).exp()

When it is silent:
    Ratios that are 1 in some steps only, and steps that choose the actions as well: a first pass
    over them has the ratio 1. And ``(p - p.detach()).exp()``, which means the gradient alone.

References:
    https://arxiv.org/abs/1707.06347
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.tape import made_of
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, Step

RULE = Rule("AL225", "ratio-always-one", "warning", "full")

_PAIR = 2
_FEWEST = 3  # full steps
_DRAWS = frozenset({"bernoulli", "multinomial", "normal"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find a ratio that is 1 in all full steps, and not only where the actions are chosen."""
    found = [(step, next(_ratios(TapeIndex(step)), None)) for step in evidence.full]
    kernels = [kernel for _, kernel in found if kernel is not None]
    later = [kernel for step, kernel in found if kernel is not None and not _chooses(step)]
    if len(found) < _FEWEST or len(kernels) < len(found) or len(later) < _PAIR:
        return
    step, kernel = found[-1][0], kernels[-1]
    yield RULE.finding(
        title="the ratio of new to old probabilities is always 1",
        message=f"""In all {plural(len(found), "step")} that were looked at,
            `{evidence.line(kernel.source)}` gave 1 in every element: both sides of the difference
            were computed in the same step, by the same parameters, from the same numbers.""",
        fix="# compute the old log-probabilities once, before the updates on this batch",
        step=step.index,
        kernel=kernel,
    )


def _chooses(step: Step) -> bool:
    """Whether actions are drawn in a step: a first pass over what they gave has the ratio 1."""
    return any(operator_name(one) in _DRAWS for one in step.kernels)


def _ratios(tape: TapeIndex) -> Iterator[Kernel]:
    """Exponentials that are 1 everywhere, of two results of the same parameters."""
    for kernel in tape.kernels:
        value = kernel.outputs[0].value if kernel.outputs else None
        plain = operator_name(kernel) == "exp" and kernel.phase == "forward"
        if not plain or not kernel.requires_grad or value is None or not value.complete:
            continue
        if value.numel > 1 and np.all(value.array == 1) and _of_the_same(tape, kernel):
            yield kernel


def _of_the_same(tape: TapeIndex, kernel: Kernel) -> bool:
    """Whether it is of a difference of which one side carries no gradient."""
    difference = tape.through_views(next(tensors(kernel.inputs)).tensor, kernel.index)
    sides = list(tensors(difference.inputs)) if difference is not None else []
    if difference is None or operator_name(difference) != "sub" or len(sides) != _PAIR:
        return False
    sides.sort(key=lambda side: side.tensor in tape.differentiable)
    old, new = (side.tensor in tape.differentiable for side in sides)
    if tape.itself(sides[0].tensor) == tape.itself(sides[1].tensor):
        return False  # p / p.detach() is a way to write the gradient of log p
    names = [made_of(tape, side.tensor, difference.index) for side in sides]
    return new and not old and bool(names[0]) and names[0] == names[1]
