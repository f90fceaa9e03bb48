"""Every step draws the same random numbers.

What it finds:
    Dropout masks or noise that are the same, element for element, in different steps; noise that
    was drawn once, one row for each sample of a batch, and that every batch gets.

Why it is bad:
    A seed is set anew in every turn of the loop. Dropout then cuts the same units for good, and
    noise is one fixed shift that the model learns.

Evidence it needs:
    Full steps: what was drawn on the way to the loss.

Example:
    for x, y in loader:
        torch.manual_seed(0)

Corrected:
    torch.manual_seed(0)
    for x, y in loader:

When it is silent:
    Few numbers, steps of different shapes, draws that do not lead to the loss, and batches that
    are the same themselves.

References:
    https://docs.pytorch.org/docs/stable/notes/randomness.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, plural
from autograd_lens.doctor.source import called
from autograd_lens.doctor.tape import DROPOUT, training_path
from autograd_lens.trace.graph import TapeIndex, operator_name, tensors
from autograd_lens.trace.records import Kernel, Source, Step
from autograd_lens.trace.values import Value

RULE = Rule("AL608", "same-draws", "warning", "full")

_DRAWS = DROPOUT | {"normal", "normal_", "uniform_", "rand", "randn", "rand_like", "randn_like"}
_FEWEST_STEPS = 3
_FEWEST = 32  # numbers that are no chance
_LAYERS = frozenset({"addmm", "mm", "convolution", "embedding"})
_DRAWERS = frozenset({"randn", "rand", "randn_like", "rand_like", "normal", "bernoulli", "normal_"})


def check(evidence: Evidence) -> Iterator[Finding]:
    """Compare the draws of all full steps, and look for noise from before them."""
    yield from _redrawn(evidence)
    yield from _drawn_once(evidence)


def _drawn_once(evidence: Evidence) -> Iterator[Finding]:
    """Noise for each row of a batch that no step draws, while the batches change."""
    found = [dict(_kept(tape)) for tape in evidence.tapes[1:]]
    for place in set.intersection(*map(set, found)) if len(found) >= _FEWEST_STEPS else ():
        values = {value for one in found for value in [one[place][1]]}
        kernel = found[0][place][0]
        line = _drawing_line(evidence, kernel)
        if len(values) == 1 and line is not None and _batches_change(evidence):
            yield RULE.finding(
                title="noise was drawn once, and every batch gets it",
                message=f"""`{evidence.line(kernel.source).strip()}` combines each row of the batch
                    with the same random numbers in every step: `{evidence.line(line).strip()}` drew
                    them once, and the batches are others each time.""",
                fix="noise = torch.randn_like(x)  # in every step",
                step=evidence.tapes[1].step.index,
                kernel=kernel,
                source=line,
            )
            return


def _kept(tape: TapeIndex) -> Iterator[tuple[tuple[str, int, str], tuple[Kernel, Value]]]:
    """Random numbers that no kernel of a step made, and what they are combined with."""
    path = training_path(tape.step)
    for kernel in tape.kernels:
        pair = list(tensors(kernel.inputs)) if operator_name(kernel) in ("mul", "add") else []
        if kernel.index not in path or len(pair) <= 1 or not kernel.requires_grad:
            continue
        for use, other in (pair, pair[::-1]):
            rows = use.spec.shape[:1] == other.spec.shape[:1] and len(use.spec.shape) > 1
            outside = tape.maker(use.tensor, kernel.index) is None and use.spec.role == "input"
            value, source = use.value, kernel.source
            grown = other.tensor in tape.differentiable and rows and outside
            if grown and source is not None and value is not None and _random(value):
                yield (source.file, source.line, kernel.op), (kernel, value)


def _random(value: Value | None) -> bool:
    """Whether all numbers are there, and no two are the same."""
    if value is None or not value.complete or value.numel < _FEWEST or "float" not in value.dtype:
        return False
    return bool(np.unique(value.array).size == value.numel)


def _drawing_line(evidence: Evidence, kernel: Kernel) -> Source | None:
    """The line, read on the kernel's, that keeps random numbers under a name."""
    source = kernel.source
    code = evidence.code(source)
    statement = code.statement(source.line) if source is not None else None
    read = {
        ast.unparse(node)
        for node in ast.walk(statement or ast.Module([], []))
        if isinstance(node, ast.Name | ast.Attribute)
    }
    for node in ast.walk(code.tree):
        kept = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in read
        if kept and isinstance(node, ast.Assign) and source is not None:
            calls = [one for one in ast.walk(node.value) if isinstance(one, ast.Call)]
            if any(called(one) in _DRAWERS for one in calls):
                return Source.at(source.file, node.lineno)
    return None


def _batches_change(evidence: Evidence) -> bool:
    """Whether layers are given other data from step to step."""
    given = [
        {
            use.value
            for kernel in tape.kernels
            if operator_name(kernel) in _LAYERS and kernel.phase == "forward"
            for use in tensors(kernel.inputs)
            if use.tensor not in tape.differentiable and use.spec.role != "parameter"
            if use.value is not None and use.value.complete
        }
        for tape in evidence.tapes[1:]
    ]
    return bool(given) and all(given) and not set.intersection(*given)


def _redrawn(evidence: Evidence) -> Iterator[Finding]:
    drawn = [(step, found) for step in evidence.full if (found := _draws(step))]
    values = [tuple(value for _, value in found) for _, found in drawn]
    if len(values) < _FEWEST_STEPS or len(set(values)) > 1:
        return
    step, (first, *_) = drawn[0]
    kernel = first[0]
    seed = _seed(evidence)
    yield RULE.finding(
        title="every step draws the same random numbers",
        message=f"""`{evidence.line(kernel.source)}` drew the same numbers in
            {plural(len(values), "step")} ({", ".join(str(one.index) for one, _ in drawn)}), to
            the last bit: something sets the generator back in every step.""",
        fix="torch.manual_seed(0)  # once, before the loop",
        step=step.index,
        kernel=kernel,
        source=seed or kernel.source,
    )


def _draws(step: Step) -> list[tuple[Kernel, Value]]:
    """What a step drew on the way to its loss; none where that is little or not known."""
    path = training_path(step)
    found = [
        (kernel, kernel.outputs[0].value)
        for kernel in step.kernels
        if kernel.index in path and operator_name(kernel) in _DRAWS and kernel.outputs
    ]
    known = [(kernel, value) for kernel, value in found if value is not None and value.complete]
    enough = len(known) == len(found) and sum(value.numel for _, value in known) >= _FEWEST
    return known if enough else []


def _seed(evidence: Evidence) -> Source | None:
    """The line in a loop that sets the seed."""
    source = evidence.loop
    for call in evidence.code(source).makes({"manual_seed", "seed_everything", "set_seed"}):
        if source is not None and called(call) and call.lineno > 0:
            line = call.lineno
            if any(
                name == called(call)
                for _, name, at in evidence.code(source).calls(source.line)
                if at == line
            ):
                return Source.at(source.file, line)
    return None
