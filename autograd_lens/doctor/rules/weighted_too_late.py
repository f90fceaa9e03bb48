"""Weights of samples meet a loss that is one number already.

What it finds:
    The mean of a loss over all its items, multiplied with or divided by a weight or a mask that
    has one number for each of these items.

Why it is bad:
    All items have the same part in the mean; the weights that come afterwards only scale it, and
    what was to be left out is trained for.

Evidence it needs:
    A full step: the shapes of both, and of what the loss compared.

Example:
    loss = F.cross_entropy(logits, y)
    loss = (loss * mask).sum() / mask.sum()

Corrected:
    loss = F.cross_entropy(logits, y, reduction="none")
    loss = (loss * mask).sum() / mask.sum()

When it is silent:
    Weights of another number than the items, and weights that are all the same.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, shape
from autograd_lens.doctor.tape import LOSSES
from autograd_lens.trace.graph import TapeIndex, argument, constant, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse

RULE = Rule("AL442", "weighted-too-late", "error", "full")

_LOSSES = LOSSES | {"nll_loss2d_forward"}
_NONE = 0  # torch's number for reduction="none"


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such weight."""
    yield from told(RULE, evidence, lambda tape: [_case(tape)])


def _case(tape: TapeIndex) -> Case | None:
    for kernel in tape.kernels:
        scales = operator_name(kernel) in ("mul", "div") and kernel.phase == "forward"
        given = list(tensors(kernel.inputs)) if scales and kernel.requires_grad else []
        for use, weight in zip(given, given[::-1], strict=True):
            loss = _mean(tape, use, kernel) if use is not weight else None
            count = _items(loss) if loss is not None else 0
            if loss is not None and count > 1 and _weighs(tape, weight, count):
                return Case(
                    loss,
                    f"the loss is one number when weights {shape(weight.spec.shape)} meet it",
                    f"""{operator_name(loss).removesuffix("_forward")} gives the mean over {count}
                    items, and `{operator_name(kernel)}` scales that one number with {count}
                    weights: every item counts the same, whatever its weight""",
                    'loss = loss_fn(prediction, target, reduction="none")  # then the weights',
                )
    return None


def _mean(tape: TapeIndex, use: TensorUse, kernel: Kernel) -> Kernel | None:
    """The loss of torch that made a single number, known factors passed over."""
    if prod(use.spec.shape) != 1:
        return None
    maker = tape.through_views(use.tensor, kernel.index)
    if maker is None or operator_name(maker) not in _LOSSES or not maker.requires_grad:
        return None
    return None if constant(maker, "reduction") == _NONE else maker


def _items(loss: Kernel) -> int:
    target = argument(loss, "target")
    return prod(target.spec.shape) if target is not None else 0


def _weighs(tape: TapeIndex, weight: TensorUse, count: int) -> bool:
    """Whether a tensor has one number for each item, and not always the same."""
    if prod(weight.spec.shape) != count or weight.tensor in tape.differentiable:
        return False
    value = weight.value
    known = value is not None and value.complete and value.numel
    return not known or value is None or bool((value.array != value.array.ravel()[0]).any())
