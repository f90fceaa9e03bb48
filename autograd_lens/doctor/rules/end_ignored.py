"""Where an episode ends is drawn with each batch, and nothing reads it.

What it finds:
    Zeros and ones that are drawn by the same rows as the rewards and states of a batch and that
    nothing ever reads, while the target of the loss is made of a network's value of the next state.

Why it is bad:
    Behind the end of an episode there is no next state. Its value is added all the same, and the
    values of the last states, and of all that lead to them, are what was made up there.

Evidence it needs:
    Two full steps: what was drawn, what read it, and what the target is made of.

Example:
    target = reward[rows] + gamma * value(after[rows]).detach()

Corrected:
    target = reward[rows] + gamma * (1 - done[rows]) * value(after[rows]).detach()

When it is silent:
    Ends that are not drawn at all, or that anything reads.

References:
    https://arxiv.org/abs/1712.00378
"""

from __future__ import annotations

from collections.abc import Iterator

from autograd_lens.doctor.cases import Case, told
from autograd_lens.doctor.evidence import Evidence
from autograd_lens.doctor.finding import Finding, Rule
from autograd_lens.doctor.tape import compared, made_of
from autograd_lens.trace.graph import TapeIndex, argument, operator_name, tensors
from autograd_lens.trace.records import Kernel, TensorUse
from autograd_lens.trace.values import Value

RULE = Rule("AL424", "end-ignored", "warning", "full")

_ROWS = frozenset({"index", "index_select"})
_STEPS = 2


def check(evidence: Evidence) -> Iterator[Finding]:
    """Find ends that are drawn and read nowhere, in every full step."""
    cases = [_case(tape) for tape in evidence.tapes]
    if len(cases) >= _STEPS and all(cases):
        yield from told(RULE, evidence, lambda tape: [_case(tape)])


def _case(tape: TapeIndex) -> Case | None:
    """The first such draw of a step."""
    target = next((one for k in tape.kernels if (one := _bootstrapped(tape, k))), None)
    if target is None:
        return None
    behind = {one.index for one in tape.ancestors(target.tensor, len(tape.kernels))}
    used = {rows for one in tape.kernels if one.index in behind for rows in _rows(one)}
    for kernel in tape.kernels:
        drawn = kernel.outputs[0] if kernel.outputs else None
        if drawn is None or tape.readers(drawn.tensor) or not used.intersection(_rows(kernel)):
            continue
        if _zeros_and_ones(drawn.value):
            return Case(
                kernel,
                "the ends of episodes are drawn and not used",
                """zeros and ones are drawn by the same rows as what the target is made of, and
                nothing reads them; the target holds a network's value of the next state, also
                where there is none""",
                "target = reward + gamma * (1 - done) * next_value",
            )
    return None


def _rows(kernel: Kernel) -> Iterator[int]:
    """The tensor of the rows that a kernel draws; nothing for other kernels."""
    if operator_name(kernel) in _ROWS and kernel.phase == "forward":
        base = argument(kernel, "self")
        yield from (use.tensor for use in tensors(kernel.inputs) if use is not base)


def _bootstrapped(tape: TapeIndex, kernel: Kernel) -> TensorUse | None:
    """The target of a loss, where it was drawn and added to what a network says."""
    sides = compared(tape, kernel) if kernel.phase == "forward" else None
    if sides is None:
        return None
    plain = [use for use in sides if use.tensor not in tape.differentiable]
    for use in plain[:1] if len(plain) == 1 else ():
        maker = tape.through_views(use.tensor, kernel.index)
        added = maker is not None and operator_name(maker).rstrip("_") == "add"
        if added and made_of(tape, use.tensor, kernel.index):
            return use
    return None


def _zeros_and_ones(value: Value | None) -> bool:
    known = value is not None and value.complete and value.numel > 1
    return known and value is not None and set(value.array.ravel().tolist()) <= {0, 1}
