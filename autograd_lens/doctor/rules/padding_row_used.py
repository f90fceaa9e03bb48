"""The padding row of an embedding is not zero.

What it finds:
    An embedding with ``padding_idx`` whose padding row holds numbers other than zero, and indices
    that point to it.

Why it is bad:
    PyTorch makes that row zero and gives it no gradient. If something fills it afterwards, as
    an initialisation of the whole weight does, padding adds a vector that is never trained.

Evidence it needs:
    A full step: the embedding's weight, the indices, and ``padding_idx``.

Example:
    self.embed = nn.Embedding(1000, 64, padding_idx=0)
    nn.init.normal_(self.embed.weight)

Corrected:
    nn.init.normal_(self.embed.weight)
    with torch.no_grad():
        self.embed.weight[0].zero_()

When it is silent:
    Rows of zeros, batches without padding, and weights that were not kept.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.trace.graph import argument, constant, operator_name
from autograd_lens.trace.records import Kernel, Source, Step

RULE = Rule("AL216", "padding-row-used", "warning", "full")


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find padding rows that hold something."""
    for step in evidence.full:
        for kernel in step.kernels:
            if operator_name(kernel) == "embedding" and kernel.phase == "forward":
                row = _row(kernel)
                if row is not None:
                    yield _finding(evidence, step, kernel, row)
                    return


def _row(kernel: Kernel) -> float | None:
    """The norm of the padding row, where it is used and not zero."""
    weight, indices = argument(kernel, "weight"), argument(kernel, "indices")
    padding = constant(kernel, "padding_idx")
    if weight is None or indices is None or padding is None or padding < 0:
        return None
    values, places = weight.value, indices.value
    if values is None or places is None or not (values.complete and places.complete):
        return None
    if int(padding) not in places.array:
        return None
    norm = float(np.linalg.norm(values.array[int(padding)].astype(np.float64)))
    return norm if norm and math.isfinite(norm) else None


def _finding(evidence: Evidence, step: Step, kernel: Kernel, row: float) -> Finding:
    weight = argument(kernel, "weight")
    name = weight.spec.name if weight else "the weight"
    padding = int(constant(kernel, "padding_idx") or 0)
    source = _init(evidence, kernel.source) or kernel.source
    return RULE.finding(
        title=f"{name}[{padding}] is the padding row and not zero",
        message=f"""In step {step.index}, indices point to row {padding} of {name}, whose norm is
            {number(row)}. It is the padding row: no gradient ever changes it, and it adds the
            same vector wherever the input is padded.""",
        fix=f"with torch.no_grad(): {name}[{padding}].zero_()  # after the initialisation",
        step=step.index,
        kernel=kernel,
        source=source,
    )


def _init(evidence: Evidence, source: Source | None) -> Source | None:
    """A line that fills the weight of an embedding in the program's text."""
    for node in ast.walk(evidence.code(source).tree):
        if isinstance(node, ast.Call) and source is not None:
            text = ast.unparse(node)
            if "init." in text and "weight" in text:
                return Source.at(source.file, node.lineno)
    return None
