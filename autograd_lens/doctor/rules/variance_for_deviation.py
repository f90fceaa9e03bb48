"""Noise is scaled with the variance where the standard deviation is meant.

What it finds:
    A variational autoencoder that draws ``mu + eps * exp(logvar)``, while its divergence takes
    exp(logvar) for the variance. The logarithm of a deviation that goes through a ReLU; a loss
    that wants a variance and is given what is named a deviation.

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

import ast
import re
from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.source import called
from autograd_lens.doctor.terms import Term, loss_terms
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, Source

RULE = Rule("AL417", "variance-for-deviation", "warning", "full")

_DRAWS = frozenset({"randn", "randn_like", "normal_", "normal", "normal_functional"})
_DEVIATION = re.compile(r"(^|[._])(std|sigma|stdev|stddev|deviation)$", re.IGNORECASE)
_PAIR = 2
_THIRD = 2
_CLOSE = 1e-6


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find noise that is scaled with a variance."""
    yield from told(RULE, evidence, lambda tape: (_never_small(tape, one) for one in tape.kernels))
    yield from told(RULE, evidence, lambda tape: (_squared_log(tape, one) for one in tape.kernels))
    yield from _by_name(evidence)
    for tape in evidence.tapes:
        for backward in range(len(tape.step.backwards)):
            for logarithm in _variances(loss_terms(tape, backward)):
                kernel = _scaled(tape, logarithm)
                if kernel is not None:
                    yield _finding(evidence, tape.step.index, kernel)
                    return


def _never_small(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``exp(relu(...))`` of a layer's result: a deviation that is never below 1."""
    if operator_name(kernel) != "exp" or not kernel.requires_grad or kernel.phase != "forward":
        return None
    maker = tape.through_views(next(tensors(kernel.inputs)).tensor, kernel.index)
    while maker is not None and operator_name(maker) in ("clamp", "clamp_max", "clamp_min"):
        maker = tape.through_views(next(tensors(maker.inputs)).tensor, maker.index)
    if maker is None or operator_name(maker) not in ("relu", "relu_"):
        return None
    layer = tape.through_views(next(tensors(maker.inputs)).tensor, maker.index)
    if layer is None or operator_name(layer) not in ("addmm", "mm", "convolution"):
        return None
    return Case(
        maker,
        "the logarithm of a deviation goes through a ReLU",
        """the result of a layer goes through a ReLU and then through exp(): what comes of it is
        never below 1, and no gradient goes back where it is 1""",
        "log_std = self.log_std(h)  # no activation",
    )


def _squared_log(tape: TapeIndex, kernel: Kernel) -> Case | None:
    """``log(v**2)`` of a v of which ``exp(v / 2)`` scales noise: a logarithm already."""
    if operator_name(kernel) != "log" or not kernel.requires_grad or kernel.phase != "forward":
        return None
    made = tape.through_views(next(tensors(kernel.inputs)).tensor, kernel.index)
    while made is not None and operator_name(made) in ("add", "clamp_min", "clamp"):
        made = tape.through_views(next(tensors(made.inputs)).tensor, made.index)
    if made is None or operator_name(made) not in ("pow", "square"):
        return None
    logarithm = next(tensors(made.inputs)).tensor
    for reader in tape.readers(logarithm):
        halves = operator_name(reader) in ("mul", "div")
        scaled = tape.readers(reader.outputs[0].tensor) if halves else [reader]
        if any(operator_name(one) == "exp" for one in scaled):
            return Case(
                kernel,
                "the logarithm of a variance is squared as if it were a deviation",
                """exp() of these numbers scales the noise, so they are logarithms; here they are
                squared, and the logarithm of that is taken, as of deviations: the divergence is
                smallest where they are 1 or -1""",
                "kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()",
            )
    return None


def _by_name(evidence: Evidence) -> Iterator[Finding]:
    """A loss that wants a variance and is given what is named a deviation."""
    source = evidence.loop
    code = evidence.code(source)
    losses = {
        ast.unparse(target)
        for node in ast.walk(code.tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
        if called(node.value) == "GaussianNLLLoss"
    }
    for call in ast.walk(code.tree):
        if not isinstance(call, ast.Call) or source is None:
            continue
        own = called(call) == "gaussian_nll_loss" or ast.unparse(call.func) in losses
        given = call.args[_THIRD] if own and len(call.args) > _THIRD else None
        given = next((word.value for word in call.keywords if own and word.arg == "var"), given)
        if isinstance(given, ast.Name | ast.Attribute) and _DEVIATION.search(ast.unparse(given)):
            name = ast.unparse(given)
            yield RULE.finding(
                title=f"{name} is given where the loss wants a variance",
                message=f"""`{ast.unparse(call)}` takes its third argument for the variance, and
                    {name} is named a standard deviation: what is learnt as such is its square.""",
                fix=f"{name} ** 2",
                events=("the program's text",),
                source=Source.at(source.file, call.lineno),
            )
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
