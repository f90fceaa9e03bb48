"""Noise is scaled with the variance where the standard deviation is meant.

What it finds:
    A variational autoencoder that draws ``mu + eps * exp(logvar)``, while its divergence takes
    exp(logvar) for the variance.

Why it is bad:
    The sample has another spread than the one that the divergence pays for. Training and
    generation do not fit.

Evidence it needs:
    A full step: what multiplies the random numbers, and the terms of the loss.

Example:
    z = mu + torch.randn_like(mu) * logvar.exp()
    kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()

Corrected:
    z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
    kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()

When it is silent:
    Models whose divergence is written for the logarithm of the standard deviation.

References:
    https://arxiv.org/abs/1312.6114
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.terms import Term, loss_terms
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel

RULE = Rule("AL417", "variance-for-deviation", "warning", "full")

_DRAWS = frozenset({"randn", "randn_like", "normal_", "normal", "normal_functional"})
_PAIR = 2
_CLOSE = 1e-6


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find noise that is scaled with a variance."""
    for tape in evidence.tapes:
        for backward in range(len(tape.step.backwards)):
            for logarithm in _variances(loss_terms(tape, backward)):
                kernel = _scaled(tape, logarithm)
                if kernel is not None:
                    yield _finding(evidence, tape.step.index, kernel)
                    return


def _variances(terms: list[Term]) -> Iterator[int]:
    """Tensors v of which a loss holds ``exp(v) - v``: logarithms of variances."""
    for term in terms:
        if operator_name(term.kernel) != "exp":
            continue
        logarithm = next(tensors(term.kernel.inputs)).tensor
        same = (one for one in terms if one.use.tensor == logarithm)
        if any(abs(one.weight + term.weight) <= _CLOSE * abs(term.weight) for one in same):
            yield logarithm


def _scaled(tape: TapeIndex, logarithm: int) -> Kernel | None:
    """The product of random numbers with the exponential of a tensor."""
    for kernel in tape.kernels:
        pair = list(tensors(kernel.inputs)) if operator_name(kernel) == "mul" else []
        makers = [tape.through_views(use.tensor, kernel.index) for use in pair]
        if len(makers) != _PAIR or kernel.phase != "forward":
            continue
        drawn = any(one is not None and operator_name(one) in _DRAWS for one in makers)
        if drawn and any(one is not None and _exponential(one, logarithm) for one in makers):
            return kernel
    return None


def _exponential(kernel: Kernel, of: int) -> bool:
    return operator_name(kernel) == "exp" and next(tensors(kernel.inputs)).tensor == of


def _finding(evidence: Evidence, step: int, kernel: Kernel) -> Finding:
    return RULE.finding(
        title="noise is scaled with the variance, not with its root",
        message=f"""In step {step}, `{evidence.line(kernel.source)}` multiplied normal random
            numbers with exp(v). The loss of the same step holds exp(v) - v, the divergence of a
            Gaussian whose variance is exp(v): its standard deviation is exp(v / 2).""",
        fix="eps * torch.exp(0.5 * logvar)",
        step=step,
        kernel=kernel,
    )
