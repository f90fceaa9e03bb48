"""A gradient reversal that does not reverse.

What it finds:
    An ``autograd.Function`` that hands on what it is given, whose backward hands the gradient on
    with a factor above 0, though it is called a reversal or turns the sign: the sign is turned
    twice, by ``neg()`` and by a negative factor, or not at all.

Why it is bad:
    What comes before it is trained to help the part that it is to work against: domains, say, are
    told apart better and better.

Evidence it needs:
    Full steps: the gradients that came into the Function and those that went out.

Example:
    return grad_output.neg() * ctx.factor, None  # and a factor of -1

Corrected:
    return grad_output.neg() * ctx.factor, None  # and a factor of 1

When it is silent:
    Functions that scale a gradient and neither turn its sign nor say so, and gradients of zero.

References:
    https://arxiv.org/abs/1505.07818
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence, is_zero
from autograd_lens.doctor.finding import Finding, Rule, number, plural
from autograd_lens.trace.graph import constant, operator_name
from autograd_lens.trace.records import Kernel, Node, NodeRun, Source, Step
from autograd_lens.trace.values import Value

RULE = Rule("AL228", "reversal-undone", "error", "full")

_NAMED = re.compile(r"revers|\bgrl|flip", re.IGNORECASE)
_FEWEST = 2
_CLOSE = 1e-3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find reversals whose factor is above 0 in every full step that has one."""
    factors: dict[str, list[tuple[float, Step, NodeRun, Node]]] = {}
    for step in evidence.full:
        for backward in step.backwards:
            for run in backward.node_runs:
                node = backward.graph.nodes[run.node] if backward.graph else None
                factor = _factor(run) if node is not None and _own(node) else None
                if node is not None and factor is not None and _reverses(step, node, run):
                    factors.setdefault(node.name, []).append((factor, step, run, node))
    for name, found in factors.items():
        if len(found) >= _FEWEST and all(factor > 0 for factor, *_ in found):
            yield _finding(evidence, name.removesuffix("Backward"), found)


def _own(node: Node) -> bool:
    """Whether a node is a Function of the program: names of PyTorch's end in a number."""
    return node.name.endswith("Backward") and not node.formula


def _factor(run: NodeRun) -> float | None:
    """What the gradient was multiplied with; None where it is not one number, or 0."""
    came = next((value for value in run.grad_outputs if value is not None), None)
    went = next((value for value in run.grad_inputs if value is not None), None)
    if not _comparable(came) or not _comparable(went) or came is None or went is None:
        return None
    if came.shape != went.shape:
        return None
    before, after = (value.array.astype(np.float64).ravel() for value in (came, went))
    factor = float(before @ after / (before @ before))
    apart = float(np.linalg.norm(after - factor * before))
    straight = apart <= _CLOSE * float(np.linalg.norm(after)) and before.size > 1
    return factor if factor and straight else None


def _comparable(value: Value | None) -> bool:
    known = value is not None and value.complete and not is_zero(value)
    return known and value is not None and value.array.dtype.kind == "f"


def _reverses(step: Step, node: Node, run: NodeRun) -> bool:
    """Whether a Function is named a reversal, or its backward turns a sign."""
    kernels = [step.kernels[index] for index in run.kernels]
    return bool(_NAMED.search(node.name)) or any(map(_turns, kernels))


def _turns(kernel: Kernel) -> bool:
    other = constant(kernel, "other")
    return operator_name(kernel) == "neg" or (
        operator_name(kernel) in ("mul", "div") and other is not None and other < 0
    )


def _finding(
    evidence: Evidence, name: str, found: list[tuple[float, Step, NodeRun, Node]]
) -> Finding:
    factor, step, run, _ = found[-1]
    steps = len({one.index for _, one, *_ in found})
    return RULE.finding(
        title=f"{name} does not reverse the gradient",
        message=f"""In step {step.index}, the gradient that came out of {name} was {number(factor)}
            times the one that came in, and its factor was above 0 in all {plural(steps, "step")}
            that {"was" if steps == 1 else "were"} recorded in full. What lies in front of it goes
            down with the loss behind it, where it was to go up.""",
        fix="return -factor * grad_output, None  # with a factor above 0",
        step=step.index,
        events=tuple(f"kernel {index} {step.kernels[index].op}" for index in run.kernels[:3]),
        source=_place(evidence, name),
    )


def _place(evidence: Evidence, name: str) -> Source | None:
    """The ``return`` of the function's backward, else of the whole program nothing."""
    for graph in evidence.graphs:
        file = graph.source.file if graph.source else ""
        line = evidence.code_of(file).returns(name, "backward") if file else 0
        if line:
            return Source.at(file, line, "backward")
    return None
