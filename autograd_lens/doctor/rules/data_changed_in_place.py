"""The stored data are changed in place, again and again.

What it finds:
    A sample that is taken out of the stored data by its index, which is a view of them, and then
    normalised or scaled in place.

Why it is bad:
    The data themselves change. What is read in the next epoch was normalised already, and is
    again: it grows or shrinks with every pass.

Evidence it needs:
    Full steps: kernels that write into a part of a tensor that the steps share.

Example:
    image = self.images[index]
    image.sub_(mean).div_(std)

Corrected:
    image = (self.images[index] - mean) / std

When it is silent:
    Writes into a batch of its own, and data too large to be kept whole.

References:
    https://docs.pytorch.org/docs/stable/tensor_view.html
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, shape
from autograd_lens.doctor.tape import training_path
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, Step, TensorUse
from autograd_lens.trace.values import Value

RULE = Rule("AL613", "data-changed-in-place", "error", "full")

_CHANGES = frozenset({"add_", "div_", "mul_", "sub_"})
_PARTS = frozenset({"narrow", "select", "slice", "unbind"})
_STAYED = 0.1  # of the elements, from a step to a later one: they are the same data


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the line that changes stored data."""
    found = [(step, *change) for step in evidence.full if (change := _change(step)) is not None]
    for (_, _, before), (step, kernel, data) in pairwise(found):
        if _same_data(before.value, data.value):
            yield _finding(evidence, step, kernel, data)
            return


def _change(step: Step) -> tuple[Kernel, TensorUse] | None:
    """A kernel that changes a part of what the step was given, and the whole of it."""
    tape, path = TapeIndex(step), training_path(step)
    for kernel in step.kernels:
        if operator_name(kernel) not in _CHANGES or kernel.index not in path:
            continue
        part = next(tensors(kernel.inputs))
        made = next((one for one in tape.views(part.tensor) if _makes(one, part.tensor)), None)
        data = next(tensors(made.inputs), None) if made is not None else None
        if made is None or data is None or operator_name(made) not in _PARTS:
            continue
        if data.spec.role == "input" and tape.maker(data.tensor, made.index) is None:
            return kernel, data
    return None


def _makes(kernel: Kernel, tensor: int) -> bool:
    return any(output.tensor == tensor for output in kernel.outputs)


def _same_data(one: Value | None, other: Value | None) -> bool:
    """Whether two steps read the same data, a part of which may have changed."""
    if one is None or other is None or not (one.complete and other.complete):
        return False
    return one.shape == other.shape and bool(np.mean(one.array == other.array) >= _STAYED)


def _finding(evidence: Evidence, step: Step, kernel: Kernel, data: TensorUse) -> Finding:
    return RULE.finding(
        title="the stored data are changed in place",
        message=f"""In step {step.index}, `{evidence.line(kernel.source)}` changed a part of the
            data {shape(data.spec.shape)} that the steps share: an index gives a view, and what is
            written into it is written into the data. In the next epoch it is done once more.""",
        fix="x = (x - mean) / std  # a new tensor, without the underscore",
        step=step.index,
        events=(f"kernel {kernel.index} {kernel.op}",),
        source=kernel.source,
        line=evidence.line(kernel.source),
    )
