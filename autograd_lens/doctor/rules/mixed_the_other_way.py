"""Mixed samples are judged by the other one's share.

What it finds:
    Inputs that are mixed with a share of each sample's own and the rest of another one, and two
    losses, against the own labels and the other ones, that have these shares exchanged.

Why it is bad:
    The less of a sample is seen, the more its label counts.

Evidence it needs:
    Two full steps in which the shares are not the same.

Example:
    x = lam * x + (1 - lam) * x[order]
    loss = (1 - lam) * criterion(model(x), y) + lam * criterion(model(x), y[order])

Corrected:
    loss = lam * criterion(model(x), y) + (1 - lam) * criterion(model(x), y[order])

When it is silent:
    Shares near one half, and losses with other factors.

References:
    https://arxiv.org/abs/1710.09412
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.doctor.tape import LOSSES
from autograd_lens.doctor.terms import Term, factor, loss_terms
from autograd_lens.trace.graph import TapeIndex, argument, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL444", "mixed-the-other-way", "error", "full")

_HALF = 0.05  # that a share has to be away from one half
_PAIR = 2
_FEWEST = 2
_NEAR = 1e-4


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such mixture."""
    yield from told(RULE, evidence, lambda tape: [_case(tape)], fewest=_FEWEST)


def _case(tape: TapeIndex) -> Case | None:
    shares = next((one for kernel in tape.kernels if (one := _shares(tape, kernel))), None)
    if shares is None or abs(shares[0] - 0.5) < _HALF:
        return None
    for backward in range(len(tape.step.backwards)):
        terms = [one for one in loss_terms(tape, backward) if operator_name(one.kernel) in LOSSES]
        moved = [one for one in terms if _picked(tape, argument(one.kernel, "target"), one.kernel)]
        own = [one for one in terms if one not in moved]
        if len(own) == len(moved) == 1 and _exchanged(own[0], moved[0], shares):
            return Case(
                own[0].by or own[0].kernel,
                "mixed samples are judged by the other one's share",
                f"""a sample is {number(shares[0])} itself and {number(shares[1])} another one, and
                the loss counts its own label with {number(own[0].weight)} and the other's with
                {number(moved[0].weight)}""",
                "loss = lam * own + (1 - lam) * other",
            )
    return None


def _exchanged(own: Term, moved: Term, shares: tuple[float, float]) -> bool:
    return math.isclose(own.weight, shares[1], rel_tol=_NEAR) and math.isclose(
        moved.weight, shares[0], rel_tol=_NEAR
    )


def _shares(tape: TapeIndex, kernel: Kernel) -> tuple[float, float] | None:
    """The share of the rows themselves and that of others, where data are mixed."""
    pair = list(tensors(kernel.inputs)) if operator_name(kernel) == "add" else []
    if kernel.requires_grad or len(pair) != _PAIR or kernel.phase != "forward":
        return None
    parts = [tape.maker(use.tensor, kernel.index) for use in pair]
    scaled = [one for one in parts if one is not None and operator_name(one) in ("mul", "div")]
    if len(scaled) != _PAIR:
        return None
    by = [factor(one) for one in scaled]
    bases = [next(tensors(one.inputs)) for one in scaled]
    picked = [_picked(tape, base, one) for base, one in zip(bases, scaled, strict=True)]
    if sorted(map(bool, picked)) != [False, True] or by[0] is None or by[1] is None:
        return None
    own, other = (by[1], by[0]) if picked[0] else (by[0], by[1])
    return (own, other) if math.isclose(own + other, 1, rel_tol=_NEAR) else None


def _picked(tape: TapeIndex, use: TensorUse | None, kernel: Kernel) -> bool:
    """Whether a tensor holds rows in another order."""
    maker = tape.maker(use.tensor, kernel.index) if use is not None else None
    return maker is not None and operator_name(maker) in ("index", "index_select", "flip", "roll")
