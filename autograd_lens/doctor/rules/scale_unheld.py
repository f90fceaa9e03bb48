"""The logarithm of a scale has two terms in the loss, and both push it the same way.

What it finds:
    A number s that goes into the loss as it is, and in ``exp(s)``, where both gradients of it have
    the same sign for every element in every step: the logarithm of a determinant with the wrong
    sign, or of a variance.

Why it is bad:
    The two are there to hold each other: a wide distribution explains every sample, and its
    logarithm costs. With the wrong sign the scale grows or shrinks without end, and the loss falls
    all the way, though nothing is learned.

Evidence it needs:
    Two full steps: the factor of s in the loss, and the gradient that comes through the
    exponential.

Example:
    loss = (0.5 * (y - mean) ** 2 * torch.exp(-logvar) - 0.5 * logvar).mean()

Corrected:
    loss = (0.5 * (y - mean) ** 2 * torch.exp(-logvar) + 0.5 * logvar).mean()

When it is silent:
    Scales that anything else reads, and gradients of both signs.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.GaussianNLLLoss.html
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.terms import Term, factor, loss_terms
from autograd_lens.trace.graph import VIEWS, TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel

RULE = Rule("AL423", "scale-unheld", "error", "full")

_FACTORS = frozenset({"mul", "div"})
_PLAIN = VIEWS | _FACTORS | {"add", "exp", "mean", "neg", "rsub", "sub", "sum"}
_STEPS = 2
_Place = tuple[str, int]


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find scales that both of their terms push one way, whenever they are computed."""
    cases: dict[int, Case] = {}
    pushed: dict[_Place, list[bool]] = {}
    for tape in evidence.tapes:
        for backward in range(len(tape.step.backwards)):
            terms = loss_terms(tape, backward)
            for kernel, term, sign in _scales(tape, backward, terms):
                source = kernel.source
                place = (source.file, source.line) if source is not None else ("", 0)
                pushed.setdefault(place, []).append(sign * term.weight > 0)
                cases[id(tape)] = _case(_added(tape, kernel, term), term, sign)
    always = any(len(found) >= _STEPS and all(found) for found in pushed.values())
    yield from told(RULE, evidence, lambda tape: [cases.get(id(tape))] if always else [])


def _added(tape: TapeIndex, kernel: Kernel, term: Term) -> Kernel:
    """The kernel that takes the scale to the loss, not to the exponential."""
    behind = {
        kernel.index,
        *(one.index for one in tape.ancestors(kernel.outputs[0].tensor, 1 << 60)),
    }
    readers = tape.readers(term.use.tensor)
    return next((one for one in readers if one.index not in behind), term.by or term.kernel)


def _case(kernel: Kernel, term: Term, sign: int) -> Case:
    return Case(
        kernel,
        "both terms of a scale push it the same way",
        f"""the logarithm of a scale goes into the loss with the factor {term.weight:.4g}, and once
        more in an exponential, whose gradient is {"positive" if sign > 0 else "negative"} for
        every element: nothing holds it, and the loss can fall for ever""",
        "# the logarithm of the scale with the other sign",
    )


def _scales(
    tape: TapeIndex, backward: int, terms: list[Term]
) -> Iterator[tuple[Kernel, Term, int]]:
    """Exponentials of what is a term by itself, with the sign of the gradient through them."""
    by_tensor: dict[int, list[Term]] = {}
    for term in terms:
        by_tensor.setdefault(term.use.tensor, []).append(term)
    for kernel in tape.kernels:
        if operator_name(kernel) != "exp" or not kernel.requires_grad:
            continue
        tensor, sign = _without_factor(tape, kernel)
        known = by_tensor.get(tensor, [])
        through = _sign(tape, kernel, backward) if len(known) == 1 else 0
        plain = all(operator_name(one) in _PLAIN for one in tape.readers(tensor))
        if through and plain and known[0].weight:
            yield kernel, known[0], sign * through


def _without_factor(tape: TapeIndex, kernel: Kernel) -> tuple[int, int]:
    """``s`` of ``exp(-s)`` or ``exp(0.5 * s)``, with the sign of the factor."""
    tensor, sign = next(tensors(kernel.inputs)).tensor, 1
    made = tape.maker(tensor, kernel.index)
    while made is not None and operator_name(made) in {"neg", *_FACTORS}:
        number = -1.0 if operator_name(made) == "neg" else factor(made)
        if not number:
            break
        sign = sign if number > 0 else -sign
        tensor = next(tensors(made.inputs)).tensor
        made = tape.maker(tensor, made.index)
    return tensor, sign


def _sign(tape: TapeIndex, kernel: Kernel, backward: int) -> int:
    """The sign of all numbers of the gradient that leaves an exponential; 0 for several."""
    node = tape.node_of(kernel)
    run = tape.run_of(node.index, backward) if node is not None else None
    value = run.grad_inputs[0] if run is not None and run.grad_inputs else None
    if value is None or not value.complete or not np.any(value.array):
        return 0
    return 1 if np.all(value.array >= 0) else -1 if np.all(value.array <= 0) else 0
