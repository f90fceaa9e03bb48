"""A gradient becomes exactly zero on its way, in every step.

What it finds:
    Parameters whose gradient is zero in all elements and all steps, and the node on the path
    that turned a gradient into zero: rounding, sign, a ReLU none of whose inputs is positive, a
    saturated sigmoid; or a product of two parameters that are both zero. Or a softmax that is
    summed up along its own axis: that sum is 1 whatever goes in, and all that comes back is
    rounding. A layer normalisation over one number, which leaves its bias and nothing else.

Why it is bad:
    The parameters behind that node are never trained.

Evidence it needs:
    Light steps: gradients that are there and zero. A full step: what came into the node and what
    went out.

Example:
    rating = torch.round(model(x))
    loss = ((rating - stars) ** 2).mean()

Corrected:
    rating = model(x)
    loss = ((rating - stars) ** 2).mean()   # round only what is shown

When it is silent:
    Gradients that are zero for a while only, or behind a product with 0 that is meant.

References:
    https://docs.pytorch.org/docs/stable/generated/torch.round.html
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograd_lens.doctor.evidence import Evidence, is_zero
from autograd_lens.doctor.finding import Finding, Rule, listed, shape, size
from autograd_lens.doctor.ledger import ever_reached
from autograd_lens.trace.graph import VIEWS, TapeIndex, constant, integers, operator_name, tensors
from autograd_lens.trace.records import (
    Backward,
    Graph,
    Kernel,
    Node,
    NodeRun,
    Step,
    TensorUse,
)

RULE = Rule("AL302", "zero-gradient-path", "error", "full", explains=("AL502", "AL506"))

_Killed = tuple[Node, NodeRun, list[str]]

_ENOUGH = 3
_PRODUCTS = frozenset({"bmm", "convolution", "matmul", "mm", "mul"})
_THROUGH_ZERO = frozenset({"gelu", "leaky_relu", "relu", "relu_", "silu", "tanh"})  # 0 stays 0
_ROUNDING = 1e-5  # of the numbers themselves: they are the same
_STEPS = 2
_SOFTMAX = frozenset({"SoftmaxBackward0", "SoftmaxBackward1"})
_FLAT = "is flat between its jumps: its slope is 0 everywhere"
_REASONS = {
    "Round": _FLAT,
    "Sign": _FLAT,
    "Floor": _FLAT,
    "Ceil": _FLAT,
    "Trunc": _FLAT,
    "Relu": "had no input above 0: all its units are dead",
    "Threshold": "had no input above its threshold: all its units are dead",
    "Sigmoid": "is saturated: its result is exactly 0 or 1 everywhere",
    "Tanh": "is saturated: its result is exactly -1 or 1 everywhere",
    "Hardtanh": "had all its inputs outside its range",
    "Clamp": "had all its inputs outside its range",
}


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find the node behind which gradients are zero."""
    zero = {name for name, times in _zero_times(evidence) if times >= _ENOUGH}
    for step in evidence.full if zero else ():
        for backward in step.backwards:
            killed = _killer(backward, zero)
            if killed is not None:
                yield _finding(evidence, step, killed)
                return
    found = [*_both_zero(evidence, zero), *_cancelling(evidence)]
    yield from found or [*_all_zero(evidence, zero)] or _of_one_number(evidence)


def _of_one_number(evidence: Evidence) -> Iterator[Finding]:
    """A layer normalisation each of whose groups is one number."""
    for tape in evidence.tapes[:1]:
        for kernel in tape.kernels:
            given = next(tensors(kernel.inputs), None)
            alone = operator_name(kernel) == "native_layer_norm" and kernel.requires_grad
            if not alone or given is None or given.spec.shape[-1:] != (1,) or not given.value:
                continue
            sizes = next((one for one in kernel.inputs if one.name == "normalized_shape"), None)
            if (
                sizes is not None
                and len(sizes.value if isinstance(sizes.value, tuple) else ()) == 1
            ):
                yield RULE.finding(
                    title="a layer normalisation runs over one number",
                    message=f"""In step {tape.step.index}, `{evidence.line(kernel.source)}`
                        normalises {shape(given.spec.shape)} along the last axis, of size 1: what
                        is left of each number is 0, whatever it was, and the result is the bias.
                        Nothing in front of it gets a gradient.""",
                    fix="nn.LayerNorm(features)  # over the axis that has several numbers",
                    step=tape.step.index,
                    kernel=kernel,
                )
                return


