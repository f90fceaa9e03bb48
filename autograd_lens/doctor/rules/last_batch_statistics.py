"""Batch normalisation keeps the statistics of the last batch alone.

What it finds:
    Batch normalisation with a momentum of 0.9 or more that trains, or with a momentum of 0.

Why it is bad:
    PyTorch's momentum is the weight of the new batch; elsewhere it is the weight of the old
    average. With 0.99 the running statistics, which evaluation uses, are those of one batch.

Evidence it needs:
    A full step: what the layer's kernel was given.

Example:
    nn.BatchNorm2d(64, momentum=0.99)

Corrected:
    nn.BatchNorm2d(64, momentum=0.01)

When it is silent:
    A momentum of exactly 1, which asks for the last batch, and layers that do not train.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.trace.graph import argument, constant, operator_name
from autograd_lens.trace.records import Kernel, Source

RULE = Rule("AL609", "last-batch-statistics", "warning", "full")

_MOST = 0.9


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first such layer."""
    for step in evidence.full:
        for kernel in step.kernels:
            momentum = constant(kernel, "momentum")
            if momentum is None or not (_MOST <= momentum < 1 or not momentum):
                continue
            trains = kernel.phase == "forward" and constant(kernel, "training") == 1
            if "batch_norm" in operator_name(kernel) and trains and not momentum:
                kept = argument(kernel, "running_mean") is not None
                if kept and not _takes_turns(evidence, kernel.module):
                    yield _never(evidence, step.index, kernel)
                    return
            elif "batch_norm" in operator_name(kernel) and trains:
                yield _finding(evidence, step.index, kernel, momentum)
                return


def _takes_turns(evidence: Evidence, module: str) -> bool:
    """Whether a module learns its statistics in other passes, as in one of two in a step."""
    return any(
        constant(kernel, "momentum")
        for step in evidence.full
        for kernel in step.kernels
        if kernel.module == module
    )


def _never(evidence: Evidence, step: int, kernel: Kernel) -> Finding:
    return RULE.finding(
        title="momentum=0: the running statistics never change",
        message=f"""Module {kernel.module or "batch normalisation"} gives each new batch the weight
            0 in its running mean and variance. They stay what they began with, and evaluation
            normalises with that.""",
        fix="momentum=0.1",
        step=step,
        kernel=kernel,
        source=_made(evidence, kernel),
    )


def _finding(evidence: Evidence, step: int, kernel: Kernel, momentum: float) -> Finding:
    source = _made(evidence, kernel)
    return RULE.finding(
        title=f"momentum={number(momentum)}: running statistics of one batch",
        message=f"""Module {kernel.module or "batch normalisation"} replaces
            {number(100 * momentum)} % of its running mean and variance with those of each new
            batch. Evaluation normalises with what one batch happened to be. In PyTorch, momentum
            is the weight of the new batch: the {number(momentum)} of other libraries is
            {number(1 - momentum)} here.""",
        fix=f"momentum={number(1 - momentum)}",
        step=step,
        kernel=kernel,
        source=source,
    )


def _made(evidence: Evidence, kernel: Kernel) -> Source | None:
    """The first line that makes such a layer with a momentum, else where it is called."""
    names = {f"BatchNorm{axes}d" for axes in (1, 2, 3)}
    for call in evidence.code(kernel.source).makes(names):
        if kernel.source is not None and any(word.arg == "momentum" for word in call.keywords):
            return Source.at(kernel.source.file, call.lineno)
    return kernel.source
