"""Inputs and targets are shuffled by two different permutations.

What it finds:
    A step in which what the model predicts was computed from rows in one random order, and what
    the loss compares it with from rows in another.

Why it is bad:
    Sample and label no longer belong together. The model learns the mean of all labels.

Evidence it needs:
    A full step: the kernels that drew the permutations and those that took rows by them.

Example:
    mixed = lam * x + (1 - lam) * x[torch.randperm(n)]
    label = lam * y + (1 - lam) * y[torch.randperm(n)]

Corrected:
    order = torch.randperm(n)
    mixed = lam * x + (1 - lam) * x[order]
    label = lam * y + (1 - lam) * y[order]

When it is silent:
    Rows that were put in order before the step, and orders that both sides have.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.randperm.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL611", "rows-in-two-orders", "error", "full")

_COMPARES = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "nll_loss_forward"})
_MORE = frozenset({"binary_cross_entropy_with_logits", "binary_cross_entropy", "mul", "sub"})
_TAKES = frozenset({"index", "index_select"})
_PAIR = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first loss whose sides were shuffled apart."""
    steps = [step for step in evidence.full if step.backwards]
    for step in steps:
        tape = TapeIndex(step)
        for kernel in step.kernels:
            pair = _apart(tape, kernel) if kernel.phase == "forward" else None
            if pair is not None:
                yield _finding(evidence, step.index, *pair)
                return


def _apart(tape: TapeIndex, kernel: Kernel) -> tuple[Kernel, Kernel] | None:
    """The kernels that took rows of the model's side and of the other, in orders of their own."""
    sides = list(tensors(kernel.inputs))[:_PAIR]
    carried = [side.tensor in tape.differentiable for side in sides]
    if operator_name(kernel) not in _COMPARES | _MORE or sorted(carried) != [False, True]:
        return None
    model, other = (sides[0], sides[1]) if carried[0] else (sides[1], sides[0])
    mine, theirs = _orders(tape, model, kernel), _orders(tape, other, kernel)
    both = mine.keys() & theirs.keys()
    own, foreign = mine.keys() - both, theirs.keys() - both
    if not own or not foreign:
        return None
    return mine[min(own)], theirs[min(foreign)]


def _orders(tape: TapeIndex, side: TensorUse, kernel: Kernel) -> dict[int, Kernel]:
    """The permutations that rows behind a tensor were taken by -> the kernel that took them."""
    found: dict[int, Kernel] = {}
    for one in tape.ancestors(side.tensor, kernel.index):
        given = list(tensors(one.inputs)) if operator_name(one) in _TAKES else []
        if len(given) != _PAIR or one.requires_grad:
            continue
        order = tape.through_views(given[1].tensor, one.index)
        whole = given[1].spec.shape == given[0].spec.shape[:1]
        if order is not None and operator_name(order) == "randperm" and whole:
            found[order.index] = one
    return found


def _finding(evidence: Evidence, step: int, mine: Kernel, theirs: Kernel) -> Finding:
    return RULE.finding(
        title="inputs and targets are in two different orders",
        message=f"""In step {step}, rows of what the model was given were taken by one random
            permutation (`{evidence.line(mine.source).strip()}`), and rows of what its result is
            compared with by another one (`{evidence.line(theirs.source).strip()}`): each sample
            has the label of some other sample.""",
        fix="order = torch.randperm(n)  # one, for both",
        step=step,
        events=(f"kernel {mine.index} {mine.op}", f"kernel {theirs.index} {theirs.op}"),
        source=theirs.source,
        line=evidence.line(theirs.source),
    )