def _all_zero(evidence: Evidence, names: set[str]) -> Iterator[Finding]:
    """Every gradient of the run is zero, and a matrix of the model is, too."""
    written = {evidence.parameters[index].name for index in ever_reached(evidence)}
    first = evidence.full[0] if evidence.full and written and names >= written else None
    for kernel in first.kernels if first is not None else ():
        for use in tensors(kernel.inputs):
            spec = use.spec
            matrix = spec.role == "parameter" and len(spec.shape) > 1 and use.value is not None
            if matrix and first is not None and is_zero(use.value):
                yield RULE.finding(
                    title=f"{spec.name} is all zeros, and every gradient is",
                    message=f"""In step {first.index}, `{evidence.line(kernel.source)}` computes
                        with {spec.name}, all of whose numbers are zero. In all steps that were
                        looked at, the gradients of {listed(sorted(written))} are exactly zero:
                        nothing can ever move.""",
                    fix=f"nn.init.normal_({spec.name}, std=0.02)",
                    step=first.index,
                    kernel=kernel,
                )
                return


def _both_zero(evidence: Evidence, names: set[str]) -> Iterator[Finding]:
    """Two parameters whose product is used, both zero: each one's gradient is zero times."""
    for step in evidence.full[-1:] if len(names) > 1 else ():
        tape = TapeIndex(step)
        for kernel in step.kernels:
            pair = list(tensors(kernel.inputs)) if operator_name(kernel) in _PRODUCTS else []
            nearest = [_empty(tape, use, kernel, names) for use in pair]
            if len(nearest) > 1 and all(nearest[:2]) and nearest[0] != nearest[1]:
                one, other = nearest[:2]
                yield RULE.finding(
                    title=f"{one} and {other} are both zero, and stay so",
                    message="""The model uses the product of the two. The gradient of each is a
                        product with the other, so that both are exactly zero, in every step; at
                        least one of them has to begin with other numbers.""",
                    fix=f"nn.init.normal_({one.rpartition('.')[2]}, std=0.02)  # one of the two",
                    step=step.index,
                    kernel=kernel,
                )
                return


def _empty(tape: TapeIndex, use: TensorUse, kernel: Kernel, names: set[str]) -> str:
    """The parameter of zeros that makes a tensor zero: itself, seen otherwise, or a factor."""
    if not is_zero(use.value) or use.value is None:
        return ""
    if use.spec.role == "parameter":
        return use.spec.name if use.spec.name in names else ""
    made = tape.maker(use.tensor, kernel.index)
    if made is None or operator_name(made) not in VIEWS | _PRODUCTS | _THROUGH_ZERO:
        return ""
    found = (_empty(tape, one, made, names) for one in tensors(made.inputs))
    return next(filter(None, found), "")


def _zero_times(evidence: Evidence) -> Iterator[tuple[str, int]]:
    """How often each parameter's gradient was written, where it was zero every time."""
    for index, parameter in enumerate(evidence.parameters):
        written = [gap for gaps in evidence.gaps(index) for gap in gaps if gap.written]
        if written and all(is_zero(gap.grad) for gap in written):
            yield parameter.name, len(written)


def _killer(backward: Backward, zero: set[str]) -> _Killed | None:
    graph = backward.graph
    for run in backward.node_runs if graph else ():
        node = graph.nodes[run.node] if graph else None
        if graph and node and _reason(node) and _kills(run):
            behind = [name for name in _leaves_behind(graph, node.index) if name in zero]
            if behind:
                return node, run, behind
    return None


def _kills(run: NodeRun) -> bool:
    came = any(not is_zero(value) for value in run.grad_outputs)
    went = [value for value in run.grad_inputs if value is not None]
    return came and bool(went) and all(is_zero(value) for value in went)


def _reason(node: Node) -> str:
    return next((why for word, why in _REASONS.items() if node.name.startswith(word)), "")


def _leaves_behind(graph: Graph, start: int) -> list[str]:
    waiting, seen = [start], {start}
    while waiting:
        current = waiting.pop()
        for edge in graph.edges:
            if edge.from_node == current and edge.to_node not in seen:
                seen.add(edge.to_node)
                waiting.append(edge.to_node)
    return [graph.nodes[index].variable or "" for index in sorted(seen)]


