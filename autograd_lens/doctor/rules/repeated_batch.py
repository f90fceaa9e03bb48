"""Every step trains on the loader's first batch.

What it finds:
    ``next(iter(loader))`` inside the training loop, or a loop over the loader that breaks off
    after one batch: a new iterator each time, and so its first batch again and again; a loader
    that shuffles behind ``itertools.cycle``, which repeats its first pass. Batches
    that hold the same few samples over and over, because a sampler was given a weight for each
    class and not for each sample.

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

import numpy as np
import numpy.typing as npt

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.source import Code, called
from autograd_lens.trace.graph import tensors
from autograd_lens.trace.records import Source, Step

RULE = Rule("AL604", "repeated-batch", "warning", "full")

_STEPS = 3
_MANY = 4  # samples of a batch, and times that each occurs in it


def _cycled(evidence: Evidence) -> Iterator[Finding]:
    """``itertools.cycle`` of a loader that shuffles: the first pass, again and again."""
    source = evidence.loop
    tree = evidence.code(source).tree
    shuffling = {
        ast.unparse(node.targets[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _shuffles(node.value)
    }
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or called(call) != "cycle" or source is None:
            continue
        for one in call.args:
            if ast.unparse(one) in shuffling or _shuffles(one):
                yield RULE.finding(
                    title="cycle() keeps the first pass over the loader and repeats it",
                    message=f"""`{ast.unparse(call)}` stores the batches of the first pass: no later
                        one is shuffled, drawn or augmented anew, and all of them stay in
                        memory.""",
                    fix="while True: yield from loader",
                    events=("the program's text",),
                    source=Source.at(source.file, call.lineno),
                )
                return


def _shuffles(node: ast.expr) -> bool:
    loader = isinstance(node, ast.Call) and called(node) == "DataLoader"
    words = node.keywords if loader and isinstance(node, ast.Call) else []
    return any(one.arg == "shuffle" and ast.unparse(one.value) == "True" for one in words)


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find a loop that begins its loader anew in every turn."""
    yield from _cycled(evidence)
    steps = [step for step in evidence.full if step.backwards]
    if len(steps) < _STEPS:
        return
    if len({_inputs(step) for step in steps[1:]}) != 1:
        yield from _few_samples(evidence, steps)
        return
    source = steps[0].backwards[0].source
    line = _begins_anew(evidence.code(source)) if source else None
    if source and line:
        yield _finding(steps, Source.at(source.file, line))


def _few_samples(evidence: Evidence, steps: list[Step]) -> Iterator[Finding]:
    """Batches that differ and yet are made of the same few samples."""
    batches = [_batch(step) for step in steps]
    known = [one for one in batches if one is not None]
    rows = {row.tobytes() for batch in known for row in batch}
    longest = max((len(batch) for batch in known), default=0)
    text = evidence.code(evidence.loop)
    if len(known) < len(steps) or longest < _MANY or len(rows) > longest // _MANY:
        return
    samplers = [call.lineno for call in text.makes({"WeightedRandomSampler"})]
    if evidence.loop is None or not samplers:
        return
    yield RULE.finding(
        title=f"all batches are made of the same {plural(len(rows), 'sample')}",
        message=f"""In {plural(len(known), "full step")} between {steps[0].index} and
            {steps[-1].index}, batches of up to {longest} held no more than
            {plural(len(rows), "different sample")}, over and over. A WeightedRandomSampler draws
            from as many samples as it is given weights.""",
        fix="WeightedRandomSampler(class_weight[labels], len(labels))  # a weight for each sample",
        step=steps[-1].index,
        events=("inputs of the forward",),
        source=Source.at(evidence.loop.file, samplers[0]),
    )


def _batch(step: Step) -> npt.NDArray[np.generic] | None:
    """The rows that the first layer of a step is given, flat: (samples, numbers)."""
    for kernel in step.kernels:
        for use in tensors(kernel.inputs) if kernel.requires_grad else ():
            value = use.value
            if use.spec.role == "input" and value is not None and value.complete and value.numel:
                array = value.array
                if array.dtype.kind == "f" and len(value.shape) > 1:
                    return array.reshape(value.shape[0], -1)
    return None


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
