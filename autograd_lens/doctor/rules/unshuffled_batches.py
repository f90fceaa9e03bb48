"""The data come sorted by class.

What it finds:
    Batches for a classification each of which holds one class only, while other batches hold
    others.

Why it is bad:
    Each update pulls the model towards the class of its batch and away from the last one's:
    the loss swings, and the model ends at whatever came last.

Evidence it needs:
    Full steps: the targets that the loss compared with, in at least three batches of four samples
    or more.

Example:
    loader = DataLoader(dataset, batch_size=16)

Corrected:
    loader = DataLoader(dataset, batch_size=16, shuffle=True)

When it is silent:
    Batches that mix classes, tiny batches, losses other than a negative log-likelihood of
    classes, and data of a single class.

References:
    https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, listed
from autograd_lens.trace.graph import operator_name
from autograd_lens.trace.records import Kernel, Step, TensorUse

RULE = Rule("AL602", "unshuffled-batches", "warning", "full")

_BATCHES = 3
_SAMPLES = 4


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find batches of one class each, of different classes."""
    found = [(step, *batch) for step in evidence.full if (batch := _targets(step)) is not None]
    single = [np.unique(labels) for _, _, labels in found]
    if len(found) < _BATCHES or any(len(classes) != 1 for classes in single):
        return
    if len({int(classes[0]) for classes in single}) > 1:
        steps = [
            (step, kernel, int(c[0])) for (step, kernel, _), c in zip(found, single, strict=True)
        ]
        yield _finding(steps, len(found[0][2]))


def _targets(step: Step) -> tuple[Kernel, npt.NDArray[np.int64]] | None:
    """The loss of a classification, and the classes that it compared with."""
    for kernel in step.kernels:
        if operator_name(kernel) != "nll_loss_forward" or len(kernel.inputs) < 2:
            continue
        target = kernel.inputs[1].value
        if isinstance(target, TensorUse) and target.value is not None and target.value.complete:
            labels = target.value.array
            return (kernel, labels) if labels.ndim == 1 and labels.size >= _SAMPLES else None
    return None


def _finding(steps: list[tuple[Step, Kernel, int]], samples: int) -> Finding:
    first = steps[0]
    other = next(one for one in steps if one[2] != first[2])
    seen = listed([f"{one[2]} in step {one[0].index}" for one in steps])
    return RULE.finding(
        title="every batch holds a single class: the data are not shuffled",
        message=f"""All {samples} targets of step {first[0].index} are class {first[2]}, all of
            step {other[0].index} class {other[2]} ({seen}): none of the {len(steps)} batches
            examined mixes classes. Each update unlearns what the last one taught.""",
        fix="loader = DataLoader(dataset, batch_size=..., shuffle=True)",
        step=other[0].index,
        events=(f"targets of kernel {other[1].index} {other[1].op}",),
        source=first[1].source,
        look=f"autograd-lens trace {{file}} --steps {first[0].index},{other[0].index}",
    )