def _finding(evidence: Evidence, step: Step, killed: _Killed) -> Finding:
    node, run, names = killed
    forward = step.kernels[node.forward_kernel] if node.forward_kernel is not None else None
    source = forward.source if forward else None
    line = evidence.line(source)
    came = next((value for value in run.grad_outputs if not is_zero(value)), None)
    return RULE.finding(
        title=f"{node.name} turns the gradient into zero",
        message=f"""In step {step.index}, a gradient of {size(came)} came into {node.name}
            (`{line}`), and zeros went out: {_plain(node)} {_reason(node)}. The
            gradients of {listed(names)} are exactly zero in every step.""",
        fix=_fix(node),
        step=step.index,
        events=(f"node {node.index} {node.name}",),
        source=source,
        line=line,
        look=f"autograd-lens step {{file}} --at {step.index}:backward",
    )


def _plain(node: Node) -> str:
    """``round`` for RoundBackward0."""
    return node.name.partition("Backward")[0].lower()


def _fix(node: Node) -> str:
    if _reason(node) == _FLAT:
        return f"use torch.{_plain(node)}() only on what is shown, not on the way to the loss"
    return "smaller weights and biases at the start, or an activation without a flat side"


def _cancelling(evidence: Evidence) -> Iterator[Finding]:
    """A softmax that is given the same gradient for all numbers along its axis, every time."""
    steps = [step for step in evidence.full if step.backwards]
    found: dict[int, list[tuple[Step, Kernel, list[str]]]] = {}
    for step in steps:
        tape = TapeIndex(step)
        for backward in step.backwards:
            for kernel, run in _softmaxes(tape, backward):
                flat = _summed(tape, kernel) and _flat(kernel, run)
                if flat and kernel.source is not None and backward.graph is not None:
                    behind = list(filter(None, _leaves_behind(backward.graph, run.node)))
                    found.setdefault(kernel.source.line, []).append((step, kernel, behind))
    for times in found.values():
        always = len({step.index for step, _, _ in times}) == len(steps)
        if always and len(steps) >= _STEPS and times[0][2]:
            yield _of_softmax(evidence, *times[0])
            return


def _softmaxes(tape: TapeIndex, backward: Backward) -> Iterator[tuple[Kernel, NodeRun]]:
    for run in backward.node_runs if backward.graph else ():
        node = backward.graph.nodes[run.node] if backward.graph else None
        kernel = tape.kernel_of(node) if node is not None and node.name in _SOFTMAX else None
        if kernel is not None:
            yield kernel, run


def _summed(tape: TapeIndex, kernel: Kernel) -> bool:
    """Whether a sum or mean runs over the axis of a softmax and reads nothing but that."""
    axis = constant(kernel, "dim")
    made, axes = kernel.outputs[0].tensor, len(kernel.outputs[0].spec.shape)
    for reader in tape.readers(made) if axis is not None else ():
        over = [one % axes for one in integers(reader, "dim")]
        if operator_name(reader) in ("sum", "mean") and axis is not None and over == [axis % axes]:
            return True
    return False


def _flat(kernel: Kernel, run: NodeRun) -> bool:
    """Whether the gradient that came is known, not zero, and the same along the axis."""
    value = run.grad_outputs[0] if run.grad_outputs else None
    dim = constant(kernel, "dim")
    if value is None or not value.complete or dim is None or is_zero(value):
        return False
    numbers = value.array
    apart = numbers.max(int(dim)) - numbers.min(int(dim))
    longer = numbers.shape[int(dim)] > 1
    return longer and bool(np.all(apart <= _ROUNDING * np.abs(numbers).max()))


def _of_softmax(evidence: Evidence, step: Step, kernel: Kernel, names: list[str]) -> Finding:
    return RULE.finding(
        title="a softmax is summed up along its own axis",
        message=f"""In step {step.index} and all others that were recorded in full, the gradient
            that came back to the softmax (`{evidence.line(kernel.source).strip()}`) was the same
            for all numbers along its axis: what is made of them depends on their sum alone, and
            that is always 1. The gradients of {listed(names)} that go through it are rounding.""",
        fix="torch.softmax(x, dim=-1).sum(dim=-2)  # not along the softmax's own axis",
        step=step.index,
        kernel=kernel,
    )
