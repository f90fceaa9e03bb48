"""Two gradients meet that are the same but for the sign, and nothing is left.

What it finds:
    A tensor that gets two gradients, one the exact opposite of the other, in every step: because
    it is subtracted from itself. So ``z + (q - z)`` without ``detach()`` in a straight-through
    estimator, or a ratio of probabilities whose old ones are the new ones, not detached.

Why it is bad:
    Whatever the loss says on this path does not arrive. The number is right; the training is not.

Evidence it needs:
    Full steps: the gradients that come to a node along each of its edges.

Example:
    through = z + (q - z)

Corrected:
    through = z + (q - z).detach()

When it is silent:
    Gradients that are zero already, were not kept whole, or that cancel in some steps only; a
    largest element that is subtracted and added again, as in a logarithm of summed exponentials;
    logarithms of a scale in the difference of two densities.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.Tensor.detach.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from autograd_lens.doctor.evidence import Evidence, is_zero
from autograd_lens.doctor.finding import Finding, Rule, shape, size
from autograd_lens.trace.graph import TapeIndex
from autograd_lens.trace.records import Edge, Kernel, Node, Step
from autograd_lens.trace.values import Value

RULE = Rule("AL306", "gradients-cancel", "error", "full", explains=("AL502", "AL506"))

_SHIFT = re.compile(r"A?(max|min)", re.IGNORECASE)  # subtracted for range alone
_LOG = "LogBackward0"  # of a scale, which two densities of one distribution have in common
_STEPS = 2
_WEIGHED = 2  # elements: single numbers may be opposite by chance
_Meeting = tuple[Node, Kernel, Value, tuple[Node, Node]]  # where, its kernel, one, from where


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the first place at which gradients cancel in every step."""
    steps = [step for step in evidence.full if step.backwards]
    found: dict[int, list[tuple[Step, _Meeting]]] = {}
    for step in steps:
        for meeting in _meetings(step):
            source = meeting[1].source
            if source is not None:
                found.setdefault(source.line, []).append((step, meeting))
    for times in found.values():
        if len(steps) >= _STEPS and len({step.index for step, _ in times}) == len(steps):
            yield _finding(evidence, *times[0])
            return


def _meetings(step: Step) -> Iterator[_Meeting]:
    """The nodes of a step's backwards to which opposite gradients come."""
    tape = TapeIndex(step)
    for number, backward in enumerate(step.backwards):
        graph = backward.graph
        for run in backward.node_runs if graph is not None else ():
            node = graph.nodes[run.node] if graph is not None else None
            kernel = tape.kernel_of(node) if node is not None else None
            if node is None or kernel is None or graph is None or _SHIFT.match(node.name):
                continue
            for output in range(len(run.grad_outputs)):
                edges = tape.arriving(run.node, output, number)
                for one, other in combinations(edges, 2):
                    if graph.nodes[one.from_node].name == graph.nodes[other.from_node].name == _LOG:
                        continue
                    value = _opposite(tape, one, other, number)
                    if value is not None:
                        yield (
                            node,
                            kernel,
                            value,
                            (
                                graph.nodes[one.from_node],
                                graph.nodes[other.from_node],
                            ),
                        )


def _opposite(tape: TapeIndex, one: Edge, other: Edge, backward: int) -> Value | None:
    """The gradient that comes along an edge, where the other brings its exact opposite."""
    first, second = _sent(tape, one, backward), _sent(tape, other, backward)
    known = first is not None and second is not None and first.complete and second.complete
    if first is None or second is None or not known or first.shape != second.shape:
        return None
    if is_zero(first) or first.numel < _WEIGHED:
        return None
    return first if np.array_equal(first.array, -second.array) else None


def _sent(tape: TapeIndex, edge: Edge, backward: int) -> Value | None:
    run = tape.run_of(edge.from_node, backward)
    sent = run.grad_inputs if run is not None else ()
    return sent[edge.input_position] if edge.input_position < len(sent) else None


def _finding(evidence: Evidence, step: Step, meeting: _Meeting) -> Finding:
    node, kernel, value, (one, other) = meeting
    made = kernel.outputs[0].spec if kernel.outputs else None
    name = made.name if made is not None and made.name else f"the result of {node.name}"
    tape = TapeIndex(step)
    reader = tape.kernel_of(one) or tape.kernel_of(other) or kernel
    return RULE.finding(
        title=f"two gradients cancel at {name}",
        message=f"""In step {step.index} and all others that were recorded in full, {name}
            {shape(value.shape)} got a gradient of {size(value)} from {one.name} and the exact
            opposite from {other.name}: it is subtracted from itself
            (`{evidence.line(reader.source)}`), and on this path no gradient arrives.""",
        fix="# detach() the one that is meant as a constant",
        step=step.index,
        events=(f"node {node.index} {node.name}",),
        source=reader.source,
        look=f"autograd-lens step {{file}} --at {step.index}:backward",
    )
