"""Gradients of several batches are added up, and their number is not divided out.

What it finds:
    Gradient accumulation: the mean losses of several batches, one backward each, then one update
    with the sum of their gradients.

Why it is bad:
    The update is as many times too large as there are batches: accumulating four batches
    makes steps of four times the learning rate, not those of a batch four times as large.

Evidence it needs:
    The calls of ``backward`` before each update, a full step whose loss is a mean that nothing
    scales and whose gradients nothing divides, and an ``if ... % n == 0`` around the update in
    the text.

Example:
    loss.backward()
    if (i + 1) % 4 == 0:
        optimizer.step()

Corrected:
    (loss / 4).backward()
    if (i + 1) % 4 == 0:
        optimizer.step()

When it is silent:
    Losses that are sums, losses or gradients that are scaled by anything, and several backwards
    of different losses.

References:
    https://docs.pytorch.org/docs/stable/notes/amp_examples.html#gradient-accumulation
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, size
from autograd_lens.doctor.source import Code, loops_around
from autograd_lens.trace.graph import operator_name
from autograd_lens.trace.records import Kernel, Step

RULE = Rule("AL107", "unscaled-accumulation", "warning", "full")

_MEANS = ("mean", "mse_loss", "l1_loss", "nll_loss", "smooth_l1", "huber_loss", "binary_cross")
_SCALES = frozenset(
    {"div", "div_", "mul", "mul_", "_foreach_div_", "_foreach_mul_", "_foreach_mul"}
)
_STEPS = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find several mean losses behind one update."""
    steps = [step for step in evidence.full if len(step.backwards) > 1]
    if len(steps) < _STEPS or len({len(step.backwards) for step in steps}) > 1:
        return
    step = steps[-1]
    lines = {one.source.line for one in step.backwards if one.source}
    if len(lines) != 1 or not _plain_means(step) or _scaled(step) or not _adds_up(step):
        return
    source = step.backwards[0].source
    if source is not None and _accumulates(evidence.code(source), source.line):
        yield _finding(evidence, step)


def _plain_means(step: Step) -> bool:
    """Whether each backward begins at a mean, with nothing between it and the loss."""
    for backward in step.backwards:
        graph = backward.graph
        kernel = graph.nodes[0].forward_kernel if graph and graph.nodes else None
        if kernel is None or not operator_name(step.kernels[kernel]).startswith(_MEANS):
            return False
    return True


def _scaled(step: Step) -> bool:
    """Whether a kernel behind the last backward multiplies or divides gradients."""
    last = max(kernel.index for kernel in step.kernels if kernel.phase == "backward")
    return any(_scales_a_gradient(kernel) for kernel in step.kernels[last + 1 :])


def _scales_a_gradient(kernel: Kernel) -> bool:
    if operator_name(kernel) not in _SCALES or not kernel.inputs:
        return False
    first = kernel.inputs[0].value
    targets = first if isinstance(first, tuple) else (first,)
    written = {output.tensor for output in kernel.outputs}
    return any(
        getattr(getattr(use, "spec", None), "role", "") == "gradient"
        and getattr(use, "tensor", None) in written
        for use in targets
    )


def _adds_up(step: Step) -> bool:
    return all(
        write.mode == "accumulate"
        for backward in step.backwards[1:]
        for write in backward.grad_writes
    )


def _accumulates(code: Code, line: int) -> bool:
    """Whether the text makes the update every so many turns, or behind a loop of micro-batches."""
    loop = next(iter(loops_around(code.tree, line)), None)
    head = ast.unparse(loop.target) + ast.unparse(loop.iter) if isinstance(loop, ast.For) else ""
    if any(word in head for word in ("accum", "micro")):
        return True
    return code.steps_every_so_often()


def _finding(evidence: Evidence, step: Step) -> Finding:
    count = len(step.backwards)
    first, last = step.backwards[0], step.backwards[-1]
    write = last.grad_writes[0]
    one = next(one for one in first.grad_writes if one.parameter == write.parameter)
    line = evidence.line(first.source)
    return RULE.finding(
        title=f"the gradients of {count} batches are added, not averaged",
        message=f"""In step {step.index}, {count} backwards ran before the update, each of a mean
            loss. After the first, {write.parameter}.grad was {size(one.after)}; the update
            used their sum, {size(write.after)}. Nothing divides it by {count}, so the step is
            {count} times as large as that of one batch of all these samples.""",
        fix=f"(loss / {count}).backward()",
        step=step.index,
        events=tuple(f"backward {number}" for number in range(count)),
        source=first.source,
        line=line,
        look=f"autograd-lens step {{file}} --at {step.index}:backward",
    )
