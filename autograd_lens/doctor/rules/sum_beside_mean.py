"""A term of the loss is a sum over the batch, beside one that is a mean over it.

What it finds:
    A loss that adds the mean over all numbers of a batch and the sum over all numbers of the same
    batch, with no factor of the program's own on the sum.

Why it is bad:
    The sum counts as many times more as there are samples and numbers in each. A divergence, say,
    that is a sum beside a mean reconstruction is all that the model is trained for.

Evidence it needs:
    A full step: how each term of the loss was folded.

Example:
    loss = F.mse_loss(out, x) - 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()

Corrected:
    loss = F.mse_loss(out, x) - 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()

When it is silent:
    Sums with a factor, or over what is no batch, as a penalty on weights, and losses that are sums
    all together.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, shape
from autograd_lens.doctor.tape import LOSSES
from autograd_lens.doctor.terms import factor
from autograd_lens.trace.graph import TapeIndex, constant, integers, operator_name, tensors
from autograd_lens.trace.records import Kernel

RULE = Rule("AL434", "sum-beside-mean", "warning", "full")

_ADDS = frozenset({"add", "add_", "sub"})
_PLAIN = (0.5, 1.0)  # factors that belong to a formula
_MEAN, _SUM = 1, 2  # torch's numbers for a reduction
_SMALL = 4
_MATRIX = 2


@dataclass(frozen=True, slots=True)
class _Fold:
    """One summand of a loss.

    Attributes:
        kernel: What folded it.
        sizes: The shape of what was folded.
        plain: Whether it counts with a factor that belongs to a formula.
        whole: Whether it is the sum over all axes, not the mean.
    """

    kernel: Kernel
    sizes: tuple[int, ...]
    plain: bool
    whole: bool = False


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such loss."""
    yield from told(RULE, evidence, _cases)


def _cases(tape: TapeIndex) -> Iterator[Case | None]:
    for backward in range(len(tape.step.backwards)):
        folds = list(_folds(tape, backward))
        sums = [one for one in folds if one.whole and one.plain and _of_data(tape, one.kernel)]
        means = [one for one in folds if not one.whole]
        for total in sums:
            other = next((one for one in means if one.sizes[0] == total.sizes[0]), None)
            if other is not None and all(one.kernel.index != total.kernel.index for one in means):
                yield Case(
                    total.kernel,
                    "one term of the loss is a sum over the batch, another one a mean",
                    f"""all of {shape(total.sizes)} is summed up, without a factor, and added to the
                    mean over {shape(other.sizes)} of the same {total.sizes[0]} samples: the larger
                    the batch, the less the mean counts""",
                    "term.sum(1).mean()  # over what belongs to a sample, then over the batch",
                )


def _folds(tape: TapeIndex, backward: int) -> Iterator[_Fold]:
    root = tape.loss_kernel(backward)
    waiting = [(root, 1.0)] if root is not None else []
    while waiting:
        kernel, weight = waiting.pop()
        name = operator_name(kernel)
        given = list(tensors(kernel.inputs))
        by = factor(kernel) if name in ("mul", "div") and len(given) == 1 else None
        if name in _ADDS or name == "neg" or by is not None:
            share = weight * (1.0 if by is None else by)
            for use in given:
                made = tape.maker(use.tensor, kernel.index)
                if made is not None and made.requires_grad and made.phase == "forward":
                    waiting.append((made, share))
            continue
        fold = _fold(kernel, weight)
        if fold is not None:
            yield fold


def _of_data(tape: TapeIndex, kernel: Kernel) -> bool:
    """Whether what was summed up was computed from data, not from weights alone."""
    behind = tape.ancestors(next(tensors(kernel.inputs)).tensor, kernel.index)
    return any(use.spec.role == "input" for one in behind for use in tensors(one.inputs))


def _fold(kernel: Kernel, weight: float) -> _Fold | None:
    name, given = operator_name(kernel), list(tensors(kernel.inputs))
    sizes = given[0].spec.shape if given else ()
    if not sizes or sizes[0] < _SMALL or not kernel.outputs or kernel.outputs[0].spec.shape:
        return None
    plain = abs(weight) in _PLAIN
    if name in LOSSES:
        mean = constant(kernel, "reduction") in (_MEAN, None)
        return _Fold(kernel, sizes, plain) if mean else None
    if name == "mean":
        return _Fold(kernel, sizes, plain)
    all_axes = not integers(kernel, "dim")
    if name == "sum" and all_axes and len(sizes) >= _MATRIX and given[0].spec.role != "parameter":
        return _Fold(kernel, sizes, plain, whole=True)
    return None
