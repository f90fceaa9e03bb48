"""Every step trains on the loader's first batch.

What it finds:
    ``next(iter(loader))`` inside the training loop, or a loop over the loader that breaks off
    after one batch: a new iterator each time, and so its first batch again and again.

Why it is bad:
    The model learns one batch by heart and never sees the rest of the data.

Evidence it needs:
    Full steps: the same inputs in all of them; and the program's text.

Example:
    for step in range(1000):
        inputs, targets = next(iter(loader))

Corrected:
    for epoch in range(10):
        for inputs, targets in loader:

When it is silent:
    Loaders that shuffle (each iterator begins with another batch then), and one batch that is
    taken once, in front of the loop.

References:
    https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeGuard

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.source import Code
from autograd_lens.trace.graph import tensors
from autograd_lens.trace.records import Source, Step

RULE = Rule("AL604", "repeated-batch", "warning", "full")

_STEPS = 3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find a loop that begins its loader anew in every turn."""
    steps = [step for step in evidence.full if step.backwards]
    if len(steps) < _STEPS or len({_inputs(step) for step in steps[1:]}) != 1:
        return
    source = steps[0].backwards[0].source
    line = _begins_anew(evidence.code(source)) if source else None
    if source and line:
        yield _finding(steps, Source.at(source.file, line))


def _inputs(step: Step) -> frozenset[bytes]:
    """What the forward of a step computes with that is no parameter."""
    graph = step.backwards[0].graph
    used = {node.forward_kernel for node in graph.nodes} if graph else set()
    kernels = [kernel for kernel in step.kernels if kernel.index in used]
    made = {output.tensor for kernel in kernels for output in kernel.outputs}
    return frozenset(
        use.value.data
        for kernel in kernels
        for use in tensors(kernel.inputs)
        if use.spec.role != "parameter" and use.tensor not in made
        if use.value is not None and use.value.data is not None
    )


def _begins_anew(code: Code) -> int | None:
    """The line inside a loop that takes the first batch only, every time."""
    loops = (node for node in ast.walk(code.tree) if isinstance(node, ast.For | ast.While))
    inner = (node for loop in loops for node in ast.walk(loop) if node is not loop)
    return next((node.lineno for node in inner if _takes_the_first(node)), None)


def _takes_the_first(node: ast.AST) -> TypeGuard[ast.Call | ast.For]:
    """Whether it is ``next(iter(...))``, or a loop that breaks off at the end of its first turn."""
    if isinstance(node, ast.Call):
        return ast.unparse(node).startswith("next(iter(")
    return isinstance(node, ast.For) and isinstance(node.body[-1], ast.Break)


def _finding(steps: list[Step], source: Source) -> Finding:
    return RULE.finding(
        title="every step trains on the same batch",
        message=f"""{plural(len(steps), "full step")} between {steps[0].index} and
            {steps[-1].index} computed with the very same inputs. Line {source.line} makes a new
            iterator in every turn, which begins with the first batch, and takes that one only.""",
        fix="for inputs, targets in loader:",
        step=steps[-1].index,
        events=("inputs of the forward",),
        source=source,
        look=f"autograd-lens trace {{file}} --steps {steps[0].index},{steps[-1].index}",
    )
