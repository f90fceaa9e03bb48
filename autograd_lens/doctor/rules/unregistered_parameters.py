"""Layers that the model does not know of: the optimizer never gets them.

What it finds:
    Weights of layers that run inside the model and get gradients, but have no name in any
    module, never change and are never cleared, while the model's other parameters are trained.

Why it is bad:
    A module finds its layers in its attributes. Layers in a plain list or dict are not in
    ``parameters()``: the optimizer does not train them, ``.to()`` does not move them, and
    ``state_dict()`` does not save them.

Evidence it needs:
    Light steps: gradients that pile up on parameters that stay the same. A full step: the layer
    whose kernel reads them.

Example:
    self.layers = [nn.Linear(2, 6), nn.Linear(6, 6)]

Corrected:
    self.layers = nn.ModuleList([nn.Linear(2, 6), nn.Linear(6, 6)])

When it is silent:
    Inputs that require gradients, parameters that another optimizer trains, tensors with a name
    of their own.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleList.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.ledger import piling_up, reached, standing_still
from autograd_lens.trace.graph import operator_name, tensors
from autograd_lens.trace.records import Kernel, Step

RULE = Rule("AL201", "unregistered-parameters", "error", "full")

_UNNAMED = re.compile(r"leaf\d+")
_LAYERS = re.compile(r"(Bilinear|Conv\w*|Embedding\w*|GRU\w*|LSTM\w*|Linear|RNN\w*|\w+Norm\w*)")
_WEIGHT_READERS = frozenset({"convolution", "embedding", "native_layer_norm", "t", "transpose"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find layers whose weights no module names."""
    lost = [
        index
        for index in reached(evidence)
        if _UNNAMED.fullmatch(evidence.parameters[index].name)
        and standing_still(evidence, [index])
        and piling_up(evidence, [index])
    ]
    if not lost or not _others_learn(evidence, lost):
        return
    for step in evidence.full:
        found = _readers(step, set(evidence.names(lost)))
        if found:
            yield _finding(evidence, step, found, len(lost))
            return


def _others_learn(evidence: Evidence, lost: list[int]) -> bool:
    return any(
        gap.updated
        for index, parameter in enumerate(evidence.parameters)
        if index not in lost and parameter.aliases
        for gaps in evidence.gaps(index)
        for gap in gaps
    )


def _readers(step: Step, names: set[str]) -> list[Kernel]:
    """Kernels that read such a tensor as the weight of a layer that runs under its class name."""
    return [
        kernel
        for kernel in step.kernels
        if kernel.phase == "forward"
        and operator_name(kernel) in _WEIGHT_READERS
        and _LAYERS.fullmatch(kernel.module)
        and any(use.spec.name in names for use in tensors(kernel.inputs))
    ]


def _finding(evidence: Evidence, step: Step, found: list[Kernel], count: int) -> Finding:
    first = found[0]
    line = evidence.line(first.source)
    layers = plural(len(found), f"{first.module} layer")
    return RULE.finding(
        title=f"{layers} ran that no module has among its parameters",
        message=f"""`{line}` runs {layers} with {plural(count, "tensor")} that require a gradient,
            but no module names them: they are in none's parameters(). Backward gave them gradients
            in every step; nothing ever updated or cleared them, while the model's other parameters
            were trained. Layers kept in a plain list or dict look like this.""",
        fix="self.layers = nn.ModuleList([...])  # instead of a list",
        step=step.index,
        events=tuple(f"kernel {kernel.index} {kernel.op}" for kernel in found),
        source=first.source,
        line=line,
    )
