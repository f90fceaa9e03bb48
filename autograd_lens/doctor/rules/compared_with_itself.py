"""Every sample is compared with itself, and itself is never the right answer.

What it finds:
    A contrastive loss over all similarities of a batch with itself, ``z @ z.T``, whose diagonal
    is neither masked nor the right answer; or one written by hand, whose sum of exponentials
    holds the diagonal.

Why it is bad:
    Nothing is more similar to a sample than the sample: the largest number of every row is on the
    diagonal, counts as a wrong answer, and cannot be made smaller.

Evidence it needs:
    A full step: what made the scores of the cross-entropy, and its labels.

Example:
    loss = F.cross_entropy(z @ z.T / 0.1, partner)

Corrected:
    scores = (z @ z.T / 0.1).fill_diagonal_(-torch.inf)
    loss = F.cross_entropy(scores, partner)

When it is silent:
    Scores that anything but a number changes before the loss, and labels that were not kept.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.Tensor.fill_diagonal_.html
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.tape import kept_for_backward
from autograd_lens.trace.graph import TapeIndex, argument, operator_name, tensors, writes_in_place
from autograd_lens.trace.records import Kernel

RULE = Rule("AL416", "compared-with-itself", "error", "full")

_PRODUCTS = frozenset({"mm", "matmul"})
_SCALES = frozenset({"mul", "mul_", "div", "div_"})
_PAIR = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find such a loss."""
    for tape in evidence.tapes:
        for kernel in tape.kernels:
            product = _of_exponentials(tape, kernel)
            if product is not None:
                yield _finding(tape.step.index, kernel, product)
                return
            product = _product(tape, kernel)
            if product is not None and _never_itself(kernel) and not _masked(tape, product, kernel):
                yield _finding(tape.step.index, kernel, product)
                return


def _product(tape: TapeIndex, kernel: Kernel) -> Kernel | None:
    """The product of a tensor with itself that a cross-entropy is given as it is, or scaled."""
    given = argument(kernel, "self") if operator_name(kernel) == "nll_loss_forward" else None
    maker = tape.through_views(given.tensor, kernel.index) if given is not None else None
    if maker is None or operator_name(maker) != "_log_softmax":
        return None
    while maker is not None and operator_name(maker) in {*_SCALES, "_log_softmax"}:
        grown = [one for one in tensors(maker.inputs) if one.tensor in tape.differentiable]
        maker = tape.through_views(grown[0].tensor, maker.index) if len(grown) == 1 else None
    sides = list(tensors(maker.inputs)) if maker and operator_name(maker) in _PRODUCTS else []
    same = {tape.memory(one.tensor) for one in sides}
    return maker if len(sides) == _PAIR and len(same) == 1 else None


def _of_exponentials(tape: TapeIndex, kernel: Kernel) -> Kernel | None:
    """The product of a tensor with itself whose exponentials a sum adds up, all of each row."""
    given = next(tensors(kernel.inputs), None)
    maker = tape.maker(given.tensor, kernel.index) if given is not None else None
    whole = operator_name(kernel) == "sum" and maker is not None and operator_name(maker) == "exp"
    if not whole or maker is None or not kernel.requires_grad or len(kernel.outputs) != 1:
        return None
    readers = [operator_name(one) for one in tape.readers(kernel.outputs[0].tensor)]
    if kernel.outputs[0].spec.shape == () or not {"div", "log"}.issuperset(readers):
        return None  # what is taken off again is not counted
    product = _itself(tape, maker)
    apart = [one for one in tape.readers(maker.outputs[0].tensor) if one is not kernel]
    kept = all(kept_for_backward(tape, one) for one in apart)
    return product if kept and readers and product and _to_logarithm(tape, kernel) else None


def _itself(tape: TapeIndex, kernel: Kernel) -> Kernel | None:
    """The square product of a tensor with itself that a kernel is given, as it is or scaled."""
    maker = tape.maker(next(tensors(kernel.inputs)).tensor, kernel.index)
    while maker is not None and operator_name(maker) in _SCALES:
        grown = [one for one in tensors(maker.inputs) if one.tensor in tape.differentiable]
        maker = tape.maker(grown[0].tensor, maker.index) if len(grown) == 1 else None
    sides = list(tensors(maker.inputs)) if maker and operator_name(maker) in _PRODUCTS else []
    return maker if len({tape.memory(one.tensor) for one in sides}) == 1 < len(sides) else None


def _to_logarithm(tape: TapeIndex, kernel: Kernel) -> bool:
    """Whether a logarithm is taken of a sum, or of what is divided by it."""
    read = tape.readers(kernel.outputs[0].tensor)
    over = [one for reader in read for one in tape.readers(reader.outputs[0].tensor)]
    return any(operator_name(one) == "log" for one in (*read, *over))


def _masked(tape: TapeIndex, product: Kernel, loss: Kernel) -> bool:
    """Whether something is written into the scores on their way to the loss."""
    scores = {one.tensor for one in product.outputs}
    for kernel in tape.kernels[product.index + 1 : loss.index]:
        if scores & {use.tensor for use in tensors(kernel.inputs)}:
            scores |= {one.tensor for one in kernel.outputs}
            if writes_in_place(kernel) and operator_name(kernel) not in _SCALES:
                return True
    return False


def _never_itself(kernel: Kernel) -> bool:
    """Whether no row's label is the row's own place."""
    target = argument(kernel, "target")
    if target is None or target.value is None or not target.value.complete:
        return False
    labels = target.value.array
    return labels.ndim == 1 and not np.any(labels == np.arange(len(labels)))


def _finding(step: int, kernel: Kernel, product: Kernel) -> Finding:
    rows = product.outputs[0].spec.shape[0]
    return RULE.finding(
        title="each row of the scores holds the sample's likeness to itself",
        message=f"""In step {step}, the loss chose among {plural(rows, "score")} of each row, all
            products of one and the same tensor. One of them is the row with itself: the
            largest that there can be, and no row's label.""",
        fix="scores.fill_diagonal_(-torch.inf)  # before the loss",
        step=step,
        events=(f"kernel {product.index} {product.op}", f"kernel {kernel.index} {kernel.op}"),
        source=product.source,
    )
