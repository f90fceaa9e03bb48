"""Class weights that favour the classes that are frequent already.

What it finds:
    Weights of a cross-entropy that grow with how often a class occurs; a ``pos_weight`` below 1
    where few targets are 1.

Why it is bad:
    Such weights are to make up for rare classes. Turned over, they make them rarer still, and the
    model says the frequent class for everything.

Evidence it needs:
    Full steps: the weights, and the targets of the steps that were looked at.

Example:
    weight = counts / counts.sum()

Corrected:
    weight = counts.sum() / (len(counts) * counts)

When it is silent:
    Weights that are all the same, classes that are about as frequent, and few targets.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number, plural
from autograd_lens.trace.graph import argument, operator_name
from autograd_lens.trace.records import Kernel, TensorUse
from autograd_lens.trace.values import Floats

RULE = Rule("AL429", "frequent-favoured", "warning", "full")

_FEWEST = 50  # targets
_RATIO = 2.5  # between the classes, and between their weights
_LIKE = 0.9  # correlation of the logarithms
_RARE = 1 / 3
_HALF = 0.5
_CLASSES = frozenset({"nll_loss_forward", "nll_loss2d_forward"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such weights."""
    kernels = [one for step in evidence.full for one in step.kernels if one.phase == "forward"]
    yield from _of_classes([one for one in kernels if operator_name(one) in _CLASSES])
    binary = "binary_cross_entropy_with_logits"
    yield from _of_ones([one for one in kernels if operator_name(one) == binary])


def _numbers(use: TensorUse | None) -> Floats | None:
    known = use is not None and use.value is not None and use.value.complete
    if not known or use is None or use.value is None or use.value.array.dtype.kind not in "fiu":
        return None
    return use.value.array.astype(np.float64)


def _of_classes(kernels: list[Kernel]) -> Iterator[Finding]:
    weight = _numbers(argument(kernels[0], "weight")) if kernels else None
    targets = [_numbers(argument(one, "target")) for one in kernels]
    said = [one.ravel() for one in targets if one is not None]
    if weight is None or weight.ndim != 1 or not said:
        return
    labels = np.concatenate(said).astype(np.int64)
    labels = labels[(labels >= 0) & (labels < len(weight))]
    counts = np.bincount(labels, minlength=len(weight)).astype(np.float64)
    seen = (counts > 0) & (weight > 0)
    if labels.size < _FEWEST or seen.sum() <= 1 or not _alike(counts[seen], weight[seen]):
        return
    most = int(np.argmax(np.where(seen, counts, -1.0)))
    least = int(np.argmin(np.where(seen, counts, np.inf)))
    yield _finding(
        kernels[0],
        "the weights of the loss favour the classes that are frequent",
        f"""Of {plural(labels.size, "target")} that were looked at, class {most} has
        {number(float(counts[most]))} and the weight {number(float(weight[most]))}, class {least}
        {number(float(counts[least]))} and the weight {number(float(weight[least]))}""",
        "weight = counts.sum() / (len(counts) * counts)",
    )


def _alike(counts: Floats, weights: Floats) -> bool:
    """Whether both differ, and grow together."""
    apart = all(one.max() / one.min() >= _RATIO for one in (counts, weights))
    return apart and float(np.corrcoef(np.log(counts), np.log(weights))[0, 1]) > _LIKE


def _of_ones(kernels: list[Kernel]) -> Iterator[Finding]:
    weight = _numbers(argument(kernels[0], "pos_weight")) if kernels else None
    targets = [_numbers(argument(one, "target")) for one in kernels]
    said = [one for one in targets if one is not None and set(np.unique(one)) <= {0, 1}]
    if weight is None or weight.size != 1 or len(said) < len(targets):
        return
    labels = np.concatenate([one.ravel() for one in said])
    share = float(labels.mean())
    if labels.size >= _FEWEST and 0 < share < _RARE and 0 < float(weight.max()) <= _HALF:
        yield _finding(
            kernels[0],
            "pos_weight makes what is rare count still less",
            f"""Of {plural(labels.size, "target")} that were looked at, {share:.0%} are 1, and
            pos_weight counts each of these {number(float(weight.max()))} times""",
            "pos_weight = (labels == 0).sum() / (labels == 1).sum()",
        )


def _finding(kernel: Kernel, title: str, what: str, fix: str) -> Finding:
    return RULE.finding(
        title=title,
        message=f"{what}: rare classes have less of a say than without weights.",
        fix=fix,
        step=0,
        kernel=kernel,
    )
