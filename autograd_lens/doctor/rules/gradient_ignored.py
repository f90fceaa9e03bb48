"""A backward of one's own ignores the gradient that comes in.

What it finds:
    A ``torch.autograd.Function`` whose ``backward`` computes with what it saved and never reads
    ``grad_output``, though that is not simply one; a module with a ``backward`` of its own, which
    autograd never calls.

Why it is bad:
    The chain rule is cut there: everything in front of the function gets the function's own
    slope instead of the slope of the loss.

Evidence it needs:
    A full step: the kernels that the function's node ran, and what they read.

Example:
    def backward(ctx, grad_output):
        (slope,) = ctx.saved_tensors
        return slope

Corrected:
    def backward(ctx, grad_output):
        (slope,) = ctx.saved_tensors
        return grad_output * slope

When it is silent:
    Nodes of PyTorch's own, and functions whose incoming gradient is one, as a loss's is.

References:
    https://docs.pytorch.org/docs/stable/notes/extending.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence, is_zero
from autograd_lens.doctor.finding import Finding, Rule, size
from autograd_lens.doctor.source import called
from autograd_lens.trace.graph import tensors
from autograd_lens.trace.records import Kernel, Node, NodeRun, Source, Step
from autograd_lens.trace.values import Value

RULE = Rule("AL217", "gradient-ignored", "error", "full", explains=("AL219",))


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find functions that drop the gradient."""
    for step in evidence.full:
        for backward in step.backwards:
            for run in backward.node_runs:
                node = backward.graph.nodes[run.node] if backward.graph else None
                if node is not None and _own(evidence, node, step, run) and _ignores(step, run):
                    yield _finding(evidence, step, node, run)
                    return
    yield from _of_module(evidence)


def _of_module(evidence: Evidence) -> Iterator[Finding]:
    """A module with a ``backward(grad)`` of its own, which only a Function would have called."""
    source = evidence.loop
    tree = evidence.code(source).tree if source is not None else ast.Module([], [])
    calls = [one for one in ast.walk(tree) if isinstance(one, ast.Call)]
    if any(called(one) == "backward" and one.args for one in calls):
        return  # the program hands gradients on itself
    made = {called(one) for one in calls}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or node.name not in made:
            continue
        module = any(ast.unparse(base).endswith("Module") for base in node.bases)
        for one in node.body if module else ():
            if isinstance(one, ast.FunctionDef) and _takes_gradient(one) and source is not None:
                yield RULE.finding(
                    title=f"{node.name}.backward is never called",
                    message=f"""{node.name} is a module. Autograd derives what its forward() runs
                        and knows of no backward(): that of line {one.lineno} has no effect, and
                        the gradient goes through as if it were not there.""",
                    fix=f"class {node.name}(torch.autograd.Function):  # and {node.name}.apply(x)",
                    events=("all backwards",),
                    source=Source.at(source.file, node.lineno),
                )
                return


def _takes_gradient(function: ast.FunctionDef) -> bool:
    """Whether it is a ``backward`` that is given something and calls no other one."""
    inner = (called(one) for one in ast.walk(function) if isinstance(one, ast.Call))
    given = len(function.args.args) > 1
    return function.name == "backward" and given and "backward" not in inner


def _own(evidence: Evidence, node: Node, step: Step, run: NodeRun) -> bool:
    """Whether a node is none of PyTorch's: their names end in a number, or their text is torch's.

    A checkpoint's backward, say, hands the gradient to a backward of its own.
    """
    if not node.name.endswith("Backward") or node.formula or not run.kernels:
        return False
    place = _place(evidence, node, step.kernels[run.kernels[-1]])
    return place is not None and place.function == "backward" and "/torch/" not in place.file


def _ignores(step: Step, run: NodeRun) -> bool:
    came = [value for value in run.grad_outputs if value is not None]
    went = [value for value in run.grad_inputs if value is not None]
    kernels = [step.kernels[index] for index in run.kernels]
    if not came or not went or not kernels or all(map(_plain, came)):
        return False
    if any(value == other for value in went for other in came):
        return False
    made = {output.tensor for kernel in kernels for output in kernel.outputs}
    read = [use for kernel in kernels for use in tensors(kernel.inputs) if use.tensor not in made]
    return not any(_is(use.value, came) or _from(step, use.tensor, run) for use in read)


def _plain(value: Value) -> bool:
    """Whether it is one everywhere, or zero, or not known."""
    if not value.complete or is_zero(value):
        return True
    return bool(np.all(value.array == 1))


def _is(value: Value | None, came: list[Value]) -> bool:
    """Whether a value is a gradient that came in; where it is not known, it may be."""
    return value is None or not value.complete or value in came


def _from(step: Step, tensor: int, run: NodeRun) -> bool:
    """Whether another kernel of this backward made a tensor: then it is a gradient."""
    first = min(run.kernels)
    makers = (kernel for kernel in step.kernels[:first] if kernel.phase == "backward")
    return any(output.tensor == tensor for kernel in makers for output in kernel.outputs)


def _finding(evidence: Evidence, step: Step, node: Node, run: NodeRun) -> Finding:
    kernel = step.kernels[run.kernels[-1]]
    source = _place(evidence, node, kernel)
    came = next(value for value in run.grad_outputs if value is not None)
    went = next(value for value in run.grad_inputs if value is not None)
    return RULE.finding(
        title=f"{node.name.removesuffix('Backward')}.backward does not use its grad_output",
        message=f"""In step {step.index}, a gradient of {size(came)} came into {node.name}, and
            {size(went)} went out, computed from saved tensors alone: no kernel of its backward
            read what came in.""",
        fix="return grad_output * slope  # the chain rule: what came in, times the own slope",
        step=step.index,
        events=tuple(f"kernel {index} {step.kernels[index].op}" for index in run.kernels[:3]),
        source=source,
    )


def _place(evidence: Evidence, node: Node, kernel: Kernel) -> Source | None:
    """The ``return`` of the function's backward, else the kernel's own line."""
    files = {graph.source.file for graph in evidence.graphs if graph.source}
    for file in sorted(files):
        line = evidence.code(Source.at(file, 1)).returns(
            node.name.removesuffix("Backward"), "backward"
        )
        if line:
            return Source.at(file, line, "backward")
    return kernel.source
