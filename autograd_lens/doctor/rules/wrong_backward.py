"""A custom Function's backward is not the derivative of its forward.

What it finds:
    An ``autograd.Function`` whose own backward gives other gradients than autograd gives for the
    kernels that its forward ran.

Why it is bad:
    Everything in front of it is trained along a wrong slope, and nothing complains.

Evidence it needs:
    An experiment: the forward's kernels are executed again under autograd.

Example:
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * x              # forward returned x * x

Corrected:
        return grad * 2 * x

When it is silent:
    Forwards that round, compare, clamp or only hand on what they are given, or that are given
    something for their backward alone: such a Function has a backward of its own for a reason
    (straight through, reversed, scaled, a feedback of its own). Without experiments.

References:
    https://docs.pytorch.org/docs/stable/notes/extending.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule, number
from autograd_lens.trace.outcomes import Slope
from autograd_lens.trace.records import Step

RULE = Rule("AL219", "wrong-backward", "error", "full")

_APART = 0.01  # of the largest gradient


def check(evidence: Evidence) -> Iterator[Finding]:
    """Derive the forwards of the last full step that ran custom Functions."""
    for step in reversed(evidence.full):
        if not _runs_functions(step):
            continue
        for slope in evidence.experiments.slopes(step.index):
            wrong = abs(slope.given - slope.right) > _APART * slope.scale > 0
            if wrong and not _on_purpose(evidence, step, slope):
                yield _finding(step, slope)
                return
        return


def _on_purpose(evidence: Evidence, step: Step, slope: Slope) -> bool:
    """Whether the forward keeps an argument for its backward that it does not compute with."""
    tree = evidence.code(step.kernels[slope.kernel].source).tree
    for owner in ast.walk(tree):
        named = isinstance(owner, ast.ClassDef) and owner.name == slope.function
        for method in getattr(owner, "body", ()) if named else ():
            if isinstance(method, ast.FunctionDef) and method.name == "forward":
                given = {one.arg for one in method.args.args[1:]}
                read = {
                    node.id
                    for statement in method.body
                    if not ast.unparse(statement).startswith("ctx.")
                    for node in ast.walk(statement)
                    if isinstance(node, ast.Name)
                }
                kept = {
                    node.id
                    for statement in method.body
                    if "save_for_backward" in ast.unparse(statement)
                    for node in ast.walk(statement)
                    if isinstance(node, ast.Name)
                }
                return bool((given & kept) - read)
    return False


def _runs_functions(step: Step) -> bool:
    """Whether a node has no name of PyTorch's own, which end in a number."""
    graphs = [one.graph for one in step.backwards if one.graph is not None]
    return any(node.name.endswith("Backward") for graph in graphs for node in graph.nodes)


def _finding(step: Step, slope: Slope) -> Finding:
    kernel = step.kernels[slope.kernel]
    return RULE.finding(
        title=f"{slope.function}: its backward is not the derivative of its forward",
        message=f"""Shown by executing step {step.index} again: for input {slope.position} of
            {slope.function}, autograd gives {number(slope.right)} for the kernels of its forward,
            and its own backward gave {number(slope.given)} there.""",
        fix=f"torch.autograd.gradcheck({slope.function}.apply, inputs)  # in float64",
        step=step.index,
        kernel=kernel,
    )
